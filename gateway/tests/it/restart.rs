//! A restart, in order or by `kill -9`, costs a retry and nothing else.

use crate::people::{identity, push_to};
use crate::rig::{Gateway, problem, run_to_end};
use assent_proto::registrar::{HostWant, Reply};
use assent_proto::relay::ProblemCode;

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = host.listen(&gateway, None).await;
    hears.roster().await;
    let (ended, answered, waiting) = (push_to(&[&device]), push_to(&[&device]), push_to(&[&device]));
    for push in [&ended, &answered, &waiting] {
        host.push(&gateway, push).await;
    }
    host.withdraw(&gateway, ended.id).await;
    device.answer(&gateway, answered.id, b"yes").await;
    assert_eq!(hears.answer().await.0, answered.id);
    let last = hears.last_id.clone();
    gateway.kill();
    assert!(hears.ends().await);
    gateway.start_again();

    // The host was told of the first answer; the second push is where it was, and the first is over.
    let mut hears = host.listen(&gateway, last.as_deref()).await;
    hears.roster().await;
    let mut device_hears = device.listen(&gateway, None).await;
    assert_eq!(device_hears.push().await, waiting.id);
    host.push(&gateway, &waiting).await;
    assert_eq!(
        problem(host.post(&gateway, &ended).await).await.1.code,
        ProblemCode::Gone
    );
    device.answer(&gateway, waiting.id, b"late").await;
    assert_eq!(hears.answer().await, (waiting.id, device.id, b"late".to_vec()));
    device_hears.device_is_quiet(&gateway, &host, &device).await;
    // And who is certified is known.
    let want = HostWant::Devices {
        identity: identity("alice"),
    };
    let reply = host.wants(&gateway, want).await;
    assert_eq!(
        reply,
        Reply::Devices {
            devices: vec![device.certificate.clone()]
        }
    );
}

#[tokio::test]
async fn sigterm_ends_streams_and_the_program_in_order() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let (mut host_hears, mut device_hears) = (host.listen(&gateway, None).await, device.listen(&gateway, None).await);
    host_hears.roster().await;
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    device_hears.push().await;
    assert_eq!(gateway.stop().await, Some(0));
    assert!(host_hears.ends().await && device_hears.ends().await);
    assert!(!gateway.dir.join("admin.sock").exists());
    assert!(
        !gateway.log().contains("did not end in time"),
        "a connection held it up"
    );
    gateway.start_again();
    assert_eq!(device.answer(&gateway, push.id, b"yes").await.status(), 204);
}

#[tokio::test]
async fn two_gateways_never_share_a_state_directory() {
    let gateway = Gateway::start();
    let (code, said) = run_to_end(&["--config", &gateway.dir.join("gateway.toml").to_string_lossy()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("another gateway runs on"), "{said}");
    gateway.join("web01").await;
}
