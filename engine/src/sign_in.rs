//! Signing in with a password where there is no PAM: the Register Panel. The same directories, in the same order and by
//! the same rules as in a login; whoever is proven here gets the identity of the one profile that checked the password.

use crate::config::{AuthProfile, AuthSource, OnUnreachable};
use crate::directories::{Unprepared, ldap_directory};
use crate::directory::local::LocalDirectory;
use crate::directory::{Directory, Password, PasswordCheck, Person, Wait};
use crate::fallback::{After, after};
use crate::login::{Cause, blocked};
use crate::names::UserName;

/// Authentication profiles, in the order in which they are asked.
pub struct SignIn(Vec<(AuthProfile, Directory)>);

/// How a sign-in ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The password is this person's, and the account may log in.
    In {
        /// Who it is.
        person: Box<Person>,
        /// The name as the directory writes it: what was typed may differ in case, or be another of their names (R58).
        name: UserName,
    },
    /// Not; the cause is for the log.
    Out(Refusal),
}

/// Why somebody was not signed in. What of it may be told is the caller's matter: nothing that depends on whether the
/// user exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// Whether a directory knows the user: what an unknown one typed may be a password, and is not logged (R70).
    pub known: bool,
    /// Whether the first profile, which everybody's sign-in asks, could not be reached.
    pub first_unreachable: bool,
}

impl SignIn {
    /// Prepares the directories; none is connected to yet.
    pub fn new(profiles: Vec<AuthProfile>) -> Result<Self, Unprepared> {
        let prepared = profiles.into_iter().map(|profile| {
            let directory = match &profile.source {
                AuthSource::Ldap(ldap) => ldap_directory(ldap)?,
                AuthSource::Local(local) => {
                    let realm = local.realm.clone().ok_or_else(|| Unprepared {
                        profile: local.name.clone(),
                        why: "it has no realm, which its users would be known by elsewhere".into(),
                    })?;
                    Directory::Local(LocalDirectory::without_nss(local.clone(), realm))
                }
            };
            Ok((profile, directory))
        });
        prepared.collect::<Result<_, _>>().map(Self)
    }

    /// Whether anybody can sign in at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the password is this user's.
    pub async fn check(&self, user: &UserName, password: &Password) -> Signed {
        let mut first_unreachable = false;
        for (at, (profile, directory)) in self.0.iter().enumerate() {
            let another = profile.on_unreachable == OnUnreachable::Next && at + 1 < self.0.len();
            let wait = if another { Wait::Hurried } else { Wait::Whole };
            let check = directory.check_password(user, password, wait).await;
            if let PasswordCheck::Unreachable(why) = &check {
                tracing::warn!(profile = profile.name(), why, "a profile could not be asked");
                first_unreachable |= at == 0;
            }
            let known = matches!(
                check,
                PasswordCheck::Passed(_) | PasswordCheck::Wrong | PasswordCheck::Blocked(_) | PasswordCheck::NoPassword
            );
            let cause = match after(check, profile.on_unreachable) {
                After::Next => continue,
                After::Denied(cause) => cause,
                After::Passed(person) => match blocked(&person) {
                    None => {
                        let name = written(&profile.source, &person).unwrap_or_else(|| user.clone());
                        return Signed::In { person, name };
                    }
                    Some(cause) => cause,
                },
            };
            return Signed::Out(Refusal {
                cause,
                known,
                first_unreachable,
            });
        }
        Signed::Out(Refusal {
            cause: Cause::UnknownUser,
            known: false,
            first_unreachable,
        })
    }
}

/// A user's name as an LDAP directory writes it; `None` where it has none, or several.
fn written(source: &AuthSource, person: &Person) -> Option<UserName> {
    let AuthSource::Ldap(profile) = source else { return None };
    match &person.attributes.find(profile.login_names.first()?)?.values[..] {
        [name] => UserName::new(name).ok(),
        _ => None,
    }
}
