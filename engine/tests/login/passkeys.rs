//! Level passkey: whom it asks, and where a number cannot be shown.

use crate::Bench;
use crate::company::{Company, facts, found};
use assent_engine::login::facts::{Facts, Phase};
use assent_engine::login::{Cause, DeviceSearch, Effect, Event, Outcome, PushOrder};
use assent_proto::cert::{Device, Level};

/// To the point where these devices are found.
fn with(facts: Facts, devices: &[&Device]) -> Bench {
    let mut bench = Bench::resolved(facts);
    bench.step(Event::LookedUp(found("alice-id", "IT")));
    let devices = devices.iter().map(|device| (*device).clone()).collect();
    bench.step(Event::Devices(DeviceSearch::Found(devices)));
    bench
}

fn order(bench: &Bench) -> Option<&PushOrder> {
    bench.effects.iter().find_map(|effect| match effect {
        Effect::Push(order) => Some(&**order),
        _ => None,
    })
}

/// At which level the push leaves, and to how many devices.
fn left(bench: &Bench) -> Option<(Level, usize)> {
    order(bench).map(|order| (order.details.level, order.devices.len()))
}

#[test]
fn m16_a_passkey_asks_the_devices_that_have_one_and_shows_no_number() {
    let company = Company::new();
    let [bound, synced] = &company.with_passkeys;
    let bench = with(facts("sshd-passkey", Phase::Account), &[&company.device, bound, synced]);
    assert_eq!(left(&bench), Some((Level::Passkey, 1)));
    let order = order(&bench).unwrap();
    assert_eq!(order.devices[0].claims().device_id, bound.claims().device_id);
    assert_eq!(order.details.digits, 0);
    assert!(
        !bench
            .effects
            .iter()
            .any(|e| matches!(e, Effect::ShowNumber { .. } | Effect::Ask { .. }))
    );
}

#[test]
fn r14_a_synced_passkey_counts_where_the_profile_says_so() {
    let company = Company::new();
    let [bound, synced] = &company.with_passkeys;
    // A floor raises a number to it.
    let bench = with(facts("sshd-synced", Phase::Account), &[&company.device, bound, synced]);
    assert_eq!(left(&bench), Some((Level::Passkey, 2)));
    let mut bench = with(facts("sshd-passkey", Phase::Auth), &[&company.device, synced]);
    assert_eq!(left(&bench), None);
    assert!(
        bench.effects.iter().any(|e| matches!(e, Effect::StartCode(_))),
        "{:?}",
        bench.login.trace()
    );
    bench = with(facts("sshd-synced", Phase::Account), &[&company.device]);
    assert_eq!(bench.cause(), Cause::NoPasskey);
}

#[test]
fn r13_the_lock_asks_those_with_a_passkey_of_any_kind_and_no_code_stands_beside_it() {
    let company = Company::new();
    let [bound, synced] = &company.with_passkeys;
    let bench = with(facts("sshd-locked", Phase::Auth), &[&company.device, bound, synced]);
    assert_eq!(left(&bench), Some((Level::Tap, 2)));
    assert!(order(&bench).unwrap().details.lock);
    assert!(!bench.effects.iter().any(|e| matches!(e, Effect::Ask { .. })));
    let bench = with(facts("sshd-locked", Phase::Account), &[&company.device]);
    assert_eq!((bench.cause(), bench.pushes), (Cause::NoPasskey, 0));
    // Elsewhere nobody asks for it.
    let bench = with(facts("sshd-passkey", Phase::Account), &[bound]);
    assert!(!order(&bench).unwrap().details.lock);
}

#[test]
fn r13_no_code_stands_beside_a_passkey() {
    let company = Company::new();
    let bench = with(facts("sshd-passkey", Phase::Auth), &[&company.with_passkeys[0]]);
    assert_eq!(left(&bench), Some((Level::Passkey, 1)));
    assert!(!bench.effects.iter().any(|e| matches!(e, Effect::Ask { .. })));
}

#[test]
fn r4_where_no_number_can_be_shown_a_passkey_takes_its_place_and_a_tap_never_does() {
    let company = Company::new();
    let [bound, synced] = &company.with_passkeys;
    let unshown = |devices: &[&Device]| {
        let mut bench = with(facts("sshd-nist", Phase::Account), devices);
        assert!(matches!(&bench.effects[..], [Effect::ShowNumber { .. }]));
        bench.step(Event::Shown(false));
        bench
    };
    let raised = unshown(&[&company.device, bound, synced]);
    assert_eq!(left(&raised), Some((Level::Passkey, 1)));
    assert_eq!(order(&raised).unwrap().details.digits, 0);
    let words = raised
        .login
        .trace()
        .iter()
        .map(|line| line.json.get())
        .collect::<String>();
    assert!(words.contains("a passkey needs none"), "{words}");
    for devices in [&[&company.device][..], &[&company.device, synced]] {
        let bench = unshown(devices);
        assert_eq!((bench.cause(), bench.pushes), (Cause::CannotShow, 0));
    }
}

#[test]
fn a_number_that_can_be_shown_stays_a_number_also_for_whoever_has_a_passkey() {
    let company = Company::new();
    let mut bench = with(
        facts("sshd-nist", Phase::Auth),
        &[&company.device, &company.with_passkeys[0]],
    );
    bench.now = crate::at(1);
    bench.step(Event::Tick);
    assert_eq!(left(&bench), Some((Level::Number, 2)));
    // A prompt that is left later is left: the push was asked for.
    bench.step(Event::Shown(false));
    assert!(matches!(
        bench.outcome(),
        Some(Outcome::Denied {
            cause: Cause::PromptLeft,
            ..
        })
    ));
}
