//! One record a decision: a JSON line in the audit file with the whole trace, and one line to syslog. A decision that
//! neither takes is no decision: the login is denied (R73).

use assent_engine::config::Log;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;

/// The two places that a record goes to.
pub struct Audit {
    file: Mutex<Option<File>>,
    syslog_path: std::path::PathBuf,
    syslog: Mutex<Option<Syslog>>,
}

type Syslog = syslog::Logger<syslog::LoggerBackend, syslog::Formatter3164>;

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
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log.audit_file)
            .inspect_err(|e| {
                tracing::error!(
                    "{} cannot be opened: {e}; decisions go to syslog alone",
                    log.audit_file.display()
                );
            })
            .ok();
        Self {
            file: Mutex::new(file),
            syslog: Mutex::new(connect(&log.syslog)),
            syslog_path: log.syslog.clone(),
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
        let to_syslog = self.write_syslog(record);
        if !to_file {
            tracing::error!(
                "the audit file did not take a record; syslog {}",
                if to_syslog { "did" } else { "neither" }
            );
        }
        to_file || to_syslog
    }

    fn write_file(&self, json: &Value) -> bool {
        let Ok(mut file) = self.file.lock() else { return false };
        let Some(file) = file.as_mut() else { return false };
        let mut line = json.to_string();
        line.push('\n');
        file.write_all(line.as_bytes()).is_ok()
    }

    fn write_syslog(&self, record: &Record) -> bool {
        let Ok(mut syslog) = self.syslog.lock() else {
            return false;
        };
        // Once more after a failure: the daemon may have been restarted.
        for _ in 0..2 {
            if syslog.is_none() {
                *syslog = connect(&self.syslog_path);
            }
            let Some(logger) = syslog.as_mut() else { return false };
            let sent = if record.warning {
                logger.warning(&record.line)
            } else {
                logger.info(&record.line)
            };
            if sent.is_ok() {
                return true;
            }
            *syslog = None;
        }
        false
    }
}

fn connect(path: &std::path::Path) -> Option<Syslog> {
    let formatter = syslog::Formatter3164 {
        facility: syslog::Facility::LOG_AUTHPRIV,
        hostname: None,
        process: "assent-agentd".into(),
        pid: std::process::id(),
    };
    syslog::unix_custom(formatter, path.to_str()?).ok()
}
