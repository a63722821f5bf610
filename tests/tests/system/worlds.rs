//! The rigs prove themselves, second part: private worlds, and services with the sockets and the bus they get there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use assent_tests::bus::Bus;
use assent_tests::packages::{self, Consent, Missing};
use assent_tests::program::{Program, copy_program};
use assent_tests::service::Service;
use assent_tests::sockets::{ADMIN, AGENT, Sockets};
use assent_tests::suite::Scenario;
use assent_tests::{SOON, accounts, namespace, patience, scenarios};

use crate::helpers;

/// In the order in which they are listed.
pub const SCENARIOS: &[Scenario] = scenarios![
    sockets_are_passed_as_systemd_passes_them,
    sockets_stay_when_the_service_restarts,
    a_service_that_cannot_start_says_so,
    the_bus_is_where_the_system_bus_is_and_lets_nobody_own_a_name,
    a_world_starts_clean,
    nothing_done_in_a_world_is_seen_outside_nor_left_after_kill_9,
    without_root_the_suite_says_that_it_needs_root,
    a_world_may_share_the_network,
    packages_are_not_installed_without_a_yes,
];

fn sockets_are_passed_as_systemd_passes_them() {
    let sockets = Sockets::bind();
    let mut service = sockets.start(&helpers::part("listener"));
    service.wait_for_log("fds 2 names agent:admin\nlistening", SOON);
    assert_eq!(greeting(AGENT), "hello from descriptor 3\n");
    assert_eq!(greeting(ADMIN), "hello from descriptor 4\n");
    assert!(service.wait(SOON).success());
}

// The rig's half of R50 and R53; the agent's own tests prove the agent's.
fn sockets_stay_when_the_service_restarts() {
    let sockets = Sockets::bind();
    let inodes = || [AGENT, ADMIN].map(|path| fs::metadata(path).map(|meta| (meta.ino(), meta.mode() & 0o777)).ok());
    let before = inodes();
    assert!(
        before
            .iter()
            .all(|socket| socket.is_some_and(|(_, mode)| mode == 0o600)),
        "{before:?}"
    );
    let mut first = sockets.start(&helpers::part("listener"));
    first.wait_for_log("listening", SOON);
    first.kill();
    let waiting = UnixStream::connect(AGENT).expect("connections queue while no service runs");
    let mut second = sockets.start(&helpers::part("listener"));
    second.wait_for_log("listening", SOON);
    assert_eq!(first_line(waiting), "hello from descriptor 3\n");
    assert_eq!(inodes(), before);
}

fn a_service_that_cannot_start_says_so() {
    let mut service = Sockets::bind().start(&Program::new("/nonexistent/agentd"));
    assert_eq!(service.wait(SOON).code(), Some(127));
    assert!(service.log().contains("/nonexistent/agentd"), "{}", service.log());
}

fn the_bus_is_where_the_system_bus_is_and_lets_nobody_own_a_name() {
    accounts::birch();
    let bus = Bus::start(&[]);
    let ask = |method: &str, argument: &str| {
        let send = Program::new("dbus-send").args(["--system", "--print-reply", "--dest=org.freedesktop.DBus"]);
        let send = send
            .args(["/", &format!("org.freedesktop.DBus.{method}")])
            .as_user("bob");
        let send = if argument.is_empty() {
            send
        } else {
            send.args([argument, "uint32:0"])
        };
        send.finish(SOON)
    };
    assert!(ask("GetId", "").expect_success().out.contains("string"));
    let refused = ask("RequestName", "string:org.assent.Agent1");
    assert!(refused.err.contains("AccessDenied"), "{refused:?} on {}", bus.address());
}

