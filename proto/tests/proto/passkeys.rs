//! Level passkey: what an assertion must say, bit by bit, and where it counts.

use crate::stage::{Ask, Keys, NOW, Phone, Stage, alice, base64, details, id, issuance, nonce, text, token};
use assent_proto::answer::Decision;
use assent_proto::cert::{self, DeviceOwner, Level};
use assent_proto::enrol::Enrolment;
use assent_proto::evidence::{self, Answered, Evidence, EvidenceError};
use assent_proto::keys::VerifyingKey;
use assent_proto::passkey::{Assertion, Offered, Passkey, PasskeyError, approval_challenge, relying_party};
use assent_proto::verdict::{Received, Refusal};
use assent_proto::{Bytes, Digest, sha256};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

const ORIGIN: &str = "https://phone.example.org:8443";
const PARTY: &str = "phone.example.org";
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;

/// A security key of the tests' own, written from section 6.3.3 of the standard and not from what is tested.
struct Authenticator {
    key: SigningKey,
    flags: u8,
}

impl Authenticator {
    fn new(name: &str, flags: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&nonce(name).0).unwrap(),
            flags,
        }
    }

    fn public(&self) -> VerifyingKey {
        VerifyingKey::from_point(self.key.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    fn offered(&self) -> Offered {
        Offered {
            cred: Bytes(b"credential".to_vec()),
            key: self.public(),
            origin: text(ORIGIN),
        }
    }

    fn client(challenge: &Digest) -> Value {
        json!({"type": "webauthn.get", "challenge": base64(&challenge.0), "origin": ORIGIN, "crossOrigin": false})
    }

    fn data(&self) -> Vec<u8> {
        let mut data = sha256(&[PARTY.as_bytes()]).0.to_vec();
        data.push(self.flags);
        data.extend(7u32.to_be_bytes());
        data
    }

    fn signs(&self, data: Vec<u8>, client: &str) -> Assertion {
        let signed = [data.as_slice(), &sha256(&[client.as_bytes()]).0].concat();
        let sig: DerSignature = self.key.sign(&signed);
        Assertion {
            auth: Bytes(data),
            client: Bytes(client.as_bytes().to_vec()),
            sig: Bytes(sig.as_bytes().to_vec()),
        }
    }

    fn assert(&self, challenge: &Digest) -> Assertion {
        self.signs(self.data(), &Self::client(challenge).to_string())
    }

    /// A phone whose certificate has this passkey.
    fn phone(&self, stage: &Stage, name: &str) -> Phone {
        let (keys, token) = (Keys::of(name), token());
        let enrolment = Enrolment::new(&token, &keys.pair, text("My phone"), text("test"), NOW).unwrap();
        let enrolment = enrolment
            .with_passkey(&token, &keys.pair, self.offered(), |challenge| self.assert(&challenge))
            .unwrap();
        let wish = enrolment.verify(token.id, &token.secret).unwrap();
        let passkey = enrolment.passkey(&wish).unwrap();
        assert!(passkey.is_some());
        let owner = DeviceOwner {
            identities: vec![alice()],
            name: text("alice"),
        };
        let key = &stage.issuer_keys.pair.sign;
        let document = cert::sign_device(&stage.issuer, key, id(name), owner, (&wish, passkey), issuance()).unwrap();
        Phone {
            device: stage.issuer.verify_device(&document, NOW).unwrap(),
            keys,
        }
    }
}

fn verified() -> Authenticator {
    Authenticator::new("passkey", PRESENT | VERIFIED)
}

fn passkey(authenticator: &Authenticator) -> Passkey {
    let challenge = nonce("enrolment");
    authenticator
        .offered()
        .prove(&challenge, &authenticator.assert(&challenge))
        .unwrap()
}

/// A push at level passkey to a phone with one.
fn ask<'a>(stage: &'a Stage, phone: &Phone) -> Ask<'a> {
    let mut ask = Ask::with(stage, "push", details(Level::Passkey, 0), None);
    ask.devices.push(phone.device.clone());
    ask
}

