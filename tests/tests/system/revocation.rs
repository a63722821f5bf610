//! What is revoked stays revoked, and "not me" is heard everywhere: two hosts, lists that are rolled back, torn, withheld.

use assent_tests::product::{AGENT_USER, Authenticator, PATIENCE, Site, assentctl, program, stack};
use assent_tests::program::Program;
use assent_tests::service::Service;
use assent_tests::sockets::Sockets;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;
use assent_tests::{SOON, patience, scenarios, scratch};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    r10_r92_not_me_freezes_the_user_on_every_host_and_alarms_until_it_is_lifted,
    r24_a_registrar_that_went_back_is_refused_until_an_admin_jumps_ahead,
    r24_a_torn_or_changed_list_is_put_aside_and_a_new_one_is_fetched,
    r24_an_admin_revokes_by_a_file_without_any_gateway,
];

/// The list as the agent keeps it.
pub const LIST: &str = "/var/lib/assent/revocations.json";

fn sudo_site(change: impl FnOnce(String) -> String) -> Site {
    let site = Site::open_with(change);
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    site
}

/// Another host on this machine: its own keys, its own agent.
struct SecondHost {
    _sockets: Sockets,
    agent: Service,
}

const SECOND_SOCKET: &str = "/run/second/agent.sock";
const SECOND_AUDIT: &str = "/var/lib/assent2/audit.jsonl";

impl SecondHost {
    fn join(site: &Site) -> Self {
        let token = assentctl(["host", "token", "--name", "second"]).expect_success().out;
        let ca = site.gateway.ca_certificate();
        assentctl([
            "host",
            "join",
            site.gateway.url(),
            token.trim(),
            "--name",
            "second",
            "--ca-file",
            &ca.to_string_lossy(),
            "--owner",
            AGENT_USER,
            "--state-dir",
            "/var/lib/assent2",
        ])
        .expect_success();
        let configuration = format!(
            "{}\n[paths]\nstate_dir = \"/var/lib/assent2\"\n[log]\naudit_file = \"{SECOND_AUDIT}\"\n",
            site.configuration()
        );
        scratch::write("/etc/assent/second.toml", &configuration);
        fs::create_dir_all("/run/second").expect("a directory for its sockets");
        let sockets = Sockets::bind_these(&[("agent", SECOND_SOCKET), ("admin", "/run/second/admin.sock")]);
        let second = program("assent-agentd")
            .arg("--config")
            .arg("/etc/assent/second.toml")
            .as_user(AGENT_USER)
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/no-bus");
        let mut agent = sockets.start(&second);
        agent.wait_for_log("connected to the relay", SOON);
        Self {
            _sockets: sockets,
            agent,
        }
    }

    /// From now on, sudo asks this host's agent.
    fn takes_sudo() {
        sudoers::stack(&stack("sudo").replace("libpam_assent.so", &format!("libpam_assent.so socket={SECOND_SOCKET}")));
    }

    fn cause(before: usize) -> Value {
        let found = patience::until(PATIENCE, || lines(SECOND_AUDIT).into_iter().nth(before));
        found.expect("a decision of the second host")["cause"].clone()
    }
}

