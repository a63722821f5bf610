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
    let packed = served.gzip.as_ref().filter(|_| takes_gzip(asked));
    // Another coding is another representation, with a tag of its own (RFC 9110, section 8.8.3.3).
    let packed_etag = format!("{}-gz\"", served.etag.trim_end_matches('"'));
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.to_str().is_ok_and(|tags| {
            tags.split(',')
                .map(str::trim)
                .any(|tag| tag == served.etag || tag == packed_etag)
        })
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = packed.unwrap_or(&served.body).clone();
        ([(header::CONTENT_TYPE, served.kind)], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, keep.header());
    if served.gzip.is_some() {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if packed.is_some() && !known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let etag = if packed.is_some() { &packed_etag } else { &served.etag };
    // Hex in quotes is a header value.
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Whether whoever asks takes gzip by name (RFC 9110, section 12.5.3). `*` alone gets plain text, which is never wrong.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter();
    codings
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = weight
                .trim()
                .strip_prefix("q=")
                .is_some_and(|q| q.parse().unwrap_or(0.0) == 0.0_f32);
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
}
