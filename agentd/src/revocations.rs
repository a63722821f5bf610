//! Which devices are revoked, and whose pushes are frozen: the newest list of the registrar, which never goes back (R24),
//! freezes of this host's own ([`crate::freezes`]), and what the admin revokes by hand ([`crate::revoked_dir`]).
//!
//! [`Kept`] is what lasts over reloads of the configuration, in memory and in the state directory. [`Revocations`] goes by one
//! configuration: it answers [`crate::devices`] and the logins, and its task fetches lists and hands reports over.

use crate::clock::boot_now;
use crate::devices::host_ask;
use crate::disk::{Disk, WholeFile, Written};
use crate::freezes::{Freezes, Local, Proof};
use crate::push::{PushError, Relay};
use crate::revoked_dir::{ByHand, Revoked};
use crate::roots::Roots;
use crate::standing::Standing;
use assent_proto::Id;
use assent_proto::cert::{Device, Identity, Trust};
use assent_proto::registrar::{Ask, HostWant, Refused, Reply};
use assent_proto::revocation::{Assembly, LIST_LIFE, MAX_PARTS, Origin, Revocations as List, Step};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FILE: &str = "revocations.json";
/// Without news, the list is asked for so often.
const EVERY: Duration = Duration::from_secs(3600);
/// After a failure, tries come from this far apart to that far.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Rounds are no closer together than this.
const ROUND: Duration = Duration::from_millis(250);
/// Most reports that are tried in one round.
const REPORTS: usize = 32;
/// Said to whoever still goes by roots that are pinned no more.
const OTHER_ROOTS: &str = "the administrator has pinned other roots meanwhile";
/// Most calls for one list: the registrar may make newer ones in between.
const MOST_CALLS: usize = 3 * MAX_PARTS;

/// The list as it is kept: whoever reads it verifies it from the pinned root on, so it can be damaged, never changed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u8,
    issuer: String,
    list: String,
}

struct State {
    /// What the admin pins: a list holds for the lineages that it was verified under.
    pinned: Vec<Id>,
    /// Grows when the admin pins other roots and the list of the former ones is dropped: whoever still goes by those is told
    /// nothing, and adds nothing.
    era: u64,
    list: Option<Arc<List>>,
    freezes: Freezes,
    /// Why the last try to fetch a list came to nothing.
    trouble: Option<String>,
}

/// What lasts over reloads.
pub struct Kept {
    file: WholeFile,
    state: Mutex<State>,
    /// One fetch at a time.
    fetching: tokio::sync::Mutex<()>,
    /// There is a report to hand over.
    reported: tokio::sync::Notify,
}

impl Kept {
    /// Reads what a former run has kept. Does I/O.
    pub fn open(state_dir: &Path, roots: &Roots, disk: &Arc<Disk>) -> Self {
        let file = state_dir.join(FILE);
        // It counts all the same: what is revoked is revoked. A restart would go back to the older list and fetch anew.
        let otherwise = "a restart of the agent goes back to the list before";
        Self {
            state: Mutex::new(State {
                pinned: roots.pinned(),
                era: 0,
                list: read(&file, &roots.ever()).map(Arc::new),
                freezes: Freezes::open(state_dir, Arc::clone(disk)),
                trouble: None,
            }),
            file: WholeFile::new(file, otherwise, Arc::clone(disk)),
            fetching: tokio::sync::Mutex::default(),
            reported: tokio::sync::Notify::new(),
        }
    }

    /// Whether it is that of `state_dir`.
    pub fn is_of(&self, state_dir: &Path) -> bool {
        self.file.path().parent() == Some(state_dir)
    }

