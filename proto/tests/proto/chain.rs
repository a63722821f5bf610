//! Who may sign what (R20 to R22), and what a device demands before it draws anything (R29).

use crate::stage::{
    Ask, Keys, NOW, Phone, Stage, TTL, alice, base64, details, device_document, grant, host_document, id, identity,
    issuer_document, nonce, payload, text, token,
};
use assent_proto::answer::Decision;
use assent_proto::cert::{
    CertError, IssuerRequest, Level, MAX_CERTIFICATE, MAX_IDENTITIES, MAX_LABEL, Trust, claimed_device, claimed_host_id,
};
use assent_proto::checkpoint::Checkpoint;
use assent_proto::code::{CodeAsk, CodeWant, CodeWord};
use assent_proto::code_service::CodeServiceRequest;
use assent_proto::enrol::Enrolment;
use assent_proto::keys::{KemPublic, VerifyingKey};
use assent_proto::link;
use assent_proto::registrar::{DeviceAsk, DeviceCall, DeviceWant, HostAsk, HostJoin, HostWant};
use assent_proto::relay::Claim;
use assent_proto::request::{self, Command, Envelope, MAX_ARGS, RequestError, VerifiedRequest};
use assent_proto::revocation::{RevocationClaims, Revocations};
use assent_proto::roots::{RootClaims, RootSet};
use assent_proto::seal::{self, Purpose, SealError};
use assent_proto::time::UnixTime;
use assent_proto::verdict::{Received, seal_to_devices};
use assent_proto::{Id, JwsError, ShortText, sha256};
use serde_json::{Value, json};

// --- The matrix ----------------------------------------------------------------------------------------------------

/// One kind of document: a valid one, who signs it, and the one verifier that takes it.
struct Kind<'a> {
    typ: &'static str,
    content: Value,
    signer: &'static str,
    accepts: Box<dyn Fn(&str) -> bool + 'a>,
}

