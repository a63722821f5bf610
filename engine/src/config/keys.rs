//! Every key of the agent's configuration, in one place: what the manual's reference is made of, and what an unknown key
//! is compared with. A test holds it against what the parser takes.

use std::fmt::Write as _;

/// A table of the configuration.
#[derive(Debug)]
pub struct Section {
    /// Its name; empty for keys at the top of a file.
    pub name: &'static str,
    /// Whether there may be several, as `[[name]]`.
    pub many: bool,
    /// What it is for.
    pub about: &'static str,
    /// Its keys; none: the admin names them.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub takes: &'static str,
    /// What holds without it; empty where it is required.
    pub default: &'static str,
    /// What it means.
    pub about: &'static str,
}

const fn key(name: &'static str, takes: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        takes,
        default,
        about,
    }
}

const LANGUAGE_ATTRIBUTE: Key = key(
    "language_attribute",
    "an attribute, such as `preferredLanguage`",
    "none",
    "what the person reads, in messages and, once an earlier factor has passed, at the terminal: a BCP 47 tag, or a list of them, of which the first counts. English, German and Turkish are written; any other is English",
);

const LANGUAGE: Key = key(
    "language",
    "a BCP 47 tag",
    "`\"en\"`",
    "where that attribute says nothing, and at the terminal for everybody before an earlier factor has passed",
);

const CODE_KEYS: &[Key] = &[
    key("name", "text", "", "unique over all kinds"),
    key(
        "fallback_auth_profiles",
        "names of `[[auth_profile]]`",
        "",
        "who validates the user and yields the attributes, in order",
    ),
    key(
        "address_attribute",
        "an attribute",
        "`mobile` for SMS; `mail`, then `email` for mail",
        "where a code goes; without a value, none goes. Only for what is sent",
    ),
    LANGUAGE_ATTRIBUTE,
    LANGUAGE,
    key(
        "ttl_seconds",
        "seconds, 30 to 600",
        "90",
        "how long a code may be typed; never longer than what is left of the login's 100 seconds",
    ),
];

