//! Fields to journald, by its own protocol: `journalctl ASSENT_LOGIN=k7f3q2` finds a login. Each value goes with its length
//! before it, so nothing in it can end it. Nobody waits for journald longer than a moment.

use super::message::{Kind, Message};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// The name under which syslog has our lines, too.
const IDENTIFIER: &str = "assent-agentd";
/// authpriv.
const FACILITY: &str = "10";

/// A way to journald.
pub struct Journal {
    socket: Option<UnixDatagram>,
    /// It took nothing the last time.
    stuck: bool,
}

impl Journal {
    /// Whether journald is there shows at each message.
    pub fn new() -> Self {
        Self {
            socket: None,
            stuck: false,
        }
    }

    /// Hands a message over, in at most `moment`.
    pub fn send(&mut self, message: &Message, moment: Duration) -> io::Result<()> {
        self.send_to(Path::new(SOCKET), message, moment)
    }

    fn send_to(&mut self, path: &Path, message: &Message, moment: Duration) -> io::Result<()> {
        let socket = match self.socket.as_mut() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(moment))?;
                self.socket.insert(socket)
            }
        };
        socket.set_nonblocking(self.stuck)?;
        let sent = socket.send_to(&entry(message), path);
        self.stuck = matches!(&sent, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        sent.map(drop)
    }
}

/// A message in journald's form.
fn entry(message: &Message) -> Vec<u8> {
    let mut entry = Vec::new();
    let (id, priority) = match message.kind {
        Kind::Approval => (DECISION, "6"),
        Kind::Warning => (DECISION, "4"),
        Kind::Checkpoint => (CHECKPOINT, "6"),
        Kind::Alarm => (ALARM, "3"),
    };
    for (name, value) in [
        ("MESSAGE", message.line().as_str()),
        ("MESSAGE_ID", id),
        ("PRIORITY", priority),
        ("SYSLOG_FACILITY", FACILITY),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("SYSLOG_PID", &std::process::id().to_string()),
    ] {
        put(&mut entry, name, value);
    }
    for (name, value) in message.fields() {
        put(&mut entry, &format!("ASSENT_{}", name.to_ascii_uppercase()), value);
    }
    entry
}

/// What kind of message it is, for `journalctl MESSAGE_ID=`; the manual lists them.
const DECISION: &str = "7fba7f2679754e5faa432d6e65364529";
const CHECKPOINT: &str = "ca6b23eee1e145f080ffae8136618c8f";
const ALARM: &str = "cb638f814c53455e81a7d0c9434c3453";

fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend(name.as_bytes());
    entry.push(b'\n');
    entry.extend((value.len() as u64).to_le_bytes());
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::time::Instant;

    #[test]
    fn r69_every_field_is_a_name_its_length_and_its_value() {
        let message = Message::new(Kind::Warning).text("user", Some("x\nMESSAGE=forged"));
        let entry = entry(&message);
        let value = "x⟨U+000A⟩MESSAGE=forged";
        let mut user = b"ASSENT_USER\n".to_vec();
        user.extend((value.len() as u64).to_le_bytes());
        user.extend(format!("{value}\n").as_bytes());
        assert!(entry.ends_with(&user), "{}", String::from_utf8_lossy(&entry));
        assert!(entry.starts_with(b"MESSAGE\n"));
    }

    #[test]
    fn a_journal_that_is_away_says_so_and_one_that_is_stuck_holds_nobody_up_twice() {
        let path = std::env::temp_dir().join(format!("assent-journal-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let message = Message::new(Kind::Approval).word("login", Some("k7f3q2"));
        let moment = Duration::from_millis(100);
        let mut journal = Journal::new();
        let away = journal.send_to(&path, &message, moment);
        assert_eq!(away.map_err(|e| e.kind()), Err(io::ErrorKind::NotFound));
        let reads_nothing = UnixDatagram::bind(&path).unwrap();
        let sent = (0..10_000)
            .take_while(|_| journal.send_to(&path, &message, moment).is_ok())
            .count();
        assert!(sent > 0);
        let began = Instant::now();
        for _ in 0..100 {
            assert!(journal.send_to(&path, &message, moment).is_err());
        }
        assert!(began.elapsed() < 100 * moment, "each waited");
        // It reads again.
        let mut line = [0; 4096];
        reads_nothing.recv(&mut line).unwrap();
        journal.send_to(&path, &message, moment).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
