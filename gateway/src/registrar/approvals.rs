//! What the registrar asks of a person's own devices: may this device be added, may that one be removed. The answer is
//! judged by the host's rules like any other ([`PendingPush::receive`]); a panel or a host cannot give it (PROTOCOL 2.4).
//!
//! A wish is put into [`super::News`] inside the transaction that decided to ask, and sent after its commit. What waits
//! is in memory alone: a restart ends it, and the person starts again.

use super::code_changes::CodesChange;
use super::notice::{Change, Notice};
use super::{News, Registrar};
use crate::clock;
use crate::relay::in_process::Delivered;
use crate::store::SqliteConnection;
use crate::store::StoreError;
use crate::store::registrar as rows;
use assent_proto::cert::{Device, DeviceOwner, Identity, Level};
use assent_proto::relay::{Push, PushItem};
use assent_proto::request::{Command, Details, ENROL_SERVICE, Statement};
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::verdict::{Approved, PendingPush, Received, Refusal, seal_to_devices};
use assent_proto::{Digest, Id, Nonce, ShortText, login_id, sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Seconds that a person has.
pub const APPROVAL_TTL: u32 = 120;

/// Removals about which one person's devices are asked within [`REMOVALS_WITHIN`].
const REMOVALS: usize = 5;
const REMOVALS_WITHIN: Duration = Duration::from_secs(600);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To certify the device that is bound to an enrolment.
    Add {
        /// The enrolment.
        token_id: Id,
        /// SHA-256 of the device's signed request.
        request: Digest,
    },
    /// To remove a device.
    Remove {
        /// Which.
        device: Id,
        /// Whether it is lost.
        lost: bool,
    },
    /// To change a person's codes at the panel.
    Codes {
        /// The change.
        id: Id,
        /// What it is.
        change: CodesChange,
    },
    /// To show an administrator the overview at the panel.
    Overview {
        /// Which asking.
        id: Id,
    },
}

impl Purpose {
    /// What an approval is bound to.
    fn ctx(&self) -> Digest {
        match self {
            Self::Add { token_id, request } => sha256(&[b"assent/1 add device", &token_id.0, &request.0]),
            Self::Remove { device, .. } => sha256(&[b"assent/1 remove device", &device.0]),
            Self::Codes { id, change } => sha256(&[b"assent/1 change codes", &id.0, change.tag()]),
            Self::Overview { id } => sha256(&[b"assent/1 overview", &id.0]),
        }
    }
}

/// A question for a person's devices.
pub(super) struct Wish {
    pub purpose: Purpose,
    pub owner: DeviceOwner,
    pub approvers: Approvers,
    /// The label of the device that it is about.
    pub label: ShortText,
    /// The six digits that a new device shows.
    pub digits: Option<String>,
    /// How the person was proven to the registrar, in words.
    pub proven: ShortText,
}

/// Who may approve for somebody.
pub(super) struct Approvers {
    /// The identity that the request names.
    identity: Identity,
    /// Devices that approve for every identity in question.
    devices: Vec<Device>,
}

impl Approvers {
    /// Whether this device is among them.
    pub(super) fn include(&self, device: Id) -> bool {
        self.devices.iter().any(|one| one.claims().device_id == device)
    }

    /// The others; `None`: there is no other.
    pub(super) fn without(mut self, device: Id) -> Option<Self> {
        self.devices.retain(|one| one.claims().device_id != device);
        (!self.devices.is_empty()).then_some(self)
    }
}

/// Who is to be asked about a person's devices.
pub(super) enum Ask {
    /// Nobody: the person has no device.
    Nobody,
    /// These.
    These(Approvers),
    /// The person has devices, but none that approves for all of the identities.
    None,
}

struct Waiting {
    push: PendingPush,
    purpose: Purpose,
    owner: DeviceOwner,
    label: ShortText,
}

