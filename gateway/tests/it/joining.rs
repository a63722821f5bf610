//! Hosts join by a one-time token, and what the registrar then believes of them.

use crate::people::identity;
use crate::rig::{Gateway, SOON, id, now, text};
use assent_proto::enrol::{OneTimeSecret, Token};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, CALL_WINDOW, HostAsk, HostJoin, HostWant, Refused, Reply};
use assent_proto::relay::ProblemCode;
use assent_proto::time::UnixTime;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

async fn join_with(gateway: &Gateway, token: &Token, keys: &KeyPair, name: &str) -> Reply {
    let join = HostJoin::new(token, keys, text(name), now()).unwrap();
    gateway.ask(keys, Ask::JoinHost(join)).await
}

pub fn refused(reply: Reply) -> Refused {
    match reply {
        Reply::Refused { code, .. } => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_token_certifies_one_key_and_a_lost_reply_costs_nothing() {
    let gateway = Gateway::start();
    let token = gateway.token("web01").await;
    let keys = KeyPair::generate().unwrap();
    let join = HostJoin::new(&token, &keys, text("web01"), now()).unwrap();
    let Reply::HostCertified { host } = gateway.ask(&keys, Ask::JoinHost(join.clone())).await else {
        panic!("not certified")
    };
    let certified = gateway.issuer.verify_host(&host, now()).unwrap();
    assert_eq!(certified.claims().display, text("web01"));
    assert!(certified.claims().sign == keys.sign.public() && certified.claims().kem == keys.kem.public());
    // The very request again, as its reply may have been lost: the same certificate.
    assert_eq!(
        gateway.ask(&keys, Ask::JoinHost(join)).await,
        Reply::HostCertified { host }
    );
    // Another request under the used token, by the same key or another.
    let later = HostJoin::new(&token, &keys, text("web01"), now().plus(1)).unwrap();
    assert_eq!(refused(gateway.ask(&keys, Ask::JoinHost(later)).await), Refused::Token);
    let other = KeyPair::generate().unwrap();
    assert_eq!(
        refused(join_with(&gateway, &token, &other, "web01").await),
        Refused::Token
    );
}

#[tokio::test]
async fn a_token_opens_its_own_name_alone() {
    let gateway = Gateway::start();
    let token = gateway.token("web01").await;
    let keys = KeyPair::generate().unwrap();
    assert_eq!(
        refused(join_with(&gateway, &token, &keys, "web02").await),
        Refused::Token
    );
    let right = join_with(&gateway, &token, &keys, "web01").await;
    assert!(
        matches!(right, Reply::HostCertified { .. }),
        "the token stays good: {right:?}"
    );
}

#[tokio::test]
async fn a_token_bears_five_wrong_secrets_and_not_one_more() {
    let gateway = Gateway::start();
    for (wrong_tries, good_after) in [(4, true), (5, false)] {
        let token = gateway.token("web01").await;
        let guess = Token {
            secret: OneTimeSecret::random().unwrap(),
            ..token.clone()
        };
        let keys = KeyPair::generate().unwrap();
        for _ in 0..wrong_tries {
            assert_eq!(
                refused(join_with(&gateway, &guess, &keys, "web01").await),
                Refused::Token
            );
        }
        let reply = join_with(&gateway, &token, &keys, "web01").await;
        assert_eq!(matches!(reply, Reply::HostCertified { .. }), good_after, "{reply:?}");
    }
    let unknown = Token {
        id: id(),
        ..gateway.token("web01").await
    };
    let keys = KeyPair::generate().unwrap();
    assert_eq!(
        refused(join_with(&gateway, &unknown, &keys, "web01").await),
        Refused::Token
    );
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let gateway = Gateway::start();
    let (status, made) = gateway
        .admin(Method::POST, "/host-token", json!({"name": "web01", "ttl": 1}))
        .await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let token = Token::from_text(made["token"].as_str().unwrap()).unwrap();
    let keys = KeyPair::generate().unwrap();
    let words = async || match join_with(&gateway, &token, &keys, "web02").await {
        Reply::Refused { text, .. } => text.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    // While it is good, a wrong name is told the right one; from its end on, the token is as any other bad one.
    assert!(words().await.contains("web01"));
    let began = std::time::Instant::now();
    while words().await.contains("web01") {
        assert!(began.elapsed() < SOON, "the token does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        refused(join_with(&gateway, &token, &keys, "web01").await),
        Refused::Token
    );
}

#[tokio::test]
async fn tokens_are_made_in_the_issuers_name_space_and_for_a_day_at_most() {
    let gateway = Gateway::start();
    for wrong in [
        json!({"name": "db01", "ttl": 60}),
        json!({"name": "", "ttl": 60}),
        json!({"name": "web\u{202e}01", "ttl": 60}),
        json!({"name": "web01", "ttl": 0}),
        json!({"name": "web01", "ttl": 86_401}),
        json!({"name": "web01", "ttl": 60, "more": 1}),
    ] {
        let (status, said) = gateway.admin(Method::POST, "/host-token", wrong.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {said}");
        assert!(said.get("token").is_none());
    }
}

#[tokio::test]
async fn r28_a_host_asks_only_as_itself_once_and_now() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let want = || HostWant::Devices {
        identity: identity("alice"),
    };
    let ask = async |signed: String| gateway.ask(&web01.keys, Ask::Host { signed }).await;
    let good = HostAsk::sign(&web01.keys.sign, web01.id, id(), now(), want()).unwrap();
    assert_eq!(ask(good.clone()).await, Reply::Devices { devices: vec![] });
    assert_eq!(refused(ask(good).await), Refused::Replay);
    let as_other = HostAsk::sign(&web01.keys.sign, web02.id, id(), now(), want()).unwrap();
    assert_eq!(refused(ask(as_other).await), Refused::Caller);
    let stranger = KeyPair::generate().unwrap();
    let unknown = HostAsk::sign(&stranger.sign, web01.id, id(), now(), want()).unwrap();
    assert_eq!(refused(ask(unknown).await), Refused::Caller);
    for iat in [now().0 - CALL_WINDOW - 5, now().0 + CALL_WINDOW + 5] {
        let off = HostAsk::sign(&web01.keys.sign, web01.id, id(), UnixTime(iat), want()).unwrap();
        assert_eq!(refused(ask(off).await), Refused::Clock);
    }
    assert_eq!(refused(ask("no document".into()).await), Refused::Malformed);
}

#[tokio::test]
async fn a_revoked_host_is_a_stranger_at_once() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let mut hears = host.listen(&gateway, None).await;
    hears.roster().await;
    let which = json!({"host_id": host.id});
    let (status, said) = gateway.admin(Method::POST, "/hosts/revoke", which.clone()).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert!(hears.ends().await, "its stream ends");
    let (status, problem) =
        crate::rig::problem(gateway.send(Method::GET, "/v1/events", &host.claim(), &()).await).await;
    assert_eq!((status, problem.code), (401, ProblemCode::Unauthorized));
    let want = HostWant::Devices {
        identity: identity("alice"),
    };
    assert_eq!(refused(host.wants(&gateway, want).await), Refused::Caller);
    let (status, _) = gateway.admin(Method::POST, "/hosts/revoke", which).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it is revoked already");
    // Its key does not come back under a new token.
    let token = gateway.token("web01").await;
    assert_eq!(
        refused(join_with(&gateway, &token, &host.keys, "web01").await),
        Refused::Malformed
    );
}
