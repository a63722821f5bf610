//! A login's trace: every event and effect as one JSON object, without secrets, in words that do not change.

use super::Login;
use super::event::{
    Admission, Cause, CodeCheck, CodeEvent, CodeTrouble, CodeTyped, DeviceSearch, Effect, EnrolState, EnrolTrouble,
    EnrolTyped, Event, LinkAs, NameSearch, Outcome, PasswordReply, Show, Standing,
};
use super::level::Why;
use crate::conditions::Unmet;
use crate::config::{AuthIndex, AuthSource, Config, Failure};
use crate::directory::{Attributes, Lookup, PasswordCheck, Person};
use crate::grants::{Held, Notice};
use crate::places::Country;
use crate::policy::{Answer, Choice, Considered, No, Recall};
use crate::risk;
use assent_proto::cert::Level;
use assent_proto::text::Outside;
use assent_proto::time::BootTime;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// Longest outside text in a trace, in characters.
const SHOWN: usize = 200;
/// Most values of one attribute in a trace.
const MAX_VALUES: usize = 20;

/// One line of a trace, as text: a thousand logins may wait at once, and a tree of JSON takes ten times the memory.
#[derive(Debug, Clone)]
pub struct TraceLine {
    ms: f64,
    /// The JSON object.
    pub json: Box<RawValue>,
}

impl TraceLine {
    fn new(ms: f64, line: &Value) -> Self {
        // Writing a tree that is in memory as JSON does not fail; an empty line in its place would be seen.
        let json = to_raw_value(line).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { ms, json }
    }
}

impl Login {
    pub(super) fn record_event(&mut self, event: &Event, now: BootTime) {
        let detail = match event {
            Event::Begin => self.begin_detail(),
            Event::Resolved(NameSearch::Known(name, uid)) => json!({"name": name.shown(), "uid": uid}),
            Event::Resolved(NameSearch::Unknown) => json!({"unknown": true}),
            Event::Resolved(NameSearch::Unreachable(why)) => json!({"unreachable": why}),
            Event::Password(reply) => json!(match reply {
                PasswordReply::Typed => "typed",
                PasswordReply::Empty => "empty",
                PasswordReply::Failed => "conversation_failed",
            }),
            Event::Checked(check) => password_check(check),
            Event::NotChecked(until) => json!({"until": until}),
            Event::Go(yes) | Event::Shown(yes) => json!(yes),
            Event::CodeTyped(typed) => json!(match typed {
                CodeTyped::Typed => "typed",
                CodeTyped::NoCode => "no_code",
                CodeTyped::Nothing => "empty",
                CodeTyped::Failed => "conversation_failed",
            }),
            Event::Code { what, .. } => code_event(what),
            Event::EnrolTyped(typed) => json!(match typed {
                EnrolTyped::Qr => "qr",
                EnrolTyped::Link => "link",
                EnrolTyped::Digits => "digits",
                EnrolTyped::Other => "other",
                EnrolTyped::Nothing => "empty",
                EnrolTyped::Failed => "conversation_failed",
            }),
            Event::EnrolmentOpened(Ok(())) => Value::Null,
            Event::Enrolment(Ok(state)) => match state {
                EnrolState::Waiting => json!("no device yet"),
                EnrolState::Wrong { left } => json!({"wrong": true, "left": left}),
                EnrolState::Registered(device) => json!({"registered": device}),
                EnrolState::Over => json!("over"),
            },
            Event::EnrolmentOpened(Err(trouble)) | Event::Enrolment(Err(trouble)) => match trouble {
                EnrolTrouble::Unreachable(why) => json!({"unreachable": why}),
                EnrolTrouble::Refused(code, why) => json!({"refused": code, "why": why}),
                EnrolTrouble::Frozen => json!("frozen"),
                EnrolTrouble::Blocked(notice) => json!({"block": self::notice(notice)}),
            },
            Event::Weighed(standing) => weighed(standing),
            Event::Recalled(who, recall) => json!({"identity": who.to_string(), "signals": recalled(recall)}),
            Event::Held(Held::Nothing) => Value::Null,
            Event::Held(Held::Block(notice)) => json!({"block": self::notice(notice)}),
            Event::Held(Held::Bypass(bypass)) => json!({"bypass": notice(bypass.notice())}),
            Event::Admitted(Admission::Free) => Value::Null,
            Event::Admitted(Admission::Frozen) => json!("frozen"),
            Event::Admitted(Admission::Unknown(why)) => json!({"unknown": why}),
            Event::LookedUp(found) => lookup(found),
            Event::Devices(DeviceSearch::Found(devices)) => {
                json!(
                    devices
                        .iter()
                        .map(|d| json!({"device": d.claims().device_id, "serial": d.claims().serial}))
                        .collect::<Vec<_>>()
                )
            }
            Event::Devices(DeviceSearch::Unreachable(why)) => json!({"unreachable": why}),
            Event::Devices(DeviceSearch::Frozen) => json!("frozen"),
            Event::Devices(DeviceSearch::RevocationsStale(why)) => json!({"revocations_too_old": why}),
            Event::PushSent(push) => json!({"push": push.get()}),
            Event::PushFailed { push, why } => json!({"push": push.get(), "why": why}),
            Event::Internal(why) => json!(why),
            Event::PushIgnored { why, last } => json!({"why": why.to_string(), "last": last}),
            Event::PushRefused(refusal) => json!(refusal.to_string()),
            Event::PushApproved(approved) => {
                json!({"device": approved.device(), "serial": approved.serial(), "level": approved.level().name(), "answer": approved.record()})
            }
            Event::Gone(who) => json!(who.name()),
            Event::PushFrozen | Event::Tick => Value::Null,
        };
        self.record(now, "event", event.kind(), detail);
    }

