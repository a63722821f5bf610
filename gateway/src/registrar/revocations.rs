//! The revocation list: made anew with each revocation, freeze and lift, and once a day; kept in `registrar.db` with its
//! number, which only grows. Hosts and devices get it in sealed calls alone.

use super::{News, Registrar};
use crate::clock;
use crate::store::log::{self, Entry};
use crate::store::revocations::{self as rows, Signed};
use crate::store::{SqliteConnection, StoreError};
use assent_proto::registrar::{Refused, Reply};
use assent_proto::revocation::{Freeze, ListPart, MAX_SEQ, RevocationClaims, Revocations, WantList};
use assent_proto::time::{SKEW, UnixTime};
use assent_proto::{Digest, Id};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A new list is made when the present one has no more than so many seconds to its `next`.
const AHEAD: u64 = 4 * 3600;
/// By how much an admin's jump raises the number: more lists than a registrar makes in its life.
const JUMP: u64 = 1_000_000;

/// The newest list, as it is handed out.
#[derive(Default)]
pub(super) struct List {
    newest: RwLock<Option<Arc<Revocations>>>,
    /// A number above ours that a host or device says to hold; 0: none. Only who asks knows whether that is true.
    held_elsewhere: AtomicU64,
    /// The last list could not be signed.
    unsigned: AtomicBool,
}

impl List {
    pub(super) fn newest(&self) -> Option<Arc<Revocations>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands this one out from now on; after the commit that made it.
    pub(super) fn put(&self, list: Arc<Revocations>) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(list);
    }
}

/// How the list is, for admins.
#[derive(Debug, Serialize)]
pub struct ListStatus {
    /// Its number.
    pub seq: u64,
    /// When it was made.
    pub made: u64,
    /// When there is a newer one at the latest.
    pub next: u64,
    /// Revoked certificates on it.
    pub serials: usize,
    /// Revoked hosts on it.
    pub hosts: usize,
    /// Freezes on it.
    pub freezes: usize,
    /// A higher number that some host or device says to hold: `registrar.db` may have been restored from a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_elsewhere: Option<u64>,
    /// The newest one could not be made: hosts keep an older one, and the log says why.
    pub unsigned: bool,
}

/// What the log keeps of a list.
#[derive(Serialize)]
struct Record {
    v: u8,
    seq: u64,
    sha256: Digest,
    serials: usize,
    hosts: usize,
    freezes: usize,
}

impl Registrar {
    /// Makes the next list of what stands in the tables now, inside the transaction that changed them; its number. Hosts
    /// hear of it by the generation, devices where they need to. One that is too long goes without its freezes.
    ///
    /// `None`: it cannot be signed. That does not undo the revocation: the old list stays, and log and status say so.
    pub(super) async fn next_list(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        now: UnixTime,
    ) -> Result<Option<u64>, StoreError> {
        let before = rows::list(conn).await?.map_or(0, |list| list.seq);
        self.list_numbered(conn, news, before + 1, now).await
    }

    async fn list_numbered(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        seq: u64,
        now: UnixTime,
    ) -> Result<Option<u64>, StoreError> {
        // A reader whose clock is behind takes a certificate for so much longer.
        let ended = UnixTime(now.0.saturating_sub(SKEW));
        let freezes = rows::freezes(conn, now).await?.into_iter();
        let freezes = freezes.map(|one| Freeze::new(one.salt, &one.identity, one.origin, one.until));
        let freezes: Vec<Freeze> = freezes.collect();
        let (serials, hosts) = (rows::serials(conn, ended).await?, rows::hosts(conn, ended).await?);
        let with = |freezes| RevocationClaims::new(seq, now, serials.clone(), hosts.clone(), freezes);
        let keys = self.keys();
        let issuer = keys.current().issuer.document();
        news.generation = Some(crate::store::registrar::next_generation(conn).await?);
        let sign = |claims: &RevocationClaims| {
            claims
                .sign(&keys.current().pair.sign)
                .map_err(|error| error.to_string())
                .and_then(|document| self.verified(issuer, &document).map_err(|error| error.to_string()))
        };
        let mut claims = with(freezes);
        let mut signed = sign(&claims);
        if let Err(error) = &signed
            && !claims.freezes.is_empty()
        {
            // Whoever can make freezes without number must not keep revocations from anybody.
            tracing::error!(
                error,
                freezes = claims.freezes.len(),
                "the revocation list goes without its freezes"
            );
            claims = with(Vec::new());
            signed = sign(&claims);
        }
        self.list.unsigned.store(signed.is_err(), Ordering::Release);
        let list = match signed {
            Ok(list) => list,
            Err(error) => {
                tracing::error!(
                    error,
                    serials = claims.serials.len(),
                    freezes = claims.freezes.len(),
                    "the revocation list could not be made: hosts keep the one that they have"
                );
                return Ok(None);
            }
        };
        let row = Signed {
            seq,
            document: list.document().to_owned(),
            issuer: issuer.to_owned(),
        };
        rows::put_list(conn, &row).await?;
        let record = Record {
            v: 1,
            seq,
            sha256: list.digest(),
            serials: claims.serials.len(),
            hosts: claims.hosts.len(),
            freezes: claims.freezes.len(),
        };
        let record = serde_json::to_string(&record).map_err(|_| StoreError::Row("log"))?;
        let index = log::next_index(conn).await?;
        log::append(conn, index, now, Entry::List, &record).await?;
        // A freeze is nothing to a device.
        news.tell_devices |= self.list.newest().is_some_and(|old| {
            let old = old.claims();
            (&old.serials, &old.hosts) != (&claims.serials, &claims.hosts)
        });
        news.list = Some(Arc::new(list));
        tracing::info!(
            seq,
            serials = claims.serials.len(),
            hosts = claims.hosts.len(),
            freezes = claims.freezes.len(),
            "a new revocation list"
        );
        Ok(Some(seq))
    }

