//! What `assent-proto` promises, tested from outside: a file a topic, a sentence a test, R-numbers as in
//! `docs/requirements.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod code;
mod evidence;
mod golden;
mod jws;
mod passkeys;
mod registrar;
mod renewal;
mod revocation;
mod roots;
mod stage;
mod verifier;
