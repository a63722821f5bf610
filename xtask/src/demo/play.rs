//! The demo without a person: a browser plays her. She registers her phone at the Register Panel, approves and denies
//! logins on it, is frozen and thawed; then a second device in a terminal, scp, and what happens when the agent is
//! gone. Each step is checked and timed; pictures of what she sees are kept.

#![allow(
    clippy::expect_used,
    reason = "a step that does not hold ends in a panic, which is counted"
)]

use assent_tests::patience;
use assent_tests::person::Person;
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
    alice: Person,
    terminal: Option<Authenticator>,
}

type Step = (&'static str, fn(&mut Stage));

const STEPS: [Step; 12] = [
    (
        "alice signs in at the panel; her phone scans the code and is registered",
        register,
    ),
    ("ssh: password, then approved on the phone", approved),
    ("ssh: password, then denied on the phone", denied),
    (
        "ssh: at level passkey, approved by the passkey on the phone alone, to the shell's prompt",
        passkey,
    ),
    ("sudo: approved, with its command line on the phone", sudo),
    ("ssh: \"this was not me\" ends it", not_me),
    (
        "sudo: frozen since then, until an administrator lifts it",
        frozen_until_lifted,
    ),
    (
        "ssh: a wrong password is refused, and no request is sent",
        wrong_password,
    ),
    ("ssh: bob is in no policy and refused", no_policy),
    (
        "a second device, in a terminal, is approved on the phone",
        second_device,
    ),
    ("scp: public key, then a tap in the account phase", scp),
    ("ssh: with the agent stopped the login is refused", agent_stopped),
];

/// Plays every step. How many failed.
pub fn all(pictures: &Path) -> usize {
    let began = Instant::now();
    let mut stage = match catch_unwind(|| set(pictures)) {
        Ok(stage) => stage,
        Err(_) => {
            println!("the demo could not be set up\n0 passed, {} failed", STEPS.len());
            return STEPS.len();
        }
    };
    println!(
        "  {:7.0} ms  directory, gateway, agent, sshd and browsers are up",
        ms(began)
    );
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

fn set(pictures: &Path) -> Stage {
    let site = Site::open_for_passkeys(|usual| usual);
    let sshd = Sshd::builder().stack(&product::stack("sshd-assent-password")).start();
    let keys = Sshd::builder()
        .service("sshd-key")
        .stack(&product::stack("sshd-key"))
        .methods("publickey")
        .start();
    sudoers::allow("alice");
    sudoers::stack(&product::stack("sudo"));
    let alice = Person::at(site.gateway.url(), pictures, &site.gateway.ca_certificate());
    Stage {
        site,
        sshd,
        keys,
        alice,
        terminal: None,
    }
}

impl Stage {
    fn terminal(&self) -> Terminal {
        self.terminal.as_ref().expect("alice has a second device").listen()
    }

    fn password(&self, user: &str, password: &str, command: &str) -> Terminal {
        let mut ssh = self.sshd.client(user).option("NumberOfPasswordPrompts=1").run(command);
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password);
        ssh
    }
}

fn register(stage: &mut Stage) {
    stage
        .alice
        .sign_in("alice", product::password("alice"), "panel-no-device");
    stage.alice.register("Alice's phone", "panel-code", "phone-digits");
    let list = stage.alice.show("/panel/", "Your devices", "panel-devices");
    assert!(list.contains("Alice's phone"), "{list}");
}

fn approved(stage: &mut Stage) {
    let mut ssh = stage.password(
        "alice",
        product::password("alice"),
        "echo the shell of $(id -un) began at $(date +%s%3N)",
    );
    let shown = stage.alice.asked("phone-ssh");
    for detail in [
        "sshd",
        "alice",
        assent_tests::namespace::HOST_NAME,
        "127.0.0.1",
        "password (corp)",
    ] {
        assert!(shown.contains(detail), "the phone shows {detail}:\n{shown}");
    }
    let pressed = stage.alice.press("approve", "Approved");
    let said = ssh.expect(fits(r"the shell of alice began at \d+"), PATIENCE);
    ssh.wait_for_success();
    let began = said.rsplit_once(' ').and_then(|(_, at)| at.parse::<u64>().ok());
    let took = began.expect("the shell's own clock").saturating_sub(pressed);
    println!("  {took:7} ms  from the tap to the shell");
}

fn denied(stage: &mut Stage) {
    let mut ssh = stage.password("alice", product::password("alice"), "echo never");
    stage.alice.asked("phone-ssh-again");
    stage.alice.press("deny", "Denied");
    ssh.expect("Denied on the phone", PATIENCE);
    assert!(!ssh.transcript().contains("never"));
}

fn passkey(stage: &mut Stage) {
    let usual = stage.site.configuration();
    let strict = usual.replace("assurance = \"tap\"", "assurance = \"passkey\"");
    stage.site.agent.reload_with(&strict).expect_success();
    let before = stage.site.agent.audit().len();
    let ssh = stage.sshd.client("alice").option("NumberOfPasswordPrompts=1");
    let mut ssh = ssh.shell();
    ssh.expect("Password", PATIENCE);
    ssh.send_line(product::password("alice"));
    stage.alice.asked("phone-passkey");
    stage.alice.tries_with_a_wrong_finger();
    stage.alice.press("approve", "Approved");
    ssh.expect("$ ", PATIENCE);
    ssh.send_line("echo the shell of $(id -un)");
    ssh.expect("the shell of alice", PATIENCE);
    ssh.send_line("exit");
    ssh.wait_for_success();
    let decision = stage.site.agent.decision(before);
    assert_eq!(decision["verdict"], "approved");
    let trace = decision["trace"].as_array().expect("a trace");
    let approved = trace.iter().find(|step| step["event"] == "push_approved");
    assert_eq!(
        approved.expect("by the phone")["detail"]["level"],
        "passkey",
        "{decision}"
    );
    stage.site.agent.reload_with(&usual).expect_success();
}

fn sudo(stage: &mut Stage) {
    let mut sudo = Sudo::by("alice").run(["/usr/bin/printf", "by root: %s\\n", "two words"]);
    let shown = stage.alice.asked("phone-sudo");
    assert!(shown.contains("two words"), "the phone shows the arguments:\n{shown}");
    stage.alice.press("approve", "Approved");
    sudo.expect("by root: two words", PATIENCE);
    sudo.wait_for_success();
}

fn not_me(stage: &mut Stage) {
    let before = stage.site.agent.audit().len();
    let mut ssh = stage.password("alice", product::password("alice"), "echo never");
    stage.alice.asked("phone-not-me");
    stage.alice.press("report", "Denied and reported");
    ssh.expect("Permission denied", PATIENCE);
    assert!(!ssh.transcript().contains("never"));
    assert_eq!(stage.site.agent.decision(before)["cause"], "reported_not_me");
}

fn frozen_until_lifted(stage: &mut Stage) {
    let before = stage.site.agent.audit().len();
    let mut sudo = Sudo::by("alice").run(["/bin/true"]);
    sudo.expect("Your requests are frozen", PATIENCE);
    assert!(!sudo.wait(PATIENCE).success());
    assert_eq!(stage.site.agent.decision(before)["cause"], "frozen");
    let says = |what: &str, holds: &dyn Fn() -> bool| {
        assert!(patience::until(PATIENCE, || holds().then_some(())).is_some(), "{what}");
    };
    says("the gateway lists her", &|| {
        product::assentctl(["freeze", "list"])
            .expect_success()
            .out
            .contains("alice")
    });
    product::assentctl(["freeze", "lift", "alice"]).expect_success();
    says("this host hears of it", &|| {
        let own = product::assentctl(["freeze", "list", "--agent", "/run/assent/admin.sock"]);
        let status = product::assentctl(["status", "--json"]).expect_success().out;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        own.expect_success().out.contains("nobody is frozen") && status["gateway"]["revocations"]["freezes"] == 0
    });
}

fn second_device(stage: &mut Stage) {
    let mut enrolling = stage.site.begin_enrolment("alice");
    let shown = stage.alice.asked("phone-add-device");
    let digits = format!("{} {}", &enrolling.digits[..3], &enrolling.digits[3..]);
    assert!(
        shown.contains(&digits) && shown.contains("test phone"),
        "the phone shows the new device:\n{shown}"
    );
    stage.alice.press("approve", "Approved");
    enrolling.admin.wait_for_success();
    enrolling.device.wait_for_success();
    stage.terminal = Some(enrolling.authenticator);
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

fn scp(stage: &mut Stage) {
    let mut phone = stage.terminal();
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
