//! A first device that is registered in a login: offered under every condition at once or not at all, and never itself an
//! approval.

use crate::company::{Company, at, facts, found, identity, passed, sudo};
use crate::{Bench, any_events};
use assent_engine::directory::PasswordCheck;
use assent_engine::grants::Grants;
use assent_engine::login::enrolling::ENROLMENT_WAIT;
use assent_engine::login::facts::{Facts, Phase, SshConnection};
use assent_engine::login::{
    Admission, Cause, CodeEvent, CodeTrouble, DeviceSearch, Effect, EnrolState, EnrolTrouble, EnrolTyped, Event, Gone,
    LinkAs, NameSearch, Outcome, PasswordReply, Purpose,
};
use assent_engine::names::UserName;
use assent_engine::risk::Signals;
use assent_proto::Id;
use assent_proto::registrar::Refused;
use assent_proto::text::Outside;
use proptest::prelude::*;

const ENROLL: &str = "sshd-enroll";

fn none() -> Event {
    Event::Devices(DeviceSearch::Found(Vec::new()))
}

/// A login of the application with a password, to where its user turns out to have no device.
fn without_device(facts: Facts, uid: u32) -> Bench {
    let mut bench = Bench::begin(facts);
    let name = UserName::new(&Outside::new("alice")).unwrap();
    bench.step(Event::Resolved(NameSearch::Known(name, uid)));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(passed("alice-id", "IT")));
    bench.step(none());
    bench
}

fn offered() -> Bench {
    let bench = without_device(facts(ENROLL, Phase::Auth), 1000);
    assert!(is_offered(&bench), "{:?}", bench.login.trace());
    bench
}

fn is_offered(bench: &Bench) -> bool {
    let enrol = |effect: &Effect| {
        matches!(
            effect,
            Effect::Ask {
                purpose: Purpose::Enrol,
                echo: true,
                ..
            }
        )
    };
    bench.effects.iter().any(enrol)
}

/// To where the link is shown.
fn shown() -> Bench {
    let mut bench = offered();
    bench.step(Event::EnrolTyped(EnrolTyped::Qr));
    bench.step(Event::EnrolmentOpened(Ok(())));
    assert!(matches!(bench.effects[..], [Effect::ShowEnrolment(LinkAs::Qr)]));
    bench
}

fn withdrawn(bench: &Bench) -> bool {
    let ends: Vec<usize> = bench
        .effects
        .iter()
        .enumerate()
        .filter(|(_, effect)| matches!(effect, Effect::EndEnrolment | Effect::Finish(_)))
        .map(|(at, _)| at)
        .collect();
    // Withdrawn before the verdict goes out.
    ends.len() == 2 && matches!(bench.effects[ends[0]], Effect::EndEnrolment)
}

fn text(bench: &Bench) -> &str {
    match bench.outcome() {
        Some(Outcome::Denied { text, .. }) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_first_device_is_registered_behind_the_password_and_then_asked_like_any_other() {
    let company = Company::new();
    let mut bench = offered();
    let [Effect::WithdrawPush, Effect::Ask { text, .. }] = &bench.effects[..] else {
        panic!("{:?}", bench.login.trace());
    };
    assert!(text.is_ascii() && text.ends_with("[k7f3q2]: "), "{text}");
    assert!(text.lines().all(|line| line.len() < 80), "{text}");
    bench.step(Event::EnrolTyped(EnrolTyped::Qr));
    let [Effect::OpenEnrolment { owner, ttl }] = &bench.effects[..] else {
        panic!("{:?}", bench.login.trace());
    };
    assert_eq!(owner.identities, [identity("alice-id")]);
    assert_eq!(
        (owner.name.as_str(), u64::from(*ttl)),
        ("alice", ENROLMENT_WAIT.as_secs())
    );
    bench.step(Event::EnrolmentOpened(Ok(())));
    bench.now = at(150);
    bench.step(Event::EnrolTyped(EnrolTyped::Digits));
    assert!(matches!(bench.effects[..], [Effect::ConfirmEnrolment]));
    let device = company.device.claims().device_id;
    bench.step(Event::Enrolment(Ok(EnrolState::Registered(device))));
    assert_eq!(bench.outcome(), None, "it is no approval");
    assert!(matches!(bench.effects[..], [Effect::FindDevices(_)]));
    assert_eq!(bench.login.enrolled(), Some(device));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    let details = bench.push();
    assert_eq!(details.ttl, 60, "the time of the enrolment is not the push's");
    bench.step(Event::PushApproved(company.approve(details, at(150))));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert!(
        !bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::EndEnrolment))
    );
}

