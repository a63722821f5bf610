//! `assentctl status` and `assentctl reload`: one question each to the running agent.

use crate::agent_bus::{Agent, SOCKET};
use crate::failure::{Done, Failure};
use crate::report::{readable, report};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// `status` and `reload`.
#[derive(Debug, Args)]
pub struct Ask {
    /// The agent's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Ask {
    /// How the agent is.
    pub async fn status(&self) -> Done {
        let text: String = Agent::at(&self.socket).await?.call("Status", &()).await?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|e| Failure::Unreachable(format!("the agent's status is no JSON: {e}")))?;
        report(self.json, &value, || readable(&value));
        Ok(())
    }

    /// Has the agent read its configuration anew; a bad one leaves the old in force.
    pub async fn reload(&self) -> Done {
        let text: String = Agent::at(&self.socket).await?.call("Reload", &()).await?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        report(self.json, &value, || readable(&value));
        Ok(())
    }
}
