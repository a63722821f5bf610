//! LDAP authentication profiles: one search for the user on a warm connection of the service account, one bind as the
//! user on a connection of its own.
//!
//! - Servers are asked in their order. One that fails is passed over for 5 s, then 10 s, at most 60 s, while another is
//!   left. A *wrong password* is final: no second server is asked to count it.
//! - An unknown user costs the same steps as a wrong password (R31): the bind is then made as
//!   `cn=assent-unknown-user` under the base, with random bytes as long as what was typed. What somebody types who is
//!   not known here never reaches the directory, and no account's counter of failures moves.
//! - The groups of groups are searched for where a policy looks at `memberOf`, and after the bind: until then an unknown
//!   user costs as much as a known one.
//! - What a server sends passes a guard before it is parsed (R88), see [`guard`].
//! - Every call ends within twice the profile's `timeout`, every step of it within `timeout`; one with another way to go
//!   within 3 s. The servers that are left share what is left of the time.
//! - A server that takes connections and says nothing is found out once: see [`probe`]. Until it speaks, nobody waits for it.

mod account;
mod asked;
mod asking;
mod ber;
mod cache;
mod dial;
mod dn;
mod entry;
#[cfg(fuzzing)]
pub mod fuzzing;
mod groups;
mod guard;
mod probe;
mod search;
mod server;
mod spare;
mod target;
mod tls;
mod values;
mod verdict;

pub(crate) use entry::{guid_text, is_uuid, syntax};
pub use tls::{TlsProblem, profile_tls, tls_config};

use super::{Account, HURRIED, Lookup, Password, PasswordCheck, Person, ValueCounts, ValueLimits, Wait, date};
use crate::config::profile::{LdapProfile, LdapServer};
use crate::names::UserName;
use cache::Cache;
use dial::Failure;
use dn::Dn;
use entry::Entry;
use search::Outcome;
use server::Server;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// An LDAP authentication profile at work.
#[derive(Debug)]
pub struct LdapDirectory {
    profile: Box<LdapProfile>,
    servers: Vec<Arc<Server>>,
    base: Result<Dn, String>,
    cache: Option<Mutex<Cache>>,
}

impl LdapDirectory {
    /// A profile whose servers have not been asked yet. `tls` is [`profile_tls`]'s.
    pub fn new(profile: LdapProfile, tls: Arc<rustls::ClientConfig>) -> Self {
        let server = |server| Arc::new(Server::new(server, tls.clone(), profile.timeout, profile.max_binds));
        Self {
            servers: profile.servers.iter().map(server).collect(),
            base: check(&profile),
            cache: profile.cache.map(|limits| Mutex::new(Cache::new(limits))),
            profile: Box::new(profile),
        }
    }

    /// Who is `user`? May be answered by what was read a moment ago, if the profile says so.
    pub async fn look_up(&self, user: &UserName, wait: Wait) -> Lookup {
        let kept = self.cache().and_then(|cache| cache.fresh(user, now()));
        if let Some(person) = kept {
            return Lookup::Found(Box::new(person));
        }
        let looked_up = self.ask(user, wait).await;
        let Some(mut cache) = self.cache() else {
            return looked_up.unwrap_or_else(|failure| Lookup::Unreachable(failure.0));
        };
        match &looked_up {
            Ok(Lookup::Found(person)) => cache.keep(user, person, now()),
            Ok(_) => cache.forget(user),
            // No server works: that is the one case in which old attributes may stand in.
            Err(failure) => {
                if let Some(person) = cache.stale(user, now()) {
                    tracing::warn!(
                        profile = self.profile.name,
                        user = user.shown(),
                        age = person.attributes.age().map_or(0, |age| age.as_secs()),
                        why = failure.0,
                        "LDAP attributes are stale: no server answers"
                    );
                    return Lookup::Found(Box::new(person));
                }
            }
        }
        looked_up.unwrap_or_else(|failure| Lookup::Unreachable(failure.0))
    }

