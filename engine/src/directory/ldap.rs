//! LDAP authentication profiles: one search for the user on a warm connection of the service account, one bind as the
//! user on a connection of its own.
//!
//! - Servers are asked in their order. One that fails is passed over for 5 s, then 10 s, at most 60 s, while another is
//!   left. A *wrong password* is final: no second server is asked to count it.
//! - An unknown user costs the same steps as a wrong password (R31): the bind is then made as
//!   `cn=assent-unknown-user` under the base, with random bytes as long as what was typed. What somebody types who is
//!   not known here never reaches the directory, and no account's counter of failures moves.
//! - What a server sends passes a guard before it is parsed (R88), see [`guard`].
//! - Every call ends within twice the profile's `timeout`, every step of it within `timeout`.

mod account;
mod ber;
mod dial;
mod dn;
mod entry;
mod guard;
mod search;
mod server;
mod target;
mod tls;
mod verdict;

pub(crate) use entry::{guid_text, is_uuid, syntax};
pub use tls::{TlsProblem, tls_config};

use super::{Lookup, Password, PasswordCheck, date};
use crate::config::profile::LdapProfile;
use crate::names::UserName;
use dial::Failure;
use dn::Dn;
use ldap3::LdapResult;
use search::Outcome;
use server::Server;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Who binds when the user is unknown. Nobody must ever have this name.
const DECOY: &str = "cn=assent-unknown-user";

/// An LDAP authentication profile at work.
#[derive(Debug)]
pub struct LdapDirectory {
    profile: LdapProfile,
    servers: Vec<Server>,
    base: Result<Dn, String>,
}

impl LdapDirectory {
    /// A profile whose servers have not been asked yet. `tls` is [`tls_config`]'s.
    pub fn new(profile: LdapProfile, tls: Arc<rustls::ClientConfig>) -> Self {
        let server = |server| Server::new(server, tls.clone(), profile.timeout);
        Self {
            servers: profile.servers.iter().map(server).collect(),
            base: check(&profile),
            profile,
        }
    }

    /// Who is `user`?
    pub async fn look_up(&self, user: &UserName) -> Lookup {
        let deadline = self.deadline();
        match self.find(user, deadline).await {
            Ok((Outcome::Found(entry), _)) => match entry.person(&self.profile, date::now(), false) {
                Ok(person) => Lookup::Found(Box::new(person)),
                Err(why) => Lookup::Unreachable(self.odd(user, &why)),
            },
            Ok((Outcome::Unknown, _)) => Lookup::Unknown,
            Ok((Outcome::Ambiguous, _)) => Lookup::Ambiguous,
            Ok((Outcome::Odd(why), _)) => Lookup::Unreachable(self.odd(user, &why)),
            Err(failure) => Lookup::Unreachable(failure.0),
        }
    }

