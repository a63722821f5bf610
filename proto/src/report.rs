//! "Not me" as proof for others: a host's signed request with the signed answer of a device to it (PROTOCOL 2.7). Both
//! signatures together are what freezes a user, so that no host can do it by itself.

use crate::answer::{Answer, Decision};
use crate::cert::{Device, Host, Identity};
use crate::encoding::{Digest, ShortText};
use crate::jws::{self, JwsError, Typ};
use crate::keys::KeyId;
use crate::request::{ENROL_SERVICE, Statement};
use crate::revocation::Origin;
use crate::time::UnixTime;

/// How old a request may be, in seconds, when a report of it is taken; how far its host's clock may be ahead is
/// [`crate::registrar::CALL_WINDOW`].
pub const REPORT_AGE: u64 = 900;
/// How far the device's own word of the time may be off, in seconds. Phones have wrong clocks, and a host may write any
/// time into its request: this bounds what it could keep for later.
pub const ANSWER_AWAY: u64 = 86_400;

/// Why a report does not count.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReportError {
    /// One of its documents.
    #[error(transparent)]
    Document(#[from] JwsError),
    /// The request names another host than the one that signed it.
    #[error("the request names another host than the one that signed it")]
    Host,
    /// The answer is another device's.
    #[error("the answer names another device than the one that signed it")]
    Device,
    /// The device does not approve for the identity.
    #[error("the device is not certified for the request's identity")]
    Identity,
    /// The answer is to another request.
    #[error("the answer is to another request")]
    Request,
    /// Anything but "not me".
    #[error("the answer is no report")]
    Decision,
    /// Too old, or of a time to come.
    #[error("the report is too old, or a clock is wrong")]
    Time,
}

/// A report that holds. Built by [`verify`] alone.
#[derive(Debug, Clone)]
pub struct Report {
    statement: Statement,
    digest: Digest,
}

impl Report {
    /// SHA-256 of the request: a report counts once.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.statement.identity
    }

    /// Where the login came from.
    pub fn origin(&self) -> Origin {
        origin(&self.statement)
    }

    /// The user's name, by the host's word.
    pub fn user(&self) -> &ShortText {
        &self.statement.user
    }

    /// The login's short id, by the host's word.
    pub fn login(&self) -> &ShortText {
        &self.statement.login
    }

    /// The PAM service, by the host's word.
    pub fn service(&self) -> &ShortText {
        &self.statement.svc
    }
}

/// Where a request says that its login came from.
pub fn origin(statement: &Statement) -> Origin {
    match &statement.src {
        Some(source) => Origin::Network(source.ip),
        None => Origin::Host(statement.host.id),
    }
}

/// Which key a report's request claims to be signed by, to find the host with.
pub fn claimed_host(request: &str) -> Result<KeyId, JwsError> {
    jws::claimed_signer(request)
}

/// Which key a report's answer claims to be signed by, to find the device with.
pub fn claimed_device(answer: &str) -> Result<KeyId, JwsError> {
    jws::claimed_signer(answer)
}

/// Checks a report: `host` signed the request in its own name, `device` may approve for the person in it and answered this
/// very request by "not me", lately. That neither is revoked, and that the report is the first of its request, is for the
/// caller.
pub fn verify(request: &str, answer: &str, host: &Host, device: &Device, now: UnixTime) -> Result<Report, ReportError> {
    let statement: Statement = jws::verify(request, Typ::Request, &host.claims().sign)?;
    let answer: Answer = jws::verify(answer, Typ::Answer, &device.claims().sign)?;
    let digest = jws::digest(request);
    // The registrar's own questions come with no host's report.
    if statement.host.id != host.claims().host_id || statement.svc.as_str() == ENROL_SERVICE {
        return Err(ReportError::Host);
    }
    if answer.device_id != device.claims().device_id {
        return Err(ReportError::Device);
    }
    if !device.claims().identities.contains(&statement.identity) {
        return Err(ReportError::Identity);
    }
    if answer.req != digest || answer.n != statement.n || answer.id != statement.id {
        return Err(ReportError::Request);
    }
    if answer.decision != Decision::Report {
        return Err(ReportError::Decision);
    }
    let ahead = crate::registrar::CALL_WINDOW;
    let lately = statement.iat <= now.plus(ahead) && now <= statement.iat.plus(REPORT_AGE);
    if !lately || answer.at.0.abs_diff(now.0) > ANSWER_AWAY {
        return Err(ReportError::Time);
    }
    Ok(Report { statement, digest })
}
