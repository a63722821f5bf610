//! The rigs prove themselves: what they claim about sshd, sudo, slapd, syslog and terminals holds with plain `pam_unix`
//! and nothing of Assent's. Their worlds and services: `worlds.rs`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use assent_tests::accounts::{self, LOCAL, LOCAL_PASSWORD};
use assent_tests::company::{self, BASE, SERVICE, SERVICE_PASSWORD};
use assent_tests::program::Program;
use assent_tests::service::Service;
use assent_tests::slapd::{Operations, Slapd};
use assent_tests::sshd::{Key, Sshd};
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::syslog::Syslog;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{SOON, namespace, pam, patience, scenarios};

/// In the order in which they are listed.
pub const SCENARIOS: &[Scenario] = scenarios![
    ssh_lets_a_local_user_in_by_password,
    ssh_refuses_a_wrong_password,
    ssh_lets_in_by_key_and_copies_files,
    ssh_gives_a_shell_on_a_terminal,
    two_sshds_have_stacks_of_their_own,
    sudo_asks_for_the_password_and_runs_the_command,
    sudo_refuses_a_wrong_password,
    sudo_ends_at_control_c_and_at_the_end_of_input,
    a_terminal_that_is_hung_up_ends_its_program,
    syslog_collects_what_sudo_logs,
    the_service_account_reads_the_directory_over_starttls_and_ldaps,
    anonymous_clients_see_nothing_in_the_directory,
    the_directory_comes_back_after_an_outage_with_its_data,
    a_frozen_directory_answers_nothing,
    a_stranger_to_the_ca_cannot_trust_the_directory,
];

fn ssh_lets_a_local_user_in_by_password() {
    accounts::birch();
    let sshd = Sshd::builder().stack(pam::UNIX).start();
    let mut screen = sshd.client(LOCAL).run("id -un; tty; true");
    screen.expect("Password:", SOON);
    screen.send_line(LOCAL_PASSWORD);
    let shown = screen.wait_for_success();
    assert!(shown.contains("localjoe\nnot a tty"), "{shown}");
    sshd.wait_for_log("Accepted keyboard-interactive/pam for localjoe", SOON);
}

fn ssh_refuses_a_wrong_password() {
    accounts::birch();
    let sshd = Sshd::builder().stack(pam::UNIX).config("MaxAuthTries 1").start();
    let mut screen = sshd.client(LOCAL).run("echo got in");
    screen.expect("Password:", SOON);
    screen.send_line("wrong");
    screen.expect(fits("Permission denied|Too many authentication failures"), SOON);
    assert_eq!(screen.wait(SOON).code(), Some(255));
    assert!(!screen.transcript().contains("got in"));
    sshd.wait_for_log("PAM: Authentication failure for localjoe", SOON);
    // Someone with an account but without a local password gets no further.
    let mut screen = sshd.client("alice").run("echo got in");
    screen.expect("Password:", SOON);
    screen.send_line("*");
    assert_eq!(screen.wait(SOON).code(), Some(255));
}

fn ssh_lets_in_by_key_and_copies_files() {
    accounts::birch();
    let sshd = Sshd::builder().stack(pam::UNIX).methods("publickey").start();
    let alice = sshd
        .client("alice")
        .with_key(&Key::authorised_for("alice"))
        .option("BatchMode=yes");
    assert_eq!(alice.program("id -un").finish(SOON).expect_success().out, "alice\n");
    alice.copy(Path::new("/etc/hostname"), "copied").wait_for_success();
    let copied = fs::read_to_string("/home/alice/copied").expect("the file arrived");
    assert_eq!(copied.trim_end(), namespace::HOST_NAME);
    let stranger = sshd
        .client("alice")
        .option("BatchMode=yes")
        .program("id -un")
        .finish(SOON);
    assert_eq!(stranger.status.code(), Some(255), "{stranger:?}");
}

