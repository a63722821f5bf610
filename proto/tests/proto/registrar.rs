//! Calls to the registrar and their replies, tokens and enrolments, and the relay's claims.

use crate::stage::{Keys, NOW, Stage, alice, base64, id, issuance, nonce, payload, text, token};
use assent_proto::cert::{self, DeviceOwner};
use assent_proto::enrol::{Enrolment, OneTimeSecret, Token, short_fingerprint};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{
    Ask, CallError, DeviceAsk, DeviceCall, DeviceWant, EnrolmentState, HostAsk, HostJoin, HostWant, MyDevice, OpenCall,
    ReceivedCall, Refused, Reply, Sealed, call, receive,
};
use assent_proto::relay::{CLAIM_SKEW, CLAIM_TTL, Claim};
use assent_proto::roots::RootSet;
use assent_proto::seal::{self, Purpose, SealError};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Digest, JwsError, Nonce, sha256};
use serde_json::{Value, json};

const RELAY: &str = "https://relay.example.org";

fn host_call(stage: &Stage, n: &str) -> Ask {
    let want = HostWant::Devices { identity: alice() };
    let signed = HostAsk::sign(&stage.server.keys.pair.sign, id("web01"), id(n), NOW, want).unwrap();
    Ask::Host { signed }
}

/// A call of the host, as sent, as remembered, and as the registrar opened it.
fn asked(stage: &Stage, n: &str) -> (Sealed, OpenCall, ReceivedCall) {
    let (sealed, open) = call(&stage.issuer, &stage.server.host.claims().kem, host_call(stage, n)).unwrap();
    let received = receive(&stage.issuer_keys.pair, &sealed).unwrap();
    (sealed, open, received)
}

fn devices(stage: &Stage) -> Reply {
    Reply::Devices {
        devices: vec![stage.phone.device.document().to_owned()],
    }
}

fn host_kem(stage: &Stage) -> &assent_proto::keys::KemSecret {
    &stage.server.keys.pair.kem
}

#[test]
fn a_call_reaches_the_registrar_and_its_reply_the_caller() {
    let stage = Stage::new();
    let (sealed, open, received) = asked(&stage, "one");
    assert_eq!(sealed.issuer, stage.issuer_keys.public().id());
    let Ask::Host { signed } = &received.ask else { panic!() };
    let ask = HostAsk::verify(signed, &stage.server.host).unwrap();
    assert!(matches!(ask.what, HostWant::Devices { identity } if identity == alice()));
    let reply = received.reply(&stage.issuer_keys.pair, devices(&stage), NOW).unwrap();
    assert_eq!(open.reply(host_kem(&stage), &reply).unwrap(), devices(&stage));
}

#[test]
fn t3_a_call_opens_for_the_registrar_alone_and_unaltered() {
    let stage = Stage::new();
    let (sealed, _, _) = asked(&stage, "one");
    for keys in [&stage.server.keys, &stage.phone.keys, &Keys::of("issuer two")] {
        assert_eq!(
            receive(&keys.pair, &sealed).err(),
            Some(CallError::Seal(SealError::Open))
        );
    }
    // The sealing key of the issuer beside another signing key: the context names the signing key.
    let mixed = KeyPair {
        sign: Keys::of("mallory").pair.sign,
        kem: Keys::of("issuer").pair.kem,
    };
    assert_eq!(receive(&mixed, &sealed).err(), Some(CallError::Seal(SealError::Open)));
    for at in (0..sealed.blob.0.len()).step_by(7) {
        let mut altered = sealed.clone();
        altered.blob.0[at] ^= 0x10;
        assert_eq!(
            receive(&stage.issuer_keys.pair, &altered).err(),
            Some(CallError::Seal(SealError::Open)),
            "byte {at}"
        );
    }
}

