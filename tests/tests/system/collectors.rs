//! The record where admins collect logs: fields to journald, RFC 5424 to a real rsyslogd. Whoever chooses names with line
//! ends, quotes and brackets in them forges none (R69).

use crate::login::{Login, begin};
use assent_proto::Bytes;
use assent_tests::journal::Journal;
use assent_tests::product::{PATIENCE, Site, assentctl};
use assent_tests::rsyslog::{Rsyslog, SOCKET};
use assent_tests::scenarios;
use assent_tests::suite::Scenario;
use assent_wire::{Verdict, VerdictCode};
use serde_json::Value;

pub const SCENARIOS: &[Scenario] = scenarios![
    mission_row_20_people_and_machines_read_what_was_asked_seen_and_answered,
    r72_a_service_that_is_let_through_unlisted_is_a_warning,
    r69_no_name_forges_a_field_in_the_journal,
    r69_no_name_forges_a_field_in_rfc_5424,
    a_journal_that_is_away_leaves_the_line_to_syslog,
];

/// A number that IANA has given nobody; it stays in this world.
const NUMBER: u32 = 4_294_967_294;

/// What a hostile caller would write where a service or a terminal stands.
const HOSTILE: [&str; 12] = [
    "x\nASSENT_VERDICT=approved\n",
    "x\nMESSAGE=Accepted for root",
    "x\" verdict=\"approved",
    "x\"] [assent@4294967294 verdict=\"approved\"] y",
    "]",
    "\\",
    "\\\"",
    "\\]",
    "a\\\\\"]\\",
    "x\0y\r\n<84>1 - - assent-agentd - 1 - forged",
    "\u{202e}x\u{2028}y\u{85}z",
    "seq=1 hash=AAAA ⟨U+000A⟩ Ünïcödé 名",
];

/// Logins of each of them as service and terminal, which are denied because no application lists the service.
fn hostile_logins(more: &[u8]) -> Vec<Verdict> {
    let of = |text: &[u8]| {
        let mut login = begin("alice");
        login.service = text.to_vec();
        login.tty = Some(text.to_vec());
        let verdict = Login::start(login).ends();
        assert_eq!(verdict.code, VerdictCode::Denied, "{}", verdict.text);
        verdict
    };
    let mut verdicts: Vec<Verdict> = HOSTILE.iter().map(|text| of(text.as_bytes())).collect();
    verdicts.push(of(more));
    verdicts
}

/// Each audited decision, with the fields that a collector has of it.
fn hold_against(site: &Site, fields_of: impl Fn(&str) -> Vec<(String, String)>) {
    let decisions = site.agent.audit();
    assert_eq!(decisions.len(), HOSTILE.len() + 1);
    for decision in decisions {
        let login = decision["login"].as_str().expect("an id");
        let fields = fields_of(login);
        let field = |name: &str| {
            let mut found = fields.iter().filter(|(key, _)| key == name);
            let value = found.next().map(|(_, value)| value.as_str());
            assert!(found.next().is_none(), "{name} twice: {fields:?}");
            value
        };
        for name in ["login", "verdict", "cause", "service", "source"] {
            assert_eq!(field(name), decision[name].as_str(), "{name} of {decision}: {fields:?}");
        }
        assert_eq!(field("application"), None, "no application lists it: {fields:?}");
        assert_eq!(field("tty"), decision["service"].as_str(), "{fields:?}");
        assert_eq!(field("seq"), Some(decision["seq"].to_string().as_str()));
        // Nothing that is no field of ours.
        let known = [
            "login",
            "verdict",
            "cause",
            "service",
            "application",
            "user",
            "identity",
            "source",
            "tty",
            "method",
            "detail",
            "seq",
            "hash",
        ];
        for (name, _) in &fields {
            assert!(known.contains(&name.as_str()), "{name} was forged: {fields:?}");
        }
    }
}

