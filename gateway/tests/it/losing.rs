//! A device is lost, removed, or moved from: by whose word, and what becomes of it at once.

use crate::codes_rig::{oathtool, open_totp, secret_of, typed};
use crate::panel_rig::{Browser, ORIGIN, start};
use crate::people::{TestDevice, open_for, other_digits, owner, push_to};
use crate::rig::{Gateway, id, now, text};
use assent_proto::answer::Decision;
use assent_proto::cert::DeviceOwner;
use assent_proto::code::{CodeReply, CodeWant};
use assent_proto::enrol::{Enrolment, OneTimeSecret, Token, short_fingerprint};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, DeviceAsk, DeviceWant, EnrolmentState, Refused, Reply};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

fn refusal(reply: &Reply) -> Refused {
    match reply {
        Reply::Refused { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}

/// Two devices of alice, the second one approved by the first, at the panel.
async fn two(gateway: &Gateway, alice: &Browser) -> (TestDevice, TestDevice) {
    let first = alice.register(gateway, "first").await;
    let mut hears = first.listen(gateway, None).await;
    let (enrolment, keys, digits) = alice.bring(gateway, "second").await;
    assert_eq!(alice.confirm(&enrolment, &digits).await["state"], "approval");
    first.decides(gateway, &mut hears, Decision::Approve).await;
    for _ in 0..500 {
        if alice.labels().await.len() == 2 {
            return (first, gateway.device_of(&enrolment, keys).await);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no second device");
}

async fn left(alice: &Browser, labels: &[&str]) {
    for _ in 0..500 {
        if alice.labels().await == labels {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", alice.labels().await);
}

#[tokio::test]
async fn r27_a_lost_device_is_gone_at_once_by_the_word_of_another_and_every_host_hears() {
    let gateway = start("directory", "");
    let alice = Browser::of(&gateway, "alice").await;
    let (first, second) = two(&gateway, &alice).await;
    let host = gateway.join("web01").await;
    // A login waits on both.
    let push = push_to(&[&first, &second]);
    host.push(&gateway, &push).await;
    let mut of_host = host.listen(&gateway, None).await;
    let mut lost_hears = second.listen(&gateway, None).await;
    let (_, before) = gateway.admin(Method::GET, "/status", json!({})).await;

    let Reply::MyDevices { devices } = first.calls(&gateway, DeviceWant::Lost { device: second.id }).await else {
        panic!("it is not taken");
    };
    assert_eq!(devices.len(), 1);
    // Its stream ends, its answer to what waits is not taken, and it asks nothing any more.
    while !lost_hears.ends().await {}
    assert_eq!(second.answer(&gateway, push.id, b"yes").await.status(), 401);
    assert_eq!(
        refusal(&second.calls(&gateway, DeviceWant::Devices).await),
        Refused::Caller
    );
    // Hosts are told of a new list, which has it.
    let (_, after) = gateway.admin(Method::GET, "/status", json!({})).await;
    let seq = |status: &serde_json::Value| status["registrar"]["revocations"]["seq"].as_u64().unwrap();
    assert!(seq(&after) > seq(&before), "{after}");
    of_host.roster().await;
    // The other one still answers.
    assert_eq!(first.answer(&gateway, push.id, b"yes").await.status(), 204);
}

#[tokio::test]
async fn r27_a_device_loses_nobody_elses_nor_itself_nor_one_that_approves_for_more_people() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let alice = gateway.enrol(&host, "alice").await;
    let bob = gateway.enrol(&host, "bob").await;
    for other in [bob.id, id(), alice.id] {
        let said = alice.calls(&gateway, DeviceWant::Lost { device: other }).await;
        assert_eq!(refusal(&said), Refused::Malformed);
    }
    assert!(matches!(
        bob.calls(&gateway, DeviceWant::Devices).await,
        Reply::MyDevices { .. }
    ));
    // A device for alice and carol, which alice's own approves.
    let both = DeviceOwner {
        identities: [owner("alice").identities, owner("carol").identities].concat(),
        name: text("alice"),
    };
    let token = gateway.enrolment_token();
    host.wants(&gateway, open_for(&token, both)).await;
    let keys = KeyPair::generate().unwrap();
    let enrolment = Enrolment::new(&token, &keys, text("both"), text("test"), now()).unwrap();
    let digits = gateway.digits(&keys, &enrolment).await;
    let mut hears = alice.listen(&gateway, None).await;
    host.wants(&gateway, crate::people::confirm(&token, &digits)).await;
    alice.decides(&gateway, &mut hears, Decision::Approve).await;
    gateway.logs("approved by a device").await;
    let shared = gateway.device_of(&token.id.encode(), keys).await;
    let said = alice.calls(&gateway, DeviceWant::Lost { device: shared.id }).await;
    assert_eq!(refusal(&said), Refused::HasDevice);
    assert!(matches!(
        shared.calls(&gateway, DeviceWant::Devices).await,
        Reply::MyDevices { .. }
    ));
}

#[tokio::test]
async fn r27_at_the_panel_the_others_are_asked_and_what_is_to_go_has_no_say() {
    let gateway = start("directory", "");
    let alice = Browser::of(&gateway, "alice").await;
    let (first, second) = two(&gateway, &alice).await;
    let (mut of_first, mut of_second) = (first.listen(&gateway, None).await, second.listen(&gateway, None).await);
    let path = format!("devices/{}/remove", second.id);
    let asked = alice.post(&path, json!({"lost": true})).await;
    assert_eq!(asked.body["removal"], "needs_approval", "{asked:?}");
    assert_eq!(alice.labels().await.len(), 2, "the password alone removes nothing");
    let host = gateway.join("web01").await;
    of_second.device_is_quiet(&gateway, &host, &second).await;
    first.decides(&gateway, &mut of_first, Decision::Approve).await;
    left(&alice, &["first"]).await;

    // The only one that is left and lost: nobody can approve that.
    let only = format!("devices/{}/remove", first.id);
    let refused = alice.post(&only, json!({"lost": true})).await;
    assert_eq!(refused.said(), (409, "refused"));
    assert_eq!(alice.labels().await, ["first"]);
    // Devices are asked five times in ten minutes at most.
    for _ in 0..4 {
        let asked = alice.post(&only, json!({})).await;
        assert_eq!(asked.body["removal"], "needs_approval", "{asked:?}");
        first.decides(&gateway, &mut of_first, Decision::Deny).await;
        gateway.logs("refused by a device").await;
        for _ in 0..500 {
            let list = alice.get("devices").await;
            if list.body["devices"][0]["removing"] == json!(false) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let refused = alice.post(&only, json!({})).await;
    assert_eq!(refused.said(), (409, "refused"));
    assert!(
        refused.body["text"].as_str().unwrap().contains("again and again"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn r27_a_code_removes_a_lost_device_where_no_other_is_at_hand_and_opens_no_way_to_a_new_one() {
    let gateway = Gateway::start_with(&format!("[panel]\nurl = \"{ORIGIN}\"\n"));
    let asker = gateway.asker("web01").await;
    let CodeReply::TotpOpen { id: set_up, uri, .. } = asker.wants(&gateway, open_totp("alice")).await else {
        panic!("not opened");
    };
    let secret = secret_of(&uri.0);
    let code = typed(&oathtool(&secret, -1));
    let done = asker.wants(&gateway, CodeWant::ConfirmTotp { id: set_up, code }).await;
    assert_eq!(done, CodeReply::TotpReady {});
    let phone = gateway.enrol(&asker.test, "alice").await;
    let link = gateway.panel_link(&asker.test, owner("alice"), 60).await;
    let mut alice = Browser::new(&gateway);
    alice.by_link(&link).await;

    let path = format!("devices/{}/remove", phone.id);
    let good = oathtool(&secret, 0);
    let wrong = other_digits(&good);
    let refused = alice.post(&path, json!({"lost": true, "code": wrong})).await;
    assert_eq!(refused.said(), (409, "refused"));
    let unknown = alice
        .post(&format!("devices/{}/remove", id()), json!({"lost": true, "code": good}))
        .await;
    assert_eq!(unknown.said(), (404, "not_found"), "and the code is not used up");
    assert!(matches!(
        phone.calls(&gateway, DeviceWant::Devices).await,
        Reply::MyDevices { .. }
    ));
    let removed = alice.post(&path, json!({"lost": true, "code": good})).await;
    assert_eq!(removed.body, json!({"removal": "done"}), "{removed:?}");
    assert_eq!(
        refusal(&phone.calls(&gateway, DeviceWant::Devices).await),
        Refused::Caller
    );
    let again = alice.post(&path, json!({"lost": true, "code": good})).await;
    assert_eq!(again.said(), (404, "not_found"));
}

/// A new phone at the code that an old one shows.
async fn newcomer(gateway: &Gateway, token: &Token) -> (KeyPair, String) {
    let keys = KeyPair::generate().unwrap();
    let enrolment = Enrolment::new(token, &keys, text("new phone"), text("test"), now()).unwrap();
    let digits = gateway.digits(&keys, &enrolment).await;
    (keys, digits)
}

async fn open_move(gateway: &Gateway, device: &TestDevice) -> Token {
    let token = Token {
        id: id(),
        secret: OneTimeSecret::random().unwrap(),
        root: short_fingerprint(&gateway.root),
    };
    let want = DeviceWant::Move {
        token_id: token.id,
        secret: token.secret.clone(),
    };
    let said = device.calls(gateway, want).await;
    let Reply::MoveOpen { qr, .. } = said else {
        panic!("{said:?}");
    };
    assert!(qr.0.len() > 20 && qr.0.iter().all(|row| row.len() == qr.0.len()));
    assert_eq!(format!("{qr:?}"), "Modules", "it holds a secret");
    token
}

#[tokio::test]
async fn r27_a_person_moves_to_a_new_phone_by_six_digits_typed_on_the_old_one_which_is_then_gone() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let old = gateway.enrol(&host, "alice").await;
    let bob = gateway.enrol(&host, "bob").await;
    let token = open_move(&gateway, &old).await;
    let (keys, digits) = newcomer(&gateway, &token).await;
    let confirm = |digits: &str| DeviceWant::ConfirmMove {
        token_id: token.id,
        digits: text(digits),
    };
    // Nobody else sees it or answers for it.
    let moving = DeviceWant::Moving { token_id: token.id };
    let foreign = bob.calls(&gateway, moving.clone()).await;
    assert_eq!(foreign, Reply::Enrolment(EnrolmentState::Over));
    assert_eq!(
        bob.calls(&gateway, confirm(&digits)).await,
        Reply::Enrolment(EnrolmentState::Over)
    );
    let by_host = host.wants(&gateway, crate::people::confirm(&token, &digits)).await;
    assert_eq!(by_host, Reply::Enrolment(EnrolmentState::Over));
    let stands = old.calls(&gateway, moving).await;
    assert!(
        matches!(stands, Reply::Enrolment(EnrolmentState::Digits { tries: 3, .. })),
        "{stands:?}"
    );
    let wrong = old.calls(&gateway, confirm(&other_digits(&digits))).await;
    assert!(
        matches!(wrong, Reply::Enrolment(EnrolmentState::Digits { tries: 2, .. })),
        "{wrong:?}"
    );

    let done = old.calls(&gateway, confirm(&digits)).await;
    let Reply::Enrolment(EnrolmentState::Certified { device }) = done else {
        panic!("{done:?}");
    };
    let certified = gateway.issuer.verify_device(&device, now()).unwrap();
    assert_eq!(certified.claims().sign, keys.sign.public());
    assert_eq!(certified.claims().identities, owner("alice").identities);
    let new = gateway.device_of(&token.id.encode(), keys).await;
    let Reply::MyDevices { devices } = new.calls(&gateway, DeviceWant::Devices).await else {
        panic!("no list");
    };
    assert_eq!(devices.len(), 1, "the old one is gone");
    assert_eq!(
        refusal(&old.calls(&gateway, DeviceWant::Devices).await),
        Refused::Caller
    );
}

#[tokio::test]
async fn r27_three_wrong_digits_end_a_move_and_the_old_phone_stays() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let old = gateway.enrol(&host, "alice").await;
    let token = open_move(&gateway, &old).await;
    let (keys, digits) = newcomer(&gateway, &token).await;
    for _ in 0..3 {
        let want = DeviceWant::ConfirmMove {
            token_id: token.id,
            digits: text(&other_digits(&digits)),
        };
        old.calls(&gateway, want).await;
    }
    let late = old
        .calls(
            &gateway,
            DeviceWant::ConfirmMove {
                token_id: token.id,
                digits: text(&digits),
            },
        )
        .await;
    assert_eq!(late, Reply::Enrolment(EnrolmentState::Over));
    let signed = DeviceAsk::sign(&keys.sign, token.id, id(), now()).unwrap();
    let new = gateway.ask(&keys, Ask::Device { signed }).await;
    assert_eq!(new, Reply::Enrolment(EnrolmentState::Over));
    assert!(matches!(
        old.calls(&gateway, DeviceWant::Devices).await,
        Reply::MyDevices { .. }
    ));
}

#[tokio::test]
async fn devices_know_when_each_was_last_opened_and_no_old_caller_reads_anything_new() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let alice = gateway.enrol(&host, "alice").await;
    let Reply::MyDevices { devices } = alice.calls(&gateway, DeviceWant::Devices).await else {
        panic!("no list");
    };
    let listed = serde_json::to_value(&devices[0]).unwrap();
    let keys: Vec<&String> = listed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["device", "label", "since"]);
    let Reply::Heard { devices } = alice.calls(&gateway, DeviceWant::Heard).await else {
        panic!("no list");
    };
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].id, alice.id);
    assert!(now().0 - devices[0].at.unwrap().0 < 60);
}
