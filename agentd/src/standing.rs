//! What this host is now, for everything that runs: replaced whole when a certificate, an issuer or a root comes anew,
//! without a restart. Whoever began with the old one ends with it.

use crate::host::{self, Enrolled, HostError, content};
use crate::{files, host::read};
use assent_proto::cert::{Issuers, claimed_issuer};
use assent_proto::life::{Age, Life, RENEWAL_GRACE};
use assent_proto::relay::TrustInfo;
use assent_proto::time::UnixTime;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// This host's standing.
pub struct Standing {
    state_dir: PathBuf,
    now: RwLock<Arc<Enrolled>>,
    /// One at a time changes files.
    turn: Mutex<()>,
    /// Why the last try to renew came to nothing.
    trouble: Mutex<Option<String>>,
}

impl Standing {
    /// Reads it.
    pub fn load(state_dir: &Path, trust_dir: &Path, now: UnixTime) -> Result<Self, HostError> {
        Ok(Self {
            now: RwLock::new(Arc::new(host::load(state_dir, trust_dir, now)?)),
            state_dir: state_dir.to_owned(),
            turn: Mutex::default(),
            trouble: Mutex::default(),
        })
    }

    /// What it is now.
    pub fn now(&self) -> Arc<Enrolled> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what verifies of the relay's word: steps of the roots, and issuers under them. Everything else is passed over.
    /// Does I/O.
    pub fn learn(&self, info: &TrustInfo, now: UnixTime) -> Result<(), HostError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        let mut roots = before.roots.clone();
        let moved = roots.follow(&info.steps);
        let file = self.state_dir.join("issuer.jws");
        let kept = read(&file, false)?;
        let mut issuers = Issuers::under(&roots.ever(), kept.lines());
        let offered = Issuers::under(&roots.trust(), info.issuers.iter().map(String::as_str));
        if info.issuers.len() > offered.all().len() {
            tracing::warn!(
                "the relay offers an issuing key that no root which is believed here has signed; it is refused"
            );
        }
        let ended = UnixTime(now.0.saturating_sub(RENEWAL_GRACE));
        let more = issuers.learn(offered, ended);
        if !moved && !more {
            return Ok(());
        }
        let mut lines: Vec<&str> = issuers.documents().collect();
        // The issuer of the certificate that is in use stays, however old it is.
        if !lines.contains(&before.issuer.document()) {
            lines.push(before.issuer.document());
        }
        let text = lines.join("\n") + "\n";
        let joined = host::join(
            &self.state_dir,
            Arc::clone(&before.keys),
            roots,
            &text,
            before.host.document(),
            now,
        )?;
        // Issuers first: the roots that are believed from then on have one.
        files::replace(&file, &text, 0o644).map_err(|e| unwritten(&file, e))?;
        if moved {
            let written = joined.roots.store(&self.state_dir);
            written.map_err(|e| unwritten(&self.state_dir.join("roots.json"), e))?;
        }
        if let Some(newest) = joined.issuers.newest(now)
            && before
                .issuers
                .newest(now)
                .is_none_or(|old| old.document() != newest.document())
        {
            tracing::info!("the registrar's issuing key is now {}", newest.claims().sign.id());
        }
        self.put(joined);
        Ok(())
    }

    /// Takes the next certificate. `false`: it is the one that is in use. Does I/O.
    pub fn renewed(&self, document: &str, now: UnixTime) -> Result<bool, HostError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        if document == before.host.document() {
            return Ok(false);
        }
        let file = self.state_dir.join("host.jws");
        let issuers = read(&self.state_dir.join("issuer.jws"), false)?;
        let joined = host::join(
            &self.state_dir,
            Arc::clone(&before.keys),
            before.roots.clone(),
            &issuers,
            document,
            now,
        )?;
        let (old, new) = (before.host.claims(), joined.host.claims());
        if new.host_id != old.host_id || new.display != old.display {
            return Err(content(&file, &"the registrar sent another host's certificate"));
        }
        joined.alive(now).map_err(|why| content(&file, &why))?;
        files::replace(&file, &format!("{document}\n"), 0o644).map_err(|e| unwritten(&file, e))?;
        self.put(joined);
        Ok(true)
    }

    fn put(&self, joined: Enrolled) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(joined);
    }

    /// Whether the next certificate is to be asked for. Each host is late by its own share of a tenth of the life, so that
    /// those that joined in one hour do not come back in one.
    pub fn renewal_is_due(&self, now: UnixTime) -> bool {
        let enrolled = self.now();
        let (id, life) = (enrolled.host.claims().host_id, enrolled.host.life());
        now >= due(life, id.0[0]) || !enrolled.issuers.all().iter().any(|issuer| signed_by(issuer, &enrolled))
    }

    /// Keeps why a renewal failed, for whoever asks.
    pub fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// What somebody must look at: a certificate that is past two thirds of its life.
    pub fn warning(&self, now: UnixTime) -> Option<String> {
        let life = self.now().host.life();
        if life.age(now) < Age::Late {
            return None;
        }
        let why = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.unwrap_or_else(|| "no later one can be had".into());
        Some(format!(
            "this host's certificate ends at {} (seconds since 1970) and could not be renewed: {why}. Look whether the gateway \
             can be reached and what its log says (a new issuing key may be due: `assentctl registrar request`); at the worst \
             make a token on the gateway and run `assentctl host join URL TOKEN --replace` here, which gives this host a new id",
            life.exp.0
        ))
    }
}

/// Whether one of the issuers that are believed now has signed this host's certificate.
fn signed_by(issuer: &assent_proto::cert::Issuer, enrolled: &Enrolled) -> bool {
    claimed_issuer(enrolled.host.document()) == Some(issuer.claims().sign.id())
}

fn due(life: Life, share: u8) -> UnixTime {
    let tenth = life.exp.0.saturating_sub(life.nbf.0) / 10;
    life.half().plus(tenth / 256 * u64::from(share))
}

fn unwritten(file: &Path, why: io::Error) -> HostError {
    content(
        file,
        &format!(
            "it cannot be written: {why}; the old one stays in use. The agent's user must own the state directory"
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
