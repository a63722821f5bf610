//! `assentctl audit`: what was decided on this host, read from the agent's own record. No agent need run; as root.

mod anchors;
mod export;
mod heard;
mod lines;
mod show;
mod verify;

use crate::failure::{Done, Failure};
use crate::report::say;
use crate::rules::Which;
use crate::seconds;
use assent_engine::moment;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// `audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// The last decisions, and with -f those to come
    Tail(Tail),
    /// One login: who, what, where, when, why
    Show(Show),
    /// Decisions that fit
    Search(Search),
    /// Whether the record is whole, and whether each approval was signed by a device
    Verify(verify::Verify),
    /// Decisions for other programs
    Export(Export),
}

/// Which record.
#[derive(Debug, Args)]
struct Source {
    /// The audit file, if not the configuration's: an older one, for instance
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// Which decisions.
#[derive(Debug, Args)]
struct Filter {
    /// User, as the name service writes it
    #[arg(long)]
    user: Option<String>,
    /// PAM service
    #[arg(long)]
    service: Option<String>,
    /// Client's address, or "local"
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// "approved", "denied" or "ignored"
    #[arg(long, value_name = "VERDICT")]
    decision: Option<String>,
    /// Cause, as the manual lists them
    #[arg(long)]
    cause: Option<String>,
    /// Push profile
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// Not before this moment: 2026-11-28T09:00, or 2h for two hours ago
    #[arg(long, value_name = "MOMENT", value_parser = when)]
    since: Option<UnixTime>,
    /// Not after this moment
    #[arg(long, value_name = "MOMENT", value_parser = when)]
    until: Option<UnixTime>,
}

/// `audit tail`.
#[derive(Debug, Args)]
pub struct Tail {
    #[command(flatten)]
    from: Source,
    /// How many
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    lines: usize,
    /// Wait for more
    #[arg(short, long)]
    follow: bool,
    /// Report as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// `audit show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The login's short id: it stands on the terminal, on the phone and in syslog
    #[arg(value_name = "LOGIN-ID")]
    login: String,
    #[command(flatten)]
    from: Source,
    /// Report as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// `audit search`.
#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    from: Source,
    /// Report as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// `audit export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    from: Source,
    /// Form
    #[arg(long, value_enum)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values with a head line, without traces
    Csv,
    /// JSON lines, whole
    Json,
}

fn when(text: &str) -> Result<UnixTime, String> {
    if let Ok(ago) = seconds::parse(text) {
        return Ok(UnixTime(UnixTime::now().0.saturating_sub(ago)));
    }
    moment::parse(text).ok_or_else(|| "write 2026-11-28T09:00, or 2h for two hours ago".into())
}

impl Audit {
    /// Reads the record.
    pub fn run(self) -> Done {
        match self {
            Self::Tail(tail) => tail.run(),
            Self::Show(show) => show.run(),
            Self::Search(search) => search.run(),
            Self::Verify(verify) => verify.run(),
            Self::Export(export) => export.run(),
        }
    }
}

impl Source {
    fn file(&self) -> Done<PathBuf> {
        match &self.audit {
            Some(file) => Ok(file.clone()),
            None => Ok(self.which.read()?.log.audit_file),
        }
    }

    /// Every decision, one at a time.
    fn decisions(&self, mut take: impl FnMut(Value)) -> Done {
        lines::each(&self.file()?, |line| {
            let record = serde_json::from_slice::<Value>(line.bytes).ok();
            // Of before there were chains, too.
            if let Some(record) = record.filter(|record| record["login"].is_string()) {
                take(record);
            }
            ControlFlow::Continue(())
        })
    }
}

impl Filter {
    fn fits(&self, record: &Value) -> bool {
        let is = |key: &str, wanted: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| record[key].as_str() == Some(wanted))
        };
        let at = UnixTime(record["at"].as_u64().unwrap_or(0));
        is("user", &self.user)
            && is("service", &self.service)
            && is("source", &self.source)
            && is("verdict", &self.decision)
            && is("cause", &self.cause)
            && is("method", &self.method)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at <= until)
    }
}

fn print(json: bool, record: &Value) {
    match json {
        true => say(&record.to_string()),
        false => say(&show::line(record)),
    }
}

impl Tail {
    fn run(self) -> Done {
        let mut last = VecDeque::new();
        self.from.decisions(|record| {
            last.push_back(record);
            if last.len() > self.lines {
                last.pop_front();
            }
        })?;
        for record in &last {
            print(self.json, record);
        }
        if !self.follow {
            return Ok(());
        }
        lines::follow(&self.from.file()?, |line| {
            let record = serde_json::from_slice::<Value>(line).ok();
            if let Some(record) = record.filter(|record| record["login"].is_string()) {
                print(self.json, &record);
            }
        })
    }
}

impl Show {
    fn run(self) -> Done {
        let mut found = 0;
        self.from.decisions(|record| {
            if record["login"].as_str() == Some(&self.login) {
                found += 1;
                match self.json {
                    true => say(&record.to_string()),
                    false => say(&show::whole(&record)),
                }
            }
        })?;
        if found > 0 {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "there is no login {:?} in {}; an older file may have it: name it with --audit",
            visible(&self.login),
            self.from.file()?.display()
        )))
    }
}

impl Search {
    fn run(self) -> Done {
        let mut found = 0_u64;
        self.from.decisions(|record| {
            if self.filter.fits(&record) {
                found += 1;
                print(self.json, &record);
            }
        })?;
        match found {
            0 => Err(Failure::Refused("no decision fits".into())),
            _ => Ok(()),
        }
    }
}

impl Export {
    fn run(self) -> Done {
        if self.format == Format::Csv {
            say(&export::head());
        }
        self.from.decisions(|record| {
            if self.filter.fits(&record) {
                match self.format {
                    Format::Csv => say(&export::row(&record)),
                    Format::Json => say(&record.to_string()),
                }
            }
        })
    }
}
