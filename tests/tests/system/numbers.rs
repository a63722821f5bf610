//! Numbers and what decides over them: real terminals, real sshd and sudo, and every channel that can show none.

use super::ssh::count;
use assent_tests::product::{PATIENCE, Site, assentctl, password, stack};
use assent_tests::sshd::{Key, Sshd};
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{accounts, mmdb, scenarios};
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    r4_the_number_stands_on_the_terminal_and_nowhere_else,
    the_first_login_from_an_address_asks_for_a_number_and_the_next_for_a_tap,
    a_wrong_number_denies_and_says_so,
    a_denial_beside_an_open_prompt_ends_the_login_as_denied,
    where_no_number_can_be_shown_no_push_leaves,
    whoever_leaves_the_prompt_withdraws_the_push,
    sudo_in_an_approved_session_is_a_tap_and_elsewhere_a_number,
    a_command_too_long_to_show_asks_for_a_number,
    a_known_network_is_named_on_the_phone_and_asks_for_a_tap,
    the_place_of_an_address_is_on_the_phone_and_a_broken_data_base_stops_no_login,
    r7_the_budget_holds_over_a_kill_and_root_opens_it_again,
    r6_five_wrong_numbers_stop_the_pushes,
];

/// The usual configuration with the default assurance.
fn adaptive(usual: String) -> String {
    usual.replace("assurance = \"tap\"\n", "")
}

fn numbered(usual: String) -> String {
    usual.replace("assurance = \"tap\"", "assurance = \"number\"")
}

struct Ssh {
    site: Site,
    sshd: Sshd,
}

impl Ssh {
    fn open(change: impl FnOnce(String) -> String) -> Self {
        let site = Site::open_with(change);
        let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
        Self { site, sshd }
    }

    fn types(&self, command: &str) -> Terminal {
        let mut ssh = self
            .sshd
            .client("alice")
            .option("NumberOfPasswordPrompts=1")
            .run(command);
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password("alice"));
        ssh
    }
}

/// Waits for the number on a terminal.
fn number_on(terminal: &mut Terminal, digits: usize) -> String {
    let shown = terminal.expect(fits(&format!(r"Approve \d{{{digits}}} on your phone")), PATIENCE);
    let number = shown.split("Approve ").nth(1).and_then(|rest| rest.split(' ').next());
    number.expect("a number").to_owned()
}

/// Types an approval with a number on the device.
fn approve_with(phone: &mut Terminal, number: &str) {
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("Number on the terminal", PATIENCE);
    phone.send_line(number);
}

fn refused(mut terminal: Terminal) -> String {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
    terminal.transcript().to_owned()
}

