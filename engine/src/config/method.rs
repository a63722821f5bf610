//! Method profiles, raw → checked: push profiles and the methods beside push.

use super::checker::{Checker, Place};
use super::raw::{RawCodeProfile, RawPushProfile};
use super::{Assurance, AuthIndex, Method, MethodProfile};

pub(super) fn push_profile(checker: &mut Checker, place: &Place, raw: RawPushProfile) -> Option<MethodProfile> {
    let before = checker.problems.len();
    let fallback = fallback(checker, place, "push profile", &raw.name, &raw.fallback_auth_profiles);
    match raw.assurance.as_deref() {
        Some("tap") => {}
        None => checker.problem(
            place,
            format!("push profile {:?} has no assurance", raw.name),
            "write assurance = \"tap\"; \"adaptive\", which will be the default, is not there yet",
        ),
        Some(other @ ("adaptive" | "number" | "passkey")) => checker.problem(
            place,
            format!("assurance = {other:?} is not there yet"),
            "this version knows assurance = \"tap\"",
        ),
        Some(other) => checker.problem(
            place,
            format!("assurance = {other:?} is not known"),
            "write assurance = \"tap\"",
        ),
    }
    if raw.nist == Some(true) {
        checker.problem(place, "nist = true needs numbers, which are not there yet", "remove it");
    }
    let ttl = raw.ttl_seconds.unwrap_or(60);
    if !(10..=assent_proto::request::MAX_TTL).contains(&ttl) {
        checker.problem(
            place,
            format!("ttl_seconds = {ttl} is out of bounds"),
            format!("use 10 to {}", assent_proto::request::MAX_TTL),
        );
    }
    (checker.problems.len() == before).then_some(MethodProfile {
        name: raw.name,
        fallback,
        method: Method::Push {
            assurance: Assurance::Tap,
            ttl,
        },
    })
}

pub(super) fn code_profile(
    checker: &mut Checker,
    place: &Place,
    method: Method,
    raw: RawCodeProfile,
) -> Option<MethodProfile> {
    let before = checker.problems.len();
    let fallback = fallback(checker, place, "profile", &raw.name, &raw.fallback_auth_profiles);
    checker.warning(
        place,
        format!(
            "{:?} is chosen and explained, but a login that comes to it is denied",
            raw.name
        ),
        format!("this version has no {} yet", method.word()),
    );
    (checker.problems.len() == before).then_some(MethodProfile {
        name: raw.name,
        fallback,
        method,
    })
}

fn fallback(checker: &mut Checker, place: &Place, kind: &str, name: &str, profiles: &[String]) -> Vec<AuthIndex> {
    if profiles.is_empty() {
        checker.problem(
            place,
            format!("{kind} {name:?} has no fallback auth profiles"),
            "name at least one [[auth_profile]]",
        );
    }
    profiles.iter().filter_map(|name| checker.auth(name, place)).collect()
}
