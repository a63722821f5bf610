//! A person's own codes: an authenticator app by QR code, recovery codes, their removal. Whether a change may be made, the
//! registrar says, where a device approves it ([`crate::registrar::code_changes`]); secrets and codes go to the page that
//! asked, once, and are kept nowhere here.

use super::devices::read_id;
use super::enrolment::{Matrix, matrix};
use super::error::PanelError;
use super::guard::{Actor, Visitor};
use super::{MAX_BODY, Panel};
use crate::codes::Codes;
use crate::codes::enrol::{self, Made, OPEN_TTL};
use crate::codes::recent::Recent;
use crate::registrar::Registrar;
use crate::registrar::code_changes::{Asker, CodesChange, Standing as Stands};
use crate::registrar::counter::Counter;
use crate::relay::body;
use assent_proto::code::{CodeMethod, TypedCode};
use assent_proto::{Id, ShortText};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

impl Panel {
    /// The code service and the registrar, where they share this process.
    pub(super) fn codes(&self) -> Result<(&Arc<Codes>, &Arc<Registrar>), PanelError> {
        match (&self.codes, &self.registrar) {
            (Some(codes), Counter::Here(registrar)) => Ok((codes, registrar)),
            _ => Err(PanelError::Refused(ShortText::cut(
                "this panel has no code service".to_owned(),
            ))),
        }
    }
}

/// What the page shows of a person's codes.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    standing: enrol::Standing,
    sent: Vec<Sent>,
    recent: Vec<Recent>,
}

/// A way by which codes are sent.
#[derive(Serialize)]
struct Sent {
    by: CodeMethod,
    /// Whether a directory was asked.
    asked: bool,
    /// Where one would go by that directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// `GET codes`.
pub(super) async fn standing(
    State(panel): State<Arc<Panel>>,
    Visitor(session): Visitor,
) -> Result<Json<Shown>, PanelError> {
    let (codes, _) = panel.codes()?;
    let own = codes.own(&session.owner.identities).await?;
    let sent = own.sends.into_iter().map(|by| {
        let known = session.sent_to.as_ref();
        Sent {
            by,
            asked: known.is_some(),
            to: known.and_then(|known| match by {
                CodeMethod::Sms => known.sms.clone(),
                CodeMethod::Mail => known.mail.clone(),
                CodeMethod::Totp | CodeMethod::Recovery => None,
            }),
        }
    });
    Ok(Json(Shown {
        standing: own.standing,
        sent: sent.collect(),
        recent: own.recent,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    change: CodesChange,
}

/// How a change stands.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Change {
    Approval {
        id: Id,
        /// Seconds that a device has.
        left: u64,
    },
    Granted {
        id: Id,
    },
    Over,
}

/// `POST codes/changes`.
pub(super) async fn ask(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    body: Body,
) -> Result<(StatusCode, Json<Change>), PanelError> {
    let Want { change } = body::json(body, MAX_BODY).await?;
    let (_, registrar) = panel.codes()?;
    let session = &actor.session;
    let asked = registrar
        .ask_code_change(&session.owner, Asker::Panel(session.proof), change)
        .await?
        .map_err(PanelError::Refused)?;
    let change = match asked.waits {
        true => Change::Approval {
            id: asked.id,
            left: Registrar::approval_seconds(),
        },
        false => Change::Granted { id: asked.id },
    };
    Ok((StatusCode::CREATED, Json(change)))
}

/// `GET codes/changes/{id}`.
pub(super) async fn change(
    State(panel): State<Arc<Panel>>,
    Visitor(session): Visitor,
    Path(id): Path<String>,
) -> Result<Json<Change>, PanelError> {
    let id = read_id(&id, "change")?;
    let (_, registrar) = panel.codes()?;
    Ok(Json(match registrar.code_change(&session.owner, None, id) {
        Stands::Waiting => Change::Approval {
            id,
            left: Registrar::approval_seconds(),
        },
        Stands::Granted => Change::Granted { id },
        Stands::Over => Change::Over,
    }))
}

/// What came of a change.
#[derive(Serialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub(super) enum Done {
    /// The app waits for its first code.
    Totp {
        id: Id,
        uri: Zeroizing<String>,
        qr: Matrix,
        left: u32,
    },
    /// Shown once.
    Recovery { codes: Vec<Zeroizing<String>> },
    /// Gone.
    Removed,
}

/// `POST codes/changes/{id}/carry-out`: carries out what was granted; a page that did not hear the answer asks once more.
pub(super) async fn carry_out(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Done>, PanelError> {
    let id = read_id(&id, "change")?;
    let (codes, registrar) = panel.codes()?;
    let owner = &actor.session.owner;
    let change = registrar
        .take_code_change(owner, None, id)
        .ok_or(PanelError::NotYours("change"))?;
    let made = codes.carry_out(owner, change).await.map_err(PanelError::Refused)?;
    Ok(Json(match made {
        Made::Totp(opened) => Done::Totp {
            id: opened.id,
            qr: matrix(&opened.uri)?,
            uri: opened.uri,
            left: OPEN_TTL,
        },
        Made::Recovery(codes) => Done::Recovery { codes },
        Made::Removed => Done::Removed,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    code: Zeroizing<String>,
}

#[derive(Serialize)]
pub(super) struct Ready {}

/// `POST codes/totp/{id}`: the app's first code.
pub(super) async fn confirm(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Ready>, PanelError> {
    let First { code } = body::json(body, MAX_BODY).await?;
    let code = TypedCode::new(code.trim().as_bytes()).filter(enrol::is_app_code);
    let code = code.ok_or(PanelError::Digits)?;
    let id = read_id(&id, "code")?;
    let (codes, _) = panel.codes()?;
    let confirmed = codes.confirm_own_totp(&actor.session.owner, id, &code).await;
    match confirmed.map_err(PanelError::Refused)? {
        true => Ok(Json(Ready {})),
        false => Err(PanelError::NotYours("code")),
    }
}
