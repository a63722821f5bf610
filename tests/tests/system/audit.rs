//! R73: a decision counts when the audit file or syslog has taken it. Disks that are full, files that cannot be opened,
//! a syslog that is gone or stuck.

use crate::evil::phone::Phone;
use crate::login::{Login, begin};
use assent_proto::answer::Decision;
use assent_tests::product::{PATIENCE, Site, assentctl, program, stack};
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::fits;
use assent_tests::{patience, scenarios};
use assent_wire::{Verdict, VerdictCode};
use nix::mount::{MsFlags, mount};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = scenarios![
    r73_on_a_full_disk_logins_go_on_by_syslog_with_an_alarm_and_with_neither_they_are_denied,
    r73_room_for_records_is_taken_before_the_disk_is_full,
    r73_an_audit_file_that_could_not_be_opened_is_tried_again,
    r73_a_syslog_that_is_stuck_holds_up_no_login,
    r73_with_its_whole_state_directory_full_root_gets_in_and_makes_room_and_nothing_is_lost_silently,
    t18_a_deleted_or_changed_record_is_found_and_an_approval_verifies_again,
];

const TINY: &str = "/var/lib/assent-audit";

/// A file system of its own for the audit, of this size.
fn tiny(size: &str) -> PathBuf {
    fs::create_dir_all(TINY).expect("a directory");
    let options = format!("size={size},mode=0777");
    mount(
        Some("tmpfs"),
        TINY,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .expect("a small file system");
    Path::new(TINY).join("audit.jsonl")
}

fn site(audit_file: &Path) -> (Site, Phone) {
    let log = format!("\n[log]\naudit_file = \"{}\"\n", audit_file.display());
    let site = Site::open_with(|usual| usual + &log);
    let authenticator = site.enrol("alice");
    let phone = Phone::of(&site, &authenticator);
    phone.decides(Decision::Approve);
    (site, phone)
}

/// Takes every byte that is left.
fn fill() -> PathBuf {
    fill_at(Path::new(TINY))
}

fn fill_at(directory: &Path) -> PathBuf {
    let path = directory.join("others");
    let mut file = fs::File::create(&path).expect("a file");
    for block in [65_536, 4_096, 1] {
        while file.write_all(&vec![b'x'; block]).is_ok() {}
    }
    path
}

/// Every decision of the file; each line is a record of its own.
fn records(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the audit file");
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the file ends in the middle of a line"
    );
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e} in {line:?}")))
        .filter(|record| record["kind"] == "login")
        .collect()
}

fn approved() -> Verdict {
    let verdict = Login::of("alice").ends();
    assert_eq!(verdict.code, VerdictCode::Approved, "{}", verdict.text);
    verdict
}

fn r73_on_a_full_disk_logins_go_on_by_syslog_with_an_alarm_and_with_neither_they_are_denied() {
    let file = tiny("64k");
    let (mut site, phone) = site(&file);
    let first = approved();
    let others = fill();
    // More than fit into what the file's last block has left.
    let on_full_disk: Vec<Verdict> = (0..8).map(|_| approved()).collect();
    for verdict in &on_full_disk {
        site.syslog
            .wait_for_text(&format!("login={} verdict=approved", verdict.id), PATIENCE);
    }
    let alarm = site.syslog.wait_for_text("audit file", PATIENCE);
    assert!(
        alarm.contains(&file.display().to_string()) && alarm.contains("No space left"),
        "{alarm}"
    );
    site.agent.service().wait_for_log("syslog took it", PATIENCE);
    // What did not fit left nothing behind.
    let before = records(&file);
    assert_eq!(before[0]["login"], first.id);
    assert!(before.len() < 9, "the disk was not full");

    // Without syslog too, nothing is believed that cannot be recorded: the phone approves, and the login is denied.
    let Site { syslog, agent, .. } = &mut site;
    syslog.stop();
    let verdict = Login::of("alice").ends();
    assert_eq!(verdict.code, VerdictCode::Denied);
    assert!(verdict.text.contains("could not be recorded"), "{}", verdict.text);
    assert_eq!(verdict.ticket, None);
    assert_eq!(phone.decided(&verdict.id), Some(Decision::Approve));
    agent
        .service()
        .wait_for_log("neither the audit file nor syslog", PATIENCE);

    // Room again: the next record stands on a line of its own.
    fs::remove_file(others).expect("the others' file");
    let last = approved();
    let after = records(&file);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[before.len()]["login"], last.id);
}

fn r73_room_for_records_is_taken_before_the_disk_is_full() {
    let file = tiny("4m");
    let (site, _phone) = site(&file);
    approved();
    fill();
    for _ in 0..50 {
        approved();
    }
    assert_eq!(records(&file).len(), 51);
    assert!(!site.agent.log().contains("did not take"), "{}", site.agent.log());
}

