//! Six digits that travel: made uniformly, kept as a salted hash, compared in constant time.

use assent_proto::{Digest, Nonce, sha256};
use zeroize::Zeroizing;

/// Numbers below this are taken: the largest multiple of a million that fits, so that none comes more often.
const FAIR: u32 = u32::MAX - u32::MAX % 1_000_000;

/// A fresh code. `None`: the operating system gave no randomness.
pub fn random() -> Option<Zeroizing<String>> {
    loop {
        let number = getrandom::u32().ok()?;
        if let Some(code) = of(number) {
            return Some(code);
        }
    }
}

fn of(number: u32) -> Option<Zeroizing<String>> {
    (number < FAIR).then(|| Zeroizing::new(format!("{:06}", number % 1_000_000)))
}

/// Whether a typed code looks like one.
pub fn are_six(typed: &str) -> bool {
    typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is kept of a code.
#[derive(Clone)]
pub struct Hashed {
    salt: Nonce,
    hash: Digest,
}

impl Hashed {
    /// Of a code. `None`: no randomness.
    pub fn of(code: &str) -> Option<Self> {
        let salt = Nonce::random().ok()?;
        Some(Self {
            hash: sha256(&[b"assent/1 code", &salt.0, code.as_bytes()]),
            salt,
        })
    }

    /// Whether this was the code. Digests compare in constant time.
    pub fn is(&self, typed: &str) -> bool {
        sha256(&[b"assent/1 code", &self.salt.0, typed.as_bytes()]) == self.hash
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn r17_every_code_comes_as_often_as_any_other() {
        assert_eq!(FAIR % 1_000_000, 0);
        assert_eq!(of(0).unwrap().as_str(), "000000");
        assert_eq!(of(7_000_042).unwrap().as_str(), "000042");
        assert_eq!(of(FAIR - 1).unwrap().as_str(), "999999");
        assert!(of(FAIR).is_none() && of(u32::MAX).is_none());
        assert!((0..100).all(|_| are_six(&random().unwrap())));
    }

    #[test]
    fn r17_a_code_is_kept_as_a_salted_hash() {
        let (one, two) = (Hashed::of("123456").unwrap(), Hashed::of("123456").unwrap());
        assert!(one.is("123456") && two.is("123456") && !one.is("123457"));
        assert!(one.hash != two.hash, "the salt is another each time");
    }

    #[test]
    fn only_six_ascii_digits_look_like_a_sent_code() {
        for (typed, six) in [
            ("012345", true),
            ("12345", false),
            ("1234567", false),
            ("12345a", false),
            ("١٢٣", false),
        ] {
            assert_eq!(are_six(typed), six, "{typed}");
        }
    }
}