#[test]
fn t3_a_reply_to_another_call_is_refused_and_swapped_replies_too() {
    let stage = Stage::new();
    let (_, one, received_one) = asked(&stage, "one");
    let (_, two, received_two) = asked(&stage, "two");
    let reply_one = received_one
        .reply(&stage.issuer_keys.pair, devices(&stage), NOW)
        .unwrap();
    let reply_two = received_two
        .reply(&stage.issuer_keys.pair, Reply::Devices { devices: vec![] }, NOW)
        .unwrap();
    assert_eq!(
        one.reply(host_kem(&stage), &reply_two),
        Err(CallError::Seal(SealError::Open))
    );
    assert_eq!(
        two.reply(host_kem(&stage), &reply_one),
        Err(CallError::Seal(SealError::Open))
    );
    // The very same question twice is two calls: an old reply never answers the new one.
    let (first, open_first, _) = asked(&stage, "same");
    let (second, open_second, received) = asked(&stage, "same");
    assert_ne!(first.blob, second.blob);
    let reply = received.reply(&stage.issuer_keys.pair, devices(&stage), NOW).unwrap();
    assert_eq!(
        open_first.reply(host_kem(&stage), &reply),
        Err(CallError::Seal(SealError::Open))
    );
    assert!(open_second.reply(host_kem(&stage), &reply).is_ok());
}

/// What an evil relay could seal itself: it knows the caller's public key and the call's digest, but no signing key.
fn forged(to: &Stage, digest: Digest, document: String) -> Sealed {
    let kem = &to.server.host.claims().kem;
    let blob = seal::seal(
        kem,
        Purpose::RegistrarReply,
        &digest.encode(),
        &json!({ "reply": document }),
    )
    .unwrap();
    Sealed {
        issuer: to.issuer_keys.public().id(),
        blob,
    }
}

#[test]
fn t3_a_reply_counts_only_under_the_issuers_signature_and_for_its_call() {
    let stage = Stage::new();
    let content = |re: Digest| json!({ "v": 1, "re": re, "at": NOW, "reply": { "devices": { "devices": [] } } });
    let typ = "assent-reg-reply+jws";
    let issuer = &stage.issuer_keys;
    let try_it = |make: &dyn Fn(Digest) -> String| {
        let (sealed, open, _) = asked(&stage, "one");
        let digest = sha256(&[&sealed.blob.0]);
        open.reply(host_kem(&stage), &forged(&stage, digest, make(digest)))
    };
    assert_eq!(
        try_it(&|re| issuer.value(typ, &content(re))),
        Ok(Reply::Devices { devices: vec![] })
    );

    let mallory = Keys::of("mallory");
    for signer in [&mallory, &stage.server.keys, &stage.phone.keys, &stage.root] {
        let refused = try_it(&|re| signer.value(typ, &content(re)));
        assert_eq!(refused, Err(CallError::Document(JwsError::Signer)));
        let refused = try_it(&|re| signer.jws(&issuer.header(typ), content(re).to_string().as_bytes()));
        assert_eq!(refused, Err(CallError::Document(JwsError::Signature)));
    }
    assert_eq!(
        try_it(&|_| issuer.value(typ, &content(nonce("another call")))),
        Err(CallError::OtherCall)
    );
    for other in ["assent-dev+jws", "assent-host+jws", "assent-req+jws"] {
        assert_eq!(
            try_it(&|re| issuer.value(other, &content(re))),
            Err(CallError::Document(JwsError::Header)),
            "{other}"
        );
    }
    let odd: [fn(&mut Value); 6] = [
        |content| content["v"] = 2.into(),
        |content| content["more"] = 1.into(),
        |content| content["reply"] = json!({ "devices": { "devices": [], "more": 1 } }),
        |content| content["reply"] = json!({ "approved": {} }),
        |content| {
            content["reply"] = json!({ "devices": { "devices": [] }, "refused": { "code": "token", "text": "" } });
        },
        |content| content["reply"] = json!({ "enrolment": { "digits": { "label": "x", "tries": 256 } } }),
    ];
    for change in odd {
        let refused = try_it(&|re| {
            let mut content = content(re);
            change(&mut content);
            issuer.value(typ, &content)
        });
        assert!(
            matches!(refused, Err(CallError::Document(JwsError::Content(_)))),
            "{refused:?}"
        );
    }
}

