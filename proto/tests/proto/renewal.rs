//! Renewed certificates, and issuers that take each other's place.

use crate::stage::{Keys, NOW, Stage, id, in_days, issuer_document, payload};
use crate::stage::{grant, host_document};
use assent_proto::cert::{CertError, DAY, Issuance, Issuers, MAX_ISSUERS, Trust, renew_device, renew_host};
use assent_proto::roots::cosign;
use assent_proto::time::UnixTime;

fn at(days: u64, life: u32) -> Issuance {
    Issuance {
        nbf: in_days(days),
        days: life,
        serial: id("next"),
        log_index: 8,
    }
}

/// An issuing key that was certified so many days after the first one.
fn later(stage: &Stage, days: u64) -> (Keys, String) {
    let keys = Keys::of("issuer 2");
    let plain = issuer_document(&stage.root, "issuer 2", grant(&["*"], &["*"]));
    let mut claims = payload(&plain);
    claims["nbf"] = in_days(days).0.into();
    claims["exp"] = in_days(days + 90).0.into();
    let document = stage.root.value("assent-issuer+jws", &claims);
    (keys, document)
}

#[test]
fn a_renewal_changes_life_and_serial_and_nothing_else() {
    let stage = Stage::new();
    let key = &stage.issuer_keys.pair.sign;
    for document in [
        renew_host(&stage.issuer, key, &stage.server.host, at(20, 30)).unwrap(),
        renew_device(&stage.issuer, key, &stage.phone.device, at(20, 30)).unwrap(),
    ] {
        let (mut new, mut old) = (payload(&document), payload(stage.server.host.document()));
        if new.get("device_id").is_some() {
            old = payload(stage.phone.device.document());
        }
        for claims in [&mut new, &mut old] {
            let claims = claims.as_object_mut().unwrap();
            for field in ["nbf", "exp", "serial", "log_index"] {
                claims.remove(field).unwrap();
            }
        }
        assert_eq!(new, old);
        assert_eq!(payload(&document)["exp"], in_days(50).0);
    }
}

#[test]
fn no_certificate_outlives_its_issuer() {
    let stage = Stage::new();
    let key = &stage.issuer_keys.pair.sign;
    let end = stage.issuer.claims().exp;
    let host = renew_host(&stage.issuer, key, &stage.server.host, at(20, 3_650)).unwrap();
    assert_eq!(payload(&host)["exp"], end.0);
    let device = renew_device(&stage.issuer, key, &stage.phone.device, at(20, 3_650)).unwrap();
    assert_eq!(payload(&device)["exp"], end.0);
}

#[test]
fn what_either_of_two_issuers_signed_holds_each_for_its_own_time() {
    let stage = Stage::new();
    let (keys, second) = later(&stage, 60);
    let mut known = Issuers::under(&stage.trust, [stage.issuer.document()]);
    let now = in_days(65);
    let young = stage.trust.verify_issuer(&second, now).unwrap();
    let renewed = renew_host(&young, &keys.pair.sign, &stage.server.host, at(65, 90)).unwrap();
    assert_eq!(
        known.verify_host(&renewed, now).unwrap_err(),
        CertError::UnknownIssuer(keys.public().id())
    );
    assert!(known.learn(Issuers::under(&stage.trust, [second.as_str()]), UnixTime(0)));
    assert!(
        !known.learn(Issuers::under(&stage.trust, [second.as_str()]), UnixTime(0)),
        "it is no news"
    );
    let (_, issuer) = known.verify_host(&renewed, now).unwrap();
    assert_eq!(issuer.document(), second);
    let old = stage.server.host.document();
    let (_, issuer) = known.verify_host(old, NOW).unwrap();
    assert_eq!(issuer.document(), stage.issuer.document());
    // Calls are sealed to the newest that lives: not before its time, and on when the first has ended.
    let newest = |at: UnixTime| known.newest(at).map(|issuer| issuer.document().to_owned());
    assert_eq!(newest(NOW).as_deref(), Some(stage.issuer.document()));
    assert_eq!(newest(now).as_deref(), Some(second.as_str()));
    assert_eq!(newest(in_days(151)), None);
    let after = stage.issuer.claims().exp.plus(121);
    assert!(known.verify_host(&renewed, after).is_ok());
    assert!(matches!(known.verify_host(old, after), Err(CertError::Time { .. })));
    // What ended is forgotten, and only then.
    assert!(known.learn(Issuers::default(), in_days(91)));
    assert_eq!(known.documents().collect::<Vec<_>>(), [second]);
}

