//! What an administrator reads about everybody. Who is one, and whether they may look now, the registrar says
//! ([`crate::registrar::overview`]); nothing of it is kept here.

use super::devices::read_id;
use super::error::PanelError;
use super::guard::{Actor, Visitor};
use super::{MAX_BODY, Panel};
use crate::registrar::Registrar;
use crate::registrar::asked::Standing;
use crate::registrar::overview::{Overview, PAGE, Search};
use crate::relay::body;
use assent_proto::text::visible;
use assent_proto::{Id, ShortText};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct Administers {
    administers: bool,
}

/// `GET overview`: whether there is one for who is signed in.
pub(super) async fn offered(
    State(panel): State<Arc<Panel>>,
    Visitor(session): Visitor,
) -> Result<Json<Administers>, PanelError> {
    let administers = panel.registrar.administers(&session.owner).await?;
    Ok(Json(Administers { administers }))
}

/// How a look stands.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Looking {
    Approval {
        id: Id,
        /// Seconds that a device has.
        left: u64,
    },
    Granted,
    Over,
}

/// `POST overview/looks`.
pub(super) async fn ask(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
) -> Result<(StatusCode, Json<Looking>), PanelError> {
    let asked = panel.registrar.ask_overview(&actor.session.owner).await?;
    let id = asked.map_err(PanelError::Refused)?;
    let left = Registrar::approval_seconds();
    Ok((StatusCode::CREATED, Json(Looking::Approval { id, left })))
}

/// `GET overview/looks/{id}`.
pub(super) async fn stands(
    State(panel): State<Arc<Panel>>,
    Visitor(session): Visitor,
    Path(id): Path<String>,
) -> Result<Json<Looking>, PanelError> {
    let id = read_id(&id, "overview")?;
    Ok(Json(
        match panel.registrar.overview_stands(&session.owner, id).await? {
            Standing::Waiting => Looking::Approval {
                id,
                left: Registrar::approval_seconds(),
            },
            Standing::Granted => Looking::Granted,
            Standing::Over => Looking::Over,
        },
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Looked {
    part: String,
    page: u32,
}

/// What the page shows. Everything from outside is made visible.
#[derive(Serialize)]
pub(super) struct Shown {
    /// People on one page.
    page: u32,
    #[serde(flatten)]
    overview: Overview,
}

/// `POST overview/looks/{id}/read`.
pub(super) async fn read(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Shown>, PanelError> {
    let Looked { part, page } = body::json(body, MAX_BODY).await?;
    let search = Search {
        part: ShortText::cut(part.trim().to_owned()),
        page,
    };
    let id = read_id(&id, "overview")?;
    let found = panel.registrar.overview(&actor.session.owner, id, search).await?;
    let overview = made_visible(found.ok_or(PanelError::NotYours("overview"))?);
    Ok(Json(Shown { page: PAGE, overview }))
}

fn made_visible(mut overview: Overview) -> Overview {
    let clean = |text: &mut ShortText| *text = ShortText::cut(visible(text.as_str()));
    for person in &mut overview.people {
        clean(&mut person.name);
        person.devices.iter_mut().for_each(|device| clean(&mut device.label));
    }
    for seen in &mut overview.exceptions {
        let exception = &mut seen.exception;
        for text in [
            &mut seen.host,
            &mut exception.user,
            &mut exception.reason,
            &mut exception.by,
        ] {
            clean(text);
        }
        exception.applications.iter_mut().for_each(clean);
        if let Some(identity) = &mut exception.identity {
            clean(&mut identity.realm);
            clean(&mut identity.id);
        }
    }
    for freeze in &mut overview.freezes {
        for name in &mut freeze.names {
            *name = visible(name);
        }
    }
    overview.silent.iter_mut().for_each(clean);
    overview
}
