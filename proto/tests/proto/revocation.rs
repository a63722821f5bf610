//! The revocation list, freezes, and "not me" as proof for the registrar (R10, R24, R29, R92).

use crate::stage::{Ask, Keys, NOW, Stage, alice, grant, id, identity, in_days, issuer_document, payload};
use assent_proto::answer::{Answer, Decision};
use assent_proto::cert::{CertError, Trust};
use assent_proto::report::{self, ANSWER_AWAY, REPORT_AGE, ReportError};
use assent_proto::request::ENROL_SERVICE;
use assent_proto::revocation::{
    Assembly, Freeze, ListPart, MAX_SEQ, Origin, PART, RevocationClaims, Revocations, Step, WantList,
};
use assent_proto::time::UnixTime;
use assent_proto::verdict::{Received, Rubbish};
use assent_proto::{Id, JwsError};
use serde_json::json;

fn signed(stage: &Stage, claims: &RevocationClaims) -> Revocations {
    let document = claims.sign(&stage.issuer_keys.pair.sign).unwrap();
    Revocations::verify(&stage.trust, stage.issuer.document(), &document).unwrap()
}

fn list(stage: &Stage, serials: Vec<Id>, hosts: Vec<Id>) -> Revocations {
    signed(stage, &RevocationClaims::new(1, NOW, serials, hosts, vec![]))
}

fn address(text: &str) -> Origin {
    Origin::Network(text.parse().unwrap())
}

#[test]
fn r24_a_list_revokes_what_it_names_and_nothing_else() {
    let stage = Stage::new();
    let (serial, host) = (stage.phone.device.claims().serial, stage.server.host.claims().host_id);
    let none = list(&stage, vec![id("x")], vec![id("y")]);
    assert!(!none.revokes_device(&stage.phone.device) && !none.revokes_host(&stage.server.host));
    // Among others, at every place.
    for others in 0..20 {
        let mut serials: Vec<Id> = (0..others).map(|n| id(&format!("serial {n}"))).collect();
        serials.push(serial);
        let by_serial = list(&stage, serials, vec![]);
        assert!(by_serial.revokes_device(&stage.phone.device));
        let mut hosts: Vec<Id> = (0..others).map(|n| id(&format!("host {n}"))).collect();
        hosts.push(host);
        let by_host = list(&stage, vec![], hosts);
        assert!(by_host.revokes_host(&stage.server.host) && !by_host.revokes_device(&stage.phone.device));
    }
    // A host's certificate by its serial, too; a device's id is no serial.
    assert!(list(&stage, vec![stage.server.host.claims().serial], vec![]).revokes_host(&stage.server.host));
    assert!(!list(&stage, vec![stage.phone.id()], vec![]).revokes_device(&stage.phone.device));
}

#[test]
fn r21_a_list_counts_only_by_an_issuer_that_held_when_it_was_made() {
    let stage = Stage::new();
    let claims = RevocationClaims::new(3, in_days(1), vec![], vec![], vec![]);
    let document = claims.sign(&stage.issuer_keys.pair.sign).unwrap();
    let verify = |trust: &Trust, issuer: &str, document: &str| Revocations::verify(trust, issuer, document);
    assert_eq!(
        verify(&stage.trust, stage.issuer.document(), &document).unwrap().seq(),
        3
    );
    // Another issuer under the same root: its own lists hold, and this one is not its own.
    let second = issuer_document(&stage.root, "issuer two", grant(&["*"], &["*"]));
    let theirs = claims.sign(&Keys::of("issuer two").pair.sign).unwrap();
    assert!(verify(&stage.trust, &second, &theirs).is_ok());
    assert_eq!(
        verify(&stage.trust, &second, &document).unwrap_err(),
        CertError::Document(JwsError::Signer)
    );
    // An issuer under no pinned root.
    let evil = issuer_document(&Keys::of("evil root"), "issuer", grant(&["*"], &["*"]));
    assert!(matches!(
        verify(&stage.trust, &evil, &document),
        Err(CertError::UnknownRoot(_))
    ));
    // Made after the issuer's end, or before its beginning.
    for day in [0, 91] {
        let at = if day == 0 { UnixTime(NOW.0 - 1000) } else { in_days(day) };
        let late = RevocationClaims::new(3, at, vec![], vec![], vec![]);
        let late = late.sign(&stage.issuer_keys.pair.sign).unwrap();
        assert!(matches!(
            verify(&stage.trust, stage.issuer.document(), &late),
            Err(CertError::Time { .. })
        ));
    }
}

