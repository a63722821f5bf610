//! P-256 keys: ECDSA for signing (ES256, RFC 7518 section 3.4) and ECDH for sealing (RFC 9180).
//!
//! Public keys are read in one form only, the uncompressed point of 65 bytes, and checked to lie on the curve (R20).

use crate::encoding::{Bytes, Digest, sha256};
use hpke::{Deserializable, Kem as _, Serializable};
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use zeroize::Zeroizing;

pub(crate) type Kem = hpke::kem::DhP256HkdfSha256;
type KemPrivate = <Kem as hpke::Kem>::PrivateKey;
type KemPublicInner = <Kem as hpke::Kem>::PublicKey;

/// Why bytes are not a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not a point of P-256 in uncompressed form.
    #[error("this is no uncompressed P-256 public key")]
    Public,
    /// Not a P-256 private key.
    #[error("this is no P-256 private key")]
    Private,
    /// A key file that is not ours.
    #[error("this is no Assent key file: {0}")]
    File(String),
    /// The operating system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
}

/// SHA-256 of a public key's 65 bytes: the `kid` of what it signs, and its fingerprint.
pub type KeyId = Digest;

/// A private signing key. Wiped when dropped; has no `Debug`.
pub struct SigningKey(p256::ecdsa::SigningKey);

impl SigningKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            let bytes = random_scalar()?;
            // Fails for zero and for what lies above the order: once in 2^32 tries.
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(bytes.as_slice()) {
                return Ok(Self(key));
            }
        }
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey::from_inner(*self.0.verifying_key())
    }

    /// r‖s over SHA-256 of `message`, with the deterministic nonce of RFC 6979.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        signature.to_bytes().into()
    }

    /// PKCS#8 PEM, for the offline root's file.
    ///
    /// # Errors
    /// [`KeyError::Private`] when it cannot be written.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Private)
    }

    /// Reads PKCS#8 PEM.
    ///
    /// # Errors
    /// [`KeyError::Private`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_pkcs8_pem(pem)
            .map(Self)
            .map_err(|_| KeyError::Private)
    }
}

/// A public signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    point: [u8; 65],
    inner: p256::ecdsa::VerifyingKey,
}

impl VerifyingKey {
    fn from_inner(inner: p256::ecdsa::VerifyingKey) -> Self {
        let mut point = [0; 65];
        point.copy_from_slice(inner.to_sec1_point(false).as_bytes());
        Self { point, inner }
    }

    /// Reads the uncompressed point.
    ///
    /// # Errors
    /// [`KeyError::Public`] for every other form, for points off the curve and for infinity.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != 65 || point[0] != 4 {
            return Err(KeyError::Public);
        }
        let inner = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| KeyError::Public)?;
        Ok(Self::from_inner(inner))
    }

    /// Reads SPKI PEM (`-----BEGIN PUBLIC KEY-----`), the form of trust anchors.
    ///
    /// # Errors
    /// [`KeyError::Public`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        p256::ecdsa::VerifyingKey::from_public_key_pem(pem)
            .map(Self::from_inner)
            .map_err(|_| KeyError::Public)
    }

    /// SPKI PEM.
    ///
    /// # Errors
    /// [`KeyError::Public`] when it cannot be written.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.inner
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| KeyError::Public)
    }

    /// Its fingerprint.
    pub fn id(&self) -> KeyId {
        sha256(&[&self.point])
    }

    /// The uncompressed point.
    pub(crate) fn point(&self) -> &[u8; 65] {
        &self.point
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // By ring, which every program of ours has for TLS: in a quarter of the time that `p256` takes, and a login waits
        // for four of them. It refuses r or s of zero or above the order (CVE-2022-21449) and every other length (DER).
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
            .verify(message, signature)
            .is_ok()
    }

    /// The same for a signature in DER, the form of passkeys.
    pub(crate) fn verifies_der(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.id())
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Bytes::encode(&self.point))
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        Self::from_point(&bytes.0).map_err(D::Error::custom)
    }
}

/// A private key that opens what was sealed to its public half.
pub struct KemSecret(pub(crate) KemPrivate);

impl KemSecret {
    /// A fresh key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            let bytes = random_scalar()?;
            if let Ok(key) = KemPrivate::from_bytes(bytes.as_slice()) {
                return Ok(Self(key));
            }
        }
    }

    /// The public half.
    pub fn public(&self) -> KemPublic {
        KemPublic(Kem::sk_to_pk(&self.0))
    }
}

/// A public key to seal to.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublic(pub(crate) KemPublicInner);

