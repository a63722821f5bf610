//! What a person does at the Register Panel: devices, codes, one-time links; and the hook that hears of it.

use crate::panel_rig::{Browser, owner_of, start};
use crate::people::other_digits;
use crate::rig::write;
use assent_proto::answer::Decision;
use assent_proto::enrol::{OneTimeSecret, Token};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

#[tokio::test]
async fn a_person_registers_names_and_removes_devices_and_the_hook_hears_of_each() {
    let dir = crate::rig::scratch();
    let hook = dir.join("hook");
    write(
        &hook,
        "#!/bin/sh\nexec >>\"${0%/*}/heard\"\ncat\nenv | sort | tr '\\n' ' '\n",
        0o755,
    );
    let gateway = start("directory", &format!("[notify]\nhook = \"{}\"", hook.display()));
    let alice = Browser::of(&gateway, "alice").await;
    let list = alice.get("devices").await.body;
    assert_eq!(list, json!({"devices": [], "add": {"may": "first"}}));

    let (enrolment, _, digits) = alice.bring(&gateway, "Pixel 8").await;
    let path = format!("enrolment/{enrolment}");
    let standing = json!({"state": "digits", "label": "Pixel 8", "tries": 3});
    assert_eq!(alice.get(&path).await.body, standing);
    let no_digits = alice.post(&format!("{path}/digits"), json!({"digits": "12345"})).await;
    assert_eq!(no_digits.said(), (400, "digits"));
    assert_eq!(
        alice.get(&path).await.body,
        standing,
        "what cannot be the digits costs no try"
    );
    assert_eq!(alice.confirm(&enrolment, &other_digits(&digits)).await["tries"], 2);
    let spaced = format!("{} {}", &digits[..3], &digits[3..]);
    assert_eq!(alice.confirm(&enrolment, &spaced).await, json!({"state": "certified"}));
    assert_eq!(alice.labels().await, ["Pixel 8"]);

    let list = alice.get("devices").await.body;
    assert_eq!(list["add"], json!({"may": "further", "devices": 1}));
    let id = list["devices"][0]["id"].as_str().unwrap();
    let rename = format!("devices/{id}/rename");
    for bad in ["", "  ", "a\nb", &"x".repeat(61)] {
        assert_eq!(
            alice.post(&rename, json!({"label": bad})).await.said(),
            (400, "label"),
            "{bad:?}"
        );
    }
    let renamed = alice.post(&rename, json!({"label": " Old\u{202e}phone "})).await;
    assert_eq!(
        renamed.body,
        json!({"label": "Old\u{202e}phone", "shown": "Old⟨U+202E⟩phone"})
    );
    assert_eq!(alice.labels().await, ["Old\u{202e}phone"]);

    let heard = dir.join("heard");
    wait_for(|| fs::read_to_string(&heard).is_ok_and(|text| text.contains("PATH="))).await;
    let text = fs::read_to_string(&heard).unwrap();
    let (line, environment) = text.split_once('\n').unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&event["event"], &event["label"]),
        (&json!("device_added"), &json!("Pixel 8"))
    );
    assert_eq!(event["name"], "alice");
    assert_eq!(event["device"], id);
    let names: Vec<&str> = environment
        .split_whitespace()
        .map(|pair| pair.split('=').next().unwrap())
        .collect();
    assert!(
        names
            .iter()
            .all(|name| ["PATH", "PWD", "_", "OLDPWD", "SHLVL"].contains(name)),
        "{environment}"
    );
}

async fn wait_for(done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen");
}

