//! Devices are enrolled by a one-time secret and six digits; who may vouch for whom; what a revocation does.

use crate::joining::refused;
use crate::people::{TestDevice, TestHost, confirm, identity, open_for, other_digits, owner, push_to};
use crate::rig::{Gateway, id, now, problem, text};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::enrol::{Enrolment, OneTimeSecret, Token};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, DeviceAsk, ENROL_OPENED, EnrolmentState, HostWant, Refused, Reply};
use assent_proto::relay::{HostEvent, ProblemCode};
use reqwest::{Method, StatusCode};
use serde_json::json;

fn request(token: &Token, keys: &KeyPair) -> Enrolment {
    Enrolment::new(token, keys, text("phone"), text("test"), now()).unwrap()
}

async fn open(gateway: &Gateway, host: &TestHost, user: &str) -> Token {
    let token = gateway.enrolment_token();
    let opened = host.wants(gateway, open_for(&token, owner(user))).await;
    assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
    token
}

/// A device that has come with its token; its digits are to be typed.
async fn bound(gateway: &Gateway, token: &Token) -> (KeyPair, Enrolment, String) {
    let keys = KeyPair::generate().unwrap();
    let enrolment = request(token, &keys);
    let came = gateway.ask(&keys, Ask::EnrolDevice(enrolment.clone())).await;
    let Reply::Enrolment(EnrolmentState::Digits { n, .. }) = &came else {
        panic!("{came:?}")
    };
    let digits = enrolment.digits(n);
    assert!(is_digits_wanted(&came, 3));
    (keys, enrolment, digits)
}

/// Whether digits are to be typed, with so many tries left.
fn is_digits_wanted(reply: &Reply, left: u8) -> bool {
    matches!(reply, Reply::Enrolment(EnrolmentState::Digits { label, tries, .. }) if label.as_str() == "phone" && *tries == left)
}

async fn certificates(gateway: &Gateway, host: &TestHost, user: &str) -> Vec<String> {
    let want = HostWant::Devices {
        identity: identity(user),
    };
    match host.wants(gateway, want).await {
        Reply::Devices { devices } => devices,
        other => panic!("{other:?}"),
    }
}

const OVER: Reply = Reply::Enrolment(EnrolmentState::Over);

#[tokio::test]
async fn an_enrolled_device_has_its_users_certificate_and_every_host_hears_of_it() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let mut hears = web02.listen(&gateway, None).await;
    let before = hears.roster().await;
    assert!(certificates(&gateway, &web02, "alice").await.is_empty());
    let device = gateway.enrol(&web01, "alice").await;
    assert!(matches!(hears.for_host().await, HostEvent::Roster { generation } if generation > before));
    assert_eq!(
        certificates(&gateway, &web02, "alice").await,
        std::slice::from_ref(&device.certificate)
    );
    assert!(certificates(&gateway, &web02, "bob").await.is_empty());
    let claims = gateway.issuer.verify_device(&device.certificate, now()).unwrap();
    assert_eq!(claims.claims().identities, [identity("alice")]);
    assert!(claims.claims().sign == device.keys.sign.public());
}

#[tokio::test]
async fn r25_three_wrong_digits_end_an_enrolment_and_two_do_not() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let token = open(&gateway, &host, "alice").await;
    let (_, _, right) = bound(&gateway, &token).await;
    let wrong = other_digits(&right);
    assert!(is_digits_wanted(
        &host.wants(&gateway, confirm(&token, &wrong)).await,
        2
    ));
    assert!(is_digits_wanted(
        &host.wants(&gateway, confirm(&token, &wrong)).await,
        1
    ));
    assert_eq!(host.wants(&gateway, confirm(&token, &wrong)).await, OVER);
    assert_eq!(
        host.wants(&gateway, confirm(&token, &right)).await,
        OVER,
        "the right ones come too late"
    );
    assert!(certificates(&gateway, &host, "alice").await.is_empty());

    let token = open(&gateway, &host, "bob").await;
    let (_, _, right) = bound(&gateway, &token).await;
    host.wants(&gateway, confirm(&token, &other_digits(&right))).await;
    let confirmed = host.wants(&gateway, confirm(&token, &right)).await;
    assert!(
        matches!(confirmed, Reply::Enrolment(EnrolmentState::Certified { .. })),
        "{confirmed:?}"
    );
}

