//! `assentctl explain USER --service S`: what would be decided and why, without a login, a push or an agent.

use crate::check::CONFIG;
use crate::failure::{Done, Failure};
use crate::report::report;
use assent_engine::config;
use assent_engine::directories::Directories;
use assent_engine::directory::nss::Nss;
use assent_engine::explain::explain;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The user's name
    user: String,
    /// The PAM service
    #[arg(long, default_value = "sshd")]
    service: String,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Asks the directories as a login would, and says what follows.
    pub async fn run(&self) -> Done {
        // Installed already is the one way in which this fails, and does not matter.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = config::load(&self.config).map_err(|problems| Failure::Input(problems.to_string()))?;
        let nss = Arc::new(Nss::new());
        let host_id = host_id(&config.paths.state_dir);
        let directories = Directories::new(&config, &nss, &host_id).map_err(|e| Failure::Input(e.to_string()))?;
        let explanation = explain(&config, &directories, &nss, &self.user, &self.service).await;
        report(self.json, &explanation.json, || explanation.lines.join("\n"));
        if explanation.admits {
            return Ok(());
        }
        Err(Failure::Refused("the login would be denied".into()))
    }
}

/// The joined host's id, which is part of local users' realm; it stands in the certificate, whose proof is the agent's
/// matter.
fn host_id(state_dir: &Path) -> String {
    let document = std::fs::read_to_string(state_dir.join("host.jws")).unwrap_or_default();
    assent_proto::cert::claimed_host_id(document.trim()).map_or_else(|| "unjoined".to_owned(), |id| id.to_string())
}
