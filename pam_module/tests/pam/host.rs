//! R34, R36, R38: the host is left as it was found.

use crate::agent::{Peer, Script, verdict};
use crate::rig::{Rig, pam};
use assent_wire::{Tell, ToModule, VerdictCode};

/// A login with everything in it.
fn whole_login(peer: &mut Peer) {
    peer.greet();
    peer.give(&ToModule::Tell {
        kind: Tell::Info,
        text: "info".into(),
    });
    peer.ask(true, "code");
    peer.ask_password("password");
    peer.give(&verdict(VerdictCode::Approved, "welcome", Some([7; 16])));
}

// R36
#[test]
fn r36_descriptors_signals_limits_and_all_else_are_as_before_after_every_kind_of_end() {
    type Script = fn(&mut Peer);
    let scripts: [(&str, Script); 5] = [
        ("approved", whole_login),
        ("denied", |peer| {
            peer.greet();
            peer.end(VerdictCode::Denied);
        }),
        ("closed", |peer| drop(peer.greet())),
        ("broken", |peer| {
            peer.greet();
            peer.try_raw(&[0xff; 64]);
        }),
        ("out of turn", |peer| {
            peer.greet();
            peer.give(&ToModule::Hello);
        }),
    ];
    for (name, script) in scripts {
        let rig = Rig::new();
        let agent = rig.agents(vec![Box::new(script), Box::new(script)]);
        let seen = rig.run(&[
            "block=USR1",
            "ignore=HUP",
            "handle=QUIT",
            "reply=a",
            "reply=b",
            "reply=c",
            "reply=d",
            "start",
            "snapshot",
            "auth",
            "account",
            "open",
            "close",
            "setcred",
            "compare",
        ]);
        let differs: Vec<_> = seen.lines.iter().filter(|line| line.starts_with("differs")).collect();
        assert!(differs.is_empty(), "{name}: {differs:#?}");
        assert!(
            seen.lines.iter().any(|line| line.starts_with("compared ")),
            "{name}: {seen:?}"
        );
        agent.finish();
    }
}

// R36
#[test]
fn r36_two_hundred_loads_and_unloads_leave_nothing() {
    let rig = Rig::new();
    let seen = rig.run(&[&format!("dlopen={}*200", rig.module().display())]);
    assert!(seen.has("reloaded same=true mapped=false"), "{seen:?}");
}

// R36
#[test]
fn r36_two_hundred_handles_in_one_process_leave_nothing() {
    const TIMES: usize = 200;
    let rig = Rig::new();
    let scripts = (0..TIMES).map(|_| {
        Box::new(|peer: &mut Peer| {
            peer.greet();
            peer.give(&verdict(VerdictCode::Approved, "", Some([7; 16])));
        }) as Script<()>
    });
    let agent = rig.agents(scripts.collect());
    let one = ["start", "auth", "end"];
    let mut steps = vec!["snapshot"];
    steps.extend(one.iter().cycle().take(3 * TIMES));
    steps.push("compare");
    let seen = rig.run(&steps);
    agent.finish();
    assert_eq!(seen.codes("auth"), [pam::SUCCESS; TIMES]);
    assert!(!seen.lines.iter().any(|line| line.starts_with("differs")), "{seen:?}");
}

// R38
#[test]
fn r38_a_program_started_during_the_conversation_inherits_nothing_of_ours() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.ask(true, "code");
        peer.end(VerdictCode::Approved);
    });
    let seen = rig.run(&["fds-left=100", "conv=descriptors", "reply=1", "start", "auth"]);
    agent.finish();
    let inherited = seen
        .lines
        .iter()
        .find_map(|line| line.strip_prefix("inherited "))
        .unwrap();
    // The last is the shell's own, for its `echo *`; one of ours would be there beside it.
    assert!(["0 1 2", "0 1 2 3", "0 1 10 2"].contains(&inherited), "{inherited}");
}

#[test]
fn the_host_s_signal_mask_is_its_own_again_during_the_conversation() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.ask(true, "code");
        peer.end(VerdictCode::Approved);
    });
    let seen = rig.run(&["conv=mask", "reply=1", "start", "auth"]);
    agent.finish();
    assert!(seen.has("signals blocked=0 pending=0 handled=0"), "{seen:?}");
}

// R34
#[test]
fn r34_no_item_of_the_host_is_changed() {
    let rig = Rig::new();
    let agent = rig.agents(vec![Box::new(whole_login), Box::new(whole_login)]);
    let replies = ["reply=a", "reply=b", "reply=c", "reply=d", "reply=e"];
    let rest = [
        "start",
        "item=ruser:bob",
        "item=rhost:client",
        "item=tty:pts/0",
        "items",
        "auth",
        "items",
        "account",
        "items",
    ];
    let seen = rig.run(&[&replies[..], &rest].concat());
    agent.finish();
    let items: Vec<_> = seen.lines.iter().filter(|line| line.starts_with("items")).collect();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|line| *line == items[0]), "{items:#?}");
    assert!(
        items[0].contains("user=Some(\"ann\")") && items[0].contains("rhost=Some(\"client\")"),
        "{items:?}"
    );
}

// R40
#[test]
fn r40_a_hostile_environment_changes_no_byte_of_what_the_agent_is_told() {
    let rig = Rig::new();
    let take = |peer: &mut Peer| {
        let body = peer.body();
        peer.give(&ToModule::Hello);
        peer.end(VerdictCode::Approved);
        body
    };
    let agent = rig.agents(vec![Box::new(take), Box::new(take)]);
    let mut plain = rig.host(&["start", "auth"]);
    plain.env_clear();
    let mut hostile = rig.host(&["start", "auth"]);
    hostile.env_clear();
    for name in [
        "SUDO_COMMAND",
        "SUDO_USER",
        "SSH_CONNECTION",
        "SSH_AUTH_INFO_0",
        "SSH_CLIENT",
        "HOME",
        "USER",
        "LOGNAME",
        "PATH",
        "TMPDIR",
        "PWD",
        "LANG",
        "LC_ALL",
        "TZ",
        "RUST_BACKTRACE",
        "RUST_LOG",
        "http_proxy",
        "ASSENT_SOCKET",
        "TERM",
    ] {
        hostile.env(name, "/forged/../value");
    }
    assert_eq!(crate::rig::see(plain).code("auth"), pam::SUCCESS);
    assert_eq!(crate::rig::see(hostile).code("auth"), pam::SUCCESS);
    let bodies = agent.finish();
    assert!(bodies[0].is_some());
    assert_eq!(bodies[0], bodies[1]);
}

#[test]
fn sudo_s_own_word_is_asked_for_inside_sudo_alone() {
    // A host whose file is named `sudo`; the real sudo answers getenv itself, this one repeats its environment, which
    // is enough to see that the question is asked.
    for (name, expected) in [
        ("sudo", Some(&b"/bin/id -u"[..])),
        ("sudoedit", None),
        ("not-sudo", None),
    ] {
        let rig = Rig::new();
        let copy = rig.path(name);
        std::fs::copy(&crate::rig::built().host, &copy).unwrap();
        let agent = rig.agent(|peer| {
            let begin = peer.greet();
            peer.end(VerdictCode::Approved);
            begin.sudo_command.clone()
        });
        let mut host = std::process::Command::new(copy);
        host.arg(format!("confdir={}", rig.path("pam.d").display()))
            .args(["service=lab", "user=ann", "start", "auth"])
            .env("SUDO_COMMAND", "/bin/id -u");
        assert_eq!(crate::rig::see(host).code("auth"), pam::SUCCESS);
        assert_eq!(agent.finish()[0].as_deref(), expected, "{name}");
    }
}