    pub(super) fn record_effects(&mut self, effects: &[Effect], now: BootTime) {
        for effect in effects {
            let (kind, detail) = effect_detail(&self.config, effect);
            self.record(now, "effect", kind, detail);
        }
    }

    pub(super) fn record_policies(&mut self, considered: &[Considered], choice: &Choice) {
        let detail = policies(&self.config, considered, choice);
        let ms = self.trace.last().map_or(0.0, |line| line.ms);
        self.trace
            .push(TraceLine::new(ms, &json!({"ms": ms, "policy": detail})));
    }

    pub(super) fn record_level(&mut self, level: Level, why: Why) {
        let ms = self.trace.last().map_or(0.0, |line| line.ms);
        let line = json!({"ms": ms, "level": level.name(), "why": why.words()});
        self.trace.push(TraceLine::new(ms, &line));
    }

    pub(super) fn record_detour(&mut self, failure: Failure, cause: &Cause) {
        let ms = self.trace.last().map_or(0.0, |line| line.ms);
        let line = json!({"ms": ms, "failure": failure.name(), "cause": cause.name(), "why": cause.detail()});
        self.trace.push(TraceLine::new(ms, &line));
    }

    /// Whether an enrolment is offered, and why not.
    pub(super) fn record_offer(&mut self, refused: Option<&str>) {
        let ms = self.trace.last().map_or(0.0, |line| line.ms);
        let line = match refused {
            None => json!({"ms": ms, "enrolment": "offered"}),
            Some(why) => json!({"ms": ms, "enrolment": "not offered", "why": why}),
        };
        self.trace.push(TraceLine::new(ms, &line));
    }

    fn record(&mut self, now: BootTime, what: &str, kind: &str, detail: Value) {
        let ms = now.0.saturating_sub(self.began.0).as_micros();
        #[allow(clippy::cast_precision_loss)] // a login's microseconds
        let ms = ms as f64 / 1000.0;
        let line = if detail.is_null() {
            json!({"ms": ms, what: kind})
        } else {
            json!({"ms": ms, what: kind, "detail": detail})
        };
        self.trace.push(TraceLine::new(ms, &line));
    }

