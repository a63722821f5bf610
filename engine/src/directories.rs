//! Every authentication profile of a configuration, ready to be asked.

use crate::config::profile::LdapProfile;
use crate::config::{AuthIndex, AuthSource, Config};
use crate::directory::Directory;
use crate::directory::ldap::{self, LdapDirectory};
use crate::directory::local::LocalDirectory;
use crate::directory::nss::Nss;
use std::sync::Arc;

/// The directories behind a configuration's authentication profiles.
pub struct Directories(Vec<Directory>);

/// A profile whose directory cannot even be prepared.
#[derive(Debug, thiserror::Error)]
#[error("authentication profile {profile:?}: {why}")]
pub struct Unprepared {
    /// Which.
    pub profile: String,
    /// Why.
    pub why: String,
}

impl Directories {
    /// Prepares them; none is connected to yet. `host_id` names the realm of users that this host alone knows.
    pub fn new(config: &Config, nss: &Arc<Nss>, host_id: &str) -> Result<Self, Unprepared> {
        let prepared = config.auth_profiles.iter().map(|profile| match &profile.source {
            AuthSource::Ldap(ldap) => ldap_directory(ldap),
            AuthSource::Local(local) => Ok(Directory::Local(LocalDirectory::new(
                local.clone(),
                nss.clone(),
                host_id,
            ))),
        });
        prepared.collect::<Result<_, _>>().map(Self)
    }

    /// The directory of a profile.
    pub fn of(&self, profile: AuthIndex) -> &Directory {
        &self.0[profile.0]
    }
}

/// The directory of an LDAP profile; nothing is connected to yet.
pub(crate) fn ldap_directory(profile: &LdapProfile) -> Result<Directory, Unprepared> {
    let tls = ldap::profile_tls(profile).map_err(|e| Unprepared {
        profile: profile.name.clone(),
        why: e.to_string(),
    })?;
    Ok(Directory::Ldap(LdapDirectory::new(profile.clone(), tls)))
}
