//! ^C, ^Z, hang-ups and kills while the module waits. The agent's `Begin` is the sign that it waits: the signals are
//! held back before it is sent.

use crate::agent::Peer;
use crate::rig::{Rig, pam, seen};
use assent_wire::{ToModule, VerdictCode};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A host that waits for its agent's verdict, and an agent that waits for the module to leave.
fn waiting(rig: &Rig, steps: &[&str]) -> (Child, crate::agent::Played<()>) {
    let (here, waits) = channel();
    let agent = rig.agent(move |peer| {
        peer.greet();
        here.send(()).unwrap();
        peer.sees_gone();
    });
    let host = rig.spawn(steps);
    waits.recv().unwrap();
    (host, agent)
}

fn kill(host: &Child, signal: i32) {
    // SAFETY: the process is our child and has not been waited for.
    assert_eq!(unsafe { libc::kill(host.id().try_into().unwrap(), signal) }, 0);
}

const ENDING: [(&str, i32); 5] = [
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("TERM", libc::SIGTERM),
    ("HUP", libc::SIGHUP),
    ("TSTP", libc::SIGTSTP),
];

#[test]
fn a_signal_ends_the_wait_in_a_denial_and_then_reaches_the_host_s_handler() {
    for (name, number) in ENDING {
        let rig = Rig::new();
        rig.options("unavailable=ignore");
        let (host, agent) = waiting(&rig, &[&format!("handle={name}"), "start", "auth", "signals"]);
        kill(&host, number);
        agent.finish();
        let seen = seen(host);
        assert_eq!(seen.code("auth"), pam::AUTH_ERR, "{name}");
        assert!(
            seen.has(&format!("signals blocked=0 pending=0 handled={number}")),
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn a_signal_in_the_account_phase_denies_permission() {
    let rig = Rig::new();
    let (host, agent) = waiting(&rig, &["handle=INT", "start", "account"]);
    kill(&host, libc::SIGINT);
    agent.finish();
    assert_eq!(seen(host).code("account"), pam::PERM_DENIED);
}

#[test]
fn a_signal_without_a_handler_ends_the_host_after_the_agent_was_told() {
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let rig = Rig::new();
        let (host, agent) = waiting(&rig, &["start", "auth", "signals"]);
        kill(&host, number);
        agent.finish();
        assert_eq!(seen(host).status.signal(), Some(number));
    }
}

#[test]
fn a_stop_by_ctrl_z_takes_effect_and_after_it_the_login_is_denied() {
    let rig = Rig::new();
    let (host, agent) = waiting(&rig, &["start", "auth"]);
    kill(&host, libc::SIGTSTP);
    agent.finish();
    let mut status = 0;
    // SAFETY: our child; the status is writable.
    unsafe { libc::waitpid(host.id().try_into().unwrap(), &raw mut status, libc::WUNTRACED) };
    assert!(libc::WIFSTOPPED(status), "{status}");
    kill(&host, libc::SIGCONT);
    assert_eq!(seen(host).code("auth"), pam::AUTH_ERR);
}

#[test]
fn a_signal_that_the_host_has_blocked_as_sudo_does_ends_the_wait_and_stays_pending() {
    let rig = Rig::new();
    let (host, agent) = waiting(&rig, &["block=INT", "start", "auth", "signals"]);
    kill(&host, libc::SIGINT);
    agent.finish();
    let seen = seen(host);
    assert_eq!(seen.code("auth"), pam::AUTH_ERR);
    let bit = 1 << (libc::SIGINT - 1);
    assert!(
        seen.has(&format!("signals blocked={bit} pending={bit} handled=0")),
        "{seen:?}"
    );
}

#[test]
fn a_signal_that_the_host_ignores_ends_nothing_and_is_not_kept() {
    let rig = Rig::new();
    let (here, waits): (_, Receiver<()>) = channel();
    let (go, on) = channel();
    let agent = rig.agent(move |peer: &mut Peer| {
        peer.greet();
        here.send(()).unwrap();
        on.recv().unwrap();
        peer.end(VerdictCode::Approved);
    });
    let host = rig.spawn(&["ignore=HUP", "start", "auth", "signals"]);
    waits.recv().unwrap();
    kill(&host, libc::SIGHUP);
    go.send(()).unwrap();
    agent.finish();
    let seen = seen(host);
    assert_eq!(seen.code("auth"), pam::SUCCESS);
    assert!(seen.has("signals blocked=0 pending=0 handled=0"), "{seen:?}");
}

#[test]
fn a_signal_that_interrupts_without_ending_changes_nothing() {
    let rig = Rig::new();
    let (here, waits) = channel();
    let (go, on) = channel();
    let agent = rig.agent(move |peer: &mut Peer| {
        peer.greet();
        here.send(()).unwrap();
        on.recv().unwrap();
        peer.end(VerdictCode::Approved);
    });
    let host = rig.spawn(&["handle=USR1", "start", "auth", "signals"]);
    waits.recv().unwrap();
    kill(&host, libc::SIGUSR1);
    go.send(()).unwrap();
    agent.finish();
    let seen = seen(host);
    assert_eq!(seen.code("auth"), pam::SUCCESS);
    assert!(
        seen.has(&format!("signals blocked=0 pending=0 handled={}", libc::SIGUSR1)),
        "{seen:?}"
    );
}

#[test]
fn a_signal_that_came_with_the_approval_wins() {
    let rig = Rig::new();
    let (host_id, id) = channel();
    let agent = rig.agent(move |peer| {
        peer.greet();
        let host: i32 = id.recv().unwrap();
        // Both are there before the module can look: it is stopped meanwhile.
        // SAFETY: our own child process, not waited for yet.
        unsafe { libc::kill(host, libc::SIGSTOP) };
        stopped(host);
        peer.end(VerdictCode::Approved);
        // SAFETY: as above.
        unsafe {
            libc::kill(host, libc::SIGINT);
            libc::kill(host, libc::SIGCONT);
        }
        peer.sees_gone();
    });
    let host = rig.spawn(&["handle=INT", "start", "auth"]);
    host_id.send(host.id().try_into().unwrap()).unwrap();
    agent.finish();
    assert_eq!(seen(host).code("auth"), pam::AUTH_ERR);
}

// R36
#[test]
fn r36_an_agent_that_left_raises_no_sigpipe() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.give(&ToModule::Ask {
            echo: true,
            text: "code".into(),
        });
    });
    let host = rig.spawn(&["default=PIPE", "conv=stop", "reply=1", "start", "auth"]);
    agent.finish();
    stopped(host.id().try_into().unwrap());
    kill(&host, libc::SIGCONT);
    assert_eq!(seen(host).code("auth"), pam::AUTHINFO_UNAVAIL);
}