#[test]
fn an_enrolment_is_offered_under_every_condition_at_once_or_not_at_all() {
    let usual = || facts(ENROLL, Phase::Auth);
    assert!(is_offered(&without_device(usual(), 1000)));
    let refused = |bench: Bench, why: &str| {
        assert_eq!(bench.cause(), Cause::NoDevice, "{why}");
        let trace: String = bench.login.trace().iter().map(|line| line.json.to_string()).collect();
        assert!(trace.contains(why), "{why} in {trace}");
    };
    refused(without_device(usual(), 0), "becomes root");
    refused(
        without_device(facts("sshd-enroll-over", Phase::Auth), 1000),
        "last day is over",
    );
    refused(without_device(facts(ENROLL, Phase::Account), 1000), "account phase");
    let local = Facts {
        ssh: None,
        over_ssh: false,
        rhost: None,
        ..usual()
    };
    refused(without_device(local, 1000), "by SSH");
    let unreadable = Facts { ssh: None, ..usual() };
    refused(without_device(unreadable, 1000), "by SSH");
    let in_sudo = Facts {
        sudo_command: Some(Outside::new("/usr/bin/id")),
        args: sudo(&["sudo", "id"]).args,
        ..usual()
    };
    refused(without_device(in_sudo, 1000), "by SSH");
    // Another application says nothing of it.
    let other = without_device(facts("sshd", Phase::Auth), 1000);
    assert_eq!(other.cause(), Cause::NoDevice);
    let trace: String = other.login.trace().iter().map(|line| line.json.to_string()).collect();
    assert!(!trace.contains("enrolment"), "{trace}");
}

#[test]
fn where_it_is_for_named_networks_other_addresses_register_nothing() {
    let from = |address: &str| {
        let facts = Facts {
            ssh: SshConnection::parse(&Outside::new(format!("{address} 50022 198.51.100.1 22"))),
            ..facts("sshd-enroll-office", Phase::Auth)
        };
        without_device(facts, 1000)
    };
    assert!(is_offered(&from("198.51.100.9")));
    assert!(is_offered(&from("2001:db8::7")));
    let outside = from("192.0.2.7");
    assert_eq!(outside.cause(), Cause::NoDevice);
    assert_eq!(
        text(&outside),
        "No device is registered for you. Ask your administrator to enrol you. [k7f3q2]"
    );
}

#[test]
fn what_an_earlier_module_made_of_a_password_is_not_known_and_registers_nothing_but_sshds_word_on_a_key_does() {
    let with = |auth_info: Option<&str>| {
        let mut bench = Bench::resolved(Facts {
            ssh_auth_info: auth_info.map(Outside::new),
            ..facts("sshd-enroll-stack", Phase::Auth)
        });
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(none());
        bench
    };
    for unproven in [None, Some(""), Some("password\n"), Some("keyboard-interactive/pam\n")] {
        let bench = with(unproven);
        assert_eq!(bench.cause(), Cause::NoDevice);
        assert_eq!(
            text(&bench),
            "Access denied. [k7f3q2]",
            "nobody learns who has a device"
        );
    }
    let mut bench = with(Some("publickey ssh-ed25519 AAAA\n"));
    assert!(is_offered(&bench), "{:?}", bench.login.trace());
    // From the offer on it is no secret that there is none.
    bench.step(Event::EnrolTyped(EnrolTyped::Nothing));
    assert!(
        text(&bench).starts_with("No device is registered for you."),
        "{}",
        text(&bench)
    );
}

