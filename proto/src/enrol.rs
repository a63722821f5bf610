//! Enrolment of a device: the one-time secret in a link or QR code, the device's own keys bound to it, and the six
//! digits that catch the wrong phone (PROTOCOL 2.4).

use crate::encoding::{Digest, Fixed, Id, Nonce, ShortText, sha256};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemPublic, KeyId, KeyPair, VerifyingKey};
use crate::passkey::{self, Assertion, Offered, Passkey, PasskeyError};
use crate::roots::RootSet;
use crate::signer::Signer;
use crate::time::UnixTime;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// A 128-bit one-time secret. Wiped when dropped; its `Debug` shows nothing.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct OneTimeSecret(Fixed<16>);

impl OneTimeSecret {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        Fixed::random().map(Self)
    }

    /// Whether `other` is the same, in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// A MAC that only who knows the secret can make. `purpose` keeps one use from standing in for another.
    fn mac(&self, purpose: &[u8], message: &[u8]) -> Digest {
        Fixed(self.keyed(purpose, message).finalize().into_bytes().into())
    }

    fn keyed(&self, purpose: &[u8], message: &[u8]) -> Hmac<Sha256> {
        let mut key = Zeroizing::new([0u8; 32]);
        // Expanding to 32 bytes cannot fail (RFC 5869 allows 255 blocks), and HMAC takes a key of any length.
        #[allow(clippy::expect_used)]
        Hkdf::<Sha256>::new(None, &self.0.0)
            .expand(purpose, key.as_mut_slice())
            .expect("32 bytes are within HKDF's limit");
        #[allow(clippy::expect_used)]
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes any key length");
        mac.update(message);
        mac
    }
}

impl Drop for OneTimeSecret {
    fn drop(&mut self) {
        self.0.0.zeroize();
    }
}

impl std::fmt::Debug for OneTimeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneTimeSecret(…)")
    }
}

/// A token: which call it opens, the secret that proves it, and the root that its holder will trust.
#[derive(Debug, Clone)]
pub struct Token {
    /// Names the token at the registrar.
    pub id: Id,
    /// Proves it.
    pub secret: OneTimeSecret,
    /// Names the set of roots ([`RootSet::fingerprint`]).
    pub root: Fixed<16>,
}

/// Why a text is no token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is no Assent token; it should be four parts with dots between them, the first of them \"1\"")]
pub struct TokenError;

impl Token {
    /// A token for the registrar under `roots`.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random(roots: &RootSet) -> Result<Self, getrandom::Error> {
        Ok(Self {
            id: Id::random()?,
            secret: OneTimeSecret::random()?,
            root: roots.fingerprint(),
        })
    }

    /// The text that travels in a link's fragment or on an admin's terminal.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("1.{}.{}.{}", self.id, self.secret.0, self.root))
    }

    /// Reads the text.
    pub fn from_text(text: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        let ["1", id, secret, root] = parts[..] else {
            return Err(TokenError);
        };
        let (Some(id), Some(secret), Some(root)) = (Id::decode(id), Fixed::decode(secret), Fixed::decode(root)) else {
            return Err(TokenError);
        };
        Ok(Self {
            id,
            secret: OneTimeSecret(secret),
            root,
        })
    }

    /// The root among `offered` that the token names: an anchor comes from the token, never from the network (R23).
    pub fn choose_root<'a>(&self, offered: &'a [VerifyingKey]) -> Option<&'a VerifyingKey> {
        offered.iter().find(|root| short_fingerprint(root) == self.root)
    }
}

/// The first 128 bits of a key's fingerprint.
pub fn short_fingerprint(key: &VerifyingKey) -> Fixed<16> {
    let KeyId { 0: full } = key.id();
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    Fixed(short)
}

/// A device's wish to be certified, signed by its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    v: V1,
    /// The token that allows it.
    pub token_id: Id,
    /// The device's signing key.
    pub sign: VerifyingKey,
    /// The device's sealing key.
    pub kem: KemPublic,
    /// What the user calls the device.
    pub label: ShortText,
    /// What it runs on, in its own words.
    pub ua: ShortText,
    /// When, by the device's clock.
    pub iat: UnixTime,
    /// A passkey of the device, to be certified with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passkey: Option<Offered>,
}

/// A [`DeviceRequest`] with the proof that its sender knows the token's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The signed request.
    pub request: String,
    /// HMAC under the token's secret over the request as signed: the relay cannot swap keys (R26).
    pub mac: Digest,
    /// The proof that the sender holds the passkey in the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passkey: Option<Assertion>,
}

