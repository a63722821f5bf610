//! What would be decided for a user, and why, without a login and without a push: the same policies and directories
//! as a login, asked in the same order.

use crate::conditions::{Circumstances, network_of};
use crate::config::{Assurance, AuthIndex, Config, Factor, MethodIndex, OnUnreachable, Strength, Unlisted};
use crate::directory::{Account, Lookup};
use crate::login::level::{self, Grounds, Why};
use crate::login::trace;
use crate::names::UserName;
use crate::policy::{self, Choice, Recalled};
use crate::risk::{Earlier, Signals};
use crate::sources::{Sources, Spelling};
use assent_proto::cert::{Identity, Level};
use assent_proto::text::{Outside, visible};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// What stands for a method where a policy waives the factor.
pub const WAIVED: &str = "waived";

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The user's name, as somebody would type it.
    pub user: &'a str,
    /// Service, source and time of the login. Of what passed before in it, whether sshd took a key; the rest follows from
    /// the application.
    pub login: Circumstances<'a>,
}

/// An explanation, as JSON and as lines for people.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// For machines.
    pub json: Value,
    /// For people.
    pub lines: Vec<String>,
    /// Names of the method profiles that the factors came to, in their order; [`WAIVED`] for one that is waived.
    pub methods: Vec<String>,
    /// What would become of the login.
    pub verdict: Verdict,
}

/// What would become of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It would come as far as asking for its factors.
    Asked,
    /// It would be denied.
    Denied,
    /// The module stands aside: the service belongs to no application, and `unlisted = "ignore"`.
    Unguarded,
}

impl Verdict {
    /// Its stable words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Asked => "would be asked",
            Self::Denied => "would be denied",
            Self::Unguarded => "not guarded: the module would stand aside",
        }
    }
}

/// Explains what would become of a login.
pub async fn explain<S: Sources>(config: &Config, sources: &S, question: &Question<'_>) -> Explanation {
    let mut report = Report {
        config,
        sources,
        login: question.login,
        json: serde_json::Map::new(),
        lines: Vec::new(),
        methods: Vec::new(),
        known: BTreeMap::new(),
        recalled: Recalled::new(),
        identity: None,
    };
    let verdict = report.run(question.user).await;
    report.tell_signals().await;
    report.say("verdict", json!(verdict.words()), format!("=> {}", verdict.words()));
    Explanation {
        json: Value::Object(report.json),
        lines: report.lines,
        methods: report.methods,
        verdict,
    }
}

struct Report<'a, S> {
    config: &'a Config,
    sources: &'a S,
    login: Circumstances<'a>,
    json: serde_json::Map<String, Value>,
    lines: Vec<String>,
    methods: Vec<String>,
    known: BTreeMap<AuthIndex, Lookup>,
    recalled: Recalled,
    identity: Option<Identity>,
}