#[test]
fn behind_a_waived_or_bypassed_factor_nothing_is_registered() {
    let mut bench = Bench::resolved(facts("sshd-enroll-waived", Phase::Auth));
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    bench.step(Event::Recalled(identity("alice-id"), Ok(Signals::default())));
    bench.step(Event::Admitted(Admission::Free));
    bench.step(none());
    assert_eq!(bench.cause(), Cause::NoDevice, "{:?}", bench.login.trace());
    // A bypass of the first method, and none any more at the second.
    let mut bench = crate::grants::bypassed(facts("sshd-enroll-waived", Phase::Auth), "enroll-waived");
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    bench.step(Event::Recalled(
        identity("alice-id"),
        Ok(Signals {
            new_address: true,
            ..Signals::default()
        }),
    ));
    bench.admin = Grants::default();
    bench.step(Event::Admitted(Admission::Free));
    bench.step(none());
    assert_eq!(bench.cause(), Cause::NoDevice, "{:?}", bench.login.trace());
}

#[test]
fn what_else_the_registrar_or_the_list_says_offers_nothing() {
    let cases = [
        (DeviceSearch::Frozen, Cause::Frozen),
        (
            DeviceSearch::Unreachable("down".into()),
            Cause::GatewayUnreachable("down".into()),
        ),
        (
            DeviceSearch::RevocationsStale("old".into()),
            Cause::RevocationsStale("old".into()),
        ),
    ];
    for (found, cause) in cases {
        let mut bench = Bench::resolved(facts(ENROLL, Phase::Auth));
        bench.step(Event::Password(PasswordReply::Typed));
        bench.step(Event::Checked(passed("alice-id", "IT")));
        bench.step(Event::Devices(found));
        assert_eq!(bench.cause(), cause);
        assert!(!is_offered(&bench));
    }
}

#[test]
fn whom_no_policy_admits_or_a_block_stops_or_a_bypass_lets_in_is_offered_nothing() {
    let password = |mut bench: Bench, department: &str| {
        bench.step(Event::Password(PasswordReply::Typed));
        bench.step(Event::Checked(passed("alice-id", department)));
        bench
    };
    let sales = password(Bench::resolved(facts(ENROLL, Phase::Auth)), "Sales");
    assert_eq!(sales.cause(), Cause::NoPolicy);
    let blocked = password(crate::grants::blocked(facts(ENROLL, Phase::Auth)), "IT");
    assert!(matches!(blocked.cause(), Cause::Suspended(_)));
    let bypassed = password(crate::grants::bypassed(facts(ENROLL, Phase::Auth), "enroll"), "IT");
    assert!(matches!(bypassed.effects[..], [Effect::Admit(_)]));
}

#[test]
fn whoever_declines_goes_where_not_enrolled_leads_and_is_not_asked_again() {
    for typed in [EnrolTyped::Nothing, EnrolTyped::Other, EnrolTyped::Digits] {
        let mut bench = offered();
        bench.step(Event::EnrolTyped(typed));
        assert_eq!(bench.cause(), Cause::NoDevice);
        assert!(!withdrawn(&bench), "nothing was open");
    }
    // The first of the ways admits nobody of Sales; the second is the push, which was tried.
    let mut bench = Bench::resolved(facts("sshd-enroll-routes", Phase::Auth));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(passed("alice-id", "Sales")));
    assert!(
        matches!(bench.effects.last(), Some(Effect::StartCode(_))),
        "{:?}",
        bench.login.trace()
    );
    // What a failure led to registers nothing: an attacker could have blocked the first way.
    let turn = bench.turn;
    bench.step(Event::Code {
        turn,
        what: CodeEvent::Started(Err(CodeTrouble::Unreachable("down".into()))),
    });
    bench.step(none());
    assert!(!is_offered(&bench), "{:?}", bench.login.trace());
}

#[test]
fn a_channel_that_cannot_ask_opens_nothing() {
    let mut bench = offered();
    bench.step(Event::EnrolTyped(EnrolTyped::Failed));
    assert_eq!(bench.cause(), Cause::CannotEnrol);
    assert!(text(&bench).contains("Use keyboard-interactive."), "{}", text(&bench));
    assert!(!withdrawn(&bench));
}

