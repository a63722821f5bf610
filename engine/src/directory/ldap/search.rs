//! Searches: any bounded one, and the one for a user's entry.

use super::account;
use super::dial::{Connection, Failure};
use super::dn::Dn;
use super::entry::Entry;
use super::verdict;
use crate::config::profile::LdapProfile;
use crate::names::UserName;
use ldap3::controls::RawControl;
use ldap3::{LdapResult, ResultEntry, Scope, SearchOptions};

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

/// One search.
pub struct Query<'a> {
    /// Where.
    pub base: &'a str,
    /// How far down.
    pub scope: Scope,
    /// For what, escaped.
    pub filter: &'a str,
    /// What to bring.
    pub attributes: Vec<String>,
    /// The server's own limit of entries; 0 for none. Some ignore it.
    pub size_limit: i32,
    /// More entries than these end the connection.
    pub most: usize,
    /// Beside it.
    pub control: Option<RawControl>,
}

/// Runs a search to its end. References to other servers are never followed (R63): they may lead out of TLS.
pub async fn entries(
    connection: &mut Connection,
    query: Query<'_>,
    seconds: u64,
) -> Result<(Vec<ResultEntry>, LdapResult), Failure> {
    let limit = i32::try_from(seconds).unwrap_or(30).max(1);
    let options = SearchOptions::new().sizelimit(query.size_limit).timelimit(limit);
    let mut ldap = connection.ldap.clone();
    ldap.with_search_options(options);
    if let Some(control) = query.control {
        ldap.with_controls(control);
    }
    let stream = ldap
        .streaming_search(query.base, query.scope, query.filter, query.attributes)
        .await;
    let mut stream = stream.map_err(|e| connection.failure("search", &e))?;
    let mut found = Vec::new();
    while let Some(raw) = stream.next().await.map_err(|e| connection.failure("search", &e))? {
        if raw.is_ref() || raw.is_intermediate() {
            continue;
        }
        found.push(raw);
        if found.len() > query.most {
            return Err(Failure(format!("search: more than {} entries", query.most)));
        }
    }
    Ok((found, stream.finish().await))
}

/// The filter for a user: the name is escaped, so it can be nothing but a value (R61). Whoever is found by two of the
/// attributes is one entry all the same; two entries are two, whichever attribute it was.
pub fn filter(profile: &LdapProfile, user: &UserName) -> String {
    let name = ldap3::ldap_escape(user.as_str());
    let by = profile
        .login_names
        .iter()
        .map(|attribute| format!("({attribute}={name})"));
    let by = match profile.login_names.len() {
        1 => by.collect(),
        _ => format!("(|{})", by.collect::<String>()),
    };
    match &profile.user_filter {
        Some(besides) => format!("(&{by}{})", in_brackets(besides)),
        None => by,
    }
}

/// A filter with its outer brackets.
pub fn in_brackets(filter: &str) -> String {
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
    let wanted = profile.attributes.iter().map(|name| profile.directory_name(name));
    let wanted = [profile.id_attribute.as_str()]
        .into_iter()
        .chain(profile.login_names.iter().map(String::as_str))
        .chain(wanted);
    for name in wanted.chain(account::attributes(profile.accounts)) {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push(name.to_owned());
        }
    }
    all
}

/// Searches for a user.
pub async fn user(
    connection: &mut Connection,
    profile: &LdapProfile,
    base: &Dn,
    user: &UserName,
) -> Result<Outcome, Failure> {
    let query = Query {
        base: &profile.base,
        scope: Scope::Subtree,
        filter: &filter(profile, user),
        attributes: attributes(profile),
        size_limit: 2,
        most: MAX_DRAINED,
        control: None,
    };
    let (mut found, result) = entries(connection, query, profile.timeout.as_secs()).await?;
    match (result.rc, found.len()) {
        // Size limit exceeded says the same as two entries.
        (0 | 4, 2..) => Ok(Outcome::Ambiguous),
        (0, 0) => Ok(Outcome::Unknown),
        (0, 1) => Ok(judge(found.remove(0), base)),
        _ => Err(Failure(format!("search: {}", verdict::shown(&result)))),
    }
}

fn judge(raw: ResultEntry, base: &Dn) -> Outcome {
    match under(raw, base) {
        Ok((entry, dn)) if !dn.is_empty() => Outcome::Found(Box::new(entry)),
        Ok(_) => Outcome::Odd("the server sent an entry outside the base: the root".to_owned()),
        Err(what) => Outcome::Odd(what),
    }
}

/// An entry that stands under `base`, with its name; the text says what is wrong with it.
pub fn under(raw: ResultEntry, base: &Dn) -> Result<(Entry, Dn), String> {
    let entry = Entry::new(raw).map_err(|what| format!("the server sent {what}"))?;
    match Dn::parse(&entry.dn) {
        Some(dn) if dn.is_under(base) => Ok((entry, dn)),
        _ => {
            let shown = assent_proto::text::visible(&entry.dn);
            Err(format!("the server sent an entry outside the base: {shown}"))
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
    fn r61_a_name_may_be_in_several_attributes_and_is_escaped_in_each() {
        let profile = LdapProfile {
            login_names: ["uid", "mail"].map(str::to_owned).to_vec(),
            user_filter: Some("(objectClass=person)".to_owned()),
            ..profile()
        };
        let user = UserName::new(&Outside::new(b"a)(uid=*")).unwrap();
        assert_eq!(
            filter(&profile, &user),
            r"(&(|(uid=a\29\28uid=\2a)(mail=a\29\28uid=\2a))(objectClass=person))"
        );
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
