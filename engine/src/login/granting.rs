//! The part of a login that goes by what an administrator decided for this person: a block, or a bypass of the second
//! factor. A bypass takes the place of a method's factor and never of an earlier one: where no earlier factor was asked
//! for, the method's own fallback profiles ask for a password first.

use super::event::{Cause, Effect, Tone};
use super::tongue::Tongue;
use super::{Login, Passed, Stage};
use crate::config::{AuthIndex, Bypasses, Method, MethodIndex};
use crate::directory::Lookup;
use crate::grants::{Bypass, Held, Notice};

/// What is known of grants in one login.
#[derive(Default)]
pub(super) struct Granting {
    held: Option<Held>,
    /// The method whose factor is being bypassed.
    method: Option<MethodIndex>,
    /// Which profile took the password that was asked for in place of an earlier factor.
    password: Option<AuthIndex>,
}

impl Granting {
    /// Whether a method's factor is being bypassed.
    pub(super) fn bypasses(&self) -> Option<MethodIndex> {
        self.method
    }

    pub(super) fn password_by(&mut self, profile: AuthIndex) {
        self.password = Some(profile);
    }
}

/// Where a login goes on once it is known what an administrator decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Onward {
    /// To the next factor.
    Factor,
    /// To the chosen method; this profile has validated the user.
    Method(MethodIndex, AuthIndex),
}

impl Login {
    /// Asks what an administrator decided for this person, once in a login and as soon as it is known who it is.
    pub(super) fn go_by_grants(&mut self, onward: Onward) -> Vec<Effect> {
        if self.granting.held.is_some() {
            return self.onward(onward);
        }
        let Some(identity) = self.identity.clone() else {
            return self.deny(Cause::Internal("grants of nobody".into()));
        };
        let application = self.application_name();
        self.stage = Stage::Granting(onward);
        vec![Effect::FindGrants { identity, application }]
    }

    pub(super) fn granted(&mut self, onward: Onward, held: Held) -> Vec<Effect> {
        match held {
            Held::Block(notice) => self.deny(Cause::Suspended(notice)),
            held @ (Held::Nothing | Held::Bypass(_)) => {
                self.granting.held = Some(held);
                self.onward(onward)
            }
        }
    }

    fn onward(&mut self, onward: Onward) -> Vec<Effect> {
        match onward {
            Onward::Factor => self.next_factor(),
            Onward::Method(method, profile) => self.use_method(method, profile),
        }
    }

    /// The user may log in, and the method is chosen.
    fn use_method(&mut self, method: MethodIndex, profile: AuthIndex) -> Vec<Effect> {
        let Some(identity) = self.identity.clone() else {
            return self.deny(Cause::Internal("a method without an identity".into()));
        };
        if self.holds_a_bypass() {
            self.granting.method = Some(method);
            return match self.earlier().any() {
                true => self.admit(),
                false => self.ask_password(),
            };
        }
        if self.waiving {
            return self.admit();
        }
        match self.config.method(method).method {
            Method::Push { .. } => self.weigh(method, identity),
            Method::Code { .. } => match self.lookups.get(&profile).cloned() {
                Some(Lookup::Found(person)) => self.start_code(method, &person),
                _ => self.deny(Cause::Internal("a code for nobody".into())),
            },
        }
    }

    /// Asks whether anything may pass for this user.
    pub(super) fn admit(&mut self) -> Vec<Effect> {
        let Some(identity) = self.identity.clone() else {
            return self.deny(Cause::Internal("an admission without an identity".into()));
        };
        self.stage = Stage::Admitting;
        vec![Effect::Admit(identity)]
    }

    fn holds_a_bypass(&self) -> bool {
        let bypass = match &self.granting.held {
            Some(Held::Bypass(bypass)) => bypass,
            Some(Held::Nothing | Held::Block(_)) | None => return false,
        };
        self.heeds(bypass)
    }

    /// Whether a bypass is this person's, in this application, which heeds bypasses.
    fn heeds(&self, bypass: &Bypass) -> bool {
        let application = self.config.applications.get(self.application);
        application.is_some_and(|app| {
            let who = self.identity.as_ref();
            app.bypasses == Bypasses::Granted && who.is_some_and(|who| bypass.is_for(who, &app.name))
        })
    }

    /// Passes the present factor by the bypass, if that is what is being done.
    pub(super) fn bypass(&mut self) -> Option<Vec<Effect>> {
        self.granting.method?;
        let Some(Held::Bypass(bypass)) = self.granting.held.take() else {
            return Some(self.deny(Cause::Internal("a bypass that is none".into())));
        };
        let text = self.bypass_words(bypass.notice());
        // One bypass is for one factor: the next method asks again.
        let (_, by) = (self.granting.method.take(), self.granting.password.take());
        // No method was used.
        self.method = None;
        self.waiving = false;
        self.passed.push(Passed::Bypassed(bypass, by));
        self.stage = Stage::New;
        let mut effects = vec![Effect::Tell { tone: Tone::Info, text }];
        effects.extend(self.next_factor());
        Some(effects)
    }

    fn bypass_words(&self, notice: &Notice) -> String {
        let left = notice.left.unwrap_or_default().div_ceil(60);
        let (by, reason) = (plain(notice.by.as_str()), plain(&notice.reason));
        let said = match self.tongue() {
            Tongue::English => format!("Second factor waived for {left} more min by {by}: {reason}"),
            Tongue::German => format!("Zweiter Faktor noch {left} min erlassen von {by}: {reason}"),
            Tongue::Turkish => format!("Ikinci adim {left} dk daha istenmiyor, karar {by}: {reason}"),
        };
        format!("{said} [{}]", self.facts.login.as_str())
    }

    /// Whether every bypass that passed a factor counts: it is this person's, here, and an earlier factor passed.
    pub(super) fn bypasses_count(&self) -> bool {
        self.passed.iter().all(|passed| match passed {
            Passed::Bypassed(bypass, _) => self.heeds(bypass) && self.earlier().any(),
            Passed::Stack | Passed::Password(_) | Passed::Push(_) | Passed::Code(_) | Passed::Waived => true,
        })
    }

    /// The bypass that a factor of this login passed by, if one did.
    pub fn bypassed_by(&self) -> Option<&Notice> {
        self.passed.iter().find_map(|passed| match passed {
            Passed::Bypassed(bypass, _) => Some(bypass.notice()),
            Passed::Stack | Passed::Password(_) | Passed::Push(_) | Passed::Code(_) | Passed::Waived => None,
        })
    }
}

/// As every terminal can show it.
pub(super) fn plain(text: &str) -> String {
    let ascii = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(ascii).collect()
}
