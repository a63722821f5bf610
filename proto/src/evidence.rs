//! What a host keeps of a push, so that whoever comes years later can verify it again: the request as signed, the device's
//! answer as received, and every certificate between them and the roots (PROTOCOL 2.8).
//!
//! What cannot be verified later is said: the number that the terminal showed (it is kept nowhere), and that the answer came
//! in time and on the right connection. For these there is the host's own word.

use crate::answer::{Answer, Decision};
use crate::cert::{CertError, Device, Host, Identity, Issuers, Level, Trust};
use crate::encoding::{Id, ShortText};
use crate::jws::{self, JwsError, Typ};
use crate::passkey;
use crate::request::Statement;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// One push: what was asked and, where a device answered, what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The request as its host signed it.
    pub request: String,
    /// The host's certificate.
    pub host: String,
    /// The issuers that the host knew then.
    pub issuers: Vec<String>,
    /// `seq` of the revocation list that the host went by then; by it, the device was not revoked.
    pub revocations: Option<u64>,
    /// The first answer that was a device's own; `None` if none came.
    pub answered: Option<Answered>,
}

/// A device's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// As received.
    pub answer: String,
    /// The device's certificate.
    pub device: String,
}

/// Why a push does not verify.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EvidenceError {
    /// A certificate does not lead to the roots, or did not live then.
    #[error("a certificate does not hold: {0}")]
    Certificate(#[from] CertError),
    /// A signature or a document.
    #[error("a document does not hold: {0}")]
    Document(#[from] JwsError),
    /// The request names another host than the certificate that signed it.
    #[error("the request names another host than the one that signed it")]
    Host,
    /// The device was never certified for the person.
    #[error("the device is not certified for the request's identity")]
    Identity,
    /// The answer is to another request, or in another device's name.
    #[error("the answer is to another request, or another device's")]
    Request,
    /// The device approved below what was asked.
    #[error("the answer does not reach the level that was asked")]
    Level,
}

/// A push that verifies. Built by [`verify`] alone.
#[derive(Debug)]
pub struct Proven {
    statement: Statement,
    answer: Option<ProvenAnswer>,
}

/// What the device said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenAnswer {
    /// What was decided.
    pub decision: Decision,
    /// Which device.
    pub device: Id,
    /// Its certificate's serial.
    pub serial: Id,
    /// When, by the device's clock.
    pub at: UnixTime,
}

impl Proven {
    /// The login's short id.
    pub fn login(&self) -> &ShortText {
        &self.statement.login
    }

    /// Who was asked.
    pub fn identity(&self) -> &Identity {
        &self.statement.identity
    }

    /// For which service.
    pub fn service(&self) -> &ShortText {
        &self.statement.svc
    }

    /// On which host.
    pub fn host(&self) -> Id {
        self.statement.host.id
    }

    /// When it was asked, by the host's clock.
    pub fn asked(&self) -> UnixTime {
        self.statement.iat
    }

    /// At which level.
    pub fn level(&self) -> Level {
        self.statement.level
    }

    /// What the device said, if one did.
    pub fn answer(&self) -> Option<&ProvenAnswer> {
        self.answer.as_ref()
    }

    /// Whether a device approved.
    pub fn is_approved(&self) -> bool {
        matches!(&self.answer, Some(answer) if answer.decision == Decision::Approve)
    }
}

/// Verifies every signature from the roots to the answer, each certificate as of the time at which the request was made.
pub fn verify(evidence: &Evidence, trust: &Trust) -> Result<Proven, EvidenceError> {
    let issuers = Issuers::under(trust, evidence.issuers.iter().map(String::as_str));
    // Only to choose the time at which certificates must have lived; the signature is checked below.
    let claimed: Statement = jws::claimed(&evidence.request).ok_or(JwsError::Form)?;
    let then = claimed.iat;
    let (host, _): (Host, _) = issuers.verify_host(&evidence.host, then)?;
    let statement: Statement = jws::verify(&evidence.request, Typ::Request, &host.claims().sign)?;
    if statement.host.id != host.claims().host_id || statement.host.display != host.claims().display {
        return Err(EvidenceError::Host);
    }
    let answer = match &evidence.answered {
        None => None,
        Some(answered) => {
            let device = issuers.verify_device(&answered.device, then)?;
            Some(judge(&statement, &evidence.request, &answered.answer, &device)?)
        }
    };
    Ok(Proven { statement, answer })
}

fn judge(statement: &Statement, request: &str, answer: &str, device: &Device) -> Result<ProvenAnswer, EvidenceError> {
    let device = device.claims();
    let answer: Answer = jws::verify(answer, Typ::Answer, &device.sign)?;
    if !device.identities.contains(&statement.identity) {
        return Err(EvidenceError::Identity);
    }
    if answer.req != jws::digest(request)
        || answer.n != statement.n
        || answer.id != statement.id
        || answer.device_id != device.device_id
    {
        return Err(EvidenceError::Request);
    }
    let typed = match statement.level {
        Level::Tap => answer.num.is_none(),
        Level::Number => answer
            .num
            .as_ref()
            .is_some_and(|num| num.as_str().len() == usize::from(statement.digits)),
        Level::Passkey => answer.num.is_none(),
    };
    let proven = match (&device.passkey, &answer.passkey) {
        (Some(passkey), Some(assertion)) => {
            let challenge = passkey::approval_challenge(&answer.req, &device.device_id);
            passkey.verify(&challenge, assertion).is_ok()
        }
        (_, None) | (None, _) => false,
    };
    let typed = typed && (proven || !statement.takes_passkey());
    if answer.decision == Decision::Approve && (!typed || device.level_max < statement.level) {
        return Err(EvidenceError::Level);
    }
    Ok(ProvenAnswer {
        decision: answer.decision,
        device: device.device_id,
        serial: device.serial,
        at: answer.at,
    })
}
