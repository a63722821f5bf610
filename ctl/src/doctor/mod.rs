//! `assentctl doctor`: looks at this machine as it is, a gateway's or a host's, and says what is well, what is not, and
//! how to mend it. It changes nothing.
//!
//! One file a check: it gathers what it needs at its edge, and a pure function judges that ([`finding::Finding`]). A new
//! check is one more file and one more line in [`Doctor::findings`].

mod agent;
mod bypasses;
mod certificate;
mod codes_way;
mod enrolment;
mod finding;
mod grade;
mod pam;
mod processes;
mod sshd;
mod waivers;

use crate::failure::{Done, Failure};
use crate::report::report;
use assent_engine::login::LOGIN_DEADLINE;
use clap::Args;
use finding::{Finding, State};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The agent's configuration: who has it is a host.
const AGENT_CONFIG: &str = "/etc/assent/agentd.toml";

/// `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing has failed (there may be warnings), 1 something has.")]
pub struct Doctor {
    /// The agent's admin socket
    #[arg(long, value_name = "PATH", default_value = crate::agent_bus::SOCKET)]
    socket: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Looks at everything.
    pub async fn run(&self) -> Done {
        let findings = self.findings().await;
        let value = json!({"checks": findings});
        report(self.json, &value, || {
            let texts: Vec<String> = findings.iter().map(Finding::text).collect();
            texts.join("\n")
        });
        let failed = findings.iter().filter(|one| one.state == State::Fail).count();
        match failed {
            0 => Ok(()),
            1 => Err(Failure::Refused("one check has failed".into())),
            many => Err(Failure::Refused(format!("{many} checks have failed"))),
        }
    }

    async fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let gateway = processes::all();
        let is_gateway = !gateway.is_empty() || grade::is_installed();
        if is_gateway {
            findings.push(grade::look(&gateway));
        }
        if Path::new(AGENT_CONFIG).exists() || self.socket.exists() {
            let status = agent::status(&self.socket).await;
            if !is_gateway {
                findings.push(grade::from_a_host(status.as_ref().ok()));
            }
            findings.push(agent::judge(&status));
            findings.extend(codes_way::judge(status.as_ref().ok()));
            findings.extend(certificate::look(status.as_ref().ok()));
            if Path::new(AGENT_CONFIG).exists() {
                findings.push(waivers::look(Path::new(AGENT_CONFIG)));
            }
            let enrolment = enrolment::look(Path::new(AGENT_CONFIG));
            let longest = enrolment.as_ref().map_or(LOGIN_DEADLINE, |_| enrolment::LONGEST);
            findings.extend(enrolment);
            findings.extend(bypasses::judge(status.as_ref().ok()));
            findings.push(pam::look());
            findings.extend(sshd::look(longest));
        }
        if findings.is_empty() {
            findings.push(Finding::unknown(
                "place",
                "this machine is neither a host (no /etc/assent/agentd.toml) nor a gateway (no assent-gateway runs)",
                "run it where the agent or the gateway is",
            ));
        }
        findings
    }
}
