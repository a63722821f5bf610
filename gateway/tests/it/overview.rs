//! What an administrator reads at the panel: who may, after which approval, and what hosts tell.

use crate::panel_rig::{Browser, start, user_id};
use crate::people::{TestDevice, identity};
use crate::rig::{Gateway, now, text};
use assent_proto::answer::Decision;
use assent_proto::exception::{Exception, Exceptions, Kind};
use assent_proto::registrar::{HostWant, Reply};
use assent_proto::time::UnixTime;
use serde_json::{Value, json};

/// A panel whose administrator is alice.
fn of_alice() -> Gateway {
    let alice = identity(&user_id(1));
    start("directory", &format!("administrators = [\"{alice}\"]"))
}

fn exception(kind: Kind, user: &str, until: Option<UnixTime>) -> Exception {
    Exception {
        kind,
        user: text(user),
        identity: Some(identity(user)),
        applications: vec![text("sudo")],
        until,
        reason: text("lost\u{202e} her phone"),
        by: text("root"),
    }
}

/// Asks for a look, and has the device decide; the look, and how it then stands.
async fn look(gateway: &Gateway, browser: &Browser, device: &TestDevice, decision: Decision) -> (String, Value) {
    let mut hears = device.listen(gateway, None).await;
    let asked = browser.post("overview/looks", json!({})).await;
    assert_eq!((asked.status.as_u16(), &asked.body["state"]), (201, &json!("approval")));
    let look = asked.body["id"].as_str().unwrap().to_owned();
    let read = browser.post(&format!("overview/looks/{look}/read"), everybody(0)).await;
    assert_eq!(read.said(), (404, "not_found"), "no device has approved");
    device.decides(gateway, &mut hears, decision).await;
    for _ in 0..200 {
        let stands = browser.get(&format!("overview/looks/{look}")).await.body["state"].clone();
        if stands != "approval" {
            return (look, stands);
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("it was never decided");
}

fn everybody(page: u32) -> Value {
    json!({"part": "", "page": page})
}

async fn reads(browser: &Browser, look: &str, part: &str) -> Value {
    let read = browser
        .post(&format!("overview/looks/{look}/read"), json!({"part": part, "page": 0}))
        .await;
    assert_eq!(read.status.as_u16(), 200, "{read:?}");
    read.body
}

fn names(people: &Value) -> Vec<&str> {
    let people = people.as_array().unwrap().iter();
    people.map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_administrator_reads_about_everybody_after_an_approval_on_their_own_device() {
    let gateway = of_alice();
    let alice = Browser::of(&gateway, "alice").await;
    assert_eq!(alice.get("overview").await.body, json!({"administers": true}));
    let phone = alice.register(&gateway, "Phone").await;
    Browser::of(&gateway, "bob").await.register(&gateway, "Bob's").await;
    let (web, quiet) = (gateway.join("web01").await, gateway.join("web02").await);
    let over = UnixTime(now().0 - 1);
    let told = Exceptions::of([
        exception(Kind::Bypass, "carol", Some(now().plus(3600))),
        exception(Kind::Block, "mallory", None),
        exception(Kind::Lock, "old", Some(over)),
    ]);
    let reply = web.wants(&gateway, HostWant::Exceptions(told)).await;
    assert_eq!(reply, Reply::Noted);
    let (opened, stands) = look(&gateway, &alice, &phone, Decision::Approve).await;
    assert_eq!(stands, "granted");
    let all = reads(&alice, &opened, "").await;
    assert_eq!(
        (names(&all["people"]), &all["people_in_all"]),
        (vec!["alice", "bob"], &json!(2))
    );
    assert_eq!(all["people"][1]["devices"][0]["label"], "Bob's");
    assert_eq!(all["people"][1]["identity"], identity(&user_id(2)).to_string());
    let running = all["exceptions"].as_array().unwrap();
    assert_eq!(running.len(), 2, "what is over is left out: {running:?}");
    assert_eq!(
        (
            &running[0]["host"],
            &running[0]["kind"],
            &running[0]["user"],
            &running[1]["kind"]
        ),
        (&json!("web01"), &json!("bypass"), &json!("carol"), &json!("block"))
    );
    assert!(
        !running[0]["reason"].as_str().unwrap().contains('\u{202e}'),
        "made visible"
    );
    assert_eq!(all["silent"], json!(["web02"]), "nothing is known of it");
    // A search is for people, wherever they stand.
    let found = reads(&alice, &opened, "BO").await;
    assert_eq!(
        (names(&found["people"]), &found["exceptions"]),
        (vec!["bob"], &json!([]))
    );
    for odd in ["%", "_", "\\", "'"] {
        assert_eq!(reads(&alice, &opened, odd).await["people_in_all"], 0, "{odd}");
    }
    let page = alice
        .post(&format!("overview/looks/{opened}/read"), everybody(1))
        .await
        .body;
    assert_eq!((&page["people"], &page["people_in_all"]), (&json!([]), &json!(2)));
    // What a host tells takes the place of what it told before.
    web.wants(&gateway, HostWant::Exceptions(Exceptions::default())).await;
    quiet.wants(&gateway, HostWant::Exceptions(Exceptions::default())).await;
    let all = reads(&alice, &opened, "").await;
    assert_eq!((&all["exceptions"], &all["silent"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_look_is_its_administrators_own_and_ends_with_not_me() {
    let gateway = of_alice();
    let alice = Browser::of(&gateway, "alice").await;
    let phone = alice.register(&gateway, "Phone").await;
    let bob = Browser::of(&gateway, "bob").await;
    bob.register(&gateway, "Bob's").await;
    assert_eq!(bob.get("overview").await.body, json!({"administers": false}));
    let refused = bob.post("overview/looks", json!({})).await;
    assert_eq!(refused.said(), (409, "refused"));
    assert!(refused.body["text"].as_str().unwrap().contains("no administrator"));

    let (denied, stands) = look(&gateway, &alice, &phone, Decision::Deny).await;
    assert_eq!(stands, "over");
    let read = alice.post(&format!("overview/looks/{denied}/read"), everybody(0)).await;
    assert_eq!(read.said(), (404, "not_found"));

    let (opened, _) = look(&gateway, &alice, &phone, Decision::Approve).await;
    let path = format!("overview/looks/{opened}/read");
    assert_eq!(bob.post(&path, everybody(0)).await.said(), (404, "not_found"));
    assert_eq!(bob.get(&format!("overview/looks/{opened}")).await.body["state"], "over");
    let mut stranger = Browser::new(&gateway);
    assert_eq!(stranger.post(&path, everybody(0)).await.said(), (401, "no_session"));
    stranger.cookie = alice.cookie.clone();
    assert_eq!(
        stranger.post(&path, everybody(0)).await.said(),
        (403, "csrf"),
        "from another page"
    );

    // "Not me" to another asking ends the sessions, and a new one finds nothing open.
    let mut hears = phone.listen(&gateway, None).await;
    alice.post("overview/looks", json!({})).await;
    phone.decides(&gateway, &mut hears, Decision::Report).await;
    gateway.logs("reported as \"not me\"").await;
    assert_eq!(alice.post(&path, everybody(0)).await.said(), (401, "no_session"));
    let again = Browser::of(&gateway, "alice").await;
    assert_eq!(again.post(&path, everybody(0)).await.said(), (404, "not_found"));
    let refused = again.post("overview/looks", json!({})).await;
    assert!(
        refused.body["text"].as_str().unwrap().contains("not you"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn whoever_asks_again_and_again_is_stopped_and_who_has_no_device_is_told() {
    let gateway = of_alice();
    let alice = Browser::of(&gateway, "alice").await;
    let refused = alice.post("overview/looks", json!({})).await;
    assert!(
        refused.body["text"]
            .as_str()
            .unwrap()
            .contains("register a device first")
    );
    alice.register(&gateway, "Phone").await;
    for _ in 0..5 {
        assert_eq!(alice.post("overview/looks", json!({})).await.status.as_u16(), 201);
    }
    let refused = alice.post("overview/looks", json!({})).await;
    assert!(
        refused.body["text"].as_str().unwrap().contains("again and again"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn only_a_certified_host_tells_and_only_of_itself() {
    let gateway = of_alice();
    let web = gateway.join("web01").await;
    let stranger = crate::people::TestHost {
        keys: assent_proto::keys::KeyPair::generate().unwrap(),
        ..web
    };
    let told = Exceptions::of([exception(Kind::Bypass, "carol", None)]);
    let reply = stranger.wants(&gateway, HostWant::Exceptions(told)).await;
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
}
