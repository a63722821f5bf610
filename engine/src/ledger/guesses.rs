//! Wrong passwords: after too many for an account from a source, what is typed there is not shown to any directory for a
//! while. Counted for (account, source) first, then for the sources together where nobody has logged in to the account, so
//! that strangers lock nobody out of where they are known (R87), nor make a directory lock an account.

use super::{Ledger, Person, Source, SourceKey, WINDOW, full_until, within};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use std::collections::HashMap;

/// Wrong passwords for an account from one source within [`WINDOW`], since the last login from there.
pub const MOST_GUESSES: usize = 10;
/// The same from all sources together from which nobody has logged in to the account.
pub const MOST_GUESSES_FROM_STRANGERS: usize = 30;
/// Wrong passwords from one source for all accounts together within [`WINDOW`].
pub const MOST_SPRAYED: usize = 50;
/// Most sources whose wrong passwords are counted together; the one that was silent longest goes first.
const MOST_SPRAYERS: usize = 10_000;

/// An account of this host, by the name as NSS writes it: of whom a password is typed it is known only after the check
/// which person that is. No realm is empty, so it is nobody's identity.
pub fn account(name: &str) -> Identity {
    keyed(format!("name:{name}"))
}

/// Whoever types on this machine itself, by the user id that logged in: whom a guess made here is counted for, whatever
/// account it was for. Somebody who guesses another's password at `su` stands in nobody's way but their own.
pub fn typist(login_uid: u32) -> Identity {
    keyed(format!("uid:{login_uid}"))
}

/// Whom something is counted for, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A person.
    Person(Identity),
    /// An account of this host, whoever types its password.
    Account(String),
    /// Whoever types as this user id on this host.
    Typist(String),
}

impl Whose {
    /// Of the key that it is counted under.
    pub fn of(key: &Identity) -> Self {
        let id = key.id.as_str();
        let own = |prefix| id.strip_prefix(prefix).filter(|_| key.realm.as_str().is_empty());
        match (own("name:"), own("uid:")) {
            (Some(name), _) => Self::Account(name.to_owned()),
            (None, Some(uid)) => Self::Typist(uid.to_owned()),
            (None, None) => Self::Person(key.clone()),
        }
    }
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(identity) => identity.fmt(f),
            Self::Account(name) => f.write_str(&visible(name)),
            Self::Typist(uid) => write!(f, "uid {}", visible(uid)),
        }
    }
}

fn keyed(id: String) -> Identity {
    Identity {
        realm: ShortText::cut(String::new()),
        id: ShortText::cut(id),
    }
}

impl Source {
    pub(super) fn guessed(&mut self, at: u64) {
        self.guesses.retain(|guess| within(*guess, at, WINDOW));
        self.guesses.push(at);
        // More than these are never shown to a directory; a file may say anything.
        let too_many = self.guesses.len().saturating_sub(2 * MOST_GUESSES);
        self.guesses.drain(..too_many);
    }

    fn guesses_within(&self, now: u64) -> impl Iterator<Item = u64> + '_ {
        self.guesses.iter().copied().filter(move |at| within(*at, now, WINDOW))
    }

    /// Until when no password from here is shown to a directory.
    pub(super) fn guesses_full(&self, now: u64) -> Option<UnixTime> {
        full_until(self.guesses_within(now).collect(), MOST_GUESSES, WINDOW)
    }
}

impl Person {
    /// Until when none is from where nobody has logged in.
    pub(super) fn strangers_guesses_full(&self, now: u64) -> Option<UnixTime> {
        let strange = self.sources.iter();
        let strange = strange.filter(|(from, source)| **from != SourceKey::Local && !source.is_known(now));
        let guesses = strange.flat_map(|(_, source)| source.guesses_within(now)).collect();
        full_until(guesses, MOST_GUESSES_FROM_STRANGERS, WINDOW)
    }
}

