//! `assentctl check`: every problem of a configuration at once, with file, line, cause and mend. Needs no agent.

use crate::failure::{Done, Failure};
use crate::report::report;
use assent_engine::config::{self, Config, Factor};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Where the agent's configuration is.
pub const CONFIG: &str = "/etc/assent/agentd.toml";

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration; drop-ins are read from a directory of the same name with ".d" behind it
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Says what is wrong, or which methods each application comes to.
    pub fn run(&self) -> Done {
        match config::load(&self.config) {
            Ok(config) => {
                let lines = lines(&config);
                report(self.json, &json!({"ok": true, "applications": lines}), || {
                    format!("{} is in order\n{}", self.config.display(), lines.join("\n"))
                });
                Ok(())
            }
            Err(problems) if self.json => {
                let list: Vec<_> = problems
                    .0
                    .iter()
                    .map(|p| json!({"file": p.file, "line": p.line, "what": p.what, "mend": p.mend}))
                    .collect();
                crate::report::say(&json!({"ok": false, "problems": list}).to_string());
                Err(Failure::Input(format!("{} problems", problems.0.len())))
            }
            Err(problems) => Err(Failure::Input(format!("{} problems:\n{problems}", problems.0.len()))),
        }
    }
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
        for factor in &application.factors {
            lines.push(match factor {
                Factor::Stack => "  the PAM stack or sshd's key".to_owned(),
                Factor::Password(profiles) => {
                    let names: Vec<&str> = profiles.iter().map(|p| config.auth_profile(*p).name()).collect();
                    format!("  password: {}", names.join(", "))
                }
                Factor::Method(methods) => {
                    let names: Vec<&str> = methods.iter().map(|m| config.method(*m).name.as_str()).collect();
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
