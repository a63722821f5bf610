//! Enrolment as a machine that the attacker drives: Alice enrols a new device by a link that a host opened, and a
//! corrupt host opens enrolments for her, too.

use crate::table::{Subject, Told};
use stateright::{Model, Property};
use std::collections::BTreeSet;

/// One check of enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Calls are sealed to the registrar.
    CallSealed,
    /// The MAC under the link's secret.
    Mac,
    /// A token takes one device.
    OneBinding,
    /// The user carries the digits from the device to the terminal.
    Digits,
    /// Digits come from the host that opened the enrolment.
    OwnEnrolment,
    /// A host vouches for identities of its name space alone.
    Vouch,
    /// A user who has a device approves a further one.
    Approval,
    /// What is certified is what the question showed.
    StillBound,
    /// The digits hold something that the registrar picks once the request is bound. The protocol has not got this.
    FreshDigits,
}

impl Check {
    const ALL: [Self; 9] = [
        Self::CallSealed,
        Self::Mac,
        Self::OneBinding,
        Self::Digits,
        Self::OwnEnrolment,
        Self::Vouch,
        Self::Approval,
        Self::StillBound,
        Self::FreshDigits,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::CallSealed => "calls are sealed",
            Self::Mac => "MAC of the request",
            Self::OneBinding => "one device a token",
            Self::Digits => "digits",
            Self::OwnEnrolment => "digits from the host that opened it",
            Self::Vouch => "name space of the host that vouches",
            Self::Approval => "approval of a further device",
            Self::StillBound => "the certified request is the one that was approved",
            Self::FreshDigits => "fresh digits",
        }
    }
}

/// A world: who opened the link that Alice uses, and what leaks.
#[derive(Debug, Clone, Copy)]
// Each is a yes or no of its own.
#[allow(clippy::struct_excessive_bools)]
struct World {
    name: &'static str,
    /// Alice enrols at the corrupt host.
    at_corrupt: bool,
    /// The attacker knows the token's id, not its secret.
    id_known: bool,
    /// The attacker has read the link.
    link_known: bool,
    /// The attacker sees the new device's screen.
    screen_seen: bool,
    /// Alice has a device that approves further ones.
    has_device: bool,
    /// Alice is an account of the honest host alone.
    local: bool,
}

const BASE: World = World {
    name: "first device",
    at_corrupt: false,
    id_known: true,
    link_known: false,
    screen_seen: false,
    has_device: false,
    local: false,
};

const WORLDS: [World; 5] = [
    BASE,
    World {
        name: "link read",
        link_known: true,
        screen_seen: true,
        ..BASE
    },
    World {
        name: "local account",
        local: true,
        ..BASE
    },
    World {
        name: "further device",
        has_device: true,
        ..BASE
    },
    World {
        name: "at the corrupt host",
        at_corrupt: true,
        has_device: true,
        ..BASE
    },
];

/// Whose keys are to be certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    /// Alice's.
    Alices,
    /// The attacker's.
    Attackers,
}

/// A signed request; digits are few, so another request may be made to have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    key: Whose,
    digits: Whose,
}

const ALICES: Request = Request {
    key: Whose::Alices,
    digits: Whose::Alices,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Stage {
    #[default]
    Unopened,
    Waiting,
    Digits,
    Approval,
    Certified,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Token {
    stage: Stage,
    bound: Option<Request>,
    /// What Alice's device was asked.
    question: Option<Request>,
}

/// A certificate for Alice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Certified {
    token: usize,
    request: Request,
    /// She had a device then.
    further: bool,
}

/// A moment. Token 0 is Alice's link, token 1 the corrupt host's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    tokens: [Token; 2],
    /// The new device has called.
    called: bool,
    /// The new device shows its digits.
    shown: bool,
    approved: BTreeSet<Request>,
    certified: Vec<Certified>,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A host opens an enrolment.
    Open(usize),
    /// The new device calls with its request; the relay may keep it.
    Call,
    /// A request comes to the registrar and is bound.
    Bind(usize, Request),
    /// The new device hears so and shows its digits.
    Show,
    /// Alice types them where her link was shown.
    Type,
    /// A corrupt host hands in digits.
    Confirm(usize, Whose),
    /// Alice approves on a device that she has.
    Approve(usize),
}

