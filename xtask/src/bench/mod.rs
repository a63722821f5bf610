//! `cargo xtask bench`: figures beside their targets (DESIGN, "Targets").
//!
//! Two steps, because what measures must be built as what is measured: this program asks for what is lacking, builds
//! everything in release, and becomes the release build of itself (feature `bench`), which measures ([`figures`]) in
//! private worlds. Nothing of the machine changes but `target/`, save packages that the person agrees to.

#[cfg(feature = "bench")]
mod figures;

use crate::run;
use anyhow::{Context, Result, bail};
use assent_tests::packages::{self, Consent};
use clap::{Args, ValueEnum};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian packages that the figures need.
const PACKAGES: [&str; 6] = ["slapd", "ldap-utils", "openssl", "iproute2", "libpam0g-dev", "oathtool"];
/// What is only unpacked: installing it would edit the machine's PAM stacks.
const PEERS: [(Topic, &str, [&str; 2]); 2] = [
    (Topic::Push, "libpam-duo", ["libpam-duo", "libduo3"]),
    (Topic::Nslcd, "libpam-ldapd", ["libpam-ldapd", "nslcd"]),
];

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    /// `pam_assent.so` on disk.
    Size,
    /// 1,000 policies.
    Policies,
    /// Signing, sealing, verifying, and a long revocation list.
    Trust,
    /// The agent's memory.
    Memory,
    /// A verdict without a push beside `pam_permit`.
    Quiet,
    /// What the record costs a decision.
    Record,
    /// The LDAP factor beside a bare search and bind.
    Ldap,
    /// A login with an LDAP factor beside `libpam-ldapd` and `nslcd`.
    Nslcd,
    /// 500 logins at once with an LDAP factor.
    Crowd,
    /// A whole push beside `libpam-duo`.
    Push,
    /// What the gateway relays on one core.
    Gateway,
    /// A login by a code beside one by push.
    Code,
    /// From an outage to what was decided for it.
    Outage,
    /// From "not me" to the freeze at a host.
    Freeze,
}

/// Options of `bench`.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Options {
    /// Fewer repetitions: everything in some minutes.
    #[arg(long)]
    quick: bool,
    /// Installs and fetches what is lacking without asking.
    #[arg(long)]
    yes: bool,
    /// Also builds the module as packages ship it (fat link-time optimisation, over four minutes).
    #[arg(long)]
    dist: bool,
    /// Writes the rows as a JSON list.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures these alone.
    #[arg(long, value_name = "TOPIC", value_delimiter = ',')]
    only: Vec<Topic>,
    /// Everything is built, and this is the release build.
    #[arg(long, hide = true)]
    built: bool,
}

impl Options {
    fn wants(&self, topic: Topic) -> bool {
        self.only.is_empty() || self.only.contains(&topic)
    }
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    if options.built {
        return measure(options);
    }
    let consent = if options.yes { Consent::Given } else { Consent::Ask };
    packages::ensure(&PACKAGES, consent)?;
    for (topic, name, wanted) in PEERS {
        if options.wants(topic) {
            packages::unpack(&wanted, &peer_directory(name), consent)?;
        }
    }
    build(options)?;
    become_the_release_build(options)
}

/// Where a peer is unpacked.
fn peer_directory(name: &str) -> PathBuf {
    let target = run::built("bench");
    std::path::absolute(&target).unwrap_or(target).join(name)
}

fn build(options: &Options) -> Result<()> {
    let release = ["build", "--release", "--quiet"];
    run::cargo(release.into_iter().chain(["--workspace", "--features", "xtask/bench"]))?;
    // It plays sshd for every PAM module that is measured. Apart, as an example would draw in what only tests need.
    let driver = ["--package", "pam_assent", "--example", "pamdrive"];
    run::cargo(release.into_iter().chain(driver))?;
    if options.dist {
        run::cargo(["build", "--profile", "dist", "--quiet", "--package", "pam_assent"])?;
    }
    Ok(())
}

fn become_the_release_build(options: &Options) -> Result<()> {
    let program = run::built("release").join("xtask");
    let mut command = Command::new(&program);
    command.arg("bench").arg("--built");
    for (wanted, flag) in [(options.quick, "--quick"), (options.dist, "--dist")] {
        if wanted {
            command.arg(flag);
        }
    }
    if let Some(json) = &options.json {
        command.arg("--json").arg(absolute(json)?);
    }
    for topic in options.only.iter().filter_map(ValueEnum::to_possible_value) {
        command.arg("--only").arg(topic.get_name());
    }
    Err(command.exec()).with_context(|| format!("{} cannot be started", program.display()))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

#[cfg(feature = "bench")]
fn measure(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        bail!("figures of a debug build say nothing: leave --built to cargo xtask bench");
    }
    figures::run(options)
}

#[cfg(not(feature = "bench"))]
fn measure(_: &Options) -> Result<()> {
    bail!("this build cannot measure: leave --built to cargo xtask bench")
}
