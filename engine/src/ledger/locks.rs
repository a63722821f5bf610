//! Which locks hold now, for people to read: after wrong numbers, too many pushes, too many wrong passwords. They come of
//! what is remembered, end by themselves, and are opened by `assentctl unlock`.

use super::guesses::Whose;
use super::{Barred, DAY, Ledger, SourceKey, within};
use assent_proto::time::UnixTime;
use std::fmt;

/// From where a lock keeps somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    /// Wherever they are.
    Everywhere,
    /// One source.
    Source(SourceKey),
    /// Every source from which nobody has logged in to the account.
    Strange,
}

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Wrong numbers: no push leaves.
    Numbers,
    /// Pushes without an approval: no push leaves.
    Pushes,
    /// Wrong passwords: none is shown to a directory.
    Passwords,
}

/// A lock that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Whom it is for.
    pub whose: Whose,
    /// From where.
    pub from: Where,
    /// After what.
    pub cause: Cause,
    /// When it ends.
    pub until: UnixTime,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            Cause::Numbers => "too many wrong numbers",
            Cause::Pushes => "too many pushes without an approval",
            Cause::Passwords => "too many wrong passwords",
        })?;
        match self.from {
            Where::Everywhere => Ok(()),
            Where::Source(SourceKey::Local) => f.write_str(", on this host"),
            Where::Source(SourceKey::Net(address)) => write!(f, ", from {address}"),
            Where::Strange => f.write_str(", from addresses that are new for this user"),
        }
    }
}

impl Ledger {
    /// All that hold now, the longest first.
    pub fn locks(&self, now: UnixTime) -> Vec<Lock> {
        let mut locks = Vec::new();
        for (who, person) in &self.people {
            if !within(person.last, now.0, DAY) {
                continue;
            }
            let whose = Whose::of(who);
            let mut add = |from, cause, until: Option<UnixTime>| {
                locks.extend(until.map(|until| Lock {
                    whose: whose.clone(),
                    from,
                    cause,
                    until,
                }));
            };
            match person.barred(None, false, false, now.0) {
                Some(Barred::WrongNumbers { until }) => add(Where::Everywhere, Cause::Numbers, Some(until)),
                Some(Barred::Strangers { until }) => add(Where::Strange, Cause::Pushes, Some(until)),
                Some(Barred::Source { .. }) | None => {}
            }
            add(Where::Strange, Cause::Passwords, person.strangers_guesses_full(now.0));
            for (from, source) in &person.sources {
                if let Some(Barred::Source { until }) = person.barred(Some(source), true, false, now.0) {
                    add(Where::Source(*from), Cause::Pushes, Some(until));
                }
                add(Where::Source(*from), Cause::Passwords, source.guesses_full(now.0));
            }
        }
        // What ends at once stands in one order, so that nobody takes an old list for a new one.
        locks.sort_by(|a, b| {
            let key = |lock: &Lock| (std::cmp::Reverse(lock.until), lock.whose.clone(), lock.from, lock.cause);
            key(a).cmp(&key(b))
        });
        locks
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::guesses::{MOST_GUESSES, MOST_GUESSES_FROM_STRANGERS, account, typist};
    use super::super::{Entry, LOCKED_FOR, MOST_FROM_STRANGERS, MOST_IN_WINDOW, MOST_WRONG, WINDOW, What};
    use super::*;
    use assent_proto::ShortText;
    use assent_proto::cert::Identity;
    use std::net::IpAddr;

    const NOW: u64 = 1_800_000_000;

    fn anna() -> Identity {
        Identity {
            realm: ShortText::cut("example.org".into()),
            id: ShortText::cut("anna".into()),
        }
    }

    fn net(last: u8) -> SourceKey {
        SourceKey::of(Some(IpAddr::from([192, 0, 2, last])))
    }

    /// As often as this, one second apart, ending now.
    fn after(times: usize, who: &Identity, from: impl Fn(usize) -> SourceKey, what: &What) -> Vec<(Where, Cause, u64)> {
        let mut ledger = Ledger::default();
        for at in 0..times {
            ledger.apply(&Entry {
                at: UnixTime(NOW - times as u64 + 1 + at as u64),
                who: who.clone(),
                from: from(at),
                what: what.clone(),
            });
        }
        let locks = ledger.locks(UnixTime(NOW));
        assert!(locks.iter().all(|lock| lock.whose == Whose::of(who)));
        assert_eq!(ledger.locks(UnixTime(NOW + DAY + 1)), [], "each ends by itself");
        locks.iter().map(|lock| (lock.from, lock.cause, lock.until.0)).collect()
    }

    #[test]
    fn every_lock_is_listed_with_whom_it_keeps_out_and_until_when() {
        let here = |_| net(1);
        let elsewhere = |at: usize| net(u8::try_from(at).unwrap());
        let first = |times: usize| NOW - times as u64 + 1;
        assert_eq!(after(MOST_IN_WINDOW - 1, &anna(), here, &What::Sent), []);
        assert_eq!(
            after(MOST_IN_WINDOW, &anna(), here, &What::Sent),
            [(Where::Source(net(1)), Cause::Pushes, first(MOST_IN_WINDOW) + WINDOW)]
        );
        assert_eq!(
            after(MOST_FROM_STRANGERS, &anna(), elsewhere, &What::Sent),
            [(Where::Strange, Cause::Pushes, first(MOST_FROM_STRANGERS) + WINDOW)]
        );
        assert_eq!(
            after(MOST_WRONG as usize, &anna(), here, &What::WrongNumber),
            [(Where::Everywhere, Cause::Numbers, NOW + LOCKED_FOR)]
        );
        let own = [(Where::Source(net(1)), Cause::Passwords, first(MOST_GUESSES) + WINDOW)];
        assert_eq!(after(MOST_GUESSES, &account("anna"), here, &What::WrongPassword), own);
        let strange = (
            Where::Strange,
            Cause::Passwords,
            first(MOST_GUESSES_FROM_STRANGERS) + WINDOW,
        );
        assert_eq!(
            after(
                MOST_GUESSES_FROM_STRANGERS,
                &account("anna"),
                elsewhere,
                &What::WrongPassword
            ),
            [strange]
        );
        let on_it = |_| SourceKey::Local;
        let local = [(
            Where::Source(SourceKey::Local),
            Cause::Passwords,
            first(MOST_GUESSES) + WINDOW,
        )];
        assert_eq!(after(MOST_GUESSES, &typist(1000), on_it, &What::WrongPassword), local);
    }

    #[test]
    fn whose_a_lock_is_is_said_in_words_that_an_administrator_knows() {
        for (who, shown) in [
            (anna(), "example.org#anna"),
            (account("anna"), "anna"),
            (typist(1000), "uid 1000"),
        ] {
            assert_eq!(Whose::of(&who).to_string(), shown);
        }
        let lock = |from| Lock {
            whose: Whose::of(&anna()),
            from,
            cause: Cause::Pushes,
            until: UnixTime(0),
        };
        assert!(lock(Where::Source(net(1))).to_string().ends_with(", from 192.0.2.1"));
        assert!(
            lock(Where::Source(SourceKey::Local))
                .to_string()
                .ends_with(", on this host")
        );
    }
}
