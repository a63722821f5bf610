//! Gathers what the agent is told of a login: PAM items, two variables of the PAM environment, and this process's own
//! `/proc/self`. Nothing else comes from outside, and nothing from the environment but sudo's own word, inside sudo.
//!
//! Every field has a cap, and the caps fit one frame together: a caller who blows up his command line must not be able
//! to turn a login into "unavailable".

use crate::sys::os;
use crate::sys::pam::{Item, can_converse, item};
use assent_wire::{Begin, MAX_COMMAND_LINE, Phase, SessionOpened, TICKET_LEN};
use pamsm::{Pam, PamFlags, PamLibExt};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// Longest PAM item (service, user, remote user, host, terminal). A longer one is no name that a login may have.
const MAX_ITEM: usize = 1024;
/// Most that is passed on of sshd's list of passed steps and of sudo's command (sudo cuts its own at 4 KiB of
/// arguments).
const MAX_TEXT: usize = 8 * 1024;
/// Longest working directory that the kernel names.
const MAX_CWD: usize = 4 * 1024;

/// The facts are not ones to let anybody in by.
#[derive(Debug)]
pub struct Refused;

/// Who logs in where, as libpam says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// `PAM_SERVICE`.
    pub service: Vec<u8>,
}

impl Who {
    /// # Errors
    /// [`Refused`] when there is no user, even after the host was asked for one, or a name is too long.
    pub fn of(pam: &Pam) -> Result<Self, Refused> {
        let user = match known_user(pam) {
            Some(user) => user,
            None if !can_converse(pam) => return Err(Refused),
            None => pam.get_user(None).ok().flatten().ok_or(Refused)?.to_bytes().to_vec(),
        };
        let service = text_item(pam, Item::Service)?.unwrap_or_default();
        if user.is_empty() || user.len() > MAX_ITEM {
            return Err(Refused);
        }
        Ok(Self { user, service })
    }
}

/// `PAM_USER`, if it is set. Asks nobody.
pub fn known_user(pam: &Pam) -> Option<Vec<u8>> {
    item(pam, Item::User).map(|user| user.to_vec())
}

/// Everything for the agent.
///
/// # Errors
/// [`Refused`] when an item is too long.
pub fn begin(
    pam: &Pam,
    phase: Phase,
    flags: PamFlags,
    who: &Who,
    ticket: Option<[u8; TICKET_LEN]>,
) -> Result<Begin, Refused> {
    let (command_line, command_line_len) = command_line();
    Ok(Begin {
        phase,
        service: who.service.clone(),
        user: who.user.clone(),
        ruser: text_item(pam, Item::Ruser)?,
        rhost: text_item(pam, Item::Rhost)?,
        tty: text_item(pam, Item::Tty)?,
        flags: flags.bits().cast_unsigned(),
        ssh_connection: ssh_connection(pam),
        ssh_auth_info: ssh_auth_info(pam),
        command_line,
        command_line_len,
        cwd: cwd(),
        audit_session: audit_number("/proc/self/sessionid"),
        login_uid: audit_number("/proc/self/loginuid"),
        sudo_command: sudo_command(),
        ticket,
    })
}

/// What `open_session` reports: nothing unless there are a user and an audit session.
pub fn session(pam: &Pam) -> Option<SessionOpened> {
    Some(SessionOpened {
        user: known_user(pam).filter(|user| !user.is_empty() && user.len() <= MAX_ITEM)?,
        ssh_connection: ssh_connection(pam),
        audit_session: audit_number("/proc/self/sessionid")?,
    })
}

/// sshd's list of the steps that a login has passed. Absent and empty mean different things.
pub fn ssh_auth_info(pam: &Pam) -> Option<Vec<u8>> {
    variable(pam, "SSH_AUTH_INFO_0").map(|info| cut(info, MAX_TEXT))
}

fn ssh_connection(pam: &Pam) -> Option<Vec<u8>> {
    variable(pam, "SSH_CONNECTION").map(|connection| cut(connection, MAX_ITEM))
}

