//! The host's rules for answers: what approves, and that nothing else does.

use crate::stage::{
    Ask, ISSUED, NOW, Phone, Stage, TTL, after, alice, base64, ctx, details, identity, in_days, nonce, payload, text,
};
use assent_proto::answer::Decision;
use assent_proto::cert::{DAY, Level};
use assent_proto::seal::{self, Purpose};
use assent_proto::verdict::{Approved, MAX_RUBBISH, PendingPush, Received, Refusal, Rubbish};
use assent_proto::{Bytes, Id, answer, sha256};
use proptest::prelude::*;
use std::sync::OnceLock;
use std::time::Duration;
use zeroize::Zeroizing;

fn approved(received: Received) -> Approved {
    match received {
        Received::Approved(approved) => approved,
        Received::Refused { why, .. } => panic!("refused: {why}"),
        Received::Ignored { why, .. } => panic!("ignored: {why}"),
    }
}

fn refused(received: Received) -> Refusal {
    match received {
        Received::Approved(_) => panic!("APPROVED"),
        Received::Refused { why, .. } => why,
        Received::Ignored { why, .. } => panic!("ignored: {why}"),
    }
}

fn ignored(received: Received) -> Rubbish {
    match received {
        Received::Approved(_) => panic!("APPROVED"),
        Received::Refused { why, .. } => panic!("refused: {why}"),
        Received::Ignored { why, .. } => why,
    }
}

// `Approved` has no `Clone`, `Copy` or `Default`: if it had, this would not compile ("type annotations needed").
trait NotDuplicable<A> {
    fn holds() {}
}
impl<T> NotDuplicable<()> for T {}
impl<T: Clone> NotDuplicable<u8> for T {}
impl<T: Default> NotDuplicable<u16> for T {}
impl<T: serde::de::DeserializeOwned> NotDuplicable<u32> for T {}

#[test]
fn an_approval_cannot_be_copied_made_up_or_read_from_a_file() {
    <Approved as NotDuplicable<_>>::holds();
}

#[test]
fn the_right_answer_approves_and_says_what_for() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let signed = ask.signed(&stage.tablet, Decision::Approve, None);
    let approved = approved(ask.judge(stage.tablet.id(), &ask.seal(stage.tablet.id(), signed.clone())));
    assert!(approved.is_for(&ctx()));
    assert!(
        !approved.is_for(&sha256(&[b"another transaction"])),
        "R3: for no other transaction"
    );
    assert_eq!(approved.device(), stage.tablet.id());
    assert_eq!(approved.serial(), stage.tablet.device.claims().serial);
    assert_eq!(approved.level(), Level::Tap);
    assert_eq!(approved.record(), signed);
}

#[test]
fn r84_a_push_knows_its_name_its_end_and_whom_it_asked() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let pending = ask.pending();
    assert_eq!(pending.id(), ask.statement.id);
    assert_eq!(pending.ends(), after(u64::from(TTL)));
    let asked: Vec<Id> = pending
        .devices()
        .iter()
        .map(|device| device.claims().device_id)
        .collect();
    assert_eq!(asked, [stage.phone.id(), stage.tablet.id()]);
}

#[test]
fn r3_an_enrolled_device_that_was_not_addressed_is_ignored() {
    let stage = Stage::new();
    let mut ask = Ask::tap(&stage, "push");
    let watch = stage.phone_for("watch", vec![alice()]);
    assert_eq!(ignored(ask.judge(watch.id(), &ask.approve(&watch))), Rubbish::Device);
    // Nor does its answer count when it comes under the name of one that was asked.
    let claims_to_be_the_phone = ask.seal(stage.phone.id(), ask.signed(&watch, Decision::Approve, None));
    assert_eq!(
        ignored(ask.judge(stage.phone.id(), &claims_to_be_the_phone)),
        Rubbish::Signature
    );
    let mut forged = ask.answer(&watch, Decision::Approve, None);
    forged.device_id = stage.phone.id();
    let forged = forged.sign(&watch.keys.pair.sign).unwrap();
    assert_eq!(
        ignored(ask.judge(stage.phone.id(), &ask.seal(stage.phone.id(), forged))),
        Rubbish::Signature
    );
    // Addressed, it approves: the refusals above had their reason in that alone.
    ask.devices.push(watch.device.clone());
    let _ = approved(ask.judge(watch.id(), &ask.approve(&watch)));
}

