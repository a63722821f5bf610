//! Finds the one entry of a user.

use super::account;
use super::dial::{Connection, Failure};
use super::dn::Dn;
use super::entry::Entry;
use super::verdict;
use crate::config::profile::LdapProfile;
use crate::names::UserName;
use ldap3::{ResultEntry, Scope, SearchOptions};

/// Entries that are read off before a connection is given up: some servers ignore the size limit.
const MAX_DRAINED: usize = 64;

/// What a search found.
#[derive(Debug)]
pub enum Outcome {
    /// One entry, under the base.
    Found(Box<Entry>),
    /// None.
    Unknown,
    /// Several.
    Ambiguous,
    /// One that nothing can be told from.
    Odd(String),
}

/// The filter for a user: the name is escaped, so it can be nothing but a value (R61).
pub fn filter(profile: &LdapProfile, user: &UserName) -> String {
    let name = ldap3::ldap_escape(user.as_str());
    match &profile.user_filter {
        Some(besides) => format!("(&({}={name}){})", profile.user_attribute, in_brackets(besides)),
        None => format!("({}={name})", profile.user_attribute),
    }
}

fn in_brackets(filter: &str) -> String {
    let filter = filter.trim();
    if filter.starts_with('(') {
        filter.to_owned()
    } else {
        format!("({filter})")
    }
}

/// What is asked for, each once.
pub fn attributes(profile: &LdapProfile) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let wanted = [&profile.id_attribute, &profile.user_attribute]
        .into_iter()
        .chain(&profile.attributes);
    for name in wanted.map(String::as_str).chain(account::ATTRIBUTES) {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push(name.to_owned());
        }
    }
    all
}

/// Searches on a connection. References to other servers are never followed (R63): they may lead out of TLS.
pub async fn search(
    connection: &mut Connection,
    profile: &LdapProfile,
    base: &Dn,
    user: &UserName,
) -> Result<Outcome, Failure> {
    let limit = i32::try_from(profile.timeout.as_secs()).unwrap_or(30).max(1);
    let options = SearchOptions::new().sizelimit(2).timelimit(limit);
    let filter = filter(profile, user);
    let mut ldap = connection.ldap.clone();
    let stream = ldap
        .with_search_options(options)
        .streaming_search(&profile.base, Scope::Subtree, &filter, attributes(profile))
        .await;
    let mut stream = stream.map_err(|e| connection.failure("search", &e))?;
    let mut first = None;
    let mut count = 0;
    while let Some(raw) = stream.next().await.map_err(|e| connection.failure("search", &e))? {
        if raw.is_ref() || raw.is_intermediate() {
            continue;
        }
        count += 1;
        first = first.or(Some(raw));
        if count > MAX_DRAINED {
            return Err(Failure(format!(
                "search: more than {MAX_DRAINED} entries of one user name"
            )));
        }
    }
    let result = stream.finish().await;
    match (result.rc, count, first) {
        // Size limit exceeded says the same as two entries.
        (0 | 4, 2.., _) => Ok(Outcome::Ambiguous),
        (0, 0, _) => Ok(Outcome::Unknown),
        (0, 1, Some(raw)) => Ok(judge(raw, base)),
        _ => Err(Failure(format!("search: {}", verdict::shown(&result)))),
    }
}

fn judge(raw: ResultEntry, base: &Dn) -> Outcome {
    let entry = match Entry::new(raw) {
        Ok(entry) => entry,
        Err(what) => return Outcome::Odd(format!("the server sent {what}")),
    };
    match Dn::parse(&entry.dn) {
        Some(dn) if !dn.is_empty() && dn.is_under(base) => Outcome::Found(Box::new(entry)),
        _ => {
            let shown = assent_proto::text::visible(&entry.dn);
            Outcome::Odd(format!("the server sent an entry outside the base: {shown}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::tests::profile;
    use assent_proto::text::Outside;

    fn of(name: &str, user_filter: Option<&str>) -> String {
        let profile = LdapProfile {
            user_filter: user_filter.map(str::to_owned),
            ..profile()
        };
        filter(&profile, &UserName::new(&Outside::new(name.as_bytes())).unwrap())
    }

    #[test]
    fn r61_a_user_name_is_never_more_than_a_value_in_the_filter() {
        assert_eq!(of("alice", None), "(uid=alice)");
        assert_eq!(of("*)(uid=*", None), r"(uid=\2a\29\28uid=\2a)");
        assert_eq!(
            of("alice)(|(uid=*", Some("(objectClass=person)")),
            r"(&(uid=alice\29\28|\28uid=\2a)(objectClass=person))"
        );
        assert_eq!(
            of(r"a\2a", Some("objectClass=person")),
            r"(&(uid=a\5c2a)(objectClass=person))"
        );
        assert_eq!(of("Zoë", None), "(uid=Zoë)");
        for odd in [
            "*", "(", ")", "\\", "&", "|", "!", "=", "~=", ">=", "ä*ö", "a)(&", "\\)",
        ] {
            let filter = of(odd, Some("(objectClass=person)"));
            assert!(ldap3::parse_filter(&filter).is_ok(), "{filter}");
            let brackets = filter.matches('(').count();
            assert_eq!(
                (brackets, filter.matches(')').count(), filter.matches('*').count()),
                (3, 3, 0),
                "{filter}"
            );
        }
    }

    #[test]
    fn every_attribute_is_asked_for_once_and_by_name() {
        let profile = LdapProfile {
            attributes: vec!["memberOf".to_owned(), "UID".to_owned(), "nsaccountlock".to_owned()],
            ..profile()
        };
        let asked = attributes(&profile);
        let mut folded: Vec<String> = asked.iter().map(|name| name.to_lowercase()).collect();
        folded.sort();
        let count = folded.len();
        folded.dedup();
        assert_eq!(folded.len(), count, "{asked:?}");
        assert!(folded.contains(&"entryuuid".to_owned()) && folded.contains(&"pwdreset".to_owned()));
    }
}
