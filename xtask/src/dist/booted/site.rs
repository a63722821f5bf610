//! The site in the booted Debian (gateway, agent and alice's authenticator, all from the packages), and what must hold
//! of it step by step.

use assent_tests::booted::Machine;
use assent_tests::certificates::Authority;
use assent_tests::patience;
use assent_tests::product::PATIENCE;
use assent_tests::program::{Finished, Program};
use assent_tests::scratch;
use assent_tests::terminal::{Terminal, fits};
use std::path::{Path, PathBuf};

const URL: &str = "https://127.0.0.1:8443";
const CA: &str = "/etc/assent/gateway-ca.pem";
const PASSWORD: &str = "birch-and-beech";

/// `[[auth_profile]]` and so on: the system's password, then a tap, for everybody whom the system knows.
const AGENT: &str = r#"[gateway]
url = "https://127.0.0.1:8443"
ca_file = "/etc/assent/gateway-ca.pem"

[[auth_profile]]
name = "local"
kind = "local"

[[push_profile]]
name = "everybody"
fallback_auth_profiles = ["local"]
assurance = "tap"

[[application]]
name = "ssh"
services = ["sshd"]
factors = [["stack"], ["everybody"]]

[[application]]
name = "sudo"
services = ["sudo"]
factors = [["everybody"]]
"#;

const GATEWAY: &str = r#"listen = "127.0.0.1:8443"
public_url = "https://127.0.0.1:8443"
tls_certificate = "/etc/assent/gateway/tls.crt"
tls_key = "/etc/assent/gateway/tls.key"
"#;

const UNITS: [(&str, &str); 2] = [("assent-agentd.service", "13"), ("assent-gateway.service", "14")];

/// What there is.
pub struct Site {
    /// The Debian.
    pub machine: Machine,
    packages: Vec<PathBuf>,
    upgrades: Vec<PathBuf>,
    known_hosts: PathBuf,
}

impl Site {
    /// A machine with a user, and none of our packages yet.
    pub fn new(machine: Machine, packages: &[PathBuf], upgrades: &[PathBuf]) -> Self {
        let host = std::fs::read_to_string(machine.root().join("etc/ssh/ssh_host_ed25519_key.pub"));
        let known_hosts = scratch::unused("known_hosts");
        scratch::write(
            &known_hosts,
            &format!("127.0.0.1 {}", host.expect("the machine's host key")),
        );
        machine.shell(
            "useradd --create-home --shell /bin/bash alice; useradd --create-home bob; useradd --create-home carol",
        );
        machine.shell(&format!("echo alice:{PASSWORD} | chpasswd"));
        machine.write(
            "/etc/sudoers.d/alice",
            "alice ALL=(ALL) ALL\nDefaults timestamp_timeout=0\n",
        );
        machine.shell("chmod 0440 /etc/sudoers.d/alice");
        Self {
            machine,
            packages: packages.to_vec(),
            upgrades: upgrades.to_vec(),
            known_hosts,
        }
    }

    /// The last lines that its journal has.
    pub fn end_of_journal(&self) -> String {
        let lines = ["journalctl", "--no-pager", "--quiet", "--boot", "--lines=60"];
        self.machine.run(lines).out
    }

    /// Puts packages into it and has apt install them, as an admin would.
    pub fn install(&self, upgrades: bool) -> Finished {
        let packages = if upgrades { &self.upgrades } else { &self.packages };
        let mut files = String::new();
        for package in packages {
            let to = format!("/srv/{}", package.file_name().expect("a name").to_string_lossy());
            self.machine.put(package, &to);
            files.extend([" ", &to]);
        }
        let line = format!("DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends{files}");
        self.machine.run(["sh", "-c", &line])
    }

    /// `ssh user@127.0.0.1 command`, from outside the machine.
    pub fn ssh(&self, options: &[&str], user: &str, command: &str) -> Program {
        let known = format!("UserKnownHostsFile={}", self.known_hosts.display());
        Program::new("ssh")
            .args(["-F", "none", "-o", &known, "-o", "StrictHostKeyChecking=yes"])
            .args(["-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"])
            .args(options)
            .args([&format!("{user}@127.0.0.1"), command])
    }

    /// alice's authenticator, opened.
    pub fn phone(&self) -> Terminal {
        let words = ["assentctl", "authenticator", "listen"];
        let mut phone = Terminal::open(&self.machine.program_of("alice", &words));
        phone.expect(fits("Listening at .*"), PATIENCE);
        phone
    }