#[test]
fn an_answer_that_names_another_device_than_signed_it_is_ignored() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let mut answer = ask.answer(&stage.phone, Decision::Approve, None);
    answer.device_id = stage.tablet.id();
    let signed = answer.sign(&stage.phone.keys.pair.sign).unwrap();
    assert_eq!(
        ignored(ask.judge(stage.phone.id(), &ask.seal(stage.phone.id(), signed.clone()))),
        Rubbish::Request
    );
    assert_eq!(
        ignored(ask.judge(stage.tablet.id(), &ask.seal(stage.tablet.id(), signed))),
        Rubbish::Signature
    );
}

#[test]
fn r22_a_device_of_another_identity_is_ignored_even_if_it_was_addressed() {
    let stage = Stage::new();
    let strangers = [
        vec![identity("example.org", "2a77-bob")],
        vec![identity("other.example", "1f0e-alice")],
        vec![identity("Example.org", "1f0e-alice")],
        vec![identity("example.org", "1F0E-alice")],
        vec![identity("1f0e-alice", "example.org")],
        vec![identity("example.org", "alice")],
    ];
    for (n, identities) in strangers.into_iter().enumerate() {
        let stranger = stage.phone_for(&format!("stranger {n}"), identities.clone());
        let mut ask = Ask::tap(&stage, "push");
        ask.devices = vec![stranger.device.clone()];
        assert_eq!(
            ignored(ask.judge(stranger.id(), &ask.approve(&stranger))),
            Rubbish::Certificate,
            "{identities:?}"
        );
    }
    let both = stage.phone_for("both", vec![identity("other.example", "x"), alice()]);
    let mut ask = Ask::tap(&stage, "push");
    ask.devices = vec![both.device.clone()];
    let _ = approved(ask.judge(both.id(), &ask.approve(&both)));
}

#[test]
fn r3_answers_of_two_pushes_that_are_crossed_approve_neither() {
    let stage = Stage::new();
    let (one, two) = (Ask::tap(&stage, "one"), Ask::tap(&stage, "two"));
    let phone = stage.phone.id();
    for (asked, other) in [(&one, &two), (&two, &one)] {
        // As the relay would deliver it, sealed for the other push.
        assert_eq!(ignored(asked.judge(phone, &other.approve(&stage.phone))), Rubbish::Seal);
        // Even if the seal were no hurdle.
        let resealed = asked.seal(phone, other.signed(&stage.phone, Decision::Approve, None));
        assert_eq!(ignored(asked.judge(phone, &resealed)), Rubbish::Request);
    }
    let (mut first, mut second) = (one.pending(), two.pending());
    let _ = ignored(one.receive(&mut first, phone, &two.approve(&stage.phone)));
    let _ = ignored(two.receive(&mut second, phone, &one.approve(&stage.phone)));
    // Each its own: crossing them has spoilt nothing.
    let _ = approved(one.receive(&mut first, phone, &one.approve(&stage.phone)));
    let _ = approved(two.receive(&mut second, phone, &two.approve(&stage.phone)));
}

#[test]
fn r3_each_of_request_digest_nonce_and_id_is_compared() {
    let stage = Stage::new();
    let (ask, other) = (Ask::tap(&stage, "push"), Ask::tap(&stage, "other"));
    let right = ask.answer(&stage.phone, Decision::Approve, None);
    let wrong = other.answer(&stage.phone, Decision::Approve, None);
    for field in ["req", "n", "id"] {
        let mut answer = right.clone();
        match field {
            "req" => answer.req = wrong.req,
            "n" => answer.n = wrong.n,
            _ => answer.id = wrong.id,
        }
        let signed = answer.sign(&stage.phone.keys.pair.sign).unwrap();
        let received = ask.judge(stage.phone.id(), &ask.seal(stage.phone.id(), signed));
        assert_eq!(ignored(received), Rubbish::Request, "{field}");
    }
    // The same id and nonce with other details is another request: what was drawn is what is approved.
    let mut twin = details(Level::Tap, 0);
    twin.target_user = Some(text("root"));
    let twin = Ask::with(&stage, "push", twin, None);
    let resealed = ask.seal(stage.phone.id(), twin.signed(&stage.phone, Decision::Approve, None));
    assert_eq!(ignored(ask.judge(stage.phone.id(), &resealed)), Rubbish::Request);
}

