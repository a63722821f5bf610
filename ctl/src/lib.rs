//! `assentctl`: the admin's and the user's command line of Assent.
//!
//! One file a subcommand. Whatever a command does, it ends in `Ok` or in a [`failure::Failure`], and only [`main`]
//! turns that into an exit code: 0 done or approved, 1 refused or denied, 2 wrong usage or input, 3 a part cannot be
//! reached. A library for one reason: `examples/manual.rs` writes the manual pages from [`command`].
#![forbid(unsafe_code)]

mod admin_client;
mod agent_bus;
mod audit;
mod authenticator;
mod check;
mod codes;
mod device;
mod doctor;
mod enroll;
mod explain;
mod failure;
mod files;
mod freeze;
mod gateway_client;
mod google_authenticator;
mod host;
mod policy;
mod registrar;
mod replay;
mod report;
mod rules;
mod seconds;
mod secret;
mod status;
mod terminal;
mod test_login;
mod unlock;
mod user;
mod values;

use clap::{CommandFactory as _, Parser, Subcommand};
use failure::{Done, Failure};
use std::io::Write as _;
use std::process::ExitCode;

/// Push approval for SSH and sudo
#[derive(Debug, Parser)]
#[command(
    name = "assentctl",
    version,
    after_help = "Exit codes: 0 done or approved, 1 refused or denied, 2 wrong usage or input, 3 a part cannot be reached."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The registrar's keys: root, issuing key, signature
    #[command(subcommand)]
    Registrar(registrar::Registrar),
    /// Hosts: tokens, list, join
    #[command(subcommand)]
    Host(host::Host),
    /// Devices: list, revoke
    #[command(subcommand)]
    Device(device::Device),
    /// Freezes after "not me": list, lift
    #[command(subcommand)]
    Freeze(freeze::Freeze),
    /// Codes by SMS, mail, app and recovery list: status, unlock, reset, import, test
    #[command(subcommand)]
    Codes(codes::Codes),
    /// This machine as an authenticator: enroll, listen, show
    #[command(subcommand)]
    Authenticator(authenticator::Authenticator),
    /// As root on an enrolled host: register a user's device, or their authenticator app for codes
    Enroll(enroll::Enroll),
    /// As root: the local users in users.toml; bypass and block for any user
    #[command(subcommand)]
    User(user::User),
    /// As root: a user who spent the budget of pushes or typed wrong numbers or passwords may try again
    Unlock(unlock::Unlock),
    /// How the agent of this host is
    Status(status::Ask),
    /// Have the agent read its configuration anew
    Reload(status::Ask),
    /// What is well on this machine and what is not: trust grade, agent, PAM, sshd
    Doctor(doctor::Doctor),
    /// Find everything that is wrong with a configuration
    Check(check::Check),
    /// What would be decided for a user, and why
    Explain(explain::Explain),
    /// What was decided on this host: read it, verify it
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Policies: test them
    #[command(subcommand)]
    Policy(policy::Policy),
    /// The values that an attribute has, to choose a policy's from
    Values(values::Values),
    /// What recorded logins would come to under the policies as they are now
    Replay(replay::Replay),
    /// Try a login without opening a session
    Test(test_login::Test),
}

/// What may be typed, as clap knows it: for manual pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be said when even this fails.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A terminal that was closed hears nothing any more.
            let _ = writeln!(
                std::io::stderr(),
                "assentctl: {}",
                terminal::Charset::of_locale().fit(&failure.to_string())
            );
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Done {
    match command {
        Command::Registrar(registrar) => registrar.run(),
        Command::Test(test) => test.run(),
        Command::Audit(audit) => audit.run(),
        Command::Check(check) => check.run(),
        Command::User(user) => user.run(),
        Command::Explain(explain) => wait_for(explain.run()),
        Command::Policy(policy) => wait_for(policy.run()),
        Command::Values(values) => wait_for(values.run()),
        Command::Replay(replay) => wait_for(replay.run()),
        Command::Doctor(doctor) => wait_for(doctor.run()),
        Command::Host(host) => wait_for(host.run()),
        Command::Device(device) => wait_for(device.run()),
        Command::Freeze(freeze) => wait_for(freeze.run()),
        Command::Codes(codes) => wait_for(codes.run()),
        Command::Authenticator(authenticator) => wait_for(authenticator.run()),
        Command::Enroll(enroll) => wait_for(enroll.run()),
        Command::Unlock(unlock) => wait_for(unlock.run()),
        Command::Status(ask) => wait_for(ask.status()),
        Command::Reload(ask) => wait_for(ask.reload()),
    }
}

fn wait_for<T>(command: impl Future<Output = Done<T>>) -> Done<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Refused(format!("this process cannot start its event loop: {e}")))?;
    let done = runtime.block_on(command);
    // A thread may still wait for a line that nobody types any more.
    runtime.shutdown_background();
    done
}
