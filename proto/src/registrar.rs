//! Calls to the registrar. Each is sealed to the issuing key and answered under the issuer's signature, sealed to the
//! caller: the relay that carries them reads nothing and can forge nothing. The registrar itself needs no HTTP.

use crate::cert::{Device, DeviceOwner, Host, Identity, Issuer};
use crate::encoding::{Digest, Fixed, Id, Nonce, ShortText};
use crate::enrol::{Enrolment, OneTimeSecret, Token, host_mac};
use crate::exception::Exceptions;
use crate::exchange::Kind;
pub use crate::exchange::{CallError, Sealed};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemPublic, KemSecret, KeyId, KeyPair, SigningKey, VerifyingKey};
use crate::revocation::{ListPart, WantList};
use crate::seal::Purpose;
use crate::signer::Signer;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How far a caller's clock may be from the registrar's, in seconds; also how long a call's nonce is remembered.
pub const CALL_WINDOW: u64 = 300;
/// Longest life of an enrolment token in seconds.
pub const ENROL_TTL: u64 = 600;
/// Enrolments of one user that may be opened within [`ENROL_TTL`]: whoever wants another device's six digits for his own
/// tries each time anew, one in a million.
pub const ENROL_OPENED: u32 = 10;
/// Longest life of a panel link in seconds.
pub const LINK_TTL: u32 = 86_400;
/// Guesses at the six digits before an enrolment ends.
pub const DIGIT_TRIES: u8 = 3;
/// Device requests that one enrolment token bears.
pub const ENROL_TRIES: u8 = 5;

/// What a caller wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    v: V1,
    /// The reply is sealed to it.
    pub reply_to: KemPublic,
    /// Makes two calls differ.
    pub n: Id,
    /// What is asked.
    pub ask: Ask,
}

/// The calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// A host asks to be certified with a join token.
    JoinHost(HostJoin),
    /// A certified host asks; a signed [`HostAsk`].
    Host {
        /// The signed [`HostAsk`].
        signed: String,
    },
    /// A device asks to be certified with an enrolment token.
    EnrolDevice(Enrolment),
    /// A device asks how its enrolment stands; a signed [`DeviceAsk`].
    Device {
        /// The signed [`DeviceAsk`].
        signed: String,
    },
    /// A certified device asks; a signed [`DeviceCall`].
    DeviceCall {
        /// The signed [`DeviceCall`].
        signed: String,
    },
    /// A device said "not me" to a host's request. Whoever hands it over: it is the host's and the device's signatures
    /// that count ([`crate::report`]).
    Report {
        /// The request as its host signed it.
        request: String,
        /// The answer as its device signed it.
        answer: String,
    },
}

/// A host's wish to be certified, signed by its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRequest {
    v: V1,
    /// The token that allows it.
    pub token_id: Id,
    /// What people call the host.
    pub display: ShortText,
    /// The host's signing key.
    pub sign: VerifyingKey,
    /// The host's sealing key.
    pub kem: KemPublic,
    /// When, by the host's clock.
    pub iat: UnixTime,
}

/// A [`HostRequest`] with the proof that its sender knows the token's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostJoin {
    /// The signed request.
    pub request: String,
    /// HMAC under the token's secret.
    pub mac: Digest,
}

impl HostJoin {
    /// Asks for a certificate with the secret of `token`.
    pub fn new(token: &Token, keys: &KeyPair, display: ShortText, now: UnixTime) -> Result<Self, JwsError> {
        let request = HostRequest {
            v: V1,
            token_id: token.id,
            display,
            sign: keys.sign.public(),
            kem: keys.kem.public(),
            iat: now,
        };
        let request = jws::sign(Typ::HostRequest, &keys.sign, &request)?;
        let mac = host_mac(&token.secret, &request);
        Ok(Self { request, mac })
    }

    /// Which token it claims. Nothing but possession of the keys is verified.
    pub fn token_id(&self) -> Result<Id, JwsError> {
        jws::verify_self_signed(&self.request, Typ::HostRequest, |r: &HostRequest| &r.sign).map(|r| r.token_id)
    }

    /// The request, if it was made with `secret` for token `id` and its sender holds the keys in it.
    pub fn verify(&self, id: Id, secret: &OneTimeSecret) -> Option<HostRequest> {
        if host_mac(secret, &self.request) != self.mac {
            return None;
        }
        let request: HostRequest =
            jws::verify_self_signed(&self.request, Typ::HostRequest, |r: &HostRequest| &r.sign).ok()?;
        (request.token_id == id).then_some(request)
    }
}

