//! What a person sees of their codes at the panel, and what guesses of strangers do to them.

use crate::codes_rig::{Asker, SmsGateway, oathtool, open_totp, secret_of, stands_in, start, typed};
use crate::panel_rig::{Browser, ORIGIN, owner_of, profile, users_file, with_password};
use crate::rig::{Gateway, text};
use assent_proto::code::{CodeMethod, CodeRefused, CodeReply, CodeStart, CodeWant};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const FILES: [&str; 3] = ["codes.db", "codes.db-wal", "log"];

/// A login from an address.
fn from(user: &str, methods: &[CodeMethod], address: &str) -> CodeStart {
    CodeStart {
        src: Some(address.parse().unwrap()),
        ..start(user, methods)
    }
}

/// Alice's app, set up on this host.
async fn app(gateway: &Gateway, asker: &Asker) -> String {
    let CodeReply::TotpOpen { id, uri, .. } = asker.wants(gateway, open_totp("alice")).await else {
        panic!("not opened");
    };
    let secret = secret_of(&uri.0);
    let code = typed(&oathtool(&secret, -1));
    let confirmed = asker.wants(gateway, CodeWant::ConfirmTotp { id, code }).await;
    assert_eq!(confirmed, CodeReply::TotpReady {});
    secret
}

#[tokio::test]
async fn r87_whoever_guesses_from_many_places_locks_nobody_out_of_a_known_one() {
    let mut gateway = Gateway::start_with("");
    let (web, other) = (gateway.asker("web01").await, gateway.asker("web02").await);
    let secret = app(&gateway, &web).await;
    let home = || from("alice", &[CodeMethod::Totp], "192.0.2.7");
    let mut waiting = web.starts(&gateway, home()).await;
    let passed = web.types(&gateway, &mut waiting, &oathtool(&secret, 0)).await;
    assert!(matches!(passed, Ok((Some(_), _))));
    let wrong = if oathtool(&secret, 0) == "000000" {
        "000001"
    } else {
        "000000"
    };
    // Another host, and two addresses on each: nine at most at one place.
    let mut guessed = 0;
    'guesses: for (asker, address) in [(&other, "203.0.113.1"), (&other, "203.0.113.2"), (&web, "203.0.113.1")] {
        for _ in 0..3 {
            let mut waiting = asker
                .starts(&gateway, from("alice", &[CodeMethod::Totp], address))
                .await;
            for _ in 0..3 {
                if asker.types(&gateway, &mut waiting, wrong).await.is_err() {
                    break 'guesses;
                }
                guessed += 1;
            }
        }
    }
    assert_eq!(guessed, 20);
    gateway.kill();
    gateway.start_again();
    // From there and from anywhere new, on any host: nothing.
    for (asker, address) in [(&other, "203.0.113.9"), (&web, "203.0.113.1"), (&web, "198.51.100.1")] {
        let waiting = asker
            .starts(&gateway, from("alice", &[CodeMethod::Totp], address))
            .await;
        assert_eq!(waiting.offers[0].refused, Some(CodeRefused::Locked), "{address}");
    }
    let (_, status) = gateway.admin(Method::GET, "/codes", json!({})).await;
    assert_eq!(status["locked"][0]["at"], "unknown places", "{status}");
    // From where she came before, on the host where she came: as ever.
    let mut waiting = web.starts(&gateway, home()).await;
    assert_eq!(waiting.offers[0].refused, None);
    let passed = web.types(&gateway, &mut waiting, &oathtool(&secret, 1)).await;
    assert!(matches!(passed, Ok((Some(_), _))));
    // The strangers' lock stands, until an admin lifts it.
    let waiting = other
        .starts(&gateway, from("alice", &[CodeMethod::Totp], "203.0.113.9"))
        .await;
    assert_eq!(waiting.offers[0].refused, Some(CodeRefused::Locked));
    let (done, _) = gateway
        .admin(Method::POST, "/codes/unlock", json!({"user": "alice"}))
        .await;
    assert_eq!(done, StatusCode::OK);
    let waiting = other
        .starts(&gateway, from("alice", &[CodeMethod::Totp], "203.0.113.9"))
        .await;
    assert_eq!(waiting.offers[0].refused, None);
}

async fn by_link(gateway: &Gateway, asker: &Asker, user: &str) -> Browser {
    let link = gateway.panel_link(&asker.test, crate::people::owner(user), 60).await;
    let mut browser = Browser::new(gateway);
    browser.by_link(&link).await;
    browser
}

