//! How sure an approval must be, and the number on the terminal.

use super::Bench;
use crate::company::{Company, at, facts, found, sudo};
use assent_engine::ledger::Barred;
use assent_engine::login::facts::{Facts, Phase, SshConnection};
use assent_engine::login::{Cause, DeviceSearch, Effect, Event, Outcome, Purpose, Show, Standing};
use assent_proto::cert::Level;
use assent_proto::request::Novelty;
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::verdict::Refusal;
use std::time::Duration;

fn known() -> Standing {
    Standing {
        known_source: true,
        ..Standing::default()
    }
}

fn in_a_session() -> Standing {
    Standing {
        approved_session: true,
        ..Standing::default()
    }
}

/// To the point where the devices are known.
fn with_devices(company: &Company, facts: Facts, standing: Standing) -> Bench {
    let mut bench = Bench::begin(facts);
    bench.standing = standing;
    let name = super::UserName::new(&Outside::new("alice")).unwrap();
    bench.step(Event::Resolved(super::NameSearch::Known(name, 1000)));
    if matches!(bench.effects[..], [Effect::Ask { .. }]) {
        bench.step(Event::Go(true));
    }
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    bench
}

fn shown(bench: &Bench) -> Option<(Show, u8, String)> {
    bench.effects.iter().find_map(|effect| match effect {
        Effect::ShowNumber {
            how,
            digits,
            before,
            after,
            takes_code: false,
        } => Some((*how, *digits, format!("{before}#{after}"))),
        _ => None,
    })
}

fn after(bench: &mut Bench, millis: u64) {
    bench.now = bench.now.plus(Duration::from_millis(millis));
}

#[test]
fn an_ssh_login_from_a_new_address_shows_three_digits_in_a_prompt_before_any_push() {
    let company = Company::new();
    let mut bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), Standing::default());
    let (how, digits, text) = shown(&bench).unwrap();
    assert_eq!((how, digits), (Show::Prompt, 3));
    assert_eq!(text, "Approve # on your phone, then Enter [k7f3q2]: ");
    assert_eq!(bench.pushes, 0);
    // Nothing failed within the grace: the channel can show it.
    assert_eq!(bench.login.wakes(), at(0).plus(Duration::from_millis(300)));
    after(&mut bench, 299);
    bench.step(Event::Tick);
    assert_eq!(bench.pushes, 0);
    after(&mut bench, 1);
    bench.step(Event::Tick);
    let details = bench.push();
    assert_eq!((details.level, details.digits), (Level::Number, 3));
    assert_eq!(details.src.clone().unwrap().new, Some(Novelty::Address));
    bench.step(Event::PushSent(bench.number()));
    bench.step(Event::PushApproved(company.approve_with(
        details,
        Some("482"),
        bench.now,
    )));
    assert_eq!(bench.outcome(), None, "the module is still in the prompt");
    assert!(matches!(bench.effects[..], [Effect::WithdrawPush]));
    bench.step(Event::Shown(true));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
}

#[test]
fn enter_before_the_approval_changes_nothing() {
    let company = Company::new();
    for early in [true, false] {
        let mut bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), Standing::default());
        if !early {
            after(&mut bench, 300);
            bench.step(Event::Tick);
        }
        bench.step(Event::Shown(true));
        assert_eq!(bench.outcome(), None);
        assert_eq!(bench.pushes, 1);
        let details = bench.login.trace().last().map(|line| line.json.get().to_owned());
        assert!(details.is_some());
        bench.step(Event::Tick);
        assert_eq!(bench.outcome(), None);
        bench.step(Event::PushRefused(Refusal::Denied));
        assert_eq!(bench.cause(), Cause::Refused(Refusal::Denied));
    }
}

