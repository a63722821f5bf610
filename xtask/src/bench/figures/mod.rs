//! The measuring itself: a file a topic, each in a private world of its own, bounded in count and time.
//!
//! ```text
//! run ─▶ size · policies · trust          no world
//!     └▶ memory · quiet · record · ldap · nslcd · crowd · push · gateway · code · outage · freeze
//!          ├─ pam         a program of one PAM transaction, in fresh processes
//!          ├─ phone       a device that approves at once, built from the protocol
//!          ├─ duo         libpam-duo, and a server that answers it at once
//!          └─ wire        the module's side of the agent's socket
//! ```

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot be made ends with the cause in words, as rigs do"
)]

mod code;
mod crowd;
mod duo;
mod freeze;
mod gateway;
mod http;
mod ldap;
mod memory;
mod nslcd;
mod outage;
mod pam;
mod phone;
mod policies;
mod push;
mod quiet;
mod record;
mod row;
mod size;
mod trust;
mod wire;

use super::{Options, Topic};
use crate::run;
use anyhow::{Context, Result, anyhow, bail};
use assent_tests::namespace::{self, Network};
use assent_tests::product;
use row::Row;

/// Measures what is asked for, prints the rows, and writes them.
pub fn run(options: &Options) -> Result<()> {
    let release = run::built("release");
    let release = std::path::absolute(&release).with_context(|| format!("{} is no path", release.display()))?;
    product::use_build(release);
    namespace::enter().map_err(|e| anyhow!("{e}"))?;
    raise_descriptors();
    // Installed before, by this very call, is the one way in which it fails.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (topic, measure) in TOPICS.into_iter().filter(|(topic, _)| options.wants(*topic)) {
        eprintln!("\x1b[1m{topic:?}\x1b[0m");
        match in_a_world(options, measure) {
            Ok(measured) => {
                measured.iter().for_each(Row::print);
                rows.extend(measured);
            }
            Err(why) => {
                eprintln!("{topic:?} was not measured: {why:#}");
                failed.push(topic);
            }
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let missed = rows.iter().filter(|row| row.holds == Some(false)).count();
    println!("{} rows, {missed} targets missed", rows.len());
    if !failed.is_empty() {
        bail!("not measured: {failed:?}");
    }
    Ok(())
}

type Measure = fn(&Options) -> Vec<Row>;

const TOPICS: [(Topic, Measure); 14] = [
    (Topic::Size, size::rows),
    (Topic::Policies, policies::rows),
    (Topic::Trust, trust::rows),
    (Topic::Memory, memory::rows),
    (Topic::Quiet, quiet::rows),
    (Topic::Record, record::rows),
    (Topic::Ldap, ldap::rows),
    (Topic::Nslcd, nslcd::rows),
    (Topic::Crowd, crowd::rows),
    (Topic::Push, push::rows),
    (Topic::Gateway, gateway::rows),
    (Topic::Code, code::rows),
    (Topic::Outage, outage::rows),
    (Topic::Freeze, freeze::rows),
];

/// Measures on a thread of its own, in a fresh world; a rig that fails ends this topic alone.
fn in_a_world(options: &Options, measure: Measure) -> Result<Vec<Row>> {
    let options = options.clone();
    let measuring = std::thread::spawn(move || {
        namespace::furnish(Network::Own).map_err(|e| anyhow!("{e}"))?;
        Ok(measure(&options))
    });
    // The panic has said what it had to say on standard error.
    measuring
        .join()
        .unwrap_or_else(|_| Err(anyhow!("it failed, as said above")))
}

/// Thousands of waiting logins and streams are thousands of sockets, here and in the programs that are started.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    for most in [120_000, 60_000] {
        if setrlimit(Resource::RLIMIT_NOFILE, most, most).is_ok() {
            return;
        }
    }
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