    fn cache(&self) -> Option<MutexGuard<'_, Cache>> {
        let cache = self.cache.as_ref()?;
        Some(cache.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self, user: &UserName, wait: Wait) -> Result<Lookup, Failure> {
        let deadline = self.deadline(wait);
        let (mut entry, server) = match self.find(user, deadline).await? {
            (Outcome::Found(entry), server) => (entry, server),
            (Outcome::Unknown, _) => return Ok(Lookup::Unknown),
            (Outcome::Ambiguous, _) => return Ok(Lookup::Ambiguous),
            (Outcome::Odd(why), _) => return Ok(Lookup::Unreachable(self.odd(user, &why))),
        };
        let told = match self.add_groups(&mut entry, server, deadline).await {
            Ok(told) => told,
            // What was kept must not stand in for an account that a server has just called blocked.
            Err(failure) => match entry.person(&self.profile, date::now(), false) {
                Ok(person) if person.account == Account::Active => return Err(failure),
                Ok(_) | Err(_) => return Ok(Lookup::Unreachable(failure.0)),
            },
        };
        let person = told.and_then(|()| entry.person(&self.profile, date::now(), false));
        Ok(match person {
            Ok(person) => Lookup::Found(Box::new(person)),
            Err(why) => Lookup::Unreachable(self.odd(user, &why)),
        })
    }

    /// Is this `user`'s password?
    pub async fn check_password(&self, user: &UserName, password: &Password, wait: Wait) -> PasswordCheck {
        let checked = self.check_now(user, password, wait).await;
        self.forget(user, &checked);
        checked
    }

    async fn check_now(&self, user: &UserName, password: &Password, wait: Wait) -> PasswordCheck {
        let deadline = self.deadline(wait);
        let (outcome, server) = match self.find(user, deadline).await {
            Ok(found) => found,
            Err(failure) => return PasswordCheck::Unreachable(failure.0),
        };
        let refused = match outcome {
            Outcome::Found(entry) => match entry.person(&self.profile, date::now(), true) {
                Ok(person) => match std::str::from_utf8(password.expose()) {
                    Ok(text) => return self.check_found(user, *entry, person, text, server, deadline).await,
                    // RFC 4513 wants UTF-8; nothing else can be anybody's password.
                    Err(_) => PasswordCheck::Wrong,
                },
                Err(why) => PasswordCheck::Unreachable(self.odd(user, &why)),
            },
            Outcome::Unknown => PasswordCheck::Unknown,
            Outcome::Ambiguous => PasswordCheck::Ambiguous,
            Outcome::Odd(why) => PasswordCheck::Unreachable(self.odd(user, &why)),
        };
        self.bind_decoy(server, password, deadline).await;
        refused
    }

    async fn check_found(
        &self,
        user: &UserName,
        mut entry: Entry,
        person: Person,
        password: &str,
        server: usize,
        deadline: Instant,
    ) -> PasswordCheck {
        let account = match self.bind(server, &entry.dn, password, deadline).await {
            Ok(result) => match verdict::judge(&result, person) {
                PasswordCheck::Passed(person) => person.account,
                refused => return refused,
            },
            Err(failure) => return PasswordCheck::Unreachable(failure.0),
        };
        let told = match self.add_groups(&mut entry, server, deadline).await {
            Ok(told) => told.and_then(|()| entry.person(&self.profile, date::now(), true)),
            Err(failure) => return PasswordCheck::Unreachable(failure.0),
        };
        match told {
            Ok(person) => PasswordCheck::Passed(Box::new(Person { account, ..person })),
            Err(why) => PasswordCheck::Unreachable(self.odd(user, &why)),
        }
    }

    /// What was kept of an account that turns out to be blocked, gone or another one's, too, does not serve any longer.
    fn forget(&self, user: &UserName, checked: &PasswordCheck) {
        let over = match checked {
            PasswordCheck::Passed(person) => person.account != Account::Active,
            PasswordCheck::Blocked(_) | PasswordCheck::Unknown | PasswordCheck::Ambiguous => true,
            PasswordCheck::Wrong | PasswordCheck::NoPassword | PasswordCheck::Unreachable(_) => false,
        };
        if over && let Some(mut cache) = self.cache() {
            cache.forget(user);
        }
    }

    /// The values of an attribute among the users, by the name that policies use.
    pub(super) async fn values(&self, attribute: &str, limits: ValueLimits) -> Result<ValueCounts, String> {
        let attribute = self.profile.directory_name(attribute);
        if !is_attribute(attribute) {
            return Err(format!(
                "{:?} is no LDAP attribute",
                assent_proto::text::visible(attribute)
            ));
        }
        let base = self.base.as_ref().map_err(Clone::clone)?;
        let deadline = Instant::now() + limits.time;
        let step = async |at: usize| {
            let server = &self.servers[at];
            let service = self.profile.service.as_ref();
            // A connection of its own: servers keep a place in the pages for each, and logins must not wait for it.
            let mut connection = server.within("connect", server.open_service(service)).await?;
            let counted = values::count(&mut connection, &self.profile, base, attribute, limits, deadline).await;
            connection.close();
            counted
        };
        let mut failures = Vec::new();
        for at in self.order(None) {
            match step(at).await {
                Ok(counted) => return Ok(counted),
                Err(failure) => failures.push(format!("{}: {}", self.servers[at].name(), failure.0)),
            }
        }
        Err(failures.join("; "))
    }

