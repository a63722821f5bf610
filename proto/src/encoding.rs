//! Fixed-size values and how they stand in JSON: base64url without padding, in its one canonical form.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Opaque bytes of any length.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// `N` opaque bytes. Equality takes the same time whatever differs.
// Equality is the usual one, only computed in constant time: hashing and order agree with it.
#[allow(clippy::derived_hash_with_manual_eq, clippy::derive_ord_xor_partial_ord)]
#[derive(Clone, Copy, Eq, Hash, PartialOrd, Ord)]
pub struct Fixed<const N: usize>(pub [u8; N]);

/// A random 128-bit name of something (a push, a host, a device, a serial).
pub type Id = Fixed<16>;
/// A random 256-bit value that is used once.
pub type Nonce = Fixed<32>;
/// A SHA-256.
pub type Digest = Fixed<32>;

/// SHA-256 over the concatenation of `parts`. The caller sees to it that the parts cannot be split otherwise.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    Fixed(hash.finalize().into())
}

impl<const N: usize> Fixed<N> {
    /// Fresh bytes of the operating system's generator.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Its one base64url form.
    pub fn encode(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.0)
    }

    /// Reads the base64url form; anything but the canonical one is refused.
    pub fn decode(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        let out = Base64UrlUnpadded::decode(text, &mut bytes).ok()?;
        (out.len() == N).then_some(Self(bytes))
    }
}

impl<const N: usize> PartialEq for Fixed<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> fmt::Debug for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

impl<const N: usize> fmt::Display for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).ok_or_else(|| D::Error::custom(format!("expected {N} bytes in base64url")))
    }
}

impl Bytes {
    pub(crate) fn encode(bytes: &[u8]) -> String {
        Base64UrlUnpadded::encode_string(bytes)
    }

    pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
        Base64UrlUnpadded::decode_vec(text).ok()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Self::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected base64url"))
    }
}

/// Text of at most 4,096 bytes, the longest that a signed document may hold in one place.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortText(String);

impl ShortText {
    /// Most bytes.
    pub const MAX: usize = 4096;

    /// `None` when it is too long.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= Self::MAX).then_some(Self(text))
    }

    /// Cuts at a character border, so that at most [`Self::MAX`] bytes remain.
    pub fn cut(text: String) -> Self {
        Self::cut_to(text, Self::MAX)
    }

    /// Cuts at a character border, so that at most `max` bytes remain, and never more than [`Self::MAX`].
    pub fn cut_to(mut text: String, max: usize) -> Self {
        let mut end = text.len().min(max).min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self(text)
    }

    /// The text as it came: encode it for wherever it goes ([`crate::text::visible`]).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&crate::text::visible(&self.0), f)
    }
}

impl Serialize for ShortText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text).ok_or_else(|| D::Error::custom("a text is longer than 4096 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_of_an_id_is_read() {
        let id = Fixed([7u8; 16]);
        assert_eq!(Id::decode(&id.encode()), Some(id));
        let padded = format!("{}==", id.encode());
        assert_eq!(Id::decode(&padded), None);
        // The last character carries four unused bits; set, they would make a second spelling of the same id.
        let mut other = id.encode();
        other.pop();
        other.push('x');
        assert_ne!(other, id.encode());
        assert_eq!(Id::decode(&other), None);
        assert_eq!(Id::decode("AAAA"), None);
    }
}