fn kinds(stage: &Stage) -> Vec<Kind<'_>> {
    let (host, phone) = (&stage.server.keys.pair, &stage.phone.keys.pair);
    let ask = Ask::tap(stage, "push");
    let (push, expiry) = (ask.statement.id, ask.statement.expiry());
    let answer = ask.signed(&stage.phone, Decision::Approve, None);
    let request = ask.request.clone();
    let token = token();
    let join = HostJoin::new(&token, host, text("web01"), NOW).unwrap();
    let enrolment = Enrolment::new(&token, phone, text("phone"), text("test"), NOW).unwrap();
    let wish = IssuerRequest::sign(&stage.issuer_keys.pair, NOW).unwrap();
    let want = HostWant::Enrolment { token_id: id("token") };
    let host_ask = HostAsk::sign(&host.sign, id("web01"), id("n"), NOW, want).unwrap();
    let device_ask = DeviceAsk::sign(&phone.sign, id("token"), id("n"), NOW).unwrap();
    let device_call = DeviceCall::sign(&phone.sign, stage.phone.id(), id("n"), NOW, DeviceWant::Devices).unwrap();
    let link_claim = link::Claim::sign(&host.sign, "https://relay.example.org", NOW).unwrap();
    let claim = Claim::sign(&host.sign, "https://relay.example.org", id("web01"), NOW).unwrap();
    let list = RevocationClaims::new(1, NOW, vec![id("serial")], vec![], vec![]);
    let list = list.sign(&stage.issuer_keys.pair.sign).unwrap();
    let service = crate::code::service(stage);
    let code_ask = crate::code::ask(&stage.server, CodeWant::End { id: id("code login") });
    let kind = |typ, document: &str, signer, accepts| Kind {
        typ,
        content: payload(document),
        signer,
        accepts,
    };
    let checkpoint = Checkpoint::new(id("web01"), 7, sha256(&[b"a record"]), NOW);
    let checkpoint = checkpoint.sign(&host.sign).unwrap();
    let next = RootClaims::after(1, vec![stage.root.public()], 1, NOW).unwrap();
    let step = next.sign(&[&stage.root.pair.sign]).unwrap();
    vec![
        kind(
            "assent-root+jws",
            &step,
            "root",
            Box::new(|d| RootSet::of_key(stage.root.public()).step(d).is_ok()),
        ),
        kind(
            "assent-issuer+jws",
            stage.issuer.document(),
            "root",
            Box::new(|d| stage.trust.verify_issuer(d, NOW).is_ok()),
        ),
        kind(
            "assent-host+jws",
            stage.server.host.document(),
            "issuer",
            Box::new(|d| stage.issuer.verify_host(d, NOW).is_ok()),
        ),
        kind(
            "assent-dev+jws",
            stage.phone.device.document(),
            "issuer",
            Box::new(|d| stage.issuer.verify_device(d, NOW).is_ok()),
        ),
        kind(
            "assent-req+jws",
            &request,
            "web01",
            Box::new(move |d| request::verify(&envelope(stage, d), push, expiry, &stage.trust, NOW).is_ok()),
        ),
        kind(
            "assent-res+jws",
            &answer,
            "phone",
            Box::new(move |d| {
                matches!(
                    ask.judge(stage.phone.id(), &ask.seal(stage.phone.id(), d.into())),
                    Received::Approved(_)
                )
            }),
        ),
        kind(
            "assent-issuer-req+jws",
            &wish,
            "issuer",
            Box::new(|d| IssuerRequest::verify(d).is_ok()),
        ),
        kind(
            "assent-host-req+jws",
            &join.request.clone(),
            "web01",
            Box::new(move |d| {
                HostJoin {
                    request: d.into(),
                    ..join.clone()
                }
                .token_id()
                .is_ok()
            }),
        ),
        kind(
            "assent-dev-req+jws",
            &enrolment.request.clone(),
            "phone",
            Box::new(move |d| {
                Enrolment {
                    request: d.into(),
                    ..enrolment.clone()
                }
                .token_id()
                .is_ok()
            }),
        ),
        kind(
            "assent-host-ask+jws",
            &host_ask,
            "web01",
            Box::new(|d| HostAsk::verify(d, &stage.server.host).is_ok()),
        ),
        kind(
            "assent-dev-ask+jws",
            &device_ask,
            "phone",
            Box::new(|d| DeviceAsk::verify(d, &stage.phone.keys.public()).is_ok()),
        ),
        kind(
            "assent-dev-call+jws",
            &device_call,
            "phone",
            Box::new(|d| DeviceCall::verify(d, &stage.phone.device).is_ok()),
        ),
        kind(
            "assent-rev+jws",
            &list,
            "issuer",
            Box::new(|d| Revocations::verify(&stage.trust, stage.issuer.document(), d).is_ok()),
        ),
        kind(
            "assent-relay-auth+jws",
            &claim,
            "web01",
            Box::new(|d| Claim::verify(d, &stage.server.keys.public(), "https://relay.example.org").is_ok()),
        ),
        kind(
            "assent-link-auth+jws",
            &link_claim,
            "web01",
            Box::new(|d| link::Claim::verify(d, &stage.server.keys.public(), "https://relay.example.org").is_ok()),
        ),
        kind(
            "assent-cs+jws",
            &crate::code::certificate(stage),
            "issuer",
            Box::new(|d| stage.issuer.verify_code_service(d, NOW).is_ok()),
        ),
        kind(
            "assent-cs-req+jws",
            &crate::code::request(),
            "codes",
            Box::new(|d| CodeServiceRequest::verify(d).is_ok()),
        ),
        kind(
            "assent-code-ask+jws",
            &code_ask,
            "web01",
            Box::new(|d| CodeAsk::verify(d, &stage.server.host).is_ok()),
        ),
        kind(
            "assent-code+jws",
            &crate::code::word(&code_ask, true),
            "codes",
            Box::new(move |d| CodeWord::verify(d, &service).is_ok()),
        ),
        kind(
            "assent-cp+jws",
            &checkpoint,
            "web01",
            Box::new(|d| Checkpoint::verify(d, &stage.server.host).is_ok()),
        ),
    ]
}

fn envelope(stage: &Stage, req: &str) -> Envelope {
    Envelope {
        req: req.to_owned(),
        host: stage.server.host.document().to_owned(),
        issuer: stage.issuer.document().to_owned(),
    }
}

#[test]
fn r21_no_document_passes_for_another_whoever_signed_it() {
    let stage = Stage::new();
    let kinds = kinds(&stage);
    let signers = ["root", "issuer", "web01", "phone", "codes", "mallory"].map(|name| (name, Keys::of(name)));
    let typs = kinds
        .iter()
        .map(|kind| kind.typ)
        .chain(["assent-reg-reply+jws", "assent-code-reply+jws", "JWT"]);
    let (mut tried, mut passed) = (0, 0);
    for typ in typs {
        for content in &kinds {
            for (signer, keys) in &signers {
                let document = keys.value(typ, &content.content);
                for slot in &kinds {
                    tried += 1;
                    // Two kinds of request have the same fields, each signed by the key in it: the header alone tells them
                    // apart.
                    let wish = |typ: &str| matches!(typ, "assent-issuer-req+jws" | "assent-cs-req+jws");
                    let same_content = content.typ == typ || (wish(content.typ) && wish(typ));
                    let right = slot.typ == typ && same_content && *signer == content.signer;
                    assert_eq!(
                        (slot.accepts)(&document),
                        right,
                        "{typ} holding {} by {signer} as {}",
                        content.typ,
                        slot.typ
                    );
                    passed += u32::from(right);
                }
            }
        }
    }
    assert_eq!((tried, passed), (23 * 20 * 6 * 20, 20 + 2));
}