#[test]
fn r2_an_answer_counts_once() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let phone = stage.phone.id();
    let yes = ask.approve(&stage.phone);
    let mut pending = ask.pending();
    let _ = approved(ask.receive(&mut pending, phone, &yes));
    for _ in 0..100 {
        assert_eq!(ignored(ask.receive(&mut pending, phone, &yes)), Rubbish::Answered);
    }
    assert_eq!(
        ignored(ask.receive(&mut pending, stage.tablet.id(), &ask.approve(&stage.tablet))),
        Rubbish::Answered
    );
}

#[test]
fn r9_a_deny_or_report_of_any_addressed_device_ends_the_push() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let yes = ask.approve(&stage.phone);
    for (decision, why) in [(Decision::Deny, Refusal::Denied), (Decision::Report, Refusal::Reported)] {
        let mut pending = ask.pending();
        let no = ask.sealed(&stage.tablet, decision, None);
        let received = ask.receive(&mut pending, stage.tablet.id(), &no);
        let Received::Refused {
            why: said,
            device,
            record,
        } = received
        else {
            panic!("not refused")
        };
        assert_eq!((said, device), (why, stage.tablet.id()));
        assert_eq!(payload(&record)["device_id"], device.encode());
        for _ in 0..2 {
            assert_eq!(
                ignored(ask.receive(&mut pending, stage.phone.id(), &yes)),
                Rubbish::Answered
            );
            assert_eq!(
                ignored(ask.receive(&mut pending, stage.tablet.id(), &no)),
                Rubbish::Answered
            );
        }
    }
}

#[test]
fn r9_a_deny_counts_at_every_level_without_a_number_and_also_too_late() {
    let stage = Stage::new();
    for ask in [
        Ask::tap(&stage, "push"),
        Ask::number(&stage, "482"),
        Ask::with(&stage, "push", details(Level::Passkey, 0), None),
    ] {
        for seconds in [1, u64::from(TTL) + 100] {
            let mut pending = ask.pending();
            let no = ask.sealed(&stage.phone, Decision::Report, None);
            let received = pending.receive(&stage.server.keys.pair.kem, stage.phone.id(), &no, after(seconds), NOW);
            assert_eq!(refused(received), Refusal::Reported);
        }
    }
}

#[test]
fn r1_an_answer_counts_until_the_life_ends_and_not_at_its_end() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let yes = ask.approve(&stage.phone);
    let at = |now| {
        ask.pending()
            .receive(&stage.server.keys.pair.kem, stage.phone.id(), &yes, now, NOW)
    };
    let _ = approved(at(ISSUED));
    let _ = approved(at(after(u64::from(TTL) - 1)));
    let _ = approved(at(assent_proto::time::BootTime(
        after(u64::from(TTL)).0.checked_sub(Duration::from_nanos(1)).unwrap(),
    )));
    assert_eq!(refused(at(after(u64::from(TTL)))), Refusal::Expired);
    assert_eq!(refused(at(after(u64::from(TTL) + 1))), Refusal::Expired);
    // R2: the late answer was the device's answer; it is used up.
    let mut pending = ask.pending();
    let _ = refused(pending.receive(
        &stage.server.keys.pair.kem,
        stage.phone.id(),
        &yes,
        after(u64::from(TTL)),
        NOW,
    ));
    assert_eq!(
        ignored(ask.receive(&mut pending, stage.phone.id(), &yes)),
        Rubbish::Answered
    );
}

