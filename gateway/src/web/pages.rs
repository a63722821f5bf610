//! Serving a bundle: pages are asked for anew each time (and cost a `304` where nothing changed), hashed names are kept
//! for ever.

use super::assets::{Bundle, Served};
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use std::sync::Arc;

/// How long a browser may keep something.
#[derive(Debug, Clone, Copy)]
enum Keep {
    /// As long as it likes: the name changes with the content.
    ForEver,
    /// Not without asking.
    Ask,
}

impl Keep {
    fn header(self) -> HeaderValue {
        match self {
            Self::ForEver => HeaderValue::from_static("public, max-age=31536000, immutable"),
            Self::Ask => HeaderValue::from_static("no-cache"),
        }
    }
}

/// Routes for every asset of a bundle.
pub fn assets(bundle: &Bundle) -> Router {
    bundle.assets.iter().fold(Router::new(), |router, (path, served)| {
        route(router, path, served.clone(), Keep::ForEver)
    })
}

/// A route for a page or another file with a fixed path. Without the file, there is no route.
pub fn root(router: Router, path: &str, served: Option<&Served>) -> Router {
    match served {
        Some(served) => route(router, path, served.clone(), Keep::Ask),
        None => router,
    }
}

fn route(router: Router, path: &str, served: Served, keep: Keep) -> Router {
    let served = Arc::new(served);
    router.route(
        path,
        get(move |headers: HeaderMap| async move { send(&served, keep, &headers) }),
    )
}

fn send(served: &Served, keep: Keep, asked: &HeaderMap) -> Response {
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.to_str()
            .is_ok_and(|tags| tags.split(',').any(|tag| tag.trim() == served.etag))
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, served.kind)], served.body.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, keep.header());
    // Hex in quotes is a header value.
    if let Ok(etag) = HeaderValue::from_str(&served.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}
