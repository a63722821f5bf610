//! Sealing to one reader: HPKE base mode (RFC 9180; DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM).
//!
//! A sealed box is `enc (65 bytes) ‖ ciphertext`. The plaintext is JSON, padded with blanks to steps of 512 bytes
//! (answers: 1,024), so that its size tells little and any JSON reader takes it as it is.

use crate::encoding::Bytes;
use crate::keys::{Kem, KemPublic, KemSecret};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::AesGcm128, kdf::HkdfSha256};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

const ENC_LEN: usize = 65;
const TAG_LEN: usize = 16;
/// Most bytes of a sealed box.
pub const MAX_SEALED: usize = 64 * 1024;

/// What a sealed box is for; a box of one purpose never opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A request, host → device.
    Request,
    /// An answer, device → host.
    Answer,
    /// A call to the registrar.
    RegistrarCall,
    /// The registrar's reply.
    RegistrarReply,
    /// A call to the code service.
    CodeCall,
    /// The code service's reply.
    CodeReply,
    /// What the code service keeps of a person ([`keep`]).
    CodeKept,
}

impl Purpose {
    fn info(self) -> &'static [u8] {
        match self {
            Self::Request => b"assent/1 req",
            Self::Answer => b"assent/1 res",
            Self::RegistrarCall => b"assent/1 reg call",
            Self::RegistrarReply => b"assent/1 reg reply",
            Self::CodeCall => b"assent/1 code call",
            Self::CodeReply => b"assent/1 code reply",
            Self::CodeKept => b"assent/1 code kept",
        }
    }

    /// Plaintexts grow in such steps. Every answer fits one step, with a number or without: in steps of 512 the relay
    /// would tell an approval with a number from a refusal.
    fn step(self) -> usize {
        match self {
            Self::Answer => 1024,
            Self::Request | Self::RegistrarCall | Self::RegistrarReply => 512,
            // Every method's call and answer, right or wrong, is as long as any other's.
            Self::CodeCall | Self::CodeReply => 1024,
            Self::CodeKept => 512,
        }
    }
}

/// Why something could not be sealed or opened. Says nothing more, on purpose.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The box is not for this key, this purpose or this context, or was altered.
    #[error("the sealed message does not open")]
    Open,
    /// It opened, but its content is malformed: {0}
    #[error("the sealed message's content is malformed: {0}")]
    Content(String),
    /// It could not be sealed.
    #[error("the message could not be sealed")]
    Seal,
}

/// Seals `message` to `to`. `context` must be the same at opening.
pub fn seal<T: Serialize>(to: &KemPublic, purpose: Purpose, context: &str, message: &T) -> Result<Bytes, SealError> {
    seal_in(&OpModeS::Base, to, purpose, context, message)
}

/// Seals what a program writes down for itself (HPKE auth mode with one key at both ends): only the owner of `key` can
/// make such a box. Whoever writes to the disk, and knows the public key, cannot put another one in its place.
pub fn keep<T: Serialize>(key: &KemSecret, purpose: Purpose, context: &str, message: &T) -> Result<Bytes, SealError> {
    let own = key.public();
    let mode = OpModeS::Auth((key.0.clone(), own.0.clone()));
    seal_in(&mode, &own, purpose, context, message)
}

/// Opens what [`keep`] sealed with the same key.
pub fn open_kept<T: DeserializeOwned>(
    key: &KemSecret,
    purpose: Purpose,
    context: &str,
    kept: &Bytes,
) -> Result<T, SealError> {
    let plain = open_bytes(&OpModeR::Auth(key.public().0), key, purpose, context, kept)?;
    serde_json::from_slice(&plain).map_err(|e| SealError::Content(e.to_string()))
}

fn seal_in<T: Serialize>(
    mode: &OpModeS<'_, Kem>,
    to: &KemPublic,
    purpose: Purpose,
    context: &str,
    message: &T,
) -> Result<Bytes, SealError> {
    let mut plain = Zeroizing::new(serde_json::to_vec(message).map_err(|e| SealError::Content(e.to_string()))?);
    let padded = plain.len().next_multiple_of(purpose.step());
    plain.resize(padded, b' ');
    if ENC_LEN + padded + TAG_LEN > MAX_SEALED {
        return Err(SealError::Seal);
    }
    let (enc, ciphertext) =
        hpke::single_shot_seal::<AesGcm128, HkdfSha256, Kem>(mode, &to.0, purpose.info(), &plain, context.as_bytes())
            .map_err(|_| SealError::Seal)?;
    let mut sealed = enc.to_bytes().to_vec();
    sealed.extend_from_slice(&ciphertext);
    Ok(Bytes(sealed))
}

