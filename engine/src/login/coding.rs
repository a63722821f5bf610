//! The part of a login that asks for a code: by itself, or beside a push that waits. The code never comes here; of it the
//! machine learns that one was typed, and what the code service's verified word says.

use super::event::{Cause, CodeCheck, CodeEvent, CodeOrder, CodeTrouble, CodeTyped, Effect, Event, Purpose};
use super::facts::Phase;
use super::pushing::SHOW_GRACE;
use super::tongue::Said;
use super::{Login, Passed, Stage, blocked};
use crate::config::{Failure, Language, Method, MethodIndex, MethodProfile, Strength, language_tag};
use crate::directory::{Lookup, Person};
use crate::policy::{self, Choice};
use assent_proto::ShortText;
use assent_proto::code::{CodeMethod, CodePassed, CodeRefused, Offer, Unbelieved};
use assent_proto::text::Outside;
use assent_proto::time::BootTime;

/// Before a prompt that asks again.
const WRONG: Said = ["Wrong code. ", "Falscher Code. ", "Yanlis kod. "];
/// Where a code does as well as the phone.
pub(super) const OR_CODE: Said = [", or type a code", ", oder Code tippen", ", veya kod yazin"];

/// Most characters of a hint in a prompt.
const HINT: usize = 24;

/// What a login knows of the code that it asks for.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // what has happened; any may go with any other
pub(super) struct Coding {
    /// Names the last asking of the code service; what comes of an earlier one counts no more.
    turn: u32,
    /// The code service knows of the login.
    started: bool,
    /// A code was typed beside a push, and the code service has not said yet what it is worth.
    pub in_flight: bool,
    /// No code is taken any more.
    spent: bool,
    hint: Option<String>,
    /// When the prompt was sent.
    asked: Option<BootTime>,
    /// When the code leaves.
    leaves: Option<BootTime>,
    sent: bool,
    /// Why none could be sent; said when the prompt ends.
    unsent: Option<CodeTrouble>,
}

impl Coding {
    pub(super) fn wakes(&self) -> Option<BootTime> {
        self.leaves
    }

    fn next_turn(&mut self) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        self.turn
    }

    /// Ends what is under way; what still comes of it counts no more.
    pub(super) fn abandon(&mut self) -> Option<Effect> {
        let ends = self.started.then_some(Effect::EndCode);
        let turn = self.turn.wrapping_add(1);
        *self = Self {
            turn,
            ..Self::default()
        };
        ends
    }
}

impl Login {
    pub(super) fn start_code(&mut self, method: MethodIndex, person: &Person) -> Vec<Effect> {
        // Every prompt of sshd's account phase fails.
        if self.facts.over_ssh && self.facts.phase == Phase::Account {
            return self.deny(Cause::CannotAskCode);
        }
        self.stage = Stage::StartingCode(method);
        self.order_code(&[method], person)
    }

    /// Has the code service asked for these profiles' methods.
    fn order_code(&mut self, profiles: &[MethodIndex], person: &Person) -> Vec<Effect> {
        let address = |wanted: CodeMethod| {
            let profile = profiles.iter().map(|index| self.config.method(*index));
            let mut names = profile
                .filter(|profile| matches!(profile.method, Method::Code { method, .. } if method == wanted))
                .flat_map(|profile| &profile.address);
            names.find_map(|name| first_value(person, name))
        };
        let code = |index: &MethodIndex| match self.config.method(*index).method {
            Method::Code { method, ttl } => Some((method, ttl)),
            Method::Push { .. } => None,
        };
        let codes: Vec<(CodeMethod, u32)> = profiles.iter().filter_map(code).collect();
        let text = |outside: &Outside| ShortText::cut(outside.to_statement());
        let application = self.config.applications.get(self.application);
        let turn = self.code.next_turn();
        let order = CodeOrder {
            turn,
            identity: person.identity.clone(),
            user: text(&self.facts.subject(self.subject())),
            app: ShortText::cut(application.map_or_else(String::new, |app| app.name.clone())),
            mobile: address(CodeMethod::Sms),
            mail: address(CodeMethod::Mail),
            ttl: codes.iter().map(|(_, ttl)| *ttl).max().unwrap_or_default(),
            methods: codes.into_iter().map(|(method, _)| method).collect(),
            lang: self.language(profiles, person),
        };
        vec![Effect::StartCode(Box::new(order))]
    }