/// The same documents as their own makers would sign them, in each other's places inside an envelope.
#[test]
fn r21_no_certificate_takes_another_ones_place_in_a_request() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let good = envelope(&stage, &ask.request);
    let second = issuer_document(&stage.issuer_keys, "web01", grant(&["*"], &["*"]));
    let by_host = stage.server.keys.value("assent-host+jws", &payload(&good.host));
    let by_device = stage.phone.keys.value("assent-host+jws", &payload(&good.host));
    let documents = [
        &good.req,
        &good.host,
        &good.issuer,
        stage.phone.device.document(),
        &second,
        &by_host,
        &by_device,
        "",
    ];
    let mut passed = 0;
    for req in documents {
        for host in documents {
            for issuer in documents {
                let envelope = Envelope {
                    req: req.into(),
                    host: host.into(),
                    issuer: issuer.into(),
                };
                let verified = request::verify(&envelope, ask.statement.id, ask.statement.expiry(), &stage.trust, NOW);
                assert_eq!(verified.is_ok(), envelope == good);
                passed += u32::from(verified.is_ok());
            }
        }
    }
    assert_eq!(passed, 1);
}

#[test]
fn r21_nobody_signs_above_their_place() {
    let stage = Stage::new();
    let issuer_claims = payload(stage.issuer.document());
    let host_claims = payload(stage.server.host.document());
    let device_claims = payload(stage.phone.device.document());
    // An issuer that an issuer, a host or a device signed.
    for keys in [&stage.issuer_keys, &stage.server.keys, &stage.phone.keys] {
        let refused = stage
            .trust
            .verify_issuer(&keys.value("assent-issuer+jws", &issuer_claims), NOW);
        assert_eq!(refused.unwrap_err(), CertError::UnknownRoot(keys.public().id()));
    }
    // A host or a device that the root, a host or a device signed, in its own name or in the issuer's.
    for keys in [&stage.root, &stage.server.keys, &stage.phone.keys] {
        for (typ, claims) in [("assent-host+jws", &host_claims), ("assent-dev+jws", &device_claims)] {
            let plain = keys.value(typ, claims);
            let pretending = keys.jws(&stage.issuer_keys.header(typ), claims.to_string().as_bytes());
            for (document, expected) in [(plain, JwsError::Signer), (pretending, JwsError::Signature)] {
                let expected = CertError::Document(expected);
                let as_host = stage.issuer.verify_host(&document, NOW).unwrap_err();
                let as_device = stage.issuer.verify_device(&document, NOW).unwrap_err();
                let (as_itself, as_other) = if typ == "assent-host+jws" {
                    (as_host, as_device)
                } else {
                    (as_device, as_host)
                };
                assert_eq!(as_itself, expected);
                assert_eq!(as_other, CertError::Document(JwsError::Header));
            }
        }
    }
}

// --- Roots and issuers ---------------------------------------------------------------------------------------------

#[test]
fn r23_only_a_pinned_root_counts() {
    let stage = Stage::new();
    let evil = Keys::of("evil root");
    let document = issuer_document(&evil, "issuer", grant(&["*"], &["*"]));
    assert_eq!(
        stage.trust.verify_issuer(&document, NOW).unwrap_err(),
        CertError::UnknownRoot(evil.public().id())
    );
    assert_eq!(
        Trust::new(Vec::new()).verify_issuer(&document, NOW).unwrap_err(),
        CertError::UnknownRoot(evil.public().id())
    );
    // Under the pinned root's name.
    let claims = payload(&document).to_string();
    let pretending = evil.jws(&stage.root.header("assent-issuer+jws"), claims.as_bytes());
    assert_eq!(
        stage.trust.verify_issuer(&pretending, NOW).unwrap_err(),
        CertError::Document(JwsError::Signature)
    );
    let both = Trust::new(vec![stage.root.public(), evil.public()]);
    assert!(both.verify_issuer(&document, NOW).is_ok());
    assert_eq!(
        both.verify_issuer(&document, NOW).unwrap().root(&both),
        Some(&RootSet::of_key(evil.public()))
    );
    assert_eq!(both.sets(), [stage.root.public(), evil.public()].map(RootSet::of_key));

    // A whole company of the evil root: its issuer, its host, its request.
    let theirs = both.verify_issuer(&document, NOW).unwrap();
    let host = host_document(&theirs, &stage.issuer_keys, "web01").unwrap();
    let ask = Ask::tap(&stage, "push");
    let envelope = Envelope {
        req: ask.request.clone(),
        host,
        issuer: document,
    };
    let refused = request::verify(&envelope, ask.statement.id, ask.statement.expiry(), &stage.trust, NOW).unwrap_err();
    assert_eq!(refused, RequestError::Chain(CertError::UnknownRoot(evil.public().id())));
}

