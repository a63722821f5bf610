//! Roles apart: relay, registrar, code service and panel as programs of their own. The other suites run here once more, against that
//! form; what only that form has is tested below: who may link, what goes on while a part is away, what a relay holds.

use crate::further::{Newcomer, answers, asked, certified};
use crate::people::{TestDevice, TestHost, identity, owner, push_to};
use crate::rig::{Gateway, LINKED, SOON, URL, id, now, problem, run_to_end, scratch, write};
use assent_proto::answer::Decision;
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::link::{self, Kind, MAX_CALLS, Mailbox, Order, Orders, Session};
use assent_proto::registrar::{Ask, EnrolmentState, HostAsk, HostWant, Reply, Sealed, call};
use assent_proto::relay::{CLAIM_SKEW, CLAIM_TTL, Claim, ProblemCode, Push};
use assent_proto::time::UnixTime;
use assent_proto::{Id, relay};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The suites that must hold whatever the layout.
const SUITES: [&str; 12] = [
    "joining::",
    "enrolment::",
    "further::",
    "pushes::",
    "events::",
    "claims::",
    "overview::",
    "panel::",
    "panel_devices::",
    "codes::",
    "codes_seen::",
    "codes_terminal::",
];

/// What they cannot show apart: they look at one process, or at its log.
const NOT_APART: [&str; 1] = ["r56_a_hook_that_others_may_change_keeps_the_gateway_from_starting"];

