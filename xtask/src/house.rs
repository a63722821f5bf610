//! The one-way rule: which crate may use which (docs/decisions/0001-house.md).

use crate::run;
use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A crate and all that it may use of the workspace.
const HOUSE: [(&str, &[&str]); 10] = [
    ("assent-wire", &[]),
    ("assent-proto", &[]),
    ("assent-engine", &["assent-proto"]),
    ("assent-events", &["assent-proto"]),
    ("pam_assent", &["assent-wire"]),
    (
        "assent-agentd",
        &["assent-wire", "assent-proto", "assent-events", "assent-engine"],
    ),
    ("assent-gateway", &["assent-proto", "assent-events", "assent-engine"]),
    // Its `test` command speaks the module's side of the wire.
    (
        "assentctl",
        &["assent-wire", "assent-proto", "assent-events", "assent-engine"],
    ),
    // Rigs build adversaries from the protocol; they are no part of the product.
    ("assent-tests", &["assent-wire", "assent-proto", "assent-engine"]),
    (
        "xtask",
        &["assent-tests", "assent-wire", "assent-proto", "assent-engine"],
    ),
];

/// What `pam_assent.so` must never link: runtimes, TLS, D-Bus (R36).
const NOT_IN_THE_MODULE: [&str; 10] = [
    "tokio",
    "async-std",
    "smol",
    "signal-hook",
    "zbus",
    "openssl",
    "rustls",
    "reqwest",
    "serde_json",
    "regex",
];

/// What loads code into its process is for the authenticator on a person's own machine, and for no other program.
const FOR_ASSENTCTL_ALONE: &str = "cryptoki";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Fails on the first arrow that points the wrong way.
pub fn check() -> Result<()> {
    let json = run::output("cargo", ["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Metadata = serde_json::from_str(&json).context("cargo metadata")?;
    let ours = |name: &str| HOUSE.iter().any(|(known, _)| *known == name);
    for package in &metadata.packages {
        let Some((_, allowed)) = HOUSE.iter().find(|(name, _)| *name == package.name) else {
            bail!(
                "the crate {} has no place in the house: give it one in xtask/src/house.rs",
                package.name
            );
        };
        if package.name != "assentctl" && package.dependencies.iter().any(|d| d.name == FOR_ASSENTCTL_ALONE) {
            bail!(
                "{} uses {FOR_ASSENTCTL_ALONE}, which is for assentctl alone",
                package.name
            );
        }
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind.is_none() && ours(&d.name))
        {
            if !allowed.contains(&dependency.name.as_str()) {
                bail!(
                    "{} uses {}, which the house does not allow",
                    package.name,
                    dependency.name
                );
            }
        }
    }
    let tree = run::output(
        "cargo",
        [
            "tree",
            "--package",
            "pam_assent",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ],
    )?;
    for line in tree.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if NOT_IN_THE_MODULE.contains(&name) || name.starts_with("async-") {
            bail!("pam_assent.so links {name}, which must never be inside sshd or sudo");
        }
    }
    println!(
        "the house stands: {} crates, every arrow points one way",
        metadata.packages.len()
    );
    Ok(())
}