    /// The admin may have pinned other roots. A list that none of them, and none of those that followed on them, vouches for
    /// is no floor for the lists of another registrar: it is dropped. Steps of the roots change nothing.
    pub fn go_by(&self, roots: &Roots) {
        let mut state = self.lock();
        let pinned = roots.pinned();
        if state.pinned == pinned {
            return;
        }
        let trust = roots.ever();
        let vouched = |list: &List| List::verify(&trust, list.issuer(), list.document()).is_ok();
        state.pinned = pinned;
        match state.list.as_deref() {
            Some(list) if vouched(list) => return,
            Some(list) => tracing::warn!(
                "other roots are pinned now, and none of them vouches for revocation list {}: it is dropped, and the registrar is \
                 asked for its own before the next push",
                list.seq()
            ),
            None => {}
        }
        state.list = None;
        state.era += 1;
        state.freezes.unlist();
    }

    fn era(&self) -> u64 {
        self.lock().era
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one call on one of the fields.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Option<Arc<List>> {
        self.lock().list.clone()
    }

    /// The list, for whoever goes by the roots of `era`.
    fn list_of(&self, era: u64) -> Result<Arc<List>, String> {
        let state = self.lock();
        if state.era != era {
            return Err(OTHER_ROOTS.into());
        }
        Ok(state.list.clone().ok_or("there is no revocation list yet")?)
    }

    /// Forgets freezes that are over, or that the list holds.
    fn tidy(&self, now: UnixTime) {
        let mut state = self.lock();
        let list = state.list.as_ref().map(|list| (list.seq(), list.claims().iat));
        state.freezes.tidy(list, now);
        self.file.try_again();
    }

    /// Takes a newer list, for good: it is on the disk before it counts.
    async fn take(&self, era: u64, list: List) -> Result<(), String> {
        let written = {
            let state = self.lock();
            admissible(&state, era, &list)?;
            let kept = File {
                v: 1,
                issuer: list.issuer().to_owned(),
                list: list.document().to_owned(),
            };
            self.file.put(serde_json::to_string(&kept).map_err(|e| e.to_string())?)
        };
        if let Err(e) = written.wait().await {
            // It counts all the same, as above.
            tracing::error!("{} is not written yet: {e}", self.file.path().display());
        }
        let mut state = self.lock();
        admissible(&state, era, &list)?;
        tracing::info!(
            "revocation list {}: {} certificates, {} hosts, {} freezes",
            list.seq(),
            list.claims().serials.len(),
            list.claims().hosts.len(),
            list.claims().freezes.len()
        );
        state.list = Some(Arc::new(list));
        Ok(())
    }
}

/// Lists never go back (R24), among those of one registrar.
fn admissible(state: &State, era: u64, list: &List) -> Result<(), String> {
    if state.era != era {
        return Err(OTHER_ROOTS.into());
    }
    let Some(held) = &state.list else { return Ok(()) };
    let older = list.seq() < held.seq();
    if older || (list.seq() == held.seq() && list.digest() != held.digest()) {
        return Err(format!(
            "the registrar offers revocation list {}, and this host holds {} already: it is refused. The registrar's \
             data base was restored from a backup, or somebody has its keys; on the gateway, \
             `assentctl registrar revocations` says more",
            list.seq(),
            held.seq()
        ));
    }
    Ok(())
}

/// A list that is damaged, or that no pinned root vouches for, is put aside: the registrar must be asked before the next
/// push, and its answer is a fresh one by its own seal.
fn read(file: &Path, trust: &Trust) -> Option<List> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        Err(e) => {
            tracing::error!(
                "{} cannot be read: {e}; a new list is fetched before the next push",
                file.display()
            );
            return None;
        }
    };
    let read = serde_json::from_str::<File>(&text)
        .map_err(|e| e.to_string())
        .and_then(|kept| match kept.v {
            1 => List::verify(trust, &kept.issuer, &kept.list).map_err(|e| e.to_string()),
            _ => Err("its version is not known here".into()),
        });
    match read {
        Ok(list) => Some(list),
        Err(why) => {
            tracing::error!(
                "{} is damaged or was changed, or no root that is pinned vouches for it ({why}); it is put aside, and a new list is \
                 fetched before the next push",
                file.display()
            );
            let _ = std::fs::rename(file, file.with_extension("damaged"));
            None
        }
    }
}

