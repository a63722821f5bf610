//! The agent's configuration in two stages: exactly what the admin typed ([`raw`]), and what it means once every rule
//! holds ([`Config`], which only [`check`] builds). All problems are found at once, each with file, line, cause and
//! mend.

mod application;
mod auth;
mod check;
mod checker;
mod conditions;
mod enroll;
mod files;
pub mod keys;
mod ldap;
mod log;
mod method;
mod parse;
mod policy;
mod preset;
mod problem;
pub mod profile;
mod raw;
mod routes;
mod service_account;
mod shadow;
mod strength;

pub use auth::load_auth_profiles;
pub(crate) use files::line_of;
pub use files::{load, load_str};
pub use method::language_tag;
pub use problem::{Problem, Problems};
pub use routes::{Failure, Routes};
pub use strength::Strength;

use crate::conditions::{Conditions, KnownNetwork};
use crate::enroll::EnrollAtLogin;
use crate::matcher::Matcher;
use assent_proto::cert::Level;
use assent_proto::code::CodeMethod;
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
    /// The program that hears of "not me".
    pub alert_hook: Option<PathBuf>,
    /// Where files are.
    pub paths: Paths,
    /// Networks that have a name, and count as known sources.
    pub known_networks: Vec<KnownNetwork>,
    /// The data base (MMDB) that names the place of an address.
    pub location: Option<PathBuf>,
    /// Authentication profiles, as [`AuthIndex`] counts them.
    pub auth_profiles: Vec<AuthProfile>,
    /// Method profiles, as [`MethodIndex`] counts them.
    pub methods: Vec<MethodProfile>,
    /// Policies, top to bottom.
    pub policies: Vec<Policy>,
    /// Applications.
    pub applications: Vec<Application>,
    /// What is allowed, and hardly meant.
    pub warnings: Vec<Problem>,
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
    /// Where the code service is to be had while the relay is away, without a slash at its end.
    pub codes_url: Option<String>,
    /// The certificate authorities that vouch for both, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Seconds after which a revocation list is too old to push by.
    pub revocation_max_age: u64,
}

/// Where decisions are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The syslog socket.
    pub syslog: PathBuf,
    /// How it is written to.
    pub format: LogFormat,
    /// The file of decisions and traces, as JSON lines.
    pub audit_file: PathBuf,
}

/// How decisions are said to the machine's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// With fields to journald, where it runs; otherwise as [`Self::Plain`].
    Auto,
    /// RFC 3164, as `/dev/log` has it.
    Plain,
    /// RFC 5424 with fields.
    Structured {
        /// The private enterprise number of whoever runs this, as RFC 5424 asks of names of fields.
        enterprise: u32,
    },
}

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Host key and certificates.
    pub state_dir: PathBuf,
    /// Pinned roots, `*.pub`.
    pub trust_dir: PathBuf,
    /// What the admin revokes by hand.
    pub revoked_dir: PathBuf,
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

    /// Has an attribute read with its users. Local users come with all that they have.
    pub fn want(&mut self, name: &str) {
        if let AuthSource::Ldap(ldap) = &mut self.source
            && !ldap.attributes.iter().any(|known| known.eq_ignore_ascii_case(name))
        {
            ldap.attributes.push(name.to_owned());
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

/// A method profile: a push profile, or one of the methods beside push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodProfile {
    /// Its name.
    pub name: String,
    /// Who validates the user and yields the attributes, in order.
    pub fallback: Vec<AuthIndex>,
    /// The attributes any of which may hold the address that a code is sent to, in order; none where nothing is sent.
    pub address: Vec<String>,
    /// In which language the person is spoken to.
    pub language: Language,
    /// Which method.
    pub method: Method,
}

/// In which language the person is spoken to, in messages and at the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// The attribute that says what the person reads.
    pub attribute: Option<String>,
    /// The BCP 47 tag where it says nothing.
    pub tag: String,
}

impl Language {
    /// Where nobody says.
    pub const DEFAULT: &str = "en";
}

/// What a method profile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A push to the user's devices.
    Push {
        /// How sure an approval must be.
        assurance: Assurance,
        /// Digits of a number: 3, or 6 with `nist = true`.
        digits: u8,
        /// Seconds that a push lives.
        ttl: u32,
        /// Whether a passkey that can leave its device for an account of the user's counts as one (R14).
        synced_passkeys: bool,
        /// Whether each approval takes fingerprint, face or PIN besides what its level asks: the word of a passkey, also of one
        /// that is in an account (R13).
        app_lock: bool,
    },
    /// A one-time code, which the code service judges.
    Code {
        /// How it comes to the user.
        method: CodeMethod,
        /// Seconds in which it must be typed.
        ttl: u32,
    },
}

