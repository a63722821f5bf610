//! The arena: four adversaries against the real verifiers, in one process and fast enough for thousands of rounds. An evil
//! relay carries everything, an enrolled host has turned evil, phones sign what they like, directories lie. They know
//! everything but other people's keys.
//!
//! What is real: `proto`'s certificates, sealing and verifiers, `engine`'s logins, the relay's router and data base. What
//! stands in for the agent around them ([`seat`]) is laxer than it on purpose, so that the verifier is the last guard.
//!
//! The judge ([`ledger`]) believes none of that. It knows what each key really signed, and says of each approval whether
//! the right device signed it for that very login.
//!
//! `ASSENT_EVIL_SEED` repeats a run, `ASSENT_EVIL_ROUNDS` makes it longer:
//!
//! ```text
//! ASSENT_EVIL_ROUNDS=20000 cargo test --workspace --features xtask/bench --test arena
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod company;
mod dice;
mod evil_host;
mod evil_phone;
mod evil_relay;
mod ledger;
mod mischief;
mod post;
mod round;
mod seat;
mod secrecy;

use dice::Dice;
use mischief::{ALL, Mischief};
use round::Arena;
use std::collections::BTreeMap;

/// Rounds of one run in CI.
const ROUNDS: usize = 2_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test]
async fn t3_t17_no_round_approves_what_the_right_device_did_not_sign() {
    let random = assent_proto::Id::random().unwrap().0;
    let seed =
        from_environment("ASSENT_EVIL_SEED").unwrap_or_else(|| u64::from_be_bytes(random[..8].try_into().unwrap()));
    let rounds = from_environment("ASSENT_EVIL_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).unwrap());
    println!("ASSENT_EVIL_SEED={seed}");
    let mut arena = Arena::open().await;
    let mut dice = Dice(seed);
    let mut played: BTreeMap<Mischief, usize> = BTreeMap::new();
    let (mut honest, mut passed) = (0, 0);
    for round in 0..rounds {
        let tricks = mischief::of_round(round, &mut dice);
        arena.what = format!("ASSENT_EVIL_SEED={seed}, round {round}, {tricks:?}");
        let ends = arena.play(&tricks, &mut dice).await;
        honest += ends.iter().filter(|end| end.honest).count();
        passed += ends.iter().filter(|end| end.passed).count();
        for trick in tricks {
            *played.entry(trick).or_default() += 1;
        }
        if round % 256 == 255 || round + 1 == rounds {
            arena.search_for_plain_text();
        }
    }
    println!("{rounds} rounds: {passed} logins passed, {honest} of them or of refusals were undisturbed; {played:?}");
    // Neither a wall nor an open door, and nothing left to chance.
    if rounds >= ROUNDS {
        assert!(
            honest > rounds / 8 && passed > rounds / 4,
            "ASSENT_EVIL_SEED={seed}: {honest}, {passed}"
        );
        assert_eq!(played.len(), ALL.len(), "ASSENT_EVIL_SEED={seed}: {played:?}");
        let bare = arena.tally.idle();
        assert!(
            bare.is_empty(),
            "ASSENT_EVIL_SEED={seed}: these never met their guard: {bare:?}"
        );
    }
}
