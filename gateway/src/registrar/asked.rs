//! What people asked for and one of their devices has to approve, or was granted at once; for whoever asked, for a while. In
//! memory: a restart ends it, and the person starts again.

use assent_proto::Id;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::time::BootTime;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a grant may be used.
pub(super) const GRANTED_FOR: Duration = Duration::from_secs(600);
/// How long what was carried out may be asked for again: the answer may have been lost on its way.
const AGAIN_FOR: Duration = Duration::from_secs(60);
/// What is remembered.
const MOST: usize = 4096;
/// Questions about which one person's devices are asked within [`GRANTED_FOR`].
const MOST_OF_ONE: usize = 5;

/// How something stands that was asked for.
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

/// Something that was asked for.
pub(super) struct Entry<T> {
    pub owner: Vec<Identity>,
    /// The host that asked; `None`: the panel.
    pub host: Option<Id>,
    pub what: T,
    /// Whether a device was asked.
    pub waited: bool,
    pub stands: Standing,
    /// Whether it has been carried out.
    pub taken: bool,
    pub ends: BootTime,
}

impl<T> Entry<T> {
    fn is_of(&self, owner: &DeviceOwner, host: Option<Id>, now: BootTime) -> bool {
        self.owner == owner.identities && self.host == host && now < self.ends
    }
}

/// All of one sort.
pub(super) struct Asked<T>(Mutex<HashMap<Id, Entry<T>>>);

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Copy> Asked<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry<T>>> {
        // Each change is one call on the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in; the text says why not.
    pub(super) fn put(&self, id: Id, entry: Entry<T>, now: BootTime) -> Result<(), &'static str> {
        let mut all = self.lock();
        all.retain(|_, one| now < one.ends);
        let same = all.values().filter(|one| one.waited && one.owner == entry.owner);
        if entry.waited && same.count() >= MOST_OF_ONE {
            return Err("your devices were asked again and again; try again in ten minutes");
        }
        if all.len() >= MOST {
            return Err("too many people ask for something at once; try again in a few minutes");
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

    /// How it stands for whoever asked for it.
    pub(super) fn standing(&self, owner: &DeviceOwner, host: Option<Id>, id: Id, now: BootTime) -> Standing {
        let all = self.lock();
        let found = all.get(&id).filter(|entry| entry.is_of(owner, host, now));
        found.map_or(Standing::Over, |entry| entry.stands)
    }

    /// Takes what was granted to whoever asked for it; it is over a minute later.
    pub(super) fn take(&self, owner: &DeviceOwner, host: Option<Id>, id: Id, now: BootTime) -> Option<T> {
        let mut all = self.lock();
        let entry = all
            .get_mut(&id)
            .filter(|entry| entry.stands == Standing::Granted && entry.is_of(owner, host, now))?;
        if !entry.taken {
            entry.taken = true;
            entry.ends = entry.ends.min(now.plus(AGAIN_FOR));
        }
        Some(entry.what)
    }

    /// It comes to nothing. It is remembered: whoever asks again and again wears a person down.
    pub(super) fn end(&self, id: Id) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.stands = Standing::Over;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::ShortText;

    const WHAT: u8 = 7;
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

    fn entry(host: Option<Id>, waited: bool) -> Entry<u8> {
        Entry {
            owner: owner("alice").identities,
            host,
            what: WHAT,
            waited,
            stands: if waited { Standing::Waiting } else { Standing::Granted },
            taken: false,
            ends: at(600),
        }
    }

    #[test]
    fn a_grant_is_taken_again_for_a_minute_by_whoever_asked_and_by_nobody_else() {
        let asked = Asked::default();
        asked.put(WHICH, entry(Some(HOST), true), at(0)).unwrap();
        let alice = owner("alice");
        let take = |owner: &DeviceOwner, host, now| asked.take(owner, host, WHICH, at(now));
        assert_eq!(take(&alice, Some(HOST), 1), None, "no device has approved");
        asked.grant(WHICH, at(10));
        assert_eq!(take(&owner("bob"), Some(HOST), 11), None);
        assert_eq!(take(&alice, None, 11), None, "the panel did not ask");
        assert_eq!(take(&alice, Some(Id { 0: [3; 16] }), 11), None);
        assert_eq!(take(&alice, Some(HOST), 100), Some(WHAT));
        assert_eq!(take(&alice, Some(HOST), 159), Some(WHAT));
        assert_eq!(take(&alice, Some(HOST), 160), None, "each taking does not lengthen it");
    }

    #[test]
    fn what_nobody_takes_is_over_after_ten_minutes_and_what_was_refused_at_once() {
        let asked = Asked::default();
        asked.put(WHICH, entry(None, true), at(0)).unwrap();
        asked.grant(WHICH, at(100));
        assert_eq!(asked.take(&owner("alice"), None, WHICH, at(700)), None);
        asked.put(HOST, entry(None, true), at(0)).unwrap();
        asked.end(HOST);
        assert_eq!(asked.take(&owner("alice"), None, HOST, at(1)), None);
    }
}
