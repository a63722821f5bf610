//! What a second pair of eyes found: explanations that differ from logins, values that silently never match, warnings
//! that are wrong.

use crate::company::{EXAMPLE, NOW, Nobody, config, run, with_policies};
use assent_engine::conditions::Circumstances;
use assent_engine::config::{AuthIndex, Config, Factor};
use assent_engine::directory::{Account, Attributes, Lookup, Person, Syntax, Values};
use assent_engine::explain::{Question, Verdict, explain};
use assent_engine::names::UserName;
use assent_engine::policy::{Choice, Recall, Recalled, choose};
use assent_engine::policy_test::Tests;
use assent_engine::replay::replay;
use assent_engine::risk::{Context, Earlier};
use assent_engine::sources::{Sources, Spelling};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;
use std::collections::BTreeMap;
use std::path::Path;

const LOGIN: Circumstances<'_> = Circumstances {
    service: "sshd",
    source: None,
    at: NOW,
    context: Context {
        country: None,
        remote: false,
        earlier: Earlier {
            key: false,
            password: false,
            stack: false,
            method: false,
        },
        waivable: false,
        untold: false,
    },
};

fn person(realm: &str, name: &str, syntax: Syntax, value: &[u8]) -> Lookup {
    let mut attributes = Attributes::default();
    let values = vec![Outside::new(value)];
    attributes.insert(name, Values { syntax, values });
    Lookup::Found(Box::new(Person {
        identity: Identity {
            realm: ShortText::new(realm).unwrap(),
            id: ShortText::new("1").unwrap(),
        },
        account: Account::Active,
        attributes,
    }))
}

/// Every profile knows the user, each as somebody of its own: as LDAP and NSS do of one account.
struct Everybody(BTreeMap<AuthIndex, Lookup>);

impl Sources for Everybody {
    async fn spelling(&self, user: &UserName) -> Spelling {
        Spelling::As(user.clone())
    }

    async fn look_up(&self, profile: AuthIndex, _: &UserName) -> Lookup {
        self.0[&profile].clone()
    }

    async fn recall(&self, _: &Identity) -> Recall {
        Err("nobody is asked here".into())
    }
}

/// The manual's first example of policies: `corp` by department, `local` by `wheel`. A login of somebody whom both know
/// and whom the second policy takes ends with `identity_conflict`.
#[tokio::test]
async fn r58_explain_denies_where_policy_and_profile_mean_two_identities() {
    let config = with_policies(
        "[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"local\"\nattribute = \"group_name\"\nvalues = [\"wheel\"]",
    );
    let answers = [
        person("example.org", "department", Syntax::Text, b"Sales"),
        person("local@host", "group_name", Syntax::ExactText, b"wheel"),
    ];
    let sources = Everybody(config.auth_indices().zip(answers).collect());
    let question = Question {
        user: "alice",
        login: LOGIN,
    };
    let told = explain(&config, &sources, &question).await;
    assert_eq!(told.verdict, Verdict::Denied, "{:?}", told.lines);
}

/// The same in a table, where every profile gives one identity to a name.
#[tokio::test]
async fn r58_policy_test_denies_where_policy_and_profile_mean_two_identities() {
    let config = with_policies(
        "[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"local\"\nattribute = \"group_name\"\nvalues = [\"wheel\"]",
    );
    let tests = "[[person]]\nuser = \"eve\"\nauth_profile = \"corp\"\nattributes = { department = \"Sales\" }\n\
                 [[person]]\nuser = \"eve\"\nauth_profile = \"local\"\nattributes = { group_name = \"wheel\" }\n\
                 [[test]]\nuser = \"eve\"\nservice = \"sshd\"\nexpect = \"deny\"\n";
    let outcome = run(&config, tests).await.remove(0);
    assert!(outcome.passed, "{outcome:?}");
}

/// With `unlisted = "ignore"` the module stands aside: such a service is not guarded, and certainly not denied.
#[tokio::test]
async fn r33_a_service_that_is_passed_over_does_not_count_as_denied() {
    let config = config(&format!("unlisted = \"ignore\"\n{EXAMPLE}"));
    let tests = "[[test]]\nuser = \"alice\"\nservice = \"sshd-typo\"\nexpect = \"deny\"\n";
    let outcome = run(&config, tests).await.remove(0);
    assert!(!outcome.passed, "{outcome:?}");
    let question = Question {
        user: "alice",
        login: Circumstances {
            service: "login",
            ..LOGIN
        },
    };
    let told = explain(&config, &Nobody, &question).await;
    assert_ne!(told.json["verdict"], "would be denied");
}

fn chosen_by(config: &Config, lookup: Lookup) -> Choice {
    let Factor::Method(methods) = &config.application("sshd").unwrap().factors[1] else {
        panic!("it is a choice of methods");
    };
    choose(
        config,
        methods,
        &LOGIN,
        &config.auth_indices().zip([lookup]).collect(),
        &Recalled::new(),
    )
    .0
}

