//! The checkpoint of a host's audit: the host signs where its chain of records stands. Sent off the host, it is what a cut
//! or rewritten file is held against (PROTOCOL 2.8).

use crate::cert::Host;
use crate::encoding::{Digest, Id};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::SigningKey;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    v: V1,
    /// Whose chain.
    pub host: Id,
    /// The last record's number.
    pub seq: u64,
    /// SHA-256 of that record's line.
    pub hash: Digest,
    /// When, by the host's clock.
    pub iat: UnixTime,
}

impl Checkpoint {
    /// The checkpoint of `host` at its record `seq`.
    pub fn new(host: Id, seq: u64, hash: Digest, iat: UnixTime) -> Self {
        Self {
            v: V1,
            host,
            seq,
            hash,
            iat,
        }
    }

    /// Signs it with the host key.
    pub fn sign(&self, key: &SigningKey) -> Result<String, JwsError> {
        jws::sign(Typ::Checkpoint, key, self)
    }

    /// Reads one that `host` signed about itself.
    pub fn verify(document: &str, host: &Host) -> Result<Self, JwsError> {
        let claims = host.claims();
        let checkpoint: Self = jws::verify(document, Typ::Checkpoint, &claims.sign)?;
        // A host speaks of its own chain alone.
        if checkpoint.host != claims.host_id {
            return Err(JwsError::Content("it is about another host's chain".into()));
        }
        Ok(checkpoint)
    }
}
