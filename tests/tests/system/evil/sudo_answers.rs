//! Real sudo, real agent, real authenticator, real gateway: a relay that meddles with answers, and phones that give
//! answers which are not theirs to give.

use super::phone::{Hand, seal_as};
use super::relay::Message;
use super::sudo_requests::{TOUCHED, ends_refused, tap, touch};
use super::{Delivery, Stage, answers_of, flipped, on_answer};
use assent_proto::answer::{Answer, Decision};
use assent_proto::keys::SigningKey;
use assent_proto::relay::HostEvent;
use assent_proto::request::VerifiedRequest;
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id, Nonce, sha256};
use assent_tests::product::PATIENCE;
use assent_tests::scenarios;
use assent_tests::sudoers::Sudo;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = scenarios![
    t3_t4_an_answer_that_was_altered_swapped_or_replayed_lets_nobody_pass,
    t3_t4_the_right_answer_counts_behind_rubbish_and_late_and_twice,
    r2_eight_rubbish_answers_end_the_login_before_the_right_one,
    r3_answers_of_two_sudos_that_are_crossed_pass_neither_and_the_right_ones_pass_both,
    r2_an_answer_after_kill_9_of_the_agent_opens_nothing,
    evil_phones_with_other_keys_digests_and_nonces_are_ignored_until_the_right_answer,
    a_revoked_phone_lets_nobody_pass,
];

/// The login's short id on sudo's terminal.
pub fn id_of(sudo: &mut Terminal) -> String {
    let shown = sudo.expect(fits(r"approval on the phone \[\w{6}\]"), PATIENCE);
    shown[shown.len() - 7..shown.len() - 1].to_owned()
}

pub fn leaves(stage: &Stage, mut sudo: Terminal, login: &str) {
    sudo.send_control('c');
    ends_refused(sudo);
    assert_eq!(stage.decision(login)["cause"], "client_gone");
}

fn t3_t4_an_answer_that_was_altered_swapped_or_replayed_lets_nobody_pass() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen();
    let dave = Hand::of(&stage.enrol("dave")).id();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    tap(&mut phone);
    sudo.wait_for_success();
    let acts: [(&str, fn(Delivery, &[Message], Id) -> Delivery); 5] = [
        ("altered", |(id, device, blob), _, _| (id, device, flipped(&blob, 500))),
        ("cut", |(id, device, blob), _, _| {
            (id, device, Bytes(blob.0[..blob.0.len() / 2].to_vec()))
        }),
        ("of another device", |(id, _, blob), _, dave| (id, dave, blob)),
        ("replayed from the login before", |(id, device, _), seen, _| {
            let old = answers_of(seen).last().expect("an earlier answer");
            (id, device, old.2)
        }),
        ("invented", |(id, device, blob), _, _| {
            (id, device, Bytes(vec![7; blob.0.len()]))
        }),
    ];
    for (what, act) in acts {
        stage
            .evil
            .does(on_answer(move |delivery, seen| vec![act(delivery, seen, dave)]));
        let mut sudo = touch();
        let login = id_of(&mut sudo);
        tap(&mut phone);
        stage.waits_until_ignored(&login, 1);
        assert!(sudo.is_running(), "{what}: it waits for the right one");
        leaves(&stage, sudo, &login);
        assert!(!Path::new(TOUCHED).exists(), "{what}");
    }
}

fn t3_t4_the_right_answer_counts_behind_rubbish_and_late_and_twice() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen();
    // Seven that are none, the right one held back until they were ignored, then once more.
    let held: Arc<Mutex<Option<Delivery>>> = Arc::default();
    let keep = held.clone();
    stage.evil.does(on_answer(move |(id, device, blob), _| {
        let rubbish = (0..7).map(|at| (id, device, flipped(&blob, 100 + at))).collect();
        *keep.lock().expect("no panic before") = Some((id, device, blob));
        rubbish
    }));
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    let login = id_of(&mut sudo);
    tap(&mut phone);
    stage.waits_until_ignored(&login, 7);
    assert!(sudo.is_running());
    let (id, device, blob) = held.lock().expect("no panic before").take().expect("an answer");
    for _ in 0..2 {
        stage.evil.says(HostEvent::Answer {
            id,
            device,
            blob: blob.clone(),
        });
    }
    sudo.wait_for_success();
    assert_eq!(stage.decision(&login)["verdict"], "approved");
    assert_eq!(stage.ignored(&login), 7);
}

