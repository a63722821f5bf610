//! What standard tools say of the tree: formatting, lints, licences, shell scripts, unit files, the house rule.

use crate::{house, module, run};
use anyhow::{Context, Result};
use assent_tests::packages::{self, Consent};
use clap::Args;

/// `cargo deny` as CI installs it where it is absent.
const DENY_VERSION: &str = "0.20.2";
/// Debian packages that the checks need.
const PACKAGES: [&str; 4] = ["shellcheck", "binutils", "libpam0g-dev", "systemd"];

/// Options of `check`.
#[derive(Args)]
pub struct Options {
    /// Installs what is lacking without asking.
    #[arg(long)]
    pub yes: bool,
}

/// Runs every check; the first that fails ends it.
pub fn run(options: &Options) -> Result<()> {
    let consent = if options.yes { Consent::Given } else { Consent::Ask };
    packages::ensure(&PACKAGES, consent)?;
    house::check()?;
    run::cargo(["fmt", "--all", "--check"])?;
    run::cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "xtask/bench",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ])?;
    licences()?;
    scripts()?;
    units()?;
    module::check()
}

fn licences() -> Result<()> {
    if run::output("cargo", ["deny", "--version"]).is_err() {
        run::cargo([
            "install",
            "cargo-deny",
            "--locked",
            // It reads one lock file: built in half of the time, it is fast enough.
            "--debug",
            "--quiet",
            "--version",
            DENY_VERSION,
        ])?;
    }
    run::cargo(["deny", "--log-level", "error", "check", "licenses", "bans", "sources"])
}

fn scripts() -> Result<()> {
    let files = run::output("git", ["ls-files", "*.sh", ".ci/run"])?;
    let files: Vec<&str> = files.lines().collect();
    if files.is_empty() {
        return Ok(());
    }
    run::run("shellcheck", files)
}

/// The units as systemd reads them, and how much they deny themselves (lower is tighter).
fn units() -> Result<()> {
    let dir = run::root().join("packaging/systemd");
    for (unit, threshold) in [
        ("assent-agentd.service", "13"),
        ("assent-gateway.service", "14"),
        ("assent-relay.service", "13"),
        ("assent-app.service", "13"),
        ("assent-panel.service", "13"),
        ("assent-registrar.service", "5"),
        ("assent-codes.service", "13"),
    ] {
        let path = dir.join(unit);
        let path = path.to_str().context("a path that is no text")?;
        let threshold = format!("--threshold={threshold}");
        run::output(
            "systemd-analyze",
            ["security", "--offline=true", "--no-pager", &threshold, path],
        )
        .with_context(|| format!("{unit} denies itself too little"))?;
    }
    println!("the units are as tight as they were");
    Ok(())
}
