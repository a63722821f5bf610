//! R43: the conversation, with a host that does whatever it likes; passwords that other modules left.

use crate::agent::Peer;
use crate::rig::{Rig, Seen, pam};
use assent_wire::{Tell, ToModule, VerdictCode};

const LONGEST: usize = 4096;

/// One question (echoed) in a login that the agent then approves.
fn asked(steps: &[&str]) -> (Option<Vec<u8>>, Seen) {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        let answer = peer.ask(true, "code:");
        peer.end(VerdictCode::Approved);
        answer
    });
    let seen = rig.run(&[steps, &["start", "auth"]].concat());
    (agent.finish().remove(0), seen)
}

#[test]
fn a_question_reaches_the_host_and_its_reply_the_agent() {
    let (answer, seen) = asked(&["reply=482"]);
    assert_eq!(answer.as_deref(), Some(&b"482"[..]));
    assert_eq!(seen.said(), ["2 \"code:\""]);
    assert_eq!(seen.code("auth"), pam::SUCCESS);
}

#[test]
fn r43_a_reply_that_is_empty_or_ends_in_a_line_end_is_passed_on_without_it() {
    assert_eq!(asked(&["reply="]).0.as_deref(), Some(&b""[..]));
    assert_eq!(asked(&["reply=48 2\r\n"]).0.as_deref(), Some(&b"48 2"[..]));
}

#[test]
fn r43_a_reply_is_cut_at_its_nul() {
    assert_eq!(asked(&["conv=nul"]).0.as_deref(), Some(&b"before"[..]));
}

#[test]
fn r43_the_longest_reply_passes_and_a_longer_one_has_failed() {
    assert_eq!(asked(&["conv=long:4096"]).0, Some(vec![b'x'; LONGEST]));
    assert_eq!(asked(&["conv=long:4097"]).0, None);
    assert_eq!(asked(&["conv=long:1048576"]).0, None);
}

#[test]
fn r43_a_host_without_an_answer_has_failed_and_the_login_goes_on_to_its_verdict() {
    for conv in [
        "conv=none",
        "conv=error",
        "conv=again",
        "conv=null-list",
        "conv=null-reply",
        "conv=dangling",
    ] {
        let (answer, seen) = asked(&[conv]);
        assert_eq!(answer, None, "{conv}");
        assert!(seen.status.success(), "{conv}: {seen:?}");
        assert_eq!(seen.code("auth"), pam::SUCCESS, "{conv}");
    }
}

#[test]
fn the_agent_s_texts_lose_their_control_characters() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        peer.ask(false, "se\0cret\x1b[2J:");
        peer.give(&ToModule::Tell {
            kind: Tell::Error,
            text: "a\nb\u{9b}c\r".into(),
        });
        peer.end(VerdictCode::Approved);
    });
    assert_eq!(
        rig.run(&["reply=x", "start", "auth"]).said(),
        ["1 \"secret[2J:\"", "3 \"a\\nbc\""]
    );
    agent.finish();
}

#[test]
fn p2_what_the_agent_says_is_shown_under_pam_silent_which_sudo_always_sets() {
    const PAM_SILENT: u32 = 0x8000;
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        let begin = peer.greet();
        peer.give(&ToModule::Tell {
            kind: Tell::Info,
            text: "waiting".into(),
        });
        peer.give(&ToModule::Tell {
            kind: Tell::Error,
            text: "shown".into(),
        });
        peer.end(VerdictCode::Approved);
        begin.flags
    });
    let seen = rig.run(&["flags=32768", "start", "auth"]);
    assert_eq!(seen.said(), ["4 \"waiting\"", "3 \"shown\""]);
    assert_eq!(agent.finish(), [PAM_SILENT]);
}

/// Two questions for the password in a login that ends with `code`; what the agent got, and what a later module would
/// get as `PAM_AUTHTOK` (`pam_unix`'s place is taken by a line that asks the agent once more).
fn passwords(options: &'static str, steps: &[&str], code: VerdictCode) -> Vec<Option<Vec<u8>>> {
    let rig = Rig::new();
    let module = rig.module().display().to_string();
    let ours = format!("{module} socket={}", rig.socket().display());
    // The second line shows what the first left in PAM_AUTHTOK: try_first_pass takes it without asking.
    rig.write_service(
        "lab",
        &format!("auth optional {ours} {options}\nauth required {ours}\n"),
    );
    let first = move |peer: &mut Peer| {
        peer.greet();
        let answers = vec![peer.ask_password("one:"), peer.ask_password("two:")];
        peer.end(code);
        answers
    };
    let second = |peer: &mut Peer| {
        peer.greet();
        let answers = vec![peer.ask_password("left?")];
        peer.end(VerdictCode::Approved);
        answers
    };
    let agent = rig.agents(vec![Box::new(first), Box::new(second)]);
    // PAM_AUTHTOK can be set by a module alone, so an earlier line sets it.
    rig.run(&[&["start"], steps, &["auth"]].concat());
    agent.finish().concat()
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with answers")]
fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

#[test]
fn without_a_first_pass_the_user_is_asked_each_time_and_nothing_is_left() {
    let got = passwords("", &["reply=a", "reply=b", "reply=c"], VerdictCode::Approved);
    assert_eq!(got, [text("a"), text("b"), text("c")]);
}

// R34
#[test]
fn r34_the_last_password_is_left_for_others_by_option_alone_and_after_an_approval_alone() {
    let replies = &["reply=a", "reply=b", "reply=c"];
    assert_eq!(passwords("", replies, VerdictCode::Approved)[2], text("c"));
    assert_eq!(passwords("set_authtok", replies, VerdictCode::Approved)[2], text("b"));
    assert_eq!(passwords("set_authtok", replies, VerdictCode::Denied)[2], text("c"));
    assert_eq!(
        passwords("set_authtok", replies, VerdictCode::Unavailable)[2],
        text("c")
    );
}

#[test]
fn the_first_pass_is_taken_once_and_the_second_question_asks() {
    let rig = Rig::new();
    let module = rig.module().display().to_string();
    let ours = format!("{module} socket={}", rig.socket().display());
    for (options, expected, prompts) in [
        ("", [text("first"), text("typed")], vec!["1 \"two:\""]),
        (
            "no_try_first_pass",
            [text("typed"), text("again")],
            vec!["1 \"one:\"", "1 \"two:\""],
        ),
    ] {
        // The first line leaves "first", as pam_unix would.
        rig.write_service(
            "lab",
            &format!("auth required {ours} set_authtok\nauth required {ours} {options}\n"),
        );
        let leave = |peer: &mut Peer| {
            peer.greet();
            let answers = vec![peer.ask_password("leave:")];
            peer.end(VerdictCode::Approved);
            answers
        };
        let take = |peer: &mut Peer| {
            peer.greet();
            let answers = vec![peer.ask_password("one:"), peer.ask_password("two:")];
            peer.end(VerdictCode::Approved);
            answers
        };
        let agent = rig.agents(vec![Box::new(leave), Box::new(take)]);
        let seen = rig.run(&["reply=first", "reply=typed", "reply=again", "start", "auth"]);
        assert_eq!(agent.finish().remove(1), expected, "{options}");
        assert_eq!(seen.said()[1..], prompts, "{options}");
        std::fs::remove_file(rig.socket()).unwrap();
    }
}
