//! LDAP profiles, raw → checked: every key, what a preset sets where a key is absent, and what must not stand together.
//! Called by [`super::auth`] alone; asks no server.

use super::auth::loopback;
use super::checker::{Checker, Place};
use super::preset::{self, AccountRules, Defaults, Nesting, Preset};
use super::profile::{CacheLimits, GroupSearch, LdapProfile, LdapSecurity, LdapServer, ServiceAccount};
use super::raw::RawAuthProfile;
use super::service_account::service_account;
use crate::directory::ldap::{domain_of, is_attribute, is_dn, is_filter, uri_problem};
use assent_proto::ShortText;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most attributes that a user name may be in.
const MAX_LOGIN_NAMES: usize = 8;
/// Users' binds under way at once on one server, unless the profile says otherwise.
const MAX_BINDS: usize = 32;

/// Whether a profile has a key that only an LDAP one may have.
pub(super) fn has_keys(raw: &RawAuthProfile) -> bool {
    !raw.uris.is_empty()
        || !raw.attribute_map.is_empty()
        || [raw.starttls, raw.plain_loopback, raw.nested]
            .iter()
            .any(Option::is_some)
        || [raw.timeout_seconds, raw.cache_seconds, raw.stale_seconds]
            .iter()
            .any(Option::is_some)
        || [
            &raw.ca_file,
            &raw.bind_password_file,
            &raw.client_certificate_file,
            &raw.client_key_file,
        ]
        .iter()
        .any(|path| path.is_some())
        || [&raw.login_names, &raw.group_members].iter().any(|list| list.is_some())
        || raw.max_binds.is_some()
        || [
            &raw.preset,
            &raw.base,
            &raw.bind,
            &raw.bind_dn,
            &raw.bind_password_credential,
            &raw.user_attribute,
            &raw.user_filter,
            &raw.id_attribute,
            &raw.account_rules,
            &raw.nested_by,
            &raw.group_base,
            &raw.group_filter,
        ]
        .iter()
        .any(|text| text.is_some())
}

/// Checks an LDAP profile; every problem is told.
pub(super) fn ldap_profile(checker: &mut Checker, place: &Place, mut raw: RawAuthProfile) -> Option<LdapProfile> {
    let before = checker.problems.len();
    if raw.users_file.is_some() {
        checker.problem(place, "users_file belongs to kind = \"local\"", "remove it");
    }
    let base = base(checker, place, &mut raw);
    let realm = raw.realm.take().and_then(ShortText::new);
    let realm = realm.filter(|realm| !realm.as_str().is_empty());
    if realm.is_none() {
        checker.problem(
            place,
            "an LDAP profile needs a realm",
            "add realm = \"…\", the same on every host and on the panel",
        );
    }
    let servers: Vec<LdapServer> = raw
        .uris
        .iter()
        .filter_map(|uri| ldap_server(checker, place, uri, raw.starttls, raw.plain_loopback))
        .collect();
    if raw.uris.is_empty() {
        checker.problem(
            place,
            "an LDAP profile needs at least one server",
            "add uris = [\"ldaps://…\"]",
        );
    }
    let service = service_account(checker, place, &mut raw);
    if matches!(service, Some(ServiceAccount::External(_)))
        && servers.iter().any(|s| s.security == LdapSecurity::PlainLoopback)
    {
        checker.problem(
            place,
            "a client certificate needs TLS",
            "leave starttls on, or use ldaps://",
        );
    }
    let defaults = defaults(checker, place, raw.preset.as_deref());
    let (accounts, nesting) = rules(checker, place, &raw, defaults);
    let user_filter = filter(
        checker,
        place,
        "user_filter",
        raw.user_filter.take(),
        defaults.user_filter,
    );
    let login_names = login_names(checker, place, &mut raw, defaults);
    let id_attribute = raw.id_attribute.take().unwrap_or_else(|| defaults.id_attribute.into());
    attribute(checker, place, "id_attribute", &id_attribute);
    let groups = groups(checker, place, &mut raw, base.as_deref().unwrap_or_default(), defaults);
    let attribute_map = attribute_map(checker, place, &raw.attribute_map);
    let timeout = bounded(checker, place, "timeout_seconds", raw.timeout_seconds, 5, 1, 30);
    let max_binds = raw.max_binds.map(|n| n as u64);
    let max_binds = bounded(checker, place, "max_binds", max_binds, MAX_BINDS as u64, 1, 256);
    let cache = cache(checker, place, &raw);
    if checker.problems.len() != before {
        return None;
    }
    Some(LdapProfile {
        name: raw.name,
        realm: realm?,
        servers,
        base: base?,
        service,
        ca_file: raw.ca_file,
        login_names,
        user_filter,
        id_attribute,
        attributes: Vec::new(),
        attribute_map,
        accounts,
        nesting,
        groups,
        max_binds: usize::try_from(max_binds).unwrap_or(MAX_BINDS),
        cache,
        timeout: Duration::from_secs(timeout),
    })
}

