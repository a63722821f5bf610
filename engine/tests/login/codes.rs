//! Codes: by themselves, and beside a push that waits.

use super::Bench;
use crate::company::{Company, at, facts, identity, person, sudo, text};
use assent_engine::directory::{Lookup, Person, Syntax, Values};
use assent_engine::login::facts::{Facts, Phase};
use assent_engine::login::{
    Cause, CodeCheck, CodeEvent, CodeOrder, CodeTrouble, CodeTyped, DeviceSearch, Effect, Event, Outcome, Purpose, Show,
};
use assent_engine::names::UserName;
use assent_proto::code::{CodeMethod, CodeRefused, Offer, Unbelieved};
use assent_proto::text::Outside;
use assent_proto::verdict::Refusal;
use std::time::Duration;

pub fn ready(method: CodeMethod, hint: Option<&str>) -> Offer {
    Offer {
        method,
        refused: None,
        hint: hint.map(text),
    }
}

pub fn refused(method: CodeMethod, why: CodeRefused) -> Offer {
    Offer {
        method,
        refused: Some(why),
        hint: None,
    }
}

pub fn all_ready() -> Vec<Offer> {
    let methods = [
        CodeMethod::Mail,
        CodeMethod::Sms,
        CodeMethod::Totp,
        CodeMethod::Recovery,
    ];
    methods.into_iter().map(|method| ready(method, None)).collect()
}

pub fn alice() -> Person {
    let mut alice = person("alice-id", "IT");
    for (name, value) in [
        ("mobile", "+49 170 1234542"),
        ("telephoneNumber", "+49 30 99"),
        ("mail", "alice@example.org"),
    ] {
        let values = vec![Outside::new(value)];
        let syntax = Syntax::Text;
        alice.attributes.insert(name, Values { syntax, values });
    }
    alice
}

fn local(service: &str) -> Facts {
    Facts {
        service: Outside::new(service),
        ..sudo(&["sudo", "id"])
    }
}

/// To the point where the user is found.
pub fn found(facts: Facts) -> Bench {
    found_as(facts, alice())
}

pub fn found_as(facts: Facts, person: Person) -> Bench {
    let mut bench = Bench::begin(facts);
    let name = UserName::new(&Outside::new("alice")).unwrap();
    bench.step(Event::Resolved(super::NameSearch::Known(name, 1000)));
    bench.step(Event::LookedUp(Lookup::Found(Box::new(person))));
    bench
}

impl Bench {
    pub fn code(&mut self, what: CodeEvent) -> &mut Self {
        let turn = self.turn;
        self.step(Event::Code { turn, what })
    }

    pub fn order(&self) -> CodeOrder {
        let order = self.effects.iter().find_map(|effect| match effect {
            Effect::StartCode(order) => Some((**order).clone()),
            _ => None,
        });
        order.unwrap_or_else(|| panic!("no code service is asked; trace {:?}", self.login.trace()))
    }

    /// The prompt, and what it is for.
    pub fn asked(&self) -> (Purpose, &str) {
        let asked = self.effects.iter().find_map(|effect| match effect {
            Effect::Ask { purpose, text, .. } => Some((*purpose, text.as_str())),
            _ => None,
        });
        asked.unwrap_or_else(|| panic!("nothing is asked; trace {:?}", self.login.trace()))
    }

    /// The relay does not take the push that left last.
    pub fn push_failed(&mut self) -> &mut Self {
        let (push, why) = (self.last_push, "x".to_owned());
        self.step(Event::PushFailed { push, why })
    }

    pub fn after(&mut self, millis: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(millis));
        self
    }

    pub fn pass(&mut self, company: &Company, order: &CodeOrder, method: CodeMethod) -> &mut Self {
        let passed = company.take_code(order, self.login.facts().ctx, method, self.now);
        self.code(CodeEvent::Checked(CodeCheck::Passed(passed)))
    }
}

fn sends(bench: &Bench) -> Option<CodeMethod> {
    bench.effects.iter().find_map(|effect| match effect {
        Effect::SendCode { method, .. } => Some(*method),
        _ => None,
    })
}

