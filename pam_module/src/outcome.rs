//! What a login came to, and the one table that turns it into a PAM code. Pure.
//!
//! [`Outcome::code`] writes `SUCCESS` in one arm, for [`Outcome::Approved`], and an [`Approved`] has two makers, both
//! here: an agent's verdict that says so, and sshd's word that a public key passed (`only=key`).

use crate::options::OnUnavailable;
use assent_wire::{Phase, TICKET_LEN, Verdict, VerdictCode};
use pamsm::PamError;
use std::fmt;

/// The end of one call.
#[derive(Debug)]
pub enum Outcome {
    /// Every factor passed.
    Approved(Approved),
    /// The answer is no.
    Denied,
    /// Blocked, expired, password must be changed.
    Blocked,
    /// The service is none of ours.
    Ignored,
    /// There is no answer.
    Unavailable(Cause),
}

/// Proof that somebody who may say yes said yes. No other module can make one.
#[derive(Debug)]
pub struct Approved {
    ticket: Option<[u8; TICKET_LEN]>,
}

impl Approved {
    /// `only=key`: sshd's list of passed steps (`SSH_AUTH_INFO_0`) has a public key.
    pub fn by_key(auth_info: &[u8]) -> Option<Self> {
        auth_info
            .split(|byte| *byte == b'\n')
            .any(|line| line.starts_with(b"publickey "))
            .then_some(Self { ticket: None })
    }

    /// What the account phase of the same PAM handle shows to the agent.
    pub fn ticket(&self) -> Option<[u8; TICKET_LEN]> {
        self.ticket
    }
}

impl From<&Verdict> for Outcome {
    fn from(verdict: &Verdict) -> Self {
        match verdict.code {
            VerdictCode::Approved => Self::Approved(Approved { ticket: verdict.ticket }),
            VerdictCode::Denied => Self::Denied,
            VerdictCode::Blocked => Self::Blocked,
            VerdictCode::Ignore => Self::Ignored,
            VerdictCode::Unavailable => Self::Unavailable(Cause::Agent),
        }
    }
}

impl Outcome {
    /// The PAM code of this end in this phase.
    pub fn code(&self, phase: Phase, on_unavailable: OnUnavailable) -> PamError {
        match (self, phase) {
            (Self::Approved(_), _) => PamError::SUCCESS,
            (Self::Denied | Self::Blocked, Phase::Auth) => PamError::AUTH_ERR,
            (Self::Denied, Phase::Account) => PamError::PERM_DENIED,
            (Self::Blocked, Phase::Account) => PamError::ACCT_EXPIRED,
            (Self::Ignored, _) => PamError::IGNORE,
            (Self::Unavailable(_), _) => match on_unavailable {
                OnUnavailable::Deny => PamError::AUTHINFO_UNAVAIL,
                OnUnavailable::Ignore => PamError::IGNORE,
            },
        }
    }
}

/// Why there is no verdict. For the log alone; the user sees what the host says of `AUTHINFO_UNAVAIL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The agent said so itself.
    Agent,
    /// The socket's path is not what we accept.
    Path(&'static str),
    /// A system call failed.
    System(&'static str, i32),
    /// The listener is not root.
    Listener(u32),
    /// The agent's bytes are no message.
    Frame(assent_wire::Error),
    /// A message where it does not belong.
    OutOfTurn,
    /// The agent closed the connection.
    Closed,
    /// No `Hello` in time.
    NoHello,
    /// No verdict in time.
    Timeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => write!(f, "the agent could not decide"),
            Self::Path(why) => write!(f, "the agent's socket is not accepted: {why}"),
            Self::System(call, errno) => write!(f, "{call} failed with error {errno}"),
            Self::Listener(uid) => write!(f, "the listener's uid is {uid}, not 0"),
            Self::Frame(error) => write!(f, "the agent's message is broken: {error}"),
            Self::OutOfTurn => write!(f, "the agent sent a message out of turn"),
            Self::Closed => write!(f, "the agent closed the connection"),
            Self::NoHello => write!(f, "the agent did not answer within 3 seconds"),
            Self::Timeout => write!(f, "there was no verdict in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: VerdictCode, phase: Phase, on_unavailable: OnUnavailable) -> PamError {
        let verdict = Verdict {
            code,
            text: String::new(),
            id: String::new(),
            ticket: None,
        };
        Outcome::from(&verdict).code(phase, on_unavailable)
    }

    #[test]
    fn the_table_of_verdicts() {
        use OnUnavailable::{Deny, Ignore};
        use Phase::{Account, Auth};
        for (verdict, auth, account) in [
            (VerdictCode::Approved, PamError::SUCCESS, PamError::SUCCESS),
            (VerdictCode::Denied, PamError::AUTH_ERR, PamError::PERM_DENIED),
            (VerdictCode::Blocked, PamError::AUTH_ERR, PamError::ACCT_EXPIRED),
            (VerdictCode::Ignore, PamError::IGNORE, PamError::IGNORE),
        ] {
            for on_unavailable in [Deny, Ignore] {
                assert_eq!(code(verdict, Auth, on_unavailable), auth);
                assert_eq!(code(verdict, Account, on_unavailable), account);
            }
        }
        for phase in [Auth, Account] {
            assert_eq!(code(VerdictCode::Unavailable, phase, Deny), PamError::AUTHINFO_UNAVAIL);
            assert_eq!(code(VerdictCode::Unavailable, phase, Ignore), PamError::IGNORE);
        }
    }

    #[test]
    fn only_a_line_that_begins_with_publickey_is_a_key() {
        for yes in ["publickey ssh-ed25519 AAAA\n", "password\npublickey ssh-rsa AAAA"] {
            assert!(Approved::by_key(yes.as_bytes()).is_some(), "{yes:?}");
        }
        for no in [
            "",
            "\n",
            "publickey",
            "publickey\n",
            " publickey x",
            "xpublickey x",
            "password publickey x",
            "PUBLICKEY x",
        ] {
            assert!(Approved::by_key(no.as_bytes()).is_none(), "{no:?}");
        }
    }
}
