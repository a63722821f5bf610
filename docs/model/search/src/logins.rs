//! The experiments on logins.

use crate::checks::{Check, Checks};
use crate::properties::Promise;
use crate::search::{Search, Step};
use crate::table::Expected::{self, Attack, Nothing};
use crate::table::{Subject, Told};
use crate::words;
use crate::world::WORLDS;

impl Told for Search {
    fn world(&self) -> &'static str {
        self.world.name
    }

    fn tell(&self, step: &Step) -> String {
        words::step(self, step)
    }
}

/// All of them.
pub fn subject() -> Subject<Check, Search> {
    Subject {
        checks: &Check::ALL,
        name: Check::name,
        worlds: WORLDS.len(),
        model: |world, left_out| Search {
            world: WORLDS[world],
            checks: Checks::without(left_out),
        },
        experiments: EXPERIMENTS,
    }
}

/// What is left out, and what that comes to.
const EXPERIMENTS: &[(&[Check], Expected)] = &[
    (&[Check::RequestSeal], Attack(Promise::Secret.name())),
    (
        &[Check::RequestAad],
        Nothing("rule 7 compares the id that the statement itself bears"),
    ),
    (&[Check::Chain], Attack(Promise::Genuine.name())),
    (&[Check::RequestSignature], Attack(Promise::Genuine.name())),
    (&[Check::HostName], Attack(Promise::Genuine.name())),
    (&[Check::Service], Attack(Promise::Fitting.name())),
    (
        &[Check::DeliveredId],
        Nothing("the `aad` binds the id, and device and answer go by the statement's id alone"),
    ),
    (
        &[Check::RequestAad, Check::DeliveredId],
        Nothing("as before: which push the relay calls it changes neither what is drawn nor what is answered"),
    ),
    (&[Check::OwnIdentity], Attack(Promise::Fitting.name())),
    (&[Check::ShownOnce], Attack(Promise::DrawnOnce.name())),
    (
        &[Check::ReplyBound],
        Nothing("certificates that do not name the identity are dropped"),
    ),
    (
        &[Check::ListIdentity],
        Nothing("an honest registrar lists no other devices, and its reply cannot be swapped"),
    ),
    (
        &[Check::ReplyBound, Check::ListIdentity],
        Attack(Promise::Secret.name()),
    ),
    (&[Check::ListFresh], Attack(Promise::NotRevoked.name())),
    (&[Check::OneUse], Attack(Promise::Once.name())),
    (
        &[Check::Addressed],
        Nothing("a device that was not asked cannot read the request: it knows neither `n` nor the digest"),
    ),
    (
        &[Check::CertIdentity],
        Nothing("devices of other identities were not addressed"),
    ),
    (
        &[Check::Addressed, Check::RequestSeal],
        Attack(Promise::NotRevoked.name()),
    ),
    (
        &[Check::Addressed, Check::Req, Check::Nonce],
        Attack(Promise::NotRevoked.name()),
    ),
    (
        &[Check::ReplyBound, Check::ListIdentity, Check::CertIdentity],
        Attack(Promise::Certified.name()),
    ),
    (&[Check::AnswerSeal], Attack(Promise::Secret.name())),
    (
        &[Check::AnswerAad],
        Nothing("rule 7 compares id and device in the signed answer"),
    ),
    (&[Check::AnswerSignature], Attack(Promise::Agreed.name())),
    (&[Check::Req], Attack(Promise::Agreed.name())),
    (
        &[Check::Nonce],
        Nothing("`req` is the digest of all of the request, `n` too"),
    ),
    (
        &[Check::Id],
        Nothing("`req` is the digest of all of the request, `id` too"),
    ),
    (
        &[Check::DeviceId],
        Nothing("the signature is by the key in that device's certificate"),
    ),
    (
        &[Check::AnswerAad, Check::Nonce, Check::Id, Check::DeviceId],
        Nothing("`req` and the signature are enough"),
    ),
    (&[Check::Req, Check::Nonce], Attack(Promise::Agreed.name())),
    (&[Check::Decision], Attack(Promise::Agreed.name())),
    (&[Check::Time], Attack(Promise::InTime.name())),
    (&[Check::LevelMax], Attack(Promise::AtLevel.name())),
    (&[Check::NumberMatch], Attack(Promise::NumberNeeded.name())),
];
