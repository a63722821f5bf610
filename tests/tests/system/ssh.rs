//! Logins by ssh: the main job, and everything that must not pass.

use assent_tests::product::{PATIENCE, Site, assentctl, password, stack};
use assent_tests::sshd::{Key, Sshd};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{namespace, scenarios};
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    m10_a_password_and_a_tap_open_a_shell,
    m13_the_device_shows_who_what_and_where_before_it_asks,
    p17_a_denial_on_the_device_ends_the_login_at_once,
    not_me_ends_the_login_with_a_cause_of_its_own,
    r15_a_wrong_password_sends_no_push,
    r31_an_unknown_user_is_asked_and_answered_like_a_wrong_password,
    m7_a_user_whom_no_policy_matches_is_refused,
    a_user_without_a_device_is_told_so_after_the_password,
    m11_a_key_and_one_tap_in_the_account_phase_serve_scripts,
    a_denial_in_the_account_phase_tells_the_client_why,
    r16_a_push_alone_never_reaches_the_phone_of_a_user_whom_sshd_refuses,
    r86_password_login_with_an_account_line_sends_one_push,
    p7_public_key_and_password_together_send_one_push,
    local_users_log_in_by_the_stack_and_a_tap,
    nobody_answers_and_the_login_ends_by_itself,
];

struct Ssh {
    site: Site,
    sshd: Sshd,
}

impl Ssh {
    fn open() -> Self {
        Self::open_with(|usual| usual)
    }

    fn open_with(change: impl FnOnce(String) -> String) -> Self {
        let site = Site::open_with(change);
        let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
        Self { site, sshd }
    }

    fn types(&self, user: &str, word: &str, command: &str) -> Terminal {
        let mut ssh = self.sshd.client(user).option("NumberOfPasswordPrompts=1").run(command);
        ssh.expect("Password", PATIENCE);
        ssh.send_line(word);
        ssh
    }

    /// The one decision that the next login comes to.
    fn decision_of(&self, login: impl FnOnce() -> Terminal) -> (serde_json::Value, Terminal) {
        let before = self.site.agent.audit().len();
        let terminal = login();
        (self.site.agent.decision(before), terminal)
    }
}

/// How often a word stands in a decision's trace.
pub fn count(decision: &serde_json::Value, kind: &str, name: &str) -> usize {
    let trace = decision["trace"].as_array().expect("a trace");
    trace.iter().filter(|line| line[kind] == name).count()
}

fn refused(mut terminal: Terminal) -> String {
    let status = terminal.wait(PATIENCE);
    assert!(!status.success(), "the login passed:\n{}", terminal.transcript());
    terminal.transcript().to_owned()
}

fn m10_a_password_and_a_tap_open_a_shell() {
    let ssh = Ssh::open();
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.sshd.client("alice").shell();
    let prompt = login.expect(fits(r"Password, then approve on your phone \[\w{6}\]: "), PATIENCE);
    login.send_line(password("alice"));
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.send_line("echo uid $(id -u)");
    login.expect("uid 5001", PATIENCE);
    login.send_line("exit");
    login.wait(PATIENCE);

    // One id on the terminal, the device and in the logs.
    let id = &prompt[prompt.len() - 9..prompt.len() - 3];
    assert!(
        phone.transcript().contains(id),
        "{id} on the device:\n{}",
        phone.transcript()
    );
    let line = ssh
        .site
        .syslog
        .wait_for_text(&format!("login={id} verdict=approved"), PATIENCE);
    assert!(
        line.contains("user=\"alice\"") && line.contains("method=\"staff-push\"") && line.contains("source=127.0.0.1"),
        "{line}"
    );
    let decision = ssh.site.agent.decision(0);
    assert_eq!(decision["login"], id);
    assert_eq!(count(&decision, "effect", "push"), 1);
}

