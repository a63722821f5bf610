//! Changes of a person's codes, at the panel or in a terminal: an app, recovery codes, their removal. Whoever has a device
//! approves each on a device, as a further device is; who has none goes by the rule for first devices. What was granted is
//! carried out soon, for whoever asked. In memory: a restart ends it, and the person starts again.

pub use super::approvals::APPROVAL_TTL;
use super::approvals::{Ask, Purpose, Wish};
use super::enrolments::{may_vouch, proven_by};
use super::self_service::{FROZEN, MayEnrol, NotEnrolling, Proof};
use super::{News, Registrar};
use crate::clock;
use crate::store::StoreError;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::time::BootTime;
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a grant may be carried out.
const GRANTED_FOR: Duration = Duration::from_secs(600);
/// How long what was carried out may be asked for again: the answer may have been lost on its way.
const AGAIN_FOR: Duration = Duration::from_secs(60);
/// Changes that are remembered.
const MOST: usize = 4096;
/// Changes about which one person's devices are asked within [`GRANTED_FOR`] and that were not carried out.
const MOST_OF_ONE: usize = 5;

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodesChange {
    /// An authenticator app is set up.
    AddTotp,
    /// It is removed.
    RemoveTotp,
    /// New recovery codes are made.
    NewRecovery,
    /// They are removed.
    RemoveRecovery,
}

impl CodesChange {
    /// In words for the person's devices.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::AddTotp => "set up an authenticator app for your codes",
            Self::RemoveTotp => "remove your authenticator app for codes",
            Self::NewRecovery => "make new recovery codes",
            Self::RemoveRecovery => "remove your recovery codes",
        }
    }

    /// What an approval is bound to.
    pub(super) fn tag(self) -> &'static [u8] {
        match self {
            Self::AddTotp => b"add totp",
            Self::RemoveTotp => b"remove totp",
            Self::NewRecovery => b"new recovery",
            Self::RemoveRecovery => b"remove recovery",
        }
    }
}

/// In whose words somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The panel has signed them in.
    Panel(Proof),
    /// Root on this host vouches for them, as for a device.
    Host(Id),
}

impl Asker {
    fn host(self) -> Option<Id> {
        match self {
            Self::Panel(_) => None,
            Self::Host(host) => Some(host),
        }
    }
}

/// How a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A device is being asked.
    Waiting,
    /// It may be carried out.
    Granted,
    /// It was refused, nobody answered, or it was carried out a while ago.
    Over,
}

struct Entry {
    owner: Vec<Identity>,
    /// The host that asked; `None`: the panel.
    host: Option<Id>,
    change: CodesChange,
    /// Whether a device was asked.
    waited: bool,
    stands: Standing,
    /// Whether it has been carried out.
    taken: bool,
    ends: BootTime,
}

impl Entry {
    fn is_of(&self, owner: &DeviceOwner, host: Option<Id>, now: BootTime) -> bool {
        self.owner == owner.identities && self.host == host && now < self.ends
    }
}

/// What was asked for and granted.
#[derive(Default)]
pub(super) struct CodeChanges(Mutex<HashMap<Id, Entry>>);

impl CodeChanges {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        // Each change is one call on the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in; the text says why not.
    fn put(&self, id: Id, entry: Entry, now: BootTime) -> Result<(), &'static str> {
        let mut all = self.lock();
        all.retain(|_, one| now < one.ends);
        let same = all.values().filter(|one| one.waited && one.owner == entry.owner);
        if entry.waited && same.count() >= MOST_OF_ONE {
            return Err("your devices were asked again and again; try again in ten minutes");
        }
        if all.len() >= MOST {
            return Err("too many people change their codes at once; try again in a few minutes");
        }
        all.insert(id, entry);
        Ok(())
    }

    /// A device has approved.
    pub(super) fn grant(&self, id: Id, now: BootTime) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.stands = Standing::Granted;
            entry.ends = now.plus(GRANTED_FOR);
        }
    }

    fn take(&self, owner: &DeviceOwner, host: Option<Id>, id: Id, now: BootTime) -> Option<CodesChange> {
        let mut all = self.lock();
        let entry = all
            .get_mut(&id)
            .filter(|entry| entry.stands == Standing::Granted && entry.is_of(owner, host, now))?;
        if !entry.taken {
            entry.taken = true;
            entry.ends = entry.ends.min(now.plus(AGAIN_FOR));
        }
        Some(entry.change)
    }

    /// It comes to nothing. It is remembered: whoever asks again and again wears a person down.
    pub(super) fn end(&self, id: Id) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.stands = Standing::Over;
        }
    }
}

/// A change that was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Names it.
    pub id: Id,
    /// Whether a device must approve first.
    pub waits: bool,
}

