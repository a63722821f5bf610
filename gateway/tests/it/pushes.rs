//! Pushes and answers through the relay: to whom they go, once, for how long.

use crate::people::{push_for, push_to};
use crate::rig::{Gateway, id, problem};
use assent_proto::Bytes;
use assent_proto::relay::{DeviceEvent, ProblemCode, PushItem, PushTaken, Withdrawn};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_push_reaches_its_device_and_the_answer_its_host() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let (mut host_hears, mut device_hears) = (host.listen(&gateway, None).await, device.listen(&gateway, None).await);
    assert!(host_hears.roster().await > 1);

    let push = push_to(&[&device]);
    let taken = host.push(&gateway, &push).await;
    assert_eq!(
        taken,
        PushTaken {
            listening: 1,
            unknown: vec![]
        }
    );
    let expected = DeviceEvent::Push {
        id: push.id,
        expiry: push.expiry,
        left: 60,
        blob: push.to[0].blob.clone(),
    };
    assert_eq!(device_hears.for_device().await, expected);

    assert_eq!(device.answer(&gateway, push.id, b"yes").await.status(), 204);
    assert_eq!(host_hears.answer().await, (push.id, device.id, b"yes".to_vec()));

    host.withdraw(&gateway, push.id).await;
    let ended = DeviceEvent::Withdrawn {
        id: push.id,
        why: Withdrawn::Host,
    };
    assert_eq!(device_hears.for_device().await, ended);
}

#[tokio::test]
async fn r3_answers_of_crossed_pushes_go_to_their_own_hosts() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let device = gateway.enrol(&web01, "alice").await;
    let (mut one, mut two) = (web01.listen(&gateway, None).await, web02.listen(&gateway, None).await);
    let (a, b) = (push_to(&[&device]), push_to(&[&device]));
    web01.push(&gateway, &a).await;
    web02.push(&gateway, &b).await;
    device.answer(&gateway, b.id, b"for two").await;
    device.answer(&gateway, a.id, b"for one").await;
    one.roster().await;
    two.roster().await;
    assert_eq!(one.answer().await, (a.id, device.id, b"for one".to_vec()));
    assert_eq!(two.answer().await, (b.id, device.id, b"for two".to_vec()));
    one.host_is_quiet(&gateway, &web01, &device).await;
    two.host_is_quiet(&gateway, &web02, &device).await;
}

#[tokio::test]
async fn the_same_push_again_is_the_same_push() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = device.listen(&gateway, None).await;
    let push = push_to(&[&device]);
    for _ in 0..3 {
        host.push(&gateway, &push).await;
    }
    assert_eq!(hears.push().await, push.id);
    // It is delivered once.
    hears.device_is_quiet(&gateway, &host, &device).await;
    host.withdraw(&gateway, push.id).await;
    let (status, problem) = problem(host.post(&gateway, &push).await).await;
    assert_eq!(
        (status, problem.code),
        (410, ProblemCode::Gone),
        "an ended push does not come back"
    );
}

#[tokio::test]
async fn another_push_with_a_known_id_is_a_conflict() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let device = gateway.enrol(&web01, "alice").await;
    let mut hears = device.listen(&gateway, None).await;
    let push = push_to(&[&device]);
    web01.push(&gateway, &push).await;
    assert_eq!(hears.push().await, push.id);
    let mut other = push.clone();
    other.to[0].blob = Bytes(b"other".to_vec());
    for response in [web01.post(&gateway, &other).await, web02.post(&gateway, &push).await] {
        let (status, problem) = problem(response).await;
        assert_eq!((status, problem.code), (409, ProblemCode::Conflict));
    }
    hears.device_is_quiet(&gateway, &web01, &device).await;
}

#[tokio::test]
async fn r3_a_device_that_was_not_asked_cannot_answer() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let (alice, bob) = (gateway.enrol(&host, "alice").await, gateway.enrol(&host, "bob").await);
    let mut hears = host.listen(&gateway, None).await;
    hears.roster().await;
    let push = push_to(&[&alice]);
    host.push(&gateway, &push).await;
    for push in [push.id, id()] {
        let (status, problem) = problem(bob.answer(&gateway, push, b"yes").await).await;
        assert_eq!(
            (status, problem.code),
            (410, ProblemCode::Gone),
            "as if it were not there"
        );
    }
    hears.host_is_quiet(&gateway, &host, &alice).await;
}

#[tokio::test]
async fn another_host_cannot_withdraw_a_push() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let device = gateway.enrol(&web01, "alice").await;
    let mut hears = device.listen(&gateway, None).await;
    let push = push_to(&[&device]);
    web01.push(&gateway, &push).await;
    hears.push().await;
    web02.withdraw(&gateway, push.id).await;
    hears.device_is_quiet(&gateway, &web01, &device).await;
    assert_eq!(
        device.answer(&gateway, push.id, b"yes").await.status(),
        204,
        "it lives on"
    );
}

