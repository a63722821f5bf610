//! The code service as a program of its own: what goes on while a part is away, who may come to its sockets, and what a
//! panel in bad hands cannot do there.

use crate::codes_rig::{Asker, oathtool, open_totp, secret_of, start, typed};
use crate::panel_rig::{Browser, ORIGIN};
use crate::people::{identity, owner, push_to};
use crate::rig::{Gateway, client, id, now, run_to_end, scratch, write};
use assent_proto::code::{self, CodeMethod, CodeReply, CodeWant};
use assent_proto::relay::TrustInfo;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Alice's app.
async fn app(gateway: &Gateway, asker: &Asker) -> String {
    let CodeReply::TotpOpen { id, uri, .. } = asker.wants(gateway, open_totp("alice")).await else {
        panic!("not opened:\n{}", gateway.log());
    };
    let secret = secret_of(&uri.0);
    let code = typed(&oathtool(&secret, -1));
    let said = asker.wants(gateway, CodeWant::ConfirmTotp { id, code }).await;
    assert_eq!(said, CodeReply::TotpReady {});
    secret
}

/// A question at one of its sockets, as the neighbour asks it.
async fn ask(gateway: &Gateway, socket: &str, ask: Value) -> (StatusCode, Value) {
    ask_at(gateway, socket, "/ask", ask).await
}

