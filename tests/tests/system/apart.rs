//! The gateway's roles apart: five users on one machine, and two machines. A login passes in each, and what a part's loss
//! or fall comes to.

use super::codes::{key_in, with};
use super::ssh::count;
use assent_tests::product::{Gateway, Layout, PATIENCE, ROLES, Site, assentctl, password, program, stack};
use assent_tests::program::Program;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::totp::{shown, shown_next};
use assent_tests::{SOON, scenarios};
use serde_json::Value;

pub const SCENARIOS: &[Scenario] = scenarios![
    a_login_passes_with_five_processes_of_five_users_and_doctor_sees_them,
    a_login_passes_with_two_machines_and_nothing_of_the_registrars_is_on_the_relays,
    r53_a_role_that_is_killed_while_a_login_waits_costs_nothing_that_was_approved,
    without_its_registrar_a_site_goes_on_for_whom_it_knows_and_denies_the_others,
    the_panel_apart_signs_in_by_link,
    a_registrar_or_a_code_service_that_hangs_leads_on_and_neither_is_taken_for_the_other,
    codes_go_on_at_the_panels_address_while_relay_or_registrar_is_away_or_hangs,
    m16_a_code_passes_with_the_code_service_apart_and_its_loss_costs_no_push,
    m16_a_code_passes_with_the_code_service_on_the_inner_machine,
];

fn site(layout: Layout) -> (Site, Sshd) {
    let site = Site::open_around(|| Gateway::start_apart(layout), |usual| usual);
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    (site, sshd)
}

fn types(sshd: &Sshd, user: &str, command: &str) -> Terminal {
    let mut ssh = sshd.client(user).option("NumberOfPasswordPrompts=1").run(command);
    ssh.expect("Password", PATIENCE);
    ssh.send_line(password(user));
    ssh
}

