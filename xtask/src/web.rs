//! The web pages' own tools: node, the packages that their tests and the demo's browser need, Chromium. Nothing of it is
//! part of the product: the pages are served as they stand in the tree.

use crate::{run, suite};
use anyhow::{Context, Result};
use assent_tests::packages::{self, Consent};
use assent_tests::person::web;
use std::fs;

/// Sees to it that they are there.
pub fn ensure(consent: Consent) -> Result<()> {
    let mut lacking = vec!["chromium"];
    // Whoever has a node of their own keeps it.
    if run::output("node", ["--version"]).is_err() || run::output("npm", ["--version"]).is_err() {
        lacking.extend(["nodejs", "npm"]);
    }
    packages::ensure(&lacking, consent)?;
    install()
}

/// `npm ci`, where the lock file has changed since.
fn install() -> Result<()> {
    let stamp = web().join("node_modules/.assent-lock");
    let lock = fs::read(web().join("package-lock.json")).context("gateway/web/package-lock.json")?;
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run::run(
        "npm",
        [
            "--prefix",
            "gateway/web",
            "ci",
            "--no-audit",
            "--no-fund",
            "--loglevel",
            "error",
        ],
    )?;
    fs::write(&stamp, lock).context("gateway/web/node_modules")
}

/// Types, and every page in a real browser against the real gateway. `cargo build --workspace` comes first.
pub fn test() -> Result<()> {
    suite::build()?;
    run::run("npm", ["--prefix", "gateway/web", "test", "--silent"])
}