#[test]
fn a_message_is_written_in_what_the_directory_says_the_person_reads() {
    assert_eq!(
        found(facts("tr-codes", Phase::Auth)).order().lang,
        text("tr"),
        "the profile's own"
    );
    let reading = |said: &str| {
        let mut alice = alice();
        let values = vec![Outside::new(said)];
        let syntax = Syntax::Text;
        alice.attributes.insert("preferredLanguage", Values { syntax, values });
        found_as(facts("tr-codes", Phase::Auth), alice).order().lang
    };
    assert_eq!(reading("de-AT, en;q=0.5"), text("de-AT"));
    assert_eq!(reading("{{code}}"), text("tr"), "no tag");
}

#[test]
fn an_sms_code_is_asked_for_before_it_is_sent_and_lets_the_login_pass() {
    let company = Company::new();
    let mut bench = found(facts("codes", Phase::Auth));
    let order = bench.order();
    assert_eq!(order.identity, identity("alice-id"));
    assert_eq!((order.methods.as_slice(), order.ttl), (&[CodeMethod::Sms][..], 90));
    assert_eq!(order.mobile, Some(text("+49 170 1234542")));
    assert_eq!(order.mail, None, "nothing travels that is not needed");
    bench.code(CodeEvent::Started(Ok(vec![ready(
        CodeMethod::Sms,
        Some("\u{2026}42\u{1b}"),
    )])));
    assert_eq!(bench.asked(), (Purpose::Code, "Code sent by SMS to ...42 [k7f3q2]: "));
    assert_eq!(sends(&bench), None, "whether it can be asked is not known yet");
    bench.after(299).step(Event::Tick);
    assert_eq!(sends(&bench), None);
    assert_eq!(bench.login.wakes(), at(0).plus(Duration::from_millis(300)));
    bench.after(1).step(Event::Tick);
    assert_eq!(sends(&bench), Some(CodeMethod::Sms));
    bench.code(CodeEvent::Sent(Ok(())));
    bench.after(20_000).step(Event::CodeTyped(CodeTyped::Typed));
    assert!(matches!(bench.effects[..], [Effect::CheckCode { .. }]));
    bench.pass(&company, &order, CodeMethod::Sms);
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert!(bench.login.passed_by_code() && !bench.login.approved_on_a_device());
    assert_eq!(bench.login.method(), Some("sms"));
}

#[test]
fn a_profile_says_which_attribute_has_the_address_and_the_directory_is_asked_for_it() {
    let config = assent_engine::config::load_str("agentd.toml", crate::company::CONFIG).unwrap();
    let profile = config.methods.iter().find(|profile| profile.name == "other-sms");
    assert_eq!(profile.unwrap().address, ["telephoneNumber"]);
    let assent_engine::config::AuthSource::Ldap(ldap) = &config.auth_profiles[0].source else {
        panic!("corp is LDAP")
    };
    for name in ["department", "mobile", "telephoneNumber", "mail"] {
        assert!(ldap.attributes.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn what_cannot_ask_for_a_code_fails_at_once_and_nothing_is_sent() {
    // sshd's password method: the prompt fails.
    for millis in [5, 299] {
        let mut bench = found(facts("codes", Phase::Auth));
        bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, None)])));
        bench.after(millis).step(Event::CodeTyped(CodeTyped::Failed));
        assert_eq!(bench.cause(), Cause::CannotAskCode);
        assert_eq!(sends(&bench), None);
    }
    // Later it was left, as by ^C.
    let mut bench = found(facts("totp", Phase::Auth));
    bench.code(CodeEvent::Started(Ok(all_ready())));
    bench.after(300).step(Event::CodeTyped(CodeTyped::Failed));
    assert_eq!(bench.cause(), Cause::PromptLeft);
    // sshd's account phase: nobody need be asked.
    let bench = found(facts("totp", Phase::Account));
    assert_eq!(bench.cause(), Cause::CannotAskCode);
    // sudo that may ask nobody.
    let bench = found(Facts {
        service: Outside::new("sudo-totp"),
        ..sudo(&["sudo", "-n", "id"])
    });
    assert_eq!(bench.cause(), Cause::NonInteractive);
}

