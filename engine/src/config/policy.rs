//! Policies, raw → checked.

use super::checker::{Checker, Named, Place};
use super::conditions::conditions;
use super::method::assurance;
use super::raw::RawPolicy;
use super::{Action, AttributeTest, AuthIndex, AuthProfile, AuthSource, Method, MethodProfile, Policy};
use crate::directory::{Syntax, ldap, syntax};
use crate::matcher::Matcher;

/// What stands around a policy: profiles that are wrong themselves are `None`.
pub(super) struct Around<'a> {
    pub auth_profiles: &'a [Option<AuthProfile>],
    pub methods: &'a [Option<MethodProfile>],
}

pub(super) fn policy(checker: &mut Checker, place: &Place, around: &Around, raw: RawPolicy) -> Option<Policy> {
    let before = checker.problems.len();
    let name = match (&raw.profile, &raw.push_profile) {
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => {
            checker.problem(place, "a policy belongs to a profile", "add push_profile = \"…\"");
            return None;
        }
        (Some(_), Some(_)) => {
            checker.problem(place, "a policy belongs to one profile", "keep profile or push_profile");
            return None;
        }
    };
    let method = match checker.names.get(&name) {
        Some((Named::Method(index), _)) => Some(*index),
        _ => {
            let known = checker.known(|n| matches!(n, Named::Method(_)));
            checker.problem(place, format!("there is no method profile {name:?}"), known);
            None
        }
    };
    let auth_profile = checker.auth(&raw.auth_profile, place);
    if let (Some(method), Some(auth)) = (method, auth_profile)
        && around.methods[method.0]
            .as_ref()
            .is_some_and(|p| !p.fallback.contains(&auth))
    {
        checker.problem(
            place,
            format!(
                "the policy's auth_profile {:?} is none of {name:?}'s fallback_auth_profiles",
                raw.auth_profile
            ),
            "add it there, or name one of them",
        );
    }
    let conditions = conditions(checker, place, &raw);
    let attribute = attribute(checker, place, around, auth_profile, &raw);
    let action = checker.choice(place, "action", raw.action.as_deref(), Action::Use, &Action::WORDS);
    let assurance = assurance(checker, place, raw.assurance.as_deref());
    if assurance.is_some() && action != Action::Use {
        checker.problem(
            place,
            "assurance says how sure a push must be, and the policy's action is not to use one",
            "remove it, or the action",
        );
    }
    if assurance.is_some()
        && let Some(profile) = method.and_then(|method| around.methods[method.0].as_ref())
        && !matches!(profile.method, Method::Push { .. })
    {
        checker.problem(
            place,
            format!("assurance says how sure a push must be, and {name:?} is no push profile"),
            "remove it, or name a push profile",
        );
    }
    if attribute.is_none()
        && checker.problems.len() == before
        && conditions.as_ref().is_some_and(|conditions| conditions.is_empty())
    {
        checker.problem(
            place,
            "the policy asks for nothing",
            "add attribute = \"department\" or another one with its values, or a condition: services, networks, when, countries",
        );
    }
    if checker.problems.len() != before {
        return None;
    }
    Some(Policy {
        method: method?,
        auth_profile: auth_profile?,
        attribute,
        conditions: conditions?,
        assurance,
        action,
        place: format!("{}:{}", place.file.display(), place.line),
    })
}

/// A name that no directory could be asked for, and one that local users do not have.
fn unknown_attribute(checker: &mut Checker, place: &Place, profile: &AuthProfile, name: &str) {
    let local = syntax::LOCAL.join(", ");
    match &profile.source {
        AuthSource::Ldap(ldap) if !ldap::is_attribute(ldap.directory_name(name)) => checker.problem(
            place,
            format!(
                "attribute = {name:?} is no LDAP attribute, and {:?} is LDAP",
                profile.name()
            ),
            format!("use a name such as \"department\" or \"memberOf\"; {local} are attributes of local users"),
        ),
        AuthSource::Local(_) if !syntax::LOCAL.iter().any(|known| known.eq_ignore_ascii_case(name)) => checker.warning(
            place,
            format!("local users have no attribute {name:?}, so this policy matches nobody"),
            format!("known are: {local}"),
        ),
        AuthSource::Ldap(_) | AuthSource::Local(_) => {}
    }
}

fn attribute(
    checker: &mut Checker,
    place: &Place,
    around: &Around,
    auth_profile: Option<AuthIndex>,
    raw: &RawPolicy,
) -> Option<AttributeTest> {
    let exact = checker.choice(
        place,
        "case",
        raw.case.as_deref(),
        false,
        &[("exact", true), ("ignore", false)],
    );
    let Some(name) = raw.attribute.clone().filter(|name| !name.is_empty()) else {
        if !raw.values.is_empty() || !raw.regex.is_empty() || raw.attribute.is_some() {
            checker.problem(
                place,
                "the policy names values of no attribute",
                "add attribute = \"department\" or another one",
            );
        }
        return None;
    };
    for value in raw.values.iter().filter(|value| value.trim() != value.as_str()) {
        checker.warning(
            place,
            format!("the value {value:?} has blanks at its ends, which directories drop"),
            "write it without them",
        );
    }
    let profile = auth_profile.and_then(|index| around.auth_profiles[index.0].as_ref());
    if let Some(profile) = profile {
        unknown_attribute(checker, place, profile, &name);
    }
    let syntax = profile.map_or(Syntax::Text, |profile| syntax::of(&profile.source, &name));
    match Matcher::new(&raw.values, &raw.regex, exact, syntax) {
        Ok(matcher) => Some(AttributeTest { name, matcher }),
        Err(wrong) => {
            for e in wrong {
                checker.problem(place, e.to_string(), "see the manual's page on policies");
            }
            None
        }
    }
}