#[tokio::test]
async fn m17_a_person_sees_where_their_codes_were_typed_and_nobody_else_does() {
    let gateway = Gateway::start_with(&format!("[panel]\nurl = \"{ORIGIN}\"\n"));
    let asker = gateway.asker("web01").await;
    let secret = app(&gateway, &asker).await;
    let mut wanted = from("alice", &[CodeMethod::Totp], "203.0.113.77");
    wanted.svc = text("sshd\u{202e}");
    let mut waiting = asker.starts(&gateway, wanted).await;
    let wrong = if oathtool(&secret, 0) == "000000" {
        "000001"
    } else {
        "000000"
    };
    for _ in 0..2 {
        assert!(matches!(
            asker.types(&gateway, &mut waiting, wrong).await,
            Ok((None, _))
        ));
    }
    assert!(matches!(
        asker.types(&gateway, &mut waiting, &oathtool(&secret, 0)).await,
        Ok((Some(_), _))
    ));
    let browser = by_link(&gateway, &asker, "alice").await;
    let seen = browser.get("codes").await.body;
    let recent: Vec<(&Value, &Value)> = seen["recent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["ok"], &one["src"]))
        .collect();
    let (yes, no, src) = (json!(true), json!(false), json!("203.0.113.77"));
    assert_eq!(recent, [(&yes, &src), (&no, &src), (&no, &src)], "{seen}");
    let first = &seen["recent"][0];
    assert_eq!((&first["host"], &first["method"]), (&json!("web01"), &json!("totp")));
    assert_eq!(first["service"], "sshd⟨U+202E⟩");
    let bob = by_link(&gateway, &asker, "bob").await;
    assert_eq!(bob.get("codes").await.body["recent"], json!([]));
    for secret in ["203.0.113.77", "web01"] {
        assert!(!stands_in(&gateway, &FILES[..2], secret), "{secret} stands in codes.db");
    }
    // Ten wrong ones push no right one out.
    for _ in 0..3 {
        let mut waiting = asker
            .starts(&gateway, from("alice", &[CodeMethod::Totp], "203.0.113.77"))
            .await;
        for _ in 0..3 {
            let _ = asker.types(&gateway, &mut waiting, wrong).await;
        }
    }
    let seen = browser.get("codes").await.body;
    let oks = |ok: bool| {
        let all = seen["recent"].as_array().unwrap();
        all.iter().filter(|one| one["ok"] == json!(ok)).count()
    };
    assert_eq!((oks(true), oks(false)), (1, 10), "{seen}");
}

#[tokio::test]
async fn m17_the_panel_shows_of_number_and_address_what_their_owner_needs_to_know_them_again() {
    let sms = SmsGateway::start().await;
    let all = format!(
        "{}\nmobile = \"+491701234542\"\nemail = \"alice@example.org\"",
        with_password()
    );
    let users = users_file(&[("alice", &all), ("bob", &with_password())]);
    let gateway = Gateway::start_with(&format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"staff\"]\n[codes]\nprefixes = [\"+49\"]\n{}[[codes.mail]]\nhost = \"localhost\"\nfrom = \"a@example.org\"\n{}",
        sms.section("main"),
        profile("staff", &users, "")
    ));
    let sent = async |browser: &Browser| browser.get("codes").await.body["sent"].clone();
    let alice = Browser::of(&gateway, "alice").await;
    let shown = json!([
        {"by": "sms", "asked": true, "to": "…42"},
        {"by": "mail", "asked": true, "to": "a…@example.org"},
    ]);
    assert_eq!(sent(&alice).await, shown);
    let bob = Browser::of(&gateway, "bob").await;
    assert_eq!(
        sent(&bob).await,
        json!([{"by": "sms", "asked": true}, {"by": "mail", "asked": true}])
    );
    // By a link no directory was asked.
    let asker = gateway.asker("web01").await;
    let link = gateway.panel_link(&asker.test, owner_of("alice", 1), 60).await;
    let mut browser = Browser::new(&gateway);
    browser.by_link(&link).await;
    assert_eq!(
        sent(&browser).await,
        json!([{"by": "sms", "asked": false}, {"by": "mail", "asked": false}])
    );
    for secret in ["1701234542", "alice@example.org"] {
        assert!(!stands_in(&gateway, &FILES, secret), "{secret} stands in a file");
    }
}