/// What counts for one login.
pub enum Clearance {
    /// A push may leave, to devices that this does not name.
    Clear(Sieve),
    /// No push: "not me" was said.
    Frozen,
    /// No push: it is not known what is revoked.
    Unknown(String),
}

/// What is revoked, at one moment.
pub struct Sieve {
    list: Arc<List>,
    by_hand: Arc<Revoked>,
}

impl Sieve {
    /// Whether a device counts no more.
    pub fn revokes(&self, device: &Device) -> bool {
        self.list.revokes_device(device) || self.by_hand.device(device)
    }

    /// Which list this goes by.
    pub fn seq(&self) -> u64 {
        self.list.seq()
    }
}

/// Revocations, by one configuration.
pub struct Revocations {
    kept: Arc<Kept>,
    relay: Arc<Relay>,
    host: Arc<Standing>,
    by_hand: ByHand,
    max_age: u64,
    /// Of [`State::era`].
    era: u64,
}

impl Revocations {
    /// [`Self::look_after`] must run beside it.
    pub fn new(kept: Arc<Kept>, relay: Arc<Relay>, host: Arc<Standing>, by_hand: ByHand, max_age: u64) -> Self {
        Self {
            era: kept.era(),
            kept,
            relay,
            host,
            by_hand,
            max_age,
        }
    }

    /// Whether a push to `identity` may leave for a login from `origin`. Without a list, or with one that is too old, the
    /// registrar is asked first.
    pub async fn clearance(&self, identity: &Identity, origin: Origin) -> Clearance {
        let known = self.known_clearance(identity, origin).await;
        if let Ok(known) = known {
            return known;
        }
        if let Err(why) = self.fetch().await {
            return Clearance::Unknown(why);
        }
        let known = self.known_clearance(identity, origin).await;
        known.unwrap_or_else(Clearance::Unknown)
    }

    /// The same without asking anybody; why that cannot be said.
    pub async fn known_clearance(&self, identity: &Identity, origin: Origin) -> Result<Clearance, String> {
        let sieve = self.usable().await?;
        Ok(match self.frozen(&sieve, identity, origin) {
            true => Clearance::Frozen,
            false => Clearance::Clear(sieve),
        })
    }

    fn frozen(&self, sieve: &Sieve, identity: &Identity, origin: Origin) -> bool {
        let now = UnixTime::now();
        let here = self.kept.lock().freezes.frozen(identity, origin, now);
        here || sieve.list.frozen(identity, origin, now)
    }

    /// Whether somebody was frozen when that was last known: here, or in the newest list, however old it is.
    pub fn last_known_frozen(&self, identity: &Identity, origin: Origin) -> bool {
        let now = UnixTime::now();
        let state = self.kept.lock();
        let listed = state
            .list
            .as_ref()
            .is_some_and(|list| list.frozen(identity, origin, now));
        listed || state.freezes.frozen(identity, origin, now)
    }

    /// Whether a certificate of this serial is known to be revoked by now.
    pub async fn revoked_serial(&self, serial: Id) -> bool {
        self.usable()
            .await
            .is_ok_and(|sieve| sieve.list.lists(serial) || sieve.by_hand.names(serial))
    }

    /// Whether an approval counts now: it is known what is revoked, and nobody has said "not me" since the push left.
    pub fn admits(&self, known: &Result<Sieve, String>, identity: &Identity, origin: Origin) -> bool {
        match known {
            Ok(sieve) => !self.frozen(sieve, identity, origin),
            Err(why) => {
                tracing::error!("an approval does not count: {why}");
                false
            }
        }
    }

