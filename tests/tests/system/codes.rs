//! Codes by SMS and of authenticator apps, in real terminals: by themselves, beside a push, and where a failure leads.

use super::sms::SmsGateway;
use super::ssh::count;
use assent_tests::product::{Gateway, PATIENCE, Site, assentctl, password, program, stack};
use assent_tests::sshd::{Key, Sshd};
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::totp::{self, shown, shown_next};
use assent_tests::{accounts, scenarios};
use std::net::Ipv4Addr;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    m8_it_by_push_and_everyone_else_by_a_code_over_sms,
    a_wrong_code_is_asked_for_again_and_the_third_ends_the_login,
    whoever_has_no_number_is_told_so_and_nothing_is_sent,
    where_no_code_can_be_asked_for_none_is_sent,
    an_sms_gateway_that_fails_is_said_when_the_prompt_ends,
    m16_a_code_of_an_app_beside_a_push_ends_the_wait_and_withdraws_it,
    r18_a_code_of_an_app_counts_once,
    whoever_has_no_device_is_led_to_a_code,
    sudo_takes_a_code,
    a_gateway_that_is_away_denies_in_seconds_and_needs_no_restart,
    a_gateway_that_hangs_is_found_out_once,
    m17_an_app_is_set_up_in_the_terminal_by_its_key_and_first_code,
    m17_whoever_has_a_device_approves_the_app_on_it,
    an_app_of_google_authenticator_is_taken_over,
];

const PROFILES: &str = r#"
[[sms_profile]]
name = "sms"
fallback_auth_profiles = ["corp"]

[[totp_profile]]
name = "totp"
fallback_auth_profiles = ["corp"]
"#;

struct Codes {
    site: Site,
    sshd: Sshd,
    sms: SmsGateway,
}

/// The usual configuration, where the application `ssh` has these factors and further lines.
pub fn with(usual: &str, factors: &str, more: &str) -> String {
    let before = "services = [\"sshd\"]\nfactors = [[\"corp\"], [\"staff-push\"]]\n";
    assert!(usual.contains(before));
    let after = format!("services = [\"sshd\"]\nfactors = {factors}\n{more}\n");
    usual.replace(before, &after) + PROFILES
}

impl Codes {
    fn open(factors: &str, more: &str) -> Self {
        Self::open_with(|usual| with(&usual, factors, more))
    }

    fn open_with(change: impl FnOnce(String) -> String) -> Self {
        let sms = SmsGateway::start();
        let lines = format!(
            "[codes]\nprefixes = [\"+49\"]\npause = 0\n\n[[codes.sms]]\nname = \"tests\"\nurl = \"{}\"\n\
             body = '{{\"to\":\"{{number}}\",\"text\":\"{{text}}\"}}'\n",
            sms.url()
        );
        let site = Site::open_around(|| Gateway::start_at(Ipv4Addr::LOCALHOST, &lines), change);
        let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
        Self { site, sshd, sms }
    }

    fn types(&self, user: &str, command: &str) -> Terminal {
        let mut ssh = self.sshd.client(user).option("NumberOfPasswordPrompts=1").run(command);
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password(user));
        ssh
    }
}

fn refused(mut terminal: Terminal) -> String {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
    terminal.transcript().to_owned()
}

