//! `assentctl values PROFILE ATTRIBUTE`: the values that an attribute really has, with how many users have each, to
//! choose a policy's values from.

use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::directory::{Cut, ValueCounts, ValueLimits};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// Most characters of a value that are shown.
const SHOWN: usize = 200;

/// `values`.
#[derive(Debug, Args)]
pub struct Values {
    /// An authentication profile
    profile: String,
    /// An attribute, by the name that policies use
    attribute: String,
    /// Most different values
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// Most seconds that the directory is asked
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    seconds: u64,
    #[command(flatten)]
    which: Which,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Values {
    /// Asks the directory, and lists what there is, the most frequent first.
    pub async fn run(&self) -> Done {
        let rules = self.which.prepare()?;
        let directory = rules.directory(&self.profile)?;
        let limits = ValueLimits {
            values: self.limit,
            time: Duration::from_secs(self.seconds),
            ..ValueLimits::default()
        };
        let found = directory.values(&self.attribute, limits).await;
        let found = found.map_err(|why| Failure::Unreachable(format!("{}: {why}", self.profile)))?;
        report(self.json, &json_of(&found), || self.lines(&found));
        Ok(())
    }

    fn lines(&self, found: &ValueCounts) -> String {
        let width = found.values.first().map_or(1, |(_, most)| most.to_string().len());
        let values = found.values.iter();
        let mut lines: Vec<String> = values
            .map(|(value, count)| format!("{count:>width$}  {}", value.shown(SHOWN)))
            .collect();
        lines.push(format!(
            "{} values of {} among {} users of {} that have it",
            found.values.len(),
            self.attribute,
            found.entries,
            self.profile
        ));
        lines.extend(found.cut.as_ref().map(|cut| format!("not all: {}", words(cut))));
        lines.join("\n")
    }
}

fn words(cut: &Cut) -> String {
    match cut {
        Cut::Entries => "there are more users than were read".into(),
        Cut::Values => "there are more values; --limit shows more".into(),
        Cut::Time => "the time was over; --seconds gives more".into(),
        Cut::Server(why) => format!("the server gave no more: {why}"),
        Cut::Listed => "users whom the name service alone knows are not counted".into(),
    }
}

fn json_of(found: &ValueCounts) -> Value {
    let values = found.values.iter();
    let values: Vec<Value> = values
        .map(|(value, count)| json!({"value": value.shown(SHOWN), "users": count}))
        .collect();
    json!({"values": values, "users": found.entries, "not_all": found.cut.as_ref().map(words)})
}
