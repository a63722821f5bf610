//! The protocol as a machine that the attacker drives: hosts, devices and people do what docs/protocol.md says, the
//! relay does what it likes.

use crate::checks::{Check, Checks};
use crate::properties;
use crate::terms::{
    Answer, AnswerBox, Device, Host, HostChain, Identity, Key, Knowledge, Level, Origin, Request, RequestBox, Service,
    SignedAnswer, Statement,
};
use crate::world::{Plan, World};
use stateright::{Model, Property};
use std::collections::BTreeSet;

/// A world under some checks.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Which world.
    pub world: World,
    /// What is checked in it.
    pub checks: Checks,
}

/// What became of an answer that was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// As whose answer.
    pub device: Device,
    /// Whether the login passes.
    pub approved: bool,
    /// Whether its time was over.
    pub late: bool,
}

/// A session at its host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Session {
    /// Its request went out.
    pub begun: bool,
    /// To these devices.
    pub addressed: BTreeSet<Device>,
    /// The host knew then that the stolen device is revoked.
    pub warned: bool,
    /// Its time is over.
    pub expired: bool,
    /// More than one only where a check is left out.
    pub outcomes: Vec<Outcome>,
}

/// What a device drew, and what its person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Drawn {
    /// What stood on the screen.
    pub request: Request,
    /// What was decided.
    pub approve: bool,
}

/// An honest device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Screen {
    /// Which.
    pub device: Device,
    /// Pushes that it will not draw again.
    pub seen: BTreeSet<Origin>,
    /// It has forgotten pushes: restarted, or eleven minutes went by.
    pub forgot: bool,
    /// All that it has drawn.
    pub drawn: Vec<Drawn>,
}

/// A moment of a world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// As the world's plans.
    pub sessions: Vec<Session>,
    /// The honest devices.
    pub screens: Vec<Screen>,
    /// The stolen device is revoked at the registrar.
    pub revoked: bool,
    /// The hosts heard of it: the relay told the new generation, or 300 s went by.
    pub heard: bool,
    /// What the attacker has.
    pub knowledge: Knowledge,
}

/// A step of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A session begins; the relay gives the host the device list of `list`.
    Begin {
        /// Which.
        session: u8,
        /// Whose list.
        list: Identity,
    },
    /// A session's time is over.
    Expire(u8),
    /// The stolen device is revoked.
    Revoke,
    /// The hosts hear of it.
    Hear,
    /// A device forgets what it drew.
    Forget(Device),
    /// The relay delivers a request, and the device's person decides.
    Deliver {
        /// To whom.
        device: Device,
        /// As which push.
        push: Origin,
        /// What.
        sealed: RequestBox,
        /// The decision.
        approve: bool,
        /// The number typed.
        num: Option<Origin>,
    },
    /// The relay delivers an answer to a session's host.
    Return {
        /// To which session.
        session: u8,
        /// As whose.
        device: Device,
        /// What.
        sealed: AnswerBox,
    },
}

const CHAINS: [HostChain; 4] = [
    HostChain {
        host: Host::Web,
        key: Key::Host(Host::Web),
        pinned: true,
    },
    HostChain {
        host: Host::Registrar,
        key: Key::Host(Host::Registrar),
        pinned: true,
    },
    HostChain {
        host: Host::Corrupt,
        key: Key::Host(Host::Corrupt),
        pinned: true,
    },
    // The attacker's own certificate authority.
    HostChain {
        host: Host::Web,
        key: Key::Made,
        pinned: false,
    },
];

impl Search {
    /// The plan of a session.
    pub fn plan(&self, session: u8) -> Plan {
        self.world.plans[usize::from(session)]
    }

    fn sessions(&self) -> impl Iterator<Item = u8> {
        (0u8..).take(self.world.plans.len())
    }

    /// All pushes and nonces that may exist.
    fn origins(&self) -> impl Iterator<Item = Origin> {
        self.sessions().map(Origin::Session).chain([Origin::Attacker])
    }

