//! Event streams: nothing is lost and nothing comes twice, whenever a reader connects.

use crate::people::{push_for, push_to};
use crate::rig::Gateway;
use assent_proto::relay::{DeviceEvent, Withdrawn};

#[tokio::test]
async fn a_device_that_connects_late_hears_what_waits_and_not_what_it_answered() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let (answered, withdrawn, waiting) = (push_to(&[&device]), push_to(&[&device]), push_to(&[&device]));
    for push in [&answered, &withdrawn, &waiting] {
        host.push(&gateway, push).await;
    }
    assert_eq!(device.answer(&gateway, answered.id, b"yes").await.status(), 204);
    host.withdraw(&gateway, withdrawn.id).await;
    let mut hears = device.listen(&gateway, None).await;
    let DeviceEvent::Push { id, left, blob, .. } = hears.for_device().await else {
        panic!("no push")
    };
    assert_eq!((id, blob), (waiting.id, waiting.to[0].blob.clone()));
    assert!((50..=60).contains(&left), "{left} seconds are left");
    hears.device_is_quiet(&gateway, &host, &device).await;
}

#[tokio::test]
async fn a_host_that_resumes_hears_exactly_what_it_missed() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let pushes = [push_to(&[&device]), push_to(&[&device]), push_to(&[&device])];
    for push in &pushes {
        host.push(&gateway, push).await;
    }
    let mut hears = host.listen(&gateway, None).await;
    hears.roster().await;
    device.answer(&gateway, pushes[0].id, b"0").await;
    assert_eq!(hears.answer().await.0, pushes[0].id);
    let last = hears.last_id.clone();
    assert!(last.is_some());
    drop(hears);
    device.answer(&gateway, pushes[1].id, b"1").await;
    device.answer(&gateway, pushes[2].id, b"2").await;
    // An answer counts as missed also when its push has ended since: the host may just have given it up.
    host.withdraw(&gateway, pushes[1].id).await;
    let mut hears = host.listen(&gateway, last.as_deref()).await;
    hears.roster().await;
    assert_eq!(hears.answer().await, (pushes[1].id, device.id, b"1".to_vec()));
    assert_eq!(hears.answer().await, (pushes[2].id, device.id, b"2".to_vec()));
    hears.host_is_quiet(&gateway, &host, &device).await;
    // One that starts afresh hears what still lives.
    let mut fresh = host.listen(&gateway, None).await;
    fresh.roster().await;
    assert_eq!(fresh.answer().await.0, pushes[0].id);
    assert_eq!(fresh.answer().await.0, pushes[2].id);
    // R3: another host hears nothing of all this, from the start and from any number on.
    for (name, last) in [("web02", None), ("web03", last.as_deref())] {
        let other = gateway.join(name).await;
        let mut hears = other.listen(&gateway, last).await;
        hears.roster().await;
        hears.host_is_quiet(&gateway, &other, &device).await;
    }
}

#[tokio::test]
async fn an_event_number_of_another_relay_is_none() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    device.answer(&gateway, push.id, b"yes").await;
    for foreign in ["000000000000-9000", "9000", "x", ""] {
        let mut hears = host.listen(&gateway, Some(foreign)).await;
        hears.roster().await;
        assert_eq!(hears.answer().await.0, push.id, "after {foreign:?}");
    }
}

#[tokio::test]
async fn a_device_that_resumes_is_told_what_ended_meanwhile() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = device.listen(&gateway, None).await;
    let (withdrawn, expired) = (push_to(&[&device]), push_for(4, &[&device]));
    host.push(&gateway, &withdrawn).await;
    host.push(&gateway, &expired).await;
    assert_eq!(hears.push().await, withdrawn.id);
    assert_eq!(hears.push().await, expired.id);
    let last = hears.last_id.clone();
    // One stream is left open: it tells when the second push is over.
    let mut watch = device.listen(&gateway, None).await;
    watch.push().await;
    watch.push().await;
    drop(hears);
    host.withdraw(&gateway, withdrawn.id).await;
    let ended = [watch.for_device().await, watch.for_device().await];
    let mut resumed = device.listen(&gateway, last.as_deref()).await;
    for (push, why) in [(&expired, Withdrawn::Expired), (&withdrawn, Withdrawn::Host)] {
        let event = DeviceEvent::Withdrawn { id: push.id, why };
        assert!(ended.contains(&event));
        assert_eq!(resumed.for_device().await, event);
    }
    resumed.device_is_quiet(&gateway, &host, &device).await;
}

#[tokio::test]
async fn every_device_of_a_push_and_every_stream_of_a_device_hears_it() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let (alice, bob) = (gateway.enrol(&host, "alice").await, gateway.enrol(&host, "bob").await);
    let mut streams = [
        alice.listen(&gateway, None).await,
        alice.listen(&gateway, None).await,
        bob.listen(&gateway, None).await,
    ];
    let push = push_to(&[&alice, &bob]);
    assert_eq!(host.push(&gateway, &push).await.listening, 2);
    for hears in &mut streams {
        assert_eq!(hears.push().await, push.id);
    }
}
