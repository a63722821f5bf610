//! What a policy asks of the login itself, beside the user's attribute: where it comes from, for which service, when.
//! Pure: the moment and the address are passed in.

use crate::risk::{self, Context, Risk};
use assent_proto::time::UnixTime;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use std::net::IpAddr;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is known of a login when its policies are read.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The PAM service.
    pub service: &'a str,
    /// The client's address; `None` where there is none (sudo, a console).
    pub source: Option<IpAddr>,
    /// When it began.
    pub at: UnixTime,
    /// What else is known of it.
    pub context: Context,
}

/// Networks that share a name, and from which every login counts as one from a known address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNetwork {
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub networks: Vec<IpNet>,
}

/// The first of these networks that an address lies in.
pub fn network_of(networks: &[KnownNetwork], address: IpAddr) -> Option<&KnownNetwork> {
    let address = plain(address);
    let holds = |network: &&KnownNetwork| network.networks.iter().any(|net| net.contains(&address));
    networks.iter().find(holds)
}

/// A policy's conditions; an empty one holds always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// PAM services.
    pub services: Vec<String>,
    /// Networks of the client's address.
    pub networks: Vec<IpNet>,
    /// Days and hours.
    pub window: Option<Window>,
    /// Where it comes from and what went before.
    pub risk: Risk,
}

/// Why a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// Another service.
    Service,
    /// Another network.
    Network,
    /// No address is known, so it lies in no network.
    NoAddress,
    /// Another day or hour.
    Time,
    /// A condition on risk.
    Risk(risk::Unmet),
}

/// Days and hours of a week, in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Monday first.
    pub days: [bool; 7],
    /// Seconds after midnight, from and until; where it does not end after it begins, it ends on the next day, which
    /// then counts as the day on which it began.
    pub hours: (u32, u32),
    /// Where.
    pub zone: TimeZone,
}

impl Conditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.networks.is_empty() && self.window.is_none() && self.risk.is_empty()
    }

    /// The first that does not hold; what the agent remembers is not among them ([`Risk::unmet_by`]).
    pub fn unmet(&self, login: &Circumstances) -> Option<Unmet> {
        if !self.services.is_empty() && !self.services.iter().any(|service| service == login.service) {
            return Some(Unmet::Service);
        }
        if !self.networks.is_empty() {
            let Some(source) = login.source.map(plain) else {
                return Some(Unmet::NoAddress);
            };
            if !self.networks.iter().any(|network| network.contains(&source)) {
                return Some(Unmet::Network);
            }
        }
        let out = self.window.as_ref().is_some_and(|window| !window.holds(login.at));
        if out {
            return Some(Unmet::Time);
        }
        let unmet = self.risk.unmet(login.source.is_some(), login.context);
        unmet.map(Unmet::Risk)
    }

    /// Whether whatever meets `other` meets these too, as far as that shows: for warnings alone.
    pub fn cover(&self, other: &Self) -> bool {
        let services = self.services.is_empty()
            || (!other.services.is_empty() && other.services.iter().all(|s| self.services.contains(s)));
        let inside = |net: &IpNet| self.networks.iter().any(|ours| ours.contains(net));
        let networks = self.networks.is_empty() || (!other.networks.is_empty() && other.networks.iter().all(inside));
        let window = self.window.is_none() || self.window == other.window;
        services && networks && window && (self.risk.is_empty() || self.risk == other.risk)
    }
}

