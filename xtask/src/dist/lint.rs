//! What the distributions' own tools say of the packages: every word of theirs ends the run, unless an override in
//! `packaging/` says why not.

use super::stage;
use crate::run;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Maintainer scripts by shellcheck, pages by mandoc.
pub fn sources() -> Result<()> {
    for script in run::output(
        "git",
        [
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "packaging/*.sh",
        ],
    )?
    .lines()
    {
        let text = stage::script(&run::root().join(script))?;
        let file = run::built("packages").join("work").join("script.sh");
        std::fs::write(&file, text)?;
        run::output(
            "shellcheck",
            ["--shell=sh", "--severity=style", &file.to_string_lossy()],
        )
        .with_context(|| format!("{script}, its parts put in"))?;
    }
    let pages = run::output(
        "git",
        [
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "packaging/man",
        ],
    )?;
    ensure!(!pages.trim().is_empty(), "there are no manual pages");
    run::output(
        "mandoc",
        ["-T", "lint", "-W", "warning"].into_iter().chain(pages.lines()),
    )
    .context("manual pages")?;
    Ok(())
}

/// lintian and rpmlint.
pub fn packages(debs: &[PathBuf], rpms: &[PathBuf]) -> Result<()> {
    let levels = "--fail-on=error,warning";
    let heard = Command::new("lintian")
        .args(["--allow-root", "--display-info", "--pedantic", levels])
        .args(debs)
        .output()
        .context("lintian could not be started")?;
    let heard_text = String::from_utf8_lossy(&heard.stdout);
    // N: how many words an override has answered.
    let words = heard_text.lines().filter(|line| !line.starts_with("N: "));
    if !heard.status.success() || words.count() > 0 {
        bail!("lintian:\n{heard_text}{}", String::from_utf8_lossy(&heard.stderr));
    }
    let settings = run::root().join("packaging/rpm/rpmlint.toml");
    let heard = Command::new("rpmlint")
        .args(["--strict", "--config"])
        .arg(&settings)
        .args(rpms)
        .output()
        .context("rpmlint could not be started")?;
    let heard_text = String::from_utf8_lossy(&heard.stdout);
    if !heard.status.success() {
        bail!("rpmlint:\n{heard_text}{}", String::from_utf8_lossy(&heard.stderr));
    }
    println!("lintian and rpmlint have nothing to say");
    Ok(())
}
