//! The code service: who may ask, how codes travel, what a typed code is worth. Real SMTP server, an SMS gateway with bad
//! weather, oathtool as the authenticator app.

use crate::codes_rig::{
    CTX, MailServer, SmsGateway, Weather, oathtool, open_totp, refused, secret_of, stands_in, start, typed,
};
use crate::panel_rig::{Browser, ORIGIN};
use crate::people::{identity, owner};
use crate::rig::{Gateway, id, now, scratch, text};
use assent_proto::answer::Decision;
use assent_proto::code::{self, CodeAsk, CodeMethod, CodeRefused, CodeReply, CodeWant, Offer};
use assent_proto::time::UnixTime;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const NUMBER: &str = "+491701234542";
const FILES: [&str; 3] = ["codes.db", "codes.db-wal", "log"];

fn codes_config(sections: &str) -> String {
    format!("[codes]\nprefixes = [\"+49\"]\npause = 0\n{sections}")
}

async fn with_sms(more: &str) -> (Gateway, SmsGateway) {
    let sms = SmsGateway::start().await;
    let gateway = Gateway::start_with(&format!("{}{more}", codes_config(&sms.section("main"))));
    (gateway, sms)
}

fn by_sms(user: &str) -> code::CodeStart {
    code::CodeStart {
        mobile: Some(text(NUMBER)),
        ..start(user, &[CodeMethod::Sms])
    }
}

/// A code that is another.
fn wrong(code: &str) -> String {
    let first = if code.starts_with('9') { '0' } else { '9' };
    format!("{first}{}", &code[1..])
}

#[tokio::test]
async fn r17_a_code_by_sms_passes_once_in_its_own_login_and_stands_nowhere() {
    let (gateway, sms) = with_sms("").await;
    let asker = gateway.asker("web01").await;
    let mut waiting = asker.starts(&gateway, by_sms("alice")).await;
    let offer = Offer {
        method: CodeMethod::Sms,
        refused: None,
        hint: Some(text("…42")),
    };
    assert_eq!(waiting.offers, [offer]);
    assert!(sms.came().is_empty(), "nothing is sent before it is asked for");
    assert_eq!(
        asker.sends(&gateway, &waiting, CodeMethod::Sms).await,
        CodeReply::Sent {}
    );
    let (number, code) = sms.last();
    assert_eq!(number, NUMBER);
    // In another login it is worth nothing.
    let mut other = asker.starts(&gateway, by_sms("alice")).await;
    assert!(matches!(asker.types(&gateway, &mut other, &code).await, Ok((None, 2))));
    let (said, wrong_size) = asker.types_sized(&gateway, &mut waiting, &wrong(&code)).await;
    assert!(matches!(said, Ok((None, 2))));
    let (said, right_size) = asker.types_sized(&gateway, &mut waiting, &code).await;
    let Ok((Some(passed), _)) = said else {
        panic!("{:?}", said.err());
    };
    assert!(passed.is_for(&CTX) && passed.method() == CodeMethod::Sms);
    assert_eq!(
        wrong_size, right_size,
        "who carries the reply learns nothing of its length"
    );
    assert_eq!(
        asker.types(&gateway, &mut waiting, &code).await.err(),
        Some(CodeRefused::Over)
    );
    for secret in [code.as_str(), NUMBER, &NUMBER[1..]] {
        assert!(!stands_in(&gateway, &FILES, secret), "{secret} stands in a file");
    }
}

#[tokio::test]
async fn three_tries_are_a_logins_last() {
    let (gateway, sms) = with_sms("").await;
    let asker = gateway.asker("web01").await;
    let mut waiting = asker.starts(&gateway, by_sms("alice")).await;
    asker.sends(&gateway, &waiting, CodeMethod::Sms).await;
    let (_, code) = sms.last();
    for left in [2, 1, 0] {
        let said = asker.types(&gateway, &mut waiting, &wrong(&code)).await;
        assert!(matches!(said, Ok((None, now_left)) if now_left == left));
    }
    assert_eq!(
        asker.types(&gateway, &mut waiting, &code).await.err(),
        Some(CodeRefused::Over)
    );
    let reply = asker.sends(&gateway, &waiting, CodeMethod::Sms).await;
    assert_eq!(refused(&reply), CodeRefused::Over);
}