async fn ask_at(gateway: &Gateway, socket: &str, path: &str, ask: Value) -> (StatusCode, Value) {
    client(true);
    let neighbour = Client::builder()
        .unix_socket(gateway.dir.join(socket))
        .no_proxy()
        .http2_prior_knowledge()
        .tls_certs_only([])
        .build()
        .unwrap();
    let answer = neighbour
        .post(format!("http://localhost{path}"))
        .json(&ask)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Whether a host's call to the code service is answered.
async fn is_there(gateway: &Gateway, asker: &Asker) -> bool {
    let ask = asker.sign(CodeWant::Start(Box::new(start("alice", &[CodeMethod::Totp]))));
    let (sealed, _) = code::call(&asker.service, &asker.host, ask).unwrap();
    gateway.post_codes(&sealed).await.0 == StatusCode::OK
}

#[tokio::test]
async fn key_and_secrets_are_the_code_services_alone_and_outlive_each_parts_restart() {
    let mut gateway = Gateway::start_apart("socket", "");
    let asker = gateway.asker("web01").await;
    let secret = app(&gateway, &asker).await;
    let phone = gateway.enrol(&asker.test, "bob").await;
    let mut files: Vec<String> = fs::read_dir(gateway.dir.join("codes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.retain(|name| !name.starts_with("codes.db"));
    files.sort();
    assert_eq!(files, ["admin.sock", "codes.key", "lock"]);
    for elsewhere in ["codes.key", "codes.db", "registrar/codes.key", "registrar/codes.db"] {
        assert!(!gateway.dir.join(elsewhere).exists(), "{elsewhere}");
    }
    let pushes = push_to(&[&phone]);
    assert!(
        asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 0))
            .await
    );

    // Without it, pushes go on and codes do not.
    gateway.kill_part("codes");
    assert!(asker.test.push(&gateway, &pushes).await.unknown.is_empty());
    assert!(!is_there(&gateway, &asker).await);
    gateway.start_part("codes").await;
    assert!(
        asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(&secret, 1))
            .await
    );
    // A registrar that comes back knows its certificate, and the relay hears of it.
    gateway.kill_part("registrar");
    assert!(!is_there(&gateway, &asker).await);
    gateway.start_part("registrar").await;
    assert_eq!(gateway.trust().await.code_services.len(), 1);
    assert!(is_there(&gateway, &asker).await);
    // It starts without a registrar, and has its certificate once there is one.
    gateway.kill_part("codes");
    gateway.kill_part("registrar");
    gateway.start_codes_alone();
    gateway.logs("the code service waits for its certificate").await;
    gateway.start_part("registrar").await;
    for _ in 0..500 {
        let (_, status) = gateway.admin(Method::GET, "/codes", json!(null)).await;
        if status["exp"].is_u64() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(is_there(&gateway, &asker).await);
}

#[tokio::test]
async fn r79_a_panel_in_bad_hands_sets_nothing_up_for_whoever_has_a_device() {
    let gateway = Gateway::start_apart("socket", &format!("[panel]\nurl = \"{ORIGIN}\"\n"));
    let asker = gateway.asker("web01").await;
    gateway.enrol(&asker.test, "alice").await;
    let whose = json!(owner("alice"));
    // It says that a change was granted.
    let carry = json!({"carry_out": {"owner": whose, "id": id()}});
    assert_eq!(
        ask(&gateway, "codes-panel.sock", carry).await,
        (StatusCode::OK, json!({"Ok": null}))
    );
    // It asks for one, which a device would have to approve, and does not wait.
    let want = json!({"want_code_change": {"owner": whose, "proof": "directory", "change": "new_recovery"}});
    let (_, asked) = ask(&gateway, "panel.sock", want).await;
    assert_eq!(asked["Ok"]["waits"], true, "{asked}");
    let carry = json!({"carry_out": {"owner": whose, "id": asked["Ok"]["id"]}});
    assert_eq!(ask(&gateway, "codes-panel.sock", carry).await.1, json!({"Ok": null}));
    // It lifts no freeze without a code, and has nothing of a host's.
    let lift = json!({"lift_freeze": {"owner": whose, "code": "123456"}});
    assert!(ask(&gateway, "codes-panel.sock", lift).await.1["Err"].is_string());
    for not_there in [
        json!({"take_change": {"owner": whose, "host": null, "id": id()}}),
        json!({"revoke": {}}),
    ] {
        for (socket, path) in [
            ("codes-panel.sock", "/ask"),
            ("codes-panel.sock", "/call"),
            ("panel.sock", "/ask"),
            ("calls.sock", "/call"),
        ] {
            let (status, said) = ask_at(&gateway, socket, path, not_there.clone()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{socket}: {said}");
        }
    }
    let standing = ask(
        &gateway,
        "codes-panel.sock",
        json!({"own": {"identities": [identity("alice")]}}),
    )
    .await;
    assert_eq!(
        standing.1,
        json!({"sends": [], "recent": [{"at": standing.1["recent"][0]["at"], "method": "totp", "ok": false}]})
    );
    // What the panel's page does goes the same way, with the device's word.
    let link = gateway.panel_link(&asker.test, owner("carol"), 60).await;
    let mut browser = Browser::new(&gateway);
    browser.by_link(&link).await;
    let asked = browser.post("codes/changes", json!({"change": "new_recovery"})).await;
    let path = format!("codes/changes/{}/carry-out", asked.body["id"].as_str().unwrap());
    let made = browser.post(&path, json!({})).await;
    assert_eq!(made.body["codes"].as_array().unwrap().len(), 10, "{made:?}");
}

#[tokio::test]
async fn r79_each_socket_serves_its_neighbours_user_alone() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("only root can come as somebody else");
        return;
    }
    let gateway = Gateway::start_apart("socket", "");
    // A path that is there: an answer before the body is read may look like a broken connection to curl.
    for (socket, path, name) in [
        ("calls.sock", "call", "the bearer of calls"),
        ("codes-panel.sock", "ask", "the panel"),
        ("registrar-codes.sock", "ask", "the code service"),
    ] {
        // Even where the socket's own mode and directory would let everybody in.
        for place in [gateway.dir.clone(), gateway.dir.join(socket)] {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(place, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let comes = |uid: u32| {
            let done = Command::new("curl")
                .args([
                    "--silent",
                    "--max-time",
                    "5",
                    "--http2-prior-knowledge",
                    "--unix-socket",
                ])
                .arg(gateway.dir.join(socket))
                .args(["--data", "{}", &format!("http://localhost/{path}")])
                .uid(uid)
                .gid(uid)
                .output()
                .unwrap();
            done.status.success()
        };
        assert!(comes(0), "{socket}");
        assert!(!comes(65534), "{socket}: nobody");
        gateway
            .logs(&format!("somebody who is not {name} came to its socket"))
            .await;
    }
}

#[test]
fn secrets_of_codes_do_not_lie_beside_a_relay_and_keys_of_absent_roles_are_unknown() {
    let dir = scratch();
    let refused = |text: &str, with: &str| {
        let file = dir.join("x.toml");
        write(
            &file,
            &format!("public_url = \"https://push.example.org\"\n{text}"),
            0o644,
        );
        let (code, said) = run_to_end(&["--check", "--config", &file.to_string_lossy()]);
        assert_eq!(code, Some(1), "{text}: {said}");
        assert!(said.contains(with), "{with:?} in:\n{said}");
    };
    refused(
        "roles = [\"relay\", \"codes\"]\n[link]\nregistrar_key = \"/k\"",
        "secrets that do not belong beside a relay",
    );
    refused("roles = [\"codes\"]\nlisten = \"127.0.0.1:1\"", "listen: is not known");
    refused(
        "roles = [\"codes\"]\n[link]\ncodes_user = \"x\"",
        "link.codes_user: is not known",
    );
    refused("roles = [\"panel\"]\n[codes]\nissuer = \"x\"", "codes: is not known");
    refused(
        "roles = [\"registrar\"]\n[link]\ncalls_user = \"x\"",
        "link.calls_user: is not known",
    );
    fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn the_panels_address_takes_code_calls_while_the_relay_is_away() {
    let mut gateway = Gateway::start_apart(
        "socket",
        &format!("[panel]\nurl = \"{ORIGIN}\"\n[limits]\ncalls_per_address = 20\n"),
    );
    let asker = gateway.asker("web01").await;
    app(&gateway, &asker).await;
    gateway.kill_part("relay");
    let plain = client(false);
    let origin = ORIGIN.strip_prefix("https://").unwrap();
    let at = |method: Method, path: &str| {
        let url = format!("http://{}{path}", gateway.panel_address);
        plain.request(method, url).header("host", origin)
    };
    let trust: TrustInfo = at(Method::GET, "/v1/trust").send().await.unwrap().json().await.unwrap();
    let service = gateway
        .issuer
        .verify_code_service(&trust.code_services[0], now())
        .unwrap();
    assert_eq!(service.document(), asker.service.document());
    let start = asker.sign(CodeWant::Start(Box::new(start("alice", &[CodeMethod::Totp]))));
    let (sealed, open) = code::call(&asker.service, &asker.host, start).unwrap();
    let answer = at(Method::POST, "/v1/codes").json(&sealed).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let reply: code::Sealed = answer.json().await.unwrap();
    let CodeReply::Started { methods } = open.reply(&asker.test.keys.kem, &reply).unwrap() else {
        panic!("not started:\n{}", gateway.log());
    };
    assert_eq!((methods[0].method, methods[0].refused), (CodeMethod::Totp, None));
    // What is no call is refused, and nothing else of the relay's is there.
    let rubbish = at(Method::POST, "/v1/codes")
        .json(&json!({"no": "call"}))
        .send()
        .await
        .unwrap();
    assert_eq!(rubbish.status(), StatusCode::BAD_REQUEST);
    for path in ["/v1/registrar", "/v1/push", "/v1/link"] {
        let answer = at(Method::POST, path).json(&sealed).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    // A stranger's flood is bounded (R77).
    let mut waits = false;
    for _ in 0..200 {
        waits |= at(Method::GET, "/v1/trust").send().await.unwrap().status() == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(waits);
}