fn taps(phone: &mut Terminal, mut login: Terminal) {
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn may_read(user: &str, file: &str) -> bool {
    let tried = Program::new("head").args(["-c", "1", file]).as_user(user).finish(SOON);
    tried.status.success()
}

fn a_login_passes_with_five_processes_of_five_users_and_doctor_sees_them() {
    let (mut site, sshd) = site(Layout::OneMachine);
    let mut phone = site.enrol("alice").listen();
    taps(&mut phone, types(&sshd, "alice", "true"));

    let processes = ROLES.map(|role| site.gateway.process_of(role));
    for (at, (_, uid)) in processes.iter().enumerate() {
        assert!(
            processes.iter().skip(at + 1).all(|(_, other)| other != uid),
            "{processes:?}"
        );
    }
    for file in ["issuer.key", "registrar-host.key", "link.key", "registrar.db"] {
        let file = format!("/var/lib/assent-registrar/{file}");
        assert!(may_read("assent-registrar", &file), "{file}");
        for other in ["assent-relay", "assent-app", "assent-panel", "assent-codes"] {
            assert!(!may_read(other, &file), "{other} reads {file}");
        }
    }
    for file in ["codes.key", "codes.db"] {
        let file = format!("/var/lib/assent-codes/{file}");
        assert!(may_read("assent-codes", &file), "{file}");
        for other in ["assent-relay", "assent-app", "assent-panel", "assent-registrar"] {
            assert!(!may_read(other, &file), "{other} reads {file}");
        }
    }
    assert!(!may_read("assent-registrar", "/var/lib/assent-relay/relay.db"));

    // Other scenarios' gateways run beside this one, in the same /proc.
    let said: Value = serde_json::from_str(&assentctl(["doctor", "--json"]).out).expect("JSON");
    let checks = said["checks"].as_array().expect("a list of checks");
    let grade = checks
        .iter()
        .find(|check| check["check"] == "trust_grade")
        .expect("the grade");
    for (role, (pid, uid)) in ROLES.iter().zip(&processes) {
        let seen = grade["facts"]["processes"]
            .as_array()
            .unwrap_or_else(|| panic!("{grade}"))
            .iter();
        let seen = seen
            .clone()
            .find(|seen| seen["pid"] == *pid)
            .unwrap_or_else(|| panic!("{role} is not in {grade}"));
        assert_eq!(
            (&seen["uid"], &seen["roles"][0]),
            (&Value::from(*uid), &Value::from(*role))
        );
    }
    let ours = |pid: &str| processes.iter().any(|(known, _)| known.to_string() == pid);
    match grade["facts"]["grade"].as_str() {
        Some("B") => {}
        Some("C") => {
            for reason in grade["reasons"].as_array().expect("reasons") {
                let pids = reason.as_str().expect("text").split("(pid ").skip(1);
                let mut pids = pids.map(|rest| rest.split(')').next().unwrap_or_default());
                assert!(pids.any(|pid| !ours(pid)), "it is about these five alone: {reason}");
            }
        }
        other => panic!("{other:?}: {grade}"),
    }
    let agent = checks
        .iter()
        .find(|check| check["check"] == "agent")
        .expect("the agent");
    assert_eq!(agent["state"], "ok", "{said}");
}

fn a_login_passes_with_two_machines_and_nothing_of_the_registrars_is_on_the_relays() {
    let (site, sshd) = site(Layout::TwoMachines);
    let mut phone = site.enrol("alice").listen();
    taps(&mut phone, types(&sshd, "alice", "true"));

    // What an intruder in the relay's place finds of the registrar's: nothing, by any name.
    let found = Program::new("find")
        .args([
            "/var/lib/assent-relay",
            "/etc/assent/relay",
            "/run/assent-relay",
            "/etc/assent/app",
            "-type",
            "f",
        ])
        .finish(SOON)
        .expect_success()
        .out;
    let mut names: Vec<&str> = found.lines().filter_map(|path| path.rsplit('/').next()).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        assert!(
            [
                "lock",
                "relay.db",
                "relay.db-shm",
                "relay.db-wal",
                "registrar.pub",
                "tls.crt",
                "tls.key",
                // It signs who rings at browsers, and nothing that anybody of ours believes.
                "vapid.key"
            ]
            .contains(name),
            "{names:?}"
        );
    }
    for file in ["issuer.key", "registrar.db"] {
        assert!(!may_read("assent-relay", &format!("/var/lib/assent-registrar/{file}")));
    }
    // Inside only the panel listens; the registrar dials.
    let listens = site.gateway.listeners_inside();
    assert_eq!(listens.lines().count(), 1, "{listens}");
}

fn r53_a_role_that_is_killed_while_a_login_waits_costs_nothing_that_was_approved() {
    let (mut site, sshd) = site(Layout::OneMachine);
    let mut phone = site.enrol("alice").listen();
    for role in ROLES {
        let before = site.agent.audit().len();
        let mut login = types(&sshd, "alice", "true");
        phone.expect("[a]pprove", PATIENCE);
        site.gateway.kill_role(role);
        site.gateway.resume_role(role);
        phone.send_line("a");
        login.wait_for_success();
        let decision = site.agent.decision(before);
        assert_eq!(decision["verdict"], "approved", "{role}");
        assert_eq!(count(&decision, "effect", "push"), 1, "{role}");
    }
    // Nobody approved: killing a part passes nobody.
    for role in ROLES {
        let before = site.agent.audit().len();
        let mut login = types(&sshd, "alice", "echo never");
        phone.expect("[a]pprove", PATIENCE);
        site.gateway.kill_role(role);
        site.gateway.resume_role(role);
        phone.send_line("d");
        assert!(!login.wait(PATIENCE).success(), "{role}");
        assert!(!login.transcript().contains("never"), "{role}");
        assert_ne!(site.agent.decision(before)["verdict"], "approved", "{role}");
    }
}