#[tokio::test]
async fn bad_weather_at_one_gateway_is_good_weather_at_the_next_and_none_is_an_error() {
    let (first, second) = (SmsGateway::start().await, SmsGateway::start().await);
    let sections = format!("{}{}", first.section("first"), second.section("second"));
    let gateway = Gateway::start_with(&codes_config(&sections));
    let asker = gateway.asker("web01").await;
    for weather in [
        Weather::Broken,
        Weather::SaysNo,
        Weather::Redirects,
        Weather::Endless,
        Weather::Silent,
    ] {
        first.weather(weather);
        second.weather(Weather::Good);
        let mut waiting = asker.starts(&gateway, by_sms("alice")).await;
        let reply = asker.sends(&gateway, &waiting, CodeMethod::Sms).await;
        assert_eq!(reply, CodeReply::Sent {}, "{weather:?}");
        let said = asker.types(&gateway, &mut waiting, &second.last().1).await;
        assert!(matches!(said, Ok((Some(_), _))), "{weather:?}");
    }
    assert!(
        first.came().iter().all(|came| came.path == "/send"),
        "a redirect was followed"
    );
    second.weather(Weather::Broken);
    first.weather(Weather::SaysNo);
    let waiting = asker.starts(&gateway, by_sms("alice")).await;
    let reply = asker.sends(&gateway, &waiting, CodeMethod::Sms).await;
    assert_eq!(refused(&reply), CodeRefused::Undeliverable);
    assert!(
        !stands_in(&gateway, &FILES, &NUMBER[1..]),
        "a number stands in the log of failures"
    );
}

#[tokio::test]
async fn r77_numbers_outside_the_prefixes_and_messages_beyond_the_limits_are_refused() {
    let sms = SmsGateway::start().await;
    let limits = "[codes]\nprefixes = [\"+49\"]\ndefault_country = \"+49\"\npause = 0\nper_user_and_day = 2\nper_host_and_day = 3\n";
    let mut gateway = Gateway::start_with(&format!("{limits}{}", sms.section("main")));
    let asker = gateway.asker("web01").await;
    for (mobile, expected) in [
        (Some("+447700900123"), Some(CodeRefused::Address)),
        (Some("no number"), Some(CodeRefused::Address)),
        (None, Some(CodeRefused::NotEnrolled)),
        (Some("0170 / 1234542"), None),
    ] {
        let mut wanted = start("alice", &[CodeMethod::Sms]);
        wanted.mobile = mobile.map(text);
        let waiting = asker.starts(&gateway, wanted).await;
        assert_eq!(waiting.offers[0].refused, expected, "{mobile:?}");
        if let Some(expected) = expected {
            let reply = asker.sends(&gateway, &waiting, CodeMethod::Sms).await;
            assert_eq!(refused(&reply), expected);
        }
    }
    assert!(sms.came().is_empty());
    let send = async |gateway: &Gateway, asker: &crate::codes_rig::Asker, user: &str| {
        let waiting = asker.starts(gateway, by_sms(user)).await;
        asker.sends(gateway, &waiting, CodeMethod::Sms).await
    };
    for _ in 0..2 {
        assert_eq!(send(&gateway, &asker, "alice").await, CodeReply::Sent {});
    }
    assert_eq!(refused(&send(&gateway, &asker, "alice").await), CodeRefused::Limit);
    // A restart forgets no count.
    gateway.stop().await;
    gateway.start_again();
    assert_eq!(refused(&send(&gateway, &asker, "alice").await), CodeRefused::Limit);
    assert_eq!(send(&gateway, &asker, "bob").await, CodeReply::Sent {});
    assert_eq!(
        refused(&send(&gateway, &asker, "carol").await),
        CodeRefused::Limit,
        "the host's own limit"
    );
    let other = gateway.asker("web02").await;
    assert_eq!(send(&gateway, &other, "carol").await, CodeReply::Sent {});
    assert_eq!(sms.came().len(), 4);
}