/// Whether a file of the world holds this text.
fn holds(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn r4_the_number_stands_on_the_terminal_and_nowhere_else() {
    // Six digits, so that they are nowhere by chance.
    let ssh = Ssh::open(|usual| usual.replace("assurance = \"tap\"", "assurance = \"number\"\nnist = true"));
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("echo in");
    // Shown by an unmodified OpenSSH before any approval exists.
    let number = number_on(&mut login, 6);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(!shown.contains(&number), "the device shows the number:\n{shown}");
    phone.send_line("a");
    phone.expect("(6 digits", PATIENCE);
    let transcript = phone.transcript().to_owned();
    phone.send_line(&number);
    login.send_line("");
    login.expect("in", PATIENCE);
    login.wait_for_success();
    assert!(!transcript.contains(&number));
    let decision = ssh.site.agent.decision(0);
    assert_eq!(decision["verdict"], "approved");
    // The signed answer holds it, as base64url, for whoever verifies the record again; nothing says it in plain.
    assert!(!decision.to_string().contains(&number), "{decision}");
    assert!(!ssh.site.agent.log().contains(&number), "{}", ssh.site.agent.log());
    let line = ssh.site.syslog.wait_for_text("verdict=approved", PATIENCE);
    assert!(!line.contains(&number), "{line}");
    for file in ["relay.db", "relay.db-wal", "registrar.db", "registrar.db-wal"] {
        assert!(!holds(&ssh.site.gateway.state_dir().join(file), &number), "{file}");
    }
    assert!(!holds(Path::new("/var/lib/assent/pushes.jsonl"), &number));
}

fn the_first_login_from_an_address_asks_for_a_number_and_the_next_for_a_tap() {
    let ssh = Ssh::open(adaptive);
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("true");
    let number = number_on(&mut login, 3);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("NEW ADDRESS"), "{shown}");
    phone.send_line("a");
    phone.expect("Number on the terminal", PATIENCE);
    phone.send_line(&number);
    login.send_line("");
    login.wait_for_success();
    let mut login = ssh.types("true");
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(!shown.contains("NEW ADDRESS"), "{shown}");
    phone.send_line("a");
    login.wait_for_success();
    // What is known survives the agent.
    let mut ssh = ssh;
    ssh.site.agent.kill();
    ssh.site.agent.resume();
    ssh.site.agent.wait_until_connected();
    let mut login = ssh.types("true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
    assert_eq!(phone.transcript().matches("Number on the terminal").count(), 1);
}

fn a_wrong_number_denies_and_says_so() {
    let ssh = Ssh::open(numbered);
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("echo never");
    let number = number_on(&mut login, 3);
    let wrong = if number == "000" { "001" } else { "000" };
    approve_with(&mut phone, wrong);
    assert_eq!(ssh.site.agent.decision(0)["cause"], "wrong_number");
    login.send_line("");
    let shown = refused(login);
    assert!(shown.contains("The number was wrong."), "{shown}");
}

fn a_denial_beside_an_open_prompt_ends_the_login_as_denied() {
    let ssh = Ssh::open(numbered);
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("echo never");
    number_on(&mut login, 3);
    phone.expect("[d]eny", PATIENCE);
    phone.send_line("d");
    assert_eq!(ssh.site.agent.decision(0)["cause"], "denied_on_device");
    login.send_line("");
    let shown = refused(login);
    // sshd shows it: the module heard the verdict, and not that its agent was gone.
    assert!(shown.contains("Denied on the phone."), "{shown}");
    assert!(
        ssh.site
            .syslog
            .lines()
            .iter()
            .all(|line| !line.contains("pam_assent") || !line.contains("unavail"))
    );
}

fn where_no_number_can_be_shown_no_push_leaves() {
    let site = Site::open_with(numbered);
    let phone = site.enrol("alice");
    let mut phone = phone.listen();
    let (mut seen, mut pushes) = (0, 0);
    let mut cause = |site: &Site| {
        let decision = site.agent.decision(seen);
        seen += 1;
        pushes += count(&decision, "effect", "push");
        decision["cause"].as_str().expect("a cause").to_owned()
    };
    // The `password` method, after the system's own password.
    {
        let sshd = Sshd::builder()
            .service("sshd-stack")
            .stack(&stack("sshd-password"))
            .methods("password")
            .config("PasswordAuthentication yes")
            .start();
        site.enrol(accounts::LOCAL);
        let client = sshd.client(accounts::LOCAL).option("PreferredAuthentications=password");
        let mut login = client.option("NumberOfPasswordPrompts=1").run("echo never");
        login.expect("password", PATIENCE);
        login.send_line(accounts::LOCAL_PASSWORD);
        refused(login);
        assert_eq!(cause(&site), "number_cannot_be_shown");
    }
    // The account phase after a public key, as scripts use it.
    let sshd = Sshd::builder()
        .service("sshd-key")
        .stack(&stack("sshd-key"))
        .methods("publickey")
        .start();
    let key = Key::authorised_for("alice");
    let login = sshd
        .client("alice")
        .with_key(&key)
        .option("BatchMode=yes")
        .run("echo never");
    let shown = refused(login);
    assert!(
        shown.contains("Use keyboard-interactive"),
        "the client is told what to do:\n{shown}"
    );
    assert_eq!(cause(&site), "number_cannot_be_shown");
    assert_eq!(pushes, 0);
    drop(sshd);
    // A client that asks its person nothing never comes as far as us.
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let decisions = site.agent.audit().len();
    refused(sshd.client("alice").option("BatchMode=yes").run("echo never"));
    assert!(
        site.agent
            .audit()
            .iter()
            .skip(decisions)
            .all(|decision| count(decision, "effect", "push") == 0),
        "{:?}",
        site.agent.audit()
    );
    assert!(!phone.transcript().contains("[a]pprove"));
}

fn whoever_leaves_the_prompt_withdraws_the_push() {
    let ssh = Ssh::open(numbered);
    let mut phone = ssh.site.enrol("alice").listen();
    // ^C ends the client.
    let mut login = ssh.types("echo never");
    number_on(&mut login, 3);
    phone.expect("[a]pprove", PATIENCE);
    login.send_control('c');
    refused(login);
    phone.expect(fits("(?i)withdr"), PATIENCE);
    let first = ssh.site.agent.decision(0);
    assert!(
        ["client_gone", "prompt_left"].contains(&first["cause"].as_str().expect("a cause")),
        "{first}"
    );
    // An end of file is at most an Enter: nothing passes without the number.
    let mut login = ssh.types("echo never");
    let number = number_on(&mut login, 3);
    login.send_eof();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("Number on the terminal", PATIENCE);
    phone.send_line(if number == "111" { "222" } else { "111" });
    let shown = refused(login);
    assert!(!shown.contains("never"), "{shown}");
}

fn sudo_in_an_approved_session_is_a_tap_and_elsewhere_a_number() {
    let ssh = Ssh::open(adaptive);
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    let mut phone = ssh.site.enrol("alice").listen();
    let mut shell = ssh.sshd.client("alice").shell();
    shell.expect("Password", PATIENCE);
    shell.send_line(password("alice"));
    let number = number_on(&mut shell, 3);
    approve_with(&mut phone, &number);
    shell.send_line("");
    // The session line has told the agent which audit session this login became.
    shell.send_line("sudo /usr/bin/printf '%s\\n' in-the-session");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    shell.expect(fits(r"(?m)^in-the-session"), PATIENCE);
    assert_eq!(phone.transcript().matches("Number on the terminal").count(), 1);
    // The same user, in no session that was approved.
    let mut sudo = Sudo::by("alice").run(["/usr/bin/printf", "outside"]);
    let number = number_on(&mut sudo, 3);
    approve_with(&mut phone, &number);
    sudo.expect("outside", PATIENCE);
    sudo.wait_for_success();
}

fn a_command_too_long_to_show_asks_for_a_number() {
    let site = Site::open();
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    let mut phone = site.enrol("alice").listen();
    let long = "x".repeat(40_000);
    let mut sudo = Sudo::by("alice").run(["/usr/bin/touch", "/tmp/touched", &long]);
    let number = number_on(&mut sudo, 3);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("cut") || shown.contains("missing"), "{shown}");
    phone.send_line("a");
    phone.expect("Number on the terminal", PATIENCE);
    phone.send_line(&number);
    // touch itself refuses a name of that length, and makes the other.
    sudo.wait(PATIENCE);
    assert!(Path::new("/tmp/touched").exists(), "{}", sudo.transcript());
    assert_eq!(site.agent.decision(0)["verdict"], "approved");
}

