//! Bad weather: parts that are gone, late, restarted, and peers that misbehave.

use super::ssh::count;
use assent_tests::accounts::LOCAL;
use assent_tests::product::{PATIENCE, Site, assentctl, password, stack};
use assent_tests::sockets::AGENT;
use assent_tests::sshd::{Key, Sshd};
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{SOON, patience, scenarios};
use assent_wire::{Begin, Phase, ToAgent, ToModule, VerdictCode};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub const SCENARIOS: &[Scenario] = scenarios![
    an_absent_agent_refuses_every_login_and_root_is_told,
    r53_an_agent_that_is_killed_in_the_wait_denies_within_a_second,
    r50_restarts_of_the_agent_leave_the_sockets_as_they_are,
    a_gateway_that_is_down_denies_and_comes_back_without_a_restart,
    a_gateway_that_is_killed_in_the_wait_loses_no_login,
    a_directory_that_is_down_denies_and_comes_back_without_a_restart,
    a_directory_that_hangs_leads_to_the_next_profile_and_later_logins_do_not_wait,
    r55_a_client_that_hangs_up_withdraws_the_push_within_a_second_or_two,
    r49_only_root_may_speak_to_the_agent,
    r51_hostile_frames_end_their_own_connection_alone,
    r54_many_logins_wait_at_once_and_each_gets_its_own_verdict,
    r44_no_password_stays_in_the_agents_memory,
    the_agent_hears_and_pushes_on_one_connection_however_many_logins_wait,
    r35_every_factor_line_denies_when_the_module_is_missing,
];

fn site() -> (Site, Sshd) {
    let site = Site::open();
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    (site, sshd)
}

fn types(sshd: &Sshd, word: &str, command: &str) -> Terminal {
    let mut ssh = sshd.client("alice").option("NumberOfPasswordPrompts=1").run(command);
    ssh.expect("Password", PATIENCE);
    ssh.send_line(word);
    ssh
}

fn ends_refused(mut terminal: Terminal) -> String {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
    let shown = terminal.transcript().to_owned();
    assert!(!shown.contains("never"), "{shown}");
    shown
}

