//! MISSION row 19: what is remembered, asked where a policy looks at it and nowhere else; denials by policy; waivers.

use crate::company::{Company, facts, found, identity};
use crate::{Bench, any_events};
use assent_engine::directory::{Account, Lookup};
use assent_engine::login::facts::{Facts, Phase};
use assent_engine::login::{Admission, Cause, DeviceSearch, Effect, Event, Gone, Outcome};
use assent_engine::risk::Signals;
use assent_proto::cert::Level;
use assent_proto::verdict::Refusal;
use proptest::prelude::*;

fn known() -> Signals {
    Signals::default()
}

fn new() -> Signals {
    Signals {
        new_address: true,
        ..Signals::default()
    }
}

/// To the point where the policies have been told what is remembered.
fn recalled(service: &str, signals: Signals) -> Bench {
    let mut bench = Bench::resolved(facts(service, Phase::Account));
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    assert!(matches!(&bench.effects[..], [Effect::Recall(who)] if *who == identity("alice-id")));
    bench.step(Event::Recalled(identity("alice-id"), Ok(signals)));
    bench
}

fn notes(bench: &Bench) -> usize {
    let notes = bench.effects.iter().filter(|e| matches!(e, Effect::NoteDenial));
    notes.count()
}

#[test]
fn mission_row_19_a_new_address_raises_to_a_number() {
    let company = Company::new();
    let mut bench = recalled("sshd-risk", new());
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    let prompt = bench.effects.iter().any(|e| matches!(e, Effect::ShowNumber { .. }));
    assert!(prompt, "{:?}", bench.login.trace());
    assert_eq!(bench.login.method(), Some("risk-push"));
}

#[test]
fn mission_row_19_denials_deny_by_policy_before_anything_is_waived_or_asked() {
    for (denials, denied) in [(vec![1, 2, 3], true), (vec![1, 2], false), (vec![1, 2, 1800], false)] {
        let bench = recalled("sshd-risk", Signals { denials, ..known() });
        match denied {
            true => assert!(matches!(bench.cause(), Cause::PolicyDenies(_))),
            false => assert!(matches!(&bench.effects[..], [Effect::Admit(_)])),
        }
        assert_eq!(bench.pushes, 0);
    }
}

#[test]
fn what_could_not_be_remembered_denies_or_goes_where_the_directorys_failure_leads() {
    for (service, leads) in [("sshd-risk-floor", false), ("sshd-risk", true)] {
        let mut bench = Bench::resolved(facts(service, Phase::Auth));
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(Event::Recalled(identity("alice-id"), Err("the disk".into())));
        match leads {
            true => assert!(matches!(&bench.effects[..], [Effect::StartCode(_)])),
            false => assert!(matches!(bench.cause(), Cause::CannotTell(_))),
        }
        assert_eq!(bench.pushes, 0);
    }
}

#[test]
fn nothing_is_recalled_where_no_policy_of_the_factor_looks_at_it() {
    let mut bench = Bench::resolved(facts("sshd-keys", Phase::Account));
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    assert!(matches!(&bench.effects[..], [Effect::FindDevices(_)]));
}

#[test]
fn mission_row_19_a_waiver_passes_with_the_floor_an_earlier_factor_and_nobody_frozen() {
    let mut bench = recalled("sshd-risk", known());
    assert!(matches!(&bench.effects[..], [Effect::Admit(who)] if *who == identity("alice-id")));
    bench.step(Event::Admitted(Admission::Free));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert!(
        bench
            .login
            .waived_by()
            .is_some_and(|place| place.starts_with("agentd.toml:"))
    );
    assert_eq!((bench.login.method(), bench.pushes), (None, 0));
    for (admission, expected) in [
        (Admission::Frozen, Cause::Frozen),
        (Admission::Unknown("x".into()), Cause::RevocationsStale("x".into())),
    ] {
        let mut bench = recalled("sshd-risk", known());
        bench.step(Event::Admitted(admission));
        assert_eq!(bench.cause(), expected);
    }
}

#[test]
fn mission_row_19_a_waiver_counts_neither_below_the_floor_nor_without_an_earlier_factor() {
    // Of the three policies none is left.
    assert_eq!(recalled("sshd-risk-floor", known()).cause(), Cause::NoPolicy);
    assert_eq!(recalled("sshd-risk-alone", known()).cause(), Cause::NoPolicy);
}

