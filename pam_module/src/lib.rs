//! `pam_assent.so`: carries what PAM knows to `assent-agentd`, carries the conversation back and forth, and returns
//! the agent's verdict. It knows no policy, and it can only say yes by repeating the agent's yes.
//!
//! ```text
//! libpam ─▶ lib (the six entry points) ─▶ fence ─▶ login ─▶ options
//!                                           │        ├────▶ facts ────────▶ sys
//!                                           │        ├────▶ agent ─ wait ─▶ sys
//!                                           │        ├────▶ conv ─────────▶ sys
//!                                           │        ├────▶ ticket
//!                                           │        └────▶ outcome (verdict × phase → PAM code)
//!                                           └─▶ session ─▶ facts, agent
//! ```
//!
//! It never starts a thread or a process, resolves a name, installs a signal handler, writes the environment or lets a
//! panic leave. `unsafe` stands in `sys` alone, except what `pamsm::pam_module!` expands to.
#![deny(unsafe_code)]

mod agent;
mod conv;
mod deadline;
mod facts;
mod fault;
mod fence;
mod log;
mod login;
mod options;
mod outcome;
mod session;
#[allow(unsafe_code, reason = "the one door to libc and libpam")]
mod sys;
mod ticket;
mod wait;

use assent_wire::Phase;
use pamsm::{Pam, PamError, PamFlags, PamServiceModule, pam_module};

#[global_allocator]
static ALLOCATOR: sys::alloc::Wiping = sys::alloc::Wiping;

struct Assent;

impl PamServiceModule for Assent {
    fn authenticate(pam: Pam, flags: PamFlags, args: Vec<String>) -> PamError {
        fence::guard(PamError::AUTHINFO_UNAVAIL, || {
            login::run(&pam, Phase::Auth, flags, &args)
        })
    }

    fn acct_mgmt(pam: Pam, flags: PamFlags, args: Vec<String>) -> PamError {
        fence::guard(PamError::AUTHINFO_UNAVAIL, || {
            login::run(&pam, Phase::Account, flags, &args)
        })
    }

    /// There are no credentials to set; an error here would undo a login that was approved.
    fn setcred(_: Pam, _: PamFlags, _: Vec<String>) -> PamError {
        PamError::SUCCESS
    }

    fn open_session(pam: Pam, _: PamFlags, args: Vec<String>) -> PamError {
        fence::guard(PamError::IGNORE, || {
            session::report(&pam, &args);
            PamError::IGNORE
        })
    }

    fn close_session(_: Pam, _: PamFlags, _: Vec<String>) -> PamError {
        PamError::IGNORE
    }

    fn chauthtok(_: Pam, _: PamFlags, _: Vec<String>) -> PamError {
        PamError::IGNORE
    }
}

pam_module!(Assent);