#[test]
fn r1_no_push_lives_longer_than_ten_minutes_whatever_its_statement_says() {
    let stage = Stage::new();
    let mut long = details(Level::Tap, 0);
    long.ttl = 601;
    let ask = Ask::with(&stage, "push", long, None);
    assert_eq!(ask.pending().ends(), after(600));
    let mut none = details(Level::Tap, 0);
    none.ttl = 0;
    let ask = Ask::with(&stage, "push", none, None);
    assert_eq!(ask.pending().ends(), ISSUED);
}

#[test]
fn r81_the_wall_clock_does_not_decide_over_the_life_of_a_push() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let yes = ask.approve(&stage.phone);
    let mut pending = ask.pending();
    let received = pending.receive(
        &stage.server.keys.pair.kem,
        stage.phone.id(),
        &yes,
        after(1),
        in_days(30),
    );
    let _ = approved(received);
}

/// Every bit of every byte would be 8,840 openings; one bit a byte, another one in each, is as telling.
#[test]
fn r30_a_sealed_answer_with_any_byte_altered_is_ignored() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let yes = ask.approve(&stage.phone);
    let phone = stage.phone.id();
    for at in 0..yes.0.len() {
        let mut altered = yes.clone();
        altered.0[at] ^= 1 << (at % 8);
        assert_eq!(ignored(ask.judge(phone, &altered)), Rubbish::Seal, "byte {at}");
    }
    // The first byte says how the point is written: no other spelling of the same point opens.
    for first in (0..=255).filter(|first| *first != yes.0[0]) {
        let mut altered = yes.clone();
        altered.0[0] = first;
        assert_eq!(ignored(ask.judge(phone, &altered)), Rubbish::Seal, "first byte {first}");
    }
    for cut in [0, 1, 64, 65, 66, 80, yes.0.len() - 1] {
        assert_eq!(
            ignored(ask.judge(phone, &Bytes(yes.0[..cut].to_vec()))),
            Rubbish::Seal,
            "cut to {cut}"
        );
    }
    let mut longer = yes.clone();
    longer.0.push(0);
    assert_eq!(ignored(ask.judge(phone, &longer)), Rubbish::Seal);
    longer.0.resize(seal::MAX_SEALED + 1, 0);
    assert_eq!(ignored(ask.judge(phone, &longer)), Rubbish::Seal);
}

#[test]
fn r19_a_signed_answer_with_any_byte_altered_is_ignored() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let phone = stage.phone.id();
    let signed = ask.signed(&stage.phone, Decision::Approve, None);
    let mut tried = 0;
    for at in 0..signed.len() {
        for by in [1 << (at % 7), 0x20] {
            let mut altered = signed.clone().into_bytes();
            altered[at] ^= by;
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(
                ignored(ask.judge(phone, &ask.seal(phone, altered))),
                Rubbish::Signature,
                "byte {at} by {by}"
            );
            tried += 1;
        }
    }
    assert!(tried > 900, "{tried}");
    // Sealed as it is, it approves: the loop above tested the signature and not its own sealing.
    let _ = approved(ask.judge(phone, &ask.seal(phone, signed)));
}

#[test]
fn r30_an_answer_sealed_for_another_place_does_not_open() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let (phone, tablet) = (stage.phone.id(), stage.tablet.id());
    let res = ask.signed(&stage.phone, Decision::Approve, None);
    let envelope = answer::Envelope { res };
    let kem = &stage.server.host.claims().kem;
    let context = answer::seal_context(&ask.statement.id, &phone);
    let seal = |to, purpose, context: &str| seal::seal(to, purpose, context, &envelope).unwrap();

    let other_host = stage.server("db01");
    let push = ask.statement.id;
    for (what, blob) in [
        (
            "another host",
            seal(&other_host.host.claims().kem, Purpose::Answer, &context),
        ),
        (
            "another device",
            seal(kem, Purpose::Answer, &answer::seal_context(&push, &tablet)),
        ),
        (
            "another push",
            seal(
                kem,
                Purpose::Answer,
                &answer::seal_context(&crate::stage::id("x"), &phone),
            ),
        ),
        (
            "swapped parts",
            seal(kem, Purpose::Answer, &answer::seal_context(&phone, &push)),
        ),
        ("no context", seal(kem, Purpose::Answer, "")),
        ("another purpose", seal(kem, Purpose::Request, &context)),
        ("the registrar's purpose", seal(kem, Purpose::RegistrarReply, &context)),
    ] {
        assert_eq!(ignored(ask.judge(phone, &blob)), Rubbish::Seal, "{what}");
    }
    let right = seal(kem, Purpose::Answer, &context);
    assert_eq!(
        ignored(ask.judge(tablet, &right)),
        Rubbish::Seal,
        "delivered as the tablet's"
    );
    let mut pending = ask.pending();
    let received = pending.receive(&other_host.keys.pair.kem, phone, &right, after(1), NOW);
    assert_eq!(ignored(received), Rubbish::Seal, "T17: opened by another host");
    let _ = approved(ask.judge(phone, &right));
}

