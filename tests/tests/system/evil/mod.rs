//! Adversaries over the real wire: a relay that is a man in the middle, an enrolled host that has turned evil, and phones
//! that answer what they like. What must hold: a login passes only if the right device signed "approve" for that very
//! login; everything else ends in a denial with a cause, or waits for the right answer.

mod between;
mod host;
mod mischief;
pub mod phone;
mod relay;
mod revocations;
mod rounds;
mod sudo_answers;
mod sudo_host;
mod sudo_requests;

use assent_proto::relay::{HostEvent, Push};
use assent_proto::{Bytes, Id};
use assent_tests::product::{Authenticator, PATIENCE, Site, stack};
use assent_tests::suite::Scenario;
use assent_tests::{patience, sudoers};
use relay::{Act, EvilRelay, Message};

/// Every scenario of the evil kind.
pub const SCENARIOS: [&[Scenario]; 5] = [
    sudo_requests::SCENARIOS,
    sudo_answers::SCENARIOS,
    rounds::SCENARIOS,
    revocations::SCENARIOS,
    sudo_host::SCENARIOS,
];

/// A site whose gateway is reached through an evil relay, honest until told otherwise; sudo asks for a tap.
pub struct Stage {
    pub site: Site,
    pub evil: EvilRelay,
}

impl Stage {
    pub fn open() -> Self {
        let (site, evil) = Site::open_through(EvilRelay::start, |usual| usual);
        for user in ["alice", "dave"] {
            sudoers::allow(user);
        }
        sudoers::stack(&stack("sudo"));
        Self { site, evil }
    }

    pub fn enrol(&self, user: &str) -> Authenticator {
        self.site.enrol(user)
    }

    /// Has the agent forget what it knew of devices, as it does when it hears of a change, and sees to it that it has.
    pub fn forget_devices(&self, generation: u64) {
        self.evil.says(HostEvent::Roster { generation });
        // What comes behind it on the same stream is heard behind it.
        let fence = Id::random().expect("randomness");
        self.evil.says(HostEvent::Answer {
            id: fence,
            device: fence,
            blob: Bytes(vec![0]),
        });
        let line = format!("an answer to push {fence} came");
        let heard = patience::until(PATIENCE, || self.site.agent.log().contains(&line).then_some(()));
        assert!(heard.is_some(), "the agent hears nothing");
    }

    /// How often the agent has ignored an answer to this login, by its log.
    pub fn ignored(&self, login: &str) -> usize {
        let line = format!("login={login} an answer was ignored");
        self.site.agent.log().matches(&line).count()
    }

    /// Waits until the agent has ignored so many answers to this login.
    pub fn waits_until_ignored(&self, login: &str, count: usize) {
        let found = patience::until(PATIENCE, || (self.ignored(login) >= count).then_some(()));
        assert!(
            found.is_some(),
            "{} of {count} answers to {login} were ignored",
            self.ignored(login)
        );
    }

    /// The decision on this login, by the audit.
    pub fn decision(&self, login: &str) -> serde_json::Value {
        let found = patience::until(PATIENCE, || {
            self.site
                .agent
                .audit()
                .into_iter()
                .rev()
                .find(|decision| decision["login"] == login)
        });
        found.unwrap_or_else(|| panic!("no decision on {login}"))
    }
}

/// A rule for what hosts post.
fn on_push(
    mut act: impl FnMut(&Push, &[Message]) -> Act + Send + 'static,
) -> impl FnMut(&Message, &[Message]) -> Act + Send + 'static {
    move |message, before| match message {
        Message::Push(push) => act(push, before),
        _ => Act::Pass,
    }
}

/// An answer as the relay delivers it: to which push, from which device, sealed.
type Delivery = (Id, Id, Bytes);

/// A rule for answers on their way to the host: these are delivered in the place of each. Answers to what was asked
/// before the rule began, which may still be under way, go on as they are.
fn on_answer(
    mut act: impl FnMut(Delivery, &[Message]) -> Vec<Delivery> + Send + 'static,
) -> impl FnMut(&Message, &[Message]) -> Act + Send + 'static {
    let mut asked = Vec::new();
    move |message, before| match message {
        Message::Push(push) => {
            asked.push(push.id);
            Act::Pass
        }
        Message::ToHost(HostEvent::Answer { id, device, blob }) if asked.contains(id) => {
            let deliveries = act((*id, *device, blob.clone()), before);
            Act::Send(deliveries.into_iter().map(deliver).collect())
        }
        _ => Act::Pass,
    }
}

fn deliver((id, device, blob): Delivery) -> Message {
    Message::ToHost(HostEvent::Answer { id, device, blob })
}

/// Answers that the gateway delivered before, newest first.
fn answers_of(seen: &[Message]) -> impl Iterator<Item = Delivery> + '_ {
    seen.iter().rev().filter_map(|message| match message {
        Message::ToHost(HostEvent::Answer { id, device, blob }) => Some((*id, *device, blob.clone())),
        _ => None,
    })
}

fn flipped(blob: &Bytes, at: usize) -> Bytes {
    let mut blob = blob.clone();
    let at = at % blob.0.len();
    blob.0[at] ^= 1;
    blob
}
