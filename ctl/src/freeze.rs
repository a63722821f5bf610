//! `assentctl freeze`: whose requests are frozen since somebody said "not me", and lifting that. On the gateway for every
//! host; on a host for what that host alone has frozen.

use crate::admin_client::{Admin, Socket};
use crate::agent_bus::{self, Agent};
use crate::failure::{Done, Failure};
use crate::report::{readable, report};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Freezes: what follows "not me".
#[derive(Debug, Subcommand)]
pub enum Freeze {
    /// List the freezes
    List(List),
    /// Lift every freeze of a user
    Lift(Lift),
}

/// Where to ask: the gateway of this machine, or the agent if there is no gateway here.
#[derive(Debug, Args)]
struct Where {
    #[command(flatten)]
    socket: Socket,
    /// The agent's admin socket; with it, the agent is asked even where there is a gateway
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `freeze list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    at: Where,
}

/// `freeze lift`.
#[derive(Debug, Args)]
pub struct Lift {
    /// The user's name; on the gateway also "realm#id", as `freeze list` shows it
    user: String,
    #[command(flatten)]
    at: Where,
}

enum Part {
    Gateway(Admin),
    Agent(Agent),
}

impl Where {
    async fn part(&self) -> Done<Part> {
        match &self.agent {
            Some(socket) => Ok(Part::Agent(Agent::at(socket).await?)),
            None if self.socket.is_there() => Ok(Part::Gateway(self.socket.open()?)),
            None => Ok(Part::Agent(Agent::at(Path::new(agent_bus::SOCKET)).await?)),
        }
    }
}

impl Freeze {
    /// Runs it.
    pub async fn run(&self) -> Done {
        match self {
            Self::List(args) => args.run().await,
            Self::Lift(args) => args.run().await,
        }
    }
}

impl List {
    async fn run(&self) -> Done {
        let value = match self.at.part().await? {
            Part::Gateway(admin) => admin.get("/freezes").await?,
            Part::Agent(agent) => {
                let text: String = agent.call("Freezes", &()).await?;
                let freezes: Value = serde_json::from_str(&text)
                    .map_err(|e| Failure::Unreachable(format!("the agent's answer is no JSON: {e}")))?;
                json!({ "freezes": freezes })
            }
        };
        report(self.at.json, &value, || match value["freezes"].as_array() {
            Some(freezes) if !freezes.is_empty() => readable(&value),
            _ => "nobody is frozen".into(),
        });
        Ok(())
    }
}

impl Lift {
    async fn run(&self) -> Done {
        let (lifted, place) = match self.at.part().await? {
            Part::Gateway(admin) => {
                let value = admin.post("/freezes/lift", &json!({"user": self.user})).await?;
                (
                    value["lifted"].as_u64().unwrap_or(0),
                    "on every host, as soon as it hears of it",
                )
            }
            Part::Agent(agent) => {
                let lifted: u32 = agent.call("LiftFreeze", &(&self.user,)).await?;
                (
                    u64::from(lifted),
                    "on this host; what the registrar has taken is lifted on the gateway",
                )
            }
        };
        if lifted == 0 {
            return Err(Failure::Refused(
                "there is no such freeze; `assentctl freeze list` shows them".into(),
            ));
        }
        report(self.at.json, &json!({"lifted": lifted}), || format!("Lifted {place}."));
        Ok(())
    }
}
