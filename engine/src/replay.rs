//! A recorded login under today's policies: what its trace says of user, directories, address and time goes through the
//! configuration as it is now. Nobody is asked, and nothing that the trace does not say is guessed.

use crate::conditions::Circumstances;
use crate::config::{AuthIndex, AuthSource, Config};
use crate::directory::{Account, Attributes, Lookup, Person, Values, syntax};
use crate::explain::{Explanation, Question, WAIVED, explain};
use crate::names::UserName;
use crate::places::Country;
use crate::policy::Recall;
use crate::risk::{Context, Earlier, Signals};
use crate::sources::{Sources, Spelling};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands for a choice that the trace does not say enough for.
const UNTOLD: &str = "untold";
/// How the reason begins, where it is the trace's.
const SAYS_NOT: &str = "the trace ";

/// What a recorded login came to, and what it would come to.
#[derive(Debug)]
pub struct Replayed {
    /// Methods that were chosen then, a factor each; a denial by policy is `deny`.
    pub then: Vec<String>,
    /// The same now; `untold` where the trace does not say enough.
    pub now: Vec<String>,
    /// Why now.
    pub explanation: Explanation,
}

impl Replayed {
    /// Whether the policies decide otherwise now.
    pub fn differs(&self) -> bool {
        !self.is_untold() && self.then != self.now
    }

    /// Whether the trace does not say what today's policies ask for.
    pub fn is_untold(&self) -> bool {
        self.now.iter().any(|chosen| chosen == UNTOLD)
    }
}

/// Why a record cannot be replayed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReplayError {
    /// It has no trace.
    #[error("the record holds no trace")]
    NoTrace,
    /// The trace has no user: the login ended before anybody was found.
    #[error("the login ended before its user was found, so no policy was asked")]
    NoUser,
    /// The trace ends before any policy.
    #[error("the login ended before any policy was asked")]
    NoPolicy,
}

/// Replays one record of the audit file.
pub async fn replay(config: &Config, record: &Value) -> Result<Replayed, ReplayError> {
    let trace = record["trace"].as_array().ok_or(ReplayError::NoTrace)?;
    let recorded = Recorded::read(trace)?;
    if recorded.chosen.is_empty() {
        return Err(ReplayError::NoPolicy);
    }
    let user = recorded.user.as_str().to_owned();
    let question = Question {
        user: &user,
        login: Circumstances {
            service: &recorded.service,
            source: recorded.client.as_deref().and_then(|client| client.parse().ok()),
            at: recorded.at,
            context: recorded.context,
        },
    };
    let explanation = explain(
        config,
        &Told {
            config,
            recorded: &recorded,
        },
        &question,
    )
    .await;
    let factors = explanation.json["factors"].as_array().cloned().unwrap_or_default();
    let now = factors
        .iter()
        .filter(|factor| !factor["policies"].is_null())
        .map(|factor| chosen(&factor["policies"]["chosen"]))
        .collect();
    Ok(Replayed {
        then: recorded.chosen,
        now,
        explanation,
    })
}

/// The method of a choice as traces write it.
fn chosen(choice: &Value) -> String {
    let untold = choice["cannot_tell"]
        .as_str()
        .is_some_and(|why| why.starts_with(SAYS_NOT));
    let otherwise = match (untold, choice["waives"].is_null()) {
        (true, _) => UNTOLD,
        (false, false) => WAIVED,
        (false, true) => "deny",
    };
    choice["method"].as_str().unwrap_or(otherwise).to_owned()
}

/// What a trace says.
struct Recorded {
    service: String,
    client: Option<String>,
    at: UnixTime,
    user: UserName,
    answers: BTreeMap<String, Answered>,
    context: Context,
    /// What was remembered, by identity as text.
    recalled: BTreeMap<String, Value>,
    chosen: Vec<String>,
}

/// One directory's answer, and which attributes were read.
#[derive(Clone)]
struct Answered {
    answer: Value,
    reads: Option<Vec<String>>,
}

impl Recorded {
    fn read(trace: &[Value]) -> Result<Self, ReplayError> {
        let mut user = None;
        let mut answers = BTreeMap::new();
        let mut asked: Option<(String, Option<Vec<String>>)> = None;
        let mut chosen_then = Vec::new();
        let mut recalled = BTreeMap::new();
        for line in trace {
            let detail = &line["detail"];
            match (line["event"].as_str(), line["effect"].as_str()) {
                (Some("resolved"), _) => {
                    let name = detail["name"]
                        .as_str()
                        .map(|name| UserName::new(&Outside::new(name.as_bytes())));
                    user = name.and_then(Result::ok);
                }
                (Some("recalled"), _) => {
                    if let Some(who) = detail["identity"].as_str() {
                        recalled.insert(who.to_owned(), detail["signals"].clone());
                    }
                }
                (_, Some("look_up" | "check_password")) => {
                    let reads = detail["reads"].as_array().map(|reads| {
                        let names = reads.iter().filter_map(Value::as_str);
                        names.map(str::to_owned).collect()
                    });
                    asked = detail["profile"].as_str().map(|name| (name.to_owned(), reads));
                }
                (Some("looked_up" | "checked"), _) => {
                    if let Some((profile, reads)) = asked.take() {
                        let answer = detail.clone();
                        answers.insert(profile, Answered { answer, reads });
                    }
                }
                _ => {}
            }
            let choice = &line["policy"]["chosen"];
            if !choice.is_null() && choice["asks"].is_null() {
                chosen_then.push(chosen(choice));
            }
        }
        let begin = trace
            .iter()
            .find(|line| line["event"] == "begin")
            .map(|line| &line["detail"]);
        let begin = begin.ok_or(ReplayError::NoTrace)?;
        Ok(Self {
            service: begin["service"].as_str().unwrap_or_default().to_owned(),
            client: begin["client"].as_str().map(str::to_owned),
            at: UnixTime(begin["at"].as_u64().unwrap_or_default()),
            user: user.ok_or(ReplayError::NoUser)?,
            answers,
            context: context(begin),
            recalled,
            chosen: chosen_then,
        })
    }
}

