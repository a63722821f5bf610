//! Authentication profiles as checked: what a directory is built from.

pub use super::preset::{AccountRules, Nesting};
use assent_proto::ShortText;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An LDAP authentication profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapProfile {
    /// Its name.
    pub name: String,
    /// The realm of the identities that it yields; the same on every host and on the panel.
    pub realm: ShortText,
    /// Where the servers are, in order of preference.
    pub servers: Vec<LdapServer>,
    /// Where users are searched (RFC 4514).
    pub base: String,
    /// Who searches; `None` searches anonymously.
    pub service: Option<ServiceAccount>,
    /// The certificate authorities that vouch for the servers, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The attributes any of which may hold the user name; never empty. Whoever may write one of them decides who is
    /// found by it.
    pub login_names: Vec<String>,
    /// An RFC 4515 filter that a user's entry must match besides.
    pub user_filter: Option<String>,
    /// The attribute that holds the unique and lasting id.
    pub id_attribute: String,
    /// Attributes to read, for the policies.
    pub attributes: Vec<String>,
    /// What the directory calls them, where that differs; keys in lower case.
    pub attribute_map: BTreeMap<String, String>,
    /// How accounts are judged.
    pub accounts: AccountRules,
    /// How nested groups are found.
    pub nesting: Nesting,
    /// Where groups are found.
    pub groups: GroupSearch,
    /// How many users' binds may be under way at once on one server.
    pub max_binds: usize,
    /// How long attributes are kept, if at all.
    pub cache: Option<CacheLimits>,
    /// The deadline of each operation, connecting included.
    pub timeout: Duration,
}

impl LdapProfile {
    /// What the directory calls an attribute that policies call `name`.
    pub fn directory_name<'a>(&'a self, name: &'a str) -> &'a str {
        let mapped = self.attribute_map.get(&name.to_ascii_lowercase());
        mapped.map_or(name, String::as_str)
    }
}

/// Where and how groups are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSearch {
    /// Where groups are searched (RFC 4514).
    pub base: String,
    /// An RFC 4515 filter that a group's entry must match.
    pub filter: Option<String>,
    /// The attributes in which groups list their members by DN.
    pub members: Vec<String>,
}

/// How long attributes are kept; passwords never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Younger ones are not asked for again.
    pub fresh: Duration,
    /// Younger ones serve while no server answers; zero: never.
    pub stale: Duration,
}

/// One LDAP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapServer {
    /// `ldaps://host[:port]` or `ldap://host[:port]`.
    pub uri: String,
    /// How the connection is protected.
    pub security: LdapSecurity,
}

/// How an LDAP connection is protected (R64).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdapSecurity {
    /// TLS from the first byte.
    Ldaps,
    /// `StartTLS` before anything else, never without it.
    StartTls,
    /// Nothing; the checked configuration allows it for loopback addresses alone.
    PlainLoopback,
}

/// Who searches an LDAP directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAccount {
    /// A name with a password.
    Simple {
        /// The DN.
        bind_dn: String,
        /// Where its password stands; read at each connection, so that it can be changed in place.
        password_file: PathBuf,
    },
    /// Whom the server takes the TLS client certificate for (SASL EXTERNAL, RFC 4422).
    External(ClientCertificate),
}

impl ServiceAccount {
    /// Where its password stands, if it has one.
    pub fn password_file(&self) -> Option<&Path> {
        match self {
            Self::Simple { password_file, .. } => Some(password_file),
            Self::External(_) => None,
        }
    }
}

/// A TLS client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority, in PEM.
    pub certificate_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// A Local authentication profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalProfile {
    /// Its name.
    pub name: String,
    /// The realm of users in `users.toml`: `local@<host id>` by default, or one that a fleet shares.
    pub realm: Option<ShortText>,
    /// The file that is joined with NSS.
    pub users_file: PathBuf,
    /// Whether that file need not exist: only where the configuration does not name it.
    pub may_be_absent: bool,
}