/// All of them, in the order of the manual.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "",
        many: false,
        about: "At the top of a file.",
        keys: &[key(
            "unlisted",
            "`\"deny\"`, `\"ignore\"`",
            "`\"deny\"`",
            "what happens to a PAM service that no application lists; with `\"ignore\"` the module stands aside",
        )],
    },
    Section {
        name: "gateway",
        many: false,
        about: "Where pushes go. Needed as soon as there is a push profile.",
        keys: &[
            key(
                "url",
                "`https://…`; plain `http://` for a loopback address (`127.0.0.1`, `[::1]`) alone",
                "",
                "the gateway's `public_url`; no user name in it",
            ),
            key(
                "codes_url",
                "as `url`",
                "none",
                "the Register Panel's `url`, where panel and code service run apart from the relay: codes go on there while the \
                 relay is away",
            ),
            key(
                "ca_file",
                "path",
                "the system's authorities",
                "PEM; replaces the system's",
            ),
            key(
                "revocation_max_age_seconds",
                "seconds, 172,800 to 7,776,000",
                "604,800 (7 days)",
                "how old the revocation list may be; with an older one, or none, no push is sent",
            ),
        ],
    },
    Section {
        name: "log",
        many: false,
        about: "Where decisions are recorded.",
        keys: &[
            key("syslog", "path", "`/dev/log`", "the syslog socket"),
            key(
                "format",
                "`auto`, `rfc3164`, `rfc5424`",
                "`auto`",
                "`auto`: to journald with fields, where it runs, otherwise as `rfc3164`; see [Audit](../audit.md#fields)",
            ),
            key(
                "enterprise",
                "number",
                "none; needed with `rfc5424`",
                "your organisation's private enterprise number: the fields stand under `assent@` and this number",
            ),
            key(
                "audit_file",
                "path",
                "`/var/lib/assent/audit.jsonl`",
                "see [Audit](../audit.md); the unit lets the agent write below `/var/lib/assent` alone",
            ),
        ],
    },
    Section {
        name: "alerts",
        many: false,
        about: "Who hears at once when somebody answers \"not me\". syslog and D-Bus hear of it in any case.",
        keys: &[key(
            "hook",
            "absolute path",
            "none",
            "a program, root's own: it is run without a shell and arguments, with an empty environment, for at most 10 seconds, \
             and reads one line of JSON from its standard input; see [Trouble](../troubleshooting.md)",
        )],
    },
    Section {
        name: "paths",
        many: false,
        about: "Where files are.",
        keys: &[
            key(
                "state_dir",
                "path",
                "`/var/lib/assent`",
                "`host.key`, `host.jws`, `issuer.jws`",
            ),
            key("trust_dir", "path", "`/etc/assent/trust.d`", "pinned roots, `*.pub`"),
            key(
                "revoked_dir",
                "path",
                "`/etc/assent/revoked.d`",
                "device ids, host ids and serials that you revoke by hand, one a line; see [Trouble](../troubleshooting.md)",
            ),
        ],
    },
    Section {
        name: "known_networks",
        many: false,
        about: "Networks by name, each `name = [\"192.0.2.0/24\", \"2001:db8::/32\"]`. A login from one of them counts as \
                from a known address, and the phone shows the name.",
        keys: &[],
    },
    Section {
        name: "location",
        many: false,
        about: "Where addresses are. Nothing is downloaded: the file is yours to renew.",
        keys: &[key(
            "database",
            "absolute path",
            "",
            "an MMDB file with cities or countries, such as GeoLite2 or DB-IP; the phone shows the place and marks a new one",
        )],
    },
    Section {
        name: "auth_profile",
        many: true,
        about: "Who the user is: an LDAP directory, or the users of this machine. A key of the other kind is an error. \
                See [Directories](../setup/2-authentication-profiles.md).",
        keys: &[
            key("name", "text", "", "unique over all kinds"),
            key("kind", "`\"ldap\"`, `\"local\"`", "", "what stands behind it"),
            key(
                "realm",
                "text of at most 4,096 bytes",
                "LDAP: required; local: `local@<host id>`",
                "whose identities these are; the same on every host and on the panel",
            ),
            key(
                "on_unreachable",
                "`\"deny\"`, `\"next\"`",
                "`\"deny\"`",
                "what happens when it cannot be reached: a denial, or the next fallback profile",
            ),
            key(
                "preset",
                "`\"openldap\"`, `\"389ds\"`, `\"freeipa\"`, `\"active-directory\"`",
                "none",
                "LDAP: sets the keys marked †, see [Directories](../setup/directories.md); each can still be given",
            ),
            key(
                "uris",
                "list of `ldaps://host[:port]`, `ldap://host[:port]`",
                "LDAP: at least one",
                "servers, in order of preference",
            ),
            key(
                "starttls",
                "true, false",
                "true for `ldap://`",
                "`false` only with `plain_loopback = true` and a loopback address",
            ),
            key(
                "plain_loopback",
                "true, false",
                "false",
                "allows LDAP without TLS to this machine itself",
            ),
            key(
                "ca_file",
                "path",
                "the system's authorities",
                "PEM; replaces the system's",
            ),
            key("base", "DN", "LDAP: required", "where users are searched"),
            key("bind_dn", "DN", "anonymous search", "who searches; needs a password"),
            key(
                "bind_password_file",
                "path",
                "none",
                "one line; root 0640 or `assent` 0600. This or the credential",
            ),
            key(
                "bind_password_credential",
                "text without `/`, no leading dot",
                "none",
                "a systemd credential of `assent-agentd.service`, such as \
                 `LoadCredential=corp-ldap:/etc/assent/corp-ldap.password` in a drop-in of the unit",
            ),
            key(
                "bind",
                "`\"simple\"`, `\"external\"`",
                "`\"simple\"`",
                "`\"external\"`: SASL EXTERNAL by the client certificate, without `bind_dn` and password",
            ),
            key(
                "client_certificate_file",
                "path",
                "none",
                "PEM; with `bind = \"external\"` alone",
            ),
            key("client_key_file", "path", "none", "PEM; the file as the password's"),
            key(
                "user_attribute",
                "attribute",
                "`\"uid\"` †",
                "which attribute is the user name",
            ),
            key(
                "login_names",
                "1 to 8 attributes",
                "`[user_attribute]`",
                "any of them may hold the name; in place of `user_attribute`. Only what users cannot write",
            ),
            key(
                "user_filter",
                "RFC 4515 filter in brackets",
                "none †",
                "what a user's entry must match besides",
            ),
            key(
                "id_attribute",
                "attribute with one lasting value",
                "`\"entryUUID\"` †",
                "what tells users apart for ever",
            ),
            key(
                "attribute_map",
                "table: our name = the directory's name",
                "empty",
                "what policies call an attribute that has another name there",
            ),
            key(
                "account_rules",
                "`\"any\"`, `\"openldap\"`, `\"389ds\"`, `\"freeipa\"`, `\"active-directory\"`",
                "`\"any\"` †",
                "which attributes block an account",
            ),
            key(
                "nested",
                "true, false",
                "true",
                "`false`: `memberOf` as the entry has it",
            ),
            key(
                "nested_by",
                "`\"walk\"`, `\"member-of\"`, `\"token-groups\"`",
                "`\"walk\"` †",
                "how nested groups are found; `member-of`: the directory's `memberOf` has them; `token-groups`: Active Directory",
            ),
            key(
                "group_base",
                "DN",
                "the `dc=…` part of `base`; without any, `base`",
                "where groups are searched",
            ),
            key(
                "group_filter",
                "RFC 4515 filter in brackets",
                "none †",
                "what a group's entry must match",
            ),
            key(
                "group_members",
                "1 to 8 attributes with DNs",
                "`[\"member\", \"uniqueMember\"]`",
                "where groups list their members, for `\"walk\"`",
            ),
            key("max_binds", "1 to 256", "32", "users' binds at once on a server"),
            key(
                "cache_seconds",
                "0 to 3,600",
                "0",
                "how long attributes are not asked for again; never passwords",
            ),
            key(
                "stale_seconds",
                "0 to 604,800",
                "0",
                "and how long they stand in while no server answers",
            ),
            key(
                "timeout_seconds",
                "1 to 30",
                "5",
                "for each operation, connecting included",
            ),
            key(
                "users_file",
                "path",
                "`/etc/assent/users.toml`, which need not exist",
                "local: joined with NSS; one that is named here must exist. See [`users.toml`](users.md)",
            ),
        ],
    },
    Section {
        name: "push_profile",
        many: true,
        about: "A push to the user's devices.",
        keys: &[
            key("name", "text", "", "unique over all kinds"),
            key(
                "fallback_auth_profiles",
                "names of `[[auth_profile]]`",
                "",
                "who validates the user and yields the attributes, in order",
            ),
            key(
                "assurance",
                "`\"adaptive\"`, `\"tap\"`, `\"number\"`, `\"passkey\"`",
                "`\"adaptive\"`",
                "how sure an approval must be, see [Assurance](../setup/3-push-profile.md#assurance)",
            ),
            key(
                "nist",
                "true, false",
                "false",
                "numbers have six digits instead of three (NIST SP 800-63B)",
            ),
            key("ttl_seconds", "10 to 600", "60", "how long a push lives"),
            key(
                "synced_passkeys",
                "true, false",
                "false",
                "whether a passkey that is kept in an account of the user's, and so can be on several devices, counts as one",
            ),
            key(
                "app_lock",
                "true, false",
                "false",
                "each approval takes fingerprint, face or PIN besides what its level asks, by a passkey of the device; also by one that is kept in an account",
            ),
            LANGUAGE_ATTRIBUTE,
            LANGUAGE,
        ],
    },
    Section {
        name: "sms_profile",
        many: true,
        about: "A one-time code by SMS. The [code service](gateway.md) sends and judges it.",
        keys: CODE_KEYS,
    },
    Section {
        name: "mail_profile",
        many: true,
        about: "A one-time code by mail.",
        keys: CODE_KEYS,
    },
    Section {
        name: "totp_profile",
        many: true,
        about: "A time-based code (RFC 6238) of the user's authenticator app.",
        keys: CODE_KEYS,
    },
    Section {
        name: "recovery_profile",
        many: true,
        about: "A recovery code of the user's list.",
        keys: CODE_KEYS,
    },
    Section {
        name: "policy",
        many: true,
        about: "Who may use a method profile: read top to bottom over all files, the first match is used. What is given \
                must all hold; at least an attribute or a condition. See [Policies](../setup/4-policies.md).",
        keys: &[
            key("profile", "name of a method profile", "", "which one it admits to"),
            key(
                "push_profile",
                "the same",
                "",
                "the mission's word for `profile`; give one of them",
            ),
            key(
                "auth_profile",
                "one of that profile's `fallback_auth_profiles`",
                "",
                "who must know the user, and whose attribute it is",
            ),
            key(
                "attribute",
                "an attribute",
                "none: whoever is known",
                "its name; case does not count",
            ),
            key(
                "values",
                "list of literals, with `*` for any run; `\\*` and `\\\\` escape",
                "none",
                "any one of them, for any value of the attribute",
            ),
            key(
                "regex",
                "list of regular expressions, each for the whole value",
                "none",
                "beside `values`; at most 256 KiB compiled",
            ),
            key(
                "case",
                "`\"exact\"`, `\"ignore\"`",
                "by the attribute's syntax",
                "`\"exact\"`: case counts; names of this machine's users and groups are always exact",
            ),
            key("services", "list of PAM services", "any", "only for logins of these"),
            key(
                "networks",
                "list of `10.0.0.0/8`, `2001:db8::/32` or addresses",
                "any",
                "only for clients in these; a login without an address lies in none",
            ),
            key(
                "when",
                "table: see `[policy.when]`",
                "any time",
                "only on these days and hours",
            ),
            key(
                "assurance",
                "as in `[[push_profile]]`",
                "the push profile's",
                "for those whom the policy matches: stronger, or by this very word weaker, never below the application's `floor`",
            ),
            key(
                "action",
                "`\"use\"`, `\"deny\"`, `\"waive\"`",
                "`\"use\"`",
                "what follows: the profile is used; the login is denied; or the factor is waived, where the application has \
                 `floor = \"bypass\"` and an earlier factor has passed",
            ),
            key(
                "countries",
                "list of codes such as `\"DE\"` (ISO 3166-1)",
                "any",
                "only for addresses in these; one whose country is not known lies in none",
            ),
            key(
                "not_countries",
                "the same",
                "any",
                "only for addresses in none of these; one whose country is not known lies in none",
            ),
            key(
                "new_address",
                "`true`, `false`",
                "either",
                "whether the user approved no login from this address within 30 days",
            ),
            key(
                "new_country",
                "`true`, `false`",
                "either",
                "whether the user approved no login from this country within 30 days; one that is not known is new",
            ),
            key(
                "impossible_travel",
                "`true`, `false`",
                "either",
                "whether it is 300 km or more from the last approved login, and faster than 900 km/h. Not known: neither",
            ),
            key(
                "recent_denials",
                "table: see `[policy.recent_denials]`",
                "any number",
                "only after so many pushes of the user that were not approved, and wrong codes",
            ),
            key(
                "first_factor",
                "list of `\"key\"`, `\"password\"`, `\"stack\"`, `\"none\"`",
                "any",
                "only where one of these has passed before in this login; `key`: sshd says so in `SSH_AUTH_INFO_0`",
            ),
        ],
    },
    Section {
        name: "policy.recent_denials",
        many: false,
        about: "Usually written as `recent_denials = { at_least = 2, within_minutes = 30 }`.",
        keys: &[
            key("at_least", "1 to 100", "", "how many"),
            key("within_minutes", "1 to 1440", "", "within how long"),
        ],
    },
    Section {
        name: "policy.when",
        many: false,
        about: "Usually written as `when = { days = [\"mon-fri\"], from = \"08:00\", until = \"18:00\" }`.",
        keys: &[
            key(
                "days",
                "list of `\"mon\"` to `\"sun\"`, or `\"mon-fri\"`",
                "every day",
                "days of the week",
            ),
            key("from", "`\"HH:MM\"`", "`\"00:00\"`", "when it begins"),
            key(
                "until",
                "`\"HH:MM\"`, `\"24:00\"`",
                "`\"24:00\"`",
                "when it has ended; not after `from`: on the next day",
            ),
            key(
                "zone",
                "name of the IANA data base",
                "the system's",
                "whose clock it is",
            ),
        ],
    },
    Section {
        name: "application",
        many: true,
        about: "PAM services, and what they ask for. See [Applications](../setup/6-applications.md).",
        keys: &[
            key("name", "text", "", "unique over all kinds"),
            key(
                "services",
                "list of PAM services",
                "",
                "a service belongs to one application",
            ),
            key(
                "factors",
                "list of lists: `[\"stack\"]`, names of authentication profiles, or names of method profiles",
                "",
                "in order; `stack`: an earlier PAM module, or sshd, has done it",
            ),
            key(
                "subject",
                "`\"user\"`, `\"caller\"`",
                "`\"user\"`",
                "who must prove themselves. `\"caller\"` is for `su`, and for sudo with `targetpw`, `rootpw` or `runaspw`",
            ),
            key(
                "floor",
                "`\"bypass\"`, `\"mail\"`, `\"sms\"`, `\"totp\"`, `\"recovery\"`, `\"tap\"`, `\"number\"`, `\"passkey\"`",
                "the weakest method that `factors` list",
                "the weakest method that counts, whatever profiles and policies say; `\"number\"` makes every tap a number",
            ),
            key(
                "ssh_prompt",
                "`\"none\"`, `\"enter\"`",
                "`\"none\"`",
                "`\"enter\"`: an SSH client sees a prompt while a tap is awaited; sshd before OpenSSH 10.3 shows no other text. A \
                 client that cannot be asked is then denied",
            ),
            key(
                "on_failure",
                "table of lists of method profiles: `gateway`, `codes`, `directory`, `not_enrolled`, `no_answer`, `exhausted`",
                "denied",
                "where each failure leads, in order; see [What leads where](../failures.md)",
            ),
            key(
                "offer_codes",
                "`true`, `false`",
                "`true`",
                "whether a TOTP or recovery profile that the same factor lists is offered in the prompt of a push",
            ),
            key(
                "bypass",
                "`\"granted\"`, `\"never\"`",
                "`\"granted\"`",
                "`\"never\"`: `assentctl user bypass` lets nobody in here without the second factor; see \
                 [Bypass and block](../bypass.md)",
            ),
            key(
                "enroll_at_login",
                "a table, see below",
                "nobody registers a device in a login",
                "whether who has no device registers the first one in a login by SSH, behind the password; see \
                 [Enrolment in the first login](../setup/5-enrol-users.md#enrolment-in-the-first-login)",
            ),
        ],
    },
    Section {
        name: "application.enroll_at_login",
        many: false,
        about: "When, and from where, a first device is registered in a login: `enroll_at_login = { until = \"2027-01-31\", from = \
                [\"office\"] }`. At least one of the two; both that are there must hold.",
        keys: &[
            key(
                "until",
                "a day as `\"2027-01-31\"`",
                "for ever, where `from` stands",
                "the last day, to its end in UTC",
            ),
            key(
                "from",
                "names of `[known_networks]`",
                "every address, where `until` stands",
                "the client's address lies in one of them",
            ),
        ],
    },
];