fn base(checker: &mut Checker, place: &Place, raw: &mut RawAuthProfile) -> Option<String> {
    let Some(base) = raw.base.take() else {
        checker.problem(place, "an LDAP profile needs a base", "add base = \"dc=…\"");
        return None;
    };
    dn(checker, place, "base", &base);
    Some(base)
}

fn defaults(checker: &mut Checker, place: &Place, preset: Option<&str>) -> Defaults {
    let options = Preset::NAMES.map(|(name, preset)| (name, Some(preset)));
    preset::defaults(checker.choice(place, "preset", preset, None, &options))
}

fn rules(checker: &mut Checker, place: &Place, raw: &RawAuthProfile, defaults: Defaults) -> (AccountRules, Nesting) {
    let named = raw.account_rules.as_deref();
    let accounts = checker.choice(place, "account_rules", named, defaults.accounts, &AccountRules::NAMES);
    let named = raw.nested_by.as_deref();
    let nesting = checker.choice(place, "nested_by", named, defaults.nesting, &Nesting::NAMES);
    if raw.nested == Some(false) {
        if named.is_some() {
            checker.problem(place, "nested = false with a nested_by", "keep one of them");
        }
        return (accounts, Nesting::Off);
    }
    (accounts, nesting)
}

fn login_names(checker: &mut Checker, place: &Place, raw: &mut RawAuthProfile, defaults: Defaults) -> Vec<String> {
    if raw.user_attribute.is_some() && raw.login_names.is_some() {
        checker.problem(
            place,
            "user_attribute and login_names say the same",
            "keep user_attribute for one attribute, or login_names for several",
        );
    }
    let names = raw
        .login_names
        .take()
        .or_else(|| raw.user_attribute.take().map(|name| vec![name]))
        .unwrap_or_else(|| vec![defaults.login_name.into()]);
    if names.is_empty() || names.len() > MAX_LOGIN_NAMES {
        checker.problem(
            place,
            format!("login_names has {} attributes", names.len()),
            format!("name 1 to {MAX_LOGIN_NAMES}"),
        );
    }
    for name in &names {
        attribute(checker, place, "login_names", name);
    }
    names
}

fn groups(
    checker: &mut Checker,
    place: &Place,
    raw: &mut RawAuthProfile,
    base: &str,
    defaults: Defaults,
) -> GroupSearch {
    let base = match raw.group_base.take() {
        Some(base) => {
            dn(checker, place, "group_base", &base);
            base
        }
        None => domain_of(base),
    };
    let members = raw
        .group_members
        .take()
        .unwrap_or_else(|| preset::GROUP_MEMBERS.map(str::to_owned).to_vec());
    if members.is_empty() || members.len() > MAX_LOGIN_NAMES {
        checker.problem(
            place,
            format!("group_members has {} attributes", members.len()),
            format!("name 1 to {MAX_LOGIN_NAMES}, such as \"member\", or set nested = false"),
        );
    }
    for name in &members {
        attribute(checker, place, "group_members", name);
    }
    GroupSearch {
        base,
        filter: filter(
            checker,
            place,
            "group_filter",
            raw.group_filter.take(),
            defaults.group_filter,
        ),
        members,
    }
}

