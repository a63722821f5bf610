//! Password hashes: argon2id alone, a few at a time, so that many logins cannot exhaust memory (R89).

use crate::directory::Password;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Hashes computed at once.
const RUNNING: usize = 2;
/// Checks that may wait for that.
const MAX_WAITING: usize = 256;
/// How long one waits.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most memory, in KiB, passes and lanes of one hash.
const MOST: (u32, u32, u32) = (256 * 1024, 16, 8);

/// A hash to check passwords against. It has no `Debug`: it is nobody's business.
#[derive(PartialEq, Eq)]
pub struct Hash {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Hash {
    /// Reads `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. The text says what is wrong, without the hash.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let phc = PasswordHash::new(text).map_err(|_| "password_hash is no PHC string")?;
        if phc.algorithm.as_str() != "argon2id" || phc.version != Some(19) {
            return Err("password_hash must be argon2id, version 19");
        }
        let (salt, output) = phc.salt.zip(phc.hash).ok_or("password_hash lacks its salt or hash")?;
        let params = Params::try_from(&phc).map_err(|_| "password_hash has parameters that argon2 does not take")?;
        if params.m_cost() > MOST.0 || params.t_cost() > MOST.1 || params.p_cost() > MOST.2 {
            return Err("password_hash is too costly: at most m=262144, t=16, p=8");
        }
        if salt.len() < 8 || output.len() < 16 {
            return Err("password_hash needs a salt of at least 8 bytes and a hash of at least 16");
        }
        Ok(Self {
            params,
            salt: salt.as_ref().to_vec(),
            output: output.as_bytes().to_vec(),
        })
    }

    /// A hash that no password has, as costly as `like`.
    pub fn decoy(like: Option<&Self>) -> Self {
        let (params, length) = like.map_or((Params::DEFAULT, 32), |like| (like.params.clone(), like.output.len()));
        let mut salt = vec![0; 16];
        let mut output = vec![0; length];
        // Whatever comes of it, the result is never believed.
        let _ = getrandom::fill(&mut salt);
        let _ = getrandom::fill(&mut output);
        Self { params, salt, output }
    }

    fn matches(&self, password: &[u8]) -> Result<bool, String> {
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into(password, &self.salt, &mut output)
            .map_err(|e| format!("argon2: {e}"))?;
        Ok(output.ct_eq(&self.output).into())
    }
}

/// Where hashes are computed.
pub struct Hashing {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    deadline: Duration,
    /// Memory in KiB, passes and lanes of each hash that was computed.
    #[cfg(test)]
    pub(super) computed: Arc<std::sync::Mutex<Vec<(u32, u32, u32)>>>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(RUNNING)),
            waiting: AtomicUsize::new(0),
            deadline: DEADLINE,
            #[cfg(test)]
            computed: Arc::default(),
        }
    }
}

/// Counts one that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hashing {
    /// Whether the password has this hash. The text says why it was not checked.
    pub async fn check(&self, hash: Arc<Hash>, password: &Password) -> Result<bool, String> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(&self.waiting);
        if before >= MAX_WAITING + RUNNING {
            return Err("too many passwords to check at once".to_owned());
        }
        let place = tokio::time::timeout(self.deadline, self.running.clone().acquire_owned()).await;
        let place = match place {
            Ok(Ok(place)) => place,
            _ => {
                return Err(format!(
                    "passwords to check queue for more than {} s",
                    self.deadline.as_secs_f32()
                ));
            }
        };
        let password = super::password::normalised(password.expose());
        #[cfg(test)]
        let computed = self.computed.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let matches = hash.matches(&password);
            #[cfg(test)]
            computed
                .lock()
                .unwrap()
                .push((hash.params.m_cost(), hash.params.t_cost(), hash.params.p_cost()));
            // Not before: a caller who leaves does not make room for another hash.
            drop(place);
            matches
        });
        let checked = checked.await.map_err(|_| "argon2 failed".to_owned())?;
        drop(waiting);
        checked
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// "hunter2", at the lowest cost, made by the reference implementation's command.
    pub const CHEAP: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0$Xj8CRnbBNoW+eLrWzd5rXf/tYQHzvOlG+VSX49+oQ6E";

    fn password(text: &str) -> Password {
        Password::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn only_argon2id_of_bounded_cost_is_taken() {
        assert!(Hash::parse(CHEAP).is_ok());
        for bad in [
            "",
            "hunter2",
            "$6$salt$hash",
            &CHEAP.replace("argon2id", "argon2i"),
            &CHEAP.replace("argon2id", "argon2d"),
            &CHEAP.replace("v=19", "v=16"),
            &CHEAP.replace("$v=19", ""),
            &CHEAP.replace("m=64", "m=262145"),
            &CHEAP.replace("m=64", "m=4"),
            &CHEAP.replace("t=1", "t=17"),
            &CHEAP.replace("t=1", "t=0"),
            &CHEAP.replace("m=64,t=1,p=1", "m=640,t=1,p=9"),
            CHEAP.rsplit_once('$').unwrap().0,
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0$c2hvcnQ",
        ] {
            let problem = Hash::parse(bad).err();
            assert!(problem.is_some(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_password_has_its_hash_and_no_other() {
        let hashing = Hashing::default();
        let hash = Arc::new(Hash::parse(CHEAP).unwrap());
        assert_eq!(hashing.check(hash.clone(), &password("hunter2")).await, Ok(true));
        for wrong in ["hunter", "hunter22", "Hunter2", " hunter2"] {
            assert_eq!(
                hashing.check(hash.clone(), &password(wrong)).await,
                Ok(false),
                "{wrong}"
            );
        }
        let decoy = Arc::new(Hash::decoy(Some(&hash)));
        assert_eq!(decoy.params, hash.params);
        assert_eq!(hashing.check(decoy, &password("hunter2")).await, Ok(false));
    }

    #[tokio::test]
    async fn r89_a_few_hashes_run_at_once_and_a_bounded_number_waits() {
        let hashing = Arc::new(Hashing {
            deadline: Duration::from_millis(100),
            ..Hashing::default()
        });
        let hash = Arc::new(Hash::parse(CHEAP).unwrap());
        let all = hashing.running.clone().acquire_many_owned(2).await.unwrap();
        let waiting: Vec<_> = (0..MAX_WAITING + RUNNING + 5)
            .map(|_| {
                let (hashing, hash) = (hashing.clone(), hash.clone());
                tokio::spawn(async move { hashing.check(hash, &password("hunter2")).await })
            })
            .collect();
        let mut refused = 0;
        let mut late = 0;
        for task in waiting {
            match task.await.unwrap() {
                Err(why) if why.contains("too many") => refused += 1,
                Err(why) if why.contains("queue") => late += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((refused, late), (5, MAX_WAITING + RUNNING));
        drop(all);
        assert_eq!(hashing.check(hash, &password("hunter2")).await, Ok(true));
        assert_eq!(hashing.waiting.load(Ordering::SeqCst), 0);
    }
}