    /// What is revoked now, if that is known and not too old. What is not known stops approvals alone ([`Self::admits`]): a
    /// person's "not me" must be heard.
    pub async fn usable(&self) -> Result<Sieve, String> {
        let by_hand = self.by_hand.now().await?;
        let host = self.host.now();
        let own = host.host.claims();
        if by_hand.names(own.host_id) || by_hand.names(own.serial) {
            return Err(format!(
                "this host itself is revoked in {}",
                self.by_hand.dir().display()
            ));
        }
        let list = self.kept.list_of(self.era)?;
        let age = list.age(UnixTime::now());
        if age > self.max_age {
            return Err(format!(
                "revocation list {} is {} hours old, and {} are allowed; the registrar could not be asked for a newer one",
                list.seq(),
                age / 3600,
                self.max_age / 3600
            ));
        }
        Ok(Sieve { list, by_hand })
    }

    /// A device said "not me": freezes at once, and has it written down; the registrar hears of it by [`Self::look_after`].
    pub fn report(&self, local: Local) -> Written {
        let written = self.kept.lock().freezes.add(local);
        // Around a reload two tasks wait, and the one that is woken may be the one that ends; whoever comes next hears, too.
        self.kept.reported.notify_waiters();
        self.kept.reported.notify_one();
        written
    }

    /// Root lifts a user's freezes of this host's own; how many.
    pub async fn lift(&self, user: &str) -> u32 {
        let (lifted, written) = self.kept.lock().freezes.lift(user);
        if let Some(written) = written
            && let Err(e) = written.wait().await
        {
            tracing::error!("a restart of the agent may bring the lifted freezes back: {e}");
        }
        lifted
    }

    /// Freezes of this host's own, for the admin.
    pub fn local_freezes(&self) -> Vec<serde_json::Value> {
        let state = self.kept.lock();
        let all = state.freezes.all(UnixTime::now());
        all.map(|local| {
            serde_json::json!({
                "user": visible(local.user.as_str()),
                "identity": local.identity.to_string(),
                "source": local.origin.to_string(),
                "since": local.at,
                "until": local.until(),
                "taken": local.proof.is_none(),
            })
        })
        .collect()
    }

    /// For `assentctl status`.
    pub async fn status(&self) -> serde_json::Value {
        let problem = self.usable().await.err();
        let (list, trouble) = {
            let state = self.kept.lock();
            (state.list.clone(), state.trouble.clone())
        };
        let now = UnixTime::now();
        serde_json::json!({
            "seq": list.as_ref().map(|list| list.seq()),
            "made": list.as_ref().map(|list| list.claims().iat),
            "old": list.as_ref().is_none_or(|list| list.age(now) > LIST_LIFE),
            "serials": list.as_ref().map(|list| list.claims().serials.len()),
            "hosts": list.as_ref().map(|list| list.claims().hosts.len()),
            "freezes": list.as_ref().map(|list| list.claims().freezes.len()),
            "local_freezes": self.local_freezes(),
            "problem": problem,
            "trouble": trouble,
        })
    }

