//! Logins by the shipped units and stacks, and what a stopped agent does to them.

use super::site::Site;
use assent_tests::product::PATIENCE;
use assent_tests::terminal::fits;

pub fn ssh(site: &mut Site) {
    let stacks =
        "cp /usr/share/assent/pam/sshd-password /etc/pam.d/sshd; cp /usr/share/assent/pam/sudo /etc/pam.d/sudo";
    site.machine
        .shell(&format!("cp -a /etc/pam.d /root/pam.d.before; {stacks}"));
    let mut phone = site.phone();
    let mut ssh = site.password_login(&[], "echo the shell of $(id -un)");
    let shown = phone.expect(fits(r"(?s)sshd.*alice.*\[a\]pprove"), PATIENCE);
    assert!(shown.contains("booted"), "the device names the host:\n{shown}");
    phone.send_line("a");
    ssh.expect("the shell of alice", PATIENCE);
    ssh.wait_for_success();
    in_the_journal(site);
    let mut ssh = site.password_login(&[], "echo never");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    assert!(!ssh.wait(PATIENCE).success(), "{}", ssh.transcript());
    assert!(!ssh.transcript().contains("never"));
}

/// The login's own id finds it in the journal, with its fields.
fn in_the_journal(site: &Site) {
    let last = site
        .machine
        .run(["assentctl", "audit", "tail", "-n", "1", "--json"])
        .out;
    let record: serde_json::Value = serde_json::from_str(last.trim()).expect("the last decision");
    let login = format!("ASSENT_LOGIN={}", record["login"].as_str().expect("an id"));
    let words = ["journalctl", "--no-pager", "--quiet", "--output=json", login.as_str()];
    let found = site.machine.run(words).expect_success().out;
    let entries: Vec<&str> = found.lines().collect();
    assert_eq!(entries.len(), 1, "{login} finds one entry:\n{found}");
    let entry: serde_json::Value = serde_json::from_str(entries[0]).expect("JSON");
    for (field, value) in [
        ("ASSENT_VERDICT", "approved"),
        ("ASSENT_USER", "alice"),
        ("ASSENT_SERVICE", "sshd"),
        ("SYSLOG_IDENTIFIER", "assent-agentd"),
        ("_SYSTEMD_UNIT", "assent-agentd.service"),
    ] {
        assert_eq!(entry[field], value, "{entry}");
    }
}

pub fn sudo(site: &mut Site) {
    let mut phone = site.phone();
    let mut ssh = site.password_login(&["-tt"], "sudo /usr/bin/printf 'by root: %s\\n' 'two words'");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    let shown = phone.expect(fits(r"(?s)sudo.*\[a\]pprove"), PATIENCE);
    assert!(shown.contains("two words"), "the device shows the command:\n{shown}");
    phone.send_line("a");
    ssh.expect("by root: two words", PATIENCE);
    ssh.wait_for_success();
}

pub fn stopped(site: &mut Site) {
    site.machine
        .run(["systemctl", "stop", "assent-agentd.service"])
        .expect_success();
    let mut phone = site.phone();
    let mut ssh = site.password_login(&[], "echo woken");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    ssh.expect("woken", PATIENCE);
    ssh.wait_for_success();

    let all = ["assent-agentd.socket", "assent-admin.socket", "assent-agentd.service"];
    site.machine
        .program(["systemctl", "stop"].iter().chain(&all))
        .finish(PATIENCE)
        .expect_success();
    let mut ssh = site.password_login(&[], "echo never");
    assert!(!ssh.wait(PATIENCE).success());
    assert!(!ssh.transcript().contains("never"), "{}", ssh.transcript());
    let journal = site
        .machine
        .run(["journalctl", "--no-pager", "--quiet", "--identifier=pam_assent"])
        .out;
    assert!(
        journal.contains("sshd:auth: denied: "),
        "the cause is logged:\n{journal}"
    );
    let told = site.machine.run(["assentctl", "status"]);
    assert_eq!(
        told.status.code(),
        Some(3),
        "an absent agent is told from a broken one: {}",
        told.err
    );
    site.machine
        .program(["systemctl", "start"].iter().chain(&all))
        .finish(PATIENCE)
        .expect_success();
    site.wait_until_connected();
}
