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
    let mut ssh = site.password_login(&[], "echo never");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    assert!(!ssh.wait(PATIENCE).success(), "{}", ssh.transcript());
    assert!(!ssh.transcript().contains("never"));
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
