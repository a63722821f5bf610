//! MISSION row 18: a bypass takes the place of a method's factor and of no other; a block goes before everything.

use crate::company::{Company, facts, found, identity, passed, sudo};
use crate::{Bench, any_events};
use assent_engine::directory::{Lookup, PasswordCheck};
use assent_engine::grants::{Grant, Grants, Kind, Now};
use assent_engine::login::facts::{Facts, Phase};
use assent_engine::login::{Admission, Cause, DeviceSearch, Effect, Event, NameSearch, Outcome, PasswordReply, Tone};
use assent_engine::names::UserName;
use assent_proto::text::Outside;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Id, ShortText};
use proptest::prelude::*;
use std::time::Duration;

const REASON: &str = "téléphone perdu";

pub fn now() -> Now {
    Now {
        wall: UnixTime(50_000),
        since_boot: BootTime(Duration::from_secs(1000)),
        boot: ShortText::cut("one".into()),
    }
}

fn grant(kind: Kind, who: &str, application: &str) -> Grant {
    Grant {
        id: Id::random().unwrap(),
        kind,
        identity: identity(who),
        user: ShortText::cut("alice".into()),
        applications: vec![application.to_owned()],
        from: now().wall,
        seconds: Some(1800),
        reason: REASON.into(),
        by: ShortText::cut("root".into()),
        boot: now().boot,
        since_boot: 1000,
    }
}

/// A login whose user has this grant, to where the name is known.
fn granted(facts: Facts, grant: Grant) -> Bench {
    let mut bench = Bench::new(facts);
    bench.admin.add(grant).unwrap();
    bench.step(Event::Begin);
    let name = UserName::new(&Outside::new("alice")).unwrap();
    bench.step(Event::Resolved(NameSearch::Known(name, 1000)));
    bench
}

/// A login whose user has a bypass in this application, to where the name is known.
pub fn bypassed(facts: Facts, application: &str) -> Bench {
    granted(facts, grant(Kind::Bypass, "alice-id", application))
}

/// A login whose user is blocked, to where the name is known.
pub fn blocked(facts: Facts) -> Bench {
    let block = Grant {
        applications: Vec::new(),
        seconds: None,
        ..grant(Kind::Block, "alice-id", "")
    };
    granted(facts, block)
}

/// The same, to where the method is chosen.
fn chosen(facts: Facts, grant: Grant) -> Bench {
    let mut bench = granted(facts, grant);
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    bench
}

fn told(bench: &Bench) -> &str {
    let text = bench.effects.iter().find_map(|effect| match effect {
        Effect::Tell { tone: Tone::Info, text } => Some(text.as_str()),
        _ => None,
    });
    text.unwrap()
}

#[test]
fn mission_row_18_a_bypass_passes_behind_an_earlier_factor_and_says_so() {
    let mut bench = chosen(
        facts("sshd-keys", Phase::Account),
        grant(Kind::Bypass, "alice-id", "keys"),
    );
    assert!(matches!(&bench.effects[..], [Effect::Admit(who)] if *who == identity("alice-id")));
    bench.step(Event::Admitted(Admission::Free));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert_eq!(
        told(&bench),
        "Second factor waived for 30 more min by root: t?l?phone perdu [k7f3q2]"
    );
    let notice = bench.login.bypassed_by().unwrap();
    assert_eq!((notice.reason.as_str(), notice.by.as_str()), (REASON, "root"));
    assert_eq!((bench.login.method(), bench.pushes), (None, 0));
    assert!(!bench.login.approved_on_a_device());
    // The same behind a typed password.
    let mut bench = granted(facts("sshd", Phase::Auth), grant(Kind::Bypass, "alice-id", "ssh"));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(passed("alice-id", "IT")));
    assert!(
        matches!(&bench.effects[..], [Effect::Admit(_)]),
        "{:?}",
        bench.login.trace()
    );
    bench.step(Event::Admitted(Admission::Free));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
}

