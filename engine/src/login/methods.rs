//! The part of a login that chooses a method, validates the user for it and runs the push.

use super::event::{Cause, DeviceSearch, Effect, Event, PushOrder, Tone};
use super::facts::Phase;
use super::{Login, Passed, Stage, blocked, sudo};
use crate::config::{Factor, Method, MethodIndex, OnUnreachable, Subject};
use crate::directory::Lookup;
use crate::policy::{self, Choice};
use assent_proto::ShortText;
use assent_proto::cert::Level;
use assent_proto::request::{Details, Source};
use assent_proto::text::Outside;
use assent_proto::time::BootTime;
use std::time::Duration;

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
                    Method::Push { .. } => self.find_devices(method, person.identity),
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

    fn find_devices(&mut self, method: MethodIndex, identity: assent_proto::cert::Identity) -> Vec<Effect> {
        if let Some(cause) = self.unfit_for_push() {
            return self.deny(cause);
        }
        self.stage = Stage::FindingDevices(method);
        vec![Effect::FindDevices(identity)]
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
        if self.facts.tty.as_ref().is_none_or(|tty| tty.as_bytes().is_empty()) {
            return Some(Cause::NoTerminal);
        }
        // Numbers, which a cut command would raise the level to, are not there yet.
        sudo::command(&self.facts).truncated.then_some(Cause::CommandCut)
    }

    pub(super) fn devices_found(&mut self, method: MethodIndex, found: DeviceSearch, now: BootTime) -> Vec<Effect> {
        let devices = match found {
            DeviceSearch::Found(devices) if devices.is_empty() => return self.deny(Cause::NoDevice),
            DeviceSearch::Found(devices) => devices,
            DeviceSearch::Unreachable(why) => return self.deny(Cause::GatewayUnreachable(why)),
            DeviceSearch::Frozen => return self.deny(Cause::Frozen),
            DeviceSearch::RevocationsStale(why) => return self.deny(Cause::RevocationsStale(why)),
        };
        let Some(identity) = self.identity.clone() else {
            return self.deny(Cause::Internal("a push without an identity".into()));
        };
        let left = self.deadline().0.saturating_sub(now.0);
        let Method::Push { ttl, .. } = self.config.method(method).method else {
            return self.deny(Cause::Internal("devices for a method without a push".into()));
        };
        let life = Duration::from_secs(u64::from(ttl)).min(left);
        let Ok(ttl @ 1..) = u32::try_from(life.as_secs()) else {
            return self.deny(Cause::Deadline);
        };
        self.stage = Stage::Pushing;
        self.push_ends = Some(now.plus(Duration::from_secs(u64::from(ttl))));
        let mut effects = vec![Effect::Push(Box::new(PushOrder {
            details: self.details(identity, ttl),
            devices,
        }))];
        // In sshd's account phase the line would come after the verdict, into a script's error output.
        if !(self.facts.over_ssh && self.facts.phase == Phase::Account) {
            let text = format!("Waiting for your approval on the phone [{}]", self.facts.login.as_str());
            effects.push(Effect::Tell { tone: Tone::Info, text });
        }
        effects
    }

    /// What the person will see.
    fn details(&self, identity: assent_proto::cert::Identity, ttl: u32) -> Details {
        let text = |outside: &Outside| ShortText::cut(outside.to_statement());
        let facts = &self.facts;
        let sudo = facts.is_sudo();
        let asked = sudo::asked(&facts.args);
        let caller = self.subject() == Subject::Caller;
        // Where the caller must prove themselves, PAM_USER is the account that they want.
        let target = match (sudo, caller) {
            (_, true) => Some(text(&facts.user)),
            (true, false) => Some(asked.target.map_or_else(|| ShortText::cut("root".into()), text)),
            (false, false) => None,
        };
        Details {
            login: facts.login.clone(),
            svc: text(&facts.service),
            user: text(&facts.subject(self.subject())),
            identity,
            ruser: facts.ruser.as_ref().filter(|r| !r.as_bytes().is_empty()).map(text),
            target_user: target,
            cmd: sudo.then(|| sudo::command(facts)),
            cwd: sudo.then(|| facts.cwd.as_ref().map(text)).flatten(),
            tty: facts.tty.as_ref().filter(|t| !t.as_bytes().is_empty()).map(text),
            src: facts.ssh.map(|ssh| Source {
                ip: ssh.client,
                port: Some(ssh.client_port),
                asn: None,
                place: None,
            }),
            first: self.passed.iter().map(|passed| self.passed_words(passed)).collect(),
            level: Level::Tap,
            digits: 0,
            ttl,
            ctx: facts.ctx,
            app: ShortText::cut(
                self.config
                    .applications
                    .get(self.application)
                    .map_or_else(String::new, |a| a.name.clone()),
            ),
        }
    }

    fn passed_words(&self, passed: &Passed) -> ShortText {
        ShortText::cut(match passed {
            Passed::Stack if self.facts.over_ssh => "key or password accepted by sshd".to_owned(),
            Passed::Stack => "earlier PAM module".to_owned(),
            Passed::Password(profile) => format!("password ({})", self.config.auth_profile(*profile).name()),
            Passed::Push(_) => "approval on a device".to_owned(),
        })
    }

    pub(super) fn push_event(&mut self, event: Event, now: BootTime) -> Vec<Effect> {
        match event {
            Event::PushSent | Event::PushIgnored { last: false, .. } => Vec::new(),
            Event::PushFailed(why) => self.deny(Cause::GatewayUnreachable(why)),
            Event::PushIgnored { last: true, .. } => self.deny(Cause::TooMuchRubbish),
            Event::PushRefused(refusal) => self.deny(Cause::Refused(refusal)),
            Event::PushApproved(approved) => {
                if self.push_ends.is_none_or(|ends| now >= ends) {
                    return self.deny(Cause::NoAnswer);
                }
                self.push_ends = None;
                self.passed.push(Passed::Push(approved));
                let mut effects = vec![Effect::WithdrawPush];
                // Not the machine's own withdrawal at the end: the push is over here.
                self.stage = Stage::New;
                effects.extend(self.next_factor());
                effects
            }
            Event::Tick if self.push_ends.is_none_or(|ends| now >= ends) => self.deny(Cause::NoAnswer),
            Event::Tick => Vec::new(),
            other => self.deny(Cause::Internal(format!("{} came during a push", other.kind()))),
        }
    }
}