#[test]
fn r24_a_list_out_of_order_is_refused_whoever_signed_it() {
    let stage = Stage::new();
    let good = payload(
        &RevocationClaims::new(1, NOW, vec![id("a"), id("b")], vec![id("c"), id("d")], vec![])
            .sign(&stage.issuer_keys.pair.sign)
            .unwrap(),
    );
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut content = good.clone();
        change(&mut content);
        let document = stage.issuer_keys.value("assent-rev+jws", &content);
        Revocations::verify(&stage.trust, stage.issuer.document(), &document).is_err()
    };
    assert!(!refused(&|_| {}));
    for field in ["serials", "hosts"] {
        assert!(
            refused(&|content| content[field].as_array_mut().unwrap().reverse()),
            "{field}"
        );
        assert!(
            refused(&|content| {
                let list = content[field].as_array_mut().unwrap();
                list.push(list[1].clone());
            }),
            "{field} twice"
        );
    }
    assert!(!refused(&|content| content["seq"] = json!(MAX_SEQ)));
    assert!(refused(&|content| content["seq"] = json!(MAX_SEQ + 1)));
    assert!(refused(&|content| content["next"] = json!(NOW.0 - 1)));
}

#[test]
fn r92_a_freeze_holds_for_its_person_its_source_and_its_time() {
    let stage = Stage::new();
    let until = NOW.plus(600);
    let frozen = |freezes: Vec<Freeze>, who: &assent_proto::cert::Identity, from: Origin, now: UnixTime| {
        signed(&stage, &RevocationClaims::new(1, NOW, vec![], vec![], freezes)).frozen(who, from, now)
    };
    let all = || vec![Freeze::new(id("s"), &alice(), None, until)];
    let at = |origin| vec![Freeze::new(id("s"), &alice(), Some(origin), until)];
    let (here, there) = (address("192.0.2.7"), address("192.0.2.8"));
    assert!(frozen(all(), &alice(), here, NOW) && frozen(all(), &alice(), Origin::Host(id("web01")), NOW));
    assert!(frozen(at(here), &alice(), here, NOW) && !frozen(at(here), &alice(), there, NOW));
    assert!(frozen(all(), &alice(), here, NOW.plus(599)) && !frozen(all(), &alice(), here, until));
    // Another person, also where the parts of both make the same text.
    for other in [
        identity("example.org", "1f0e-bob"),
        identity("example.org1", "f0e-alice"),
        identity("example.or", "g1f0e-alice"),
        identity("Example.org", "1f0e-alice"),
        identity("", "example.org1f0e-alice"),
    ] {
        assert!(
            !frozen(all(), &other, here, NOW) && !frozen(at(here), &other, here, NOW),
            "{other}"
        );
    }
    // One address in two spellings; a whole network of version 6; never across versions or kinds.
    assert!(frozen(at(here), &alice(), address("::ffff:192.0.2.7"), NOW));
    let six = address("2001:db8:1:2::7");
    assert!(frozen(at(six), &alice(), address("2001:db8:1:2:ffff::1"), NOW));
    assert!(!frozen(at(six), &alice(), address("2001:db8:1:3::7"), NOW));
    let local = Origin::Host(id("web01"));
    assert!(frozen(at(local), &alice(), local, NOW));
    for other in [Origin::Host(id("web02")), here, six] {
        assert!(!frozen(at(local), &alice(), other, NOW), "{other}");
    }
}

