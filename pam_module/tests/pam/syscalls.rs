//! R32, R39, R41, R45, R71: what the module asks of the kernel, seen by `strace` (Debian package `strace`), and what it
//! does when the kernel says no.

use crate::agent::Peer;
use crate::rig::{Rig, Seen, pam, see};
use assent_wire::VerdictCode;

fn approve(peer: &mut Peer) {
    let _ = peer.body();
    if peer.try_raw(&assent_wire::ToModule::Hello.encode().unwrap()) {
        peer.try_raw(&crate::agent::verdict(VerdictCode::Approved, "", None).encode().unwrap());
        let _ = peer.body();
    }
}

/// The trace of a login between its two marks.
fn trace(options: &[&str], steps: &[&str]) -> (Vec<String>, Seen) {
    let rig = Rig::new();
    let agent = rig.agent(approve);
    let log = rig.path("trace");
    let all = [options, &["-o", log.to_str().unwrap()]].concat();
    let seen = see(rig.straced(&all, &[&["start", "mark=in"], steps, &["mark=out"]].concat()));
    agent.finish();
    let text = std::fs::read_to_string(log).unwrap();
    let between = text.lines().skip_while(|line| !line.contains("/mark-in")).skip(1);
    (
        between
            .take_while(|line| !line.contains("/mark-out"))
            .map(str::to_owned)
            .collect(),
        seen,
    )
}

// R39, R41, R45
#[test]
fn r39_only_the_compiled_in_paths_are_opened_each_without_following_links() {
    let (lines, seen) = trace(&["-e", "trace=%file,openat,openat2,connect"], &["auth"]);
    assert_eq!(seen.code("auth"), pam::SUCCESS);
    assert!(lines.len() > 8, "{lines:#?}");
    for line in &lines {
        let proc_self = ["cmdline", "sessionid", "loginuid", "exe"]
            .iter()
            .any(|name| line.contains(&format!("\"/proc/self/{name}\"")));
        let walk = line.starts_with("openat(") && line.contains("O_PATH") && line.contains("O_NOFOLLOW");
        let no_path = line.starts_with("getcwd(") || (line.starts_with("newfstatat(") && line.contains(", \"\", "));
        let root = line.starts_with("openat(AT_FDCWD, \"/\"");
        let agent = line.starts_with("connect(") && line.contains("/proc/self/fd/");
        let terminal = line.contains("\"/dev/tty\"") && line.contains("O_NOCTTY|O_NONBLOCK|O_CLOEXEC");
        assert!(proc_self || walk || no_path || root || agent || terminal, "{line}");
    }
    for line in lines.iter().filter(|line| line.starts_with("openat(")) {
        assert!(line.contains("O_CLOEXEC"), "{line}");
    }
}

// R36, R41, R71
#[test]
fn r36_no_process_thread_handler_or_terminal_setting_is_made_and_no_network_touched() {
    let (lines, _) = trace(&["-f"], &["auth", "account", "open", "close", "setcred"]);
    assert!(lines.len() > 20);
    for line in &lines {
        let call = line
            .split_once('(')
            .map_or("", |(call, _)| call)
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        assert!(
            ![
                "clone",
                "clone3",
                "fork",
                "vfork",
                "execve",
                "setuid",
                "setresuid",
                "umask",
                "chdir",
                "fchdir",
                "prctl",
                "setrlimit",
                "prlimit64",
                "alarm",
                "setitimer",
                "timer_create",
                "kill",
                "tgkill",
                "unlink",
                "rename",
                "mkdir",
                "bind",
                "listen"
            ]
            .contains(&call),
            "{line}"
        );
        // The audit netlink socket is libpam's own.
        assert!(!line.contains("AF_INET") && !line.contains("AF_INET6"), "{line}");
        assert!(!line.contains("TCSET") && !line.contains("TIOCSTI"), "{line}");
        // Asking for a handler is `NULL` in second place.
        assert!(call != "rt_sigaction" || line.contains(", NULL, {"), "{line}");
        for file in [
            "nsswitch",
            "resolv",
            "/etc/passwd",
            "/etc/shadow",
            "/etc/group",
            "localtime",
            "nscd",
        ] {
            assert!(!line.contains(file), "{line}");
        }
    }
}

