//! Real sudo, real agent, real authenticator, real gateway, and a relay between them that meddles with requests, with
//! the calls to the registrar and with what it says of itself.

use super::relay::{Act, Message};
use super::{Stage, flipped, on_push};
use assent_proto::Id;
use assent_proto::ShortText;
use assent_proto::cert::{IssuerGrant, IssuerRequest, sign_issuer};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::relay::{ProblemCode, Push};
use assent_proto::time::UnixTime;
use assent_tests::product::{PATIENCE, assentctl, program};
use assent_tests::sudoers::Sudo;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{patience, scenarios};
use axum::http::StatusCode;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    t3_t4_a_request_that_was_altered_is_drawn_nowhere_and_lets_nobody_pass,
    t3_t4_a_request_that_is_delivered_twice_is_drawn_once,
    t3_t4_a_relay_that_refuses_or_talks_nonsense_denies_with_a_cause,
    t3_t4_registrar_replies_altered_swapped_and_replayed_are_not_believed,
    r23_a_trust_document_of_another_root_convinces_nobody,
    t23_a_relay_that_ends_neither_an_event_nor_a_reply_does_not_fill_the_agents_memory,
];

pub const TOUCHED: &str = "/tmp/touched";

pub fn touch() -> Terminal {
    Sudo::by("alice").run(["/usr/bin/touch", TOUCHED])
}

pub fn ends_refused(mut terminal: Terminal) -> String {
    assert!(!terminal.wait(PATIENCE).success(), "{}", terminal.transcript());
    assert!(!Path::new(TOUCHED).exists(), "the command ran");
    terminal.transcript().to_owned()
}

/// Approves the request on the screen.
pub fn tap(phone: &mut Terminal) {
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
}

fn passes(phone: &mut Terminal) {
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    tap(phone);
    sudo.wait_for_success();
}

/// What the relay makes of a push, given all that it saw before.
type Alteration = fn(&mut Push, &[Message]);

fn first_push(seen: &[Message]) -> Push {
    let found = seen.iter().find_map(|message| match message {
        Message::Push(push) => Some(push.clone()),
        _ => None,
    });
    found.expect("an earlier push")
}

fn t3_t4_a_request_that_was_altered_is_drawn_nowhere_and_lets_nobody_pass() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen_verbosely();
    passes(&mut phone);
    let alterations: [(&str, Alteration); 5] = [
        ("a byte of it", |push, _| {
            let blob = flipped(&push.to[0].blob, 700);
            push.to[0].blob = blob;
        }),
        ("its length", |push, _| {
            push.to[0].blob.0.pop();
        }),
        ("its end", |push, _| push.expiry = push.expiry.plus(1)),
        ("its name", |push, _| push.id = Id::random().expect("randomness")),
        ("its content, by an older one's", |push, seen| {
            push.to[0].blob = first_push(seen).to[0].blob.clone();
        }),
    ];
    for (what, alter) in alterations {
        stage.evil.does(on_push(move |push, seen| {
            let mut push = push.clone();
            alter(&mut push, seen);
            Act::Send(vec![Message::Push(push)])
        }));
        let before = stage.site.agent.audit().len();
        let mut sudo = touch();
        phone.expect("Ignored request", PATIENCE);
        assert_eq!(phone.transcript().matches("[a]pprove").count(), 1, "{what}");
        sudo.send_control('c');
        ends_refused(sudo);
        assert_eq!(stage.site.agent.decision(before)["cause"], "client_gone", "{what}");
    }
    stage.evil.is_honest();
    // Five requests without an approval are the budget.
    assentctl(["unlock", "alice"]).expect_success();
    passes(&mut phone);
}

fn t3_t4_a_request_that_is_delivered_twice_is_drawn_once() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen_verbosely();
    passes(&mut phone);
    // Posted twice, delivered twice, and the first login's request with it each time.
    stage.evil.does(|message, seen| match message {
        Message::Push(push) => Act::Send(vec![Message::Push(push.clone()), Message::Push(push.clone())]),
        Message::ToDevice(..) => {
            let old = seen.iter().find(|message| matches!(message, Message::ToDevice(..)));
            Act::Send(vec![old.unwrap_or(message).clone(), message.clone(), message.clone()])
        }
        _ => Act::Pass,
    });
    passes(&mut phone);
    assert_eq!(
        phone.transcript().matches("[a]pprove").count(),
        2,
        "{}",
        phone.transcript()
    );
}