#[test]
fn a_box_that_opens_to_something_else_is_ignored() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let phone = stage.phone.id();
    let context = answer::seal_context(&ask.statement.id, &phone);
    let kem = &stage.server.host.claims().kem;
    let good = ask.signed(&stage.phone, Decision::Approve, None);
    for content in [
        serde_json::json!(null),
        serde_json::json!(good),
        serde_json::json!({}),
        serde_json::json!({ "res": null }),
        serde_json::json!({ "res": good, "more": 1 }),
        serde_json::json!({ "req": good }),
    ] {
        let blob = seal::seal(kem, Purpose::Answer, &context, &content).unwrap();
        assert_eq!(ignored(ask.judge(phone, &blob)), Rubbish::Seal, "{content}");
    }
    for res in [
        String::new(),
        "..".into(),
        ask.request.clone(),
        stage.phone.device.document().into(),
    ] {
        assert_eq!(ignored(ask.judge(phone, &ask.seal(phone, res))), Rubbish::Signature);
    }
}

#[test]
fn r2_rubbish_does_not_spoil_a_push_until_it_is_too_much_and_then_it_is_over() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let phone = stage.phone.id();
    let yes = ask.approve(&stage.phone);
    let rubbish = Bytes(vec![4; 200]);

    let mut pending = ask.pending();
    for _ in 1..MAX_RUBBISH {
        let Received::Ignored { why, last } = ask.receive(&mut pending, phone, &rubbish) else {
            panic!()
        };
        assert_eq!((why, last), (Rubbish::Seal, false));
    }
    let _ = approved(ask.receive(&mut pending, phone, &yes));

    let mut pending = ask.pending();
    for n in 1..=MAX_RUBBISH {
        let Received::Ignored { why, last } = ask.receive(&mut pending, phone, &rubbish) else {
            panic!()
        };
        assert_eq!((why, last), (Rubbish::Seal, n == MAX_RUBBISH));
    }
    // Whether or not the caller heeds `last`.
    for _ in 0..300 {
        let Received::Ignored { why, last } = ask.receive(&mut pending, phone, &yes) else {
            panic!("not ignored")
        };
        assert_eq!((why, last), (Rubbish::Answered, true));
    }
}

#[test]
fn r4_the_number_must_be_the_one_on_the_terminal_in_one_try() {
    let stage = Stage::new();
    for (shown, typed, passes) in [
        ("482", Some("482"), true),
        ("482913", Some("482913"), true),
        ("007", Some("007"), true),
        ("000", Some("000"), true),
        ("000000", Some("000000"), true),
        ("007", Some("7"), false),
        ("007", Some("0007"), false),
        ("007", Some("07"), false),
        ("482", Some("483"), false),
        ("482", Some("284"), false),
        ("482", Some("48"), false),
        ("482", Some("4820"), false),
        ("482", Some(" 482"), false),
        ("482", Some("482\n"), false),
        ("482", Some("482\0"), false),
        ("482", Some("٤٨٢"), false),
        ("482", Some(""), false),
        ("482", None, false),
    ] {
        let ask = Ask::number(&stage, shown);
        let mut pending = ask.pending();
        let blob = ask.sealed(&stage.phone, Decision::Approve, typed);
        let received = ask.receive(&mut pending, stage.phone.id(), &blob);
        if passes {
            assert_eq!(approved(received).level(), Level::Number);
        } else {
            assert_eq!(refused(received), Refusal::Number, "{shown} {typed:?}");
        }
        // One try, from whichever device.
        let right = ask.sealed(&stage.tablet, Decision::Approve, Some(shown));
        assert_eq!(
            ignored(ask.receive(&mut pending, stage.tablet.id(), &right)),
            Rubbish::Answered
        );
    }
}