    fn verified(&self, issuer: &str, document: &str) -> Result<Revocations, assent_proto::cert::CertError> {
        Revocations::verify(&self.keys().trust(), issuer, document)
    }

    /// Reads the list that is kept, and makes the next one where there is none, where it is due, where it does not verify or
    /// the issuing key has changed.
    pub(super) async fn keep_list(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let kept = rows::list(conn).await?;
        let kept = kept.and_then(|kept| match self.verified(&kept.issuer, &kept.document) {
            Ok(list) => Some(list),
            Err(error) => {
                tracing::warn!(%error, seq = kept.seq, "the kept revocation list does not verify; a new one is made");
                None
            }
        });
        let good = kept.filter(|list| {
            // One that is dated ahead was made under a wrong clock.
            let due = now.plus(AHEAD) >= list.claims().next || list.claims().iat > now.plus(SKEW);
            !due && list.issuer() == self.keys().current().issuer.document()
        });
        match good {
            Some(list) => self.list.put(Arc::new(list)),
            None => drop(self.next_list(conn, news, now).await?),
        }
        Ok(())
    }

    /// A part of the newest list, for `who`.
    pub(super) fn list_part(&self, who: Id, want: WantList) -> Reply {
        let Some(list) = self.list.newest() else {
            return super::refuse(
                Refused::Internal,
                "the registrar has no revocation list; its log says why",
            );
        };
        if let Some(held) = want.held
            && (held.seq > list.seq() || (held.seq == list.seq() && held.digest != list.digest()))
        {
            tracing::error!(
                %who,
                held = held.seq,
                ours = list.seq(),
                "somebody holds a newer revocation list than this registrar ever made: was registrar.db restored from a \
                 backup? Hosts refuse older lists. Revoke again what was revoked since the backup, then run \
                 `assentctl registrar revocations --jump`"
            );
            self.list.held_elsewhere.fetch_max(held.seq, Ordering::AcqRel);
        }
        Reply::Revocations(ListPart::of(&list, want))
    }

    /// Raises the list's number far above every number that hosts may hold, after a restore; the new number.
    pub async fn jump(&self) -> Result<u64, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let before = rows::list(&mut tx).await?.map_or(0, |list| list.seq);
        let seq = (before + JUMP).min(MAX_SEQ);
        let made = self.list_numbered(&mut tx, &mut news, seq, clock::now()).await?;
        let seq = made.ok_or(StoreError::Row("revocation_list"))?;
        self.finish(tx, news, turn).await?;
        self.list.held_elsewhere.store(0, Ordering::Release);
        tracing::warn!(before, seq, "the revocation list's number was raised by an admin");
        Ok(seq)
    }

    /// How the list is.
    pub fn list_status(&self) -> Option<ListStatus> {
        let list = self.list.newest()?;
        let claims = list.claims();
        let held = self.list.held_elsewhere.load(Ordering::Acquire);
        Some(ListStatus {
            seq: claims.seq,
            made: claims.iat.0,
            next: claims.next.0,
            serials: claims.serials.len(),
            hosts: claims.hosts.len(),
            freezes: claims.freezes.len(),
            held_elsewhere: (held > 0).then_some(held),
            unsigned: self.list.unsigned.load(Ordering::Acquire),
        })
    }
}