    fn password_login(&self, options: &[&str], command: &str) -> Terminal {
        let mut ssh = Terminal::open(&self.ssh(options, "alice", command));
        ssh.expect("password:", PATIENCE);
        ssh.send_line(PASSWORD);
        ssh
    }

    /// Waits until its journal has this.
    fn wait_for_journal(&self, unit: &str, text: &str) {
        let seen = patience::until(PATIENCE, || {
            let journal = self
                .machine
                .run(["journalctl", "--no-pager", "--quiet", "--unit", unit])
                .out;
            journal.contains(text).then_some(())
        });
        assert!(
            seen.is_some(),
            "{unit} did not log {text:?}:\n{}",
            self.end_of_journal()
        );
    }

    fn state(&self, unit: &str) -> String {
        self.machine.run(["systemctl", "is-active", unit]).out.trim().to_owned()
    }

    fn stacks(&self) -> String {
        self.machine
            .shell("cd /etc/pam.d; sha256sum *; find /usr/share/pam-configs -type f | sort")
    }

    /// Device, inode and owner of both sockets.
    pub fn sockets(&self) -> String {
        self.machine.shell("stat -c '%n %d:%i %U:%G %a %F' /run/assent/*.sock")
    }
}

pub fn installed(site: &mut Site) {
    let before = site.stacks();
    site.install(false).expect_success();
    assert_eq!(site.stacks(), before, "an installation changes no PAM stack");
    for unit in ["assent-agentd.socket", "assent-admin.socket", "assent-agentd.service"] {
        assert_eq!(site.state(unit), "active", "{unit}");
        let enabled = site.machine.run(["systemctl", "is-enabled", unit]).out;
        assert_eq!(enabled.trim(), "enabled", "{unit}");
    }
    // It waits for the registrar's keys; that is no failure of the system.
    assert_eq!(site.state("assent-gateway.service"), "inactive");
    let system = site.machine.run(["systemctl", "is-system-running"]).out;
    assert_eq!(system.trim(), "running", "{}", site.end_of_journal());
    let complaints = site
        .machine
        .shell("dpkg --audit; dpkg --verify assent assentctl assent-gateway");
    assert_eq!(complaints, "", "every file is as it was packaged");
}

pub fn modes(site: &mut Site) {
    let stat = |paths: &str| site.machine.shell(&format!("stat -L -c '%U:%G %a %n' {paths}"));
    assert_eq!(
        stat("/run/assent /run/assent/agent.sock /run/assent/admin.sock /etc/assent /etc/assent/agentd.toml"),
        "root:root 755 /run/assent\nroot:root 600 /run/assent/agent.sock\nroot:root 600 /run/assent/admin.sock\n\
         root:root 755 /etc/assent\nroot:root 644 /etc/assent/agentd.toml\n"
    );
    assert_eq!(
        stat("/var/lib/assent /etc/assent/trust.d /etc/assent/gateway /etc/assent/gateway.toml"),
        "assent:assent 700 /var/lib/assent\nroot:root 755 /etc/assent/trust.d\n\
         root:assent-gateway 750 /etc/assent/gateway\nroot:root 644 /etc/assent/gateway.toml\n"
    );
    let module = site
        .machine
        .shell("stat -c '%U:%G %a' /lib/$(uname -m)-linux-gnu/security/pam_assent.so");
    assert_eq!(module, "root:root 644\n", "it lies where this Debian's PAM looks");
}

pub fn bus(site: &mut Site) {
    site.machine.shell("usermod --append --groups assent-view carol");
    let call = |user: &str, method: &str| {
        let call = [
            "busctl",
            "--system",
            "call",
            "org.assent.Agent1",
            "/org/assent/Agent1",
            "org.assent.Agent1",
        ];
        let words: Vec<&str> = call.into_iter().chain([method]).collect();
        let program = if user == "root" {
            site.machine.program(&words)
        } else {
            site.machine.program_of(user, &words)
        };
        program.finish(PATIENCE)
    };
    call("root", "Status").expect_success();
    call("root", "Reload").expect_success();
    call("carol", "Status").expect_success();
    for (user, method) in [("carol", "Reload"), ("bob", "Status"), ("bob", "Reload")] {
        let refused = call(user, method);
        let denied = refused.err.contains("Access denied") || refused.err.contains("AccessDenied");
        assert!(
            !refused.status.success() && denied,
            "{user} {method}: {}{}",
            refused.out,
            refused.err
        );
    }
}