fn without_its_registrar_a_site_goes_on_for_whom_it_knows_and_denies_the_others() {
    let (mut site, sshd) = site(Layout::TwoMachines);
    let mut phone = site.enrol("alice").listen();
    let other = site.enrol("dave");
    taps(&mut phone, types(&sshd, "alice", "true"));
    site.gateway.kill_role("registrar");
    taps(&mut phone, types(&sshd, "alice", "true"));
    // Nobody asked about dave since the host heard of the last change.
    let before = site.agent.audit().len();
    let mut login = types(&sshd, "dave", "echo never");
    assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
    let shown = login.transcript().to_owned();
    assert!(shown.contains("The push service cannot be reached."), "{shown}");
    let decision = site.agent.decision(before);
    assert_eq!(decision["cause"], "gateway_unreachable", "{decision}");
    site.gateway.resume_role("registrar");
    let mut dave = other.listen();
    taps(&mut dave, types(&sshd, "dave", "true"));
}

fn the_panel_apart_signs_in_by_link() {
    let (mut site, _sshd) = site(Layout::OneMachine);
    let made = assentctl(["enroll", "alice", "--link"]).expect_success().out;
    assert!(made.contains("/panel/l#"), "{made}");
    // The registrar answers the panel, and nobody else who comes to the socket.
    let (_, panel) = site.gateway.process_of("panel");
    let meta = std::fs::metadata("/run/assent-registrar/panel.sock").expect("the panel's socket");
    let group = std::os::unix::fs::MetadataExt::gid(&meta);
    let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777;
    assert_eq!((group, mode), (panel, 0o660));
    let ask = |user: &str| {
        Program::new("curl")
            .args([
                "--silent",
                "--max-time",
                "5",
                "--http2-prior-knowledge",
                "--unix-socket",
            ])
            .args([
                "/run/assent-registrar/panel.sock",
                "--data",
                "{\"void_before\":{\"identities\":[]}}",
                "http://localhost/ask",
            ])
            .as_user(user)
            .finish(SOON)
    };
    assert!(ask("assent-panel").expect_success().out.contains("secs"));
    for user in ["root", "assent-relay", "assent-app", "assent-registrar", "alice"] {
        let tried = ask(user);
        assert!(!tried.status.success() && tried.out.is_empty(), "{user}: {}", tried.out);
    }
}

fn m16_a_code_passes_with_the_code_service_apart_and_its_loss_costs_no_push() {
    codes_apart(Layout::OneMachine);
}

fn m16_a_code_passes_with_the_code_service_on_the_inner_machine() {
    codes_apart(Layout::TwoMachines);
}

fn codes_apart(layout: Layout) {
    let factors = "[[\"corp\"], [\"staff-push\", \"totp\"]]";
    let mut site = Site::open_around(|| Gateway::start_apart(layout), |usual| with(&usual, factors, ""));
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let mut phone = site.enrol("alice").listen();
    let mut admin = Terminal::open(&program("assentctl").args(["enroll", "alice", "--totp", "--no-qr"]));
    taps_only(&mut phone);
    let secret = key_in(&mut admin);
    admin.send_line(&shown(&secret));
    admin.wait_for_success();
    let by_code = |phone: &mut Terminal, code: &str| {
        let mut login = types(&sshd, "alice", "echo by code");
        login.expect(fits(r"then Enter, or type a code \[\w{6}\]: "), PATIENCE);
        phone.expect("[a]pprove", PATIENCE);
        login.send_line(code);
        login
    };
    let mut login = by_code(&mut phone, &shown_next(&secret));
    login.expect("by code", PATIENCE);
    login.wait_for_success();
    phone.expect("the host withdrew it", PATIENCE);

    site.gateway.kill_role("codes");
    let mut login = types(&sshd, "alice", "echo by push");
    login.expect(fits(r"then Enter, or type a code \[\w{6}\]: "), PATIENCE);
    taps_only(&mut phone);
    login.send_line("");
    login.expect("by push", PATIENCE);
    login.wait_for_success();
    let mut login = by_code(&mut phone, "123456");
    login.expect("No code is taken now. Approve on your phone", PATIENCE);
    phone.send_line("a");
    login.send_line("");
    login.wait_for_success();
    site.gateway.resume_role("codes");
    let status: Value =
        serde_json::from_str(&assentctl(["codes", "status", "--json"]).expect_success().out).expect("JSON");
    assert_eq!(status["totp"], 1, "{status}");
}