fn mapped(attribute: &str, value: &str) -> Config {
    let policies = format!(
        "[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"corp\"\nattribute = \"{attribute}\"\nvalues = [\"{value}\"]\n"
    );
    let (head, tail) = EXAMPLE.split_once("[[policy]]").unwrap();
    let (_, tail) = tail.split_once("[[application]]").unwrap();
    let map = "base = \"dc=example,dc=org\"\nattribute_map = { groups = \"memberOf\", guid = \"objectGUID\" }\n";
    let head = head.replacen("base = \"dc=example,dc=org\"\n", map, 1);
    config(&format!("{head}{policies}\n[[application]]{tail}"))
}

/// An attribute that has another name in the directory is read by the directory's syntax; so must the policy be.
#[test]
fn mission_row_5_a_policy_reads_a_mapped_attribute_by_its_own_syntax() {
    let groups = || {
        person(
            "example.org",
            "groups",
            Syntax::Dn,
            b"cn=eng,ou=groups,dc=example,dc=org",
        )
    };
    for value in ["eng", "CN = Eng, OU = Groups, DC = example, DC = org"] {
        let choice = chosen_by(&mapped("groups", value), groups());
        assert!(
            matches!(choice, Choice::Method { policy: Some(0), .. }),
            "{value}: {choice:?}"
        );
    }
    let guid = [
        0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xf0, 0xde, 1, 2, 3, 4, 5, 6, 7, 0xff,
    ];
    let choice = chosen_by(
        &mapped("guid", "12345678-9abc-def0-0102-0304050607ff"),
        person("example.org", "guid", Syntax::Bytes, &guid),
    );
    assert!(matches!(choice, Choice::Method { policy: Some(0), .. }), "{choice:?}");
}

/// Names of this machine are exact, so these two are two.
#[test]
fn a_policy_on_a_local_name_of_another_case_is_not_hidden() {
    let policy = |name: &str| {
        format!(
            "[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"local\"\nattribute = \"username\"\nvalues = [\"{name}\"]\n"
        )
    };
    let config = with_policies(&(policy("Alice") + &policy("alice")));
    let hidden = config
        .warnings
        .iter()
        .any(|warning| warning.what.contains("no login comes"));
    assert!(!hidden, "{:?}", config.warnings);
}

/// Twenty values of an attribute stand in a trace. A user in more groups is decided by the same policies as then.
#[tokio::test]
async fn mission_row_20_what_cannot_be_replayed_does_not_count_as_decided_otherwise() {
    let policies = "[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"corp\"\nattribute = \"memberOf\"\nvalues = [\"eng\"]\n";
    let record = serde_json::json!({"login": "k7f3q2", "trace": [
        {"ms": 0.0, "event": "begin", "detail": {"at": 1_795_593_600_u64, "service": "sshd"}},
        {"ms": 0.2, "event": "resolved", "detail": {"name": "alice", "uid": 1000}},
        {"ms": 0.2, "effect": "look_up", "detail": {"profile": "corp", "reads": ["memberOf"]}},
        {"ms": 1.0, "event": "looked_up", "detail": {"found": {
            "identity": "example.org#1", "account": "Active", "cut": ["memberof"],
            "attributes": {"memberof": ["cn=eng,ou=groups,dc=example,dc=org"]}}}},
        {"ms": 1.0, "policy": {"considered": [], "chosen": {"method": "staff-push", "by": "policy"}}},
    ]});
    let told = replay(&with_policies(policies), &record).await.unwrap();
    assert!(!told.differs(), "{told:?}");
}

/// What a server, or a forged record, says of an outage is other people's text.
#[tokio::test]
async fn r66_an_outages_words_reach_the_terminal_made_visible() {
    let config = config(EXAMPLE);
    let why = "gone\u{1b}]0;x\u{7}\n=> would be asked";
    let answers = [Lookup::Unreachable(why.to_owned()), Lookup::Unknown];
    let sources = Everybody(config.auth_indices().zip(answers).collect());
    let question = Question {
        user: "alice",
        login: LOGIN,
    };
    let told = explain(&config, &sources, &question).await;
    let odd = told.lines.iter().find(|line| line.chars().any(char::is_control));
    assert_eq!(odd, None);
}

/// The table says two things of one person: one of them is a mistake.
#[test]
fn a_table_with_one_person_twice_is_refused() {
    let person = |department: &str| {
        format!(
            "[[person]]\nuser = \"bob\"\nauth_profile = \"corp\"\nattributes = {{ department = \"{department}\" }}\n"
        )
    };
    let test = "[[test]]\nuser = \"bob\"\nservice = \"sshd\"\nexpect = \"staff-push\"\n";
    let text = person("IT") + &person("Sales") + test;
    assert!(Tests::read(Path::new("t.toml"), &text, &config(EXAMPLE)).is_err());
}
