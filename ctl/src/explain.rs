//! `assentctl explain USER --service S`: what would be decided and why, without a login, a push or an agent.

use crate::agent_bus::{Agent, SOCKET};
use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::conditions::Circumstances;
use assent_engine::config::AuthIndex;
use assent_engine::directory::Lookup;
use assent_engine::explain::{Question, Verdict, explain};
use assent_engine::moment;
use assent_engine::names::UserName;
use assent_engine::policy::Recall;
use assent_engine::risk::{Context, Earlier, Signals};
use assent_engine::sources::{RealSources, Sources, Spelling};
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use clap::Args;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The user's name
    user: String,
    /// The PAM service
    #[arg(long, default_value = "sshd")]
    service: String,
    /// The client's address; without it, as on a console
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// When, such as 2026-11-25T09:00 or 2026-11-25T09:00+01:00; without it, now
    #[arg(long, value_name = "TIME", value_parser = when)]
    at: Option<UnixTime>,
    /// As after a key that sshd took
    #[arg(long)]
    key: bool,
    /// The agent's admin socket, for what it remembers
    #[arg(long, value_name = "SOCKET", default_value = SOCKET)]
    socket: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Asks the directories as a login would, and says what follows.
    pub async fn run(&self) -> Done {
        let rules = self.which.prepare_asking(None)?;
        let places = rules.places();
        let place = self.from.map(|from| places.of(from)).unwrap_or_default();
        let question = Question {
            user: &self.user,
            login: Circumstances {
                service: &self.service,
                source: self.from,
                at: self.at.unwrap_or_else(UnixTime::now),
                context: Context {
                    country: place.country_code(),
                    earlier: Earlier {
                        key: self.key,
                        ..Earlier::default()
                    },
                    ..Context::default()
                },
            },
        };
        let explanation = explain(
            &rules.config,
            &WithMemory {
                rules: rules.sources(),
                socket: &self.socket,
                from: self.from,
            },
            &question,
        )
        .await;
        report(self.json, &explanation.json, || explanation.lines.join("\n"));
        match explanation.verdict {
            Verdict::Asked | Verdict::Unguarded => Ok(()),
            Verdict::Denied => Err(Failure::Refused("the login would be denied".into())),
        }
    }
}

/// The real directories, and what the agent of this machine remembers.
struct WithMemory<'a> {
    rules: RealSources<'a>,
    socket: &'a Path,
    from: Option<IpAddr>,
}

impl Sources for WithMemory<'_> {
    async fn spelling(&self, user: &UserName) -> Spelling {
        self.rules.spelling(user).await
    }

    async fn look_up(&self, profile: AuthIndex, user: &UserName) -> Lookup {
        self.rules.look_up(profile, user).await
    }

    async fn recall(&self, who: &Identity) -> Recall {
        let from = self.from.map_or_else(String::new, |from| from.to_string());
        let asked = async {
            let agent = Agent::at(self.socket).await?;
            let body = (who.realm.as_str(), who.id.as_str(), from.as_str());
            agent.call::<String>("Signals", &body).await
        };
        let told = asked.await.map_err(|e| e.to_string())?;
        serde_json::from_str::<Signals>(&told).map_err(|e| format!("the agent's answer cannot be read: {e}"))
    }
}

/// A moment on a command line.
pub fn when(text: &str) -> Result<UnixTime, String> {
    moment::parse(text).ok_or_else(|| {
        "write it as 2026-11-25T09:00, 2026-11-25T09:00+01:00 or 2026-11-25T09:00[Europe/Berlin]".to_owned()
    })
}