fn mission_row_20_people_and_machines_read_what_was_asked_seen_and_answered() {
    let journal = Journal::listen();
    let site = Site::open();
    let phone = site.enrol("alice");
    let phone = crate::evil::phone::Phone::of(&site, &phone);
    phone.decides(assent_proto::answer::Decision::Approve);
    let approved = Login::of("alice").ends();
    assert_eq!(approved.code, VerdictCode::Approved, "{}", approved.text);
    phone.decides(assent_proto::answer::Decision::Deny);
    let denied = Login::of("alice").ends();
    assert_eq!(denied.code, VerdictCode::Denied);
    site.agent.decision(1);

    let login = |id: &str| journal.find(&[&format!("ASSENT_LOGIN={id}")], 2);
    let one = login(&approved.id);
    assert_eq!(one.len(), 1, "{one:?}");
    for (field, value) in [
        ("ASSENT_VERDICT", "approved"),
        ("ASSENT_USER", "alice"),
        ("ASSENT_SERVICE", "sudo"),
        ("ASSENT_SOURCE", "local"),
        ("ASSENT_METHOD", "staff-push"),
        ("SYSLOG_IDENTIFIER", "assent-agentd"),
        ("SYSLOG_FACILITY", "10"),
        ("PRIORITY", "6"),
        ("MESSAGE_ID", "7fba7f2679754e5faa432d6e65364529"),
    ] {
        assert_eq!(one[0][field], value, "{one:?}");
    }
    assert!(one[0].get("ASSENT_CAUSE").is_none(), "there is none: {one:?}");
    assert!(
        one[0]["MESSAGE"]
            .as_str()
            .is_some_and(|line| line.starts_with(&format!("login={} ", approved.id))),
        "{one:?}"
    );
    let denials = journal.find(
        &["ASSENT_VERDICT=denied", "PRIORITY=4", "ASSENT_CAUSE=denied_on_device"],
        2,
    );
    assert_eq!(denials.len(), 1, "{denials:?}");
    assert_eq!(denials[0]["ASSENT_LOGIN"], denied.id);
    // It went there alone: /dev/log would be the journal's, too.
    assert!(!site.syslog.lines().iter().any(|line| line.contains("assent-agentd")));
    // Its place is what the file has, which holds the rest: what was asked, seen and answered.
    let decision = site.agent.decision(0);
    assert_eq!(one[0]["ASSENT_SEQ"], decision["seq"].to_string());
    let for_people = assentctl(["audit", "show", &approved.id]).expect_success().out;
    for words in [
        "decision:    approved",
        "who:         alice",
        "what:        sudo",
        "from:        local",
        "approved, level tap",
    ] {
        assert!(for_people.contains(words), "{words}:\n{for_people}");
    }
    let for_machines = assentctl(["audit", "show", &approved.id, "--json"])
        .expect_success()
        .out;
    let record: Value = serde_json::from_str(for_machines.trim()).expect("JSON");
    let push = &record["pushes"][0];
    assert_eq!(payload(&push["request"])["cmd"]["args"][0], "/usr/bin/id", "{push}");
    assert_eq!(payload(&push["answered"]["answer"])["decision"], "approve");
    let steps: Vec<&str> = record["trace"]
        .as_array()
        .expect("a trace")
        .iter()
        .filter_map(|step| step["event"].as_str())
        .collect();
    assert!(
        steps.contains(&"looked_up") && steps.contains(&"push_approved"),
        "{steps:?}"
    );
}

/// What a signed document says.
fn payload(document: &Value) -> Value {
    let middle = document
        .as_str()
        .and_then(|document| document.split('.').nth(1))
        .expect("a document");
    let bytes: Bytes = serde_json::from_value(middle.into()).expect("base64url");
    serde_json::from_slice(&bytes.0).expect("JSON")
}

fn r72_a_service_that_is_let_through_unlisted_is_a_warning() {
    let journal = Journal::listen();
    let site = Site::open_with(|usual| format!("unlisted = \"ignore\"\n{usual}"));
    let mut unlisted = begin("alice");
    unlisted.service = b"unheard-of".to_vec();
    let passed = Login::start(unlisted).ends();
    assert_eq!(passed.code, VerdictCode::Ignore);
    let found = journal.find(
        &["ASSENT_VERDICT=ignored", "ASSENT_CAUSE=unlisted_service", "PRIORITY=4"],
        1,
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["ASSENT_LOGIN"], passed.id);
    assert_eq!(site.agent.decision(0)["verdict"], "ignored");
    let said = assentctl(["doctor", "--json"]).out;
    assert!(said.contains("let a login pass without being asked"), "{said}");
}