fn judged(ask: &Ask, phone: &Phone, assertion: Option<Assertion>) -> Result<Level, Refusal> {
    let mut answer = ask.answer(phone, Decision::Approve, None);
    answer.passkey = assertion;
    let blob = ask.seal(phone.id(), answer.sign(&phone.keys.pair.sign).unwrap());
    match ask.judge(phone.id(), &blob) {
        Received::Approved(approved) => Ok(approved.level()),
        Received::Refused { why, .. } => Err(why),
        Received::Ignored { why, .. } => panic!("ignored: {why}"),
    }
}

fn challenge(ask: &Ask, phone: &Phone) -> Digest {
    approval_challenge(&sha256(&[ask.request.as_bytes()]), &phone.id())
}

#[test]
fn r13_the_passkeys_word_and_the_devices_signature_together_approve() {
    let (stage, authenticator) = (Stage::new(), verified());
    let phone = authenticator.phone(&stage, "strong");
    assert_eq!(phone.device.claims().level_max, Level::Passkey);
    let ask = ask(&stage, &phone);
    let right = authenticator.assert(&challenge(&ask, &phone));
    assert_eq!(judged(&ask, &phone, Some(right.clone())), Ok(Level::Passkey));
    // Neither alone: code in the page has the device's keys, and somebody else may have the passkey.
    assert_eq!(judged(&ask, &phone, None), Err(Refusal::Level));
    let mut answer = ask.answer(&phone, Decision::Approve, None);
    answer.passkey = Some(right.clone());
    let forged = answer.sign(&stage.tablet.keys.pair.sign).unwrap();
    assert!(matches!(
        ask.judge(phone.id(), &ask.seal(phone.id(), forged)),
        Received::Ignored { .. }
    ));
    // A device that was certified without one.
    let ask = self::ask(&stage, &stage.phone);
    assert_eq!(judged(&ask, &stage.phone, Some(right)), Err(Refusal::Level));
}

#[test]
fn r13_an_assertion_is_for_one_request_one_device_and_one_key() {
    let (stage, authenticator) = (Stage::new(), verified());
    let phone = authenticator.phone(&stage, "strong");
    let ask = ask(&stage, &phone);
    let refused = |why| Err(Refusal::Passkey(why));
    let other = Ask::with(&stage, "other", details(Level::Passkey, 0), None);
    let of_another = authenticator.assert(&challenge(&other, &phone));
    assert_eq!(judged(&ask, &phone, Some(of_another)), refused(PasskeyError::Challenge));
    let of_another_device = authenticator.assert(&challenge(&ask, &stage.tablet));
    assert_eq!(
        judged(&ask, &phone, Some(of_another_device)),
        refused(PasskeyError::Challenge)
    );
    let stranger = Authenticator::new("another passkey", PRESENT | VERIFIED);
    let of_a_stranger = stranger.assert(&challenge(&ask, &phone));
    assert_eq!(
        judged(&ask, &phone, Some(of_a_stranger)),
        refused(PasskeyError::Signature)
    );
}

#[test]
fn a_passkeys_word_raises_no_answer_at_another_level() {
    let (stage, authenticator) = (Stage::new(), verified());
    let phone = authenticator.phone(&stage, "strong");
    let mut ask = Ask::tap(&stage, "push");
    ask.devices.push(phone.device.clone());
    assert_eq!(judged(&ask, &phone, None), Ok(Level::Tap));
    let word = authenticator.assert(&challenge(&ask, &phone));
    assert_eq!(judged(&ask, &phone, Some(word)), Err(Refusal::Level));
}