    fn begin_detail(&self) -> Value {
        let facts = self.facts();
        json!({
            "phase": match facts.phase { super::facts::Phase::Auth => "auth", super::facts::Phase::Account => "account" },
            "at": facts.at.0,
            "service": facts.service.shown(SHOWN),
            "rhost": facts.rhost.as_ref().map(|v| v.shown(SHOWN)),
            "tty": facts.tty.as_ref().map(|v| v.shown(SHOWN)),
            "client": facts.ssh.map(|ssh| ssh.client.to_string()),
            "args": if facts.is_sudo() { Some(facts.args.iter().skip(1).take(20).map(|a| a.shown(SHOWN)).collect::<Vec<_>>()) } else { None },
            "sudo_command": facts.sudo_command.as_ref().map(|v| v.shown(SHOWN)),
            "ticket": facts.ticket,
            "remote": facts.is_remote(),
            "country": facts.country.as_ref().map(Country::as_str),
            "key": facts.passed_in_sshd("publickey"),
            "password": facts.passed_in_sshd("password"),
        })
    }
}

fn code_event(what: &CodeEvent) -> Value {
    match what {
        CodeEvent::Started(Ok(offers)) => offers
            .iter()
            .map(|offer| json!({"method": offer.method.name(), "refused": offer.refused.map(|why| why.words())}))
            .collect(),
        CodeEvent::Checked(CodeCheck::Passed(passed)) => {
            json!({"method": passed.method().name(), "word": passed.record()})
        }
        CodeEvent::Checked(CodeCheck::Wrong { left }) => json!({"wrong": true, "left": left}),
        CodeEvent::Sent(Ok(())) => Value::Null,
        CodeEvent::Started(Err(trouble))
        | CodeEvent::Sent(Err(trouble))
        | CodeEvent::Checked(CodeCheck::Trouble(trouble)) => match trouble {
            CodeTrouble::Unreachable(why) => json!({"unreachable": why}),
            CodeTrouble::Refused(why) => json!({"refused": why.words()}),
            CodeTrouble::Unbelieved(why) => json!({"unbelieved": why.to_string()}),
            CodeTrouble::Frozen => json!("frozen"),
        },
    }
}

fn notice(notice: &Notice) -> Value {
    json!({"id": notice.id, "by": notice.by, "reason": notice.reason, "seconds_left": notice.left})
}

fn weighed(standing: &Standing) -> Value {
    let barred = standing
        .barred
        .map(|barred| json!({"cause": Cause::Barred(barred).name(), "until": barred.until()}));
    json!({
        "known_source": standing.known_source,
        "approved_session": standing.approved_session,
        "place": standing.place.as_ref().map(|place| assent_proto::text::visible(place)),
        "new_place": standing.new_place,
        "barred": barred,
    })
}

/// How the policies came out, for traces and for `explain`.
pub(crate) fn policies(config: &Config, considered: &[Considered], choice: &Choice) -> Value {
    let lines: Vec<Value> = considered
        .iter()
        .map(|c| {
            let policy = &config.policies[c.policy];
            let (answer, why) = match &c.answer {
                Answer::Yes(Some(value)) => ("yes", value.as_str()),
                Answer::Yes(None) => ("yes", "its authentication profile knows the user"),
                Answer::No(no) => ("no", no_words(*no)),
                Answer::CannotTell(why) => ("cannot tell", why.as_str()),
            };
            let attribute = policy.attribute.as_ref().map(|test| &test.name);
            json!({"at": policy.place, "profile": config.method(policy.method).name, "attribute": attribute, "answer": answer, "why": why})
        })
        .collect();
    let chosen = match choice {
        Choice::Need(profile) => json!({"asks": auth_name(config, *profile)}),
        Choice::Recall(who) => json!({"asks": "memory", "of": who.to_string()}),
        Choice::Denied { policy } => json!({"denies": config.policies[*policy].place}),
        Choice::Waived { policy, .. } => json!({"waives": config.policies[*policy].place}),
        Choice::Method { method, policy } => {
            json!({"method": config.method(*method).name, "by": policy.map_or("default", |_| "policy")})
        }
        Choice::NoneAdmits => json!("none admits"),
        Choice::CannotTell { why, .. } => json!({"cannot_tell": why}),
    };
    json!({"considered": lines, "chosen": chosen})
}

