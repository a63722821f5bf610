//! Claims: what proves to the relay whose mailbox a caller may use.

use crate::people::push_to;
use crate::rig::{Gateway, SOON, URL, id, now, problem};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::relay::{CLAIM_SKEW, CLAIM_TTL, Claim, ProblemCode};
use assent_proto::time::UnixTime;
use reqwest::Method;

async fn listen(gateway: &Gateway, bearer: &str) -> (u16, Option<ProblemCode>) {
    let response = gateway.send(Method::GET, "/v1/events", bearer, &()).await;
    match response.status().as_u16() {
        200 => (200, None),
        _ => {
            let (status, problem) = problem(response).await;
            (status, Some(problem.code))
        }
    }
}

#[tokio::test]
async fn r79_a_claim_opens_its_own_mailbox_and_nothing_else() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let stranger = SigningKey::generate().unwrap();
    let refused = (401, Some(ProblemCode::Unauthorized));
    let sign = |key: &SigningKey, aud: &str, sub| Claim::sign(key, aud, sub, now()).unwrap();
    assert_eq!(listen(&gateway, &sign(&web01.keys.sign, URL, web01.id)).await.0, 200);
    assert_eq!(
        listen(&gateway, &sign(&stranger, URL, web01.id)).await,
        refused,
        "an unknown key"
    );
    assert_eq!(
        listen(&gateway, &sign(&web02.keys.sign, URL, web01.id)).await,
        refused,
        "another's mailbox"
    );
    assert_eq!(
        listen(&gateway, &sign(&web01.keys.sign, URL, id())).await,
        refused,
        "no mailbox"
    );
    assert_eq!(
        listen(&gateway, &sign(&web01.keys.sign, "https://other.example.org", web01.id)).await,
        refused,
        "made out to another relay"
    );
    let good = sign(&web01.keys.sign, URL, web01.id);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, other) = sign(&web02.keys.sign, URL, web02.id)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_ne!(signature, other);
    for bad in [
        format!("{head}.{other}"),
        head.to_owned(),
        "x".repeat(9000),
        String::new(),
    ] {
        assert_eq!(listen(&gateway, &bad).await, refused);
    }
    // A certificate or any other signed document of the same key is no claim.
    assert_eq!(listen(&gateway, &web01.certificate).await, refused);
    let none = gateway.client.get(gateway.url("/v1/events")).send().await.unwrap();
    assert_eq!(problem(none).await.1.code, ProblemCode::Unauthorized);
}

#[tokio::test]
async fn r81_a_claim_of_another_time_is_refused_with_the_relays_clock() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let at = |iat: u64| Claim::sign(&host.keys.sign, URL, host.id, UnixTime(iat)).unwrap();
    let now = now().0;
    let old = now - CLAIM_TTL - CLAIM_SKEW - 5;
    for iat in [0, old, now + CLAIM_SKEW + 30] {
        let response = gateway.send(Method::GET, "/v1/events", &at(iat), &()).await;
        let (status, problem) = problem(response).await;
        assert_eq!((status, problem.code), (401, ProblemCode::Clock));
        assert!(problem.now.0.abs_diff(now) < 10);
    }
    for iat in [old + 30, now + CLAIM_SKEW - 5] {
        assert_eq!(listen(&gateway, &at(iat)).await.0, 200, "{iat}");
    }
}

#[tokio::test]
async fn a_remembered_claim_still_ends_with_its_time() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let iat = UnixTime(now().0 - CLAIM_TTL - CLAIM_SKEW + 2);
    let bearer = Claim::sign(&host.keys.sign, URL, host.id, iat).unwrap();
    assert_eq!(listen(&gateway, &bearer).await.0, 200);
    // Its own end is what is waited for, at most three seconds.
    let began = std::time::Instant::now();
    while now().0 <= iat.0 + CLAIM_TTL + CLAIM_SKEW {
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(listen(&gateway, &bearer).await, (401, Some(ProblemCode::Clock)));
}

#[tokio::test]
async fn r79_hosts_and_devices_keep_to_their_own_routes() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    let refused = |(status, problem): (u16, assent_proto::relay::Problem)| {
        assert_eq!((status, problem.code), (403, ProblemCode::Forbidden));
    };
    refused(
        problem(
            gateway
                .send(Method::POST, "/v1/push", &device.claim(), &push_to(&[&device]))
                .await,
        )
        .await,
    );
    let path = format!("/v1/push/{}", push.id);
    refused(problem(gateway.send(Method::DELETE, &path, &device.claim(), &()).await).await);
    let answer = serde_json::json!({"blob": "AAAA"});
    refused(
        problem(
            gateway
                .send(Method::POST, &format!("{path}/answer"), &host.claim(), &answer)
                .await,
        )
        .await,
    );
    assert_eq!(
        device.answer(&gateway, push.id, b"yes").await.status(),
        204,
        "nothing has changed"
    );
}

#[tokio::test]
async fn nobody_without_a_claim_reads_or_posts_anything() {
    let gateway = Gateway::start();
    let keys = KeyPair::generate().unwrap();
    let bearer = Claim::sign(&keys.sign, URL, id(), now()).unwrap();
    for (method, path) in [
        (Method::POST, "/v1/push".to_owned()),
        (Method::DELETE, format!("/v1/push/{}", id())),
        (Method::POST, format!("/v1/push/{}/answer", id())),
        (Method::GET, "/v1/events".to_owned()),
    ] {
        let (status, problem) = problem(gateway.send(method.clone(), &path, &bearer, &()).await).await;
        assert_eq!(
            (status, problem.code),
            (401, ProblemCode::Unauthorized),
            "{method} {path}"
        );
    }
}
