//! One login as a state machine. Pure: [`Login::step`] takes an [`Event`] and the time, and returns [`Effect`]s for the
//! edge to carry out. Secrets never enter it: of a password it learns only that one was typed, and what a directory
//! said of it.
//!
//! Only [`Login::approve`] makes [`Outcome::Approved`], and it demands one [`Passed`] for each factor of the
//! application; a push passes only by [`Approved`], which only the verification of a device's signature can build, and a
//! code only by [`CodePassed`], which only the verification of the code service's word can.

mod coding;
mod detour;
pub mod enrolling;
mod event;
pub mod facts;
mod granting;
pub mod level;
mod methods;
mod pushing;
pub mod sudo;
mod tongue;
pub(crate) mod trace;
mod words;

pub use event::{
    Admission, Cause, CodeCheck, CodeEvent, CodeOrder, CodeTrouble, CodeTyped, DeviceSearch, Effect, EnrolState,
    EnrolTrouble, EnrolTyped, Event, Gone, LinkAs, NameSearch, Outcome, PasswordReply, Purpose, PushNumber, PushOrder,
    Show, Standing, Tone,
};
pub use tongue::Tongue;
pub use trace::TraceLine;

use crate::config::{Application, AuthIndex, Config, Factor, Method, MethodIndex, Strength, Subject, Unlisted};
use crate::directory::{Account, Lookup, PasswordCheck, Person};
use crate::fallback::{After, after};
use crate::grants::Bypass;
use crate::names::UserName;
use crate::policy::Recalled;
use assent_proto::cert::Identity;
use assent_proto::code::CodePassed;
use assent_proto::time::BootTime;
use assent_proto::verdict::Approved;
use facts::{Facts, Phase};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// From Begin to verdict.
pub const LOGIN_DEADLINE: Duration = Duration::from_secs(100);

/// How a factor passed.
enum Passed {
    /// An earlier PAM module, or sshd.
    Stack,
    /// A directory said that the password is right.
    Password(AuthIndex),
    /// A device approved.
    Push(Approved),
    /// The code service took a code.
    Code(CodePassed),
    /// A policy waived the factor; [`Login::approve`] demands that the application's floor allows it.
    Waived,
    /// An administrator granted a bypass; with the profile that took the password which was asked for in place of an
    /// earlier factor. [`Login::approve`] demands one or the other.
    Bypassed(Bypass, Option<AuthIndex>),
}

/// What the machine waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Resolving,
    AwaitingPassword,
    /// Which of the factor's profiles is asked.
    CheckingPassword(usize),
    /// The prompt that a push alone needs.
    AwaitingGo,
    /// A directory's answer, for policies.
    Choosing(AuthIndex),
    /// What is remembered of the user, for policies.
    Recalling,
    /// What an administrator decided for this person.
    Granting(granting::Onward),
    /// Whether the user is frozen, before a factor is waived or bypassed.
    Admitting,
    /// Which of the method's fallback profiles is asked.
    Validating(MethodIndex, usize),
    /// What is remembered of the user and the source.
    Weighing(MethodIndex),
    FindingDevices(MethodIndex),
    /// An enrolment is offered to a user who has no device.
    OfferingEnrolment(MethodIndex),
    /// The registrar is asked to open it.
    OpeningEnrolment(MethodIndex),
    /// The digits are asked for.
    AwaitingDigits(MethodIndex),
    /// The registrar is asked what they are worth.
    CheckingDigits(MethodIndex),
    /// A prompt was sent; whether it can be shown is known after [`pushing::SHOW_GRACE`].
    Showing(MethodIndex),
    Pushing,
    /// Approved; the prompt beside the push is still open.
    AwaitingEnter,
    /// The push came to nothing; its prompt is still open, or a code typed there is being judged.
    PromptOpen,
    /// The code service is asked which methods are ready.
    StartingCode(MethodIndex),
    /// A code is asked for.
    AskingCode(MethodIndex),
    /// A typed code is being judged.
    CheckingCode(MethodIndex),
    Done,
}

/// A login in progress.
pub struct Login {
    config: Arc<Config>,
    facts: Facts,
    began: BootTime,
    application: usize,
    /// `None` when the name is none.
    name: Option<UserName>,
    /// The user as NSS writes it.
    canonical: Option<UserName>,
    /// The user's number, as NSS has it.
    uid: Option<u32>,
    /// Why the login cannot succeed any more, kept back so that every user sees the same steps (R31).
    hopeless: Option<Cause>,
    stage: Stage,
    passed: Vec<Passed>,
    lookups: BTreeMap<AuthIndex, Lookup>,
    recalled: Recalled,
    identity: Option<Identity>,
    method: Option<MethodIndex>,
    /// The policy that chose it.
    policy: Option<usize>,
    /// The method was chosen to validate the user alone: the factor is to be waived.
    waiving: bool,
    /// The policy that waived a factor.
    waived: Option<usize>,
    /// Denials that this step brought, for the memory.
    denials: usize,
    granting: granting::Granting,
    push: pushing::Pushing,
    code: coding::Coding,
    detour: detour::Detour,
    enrolling: enrolling::Enrolling,
    trace: Vec<TraceLine>,
}

