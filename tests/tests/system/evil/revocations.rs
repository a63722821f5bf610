//! Revocation and freezes behind a relay that withholds, keeps back and delivers late.

use super::relay::{Act, Message};
use super::{Stage, answers_of, deliver};
use crate::revocation::{LIST, answers, approved, catches_up, denied, device_id, sudo, waits_for};
use assent_proto::relay::{DeviceEvent, HostEvent, ProblemCode};
use assent_tests::product::{PATIENCE, assentctl};
use assent_tests::suite::Scenario;
use assent_tests::{SOON, scenarios};
use axum::http::StatusCode;
use std::fs;
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = scenarios![
    r10_a_freeze_holds_while_the_registrar_is_away_and_over_a_restart_and_is_handed_over_then,
    r24_an_answer_of_a_device_that_is_revoked_meanwhile_does_not_count,
    r24_without_any_list_no_push_leaves,
    r29_a_request_of_a_revoked_host_is_not_drawn,
    r29_r68_under_an_open_question_the_relay_draws_no_line,
];

fn away() -> Act {
    Act::Refuse(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Internal)
}

fn r10_a_freeze_holds_while_the_registrar_is_away_and_over_a_restart_and_is_handed_over_then() {
    let mut stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let mut phone = authenticator.listen();
    let mut answered = false;
    stage.evil.does(move |message, _| {
        answered |= matches!(message, Message::Answer(..));
        match message {
            Message::Call(_) if answered => away(),
            _ => Act::Pass,
        }
    });
    let mut reported = sudo();
    answers(&mut phone, "n");
    assert!(!reported.wait(PATIENCE).success());
    assert_eq!(denied(&stage.site), "frozen");
    let agent = &mut stage.site.agent;
    agent.service().wait_for_log("was not handed to the registrar", SOON);
    agent.kill();
    agent.resume();
    assert_eq!(denied(&stage.site), "frozen");
    stage.evil.is_honest();
    stage
        .site
        .agent
        .service()
        .wait_for_log("the registrar took the report", SOON);
    let listed = assentctl(["freeze", "list"]).expect_success().out;
    assert!(listed.contains("alice"), "{listed}");
    assert_eq!(denied(&stage.site), "frozen");
}

fn r24_an_answer_of_a_device_that_is_revoked_meanwhile_does_not_count() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let mut phone = authenticator.listen();
    let id = device_id(&authenticator);
    stage.evil.does(|message, _| match message {
        Message::ToHost(HostEvent::Answer { .. }) => Act::Swallow,
        _ => Act::Pass,
    });
    let mut sudo = sudo();
    answers(&mut phone, "a");
    let held = stage
        .evil
        .wait_for(0, |message| answers_of(std::slice::from_ref(message)).next());
    assentctl(["device", "revoke", &id]).expect_success();
    catches_up(&stage.site);
    if let Message::ToHost(event) = deliver(held) {
        stage.evil.says(event);
    }
    waits_for("the late answer is judged", || {
        stage
            .site
            .agent
            .log()
            .contains("the device was revoked since it was asked")
    });
    sudo.send_control('c');
    assert!(!sudo.wait(PATIENCE).success());
}

fn r24_without_any_list_no_push_leaves() {
    let mut stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let mut phone = authenticator.listen();
    approved(&mut phone);
    stage.site.agent.stop();
    fs::remove_file(LIST).expect("the list");
    stage.evil.does(|message, _| match message {
        Message::Call(_) => away(),
        _ => Act::Pass,
    });
    stage.site.agent.resume();
    stage.site.agent.wait_until_connected();
    let before = stage.evil.seen().len();
    assert_eq!(denied(&stage.site), "revocations_too_old");
    let pushes = stage.evil.seen()[before..]
        .iter()
        .filter(|m| matches!(m, Message::Push(_)))
        .count();
    assert_eq!(pushes, 0);
    stage.evil.is_honest();
    approved(&mut phone);
}

fn r29_a_request_of_a_revoked_host_is_not_drawn() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let mut phone = authenticator.listen_verbosely();
    let list = || fs::read_to_string(authenticator.dir.join("revocations.json")).unwrap_or_default();
    let before = list();
    stage.evil.does(|message, _| match message {
        Message::ToDevice(_, DeviceEvent::Push { .. }) => Act::Swallow,
        _ => Act::Pass,
    });
    let mut sudo = sudo();
    let push = stage.evil.wait_for(0, |message| match message {
        Message::ToDevice(_, DeviceEvent::Push { .. }) => Some(message.clone()),
        _ => None,
    });
    let status = assentctl(["status", "--json"]).expect_success().out;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let host = status["gateway"]["host_id"].as_str().expect("an id").to_owned();
    assentctl(["host", "revoke", &host]).expect_success();
    waits_for("the device has the new list", || list() != before);
    // Now the relay delivers what it held back, beside the news that the device has another name.
    stage.evil.does(move |message, _| match message {
        Message::ToDevice(_, DeviceEvent::Devices {}) => Act::Send(vec![message.clone(), push.clone()]),
        _ => Act::Pass,
    });
    authenticator.devices(["--rename", "other"]).expect_success();
    phone.expect("its host is revoked", PATIENCE);
    assert!(!phone.transcript().contains("[a]pprove"), "{}", phone.transcript());
    sudo.send_control('c');
    assert!(!sudo.wait(PATIENCE).success());
}

fn r29_r68_under_an_open_question_the_relay_draws_no_line() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let other = device_id(&stage.enrol("dave"));
    let mut phone = authenticator.listen();
    let mut sudo = sudo();
    phone.expect("[a]pprove", PATIENCE);
    // A parser quotes the field that it does not know.
    let mut count = 0;
    stage.evil.does(move |message, _| match message {
        Message::Trust(_) => {
            count += 1;
            let forged = format!("x\n\n| REQUEST: is this you?\n[a]pprove, [d]eny, [n]ot me? {count}");
            Act::Body(serde_json::json!({ forged: 1 }).to_string().into_bytes())
        }
        _ => Act::Pass,
    });
    assentctl(["device", "revoke", &other]).expect_success();
    phone.expect("could not be asked for", PATIENCE);
    phone.expect("Trying", PATIENCE);
    // It is tried again two seconds later. That nothing is said then, whatever other words the relay found, shows by waiting.
    std::thread::sleep(Duration::from_secs(3));
    let shown = phone.transcript();
    assert_eq!(shown.matches("could not be asked for").count(), 1, "{shown}");
    let drawn = shown.lines().filter(|line| line.trim_start().starts_with("| REQUEST"));
    assert_eq!(drawn.count(), 1, "{shown}");
    assert!(shown.contains("x⟨U+000A⟩"), "what it said is told: {shown}");
    stage.evil.is_honest();
    phone.send_line("d");
    assert!(!sudo.wait(PATIENCE).success());
}
