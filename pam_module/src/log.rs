//! One line to the system log, as a datagram of its own to `/dev/log`: libc's `syslog` (and so `pam_syslog`) would keep
//! a descriptor open in the host and read the time zone from its environment. Never waits; a log that does not take the
//! line does not change a verdict. It never holds the user's name, which may be a password typed into the wrong field
//! (R70). Called by `login` and `session`.

use crate::sys::socket;
use assent_wire::Phase;
use std::ffi::CString;

/// How grave a line is (syslog(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The configuration or the host is broken.
    Error = 3,
    /// A way round the agent was taken, or the agent was not there.
    Warning = 4,
}

const LOG_AUTHPRIV: u8 = 10;
const MAX_LINE: usize = 480;

/// Writes one line.
pub fn line(level: Level, service: &[u8], phase: Option<Phase>, text: &str) {
    let message = format(level, service, phase, text);
    let sent = CString::new("/dev/log")
        .ok()
        .zip(socket::datagram().ok())
        .and_then(|(path, socket)| {
            socket::connect(&socket, &path).ok()?;
            socket::send(&socket, message.as_bytes()).ok()
        });
    let _ = sent;
}

fn format(level: Level, service: &[u8], phase: Option<Phase>, text: &str) -> String {
    let priority = LOG_AUTHPRIV << 3 | level as u8;
    let phase = match phase {
        Some(Phase::Auth) => "auth",
        Some(Phase::Account) => "account",
        None => "session",
    };
    let service = printable(service, 32);
    let pid = std::process::id();
    let text = printable(text.as_bytes(), MAX_LINE);
    format!("<{priority}>pam_assent[{pid}]: {service}:{phase}: {text}")
}

/// ASCII that cannot end a line or a field.
fn printable(bytes: &[u8], most: usize) -> String {
    bytes
        .iter()
        .take(most)
        .map(|byte| {
            if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // R69
    #[test]
    fn r69_no_text_can_forge_a_line() {
        let line = format(
            Level::Warning,
            b"x\nAccepted for root\x1b",
            Some(Phase::Auth),
            "no verdict\r\n",
        );
        let pid = std::process::id();
        assert_eq!(
            line,
            format!("<84>pam_assent[{pid}]: x?Accepted for root?:auth: no verdict??")
        );
    }

    #[test]
    fn a_line_is_short_enough_for_any_log() {
        let long = [b'a'; 9_000];
        let text = "b".repeat(9_000);
        assert!(format(Level::Error, &long, None, &text).len() < 1_024);
    }
}