#[tokio::test]
async fn r25_five_wrong_secrets_end_an_enrolment() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let token = open(&gateway, &host, "alice").await;
    let guess = Token {
        secret: OneTimeSecret::random().unwrap(),
        ..token.clone()
    };
    for _ in 0..5 {
        let keys = KeyPair::generate().unwrap();
        assert_eq!(
            refused(gateway.ask(&keys, Ask::EnrolDevice(request(&guess, &keys))).await),
            Refused::Token
        );
    }
    let keys = KeyPair::generate().unwrap();
    assert_eq!(
        refused(gateway.ask(&keys, Ask::EnrolDevice(request(&token, &keys))).await),
        Refused::Token
    );
    let state = host.wants(&gateway, HostWant::Enrolment { token_id: token.id }).await;
    assert_eq!(state, OVER);
}

#[tokio::test]
async fn a_token_takes_the_first_device_and_its_lost_reply_comes_again() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let token = open(&gateway, &host, "alice").await;
    let (keys, enrolment, digits) = bound(&gateway, &token).await;
    let again = gateway.ask(&keys, Ask::EnrolDevice(enrolment.clone())).await;
    assert!(is_digits_wanted(&again, 3));
    let Reply::Enrolment(EnrolmentState::Digits { n, .. }) = &again else {
        panic!("{again:?}")
    };
    assert_eq!(enrolment.digits(n), digits, "the device shows the same once more");
    let thief = KeyPair::generate().unwrap();
    assert_eq!(
        refused(gateway.ask(&thief, Ask::EnrolDevice(request(&token, &thief))).await),
        Refused::Token
    );
    let unknown = gateway.enrolment_token();
    assert_eq!(
        refused(gateway.ask(&thief, Ask::EnrolDevice(request(&unknown, &thief))).await),
        Refused::Token
    );
}

#[tokio::test]
async fn another_host_sees_and_confirms_nothing_of_an_enrolment() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let token = open(&gateway, &web01, "alice").await;
    let (_, _, digits) = bound(&gateway, &token).await;
    let look = || HostWant::Enrolment { token_id: token.id };
    assert_eq!(web02.wants(&gateway, look()).await, OVER);
    assert_eq!(web02.wants(&gateway, confirm(&token, &digits)).await, OVER);
    assert!(
        is_digits_wanted(&web01.wants(&gateway, look()).await, 3),
        "and it costs no try"
    );
    let taken = web02.wants(&gateway, open_for(&token, owner("mallory"))).await;
    assert_eq!(refused(taken), Refused::Token, "an opened token is nobody else's");
}

#[tokio::test]
async fn a_newer_enrolment_ends_an_older_one() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let early = open(&gateway, &web02, "alice").await;
    gateway.enrol(&web01, "alice").await;
    let keys = KeyPair::generate().unwrap();
    assert_eq!(
        refused(gateway.ask(&keys, Ask::EnrolDevice(request(&early, &keys))).await),
        Refused::Token
    );
}

#[tokio::test]
async fn r28_a_host_vouches_for_its_own_local_users_and_its_name_space_alone() {
    let gateway = Gateway::start();
    let (web01, web02) = (gateway.join("web01").await, gateway.join("web02").await);
    let of = |realm: &str| DeviceOwner {
        identities: vec![Identity {
            realm: text(realm),
            id: text("1000"),
        }],
        name: text("joe"),
    };
    let token = gateway.enrolment_token();
    for foreign in [format!("nss@{}", web02.id), "elsewhere.org".into(), String::new()] {
        let reply = web01.wants(&gateway, open_for(&token, of(&foreign))).await;
        assert_eq!(refused(reply), Refused::NameSpace, "{foreign}");
    }
    let own = web01
        .wants(&gateway, open_for(&token, of(&format!("nss@{}", web01.id))))
        .await;
    assert!(matches!(own, Reply::EnrolmentOpen { .. }), "{own:?}");
}

#[tokio::test]
async fn a_key_is_certified_once() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let alice = gateway.enrol(&host, "alice").await;
    let token = open(&gateway, &host, "bob").await;
    for keys in [&alice.keys, &host.keys] {
        let reply = gateway.ask(keys, Ask::EnrolDevice(request(&token, keys))).await;
        assert_eq!(refused(reply), Refused::Malformed);
    }
    bound(&gateway, &token).await;
}

