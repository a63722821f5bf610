//! How much each host, device and address may ask (R77). Token buckets: a rate for ever, a burst for a while. The
//! numbers stand in the configuration (`[limits]`) and are far above what people do; they bound what one stolen key
//! or one broken program can take from the others.

use crate::config::Limits;
use crate::error::Error;
use assent_proto::Id;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most buckets of one kind; beyond it, full ones are dropped, and if none is full, strangers wait.
const MOST_BUCKETS: usize = 100_000;

/// The relay's limits.
pub struct Limiter {
    host: Buckets<Id>,
    device: Buckets<Id>,
    address: Buckets<IpAddr>,
}

impl Limiter {
    /// With the configured numbers.
    pub fn new(limits: &Limits) -> Self {
        Self {
            host: Buckets::new(limits.calls_per_host),
            device: Buckets::new(limits.calls_per_device),
            address: Buckets::new(limits.calls_per_address),
        }
    }

    /// A host calls.
    pub fn host(&self, id: Id) -> Result<(), Error> {
        self.host
            .take(id)
            .then_some(())
            .ok_or(Error::TooMany("calls of this host"))
    }

    /// A device calls.
    pub fn device(&self, id: Id) -> Result<(), Error> {
        self.device
            .take(id)
            .then_some(())
            .ok_or(Error::TooMany("calls of this device"))
    }

    /// Somebody calls without a claim, or with a wrong one.
    pub fn stranger(&self, address: IpAddr) -> Result<(), Error> {
        self.address
            .take(network_of(address))
            .then_some(())
            .ok_or(Error::TooMany("calls from this address"))
    }

    /// Forgets buckets that are full again.
    pub fn tidy(&self) {
        self.host.tidy();
        self.device.tidy();
        self.address.tidy();
    }
}

/// One subscriber's network: a /64 of IPv6, an address of IPv4.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

/// Seconds of the rate that a burst may use up.
const BURST_SECONDS: f64 = 4.0;

struct Buckets<K> {
    rate: f64,
    levels: Mutex<HashMap<K, (f64, Instant)>>,
    tidied: Mutex<Option<Instant>>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(per_second: u32) -> Self {
        Self {
            rate: f64::from(per_second),
            levels: Mutex::default(),
            tidied: Mutex::default(),
        }
    }

    fn take(&self, key: K) -> bool {
        self.take_at(key, Instant::now())
    }

    fn take_at(&self, key: K, now: Instant) -> bool {
        let burst = self.rate * BURST_SECONDS;
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() >= MOST_BUCKETS && !levels.contains_key(&key) && !self.tidied(&mut levels, now) {
            return false;
        }
        let (level, last) = levels.entry(key).or_insert((burst, now));
        let filled = (*level + now.duration_since(*last).as_secs_f64() * self.rate).min(burst);
        *last = now;
        let passes = filled >= 1.0;
        *level = if passes { filled - 1.0 } else { filled };
        passes
    }

    fn tidy(&self) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        self.drop_full(&mut levels, Instant::now());
    }

    /// Makes room in a full table, at most once a second: each time costs a look at every bucket.
    fn tidied(&self, levels: &mut HashMap<K, (f64, Instant)>, now: Instant) -> bool {
        let mut last = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.duration_since(last) >= Duration::from_secs(1)) {
            *last = Some(now);
            self.drop_full(levels, now);
        }
        levels.len() < MOST_BUCKETS
    }

    fn drop_full(&self, levels: &mut HashMap<K, (f64, Instant)>, now: Instant) {
        let burst = self.rate * BURST_SECONDS;
        levels.retain(|_, (level, last)| *level + now.duration_since(*last).as_secs_f64() * self.rate < burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r77_a_bucket_gives_its_burst_then_its_rate() {
        let buckets = Buckets::new(10);
        let start = Instant::now();
        assert_eq!((0..100).filter(|_| buckets.take_at(1, start)).count(), 40);
        assert!(buckets.take_at(2, start), "another caller has its own");
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| buckets.take_at(1, later)).count(), 10);
    }

    #[test]
    fn r77_buckets_that_are_full_again_keep_no_new_caller_out() {
        let buckets = Buckets::new(10);
        let start = Instant::now();
        for caller in 0..MOST_BUCKETS {
            assert!(buckets.take_at(caller, start));
        }
        assert!(!buckets.take_at(MOST_BUCKETS, start), "none is full");
        // The panel's limiter is tidied by nobody else.
        let later = start + Duration::from_secs(3600);
        assert!(buckets.take_at(MOST_BUCKETS, later), "all are full by now");
    }

    #[test]
    fn an_ipv6_subscriber_has_one_bucket() {
        let of = |text: &str| text.parse().map(network_of);
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
