//! The answer: what a device says to one request, signed by the device key and sealed to the host.

use crate::encoding::{Digest, Id, Nonce, ShortText};
use crate::jws::{self, JwsError, Typ, V1};
use crate::passkey::{self, Assertion};
use crate::request::VerifiedRequest;
use crate::signer::Signer;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// What the person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let it go on.
    Approve,
    /// Refuse.
    Deny,
    /// "Not me": refuse and alarm.
    Report,
}

/// An answer, field by field (PROTOCOL 2.6).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    v: V1,
    /// SHA-256 of the request as received.
    pub req: Digest,
    /// The request's nonce.
    pub n: Nonce,
    /// The push.
    pub id: Id,
    /// What was decided.
    pub decision: Decision,
    /// The number that the person typed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub num: Option<ShortText>,
    /// Which device.
    pub device_id: Id,
    /// The passkey's own word; only in an approval that takes it ([`crate::request::Statement::takes_passkey`]).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passkey: Option<Assertion>,
    /// When, by the device's clock; for the record alone.
    pub at: UnixTime,
}

impl Answer {
    /// The answer of `device_id` to `request`.
    pub fn new(
        request: &VerifiedRequest,
        device_id: Id,
        decision: Decision,
        num: Option<ShortText>,
        at: UnixTime,
    ) -> Self {
        Self {
            v: V1,
            req: request.digest,
            n: request.statement.n,
            id: request.statement.id,
            decision,
            num,
            device_id,
            passkey: None,
            at,
        }
    }

    /// What the device's passkey must sign to approve `request`.
    pub fn passkey_challenge(request: &VerifiedRequest, device_id: &Id) -> Digest {
        passkey::approval_challenge(&request.digest, device_id)
    }

    /// Signs it with the device key.
    pub fn sign(&self, key: &dyn Signer) -> Result<String, JwsError> {
        jws::sign(Typ::Answer, key, self)
    }
}

/// What is sealed to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signed [`Answer`].
    pub res: String,
}

/// The context that binds a sealed answer to its push and its device.
pub fn seal_context(id: &Id, device: &Id) -> String {
    format!("{id}.{device}")
}
