//! What is kept of a push verifies years later, and nothing that was changed does (PROTOCOL 2.8). A host's checkpoint
//! speaks of its own chain alone.

use crate::stage::{Ask, Keys, NOW, Phone, Stage, alice, id, identity, payload};
use assent_proto::answer::Decision;
use assent_proto::cert::Trust;
use assent_proto::checkpoint::Checkpoint;
use assent_proto::evidence::{Answered, Evidence, EvidenceError, verify};
use assent_proto::{JwsError, sha256};

fn kept(stage: &Stage, ask: &Ask<'_>, phone: &Phone, answer: String) -> Evidence {
    Evidence {
        request: ask.request.clone(),
        host: stage.server.host.document().to_owned(),
        issuers: vec![stage.issuer.document().to_owned()],
        revocations: Some(7),
        answered: Some(Answered {
            answer,
            device: phone.device.document().to_owned(),
        }),
    }
}

fn why(evidence: &Evidence, stage: &Stage) -> EvidenceError {
    verify(evidence, &stage.trust).expect_err("it must not verify")
}

#[test]
fn what_is_kept_of_an_approval_verifies_from_the_roots_to_the_answer() {
    let stage = Stage::new();
    let ask = Ask::number(&stage, "048291");
    let answer = ask.signed(&stage.phone, Decision::Approve, Some("048291"));
    let whole = kept(&stage, &ask, &stage.phone, answer);
    let proven = verify(&whole, &stage.trust).unwrap();
    assert!(proven.is_approved());
    assert_eq!((proven.identity(), proven.asked()), (&alice(), NOW));
    assert_eq!(proven.answer().map(|answer| answer.device), Some(stage.phone.id()));
    for (decision, approved) in [
        (Decision::Deny, false),
        (Decision::Report, false),
        (Decision::Approve, true),
    ] {
        let tap = Ask::tap(&stage, "push");
        let one = kept(&stage, &tap, &stage.phone, tap.signed(&stage.phone, decision, None));
        assert_eq!(verify(&one, &stage.trust).unwrap().is_approved(), approved);
    }
    let unanswered = Evidence {
        answered: None,
        ..whole
    };
    assert!(!verify(&unanswered, &stage.trust).unwrap().is_approved());
}

#[test]
fn an_approval_in_which_anything_was_changed_does_not_verify() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let other = Ask::tap(&stage, "another push");
    let answer = |phone| ask.signed(phone, Decision::Approve, None);
    let whole = kept(&stage, &ask, &stage.phone, answer(&stage.phone));
    assert!(verify(&whole, &stage.trust).is_ok());

    // Roots of somebody else.
    let strangers = Trust::new(vec![Keys::of("mallory").public()]);
    assert!(matches!(verify(&whole, &strangers), Err(EvidenceError::Certificate(_))));
    // The answer to another push, and another device's.
    let moved = kept(
        &stage,
        &ask,
        &stage.phone,
        other.signed(&stage.phone, Decision::Approve, None),
    );
    assert_eq!(why(&moved, &stage), EvidenceError::Request);
    let borrowed = kept(&stage, &ask, &stage.phone, answer(&stage.tablet));
    assert_eq!(why(&borrowed, &stage), EvidenceError::Document(JwsError::Signer));
    // A device of somebody else, who signs well.
    let bob = stage.phone_for("bob", vec![identity("example.org", "bob")]);
    let foreign = kept(&stage, &ask, &bob, answer(&bob));
    assert_eq!(why(&foreign, &stage), EvidenceError::Identity);
    // Another host's certificate for this request.
    let mut lent = whole.clone();
    lent.host = stage.server("db01").host.document().to_owned();
    assert_eq!(why(&lent, &stage), EvidenceError::Document(JwsError::Signer));
    // A tap where a number was asked.
    let number = Ask::number(&stage, "048291");
    let weak = kept(
        &stage,
        &number,
        &stage.phone,
        number.signed(&stage.phone, Decision::Approve, None),
    );
    assert_eq!(why(&weak, &stage), EvidenceError::Level);
    // A request that claims a time at which no certificate lived any more.
    let mut claims = payload(&ask.request);
    claims["iat"] = (NOW.0 + 91 * 86_400).into();
    let late = Evidence {
        request: stage.server.keys.value("assent-req+jws", &claims),
        ..whole
    };
    assert!(matches!(why(&late, &stage), EvidenceError::Certificate(_)));
}

#[test]
fn a_checkpoint_is_a_hosts_word_on_its_own_chain_alone() {
    let stage = Stage::new();
    let (web, db) = (&stage.server, stage.server("db01"));
    let of = |host: &str| Checkpoint::new(id(host), 7, sha256(&[b"a record"]), NOW);
    let own = of("web01").sign(&web.keys.pair.sign).unwrap();
    assert_eq!(Checkpoint::verify(&own, &web.host), Ok(of("web01")));
    assert_eq!(Checkpoint::verify(&own, &db.host), Err(JwsError::Signer));
    let others = of("db01").sign(&web.keys.pair.sign).unwrap();
    assert!(matches!(
        Checkpoint::verify(&others, &web.host),
        Err(JwsError::Content(_))
    ));
}