impl KemPublic {
    /// Reads the uncompressed point.
    ///
    /// # Errors
    /// [`KeyError::Public`] for every other form, for points off the curve and for infinity.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != 65 || point[0] != 4 {
            return Err(KeyError::Public);
        }
        KemPublicInner::from_bytes(point)
            .map(Self)
            .map_err(|_| KeyError::Public)
    }
}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemPublic({})", sha256(&[&self.0.to_bytes()]))
    }
}

impl Serialize for KemPublic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Bytes::encode(&self.0.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for KemPublic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        Self::from_point(&bytes.0).map_err(D::Error::custom)
    }
}

/// The two private keys of a host, a device or an issuer. A device's signing key can lie elsewhere
/// ([`crate::signer::Signer`]).
pub struct KeyPair<S = SigningKey> {
    /// Signs.
    pub sign: S,
    /// Opens what was sealed to it.
    pub kem: KemSecret,
}

/// How a [`KeyPair`] stands in a file, or the sealing key alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sign: Option<Zeroizing<String>>,
    kem: Zeroizing<String>,
}

/// The text of a key file, without a signing key where that lies elsewhere. It is the caller's to write it where only its
/// owner reads it.
///
/// # Errors
/// [`KeyError::File`] when it cannot be written as JSON.
pub fn write_key_file(sign: Option<&SigningKey>, kem: &KemSecret) -> Result<Zeroizing<String>, KeyError> {
    let kem = Zeroizing::new(kem.0.to_bytes());
    let file = KeyFile {
        v: 1,
        sign: sign.map(|key| {
            let scalar = Zeroizing::new(key.0.to_bytes());
            Zeroizing::new(Bytes::encode(scalar.as_slice()))
        }),
        kem: Zeroizing::new(Bytes::encode(kem.as_slice())),
    };
    serde_json::to_string(&file)
        .map(|text| Zeroizing::new(text + "\n"))
        .map_err(|e| KeyError::File(e.to_string()))
}

/// Reads a key file's text; without a signing key where that lies elsewhere.
///
/// # Errors
/// [`KeyError::File`], [`KeyError::Private`].
pub fn read_key_file(text: &str) -> Result<(Option<SigningKey>, KemSecret), KeyError> {
    // serde_json's messages quote a wrong *type* or *field name*, never a string's content.
    let file: KeyFile = serde_json::from_str(text).map_err(|_| KeyError::File("it is not the expected JSON".into()))?;
    if file.v != 1 {
        return Err(KeyError::File(format!("version {} is not known here", file.v)));
    }
    // Exactly 32 bytes: a shorter scalar would be read as another key.
    let bytes = |text: &str| {
        Bytes::decode(text)
            .map(Zeroizing::new)
            .filter(|scalar| scalar.len() == 32)
            .ok_or(KeyError::Private)
    };
    let sign = match &file.sign {
        Some(sign) => Some(p256::ecdsa::SigningKey::from_slice(&bytes(sign)?).map_err(|_| KeyError::Private)?),
        None => None,
    };
    let kem = KemPrivate::from_bytes(&bytes(&file.kem)?).map_err(|_| KeyError::Private)?;
    Ok((sign.map(SigningKey), KemSecret(kem)))
}

impl KeyPair {
    /// Two fresh keys.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self {
            sign: SigningKey::generate()?,
            kem: KemSecret::generate()?,
        })
    }

    /// The text of a key file. It is the caller's to write it where only its owner reads it.
    ///
    /// # Errors
    /// [`KeyError::File`] when it cannot be written as JSON.
    pub fn to_file(&self) -> Result<Zeroizing<String>, KeyError> {
        write_key_file(Some(&self.sign), &self.kem)
    }

    /// Reads a key file's text.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Private`].
    pub fn from_file(text: &str) -> Result<Self, KeyError> {
        match read_key_file(text)? {
            (Some(sign), kem) => Ok(Self { sign, kem }),
            (None, _) => Err(KeyError::File("it holds no signing key".into())),
        }
    }
}

