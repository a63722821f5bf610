//! Notifications of `assentctl authenticator listen` on a real desktop: dunst, on a session bus.

use assent_tests::desktop::Desktop;
use assent_tests::product::{PATIENCE, Site, password, stack};
use assent_tests::scenarios;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;

pub const SCENARIOS: &[Scenario] = scenarios![
    r11_a_notification_says_what_the_person_lets_it_and_is_up_while_the_request_waits,
    r11_deny_on_a_notification_ends_the_login_and_nobody_else_at_the_bus_can_press_it,
    a_desktop_that_is_absent_hangs_or_dies_holds_up_no_approval,
];

const TITLE: &str = "SSH login on birch-web1";
const BODY: &str = "The details are in the terminal.";

fn site() -> (Site, Sshd) {
    let site = Site::open();
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    (site, sshd)
}

/// A login that waits for an approval.
fn login(sshd: &Sshd, command: &str) -> Terminal {
    let ssh = sshd.client("alice").option("NumberOfPasswordPrompts=1");
    let mut ssh = ssh.run(command);
    ssh.expect("Password", PATIENCE);
    ssh.send_line(password("alice"));
    ssh
}

fn approves(phone: &mut Terminal, mut login: Terminal) {
    phone.send_line("a");
    login.expect("in", PATIENCE);
    login.wait_for_success();
}

fn r11_a_notification_says_what_the_person_lets_it_and_is_up_while_the_request_waits() {
    let (site, sshd) = site();
    let authenticator = site.enrol("alice");
    let desktop = Desktop::of("alice");

    // Service and host, until it is approved.
    let mut phone = authenticator.listen();
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    desktop.wait_until_displayed(1);
    approves(&mut phone, ssh);
    desktop.wait_until_displayed(0);
    let closed = desktop.closed();
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert_eq!((closed[0].title.as_str(), closed[0].body.as_str()), (TITLE, BODY));

    // One that waits behind another as well; each until it is withdrawn.
    let (mut first, mut second) = (login(&sshd, "echo never"), login(&sshd, "echo never"));
    phone.expect("1 more wait", PATIENCE);
    desktop.wait_until_displayed(2);
    first.kill();
    phone.expect("the host withdrew it", PATIENCE);
    desktop.wait_until_displayed(1);
    second.kill();
    phone.expect("the host withdrew it", PATIENCE);
    desktop.wait_until_displayed(0);
    drop(phone);

    // Less, or nothing.
    for (words, count) in [("plain", 1), ("off", 0)] {
        let before = desktop.closed().len();
        let mut phone = authenticator.listen_with(&["--notify", words]);
        let ssh = login(&sshd, "echo in");
        phone.expect("[a]pprove", PATIENCE);
        desktop.wait_until_displayed(count);
        approves(&mut phone, ssh);
        desktop.wait_until_displayed(0);
        let closed = desktop.closed();
        assert_eq!(closed.len(), before + count, "{words}");
        if count > 0 {
            let shown = (closed[0].title.as_str(), closed[0].body.as_str());
            assert_eq!(shown, ("A sign-in is waiting", BODY));
        }
    }

    // The end of the program is the end of what is up.
    let mut phone = authenticator.listen();
    let _waits = login(&sshd, "echo never");
    phone.expect("[a]pprove", PATIENCE);
    desktop.wait_until_displayed(1);
    phone.send_control('c');
    assert!(!phone.wait(PATIENCE).success());
    assert!(phone.transcript().contains("got no answer"), "{}", phone.transcript());
    assert_eq!(desktop.displayed(), 0);
}

fn r11_deny_on_a_notification_ends_the_login_and_nobody_else_at_the_bus_can_press_it() {
    let (site, sshd) = site();
    let desktop = Desktop::of("alice");
    let mut phone = site.enrol("alice").listen();
    let mut ssh = login(&sshd, "echo never");
    phone.expect("[a]pprove", PATIENCE);
    desktop.wait_until_displayed(1);
    desktop.somebody_says_pressed("deny");
    assert!(
        !phone.transcript().contains("Deny was pressed"),
        "{}",
        phone.transcript()
    );
    assert_eq!(desktop.displayed(), 1);

    let before = site.agent.audit().len();
    desktop.press();
    phone.expect("Deny was pressed on its notification", PATIENCE);
    phone.expect("Sent: denied", PATIENCE);
    assert!(!ssh.wait(PATIENCE).success());
    assert!(!ssh.transcript().contains("never"), "{}", ssh.transcript());
    assert_eq!(site.agent.decision(before)["cause"], "denied_on_device");
    desktop.wait_until_displayed(0);
}

fn a_desktop_that_is_absent_hangs_or_dies_holds_up_no_approval() {
    let (site, sshd) = site();
    let authenticator = site.enrol("alice");

    // No bus: said once.
    let mut phone = authenticator.listen();
    for _ in 0..2 {
        let ssh = login(&sshd, "echo in");
        phone.expect("[a]pprove", PATIENCE);
        approves(&mut phone, ssh);
    }
    let said = phone.transcript();
    let count = said
        .matches("No desktop notifications: there is no session bus")
        .count();
    assert_eq!(count, 1, "{said}");

    // A bus and a desktop have come: the next request is shown.
    let mut desktop = Desktop::of("alice");
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    desktop.wait_until_displayed(1);
    approves(&mut phone, ssh);
    desktop.wait_until_displayed(0);

    // One that hangs: the request is drawn first, and its approval waits for nothing.
    desktop.area().freeze();
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    phone.expect("No desktop notifications: the desktop does not answer", PATIENCE);
    approves(&mut phone, ssh);
    let mut ssh = login(&sshd, "echo never");
    phone.expect("[a]pprove", PATIENCE);
    ssh.kill();
    phone.expect("the host withdrew it", PATIENCE);
    // Awake again, it shows nothing of what is over.
    desktop.area().thaw();
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    desktop.wait_until_displayed(1);
    approves(&mut phone, ssh);
    desktop.wait_until_displayed(0);
    assert_eq!(desktop.closed().len(), 2);

    // One that dies, and another in its place.
    desktop.area().kill();
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    phone.expect("No desktop notifications: no desktop answers", PATIENCE);
    approves(&mut phone, ssh);
    desktop.open_area();
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    desktop.wait_until_displayed(1);
    approves(&mut phone, ssh);
    desktop.wait_until_displayed(0);
    // The bus itself.
    desktop.bus().kill();
    let ssh = login(&sshd, "echo in");
    phone.expect("[a]pprove", PATIENCE);
    phone.expect("No desktop notifications: there is no session bus", PATIENCE);
    approves(&mut phone, ssh);
}