/// Enrolment in a world, with some checks left out.
#[derive(Debug, Clone, Copy)]
pub struct Enrolment {
    world: World,
    left_out: &'static [Check],
}

impl Enrolment {
    fn has(&self, check: Check) -> bool {
        !self.left_out.contains(&check)
    }

    fn corrupt(&self, token: usize) -> bool {
        token == 1 || self.world.at_corrupt
    }

    fn further(&self, state: &State) -> bool {
        self.world.has_device || !state.certified.is_empty()
    }

    fn knows_id(&self, state: &State, token: usize) -> bool {
        let heard = !self.has(Check::CallSealed) && state.called;
        self.knows_secret(token) || self.world.id_known || heard
    }

    fn knows_secret(&self, token: usize) -> bool {
        self.corrupt(token) || self.world.link_known
    }

    fn knows_digits(&self, state: &State) -> bool {
        state.shown && (self.world.screen_seen || self.world.at_corrupt)
    }

    /// Digits that the attacker can give its own request.
    fn forgeable(&self, state: &State) -> Vec<Whose> {
        let mut digits = vec![Whose::Attackers];
        if self.knows_digits(state) && !self.has(Check::FreshDigits) {
            digits.push(Whose::Alices);
        }
        digits
    }

    fn takes(&self, token: Token) -> bool {
        match token.stage {
            Stage::Waiting => true,
            Stage::Digits | Stage::Approval => !self.has(Check::OneBinding),
            Stage::Unopened | Stage::Certified | Stage::Over => false,
        }
    }

    /// The digits were right, or nobody asks for them.
    fn proven(&self, state: &mut State, token: usize) {
        let further = self.further(state);
        let own = &mut state.tokens[token];
        let Some(request) = own.bound else { return };
        if further && self.has(Check::Approval) {
            own.stage = Stage::Approval;
            own.question = Some(request);
        } else {
            certify(state, token, request, further);
        }
    }
}

fn certify(state: &mut State, token: usize, request: Request, further: bool) {
    state.tokens[token].stage = Stage::Certified;
    state.certified.push(Certified {
        token,
        request,
        further,
    });
}

impl Model for Enrolment {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (token, own) in state.tokens.iter().enumerate() {
            let may_vouch = !(self.corrupt(token) && self.world.local && self.has(Check::Vouch));
            if own.stage == Stage::Unopened && may_vouch {
                steps.push(Step::Open(token));
            }
            if self.takes(*own) {
                if token == 0 && state.called {
                    steps.push(Step::Bind(0, ALICES));
                }
                if self.knows_id(state, token) && (self.knows_secret(token) || !self.has(Check::Mac)) {
                    let forged = self.forgeable(state).into_iter().map(|digits| Request {
                        key: Whose::Attackers,
                        digits,
                    });
                    steps.extend(forged.map(|request| Step::Bind(token, request)));
                }
            }
            if own.stage == Stage::Digits && (self.corrupt(token) || !self.has(Check::OwnEnrolment)) {
                steps.push(Step::Confirm(token, Whose::Attackers));
                if self.knows_digits(state) {
                    steps.push(Step::Confirm(token, Whose::Alices));
                }
            }
            // She approves what shows the digits that are on her new device.
            let question = own.question.filter(|_| own.stage == Stage::Approval && state.shown);
            if question.is_some_and(|request| request.digits == Whose::Alices) {
                steps.push(Step::Approve(token));
            }
        }
        if state.tokens[0].stage != Stage::Unopened && !state.called {
            steps.push(Step::Call);
        }
        if state.tokens[0].bound == Some(ALICES) && !state.shown {
            steps.push(Step::Show);
        }
        if state.shown && state.tokens[0].stage == Stage::Digits {
            steps.push(Step::Type);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Open(token) => {
                // Any other open enrolment of this identity ends.
                for other in &mut state.tokens {
                    if matches!(other.stage, Stage::Waiting | Stage::Digits | Stage::Approval) {
                        other.stage = Stage::Over;
                    }
                }
                state.tokens[token].stage = Stage::Waiting;
            }
            Step::Call => state.called = true,
            Step::Bind(token, request) => {
                let own = &mut state.tokens[token];
                own.bound = Some(request);
                if own.stage == Stage::Waiting {
                    own.stage = Stage::Digits;
                    if !self.has(Check::Digits) {
                        self.proven(&mut state, token);
                    }
                }
            }
            Step::Show => state.shown = true,
            Step::Type => {
                if state.tokens[0].bound?.digits != Whose::Alices {
                    return None;
                }
                self.proven(&mut state, 0);
            }
            Step::Confirm(token, digits) => {
                if state.tokens[token].bound?.digits != digits {
                    return None;
                }
                self.proven(&mut state, token);
            }
            Step::Approve(token) => {
                let own = state.tokens[token];
                let (shown, bound) = (own.question?, own.bound?);
                state.approved.insert(shown);
                if shown != bound && self.has(Check::StillBound) {
                    return None;
                }
                certify(&mut state, token, bound, true);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(HERS, |model: &Self, state: &State| {
                state.certified.iter().all(|one| {
                    let vouched = !one.further && model.corrupt(one.token) && !model.world.local;
                    one.request.key == Whose::Alices || vouched
                })
            }),
            Property::always(APPROVED, |_: &Self, state: &State| {
                let mut further = state.certified.iter().filter(|one| one.further);
                further.all(|one| state.approved.contains(&one.request))
            }),
            Property::sometimes("Alice's new device is certified", |_: &Self, state: &State| {
                state.certified.iter().any(|one| one.request.key == Whose::Alices)
            }),
        ];
        if !self.world.has_device && !self.world.local {
            properties.push(Property::sometimes(
                "the attacker's device is certified, for root on the corrupt host vouched and Alice had none",
                |_: &Self, state: &State| state.certified.iter().any(|one| one.request.key == Whose::Attackers),
            ));
        }
        properties
    }
}

