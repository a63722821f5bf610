//! Hundreds of seeded rounds at the agent's own socket. Each begins one or two logins, has the phones decide, and lets
//! the evil relay do one of twenty things. A round is the same for the same seed; the seed stands in every failure, and
//! `ASSENT_EVIL_SEED` repeats it.

use super::Stage;
use super::mischief::{ALL, Dice, Mischief, Must};
use super::phone::Phone;
use crate::login::Login;
use assent_proto::Id;
use assent_proto::answer::Decision;
use assent_tests::product::assentctl;
use assent_tests::scenarios;
use assent_tests::suite::Scenario;
use assent_wire::VerdictCode;
use std::collections::BTreeMap;

pub const SCENARIOS: &[Scenario] = scenarios![t3_t4_no_round_passes_without_the_right_devices_signature];

/// Rounds of one run.
const ROUNDS: usize = 300;

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
        // A round is not about budgets, and a person's real device denies far more rarely.
        for user in USERS {
            assentctl(["unlock", user]).expect_success();
        }
        let undrawn = self.undrawn();
        let (own, other) = (self.phones[user].hand.id(), self.phones[1 - user].hand.id());
        self.generation += 1;
        let must = mischief.begin(&self.stage, dice, own, other, self.generation);
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
}
