//! The host's rules for answers (PROTOCOL 2.6), in one place. [`PendingPush::receive`] is the only code that builds
//! [`Approved`], and nothing else can: no public constructor, no `Clone`, no default.

use crate::answer::{self, Answer, Decision};
use crate::cert::{Device, Host, Identity, Level};
use crate::encoding::{Bytes, Digest, Id, Nonce};
use crate::jws::{self, Typ};
use crate::keys::KemSecret;
use crate::passkey::{self, Passkey, PasskeyError};
use crate::request::{MAX_TTL, Statement};
use crate::seal::{self, Purpose};
use crate::time::{BootTime, UnixTime};
use std::time::Duration;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Unauthenticated answers that a push bears before its login ends.
pub const MAX_RUBBISH: u8 = 8;

/// A request in flight, as its host remembers it.
pub struct PendingPush {
    id: Id,
    n: Nonce,
    req: Digest,
    ctx: Digest,
    identity: Identity,
    level: Level,
    takes_passkey: bool,
    number: Option<Zeroizing<String>>,
    devices: Vec<Device>,
    revoked: Vec<Id>,
    issued: BootTime,
    ttl: Duration,
    rubbish: u8,
    closed: bool,
}

/// Proof that a certified device of the right person approved this very request: the one thing that lets a push
/// factor pass.
#[must_use]
pub struct Approved {
    ctx: Digest,
    device: Id,
    serial: Id,
    level: Level,
    record: String,
}

impl Approved {
    /// Whether the approval is for this PAM transaction; asked again at the end of the login.
    pub fn is_for(&self, ctx: &Digest) -> bool {
        self.ctx == *ctx
    }

    /// Which device approved.
    pub fn device(&self) -> Id {
        self.device
    }

    /// Its certificate's serial.
    pub fn serial(&self) -> Id {
        self.serial
    }

    /// At which level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The signed answer as received, for the audit.
    pub fn record(&self) -> &str {
        &self.record
    }
}

/// Why an answer is rubbish: it fails before it is known to come from an addressed device, and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rubbish {
    /// The push takes no answer any more: it was answered before (R2), or has borne [`MAX_RUBBISH`].
    #[error("the push takes no answer any more")]
    Answered,
    /// From a device that was not asked.
    #[error("it comes from a device that was not asked")]
    Device,
    /// The sealed message does not open.
    #[error("it does not open")]
    Seal,
    /// The device's certificate does not fit the request's identity or the time.
    #[error("the device's certificate is not valid for this request")]
    Certificate,
    /// The signature or the document.
    #[error("its signature or form is wrong")]
    Signature,
    /// For another request.
    #[error("it answers another request")]
    Request,
    /// The device was revoked since it was asked.
    #[error("the device was revoked since it was asked")]
    Revoked,
}

/// Why an authenticated answer is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The person refused.
    #[error("denied on the device")]
    Denied,
    /// The person did not start this login.
    #[error("reported as \"not me\"")]
    Reported,
    /// Too late.
    #[error("the answer came after the request had expired")]
    Expired,
    /// Wrong number, or none.
    #[error("the number was wrong")]
    Number,
    /// Weaker than asked.
    #[error("the answer does not reach the level that was asked")]
    Level,
    /// The passkey's word does not hold.
    #[error("the passkey's word does not hold: {0}")]
    Passkey(PasskeyError),
}

/// What became of an incoming answer.
#[must_use]
pub enum Received {
    /// Ignored; `last` when the push has now borne [`MAX_RUBBISH`] and the login must end.
    Ignored {
        /// Why.
        why: Rubbish,
        /// Whether the login must end.
        last: bool,
    },
    /// The device's answer, and it is a refusal.
    Refused {
        /// Why.
        why: Refusal,
        /// Which device.
        device: Id,
        /// The signed answer as received, for the audit.
        record: String,
    },
    /// Approved.
    Approved(Approved),
}

impl PendingPush {
    /// Remembers a request that `statement` describes and `request` (its signed form) asks.
    ///
    /// `request` must be what `statement` signed to. `devices` are those it is sealed to; `number` is what the terminal
    /// shows, at level number; one that has not the statement's count of digits never matches. No life is longer than
    /// [`MAX_TTL`] (R1).
    pub fn new(
        statement: &Statement,
        request: &str,
        devices: Vec<Device>,
        number: Option<Zeroizing<String>>,
        issued: BootTime,
    ) -> Self {
        Self {
            id: statement.id,
            n: statement.n,
            req: jws::digest(request),
            ctx: statement.ctx,
            identity: statement.identity.clone(),
            level: statement.level,
            takes_passkey: statement.takes_passkey(),
            number: number.filter(|number| is_number(number, statement.digits)),
            devices,
            revoked: Vec::new(),
            issued,
            ttl: Duration::from_secs(u64::from(statement.ttl.min(MAX_TTL))),
            rubbish: 0,
            closed: false,
        }
    }

    /// The push's name.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The devices that were asked.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// When it ends.
    pub fn ends(&self) -> BootTime {
        self.issued.plus(self.ttl)
    }

    /// From now on, answers of devices that are revoked since they were asked do not count. Ask before each
    /// [`Self::receive`].
    pub fn revoke(&mut self, revoked: impl Fn(&Device) -> bool) {
        let gone = self.devices.iter().filter(|device| revoked(device));
        self.revoked = gone.map(|device| device.claims().device_id).collect();
    }