fn a_registrar_or_a_code_service_that_hangs_leads_on_and_neither_is_taken_for_the_other() {
    let factors = "[[\"corp\"], [\"staff-push\"]]";
    let ways =
        "floor = \"totp\"\non_failure = { gateway = [\"totp\"], not_enrolled = [\"totp\"], codes = [\"recovery\"] }";
    let mut site = Site::open_around(
        || Gateway::start_apart(Layout::OneMachine),
        |usual| {
            let recovery = "[[recovery_profile]]\nname = \"recovery\"\nfallback_auth_profiles = [\"corp\"]\n";
            format!("{}\n{recovery}", with(&usual, factors, ways))
        },
    );
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let device = site.enrol("alice");
    // The agent has not heard of the device: it asks the registrar, which hangs. Codes need it, too, so that the way leads to
    // a denial; but in a moment.
    site.gateway.freeze_role("registrar");
    let denied = |site: &Site, user: &str| {
        let before = site.agent.audit().len();
        let mut login = types(&sshd, user, "echo never");
        assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
        let decision = site.agent.decision(before);
        assert_eq!(decision["cause"], "code_service_unreachable");
        decision.to_string()
    };
    let first = denied(&site, "alice");
    assert!(first.contains("no answer from the registrar within 2.5 s"), "{first}");
    let next = denied(&site, "alice");
    assert!(next.contains("the registrar has been silent for"), "{next}");
    // It is found to be back by nobody's login, and the next one goes out as a push.
    site.gateway.thaw_role("registrar");
    site.agent
        .service()
        .wait_for_log("the registrar answers again", PATIENCE);
    let mut phone = device.listen();
    taps(&mut phone, types(&sshd, "alice", "true"));
    // The other way round: dave has no device, and no code can be asked for. A silent code service costs alice no push.
    site.gateway.freeze_role("codes");
    let before = site.agent.audit().len();
    let mut login = types(&sshd, "dave", "true");
    assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
    let decision = site.agent.decision(before).to_string();
    assert!(
        decision.contains("no answer from the code service within 2.5 s"),
        "{decision}"
    );
    taps(&mut phone, types(&sshd, "alice", "true"));
    site.gateway.thaw_role("codes");
    site.agent
        .service()
        .wait_for_log("the code service answers again", PATIENCE);
}

/// The agent starts again, and asks the registrar anew who has devices.
fn forgets(site: &mut Site) {
    site.agent.stop();
    site.agent.resume();
    site.agent.wait_until_connected();
}

/// Where the panel is, as its file has it.
fn panel_url() -> String {
    let file = std::fs::read_to_string("/etc/assent/panel.toml").expect("the panel's file");
    let (_, rest) = file.split_once("[panel]\nurl = \"").expect("its url");
    rest.split('"').next().expect("its end").to_owned()
}