    /// Is this `user`'s password?
    pub async fn check_password(&self, user: &UserName, password: &Password) -> PasswordCheck {
        let deadline = self.deadline();
        let (outcome, server) = match self.find(user, deadline).await {
            Ok(found) => found,
            Err(failure) => return PasswordCheck::Unreachable(failure.0),
        };
        let refused = match outcome {
            Outcome::Found(entry) => match entry.person(&self.profile, date::now(), true) {
                Ok(person) => match std::str::from_utf8(password.expose()) {
                    Ok(text) => {
                        return match self.bind(server, &entry.dn, text, deadline).await {
                            Ok(result) => verdict::judge(&result, person),
                            Err(failure) => PasswordCheck::Unreachable(failure.0),
                        };
                    }
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

    fn deadline(&self) -> Instant {
        Instant::now() + 2 * self.profile.timeout
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

    async fn find_on(&self, server: &Server, base: &Dn, user: &UserName) -> Result<Outcome, Failure> {
        loop {
            let (mut connection, reused) = server.service(self.profile.service.as_ref()).await?;
            let found = server
                .within("search", search::search(&mut connection, &self.profile, base, user))
                .await;
            let Err(failure) = found else {
                return found;
            };
            let closed = connection.is_closed();
            server.discard(&connection).await;
            // A warm connection may have died since: that says nothing of the server. One that hangs is another matter
            // if there is another server.
            if !reused || !(closed || self.servers.len() == 1) {
                return Err(failure);
            }
            tracing::debug!(server = server.name(), why = failure.0, "LDAP connection was stale");
        }
    }

    /// Binds as `dn`, on the server that knew the entry if it still works: another may lag behind.
    async fn bind(&self, first: usize, dn: &str, password: &str, deadline: Instant) -> Result<LdapResult, Failure> {
        let bind = |at: usize| {
            let server = &self.servers[at];
            server.within("bind", server.bind_once(dn, password))
        };
        self.first_that_works(Some(first), deadline, bind)
            .await
            .map(|(result, _)| result)
    }

    /// The same steps as a bind of a user that exists (R31); what comes of it does not matter.
    async fn bind_decoy(&self, server: usize, password: &Password, deadline: Instant) {
        let dn = match self.profile.base.as_str() {
            "" => DECOY.to_owned(),
            base => format!("{DECOY},{base}"),
        };
        let Some(noise) = noise(password.expose().len()) else {
            return;
        };
        if let Err(failure) = self.bind(server, &dn, &noise, deadline).await {
            tracing::debug!(profile = self.profile.name, why = failure.0, "LDAP decoy bind failed");
        }
    }

    /// Asks the servers in order until one works, those that rest last.
    async fn first_that_works<T, Step: Future<Output = Result<T, Failure>> + Send>(
        &self,
        first: Option<usize>,
        deadline: Instant,
        step: impl Fn(usize) -> Step + Send,
    ) -> Result<(T, usize), Failure> {
        let mut failures = Vec::new();
        for at in self.order(first) {
            let server = &self.servers[at];
            let failure = match tokio::time::timeout_at(deadline, step(at)).await {
                Ok(Ok(done)) => {
                    server.worked();
                    return Ok((done, at));
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure(format!(
                    "no answer within {} s",
                    2.0 * self.profile.timeout.as_secs_f32()
                )),
            };
            server.failed(&failure);
            failures.push(format!("{}: {}", server.name(), failure.0));
            if Instant::now() >= deadline {
                break;
            }
        }
        if failures.is_empty() {
            failures.push(format!("the profile {} has no servers", self.profile.name));
        }
        Err(Failure(failures.join("; ")))
    }

    fn order(&self, first: Option<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.servers.len()).collect();
        let rank = |at: &usize| (self.servers[*at].rests_until(), Some(*at) != first, *at);
        order.sort_by_cached_key(rank);
        order
    }
}

/// What would go into a filter or a request unescaped must be what it should be.
fn check(profile: &LdapProfile) -> Result<Dn, String> {
    let names = [&profile.user_attribute, &profile.id_attribute]
        .into_iter()
        .chain(&profile.attributes);
    for name in names {
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ';' | '.');
        if name.is_empty() || !name.chars().all(fit) {
            return Err(format!("{:?} is no LDAP attribute", assent_proto::text::visible(name)));
        }
    }
    if profile.timeout < Duration::from_millis(10) {
        return Err("the timeout is too short".to_owned());
    }
    Dn::parse(&profile.base).ok_or_else(|| format!("{:?} is no DN", assent_proto::text::visible(&profile.base)))
}

/// Random text of so many bytes.
fn noise(length: usize) -> Option<Zeroizing<String>> {
    let mut bytes = vec![0; length.max(1)];
    getrandom::fill(&mut bytes).ok()?;
    Some(Zeroizing::new(
        bytes.into_iter().map(|byte| char::from(b'!' + byte % 94)).collect(),
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use assent_proto::ShortText;

    pub fn profile() -> LdapProfile {
        LdapProfile {
            name: "corp".to_owned(),
            realm: ShortText::new("lab.test").unwrap(),
            servers: vec![],
            base: "dc=lab,dc=test".to_owned(),
            service: None,
            ca_file: None,
            user_attribute: "uid".to_owned(),
            user_filter: None,
            id_attribute: "entryUUID".to_owned(),
            attributes: vec!["department".to_owned(), "memberOf".to_owned()],
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn r61_what_goes_into_a_request_unescaped_is_checked() {
        assert!(check(&profile()).is_ok());
        for bad in ["", "uid)(a", "a b", "*", "+", "uid=", "ü"] {
            let user = LdapProfile {
                user_attribute: bad.to_owned(),
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

    #[test]
    fn r31_the_decoys_password_is_random_and_as_long_as_what_was_typed() {
        for length in [1, 8, 200] {
            let (one, other) = (noise(length).unwrap(), noise(length).unwrap());
            assert_eq!((one.len(), other.len()), (length, length));
            assert!(length < 8 || *one != *other);
        }
    }
}