#[test]
fn r4_a_number_that_is_none_never_matches() {
    let stage = Stage::new();
    // The caller's mistakes: no number, an empty one, one of another length, or what is no number.
    for (number, typed) in [
        (None, None),
        (None, Some("")),
        (Some(""), Some("")),
        (Some(""), None),
        (Some("48"), Some("48")),
        (Some("4821"), Some("4821")),
        (Some("abc"), Some("abc")),
        (Some("4 2"), Some("4 2")),
    ] {
        let ask = Ask::with(&stage, "push", details(Level::Number, 3), number);
        let blob = ask.sealed(&stage.phone, Decision::Approve, typed);
        assert_eq!(
            refused(ask.judge(stage.phone.id(), &blob)),
            Refusal::Number,
            "{number:?} {typed:?}"
        );
    }
    let statement = Ask::number(&stage, "482");
    let mut no_digits = statement.statement.clone();
    no_digits.digits = 0;
    let number = Some(Zeroizing::new(String::new()));
    let mut pending = PendingPush::new(
        &no_digits,
        &statement.request,
        statement.devices.clone(),
        number,
        ISSUED,
    );
    let blob = statement.sealed(&stage.phone, Decision::Approve, Some(""));
    assert_eq!(
        refused(statement.receive(&mut pending, stage.phone.id(), &blob)),
        Refusal::Number
    );
}

#[test]
fn a_number_where_a_tap_was_asked_is_refused() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    for typed in ["482", ""] {
        let blob = ask.sealed(&stage.phone, Decision::Approve, Some(typed));
        assert_eq!(refused(ask.judge(stage.phone.id(), &blob)), Refusal::Number);
    }
}

#[test]
fn a_passkey_is_never_replaced_by_a_plain_signature() {
    let stage = Stage::new();
    let strong = stage.odd_phone("strong", |claims| claims["level_max"] = "passkey".into());
    for number in [None, Some("482")] {
        let mut ask = Ask::with(&stage, "push", details(Level::Passkey, 0), number);
        ask.devices.push(strong.device.clone());
        for phone in [&stage.phone, &strong] {
            let blob = ask.sealed(phone, Decision::Approve, number);
            assert_eq!(refused(ask.judge(phone.id(), &blob)), Refusal::Level);
        }
    }
}

#[test]
fn a_device_below_the_asked_level_does_not_reach_it() {
    let stage = Stage::new();
    let weak = stage.odd_phone("weak", |claims| claims["level_max"] = "tap".into());
    let mut ask = Ask::number(&stage, "482");
    ask.devices = vec![weak.device.clone()];
    let blob = ask.sealed(&weak, Decision::Approve, Some("482"));
    assert_eq!(refused(ask.judge(weak.id(), &blob)), Refusal::Level);
    let mut ask = Ask::tap(&stage, "push");
    ask.devices = vec![weak.device.clone()];
    let _ = approved(ask.judge(weak.id(), &ask.approve(&weak)));
}

#[test]
fn a_certificate_that_ends_between_push_and_answer_ends_the_right_to_answer() {
    let stage = Stage::new();
    let short = stage.odd_phone("short", |claims| claims["exp"] = (NOW.0 + 10).into());
    let mut ask = Ask::tap(&stage, "push");
    ask.devices = vec![short.device.clone()];
    let yes = ask.approve(&short);
    let at = |wall| {
        ask.pending()
            .receive(&stage.server.keys.pair.kem, short.id(), &yes, after(1), wall)
    };
    let _ = approved(at(NOW.plus(10 + 120)));
    assert_eq!(ignored(at(NOW.plus(10 + 121))), Rubbish::Certificate);
    // A clock that jumped back before its beginning.
    let _ = approved(at(assent_proto::time::UnixTime(NOW.0 - 120)));
    assert_eq!(
        ignored(at(assent_proto::time::UnixTime(NOW.0 - 121))),
        Rubbish::Certificate
    );
    assert_eq!(ignored(at(assent_proto::time::UnixTime(0))), Rubbish::Certificate);
    assert_eq!(ignored(at(NOW.plus(91 * DAY))), Rubbish::Certificate);
}

