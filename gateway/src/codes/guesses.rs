//! Whoever guesses is stopped, and locks nobody out elsewhere (R87). Wrong codes in a row count at the place where they
//! were typed: a host, and the address that its login came from. All places at which the person never passed count
//! together besides; a place where they did has its own count alone.

use assent_engine::ledger::SourceKey;
use assent_proto::cert::DAY;
use assent_proto::time::UnixTime;
use assent_proto::{Digest, Id, sha256};
use std::net::IpAddr;

/// Wrong codes in a row at one place, after which none counts there for [`LOCK`].
const MOST_HERE: u32 = 10;
/// The same at all unknown places together.
const MOST_OF_STRANGERS: u32 = 20;
/// Seconds of a lock.
const LOCK: u64 = DAY / 24;
/// Seconds for which a right code makes its place known.
const KNOWN: u64 = 90 * DAY;

/// Where a code is typed. Which place it is, its digest does not say.
pub fn place(host: Id, source: Option<IpAddr>) -> Digest {
    let source = String::from(SourceKey::of(source));
    sha256(&[b"assent/1 code place", &host.0, source.as_bytes()])
}

/// Wrong codes in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub wrong: u32,
    /// No code counts until then.
    pub locked: UnixTime,
}

impl Count {
    /// Nothing was wrong.
    pub const NONE: Self = Self {
        wrong: 0,
        locked: UnixTime(0),
    };

    fn one_more(self, most: u32, now: UnixTime) -> Self {
        let wrong = self.wrong + 1;
        match wrong >= most {
            true => Self {
                wrong: 0,
                locked: now.plus(LOCK),
            },
            false => Self { wrong, ..self },
        }
    }
}

/// What bears on a code that one person types at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesses {
    /// At this place.
    pub here: Count,
    /// Until when the place is known.
    pub known: UnixTime,
    /// At all unknown places together.
    pub strangers: Count,
}

impl Guesses {
    /// Nothing was typed yet.
    pub const NONE: Self = Self {
        here: Count::NONE,
        known: UnixTime(0),
        strangers: Count::NONE,
    };

    fn is_known(&self, now: UnixTime) -> bool {
        now < self.known
    }

    /// Whether no code counts now.
    pub fn locked(&self, now: UnixTime) -> bool {
        now < self.here.locked || (!self.is_known(now) && now < self.strangers.locked)
    }

    /// The counts after one more code.
    #[must_use]
    pub fn after(self, right: bool, now: UnixTime) -> Self {
        if right {
            return Self {
                here: Count::NONE,
                known: now.plus(KNOWN),
                strangers: Count {
                    wrong: 0,
                    ..self.strangers
                },
            };
        }
        let strangers = match self.is_known(now) {
            true => self.strangers,
            false => self.strangers.one_more(MOST_OF_STRANGERS, now),
        };
        Self {
            here: self.here.one_more(MOST_HERE, now),
            strangers,
            ..self
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1000);
    const HOUR: UnixTime = UnixTime(4600);

    fn wrong(mut guesses: Guesses, times: u32) -> Guesses {
        for _ in 0..times {
            guesses = guesses.after(false, NOW);
        }
        guesses
    }

    #[test]
    fn r77_ten_wrong_codes_in_a_row_lock_their_place_for_an_hour_and_a_right_one_begins_anew() {
        let nine = wrong(Guesses::NONE, 9);
        assert!(!nine.locked(NOW));
        let right = nine.after(true, NOW);
        assert_eq!((right.here, right.strangers.wrong), (Count::NONE, 0));
        let ten = nine.after(false, NOW);
        assert_eq!((ten.here.wrong, ten.here.locked), (0, HOUR));
        assert!(ten.locked(UnixTime(4599)) && !ten.locked(HOUR));
    }

    #[test]
    fn r87_strangers_lock_unknown_places_and_never_one_that_is_known() {
        let known = Guesses::NONE.after(true, NOW);
        let of_strangers = |here: Guesses, strangers: Count| Guesses { strangers, ..here };
        // At two places, nine wrong codes each; then two more at a third.
        let first = wrong(Guesses::NONE, 9);
        let second = wrong(of_strangers(Guesses::NONE, first.strangers), 9);
        let third = wrong(of_strangers(Guesses::NONE, second.strangers), 1);
        assert!(!third.locked(NOW), "nineteen");
        let third = third.after(false, NOW);
        assert!(third.locked(NOW) && third.here.locked == UnixTime(0));
        let anywhere = of_strangers(Guesses::NONE, third.strangers);
        assert!(anywhere.locked(UnixTime(4599)) && !anywhere.locked(HOUR));
        let at_home = of_strangers(known, third.strangers);
        assert!(!at_home.locked(NOW), "the owner still gets in");
        // A right code there ends no lock that strangers have earned.
        assert!(of_strangers(Guesses::NONE, at_home.after(true, NOW).strangers).locked(NOW));
        // What is typed wrong at a known place is no stranger's, but has its own end.
        let mistyped = wrong(known, 10);
        assert_eq!(mistyped.strangers.wrong, 0);
        assert!(mistyped.locked(NOW));
        // It is known for ninety days.
        assert!(at_home.is_known(UnixTime(999 + KNOWN)) && !at_home.is_known(NOW.plus(KNOWN)));
    }

    #[test]
    fn r87_a_place_is_a_host_and_an_address_or_the_network_that_one_person_has() {
        let (web, db) = (Id { 0: [1; 16] }, Id { 0: [2; 16] });
        let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let home = place(web, at("192.0.2.7"));
        assert_eq!(home, place(web, at("::ffff:192.0.2.7")));
        for other in [
            place(db, at("192.0.2.7")),
            place(web, at("192.0.2.8")),
            place(web, None),
        ] {
            assert!(other != home);
        }
        assert_eq!(place(web, at("2001:db8::1")), place(web, at("2001:db8::2:3")));
    }
}
