//! Further devices of a user: nobody but one of the user's own devices adds them; and what a device asks for itself.

use crate::people::{Events, TestDevice, TestHost, confirm, identity, open_for, owner};
use crate::rig::{Gateway, id, now, text};
use assent_proto::answer::Decision;
use assent_proto::cert::DeviceOwner;
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, DeviceAsk, DeviceCall, DeviceWant, EnrolmentState, Refused, Reply};
use assent_proto::relay::DeviceEvent;
use assent_proto::request::VerifiedRequest;
use reqwest::Method;
use serde_json::json;

/// A new device that has come, and whose digits were typed.
pub struct Newcomer {
    token: Token,
    keys: KeyPair,
    digits: String,
}

impl Newcomer {
    pub async fn comes(gateway: &Gateway, host: &TestHost, owner: DeviceOwner) -> Self {
        let token = gateway.enrolment_token();
        let opened = host.wants(gateway, open_for(&token, owner)).await;
        assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
        let keys = KeyPair::generate().unwrap();
        let enrolment = Enrolment::new(&token, &keys, text("Pixel \"8\""), text("test"), now()).unwrap();
        let digits = gateway.digits(&keys, &enrolment).await;
        let confirmed = host.wants(gateway, confirm(&token, &digits)).await;
        assert!(
            matches!(confirmed, Reply::Enrolment(EnrolmentState::Approval { .. })),
            "{confirmed:?}"
        );
        Self { token, keys, digits }
    }