/// Opens what was sealed to `key` for `purpose` in `context`.
pub fn open<T: DeserializeOwned>(
    key: &KemSecret,
    purpose: Purpose,
    context: &str,
    sealed: &Bytes,
) -> Result<T, SealError> {
    let plain = open_bytes(&OpModeR::Base, key, purpose, context, sealed)?;
    serde_json::from_slice(&plain).map_err(|e| SealError::Content(e.to_string()))
}

fn open_bytes(
    mode: &OpModeR<'_, Kem>,
    key: &KemSecret,
    purpose: Purpose,
    context: &str,
    sealed: &Bytes,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if sealed.0.len() > MAX_SEALED {
        return Err(SealError::Open);
    }
    let (enc, ciphertext) = sealed.0.split_at_checked(ENC_LEN).ok_or(SealError::Open)?;
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| SealError::Open)?;
    hpke::single_shot_open::<AesGcm128, HkdfSha256, Kem>(
        mode,
        &key.0,
        &enc,
        purpose.info(),
        ciphertext,
        context.as_bytes(),
    )
    .map(Zeroizing::new)
    .map_err(|_| SealError::Open)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn r30_a_box_opens_only_for_its_key_purpose_and_context_and_unaltered() {
        let key = KemSecret::generate().unwrap();
        let other = KemSecret::generate().unwrap();
        let sealed = seal(&key.public(), Purpose::Request, "a.b.1", &"hello").unwrap();
        assert_eq!(
            open::<String>(&key, Purpose::Request, "a.b.1", &sealed).unwrap(),
            "hello"
        );
        assert_eq!(
            open::<String>(&other, Purpose::Request, "a.b.1", &sealed),
            Err(SealError::Open)
        );
        assert_eq!(
            open::<String>(&key, Purpose::Answer, "a.b.1", &sealed),
            Err(SealError::Open)
        );
        assert_eq!(
            open::<String>(&key, Purpose::Request, "a.b.2", &sealed),
            Err(SealError::Open)
        );
        for at in 0..sealed.0.len() {
            let mut altered = sealed.clone();
            altered.0[at] ^= 1;
            assert_eq!(
                open::<String>(&key, Purpose::Request, "a.b.1", &altered),
                Err(SealError::Open),
                "byte {at}"
            );
        }
        for len in 0..sealed.0.len() {
            let cut = Bytes(sealed.0[..len].to_vec());
            assert_eq!(
                open::<String>(&key, Purpose::Request, "a.b.1", &cut),
                Err(SealError::Open),
                "length {len}"
            );
        }
    }

    #[test]
    fn r30_a_box_beyond_the_bound_is_not_opened_whoever_sealed_it() {
        let key = KemSecret::generate().unwrap();
        let sealed = |room: usize| {
            let mut plain = b"\"hello\"".to_vec();
            plain.resize(MAX_SEALED - ENC_LEN - TAG_LEN + room, b' ');
            let (enc, ciphertext) = hpke::single_shot_seal::<AesGcm128, HkdfSha256, Kem>(
                &OpModeS::Base,
                &key.public().0,
                Purpose::Answer.info(),
                &plain,
                b"",
            )
            .unwrap();
            Bytes([enc.to_bytes().as_slice(), &ciphertext].concat())
        };
        let opened = |room| open::<String>(&key, Purpose::Answer, "", &sealed(room));
        assert_eq!(opened(0).unwrap(), "hello");
        assert_eq!(opened(1), Err(SealError::Open));
    }

    #[test]
    fn r30_sizes_come_in_steps_and_nothing_repeats() {
        let key = KemSecret::generate().unwrap();
        let one = seal(&key.public(), Purpose::Request, "", &"a").unwrap();
        let two = seal(&key.public(), Purpose::Request, "", &"a".repeat(400)).unwrap();
        assert_eq!(one.0.len(), two.0.len());
        assert_eq!(one.0.len(), ENC_LEN + 512 + TAG_LEN);
        let again = seal(&key.public(), Purpose::Request, "", &"a").unwrap();
        assert_ne!(one.0[..ENC_LEN], again.0[..ENC_LEN]);
    }

    #[test]
    fn r78_what_is_kept_is_made_by_its_own_key_alone() {
        let (key, other) = (KemSecret::generate().unwrap(), KemSecret::generate().unwrap());
        let kept = keep(&key, Purpose::CodeKept, "totp", &"hello").unwrap();
        let read =
            |key: &KemSecret, context: &str, kept: &Bytes| open_kept::<String>(key, Purpose::CodeKept, context, kept);
        assert_eq!(read(&key, "totp", &kept).unwrap(), "hello");
        // Whoever writes to the disk knows the public key alone.
        let planted = seal(&key.public(), Purpose::CodeKept, "totp", &"hello").unwrap();
        assert_eq!(read(&key, "totp", &planted), Err(SealError::Open));
        assert_eq!(read(&key, "mobile", &kept), Err(SealError::Open));
        assert_eq!(read(&other, "totp", &kept), Err(SealError::Open));
    }
}
