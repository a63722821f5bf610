//! Unmistakable secrets, each typed or shown where its owner would, in one run with real sshd, sudo and slapd; then a search
//! of every place that the product writes to or shows: none of them stands where no rule says that it may.

use super::sms::SmsGateway;
use crate::login::{Login, begin};
use assent_tests::bus::Bus;
use assent_tests::company::SERVICE_PASSWORD;
use assent_tests::journal::Journal;
use assent_tests::product::{AGENT_USER, Gateway, PATIENCE, Site, assentctl, password, program, stack};
use assent_tests::program::Program;
use assent_tests::service::Service;
use assent_tests::sshd::{Client, Sshd};
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{accounts, patience, scenarios};
use assent_wire::VerdictCode;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub const SCENARIOS: &[Scenario] = scenarios![r4_r17_r25_r44_r70_no_planted_secret_stands_where_no_rule_allows_it];

const WRONG_PASSWORD: &str = "planted-wrong-pa55word-qzx";
/// Typed where the name belongs.
const PASSWORD_AS_NAME: &str = "planted-pa55word-as-name-qzx";
const WRONG_CODE: &str = "918273";
const RECOVERY_CODE: &str = "qzx7-k2mw-9htr-4vbn";
/// As google-authenticator would have made it.
const APP_SECRET: &str = "PLANTEDQZXPLANTEDQZXPLANTEDQZX77";

/// One application more: a code of an app.
const MORE: &str = r#"
[[sms_profile]]
name = "sms"
fallback_auth_profiles = ["corp"]

[[totp_profile]]
name = "totp"
fallback_auth_profiles = ["corp"]

[[application]]
name = "ssh-app"
services = ["sshd-app"]
factors = [["corp"], ["totp"]]
"#;

/// A secret, and why it may stand in which files.
struct Planted {
    what: &'static str,
    text: String,
    allowed: &'static [&'static str],
}

/// Its own file, which root wrote.
const OF_THE_DIRECTORY: &[&str] = &["/etc/assent/corp-ldap.password"];
/// The registrar compares it, and forgets it once it was used (R25); its data base's log of changes is written over later.
const OF_AN_ENROLMENT: &[&str] = &["/var/lib/assent-gateway/registrar.db-wal"];

fn typed(client: &Client, user: &str) -> Terminal {
    let mut ssh = client.clone().option("NumberOfPasswordPrompts=1").run("echo in");
    ssh.expect("Password", PATIENCE);
    ssh.send_line(password(user));
    ssh
}

fn ends_refused(mut terminal: Terminal) {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
}

/// Every file below, as bytes.
fn files(directory: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
        if kind.is_dir() {
            files(&path, into);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            into.push((path.display().to_string(), bytes));
        }
    }
}

/// Arguments and environment of every process of the product, which any user may read or root may.
fn processes() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let directory = entry.path();
        let Ok(exe) = fs::read_link(directory.join("exe")) else {
            continue;
        };
        let name = exe.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !["assent-agentd", "assent-gateway", "assentctl"].contains(&name.as_str()) {
            continue;
        }
        for what in ["cmdline", "environ"] {
            let bytes = fs::read(directory.join(what)).unwrap_or_default();
            found.push((format!("{what} of {name} ({})", directory.display()), bytes));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// No core is written of it, and nobody but root looks into it.
fn is_closed(pid: u32) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    let owner = fs::metadata(format!("/proc/{pid}/environ")).expect("it runs").uid();
    assert_eq!(owner, 0, "an undumpable process's files belong to root");
}

fn monitor(bus: &Bus) -> Service {
    let program = Program::new("dbus-monitor").arg("--system");
    let mut monitor = Service::start(&program.env("DBUS_SYSTEM_BUS_ADDRESS", bus.address()));
    monitor.wait_for_log("NameAcquired", PATIENCE);
    monitor
}

