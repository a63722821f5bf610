//! The relay's HTTP interface, version 1: paths, bodies, events, and how hosts and devices say who they are.
//!
//! | call | who | what |
//! |---|---|---|
//! | `GET /v1/trust` | anyone | [`TrustInfo`]: roots and issuers' certificates; believed only against a pin |
//! | `POST /v1/registrar` | anyone | a sealed [`crate::registrar::Sealed`] call, and its reply |
//! | `POST /v1/codes` | anyone | a sealed [`crate::code::Sealed`] call to the code service, and its reply |
//! | `POST /v1/push` | host | a [`Push`]; the same id again is the same push |
//! | `DELETE /v1/push/{id}` | host | withdraws it; of an ended push it is no error |
//! | `GET /v1/push/{id}` | device | the [`WaitingPush`]; who fetches it has heard of it |
//! | `POST /v1/push/{id}/answer` | device | a [`DeviceAnswer`] |
//! | `GET /v1/subscription` | device | [`WebPush`]: how its Web Push stands |
//! | `PUT /v1/subscription` | device | a [`Subscription`], in the place of the one before |
//! | `DELETE /v1/subscription` | device | no Web Push any more |
//! | `GET /v1/events` | host, device | server-sent events: [`HostEvent`] or [`DeviceEvent`], resumed by `Last-Event-ID` |
//!
//! Errors are [`Problem`] with a status code. A host or device shows a [`Claim`] of its own signature as
//! `Authorization: Bearer …`; the relay knows each mailbox's public key from the registrar. It proves who fetches
//! and posts, nothing more: no approval rests on it.

use crate::encoding::{Bytes, Digest, Id, ShortText};
use crate::enrol::Token;
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KeyId, VerifyingKey};
use crate::roots::{MAX_STEPS, RootSet};
use crate::signer::Signer;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Longest life of a [`Claim`] in seconds.
pub const CLAIM_TTL: u64 = 600;
/// How far a claimant's clock may be from the relay's, in seconds.
pub const CLAIM_SKEW: u64 = 300;
/// Most devices of one push.
pub const MAX_DEVICES: usize = 16;
/// Seconds between two keep-alive comments of an event stream.
pub const KEEP_ALIVE: u64 = 15;

/// What a relay tells anyone who asks. Nothing here is believed without a pin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustInfo {
    /// The roots with which this registrar began, each pinned by itself.
    pub roots: Vec<VerifyingKey>,
    /// Every later set of roots, in order: [`crate::roots::RootSet::step`].
    pub steps: Vec<String>,
    /// The certificates of the issuing keys that live, newest first.
    pub issuers: Vec<String>,
    /// The certificates of the code services that live, newest first; none where no codes are to be had.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub code_services: Vec<String>,
    /// The relay's clock.
    pub now: UnixTime,
}

impl TrustInfo {
    /// The set of roots that `token` names, with its document where it is no single key: an anchor comes from the token,
    /// never from the network (R23).
    pub fn chosen_by(&self, token: &Token) -> Option<(RootSet, Option<&str>)> {
        if let Some(key) = token.choose_root(&self.roots) {
            return Some((RootSet::of_key(key.clone()), None));
        }
        self.steps.iter().take(MAX_STEPS).find_map(|step| {
            let set = RootSet::of_document(step).ok()?;
            (set.fingerprint() == token.root).then_some((set, Some(step.as_str())))
        })
    }
}

/// One push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Names it; posting it again changes nothing.
    pub id: Id,
    /// Its end by the host's clock: part of the sealed context, never compared with the relay's clock.
    pub expiry: UnixTime,
    /// Seconds of life from its arrival.
    pub ttl: u32,
    /// A sealed request for each device.
    pub to: Vec<PushItem>,
}

/// A sealed request for one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushItem {
    /// The device.
    pub device: Id,
    /// Sealed to it.
    pub blob: Bytes,
}

/// The relay has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushTaken {
    /// Devices whose stream is open now.
    pub listening: u32,
    /// Devices that the relay does not know (any more).
    pub unknown: Vec<Id>,
}

/// A device's sealed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceAnswer {
    /// Sealed to the host.
    pub blob: Bytes,
}

/// A request that waits for a device, fetched by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingPush {
    /// The push.
    pub id: Id,
    /// Part of the sealed context.
    pub expiry: UnixTime,
    /// Seconds that it lives on, by the relay's clock.
    pub left: u32,
    /// Sealed to the device.
    pub blob: Bytes,
}