#[test]
fn where_no_prompt_can_be_shown_no_push_leaves_and_the_line_says_what_to_do() {
    let company = Company::new();
    for phase in [Phase::Auth, Phase::Account] {
        let mut bench = with_devices(&company, facts("sshd-adaptive", phase), Standing::default());
        after(&mut bench, 20);
        bench.step(Event::Shown(false));
        assert_eq!(bench.cause(), Cause::CannotShow);
        assert_eq!(bench.pushes, 0);
        let Some(Outcome::Denied { text, .. }) = bench.outcome() else {
            panic!("not denied")
        };
        assert!(
            text.contains("keyboard-interactive") && text.ends_with("[k7f3q2]"),
            "{text}"
        );
    }
}

#[test]
fn a_prompt_that_is_left_while_the_push_waits_denies_and_withdraws_it() {
    let company = Company::new();
    let mut bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), Standing::default());
    after(&mut bench, 400);
    bench.step(Event::Tick);
    bench.step(Event::Shown(false));
    assert_eq!(bench.cause(), Cause::PromptLeft);
    assert!(matches!(bench.effects[0], Effect::WithdrawPush));

    // Approved, and then the prompt is left: no success without the person at the terminal.
    let mut bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), Standing::default());
    after(&mut bench, 400);
    bench.step(Event::Tick);
    let details = bench.push();
    bench.step(Event::PushApproved(company.approve_with(
        details,
        Some("482"),
        bench.now,
    )));
    bench.step(Event::Shown(false));
    assert_eq!(bench.cause(), Cause::PromptLeft);
}

#[test]
fn a_known_address_after_an_earlier_factor_and_a_known_network_ask_for_a_tap() {
    let company = Company::new();
    let bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), known());
    assert_eq!(bench.push().level, Level::Tap);
    assert_eq!(bench.push().src.unwrap().new, None);
    let office = Facts {
        ssh: SshConnection::parse(&Outside::new("198.51.100.9 50022 198.51.100.1 22")),
        ..facts("sshd-adaptive", Phase::Auth)
    };
    let bench = with_devices(&company, office, Standing::default());
    let source = bench.push().src.unwrap();
    assert_eq!(bench.push().level, Level::Tap);
    assert_eq!(source.network.unwrap().as_str(), "office");
    assert_eq!(source.new, None);
}

#[test]
fn without_an_earlier_factor_a_known_address_is_not_enough() {
    let company = Company::new();
    let bench = with_devices(&company, facts("sshd-adaptive-alone", Phase::Auth), known());
    assert_eq!(shown(&bench).unwrap().1, 3);
    // And an approved session counts for sudo alone.
    let bench = with_devices(&company, facts("sshd-adaptive-alone", Phase::Auth), in_a_session());
    assert_eq!(shown(&bench).unwrap().1, 3);
}

fn sudo_i(args: &[&str]) -> Facts {
    Facts {
        service: Outside::new("sudo-i"),
        ..sudo(args)
    }
}

#[test]
fn sudo_in_an_approved_session_is_a_tap_and_outside_it_a_number_in_a_line() {
    let company = Company::new();
    let bench = with_devices(&company, sudo_i(&["sudo", "id"]), in_a_session());
    assert_eq!(bench.push().level, Level::Tap);
    let bench = with_devices(&company, sudo_i(&["sudo", "id"]), Standing::default());
    let (how, digits, text) = shown(&bench).unwrap();
    assert_eq!((how, digits), (Show::Line, 3));
    assert_eq!(text, "Approve # on your phone [k7f3q2]");
    assert!(
        matches!(bench.effects[..], [Effect::ShowNumber { .. }, Effect::Push(_)]),
        "shown first"
    );
}

/// Somebody who once approved a sudo is not known on the machine itself: a foothold there gets a number, not a tap.
#[test]
fn what_was_approved_on_this_machine_makes_no_known_address() {
    let company = Company::new();
    let local = Facts {
        ssh: None,
        over_ssh: false,
        rhost: None,
        ..facts("sshd-adaptive", Phase::Auth)
    };
    let bench = with_devices(&company, local, known());
    assert_eq!(bench.push().level, Level::Number);
}