pub fn units_are_tight(site: &mut Site) {
    for (unit, threshold) in UNITS {
        let threshold = format!("--threshold={threshold}");
        let looked = site
            .machine
            .run(["systemd-analyze", "security", "--no-pager", &threshold, unit]);
        let last = looked.out.lines().last().unwrap_or_default().to_owned();
        assert!(looked.status.success(), "{last}\n{}", looked.err);
        println!("             {}", last.trim());
    }
    let verified = site.machine.run([
        "sh",
        "-c",
        "systemd-analyze verify --man=no /usr/lib/systemd/system/assent-*",
    ]);
    assert_eq!(
        (verified.status.success(), verified.err.as_str()),
        (true, ""),
        "systemd reads the units"
    );
}

pub fn unconfigured(site: &mut Site) {
    let test = site.machine.run(["assentctl", "test", "alice", "--json"]);
    assert_eq!(test.status.code(), Some(1), "{}{}", test.out, test.err);
    assert!(test.out.contains("\"denied\""), "{}", test.out);
}

pub fn joined(site: &mut Site) {
    let machine = &site.machine;
    machine.run(["systemctl", "start", "assent-gateway"]).expect_success();
    assert_eq!(
        site.state("assent-gateway.service"),
        "inactive",
        "without keys it does not start"
    );
    machine.shell(
        "assentctl registrar init --all-in-one --state-dir /var/lib/assent-gateway --root-key /root/assent-root.key \
         --owner assent-gateway",
    );
    let authority = Authority::create();
    let server = authority.server_certificate("gateway");
    machine.put(&server.certificate, "/etc/assent/gateway/tls.crt");
    machine.put(&server.key, "/etc/assent/gateway/tls.key");
    machine.put(&authority.certificate(), CA);
    machine.shell(
        "cd /etc/assent/gateway; chown assent-gateway: tls.key; chmod 0600 tls.key; chmod 0644 tls.crt /etc/assent/gateway-ca.pem",
    );
    machine.write("/etc/assent/gateway.toml", GATEWAY);
    machine.run(["systemctl", "start", "assent-gateway"]).expect_success();
    site.wait_for_journal("assent-gateway", "listening on");
    let token = machine.shell("assentctl host token --name booted");
    machine.shell(&format!(
        "assentctl host join {URL} {} --name booted --ca-file {CA}",
        token.trim()
    ));
    machine.write("/etc/assent/agentd.toml", AGENT);
    machine.shell("assentctl check; assentctl reload");
    site.wait_for_journal("assent-agentd", "connected to the relay");
    let keys = machine.shell("stat -c '%U %a' /var/lib/assent/host.key");
    assert_eq!(keys, "assent 600\n");
}

pub fn enrolled(site: &mut Site) {
    let mut admin = Terminal::open(&site.machine.program(["assentctl", "enroll", "alice", "--no-qr"]));
    let shown = admin.expect(fits(r"https://\S+/e#\S+"), PATIENCE);
    let link = shown.split_whitespace().last().expect("a link").to_owned();
    let words = [
        "assentctl",
        "authenticator",
        "enroll",
        &link,
        "--label",
        "laptop",
        "--ca-file",
        CA,
    ];
    let mut device = Terminal::open(&site.machine.program_of("alice", &words));
    let shown = device.expect(fits(r"\b\d{3} ?\d{3}\b"), PATIENCE);
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    admin.expect(fits(r"(?i)digits"), PATIENCE);
    admin.send_line(&digits[digits.len() - 6..]);
    admin.wait_for_success();
    device.wait_for_success();
}

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

impl Site {
    /// Waits until the agent that runs now hears the gateway.
    pub fn wait_until_connected(&self) {
        let seen = patience::until(PATIENCE, || {
            let line = "journalctl --no-pager --quiet _PID=$(systemctl show --property=MainPID --value assent-agentd)";
            let journal = self.machine.run(["sh", "-c", line]).out;
            journal.contains("connected to the relay").then_some(())
        });
        assert!(seen.is_some(), "the agent does not connect:\n{}", self.end_of_journal());
    }
}

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
    assert!(Path::new(&site.machine.root().join("etc/pam.d/sudo")).exists());
}
