//! A company's configuration, and people as its directories know them.

use assent_engine::config::{self, Config};
use assent_engine::directory::Lookup;
use assent_engine::names::UserName;
use assent_engine::places::Places;
use assent_engine::policy::Recall;
use assent_engine::policy_test::{Outcome, Tests};
use assent_engine::sources::{Sources, Spelling};
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use std::path::Path;

/// 2026-11-25T08:00:00Z, a Wednesday.
pub const NOW: UnixTime = UnixTime(1_795_593_600);

/// The mission's own example (row 8): IT by push, everyone else by a code over SMS.
pub const EXAMPLE: &str = r#"
[gateway]
url = "https://push.example.org"

[[auth_profile]]
name = "corp"
kind = "ldap"
realm = "example.org"
uris = ["ldaps://ldap.example.org"]
base = "dc=example,dc=org"

[[auth_profile]]
name = "local"
kind = "local"

[[push_profile]]
name = "staff-push"
fallback_auth_profiles = ["corp", "local"]
assurance = "tap"

[[sms_profile]]
name = "sms"
fallback_auth_profiles = ["corp", "local"]

[[policy]]
push_profile = "staff-push"
auth_profile = "corp"
attribute = "department"
values = ["IT", "IT-*"]

[[application]]
name = "ssh"
services = ["sshd"]
factors = [["stack"], ["staff-push", "sms"]]
"#;

/// Two people of it.
pub const PEOPLE: &str = r#"
[[person]]
user = "alice"
auth_profile = "corp"
attributes = { department = "IT-Ops", memberOf = ["cn=eng,ou=groups,dc=example,dc=org", "cn=vpn,ou=groups,dc=example,dc=org"] }
[[person]]
user = "bob"
auth_profile = "corp"
attributes = { department = "Sales", mail = ["bob@example.org", "robert@example.org"] }
[[person]]
user = "carla"
auth_profile = "local"
attributes = { username = "carla", group_name = ["wheel", "carla"], email = "Carla@Example.org", mobile = "+1 555 0100" }
"#;

pub fn config(text: &str) -> Config {
    config::load_str("agentd.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

/// Nobody may be asked but the file.
pub struct Nobody;

impl Sources for Nobody {
    async fn spelling(&self, _: &UserName) -> Spelling {
        Spelling::Unknown
    }

    async fn look_up(&self, _: config::AuthIndex, _: &UserName) -> Lookup {
        Lookup::Unknown
    }

    async fn recall(&self, _: &Identity) -> Recall {
        Err("nobody is asked here".into())
    }
}

/// Runs a table of tests about [`PEOPLE`].
pub async fn run(config: &Config, tests: &str) -> Vec<Outcome> {
    let tests = Tests::read(Path::new("tests.toml"), &format!("{PEOPLE}{tests}"), config);
    tests
        .unwrap_or_else(|e| panic!("{e}"))
        .run(config, &Nobody, &Places::default(), NOW)
        .await
}

/// What a login of `user` comes to; `more` are other keys of the test.
pub async fn comes_to(config: &Config, user: &str, more: &str) -> String {
    let service = if more.contains("service =") {
        ""
    } else {
        "service = \"sshd\"\n"
    };
    let tests = format!("[[test]]\nuser = \"{user}\"\nexpect = \"admit\"\n{service}{more}");
    run(config, &tests).await.remove(0).got
}

/// [`EXAMPLE`] with other policies.
pub fn with_policies(policies: &str) -> Config {
    let (head, tail) = EXAMPLE.split_once("[[policy]]").unwrap();
    let (_, tail) = tail.split_once("[[application]]").unwrap();
    config(&format!("{head}{policies}\n[[application]]{tail}"))
}
