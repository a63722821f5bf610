//! `replay`: a recorded login under other policies.

use crate::company::{EXAMPLE, config, with_policies};
use assent_engine::replay::{ReplayError, Replayed, replay};
use serde_json::{Value, json};

/// As the agent's audit file has it.
fn record() -> Value {
    json!({"login": "k7f3q2", "trace": [
        {"ms": 0.0, "event": "begin", "detail": {"at": 1_795_593_600_u64, "service": "sshd", "client": "10.1.2.3"}},
        {"ms": 0.1, "effect": "resolve"},
        {"ms": 0.2, "event": "resolved", "detail": {"name": "alice", "uid": 1000}},
        {"ms": 0.2, "policy": {"considered": [], "chosen": {"asks": "corp"}}},
        {"ms": 0.2, "effect": "look_up", "detail": {"profile": "corp", "reads": ["department"]}},
        {"ms": 1.0, "event": "looked_up", "detail": {"found": {
            "identity": "example.org/1", "account": "Active", "attributes": {"department": ["IT-Ops"]}}}},
        {"ms": 1.0, "policy": {"considered": [], "chosen": {"method": "staff-push", "by": "policy"}}},
    ]})
}

async fn replayed(policies: &str) -> Replayed {
    replay(&with_policies(policies), &record()).await.unwrap()
}

fn policy(rest: &str) -> String {
    format!("[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"corp\"\n{rest}\n")
}

#[tokio::test]
async fn mission_row_20_a_login_is_decided_as_then_by_the_policies_of_then() {
    let same = replay(&config(EXAMPLE), &record()).await.unwrap();
    assert!(!same.differs(), "{same:?}");
    assert_eq!(same.now, ["staff-push"]);
}

#[tokio::test]
async fn other_policies_decide_otherwise_and_say_why() {
    let other = replayed(&policy("attribute = \"department\"\nvalues = [\"Sales\"]")).await;
    assert_eq!(
        (&other.then[..], &other.now[..]),
        (&["staff-push".to_owned()][..], &["sms".to_owned()][..])
    );
    assert!(other.differs());
    assert!(
        other
            .explanation
            .lines
            .iter()
            .any(|line| line.contains("no value matches"))
    );
    let night = replayed(&policy(
        "when = { from = \"20:00\", until = \"06:00\", zone = \"UTC\" }",
    ))
    .await;
    assert_eq!(night.now, ["sms"], "its time is the recorded one");
    let office = replayed(&policy("networks = [\"10.0.0.0/8\"]")).await;
    assert_eq!(office.now, ["staff-push"], "so is its address");
}

#[tokio::test]
async fn what_the_trace_does_not_say_is_not_guessed() {
    let title = replayed(&policy("attribute = \"title\"\nvalues = [\"*\"]")).await;
    assert_eq!(title.now, ["untold"]);
    assert!(title.is_untold() && !title.differs());
    assert!(
        title
            .explanation
            .lines
            .iter()
            .any(|line| line.contains("title was not read then")),
        "{title:?}"
    );
    let local = policy("attribute = \"username\"\nvalues = [\"alice\"]").replace("\"corp\"", "\"local\"");
    let local = replayed(&local).await;
    assert!(
        local
            .explanation
            .lines
            .iter()
            .any(|line| line.contains("local was not asked then")),
        "{local:?}"
    );
    let mut cut = record();
    cut["trace"][5]["detail"]["found"]["cut"] = json!(["department"]);
    let cut = replay(&config(EXAMPLE), &cut).await.unwrap();
    assert!(
        cut.explanation
            .lines
            .iter()
            .any(|line| line.contains("not all of department")),
        "{cut:?}"
    );
}

/// With what traces say now: the country, and what was remembered.
fn record_of_risk(country: Value, signals: Value) -> Value {
    let mut record = record();
    let begin = &mut record["trace"][0]["detail"];
    begin["country"] = country;
    begin["key"] = json!(true);
    let told = json!({"ms": 1.0, "event": "recalled", "detail": {"identity": "example.org/1", "signals": signals}});
    record["trace"].as_array_mut().unwrap().insert(6, told);
    record
}

#[tokio::test]
async fn mission_row_19_a_replay_goes_by_the_recorded_signals_and_guesses_none() {
    let site = |rest: &str| {
        let (head, tail) = EXAMPLE.split_once("[[policy]]").unwrap();
        let (_, tail) = tail.split_once("[[application]]").unwrap();
        let location = "[location]\ndatabase = \"/nowhere.mmdb\"\n";
        config(&format!("{location}{head}{}\n[[application]]{tail}", policy(rest)))
    };
    let known = json!({"new_address": false, "new_country": false, "travel": null, "denials": [5]});
    let told = record_of_risk(json!("NO"), known);
    let nowhere = record_of_risk(Value::Null, json!({"unknown": "the disk"}));
    for (rest, by_told, by_nowhere) in [
        ("countries = [\"NO\"]", "staff-push", "sms"),
        ("not_countries = [\"NO\"]", "sms", "staff-push"),
        ("first_factor = [\"key\"]", "staff-push", "staff-push"),
        ("new_address = true", "sms", "deny"),
        ("new_address = false", "staff-push", "deny"),
        (
            "recent_denials = { at_least = 1, within_minutes = 1 }",
            "staff-push",
            "deny",
        ),
        ("countries = [\"NO\"]\naction = \"deny\"", "deny", "staff-push"),
    ] {
        for (record, expected) in [(&told, by_told), (&nowhere, by_nowhere), (&record(), "untold")] {
            let replayed = replay(&site(rest), record).await.unwrap();
            assert_eq!(replayed.now, [expected], "{rest}: {:?}", replayed.explanation.lines);
        }
    }
}

#[tokio::test]
async fn a_record_without_a_decision_says_so() {
    let config = config(EXAMPLE);
    for (keep, error) in [
        (0, ReplayError::NoTrace),
        (1, ReplayError::NoUser),
        (3, ReplayError::NoPolicy),
    ] {
        let mut record = record();
        record["trace"].as_array_mut().unwrap().truncate(keep);
        assert_eq!(replay(&config, &record).await.unwrap_err(), error, "{keep}");
    }
    assert_eq!(replay(&config, &json!({})).await.unwrap_err(), ReplayError::NoTrace);
}