/// Where a device's browser hears by Web Push (RFC 8030), and how it is sealed to (RFC 8291).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The push service's URL for this browser. Who knows it can only send with the relay's VAPID key.
    pub endpoint: ShortText,
    /// The browser's public key: a point of P-256, 65 bytes.
    pub p256dh: Bytes,
    /// The browser's secret of 16 bytes, shared with us alone.
    pub auth: Bytes,
}

/// How a device's Web Push stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebPush {
    /// The relay's VAPID key (RFC 8292), to which a subscription is bound; none where the relay sends nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vapid: Option<VerifyingKey>,
    /// The subscription.
    pub subscription: SubscriptionState,
}

/// A device's subscription as the relay has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SubscriptionState {
    /// There is none.
    None,
    /// The push service ended it; it must be made anew.
    Lost,
    /// It is used.
    Kept {
        /// SHA-256 of its endpoint.
        endpoint: Digest,
        /// Since when nothing that was sent has been heard.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        silent_since: Option<UnixTime>,
    },
}

/// What travels by Web Push: an id and nothing else. The request itself is fetched, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// The push.
    pub id: Id,
}

/// What a host hears. The SSE event name is the variant's, in snake case; `id:` resumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HostEvent {
    /// A device answered.
    Answer {
        /// The push.
        id: Id,
        /// Who says to have answered.
        device: Id,
        /// Sealed to the host.
        blob: Bytes,
    },
    /// Devices were added or removed since, or there is a newer revocation list; forget what was remembered of devices. The
    /// first event of each stream.
    Roster {
        /// Grows with each change.
        generation: u64,
    },
}

/// What a device hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceEvent {
    /// A request waits. Sent again at each connect while it lives.
    Push {
        /// The push.
        id: Id,
        /// Part of the sealed context.
        expiry: UnixTime,
        /// Seconds that it lives on, by the relay's clock.
        left: u32,
        /// Sealed to the device.
        blob: Bytes,
    },
    /// A request ended.
    Withdrawn {
        /// The push.
        id: Id,
        /// Why, as far as the relay knows.
        why: Withdrawn,
    },
    /// The list of the user's devices has changed: the registrar tells which there are. Not kept for later.
    Devices {},
    /// There is a newer revocation list. Not kept for later.
    Revocations {},
}

/// Why a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawn {
    /// The host needs no answer any more.
    Host,
    /// Its time was over.
    Expired,
}

/// An error, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable.
    pub code: ProblemCode,
    /// For people.
    pub text: String,
    /// The relay's clock, so that a caller whose clock is off can say so and go on.
    pub now: UnixTime,
}

/// The relay's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// No or a wrong claim.
    Unauthorized,
    /// The claim's time is not now.
    Clock,
    /// Not for this kind of caller.
    Forbidden,
    /// A malformed body.
    Malformed,
    /// The push is not there (any more).
    Gone,
    /// The same id with another content or from another host.
    Conflict,
    /// Too much.
    TooMany,
    /// The registrar cannot be reached now; pushes and answers go on.
    Away,
    /// The relay failed.
    Internal,
}

/// Who calls, by its own signature. Worth nothing but access to one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    v: V1,
    /// The relay's public URL, so that one relay cannot use it at another.
    pub aud: ShortText,
    /// The host's or device's id.
    pub sub: Id,
    /// From when.
    pub iat: UnixTime,
}

impl Claim {
    /// Signs a claim of `sub` for the relay at `aud`.
    pub fn sign(key: &dyn Signer, aud: &str, sub: Id, now: UnixTime) -> Result<String, JwsError> {
        let claim = Self {
            v: V1,
            aud: ShortText::cut(aud.to_owned()),
            sub,
            iat: now,
        };
        jws::sign(Typ::RelayAuth, key, &claim)
    }

    /// The claim, if `key` signed it for the relay at `aud`. Its age is the caller's to check ([`Self::fresh`]).
    pub fn verify(bearer: &str, key: &VerifyingKey, aud: &str) -> Result<Self, JwsError> {
        let claim: Self = jws::verify(bearer, Typ::RelayAuth, key)?;
        if claim.aud.as_str() != aud {
            return Err(JwsError::Content("it is meant for another relay".into()));
        }
        Ok(claim)
    }

    /// Whether it holds at `now`.
    pub fn fresh(&self, now: UnixTime) -> bool {
        self.iat <= now.plus(CLAIM_SKEW) && now <= self.iat.plus(CLAIM_TTL + CLAIM_SKEW)
    }

    /// Which key a claim says to be signed by, to find the mailbox with.
    pub fn claimed_key(bearer: &str) -> Result<KeyId, JwsError> {
        jws::claimed_signer(bearer)
    }
}