impl Ledger {
    /// Until when no password that is typed for an account at a source is shown to a directory; `None`: it is.
    pub fn guesses_barred(&self, account: &Identity, from: SourceKey, now: UnixTime) -> Option<UnixTime> {
        let person = self.people.get(account)?;
        let now = now.0;
        let here = person.sources.get(&from);
        let own = here.and_then(|source| source.guesses_full(now));
        if own.is_some() || from == SourceKey::Local || here.is_some_and(|source| source.is_known(now)) {
            return own;
        }
        person.strangers_guesses_full(now)
    }

    /// Whether somebody has logged in to an account from a source lately.
    pub fn knows(&self, account: &Identity, from: SourceKey, now: UnixTime) -> bool {
        let source = self.people.get(account).and_then(|person| person.sources.get(&from));
        source.is_some_and(|source| source.is_known(now.0))
    }
}

/// Sources that try one password on many accounts. Forgotten at a restart: no account hangs on it.
#[derive(Debug, Default)]
pub struct Spraying(HashMap<SourceKey, Vec<u64>>);

impl Spraying {
    /// A password from this source was wrong, or its account unknown.
    pub fn guessed(&mut self, from: SourceKey, now: UnixTime) {
        if from == SourceKey::Local {
            return;
        }
        let now = now.0;
        if self.0.len() >= MOST_SPRAYERS && !self.0.contains_key(&from) {
            let idle = self.0.iter().min_by_key(|(_, guesses)| guesses.last().copied());
            if let Some(idle) = idle.map(|(from, _)| *from) {
                self.0.remove(&idle);
            }
        }
        let guesses = self.0.entry(from).or_default();
        guesses.retain(|at| within(*at, now, WINDOW));
        guesses.push(now);
        let too_many = guesses.len().saturating_sub(2 * MOST_SPRAYED);
        guesses.drain(..too_many);
    }

