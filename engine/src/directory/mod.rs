//! Authentication profiles at work: who a user is, whether the password is right, which attributes they have.
//!
//! [`Directories`] is what the edge asks; one [`Directory`] stands behind each profile name. Answers are closed enums,
//! and none of them means "go on" by default: what cannot be told is [`Lookup::Unreachable`] (R32, R33).

pub mod date;
pub mod ldap;
pub mod local;
pub mod nss;
pub mod secret_file;
pub(crate) mod syntax;
mod values;

pub use values::{Cut, ValueCounts, ValueLimits};

use crate::names::UserName;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;
use std::collections::BTreeMap;
use std::time::Duration;
use zeroize::Zeroizing;

/// A typed password. Never empty when it reaches a directory (R62: an empty one would be an anonymous bind).
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// `None` when nothing was typed, or something with a NUL in it, which no directory can take whole.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (!bytes.is_empty() && !bytes.contains(&0)).then_some(Self(bytes))
    }

    /// The bytes, for the check alone.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// How an attribute's values compare (RFC 4517 matching rules, as far as we use them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Text, case ignored.
    Text,
    /// Text, case counts.
    ExactText,
    /// A distinguished name.
    Dn,
    /// Bytes.
    Bytes,
}

/// The values of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// How they compare.
    pub syntax: Syntax,
    /// The values, as the source has them.
    pub values: Vec<Outside>,
}

/// A user's attributes by lower-case name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    by_name: BTreeMap<String, Values>,
    age: Option<Duration>,
}

impl Attributes {
    /// Adds values under a name, whose case does not count.
    pub fn insert(&mut self, name: &str, values: Values) {
        self.by_name.insert(name.to_ascii_lowercase(), values);
    }

    /// The values under a name, whose case does not count.
    pub fn find(&self, name: &str) -> Option<&Values> {
        self.by_name.get(&name.to_ascii_lowercase())
    }

    /// How long ago they were read, if they were not read just now.
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Says that they were read so long ago.
    pub fn set_age(&mut self, age: Duration) {
        self.age = Some(age);
    }

    /// All names and values, in order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.by_name.iter().map(|(name, values)| (name.as_str(), values))
    }
}

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// It may.
    Active,
    /// Switched off.
    Disabled,
    /// Locked after too many tries, or by an admin.
    Locked,
    /// Its end has passed.
    Expired,
    /// The password must be changed first.
    MustChangePassword,
}

/// A user as one directory knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub identity: Identity,
    /// Whether the account may log in.
    pub account: Account,
    /// What policies look at.
    pub attributes: Attributes,
}

/// What a directory says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// One user of this name.
    Found(Box<Person>),
    /// No user of this name.
    Unknown,
    /// More than one: refused, never guessed (R63).
    Ambiguous,
    /// The directory could not say; the text is for the log.
    Unreachable(String),
}

/// What a directory says of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password is right. The account may still be blocked.
    Passed(Box<Person>),
    /// It is wrong, or the directory refuses this account's password.
    Wrong,
    /// No user of this name.
    Unknown,
    /// More than one.
    Ambiguous,
    /// The account is known to be blocked, and the directory would not say more.
    Blocked(Account),
    /// The profile checks no passwords of this user (known by NSS alone): `stack` must.
    NoPassword,
    /// The directory could not say; the text is for the log.
    Unreachable(String),
}

/// One authentication profile at work. Every call ends within the profile's own deadline.
pub enum Directory {
    /// An LDAP server or several alike.
    Ldap(ldap::LdapDirectory),
    /// NSS joined with `users.toml`.
    Local(local::LocalDirectory),
}

/// How long a caller waits for a directory that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as the profile says.
    Whole,
    /// At most [`HURRIED`]: there is another way to go.
    Hurried,
}

/// The longest that somebody with another way waits for a directory, so that the next one is asked within 3 s.
pub const HURRIED: Duration = Duration::from_millis(2500);

impl Directory {
    /// Who is `user`?
    pub async fn look_up(&self, user: &UserName, wait: Wait) -> Lookup {
        match self {
            Self::Ldap(ldap) => ldap.look_up(user, wait).await,
            Self::Local(local) => local.look_up(user).await,
        }
    }

    /// Is this `user`'s password? Takes the same steps for users that are unknown (R31).
    pub async fn check_password(&self, user: &UserName, password: &Password, wait: Wait) -> PasswordCheck {
        match self {
            Self::Ldap(ldap) => ldap.check_password(user, password, wait).await,
            Self::Local(local) => local.check_password(user, password).await,
        }
    }
}