#[test]
fn r84_a_certificate_says_whose_it_is_and_another_document_does_not() {
    let stage = Stage::new();
    let (host, phone) = (stage.server.host.document(), stage.phone.device.document());
    assert_eq!(claimed_host_id(host), Some(id("web01")));
    assert_eq!(claimed_device(phone), Some(id("phone")));
    assert_eq!(claimed_host_id(phone), None);
    assert_eq!(claimed_device(host), None);
    assert_eq!(claimed_host_id(""), None);
}

#[test]
fn r84_levels_are_called_as_in_the_configuration_and_certificates() {
    for (level, name) in [
        (Level::Tap, "tap"),
        (Level::Number, "number"),
        (Level::Passkey, "passkey"),
    ] {
        assert_eq!(level.name(), name);
        assert_eq!(json!(level), name);
    }
    assert_eq!(alice().to_string(), "example.org#1f0e-alice");
}

#[test]
fn r21_what_another_issuer_signed_is_not_this_ones() {
    let stage = Stage::new();
    let other_keys = Keys::of("issuer two");
    let other = issuer_document(&stage.root, "issuer two", grant(&["*"], &["*"]));
    let other = stage.trust.verify_issuer(&other, NOW).unwrap();
    let host = host_document(&other, &other_keys, "web01").unwrap();
    let device = device_document(&other, &other_keys, "phone", vec![alice()]).unwrap();
    assert!(other.verify_host(&host, NOW).is_ok());
    assert_eq!(
        stage.issuer.verify_host(&host, NOW).unwrap_err(),
        CertError::Document(JwsError::Signer)
    );
    assert_eq!(
        stage.issuer.verify_device(&device, NOW).unwrap_err(),
        CertError::Document(JwsError::Signer)
    );
}

#[test]
fn r21_an_issuer_stays_in_its_name_space() {
    let stage = Stage::new();
    let keys = Keys::of("narrow");
    let document = issuer_document(
        &stage.root,
        "narrow",
        grant(&["example.org", "nss@*"], &["web*", "*.example.org"]),
    );
    let narrow = stage.trust.verify_issuer(&document, NOW).unwrap();
    let refused = |error: CertError| matches!(error, CertError::NameSpace(_));
    for (name, allowed) in [
        ("web01", true),
        ("WEB02", true),
        ("db.example.org", true),
        ("db01", false),
        ("xweb01", false),
        ("db.example.org.evil", false),
        ("example.org", false),
        ("", false),
        ("web\n01", false),
        ("web\u{202e}10", false),
        ("web\u{200b}", false),
        ("web⟨U+000A⟩", false),
    ] {
        let signed = host_document(&narrow, &keys, name);
        assert_eq!(signed.is_ok(), allowed, "sign {name:?}");
        // Whoever holds the issuing key can sign anything; whoever verifies must still refuse.
        let mut claims = payload(stage.server.host.document());
        claims["display"] = name.into();
        let verified = narrow.verify_host(&keys.value("assent-host+jws", &claims), NOW);
        assert_eq!(verified.is_ok(), allowed, "verify {name:?}");
        assert!(verified.map_or_else(refused, |_| true), "{name:?}");
    }
    for (identities, allowed) in [
        (vec![alice()], true),
        (vec![identity("EXAMPLE.org", "x")], true),
        (vec![identity("nss@AAAA", "1000")], true),
        (vec![identity("other.example", "x")], false),
        (vec![identity("example.org.evil", "x")], false),
        (vec![alice(), identity("other.example", "x")], false),
        (vec![identity("other.example", "x"), alice()], false),
        (vec![identity("", "x")], false),
        (vec![identity("example.org", "")], false),
    ] {
        let signed = device_document(&narrow, &keys, "phone", identities.clone());
        assert_eq!(signed.is_ok(), allowed, "sign {identities:?}");
        let mut claims = payload(stage.phone.device.document());
        claims["identities"] = serde_json::to_value(&identities).unwrap();
        let verified = narrow.verify_device(&keys.value("assent-dev+jws", &claims), NOW);
        assert_eq!(verified.is_ok(), allowed, "verify {identities:?}");
        assert!(verified.map_or_else(refused, |_| true), "{identities:?}");
    }
    // Where every name is allowed, none is still no name.
    let wide = issuer_document(&stage.root, "narrow", grant(&["*"], &["*"]));
    let wide = stage.trust.verify_issuer(&wide, NOW).unwrap();
    assert!(host_document(&wide, &keys, "anything").is_ok());
    assert!(host_document(&wide, &keys, "").is_err_and(refused));
    assert!(device_document(&wide, &keys, "phone", vec![identity("", "x")]).is_err_and(refused));
    let nothing = issuer_document(&stage.root, "narrow", grant(&[], &[]));
    let nothing = stage.trust.verify_issuer(&nothing, NOW).unwrap();
    assert!(host_document(&nothing, &keys, "web01").is_err_and(refused));
    assert!(device_document(&nothing, &keys, "phone", vec![alice()]).is_err_and(refused));
}

