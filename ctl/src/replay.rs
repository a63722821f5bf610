//! `assentctl replay LOGIN-ID|FILE`: recorded logins under today's policies. Nobody is asked, nothing is sent.

use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::config::Config;
use assent_engine::replay::{Replayed, replay};
use assent_proto::text::visible;
use clap::Args;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// Longest record that is read, in bytes: a trace has bounds of its own.
const MAX_RECORD: usize = 1024 * 1024;

/// `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// A login's short id, looked for in the audit file; or a file of records, one JSON object a line
    #[arg(value_name = "LOGIN-ID|FILE")]
    what: String,
    /// The audit file, if not the configuration's
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

struct One {
    login: String,
    outcome: Result<Replayed, String>,
}

impl Replay {
    /// Says of each record whether the policies decide otherwise now.
    pub async fn run(&self) -> Done {
        let config = self.which.read()?;
        let records = self.records(&config)?;
        if records.is_empty() {
            let what = visible(&self.what);
            return Err(Failure::Input(format!(
                "{what} holds no record of a login: name the agent's audit file, or lines of it"
            )));
        }
        let mut replayed = Vec::new();
        for record in &records {
            replayed.push(One {
                login: record["login"].as_str().unwrap_or("?").to_owned(),
                outcome: replay(&config, record).await.map_err(|e| e.to_string()),
            });
        }
        let differ = replayed.iter().filter(|one| one.differs()).count();
        let done = replayed.iter().filter(|one| one.outcome.is_ok()).count();
        let not = replayed.len() - done;
        let list: Vec<Value> = replayed.iter().map(One::json).collect();
        let value = json!({"replayed": done, "not_replayed": not, "differ": differ, "logins": list});
        report(self.json, &value, || {
            let mut lines: Vec<String> = replayed.iter().flat_map(One::lines).collect();
            let not = if not == 0 {
                String::new()
            } else {
                format!("{not} not replayed, ")
            };
            lines.push(format!("{done} replayed, {not}{differ} would be decided otherwise"));
            lines.join("\n")
        });
        if done == 0 {
            return Err(Failure::Input(format!("none of {not} logins could be replayed")));
        }
        if differ == 0 {
            return Ok(());
        }
        Err(Failure::Refused(format!("{differ} logins would be decided otherwise")))
    }

    fn records(&self, config: &Config) -> Done<Vec<Value>> {
        let file = Path::new(&self.what);
        if self.what.contains('/') || file.exists() {
            return read(file, |_| true);
        }
        let audit = self.audit.as_ref().unwrap_or(&config.log.audit_file);
        let found = read(audit, |record| record["login"] == self.what.as_str())?;
        if found.is_empty() {
            let what = format!("{} has no login {:?}", audit.display(), visible(&self.what));
            return Err(Failure::Input(format!(
                "{what}\nthe id stands on the user's terminal, on the phone and in syslog; name the file of an older log with --audit"
            )));
        }
        Ok(found)
    }
}

/// The records of a file that are wanted. Lines that are none (room taken ahead, a cut line) are passed over.
fn read(path: &Path, wanted: impl Fn(&Value) -> bool) -> Done<Vec<Value>> {
    let unreadable = |e: std::io::Error| Failure::Input(format!("{} cannot be read: {e}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    // A pipe comes from an unpacked log; a device has no end.
    if !kind.is_file() && !kind.is_fifo() {
        return Err(Failure::Input(format!("{} is no file of records", path.display())));
    }
    records(BufReader::new(file), wanted).map_err(unreadable)
}

/// Holds one line at a time, and of a longer one nothing.
fn records(mut file: impl BufRead, wanted: impl Fn(&Value) -> bool) -> std::io::Result<Vec<Value>> {
    let mut records = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let room = MAX_RECORD as u64 + 1;
        if file.by_ref().take(room).read_until(b'\n', &mut line)? == 0 {
            return Ok(records);
        }
        if line.len() > MAX_RECORD {
            if line.last() != Some(&b'\n') {
                file.skip_until(b'\n')?;
            }
            continue;
        }
        let record = serde_json::from_slice::<Value>(&line).ok();
        records.extend(record.filter(|record| record["trace"].is_array() && wanted(record)));
    }
}

impl One {
    fn differs(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Replayed::differs)
    }

    fn json(&self) -> Value {
        match &self.outcome {
            Ok(replayed) => json!({
                "login": self.login,
                "differs": replayed.differs(),
                "untold": replayed.is_untold(),
                "then": replayed.then,
                "now": replayed.now,
                "why": replayed.explanation.json,
            }),
            Err(why) => json!({"login": self.login, "not_replayed": why}),
        }
    }

    fn lines(&self) -> Vec<String> {
        let login = visible(&self.login);
        match &self.outcome {
            Err(why) => vec![format!("{login}: {why}")],
            Ok(same) if !same.differs() && !same.is_untold() => vec![format!("{login}: {} as then", words(&same.now))],
            Ok(other) => {
                let now = if other.is_untold() {
                    "now untold: the record does not hold what the policies ask for".to_owned()
                } else {
                    format!("now {}", words(&other.now))
                };
                let head = format!("{login}: then {}, {now}", words(&other.then));
                let why = other.explanation.lines.iter().map(|line| format!("  | {line}"));
                std::iter::once(head).chain(why).collect()
            }
        }
    }
}

fn words(methods: &[String]) -> String {
    visible(&methods.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let record = "{\"login\": \"a\", \"trace\": []}\n";
        for junk in [MAX_RECORD - 1, MAX_RECORD, MAX_RECORD + 1, 3 * MAX_RECORD] {
            let text = format!("{record}{}\n{record}", "\0".repeat(junk));
            assert_eq!(records(text.as_bytes(), |_| true).unwrap().len(), 2, "{junk}");
        }
    }

    #[test]
    fn a_device_without_an_end_is_refused() {
        let Err(Failure::Input(why)) = read(Path::new("/dev/zero"), |_| true) else {
            panic!("it is read");
        };
        assert!(why.contains("no file of records"), "{why}");
    }
}