#[tokio::test]
async fn a_code_goes_by_mail_with_starttls_or_tls_and_to_no_server_whose_certificate_is_unknown() {
    for mode in ["starttls", "tls"] {
        let dir = scratch();
        let server = MailServer::start(&dir, mode);
        let section = server.section(mode);
        let gateway = Gateway::start_with(&codes_config(&section));
        let asker = gateway.asker("web01").await;
        let mut wanted = start("alice", &[CodeMethod::Mail]);
        wanted.mail = Some(text("alice@example.org"));
        wanted.lang = text("tr-TR");
        let mut waiting = asker.starts(&gateway, wanted.clone()).await;
        assert_eq!(waiting.offers[0].hint, Some(text("a…@example.org")));
        assert_eq!(
            asker.sends(&gateway, &waiting, CodeMethod::Mail).await,
            CodeReply::Sent {},
            "{mode}"
        );
        let mails = server.mails(1).await;
        assert!(mails[0].starts_with("TO alice@example.org"), "{}", mails[0]);
        let code = mails[0].split("Kodunuz: ").nth(1).unwrap()[..6].to_owned();
        let said = asker.types(&gateway, &mut waiting, &code).await;
        assert!(matches!(said, Ok((Some(passed), _)) if passed.method() == CodeMethod::Mail));
        for secret in [code.as_str(), "smtp password of the test", "alice@example.org"] {
            assert!(!stands_in(&gateway, &FILES, secret), "{secret} stands in a file");
        }
        // The same server, but nobody says that its certificate is good.
        let unknown = section
            .lines()
            .filter(|line| !line.starts_with("ca_file"))
            .collect::<Vec<_>>();
        let gateway = Gateway::start_with(&codes_config(&unknown.join("\n")));
        let asker = gateway.asker("web01").await;
        let waiting = asker.starts(&gateway, wanted).await;
        let reply = asker.sends(&gateway, &waiting, CodeMethod::Mail).await;
        assert_eq!(refused(&reply), CodeRefused::Undeliverable, "{mode}");
        assert_eq!(server.mails(1).await.len(), 1);
        drop(server);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

/// A gateway, and alice's app, which was set up in a terminal.
async fn with_app() -> (Gateway, crate::codes_rig::Asker, String) {
    let gateway = Gateway::start_with("");
    let asker = gateway.asker("web01").await;
    let CodeReply::TotpOpen { id, uri, .. } = asker.wants(&gateway, open_totp("alice")).await else {
        panic!("not opened");
    };
    let secret = secret_of(&uri.0);
    assert!(
        !asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 0))
            .await,
        "not yet confirmed"
    );
    let confirm = |code: &str| CodeWant::ConfirmTotp { id, code: typed(code) };
    let reply = asker.wants(&gateway, confirm(&wrong(&oathtool(&secret, 0)))).await;
    assert_eq!(refused(&reply), CodeRefused::Malformed);
    let reply = asker.wants(&gateway, confirm(&oathtool(&secret, -1))).await;
    assert_eq!(reply, CodeReply::TotpReady {}, "{}", gateway.log());
    (gateway, asker, secret)
}

#[tokio::test]
async fn r18_an_apps_code_counts_once_and_one_step_away_at_most() {
    let (mut gateway, asker, secret) = with_app().await;
    let now_code = oathtool(&secret, 0);
    assert!(asker.passes(&gateway, "alice", CodeMethod::Totp, &now_code).await);
    assert!(
        !asker.passes(&gateway, "alice", CodeMethod::Totp, &now_code).await,
        "the same code twice"
    );
    // What was used stays used over a restart.
    gateway.kill();
    gateway.start_again();
    assert!(!asker.passes(&gateway, "alice", CodeMethod::Totp, &now_code).await);
    assert!(
        !asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 4))
            .await
    );
    assert!(
        !asker
            .passes(&gateway, "bob", CodeMethod::Totp, &oathtool(&secret, 1))
            .await,
        "another's app"
    );
    assert!(
        asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 1))
            .await
    );
    assert!(!stands_in(&gateway, &FILES, &secret));
}

#[tokio::test]
async fn r18_of_two_logins_with_one_code_at_once_one_passes() {
    let (gateway, asker, secret) = with_app().await;
    let code = oathtool(&secret, 1);
    let tries = (0..8).map(|_| asker.passes(&gateway, "alice", CodeMethod::Totp, &code));
    let passed = futures_util::future::join_all(tries).await;
    assert_eq!(passed.iter().filter(|passed| **passed).count(), 1);
}

