//! How an attribute's values compare, by the kind of profile that has it.

use super::{Syntax, ldap};
use crate::config::AuthSource;

/// The syntax of an attribute, whose name's case does not count.
pub fn of(source: &AuthSource, attribute: &str) -> Syntax {
    match source {
        AuthSource::Ldap(_) => ldap::syntax(attribute),
        AuthSource::Local(_) => local(attribute),
    }
}

/// Names on a Unix system are exact; what `users.toml` says of a person is text.
pub(super) fn local(attribute: &str) -> Syntax {
    match attribute.to_ascii_lowercase().as_str() {
        "username" | "uid" | "home" | "shell" | "group_name" => Syntax::ExactText,
        _ => Syntax::Text,
    }
}