#[test]
fn on_a_terminal_of_this_machine_a_code_is_sent_with_its_prompt() {
    let mut bench = found(local("codes"));
    bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, None)])));
    assert_eq!(bench.asked().1, "Code sent by SMS [k7f3q2]: ");
    assert_eq!(sends(&bench), Some(CodeMethod::Sms));
}

#[test]
fn a_wrong_code_is_asked_for_again_until_the_code_service_takes_no_more() {
    let mut bench = found(facts("totp", Phase::Auth));
    bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Totp, None)])));
    assert_eq!(
        bench.asked(),
        (Purpose::Code, "Code from your authenticator app [k7f3q2]: ")
    );
    for left in [2, 1] {
        bench.step(Event::CodeTyped(CodeTyped::Typed));
        bench.code(CodeEvent::Checked(CodeCheck::Wrong { left }));
        let again = "Wrong code. Code from your authenticator app [k7f3q2]: ";
        assert_eq!(bench.asked().1, again);
        assert!(again.len() <= 80);
    }
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    bench.code(CodeEvent::Checked(CodeCheck::Wrong { left: 0 }));
    assert_eq!(bench.cause(), Cause::WrongCode);
    assert!(
        matches!(bench.effects[0], Effect::EndCode),
        "the code service forgets it"
    );
}

#[test]
fn a_code_is_not_sent_a_second_time_by_a_wrong_answer() {
    let mut bench = found(local("codes"));
    bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, None)])));
    bench.code(CodeEvent::Sent(Ok(())));
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    bench.code(CodeEvent::Checked(CodeCheck::Wrong { left: 2 }));
    assert_eq!(sends(&bench), None);
    bench.after(1000).step(Event::Tick);
    assert_eq!(sends(&bench), None);
}

#[test]
fn what_is_no_code_is_denied_without_asking_anybody() {
    for (typed, cause) in [
        (CodeTyped::NoCode, Cause::WrongCode),
        (CodeTyped::Nothing, Cause::NoCodeTyped),
    ] {
        let mut bench = found(facts("totp", Phase::Auth));
        bench.code(CodeEvent::Started(Ok(all_ready())));
        bench.step(Event::CodeTyped(typed));
        assert_eq!(bench.cause(), cause);
    }
}

#[test]
fn every_trouble_of_the_code_service_denies_with_a_cause_of_its_own() {
    let trouble = [
        (CodeTrouble::Frozen, "frozen"),
        (CodeTrouble::Unreachable("x".into()), "code_service_unreachable"),
        (
            CodeTrouble::Unbelieved(Unbelieved::Signature),
            "code_service_unreachable",
        ),
        (CodeTrouble::Unbelieved(Unbelieved::Late), "code_too_late"),
        (CodeTrouble::Refused(CodeRefused::NotEnrolled), "no_code_set_up"),
        (CodeTrouble::Refused(CodeRefused::Address), "no_code_set_up"),
        (CodeTrouble::Refused(CodeRefused::Limit), "too_many_codes_sent"),
        (CodeTrouble::Refused(CodeRefused::Locked), "too_many_wrong_codes"),
        (CodeTrouble::Refused(CodeRefused::Over), "code_too_late"),
        (CodeTrouble::Refused(CodeRefused::NoMethod), "code_service_unreachable"),
        (CodeTrouble::Refused(CodeRefused::Caller), "code_service_unreachable"),
    ];
    for (trouble, cause) in trouble {
        let mut bench = found(facts("totp", Phase::Auth));
        bench.code(CodeEvent::Started(Err(trouble.clone())));
        assert_eq!(bench.cause().name(), cause, "{trouble:?} at the start");

        let mut bench = found(facts("totp", Phase::Auth));
        bench.code(CodeEvent::Started(Ok(all_ready())));
        bench.step(Event::CodeTyped(CodeTyped::Typed));
        bench.code(CodeEvent::Checked(CodeCheck::Trouble(trouble.clone())));
        assert_eq!(bench.cause().name(), cause, "{trouble:?} at the check");

        // A prompt that is open must end first.
        let mut bench = found(local("codes"));
        bench.code(CodeEvent::Started(Ok(all_ready())));
        bench.code(CodeEvent::Sent(Err(trouble.clone())));
        assert!(bench.effects.is_empty());
        bench.step(Event::CodeTyped(CodeTyped::Nothing));
        assert_eq!(bench.cause().name(), cause, "{trouble:?} at the sending");
    }
    let mut bench = found(facts("totp", Phase::Auth));
    bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, None)])));
    assert_eq!(
        bench.cause().name(),
        "code_service_unreachable",
        "another method is ready"
    );
}

