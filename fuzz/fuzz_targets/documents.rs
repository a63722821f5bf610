//! Every signed document that somebody else may send, as it comes and well signed: a holder of a certified key may sign
//! whatever they like. Nothing panics, and what is accepted holds what its type promises.
//!
//! Input: in the first byte which document (the numbers stand in xtask/src/fuzz.rs, too), then its content, which its
//! usual signer signs; with the highest bit set, the whole document as it comes.
#![no_main]

#[allow(dead_code, missing_docs)]
#[path = "../../proto/tests/proto/stage.rs"]
mod stage;

use assent_proto::cert::{self, IssuerRequest};
use assent_proto::checkpoint::Checkpoint;
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::registrar::{DeviceAsk, DeviceCall, HostAsk, HostJoin};
use assent_proto::relay::Claim;
use assent_proto::request::{self, Envelope};
use assent_proto::revocation::{Origin, Revocations};
use libfuzzer_sys::fuzz_target;
use stage::{Ask, Keys, NOW, Stage};
use std::sync::OnceLock;

static STAGE: OnceLock<Stage> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let Some((&kind, content)) = data.split_first() else {
        return;
    };
    let stage = STAGE.get_or_init(Stage::new);
    let signed = |keys: &Keys, typ: &str| match kind & 0x80 {
        0 => keys.document(typ, content),
        _ => String::from_utf8_lossy(content).into_owned(),
    };
    let (host, phone) = (&stage.server, &stage.phone);
    match kind & 0x0f {
        0 => {
            let document = signed(&stage.root, "assent-issuer+jws");
            if let Ok(issuer) = stage.trust.verify_issuer(&document, NOW) {
                assert!(NOW.within(issuer.claims().nbf, issuer.claims().exp));
                assert!(issuer.root(&stage.trust).is_some());
            }
        }
        1 => {
            let document = signed(&stage.issuer_keys, "assent-host+jws");
            let _ = cert::claimed_host_id(&document);
            if let Ok(host) = stage.issuer.verify_host(&document, NOW) {
                assert!(NOW.within(host.claims().nbf, host.claims().exp));
                assert_eq!(cert::claimed_host_id(&document), Some(host.claims().host_id));
            }
        }
        2 => {
            let document = signed(&stage.issuer_keys, "assent-dev+jws");
            let _ = cert::claimed_device(&document);
            if let Ok(device) = stage.issuer.verify_device(&document, NOW) {
                assert!(NOW.within(device.claims().nbf, device.claims().exp));
                assert!((1..=8).contains(&device.claims().identities.len()));
            }
        }
        3 => drop(IssuerRequest::verify(&signed(
            &stage.issuer_keys,
            "assent-issuer-req+jws",
        ))),
        4 => drop(HostAsk::verify(&signed(&host.keys, "assent-host-ask+jws"), &host.host)),
        5 => drop(DeviceAsk::verify(
            &signed(&phone.keys, "assent-dev-ask+jws"),
            &phone.keys.public(),
        )),
        6 => drop(DeviceCall::verify(
            &signed(&phone.keys, "assent-dev-call+jws"),
            &phone.device,
        )),
        7 => {
            let bearer = signed(&host.keys, "assent-relay-auth+jws");
            let _ = Claim::claimed_key(&bearer);
            if let Ok(claim) = Claim::verify(&bearer, &host.keys.public(), "https://relay.example.org") {
                let _ = claim.fresh(NOW);
            }
        }
        8 => a_request(stage, signed(&host.keys, "assent-req+jws")),
        9 => {
            if let Ok(text) = std::str::from_utf8(content) {
                if let Ok(token) = Token::from_text(text) {
                    assert_eq!(*token.to_text(), text, "one spelling for one token");
                }
            }
        }
        10 => {
            let enrolment = Enrolment {
                request: signed(&phone.keys, "assent-dev-req+jws"),
                mac: assent_proto::sha256(&[]),
            };
            let _ = (enrolment.digits(&assent_proto::sha256(&[])), enrolment.token_id());
            let token = stage::token();
            assert!(
                enrolment.verify(token.id, &token.secret).is_none(),
                "a MAC without its secret"
            );
        }
        11 => {
            let document = signed(&stage.issuer_keys, "assent-rev+jws");
            if let Ok(list) = Revocations::verify(&stage.trust, stage.issuer.document(), &document) {
                assert!(list.claims().serials.windows(2).all(|pair| pair[0] < pair[1]));
                let _ = (list.revokes_device(&phone.device), list.revokes_host(&host.host));
                let here = Origin::Host(host.host.claims().host_id);
                let _ = list.frozen(&stage::alice(), here, NOW);
            }
        }
        13 => {
            let document = signed(&host.keys, "assent-cp+jws");
            if let Ok(checkpoint) = Checkpoint::verify(&document, &host.host) {
                assert_eq!(checkpoint.host, host.host.claims().host_id);
            }
        }
        _ => {
            let join = HostJoin {
                request: signed(&host.keys, "assent-host-req+jws"),
                mac: assent_proto::sha256(&[]),
            };
            let _ = join.token_id();
            let token = stage::token();
            assert!(
                join.verify(token.id, &token.secret).is_none(),
                "a MAC without its secret"
            );
        }
    }
});

/// A certified host's statement: it is drawn only in that host's name, as the push that it came as, within bounds.
fn a_request(stage: &Stage, req: String) {
    let host = &stage.server.host;
    let expected = Ask::tap(stage, "push").statement;
    let envelope = Envelope {
        req,
        host: host.document().to_owned(),
        issuer: stage.issuer.document().to_owned(),
    };
    let Ok(verified) = request::verify(&envelope, expected.id, expected.expiry(), &stage.trust, NOW) else {
        return;
    };
    let statement = &verified.statement;
    assert_eq!(statement.id, expected.id);
    assert_eq!(statement.host.id, host.claims().host_id);
    assert_eq!(statement.expiry(), expected.expiry());
    assert!((1..=request::MAX_TTL).contains(&statement.ttl));
}
