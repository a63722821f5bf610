//! The agent's configuration in two stages: exactly what the admin typed ([`raw`]), and what it means once every rule
//! holds ([`Config`], which only [`check`] builds). All problems are found at once, each with file, line, cause and
//! mend.

mod auth;
mod check;
mod checker;
mod files;
mod ldap;
mod preset;
mod problem;
pub mod profile;
mod raw;
mod service_account;

pub use auth::load_auth_profiles;
pub use files::{load, load_str};
pub use problem::{Problem, Problems};

use crate::matcher::Matcher;
use profile::{LdapProfile, LocalProfile};
use std::path::PathBuf;

/// A checked configuration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// What happens to services that no application lists.
    pub unlisted: Unlisted,
    /// Where pushes go; `None` where no push profile needs it.
    pub gateway: Option<Gateway>,
    /// Where decisions are recorded.
    pub log: Log,
    /// Where files are.
    pub paths: Paths,
    /// Authentication profiles, as [`AuthIndex`] counts them.
    pub auth_profiles: Vec<AuthProfile>,
    /// Push profiles, as [`MethodIndex`] counts them.
    pub push_profiles: Vec<PushProfile>,
    /// Policies, top to bottom.
    pub policies: Vec<Policy>,
    /// Applications.
    pub applications: Vec<Application>,
}

/// Names an authentication profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthIndex(pub(crate) usize);

/// Names a method profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodIndex(pub(crate) usize);

/// What happens to services that no application lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// The login is denied.
    Deny,
    /// The module stands aside (`PAM_IGNORE`).
    Ignore,
}

/// Where pushes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The relay's public URL, without a slash at its end.
    pub url: String,
    /// The certificate authorities that vouch for it, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where decisions are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The syslog socket.
    pub syslog: PathBuf,
    /// The file of decisions and traces, as JSON lines.
    pub audit_file: PathBuf,
}

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Host key and certificates.
    pub state_dir: PathBuf,
    /// Pinned roots, `*.pub`.
    pub trust_dir: PathBuf,
}

/// An authentication profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthProfile {
    /// What stands behind it.
    pub source: AuthSource,
    /// What happens when it cannot be reached.
    pub on_unreachable: OnUnreachable,
}

/// What stands behind an authentication profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthSource {
    /// LDAP.
    Ldap(Box<LdapProfile>),
    /// NSS joined with `users.toml`.
    Local(LocalProfile),
}

impl AuthProfile {
    /// Its name.
    pub fn name(&self) -> &str {
        match &self.source {
            AuthSource::Ldap(ldap) => &ldap.name,
            AuthSource::Local(local) => &local.name,
        }
    }
}

/// What happens when an authentication profile cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnreachable {
    /// The login is denied.
    Deny,
    /// The next fallback profile is asked.
    Next,
}

/// A push profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushProfile {
    /// Its name.
    pub name: String,
    /// Who validates the user and yields the attributes, in order.
    pub fallback: Vec<AuthIndex>,
    /// How sure an approval must be.
    pub assurance: Assurance,
    /// Seconds that a push lives.
    pub ttl: u32,
}

/// How sure an approval must be. Numbers, `adaptive` and passkeys come with their own parts of the product; until then
/// their words are configuration errors, never a quiet tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// One tap.
    Tap,
}

/// A policy: who may use a method profile.
#[derive(Debug)]
pub struct Policy {
    /// The method profile that it belongs to.
    pub method: MethodIndex,
    /// Whose attribute it looks at.
    pub auth_profile: AuthIndex,
    /// The attribute.
    pub attribute: String,
    /// The values.
    pub matcher: Matcher,
    /// Where it stands, for `explain`.
    pub place: String,
}

/// An application: PAM services and the factors that they ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// PAM services.
    pub services: Vec<String>,
    /// Factors, in order.
    pub factors: Vec<Factor>,
}

/// One factor of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Factor {
    /// An earlier PAM module, or sshd's public key, has done it.
    Stack,
    /// A password, checked by the first of these that knows the user.
    Password(Vec<AuthIndex>),
    /// One of these methods, chosen by policy.
    Method(Vec<MethodIndex>),
}

impl Config {
    /// The application of a PAM service.
    pub fn application(&self, service: &str) -> Option<&Application> {
        self.applications
            .iter()
            .find(|app| app.services.iter().any(|listed| listed == service))
    }

    /// An authentication profile.
    pub fn auth_profile(&self, index: AuthIndex) -> &AuthProfile {
        &self.auth_profiles[index.0]
    }

    /// A method profile.
    pub fn method(&self, index: MethodIndex) -> &PushProfile {
        &self.push_profiles[index.0]
    }

    /// Every authentication profile.
    pub fn auth_indices(&self) -> impl Iterator<Item = AuthIndex> + use<> {
        (0..self.auth_profiles.len()).map(AuthIndex)
    }

    /// The method of a factor that admits those whom no policy matches: its first profile without policies.
    pub fn default_method(&self, methods: &[MethodIndex]) -> Option<MethodIndex> {
        methods
            .iter()
            .copied()
            .find(|method| !self.policies.iter().any(|policy| policy.method == *method))
    }
}
