//! First devices that are registered in a login: never beside another device, one at a time, and not where an admin keeps
//! that for themself.

use crate::joining::refused;
use crate::people::{TestHost, identity, open_for, other_digits, owner};
use crate::rig::{Gateway, now, text};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, ENROL_TTL, EnrolmentState, HostWant, Refused, Reply};
use reqwest::Method;
use serde_json::json;

const OVER: Reply = Reply::Enrolment(EnrolmentState::Over);

fn start() -> Gateway {
    Gateway::start_with("[panel]\nfirst_device = \"terminal\"\n")
}

fn first(token: &Token, owner: DeviceOwner, ttl: u32) -> HostWant {
    HostWant::OpenFirst {
        token_id: token.id,
        secret: token.secret.clone(),
        owner,
        ttl,
    }
}

fn confirm_first(token: &Token, digits: &str) -> HostWant {
    HostWant::ConfirmFirst {
        token_id: token.id,
        digits: text(digits),
    }
}

fn end(token: &Token) -> HostWant {
    HostWant::EndEnrolment { token_id: token.id }
}

async fn open(gateway: &Gateway, host: &TestHost, user: &str) -> Token {
    let token = gateway.enrolment_token();
    let opened = host.wants(gateway, first(&token, owner(user), 240)).await;
    assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
    token
}

/// A phone comes; the digits that it shows.
async fn phone(gateway: &Gateway, token: &Token) -> String {
    let keys = KeyPair::generate().unwrap();
    let enrolment = Enrolment::new(token, &keys, text("phone"), text("test"), now()).unwrap();
    gateway.digits(&keys, &enrolment).await
}

/// What the registrar says to a phone that comes.
async fn phone_comes(gateway: &Gateway, token: &Token) -> Reply {
    let keys = KeyPair::generate().unwrap();
    let enrolment = Enrolment::new(token, &keys, text("phone"), text("test"), now()).unwrap();
    gateway.ask(&keys, Ask::EnrolDevice(enrolment)).await
}

#[tokio::test]
async fn a_first_device_is_certified_by_its_digits_and_one_enrolment_is_open_at_a_time() {
    let gateway = start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let token = open(&gateway, &web01, "alice").await;
    // A second login at once, here or elsewhere; others are not held up.
    for host in [&web01, &web02] {
        let second = first(&gateway.enrolment_token(), owner("alice"), 240);
        assert_eq!(refused(host.wants(&gateway, second).await), Refused::Open);
    }
    open(&gateway, &web02, "bob").await;
    // Nobody has come yet; then wrong digits cost a try, and another host's word nothing.
    let waiting = web01.wants(&gateway, confirm_first(&token, "123456")).await;
    assert_eq!(waiting, Reply::Enrolment(EnrolmentState::Waiting));
    let digits = phone(&gateway, &token).await;
    assert_eq!(web02.wants(&gateway, confirm_first(&token, &digits)).await, OVER);
    assert_eq!(web02.wants(&gateway, end(&token)).await, OVER);
    let wrong = web01
        .wants(&gateway, confirm_first(&token, &other_digits(&digits)))
        .await;
    assert!(
        matches!(wrong, Reply::Enrolment(EnrolmentState::Digits { tries: 2, .. })),
        "{wrong:?}"
    );
    let Reply::Enrolment(EnrolmentState::Certified { device }) =
        web01.wants(&gateway, confirm_first(&token, &digits)).await
    else {
        panic!("not certified");
    };
    let device = gateway.issuer.verify_device(&device, now()).unwrap();
    assert_eq!(device.claims().identities, [identity("alice")]);
    // Ending it afterwards takes no certificate back.
    let ended = web01.wants(&gateway, end(&token)).await;
    assert!(
        matches!(ended, Reply::Enrolment(EnrolmentState::Certified { .. })),
        "{ended:?}"
    );
}

#[tokio::test]
async fn where_first_devices_are_an_admins_no_login_registers_one() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let want = first(&gateway.enrolment_token(), owner("alice"), 240);
    assert_eq!(refused(host.wants(&gateway, want).await), Refused::AdminOnly);
}

