//! `assentctl check`: every problem of a configuration at once, with file, line, cause and mend, and of the files that it
//! names. Needs no agent.

mod files;

use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::config::{self, Config, Factor, Problem, Problems};
use clap::Args;
use serde_json::{Value, json};

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    which: Which,
    /// Let warnings count as errors
    #[arg(long)]
    strict: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Says what is wrong, or which methods each application comes to.
    pub fn run(&self) -> Done {
        let file = &self.which.config;
        let checked = config::load(file).and_then(|config| match files::problems(file, &config) {
            none if none.is_empty() => Ok(config),
            some => Err(Problems(some)),
        });
        let config = match checked {
            Ok(config) => config,
            Err(problems) if self.json => {
                let list: Vec<Value> = problems.0.iter().map(problem).collect();
                crate::report::say(&json!({"ok": false, "problems": list}).to_string());
                return Err(Failure::Input(format!("{} problems", problems.0.len())));
            }
            Err(problems) => return Err(Failure::Input(format!("{} problems:\n{problems}", problems.0.len()))),
        };
        let lines = lines(&config);
        let notes = files::notes(&config);
        let warnings: Vec<Value> = config.warnings.iter().map(problem).collect();
        report(
            self.json,
            &json!({"ok": true, "applications": lines, "warnings": warnings, "notes": notes}),
            || {
                let warned = config.warnings.iter().map(|warning| format!("warning: {warning}"));
                let notes = notes.iter().map(|note| format!("note: {note}"));
                let head = std::iter::once(format!("{} is in order", file.display()));
                head.chain(lines.iter().cloned())
                    .chain(warned)
                    .chain(notes)
                    .collect::<Vec<_>>()
                    .join("\n")
            },
        );
        if self.strict && !warnings.is_empty() {
            return Err(Failure::Input(format!("{} warnings", warnings.len())));
        }
        Ok(())
    }
}

fn problem(problem: &Problem) -> Value {
    json!({"file": problem.file, "line": problem.line, "what": problem.what, "mend": problem.mend})
}

/// Each application's factors in words; a factor without a default is worth a warning.
fn lines(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for application in &config.applications {
        lines.push(format!(
            "application {} ({})",
            application.name,
            application.services.join(", ")
        ));
        // Every way past a factor stands here, however it was meant (R91).
        let waivers = config.waivers(application);
        lines.extend(waivers.map(|place| format!("  the policy {place} waives a factor")));
        for factor in &application.factors {
            lines.push(match factor {
                Factor::Stack => "  the PAM stack or sshd's key".to_owned(),
                Factor::Password(profiles) => {
                    let names: Vec<&str> = profiles.iter().map(|p| config.auth_profile(*p).name()).collect();
                    format!("  password: {}", names.join(", "))
                }
                Factor::Method(methods) => {
                    let names: Vec<String> = methods
                        .iter()
                        .map(|m| format!("{} ({})", config.method(*m).name, config.method(*m).method.word()))
                        .collect();
                    let default = config
                        .default_method(methods)
                        .map_or("none: whom no policy matches is denied", |m| &config.method(m).name);
                    format!("  method: {}; default: {default}", names.join(", "))
                }
            });
        }
    }
    lines
}