#[test]
fn mission_row_18_where_nothing_was_proven_before_a_bypass_asks_for_the_password_first() {
    let begun = || {
        let mut bench = chosen(sudo(&["sudo", "id"]), grant(Kind::Bypass, "alice-id", "sudo"));
        assert!(
            matches!(&bench.effects[..], [Effect::AskPassword { .. }]),
            "{:?}",
            bench.login.trace()
        );
        bench.step(Event::Password(PasswordReply::Typed));
        assert!(matches!(&bench.effects[..], [Effect::CheckPassword { .. }]));
        bench
    };
    let mut right = begun();
    right.step(Event::Checked(passed("alice-id", "IT")));
    assert!(matches!(&right.effects[..], [Effect::Admit(_)]));
    right.step(Event::Admitted(Admission::Free));
    assert_eq!(right.outcome(), Some(&Outcome::Approved));
    for (check, cause) in [
        (PasswordCheck::Wrong, Cause::WrongPassword),
        (passed("bob-id", "IT"), Cause::IdentityConflict),
    ] {
        let mut wrong = begun();
        wrong.step(Event::Checked(check));
        assert_eq!(wrong.cause(), cause);
    }
    let mut none = chosen(sudo(&["sudo", "id"]), grant(Kind::Bypass, "alice-id", "sudo"));
    none.step(Event::Password(PasswordReply::Empty));
    assert_eq!(none.cause(), Cause::NoPassword);
}

#[test]
fn mission_row_18_a_bypass_is_for_its_person_and_application_and_for_no_strict_one() {
    for (service, application, who) in [
        ("sshd-keys", "ssh", "alice-id"),
        ("sshd-keys", "keys", "bob-id"),
        ("sshd-strict", "strict", "alice-id"),
    ] {
        let bench = chosen(facts(service, Phase::Account), grant(Kind::Bypass, who, application));
        assert!(
            matches!(&bench.effects[..], [Effect::FindDevices(_)]),
            "{service} {application} {who}"
        );
    }
    let mut over = grant(Kind::Bypass, "alice-id", "keys");
    over.since_boot = 0;
    over.seconds = Some(1000);
    let bench = chosen(facts("sshd-keys", Phase::Account), over);
    assert!(matches!(&bench.effects[..], [Effect::FindDevices(_)]));
}

#[test]
fn mission_row_18_not_me_goes_before_a_bypass_and_an_outage_does_not() {
    for (admission, passes) in [
        (Admission::Frozen, false),
        (Admission::Unknown("the gateway is away".into()), true),
    ] {
        let mut bench = chosen(
            facts("sshd-keys", Phase::Account),
            grant(Kind::Bypass, "alice-id", "keys"),
        );
        bench.step(Event::Admitted(admission));
        match passes {
            true => assert_eq!(bench.outcome(), Some(&Outcome::Approved)),
            false => assert_eq!(bench.cause(), Cause::Frozen),
        }
    }
}

#[test]
fn mission_row_18_of_two_methods_each_is_bypassed_by_itself() {
    let mut bench = chosen(facts("twice", Phase::Account), grant(Kind::Bypass, "alice-id", "twice"));
    bench.step(Event::Admitted(Admission::Free));
    assert_eq!(bench.outcome(), None);
    // The second method's own profiles, in order.
    bench.step(Event::LookedUp(Lookup::Unknown));
    assert!(
        matches!(bench.effects.last(), Some(Effect::Admit(_))),
        "{:?}",
        bench.login.trace()
    );
    bench.step(Event::Admitted(Admission::Free));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
}

#[test]
fn mission_row_18_a_block_denies_before_anything_is_sent_and_tells_why_to_whom_proved_something() {
    let text = |bench: &Bench| match bench.outcome() {
        Some(Outcome::Denied {
            cause: Cause::Suspended(_),
            text,
        }) => text.clone(),
        other => panic!("{other:?}"),
    };
    let block = || Grant {
        applications: Vec::new(),
        seconds: None,
        ..grant(Kind::Block, "alice-id", "")
    };
    let mut typed = granted(facts("sshd", Phase::Auth), block());
    typed.step(Event::Password(PasswordReply::Typed));
    typed.step(Event::Checked(passed("alice-id", "IT")));
    assert_eq!(
        text(&typed),
        "An administrator has blocked you: t?l?phone perdu [k7f3q2]"
    );
    // Also where no method follows.
    let mut password = granted(facts("sshd-password", Phase::Auth), block());
    password.step(Event::Password(PasswordReply::Typed));
    password.step(Event::Checked(passed("alice-id", "IT")));
    assert!(matches!(password.cause(), Cause::Suspended(_)));
    let mut alone = granted(facts("sshd-alone", Phase::Auth), block());
    alone.step(Event::Go(true));
    alone.step(Event::LookedUp(found("alice-id", "IT")));
    assert_eq!(text(&alone), "Access denied. [k7f3q2]");
    assert_eq!((typed.pushes, alone.pushes), (0, 0));
}