    /// What the person reads, by the first of these profiles that sends something.
    fn language(&self, profiles: &[MethodIndex], person: &Person) -> ShortText {
        let sends =
            |profile: &&MethodProfile| matches!(profile.method, Method::Code { method, .. } if method.is_sent());
        let mut methods = profiles.iter().map(|index| self.config.method(*index));
        let Some(language) = methods.find(sends).map(|profile| &profile.language) else {
            return ShortText::cut(Language::DEFAULT.to_owned());
        };
        ShortText::cut(said_language(language, person).unwrap_or_else(|| language.tag.clone()))
    }

    pub(super) fn is_present(&self, event: &Event) -> bool {
        !matches!(event, Event::Code { turn, .. } if *turn != self.code.turn)
    }

    pub(super) fn code_started(&mut self, method: MethodIndex, event: Event, now: BootTime) -> Vec<Effect> {
        match event {
            Event::Code {
                what: CodeEvent::Started(found),
                ..
            } => match found.and_then(|offers| self.ready(&offers, &[method])) {
                Ok(()) => self.ask_code(method, "", now),
                Err(trouble) => self.code_failed(trouble),
            },
            Event::Tick => Vec::new(),
            other => self.out_of_turn(&other),
        }
    }

    /// Whether one of these profiles' methods is ready.
    fn ready(&mut self, offers: &[Offer], profiles: &[MethodIndex]) -> Result<(), CodeTrouble> {
        let wanted = |offer: &&Offer| profiles.iter().any(|index| self.is_by(*index, offer.method));
        let mut refused = CodeTrouble::Unreachable("the code service said nothing of the method".into());
        let mut hint = None;
        let mut ready = false;
        for offer in offers.iter().filter(wanted) {
            match offer.refused {
                None => {
                    ready = true;
                    hint = offer.hint.as_ref().map(plain);
                }
                Some(why) => refused = CodeTrouble::Refused(why),
            }
        }
        self.code.started = true;
        self.code.hint = hint;
        if ready { Ok(()) } else { Err(refused) }
    }

    fn is_by(&self, index: MethodIndex, wanted: CodeMethod) -> bool {
        matches!(self.config.method(index).method, Method::Code { method, .. } if method == wanted)
    }

    fn ask_code(&mut self, method: MethodIndex, wrong: &str, now: BootTime) -> Vec<Effect> {
        let Method::Code { method: code, .. } = self.config.method(method).method else {
            return self.deny(Cause::Internal("a code by a method without one".into()));
        };
        let id = self.facts.login.as_str().to_owned();
        let tongue = self.tongue();
        let before = if wrong.is_empty() { self.notice() } else { wrong };
        let hint = |by: Said| match &self.code.hint {
            Some(hint) => format!("{} {} {hint}", tongue.say(by), tongue.say(["to", "an", "->"])),
            None => tongue.say(by).to_owned(),
        };
        let asks = match code {
            CodeMethod::Sms => hint(["Code sent by SMS", "Code per SMS gesendet", "SMS ile gonderilen kod"]),
            CodeMethod::Mail => hint([
                "Code sent by mail",
                "Code per Mail gesendet",
                "E-posta ile gonderilen kod",
            ]),
            CodeMethod::Totp => tongue
                .say([
                    "Code from your authenticator app",
                    "Code aus Ihrer Authenticator-App",
                    "Kimlik dogrulama uygulamanizdaki kod",
                ])
                .to_owned(),
            CodeMethod::Recovery => tongue
                .say(["Recovery code", "Wiederherstellungscode", "Kurtarma kodu"])
                .to_owned(),
        };
        let mut effects = vec![Effect::Ask {
            purpose: Purpose::Code,
            echo: true,
            text: format!("{before}{asks} [{id}]: "),
        }];
        self.stage = Stage::AskingCode(method);
        self.code.asked = Some(now);
        if code.is_sent() && !self.code.sent {
            // What cannot be asked fails within milliseconds, and then nobody gets a message.
            if self.facts.over_ssh {
                self.code.leaves = Some(now.plus(SHOW_GRACE));
            } else {
                effects.push(self.send_code(code));
            }
        }
        effects
    }

