//! How a profile's servers are asked: in their order until one works, searches on the service account's warm connection,
//! binds as users each on their own. Used by [`super::LdapDirectory`] alone, which knows what the answers mean.

use super::dial::{Connection, Failure};
use super::dn::Dn;
use super::entry::Entry;
use super::search::{self, Outcome};
use super::server::Server;
use super::{LdapDirectory, groups, probe};
use crate::directory::Password;
use crate::names::UserName;
use ldap3::LdapResult;
use std::sync::Arc;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Who binds when the user is unknown. Nobody must ever have this name.
const DECOY: &str = "cn=assent-unknown-user";

/// What is asked on the service account's connection.
#[derive(Clone, Copy)]
enum Question<'a> {
    User(&'a Dn, &'a UserName),
    Groups(&'a Entry),
}

enum Reply {
    User(Outcome),
    Groups(groups::Told),
}

impl LdapDirectory {
    pub(super) async fn find_on(&self, server: &Arc<Server>, base: &Dn, user: &UserName) -> Result<Outcome, Failure> {
        match self.on_service(server, Question::User(base, user)).await? {
            Reply::User(outcome) => Ok(outcome),
            Reply::Groups(_) => Err(Failure("search: another answer than was asked for".to_owned())),
        }
    }

    async fn groups_on(&self, server: &Arc<Server>, entry: &Entry) -> Result<groups::Told, Failure> {
        match self.on_service(server, Question::Groups(entry)).await? {
            Reply::Groups(told) => Ok(told),
            Reply::User(_) => Err(Failure("search: another answer than was asked for".to_owned())),
        }
    }

    /// Puts all groups into the entry, those of groups too, if they are needed; the text says why they cannot be told.
    pub(super) async fn add_groups(
        &self,
        entry: &mut Entry,
        server: usize,
        deadline: Instant,
    ) -> Result<Result<(), String>, Failure> {
        if !groups::needed(&self.profile) {
            return Ok(Ok(()));
        }
        let step = |at: usize| self.groups_on(&self.servers[at], entry);
        let (told, _) = self.first_that_works(Some(server), deadline, step).await?;
        Ok(told.map(|groups| entry.set(groups::MEMBER_OF, groups)))
    }

    /// Asks on the service account's warm connection.
    async fn on_service(&self, server: &Arc<Server>, question: Question<'_>) -> Result<Reply, Failure> {
        loop {
            let (mut connection, reused) = server.service(self.profile.service.as_ref()).await?;
            let waits = connection.waits();
            let reply = server.within("search", self.put(&mut connection, question)).await;
            let Err(failure) = reply else {
                waits.answered();
                return reply;
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

    async fn put(&self, connection: &mut Connection, question: Question<'_>) -> Result<Reply, Failure> {
        Ok(match question {
            Question::User(base, user) => Reply::User(search::user(connection, &self.profile, base, user).await?),
            Question::Groups(entry) => Reply::Groups(groups::of(connection, &self.profile, entry).await?),
        })
    }

    /// Binds as `dn`, on the server that knew the entry if it still works: another may lag behind.
    pub(super) async fn bind(
        &self,
        first: usize,
        dn: &str,
        password: &str,
        deadline: Instant,
    ) -> Result<LdapResult, Failure> {
        let bind = |at: usize| self.servers[at].bind(dn, password);
        self.first_that_works(Some(first), deadline, bind)
            .await
            .map(|(result, _)| result)
    }

    /// The same steps as a bind of a user that exists (R31); what comes of it does not matter.
    pub(super) async fn bind_decoy(&self, server: usize, password: &Password, deadline: Instant) {
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

    /// Asks the servers in order until one works, those that rest last. Nobody waits for one that is known to be silent.
    pub(super) async fn first_that_works<T, Step: Future<Output = Result<T, Failure>> + Send>(
        &self,
        first: Option<usize>,
        deadline: Instant,
        step: impl Fn(usize) -> Step + Send,
    ) -> Result<(T, usize), Failure> {
        let mut failures = Vec::new();
        let order = self.order(first);
        for (asked, at) in order.iter().copied().enumerate() {
            let server = &self.servers[at];
            if let Some(silent) = server.is_silent() {
                failures.push(format!("{}: {}", server.name(), silent.0));
                continue;
            }
            let began = Instant::now();
            let others = order.get(asked + 1..).unwrap_or_default();
            let sharing = 1 + others
                .iter()
                .filter(|at| self.servers[**at].is_silent().is_none())
                .count();
            let share = deadline.saturating_duration_since(began) / u32::try_from(sharing).unwrap_or(u32::MAX);
            let failure = match tokio::time::timeout(share, step(at)).await {
                Ok(Ok(done)) => {
                    server.worked();
                    return Ok((done, at));
                }
                Ok(Err(failure)) => failure,
                Err(_) => {
                    probe::find_out(server);
                    Failure(format!("no answer within {:.1} s", began.elapsed().as_secs_f32()))
                }
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

    pub(super) fn order(&self, first: Option<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.servers.len()).collect();
        let rank = |at: &usize| (self.servers[*at].rests_until(), Some(*at) != first, *at);
        order.sort_by_cached_key(rank);
        order
    }
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
mod tests {
    use super::*;

    #[test]
    fn r31_the_decoys_password_is_random_and_as_long_as_what_was_typed() {
        for length in [1, 8, 200] {
            let (one, other) = (noise(length).unwrap(), noise(length).unwrap());
            assert_eq!((one.len(), other.len()), (length, length));
            assert!(length < 8 || *one != *other);
        }
    }
}
