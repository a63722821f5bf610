//! The configuration and its directories as commands ask them that need no agent: `explain`, `policy test`, `replay`.

use crate::failure::{Done, Failure};
use assent_engine::config::{self, Config};
use assent_engine::directories::Directories;
use assent_engine::directory::Directory;
use assent_engine::directory::nss::Nss;
use assent_engine::sources::RealSources;
use assent_proto::text::visible;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the agent's configuration is.
pub const CONFIG: &str = "/etc/assent/agentd.toml";

/// Which configuration.
#[derive(Debug, Args)]
pub struct Which {
    /// The configuration; drop-ins are read from a directory of the same name with ".d" behind it
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
}

/// A checked configuration whose directories can be asked.
pub struct Rules {
    /// The configuration.
    pub config: Config,
    directories: Directories,
    nss: Arc<Nss>,
}

impl Which {
    /// Reads and checks it.
    pub fn read(&self) -> Done<Config> {
        config::load(&self.config).map_err(|problems| Failure::Input(problems.to_string()))
    }

    /// Reads it and prepares its directories; none is connected to yet.
    pub fn prepare(&self) -> Done<Rules> {
        // Installed already is the one way in which this fails, and does not matter.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = self.read()?;
        let nss = Arc::new(Nss::new());
        let host_id = host_id(&config.paths.state_dir);
        let directories = Directories::new(&config, &nss, &host_id).map_err(|e| Failure::Input(e.to_string()))?;
        Ok(Rules {
            config,
            directories,
            nss,
        })
    }
}

impl Rules {
    /// The directory of an authentication profile.
    pub fn directory(&self, profile: &str) -> Done<&Directory> {
        let mut all = self.config.auth_indices();
        let found = all.find(|index| self.config.auth_profile(*index).name() == profile);
        found.map(|index| self.directories.of(index)).ok_or_else(|| {
            let known: Vec<&str> = self.config.auth_profiles.iter().map(|profile| profile.name()).collect();
            Failure::Input(format!(
                "there is no authentication profile {:?}; known are: {}",
                visible(profile),
                known.join(", ")
            ))
        })
    }

    /// The directories and the name service of this machine.
    pub fn sources(&self) -> RealSources<'_> {
        RealSources {
            directories: &self.directories,
            nss: &self.nss,
        }
    }
}

/// The joined host's id, which is part of local users' realm; it stands in the certificate, whose proof is the agent's
/// matter.
fn host_id(state_dir: &Path) -> String {
    let document = std::fs::read_to_string(state_dir.join("host.jws")).unwrap_or_default();
    assent_proto::cert::claimed_host_id(document.trim()).map_or_else(|| "unjoined".to_owned(), |id| id.to_string())
}
