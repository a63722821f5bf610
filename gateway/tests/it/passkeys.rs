//! The registrar certifies a passkey that its bearer holds, for the authenticator's own pages, and keeps it at a renewal.

use crate::people::{TestHost, confirm, open_for, owner};
use crate::rig::{Gateway, now, text};
use assent_proto::cert::{Device, Level};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::passkey::{Assertion, Offered};
use assent_proto::registrar::{Ask, EnrolmentState, Refused, Reply};
use assent_proto::{Bytes, Digest, sha256};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use serde_json::json;

const ORIGIN: &str = "https://phone.example.org";
const APP: &str = "[app]\nurl = \"https://phone.example.org\"\n";

struct Passkey(SigningKey);

impl Passkey {
    fn new() -> Self {
        Self(SigningKey::from_slice(&Digest::random().unwrap().0).unwrap())
    }

    fn offered(&self, origin: &str) -> Offered {
        Offered {
            cred: Bytes(vec![7; 32]),
            key: VerifyingKey::from_point(self.0.verifying_key().to_sec1_point(false).as_bytes()).unwrap(),
            origin: text(origin),
        }
    }

    /// With the flags UP and UV, unless told otherwise.
    fn assert(&self, origin: &str, challenge: &Digest, flags: u8) -> Assertion {
        let client = json!({"type": "webauthn.get", "challenge": challenge.to_string(), "origin": origin}).to_string();
        let party = origin.trim_start_matches("https://");
        let mut auth = sha256(&[party.as_bytes()]).0.to_vec();
        auth.extend([flags, 0, 0, 0, 0]);
        let sig: DerSignature = self
            .0
            .sign(&[auth.as_slice(), &sha256(&[client.as_bytes()]).0].concat());
        Assertion {
            auth: Bytes(auth),
            client: Bytes(client.into_bytes()),
            sig: Bytes(sig.as_bytes().to_vec()),
        }
    }
}

async fn open(gateway: &Gateway, host: &TestHost) -> Token {
    let token = gateway.enrolment_token();
    let opened = host.wants(gateway, open_for(&token, owner("alice"))).await;
    assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
    token
}

fn wish(token: &Token, keys: &KeyPair, passkey: &Passkey, origin: &str, flags: u8) -> Enrolment {
    let plain = Enrolment::new(token, keys, text("phone"), text("test"), now()).unwrap();
    let assert = |challenge: Digest| passkey.assert(origin, &challenge, flags);
    plain
        .with_passkey(token, keys, passkey.offered(origin), assert)
        .unwrap()
}

#[tokio::test]
async fn r13_a_device_is_certified_with_the_passkey_that_it_holds() {
    let gateway = Gateway::start_with(APP);
    let host = gateway.join("web01").await;
    let (token, keys, passkey) = (
        open(&gateway, &host).await,
        KeyPair::generate().unwrap(),
        Passkey::new(),
    );
    let enrolment = wish(&token, &keys, &passkey, ORIGIN, 0x05);
    let came = gateway.ask(&keys, Ask::EnrolDevice(enrolment.clone())).await;
    let Reply::Enrolment(EnrolmentState::Digits { n, .. }) = came else {
        panic!("{came:?}");
    };
    let certified = host.wants(&gateway, confirm(&token, &enrolment.digits(&n))).await;
    let Reply::Enrolment(EnrolmentState::Certified { device }) = certified else {
        panic!("{certified:?}");
    };
    let device: Device = gateway.issuer.verify_device(&device, now()).unwrap();
    let claims = device.claims();
    assert_eq!(claims.level_max, Level::Passkey);
    let certified = claims.passkey.as_ref().unwrap();
    assert_eq!((certified.origin.as_str(), certified.synced), (ORIGIN, false));
    assert!(certified.key == passkey.offered(ORIGIN).key);
}

#[tokio::test]
async fn r76_a_passkey_of_another_origin_or_without_its_proof_is_certified_nowhere_and_the_code_stays_good() {
    let gateway = Gateway::start_with(APP);
    let host = gateway.join("web01").await;
    let (token, keys, passkey) = (
        open(&gateway, &host).await,
        KeyPair::generate().unwrap(),
        Passkey::new(),
    );
    let right = wish(&token, &keys, &passkey, ORIGIN, 0x05);
    let unproven = Enrolment {
        passkey: None,
        ..right.clone()
    };
    for (wrong, why) in [
        (
            wish(&token, &keys, &passkey, "https://panel.example.org", 0x05),
            "the authenticator's pages are at",
        ),
        (
            wish(&token, &keys, &passkey, "https://example.org", 0x05),
            "the authenticator's pages are at",
        ),
        (wish(&token, &keys, &passkey, "https://192.0.2.7", 0x05), "cannot be"),
        (wish(&token, &keys, &passkey, ORIGIN, 0x01), "did not verify its user"),
        (unproven, "cannot be"),
    ] {
        match gateway.ask(&keys, Ask::EnrolDevice(wrong)).await {
            Reply::Refused {
                code: Refused::Malformed,
                text,
            } => assert!(text.as_str().contains(why), "{text:?}"),
            other => panic!("{other:?}"),
        }
    }
    let came = gateway.ask(&keys, Ask::EnrolDevice(right)).await;
    assert!(
        matches!(came, Reply::Enrolment(EnrolmentState::Digits { .. })),
        "{came:?}"
    );
}