#[test]
fn r92_a_freeze_names_nobody_and_two_of_one_person_look_unlike() {
    let stage = Stage::new();
    let here = address("192.0.2.7");
    let freezes = ["one", "two"].map(|salt| Freeze::new(id(salt), &alice(), Some(here), NOW.plus(60)));
    let list = signed(&stage, &RevocationClaims::new(1, NOW, vec![], vec![], freezes.into()));
    let said = payload(list.document());
    let text = said.to_string();
    for name in ["example.org", "alice", "192.0.2"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    for field in ["salt", "who", "at"] {
        assert_ne!(said["freezes"][0][field], said["freezes"][1][field]);
    }
}

/// What the registrar's replies bring, one after the other.
fn fetched(newest: &mut dyn FnMut(u32) -> Revocations, held: Option<&Revocations>) -> Result<Step, JwsError> {
    let (mut assembly, mut want) = Assembly::new(held);
    for call in 0..100 {
        let part = ListPart::of(&newest(call), want);
        assert!(part.text.len() <= PART);
        match assembly.take(part)? {
            Step::Ask(next) => want = next,
            other => return Ok(other),
        }
    }
    panic!("no end");
}

#[test]
fn r24_ten_thousand_serials_fit_and_come_whole_in_parts() {
    let stage = Stage::new();
    let serials: Vec<Id> = (0..10_000).map(|n| id(&format!("serial {n}"))).collect();
    let long = list(&stage, serials, vec![]);
    let Ok(Step::Whole { issuer, document }) = fetched(&mut |_| long.clone(), None) else {
        panic!("a whole list");
    };
    let whole = Revocations::verify(&stage.trust, &issuer, &document).unwrap();
    assert_eq!((whole.claims().serials.len(), whole.digest()), (10_000, long.digest()));
    assert!(matches!(
        fetched(&mut |_| long.clone(), Some(&whole)),
        Ok(Step::Unchanged)
    ));
    // A newer one in between is fetched from its beginning; an older one is no list.
    let newer = signed(
        &stage,
        &RevocationClaims::new(2, NOW, (0..5000).map(|n| id(&format!("{n}"))).collect(), vec![], vec![]),
    );
    let Ok(Step::Whole { document, .. }) =
        fetched(&mut |call| if call < 3 { long.clone() } else { newer.clone() }, None)
    else {
        panic!("the newer list");
    };
    assert_eq!(document, newer.document());
    assert!(fetched(&mut |call| if call < 3 { newer.clone() } else { long.clone() }, None).is_err());
}

#[test]
fn r24_parts_that_are_not_those_of_the_list_are_refused() {
    let stage = Stage::new();
    let serials: Vec<Id> = (0..3000).map(|n| id(&format!("serial {n}"))).collect();
    let long = list(&stage, serials, vec![]);
    let part = |n| ListPart::of(&long, WantList { held: None, part: n });
    let take = |parts: Vec<ListPart>| {
        let (mut assembly, _) = Assembly::new(None);
        parts.into_iter().map(|part| assembly.take(part)).last().unwrap()
    };
    let all: Vec<ListPart> = (0..part(0).parts).map(part).collect();
    assert!(all.len() > 2 && matches!(take(all.clone()), Ok(Step::Whole { .. })));
    let mut swapped = all.clone();
    swapped.swap(0, 1);
    assert!(take(swapped).is_err());
    let mut beyond = all.clone();
    beyond[0] = part(1000);
    assert!(beyond[0].text.is_empty());
    assert!(take(beyond[..1].to_vec()).is_err());
    // "Unchanged" to who holds nothing, and of a list that is another one.
    let mut unchanged = part(0);
    unchanged.parts = 0;
    assert!(take(vec![unchanged.clone()]).is_err());
    let (mut assembly, _) = Assembly::new(Some(&list(&stage, vec![], vec![])));
    assert!(assembly.take(unchanged).is_err());
    let mut endless = part(0);
    endless.parts = u32::MAX;
    assert!(take(vec![endless]).is_err());
}

#[test]
fn r10_an_answer_of_a_device_that_is_revoked_by_now_does_not_count() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let revoked = list(&stage, vec![stage.phone.device.claims().serial], vec![]);
    let mut pending = ask.pending();
    pending.revoke(|device| device.claims().device_id == stage.phone.id() && revoked.revokes_device(device));
    for decision in [Decision::Approve, Decision::Deny, Decision::Report] {
        let answer = ask.sealed(&stage.phone, decision, None);
        let received = ask.receive(&mut pending, stage.phone.id(), &answer);
        assert!(
            matches!(
                received,
                Received::Ignored {
                    why: Rubbish::Revoked,
                    last: false
                }
            ),
            "{decision:?}"
        );
    }
    // The other device still decides.
    let answer = ask.approve(&stage.tablet);
    assert!(matches!(
        ask.receive(&mut pending, stage.tablet.id(), &answer),
        Received::Approved(_)
    ));
}