/// What a trace says of the login beside service, address and time; those of old say nothing of it.
fn context(begin: &Value) -> Context {
    let is = |key: &str| begin[key].as_bool().unwrap_or_default();
    Context {
        country: begin["country"].as_str().and_then(Country::new),
        remote: is("remote"),
        earlier: Earlier {
            key: is("key"),
            ..Earlier::default()
        },
        waivable: false,
        untold: begin.get("country").is_none(),
    }
}

/// Answers from the trace alone.
struct Told<'a> {
    config: &'a Config,
    recorded: &'a Recorded,
}

impl Sources for Told<'_> {
    async fn spelling(&self, user: &UserName) -> Spelling {
        Spelling::As(user.clone())
    }

    async fn look_up(&self, profile: AuthIndex, _: &UserName) -> Lookup {
        let name = self.config.auth_profile(profile).name();
        match self.recorded.answers.get(name) {
            Some(told) => self.lookup(profile, told),
            None => Lookup::Unreachable(format!("the trace does not say: {name} was not asked then")),
        }
    }

    async fn recall(&self, who: &Identity) -> Recall {
        self.signals(who)
    }
}

impl Told<'_> {
    fn signals(&self, who: &Identity) -> Recall {
        // [`read_person`] keeps whom a trace names as one text.
        let told = self.recorded.recalled.get(who.id.as_str());
        let told = told.ok_or("the trace does not say: what was remembered was not asked for then")?;
        if let Some(why) = told["unknown"].as_str() {
            return Err(why.to_owned());
        }
        serde_json::from_value::<Signals>(told.clone())
            .map_err(|e| format!("the trace has signals that cannot be read: {e}"))
    }

    fn lookup(&self, profile: AuthIndex, told: &Answered) -> Lookup {
        let answer = &told.answer;
        match answer.as_str() {
            Some("unknown") => return Lookup::Unknown,
            Some("ambiguous") => return Lookup::Ambiguous,
            _ => {}
        }
        let Some(person) = answer.get("found").or_else(|| answer.get("passed")) else {
            let why = answer["unreachable"].as_str().unwrap_or("the trace has no attributes");
            return Lookup::Unreachable(why.to_owned());
        };
        let source = &self.config.auth_profile(profile).source;
        if let Some(why) = self.lacks(profile, source, told, person) {
            return Lookup::Unreachable(why);
        }
        match read_person(source, person) {
            Some(person) => Lookup::Found(Box::new(person)),
            None => Lookup::Unreachable("the trace has a person that cannot be read".into()),
        }
    }

    /// What today's policies look at and the trace does not have whole.
    fn lacks(&self, profile: AuthIndex, source: &AuthSource, told: &Answered, person: &Value) -> Option<String> {
        let is = |name: &str, list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        let cut: Vec<&str> = person["cut"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let reads: Option<Vec<&str>> = told
            .reads
            .as_ref()
            .map(|reads| reads.iter().map(String::as_str).collect());
        let policies = self
            .config
            .policies
            .iter()
            .filter(|policy| policy.auth_profile == profile);
        for test in policies.filter_map(|policy| policy.attribute.as_ref()) {
            if is(&test.name, &cut) {
                return Some(format!("the trace has not all of {}", test.name));
            }
            let unread = reads.as_ref().is_none_or(|reads| !is(&test.name, reads));
            if matches!(source, AuthSource::Ldap(_)) && unread {
                return Some(format!("the trace does not say: {} was not read then", test.name));
            }
        }
        None
    }
}

fn read_person(source: &AuthSource, person: &Value) -> Option<Person> {
    let mut attributes = Attributes::default();
    for (name, values) in person["attributes"].as_object()? {
        let values = values.as_array()?.iter().filter_map(Value::as_str);
        attributes.insert(
            name,
            Values {
                syntax: syntax::of(source, name),
                values: values.map(|value| Outside::new(value.as_bytes())).collect(),
            },
        );
    }
    let account = match person["account"].as_str()? {
        "Active" => Account::Active,
        "Disabled" => Account::Disabled,
        "Locked" => Account::Locked,
        "Expired" => Account::Expired,
        "MustChangePassword" => Account::MustChangePassword,
        _ => return None,
    };
    // Whom a trace names stays who they are; how the two halves were joined does not matter here.
    Some(Person {
        identity: Identity {
            realm: ShortText::new("replay")?,
            id: ShortText::new(person["identity"].as_str()?)?,
        },
        account,
        attributes,
    })
}