#[test]
fn a_reply_opens_for_its_caller_alone() {
    let stage = Stage::new();
    let (_, open, received) = asked(&stage, "one");
    let reply = received.reply(&stage.issuer_keys.pair, devices(&stage), NOW).unwrap();
    assert_eq!(
        open.reply(&stage.phone.keys.pair.kem, &reply),
        Err(CallError::Seal(SealError::Open))
    );
    // A call sent back as its own reply.
    let (sealed, open, _) = asked(&stage, "two");
    assert_eq!(
        open.reply(host_kem(&stage), &sealed),
        Err(CallError::Seal(SealError::Open))
    );
    let (_, open, _) = asked(&stage, "three");
    let nothing = Sealed {
        blob: Bytes(vec![]),
        ..reply
    };
    assert_eq!(
        open.reply(host_kem(&stage), &nothing),
        Err(CallError::Seal(SealError::Open))
    );
}

#[test]
fn every_reply_survives_the_way() {
    let stage = Stage::new();
    let device = stage.phone.device.document().to_owned();
    let digits = EnrolmentState::Digits {
        label: text("My phone"),
        tries: 3,
        n: Nonce::random().unwrap(),
    };
    for reply in [
        Reply::HostCertified {
            host: stage.server.host.document().to_owned(),
        },
        Reply::EnrolmentOpen { until: NOW },
        Reply::Enrolment(EnrolmentState::Waiting),
        Reply::Enrolment(digits),
        Reply::Enrolment(EnrolmentState::Approval { until: NOW }),
        Reply::Enrolment(EnrolmentState::Certified { device: device.clone() }),
        Reply::Enrolment(EnrolmentState::Over),
        Reply::LinkOpen {
            until: NOW,
            panel: text("https://push.example.org/panel/"),
        },
        Reply::MyDevices {
            devices: vec![MyDevice {
                device: device.clone(),
                label: text("Old phone"),
                since: NOW,
            }],
        },
        Reply::Left,
        Reply::Noted,
        Reply::DeviceCertified { device },
        Reply::Refused {
            code: Refused::HasDevice,
            text: text("no"),
        },
    ] {
        let (_, open, received) = asked(&stage, "one");
        let sealed = received.reply(&stage.issuer_keys.pair, reply.clone(), NOW).unwrap();
        assert_eq!(open.reply(host_kem(&stage), &sealed).unwrap(), reply);
    }
}

/// A user whose devices did not fit into one reply could not log in any more.
#[test]
fn a_reply_holds_as_many_devices_as_a_push_may_address() {
    let stage = Stage::new();
    let long = identity_of_a_directory();
    let certificate = stage.phone_for("phone", vec![long; 8]).device.document().to_owned();
    assert!(certificate.len() > 1200, "{}", certificate.len());
    let reply = Reply::Devices {
        devices: vec![certificate; assent_proto::relay::MAX_DEVICES],
    };
    let (_, open, received) = asked(&stage, "one");
    let sealed = received.reply(&stage.issuer_keys.pair, reply.clone(), NOW).unwrap();
    assert_eq!(open.reply(host_kem(&stage), &sealed).unwrap(), reply);
    // And beyond all measure it is an error of the registrar, not a reply that its caller cannot read.
    let (_, _, received) = asked(&stage, "two");
    let endless = Reply::Devices {
        devices: vec!["x".repeat(4096); 12],
    };
    assert_eq!(
        received.reply(&stage.issuer_keys.pair, endless, NOW).err(),
        Some(CallError::Document(JwsError::TooLong))
    );
}

fn identity_of_a_directory() -> cert::Identity {
    crate::stage::identity("directory.corp.example.org", "7d4f9c52-1c2b-4b1e-9f0e-0a1b2c3d4e5f")
}

// --- Who calls -----------------------------------------------------------------------------------------------------

