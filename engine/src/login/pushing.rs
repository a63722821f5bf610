//! The part of a login that weighs what is remembered, fixes the level, shows a number where one is needed, and runs the
//! push.

use super::coding::OR_CODE;
use super::event::{Cause, DeviceSearch, Effect, Event, Purpose, PushNumber, PushOrder, Show, Standing, Tone};
use super::facts::Phase;
use super::level::{self, Grounds};
use super::tongue::Said;
use super::{Login, Passed, Stage, sudo};
use crate::conditions::network_of;
use crate::config::{Assurance, Failure, Method, MethodIndex, SshPrompt, Subject};
use assent_proto::ShortText;
use assent_proto::cert::{Device, Identity, Level};
use assent_proto::request::{Details, Novelty, Source};
use assent_proto::text::Outside;
use assent_proto::time::BootTime;
use std::time::Duration;

/// How the prompt of a push begins; the number follows, where there is one.
const APPROVE: Said = ["Approve", "Am Telefon", "Telefonda"];

/// How long a prompt has to fail before the push leaves: what cannot be shown fails within milliseconds (sshd's
/// `password` method and its account phase), and then nobody is asked. A slower failure withdraws the push.
pub const SHOW_GRACE: Duration = Duration::from_millis(300);

/// What a login knows of the push that it is about to send, or has sent.
#[derive(Default)]
pub(super) struct Pushing {
    standing: Option<Standing>,
    level: Option<Level>,
    /// Whether an approval takes a passkey besides what the level asks.
    lock: bool,
    /// Who is asked, until the push leaves.
    devices: Vec<Device>,
    /// When it leaves.
    leaves: Option<BootTime>,
    ends: Option<BootTime>,
    /// The push that left last.
    number: PushNumber,
    /// A prompt was sent and not answered.
    prompt_open: bool,
    /// The push does without its prompt, where none can be shown.
    prompt_optional: bool,
    /// Why the push ended, while a prompt or a typed code is still waited for.
    over: Option<(Failure, Cause)>,
}

impl Pushing {
    pub(super) fn wakes(&self) -> Option<BootTime> {
        self.leaves.or(self.ends)
    }

    pub(super) fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    pub(super) fn asks_for_a_passkey(&self) -> bool {
        self.lock || self.level == Some(Level::Passkey)
    }

    pub(super) fn end(&mut self) {
        (self.leaves, self.ends) = (None, None);
    }

    /// Forgets the push; what is known of user and source stays.
    pub(super) fn abandon(&mut self) {
        *self = Self {
            standing: self.standing.take(),
            number: self.number,
            ..Self::default()
        };
    }

    pub(super) fn prompt_began(&mut self) {
        self.prompt_open = true;
    }

    pub(super) fn prompt_ended(&mut self) {
        self.prompt_open = false;
    }

    pub(super) fn end_with(&mut self, failure: Failure, cause: Cause) {
        self.end();
        self.over = Some((failure, cause));
    }

    pub(super) fn take_over(&mut self) -> Option<(Failure, Cause)> {
        self.over.take()
    }

    /// Whether `push` left and is over. `open`: the one that left last is not.
    pub(super) fn is_behind(&self, push: PushNumber, open: bool) -> bool {
        let left = PushNumber::default() < push && push <= self.number;
        left && !(open && push == self.number)
    }

    fn is_over(&self, now: BootTime) -> bool {
        self.ends.is_none_or(|ends| now >= ends)
    }
}

impl Login {
    pub(super) fn weigh(&mut self, method: MethodIndex, identity: Identity) -> Vec<Effect> {
        self.stage = Stage::Weighing(method);
        vec![Effect::Weigh(identity)]
    }

    pub(super) fn weighed(&mut self, method: MethodIndex, standing: Standing) -> Vec<Effect> {
        if let Some(barred) = standing.barred {
            return self.fail(Failure::Exhausted, Cause::Barred(barred));
        }
        let Some(identity) = self.identity.clone() else {
            return self.deny(Cause::Internal("a push without an identity".into()));
        };
        let (level, why) = self.level(method, &standing);
        self.record_level(level, why);
        self.push.level = Some(level);
        self.push.lock = matches!(self.config.method(method).method, Method::Push { app_lock: true, .. });
        self.push.standing = Some(standing);
        self.stage = Stage::FindingDevices(method);
        vec![Effect::FindDevices(identity)]
    }

