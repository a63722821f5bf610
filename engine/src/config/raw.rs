//! Exactly what the admin typed, key by key. An unknown key is an error; what a value means is [`super::check`]'s.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub unlisted: Option<Spanned<String>>,
    pub gateway: Option<Spanned<RawGateway>>,
    pub log: Option<Spanned<RawLog>>,
    pub alerts: Option<Spanned<RawAlerts>>,
    pub paths: Option<RawPaths>,
    pub known_networks: Option<Spanned<RawKnownNetworks>>,
    pub location: Option<Spanned<RawLocation>>,
    #[serde(default)]
    pub auth_profile: Vec<Spanned<RawAuthProfile>>,
    #[serde(default)]
    pub push_profile: Vec<Spanned<RawPushProfile>>,
    #[serde(default)]
    pub sms_profile: Vec<Spanned<RawCodeProfile>>,
    #[serde(default)]
    pub mail_profile: Vec<Spanned<RawCodeProfile>>,
    #[serde(default)]
    pub totp_profile: Vec<Spanned<RawCodeProfile>>,
    #[serde(default)]
    pub recovery_profile: Vec<Spanned<RawCodeProfile>>,
    #[serde(default)]
    pub policy: Vec<Spanned<RawPolicy>>,
    #[serde(default)]
    pub application: Vec<Spanned<RawApplication>>,
    #[serde(skip)]
    pub left_out: LeftOut,
}

/// What stood in a file and could not be read.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// There may be profiles whose names are not known: nothing can be said of references.
    pub unclear: bool,
    /// The gateway.
    pub gateway: bool,
    /// Authentication profiles by name.
    pub auth_profiles: Vec<Spanned<String>>,
    /// Method profiles by name.
    pub methods: Vec<Spanned<String>>,
    /// Applications by name.
    pub applications: Vec<Spanned<String>>,
}

impl RawFile {
    /// A file of which nothing is known.
    pub fn unclear() -> Self {
        Self {
            left_out: LeftOut {
                unclear: true,
                ..LeftOut::default()
            },
            ..Self::default()
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGateway {
    pub url: String,
    pub codes_url: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub revocation_max_age_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    pub syslog: Option<PathBuf>,
    pub format: Option<String>,
    pub enterprise: Option<u32>,
    pub audit_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlerts {
    pub hook: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names)] // the keys' own names
pub(super) struct RawPaths {
    pub state_dir: Option<PathBuf>,
    pub trust_dir: Option<PathBuf>,
    pub revoked_dir: Option<PathBuf>,
}

/// Networks by the name that the admin gives.
pub(super) type RawKnownNetworks = BTreeMap<String, Vec<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLocation {
    pub database: PathBuf,
}

/// The authentication profiles of a file whose other keys are another's.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RawAuthProfiles {
    #[serde(default)]
    pub auth_profile: Vec<Spanned<RawAuthProfile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuthProfile {
    pub name: String,
    pub kind: String,
    pub realm: Option<String>,
    pub on_unreachable: Option<String>,
    // kind = "ldap"
    pub preset: Option<String>,
    #[serde(default)]
    pub uris: Vec<String>,
    pub starttls: Option<bool>,
    pub plain_loopback: Option<bool>,
    pub ca_file: Option<PathBuf>,
    pub base: Option<String>,
    pub bind_dn: Option<String>,
    pub bind_password_file: Option<PathBuf>,
    pub bind_password_credential: Option<String>,
    pub bind: Option<String>,
    pub client_certificate_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    pub user_attribute: Option<String>,
    pub login_names: Option<Vec<String>>,
    pub user_filter: Option<String>,
    pub id_attribute: Option<String>,
    #[serde(default)]
    pub attribute_map: BTreeMap<String, String>,
    pub account_rules: Option<String>,
    pub nested: Option<bool>,
    pub nested_by: Option<String>,
    pub group_base: Option<String>,
    pub group_filter: Option<String>,
    pub group_members: Option<Vec<String>>,
    pub timeout_seconds: Option<u64>,
    pub max_binds: Option<usize>,
    pub cache_seconds: Option<u64>,
    pub stale_seconds: Option<u64>,
    // kind = "local"
    pub users_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPushProfile {
    pub name: String,
    pub fallback_auth_profiles: Vec<String>,
    pub assurance: Option<String>,
    pub nist: Option<bool>,
    pub ttl_seconds: Option<u32>,
    pub synced_passkeys: Option<bool>,
    pub language_attribute: Option<String>,
    pub language: Option<String>,
    pub app_lock: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCodeProfile {
    pub name: String,
    pub fallback_auth_profiles: Vec<String>,
    pub address_attribute: Option<String>,
    pub language_attribute: Option<String>,
    pub language: Option<String>,
    pub ttl_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub profile: Option<String>,
    pub push_profile: Option<String>,
    pub auth_profile: String,
    pub attribute: Option<String>,
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub regex: Vec<String>,
    pub case: Option<String>,
    #[serde(default)]
    pub services: Vec<String>,
    #[serde(default)]
    pub networks: Vec<String>,
    pub when: Option<RawWindow>,
    pub assurance: Option<String>,
    pub action: Option<String>,
    #[serde(default)]
    pub countries: Vec<String>,
    #[serde(default)]
    pub not_countries: Vec<String>,
    #[serde(default)]
    pub first_factor: Vec<String>,
    pub new_address: Option<bool>,
    pub new_country: Option<bool>,
    pub impossible_travel: Option<bool>,
    pub recent_denials: Option<RawRecentDenials>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecentDenials {
    pub at_least: usize,
    pub within_minutes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindow {
    #[serde(default)]
    pub days: Vec<String>,
    pub from: Option<String>,
    pub until: Option<String>,
    pub zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawApplication {
    pub name: String,
    pub services: Vec<String>,
    pub factors: Vec<Vec<String>>,
    pub subject: Option<String>,
    pub floor: Option<String>,
    pub ssh_prompt: Option<String>,
    #[serde(default)]
    pub on_failure: BTreeMap<String, Vec<String>>,
    pub offer_codes: Option<bool>,
    pub bypass: Option<String>,
    pub enroll_at_login: Option<RawEnroll>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnroll {
    pub until: Option<String>,
    #[serde(default)]
    pub from: Vec<String>,
}
