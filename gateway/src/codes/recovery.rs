//! Recovery codes: ten of 80 bits, kept as Argon2id hashes under a salt that is itself sealed, a few hashes at a time (R17,
//! R89).

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Codes of a list.
pub const CODES: usize = 10;
/// Characters of a code: five bits each.
const LENGTH: usize = 16;
/// Crockford's alphabet without the letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Hashes computed at once.
const RUNNING: usize = 2;
/// How long one waits for its turn.
const DEADLINE: Duration = Duration::from_secs(3);

/// The salt of a list. It is a secret: whoever could write hashes into the data base would not know what to write.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Salt(Zeroizing<Vec<u8>>);

impl Salt {
    /// A fresh one. `None`: no randomness.
    pub fn random() -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// Fresh codes. `None`: no randomness.
pub fn random() -> Option<Vec<Zeroizing<String>>> {
    (0..CODES).map(|_| code()).collect()
}

fn code() -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; LENGTH]);
    getrandom::fill(bytes.as_mut_slice()).ok()?;
    // 256 is a multiple of 32: every character comes as often as any other.
    let mut code = Zeroizing::new(String::with_capacity(LENGTH));
    code.extend(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
    Some(code)
}

/// A code as people read it: groups of four.
pub fn grouped(code: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(LENGTH + 4));
    for (at, c) in code.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push('-');
        }
        out.push(c);
    }
    out
}

/// A typed code in the form that is hashed: small letters, and the letters that were never printed as what they look like.
fn canonical(typed: &str) -> Zeroizing<String> {
    let one = |c: char| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        c => c,
    };
    let mut out = Zeroizing::new(String::with_capacity(typed.len()));
    out.extend(typed.chars().map(one));
    out
}

/// Hashes, a few at a time.
pub struct Hashing {
    running: Arc<Semaphore>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(RUNNING)),
        }
    }
}

/// No hash could be computed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait.
    #[error("too many recovery codes to check at once")]
    Busy,
    /// Argon2 says so.
    #[error("argon2 failed")]
    Argon2,
}

impl Hashing {
    /// The hashes of codes under a salt.
    pub async fn hash(&self, salt: &Salt, codes: &[&str]) -> Result<Vec<[u8; 32]>, HashError> {
        let waits = self.running.clone().acquire_owned();
        let place = tokio::time::timeout(DEADLINE, waits).await;
        let Ok(Ok(place)) = place else {
            return Err(HashError::Busy);
        };
        let codes: Vec<Zeroizing<String>> = codes.iter().map(|code| canonical(code)).collect();
        let salt = salt.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
            let hashes = codes.iter().map(|code| {
                let mut hash = [0; 32];
                argon2
                    .hash_password_into(code.as_bytes(), &salt.0, &mut hash)
                    .map(|()| hash)
            });
            let hashes = hashes.collect::<Result<Vec<_>, _>>();
            // Not before: a caller who leaves makes no room for another hash.
            drop(place);
            hashes
        });
        hashed
            .await
            .map_err(|_| HashError::Argon2)?
            .map_err(|_| HashError::Argon2)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn r17_ten_codes_of_eighty_bits_no_two_alike() {
        let codes = random().unwrap();
        let different: HashSet<&str> = codes.iter().map(|code| code.as_str()).collect();
        assert_eq!(different.len(), CODES);
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 16 && code.bytes().all(|byte| ALPHABET.contains(&byte)))
        );
        assert_eq!(grouped("0123456789abcdef").as_str(), "0123-4567-89ab-cdef");
        // Six digits are never a recovery code: shapes tell the methods apart.
        assert!(codes.iter().all(|code| !super::super::digits::are_six(code)));
    }

    #[tokio::test]
    async fn r17_hashes_are_argon2id_salted_and_read_as_people_write() {
        let hashing = Hashing::default();
        let (salt, other) = (Salt::random().unwrap(), Salt::random().unwrap());
        let hash = async |salt: &Salt, code: &str| hashing.hash(salt, &[code]).await.unwrap()[0];
        let known = hash(&salt, "0123456789abcdef").await;
        assert_eq!(hash(&salt, "oI23456789ABCDEF").await, known);
        assert_ne!(hash(&salt, "0123456789abcdeg").await, known);
        assert_ne!(hash(&other, "0123456789abcdef").await, known);
    }

    #[tokio::test(start_paused = true)]
    async fn r89_two_hashes_run_at_once_and_the_others_wait_a_bounded_time() {
        let hashing = Hashing::default();
        let held = hashing.running.clone().acquire_many_owned(2).await.unwrap();
        let salt = Salt::random().unwrap();
        let refused = hashing.hash(&salt, &["x"]).await;
        assert!(matches!(refused, Err(HashError::Busy)));
        drop(held);
        assert!(hashing.hash(&salt, &["x"]).await.is_ok());
    }
}