fn hold(link: &str) {
    /// One after the other: each runs two tests at once, of up to four programs.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let done = Command::new(std::env::current_exe().unwrap())
        .env("ASSENT_TEST_APART", link)
        .args(SUITES)
        .args(NOT_APART.iter().flat_map(|name| ["--skip", name]))
        .args(["--test-threads", "2"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(!said.contains(" 0 passed"), "{said}");
}

#[test]
fn the_other_suites_hold_apart_over_a_socket() {
    hold("socket");
}

#[test]
fn the_other_suites_hold_apart_over_http() {
    hold("http");
}

fn link_key(gateway: &Gateway) -> SigningKey {
    SigningKey::from_pem(&fs::read_to_string(gateway.dir.join("registrar/link.key")).unwrap()).unwrap()
}

fn link_claim(key: &SigningKey) -> String {
    link::Claim::sign(key, URL, now()).unwrap()
}

async fn knocks(gateway: &Gateway, bearer: &str) -> (u16, Option<ProblemCode>) {
    let response = gateway.send(Method::POST, "/v1/link", bearer, &json!({})).await;
    match response.status().as_u16() {
        201 => (201, None),
        _ => {
            let (status, problem) = problem(response).await;
            (status, Some(problem.code))
        }
    }
}

#[tokio::test]
async fn r79_the_link_opens_to_the_pinned_key_alone_and_that_key_opens_nothing_else() {
    let mut gateway = Gateway::start_apart("http", "");
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let registrar = link_key(&gateway);
    gateway.kill_part("registrar");
    let refused = (401, Some(ProblemCode::Unauthorized));
    // A host's and a device's own claims, and what they would sign as the registrar.
    for key in [&host.keys.sign, &device.keys.sign] {
        assert_eq!(knocks(&gateway, &link_claim(key)).await, refused);
    }
    assert_eq!(knocks(&gateway, &host.claim()).await, refused);
    assert_eq!(knocks(&gateway, &device.claim()).await, refused);
    // The pinned key's, of another kind, for another relay, or of another time.
    let other_kind = Claim::sign(&registrar, URL, id(), now()).unwrap();
    assert_eq!(knocks(&gateway, &other_kind).await, refused);
    let elsewhere = link::Claim::sign(&registrar, "https://other.example.org", now()).unwrap();
    assert_eq!(knocks(&gateway, &elsewhere).await, refused);
    for off in [now().0 - CLAIM_TTL - CLAIM_SKEW - 5, now().0 + CLAIM_SKEW + 5] {
        let late = link::Claim::sign(&registrar, URL, UnixTime(off)).unwrap();
        assert_eq!(knocks(&gateway, &late).await, (401, Some(ProblemCode::Clock)));
    }
    // And it is nobody's anywhere else.
    for path in ["/v1/events", "/v1/push"] {
        let method = if path == "/v1/push" { Method::POST } else { Method::GET };
        for bearer in [link_claim(&registrar), other_kind.clone()] {
            let response = gateway.send(method.clone(), path, &bearer, &push_to(&[&device])).await;
            assert_eq!(problem(response).await.1.code, ProblemCode::Unauthorized, "{path}");
        }
    }
    assert_eq!(knocks(&gateway, &link_claim(&registrar)).await, (201, None));
}

#[tokio::test]
async fn a_link_on_a_socket_is_not_on_the_network() {
    let gateway = Gateway::start_apart("socket", "");
    let response = gateway
        .send(Method::POST, "/v1/link", &link_claim(&link_key(&gateway)), &json!({}))
        .await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

/// A registrar in the hands of a test, that answers nobody.
struct Silent {
    session: Id,
    bearer: String,
    events: Response,
}

async fn orders(gateway: &Gateway, bearer: &str, session: Id, orders: Vec<Order>) -> Response {
    let orders = Orders { session, orders };
    gateway.send(Method::POST, "/v1/link/orders", bearer, &orders).await
}

impl Silent {
    async fn links(gateway: &Gateway) -> Self {
        let bearer = link_claim(&link_key(gateway));
        let begun = gateway.send(Method::POST, "/v1/link", &bearer, &json!({})).await;
        let Session { session } = begun.json().await.unwrap();
        let events = gateway
            .client
            .get(gateway.url(&format!("/v1/link/events/{session}")))
            .bearer_auth(&bearer)
            .send()
            .await
            .unwrap();
        assert_eq!(events.status(), StatusCode::OK);
        Self {
            session,
            bearer,
            events,
        }
    }
}

fn some_call(gateway: &Gateway) -> (KeyPair, Sealed) {
    let keys = KeyPair::generate().unwrap();
    let want = HostWant::Devices {
        identity: identity("alice"),
    };
    let signed = HostAsk::sign(&keys.sign, id(), id(), now(), want).unwrap();
    let (sealed, _) = call(&gateway.issuer, &keys.kem.public(), Ask::Host { signed }).unwrap();
    (keys, sealed)
}

async fn calls(gateway: &Gateway) -> Response {
    let (_, sealed) = some_call(gateway);
    let call = gateway.client.post(gateway.url("/v1/registrar")).json(&sealed);
    call.timeout(2 * SOON).send().await.unwrap()
}

#[tokio::test]
async fn calls_that_wait_are_bounded_and_end_with_the_session() {
    let mut gateway = Gateway::start_apart("http", "[limits]\ncalls_per_address = 10000\n");
    gateway.kill_part("registrar");
    let silent = Silent::links(&gateway).await;
    let gateway = std::sync::Arc::new(gateway);
    let waiting: Vec<_> = (0..MAX_CALLS)
        .map(|_| {
            let gateway = std::sync::Arc::clone(&gateway);
            tokio::spawn(async move { problem(calls(&gateway).await).await })
        })
        .collect();
    // One more is refused once all of them wait; until then it waits itself, and gives up.
    let mut refused = None;
    while refused.is_none() {
        let (_, sealed) = some_call(&gateway);
        let call = gateway.client.post(gateway.url("/v1/registrar")).json(&sealed);
        let patience = std::time::Duration::from_millis(300);
        if let Ok(response) = call.timeout(patience).send().await {
            refused = Some(problem(response).await);
        }
    }
    let refused = refused.map(|(status, problem)| (status, problem.code));
    assert_eq!(refused, Some((429, ProblemCode::TooMany)));
    drop(silent);
    for one in waiting {
        let (status, problem) = one.await.unwrap();
        assert!(
            matches!(
                (status, problem.code),
                (503, ProblemCode::Away) | (429, ProblemCode::TooMany)
            ),
            "{status} {problem:?}"
        );
    }
}

#[tokio::test]
async fn a_new_session_ends_the_one_before_whose_orders_are_refused() {
    let mut gateway = Gateway::start_apart("http", "");
    let host = gateway.join("web01").await;
    gateway.kill_part("registrar");
    let mut first = Silent::links(&gateway).await;
    let second = Silent::links(&gateway).await;
    let stranger = SigningKey::generate().unwrap();
    let open = || {
        vec![Order::Open(Mailbox {
            id: id(),
            kind: Kind::Host,
            key: stranger.public(),
        })]
    };
    let late = orders(&gateway, &first.bearer, first.session, open()).await;
    let (status, said) = problem(late).await;
    assert_eq!((status, said.code), (410, ProblemCode::Gone));
    // Its stream ends: what is left of it are comments.
    while let Ok(Some(chunk)) = first.events.chunk().await {
        assert!(chunk.is_empty() || chunk.starts_with(b":"), "{chunk:?}");
    }
    // The living one may close mailboxes, and whoever had one is a stranger at once.
    let none = vec![Order::Mailboxes { all: Vec::new() }];
    let done = orders(&gateway, &second.bearer, second.session, none).await;
    assert_eq!(done.status(), StatusCode::OK);
    let response = gateway.send(Method::GET, "/v1/events", &host.claim(), &()).await;
    assert_eq!(problem(response).await.1.code, ProblemCode::Unauthorized);
    // The real one comes back and tells everything anew.
    gateway.start_part("registrar").await;
    host.listen(&gateway, None).await;
}

async fn answered(gateway: &Gateway, host: &TestHost, device: &TestDevice, push: &Push) {
    let mut hears = host.listen(gateway, None).await;
    hears.roster().await;
    assert_eq!(device.answer(gateway, push.id, b"yes").await.status(), 204);
    assert_eq!(hears.answer().await, (push.id, device.id, b"yes".to_vec()));
    host.withdraw(gateway, push.id).await;
}

#[tokio::test]
async fn without_its_registrar_the_relay_refuses_calls_at_once_and_carries_pushes_and_answers() {
    for link in ["socket", "http"] {
        let mut gateway = Gateway::start_apart(link, "");
        let host = gateway.join("web01").await;
        let device = gateway.enrol(&host, "alice").await;
        gateway.kill_part("registrar");
        let (status, said) = problem(calls(&gateway).await).await;
        assert_eq!((status, said.code), (503, ProblemCode::Away));
        // What it was told stays known; callers verify it anyway.
        let trust = gateway.client.get(gateway.url("/v1/trust")).send().await.unwrap();
        let trust: relay::TrustInfo = trust.json().await.unwrap();
        assert_eq!(trust.issuers, [gateway.issuer.document().to_owned()]);
        let push = push_to(&[&device]);
        host.push(&gateway, &push).await;
        answered(&gateway, &host, &device, &push).await;
        // So does it across its own restart, from its own tables: nothing of it is lost. A host that remembers devices goes on
        // remembering them, as the generation is the one that it heard.
        let before = host.listen(&gateway, None).await.roster().await;
        assert_ne!(before, 0);
        gateway.kill_part("relay");
        gateway.start_relay_alone();
        assert_eq!(host.listen(&gateway, None).await.roster().await, before);
        let again = push_to(&[&device]);
        host.push(&gateway, &again).await;
        answered(&gateway, &host, &device, &again).await;
        let trust = gateway.client.get(gateway.url("/v1/trust")).send().await.unwrap();
        let trust: relay::TrustInfo = trust.json().await.unwrap();
        assert_eq!(trust.issuers, [gateway.issuer.document().to_owned()]);
        let (status, said) = problem(calls(&gateway).await).await;
        assert_eq!((status, said.code), (503, ProblemCode::Away));
        gateway.start_part("registrar").await;
        let reply = host
            .wants(
                &gateway,
                HostWant::Devices {
                    identity: identity("alice"),
                },
            )
            .await;
        assert_eq!(
            reply,
            Reply::Devices {
                devices: vec![device.certificate.clone()]
            }
        );
    }
}

#[tokio::test]
async fn what_the_registrar_decides_while_the_relay_is_away_holds_once_it_is_back() {
    let mut gateway = Gateway::start_apart("http", "");
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let mut hears = host.listen(&gateway, None).await;
    let before = hears.roster().await;
    gateway.kill_part("relay");
    let revoked = json!({"device_id": device.id});
    let (status, said) = gateway.admin(Method::POST, "/devices/revoke", revoked).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    gateway.start_part("relay").await;
    let response = gateway.send(Method::GET, "/v1/events", &device.claim(), &()).await;
    assert_eq!(problem(response).await.1.code, ProblemCode::Unauthorized);
    let mut hears = host.listen(&gateway, None).await;
    assert!(hears.roster().await > before);
}

#[tokio::test]
async fn r27_a_part_that_is_killed_while_a_device_is_asked_costs_a_question_or_nothing() {
    for killed in ["relay", "registrar"] {
        let mut gateway = Gateway::start_apart("http", "");
        let host = gateway.join("web01").await;
        let first = gateway.enrol(&host, "alice").await;
        let mut hears = first.listen(&gateway, None).await;
        let newcomer = Newcomer::comes(&gateway, &host, owner("alice")).await;
        let request = asked(&gateway, &first, &mut hears).await;
        gateway.kill_part(killed);
        gateway.start_part(killed).await;
        answers(&gateway, &first, &request, Decision::Approve).await;
        let state = newcomer.ends(&gateway).await;
        // The relay has it on its disk; the registrar forgot what it asked, and grants nothing.
        let granted = matches!(state, EnrolmentState::Certified { .. });
        assert_eq!(granted, killed == "relay", "{killed}: {state:?}");
        assert_eq!(certified(&gateway).await, if granted { 2 } else { 1 });
    }
}

#[test]
fn the_files_for_the_four_process_layout_are_good() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/apart");
    for (name, code, said) in [
        ("relay", 1, "/etc/assent/relay/registrar.pub cannot be opened"),
        ("app", 0, ""),
        ("panel", 0, ""),
        ("registrar", 1, "/var/lib/assent-registrar cannot be read"),
    ] {
        let file = files.join(format!("{name}.toml"));
        let (ended, spoken) = run_to_end(&["--check", "--config", &file.to_string_lossy()]);
        assert_eq!((ended, spoken.contains(said)), (Some(code), true), "{name}: {spoken}");
        assert!(!spoken.contains("cannot be used"), "{spoken}");
    }
}

#[tokio::test]
async fn a_relay_that_takes_nothing_holds_up_nobody_at_the_registrar() {
    // Accepts connections, says nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gateway = Gateway::start_apart("http", "");
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    gateway.kill_part("registrar");
    gateway.kill_part("relay");
    let file = gateway.dir.join("registrar.toml");
    let text = fs::read_to_string(&file).unwrap();
    let at = format!("http://{}", gateway.address);
    assert!(text.contains(&at));
    write(
        &file,
        &text.replace(&at, &format!("http://{}", deaf.local_addr().unwrap())),
        0o644,
    );
    gateway.start_registrar_alone();
    for (path, body) in [
        ("/host-token", json!({"name": "web02", "ttl": 60})),
        ("/devices/revoke", json!({"device_id": device.id})),
        ("/hosts/revoke", json!({"host_id": host.id})),
    ] {
        let (status, said) = gateway.admin(Method::POST, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {said}");
    }
}

#[tokio::test]
async fn a_relay_apart_holds_nothing_of_the_registrars_and_does_not_start_beside_it() {
    let mut gateway = Gateway::start_apart("http", "");
    let host = gateway.join("web01").await;
    gateway.enrol(&host, "alice").await;
    let mut names: Vec<String> = fs::read_dir(&gateway.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains(".toml"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "calls.sock",
            "codes",
            "codes-panel.sock",
            "link.pub",
            "lock",
            "log",
            "panel.sock",
            "registrar",
            "registrar-codes.sock",
            "relay-admin.sock",
            "relay.db",
            "relay.db-shm",
            "relay.db-wal",
            "vapid.key"
        ]
    );
    gateway.kill_part("relay");
    for name in ["issuer.key", "registrar.db", "link.key", "registrar-host.key"] {
        write(&gateway.dir.join(name), "x", 0o600);
        let config = gateway.dir.join("relay.toml");
        for check in [&["--check", "--config"][..], &["--config"]] {
            let config = config.to_string_lossy();
            let arguments: Vec<&str> = check.iter().copied().chain([&*config]).collect();
            let (code, said) = run_to_end(&arguments);
            assert_eq!(code, Some(1), "{name}");
            assert!(said.contains("is the registrar's"), "{said}");
        }
        fs::remove_file(gateway.dir.join(name)).unwrap();
    }
}

#[tokio::test]
async fn r79_the_panels_socket_serves_the_panels_user_alone() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("only root can come as somebody else");
        return;
    }
    let gateway = Gateway::start_apart("socket", "");
    // Even where the socket's own mode and directory would let everybody in.
    for path in [gateway.dir.clone(), gateway.dir.join("panel.sock")] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let comes = |uid: u32| {
        use std::os::unix::process::CommandExt as _;
        let socket = gateway.dir.join("panel.sock");
        let done = Command::new("curl")
            .args([
                "--silent",
                "--max-time",
                "5",
                "--http2-prior-knowledge",
                "--unix-socket",
            ])
            .arg(socket)
            .args([
                "--data",
                "{\"devices\":{\"owner\":{\"identities\":[],\"name\":\"x\"}}}",
                "http://localhost/ask",
            ])
            .uid(uid)
            .gid(uid)
            .output()
            .unwrap();
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
        )
    };
    assert_eq!(comes(0), (true, "[]".to_owned()));
    assert!(!comes(65534).0, "nobody");
    gateway.logs("somebody who is not the panel came to its socket").await;
}