#[tokio::test]
async fn r77_wrong_codes_count_over_methods_and_logins_until_an_admin_or_an_hour_unlocks() {
    let (mut gateway, asker, secret) = with_app().await;
    // One wrong code was typed at the set-up before it was confirmed: that one counts, too.
    let methods = [CodeMethod::Totp, CodeMethod::Recovery];
    let mut typed_wrong = 1;
    while typed_wrong < 10 {
        let mut waiting = asker.starts(&gateway, start("alice", &methods)).await;
        let code = if typed_wrong % 2 == 0 {
            "abcd-efgh-jkmn-pqrs"
        } else {
            "000000"
        };
        let code = if code == oathtool(&secret, 0) { "000001" } else { code };
        assert!(
            matches!(asker.types(&gateway, &mut waiting, code).await, Ok((None, 2))),
            "{typed_wrong}"
        );
        typed_wrong += 1;
    }
    gateway.kill();
    gateway.start_again();
    let mut waiting = asker.starts(&gateway, start("alice", &methods)).await;
    assert_eq!(waiting.offers[0].refused, Some(CodeRefused::Locked));
    let said = asker.types(&gateway, &mut waiting, &oathtool(&secret, 1)).await;
    assert_eq!(said.err(), Some(CodeRefused::Locked));
    let (status, codes) = gateway.admin(Method::GET, "/codes", json!({})).await;
    assert_eq!(
        (status, &codes["locked"][0]["name"]),
        (StatusCode::OK, &json!("alice")),
        "{codes}"
    );
    let (status, _) = gateway
        .admin(Method::POST, "/codes/unlock", json!({"user": "alice"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 1))
            .await
    );
    let (status, _) = gateway
        .admin(Method::POST, "/codes/unlock", json!({"user": "alice"}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND, "there is nothing left to unlock");
}

#[tokio::test]
async fn only_a_living_hosts_fresh_call_is_heard_and_once() {
    let (gateway, sms) = with_sms("").await;
    let asker = gateway.asker("web01").await;
    let ask = asker.sign(CodeWant::Start(Box::new(by_sms("alice"))));
    assert!(matches!(
        asker.call_sized(&gateway, ask.clone()).await.0,
        CodeReply::Started { .. }
    ));
    assert_eq!(refused(&asker.call_sized(&gateway, ask).await.0), CodeRefused::Replay);
    let key = &asker.test.keys.sign;
    for iat in [now().0 - 400, now().0 + 400] {
        let what = CodeWant::Start(Box::new(by_sms("alice")));
        let old = CodeAsk::sign(key, &asker.host, id(), UnixTime(iat), what).unwrap();
        assert_eq!(refused(&asker.call_sized(&gateway, old).await.0), CodeRefused::Clock);
    }
    // Another host's key under this host's name.
    let mallory = gateway.asker("web02").await;
    let what = CodeWant::Start(Box::new(by_sms("alice")));
    let forged = CodeAsk::sign(&mallory.test.keys.sign, &asker.host, id(), now(), what).unwrap();
    assert_eq!(
        refused(&asker.call_sized(&gateway, forged).await.0),
        CodeRefused::Caller
    );
    // A login of one host is none of another's.
    let waiting = asker.starts(&gateway, by_sms("alice")).await;
    let reply = mallory.sends(&gateway, &waiting, CodeMethod::Sms).await;
    assert_eq!(refused(&reply), CodeRefused::Over);
    // A relay that carries a call twice makes no second message of it.
    let what = CodeWant::Send {
        id: waiting.id,
        method: CodeMethod::Sms,
    };
    let send = asker.sign(what);
    assert_eq!(asker.call_sized(&gateway, send.clone()).await.0, CodeReply::Sent {});
    assert_eq!(refused(&asker.call_sized(&gateway, send).await.0), CodeRefused::Replay);
    let (status, _) = gateway
        .admin(Method::POST, "/hosts/revoke", json!({"host_id": asker.test.id}))
        .await;
    assert_eq!(status, StatusCode::OK);
    let what = CodeWant::Send {
        id: waiting.id,
        method: CodeMethod::Sms,
    };
    assert_eq!(refused(&asker.wants(&gateway, what).await), CodeRefused::Caller);
    assert_eq!(sms.came().len(), 1);
}

#[tokio::test]
async fn r78_a_secret_moved_or_planted_in_the_data_base_passes_nobody() {
    let (gateway, asker, secret) = with_app().await;
    {
        // Whoever writes to the data base makes alice's app bob's.
        let mut conn = gateway.database("codes.db").await;
        sqlx::query("UPDATE enrolled_identity SET id = 'bob'")
            .execute(&mut conn)
            .await
            .unwrap();
    }
    let mut waiting = asker.starts(&gateway, start("bob", &[CodeMethod::Totp])).await;
    let said = asker.types(&gateway, &mut waiting, &oathtool(&secret, 1)).await;
    assert_eq!(said.err(), Some(CodeRefused::Internal));
    // They know the public key, and seal a secret of their own to it.
    let planted = json!({"identities": [identity("bob")], "user": "bob", "secret": b"12345678901234567890"});
    let to = &asker.service.claims().kem;
    let sealed = assent_proto::seal::seal(to, assent_proto::seal::Purpose::CodeKept, "totp", &planted).unwrap();
    {
        let mut conn = gateway.database("codes.db").await;
        let planted = sqlx::query("UPDATE enrolled SET sealed = ?")
            .bind(sealed.0)
            .execute(&mut conn)
            .await;
        assert_eq!(planted.unwrap().rows_affected(), 1);
    }
    let mut waiting = asker.starts(&gateway, start("bob", &[CodeMethod::Totp])).await;
    let code = oathtool("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0);
    let said = asker.types(&gateway, &mut waiting, &code).await;
    assert_eq!(said.err(), Some(CodeRefused::Internal));
}

#[tokio::test]
async fn an_admin_imports_a_secret_resets_it_and_revokes_the_services_key() {
    let gateway = Gateway::start_with("");
    let asker = gateway.asker("web01").await;
    let secret = "GEZDGNBVGY3TQOJQ";
    let import = json!({"user": "example.org#dora", "secret": secret});
    let (status, said) = gateway.admin(Method::POST, "/codes/import", import.clone()).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let (status, _) = gateway.admin(Method::POST, "/codes/import", import).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "what is there is not replaced");
    assert!(
        asker
            .passes(&gateway, "dora", CodeMethod::Totp, &oathtool(secret, 0))
            .await
    );
    let reset = json!({"user": "dora", "what": "totp"});
    let (status, _) = gateway.admin(Method::POST, "/codes/reset", reset).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        !asker
            .passes(&gateway, "dora", CodeMethod::Totp, &oathtool(secret, 1))
            .await
    );
    let (status, _) = gateway.admin(Method::POST, "/codes/revoke", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    // Apart, the relay hears of it a moment later.
    let heard = async {
        while !gateway.trust().await.code_services.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(10), heard).await;
    assert!(heard.is_ok(), "the relay goes on to name the code service");
    let (_, codes) = gateway.admin(Method::GET, "/codes", json!({})).await;
    assert_eq!(codes["exp"], json!(null), "{codes}");
}

/// Takes a granted change to its end.
async fn carried_out(browser: &Browser, change: &str) -> Value {
    let asked = browser.post("codes/changes", json!({"change": change})).await;
    assert_eq!(asked.body["state"], "granted", "{asked:?}");
    let path = format!("codes/changes/{}/carry-out", asked.body["id"].as_str().unwrap());
    let done = browser.post(&path, json!({})).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    done.body
}

fn at_panel(sections: &str) -> Gateway {
    Gateway::start_with(&format!("[panel]\nurl = \"{ORIGIN}\"\n{sections}"))
}

#[tokio::test]
async fn r17_recovery_codes_from_the_panel_pass_once_each_and_their_user_is_told_by_mail() {
    let dir = scratch();
    let server = MailServer::start(&dir, "starttls");
    let mut gateway = at_panel(&codes_config(&server.section("starttls")));
    let asker = gateway.asker("web01").await;
    let link = gateway.panel_link(&asker.test, owner("alice"), 60).await;
    let mut browser = Browser::new(&gateway);
    browser.by_link(&link).await;
    let made = carried_out(&browser, "new_recovery").await;
    let codes: Vec<String> = serde_json::from_value(made["codes"].clone()).unwrap();
    assert_eq!(codes.len(), 10);
    let mut wanted = start("alice", &[CodeMethod::Totp, CodeMethod::Recovery]);
    wanted.mail = Some(text("alice@example.org"));
    let mut waiting = asker.starts(&gateway, wanted).await;
    let stand: Vec<_> = waiting.offers.iter().map(|offer| offer.refused).collect();
    assert_eq!(stand, [Some(CodeRefused::NotEnrolled), None]);
    let (said, wrong_size) = asker.types_sized(&gateway, &mut waiting, "0000-1111-2222-3333").await;
    assert!(matches!(said, Ok((None, 2))));
    let (said, right_size) = asker
        .types_sized(&gateway, &mut waiting, &codes[0].to_uppercase().replace('-', " "))
        .await;
    assert!(matches!(said, Ok((Some(passed), _)) if passed.method() == CodeMethod::Recovery));
    assert_eq!(wrong_size, right_size);
    let mails = server.mails(1).await;
    assert!(
        mails[0].contains("A recovery code was used") && mails[0].contains("9 of them are left"),
        "{}",
        mails[0]
    );
    gateway.kill();
    gateway.start_again();
    assert!(
        !asker.passes(&gateway, "alice", CodeMethod::Recovery, &codes[0]).await,
        "the same code twice"
    );
    assert!(
        !asker.passes(&gateway, "bob", CodeMethod::Recovery, &codes[1]).await,
        "another's code"
    );
    assert!(asker.passes(&gateway, "alice", CodeMethod::Recovery, &codes[1]).await);
    let standing = browser_again(&gateway, &asker.test).await.get("codes").await.body;
    assert_eq!(standing["recovery"], 8);
    for code in &codes {
        let plain = code.replace('-', "");
        assert!(!stands_in(&gateway, &FILES, code) && !stands_in(&gateway, &FILES, &plain));
    }
    drop(server);
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn browser_again(gateway: &Gateway, host: &crate::people::TestHost) -> Browser {
    let link = gateway.panel_link(host, owner("alice"), 60).await;
    let mut browser = Browser::new(gateway);
    browser.by_link(&link).await;
    browser
}

#[tokio::test]
async fn an_app_from_the_panel_counts_from_its_first_code_and_is_removed_there() {
    let gateway = at_panel("");
    let asker = gateway.asker("web01").await;
    let browser = browser_again(&gateway, &asker.test).await;
    let opened = carried_out(&browser, "add_totp").await;
    assert!(opened["qr"]["size"].as_u64().unwrap() > 20);
    let secret = secret_of(opened["uri"].as_str().unwrap());
    let path = format!("codes/totp/{}", opened["id"].as_str().unwrap());
    let none = browser.post(&path, json!({"code": "12345"})).await;
    assert_eq!(none.said(), (400, "digits"));
    let not_it = browser.post(&path, json!({"code": wrong(&oathtool(&secret, 0))})).await;
    assert_eq!(not_it.said(), (409, "refused"));
    let kept = browser.get("codes").await.body;
    assert!(kept["totp"].is_null() && kept["recovery"].is_null(), "{kept}");
    let link = gateway.panel_link(&asker.test, owner("bob"), 60).await;
    let mut bob = Browser::new(&gateway);
    bob.by_link(&link).await;
    let not_his = bob.post(&path, json!({"code": oathtool(&secret, 0)})).await;
    assert_eq!(not_his.said(), (404, "not_found"));
    let first = oathtool(&secret, 0);
    let done = browser.post(&path, json!({"code": first})).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert!(browser.get("codes").await.body["totp"].is_u64());
    assert!(
        !asker.passes(&gateway, "alice", CodeMethod::Totp, &first).await,
        "the first code again"
    );
    assert!(
        asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 1))
            .await
    );
    assert_eq!(carried_out(&browser, "remove_totp").await, json!({"done": "removed"}));
    let kept = browser.get("codes").await.body;
    assert!(kept["totp"].is_null() && kept["recovery"].is_null(), "{kept}");
}