fn t3_t4_a_relay_that_refuses_or_talks_nonsense_denies_with_a_cause() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen_verbosely();
    passes(&mut phone);
    for code in [StatusCode::CONFLICT, StatusCode::GONE, StatusCode::FORBIDDEN] {
        stage
            .evil
            .does(on_push(move |_, _| Act::Refuse(code, ProblemCode::Conflict)));
        let before = stage.site.agent.audit().len();
        let shown = ends_refused(touch());
        assert!(shown.contains("The push service cannot be reached."), "{shown}");
        assert_eq!(stage.site.agent.decision(before)["cause"], "gateway_unreachable");
    }
    // A reply that is none is no reply: tried again, and then denied.
    stage
        .evil
        .does(on_push(|_, _| Act::Body(b"{\"approved\":true}".to_vec())));
    let before = stage.site.agent.audit().len();
    ends_refused(touch());
    assert_eq!(stage.site.agent.decision(before)["cause"], "gateway_unreachable");
    stage.evil.is_honest();
    passes(&mut phone);
}

fn t3_t4_registrar_replies_altered_swapped_and_replayed_are_not_believed() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen_verbosely();
    passes(&mut phone);
    let is_reply = |message: &Message| matches!(message, Message::Reply(_));
    let acts: [(&str, fn(&Message, &[Message]) -> Act); 4] = [
        ("an altered reply", |message, _| match message {
            Message::Reply(sealed) => {
                let mut sealed = sealed.clone();
                sealed.blob = flipped(&sealed.blob, 333);
                Act::Send(vec![Message::Reply(sealed)])
            }
            _ => Act::Pass,
        }),
        ("an older call's reply", |message, seen| match message {
            Message::Reply(_) => {
                let old = seen.iter().find(|old| matches!(old, Message::Reply(_)));
                Act::Send(old.cloned().into_iter().collect())
            }
            _ => Act::Pass,
        }),
        ("an older call in its place", |message, seen| match message {
            Message::Call(_) => {
                let old = seen.iter().rev().find(|old| matches!(old, Message::Call(_)));
                Act::Send(old.cloned().into_iter().collect())
            }
            _ => Act::Pass,
        }),
        ("an altered call", |message, _| match message {
            Message::Call(sealed) => {
                let mut sealed = sealed.clone();
                sealed.blob = flipped(&sealed.blob, 99);
                Act::Send(vec![Message::Call(sealed)])
            }
            _ => Act::Pass,
        }),
    ];
    for (generation, (what, act)) in (1_000..).zip(acts) {
        stage.evil.does(act);
        stage.forget_devices(generation);
        let (before, seen) = (stage.site.agent.audit().len(), stage.evil.seen().len());
        let shown = ends_refused(touch());
        assert!(shown.contains("The push service cannot be reached."), "{what}: {shown}");
        assert_eq!(
            stage.site.agent.decision(before)["cause"],
            "gateway_unreachable",
            "{what}"
        );
        let asked = stage.evil.seen()[seen..].iter().any(|m| matches!(m, Message::Call(_)));
        assert!(asked, "{what}: the registrar was asked");
    }
    stage.evil.is_honest();
    let seen = stage.evil.seen().len();
    passes(&mut phone);
    assert!(
        stage.evil.seen()[seen..].iter().any(is_reply),
        "what was not believed was not remembered"
    );
}

fn text(text: &str) -> ShortText {
    ShortText::new(text).expect("a short text")
}

