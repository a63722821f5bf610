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
use std::io::{BufRead as _, BufReader};
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
        let mut replayed = Vec::new();
        for record in &records {
            replayed.push(One {
                login: record["login"].as_str().unwrap_or("?").to_owned(),
                outcome: replay(&config, record).await.map_err(|e| e.to_string()),
            });
        }
        let differ = replayed.iter().filter(|one| one.differs()).count();
        let list: Vec<Value> = replayed.iter().map(One::json).collect();
        report(self.json, &json!({"differ": differ, "logins": list}), || {
            let mut lines: Vec<String> = replayed.iter().flat_map(One::lines).collect();
            lines.push(format!(
                "{} replayed, {differ} would be decided otherwise",
                replayed.len()
            ));
            lines.join("\n")
        });
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
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut records = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Ok(records);
        }
        if line.len() > MAX_RECORD {
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
            Ok(same) if !same.differs() => vec![format!("{login}: {} as then", words(&same.now))],
            Ok(other) => {
                let head = format!("{login}: then {}, now {}", words(&other.then), words(&other.now));
                let why = other.explanation.lines.iter().map(|line| format!("  | {line}"));
                std::iter::once(head).chain(why).collect()
            }
        }
    }
}

fn words(methods: &[String]) -> String {
    visible(&methods.join(" and "))
}
