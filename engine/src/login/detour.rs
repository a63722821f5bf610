//! Where a failure leads: to the methods that the application names for it, each of them once, or to a denial.

use super::event::{Cause, Effect};
use super::tongue::Said;
use super::{Login, Stage};
use crate::config::{AuthIndex, Failure, MethodIndex, OnUnreachable};

/// The way that a login has taken through failures, in one factor.
#[derive(Default)]
pub(super) struct Detour {
    /// What the last failure leads to.
    pub to: Option<Vec<MethodIndex>>,
    /// Every method that was chosen.
    pub tried: Vec<MethodIndex>,
    /// The last failure.
    pub cause: Option<Cause>,
    /// It in a few words, for the next prompt.
    notice: Option<Failure>,
}

impl Login {
    /// Goes where `failure` leads. Whatever was under way ends.
    pub(super) fn fail(&mut self, failure: Failure, cause: Cause) -> Vec<Effect> {
        let leads = self.leads(failure);
        if leads.is_empty() {
            return self.deny(cause);
        }
        self.record_detour(failure, &cause);
        let mut effects = self.abandon();
        self.detour.to = Some(leads);
        self.detour.cause = Some(cause);
        self.detour.notice = Some(failure);
        effects.extend(self.choose());
        effects
    }

    /// Whether a failure would lead anywhere now: then nobody need wait long for it.
    pub fn leads_on(&self, failure: Failure) -> bool {
        !self.leads(failure).is_empty()
    }

    /// Whether the login would go on if the directory that is being asked could not be reached.
    pub fn leads_on_without_directory(&self) -> bool {
        let another = |profiles: &[AuthIndex], at: usize| {
            let asked = profiles.get(at).map(|profile| self.config.auth_profile(*profile));
            asked.is_some_and(|asked| asked.on_unreachable == OnUnreachable::Next) && at + 1 < profiles.len()
        };
        match self.stage {
            Stage::CheckingPassword(at) => another(self.password_profiles(), at),
            Stage::Choosing(_) => self.leads_on(Failure::Directory),
            Stage::Validating(method, at) => {
                another(&self.config.method(method).fallback, at) || self.leads_on(Failure::Directory)
            }
            _ => false,
        }
    }

    /// What a failure leads to now: nothing that was tried before.
    pub(super) fn leads(&self, failure: Failure) -> Vec<MethodIndex> {
        let application = self.config.applications.get(self.application);
        let routes = application.map_or(&[][..], |app| app.routes.of(failure));
        let untried = |method: &&MethodIndex| !self.detour.tried.contains(method);
        routes.iter().filter(untried).copied().collect()
    }

    /// Ends the push and the code that are under way.
    fn abandon(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        // Also before it left: its place in the budget is another's now.
        if matches!(
            self.stage,
            Stage::Weighing(_) | Stage::FindingDevices(_) | Stage::Showing(_) | Stage::Pushing
        ) {
            effects.push(Effect::WithdrawPush);
        }
        effects.extend(self.code.abandon());
        self.push.abandon();
        self.stage = Stage::New;
        effects
    }

    /// What went before, once, for the beginning of a prompt; a blank at its end.
    pub(super) fn notice(&mut self) -> &'static str {
        let failure = std::mem::take(&mut self.detour.notice);
        failure.map_or("", |failure| self.tongue().say(words(failure)))
    }
}

/// At most 17 characters: the prompt behind them must fit into 80.
fn words(failure: Failure) -> Said {
    match failure {
        Failure::Gateway => ["No push now. ", "Jetzt kein Push. ", "Simdi push yok. "],
        Failure::Codes => ["No such code now. ", "Kein solcher Code. ", "Boyle kod yok. "],
        Failure::Directory => [""; 3],
        Failure::NotEnrolled => ["Not enrolled. ", "Kein Geraet. ", "Cihaz yok. "],
        Failure::NoAnswer => ["No answer. ", "Keine Antwort. ", "Yanit yok. "],
        Failure::Exhausted => ["Too many tries. ", "Zu viele Mal. ", "Cok deneme. "],
    }
}