    fn send_code(&mut self, method: CodeMethod) -> Effect {
        self.code.leaves = None;
        self.code.sent = true;
        let turn = self.code.next_turn();
        Effect::SendCode { turn, method }
    }

    pub(super) fn code_prompt_event(&mut self, method: MethodIndex, event: Event, now: BootTime) -> Vec<Effect> {
        match event {
            Event::Tick if self.code.leaves.is_some_and(|leaves| now >= leaves) => {
                match self.config.method(method).method {
                    Method::Code { method: code, .. } => vec![self.send_code(code)],
                    Method::Push { .. } => self.deny(Cause::Internal("a code by a method without one".into())),
                }
            }
            Event::Tick => Vec::new(),
            Event::Code {
                what: CodeEvent::Sent(sent),
                ..
            } => {
                self.code.unsent = sent.err();
                Vec::new()
            }
            Event::CodeTyped(typed) => {
                if typed == CodeTyped::Failed {
                    let at_once = self.code.asked.is_none_or(|asked| now < asked.plus(SHOW_GRACE));
                    let cause = if at_once {
                        Cause::CannotAskCode
                    } else {
                        Cause::PromptLeft
                    };
                    return self.deny(cause);
                }
                if let Some(trouble) = self.code.unsent.take() {
                    return self.code_failed(trouble);
                }
                match typed {
                    CodeTyped::Typed => self.check_code(Stage::CheckingCode(method)),
                    CodeTyped::NoCode => self.deny(Cause::WrongCode),
                    CodeTyped::Nothing | CodeTyped::Failed => self.deny(Cause::NoCodeTyped),
                }
            }
            other => self.out_of_turn(&other),
        }
    }

    fn check_code(&mut self, stage: Stage) -> Vec<Effect> {
        self.stage = stage;
        self.code.leaves = None;
        let turn = self.code.next_turn();
        vec![Effect::CheckCode { turn }]
    }

    pub(super) fn code_checked(&mut self, method: MethodIndex, event: Event, now: BootTime) -> Vec<Effect> {
        match event {
            Event::Code {
                what: CodeEvent::Checked(check),
                ..
            } => match check {
                CodeCheck::Passed(passed) => self.code_passed(passed, &[method]),
                CodeCheck::Wrong { left } => {
                    self.denials += 1;
                    match left {
                        0 => self.fail(Failure::Exhausted, Cause::WrongCode),
                        _ => self.ask_code(method, self.tongue().say(WRONG), now),
                    }
                }
                CodeCheck::Trouble(trouble) => self.code_failed(trouble),
            },
            Event::Tick => Vec::new(),
            other => self.out_of_turn(&other),
        }
    }

    fn code_passed(&mut self, passed: CodePassed, profiles: &[MethodIndex]) -> Vec<Effect> {
        let by = profiles
            .iter()
            .copied()
            .find(|index| self.is_by(*index, passed.method()));
        let Some(by) = by else {
            return self.deny(Cause::Internal("a code by a method that nobody asked for".into()));
        };
        self.method = Some(by);
        self.passed.push(Passed::Code(passed));
        // It counted: the code service has forgotten the login by itself.
        self.code = Coding {
            turn: self.code.turn.wrapping_add(1),
            ..Coding::default()
        };
        self.stage = Stage::New;
        self.next_factor()
    }

    fn code_failed(&mut self, trouble: CodeTrouble) -> Vec<Effect> {
        match trouble {
            CodeTrouble::Frozen => self.deny(Cause::Frozen),
            CodeTrouble::Unreachable(why) => self.fail(Failure::Codes, Cause::CodesUnreachable(why)),
            CodeTrouble::Refused(CodeRefused::Over) | CodeTrouble::Unbelieved(Unbelieved::Late) => {
                self.fail(Failure::Exhausted, Cause::CodeTooLate)
            }
            CodeTrouble::Unbelieved(why) => self.fail(
                Failure::Codes,
                Cause::CodesUnreachable(format!("the code service's word is not believed: {why}")),
            ),
            CodeTrouble::Refused(why) => match why {
                CodeRefused::NotEnrolled | CodeRefused::Address => self.fail(Failure::NotEnrolled, Cause::NoCode(why)),
                CodeRefused::Limit | CodeRefused::Locked => self.fail(Failure::Exhausted, Cause::CodesBarred(why)),
                other => self.fail(Failure::Codes, Cause::CodesUnreachable(other.words().to_owned())),
            },
        }
    }

