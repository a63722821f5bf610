//! Adding a device: the QR code, the six digits, how it stands. The one-time secret goes to the page that asked and is
//! kept nowhere; whose enrolment it is, the registrar looks up itself (R25, R28).

use super::devices::{left, read_id};
use super::error::PanelError;
use super::guard::{Actor, Visitor};
use super::session::Session;
use super::{MAX_BODY, Panel};
use crate::error::Error;
use crate::qr;
use crate::registrar::self_service::Ended;
use crate::relay::body;
use assent_proto::Id;
use assent_proto::registrar::EnrolmentState;
use assent_proto::text::visible;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A QR code as the page draws it: one text a row, `1` for a dark module, without the quiet zone.
#[derive(Serialize)]
pub(super) struct Matrix {
    size: usize,
    rows: Vec<Zeroizing<String>>,
}

#[derive(Serialize)]
pub(super) struct Opened {
    id: Id,
    /// What the code says; the secret is in its fragment.
    link: Zeroizing<String>,
    /// Seconds that it works.
    left: u64,
    qr: Matrix,
}

/// `POST enrolment`.
pub(super) async fn open(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
) -> Result<(StatusCode, Json<Opened>), PanelError> {
    let session = &actor.session;
    let opened = panel
        .registrar
        .open_own_enrolment(session.owner.clone(), session.proof)
        .await?;
    let opened = opened.map_err(PanelError::Refused)?;
    let link = Zeroizing::new(format!("{}/e#{}", panel.app_url, opened.token.to_text().as_str()));
    let qr = matrix(&link)?;
    Ok((
        StatusCode::CREATED,
        Json(Opened {
            id: opened.token.id,
            left: left(opened.until),
            qr,
            link,
        }),
    ))
}

pub(super) fn matrix(link: &str) -> Result<Matrix, PanelError> {
    let rows = qr::rows(link).ok_or(Error::Internal("an address is too long for a QR code"))?;
    Ok(Matrix { size: rows.len(), rows })
}

/// How it stands.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Standing {
    Waiting,
    Digits {
        label: String,
        tries: u8,
    },
    Approval {
        left: u64,
    },
    Certified,
    Over {
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'static str>,
    },
}

impl Standing {
    async fn of(panel: &Panel, session: &Session, id: Id, state: EnrolmentState) -> Result<Self, PanelError> {
        Ok(match state {
            EnrolmentState::Waiting => Self::Waiting,
            EnrolmentState::Digits { label, tries, .. } => Self::Digits {
                label: visible(label.as_str()),
                tries,
            },
            EnrolmentState::Approval { until } => Self::Approval { left: left(until) },
            EnrolmentState::Certified { .. } => Self::Certified,
            EnrolmentState::Over => {
                let ended = panel.registrar.own_enrolment_ended(&session.owner, id).await?;
                let why = ended.map(|ended| match ended {
                    Ended::Denied => "denied",
                    Ended::Reported => "reported",
                    Ended::Digits => "digits",
                    Ended::Late => "expired",
                });
                Self::Over { why }
            }
        })
    }
}

/// `GET enrolment/{id}`.
pub(super) async fn state(
    State(panel): State<Arc<Panel>>,
    Visitor(session): Visitor,
    Path(id): Path<String>,
) -> Result<Json<Standing>, PanelError> {
    let id = read_id(&id, "code")?;
    let state = panel.registrar.own_enrolment(&session.owner, id).await?;
    Ok(Json(Standing::of(&panel, &session, id, state).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digits {
    digits: String,
}

/// `POST enrolment/{id}/digits`.
pub(super) async fn digits(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Standing>, PanelError> {
    let Digits { digits } = body::json(body, MAX_BODY).await?;
    // What cannot be the digits costs no try.
    let digits: String = digits.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PanelError::Digits);
    }
    let id = read_id(&id, "code")?;
    let owner = &actor.session.owner;
    let state = panel.registrar.confirm_own_enrolment(owner, id, &digits).await?;
    Ok(Json(Standing::of(&panel, &actor.session, id, state).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_link_makes_a_small_square_code_with_its_three_corners() {
        let link = format!("https://{}/e#1.{}", "p".repeat(20), "A".repeat(68));
        let qr = matrix(&link).unwrap();
        assert!(qr.size <= 41, "{}", qr.size);
        assert!(qr.rows.len() == qr.size && qr.rows.iter().all(|row| row.len() == qr.size));
        let corner = |x: usize, y: usize| qr.rows[y][x..x + 7] == *"1111111" && qr.rows[y + 1][x..x + 7] == *"1000001";
        assert!(corner(0, 0) && corner(qr.size - 7, 0) && corner(0, qr.size - 7));
    }
}
