//! LDAP authentication profiles against a real slapd, and against servers that mean harm.
//!
//! Needs Debian's `slapd` and `openssl`; without them the tests fail and say so.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod fake;
mod hostile;
mod rig;
mod security;
mod servers;
mod users;
