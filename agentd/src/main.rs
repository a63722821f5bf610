//! `assent-agentd`: decides. It listens on the sockets that systemd passes, runs one [`login_task`] for each
//! connection of `pam_assent.so`, and serves the admin's D-Bus interface.
//!
//! ```text
//! main → server (accept, peer) → login_task (conversation, effects) → engine::login (decides)
//!                                     ├─ engine::directory   who it is
//!                                     ├─ devices → push       whose devices, one push
//!                                     └─ audit                 one record a decision
//! ```
#![forbid(unsafe_code)]

mod agent;
mod alerts;
mod audit;
mod begin;
mod bus;
mod client_watch;
mod clock;
mod codes;
mod devices;
mod disk;
mod enrolment;
mod exceptions;
mod files;
mod frames;
mod freezes;
mod grants;
mod hardening;
mod host;
mod login_task;
mod memory;
mod push;
mod renewal;
mod revocations;
mod revoked_dir;
mod roots;
mod server;
mod sessions;
mod standing;
mod telling;
mod tickets;
mod turns;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Freed memory is wiped: directory and TLS libraries copy passwords into buffers of their own (R44).
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The agent that decides logins for `pam_assent.so`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration; drop-ins are read from a directory of the same name with ".d" behind it.
    #[arg(long, default_value = "/etc/assent/agentd.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    hardening::apply();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
                .parse_lossy(std::env::var("ASSENT_LOG").unwrap_or_default()),
        )
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    // Already installed is the one way in which this fails, and does not matter.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .build()?;
    runtime.block_on(server::run(arguments.config))
}
