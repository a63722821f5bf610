//! `cargo xtask fuzz`: every fuzz target for a while, with what it has learnt before. A crash ends it. Not in CI, which has
//! no time to find anything (docs/decisions/0002-ci-budget.md); what is found becomes a test of the crate that it is in.
//!
//! cargo-fuzz runs on the stable toolchain without a sanitizer, which needs nightly: the crates that are fuzzed forbid
//! `unsafe`, so what a sanitizer sees would lie in their libraries.

use crate::run;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// As `--yes` installs it where it is absent.
const VERSION: &str = "0.13.2";
/// Longest input in bytes, several times the largest seed.
const LONGEST: usize = 8192;

/// Options of `fuzz`.
#[derive(Args)]
pub struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Installs cargo-fuzz without asking, if it is lacking.
    #[arg(long)]
    yes: bool,
    /// This one alone.
    target: Option<String>,
}

/// Runs them.
pub fn run(options: &Options) -> Result<()> {
    ensure(options.yes)?;
    let all = targets()?;
    let chosen: Vec<&String> = match &options.target {
        Some(one) => vec![
            all.iter()
                .find(|name| *name == one)
                .with_context(|| format!("there is no target {one}; there are {}", all.join(", ")))?,
        ],
        None => all.iter().collect(),
    };
    seed()?;
    let mut crashed = Vec::new();
    for target in chosen {
        if fuzz(target, options.seconds).is_err() {
            crashed.push(target.as_str());
        }
    }
    if !crashed.is_empty() {
        bail!(
            "crashes in {}: the inputs lie in {}; each becomes a test of the crate that it is in",
            crashed.join(", "),
            kept("artifacts", "").display()
        );
    }
    Ok(())
}

fn ensure(yes: bool) -> Result<()> {
    if run::output("cargo", ["fuzz", "--version"]).is_ok() {
        return Ok(());
    }
    if !yes {
        bail!("cargo-fuzz is not installed: `cargo xtask fuzz --yes` or `cargo install cargo-fuzz --locked` does it");
    }
    run::cargo(["install", "cargo-fuzz", "--locked", "--quiet", "--version", VERSION])
}

/// As the crate names them, sorted.
fn targets() -> Result<Vec<String>> {
    let list = run::output("cargo", ["fuzz", "list", "--fuzz-dir", "fuzz"])?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Where something that outlasts a run is kept.
fn kept(what: &str, target: &str) -> PathBuf {
    let built = run::built("fuzz");
    std::path::absolute(&built).unwrap_or(built).join(what).join(target)
}

fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let [corpus, artifacts] = ["corpus", "artifacts"].map(|what| kept(what, target));
    for directory in [&corpus, &artifacts] {
        fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    let text = |path: &Path| path.display().to_string();
    let mut arguments: Vec<String> = [
        "fuzz",
        "run",
        "--sanitizer",
        "none",
        "--fuzz-dir",
        "fuzz",
        "--target-dir",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend([text(&kept("", "")), target.to_owned(), text(&corpus)]);
    let seeds = run::root().join("fuzz/seeds").join(target);
    if seeds.is_dir() {
        arguments.push(text(&seeds));
    }
    arguments.extend([
        "--".to_owned(),
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        // An input that takes so long is a finding.
        "-timeout=10".to_owned(),
        "-rss_limit_mb=1024".to_owned(),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/", text(&artifacts)),
    ]);
    run::cargo(arguments)
}

/// The golden documents as inputs of `documents`, `answers`, `roots`, `link` and `codes`, so that they are not kept twice.
fn seed() -> Result<()> {
    let path = run::root().join("proto/tests/golden/documents.json");
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let documents: Value = serde_json::from_str(&text).context("the golden documents")?;
    for (name, document) in documents.as_object().context("the golden documents")? {
        let part = |key: &str| document[key].as_str().unwrap_or_default();
        if name.starts_with("answer") {
            seed_with("answers", name, 0, part("payload"))?;
        }
        if name.starts_with("roots") {
            // Signed by the first root, by the first two, and as it travels.
            for signers in [1, 3] {
                seed_with("roots", &format!("{name}, {signers}"), signers, part("payload"))?;
            }
            seed_with("roots", &format!("{name}, signed"), 0, part("compact"))?;
        }
        if name == "link claim" {
            seed_with("link", name, 0, part("payload"))?;
            seed_with("link", &format!("{name}, signed"), 0x80, part("compact"))?;
        }
        let typ: Value = serde_json::from_str(part("header")).context("a golden document's header")?;
        if let Some(kind) = DOCUMENTS.iter().position(|known| typ["typ"] == *known) {
            let kind = u8::try_from(kind).context("a few kinds")?;
            seed_with("documents", name, kind, part("payload"))?;
            // The second time as it travels.
            seed_with("documents", &format!("{name}, signed"), kind | 0x80, part("compact"))?;
        }
        if let Some((_, kind)) = CODES.iter().find(|(known, _)| typ["typ"] == *known) {
            seed_with("codes", name, *kind, part("payload"))?;
            seed_with("codes", &format!("{name}, signed"), kind | 0x80, part("compact"))?;
        }
    }
    Ok(())
}

/// The types of the target `documents`, by the number in its inputs' first byte.
const DOCUMENTS: [&str; 14] = [
    "assent-issuer+jws",
    "assent-host+jws",
    "assent-dev+jws",
    "assent-issuer-req+jws",
    "assent-host-ask+jws",
    "assent-dev-ask+jws",
    "assent-dev-call+jws",
    "assent-relay-auth+jws",
    "assent-req+jws",
    // An enrolment token, which is no document of this kind.
    "",
    "assent-dev-req+jws",
    "assent-rev+jws",
    "assent-host-req+jws",
    "assent-cp+jws",
];

/// The types of the target `codes`, with the number in its inputs' first byte. Under 3 it takes a typed code.
const CODES: [(&str, u8); 4] = [
    ("assent-code-ask+jws", 0),
    ("assent-cs+jws", 1),
    ("assent-cs-req+jws", 2),
    ("assent-code+jws", 4),
];

fn seed_with(target: &str, name: &str, first: u8, text: &str) -> Result<()> {
    let directory = kept("corpus", target);
    fs::create_dir_all(&directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    let file = directory.join(name.replace([' ', ','], "-"));
    fs::write(&file, [&[first], text.as_bytes()].concat())
        .with_context(|| format!("{} cannot be written", file.display()))
}