fn attribute_map(checker: &mut Checker, place: &Place, raw: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (ours, theirs) in raw {
        attribute(checker, place, "attribute_map", ours);
        attribute(checker, place, "attribute_map", theirs);
        if map.insert(ours.to_ascii_lowercase(), theirs.clone()).is_some() {
            checker.problem(place, format!("attribute_map has {ours:?} twice"), "keep one of them");
        }
    }
    map
}

fn cache(checker: &mut Checker, place: &Place, raw: &RawAuthProfile) -> Option<CacheLimits> {
    let fresh = bounded(checker, place, "cache_seconds", raw.cache_seconds, 0, 0, 3600);
    let stale = bounded(checker, place, "stale_seconds", raw.stale_seconds, 0, 0, 7 * 86_400);
    (fresh > 0 || stale > 0).then(|| CacheLimits {
        fresh: Duration::from_secs(fresh),
        stale: Duration::from_secs(stale),
    })
}

fn bounded(
    checker: &mut Checker,
    place: &Place,
    key: &str,
    value: Option<u64>,
    default: u64,
    least: u64,
    most: u64,
) -> u64 {
    let value = value.unwrap_or(default);
    if !(least..=most).contains(&value) {
        checker.problem(
            place,
            format!("{key} = {value} is out of bounds"),
            format!("use {least} to {most}"),
        );
    }
    value
}

fn dn(checker: &mut Checker, place: &Place, key: &str, text: &str) {
    if !is_dn(text) {
        checker.problem(
            place,
            format!("{key} = {text:?} is no DN"),
            "write it as in RFC 4514, such as \"dc=example,dc=org\"",
        );
    }
}

fn attribute(checker: &mut Checker, place: &Place, key: &str, name: &str) {
    if !is_attribute(name) {
        checker.problem(
            place,
            format!("{key}: {name:?} is no LDAP attribute"),
            "name an attribute, such as \"uid\"",
        );
    }
}

fn filter(
    checker: &mut Checker,
    place: &Place,
    key: &str,
    value: Option<String>,
    default: Option<&str>,
) -> Option<String> {
    let Some(value) = value else {
        return default.map(str::to_owned);
    };
    if !is_filter(&value) {
        checker.problem(
            place,
            format!("{key} is no filter"),
            "write it as in RFC 4515, such as \"(objectClass=person)\"",
        );
    }
    Some(value)
}

fn ldap_server(
    checker: &mut Checker,
    place: &Place,
    uri: &str,
    starttls: Option<bool>,
    plain: Option<bool>,
) -> Option<LdapServer> {
    if uri.starts_with("ldaps://") {
        return server(checker, place, uri, LdapSecurity::Ldaps);
    }
    let Some(authority) = uri.strip_prefix("ldap://") else {
        checker.problem(
            place,
            format!("the uri {uri:?} is not known"),
            "use ldaps://host or ldap://host",
        );
        return None;
    };
    if starttls == Some(false) {
        if plain == Some(true) && loopback(authority.trim_end_matches('/')) {
            return server(checker, place, uri, LdapSecurity::PlainLoopback);
        }
        checker.problem(
            place,
            format!("passwords would cross the network to {uri} unprotected"),
            "use ldaps://, or leave starttls on; plain LDAP is for a loopback address with plain_loopback = true",
        );
        return None;
    }
    server(checker, place, uri, LdapSecurity::StartTls)
}

fn server(checker: &mut Checker, place: &Place, uri: &str, security: LdapSecurity) -> Option<LdapServer> {
    let server = LdapServer {
        uri: uri.to_owned(),
        security,
    };
    match uri_problem(&server) {
        None => Some(server),
        Some(why) => {
            let mend = "write ldaps://host or ldaps://host:port; the base has a key of its own";
            checker.problem(place, why, mend);
            None
        }
    }
}
