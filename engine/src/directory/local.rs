//! Local authentication profiles: NSS joined with `users.toml`.
//!
//! NSS decides who there is: a user whom it does not know cannot log in to this host, so one that stands in
//! `users.toml` alone is unknown. `users.toml` adds what NSS does not have: a lasting id, names, mail address and
//! mobile number, groups of our own, a password hash, an end, a block. The two meet by the uid's first name (R59).
//!
//! Users in `users.toml` are `local@<host id>` (or the profile's realm) and their UUID; users that NSS alone knows are
//! `nss@<host id>` and their uid, and have no password here: `/etc/shadow` is never read (R45), PAM's own modules
//! check those (`stack`).
//!
//! On a machine that is not the one to log in to (the Register Panel's) NSS says nothing about the users:
//! [`LocalDirectory::without_nss`] goes by `users.toml` alone, under the realm that the fleet shares.
//!
//! A file that is missing, malformed or not protected makes the whole profile unreachable: it may hold a block that
//! must not get lost. An empty one is fine.

mod fields;
mod flaw;
mod hash;
pub mod password;
mod users;
mod values;

use super::nss::{Nss, NssEntry, NssUser};
use super::secret_file::{self, Stamp};
use super::{Account, Attributes, Lookup, Password, PasswordCheck, Person, Syntax, Values, date};
use crate::config::profile::LocalProfile;
use crate::names::UserName;
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;
use hash::{Hash, Hashing};
use std::sync::{Arc, Mutex, PoisonError};

pub use fields::is_separator;
pub use flaw::{Flaw, Flaws, nearest};
pub use users::{KEYS, User, Users};

/// Largest `users.toml`.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A Local authentication profile at work.
pub struct LocalDirectory {
    profile: LocalProfile,
    /// `None`: `users.toml` alone says who there is.
    nss: Option<Arc<Nss>>,
    listed_realm: ShortText,
    nss_realm: ShortText,
    file: Mutex<Option<Read>>,
    hashing: Hashing,
}

/// The file as last read.
struct Read {
    stamp: Stamp,
    /// Whether its last change was long enough before, so that a later one has another time.
    settled: bool,
    users: Result<Arc<Users>, String>,
}

/// A user, and what the password is checked against.
struct Known {
    person: Person,
    hash: Option<Arc<Hash>>,
}

/// Why there is nobody.
enum Nobody {
    Unknown,
    Unreachable(String),
}

impl LocalDirectory {
    /// A profile; nothing is read yet. `host_id` names the realm of users that this host alone knows.
    pub fn new(profile: LocalProfile, nss: Arc<Nss>, host_id: &str) -> Self {
        let own = ShortText::cut(format!("local@{host_id}"));
        Self {
            listed_realm: profile.realm.clone().unwrap_or(own),
            nss_realm: ShortText::cut(format!("nss@{host_id}")),
            profile,
            nss: Some(nss),
            file: Mutex::default(),
            hashing: Hashing::default(),
        }
    }

    /// A profile whose users are those of `users.toml`, whoever this machine knows. They need a `realm` that other
    /// machines know them by as well.
    pub fn without_nss(profile: LocalProfile, realm: ShortText) -> Self {
        Self {
            listed_realm: realm.clone(),
            nss_realm: realm,
            profile,
            nss: None,
            file: Mutex::default(),
            hashing: Hashing::default(),
        }
    }

    /// Who is `user`?
    pub async fn look_up(&self, user: &UserName) -> Lookup {
        match self.find(user).await {
            (Ok(known), _) => Lookup::Found(Box::new(known.person)),
            (Err(Nobody::Unknown), _) => Lookup::Unknown,
            (Err(Nobody::Unreachable(why)), _) => Lookup::Unreachable(why),
        }
    }

    /// Is this `user`'s password? One hash is computed whoever it is (R31).
    pub async fn check_password(&self, user: &UserName, password: &Password) -> PasswordCheck {
        let (found, decoy) = self.find(user).await;
        let hash = match &found {
            Ok(Known { hash: Some(hash), .. }) => hash.clone(),
            _ => decoy,
        };
        let right = match self.hashing.check(hash, password).await {
            Ok(right) => right,
            Err(why) => {
                tracing::warn!(profile = self.profile.name, why, "password not checked");
                return PasswordCheck::Unreachable(why);
            }
        };
        match found {
            Ok(Known { hash: None, .. }) => PasswordCheck::NoPassword,
            Ok(known) if right => PasswordCheck::Passed(Box::new(known.person)),
            Ok(_) => PasswordCheck::Wrong,
            Err(Nobody::Unknown) => PasswordCheck::Unknown,
            Err(Nobody::Unreachable(why)) => PasswordCheck::Unreachable(why),
        }
    }

    /// The user, and a hash that nobody's password has, as costly as the file's.
    async fn find(&self, user: &UserName) -> (Result<Known, Nobody>, Arc<Hash>) {
        let users = match self.users() {
            Ok(users) => users,
            Err(why) => return (Err(Nobody::Unreachable(why)), Arc::new(Hash::decoy(None))),
        };
        (self.known(&users, user).await, users.decoy.clone())
    }

