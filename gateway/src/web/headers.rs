//! What each role says to browsers with every reply (R80): only what is listed here, and nothing that a handler could
//! forget. Nothing is loaded from elsewhere, nothing inline runs, no other site may frame, read or embed a page.

use super::origin::Origin;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Features that no page of ours uses, by their names in Permissions-Policy.
const FEATURES: [&str; 14] = [
    "accelerometer",
    "autoplay",
    "bluetooth",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "serial",
    "usb",
];

/// The headers of a role.
#[derive(Debug, Clone)]
pub struct Headers(HeaderMap);

/// A header could not be made of the configured URLs.
#[derive(Debug, thiserror::Error)]
#[error("a URL of the configuration cannot stand in a header")]
pub struct Unfit;

impl Headers {
    /// The authenticator's: it talks to the relay alone, reads QR codes by the camera, has a service worker.
    pub fn app(app: &Origin, relay: &Origin) -> Result<Self, Unfit> {
        let relay = if app == relay {
            String::new()
        } else {
            format!(" {relay}")
        };
        let csp = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'{relay}; \
             manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types assent"
        );
        Self::pages(&csp, "camera", app.is_https())
    }

    /// The panel's: it talks to itself alone.
    pub fn panel(panel: &Origin) -> Result<Self, Unfit> {
        let csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                   require-trusted-types-for 'script'; trusted-types 'none'";
        Self::pages(csp, "", panel.is_https())
    }

    /// Of a reply that is no page, on the relay's origin.
    pub fn bare(tls: bool) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
        common(&mut headers, tls);
        Self(headers)
    }

    fn pages(csp: &str, allowed: &str, tls: bool) -> Result<Self, Unfit> {
        let features: Vec<String> = FEATURES
            .iter()
            .map(|feature| format!("{feature}={}", if *feature == allowed { "(self)" } else { "()" }))
            .collect();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Unfit);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, value(csp)?);
        headers.insert(
            HeaderName::from_static("permissions-policy"),
            value(&features.join(", "))?,
        );
        headers.insert(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
        common(&mut headers, tls);
        Ok(Self(headers))
    }

    /// Puts them into a reply. What a reply says of its caching stays; without a word, nothing is kept.
    pub fn put(&self, reply: &mut HeaderMap) {
        for (name, value) in &self.0 {
            reply.insert(name.clone(), value.clone());
        }
        reply
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

fn common(headers: &mut HeaderMap, tls: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000"),
        );
    }
}
