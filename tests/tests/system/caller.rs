//! `subject = "caller"`: where PAM names the account that is wanted, the person who asks is the one who approves.

use assent_tests::product::{PATIENCE, Site, stack};
use assent_tests::program::Program;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;
use assent_tests::{pam, scenarios};

pub const SCENARIOS: &[Scenario] = scenarios![
    whoever_calls_su_approves_and_the_phone_shows_whom_they_want_to_be,
    the_device_of_the_wanted_account_is_not_asked,
    root_becomes_anybody_without_a_question,
    with_targetpw_the_caller_of_sudo_approves,
    whoever_is_not_who_logged_in_is_refused_without_a_push,
];

fn site() -> Site {
    let site = Site::open();
    pam::stack("su", &stack("su"));
    site
}

fn su(by: &str, to: &str) -> Program {
    let su = Program::new("/usr/bin/su").as_user(by);
    su.args([to, "-s", "/bin/sh", "-c", "echo I am $(id -un)."])
}

fn whoever_calls_su_approves_and_the_phone_shows_whom_they_want_to_be() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut su = Terminal::open(&su("alice", "bob"));
    let shown = phone.expect("[a]pprove", PATIENCE);
    for part in ["su", "alice", "bob"] {
        assert!(shown.contains(part), "{part} on the device:\n{shown}");
    }
    phone.send_line("a");
    su.expect("I am bob.", PATIENCE);
    su.wait_for_success();
    let decision = site.agent.decision(0);
    assert_eq!(decision["user"], "alice", "{decision}");
}

fn the_device_of_the_wanted_account_is_not_asked() {
    let site = site();
    site.enrol("alice");
    // bob is in no policy: were he the subject, alice's would not admit.
    let mut refused = Terminal::open(&su("bob", "alice"));
    assert!(!refused.wait(PATIENCE).success(), "{}", refused.transcript());
    assert_eq!(site.agent.decision(0)["cause"], "no_policy_admits");
}

fn root_becomes_anybody_without_a_question() {
    let site = site();
    let mut su = Terminal::open(&su("root", "bob"));
    su.expect("I am bob.", PATIENCE);
    su.wait_for_success();
    assert!(site.agent.audit().is_empty());
}

fn with_targetpw_the_caller_of_sudo_approves() {
    let site = Site::open_with(|usual| usual.replace("name = \"sudo\"", "name = \"sudo\"\nsubject = \"caller\""));
    sudoers::rules("alice", "Defaults targetpw\nalice ALL=(ALL:ALL) ALL\n");
    sudoers::stack(&stack("sudo"));
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice").option("-u").option("bob").run(["/usr/bin/id", "-un"]);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("alice") && shown.contains("bob"), "{shown}");
    phone.send_line("a");
    sudo.expect("bob", PATIENCE);
    sudo.wait_for_success();
    assert_eq!(site.agent.decision(0)["user"], "alice");
}

fn whoever_is_not_who_logged_in_is_refused_without_a_push() {
    let site = site();
    site.enrol("alice");
    // The kernel keeps who logged in: root's shell, started by whoever has uid 4242, becomes alice, and alice calls su.
    let as_alice = "exec setpriv --reuid alice --regid alice --init-groups su bob -s /bin/sh -c id";
    let logged_in = format!("echo 4242 > /proc/self/loginuid && {as_alice}");
    let mut refused = Terminal::open(&Program::new("/bin/sh").args(["-c", &logged_in]));
    assert!(!refused.wait(PATIENCE).success(), "{}", refused.transcript());
    assert_eq!(
        site.agent.decision(0)["cause"],
        "caller_is_not_who_logged_in",
        "{}",
        refused.transcript()
    );
    assert!(
        refused.transcript().contains("You are not who logged in here."),
        "{}",
        refused.transcript()
    );
}