fn random_scalar() -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn r20_only_uncompressed_points_on_the_curve_are_keys() {
        let good = SigningKey::generate().unwrap().public();
        assert!(VerifyingKey::from_point(&good.point).is_ok());
        assert!(KemPublic::from_point(&good.point).is_ok());

        let compressed = good.inner.to_sec1_point(true);
        let mut off_curve = good.point;
        off_curve[64] ^= 1;
        let mut hybrid = good.point;
        hybrid[0] = 6;
        let zero = {
            let mut z = [0u8; 65];
            z[0] = 4;
            z
        };
        for bad in [
            compressed.as_bytes(),
            &off_curve[..],
            &hybrid[..],
            &[0u8][..],
            &good.point[..64],
            &zero[..],
            &[],
        ] {
            assert_eq!(VerifyingKey::from_point(bad), Err(KeyError::Public));
            assert_eq!(KemPublic::from_point(bad), Err(KeyError::Public));
        }
    }

    /// Edge values of r and s, in the manner of Wycheproof: keys are recovered from chosen signatures, so that the
    /// equation holds and only the range decides.
    #[test]
    fn r19_r20_edge_values_of_r_and_s_verify_in_range_and_are_refused_beyond() {
        use p256::ecdsa::{RecoveryId, Signature};
        use p256::elliptic_curve::PrimeField as _;
        use p256::{FieldBytes, Scalar};
        let message = b"edge";
        let one = Scalar::ONE;
        let scalar = |n: u64| Scalar::from(n);
        let bytes = |scalar: Scalar| -> [u8; 32] { scalar.to_bytes().into() };
        let order_plus = |n: u8| {
            let mut bytes = bytes(-one);
            // The order ends in 0x51, its predecessor in 0x50: no carry for small n.
            bytes[31] += 1 + n;
            bytes
        };
        let recover = |r: Scalar, s: Scalar, x_over_n: bool| {
            let signature = Signature::from_scalars(r, s).unwrap();
            [false, true].into_iter().find_map(|odd| {
                let id = RecoveryId::new(odd, x_over_n);
                let key = p256::ecdsa::VerifyingKey::recover_from_msg(message, &signature, id).ok()?;
                Some((VerifyingKey::from_inner(key), signature))
            })
        };
        // An r for which a point exists, searched from an edge: the smallest and the largest.
        let first = |from: Scalar, step: Scalar, x_over_n| {
            let mut r = from;
            for _ in 0..200 {
                if recover(r, one, x_over_n).is_some() {
                    return r;
                }
                r += step;
            }
            panic!("no point near {from:?}")
        };
        let half = Scalar::from_repr(FieldBytes::from([0x55; 32])).unwrap();
        let mut verified = 0;
        for (r, x_over_n) in [
            (first(one, one, false), false),
            (first(-one, -one, false), false),
            (first(one, one, true), true),
            (first(half, one, false), false),
        ] {
            for s in [one, scalar(2), scalar(3), half, -one, -scalar(2)] {
                let Some((key, signature)) = recover(r, s, x_over_n) else {
                    continue;
                };
                let raw = signature.to_bytes();
                assert!(key.verifies(message, &raw), "{r:?} {s:?}");
                assert!(!key.verifies(b"other", &raw));
                verified += 1;
                // The same residues from beyond the order, and their neighbours.
                let (r_bytes, s_bytes) = (bytes(r), bytes(s));
                for beyond in [
                    [0; 32],
                    order_plus(0),
                    order_plus(1),
                    order_plus(2),
                    order_plus(3),
                    [0xff; 32],
                ] {
                    assert!(!key.verifies(message, &[r_bytes, beyond].concat()));
                    assert!(!key.verifies(message, &[beyond, s_bytes].concat()));
                }
                assert!(!key.verifies(message, &[r_bytes, bytes(s + one)].concat()));
                assert!(!key.verifies(message, &[bytes(r + one), s_bytes].concat()));
                assert!(!key.verifies(message, signature.to_der().as_bytes()));
            }
        }
        assert!(verified >= 20, "{verified}");
    }

    #[test]
    fn a_file_with_the_sealing_key_alone_holds_no_signing_key() {
        let kem = KemSecret::generate().unwrap();
        let text = write_key_file(None, &kem).unwrap();
        assert!(!text.contains("sign"), "{}", *text);
        let (sign, again) = read_key_file(&text).unwrap();
        assert!(sign.is_none());
        assert_eq!(again.public(), kem.public());
        assert!(matches!(KeyPair::from_file(&text), Err(KeyError::File(_))));
    }

    #[test]
    fn a_key_file_gives_the_same_keys_back_and_its_errors_hold_no_secret() {
        let pair = KeyPair::generate().unwrap();
        let text = pair.to_file().unwrap();
        let again = KeyPair::from_file(&text).unwrap();
        assert_eq!(again.sign.public(), pair.sign.public());
        assert_eq!(again.kem.public(), pair.kem.public());

        let secret = text.split('"').nth(5).unwrap().to_owned();
        for broken in [
            text.replace("\"v\":1", "\"v\":2"),
            text.replace("kem", "ken"),
            text[..text.len() - 9].to_owned(),
        ] {
            let error = KeyPair::from_file(&broken).err().unwrap().to_string();
            assert!(!error.contains(&secret), "{error}");
        }
    }
}
