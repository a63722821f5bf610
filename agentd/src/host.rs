//! What this host is: its keys, its certificate, and the roots and issuers that it trusts. Written by `assentctl host
//! join`, and by the agent itself when it renews ([`crate::renewal`]).
//!
//! Order is what keeps the files together: `issuer.jws` holds every issuer that is known, one a line, and is written before
//! a `host.jws` that one of them has signed. Whatever a crash leaves, the certificate finds its issuer.

use crate::roots::Roots;
use assent_proto::cert::{Host, Issuer, Issuers};
use assent_proto::keys::KeyPair;
use assent_proto::life::{Age, RENEWAL_GRACE};
use assent_proto::roots::RootSet;
use assent_proto::time::UnixTime;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// An enrolled host.
pub struct Enrolled {
    /// Its private keys. A renewal keeps them: what was sealed to the host opens, and no login that waits is lost.
    pub keys: Arc<KeyPair>,
    /// Its certificate.
    pub host: Host,
    /// The issuer that signed it.
    pub issuer: Issuer,
    /// Every issuer that the roots vouch for now: devices of any of them count.
    pub issuers: Issuers,
    /// The roots.
    pub roots: Roots,
    /// Those that vouch for the newest issuer: what this host's tokens name.
    pub root: RootSet,
}

impl Enrolled {
    /// Whether its certificate holds; why it does not, and what is to be done.
    pub fn alive(&self, now: UnixTime) -> Result<(), String> {
        match self.host.life().age(now) {
            Age::Young | Age::Due | Age::Late => Ok(()),
            Age::Ended | Age::Lost => Err(format!(
                "this host's certificate ended at {} (seconds since 1970) and is not renewed yet",
                self.host.claims().exp.0
            )),
        }
    }
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

/// Reads everything and checks the chain up to a pinned root. A certificate that ended a while ago is taken: it can still be
/// renewed, and until then nothing is asked with it.
pub fn load(state_dir: &Path, trust_dir: &Path, now: UnixTime) -> Result<Enrolled, HostError> {
    let roots = Roots::load(trust_dir, state_dir)?;
    let key_file = state_dir.join("host.key");
    let keys = KeyPair::from_file(&read(&key_file, true)?).map_err(|e| content(&key_file, &e))?;
    let issuers = read(&state_dir.join("issuer.jws"), false)?;
    let host = read(&state_dir.join("host.jws"), false)?;
    join(state_dir, Arc::new(keys), roots, &issuers, host.trim(), now)
}

/// Puts the parts together, if they fit.
pub fn join(
    state_dir: &Path,
    keys: Arc<KeyPair>,
    roots: Roots,
    issuers: &str,
    host: &str,
    now: UnixTime,
) -> Result<Enrolled, HostError> {
    let (host_file, issuer_file) = (state_dir.join("host.jws"), state_dir.join("issuer.jws"));
    let trust = roots.trust();
    let now_believed = Issuers::under(&trust, issuers.lines());
    let ever_believed = Issuers::under(&roots.ever(), issuers.lines());
    if let (true, Some(line)) = (ever_believed.all().is_empty(), issuers.lines().next()) {
        let why = trust.verify_issuer(line, now).err();
        return Err(content(
            &issuer_file,
            &why.map_or_else(|| "no root vouches for it".to_owned(), |e| e.to_string()),
        ));
    }
    let own = now_believed
        .verify_host_renewable(host, now, RENEWAL_GRACE)
        .or_else(|_| ever_believed.verify_host_renewable(host, now, RENEWAL_GRACE));
    let (host, issuer) = own.map_err(|e| content(&host_file, &e))?;
    if host.claims().sign != keys.sign.public() || host.claims().kem != keys.kem.public() {
        return Err(content(&host_file, &"it certifies other keys than host.key holds"));
    }
    let newest = now_believed.newest(now).unwrap_or(issuer);
    let root = newest
        .root(&trust)
        .or_else(|| trust.sets().first())
        .cloned()
        .ok_or_else(|| content(&issuer_file, &"its root is not pinned"))?;
    let issuer = issuer.clone();
    Ok(Enrolled {
        keys,
        host,
        issuer,
        issuers: now_believed,
        roots,
        root,
    })
}

pub(crate) fn read(path: &Path, secret: bool) -> Result<Zeroizing<String>, HostError> {
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

pub(crate) fn content(path: &Path, what: &dyn std::fmt::Display) -> HostError {
    HostError::Content {
        path: path.to_owned(),
        what: what.to_string(),
    }
}
