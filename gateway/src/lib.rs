//! The gateway: relay, registrar, code service, authenticator pages and Register Panel in one process, apart in everything else.
//!
//! `main` → [`run`] → [`config`] → [`registrar::Registrar::open`], [`relay::Relay::open`], [`panel::Panel::open`] →
//! [`server::serve`] with [`web::router`] (which finds the role by the request's `Host`), and [`admin::serve`] on its
//! own socket. [`notify`] tells a configured program of changes. All SQL is in [`store`]; every error a caller can meet
//! is in [`error`]. The relay knows of the registrar only how to carry sealed calls to it; the registrar knows of the
//! relay only how to open and close mailboxes.
#![forbid(unsafe_code)]

pub mod admin;
mod again;
pub mod clock;
pub mod codes;
pub mod config;
pub mod error;
mod keyfile;
mod neighbour;
pub mod notify;
pub mod panel;
mod qr;
pub mod registrar;
pub mod relay;
mod run;
pub mod server;
pub mod store;
mod tls;
mod tls_client;
pub mod trusted_proxies;
pub mod web;
pub mod web_push;

pub use run::{check, run};
