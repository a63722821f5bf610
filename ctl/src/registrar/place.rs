//! The registrar's files in the gateway's state directory: pairs of an issuing key and its certificate, which are added and
//! never rewritten, the first root, and the steps from it. `gateway/src/registrar/keys.rs` reads them.

use crate::failure::{Done, Failure, no_randomness};
use crate::files::{self, Owner, PUBLIC, SECRET};
use assent_proto::cert::{Issuer, Trust};
use assent_proto::keys::{KeyPair, SigningKey, VerifyingKey};
use assent_proto::roots::{Lineage, RootSet};
use assent_proto::time::UnixTime;
use std::path::{Path, PathBuf};

use super::flow::broken;

/// The steps from the first root, one a line.
pub(super) const ROOTS: &str = "roots.jws";

/// An issuing key that has no certificate yet.
pub(super) struct Waiting {
    pub keys: KeyPair,
    /// Whether it was made now.
    pub new: bool,
    pub file: PathBuf,
}

/// The issuing key that waits for a certificate; otherwise a new one, beside those that are in use.
pub(super) fn waiting_key(state_dir: &Path, owner: Option<Owner>) -> Done<Waiting> {
    if let Some(file) = key_files(state_dir)?
        .into_iter()
        .find(|file| !files::exists(&certificate_of(file)))
    {
        let keys = read_pair(&file)?;
        return Ok(Waiting { keys, new: false, file });
    }
    let keys = KeyPair::generate().map_err(no_randomness)?;
    let name = match has_certificate(state_dir) {
        true => format!(
            "issuer-{}.key",
            assent_proto::enrol::short_fingerprint(&keys.sign.public())
        ),
        false => "issuer.key".to_owned(),
    };
    let file = state_dir.join(name);
    files::create(&file, &keys.to_file().map_err(broken)?, SECRET, owner)?;
    Ok(Waiting { keys, new: true, file })
}

/// Whether an issuing key is certified here.
pub(super) fn has_certificate(state_dir: &Path) -> bool {
    key_files(state_dir).is_ok_and(|files| files.iter().any(|file| files::exists(&certificate_of(file))))
}

fn key_files(state_dir: &Path) -> Done<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Failure::Input(format!("{} cannot be read: {e}", state_dir.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(state_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let ours = stem == "issuer" || stem.starts_with("issuer-");
        if ours && path.extension().is_some_and(|kind| kind == "key") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn certificate_of(key_file: &Path) -> PathBuf {
    key_file.with_extension("jws")
}

fn read_pair(file: &Path) -> Done<KeyPair> {
    KeyPair::from_file(&files::read_secret(file)?).map_err(|e| Failure::Input(format!("{}: {e}", file.display())))
}

/// Puts a certificate beside its key: from then on the pair counts.
pub(super) fn put(
    state_dir: &Path,
    root: &VerifyingKey,
    roots: &Lineage,
    certificate: &str,
    owner: Option<Owner>,
) -> Done<Issuer> {
    let issuer = Trust::of(vec![roots.current().clone()])
        .verify_issuer(certificate, UnixTime::now())
        .map_err(|e| {
            Failure::Refused(format!(
                "the certificate is not valid under this root: {e}. Nothing was installed"
            ))
        })?;
    for file in key_files(state_dir)? {
        let keys = read_pair(&file)?;
        if issuer.claims().sign != keys.sign.public() || issuer.claims().kem != keys.kem.public() {
            continue;
        }
        let root = root.to_pem().map_err(broken)?;
        files::replace(&state_dir.join("root.pub"), &root, PUBLIC, owner)?;
        files::replace(&certificate_of(&file), &format!("{certificate}\n"), PUBLIC, owner)?;
        return Ok(issuer);
    }
    Err(Failure::Refused(format!(
        "the certificate is for another issuing key than any in {}; nothing was installed. Begin with `assentctl registrar request --state-dir {}`",
        state_dir.display(),
        state_dir.display()
    )))
}

/// Every issuing key's certificate that is here.
pub(super) fn certificates(state_dir: &Path) -> Done<Vec<String>> {
    let files = key_files(state_dir)?.into_iter().map(|file| certificate_of(&file));
    let there = files.filter(|file| files::exists(file));
    there
        .map(|file| Ok(files::read_public(&file)?.trim().to_owned()))
        .collect()
}

/// A root's private key.
pub(super) fn root_key(file: &Path) -> Done<SigningKey> {
    SigningKey::from_pem(&files::read_secret(file)?).map_err(|e| Failure::Input(format!("{}: {e}", file.display())))
}

/// A root's public key.
pub(super) fn public(file: &Path) -> Done<VerifyingKey> {
    VerifyingKey::from_pem(&files::read_public(file)?).map_err(|e| Failure::Input(format!("{}: {e}", file.display())))
}

/// The steps from a root, as `roots.jws` of a state directory holds them.
pub(super) fn lineage(state_dir: &Path, root: &VerifyingKey) -> Done<Lineage> {
    let file = state_dir.join(ROOTS);
    match files::exists(&file) {
        true => walk(root, &file),
        false => Ok(Lineage::new(RootSet::of_key(root.clone()))),
    }
}

/// The steps in a file.
pub(super) fn walk(root: &VerifyingKey, file: &Path) -> Done<Lineage> {
    let text = files::read_public(file)?;
    let steps: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    Lineage::replay(RootSet::of_key(root.clone()), &steps).map_err(|e| {
        Failure::Input(format!(
            "{} does not lead from the first root to its last line: {e}",
            file.display()
        ))
    })
}