    async fn known(&self, users: &Users, user: &UserName) -> Result<Known, Nobody> {
        let Some(nss) = &self.nss else {
            return self.listed(users, user);
        };
        let entry = match nss.user(user).await {
            NssUser::Found(entry) => entry,
            NssUser::Unknown => {
                if users.find(user.as_str()).is_some() {
                    tracing::warn!(
                        user = user.shown(),
                        "listed in users.toml, but NSS does not know this user"
                    );
                }
                return Err(Nobody::Unknown);
            }
            NssUser::Unreachable(why) => return Err(Nobody::Unreachable(format!("NSS: {why}"))),
        };
        let groups = nss.groups(&entry).await;
        let groups = groups.map_err(|why| Nobody::Unreachable(format!("NSS groups: {why}")))?;
        let listed = users.find(&entry.name);
        let person = Person {
            identity: self.identity(&entry, listed),
            account: listed.map_or(Account::Active, |user| user.account(date::now())),
            attributes: attributes(Some(&entry), &groups, listed),
        };
        Ok(Known {
            person,
            hash: listed.and_then(|user| user.hash.clone()),
        })
    }

    fn listed(&self, users: &Users, name: &UserName) -> Result<Known, Nobody> {
        let user = users.find(name.as_str()).ok_or(Nobody::Unknown)?;
        let person = Person {
            identity: self.listed_identity(user),
            account: user.account(date::now()),
            attributes: attributes(None, &[], Some(user)),
        };
        Ok(Known {
            person,
            hash: user.hash.clone(),
        })
    }

    fn listed_identity(&self, user: &User) -> Identity {
        Identity {
            realm: self.listed_realm.clone(),
            id: ShortText::cut(user.id.clone()),
        }
    }

    fn identity(&self, entry: &NssEntry, listed: Option<&User>) -> Identity {
        match listed {
            Some(user) => self.listed_identity(user),
            None => Identity {
                realm: self.nss_realm.clone(),
                id: ShortText::cut(entry.uid.to_string()),
            },
        }
    }

    /// `users.toml`, read again if it changed.
    fn users(&self) -> Result<Arc<Users>, String> {
        let path = &self.profile.users_file;
        let now = Stamp::now(path);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = file.as_ref()
            && read.settled
            && Some(read.stamp) == now
        {
            return read.users.clone();
        }
        let read = secret_file::read(path, MAX_FILE);
        // Where the configuration names no file, there need be none: everyone is then known by NSS alone.
        if self.profile.may_be_absent && read.as_ref().is_err_and(secret_file::FileProblem::is_absent) {
            *file = None;
            return Users::parse(b"").map(Arc::new).map_err(|flaws| flaws.to_string());
        }
        let (content, stamp) = read.map_err(|problem| {
            tracing::error!(profile = self.profile.name, "{problem}");
            problem.to_string()
        })?;
        let shown = assent_proto::text::visible(&path.to_string_lossy());
        let users = Users::parse(&content)
            .map(Arc::new)
            .map_err(|flaws| format!("{shown}: {flaws}"));
        if let Err(problems) = &users {
            tracing::error!(profile = self.profile.name, "{problems}");
        }
        *file = Some(Read {
            settled: stamp.is_settled(date::now()),
            stamp,
            users: users.clone(),
        });
        users
    }
}

/// What policies see. Groups of NSS and of the file are one list: root writes both, and a policy that names a group
/// means whoever is in it.
fn attributes(entry: Option<&NssEntry>, groups: &[String], listed: Option<&User>) -> Attributes {
    let mut all = Attributes::default();
    let mut add = |name: &str, syntax: Syntax, values: Vec<Outside>| {
        if !values.is_empty() {
            all.insert(name, Values { syntax, values });
        }
    };
    let text = |text: &str| Outside::new(text.as_bytes());
    if let Some(entry) = entry {
        add("username", Syntax::ExactText, vec![text(&entry.name)]);
        add("uid", Syntax::ExactText, vec![text(&entry.uid.to_string())]);
        add("home", Syntax::ExactText, vec![entry.home.clone()]);
        add("shell", Syntax::ExactText, vec![entry.shell.clone()]);
    } else if let Some(user) = listed {
        add("username", Syntax::ExactText, vec![text(&user.name)]);
    }
    let mut names: Vec<&str> = groups.iter().map(String::as_str).collect();
    if let Some(user) = listed {
        names.extend(user.groups.iter().map(String::as_str));
        let one = |value: &Option<String>| value.iter().map(|value| text(value)).collect();
        add("first_name", Syntax::Text, one(&user.first_name));
        add("last_name", Syntax::Text, one(&user.last_name));
        add("email", Syntax::Text, one(&user.email));
        add("mobile", Syntax::Text, one(&user.mobile));
    }
    names.sort_unstable();
    names.dedup();
    add("group_name", Syntax::ExactText, names.into_iter().map(text).collect());
    all
}

#[cfg(test)]
mod tests;
