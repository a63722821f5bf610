//! The code service's certificate: an issuer certifies its key for this one purpose (PROTOCOL 2.1, key C). It signs no
//! device and no host, and nothing that it signs is an approval.

use crate::cert::{CertError, Issuance, Issuer, certificate, in_time};
use crate::encoding::Id;
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemPublic, KeyId, KeyPair, SigningKey, VerifyingKey};
use crate::life::Life;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// A code service as an issuer signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeServiceClaims {
    v: V1,
    /// Signs its word on codes.
    pub sign: VerifyingKey,
    /// Calls are sealed to it.
    pub kem: KemPublic,
    /// Valid from.
    pub nbf: UnixTime,
    /// Valid to.
    pub exp: UnixTime,
    /// Names this certificate.
    pub serial: Id,
    /// The registrar's running number.
    pub log_index: u64,
}

/// A verified code service.
#[derive(Debug, Clone)]
pub struct CodeService {
    claims: CodeServiceClaims,
    document: String,
}

impl CodeService {
    /// From when to when it holds.
    pub fn life(&self) -> Life {
        Life {
            nbf: self.claims.nbf,
            exp: self.claims.exp,
        }
    }

    /// What it is.
    pub fn claims(&self) -> &CodeServiceClaims {
        &self.claims
    }

    /// The certificate as signed.
    pub fn document(&self) -> &str {
        &self.document
    }
}

impl Issuer {
    /// Checks a code service's certificate.
    pub fn verify_code_service(&self, document: &str, now: UnixTime) -> Result<CodeService, CertError> {
        let claims: CodeServiceClaims = jws::verify(document, Typ::CodeService, &self.claims().sign)?;
        self.lives(now)?;
        in_time("code service's certificate", now, claims.nbf, claims.exp)?;
        Ok(CodeService {
            claims,
            document: document.to_owned(),
        })
    }
}

/// A code service's wish to be certified, signed by its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeServiceRequest {
    v: V1,
    /// The key that asks, and signs this.
    pub sign: VerifyingKey,
    /// Its sealing key.
    pub kem: KemPublic,
    /// When it was made.
    pub iat: UnixTime,
}

impl CodeServiceRequest {
    /// Signs the wish with the key itself.
    pub fn sign(keys: &KeyPair, now: UnixTime) -> Result<String, JwsError> {
        let request = Self {
            v: V1,
            sign: keys.sign.public(),
            kem: keys.kem.public(),
            iat: now,
        };
        jws::sign(Typ::CodeServiceRequest, &keys.sign, &request)
    }

    /// Checks that whoever asks holds the key.
    pub fn verify(document: &str) -> Result<Self, JwsError> {
        jws::verify_self_signed(document, Typ::CodeServiceRequest, |request: &Self| &request.sign)
    }
}

/// Certifies a code service.
pub fn sign_code_service(
    issuer: &Issuer,
    key: &SigningKey,
    request: &CodeServiceRequest,
    issuance: Issuance,
) -> Result<String, CertError> {
    let claims = CodeServiceClaims {
        v: V1,
        sign: request.sign.clone(),
        kem: request.kem.clone(),
        nbf: issuance.nbf,
        exp: issuer.end_of(&issuance),
        serial: issuance.serial,
        log_index: issuance.log_index,
    };
    certificate(Typ::CodeService, key, &claims)
}

/// The key of the code service that a certificate claims to be of. Nothing is verified.
pub fn claimed_key(document: &str) -> Option<KeyId> {
    jws::claimed::<CodeServiceClaims>(document).map(|claims| claims.sign.id())
}
