//! What must always hold, and what must be possible: a world where nothing ever passes would prove nothing.

use crate::search::{Outcome, Screen, Search, Session, State};
use crate::terms::{Device, Host, Key, Level, Origin, Service};
use crate::world::{Plan, World};
use stateright::Property;

/// Something of a state, in words.
type Rule = (&'static str, fn(&Search, &State) -> bool);

/// What the protocol promises, in every world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Who approved may.
    Certified,
    /// Approved there means approved here.
    Agreed,
    /// As far as the host knew.
    NotRevoked,
    /// One end.
    Once,
    /// Not late.
    InTime,
    /// Not weaker than asked.
    AtLevel,
    /// Not by a blind tap.
    NumberNeeded,
    /// No host speaks in another's name.
    Genuine,
    /// No stranger's requests, and no login that is about devices.
    Fitting,
    /// No request over and over.
    DrawnOnce,
    /// Secrecy.
    Secret,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Certified,
        Self::Agreed,
        Self::NotRevoked,
        Self::Once,
        Self::InTime,
        Self::AtLevel,
        Self::NumberNeeded,
        Self::Genuine,
        Self::Fitting,
        Self::DrawnOnce,
        Self::Secret,
    ];

    /// In words.
    pub const fn name(self) -> &'static str {
        self.rule().0
    }

    const fn rule(self) -> Rule {
        match self {
            Self::Certified => ("the device that approved is certified for the identity", certified),
            Self::Agreed => (
                "the device that approved drew this very request, and its person approved",
                agreed,
            ),
            Self::NotRevoked => (
                "a device does not approve that the host knew to be revoked when it asked",
                not_revoked,
            ),
            Self::Once => ("a session ends once, and a refusal stays one", once),
            Self::InTime => ("nothing passes after its time", in_time),
            Self::AtLevel => ("the device that approved reaches the level", at_level),
            Self::NumberNeeded => (
                "at level number nothing passes if the person does not see the terminal",
                number_needed,
            ),
            Self::Genuine => (
                "what a device draws in an honest host's name is that host's request",
                genuine,
            ),
            Self::Fitting => (
                "a device draws what is for its own identities, and of devices only the registrar's",
                fitting,
            ),
            Self::DrawnOnce => ("a device draws a request once, until it forgets", drawn_once),
            Self::Secret => (
                "the attacker reads no request to honest devices alone, and no number of a terminal that is not its own",
                secret,
            ),
        }
    }
}

/// The properties of a world.
pub fn of(world: &World) -> Vec<Property<Search>> {
    let always = Promise::ALL.into_iter().map(|promise| {
        let (name, holds) = promise.rule();
        Property::always(name, holds)
    });
    let sometimes = possible(world)
        .into_iter()
        .map(|(name, holds)| Property::sometimes(name, holds));
    always.chain(sometimes).collect()
}

/// What must be possible in a world.
fn possible(world: &World) -> Vec<Rule> {
    let everybody = if world.plans.iter().any(|plan| sees_no_number(*plan)) {
        "every session passes whose number Alice sees"
    } else {
        "every session passes"
    };
    let mut possible: Vec<Rule> = vec![
        (everybody, |search, state| {
            (0u8..)
                .zip(&state.sessions)
                .all(|(number, session)| sees_no_number(search.plan(number)) || approvals(session).next().is_some())
        }),
        ("an honest device refuses", |_, state| {
            outcomes(state).any(|outcome| !outcome.approved && outcome.device.honest())
        }),
        ("a device draws a request of the corrupt host", |_, state| {
            drawn(state).any(|request| request == Host::Corrupt)
        }),
    ];
    if world.expires {
        possible.push(("an approval comes too late", |_, state| {
            outcomes(state).any(|outcome| !outcome.approved && outcome.late)
        }));
    }
    if world.forgets {
        possible.push(("a device that forgot draws a request again", |_, state| {
            state.screens.iter().any(|screen| !no_repeats(screen))
        }));
    }
    if world.revokes {
        possible.push((
            "a revoked device approves, because the relay hid the news",
            |_, state| {
                state.revoked && outcomes(state).any(|outcome| outcome.approved && outcome.device == Device::Stolen)
            },
        ));
        possible.push((
            "a device approves what was asked before the host heard that it is revoked",
            |_, state| {
                state.heard && outcomes(state).any(|outcome| outcome.approved && outcome.device == Device::Stolen)
            },
        ));
    }
    possible
}

