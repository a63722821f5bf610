//! How an attribute's values compare, by the kind of profile that has it.

use super::{Syntax, ldap};
use crate::config::AuthSource;

/// The syntax of an attribute by the name that policies use, whose case does not count.
pub fn of(source: &AuthSource, attribute: &str) -> Syntax {
    match source {
        AuthSource::Ldap(profile) => ldap::syntax(profile.directory_name(attribute)),
        AuthSource::Local(_) => local(attribute),
    }
}

/// The attributes of local users.
pub const LOCAL: [&str; 9] = [
    "username",
    "uid",
    "home",
    "shell",
    "group_name",
    "first_name",
    "last_name",
    "email",
    "mobile",
];

/// Names on a Unix system are exact; what `users.toml` says of a person is text.
pub(super) fn local(attribute: &str) -> Syntax {
    match attribute.to_ascii_lowercase().as_str() {
        "username" | "uid" | "home" | "shell" | "group_name" => Syntax::ExactText,
        _ => Syntax::Text,
    }
}
