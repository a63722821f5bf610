//! The event stream of a relay, as agents and authenticators hear it: bounded in size, and dead once it is silent. Nobody
//! who stands between us and it, nor the relay itself, shall fill our memory or keep us waiting by a stream that says
//! nothing.
#![forbid(unsafe_code)]

use assent_proto::relay::KEEP_ALIVE;
use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures_util::{Stream, StreamExt as _, stream};
use std::time::Duration;

/// Most bytes between two blank lines: a sealed request or answer, and room.
const MAX_EVENT: usize = 256 * 1024;
/// A stream without even a keep-alive for this long is dead.
const SILENCE: Duration = Duration::from_secs(KEEP_ALIVE * 5 / 2);

/// The events of a stream, bounded in size and in silence.
pub fn of<B: AsRef<[u8]>>(
    chunks: impl Stream<Item = reqwest::Result<B>>,
) -> impl Stream<Item = Result<Event, EventStreamError<String>>> {
    let chunks = chunks.map(|chunk| chunk.map_err(|e| e.without_url().to_string()));
    alive(bounded(chunks, MAX_EVENT), SILENCE).eventsource()
}

/// Fails once more than `max` bytes came without a blank line between them: the parser behind would keep them all.
fn bounded<B: AsRef<[u8]>>(
    chunks: impl Stream<Item = Result<B, String>>,
    max: usize,
) -> impl Stream<Item = Result<B, String>> {
    let (mut length, mut line_is_blank) = (0, true);
    chunks.map(move |chunk| {
        let chunk = chunk?;
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

/// Fails once nothing came for `silence`. On the bytes, not behind the parser: that swallows the comments by which the
/// relay shows that it is there.
fn alive<B>(chunks: impl Stream<Item = Result<B, String>>, silence: Duration) -> impl Stream<Item = Result<B, String>> {
    stream::unfold(Some(Box::pin(chunks)), move |chunks| async move {
        let mut chunks = chunks?;
        match tokio::time::timeout(silence, chunks.next()).await {
            Ok(Some(chunk)) => Some((chunk, Some(chunks))),
            Ok(None) => None,
            Err(_) => Some((Err("silence".to_owned()), None)),
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn passes(chunks: &[&str], max: usize) -> bool {
        let chunks: Vec<Result<String, String>> = chunks.iter().map(|chunk| Ok((*chunk).to_owned())).collect();
        bounded(stream::iter(chunks), max)
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

    #[tokio::test(start_paused = true)]
    async fn keep_alives_alone_hold_an_idle_stream_open_and_silence_ends_it() {
        // A comment every 15 seconds for five minutes, an event, and then nothing more.
        let chunks = stream::unfold(0, |at| async move {
            match at {
                0..20 => tokio::time::sleep(Duration::from_secs(15)).await,
                20 => {}
                _ => std::future::pending().await,
            }
            let text = if at < 20 { ":\n\n" } else { "data: here\n\n" };
            Some((reqwest::Result::Ok(text.to_owned()), at + 1))
        });
        let began = tokio::time::Instant::now();
        let mut events = std::pin::pin!(of(chunks));
        assert_eq!(events.next().await.unwrap().unwrap().data, "here");
        assert_eq!(began.elapsed(), Duration::from_secs(300));
        assert!(
            events
                .next()
                .await
                .unwrap()
                .unwrap_err()
                .to_string()
                .contains("silence")
        );
        assert_eq!(began.elapsed(), Duration::from_secs(300) + SILENCE);
        assert!(events.next().await.is_none());
    }
}