#[test]
fn r13_r14_the_flags_say_present_verified_and_the_backup_that_was_certified() {
    let challenge = nonce("challenge");
    for flags in 0..=0xff_u8 {
        let authenticator = Authenticator::new("passkey", flags);
        let made = authenticator
            .offered()
            .prove(&challenge, &authenticator.assert(&challenge))
            .map(|passkey| passkey.synced);
        let expected = if flags & 0xc0 != 0 {
            Err(PasskeyError::AuthenticatorData)
        } else if flags & PRESENT == 0 {
            Err(PasskeyError::NotPresent)
        } else if flags & VERIFIED == 0 {
            Err(PasskeyError::NotVerified)
        } else if flags & (ELIGIBLE | BACKED_UP) == BACKED_UP {
            Err(PasskeyError::Backup)
        } else {
            Ok(flags & ELIGIBLE != 0)
        };
        assert_eq!(made, expected, "{flags:08b}");
    }
    // One that was certified as bound to its device is so for ever, and the other way round.
    for (certified, later, holds) in [
        (0, 0, true),
        (0, ELIGIBLE, false),
        (ELIGIBLE, ELIGIBLE, true),
        (ELIGIBLE, ELIGIBLE | BACKED_UP, true),
        (ELIGIBLE | BACKED_UP, ELIGIBLE, true),
        (ELIGIBLE, 0, false),
    ] {
        let before = Authenticator::new("passkey", PRESENT | VERIFIED | certified);
        let after = Authenticator::new("passkey", PRESENT | VERIFIED | later);
        let verified = passkey(&before).verify(&challenge, &after.assert(&challenge));
        assert_eq!(verified.is_ok(), holds, "{certified:08b} then {later:08b}");
    }
}

#[test]
fn r76_the_client_data_name_the_exact_origin_and_nothing_else_will_do() {
    let (authenticator, challenge) = (verified(), nonce("challenge"));
    let passkey = passkey(&authenticator);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut client = Authenticator::client(&challenge);
        change(&mut client);
        passkey.verify(
            &challenge,
            &authenticator.signs(authenticator.data(), &client.to_string()),
        )
    };
    assert_eq!(with(&|_| ()), Ok(()));
    // Members that a later browser adds are no fault; nor is a browser that says nothing of frames.
    assert_eq!(
        with(&|client| client["other_keys_can_be_added_here"] = "x".into()),
        Ok(())
    );
    assert_eq!(
        with(&|client| drop(client.as_object_mut().unwrap().remove("crossOrigin"))),
        Ok(())
    );
    for origin in [
        "https://phone.example.org",
        "https://phone.example.org:443",
        "http://phone.example.org:8443",
        "https://phone.example.org:8443/",
        "https://PHONE.example.org:8443",
        "https://evil.phone.example.org:8443",
        "https://example.org:8443",
        "https://phone.example.org.evil:8443",
        "",
    ] {
        assert_eq!(
            with(&|client| client["origin"] = origin.into()),
            Err(PasskeyError::Origin),
            "{origin}"
        );
    }
    assert_eq!(
        with(&|client| client["crossOrigin"] = true.into()),
        Err(PasskeyError::CrossOrigin)
    );
    assert_eq!(
        with(&|client| client["topOrigin"] = ORIGIN.into()),
        Err(PasskeyError::CrossOrigin)
    );
    assert_eq!(
        with(&|client| client["type"] = "webauthn.create".into()),
        Err(PasskeyError::Type)
    );
    for wrong in ["", "AAAA", &base64(&[0; 32]), &format!("{}=", base64(&challenge.0))] {
        assert_eq!(
            with(&|client| client["challenge"] = wrong.into()),
            Err(PasskeyError::Challenge),
            "{wrong}"
        );
    }
    let twice = Authenticator::client(&challenge)
        .to_string()
        .replacen('{', "{\"origin\":\"https://evil.example\",", 1);
    for text in ["", "{}", "[]", "null", &twice] {
        let assertion = authenticator.signs(authenticator.data(), text);
        assert_eq!(
            passkey.verify(&challenge, &assertion),
            Err(PasskeyError::ClientData),
            "{text}"
        );
    }
    let mut long = Authenticator::client(&challenge);
    long["more"] = "x".repeat(2048).into();
    let assertion = authenticator.signs(authenticator.data(), &long.to_string());
    assert_eq!(passkey.verify(&challenge, &assertion), Err(PasskeyError::ClientData));
}