fn m13_the_device_shows_who_what_and_where_before_it_asks() {
    let ssh = Ssh::open();
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("alice", password("alice"), "true");
    let shown = phone.expect("[a]pprove", PATIENCE);
    for detail in ["sshd", "alice", namespace::HOST_NAME, "127.0.0.1", "password (corp)"] {
        assert!(shown.contains(detail), "{detail} stands before the question:\n{shown}");
    }
    // Nothing is chosen by default: an empty line asks again.
    phone.send_line("");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn p17_a_denial_on_the_device_ends_the_login_at_once() {
    let ssh = Ssh::open();
    let mut phone = ssh.site.enrol("alice").listen();
    let (decision, login) = ssh.decision_of(|| {
        let login = ssh.types("alice", password("alice"), "echo never");
        phone.expect("[a]pprove", PATIENCE);
        phone.send_line("d");
        login
    });
    let shown = refused(login);
    assert!(
        shown.contains("Denied on the phone.") && !shown.contains("never"),
        "{shown}"
    );
    assert_eq!(decision["cause"], "denied_on_device");
}

fn not_me_ends_the_login_with_a_cause_of_its_own() {
    let ssh = Ssh::open();
    let mut phone = ssh.site.enrol("alice").listen();
    let (decision, login) = ssh.decision_of(|| {
        let login = ssh.types("alice", password("alice"), "echo never");
        phone.expect("[n]ot me", PATIENCE);
        phone.send_line("n");
        login
    });
    refused(login);
    assert_eq!(decision["cause"], "reported_not_me");
}

fn r15_a_wrong_password_sends_no_push() {
    let ssh = Ssh::open();
    let mut phone = ssh.site.enrol("alice").listen();
    let (decision, login) = ssh.decision_of(|| ssh.types("alice", "not hers", "echo never"));
    let shown = refused(login);
    assert!(shown.contains("Access denied."), "{shown}");
    assert_eq!(decision["cause"], "wrong_password");
    assert_eq!(count(&decision, "effect", "push"), 0);
    // The next request that the device sees is the next login's.
    let mut login = ssh.types("alice", password("alice"), "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
    assert_eq!(phone.transcript().matches("[a]pprove").count(), 1);
}

fn r31_an_unknown_user_is_asked_and_answered_like_a_wrong_password() {
    let ssh = Ssh::open();
    ssh.site.enrol("alice");
    let words = |user: &str| {
        let (decision, login) = ssh.decision_of(|| ssh.types(user, "some password", "echo never"));
        let shown = refused(login);
        // Ids differ, and so does what the client itself calls the user.
        let id = decision["login"].as_str().expect("an id").to_owned();
        (decision, shown.replace(&id, "ID").replace(user, "USER"))
    };
    let (wrong, wrong_words) = words("alice");
    let (unknown, unknown_words) = words("mallory");
    assert_eq!(wrong["cause"], "wrong_password");
    assert_eq!(unknown["cause"], "unknown_user");
    assert_eq!(wrong_words, unknown_words);
    // R70: what was typed as a user name may be a password.
    let log = ssh.site.syslog.wait_for_text("cause=unknown_user", PATIENCE);
    assert!(!log.contains("mallory"), "{log}");
    assert!(!unknown.to_string().contains("mallory"), "{unknown}");
    assert!(!ssh.site.agent.log().contains("mallory"), "{}", ssh.site.agent.log());
}

fn m7_a_user_whom_no_policy_matches_is_refused() {
    let ssh = Ssh::open();
    let (decision, login) = ssh.decision_of(|| ssh.types("bob", password("bob"), "echo never"));
    assert!(refused(login).contains("No policy lets you in here."));
    assert_eq!(decision["cause"], "no_policy_admits");
}

fn a_user_without_a_device_is_told_so_after_the_password() {
    let ssh = Ssh::open();
    let (decision, login) = ssh.decision_of(|| ssh.types("alice", password("alice"), "echo never"));
    assert!(refused(login).contains("No device is registered for you."));
    assert_eq!(decision["cause"], "no_device");
}

fn m11_a_key_and_one_tap_in_the_account_phase_serve_scripts() {
    let site = Site::open();
    let sshd = Sshd::builder()
        .service("sshd-key")
        .stack(&stack("sshd-key"))
        .methods("publickey")
        .start();
    let mut phone = site.enrol("alice").listen();
    let key = Key::authorised_for("alice");
    let client = sshd.client("alice").with_key(&key).option("BatchMode=yes");
    let file = Path::new("/tmp/report.txt");
    std::fs::write(file, "quarterly").expect("a file to copy");
    let mut copy = client.copy(file, "/home/alice/report.txt");
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("key or password accepted by sshd"), "{shown}");
    phone.send_line("a");
    copy.wait_for_success();
    assert_eq!(
        std::fs::read_to_string("/home/alice/report.txt").expect("the copy"),
        "quarterly"
    );
    // Nothing of ours stands in the session's output (P12).
    let mut run = client.run("cat /home/alice/report.txt");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    let output = run.wait_for_success();
    assert_eq!(output.trim(), "quarterly");
}

fn a_denial_in_the_account_phase_tells_the_client_why() {
    let site = Site::open();
    let sshd = Sshd::builder()
        .service("sshd-key")
        .stack(&stack("sshd-key"))
        .methods("publickey")
        .start();
    let mut phone = site.enrol("alice").listen();
    let key = Key::authorised_for("alice");
    let mut login = sshd
        .client("alice")
        .with_key(&key)
        .option("BatchMode=yes")
        .run("echo never");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    login.expect("Denied on the phone.", PATIENCE);
    assert!(!refused(login).contains("never"));
}

fn r16_a_push_alone_never_reaches_the_phone_of_a_user_whom_sshd_refuses() {
    let site = Site::open();
    let lines = stack("sshd-assent-password");
    let sshd = Sshd::builder()
        .service("sshd-alone")
        .stack(&lines)
        .config("DenyUsers alice")
        .start();
    let mut phone = site.enrol("alice").listen();
    let before = site.agent.audit().len();
    let mut login = sshd
        .client("alice")
        .option("NumberOfPasswordPrompts=1")
        .run("echo never");
    login.expect("Type p to send a request", PATIENCE);
    login.send_line("p");
    assert!(!login.wait(PATIENCE).success());
    let decision = site.agent.decision(before);
    assert_eq!(decision["cause"], "push_not_asked_for");
    drop(sshd);
    // The same without DenyUsers: the typed letter sends the request.
    let sshd = Sshd::builder().service("sshd-alone").stack(&lines).start();
    let mut login = sshd.client("alice").run("echo in");
    login.expect("Type p to send a request", PATIENCE);
    login.send_line("p");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.expect("in", PATIENCE);
    login.wait_for_success();
    assert_eq!(phone.transcript().matches("[a]pprove").count(), 1);
}

fn r86_password_login_with_an_account_line_sends_one_push() {
    // The packaged stack has our line in auth and in account; the ticket joins them.
    let ssh = Ssh::open();
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("alice", password("alice"), "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
    let account = ssh.site.agent.decision(1);
    assert_eq!(account["verdict"], "approved");
    assert_eq!(account["cause"], "approved_in_auth_phase");
    assert_eq!(count(&account, "effect", "push"), 0);
}

fn p7_public_key_and_password_together_send_one_push() {
    let site = Site::open();
    let lines = stack("sshd-assent-password");
    let sshd = Sshd::builder()
        .stack(&lines)
        .methods("publickey,keyboard-interactive")
        .start();
    let mut phone = site.enrol("alice").listen();
    let key = Key::authorised_for("alice");
    let mut login = sshd.client("alice").with_key(&key).run("true");
    login.expect("Password", PATIENCE);
    login.send_line(password("alice"));
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
    let pushes: usize = site
        .agent
        .audit()
        .iter()
        .map(|decision| count(decision, "effect", "push"))
        .sum();
    assert_eq!(pushes, 1);
}

fn local_users_log_in_by_the_stack_and_a_tap() {
    let site = Site::open();
    let sshd = Sshd::builder()
        .service("sshd-stack")
        .stack(&stack("sshd-password"))
        .start();
    let mut phone = site.enrol("localjoe").listen();
    let mut login = sshd.client("localjoe").run("id -un");
    login.expect("Password", PATIENCE);
    login.send_line(assent_tests::accounts::LOCAL_PASSWORD);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.expect("localjoe", PATIENCE);
    login.wait_for_success();
    // A wrong one ends the stack before ours.
    let before = site.agent.audit().len();
    let mut login = sshd
        .client("localjoe")
        .option("NumberOfPasswordPrompts=1")
        .run("echo never");
    login.expect("Password", PATIENCE);
    login.send_line("wrong");
    assert!(!login.wait(PATIENCE).success());
    assert_eq!(site.agent.audit().len(), before, "the agent heard nothing of it");
}

fn nobody_answers_and_the_login_ends_by_itself() {
    let ssh = Ssh::open_with(|usual| usual.replace("assurance = \"tap\"", "assurance = \"tap\"\nttl_seconds = 10"));
    let mut phone = ssh.site.enrol("alice").listen();
    let (decision, login) = ssh.decision_of(|| ssh.types("alice", password("alice"), "echo never"));
    assert!(refused(login).contains("No answer from the phone in time."));
    assert_eq!(decision["cause"], "no_answer");
    // The device is told the truth about a late tap.
    phone.expect(fits("(?i)(expired|withdrew|withdrawn|too late)"), PATIENCE);
    let status = assentctl(["status"]).expect_success();
    assert!(
        !status
            .out
            .contains(&decision["login"].as_str().expect("an id").to_owned()),
        "{}",
        status.out
    );
}