/// A variable of the PAM environment, which the host and earlier modules write; never the process's own.
fn variable(pam: &Pam, name: &str) -> Option<Vec<u8>> {
    pam.getenv(name).ok().flatten().map(|value| value.to_bytes().to_vec())
}

fn text_item(pam: &Pam, which: Item) -> Result<Option<Vec<u8>>, Refused> {
    match item(pam, which) {
        Some(text) if text.len() > MAX_ITEM => Err(Refused),
        text => Ok(text.map(|text| text.to_vec())),
    }
}

/// The first part of the arguments, and how long all of them are.
fn command_line() -> (Vec<u8>, u64) {
    let mut first = Vec::with_capacity(MAX_COMMAND_LINE);
    let mut len = 0;
    if let Ok(mut file) = File::open("/proc/self/cmdline") {
        let mut chunk = [0; 4096];
        while let Some(chunk) = file
            .read(&mut chunk)
            .ok()
            .and_then(|read| chunk.get(..read))
            .filter(|read| !read.is_empty())
        {
            let room = MAX_COMMAND_LINE - first.len();
            first.extend_from_slice(&chunk[..chunk.len().min(room)]);
            len += chunk.len() as u64;
        }
    }
    (first, len)
}

fn cwd() -> Option<Vec<u8>> {
    let path = std::env::current_dir().ok()?;
    Some(cut(path.as_os_str().as_bytes().to_vec(), MAX_CWD))
}

/// A number of the audit system; its highest means that none is set.
fn audit_number(path: &str) -> Option<u32> {
    let mut text = String::with_capacity(16);
    File::open(path).ok()?.take(16).read_to_string(&mut text).ok()?;
    parse_audit_number(&text)
}

fn parse_audit_number(text: &str) -> Option<u32> {
    text.trim_end().parse().ok().filter(|number| *number != u32::MAX)
}

/// sudo answers `getenv("SUDO_COMMAND")` itself, whatever its caller exported; any other program would repeat the
/// caller's forgery.
fn sudo_command() -> Option<Vec<u8>> {
    (os::acts_as_root() && os::program_is("sudo"))
        .then(|| os::getenv(c"SUDO_COMMAND"))
        .flatten()
        .map(|command| cut(command, MAX_TEXT))
}

fn cut(mut bytes: Vec<u8>, most: usize) -> Vec<u8> {
    bytes.truncate(most);
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use assent_wire::ToAgent;

    #[test]
    fn the_largest_facts_fit_one_frame() {
        let text = |len| vec![b'x'; len];
        let begin = Begin {
            phase: Phase::Account,
            service: text(MAX_ITEM),
            user: text(MAX_ITEM),
            ruser: Some(text(MAX_ITEM)),
            rhost: Some(text(MAX_ITEM)),
            tty: Some(text(MAX_ITEM)),
            flags: u32::MAX,
            ssh_connection: Some(text(MAX_ITEM)),
            ssh_auth_info: Some(text(MAX_TEXT)),
            command_line: text(MAX_COMMAND_LINE),
            command_line_len: u64::MAX,
            cwd: Some(text(MAX_CWD)),
            audit_session: Some(0),
            login_uid: Some(0),
            sudo_command: Some(text(MAX_TEXT)),
            ticket: Some([0; TICKET_LEN]),
        };
        ToAgent::Begin(Box::new(begin)).encode().unwrap();
    }

    #[test]
    fn an_unset_audit_number_is_none() {
        assert_eq!(parse_audit_number("4294967295"), None);
        assert_eq!(parse_audit_number("17\n"), Some(17));
        assert_eq!(parse_audit_number("0"), Some(0));
        assert_eq!(parse_audit_number(""), None);
        assert_eq!(parse_audit_number("-1"), None);
    }

    #[test]
    fn the_command_line_is_this_process_s_own() {
        let (first, len) = command_line();
        assert_eq!(first, std::fs::read("/proc/self/cmdline").unwrap());
        assert_eq!(len, u64::try_from(first.len()).unwrap());
    }
}