#[test]
fn a_waiver_is_for_whoever_may_log_in_at_all() {
    let mut person = crate::company::person("alice-id", "IT");
    person.account = Account::Disabled;
    let mut bench = Bench::resolved(facts("sshd-risk", Phase::Account));
    bench.step(Event::LookedUp(Lookup::Found(Box::new(person))));
    bench.step(Event::Recalled(identity("alice-id"), Ok(known())));
    assert_eq!(bench.cause(), Cause::Blocked(Account::Disabled));
    // Signals of somebody else are no answer.
    let mut bench = Bench::resolved(facts("sshd-risk", Phase::Account));
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    bench.step(Event::Recalled(identity("other-id"), Ok(known())));
    assert!(matches!(&bench.effects[..], [Effect::Recall(_)]));
}

#[test]
fn mission_row_19_every_push_that_was_not_approved_is_noted_once_and_an_approval_is_not() {
    let company = Company::new();
    let pushed = || Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    for refusal in [Refusal::Denied, Refusal::Reported, Refusal::Number] {
        let (mut bench, _) = pushed();
        bench.step(Event::PushRefused(refusal));
        assert_eq!(notes(&bench), 1, "{refusal:?}");
        // Before the end: what comes after it is carried out no more.
        assert!(matches!(bench.effects.last(), Some(Effect::Finish(_))));
    }
    let (mut unanswered, _) = pushed();
    unanswered.now = crate::at(60);
    unanswered.step(Event::Tick);
    assert_eq!(notes(&unanswered), 1);
    let (mut left, _) = pushed();
    left.step(Event::Gone(Gone::Client));
    assert_eq!(notes(&left), 1);
    let (mut approved, details) = pushed();
    approved.step(Event::PushApproved(company.approve(details, crate::at(0))));
    assert_eq!((notes(&approved), approved.outcome()), (0, Some(&Outcome::Approved)));
    // Nobody was asked yet.
    let mut early = Bench::resolved(facts("sshd-keys", Phase::Account));
    early.step(Event::Gone(Gone::Client));
    assert_eq!(notes(&early), 0);
}

#[test]
fn what_sshd_says_of_its_own_methods_is_believed_of_sshd_alone() {
    let said = |over_ssh, text: &str| Facts {
        over_ssh,
        ssh_auth_info: Some(assent_proto::text::Outside::new(text)),
        ..facts("sshd", Phase::Auth)
    };
    assert!(said(true, "password\npublickey ssh-ed25519 AAAA").passed_in_sshd("publickey"));
    assert!(!said(false, "publickey ssh-ed25519 AAAA").passed_in_sshd("publickey"));
    assert!(!said(true, "keyboard-interactive/pam publickey\n").passed_in_sshd("publickey"));
    assert!(!facts("sshd", Phase::Auth).passed_in_sshd("publickey"));
}

/// The application asks for two pushes; the first one is waived.
#[test]
fn a_waived_factor_is_no_earlier_factor_to_a_later_push() {
    let company = Company::new();
    let mut bench = recalled("sshd-risk-then", known());
    bench.step(Event::Admitted(Admission::Free));
    assert!(bench.login.waived_by().is_some());
    // The later one goes by what has really passed: the policy that takes a tap after a key or a password is not met.
    assert_eq!(bench.outcome(), None, "{:?}", bench.login.trace());
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    bench.step(Event::Shown(true));
    let details = bench.push();
    assert_eq!(details.level, Level::Number);
    // And the device is told what it was.
    let first: Vec<&str> = details.first.iter().map(assent_proto::ShortText::as_str).collect();
    assert_eq!(first, ["key or password accepted by sshd", "waived by a policy"]);
    assert_eq!(bench.outcome(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// R32 with a waiver in the configuration: no order of events ends in success but one in which the policies were told
    /// what is remembered, and the user is not frozen.
    #[test]
    fn a_waiver_alone_passes_without_approval_and_never_without_admission(
        codes in any_events(),
    ) {
        let mut bench = Bench::new(facts("sshd-risk", Phase::Account));
        let (mut told, mut free) = (false, false);
        for code in codes {
            let event = bench.next(code);
            told |= matches!(event, Event::Recalled(_, Ok(_)));
            free |= matches!(event, Event::Admitted(Admission::Free));
            bench.step(event);
            if let Some(Outcome::Approved) = bench.outcome() {
                prop_assert!(told && free && bench.login.waived_by().is_some());
            }
        }
    }
}