    /// Until when no password from this source is shown to a directory, but for accounts that are known to log in there.
    pub fn barred(&self, from: SourceKey, now: UnixTime) -> Option<UnixTime> {
        let guesses = self.0.get(&from)?.iter().copied();
        full_until(
            guesses.filter(|at| within(*at, now.0, WINDOW)).collect(),
            MOST_SPRAYED,
            WINDOW,
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Entry, KNOWN_FOR, What};
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000;

    fn from(last: u8) -> SourceKey {
        SourceKey::of(Some([192, 0, 2, last].into()))
    }

    fn happened(ledger: &mut Ledger, at: u64, from: SourceKey, what: What) {
        ledger.apply(&Entry {
            at: UnixTime(at),
            who: account("anna"),
            from,
            what,
        });
    }

    fn barred(ledger: &Ledger, from: SourceKey, at: u64) -> bool {
        ledger.guesses_barred(&account("anna"), from, UnixTime(at)).is_some()
    }

    fn logged_in() -> What {
        What::Approved {
            place: None,
            spot: None,
        }
    }

    #[test]
    fn row_18_ten_wrong_passwords_from_a_source_bar_that_source_for_ten_minutes() {
        let mut ledger = Ledger::default();
        for n in 0..10 {
            assert!(!barred(&ledger, from(1), NOW + n));
            happened(&mut ledger, NOW + n, from(1), What::WrongPassword);
        }
        assert!(barred(&ledger, from(1), NOW + 10));
        assert!(!barred(&ledger, from(2), NOW + 10));
        let other = ledger.guesses_barred(&account("bert"), from(1), UnixTime(NOW + 10));
        assert_eq!(other, None);
        let until = ledger.guesses_barred(&account("anna"), from(1), UnixTime(NOW + 10));
        assert_eq!(until, Some(UnixTime(NOW + WINDOW)));
        // Kept over a restart, and over by itself.
        let mut kept = Ledger::default();
        for entry in ledger.entries(UnixTime(NOW + 10)) {
            kept.apply(&entry);
        }
        assert!(barred(&kept, from(1), NOW + WINDOW - 1));
        assert!(!barred(&kept, from(1), NOW + WINDOW));
        happened(&mut kept, NOW + 11, SourceKey::Local, What::Forgiven);
        assert!(!barred(&kept, from(1), NOW + 11));
    }

    #[test]
    fn row_18_a_login_from_a_source_wipes_its_guesses_out_and_makes_it_known() {
        let mut ledger = Ledger::default();
        for n in 0..9 {
            happened(&mut ledger, NOW + n, from(1), What::WrongPassword);
        }
        happened(&mut ledger, NOW + 9, from(1), logged_in());
        happened(&mut ledger, NOW + 10, from(1), What::WrongPassword);
        assert!(!barred(&ledger, from(1), NOW + 11));
        assert!(ledger.knows(&account("anna"), from(1), UnixTime(NOW + 11)));
        assert!(!ledger.knows(&account("anna"), from(1), UnixTime(NOW + 9 + KNOWN_FOR)));
        // Bounded also at a source that is known.
        for n in 0..10 {
            happened(&mut ledger, NOW + 20 + n, from(1), What::WrongPassword);
        }
        assert!(barred(&ledger, from(1), NOW + 30));
    }

    #[test]
    fn r87_thirty_from_strangers_bar_all_strangers_and_nobody_who_is_known_nor_this_machine() {
        let mut ledger = Ledger::default();
        happened(&mut ledger, NOW - 86_400, from(200), logged_in());
        for n in 0..30 {
            let source = from(u8::try_from(n).unwrap());
            assert!(!barred(&ledger, source, NOW + n));
            happened(&mut ledger, NOW + n, source, What::WrongPassword);
        }
        assert!(barred(&ledger, from(100), NOW + 30));
        assert!(!barred(&ledger, from(200), NOW + 30));
        assert!(!barred(&ledger, SourceKey::Local, NOW + 30));
    }

    #[test]
    fn r87_whoever_guesses_anothers_password_on_this_machine_stands_in_their_own_way_alone() {
        assert_ne!(typist(1000), typist(1001));
        assert_ne!(typist(1000), account("1000"));
        assert_ne!(account("uid:1000"), typist(1000));
    }

    #[test]
    fn row_18_fifty_wrong_passwords_for_all_accounts_bar_a_source_and_this_machine_is_none() {
        let mut spraying = Spraying::default();
        for n in 0..50 {
            assert_eq!(spraying.barred(from(1), UnixTime(NOW + n)), None);
            spraying.guessed(from(1), UnixTime(NOW + n));
            spraying.guessed(SourceKey::Local, UnixTime(NOW + n));
        }
        assert_eq!(
            spraying.barred(from(1), UnixTime(NOW + 50)),
            Some(UnixTime(NOW + WINDOW))
        );
        assert_eq!(spraying.barred(from(1), UnixTime(NOW + WINDOW)), None);
        assert_eq!(spraying.barred(SourceKey::Local, UnixTime(NOW + 50)), None);
        for n in 0..=MOST_SPRAYERS {
            let source = SourceKey::of(Some(std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap()).into()));
            spraying.guessed(source, UnixTime(NOW + 60));
        }
        assert_eq!(spraying.0.len(), MOST_SPRAYERS);
    }

    proptest! {
        /// Whatever strangers do, from however many addresses: the owner's password is checked where the owner is known.
        #[test]
        fn r87_no_order_of_guesses_elsewhere_locks_the_owner_out(
            guesses in proptest::collection::vec((0..200u8, 0..WINDOW), 0..400),
            owner_guesses in 0..10u64,
        ) {
            let mut ledger = Ledger::default();
            happened(&mut ledger, NOW - 86_400, from(250), logged_in());
            for (source, at) in guesses {
                happened(&mut ledger, NOW + at, from(source), What::WrongPassword);
            }
            for n in 0..owner_guesses {
                happened(&mut ledger, NOW + n, from(250), What::WrongPassword);
            }
            prop_assert!(!barred(&ledger, from(250), NOW + WINDOW));
            prop_assert!(!barred(&ledger, from(250), NOW + owner_guesses));
        }
    }
}