impl Login {
    /// A login that has not begun.
    pub fn new(config: Arc<Config>, facts: Facts, now: BootTime) -> Self {
        Self {
            config,
            facts,
            began: now,
            // None yet: no list is as long.
            application: usize::MAX,
            name: None,
            canonical: None,
            uid: None,
            hopeless: None,
            stage: Stage::New,
            passed: Vec::new(),
            lookups: BTreeMap::new(),
            recalled: Recalled::new(),
            identity: None,
            method: None,
            policy: None,
            waiving: false,
            waived: None,
            denials: 0,
            granting: granting::Granting::default(),
            push: pushing::Pushing::default(),
            code: coding::Coding::default(),
            detour: detour::Detour::default(),
            enrolling: enrolling::Enrolling::default(),
            trace: Vec::new(),
        }
    }

    /// Takes what happened and says what is to be done. After [`Effect::Finish`] nothing has any effect.
    pub fn step(&mut self, event: Event, now: BootTime) -> Vec<Effect> {
        self.record_event(&event, now);
        let mut effects = if self.stage == Stage::Done {
            Vec::new()
        } else if now >= self.deadline() && !matches!(event, Event::Begin) {
            self.deny(self.enrolling.late().unwrap_or(Cause::Deadline))
        } else {
            self.take(event, now)
        };
        // Whoever goes away while a push waits has not approved it either.
        for _ in 0..std::mem::take(&mut self.denials) {
            let end = effects.iter().position(|effect| matches!(effect, Effect::Finish(_)));
            effects.insert(end.unwrap_or(effects.len()), Effect::NoteDenial);
        }
        self.record_effects(&effects, now);
        effects
    }

    /// When [`Event::Tick`] must come, if nothing else does before.
    pub fn wakes(&self) -> BootTime {
        let wakes = [self.push.wakes(), self.code.wakes()];
        wakes.into_iter().flatten().fold(self.deadline(), BootTime::min)
    }

    /// Everything that happened so far, without secrets.
    pub fn trace(&self) -> &[TraceLine] {
        &self.trace
    }

    /// What is known of the login.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Who it is, once proven.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The account that the user logs in to, as NSS writes it; `None` while it does not know one.
    pub fn account(&self) -> Option<&UserName> {
        self.canonical.as_ref()
    }

    /// The application, once known.
    pub fn application(&self) -> Option<&str> {
        self.config
            .applications
            .get(self.application)
            .map(|app| app.name.as_str())
    }

    /// The method that was chosen.
    pub fn method(&self) -> Option<&str> {
        self.method.map(|method| self.config.method(method).name.as_str())
    }

    /// Whether a device approved this login.
    pub fn approved_on_a_device(&self) -> bool {
        self.passed.iter().any(|passed| matches!(passed, Passed::Push(_)))
    }

    /// The application's name, or nothing before it is known.
    fn application_name(&self) -> String {
        let application = self.config.applications.get(self.application);
        application.map_or_else(String::new, |application| application.name.clone())
    }

    /// Whether a code let a factor of this login pass.
    pub fn passed_by_code(&self) -> bool {
        self.passed.iter().any(|passed| matches!(passed, Passed::Code(_)))
    }

    /// Where the policy stands that waived a factor of this login, if one did.
    pub fn waived_by(&self) -> Option<&str> {
        self.waived.map(|at| self.config.policies[at].place.as_str())
    }

    /// What was remembered of the user and the source when the push left.
    pub fn standing(&self) -> Option<&Standing> {
        self.push.standing()
    }

    /// The user for a log: only a name that exists here, as what an unknown user typed may be a password (R70).
    pub fn user_for_log(&self) -> String {
        self.canonical
            .as_ref()
            .map_or_else(|| "(unknown user)".to_owned(), UserName::shown)
    }

    fn deadline(&self) -> BootTime {
        let usual = self.began.plus(LOGIN_DEADLINE);
        self.enrolling.deadline(usual)
    }

