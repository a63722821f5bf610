//! The groups of a user, those of groups too: by `tokenGroups`, or by a bounded walk. Called with the user's entry by
//! [`super::LdapDirectory`], where a policy looks at `memberOf`.
//!
//! Asks which groups hold a name, and never for a group's list of members, which may be as long as the company. What
//! cannot be found within the bounds is an error, never a shorter list.

use super::dial::{Connection, Failure};
use super::dn::Dn;
use super::entry::{Entry, MAX_VALUES};
use super::search::{self, Query};
use super::verdict;
use crate::config::profile::{LdapProfile, Nesting};
use ldap3::Scope;
use std::collections::HashSet;
use std::fmt::Write as _;

/// The attribute that holds a user's groups.
pub const MEMBER_OF: &str = "memberOf";
/// Groups in groups in groups: no deeper than this.
const MAX_DEPTH: usize = 16;
/// Groups that are read off before the connection is given up. More than [`MAX_VALUES`] are too many; reading on to the
/// end of most such answers spares the others their connection.
const MAX_READ: usize = 8 * MAX_VALUES;
/// Names in one filter.
const BATCH: usize = 50;
/// Longest security identifier: 15 sub-authorities (MS-DTYP 2.4.2).
const MAX_SID: usize = 68;

/// What came of it: the groups, or why they cannot be told.
pub type Told = Result<Vec<Vec<u8>>, String>;

/// Whether a policy looks at groups, and they are not all in the entry.
pub fn needed(profile: &LdapProfile) -> bool {
    let wanted = profile.attributes.iter().map(|name| profile.directory_name(name));
    matches!(profile.nesting, Nesting::TokenGroups | Nesting::Walk)
        && wanted.into_iter().any(|name| name.eq_ignore_ascii_case(MEMBER_OF))
}

/// All groups of `entry`, each once, its own first.
pub async fn of(connection: &mut Connection, profile: &LdapProfile, entry: &Entry) -> Result<Told, Failure> {
    let Some(base) = Dn::parse(&profile.groups.base) else {
        return Ok(Err("the base of groups is no DN".to_owned()));
    };
    let mut found = Found::default();
    if let Err(why) = found.add_all(entry) {
        return Ok(Err(why));
    }
    let mut search = Search {
        connection,
        profile,
        base,
    };
    let told = match profile.nesting {
        Nesting::Off | Nesting::MemberOf => Ok(()),
        Nesting::TokenGroups => search.token_groups(entry, &mut found).await?,
        Nesting::Walk => search.walk(entry, &mut found).await?,
    };
    Ok(told.map(|()| found.names.into_iter().map(String::into_bytes).collect()))
}

/// The groups found so far.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    seen: HashSet<Dn>,
}

impl Found {
    fn add_all(&mut self, entry: &Entry) -> Result<(), String> {
        for value in entry.values(MEMBER_OF) {
            let name = std::str::from_utf8(value).map_err(|_| "memberOf is no text")?;
            let dn = Dn::parse(name).ok_or("memberOf holds something that is no DN")?;
            self.add(name.to_owned(), dn)?;
        }
        Ok(())
    }

    /// Whether it is a new one: what was seen before ends every loop.
    fn add(&mut self, name: String, dn: Dn) -> Result<bool, String> {
        if !self.seen.insert(dn) {
            return Ok(false);
        }
        if self.names.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} groups"));
        }
        self.names.push(name);
        Ok(true)
    }
}

struct Search<'a> {
    connection: &'a mut Connection,
    profile: &'a LdapProfile,
    base: Dn,
}

