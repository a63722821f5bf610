//! Method profiles, raw → checked: push profiles and the methods beside push.

use super::checker::{Checker, Place};
use super::raw::{RawCodeProfile, RawPushProfile};
use super::{Assurance, AuthIndex, Language, Method, MethodProfile};
use assent_proto::cert::Level;
use assent_proto::code::{CodeMethod, MAX_CODE_TTL};

pub(super) fn push_profile(checker: &mut Checker, place: &Place, raw: RawPushProfile) -> Option<MethodProfile> {
    let before = checker.problems.len();
    let fallback = fallback(checker, place, "push profile", &raw.name, &raw.fallback_auth_profiles);
    let assurance = assurance(checker, place, raw.assurance.as_deref());
    let nist = raw.nist.unwrap_or(false);
    if nist && assurance == Some(Assurance::Always(Level::Tap)) {
        checker.warning(
            place,
            format!("push profile {:?} has nist = true, and a tap shows no number", raw.name),
            "NIST SP 800-63B asks for a number: use assurance = \"number\"",
        );
    }
    let ttl = raw.ttl_seconds.unwrap_or(60);
    if !(10..=assent_proto::request::MAX_TTL).contains(&ttl) {
        checker.problem(
            place,
            format!("ttl_seconds = {ttl} is out of bounds"),
            format!("use 10 to {}", assent_proto::request::MAX_TTL),
        );
    }
    let language = language(checker, place, raw.language_attribute, raw.language);
    (checker.problems.len() == before).then_some(MethodProfile {
        name: raw.name,
        fallback,
        address: Vec::new(),
        language,
        method: Method::Push {
            assurance: assurance.unwrap_or(Assurance::Adaptive),
            digits: if nist { 6 } else { 3 },
            ttl,
            synced_passkeys: raw.synced_passkeys.unwrap_or(false),
            app_lock: raw.app_lock.unwrap_or(false),
        },
    })
}

/// `assurance` of a push profile or a policy; `None` where nothing was written.
pub(super) fn assurance(checker: &mut Checker, place: &Place, written: Option<&str>) -> Option<Assurance> {
    match written? {
        "adaptive" => return Some(Assurance::Adaptive),
        "tap" => return Some(Assurance::Always(Level::Tap)),
        "number" => return Some(Assurance::Always(Level::Number)),
        "passkey" => return Some(Assurance::Always(Level::Passkey)),
        other => checker.problem(
            place,
            format!("assurance = {other:?} is not known"),
            "write \"adaptive\", \"tap\", \"number\" or \"passkey\"",
        ),
    }
    None
}

/// Seconds in which a code must be typed, where nothing is said.
const CODE_TTL: u32 = 90;

pub(super) fn code_profile(
    checker: &mut Checker,
    place: &Place,
    method: CodeMethod,
    raw: RawCodeProfile,
) -> Option<MethodProfile> {
    let before = checker.problems.len();
    let fallback = fallback(checker, place, "profile", &raw.name, &raw.fallback_auth_profiles);
    let ttl = raw.ttl_seconds.unwrap_or(CODE_TTL);
    if !(30..=MAX_CODE_TTL).contains(&ttl) {
        checker.problem(
            place,
            format!("ttl_seconds = {ttl} is out of bounds"),
            format!("use 30 to {MAX_CODE_TTL}"),
        );
    }
    if raw.address_attribute.is_some() && !method.is_sent() {
        checker.problem(
            place,
            format!(
                "address_attribute is for what is sent, and nothing is sent to {:?}'s users",
                raw.name
            ),
            "remove it",
        );
    }
    let language = language(checker, place, raw.language_attribute, raw.language);
    let usual: &[&str] = match method {
        CodeMethod::Sms => &["mobile"],
        // Directories call it mail, local users email.
        CodeMethod::Mail => &["mail", "email"],
        CodeMethod::Totp | CodeMethod::Recovery => &[],
    };
    let address = raw.address_attribute.map_or_else(
        || usual.iter().map(|name| (*name).to_owned()).collect(),
        |name| vec![name],
    );
    (checker.problems.len() == before).then_some(MethodProfile {
        name: raw.name,
        fallback,
        address,
        language,
        method: Method::Code { method, ttl },
    })
}

fn language(checker: &mut Checker, place: &Place, attribute: Option<String>, tag: Option<String>) -> Language {
    let tag = tag.unwrap_or_else(|| Language::DEFAULT.to_owned());
    if language_tag(&tag) != Some(tag.as_str()) {
        checker.problem(
            place,
            format!("language = {tag:?} is no language"),
            "write a BCP 47 tag such as \"en\", \"de\" or \"tr\"",
        );
    }
    Language { attribute, tag }
}

/// The first tag of what a directory says of a language: "de", or, as RFC 2798 has it, "de, en-gb;q=0.8".
pub fn language_tag(text: &str) -> Option<&str> {
    let first = text.split([',', ';']).next()?.trim();
    let fits = (1..=35).contains(&first.len())
        && first.starts_with(|c: char| c.is_ascii_alphabetic())
        && first.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    fits.then_some(first)
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
