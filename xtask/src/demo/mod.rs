//! `cargo xtask demo`: Assent on this machine, in a private world that leaves nothing behind.

mod outside;
mod play;
mod show;

use crate::{run, web};
use anyhow::{Result, anyhow, bail};
use assent_tests::namespace::{self, Network};
use assent_tests::packages::{self, Consent};
use clap::Args;
use outside::Outside;
use std::path::Path;

/// Options of `demo`.
#[derive(Args)]
pub struct Options {
    /// Plays the person, too: every step is checked and timed.
    #[arg(long)]
    unattended: bool,
    /// Installs what is lacking without asking.
    #[arg(long)]
    yes: bool,
}

/// Builds, then shows or plays.
pub fn run(options: &Options) -> Result<()> {
    let consent = if options.yes { Consent::Given } else { Consent::Ask };
    packages::ensure(&packages::FOR_TESTS, consent)?;
    if options.unattended {
        web::ensure(consent)?;
    }
    run::cargo(["build", "--workspace", "--quiet"])?;
    if options.unattended { play() } else { show() }
}

/// The unattended demo, with everything built.
pub fn play() -> Result<()> {
    let pictures = Outside::fresh(&run::built("demo"))?;
    in_a_world(Network::Own)?;
    let seen = Path::new("/run/pictures");
    let failed = play::all(seen);
    pictures.keep_all(seen)?;
    println!("what was seen: {}", pictures.shown().display());
    if failed > 0 {
        bail!("{failed} steps of the demo failed");
    }
    Ok(())
}

fn show() -> Result<()> {
    let outside = Outside::fresh(&run::built("demo"))?;
    // The machine's own loopback, so that another terminal can connect.
    in_a_world(Network::Shared)?;
    show::site(&outside)
}

/// Moves this process into a fresh private world.
pub fn in_a_world(network: Network) -> Result<()> {
    namespace::enter().map_err(|e| anyhow!("{e}"))?;
    namespace::furnish(network).map_err(|e| anyhow!("{e}"))
}
