//! One record a decision: a line of JSON in the audit file, chained to the line before ([`trail`]), and one message to
//! journald or syslog ([`collector`]), which has that line's number and hash. A decision that neither takes is no decision: the login is denied (R73). One that
//! only one of them takes counts, with an alarm in the other and in the agent's own log. Called by `login_task`; a task of
//! its own adds a signed checkpoint each day ([`checkpoints`]).

mod checkpoints;
mod collector;
mod file;
mod gap;
mod journal;
mod line;
mod message;
mod trail;

pub use checkpoints::look_after;
pub use message::{Kind, Message};
pub use trail::Trail;

use assent_engine::chain::Head;
use assent_engine::config::Log;
use collector::Collector;
use serde_json::{Map, Value};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The two places that a record goes to.
pub struct Audit {
    trail: Arc<Trail>,
    syslog: Mutex<Collector>,
}

/// One decision.
pub struct Record {
    /// For the audit file.
    pub json: Map<String, Value>,
    /// For journald or syslog, everything from outside made visible.
    pub message: Message,
}

impl Audit {
    /// Opens both. What cannot be opened is tried again at each record.
    pub fn open(log: &Log, trail: Arc<Trail>) -> Self {
        if let Err(e) = trail.reopen() {
            tracing::error!(
                "the audit file {} cannot be opened: {e}; decisions go to syslog alone",
                trail.path().display()
            );
        }
        Self {
            trail,
            syslog: Mutex::new(Collector::open(log)),
        }
    }

    /// Writes a record. Whether at least one place took it.
    #[must_use]
    pub fn write(&self, record: Record) -> bool {
        let to_file = self.trail.append(record.json);
        let message = match &to_file {
            Ok(head) => place(record.message, *head),
            Err(_) => record.message,
        };
        match message.kind {
            Kind::Warning | Kind::Alarm => tracing::warn!("{}", message.line()),
            Kind::Approval | Kind::Checkpoint => tracing::info!("{}", message.line()),
        }
        let to_syslog = self.send(&message);
        if to_file.is_err() {
            self.trail.missed(to_syslog.is_ok());
        }
        let path = self.trail.path().display();
        match (&to_file, &to_syslog) {
            (Ok(_), Ok(())) => {}
            (Err(e), Ok(())) => {
                let alarm = format!("the audit file {path} did not take a record: {e}; make room or mend its place");
                tracing::error!("{alarm}; syslog took it");
                // The same place took the record itself a moment ago; the agent's own log has the alarm anyhow.
                let _ = self.send(&Message::new(Kind::Alarm).sentence(&alarm));
            }
            (Ok(_), Err(e)) => tracing::error!("syslog did not take a record: {e}; the audit file {path} took it"),
            (Err(file), Err(syslog)) => tracing::error!(
                "neither the audit file nor syslog took a record ({path}: {file}; syslog: {syslog}): no login passes"
            ),
        }
        to_file.is_ok() || to_syslog.is_ok()
    }

    /// Something that an administrator must hear of at once, beside the decision's own record.
    pub fn alarm(&self, message: &Message) {
        tracing::warn!("{}", message.line());
        if let Err(e) = self.send(message) {
            tracing::error!("syslog did not take an alarm: {e}");
        }
    }

    /// Adds what is no decision to the file, and says where it stands to syslog.
    fn note(&self, fields: Map<String, Value>, message: Message) -> io::Result<Head> {
        let head = self.trail.append(fields)?;
        let message = place(message, head);
        tracing::info!("{}", message.line());
        if let Err(e) = self.send(&message) {
            tracing::error!("syslog did not take a checkpoint: {e}");
        }
        Ok(head)
    }

    fn send(&self, message: &Message) -> io::Result<()> {
        self.syslog.lock().unwrap_or_else(PoisonError::into_inner).send(message)
    }
}

/// A line's place in the chain, for syslog: what stands off this host is what a cut file is held against.
fn place(message: Message, head: Head) -> Message {
    message
        .word("seq", Some(&head.seq.to_string()))
        .word("hash", Some(&head.hash.to_string()))
}
