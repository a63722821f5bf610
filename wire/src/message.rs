//! The messages and how each becomes a frame. Tags and kinds are the wire's contract: never reuse a number.

use crate::fields::{Error, Fields, Writer};
use crate::{Frame, MAX_COMMAND_LINE, TICKET_LEN};
use zeroize::{Zeroize, Zeroizing};

/// The PAM phase that a login runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `pam_sm_authenticate`.
    Auth,
    /// `pam_sm_acct_mgmt`.
    Account,
}

/// What the module tells the agent of a login. PAM strings are bytes: PAM promises no encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The PAM phase.
    pub phase: Phase,
    /// `PAM_SERVICE`.
    pub service: Vec<u8>,
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// `PAM_RUSER`.
    pub ruser: Option<Vec<u8>>,
    /// `PAM_RHOST`; may be a DNS name, so it is shown and never compared.
    pub rhost: Option<Vec<u8>>,
    /// `PAM_TTY`.
    pub tty: Option<Vec<u8>>,
    /// The flags that PAM passed (`PAM_SILENT`, `PAM_DISALLOW_NULL_AUTHTOK`).
    pub flags: u32,
    /// `SSH_CONNECTION` of the PAM environment (sshd(8)): client address and port, server address and port.
    pub ssh_connection: Option<Vec<u8>>,
    /// The content of `SSH_AUTH_INFO_0` of the PAM environment; absent and empty mean different things.
    pub ssh_auth_info: Option<Vec<u8>>,
    /// The first [`MAX_COMMAND_LINE`] bytes of `/proc/self/cmdline`, arguments ended by NUL.
    pub command_line: Vec<u8>,
    /// The full length of `/proc/self/cmdline` in bytes, so that a cut one is known.
    pub command_line_len: u64,
    /// The working directory.
    pub cwd: Option<Vec<u8>>,
    /// `/proc/self/sessionid`, absent when unset.
    pub audit_session: Option<u32>,
    /// `/proc/self/loginuid`, absent when unset.
    pub login_uid: Option<u32>,
    /// sudo's own resolved command, by libc's `getenv("SUDO_COMMAND")` inside sudo alone.
    pub sudo_command: Option<Vec<u8>>,
    /// The ticket of this handle's auth phase, for its account phase.
    pub ticket: Option<[u8; TICKET_LEN]>,
}

/// How a question ended.
#[derive(PartialEq, Eq)]
pub enum Reply {
    /// The typed text, without a line end.
    Text(Zeroizing<Vec<u8>>),
    /// The conversation failed (any PAM code but success, no conversation, null or over-long reply).
    Failed,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Failed => "Failed",
        })
    }
}

/// The module's reply to one [`ToModule::Ask`] or [`ToModule::AskPassword`].
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came of the question.
    pub reply: Reply,
}

/// What `open_session` reports, so that the agent can join an audit session to the login that it approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOpened {
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// `SSH_CONNECTION` of the PAM environment.
    pub ssh_connection: Option<Vec<u8>>,
    /// `/proc/self/sessionid`.
    pub audit_session: u32,
}

/// Module → agent.
#[derive(Debug, PartialEq, Eq)]
pub enum ToAgent {
    /// A login begins. Boxed: it is far larger than the others.
    Begin(Box<Begin>),
    /// The reply to a question.
    Answer(Answer),
    /// The person left (a signal is pending, the terminal closed): withdraw everything.
    Gone,
    /// A session was opened.
    Session(SessionOpened),
}

/// Whether a line for the user is information or an error (`PAM_TEXT_INFO`, `PAM_ERROR_MSG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// `PAM_TEXT_INFO`.
    Info,
    /// `PAM_ERROR_MSG`.
    Error,
}

/// The decision. The module maps it to a PAM code by its phase; only [`VerdictCode::Approved`] can become success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictCode {
    /// Every factor passed.
    Approved,
    /// Denied, wrong code, policy refuses, unknown user, too many tries.
    Denied,
    /// Blocked, expired, password must be changed.
    Blocked,
    /// The service belongs to no application and `unlisted = "ignore"`.
    Ignore,
    /// The agent itself could not decide.
    Unavailable,
}