#[test]
fn r28_a_host_asks_only_as_itself() {
    let stage = Stage::new();
    let db = stage.server("db01");
    let sign = |keys: &Keys, host| {
        let want = HostWant::Devices { identity: alice() };
        HostAsk::sign(&keys.pair.sign, host, id("n"), NOW, want).unwrap()
    };
    let own = sign(&stage.server.keys, id("web01"));
    assert!(HostAsk::verify(&own, &stage.server.host).is_ok());
    assert_eq!(HostAsk::claimed_key(&own).unwrap(), stage.server.keys.public().id());
    let as_db = sign(&stage.server.keys, id("db01"));
    for (signed, host) in [(&as_db, &stage.server.host), (&as_db, &db.host), (&own, &db.host)] {
        assert_eq!(HostAsk::verify(signed, host).err(), Some(JwsError::Signer));
    }
}

#[test]
fn a_device_asks_only_with_its_own_key() {
    let stage = Stage::new();
    let signed = DeviceAsk::sign(&stage.phone.keys.pair.sign, id("token"), id("n"), NOW).unwrap();
    assert_eq!(
        DeviceAsk::verify(&signed, &stage.phone.keys.public()).unwrap().token_id,
        id("token")
    );
    assert_eq!(DeviceAsk::claimed_key(&signed).unwrap(), stage.phone.keys.public().id());
    assert_eq!(
        DeviceAsk::verify(&signed, &stage.tablet.keys.public()).err(),
        Some(JwsError::Signer)
    );
}

#[test]
fn a_claim_is_for_one_relay_one_key_and_a_short_time() {
    let stage = Stage::new();
    let keys = &stage.server.keys;
    let bearer = Claim::sign(&keys.pair.sign, RELAY, id("web01"), NOW).unwrap();
    let claim = Claim::verify(&bearer, &keys.public(), RELAY).unwrap();
    assert_eq!((claim.sub, claim.iat), (id("web01"), NOW));
    for other in [
        "https://other.example.org",
        "https://relay.example.org/",
        "http://relay.example.org",
        "HTTPS://relay.example.org",
        "",
    ] {
        assert!(
            matches!(Claim::verify(&bearer, &keys.public(), other), Err(JwsError::Content(_))),
            "{other}"
        );
    }
    assert_eq!(
        Claim::verify(&bearer, &stage.phone.keys.public(), RELAY),
        Err(JwsError::Signer)
    );
    for (at, fresh) in [
        (NOW, true),
        (UnixTime(NOW.0 - CLAIM_SKEW), true),
        (UnixTime(NOW.0 - CLAIM_SKEW - 1), false),
        (NOW.plus(CLAIM_TTL + CLAIM_SKEW), true),
        (NOW.plus(CLAIM_TTL + CLAIM_SKEW + 1), false),
        (UnixTime(0), false),
        (UnixTime(u64::MAX), false),
    ] {
        assert_eq!(claim.fresh(at), fresh, "{at:?}");
    }
    let timeless = keys.value(
        "assent-relay-auth+jws",
        &json!({ "v": 1, "aud": RELAY, "sub": id("web01"), "iat": u64::MAX }),
    );
    assert!(!Claim::verify(&timeless, &keys.public(), RELAY).unwrap().fresh(NOW));
}

// --- Tokens --------------------------------------------------------------------------------------------------------

