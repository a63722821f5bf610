//! Several devices of one user: added with the approval of one that is registered, listed, named, removed.

use assent_tests::product::{PATIENCE, Site, assentctl};
use assent_tests::scenarios;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;

pub const SCENARIOS: &[Scenario] = scenarios![
    r27_a_further_device_is_added_once_a_registered_one_has_approved_it,
    r27_a_further_device_that_is_denied_or_reported_is_not_added,
    a_device_renames_and_removes_itself_and_approves_nothing_any_more,
    an_admin_makes_a_one_time_link_to_the_panel,
    no_host_takes_the_registrars_name,
];

fn r27_a_further_device_is_added_once_a_registered_one_has_approved_it() {
    let site = Site::open();
    let first = site.enrol("alice");
    let mut phone = first.listen();
    let mut enrolling = site.begin_enrolment("alice");
    enrolling.admin.expect("approve the new device", PATIENCE);
    let shown = phone.expect("[a]pprove", PATIENCE);
    let digits = format!("{} {}", &enrolling.digits[..3], &enrolling.digits[3..]);
    for detail in ["enrol", "registrar", "alice", &digits, "vouched for by root"] {
        assert!(shown.contains(detail), "{detail} stands before the question:\n{shown}");
    }
    let before = assentctl(["device", "list"]).expect_success().out;
    assert_eq!(before.matches("test phone").count(), 1, "not yet:\n{before}");
    phone.send_line("a");
    enrolling.admin.wait_for_success();
    enrolling.device.wait_for_success();
    // The first device hears of it, and both are listed.
    phone.expect("list of your devices has changed", PATIENCE);
    let list = first.devices([]).expect_success().out;
    assert!(list.contains("2 devices") && list.contains("(this one)"), "{list}");

    // Either may approve now.
    sudoers::allow("alice");
    sudoers::stack(&assent_tests::product::stack("sudo"));
    drop(phone);
    let mut tablet = enrolling.authenticator.listen();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    tablet.expect("[a]pprove", PATIENCE);
    tablet.send_line("a");
    sudo.wait_for_success();
}

fn r27_a_further_device_that_is_denied_or_reported_is_not_added() {
    let site = Site::open();
    let first = site.enrol("alice");
    let mut phone = first.listen();
    for answer in ["d", "n"] {
        let mut enrolling = site.begin_enrolment("alice");
        phone.expect("[a]pprove", PATIENCE);
        phone.send_line(answer);
        let status = enrolling.admin.wait(PATIENCE);
        assert!(!status.success(), "{}", enrolling.admin.transcript());
        assert!(!enrolling.device.wait(PATIENCE).success());
    }
    let list = assentctl(["device", "list"]).expect_success().out;
    assert_eq!(list.matches("test phone").count(), 1, "{list}");
    assert!(
        site.gateway.log().contains("not me"),
        "a report is a warning in the log"
    );
}

fn a_device_renames_and_removes_itself_and_approves_nothing_any_more() {
    let site = Site::open();
    let device = site.enrol("alice");
    let list = device.devices(["--rename", "Old phone"]).expect_success().out;
    assert!(list.contains("\"Old phone\" (this one)"), "{list}");
    let empty = device.devices(["--rename", " "]);
    assert!(!empty.status.success() && empty.err.contains("label"), "{}", empty.err);
    device.devices(["--leave"]).expect_success();
    let after = device.devices([]);
    assert!(!after.status.success(), "{}", after.out);
    assert!(after.err.contains("does not know this device"), "{}", after.err);
    sudoers::allow("alice");
    sudoers::stack(&assent_tests::product::stack("sudo"));
    let before = site.agent.audit().len();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    assert!(!sudo.wait(PATIENCE).success());
    assert_eq!(site.agent.decision(before)["cause"], "no_device");
}

fn an_admin_makes_a_one_time_link_to_the_panel() {
    let site = Site::open();
    let made = assentctl(["enroll", "alice", "--link", "--ttl", "600"]).expect_success();
    let panel = format!("{}/panel/l#1.", site.gateway.url());
    assert!(made.out.contains(&panel), "{}", made.out);
    let unknown = assentctl(["enroll", "mallory", "--link"]);
    assert!(
        !unknown.status.success() && unknown.err.contains("knows this user"),
        "{}",
        unknown.err
    );
    let long = assentctl(["enroll", "alice", "--link", "--ttl", "86401"]);
    assert!(!long.status.success());
    let log = site.gateway.log();
    let secret = made.out.split('.').rev().nth(1).expect("the secret's part");
    assert!(!log.contains(secret), "r25: no log holds it");
}

fn no_host_takes_the_registrars_name() {
    let _site = Site::open();
    let token = assentctl(["host", "token", "--name", "registrar"]);
    assert!(!token.status.success());
    assert!(token.err.contains("registrar's own name"), "{}", token.err);
}
