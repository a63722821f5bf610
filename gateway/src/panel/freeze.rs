//! A person lifts their own freeze ("not me"): signed in, and with a code of an app or a list as another factor. A device is
//! not asked: one of them said "not me", and whoever makes it ring could wear its owner down.

use super::MAX_BODY;
use super::Panel;
use super::error::PanelError;
use super::guard::Actor;
use crate::relay::body;
use assent_proto::code::TypedCode;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    code: Zeroizing<String>,
}

#[derive(Serialize)]
pub(super) struct Lifted {
    /// How many freezes there were.
    lifted: u64,
}

/// `POST freeze/lift`.
pub(super) async fn lift(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    body: Body,
) -> Result<Json<Lifted>, PanelError> {
    let Proof { code } = body::json(body, MAX_BODY).await?;
    let code = TypedCode::new(code.trim().as_bytes()).ok_or(PanelError::Digits)?;
    let lifted = panel.codes()?.lift_freeze(&actor.session.owner, &code).await?;
    let lifted = lifted.map_err(PanelError::Refused)?;
    Ok(Json(Lifted { lifted }))
}
