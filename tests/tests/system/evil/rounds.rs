//! Hundreds of seeded rounds at the agent's own socket. Each begins one or two logins, has the phones decide, and lets
//! the evil relay do one of twenty things. A round is the same for the same seed; the seed stands in every failure, and
//! `ASSENT_EVIL_SEED` repeats it.

use super::phone::Phone;
use super::relay::{Act, Message};
use super::{Delivery, Stage, answers_of, flipped, on_answer, on_push};
use crate::login::Login;
use assent_proto::answer::Decision;
use assent_proto::relay::{DeviceEvent, ProblemCode};
use assent_proto::{Bytes, Id};
use assent_tests::scenarios;
use assent_tests::suite::Scenario;
use assent_wire::VerdictCode;
use axum::http::StatusCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub const SCENARIOS: &[Scenario] = scenarios![t3_t4_no_round_passes_without_the_right_devices_signature];

/// Rounds of one run.
const ROUNDS: usize = 300;

/// A small generator of its own, so that a seed means the same for ever (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).expect("below a usize")
    }
}

/// What the relay does in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mischief {
    Honest,
    PushTwice,
    OldPushFirst,
    RequestTwice,
    OldRequestFirst,
    RequestAltered,
    RequestToAnother,
    RequestsSwapped,
    PushSwallowed,
    PushRefused,
    AnswerTwice,
    AnswerSwallowed,
    AnswerAltered,
    AnswerOfAnother,
    AnswerInvented,
    OldAnswerInstead,
    RubbishFirst,
    RubbishOnly,
    AnswersCrossed,
    ReplyAltered,
    ReplyReplayed,
}

const ALL: [Mischief; 21] = [
    Mischief::Honest,
    Mischief::PushTwice,
    Mischief::OldPushFirst,
    Mischief::RequestTwice,
    Mischief::OldRequestFirst,
    Mischief::RequestAltered,
    Mischief::RequestToAnother,
    Mischief::RequestsSwapped,
    Mischief::PushSwallowed,
    Mischief::PushRefused,
    Mischief::AnswerTwice,
    Mischief::AnswerSwallowed,
    Mischief::AnswerAltered,
    Mischief::AnswerOfAnother,
    Mischief::AnswerInvented,
    Mischief::OldAnswerInstead,
    Mischief::RubbishFirst,
    Mischief::RubbishOnly,
    Mischief::AnswersCrossed,
    Mischief::ReplyAltered,
    Mischief::ReplyReplayed,
];

/// How a login must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// As the phone decided.
    AsDecided,
    /// It waits, and the agent has ignored so many answers.
    WaitIgnoring(usize),
    /// It waits, and the phones refused to draw so many requests more.
    WaitUndrawn(usize),
    /// It waits for what the relay keeps.
    Wait,
    /// Denied, for this cause.
    Fail(&'static str),
}

struct Game {
    stage: Stage,
    phones: [Phone; 2],
    generation: u64,
}

const USERS: [&str; 2] = ["alice", "dave"];

