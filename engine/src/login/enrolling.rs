//! The part of a login that lets a user who has no device register the first one: behind a factor that has passed, where the
//! application opens that, on a channel that can ask. It passes nothing: what comes after it is the push to the new
//! device, so that a login is only ever approved by a device's own signature. Link, code and digits never come here.

use super::event::{Cause, Effect, EnrolState, EnrolTrouble, EnrolTyped, LinkAs, Purpose};
use super::facts::Phase;
use super::{Login, Passed, Stage, Tongue};
use crate::config::{Failure, MethodIndex, Subject};
use crate::enroll::Closed;
use assent_proto::cert::DeviceOwner;
use assent_proto::time::BootTime;
use assent_proto::{Id, ShortText};
use std::time::Duration;

/// From the offer to the right digits. The rest of the login has the time that it had before.
pub const ENROLMENT_WAIT: Duration = Duration::from_secs(240);
/// Prompts for the digits: more are no person's.
const MOST_ASKED: u8 = 12;

/// What a login knows of the enrolment in it.
#[derive(Default)]
pub(super) struct Enrolling {
    /// When it was offered: once in a login.
    offered: Option<BootTime>,
    /// How long it took, once it is over.
    took: Option<Duration>,
    /// It may be open at the registrar.
    open: bool,
    /// How the link is shown.
    how: Option<LinkAs>,
    asked: u8,
    /// Tries that were left after wrong digits.
    left: Option<u8>,
    registered: Option<Id>,
}

impl Enrolling {
    /// When the login ends by itself.
    pub(super) fn deadline(&self, usual: BootTime) -> BootTime {
        match (self.offered, self.took) {
            (Some(offered), None) => offered.plus(ENROLMENT_WAIT),
            (_, took) => usual.plus(took.unwrap_or_default()),
        }
    }

    /// The cause of a login that ended by itself inside an enrolment.
    pub(super) fn late(&self) -> Option<Cause> {
        self.open.then_some(Cause::EnrolmentOver)
    }

    /// Ends what may be open.
    pub(super) fn abandon(&mut self) -> Option<Effect> {
        std::mem::take(&mut self.open).then_some(Effect::EndEnrolment)
    }

    fn ends(&mut self, now: BootTime) {
        self.took = self.offered.map(|offered| now.0.saturating_sub(offered.0));
    }
}

impl Login {
    /// Whether the user was told already that they have no device.
    pub(super) fn was_offered(&self) -> bool {
        self.enrolling.offered.is_some()
    }

    /// The device that was registered in this login.
    pub fn enrolled(&self) -> Option<Id> {
        self.enrolling.registered
    }

    /// The user has no device.
    pub(super) fn without_device(&mut self, method: MethodIndex, now: BootTime) -> Vec<Effect> {
        let application = self.config.applications.get(self.application);
        if application.is_none_or(|app| app.enroll.is_none()) {
            return self.fail(Failure::NotEnrolled, Cause::NoDevice);
        }
        let unfit = self.unfit_to_enrol();
        self.record_offer(unfit);
        if unfit.is_some() {
            return self.fail(Failure::NotEnrolled, Cause::NoDevice);
        }
        self.enrolling.offered = Some(now);
        self.stage = Stage::OfferingEnrolment(method);
        let id = self.facts.login.as_str();
        let offer = self.tongue().say([
            "\nNo phone is registered for you yet. This server lets you register one now.\n\
             Type q for a QR code (a terminal in UTF-8, 80 by 24 or more), l for a link to\n\
             open on the phone, or Enter alone to leave it",
            "\nFuer Sie ist kein Telefon registriert. Auf diesem Server geht das jetzt.\n\
             q zeigt einen QR-Code (Terminal mit UTF-8, mindestens 80 mal 24), l einen Link\n\
             zum Oeffnen am Telefon, Enter allein laesst es sein",
            "\nSizin icin kayitli telefon yok. Bu sunucuda simdi bir tane kaydedebilirsiniz.\n\
             q: QR kodu (UTF-8, en az 80x24 terminal), l: telefonda acilacak baglanti,\n\
             yalniz Enter: vazgec",
        ]);
        let text = format!("{offer} [{id}]: ");
        vec![
            // Its place among the open pushes is another's until the push leaves.
            Effect::WithdrawPush,
            Effect::Ask {
                purpose: Purpose::Enrol,
                echo: true,
                text,
            },
        ]
    }