    /// The level, fixed before any push, and the reason for it.
    fn level(&self, method: MethodIndex, standing: &Standing) -> (Level, level::Why) {
        let assurance = level::assurance(&self.config, method, self.policy).unwrap_or(Assurance::Adaptive);
        let application = self.config.applications.get(self.application);
        let floor = application.map_or(Level::Tap, |app| app.floor.level());
        let grounds = Grounds {
            earlier_factor: self.earlier().any(),
            // Of an address alone: this machine itself is nobody's, whoever once approved a sudo here.
            known_source: standing.known_source && self.facts.ssh.is_some(),
            known_network: self.network().is_some(),
            approved_session: standing.approved_session && self.facts.is_sudo(),
            command_cut: self.facts.is_sudo() && sudo::command(&self.facts).truncated,
        };
        level::decide(assurance, floor, grounds)
    }

    fn network(&self) -> Option<&str> {
        let client = self.facts.ssh?.client;
        network_of(&self.config.known_networks, client).map(|network| network.name.as_str())
    }

    pub(super) fn devices_found(&mut self, method: MethodIndex, found: DeviceSearch, now: BootTime) -> Vec<Effect> {
        self.push.devices = match found {
            DeviceSearch::Found(devices) if devices.is_empty() => return self.without_device(method, now),
            DeviceSearch::Found(devices) if self.push.asks_for_a_passkey() => {
                let level = self.push.level.unwrap_or(Level::Passkey);
                let with_passkeys = self.with_passkeys(method, level, devices);
                if with_passkeys.is_empty() {
                    return self.fail(Failure::NotEnrolled, Cause::NoPasskey);
                }
                with_passkeys
            }
            DeviceSearch::Found(devices) => devices,
            DeviceSearch::Unreachable(why) => return self.fail(Failure::Gateway, Cause::GatewayUnreachable(why)),
            DeviceSearch::Frozen => return self.deny(Cause::Frozen),
            DeviceSearch::RevocationsStale(why) => return self.fail(Failure::Gateway, Cause::RevocationsStale(why)),
        };
        let digits = self.digits(method);
        match self.prompt(digits) {
            // Whether sshd can show it is known when the push would leave.
            Some(prompt) if self.facts.over_ssh => {
                self.push.prompt_open = true;
                self.push.leaves = Some(now.plus(SHOW_GRACE));
                self.stage = Stage::Showing(method);
                vec![prompt]
            }
            Some(prompt) => {
                self.push.prompt_open = true;
                self.send(method, vec![prompt], now)
            }
            None => self.send_with_a_line(method, digits, now),
        }
    }

    /// Those with a passkey that counts: at level passkey one that the profile lets count, for the lock below it any.
    fn with_passkeys(&self, method: MethodIndex, level: Level, mut devices: Vec<Device>) -> Vec<Device> {
        let synced = level != Level::Passkey
            || matches!(
                self.config.method(method).method,
                Method::Push {
                    synced_passkeys: true,
                    ..
                }
            );
        devices.retain(|device| {
            let passkey = device.claims().passkey.as_ref();
            passkey.is_some_and(|passkey| synced || !passkey.synced)
        });
        devices
    }

    /// The number cannot be shown: the push leaves at the level above, which needs none, where the user can reach it.
    fn without_number(&mut self, method: MethodIndex, now: BootTime) -> Vec<Effect> {
        let devices = std::mem::take(&mut self.push.devices);
        let with_passkeys = self.with_passkeys(method, Level::Passkey, devices);
        if self.push.level != Some(Level::Number) || with_passkeys.is_empty() {
            return self.deny(Cause::CannotShow);
        }
        self.push.devices = with_passkeys;
        self.push.level = Some(Level::Passkey);
        self.push.prompt_open = false;
        self.record_level(Level::Passkey, level::Why::NoNumber);
        self.send(method, Vec::new(), now)
    }

    /// The prompt beside the push, where there is one: over SSH a number rides in it, and where a code would do as well it
    /// says so.
    fn prompt(&mut self, digits: u8) -> Option<Effect> {
        let takes_code = !self.beside().is_empty();
        let application = self.config.applications.get(self.application);
        let asked_for = application.map(|app| app.ssh_prompt) == Some(SshPrompt::Enter);
        let (over_ssh, number) = (self.facts.over_ssh, digits > 0);
        if !(takes_code || over_ssh && (number || asked_for)) {
            return None;
        }
        self.push.prompt_optional = !number && !asked_for;
        let (notice, tongue) = (self.notice(), self.tongue());
        let or_code = tongue.say(if takes_code { OR_CODE } else { [""; 3] });
        let id = self.facts.login.as_str();
        let then = tongue.say([
            " on your phone, then Enter",
            " freigeben, dann Enter",
            " onaylayin, sonra Enter",
        ]);
        let after = format!("{then}{or_code} [{id}]: ");
        let before = format!("{notice}{}", tongue.say(APPROVE));
        Some(if number {
            Effect::ShowNumber {
                how: Show::Prompt,
                digits,
                before: format!("{before} "),
                after,
                takes_code,
            }
        } else {
            Effect::Ask {
                purpose: if takes_code { Purpose::ShowOrCode } else { Purpose::Show },
                echo: true,
                text: before + &after,
            }
        })
    }

