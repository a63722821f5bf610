//! `cargo xtask mutants`: every small change of what decides, one after the other, and whether a test notices (R84). Not in
//! CI, which has no time for hundreds of builds (docs/decisions/0002-ci-budget.md).

use crate::run;
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;

/// As it is installed where it is absent.
const VERSION: &str = "27.1.0";

/// Code that decides, and the tests that must notice.
struct Target {
    package: &'static str,
    files: &'static [&'static str],
    tests: &'static [&'static str],
}

const TARGETS: [Target; 2] = [
    Target {
        package: "assent-proto",
        files: &["proto/src/verdict.rs", "proto/src/cert.rs", "proto/src/jws.rs"],
        tests: &["--lib", "--test", "proto"],
    },
    Target {
        package: "assent-engine",
        files: &[
            "engine/src/login/*.rs",
            "engine/src/policy.rs",
            "engine/src/conditions.rs",
        ],
        tests: &["--lib", "--test", "login", "--test", "rules"],
    },
];

/// Options of `mutants`.
#[derive(Args)]
pub struct Options {
    /// Only this file, as in the list: `proto/src/verdict.rs`.
    file: Option<String>,
}

/// Changes, builds, tests. Fails if a change goes unnoticed.
pub fn run(options: &Options) -> Result<()> {
    let wanted = |file: &&&str| options.file.as_deref().is_none_or(|wanted| wanted == **file);
    let all = || TARGETS.iter().flat_map(|target| target.files);
    if all().find(wanted).is_none() {
        let files: Vec<&str> = all().copied().collect();
        bail!("there is no such file on the list: {}", files.join(", "));
    }
    let program = ensure()?;
    let mut survived = Vec::new();
    for target in &TARGETS {
        for file in target.files.iter().filter(wanted) {
            if mutate(&program, target, file).is_err() {
                survived.push(*file);
            }
        }
    }
    if survived.is_empty() {
        return Ok(());
    }
    bail!(
        "in {} no test noticed the changes called MISSED above, and tests did not end with those called TIMEOUT; each needs a test, or a reason in tests/README.md",
        survived.join(", ")
    );
}

fn ensure() -> Result<PathBuf> {
    let tools = run::built("tools");
    let program = tools.join("bin/cargo-mutants");
    if !program.exists() {
        let root = tools.display().to_string();
        eprintln!("cargo-mutants {VERSION} is built and put into {root}: some minutes, once");
        run::cargo([
            "install",
            "cargo-mutants",
            "--locked",
            "--quiet",
            "--version",
            VERSION,
            "--root",
            &root,
        ])?;
    }
    Ok(program)
}

/// It copies the tree, changes the copy and tests that. What the copy needs is built once and stays.
fn mutate(program: &std::path::Path, target: &Target, file: &str) -> Result<()> {
    let kept = run::built("mutants");
    let kept = std::path::absolute(&kept).unwrap_or(kept);
    let built = format!("CARGO_TARGET_DIR={}", kept.join("built").display());
    let (program, kept) = (program.display().to_string(), kept.display().to_string());
    let arguments = [
        &built,
        &program,
        "mutants",
        "--package",
        target.package,
        "--file",
        file,
        "--output",
        &kept,
        "--jobs",
        "1",
        "--no-times",
        "--colors",
        "never",
        "--",
    ];
    run::run("env", arguments.iter().chain(target.tests))
}
