//! The issuing keys and the chains that make them such, as `assentctl registrar` puts them into the state directory.
//!
//! `issuer.key` and `issuer.jws` are the first key and its certificate; each later one is `issuer-NAME.key` and
//! `issuer-NAME.jws`, so that a rotation never rewrites a pair: it adds one, and a crash in between leaves a key without a
//! certificate, which waits. The newest that lives signs; the others open calls and keep what they signed alive until
//! their end ([`IssuingKeys::forget_ended`]). `root.pub` is the first root, `roots.jws` the steps from it.

use crate::{clock, keyfile};
use anyhow::{Context as _, bail, ensure};
use assent_proto::cert::{CertError, DAY, Device, Host, Issuer, Issuers, Trust};
use assent_proto::keys::{KeyId, KeyPair, VerifyingKey};
use assent_proto::life::RENEWAL_GRACE;
use assent_proto::roots::{Lineage, RootSet};
use assent_proto::time::UnixTime;
use std::path::{Path, PathBuf};

/// Days before its end from which the gateway warns.
pub const WARN_DAYS: u64 = 30;
/// Seconds after its end in which an issuing key's files stay: what it signed may be renewed so long.
const KEPT: u64 = RENEWAL_GRACE + DAY;

/// An issuing key with its certificate.
pub struct IssuingKey {
    /// The key.
    pub pair: KeyPair,
    /// Its certificate.
    pub issuer: Issuer,
    files: [PathBuf; 2],
}

/// What the registrar signs with.
pub struct IssuingKeys {
    /// Those whose certificate lives, newest first; at least one.
    living: Vec<IssuingKey>,
    /// Every issuer that is known, also those that ended a while ago: their devices and hosts may still be renewed.
    known: Issuers,
    /// The first root.
    pub root: VerifyingKey,
    /// The roots since.
    pub roots: Lineage,
}

fn under(roots: &Lineage) -> Trust {
    Trust::of(roots.sets().iter().rev().cloned().collect())
}

impl IssuingKeys {
    /// Reads and checks every issuing key, `root.pub` and `roots.jws`.
    pub fn load(state_dir: &Path) -> anyhow::Result<Self> {
        let now = clock::now();
        let keys = Self::load_at(state_dir, now)?;
        keys.warn_if_ending(state_dir, now);
        Ok(keys)
    }

    /// The same without a word about their end.
    pub fn load_at(state_dir: &Path, now: UnixTime) -> anyhow::Result<Self> {
        for name in ["issuer.key", "issuer.jws", "root.pub"] {
            let first = state_dir.join(name);
            // A first key that ended is removed, once another one has taken its place.
            if name != "root.pub" && !pairs(state_dir)?.is_empty() {
                continue;
            }
            if !first.try_exists().unwrap_or(true) {
                bail!(missing(state_dir, name));
            }
        }
        let root_file = state_dir.join("root.pub");
        let root = VerifyingKey::from_pem(&keyfile::read_public(&root_file)?)
            .with_context(|| root_file.display().to_string())?;
        let roots = lineage(state_dir, &root)?;
        let trust = under(&roots);
        let mut all = Vec::new();
        for files in pairs(state_dir)? {
            all.push(load_pair(files, &trust)?);
        }
        let known = Issuers::under(&trust, all.iter().map(|one| one.issuer.document()));
        let (mut living, over): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|one| now.within(one.issuer.claims().nbf, one.issuer.claims().exp));
        // Whoever has followed to the newest roots believes what those have signed and nothing else.
        let newest_roots = Trust::of(vec![roots.current().clone()]);
        let believed = |one: &IssuingKey| newest_roots.verify_issuer(one.issuer.document(), now).is_ok();
        living.sort_by_key(|one| std::cmp::Reverse((believed(one), one.issuer.claims().nbf)));
        if living.is_empty() {
            let why = over
                .iter()
                .max_by_key(|one| one.issuer.claims().exp)
                .and_then(|one| trust.verify_issuer(one.issuer.document(), now).err())
                .map_or_else(|| "there is none".to_owned(), |error| error.to_string());
            bail!(
                "no issuing key in {} is usable under {}: {why}\n{}",
                state_dir.display(),
                root_file.display(),
                how_to_rotate(state_dir)
            );
        }
        let keys = Self {
            living,
            known,
            root,
            roots,
        };
        if !believed(keys.current()) {
            tracing::warn!(
                roots = keys.roots.current().version(),
                "the newest roots have signed no issuing key: hosts and devices that know them believe nothing of this registrar. \
                 Sign the issuing key's certificate with the new root too: `assentctl registrar cosign`, then `install`"
            );
        }
        Ok(keys)
    }

    /// Every set of roots that there was: who pinned an older one still verifies what that one signed.
    pub fn trust(&self) -> Trust {
        under(&self.roots)
    }

    /// The one that signs: the newest.
    pub fn current(&self) -> &IssuingKey {
        // `load` has refused to go without one.
        &self.living[0]
    }

    /// Those that live, newest first.
    pub fn living(&self) -> &[IssuingKey] {
        &self.living
    }

    /// The one of this id, if it lives: a call may be sealed to any.
    pub fn of(&self, id: &KeyId) -> Option<&IssuingKey> {
        self.living.iter().find(|one| one.pair.sign.public().id() == *id)
    }

    /// A host's certificate, whichever key has signed it.
    pub fn verify_host(&self, document: &str, now: UnixTime) -> Result<Host, CertError> {
        self.known.verify_host(document, now).map(|(host, _)| host)
    }

    /// A device's certificate, whichever key has signed it.
    pub fn verify_device(&self, document: &str, now: UnixTime) -> Result<Device, CertError> {
        self.known.verify_device(document, now)
    }

    /// A host's certificate, also one that has ended a while ago, for its renewal alone.
    pub fn verify_host_renewable(&self, document: &str, now: UnixTime) -> Result<Host, CertError> {
        self.known
            .verify_host_renewable(document, now, RENEWAL_GRACE)
            .map(|(host, _)| host)
    }

    /// A device's certificate, also one that has ended a while ago, for its renewal alone.
    pub fn verify_device_renewable(&self, document: &str, now: UnixTime) -> Result<Device, CertError> {
        self.known.verify_device_renewable(document, now, RENEWAL_GRACE)
    }

    /// The certificate of the issuer that signed `host`.
    pub fn issuer_of(&self, host: &Host) -> Option<&Issuer> {
        let issued = |issuer: &&Issuer| issuer.verify_host(host.document(), host.claims().nbf).is_ok();
        self.known.all().iter().find(issued)
    }

    /// What ought to be done about the issuing key, and how; nothing while there is time.
    pub fn ending(&self, state_dir: &Path, now: UnixTime) -> Option<String> {
        let left = self.current().issuer.claims().exp.0.saturating_sub(now.0) / DAY;
        (left < WARN_DAYS).then(|| {
            format!(
                "the issuing key's certificate ends in {left} days, and with it every certificate that it signed. {}",
                how_to_rotate(state_dir)
            )
        })
    }

    /// Says so when the certificate is near its end.
    pub fn warn_if_ending(&self, state_dir: &Path, now: UnixTime) {
        if let Some(warning) = self.ending(state_dir, now) {
            tracing::warn!("{warning}");
        }
    }

    /// Removes the files of keys that ended so long ago that nothing they signed can be renewed any more.
    pub fn forget_ended(state_dir: &Path, now: UnixTime) -> anyhow::Result<()> {
        let keys = Self::load_at(state_dir, now)?;
        for files in pairs(state_dir)? {
            let Ok(document) = keyfile::read_public(&files[1]) else {
                continue;
            };
            let ended = |issuer: &Issuer| issuer.claims().exp.plus(KEPT) < now;
            let known = keys
                .known
                .all()
                .iter()
                .find(|issuer| issuer.document() == document.trim());
            if known.is_some_and(ended) {
                // The certificate first: a key without one is a request that waits, not a pair that does not fit.
                for file in [&files[1], &files[0]] {
                    std::fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))?;
                }
                tracing::info!(file = %files[0].display(), "an issuing key that ended long ago was removed");
            }
        }
        Ok(())
    }
}

