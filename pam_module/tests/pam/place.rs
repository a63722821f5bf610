//! R12, T12: where the agent's socket may lie, and who may listen there. Nothing is ever sent to another.

use crate::rig::{Rig, pam};
use assent_wire::VerdictCode;
use std::fs::{create_dir, set_permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

fn mode(path: &Path, mode: u32) {
    set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn refused(rig: &Rig, socket: &Path) {
    rig.line(&format!("socket={}", socket.display()));
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::AUTHINFO_UNAVAIL);
    assert_eq!(rig.run(&["start", "account"]).code("account"), pam::AUTHINFO_UNAVAIL);
}

#[test]
fn denies_when_the_agent_is_absent() {
    let rig = Rig::new();
    refused(&rig, &rig.socket());
    refused(&rig, &rig.path("no/such/directory/agent.sock"));
}

#[test]
fn denies_when_nobody_listens_at_the_socket() {
    let rig = Rig::new();
    drop(std::os::unix::net::UnixListener::bind(rig.socket()).unwrap());
    refused(&rig, &rig.socket());
}

// T12
#[test]
fn t12_a_socket_that_is_not_root_s_is_refused_before_a_byte_is_sent() {
    let rig = Rig::new();
    let agent = rig.agent(|_| ());
    chown(rig.socket(), Some(65534), None).unwrap();
    refused(&rig, &rig.socket());
    agent.saw_nobody();
}

// T12
#[test]
fn t12_a_symbolic_link_to_the_socket_or_to_its_directory_is_refused() {
    let rig = Rig::new();
    let agent = rig.agent(|_| ());
    symlink(rig.socket(), rig.path("link.sock")).unwrap();
    refused(&rig, &rig.path("link.sock"));
    symlink(rig.path("."), rig.path("link")).unwrap();
    refused(&rig, &rig.path("link/agent.sock"));
    agent.saw_nobody();
}

// T12
#[test]
fn t12_a_fifo_or_a_file_in_the_socket_s_place_is_refused_without_blocking() {
    let rig = Rig::new();
    let fifo = std::ffi::CString::new(rig.path("fifo").to_str().unwrap()).unwrap();
    // SAFETY: the path ends in NUL.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    refused(&rig, &rig.path("fifo"));
    std::fs::write(rig.path("file"), "").unwrap();
    refused(&rig, &rig.path("file"));
    create_dir(rig.path("directory")).unwrap();
    refused(&rig, &rig.path("directory"));
    // Nor is a connection tried, which the kernel would refuse as well.
    let traced = crate::rig::see(rig.straced(&["-e", "trace=connect", "-o", "/dev/stderr"], &["start", "auth"]));
    assert!(!traced.errors.contains("/proc/self/fd"), "{}", traced.errors);
}

// T12
#[test]
fn t12_a_directory_that_others_can_write_to_or_own_is_refused() {
    for (directory_mode, owner) in [(0o777, 0), (0o775, 0), (0o1777, 0), (0o755, 65534)] {
        let rig = Rig::new();
        create_dir(rig.path("run")).unwrap();
        let agent = crate::agent::play(
            &rig.path("run/agent.sock"),
            vec![Box::new(|_: &mut crate::agent::Peer| ())],
        );
        mode(&rig.path("run"), directory_mode);
        chown(rig.path("run"), Some(owner), None).unwrap();
        refused(&rig, &rig.path("run/agent.sock"));
        agent.saw_nobody();
    }
}

// T12
#[test]
fn t12_a_directory_further_up_that_others_can_write_to_is_refused_unless_sticky() {
    for (above_mode, expected) in [
        (0o777, pam::AUTHINFO_UNAVAIL),
        (0o1777, pam::SUCCESS),
        (0o755, pam::SUCCESS),
    ] {
        let rig = Rig::new();
        create_dir(rig.path("above")).unwrap();
        create_dir(rig.path("above/run")).unwrap();
        mode(&rig.path("above/run"), 0o755);
        mode(&rig.path("above"), above_mode);
        let socket = rig.path("above/run/agent.sock");
        let approve = |peer: &mut crate::agent::Peer| {
            peer.greet();
            peer.end(VerdictCode::Approved);
        };
        let agent = crate::agent::play(&socket, vec![Box::new(approve)]);
        rig.line(&format!("socket={}", socket.display()));
        assert_eq!(rig.run(&["start", "auth"]).code("auth"), expected, "{above_mode:o}");
        if expected == pam::SUCCESS {
            agent.finish();
        } else {
            agent.saw_nobody();
        }
    }
}

// R12, T12
#[test]
fn t12_a_listener_that_is_not_root_gets_nothing_even_at_a_socket_of_root_s() {
    for (uid, expected_bytes) in [("65534", false), ("0", true)] {
        let rig = Rig::new();
        let listen = format!("listen={uid}:{}", rig.socket().display());
        let mut listener = Command::new(&crate::rig::built().host)
            .arg(listen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(listener.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "listening\n");
        let traced =
            crate::rig::see(rig.straced(&["-e", "trace=connect,sendto", "-o", "/dev/stderr"], &["start", "auth"]));
        assert_eq!(traced.code("auth"), pam::AUTHINFO_UNAVAIL);
        let sent = traced
            .errors
            .lines()
            .filter(|line| line.starts_with("sendto(") && line.contains("ann"))
            .count();
        // The root listener never answers, so the row says only that a Begin left.
        assert_eq!(sent > 0, expected_bytes, "{uid}: {}", traced.errors);
        drop(listener.stdin.take());
        listener.wait().unwrap();
    }
}
