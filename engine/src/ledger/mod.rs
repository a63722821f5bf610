//! What is remembered of pushes: how many left since the last success, from where somebody approved, and how often a
//! number was wrong. Budgets (R7, R87), known sources and the lock after wrong numbers (R6) come of it. Beside them stand
//! accounts of this host ([`account`]), whose wrong passwords are counted in [`guesses`].
//!
//! Pure: entries go in with their time, [`Ledger::weigh`] says what holds. The edge keeps the entries in a file and reads
//! them back ([`Ledger::apply`] is the same for both), so a restart forgets nothing.

mod guesses;
mod locks;

pub use guesses::{MOST_GUESSES, MOST_GUESSES_FROM_STRANGERS, Spraying, Whose, account, typist};
pub use locks::Lock;

use crate::places::Spot;
use crate::risk::{Signals, Travel};
use assent_proto::cert::Identity;
use assent_proto::time::{SKEW, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;

/// Seconds of the short window of budgets.
pub const WINDOW: u64 = 600;
/// Seconds of the long one.
pub const DAY: u64 = 86_400;
/// Pushes of a user and source within [`WINDOW`], since the last success (R7).
pub const MOST_IN_WINDOW: usize = 5;
/// Pushes of a user and source within [`DAY`], since the last success (R7).
pub const MOST_IN_DAY: usize = 20;
/// Pushes of a user within [`WINDOW`] from all sources where they never approved (R87).
pub const MOST_FROM_STRANGERS: usize = 15;
/// Pushes of a user and source that may be open at once; the next waits its turn.
pub const MOST_OPEN: usize = 4;
/// Seconds for which a source stays known after an approval from it.
pub const KNOWN_FOR: u64 = 30 * DAY;
/// Wrong numbers in a row, over all logins, after which no push leaves (NIST SP 800-63B section 3.2.2 allows 100).
pub const MOST_WRONG: u32 = 5;
/// Seconds for which no push leaves then.
pub const LOCKED_FOR: u64 = 3600;

/// Most denials of one user; the oldest go first.
pub const MOST_DENIALS: usize = 100;

/// Most users that are remembered; the one who was idle longest goes first.
const MOST_PEOPLE: usize = 20_000;
/// Most sources of one user.
const MOST_SOURCES: usize = 200;

/// Where a login comes from, as budgets and known sources count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SourceKey {
    /// This machine: sudo, a console.
    Local,
    /// An IPv4 address, or the /64 that an IPv6 address lies in: whoever has one has them all.
    Net(IpAddr),
}

impl SourceKey {
    /// Of a client's address; `None` for what happens on this machine.
    pub fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Local,
            Some(IpAddr::V4(address)) => Self::Net(address.into()),
            Some(IpAddr::V6(address)) => {
                let prefix = address.to_bits() >> 64 << 64;
                Self::Net(std::net::Ipv6Addr::from_bits(prefix).into())
            }
        }
    }
}

impl From<SourceKey> for String {
    fn from(key: SourceKey) -> Self {
        match key {
            SourceKey::Local => "local".into(),
            SourceKey::Net(address) => address.to_string(),
        }
    }
}

impl TryFrom<String> for SourceKey {
    type Error = std::net::AddrParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "local" {
            return Ok(Self::Local);
        }
        text.parse().map(|address| Self::of(Some(address)))
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A push left.
    Sent,
    /// The push that was counted at this time never left after all.
    Unsent,
    /// A login was approved on a device; the place of its source, where that is known.
    Approved {
        /// As the location data base names it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        place: Option<String>,
        /// Where on the earth, if that is known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        spot: Option<Spot>,
    },
    /// A push was denied, reported or left unanswered, or a code was wrong.
    Denied,
    /// The number on the device was wrong.
    WrongNumber,
    /// A password that was typed for an account was wrong.
    WrongPassword,
    /// An administrator opened budgets and locks again.
    Forgiven,
}

