//! A first phone that is registered inside an SSH login, by OpenSSH as it is, on a terminal of 80 by 24.

use super::ssh::count;
use assent_tests::product::{Gateway, PATIENCE, Site, assentctl, password, stack};
use assent_tests::sshd::{Client, Sshd};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{patience, scenarios};
use std::net::Ipv4Addr;

pub const SCENARIOS: &[Scenario] = scenarios![
    m9_a_first_phone_is_registered_inside_the_login_and_then_approves_it,
    a_link_serves_where_no_code_can_be_read,
    three_wrong_digits_register_nothing,
    whoever_interrupts_the_login_leaves_nothing_open,
    a_block_while_the_phone_is_being_registered_ends_it,
    of_two_logins_at_once_the_second_is_told_and_an_admins_enrolment_goes_first,
    where_nobody_can_be_asked_nothing_is_begun,
    a_day_that_is_over_and_another_network_offer_nothing,
    whoever_has_a_phone_is_asked_on_it_and_offered_nothing,
    without_the_registrar_nothing_is_offered_and_what_was_begun_is_denied,
    a_registrar_that_leaves_first_devices_to_admins_goes_before_the_hosts_word,
];

const SCREEN: (u16, u16) = (24, 80);
/// What stands at the end of the offer.
const OFFER: &str = "or Enter alone to leave it";

struct First {
    site: Site,
    sshd: Sshd,
}

impl First {
    fn open(rule: &str) -> Self {
        Self::open_at("[panel]\nfirst_device = \"terminal\"\n", rule)
    }

    fn open_at(gateway: &str, rule: &str) -> Self {
        let site = Site::open_around(
            || Gateway::start_at(Ipv4Addr::LOCALHOST, gateway),
            |usual| {
                let before = "services = [\"sshd\"]\nfactors = [[\"corp\"], [\"staff-push\"]]\n";
                assert!(usual.contains(before));
                let networks = "[known_networks]\nhere = [\"127.0.0.0/8\"]\nelsewhere = [\"192.0.2.0/24\"]\n";
                usual.replace(before, &format!("{before}enroll_at_login = {rule}\n")) + networks
            },
        );
        let sshd = Sshd::builder()
            .stack(&stack("sshd-assent-password"))
            .config("LoginGraceTime 360")
            .start();
        Self { site, sshd }
    }

    fn client(&self, user: &str) -> Client {
        self.sshd.client(user).option("NumberOfPasswordPrompts=1")
    }

    /// A login whose password is typed.
    fn types(&self, user: &str, command: &str) -> Terminal {
        let mut ssh = Terminal::open_sized(&self.client(user).program(command), SCREEN);
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password(user));
        ssh
    }

    /// A login that shows a link.
    fn shown(&self, user: &str, command: &str) -> (Terminal, String) {
        let mut ssh = self.types(user, command);
        ssh.expect(OFFER, PATIENCE);
        ssh.send_line("l");
        let link = link_in(&ssh.expect(fits(r"https?://\S+/e#\S+"), PATIENCE));
        ssh.expect("Enter: leave", PATIENCE);
        (ssh, link)
    }

    /// Whether a phone is told that its link counts no more.
    fn is_over(&self, user: &str, link: &str) -> bool {
        let mut device = self.site.begin_device(user, link);
        let status = device.wait(PATIENCE);
        !status.success() && device.transcript().contains("not good")
    }
}

/// How many phones are registered.
fn devices() -> usize {
    let list = assentctl(["device", "list"]).expect_success().out;
    list.matches("test phone").count()
}

fn link_in(shown: &str) -> String {
    shown.split_whitespace().last().expect("a link").to_owned()
}

fn refused(mut login: Terminal) -> String {
    let status = login.wait(PATIENCE);
    assert!(!status.success(), "the login passed:\n{}", login.transcript());
    assert!(!login.transcript().contains("never"), "{}", login.transcript());
    login.transcript().to_owned()
}

/// What a camera before the screen reads.
fn photographed(screen: &[String]) -> String {
    const SCALE: usize = 8;
    let rows: Vec<Vec<char>> = screen.iter().map(|row| row.chars().collect()).collect();
    let light = |x: usize, y: usize| match rows[y / 2].get(x) {
        Some('█') => true,
        Some('▀') => y.is_multiple_of(2),
        Some('▄') => !y.is_multiple_of(2),
        Some(_) | None => false,
    };
    let (width, height) = (80 * SCALE, rows.len() * 2 * SCALE);
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(
            width,
            height,
            |x, y| {
                if light(x / SCALE, y / SCALE) { 255 } else { 0 }
            },
        );
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code on the screen:\n{}", screen.join("\n"));
    grids[0].decode().expect("the code can be read").1
}

