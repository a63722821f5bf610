//! What is known of a login before anything is decided: what the module sent, as types.

use crate::conditions::Circumstances;
use crate::config::Subject;
use crate::places::Country;
use crate::risk::{Context, Earlier};
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::{Digest, ShortText};
use std::net::IpAddr;

/// The PAM phase that a login runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `pam_sm_authenticate`.
    Auth,
    /// `pam_sm_acct_mgmt`.
    Account,
}

/// The client's end of an SSH connection, as sshd(8) writes it into `SSH_CONNECTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SshConnection {
    /// The client's address.
    pub client: IpAddr,
    /// The client's port.
    pub client_port: u16,
    /// The server's address.
    pub server: IpAddr,
    /// The server's port.
    pub server_port: u16,
}

impl SshConnection {
    /// Reads the variable's value; `None` for anything but four well-formed words.
    pub fn parse(value: &Outside) -> Option<Self> {
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        let [client, client_port, server, server_port] = words[..] else {
            return None;
        };
        // sshd appends the zone of a link-local address.
        let address = |word: &str| word.split('%').next().unwrap_or_default().parse().ok();
        Some(Self {
            client: address(client)?,
            client_port: client_port.parse().ok()?,
            server: address(server)?,
            server_port: server_port.parse().ok()?,
        })
    }
}

/// What the module sent, and what the agent adds to it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The login's short id, the same on terminal, phone and log.
    pub login: ShortText,
    /// When it began.
    pub at: UnixTime,
    /// SHA-256 that binds an approval to this one PAM transaction.
    pub ctx: Digest,
    /// The PAM phase.
    pub phase: Phase,
    /// `PAM_SERVICE`.
    pub service: Outside,
    /// `PAM_USER`.
    pub user: Outside,
    /// `PAM_RUSER`.
    pub ruser: Option<Outside>,
    /// Who logged in first, as the kernel's audit keeps it (`/proc/self/loginuid`); `None` where it is unset.
    pub login_uid: Option<u32>,
    /// The login session that the caller runs in, as the kernel's audit counts it (`/proc/self/sessionid`).
    pub audit_session: Option<u32>,
    /// `PAM_RHOST`: shown, never compared (R85).
    pub rhost: Option<Outside>,
    /// `PAM_TTY`.
    pub tty: Option<Outside>,
    /// The country of the client's address, if a data base says so.
    pub country: Option<Country>,
    /// The client's connection, where sshd told.
    pub ssh: Option<SshConnection>,
    /// Whether `SSH_CONNECTION` was there, well-formed or not.
    pub over_ssh: bool,
    /// `SSH_AUTH_INFO_0`: the earlier steps of `AuthenticationMethods`.
    pub ssh_auth_info: Option<Outside>,
    /// The caller's arguments, its own name (which it chooses) included.
    pub args: Vec<Outside>,
    /// Whether the arguments were cut.
    pub args_cut: bool,
    /// SHA-256 of the command line's bytes as received.
    pub args_sha256: Digest,
    /// The working directory.
    pub cwd: Option<Outside>,
    /// sudo's own resolved command.
    pub sudo_command: Option<Outside>,
    /// The auth phase of this very PAM handle was approved, by its one-use ticket.
    pub ticket: bool,
}

impl Facts {
    /// Whether the caller is sudo.
    pub fn is_sudo(&self) -> bool {
        self.sudo_command.is_some() || matches!(self.service.as_bytes(), b"sudo" | b"sudo-i")
    }

    /// Who must prove themselves; empty where the application wants the caller and PAM names none.
    pub fn subject(&self, subject: Subject) -> Outside {
        match subject {
            Subject::User => self.user.clone(),
            Subject::Caller => self.ruser.clone().unwrap_or_else(|| Outside::new("")),
        }
    }

    /// Whether sshd says that one of its own methods, such as `publickey`, has passed already.
    pub fn passed_in_sshd(&self, method: &str) -> bool {
        let said = self.ssh_auth_info.as_ref().filter(|_| self.over_ssh);
        let mut lines = said
            .map_or(&[][..], Outside::as_bytes)
            .split(|byte| *byte == b'\n')
            .map(|line| line.split(|byte| *byte == b' ').next().unwrap_or_default());
        lines.any(|first| first == method.as_bytes())
    }

    /// What policies ask of the login itself; `earlier` has passed in it.
    pub fn circumstances(&self, earlier: Earlier, waivable: bool) -> Circumstances<'_> {
        Circumstances {
            service: std::str::from_utf8(self.service.as_bytes()).unwrap_or_default(),
            source: self.ssh.map(|ssh| ssh.client),
            at: self.at,
            context: Context {
                country: self.country,
                remote: self.is_remote(),
                earlier,
                waivable,
                untold: false,
            },
        }
    }

    /// Whether the login comes over a network, so that nothing may be told before a factor has passed.
    pub fn is_remote(&self) -> bool {
        self.over_ssh || self.rhost.as_ref().is_some_and(|rhost| !rhost.as_bytes().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_connection_is_read_whole_or_not_at_all() {
        let parse = |text: &str| SshConnection::parse(&Outside::new(text.as_bytes()));
        let good = parse("192.0.2.7 50022 198.51.100.1 22").map(|c| (c.client.to_string(), c.client_port));
        assert_eq!(good, Some(("192.0.2.7".into(), 50022)));
        assert!(parse("fe80::1%eth0 50022 fe80::2%eth0 22").is_some());
        for bad in [
            "",
            "192.0.2.7",
            "192.0.2.7 1 198.51.100.1",
            "trusted.example.org 1 198.51.100.1 22",
            "192.0.2.7 70000 198.51.100.1 22",
            "192.0.2.7 1 198.51.100.1 22 x",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
