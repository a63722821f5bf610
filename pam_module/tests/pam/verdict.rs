//! Every row of the verdict table, in both phases, through libpam.

use crate::agent::verdict;
use crate::rig::{Rig, pam};
use assent_wire::{Phase, VerdictCode};

const TABLE: [(VerdictCode, i32, i32); 5] = [
    (VerdictCode::Approved, pam::SUCCESS, pam::SUCCESS),
    (VerdictCode::Denied, pam::AUTH_ERR, pam::PERM_DENIED),
    (VerdictCode::Blocked, pam::AUTH_ERR, pam::ACCT_EXPIRED),
    (VerdictCode::Ignore, pam::IGNORED, pam::IGNORED),
    (VerdictCode::Unavailable, pam::AUTHINFO_UNAVAIL, pam::AUTHINFO_UNAVAIL),
];

#[test]
fn every_verdict_has_its_code_in_the_auth_phase() {
    for (code, auth, _) in TABLE {
        let rig = Rig::new();
        let agent = rig.agent(move |peer| {
            let begin = peer.greet();
            peer.end(code);
            begin.phase
        });
        assert_eq!(rig.run(&["start", "auth"]).code("auth"), auth, "{code:?}");
        assert_eq!(agent.finish(), [Phase::Auth]);
    }
}

#[test]
fn every_verdict_has_its_code_in_the_account_phase() {
    for (code, _, account) in TABLE {
        let rig = Rig::new();
        let agent = rig.agent(move |peer| {
            let begin = peer.greet();
            peer.end(code);
            begin.phase
        });
        assert_eq!(rig.run(&["start", "account"]).code("account"), account, "{code:?}");
        assert_eq!(agent.finish(), [Phase::Account]);
    }
}

// R46
#[test]
fn r46_setcred_succeeds_and_the_rest_ignores_without_an_agent() {
    let rig = Rig::new();
    let agent = rig.agent(|_| ());
    let seen = rig.run(&["start", "setcred", "close", "chauthtok"]);
    assert_eq!(seen.code("setcred"), pam::SUCCESS);
    assert_eq!(seen.code("close"), pam::IGNORED);
    assert_eq!(seen.code("chauthtok"), pam::IGNORED);
    agent.saw_nobody();
}

#[test]
fn the_verdict_s_line_is_information_when_approved_and_an_error_otherwise() {
    for (code, line) in [
        (VerdictCode::Approved, "4 \"done\""),
        (VerdictCode::Denied, "3 \"done\""),
        (VerdictCode::Unavailable, "3 \"done\""),
    ] {
        let rig = Rig::new();
        let agent = rig.agent(move |peer| {
            peer.greet();
            peer.give(&verdict(code, "done", None));
        });
        assert_eq!(rig.run(&["start", "auth"]).said(), [line]);
        agent.finish();
    }
}

#[test]
fn a_line_that_cannot_be_shown_changes_no_verdict() {
    for conv in ["conv=none", "conv=error", "conv=null-list"] {
        let rig = Rig::new();
        let agent = rig.agent(|peer| {
            peer.greet();
            peer.give(&verdict(VerdictCode::Approved, "welcome", None));
        });
        assert_eq!(rig.run(&[conv, "start", "auth"]).code("auth"), pam::SUCCESS, "{conv}");
        agent.finish();
    }
}

#[test]
fn an_approval_is_void_if_the_user_was_changed_meanwhile() {
    for (name, expected) in [("ann", pam::SUCCESS), ("root", pam::AUTH_ERR)] {
        let rig = Rig::new();
        let agent = rig.agent(|peer| {
            peer.greet();
            peer.ask(true, "code");
            peer.end(VerdictCode::Approved);
        });
        let conv = format!("conv=rename:{name}");
        assert_eq!(
            rig.run(&[&conv, "reply=1", "start", "auth"]).code("auth"),
            expected,
            "{name}"
        );
        agent.finish();
    }
}