    fn out_of_turn(&mut self, event: &Event) -> Vec<Effect> {
        let stage = self.stage;
        self.deny(Cause::Internal(format!("{} came at stage {stage:?}", event.kind())))
    }

    // --- beside a push ---

    /// The profiles whose codes are taken while a push waits: nothing is sent for them, the factor lists them, and their
    /// policies and fallback profiles admit the user by what is known already. None where the policy that chose the push
    /// names its assurance, or a passkey is asked for.
    pub(super) fn beside(&self) -> Vec<MethodIndex> {
        let application = self.config.applications.get(self.application);
        let can_ask = !(self.facts.over_ssh && self.facts.phase == Phase::Account);
        // Who says how sure an approval must be does not mean something weaker beside it.
        let chosen = self.policy.and_then(|at| self.config.policies.get(at));
        let demands = chosen.is_some_and(|policy| policy.assurance.is_some()) || self.push.asks_for_a_passkey();
        if !can_ask || demands || self.code.spent || !application.is_some_and(|app| app.offer_codes) {
            return Vec::new();
        }
        let fits = |index: &MethodIndex| {
            let unsent = matches!(self.config.method(*index).method, Method::Code { method, .. } if !method.is_sent());
            unsent && self.admits(*index)
        };
        self.listed().iter().copied().filter(fits).collect()
    }

    fn admits(&self, index: MethodIndex) -> bool {
        let (choice, _) = policy::choose(
            &self.config,
            &[index],
            &self.circumstances(),
            &self.lookups,
            &self.recalled,
        );
        matches!(choice, Choice::Method { .. }) && self.known_by(index).is_some()
    }

    /// The person as the first of a profile's fallback profiles that knows them says, if nobody need be asked for it.
    pub(super) fn known_by(&self, index: MethodIndex) -> Option<&Person> {
        for profile in &self.config.method(index).fallback {
            match self.lookups.get(profile) {
                Some(Lookup::Found(person)) => {
                    let ours = blocked(person).is_none() && self.identity.as_ref() == Some(&person.identity);
                    return ours.then_some(person);
                }
                Some(Lookup::Unknown) => {}
                Some(Lookup::Ambiguous | Lookup::Unreachable(_)) | None => return None,
            }
        }
        None
    }

    /// Something was typed while a push waits, or after it ended.
    pub(super) fn typed_beside(&mut self, typed: CodeTyped) -> Vec<Effect> {
        self.push.prompt_ended();
        match typed {
            CodeTyped::Typed => {}
            CodeTyped::NoCode => return self.ask_beside(WRONG),
            CodeTyped::Nothing | CodeTyped::Failed => {
                return self.deny(Cause::Internal("a prompt ended in two ways".into()));
            }
        }
        self.code.in_flight = true;
        if self.code.started {
            let turn = self.code.next_turn();
            return vec![Effect::CheckCode { turn }];
        }
        let profiles = self.beside();
        let person = profiles.first().and_then(|index| self.known_by(*index)).cloned();
        match person {
            Some(person) => self.order_code(&profiles, &person),
            None => self.ask_beside(["No code is taken. ", "Kein Code gilt. ", "Kod gecmiyor. "]),
        }
    }

