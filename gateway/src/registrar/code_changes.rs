//! Changes of a person's codes at the panel: an app, recovery codes, their removal. Whoever has a device approves each on
//! a device, as a further device is; who has none goes by the rule for first devices. What was granted is carried out
//! once, soon, by the panel's session that asked. In memory: a restart ends it, and the person starts again.

use super::approvals::{APPROVAL_TTL, Ask, Purpose, Wish};
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
/// Changes that are remembered.
const MOST: usize = 4096;

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

/// How a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A device is being asked.
    Waiting,
    /// It may be carried out.
    Granted,
    /// It was refused, nobody answered, or it was carried out.
    Over,
}

struct Entry {
    owner: Vec<Identity>,
    change: CodesChange,
    granted: bool,
    ends: BootTime,
}

/// What was asked for and granted.
#[derive(Default)]
pub(super) struct CodeChanges(Mutex<HashMap<Id, Entry>>);

impl CodeChanges {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        // Each change is one call on the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, id: Id, entry: Entry, now: BootTime) -> bool {
        let mut all = self.lock();
        all.retain(|_, one| now < one.ends);
        let fits = all.len() < MOST;
        if fits {
            all.insert(id, entry);
        }
        fits
    }

    /// A device has approved.
    pub(super) fn grant(&self, id: Id, now: BootTime) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.granted = true;
            entry.ends = now.plus(GRANTED_FOR);
        }
    }

    /// It comes to nothing.
    pub(super) fn end(&self, id: Id) {
        self.lock().remove(&id);
    }
}

/// A change that was asked for.
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
        proof: Proof,
        change: CodesChange,
    ) -> Result<Result<Asked, ShortText>, StoreError> {
        let no = |text: &str| Ok(Err(ShortText::cut(text.to_owned())));
        if let Some(refusal) = self.not_in_name_space(owner) {
            return Ok(Err(refusal));
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
            Ask::Nobody => match self.may(&mut tx, owner, proof, now).await? {
                MayEnrol::First => None,
                MayEnrol::No(NotEnrolling::OnTheTerminal) => return no("codes are set up in a terminal"),
                MayEnrol::No(_) | MayEnrol::Further { .. } => {
                    return no("register a device first, or ask your administrator for a one-time link");
                }
            },
        };
        let waits = approvers.is_some();
        let boot = clock::boot_now();
        let entry = Entry {
            owner: owner.identities.clone(),
            change,
            granted: !waits,
            ends: boot.plus(GRANTED_FOR),
        };
        if !self.code_changes.put(id, entry, boot) {
            return no("too many people change their codes at once; try again in a few minutes");
        }
        let news = News {
            wish: approvers.map(|approvers| Wish {
                purpose: Purpose::Codes { id, change },
                owner: owner.clone(),
                approvers,
                label: ShortText::cut("codes".to_owned()),
                digits: None,
                proven: ShortText::cut("signed in at the Register Panel".to_owned()),
            }),
            ..News::default()
        };
        self.finish(tx, news, turn).await?;
        Ok(Ok(Asked { id, waits }))
    }

    /// How a change of this person stands.
    pub fn code_change(&self, owner: &DeviceOwner, id: Id) -> Standing {
        let all = self.code_changes.lock();
        let found = all
            .get(&id)
            .filter(|entry| entry.owner == owner.identities && clock::boot_now() < entry.ends);
        match found {
            Some(entry) if entry.granted => Standing::Granted,
            Some(_) => Standing::Waiting,
            None => Standing::Over,
        }
    }

    /// Takes the grant of a change, which is then over; `None` where there is none.
    pub fn take_code_change(&self, owner: &DeviceOwner, id: Id) -> Option<CodesChange> {
        let mut all = self.code_changes.lock();
        let granted = all
            .get(&id)
            .is_some_and(|entry| entry.granted && entry.owner == owner.identities && clock::boot_now() < entry.ends);
        if !granted {
            return None;
        }
        all.remove(&id).map(|entry| entry.change)
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
