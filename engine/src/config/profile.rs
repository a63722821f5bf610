//! Authentication profiles as checked: what a directory is built from.

use assent_proto::ShortText;
use std::path::PathBuf;
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
    /// The attribute that holds the user name.
    pub user_attribute: String,
    /// An RFC 4515 filter that a user's entry must match besides.
    pub user_filter: Option<String>,
    /// The attribute that holds the unique and lasting id.
    pub id_attribute: String,
    /// Attributes to read, for the policies.
    pub attributes: Vec<String>,
    /// The deadline of each operation, connecting included.
    pub timeout: Duration,
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
pub struct ServiceAccount {
    /// The DN.
    pub bind_dn: String,
    /// Where its password stands; read at each connection, so that it can be changed in place.
    pub password_file: PathBuf,
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
