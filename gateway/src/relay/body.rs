//! Reading a JSON body: never more than its limit, never longer than its time.

use crate::error::Error;
use assent_proto::text::visible;
use axum::body::{Body, HttpBody as _};
use futures_util::future::poll_fn;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::time::Duration;

/// How long a body may take.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// The content of a body of at most `most` bytes.
pub async fn json<T: DeserializeOwned>(body: Body, most: usize) -> Result<T, Error> {
    json_within(body, most, BODY_TIME).await
}

/// The same, in a time of its own.
pub async fn json_within<T: DeserializeOwned>(body: Body, most: usize, time: Duration) -> Result<T, Error> {
    let bytes = tokio::time::timeout(time, collect(body, most))
        .await
        .map_err(|_| Error::Slow)??;
    // The message names fields and positions of what the caller itself sent.
    serde_json::from_slice(&bytes).map_err(|error| Error::Malformed(visible(&error.to_string())))
}

async fn collect(mut body: Body, most: usize) -> Result<Vec<u8>, Error> {
    if body.size_hint().lower() > most as u64 {
        return Err(Error::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Error::Malformed("the body broke off".into()))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > most {
                return Err(Error::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}
