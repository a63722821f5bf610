//! Which role a request is for, and what all roles share. A role answers at its own origin, by the `Host` of the
//! request; roles of one origin answer together; a `Host` that is none of them (a health check, a test on loopback)
//! gets the relay, and in a process without the relay only `/healthz`.
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

/// The routers of the roles of this process, each with its layers, none with a fallback but the relay's.
pub struct Roles {
    /// The relay, and where it is.
    pub relay: Option<(Origin, Router)>,
    /// The authenticator, and where it is.
    pub app: Option<(Origin, Router)>,
    /// The panel, and where it is.
    pub panel: Option<(Origin, Router)>,
    /// Where the authenticator is, in this process or in another.
    pub app_url: Origin,
    /// Whether this process ends TLS.
    pub tls: bool,
}

struct Site {
    by_origin: Vec<(Origin, Router)>,
    /// For a `Host` that is none of these.
    other: Router,
}

/// One router that finds the role.
pub fn router(roles: Roles) -> Router {
    let bare = Headers::bare(roles.tls);
    let relay = roles.relay.map(|(at, routes)| {
        let routes = for_the_app(routes, &at, &roles.app_url, &bare);
        (at, routes)
    });
    let other = match &relay {
        Some((_, relay)) => relay.clone(),
        None => alone(Router::new(), &bare),
    };
    let site = Arc::new(Site {
        by_origin: merged([roles.app, roles.panel].into_iter().flatten(), relay, &bare),
        other,
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

/// The relay's routes as the authenticator of another origin needs them.
fn for_the_app(mut relay_routes: Router, relay: &Origin, app: &Origin, bare: &Headers) -> Router {
    if let Some(allowed) = cors::Allowed::new(app, relay) {
        let (to_app, headers) = (app.to_string(), bare.clone());
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
    relay_routes
}

/// Whoever followed an enrolment link to the relay belongs to the app; browsers keep the fragment.
fn redirect(to: &str, headers: &Headers) -> Response {
    let mut response = Redirect::temporary(to).into_response();
    headers.put(response.headers_mut());
    response
}

/// One router for each origin.
fn merged(
    roles: impl Iterator<Item = (Origin, Router)>,
    relay: Option<(Origin, Router)>,
    bare: &Headers,
) -> Vec<(Origin, Router)> {
    let at_relay = relay.as_ref().map(|(origin, _)| origin.clone());
    let mut by_origin: Vec<_> = relay.into_iter().collect();
    for (origin, router) in roles {
        match by_origin.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, known)) => *known = std::mem::take(known).merge(router),
            None => by_origin.push((origin, router)),
        }
    }
    for (origin, router) in &mut by_origin {
        if at_relay.as_ref() != Some(origin) {
            *router = alone(std::mem::take(router), bare);
        }
    }
    by_origin
}

/// What an origin without the relay has besides its role.
fn alone(router: Router, bare: &Headers) -> Router {
    let bare = bare.clone();
    router
        .merge(app::health())
        .fallback(|| async { Error::NoRoute })
        .layer(axum::middleware::map_response(move |mut response: Response| {
            // A page has its own, put there before.
            if !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) {
                bare.put(response.headers_mut());
            }
            std::future::ready(response)
        }))
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
            .map_or(&self.other, |(_, router)| router)
            .clone()
    }
}
