//! `cargo xtask dist --test`: the packages in a booted Debian 12, from installation to removal, with real logins by
//! the shipped units and PAM stacks. Each step stands on the ones before; the first that fails ends the run.

#![allow(
    clippy::expect_used,
    reason = "a step that does not hold ends in a panic, which is counted"
)]

mod load;
mod logins;
mod removal;
mod rpms;
mod setup;
mod site;

use super::Made;
use crate::{demo, run};
use anyhow::{Result, bail};
use assent_tests::booted::{self, Machine};
use assent_tests::evidence;
use site::Site;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Debian packages that the test needs.
pub const PACKAGES: [&str; 5] = [
    booted::PACKAGES[0],
    booted::PACKAGES[1],
    booted::PACKAGES[2],
    booted::PACKAGES[3],
    "openssl",
];

type Step = (&'static str, fn(&mut Site));

const STEPS: [Step; 16] = [
    (
        "they install, change no PAM stack, and the agent's sockets listen",
        setup::installed,
    ),
    (
        "r56_files have the owners and modes that the programs ask for",
        setup::modes,
    ),
    (
        "r57_on the bus root may all, assent-view may read, others nothing",
        setup::bus,
    ),
    (
        "the installed units deny themselves as much as they shall",
        setup::units_are_tight,
    ),
    ("an agent without a configuration denies", setup::unconfigured),
    (
        "the gateway waits for its keys, then starts; the host joins",
        setup::joined,
    ),
    ("alice enrols an authenticator", setup::enrolled),
    (
        "ssh by the shipped stack: password, then approved on the device",
        logins::ssh,
    ),
    (
        "sudo by the shipped stack: approved, its command on the device",
        logins::sudo,
    ),
    (
        "a stopped service is woken by a login; stopped sockets deny",
        logins::stopped,
    ),
    (
        "r47_r50_an upgrade under login load: sockets stay, nobody gets in unasked",
        load::upgraded,
    ),
    (
        "r83_removal is refused while a PAM line names the module",
        removal::removal_refused,
    ),
    (
        "after the mend it is removed, and ssh and sudo work without it",
        removal::removed,
    ),
    ("purging takes the keys and keeps the audit", removal::purged),
    (
        "the rpm's scripts: presets decide, sockets stay in an upgrade",
        rpms::upgraded,
    ),
    (
        "r83_the rpm is not removed while a PAM line names the module",
        rpms::removed,
    ),
];

/// Plays every step with these packages, then upgrades to those.
pub fn play(packages: Made, upgrades: Made) -> Result<()> {
    let tree = match booted::tree(&run::built("booted")) {
        Ok(tree) => tree,
        Err(cause) => {
            skipped(&cause);
            return Ok(());
        }
    };
    demo::in_a_world(assent_tests::namespace::Network::Own)?;
    let began = Instant::now();
    let machine = match Machine::boot(&tree) {
        Ok(machine) => machine,
        Err(cause) => {
            skipped(&cause);
            return Ok(());
        }
    };
    println!("  {:7.0} ms  a Debian 12 is up", ms(began));
    let mut site = Site::new(machine, packages, upgrades);
    for (at, (name, step)) in STEPS.iter().enumerate() {
        let began = Instant::now();
        let held = catch_unwind(AssertUnwindSafe(|| step(&mut site))).is_ok();
        println!("  {:7.0} ms  {} {name}", ms(began), if held { "ok  " } else { "FAIL" });
        if !held {
            println!("{}\n{at} passed, 1 failed", evidence::collect());
            println!("── the end of the journal\n{}", site.end_of_journal());
            bail!("the packages do not do in a booted Debian what they should");
        }
    }
    println!("{} passed, 0 failed", STEPS.len());
    Ok(())
}

/// The one way not to test: this machine boots no Debian. It is said loudly, and it is no success of a step.
fn skipped(cause: &booted::CannotBoot) {
    println!("SKIPPED: no Debian can be booted on this machine, so the packages were not tried in one.\n{cause}");
    println!("0 passed, 0 failed, {} skipped", STEPS.len());
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
