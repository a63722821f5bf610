//! What this host is: its keys, its certificate, and the roots it trusts. Written by `assentctl host join`.

use assent_proto::cert::{Host, Issuer, Trust};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::time::UnixTime;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// An enrolled host.
pub struct Enrolled {
    /// Its private keys.
    pub keys: KeyPair,
    /// Its certificate.
    pub host: Host,
    /// The issuer that signed it.
    pub issuer: Issuer,
    /// The pinned root that signed the issuer.
    pub root: VerifyingKey,
    /// Every pinned root.
    pub trust: Trust,
}

/// Why this host cannot send pushes.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file is not there or not readable.
    #[error("{} cannot be read: {source}; run \"assentctl host join\" on this host", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that others may read or change.
    #[error("{} has owner {owner} and mode {mode:o}; it must belong to root or to the agent, and {must}", path.display())]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
        /// What is asked of it.
        must: &'static str,
    },
    /// A file that does not hold what it should.
    #[error("{}: {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// No root is pinned.
    #[error("there is no pinned root in {}; run \"assentctl host join\" on this host", .0.display())]
    NoRoot(PathBuf),
}

/// Reads everything and checks the chain up to a pinned root.
pub fn load(state_dir: &Path, trust_dir: &Path, now: UnixTime) -> Result<Enrolled, HostError> {
    let trust = roots(trust_dir)?;
    let key_file = state_dir.join("host.key");
    let keys = KeyPair::from_file(&read(&key_file, true)?).map_err(|e| content(&key_file, &e))?;
    let issuer_file = state_dir.join("issuer.jws");
    let issuer = read(&issuer_file, false)?;
    let issuer = trust
        .verify_issuer(issuer.trim(), now)
        .map_err(|e| content(&issuer_file, &e))?;
    let host_file = state_dir.join("host.jws");
    let host = read(&host_file, false)?;
    let host = issuer
        .verify_host(host.trim(), now)
        .map_err(|e| content(&host_file, &e))?;
    if host.claims().sign != keys.sign.public() || host.claims().kem != keys.kem.public() {
        return Err(content(&host_file, &"it certifies other keys than host.key holds"));
    }
    let root = issuer
        .root(&trust)
        .cloned()
        .ok_or_else(|| content(&issuer_file, &"its root is not pinned"))?;
    Ok(Enrolled {
        keys,
        host,
        issuer,
        root,
        trust,
    })
}

fn roots(dir: &Path) -> Result<Trust, HostError> {
    let unreadable = |source| HostError::File {
        path: dir.to_owned(),
        source,
    };
    let mut roots = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            let pem = read(&path, false)?;
            roots.push(VerifyingKey::from_pem(&pem).map_err(|e| content(&path, &e))?);
        }
    }
    if roots.is_empty() {
        return Err(HostError::NoRoot(dir.to_owned()));
    }
    Ok(Trust::new(roots))
}

fn read(path: &Path, secret: bool) -> Result<Zeroizing<String>, HostError> {
    use std::io::Read as _;
    let failed = |source| HostError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let own = nix::unistd::geteuid().as_raw();
    let forbidden = if secret { 0o077 } else { 0o022 };
    if meta.mode() & forbidden != 0 || (meta.uid() != 0 && meta.uid() != own) {
        return Err(HostError::Mode {
            path: path.to_owned(),
            owner: meta.uid(),
            mode: meta.mode() & 0o7777,
            must: if secret {
                "nobody else may read it"
            } else {
                "nobody else may change it"
            },
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn content(path: &Path, what: &dyn std::fmt::Display) -> HostError {
    HostError::Content {
        path: path.to_owned(),
        what: what.to_string(),
    }
}
