//! This device's signing key: in a file, or in a token.

use super::token::{OpenToken, Place, TokenKey};
use crate::failure::{Done, Failure, no_randomness};
use assent_proto::JwsError;
use assent_proto::keys::{SigningKey, VerifyingKey};
use assent_proto::signer::{SignError, Signature, Signer, Unsigned};
use std::sync::Arc;

/// The key. Copies are the same key.
#[derive(Clone)]
pub enum DeviceKey {
    /// Read from `device.key`.
    File(Arc<SigningKey>),
    /// In a token.
    Token(Arc<TokenKey>),
}

impl DeviceKey {
    /// A fresh one: in this token, or for a file.
    pub async fn generate(token: Option<OpenToken>, label: String) -> Done<Self> {
        match token {
            Some(token) => {
                let key = apart(move || token.make_key(&label)).await??;
                Ok(Self::Token(Arc::new(key)))
            }
            None => Ok(Self::File(Arc::new(SigningKey::generate().map_err(no_randomness)?))),
        }
    }

    /// The token that holds it, if one does.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::File(_) => None,
            Self::Token(key) => Some(key.place()),
        }
    }

    /// Makes it ready to sign: asks for the token's PIN.
    pub async fn open(&self) -> Done {
        match self {
            Self::File(_) => Ok(()),
            Self::Token(key) => {
                let key = Arc::clone(key);
                apart(move || key.open()).await?
            }
        }
    }

    /// Has `job` sign with it, away from the thread that waits for everything else: a token takes its time.
    pub async fn signs<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Self) -> Result<T, JwsError> + Send + 'static,
    ) -> Done<T> {
        let key = self.clone();
        let signed = apart(move || job(&key)).await?;
        signed.map_err(|e| Failure::Refused(e.to_string()))
    }

    /// The device is none any more, or never became one: deletes the key in its token. What is in a file stays, and is of
    /// no use.
    pub async fn discard(&self) -> Done {
        match self {
            Self::File(_) => Ok(()),
            Self::Token(key) => {
                let key = Arc::clone(key);
                apart(move || key.delete()).await?
            }
        }
    }
}

impl Signer for DeviceKey {
    fn public(&self) -> VerifyingKey {
        match self {
            Self::File(key) => key.public(),
            Self::Token(key) => key.public(),
        }
    }

    fn sign(&self, document: Unsigned<'_>) -> Result<Signature, SignError> {
        match self {
            Self::File(key) => Signer::sign(key.as_ref(), document),
            Self::Token(key) => key.sign(document),
        }
    }
}

/// What may block, on a thread for that.
pub async fn apart<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Done<T> {
    tokio::task::spawn_blocking(job)
        .await
        .map_err(|e| Failure::Refused(format!("a thread of ours ended: {e}")))
}
