//! What hosts ask at the panel's address while the relay is away: sealed calls to the code service, and by which keys that is
//! verified. The panel reads and forges as little of them as the relay does. No page calls this, and no cookie counts.

use super::Panel;
use super::guard::limited;
use crate::error::Error;
use crate::relay::body;
use crate::relay::routes::MAX_CALL;
use assent_proto::code::Sealed;
use assent_proto::relay::TrustInfo;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::Arc;

/// Anyone at all, within the limits of their address.
struct Stranger;

impl FromRequestParts<Arc<Panel>> for Stranger {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, Error> {
        limited(parts, panel).map(|_| Self)
    }
}

/// The two calls, as the relay has them.
pub fn router(panel: Arc<Panel>) -> Router {
    Router::new()
        .route("/v1/trust", get(trust))
        .route("/v1/codes", post(call))
        .with_state(panel)
}

async fn trust(State(panel): State<Arc<Panel>>, _: Stranger) -> Result<Json<TrustInfo>, Error> {
    panel.registrar.trust().await.map(Json)
}

async fn call(State(panel): State<Arc<Panel>>, _: Stranger, body: Body) -> Result<Json<Sealed>, Error> {
    let codes = panel.codes.as_ref().ok_or(Error::NoRoute)?;
    let sealed: Sealed = body::json(body, MAX_CALL).await?;
    codes.call(sealed).await.map(Json)
}
