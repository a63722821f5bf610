#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::samples::{host, request};
use super::*;
use assent_proto::cert::Host;

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

/// A desk with so many requests, and their ids.
fn desk(host: &Host, count: usize) -> (Desk, Vec<Id>) {
    let mut desk = Desk::new(Charset::Utf8, false);
    let ids = (0..count).map(|_| {
        let request = request(host, "sshd");
        let id = request.statement.id;
        desk.step(at(100), Input::Push(Box::new(request), 60));
        id
    });
    let ids = ids.collect();
    (desk, ids)
}

fn waiting(desk: &Desk) -> Vec<Id> {
    desk.waiting().map(|(statement, _)| statement.id).collect()
}

fn said(out: &[Output]) -> String {
    let lines = out.iter().filter_map(|output| match output {
        Output::Say(line) | Output::Ask(line) => Some(line.as_str()),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What was answered, in order.
fn answers(out: &[Output]) -> Vec<(Id, Decision)> {
    let answers = out.iter().filter_map(|output| match output {
        Output::Answer(answer) => Some((answer.request.statement.id, answer.decision)),
        _ => None,
    });
    answers.collect()
}

#[test]
fn r11_deny_on_a_notification_denies_its_own_request_wherever_it_stands() {
    let host = host("web01");
    let (mut desk, ids) = desk(&host, 3);
    assert_eq!(waiting(&desk), ids);
    let out = desk.step(at(101), Input::DenyPressed(ids[1]));
    assert_eq!(answers(&out), [(ids[1], Decision::Deny)]);
    assert!(said(&out).contains("Deny was pressed"), "{}", said(&out));
    let next = said(&desk.go_on(at(101)));
    assert!(next.ends_with("[a]pprove, [d]eny, [n]ot me? "), "asked again: {next}");
    assert!(!next.contains("REQUEST"), "it is on the screen already: {next}");
    assert_eq!(waiting(&desk), [ids[0], ids[2]]);
    let out = desk.step(at(102), Input::DenyPressed(ids[0]));
    assert_eq!(answers(&out), [(ids[0], Decision::Deny)]);
    // The next is drawn, and what was typed for the one before does not count for it.
    let next = said(&desk.go_on(at(102)));
    assert!(next.contains("REQUEST"), "{next}");
    assert!(answers(&desk.step(at(102), Input::Line("a"))).is_empty());
    assert_eq!(
        answers(&desk.step(at(103), Input::Line("a"))),
        [(ids[2], Decision::Approve)]
    );
}

#[test]
fn r8_the_next_request_is_drawn_once_the_answer_has_gone_however_long_that_takes() {
    let host = host("web01");
    let (mut desk, ids) = desk(&host, 3);
    let out = desk.step(at(101), Input::Line("a"));
    assert_eq!(answers(&out), [(ids[0], Decision::Approve)]);
    assert!(!said(&out).contains("REQUEST"), "nothing to read yet: {}", said(&out));
    assert!(!desk.asking());
    // The gateway was slow, and an impatient person has typed once more.
    let out = desk.go_on(at(120));
    assert!(matches!(out[0], Output::ForgetTyped), "{out:?}");
    let shown = said(&out);
    assert!(
        shown.contains("(1 of 2 that wait)") && shown.contains("(40 s left)"),
        "{shown}"
    );
    let early = BootTime(Duration::from_secs(120) + READING / 2);
    let out = desk.step(early, Input::Line("a"));
    assert!(
        answers(&out).is_empty() && said(&out).contains("does not count"),
        "{out:?}"
    );
    // Slower still: what nobody has seen is not said to have ended.
    let out = desk.step(at(121), Input::Line("d"));
    assert_eq!(answers(&out), [(ids[1], Decision::Deny)]);
    assert!(said(&desk.go_on(at(161))).is_empty());
    assert!(waiting(&desk).is_empty() && !desk.asking());
}

#[test]
fn r11_a_number_that_is_being_typed_stays_asked_for_when_another_is_denied() {
    let host = host("web01");
    let mut desk = Desk::new(Charset::Utf8, false);
    let mut first = request(&host, "sshd");
    (first.statement.level, first.statement.digits) = (Level::Number, 3);
    let (second, id) = (request(&host, "sudo"), first.statement.id);
    let other = second.statement.id;
    desk.step(at(100), Input::Push(Box::new(first), 60));
    desk.step(at(101), Input::Line("a"));
    desk.step(at(101), Input::Push(Box::new(second), 60));
    desk.step(at(102), Input::DenyPressed(other));
    let out = desk.go_on(at(102));
    assert!(said(&out).ends_with("(3 digits; empty goes back): "), "{}", said(&out));
    assert_eq!(
        answers(&desk.step(at(103), Input::Line("482"))),
        [(id, Decision::Approve)]
    );
}

#[test]
fn r11_deny_on_a_notification_counts_for_what_is_on_the_desk_alone() {
    let host = host("web01");
    let (mut desk, ids) = desk(&host, 2);
    // Of a request that never came here.
    assert!(desk.step(at(101), Input::DenyPressed(Id::random().unwrap())).is_empty());
    // Withdrawn, answered, expired.
    desk.step(at(101), Input::Withdrawn(ids[0], Withdrawn::Host));
    let out = desk.step(at(102), Input::DenyPressed(ids[0]));
    assert!(
        answers(&out).is_empty() && said(&out).contains("too late"),
        "{}",
        said(&out)
    );
    assert_eq!(answers(&desk.step(at(103), Input::Line("a"))).len(), 1);
    assert!(answers(&desk.step(at(104), Input::DenyPressed(ids[1]))).is_empty());
    let late = request(&host, "sshd");
    let id = late.statement.id;
    desk.step(at(110), Input::Push(Box::new(late), 60));
    let out = desk.step(at(170), Input::DenyPressed(id));
    assert!(
        answers(&out).is_empty() && said(&out).contains("expired"),
        "{}",
        said(&out)
    );
    assert!(waiting(&desk).is_empty());
}

#[test]
fn what_waits_is_what_may_still_be_answered() {
    let host = host("web01");
    let (mut desk, ids) = desk(&host, 3);
    assert_eq!(desk.waiting().map(|(_, ends)| ends).collect::<Vec<_>>(), [at(160); 3]);
    desk.step(at(101), Input::Withdrawn(ids[2], Withdrawn::Host));
    assert_eq!(waiting(&desk), ids[..2]);
    desk.step(at(101), Input::Line("d"));
    assert_eq!(waiting(&desk), ids[1..2]);
    desk.step(at(160), Input::Tick);
    assert!(waiting(&desk).is_empty());
}

#[test]
fn r13_a_passkey_approves_only_where_the_device_has_one_and_what_was_not_signed_is_asked_again() {
    let host = host("web01");
    let ask = |has_passkey: bool| {
        let mut desk = Desk::new(Charset::Utf8, has_passkey);
        let mut request = request(&host, "sshd");
        request.statement.level = Level::Passkey;
        let shown = said(&desk.step(at(100), Input::Push(Box::new(request), 60)));
        (desk, shown)
    };
    let (mut without, shown) = ask(false);
    assert!(!shown.contains("[a]pprove") && shown.contains("[d]eny"), "{shown}");
    let out = without.step(at(101), Input::Line("a"));
    assert!(answers(&out).is_empty() && said(&out).contains("It takes a passkey"));

    let (mut with, shown) = ask(true);
    assert!(shown.contains("[a]pprove"), "{shown}");
    let out = with.step(at(101), Input::Line("a"));
    let Some(Output::Answer(answer)) = out.into_iter().find(|one| matches!(one, Output::Answer(_))) else {
        panic!("no answer");
    };
    assert_eq!(answer.decision, Decision::Approve);
    assert!(!with.asking());
    // The key did not sign: the same request, drawn anew, as long as it lives.
    let id = answer.request.statement.id;
    let out = with.take_back(at(110), *answer);
    assert!(said(&out).contains("[a]pprove"), "{}", said(&out));
    assert_eq!(waiting(&with), [id]);
    let out = with.step(at(111), Input::Line("a"));
    let Some(Output::Answer(answer)) = out.into_iter().find(|one| matches!(one, Output::Answer(_))) else {
        panic!("no answer");
    };
    let out = with.take_back(at(161), *answer);
    assert!(said(&out).contains("expired"), "{}", said(&out));
    assert!(!with.asking());
}