    fn send_with_a_line(&mut self, method: MethodIndex, digits: u8, now: BootTime) -> Vec<Effect> {
        let (notice, tongue) = (self.notice(), self.tongue());
        let id = self.facts.login.as_str().to_owned();
        if digits > 0 {
            let shown = Effect::ShowNumber {
                how: Show::Line,
                digits,
                before: format!("{notice}{} ", tongue.say(APPROVE)),
                after: format!("{} [{id}]", tongue.say([" on your phone", " freigeben", " onaylayin"])),
                takes_code: false,
            };
            return self.send(method, vec![shown], now);
        }
        // In sshd's account phase the line would come after the verdict, into a script's error output.
        let told = (!(self.facts.over_ssh && self.facts.phase == Phase::Account)).then(|| Effect::Tell {
            tone: Tone::Info,
            text: format!(
                "{notice}{} [{id}]",
                tongue.say([
                    "Waiting for your approval on the phone",
                    "Warten auf Ihre Freigabe am Telefon",
                    "Telefondaki onayiniz bekleniyor",
                ])
            ),
        });
        let mut effects = self.send(method, Vec::new(), now);
        if self.stage == Stage::Pushing {
            effects.extend(told);
        }
        effects
    }

    fn digits(&self, method: MethodIndex) -> u8 {
        match (self.push.level, self.config.method(method).method) {
            (Some(Level::Number), Method::Push { digits, .. }) => digits,
            _ => 0,
        }
    }

    /// While nobody knows yet whether the prompt can be shown.
    pub(super) fn show_event(&mut self, method: MethodIndex, event: Event, now: BootTime) -> Vec<Effect> {
        match event {
            Event::Shown(true) => {
                self.push.prompt_open = false;
                self.send(method, Vec::new(), now)
            }
            Event::Shown(false) if self.push.prompt_optional => {
                self.push.prompt_open = false;
                self.send(method, Vec::new(), now)
            }
            Event::Shown(false) => self.without_number(method, now),
            Event::CodeTyped(typed) => self.typed_instead(typed),
            Event::Tick if self.push.leaves.is_some_and(|leaves| now < leaves) => Vec::new(),
            Event::Tick => self.send(method, Vec::new(), now),
            other => self.deny(Cause::Internal(format!("{} came before a push", other.kind()))),
        }
    }

    /// The push leaves, behind `before`.
    fn send(&mut self, method: MethodIndex, before: Vec<Effect>, now: BootTime) -> Vec<Effect> {
        let (Some(identity), Some(level)) = (self.identity.clone(), self.push.level) else {
            return self.deny(Cause::Internal("a push without an identity or a level".into()));
        };
        let Method::Push { ttl, .. } = self.config.method(method).method else {
            return self.deny(Cause::Internal("a push by a method without one".into()));
        };
        let left = self.deadline().0.saturating_sub(now.0);
        let life = Duration::from_secs(u64::from(ttl)).min(left);
        let Ok(ttl @ 1..) = u32::try_from(life.as_secs()) else {
            return self.deny(Cause::Deadline);
        };
        self.stage = Stage::Pushing;
        self.push.leaves = None;
        self.push.ends = Some(now.plus(Duration::from_secs(u64::from(ttl))));
        self.push.number = self.push.number.next();
        let order = PushOrder {
            number: self.push.number,
            details: self.details(identity, level, self.digits(method), ttl),
            devices: std::mem::take(&mut self.push.devices),
        };
        let mut effects = before;
        effects.push(Effect::Push(Box::new(order)));
        effects
    }

