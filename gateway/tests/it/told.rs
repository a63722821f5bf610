//! People are told by mail what changed of their devices and codes (R27): at the address that a directory has said, by a real
//! mail server, and never in the way of the change itself.

use crate::codes_rig::{MailServer, start as code_login};
use crate::panel_rig::{Browser, ORIGIN, profile, users_file, with_password};
use crate::people::{identity, owner};
use crate::rig::{Gateway, scratch, text, write};
use assent_proto::code::CodeMethod;
use assent_proto::registrar::{DeviceWant, Reply};
use serde_json::json;

/// A panel where alice and bob have an address in the directory, and carol has none.
fn config(mail: &str) -> String {
    let entry = |mail: &str| format!("{}\nemail = \"{mail}\"", with_password());
    let users = users_file(&[
        ("alice", &entry("alice@example.org")),
        ("bob", &entry("bob@example.org")),
        ("carol", &with_password()),
    ]);
    format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"staff\"]\nfirst_device = \"directory\"\n{mail}{}",
        profile("staff", &users, "")
    )
}

#[tokio::test]
async fn r27_every_change_is_told_by_mail_to_the_directorys_address_and_a_label_is_no_link() {
    let server = MailServer::start(&scratch(), "starttls");
    let gateway = Gateway::start_with(&config(&server.section("starttls")));
    let alice = Browser::of(&gateway, "alice").await;
    let first = alice.register(&gateway, "http://evil.example/x 14.1").await;
    let mails = server.mails(1).await;
    assert!(mails[0].starts_with("TO alice@example.org"), "{}", mails[0]);
    assert!(
        mails[0].contains("Subject: A device or codes of yours have changed"),
        "{}",
        mails[0]
    );
    assert!(mails[0].contains("A device was added"), "{}", mails[0]);
    assert!(mails[0].contains("http   evil example x 14.1"), "{}", mails[0]);
    assert!(mails[0].contains("Auto-Submitted: auto-generated"), "{}", mails[0]);
    // Who has no address in any directory registers all the same.
    let carol = Browser::of(&gateway, "carol").await;
    carol.register(&gateway, "phone").await;
    gateway.logs("no directory has said an address").await;
    // Codes: a device approves, and the mail comes once it is done.
    let mut hears = first.listen(&gateway, None).await;
    let asked = alice.post("codes/changes", json!({"change": "new_recovery"})).await;
    let id = asked.body["id"].as_str().unwrap().to_owned();
    first
        .decides(&gateway, &mut hears, assent_proto::answer::Decision::Approve)
        .await;
    gateway.logs("approved by a device").await;
    let made = alice.post(&format!("codes/changes/{id}/carry-out"), json!({})).await;
    assert_eq!(made.body["codes"].as_array().unwrap().len(), 10, "{made:?}");
    let mails = server.mails(2).await;
    assert!(mails[1].contains("New recovery codes were made"), "{}", mails[1]);
    // The device leaves by itself.
    assert!(matches!(first.calls(&gateway, DeviceWant::Leave).await, Reply::Left));
    let mails = server.mails(3).await;
    assert!(mails[2].contains("A device was removed"), "{}", mails[2]);
    assert!(mails.iter().all(|mail| mail.starts_with("TO alice@example.org")));
    // The address itself lies nowhere in the clear.
    assert!(!crate::codes_rig::stands_in(
        &gateway,
        &["codes.db", "codes.db-wal", "log"],
        "alice@example.org"
    ));
}

#[tokio::test]
async fn r27_a_mail_server_that_is_away_stops_nobody_and_is_tried_again() {
    let dir = scratch();
    let server = MailServer::start(&dir, "starttls");
    let (port, section) = (server.port, server.section("starttls"));
    drop(server);
    let gateway = Gateway::start_with(&config(&section));
    let alice = Browser::of(&gateway, "alice").await;
    alice.register(&gateway, "phone").await;
    assert_eq!(alice.labels().await, ["phone"]);
    gateway.logs("a mail server did not take a message").await;
    let server = MailServer::start_at(&dir, "starttls", port);
    let mails = server.mails(1).await;
    assert!(mails[0].contains("A device was added"), "{}", mails[0]);
}

#[tokio::test]
async fn r27_a_host_adds_an_address_by_its_own_directory_and_takes_nobody_elses_place() {
    let server = MailServer::start(&scratch(), "starttls");
    let gateway = Gateway::start_with(&config(&server.section("starttls")));
    let bob = Browser::of(&gateway, "bob").await;
    let host = gateway.asker("web01").await;
    let who = crate::panel_rig::owner_of("bob", 2).identities.remove(0);
    let mut login = code_login("bob", &[CodeMethod::Totp]);
    login.identity = who.clone();
    login.mail = Some(text("bob@elsewhere.example"));
    login.lang = text("tr");
    host.starts(&gateway, login).await;
    // Another person's address is not bob's.
    let mut other = code_login("eve", &[CodeMethod::Totp]);
    other.mail = Some(text("eve@elsewhere.example"));
    host.starts(&gateway, other).await;
    bob.register(&gateway, "phone").await;
    let mails = server.mails(2).await;
    let to = |address: &str| {
        let found = mails.iter().find(|mail| mail.starts_with(&format!("TO {address}")));
        found.unwrap_or_else(|| panic!("{address}: {mails:?}"))
    };
    assert!(to("bob@example.org").contains("A device was added"));
    // In the language that the host's directory says. Its text is not ASCII, so it is encoded.
    assert!(to("bob@elsewhere.example").contains("Content-Transfer-Encoding:"));
    assert!(!to("bob@elsewhere.example").contains("A device was added"));
    assert_eq!(mails.len(), 2);
}

#[tokio::test]
async fn r27_apart_the_registrar_hands_notices_to_the_code_service_even_if_it_is_away_for_a_while() {
    let server = MailServer::start(&scratch(), "starttls");
    let mut gateway = Gateway::start_apart("socket", &server.section("starttls"));
    let host = gateway.asker("web01").await;
    let mut login = code_login("alice", &[CodeMethod::Totp]);
    login.mail = Some(text("alice@example.org"));
    host.starts(&gateway, login).await;
    assert_eq!(owner("alice").identities, [identity("alice")]);
    gateway.kill_part("codes");
    gateway.enrol(&host.test, "alice").await;
    gateway
        .logs("the code service did not take what a person is to be told")
        .await;
    gateway.start_part("codes").await;
    let mails = server.mails(1).await;
    assert!(mails[0].starts_with("TO alice@example.org"), "{}", mails[0]);
    assert!(mails[0].contains("A device was added"), "{}", mails[0]);
}

#[test]
fn r27_the_check_says_where_nobody_is_told_by_mail() {
    let dir = scratch();
    let gateway = Gateway::start();
    let file = dir.join("gateway.toml");
    let mail = "[[codes.mail]]\nhost = \"localhost\"\nfrom = \"a@example.org\"\n";
    for (more, noted) in [("", true), (mail, false)] {
        write(&file, &crate::rig::config(&gateway.dir, "127.0.0.1:0", more), 0o644);
        let checked = std::process::Command::new(env!("CARGO_BIN_EXE_assent-gateway"))
            .args(["--check", "--config", file.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(checked.status.success(), "{said}");
        assert_eq!(said.contains("there is no mail server"), noted, "{said}");
    }
}
