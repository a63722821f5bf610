//! How long the engine takes to choose among 10, 1,000 and 10,000 policies: half literal, a quarter `*`, a quarter regular
//! expressions, where only the last one matches.

use super::Options;
use super::row::{Judged, Row, Samples};
use assent_engine::conditions::Circumstances;
use assent_engine::config::{self, Config, Factor, MethodIndex};
use assent_engine::directory::{Account, Attributes, Lookup, Person, Syntax, Values};
use assent_engine::policy::{self, Choice, Recalled};
use assent_engine::risk::Context;
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

/// How many of them have a target.
const JUDGED: usize = 1000;
const TARGET_US: f64 = 200.0;

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 500 } else { 5000 };
    let department = Case {
        attribute: "department",
        syntax: Syntax::Text,
        values: vec!["Geophysics 0815".to_owned()],
        shapes: [
            |n| format!("values = [\"Team {n:04}\"]"),
            |n| format!("values = [\"Lab {n:04}-*\"]"),
            |n| format!("regex = [\"(Plant|Works) [0-9]+-{n:04}\"]"),
        ],
    };
    let groups = Case {
        attribute: "memberOf",
        syntax: Syntax::Dn,
        values: (0..8)
            .map(|n| format!("cn=project-{n},ou=groups,dc=example,dc=org"))
            .collect(),
        shapes: [
            |n| format!("values = [\"cn=team-{n:04},ou=groups,dc=example,dc=org\"]"),
            |n| format!("values = [\"cn=lab-{n:04}-*,ou=groups,dc=example,dc=org\"]"),
            |n| format!("regex = [\"cn=(plant|works)-[0-9]+-{n:04},.*\"]"),
        ],
    };
    let mut rows = Vec::new();
    for policies in [10, JUDGED, 10_000] {
        let times = times * 10 / policies.clamp(10, 1000);
        let row = Row::of(
            format!("{policies} policies on a text attribute, the last one matches"),
            "µs",
            &department.measure(policies, times),
        )
        .note("half literal, a quarter *, a quarter regex; one value");
        rows.push(if policies == JUDGED {
            row.judged(Judged::AtMost, TARGET_US)
        } else {
            row
        });
        let row = Row::of(
            format!("{policies} policies on memberOf with 8 groups, the last one matches"),
            "µs",
            &groups.measure(policies, times / 5),
        );
        rows.push(row.note("no target of its own: eight values compared as DNs"));
    }
    rows
}

struct Case {
    attribute: &'static str,
    syntax: Syntax,
    values: Vec<String>,
    /// A literal, a pattern, an expression.
    shapes: [fn(usize) -> String; 3],
}

impl Case {
    fn measure(&self, policies: usize, times: usize) -> Samples {
        let config = config::load_str("bench", &self.configuration(policies)).unwrap_or_else(|e| panic!("{e}"));
        let methods = methods(&config);
        let profile = config.auth_indices().next().expect("a profile");
        let known = BTreeMap::from([(profile, Lookup::Found(Box::new(self.person())))]);
        let login = Circumstances {
            service: "sshd",
            source: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            at: UnixTime(1_795_593_600),
            context: Context::default(),
        };
        let mut samples = Samples::default();
        for _ in 0..times {
            let began = Instant::now();
            let (choice, considered) = black_box(policy::choose(
                black_box(&config),
                black_box(&methods),
                black_box(&login),
                black_box(&known),
                black_box(&Recalled::new()),
            ));
            samples.push(began.elapsed().as_secs_f64() * 1e6);
            assert_eq!(considered.len(), policies, "every policy was looked at");
            assert!(matches!(choice, Choice::Method { policy: Some(at), .. } if at + 1 == policies));
        }
        samples
    }

    fn configuration(&self, policies: usize) -> String {
        let mut text = String::from(
            "[gateway]\nurl = \"https://127.0.0.1:1\"\n\
             [[auth_profile]]\nname = \"corp\"\nkind = \"ldap\"\nrealm = \"example.org\"\n\
             uris = [\"ldaps://127.0.0.1\"]\nbase = \"dc=example,dc=org\"\n\
             [[push_profile]]\nname = \"staff\"\nfallback_auth_profiles = [\"corp\"]\nassurance = \"tap\"\n\
             [[application]]\nname = \"ssh\"\nservices = [\"sshd\"]\nfactors = [[\"stack\"], [\"staff\"]]\n",
        );
        for n in 0..policies {
            let shape = match n % 4 {
                0 | 1 => self.shapes[0],
                2 => self.shapes[1],
                _ => self.shapes[2],
            };
            let rule = if n + 1 == policies {
                "regex = [\".*\"]".to_owned()
            } else {
                shape(n)
            };
            let _ = write!(
                text,
                "[[policy]]\npush_profile = \"staff\"\nauth_profile = \"corp\"\nattribute = \"{}\"\n{rule}\n",
                self.attribute
            );
        }
        text
    }

    fn person(&self) -> Person {
        let mut attributes = Attributes::default();
        attributes.insert(
            self.attribute,
            Values {
                syntax: self.syntax,
                values: self.values.iter().map(|value| Outside::new(value.as_bytes())).collect(),
            },
        );
        let text = |text: &str| ShortText::new(text).expect("a short text");
        Person {
            identity: Identity {
                realm: text("example.org"),
                id: text("1"),
            },
            account: Account::Active,
            attributes,
        }
    }
}

fn methods(config: &Config) -> Vec<MethodIndex> {
    let application = config.application("sshd").expect("the application");
    let methods = application.factors.iter().find_map(|factor| match factor {
        Factor::Method(methods) => Some(methods.clone()),
        Factor::Stack | Factor::Password(_) => None,
    });
    methods.expect("a factor with methods")
}