#[tokio::test]
async fn whoever_has_a_device_approves_each_change_of_codes_on_it() {
    let gateway = at_panel("");
    let asker = gateway.asker("web01").await;
    let phone = gateway.enrol(&asker.test, "alice").await;
    let browser = browser_again(&gateway, &asker.test).await;
    for (decision, ends) in [(Decision::Deny, "over"), (Decision::Approve, "granted")] {
        let mut hears = phone.listen(&gateway, None).await;
        let asked = browser.post("codes/changes", json!({"change": "new_recovery"})).await;
        assert_eq!(asked.body["state"], "approval", "{asked:?}");
        let path = format!("codes/changes/{}", asked.body["id"].as_str().unwrap());
        assert_eq!(
            browser.post(&format!("{path}/carry-out"), json!({})).await.said(),
            (404, "not_found"),
            "not approved yet"
        );
        phone.decides(&gateway, &mut hears, decision).await;
        let mut state = browser.get(&path).await.body["state"].clone();
        for _ in 0..500 {
            if state != "approval" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            state = browser.get(&path).await.body["state"].clone();
        }
        assert_eq!(state, ends);
        // Somebody else's session does not find it.
        let link = gateway.panel_link(&asker.test, owner("bob"), 60).await;
        let mut bob = Browser::new(&gateway);
        bob.by_link(&link).await;
        assert_eq!(
            bob.post(&format!("{path}/carry-out"), json!({})).await.said(),
            (404, "not_found")
        );
        let done = browser.post(&format!("{path}/carry-out"), json!({})).await;
        assert_eq!(done.status == StatusCode::OK, decision == Decision::Approve, "{done:?}");
    }
}