    fn take(&mut self, event: Event, now: BootTime) -> Vec<Effect> {
        match (self.stage, event) {
            (stage, Event::Gone(_)) => {
                self.denials += usize::from(stage == Stage::Pushing);
                self.deny(Cause::Gone)
            }
            (_, Event::Internal(why)) => self.deny(Cause::Internal(why)),
            // Of an asking that is over.
            (_, event) if !self.is_present(&event) => Vec::new(),
            // The relay's word on a push that is over comes when it comes.
            (stage, Event::PushSent(push) | Event::PushFailed { push, .. })
                if self.push.is_behind(push, stage == Stage::Pushing) =>
            {
                Vec::new()
            }
            (Stage::New, Event::Begin) => self.begin(),
            (Stage::Resolving, Event::Resolved(found)) => self.resolved(found),
            (Stage::AwaitingPassword, Event::Password(reply)) => self.password_typed(reply),
            (Stage::CheckingPassword(at), Event::Checked(check)) => self.password_checked(at, check),
            (Stage::CheckingPassword(_), Event::NotChecked(until)) => self.deny(Cause::TooManyGuesses(until)),
            (Stage::AwaitingGo, Event::Go(go)) => self.go_typed(go),
            (Stage::Choosing(profile), Event::LookedUp(lookup)) => {
                self.lookups.insert(profile, lookup);
                self.choose()
            }
            (Stage::Recalling, Event::Recalled(who, recall)) => {
                self.recalled.insert(who, recall);
                self.choose()
            }
            (Stage::Granting(onward), Event::Held(held)) => self.granted(onward, held),
            (Stage::Admitting, Event::Admitted(admission)) => self.admitted(admission),
            (Stage::Validating(method, at), Event::LookedUp(lookup)) => self.validated(method, at, lookup),
            (Stage::Weighing(method), Event::Weighed(standing)) => self.weighed(method, standing),
            (Stage::FindingDevices(method), Event::Devices(found)) => self.devices_found(method, found, now),
            (Stage::OfferingEnrolment(method), Event::EnrolTyped(typed)) => self.offer_answered(method, typed),
            (Stage::OpeningEnrolment(method), Event::EnrolmentOpened(opened)) => self.enrolment_opened(method, opened),
            (Stage::AwaitingDigits(method), Event::EnrolTyped(typed)) => self.digits_typed(method, typed),
            (Stage::CheckingDigits(method), Event::Enrolment(state)) => self.digits_checked(method, state, now),
            (Stage::Showing(method), event) => self.show_event(method, event, now),
            (Stage::Pushing, event) => self.push_event(event, now),
            (Stage::AwaitingEnter, event) => self.enter_event(&event),
            (Stage::PromptOpen, event) => self.open_prompt_event(event),
            (Stage::StartingCode(method), event) => self.code_started(method, event, now),
            (Stage::AskingCode(method), event) => self.code_prompt_event(method, event, now),
            (Stage::CheckingCode(method), event) => self.code_checked(method, event, now),
            (_, Event::Tick) => Vec::new(),
            // Whatever comes out of turn is a fault of the edge, and no login passes over a fault.
            (stage, event) => self.deny(Cause::Internal(format!("{} came at stage {stage:?}", event.kind()))),
        }
    }

    pub(super) fn subject(&self) -> Subject {
        let application = self.config.applications.get(self.application);
        application.map_or(Subject::User, |application| application.subject)
    }

    fn begin(&mut self) -> Vec<Effect> {
        let service = std::str::from_utf8(self.facts.service.as_bytes()).unwrap_or_default();
        let found = self
            .config
            .applications
            .iter()
            .position(|app| app.services.iter().any(|s| s == service));
        let Some(application) = found else {
            self.stage = Stage::Done;
            return match self.config.unlisted {
                Unlisted::Deny => vec![Effect::Finish(self.denied(Cause::Unlisted))],
                Unlisted::Ignore => vec![Effect::Finish(Outcome::Ignore)],
            };
        };
        self.application = application;
        if let Ok(name) = UserName::new(&self.facts.subject(self.subject())) {
            self.stage = Stage::Resolving;
            self.name = Some(name.clone());
            return vec![Effect::Resolve(name)];
        }
        self.hopeless = Some(Cause::BadName);
        self.next_factor()
    }

    fn resolved(&mut self, found: NameSearch) -> Vec<Effect> {
        match found {
            NameSearch::Known(canonical, uid) => {
                self.canonical = Some(canonical);
                self.uid = Some(uid);
                if self.subject() == Subject::Caller && self.facts.login_uid.is_some_and(|known| known != uid) {
                    self.hopeless = Some(Cause::NotTheCaller);
                }
            }
            NameSearch::Unknown => self.hopeless = Some(Cause::UnknownUser),
            NameSearch::Unreachable(why) => return self.deny(Cause::DirectoryUnreachable(why)),
        }
        if self.facts.phase == Phase::Account && self.facts.ticket && self.hopeless.is_none() {
            return self.finish(Outcome::ApprovedBefore);
        }
        self.next_factor()
    }

