//! Authentication profiles, raw → checked. The agent's configuration and the panel's have the same ones.

use super::checker::{Checker, Named, Place};
use super::files::line_of;
use super::profile::{LdapProfile, LdapSecurity, LdapServer, LocalProfile, ServiceAccount};
use super::raw::{RawAuthProfile, RawAuthProfiles};
use super::{AuthIndex, AuthProfile, AuthSource, OnUnreachable, Problem, Problems};
use assent_proto::ShortText;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The `[[auth_profile]]`s of another program's `file`, whose other keys are that program's own affair. Credentials
/// are those of the systemd service `unit`.
///
/// # Errors
/// Every problem at once.
pub fn load_auth_profiles(file: &Path, text: &str, unit: &'static str) -> Result<Vec<AuthProfile>, Problems> {
    let raw: RawAuthProfiles = toml::from_str(text).map_err(|e| {
        Problems(vec![Problem {
            file: file.to_owned(),
            line: e.span().map(|span| line_of(text, span.start)),
            what: e.message().replace('\n', ", "),
            mend: "see the manual's reference of keys".into(),
        }])
    })?;
    let mut checker = Checker::new(Vec::new(), unit);
    let mut profiles = Vec::new();
    for (at, raw) in raw.auth_profile.into_iter().enumerate() {
        let place = Place {
            file: file.to_owned(),
            line: line_of(text, raw.span().start),
        };
        checker.name(&raw.get_ref().name, Named::Auth(AuthIndex(at)), &place);
        profiles.extend(auth_profile(&mut checker, &place, raw.into_inner()));
    }
    if checker.problems.is_empty() {
        return Ok(profiles);
    }
    Err(Problems(checker.problems))
}

/// Whether `host[:port]` is a loopback address, written as an address.
pub(super) fn loopback(authority: &str) -> bool {
    authority
        .parse::<std::net::SocketAddr>()
        .map(|addr| addr.ip())
        .or_else(|_| authority.trim_matches(['[', ']']).parse::<std::net::IpAddr>())
        .is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn auth_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<AuthProfile> {
    let on_unreachable = checker.choice(
        place,
        "on_unreachable",
        raw.on_unreachable.as_deref(),
        OnUnreachable::Deny,
        &[("deny", OnUnreachable::Deny), ("next", OnUnreachable::Next)],
    );
    let source = match raw.kind.as_str() {
        "ldap" => AuthSource::Ldap(ldap_profile(checker, place, raw)?),
        "local" => AuthSource::Local(local_profile(checker, place, raw)?),
        other => {
            checker.problem(
                place,
                format!("kind = {other:?} is not known"),
                "use \"ldap\" or \"local\"",
            );
            return None;
        }
    };
    Some(AuthProfile { source, on_unreachable })
}

fn ldap_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<LdapProfile> {
    let before = checker.problems.len();
    if raw.users_file.is_some() {
        checker.problem(place, "users_file belongs to kind = \"local\"", "remove it");
    }
    let Some(base) = raw.base else {
        checker.problem(place, "an LDAP profile needs a base", "add base = \"dc=…\"");
        return None;
    };
    let Some(realm) = raw.realm.and_then(ShortText::new).filter(|r| !r.as_str().is_empty()) else {
        checker.problem(
            place,
            "an LDAP profile needs a realm",
            "add realm = \"…\", the same on every host and on the panel",
        );
        return None;
    };
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
    let service = service_account(
        checker,
        place,
        raw.bind_dn,
        raw.bind_password_file,
        raw.bind_password_credential,
    );
    if raw
        .user_filter
        .as_deref()
        .is_some_and(|f| !(f.starts_with('(') && f.ends_with(')')))
    {
        checker.problem(
            place,
            "user_filter is no filter",
            "write it as in RFC 4515, such as \"(objectClass=person)\"",
        );
    }
    let timeout = raw.timeout_seconds.unwrap_or(5);
    if !(1..=30).contains(&timeout) {
        checker.problem(
            place,
            format!("timeout_seconds = {timeout} is out of bounds"),
            "use 1 to 30",
        );
    }
    (checker.problems.len() == before).then(|| LdapProfile {
        name: raw.name,
        realm,
        servers,
        base,
        service,
        ca_file: raw.ca_file,
        user_attribute: raw.user_attribute.unwrap_or_else(|| "uid".into()),
        user_filter: raw.user_filter,
        id_attribute: raw.id_attribute.unwrap_or_else(|| "entryUUID".into()),
        attributes: Vec::new(),
        timeout: Duration::from_secs(timeout),
    })
}

fn ldap_server(
    checker: &mut Checker,
    place: &Place,
    uri: &str,
    starttls: Option<bool>,
    plain: Option<bool>,
) -> Option<LdapServer> {
    let server = |security| {
        Some(LdapServer {
            uri: uri.to_owned(),
            security,
        })
    };
    if uri.starts_with("ldaps://") {
        return server(LdapSecurity::Ldaps);
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
            return server(LdapSecurity::PlainLoopback);
        }
        checker.problem(
            place,
            format!("passwords would cross the network to {uri} unprotected"),
            "use ldaps://, or leave starttls on; plain LDAP is for a loopback address with plain_loopback = true",
        );
        return None;
    }
    server(LdapSecurity::StartTls)
}