#[tokio::test]
async fn r27_a_further_device_and_the_removal_of_the_last_one_need_the_word_of_a_registered_one() {
    let gateway = start("directory", "");
    let alice = Browser::of(&gateway, "alice").await;
    let first = alice.register(&gateway, "first").await;
    let mut hears = first.listen(&gateway, None).await;

    let (enrolment, keys, digits) = alice.bring(&gateway, "second").await;
    let waits = alice.confirm(&enrolment, &digits).await;
    assert_eq!(waits["state"], "approval");
    assert!(waits["left"].as_u64().unwrap() > 60, "{waits}");
    assert_eq!(alice.labels().await, ["first"], "not yet");
    first.decides(&gateway, &mut hears, Decision::Approve).await;
    let path = format!("enrolment/{enrolment}");
    ends(&alice, &path, "certified").await;
    let second = gateway.device_of(&enrolment, keys).await;
    assert_eq!(alice.labels().await.len(), 2);

    // With another one left, that one is asked.
    let removed = alice.post(&format!("devices/{}/remove", second.id), json!({})).await;
    assert_eq!(removed.body["removal"], "needs_approval");
    assert_eq!(alice.labels().await.len(), 2, "not yet");
    first.decides(&gateway, &mut hears, Decision::Approve).await;
    for _ in 0..500 {
        if alice.labels().await.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(alice.labels().await, ["first"]);
    let again = alice.post(&format!("devices/{}/remove", second.id), json!({})).await;
    assert_eq!(again.said(), (404, "not_found"));

    let remove = format!("devices/{}/remove", first.id);
    let asked = alice.post(&remove, json!({})).await;
    assert_eq!(asked.body["removal"], "needs_approval");
    first.decides(&gateway, &mut hears, Decision::Deny).await;
    gateway.logs("refused by a device").await;
    assert_eq!(alice.labels().await, ["first"], "refused");
    alice.post(&remove, json!({})).await;
    first.decides(&gateway, &mut hears, Decision::Approve).await;
    for _ in 0..500 {
        if alice.labels().await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is still there");
}

#[tokio::test]
async fn r9_not_me_ends_every_session_of_that_person_and_nobody_changes_their_devices_for_a_while() {
    let dir = crate::rig::scratch();
    let hook = dir.join("hook");
    write(&hook, "#!/bin/sh\nexec >>\"${0%/*}/heard\"\ncat\n", 0o755);
    let gateway = start("directory", &format!("[notify]\nhook = \"{}\"", hook.display()));
    let alice = Browser::of(&gateway, "alice").await;
    let bob = Browser::of(&gateway, "bob").await;
    let first = alice.register(&gateway, "first").await;
    let mut hears = first.listen(&gateway, None).await;

    let thief = Browser::of(&gateway, "alice").await;
    let (enrolment, _, digits) = thief.bring(&gateway, "thief's").await;
    assert_eq!(thief.confirm(&enrolment, &digits).await["state"], "approval");
    first.decides(&gateway, &mut hears, Decision::Report).await;
    gateway.logs("reported as").await;

    assert_eq!(
        thief.get(&format!("enrolment/{enrolment}")).await.said(),
        (401, "no_session")
    );
    assert_eq!(thief.get("session").await.body["signed_in"], false);
    assert_eq!(
        alice.get("devices").await.said(),
        (401, "no_session"),
        "hers as well: she signs in anew"
    );
    assert_eq!(bob.get("session").await.body["signed_in"], true, "nobody else's");
    // The password alone still signs in, and changes nothing.
    let again = Browser::of(&gateway, "alice").await;
    let list = again.get("devices").await.body;
    assert_eq!(list["add"], json!({"may": "no", "why": "frozen"}));
    assert_eq!(again.post("enrolment", json!({})).await.said(), (409, "refused"));
    let removed = again.post(&format!("devices/{}/remove", first.id), json!({})).await;
    assert_eq!(removed.said(), (409, "refused"));
    assert_eq!(again.labels().await, ["first"]);
    let over = again.get(&format!("enrolment/{enrolment}")).await.body;
    assert_eq!(over, json!({"state": "over", "why": "reported"}));

    let heard = dir.join("heard");
    wait_for(|| fs::read_to_string(&heard).is_ok_and(|text| text.contains("not_me"))).await;
    let text = fs::read_to_string(&heard).unwrap();
    let event: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&event["event"], &event["name"]), (&json!("not_me"), &json!("alice")));
    assert_eq!(
        (&event["label"], &event["device"]),
        (&json!("thief's"), &json!(first.id))
    );
}

