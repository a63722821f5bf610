//! The authenticator's origin: static files alone. It decides nothing and holds nothing.

use super::assets::{Bundle, Served};
use super::headers::Headers;
use super::pages;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

/// What the authenticator is told of its surroundings.
#[derive(Serialize)]
struct AppConfig<'a> {
    relay: &'a str,
    panel: &'a str,
}

/// The routes.
pub fn router(bundle: &Bundle, relay_url: &str, panel_url: &str, headers: Headers) -> Router {
    let config = AppConfig {
        relay: relay_url,
        panel: panel_url,
    };
    // Two texts always make JSON.
    let body = Bytes::from(serde_json::to_vec(&config).unwrap_or_default());
    let config = Served::new("application/json", body);
    let mut router = pages::assets(bundle);
    let page = bundle.roots.get("index.html");
    for (path, served) in [
        ("/", page),
        ("/e", page),
        ("/sw.js", bundle.roots.get("sw.js")),
        ("/manifest.webmanifest", bundle.roots.get("manifest.webmanifest")),
        ("/favicon.ico", bundle.roots.get("favicon.ico")),
        ("/config.json", Some(&config)),
        ("/assets.json", Some(&bundle.list())),
    ] {
        router = pages::root(router, path, served);
    }
    router.layer(map_response(move |mut response: Response| {
        headers.put(response.headers_mut());
        std::future::ready(response)
    }))
}

/// For origins without the relay: whoever balances load asks all of them.
pub fn health() -> Router {
    Router::new().route("/healthz", get(|| async { (StatusCode::OK, "ok\n") }))
}
