//! MISSION row 18: what an administrator decides for one person on one host, in real terminals.

use super::ssh::count;
use assent_tests::product::{PATIENCE, Site, assentctl, password, stack};
use assent_tests::program::Program;
use assent_tests::scenarios;
use assent_tests::sshd::Sshd;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;
use serde_json::Value;
use std::time::{Duration, Instant};

pub const SCENARIOS: &[Scenario] = scenarios![
    mission_row_18_a_bypass_lets_a_user_in_by_the_first_factor_alone_for_its_application_and_time,
    mission_row_18_a_bypass_for_sudo_asks_for_the_password_and_ends_with_a_word,
    mission_row_18_a_block_holds_for_a_user_of_ldap_until_it_is_lifted,
    mission_row_18_what_cannot_be_granted_is_refused_and_nothing_changes,
];

/// A change is told by then.
const MINUTE: Duration = Duration::from_secs(60);
const REASON: &str = "lost her phone, called back";

fn ssh(sshd: &Sshd, user: &str, command: &str) -> Terminal {
    let mut ssh = sshd.client(user).option("NumberOfPasswordPrompts=1").run(command);
    ssh.expect("Password", PATIENCE);
    ssh.send_line(password(user));
    ssh
}

/// What hosts told the registrar of single people, as it keeps it, once that holds.
pub fn told(site: &Site, holds: impl Fn(&Value) -> bool) -> Value {
    let script = "import sqlite3, sys\n\
                  for (document,) in sqlite3.connect(sys.argv[1], timeout=20).execute('SELECT document FROM told'):\n\
                  \x20   print(document)";
    let db = site.gateway.state_dir().join("registrar.db");
    let began = Instant::now();
    loop {
        let python = Program::new("python3").args(["-c", script, &db.to_string_lossy()]);
        let said = python.finish(PATIENCE).expect_success();
        let told: Option<Value> = serde_json::from_str(said.out.trim()).ok();
        if let Some(told) = told.filter(&holds) {
            return told;
        }
        assert!(began.elapsed() < MINUTE, "it was not told: {}", said.out);
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn refused(mut terminal: Terminal) -> String {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
    terminal.transcript().to_owned()
}

/// The last record of a kind; of a login in both phases the first.
fn last(site: &Site, kind: &str) -> Value {
    let records = site.agent.records();
    let last = |record: &&Value| record["kind"] == kind && record["cause"] != "approved_in_auth_phase";
    let last = records.iter().rev().find(last);
    last.expect("a record of that kind").clone()
}

fn mission_row_18_a_bypass_lets_a_user_in_by_the_first_factor_alone_for_its_application_and_time() {
    let mut site = Site::open();
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    // No device at all: the phone is lost.
    let said = refused(ssh(&sshd, "alice", "true"));
    assert!(said.contains("No device is registered"), "{said}");
    let granted = assentctl([
        "user", "bypass", "alice", "--app", "ssh", "--for", "1m", "--reason", REASON,
    ]);
    granted.expect_success();
    let record = last(&site, "exception");
    assert_eq!(
        (&record["exception"], &record["verdict"], &record["reason"]),
        (&"bypass".into(), &"granted".into(), &REASON.into())
    );
    let at_the_registrar = told(&site, |told| told["some"][0]["kind"] == "bypass");
    assert_eq!(
        (
            &at_the_registrar["some"][0]["user"],
            &at_the_registrar["some"][0]["reason"]
        ),
        (&"alice".into(), &REASON.into())
    );
    site.agent.kill();
    site.agent.resume();
    site.agent.wait_until_connected();
    let mut alice = ssh(&sshd, "alice", "echo alice is in");
    alice.expect("alice is in", PATIENCE);
    alice.wait_for_success();
    let decision = last(&site, "login");
    assert_eq!(
        (&decision["verdict"], &decision["cause"]),
        (&"approved".into(), &"factor_bypassed".into())
    );
    let detail = decision["detail"].as_str().expect("a detail");
    assert!(detail.contains(REASON) && detail.contains("by root"), "{detail}");
    assert_eq!(count(&decision, "effect", "push"), 0);
    let line = site.syslog.wait_for_text("cause=factor_bypassed", PATIENCE);
    assert!(line.starts_with("<84>"), "R72: a warning: {line}");
    // The first factor is asked for as ever.
    let mut wrong = sshd.client("alice").option("NumberOfPasswordPrompts=1").run("true");
    wrong.expect("Password", PATIENCE);
    wrong.send_line("not her password");
    refused(wrong);
    assert_eq!(last(&site, "login")["cause"], "wrong_password");
    // And nothing else is passed by it.
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    assert!(refused(Sudo::by("alice").run(["true"])).contains("No device is registered"));
    let doctor = assentctl(["doctor"]).out;
    assert!(doctor.contains("one user has a bypass"), "{doctor}");
    let listed = assentctl(["user", "exceptions"]).out;
    assert!(
        listed.contains("bypass alice: ssh, until ") && listed.contains(REASON),
        "{listed}"
    );
    let since = Instant::now();
    while assentctl(["user", "exceptions"]).out.contains("alice") {
        assert!(since.elapsed() < Duration::from_secs(70), "it ends by itself");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(refused(ssh(&sshd, "alice", "true")).contains("No device is registered"));
    assentctl(["audit", "verify"]).expect_success();
}

fn mission_row_18_a_bypass_for_sudo_asks_for_the_password_and_ends_with_a_word() {
    let site = Site::open();
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    assentctl([
        "user", "bypass", "alice", "--app", "sudo", "--for", "8h", "--reason", REASON,
    ])
    .expect_success();
    let mut sudo = Sudo::by("alice").run(["echo", "root says hello"]);
    sudo.expect("Password", PATIENCE);
    sudo.send_line(password("alice"));
    sudo.expect(
        "Second factor waived for 480 more min by root: lost her phone, called back",
        PATIENCE,
    );
    sudo.expect("root says hello", PATIENCE);
    sudo.wait_for_success();
    let mut sudo = Sudo::by("alice").run(["true"]);
    sudo.expect("Password", PATIENCE);
    sudo.send_line("wrong");
    assert!(!refused(sudo).contains("waived"));
    assert_eq!(last(&site, "login")["cause"], "wrong_password");
    assentctl(["user", "unbypass", "alice"]).expect_success();
    assert_eq!(last(&site, "exception")["verdict"], "ended");
    assert!(refused(Sudo::by("alice").run(["true"])).contains("No device is registered"));
    let nothing = assentctl(["user", "unbypass", "alice"]);
    assert!(
        !nothing.status.success() && nothing.err.contains("no bypass"),
        "{nothing:?}"
    );
}

fn mission_row_18_a_block_holds_for_a_user_of_ldap_until_it_is_lifted() {
    let site = Site::open();
    let mut phone = site.enrol("alice").listen();
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    // A login that waits for its approval is over, too.
    let waiting = ssh(&sshd, "alice", "true");
    phone.expect("[a]pprove", PATIENCE);
    assentctl(["user", "block", "alice", "--reason", "contract ended"]).expect_success();
    phone.send_line("a");
    refused(waiting);
    assert_eq!(last(&site, "login")["cause"], "blocked_by_administrator");
    refused(ssh(&sshd, "alice", "true"));
    let decision = last(&site, "login");
    assert_eq!(decision["cause"], "blocked_by_administrator");
    assert_eq!(decision["detail"], "contract ended");
    assert_eq!(count(&decision, "effect", "push"), 0);
    // A bypass does not open a block.
    assentctl([
        "user", "bypass", "alice", "--app", "ssh", "--for", "1h", "--reason", REASON,
    ])
    .expect_success();
    refused(ssh(&sshd, "alice", "true"));
    assert_eq!(last(&site, "login")["cause"], "blocked_by_administrator");
    assentctl(["user", "unbypass", "alice"]).expect_success();
    assentctl(["user", "unblock", "alice"]).expect_success();
    let mut alice = ssh(&sshd, "alice", "echo alice is in");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    alice.expect("alice is in", PATIENCE);
    alice.wait_for_success();
}

fn mission_row_18_what_cannot_be_granted_is_refused_and_nothing_changes() {
    let site = Site::open();
    for (arguments, why) in [
        (["alice", "ssh", "59s", REASON], "1 minute to 24 hours"),
        (["alice", "ssh", "25h", REASON], "1 minute to 24 hours"),
        (["alice", "no-such", "1h", REASON], "there is no application"),
        (["alice", "ssh", "1h", " "], "a reason is needed"),
        (["alice", "ssh", "1h", "a\nlogin=x verdict=approved"], "cannot be shown"),
        (["nobody-here", "ssh", "1h", REASON], "no authentication profile knows"),
        (["realm#", "ssh", "1h", REASON], "realm#id"),
    ] {
        let [user, app, time, reason] = arguments;
        let done = assentctl(["user", "bypass", user, "--app", app, "--for", time, "--reason", reason]);
        assert!(
            !done.status.success() && done.err.contains(why),
            "{arguments:?}: {done:?}"
        );
    }
    assert_eq!(
        assentctl(["user", "exceptions", "--json"]).out.trim(),
        r#"{"exceptions":[],"freezes":[],"local_users":[]}"#
    );
    assert!(site.agent.records().iter().all(|record| record["kind"] != "exception"));
}