fn codes_go_on_at_the_panels_address_while_relay_or_registrar_is_away_or_hangs() {
    let ways = "floor = \"totp\"\non_failure = { gateway = [\"totp\"], codes = [\"recovery\"] }";
    let mut site = Site::open_around(
        || Gateway::start_apart(Layout::TwoMachines),
        |usual| {
            let recovery = "[[recovery_profile]]\nname = \"recovery\"\nfallback_auth_profiles = [\"corp\"]\n";
            let usual = format!("{}\n{recovery}", with(&usual, "[[\"corp\"], [\"staff-push\"]]", ways));
            let way = format!("[gateway]\ncodes_url = \"{}\"\n", panel_url());
            assert!(usual.contains("[gateway]\n"));
            usual.replace("[gateway]\n", &way)
        },
    );
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let device = site.enrol("alice");
    let mut phone = device.listen();
    let mut admin = Terminal::open(&program("assentctl").args(["enroll", "alice", "--totp", "--no-qr"]));
    taps_only(&mut phone);
    let secret = key_in(&mut admin);
    admin.send_line(&shown(&secret));
    admin.wait_for_success();
    let way = |site: &Site| {
        let said: Value = serde_json::from_str(&assentctl(["doctor", "--json"]).out).expect("JSON");
        let checks = said["checks"].as_array().expect("a list of checks");
        let found = checks.iter().find(|check| check["check"] == "codes_url");
        found.unwrap_or_else(|| panic!("{said}\n{}", site.gateway.log()))["state"].clone()
    };
    assert_eq!(way(&site), "ok");
    let asks = |sshd: &Sshd| {
        let mut login = types(sshd, "alice", "echo by code");
        login.expect("Code from your authenticator app", PATIENCE);
        login
    };
    // It is the code service that judges what is typed there.
    let judged = |sshd: &Sshd| {
        let mut login = asks(sshd);
        login.send_line("000000");
        login.expect("Wrong code.", PATIENCE);
    };

    site.gateway.kill_role("relay");
    let mut login = asks(&sshd);
    login.send_line(&shown_next(&secret));
    login.expect("by code", PATIENCE);
    login.wait_for_success();
    let log = site.agent.service().log();
    assert!(log.contains("codes_url"), "{log}");
    // A typed code waits no longer for its judge than the login's other way allows.
    let before = site.agent.audit().len();
    let mut login = asks(&sshd);
    site.gateway.freeze_role("codes");
    login.send_line("000000");
    assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
    let decision = site.agent.decision(before).to_string();
    assert!(
        decision.contains("no answer from the code service within 2.5 s"),
        "{decision}"
    );
    site.gateway.thaw_role("codes");
    site.agent
        .service()
        .wait_for_log("the code service answers again", PATIENCE);
    site.gateway.resume_role("relay");
    drop(phone);
    let mut phone = device.listen();
    taps(&mut phone, types(&sshd, "alice", "true"));

    // Relay and registrar hang, each by itself; the agent asks the registrar who has devices, and codes wait for neither.
    for role in ["relay", "registrar"] {
        forgets(&mut site);
        site.gateway.freeze_role(role);
        judged(&sshd);
        judged(&sshd);
        site.gateway.thaw_role(role);
        site.agent
            .service()
            .wait_for_log("the registrar answers again", PATIENCE);
        site.agent.wait_until_connected();
        taps(&mut phone, types(&sshd, "alice", "true"));
    }
    // The registrar is no more and the relay hangs: the agent has learned who the code service is, which goes by what the registrar
    // last said.
    forgets(&mut site);
    site.agent.service().wait_for_log("the code service is known", PATIENCE);
    site.gateway.kill_role("registrar");
    site.gateway.freeze_role("relay");
    judged(&sshd);
    site.gateway.thaw_role("relay");
    site.gateway.resume_role("registrar");
    site.agent.service().wait_for_log("the relay answers again", PATIENCE);
    site.agent.wait_until_connected();
    taps(&mut phone, types(&sshd, "alice", "true"));
    // R7: what is known not to leave is not charged, so that a relay that hangs spends nobody's budget of pushes.
    site.gateway.freeze_role("relay");
    for _ in 0..8 {
        drop(asks(&sshd));
    }
    site.gateway.thaw_role("relay");
    // Without the code service or the panel there is no way, and doctor says so.
    for role in ["codes", "panel"] {
        site.gateway.kill_role(role);
        assert_eq!(way(&site), "warn");
        site.gateway.resume_role(role);
        assert_eq!(way(&site), "ok");
    }
}

fn taps_only(phone: &mut Terminal) {
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
}