/// The end of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub code: VerdictCode,
    /// One line for the user; may be empty.
    pub text: String,
    /// The login's short id, the same on terminal, phone and log.
    pub id: String,
    /// Of an approved auth phase: what its account phase shows.
    pub ticket: Option<[u8; TICKET_LEN]>,
}

/// Agent → module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToModule {
    /// The agent is there and speaks this version.
    Hello,
    /// Ask and send the reply back.
    Ask {
        /// Whether typed characters show (`PAM_PROMPT_ECHO_ON`).
        echo: bool,
        /// The prompt.
        text: String,
    },
    /// Ask for the password, or take the one that an earlier module left (`try_first_pass`).
    AskPassword {
        /// The prompt.
        text: String,
    },
    /// Show a line.
    Tell {
        /// Information or error.
        kind: Tell,
        /// The line.
        text: String,
    },
    /// The login ends.
    Verdict(Verdict),
}

const BEGIN: u8 = 1;
const ANSWER: u8 = 2;
const GONE: u8 = 3;
const SESSION: u8 = 4;
const HELLO: u8 = 65;
const ASK: u8 = 66;
const ASK_PASSWORD: u8 = 67;
const TELL: u8 = 68;
const VERDICT: u8 = 69;

/// Field numbers, for all kinds in one list.
mod tag {
    pub(super) const PHASE: u8 = 1;
    pub(super) const SERVICE: u8 = 2;
    pub(super) const USER: u8 = 3;
    pub(super) const RUSER: u8 = 4;
    pub(super) const RHOST: u8 = 5;
    pub(super) const TTY: u8 = 6;
    pub(super) const FLAGS: u8 = 7;
    pub(super) const SSH_CONNECTION: u8 = 8;
    pub(super) const SSH_AUTH_INFO: u8 = 9;
    pub(super) const COMMAND_LINE: u8 = 10;
    pub(super) const COMMAND_LINE_LEN: u8 = 11;
    pub(super) const CWD: u8 = 12;
    pub(super) const AUDIT_SESSION: u8 = 13;
    pub(super) const LOGIN_UID: u8 = 14;
    pub(super) const SUDO_COMMAND: u8 = 15;
    pub(super) const TICKET: u8 = 16;
    pub(super) const REPLY: u8 = 17;
    pub(super) const SECRET: u8 = 18;
    pub(super) const STYLE: u8 = 19;
    pub(super) const TEXT: u8 = 20;
    pub(super) const CODE: u8 = 21;
    pub(super) const ID: u8 = 22;
}

impl ToAgent {
    /// # Errors
    /// [`Error::TooLong`] when it does not fit a frame.
    pub fn encode(&self) -> Result<Frame, Error> {
        match self {
            Self::Begin(begin) => begin.encode(),
            Self::Answer(answer) => {
                let writer = Writer::new(ANSWER);
                match &answer.reply {
                    Reply::Text(text) => writer.bytes(tag::REPLY, &[1]).bytes(tag::SECRET, text),
                    Reply::Failed => writer.bytes(tag::REPLY, &[2]),
                }
                .finish()
            }
            Self::Gone => Writer::new(GONE).finish(),
            Self::Session(session) => Writer::new(SESSION)
                .bytes(tag::USER, &session.user)
                .optional(tag::SSH_CONNECTION, session.ssh_connection.as_deref())
                .bytes(tag::AUDIT_SESSION, &session.audit_session.to_be_bytes())
                .finish(),
        }
    }