    /// What the code service says of a code that was typed beside a push.
    pub(super) fn code_beside(&mut self, what: CodeEvent) -> Vec<Effect> {
        let profiles = self.beside();
        match what {
            CodeEvent::Started(found) => match found.and_then(|offers| self.ready(&offers, &profiles)) {
                Ok(()) => {
                    let turn = self.code.next_turn();
                    vec![Effect::CheckCode { turn }]
                }
                Err(trouble) => self.no_code_beside(&trouble),
            },
            CodeEvent::Checked(CodeCheck::Passed(passed)) => {
                let mut effects = Vec::new();
                if self.stage == Stage::Pushing {
                    effects.push(Effect::WithdrawPush);
                }
                self.push.end();
                effects.extend(self.code_passed(passed, &profiles));
                effects
            }
            CodeEvent::Checked(CodeCheck::Wrong { left }) => {
                self.denials += 1;
                self.code.spent = left == 0;
                self.ask_beside(WRONG)
            }
            CodeEvent::Checked(CodeCheck::Trouble(trouble)) => self.no_code_beside(&trouble),
            CodeEvent::Sent(_) => self.deny(Cause::Internal("a code was sent that nobody wanted".into())),
        }
    }

    fn no_code_beside(&mut self, trouble: &CodeTrouble) -> Vec<Effect> {
        if *trouble == CodeTrouble::Frozen {
            return self.deny(Cause::Frozen);
        }
        self.code.spent = true;
        self.ask_beside(match trouble {
            CodeTrouble::Refused(CodeRefused::NotEnrolled) => {
                ["You have no code. ", "Sie haben keinen. ", "Kodunuz yok. "]
            }
            CodeTrouble::Refused(CodeRefused::Locked) => {
                ["Too many wrong codes. ", "Zu oft falsch. ", "Cok sik yanlis. "]
            }
            _ => ["No code is taken now. ", "Jetzt gilt keiner. ", "Kod gecmiyor simdi. "],
        })
    }

    /// The prompt again, behind a code that did not pass; the number stands above it on the terminal. Where the push has
    /// ended meanwhile, that is the end of it.
    fn ask_beside(&mut self, before: Said) -> Vec<Effect> {
        self.code.in_flight = false;
        if let Some((failure, cause)) = self.push.take_over() {
            return self.fail(failure, cause);
        }
        let takes_code = !self.beside().is_empty();
        let tongue = self.tongue();
        let or_code = tongue.say(if takes_code { OR_CODE } else { [""; 3] });
        let id = self.facts.login.as_str();
        let asks = tongue.say([
            "Approve on your phone, then Enter",
            "Am Telefon freigeben, dann Enter",
            "Telefonda onaylayin, sonra Enter",
        ]);
        let text = format!("{}{asks}{or_code} [{id}]: ", tongue.say(before));
        self.push.prompt_began();
        vec![Effect::Ask {
            purpose: if takes_code { Purpose::ShowOrCode } else { Purpose::Show },
            echo: true,
            text,
        }]
    }

    /// A code before the push left: none leaves.
    pub(super) fn typed_instead(&mut self, typed: CodeTyped) -> Vec<Effect> {
        self.stage = Stage::PromptOpen;
        self.push.end_with(Failure::NoAnswer, Cause::WrongCode);
        self.typed_beside(typed)
    }

    /// Whether every code that passed, and every factor that was waived, is worth what the application asks for at least.
    pub(super) fn codes_reach(&self, floor: Strength) -> bool {
        self.passed.iter().all(|passed| match passed {
            Passed::Code(code) => Strength::from(code.method()) >= floor && code.is_for(&self.facts.ctx),
            Passed::Waived => floor == Strength::Bypass && self.earlier().any(),
            // A bypass is no method that could be weak: an administrator's word, by name.
            Passed::Stack | Passed::Password(_) | Passed::Push(_) | Passed::Bypassed(..) => true,
        })
    }
}

/// The first value of an attribute that can be an address.
/// What the directory says that the person reads.
pub(super) fn said_language(language: &Language, person: &Person) -> Option<String> {
    let said = first_value(person, language.attribute.as_ref()?)?;
    language_tag(said.as_str()).map(str::to_owned)
}

fn first_value(person: &Person, name: &str) -> Option<ShortText> {
    let values = person.attributes.find(name)?;
    let mut texts = values
        .values
        .iter()
        .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    texts
        .find(|text| !text.trim().is_empty())
        .and_then(|text| ShortText::new(text.trim()))
}

/// A hint as any terminal may show it, whatever its locale: what is left out stands there as three dots.
fn plain(hint: &ShortText) -> String {
    let ascii = hint.as_str().replace('\u{2026}', "...");
    ascii.chars().filter(char::is_ascii_graphic).take(HINT).collect()
}