/// The table of a name.
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The reference of all keys, as the manual prints it (Markdown).
pub fn reference() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for section in SECTIONS {
        let title = match (section.name, section.many) {
            ("", _) => "Top".to_owned(),
            (name, true) => format!("`[[{name}]]`"),
            (name, false) => format!("`[{name}]`"),
        };
        let _ = writeln!(text, "## {title}\n{}\n", section.about);
        if !section.keys.is_empty() {
            text.push_str("| key | takes | without it | |\n|---|---|---|---|\n");
        }
        for key in section.keys {
            let default = if key.default.is_empty() {
                "required"
            } else {
                key.default
            };
            let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name, key.takes, key.about);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len() + 1);
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::config::raw;
    use serde::de::DeserializeOwned;

    /// The keys that a table's parser takes: it names them when it meets another.
    fn taken<Raw: DeserializeOwned>() -> Vec<String> {
        let Err(error) = toml::from_str::<Raw>("zzz = 1") else {
            panic!("it takes any key")
        };
        let message = error.message().to_owned();
        let (_, known) = message.split_once("expected").unwrap_or_else(|| panic!("{message}"));
        let mut names: Vec<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_key_that_is_documented_is_taken_and_no_other() {
        let tables = SECTIONS
            .iter()
            .filter(|section| !section.name.is_empty() && !section.name.contains('.'));
        let mut file: Vec<&str> = tables.map(|section| section.name).collect();
        file.extend(section("").unwrap().keys.iter().map(|key| key.name));
        file.sort_unstable();
        assert_eq!(file, taken::<raw::RawFile>());
        for (name, taken) in [
            ("gateway", taken::<raw::RawGateway>()),
            ("log", taken::<raw::RawLog>()),
            ("paths", taken::<raw::RawPaths>()),
            ("location", taken::<raw::RawLocation>()),
            ("auth_profile", taken::<raw::RawAuthProfile>()),
            ("push_profile", taken::<raw::RawPushProfile>()),
            ("sms_profile", taken::<raw::RawCodeProfile>()),
            ("mail_profile", taken::<raw::RawCodeProfile>()),
            ("totp_profile", taken::<raw::RawCodeProfile>()),
            ("recovery_profile", taken::<raw::RawCodeProfile>()),
            ("policy", taken::<raw::RawPolicy>()),
            ("policy.when", taken::<raw::RawWindow>()),
            ("policy.recent_denials", taken::<raw::RawRecentDenials>()),
            ("application", taken::<raw::RawApplication>()),
            ("application.enroll_at_login", taken::<raw::RawEnroll>()),
        ] {
            let mut documented: Vec<&str> = section(name).unwrap().keys.iter().map(|key| key.name).collect();
            documented.sort_unstable();
            assert_eq!(documented, taken, "{name}");
        }
    }
}
