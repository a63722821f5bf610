//! Who asks, proven before a handler runs. A handler that takes a [`Visitor`] has somebody who is signed in; one that
//! takes an [`Actor`] has besides the session's second secret from the panel's own page. What is changed without a
//! session (signing in) takes [`OwnPage`]. There is no other way to a handler (R75, R79).

use super::error::PanelError;
use super::session::{Session, Sessions};
use super::{COOKIE, CSRF_HEADER, Panel};
use crate::clock;
use crate::error::Error;
use crate::relay::auth::Peer;
use assent_proto::Nonce;
use assent_proto::time::BootTime;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use std::net::IpAddr;
use std::sync::Arc;

/// Somebody from the panel's own page, signed in or not; their address.
pub struct OwnPage(pub IpAddr);

/// Somebody who is signed in.
pub struct Visitor(pub Arc<Session>);

/// Somebody who is signed in and acts from the panel's own page.
pub struct Actor {
    /// Who.
    pub session: Arc<Session>,
    /// The session's id, to end it.
    pub id: Nonce,
}

/// Anybody who reads, within the limits of their address; the session if there is one.
pub struct Anybody(pub Option<Arc<Session>>);

impl FromRequestParts<Arc<Panel>> for OwnPage {
    type Rejection = PanelError;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, PanelError> {
        let address = limited(parts, panel)?;
        own_page(&parts.headers, &panel.origin)?;
        Ok(Self(address))
    }
}

impl FromRequestParts<Arc<Panel>> for Anybody {
    type Rejection = PanelError;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, PanelError> {
        reads(parts, panel)?;
        let found = session(&parts.headers, panel, Sessions::peek).await?;
        Ok(Self(found.map(|(_, session)| session)))
    }
}

impl FromRequestParts<Arc<Panel>> for Visitor {
    type Rejection = PanelError;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, PanelError> {
        reads(parts, panel)?;
        let session = session(&parts.headers, panel, Sessions::find).await?;
        session.map(|(_, session)| Self(session)).ok_or(PanelError::NoSession)
    }
}

impl FromRequestParts<Arc<Panel>> for Actor {
    type Rejection = PanelError;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, PanelError> {
        OwnPage::from_request_parts(parts, panel).await?;
        let found = session(&parts.headers, panel, Sessions::find).await?;
        let (id, session) = found.ok_or(PanelError::NoSession)?;
        let mark = parts.headers.get(CSRF_HEADER).and_then(|mark| mark.to_str().ok());
        // Compared in constant time.
        if mark.and_then(Nonce::decode) != Some(session.csrf) {
            return Err(PanelError::Csrf);
        }
        Ok(Self { session, id })
    }
}

pub(super) fn limited(parts: &Parts, panel: &Panel) -> Result<IpAddr, Error> {
    let peer = parts.extensions.get::<Peer>();
    let Peer(address) = *peer.ok_or(Error::Internal("a request without an address"))?;
    panel.limiter.stranger(address)?;
    Ok(address)
}

fn reads(parts: &Parts, panel: &Panel) -> Result<(), PanelError> {
    limited(parts, panel)?;
    not_elsewhere(&parts.headers)
}

/// The session of a request, unless its person has said since that it is not theirs.
async fn session(
    headers: &HeaderMap,
    panel: &Panel,
    look: fn(&Sessions, &Nonce, BootTime) -> Option<Arc<Session>>,
) -> Result<Option<(Nonce, Arc<Session>)>, PanelError> {
    let Some(id) = cookie(headers) else { return Ok(None) };
    let Some(session) = look(&panel.sessions, &id, clock::boot_now()) else {
        return Ok(None);
    };
    let void = panel.registrar.void_before(&session.owner.identities).await?;
    if session.began_by(void) {
        panel.sessions.end(&id);
        return Ok(None);
    }
    Ok(Some((id, session)))
}

/// The session's id; `None` also where two are sent.
pub(super) fn cookie(headers: &HeaderMap) -> Option<Nonce> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let value = found.next()?;
    found.next().is_none().then(|| Nonce::decode(value))?
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request that changes something comes from the panel's own page: its `Origin` is the panel's, and where the
/// browser says how page and target stand to each other, it says "same origin". One of the two must be there.
fn own_page(headers: &HeaderMap, origin: &str) -> Result<(), PanelError> {
    let site = headers.get(FETCH_SITE);
    let same = site.map(|site| site == "same-origin");
    let from = headers.get(header::ORIGIN).map(|from| from == origin);
    match (from, same) {
        (Some(true), Some(true) | None) | (None, Some(true)) => Ok(()),
        _ => Err(PanelError::Origin),
    }
}

/// Whether a request that reads comes from the panel's own page, or from no page at all.
fn not_elsewhere(headers: &HeaderMap) -> Result<(), PanelError> {
    match headers.get(FETCH_SITE) {
        Some(site) if site != "same-origin" && site != "none" => Err(PanelError::Origin),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn r75_only_the_panels_own_page_may_change_something() {
        let own = "https://id.example.org";
        let good = |list: &[(HeaderName, &str)]| own_page(&headers(list), own).is_ok();
        assert!(good(&[(header::ORIGIN, own)]));
        assert!(good(&[(FETCH_SITE, "same-origin")]));
        assert!(good(&[(header::ORIGIN, own), (FETCH_SITE, "same-origin")]));
        assert!(!good(&[]), "nothing said");
        for origin in [
            "null",
            "",
            "https://id.example.org/",
            "https://id.example.org:444",
            "http://id.example.org",
            "https://evil.example",
            "https://id.example.org.evil.example",
        ] {
            assert!(!good(&[(header::ORIGIN, origin)]), "{origin}");
            assert!(
                !good(&[(header::ORIGIN, origin), (FETCH_SITE, "same-origin")]),
                "{origin}"
            );
        }
        for site in ["same-site", "cross-site", "none", "Same-Origin"] {
            assert!(!good(&[(FETCH_SITE, site)]), "{site}");
            assert!(!good(&[(header::ORIGIN, own), (FETCH_SITE, site)]), "{site}");
        }
    }

    #[test]
    fn r75_the_cookie_is_read_whole_and_once() {
        let id = Nonce { 0: [7; 32] };
        let of = |list: &[&str]| {
            let list: Vec<_> = list.iter().map(|value| (header::COOKIE, *value)).collect();
            cookie(&headers(&list))
        };
        let ours = format!("{COOKIE}={id}");
        assert_eq!(of(&[&ours]), Some(id));
        assert_eq!(of(&[&format!("a=b; {ours}; c=d")]), Some(id));
        assert_eq!(of(&["a=b", &ours]), Some(id), "HTTP/2 may split them");
        assert_eq!(of(&[&ours, &ours]), None, "two of them");
        assert_eq!(of(&[&format!("x{ours}")]), None);
        assert_eq!(of(&[&ours[..ours.len() - 1]]), None);
        assert_eq!(of(&[]), None);
    }
}