    fn deadline(&self, wait: Wait) -> Instant {
        let whole = 2 * self.profile.timeout;
        Instant::now()
            + match wait {
                Wait::Whole => whole,
                Wait::Hurried => whole.min(HURRIED),
            }
    }

    fn odd(&self, user: &UserName, why: &str) -> String {
        tracing::warn!(
            profile = self.profile.name,
            user = user.shown(),
            why,
            "LDAP entry cannot be used"
        );
        why.to_owned()
    }

    /// The user's entry, and which server had it.
    async fn find(&self, user: &UserName, deadline: Instant) -> Result<(Outcome, usize), Failure> {
        let base = self.base.as_ref().map_err(|problem| Failure(problem.clone()))?;
        self.first_that_works(None, deadline, |at| self.find_on(&self.servers[at], base, user))
            .await
    }
}

/// The clock of the cache: no change of the date moves it.
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Why a server's URI leads nowhere, if so.
pub(crate) fn uri_problem(server: &LdapServer) -> Option<String> {
    target::Target::new(server).err()
}

/// Whether a text can be an attribute's description in a filter or a request, unescaped.
pub(crate) fn is_attribute(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ';' | '.');
    !name.is_empty() && name.chars().all(fit)
}

/// Whether a text is a filter in brackets.
pub(crate) fn is_filter(text: &str) -> bool {
    text.starts_with('(') && text.ends_with(')') && ldap3::parse_filter(text).is_ok()
}

/// Whether a text is a distinguished name.
pub(crate) fn is_dn(text: &str) -> bool {
    Dn::parse(text).is_some()
}

/// Where groups are when a profile does not say so: in the whole domain of its users, or else beside them.
pub(crate) fn domain_of(base: &str) -> String {
    let domain = Dn::parse(base).and_then(|dn| dn.domain());
    domain.unwrap_or_else(|| base.to_owned())
}

/// What would go into a filter or a request unescaped must be what it should be.
fn check(profile: &LdapProfile) -> Result<Dn, String> {
    let shown = assent_proto::text::visible;
    let names = [&profile.id_attribute]
        .into_iter()
        .chain(&profile.login_names)
        .chain(&profile.groups.members)
        .chain(profile.attributes.iter())
        .chain(profile.attribute_map.values());
    for name in names {
        if !is_attribute(name) {
            return Err(format!("{:?} is no LDAP attribute", shown(name)));
        }
    }
    if profile.login_names.is_empty() {
        return Err("no attribute holds the user name".to_owned());
    }
    if profile.timeout < Duration::from_millis(10) {
        return Err("the timeout is too short".to_owned());
    }
    Dn::parse(&profile.base).ok_or_else(|| format!("{:?} is no DN", shown(&profile.base)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::profile::{AccountRules, GroupSearch, Nesting};
    use assent_proto::ShortText;

    pub fn profile() -> LdapProfile {
        LdapProfile {
            name: "corp".to_owned(),
            realm: ShortText::new("lab.test").unwrap(),
            servers: vec![],
            base: "dc=lab,dc=test".to_owned(),
            service: None,
            ca_file: None,
            login_names: vec!["uid".to_owned()],
            user_filter: None,
            id_attribute: "entryUUID".to_owned(),
            attributes: vec!["department".to_owned(), "memberOf".to_owned()],
            attribute_map: [].into(),
            accounts: AccountRules::Any,
            nesting: Nesting::Off,
            groups: GroupSearch {
                base: "dc=lab,dc=test".to_owned(),
                filter: None,
                members: vec!["member".to_owned()],
            },
            max_binds: 4,
            cache: None,
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn r61_what_goes_into_a_request_unescaped_is_checked() {
        assert!(check(&profile()).is_ok());
        for bad in ["", "uid)(a", "a b", "*", "+", "uid=", "ü"] {
            let user = LdapProfile {
                login_names: vec![bad.to_owned()],
                ..profile()
            };
            let wanted = LdapProfile {
                attributes: vec![bad.to_owned()],
                ..profile()
            };
            assert!(check(&user).is_err() && check(&wanted).is_err(), "{bad}");
        }
        assert!(
            check(&LdapProfile {
                base: "hello".to_owned(),
                ..profile()
            })
            .is_err()
        );
    }
}
