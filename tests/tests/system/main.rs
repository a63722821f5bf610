//! Every system test, in one program: real sshd, sudo, slapd and D-Bus in a private world. Needs root.
//!
//! A file a topic; each lists its scenarios, and `main` lists the topics. How to write one: `tests/README.md`.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests end by a panic that says what does not hold"
)]

use std::process::ExitCode;

mod admin;
mod apart;
mod audit;
mod caller;
mod certificates;
mod codes;
mod collectors;
mod devices;
mod evil;
mod exceptions;
mod first_login;
mod guesses;
mod helpers;
mod languages;
mod login;
mod notifications;
mod numbers;
mod planted;
mod revocation;
mod rigs;
mod risk;
mod security_keys;
mod sms;
mod ssh;
mod sudo;
mod tokens;
mod users;
mod walkthrough;
mod weather;
mod worlds;

fn main() -> ExitCode {
    if let Some(code) = helpers::play() {
        return code;
    }
    assent_tests::suite::run(&[
        rigs::SCENARIOS,
        worlds::SCENARIOS,
        ssh::SCENARIOS,
        sudo::SCENARIOS,
        caller::SCENARIOS,
        numbers::SCENARIOS,
        risk::SCENARIOS,
        codes::SCENARIOS,
        collectors::SCENARIOS,
        walkthrough::SCENARIOS,
        users::SCENARIOS,
        exceptions::SCENARIOS,
        guesses::SCENARIOS,
        languages::SCENARIOS,
        weather::SCENARIOS,
        admin::SCENARIOS,
        devices::SCENARIOS,
        tokens::SCENARIOS,
        security_keys::SCENARIOS,
        notifications::SCENARIOS,
        first_login::SCENARIOS,
        audit::SCENARIOS,
        planted::SCENARIOS,
        certificates::SCENARIOS,
        apart::SCENARIOS,
        evil::SCENARIOS[0],
        evil::SCENARIOS[1],
        evil::SCENARIOS[2],
        evil::SCENARIOS[3],
        evil::SCENARIOS[4],
        revocation::SCENARIOS,
    ])
}