impl Registrar {
    /// Somebody wants to change their codes. The text says why not.
    pub async fn ask_code_change(
        &self,
        owner: &DeviceOwner,
        asker: Asker,
        change: CodesChange,
    ) -> Result<Result<Asked, ShortText>, StoreError> {
        let no = |text: &str| Ok(Err(ShortText::cut(text.to_owned())));
        if let Some(refusal) = self.not_in_name_space(owner) {
            return Ok(Err(refusal));
        }
        if let Asker::Host(host) = asker
            && let Some(foreign) = owner.identities.iter().find(|identity| !may_vouch(host, identity))
        {
            tracing::warn!(%host, identity = %foreign, "a host vouched for another host's user");
            return no("a host vouches for its own local users alone");
        }
        let id = super::random_id()?;
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        if Self::frozen_until(&mut tx, &owner.identities, now).await?.is_some() {
            return no(FROZEN);
        }
        let approvers = match self.ask_whom(&mut tx, owner, now).await? {
            Ask::These(approvers) => Some(approvers),
            Ask::None => return no("none of your devices may approve this; ask your administrator"),
            Ask::Nobody => match asker {
                // As it could register a device.
                Asker::Host(_) => None,
                Asker::Panel(proof) => match self.may(&mut tx, owner, proof, now).await? {
                    MayEnrol::First => None,
                    MayEnrol::No(NotEnrolling::OnTheTerminal) => {
                        return no("codes are set up in a terminal: ask your administrator (assentctl enroll --totp)");
                    }
                    MayEnrol::No(_) | MayEnrol::Further { .. } => {
                        return no("register a device first, or ask your administrator for a one-time link");
                    }
                },
            },
        };
        let waits = approvers.is_some();
        let boot = clock::boot_now();
        let entry = Entry {
            owner: owner.identities.clone(),
            host: asker.host(),
            change,
            waited: waits,
            stands: if waits { Standing::Waiting } else { Standing::Granted },
            taken: false,
            ends: boot.plus(GRANTED_FOR),
        };
        if let Err(why) = self.code_changes.put(id, entry, boot) {
            return no(why);
        }
        let proven = match asker {
            Asker::Host(host) => proven_by(&mut tx, host).await?,
            Asker::Panel(_) => ShortText::cut("signed in at the Register Panel".to_owned()),
        };
        let news = News {
            wish: approvers.map(|approvers| Wish {
                purpose: Purpose::Codes { id, change },
                owner: owner.clone(),
                approvers,
                label: ShortText::cut("codes".to_owned()),
                digits: None,
                proven,
            }),
            ..News::default()
        };
        self.finish(tx, news, turn).await?;
        Ok(Ok(Asked { id, waits }))
    }

    /// How a change of this person, who asked at this host or the panel, stands.
    pub fn code_change(&self, owner: &DeviceOwner, host: Option<Id>, id: Id) -> Standing {
        let (all, now) = (self.code_changes.lock(), clock::boot_now());
        let found = all.get(&id).filter(|entry| entry.is_of(owner, host, now));
        found.map_or(Standing::Over, |entry| entry.stands)
    }

    /// Takes the grant of a change; `None` where there is none. For a minute it may be taken again by whoever did not hear
    /// the answer; then it is over.
    pub fn take_code_change(&self, owner: &DeviceOwner, host: Option<Id>, id: Id) -> Option<CodesChange> {
        self.code_changes.take(owner, host, id, clock::boot_now())
    }

    /// Seconds that a device has to approve.
    pub fn approval_seconds() -> u64 {
        u64::from(APPROVAL_TTL)
    }

    fn not_in_name_space(&self, owner: &DeviceOwner) -> Option<ShortText> {
        let allowed = self.keys().current().issuer.allows_identities(&owner.identities);
        allowed.err().map(|error| ShortText::cut(error.to_string()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const WHICH: Id = Id { 0: [1; 16] };
    const HOST: Id = Id { 0: [2; 16] };

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    fn owner(name: &str) -> DeviceOwner {
        let text = |text: &str| ShortText::new(text).unwrap();
        DeviceOwner {
            identities: vec![Identity {
                realm: text("example.org"),
                id: text(name),
            }],
            name: text(name),
        }
    }

    fn entry(host: Option<Id>, waited: bool) -> Entry {
        Entry {
            owner: owner("alice").identities,
            host,
            change: CodesChange::NewRecovery,
            waited,
            stands: if waited { Standing::Waiting } else { Standing::Granted },
            taken: false,
            ends: at(600),
        }
    }

    #[test]
    fn a_grant_is_taken_again_for_a_minute_by_whoever_asked_and_by_nobody_else() {
        let changes = CodeChanges::default();
        changes.put(WHICH, entry(Some(HOST), true), at(0)).unwrap();
        let alice = owner("alice");
        let take = |owner: &DeviceOwner, host, now| changes.take(owner, host, WHICH, at(now));
        assert_eq!(take(&alice, Some(HOST), 1), None, "no device has approved");
        changes.grant(WHICH, at(10));
        assert_eq!(take(&owner("bob"), Some(HOST), 11), None);
        assert_eq!(take(&alice, None, 11), None, "the panel did not ask");
        assert_eq!(take(&alice, Some(Id { 0: [3; 16] }), 11), None);
        assert_eq!(take(&alice, Some(HOST), 100), Some(CodesChange::NewRecovery));
        assert_eq!(take(&alice, Some(HOST), 159), Some(CodesChange::NewRecovery));
        assert_eq!(take(&alice, Some(HOST), 160), None, "each taking does not lengthen it");
    }

    #[test]
    fn what_nobody_takes_is_over_after_ten_minutes_and_what_was_refused_at_once() {
        let changes = CodeChanges::default();
        changes.put(WHICH, entry(None, true), at(0)).unwrap();
        changes.grant(WHICH, at(100));
        assert_eq!(changes.take(&owner("alice"), None, WHICH, at(700)), None);
        changes.put(HOST, entry(None, true), at(0)).unwrap();
        changes.end(HOST);
        assert_eq!(changes.take(&owner("alice"), None, HOST, at(1)), None);
    }
}
