//! The built `pam_assent.so` in the real libpam, against an agent that follows a script.
//!
//! Needs root: the module accepts only a socket of root's, with root listening. A test that cannot have that fails and
//! says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod agent;
mod binary;
mod conversation;
mod deadline;
mod fence;
mod host;
mod options;
mod place;
mod rig;
mod session;
mod signals;
mod syscalls;
mod ticket;
mod verdict;
mod wire_faults;