/// Something that happened to somebody's pushes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    pub at: UnixTime,
    /// Whose push.
    pub who: Identity,
    /// From where.
    pub from: SourceKey,
    /// What.
    pub what: What,
}

/// What holds for somebody at a source, before a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Whether they approved a login from here within [`KNOWN_FOR`].
    pub known_source: bool,
    /// Whether they approved logins elsewhere, and none from this place. `false` where the place is not known.
    pub new_place: bool,
    /// Why no push may leave.
    pub barred: Option<Barred>,
}

/// Why no push may leave, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// This source had its pushes.
    Source {
        /// When the next may leave.
        until: UnixTime,
    },
    /// Sources where the user never approved had theirs, together.
    Strangers {
        /// When the next may leave.
        until: UnixTime,
    },
    /// The number was wrong too often.
    WrongNumbers {
        /// When the next may leave.
        until: UnixTime,
    },
}

impl Barred {
    /// When the next push may leave.
    pub fn until(self) -> UnixTime {
        match self {
            Self::Source { until } | Self::Strangers { until } | Self::WrongNumbers { until } => until,
        }
    }
}

/// What is remembered, for everybody.
#[derive(Debug, Default)]
pub struct Ledger {
    people: HashMap<Identity, Person>,
}

#[derive(Debug, Default)]
struct Person {
    last: u64,
    /// Approvals so far, as far as the ledger reaches back.
    approvals: u64,
    sources: HashMap<SourceKey, Source>,
    /// Wrong numbers since the last approval, and when the last one came.
    wrong: u32,
    last_wrong: u64,
    /// Denials within [`DAY`], oldest first.
    denials: Vec<u64>,
}

/// Times in seconds since 1970; zero where nothing happened yet.
#[derive(Debug, Default)]
struct Source {
    last: u64,
    /// Pushes within [`DAY`] since the last success from here.
    sent: Vec<u64>,
    /// Wrong passwords within [`WINDOW`] since the last success from here.
    guesses: Vec<u64>,
    /// The last approval from here.
    approved: Option<Approval>,
}

#[derive(Debug, Clone)]
struct Approval {
    at: u64,
    /// Counts the person's approvals: two may come within one second.
    nth: u64,
    place: Option<String>,
    spot: Option<Spot>,
}

/// Whether `at` lies within the last `seconds`. What lies ahead was written under a wrong clock, and counts for nothing:
/// it could lock somebody out for years (R81).
fn within(at: u64, now: u64, seconds: u64) -> bool {
    at <= now + SKEW && now < at + seconds
}

impl Source {
    fn is_known(&self, now: u64) -> bool {
        self.approved
            .as_ref()
            .is_some_and(|approval| within(approval.at, now, KNOWN_FOR))
    }

    fn take_back(&mut self, at: u64) {
        if let Some(place) = self.sent.iter().rposition(|sent| *sent == at) {
            self.sent.remove(place);
        }
    }

    fn within(&self, now: u64, seconds: u64) -> impl Iterator<Item = u64> + '_ {
        self.sent.iter().copied().filter(move |at| within(*at, now, seconds))
    }
}

/// When one fewer than `most` of these lie in the window again; `None` while that is so now.
fn full_until(mut times: Vec<u64>, most: usize, seconds: u64) -> Option<UnixTime> {
    times.sort_unstable();
    let oldest_that_counts = times.len().checked_sub(most)?;
    times.get(oldest_that_counts).map(|at| UnixTime(at + seconds))
}

