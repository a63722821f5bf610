//! How often somebody may try to sign in (R77), and how little a stranger can lock out by it (R87).
//!
//! An attempt is counted before anything is checked, so that many at once are as many; a success takes its own count
//! back. Counted are: the account as tried from one network; the account from all networks where it has not signed in
//! lately; the network. Each may fail a few times, then waits twice as long each time. Names are counted as directories
//! compare them, whether they exist or not. Overall there is a rate, since every attempt costs a password hash. All of it is in
//! memory and bounded; what is full admits no new name or network until something is forgotten.

use assent_proto::time::BootTime;
use assent_proto::{Digest, sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use unicode_normalization::UnicodeNormalization as _;

/// When failures are forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// How long a network is known for an account after a success.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 86_400);
/// Most entries of each kind.
const MOST: usize = 50_000;
/// Attempts a second, for ever, and at once.
const RATE: f64 = 20.0;
const BURST: f64 = 80.0;

/// A kind of limit: failures that cost nothing, then a wait that doubles.
struct Rule {
    free: u32,
    first: Duration,
    most: Duration,
}

const PAIR: Rule = Rule {
    free: 5,
    first: Duration::from_secs(5),
    most: Duration::from_secs(900),
};
const ACCOUNT: Rule = Rule {
    free: 20,
    first: Duration::from_secs(2),
    most: Duration::from_secs(900),
};
const NETWORK: Rule = Rule {
    free: 40,
    first: Duration::from_secs(2),
    most: Duration::from_secs(300),
};

impl Rule {
    /// The wait after so many failures.
    fn wait(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(over) => self.first.saturating_mul(1 << (over - 1).min(16)).min(self.most),
        }
    }
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: BootTime,
}

struct Table<K> {
    rule: Rule,
    entries: HashMap<K, Failures>,
}

impl<K: Eq + Hash> Table<K> {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            entries: HashMap::new(),
        }
    }

    /// When the next attempt is allowed, if not now.
    fn waits(&mut self, key: &K, now: BootTime) -> Option<Duration> {
        if self.entries.len() >= MOST {
            // Those that cost nothing yet go as well: the overall rate lets nobody fill the table with others.
            let free = self.rule.free;
            self.entries
                .retain(|_, failures| failures.count > free && now < failures.last.plus(FORGET));
        }
        let Some(failures) = self.entries.get(key) else {
            return (self.entries.len() >= MOST).then_some(self.rule.most);
        };
        if now >= failures.last.plus(FORGET) {
            return None;
        }
        let next = failures.last.plus(self.rule.wait(failures.count));
        (now < next).then(|| next.0.saturating_sub(now.0))
    }

    fn count(&mut self, key: K, now: BootTime) {
        let failures = self.entries.entry(key).or_insert(Failures { count: 0, last: now });
        if now >= failures.last.plus(FORGET) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    fn take_back(&mut self, key: &K) {
        if let Some(failures) = self.entries.get_mut(key) {
            failures.count = failures.count.saturating_sub(1);
            if failures.count == 0 {
                self.entries.remove(key);
            }
        }
    }
}

struct State {
    pairs: Table<(Digest, IpAddr)>,
    accounts: Table<Digest>,
    networks: Table<IpAddr>,
    /// Where an account has signed in.
    known: HashMap<(Digest, IpAddr), BootTime>,
    level: f64,
    filled: BootTime,
}

/// The limits.
pub struct Throttle(Mutex<State>);

/// An attempt that was counted.
#[must_use]
#[derive(Debug)]
pub struct Attempt {
    account: Option<Digest>,
    network: IpAddr,
}

impl Throttle {
    /// Nobody has tried yet.
    pub fn new(now: BootTime) -> Self {
        Self(Mutex::new(State {
            pairs: Table::new(PAIR),
            accounts: Table::new(ACCOUNT),
            networks: Table::new(NETWORK),
            known: HashMap::new(),
            level: BURST,
            filled: now,
        }))
    }

