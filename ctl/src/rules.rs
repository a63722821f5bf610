//! The configuration and its directories as commands ask them that need no agent: `explain`, `policy test`, `replay`.

use crate::failure::{Done, Failure};
use assent_engine::config::profile::ServiceAccount;
use assent_engine::config::{self, AuthSource, Config};
use assent_engine::directories::Directories;
use assent_engine::directory::Directory;
use assent_engine::directory::nss::Nss;
use assent_engine::places::Places;
use assent_engine::sources::RealSources;
use assent_proto::text::visible;
use clap::Args;
use nix::libc::O_NONBLOCK;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
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

    /// The same as [`Self::prepare`], for whoever is about to ask the directories, or that of one profile: what this user
    /// may not read would look like an outage.
    pub fn prepare_asking(&self, profile: Option<&str>) -> Done<Rules> {
        may_read_secrets(&self.read()?, profile)?;
        self.prepare()
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

    /// What an attribute that policies name is called in a profile's directory.
    pub fn name_in_directory<'a>(&'a self, profile: &str, attribute: &'a str) -> &'a str {
        let mut all = self.config.auth_profiles.iter();
        let profile = all.find(|known| known.name() == profile);
        let map = profile.and_then(|profile| match &profile.source {
            AuthSource::Ldap(ldap) => Some(&ldap.attribute_map),
            AuthSource::Local(_) => None,
        });
        let mut pairs = map.into_iter().flatten();
        let mapped = pairs.find(|(ours, _)| ours.eq_ignore_ascii_case(attribute));
        mapped.map_or(attribute, |(_, theirs)| theirs)
    }

    /// Where addresses lie; nowhere, where there is no data base that can be read (`assentctl check` says why).
    pub fn places(&self) -> Places {
        let file = self.config.location.as_deref();
        file.and_then(|file| Places::open(file).ok()).unwrap_or_default()
    }

    /// The directories and the name service of this machine.
    pub fn sources(&self) -> RealSources<'_> {
        RealSources {
            directories: &self.directories,
            nss: &self.nss,
        }
    }
}

/// Whether a file is refused to this user, and root could read it.
pub fn only_root(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && !nix::unistd::geteuid().is_root()
}

fn may_read_secrets(config: &Config, profile: Option<&str>) -> Done {
    let asked = config.auth_profiles.iter();
    for asked in asked.filter(|asked| profile.is_none_or(|name| name == asked.name())) {
        let secret = match &asked.source {
            AuthSource::Local(local) => Some(local.users_file.as_path()),
            AuthSource::Ldap(ldap) => ldap.service.as_ref().map(|service| match service {
                ServiceAccount::Simple { password_file, .. } => password_file.as_path(),
                ServiceAccount::External(client) => client.key_file.as_path(),
            }),
        };
        // Without waiting at a FIFO; what else is wrong is said when the file is used.
        let opened = secret.map(|file| (file, OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(file)));
        if let Some((file, Err(error))) = opened
            && only_root(&error)
        {
            return Err(Failure::Input(format!(
                "{}: {error}: authentication profile {:?} needs it; run this as root",
                file.display(),
                asked.name()
            )));
        }
    }
    Ok(())
}

/// The joined host's id, which is part of local users' realm; it stands in the certificate, whose proof is the agent's
/// matter.
fn host_id(state_dir: &Path) -> String {
    let document = std::fs::read_to_string(state_dir.join("host.jws")).unwrap_or_default();
    assent_proto::cert::claimed_host_id(document.trim()).map_or_else(|| "unjoined".to_owned(), |id| id.to_string())
}
