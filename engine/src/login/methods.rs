//! The part of a login that chooses a method and validates the user for it.

use super::event::{Admission, Cause, Effect};
use super::granting::Onward;
use super::{Login, Passed, Stage, blocked, sudo};
use crate::conditions::Circumstances;
use crate::config::{Factor, Failure, MethodIndex, OnUnreachable, Strength};
use crate::directory::Lookup;
use crate::policy::{self, Choice};
use crate::risk::Earlier;

impl Login {
    /// Runs the policies of the present factor, as far as the directories have answered.
    pub(super) fn choose(&mut self) -> Vec<Effect> {
        let methods = self.candidates();
        if methods.is_empty() {
            return self.deny(Cause::Internal("a choice without methods".into()));
        }
        let (choice, considered) = policy::choose(
            &self.config,
            &methods,
            &self.circumstances(),
            &self.lookups,
            &self.recalled,
        );
        self.record_policies(&considered, &choice);
        match choice {
            Choice::Need(profile) => self.look_up(profile, Stage::Choosing(profile)),
            Choice::Recall(who) => {
                self.stage = Stage::Recalling;
                vec![Effect::Recall(who)]
            }
            Choice::Denied { policy } => {
                let place = self.config.policies[policy].place.clone();
                self.deny(Cause::PolicyDenies(place))
            }
            Choice::Waived { method, policy } => self.take_method(method, Some(policy), true),
            Choice::Method { method, policy } => self.take_method(method, policy, false),
            Choice::NoneAdmits => {
                // On a way that a failure led to, the failure is why.
                let cause = self.detour.cause.take().unwrap_or(Cause::NoPolicy);
                self.deny(cause)
            }
            Choice::CannotTell { why, .. } => self.fail(Failure::Directory, Cause::CannotTell(why)),
        }
    }

    fn take_method(&mut self, method: MethodIndex, policy: Option<usize>, waiving: bool) -> Vec<Effect> {
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
        self.waiving = waiving;
        self.detour.tried.push(method);
        self.validate(method, 0)
    }

    /// What is known of the login for policies.
    pub(super) fn circumstances(&self) -> Circumstances<'_> {
        let application = self.config.applications.get(self.application);
        let floor = application.is_some_and(|app| app.floor == Strength::Bypass);
        // After a failure nothing is waived: a way that was blocked must not end in none.
        self.facts
            .circumstances(self.earlier(), floor && self.detour.to.is_none())
    }

    /// What has passed in this login; a factor that was waived is none.
    pub(super) fn earlier(&self) -> Earlier {
        let mut earlier = Earlier::default();
        for passed in &self.passed {
            match passed {
                Passed::Stack => {
                    earlier.stack = true;
                    earlier.key |= self.facts.passed_in_sshd("publickey");
                    earlier.password |= self.facts.passed_in_sshd("password");
                }
                Passed::Password(_) => earlier.password = true,
                Passed::Push(_) | Passed::Code(_) => earlier.method = true,
                Passed::Bypassed(_, password) => earlier.password |= password.is_some(),
                Passed::Waived => {}
            }
        }
        earlier
    }

    /// Whether anything may pass for the user: what a waiver and a bypass wait for.
    pub(super) fn admitted(&mut self, admission: Admission) -> Vec<Effect> {
        // A bypass is root's word on this very host, for when nothing else works: that nobody can be asked ends it not.
        if admission != Admission::Frozen
            && let Some(effects) = self.bypass()
        {
            return effects;
        }
        match admission {
            Admission::Free => {
                // No method was used.
                self.method = None;
                self.waiving = false;
                self.passed.push(Passed::Waived);
                self.waived = self.policy;
                self.stage = Stage::New;
                self.next_factor()
            }
            Admission::Frozen => self.deny(Cause::Frozen),
            Admission::Unknown(why) => self.deny(Cause::RevocationsStale(why)),
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
                if let Some(cause) = self.unfit_to_ask() {
                    return self.deny(cause);
                }
                self.go_by_grants(Onward::Method(method, profile))
            }
            Lookup::Unknown => self.validate(method, at + 1),
            Lookup::Ambiguous => self.deny(Cause::Ambiguous),
            Lookup::Unreachable(why) => {
                if self.config.auth_profile(profile).on_unreachable == OnUnreachable::Next {
                    return self.validate(method, at + 1);
                }
                self.fail(Failure::Directory, Cause::DirectoryUnreachable(why))
            }
        }
    }

    /// The methods that the present factor lists.
    pub(super) fn listed(&self) -> &[MethodIndex] {
        let application = self.config.applications.get(self.application);
        match application.and_then(|app| app.factors.get(self.passed.len())) {
            Some(Factor::Method(methods)) => methods,
            Some(Factor::Stack | Factor::Password(_)) | None => &[],
        }
    }

    /// The methods that may be chosen now: where a failure led, or what the factor lists.
    fn candidates(&self) -> Vec<MethodIndex> {
        self.detour.to.clone().unwrap_or_else(|| self.listed().to_vec())
    }

    /// Why nobody may be asked for what sudo is to do.
    fn unfit_to_ask(&self) -> Option<Cause> {
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