impl<S: Sources> Report<'_, S> {
    fn say(&mut self, key: &str, value: Value, line: String) {
        self.json.insert(key.to_owned(), value);
        self.lines.push(line);
    }

    async fn run(&mut self, user: &str) -> Verdict {
        let config = self.config;
        let service = self.login.service;
        let Some(application) = config.application(service) else {
            let rule = format!("{:?}", config.unlisted).to_lowercase();
            self.say(
                "application",
                Value::Null,
                format!("service {service:?} belongs to no application: unlisted = \"{rule}\""),
            );
            return match config.unlisted {
                Unlisted::Deny => Verdict::Denied,
                Unlisted::Ignore => Verdict::Unguarded,
            };
        };
        self.say(
            "application",
            json!(application.name),
            format!("application: {}", application.name),
        );
        let Some(user) = self.canonical(user).await else {
            return Verdict::Denied;
        };
        self.login.context.waivable = application.floor == Strength::Bypass;
        let mut factors = Vec::new();
        let mut verdict = Verdict::Asked;
        for (at, factor) in application.factors.iter().enumerate() {
            let (value, fits) = self.factor(&user, at, factor).await;
            factors.push(value);
            if !fits {
                verdict = Verdict::Denied;
                break;
            }
        }
        self.json.insert("factors".into(), json!(factors));
        verdict
    }

    async fn canonical(&mut self, user: &str) -> Option<UserName> {
        let name = match UserName::new(&Outside::new(user.as_bytes())) {
            Ok(name) => name,
            Err(e) => {
                self.say("user", Value::Null, format!("user: {e}"));
                return None;
            }
        };
        match self.sources.spelling(&name).await {
            Spelling::As(name) => {
                self.say("user", json!(name.shown()), format!("user: {}", name.shown()));
                Some(name)
            }
            Spelling::Unknown => {
                let line = format!("user: the name service does not know {}", name.shown());
                self.say("user", Value::Null, line);
                None
            }
            Spelling::Unreachable(why) => {
                let line = format!("user: the name service cannot be reached: {}", visible(&why));
                self.say("user", json!({"unreachable": why}), line);
                None
            }
        }
    }

    async fn factor(&mut self, user: &UserName, at: usize, factor: &Factor) -> (Value, bool) {
        let number = at + 1;
        match factor {
            Factor::Stack => {
                self.lines
                    .push(format!("factor {number}: an earlier PAM module, or sshd"));
                self.login.context.earlier.stack = true;
                (json!("stack"), true)
            }
            Factor::Password(profiles) => {
                self.lines.push(format!("factor {number}: a password"));
                let (by, fits) = self.first_that_knows(user, profiles).await;
                self.login.context.earlier.password = true;
                (json!({"password": by}), fits)
            }
            Factor::Method(methods) => {
                self.lines.push(format!("factor {number}: a method"));
                self.method(user, methods).await
            }
        }
    }

    async fn method(&mut self, user: &UserName, methods: &[MethodIndex]) -> (Value, bool) {
        let config = self.config;
        let (choice, considered) = loop {
            match policy::choose(config, methods, &self.login, &self.known, &self.recalled) {
                (Choice::Need(profile), _) => self.ask(user, profile).await,
                (Choice::Recall(who), _) => {
                    let told = self.sources.recall(&who).await;
                    self.recalled.insert(who, told);
                }
                decided => break decided,
            }
        };
        let policies = trace::policies(config, &considered, &choice);
        for line in policies["considered"].as_array().into_iter().flatten() {
            let word = |key: &str| line[key].as_str().unwrap_or("any user").to_owned();
            self.lines.push(format!(
                "  policy {} ({}, {}): {}: {}",
                word("at"),
                word("profile"),
                word("attribute"),
                word("answer"),
                // An outage's words are other people's; the rest was made visible before.
                if line["answer"] == "cannot tell" {
                    visible(&word("why"))
                } else {
                    word("why")
                }
            ));
        }
        match choice {
            Choice::Method { method, policy } => {
                let profile = config.method(method);
                let how = if policy.is_some() {
                    "by this policy"
                } else {
                    "the factor's default"
                };
                self.lines
                    .push(format!("  method: {} ({}), {how}", profile.name, profile.method.word()));
                // The policy's own profile takes part in the login: it must mean the same person.
                let policys = policy.map(|at| config.policies[at].auth_profile);
                if !policys.is_none_or(|profile| self.is_one_identity(profile)) {
                    return (json!({"policies": policies, "method": profile.name}), false);
                }
                self.methods.push(profile.name.clone());
                let (by, fits) = self.first_that_knows(user, &profile.fallback).await;
                let mut value = json!({
                    "policies": policies,
                    "method": profile.name,
                    "kind": profile.method.word(),
                    "validated_by": by,
                });
                let earlier = self.login.context.earlier;
                self.login.context.earlier.method = true;
                if let Some(words) = self.assurance(method, policy, earlier.any()) {
                    self.lines.push(format!("  assurance: {words}"));
                    value["assurance"] = json!(words);
                    if let Some(words) = self.enrolment(earlier) {
                        self.lines.push(format!("  without a device: {words}"));
                        value["without_device"] = json!(words);
                    }
                }
                (value, fits)
            }
            Choice::NoneAdmits => {
                self.lines
                    .push("  no policy admits the user, and the factor has no default".into());
                (json!({"policies": policies}), false)
            }
            Choice::CannotTell { why, .. } => {
                self.lines
                    .push(format!("  the policy cannot tell ({}): denied", visible(&why)));
                (json!({"policies": policies}), false)
            }
            Choice::Denied { policy } => {
                let place = &config.policies[policy].place;
                self.lines.push(format!("  the policy {place} denies"));
                (json!({"policies": policies}), false)
            }
            Choice::Waived { method, policy } => {
                let policy = &config.policies[policy];
                self.lines.push(format!(
                    "  the policy {} waives the factor, unless the user is frozen",
                    policy.place
                ));
                let one = self.is_one_identity(policy.auth_profile);
                let (by, fits) = self.first_that_knows(user, &config.method(method).fallback).await;
                self.methods.push(WAIVED.to_owned());
                (
                    json!({"policies": policies, "method": WAIVED, "validated_by": by}),
                    one && fits,
                )
            }
            // The loop above asked for whatever was needed.
            Choice::Need(_) | Choice::Recall(_) => (json!({"policies": policies}), false),
        }
    }

    /// What bears on the login beside the directories' answers: the country, and what the agent remembers.
    async fn tell_signals(&mut self) {
        let context = self.login.context;
        let Some(who) = self.identity.clone() else { return };
        let told = match self.recalled.get(&who) {
            Some(told) => told.clone(),
            None => self.sources.recall(&who).await,
        };
        let country = context.country.map(|country| country.as_str().to_owned());
        let words = match &told {
            Ok(signals) => signal_words(signals),
            Err(why) => format!("what the agent remembers is not known: {}", visible(why)),
        };
        let shown = country.as_deref().unwrap_or("not known");
        let line = format!("signals: country {shown}; {words}");
        let value = json!({"country": country, "remembered": trace::recalled(&told)});
        self.say("signals", value, line);
    }

    /// What an application that lets people register a device in the login would do with who has none; `None` elsewhere.
    fn enrolment(&self, earlier: Earlier) -> Option<String> {
        let rule = self.config.application(self.login.service)?.enroll.as_ref()?;
        let words = rule.words();
        Some(match rule.closed(self.login.at, self.login.source) {
            _ if self.login.source.is_none() => {
                format!("none is registered in this login: it does not come by SSH (enroll_at_login: {words})")
            }
            Some(closed) => format!(
                "none is registered in this login: {} (enroll_at_login: {words})",
                closed.words()
            ),
            None if !(earlier.password || earlier.key || earlier.method) => {
                "none is registered in this login: no password is checked by Assent before, and sshd took no key"
                    .to_owned()
            }
            None => format!("is offered to register the first one, where the login can ask (enroll_at_login: {words})"),
        })
    }

    /// How sure the approval would have to be, as far as that shows without what the agent remembers.
    fn assurance(&self, method: MethodIndex, policy: Option<usize>, earlier_factor: bool) -> Option<String> {
        let config = self.config;
        let assurance = level::assurance(config, method, policy)?;
        let floor = config
            .application(self.login.service)
            .map_or(Level::Tap, |application| application.floor.level());
        let network = self
            .login
            .source
            .and_then(|source| network_of(&config.known_networks, source));
        let grounds = Grounds {
            earlier_factor,
            known_network: network.is_some(),
            ..Grounds::default()
        };
        let (level, why) = level::decide(assurance, floor, grounds);
        let known = match network {
            Some(network) if why == Why::KnownNetwork => format!(" ({})", network.name),
            _ => String::new(),
        };
        let otherwise = match (assurance, floor, level, earlier_factor) {
            (Assurance::Adaptive, Level::Tap, Level::Number, true) => {
                "; a tap from an address that this user approved within 30 days"
            }
            (Assurance::Adaptive, Level::Tap, Level::Number, false) => {
                "; for sudo a tap in a login that was approved here"
            }
            _ => "",
        };
        Some(format!(
            "{}: {}: {}{known}{otherwise}",
            assurance.name(),
            level.name(),
            why.words()
        ))
    }

    /// Asks profiles in order, by the fallback rules; the name of the one that knows the user.
    async fn first_that_knows(&mut self, user: &UserName, profiles: &[AuthIndex]) -> (Value, bool) {
        for profile in profiles {
            self.ask(user, *profile).await;
            let name = self.config.auth_profile(*profile).name().to_owned();
            match self.known.get(profile) {
                Some(Lookup::Found(person)) => {
                    let active = person.account == Account::Active;
                    if !active {
                        self.lines
                            .push(format!("  {name}: the account is not active ({:?})", person.account));
                    }
                    return (json!(name), active && self.is_one_identity(*profile));
                }
                Some(Lookup::Unknown) | None => {}
                Some(Lookup::Ambiguous) => return (json!(name), false),
                Some(Lookup::Unreachable(_)) => {
                    if self.config.auth_profile(*profile).on_unreachable == OnUnreachable::Deny {
                        return (json!(name), false);
                    }
                }
            }
        }
        self.lines.push("  none of the profiles knows the user".into());
        (Value::Null, false)
    }

    /// All profiles that take part in one login must name one identity.
    fn is_one_identity(&mut self, profile: AuthIndex) -> bool {
        let Some(Lookup::Found(person)) = self.known.get(&profile) else {
            return true;
        };
        let one = self.identity.get_or_insert_with(|| person.identity.clone()) == &person.identity;
        if !one {
            let name = self.config.auth_profile(profile).name();
            self.lines
                .push(format!("  {name}: it means another identity than the profile before"));
        }
        one
    }

    async fn ask(&mut self, user: &UserName, profile: AuthIndex) {
        if self.known.contains_key(&profile) {
            return;
        }
        let began = Instant::now();
        let found = self.sources.look_up(profile, user).await;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        let name = self.config.auth_profile(profile).name();
        let value = trace::lookup(&found);
        self.lines.push(format!("  {name}: {} ({ms:.1} ms)", one_line(&value)));
        let asked = self.json.entry("directories").or_insert_with(|| json!({}));
        asked[name] = json!({"ms": ms, "answer": value});
        self.known.insert(profile, found);
    }
}