#[test]
fn a_device_has_one_to_eight_identities_that_are_somebody() {
    let stage = Stage::new();
    for (count, allowed) in [
        (0, false),
        (1, true),
        (MAX_IDENTITIES, true),
        (MAX_IDENTITIES + 1, false),
    ] {
        let identities: Vec<_> = (0..count)
            .map(|n| identity("example.org", &format!("id {n}")))
            .collect();
        let signed = device_document(&stage.issuer, &stage.issuer_keys, "phone", identities.clone());
        assert_eq!(signed.is_ok(), allowed, "{count}");
        let mut claims = payload(stage.phone.device.document());
        claims["identities"] = serde_json::to_value(&identities).unwrap();
        let verified = stage
            .issuer
            .verify_device(&stage.issuer_keys.value("assent-dev+jws", &claims), NOW);
        assert_eq!(verified.err(), (!allowed).then_some(CertError::Identities), "{count}");
    }
    for nobody in [identity("", "x"), identity("example.org", ""), identity("", "")] {
        let mut claims = payload(stage.phone.device.document());
        claims["identities"] = json!([alice(), nobody]);
        let verified = stage
            .issuer
            .verify_device(&stage.issuer_keys.value("assent-dev+jws", &claims), NOW);
        assert!(matches!(verified, Err(CertError::NameSpace(_))), "{nobody:?}");
    }
}

#[test]
fn a_certificate_stays_small_whatever_its_holder_calls_it() {
    let stage = Stage::new();
    let token = token();
    let keys = Keys::of("phone");
    let long = text(&"ä".repeat(2048));
    let enrolment = Enrolment::new(&token, &keys.pair, long.clone(), long.clone(), NOW).unwrap();
    let wish = enrolment.verify(token.id, &token.secret).unwrap();
    let owner = |identities, name| assent_proto::cert::DeviceOwner { identities, name };
    let sign = |owner| {
        assent_proto::cert::sign_device(
            &stage.issuer,
            &stage.issuer_keys.pair.sign,
            id("phone"),
            owner,
            (&wish, None),
            crate::stage::issuance(),
        )
    };
    let document = sign(owner(vec![alice()], long.clone())).unwrap();
    let device = stage.issuer.verify_device(&document, NOW).unwrap();
    assert_eq!(device.claims().label.as_str(), "ä".repeat(MAX_LABEL / 2));
    assert_eq!(device.claims().name.as_str(), "ä".repeat(MAX_LABEL / 2));
    assert!(document.len() < MAX_CERTIFICATE);
    let too_much = vec![identity("example.org", long.as_str()); 2];
    assert_eq!(
        sign(owner(too_much, text("alice"))).unwrap_err(),
        CertError::Document(JwsError::TooLong)
    );
}

// --- Time ----------------------------------------------------------------------------------------------------------

#[test]
fn certificates_count_in_their_life_and_two_minutes_around_it() {
    let stage = Stage::new();
    let life = |mut claims: Value| {
        claims["nbf"] = (NOW.0 + 1_000).into();
        claims["exp"] = (NOW.0 + 2_000).into();
        claims
    };
    let issuer = stage
        .root
        .value("assent-issuer+jws", &life(payload(stage.issuer.document())));
    let host = stage
        .issuer_keys
        .value("assent-host+jws", &life(payload(stage.server.host.document())));
    let device = stage
        .issuer_keys
        .value("assent-dev+jws", &life(payload(stage.phone.device.document())));
    for (at, valid) in [
        (1_000, true),
        (1_000 - 120, true),
        (1_000 - 121, false),
        (1_500, true),
        (2_000, true),
        (2_000 + 120, true),
        (2_000 + 121, false),
    ] {
        let now = NOW.plus(at);
        let results = [
            stage.trust.verify_issuer(&issuer, now).map(drop),
            stage.issuer.verify_host(&host, now).map(drop),
            stage.issuer.verify_device(&device, now).map(drop),
        ];
        for result in results {
            assert_eq!(result.is_ok(), valid, "{at}: {result:?}");
            assert!(result.map_or_else(|e| matches!(e, CertError::Time { .. }), |()| true));
        }
    }
    for now in [UnixTime(0), UnixTime(u64::MAX)] {
        assert!(
            matches!(stage.issuer.verify_device(&device, now), Err(CertError::Time { .. })),
            "R81: a clock at {now:?}"
        );
    }
}

