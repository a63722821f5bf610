//! R46: `open_session` reports and nothing else.

use crate::agent::Peer;
use crate::rig::{Rig, pam};
use assent_wire::{SessionOpened, Tell, ToAgent};
use std::time::{Duration, Instant};

/// What the module must report when run from this process, whose audit session its host inherits.
fn expected(connection: Option<&str>) -> Option<SessionOpened> {
    let number: u32 = std::fs::read_to_string("/proc/self/sessionid")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    (number != u32::MAX).then(|| SessionOpened {
        user: b"ann".to_vec(),
        ssh_connection: connection.map(|text| text.as_bytes().to_vec()),
        audit_session: number,
    })
}

#[test]
fn r46_a_session_is_reported_with_its_connection_or_not_at_all_without_an_audit_session() {
    let rig = Rig::new();
    let steps = ["start", "putenv=SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22", "open"];
    let Some(session) = expected(Some("192.0.2.7 50000 192.0.2.1 22")) else {
        // Nothing to report here: no login of this machine's audit system began the tests.
        let agent = rig.agent(|_| ());
        assert_eq!(rig.run(&steps).code("open"), pam::IGNORED);
        return agent.saw_nobody();
    };
    let agent = rig.agent(|peer| {
        let message = peer.take();
        peer.sees_the_end();
        message
    });
    assert_eq!(rig.run(&steps).code("open"), pam::IGNORED);
    assert_eq!(agent.finish(), [ToAgent::Session(session)]);
}

#[test]
fn r46_a_session_waits_for_nobody_and_ignores_whatever_happens() {
    let rig = Rig::new();
    let start = Instant::now();
    // Absent, deaf, wrong options.
    assert_eq!(rig.run(&["start", "open"]).code("open"), pam::IGNORED);
    let _deaf = std::os::unix::net::UnixListener::bind(rig.socket()).unwrap();
    assert_eq!(rig.run(&["start", "open"]).code("open"), pam::IGNORED);
    rig.options("nonsense");
    assert_eq!(rig.run(&["start", "open"]).code("open"), pam::IGNORED);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_agent_is_told_what_the_wire_says_it_is_told() {
    let rig = Rig::new();
    let agent = rig.agent(|peer: &mut Peer| {
        let begin = peer.greet();
        peer.give(&assent_wire::ToModule::Tell {
            kind: Tell::Info,
            text: "one".into(),
        });
        peer.end(assent_wire::VerdictCode::Approved);
        begin
    });
    let steps = [
        "flags=1",
        "start",
        "item=ruser:bob",
        "item=rhost:client.example",
        "item=tty:pts/3",
        "putenv=SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22",
        "putenv=SSH_AUTH_INFO_0=",
        "auth",
    ];
    let mut host = rig.host(&steps);
    host.current_dir("/usr").env("SUDO_COMMAND", "/bin/forged");
    let seen = crate::rig::see(host);
    assert_eq!(seen.said(), ["4 \"one\""]);
    let begin = agent.finish().remove(0);
    assert_eq!(begin.service, b"lab");
    assert_eq!(begin.user, b"ann");
    assert_eq!(begin.ruser.as_deref(), Some(&b"bob"[..]));
    assert_eq!(begin.rhost.as_deref(), Some(&b"client.example"[..]));
    assert_eq!(begin.tty.as_deref(), Some(&b"pts/3"[..]));
    assert_eq!(begin.flags, 1);
    assert_eq!(
        begin.ssh_connection.as_deref(),
        Some(&b"192.0.2.7 50000 192.0.2.1 22"[..])
    );
    assert_eq!(begin.ssh_auth_info.as_deref(), Some(&b""[..]), "empty is not absent");
    assert_eq!(begin.cwd.as_deref(), Some(&b"/usr"[..]));
    assert_eq!(begin.sudo_command, None, "this is not sudo");
    let arguments: Vec<_> = begin.command_line.split(|byte| *byte == 0).collect();
    assert!(arguments[0].ends_with(b"/pamdrive"));
    assert!(arguments.ends_with(&[b"putenv=SSH_AUTH_INFO_0=", b"auth", b""]));
    assert_eq!(begin.command_line_len, begin.command_line.len() as u64);
}

#[test]
fn a_long_command_line_is_cut_and_says_how_long_it_was() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        let begin = peer.greet();
        peer.end(assent_wire::VerdictCode::Approved);
        begin
    });
    let filler = format!("reply={}", "z".repeat(100_000));
    let seen = rig.run(&[&filler, &filler, "start", "auth"]);
    assert_eq!(seen.code("auth"), pam::SUCCESS);
    let begin = agent.finish().remove(0);
    assert_eq!(begin.command_line.len(), assent_wire::MAX_COMMAND_LINE);
    assert!(begin.command_line_len > 200_000);
}

#[test]
fn a_name_too_long_to_be_one_is_denied_and_never_unavailable() {
    let rig = Rig::new();
    rig.options("unavailable=ignore");
    let agent = rig.agent(|_| ());
    assert_eq!(rig.run(&["longuser=1025", "start", "auth"]).code("auth"), pam::AUTH_ERR);
    let long_terminal = format!("item=tty:{}", "t".repeat(1025));
    assert_eq!(
        rig.run(&["start", &long_terminal, "account"]).code("account"),
        pam::PERM_DENIED
    );
    assert_eq!(rig.run(&["user=", "start", "auth"]).code("auth"), pam::AUTH_ERR);
    agent.saw_nobody();
}

#[test]
fn a_missing_user_is_asked_for_and_denied_when_there_is_no_answer() {
    let rig = Rig::new();
    rig.options("unavailable=ignore");
    let agent = rig.agent(|peer| {
        let begin = peer.greet();
        peer.end(assent_wire::VerdictCode::Approved);
        begin.user.clone()
    });
    let asked = ["start", "unset-user", "auth"];
    assert_eq!(
        rig.run(&[&["reply=carol"], &asked[..]].concat()).code("auth"),
        pam::SUCCESS
    );
    assert_eq!(agent.finish(), [b"carol"]);
    for conv in ["conv=none", "conv=error", "conv=again", "conv=null-reply"] {
        assert_eq!(
            rig.run(&[&[conv], &asked[..]].concat()).code("auth"),
            pam::AUTH_ERR,
            "{conv}"
        );
    }
}