/// What waits, and how removals ended.
#[derive(Default)]
pub(super) struct Approvals {
    waiting: Mutex<HashMap<Id, Waiting>>,
    /// Whose devices were asked about a removal, and when.
    removals: Mutex<Vec<(Vec<Identity>, BootTime)>>,
}

impl Approvals {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Waiting>> {
        // A panic under the lock leaves the map whole: each change is one call on it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a question about a removal; `false`: it is one too many. Whoever makes devices ring could wear their owner down.
    pub(super) fn may_ask_of_removal(&self, identities: &[Identity], now: BootTime) -> bool {
        let mut asked = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|(_, at)| now < at.plus(REMOVALS_WITHIN));
        if asked.iter().filter(|(whose, _)| whose == identities).count() >= REMOVALS {
            return false;
        }
        asked.push((identities.to_vec(), now));
        true
    }

    /// Until when somebody is being asked about the removal of this device, if so.
    pub(super) fn removal_ends(&self, device: Id) -> Option<BootTime> {
        let waiting = self.lock();
        let found = waiting
            .values()
            .find(|one| matches!(one.purpose, Purpose::Remove { device: which, .. } if which == device));
        found.map(|waiting| waiting.push.ends())
    }
}

impl Registrar {
    /// Who must be asked before a device of `owner` is added: somebody who may approve for every identity of theirs that
    /// has a device. Otherwise one host could vouch for a stranger and a victim at once, and the stranger approve.
    pub(super) async fn ask_whom(
        &self,
        conn: &mut SqliteConnection,
        owner: &DeviceOwner,
        now: UnixTime,
    ) -> Result<Ask, StoreError> {
        let mut taken = Vec::new();
        let mut documents = Vec::new();
        for identity in &owner.identities {
            let found = rows::active_devices(conn, identity, now).await?;
            if !found.is_empty() {
                taken.push(identity.clone());
                documents.extend(found);
            }
        }
        let Some(identity) = taken.first().cloned() else {
            return Ok(Ask::Nobody);
        };
        documents.sort_unstable();
        documents.dedup();
        let keys = self.keys();
        let devices: Vec<Device> = documents
            .iter()
            .filter_map(|document| keys.verify_device(document, now).ok())
            .filter(|device| {
                taken
                    .iter()
                    .all(|identity| device.claims().identities.contains(identity))
            })
            .take(assent_proto::relay::MAX_DEVICES)
            .collect();
        if devices.is_empty() {
            return Ok(Ask::None);
        }
        Ok(Ask::These(Approvers { identity, devices }))
    }

    /// Sends a question out. What cannot be sent is over at once, never granted.
    pub(super) async fn ask_devices(&self, wish: Wish) -> Result<(), StoreError> {
        let purpose = wish.purpose;
        match self.send(wish).await {
            Ok(()) => Ok(()),
            Err(why) => {
                tracing::error!(why, "a person's devices could not be asked");
                self.over(purpose).await
            }
        }
    }