    /// Reads a frame's body (behind its length).
    ///
    /// # Errors
    /// Whatever is not exactly a message of the module.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let fields = Fields::parse(body)?;
        match fields.kind {
            BEGIN => Begin::decode(&fields).map(|b| Self::Begin(Box::new(b))),
            ANSWER => {
                let secret = fields.optional(tag::SECRET)?;
                let reply = match (fields.u8(tag::REPLY)?, secret) {
                    (1, Some(text)) => Reply::Text(Zeroizing::new(text.to_vec())),
                    (1, None) => return Err(Error::Missing(tag::SECRET)),
                    (2, None) => Reply::Failed,
                    _ => return Err(Error::Malformed(tag::REPLY)),
                };
                Ok(Self::Answer(Answer { reply }))
            }
            GONE => Ok(Self::Gone),
            SESSION => Ok(Self::Session(SessionOpened {
                user: fields.bytes(tag::USER)?.to_vec(),
                ssh_connection: fields.optional(tag::SSH_CONNECTION)?.map(<[u8]>::to_vec),
                audit_session: u32::from_be_bytes(fields.array(tag::AUDIT_SESSION)?),
            })),
            other => Err(Error::Kind(other)),
        }
    }
}

impl Begin {
    fn encode(&self) -> Result<Frame, Error> {
        let phase = match self.phase {
            Phase::Auth => 1,
            Phase::Account => 2,
        };
        Writer::new(BEGIN)
            .bytes(tag::PHASE, &[phase])
            .bytes(tag::SERVICE, &self.service)
            .bytes(tag::USER, &self.user)
            .optional(tag::RUSER, self.ruser.as_deref())
            .optional(tag::RHOST, self.rhost.as_deref())
            .optional(tag::TTY, self.tty.as_deref())
            .bytes(tag::FLAGS, &self.flags.to_be_bytes())
            .optional(tag::SSH_CONNECTION, self.ssh_connection.as_deref())
            .optional(tag::SSH_AUTH_INFO, self.ssh_auth_info.as_deref())
            .bytes(tag::COMMAND_LINE, &self.command_line)
            .bytes(tag::COMMAND_LINE_LEN, &self.command_line_len.to_be_bytes())
            .optional(tag::CWD, self.cwd.as_deref())
            .optional(
                tag::AUDIT_SESSION,
                self.audit_session
                    .map(u32::to_be_bytes)
                    .as_ref()
                    .map(<[u8; 4]>::as_slice),
            )
            .optional(
                tag::LOGIN_UID,
                self.login_uid.map(u32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice),
            )
            .optional(tag::SUDO_COMMAND, self.sudo_command.as_deref())
            .optional(tag::TICKET, self.ticket.as_ref().map(<[u8; TICKET_LEN]>::as_slice))
            .finish()
    }

    fn decode(fields: &Fields<'_>) -> Result<Self, Error> {
        let owned = |tag| Ok::<_, Error>(fields.optional(tag)?.map(<[u8]>::to_vec));
        let command_line = fields.bytes(tag::COMMAND_LINE)?.to_vec();
        let command_line_len = u64::from_be_bytes(fields.array(tag::COMMAND_LINE_LEN)?);
        // A sender that claims less than it sent would hide that an argument list was cut.
        if command_line.len() > MAX_COMMAND_LINE || command_line_len < command_line.len() as u64 {
            return Err(Error::Malformed(tag::COMMAND_LINE_LEN));
        }
        Ok(Self {
            phase: match fields.u8(tag::PHASE)? {
                1 => Phase::Auth,
                2 => Phase::Account,
                _ => return Err(Error::Malformed(tag::PHASE)),
            },
            service: fields.bytes(tag::SERVICE)?.to_vec(),
            user: fields.bytes(tag::USER)?.to_vec(),
            ruser: owned(tag::RUSER)?,
            rhost: owned(tag::RHOST)?,
            tty: owned(tag::TTY)?,
            flags: u32::from_be_bytes(fields.array(tag::FLAGS)?),
            ssh_connection: owned(tag::SSH_CONNECTION)?,
            ssh_auth_info: owned(tag::SSH_AUTH_INFO)?,
            command_line,
            command_line_len,
            cwd: owned(tag::CWD)?,
            audit_session: fields.optional_array(tag::AUDIT_SESSION)?.map(u32::from_be_bytes),
            login_uid: fields.optional_array(tag::LOGIN_UID)?.map(u32::from_be_bytes),
            sudo_command: owned(tag::SUDO_COMMAND)?,
            ticket: fields.optional_array(tag::TICKET)?,
        })
    }
}