fn no_words(no: No) -> &'static str {
    match no {
        No::Unmet(Unmet::Service) => "it is for other services",
        No::Unmet(Unmet::Network) => "it is for other networks",
        No::Unmet(Unmet::NoAddress) => "it is for some networks, and the login has no address",
        No::Unmet(Unmet::Time) => "it is for other days or hours",
        No::Unmet(Unmet::Risk(unmet)) => risk_words(unmet),
        No::NotWaivable => "the factor may not be waived here: no floor = \"bypass\", or no earlier factor",
        No::UnknownUser => "its authentication profile does not know the user",
        No::NoAttribute => "the user has no such attribute",
        No::NoValue => "no value matches",
    }
}

fn risk_words(unmet: risk::Unmet) -> &'static str {
    match unmet {
        risk::Unmet::NoAddress => "it is for addresses, and the login comes from this machine",
        risk::Unmet::Country => "it is for other countries, or the address's is not known",
        risk::Unmet::ExceptedCountry => "it excepts this country",
        risk::Unmet::FirstFactor => "it is for another earlier factor",
        risk::Unmet::KnownAddress => "it is for new addresses, and the user has approved from this one",
        risk::Unmet::NewAddress => "it is for known addresses, and the user has not approved from this one",
        risk::Unmet::KnownCountry => "it is for new countries, and the user has approved from this one",
        risk::Unmet::NewCountry => "it is for known countries, and this one is new or not known",
        risk::Unmet::PossibleTravel => "it is for impossible journeys, and this one can be made",
        risk::Unmet::ImpossibleTravel => "it is for journeys that can be made, and this one cannot",
        risk::Unmet::UnknownTravel => "it asks for a journey, and it is not known from where to where",
        risk::Unmet::FewDenials => "there were fewer denials",
    }
}

/// What is remembered of somebody, for traces and for `explain`.
pub(crate) fn recalled(recall: &Recall) -> Value {
    match recall {
        Ok(signals) => json!(signals),
        Err(why) => json!({"unknown": why}),
    }
}

fn effect_detail(config: &Config, effect: &Effect) -> (&'static str, Value) {
    match effect {
        Effect::Resolve(_) => ("resolve", Value::Null),
        Effect::AskPassword { .. } => ("ask_password", Value::Null),
        Effect::Ask { text, .. } => ("ask", json!(text)),
        Effect::Tell { text, .. } => ("tell", json!(text)),
        Effect::ShowNumber { how, digits, .. } => (
            "show_number",
            json!({"digits": digits, "in": match how { Show::Prompt => "prompt", Show::Line => "line" }}),
        ),
        Effect::Weigh(identity) => ("weigh", json!(identity.to_string())),
        Effect::Recall(identity) => ("recall", json!(identity.to_string())),
        Effect::FindGrants { identity, application } => (
            "find_grants",
            json!({"identity": identity.to_string(), "application": application}),
        ),
        Effect::Admit(identity) => ("admit", json!(identity.to_string())),
        Effect::NoteDenial => ("note_denial", Value::Null),
        Effect::CheckPassword { profile, .. } => ("check_password", asked(config, *profile)),
        Effect::LookUp { profile, .. } => ("look_up", asked(config, *profile)),
        Effect::FindDevices(identity) => ("find_devices", json!(identity.to_string())),
        Effect::Push(order) => (
            "push",
            json!({"push": order.number.get(), "devices": order.devices.len(), "ttl": order.details.ttl, "level": order.details.level.name()}),
        ),
        Effect::WithdrawPush => ("withdraw_push", Value::Null),
        Effect::StartCode(order) => (
            "start_code",
            json!({"methods": order.methods.iter().map(|method| method.name()).collect::<Vec<_>>(), "ttl": order.ttl}),
        ),
        Effect::SendCode { method, .. } => ("send_code", json!(method.name())),
        Effect::CheckCode { .. } => ("check_code", Value::Null),
        Effect::EndCode => ("end_code", Value::Null),
        Effect::OpenEnrolment { owner, ttl } => {
            let identities: Vec<String> = owner.identities.iter().map(ToString::to_string).collect();
            ("open_enrolment", json!({"identities": identities, "ttl": ttl}))
        }
        Effect::ShowEnrolment(how) => (
            "show_enrolment",
            json!(match how {
                LinkAs::Qr => "qr",
                LinkAs::Text => "link",
            }),
        ),
        Effect::ConfirmEnrolment => ("confirm_enrolment", Value::Null),
        Effect::EndEnrolment => ("end_enrolment", Value::Null),
        Effect::Finish(outcome) => ("finish", outcome_detail(outcome)),
    }
}

