//! The programs as they ship: no path of the builder's machine in them, so that two builders get the same bytes.

use super::{Profile, fresh};
use crate::{run, suite};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates whose programs are shipped.
pub const PROGRAMS: [(&str, &str); 4] = [
    ("pam_assent", "libpam_assent.so"),
    ("assent-agentd", "assent-agentd"),
    ("assentctl", "assentctl"),
    ("assent-gateway", "assent-gateway"),
];

/// Builds them and returns the directory where they lie. They have a target directory of their own, as other flags
/// would otherwise throw away what `cargo build --release` has made.
pub fn programs(profile: Profile) -> Result<PathBuf> {
    let name = match profile {
        Profile::Dev => return as_tested(),
        Profile::Release => "release",
        Profile::Dist => "dist",
    };
    // Before the sources' directories are listed, they must be there.
    run::cargo(["fetch", "--locked", "--quiet"])?;
    let target = run::built("packages").join("build");
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command
        .args(["build", "--locked", "--profile", name, "--target-dir"])
        .arg(&target)
        .args(PROGRAMS.iter().flat_map(|(package, _)| ["--package", package]))
        .current_dir(run::root())
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\u{1f}"));
    eprintln!("building the programs, profile {name}");
    if !command.status().context("cargo could not be started")?.success() {
        bail!("the programs could not be built");
    }
    let built = target.join(name);
    for (_, program) in PROGRAMS {
        nothing_of_this_machine(&built.join(program))?;
    }
    Ok(built)
}

/// What the tests run, without its symbols.
fn as_tested() -> Result<PathBuf> {
    suite::build()?;
    let to = run::built("packages").join("dev-programs");
    fresh(&to)?;
    for (_, program) in PROGRAMS {
        let from = run::built("debug").join(program);
        let to = to.join(program);
        let (from, to) = (from.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
        run::output("strip", ["--strip-unneeded", "-o", &to, &from])?;
    }
    Ok(to)
}

/// Panics name the source file of a dependency: by its place in the registry, not on this machine. (Cargo names our
/// own files by their place in the workspace.)
fn flags() -> Result<Vec<String>> {
    let sources = registry_sources()?.into_iter();
    Ok(sources
        .map(|sources| format!("--remap-path-prefix={}=/cargo", sources.display()))
        .collect())
}

/// Where cargo keeps the sources of dependencies, one directory a registry.
pub fn registry_sources() -> Result<Vec<PathBuf>> {
    let all = cargo_home()?.join("registry/src");
    let entries = std::fs::read_dir(&all).with_context(|| format!("{} cannot be read", all.display()))?;
    let mut found = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    found.sort_unstable();
    Ok(found)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::home_dir().context("this user has no home directory")?;
    Ok(home.join(".cargo"))
}

fn nothing_of_this_machine(program: &Path) -> Result<()> {
    let bytes = std::fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?;
    for place in [cargo_home()?, run::root(), run::built("packages")] {
        let place = place.to_string_lossy().into_owned();
        if bytes.windows(place.len()).any(|window| window == place.as_bytes()) {
            bail!(
                "{} names {place}: another builder's would differ from it",
                program.display()
            );
        }
    }
    Ok(())
}

/// `assentctl`'s pages, which carry the day of this moment, and its completions.
pub fn manual(directory: &Path, epoch: u64, profile: Profile) -> Result<()> {
    fresh(directory)?;
    let day = run::output("date", ["--utc", &format!("--date=@{epoch}"), "+%Y-%m-%d"])?;
    let writer = run::built("debug").join("examples/manual");
    if profile == Profile::Dev {
        // Built with the programs.
        return run::run(&writer.to_string_lossy(), [&directory.to_string_lossy(), day.trim()]);
    }
    run::cargo([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "assentctl",
        "--example",
        "manual",
        "--",
        &directory.to_string_lossy(),
        day.trim(),
    ])
}