fn lines(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

pub fn sudo() -> Terminal {
    Sudo::by("alice").run(["/usr/bin/id", "-u"])
}

pub fn answers(phone: &mut Terminal, letter: &str) {
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line(letter);
}

pub fn approved(phone: &mut Terminal) {
    let mut sudo = sudo();
    answers(phone, "a");
    sudo.wait_for_success();
}

/// The cause of a sudo that nobody is asked about.
pub fn denied(site: &Site) -> Value {
    let before = site.agent.audit().len();
    assert!(!sudo().wait(PATIENCE).success());
    site.agent.decision(before)["cause"].clone()
}

pub fn status() -> Value {
    let status = assentctl(["status", "--json"]).expect_success().out;
    let status: Value = serde_json::from_str(&status).expect("JSON");
    status["gateway"]["revocations"].clone()
}

pub fn waits_for(what: &str, holds: impl Fn() -> bool) {
    patience::until(PATIENCE, || holds().then_some(())).unwrap_or_else(|| panic!("{what}; status {}", status()));
}

pub fn list_of(site: &Site) -> u64 {
    let said = assentctl(["registrar", "revocations", "--json"]).expect_success().out;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    said["seq"]
        .as_u64()
        .unwrap_or_else(|| panic!("{said} of {}", site.gateway.url()))
}

pub fn catches_up(site: &Site) {
    let seq = list_of(site);
    waits_for("the agent has the newest list", || {
        status()["seq"].as_u64() >= Some(seq)
    });
}

pub fn device_id(phone: &Authenticator) -> String {
    let listed = phone.devices(["--json"]).expect_success().out;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    listed[0]["device_id"].as_str().expect("an id").to_owned()
}

fn r10_r92_not_me_freezes_the_user_on_every_host_and_alarms_until_it_is_lifted() {
    let hook = "/usr/local/sbin/alert";
    scratch::write(hook, "#!/bin/sh\n/bin/cat > /var/lib/assent/alert.json\n/usr/bin/env\n");
    fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut site = sudo_site(|usual| format!("{usual}\n[alerts]\nhook = \"{hook}\"\n"));
    let mut second = SecondHost::join(&site);
    let authenticator = site.enrol("alice");
    let mut phone = authenticator.listen();
    let before = site.agent.audit().len();
    let mut reported = sudo();
    answers(&mut phone, "n");
    assert!(!reported.wait(PATIENCE).success());
    assert_eq!(site.agent.decision(before)["cause"], "reported_not_me");

    // Alarms within seconds: syslog, the admin's program with nothing in its environment but the shell's own.
    site.syslog.wait_for_text("alert=reported_not_me", SOON);
    waits_for("the hook ran", || Path::new("/var/lib/assent/alert.json").exists());
    waits_for("the hook's output is logged", || {
        site.agent.log().contains("alert says")
    });
    let alert = &lines("/var/lib/assent/alert.json")[0];
    assert_eq!(
        (&alert["event"], &alert["user"], &alert["source"]),
        (&"reported_not_me".into(), &"alice".into(), &"local".into())
    );
    assert!(!site.agent.log().contains("ASSENT_LOG="), "its environment is empty");

    // This host at once; the second one by the list.
    assert_eq!(denied(&site), "frozen");
    second.agent.wait_for_log("2 freezes", SOON);
    SecondHost::takes_sudo();
    let mut elsewhere = sudo();
    elsewhere.expect("Your requests are frozen", PATIENCE);
    assert!(!elsewhere.wait(PATIENCE).success());
    assert_eq!(SecondHost::cause(0), "frozen");

    let listed = assentctl(["freeze", "list"]).expect_success().out;
    assert!(listed.contains("alice"), "{listed}");
    assentctl(["freeze", "lift", "alice"]).expect_success();
    // The first of all had none, either.
    second
        .agent
        .wait_for_log("revocation list 3: 0 certificates, 0 hosts, 0 freezes", SOON);
    approved(&mut phone);
    // The reporting host's own freeze does not outlive the lift.
    catches_up(&site);
    sudoers::stack(&stack("sudo"));
    approved(&mut phone);
    site.agent.stop();
}

/// The gateway's data base as a backup would hold it.
fn backup(site: &mut Site, restore: bool) {
    site.gateway.stop();
    let dir = site.gateway.state_dir();
    for name in ["registrar.db", "registrar.db-wal", "registrar.db-shm"] {
        let (live, kept) = (dir.join(name), Path::new("/root").join(name));
        let (from, to) = if restore { (&kept, &live) } else { (&live, &kept) };
        if restore {
            let _ = fs::remove_file(&live);
        }
        if from.exists() {
            // Kept with its owner: the gateway writes it.
            Program::new("cp")
                .arg("-p")
                .arg(from)
                .arg(to)
                .finish(SOON)
                .expect_success();
        }
    }
    site.gateway.resume();
}

fn r24_a_registrar_that_went_back_is_refused_until_an_admin_jumps_ahead() {
    let mut site = sudo_site(|usual| usual);
    let (kept, lost) = (site.enrol("alice"), site.enrol("carol"));
    let lost = device_id(&lost);
    backup(&mut site, false);
    assentctl(["device", "revoke", &lost]).expect_success();
    catches_up(&site);
    let held = status()["seq"].as_u64().expect("a number");
    backup(&mut site, true);
    site.agent.service().wait_for_log("this host holds", SOON);
    assert_eq!(status()["seq"].as_u64(), Some(held), "it never goes back");
    let said = assentctl(["registrar", "revocations"]).expect_success().out;
    assert!(said.contains("--jump"), "{said}");
    // Over a restart, too.
    site.agent.stop();
    site.agent.resume();
    site.agent.service().wait_for_log("this host holds", SOON);
    assert_eq!(status()["seq"].as_u64(), Some(held));

    assentctl(["device", "revoke", &lost]).expect_success();
    assentctl(["registrar", "revocations", "--jump"]).expect_success();
    waits_for("the agent takes the list after the jump", || {
        status()["seq"].as_u64() > Some(held + 100_000)
    });
    assert_eq!(status()["serials"], 1);
    approved(&mut kept.listen());
}

fn r24_a_torn_or_changed_list_is_put_aside_and_a_new_one_is_fetched() {
    let mut site = sudo_site(|usual| usual);
    let authenticator = site.enrol("alice");
    let mut phone = authenticator.listen();
    catches_up(&site);
    let whole = fs::read_to_string(LIST).expect("the list");
    let torn = whole[..whole.len() / 2].to_owned();
    // One character of the signature.
    let mut changed = whole.clone().into_bytes();
    let at = changed.len() - 12;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("text");
    for bad in [torn, changed, String::new()] {
        site.agent.stop();
        fs::write(LIST, &bad).expect("the list is written");
        site.agent.resume();
        site.agent.service().wait_for_log("is damaged or was changed", SOON);
        site.agent.wait_until_connected();
        catches_up(&site);
        assert_eq!(fs::read_to_string(LIST).expect("a list"), whole);
        approved(&mut phone);
    }
}

fn r24_an_admin_revokes_by_a_file_without_any_gateway() {
    let mut site = sudo_site(|usual| usual);
    let authenticator = site.enrol("alice");
    let mut phone = authenticator.listen();
    approved(&mut phone);
    let id = device_id(&authenticator);
    fs::create_dir_all("/etc/assent/revoked.d").expect("the directory");
    let file = "/etc/assent/revoked.d/lost";
    scratch::write(file, &format!("# a lost phone\n{id}  # alice\n"));
    let mode = |mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("a mode");
    mode(0o644);
    assert_eq!(denied(&site), "no_device");
    // What cannot be read or believed is no leave to go on.
    scratch::write(file, "alice\n");
    assert_eq!(denied(&site), "revocations_too_old");
    scratch::write(file, &format!("{id}\n"));
    mode(0o666);
    assert_eq!(denied(&site), "revocations_too_old");
    fs::remove_file(file).expect("the file");
    // A pipe that nobody writes into: reading it would hold up this login and all others.
    Program::new("mkfifo")
        .arg("-m")
        .arg("644")
        .arg(file)
        .finish(SOON)
        .expect_success();
    assert_eq!(denied(&site), "revocations_too_old");
    site.agent.service().wait_for_log("lost is no regular file", SOON);
    fs::remove_file(file).expect("the pipe");
    approved(&mut phone);
    site.agent.stop();
}