/// A certified host's call, signed by its key. Used once: the registrar remembers `n` for [`CALL_WINDOW`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostAsk {
    v: V1,
    /// Who asks.
    pub host_id: Id,
    /// Used once.
    pub n: Id,
    /// When, by the host's clock.
    pub iat: UnixTime,
    /// What it wants.
    pub what: HostWant,
}

/// What a certified host may ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HostWant {
    /// The certificates of every device that can approve for this identity.
    Devices {
        /// Whose.
        identity: Identity,
    },
    /// The host vouches for a user and opens an enrolment for them.
    OpenEnrolment {
        /// Names the token.
        token_id: Id,
        /// The one-time secret.
        secret: OneTimeSecret,
        /// Who the device will approve for.
        owner: DeviceOwner,
    },
    /// How an enrolment that this host opened stands.
    Enrolment {
        /// Which.
        token_id: Id,
    },
    /// The six digits that the user read from the device.
    ConfirmEnrolment {
        /// Which.
        token_id: Id,
        /// As typed.
        digits: ShortText,
    },
    /// A first factor of this user has passed in a login of the host, which vouches for a first device and no other.
    OpenFirst {
        /// Names the token.
        token_id: Id,
        /// The one-time secret.
        secret: OneTimeSecret,
        /// Who the device will approve for.
        owner: DeviceOwner,
        /// Seconds that it lives, at most [`ENROL_TTL`].
        ttl: u32,
    },
    /// The six digits of a first device. Where the user has got another one meanwhile, the enrolment ends.
    ConfirmFirst {
        /// Which.
        token_id: Id,
        /// As typed.
        digits: ShortText,
    },
    /// Whoever was to type the digits is gone: an enrolment that this host opened ends.
    EndEnrolment {
        /// Which.
        token_id: Id,
    },
    /// The host vouches for a user, who signs in to the Register Panel once with this token.
    OpenLink {
        /// Names the token.
        token_id: Id,
        /// The one-time secret.
        secret: OneTimeSecret,
        /// Who it signs in.
        owner: DeviceOwner,
        /// Seconds that it lives, at most [`LINK_TTL`].
        ttl: u32,
    },
    /// Its next certificate, for the keys that it has. It holds no key on purpose: a host that wants other keys joins
    /// anew with a token.
    Renew,
    /// The newest revocation list.
    Revocations(WantList),
    /// What holds for single people on this host now; in the place of what it told before.
    Exceptions(Exceptions),
}

impl HostAsk {
    /// Signs a call of `host_id`.
    pub fn sign(key: &SigningKey, host_id: Id, n: Id, iat: UnixTime, what: HostWant) -> Result<String, JwsError> {
        let ask = Self {
            v: V1,
            host_id,
            n,
            iat,
            what,
        };
        jws::sign(Typ::HostAsk, key, &ask)
    }

    /// The call, if `host` signed it in its own name.
    pub fn verify(signed: &str, host: &Host) -> Result<Self, JwsError> {
        let ask: Self = jws::verify(signed, Typ::HostAsk, &host.claims().sign)?;
        if ask.host_id != host.claims().host_id {
            return Err(JwsError::Signer);
        }
        Ok(ask)
    }

    /// Which key a call claims to be signed by, to find the host with.
    pub fn claimed_key(signed: &str) -> Result<KeyId, JwsError> {
        jws::claimed_signer(signed)
    }
}

/// A device's call, signed by its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceAsk {
    v: V1,
    /// The enrolment it asks about.
    pub token_id: Id,
    /// Used once.
    pub n: Id,
    /// When, by the device's clock.
    pub iat: UnixTime,
}

impl DeviceAsk {
    /// Asks how the enrolment with `token_id` stands.
    pub fn sign(key: &dyn Signer, token_id: Id, n: Id, iat: UnixTime) -> Result<String, JwsError> {
        let ask = Self {
            v: V1,
            token_id,
            n,
            iat,
        };
        jws::sign(Typ::DeviceAsk, key, &ask)
    }

    /// The call, if `key` signed it.
    pub fn verify(signed: &str, key: &VerifyingKey) -> Result<Self, JwsError> {
        jws::verify(signed, Typ::DeviceAsk, key)
    }

