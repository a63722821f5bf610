//! Writes `assentctl`'s manual pages and shell completions into a directory, from the same definitions that read the
//! command line. Run by `cargo xtask dist`; no part of the product.
#![forbid(unsafe_code)]

use clap::Command;
use clap_complete::{Shell, generate_to};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let [_, directory, date] = &std::env::args().collect::<Vec<String>>()[..] else {
        eprintln!("usage: manual DIRECTORY DATE");
        return ExitCode::from(2);
    };
    match write(Path::new(directory), date) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the manual of assentctl cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &Path, date: &str) -> std::io::Result<()> {
    let mut command = assentctl::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "assentctl", directory)?;
    }
    // Anew, as completions have built it with `help` in it, which has no page of its own: every page is help.
    let mut command = without_help(assentctl::command());
    command.build();
    pages(&command, directory, date)
}

fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// One page a command, `assentctl-host-join.1` for `assentctl host join`.
fn pages(command: &Command, directory: &Path, date: &str) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone())
        .manual("Assent")
        .source(concat!("Assent ", env!("CARGO_PKG_VERSION")))
        .date(date);
    page.generate_to(directory)?;
    command
        .get_subcommands()
        .try_for_each(|sub| pages(sub, directory, date))
}
