//! The issuing key and the chain that makes it one, as `assentctl registrar` puts them into the state directory.

use crate::{clock, keyfile};
use anyhow::{Context as _, bail, ensure};
use assent_proto::cert::{DAY, Issuer, Trust};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::time::UnixTime;
use std::path::Path;

/// Days before its end from which the gateway warns.
const WARN_DAYS: u64 = 30;

/// What the registrar signs with.
pub struct IssuingKeys {
    /// The issuing key.
    pub pair: KeyPair,
    /// Its certificate, verified under `root`.
    pub issuer: Issuer,
    /// The root.
    pub root: VerifyingKey,
}

impl IssuingKeys {
    /// Reads and checks `issuer.key`, `issuer.jws` and `root.pub`.
    pub fn load(state_dir: &Path) -> anyhow::Result<Self> {
        for name in ["issuer.key", "issuer.jws", "root.pub"] {
            if !state_dir.join(name).try_exists().unwrap_or(true) {
                bail!(missing(state_dir, name));
            }
        }
        let key_file = state_dir.join("issuer.key");
        let pair =
            KeyPair::from_file(&keyfile::read_secret(&key_file)?).with_context(|| key_file.display().to_string())?;
        let root_file = state_dir.join("root.pub");
        let root = VerifyingKey::from_pem(&keyfile::read_public(&root_file)?)
            .with_context(|| root_file.display().to_string())?;
        let cert_file = state_dir.join("issuer.jws");
        let document = keyfile::read_public(&cert_file)?;
        let issuer = Trust::new(vec![root.clone()])
            .verify_issuer(document.trim(), clock::now())
            .with_context(|| format!("{} is not usable under {}", cert_file.display(), root_file.display()))?;
        let claims = issuer.claims();
        ensure!(
            claims.sign == pair.sign.public() && claims.kem == pair.kem.public(),
            "{} certifies another key than the one in {}; run `assentctl registrar request`, `sign` and `install` again",
            cert_file.display(),
            key_file.display()
        );
        let keys = Self { pair, issuer, root };
        keys.warn_if_ending(clock::now());
        Ok(keys)
    }

    /// Says so when the certificate is near its end.
    pub fn warn_if_ending(&self, now: UnixTime) {
        let left = self.issuer.claims().exp.0.saturating_sub(now.0) / DAY;
        if left < WARN_DAYS {
            tracing::warn!(
                days = left,
                "the issuing key's certificate ends soon: run `assentctl registrar request`, `sign` and `install`"
            );
        }
    }
}

fn missing(state_dir: &Path, name: &str) -> String {
    let dir = state_dir.display();
    format!(
        "{dir} holds no {name}: the registrar has no keys yet.\n\
         For all on one machine: `assentctl registrar init --all-in-one --state-dir {dir} --root-key FILE`, then move FILE away.\n\
         With the root key elsewhere: `assentctl registrar request --state-dir {dir}` here, `assentctl registrar sign` where \
         the root key is, then `assentctl registrar install --state-dir {dir}` here."
    )
}
