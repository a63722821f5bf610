//! `assentctl audit verify`: the chain, line by line; each push from the roots to the device's answer; each checkpoint; and
//! what a log off this host has heard.

use super::heard::Heard;
use super::{anchors, lines};
use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::chain::{Head, Verifier};
use assent_proto::cert::{Host, Issuers, Trust};
use assent_proto::checkpoint::Checkpoint;
use assent_proto::evidence::{self, Evidence};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use assent_proto::{Digest, sha256};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Most complaints that are listed; all are counted.
const LISTED: usize = 20;

/// `audit verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 whole, 1 something was changed or does not verify (the first bad line is named), 2 wrong usage, or a file that cannot be read."
)]
pub struct Verify {
    /// Audit files, the oldest first; the configuration's, if none is named
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A log from another machine with this host's syslog lines: what it has heard must stand in the files
    #[arg(long, value_name = "LOG")]
    against: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Findings {
    bad: Vec<Value>,
    count: u64,
    decisions: u64,
    approvals: u64,
    answers: u64,
    checkpoints: u64,
    /// Hosts whose certificates stand in checkpoints.
    hosts: Vec<Host>,
    heard_checkpoints: u64,
    unfinished_end: usize,
}

impl Findings {
    fn bad(&mut self, file: &Path, line: u64, why: &str) {
        self.count += 1;
        if self.bad.len() < LISTED {
            self.bad
                .push(json!({"file": file.display().to_string(), "line": line, "why": visible(why)}));
        }
    }
}

impl Findings {
    /// Remembers who signed a checkpoint.
    fn know(&mut self, record: &Value, trust: &Trust) {
        if record["kind"] == "checkpoint"
            && let Ok(host) = host_of(record, trust)
            && !self.hosts.iter().any(|known| known.document() == host.document())
        {
            self.hosts.push(host);
        }
    }
}

impl Verify {
    /// Says what does not hold.
    pub fn run(self) -> Done {
        let config = self.which.read()?;
        let trust = anchors::read(&config.paths.trust_dir, &config.paths.state_dir)?;
        let heard = self.against.as_deref().map(Heard::read).transpose()?;
        let files = match self.files.is_empty() {
            true => vec![config.log.audit_file.clone()],
            false => self.files.clone(),
        };
        let mut chain = Verifier::default();
        let mut found = Findings::default();
        let mut places: BTreeMap<u64, Digest> = BTreeMap::new();
        let (mut first, mut before) = (None, None);
        for (at, file) in files.iter().enumerate() {
            let last = at + 1 == files.len();
            lines::each(file, |line| {
                if !line.whole && last {
                    // The agent may be writing it, or was ended in the middle; its next start will say so.
                    found.unfinished_end = line.bytes.len();
                    return ControlFlow::Continue(());
                }
                match chain.line(line.bytes) {
                    Err(why) => {
                        found.bad(file, line.number, &why.to_string());
                        // Who signs checkpoints is known all the same: the other machine's log is held against it.
                        found.know(&serde_json::from_slice(line.bytes).unwrap_or_default(), &trust);
                    }
                    Ok(None) => {}
                    Ok(Some(record)) => {
                        if let Err(why) = judge(&record, before, &trust, &mut found) {
                            found.bad(file, line.number, &why);
                        }
                    }
                }
                if let Some(head) = head(line.bytes) {
                    first.get_or_insert(head.seq);
                    if heard.is_some() {
                        places.insert(head.seq, head.hash);
                    }
                    before = Some(head);
                }
                ControlFlow::Continue(())
            })?;
        }
        let last = files.last().map_or(Path::new("-"), PathBuf::as_path);
        if let Err(why) = chain.end() {
            found.bad(last, 0, &why.to_string());
        }
        if let Some(heard) = &heard {
            let hosts = std::mem::take(&mut found.hosts);
            found.heard_checkpoints = heard.against(&places, first, &hosts, |why| found.bad(last, 0, &why));
        }
        self.say(&chain, &found, first)
    }