fn signal_words(signals: &Signals) -> String {
    let new = |new: bool| if new { "new" } else { "known" };
    let travel = match signals.travel {
        None => "the way from the last approval is not known".to_owned(),
        Some(travel) => {
            let pace = travel.pace().map_or_else(String::new, |pace| format!(" ({pace} km/h)"));
            let impossible = if travel.is_impossible() { ", impossible" } else { "" };
            format!(
                "{} km from the last approval, {} minutes ago{pace}{impossible}",
                travel.km,
                travel.seconds / 60
            )
        }
    };
    format!(
        "address {}; country {} to the user; {travel}; {} denials within a day",
        new(signals.new_address),
        new(signals.new_country),
        signals.denials.len()
    )
}

fn one_line(lookup: &Value) -> String {
    let Some(person) = lookup.get("found") else {
        return lookup.get("unreachable").map_or_else(
            || lookup.as_str().unwrap_or_default().to_owned(),
            |why| format!("cannot be reached: {}", visible(why.as_str().unwrap_or_default())),
        );
    };
    let attributes = person["attributes"].as_object().into_iter().flatten();
    let attributes: Vec<String> = attributes
        .map(|(name, values)| {
            let values: Vec<&str> = values
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!("{name}={}", values.join("; "))
        })
        .collect();
    format!(
        "knows the user as {} [{}]",
        visible(person["identity"].as_str().unwrap_or_default()),
        attributes.join(", ")
    )
}