    /// What the person will see.
    fn details(&self, identity: Identity, level: Level, digits: u8, ttl: u32) -> Details {
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
            src: self.source(),
            first: self.passed.iter().map(|passed| self.passed_words(passed)).collect(),
            level,
            digits,
            lock: self.push.lock,
            ttl,
            ctx: facts.ctx,
            app: ShortText::cut(self.application_name()),
        }
    }

    /// The client's address, and what is known of it.
    fn source(&self) -> Option<Source> {
        let ssh = self.facts.ssh?;
        let standing = self.push.standing.as_ref();
        let network = self.network();
        let novelty = match standing {
            Some(standing) if standing.new_place => Some(Novelty::Place),
            Some(standing) if !standing.known_source && network.is_none() => Some(Novelty::Address),
            _ => None,
        };
        Some(Source {
            ip: ssh.client,
            port: Some(ssh.client_port),
            network: network.map(|name| ShortText::cut(name.to_owned())),
            asn: standing.and_then(|standing| standing.asn),
            place: standing.and_then(|standing| standing.place.clone()).map(ShortText::cut),
            new: novelty,
        })
    }

    fn passed_words(&self, passed: &Passed) -> ShortText {
        ShortText::cut(match passed {
            Passed::Stack if self.facts.over_ssh => "key or password accepted by sshd".to_owned(),
            Passed::Stack => "earlier PAM module".to_owned(),
            Passed::Password(profile) => format!("password ({})", self.config.auth_profile(*profile).name()),
            Passed::Push(_) => "approval on a device".to_owned(),
            Passed::Waived => "waived by a policy".to_owned(),
            Passed::Bypassed(..) => "waived by an administrator".to_owned(),
            Passed::Code(code) => format!("code ({})", code.method().name()),
        })
    }

    pub(super) fn push_event(&mut self, event: Event, now: BootTime) -> Vec<Effect> {
        match event {
            Event::PushSent(_) | Event::PushIgnored { last: false, .. } => Vec::new(),
            Event::PushFailed { why, .. } => self.push_over(Failure::Gateway, Cause::GatewayUnreachable(why)),
            Event::PushIgnored { last: true, .. } => self.deny(Cause::TooMuchRubbish),
            Event::PushRefused(refusal) => {
                self.denials += 1;
                self.deny(Cause::Refused(refusal))
            }
            Event::PushFrozen => self.deny(Cause::Frozen),
            Event::PushApproved(approved) => {
                if self.push.is_over(now) {
                    return self.push_over(Failure::NoAnswer, Cause::NoAnswer);
                }
                self.push.end();
                self.passed.push(Passed::Push(approved));
                let mut effects = vec![Effect::WithdrawPush];
                // A code that was typed meanwhile is not needed.
                effects.extend(self.code.abandon());
                if self.push.prompt_open {
                    self.stage = Stage::AwaitingEnter;
                } else {
                    // Not the machine's own withdrawal at the end: the push is over here.
                    self.stage = Stage::New;
                    effects.extend(self.next_factor());
                }
                effects
            }
            // Enter came first: the push goes on.
            Event::Shown(true) => {
                self.push.prompt_open = false;
                Vec::new()
            }
            Event::Shown(false) => self.deny(Cause::PromptLeft),
            Event::CodeTyped(typed) => self.typed_beside(typed),
            Event::Code { what, .. } => self.code_beside(what),
            Event::Tick if self.push.is_over(now) => self.push_over(Failure::NoAnswer, Cause::NoAnswer),
            Event::Tick => Vec::new(),
            other => self.deny(Cause::Internal(format!("{} came during a push", other.kind()))),
        }
    }

    /// The push came to nothing. A prompt that is open must end before anything else can be asked, and a code that was
    /// typed may still pass.
    fn push_over(&mut self, failure: Failure, cause: Cause) -> Vec<Effect> {
        self.denials += usize::from(failure == Failure::NoAnswer);
        let may_go_on = !self.leads(failure).is_empty() || !self.beside().is_empty();
        if self.code.in_flight || self.push.prompt_open && may_go_on {
            self.push.end_with(failure, cause);
            self.stage = Stage::PromptOpen;
            return vec![Effect::WithdrawPush];
        }
        self.fail(failure, cause)
    }

    /// The push is over; its prompt is still open, or a code typed there is being judged.
    pub(super) fn open_prompt_event(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Shown(true) => {
                self.push.prompt_open = false;
                match self.push.take_over() {
                    Some((failure, cause)) => self.fail(failure, cause),
                    None => self.deny(Cause::Internal("a push is over without a cause".into())),
                }
            }
            Event::Shown(false) => self.deny(Cause::PromptLeft),
            Event::CodeTyped(typed) => self.typed_beside(typed),
            Event::Code { what, .. } => self.code_beside(what),
            Event::Tick | Event::PushIgnored { .. } => Vec::new(),
            // It came after its end.
            Event::PushApproved(_) | Event::PushRefused(_) | Event::PushFrozen => Vec::new(),
            other => self.deny(Cause::Internal(format!("{} came after a push", other.kind()))),
        }
    }

    /// The device has approved; the module is still inside the prompt.
    pub(super) fn enter_event(&mut self, event: &Event) -> Vec<Effect> {
        match event {
            Event::Shown(true) => {
                self.push.prompt_open = false;
                self.stage = Stage::New;
                self.next_factor()
            }
            Event::Shown(false) => self.deny(Cause::PromptLeft),
            // Typed, and not needed any more.
            Event::CodeTyped(_) => {
                self.push.prompt_open = false;
                self.stage = Stage::New;
                self.next_factor()
            }
            // Answers that came late: the push is over.
            Event::Tick | Event::PushIgnored { .. } => Vec::new(),
            other => self.deny(Cause::Internal(format!("{} came after an approval", other.kind()))),
        }
    }
}
