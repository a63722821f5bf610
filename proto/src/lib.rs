//! "Assent/1": what hosts, devices and the registrar sign, seal and verify.
//!
//! Call chain of one push: the agent builds a [`request::Statement`], [`request::sign`]s it with the host key,
//! [`seal`]s it to each device's key and hands it to the relay ([`relay`]). The device opens it, verifies chain and
//! signature ([`request::verify`]) before it draws anything, and answers with a [`answer::Answer`] of its own
//! signature, sealed to the host. The host checks it with [`verdict::PendingPush::receive`], the only function that
//! builds [`verdict::Approved`].
//!
//! Codes by SMS, mail, TOTP and recovery codes are judged by the code service ([`code_service`]): what a host asks it and
//! what its signed word is worth stands in [`code`].
//!
//! Enrolment and host join are sealed calls to the registrar ([`registrar`]), which signs certificates ([`cert`])
//! under an offline root ([`cert::Trust`]), renews them ([`life`]), and follows from one set of roots to the next
//! ([`roots`]).
//!
//! Nothing here does I/O, reads a clock or knows async: times are arguments, bytes come in and go out. One signature
//! suite (ES256), one verifier for each document type, no choice by header (RFC 8725).
#![forbid(unsafe_code)]

pub mod answer;
pub mod cert;
pub mod checkpoint;
pub mod code;
pub mod code_service;
mod encoding;
pub mod enrol;
pub mod evidence;
pub mod exception;
mod exchange;
mod jws;
pub mod keys;
pub mod life;
pub mod link;
pub mod login_id;
pub mod number;
pub mod passkey;
pub mod registrar;
pub mod relay;
pub mod report;
pub mod request;
pub mod revocation;
pub mod roots;
pub mod seal;
pub mod signer;
pub mod text;
pub mod time;
pub mod vapid;
pub mod verdict;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod wycheproof;

pub use encoding::{Bytes, Digest, Id, Nonce, ShortText, sha256};
pub use jws::{JwsError, MAX_JWS};