/// An IPv4 address that came in IPv6 clothes (RFC 4291, section 2.5.5.2) is the IPv4 address: dual-stack sshd sees both.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl Window {
    /// Whether a moment lies in it.
    pub fn holds(&self, at: UnixTime) -> bool {
        let Some(now) = i64::try_from(at.0).ok().and_then(|s| Timestamp::from_second(s).ok()) else {
            return false;
        };
        let local = now.to_zoned(self.zone.clone());
        let time = local.time();
        let second = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        let (from, until) = (i64::from(self.hours.0), i64::from(self.hours.1));
        let today = self.on(local.weekday());
        if from < until {
            return today && (from..until).contains(&second);
        }
        let yesterday = self.on(local.weekday().previous());
        (today && (from..DAY).contains(&second)) || (yesterday && second < until)
    }

    fn on(&self, day: Weekday) -> bool {
        usize::try_from(day.to_monday_zero_offset()).is_ok_and(|at| self.days[at])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn login(source: Option<&str>, at: &str) -> Circumstances<'static> {
        Circumstances {
            service: "sshd",
            source: source.map(|ip| ip.parse().unwrap()),
            at: UnixTime(u64::try_from(at.parse::<Timestamp>().unwrap().as_second()).unwrap()),
            context: Context::default(),
        }
    }

    fn networks(nets: &[&str]) -> Conditions {
        Conditions {
            networks: nets.iter().map(|net| net.parse().unwrap()).collect(),
            ..Conditions::default()
        }
    }

    fn window(days: [bool; 7], hours: (u32, u32), zone: &str) -> Conditions {
        let zone = TimeZone::get(zone).unwrap();
        Conditions {
            window: Some(Window { days, hours, zone }),
            ..Conditions::default()
        }
    }

    const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];
    const NOON: &str = "2026-11-25T12:00:00Z";

    #[test]
    fn a_network_holds_the_addresses_in_it_and_no_login_without_one() {
        let office = networks(&["10.0.0.0/8", "2001:db8::/32"]);
        for (source, expected) in [
            (Some("10.1.2.3"), None),
            (Some("::ffff:10.1.2.3"), None),
            (Some("2001:db8:1::7"), None),
            (Some("11.0.0.1"), Some(Unmet::Network)),
            (Some("2001:db9::1"), Some(Unmet::Network)),
            (None, Some(Unmet::NoAddress)),
        ] {
            assert_eq!(office.unmet(&login(source, NOON)), expected, "{source:?}");
        }
    }

    #[test]
    fn hours_are_those_of_the_zone_in_summer_and_in_winter() {
        let work = window(WORKDAYS, (8 * 3600, 18 * 3600), "Europe/Berlin");
        for (at, expected) in [
            ("2026-11-25T07:00:00Z", None),
            ("2026-11-25T06:59:59Z", Some(Unmet::Time)),
            ("2026-07-22T06:00:00Z", None),
            ("2026-07-22T05:59:59Z", Some(Unmet::Time)),
            ("2026-11-25T16:59:59Z", None),
            ("2026-11-25T17:00:00Z", Some(Unmet::Time)),
            ("2026-11-28T12:00:00Z", Some(Unmet::Time)),
        ] {
            assert_eq!(work.unmet(&login(None, at)), expected, "{at}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_began() {
        let friday = [false, false, false, false, true, false, false];
        let night = window(friday, (22 * 3600, 6 * 3600), "UTC");
        for (at, expected) in [
            ("2026-11-27T22:00:00Z", None),
            ("2026-11-28T05:59:59Z", None),
            ("2026-11-28T06:00:00Z", Some(Unmet::Time)),
            ("2026-11-28T22:00:00Z", Some(Unmet::Time)),
            ("2026-11-27T05:00:00Z", Some(Unmet::Time)),
        ] {
            assert_eq!(night.unmet(&login(None, at)), expected, "{at}");
        }
        let round_the_clock = window(friday, (8 * 3600, 8 * 3600), "UTC");
        assert_eq!(round_the_clock.unmet(&login(None, "2026-11-28T07:59:59Z")), None);
        assert_eq!(
            round_the_clock.unmet(&login(None, "2026-11-27T07:59:59Z")),
            Some(Unmet::Time)
        );
        let all_day = window(friday, (0, 24 * 3600), "UTC");
        assert_eq!(all_day.unmet(&login(None, "2026-11-27T23:59:59Z")), None);
        assert_eq!(all_day.unmet(&login(None, "2026-11-28T00:00:00Z")), Some(Unmet::Time));
    }

    #[test]
    fn wider_conditions_cover_narrower_ones() {
        let none = Conditions::default();
        let (wide, narrow) = (networks(&["10.0.0.0/8"]), networks(&["10.1.0.0/16"]));
        assert!(none.cover(&narrow) && wide.cover(&narrow) && wide.cover(&wide));
        assert!(!narrow.cover(&wide) && !narrow.cover(&none));
        let ssh = Conditions {
            services: vec!["sshd".into()],
            ..Conditions::default()
        };
        assert!(none.cover(&ssh) && !ssh.cover(&none));
    }
}