impl Ledger {
    /// Takes what happened.
    pub fn apply(&mut self, entry: &Entry) {
        self.make_room(&entry.who);
        let person = self.people.entry(entry.who.clone()).or_default();
        let at = entry.at.0;
        person.last = at;
        person.make_room(entry.from, at);
        let source = person.sources.entry(entry.from).or_default();
        source.last = at;
        match &entry.what {
            What::Sent => {
                source.sent.retain(|sent| within(*sent, at, DAY));
                source.sent.push(at);
                // More than the budget is never sent; a file may say anything.
                let too_many = source.sent.len().saturating_sub(2 * MOST_IN_DAY);
                source.sent.drain(..too_many);
            }
            What::Unsent => source.take_back(at),
            What::Approved { place, spot } => {
                source.sent.clear();
                source.guesses.clear();
                person.approvals += 1;
                source.approved = Some(Approval {
                    at,
                    nth: person.approvals,
                    place: place.clone(),
                    spot: *spot,
                });
                person.wrong = 0;
            }
            What::Denied => {
                person.denials.retain(|denied| within(*denied, at, DAY));
                person.denials.push(at);
                let too_many = person.denials.len().saturating_sub(MOST_DENIALS);
                person.denials.drain(..too_many);
            }
            What::WrongNumber => {
                person.wrong = person.wrong.saturating_add(1);
                person.last_wrong = at;
            }
            What::WrongPassword => source.guessed(at),
            What::Forgiven => {
                person.wrong = 0;
                person.denials.clear();
                for source in person.sources.values_mut() {
                    source.sent.clear();
                    source.guesses.clear();
                }
            }
        }
    }

    /// Takes a [`What::Sent`] back that did not leave after all.
    pub fn take_back(&mut self, entry: &Entry) {
        let source = self
            .people
            .get_mut(&entry.who)
            .and_then(|person| person.sources.get_mut(&entry.from));
        if let Some(source) = source {
            source.take_back(entry.at.0);
        }
    }

    /// What holds for `who` at `from`. `place` is where `from` lies, if that is known.
    pub fn weigh(&self, who: &Identity, from: SourceKey, place: Option<&str>, now: UnixTime) -> Weight {
        let Some(person) = self.people.get(who) else {
            return Weight {
                known_source: false,
                new_place: false,
                barred: None,
            };
        };
        let now = now.0;
        let source = person.sources.get(&from);
        let known_source = source.is_some_and(|source| source.is_known(now));
        let places = || person.sources.values().filter(|source| source.is_known(now));
        let new_place = place.is_some_and(|place| {
            places().next().is_some()
                && places().all(|known| {
                    known
                        .approved
                        .as_ref()
                        .is_none_or(|approval| approval.place.as_deref() != Some(place))
                })
        });
        Weight {
            known_source,
            new_place,
            barred: person.barred(source, known_source, from == SourceKey::Local, now),
        }
    }

    /// What bears on a login of `who` at `from`, for policies. `place` is where that lies: the country, and the point on
    /// the earth, as far as they are known.
    pub fn signals(
        &self,
        who: &Identity,
        from: SourceKey,
        (country, spot): (Option<&str>, Option<Spot>),
        now: UnixTime,
    ) -> Signals {
        let Some(person) = self.people.get(who) else {
            return Signals {
                new_address: true,
                new_country: true,
                ..Signals::default()
            };
        };
        let approvals = || {
            let known = person.sources.values().filter(|source| source.is_known(now.0));
            known.filter_map(|source| source.approved.as_ref())
        };
        let been = |country: &str| approvals().any(|approval| approval.place.as_deref() == Some(country));
        let spots = approvals().filter_map(|approval| Some((approval, approval.spot?)));
        let last = spots.max_by_key(|(approval, _)| (approval.at, approval.nth));
        let last = last.map(|(approval, spot)| (UnixTime(approval.at), spot));
        let recent = person.denials.iter().filter(|at| within(**at, now.0, DAY));
        Signals {
            new_address: !person.sources.get(&from).is_some_and(|source| source.is_known(now.0)),
            new_country: !country.is_some_and(been),
            travel: last.zip(spot).map(|(last, spot)| Travel::between(last, (now, spot))),
            denials: recent.rev().map(|at| now.0.saturating_sub(*at)).collect(),
        }
    }