    async fn send(&self, wish: Wish) -> Result<(), &'static str> {
        let host = self.own_host().ok_or("the registrar has no certificate of its own")?;
        let id = Id::random().map_err(|_| "no randomness")?;
        let n = Nonce::random().map_err(|_| "no randomness")?;
        let details = details(&wish).ok_or("no randomness")?;
        let statement = Statement::new(id, n, &host, clock::now(), details);
        let request = statement
            .sign(&self.own_keys.sign)
            .map_err(|_| "the request could not be signed")?;
        let devices = wish.approvers.devices;
        let keys = self.keys();
        let issuer = keys.issuer_of(&host).ok_or("no issuer of its certificate is known")?;
        let sealed = seal_to_devices(&statement, &request, &host, issuer, &devices)
            .map_err(|_| "the request could not be sealed")?;
        let push = Push {
            id,
            expiry: statement.expiry(),
            ttl: statement.ttl,
            to: sealed
                .into_iter()
                .map(|(device, blob)| PushItem { device, blob })
                .collect(),
        };
        let waiting = Waiting {
            push: PendingPush::new(&statement, &request, devices, None, clock::boot_now()),
            purpose: wish.purpose,
            owner: wish.owner,
            label: wish.label,
        };
        // Before it is sent: an answer may come at once.
        self.approvals.lock().insert(id, waiting);
        if let Err(error) = self.relay.push_of(host.claims().host_id, push).await {
            tracing::warn!(%error, "the relay did not take a push of the registrar");
            self.approvals.lock().remove(&id);
            return Err("the relay did not take the request");
        }
        tracing::info!(%id, login = statement.login.as_str(), purpose = ?wish.purpose, "a person's devices are asked");
        Ok(())
    }

    /// Hears answers and ends what nobody answered, for ever.
    pub async fn hear_devices(self: Arc<Self>, mut answers: mpsc::Receiver<Delivered>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            let done = tokio::select! {
                answer = answers.recv() => match answer {
                    Some(answer) => self.answered(&answer).await,
                    None => return,
                },
                _ = tick.tick() => self.end_late().await,
            };
            if let Err(error) = done {
                tracing::error!(%error, "an answer to the registrar could not be carried out; nothing was granted");
            }
        }
    }

    async fn end_late(&self) -> Result<(), StoreError> {
        let now = clock::boot_now();
        let late: Vec<Waiting> = {
            let mut waiting = self.approvals.lock();
            waiting
                .extract_if(|_, one| now >= one.push.ends())
                .map(|(_, one)| one)
                .collect()
        };
        for one in late {
            tracing::info!(purpose = ?one.purpose, "no device answered in time");
            self.over(one.purpose).await?;
        }
        Ok(())
    }

    async fn answered(&self, answer: &Delivered) -> Result<(), StoreError> {
        let (received, finished) = {
            let mut waiting = self.approvals.lock();
            let Some(one) = waiting.get_mut(&answer.id) else {
                tracing::debug!(id = %answer.id, "an answer came to a question that is over");
                return Ok(());
            };
            let (now, wall) = (clock::boot_now(), clock::now());
            let received = one
                .push
                .receive(&self.own_keys.kem, answer.device, &answer.blob, now, wall);
            let goes_on = matches!(received, Received::Ignored { last: false, .. });
            let finished = if goes_on { None } else { waiting.remove(&answer.id) };
            (received, finished)
        };
        let Some(one) = finished else {
            tracing::warn!(id = %answer.id, device = %answer.device, "an answer to the registrar is rubbish and ignored");
            return Ok(());
        };
        if let Some(host) = self.own_host() {
            self.relay.withdraw_of(host.claims().host_id, answer.id).await;
        }
        match received {
            Received::Approved(approved) => self.approved(&one, &approved).await,
            Received::Refused { why, device, .. } => {
                // Frozen before anybody's session ends: whoever signs in anew finds nothing to change.
                let frozen = match why {
                    Refusal::Reported => self.freeze_reported(&one.owner, device).await,
                    _ => Ok(()),
                };
                let identities = &one.owner.identities;
                self.reports.refused(one.purpose, identities, why, clock::boot_now());
                match why {
                    Refusal::Reported => {
                        tracing::warn!(%device, name = ?one.owner.name, purpose = ?one.purpose, "reported as \"not me\": somebody else acts in this user's name");
                        // Nobody who listens is no error.
                        let _ = self
                            .notices
                            .send(Notice::of(Change::Reported, &one.owner, Some(device), &one.label));
                    }
                    why => tracing::info!(%device, %why, purpose = ?one.purpose, "refused by a device"),
                }
                frozen?;
                self.over(one.purpose).await
            }
            Received::Ignored { .. } => {
                tracing::warn!(purpose = ?one.purpose, "too much rubbish came instead of an answer");
                self.over(one.purpose).await
            }
        }
    }

    async fn approved(&self, one: &Waiting, approved: &Approved) -> Result<(), StoreError> {
        if !approved.is_for(&one.purpose.ctx()) {
            tracing::error!("an approval is for something else than what waits; nothing was granted");
            return self.over(one.purpose).await;
        }
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let now = clock::now();
        // Revoked since it was asked?
        let approver = rows::device(&mut tx, approved.device()).await?;
        if approver.is_none_or(|device| device.revoked.is_some() || device.exp <= now) {
            drop(tx);
            drop(turn);
            tracing::warn!(device = %approved.device(), "a device approved that is revoked by now");
            return self.over(one.purpose).await;
        }
        match one.purpose {
            Purpose::Add { token_id, request } => {
                self.certify_approved(&mut tx, &mut news, token_id, request, now)
                    .await?;
            }
            Purpose::Remove { device, lost } => {
                let how = if lost { Change::Lost } else { Change::Removed };
                self.remove_device(&mut tx, &mut news, &one.owner, (device, how), now)
                    .await?;
            }
            Purpose::Codes { .. } | Purpose::Overview { .. } => {}
        }
        self.finish(tx, news, turn).await?;
        match one.purpose {
            Purpose::Codes { id, .. } => self.code_changes.grant(id, clock::boot_now()),
            Purpose::Overview { id } => self.overviews.grant(id, clock::boot_now()),
            Purpose::Add { .. } | Purpose::Remove { .. } => {}
        }
        tracing::info!(by = %approved.device(), purpose = ?one.purpose, "approved by a device");
        Ok(())
    }

    /// Ends what was asked for without granting it.
    async fn over(&self, purpose: Purpose) -> Result<(), StoreError> {
        match purpose {
            Purpose::Add { token_id, .. } => {
                let _turn = self.turn.lock().await;
                let mut conn = self.pool.acquire().await?;
                Self::end_enrolment(&mut conn, token_id, clock::now()).await
            }
            // Whoever asks again learns that the device is still there.
            Purpose::Remove { .. } => Ok(()),
            Purpose::Codes { id, .. } => {
                self.code_changes.end(id);
                Ok(())
            }
            Purpose::Overview { id } => {
                self.overviews.end(id);
                Ok(())
            }
        }
    }
}

