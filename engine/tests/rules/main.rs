//! Which rule applies: policies with their conditions, a site's own tests of them, and recorded logins under new ones.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod attacked;
mod company;
mod policies;
mod replays;
mod risk;
mod site_tests;
