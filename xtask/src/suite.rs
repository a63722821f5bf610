//! `cargo xtask test`: the README's test command, and all that `.ci/run` runs.

use crate::{checks, demo, dist, model, run, web};
use anyhow::{Result, bail};
use assent_tests::packages::{self, Consent};
use clap::Args;

/// Options of `test`.
#[derive(Args)]
pub struct Options {
    /// Installs what is lacking without asking.
    #[arg(long)]
    yes: bool,
    /// Leaves out the checks by standard tools (formatting, lints, licences).
    #[arg(long)]
    tests_only: bool,
}

/// Runs it all. System tests start real sshd, sudo and slapd in private namespaces, so they need root.
pub fn run(options: &Options) -> Result<()> {
    if !root()? {
        bail!(
            "the system tests start sshd, sudo and slapd in private namespaces and need root; as another user run `cargo test --workspace --exclude assent-tests --exclude pam_assent`"
        );
    }
    let consent = if options.yes { Consent::Given } else { Consent::Ask };
    packages::ensure(&packages::FOR_TESTS, consent)?;
    web::ensure(consent)?;
    if !options.tests_only {
        checks::run(&checks::Options { yes: options.yes })?;
    }
    // Everything at once and with one set of features, also those that only tests and examples ask for, so that no
    // dependency is built twice; the system tests run what this leaves in target/debug.
    build()?;
    run::cargo(["test", "--workspace", "--features", "xtask/bench", "--quiet"])?;
    web::test()?;
    model::search(false)?;
    dist::try_them(consent)?;
    demo::play()
}

/// Builds everything but the tests, with the features that they are built with.
pub fn build() -> Result<()> {
    run::cargo([
        "build",
        "--workspace",
        "--features",
        "xtask/bench",
        "--lib",
        "--bins",
        "--examples",
        "--quiet",
    ])
}

fn root() -> Result<bool> {
    Ok(run::output("id", ["-u"])?.trim() == "0")
}
