//! R86: auth and account phase of one handle share an approval, once.

use crate::agent::{Peer, Script, verdict};
use crate::rig::Rig;
use assent_wire::VerdictCode;

const TICKET: [u8; 16] = *b"0123456789abcdef";

/// Plays one login for each `(code, ticket)` and returns the tickets that the module showed.
fn shown(verdicts: &[(VerdictCode, Option<[u8; 16]>)], steps: &[&str]) -> Vec<Option<[u8; 16]>> {
    let rig = Rig::new();
    let scripts = verdicts.iter().copied().map(|(code, ticket)| {
        Box::new(move |peer: &mut Peer| {
            let begin = peer.greet();
            peer.give(&verdict(code, "", ticket));
            begin.ticket
        }) as Script<_>
    });
    let agent = rig.agents(scripts.collect());
    rig.run(steps);
    agent.finish()
}

const APPROVED: (VerdictCode, Option<[u8; 16]>) = (VerdictCode::Approved, Some(TICKET));
const PLAIN: (VerdictCode, Option<[u8; 16]>) = (VerdictCode::Approved, None);
const DENIED: (VerdictCode, Option<[u8; 16]>) = (VerdictCode::Denied, None);

// R86
#[test]
fn r86_the_account_phase_shows_the_ticket_of_its_auth_phase_once() {
    let got = shown(&[APPROVED, PLAIN, PLAIN], &["start", "auth", "account", "account"]);
    assert_eq!(got, [None, Some(TICKET), None]);
}

// R86
#[test]
fn r86_a_ticket_does_not_outlive_the_next_auth_phase() {
    let got = shown(&[APPROVED, DENIED, PLAIN], &["start", "auth", "auth", "account"]);
    assert_eq!(got, [None, None, None]);
}

// R86
#[test]
fn r86_a_ticket_is_void_for_another_user_or_service() {
    let got = shown(&[APPROVED, PLAIN], &["start", "auth", "item=user:root", "account"]);
    assert_eq!(got, [None, None]);
    let got = shown(
        &[APPROVED, PLAIN],
        &["start", "auth", "item=service:elsewhere", "account"],
    );
    assert_eq!(got, [None, None]);
}

// R86
#[test]
fn r86_a_ticket_is_void_in_another_process_and_another_handle() {
    let got = shown(&[APPROVED, PLAIN], &["start", "auth", "fork=account"]);
    assert_eq!(got, [None, None]);
    let got = shown(&[APPROVED, PLAIN], &["start", "auth", "end", "start", "account"]);
    assert_eq!(got, [None, None]);
}

// R86
#[test]
fn r86_a_ticket_of_the_account_phase_is_not_kept() {
    let got = shown(&[APPROVED, PLAIN], &["start", "account", "account"]);
    assert_eq!(got, [None, None]);
}

#[test]
fn sshd_s_way_works_auth_and_account_in_one_child_and_setcred_in_the_parent() {
    let rig = Rig::new();
    let script = |answer: (VerdictCode, Option<[u8; 16]>)| {
        Box::new(move |peer: &mut Peer| {
            let begin = peer.greet();
            peer.give(&verdict(answer.0, "", answer.1));
            begin.ticket
        }) as Script<_>
    };
    let agent = rig.agents(vec![script(APPROVED), script(PLAIN)]);
    let seen = rig.run(&["start", "fork=auth+account", "setcred", "end"]);
    assert_eq!(agent.finish(), [None, Some(TICKET)]);
    assert_eq!(
        (seen.codes("child auth"), seen.codes("child account")),
        (vec![0], vec![0])
    );
    assert_eq!((seen.code("setcred"), seen.code("end")), (0, 0));
}
