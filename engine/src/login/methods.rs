//! The part of a login that chooses a method and validates the user for it.

use super::event::{Cause, Effect};
use super::{Login, Stage, blocked, sudo};
use crate::config::{Factor, Method, MethodIndex, OnUnreachable};
use crate::directory::Lookup;
use crate::policy::{self, Choice};

impl Login {
    /// Runs the policies of the present factor, as far as the directories have answered.
    pub(super) fn choose(&mut self) -> Vec<Effect> {
        let methods = match self
            .config
            .applications
            .get(self.application)
            .and_then(|a| a.factors.get(self.passed.len()))
        {
            Some(Factor::Method(methods)) => methods.clone(),
            _ => return self.deny(Cause::Internal("a choice without methods".into())),
        };
        let (choice, considered) = policy::choose(&self.config, &methods, &self.facts.circumstances(), &self.lookups);
        self.record_policies(&considered, &choice);
        match choice {
            Choice::Need(profile) => self.look_up(profile, Stage::Choosing(profile)),
            Choice::Method { method, policy } => {
                // The policy's own profile takes part in the login: it must mean the same person.
                if let Some(policy) = policy
                    && let Some(Lookup::Found(person)) = self.lookups.get(&self.config.policies[policy].auth_profile)
                {
                    let identity = person.identity.clone();
                    if !self.is_one_identity(&identity) {
                        return self.deny(Cause::IdentityConflict);
                    }
                }
                self.method = Some(method);
                self.policy = policy;
                self.validate(method, 0)
            }
            Choice::NoneAdmits => self.deny(Cause::NoPolicy),
            Choice::CannotTell { why, .. } => self.deny(Cause::CannotTell(why)),
        }
    }

    fn look_up(&mut self, profile: crate::config::AuthIndex, stage: Stage) -> Vec<Effect> {
        let Some(user) = self.name_to_ask() else {
            return self.deny(Cause::BadName);
        };
        self.stage = stage;
        vec![Effect::LookUp { profile, user }]
    }

    /// Whatever the method, its fallback profiles validate the user first, in order.
    fn validate(&mut self, method: MethodIndex, at: usize) -> Vec<Effect> {
        let Some(profile) = self.config.method(method).fallback.get(at).copied() else {
            return self.deny(Cause::UnknownUser);
        };
        match self.lookups.get(&profile).cloned() {
            Some(lookup) => self.validated(method, at, lookup),
            None => self.look_up(profile, Stage::Validating(method, at)),
        }
    }

    pub(super) fn validated(&mut self, method: MethodIndex, at: usize, lookup: Lookup) -> Vec<Effect> {
        let Some(profile) = self.config.method(method).fallback.get(at).copied() else {
            return self.deny(Cause::Internal("a validation by no profile".into()));
        };
        self.lookups.insert(profile, lookup.clone());
        match lookup {
            Lookup::Found(person) => {
                if let Some(cause) = blocked(&person) {
                    return self.deny(cause);
                }
                if !self.is_one_identity(&person.identity) {
                    return self.deny(Cause::IdentityConflict);
                }
                match self.config.method(method).method {
                    Method::Push { .. } => match self.unfit_for_push() {
                        Some(cause) => self.deny(cause),
                        None => self.weigh(method, person.identity),
                    },
                    other => self.deny(Cause::MethodMissing(other.word())),
                }
            }
            Lookup::Unknown => self.validate(method, at + 1),
            Lookup::Ambiguous => self.deny(Cause::Ambiguous),
            Lookup::Unreachable(why) => {
                if self.config.auth_profile(profile).on_unreachable == OnUnreachable::Next {
                    return self.validate(method, at + 1);
                }
                self.deny(Cause::DirectoryUnreachable(why))
            }
        }
    }

    /// Why no push may leave for what sudo was asked.
    fn unfit_for_push(&self) -> Option<Cause> {
        if !self.facts.is_sudo() {
            return None;
        }
        let asked = sudo::asked(&self.facts.args);
        if asked.non_interactive {
            return Some(Cause::NonInteractive);
        }
        if asked.runs_nothing {
            return Some(Cause::RunsNothing);
        }
        let no_terminal = self.facts.tty.as_ref().is_none_or(|tty| tty.as_bytes().is_empty());
        no_terminal.then_some(Cause::NoTerminal)
    }
}