impl Search<'_> {
    /// Level by level: who holds the user, who holds those, and so on.
    async fn walk(&mut self, entry: &Entry, found: &mut Found) -> Result<Result<(), String>, Failure> {
        let mut level = vec![entry.dn.clone()];
        level.extend(found.names.iter().cloned());
        for _ in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for names in level.chunks(BATCH) {
                let filter = holders(self.profile, names);
                match self.groups(&filter, found).await? {
                    Ok(new) => next.extend(new),
                    Err(why) => return Ok(Err(why)),
                }
            }
            if next.is_empty() {
                return Ok(Ok(()));
            }
            level = next;
        }
        Ok(Err(format!("groups are nested more than {MAX_DEPTH} deep")))
    }

    /// Active Directory works out the whole list itself, but only in a search of the one entry, and gives identifiers.
    async fn token_groups(&mut self, entry: &Entry, found: &mut Found) -> Result<Result<(), String>, Failure> {
        let query = Query {
            base: &entry.dn,
            scope: Scope::Base,
            filter: "(objectClass=*)",
            attributes: vec!["tokenGroups".to_owned()],
            size_limit: 0,
            most: 1,
            control: None,
        };
        let (mut entries, result) = search::entries(self.connection, query, self.profile.timeout.as_secs()).await?;
        let (0, Some(raw)) = (result.rc, entries.pop()) else {
            return Err(Failure(format!("tokenGroups: {}", verdict::shown(&result))));
        };
        let tokens = match Entry::new(raw) {
            Ok(tokens) => tokens,
            Err(what) => return Ok(Err(format!("the server sent {what}"))),
        };
        let tokens = tokens.values("tokenGroups");
        if tokens.is_empty() {
            // Everybody has a primary group.
            return Ok(Err(
                "tokenGroups cannot be read: put the service account into the group \
                           \"Windows Authorization Access Group\""
                    .to_owned(),
            ));
        }
        for tokens in tokens.chunks(BATCH) {
            let Some(filter) = identified(self.profile, tokens) else {
                return Ok(Err("tokenGroups holds something that is no identifier".to_owned()));
            };
            if let Err(why) = self.groups(&filter, found).await? {
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    /// Adds the groups of a filter, and gives the new ones.
    async fn groups(&mut self, filter: &str, found: &mut Found) -> Result<Result<Vec<String>, String>, Failure> {
        let query = Query {
            base: &self.profile.groups.base,
            scope: Scope::Subtree,
            filter,
            attributes: vec!["1.1".to_owned()],
            size_limit: 0,
            most: MAX_READ,
            control: None,
        };
        let (entries, result) = search::entries(self.connection, query, self.profile.timeout.as_secs()).await?;
        match result.rc {
            0 => (),
            // A limit, no such base, no right: nothing is wrong with the server, and others go on with it.
            4 | 11 | 32 | 50 => return Ok(Err(format!("search for groups: {}", verdict::shown(&result)))),
            _ => return Err(Failure(format!("search for groups: {}", verdict::shown(&result)))),
        }
        let mut new = Vec::new();
        for raw in entries {
            let added = search::under(raw, &self.base).and_then(|(entry, dn)| {
                let name = entry.dn;
                Ok(found.add(name.clone(), dn)?.then_some(name))
            });
            match added {
                Ok(name) => new.extend(name),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(new))
    }
}

/// The groups that hold any of these names.
fn holders(profile: &LdapProfile, names: &[String]) -> String {
    let mut any = String::new();
    for name in names {
        let name = ldap3::ldap_escape(name.as_str());
        for attribute in &profile.groups.members {
            let _ = write!(any, "({attribute}={name})");
        }
    }
    with_group_filter(profile, &any)
}

/// The groups with any of these security identifiers; `None` if one is none.
fn identified(profile: &LdapProfile, tokens: &[Vec<u8>]) -> Option<String> {
    let mut any = String::new();
    for token in tokens {
        if token.is_empty() || token.len() > MAX_SID {
            return None;
        }
        any.push_str("(objectSid=");
        for byte in token {
            let _ = write!(any, "\\{byte:02x}");
        }
        any.push(')');
    }
    Some(with_group_filter(profile, &any))
}

fn with_group_filter(profile: &LdapProfile, any: &str) -> String {
    match &profile.groups.filter {
        Some(filter) => format!("(&{}(|{any}))", search::in_brackets(filter)),
        None => format!("(|{any})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::tests::profile;

    #[test]
    fn r61_names_of_groups_are_values_in_the_filter_and_nothing_else() {
        let names = ["cn=a)(b=*,dc=x".to_owned(), r"CN=Lab\, Erin,DC=x".to_owned()];
        assert_eq!(
            holders(&profile(), &names),
            r"(|(member=cn=a\29\28b=\2a,dc=x)(member=CN=Lab\5c, Erin,DC=x))"
        );
        let filter = identified(&profile(), &[vec![1, 0x28, 0xff]]).unwrap();
        assert_eq!(filter, r"(|(objectSid=\01\28\ff))");
        assert!(ldap3::parse_filter(&filter).is_ok());
        assert_eq!(identified(&profile(), &[vec![]]), None);
        assert_eq!(identified(&profile(), &[vec![1; 69]]), None);
    }

    #[test]
    fn groups_are_searched_only_where_a_policy_looks_at_them() {
        let mut profile = profile();
        profile.nesting = Nesting::Walk;
        profile.attributes = vec!["MEMBEROF".to_owned()];
        assert!(needed(&profile));
        profile.attributes = vec!["department".to_owned()];
        assert!(!needed(&profile));
        profile.attributes = vec!["groups".to_owned()];
        profile.attribute_map = [("groups".to_owned(), "memberOf".to_owned())].into();
        assert!(needed(&profile));
        for nesting in [Nesting::Off, Nesting::MemberOf] {
            profile.nesting = nesting;
            assert!(!needed(&profile));
        }
    }
}