    /// Which key a call claims to be signed by, to find the enrolment with.
    pub fn claimed_key(signed: &str) -> Result<KeyId, JwsError> {
        jws::claimed_signer(signed)
    }
}

/// A certified device's call, signed by its key. Used once: the registrar remembers `n` for [`CALL_WINDOW`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCall {
    v: V1,
    /// Who asks.
    pub device_id: Id,
    /// Used once.
    pub n: Id,
    /// When, by the device's clock.
    pub iat: UnixTime,
    /// What it wants.
    pub what: DeviceWant,
}

/// What a certified device may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceWant {
    /// Every device that can approve for one of its identities.
    Devices,
    /// Another label for itself.
    Rename {
        /// What the user calls it now.
        label: ShortText,
    },
    /// It is to be removed.
    Leave,
    /// Another device of its user is lost: it is removed at once.
    Lost {
        /// Which.
        device: Id,
    },
    /// When each device of its user last asked the registrar something.
    Heard,
    /// Its user moves to another device: opens an enrolment for the same people.
    Move {
        /// Names the token.
        token_id: Id,
        /// The one-time secret.
        secret: OneTimeSecret,
    },
    /// How an enrolment that it opened stands.
    Moving {
        /// Which.
        token_id: Id,
    },
    /// The six digits that the other device shows. If they are right, that one is registered in the place of this one.
    ConfirmMove {
        /// Which.
        token_id: Id,
        /// As typed.
        digits: ShortText,
    },
    /// Its next certificate, for the keys that it has.
    Renew,
    /// The newest revocation list.
    Revocations(WantList),
}

impl DeviceCall {
    /// Signs a call of `device_id`.
    pub fn sign(key: &dyn Signer, device_id: Id, n: Id, iat: UnixTime, what: DeviceWant) -> Result<String, JwsError> {
        let call = Self {
            v: V1,
            device_id,
            n,
            iat,
            what,
        };
        jws::sign(Typ::DeviceCall, key, &call)
    }

    /// The call, if `device` signed it in its own name.
    pub fn verify(signed: &str, device: &Device) -> Result<Self, JwsError> {
        let call: Self = jws::verify(signed, Typ::DeviceCall, &device.claims().sign)?;
        if call.device_id != device.claims().device_id {
            return Err(JwsError::Signer);
        }
        Ok(call)
    }

    /// Which key a call claims to be signed by, to find the device with.
    pub fn claimed_key(signed: &str) -> Result<KeyId, JwsError> {
        jws::claimed_signer(signed)
    }
}

/// The replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// The host's certificate. To [`HostWant::Renew`]: the next one, or the one that it has while no later one can be had.
    HostCertified {
        /// Certificate.
        host: String,
    },
    /// Every device that can approve for the identity asked about.
    Devices {
        /// Certificates.
        devices: Vec<String>,
    },
    /// The enrolment is open.
    EnrolmentOpen {
        /// Until when, by the registrar's clock.
        until: UnixTime,
    },
    /// How an enrolment stands.
    Enrolment(EnrolmentState),
    /// The panel's one-time link is open.
    LinkOpen {
        /// Until when, by the registrar's clock.
        until: UnixTime,
        /// The Register Panel's address, with a slash at its end.
        panel: ShortText,
    },
    /// Every device that can approve for one of the caller's identities.
    MyDevices {
        /// The devices, newest first.
        devices: Vec<MyDevice>,
    },
    /// When each device of the caller's user last asked something.
    Heard {
        /// The devices.
        devices: Vec<HeardDevice>,
    },
    /// The caller's user can move to another device: an enrolment is open.
    MoveOpen {
        /// Until when, by the registrar's clock.
        until: UnixTime,
        /// The link for the other device, as a QR code.
        qr: Modules,
    },
    /// The device is removed.
    Left,
    /// The device's certificate: the next one, or the one that it has while no later one can be had.
    DeviceCertified {
        /// Certificate.
        device: String,
    },
    /// A part of the newest revocation list.
    Revocations(ListPart),
    /// The report is taken: its freezes stand in the list of this number.
    Reported {
        /// Which list.
        seq: u64,
    },
    /// What a host told is kept.
    Noted,
    /// The call was understood and refused.
    Refused {
        /// Why.
        code: Refused,
        /// For people.
        text: ShortText,
    },
}

