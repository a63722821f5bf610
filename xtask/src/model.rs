//! `cargo xtask model`: the search for attacks on a model of the protocol (docs/model). Its workspace is its own, so what
//! it needs is built here and nowhere else.

use crate::run;
use anyhow::Result;
use clap::Args;

/// Options of `model`.
#[derive(Args)]
pub struct Options {
    /// Writes the tables of docs/model/README.md anew.
    #[arg(long)]
    write: bool,
}

/// Searches.
pub fn run(options: &Options) -> Result<()> {
    search(options.write)
}

/// The bounded search: every world, and every check left out. Fails if the page tells something else.
pub fn search(write: bool) -> Result<()> {
    let built = run::built("model").display().to_string();
    let mut arguments = vec![
        "run",
        "--release",
        "--quiet",
        "--locked",
        "--manifest-path",
        "docs/model/search/Cargo.toml",
        "--target-dir",
        &built,
        "--",
    ];
    arguments.extend(write.then_some("--write"));
    run::cargo(arguments)
}
