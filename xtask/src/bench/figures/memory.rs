//! What the agent keeps in memory: with nothing to do, and for each login that waits for a tap.

use super::Options;
use super::row::{Judged, Row};
use super::wire::Dialogue;
use assent_engine::ledger::MOST_OPEN;
use assent_tests::patience;
use assent_tests::product::{self, Gateway, Site};
use assent_wire::ToModule;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Whose logins wait, each from so many addresses.
const USERS: [&str; 3] = ["alice", "dave", "localjoe"];
const SOURCES: usize = 180;

const IDLE_MIB: f64 = 16.0;
const EACH_KIB: f64 = 24.0;
/// For the relay to take the last pushes; far below the 60 s that a push lives.
const SETTLE: Duration = Duration::from_secs(3);

pub fn rows(_: &Options) -> Vec<Row> {
    // One relay's device holds all the pushes here, which no real person does.
    let gateway = || Gateway::start_at(Ipv4Addr::LOCALHOST, "[limits]\nwaiting_per_host_and_device = 100000\n");
    let mut site = Site::open_around(gateway, |usual| usual);
    for user in USERS {
        site.enrol(user);
    }
    let known: Vec<String> = USERS.into_iter().flat_map(|user| approvals(&site, user)).collect();
    site.agent.stop();
    std::fs::write("/var/lib/assent/pushes.jsonl", known.concat()).expect("what the agent remembers");
    site.agent.resume();
    site.agent.wait_until_connected();
    let pid = site.agent.service().pid();
    let idle = resident_kib(pid);
    let mut rows = vec![
        Row::new("agent, resident, idle", "MiB", idle / 1024.0)
            .judged(Judged::AtMost, IDLE_MIB)
            .note("release, connected to the gateway, LDAP and local profiles, after one enrolment"),
    ];
    let mut waiting = Vec::new();
    for count in [1000_u32, 2000] {
        let more = usize::try_from(count).expect("a few thousand") - waiting.len();
        let from = waiting.len();
        waiting.extend((from..from + more).map(wait_for_a_tap));
        let each = (most_resident_kib(pid, SETTLE) - idle).max(0.0) / f64::from(count);
        assert_eq!(
            open_pushes(),
            u64::from(count),
            "every login waits:\n{}",
            tail(&site.agent.log())
        );
        rows.push(
            Row::new(
                format!("agent, for each of {count} logins that wait for a tap"),
                "KiB",
                each,
            )
            .judged(Judged::AtMost, EACH_KIB)
            .note("resident; each has looked its user up by LDAP and has its push at the relay"),
        );
    }
    rows
}

/// The address of the login of this number: four may wait from one.
fn address(number: usize) -> Ipv4Addr {
    let network = u32::try_from(number / USERS.len() / MOST_OPEN % SOURCES).expect("a few hundred");
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + network)
}

/// What an agent remembers of a user who approved from every address: strangers may not have as many requests open.
fn approvals(site: &Site, user: &str) -> Vec<String> {
    let before = site.agent.audit().len();
    drop(Dialogue::begin("sshd-stack", user));
    let decision = site.agent.decision(before);
    let identity = decision["identity"].as_str().expect("an identity");
    let (realm, id) = identity.split_once('#').expect("realm and id");
    let who = serde_json::json!({"realm": realm, "id": id});
    let now = assent_proto::time::UnixTime::now();
    let line = |from: Ipv4Addr| serde_json::json!({"at": now, "who": who, "from": from, "what": {"approved": {}}});
    let sources = (0..SOURCES).map(|source| address(source * USERS.len() * MOST_OPEN));
    sources.map(|from| format!("{}\n", line(from))).collect()
}

fn wait_for_a_tap(number: usize) -> Dialogue {
    let user = USERS[number % USERS.len()];
    let mut dialogue = Dialogue::begin_from("sshd-stack", user, Some(address(number)));
    assert!(
        matches!(dialogue.hear(), ToModule::Tell { .. }),
        "the agent says that it waits"
    );
    dialogue
}

/// As the agent itself counts them.
fn open_pushes() -> u64 {
    let status = product::assentctl(["status", "--json"]).expect_success().out;
    let status: serde_json::Value = serde_json::from_str(&status).expect("a status in JSON");
    status["open_pushes"].as_u64().expect("a count")
}

/// The most that it held within a while, so that nothing is measured before it has come.
fn most_resident_kib(pid: u32, within: Duration) -> f64 {
    let mut most = 0.0_f64;
    let _: Option<()> = patience::until(within, || {
        most = most.max(resident_kib(pid));
        None
    });
    most
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// What a process holds in memory.
pub fn resident_kib(pid: u32) -> f64 {
    kib(pid, "VmRSS:")
}

/// A line of a process's status.
pub fn kib(pid: u32, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent's status");
    let line = status.lines().find(|line| line.starts_with(key)).expect(key);
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok());
    kib.expect("a number")
}