    /// Counts an attempt, on an account or on a link; otherwise says how long to wait, and checks nothing.
    pub fn admit(&self, account: Option<&str>, address: IpAddr, now: BootTime) -> Result<Attempt, Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network_of(address);
        let account = account.map(account_key);
        let waits = state.waits(account, network, now);
        if let Some(wait) = waits {
            return Err(wait);
        }
        state.count(account, network, now);
        Ok(Attempt { account, network })
    }

    /// The attempt was good.
    pub fn succeeded(&self, attempt: Attempt, now: BootTime) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Attempt { account, network } = attempt;
        state.networks.take_back(&network);
        let Some(account) = account else { return };
        state.pairs.entries.remove(&(account, network));
        state.accounts.take_back(&account);
        if state.known.len() >= MOST {
            state.known.retain(|_, last| now < last.plus(KNOWN_FOR));
        }
        if state.known.len() < MOST {
            state.known.insert((account, network), now);
        }
    }
}

impl State {
    fn is_known(&self, account: Digest, network: IpAddr, now: BootTime) -> bool {
        let last = self.known.get(&(account, network));
        last.is_some_and(|last| now < last.plus(KNOWN_FOR))
    }

    fn waits(&mut self, account: Option<Digest>, network: IpAddr, now: BootTime) -> Option<Duration> {
        let since = now.0.saturating_sub(self.filled.0).as_secs_f64();
        self.level = (self.level + since * RATE).min(BURST);
        self.filled = now;
        if self.level < 1.0 {
            return Some(Duration::from_secs(1));
        }
        let mut waits = None;
        if is_one_place(network) {
            waits = waits.max(self.networks.waits(&network, now));
        }
        if let Some(account) = account {
            waits = waits.max(self.pairs.waits(&(account, network), now));
            if !self.is_known(account, network, now) {
                waits = waits.max(self.accounts.waits(&account, now));
            }
        }
        waits
    }

    fn count(&mut self, account: Option<Digest>, network: IpAddr, now: BootTime) {
        self.level -= 1.0;
        if is_one_place(network) {
            self.networks.count(network, now);
        }
        if let Some(account) = account {
            self.pairs.count((account, network), now);
            // Counted from everywhere, so that a success takes back what it added.
            self.accounts.count(account, now);
        }
    }
}

/// One account, however its name is typed: as directories compare (RFC 4518: compatibility forms, case, blanks). More
/// names than a directory would join are joined here at most.
fn account_key(name: &str) -> Digest {
    let plain: String = name.nfkc().collect::<String>().to_uppercase().to_lowercase();
    let plain: String = plain.nfkc().collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    sha256(&[words.join(" ").as_bytes()])
}

/// Behind a proxy on this machine everybody has its address: one of them must not lock out the others.
fn is_one_place(network: IpAddr) -> bool {
    !network.is_loopback()
}

