//! One record a decision: a JSON line in the audit file with the whole trace, and one line to syslog. A decision that
//! neither takes is no decision: the login is denied (R73). One that only one of them takes counts, with an alarm in
//! the other and in the agent's own log. Called by `login_task` alone.

mod file;
mod line;

use assent_engine::config::Log;
use file::AuditFile;
use line::SyslogLine;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The two places that a record goes to.
pub struct Audit {
    path: PathBuf,
    file: Mutex<Option<AuditFile>>,
    syslog: Mutex<SyslogLine>,
}

/// One decision.
pub struct Record {
    /// For the audit file.
    pub json: Value,
    /// For syslog: `key=value` fields in one line, everything from outside made visible.
    pub line: String,
    /// Whether it is worth a warning: a denial, or an approval that skipped something.
    pub warning: bool,
}

impl Audit {
    /// Opens both. What cannot be opened is tried again at each record.
    pub fn open(log: &Log) -> Self {
        let file = AuditFile::open(&log.audit_file)
            .inspect_err(|e| {
                tracing::error!(
                    "the audit file {} cannot be opened: {e}; decisions go to syslog alone",
                    log.audit_file.display()
                );
            })
            .ok();
        Self {
            path: log.audit_file.clone(),
            file: Mutex::new(file),
            syslog: Mutex::new(SyslogLine::connect(&log.syslog)),
        }
    }

    /// Writes a record. Whether at least one place took it.
    #[must_use]
    pub fn write(&self, record: &Record) -> bool {
        if record.warning {
            tracing::warn!("{}", record.line);
        } else {
            tracing::info!("{}", record.line);
        }
        let to_file = self.write_file(&record.json);
        // A panic in between leaves at worst a line too few.
        let mut syslog = self.syslog.lock().unwrap_or_else(PoisonError::into_inner);
        let to_syslog = syslog.decision(&record.line, record.warning);
        let path = self.path.display();
        match (&to_file, &to_syslog) {
            (Ok(()), Ok(())) => {}
            (Err(e), Ok(())) => {
                let alarm = format!("the audit file {path} did not take a record: {e}; make room or mend its place");
                tracing::error!("{alarm}; syslog took it");
                // The same place took the record itself a moment ago; the agent's own log has the alarm anyhow.
                let _ = syslog.alarm(&alarm);
            }
            (Ok(()), Err(e)) => tracing::error!("syslog did not take a record: {e}; the audit file {path} took it"),
            (Err(file), Err(syslog)) => tracing::error!(
                "neither the audit file nor syslog took a record ({path}: {file}; syslog: {syslog}): no login passes"
            ),
        }
        to_file.is_ok() || to_syslog.is_ok()
    }

    /// Something that an administrator must hear of at once, beside the decision's own record.
    pub fn alarm(&self, line: &str) {
        tracing::warn!("{line}");
        let sent = self.syslog.lock().unwrap_or_else(PoisonError::into_inner).alarm(line);
        if let Err(e) = sent {
            tracing::error!("syslog did not take an alarm: {e}");
        }
    }

    fn write_file(&self, json: &Value) -> io::Result<()> {
        let mut line = json.to_string();
        line.push('\n');
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match slot.as_mut() {
            Some(file) => file,
            None => slot.insert(AuditFile::open(&self.path)?),
        };
        file.append(line.as_bytes())
    }
}
