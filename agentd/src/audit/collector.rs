//! Who takes messages on this machine: journald with its fields, or syslog's socket in the form that the admin chose.
//! Where both could, journald alone gets it: syslog's socket is journald's as well there.

use super::journal::Journal;
use super::line::{MOMENT, SyslogLine};
use super::message::Message;
use assent_engine::config::{Log, LogFormat};
use std::io;

/// The way there.
pub struct Collector {
    journal: Option<Journal>,
    syslog: SyslogLine,
}

impl Collector {
    /// Connects; what is not there is tried again at each message.
    pub fn open(log: &Log) -> Self {
        Self {
            journal: (log.format == LogFormat::Auto).then(Journal::new),
            syslog: SyslogLine::connect(&log.syslog, log.format),
        }
    }

    /// Hands a message over.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        if let Some(journal) = self.journal.as_mut() {
            match journal.send(message, MOMENT) {
                Ok(()) => return Ok(()),
                // There is no journald here.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => tracing::debug!("journald did not take a message: {e}; syslog's socket is tried"),
            }
        }
        self.syslog.send(message)
    }
}