#[test]
fn r30_approve_deny_report_and_numbers_have_the_same_size_on_the_wire() {
    let stage = Stage::new();
    let (tap, number) = (Ask::tap(&stage, "push"), Ask::number(&stage, "482913"));
    let sizes: Vec<usize> = [
        tap.sealed(&stage.phone, Decision::Approve, None),
        tap.sealed(&stage.phone, Decision::Deny, None),
        tap.sealed(&stage.phone, Decision::Report, None),
        number.sealed(&stage.phone, Decision::Approve, Some("482913")),
    ]
    .iter()
    .map(|blob| blob.0.len())
    .collect();
    assert!(
        sizes.iter().all(|size| *size == sizes[0]),
        "the relay would tell them apart: {sizes:?}"
    );
}

#[test]
fn r4_the_statement_holds_no_number_nor_anything_made_from_it() {
    let stage = Stage::new();
    let (one, two) = (Ask::number(&stage, "482913"), Ask::number(&stage, "555555"));
    assert_eq!(one.request, two.request);
    assert!(!payload(&one.request).to_string().contains("482913"));
}

// --- Random orders -------------------------------------------------------------------------------------------------

/// What a message is worth on a push that is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    Approves,
    Refuses,
    Rubbish,
}

struct Message {
    what: &'static str,
    device: Id,
    blob: Bytes,
    worth: Worth,
}

fn push(stage: &'static Stage) -> Ask<'static> {
    Ask::number(stage, "482")
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(Stage::new)
}

/// Everything that an evil relay could have at hand: the answers of this push and of others, and what it can make.
fn messages() -> &'static [Message] {
    static MESSAGES: OnceLock<Vec<Message>> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        let stage = stage();
        let (ask, other) = (
            push(stage),
            Ask::with(stage, "other", details(Level::Number, 3), Some("482")),
        );
        let watch = stage.phone_for("watch", vec![alice()]);
        let bob = stage.phone_for("bob", vec![identity("example.org", "2a77-bob")]);
        let (phone, tablet) = (&stage.phone, &stage.tablet);
        let message = |what, phone: &Phone, blob, worth| Message {
            what,
            device: phone.id(),
            blob,
            worth,
        };
        let sealed = |phone, decision, num| ask.sealed(phone, decision, num);
        let mut flipped = sealed(phone, Decision::Approve, Some("482"));
        flipped.0[700] ^= 4;
        let mut nonce_changed = ask.answer(phone, Decision::Approve, Some("482"));
        nonce_changed.n = nonce("other");
        let nonce_changed = nonce_changed.sign(&phone.keys.pair.sign).unwrap();
        let unsigned = format!(
            "{}.",
            ask.signed(phone, Decision::Approve, Some("482"))
                .rsplit_once('.')
                .unwrap()
                .0
        );
        let zero = format!("{unsigned}{}", base64(&[0; 64]));
        vec![
            message(
                "approve of the phone",
                phone,
                sealed(phone, Decision::Approve, Some("482")),
                Worth::Approves,
            ),
            message(
                "approve of the tablet",
                tablet,
                sealed(tablet, Decision::Approve, Some("482")),
                Worth::Approves,
            ),
            message(
                "wrong number",
                phone,
                sealed(phone, Decision::Approve, Some("483")),
                Worth::Refuses,
            ),
            message(
                "no number",
                tablet,
                sealed(tablet, Decision::Approve, None),
                Worth::Refuses,
            ),
            message("deny", tablet, sealed(tablet, Decision::Deny, None), Worth::Refuses),
            message("report", phone, sealed(phone, Decision::Report, None), Worth::Refuses),
            message("other push", phone, other.approve(phone), Worth::Rubbish),
            message(
                "other push, resealed",
                phone,
                ask.seal(phone.id(), other.signed(phone, Decision::Approve, Some("482"))),
                Worth::Rubbish,
            ),
            message(
                "under another name",
                tablet,
                sealed(phone, Decision::Approve, Some("482")),
                Worth::Rubbish,
            ),
            message(
                "resealed under another name",
                tablet,
                ask.seal(tablet.id(), ask.signed(phone, Decision::Approve, Some("482"))),
                Worth::Rubbish,
            ),
            message(
                "not addressed",
                &watch,
                sealed(&watch, Decision::Approve, Some("482")),
                Worth::Rubbish,
            ),
            message(
                "addressed by mistake",
                &bob,
                sealed(&bob, Decision::Approve, Some("482")),
                Worth::Rubbish,
            ),
            message(
                "deny of one not addressed",
                &watch,
                sealed(&watch, Decision::Deny, None),
                Worth::Rubbish,
            ),
            message("altered", phone, flipped, Worth::Rubbish),
            message(
                "another nonce",
                phone,
                ask.seal(phone.id(), nonce_changed),
                Worth::Rubbish,
            ),
            message("no signature", phone, ask.seal(phone.id(), unsigned), Worth::Rubbish),
            message("a zero signature", phone, ask.seal(phone.id(), zero), Worth::Rubbish),
            message("nothing", phone, Bytes(Vec::new()), Worth::Rubbish),
        ]
    })
}

