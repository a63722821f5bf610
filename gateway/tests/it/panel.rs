//! Signing in at the Register Panel.

use crate::panel_rig::{Browser, COOKIE, ORIGIN, PASSWORD, profile, start, users_file, with_password};
use crate::rig::Gateway;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

#[tokio::test]
async fn r75_signing_in_sets_a_cookie_that_only_this_host_and_no_script_gets_and_renews_it() {
    let gateway = start("directory", "");
    let mut browser = Browser::new(&gateway);
    let signed = browser.sign_in("alice", PASSWORD).await;
    let cookies: Vec<_> = signed.headers.get_all("set-cookie").iter().collect();
    let [cookie] = cookies[..] else {
        panic!("{cookies:?}");
    };
    let (value, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
    assert!(
        value.starts_with(&format!("{COOKIE}=")) && value.len() == COOKIE.len() + 1 + 43,
        "256 bits"
    );
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(signed.body["name"], "alice");
    assert_eq!(signed.body["by"], "password");

    let old = browser.clone();
    browser.sign_in("alice", PASSWORD).await;
    assert_ne!(old.cookie, browser.cookie);
    assert_eq!(
        old.get("devices").await.said(),
        (401, "no_session"),
        "the old one ended"
    );
    assert_eq!(browser.get("devices").await.status, StatusCode::OK);

    let out = browser.post("sign-out", json!({})).await;
    let gone = out.headers["set-cookie"].to_str().unwrap();
    assert!(
        gone.starts_with(&format!("{COOKIE}=;")) && gone.ends_with("Max-Age=0"),
        "{gone}"
    );
    assert_eq!(browser.get("devices").await.said(), (401, "no_session"));
    assert_eq!(
        browser.get("session").await.body,
        json!({"signed_in": false, "password": true})
    );
}

#[tokio::test]
async fn r31_r62_r77_every_refusal_is_the_same_and_comes_on_the_same_beat() {
    let blocked = format!("{}\nblocked = true", with_password());
    let expired = format!("{}\nexpires = \"2020-01-01\"", with_password());
    let users = users_file(&[
        ("alice", &with_password()),
        ("blocked", &blocked),
        ("expired", &expired),
        ("none", ""),
    ]);
    let gateway = Gateway::start_with(&format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"staff\"]\n{}",
        profile("staff", &users, "")
    ));
    let mut seen: Option<(StatusCode, Value)> = None;
    for (user, password) in [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("blocked", PASSWORD),
        ("expired", PASSWORD),
        ("none", PASSWORD),
        ("alice", ""),
        ("", PASSWORD),
        ("../alice", PASSWORD),
        ("alice\0", PASSWORD),
        (&"x".repeat(257), PASSWORD),
    ] {
        let mut browser = Browser::new(&gateway);
        let began = Instant::now();
        let answer = browser.sign_in(user, password).await;
        let took = began.elapsed();
        // The beat is one second; the rest is the machine's.
        assert!(took >= Duration::from_secs(1), "{user:?} took {took:?}");
        assert!(browser.cookie.is_none(), "{user:?}");
        let said = (answer.status, answer.body);
        assert_eq!(said, seen.clone().unwrap_or_else(|| said.clone()), "{user:?}");
        seen = Some(said);
    }
    assert_eq!(seen.unwrap().0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn r44_r70_no_password_and_no_unknown_name_reaches_the_log() {
    let gateway = start("directory", "");
    let mut browser = Browser::new(&gateway);
    browser.sign_in("my-secret-as-name", "canary-1-password").await;
    browser.sign_in("alice", "canary-2-password").await;
    for odd in [
        json!({"user": {"password": "canary-3-password"}, "password": ["canary-4-password"]}),
        json!({"user": "alice", "password": "x", "canary-5-password": 1}),
        json!("canary-6-password"),
    ] {
        let answer = browser.post("sign-in", odd).await;
        assert_eq!(answer.said(), (400, "malformed"));
        assert!(!answer.body.to_string().contains("canary"), "{answer:?}");
    }
    gateway.logs("cause=\"wrong_password\"").await;
    let log = gateway.log();
    assert!(!log.contains("canary") && !log.contains("my-secret-as-name"), "{log}");
    assert!(log.contains("user=\"(unknown user)\" cause=\"unknown_user\""), "{log}");
    assert!(
        log.contains("user=\"alice\" cause=\"wrong_password\""),
        "a known name is named"
    );
}

#[tokio::test]
async fn r77_wrong_passwords_are_slowed_down_for_that_account_alone_and_nothing_is_checked_meanwhile() {
    let gateway = start("directory", "");
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let mut browser = Browser::new(&gateway);
            tokio::spawn(async move { browser.sign_in("alice", "wrong").await.said().0 })
        })
        .collect();
    let mut codes = Vec::new();
    for one in tries {
        codes.push(one.await.unwrap());
    }
    codes.sort_unstable();
    assert_eq!(
        codes,
        [401, 401, 401, 401, 401, 401, 429, 429],
        "all at once are as many"
    );
    let mut browser = Browser::new(&gateway);
    let waits = browser.sign_in("Alice", PASSWORD).await;
    assert_eq!(waits.said(), (429, "wait"), "the right one, too");
    let wait: u64 = waits.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(waits.body["wait"], wait);
    assert_eq!(browser.sign_in("bob", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn profiles_are_asked_in_order_and_only_an_unknown_user_goes_on_to_the_next() {
    let password = with_password();
    let other = password.replace("Xj8C", "Yj8C");
    let first = users_file(&[("alice", &other), ("shut", &format!("{password}\nblocked = true"))]);
    let second = users_file(&[("alice", &password), ("shut", &password), ("late", &password)]);
    let gateway = Gateway::start_with(&format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"first\", \"second\"]\n{}{}",
        profile("first", &first, ""),
        profile("second", &second, "")
    ));
    let code = async |user: &str| Browser::new(&gateway).sign_in(user, PASSWORD).await.said().0;
    assert_eq!(code("late").await, 200);
    assert_eq!(
        code("alice").await,
        401,
        "the second profile's password is not the first one's"
    );
    assert_eq!(code("shut").await, 401, "blocked is final");

    // Away, everybody hears so; what the directory would have said of them does not show.
    fs::remove_file(&first).unwrap();
    for user in ["late", "alice", "nobody"] {
        let answer = Browser::new(&gateway).sign_in(user, PASSWORD).await;
        assert_eq!(answer.said(), (503, "away"), "{user}");
    }
}

#[tokio::test]
async fn a_profile_that_is_away_is_passed_over_only_where_the_configuration_says_so() {
    let users = users_file(&[("alice", &with_password())]);
    let nowhere = users.with_file_name("nowhere.toml");
    let gateway = Gateway::start_with(&format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"first\", \"second\"]\n{}{}",
        profile("first", &nowhere, "on_unreachable = \"next\""),
        profile("second", &users, "")
    ));
    assert_eq!(Browser::new(&gateway).sign_in("alice", PASSWORD).await.said().0, 200);
    let unknown = Browser::new(&gateway).sign_in("nobody", PASSWORD).await;
    let wrong = Browser::new(&gateway).sign_in("alice", "wrong").await;
    assert_eq!((unknown.said(), &unknown.body), (wrong.said(), &wrong.body));
}

#[tokio::test]
async fn r31_a_later_profile_that_is_away_does_not_tell_whom_the_first_one_knows() {
    let users = users_file(&[("alice", &with_password())]);
    let nowhere = users.with_file_name("nowhere.toml");
    let gateway = Gateway::start_with(&format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"first\", \"second\"]\n{}{}",
        profile("first", &users, ""),
        profile("second", &nowhere, "")
    ));
    let unknown = Browser::new(&gateway).sign_in("nobody", PASSWORD).await;
    let wrong = Browser::new(&gateway).sign_in("alice", "wrong").await;
    assert_eq!(unknown.said(), (401, "sign_in"));
    assert_eq!((unknown.said(), &unknown.body), (wrong.said(), &wrong.body));
    gateway.logs("a profile could not be asked profile=\"second\"").await;
}