fn r2_eight_rubbish_answers_end_the_login_before_the_right_one() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen();
    stage.evil.does(on_answer(|(id, device, blob), _| {
        let rubbish = (0..8).map(|at| (id, device, flipped(&blob, 100 + at)));
        rubbish.chain([(id, device, blob.clone())]).collect()
    }));
    let mut sudo = touch();
    let login = id_of(&mut sudo);
    tap(&mut phone);
    let shown = ends_refused(sudo);
    assert!(shown.contains("The phone's answer was refused."), "{shown}");
    assert_eq!(stage.decision(&login)["cause"], "too_many_false_answers");
    assert_eq!(stage.ignored(&login), 8);
}

fn r3_answers_of_two_sudos_that_are_crossed_pass_neither_and_the_right_ones_pass_both() {
    let stage = Stage::open();
    let mut phone = stage.enrol("alice").listen();
    let held: Arc<Mutex<Vec<Delivery>>> = Arc::default();
    let keep = held.clone();
    stage.evil.does(on_answer(move |delivery, _| {
        let mut held = keep.lock().expect("no panic before");
        held.push(delivery);
        let [(one, device, for_one), (two, _, for_two)] = &held[..] else {
            return Vec::new();
        };
        vec![(*one, *device, for_two.clone()), (*two, *device, for_one.clone())]
    }));
    let mut first = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    let first_id = id_of(&mut first);
    let mut second = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    let second_id = id_of(&mut second);
    // The person taps what is on the screen; the second comes up when the first is answered, and is read first.
    tap(&mut phone);
    // The first one's question may be asked again on the way, when the second arrives while it is on the screen.
    phone.expect(fits(&format!(r"(?s){second_id}.*?\[a\]pprove")), PATIENCE);
    std::thread::sleep(Duration::from_millis(900)); // what the authenticator itself demands: time to read
    phone.send_line("a");
    stage.waits_until_ignored(&first_id, 1);
    stage.waits_until_ignored(&second_id, 1);
    assert!(first.is_running() && second.is_running());
    for (id, device, blob) in held.lock().expect("no panic before").clone() {
        stage.evil.says(HostEvent::Answer { id, device, blob });
    }
    first.wait_for_success();
    second.wait_for_success();
}

fn r2_an_answer_after_kill_9_of_the_agent_opens_nothing() {
    let mut stage = Stage::open();
    let mut phone = stage.enrol("alice").listen();
    let held: Arc<Mutex<Option<Delivery>>> = Arc::default();
    let keep = held.clone();
    stage.evil.does(on_answer(move |delivery, _| {
        *keep.lock().expect("no panic before") = Some(delivery);
        Vec::new()
    }));
    let mut sudo = touch();
    id_of(&mut sudo);
    tap(&mut phone);
    phone.expect("Sent: approved", PATIENCE);
    stage.site.agent.kill();
    ends_refused(sudo);
    // The module's word for PAM_AUTHINFO_UNAVAIL; sudo tells it from a denial in no way.
    let line = stage.site.syslog.wait_for_text("pam_assent", PATIENCE);
    assert!(
        line.contains("sudo:auth: denied: the agent closed the connection"),
        "{line}"
    );
    stage.site.agent.resume();
    stage.site.agent.wait_until_connected();
    stage.evil.is_honest();
    // Captured before, delivered to the new process, to nobody and to a login that now waits.
    let (old, device, blob) = held
        .lock()
        .expect("no panic before")
        .take()
        .expect("an answer was sent");
    stage.evil.says(HostEvent::Answer {
        id: old,
        device,
        blob: blob.clone(),
    });
    stage
        .site
        .agent
        .service()
        .wait_for_log("which nobody waits for", PATIENCE);
    let mut sudo = touch();
    let login = id_of(&mut sudo);
    phone.expect("[a]pprove", PATIENCE);
    let new = stage.evil.wait_for(0, |message| match message {
        Message::Push(push) if push.id != old => Some(push.id),
        _ => None,
    });
    stage.evil.says(HostEvent::Answer { id: new, device, blob });
    stage.waits_until_ignored(&login, 1);
    leaves(&stage, sudo, &login);
}

/// The request that now waits at this device, read with its keys by whoever stole them.
fn request_at(stage: &Stage, hand: &Hand, after: usize) -> VerifiedRequest {
    stage.evil.wait_for(after, |message| match message {
        Message::ToDevice(to, event) if *to == hand.id() => hand.opens(event),
        _ => None,
    })
}

type Forgery<'a> = Box<dyn Fn(&VerifiedRequest) -> (Id, Bytes) + 'a>;

