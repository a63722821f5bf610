//! Which other origin may read what the relay answers: the authenticator's, where that is another one, and no other. No
//! cookies are involved; the relay knows its callers by signed claims.

use super::headers::Headers;
use super::origin::Origin;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// What the authenticator may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, Last-Event-ID");
/// Seconds that a browser may remember this.
const REMEMBER: HeaderValue = HeaderValue::from_static("600");

/// The one other origin.
#[derive(Debug, Clone)]
pub struct Allowed(HeaderValue);

impl Allowed {
    /// `app`, unless the relay lives there itself.
    pub fn new(app: &Origin, relay: &Origin) -> Option<Self> {
        if app == relay {
            return None;
        }
        HeaderValue::from_str(&app.to_string()).ok().map(Self)
    }

    fn is_from(&self, headers: &HeaderMap) -> bool {
        headers.get(header::ORIGIN) == Some(&self.0)
    }
}

/// Answers preflights and marks replies, for paths under `/v1/`.
pub async fn layer(allowed: Allowed, bare: Headers, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let ours = allowed.is_from(request.headers());
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(HeaderName::from_static("access-control-request-method"));
    let mut response = if ours && preflight {
        let mut response = (StatusCode::NO_CONTENT, Body::empty()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBER);
        bare.put(headers);
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if ours {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.0);
    }
    response
}