#[test]
fn a_token_is_read_in_its_one_form() {
    let good = token().to_text().to_string();
    let parts: Vec<&str> = good.split('.').collect();
    let [_, name, secret, root] = parts[..] else { panic!() };
    assert!(
        good.len() <= 70,
        "R25: it must fit a small QR code, and has {}",
        good.len()
    );
    for (text, reads) in [
        (good.clone(), true),
        (format!(" {good}\n"), true),
        (String::new(), false),
        ("1".into(), false),
        ("1...".into(), false),
        (format!("2.{name}.{secret}.{root}"), false),
        (format!("01.{name}.{secret}.{root}"), false),
        (format!("{name}.{secret}.{root}"), false),
        (format!("1.{name}.{secret}"), false),
        (format!("1.{name}.{secret}."), false),
        (format!("1.{name}.{secret}.{root}."), false),
        (format!("1.{name}.{secret}.{root}.{root}"), false),
        (format!("1.{name}.{secret}.{root}=="), false),
        (format!("1.{name}.{secret}.{root}A"), false),
        (format!("1.{name}. {secret}.{root}"), false),
        (format!("1.{name}.{}.{root}", &secret[1..]), false),
        (format!("1.{name}.{}.{root}", base64(&[1; 17])), false),
        (format!("1.{name}.{}.{root}", base64(&[1; 32])), false),
        (format!("1.{name}.{}!.{root}", &secret[1..]), false),
        // The same bytes spelled with an unused bit.
        (format!("1.{name}.{}B.{root}", "A".repeat(21)), false),
        (format!("1.{name}.{}.{root}", "A".repeat(22)), true),
        (good.replace('.', ","), false),
        (good.to_uppercase(), false),
    ] {
        assert_eq!(Token::from_text(&text).is_ok(), reads, "{text:?}");
    }
    let again = Token::from_text(&good).unwrap();
    assert_eq!(*again.to_text(), good);
}

#[test]
fn r23_a_token_names_the_root_that_its_holder_will_trust() {
    let (root, evil) = (Keys::of("root").public(), Keys::of("evil root").public());
    let token = Token::random(&RootSet::of_key(root.clone())).unwrap();
    assert_eq!(token.choose_root(&[evil.clone(), root.clone()]), Some(&root));
    assert_eq!(token.choose_root(&[evil]), None);
    assert_eq!(token.choose_root(&[]), None);
    assert_eq!(short_fingerprint(&root).0[..], root.id().0[..16]);
}

#[test]
fn r44_a_secret_shows_itself_to_no_debugger() {
    let token = token();
    let secret = token.to_text().split('.').nth(2).unwrap().to_owned();
    let open = HostWant::OpenEnrolment {
        token_id: token.id,
        secret: token.secret.clone(),
        owner: DeviceOwner {
            identities: vec![alice()],
            name: text("alice"),
        },
    };
    for shown in [format!("{token:?}"), format!("{open:?}")] {
        assert!(!shown.contains(&secret), "{shown}");
    }
}

// --- Enrolment -----------------------------------------------------------------------------------------------------

#[test]
fn r26_the_relay_cannot_swap_the_keys_of_an_enrolment() {
    let stage = Stage::new();
    let token = token();
    let keys = &stage.phone.keys.pair;
    let enrolment = Enrolment::new(&token, keys, text("phone"), text("test"), NOW).unwrap();
    let verified = enrolment.verify(token.id, &token.secret).unwrap();
    assert_eq!((verified.sign, verified.kem), (keys.sign.public(), keys.kem.public()));
    assert_eq!(enrolment.token_id().unwrap(), token.id);

    let other_token = Token::random(&RootSet::of_key(stage.root.public())).unwrap();
    assert!(
        enrolment.verify(token.id, &other_token.secret).is_none(),
        "another secret"
    );
    assert!(
        enrolment.verify(other_token.id, &token.secret).is_none(),
        "another token"
    );
    let other = Enrolment::new(&other_token, keys, text("phone"), text("test"), NOW).unwrap();
    assert!(other.verify(token.id, &token.secret).is_none());

    // The relay's own keys, with the proof of the phone or with one under a secret it guesses.
    let mallory = Keys::of("mallory");
    let mut claims = payload(&enrolment.request);
    claims["sign"] = serde_json::to_value(mallory.public()).unwrap();
    claims["kem"] = serde_json::to_value(mallory.pair.kem.public()).unwrap();
    let swapped = mallory.value("assent-dev-req+jws", &claims);
    let forged = Enrolment {
        request: swapped,
        mac: enrolment.mac,
        passkey: None,
    };
    assert!(forged.token_id().is_ok(), "it is well signed, and that is not enough");
    assert!(forged.verify(token.id, &token.secret).is_none());
    let guessed = Token {
        secret: OneTimeSecret::random().unwrap(),
        ..token.clone()
    };
    let guessed = Enrolment::new(&guessed, &mallory.pair, text("phone"), text("test"), NOW).unwrap();
    assert!(guessed.verify(token.id, &token.secret).is_none());

    // Whoever knows the secret but not the key in the request: it must be signed by the key that stands in it.
    let mut claims = payload(&enrolment.request);
    claims["kem"] = serde_json::to_value(mallory.pair.kem.public()).unwrap();
    let request = mallory.value("assent-dev-req+jws", &claims);
    let mac = mac_of(&token, "assent/1 enrol", &request);
    let passkey = None;
    assert!(
        Enrolment { request, mac, passkey }
            .verify(token.id, &token.secret)
            .is_none()
    );
    // The check of the check: the same way of making a MAC is right for a right request.
    let mac = mac_of(&token, "assent/1 enrol", &enrolment.request);
    assert_eq!(mac, enrolment.mac);
}