    /// The request of a session.
    pub fn request(&self, session: u8) -> Request {
        let plan = self.plan(session);
        let own = Origin::Session(session);
        Request {
            by: Key::Host(plan.host),
            statement: Statement {
                id: own,
                n: own,
                host: plan.host,
                svc: plan.service(),
                identity: plan.identity,
                level: plan.level,
                told: own,
            },
        }
    }

    /// The registrar's list for `identity`, as it comes to the host.
    fn list(&self, state: &State, identity: Identity) -> impl Iterator<Item = Device> {
        let fresh = state.heard && self.checks.has(Check::ListFresh);
        self.world
            .devices
            .iter()
            .copied()
            .filter(move |device| device.identities().contains(&identity) && !(fresh && *device == Device::Stolen))
    }

    // --- What a device does --------------------------------------------------------------------------------------

    /// The device's rules, in the order of docs/protocol.md.
    fn draws(&self, screen: &Screen, push: Origin, sealed: &RequestBox) -> bool {
        let Request { by, statement } = sealed.request;
        let ask = |check, holds| self.checks.ask(check, holds);
        sealed.to == screen.device
            && ask(Check::RequestAad, sealed.id == push && sealed.device == screen.device)
            && ask(Check::Chain, sealed.chain.pinned)
            && ask(Check::RequestSignature, by == sealed.chain.key)
            && ask(Check::HostName, statement.host == sealed.chain.host)
            && ask(
                Check::Service,
                (statement.svc == Service::Enrol) == (statement.host == Host::Registrar),
            )
            && ask(Check::DeliveredId, statement.id == push)
            && ask(
                Check::OwnIdentity,
                screen.device.identities().contains(&statement.identity),
            )
            && ask(Check::ShownOnce, !screen.seen.contains(&statement.id))
    }

    /// What the attacker may deliver to a device that draws it: every box that it saw, and every box that it can make.
    fn deliverable(&self, state: &State, screen: &Screen) -> Vec<(Origin, RequestBox)> {
        let mut found = Vec::new();
        let mut offer = |sealed: RequestBox| {
            // As which push it comes makes no difference to what follows.
            let push = self.origins().find(|push| self.draws(screen, *push, &sealed));
            found.extend(push.map(|push| (push, sealed)));
        };
        for sealed in &state.knowledge.request_boxes {
            offer(*sealed);
        }
        // Under any other `aad` a box of its own would not open: the attacker knows the push that it delivers.
        let mut seal = |request: Request| {
            for chain in CHAINS {
                offer(RequestBox {
                    to: screen.device,
                    id: request.statement.id,
                    device: screen.device,
                    request,
                    chain,
                });
            }
        };
        for request in &state.knowledge.requests {
            seal(*request);
        }
        if forged_so_far(state) < self.world.forged {
            self.forge(state, screen.device, seal);
        }
        found
    }

