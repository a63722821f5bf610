//! Which method a factor uses for a user: policies top to bottom, first match, three answers.
//!
//! Pure: the directories' answers are inputs. Where one is still missing, [`choose`] says which, and is asked again.

use crate::conditions::{Circumstances, Unmet};
use crate::config::{Action, AuthIndex, Config, MethodIndex, Policy};
use crate::directory::{Lookup, Person};
use crate::matcher::Prepared;
use crate::risk::Signals;
use assent_proto::cert::Identity;
use std::collections::{BTreeMap, HashMap};

/// What one policy says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It matches; the value that did, made visible, where it looks at one.
    Yes(Option<String>),
    /// It does not.
    No(No),
    /// The directory could not say: the evaluation ends, denied (never a quiet fall to a weaker default).
    CannotTell(String),
}

/// Why a policy does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// A condition of its own does not hold.
    Unmet(Unmet),
    /// Its authentication profile does not know the user.
    UnknownUser,
    /// The user has no such attribute.
    NoAttribute,
    /// None of the user's values matches.
    NoValue,
    /// It would waive a factor that may not be waived here.
    NotWaivable,
}

/// One policy that was looked at, for the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Its place in the configuration's list.
    pub policy: usize,
    /// What it said.
    pub answer: Answer,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Ask this directory first, then choose again.
    Need(AuthIndex),
    /// Say what is remembered of this identity, then choose again.
    Recall(Identity),
    /// A policy denies.
    Denied {
        /// Which.
        policy: usize,
    },
    /// A policy waives the factor for whom this method's fallback profiles know.
    Waived {
        /// The policy's method.
        method: MethodIndex,
        /// Which.
        policy: usize,
    },
    /// Use this method.
    Method {
        /// Which.
        method: MethodIndex,
        /// By which policy; `None` for the factor's default.
        policy: Option<usize>,
    },
    /// No policy matches and there is no default.
    NoneAdmits,
    /// A policy above the first match could not tell.
    CannotTell {
        /// Which.
        policy: usize,
        /// Why.
        why: String,
    },
}

/// What the agent remembers of an identity, or why nobody can say.
pub type Recall = Result<Signals, String>;

/// Whoever was asked about.
pub type Recalled = HashMap<Identity, Recall>;

/// Chooses among `methods`, the ones that a factor lists. Returns what was considered besides.
pub fn choose(
    config: &Config,
    methods: &[MethodIndex],
    login: &Circumstances,
    known: &BTreeMap<AuthIndex, Lookup>,
    recalled: &Recalled,
) -> (Choice, Vec<Considered>) {
    let mut considered = Vec::new();
    let mut prepared = PreparedValues::default();
    for (at, policy) in config.policies.iter().enumerate() {
        if !methods.contains(&policy.method) {
            continue;
        }
        // Before the directory: what does not apply here must not wait for it, nor fail with it.
        let answer = match (unmet(policy, login), known.get(&policy.auth_profile)) {
            (Some(answer), _) => answer,
            (None, None) => return (Choice::Need(policy.auth_profile), considered),
            (None, Some(lookup)) => match remember(policy, lookup, recalled, ask(policy, lookup, &mut prepared)) {
                Ok(answer) => answer,
                Err(who) => return (Choice::Recall(who), considered),
            },
        };
        considered.push(Considered {
            policy: at,
            answer: answer.clone(),
        });
        match answer {
            Answer::Yes(_) => {
                let method = policy.method;
                let choice = match policy.action {
                    Action::Use => Choice::Method {
                        method,
                        policy: Some(at),
                    },
                    Action::Deny => Choice::Denied { policy: at },
                    Action::Waive => Choice::Waived { method, policy: at },
                };
                return (choice, considered);
            }
            Answer::No(_) => {}
            Answer::CannotTell(why) => return (Choice::CannotTell { policy: at, why }, considered),
        }
    }
    let choice = match config.default_method(methods) {
        Some(method) => Choice::Method { method, policy: None },
        None => Choice::NoneAdmits,
    };
    (choice, considered)
}

/// Why a policy does not match, by what is known of the login before anybody is asked.
fn unmet(policy: &Policy, login: &Circumstances) -> Option<Answer> {
    if policy.action == Action::Waive && !(login.context.waivable && login.context.earlier.any()) {
        return Some(Answer::No(No::NotWaivable));
    }
    if login.context.untold && policy.conditions.risk.asks_for_context() {
        let why = "the trace does not say: country and first factor were not recorded then";
        return Some(Answer::CannotTell(why.into()));
    }
    policy.conditions.unmet(login).map(|unmet| Answer::No(No::Unmet(unmet)))
}

/// What a policy that would match says of what is remembered; the error is who must be remembered first.
fn remember(policy: &Policy, lookup: &Lookup, recalled: &Recalled, answer: Answer) -> Result<Answer, Identity> {
    let (Answer::Yes(_), Lookup::Found(person)) = (&answer, lookup) else {
        return Ok(answer);
    };
    let risk = &policy.conditions.risk;
    if !risk.asks_for_signals() {
        return Ok(answer);
    }
    match recalled.get(&person.identity) {
        None => Err(person.identity.clone()),
        Some(Err(why)) => Ok(Answer::CannotTell(why.clone())),
        Some(Ok(signals)) => Ok(match risk.unmet_by(signals) {
            Some(unmet) => Answer::No(No::Unmet(Unmet::Risk(unmet))),
            None => answer,
        }),
    }
}

/// The user's values, spelt for comparison once a decision and not once a policy.
#[derive(Default)]
struct PreparedValues<'a>(HashMap<(AuthIndex, &'a str), Option<Prepared<'a>>>);

impl<'a> PreparedValues<'a> {
    fn of(&mut self, profile: AuthIndex, attribute: &'a str, person: &'a Person) -> Option<&Prepared<'a>> {
        let prepare = || person.attributes.find(attribute).map(Prepared::new);
        self.0.entry((profile, attribute)).or_insert_with(prepare).as_ref()
    }
}

fn ask<'a>(policy: &'a Policy, lookup: &'a Lookup, prepared: &mut PreparedValues<'a>) -> Answer {
    let person = match lookup {
        Lookup::Found(person) => person,
        Lookup::Unknown => return Answer::No(No::UnknownUser),
        Lookup::Ambiguous => return Answer::CannotTell("the directory has two users of this name".into()),
        Lookup::Unreachable(why) => return Answer::CannotTell(why.clone()),
    };
    let Some(test) = &policy.attribute else {
        return Answer::Yes(None);
    };
    match prepared.of(policy.auth_profile, &test.name, person) {
        None => Answer::No(No::NoAttribute),
        Some(values) => match test.matcher.find(values) {
            Some(value) => Answer::Yes(Some(value)),
            None => Answer::No(No::NoValue),
        },
    }
}
