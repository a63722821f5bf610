//! `assentctl explain USER --service S`: what would be decided and why, without a login, a push or an agent.

use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::conditions::Circumstances;
use assent_engine::explain::{Question, Verdict, explain};
use assent_engine::moment;
use assent_proto::time::UnixTime;
use clap::Args;
use std::net::IpAddr;

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
        let question = Question {
            user: &self.user,
            login: Circumstances {
                service: &self.service,
                source: self.from,
                at: self.at.unwrap_or_else(UnixTime::now),
            },
        };
        let explanation = explain(&rules.config, &rules.sources(), &question).await;
        report(self.json, &explanation.json, || explanation.lines.join("\n"));
        match explanation.verdict {
            Verdict::Asked | Verdict::Unguarded => Ok(()),
            Verdict::Denied => Err(Failure::Refused("the login would be denied".into())),
        }
    }
}

/// A moment on a command line.
pub fn when(text: &str) -> Result<UnixTime, String> {
    moment::parse(text).ok_or_else(|| {
        "write it as 2026-11-25T09:00, 2026-11-25T09:00+01:00 or 2026-11-25T09:00[Europe/Berlin]".to_owned()
    })
}
