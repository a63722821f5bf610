//! sudo: the command on the device, and what sends no push.

use super::ssh::count;
use assent_tests::product::{PATIENCE, Site, stack};
use assent_tests::scenarios;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;

pub const SCENARIOS: &[Scenario] = scenarios![
    a_tap_lets_sudo_run_what_the_device_showed,
    a_denied_sudo_runs_nothing,
    r40_forged_environment_and_names_do_not_reach_the_device,
    r55_control_c_in_the_wait_withdraws_the_push_and_a_later_tap_does_nothing,
    r55_a_closed_terminal_withdraws_the_push,
    without_a_terminal_with_n_and_for_l_and_v_nothing_is_sent,
    r42_a_host_name_given_to_sudo_changes_nothing,
    a_user_may_use_the_phone_for_another_target_user,
];

fn site() -> Site {
    let site = Site::open();
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    site
}

fn ends_refused(mut terminal: Terminal) -> String {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
    terminal.transcript().to_owned()
}

fn a_tap_lets_sudo_run_what_the_device_showed() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/printf", "%s|", "two words", "$(reboot)", "done"]);
    sudo.expect("Waiting for your approval on the phone [", PATIENCE);
    let shown = phone.expect("[a]pprove", PATIENCE);
    for part in ["sudo", "alice", "root", "/usr/bin/printf", "two words", "$(reboot)"] {
        assert!(shown.contains(part), "{part} on the device:\n{shown}");
    }
    phone.send_line("a");
    sudo.expect("two words|$(reboot)|done|", PATIENCE);
    sudo.wait_for_success();
}

fn a_denied_sudo_runs_nothing() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let sudo = Sudo::by("alice").run(["/usr/bin/touch", "/tmp/touched"]);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    assert!(ends_refused(sudo).contains("Denied on the phone."));
    assert!(!std::path::Path::new("/tmp/touched").exists());
    assert_eq!(site.agent.decision(0)["cause"], "denied_on_device");
}

fn r40_forged_environment_and_names_do_not_reach_the_device() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice")
        .env("SUDO_COMMAND", "/bin/true harmless")
        .env("SSH_CONNECTION", "192.0.2.99 1 192.0.2.98 22")
        .env("SSH_AUTH_INFO_0", "publickey forged")
        .run(["/usr/bin/id", "-u"]);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("/usr/bin/id"), "{shown}");
    for forged in ["harmless", "192.0.2.99", "publickey"] {
        assert!(!shown.contains(forged), "{forged} on the device:\n{shown}");
    }
    phone.send_line("a");
    sudo.wait_for_success();
}

fn r55_control_c_in_the_wait_withdraws_the_push_and_a_later_tap_does_nothing() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/touch", "/tmp/touched"]);
    phone.expect("[a]pprove", PATIENCE);
    sudo.send_control('c');
    ends_refused(sudo);
    assert_eq!(site.agent.decision(0)["cause"], "client_gone");
    phone.expect(assent_tests::terminal::fits("(?i)withdr"), PATIENCE);
    phone.send_line("a");
    assert!(!std::path::Path::new("/tmp/touched").exists());
}

fn r55_a_closed_terminal_withdraws_the_push() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/touch", "/tmp/touched"]);
    phone.expect("[a]pprove", PATIENCE);
    sudo.hang_up();
    assert_eq!(site.agent.decision(0)["cause"], "client_gone");
    assert!(!std::path::Path::new("/tmp/touched").exists());
}

fn without_a_terminal_with_n_and_for_l_and_v_nothing_is_sent() {
    let site = site();
    site.enrol("alice");
    let mut seen = 0;
    let mut cause = |finished: bool| {
        assert!(!finished, "sudo succeeded");
        // sudo -n may decide by itself that it needs a password; then the agent hears nothing of it.
        let decisions = site.agent.audit();
        let new = decisions.get(seen).cloned();
        seen = decisions.len();
        if let Some(decision) = &new {
            assert_eq!(count(decision, "effect", "push"), 0, "{decision}");
        }
        new.map(|decision| decision["cause"].as_str().expect("a cause").to_owned())
    };
    let run = |option: &str| {
        let mut terminal = Sudo::by("alice").option(option).run(["/usr/bin/id"]);
        terminal.wait(PATIENCE).success()
    };
    let n = cause(run("-n"));
    assert!(n.is_none() || n.as_deref() == Some("non_interactive"), "{n:?}");
    let bare = |option: &str| {
        let mut terminal = Terminal::open(&Sudo::by("alice").option(option).program(std::iter::empty::<&str>()));
        terminal.wait(PATIENCE).success()
    };
    assert_eq!(cause(bare("-v")).as_deref(), Some("runs_no_command"));
    assert_eq!(cause(bare("-l")).as_deref(), Some("runs_no_command"));
    let finished = Sudo::by("alice").program(["/usr/bin/id"]).finish(PATIENCE);
    let tty = cause(finished.status.success());
    assert!(tty.is_none() || tty.as_deref() == Some("no_terminal"), "{tty:?}");
}

fn r42_a_host_name_given_to_sudo_changes_nothing() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice")
        .option("--host=other.example.org")
        .run(["/usr/bin/id"]);
    // sudo itself refuses -h for commands on most versions; if it asks, the device names this host.
    let passed = sudo.wait(PATIENCE).success();
    assert!(!passed, "sudo ran a command for another host:\n{}", sudo.transcript());
    for decision in site.agent.audit() {
        assert_eq!(count(&decision, "effect", "push"), 0, "{decision}");
    }
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id"]);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains(assent_tests::namespace::HOST_NAME), "{shown}");
    phone.send_line("a");
    sudo.wait_for_success();
}

fn a_user_may_use_the_phone_for_another_target_user() {
    let site = site();
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice").option("-u").run(["bob", "/usr/bin/id", "-un"]);
    let shown = phone.expect("[a]pprove", PATIENCE);
    assert!(shown.contains("bob"), "{shown}");
    phone.send_line("a");
    sudo.expect("bob", PATIENCE);
    sudo.wait_for_success();
}