    /// Keeps the newest list and hands reports over, until the task is aborted.
    pub async fn look_after(self: Arc<Self>) {
        let mut pause = RETRY.0;
        let mut next = tokio::time::Instant::now();
        loop {
            // Whatever a relay tells, and however often.
            tokio::time::sleep_until(next).await;
            next = tokio::time::Instant::now() + ROUND;
            self.hand_over().await;
            let fetched = self.fetch().await;
            self.kept.tidy(UnixTime::now());
            self.say_if_old();
            let wait = match fetched {
                Ok(()) => {
                    pause = RETRY.0;
                    EVERY
                }
                Err(_) => {
                    let wait = pause;
                    pause = (pause * 2).min(RETRY.1);
                    wait
                }
            };
            let report = self.kept.lock().freezes.next_due();
            let wait = report.map_or(wait, |due| wait.min(due.0.saturating_sub(boot_now().0)));
            tokio::select! {
                () = self.relay.next_generation() => self.kept.lock().freezes.hurry(),
                () = self.kept.reported.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn say_if_old(&self) {
        let now = UnixTime::now();
        match self.kept.list() {
            Some(list) if list.age(now) > LIST_LIFE => tracing::warn!(
                "revocation list {} is {} hours old; after {} no push is sent. Can the gateway be reached, and does its registrar \
                 work?",
                list.seq(),
                list.age(now) / 3600,
                self.max_age / 3600
            ),
            Some(_) => {}
            None => tracing::warn!("there is no revocation list: no push is sent before the registrar has given one"),
        }
    }

    /// Asks the registrar for a newer list than the one that is held.
    async fn fetch(&self) -> Result<(), String> {
        let _one = self.kept.fetching.lock().await;
        let done = self.fetch_list().await;
        let mut state = self.kept.lock();
        if let Err(why) = &done
            && state.trouble.as_ref() != Some(why)
        {
            tracing::warn!("no newer revocation list: {why}");
        }
        state.trouble = done.as_ref().err().cloned();
        done
    }

    async fn fetch_list(&self) -> Result<(), String> {
        let held = self.kept.list();
        let (mut assembly, mut want) = Assembly::new(held.as_deref());
        for _ in 0..MOST_CALLS {
            let reply = host_ask(&self.relay, &self.host.now(), HostWant::Revocations(want)).await;
            let part = match reply.map_err(|e| e.to_string())? {
                Reply::Revocations(part) => part,
                Reply::Refused { text, .. } => {
                    return Err(format!("the registrar refuses: {}", visible(text.as_str())));
                }
                _ => return Err("the registrar answered something else".into()),
            };
            match assembly.take(part).map_err(|e| e.to_string())? {
                Step::Ask(next) => want = next,
                Step::Unchanged => return Ok(()),
                Step::Whole { issuer, document } => {
                    let list = List::verify(&self.host.now().roots.trust(), &issuer, &document)
                        .map_err(|e| format!("the registrar's revocation list is refused: {e}"))?;
                    return (self.kept.take(self.era, list).await).inspect_err(|why| tracing::error!("{why}"));
                }
            }
        }
        Err("the registrar makes lists faster than they can be read".into())
    }

    /// Hands reports to the registrar that it has not taken. One that fails is tried again later, behind the others.
    async fn hand_over(&self) {
        for _ in 0..REPORTS {
            let due = self.kept.lock().freezes.due(boot_now());
            let Some(proof) = due else { return };
            match self.hand_over_one(&proof).await {
                Handed::Over(listed) => self.kept.lock().freezes.taken(&proof, listed),
                Handed::Failed(why) => {
                    tracing::warn!("a report was not handed to the registrar and is tried again: {why}");
                    self.kept.lock().freezes.failed(&proof, boot_now());
                }
                Handed::Away(why) => {
                    tracing::warn!("a report was not handed to the registrar and is tried again: {why}");
                    self.kept.lock().freezes.failed(&proof, boot_now());
                    // Each try takes seconds; another report comes first in the next round.
                    return;
                }
            }
        }
    }

    async fn hand_over_one(&self, proof: &Proof) -> Handed {
        let ask = Ask::Report {
            request: proof.request.clone(),
            answer: proof.answer.clone(),
        };
        match self.relay.ask(ask).await {
            Ok(Reply::Reported { seq }) => {
                tracing::info!("the registrar took the report: it stands in revocation list {seq}");
                Handed::Over(Some(seq))
            }
            Ok(Reply::Refused {
                code: Refused::Internal,
                text,
            }) => Handed::Failed(visible(text.as_str())),
            Ok(Reply::Refused { text, .. }) => {
                tracing::error!(
                    "the registrar does not take a report: {}; the freeze holds on this host alone",
                    visible(text.as_str())
                );
                Handed::Over(None)
            }
            Ok(_) => Handed::Failed("the registrar answered something else".into()),
            Err(why) => Handed::Away(why),
        }
    }
}

/// What came of handing a report over.
enum Handed {
    /// Nothing is left to do; the number of the list in which it stands, if in one.
    Over(Option<u64>),
    /// This one failed.
    Failed(String),
    /// The registrar may not be there at all.
    Away(PushError),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