#[test]
fn r3_a_code_of_another_login_does_not_count() {
    let company = Company::new();
    let mut bench = found(facts("totp", Phase::Auth));
    let order = bench.order();
    bench.code(CodeEvent::Started(Ok(all_ready())));
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    let ctx = assent_proto::sha256(&[b"another"]);
    let other = company.take_code(&order, ctx, CodeMethod::Totp, bench.now);
    bench.code(CodeEvent::Checked(CodeCheck::Passed(other)));
    assert!(matches!(bench.cause(), Cause::Internal(_)));
}

#[test]
fn what_comes_of_an_earlier_asking_counts_no_more() {
    let company = Company::new();
    let mut bench = found(facts("totp", Phase::Auth));
    let order = bench.order();
    bench.code(CodeEvent::Started(Ok(all_ready())));
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    let passed = company.take_code(&order, bench.login.facts().ctx, CodeMethod::Totp, bench.now);
    let turn = bench.turn.wrapping_sub(1);
    let what = CodeEvent::Checked(CodeCheck::Passed(passed));
    bench.step(Event::Code { turn, what });
    assert!(bench.effects.is_empty());
}

#[test]
fn r16_a_code_alone_in_sshds_auth_phase_needs_a_typed_letter_first() {
    let mut bench = Bench::resolved(facts("totp-alone", Phase::Auth));
    assert_eq!(bench.asked(), (Purpose::Go, "Type p to be asked for a code [k7f3q2]: "));
    bench.step(Event::Go(true));
    bench.step(Event::LookedUp(Lookup::Found(Box::new(alice()))));
    assert_eq!(bench.order().methods, [CodeMethod::Totp]);
}

// --- beside a push ---

fn pushing(company: &Company, facts: Facts) -> Bench {
    pushing_to(company, facts, alice())
}

fn pushing_to(company: &Company, facts: Facts, person: Person) -> Bench {
    let mut bench = found_as(facts, person);
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    bench
}

const EITHER: &str = "Approve on your phone, then Enter, or type a code [k7f3q2]: ";

#[test]
fn one_prompt_offers_a_push_and_a_code() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    assert_eq!(bench.asked(), (Purpose::ShowOrCode, EITHER));
    assert!(EITHER.len() <= 80 && EITHER.is_ascii());
    bench.after(300).step(Event::Tick);
    bench.push();
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    let order = bench.order();
    assert_eq!(
        order.methods,
        [CodeMethod::Totp, CodeMethod::Recovery],
        "nothing that would have to be sent"
    );
    bench.code(CodeEvent::Started(Ok(all_ready())));
    assert!(matches!(bench.effects[..], [Effect::CheckCode { .. }]));
    bench.pass(&company, &order, CodeMethod::Recovery);
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert!(matches!(bench.effects[0], Effect::WithdrawPush));
    assert_eq!(bench.login.method(), Some("recovery"));
}

#[test]
fn an_approval_and_enter_go_straight_on_beside_a_code() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(300).step(Event::Tick);
    let details = bench.push();
    bench.step(Event::PushApproved(company.approve(details, bench.now)));
    assert_eq!(bench.outcome(), None);
    bench.step(Event::Shown(true));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
}