#[tokio::test]
async fn r1_a_push_ends_with_its_time_and_takes_no_answer_after_it() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = device.listen(&gateway, None).await;
    let push = push_for(5, &[&device]);
    host.push(&gateway, &push).await;
    hears.push().await;
    assert_eq!(device.answer(&gateway, push.id, b"in time").await.status(), 204);
    let ended = DeviceEvent::Withdrawn {
        id: push.id,
        why: Withdrawn::Expired,
    };
    assert_eq!(hears.for_device().await, ended);
    let (status, problem) = problem(device.answer(&gateway, push.id, b"too late").await).await;
    assert_eq!((status, problem.code), (410, ProblemCode::Gone));
}

#[tokio::test]
async fn an_answer_posted_again_is_delivered_once_and_there_are_at_most_eight() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = host.listen(&gateway, None).await;
    hears.roster().await;
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    for _ in 0..3 {
        assert_eq!(device.answer(&gateway, push.id, b"0").await.status(), 204);
    }
    for n in 1..8u8 {
        assert_eq!(device.answer(&gateway, push.id, &[b'0' + n]).await.status(), 204);
    }
    let (status, problem) = problem(device.answer(&gateway, push.id, b"8").await).await;
    assert_eq!((status, problem.code), (429, ProblemCode::TooMany));
    assert_eq!(
        device.answer(&gateway, push.id, b"3").await.status(),
        204,
        "a known one is no ninth"
    );
    for n in 0..8u8 {
        assert_eq!(hears.answer().await.2, [b'0' + n]);
    }
    hears.host_is_quiet(&gateway, &host, &device).await;
}

#[tokio::test]
async fn a_malformed_push_is_refused_with_a_reason() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let good = push_to(&[&device]);
    let item = |blob: usize| PushItem {
        device: id(),
        blob: Bytes(vec![1; blob]),
    };
    let with = |change: &dyn Fn(&mut assent_proto::relay::Push)| {
        let mut push = good.clone();
        push.id = id();
        change(&mut push);
        push
    };
    let bad = [
        with(&|push| push.ttl = 0),
        with(&|push| push.ttl = 601),
        with(&|push| push.to.clear()),
        with(&|push| push.to = (0..17).map(|_| item(10)).collect()),
        with(&|push| push.to.push(item(64 * 1024 + 1))),
        with(&|push| push.to.push(item(0))),
        with(&|push| push.to.push(push.to[0].clone())),
    ];
    for push in bad {
        let (status, problem) = problem(host.post(&gateway, &push).await).await;
        assert_eq!((status, problem.code), (400, ProblemCode::Malformed));
    }
    for body in [
        json!({"id": 1}),
        json!([]),
        json!({"id": id(), "expiry": 1, "ttl": 1, "to": [], "more": 1}),
    ] {
        let response = gateway.send(Method::POST, "/v1/push", &host.claim(), &body).await;
        assert_eq!(problem(response).await.1.code, ProblemCode::Malformed);
    }
    let most = with(&|push| push.to = (0..16).map(|_| item(64 * 1024)).collect());
    assert_eq!(
        host.push(&gateway, &most).await.unknown.len(),
        16,
        "the largest push passes"
    );
}

#[tokio::test]
async fn devices_that_the_relay_does_not_know_are_named() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut push = push_to(&[&device]);
    let stranger = id();
    push.to.push(PushItem {
        device: stranger,
        blob: Bytes(vec![1]),
    });
    let taken = host.push(&gateway, &push).await;
    assert_eq!(
        taken,
        PushTaken {
            listening: 0,
            unknown: vec![stranger]
        }
    );
}

#[tokio::test]
async fn every_reply_has_the_security_headers_and_unknown_paths_are_problems() {
    let gateway = Gateway::start();
    for (path, status) in [
        ("/healthz", 200),
        ("/v1/trust", 200),
        ("/v1/events", 401),
        ("/nothing", 404),
        ("/v1/push", 405),
    ] {
        let response = gateway.client.get(gateway.url(path)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        let mut names: Vec<String> = response.headers().keys().map(ToString::to_string).collect();
        names.retain(|name| !["date", "content-length", "content-type", "allow"].contains(&name.as_str()));
        names.sort();
        let expected = [
            "cache-control",
            "content-security-policy",
            "cross-origin-resource-policy",
            "referrer-policy",
            "x-content-type-options",
        ];
        assert_eq!(names, expected, "{path}");
        if status >= 400 {
            assert!(!problem(response).await.1.text.is_empty());
        }
    }
}