impl IssuingKey {
    /// Where its key and certificate are.
    pub fn files(&self) -> &[PathBuf; 2] {
        &self.files
    }
}

/// Every issuing key's files of which both are there.
fn pairs(state_dir: &Path) -> anyhow::Result<Vec<[PathBuf; 2]>> {
    let mut found = Vec::new();
    let unreadable = || format!("{} cannot be read", state_dir.display());
    for entry in std::fs::read_dir(state_dir).with_context(unreadable)? {
        let name = entry.with_context(unreadable)?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jws")) else {
            continue;
        };
        if stem != "issuer" && !stem.starts_with("issuer-") {
            continue;
        }
        let files = ["key", "jws"].map(|kind| state_dir.join(format!("{stem}.{kind}")));
        if files[0].try_exists().unwrap_or(true) {
            found.push(files);
        }
    }
    found.sort();
    Ok(found)
}

fn load_pair(files: [PathBuf; 2], trust: &Trust) -> anyhow::Result<IssuingKey> {
    let [key_file, cert_file] = &files;
    let pair = KeyPair::from_file(&keyfile::read_secret(key_file)?).with_context(|| key_file.display().to_string())?;
    let document = keyfile::read_public(cert_file)?;
    let issuer = Issuers::under(trust, [document.trim()]).all().first().cloned();
    let Some(issuer) = issuer else {
        let why = trust.verify_issuer(document.trim(), clock::now()).err();
        let why = why.map_or_else(|| "it cannot be read".to_owned(), |error| error.to_string());
        bail!("{} is not usable under the root: {why}", cert_file.display());
    };
    let claims = issuer.claims();
    ensure!(
        claims.sign == pair.sign.public() && claims.kem == pair.kem.public(),
        "{} certifies another key than the one in {}; run `assentctl registrar request`, `sign` and `install` again",
        cert_file.display(),
        key_file.display()
    );
    Ok(IssuingKey { pair, issuer, files })
}

/// `roots.jws`: one step a line.
fn lineage(state_dir: &Path, root: &VerifyingKey) -> anyhow::Result<Lineage> {
    let file = state_dir.join("roots.jws");
    let anchor = RootSet::of_key(root.clone());
    if !file.try_exists().unwrap_or(true) {
        return Ok(Lineage::new(anchor));
    }
    let text = keyfile::read_public(&file)?;
    let steps: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    Lineage::replay(anchor, &steps).with_context(|| {
        format!(
            "{} does not lead from root.pub to its last line; restore it from a backup",
            file.display()
        )
    })
}

/// The commands that put a new issuing key in the place of one that ends.
fn how_to_rotate(state_dir: &Path) -> String {
    let dir = state_dir.display();
    format!(
        "Make the next one: `assentctl registrar request --state-dir {dir} --out request.jws` here; `assentctl registrar sign \
         --root-key FILE --request request.jws --out issuer.jws` where the root key is; `assentctl registrar install \
         --state-dir {dir} --certificate issuer.jws` here, then `systemctl reload assent-gateway`"
    )
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
