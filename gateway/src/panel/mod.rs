//! The Register Panel: people sign in, register devices by QR code, list, name and remove them.
//!
//! It says who somebody is ([`sign_in`], by the engine's directories or a one-time link) and shows what the registrar
//! says; what that allows is decided in [`crate::registrar::self_service`], which re-checks everything. It sees the
//! secrets of the enrolments that it shows, keeps none, and can approve nothing.
//!
//! [`router`] → [`guard`] (who asks, from where) → [`sign_in`], [`devices`], [`enrolment`]. Sessions are [`session`]'s,
//! limits of sign-ins [`throttle`]'s.

mod codes;
mod devices;
mod enrolment;
pub mod error;
mod freeze;
mod guard;
pub mod host_calls;
mod overview;
pub mod session;
mod sign_in;
pub mod throttle;

use crate::clock;
use crate::codes::desk::Desk;
use crate::config::{Config, Limits};
use crate::error::Error;
use crate::notify::Notifier;
use crate::registrar::counter::Counter;
use crate::relay::limits::Limiter;
use crate::web::assets::Bundle;
use crate::web::headers::Headers;
use crate::web::pages;
use assent_engine::sign_in::SignIn;
use axum::Router;
use axum::middleware::map_response;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use error::PanelError;
use session::Sessions;
use std::sync::Arc;
use throttle::Throttle;

/// The session's cookie. The prefix makes browsers refuse it from any other host and without `Secure`.
const COOKIE: &str = "__Host-assent-panel";
/// Where a page shows the session's second secret.
const CSRF_HEADER: &str = "x-csrf-token";
/// Most bytes of a body.
const MAX_BODY: usize = 4096;

/// The panel's state.
pub struct Panel {
    registrar: Counter,
    /// Where it is, if there is one.
    codes: Option<Desk>,
    directories: SignIn,
    sessions: Sessions,
    throttle: Throttle,
    limiter: Limiter,
    notifier: Notifier,
    /// As browsers write it in `Origin`.
    origin: String,
    /// What a device's link begins with.
    app_url: String,
}

impl Panel {
    /// A panel in which nobody is signed in.
    pub fn open(
        config: &Config,
        registrar: Counter,
        codes: Option<Desk>,
        notifier: Notifier,
    ) -> anyhow::Result<Arc<Self>> {
        let limits: &Limits = &config.limits;
        let mut profiles = config.panel.auth_profiles.clone();
        for profile in &mut profiles {
            for name in sign_in::ADDRESSES {
                profile.want(name);
            }
        }
        Ok(Arc::new(Self {
            registrar,
            codes,
            directories: SignIn::new(profiles)?,
            sessions: Sessions::default(),
            throttle: Throttle::new(clock::boot_now()),
            limiter: Limiter::new(limits),
            notifier,
            origin: config.panel.url.to_string(),
            app_url: config.app.url.to_string(),
        }))
    }
}

/// Pages, their files, and the API.
pub fn router(panel: Arc<Panel>, bundle: &Bundle, headers: Headers) -> Router {
    let mut shown = pages::assets(bundle);
    for (path, name) in [
        ("/panel/", "index.html"),
        ("/panel/sign-in", "sign-in.html"),
        ("/panel/l", "link.html"),
        ("/panel/add", "add.html"),
        ("/panel/overview", "overview.html"),
        ("/panel/help", "help.html"),
    ] {
        shown = pages::root(shown, path, bundle.roots.get(name));
    }
    let api = Router::new()
        .route("/panel/api/session", get(sign_in::session))
        .route("/panel/api/sign-in", post(sign_in::by_password))
        .route("/panel/api/link", post(sign_in::by_link))
        .route("/panel/api/sign-out", post(sign_in::out))
        .route("/panel/api/devices", get(devices::list))
        .route("/panel/api/devices/{id}/rename", post(devices::rename))
        .route("/panel/api/devices/{id}/remove", post(devices::remove))
        .route("/panel/api/enrolment", post(enrolment::open))
        .route("/panel/api/enrolment/{id}", get(enrolment::state))
        .route("/panel/api/enrolment/{id}/digits", post(enrolment::digits))
        .route("/panel/api/codes", get(codes::standing))
        .route("/panel/api/codes/changes", post(codes::ask))
        .route("/panel/api/codes/changes/{id}", get(codes::change))
        .route("/panel/api/codes/changes/{id}/carry-out", post(codes::carry_out))
        .route("/panel/api/codes/totp/{id}", post(codes::confirm))
        .route("/panel/api/freeze/lift", post(freeze::lift))
        .route("/panel/api/overview", get(overview::offered))
        .route("/panel/api/overview/looks", post(overview::ask))
        .route("/panel/api/overview/looks/{id}", get(overview::stands))
        .route("/panel/api/overview/looks/{id}/read", post(overview::read))
        .route("/panel/api/{*rest}", get(nothing).post(nothing))
        .method_not_allowed_fallback(|| async { PanelError::Http(Error::NoMethod) })
        .with_state(panel);
    shown
        .route("/panel", get(|| async { Redirect::permanent("/panel/") }))
        .merge(api)
        .layer(map_response(move |mut response: Response| {
            headers.put(response.headers_mut());
            std::future::ready(response)
        }))
}

async fn nothing() -> PanelError {
    PanelError::Http(Error::NoRoute)
}
