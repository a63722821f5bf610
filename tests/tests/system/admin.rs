//! What an administrator does: check, explain, reload, status, test, D-Bus, enrolment's errors.

use assent_tests::bus::Bus;
use assent_tests::certificates::Authority;
use assent_tests::product::{PATIENCE, Site, assentctl, password, program, stack};
use assent_tests::program::Program;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{SOON, accounts, scenarios};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    status_tells_what_works,
    a_broken_configuration_is_refused_at_reload_and_the_old_one_stays,
    an_agent_that_starts_with_a_broken_configuration_denies_with_a_clear_word_until_it_is_mended,
    check_names_file_line_and_mend,
    explain_says_which_policy_matched_and_why_not,
    mission_row_20_a_recorded_login_is_replayed_under_the_policies_of_now,
    policy_test_asks_the_real_directory_and_says_what_differs,
    mission_row_3_the_agent_listens_on_no_network,
    mission_row_6_values_lists_what_the_directory_really_has,
    check_reads_the_files_that_the_configuration_names,
    check_refuses_the_certificates_that_the_agent_refuses_and_leaves_credentials_to_it,
    who_may_not_read_a_secret_is_sent_to_root_and_not_told_of_a_denial,
    replay_of_what_is_no_record_is_an_error,
    explain_answers_for_another_address_and_time,
    test_plays_a_login_without_opening_a_session,
    r57_on_the_system_bus_only_root_changes_something,
    enrolment_refuses_unknown_users_and_wrong_digits,
    r25_no_log_holds_an_enrolment_secret,
];

fn status_tells_what_works() {
    let site = Site::open();
    let status = assentctl(["status", "--json"]).expect_success();
    let status: serde_json::Value = serde_json::from_str(&status.out).expect("JSON");
    assert_eq!(status["gateway"]["ok"], true, "{status}");
    assert_eq!(status["gateway"]["host"], assent_tests::namespace::HOST_NAME);
    assert_eq!(status["configuration"]["ok"], true);
    drop(site);
}

fn a_broken_configuration_is_refused_at_reload_and_the_old_one_stays() {
    let site = Site::open();
    let usual = site.configuration();
    let reload = site
        .agent
        .reload_with(&usual.replace("assurance = \"tap\"", "assurance = \"face\""));
    assert!(!reload.status.success());
    assert!(
        reload.err.contains("is not known") && reload.err.contains("agentd.toml:"),
        "{}",
        reload.err
    );
    let reload = site
        .agent
        .reload_with(&usual.replace("name = \"ssh-alone\"", "name = \"renamed\""));
    reload.expect_success();
}

fn an_agent_that_starts_with_a_broken_configuration_denies_with_a_clear_word_until_it_is_mended() {
    let mut site = Site::open();
    let usual = site.configuration();
    site.enrol("alice");
    site.agent.stop();
    assent_tests::scratch::write("/etc/assent/agentd.toml", "nonsense = true\n");
    site.agent.resume();
    let test = assentctl(["test", "alice"]);
    assert!(!test.status.success());
    assert!(
        format!("{}{}", test.out, test.err).contains("configuration is broken"),
        "{}{}",
        test.out,
        test.err
    );
    site.agent.reload_with(&usual).expect_success();
    assert_eq!(site.agent.audit().len(), 0);
    let mut test = Terminal::open(&program("assentctl").args(["test", "alice"]));
    test.expect("Password", PATIENCE);
    test.send_line("wrong");
    assert!(!test.wait(PATIENCE).success());
    assert_eq!(site.agent.decision(0)["cause"], "wrong_password");
}

fn check_names_file_line_and_mend() {
    let site = Site::open();
    assentctl(["check"]).expect_success();
    let broken = site.configuration().replace(
        "fallback_auth_profiles = [\"corp\", \"local\"]",
        "fallback_auth_profiles = [\"crop\"]",
    );
    assent_tests::scratch::write("/tmp/broken.toml", &broken);
    let check = assentctl(["check", "--config", "/tmp/broken.toml"]);
    assert!(!check.status.success());
    let said = format!("{}{}", check.out, check.err);
    assert!(
        said.contains("/tmp/broken.toml:")
            && said.contains("\"crop\"")
            && said.contains("mend: known are: corp, local"),
        "{said}"
    );
}