fn r73_an_audit_file_that_could_not_be_opened_is_tried_again() {
    let directory = Path::new("/var/lib/assent-later");
    let file = directory.join("audit.jsonl");
    let (site, _phone) = site(&file);
    let verdict = approved();
    let line = site.syslog.wait_for_text("audit file", PATIENCE);
    assert!(line.contains("No such file"), "{line}");
    site.syslog
        .wait_for_text(&format!("login={} verdict=approved", verdict.id), PATIENCE);
    fs::create_dir(directory).expect("the directory");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).expect("a mode");
    let verdict = approved();
    assert_eq!(records(&file)[0]["login"], verdict.id);
    assert_eq!(
        fs::metadata(&file).expect("the file").permissions().mode() & 0o777,
        0o600
    );
}

fn r73_a_syslog_that_is_stuck_holds_up_no_login() {
    let (mut site, _phone) = site(Path::new("/var/lib/assent/audit.jsonl"));
    site.syslog.stop();
    // It is there and reads nothing: after ten lines the kernel lets nobody write.
    let stuck = UnixDatagram::bind("/dev/log").expect("the syslog socket");
    fs::set_permissions("/dev/log", fs::Permissions::from_mode(0o666)).expect("a mode");
    assentctl(["reload"]).expect_success();
    // A service that is none of ours is decided without the directory, whose server hangs at the same syslog.
    for _ in 0..30 {
        let mut unlisted = begin("alice");
        unlisted.service = b"unheard-of".to_vec();
        assert_eq!(Login::start(unlisted).ends().code, VerdictCode::Denied);
    }
    assert_eq!(site.agent.audit().len(), 30);
    site.agent.service().wait_for_log("syslog did not take", PATIENCE);
    // It reads again: lines go there again.
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = [0; 8192];
        while let Ok(length) = stuck.recv(&mut line) {
            if sender
                .send(String::from_utf8_lossy(&line[..length]).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    let came = patience::until(PATIENCE, || {
        let verdict = approved();
        let text = format!("login={} verdict=approved", verdict.id);
        patience::until(Duration::from_millis(500), || {
            lines.try_iter().any(|line| line.contains(&text)).then_some(())
        })
    });
    assert!(came.is_some(), "no line goes to syslog any more");
}

/// Agent's keys, memory, lists and audit: nothing of it can grow. Root gets in by sudo and makes room (R73's words), also
/// after the agent was killed meanwhile; then a line says how many records the file did not take.
fn r73_with_its_whole_state_directory_full_root_gets_in_and_makes_room_and_nothing_is_lost_silently() {
    let state = Path::new("/var/lib/assent");
    fs::create_dir_all(state).expect("the state directory");
    mount(
        Some("tmpfs"),
        state,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=192k,mode=0700"),
    )
    .expect("a small one");
    let mut site = Site::open();
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    let authenticator = site.enrol("alice");
    let phone = Phone::of(&site, &authenticator);
    phone.decides(Decision::Approve);
    approved();
    let others = fill_at(state);

    // Until the last block of the file is full, too.
    let missed = |site: &Site| site.agent.log().matches("did not take a record").count();
    let mut passed = 1;
    while missed(&site) < 2 {
        approved();
        passed += 1;
        assert!(passed < 100, "the disk does not get full");
    }
    let lost_before = missed(&site);
    // Killed, and started again while nothing has changed.
    site.agent.kill();
    site.agent.resume();
    site.agent.wait_until_connected();
    let Site { agent, syslog, .. } = &mut site;
    // Real sudo, by a user and by root itself.
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    sudo.expect(fits(r"(?m)^0\s*$"), PATIENCE);
    sudo.wait_for_success();
    let mut sudo = Sudo::by("alice").run(["/bin/rm", &others.to_string_lossy()]);
    sudo.wait_for_success();
    assert!(!others.exists());
    let lost = lost_before + agent.log().matches("did not take a record").count();
    assert!(lost > lost_before, "after the restart the disk was still full");

    // There is room: the record goes on, and says what is missing.
    let last = approved();
    let after = records(&state.join("audit.jsonl"));
    assert_eq!(
        after.last().map(|record| &record["login"]),
        Some(&last.id.clone().into())
    );
    let whole = verified(&[], 0);
    assert_eq!(whole["syslog_alone"], lost, "{whole}");
    assert_eq!(whole["nowhere"], 0, "{whole}");
    // Whatever the file lacks, syslog has; and what syslog has heard with a number stands in the file.
    let decided: Vec<String> = syslog
        .lines()
        .into_iter()
        .filter(|line| line.contains(" verdict="))
        .collect();
    assert_eq!(decided.len(), after.len() + lost, "{decided:#?}");
    fs::write("/var/lib/assent-heard.log", syslog.lines().join("\n")).expect("a log");
    verified(&["--against", "/var/lib/assent-heard.log"], 0);
    // A second start says nothing twice.
    agent.stop();
    agent.resume();
    agent.wait_until_connected();
    approved();
    assert_eq!(verified(&[], 0)["syslog_alone"], lost);
}

fn t18_a_deleted_or_changed_record_is_found_and_an_approval_verifies_again() {
    let file = Path::new("/var/lib/assent/audit.jsonl");
    let (mut site, _phone) = site(file);
    let verdicts: Vec<Verdict> = (0..3).map(|_| approved()).collect();
    // The agent starts again: the chain goes on, and a checkpoint of the host stands in it and in syslog.
    site.agent.stop();
    site.agent.resume();
    site.syslog.wait_for_text("checkpoint=", PATIENCE);
    site.agent.wait_until_connected();
    approved();
    let whole = verified(&[], 0);
    assert_eq!(whole["approvals_by_device"], 4, "{whole}");
    assert_eq!(whole["checkpoints"], 1, "{whole}");

    let text = fs::read_to_string(file).expect("the audit file");
    let lines: Vec<&str> = text.lines().collect();
    let copy = Path::new("/var/lib/assent-copy.jsonl");
    let tampered = |lines: &[&str]| {
        fs::write(copy, lines.join("\n") + "\n").expect("a copy");
        verified(&["/var/lib/assent-copy.jsonl"], 1)["bad"][0].clone()
    };
    let deleted = tampered(&[&lines[..1], &lines[2..]].concat());
    assert_eq!(deleted["line"], 2, "{deleted}");
    let forged = lines[1].replace("\"user\":\"alice\"", "\"user\":\"mallory\"");
    let changed = tampered(&[&lines[..1], &[forged.as_str()], &lines[2..]].concat());
    assert_eq!(changed["line"], 3, "{changed}");
    // One who makes the last line anew finds no device to sign it.
    let last = lines.len() - 1;
    let other = lines[last].replace(records(file)[3]["login"].as_str().expect("an id"), "aaaaaa");
    let unsigned = tampered(&[&lines[..last], &[other.as_str()]].concat());
    assert!(
        unsigned["why"]
            .as_str()
            .is_some_and(|why| why.contains("another login")),
        "{unsigned}"
    );
    // A cut end is whole by itself; a log from elsewhere knows better.
    let heard = site
        .syslog
        .wait_for_text(&format!("login={} verdict=approved", verdicts[2].id), PATIENCE);
    fs::write("/var/lib/assent-heard.log", heard).expect("a log");
    fs::write(copy, lines[..2].join("\n") + "\n").expect("a copy");
    verified(&["/var/lib/assent-copy.jsonl"], 0);
    let cut = verified(
        &["/var/lib/assent-copy.jsonl", "--against", "/var/lib/assent-heard.log"],
        1,
    );
    assert!(
        cut["bad"][0]["why"].as_str().is_some_and(|why| why.contains("missing")),
        "{cut}"
    );

    // Checkpoints of the log are signed, and the files have what they say.
    let log = "/var/lib/assent-heard.log";
    let checkpoint = site.syslog.wait_for_text("checkpoint=", PATIENCE);
    fs::write(log, &checkpoint).expect("a log");
    let held = verified(&["--against", log], 0);
    assert_eq!(held["heard_checkpoints"], 1, "{held}");
    let against = |lines: &[&str], why: &str| {
        fs::write(copy, lines.join("\n") + "\n").expect("a copy");
        let refused = verified(&["/var/lib/assent-copy.jsonl", "--against", log], 1);
        let said = refused["bad"].as_array().expect("a list").iter();
        let mut said = said.filter_map(|bad| bad["why"].as_str());
        assert!(said.any(|said| said.contains(why)), "{why}: {refused}");
    };
    // It stands behind the third record.
    let other = lines[2].replace("\"user\":\"alice\"", "\"user\":\"mallory\"");
    against(
        &[&lines[..2], &[other.as_str()], &lines[3..]].concat(),
        "record 3 is another than the one that the host signed",
    );
    against(
        &[&lines[..2], &lines[3..]].concat(),
        "record 3 is missing, and the host has signed it",
    );
    let (head, signature) = checkpoint.split_once(" seq=").expect("a place");
    let other = if head.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{other} seq={signature}", &head[..head.len() - 1]);
    fs::write(log, forged).expect("a log");
    let refused = verified(&["--against", log], 1);
    assert!(
        refused["bad"][0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("signed by no host")),
        "{refused}"
    );

    let shown = assentctl(["audit", "show", verdicts[0].id.as_str()]);
    assert_eq!(shown.status.code(), Some(0), "{}", shown.err);
    assert!(shown.out.contains("who:         alice"), "{}", shown.out);
    let none = assentctl(["audit", "search", "--user", "nobody"]);
    assert_eq!(none.status.code(), Some(1), "{}", none.err);
}

fn verified(arguments: &[&str], code: i32) -> Value {
    let arguments = ["audit", "verify", "--json"].iter().chain(arguments);
    let finished = program("assentctl").args(arguments).finish(PATIENCE);
    assert_eq!(finished.status.code(), Some(code), "{}{}", finished.out, finished.err);
    serde_json::from_str(finished.out.lines().next().unwrap_or_default()).expect("one line of JSON")
}