fn holds(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn m8_it_by_push_and_everyone_else_by_a_code_over_sms() {
    let codes = Codes::open("[[\"corp\"], [\"staff-push\", \"sms\"]]", "");
    let mut phone = codes.site.enrol("alice").listen();
    let mut alice = codes.types("alice", "echo alice is in");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    alice.expect("alice is in", PATIENCE);
    alice.wait_for_success();
    assert_eq!(codes.sms.count(), 0, "IT gets no SMS");

    let before = codes.site.agent.audit().len();
    let mut bob = codes.types("bob", "echo bob is in");
    let prompt = bob.expect(fits(r"Code sent by SMS to \S+02 \[\w{6}\]: "), PATIENCE);
    let id = &prompt[prompt.len() - 9..prompt.len() - 3];
    let (to, text) = codes.sms.message(0);
    assert_eq!(to, "+491515550102");
    assert!(text.contains(id), "the login's id is in the message: {text}");
    let code = codes.sms.code(0);
    bob.send_line(&code);
    bob.expect("bob is in", PATIENCE);
    bob.wait_for_success();
    let decision = codes.site.agent.decision(before);
    assert_eq!(decision["verdict"], "approved");
    assert_eq!(decision["method"], "sms");
    assert_eq!(count(&decision, "effect", "push"), 0);

    // The code stands nowhere.
    assert!(!decision.to_string().contains(&code), "{decision}");
    for log in [codes.site.agent.log(), codes.site.gateway.log()] {
        assert!(!log.contains(&code), "{log}");
        assert!(!log.contains("5550102"), "nor does the number: {log}");
    }
    for file in ["codes.db", "codes.db-wal", "relay.db", "relay.db-wal"] {
        assert!(!holds(&codes.site.gateway.state_dir().join(file), &code), "{file}");
    }
}

fn a_wrong_code_is_asked_for_again_and_the_third_ends_the_login() {
    let codes = Codes::open("[[\"corp\"], [\"sms\"]]", "");
    let mut bob = codes.types("bob", "true");
    bob.expect("Code sent by SMS", PATIENCE);
    let code = codes.sms.code(0);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        bob.send_line(wrong);
        bob.expect("Wrong code. Code sent by SMS", PATIENCE);
    }
    bob.send_line(wrong);
    assert!(refused(bob).contains("The code was wrong."));
    assert_eq!(codes.site.agent.decision(0)["cause"], "wrong_code");
    assert_eq!(codes.sms.count(), 1, "sent once");
    // The right one, in another login, is a wrong one.
    let mut bob = codes.types("bob", "true");
    bob.expect("Code sent by SMS", PATIENCE);
    codes.sms.message(1);
    bob.send_line(&code);
    bob.expect(fits("Wrong code|bob is in"), PATIENCE);
    bob.send_line(&codes.sms.code(1));
    bob.wait_for_success();
}

fn whoever_has_no_number_is_told_so_and_nothing_is_sent() {
    let codes = Codes::open("[[\"corp\"], [\"sms\"]]", "");
    let said = refused(codes.types("carol", "true"));
    assert!(said.contains("No code is set up for you."), "{said}");
    assert_eq!(codes.site.agent.decision(0)["cause"], "no_code_set_up");
    assert_eq!(codes.sms.count(), 0);
}

fn where_no_code_can_be_asked_for_none_is_sent() {
    let codes = Codes::open_with(|usual| {
        let before = "services = [\"sshd-stack\", \"sshd-key\"]\nfactors = [[\"stack\"], [\"staff-push\"]]\n";
        assert!(usual.contains(before));
        usual.replace(before, &before.replace("staff-push", "sms"))
            + &PROFILES.replace("[\"corp\"]", "[\"corp\", \"local\"]")
    });
    assentctl(["user", "add", accounts::LOCAL, "--mobile", "+49 151 5550199"]).expect_success();
    // The `password` method, after the system's own password; then the account phase after a key.
    let sshd = Sshd::builder()
        .service("sshd-stack")
        .stack(&stack("sshd-password"))
        .methods("password")
        .config("PasswordAuthentication yes")
        .start();
    let client = sshd.client(accounts::LOCAL).option("PreferredAuthentications=password");
    let mut login = client.option("NumberOfPasswordPrompts=1").run("echo never");
    login.expect("password", PATIENCE);
    login.send_line(accounts::LOCAL_PASSWORD);
    refused(login);
    assert_eq!(codes.site.agent.decision(0)["cause"], "code_cannot_be_asked");
    drop(sshd);
    let key = Key::authorised_for("bob");
    let sshd = Sshd::builder()
        .service("sshd-key")
        .stack(&stack("sshd-key"))
        .methods("publickey")
        .start();
    let said = refused(sshd.client("bob").with_key(&key).option("BatchMode=yes").run("true"));
    assert!(said.contains("this way of logging in cannot ask for one"), "{said}");
    assert_eq!(codes.site.agent.decision(1)["cause"], "code_cannot_be_asked");
    // A code would have left by now.
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(codes.sms.count(), 0);
}