#[test]
fn a_wrong_code_leaves_the_push_as_it_is() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(300).step(Event::Tick);
    let details = bench.push();
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    bench.code(CodeEvent::Started(Ok(all_ready())));
    bench.code(CodeEvent::Checked(CodeCheck::Wrong { left: 1 }));
    assert_eq!(bench.asked(), (Purpose::ShowOrCode, &*format!("Wrong code. {EITHER}")));
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    assert!(matches!(bench.effects[..], [Effect::CheckCode { .. }]), "begun once");
    bench.code(CodeEvent::Checked(CodeCheck::Wrong { left: 0 }));
    assert_eq!(
        bench.asked(),
        (
            Purpose::Show,
            "Wrong code. Approve on your phone, then Enter [k7f3q2]: "
        ),
        "no code any more"
    );
    bench.step(Event::PushApproved(company.approve(details, bench.now)));
    bench.step(Event::Shown(true));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
}

#[test]
fn an_approval_while_a_code_is_judged_passes_and_the_code_comes_too_late() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(300).step(Event::Tick);
    let details = bench.push();
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    let order = bench.order();
    bench.code(CodeEvent::Started(Ok(all_ready())));
    let turn = bench.turn;
    bench.step(Event::PushApproved(company.approve(details, bench.now)));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    let passed = company.take_code(&order, bench.login.facts().ctx, CodeMethod::Totp, bench.now);
    let what = CodeEvent::Checked(CodeCheck::Passed(passed));
    bench.step(Event::Code { turn, what });
    assert!(bench.effects.is_empty());
}

#[test]
fn a_code_that_is_being_judged_when_the_push_ends_still_counts() {
    let company = Company::new();
    for right in [true, false] {
        let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
        bench.after(300).step(Event::Tick);
        bench.step(Event::CodeTyped(CodeTyped::Typed));
        let order = bench.order();
        bench.code(CodeEvent::Started(Ok(all_ready())));
        bench.after(60_000).step(Event::Tick);
        assert!(matches!(bench.effects[..], [Effect::WithdrawPush, Effect::NoteDenial]));
        if right {
            bench.pass(&company, &order, CodeMethod::Totp);
            assert_eq!(bench.outcome(), Some(&Outcome::Approved));
        } else {
            bench.code(CodeEvent::Checked(CodeCheck::Wrong { left: 2 }));
            assert_eq!(bench.cause(), Cause::NoAnswer);
        }
    }
}

#[test]
fn a_prompt_that_outlives_its_push_still_takes_a_code() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(300).step(Event::Tick);
    bench.push_failed();
    assert_eq!(bench.outcome(), None);
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    let order = bench.order();
    bench.code(CodeEvent::Started(Ok(all_ready())));
    bench.pass(&company, &order, CodeMethod::Totp);
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));

    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(300).step(Event::Tick);
    bench.push_failed();
    bench.step(Event::Shown(true));
    assert_eq!(bench.cause(), Cause::GatewayUnreachable("x".into()));
}

#[test]
fn an_approval_that_comes_after_the_push_counts_for_nothing_whatever_prompt_is_open() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(300).step(Event::Tick);
    let details = bench.push();
    let approved = company.approve(details, bench.now);
    bench.after(60_000).step(Event::Tick);
    bench.step(Event::PushApproved(approved));
    assert!(bench.effects.is_empty());
    bench.step(Event::Shown(true));
    assert_eq!(bench.cause(), Cause::NoAnswer);
}

#[test]
fn r9_whatever_code_is_typed_a_no_on_a_device_ends_the_login() {
    let company = Company::new();
    for refusal in [Refusal::Denied, Refusal::Reported] {
        let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
        bench.after(300).step(Event::Tick);
        bench.step(Event::CodeTyped(CodeTyped::Typed));
        let order = bench.order();
        bench.code(CodeEvent::Started(Ok(all_ready())));
        bench.step(Event::PushRefused(refusal));
        assert_eq!(bench.cause(), Cause::Refused(refusal));
        bench.pass(&company, &order, CodeMethod::Totp);
        assert!(bench.effects.is_empty());
    }
}