fn t3_t4_no_round_passes_without_the_right_devices_signature() {
    let seed = std::env::var("ASSENT_EVIL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed
        .unwrap_or_else(|| u64::from_be_bytes(Id::random().expect("randomness").0[..8].try_into().expect("8 bytes")));
    assent_tests::evidence::note(&format!("ASSENT_EVIL_SEED={seed}"));
    let stage = Stage::open();
    let phones = USERS.map(|user| Phone::of(&stage.site, &stage.enrol(user)));
    let mut game = Game {
        stage,
        phones,
        generation: 1_000_000,
    };
    let mut dice = Dice(seed);
    let mut ends: BTreeMap<Mischief, (usize, usize)> = BTreeMap::new();
    for round in 0..ROUNDS {
        // The first rounds do each once, so that none is left to chance.
        let chosen = ALL.get(round).copied();
        let mischief = chosen.unwrap_or_else(|| ALL[dice.below(ALL.len())]);
        let passed = game.play(
            mischief,
            &mut dice,
            &format!("seed {seed}, round {round}, {mischief:?}"),
        );
        let counts = ends.entry(mischief).or_default();
        counts.0 += passed.iter().filter(|passed| **passed).count();
        counts.1 += passed.iter().filter(|passed| !**passed).count();
    }
    // Neither a wall nor an open door.
    let of = |mischief: Mischief| ends.get(&mischief).copied().unwrap_or_default();
    let passed: usize = ends.values().map(|(passed, _)| passed).sum();
    assert!(passed > ROUNDS / 6, "seed {seed}: {ends:?}");
    for never in [
        Mischief::RequestAltered,
        Mischief::AnswerAltered,
        Mischief::RubbishOnly,
        Mischief::ReplyReplayed,
    ] {
        assert!(of(never).0 == 0 && of(never).1 > 0, "seed {seed}: {ends:?}");
    }
}

impl Game {
    /// Plays one round; which of its logins passed.
    fn play(&mut self, mischief: Mischief, dice: &mut Dice, what: &str) -> Vec<bool> {
        let user = dice.below(2);
        let decision = if dice.below(4) == 0 {
            Decision::Deny
        } else {
            Decision::Approve
        };
        let two = matches!(mischief, Mischief::RequestsSwapped | Mischief::AnswersCrossed);
        let users = if !two {
            vec![user]
        } else if mischief == Mischief::AnswersCrossed && dice.below(2) == 0 {
            vec![user, user]
        } else {
            vec![user, 1 - user]
        };
        for phone in &self.phones {
            phone.decides(decision);
        }
        let undrawn = self.undrawn();
        let must = self.meddle(mischief, dice, user);
        let mut logins: Vec<Login> = users.iter().map(|user| Login::of(USERS[*user])).collect();
        let passed = logins
            .iter_mut()
            .map(|login| self.ends(login, must, decision, undrawn, what))
            .collect();
        self.stage.evil.is_honest();
        passed
    }

    fn undrawn(&self) -> usize {
        self.phones.iter().map(|phone| phone.counts().1).sum()
    }

    /// Sees that a login ends as it must, and never otherwise than its own phone signed.
    fn ends(&self, login: &mut Login, must: Must, decision: Decision, undrawn: usize, what: &str) -> bool {
        match must {
            Must::AsDecided | Must::Fail(_) => {}
            Must::WaitIgnoring(count) => {
                let id = login.id();
                self.stage.waits_until_ignored(&id, count);
            }
            Must::WaitUndrawn(count) => {
                let found = assent_tests::patience::until(assent_tests::product::PATIENCE, || {
                    (self.undrawn() >= undrawn + count).then_some(())
                });
                assert!(
                    found.is_some(),
                    "{what}: {} requests were not drawn",
                    self.undrawn() - undrawn
                );
            }
            Must::Wait => {
                login.id();
            }
        }
        if !matches!(must, Must::AsDecided | Must::Fail(_)) {
            assert!(
                login.verdict().is_none(),
                "{what}: it does not wait: {:?}",
                login.verdict()
            );
            login.gives_up();
        }
        let verdict = login.ends();
        let passed = verdict.code == VerdictCode::Approved;
        let signed = self.phones.iter().find_map(|phone| phone.decided(&verdict.id));
        if passed {
            assert_eq!(signed, Some(Decision::Approve), "{what}: it passed without a signature");
        }
        let expected = if must == Must::AsDecided && decision == Decision::Approve {
            VerdictCode::Approved
        } else {
            VerdictCode::Denied
        };
        assert_eq!(verdict.code, expected, "{what}: {verdict:?}");
        let cause = self.stage.decision(&verdict.id)["cause"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let expected = match must {
            Must::AsDecided if passed => "",
            Must::AsDecided => "denied_on_device",
            Must::Fail(cause) => cause,
            Must::WaitIgnoring(_) | Must::WaitUndrawn(_) | Must::Wait => "client_gone",
        };
        assert_eq!(cause, expected, "{what}");
        passed
    }

    /// Gives the relay its rule for this round; how the round's logins must end.
    fn meddle(&mut self, mischief: Mischief, dice: &mut Dice, user: usize) -> Must {
        let evil = &self.stage.evil;
        let (own, other) = (self.phones[user].hand.id(), self.phones[1 - user].hand.id());
        let at = dice.below(4096);
        match mischief {
            Mischief::Honest => Must::AsDecided,
            Mischief::PushTwice => {
                evil.does(on_push(|push, _| {
                    Act::Send(vec![Message::Push(push.clone()), Message::Push(push.clone())])
                }));
                Must::AsDecided
            }
            Mischief::OldPushFirst => {
                evil.does(on_push(|push, seen| {
                    let old = seen.iter().rev().find(|m| matches!(m, Message::Push(_))).cloned();
                    Act::Send(old.into_iter().chain([Message::Push(push.clone())]).collect())
                }));
                Must::AsDecided
            }
            Mischief::RequestTwice => {
                evil.does(|message, _| match message {
                    Message::ToDevice(_, DeviceEvent::Push { .. }) => Act::Send(vec![message.clone(), message.clone()]),
                    _ => Act::Pass,
                });
                Must::AsDecided
            }
            Mischief::OldRequestFirst => {
                evil.does(|message, seen| match message {
                    Message::ToDevice(to, DeviceEvent::Push { .. }) => {
                        let same =
                            |m: &&Message| matches!(m, Message::ToDevice(who, DeviceEvent::Push { .. }) if who == to);
                        let old = seen.iter().rev().find(same).cloned();
                        Act::Send(old.into_iter().chain([message.clone()]).collect())
                    }
                    _ => Act::Pass,
                });
                Must::AsDecided
            }
            Mischief::RequestAltered => {
                evil.does(on_push(move |push, _| {
                    let mut push = push.clone();
                    push.to[0].blob = flipped(&push.to[0].blob, at);
                    Act::Send(vec![Message::Push(push)])
                }));
                Must::WaitUndrawn(1)
            }
            Mischief::RequestToAnother => {
                evil.does(on_push(move |push, _| {
                    let mut push = push.clone();
                    push.to[0].device = if push.to[0].device == own { other } else { own };
                    Act::Send(vec![Message::Push(push)])
                }));
                Must::WaitUndrawn(1)
            }
            Mischief::RequestsSwapped => {
                evil.does(swap_requests());
                Must::WaitUndrawn(2)
            }
            Mischief::PushSwallowed => {
                evil.does(on_push(|_, _| Act::Swallow));
                Must::Wait
            }
            Mischief::PushRefused => {
                let status = [StatusCode::CONFLICT, StatusCode::GONE, StatusCode::UNAUTHORIZED][dice.below(3)];
                evil.does(on_push(move |_, _| Act::Refuse(status, ProblemCode::Unauthorized)));
                Must::Fail("gateway_unreachable")
            }
            Mischief::AnswerTwice => {
                evil.does(on_answer(|delivery, _| vec![delivery.clone(), delivery]));
                Must::AsDecided
            }
            Mischief::AnswerSwallowed => {
                evil.does(on_answer(|_, _| Vec::new()));
                Must::Wait
            }
            Mischief::AnswerAltered => {
                evil.does(on_answer(move |(id, device, blob), _| {
                    vec![(id, device, flipped(&blob, at))]
                }));
                Must::WaitIgnoring(1)
            }
            Mischief::AnswerOfAnother => {
                evil.does(on_answer(move |(id, device, blob), _| {
                    vec![(id, if device == own { other } else { own }, blob)]
                }));
                Must::WaitIgnoring(1)
            }
            Mischief::AnswerInvented => {
                let (len, byte) = (1 + dice.below(3000), dice.roll().to_be_bytes()[0]);
                evil.does(on_answer(move |(id, device, _), _| {
                    vec![(id, device, Bytes(vec![byte; len]))]
                }));
                Must::WaitIgnoring(1)
            }
            Mischief::OldAnswerInstead => {
                evil.does(on_answer(|(id, device, _), seen| {
                    answers_of(seen).take(3).map(|(_, _, old)| (id, device, old)).collect()
                }));
                Must::WaitIgnoring(3)
            }
            Mischief::RubbishFirst => {
                let count = 1 + dice.below(7);
                evil.does(on_answer(move |delivery, seen| {
                    rubbish(&delivery, seen, count, at, other)
                        .chain([delivery.clone()])
                        .collect()
                }));
                Must::AsDecided
            }
            Mischief::RubbishOnly => {
                evil.does(on_answer(move |delivery, seen| {
                    rubbish(&delivery, seen, 8, at, other)
                        .chain([delivery.clone()])
                        .collect()
                }));
                Must::Fail("too_many_false_answers")
            }
            Mischief::AnswersCrossed => {
                evil.does(cross_answers());
                Must::WaitIgnoring(1)
            }
            Mischief::ReplyAltered | Mischief::ReplyReplayed => {
                let replayed = mischief == Mischief::ReplyReplayed;
                evil.does(move |message, seen| match message {
                    Message::Reply(_) if replayed => {
                        let old = seen.iter().rev().find(|m| matches!(m, Message::Reply(_))).cloned();
                        Act::Send(old.into_iter().collect())
                    }
                    Message::Reply(sealed) => {
                        let mut sealed = sealed.clone();
                        sealed.blob = flipped(&sealed.blob, at);
                        Act::Send(vec![Message::Reply(sealed)])
                    }
                    _ => Act::Pass,
                });
                self.generation += 1;
                self.stage.forget_devices(self.generation);
                Must::Fail("gateway_unreachable")
            }
        }
    }
}

/// Different kinds of answers that are none.
fn rubbish<'a>(
    (id, device, blob): &'a Delivery,
    seen: &'a [Message],
    count: usize,
    at: usize,
    other: Id,
) -> impl Iterator<Item = Delivery> + 'a {
    (0..count).map(move |n| match n % 4 {
        0 => (*id, *device, flipped(blob, at + n)),
        1 => (*id, other, blob.clone()),
        2 => (*id, *device, Bytes(blob.0[..at % blob.0.len()].to_vec())),
        _ => {
            let old = answers_of(seen)
                .nth(n % 5)
                .map_or_else(|| Bytes(vec![9; 40]), |(_, _, blob)| blob);
            (*id, *device, old)
        }
    })
}

/// Holds the first of two pushes back, then sends both with each other's content.
fn swap_requests() -> impl FnMut(&Message, &[Message]) -> Act + Send + 'static {
    let held = Arc::new(Mutex::new(None));
    on_push(move |push, _| {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = held.take() else {
            *held = Some(push.clone());
            return Act::Swallow;
        };
        let (mut one, mut two): (assent_proto::relay::Push, _) = (first, push.clone());
        std::mem::swap(&mut one.to[0].blob, &mut two.to[0].blob);
        Act::Send(vec![Message::Push(one), Message::Push(two)])
    })
}

/// Holds the first of two answers back, then delivers each as the other's.
fn cross_answers() -> impl FnMut(&Message, &[Message]) -> Act + Send + 'static {
    let held: Arc<Mutex<Option<Delivery>>> = Arc::default();
    on_answer(move |second, _| {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = held.take() else {
            *held = Some(second);
            return Vec::new();
        };
        vec![(first.0, first.1, second.2), (second.0, second.1, first.2)]
    })
}