fn ssh_gives_a_shell_on_a_terminal() {
    accounts::birch();
    let sshd = Sshd::builder().stack(pam::UNIX).methods("publickey").start();
    let mut screen = sshd.client("bob").with_key(&Key::authorised_for("bob")).shell();
    screen.expect("$ ", SOON);
    screen.send_line("tty; echo $((20+2))");
    screen.expect(fits(r"/dev/pts/\d+\n22\n"), SOON);
    screen.expect("$ ", SOON);
    screen.send_eof();
    screen.wait_for_success();
}

fn two_sshds_have_stacks_of_their_own() {
    accounts::birch();
    let open = Sshd::builder().stack(pam::UNIX).start();
    let shut = Sshd::builder()
        .service("sshd-shut")
        .stack("auth required pam_deny.so\n")
        .start();
    let mut screen = open.client(LOCAL).run("true");
    screen.expect("Password:", SOON);
    screen.send_line(LOCAL_PASSWORD);
    screen.wait_for_success();
    assert_eq!(shut.client(LOCAL).run("true").wait(SOON).code(), Some(255));
}

fn sudo_asks_for_the_password_and_runs_the_command() {
    accounts::birch();
    sudoers::allow(LOCAL);
    sudoers::stack(pam::UNIX);
    let mut screen = Sudo::by(LOCAL).run(["id", "-un"]);
    screen.expect("password for localjoe:", SOON);
    screen.send_line(LOCAL_PASSWORD);
    let shown = screen.wait_for_success();
    assert!(shown.ends_with("root\n"), "{shown}");
    // Nothing is remembered: the next run asks again.
    Sudo::by(LOCAL).run(["true"]).expect("password for localjoe:", SOON);
}

fn sudo_refuses_a_wrong_password() {
    accounts::birch();
    sudoers::allow(LOCAL);
    sudoers::stack(pam::UNIX);
    let mut screen = Sudo::by(LOCAL).run(["touch", "/root/proof"]);
    screen.expect("password for localjoe:", SOON);
    screen.send_line("wrong");
    screen.expect("1 incorrect password attempt", SOON);
    assert_eq!(screen.wait(SOON).code(), Some(1));
    assert!(!Path::new("/root/proof").exists());
}

fn sudo_ends_at_control_c_and_at_the_end_of_input() {
    accounts::birch();
    sudoers::allow(LOCAL);
    sudoers::stack(pam::UNIX);
    let mut screen = Sudo::by(LOCAL).run(["touch", "/root/proof"]);
    screen.expect("password for localjoe:", SOON);
    screen.send_control('c');
    assert!(!screen.wait(SOON).success());
    let mut screen = Sudo::by(LOCAL).run(["touch", "/root/proof"]);
    screen.expect("password for localjoe:", SOON);
    screen.send_eof();
    assert!(!screen.wait(SOON).success());
    assert!(!Path::new("/root/proof").exists());
}

fn a_terminal_that_is_hung_up_ends_its_program() {
    let mut screen = Terminal::open(&Program::new("sh").args(["-c", "tty; exec sleep 1000"]));
    screen.expect(fits("/dev/pts/[0-9]+\n"), SOON);
    screen.hang_up();
    assert_eq!(screen.wait(SOON).signal(), Some(1), "SIGHUP ends it");
}

fn syslog_collects_what_sudo_logs() {
    let syslog = Syslog::listen();
    accounts::birch();
    sudoers::allow(LOCAL);
    sudoers::stack(pam::UNIX);
    let mut screen = Sudo::by(LOCAL).run(["/usr/bin/id"]);
    screen.expect("password for localjoe:", SOON);
    screen.send_line(LOCAL_PASSWORD);
    screen.wait_for_success();
    let line = syslog.wait_for_text("COMMAND=/usr/bin/id", SOON);
    assert!(line.contains("localjoe") && line.contains("USER=root"), "{line}");
    drop(syslog);
    assert!(!Path::new("/dev/log").exists());
}

