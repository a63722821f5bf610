//! `assent-gateway`: the push relay and registrar of Assent.
#![forbid(unsafe_code)]

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Freed memory is wiped: passwords typed at the panel pass through buffers of HTTP, JSON and LDAP libraries (R44).
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Assent's gateway: carries sealed pushes and answers, certifies hosts and devices.
#[derive(Parser)]
#[command(name = "assent-gateway", version)]
struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = assent_gateway::config::DEFAULT_FILE)]
    config: PathBuf,
    /// Checks the configuration and the key files, says what is wrong, and ends.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.check {
        assent_gateway::check(&arguments.config)
    } else {
        assent_gateway::run(&arguments.config)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assent-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