/// An agent keeps its issuer in memory for as long as it runs.
#[test]
fn r21_an_issuer_that_has_ended_vouches_for_nobody_any_more() {
    let stage = Stage::new();
    let mut claims = payload(stage.phone.device.document());
    claims["exp"] = (NOW.0 + 1_000 * 86_400).into();
    let device = stage.issuer_keys.value("assent-dev+jws", &claims);
    let mut claims = payload(stage.server.host.document());
    claims["exp"] = (NOW.0 + 1_000 * 86_400).into();
    let host = stage.issuer_keys.value("assent-host+jws", &claims);
    let end = stage.issuer.claims().exp.plus(120);
    assert!(stage.issuer.verify_device(&device, end).is_ok());
    assert!(stage.issuer.verify_host(&host, end).is_ok());
    for late in [end.plus(1), end.plus(100 * 86_400)] {
        let is_issuer = |error| {
            matches!(
                error,
                CertError::Time {
                    what: "issuer certificate",
                    ..
                }
            )
        };
        assert!(stage.issuer.verify_device(&device, late).is_err_and(is_issuer));
        assert!(stage.issuer.verify_host(&host, late).is_err_and(is_issuer));
    }
}

// --- Requests, at the device ---------------------------------------------------------------------------------------

fn verify(ask: &Ask<'_>, delivered: Id, expiry: UnixTime, now: UnixTime) -> Result<VerifiedRequest, RequestError> {
    request::verify(
        &envelope(ask.stage, &ask.request),
        delivered,
        expiry,
        &ask.stage.trust,
        now,
    )
}

#[test]
fn r29_a_good_request_is_drawn_and_names_its_host() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let verified = verify(&ask, ask.statement.id, ask.statement.expiry(), NOW).unwrap();
    assert_eq!(verified.statement, ask.statement);
    assert_eq!(verified.host.claims(), stage.server.host.claims());
    assert_eq!(verified.digest, sha256(&[ask.request.as_bytes()]));
}

#[test]
fn r29_a_request_that_came_as_another_one_is_not_drawn() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let (push, expiry) = (ask.statement.id, ask.statement.expiry());
    assert_eq!(
        verify(&ask, id("other"), expiry, NOW).unwrap_err(),
        RequestError::Delivered
    );
    for wrong in [expiry.plus(1), UnixTime(expiry.0 - 1), UnixTime(0), UnixTime(u64::MAX)] {
        assert_eq!(verify(&ask, push, wrong, NOW).unwrap_err(), RequestError::Bounds);
    }
    let late = verify(&ask, push, expiry, crate::stage::in_days(91)).unwrap_err();
    assert!(matches!(late, RequestError::Chain(CertError::Time { .. })));
}

#[test]
fn r29_a_device_opens_only_what_is_for_itself_and_for_its_owner() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let bob = stage.phone_for("bob's phone", vec![identity("example.org", "2c4d-bob")]);
    let (push, expiry) = (ask.statement.id, ask.statement.expiry());
    let devices = [stage.phone.device.clone(), bob.device.clone()];
    let (host, issuer) = (&stage.server.host, &stage.issuer);
    let sealed = seal_to_devices(&ask.statement, &ask.request, host, issuer, &devices).unwrap();
    let open = |phone: &Phone, blob| {
        let (device, kem) = (phone.device.claims(), &phone.keys.pair.kem);
        request::open(device, kem, push, expiry, blob, &stage.trust, NOW)
    };
    assert_eq!(open(&stage.phone, &sealed[0].1).unwrap().statement, ask.statement);
    // A host may seal alice's login to bob's device; it is not drawn there.
    assert_eq!(
        open(&bob, &sealed[1].1).unwrap_err(),
        RequestError::Identity(ask.statement.identity.clone())
    );
    for (phone, blob) in [(&stage.phone, &sealed[1].1), (&bob, &sealed[0].1)] {
        assert_eq!(open(phone, blob).unwrap_err(), RequestError::Sealed(SealError::Open));
    }
}

