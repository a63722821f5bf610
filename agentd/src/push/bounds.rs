//! How long a reply of the relay may be: nobody who stands between us and it, nor the relay itself, shall fill our memory
//! by one that never ends (`assent_events` bounds events). Called by [`super::relay`] alone.

use super::PushError;
use reqwest::Response;
use serde::de::DeserializeOwned;

/// More than any reply of the relay holds.
const MAX_BODY: usize = 512 * 1024;

/// The JSON of a reply.
pub async fn json<T: DeserializeOwned>(mut response: Response) -> Result<T, PushError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(super::relay::unreachable)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(PushError::Unreachable("its reply is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|e| PushError::Unreachable(format!("its reply is not understood: {e}")))
}
