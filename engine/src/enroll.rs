//! When, and from where, a login lets its user register a first device. Pure: the moment and the address are passed in.

use crate::conditions::{KnownNetwork, network_of};
use crate::directory::date;
use assent_proto::time::UnixTime;
use std::net::IpAddr;

/// What an application's `enroll_at_login` says. Each part that is there must hold; one is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollAtLogin {
    /// The last day, in days since 1970 (UTC).
    pub until: Option<i64>,
    /// The client's address lies in one of them; none: anywhere.
    pub from: Vec<KnownNetwork>,
}

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The last day is over.
    Over,
    /// The address lies elsewhere, or is not known.
    Elsewhere,
}

impl EnrollAtLogin {
    /// Why no device is registered at this moment from this address, if so.
    pub fn closed(&self, at: UnixTime, source: Option<IpAddr>) -> Option<Closed> {
        let day = i64::try_from(at.0).map_or(i64::MAX, |seconds| seconds.div_euclid(date::DAY));
        if self.until.is_some_and(|until| day > until) {
            return Some(Closed::Over);
        }
        let inside = source.is_some_and(|source| network_of(&self.from, source).is_some());
        (!self.from.is_empty() && !inside).then_some(Closed::Elsewhere)
    }

    /// It in words, for `explain`.
    pub fn words(&self) -> String {
        let until = self.until.map(|day| format!("until {}", date::show_day(day)));
        let names: Vec<&str> = self.from.iter().map(|network| network.name.as_str()).collect();
        let from = (!names.is_empty()).then(|| format!("from {}", names.join(", ")));
        let parts: Vec<String> = until.into_iter().chain(from).collect();
        parts.join(", ")
    }
}

impl Closed {
    /// For traces and `explain`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Over => "its last day is over",
            Self::Elsewhere => "the address lies in none of its networks",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(20_849 * 86_400 + 43_200);

    fn office() -> KnownNetwork {
        KnownNetwork {
            name: "office".into(),
            networks: vec!["192.0.2.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn the_last_day_counts_to_its_end_and_the_address_must_be_known() {
        let rule = |until: Option<&str>, from: Vec<KnownNetwork>| EnrollAtLogin {
            until: until.map(|day| date::iso_day(day).unwrap()),
            from,
        };
        let inside: Option<IpAddr> = Some("192.0.2.7".parse().unwrap());
        let mapped: Option<IpAddr> = Some("::ffff:192.0.2.7".parse().unwrap());
        let outside: Option<IpAddr> = Some("198.51.100.7".parse().unwrap());
        let by_day = rule(Some("2027-01-31"), vec![]);
        let last = UnixTime(20_850 * 86_400 - 1);
        assert_eq!(by_day.closed(NOON, outside), None);
        assert_eq!(by_day.closed(last, None), None);
        assert_eq!(by_day.closed(UnixTime(last.0 + 1), inside), Some(Closed::Over));
        assert_eq!(by_day.closed(UnixTime(u64::MAX), inside), Some(Closed::Over));
        let by_place = rule(None, vec![office()]);
        assert_eq!(by_place.closed(UnixTime(u64::MAX), inside), None);
        assert_eq!(by_place.closed(NOON, mapped), None);
        assert_eq!(by_place.closed(NOON, outside), Some(Closed::Elsewhere));
        assert_eq!(by_place.closed(NOON, None), Some(Closed::Elsewhere));
        let both = rule(Some("2027-01-31"), vec![office()]);
        assert_eq!(both.closed(NOON, inside), None);
        assert_eq!(both.closed(NOON, outside), Some(Closed::Elsewhere));
        assert_eq!(both.closed(UnixTime(last.0 + 1), inside), Some(Closed::Over));
        assert_eq!(both.words(), "until 2027-01-31, from office");
    }
}