#[test]
fn a_file_holds_the_keys_of_its_own_roles_alone() {
    let dir = scratch();
    let refused = |text: &str, with: &[&str]| {
        let file = dir.join("x.toml");
        write(&file, &format!("public_url = \"{URL}\"\n{text}"), 0o644);
        let (code, said) = run_to_end(&["--check", "--config", &file.to_string_lossy()]);
        assert_eq!(code, Some(1), "{text}: {said}");
        for with in with {
            assert!(said.contains(with), "{with:?} in:\n{said}");
        }
    };
    refused("roles = [\"relais\"]", &["roles: there is no role \"relais\""]);
    refused("roles = [\"relay\", \"relay\"]", &["listed twice"]);
    refused("roles = [\"relay\"]", &["link.registrar_key: is missing"]);
    refused(
        "roles = [\"registrar\"]\nlisten = \"127.0.0.1:1\"\ntls_key = \"/k\"\n[app]\nurl = \"https://app.example.org\"\n[panel]\nauth_profiles = [\"corp\"]",
        &[
            "listen: is not known",
            "tls_key: is not known",
            "panel.auth_profiles: is not known",
        ],
    );
    refused(
        "roles = [\"app\"]\nstate_dir = \"/x\"\n[link]\nsocket = \"/x\"\n[limits]\ncalls_per_host = 1\n[panel]\nfirst_device = \"admin\"",
        &[
            "state_dir: is not known",
            "link: is not known",
            "limits.calls_per_host",
            "panel.first_device",
        ],
    );
    refused(
        "roles = [\"relay\"]\n[[auth_profile]]\nname = \"corp\"\n[link]\nregistrar_key = \"/k\"\npanel_user = \"x\"",
        &["auth_profile: is not known", "link.panel_user: is not known"],
    );
    refused("[link]\nsocket = \"/x\"", &["link: is not known"]);
    fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn a_registrar_without_its_link_key_says_how_to_make_one() {
    let mut gateway = Gateway::start_apart("http", "");
    gateway.kill_part("registrar");
    fs::remove_file(gateway.dir.join("registrar/link.key")).unwrap();
    let (code, said) = run_to_end(&[
        "--check",
        "--config",
        &gateway.dir.join("registrar.toml").to_string_lossy(),
    ]);
    assert_eq!(code, Some(1));
    assert!(said.contains("assentctl registrar link --state-dir"), "{said}");
    assert!(gateway.log().contains(LINKED));
}