#[test]
fn t17_a_host_asks_only_in_its_own_name() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    for (key, value) in [
        ("id", json!(id("db01"))),
        ("display", json!("db01")),
        ("display", json!("Web01")),
        ("display", json!("web01 ")),
    ] {
        let mut statement = payload(&ask.request);
        statement["host"][key] = value;
        let req = stage.server.keys.value("assent-req+jws", &statement);
        let refused = request::verify(
            &envelope(&stage, &req),
            ask.statement.id,
            ask.statement.expiry(),
            &stage.trust,
            NOW,
        );
        assert_eq!(refused.unwrap_err(), RequestError::Host, "{key}");
    }
    // With another host's certificate the signature does not fit, even if the statement names that host.
    let db = stage.server("db01");
    let mut statement = payload(&ask.request);
    statement["host"] = json!({ "id": db.host.claims().host_id, "display": "db01" });
    let envelope = Envelope {
        req: stage.server.keys.value("assent-req+jws", &statement),
        host: db.host.document().to_owned(),
        issuer: stage.issuer.document().to_owned(),
    };
    let refused = request::verify(&envelope, ask.statement.id, ask.statement.expiry(), &stage.trust, NOW);
    assert_eq!(refused.unwrap_err(), RequestError::Document(JwsError::Signer));
}

#[test]
fn r1_r5_a_request_out_of_bounds_is_not_drawn() {
    let stage = Stage::new();
    for (level, digits, ttl, args, fits) in [
        (Level::Tap, 0, TTL, 0, true),
        (Level::Number, 3, TTL, 0, true),
        (Level::Number, 6, TTL, 0, true),
        (Level::Passkey, 0, TTL, 0, true),
        (Level::Tap, 3, TTL, 0, false),
        (Level::Passkey, 6, TTL, 0, false),
        (Level::Number, 0, TTL, 0, false),
        (Level::Number, 1, TTL, 0, false),
        (Level::Number, 4, TTL, 0, false),
        (Level::Number, 255, TTL, 0, false),
        (Level::Tap, 0, 0, 0, false),
        (Level::Tap, 0, 1, 0, true),
        (Level::Tap, 0, 600, 0, true),
        (Level::Tap, 0, 601, 0, false),
        (Level::Tap, 0, u32::MAX, 0, false),
        (Level::Tap, 0, TTL, MAX_ARGS, true),
        (Level::Tap, 0, TTL, MAX_ARGS + 1, false),
    ] {
        let mut details = details(level, digits);
        details.ttl = ttl;
        details.cmd = Some(Command {
            resolved: None,
            args: vec![text("a"); args],
            truncated: false,
            sha256: sha256(&[]),
        });
        let ask = Ask::with(&stage, "push", details, None);
        let verified = verify(&ask, ask.statement.id, ask.statement.expiry(), NOW);
        assert_eq!(
            verified.err(),
            (!fits).then_some(RequestError::Bounds),
            "{level:?} {digits} {ttl} {args}"
        );
    }
}

#[test]
fn r30_a_sealed_request_opens_only_as_its_push_on_its_device_until_its_end() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let devices = [stage.phone.device.clone(), stage.tablet.device.clone()];
    let sealed = seal_to_devices(
        &ask.statement,
        &ask.request,
        &stage.server.host,
        &stage.issuer,
        &devices,
    )
    .unwrap();
    let (phone, tablet) = (stage.phone.id(), stage.tablet.id());
    assert_eq!(
        sealed.iter().map(|(device, _)| *device).collect::<Vec<_>>(),
        [phone, tablet]
    );
    let (push, expiry) = (ask.statement.id, ask.statement.expiry());
    let open = |keys: &Keys, push, device, expiry, blob| {
        seal::open::<Envelope>(
            &keys.pair.kem,
            Purpose::Request,
            &request::seal_context(&push, &device, expiry),
            blob,
        )
    };
    assert_eq!(
        open(&stage.phone.keys, push, phone, expiry, &sealed[0].1).unwrap(),
        envelope(&stage, &ask.request)
    );
    for (what, keys, push, device, expiry, blob) in [
        ("the tablet's box", &stage.phone.keys, push, phone, expiry, &sealed[1].1),
        (
            "the tablet's box as its own",
            &stage.phone.keys,
            push,
            tablet,
            expiry,
            &sealed[1].1,
        ),
        (
            "as another push",
            &stage.phone.keys,
            id("x"),
            phone,
            expiry,
            &sealed[0].1,
        ),
        (
            "as another device",
            &stage.phone.keys,
            push,
            tablet,
            expiry,
            &sealed[0].1,
        ),
        (
            "with another end",
            &stage.phone.keys,
            push,
            phone,
            expiry.plus(1),
            &sealed[0].1,
        ),
    ] {
        assert_eq!(
            open(keys, push, device, expiry, blob).err(),
            Some(SealError::Open),
            "{what}"
        );
    }
}