#[test]
fn the_authenticator_data_are_for_this_party_and_have_nothing_behind_them() {
    let (authenticator, challenge) = (verified(), nonce("challenge"));
    let passkey = passkey(&authenticator);
    let client = Authenticator::client(&challenge).to_string();
    let with = |data: Vec<u8>| passkey.verify(&challenge, &authenticator.signs(data, &client));
    assert_eq!(with(authenticator.data()), Ok(()));
    let mut longer = authenticator.data();
    longer.push(0);
    for data in [Vec::new(), authenticator.data()[..36].to_vec(), longer] {
        assert_eq!(with(data), Err(PasskeyError::AuthenticatorData));
    }
    for party in ["example.org", "phone.example.org:8443", ORIGIN] {
        let mut data = authenticator.data();
        data[..32].copy_from_slice(&sha256(&[party.as_bytes()]).0);
        assert_eq!(with(data), Err(PasskeyError::RelyingParty), "{party}");
    }
}

#[test]
fn r76_an_origin_is_bare_https_with_a_name_and_its_party_is_the_whole_host() {
    for (origin, party) in [
        ("https://phone.example.org", Some("phone.example.org")),
        ("https://phone.example.org:8443", Some("phone.example.org")),
        ("https://localhost:1", Some("localhost")),
        ("https://xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("http://localhost:8080", Some("localhost")),
        ("http://localhost", Some("localhost")),
        ("http://localhost.example.org", None),
        ("http://phone.example.org", None),
        ("https://", None),
        ("https://:443", None),
        ("https://phone.example.org/", None),
        ("https://user@phone.example.org", None),
        ("https://phone.example.org:", None),
        ("https://phone.example.org:+1", None),
        ("https://phone.example.org:08443", None),
        ("https://phone.example.org:65536", None),
        ("https://Phone.example.org", None),
        ("https://phone.example.org.", None),
        ("https://127.0.0.1", None),
        ("https://[::1]", None),
    ] {
        assert_eq!(relying_party(origin), party, "{origin}");
    }
}

#[test]
fn r26_a_wish_and_its_passkeys_proof_belong_together() {
    let (authenticator, keys, token) = (verified(), Keys::of("phone"), token());
    let plain = Enrolment::new(&token, &keys.pair, text("phone"), text("test"), NOW).unwrap();
    let wish = plain.verify(token.id, &token.secret).unwrap();
    assert_eq!(plain.passkey(&wish), Ok(None));
    let right = plain
        .clone()
        .with_passkey(&token, &keys.pair, authenticator.offered(), |c| {
            authenticator.assert(&c)
        })
        .unwrap();
    let wish = right.verify(token.id, &token.secret).unwrap();
    assert!(right.passkey(&wish).unwrap().is_some());
    let unproven = Enrolment {
        passkey: None,
        ..right.clone()
    };
    assert_eq!(unproven.passkey(&wish), Err(PasskeyError::Offer));
    let unasked = Enrolment {
        passkey: right.passkey.clone(),
        ..plain.clone()
    };
    let plain_wish = plain.verify(token.id, &token.secret).unwrap();
    assert_eq!(unasked.passkey(&plain_wish), Err(PasskeyError::Offer));
    // The proof of another wish, or by another key.
    let other = Enrolment::new(&token, &keys.pair, text("tablet"), text("test"), NOW)
        .unwrap()
        .with_passkey(&token, &keys.pair, authenticator.offered(), |c| {
            authenticator.assert(&c)
        })
        .unwrap();
    let swapped = Enrolment {
        passkey: other.passkey,
        ..right.clone()
    };
    assert_eq!(swapped.passkey(&wish), Err(PasskeyError::Challenge));
    let stranger = Authenticator::new("stranger", PRESENT | VERIFIED);
    let stolen = plain
        .with_passkey(&token, &keys.pair, authenticator.offered(), |c| stranger.assert(&c))
        .unwrap();
    let wish = stolen.verify(token.id, &token.secret).unwrap();
    assert_eq!(stolen.passkey(&wish), Err(PasskeyError::Signature));
    for cred in [Vec::new(), vec![0; 513]] {
        let offered = Offered {
            cred: Bytes(cred),
            ..authenticator.offered()
        };
        let challenge = nonce("challenge");
        let proven = offered.prove(&challenge, &authenticator.assert(&challenge));
        assert_eq!(proven, Err(PasskeyError::Offer));
    }
}

#[test]
fn r13_what_is_kept_of_an_approval_by_passkey_verifies_later_and_nothing_less_does() {
    let (stage, authenticator) = (Stage::new(), verified());
    let phone = authenticator.phone(&stage, "strong");
    let ask = ask(&stage, &phone);
    let kept = |assertion: Option<Assertion>| {
        let mut answer = ask.answer(&phone, Decision::Approve, None);
        answer.passkey = assertion;
        let evidence = Evidence {
            request: ask.request.clone(),
            host: stage.server.host.document().to_owned(),
            issuers: vec![stage.issuer.document().to_owned()],
            revocations: Some(7),
            answered: Some(Answered {
                answer: answer.sign(&phone.keys.pair.sign).unwrap(),
                device: phone.device.document().to_owned(),
            }),
        };
        evidence::verify(&evidence, &stage.trust).map(|proven| (proven.is_approved(), proven.level()))
    };
    let right = authenticator.assert(&challenge(&ask, &phone));
    assert_eq!(kept(Some(right)), Ok((true, Level::Passkey)));
    assert_eq!(kept(None), Err(EvidenceError::Level));
    let wrong = authenticator.assert(&nonce("another"));
    assert_eq!(kept(Some(wrong)), Err(EvidenceError::Level));
}

/// A request of a site that wants the lock: the level's own demand, and the passkey's word besides.
fn locked<'a>(stage: &'a Stage, phone: &Phone, level: Level) -> Ask<'a> {
    let (digits, number) = match level {
        Level::Number => (3, Some("482")),
        Level::Tap | Level::Passkey => (0, None),
    };
    let mut details = details(level, digits);
    details.lock = true;
    let mut ask = Ask::with(stage, "locked", details, number);
    ask.devices.push(phone.device.clone());
    ask
}