/// The MAC, made again from its description: HMAC-SHA256 under HKDF-SHA256(secret, no salt, purpose).
fn mac_of(token: &Token, purpose: &str, message: &str) -> Digest {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let secret = crate::stage::unbase64(token.to_text().split('.').nth(2).unwrap());
    let mut key = [0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(None, &secret)
        .expand(purpose.as_bytes(), &mut key)
        .unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(message.as_bytes());
    Digest::decode(&base64(&mac.finalize().into_bytes())).unwrap()
}

#[test]
fn r26_any_altered_byte_of_an_enrolment_is_noticed() {
    let token = token();
    let keys = Keys::of("phone").pair;
    let enrolment = Enrolment::new(&token, &keys, text("phone"), text("test"), NOW).unwrap();
    for at in 0..enrolment.request.len() {
        let mut bytes = enrolment.request.clone().into_bytes();
        bytes[at] ^= 1;
        let altered = Enrolment {
            request: String::from_utf8(bytes).unwrap(),
            mac: enrolment.mac,
            passkey: None,
        };
        assert!(altered.verify(token.id, &token.secret).is_none(), "byte {at}");
    }
    for at in 0..32 {
        let mut altered = enrolment.clone();
        altered.mac.0[at] ^= 1;
        assert!(altered.verify(token.id, &token.secret).is_none(), "MAC byte {at}");
    }
}

#[test]
fn r21_a_device_s_proof_is_no_host_s_and_the_other_way_round() {
    let token = token();
    let keys = Keys::of("phone").pair;
    let enrolment = Enrolment::new(&token, &keys, text("phone"), text("test"), NOW).unwrap();
    let join = HostJoin::new(&token, &keys, text("web01"), NOW).unwrap();
    assert!(join.verify(token.id, &token.secret).is_some());
    let as_join = |request: &str, mac| HostJoin {
        request: request.to_owned(),
        mac,
    };
    let as_enrolment = |request: &str, mac| Enrolment {
        request: request.to_owned(),
        mac,
        passkey: None,
    };
    assert!(
        as_join(&enrolment.request, enrolment.mac)
            .verify(token.id, &token.secret)
            .is_none()
    );
    assert!(
        as_enrolment(&join.request, join.mac)
            .verify(token.id, &token.secret)
            .is_none()
    );
    // Even with the MAC of the right purpose, the document's type is wrong.
    let mac = mac_of(&token, "assent/1 join", &enrolment.request);
    assert!(
        as_join(&enrolment.request, mac)
            .verify(token.id, &token.secret)
            .is_none()
    );
    // And each MAC is for its purpose.
    let mac = mac_of(&token, "assent/1 enrol", &join.request);
    assert!(as_join(&join.request, mac).verify(token.id, &token.secret).is_none());
    assert!(
        as_join(&join.request, mac_of(&token, "assent/1 join", &join.request))
            .verify(token.id, &token.secret)
            .is_some()
    );
}

#[test]
fn a_join_proves_its_token_and_its_keys() {
    let stage = Stage::new();
    let token = token();
    let join = HostJoin::new(&token, &stage.server.keys.pair, text("web01"), NOW).unwrap();
    assert_eq!(join.token_id().unwrap(), token.id);
    assert!(join.verify(id("other token"), &token.secret).is_none());
    assert!(join.verify(token.id, &OneTimeSecret::random().unwrap()).is_none());
    let mut claims = payload(&join.request);
    claims["display"] = "db01".into();
    let renamed = stage.server.keys.value("assent-host-req+jws", &claims);
    assert!(
        HostJoin {
            request: renamed,
            mac: join.mac
        }
        .verify(token.id, &token.secret)
        .is_none()
    );
    // Whoever knows the secret still has to hold the keys that are to be certified.
    let stolen = Keys::of("thief").value("assent-host-req+jws", &payload(&join.request));
    let mac = mac_of(&token, "assent/1 join", &stolen);
    assert!(
        HostJoin { request: stolen, mac }
            .verify(token.id, &token.secret)
            .is_none()
    );
    // What the registrar signs is what was asked, under the id that the registrar chose.
    let wish = join.verify(token.id, &token.secret).unwrap();
    let document = cert::sign_host(
        &stage.issuer,
        &stage.issuer_keys.pair.sign,
        id("chosen"),
        &wish,
        issuance(),
    )
    .unwrap();
    let host = stage.issuer.verify_host(&document, NOW).unwrap();
    assert_eq!(
        (host.claims().host_id, host.claims().display.as_str()),
        (id("chosen"), "web01")
    );
    assert_eq!(host.claims().sign, stage.server.keys.public());
}

#[test]
fn the_six_digits_come_from_the_request_and_differ_from_phone_to_phone() {
    let token = token();
    let n = Nonce::random().unwrap();
    let digits: Vec<String> = (0..20)
        .map(|number| {
            Enrolment::new(
                &token,
                &Keys::of(&format!("phone {number}")).pair,
                text("phone"),
                text("test"),
                NOW,
            )
            .unwrap()
            .digits(&n)
        })
        .collect();
    for digits in &digits {
        assert!(
            digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()),
            "{digits}"
        );
    }
    let mut distinct = digits.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), digits.len());
}