fn r69_no_name_forges_a_field_in_the_journal() {
    let journal = Journal::listen();
    let site = Site::open();
    let verdicts = hostile_logins(b"\xff\xfe\n\x80");
    let all = journal.find(&["MESSAGE_ID=7fba7f2679754e5faa432d6e65364529"], verdicts.len());
    assert_eq!(all.len(), verdicts.len());
    assert!(journal.find(&["ASSENT_VERDICT=approved"], 1).is_empty());
    hold_against(&site, |login| {
        let entry = all
            .iter()
            .find(|entry| entry["ASSENT_LOGIN"] == login)
            .expect("an entry");
        let entry = entry.as_object().expect("an object");
        let own = entry.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix("ASSENT_")?.to_ascii_lowercase();
            Some((name, value.as_str().unwrap_or_default().to_owned()))
        });
        own.collect()
    });
}

fn r69_no_name_forges_a_field_in_rfc_5424() {
    let rsyslog = Rsyslog::start();
    let log = format!("\n[log]\nsyslog = \"{SOCKET}\"\nformat = \"rfc5424\"\nenterprise = {NUMBER}\n");
    let site = Site::open_with(|usual| usual + &log);
    let verdicts = hostile_logins(b"\xff\xfe\n\x80");
    let messages = rsyslog.messages(verdicts.len());
    assert_eq!(messages.len(), verdicts.len(), "one record, one message");
    for message in &messages {
        assert_eq!(message["app-name"], "assent-agentd", "{message}");
        assert_eq!(message["protocol-version"], "1", "{message}");
        assert_eq!(message["msgid"], "1", "{message}");
        assert_eq!(
            (&message["syslogfacility"], &message["syslogseverity"]),
            (&"10".into(), &"4".into())
        );
        assert_eq!(message["hostname"], assent_tests::namespace::HOST_NAME, "{message}");
        let data = message["$!"]["rfc5424-sd"].as_object().expect("structured data");
        assert_eq!(data.len(), 1, "{message}");
        assert!(
            message["msg"].as_str().is_some_and(|line| line.starts_with("login=")),
            "{message}"
        );
    }
    hold_against(&site, |login| {
        let data = |message: &Value| message["$!"]["rfc5424-sd"][format!("assent@{NUMBER}")].clone();
        let found = messages.iter().map(data).find(|data| data["login"] == login);
        let found = found.unwrap_or_else(|| panic!("no message of {login}: {messages:?}"));
        let fields = found.as_object().expect("fields").iter();
        fields
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    });
    // What it has written is what the files are held against.
    let lines: Vec<&str> = messages.iter().filter_map(|message| message["msg"].as_str()).collect();
    std::fs::write("/var/lib/assent-heard.log", lines.join("\n")).expect("a log");
    assentctl(["audit", "verify", "--against", "/var/lib/assent-heard.log"]).expect_success();
}

fn a_journal_that_is_away_leaves_the_line_to_syslog() {
    let mut journal = Journal::listen();
    let site = Site::open();
    let mut unlisted = begin("alice");
    unlisted.service = b"unheard-of".to_vec();
    let first = Login::start(unlisted.clone()).ends();
    assert_eq!(journal.find(&[&format!("ASSENT_LOGIN={}", first.id)], 1).len(), 1);
    journal.stop();
    let second = Login::start(unlisted.clone()).ends();
    site.syslog
        .wait_for_text(&format!("login={} verdict=denied", second.id), PATIENCE);
    // It comes back.
    let journal = Journal::listen();
    let third = Login::start(unlisted).ends();
    assert_eq!(journal.find(&[&format!("ASSENT_LOGIN={}", third.id)], 1).len(), 1);
}