fn the_service_account_reads_the_directory_over_starttls_and_ldaps() {
    let slapd = Slapd::start();
    let before = slapd.operations();
    for url in [slapd.url(), slapd.tls_url()] {
        let alice = slapd
            .search(&url, Some((SERVICE, SERVICE_PASSWORD)), "(uid=alice)")
            .expect_success()
            .out;
        for line in [
            "department: IT",
            "mail: alice@example.org",
            "employeeType: staff",
            "memberOf: cn=admins,ou=groups,dc=example,dc=org",
            "entryUUID: ",
        ] {
            assert!(alice.contains(line), "{line} is missing:\n{alice}");
        }
        assert!(!alice.contains("userPassword"), "{alice}");
    }
    let expected = Operations {
        binds: vec![SERVICE.to_owned(); 2],
        searches: vec!["(uid=alice)".to_owned(); 2],
        connections: 2,
    };
    assert_eq!(slapd.operations().since(&before), expected);

    // People bind with their own passwords, and with no other; groups nest.
    let bob = company::dn("bob");
    slapd
        .search(&slapd.url(), Some((&bob, company::password("bob"))), "(uid=bob)")
        .expect_success();
    assert_eq!(
        slapd
            .search(&slapd.url(), Some((&bob, "wrong")), "(uid=bob)")
            .status
            .code(),
        Some(49)
    );
    let sales = slapd
        .search(&slapd.tls_url(), Some((SERVICE, SERVICE_PASSWORD)), "(cn=sales)")
        .out;
    assert!(sales.contains("memberOf: cn=everyone,"), "{sales}");
}

fn anonymous_clients_see_nothing_in_the_directory() {
    let slapd = Slapd::start();
    let answer = slapd.search(&slapd.url(), None, "(objectClass=*)");
    assert!(!answer.out.contains("dn:"), "{}", answer.out);
    assert_eq!(answer.status.code(), Some(32), "no such object: {}", answer.err);
}

fn the_directory_comes_back_after_an_outage_with_its_data() {
    let mut slapd = Slapd::start();
    slapd.add(&company::entry(
        &company::Person {
            uid: "erin",
            ..company::person("alice")
        },
        "",
    ));
    slapd.stop();
    let service = Some((SERVICE, SERVICE_PASSWORD));
    let refused = slapd.search(&slapd.url(), service, "(uid=erin)");
    assert!(refused.err.contains("Can't contact LDAP server"), "{refused:?}");
    slapd.resume();
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nreplace: department\ndepartment: IT-East\n",
        company::dn("erin")
    ));
    let erin = slapd.search(&slapd.url(), service, "(uid=erin)").expect_success().out;
    assert!(erin.contains("department: IT-East"), "{erin}");
    assert_eq!(
        slapd.operations().searches,
        ["(uid=erin)"],
        "the one during the outage never arrived"
    );
}

fn a_frozen_directory_answers_nothing() {
    let mut slapd = Slapd::start();
    slapd.freeze();
    let look = Program::new("ldapsearch").args(["-x", "-o", "nettimeout=1", "-H", &slapd.url(), "-b", BASE]);
    let mut look = Service::start(&look);
    assert!(patience::until(Duration::from_millis(200), || (!look.is_running()).then_some(())).is_none());
    slapd.thaw();
    assert_eq!(look.wait(SOON).code(), Some(32));
}

fn a_stranger_to_the_ca_cannot_trust_the_directory() {
    let (slapd, other) = (Slapd::start(), assent_tests::certificates::Authority::create());
    for (ca, expected) in [(slapd.ca_certificate(), 0), (other.certificate(), 255)] {
        let who = Program::new("ldapwhoami")
            .args(["-x", "-H", &slapd.tls_url()])
            .env("LDAPTLS_CACERT", ca);
        assert_eq!(who.finish(SOON).status.code(), Some(expected));
    }
    let by_name = slapd.tls_url().replace("127.0.0.1", "localhost");
    let who = Program::new("ldapwhoami")
        .args(["-x", "-H", &by_name])
        .env("LDAPTLS_CACERT", slapd.ca_certificate());
    assert_eq!(
        who.finish(SOON).status.code(),
        Some(255),
        "the certificate names the address alone"
    );
}