    async fn state(&self, gateway: &Gateway) -> EnrolmentState {
        let signed = DeviceAsk::sign(&self.keys.sign, self.token.id, id(), now()).unwrap();
        match gateway.ask(&self.keys, Ask::Device { signed }).await {
            Reply::Enrolment(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// Its state once it is not waiting for an approval any more.
    pub async fn ends(&self, gateway: &Gateway) -> EnrolmentState {
        for _ in 0..500 {
            match self.state(gateway).await {
                EnrolmentState::Approval { .. } => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                state => return state,
            }
        }
        panic!("it still waits");
    }
}

pub async fn asked(gateway: &Gateway, device: &TestDevice, hears: &mut Events) -> VerifiedRequest {
    loop {
        match hears.for_device().await {
            DeviceEvent::Devices {} | DeviceEvent::Revocations {} | DeviceEvent::Withdrawn { .. } => {}
            event @ DeviceEvent::Push { .. } => return device.opens(gateway, event),
        }
    }
}

pub async fn answers(gateway: &Gateway, device: &TestDevice, request: &VerifiedRequest, decision: Decision) {
    let blob = device.answer_to(request, decision);
    assert_eq!(device.answer(gateway, request.statement.id, &blob).await.status(), 204);
}

pub async fn certified(gateway: &Gateway) -> usize {
    let (_, list) = gateway.admin(Method::GET, "/devices", json!(null)).await;
    let devices = list["devices"].as_array().unwrap();
    devices.iter().filter(|device| device["revoked"].is_null()).count()
}

#[tokio::test]
async fn r27_a_further_device_is_certified_by_the_word_of_a_registered_one_alone() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let phone = gateway.enrol(&host, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = asked(&gateway, &phone, &mut hears).await;
    let statement = &request.statement;
    let command = statement.cmd.as_ref().unwrap();
    assert_eq!(statement.host.display.as_str(), "registrar");
    assert_eq!((statement.svc.as_str(), statement.user.as_str()), ("enrol", "alice"));
    let digits = format!("{} {}", &new.digits[..3], &new.digits[3..]);
    assert_eq!(
        command.resolved.as_ref().unwrap().as_str(),
        format!("add a device whose screen shows {digits}")
    );
    // The name that the newcomer chose stands apart: it cannot end the sentence.
    assert_eq!(command.args, [text("Pixel \"8\"")]);
    assert_eq!(statement.first, [text("vouched for by root on web01")]);
    assert_eq!(certified(&gateway).await, 1, "asking certifies nothing");
    answers(&gateway, &phone, &request, Decision::Approve).await;
    let EnrolmentState::Certified { device } = new.ends(&gateway).await else {
        panic!("it was approved");
    };
    let device = gateway.issuer.verify_device(&device, now()).unwrap();
    assert_eq!(device.claims().sign, new.keys.sign.public());
    assert_eq!(certified(&gateway).await, 2);
    // The registered one hears of it, and reads who approves now.
    assert_eq!(hears_of_devices(&mut hears).await, ());
    let Reply::MyDevices { devices } = phone.calls(&gateway, DeviceWant::Devices).await else {
        panic!("no list");
    };
    assert_eq!(devices.len(), 2);
}

async fn hears_of_devices(hears: &mut Events) {
    loop {
        if matches!(hears.for_device().await, DeviceEvent::Devices {}) {
            return;
        }
    }
}

#[tokio::test]
async fn r9_a_denied_or_reported_further_device_is_over() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let phone = gateway.enrol(&host, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    for decision in [Decision::Deny, Decision::Report] {
        let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
        let request = asked(&gateway, &phone, &mut hears).await;
        answers(&gateway, &phone, &request, decision).await;
        assert_eq!(new.ends(&gateway).await, EnrolmentState::Over);
        // An approval afterwards does nothing.
        let late = phone.answer_to(&request, Decision::Approve);
        phone.answer(&gateway, request.statement.id, &late).await;
        assert_eq!(new.state(&gateway).await, EnrolmentState::Over);
    }
    assert_eq!(certified(&gateway).await, 1);
    gateway.logs("not me").await;
}

/// Mallory has a device and vouches, through a host of theirs, for "one person" who is Mallory and Alice.
#[tokio::test]
async fn r28_nobody_approves_a_device_for_somebody_else_beside_themselves() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    gateway.enrol(&host, "alice").await;
    gateway.enrol(&host, "mallory").await;
    for names in [["mallory", "alice"], ["alice", "mallory"]] {
        let both = DeviceOwner {
            identities: names.map(identity).to_vec(),
            name: text("mallory"),
        };
        let token = gateway.enrolment_token();
        let refused = host.wants(&gateway, open_for(&token, both)).await;
        assert!(
            matches!(
                refused,
                Reply::Refused {
                    code: Refused::HasDevice,
                    ..
                }
            ),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn r3_another_users_device_and_rubbish_certify_nothing_and_do_not_stop_the_right_answer() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let (phone, bobs) = (gateway.enrol(&host, "alice").await, gateway.enrol(&host, "bob").await);
    let mut hears = phone.listen(&gateway, None).await;
    let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = asked(&gateway, &phone, &mut hears).await;
    let push = request.statement.id;
    // Bob was not asked: the relay takes nothing of his. In alice's name his signature is rubbish.
    let his = bobs.answer_to(&request, Decision::Approve);
    assert_eq!(bobs.answer(&gateway, push, &his).await.status(), 410);
    assert_eq!(phone.answer(&gateway, push, &his).await.status(), 204);
    assert_eq!(phone.answer(&gateway, push, b"rubbish").await.status(), 204);
    gateway.logs("is rubbish and ignored").await;
    assert!(matches!(new.state(&gateway).await, EnrolmentState::Approval { .. }));
    answers(&gateway, &phone, &request, Decision::Approve).await;
    assert!(matches!(new.ends(&gateway).await, EnrolmentState::Certified { .. }));
}

/// The registrar's own tables decide, not what has reached the relay by now.
#[tokio::test]
async fn a_device_that_was_revoked_while_it_was_asked_approves_nothing() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let phone = gateway.enrol(&host, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = asked(&gateway, &phone, &mut hears).await;
    let mut db = gateway.database("registrar.db").await;
    sqlx::query("UPDATE device SET revoked = 1")
        .execute(&mut db)
        .await
        .unwrap();
    answers(&gateway, &phone, &request, Decision::Approve).await;
    assert_eq!(new.ends(&gateway).await, EnrolmentState::Over);
    gateway.logs("revoked by now").await;
}

#[tokio::test]
async fn a_restart_ends_what_waits_for_an_approval() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let phone = gateway.enrol(&host, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = asked(&gateway, &phone, &mut hears).await;
    drop(hears);
    gateway.kill();
    gateway.start_again();
    assert_eq!(new.state(&gateway).await, EnrolmentState::Over);
    let late = phone.answer_to(&request, Decision::Approve);
    phone.answer(&gateway, request.statement.id, &late).await;
    assert_eq!(new.state(&gateway).await, EnrolmentState::Over);
    // And it goes on as the same host: the next one works.
    let mut hears = phone.listen(&gateway, None).await;
    let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = loop {
        let next = asked(&gateway, &phone, &mut hears).await;
        if next.statement.id != request.statement.id {
            break next;
        }
    };
    answers(&gateway, &phone, &request, Decision::Approve).await;
    assert!(matches!(new.ends(&gateway).await, EnrolmentState::Certified { .. }));
}

#[tokio::test]
async fn nobody_has_more_devices_than_one_push_reaches() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let phone = gateway.enrol(&host, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    for _ in 1..8 {
        let new = Newcomer::comes(&gateway, &host, owner("alice")).await;
        let request = asked(&gateway, &phone, &mut hears).await;
        answers(&gateway, &phone, &request, Decision::Approve).await;
        assert!(matches!(new.ends(&gateway).await, EnrolmentState::Certified { .. }));
    }
    let token = gateway.enrolment_token();
    let refused = host.wants(&gateway, open_for(&token, owner("alice"))).await;
    assert!(
        matches!(
            refused,
            Reply::Refused {
                code: Refused::TooManyDevices,
                ..
            }
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn r79_a_device_asks_for_itself_once_and_now() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let (alice, bob) = (gateway.enrol(&host, "alice").await, gateway.enrol(&host, "bob").await);
    let refused = async |signed: String| match gateway.ask(&alice.keys, Ask::DeviceCall { signed }).await {
        Reply::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    let sign = |device, n, at| DeviceCall::sign(&alice.keys.sign, device, n, at, DeviceWant::Leave).unwrap();
    assert_eq!(
        refused(sign(bob.id, id(), now())).await,
        Refused::Caller,
        "in bob's name"
    );
    assert_eq!(refused("x.y.z".into()).await, Refused::Malformed);
    let old = assent_proto::time::UnixTime(now().0 - 4000);
    assert_eq!(refused(sign(alice.id, id(), old)).await, Refused::Clock);
    let stranger = KeyPair::generate().unwrap();
    let signed = DeviceCall::sign(&stranger.sign, alice.id, id(), now(), DeviceWant::Devices).unwrap();
    assert_eq!(refused(signed).await, Refused::Caller);

    let once = DeviceCall::sign(&alice.keys.sign, alice.id, id(), now(), DeviceWant::Devices).unwrap();
    let listed = gateway.ask(&alice.keys, Ask::DeviceCall { signed: once.clone() }).await;
    let Reply::MyDevices { devices } = listed else {
        panic!("{listed:?}")
    };
    assert_eq!(devices.len(), 1, "bob's device is not in alice's list");
    assert_eq!(refused(once).await, Refused::Replay);

    let label = "Kitchen tablet";
    let renamed = alice.calls(&gateway, DeviceWant::Rename { label: text(label) }).await;
    let Reply::MyDevices { devices } = renamed else {
        panic!("{renamed:?}")
    };
    assert_eq!(devices[0].label.as_str(), label);
    for bad in [String::new(), "  ".into(), "x".repeat(129)] {
        let reply = alice.calls(&gateway, DeviceWant::Rename { label: text(&bad) }).await;
        assert!(
            matches!(
                reply,
                Reply::Refused {
                    code: Refused::Malformed,
                    ..
                }
            ),
            "{reply:?}"
        );
    }

    assert_eq!(alice.calls(&gateway, DeviceWant::Leave).await, Reply::Left);
    let gone = alice.calls(&gateway, DeviceWant::Devices).await;
    assert!(
        matches!(
            gone,
            Reply::Refused {
                code: Refused::Caller,
                ..
            }
        ),
        "{gone:?}"
    );
    assert_eq!(certified(&gateway).await, 1, "bob's stays");
}