impl ToModule {
    /// # Errors
    /// [`Error::TooLong`] when it does not fit a frame.
    pub fn encode(&self) -> Result<Frame, Error> {
        match self {
            Self::Hello => Writer::new(HELLO).finish(),
            Self::Ask { echo, text } => Writer::new(ASK)
                .bytes(tag::STYLE, &[if *echo { 2 } else { 1 }])
                .bytes(tag::TEXT, text.as_bytes())
                .finish(),
            Self::AskPassword { text } => Writer::new(ASK_PASSWORD).bytes(tag::TEXT, text.as_bytes()).finish(),
            Self::Tell { kind, text } => {
                let style = match kind {
                    Tell::Info => 4,
                    Tell::Error => 3,
                };
                Writer::new(TELL)
                    .bytes(tag::STYLE, &[style])
                    .bytes(tag::TEXT, text.as_bytes())
                    .finish()
            }
            Self::Verdict(verdict) => {
                let code = match verdict.code {
                    VerdictCode::Approved => 1,
                    VerdictCode::Denied => 2,
                    VerdictCode::Blocked => 3,
                    VerdictCode::Ignore => 4,
                    VerdictCode::Unavailable => 5,
                };
                Writer::new(VERDICT)
                    .bytes(tag::CODE, &[code])
                    .bytes(tag::TEXT, verdict.text.as_bytes())
                    .bytes(tag::ID, verdict.id.as_bytes())
                    .optional(tag::TICKET, verdict.ticket.as_ref().map(<[u8; TICKET_LEN]>::as_slice))
                    .finish()
            }
        }
    }

    /// Reads a frame's body (behind its length).
    ///
    /// # Errors
    /// Whatever is not exactly a message of the agent.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let fields = Fields::parse(body)?;
        match fields.kind {
            HELLO => Ok(Self::Hello),
            ASK => Ok(Self::Ask {
                echo: match fields.u8(tag::STYLE)? {
                    1 => false,
                    2 => true,
                    _ => return Err(Error::Malformed(tag::STYLE)),
                },
                text: fields.text(tag::TEXT)?,
            }),
            ASK_PASSWORD => Ok(Self::AskPassword {
                text: fields.text(tag::TEXT)?,
            }),
            TELL => Ok(Self::Tell {
                kind: match fields.u8(tag::STYLE)? {
                    3 => Tell::Error,
                    4 => Tell::Info,
                    _ => return Err(Error::Malformed(tag::STYLE)),
                },
                text: fields.text(tag::TEXT)?,
            }),
            VERDICT => Verdict::decode(&fields).map(Self::Verdict),
            other => Err(Error::Kind(other)),
        }
    }
}

impl Verdict {
    fn decode(fields: &Fields<'_>) -> Result<Self, Error> {
        let code = match fields.u8(tag::CODE)? {
            1 => VerdictCode::Approved,
            2 => VerdictCode::Denied,
            3 => VerdictCode::Blocked,
            4 => VerdictCode::Ignore,
            5 => VerdictCode::Unavailable,
            _ => return Err(Error::Malformed(tag::CODE)),
        };
        let ticket = fields.optional_array(tag::TICKET)?;
        // A ticket stands for an approval; beside any other verdict it is a contradiction.
        if ticket.is_some() && code != VerdictCode::Approved {
            return Err(Error::Malformed(tag::TICKET));
        }
        Ok(Self {
            code,
            text: fields.text(tag::TEXT)?,
            id: fields.text(tag::ID)?,
            ticket,
        })
    }
}

impl Drop for Begin {
    fn drop(&mut self) {
        self.ticket.zeroize();
    }
}