fn m9_a_first_phone_is_registered_inside_the_login_and_then_approves_it() {
    let first = First::open("{ until = \"2199-12-31\" }");
    let explained = assentctl(["explain", "alice", "--service", "sshd", "--from", "127.0.0.1"]).out;
    assert!(
        explained.contains("without a device: is offered to register the first one")
            && explained.contains("until 2199-12-31"),
        "{explained}"
    );
    let mut login = first.types("alice", "echo in as $(id -un)");
    login.expect(OFFER, PATIENCE);
    assert_eq!(devices(), 0);
    login.send_line("q");
    login.expect("Six digits [", PATIENCE);
    let screen = login.screen(SCREEN);
    // One screen holds the whole of it: the client's words, the code, the steps and the question.
    assert!(
        screen[0].trim_start().starts_with("(alice@127.0.0.1)"),
        "{}",
        screen.join("\n")
    );
    let link = photographed(&screen);
    assert!(
        link.starts_with(&format!("{}/e#1.", first.site.gateway.url())),
        "{link}"
    );
    let code = link.split_once('#').expect("a code").1;
    let beside: String = screen
        .iter()
        .flat_map(|row| row.chars().skip(45))
        .filter(|c| *c != ' ')
        .collect();
    assert!(beside.contains(code), "it can be typed, too: {beside}");
    // Too early, and not digits at all: neither costs a try.
    login.send_line("123456");
    login.expect("No phone has come yet", PATIENCE);
    login.send_line("yes");
    login.expect("That cost no try.", PATIENCE);
    let (authenticator, mut device, digits) = first.site.open_link("alice", &link);
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    login.send_line(wrong);
    login.expect("2 tries left", PATIENCE);
    assert_eq!(devices(), 0, "not yet");
    login.send_line(&format!("{} {}", &digits[..3], &digits[3..]));
    device.wait_for_success();
    // That is no approval: the phone is asked now.
    assert!(first.site.agent.audit().is_empty() && login.is_running());
    let mut phone = authenticator.listen();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.expect("in as alice", PATIENCE);
    login.wait_for_success();

    let decision = first.site.agent.decision(0);
    let id = decision["enrolled"].as_str().expect("the record names the device");
    let list = assentctl(["device", "list"]).expect_success().out;
    assert!(list.contains(id), "{id} in {list}");
    for (kind, name, times) in [
        ("enrolment", "offered", 1),
        ("effect", "open_enrolment", 1),
        ("event", "enrolment_opened", 1),
        ("effect", "show_enrolment", 1),
        ("effect", "confirm_enrolment", 3),
        ("effect", "end_enrolment", 0),
        ("effect", "push", 1),
    ] {
        assert_eq!(count(&decision, kind, name), times, "{kind} {name}: {decision}");
    }
    let line = first.site.syslog.wait_for_text("verdict=approved", PATIENCE);
    assert!(line.contains(&format!("enrolled={id}")), "{line}");
    // The secret stands in no log and no record (R25).
    let secret = code.split('.').nth(2).expect("the secret");
    let everything = first.site.agent.log() + &first.site.gateway.log() + &decision.to_string();
    assert!(!everything.contains(secret) && !everything.contains(&digits));
    // The next login is like any other.
    let mut login = first.types("alice", "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn a_link_serves_where_no_code_can_be_read() {
    let first = First::open("{ from = [\"here\"] }");
    // In the C locale OpenSSH's client would show the code as escapes.
    let plain = first
        .client("alice")
        .program("true")
        .env("LANG", "C")
        .env("LC_ALL", "C");
    let mut login = Terminal::open_sized(&plain, SCREEN);
    login.expect("Password", PATIENCE);
    login.send_line(password("alice"));
    login.expect(OFFER, PATIENCE);
    login.send_line("q");
    login.expect("Six digits [", PATIENCE);
    assert!(login.transcript().contains("\\342\\226\\210"), "{}", login.transcript());
    login.send_line("l");
    let link = link_in(&login.expect(fits(r"https?://\S+/e#\S+"), PATIENCE));
    login.expect("Enter: leave", PATIENCE);
    let (authenticator, mut device, digits) = first.site.open_link("alice", &link);
    login.send_line(&digits);
    device.wait_for_success();
    let mut phone = authenticator.listen();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    let shown = refused(login);
    assert!(shown.contains("Denied on the phone."), "{shown}");
    let decision = first.site.agent.decision(0);
    assert_eq!(decision["cause"], "denied_on_device");
    assert!(decision["enrolled"].is_string(), "{decision}");
}

fn three_wrong_digits_register_nothing() {
    let first = First::open("{ until = \"2199-12-31\" }");
    let (mut login, link) = first.shown("alice", "echo never");
    let (_authenticator, mut device, digits) = first.site.open_link("alice", &link);
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    for left in ["2 tries left", "1 tries left"] {
        login.send_line(wrong);
        login.expect(left, PATIENCE);
    }
    login.send_line(wrong);
    let shown = refused(login);
    assert!(shown.contains("The digits were wrong too often."), "{shown}");
    assert!(!device.wait(PATIENCE).success());
    assert_eq!(devices(), 0);
    assert_eq!(first.site.agent.decision(0)["cause"], "enrolment_digits_wrong");
}

fn whoever_interrupts_the_login_leaves_nothing_open() {
    let first = First::open("{ until = \"2199-12-31\" }");
    let leave: [fn(&mut Terminal); 4] = [
        |login| login.send_control('c'),
        |login| login.send_eof(),
        Terminal::hang_up,
        Terminal::kill,
    ];
    for (at, leave) in leave.into_iter().enumerate() {
        let (mut login, link) = first.shown("alice", "echo never");
        leave(&mut login);
        let decision = first.site.agent.decision(at);
        let cause = decision["cause"].as_str().expect("a cause");
        assert!(["client_gone", "enrolment_left"].contains(&cause), "{at}: {cause}");
        assert_eq!(count(&decision, "effect", "end_enrolment"), 1);
        // The registrar hears it beside the verdict.
        let over = patience::until(PATIENCE, || {
            let withdrawn = first.site.gateway.log().matches("was withdrawn").count();
            (withdrawn > at).then_some(())
        });
        over.expect("the enrolment is withdrawn");
        assert!(first.is_over("alice", &link), "{at}");
    }
    assert_eq!(devices(), 0);
    // And the way is free.
    let (_login, _link) = first.shown("alice", "echo never");
}

fn a_block_while_the_phone_is_being_registered_ends_it() {
    let first = First::open("{ until = \"2199-12-31\" }");
    let (mut login, link) = first.shown("alice", "echo never");
    let (_authenticator, mut device, digits) = first.site.open_link("alice", &link);
    assentctl(["user", "block", "alice", "--reason", "left today"]).expect_success();
    login.send_line(&digits);
    let shown = refused(login);
    assert!(
        shown.contains("An administrator has blocked you: left today"),
        "{shown}"
    );
    assert!(!device.wait(PATIENCE).success());
    assert_eq!(devices(), 0);
    assert_eq!(first.site.agent.decision(0)["cause"], "blocked_by_administrator");
}

fn of_two_logins_at_once_the_second_is_told_and_an_admins_enrolment_goes_first() {
    let first = First::open("{ until = \"2199-12-31\" }");
    let (mut login, link) = first.shown("alice", "echo never");
    let mut second = first.types("alice", "echo never");
    second.expect(OFFER, PATIENCE);
    second.send_line("q");
    let shown = refused(second);
    assert!(shown.contains("registered for you elsewhere"), "{shown}");
    assert_eq!(first.site.agent.decision(0)["cause"], "enrolment_refused");
    // Root's word goes before a password's.
    let authenticator = first.site.enrol("alice");
    let over = first.is_over("alice", &link);
    assert!(over, "the link in the login counts no more");
    login.send_line("123456");
    let shown = refused(login);
    assert!(
        shown.contains("no other is added in a login") || shown.contains("is over"),
        "{shown}"
    );
    assert_eq!(devices(), 1);
    drop(authenticator);
}

fn where_nobody_can_be_asked_nothing_is_begun() {
    let first = First::open("{ until = \"2199-12-31\" }");
    let sshd = Sshd::builder()
        .stack(&stack("sshd-assent-password"))
        .methods("password")
        .config("PasswordAuthentication yes")
        .start();
    let client = sshd.client("alice").option("PreferredAuthentications=password");
    let mut login = client.option("NumberOfPasswordPrompts=1").run("echo never");
    login.expect("password", PATIENCE);
    login.send_line(password("alice"));
    refused(login);
    let decision = first.site.agent.decision(0);
    assert_eq!(decision["cause"], "enrolment_cannot_be_shown");
    assert_eq!(count(&decision, "effect", "open_enrolment"), 0);
    let said = decision["trace"].to_string();
    assert!(!first.site.gateway.log().contains("an enrolment is open"), "{said}");
    // Whoever answers nothing declines.
    let mut login = first.types("alice", "echo never");
    login.expect(OFFER, PATIENCE);
    login.send_line("");
    let shown = refused(login);
    assert!(shown.contains("No device is registered for you."), "{shown}");
    assert_eq!(first.site.agent.decision(1)["cause"], "no_device");
}

fn a_day_that_is_over_and_another_network_offer_nothing() {
    let first = First::open("{ until = \"2026-01-31\" }");
    let usual = first.site.configuration();
    let configure = |rule: &str| {
        let before = "services = [\"sshd\"]\nfactors = [[\"corp\"], [\"staff-push\"]]\n";
        usual.replace(before, &format!("{before}enroll_at_login = {rule}\n"))
            + "[known_networks]\nelsewhere = [\"192.0.2.0/24\"]\n"
    };
    for (at, (rule, why)) in [
        ("{ until = \"2026-01-31\" }", "its last day is over"),
        (
            "{ until = \"2199-12-31\", from = [\"elsewhere\"] }",
            "the address lies in none of its networks",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        first.site.agent.reload_with(&configure(rule)).expect_success();
        let shown = refused(first.types("alice", "echo never"));
        assert!(
            shown.contains("No device is registered for you.") && !shown.contains(OFFER),
            "{shown}"
        );
        let decision = first.site.agent.decision(at);
        assert_eq!(decision["cause"], "no_device");
        assert!(decision["trace"].to_string().contains(why), "{decision}");
        let explained = assentctl(["explain", "alice", "--service", "sshd", "--from", "127.0.0.1"]).out;
        assert!(
            explained.contains(&format!("none is registered in this login: {why}")),
            "{explained}"
        );
    }
}

fn whoever_has_a_phone_is_asked_on_it_and_offered_nothing() {
    let first = First::open("{ until = \"2199-12-31\" }");
    // It lies at home: nothing answers.
    let _at_home = first.site.enrol("alice");
    let mut login = first.types("alice", "echo never");
    let sent = patience::until(PATIENCE, || {
        login.transcript().contains(OFFER).then_some(true).or_else(|| {
            let status = assentctl(["status", "--json"]).out;
            status.contains("\"sshd\"").then_some(false)
        })
    });
    assert_eq!(sent, Some(false), "a push is waited for:\n{}", login.transcript());
    login.send_control('c');
    let decision = first.site.agent.decision(0);
    assert_eq!(decision["cause"], "client_gone");
    assert_eq!(count(&decision, "effect", "push"), 1);
    assert!(!decision["trace"].to_string().contains("enrolment"), "{decision}");
}

fn without_the_registrar_nothing_is_offered_and_what_was_begun_is_denied() {
    let mut first = First::open("{ until = \"2199-12-31\" }");
    let mut login = first.types("alice", "echo never");
    login.expect(OFFER, PATIENCE);
    first.site.gateway.kill();
    login.send_line("q");
    let shown = refused(login);
    assert!(shown.contains("cannot be reached"), "{shown}");
    let shown = refused(first.types("alice", "echo never"));
    assert!(shown.contains("cannot be reached") && !shown.contains(OFFER), "{shown}");
    for at in 0..2 {
        assert_eq!(first.site.agent.decision(at)["cause"], "gateway_unreachable");
    }
}

fn a_registrar_that_leaves_first_devices_to_admins_goes_before_the_hosts_word() {
    let first = First::open_at("", "{ until = \"2199-12-31\" }");
    let mut login = first.types("alice", "echo never");
    login.expect(OFFER, PATIENCE);
    login.send_line("q");
    let shown = refused(login);
    assert!(shown.contains("Ask your administrator to enrol you."), "{shown}");
    let decision = first.site.agent.decision(0);
    assert_eq!(decision["cause"], "enrolment_refused");
    let detail = decision["detail"].as_str().expect("a detail");
    assert!(detail.contains("first_device = \"admin\""), "{detail}");
}
