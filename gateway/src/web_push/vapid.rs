//! Who we are to a push service (RFC 8292): a key of the relay's own. A token is made for each service and used again for
//! hours. The key approves nothing; who steals it can ring at devices whose subscriptions he has stolen, too.

use assent_proto::keys::{SigningKey, VerifyingKey};
use assent_proto::time::UnixTime;
use assent_proto::vapid::{MAX_LIFE, authorization};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The key's file in the state directory.
pub const KEY_FILE: &str = "vapid.key";
/// Seconds that a token lives; a clock that is off by hours still fits.
const LIFE: u64 = MAX_LIFE / 2;
/// Seconds after which a new one is made.
const RENEW: u64 = LIFE / 2;
/// Services whose tokens are remembered.
const REMEMBERED: usize = 256;

/// The key, and tokens made with it.
pub struct Vapid {
    key: SigningKey,
    subject: String,
    made: Mutex<HashMap<String, (String, UnixTime)>>,
}

impl Vapid {
    /// With the address of whoever runs this.
    pub fn new(key: SigningKey, subject: String) -> Self {
        Self {
            key,
            subject,
            made: Mutex::default(),
        }
    }

    /// What subscriptions are bound to.
    pub fn public(&self) -> VerifyingKey {
        self.key.public()
    }

    /// The header for a message to the service at `audience`.
    pub fn header(&self, audience: &str, now: UnixTime) -> Option<String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((header, at)) = made.get(audience)
            && now >= *at
            && now < at.plus(RENEW)
        {
            return Some(header.clone());
        }
        // A device names the service, and below a wildcard there are many names.
        if made.len() >= REMEMBERED {
            made.clear();
        }
        let header = authorization(&self.key, audience, &self.subject, now.plus(LIFE)).ok()?;
        made.insert(audience.to_owned(), (header.clone(), now));
        Some(header)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_again_until_half_of_its_life_is_over_and_for_its_service_alone() {
        let vapid = Vapid::new(SigningKey::generate().unwrap(), "mailto:a@example.org".into());
        let (a, b) = ("https://a.example", "https://b.example");
        let at = |seconds| UnixTime(1_800_000_000).plus(seconds);
        let first = vapid.header(a, at(0)).unwrap();
        assert_eq!(vapid.header(a, at(RENEW - 1)).unwrap(), first);
        assert_ne!(vapid.header(a, at(RENEW)).unwrap(), first);
        assert_ne!(vapid.header(b, at(0)).unwrap(), vapid.header(a, at(0)).unwrap());
        for other in 0..2 * REMEMBERED {
            vapid.header(&format!("https://{other}.example"), at(0)).unwrap();
        }
        assert!(vapid.made.lock().unwrap().len() <= REMEMBERED);
    }
}