    /// Judges what the relay delivered as `device`'s answer. `now` decides the request's life, `wall` only the
    /// certificate's.
    pub fn receive(
        &mut self,
        host_kem: &KemSecret,
        device: Id,
        sealed: &Bytes,
        now: BootTime,
        wall: UnixTime,
    ) -> Received {
        match self.authenticate(host_kem, device, sealed, wall) {
            Err(why) => {
                self.rubbish = self.rubbish.saturating_add(1);
                let last = self.rubbish >= MAX_RUBBISH;
                self.closed |= last;
                Received::Ignored { why, last }
            }
            Ok(authentic) => {
                // One use, whatever it says, also with a wrong number.
                self.closed = true;
                self.judge(authentic, now)
            }
        }
    }

    /// Rules 3 to 6: is this an answer of an addressed device to this very request?
    fn authenticate(
        &self,
        host_kem: &KemSecret,
        device: Id,
        sealed: &Bytes,
        wall: UnixTime,
    ) -> Result<Authentic, Rubbish> {
        if self.closed {
            return Err(Rubbish::Answered);
        }
        let device = self
            .devices
            .iter()
            .find(|known| known.claims().device_id == device)
            .ok_or(Rubbish::Device)?
            .claims();
        if self.revoked.contains(&device.device_id) {
            return Err(Rubbish::Revoked);
        }
        if !wall.within(device.nbf, device.exp) || !device.identities.contains(&self.identity) {
            return Err(Rubbish::Certificate);
        }
        let context = answer::seal_context(&self.id, &device.device_id);
        let envelope: answer::Envelope =
            seal::open(host_kem, Purpose::Answer, &context, sealed).map_err(|_| Rubbish::Seal)?;
        let answer: Answer = jws::verify(&envelope.res, Typ::Answer, &device.sign).map_err(|_| Rubbish::Signature)?;
        // `==` on these types takes constant time.
        if answer.req != self.req || answer.n != self.n || answer.id != self.id || answer.device_id != device.device_id
        {
            return Err(Rubbish::Request);
        }
        Ok(Authentic {
            answer,
            device: device.device_id,
            serial: device.serial,
            level_max: device.level_max,
            passkey: device.passkey.clone(),
            record: envelope.res,
        })
    }

    /// Rules 2 and 7 to 9: does the device's answer let the login pass?
    fn judge(&self, authentic: Authentic, now: BootTime) -> Received {
        match self.refusal(&authentic, now) {
            Some(why) => Received::Refused {
                why,
                device: authentic.device,
                record: authentic.record,
            },
            None => Received::Approved(Approved {
                ctx: self.ctx,
                device: authentic.device,
                serial: authentic.serial,
                level: self.level,
                record: authentic.record,
            }),
        }
    }

    fn refusal(&self, authentic: &Authentic, now: BootTime) -> Option<Refusal> {
        match authentic.answer.decision {
            Decision::Deny => return Some(Refusal::Denied),
            Decision::Report => return Some(Refusal::Reported),
            Decision::Approve => {}
        }
        if now >= self.ends() {
            return Some(Refusal::Expired);
        }
        if authentic.level_max < self.level {
            return Some(Refusal::Level);
        }
        let passkey = match (&authentic.passkey, &authentic.answer.passkey) {
            (_, None) => false,
            (Some(passkey), Some(assertion)) => {
                let challenge = passkey::approval_challenge(&self.req, &authentic.device);
                match passkey.verify(&challenge, assertion) {
                    Ok(()) => true,
                    Err(why) => return Some(Refusal::Passkey(why)),
                }
            }
            (None, Some(_)) => return Some(Refusal::Level),
        };
        // The device's own signature is never enough where the passkey's word is asked.
        if passkey != self.takes_passkey {
            return Some(Refusal::Level);
        }
        let typed = authentic.answer.num.as_ref().map(|num| num.as_str().as_bytes());
        match (self.level, &self.number, typed) {
            (Level::Tap | Level::Passkey, None, None) => None,
            (Level::Number, Some(shown), Some(typed)) if bool::from(shown.as_bytes().ct_eq(typed)) => None,
            _ => Some(Refusal::Number),
        }
    }
}

fn is_number(number: &str, digits: u8) -> bool {
    digits > 0 && number.len() == usize::from(digits) && number.bytes().all(|byte| byte.is_ascii_digit())
}

struct Authentic {
    answer: Answer,
    device: Id,
    serial: Id,
    level_max: Level,
    passkey: Option<Passkey>,
    record: String,
}

/// The sealed form of a request for each of its devices.
pub fn seal_to_devices(
    statement: &Statement,
    request: &str,
    host: &Host,
    issuer: &crate::cert::Issuer,
    devices: &[Device],
) -> Result<Vec<(Id, Bytes)>, seal::SealError> {
    let envelope = crate::request::Envelope {
        req: request.to_owned(),
        host: host.document().to_owned(),
        issuer: issuer.document().to_owned(),
    };
    devices
        .iter()
        .map(|device| {
            let claims = device.claims();
            let context = crate::request::seal_context(&statement.id, &claims.device_id, statement.expiry());
            Ok((
                claims.device_id,
                seal::seal(&claims.kem, Purpose::Request, &context, &envelope)?,
            ))
        })
        .collect()
}
