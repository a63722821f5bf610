//! R77: what one caller takes is bounded, and costs the others nothing.

use crate::people::push_to;
use crate::rig::{Gateway, id, problem};
use assent_proto::relay::{Claim, ProblemCode};
use reqwest::Method;
use serde_json::json;

const TOO_MANY: (u16, ProblemCode) = (429, ProblemCode::TooMany);

#[tokio::test]
async fn r77_a_host_that_calls_too_often_is_told_so_and_another_is_served() {
    let gateway = Gateway::start_with("[limits]\ncalls_per_host = 1");
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let path = format!("/v1/push/{}", id());
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(
            gateway
                .send(Method::DELETE, &path, &web01.claim(), &())
                .await
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses[..4], [204; 4], "four seconds' worth at once");
    assert!(
        statuses.iter().filter(|status| **status == 429).count() >= 5,
        "{statuses:?}"
    );
    assert_eq!(
        gateway.send(Method::DELETE, &path, &web02.claim(), &()).await.status(),
        204
    );
}

#[tokio::test]
async fn r77_strangers_of_one_address_are_bounded_and_callers_with_a_claim_are_not() {
    let gateway = Gateway::start_with("[limits]\ncalls_per_address = 2");
    let host = gateway.join("web01").await;
    let mut refused = 0;
    for _ in 0..30 {
        let response = gateway.client.get(gateway.url("/v1/trust")).send().await.unwrap();
        if response.status() != 200 {
            let (status, problem) = problem(response).await;
            assert_eq!((status, problem.code), TOO_MANY);
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused}");
    // Guessing claims is bounded by the same bucket.
    let stranger = assent_proto::keys::SigningKey::generate().unwrap();
    let guess = Claim::sign(&stranger, crate::rig::URL, id(), crate::rig::now()).unwrap();
    let mut codes = Vec::new();
    for _ in 0..10 {
        codes.push(
            problem(gateway.send(Method::GET, "/v1/events", &guess, &()).await)
                .await
                .1
                .code,
        );
    }
    assert!(codes.contains(&ProblemCode::TooMany), "{codes:?}");
    host.listen(&gateway, None).await.roster().await;
}

#[tokio::test]
async fn r77_behind_a_trusted_proxy_each_address_has_its_own_limit_and_nobody_else_names_one() {
    let limits = "[limits]\ncalls_per_address = 2";
    let refused = async |gateway: &Gateway, from: fn(usize) -> String| {
        let mut refused = 0;
        for at in 0..30 {
            let request = gateway.client.get(gateway.url("/v1/trust"));
            let response = request.header("x-forwarded-for", from(at)).send().await.unwrap();
            refused += usize::from(response.status() == 429);
        }
        refused
    };
    let each_its_own = |at: usize| format!("192.0.2.{at}");
    let behind = Gateway::start_with(&format!("trusted_proxies = [\"127.0.0.1\"]\n{limits}"));
    assert_eq!(refused(&behind, each_its_own).await, 0);
    assert!(
        refused(&behind, |at| format!("192.0.2.{at}, 203.0.113.1")).await >= 10,
        "they say so themselves"
    );
    let alone = Gateway::start_with(limits);
    assert!(refused(&alone, each_its_own).await >= 10);
}

#[tokio::test]
async fn r77_a_host_fills_a_device_only_so_far_and_only_for_itself() {
    let gateway = Gateway::start_with("[limits]\nwaiting_per_host_and_device = 2");
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let (alice, bob) = (gateway.enrol(&web01, "alice").await, gateway.enrol(&web01, "bob").await);
    let (first, second) = (push_to(&[&alice]), push_to(&[&alice]));
    web01.push(&gateway, &first).await;
    web01.push(&gateway, &second).await;
    let third = push_to(&[&bob, &alice]);
    let (status, problem) = problem(web01.post(&gateway, &third).await).await;
    assert_eq!((status, problem.code), TOO_MANY);
    let mut bob_hears = bob.listen(&gateway, None).await;
    bob_hears.device_is_quiet(&gateway, &web01, &bob).await;
    web02.push(&gateway, &push_to(&[&alice])).await;
    // An answer and a withdrawal make room.
    assert_eq!(alice.answer(&gateway, first.id, b"yes").await.status(), 204);
    web01.push(&gateway, &third).await;
}

#[tokio::test]
async fn r7_a_host_floods_a_device_that_does_not_answer_only_so_far_also_after_a_restart() {
    let mut gateway = Gateway::start_with("[limits]\nunanswered_per_host_and_device = 3");
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let alice = gateway.enrol(&web01, "alice").await;
    // What was answered does not count.
    let answered = push_to(&[&alice]);
    web01.push(&gateway, &answered).await;
    assert_eq!(alice.answer(&gateway, answered.id, b"yes").await.status(), 204);
    web01.withdraw(&gateway, answered.id).await;
    for _ in 0..3 {
        let push = push_to(&[&alice]);
        web01.push(&gateway, &push).await;
        web01.withdraw(&gateway, push.id).await;
    }
    for _ in 0..2 {
        let (status, problem) = problem(web01.post(&gateway, &push_to(&[&alice])).await).await;
        assert_eq!((status, problem.code), TOO_MANY);
        gateway.kill();
        gateway.start_again();
    }
    web02.push(&gateway, &push_to(&[&alice])).await;
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_refused_before_it_is_read() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    let huge = json!({"blob": "A".repeat(3_000_000)});
    for (path, bearer) in [
        (format!("/v1/push/{}/answer", push.id), device.claim()),
        ("/v1/push".to_owned(), host.claim()),
        ("/v1/registrar".to_owned(), host.claim()),
    ] {
        let response = gateway.send(Method::POST, &path, &bearer, &huge).await;
        assert_eq!(response.status(), 413, "{path}");
    }
    assert_eq!(device.answer(&gateway, push.id, b"yes").await.status(), 204);
}
