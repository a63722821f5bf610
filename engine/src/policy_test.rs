//! A site's own tests of its policies: a TOML table of logins and what each must come to, for its CI and before a reload.
//!
//! `[[test]]` asks; `[[person]]` says who somebody is in an authentication profile, which then is not asked itself, so
//! that the tests run without a directory. A profile without any `[[person]]` is asked as in a login.

use crate::conditions::Circumstances;
use crate::config::{AuthIndex, AuthSource, Config, Problem, Problems};
use crate::directory::{Account, Attributes, Lookup, Person, Values, syntax};
use crate::explain::{Question, Verdict, WAIVED, explain};
use crate::names::UserName;
use crate::places::{Country, Places};
use crate::policy::Recall;
use crate::risk::{Context, Earlier, Signals, Travel};
use crate::sources::{Sources, Spelling};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use toml::Spanned;

/// What a login must come to, besides names of method profiles.
const DENY: &str = "deny";
const ADMIT: &str = "admit";
const UNGUARDED: &str = "unguarded";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    person: Vec<Spanned<RawPerson>>,
    #[serde(default)]
    test: Vec<Spanned<RawTest>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPerson {
    user: String,
    auth_profile: String,
    #[serde(default)]
    attributes: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    blocked: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    user: String,
    service: String,
    from: Option<String>,
    at: Option<String>,
    country: Option<String>,
    #[serde(default)]
    key: bool,
    new_address: Option<bool>,
    new_country: Option<bool>,
    impossible_travel: Option<bool>,
    recent_denials: Option<u16>,
    expect: OneOrMore,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

/// The tests of a file.
#[derive(Debug)]
pub struct Tests {
    people: BTreeMap<(AuthIndex, String), Lookup>,
    tests: Vec<Test>,
}

#[derive(Debug)]
struct Test {
    line: usize,
    user: String,
    service: String,
    source: Option<IpAddr>,
    at: Option<UnixTime>,
    country: Option<Country>,
    key: bool,
    /// What the agent would remember, where the file says any of it.
    signals: Option<Signals>,
    expect: Expected,
}

/// What a login must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Deny,
    Admit,
    /// The module stands aside.
    Unguarded,
    /// Names of method profiles, a factor each.
    Methods(Vec<String>),
}

/// How one test came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// What was asked, in words.
    pub question: String,
    /// What it must come to.
    pub expected: String,
    /// What it came to.
    pub got: String,
    /// Whether they agree.
    pub passed: bool,
    /// Why it came to that.
    pub why: Vec<String>,
}