#[tokio::test]
async fn a_body_that_is_too_large_or_not_there_is_refused() {
    let gateway = start("directory", "");
    let browser = Browser::new(&gateway);
    let large = json!({"user": "alice", "password": "x".repeat(5000)});
    assert_eq!(
        browser.post("sign-in", large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let none = browser.call(Method::POST, "sign-in", None).await;
    assert_eq!(none.said(), (400, "malformed"));
}

#[tokio::test]
async fn without_profiles_there_is_no_sign_in_by_password() {
    let gateway = Gateway::start_with(&format!("[panel]\nurl = \"{ORIGIN}\""));
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.sign_in("alice", PASSWORD).await.said(), (403, "no_passwords"));
    assert_eq!(
        browser.get("session").await.body,
        json!({"signed_in": false, "password": false})
    );
}

#[tokio::test]
async fn r77_links_are_tried_at_a_bounded_rate() {
    let gateway = start("admin", "");
    let tries: Vec<_> = (0..300)
        .map(|_| {
            let browser = Browser::new(&gateway);
            tokio::spawn(async move { browser.post("link", json!({"token": "1.2.3.4"})).await })
        })
        .collect();
    let (mut tried, mut waits) = (0, 0);
    for one in tries {
        match one.await.unwrap().said() {
            (401, "link") => tried += 1,
            (429, "wait") => waits += 1,
            other => panic!("{other:?}"),
        }
    }
    // Eighty at once, and twenty for each second that it took.
    assert!(tried >= 80 && waits > 10, "{tried} were tried, {waits} had to wait");
}
