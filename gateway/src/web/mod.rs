//! Which role a request is for, and what all roles share. A role answers at its own origin, by the `Host` of the
//! request; roles of one origin answer together; a `Host` that is none of them (a health check, a test on loopback)
//! gets the relay.
//!
//! [`router`] → [`app`] (static files), [`crate::panel`] (pages and API), [`crate::relay::routes`] with [`cors`].
//! [`headers`] says what goes into every reply.

pub mod app;
pub mod assets;
pub mod cors;
pub mod headers;
pub mod origin;
pub mod pages;

use crate::error::Error;
use axum::Router;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse as _, Redirect, Response};
use headers::Headers;
use origin::Origin;
use std::sync::Arc;
use tower::ServiceExt as _;

/// The routers of the roles, each with its layers, none with a fallback but the relay's.
pub struct Roles {
    /// The relay, and where it is.
    pub relay: (Origin, Router),
    /// The authenticator, and where it is.
    pub app: (Origin, Router),
    /// The panel, and where it is.
    pub panel: (Origin, Router),
    /// Whether this process ends TLS.
    pub tls: bool,
}

struct Site {
    by_origin: Vec<(Origin, Router)>,
    relay: Router,
}

/// One router that finds the role.
pub fn router(roles: Roles) -> Router {
    let Roles { relay, app, panel, tls } = roles;
    let bare = Headers::bare(tls);
    let mut relay_routes = relay.1;
    if let Some(allowed) = cors::Allowed::new(&app.0, &relay.0) {
        let (to_app, headers) = (app.0.to_string(), bare.clone());
        relay_routes = relay_routes.layer(from_fn(move |request, next| {
            cors::layer(allowed.clone(), headers.clone(), request, next)
        }));
        relay_routes = relay_routes.layer(from_fn({
            let bare = bare.clone();
            move |request: Request, next: axum::middleware::Next| {
                // A person who types the gateway's address, or follows a link that names it, is led to the app.
                let path = request.uri().path();
                let leads_on = matches!(path, "/" | "/e") && request.method() == Method::GET;
                let redirect = leads_on.then(|| redirect(&format!("{to_app}{path}"), &bare));
                async move {
                    match redirect {
                        Some(response) => response,
                        None => next.run(request).await,
                    }
                }
            }
        }));
    }
    let by_origin = merged([app, panel], (relay.0, relay_routes.clone()), &bare);
    let site = Arc::new(Site {
        by_origin,
        relay: relay_routes,
    });
    Router::new().fallback(move |request: Request| {
        let role = site.role_of(&request);
        async move {
            // A router never fails: its error type is empty.
            match role.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    })
}

/// Whoever followed an enrolment link to the relay belongs to the app; browsers keep the fragment.
fn redirect(to: &str, headers: &Headers) -> Response {
    let mut response = Redirect::temporary(to).into_response();
    headers.put(response.headers_mut());
    response
}

/// One router for each origin.
fn merged(roles: [(Origin, Router); 2], relay: (Origin, Router), bare: &Headers) -> Vec<(Origin, Router)> {
    let mut by_origin = vec![relay];
    for (origin, router) in roles {
        match by_origin.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, known)) => *known = std::mem::take(known).merge(router),
            None => {
                let bare = bare.clone();
                let alone = router.merge(app::health()).fallback(|| async { Error::NoRoute }).layer(
                    axum::middleware::map_response(move |mut response: Response| {
                        // A page has its own, put there before.
                        if !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) {
                            bare.put(response.headers_mut());
                        }
                        std::future::ready(response)
                    }),
                );
                by_origin.push((origin, alone));
            }
        }
    }
    by_origin
}

impl Site {
    fn role_of(&self, request: &Request) -> Router {
        let host = request
            .uri()
            .authority()
            .map(axum::http::uri::Authority::as_str)
            .or_else(|| request.headers().get(header::HOST).and_then(|host| host.to_str().ok()))
            .unwrap_or_default();
        self.by_origin
            .iter()
            .find(|(origin, _)| origin.is_host(host))
            .map_or(&self.relay, |(_, router)| router)
            .clone()
    }
}