// R32
#[test]
fn r32_without_descriptors_there_is_no_verdict_and_never_an_ignore() {
    let mut codes = Vec::new();
    // With none left libpam itself fails.
    for left in 1..12 {
        let rig = Rig::new();
        let agent = rig.agent(approve);
        let limit = format!("fds-left={left}");
        let code = rig.run(&["start", &limit, "auth"]).code("auth");
        codes.push(code);
        if code == pam::SUCCESS {
            agent.finish();
        }
    }
    let first_success = codes
        .iter()
        .position(|code| *code == pam::SUCCESS)
        .expect("eleven are enough");
    assert!(first_success >= 2, "{codes:?}");
    assert!(
        codes[..first_success].iter().all(|code| *code == pam::AUTHINFO_UNAVAIL),
        "{codes:?}"
    );
    assert!(
        codes[first_success..].iter().all(|code| *code == pam::SUCCESS),
        "{codes:?}"
    );
}

// R32
#[test]
fn r32_a_call_that_fails_for_good_denies_as_unavailable() {
    for fault in [
        "socket:error=EMFILE:when=1",
        "socket:error=EACCES:when=1",
        "connect:error=ECONNREFUSED",
        "connect:error=EPERM",
        "connect:error=EACCES",
        "getsockopt:error=ENOPROTOOPT",
        "sendto:error=EPIPE:when=1",
        "sendto:error=ENOBUFS:when=1",
        "recvfrom:error=EIO:when=1",
        "recvfrom:error=ECONNRESET:when=1",
        "recvfrom:retval=0:when=1",
        "poll:error=ENOMEM",
        "signalfd4:error=EMFILE",
        "signalfd4:error=ENOMEM",
    ] {
        assert_eq!(inject(fault), pam::AUTHINFO_UNAVAIL, "{fault}");
    }
}

// R32
#[test]
fn r32_a_call_that_fails_once_for_now_is_repeated() {
    for fault in [
        "connect:error=EAGAIN:when=1",
        "connect:error=EINTR:when=1",
        "sendto:error=EAGAIN:when=1",
        "sendto:error=EINTR:when=1",
        "recvfrom:error=EAGAIN:when=1",
        "recvfrom:error=EINTR:when=1",
        "poll:error=EINTR:when=1",
        "poll:error=EINTR:when=2",
    ] {
        assert_eq!(inject(fault), pam::SUCCESS, "{fault}");
    }
}

/// The code of a login in which the kernel does this.
fn inject(fault: &str) -> i32 {
    let rig = Rig::new();
    // The agent gets a connection in some cases only; its thread ends with the tests.
    let _agent = rig.agent(approve);
    let log = rig.path("trace");
    let call = fault.split(':').next().unwrap();
    let (trace, inject) = (format!("trace={call}"), format!("inject={fault}"));
    let options = ["-e", &trace, "-e", &inject, "-o", log.to_str().unwrap()];
    let seen = see(rig.straced(&options, &["start", "auth"]));
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("(INJECTED)"), "{fault} never happened: {text}");
    seen.code("auth")
}

// R32, R39
#[test]
fn r32_what_cannot_be_read_of_ourselves_is_absent_and_decides_nothing() {
    for path in [
        "/proc/self/cmdline",
        "/proc/self/sessionid",
        "/proc/self/loginuid",
        "/dev/tty",
    ] {
        let rig = Rig::new();
        let agent = rig.agent(approve);
        let log = rig.path("trace");
        let options = [
            "-P",
            path,
            "-e",
            "trace=openat",
            "-e",
            "inject=openat:error=EACCES",
            "-o",
            log.to_str().unwrap(),
        ];
        assert_eq!(
            see(rig.straced(&options, &["start", "auth"])).code("auth"),
            pam::SUCCESS,
            "{path}"
        );
        assert!(std::fs::read_to_string(log).unwrap().contains("INJECTED"), "{path}");
        agent.finish();
    }
}

#[test]
fn every_use_of_unavailable_ignore_and_every_missing_verdict_is_logged() {
    for (options, expected) in [
        ("unavailable=ignore", "passed over (unavailable=ignore): "),
        ("", "denied: "),
        ("nonsense", "denied: unknown option nonsense"),
    ] {
        let rig = Rig::new();
        rig.options(options);
        let log = rig.path("trace");
        // Where there is no log daemon, strace stands in: the kernel then says that the datagram went out.
        let strace = [
            "-s",
            "300",
            "-e",
            "trace=connect,sendto",
            "-e",
            "inject=connect:retval=0",
            "-e",
            "inject=sendto:retval=100",
            "-o",
            log.to_str().unwrap(),
        ];
        see(rig.straced(&strace, &["start", "auth"]));
        let text = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("pam_assent[")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(lines[0].contains("lab:auth: ") && lines[0].contains(expected), "{text}");
        assert!(text.contains("sun_path=\"/dev/log\""), "{text}");
        assert!(
            !lines[0].contains("ann"),
            "R70: the user's name may be a password: {text}"
        );
    }
}
