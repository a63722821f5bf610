//! What the RPM packages' scripts do, run by rpm itself and a real systemd. Debian is no RPM system: their
//! dependencies and the place of the module (`/usr/lib64`) are not tried here.

use super::site::Site;

const UNITS: [&str; 3] = ["assent-agentd.socket", "assent-admin.socket", "assent-agentd.service"];

pub fn upgraded(site: &mut Site) {
    // A preset that says no, as on Enterprise Linux: an installation starts nothing there.
    site.machine
        .shell("mkdir -p /etc/systemd/system-preset; echo 'disable *' >/etc/systemd/system-preset/99-test.preset");
    site.install_rpms(false).expect_success();
    for unit in UNITS {
        assert_eq!(site.state(unit), "inactive", "{unit}");
        let enabled = site.machine.run(["systemctl", "is-enabled", unit]).out;
        assert_eq!(enabled.trim(), "disabled", "{unit}");
    }
    let modes = site
        .machine
        .shell("stat -c '%U:%G %a' /usr/lib64/security/pam_assent.so /etc/assent/agentd.toml /run/assent");
    assert_eq!(modes, "root:root 755\nroot:root 644\nroot:root 755\n");

    site.machine
        .shell(&format!("systemctl enable --now {}; assentctl status", UNITS.join(" ")));
    let agent = || site.machine.shell("systemctl show --property=MainPID assent-agentd");
    let before = (site.sockets(), agent());
    site.install_rpms(true).expect_success();
    assert_eq!(site.sockets(), before.0, "R50: the sockets are the same, to the inode");
    assert_ne!(agent(), before.1, "the new agent runs");
}

pub fn removed(site: &mut Site) {
    site.machine
        .shell("cp -a /etc/pam.d/sudo /root/sudo.before; echo 'auth required pam_assent.so' >>/etc/pam.d/sudo");
    let remove = ["rpm", "--erase", "--nodeps", "--force-debian", "assent"];
    let refused = site.machine.run(remove);
    assert!(!refused.status.success(), "{}", refused.out);
    assert!(
        refused.err.contains("/etc/pam.d/sudo:"),
        "it says where:\n{}",
        refused.err
    );
    assert_eq!(site.state("assent-agentd.service"), "active");
    site.machine
        .shell("test -e /usr/lib64/security/pam_assent.so; mv /root/sudo.before /etc/pam.d/sudo");
    site.machine.run(remove).expect_success();
    let left = site
        .machine
        .shell("ls /usr/lib64/security/pam_assent.so /run/assent /usr/sbin/assent-agentd 2>&1 || true");
    assert_eq!(left.matches("cannot access").count(), 3, "{left}");
    assert_eq!(site.state("assent-agentd.socket"), "inactive");
}