/// Returns when the process stands still.
fn stopped(process: i32) {
    let path = format!("/proc/{process}/stat");
    while !std::fs::read_to_string(&path).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_that_was_pending_before_the_call_ends_it_at_once() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        // The module may leave before or after its Begin, and says no more than that it left.
        let mut kinds = Vec::new();
        while let Some(body) = peer.body() {
            kinds.push(body[1]);
        }
        kinds
    });
    let host = rig.spawn(&["block=INT", "raise=INT", "start", "auth"]);
    let seen = seen(host);
    assert_eq!(seen.code("auth"), pam::AUTH_ERR);
    let kinds = agent.finish().remove(0);
    assert!(!kinds.contains(&2), "no answer was sent: {kinds:?}");
}

/// A host in a session of its own with a terminal, whose other end is returned.
fn on_a_terminal(rig: &Rig, steps: &[&str]) -> (Child, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: two places for descriptors; no name, settings or size are asked for. The descriptors are ours alone.
    let (ours, theirs) = unsafe {
        let none = std::ptr::null_mut();
        assert_eq!(
            libc::openpty(&raw mut ours, &raw mut theirs, none, std::ptr::null(), std::ptr::null()),
            0
        );
        // Another test's child must not keep our end of the terminal open.
        libc::fcntl(ours, libc::F_SETFD, libc::FD_CLOEXEC);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    };
    let mut command = rig.host(steps);
    command.stdin(Stdio::from(theirs)).stdout(Stdio::piped());
    // SAFETY: both calls are safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            if libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
    (command.spawn().unwrap(), ours)
}

#[test]
fn a_terminal_that_hangs_up_ends_the_wait_even_when_its_signal_is_ignored() {
    let rig = Rig::new();
    let (here, waits) = channel();
    let agent = rig.agent(move |peer| {
        peer.greet();
        here.send(()).unwrap();
        peer.sees_gone();
    });
    // The second and third time are sudo's, which tries again whatever happens: the agent hears of none of them.
    let (host, terminal) = on_a_terminal(&rig, &["ignore=HUP", "start", "auth", "auth", "auth"]);
    waits.recv().unwrap();
    drop(terminal);
    agent.finish();
    assert_eq!(seen(host).codes("auth"), [pam::AUTH_ERR; 3]);
}

#[test]
fn after_a_hang_up_signal_the_same_handle_asks_nobody_again() {
    let rig = Rig::new();
    let (host, agent) = waiting(&rig, &["handle=HUP", "start", "auth", "auth", "end", "start", "auth"]);
    kill(&host, libc::SIGHUP);
    agent.finish();
    // Another handle does: there the agent is gone by now.
    assert_eq!(
        seen(host).codes("auth"),
        [pam::AUTH_ERR, pam::AUTH_ERR, pam::AUTHINFO_UNAVAIL]
    );
}

#[test]
fn ctrl_c_at_the_terminal_ends_the_wait() {
    let rig = Rig::new();
    let (here, waits) = channel();
    let agent = rig.agent(move |peer| {
        peer.greet();
        here.send(()).unwrap();
        peer.sees_gone();
    });
    let (host, terminal) = on_a_terminal(&rig, &["handle=INT", "start", "auth"]);
    waits.recv().unwrap();
    std::io::Write::write_all(&mut std::fs::File::from(terminal.try_clone().unwrap()), b"\x03").unwrap();
    agent.finish();
    assert_eq!(seen(host).code("auth"), pam::AUTH_ERR);
    drop(terminal);
}

#[test]
fn what_is_typed_while_we_wait_ends_nothing_and_is_left_for_the_host() {
    let rig = Rig::new();
    let (here, waits) = channel();
    let (go, on) = channel();
    let agent = rig.agent(move |peer: &mut Peer| {
        peer.greet();
        here.send(()).unwrap();
        on.recv().unwrap();
        peer.give(&ToModule::Tell {
            kind: assent_wire::Tell::Error,
            text: "still here".into(),
        });
        peer.end(VerdictCode::Approved);
    });
    let (host, terminal) = on_a_terminal(&rig, &["start", "auth", "read-line"]);
    waits.recv().unwrap();
    std::io::Write::write_all(
        &mut std::fs::File::from(terminal.try_clone().unwrap()),
        b"typed ahead\n",
    )
    .unwrap();
    go.send(()).unwrap();
    agent.finish();
    let seen = seen(host);
    assert_eq!(seen.code("auth"), pam::SUCCESS);
    assert!(seen.has("read typed ahead"), "{seen:?}");
    drop(terminal);
}