    /// Requests that the attacker can sign.
    fn forge(&self, state: &State, device: Device, mut sign: impl FnMut(Request)) {
        let stranger = [Identity::Alice, Identity::Mallory];
        let identities: BTreeSet<&Identity> = device.identities().iter().chain(&stranger).collect();
        let levels: BTreeSet<Level> = self.world.plans.iter().map(|plan| plan.level).collect();
        for by in [Key::Host(Host::Corrupt), Key::Made] {
            for id in self.origins() {
                for &n in state.knowledge.nonces.iter().chain([&Origin::Attacker]) {
                    for host in [Host::Web, Host::Registrar, Host::Corrupt] {
                        for svc in [Service::Login, Service::Enrol] {
                            for &&identity in &identities {
                                for &level in &levels {
                                    sign(Request {
                                        by,
                                        statement: Statement {
                                            id,
                                            n,
                                            host,
                                            svc,
                                            identity,
                                            level,
                                            told: Origin::Attacker,
                                        },
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a person may type: the number of a terminal of hers at the host that the screen names, or a guess. She is
    /// as careless as that: she does not compare the login's id.
    fn typed(&self, state: &State, statement: &Statement) -> Vec<Option<Origin>> {
        if statement.level == Level::Tap {
            return vec![None];
        }
        let hers = self.sessions().filter(|&session| {
            let plan = self.plan(session);
            state.sessions[usize::from(session)].begun && plan.host == statement.host && !plan.attackers
        });
        hers.map(Origin::Session).chain([Origin::Attacker]).map(Some).collect()
    }

    // --- What a host does ----------------------------------------------------------------------------------------

    /// The host's rules, in the order of docs/protocol.md. Nothing: the answer is rubbish.
    fn judge(&self, state: &State, session: u8, device: Device, sealed: &AnswerBox) -> Option<Outcome> {
        let request = self.request(session);
        let waiting = &state.sessions[usize::from(session)];
        let SignedAnswer { by, answer } = sealed.signed;
        let ask = |check, holds| self.checks.ask(check, holds);
        let authentic = waiting.begun
            && ask(Check::OneUse, waiting.outcomes.is_empty())
            && ask(Check::Addressed, waiting.addressed.contains(&device))
            && ask(
                Check::CertIdentity,
                device.identities().contains(&request.statement.identity),
            )
            && sealed.to == request.by
            && ask(
                Check::AnswerAad,
                sealed.id == Origin::Session(session) && sealed.device == device,
            )
            && ask(Check::AnswerSignature, by == Key::Device(device))
            && ask(Check::Req, answer.req == Some(request))
            && ask(Check::Nonce, answer.n == request.statement.n)
            && ask(Check::Id, answer.id == request.statement.id)
            && ask(Check::DeviceId, answer.device == device);
        let number = match request.statement.level {
            Level::Tap => answer.num.is_none(),
            Level::Number => answer.num == Some(Origin::Session(session)),
        };
        authentic.then(|| Outcome {
            device,
            approved: ask(Check::Decision, answer.approve)
                && ask(Check::Time, !waiting.expired)
                && ask(Check::LevelMax, device.level_max() >= request.statement.level)
                && ask(Check::NumberMatch, number),
            late: waiting.expired,
        })
    }

    /// What the attacker may return to a session as `device`'s: every box that it saw, every answer that it read, sealed
    /// anew, and the best that it can sign itself. An answer's fields go nowhere but into the host's rules, so no other
    /// could do more: each field is the right one where the attacker knows it, and made up where it does not.
    fn returnable(&self, state: &State, session: u8, device: Device) -> impl Iterator<Item = AnswerBox> {
        let request = self.request(session);
        let knowledge = &state.knowledge;
        let own = Origin::Session(session);
        let number = knowledge.numbers.contains(&own) || self.plan(session).attackers;
        let signed = SignedAnswer {
            by: if device.honest() {
                Key::Made
            } else {
                Key::Device(device)
            },
            answer: Answer {
                req: knowledge.digests.get(&request).copied(),
                n: knowledge.nonces.get(&own).copied().unwrap_or(Origin::Attacker),
                // The relay sees ids.
                id: own,
                approve: true,
                num: (request.statement.level == Level::Number && number).then_some(own),
                device,
            },
        };
        let sealed = move |signed| AnswerBox {
            to: request.by,
            id: own,
            device,
            signed,
        };
        let seen = knowledge.answer_boxes.iter().copied();
        seen.chain(knowledge.answers.iter().copied().chain([signed]).map(sealed))
    }

    // --- Steps ---------------------------------------------------------------------------------------------------

    fn begin(&self, state: &mut State, session: u8, list: Identity) {
        let plan = self.plan(session);
        let addressed: BTreeSet<Device> = self
            .list(state, list)
            .filter(|device| {
                self.checks
                    .ask(Check::ListIdentity, device.identities().contains(&plan.identity))
            })
            .collect();
        let request = self.request(session);
        for &device in &addressed {
            let sealed = RequestBox {
                to: device,
                id: request.statement.id,
                device,
                request,
                chain: HostChain {
                    host: plan.host,
                    key: request.by,
                    pinned: true,
                },
            };
            state.knowledge.see_request(sealed, self.checks);
        }
        let warned = state.heard;
        let begun = &mut state.sessions[usize::from(session)];
        begun.begun = true;
        begun.addressed = addressed;
        begun.warned = warned;
    }

    fn decide(&self, state: &mut State, device: Device, sealed: &RequestBox, approve: bool, num: Option<Origin>) {
        let request = sealed.request;
        for screen in state.screens.iter_mut().filter(|screen| screen.device == device) {
            screen.seen.insert(request.statement.id);
            screen.drawn.push(Drawn { request, approve });
        }
        let answer = Answer {
            req: Some(request),
            n: request.statement.n,
            id: request.statement.id,
            approve,
            num,
            device,
        };
        let sealed = AnswerBox {
            to: sealed.chain.key,
            id: request.statement.id,
            device,
            signed: SignedAnswer {
                by: Key::Device(device),
                answer,
            },
        };
        state.knowledge.see_answer(sealed, self.checks);
    }
}

fn forged_so_far(state: &State) -> usize {
    let drawn = state.screens.iter().flat_map(|screen| &screen.drawn);
    drawn.filter(|drawn| drawn.request.by.known()).count()
}

impl Model for Search {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let honest = self.world.devices.iter().copied().filter(|device| device.honest());
        vec![State {
            sessions: vec![Session::default(); self.world.plans.len()],
            screens: honest
                .map(|device| Screen {
                    device,
                    seen: BTreeSet::new(),
                    forgot: false,
                    drawn: Vec::new(),
                })
                .collect(),
            revoked: false,
            heard: false,
            knowledge: Knowledge::default(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for session in self.sessions() {
            let own = &state.sessions[usize::from(session)];
            if !own.begun {
                let mut lists = BTreeSet::from([self.plan(session).identity]);
                if !self.checks.has(Check::ReplyBound) {
                    lists.extend([Identity::Alice, Identity::Mallory]);
                }
                steps.extend(lists.into_iter().map(|list| Step::Begin { session, list }));
                continue;
            }
            if self.world.expires && !own.expired && own.outcomes.is_empty() {
                steps.push(Step::Expire(session));
            }
            // More than two outcomes tell nothing that two do not.
            if own.outcomes.len() < 2 {
                for &device in self.world.devices {
                    let mut told_apart = Vec::new();
                    for sealed in self.returnable(state, session, device) {
                        let Some(outcome) = self.judge(state, session, device, &sealed) else {
                            continue;
                        };
                        // What the host concludes is all that the world sees of it.
                        if !told_apart.contains(&outcome) {
                            told_apart.push(outcome);
                            steps.push(Step::Return {
                                session,
                                device,
                                sealed,
                            });
                        }
                    }
                }
            }
        }
        if self.world.revokes && !state.revoked {
            steps.push(Step::Revoke);
        }
        if state.revoked && !state.heard {
            steps.push(Step::Hear);
        }
        for screen in &state.screens {
            if self.world.forgets && !screen.forgot && !screen.seen.is_empty() {
                steps.push(Step::Forget(screen.device));
            }
            if screen.drawn.len() >= MOST_DRAWN {
                continue;
            }
            for (push, sealed) in self.deliverable(state, screen) {
                // The attacker has no use for a refusal of its own request.
                let decisions: &[bool] = if sealed.request.by.known() {
                    &[true]
                } else {
                    &[true, false]
                };
                for num in self.typed(state, &sealed.request.statement) {
                    steps.extend(decisions.iter().map(|&approve| Step::Deliver {
                        device: screen.device,
                        push,
                        sealed,
                        approve,
                        num,
                    }));
                }
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Begin { session, list } => self.begin(&mut state, session, list),
            Step::Expire(session) => state.sessions[usize::from(session)].expired = true,
            Step::Revoke => state.revoked = true,
            Step::Hear => state.heard = true,
            Step::Forget(device) => {
                for screen in state.screens.iter_mut().filter(|screen| screen.device == device) {
                    screen.forgot = true;
                    screen.seen.clear();
                }
            }
            Step::Deliver {
                device,
                sealed,
                approve,
                num,
                push: _,
            } => self.decide(&mut state, device, &sealed, approve, num),
            Step::Return {
                session,
                device,
                sealed,
            } => {
                let outcome = self.judge(last, session, device, &sealed)?;
                state.sessions[usize::from(session)].outcomes.push(outcome);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(&self.world)
    }
}

/// Requests that one device draws, at most.
const MOST_DRAWN: usize = 3;
