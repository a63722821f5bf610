//! What the evil relay does in a round, and how the round's logins must then end.

use super::relay::{Act, EvilRelay, Message};
use super::{Delivery, Stage, answers_of, flipped, on_answer, on_push};
use assent_proto::relay::{DeviceEvent, ProblemCode};
use assent_proto::{Bytes, Id};
use axum::http::StatusCode;
use std::sync::{Arc, Mutex, PoisonError};

/// A small generator of its own, so that a seed means the same for ever (`SplitMix64`).
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of the first `bound` numbers.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).expect("below a usize")
    }
}

/// What the relay does in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
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

/// Each of them once.
pub const ALL: [Mischief; 21] = [
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
pub enum Must {
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

impl Mischief {
    /// Gives the relay its rule for a round in which the device `own` is asked first, and `other` perhaps too.
    pub fn begin(self, stage: &Stage, dice: &mut Dice, own: Id, other: Id, generation: u64) -> Must {
        let evil = &stage.evil;
        match self {
            Self::Honest => Must::AsDecided,
            Self::ReplyAltered | Self::ReplyReplayed => {
                meddle_with_replies(evil, self == Self::ReplyReplayed, dice.below(4096));
                // The agent asks again when it hears of a change.
                stage.forget_devices(generation);
                Must::Fail("gateway_unreachable")
            }
            Self::PushTwice
            | Self::OldPushFirst
            | Self::RequestTwice
            | Self::OldRequestFirst
            | Self::RequestAltered
            | Self::RequestToAnother
            | Self::RequestsSwapped
            | Self::PushSwallowed
            | Self::PushRefused => self.with_requests(evil, dice, own, other),
            Self::AnswerTwice
            | Self::AnswerSwallowed
            | Self::AnswerAltered
            | Self::AnswerOfAnother
            | Self::AnswerInvented
            | Self::OldAnswerInstead
            | Self::RubbishFirst
            | Self::RubbishOnly
            | Self::AnswersCrossed => self.with_answers(evil, dice, own, other),
        }
    }

    fn with_requests(self, evil: &EvilRelay, dice: &mut Dice, own: Id, other: Id) -> Must {
        let at = dice.below(4096);
        match self {
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
            _ => unreachable!("{self:?} is no mischief with requests"),
        }
    }

    fn with_answers(self, evil: &EvilRelay, dice: &mut Dice, own: Id, other: Id) -> Must {
        let at = dice.below(4096);
        match self {
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
            _ => unreachable!("{self:?} is no mischief with answers"),
        }
    }
}

fn meddle_with_replies(evil: &EvilRelay, replayed: bool, at: usize) {
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
