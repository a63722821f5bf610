//! Every route of the relay's HTTP side, in one list; a registrar that runs apart has its own ([`super::link`]).

use super::auth::Stranger;
use super::door::{CodesDoor, Door};
use super::{Relay, body, push, stream, subscription};
use crate::error::Error;
use assent_proto::registrar::Sealed;
use assent_proto::relay::TrustInfo;
use assent_proto::seal::MAX_SEALED;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use std::sync::Arc;

/// Bytes of a sealed call as JSON.
pub const MAX_CALL: usize = MAX_SEALED * 4 / 3 + 512;

/// The HTTP side.
pub fn router(relay: Arc<Relay>, door: Door, codes: CodesDoor, tls: bool) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/v1/trust", get(trust))
        .route("/v1/registrar", post(call))
        .route("/v1/codes", post(codes_call))
        .route("/v1/push", post(push::post))
        .route("/v1/push/{id}", delete(push::delete).get(subscription::waiting))
        .route("/v1/push/{id}/answer", post(push::answer))
        .route("/v1/events", get(stream::open))
        .route(
            "/v1/subscription",
            get(subscription::get)
                .put(subscription::put)
                .delete(subscription::delete),
        )
        .fallback(|| async { Error::NoRoute })
        .method_not_allowed_fallback(|| async { Error::NoMethod })
        .layer(Extension(door))
        .layer(Extension(codes))
        .layer(map_response(move |response| async move { with_headers(response, tls) }))
        .with_state(relay)
}

async fn health(State(relay): State<Arc<Relay>>) -> (StatusCode, &'static str) {
    if relay.healthy().await {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the data base cannot be read\n")
    }
}

async fn trust(Extension(door): Extension<Door>, _: Stranger) -> Result<Json<TrustInfo>, Error> {
    Ok(Json(door.trust()?))
}

async fn call(Extension(door): Extension<Door>, _: Stranger, body: Body) -> Result<Json<Sealed>, Error> {
    let sealed: Sealed = body::json(body, MAX_CALL).await?;
    Ok(Json(door.call(sealed).await?))
}

async fn codes_call(Extension(door): Extension<CodesDoor>, _: Stranger, body: Body) -> Result<Json<Sealed>, Error> {
    let sealed: Sealed = body::json(body, MAX_CALL).await?;
    Ok(Json(door.call(sealed).await?))
}

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

fn with_headers(mut response: Response, tls: bool) -> Response {
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    if tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000"),
        );
    }
    response
}