fn r23_a_trust_document_of_another_root_convinces_nobody() {
    let stage = Stage::open();
    let (root, issuer) = (
        SigningKey::generate().expect("a key"),
        KeyPair::generate().expect("keys"),
    );
    let request = IssuerRequest::sign(&issuer, UnixTime::now()).expect("a request");
    let grant = IssuerGrant {
        realms: vec![text("*")],
        hosts: vec![text("*")],
        nbf: UnixTime::now(),
        days: 90,
        serial: Id::random().expect("randomness"),
    };
    let forged = sign_issuer(&root, &IssuerRequest::verify(&request).expect("ours"), grant).expect("an issuer");
    // Its own root beside the right one, and its own issuer: whoever believed it would seal secrets to the relay.
    stage.evil.does(move |message, _| match message {
        Message::Trust(info) => {
            let mut info = info.clone();
            info.roots.insert(0, root.public());
            info.issuers = vec![forged.clone()];
            Act::Send(vec![Message::Trust(info)])
        }
        _ => Act::Pass,
    });
    let ca = stage.site.gateway.ca_certificate();
    let trusted = || {
        let mut all: Vec<_> = std::fs::read_dir("/etc/assent/trust.d")
            .expect("the anchors")
            .flatten()
            .map(|e| e.path())
            .collect();
        all.sort();
        all.into_iter()
            .map(|path| std::fs::read(path).expect("an anchor"))
            .collect::<Vec<_>>()
    };
    let before = trusted();
    let token = assentctl(["host", "token", "--name", "birch-web2"])
        .expect_success()
        .out;
    let calls = stage.evil.seen().len();
    let joined = assentctl([
        "host",
        "join",
        stage.site.gateway.url(),
        token.trim(),
        "--name",
        "birch-web2",
        "--ca-file",
        &ca.to_string_lossy(),
        "--replace",
    ]);
    assert!(!joined.status.success(), "{}", joined.out);
    assert!(joined.err.contains("root"), "{}", joined.err);
    let sent = |m: &Message| matches!(m, Message::Call(_));
    assert!(
        !stage.evil.seen()[calls..].iter().any(sent),
        "nothing was sealed to the forger"
    );
    assert_eq!(trusted(), before, "no anchor came from the network");

    // The same for a phone: the link names the root, and what another root vouches for gets no key of it.
    let mut admin = Terminal::open(&program("assentctl").args(["enroll", "alice", "--no-qr"]));
    let shown = admin.expect(fits(r"https://\S+/e#\S+"), PATIENCE);
    let link = shown.split_whitespace().last().expect("a link").to_owned();
    let dir = "/home/alice/keys";
    let enrolled = program("assentctl")
        .args([
            "authenticator",
            "enroll",
            &link,
            "--label",
            "phone",
            "--dir",
            dir,
            "--ca-file",
        ])
        .arg(&ca)
        .as_user("alice")
        .finish(PATIENCE);
    assert!(
        !enrolled.status.success() && enrolled.err.contains("root"),
        "{}{}",
        enrolled.out,
        enrolled.err
    );
    assert!(!Path::new(dir).join("device.jws").exists());
}

/// The most memory that a process ever had, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent's status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok());
    kib.expect("a number")
}

fn t23_a_relay_that_ends_neither_an_event_nor_a_reply_does_not_fill_the_agents_memory() {
    const MIB: usize = 1 << 20;
    let mut stage = Stage::open();
    let mut phone = stage.enrol("alice").listen();
    passes(&mut phone);
    let pid = stage.site.agent.service().pid();
    let before = peak(pid);
    // An event number that no header can carry back must not keep the agent out for ever.
    stage.evil.says_bytes(b"id: a\x01b\ndata: {}\n\n");
    let endless = vec![b'x'; MIB];
    for _ in 0..64 {
        stage.evil.says_bytes(&endless);
    }
    let closed = patience::until(PATIENCE, || (!stage.evil.says_bytes(b"x")).then_some(()));
    assert!(closed.is_some(), "the agent still reads; it has had {} KiB", peak(pid));
    // It comes back by itself, and a login passes.
    let heard = patience::until(PATIENCE, || stage.evil.says_bytes(b":\n\n").then_some(()));
    assert!(heard.is_some(), "the agent does not connect again");
    passes(&mut phone);
    stage.evil.does(on_push(|_, _| Act::Body(vec![b' '; 64 * MIB])));
    let decided = stage.site.agent.audit().len();
    ends_refused(touch());
    assert_eq!(stage.site.agent.decision(decided)["cause"], "gateway_unreachable");
    let grown = peak(pid) - before;
    assert!(grown < 32 * 1024, "{grown} KiB more than before");
}
