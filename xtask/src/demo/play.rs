//! The demo without a person: enrolment, logins approved and denied, sudo, scp, and what happens when the agent is
//! gone; each step checked and timed.

#![allow(
    clippy::expect_used,
    reason = "a step that does not hold ends in a panic, which is counted"
)]

use assent_tests::product::{self, Authenticator, PATIENCE, Site};
use assent_tests::sshd::{Key, Sshd};
use assent_tests::sudoers::{self, Sudo};
use assent_tests::terminal::{Terminal, fits};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

/// What stands at the beginning of the demo.
struct Stage {
    site: Site,
    sshd: Sshd,
    keys: Sshd,
    phone: Option<Authenticator>,
}

type Step = (&'static str, fn(&mut Stage));

const STEPS: [Step; 8] = [
    ("alice enrols an authenticator", enrol),
    ("ssh: password, then approved on the device", approved),
    ("ssh: password, then denied on the device", denied),
    (
        "ssh: a wrong password is refused, and no request is sent",
        wrong_password,
    ),
    ("ssh: bob is in no policy and refused", no_policy),
    ("sudo: approved, with its command line on the device", sudo),
    ("scp: public key, then a tap in the account phase", scp),
    ("ssh: with the agent stopped the login is refused", agent_stopped),
];

/// Plays every step. How many failed.
pub fn all() -> usize {
    let began = Instant::now();
    let mut stage = match catch_unwind(set) {
        Ok(stage) => stage,
        Err(_) => {
            println!("the demo could not be set up\n0 passed, {} failed", STEPS.len());
            return STEPS.len();
        }
    };
    println!("  {:7.0} ms  directory, gateway, agent and sshd are up", ms(began));
    let mut failed = 0;
    for (name, step) in STEPS {
        let began = Instant::now();
        let held = catch_unwind(AssertUnwindSafe(|| step(&mut stage))).is_ok();
        failed += usize::from(!held);
        println!("  {:7.0} ms  {} {name}", ms(began), if held { "ok  " } else { "FAIL" });
    }
    println!("{} passed, {failed} failed", STEPS.len() - failed);
    failed
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

fn set() -> Stage {
    let site = Site::open();
    let sshd = Sshd::builder().stack(&product::stack("sshd-assent-password")).start();
    let keys = Sshd::builder()
        .service("sshd-key")
        .stack(&product::stack("sshd-key"))
        .methods("publickey")
        .start();
    sudoers::allow("alice");
    sudoers::stack(&product::stack("sudo"));
    Stage {
        site,
        sshd,
        keys,
        phone: None,
    }
}

impl Stage {
    fn phone(&self) -> Terminal {
        self.phone.as_ref().expect("alice has enrolled").listen()
    }

    fn password(&self, user: &str, password: &str, command: &str) -> Terminal {
        let mut ssh = self.sshd.client(user).option("NumberOfPasswordPrompts=1").run(command);
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password);
        ssh
    }
}

fn enrol(stage: &mut Stage) {
    stage.phone = Some(stage.site.enrol("alice"));
}

fn approved(stage: &mut Stage) {
    let mut phone = stage.phone();
    let mut ssh = stage.password("alice", product::password("alice"), "echo the shell of $(id -un)");
    let shown = phone.expect(fits(r"(?s)sshd.*alice.*127\.0\.0\.1.*\[a\]pprove"), PATIENCE);
    assert!(
        shown.contains(assent_tests::namespace::HOST_NAME),
        "the device names the host:\n{shown}"
    );
    phone.send_line("a");
    ssh.expect("the shell of alice", PATIENCE);
    ssh.wait_for_success();
}

fn denied(stage: &mut Stage) {
    let mut phone = stage.phone();
    let mut ssh = stage.password("alice", product::password("alice"), "echo never");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    ssh.expect("Denied on the phone", PATIENCE);
    assert!(!ssh.transcript().contains("never"));
}

fn wrong_password(stage: &mut Stage) {
    let before = stage.site.agent.audit().len();
    let _ssh = stage.password("alice", "wrong", "echo never");
    let decision = stage.site.agent.decision(before);
    assert_eq!(decision["cause"], "wrong_password");
    assert!(
        !decision["trace"].to_string().contains("\"push\""),
        "no request was made"
    );
}

fn no_policy(stage: &mut Stage) {
    let before = stage.site.agent.audit().len();
    let _ssh = stage.password("bob", product::password("bob"), "echo never");
    assert_eq!(stage.site.agent.decision(before)["cause"], "no_policy_admits");
}

fn sudo(stage: &mut Stage) {
    let mut phone = stage.phone();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/printf", "by root: %s\\n", "two words"]);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("two words"), "the device shows the arguments:\n{shown}");
    phone.send_line("a");
    sudo.expect("by root: two words", PATIENCE);
    sudo.wait_for_success();
}

fn scp(stage: &mut Stage) {
    let mut phone = stage.phone();
    let key = Key::authorised_for("alice");
    let file = Path::new("/tmp/report.txt");
    std::fs::write(file, "quarterly").expect("a file to copy");
    let mut scp = stage
        .keys
        .client("alice")
        .with_key(&key)
        .option("BatchMode=yes")
        .copy(file, "/home/alice/report.txt");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    scp.wait_for_success();
    assert_eq!(
        std::fs::read_to_string("/home/alice/report.txt").expect("the copy"),
        "quarterly"
    );
}

fn agent_stopped(stage: &mut Stage) {
    stage.site.agent.stop();
    let mut ssh = stage
        .sshd
        .client("alice")
        .option("NumberOfPasswordPrompts=1")
        .run("echo never");
    let status = ssh.wait(PATIENCE);
    assert!(
        !status.success() && !ssh.transcript().contains("never"),
        "{}",
        ssh.transcript()
    );
    stage.site.agent.resume();
}