const DEVICE: &[u8] = b"assent/1 enrol";
const HOST: &[u8] = b"assent/1 join";
const DIGITS: &[u8] = b"assent/1 digits";

impl Enrolment {
    /// Asks for a certificate with the secret of `token`.
    pub fn new(
        token: &Token,
        keys: &KeyPair,
        label: ShortText,
        ua: ShortText,
        now: UnixTime,
    ) -> Result<Self, JwsError> {
        Self::signed_by(&keys.sign, keys.kem.public(), token, label, ua, now)
    }

    /// The same with a signing key that can lie elsewhere.
    pub fn signed_by(
        sign: &dyn Signer,
        kem: KemPublic,
        token: &Token,
        label: ShortText,
        ua: ShortText,
        now: UnixTime,
    ) -> Result<Self, JwsError> {
        let request = DeviceRequest {
            v: V1,
            token_id: token.id,
            sign: sign.public(),
            kem,
            label,
            ua,
            iat: now,
            passkey: None,
        };
        Self::of(token, sign, &request)
    }

    fn of(token: &Token, key: &dyn Signer, request: &DeviceRequest) -> Result<Self, JwsError> {
        let request = jws::sign(Typ::DeviceRequest, key, request)?;
        let mac = token.secret.mac(DEVICE, request.as_bytes());
        Ok(Self {
            request,
            mac,
            passkey: None,
        })
    }

    /// The same wish with a passkey; `assert` is given the challenge that the passkey must sign.
    pub fn with_passkey(
        self,
        token: &Token,
        keys: &KeyPair,
        offered: Offered,
        assert: impl FnOnce(Digest) -> Assertion,
    ) -> Result<Self, JwsError> {
        let wish = self.offering(token, &keys.sign, offered)?;
        let assertion = assert(wish.passkey_challenge());
        Ok(Self {
            passkey: Some(assertion),
            ..wish
        })
    }

    /// The same wish with a passkey, whose proof is still to be added: [`Self::passkey`] over [`Self::passkey_challenge`].
    pub fn offering(self, token: &Token, key: &dyn Signer, offered: Offered) -> Result<Self, JwsError> {
        let mut request: DeviceRequest =
            jws::verify_self_signed(&self.request, Typ::DeviceRequest, |r: &DeviceRequest| &r.sign)?;
        request.passkey = Some(offered);
        Self::of(token, key, &request)
    }

    /// What the offered passkey must sign.
    pub fn passkey_challenge(&self) -> Digest {
        passkey::enrolment_challenge(&self.request)
    }

    /// The passkey of this wish, verified. `None` where it has none; an error where the request and the proof do not belong
    /// together.
    pub fn passkey(&self, request: &DeviceRequest) -> Result<Option<Passkey>, PasskeyError> {
        match (&request.passkey, &self.passkey) {
            (None, None) => Ok(None),
            (Some(offered), Some(assertion)) => offered.prove(&self.passkey_challenge(), assertion).map(Some),
            (Some(_), None) | (None, Some(_)) => Err(PasskeyError::Offer),
        }
    }

    /// The six digits that the device shows and the user types where the code was shown. `n` is the registrar's, chosen
    /// once this very request was bound: of the request alone somebody could make a second one with the same digits.
    pub fn digits(&self, n: &Nonce) -> String {
        digits(&self.request, n)
    }

    /// Which token it claims. Nothing is verified.
    pub fn token_id(&self) -> Result<Id, JwsError> {
        jws::verify_self_signed(&self.request, Typ::DeviceRequest, |r: &DeviceRequest| &r.sign).map(|r| r.token_id)
    }

    /// The request, if it was made with `secret` for token `id` and its sender holds the keys in it.
    pub fn verify(&self, id: Id, secret: &OneTimeSecret) -> Option<DeviceRequest> {
        if secret.mac(DEVICE, self.request.as_bytes()) != self.mac {
            return None;
        }
        let request: DeviceRequest =
            jws::verify_self_signed(&self.request, Typ::DeviceRequest, |r: &DeviceRequest| &r.sign).ok()?;
        (request.token_id == id).then_some(request)
    }
}

/// Proof that a host's request was made with a join token's secret.
pub(crate) fn host_mac(secret: &OneTimeSecret, request: &str) -> Digest {
    secret.mac(HOST, request.as_bytes())
}

/// Six digits of a device's bound request. The MAC carries the strength; these tell two phones apart.
fn digits(request: &str, n: &Nonce) -> String {
    let Fixed(hash) = sha256(&[DIGITS, &n.0, request.as_bytes()]);
    let mut head = [0; 8];
    head.copy_from_slice(&hash[..8]);
    format!("{:06}", u64::from_be_bytes(head) % 1_000_000)
}