#[test]
fn r79_a_certified_device_asks_only_as_itself() {
    let stage = Stage::new();
    let sign =
        |keys: &Keys, device| DeviceCall::sign(&keys.pair.sign, device, id("n"), NOW, DeviceWant::Leave).unwrap();
    let own = sign(&stage.phone.keys, stage.phone.id());
    assert_eq!(
        DeviceCall::verify(&own, &stage.phone.device).unwrap().what,
        DeviceWant::Leave
    );
    assert_eq!(DeviceCall::claimed_key(&own).unwrap(), stage.phone.keys.public().id());
    let as_tablet = sign(&stage.phone.keys, stage.tablet.id());
    for (signed, device) in [
        (&as_tablet, &stage.phone.device),
        (&as_tablet, &stage.tablet.device),
        (&own, &stage.tablet.device),
    ] {
        assert_eq!(DeviceCall::verify(signed, device).err(), Some(JwsError::Signer));
    }
}

/// The registrar asks a person's devices in its own name, whatever an issuer's hosts are called; nothing like it passes.
#[test]
fn r21_the_registrars_name_is_in_every_name_space_and_no_name_like_it() {
    let stage = Stage::new();
    let document =
        crate::stage::issuer_document(&stage.root, "narrow", crate::stage::grant(&["example.org"], &["web*"]));
    let issuer = stage.trust.verify_issuer(&document, NOW).unwrap();
    assert!(issuer.allows_host(cert::REGISTRAR_NAME).is_ok());
    for name in [
        "Registrar",
        "registrar ",
        "registrar1",
        "regis\u{200b}trar",
        "registrar.example.com",
        "",
    ] {
        assert!(issuer.allows_host(name).is_err(), "{name:?}");
    }
}
