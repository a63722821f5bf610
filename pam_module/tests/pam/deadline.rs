//! The one deadline, the agent's three seconds, and what stands still meanwhile. These tests last as long as the
//! deadlines do; what they wait for is the module's end, never a guess.

use crate::rig::{Rig, pam, seen};
use assent_wire::{ToModule, VerdictCode};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

fn between(from: Instant, least: f64, most: f64) {
    let took = from.elapsed();
    assert!(
        took >= Duration::from_secs_f64(least) && took <= Duration::from_secs_f64(most),
        "{took:?}"
    );
}

#[test]
fn an_agent_that_says_nothing_is_given_up_after_three_seconds() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.begin();
        peer.sees_the_end();
    });
    let start = Instant::now();
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::AUTHINFO_UNAVAIL);
    between(start, 2.9, 5.0);
    agent.finish();
}

#[test]
fn an_agent_that_does_not_even_take_the_connection_is_given_up_after_three_seconds() {
    let rig = Rig::new();
    // Nobody accepts, and the queue is full: a connect that blocked would block for ever.
    let listener = std::os::unix::net::UnixListener::bind(rig.socket()).unwrap();
    // SAFETY: the descriptor is the listener's; a second `listen` only changes its queue.
    let result = unsafe { libc::listen(listener.as_raw_fd(), 0) };
    assert_eq!(result, 0);
    let _first = std::os::unix::net::UnixStream::connect(rig.socket()).unwrap();
    let start = Instant::now();
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::AUTHINFO_UNAVAIL);
    between(start, 2.9, 5.0);
}

#[test]
fn an_agent_without_a_verdict_is_given_up_at_the_deadline() {
    let rig = Rig::new();
    rig.options("timeout=5");
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.sees_the_end();
    });
    let start = Instant::now();
    assert_eq!(rig.run(&["start", "account"]).code("account"), pam::AUTHINFO_UNAVAIL);
    between(start, 4.9, 7.0);
    agent.finish();
}

#[test]
fn a_verdict_dribbled_byte_by_byte_past_the_deadline_is_no_verdict() {
    let rig = Rig::new();
    rig.options("timeout=5");
    let agent = rig.agent(|peer| {
        peer.greet();
        let approved = crate::agent::verdict(VerdictCode::Approved, &"x".repeat(400), None)
            .encode()
            .unwrap();
        // Pacing, not synchronisation: 60 bytes a second, of more than 400.
        for byte in approved.iter() {
            if !peer.try_raw(&[*byte]) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(16));
        }
        false
    });
    let start = Instant::now();
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::AUTHINFO_UNAVAIL);
    between(start, 4.9, 7.0);
    assert_eq!(agent.finish(), [true], "the module took it all");
}

#[test]
fn what_the_user_answers_after_the_deadline_is_denied_whatever_the_agent_says() {
    let rig = Rig::new();
    rig.options("timeout=5 unavailable=ignore");
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.give(&ToModule::Ask {
            echo: true,
            text: "code".into(),
        });
        // The approval is there before the answer is.
        peer.end(VerdictCode::Approved);
        peer.sees_gone();
    });
    let seen = rig.run(&["conv=slow:5300", "reply=482", "start", "auth"]);
    assert_eq!(seen.code("auth"), pam::AUTH_ERR);
    agent.finish();
}

#[test]
fn an_approval_whose_line_was_shown_after_the_deadline_is_denied() {
    let rig = Rig::new();
    rig.options("timeout=5");
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.give(&crate::agent::verdict(VerdictCode::Approved, "welcome", None));
    });
    assert_eq!(
        rig.run(&["conv=slow:5300", "start", "account"]).code("account"),
        pam::PERM_DENIED
    );
    agent.finish();
}

// R53
#[test]
fn r53_an_agent_that_dies_is_noticed_within_a_second_at_every_step() {
    for step in 0..4 {
        let rig = Rig::new();
        let agent = rig.agent(move |peer| {
            if step == 0 {
                return Instant::now();
            }
            peer.begin();
            if step == 1 {
                return Instant::now();
            }
            peer.give(&ToModule::Hello);
            if step == 3 {
                peer.ask(true, "code");
            }
            Instant::now()
        });
        let host = rig.spawn(&["reply=1", "start", "auth"]);
        let died = agent.finish()[0];
        assert_eq!(seen(host).code("auth"), pam::AUTHINFO_UNAVAIL, "{step}");
        between(died, 0.0, 1.0);
    }
}