fn explain_says_which_policy_matched_and_why_not() {
    let site = Site::open();
    let explain = assentctl(["explain", "alice", "--service", "sshd"]).expect_success();
    for part in [
        "application: ssh",
        "department=IT",
        "yes: IT",
        "method: staff-push (push), by this policy",
        "=> would be asked",
    ] {
        assert!(explain.out.contains(part), "{part} in:\n{}", explain.out);
    }
    let explain = assentctl(["explain", "bob", "--service", "sshd"]);
    assert!(!explain.status.success());
    assert!(
        explain.out.contains("no: no value matches") && explain.out.contains("=> would be denied"),
        "{}",
        explain.out
    );
    let json = assentctl(["explain", "alice", "--service", "sudo", "--json"]).expect_success();
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["application"], "sudo");
    // Nothing was sent, nothing decided.
    assert!(site.agent.audit().is_empty());
}

fn mission_row_20_a_recorded_login_is_replayed_under_the_policies_of_now() {
    let site = Site::open();
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    let mut phone = site.enrol("alice").listen();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id"]);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    sudo.wait_for_success();
    let id = site.agent.decision(0)["login"].as_str().expect("its id").to_owned();
    let same = assentctl(["replay", &id]).expect_success();
    assert!(same.out.contains(&format!("{id}: staff-push as then")), "{}", same.out);
    // Another policy: IT is not admitted any more.
    let usual = site.configuration();
    // The first policy is for others now, and the second, of whom the record knows nothing, is gone.
    let (before, policies) = usual.split_once("[[policy]]").expect("policies");
    let (first, rest) = policies.split_once("[[policy]]").expect("two of them");
    let (_, after) = rest.split_once("[[application]]").expect("applications");
    let changed = format!(
        "{before}[[policy]]{}[[application]]{after}",
        first.replace("values = [\"IT\"", "values = [\"Sales\"")
    );
    assent_tests::scratch::write("/etc/assent/agentd.toml", &changed);
    let other = assentctl(["replay", &id]);
    assert_eq!(other.status.code(), Some(1), "{}{}", other.out, other.err);
    assert!(other.out.contains("then staff-push, now deny"), "{}", other.out);
    let none = assentctl(["replay", "zzzzzz"]);
    assert_eq!(none.status.code(), Some(2), "{}", none.err);
    assert!(none.err.contains("has no login"), "{}", none.err);
}

fn policy_test_asks_the_real_directory_and_says_what_differs() {
    let _site = Site::open();
    let write = |expect: &str| {
        let text = format!(
            "[[test]]\nuser = \"alice\"\nservice = \"sshd\"\nexpect = \"staff-push\"\n\
             [[test]]\nuser = \"bob\"\nservice = \"sshd\"\nexpect = \"{expect}\"\n"
        );
        assent_tests::scratch::write("/tmp/table.toml", &text);
    };
    write("deny");
    let good = assentctl(["policy", "test", "/tmp/table.toml"]).expect_success();
    assert!(good.out.contains("2 passed, 0 failed"), "{}", good.out);
    write("staff-push");
    let bad = assentctl(["policy", "test", "/tmp/table.toml"]);
    assert_eq!(bad.status.code(), Some(1));
    for part in [
        "FAILED bob by sshd: deny",
        "/tmp/table.toml:5 expects staff-push",
        "no value matches",
    ] {
        assert!(bad.out.contains(part), "{part} in:\n{}", bad.out);
    }
}

fn mission_row_3_the_agent_listens_on_no_network() {
    let mut site = Site::open();
    let pid = site.agent.service().pid();
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    let targets = fds.filter_map(|fd| std::fs::read_link(fd.expect("a descriptor").path()).ok());
    let own: Vec<String> = targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut connected = 0;
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).expect("its network's sockets");
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (state, inode) = (words[3], words[9]);
            if own.iter().any(|own| own == inode) {
                // 01 is ESTABLISHED: outward, to the gateway and the directory.
                assert_eq!(state, "01", "{table}: {line}");
                connected += 1;
            }
        }
    }
    assert!(connected > 0, "it is connected to the gateway");
}

