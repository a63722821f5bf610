//! What signs documents: a key in memory, or one that lies in a token, is asked for each signature, and can fail.

use crate::encoding::{Digest, sha256};
use crate::keys::{SigningKey, VerifyingKey};

/// Signs ES256.
pub trait Signer {
    /// The public half.
    fn public(&self) -> VerifyingKey;

    /// Signs `document`.
    fn sign(&self, document: Unsigned<'_>) -> Result<Signature, SignError>;
}

/// Why nothing was signed, in words for a person.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SignError(pub String);

/// What is to be signed. Made here alone: a [`Signer`] signs documents of this protocol and nothing else.
#[derive(Clone, Copy)]
pub struct Unsigned<'a>(&'a [u8]);

/// A signature that verifies: r‖s.
pub struct Signature([u8; 64]);

impl<'a> Unsigned<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Its SHA-256, over which ECDSA is computed.
    pub fn digest(&self) -> Digest {
        sha256(&[self.0])
    }

    /// What came from elsewhere, if it is a signature over this by the private half of `key`: what a broken token makes
    /// ends here, and not as a bad signature at a host.
    pub fn signed(&self, key: &VerifyingKey, signature: &[u8]) -> Option<Signature> {
        let signature: [u8; 64] = signature.try_into().ok()?;
        key.verifies(self.0, &signature).then_some(Signature(signature))
    }
}

impl Signature {
    pub(crate) fn bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Signer for SigningKey {
    fn public(&self) -> VerifyingKey {
        Self::public(self)
    }

    fn sign(&self, document: Unsigned<'_>) -> Result<Signature, SignError> {
        Ok(Signature(Self::sign(self, document.0)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::jws::JwsError;

    /// A key elsewhere, in the hands of something that signs what it likes, or fails.
    struct Elsewhere {
        public: VerifyingKey,
        signs: Option<SigningKey>,
    }

    impl Signer for Elsewhere {
        fn public(&self) -> VerifyingKey {
            self.public.clone()
        }

        fn sign(&self, document: Unsigned<'_>) -> Result<Signature, SignError> {
            let signature = self.signs.as_ref().map(|key| key.sign(document.0));
            let signature = signature.ok_or_else(|| SignError("it was pulled out".into()))?;
            document
                .signed(&self.public, &signature)
                .ok_or_else(|| SignError("it is broken".into()))
        }
    }

    #[test]
    fn a_key_elsewhere_signs_documents_and_one_that_fails_or_is_broken_makes_none() {
        use crate::relay::Claim;
        let pem = SigningKey::generate().unwrap().to_pem().unwrap();
        let key = || SigningKey::from_pem(&pem).unwrap();
        let now = crate::time::UnixTime(1_800_000_000);
        let public = key().public();
        let claim = |signs: Option<SigningKey>| {
            let key = Elsewhere {
                public: public.clone(),
                signs,
            };
            Claim::sign(&key, "https://relay.example.org", crate::Id::random().unwrap(), now)
        };
        let signed = claim(Some(key())).unwrap();
        assert!(Claim::verify(&signed, &public, "https://relay.example.org").is_ok());
        for (signs, why) in [
            (None, "it was pulled out"),
            (Some(SigningKey::generate().unwrap()), "it is broken"),
        ] {
            assert_eq!(claim(signs).unwrap_err(), JwsError::Unsigned(SignError(why.into())));
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_a_signature_only_if_it_verifies() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let document = Unsigned::new(b"document");
        let good = key.sign(b"document");
        assert!(document.signed(&key.public(), &good).is_some());
        let mut flipped = good;
        flipped[63] ^= 1;
        for (public, bad) in [
            (key.public(), &flipped[..]),
            (other.public(), &good[..]),
            (key.public(), &key.sign(b"another")[..]),
            (key.public(), &good[..63]),
            (key.public(), &[0; 64][..]),
            (key.public(), &[][..]),
        ] {
            assert!(document.signed(&public, bad).is_none(), "{bad:?}");
        }
    }
}