fn outcome_detail(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Approved => json!("approved"),
        Outcome::ApprovedBefore => json!("approved in the auth phase"),
        Outcome::Ignore => json!("ignored"),
        Outcome::Denied { cause, .. } => json!({"denied": cause.name(), "why": cause.detail()}),
    }
}

/// Who is asked, and which attributes are read there: a replay must tell "has none" from "was not asked".
fn asked(config: &Config, profile: AuthIndex) -> Value {
    let profile = config.auth_profile(profile);
    match &profile.source {
        AuthSource::Ldap(ldap) => json!({"profile": profile.name(), "reads": ldap.attributes}),
        AuthSource::Local(_) => json!({"profile": profile.name()}),
    }
}

fn auth_name(config: &Config, profile: AuthIndex) -> &str {
    config.auth_profile(profile).name()
}

pub(crate) fn lookup(found: &Lookup) -> Value {
    match found {
        Lookup::Found(person) => json!({"found": self::person(person)}),
        Lookup::Unknown => json!("unknown"),
        Lookup::Ambiguous => json!("ambiguous"),
        Lookup::Unreachable(why) => json!({"unreachable": why}),
    }
}

fn password_check(check: &PasswordCheck) -> Value {
    match check {
        PasswordCheck::Passed(person) => json!({"passed": self::person(person)}),
        PasswordCheck::Wrong => json!("wrong"),
        PasswordCheck::Unknown => json!("unknown"),
        PasswordCheck::Ambiguous => json!("ambiguous"),
        PasswordCheck::Blocked(account) => json!({"blocked": format!("{account:?}")}),
        PasswordCheck::NoPassword => json!("no password here"),
        PasswordCheck::Unreachable(why) => json!({"unreachable": why}),
    }
}

fn person(person: &Person) -> Value {
    let mut value = json!({
        "identity": person.identity.to_string(),
        "account": format!("{:?}", person.account),
        "attributes": attributes(&person.attributes),
    });
    if let Some(age) = person.attributes.age() {
        value["cached_seconds"] = json!(age.as_secs());
    }
    let cut: Vec<String> = person
        .attributes
        .iter()
        .filter(|(_, values)| values.values.len() > MAX_VALUES || values.values.iter().any(changed))
        .map(|(name, _)| assent_proto::text::visible(name))
        .collect();
    if !cut.is_empty() {
        // A replay must not take what stands there for the whole.
        value["cut"] = json!(cut);
    }
    value
}

/// Whether a value stands in a trace otherwise than it is.
fn changed(value: &Outside) -> bool {
    value.shown(SHOWN).as_bytes() != value.as_bytes()
}

fn attributes(attributes: &Attributes) -> Value {
    attributes
        .iter()
        .map(|(name, values)| {
            let shown: Vec<String> = values.values.iter().take(MAX_VALUES).map(|v| v.shown(SHOWN)).collect();
            (assent_proto::text::visible(name), json!(shown))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