/// One subscriber's network: a /64 of IPv6, an address of IPv4.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None if v6.is_loopback() => address,
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(1_000_000 + seconds))
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// How many attempts pass in so many seconds, one a second.
    fn passing(throttle: &Throttle, account: &str, address: impl Fn(u64) -> IpAddr, from: u64, seconds: u64) -> usize {
        (from..from + seconds)
            .filter(|now| throttle.admit(Some(account), address(*now), at(*now)).is_ok())
            .count()
    }

    #[test]
    fn r77_wrong_passwords_wait_twice_as_long_each_time_and_an_hour_of_rest_forgets_them() {
        let throttle = Throttle::new(at(0));
        let mut wait = Vec::new();
        let mut now = 0;
        while wait.len() < 4 {
            match throttle.admit(Some("alice"), ip(1), at(now)) {
                Ok(_) => {}
                Err(left) => {
                    wait.push(left.as_secs());
                    now += left.as_secs();
                    let _ = throttle.admit(Some("alice"), ip(1), at(now)).unwrap();
                }
            }
        }
        // The sixth failure is the first that costs.
        assert_eq!(wait, [5, 10, 20, 40]);
        assert_eq!(
            passing(&throttle, "alice", |_| ip(1), now, 3600),
            6,
            "backed off to 15 minutes"
        );
        assert_eq!(passing(&throttle, "alice", |_| ip(1), now + 8000, 5), 5, "forgotten");
    }

    #[test]
    fn r77_an_unknown_name_is_counted_like_a_known_one_and_case_makes_no_other_name() {
        let throttle = Throttle::new(at(0));
        for (now, name) in ["nobody", "Nobody", "NOBODY ", "nobody", "nobody", "nobody"]
            .into_iter()
            .enumerate()
        {
            assert!(throttle.admit(Some(name), ip(1), at(now as u64)).is_ok());
        }
        assert!(throttle.admit(Some("nObody"), ip(1), at(6)).is_err());
    }

    #[test]
    fn r77_letters_that_a_directory_reads_as_the_same_make_no_other_name() {
        let throttle = Throttle::new(at(0));
        // LDAP compares user names after NFKC and with case folded (RFC 4518, section 2.3): all of these are alice.
        let alices = [
            "alice",
            "\u{ff41}lice",
            "a\u{ff4c}ice",
            "al\u{ff49}ce",
            "ali\u{ff43}e",
            "alic\u{ff45}",
            "\u{24d0}lice",
            "\u{1d41a}lice",
        ];
        let passed = alices
            .iter()
            .flat_map(|name| [*name; 6])
            .filter(|name| throttle.admit(Some(name), ip(1), at(0)).is_ok())
            .count();
        assert_eq!(passed, 6, "tries of one account");
    }

    #[test]
    fn r77_many_at_once_are_as_many() {
        let throttle = Throttle::new(at(0));
        let passed = (0..50)
            .filter(|_| throttle.admit(Some("alice"), ip(1), at(0)).is_ok())
            .count();
        assert_eq!(passed, 6);
    }

    #[test]
    fn r77_one_network_may_not_try_name_after_name() {
        let throttle = Throttle::new(at(0));
        let passed = (0..600_u64)
            .filter(|now| throttle.admit(Some(&format!("u{now}")), ip(1), at(*now)).is_ok())
            .count();
        assert!((41..60).contains(&passed), "{passed}");
        assert!(throttle.admit(Some("alice"), ip(2), at(601)).is_ok(), "another network");
        let links = (0..600_u64)
            .filter(|now| throttle.admit(None, ip(3), at(700 + now)).is_ok())
            .count();
        assert!((41..60).contains(&links), "links as well: {links}");
    }

    #[test]
    fn r87_strangers_cannot_lock_somebody_out_of_a_network_that_they_use() {
        let throttle = Throttle::new(at(0));
        let mine = throttle.admit(Some("alice"), ip(250), at(0)).unwrap();
        throttle.succeeded(mine, at(0));
        let strangers = passing(&throttle, "alice", |now| ip(u8::try_from(now % 200).unwrap()), 1, 3000);
        assert!(strangers < 40, "{strangers}");
        assert!(
            throttle.admit(Some("alice"), ip(251), at(3001)).is_err(),
            "an unknown network waits"
        );
        assert!(
            throttle.admit(Some("alice"), ip(250), at(3001)).is_ok(),
            "the known one does not"
        );
    }

    #[test]
    fn a_success_takes_its_count_back() {
        let throttle = Throttle::new(at(0));
        for now in 0..200 {
            let attempt = throttle.admit(Some("alice"), ip(1), at(now)).unwrap();
            throttle.succeeded(attempt, at(now));
        }
    }

    #[test]
    fn everybody_together_has_a_rate() {
        let throttle = Throttle::new(at(0));
        let try_at = |n: u32, now: u64| {
            throttle
                .admit(
                    Some(&n.to_string()),
                    IpAddr::from((n + 0x0A00_0000).to_be_bytes()),
                    at(now),
                )
                .is_ok()
        };
        assert_eq!((0..500).filter(|n| try_at(*n, 0)).count(), 80);
        assert_eq!((500..1000).filter(|n| try_at(*n, 1)).count(), 20);
    }

    #[test]
    fn a_proxy_on_this_machine_is_no_network_to_be_slowed_down() {
        let throttle = Throttle::new(at(0));
        let local: IpAddr = "::1".parse().unwrap();
        for n in 0..300 {
            assert!(throttle.admit(Some(&n.to_string()), local, at(n)).is_ok(), "{n}");
        }
    }
}