#[tokio::test]
async fn who_has_or_had_a_device_gets_no_other_in_a_login() {
    let gateway = start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let again = || first(&gateway.enrolment_token(), owner("alice"), 240);
    assert_eq!(refused(host.wants(&gateway, again()).await), Refused::HasDevice);
    // Also beside somebody who has none.
    let both = DeviceOwner {
        identities: vec![identity("mallory"), identity("alice")],
        name: text("mallory"),
    };
    let want = first(&gateway.enrolment_token(), both, 240);
    assert_eq!(refused(host.wants(&gateway, want).await), Refused::HasDevice);
    // Lost, or renewed too late: an admin looks who is asking.
    let mut registrar = gateway.database("registrar.db").await;
    let change = |sql: &'static str| sqlx::query(sql);
    change("UPDATE device SET exp = 1")
        .execute(&mut registrar)
        .await
        .unwrap();
    assert_eq!(refused(host.wants(&gateway, again()).await), Refused::HasDevice);
    let revoked = json!({"device_id": device.id});
    let (status, _) = gateway.admin(Method::POST, "/devices/revoke", revoked).await;
    assert!(status.is_success(), "{status}");
    assert_eq!(refused(host.wants(&gateway, again()).await), Refused::HasDevice);
    // A device that is there when the digits come ends it.
    let token = open(&gateway, &host, "bob").await;
    let digits = phone(&gateway, &token).await;
    change("UPDATE device_identity SET id = (SELECT id FROM enrolment_identity WHERE token_id = (SELECT token_id FROM enrolment WHERE state = 1))")
        .execute(&mut registrar)
        .await
        .unwrap();
    let late = host.wants(&gateway, confirm_first(&token, &digits)).await;
    assert_eq!(refused(late), Refused::HasDevice);
    assert_eq!(host.wants(&gateway, confirm_first(&token, &digits)).await, OVER);
}

#[tokio::test]
async fn a_withdrawn_enrolment_is_over_for_its_phone_and_makes_room_for_the_next() {
    let gateway = start();
    let host = gateway.join("web01").await;
    let token = open(&gateway, &host, "alice").await;
    let digits = phone(&gateway, &token).await;
    assert_eq!(host.wants(&gateway, end(&token)).await, OVER);
    assert_eq!(host.wants(&gateway, confirm_first(&token, &digits)).await, OVER);
    // One that nobody came for, too.
    let token = open(&gateway, &host, "alice").await;
    assert_eq!(host.wants(&gateway, end(&token)).await, OVER);
    assert_eq!(refused(phone_comes(&gateway, &token).await), Refused::Token);
    // An admin's enrolment goes before a login's.
    let token = open(&gateway, &host, "alice").await;
    let admins = gateway.enrolment_token();
    let opened = host.wants(&gateway, open_for(&admins, owner("alice"))).await;
    assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
    assert_eq!(refused(phone_comes(&gateway, &token).await), Refused::Token);
    let behind = first(&gateway.enrolment_token(), owner("alice"), 240);
    assert_eq!(refused(host.wants(&gateway, behind).await), Refused::Open);
}

#[tokio::test]
async fn r28_in_a_login_too_a_host_vouches_for_its_own_name_space_and_for_minutes_alone() {
    let gateway = start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let foreign = DeviceOwner {
        identities: vec![Identity {
            realm: text(&format!("nss@{}", web02.id)),
            id: text("1000"),
        }],
        name: text("joe"),
    };
    let want = first(&gateway.enrolment_token(), foreign, 240);
    assert_eq!(refused(web01.wants(&gateway, want).await), Refused::NameSpace);
    for ttl in [0, u32::try_from(ENROL_TTL).unwrap() + 1] {
        let want = first(&gateway.enrolment_token(), owner("alice"), ttl);
        assert_eq!(refused(web01.wants(&gateway, want).await), Refused::Malformed, "{ttl}");
    }
    let short = gateway.enrolment_token();
    web01.wants(&gateway, first(&short, owner("alice"), 1)).await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(refused(phone_comes(&gateway, &short).await), Refused::Token);
    open(&gateway, &web01, "alice").await;
}
