//! The messages as symbols, and what the attacker makes of them. Cryptography is perfect here: a signature needs its key,
//! a box opens with its key alone, a digest is what it is the digest of.

use crate::checks::{Check, Checks};
use std::collections::BTreeSet;

/// A host by its certified name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// An honest host.
    Web,
    /// The registrar, which asks about devices.
    Registrar,
    /// A certified host whose keys the attacker has.
    Corrupt,
}

/// A device by its certified name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// Alice's, reaches the level number.
    Phone,
    /// Alice's, reaches no more than a tap.
    Tablet,
    /// Was Alice's; the attacker has its keys, and it may be revoked.
    Stolen,
    /// Mallory's; the attacker has its keys.
    Rogue,
}

/// Who a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Honest.
    Alice,
    /// The attacker's own.
    Mallory,
    /// An account that Alice and Mallory share.
    Team,
}

impl Device {
    /// The identities in its certificate.
    pub fn identities(self) -> &'static [Identity] {
        match self {
            Self::Phone => &[Identity::Alice, Identity::Team],
            Self::Tablet | Self::Stolen => &[Identity::Alice],
            Self::Rogue => &[Identity::Mallory, Identity::Team],
        }
    }

    /// The level in its certificate.
    pub fn level_max(self) -> Level {
        match self {
            Self::Tablet => Level::Tap,
            _ => Level::Number,
        }
    }

    /// Whether its keys are its owner's alone.
    pub fn honest(self) -> bool {
        matches!(self, Self::Phone | Self::Tablet)
    }
}

/// Who holds a key pair. One symbol stands for the signing and the opening key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A host's.
    Host(Host),
    /// A device's.
    Device(Device),
    /// One that the attacker made and nobody certified.
    Made,
}

impl Key {
    /// Those that sign for the attacker.
    pub const ATTACKERS: [Self; 4] = [
        Self::Host(Host::Corrupt),
        Self::Device(Device::Stolen),
        Self::Device(Device::Rogue),
        Self::Made,
    ];

    /// Whether the attacker has it.
    pub fn known(self) -> bool {
        Self::ATTACKERS.contains(&self)
    }
}

/// How sure an approval must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// One tap.
    Tap,
    /// The number on the terminal.
    Number,
}

/// The PAM service, as far as it decides anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// A login, a sudo.
    Login,
    /// Whether a device may be added.
    Enrol,
}

/// Where something random comes from: push ids, nonces, numbers, and all that a statement tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The session of this place in the world's list.
    Session(u8),
    /// The attacker.
    Attacker,
}

/// `assent-req+jws`, before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Statement {
    /// `id`: relays see it.
    pub id: Origin,
    /// `n`.
    pub n: Origin,
    /// `host`.
    pub host: Host,
    /// `svc`.
    pub svc: Service,
    /// `identity`.
    pub identity: Identity,
    /// `level`.
    pub level: Level,
    /// Everything else: user, command, address, `ctx`.
    pub told: Origin,
}

/// A signed statement; also its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// The key that signed.
    pub by: Key,
    /// What.
    pub statement: Statement,
}

/// A host's certificate with its issuer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostChain {
    /// The certified name.
    pub host: Host,
    /// The certified key.
    pub key: Key,
    /// Whether it leads to the pinned root.
    pub pinned: bool,
}

/// A sealed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestBox {
    /// Whose key opens it.
    pub to: Device,
    /// In the `aad`: the push.
    pub id: Origin,
    /// In the `aad`: the device.
    pub device: Device,
    /// Inside.
    pub request: Request,
    /// Inside.
    pub chain: HostChain,
}

/// `assent-res+jws`, before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Answer {
    /// `req`; none is the digest of something else.
    pub req: Option<Request>,
    /// `n`.
    pub n: Origin,
    /// `id`.
    pub id: Origin,
    /// `decision`: approve, or not.
    pub approve: bool,
    /// `num`; the attacker's is a guess.
    pub num: Option<Origin>,
    /// `device_id`.
    pub device: Device,
}

/// A signed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignedAnswer {
    /// The key that signed.
    pub by: Key,
    /// What.
    pub answer: Answer,
}

/// A sealed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnswerBox {
    /// Which key opens it.
    pub to: Key,
    /// In the `aad`: the push.
    pub id: Origin,
    /// In the `aad`: the device.
    pub device: Device,
    /// Inside.
    pub signed: SignedAnswer,
}

/// All that the attacker has seen, and what could be opened of it. It owns the relay, so it sees every box.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Knowledge {
    /// Boxes as they were sent.
    pub request_boxes: BTreeSet<RequestBox>,
    /// Boxes as they were sent.
    pub answer_boxes: BTreeSet<AnswerBox>,
    /// Requests that it has read.
    pub requests: BTreeSet<Request>,
    /// Answers that it has read.
    pub answers: BTreeSet<SignedAnswer>,
    /// Nonces that it has read.
    pub nonces: BTreeSet<Origin>,
    /// Numbers that it has read.
    pub numbers: BTreeSet<Origin>,
    /// What requests tell, as far as it has read it.
    pub told: BTreeSet<Origin>,
    /// Digests of requests that it has read somewhere.
    pub digests: BTreeSet<Request>,
}

impl Knowledge {
    /// A box with a request passes the relay.
    pub fn see_request(&mut self, sealed: RequestBox, checks: Checks) {
        self.request_boxes.insert(sealed);
        if Key::Device(sealed.to).known() || !checks.has(Check::RequestSeal) {
            let statement = sealed.request.statement;
            self.requests.insert(sealed.request);
            self.digests.insert(sealed.request);
            self.nonces.insert(statement.n);
            self.told.insert(statement.told);
        }
    }

    /// A box with an answer passes the relay.
    pub fn see_answer(&mut self, sealed: AnswerBox, checks: Checks) {
        self.answer_boxes.insert(sealed);
        if sealed.to.known() || !checks.has(Check::AnswerSeal) {
            let answer = sealed.signed.answer;
            self.answers.insert(sealed.signed);
            self.digests.extend(answer.req);
            self.nonces.insert(answer.n);
            self.numbers.extend(answer.num);
        }
    }
}
