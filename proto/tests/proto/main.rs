//! What `assent-proto` promises, tested from outside: a file a topic, a sentence a test, R-numbers as in
//! `docs/requirements.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod golden;
mod jws;
mod registrar;
mod revocation;
mod stage;
mod verifier;