#[tokio::test]
async fn how_an_enrolment_ended_is_told_to_its_own_person() {
    let gateway = start("directory", "");
    let alice = Browser::of(&gateway, "alice").await;
    let (wrong, _, digits) = alice.bring(&gateway, "phone").await;
    for _ in 0..3 {
        alice.confirm(&wrong, &other_digits(&digits)).await;
    }
    let path = |id: &str| format!("enrolment/{id}");
    assert_eq!(
        alice.get(&path(&wrong)).await.body,
        json!({"state": "over", "why": "digits"})
    );
    let first = alice.register(&gateway, "first").await;
    let mut hears = first.listen(&gateway, None).await;
    let (denied, _, digits) = alice.bring(&gateway, "second").await;
    alice.confirm(&denied, &digits).await;
    first.decides(&gateway, &mut hears, Decision::Deny).await;
    ends(&alice, &path(&denied), "over").await;
    assert_eq!(alice.get(&path(&denied)).await.body["why"], "denied");
    let bob = Browser::of(&gateway, "bob").await;
    assert_eq!(
        bob.get(&path(&denied)).await.body,
        json!({"state": "over"}),
        "nobody else's business"
    );
}

#[tokio::test]
async fn r28_in_mode_directory_a_password_alone_registers_no_device_for_whoever_ever_had_one() {
    let gateway = start("directory", "");
    let alice = Browser::of(&gateway, "alice").await;
    let first = alice.register(&gateway, "first").await;
    let mut hears = first.listen(&gateway, None).await;
    alice.post(&format!("devices/{}/remove", first.id), json!({})).await;
    first.decides(&gateway, &mut hears, Decision::Approve).await;
    for _ in 0..500 {
        if alice.labels().await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let list = alice.get("devices").await.body;
    assert_eq!(
        (&list["devices"], &list["add"]["why"]),
        (&json!([]), &json!("ask_admin")),
        "{list}"
    );
}

async fn ends(browser: &Browser, path: &str, state: &str) {
    for _ in 0..500 {
        let now = browser.get(path).await.body;
        if now["state"] == state {
            return;
        }
        assert_eq!(now["state"], "approval");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still waits");
}

#[tokio::test]
async fn a_one_time_link_signs_in_once_and_its_session_registers_a_first_device() {
    let dir = crate::rig::scratch();
    let hook = dir.join("hook");
    write(&hook, "#!/bin/sh\nexec cat >>\"${0%/*}/heard\"\n", 0o755);
    let gateway = start("admin", &format!("[notify]\nhook = \"{}\"", hook.display()));
    let host = gateway.join("web01").await;
    let by_password = Browser::of(&gateway, "alice").await;
    let add = &by_password.get("devices").await.body["add"];
    let command = "assentctl enroll alice --link";
    assert_eq!(*add, json!({"may": "no", "why": "ask_admin", "command": command}));
    let refused = by_password.post("enrolment", json!({})).await;
    assert_eq!(
        refused.said(),
        (409, "refused"),
        "the registrar holds it, whatever the page shows"
    );

    let link = gateway.panel_link(&host, owner_of("alice", 1), 60).await;
    let mut alice = Browser::new(&gateway);
    let signed = alice.by_link(&link).await;
    assert_eq!(signed.status, StatusCode::OK, "{signed:?}");
    assert_eq!(
        (&signed.body["name"], &signed.body["by"]),
        (&json!("alice"), &json!("link"))
    );
    assert!(signed.body["left"].as_u64().unwrap() <= 900);
    let mut thief = Browser::new(&gateway);
    assert_eq!(thief.by_link(&link).await.said(), (401, "link"), "once");
    assert!(thief.cookie.is_none());
    alice.register(&gateway, "phone").await;
    assert_eq!(by_password.labels().await, ["phone"], "the same person");

    wait_for(|| fs::read_to_string(dir.join("heard")).is_ok_and(|text| text.lines().count() == 2)).await;
    let heard = fs::read_to_string(dir.join("heard")).unwrap();
    let events: Vec<Value> = heard.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&events[0]["event"], &events[0]["name"]),
        (&json!("sign_in_by_link"), &json!("alice"))
    );
    assert_eq!(events[1]["event"], "device_added");
    assert!(!heard.contains(&link.to_text()[..47]), "without its secret");
}