proptest! {
    // Each step of shrinking takes milliseconds, and a failure is told in any case.
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default()
    })]

    /// `Approved` appears exactly when the right answer comes, in time, and nothing authenticated nor too much rubbish
    /// came before it, whatever the relay sends in whatever order and however often.
    #[test]
    fn r2_no_order_of_messages_approves_but_the_right_answer_first(
        order in prop::collection::vec((0..messages().len(), 0..70u64), 0..14),
    ) {
        let stage = stage();
        let mut ask = push(stage);
        let bob = stage.phone_for("bob", vec![identity("example.org", "2a77-bob")]);
        ask.devices.push(bob.device);
        let mut pending = ask.pending();
        let (mut open, mut rubbish, mut now) = (true, 0, 0);
        for (index, pause) in order {
            let message = &messages()[index];
            now += pause / 8;
            let received = pending.receive(&stage.server.keys.pair.kem, message.device, &message.blob, after(now), NOW);
            let in_time = now < u64::from(TTL);
            let expected = match (open, message.worth) {
                (true, Worth::Approves) if in_time => Worth::Approves,
                (true, Worth::Approves | Worth::Refuses) => Worth::Refuses,
                _ => Worth::Rubbish,
            };
            let got = match received {
                Received::Approved(approved) => {
                    prop_assert_eq!(approved.device(), message.device);
                    Worth::Approves
                }
                Received::Refused { device, .. } => {
                    prop_assert_eq!(device, message.device);
                    Worth::Refuses
                }
                Received::Ignored { last, .. } => {
                    rubbish += 1;
                    prop_assert_eq!(last, rubbish >= MAX_RUBBISH);
                    Worth::Rubbish
                }
            };
            prop_assert_eq!(got, expected, "{}", message.what);
            open &= got == Worth::Rubbish && rubbish < MAX_RUBBISH;
        }
    }

    /// A box of any bytes neither approves nor panics.
    #[test]
    fn r30_random_bytes_are_rubbish(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let ask = push(stage());
        let phone = stage().phone.id();
        let received = ask.judge(phone, &Bytes(bytes));
        prop_assert_eq!(ignored(received), Rubbish::Seal);
    }

    /// Any text in place of the signed answer neither approves nor panics.
    #[test]
    fn r19_random_text_is_no_answer(text in "[A-Za-z0-9_.{}\":-]{0,200}") {
        let ask = push(stage());
        let phone = stage().phone.id();
        let received = ask.judge(phone, &ask.seal(phone, text));
        prop_assert_eq!(ignored(received), Rubbish::Signature);
    }
}
