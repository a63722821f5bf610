//! Which method a factor uses for a user: policies top to bottom, first match, three answers.
//!
//! Pure: the directories' answers are inputs. Where one is still missing, [`choose`] says which, and is asked again.

use crate::config::{AuthIndex, Config, MethodIndex};
use crate::directory::Lookup;
use std::collections::BTreeMap;

/// What one policy says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It matches; the value that did, made visible.
    Yes(String),
    /// It does not.
    No(No),
    /// The directory could not say: the evaluation ends, denied (never a quiet fall to a weaker default).
    CannotTell(String),
}

/// Why a policy does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// Its authentication profile does not know the user.
    UnknownUser,
    /// The user has no such attribute.
    NoAttribute,
    /// None of the user's values matches.
    NoValue,
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

/// Chooses among `methods`, the ones that a factor lists. Returns what was considered besides.
pub fn choose(
    config: &Config,
    methods: &[MethodIndex],
    known: &BTreeMap<AuthIndex, Lookup>,
) -> (Choice, Vec<Considered>) {
    let mut considered = Vec::new();
    for (at, policy) in config.policies.iter().enumerate() {
        if !methods.contains(&policy.method) {
            continue;
        }
        let Some(lookup) = known.get(&policy.auth_profile) else {
            return (Choice::Need(policy.auth_profile), considered);
        };
        let answer = ask(policy, lookup);
        considered.push(Considered {
            policy: at,
            answer: answer.clone(),
        });
        match answer {
            Answer::Yes(_) => {
                let choice = Choice::Method {
                    method: policy.method,
                    policy: Some(at),
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

fn ask(policy: &crate::config::Policy, lookup: &Lookup) -> Answer {
    match lookup {
        Lookup::Found(person) => match person.attributes.find(&policy.attribute) {
            None => Answer::No(No::NoAttribute),
            Some(values) => match policy.matcher.find(values) {
                Some(value) => Answer::Yes(value),
                None => Answer::No(No::NoValue),
            },
        },
        Lookup::Unknown => Answer::No(No::UnknownUser),
        Lookup::Ambiguous => Answer::CannotTell("the directory has two users of this name".into()),
        Lookup::Unreachable(why) => Answer::CannotTell(why.clone()),
    }
}