    /// The next factor that has not passed, or the end.
    fn next_factor(&mut self) -> Vec<Effect> {
        self.detour = detour::Detour::default();
        let Some(application) = self.config.applications.get(self.application) else {
            return self.deny(Cause::Internal("the application is gone".into()));
        };
        let Some(factor) = application.factors.get(self.passed.len()) else {
            return self.approve();
        };
        match factor {
            Factor::Stack => {
                self.passed.push(Passed::Stack);
                self.next_factor()
            }
            Factor::Password(_) => self.ask_password(),
            Factor::Method(_) if self.needs_a_go() => {
                self.stage = Stage::AwaitingGo;
                let id = self.facts.login.as_str();
                let pushes = |index: &MethodIndex| matches!(self.config.method(*index).method, Method::Push { .. });
                let asks = if self.listed().iter().any(pushes) {
                    [
                        "Type p to send a request to your phone",
                        "p tippen, um eine Anfrage an Ihr Telefon zu senden",
                        "Telefonunuza istek gondermek icin p yazin",
                    ]
                } else {
                    [
                        "Type p to be asked for a code",
                        "p tippen, um nach einem Code gefragt zu werden",
                        "Kod sorulmasi icin p yazin",
                    ]
                };
                let text = format!("{} [{id}]: ", self.tongue().say(asks));
                vec![Effect::Ask {
                    purpose: Purpose::Go,
                    echo: true,
                    text,
                }]
            }
            Factor::Method(_) => self.choose_or_stop(),
        }
    }

    pub(super) fn ask_password(&mut self) -> Vec<Effect> {
        self.stage = Stage::AwaitingPassword;
        // Rides in the prompt: sshd before OpenSSH 10.3 holds other text back while a push waits.
        let application = self.config.applications.get(self.application);
        let tongue = self.tongue();
        let then = application.map_or("", |application| tongue.say(self.then_words(application)));
        let password = tongue.say(["Password", "Passwort", "Parola"]);
        let text = format!("{password}{then} [{}]: ", self.facts.login.as_str());
        vec![Effect::AskPassword { text }]
    }

    /// What comes after the password, for its prompt. It says nothing of the user.
    fn then_words(&self, application: &Application) -> tongue::Said {
        let later = application.factors.iter().skip(self.passed.len() + 1);
        let methods = later.flat_map(|factor| match factor {
            Factor::Method(methods) => methods.as_slice(),
            Factor::Stack | Factor::Password(_) => &[],
        });
        let is_push = |index: &MethodIndex| matches!(self.config.method(*index).method, Method::Push { .. });
        let (pushes, codes): (Vec<&MethodIndex>, Vec<&MethodIndex>) = methods.partition(|index| is_push(index));
        match (pushes.is_empty(), codes.is_empty()) {
            (true, true) => [""; 3],
            (false, true) => [
                ", then approve on your phone",
                ", dann am Telefon freigeben",
                ", sonra telefonunuzda onaylayin",
            ],
            (true, false) => [", then a code", ", dann ein Code", ", sonra bir kod"],
            (false, false) => [
                ", then approve on your phone or type a code",
                ", dann am Telefon freigeben oder Code tippen",
                ", sonra telefonunuzda onaylayin veya kod yazin",
            ],
        }
    }

    /// In sshd's auth phase nothing proves that sshd itself would let the user in: it runs the stack with junk replies
    /// for those whom it refuses. Where no typed factor came before, a typed letter must (R16).
    fn needs_a_go(&self) -> bool {
        self.facts.phase == Phase::Auth && self.facts.is_remote() && self.passed.is_empty()
    }

    fn choose_or_stop(&mut self) -> Vec<Effect> {
        match self.hopeless.take() {
            Some(cause) => self.deny(cause),
            None => self.choose(),
        }
    }

    fn go_typed(&mut self, go: bool) -> Vec<Effect> {
        if !go {
            return self.deny(Cause::NotAsked);
        }
        self.choose_or_stop()
    }

    fn password_typed(&mut self, reply: PasswordReply) -> Vec<Effect> {
        match reply {
            PasswordReply::Typed => self.check_password(0),
            PasswordReply::Empty | PasswordReply::Failed => self.deny(Cause::NoPassword),
        }
    }