fn outcomes(state: &State) -> impl Iterator<Item = &Outcome> {
    state.sessions.iter().flat_map(|session| &session.outcomes)
}

fn approvals(session: &Session) -> impl Iterator<Item = &Outcome> {
    session.outcomes.iter().filter(|outcome| outcome.approved)
}

fn drawn(state: &State) -> impl Iterator<Item = Host> {
    let drawn = state.screens.iter().flat_map(|screen| &screen.drawn);
    drawn.map(|drawn| drawn.request.statement.host)
}

fn each_approval(search: &Search, state: &State, holds: impl Fn(u8, Plan, &Session, &Outcome) -> bool) -> bool {
    (0u8..)
        .zip(&state.sessions)
        .all(|(number, session)| approvals(session).all(|outcome| holds(number, search.plan(number), session, outcome)))
}

fn certified(search: &Search, state: &State) -> bool {
    each_approval(search, state, |_, plan, _, outcome| {
        outcome.device.identities().contains(&plan.identity)
    })
}

/// Whoever has a device's keys may approve with it, so this says nothing of the attacker's devices.
fn agreed(search: &Search, state: &State) -> bool {
    each_approval(search, state, |number, _, _, outcome| {
        let request = search.request(number);
        let drew = |screen: &&Screen| {
            screen.device == outcome.device
                && screen
                    .drawn
                    .iter()
                    .any(|drawn| drawn.request == request && drawn.approve)
        };
        !outcome.device.honest() || state.screens.iter().find(drew).is_some()
    })
}

fn not_revoked(search: &Search, state: &State) -> bool {
    each_approval(search, state, |_, _, session, outcome| {
        !(outcome.device == Device::Stolen && session.warned)
    })
}

fn once(_: &Search, state: &State) -> bool {
    state.sessions.iter().all(|session| session.outcomes.len() <= 1)
}

fn in_time(search: &Search, state: &State) -> bool {
    each_approval(search, state, |_, _, _, outcome| !outcome.late)
}

fn at_level(search: &Search, state: &State) -> bool {
    each_approval(search, state, |_, plan, _, outcome| {
        outcome.device.level_max() >= plan.level
    })
}

fn number_needed(search: &Search, state: &State) -> bool {
    each_approval(search, state, |_, plan, _, outcome| {
        !(sees_no_number(plan) && outcome.device.honest())
    })
}

fn sees_no_number(plan: Plan) -> bool {
    plan.level == Level::Number && plan.attackers
}

fn genuine(search: &Search, state: &State) -> bool {
    let drawn = state.screens.iter().flat_map(|screen| &screen.drawn);
    drawn.map(|drawn| drawn.request).all(|request| {
        let host = request.statement.host;
        host == Host::Corrupt
            || (request.by == Key::Host(host)
                && (0u8..)
                    .zip(&state.sessions)
                    .any(|(number, session)| session.begun && search.request(number) == request))
    })
}

fn fitting(_: &Search, state: &State) -> bool {
    state.screens.iter().all(|screen| {
        screen.drawn.iter().all(|drawn| {
            let statement = drawn.request.statement;
            screen.device.identities().contains(&statement.identity)
                && (statement.svc == Service::Login || statement.host == Host::Registrar)
        })
    })
}

fn no_repeats(screen: &Screen) -> bool {
    let mut drawn = screen.drawn.iter().enumerate();
    drawn.all(|(at, one)| screen.drawn[..at].iter().all(|earlier| earlier.request != one.request))
}

fn drawn_once(_: &Search, state: &State) -> bool {
    state.screens.iter().all(|screen| screen.forgot || no_repeats(screen))
}

/// A request may be read where the attacker has a device that the host must take for one of the identity's.
fn secret(search: &Search, state: &State) -> bool {
    (0u8..).zip(&state.sessions).all(|(number, session)| {
        let plan = search.plan(number);
        let own = Origin::Session(number);
        let readers = search.world.devices.iter().filter(|device| {
            !device.honest()
                && device.identities().contains(&plan.identity)
                && !(**device == Device::Stolen && session.warned)
        });
        let knowledge = &state.knowledge;
        let read = knowledge.told.contains(&own) || knowledge.nonces.contains(&own);
        (!read || readers.count() > 0) && (plan.attackers || !knowledge.numbers.contains(&own))
    })
}
