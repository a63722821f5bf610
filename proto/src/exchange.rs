//! A call sealed to one key, and the reply that this key's owner signs and seals to the caller: what the registrar's
//! calls and the code service's have in common. Whoever carries them reads nothing and can forge nothing.

use crate::encoding::{Bytes, Digest, sha256};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemPublic, KemSecret, KeyId, KeyPair, VerifyingKey};
use crate::seal::{self, Purpose, SealError};
use crate::time::UnixTime;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The HTTP body of a call, and of its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Which key it is sealed to, or that replied.
    pub issuer: KeyId,
    /// The sealed call or reply.
    pub blob: Bytes,
}

/// Why a call or a reply is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallError {
    /// Sealing.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Signing.
    #[error(transparent)]
    Document(#[from] JwsError),
    /// The reply answers another call.
    #[error("the reply answers another call")]
    OtherCall,
    /// No randomness.
    #[error("the system's random generator failed")]
    Random,
}

/// What kind of call: one kind never opens as another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub call: Purpose,
    pub reply: Purpose,
    pub typ: Typ,
}

/// The reply, signed by the key that was called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedReply<R> {
    v: V1,
    /// SHA-256 of the sealed call that it replies to.
    re: Digest,
    at: UnixTime,
    reply: R,
}

/// What is sealed to the caller.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyEnvelope {
    reply: String,
}

impl Kind {
    /// Seals `call` to the owner of `kem`, who is known by `key`; with the digest that its reply must name.
    pub fn seal<T: Serialize>(self, key: KeyId, kem: &KemPublic, call: &T) -> Result<(Sealed, Digest), CallError> {
        let blob = seal::seal(kem, self.call, &key.encode(), call)?;
        let digest = sha256(&[&blob.0]);
        Ok((Sealed { issuer: key, blob }, digest))
    }

    /// Opens a call to the owner of `keys`; with the digest that its reply must name.
    pub fn open<T: DeserializeOwned>(self, keys: &KeyPair, sealed: &Sealed) -> Result<(T, Digest), CallError> {
        let context = keys.sign.public().id().encode();
        let call = seal::open(&keys.kem, self.call, &context, &sealed.blob)?;
        Ok((call, sha256(&[&sealed.blob.0])))
    }

    /// Signs and seals the reply to the call of `digest`.
    pub fn reply<R: Serialize>(
        self,
        keys: &KeyPair,
        to: &KemPublic,
        digest: Digest,
        reply: R,
        now: UnixTime,
    ) -> Result<Sealed, CallError> {
        let signed = SignedReply {
            v: V1,
            re: digest,
            at: now,
            reply,
        };
        let envelope = ReplyEnvelope {
            reply: jws::sign(self.typ, &keys.sign, &signed)?,
        };
        let blob = seal::seal(to, self.reply, &digest.encode(), &envelope)?;
        Ok(Sealed {
            issuer: keys.sign.public().id(),
            blob,
        })
    }

    /// The reply of the owner of `signer` to the call of `digest`, if it is one.
    pub fn read<R: DeserializeOwned>(
        self,
        key: &KemSecret,
        signer: &VerifyingKey,
        digest: Digest,
        sealed: &Sealed,
    ) -> Result<R, CallError> {
        let envelope: ReplyEnvelope = seal::open(key, self.reply, &digest.encode(), &sealed.blob)?;
        let signed: SignedReply<R> = jws::verify(&envelope.reply, self.typ, signer)?;
        if signed.re != digest {
            return Err(CallError::OtherCall);
        }
        Ok(signed.reply)
    }
}