#[test]
fn where_no_prompt_can_be_shown_a_tap_does_without_and_no_code_is_offered() {
    let company = Company::new();
    // sshd's password method.
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(5).step(Event::Shown(false));
    let details = bench.push();
    bench.step(Event::PushApproved(company.approve(details, bench.now)));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    // The account phase, and where it is switched off.
    for facts in [
        facts("sshd-beside", Phase::Account),
        facts("sshd-not-beside", Phase::Auth),
    ] {
        let bench = pushing(&company, facts);
        bench.push();
        assert!(!bench.effects.iter().any(|effect| matches!(effect, Effect::Ask { .. })));
    }
}

#[test]
fn a_number_and_a_code_share_a_prompt_and_only_whom_a_policy_admits_is_offered_it() {
    let company = Company::new();
    let shown = |bench: &Bench| {
        bench.effects.iter().find_map(|effect| match effect {
            Effect::ShowNumber {
                how, after, takes_code, ..
            } => Some((*how, after.clone(), *takes_code)),
            _ => None,
        })
    };
    let after = " on your phone, then Enter, or type a code [k7f3q2]: ".to_owned();
    let bench = pushing(&company, facts("sshd-number-beside", Phase::Auth));
    assert_eq!(shown(&bench), Some((Show::Prompt, after.clone(), true)));
    // On this machine's terminal the push leaves with it.
    let bench = pushing(&company, local("sudo-number-beside"));
    assert_eq!(shown(&bench), Some((Show::Prompt, after, true)));
    bench.push();
    // Another policy admits Sales to the push, and none to a code.
    let bench = pushing_to(
        &company,
        facts("sshd-number-beside", Phase::Auth),
        person("sally-id", "Sales"),
    );
    bench.push();
    assert!(!format!("{:?}", bench.login.trace()).contains("or type a code"));
}

/// Whoever asks for a number by name, as for logins from abroad, does not mean a code as well.
#[test]
fn where_a_policy_names_the_assurance_no_code_is_offered_beside_the_push() {
    let company = Company::new();
    for (person, offered) in [(alice(), false), (person("alice-id", "Sales"), true)] {
        let bench = pushing_to(&company, facts("sshd-raised", Phase::Auth), person);
        let takes_code = bench.effects.iter().any(|effect| match effect {
            Effect::ShowNumber { takes_code, .. } => *takes_code,
            Effect::Ask { purpose, .. } => *purpose == Purpose::ShowOrCode,
            _ => false,
        });
        assert_eq!(takes_code, offered, "{:?}", bench.login.trace());
    }
}

#[test]
fn a_code_typed_before_the_push_leaves_keeps_it_from_leaving() {
    let company = Company::new();
    let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
    bench.after(100).step(Event::CodeTyped(CodeTyped::Typed));
    let order = bench.order();
    bench.after(500).step(Event::Tick);
    assert_eq!(bench.pushes, 0);
    bench.code(CodeEvent::Started(Ok(all_ready())));
    bench.pass(&company, &order, CodeMethod::Totp);
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert_eq!(bench.pushes, 0);
}

#[test]
fn where_the_code_service_has_no_code_the_push_goes_on() {
    let company = Company::new();
    for (found, says) in [
        (Err(CodeTrouble::Unreachable("x".into())), "No code is taken now. "),
        (
            Ok(vec![
                refused(CodeMethod::Totp, CodeRefused::NotEnrolled),
                refused(CodeMethod::Recovery, CodeRefused::NotEnrolled),
            ]),
            "You have no code. ",
        ),
    ] {
        let mut bench = pushing(&company, facts("sshd-beside", Phase::Auth));
        bench.after(300).step(Event::Tick);
        let details = bench.push();
        bench.step(Event::CodeTyped(CodeTyped::Typed));
        bench.code(CodeEvent::Started(found));
        let (purpose, prompt) = bench.asked();
        assert_eq!(purpose, Purpose::Show);
        assert!(prompt.starts_with(says) && prompt.len() <= 80, "{prompt}");
        bench.step(Event::PushApproved(company.approve(details, bench.now)));
        bench.step(Event::Shown(true));
        assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    }
}