#[tokio::test]
async fn links_that_do_not_count_are_all_answered_alike() {
    let gateway = start("admin", "");
    let host = gateway.join("web01").await;
    let good = gateway.panel_link(&host, owner_of("alice", 1), 60).await;
    let wrong = Token {
        secret: OneTimeSecret::random().unwrap(),
        ..good.clone()
    };
    let unknown = Token {
        id: crate::rig::id(),
        ..good.clone()
    };
    let mut said = Vec::new();
    for token in [&wrong, &unknown] {
        let answer = Browser::new(&gateway).by_link(token).await;
        said.push((answer.status, answer.body));
    }
    let odd = Browser::new(&gateway).post("link", json!({"token": "1.2.3"})).await;
    said.push((odd.status, odd.body));
    assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
    assert_eq!(said[0].0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        Browser::new(&gateway).by_link(&good).await.status,
        StatusCode::OK,
        "one wrong try spoils nothing"
    );
}

#[tokio::test]
async fn r25_no_secret_of_a_code_or_a_link_and_no_session_id_reaches_the_log() {
    let gateway = start("directory", "");
    let host = gateway.join("web01").await;
    let link = gateway.panel_link(&host, owner_of("bob", 2), 60).await;
    let mut bob = Browser::new(&gateway);
    bob.by_link(&link).await;
    let opened = bob.post("enrolment", json!({})).await;
    let code = opened.body["link"].as_str().unwrap().to_owned();
    assert!(code.starts_with("https://push.example.org/e#1."), "{code}");
    bob.post("sign-out", json!({})).await;
    gateway.logs("an enrolment is open").await;
    let log = gateway.log();
    for secret in [
        link.to_text().split('.').nth(2).unwrap(),
        code.split('.').nth(4).unwrap(),
        bob.cookie.as_deref().unwrap(),
        bob.csrf.as_deref().unwrap(),
    ] {
        assert!(secret.len() >= 22 && !log.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_code_is_a_square_of_modules_and_dies_with_the_next_one() {
    let gateway = start("directory", "");
    let alice = Browser::of(&gateway, "alice").await;
    let opened = alice.post("enrolment", json!({})).await.body;
    let size = usize::try_from(opened["qr"]["size"].as_u64().unwrap()).unwrap();
    let rows = opened["qr"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), size);
    assert!(rows.iter().all(|row| row.as_str().unwrap().len() == size));
    assert!((590..=600).contains(&opened["left"].as_u64().unwrap()));
    let path = format!("enrolment/{}", opened["id"].as_str().unwrap());
    assert_eq!(alice.get(&path).await.body["state"], "waiting");
    alice.post("enrolment", json!({})).await;
    assert_eq!(alice.get(&path).await.body["state"], "over");
}

#[tokio::test]
async fn r56_a_hook_that_others_may_change_keeps_the_gateway_from_starting() {
    let dir = crate::rig::scratch();
    let hook = dir.join("hook");
    let gateway = start("directory", "");
    let config = crate::rig::config(
        &gateway.dir,
        "127.0.0.1:0",
        &format!("[notify]\nhook = \"{}\"", hook.display()),
    );
    let file = dir.join("gateway.toml");
    write(&file, &config, 0o644);
    let file = file.to_str().unwrap();
    for (mode, good) in [
        (0o777, false),
        (0o775, false),
        (0o644, false),
        (0o755, true),
        (0o700, true),
    ] {
        write(&hook, "#!/bin/sh\n", mode);
        let (code, said) = crate::rig::run_to_end(&["--check", "--config", file]);
        assert_eq!(code == Some(0), good, "{mode:o}: {said}");
        assert!(good || said.contains("notify hook"), "{said}");
    }
}