#[test]
fn digits_that_are_wrong_too_early_or_none_cost_what_they_should() {
    let mut bench = shown();
    bench.step(Event::EnrolTyped(EnrolTyped::Other));
    assert!(is_offered(&bench));
    bench.step(Event::EnrolTyped(EnrolTyped::Link));
    assert!(matches!(bench.effects[..], [Effect::ShowEnrolment(LinkAs::Text)]));
    for (state, words) in [
        (EnrolState::Waiting, "No phone has come yet"),
        (EnrolState::Wrong { left: 2 }, "2 tries left"),
        (EnrolState::Wrong { left: 1 }, "1 tries left"),
    ] {
        bench.step(Event::EnrolTyped(EnrolTyped::Digits));
        bench.step(Event::Enrolment(Ok(state)));
        let asked = bench.effects.iter().any(|effect| {
            matches!(effect, Effect::Ask { text, .. } if text.contains(words) && text.lines().all(|line| line.len() < 80))
        });
        assert!(asked, "{words}: {:?}", bench.login.trace());
    }
    bench.step(Event::EnrolTyped(EnrolTyped::Digits));
    bench.step(Event::Enrolment(Ok(EnrolState::Over)));
    assert_eq!(bench.cause(), Cause::WrongDigits);
    assert!(withdrawn(&bench));
    // Over without a wrong digit: somebody else ended it.
    let mut bench = shown();
    bench.step(Event::EnrolTyped(EnrolTyped::Digits));
    bench.step(Event::Enrolment(Ok(EnrolState::Over)));
    assert_eq!(bench.cause(), Cause::EnrolmentOver);
}

#[test]
fn prompts_are_bounded() {
    let mut bench = shown();
    for asked in 1.. {
        bench.step(Event::EnrolTyped(EnrolTyped::Other));
        if bench.outcome().is_some() {
            assert_eq!(asked, 12);
            break;
        }
    }
    assert_eq!(bench.cause(), Cause::EnrolmentOver);
    assert!(withdrawn(&bench));
}

#[test]
fn whoever_leaves_or_takes_too_long_leaves_nothing_open() {
    for gone in [Gone::Module, Gone::Terminal, Gone::Client, Gone::Admin] {
        let mut bench = shown();
        bench.step(Event::Gone(gone));
        assert_eq!(bench.cause(), Cause::Gone);
        assert!(withdrawn(&bench));
    }
    for typed in [EnrolTyped::Nothing, EnrolTyped::Failed] {
        let mut bench = shown();
        bench.step(Event::EnrolTyped(typed));
        assert_eq!(bench.cause(), Cause::EnrolmentLeft);
        assert!(withdrawn(&bench));
    }
    // A login that was offered an enrolment ends a while after the offer, whatever is typed then.
    let wait = ENROLMENT_WAIT.as_secs();
    let mut bench = shown();
    assert_eq!(bench.login.wakes(), at(wait));
    bench.now = at(wait - 1);
    bench.step(Event::Tick);
    assert_eq!(bench.outcome(), None);
    bench.now = at(wait);
    bench.step(Event::EnrolTyped(EnrolTyped::Digits));
    assert_eq!(bench.cause(), Cause::EnrolmentOver);
    assert!(withdrawn(&bench));
    // Also while the registrar does not answer.
    let mut bench = offered();
    bench.step(Event::EnrolTyped(EnrolTyped::Link));
    bench.now = at(wait);
    bench.step(Event::Tick);
    assert_eq!(bench.cause(), Cause::EnrolmentOver);
    assert!(withdrawn(&bench));
}

#[test]
fn the_registrars_refusals_are_told_plainly() {
    let words = |trouble: EnrolTrouble| {
        let mut bench = offered();
        bench.step(Event::EnrolTyped(EnrolTyped::Qr));
        bench.step(Event::EnrolmentOpened(Err(trouble)));
        (bench.cause(), text(&bench).to_owned())
    };
    for (code, part) in [
        (Refused::Open, "registered for you elsewhere"),
        (Refused::HasDevice, "no other is added in a login"),
        (Refused::AdminOnly, "Ask your administrator to enrol you."),
        (Refused::TooOften, "Try again in ten minutes."),
    ] {
        let (cause, text) = words(EnrolTrouble::Refused(code, "why".into()));
        assert_eq!(cause, Cause::EnrolmentRefused(code, "why".into()));
        assert!(text.contains(part) && cause.detail() == Some("why"), "{text}");
    }
    let (cause, _) = words(EnrolTrouble::Unreachable("down".into()));
    assert_eq!(cause, Cause::GatewayUnreachable("down".into()));
    assert_eq!(words(EnrolTrouble::Frozen).0, Cause::Frozen);
}