#[test]
fn a_bypassed_factor_tells_whoever_typed_nothing_no_more_than_before() {
    let text = |grant: Grant| {
        let mut bench = chosen(facts("twice", Phase::Auth), grant);
        bench.admin = Grants::default();
        bench.step(Event::Admitted(Admission::Free));
        bench.step(Event::LookedUp(Lookup::Unknown));
        bench.step(Event::Devices(DeviceSearch::Found(Vec::new())));
        match bench.outcome() {
            Some(Outcome::Denied { cause, text }) => (cause.clone(), text.clone()),
            other => panic!("{other:?}"),
        }
    };
    let (cause, text) = text(grant(Kind::Bypass, "alice-id", "twice"));
    assert_eq!((cause, text.as_str()), (Cause::NoDevice, "Access denied. [k7f3q2]"));
}

#[test]
fn a_password_that_was_shown_to_no_directory_is_denied_in_the_words_of_a_wrong_one() {
    let denied = |event: Event| {
        let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
        bench.step(Event::Password(PasswordReply::Typed));
        bench.step(event);
        match bench.outcome() {
            Some(Outcome::Denied { cause, text }) => (cause.name(), text.clone()),
            other => panic!("{other:?}"),
        }
    };
    let (barred, barred_text) = denied(Event::NotChecked(UnixTime(60_000)));
    let (wrong, wrong_text) = denied(Event::Checked(PasswordCheck::Wrong));
    assert_eq!((barred, wrong), ("too_many_wrong_passwords", "wrong_password"));
    assert_eq!(barred_text, wrong_text);
}

#[test]
fn a_bypassed_factor_counts_as_nothing_for_a_later_push() {
    // The first of two methods is bypassed; meanwhile the bypass ended.
    let company = Company::new();
    let mut bench = chosen(facts("twice", Phase::Account), grant(Kind::Bypass, "alice-id", "twice"));
    bench.admin = Grants::default();
    bench.step(Event::Admitted(Admission::Free));
    bench.step(Event::LookedUp(Lookup::Unknown));
    assert!(
        matches!(bench.effects.last(), Some(Effect::FindDevices(_))),
        "{:?}",
        bench.login.trace()
    );
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    let details = bench.push();
    let passed: Vec<&str> = details.first.iter().map(ShortText::as_str).collect();
    assert_eq!(
        passed,
        ["key or password accepted by sshd", "waived by an administrator"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// R32 with a bypass: no order of events passes without an earlier factor or a password, nor a frozen user.
    #[test]
    fn mission_row_18_no_order_of_events_passes_by_a_bypass_alone(
        codes in any_events(),
        service in 0..4usize,
    ) {
        let (service, application) = [("sshd-keys", "keys"), ("sshd-alone", "alone"), ("sshd", "ssh"), ("sshd-strict", "strict")][service];
        let phase = if service == "sshd" { Phase::Auth } else { Phase::Account };
        let mut bench = Bench::new(facts(service, phase));
        bench.admin.add(grant(Kind::Bypass, "alice-id", application)).unwrap();
        let (mut password, mut admitted) = (false, false);
        for code in codes {
            let event = bench.next(code);
            password |= matches!(event, Event::Checked(PasswordCheck::Passed(_)));
            admitted |= matches!(event, Event::Admitted(Admission::Free | Admission::Unknown(_)));
            bench.step(event);
            if let Some(Outcome::Approved) = bench.outcome() {
                prop_assert!(admitted && bench.login.bypassed_by().is_some() && application != "strict");
                prop_assert!(password || application == "keys");
            }
        }
    }

    #[test]
    fn mission_row_18_no_order_of_events_lets_a_blocked_user_pass(
        codes in any_events(),
        service in 0..3usize,
    ) {
        let service = ["sshd-risk", "sshd", "sshd-alone"][service];
        let mut bench = Bench::new(facts(service, Phase::Account));
        let everywhere = Grant { applications: Vec::new(), ..grant(Kind::Block, "alice-id", "") };
        bench.admin.add(everywhere).unwrap();
        for code in codes {
            bench.step(bench.next(code));
            prop_assert!(!matches!(bench.outcome(), Some(Outcome::Approved)) && bench.pushes == 0);
        }
    }
}
