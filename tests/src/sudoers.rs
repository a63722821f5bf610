//! sudo in the world: rules, its PAM stack, and someone who types it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::program::{Program, tool};
use crate::terminal::Terminal;
use crate::{pam, scratch};

/// One question a run, nothing remembered, no lecture: what one run shows is what PAM did.
const DEFAULTS: &str = "Defaults passwd_tries=1, timestamp_timeout=0, !lecture\n";

/// Lets a user run everything as everyone.
pub fn allow(user: &str) {
    rules(user, &format!("{user} ALL=(ALL:ALL) ALL\n"));
}

/// Writes a file of rules under [`DEFAULTS`](self) and has `visudo` check it.
pub fn rules(name: &str, text: &str) {
    let path = format!("/etc/sudoers.d/{name}");
    scratch::write(&path, &format!("{DEFAULTS}{text}"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("a mode for the rules");
    tool("visudo", ["-c", "-q", "-f", &path]);
}

/// Writes the stacks of `sudo` and `sudo -i`.
pub fn stack(text: &str) {
    pam::stack("sudo", text);
    pam::stack("sudo-i", text);
}

/// `sudo` as a user would type it.
#[derive(Clone, Debug)]
pub struct Sudo(Program);

impl Sudo {
    /// The user who types.
    pub fn by(user: &str) -> Self {
        Self(Program::new("/usr/bin/sudo").as_user(user))
    }

    /// An option of sudo, `-n` for instance; options come before the command.
    #[must_use]
    pub fn option(self, option: &str) -> Self {
        Self(self.0.arg(option))
    }

    /// An environment variable of the user, which sudo may or may not believe.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        Self(self.0.env(name, value))
    }

    /// Runs a command in a terminal.
    pub fn run(self, command: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Terminal {
        Terminal::open(&self.program(command))
    }

    /// The same as a [`Program`], for runs without a terminal.
    pub fn program(self, command: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        self.0.args(command)
    }
}
