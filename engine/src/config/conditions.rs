//! A policy's conditions, raw → checked.

use super::checker::{Checker, Place};
use super::raw::{RawPolicy, RawWindow};
use crate::conditions::{Conditions, Window};
use crate::ledger::MOST_DENIALS;
use crate::places::Country;
use crate::risk::{FirstFactor, RecentDenials, Risk};
use ipnet::{IpNet, Ipv4Net};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::net::IpAddr;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The end of a day, which is no time of day.
const MIDNIGHT: &str = "24:00";
/// Bits before the IPv4 address in an IPv4-mapped one.
const MAPPED: u8 = 96;

/// Minutes of `recent_denials`: no more is remembered than a day.
const DENIAL_MINUTES: std::ops::RangeInclusive<u64> = 1..=24 * 60;

pub(super) fn conditions(checker: &mut Checker, place: &Place, raw: &RawPolicy) -> Option<Conditions> {
    let before = checker.problems.len();
    let networks = raw
        .networks
        .iter()
        .filter_map(|text| network(checker, place, text))
        .collect();
    let window = raw.when.as_ref().and_then(|raw| window(checker, place, raw));
    let risk = risk(checker, place, raw);
    (checker.problems.len() == before).then_some(Conditions {
        services: raw.services.clone(),
        networks,
        window,
        risk,
    })
}

fn risk(checker: &mut Checker, place: &Place, raw: &RawPolicy) -> Risk {
    let first_factor = raw.first_factor.iter().filter_map(|word| {
        let found = FirstFactor::WORDS.iter().find(|(known, _)| known == word);
        if found.is_none() {
            checker.problem(
                place,
                format!("first_factor has {word:?}, which is no factor"),
                "write \"key\", \"password\", \"stack\" or \"none\"",
            );
        }
        found.map(|(_, factor)| *factor)
    });
    let first_factor = first_factor.collect();
    let denials = raw.recent_denials.as_ref().map(|raw| RecentDenials {
        at_least: raw.at_least,
        within_minutes: raw.within_minutes,
    });
    if let Some(denials) = denials
        && !(DENIAL_MINUTES.contains(&denials.within_minutes) && (1..=MOST_DENIALS).contains(&denials.at_least))
    {
        checker.problem(
            place,
            format!(
                "recent_denials asks for {} within {} minutes",
                denials.at_least, denials.within_minutes
            ),
            format!(
                "at_least is 1 to {MOST_DENIALS}, within_minutes {} to {}",
                DENIAL_MINUTES.start(),
                DENIAL_MINUTES.end()
            ),
        );
    }
    Risk {
        countries: countries(checker, place, "countries", &raw.countries),
        not_countries: countries(checker, place, "not_countries", &raw.not_countries),
        first_factor,
        new_address: raw.new_address,
        new_country: raw.new_country,
        impossible_travel: raw.impossible_travel,
        recent_denials: denials,
    }
}

fn countries(checker: &mut Checker, place: &Place, key: &str, codes: &[String]) -> Vec<Country> {
    let mut found = Vec::new();
    for code in codes {
        match Country::new(code) {
            Some(country) => found.push(country),
            None => checker.problem(
                place,
                format!("{key} has {code:?}, which is no country's code"),
                "write two capital letters of ISO 3166-1, such as \"DE\"",
            ),
        }
    }
    found
}

/// A network, or one address.
pub(super) fn network(checker: &mut Checker, place: &Place, text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    match text.parse::<IpNet>() {
        Ok(network) if network.addr() == network.network() => Some(canonical(network)),
        Ok(network) => {
            checker.problem(
                place,
                format!("{text:?} is an address inside a network"),
                format!("write \"{}\" for the network, or the address alone", network.trunc()),
            );
            None
        }
        Err(_) => {
            checker.problem(
                place,
                format!("{text:?} is no network"),
                "write it as \"10.0.0.0/8\" or \"2001:db8::/32\"",
            );
            None
        }
    }
}

/// A login's address is compared as IPv4 where it is one; so must a network be that is written as `::ffff:a.b.c.d/n`.
fn canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else {
        return network;
    };
    let length = network.prefix_len().checked_sub(MAPPED);
    let inner = length.and_then(|length| Ipv4Net::new(address, length).ok());
    match network {
        IpNet::V6(_) => inner.map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

fn window(checker: &mut Checker, place: &Place, raw: &RawWindow) -> Option<Window> {
    let days = days(checker, place, &raw.days);
    let from = clock(checker, place, "from", raw.from.as_deref().unwrap_or("00:00"));
    let until = clock(checker, place, "until", raw.until.as_deref().unwrap_or(MIDNIGHT));
    let zone = match raw.zone.as_deref() {
        None => Some(TimeZone::system()),
        Some(name) => TimeZone::get(name).ok().or_else(|| {
            checker.problem(
                place,
                format!("the time zone {name:?} is not known here"),
                "use a name of the IANA time zone data base such as \"Europe/Berlin\"; the package tzdata holds it",
            );
            None
        }),
    };
    Some(Window {
        days: days?,
        hours: (from?, until?),
        zone: zone?,
    })
}

/// Days by name, or from one to another; none are all.
fn days(checker: &mut Checker, place: &Place, names: &[String]) -> Option<[bool; 7]> {
    if names.is_empty() {
        return Some([true; 7]);
    }
    let mut days = [false; 7];
    let at = |name: &str| DAYS.iter().position(|day| *day == name);
    for name in names {
        let (first, last) = name.split_once('-').unwrap_or((name, name));
        let (Some(first), Some(last)) = (at(first), at(last)) else {
            checker.problem(
                place,
                format!("{name:?} is no day"),
                "write \"mon\" to \"sun\", or \"mon-fri\"",
            );
            return None;
        };
        let mut day = first;
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Some(days)
}

/// Seconds after midnight.
fn clock(checker: &mut Checker, place: &Place, key: &str, text: &str) -> Option<u32> {
    if text == MIDNIGHT {
        return Some(24 * 3600);
    }
    // Exactly HH:MM: the parser also takes other forms of ISO 8601, such as T0800.
    let colon = text.len() == "00:00".len() && text.as_bytes()[2] == b':';
    let time = text.parse::<Time>().ok().filter(|_| colon);
    let Some(time) = time else {
        checker.problem(
            place,
            format!("{key} = {text:?} is no time of day"),
            "write it as \"08:00\"; the end of a day is \"24:00\"",
        );
        return None;
    };
    let seconds = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60;
    u32::try_from(seconds).ok()
}