fn an_sms_gateway_that_fails_is_said_when_the_prompt_ends() {
    let codes = Codes::open("[[\"corp\"], [\"sms\"]]", "");
    codes.sms.fails(true);
    let mut bob = codes.types("bob", "true");
    bob.expect("Code sent by SMS", PATIENCE);
    // Long enough for the code service to have given up.
    std::thread::sleep(std::time::Duration::from_secs(2));
    bob.send_line("");
    assert!(refused(bob).contains("Codes cannot be sent or checked now."));
    assert_eq!(codes.site.agent.decision(0)["cause"], "code_service_unreachable");
    codes.sms.fails(false);
    let mut bob = codes.types("bob", "true");
    bob.expect("Code sent by SMS", PATIENCE);
    bob.send_line(&codes.sms.code(0));
    bob.wait_for_success();
}

fn m16_a_code_of_an_app_beside_a_push_ends_the_wait_and_withdraws_it() {
    let codes = Codes::open("[[\"corp\"], [\"staff-push\", \"totp\"]]", "");
    let secret = totp::give("alice", "sshd");
    let mut phone = codes.site.enrol("alice").listen();
    let mut login = codes.types("alice", "echo in");
    let prompt = login.expect(
        fits(r"Approve on your phone, then Enter, or type a code \[\w{6}\]: "),
        PATIENCE,
    );
    assert!(prompt.lines().all(|line| line.trim_end().len() <= 80), "{prompt}");
    phone.expect("[a]pprove", PATIENCE);
    login.send_line(&shown(secret));
    login.expect("in", PATIENCE);
    login.wait_for_success();
    phone.expect("the host withdrew it", PATIENCE);
    let decision = codes.site.agent.decision(0);
    assert_eq!(decision["method"], "totp");
    assert_eq!(count(&decision, "event", "push_approved"), 0);
    // And the push does as well.
    let before = codes.site.agent.audit().len();
    let mut login = codes.types("alice", "echo in");
    login.expect("or type a code", PATIENCE);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.send_line("");
    login.expect("in", PATIENCE);
    login.wait_for_success();
    assert_eq!(codes.site.agent.decision(before)["method"], "staff-push");
}

fn r18_a_code_of_an_app_counts_once() {
    let codes = Codes::open("[[\"corp\"], [\"totp\"]]", "");
    let secret = totp::give("alice", "sshd");
    let mut login = codes.types("alice", "true");
    login.expect("Code from your authenticator app", PATIENCE);
    let code = shown(secret);
    login.send_line(&code);
    login.wait_for_success();
    let mut again = codes.types("alice", "true");
    again.expect("Code from your authenticator app", PATIENCE);
    again.send_line(&code);
    again.expect("Wrong code.", PATIENCE);
    again.kill();
}

fn whoever_has_no_device_is_led_to_a_code() {
    let codes = Codes::open(
        "[[\"corp\"], [\"staff-push\"]]",
        "floor = \"sms\"\non_failure = { not_enrolled = [\"totp\", \"sms\"] }",
    );
    // No device, no app: the first of the two admits, fails in the same way, and leads to the second.
    let mut login = codes.types("alice", "true");
    login.expect(fits(r"Not enrolled\. Code sent by SMS to \S+01 "), PATIENCE);
    login.send_line(&codes.sms.code(0));
    login.wait_for_success();
    let decision = codes.site.agent.decision(0);
    assert_eq!(decision["method"], "sms");
    let trace = decision["trace"].as_array().expect("a trace");
    let failures: Vec<_> = trace.iter().filter_map(|line| line["failure"].as_str()).collect();
    assert_eq!(failures, ["not_enrolled", "not_enrolled"]);
}