fn service_account(
    checker: &mut Checker,
    place: &Place,
    dn: Option<String>,
    file: Option<PathBuf>,
    credential: Option<String>,
) -> Option<ServiceAccount> {
    let credential = credential.and_then(|name| credential_path(checker, place, &name));
    let password_file = match (file, credential) {
        (Some(_), Some(_)) => {
            checker.problem(
                place,
                "the service password is given twice",
                "keep bind_password_file or bind_password_credential",
            );
            return None;
        }
        (file, credential) => file.or(credential),
    };
    match (dn, password_file) {
        (None, None) => None,
        (Some(dn), Some(_)) if dn.is_empty() => {
            checker.problem(place, "bind_dn is empty", "remove it to search without a name");
            None
        }
        (Some(bind_dn), Some(password_file)) => Some(ServiceAccount { bind_dn, password_file }),
        (Some(_), None) => {
            checker.problem(
                place,
                "bind_dn has no password",
                "add bind_password_credential or bind_password_file",
            );
            None
        }
        (None, Some(_)) => {
            checker.problem(place, "there is a service password but no bind_dn", "add bind_dn");
            None
        }
    }
}

/// A credential's path as systemd lays it out for this service (systemd.exec(5), `LoadCredential`).
fn credential_path(checker: &mut Checker, place: &Place, name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        checker.problem(
            place,
            format!("the credential name {name:?} cannot be used"),
            "name a systemd credential",
        );
        return None;
    }
    Some(Path::new("/run/credentials").join(checker.unit).join(name))
}

fn local_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<LocalProfile> {
    let ldap_only = !raw.uris.is_empty()
        || raw.base.is_some()
        || raw.bind_dn.is_some()
        || raw.bind_password_file.is_some()
        || raw.bind_password_credential.is_some()
        || raw.ca_file.is_some()
        || raw.starttls.is_some()
        || raw.plain_loopback.is_some()
        || raw.user_attribute.is_some()
        || raw.user_filter.is_some()
        || raw.id_attribute.is_some()
        || raw.timeout_seconds.is_some();
    if ldap_only {
        checker.problem(
            place,
            "a local profile has keys of an LDAP one",
            "keep name, kind, realm, on_unreachable and users_file",
        );
        return None;
    }
    Some(LocalProfile {
        name: raw.name,
        realm: raw.realm.and_then(ShortText::new),
        may_be_absent: raw.users_file.is_none(),
        users_file: raw.users_file.unwrap_or_else(|| "/etc/assent/users.toml".into()),
    })
}