impl Tests {
    /// Reads the text of `file` for a configuration.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(file: &Path, text: &str, config: &Config) -> Result<Self, Problems> {
        let problem = |line, what: String, mend: &str| Problem {
            file: file.to_owned(),
            line,
            what,
            mend: mend.to_owned(),
        };
        let line_of = |at: usize| crate::config::line_of(text, at);
        let raw: RawFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| line_of(span.start));
            let mend =
                "[[test]] has user, service, from, at, expect, country, key, new_address, new_country, impossible_travel, recent_denials; [[person]] user, auth_profile, attributes, blocked";
            Problems(vec![problem(line, e.message().replace('\n', ", "), mend)])
        })?;
        let mut problems = Vec::new();
        let mut people = BTreeMap::new();
        for raw in raw.person {
            let line = line_of(raw.span().start);
            let raw = raw.into_inner();
            let Some(profile) = config
                .auth_indices()
                .find(|at| config.auth_profile(*at).name() == raw.auth_profile)
            else {
                let what = format!("there is no authentication profile {:?}", raw.auth_profile);
                problems.push(problem(Some(line), what, "name one of the configuration's"));
                continue;
            };
            let Some(person) = person(config, profile, &raw) else {
                let what = format!("{:?} is no user name", raw.user);
                problems.push(problem(Some(line), what, "a user name has 1 to 256 bytes on one line"));
                continue;
            };
            if people
                .insert((profile, raw.user.clone()), Lookup::Found(Box::new(person)))
                .is_some()
            {
                let what = format!("{:?} is described twice for {:?}", raw.user, raw.auth_profile);
                problems.push(problem(Some(line), what, "keep one [[person]] for a user and profile"));
            }
        }
        let mut tests = Vec::new();
        for raw in raw.test {
            let line = line_of(raw.span().start);
            match test(config, line, raw.into_inner()) {
                Ok(test) => tests.push(test),
                Err((what, mend)) => problems.push(problem(Some(line), what, mend)),
            }
        }
        if tests.is_empty() && problems.is_empty() {
            let mend = "add [[test]] with user, service and expect";
            problems.push(problem(None, "it holds no tests".into(), mend));
        }
        if problems.is_empty() {
            Ok(Self { people, tests })
        } else {
            Err(Problems(problems))
        }
    }

    /// Whether every profile is answered by the file, so that nothing else need be asked.
    pub fn knows(&self, profile: AuthIndex) -> bool {
        self.people.keys().any(|(known, _)| *known == profile)
    }

    /// Runs them all; `real` answers for profiles that the file does not know, `now` is when tests without a time are,
    /// `places` says where addresses lie for tests without a country.
    pub async fn run<S: Sources>(&self, config: &Config, real: &S, places: &Places, now: UnixTime) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for test in &self.tests {
            let sources = Written {
                tests: self,
                real,
                signals: test.signals.as_ref(),
            };
            let placed = || test.source.and_then(|source| places.of(source).country_code());
            let question = Question {
                user: &test.user,
                login: Circumstances {
                    service: &test.service,
                    source: test.source,
                    at: test.at.unwrap_or(now),
                    context: Context {
                        country: test.country.or_else(placed),
                        earlier: Earlier {
                            key: test.key,
                            ..Earlier::default()
                        },
                        ..Context::default()
                    },
                },
            };
            let explanation = explain(config, &sources, &question).await;
            let got = match explanation.verdict {
                Verdict::Denied => Expected::Deny,
                Verdict::Unguarded => Expected::Unguarded,
                Verdict::Asked if explanation.methods.is_empty() => Expected::Admit,
                Verdict::Asked => Expected::Methods(explanation.methods),
            };
            let admitted = matches!(got, Expected::Admit | Expected::Methods(_));
            let passed = test.expect == got || (test.expect == Expected::Admit && admitted);
            outcomes.push(Outcome {
                line: test.line,
                question: test.words(),
                expected: test.expect.words(),
                got: got.words(),
                passed,
                why: explanation.lines,
            });
        }
        outcomes
    }
}

impl Test {
    fn words(&self) -> String {
        let from = self.source.map_or_else(String::new, |ip| format!(" from {ip}"));
        let at = self.at.map_or_else(String::new, |at| {
            jiff::Timestamp::from_second(i64::try_from(at.0).unwrap_or_default())
                .map_or_else(|_| String::new(), |at| format!(" at {at}"))
        });
        format!("{} by {}{from}{at}", self.user, self.service)
    }
}

impl Expected {
    fn words(&self) -> String {
        match self {
            Self::Deny => DENY.to_owned(),
            Self::Admit => ADMIT.to_owned(),
            Self::Unguarded => UNGUARDED.to_owned(),
            Self::Methods(methods) => methods.join(" and "),
        }
    }
}