fn a_world_starts_clean() {
    accounts::add("frieda", Some("x"));
    assert_eq!(
        Program::new("hostname").finish(SOON).expect_success().out.trim_end(),
        namespace::HOST_NAME
    );
    let runtime: Vec<_> = fs::read_dir("/run")
        .expect("/run")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        runtime
            .iter()
            .all(|name| ["sshd", "assent", "rigs", "lock"].iter().any(|ours| name == ours)),
        "{runtime:?}"
    );
    let interfaces = fs::read_to_string("/proc/thread-self/net/dev").expect("the interfaces");
    let names: Vec<_> = interfaces
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next())
        .map(str::trim)
        .collect();
    assert!(
        names.contains(&"lo") && !names.iter().any(|name| name.starts_with("eth")),
        "{names:?}"
    );
    // Another scenario's accounts and sockets are not here: each makes its own.
    assert!(!Path::new("/home/localjoe").exists() && !Path::new(AGENT).exists());
}

fn nothing_done_in_a_world_is_seen_outside_nor_left_after_kill_9() {
    // This scenario's world is the outside here, and a program of its own makes another world in it.
    let number = (100_000 + std::process::id()).to_string();
    let (mounts, accounts) = (mounts(), fs::read_to_string("/etc/passwd").expect("accounts"));
    let mut outer = Service::start(&helpers::part("world").arg(&number));
    outer.wait_for_log("inside", SOON);
    // It was started; its command line is there a moment after that.
    let runs = patience::until(SOON, || (sleepers(&number) == 1).then_some(()));
    runs.expect("its child runs");
    unchanged(&mounts, &accounts);
    outer.kill();
    let gone = patience::until(SOON, || (sleepers(&number) == 0).then_some(()));
    gone.expect("the kernel ends the child");
    unchanged(&mounts, &accounts);
}

fn a_world_may_share_the_network() {
    let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener outside");
    let port = outside.local_addr().expect("an address").port().to_string();
    helpers::part("visitor").arg(&port).finish(SOON).expect_success();
}

fn packages_are_not_installed_without_a_yes() {
    let wanted = ["bash", "there-is-no-such-package"];
    assert_eq!(packages::missing(&wanted), ["there-is-no-such-package"]);
    packages::ensure(&["bash"], Consent::Ask).expect("nothing is missing");
    // The suite has no terminal to ask at, or nobody answers; then nothing happens.
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let refused = packages::ensure(&wanted, Consent::Ask);
        assert!(matches!(refused, Err(Missing::Refused(missing)) if missing == wanted[1..]));
    }
}

fn unchanged(mounts: &str, accounts: &str) {
    assert_eq!(self::mounts(), mounts);
    assert_eq!(fs::read_to_string("/etc/passwd").expect("accounts"), accounts);
    for directory in ["/etc", "/var", "/home", "/root", "/tmp", "/run", "/dev"] {
        assert!(
            !Path::new(directory).join("made-inside").exists(),
            "{directory} changed"
        );
    }
}

fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").expect("the mounts")
}

/// How many processes run `sleep NUMBER`.
fn sleepers(number: &str) -> usize {
    let command = format!("sleep\0{number}\0");
    let processes = fs::read_dir("/proc").expect("the processes").flatten();
    processes
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|read| read == command.as_bytes()))
        .count()
}

fn without_root_the_suite_says_that_it_needs_root() {
    accounts::birch();
    let program = "/tmp/system-tests";
    copy_program(&std::env::current_exe().expect("this program"), Path::new(program));
    let refused = Program::new(program).as_user("bob").finish(SOON);
    assert!(
        !refused.status.success() && refused.err.contains("needs root"),
        "{refused:?}"
    );
    // Listing the tests needs nothing.
    let listed = Program::new(program)
        .arg("--list")
        .as_user("bob")
        .finish(SOON)
        .expect_success()
        .out;
    assert!(listed.contains("worlds::a_world_starts_clean: test"), "{listed}");
}

fn greeting(path: &str) -> String {
    first_line(UnixStream::connect(path).expect("the socket accepts"))
}

fn first_line(stream: UnixStream) -> String {
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a greeting");
    line
}