#[test]
fn r13_a_locked_tap_or_number_takes_the_passkeys_word_and_what_its_level_asks() {
    let (stage, authenticator) = (Stage::new(), verified());
    let phone = authenticator.phone(&stage, "strong");
    let says = |ask: &Ask, phone: &Phone, num: Option<&str>, assertion: Option<Assertion>| {
        let mut answer = ask.answer(phone, Decision::Approve, num);
        answer.passkey = assertion;
        let blob = ask.seal(phone.id(), answer.sign(&phone.keys.pair.sign).unwrap());
        let live = match ask.judge(phone.id(), &blob) {
            Received::Approved(approved) => Ok(approved.level()),
            Received::Refused { why, .. } => Err(why),
            Received::Ignored { why, .. } => panic!("ignored: {why}"),
        };
        // What is kept of it says the same later, but for the number itself, which is kept nowhere.
        let evidence = Evidence {
            request: ask.request.clone(),
            host: stage.server.host.document().to_owned(),
            issuers: vec![stage.issuer.document().to_owned()],
            revocations: Some(7),
            answered: Some(Answered {
                answer: answer.sign(&phone.keys.pair.sign).unwrap(),
                device: phone.device.document().to_owned(),
            }),
        };
        let later = evidence::verify(&evidence, &stage.trust).map(|proven| proven.is_approved());
        (live, later)
    };
    let low = || Err(EvidenceError::Level);
    let tap = locked(&stage, &phone, Level::Tap);
    let right = authenticator.assert(&challenge(&tap, &phone));
    assert_eq!(
        says(&tap, &phone, None, Some(right.clone())),
        (Ok(Level::Tap), Ok(true))
    );
    assert_eq!(
        says(&tap, &phone, None, None),
        (Err(Refusal::Level), low()),
        "a tap of before"
    );
    let wrong = authenticator.assert(&nonce("another"));
    assert_eq!(
        says(&tap, &phone, None, Some(wrong)),
        (Err(Refusal::Passkey(PasskeyError::Challenge)), low())
    );
    assert_eq!(says(&tap, &stage.phone, None, None), (Err(Refusal::Level), low()));
    assert_eq!(
        says(&tap, &stage.phone, None, Some(right)),
        (Err(Refusal::Level), low())
    );
    let unseen = Authenticator::new("passkey", PRESENT).assert(&challenge(&tap, &phone));
    assert_eq!(
        says(&tap, &phone, None, Some(unseen)),
        (Err(Refusal::Passkey(PasskeyError::NotVerified)), low())
    );

    let number = locked(&stage, &phone, Level::Number);
    let right = authenticator.assert(&challenge(&number, &phone));
    let both = says(&number, &phone, Some("482"), Some(right.clone()));
    assert_eq!(both, (Ok(Level::Number), Ok(true)));
    assert_eq!(says(&number, &phone, Some("482"), None), (Err(Refusal::Level), low()));
    assert_eq!(
        says(&number, &phone, Some("483"), Some(right.clone())).0,
        Err(Refusal::Number)
    );
    assert_eq!(says(&number, &phone, None, Some(right)), (Err(Refusal::Number), low()));
    // Who denies needs neither.
    assert!(matches!(
        tap.judge(
            phone.id(),
            &tap.seal(phone.id(), tap.signed(&phone, Decision::Deny, None))
        ),
        Received::Refused {
            why: Refusal::Denied,
            ..
        }
    ));
}

