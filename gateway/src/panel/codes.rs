//! A person's own codes: an authenticator app by QR code, recovery codes, their removal. Whether a change may be made, the
//! registrar says, where a device approves it ([`crate::registrar::code_changes`]); secrets and codes go to the page that
//! asked, once, and are kept nowhere here.

use super::devices::read_id;
use super::enrolment::{Matrix, matrix};
use super::error::PanelError;
use super::guard::{Actor, Visitor};
use super::{MAX_BODY, Panel};
use crate::codes::desk::Desk;
use crate::codes::enrol::{self, Made, OPEN_TTL};
use crate::codes::recent::Recent;
use crate::registrar::Registrar;
use crate::registrar::code_changes::{CodesChange, Standing as Stands};
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
    /// The code service, if this panel has one.
    pub(super) fn codes(&self) -> Result<&Desk, PanelError> {
        let none = || PanelError::Refused(ShortText::cut("this panel has no code service".to_owned()));
        self.codes.as_ref().ok_or_else(none)
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
    let own = panel.codes()?.own(&session.owner.identities).await?;
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
    panel.codes()?;
    let session = &actor.session;
    let asked = panel
        .registrar
        .ask_code_change(&session.owner, session.proof, change)
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
    Ok(Json(match panel.registrar.code_change(&session.owner, id).await? {
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
    let made = panel.codes()?.carry_out(&actor.session.owner, id).await?;
    let made = made.map_err(PanelError::Refused)?;
    Ok(Json(match made.ok_or(PanelError::NotYours("change"))? {
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
    let confirmed = panel.codes()?.confirm_totp(&actor.session.owner, id, &code).await?;
    match confirmed.map_err(PanelError::Refused)? {
        true => Ok(Json(Ready {})),
        false => Err(PanelError::NotYours("code")),
    }
}