fn mission_row_6_values_lists_what_the_directory_really_has() {
    let _site = Site::open();
    let values = assentctl(["values", "corp", "department"]).expect_success();
    assert!(
        values.out.contains("IT") && values.out.contains("values of department among"),
        "{}",
        values.out
    );
    let json = assentctl(["values", "corp", "department", "--json"]).expect_success();
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let known = json["values"].as_array().expect("a list");
    assert!(
        known
            .iter()
            .any(|value| value["value"] == "IT" && value["users"].as_u64() > Some(0)),
        "{json}"
    );
    assert!(json["not_all"].is_null(), "{json}");
    let unknown = assentctl(["values", "crop", "department"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(unknown.err.contains("known are: corp, local"), "{}", unknown.err);
}

fn check_reads_the_files_that_the_configuration_names() {
    let _site = Site::open();
    let password = "/etc/assent/corp-ldap.password";
    assentctl(["check"]).expect_success();
    let says = |part: &str| {
        let check = assentctl(["check"]);
        assert_eq!(check.status.code(), Some(2), "{}{}", check.out, check.err);
        assert!(check.err.contains(part), "{part} in:\n{}", check.err);
        assert!(!check.err.contains("secret"), "no password is shown: {}", check.err);
    };
    let mode = |mode: u32| {
        std::fs::set_permissions(password, std::fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode(0o644);
    says("corp-ldap.password: its mode is 0644");
    mode(0o600);
    says("the agent's user assent cannot read it\n      mend: chown root:assent");
    mode(0o640);
    std::fs::write(password, "").expect("an empty file");
    says("corp-ldap.password: it is empty");
    std::fs::remove_file(password).expect("no file");
    says("it cannot be read: No such file");
    std::fs::write(password, "x\n").expect("a file");
    Program::new("chown")
        .args(["root:assent", password])
        .finish(SOON)
        .expect_success();
    mode(0o640);
    let users = "/etc/assent/users.toml";
    std::fs::write(users, "[[user]]\nname = \"a\"\nmobil = \"1\"\n").expect("users");
    Program::new("chown")
        .args(["root:assent", users])
        .finish(SOON)
        .expect_success();
    std::fs::set_permissions(users, std::fs::Permissions::from_mode(0o640)).expect("its mode");
    says("users.toml:3: ");
}

fn check_refuses_the_certificates_that_the_agent_refuses_and_leaves_credentials_to_it() {
    let site = Site::open();
    let usual = site.configuration();
    let file = "/tmp/other.toml";
    let check = |from: &str, to: &str| {
        let changed = usual.replacen(from, to, 1);
        assert_ne!(usual, changed);
        assent_tests::scratch::write(file, &changed);
        assentctl(["check", "--config", file])
    };
    let password = "bind_password_file = \"/etc/assent/corp-ldap.password\"";
    let credential = check(password, "bind_password_credential = \"corp-ldap\"").expect_success();
    assert!(
        credential
            .out
            .contains("note: /run/credentials/assent-agentd.service/corp-ldap is a systemd credential"),
        "{}",
        credential.out
    );
    let bind_dn = usual
        .lines()
        .find(|line| line.starts_with("bind_dn"))
        .expect("a bind_dn");
    let (certificate, key) = ("/etc/assent/client.pem", "/etc/assent/client.key");
    let external =
        format!("bind = \"external\"\nclient_certificate_file = \"{certificate}\"\nclient_key_file = \"{key}\"");
    let says = |part: &str| {
        let said = check(&format!("{bind_dn}\n{password}"), &external);
        assert_eq!(said.status.code(), Some(2), "{}{}", said.out, said.err);
        assert!(said.err.contains(part), "{part} in:\n{}", said.err);
    };
    says("client.key: it cannot be read: No such file");
    let good = Authority::create().server_certificate("client.example.org");
    std::fs::copy(&good.key, key).expect("a key");
    Program::new("chown")
        .args(["root:assent", key])
        .finish(SOON)
        .expect_success();
    let mode = |file: &str, mode: u32| {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode(key, 0o640);
    std::fs::write(certificate, "no certificate\n").expect("a file");
    says("client.pem: holds no certificate in PEM");
    std::fs::copy(&good.certificate, certificate).expect("a certificate");
    mode(certificate, 0o644);
    check(&format!("{bind_dn}\n{password}"), &external).expect_success();
    mode(key, 0o600);
    says("client.key: the agent's user assent cannot read it");
    mode(key, 0o640);
    mode(certificate, 0o600);
    says("client.pem: the agent's user assent cannot read it\n      mend: chmod a+r");
    mode(certificate, 0o644);
    let other = Authority::create().server_certificate("other.example.org");
    std::fs::copy(other.certificate, certificate).expect("another's certificate");
    says("authentication profile \"corp\": TLS: ");
    // The gateway's authorities are the agent's to read.
    let authority = "/etc/assent/gateway-ca.pem";
    let named = usual
        .lines()
        .find(|line| line.starts_with("ca_file"))
        .expect("the gateway's");
    let (_, path) = named.split_once("= ").expect("a path");
    std::fs::copy(path.trim_matches('"'), authority).expect("a copy");
    mode(authority, 0o600);
    let closed = check(named, &format!("ca_file = \"{authority}\""));
    assert_eq!(closed.status.code(), Some(2), "{}", closed.out);
    assert!(
        closed
            .err
            .contains("gateway-ca.pem: the agent's user assent cannot read it"),
        "{}",
        closed.err
    );
}

fn who_may_not_read_a_secret_is_sent_to_root_and_not_told_of_a_denial() {
    let _site = Site::open();
    for arguments in [&["explain", "alice"][..], &["values", "corp", "department"], &["check"]] {
        let said = program("assentctl").args(arguments).as_user("alice").finish(SOON);
        assert_eq!(said.status.code(), Some(2), "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains("run this as root"), "{arguments:?}: {}", said.err);
        assert!(!said.out.contains("denied"), "{arguments:?}: {}", said.out);
    }
    let secret = assentctl(["values", "corp", "userPassword"]);
    assert_eq!(secret.status.code(), Some(2), "{}", secret.out);
    assert!(secret.err.contains("holds passwords or keys"), "{}", secret.err);
}

fn replay_of_what_is_no_record_is_an_error() {
    let _site = Site::open();
    assent_tests::scratch::write("/tmp/none.jsonl", "not JSON\n{\"login\": \"a\"}\n");
    assent_tests::scratch::write("/tmp/early.jsonl", "{\"login\": \"a\", \"trace\": []}\n");
    for (file, says) in [
        ("/dev/zero", "is no file of records"),
        ("/tmp/none.jsonl", "holds no record of a login"),
        ("/tmp/early.jsonl", "none of 1 logins could be replayed"),
    ] {
        let said = assentctl(["replay", file]);
        assert_eq!(said.status.code(), Some(2), "{file}: {}{}", said.out, said.err);
        assert!(said.err.contains(says), "{file}: {}", said.err);
        assert!(!said.out.contains("1 replayed"), "{file}: {}", said.out);
    }
}

fn explain_answers_for_another_address_and_time() {
    let site = Site::open();
    let usual = site.configuration();
    let narrow = usual.replace(
        "values = [\"IT\", \"IT-*\"]",
        "values = [\"IT\", \"IT-*\"]\nnetworks = [\"192.0.2.0/24\"]\nwhen = { until = \"18:00\", zone = \"UTC\" }",
    );
    assert_ne!(usual, narrow);
    assent_tests::scratch::write("/etc/assent/agentd.toml", &narrow);
    let explain = |more: &[&str]| {
        let program = more
            .iter()
            .fold(program("assentctl").args(["explain", "alice"]), |program, arg| {
                program.arg(arg)
            });
        program.finish(SOON)
    };
    let inside = ["--from", "192.0.2.7", "--at", "2026-11-25T12:00Z"];
    assert!(explain(&inside).expect_success().out.contains("method: staff-push"));
    for (more, why) in [
        (
            &["--from", "198.51.100.7", "--at", "2026-11-25T12:00Z"][..],
            "it is for other networks",
        ),
        (
            &["--from", "192.0.2.7", "--at", "2026-11-25T19:00Z"][..],
            "it is for other days or hours",
        ),
        (&["--at", "2026-11-25T12:00Z"][..], "the login has no address"),
    ] {
        let said = explain(more);
        assert_eq!(said.status.code(), Some(1), "{more:?}");
        assert!(said.out.contains(why), "{why} in:\n{}", said.out);
    }
    assert_eq!(explain(&["--at", "noon"]).status.code(), Some(2));
}

fn test_plays_a_login_without_opening_a_session() {
    let site = Site::open();
    let mut phone = site.enrol("alice").listen();
    let mut test = Terminal::open(&program("assentctl").args(["test", "alice", "--service", "sshd"]));
    test.expect("Password", PATIENCE);
    test.send_line(password("alice"));
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    test.expect(fits("(?i)approved"), PATIENCE);
    test.wait_for_success();
}

fn r57_on_the_system_bus_only_root_changes_something() {
    accounts::birch();
    accounts::add_group("assent-view", 6900, &["bob"]);
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/dbus/org.assent.Agent1.conf");
    // The policy names the agent's user, who must exist before the bus reads it.
    accounts::add(assent_tests::product::AGENT_USER, None);
    let bus = Bus::start(&[&policy]);
    let mut site = Site::open_on(&bus);
    site.agent.service().wait_for_log("on the system bus", SOON);
    let call = |user: &str, member: &str| {
        Program::new("/usr/bin/dbus-send")
            .args([
                "--system",
                "--print-reply",
                "--dest=org.assent.Agent1",
                "/org/assent/Agent1",
            ])
            .arg(format!("org.assent.Agent1.{member}"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
            .as_user(user)
            .finish(SOON)
    };
    assert!(call("root", "Status").expect_success().out.contains("open_pushes"));
    call("root", "Reload").expect_success();
    assert!(
        call("bob", "Status").expect_success().out.contains("open_pushes"),
        "assent-view may read"
    );
    assert!(!call("bob", "Reload").status.success(), "assent-view may not change");
    assert!(!call("alice", "Status").status.success(), "others may not even read");
    assert!(!call("alice", "Reload").status.success());
}

fn enrolment_refuses_unknown_users_and_wrong_digits() {
    let site = Site::open();
    let unknown = assentctl(["enroll", "mallory", "--no-qr"]);
    assert!(!unknown.status.success());
    assert!(unknown.err.contains("knows this user"), "{}", unknown.err);
    site.enrol("alice");
    let list = assentctl(["device", "list"]).expect_success();
    assert!(list.out.contains("alice"), "{}", list.out);

    // Three wrong digits end an enrolment.
    let mut admin = Terminal::open(&program("assentctl").args(["enroll", "dave", "--no-qr"]));
    let shown = admin.expect(fits(r"https://\S+/e#\S+"), PATIENCE);
    let link = shown.split_whitespace().last().expect("a link").to_owned();
    let ca = site.gateway.ca_certificate();
    let device = program("assentctl").args([
        "authenticator",
        "enroll",
        &link,
        "--dir",
        "/tmp/dave",
        "--ca-file",
        &ca.to_string_lossy(),
    ]);
    let mut device = Terminal::open(&device);
    let digits = device.expect(fits(r"\b\d{3} ?\d{3}\b"), PATIENCE);
    let wrong = if digits.ends_with('0') { "111111" } else { "000000" };
    for _ in 0..3 {
        admin.expect(fits("(?i)digits"), PATIENCE);
        admin.send_line(wrong);
    }
    assert!(!admin.wait(PATIENCE).success(), "{}", admin.transcript());
    assert!(!device.wait(PATIENCE).success(), "{}", device.transcript());
    assert!(!assentctl(["device", "list"]).expect_success().out.contains("dave"));
}

fn r25_no_log_holds_an_enrolment_secret() {
    let site = Site::open();
    let mut admin = Terminal::open(&program("assentctl").args(["enroll", "alice", "--no-qr"]));
    let shown = admin.expect(fits(r"https://\S+/e#\S+"), PATIENCE);
    let secret = shown.split('.').rev().nth(1).expect("the secret's part").to_owned();
    assert_eq!(secret.len(), 22, "{shown}");
    admin.send_control('c');
    for text in [site.agent.log(), site.gateway.log(), site.syslog.lines().join("\n")] {
        assert!(!text.contains(&secret));
    }
    let in_state = Program::new("/usr/bin/grep")
        .args(["-rlaF", &secret, "/var/lib/assent"])
        .finish(SOON);
    assert_eq!(in_state.out, "", "the agent keeps no enrolment secret");
}
