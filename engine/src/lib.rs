//! Who it is and which rule applies. Used by the agent, by the panel's sign-in and by `assentctl`.
//!
//! [`config`] turns files into a checked [`config::Config`]; [`directory`] finds users and checks passwords;
//! [`policy`] chooses the method; [`login`] is the state machine that runs one login; [`sign_in`] is the panel's way in, by
//! password alone; [`chain`] links the records of the audit. `policy` and `login` do no I/O:
//! facts and events go in, effects come out, so that a login can be explained, replayed and tested without a server.
#![forbid(unsafe_code)]

pub mod chain;
pub mod conditions;
pub mod config;
pub mod directories;
pub mod directory;
pub mod enroll;
pub mod enroll_screen;
pub mod explain;
mod fallback;
pub mod grants;
pub mod ledger;
pub mod login;
pub mod matcher;
pub mod moment;
pub mod names;
pub mod places;
pub mod policy;
pub mod policy_test;
pub mod qr;
pub mod replay;
pub mod risk;
pub mod sign_in;
pub mod sources;
