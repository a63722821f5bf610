//! `assentctl authenticator`: a device without a browser. It has its own keys, shows what is asked only after it has
//! verified who asks, and asks a person; there is no way to let it approve by itself.

mod desk;
mod devices;
mod draw;
mod ending;
mod enroll;
mod events;
mod fido_tool;
mod key;
mod link;
mod listen;
mod notice;
mod notify;
mod pin;
mod remark;
mod renew;
mod revocations;
#[cfg(test)]
mod samples;
mod security_key;
mod show;
mod store;
mod token;
mod wrap;

use crate::failure::{Done, Failure};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// This machine as an authenticator.
#[derive(Debug, Subcommand)]
pub enum Authenticator {
    /// Register this machine with a one-time link
    Enroll(enroll::Enroll),
    /// Wait for requests, show each, and ask what to answer
    Listen(listen::Listen),
    /// Show what is registered here
    Show(show::Show),
    /// List every device that approves for you; rename or remove this one
    Devices(devices::Devices),
}

/// Where a registration is kept.
#[derive(Debug, Args)]
struct DirArg {
    /// Where the registration is kept [default: $`XDG_DATA_HOME/assent/authenticator`]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl DirArg {
    fn path(&self) -> Done<PathBuf> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        data.map(|data| data.join("assent/authenticator"))
            .ok_or_else(|| Failure::Input("neither XDG_DATA_HOME nor HOME is set; name a directory with --dir".into()))
    }
}

impl Authenticator {
    /// Runs it.
    pub async fn run(&self) -> Done {
        match self {
            Self::Enroll(args) => args.run().await,
            Self::Listen(args) => args.run().await,
            Self::Show(args) => args.run(),
            Self::Devices(args) => args.run().await,
        }
    }
}