#[test]
fn r10_a_report_is_a_hosts_request_and_the_devices_answer_together() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let answer = ask.signed(&stage.phone, Decision::Report, None);
    let (host, device) = (&stage.server.host, &stage.phone.device);
    let report = report::verify(&ask.request, &answer, host, device, NOW).unwrap();
    assert_eq!((report.identity(), report.origin()), (&alice(), address("192.0.2.7")));
    let refused = |request: &str, answer: &str| report::verify(request, answer, host, device, NOW).unwrap_err();

    // Any other decision, another device's answer, an answer to another request.
    for decision in [Decision::Approve, Decision::Deny] {
        let other = ask.signed(&stage.phone, decision, None);
        assert_eq!(refused(&ask.request, &other), ReportError::Decision);
    }
    let tablets = ask.signed(&stage.tablet, Decision::Report, None);
    assert_eq!(refused(&ask.request, &tablets), ReportError::Document(JwsError::Signer));
    let second = Ask::tap(&stage, "another push");
    let others = second.signed(&stage.phone, Decision::Report, None);
    assert_eq!(refused(&ask.request, &others), ReportError::Request);
    assert_eq!(refused(&second.request, &answer), ReportError::Request);
    // Each of digest, nonce and push by itself, well signed.
    let content = payload(&answer);
    for field in ["req", "n", "id"] {
        let mut content = content.clone();
        content[field] = payload(&others)[field].clone();
        let document = stage.phone.keys.value("assent-res+jws", &content);
        assert_eq!(refused(&ask.request, &document), ReportError::Request, "{field}");
    }
    let mut content = content.clone();
    content["device_id"] = json!(stage.tablet.id());
    let document = stage.phone.keys.value("assent-res+jws", &content);
    assert_eq!(refused(&ask.request, &document), ReportError::Device);

    // No host by itself: it signs the request, and no answer. Nor for another host's request.
    let by_host = stage.server.keys.value("assent-res+jws", &payload(&answer));
    assert!(matches!(refused(&ask.request, &by_host), ReportError::Document(_)));
    let evil = stage.server("web02");
    let theirs = report::verify(&ask.request, &answer, &evil.host, device, NOW);
    assert_eq!(theirs.unwrap_err(), ReportError::Document(JwsError::Signer));
    let in_anothers_name = evil.keys.value("assent-req+jws", &payload(&ask.request));
    let theirs = report::verify(&in_anothers_name, &answer, &evil.host, device, NOW);
    assert_eq!(theirs.unwrap_err(), ReportError::Host);
}

/// A host's request about anybody, and the device's true answer to it.
fn odd(stage: &Stage, change: impl FnOnce(&mut serde_json::Value), at: UnixTime) -> Result<(), ReportError> {
    let ask = Ask::tap(stage, "push");
    let mut content = payload(&ask.request);
    change(&mut content);
    let request = stage.server.keys.value("assent-req+jws", &content);
    let mut seen = ask.seen_by(&stage.phone);
    seen.digest = assent_proto::sha256(&[request.as_bytes()]);
    let answer = Answer::new(&seen, stage.phone.id(), Decision::Report, None, at);
    let answer = answer.sign(&stage.phone.keys.pair.sign).unwrap();
    report::verify(&request, &answer, &stage.server.host, &stage.phone.device, NOW).map(drop)
}

#[test]
fn r10_a_report_freezes_only_whom_the_device_is_for_and_only_while_it_is_young() {
    let stage = Stage::new();
    assert_eq!(odd(&stage, |_| {}, NOW), Ok(()));
    let bob = odd(&stage, |request| request["identity"]["id"] = json!("1f0e-bob"), NOW);
    assert_eq!(bob, Err(ReportError::Identity));
    let about_devices = odd(&stage, |request| request["svc"] = json!(ENROL_SERVICE), NOW);
    assert_eq!(about_devices, Err(ReportError::Host));
    for (iat, expected) in [
        (NOW.0 - REPORT_AGE, Ok(())),
        (NOW.0 - REPORT_AGE - 1, Err(ReportError::Time)),
        (NOW.0 + 300, Ok(())),
        (NOW.0 + 301, Err(ReportError::Time)),
    ] {
        assert_eq!(
            odd(&stage, |request| request["iat"] = json!(iat), NOW),
            expected,
            "{iat}"
        );
    }
    for (at, expected) in [
        (NOW.0 - ANSWER_AWAY, Ok(())),
        (NOW.0 - ANSWER_AWAY - 1, Err(ReportError::Time)),
        (NOW.0 + ANSWER_AWAY, Ok(())),
        (NOW.0 + ANSWER_AWAY + 1, Err(ReportError::Time)),
    ] {
        assert_eq!(odd(&stage, |_| {}, UnixTime(at)), expected, "{at}");
    }
}

#[test]
fn r81_a_lists_age_is_counted_from_its_making_and_never_negative() {
    let stage = Stage::new();
    let made = list(&stage, vec![], vec![]);
    assert_eq!(made.age(NOW.plus(100)), 100);
    assert_eq!(made.age(UnixTime(NOW.0 - 100)), 0);
    assert_eq!(made.claims().next, NOW.plus(86_400));
}
