//! How much a relay may say: nobody who stands between us and it, nor the relay itself, shall fill our memory by a
//! reply or an event that never ends. Called by [`super::relay`] alone.

use super::PushError;
use futures_util::{Stream, StreamExt};
use reqwest::Response;
use serde::de::DeserializeOwned;

/// More than any reply of the relay holds.
const MAX_BODY: usize = 512 * 1024;
/// Most bytes between two blank lines of an event stream: a sealed answer, and room.
pub const MAX_EVENT: usize = 256 * 1024;

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

/// Fails once more than `max` bytes came without a blank line between them: the parser behind would keep them all.
pub fn events<B: AsRef<[u8]>>(
    chunks: impl Stream<Item = reqwest::Result<B>>,
    max: usize,
) -> impl Stream<Item = Result<B, String>> {
    let (mut length, mut line_is_blank) = (0, true);
    chunks.map(move |chunk| {
        let chunk = chunk.map_err(|e| e.without_url().to_string())?;
        for byte in chunk.as_ref() {
            length += 1;
            match byte {
                b'\n' if line_is_blank => length = 0,
                b'\n' => line_is_blank = true,
                b'\r' => {}
                _ => line_is_blank = false,
            }
            if length > max {
                return Err("an event is too long".to_owned());
            }
        }
        Ok(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn passes(chunks: &[&str], max: usize) -> bool {
        let chunks: Vec<reqwest::Result<String>> = chunks.iter().map(|chunk| Ok((*chunk).to_owned())).collect();
        events(stream::iter(chunks), max)
            .all(|chunk| async move { chunk.is_ok() })
            .await
    }

    #[tokio::test]
    async fn t23_an_event_that_never_ends_is_cut_off_and_many_short_ones_are_not() {
        assert!(passes(&["data: 12345\n\n", "data: 12345\n\n", "data: 12345\r\n\r\n"], 20).await);
        assert!(passes(&[":\n\n", ":\n", "\n", ":\n\n"], 4).await);
        assert!(!passes(&["data: 12345\n", "data: 12345\n", "data: 12345\n"], 20).await);
        assert!(!passes(&["data: ", &"x".repeat(30)], 20).await);
    }
}