fn evil_phones_with_other_keys_digests_and_nonces_are_ignored_until_the_right_answer() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let mut phone = authenticator.listen();
    let (alice, dave) = (Hand::of(&authenticator), Hand::of(&stage.enrol("dave")));
    let thief = SigningKey::generate().expect("a key");
    let right = |request: &VerifiedRequest| Answer::new(request, alice.id(), Decision::Approve, None, UnixTime::now());
    let of_alice = |change: fn(&mut Answer)| -> Forgery<'_> {
        let (alice, right) = (&alice, &right);
        Box::new(move |request| {
            let mut answer = right(request);
            change(&mut answer);
            (alice.id(), seal_as(request, alice.id(), &answer, &alice.keys.sign))
        })
    };
    let forgeries: Vec<(&str, &str, Forgery<'_>)> = vec![
        ("dave's key in alice's name", "signature or form", {
            let (alice, dave, right) = (&alice, &dave, &right);
            Box::new(move |request| {
                (
                    alice.id(),
                    seal_as(request, alice.id(), &right(request), &dave.keys.sign),
                )
            })
        }),
        ("nobody's key in alice's name", "signature or form", {
            let (alice, thief, right) = (&alice, &thief, &right);
            Box::new(move |request| (alice.id(), seal_as(request, alice.id(), &right(request), thief)))
        }),
        ("dave in his own name", "a device that was not asked", {
            let dave = &dave;
            Box::new(move |request| (dave.id(), dave.answer(request, Decision::Approve)))
        }),
        (
            "another request's digest",
            "another request",
            of_alice(|answer| answer.req = sha256(&[b"other"])),
        ),
        (
            "a wrong nonce",
            "another request",
            of_alice(|answer| answer.n = Nonce::random().expect("randomness")),
        ),
        (
            "another push's name",
            "another request",
            of_alice(|answer| answer.id = Id::random().expect("randomness")),
        ),
        (
            "another device's name",
            "another request",
            of_alice(|answer| answer.device_id = Id::random().expect("randomness")),
        ),
    ];
    let seen = stage.evil.seen().len();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    let login = id_of(&mut sudo);
    let request = request_at(&stage, &alice, seen);
    // Seven, one below the bound; the eighth forgery, garbage, is left to the rounds.
    assert_eq!(forgeries.len(), 7);
    for (count, (what, why, forge)) in (1..).zip(&forgeries) {
        let (device, blob) = forge(&request);
        stage.evil.says(HostEvent::Answer {
            id: request.statement.id,
            device,
            blob,
        });
        stage.waits_until_ignored(&login, count);
        let log = stage.site.agent.log();
        let last = log
            .lines()
            .rfind(|line| line.contains("an answer was ignored"))
            .expect("a line");
        assert!(last.contains(why), "{what}: {last}");
        assert!(sudo.is_running(), "{what}");
    }
    tap(&mut phone);
    sudo.wait_for_success();
    assert_eq!(stage.decision(&login)["verdict"], "approved");
}

fn a_revoked_phone_lets_nobody_pass() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let alice = Hand::of(&authenticator);
    let mut phone = authenticator.listen();
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    tap(&mut phone);
    sudo.wait_for_success();
    let request = request_at(&stage, &alice, 0);
    assent_tests::product::assentctl(["device", "revoke", &alice.id().to_string()]).expect_success();
    phone.expect("refuses this device", PATIENCE);
    // The host has heard of it: the user has no device any more, and no push leaves.
    let pushes = |stage: &Stage| {
        stage
            .evil
            .seen()
            .iter()
            .filter(|m| matches!(m, Message::Push(_)))
            .count()
    };
    let before = pushes(&stage);
    let decided = stage.site.agent.audit().len();
    ends_refused(touch());
    assert_eq!(stage.site.agent.decision(decided)["cause"], "no_device");
    assert_eq!(pushes(&stage), before);
    // A new phone is asked; what the old one signs then, and what it signed before, is worth nothing.
    let mut new_phone = stage.enrol("alice").listen();
    let seen = stage.evil.seen().len();
    let mut sudo = touch();
    let login = id_of(&mut sudo);
    let push = stage.evil.wait_for(seen, |message| match message {
        Message::Push(push) => Some(push.id),
        _ => None,
    });
    for blob in [alice.answer(&request, Decision::Approve), Bytes(vec![1; 1200])] {
        stage.evil.says(HostEvent::Answer {
            id: push,
            device: alice.id(),
            blob,
        });
    }
    stage.waits_until_ignored(&login, 2);
    new_phone.expect("[a]pprove", PATIENCE);
    leaves(&stage, sudo, &login);
}
