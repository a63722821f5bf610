//! From the installation to an enrolled user.

use super::site::Site;
use assent_tests::certificates::Authority;
use assent_tests::product::PATIENCE;
use assent_tests::terminal::{Terminal, fits};

const URL: &str = "https://127.0.0.1:8443";

const CA: &str = "/etc/assent/gateway-ca.pem";

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