/// A device of the caller's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MyDevice {
    /// Its certificate.
    pub device: String,
    /// What the user calls it now.
    pub label: ShortText,
    /// When it was enrolled; its certificate only says when that was made.
    pub since: UnixTime,
}

/// A QR code: a text a row, `1` for each dark module. It holds a link's secret; its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Modules(pub Vec<Zeroizing<String>>);

impl std::fmt::Debug for Modules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Modules")
    }
}

/// When a device of the caller's user last asked the registrar something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeardDevice {
    /// Which.
    pub id: Id,
    /// To the hour; absent: not since the registrar keeps count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<UnixTime>,
}

/// How an enrolment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EnrolmentState {
    /// No device has come yet.
    Waiting,
    /// A device has come; its digits are to be typed.
    Digits {
        /// What the device calls itself.
        label: ShortText,
        /// Tries left.
        tries: u8,
        /// Chosen when the device's request was bound; the digits are made from both ([`crate::enrol::Enrolment::digits`]).
        n: Nonce,
    },
    /// The digits were right; one of the user's devices must approve the new one.
    Approval {
        /// Until when, by the registrar's clock.
        until: UnixTime,
    },
    /// Certified.
    Certified {
        /// The device's certificate.
        device: String,
    },
    /// Over: expired, too many tries, or unknown.
    Over,
}

/// Why the registrar refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// Unknown, used or expired token; wrong secret.
    Token,
    /// The caller is not certified, or not any more.
    Caller,
    /// The caller's clock is too far from the registrar's.
    Clock,
    /// The same call came before.
    Replay,
    /// The user has devices, and none of them can approve a further one for all of the user's identities. To
    /// [`HostWant::OpenFirst`]: the user has, or had, a device.
    HasDevice,
    /// The user has as many devices as one may have.
    TooManyDevices,
    /// Too many enrolments were opened for this user a moment ago.
    TooOften,
    /// Another enrolment of this user is open.
    Open,
    /// First devices are registered by an admin's word alone here.
    AdminOnly,
    /// Outside the issuer's name space.
    NameSpace,
    /// A report that does not count: too old, or not what it says.
    Report,
    /// The call is malformed.
    Malformed,
    /// The registrar failed.
    Internal,
}

/// A call in flight, as its caller remembers it.
pub struct OpenCall {
    digest: Digest,
    issuer: Issuer,
}

/// Calls to the registrar and its replies.
const KIND: Kind = Kind {
    call: Purpose::RegistrarCall,
    reply: Purpose::RegistrarReply,
    typ: Typ::RegistrarReply,
};

/// Seals a call to `issuer`; the reply will be sealed to `reply_to`.
pub fn call(issuer: &Issuer, reply_to: &KemPublic, ask: Ask) -> Result<(Sealed, OpenCall), CallError> {
    let call = Call {
        v: V1,
        reply_to: reply_to.clone(),
        n: Fixed::random().map_err(|_| CallError::Random)?,
        ask,
    };
    let claims = issuer.claims();
    let (sealed, digest) = KIND.seal(claims.sign.id(), &claims.kem, &call)?;
    let issuer = issuer.clone();
    Ok((sealed, OpenCall { digest, issuer }))
}

/// A call as the registrar opened it.
pub struct ReceivedCall {
    /// What is asked.
    pub ask: Ask,
    reply_to: KemPublic,
    digest: Digest,
}

/// Opens a call with the issuing key.
pub fn receive(keys: &KeyPair, sealed: &Sealed) -> Result<ReceivedCall, CallError> {
    let (call, digest): (Call, Digest) = KIND.open(keys, sealed)?;
    Ok(ReceivedCall {
        ask: call.ask,
        reply_to: call.reply_to,
        digest,
    })
}

impl ReceivedCall {
    /// Signs and seals the reply.
    pub fn reply(&self, keys: &KeyPair, reply: Reply, now: UnixTime) -> Result<Sealed, CallError> {
        KIND.reply(keys, &self.reply_to, self.digest, reply, now)
    }
}

impl OpenCall {
    /// The registrar's reply to this call, if it is one.
    pub fn reply(self, key: &KemSecret, sealed: &Sealed) -> Result<Reply, CallError> {
        KIND.read(key, &self.issuer.claims().sign, self.digest, sealed)
    }
}
