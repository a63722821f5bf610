//! The message as it travels (RFC 8291): an id, sealed to the browser. The crate composes it; nothing of it is ours.

use assent_proto::Id;
use assent_proto::relay::{Ring, Subscription};
use web_push_native::{Auth, encrypt, p256};

/// Bytes of a subscription's secret.
const AUTH_BYTES: usize = 16;

/// A subscription whose keys can be sealed to.
pub struct Recipient {
    public: p256::PublicKey,
    auth: Auth,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// The public key.
    #[error("p256dh is no uncompressed point of P-256")]
    Key,
    /// The secret.
    #[error("auth has not 16 bytes")]
    Auth,
    /// Sealing failed.
    #[error("a message could not be sealed")]
    Failed,
}

impl Recipient {
    /// Reads the keys of a subscription.
    pub fn of(subscription: &Subscription) -> Result<Self, Unsealable> {
        let (point, auth) = (&subscription.p256dh.0, &subscription.auth.0);
        if point.len() != 65 || point.first() != Some(&4) {
            return Err(Unsealable::Key);
        }
        let auth: [u8; AUTH_BYTES] = auth.as_slice().try_into().map_err(|_| Unsealable::Auth)?;
        Ok(Self {
            public: p256::PublicKey::from_sec1_bytes(point).map_err(|_| Unsealable::Key)?,
            auth: Auth::from(auth),
        })
    }

    /// The body that rings for a push.
    pub fn ring(&self, id: Id) -> Result<Vec<u8>, Unsealable> {
        let text = serde_json::to_vec(&Ring { id }).map_err(|_| Unsealable::Failed)?;
        encrypt(text, &self.public, &self.auth).map_err(|_| Unsealable::Failed)
    }
}