fn r4_r17_r25_r44_r70_no_planted_secret_stands_where_no_rule_allows_it() {
    accounts::birch();
    accounts::add(AGENT_USER, None);
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/dbus/org.assent.Agent1.conf");
    let bus = Bus::start(&[&policy]);
    let monitor = monitor(&bus);
    let sms = SmsGateway::start();
    let codes = format!(
        "[codes]\nprefixes = [\"+49\"]\npause = 0\n\n[[codes.sms]]\nname = \"tests\"\nurl = \"{}\"\n\
         body = '{{\"to\":\"{{number}}\",\"text\":\"{{text}}\"}}'\n",
        sms.url()
    );
    let mut site = Site::open_around_on(
        &bus,
        || Gateway::start_at(Ipv4Addr::LOCALHOST, &codes),
        |usual| {
            let before = "services = [\"sshd\"]\nfactors = [[\"corp\"], [\"staff-push\"]]\n";
            assert!(usual.contains(before));
            // Six digits, so that they are nowhere by chance.
            usual
                .replace(before, &before.replace("\"staff-push\"", "\"staff-push\", \"sms\""))
                .replace("assurance = \"tap\"", "assurance = \"number\"\nnist = true")
                + MORE
        },
    );
    let mut planted: Vec<Planted> = Vec::new();
    let mut plant = |what, text: &str, allowed| {
        let text = text.to_owned();
        planted.push(Planted { what, text, allowed });
    };
    plant("directory's service password", SERVICE_PASSWORD, OF_THE_DIRECTORY);

    // An enrolment: the secret in the link, which the user's own terminal showed.
    let mut enrolling = site.begin_enrolment("alice");
    let shown = enrolling.admin.transcript().to_owned();
    let link = shown
        .split_whitespace()
        .find(|word| word.contains("/e#"))
        .expect("a link");
    let secret = link.split('.').rev().nth(1).expect("the secret's part");
    assert_eq!(secret.len(), 22, "{link}");
    plant("secret of the enrolment", secret, OF_AN_ENROLMENT);
    enrolling.admin.wait_for_success();
    enrolling.device.wait_for_success();

    // A password typed right, and a number on the terminal, typed on the device.
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let mut phone = enrolling.authenticator.listen();
    let mut ssh = typed(&sshd.client("alice"), "alice");
    let number = number_on(&mut ssh);
    plant("password typed right", password("alice"), &[]);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("(6 digits", PATIENCE);
    phone.send_line(&number);
    // The secrets are in use just now.
    let mut places = processes();
    ssh.send_line("");
    ssh.expect("in", PATIENCE);
    ssh.wait_for_success();
    plant("number of the push", &number, &[]);
    // The same in sudo, whose number is typed wrong.
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id"]);
    let number = number_on(&mut sudo);
    plant("number of sudo's push", &number, &[]);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("(6 digits", PATIENCE);
    let wrong = if number == "135791" { "135792" } else { "135791" };
    phone.send_line(wrong);
    plant("number typed wrong", wrong, &[]);
    sudo.send_line("");
    ends_refused(sudo);

    // A password typed wrong, and one typed where the name belongs.
    let mut ssh = sshd.client("bob").option("NumberOfPasswordPrompts=1").run("true");
    ssh.expect("Password", PATIENCE);
    ssh.send_line(WRONG_PASSWORD);
    plant("password typed wrong", WRONG_PASSWORD, &[]);
    ends_refused(ssh);
    let verdict = Login::of(PASSWORD_AS_NAME).ends();
    assert_eq!(verdict.code, VerdictCode::Denied);
    plant("password typed as a name", PASSWORD_AS_NAME, &[]);

    // Codes: by SMS, wrong and right; of an app; of a printed list. From here on, journald is there.
    let journal = Journal::listen();
    let mut ssh = typed(&sshd.client("bob"), "bob");
    plant("second password typed right", password("bob"), &[]);
    ssh.expect("Code sent by SMS", PATIENCE);
    let code = sms.code(0);
    ssh.send_line(WRONG_CODE);
    plant("code typed wrong", WRONG_CODE, &[]);
    ssh.expect("Wrong code", PATIENCE);
    ssh.send_line(&code);
    ssh.expect("in", PATIENCE);
    ssh.wait_for_success();
    plant("code by SMS", &code, &[]);
    give_an_app("bob");
    plant("secret of the app", APP_SECRET, &[]);
    let app = Sshd::builder()
        .service("sshd-app")
        .stack(&stack("sshd-assent-password"))
        .start();
    let mut ssh = typed(&app.client("bob"), "bob");
    ssh.expect("Code from your authenticator app", PATIENCE);
    // From the printed list, at the wrong prompt.
    ssh.send_line(RECOVERY_CODE);
    plant("recovery code", RECOVERY_CODE, &[]);
    ssh.expect("Wrong code", PATIENCE);
    let tool = Program::new("/usr/bin/oathtool").args(["--totp", "--base32", APP_SECRET]);
    let code = tool.finish(PATIENCE).expect_success().out.trim().to_owned();
    ssh.send_line(&code);
    ssh.expect("in", PATIENCE);
    ssh.wait_for_success();
    plant("code of the app", &code, &[]);
    // A last one, to know when all is said.
    let mut unlisted = begin("bob");
    unlisted.service = b"unheard-of".to_vec();
    let last = Login::start(unlisted).ends();

    places.extend(processes());
    is_closed(site.agent.service().pid());
    for arguments in [
        vec!["audit", "export", "--format", "json"],
        vec!["audit", "export", "--format", "csv"],
        vec!["audit", "tail", "-n", "100"],
        vec!["status", "--json"],
        vec!["codes", "status"],
        vec!["explain", "bob", "--service", "sshd", "--json"],
        vec!["replay", last.id.as_str()],
    ] {
        let said = program("assentctl").args(&arguments).finish(PATIENCE);
        places.push((
            format!("assentctl {arguments:?}"),
            format!("{}{}", said.out, said.err).into_bytes(),
        ));
    }
    places.push(("agent's log".into(), site.agent.log().into_bytes()));
    places.push(("gateway's log".into(), site.gateway.log().into_bytes()));
    // What sshd and sudo write there is theirs.
    let ours = |line: &String| line.contains("assent");
    let lines: Vec<String> = site.syslog.lines().into_iter().filter(ours).collect();
    places.push(("syslog".into(), lines.join("\n").into_bytes()));
    places.push(("journal".into(), journal.raw().concat()));
    patience::until(PATIENCE, || monitor.log().contains(&last.id).then_some(())).expect("a signal of the last login");
    places.push(("D-Bus".into(), monitor.log().into_bytes()));
    for directory in [
        "/var/lib/assent",
        "/var/lib/assent-gateway",
        "/run/assent",
        "/run/assent-gateway",
        "/etc/assent",
    ] {
        files(&PathBuf::from(directory), &mut places);
    }

    // Each kind of place was really read: what may stand there does.
    let decisions = site.agent.audit();
    let first = decisions[0]["login"].as_str().expect("an id");
    for (place, text) in [
        ("/var/lib/assent/audit.jsonl", first),
        ("/var/lib/assent/pushes.jsonl", "approved"),
        ("/var/lib/assent-gateway/codes.db", "SQLite format"),
        ("/var/lib/assent-gateway/relay.db", "SQLite format"),
        ("agent's log", first),
        ("syslog", first),
        ("journal", last.id.as_str()),
        ("D-Bus", first),
        ("gateway's log", "listening on"),
        ("environ of assent-agentd", "LISTEN_FDS"),
        ("cmdline of assent-gateway", "--config"),
        ("assentctl [\"audit\", \"export\", \"--format\", \"csv\"]", first),
        ("/etc/assent/corp-ldap.password", SERVICE_PASSWORD),
    ] {
        let found = places
            .iter()
            .any(|(name, bytes)| name.starts_with(place) && holds(bytes, text));
        assert!(found, "{text:?} does not stand in {place}");
    }
    let mut found = Vec::new();
    let mut search = |places: &[(String, Vec<u8>)], allows: bool| {
        for secret in &planted {
            let allowed = |place: &str| allows && secret.allowed.contains(&place);
            let places = places.iter().filter(|(place, _)| !allowed(place));
            let places = places.filter(|(_, bytes)| holds(bytes, &secret.text));
            found.extend(places.map(|(place, _)| format!("the {} ({}) stands in {place}", secret.what, secret.text)));
        }
    };
    search(&places, true);
    // What an ended gateway leaves has no exception.
    site.gateway.stop();
    let mut left = Vec::new();
    files(Path::new("/var/lib/assent-gateway"), &mut left);
    assert!(left.iter().any(|(name, _)| name.ends_with("registrar.db")));
    search(&left, false);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(planted.len(), 14, "some were not planted");
}

/// Waits for the number on a terminal.
fn number_on(terminal: &mut Terminal) -> String {
    let shown = terminal.expect(fits(r"Approve \d{6} on your phone"), PATIENCE);
    let number = shown.split("Approve ").nth(1).and_then(|rest| rest.split(' ').next());
    number.expect("a number").to_owned()
}

/// Gives a user an authenticator app with the planted secret.
fn give_an_app(user: &str) {
    let explained = assentctl(["explain", user, "--service", "sshd", "--json"]).out;
    let explained: serde_json::Value = serde_json::from_str(&explained).expect("JSON");
    let identity = explained["directories"]["corp"]["answer"]["found"]["identity"].as_str();
    let file = Path::new("/root/.google_authenticator");
    fs::write(file, format!("{APP_SECRET}\n\" TOTP_AUTH\n")).expect("the app's file");
    let file = file.to_string_lossy();
    assentctl([
        "codes",
        "import-google-authenticator",
        &file,
        identity.expect("an identity"),
    ])
    .expect_success();
}