#[test]
fn r30_what_would_not_open_is_not_sealed() {
    let to = stage_kem();
    for (length, fits) in [(seal::MAX_SEALED - 65 - 16 - 2, true), (seal::MAX_SEALED, false)] {
        // In steps: the longest box is the last whole step below the limit.
        let length = if fits { (length / 512) * 512 - 2 } else { length };
        let sealed = seal::seal(&to.public(), Purpose::Request, "", &"x".repeat(length));
        assert_eq!(sealed.is_ok(), fits, "{length}");
        if let Ok(sealed) = sealed {
            assert!(seal::open::<String>(&to, Purpose::Request, "", &sealed).is_ok());
        }
    }
}

fn stage_kem() -> assent_proto::keys::KemSecret {
    Keys::of("phone").pair.kem
}

// --- Keys ----------------------------------------------------------------------------------------------------------

#[test]
fn r20_a_certificate_with_a_key_off_the_curve_is_no_certificate() {
    let stage = Stage::new();
    let good = Keys::of("mallory").point();
    let compressed = {
        let mut point = good[..33].to_vec();
        point[0] = 2 + (good[64] & 1);
        point
    };
    let mut off = good.clone();
    off[64] ^= 1;
    let mut hybrid = good.clone();
    hybrid[0] = 6 + (good[64] & 1);
    // x beyond the field, and a point of the curve's quadratic twist (x without a y).
    let beyond = [&[4][..], &[0xff; 64]].concat();
    let zero = [&[4][..], &[0; 64]].concat();
    for bad in [
        compressed,
        off,
        hybrid,
        beyond,
        zero,
        vec![0],
        vec![0; 65],
        good[..64].to_vec(),
        [&good[..], &[0]].concat(),
        vec![],
    ] {
        assert!(VerifyingKey::from_point(&bad).is_err());
        assert!(KemPublic::from_point(&bad).is_err());
        for key in ["sign", "kem"] {
            let mut claims = payload(stage.phone.device.document());
            claims[key] = base64(&bad).into();
            let document = stage.issuer_keys.value("assent-dev+jws", &claims);
            let refused = stage.issuer.verify_device(&document, NOW).unwrap_err();
            assert!(
                matches!(refused, CertError::Document(JwsError::Content(_))),
                "{key}: {refused}"
            );
        }
    }
    let mut claims = payload(stage.phone.device.document());
    claims["sign"] = base64(&good).into();
    assert!(
        stage
            .issuer
            .verify_device(&stage.issuer_keys.value("assent-dev+jws", &claims), NOW)
            .is_ok()
    );
}

#[test]
fn a_key_file_holds_scalars_of_exactly_32_bytes() {
    let file = |sign: &[u8], kem: &[u8]| format!(r#"{{"v":1,"sign":"{}","kem":"{}"}}"#, base64(sign), base64(kem));
    let read = |text: String| assent_proto::keys::KeyPair::from_file(&text).is_ok();
    let good = [7; 32];
    assert!(read(file(&good, &good)));
    for bad in [&[7; 31][..], &[7; 24], &[7; 33], &[0; 32], &[0xff; 32], &[]] {
        assert!(!read(file(bad, &good)), "{bad:?}");
        assert!(!read(file(&good, bad)), "{bad:?}");
    }
}

#[test]
fn a_text_is_cut_at_a_character_and_never_over_its_limit() {
    assert_eq!(ShortText::cut_to("aäö".into(), 2).as_str(), "a");
    assert_eq!(ShortText::cut_to("aäö".into(), 3).as_str(), "aä");
    assert_eq!(ShortText::cut_to("x".repeat(9000), 9000).as_str().len(), ShortText::MAX);
}

/// A PAM service of that name on any host must not look like the registrar, nor the registrar ask for logins.
#[test]
fn r28_only_the_registrar_asks_about_devices_and_about_nothing_else() {
    let stage = Stage::new();
    let registrar = stage.server(assent_proto::cert::REGISTRAR_NAME);
    for (server, service, drawn) in [
        (&stage.server, "sshd", true),
        (&stage.server, request::ENROL_SERVICE, false),
        (&registrar, request::ENROL_SERVICE, true),
        (&registrar, "sshd", false),
    ] {
        let mut details = details(Level::Tap, 0);
        details.svc = text(service);
        let statement = request::Statement::new(id("push"), nonce("n"), &server.host, NOW, details);
        let envelope = Envelope {
            req: statement.sign(&server.keys.pair.sign).unwrap(),
            host: server.host.document().to_owned(),
            issuer: stage.issuer.document().to_owned(),
        };
        let seen = request::verify(&envelope, id("push"), statement.expiry(), &stage.trust, NOW).map(drop);
        let expected = if drawn { Ok(()) } else { Err(RequestError::Registrar) };
        assert_eq!(seen, expected, "{service}");
    }
}
