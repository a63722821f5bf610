//! The link between a registrar and a relay that run apart. The registrar dials out, as a host does; the relay needs no
//! way into the registrar's machine.
//!
//! | call of the registrar | what |
//! |---|---|
//! | `POST /v1/link` | begins a session, which ends the one before: [`Session`] |
//! | `POST /v1/link/orders` | [`Orders`] in their order, answered with [`Taken`] |
//! | `GET /v1/link/events/{session}` | server-sent [`Event`]s: sealed calls from anyone, and the answers to the registrar's own pushes |
//!
//! Each call shows a [`Claim`] of the link key, which the relay pins by a file. That key signs nothing else, and no other
//! key signs a link claim. Whoever has it can do what a relay can do: delay, drop, count. What is certified and what is
//! approved does not rest on it.

use crate::encoding::{Id, ShortText};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{SigningKey, VerifyingKey};
use crate::registrar::Sealed;
use crate::relay::{CLAIM_SKEW, CLAIM_TTL, HostEvent, Push, TrustInfo};
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Most bytes of [`Orders`] as JSON: all mailboxes of a large site (200,000 at about 160 bytes each).
pub const MAX_ORDERS: usize = 32 * 1024 * 1024;
/// Most sealed calls that wait for the registrar at once.
pub const MAX_CALLS: usize = 256;

/// A registrar's claim at its relay, by the link key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    v: V1,
    /// The relay's public URL.
    pub aud: ShortText,
    /// From when.
    pub iat: UnixTime,
}

impl Claim {
    /// Signs a claim for the relay at `aud`.
    pub fn sign(key: &SigningKey, aud: &str, now: UnixTime) -> Result<String, JwsError> {
        let claim = Self {
            v: V1,
            aud: ShortText::cut(aud.to_owned()),
            iat: now,
        };
        jws::sign(Typ::LinkAuth, key, &claim)
    }

    /// The claim, if `key` signed it for the relay at `aud`. Its age is the caller's to check ([`Self::fresh`]).
    pub fn verify(bearer: &str, key: &VerifyingKey, aud: &str) -> Result<Self, JwsError> {
        let claim: Self = jws::verify(bearer, Typ::LinkAuth, key)?;
        if claim.aud.as_str() != aud {
            return Err(JwsError::Content("it is meant for another relay".into()));
        }
        Ok(claim)
    }

    /// Whether it holds at `now`.
    pub fn fresh(&self, now: UnixTime) -> bool {
        self.iat <= now.plus(CLAIM_SKEW) && now <= self.iat.plus(CLAIM_TTL + CLAIM_SKEW)
    }
}

/// A session has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Names it.
    pub session: Id,
}

/// What the registrar tells the relay, in the order of its commits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// The session; orders of one that has ended are refused.
    pub session: Id,
    /// First to last.
    pub orders: Vec<Order>,
}

/// What became of [`Orders`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Pushes that the relay did not take.
    pub refused: Vec<Id>,
}

/// Whose mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Posts pushes, hears answers.
    Host,
    /// Hears pushes, posts answers.
    Device,
}

/// All that a relay knows of a host or a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// Whose.
    pub id: Id,
    /// Of which kind.
    pub kind: Kind,
    /// Its owner's claims are signed by it.
    pub key: VerifyingKey,
}

/// One order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// What to tell whoever asks for `/v1/trust`.
    Trust(TrustInfo),
    /// The registrar's own mailbox as a host: answers to it go over the link.
    Own {
        /// Whose.
        host: Id,
    },
    /// The mailboxes are exactly these.
    Mailboxes {
        /// All of them.
        all: Vec<Mailbox>,
    },
    /// One more mailbox.
    Open(Mailbox),
    /// A mailbox is void, its streams end.
    Close {
        /// Which.
        id: Id,
    },
    /// Devices were added or removed: tells every host.
    Generation {
        /// Grows with each change.
        generation: u64,
    },
    /// There is a newer revocation list: tells every device that listens.
    Revocations,
    /// The list of these devices' users has changed.
    TellDevices {
        /// Whom to tell.
        devices: Vec<Id>,
    },
    /// A push of the registrar's own.
    Push(Push),
    /// Ends a push of the registrar's own.
    Withdraw {
        /// Which.
        id: Id,
    },
    /// The reply to a call.
    Reply {
        /// Which.
        call: Id,
        /// Sealed to the caller.
        sealed: Sealed,
    },
    /// A call gets no reply.
    Refuse {
        /// Which.
        call: Id,
        /// What is wrong with it; without, it is the registrar that failed.
        malformed: Option<ShortText>,
    },
}

/// What the registrar hears. The first variants are [`HostEvent`]'s, for the registrar's own mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A sealed call from somebody.
    Call {
        /// Names it in the reply.
        id: Id,
        /// The call.
        sealed: Sealed,
    },
    /// What any host hears.
    #[serde(untagged)]
    Host(HostEvent),
}
