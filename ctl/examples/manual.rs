//! Writes `assentctl`'s manual pages and shell completions into a directory, from the same definitions that read the
//! command line. Run by `cargo xtask dist`; no part of the product.
#![forbid(unsafe_code)]

use clap::Command;
use clap_complete::{Shell, generate_to};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let [_, directory] = &std::env::args_os().collect::<Vec<OsString>>()[..] else {
        eprintln!("usage: manual DIRECTORY");
        return ExitCode::from(2);
    };
    match write(&PathBuf::from(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the manual of assentctl cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &Path) -> std::io::Result<()> {
    let mut command = assentctl::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "assentctl", directory)?;
    }
    // `help` has no page of its own: every page is help.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    pages(&command, directory)
}

/// One page a command, `assentctl-host-join.1` for `assentctl host join`.
fn pages(command: &Command, directory: &Path) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let page = clap_mangen::Man::new(command.clone().name(name.to_owned()))
        .manual("Assent")
        .date("");
    page.generate_to(directory)?;
    command.get_subcommands().try_for_each(|sub| pages(sub, directory))
}