    fn say(&self, chain: &Verifier, found: &Findings, first: Option<u64>) -> Done {
        let value = json!({
            "whole": found.count == 0,
            "first": first,
            "last": chain.end().ok().flatten(),
            "lines": chain.records,
            "decisions": found.decisions,
            "approvals_by_device": found.approvals,
            "answers": found.answers,
            "checkpoints": found.checkpoints,
            "heard_checkpoints": found.heard_checkpoints,
            "syslog_alone": chain.syslog_alone,
            "nowhere": chain.nowhere,
            "unfinished_lines": chain.unfinished,
            "unfinished_end": found.unfinished_end,
            "before_the_chain": chain.unlinked,
            "bad": found.bad,
            "bad_lines": found.count,
        });
        report(self.json, &value, || {
            let mut words = vec![format!(
                "{} decisions, {} of them approved by a device; {} signed answers and {} checkpoints verify",
                found.decisions, found.approvals, found.answers, found.checkpoints
            )];
            let mut also = |count: u64, what: &str| {
                if count > 0 {
                    words.push(format!("{count} {what}"));
                }
            };
            also(found.heard_checkpoints, "checkpoints of the other machine's log verify");
            also(
                chain.syslog_alone,
                "records found no room here and went to syslog alone",
            );
            also(chain.nowhere, "records were taken by nothing; their logins were denied");
            also(chain.unfinished, "lines were left unfinished when the agent was ended");
            also(chain.unlinked, "lines are older than the chain and prove nothing");
            if found.unfinished_end > 0 {
                words
                    .push("the last line has no end: it is being written, or the agent was ended in its middle".into());
            }
            for bad in &found.bad {
                words.push(format!("{}:{}: {}", text(&bad["file"]), bad["line"], text(&bad["why"])));
            }
            words.join("\n")
        });
        match found.count {
            0 => Ok(()),
            count => Err(Failure::Refused(format!(
                "the record is not what the agent wrote: {count} faults; keep a copy, and compare it with the log of another machine"
            ))),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn head(line: &[u8]) -> Option<Head> {
    let seq = serde_json::from_slice::<Value>(line).ok()?["seq"].as_u64()?;
    let hash = sha256(&[line]);
    Some(Head { seq, hash })
}

/// What a record in its place is worth.
fn judge(record: &Value, before: Option<Head>, trust: &Trust, found: &mut Findings) -> Result<(), String> {
    match record["kind"].as_str() {
        Some("login") => login(record, trust, found),
        Some("checkpoint") => {
            found.know(record, trust);
            checkpoint(record, before, trust)?;
            found.checkpoints += 1;
            Ok(())
        }
        Some("exception" | "gap" | "torn" | "anew") => Ok(()),
        _ => Err("a record of a kind that is not known here".into()),
    }
}

fn login(record: &Value, trust: &Trust, found: &mut Findings) -> Result<(), String> {
    found.decisions += 1;
    let pushes: Vec<Evidence> =
        serde_json::from_value(record["pushes"].clone()).map_err(|e| format!("what was asked cannot be read: {e}"))?;
    let mut approved = false;
    for push in &pushes {
        let proven = evidence::verify(push, trust).map_err(|e| format!("a push does not verify: {e}"))?;
        let same = record["login"] == proven.login().as_str()
            && record["identity"] == proven.identity().to_string()
            && record["host"] == proven.host().encode();
        if !same {
            return Err("a push of another login, person or host stands in this record".into());
        }
        found.answers += u64::from(proven.answer().is_some());
        approved |= proven.is_approved();
    }
    if record["verdict"] == "approved" && record["by_device"] == true {
        if !approved {
            return Err("the record says that a device approved, and no device has signed that".into());
        }
        found.approvals += 1;
    }
    Ok(())
}

/// The host that a checkpoint's certificate is of, if it holds.
fn host_of(record: &Value, trust: &Trust) -> Result<Host, String> {
    let at = UnixTime(record["at"].as_u64().unwrap_or(0));
    let issuers = record["issuers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let issuers = Issuers::under(trust, issuers.iter().filter_map(Value::as_str));
    let (host, _) = issuers
        .verify_host(text(&record["certificate"]), at)
        .map_err(|e| format!("a checkpoint's certificate does not hold: {e}"))?;
    Ok(host)
}

fn checkpoint(record: &Value, before: Option<Head>, trust: &Trust) -> Result<(), String> {
    let host = host_of(record, trust)?;
    let signed = Checkpoint::verify(text(&record["checkpoint"]), &host)
        .map_err(|e| format!("a checkpoint does not verify: {e}"))?;
    match before {
        // A rotated file begins with it.
        None => Ok(()),
        Some(before) if (signed.seq, signed.hash) == (before.seq, before.hash) => Ok(()),
        Some(_) => Err("a checkpoint stands behind another record than the one that it was made for".into()),
    }
}
