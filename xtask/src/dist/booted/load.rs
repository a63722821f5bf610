//! An upgrade while people log in: what every login came to, and what must not have changed.

use super::site::Site;
use assent_tests::product::PATIENCE;
use assent_tests::program::Program;
use assent_tests::terminal::Terminal;
use assent_tests::{patience, scratch};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// People who log in again and again.
const PEOPLE: usize = 3;
/// Logins that must have been approved before the upgrade begins, and after it.
const ENOUGH: usize = 6;

/// A request lives for a minute; a login whose request was lost, or that nobody refused, lasts that long.
const HANGS: Duration = Duration::from_secs(30);

/// How long one look at the authenticator takes at most.
const MOMENT: Duration = Duration::from_millis(250);

/// What a login came to.
struct Login {
    status: ExitStatus,
    shown: String,
    took: Duration,
}

pub fn upgraded(site: &mut Site) {
    let key = key_of_alice(site);
    let before = (site.sockets(), agent(site), module(site), agent_configuration(site));
    let approved_before = approvals(site);
    let (stop, all_home, let_in) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let site = &*site;
    let logins: Vec<Login> = std::thread::scope(|threads| {
        let people: Vec<_> = (0..PEOPLE)
            .map(|_| threads.spawn(|| log_in_until(site, &key, &stop, &let_in)))
            .collect();
        let phone = threads.spawn(|| approve_until(site, &all_home));
        let wait = |count| patience::until(PATIENCE * 2, || (let_in.load(Ordering::Relaxed) >= count).then_some(()));
        let first = wait(ENOUGH);
        let upgrade = site.install(true);
        let second = wait(let_in.load(Ordering::Relaxed) + ENOUGH);
        stop.store(true, Ordering::Relaxed);
        let logins = people
            .into_iter()
            .flat_map(|person| person.join().expect("a person's thread"))
            .collect();
        all_home.store(true, Ordering::Relaxed);
        phone.join().expect("the phone's thread");
        upgrade.expect_success();
        assert!(first.is_some(), "logins are approved before the upgrade");
        assert!(second.is_some(), "logins are approved after the upgrade");
        logins
    });

    assert_eq!(site.sockets(), before.0, "R50: the sockets are the same, to the inode");
    assert_ne!(agent(site), before.1, "the new agent runs");
    assert_ne!(
        module(site),
        before.2,
        "the new module is another file: it came by rename (R47)"
    );
    assert_eq!(agent_configuration(site), before.3, "the admin's configuration stays");
    let (inside, refused): (Vec<&Login>, Vec<&Login>) = logins.iter().partition(|login| login.status.success());
    for login in &logins {
        assert_eq!(
            login.status.success(),
            login.shown.contains("inside"),
            "{}",
            login.shown
        );
        assert!(
            login.took < HANGS,
            "a login hung for {:?}:\n{}",
            login.took,
            login.shown
        );
    }
    let approved = approvals(site) - approved_before;
    assert!(
        approved >= inside.len(),
        "{} got in, {approved} were approved",
        inside.len()
    );
    let journal = site.machine.journal();
    for word in ["unable to dlopen", "adding faulty module", "Module is unknown"] {
        assert!(!journal.contains(word), "PAM found no module for a moment:\n{journal}");
    }
    let slowest = logins.iter().map(|login| login.took).max().unwrap_or_default();
    println!(
        "             {} logins approved, {} refused by the restart, slowest {slowest:.1?}",
        inside.len(),
        refused.len()
    );
}

fn key_of_alice(site: &Site) -> String {
    let file = scratch::unused("alice_key").to_string_lossy().into_owned();
    let make = Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", &file]);
    make.finish(PATIENCE).expect_success();
    let public = std::fs::read_to_string(format!("{file}.pub")).expect("the public key");
    let line = "install -d -m 0700 -o alice -g alice ~alice/.ssh; \
        install -m 0600 -o alice -g alice /root/alice.pub ~alice/.ssh/authorized_keys";
    site.machine.write("/root/alice.pub", &public);
    site.machine.shell(line);
    file
}

/// A public key, then a tap in the account phase: as scripts log in.
fn log_in_until(site: &Site, key: &str, stop: &AtomicBool, let_in: &AtomicUsize) -> Vec<Login> {
    let options = ["-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"];
    let mut logins = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut ssh = Terminal::open(&site.ssh(&options, "alice", "echo inside"));
        let status = ssh.wait(Duration::from_secs(90));
        let_in.fetch_add(usize::from(status.success()), Ordering::Relaxed);
        logins.push(Login {
            status,
            shown: ssh.transcript().to_owned(),
            took: began.elapsed(),
        });
    }
    logins
}

/// Approves whatever comes, as quickly as the authenticator lets a person.
fn approve_until(site: &Site, all_home: &AtomicBool) {
    let mut phone = site.phone();
    let mut answered = 0;
    while !all_home.load(Ordering::Relaxed) {
        let asked = patience::until(MOMENT, || (shown(&mut phone, "[a]pprove") > answered).then_some(()));
        if asked.is_none() {
            continue;
        }
        answered = shown(&mut phone, "[a]pprove");
        let sent = shown(&mut phone, "Sent: approved");
        phone.send_line("a");
        // An answer that comes before the request could be read does not count, and it asks again.
        patience::until(MOMENT, || (shown(&mut phone, "Sent: approved") > sent).then_some(()));
    }
}

fn shown(phone: &mut Terminal, what: &str) -> usize {
    phone.transcript().matches(what).count()
}

fn agent(site: &Site) -> String {
    site.machine.shell("systemctl show --property=MainPID assent-agentd")
}

fn module(site: &Site) -> String {
    site.machine.shell("stat -c %i /usr/lib/*/security/pam_assent.so")
}

fn agent_configuration(site: &Site) -> String {
    site.machine
        .shell("cat /etc/assent/agentd.toml /etc/assent/gateway.toml")
}

fn approvals(site: &Site) -> usize {
    let count = site
        .machine
        .shell("grep -c '\"verdict\":\"approved\"' /var/lib/assent/audit.jsonl || true");
    count.trim().parse().expect("a number")
}