    /// Everything that still counts, as the entries that lead to it, oldest first: what a file is written anew from.
    pub fn entries(&self, now: UnixTime) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (who, person) in &self.people {
            let mut add = |at: u64, nth: u64, from: SourceKey, what: What| {
                let entry = Entry {
                    at: UnixTime(at),
                    who: who.clone(),
                    from,
                    what,
                };
                entries.push((nth, entry));
            };
            for (from, source) in &person.sources {
                // What lies ahead is kept: it is the clock of now that may be wrong.
                let counts = |at: u64, seconds| now.0 < at + seconds;
                let approval = source.approved.clone();
                if let Some(approval) = approval.filter(|approval| counts(approval.at, KNOWN_FOR)) {
                    let Approval { at, nth, place, spot } = approval;
                    add(at, nth, *from, What::Approved { place, spot });
                }
                for at in source.sent.iter().copied().filter(|at| counts(*at, DAY)) {
                    add(at, 0, *from, What::Sent);
                }
                for at in source.guesses.iter().copied().filter(|at| counts(*at, WINDOW)) {
                    add(at, 0, *from, What::WrongPassword);
                }
            }
            for at in person.denials.iter().copied().filter(|at| now.0 < at + DAY) {
                add(at, 0, SourceKey::Local, What::Denied);
            }
            if now.0 < person.last_wrong + DAY {
                for _ in 0..person.wrong.min(MOST_WRONG) {
                    add(person.last_wrong, 0, SourceKey::Local, What::WrongNumber);
                }
            }
        }
        // An approval ends the row of wrong numbers, so of one moment it comes first.
        let rank = |what: &What| !matches!(what, What::Approved { .. });
        entries.sort_by_key(|(nth, entry)| (entry.at, rank(&entry.what), *nth));
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn make_room(&mut self, who: &Identity) {
        if self.people.len() < MOST_PEOPLE || self.people.contains_key(who) {
            return;
        }
        let idle = self.people.iter().min_by_key(|(_, person)| person.last);
        if let Some(idle) = idle.map(|(who, _)| who.clone()) {
            self.people.remove(&idle);
        }
    }
}

impl Person {
    fn barred(&self, source: Option<&Source>, known: bool, local: bool, now: u64) -> Option<Barred> {
        if self.wrong >= MOST_WRONG && within(self.last_wrong, now, LOCKED_FOR) {
            let until = UnixTime(self.last_wrong + LOCKED_FOR);
            return Some(Barred::WrongNumbers { until });
        }
        let here = |seconds, most| {
            let times = source
                .map(|source| source.within(now, seconds).collect())
                .unwrap_or_default();
            full_until(times, most, seconds)
        };
        if let Some(until) = here(WINDOW, MOST_IN_WINDOW).max(here(DAY, MOST_IN_DAY)) {
            return Some(Barred::Source { until });
        }
        if known || local {
            // The reserve: what strangers did elsewhere locks nobody out of where they are known, nor out of sudo (R87).
            return None;
        }
        let strange = |(from, source): &(&SourceKey, &Source)| **from != SourceKey::Local && !source.is_known(now);
        let strange = self.sources.iter().filter(strange);
        let times = strange.flat_map(|(_, source)| source.within(now, WINDOW)).collect();
        full_until(times, MOST_FROM_STRANGERS, WINDOW).map(|until| Barred::Strangers { until })
    }

    /// One more source: what is not known goes before what is, what counts for no budget before what does, the oldest first.
    fn make_room(&mut self, from: SourceKey, now: u64) {
        if self.sources.len() < MOST_SOURCES || self.sources.contains_key(&from) {
            return;
        }
        let worth = |source: &Source| {
            (
                source.is_known(now),
                source.within(now, WINDOW).next().is_some(),
                source.last,
            )
        };
        let least = self.sources.iter().min_by_key(|(_, source)| worth(source));
        if let Some(least) = least.map(|(from, _)| *from) {
            self.sources.remove(&least);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