#[test]
fn the_new_device_must_still_reach_the_level_and_its_absence_offers_nothing_more() {
    let mut bench = shown();
    bench.step(Event::EnrolTyped(EnrolTyped::Digits));
    bench.step(Event::Enrolment(Ok(EnrolState::Registered(Id::random().unwrap()))));
    bench.step(none());
    assert_eq!(bench.cause(), Cause::NoDevice);
    assert!(!withdrawn(&bench), "it is over: it came to a certificate");
}

/// What must hold of an enrolment whatever comes in whatever order.
#[derive(Default)]
struct Rules {
    open: bool,
    opened: usize,
    registered: bool,
}

impl Rules {
    /// Gives a machine an event, and looks at what it does.
    fn step(&mut self, bench: &mut Bench, event: Event) -> Result<(), TestCaseError> {
        let asked = matches!(event, Event::EnrolTyped(EnrolTyped::Qr | EnrolTyped::Link));
        let certified = matches!(event, Event::Enrolment(Ok(EnrolState::Registered(_))));
        let awaited = bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::ConfirmEnrolment));
        bench.step(event);
        if certified && awaited {
            (self.open, self.registered) = (false, true);
        }
        for effect in &bench.effects {
            match effect {
                Effect::OpenEnrolment { .. } => {
                    prop_assert!(asked, "nobody asked for it");
                    self.open = true;
                    self.opened += 1;
                }
                Effect::ShowEnrolment(_) | Effect::ConfirmEnrolment => prop_assert!(self.open),
                Effect::EndEnrolment => self.open = false,
                Effect::Push(_) | Effect::ShowNumber { .. } => prop_assert!(!self.open),
                Effect::Finish(outcome) => {
                    prop_assert!(!self.open, "left open");
                    prop_assert!(!matches!(outcome, Outcome::Approved | Outcome::ApprovedBefore));
                }
                _ => {}
            }
        }
        prop_assert!(self.opened <= 1, "once in a login");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// It is opened behind a factor that passed alone, for somebody without a device.
    #[test]
    fn an_enrolment_is_opened_behind_a_passed_factor_alone(
        codes in any_events(),
        service in 0..6usize,
        account in any::<bool>(),
    ) {
        let services = [ENROLL, "sshd-enroll-office", "sshd-enroll-over", "sshd-enroll-routes", "sshd-enroll-waived", "sshd-enroll-stack"];
        let phase = if account { Phase::Account } else { Phase::Auth };
        let mut bench = Bench::new(facts(services[service], phase));
        let (mut rules, mut password, mut nobody) = (Rules::default(), false, false);
        for code in codes {
            let event = bench.next(code);
            password |= matches!(event, Event::Checked(PasswordCheck::Passed(_)));
            nobody |= matches!(&event, Event::Devices(DeviceSearch::Found(devices)) if devices.is_empty());
            rules.step(&mut bench, event)?;
            if rules.opened > 0 {
                prop_assert!(nobody && password && phase == Phase::Auth);
                // Elsewhere the day is over, the network another, a factor waived, or nobody knows of a factor.
                prop_assert!(service == 0 || service == 3);
            }
        }
    }

    /// What is opened is certified or withdrawn before the verdict, and never itself an approval.
    #[test]
    fn an_enrolment_is_never_left_open_and_approves_nothing(codes in any_events()) {
        let (mut bench, mut rules) = (offered(), Rules::default());
        for code in codes {
            let event = bench.next(code);
            rules.step(&mut bench, event)?;
        }
        prop_assert_eq!(bench.login.enrolled().is_some(), rules.registered);
    }
}