#[tokio::test]
async fn a_page_that_did_not_hear_the_answer_asks_again_and_what_it_sees_counts() {
    let gateway = at_panel("");
    let asker = gateway.asker("web01").await;
    let browser = browser_again(&gateway, &asker.test).await;
    let asked = browser.post("codes/changes", json!({"change": "new_recovery"})).await;
    let path = format!("codes/changes/{}/carry-out", asked.body["id"].as_str().unwrap());
    let lost = browser.post(&path, json!({})).await;
    let heard = browser.post(&path, json!({})).await;
    let codes = |answer: &Value| serde_json::from_value::<Vec<String>>(answer["codes"].clone()).unwrap();
    let (lost, heard) = (codes(&lost.body), codes(&heard.body));
    assert!(!asker.passes(&gateway, "alice", CodeMethod::Recovery, &lost[0]).await);
    assert!(asker.passes(&gateway, "alice", CodeMethod::Recovery, &heard[0]).await);
}

#[tokio::test]
async fn a_frozen_person_lifts_the_freeze_with_a_code_of_their_own_and_with_nothing_less() {
    let gateway = at_panel("");
    let asker = gateway.asker("web01").await;
    let browser = browser_again(&gateway, &asker.test).await;
    let made = carried_out(&browser, "new_recovery").await;
    let codes: Vec<String> = serde_json::from_value(made["codes"].clone()).unwrap();
    let phone = gateway.enrol(&asker.test, "alice").await;
    let mut hears = phone.listen(&gateway, None).await;
    browser.post("codes/changes", json!({"change": "new_recovery"})).await;
    phone.decides(&gateway, &mut hears, Decision::Report).await;
    let frozen = json!({"may": "no", "why": "frozen"});
    let mut browser = browser_again(&gateway, &asker.test).await;
    for _ in 0..500 {
        let seen = browser.get("devices").await;
        if seen.body["add"] == frozen {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        if seen.status != StatusCode::OK {
            // It began before the report.
            browser = browser_again(&gateway, &asker.test).await;
        }
    }
    assert_eq!(browser.get("devices").await.body["add"], frozen);
    let changes = browser.post("codes/changes", json!({"change": "new_recovery"})).await;
    assert_eq!(changes.said(), (409, "refused"), "no codes are changed meanwhile");
    for (code, said) in [
        ("", (400, "digits")),
        ("123456", (409, "refused")),
        ("AAAA-BBBB-CCCC-DDDD", (409, "refused")),
    ] {
        let lift = browser.post("freeze/lift", json!({"code": code})).await;
        assert_eq!(lift.said(), said, "{code:?}");
    }
    assert_eq!(browser.get("devices").await.body["add"], frozen);
    let lift = browser.post("freeze/lift", json!({"code": codes[0]})).await;
    assert_eq!(lift.status, StatusCode::OK, "{lift:?}");
    assert!(lift.body["lifted"].as_u64().unwrap() > 0);
    assert_ne!(browser.get("devices").await.body["add"], frozen);
    let again = browser.post("freeze/lift", json!({"code": codes[0]})).await;
    assert_eq!(again.said(), (409, "refused"), "each code once");
    assert!(
        !asker.passes(&gateway, "alice", CodeMethod::Recovery, &codes[0]).await,
        "nor at a login"
    );
}