#[test]
fn a_command_that_a_phone_cannot_show_whole_raises_a_tap_to_a_number() {
    let company = Company::new();
    let long = "x".repeat(9000);
    let many: Vec<&str> = std::iter::once("sudo").chain(std::iter::repeat_n("a", 70)).collect();
    let cut = Facts {
        args_cut: true,
        ..sudo(&["sudo", "id"])
    };
    for facts in [cut, sudo(&["sudo", "echo", &long]), sudo(&many)] {
        let bench = with_devices(&company, facts, in_a_session());
        let details = bench.push();
        assert_eq!((details.level, details.digits), (Level::Number, 3));
        assert!(details.cmd.unwrap().truncated);
    }
}

#[test]
fn r5_nist_has_six_digits_and_a_policy_and_the_floor_change_the_level_by_name() {
    let company = Company::new();
    let bench = with_devices(&company, facts("sshd-nist", Phase::Auth), known());
    assert_eq!(shown(&bench).unwrap().1, 6);
    let department = |service: &str| {
        let mut bench = Bench::resolved(facts(service, Phase::Auth));
        bench.step(Event::LookedUp(found("alice-id", "Sales")));
        bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
        bench
    };
    assert_eq!(department("sshd-nist").push().level, Level::Tap, "the policy says so");
    assert_eq!(
        shown(&department("sshd-nist-floor")).unwrap().1,
        6,
        "and the floor does not"
    );
}

#[test]
fn ssh_prompt_enter_asks_beside_a_tap_and_denies_where_nothing_can_be_asked() {
    let company = Company::new();
    let open = || {
        let mut bench = Bench::resolved(facts("sshd-enter", Phase::Auth));
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
        bench
    };
    let mut bench = open();
    assert!(
        matches!(&bench.effects[..], [Effect::Ask { purpose: Purpose::Show, echo: true, text }] if text == "Approve on your phone, then Enter [k7f3q2]: ")
    );
    bench.step(Event::Shown(false));
    assert_eq!((bench.cause(), bench.pushes), (Cause::CannotShow, 0));
    let mut bench = open();
    after(&mut bench, 300);
    bench.step(Event::Tick);
    assert_eq!(bench.push().level, Level::Tap);
}

#[test]
fn r6_r7_r87_whoever_is_barred_gets_no_push_and_no_device_is_looked_for() {
    let until = UnixTime(1_795_000_600);
    for barred in [
        Barred::Source { until },
        Barred::Strangers { until },
        Barred::WrongNumbers { until },
    ] {
        let mut bench = Bench::begin(facts("sshd-adaptive", Phase::Auth));
        bench.standing.barred = Some(barred);
        let name = super::UserName::new(&Outside::new("alice")).unwrap();
        bench.step(Event::Resolved(super::NameSearch::Known(name, 1000)));
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        assert_eq!(bench.cause(), Cause::Barred(barred));
        assert_eq!(bench.pushes, 0);
    }
}

#[test]
fn r4_no_number_stands_in_a_trace_and_the_level_stands_there_with_its_reason() {
    let company = Company::new();
    let mut bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), Standing::default());
    after(&mut bench, 400);
    bench.step(Event::Tick);
    let details = bench.push();
    bench.step(Event::PushApproved(company.approve_with(
        details,
        Some("482"),
        bench.now,
    )));
    let trace: Vec<String> = bench
        .login
        .trace()
        .iter()
        .map(|line| line.json.get().to_owned())
        .collect();
    assert!(trace.iter().any(|line| line.contains("show_number")));
    let why = "from an address that this user has not approved before";
    assert!(
        trace
            .iter()
            .any(|line| line.contains("\"level\":\"number\"") && line.contains(why)),
        "{trace:#?}"
    );
}

#[test]
fn a_push_gets_the_life_that_is_left_when_it_leaves() {
    let company = Company::new();
    let mut bench = with_devices(&company, facts("sshd-adaptive", Phase::Auth), Standing::default());
    after(&mut bench, 90_000);
    bench.step(Event::Tick);
    assert_eq!(bench.push().ttl, 10);
    after(&mut bench, 10_000);
    bench.step(Event::Tick);
    assert_eq!(bench.cause(), Cause::Deadline);
}