    /// Why this login registers no device, if so.
    fn unfit_to_enrol(&self) -> Option<&'static str> {
        let facts = &self.facts;
        let application = self.config.applications.get(self.application);
        let Some(rule) = application.and_then(|app| app.enroll.as_ref()) else {
            return Some("the application does not say so");
        };
        if self.enrolling.offered.is_some() {
            return Some("it was offered before in this login");
        }
        let Some(ssh) = facts.ssh.filter(|_| facts.over_ssh && !facts.is_sudo()) else {
            return Some("the login does not come by SSH");
        };
        if facts.phase == Phase::Account {
            return Some("the account phase cannot ask");
        }
        if self.subject() != Subject::User || self.uid.is_none_or(|uid| uid == 0) {
            return Some("it is for nobody who becomes root, or another user");
        }
        if self
            .passed
            .iter()
            .any(|passed| matches!(passed, Passed::Waived | Passed::Bypassed(..)))
        {
            return Some("an earlier factor was waived");
        }
        // What an earlier PAM module made of a password is not known here: a stack that goes on after a wrong one would let
        // whoever comes register a phone.
        let key = facts.passed_in_sshd("publickey");
        let proven = |passed: &Passed| match passed {
            Passed::Stack => key,
            Passed::Password(_) | Passed::Push(_) | Passed::Code(_) => true,
            Passed::Waived | Passed::Bypassed(..) => false,
        };
        if !self.passed.iter().any(proven) {
            return Some("no password that was checked here passed, and no key");
        }
        if self.detour.to.is_some() {
            return Some("a failure led here");
        }
        rule.closed(facts.at, Some(ssh.client)).map(Closed::words)
    }

    pub(super) fn offer_answered(&mut self, method: MethodIndex, typed: EnrolTyped) -> Vec<Effect> {
        let how = match typed {
            EnrolTyped::Qr => LinkAs::Qr,
            EnrolTyped::Link => LinkAs::Text,
            EnrolTyped::Digits | EnrolTyped::Other | EnrolTyped::Nothing => {
                return self.fail(Failure::NotEnrolled, Cause::NoDevice);
            }
            EnrolTyped::Failed => return self.fail(Failure::NotEnrolled, Cause::CannotEnrol),
        };
        let Some(identity) = self.identity.clone() else {
            return self.deny(Cause::Internal("an enrolment without an identity".into()));
        };
        let user = self.facts.subject(self.subject()).to_statement();
        self.enrolling.how = Some(how);
        // From now on: an answer that was lost may have opened it.
        self.enrolling.open = true;
        self.stage = Stage::OpeningEnrolment(method);
        vec![Effect::OpenEnrolment {
            // What this login has proven, and nobody else.
            owner: DeviceOwner {
                identities: vec![identity],
                name: ShortText::cut(user),
            },
            ttl: u32::try_from(ENROLMENT_WAIT.as_secs()).unwrap_or(u32::MAX),
        }]
    }

    pub(super) fn enrolment_opened(&mut self, method: MethodIndex, opened: Result<(), EnrolTrouble>) -> Vec<Effect> {
        match opened {
            Ok(()) => self.show_enrolment(method),
            Err(trouble) => self.enrolment_failed(trouble),
        }
    }

    fn show_enrolment(&mut self, method: MethodIndex) -> Vec<Effect> {
        let how = self.enrolling.how.unwrap_or(LinkAs::Text);
        self.ask_digits(method, Effect::ShowEnrolment(how))
    }

    fn ask_digits(&mut self, method: MethodIndex, prompt: Effect) -> Vec<Effect> {
        if self.enrolling.asked >= MOST_ASKED {
            return self.deny(Cause::EnrolmentOver);
        }
        self.enrolling.asked += 1;
        self.stage = Stage::AwaitingDigits(method);
        vec![prompt]
    }

    fn ask_digits_again(&mut self, method: MethodIndex, before: &str) -> Vec<Effect> {
        let id = self.facts.login.as_str();
        let asks = self.tongue().say([
            "Its six digits (q: QR code, l: link, Enter: leave)",
            "Die sechs Ziffern (q: QR-Code, l: Link, Enter: abbrechen)",
            "Alti rakam (q: QR kodu, l: baglanti, Enter: vazgec)",
        ]);
        let text = format!("{before}\n{asks} [{id}]: ");
        self.ask_digits(
            method,
            Effect::Ask {
                purpose: Purpose::Enrol,
                echo: true,
                text,
            },
        )
    }

    pub(super) fn digits_typed(&mut self, method: MethodIndex, typed: EnrolTyped) -> Vec<Effect> {
        match typed {
            EnrolTyped::Digits => {
                self.stage = Stage::CheckingDigits(method);
                vec![Effect::ConfirmEnrolment]
            }
            EnrolTyped::Qr => {
                self.enrolling.how = Some(LinkAs::Qr);
                self.show_enrolment(method)
            }
            EnrolTyped::Link => {
                self.enrolling.how = Some(LinkAs::Text);
                self.show_enrolment(method)
            }
            EnrolTyped::Other => {
                let said = self.tongue().say([
                    "Six digits, as the phone shows them. That cost no try.",
                    "Sechs Ziffern, wie das Telefon sie zeigt. Das kostete keinen Versuch.",
                    "Telefonun gosterdigi gibi alti rakam. Bu deneme sayilmadi.",
                ]);
                self.ask_digits_again(method, said)
            }
            EnrolTyped::Nothing | EnrolTyped::Failed => self.deny(Cause::EnrolmentLeft),
        }
    }

    pub(super) fn digits_checked(
        &mut self,
        method: MethodIndex,
        state: Result<EnrolState, EnrolTrouble>,
        now: BootTime,
    ) -> Vec<Effect> {
        match state {
            Ok(EnrolState::Registered(device)) => {
                self.enrolling.open = false;
                self.enrolling.registered = Some(device);
                self.enrolling.ends(now);
                // As a login of somebody who has a device: only its approval passes.
                match self.identity.clone() {
                    Some(identity) => self.weigh(method, identity),
                    None => self.deny(Cause::Internal("an enrolment without an identity".into())),
                }
            }
            Ok(EnrolState::Waiting) => {
                let said = self.tongue().say([
                    "No phone has come yet: open the link there first.",
                    "Noch hat sich kein Telefon gemeldet: Oeffnen Sie dort zuerst den Link.",
                    "Henuz telefon gelmedi: once orada baglantiyi acin.",
                ]);
                self.ask_digits_again(method, said)
            }
            Ok(EnrolState::Wrong { left: 0 }) => self.deny(Cause::WrongDigits),
            Ok(EnrolState::Wrong { left }) => {
                self.enrolling.left = Some(left);
                let text = match self.tongue() {
                    Tongue::English => {
                        format!("These are not its digits; {left} tries left. Does it show others? Then leave.")
                    }
                    Tongue::German => {
                        format!("Das sind nicht seine Ziffern; Versuche: {left}. Zeigt es andere? Dann abbrechen.")
                    }
                    Tongue::Turkish => {
                        format!("Rakamlar bunlar degil; kalan deneme: {left}. Baskalarini mi gosteriyor? Vazgecin.")
                    }
                };
                self.ask_digits_again(method, &text)
            }
            // The registrar keeps no digits beyond the last try.
            Ok(EnrolState::Over) if self.enrolling.left == Some(1) => self.deny(Cause::WrongDigits),
            Ok(EnrolState::Over) => self.deny(Cause::EnrolmentOver),
            Err(trouble) => self.enrolment_failed(trouble),
        }
    }

    fn enrolment_failed(&mut self, trouble: EnrolTrouble) -> Vec<Effect> {
        self.deny(match trouble {
            EnrolTrouble::Unreachable(why) => Cause::GatewayUnreachable(why),
            EnrolTrouble::Refused(code, why) => Cause::EnrolmentRefused(code, why),
            EnrolTrouble::Frozen => Cause::Frozen,
            EnrolTrouble::Blocked(notice) => Cause::Suspended(notice),
        })
    }
}
