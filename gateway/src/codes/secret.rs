//! Secrets of gateways and mail servers: read when they are used, so that a new one counts at once.

use crate::keyfile;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFile {
    /// In a file of the admin's, which nobody else may read.
    Own(PathBuf),
    /// In a systemd credential: systemd says who may read it.
    Credential(PathBuf),
}

impl SecretFile {
    /// Which file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(path) | Self::Credential(path) => path,
        }
    }

    /// Its content, without the line's end.
    pub fn read(&self) -> anyhow::Result<Zeroizing<String>> {
        let text = match self {
            Self::Own(path) => keyfile::read_secret(path)?,
            Self::Credential(path) => keyfile::read_credential(path)?,
        };
        Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}
