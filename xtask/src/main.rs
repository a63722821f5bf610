//! `cargo xtask`: everything that one does with this tree, in one place. `cargo xtask help` lists it.
#![forbid(unsafe_code)]

mod bench;
mod checks;
mod demo;
mod dist;
mod fuzz;
mod house;
mod model;
mod module;
mod mutants;
mod run;
mod suite;
mod timing;
mod web;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Everything that one does with this tree.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds Assent and shows it: a directory, a gateway, an agent and an sshd in a private world. Needs root.
    Demo(demo::Options),
    /// Every check and every test. Needs root.
    Test(suite::Options),
    /// Formatting, lints, licences, the house rule, shell scripts, unit files.
    Check(checks::Options),
    /// Figures beside their targets. Needs root.
    Bench(bench::Options),
    /// Debian and RPM packages, the same bytes from the same commit; `--test` tries them in a booted Debian.
    Dist(dist::Options),
    /// Fuzz targets, each for some seconds; what they learn stays in `target/fuzz`.
    Fuzz(fuzz::Options),
    /// Searches a model of the protocol for attacks.
    Model(model::Options),
    /// Changes what decides, bit by bit, and asks whether a test notices (R84).
    Mutants(mutants::Options),
    /// Whether times tell strangers who exists (R31). Needs root.
    Timing(timing::Options),
    /// The one-way rule between the crates.
    CheckHouse,
    /// What the built `pam_assent.so` needs and exports.
    CheckModule,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => suite::run(&options),
        Task::Check(options) => checks::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Dist(options) => dist::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Model(options) => model::run(&options),
        Task::Mutants(options) => mutants::run(&options),
        Task::Timing(options) => timing::run(&options),
        Task::CheckHouse => house::check(),
        Task::CheckModule => module::check(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
