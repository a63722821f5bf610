//! The manual's walk-through, run from its own text: its files, its commands, and what its terminals show.

use super::sms::SmsGateway;
use assent_tests::company::SERVICE_PASSWORD;
use assent_tests::product::{Gateway, PATIENCE, Site, password, program, stack};
use assent_tests::scenarios;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use std::net::Ipv4Addr;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![m8_the_manuals_walk_through_does_what_it_says];

/// The page.
struct Page(String);

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walkthrough.md");
        Self(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    /// The one block of this kind, such as `toml agentd`.
    fn block(&self, kind: &str) -> &str {
        let begins = format!("\n```{kind}\n");
        assert_eq!(self.0.matches(&begins).count(), 1, "one block {kind:?}");
        let (_, rest) = self.0.split_once(&begins).expect("it is there");
        rest.split_once("\n```").expect("it ends").0
    }

    /// What a terminal shows, line by line, as expressions: login ids and numbers are others each time.
    fn shows(&self, kind: &str) -> Vec<String> {
        let line = |line: &str| {
            let quoted = line
                .trim_end()
                .replace('.', r"\.")
                .replace('[', r"\[")
                .replace(']', r"\]");
            let with_id = regex_replace(&quoted, r"\\\[[a-z0-9]{6}\\\]", r"\[\w{6}\]");
            with_id.replace("482", r"\d{3}")
        };
        self.block(kind).lines().map(line).collect()
    }
}

fn regex_replace(text: &str, pattern: &str, with: &str) -> String {
    let pattern = regex::Regex::new(pattern).expect("an expression");
    pattern.replace_all(text, regex::NoExpand(with)).into_owned()
}

/// A login whose password is typed at the first line that the page shows.
fn login(sshd: &Sshd, user: &str, shows: &[String]) -> Terminal {
    let mut ssh = sshd.client(user).option("NumberOfPasswordPrompts=1").run("echo in");
    ssh.expect(fits(&shows[0]), PATIENCE);
    ssh.send_line(password(user));
    ssh.expect(fits(&shows[1]), PATIENCE);
    ssh
}

fn m8_the_manuals_walk_through_does_what_it_says() {
    let page = Page::read();
    let sms = SmsGateway::start();
    let codes = page.block("toml gateway");
    assert!(codes.contains("https://sms.example.net/send"));
    let codes = codes.replace("https://sms.example.net/send", &sms.url()) + "\n";
    let site = Site::open_around(|| Gateway::start_at(Ipv4Addr::LOCALHOST, &codes), |usual| usual);
    let agentd = page.block("toml agentd");
    for (name, file) in [
        ("/etc/assent/gateway-ca.pem", site.gateway.ca_certificate()),
        ("/etc/assent/ldap-ca.pem", site.slapd.ca_certificate()),
    ] {
        assert!(agentd.contains(name));
        std::fs::copy(file, name).expect("a certificate");
    }
    assert_eq!(
        std::fs::read_to_string("/etc/assent/corp-ldap.password")
            .ok()
            .as_deref(),
        Some(SERVICE_PASSWORD)
    );
    for name in ["https://push.example.org", "ldaps://ldap1.example.org"] {
        assert!(agentd.contains(name), "{name}");
    }
    let agentd = agentd
        .replace("https://push.example.org", site.gateway.url())
        .replace("ldaps://ldap1.example.org", &site.slapd.tls_url());
    std::fs::write("/etc/assent/agentd.toml", agentd + "\n").expect("the configuration");

    let mut said = String::new();
    for line in page.block("console").lines() {
        match line.strip_prefix("# assentctl ") {
            Some(arguments) => {
                let done = program("assentctl").args(arguments.split(' ')).finish(PATIENCE);
                said = done.expect_success().out;
            }
            None => assert!(said.contains(line), "{line:?} stands in\n{said}"),
        }
    }

    let mut phone = site.enrol("alice").listen();
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let mut alice = login(&sshd, "alice", &page.shows("text alice"));
    let shown = alice.transcript().to_owned();
    let number = shown.split("Approve ").nth(1).and_then(|rest| rest.split(' ').next());
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("Number on the terminal", PATIENCE);
    phone.send_line(number.expect("a number"));
    alice.send_line("");
    alice.expect("in", PATIENCE);
    alice.wait_for_success();
    assert_eq!(sms.count(), 0);

    let mut bob = login(&sshd, "bob", &page.shows("text bob"));
    bob.send_line(&sms.code(0));
    bob.expect("in", PATIENCE);
    bob.wait_for_success();

    let mut carol = login(&sshd, "carol", &page.shows("text carol"));
    assert!(!carol.wait(PATIENCE).success());
    assert_eq!(sms.count(), 1);
}