#[tokio::test]
async fn a_device_learns_how_its_own_enrolment_stands_and_no_other() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let token = open(&gateway, &host, "alice").await;
    let (keys, _, digits) = bound(&gateway, &token).await;
    let ask = async |by: &KeyPair, token_id, n| {
        let signed = DeviceAsk::sign(&by.sign, token_id, n, now()).unwrap();
        gateway.ask(by, Ask::Device { signed }).await
    };
    let n = id();
    assert!(is_digits_wanted(&ask(&keys, token.id, n).await, 3));
    assert_eq!(refused(ask(&keys, token.id, n).await), Refused::Replay);
    let bob = gateway.enrol(&host, "bob").await;
    assert_eq!(refused(ask(&bob.keys, token.id, id()).await), Refused::Caller);
    assert_eq!(
        refused(ask(&KeyPair::generate().unwrap(), token.id, id()).await),
        Refused::Caller
    );
    host.wants(&gateway, confirm(&token, &digits)).await;
    let done = ask(&keys, token.id, id()).await;
    assert!(
        matches!(done, Reply::Enrolment(EnrolmentState::Certified { .. })),
        "{done:?}"
    );
}

async fn revoke(gateway: &Gateway, device: &TestDevice) {
    let which = json!({"device_id": device.id});
    let (status, said) = gateway.admin(Method::POST, "/devices/revoke", which).await;
    assert_eq!(status, StatusCode::OK, "{said}");
}

#[tokio::test]
async fn a_revoked_device_hears_and_answers_nothing_more_and_hosts_are_told() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let (mut host_hears, mut device_hears) = (host.listen(&gateway, None).await, device.listen(&gateway, None).await);
    let before = host_hears.roster().await;
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    assert_eq!(device_hears.push().await, push.id);
    revoke(&gateway, &device).await;
    assert!(device_hears.ends().await, "its stream ends");
    assert!(matches!(host_hears.for_host().await, HostEvent::Roster { generation } if generation > before));
    let (status, problem) = problem(device.answer(&gateway, push.id, b"yes").await).await;
    assert_eq!((status, problem.code), (401, ProblemCode::Unauthorized));
    assert!(certificates(&gateway, &host, "alice").await.is_empty());
    let taken = host.push(&gateway, &push_to(&[&device])).await;
    assert_eq!(taken.unknown, [device.id]);
    // The way back in: a new device, by an admin's leave.
    gateway.enrol(&host, "alice").await;
}

#[tokio::test]
async fn a_log_that_was_changed_certifies_nobody() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web01").await;
    gateway.enrol(&host, "alice").await;
    let (_, status) = gateway.admin(Method::GET, "/status", json!(null)).await;
    // The registrar itself, its first revocation list, the code service, the host, the device.
    assert_eq!(
        (&status["registrar"]["log_whole"], &status["registrar"]["log_rows"]),
        (&json!(true), &json!(5))
    );
    assert_eq!(gateway.stop().await, Some(0));
    let mut db = gateway.database("registrar.db").await;
    sqlx::query("DROP TRIGGER log_is_never_changed")
        .execute(&mut db)
        .await
        .unwrap();
    let done = sqlx::query("UPDATE log SET at = at + 1 WHERE idx = 0")
        .execute(&mut db)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    drop(db);
    gateway.start_again();
    let (_, status) = gateway.admin(Method::GET, "/status", json!(null)).await;
    assert_eq!(status["registrar"]["log_whole"], json!(false));
    let token = gateway.token("web02").await;
    let keys = KeyPair::generate().unwrap();
    let join = assent_proto::registrar::HostJoin::new(&token, &keys, text("web02"), now()).unwrap();
    assert_eq!(
        refused(gateway.ask(&keys, Ask::JoinHost(join)).await),
        Refused::Internal
    );
}

/// Whoever serves an enrolment learns the digits of the right device. He must not be able to make a device of his own
/// that shows the same, neither beforehand nor by trying often.
#[tokio::test]
async fn r26_the_digits_are_not_made_from_the_request_alone_and_enrolments_are_not_opened_again_and_again() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let keys = KeyPair::generate().unwrap();
    let mut chosen = Vec::new();
    for _ in 0..ENROL_OPENED {
        let token = open(&gateway, &host, "alice").await;
        let came = gateway.ask(&keys, Ask::EnrolDevice(request(&token, &keys))).await;
        if let Reply::Enrolment(EnrolmentState::Digits { n, .. }) = came {
            assert!(!chosen.contains(&n));
            chosen.push(n);
        }
    }
    assert!(!chosen.is_empty());
    let token = gateway.enrolment_token();
    let refused = host.wants(&gateway, open_for(&token, owner("alice"))).await;
    assert!(
        matches!(
            refused,
            Reply::Refused {
                code: Refused::TooOften,
                ..
            }
        ),
        "{refused:?}"
    );
    open(&gateway, &host, "bob").await;
}