fn details(wish: &Wish) -> Option<Details> {
    let login = login_id::random().ok()?;
    let (resolved, about) = match (&wish.purpose, &wish.digits) {
        (Purpose::Add { request, .. }, digits) => {
            let digits = digits.as_deref().unwrap_or_default();
            let (head, tail) = digits.split_at_checked(3).unwrap_or((digits, ""));
            (format!("add a device whose screen shows {head} {tail}"), *request)
        }
        (Purpose::Remove { device, lost: false }, _) => ("remove a device".to_owned(), sha256(&[&device.0])),
        (Purpose::Remove { device, lost: true }, _) => ("remove a lost device".to_owned(), sha256(&[&device.0])),
        (Purpose::Codes { id, change }, _) => (change.words().to_owned(), sha256(&[&id.0])),
        (Purpose::Overview { id }, _) => (
            "see everybody's devices, locks and bypasses".to_owned(),
            sha256(&[&id.0]),
        ),
    };
    Some(Details {
        login,
        svc: ShortText::cut(ENROL_SERVICE.to_owned()),
        user: wish.owner.name.clone(),
        identity: wish.approvers.identity.clone(),
        ruser: None,
        target_user: None,
        cmd: Some(Command {
            resolved: Some(ShortText::cut(resolved)),
            args: vec![wish.label.clone()],
            truncated: false,
            sha256: about,
        }),
        cwd: None,
        tty: None,
        src: None,
        first: vec![wish.proven.clone()],
        level: Level::Tap,
        digits: 0,
        lock: false,
        ttl: APPROVAL_TTL,
        ctx: wish.purpose.ctx(),
        app: ShortText::cut("Register Panel".to_owned()),
    })
}