    fn password_profiles(&self) -> &[AuthIndex] {
        if let Some(method) = self.granting.bypasses() {
            return &self.config.method(method).fallback;
        }
        match self
            .config
            .applications
            .get(self.application)
            .and_then(|a| a.factors.get(self.passed.len()))
        {
            Some(Factor::Password(profiles)) => profiles,
            Some(Factor::Stack | Factor::Method(_)) | None => &[],
        }
    }

    fn check_password(&mut self, at: usize) -> Vec<Effect> {
        let Some(profile) = self.password_profiles().get(at).copied() else {
            let cause = self.hopeless.take().unwrap_or(Cause::UnknownUser);
            return self.deny(cause);
        };
        let Some(user) = self.name_to_ask() else {
            return self.deny(Cause::BadName);
        };
        self.stage = Stage::CheckingPassword(at);
        vec![Effect::CheckPassword { profile, user }]
    }

    fn password_checked(&mut self, at: usize, check: PasswordCheck) -> Vec<Effect> {
        let Some(profile) = self.password_profiles().get(at).copied() else {
            return self.deny(Cause::Internal("a check of no profile".into()));
        };
        match after(check, self.config.auth_profile(profile).on_unreachable) {
            After::Passed(person) => {
                if let Some(cause) = self.hopeless.take().or_else(|| blocked(&person)) {
                    return self.deny(cause);
                }
                if !self.is_one_identity(&person.identity) {
                    return self.deny(Cause::IdentityConflict);
                }
                self.lookups.insert(profile, Lookup::Found(person));
                if self.granting.bypasses().is_some() {
                    self.granting.password_by(profile);
                    return self.admit();
                }
                self.passed.push(Passed::Password(profile));
                self.go_by_grants(granting::Onward::Factor)
            }
            After::Next => self.check_password(at + 1),
            After::Denied(cause) => self.deny(cause),
        }
    }

    /// The name as NSS writes it, where it knows the user: one spelling for every directory (R58).
    fn name_to_ask(&self) -> Option<UserName> {
        self.canonical.clone().or_else(|| self.name.clone())
    }

    /// All profiles that take part in one login must name one identity.
    fn is_one_identity(&mut self, identity: &Identity) -> bool {
        match &self.identity {
            Some(known) => known == identity,
            None => {
                self.identity = Some(identity.clone());
                true
            }
        }
    }

    /// Ends an approved login: every factor of the application has passed, each by its own proof.
    fn approve(&mut self) -> Vec<Effect> {
        let application = self.config.applications.get(self.application);
        let wanted = application.map_or(usize::MAX, |app| app.factors.len());
        let ctx = self.facts.ctx;
        let pushes_are_ours = self.passed.iter().all(|passed| match passed {
            Passed::Push(approved) => approved.is_for(&ctx),
            Passed::Stack | Passed::Password(_) | Passed::Code(_) | Passed::Waived | Passed::Bypassed(..) => true,
        });
        let complete = self.passed.len() == wanted && pushes_are_ours && self.bypasses_count();
        let floor = application.map_or(Strength::Number, |app| app.floor);
        if self.hopeless.is_some() || !complete || !self.codes_reach(floor) {
            let cause = self
                .hopeless
                .take()
                .unwrap_or_else(|| Cause::Internal("a factor is missing".into()));
            return self.deny(cause);
        }
        self.finish(Outcome::Approved)
    }

    fn deny(&mut self, cause: Cause) -> Vec<Effect> {
        let denied = self.denied(cause);
        self.finish(denied)
    }

    fn denied(&self, cause: Cause) -> Outcome {
        let (open, tongue) = (self.is_open(), self.tongue());
        let id = self.facts.login.as_str();
        let text = match &cause {
            Cause::Suspended(notice) if open => {
                format!(
                    "{}: {} [{id}]",
                    tongue.say([
                        "An administrator has blocked you",
                        "Ein Administrator hat Sie gesperrt",
                        "Bir yonetici sizi engelledi",
                    ]),
                    granting::plain(&notice.reason)
                )
            }
            cause => format!("{} [{id}]", cause.text(open, tongue)),
        };
        Outcome::Denied { cause, text }
    }

    fn finish(&mut self, outcome: Outcome) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.stage == Stage::Pushing {
            effects.push(Effect::WithdrawPush);
        }
        effects.extend(self.code.abandon());
        effects.extend(self.enrolling.abandon());
        self.stage = Stage::Done;
        self.push.end();
        effects.push(Effect::Finish(outcome));
        effects
    }
}

/// Why this person's account may not log in, if so.
pub(crate) fn blocked(person: &Person) -> Option<Cause> {
    match person.account {
        Account::Active => None,
        other => Some(Cause::Blocked(other)),
    }
}