#[test]
fn r23_issuers_of_another_root_are_no_issuers() {
    let stage = Stage::new();
    let evil = Keys::of("evil root");
    let theirs = issuer_document(&evil, "issuer 2", grant(&["*"], &["*"]));
    let known = Issuers::under(&stage.trust, [theirs.as_str(), stage.issuer.document(), "", "x"]);
    assert_eq!(known.documents().collect::<Vec<_>>(), [stage.issuer.document()]);
    let evil_issuer = Trust::new(vec![evil.public()]).verify_issuer(&theirs, NOW).unwrap();
    let host = host_document(&evil_issuer, &Keys::of("issuer 2"), "web01").unwrap();
    assert!(known.verify_host(&host, NOW).is_err());
}

#[test]
fn issuers_are_bounded_and_the_newest_stay() {
    let stage = Stage::new();
    let documents: Vec<String> = (0..12)
        .map(|days| {
            let mut claims = payload(stage.issuer.document());
            claims["nbf"] = in_days(days).0.into();
            stage.root.value("assent-issuer+jws", &claims)
        })
        .collect();
    let known = Issuers::under(&stage.trust, documents.iter().map(String::as_str));
    assert_eq!(known.all().len(), MAX_ISSUERS);
    assert_eq!(known.all()[0].document(), documents[11]);
}

#[test]
fn what_ended_is_judged_as_of_its_end_for_its_renewal_alone() {
    let stage = Stage::new();
    let known = Issuers::under(&stage.trust, [stage.issuer.document()]);
    let device = renew_device(
        &stage.issuer,
        &stage.issuer_keys.pair.sign,
        &stage.phone.device,
        at(0, 40),
    )
    .unwrap();
    let end = in_days(40);
    let grace = 30 * DAY;
    for (now, plain, renewable) in [
        (end, true, true),
        (end.plus(121), false, true),
        (end.plus(grace), false, true),
        (end.plus(grace + 1), false, false),
    ] {
        assert_eq!(known.verify_device(&device, now).is_ok(), plain, "{now:?}");
        assert_eq!(
            known.verify_device_renewable(&device, now, grace).is_ok(),
            renewable,
            "{now:?}"
        );
    }
    // The grace is for the time, never for the signature.
    let forged = Keys::of("mallory").jws(
        &stage.issuer_keys.header("assent-dev+jws"),
        payload(&device).to_string().as_bytes(),
    );
    assert!(known.verify_device_renewable(&forged, end.plus(DAY), grace).is_err());
}

/// Anybody can add signatures of keys that nobody knows to a certificate of several roots. A relay that offers many such
/// forms of one certificate must push no other issuer out.
#[test]
fn r23_a_certificate_with_further_signatures_is_the_same_and_pushes_no_other_out() {
    let stage = Stage::new();
    let (_, newer) = later(&stage, 1);
    let forms: Vec<String> = (0..2 * MAX_ISSUERS)
        .map(|number| cosign(&newer, &Keys::of(&format!("stranger {number}")).pair.sign).unwrap())
        .collect();
    let offered = Issuers::under(&stage.trust, forms.iter().map(String::as_str));
    assert_eq!(offered.all().len(), 1);
    let mut known = Issuers::under(&stage.trust, [stage.issuer.document()]);
    known.learn(offered, NOW);
    known.learn(Issuers::under(&stage.trust, [newer.as_str()]), NOW);
    assert_eq!(
        known.documents().collect::<Vec<_>>(),
        [newer.as_str(), stage.issuer.document()]
    );
}