fn an_absent_agent_refuses_every_login_and_root_is_told() {
    let (mut site, sshd) = site();
    site.enrol("alice");
    site.agent.stop();
    // The sockets stay, nobody answers: the module gives up after three seconds.
    let began = Instant::now();
    ends_refused(
        sshd.client("alice")
            .option("NumberOfPasswordPrompts=1")
            .run("echo never"),
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let status = assentctl(["status"]);
    assert!(!status.status.success());
    assert!(status.err.to_lowercase().contains("agent"), "{}", status.err);
    // Without the socket at all it is the same, at once.
    std::fs::remove_file(AGENT).expect("the socket");
    ends_refused(
        sshd.client("alice")
            .option("NumberOfPasswordPrompts=1")
            .run("echo never"),
    );
}

fn r53_an_agent_that_is_killed_in_the_wait_denies_within_a_second() {
    let (mut site, sshd) = site();
    let mut phone = site.enrol("alice").listen();
    let mut login = types(&sshd, password("alice"), "echo never");
    phone.expect("[a]pprove", PATIENCE);
    let began = Instant::now();
    site.agent.kill();
    // The client may ask once more by itself; what counts is that this attempt ended.
    sshd.wait_for_log("Failed keyboard-interactive", SOON);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    phone.send_line("a");
    assert!(!login.wait(PATIENCE).success());
    assert!(!login.transcript().contains("never"));
}

fn r50_restarts_of_the_agent_leave_the_sockets_as_they_are() {
    let (mut site, sshd) = site();
    let mut phone = site.enrol("alice").listen();
    let look = || {
        let meta = std::fs::symlink_metadata(AGENT).expect("the socket");
        (meta.ino(), meta.uid(), meta.mode())
    };
    let before = look();
    for round in 0..5 {
        if round % 2 == 0 {
            site.agent.stop();
        } else {
            site.agent.kill();
        }
        assert_eq!(look(), before);
        site.agent.resume();
    }
    assert_eq!(look(), before);
    site.agent.wait_until_connected();
    let mut login = types(&sshd, password("alice"), "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn a_gateway_that_is_down_denies_and_comes_back_without_a_restart() {
    let (mut site, sshd) = site();
    let authenticator = site.enrol("alice");
    site.gateway.stop();
    let before = site.agent.audit().len();
    let shown = ends_refused(types(&sshd, password("alice"), "echo never"));
    assert!(shown.contains("The push service cannot be reached."), "{shown}");
    assert_eq!(site.agent.decision(before)["cause"], "gateway_unreachable");
    site.gateway.resume();
    site.agent.service().wait_for_log("connected to the relay", PATIENCE);
    let mut phone = authenticator.listen();
    let mut login = types(&sshd, password("alice"), "true");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.wait_for_success();
}

fn a_gateway_that_is_killed_in_the_wait_loses_no_login() {
    let (mut site, sshd) = site();
    let mut phone = site.enrol("alice").listen();
    let before = site.agent.audit().len();
    let mut login = types(&sshd, password("alice"), "true");
    phone.expect("[a]pprove", PATIENCE);
    site.gateway.kill();
    site.gateway.resume();
    // The person taps; the device sends the answer as soon as it can.
    phone.send_line("a");
    login.wait_for_success();
    let decision = site.agent.decision(before);
    assert_eq!(decision["verdict"], "approved");
    assert_eq!(count(&decision, "effect", "push"), 1);
}

fn a_directory_that_is_down_denies_and_comes_back_without_a_restart() {
    let (mut site, sshd) = site();
    let mut phone = site.enrol("alice").listen();
    site.slapd.stop();
    let before = site.agent.audit().len();
    let shown = ends_refused(types(&sshd, password("alice"), "echo never"));
    assert!(shown.contains("The directory cannot be reached."), "{shown}");
    let decision = site.agent.decision(before);
    assert_eq!(decision["cause"], "directory_unreachable");
    assert_eq!(count(&decision, "effect", "push"), 0);
    site.slapd.resume();
    let passed = patience::until(PATIENCE, || {
        let mut login = types(&sshd, password("alice"), "true");
        // A back-off may still keep the agent from asking; then the login is refused at once.
        let answered = patience::until(Duration::from_secs(3), || {
            let shown = phone.transcript().matches("[a]pprove").count();
            (shown > 0)
                .then_some(())
                .or_else(|| (!login.is_running()).then_some(()))
        });
        assert!(answered.is_some(), "neither a request nor a refusal");
        if phone.transcript().contains("[a]pprove") {
            phone.send_line("a");
            login.wait_for_success();
            return Some(());
        }
        None
    });
    assert!(
        passed.is_some(),
        "the agent never asked the directory again:\n{}",
        site.agent.log()
    );
}

fn a_directory_that_hangs_leads_to_the_next_profile_and_later_logins_do_not_wait() {
    let mut site = Site::open_with(|usual| {
        let usual = usual.replacen("name = \"corp\"", "name = \"corp\"\non_unreachable = \"next\"", 1);
        usual.replace(
            "factors = [[\"corp\"], [\"staff-push\"]]",
            "factors = [[\"corp\", \"local\"]]",
        )
    });
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let login = |site: &Site| {
        let before = site.agent.audit().len();
        let mut ssh = sshd.client(LOCAL).option("NumberOfPasswordPrompts=1").run("echo never");
        ssh.expect("Password", PATIENCE);
        ssh.send_line("a password");
        ends_refused(ssh);
        let decision = site.agent.decision(before);
        // The word of the next profile, which knows the user and keeps no passwords.
        assert_eq!(decision["cause"], "password_not_kept_here");
        decision.to_string()
    };
    site.slapd.freeze();
    let first = login(&site);
    assert!(first.contains("no answer within"), "{first}");
    // A probe finds the silence, and says so; from then on nobody waits.
    site.agent
        .service()
        .wait_for_log("takes connections and says nothing", PATIENCE);
    let next = login(&site);
    assert!(next.contains("not asked until it speaks"), "{next}");
    // It comes back without a login that finds out.
    site.slapd.thaw();
    site.agent.service().wait_for_log("is not silent any more", PATIENCE);
    let before = site.agent.audit().len();
    types(&sshd, password("alice"), "true").wait_for_success();
    let back = site.agent.decision(before).to_string();
    assert!(!back.contains("silent"), "{back}");
}

fn r55_a_client_that_hangs_up_withdraws_the_push_within_a_second_or_two() {
    let (site, sshd) = site();
    let mut phone = site.enrol("alice").listen();
    let mut login = types(&sshd, password("alice"), "echo never");
    phone.expect("[a]pprove", PATIENCE);
    let began = Instant::now();
    login.kill();
    let decision = site.agent.decision(0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(decision["cause"], "client_gone");
    phone.expect(fits("(?i)withdr"), PATIENCE);
}

fn begin(user: &str) -> ToAgent {
    begin_at("sshd", user)
}

fn begin_at(service: &str, user: &str) -> ToAgent {
    ToAgent::Begin(Box::new(Begin {
        phase: Phase::Auth,
        service: service.into(),
        user: user.into(),
        ruser: None,
        rhost: None,
        tty: None,
        flags: 0,
        ssh_connection: None,
        ssh_auth_info: None,
        command_line: b"test\0".to_vec(),
        command_line_len: 5,
        cwd: None,
        audit_session: None,
        login_uid: None,
        sudo_command: None,
        ticket: None,
    }))
}

/// The agent's next message.
fn next(stream: &mut UnixStream) -> Option<ToModule> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut body = vec![0; assent_wire::body_len(prefix).expect("a length")];
    stream.read_exact(&mut body).ok()?;
    Some(ToModule::decode(&body).expect("a message"))
}

fn connect() -> UnixStream {
    let stream = UnixStream::connect(AGENT).expect("the agent's socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn r49_only_root_may_speak_to_the_agent() {
    let (site, _sshd) = site();
    // The kernel refuses the path to others; were it open, the agent refuses the peer.
    let as_alice = || {
        assent_tests::program::Program::new("/usr/bin/python3")
            .args(["-c", "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ntry:\n s.connect(sys.argv[1])\nexcept PermissionError:\n print('refused by the kernel'); sys.exit()\ns.settimeout(5)\nprint('closed' if s.recv(1)==b'' else 'answered')", AGENT])
            .as_user("alice")
            .finish(SOON)
    };
    assert_eq!(as_alice().expect_success().out.trim(), "refused by the kernel");
    std::fs::set_permissions(AGENT, std::fs::Permissions::from_mode(0o666)).expect("a mode");
    assert_eq!(as_alice().expect_success().out.trim(), "closed");
    assert!(
        site.agent.log().contains("a connection of uid 5001 was refused"),
        "{}",
        site.agent.log()
    );
}

fn r51_hostile_frames_end_their_own_connection_alone() {
    let (mut site, sshd) = site();
    let mut phone = site.enrol("alice").listen();
    let mut login = types(&sshd, password("alice"), "true");
    phone.expect("[a]pprove", PATIENCE);
    let good = begin("alice").encode().expect("a frame");
    let mut hostile: Vec<Vec<u8>> = vec![
        vec![0xff; 4],
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 1, 1],
        [&[0, 1, 0, 1, 1, 1][..], &vec![0; 70_000]].concat(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        good[..good.len() / 2].to_vec(),
        ToAgent::Gone.encode().expect("a frame").to_vec(),
    ];
    for at in 4..good.len() {
        let mut changed = good.to_vec();
        changed[at] ^= 0xff;
        hostile.push(changed);
    }
    for bytes in hostile {
        let mut stream = connect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!contains_approval(&rest), "{bytes:?}");
    }
    // Connections that stay silent bother nobody.
    let silent: Vec<UnixStream> = (0..50).map(|_| connect()).collect();
    assert!(site.agent.service().is_running());
    phone.send_line("a");
    login.wait_for_success();
    drop(silent);
}

fn contains_approval(mut bytes: &[u8]) -> bool {
    while let Some((prefix, rest)) = bytes.split_first_chunk::<4>() {
        let Ok(len) = assent_wire::body_len(*prefix) else {
            return false;
        };
        let Some((body, rest)) = rest.split_at_checked(len) else {
            return false;
        };
        if let Ok(ToModule::Verdict(verdict)) = ToModule::decode(body)
            && verdict.code == VerdictCode::Approved
        {
            return true;
        }
        bytes = rest;
    }
    false
}

fn r54_many_logins_wait_at_once_and_each_gets_its_own_verdict() {
    let (mut site, _sshd) = site();
    let mut waiting: Vec<UnixStream> = (0..300)
        .map(|_| {
            let mut stream = connect();
            stream
                .write_all(&begin("alice").encode().expect("a frame"))
                .expect("the agent reads");
            stream
        })
        .collect();
    for stream in &mut waiting {
        assert_eq!(next(stream), Some(ToModule::Hello));
        assert!(matches!(next(stream), Some(ToModule::AskPassword { .. })));
    }
    let memory = resident(site.agent.service().pid());
    assert!(memory < 64 * 1024, "{memory} KiB");
    for stream in &mut waiting {
        stream
            .write_all(&ToAgent::Gone.encode().expect("a frame"))
            .expect("the agent reads");
    }
    for stream in &mut waiting {
        let Some(ToModule::Verdict(verdict)) = next(stream) else {
            panic!("no verdict")
        };
        assert_eq!(verdict.code, VerdictCode::Denied);
    }
    assert_eq!(site.agent.audit().len(), 300);
}

fn the_agent_hears_and_pushes_on_one_connection_however_many_logins_wait() {
    let (site, _sshd) = site();
    site.enrol("alice");
    assert_eq!(connections_to(&site), 1, "the event stream's");
    // As many as budgets let wait at once: four from an address, fifteen from unknown ones.
    let _waiting: Vec<UnixStream> = (0..15)
        .map(|number| {
            let mut stream = connect();
            let ToAgent::Begin(mut begin) = begin_at("sshd-stack", "alice") else {
                unreachable!("it is a beginning")
            };
            // No such connection is there, so none is seen to end.
            begin.ssh_connection = Some(format!("192.0.2.{} 0 127.0.0.1 22", number / 4).into_bytes());
            stream
                .write_all(&ToAgent::Begin(begin).encode().expect("a frame"))
                .expect("the agent reads");
            assert_eq!(next(&mut stream), Some(ToModule::Hello));
            assert!(matches!(next(&mut stream), Some(ToModule::Tell { .. })));
            assert_eq!(connections_to(&site), 1, "the event stream's");
            stream
        })
        .collect();
}

/// Open TCP connections at the gateway's port, as its own end sees them.
fn connections_to(site: &Site) -> usize {
    let port = site
        .gateway
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok());
    let local = format!(":{:04X}", port.expect("a port"));
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("this world's connections");
    let established = table.lines().filter(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next().is_some_and(|own| own.ends_with(&local)) && columns.nth(1) == Some("01")
    });
    established.count()
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

fn r44_no_password_stays_in_the_agents_memory() {
    let (mut site, sshd) = site();
    site.enrol("alice");
    let canary = "canary-Kz8qW3vT-canary";
    let before = site.agent.audit().len();
    let login = types(&sshd, canary, "echo never");
    assert_eq!(site.agent.decision(before)["cause"], "wrong_password");
    ends_refused(login);
    let pid = site.agent.service().pid();
    // The search itself must be able to find something: a text that is surely there.
    assert!(in_memory(pid, b"org.assent.Agent1"), "the search does not work");
    let clean = patience::until(Duration::from_secs(3), || {
        (!in_memory(pid, canary.as_bytes())).then_some(())
    });
    assert!(clean.is_some(), "the password is still in the agent's memory");
    for text in [
        site.agent.log(),
        site.gateway.log(),
        site.syslog.lines().join("\n"),
        format!("{:?}", site.agent.audit()),
    ] {
        assert!(!text.contains(canary));
    }
}

/// Whether the process's memory holds these bytes.
fn in_memory(pid: u32, needle: &[u8]) -> bool {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("the agent's maps");
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("the agent's memory");
    maps.lines().any(|line| {
        let mut words = line.split_whitespace();
        let (Some(range), Some(mode)) = (words.next(), words.next()) else {
            return false;
        };
        let Some((start, end)) = range.split_once('-') else {
            return false;
        };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else {
            return false;
        };
        if !mode.starts_with('r') || line.contains("[v") {
            return false;
        }
        let mut bytes = vec![0; usize::try_from(end - start).expect("a size")];
        let read = memory.read_at(&mut bytes, start).unwrap_or(0);
        bytes[..read].windows(needle.len()).any(|window| window == needle)
    })
}

fn r35_every_factor_line_denies_when_the_module_is_missing() {
    let site = Site::open();
    let key = Key::authorised_for("alice");
    for name in ["sshd-assent-password", "sshd-key"] {
        let lines = stack(name).replace("libpam_assent.so", "absent.so");
        let sshd = Sshd::builder()
            .stack(&lines)
            .methods(if name == "sshd-key" {
                "publickey"
            } else {
                "keyboard-interactive"
            })
            .start();
        ends_refused(
            sshd.client("alice")
                .with_key(&key)
                .option("NumberOfPasswordPrompts=1")
                .run("echo never"),
        );
    }
    assert!(site.agent.audit().is_empty());
}
