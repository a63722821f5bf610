//! `assentctl policy test FILE`: a site's own table of logins and what each must come to.

use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::policy_test::{Outcome, Tests};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `policy`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Run a table of expected outcomes; nothing is sent
    Test(Test),
}

/// `policy test`.
#[derive(Debug, Args)]
#[command(after_help = "\
A table:
  [[test]]
  user = \"alice\"
  service = \"sshd\"
  from = \"10.1.2.3\"                   # optional
  at = \"2026-11-25T09:00+01:00\"       # optional
  expect = \"staff-push\"               # a method profile, \"deny\" or \"admit\"

  [[person]]                          # optional: answers for this profile without asking it
  user = \"alice\"
  auth_profile = \"corp\"
  attributes = { department = \"IT\" }")]
pub struct Test {
    /// The table, in TOML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Policy {
    /// Runs the subcommand.
    pub async fn run(self) -> Done {
        match self {
            Self::Test(test) => test.run().await,
        }
    }
}

impl Test {
    async fn run(&self) -> Done {
        let rules = self.which.prepare()?;
        let text = std::fs::read_to_string(&self.file)
            .map_err(|e| Failure::Input(format!("{} cannot be read: {e}", self.file.display())))?;
        let tests =
            Tests::read(&self.file, &text, &rules.config).map_err(|problems| Failure::Input(problems.to_string()))?;
        let outcomes = tests
            .run(&rules.config, &rules.sources(), &rules.places(), UnixTime::now())
            .await;
        let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
        let list: Vec<Value> = outcomes.iter().map(json_of).collect();
        report(self.json, &json!({"failed": failed, "tests": list}), || {
            self.lines(&outcomes, failed)
        });
        if failed == 0 {
            return Ok(());
        }
        Err(Failure::Refused(format!("{failed} of {} tests failed", outcomes.len())))
    }

    fn lines(&self, outcomes: &[Outcome], failed: usize) -> String {
        let mut lines = Vec::new();
        for outcome in outcomes {
            let word = if outcome.passed { "ok    " } else { "FAILED" };
            lines.push(format!("{word} {}: {}", visible(&outcome.question), outcome.got));
            if !outcome.passed {
                lines.push(format!(
                    "       {}:{} expects {}",
                    self.file.display(),
                    outcome.line,
                    visible(&outcome.expected)
                ));
                lines.extend(outcome.why.iter().map(|line| format!("       | {line}")));
            }
        }
        lines.push(format!("{} passed, {failed} failed", outcomes.len() - failed));
        lines.join("\n")
    }
}

fn json_of(outcome: &Outcome) -> Value {
    json!({
        "line": outcome.line,
        "login": outcome.question,
        "expected": outcome.expected,
        "got": outcome.got,
        "passed": outcome.passed,
        "why": outcome.why,
    })
}