fn a_known_network_is_named_on_the_phone_and_asks_for_a_tap() {
    let ssh = Ssh::open(|usual| {
        format!(
            "{}\n[known_networks]\n\"this desk\" = [\"127.0.0.0/8\"]\n",
            adaptive(usual)
        )
    });
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("true");
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(
        shown.contains("network this desk") && !shown.contains("NEW ADDRESS"),
        "{shown}"
    );
    phone.send_line("a");
    login.wait_for_success();
}

fn the_place_of_an_address_is_on_the_phone_and_a_broken_data_base_stops_no_login() {
    let file = "/var/lib/places.mmdb";
    let places = mmdb::one_network([127, 0, 0, 0].into(), 8, "Testville", "Norway", "NO");
    std::fs::write(file, places).expect("the data base");
    let ssh = Ssh::open(|usual| format!("{usual}\n[location]\ndatabase = \"{file}\"\n"));
    let mut phone = ssh.site.enrol("alice").listen();
    let mut login = ssh.types("true");
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("Testville, Norway"), "{shown}");
    phone.send_line("a");
    login.wait_for_success();
    check_finds_it(true);
    std::fs::write(file, "no data base").expect("the file");
    check_finds_it(false);
    assentctl(["reload"]).expect_success();
    let mut login = ssh.types("true");
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(!shown.contains("Testville"), "{shown}");
    phone.send_line("a");
    login.wait_for_success();
}

/// Whether `assentctl check` finds the data base of places good.
fn check_finds_it(good: bool) {
    let checked = assentctl(["check"]);
    assert_eq!(
        !checked.out.contains("places.mmdb") && !checked.err.contains("places.mmdb"),
        good,
        "{checked:?}"
    );
}

fn r7_the_budget_holds_over_a_kill_and_root_opens_it_again() {
    let mut ssh = Ssh::open(|usual| usual);
    let mut phone = ssh.site.enrol("alice").listen();
    for _ in 0..5 {
        let login = ssh.types("echo never");
        phone.expect("[d]eny", PATIENCE);
        phone.send_line("d");
        refused(login);
    }
    let spent = |ssh: &Ssh| {
        let before = ssh.site.agent.audit().len();
        let shown = refused(ssh.types("echo never"));
        assert!(shown.contains("Too many requests were not approved."), "{shown}");
        let decision = ssh.site.agent.decision(before);
        assert_eq!(decision["cause"], "push_budget_spent");
        assert_eq!(count(&decision, "effect", "push"), 0);
    };
    spent(&ssh);
    ssh.site.agent.kill();
    ssh.site.agent.resume();
    ssh.site.agent.wait_until_connected();
    spent(&ssh);
    assert_eq!(phone.transcript().matches("[d]eny").count(), 5);
    assentctl(["unlock", "alice"]).expect_success();
    let mut login = ssh.types("true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn r6_five_wrong_numbers_stop_the_pushes() {
    let ssh = Ssh::open(numbered);
    let mut phone = ssh.site.enrol("alice").listen();
    for _ in 0..5 {
        let mut login = ssh.types("echo never");
        let number = number_on(&mut login, 3);
        approve_with(&mut phone, if number == "000" { "001" } else { "000" });
        login.send_line("");
        refused(login);
    }
    let before = ssh.site.agent.audit().len();
    let shown = refused(ssh.types("echo never"));
    assert!(shown.contains("The number was wrong too often."), "{shown}");
    assert_eq!(ssh.site.agent.decision(before)["cause"], "too_many_wrong_numbers");
    ssh.site.syslog.wait_for_text("cause=too_many_wrong_numbers", PATIENCE);
}