const HERS: &str = "what is certified for Alice is her device, unless she had none and a host vouched falsely";
const APPROVED: &str = "a further device is certified only if Alice approved this very request";

impl Told for Enrolment {
    fn world(&self) -> &'static str {
        self.world.name
    }

    fn tell(&self, step: &Step) -> String {
        let opener = |token: &usize| {
            if self.corrupt(*token) {
                "the corrupt host"
            } else {
                "web"
            }
        };
        let link = |token: &usize| if *token == 0 { "her link" } else { "its own link" };
        match step {
            Step::Open(0) => format!("Alice gets a link from {}", opener(&0)),
            Step::Open(_) => "the corrupt host opens an enrolment for Alice".into(),
            Step::Call => "her new device calls".into(),
            Step::Bind(_, request) if request.key == Whose::Alices => "her request is bound".into(),
            Step::Bind(token, request) => {
                let same = if request.digits == Whose::Alices {
                    ", made to have the digits of hers,"
                } else {
                    ""
                };
                format!("the attacker's request{same} is bound to {}", link(token))
            }
            Step::Show => "her new device shows the digits".into(),
            Step::Type => "she types them".into(),
            Step::Confirm(token, digits) => format!(
                "the corrupt host hands in {} digits for {}",
                if *digits == Whose::Alices {
                    "her"
                } else {
                    "the attacker's"
                },
                link(token)
            ),
            Step::Approve(_) => "she approves the digits that her new device shows".into(),
        }
    }
}

/// The experiments.
pub fn subject() -> Subject<Check, Enrolment> {
    use crate::table::Expected::{Attack, Nothing};
    const NEVER_SHOWN: &str = "whoever is bound first, Alice's device shows no digits for another's request";
    Subject {
        checks: &Check::ALL,
        name: Check::name,
        worlds: WORLDS.len(),
        model: |world, left_out| Enrolment {
            world: WORLDS[world],
            left_out,
        },
        experiments: &[
            (&[Check::FreshDigits], Attack(HERS)),
            (
                &[Check::CallSealed],
                Nothing("a request that is read cannot be changed: the MAC needs the secret"),
            ),
            (&[Check::Mac], Nothing(NEVER_SHOWN)),
            (&[Check::Digits], Attack(HERS)),
            (&[Check::Mac, Check::Digits], Attack(HERS)),
            (
                &[Check::OneBinding],
                Nothing("the digits of another request are others"),
            ),
            (&[Check::OneBinding, Check::FreshDigits], Attack(HERS)),
            (&[Check::OwnEnrolment], Attack(HERS)),
            (&[Check::Vouch], Attack(HERS)),
            (&[Check::Approval], Attack(APPROVED)),
            (&[Check::StillBound], Nothing("a token takes one device")),
            (&[Check::StillBound, Check::OneBinding], Attack(APPROVED)),
        ],
    }
}
