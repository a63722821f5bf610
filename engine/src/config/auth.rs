//! Authentication profiles, raw → checked. The agent's configuration and the panel's have the same ones.

use super::checker::{Checker, Named, Place};
use super::files::line_of;
use super::ldap::ldap_profile;
use super::parse::parse_auth_profiles;
use super::profile::LocalProfile;
use super::raw::RawAuthProfile;
use super::{AuthIndex, AuthProfile, AuthSource, OnUnreachable, Problems};
use assent_proto::ShortText;
use std::path::Path;

/// The `[[auth_profile]]`s of another program's `file`, whose other keys are that program's own affair. Credentials
/// are those of the systemd service `unit`.
///
/// # Errors
/// Every problem at once.
pub fn load_auth_profiles(file: &Path, text: &str, unit: &'static str) -> Result<Vec<AuthProfile>, Problems> {
    let mut problems = Vec::new();
    let raw = parse_auth_profiles(file, text, &mut problems);
    let mut checker = Checker::new(problems, unit);
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
        "ldap" => AuthSource::Ldap(Box::new(ldap_profile(checker, place, raw)?)),
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

fn local_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<LocalProfile> {
    if super::ldap::has_keys(&raw) {
        checker.problem(
            place,
            "a local profile has keys of an LDAP one",
            "keep name, kind, realm, on_unreachable and users_file",
        );
        return None;
    }
    let realm = match raw.realm {
        None => None,
        // Part of who somebody is: never left out quietly (R58).
        Some(text) => match ShortText::new(text).filter(|realm| !realm.as_str().is_empty()) {
            None => {
                checker.problem(
                    place,
                    "the realm is empty or too long",
                    "write a short name such as \"local\", or remove it for the realm of this host",
                );
                return None;
            }
            some => some,
        },
    };
    Some(LocalProfile {
        name: raw.name,
        realm,
        may_be_absent: raw.users_file.is_none(),
        users_file: raw.users_file.unwrap_or_else(|| "/etc/assent/users.toml".into()),
    })
}