#[test]
fn a_request_without_the_lock_reads_as_it_did_before_there_was_one() {
    let (stage, authenticator) = (Stage::new(), verified());
    let phone = authenticator.phone(&stage, "strong");
    let payload = |ask: &Ask| serde_json::to_string(&ask.statement).unwrap();
    assert!(!payload(&ask(&stage, &phone)).contains("lock"));
    assert!(payload(&locked(&stage, &phone, Level::Tap)).contains("\"lock\":true"));
}

/// Signed by others: the standard's own vectors (tests/webauthn).
#[test]
fn r13_the_standards_vectors_are_judged_as_they_should_be() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../webauthn/assertions.json")).unwrap();
    let mut judged = Vec::new();
    for vector in &vectors {
        let bytes = |name: &str| Bytes(crate::stage::unbase64(vector[name].as_str().unwrap()));
        let assertion = Assertion {
            auth: bytes("auth"),
            client: bytes("client"),
            sig: bytes("sig"),
        };
        let offered = Offered {
            cred: Bytes(vec![1]),
            key: VerifyingKey::from_point(&bytes("key").0).unwrap(),
            origin: text("https://example.org"),
        };
        let challenge = Digest::decode(vector["challenge"].as_str().unwrap()).unwrap();
        judged.push(offered.prove(&challenge, &assertion).map(|passkey| passkey.synced));
        let other = offered.prove(&nonce("another"), &assertion);
        assert_eq!(other, Err(PasskeyError::Challenge), "{vector}");
    }
    let count = |wanted: Result<bool, PasskeyError>| judged.iter().filter(|one| **one == wanted).count();
    assert_eq!(count(Ok(true)), 3);
    assert_eq!(count(Err(PasskeyError::NotVerified)), 5);
    assert_eq!(count(Err(PasskeyError::CrossOrigin)), 2);
}

proptest! {
    /// No change of any byte of an assertion leaves it right.
    #[test]
    fn r19_any_altered_byte_of_an_assertion_is_noticed(part in 0..3usize, at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (authenticator, challenge) = (verified(), nonce("challenge"));
        let passkey = passkey(&authenticator);
        let mut assertion = authenticator.assert(&challenge);
        let bytes = match part {
            0 => &mut assertion.auth.0,
            1 => &mut assertion.client.0,
            _ => &mut assertion.sig.0,
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(passkey.verify(&challenge, &assertion).is_err());
    }
}
