//! The revocation list, and what "not me" at a host comes to (R10, R24, R92).

use crate::further::{Newcomer, answers, asked, certified as devices};
use crate::people::{Events, TestDevice, TestHost, identity, open_for, owner};
use crate::rig::{Gateway, id, now, text};
use assent_proto::answer::{Answer, Decision};
use assent_proto::cert::{Device, Level, Trust};
use assent_proto::registrar::{Ask, DeviceWant, EnrolmentState, HostWant, Refused, Reply};
use assent_proto::relay::{DeviceEvent, HostEvent};
use assent_proto::request::{Details, Source, Statement, VerifiedRequest};
use assent_proto::revocation::{Assembly, Held, Origin, Revocations, Step, WantList};
use assent_proto::{Digest, sha256};
use reqwest::{Method, StatusCode};
use serde_json::json;

const SOURCE: &str = "192.0.2.7";

fn here() -> Origin {
    Origin::Network(SOURCE.parse().unwrap())
}

fn elsewhere() -> Origin {
    Origin::Network("192.0.2.8".parse().unwrap())
}

/// The newest list, put together and verified as a host does it.
async fn newest(gateway: &Gateway, host: &TestHost) -> Revocations {
    let (mut assembly, mut want) = Assembly::new(None);
    loop {
        let Reply::Revocations(part) = host.wants(gateway, HostWant::Revocations(want)).await else {
            panic!("no list");
        };
        match assembly.take(part).unwrap() {
            Step::Ask(next) => want = next,
            Step::Whole { issuer, document } => {
                let trust = Trust::new(vec![gateway.root.clone()]);
                return Revocations::verify(&trust, &issuer, &document).unwrap();
            }
            Step::Unchanged => panic!("nothing was held"),
        }
    }
}

fn certified(gateway: &Gateway, device: &TestDevice) -> Device {
    gateway.issuer.verify_device(&device.certificate, now()).unwrap()
}

/// A request of this host, and a device's answer to it.
fn report_of(
    gateway: &Gateway,
    host: &TestHost,
    user: &str,
    (device, decision): (&TestDevice, Decision),
    change: impl FnOnce(&mut Statement),
) -> Ask {
    let certificate = gateway.issuer.verify_host(&host.certificate, now()).unwrap();
    let details = Details {
        login: text("k7f3q2"),
        svc: text("sshd"),
        user: text(user),
        identity: identity(user),
        ruser: None,
        target_user: None,
        cmd: None,
        cwd: None,
        tty: None,
        src: Some(Source {
            ip: SOURCE.parse().unwrap(),
            port: None,
            network: None,
            asn: None,
            new: None,
            place: None,
        }),
        first: vec![],
        level: Level::Tap,
        digits: 0,
        lock: false,
        ttl: 60,
        ctx: sha256(&[b"ctx"]),
        app: text("ssh"),
    };
    let n: Digest = sha256(&[&id().0]);
    let mut statement = Statement::new(id(), n, &certificate, now(), details);
    change(&mut statement);
    let request = statement.sign(&host.keys.sign).unwrap();
    let seen = VerifiedRequest {
        statement,
        host: certificate,
        digest: sha256(&[request.as_bytes()]),
    };
    let answer = Answer::new(&seen, device.id, decision, None, now());
    Ask::Report {
        request,
        answer: answer.sign(&device.keys.sign).unwrap(),
    }
}

async fn report(gateway: &Gateway, host: &TestHost, ask: Ask) -> Result<u64, Refused> {
    match gateway.ask(&host.keys, ask).await {
        Reply::Reported { seq } => Ok(seq),
        Reply::Refused { code, .. } => Err(code),
        other => panic!("{other:?}"),
    }
}

async fn next_generation(hears: &mut Events) -> u64 {
    match hears.for_host().await {
        HostEvent::Roster { generation } => generation,
        HostEvent::Answer { .. } => panic!("an answer"),
    }
}

async fn hears_of_a_list(hears: &mut Events) {
    loop {
        if matches!(hears.for_device().await, DeviceEvent::Revocations {}) {
            return;
        }
    }
}