fn test(config: &Config, line: usize, raw: RawTest) -> Result<Test, (String, &'static str)> {
    let source = match raw.from.as_deref() {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            let what = format!("from = {text:?} is no address");
            (what, "write it as \"192.0.2.7\" or \"2001:db8::7\"")
        })?),
    };
    let at = match raw.at.as_deref() {
        None => None,
        Some(text) => Some(crate::moment::parse(text).ok_or_else(|| {
            let what = format!("at = {text:?} is no moment");
            (
                what,
                "write it as \"2026-11-25T09:00:00+01:00\" or \"2026-11-25T09:00[Europe/Berlin]\"",
            )
        })?),
    };
    let country = match raw.country.as_deref() {
        None => None,
        Some(text) => Some(Country::new(text).ok_or_else(|| {
            let what = format!("country = {text:?} is no country's code");
            (what, "write two capital letters of ISO 3166-1, such as \"DE\"")
        })?),
    };
    let signals = signals(&raw);
    let words = raw.expect.list();
    let expect = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [DENY] => Expected::Deny,
        [ADMIT] => Expected::Admit,
        [UNGUARDED] => Expected::Unguarded,
        _ => Expected::Methods(words),
    };
    if let Expected::Methods(names) = &expect {
        let unknown = names
            .iter()
            .find(|name| *name != WAIVED && !config.methods.iter().any(|method| method.name == **name));
        if let Some(name) = unknown {
            let what = format!("expect names {name:?}, which is no method profile");
            return Err((
                what,
                "name one of the configuration's, or \"deny\", \"admit\", \"waived\" or \"unguarded\"",
            ));
        }
        if names.is_empty() {
            return Err(("expect is empty".into(), "write \"deny\" for a denial"));
        }
    }
    Ok(Test {
        line,
        user: raw.user,
        service: raw.service,
        source,
        at,
        country,
        key: raw.key,
        signals,
        expect,
    })
}

/// What the agent would remember; `None` where the file says nothing of it.
fn signals(raw: &RawTest) -> Option<Signals> {
    let said = raw.new_address.or(raw.new_country).or(raw.impossible_travel).is_some();
    (said || raw.recent_denials.is_some()).then(|| Signals {
        new_address: raw.new_address.unwrap_or(true),
        new_country: raw.new_country.unwrap_or(true),
        travel: raw.impossible_travel.map(|impossible| Travel {
            km: if impossible { 10_000 } else { 0 },
            seconds: 60,
        }),
        denials: vec![0; usize::from(raw.recent_denials.unwrap_or_default())],
    })
}

fn person(config: &Config, profile: AuthIndex, raw: &RawPerson) -> Option<Person> {
    UserName::new(&Outside::new(raw.user.as_bytes())).ok()?;
    let mut attributes = Attributes::default();
    for (name, values) in &raw.attributes {
        let values = match values {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        };
        attributes.insert(
            name,
            Values {
                syntax: syntax::of(&config.auth_profile(profile).source, name),
                values: values.iter().map(|value| Outside::new(value.as_bytes())).collect(),
            },
        );
    }
    Some(Person {
        identity: Identity {
            realm: realm(config, profile)?,
            id: ShortText::new(raw.user.clone())?,
        },
        account: if raw.blocked {
            Account::Disabled
        } else {
            Account::Active
        },
        attributes,
    })
}

/// Whose identities a profile yields: two realms mean two people, here as in a login.
fn realm(config: &Config, profile: AuthIndex) -> Option<ShortText> {
    match &config.auth_profile(profile).source {
        AuthSource::Ldap(ldap) => Some(ldap.realm.clone()),
        AuthSource::Local(local) => local.realm.clone().or_else(|| ShortText::new("local@this-host")),
    }
}

/// What the file says, and for the rest whoever is asked in a login.
struct Written<'a, S> {
    tests: &'a Tests,
    real: &'a S,
    signals: Option<&'a Signals>,
}

impl<S: Sources> Sources for Written<'_, S> {
    async fn spelling(&self, user: &UserName) -> Spelling {
        if self.tests.people.keys().any(|(_, name)| name == user.as_str()) {
            return Spelling::As(user.clone());
        }
        self.real.spelling(user).await
    }

    async fn look_up(&self, profile: AuthIndex, user: &UserName) -> Lookup {
        if !self.tests.knows(profile) {
            return self.real.look_up(profile, user).await;
        }
        let known = self.tests.people.get(&(profile, user.as_str().to_owned()));
        known.cloned().unwrap_or(Lookup::Unknown)
    }

    async fn recall(&self, who: &Identity) -> Recall {
        match self.signals {
            Some(signals) => Ok(signals.clone()),
            None => self.real.recall(who).await,
        }
    }
}