impl Method {
    /// The method's word in traces and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push { .. } => "push",
            Self::Code { method, .. } => match method {
                CodeMethod::Sms => "SMS code",
                CodeMethod::Mail => "mail code",
                CodeMethod::Totp => "TOTP",
                CodeMethod::Recovery => "recovery code",
            },
        }
    }
}

/// How sure an approval must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// A tap where enough speaks for the login, otherwise a number ([`crate::login::level`]).
    Adaptive,
    /// This level.
    Always(Level),
}

impl Assurance {
    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Always(level) => level.name(),
        }
    }
}

/// What a prompt asks of an SSH client while a push that shows no number waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshPrompt {
    /// Nothing: the login goes on by itself.
    None,
    /// Enter, after the approval; sshd before OpenSSH 10.3 shows text in a prompt alone.
    Enter,
}

/// A policy: who may use a method profile.
#[derive(Debug)]
pub struct Policy {
    /// The method profile that it belongs to.
    pub method: MethodIndex,
    /// Who must know the user, and whose attribute it looks at.
    pub auth_profile: AuthIndex,
    /// What it asks of the user; `None`: whoever is known there.
    pub attribute: Option<AttributeTest>,
    /// What it asks of the login.
    pub conditions: Conditions,
    /// How sure an approval must be, in place of the push profile's word.
    pub assurance: Option<Assurance>,
    /// What follows where it matches.
    pub action: Action,
    /// Where it stands, for `explain`.
    pub place: String,
}

/// What follows where a policy matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Its method profile is used.
    Use,
    /// The login is denied.
    Deny,
    /// The factor is waived, where the application's floor allows that.
    Waive,
}

impl Action {
    /// Every word of the configuration.
    pub const WORDS: [(&str, Self); 3] = [("use", Self::Use), ("deny", Self::Deny), ("waive", Self::Waive)];
}

/// An attribute and the values that it may have.
#[derive(Debug)]
pub struct AttributeTest {
    /// The attribute's name, whose case does not count.
    pub name: String,
    /// The values.
    pub matcher: Matcher,
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
    /// Who must prove themselves.
    pub subject: Subject,
    /// No method counts below it.
    pub floor: Strength,
    /// What an SSH client is asked while a push waits.
    pub ssh_prompt: SshPrompt,
    /// Which failure leads to which methods.
    pub routes: Routes,
    /// Whether a code is taken while a push waits, where the factor lists one and the terminal can ask.
    pub offer_codes: bool,
    /// Whether an administrator can let somebody in without the second factor.
    pub bypasses: Bypasses,
    /// When and from where a login lets its user register a first device; `None`: never.
    pub enroll: Option<EnrollAtLogin>,
}

/// What a bypass that an administrator granted is worth to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypasses {
    /// It is heeded.
    Granted,
    /// Never: the second factor is always asked for.
    Never,
}

/// Who must prove themselves to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// `PAM_USER`.
    User,
    /// `PAM_RUSER`, checked against the caller's login uid: for `su`, and for sudo with `targetpw`, `rootpw` or `runaspw`,
    /// where `PAM_USER` is the account that is asked for.
    Caller,
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

    /// Where policies stand by which an application's factor may be waived.
    pub fn waivers<'a>(&'a self, application: &'a Application) -> impl Iterator<Item = &'a str> {
        let listed = |policy: &Policy| {
            let factors = application.factors.iter();
            factors
                .filter(|factor| matches!(factor, Factor::Method(methods) if methods.contains(&policy.method)))
                .count()
                > 0
        };
        self.policies
            .iter()
            .filter(move |policy| {
                policy.action == Action::Waive && application.floor == Strength::Bypass && listed(policy)
            })
            .map(|policy| policy.place.as_str())
    }

    /// An authentication profile.
    pub fn auth_profile(&self, index: AuthIndex) -> &AuthProfile {
        &self.auth_profiles[index.0]
    }

    /// A method profile.
    pub fn method(&self, index: MethodIndex) -> &MethodProfile {
        &self.methods[index.0]
    }

    /// Every authentication profile.
    pub fn auth_indices(&self) -> impl Iterator<Item = AuthIndex> + use<> {
        (0..self.auth_profiles.len()).map(AuthIndex)
    }

    /// The method of a factor that admits those whom no policy matches: its first profile without policies that use it.
    /// One that only denies or waives takes the profile from nobody else.
    pub fn default_method(&self, methods: &[MethodIndex]) -> Option<MethodIndex> {
        methods.iter().copied().find(|method| {
            let uses = |policy: &Policy| policy.method == *method && policy.action == Action::Use;
            !self.policies.iter().any(uses)
        })
    }
}