fn sudo_takes_a_code() {
    let _codes = Codes::open_with(|usual| {
        let before = "services = [\"sudo\", \"sudo-i\"]\nfactors = [[\"staff-push\"]]\n";
        assert!(usual.contains(before));
        usual.replace(before, "services = [\"sudo\", \"sudo-i\"]\nfactors = [[\"totp\"]]\n") + PROFILES
    });
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    let secret = totp::give("alice", "sshd");
    let mut sudo = Sudo::by("alice").run(["echo", "root says hello"]);
    sudo.expect("Code from your authenticator app", PATIENCE);
    sudo.send_line(&shown(secret));
    sudo.expect("root says hello", PATIENCE);
    sudo.wait_for_success();
}

fn a_gateway_that_hangs_is_found_out_once() {
    let mut codes = Codes::open_with(|usual| {
        let ways = "floor = \"totp\"\non_failure = { gateway = [\"totp\"], codes = [\"recovery\"] }";
        let recovery = "\n[[recovery_profile]]\nname = \"recovery\"\nfallback_auth_profiles = [\"corp\"]\n";
        with(&usual, "[[\"corp\"], [\"staff-push\"]]", ways) + recovery
    });
    let device = codes.site.enrol("alice");
    codes.site.gateway.service().freeze();
    let denied = |codes: &Codes, at: usize| {
        refused(codes.types("alice", "true"));
        codes.site.agent.decision(at).to_string()
    };
    // One wait, whatever the failures after it lead to: all of it is behind the relay.
    let first = denied(&codes, 0);
    assert!(first.contains("no answer from the registrar within 2.5 s"), "{first}");
    assert!(first.contains("the relay has been silent for 2 s"), "{first}");
    assert!(!first.contains("timed out"), "{first}");
    let next = denied(&codes, 1);
    assert!(
        !next.contains("no answer") && next.contains("the relay has been silent for"),
        "{next}"
    );
    codes.site.gateway.service().thaw();
    for party in ["the relay answers again", "the registrar answers again"] {
        codes.site.agent.service().wait_for_log(party, PATIENCE);
    }
    let mut phone = device.listen();
    let mut login = codes.types("alice", "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn a_gateway_that_is_away_denies_in_seconds_and_needs_no_restart() {
    let mut codes = Codes::open(
        "[[\"corp\"], [\"staff-push\"]]",
        "floor = \"totp\"\non_failure = { gateway = [\"totp\"] }",
    );
    let mut phone = codes.site.enrol("alice").listen();
    codes.site.gateway.stop();
    // The code service is away with it: the failure leads there, and then to a denial with its cause.
    let said = refused(codes.types("alice", "true"));
    assert!(said.contains("Codes cannot be sent or checked now."), "{said}");
    let decision = codes.site.agent.decision(0);
    assert_eq!(decision["cause"], "code_service_unreachable");
    let trace = decision["trace"].as_array().expect("a trace");
    assert!(trace.iter().any(|line| line["failure"] == "gateway"), "{decision}");
    codes.site.gateway.resume();
    codes.site.agent.wait_until_connected();
    phone.expect("Listening", PATIENCE);
    let mut login = codes.types("alice", "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
    assert_eq!(codes.site.agent.decision(1)["method"], "staff-push");
}

/// The key that stands in the terminal, to be typed into an app.
pub fn key_in(terminal: &mut Terminal) -> String {
    let shown = terminal.expect(fits(r"\n\s+([A-Z2-7]{4} ){7}[A-Z2-7]{4}\s"), PATIENCE);
    let line = shown.trim_end().lines().last().expect("the key");
    line.split_whitespace().collect()
}

fn passes_by_app(codes: &Codes, user: &str, secret: &str) {
    let mut login = codes.types(user, "echo in by app");
    login.expect("Code from your authenticator app", PATIENCE);
    login.send_line(&shown_next(secret));
    login.expect("in by app", PATIENCE);
    login.wait_for_success();
}

fn m17_an_app_is_set_up_in_the_terminal_by_its_key_and_first_code() {
    let codes = Codes::open("[[\"corp\"], [\"totp\"]]", "");
    let command = program("assentctl")
        .args(["enroll", "alice", "--totp"])
        .env("LC_ALL", "C.UTF-8");
    let mut admin = Terminal::open(&command);
    admin.expect("Draw it here?", PATIENCE);
    admin.send_line("y");
    let secret = key_in(&mut admin);
    // The same as a QR code, which fits the screen.
    let drawn = admin.expect("The six digits that the app shows now", PATIENCE);
    let code: Vec<&str> = drawn.lines().filter(|line| line.contains(['█', '▀', '▄'])).collect();
    assert!((15..=23).contains(&code.len()), "{drawn}");
    admin.send_line("12345");
    admin.expect("That cost no try", PATIENCE);
    admin.send_line(if shown(&secret) == "000000" { "000001" } else { "000000" });
    admin.expect("this is not the app's code", PATIENCE);
    let first = shown(&secret);
    admin.send_line(&first);
    admin.expect("count for alice from now on", PATIENCE);
    admin.wait_for_success();
    passes_by_app(&codes, "alice", &secret);
    let again = assentctl(["enroll", "alice", "--totp", "--no-qr"]);
    assert_eq!(again.status.code(), Some(1), "{}", again.err);
    assert!(
        again.err.contains("there is an authenticator app already"),
        "{}",
        again.err
    );
    // Key and code stand in no log.
    for log in [codes.site.agent.log(), codes.site.gateway.log()] {
        assert!(!log.contains(&secret) && !log.contains(&first), "{log}");
    }
}

fn m17_whoever_has_a_device_approves_the_app_on_it() {
    let codes = Codes::open("[[\"corp\"], [\"totp\"]]", "");
    let mut phone = codes.site.enrol("alice").listen();
    let set_up = || Terminal::open(&program("assentctl").args(["enroll", "alice", "--totp", "--no-qr"]));
    let mut admin = set_up();
    admin.expect("alice has a device. It is asked now", PATIENCE);
    let asked = phone.expect("[a]pprove", PATIENCE);
    assert!(asked.contains("set up an authenticator app"), "{asked}");
    assert!(asked.contains("vouched for by root on"), "{asked}");
    phone.send_line("d");
    assert!(!admin.wait(PATIENCE).success());
    assert!(
        admin.transcript().contains("no device of the user approved this"),
        "{}",
        admin.transcript()
    );
    let mut admin = set_up();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    let secret = key_in(&mut admin);
    admin.send_line(&shown(&secret));
    admin.wait_for_success();
    passes_by_app(&codes, "alice", &secret);
}

fn an_app_of_google_authenticator_is_taken_over() {
    const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let codes = Codes::open("[[\"corp\"], [\"totp\"]]", "");
    let file = "/root/alice.google_authenticator";
    std::fs::write(file, format!("{SECRET}\n\" TOTP_AUTH\n12345678\n")).expect("the app's file");
    let command = ["enroll", "alice", "--totp", "--from-google-authenticator", file];
    let mut admin = Terminal::open(&program("assentctl").args(command));
    let asked = admin.expect("The six digits that the app shows now", PATIENCE);
    assert!(!asked.contains("JBSW"), "the key is not shown again: {asked}");
    admin.send_line(&shown(SECRET));
    admin.expect("scratch codes do not count", PATIENCE);
    admin.wait_for_success();
    passes_by_app(&codes, "alice", SECRET);
}
