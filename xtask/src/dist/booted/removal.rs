//! Removal: never a PAM line without its module, and nothing left behind that hurts.

use super::site::{PASSWORD, Site};
use assent_tests::product::PATIENCE;

pub fn removal_refused(site: &mut Site) {
    let refused = site.machine.run(["apt-get", "remove", "--yes", "assent"]);
    assert!(!refused.status.success(), "{}", refused.out);
    let said = refused.out + &refused.err;
    for told in [
        "/etc/pam.d/sshd:3: auth ",
        "/etc/pam.d/sudo:2: auth ",
        "ASSENT_FORCE_REMOVE=yes",
    ] {
        assert!(said.contains(told), "{told:?} in:\n{said}");
    }
    let status = site.machine.shell("dpkg-query -W -f='${db:Status-Abbrev}' assent");
    assert_eq!(status.trim(), "ii", "it is installed as before");
    assert_eq!(site.state("assent-agentd.service"), "active");
    ssh_again(site);
}

fn ssh_again(site: &Site) {
    let mut phone = site.phone();
    let mut ssh = site.password_login(&[], "echo still");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    ssh.expect("still", PATIENCE);
    ssh.wait_for_success();
}

pub fn removed(site: &mut Site) {
    // A comment and a kept copy name it too; neither is in the way.
    let mend = "cp /root/pam.d.before/sshd /root/pam.d.before/sudo /etc/pam.d/; \
        echo '#auth required pam_assent.so' >>/etc/pam.d/sudo; cp /usr/share/assent/pam/sudo /etc/pam.d/sudo.dpkg-old";
    site.machine.shell(mend);
    site.machine
        .run(["apt-get", "remove", "--yes", "assent"])
        .expect_success();
    assert_eq!(
        site.machine
            .shell("ls /run/assent /usr/sbin/assent-agentd 2>&1 || true")
            .matches("cannot access")
            .count(),
        2
    );
    let running = site
        .machine
        .run(["sh", "-c", "pgrep assent-agentd; systemctl is-failed 'assent-a*'"]);
    assert!(!running.out.contains("failed"), "{}", running.out);
    let mut ssh = site.password_login(&["-tt"], "sudo id -un");
    ssh.expect("[sudo] password for alice:", PATIENCE);
    ssh.send_line(PASSWORD);
    ssh.expect("root", PATIENCE);
    ssh.wait_for_success();
}

pub fn purged(site: &mut Site) {
    let said = site
        .machine
        .run(["apt-get", "purge", "--yes", "assent", "assent-gateway", "assentctl"])
        .expect_success();
    let said = said.out + &said.err;
    assert!(said.contains("kept /var/lib/assent,"), "{said}");
    assert!(said.contains("kept /var/lib/assent-gateway "), "{said}");
    let left = site
        .machine
        .shell("cd /var/lib; find assent -type f; ls assent-gateway/issuer.key; ls /etc/assent 2>/dev/null || true");
    assert!(left.contains("assent/audit.jsonl"), "the audit stays: {left}");
    assert!(
        !left.contains("host.key") && !left.contains("registrar.pub"),
        "no key stays: {left}"
    );
    assert!(
        left.contains("issuer.key"),
        "what nobody could make again stays: {left}"
    );
    let units = site.machine.shell(
        "find /etc/systemd /run/systemd -name 'assent*' 2>/dev/null; ls /usr/lib/systemd/system | grep assent || true",
    );
    assert_eq!(units, "", "no unit is left");
}
