//! `assentctl unlock USER`: a user who spent the budget of pushes, or typed wrong numbers or passwords, may try again at once.

use crate::agent_bus::{Agent, SOCKET};
use crate::failure::Done;
use crate::report::report;
use assent_proto::text::visible;
use clap::Args;
use std::path::PathBuf;

/// `unlock`.
#[derive(Debug, Args)]
pub struct Unlock {
    /// Who
    user: String,
    /// The agent's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Unlock {
    /// Has the agent open the budgets again.
    pub async fn run(self) -> Done {
        let identities: u32 = Agent::at(&self.socket).await?.call("Unlock", &self.user).await?;
        let value = serde_json::json!({"unlocked": self.user, "identities": identities});
        report(self.json, &value, || {
            format!(
                "{} may try again: budgets, wrong numbers and passwords are forgotten on this host",
                visible(&self.user)
            )
        });
        Ok(())
    }
}