#[tokio::test]
async fn r24_a_revocation_is_in_the_next_list_at_once_and_survives_a_restart() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let other = gateway.join("web02").await;
    let (lost, kept) = (gateway.enrol(&host, "alice").await, gateway.enrol(&host, "bob").await);
    let before = newest(&gateway, &host).await;
    assert!(!before.revokes_device(&certified(&gateway, &lost)));
    let (mut host_hears, mut device_hears) = (host.listen(&gateway, None).await, kept.listen(&gateway, None).await);
    let generation = next_generation(&mut host_hears).await;

    let (status, _) = gateway
        .admin(Method::POST, "/devices/revoke", json!({"device_id": lost.id}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(next_generation(&mut host_hears).await > generation);
    hears_of_a_list(&mut device_hears).await;
    let after = newest(&gateway, &host).await;
    assert!(after.seq() > before.seq());
    assert!(after.revokes_device(&certified(&gateway, &lost)));
    assert!(!after.revokes_device(&certified(&gateway, &kept)));

    // A host, too; and a device that leaves by itself.
    let (status, _) = gateway
        .admin(Method::POST, "/hosts/revoke", json!({"host_id": other.id}))
        .await;
    assert_eq!(status, StatusCode::OK);
    hears_of_a_list(&mut device_hears).await;
    let web02 = gateway.issuer.verify_host(&other.certificate, now()).unwrap();
    assert!(newest(&gateway, &host).await.revokes_host(&web02));
    assert!(matches!(kept.calls(&gateway, DeviceWant::Leave).await, Reply::Left));
    let last = newest(&gateway, &host).await;
    assert!(last.revokes_device(&certified(&gateway, &kept)) && last.revokes_host(&web02));

    assert_eq!(gateway.stop().await, Some(0));
    gateway.start_again();
    let again = newest(&gateway, &host).await;
    assert_eq!((again.seq(), again.digest()), (last.seq(), last.digest()));
}

#[tokio::test]
async fn only_who_is_certified_gets_the_list_and_a_held_one_is_not_sent_again() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let list = newest(&gateway, &host).await;
    let held = WantList {
        held: Some(Held {
            seq: list.seq(),
            digest: list.digest(),
        }),
        part: 0,
    };
    for reply in [
        host.wants(&gateway, HostWant::Revocations(held)).await,
        device.calls(&gateway, DeviceWant::Revocations(held)).await,
    ] {
        assert!(matches!(reply, Reply::Revocations(part) if part.parts == 0 && part.text.is_empty()));
    }
    gateway
        .admin(Method::POST, "/devices/revoke", json!({"device_id": device.id}))
        .await;
    let refused = device.calls(&gateway, DeviceWant::Revocations(held)).await;
    assert!(
        matches!(
            refused,
            Reply::Refused {
                code: Refused::Caller,
                ..
            }
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn r24_a_registrar_that_was_restored_notices_and_its_number_jumps_by_an_admins_word_alone() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let list = newest(&gateway, &host).await;
    let said = || async {
        let (_, status) = gateway.admin(Method::GET, "/status", json!(null)).await;
        status["registrar"]["revocations"]["held_elsewhere"].clone()
    };
    assert!(said().await.is_null());
    for (seq, digest) in [(list.seq() + 5, list.digest()), (list.seq(), sha256(&[b"another"]))] {
        let held = Some(Held { seq, digest });
        host.wants(&gateway, HostWant::Revocations(WantList { held, part: 0 }))
            .await;
        assert_eq!(said().await, json!(list.seq() + 5));
        assert_eq!(newest(&gateway, &host).await.seq(), list.seq(), "no host raises it");
    }
    let (status, jumped) = gateway.admin(Method::POST, "/revocations/jump", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(jumped["seq"], json!(list.seq() + 1_000_000));
    assert_eq!(newest(&gateway, &host).await.seq(), list.seq() + 1_000_000);
    assert!(said().await.is_null());
}

#[tokio::test]
async fn r92_a_report_freezes_its_person_there_for_a_day_and_everywhere_for_ten_minutes() {
    let mut gateway = Gateway::start();
    let (host, second) = (gateway.join("web01").await, gateway.join("web02").await);
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = second.listen(&gateway, None).await;
    let generation = next_generation(&mut hears).await;
    let ask = report_of(&gateway, &host, "alice", (&device, Decision::Report), |_| {});
    let seq = report(&gateway, &host, ask.clone()).await.unwrap();
    // The other host hears of it at once.
    assert!(next_generation(&mut hears).await > generation);
    let list = newest(&gateway, &second).await;
    assert_eq!(list.seq(), seq);
    let (alice, start) = (identity("alice"), now());
    let frozen = |list: &Revocations, from, after| list.frozen(&alice, from, start.plus(after));
    assert!(frozen(&list, here(), 0) && frozen(&list, elsewhere(), 0));
    assert!(frozen(&list, here(), 700) && !frozen(&list, elsewhere(), 700));
    assert!(!frozen(&list, here(), 86_500));
    assert!(!list.frozen(&identity("bob"), here(), now()));
    // The very same report again changes nothing; a restart neither.
    assert_eq!(report(&gateway, &host, ask.clone()).await, Ok(seq));
    assert_eq!(gateway.stop().await, Some(0));
    gateway.start_again();
    assert_eq!(report(&gateway, &host, ask).await, Ok(seq));
    assert!(frozen(&newest(&gateway, &host).await, elsewhere(), 0));

    // An admin sees it by name and lifts it.
    let (_, listed) = gateway.admin(Method::GET, "/freezes", json!(null)).await;
    let listed = listed["freezes"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(
        listed
            .iter()
            .all(|one| one["identity"] == "example.org#alice" && one["names"] == json!(["alice"]))
    );
    let (status, _) = gateway
        .admin(Method::POST, "/freezes/lift", json!({"user": "bob"}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, lifted) = gateway
        .admin(Method::POST, "/freezes/lift", json!({"user": "alice"}))
        .await;
    assert_eq!((status, &lifted["lifted"]), (StatusCode::OK, &json!(2)));
    let list = newest(&gateway, &second).await;
    assert!(list.seq() > seq && !frozen(&list, here(), 0));
}

/// Whoever acts in somebody's name may hold one of their devices as well.
#[tokio::test]
async fn r92_while_a_person_is_frozen_their_devices_approve_no_further_one_whoever_enrols_it() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let phone = gateway.enrol(&host, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    // Asked already when "not me" is said to a login.
    let asked_before = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = asked(&gateway, &phone, &mut hears).await;
    let ask = report_of(&gateway, &host, "alice", (&phone, Decision::Report), |_| {});
    report(&gateway, &host, ask).await.unwrap();
    answers(&gateway, &phone, &request, Decision::Approve).await;
    assert_eq!(asked_before.ends(&gateway).await, EnrolmentState::Over);
    let opened = host
        .wants(&gateway, open_for(&gateway.enrolment_token(), owner("alice")))
        .await;
    let Reply::Refused { code, text } = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(code, Refused::HasDevice);
    assert!(text.as_str().contains("assentctl freeze lift"), "{text:?}");
    // Others, and she once an admin has lifted it.
    gateway.enrol(&host, "bob").await;
    let lift = json!({"user": "alice"});
    assert_eq!(gateway.admin(Method::POST, "/freezes/lift", lift).await.0, 200);
    let after = Newcomer::comes(&gateway, &host, owner("alice")).await;
    let request = asked(&gateway, &phone, &mut hears).await;
    answers(&gateway, &phone, &request, Decision::Approve).await;
    assert!(matches!(after.ends(&gateway).await, EnrolmentState::Certified { .. }));
    assert_eq!(devices(&gateway).await, 3);
}

#[tokio::test]
async fn r10_no_host_freezes_anybody_by_itself() {
    let gateway = Gateway::start();
    let (host, evil) = (gateway.join("web01").await, gateway.join("web02").await);
    let (alice, bob) = (gateway.enrol(&host, "alice").await, gateway.enrol(&host, "bob").await);
    let before = newest(&gateway, &host).await.seq();
    let reported = (&alice, Decision::Report);
    let refused = [
        // Another decision; another person's device; an answer that the host made itself.
        report_of(&gateway, &host, "alice", (&alice, Decision::Approve), |_| {}),
        report_of(&gateway, &host, "alice", (&alice, Decision::Deny), |_| {}),
        report_of(&gateway, &host, "alice", (&bob, Decision::Report), |_| {}),
        report_of(
            &gateway,
            &host,
            "alice",
            (
                &TestDevice {
                    id: alice.id,
                    keys: assent_proto::keys::KeyPair::generate().unwrap(),
                    certificate: alice.certificate.clone(),
                },
                Decision::Report,
            ),
            |_| {},
        ),
        // In another host's name; too old; about devices.
        report_of(&gateway, &host, "alice", reported, |statement| {
            statement.host.id = evil.id;
        }),
        report_of(&gateway, &host, "alice", reported, |statement| {
            statement.iat = assent_proto::time::UnixTime(now().0 - 1000);
        }),
        report_of(&gateway, &host, "alice", reported, |statement| {
            statement.svc = text("enrol");
        }),
        Ask::Report {
            request: "a.b.c".into(),
            answer: String::new(),
        },
    ];
    for (at, ask) in refused.into_iter().enumerate() {
        assert_eq!(report(&gateway, &host, ask).await, Err(Refused::Report), "{at}");
    }
    // A revoked device, and a revoked host.
    let by_revoked = report_of(&gateway, &host, "bob", (&bob, Decision::Report), |_| {});
    let of_revoked = report_of(&gateway, &evil, "alice", reported, |_| {});
    for (path, body) in [
        ("/devices/revoke", json!({"device_id": bob.id})),
        ("/hosts/revoke", json!({"host_id": evil.id})),
    ] {
        assert_eq!(gateway.admin(Method::POST, path, body).await.0, StatusCode::OK);
    }
    for ask in [by_revoked, of_revoked] {
        assert_eq!(report(&gateway, &host, ask).await, Err(Refused::Report));
    }
    let list = newest(&gateway, &host).await;
    assert_eq!(
        (list.seq(), list.claims().freezes.len()),
        (before + 2, 0),
        "two revocations and no freeze"
    );
    let good = report_of(&gateway, &host, "alice", reported, |_| {});
    assert!(report(&gateway, &host, good).await.is_ok());
}
