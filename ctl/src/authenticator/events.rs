//! The device's event stream: connects, resumes, connects again with back-off and jitter, for ever; and the claim by
//! which the relay knows this device, dated by the relay's clock.

use crate::gateway_client::{CallFailure, Gateway};
use assent_proto::Id;
use assent_proto::keys::SigningKey;
use assent_proto::relay::{CLAIM_TTL, Claim, DeviceEvent, KEEP_ALIVE, ProblemCode};
use assent_proto::time::{BootTime, UnixTime};
use eventsource_stream::Eventsource as _;
use futures_util::{Stream, StreamExt as _, stream};
use nix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::mpsc;

/// A stream without even a keep-alive for this long is dead.
const SILENCE: Duration = Duration::from_secs(KEEP_ALIVE * 5 / 2);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(20);
/// Most bytes between two blank lines of the stream.
const MAX_EVENT: usize = 256 * 1024;

/// What is heard.
#[derive(Debug)]
pub enum Heard {
    /// The stream is open.
    Connected,
    /// It is not, and why; it is tried again.
    Lost(String),
    /// The relay refuses this device for good.
    Refused(String),
    /// An event.
    Event(DeviceEvent),
}

/// Time since boot, suspended time included.
pub fn boot_now() -> BootTime {
    // CLOCK_BOOTTIME exists on every Linux since 2.6.39; without a clock, everything has expired.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(BootTime(Duration::MAX), |t| BootTime(Duration::from(t)))
}

/// This device towards the relay.
pub struct Caller<'a> {
    key: &'a SigningKey,
    id: Id,
    gateway: &'a Gateway,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// Seconds that the relay's clock is ahead of ours.
    ahead: i64,
    claim: Option<(String, BootTime)>,
}

impl<'a> Caller<'a> {
    /// Device `id` with its key, towards `gateway`.
    pub fn new(key: &'a SigningKey, id: Id, gateway: &'a Gateway) -> Self {
        Self {
            key,
            id,
            gateway,
            state: RefCell::default(),
        }
    }

    /// A claim that is good for some minutes.
    pub fn bearer(&self) -> Result<String, CallFailure> {
        let now = boot_now();
        let mut state = self.state.borrow_mut();
        if let Some((bearer, until)) = &state.claim
            && now < *until
        {
            return Ok(bearer.clone());
        }
        let date = UnixTime(UnixTime::now().0.saturating_add_signed(state.ahead));
        let bearer = Claim::sign(self.key, self.gateway.base(), self.id, date)
            .map_err(|e| CallFailure::Unreachable(format!("a claim could not be signed: {e}")))?;
        state.claim = Some((bearer.clone(), now.plus(Duration::from_secs(CLAIM_TTL / 2))));
        Ok(bearer)
    }

    /// Learns the relay's clock if that was what it complained of; true if trying again makes sense.
    pub fn learn(&self, failure: &CallFailure) -> bool {
        let CallFailure::Problem(_, problem) = failure else {
            return false;
        };
        if problem.code != ProblemCode::Clock {
            return false;
        }
        let seconds = |at: UnixTime| i64::try_from(at.0).unwrap_or(i64::MAX);
        let ahead = seconds(problem.now).saturating_sub(seconds(UnixTime::now()));
        let mut state = self.state.borrow_mut();
        let news = state.ahead.abs_diff(ahead) > 30;
        state.ahead = ahead;
        state.claim = None;
        news
    }

    /// Hears until nobody listens any more.
    pub async fn hear(&self, heard: mpsc::Sender<Heard>) {
        let mut last_id = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let began = boot_now();
            let failure = match self.stream(&mut last_id, &heard).await {
                Ok(()) => CallFailure::Unreachable("the gateway closed the stream".into()),
                Err(failure) => failure,
            };
            if heard.is_closed() {
                return;
            }
            if self.learn(&failure) {
                continue;
            }
            let (news, last) = match failure {
                CallFailure::Unreachable(why) => (Heard::Lost(why), false),
                CallFailure::Problem(status, problem) => match problem.code {
                    ProblemCode::Unauthorized | ProblemCode::Forbidden => (Heard::Refused(problem.text), true),
                    ProblemCode::Clock
                    | ProblemCode::Malformed
                    | ProblemCode::Gone
                    | ProblemCode::Conflict
                    | ProblemCode::TooMany
                    | ProblemCode::Internal => (Heard::Lost(format!("{status}: {}", problem.text)), false),
                },
            };
            if heard.send(news).await.is_err() || last {
                return;
            }
            if boot_now() > began.plus(Duration::from_secs(10)) {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn stream(&self, last_id: &mut Option<String>, heard: &mpsc::Sender<Heard>) -> Result<(), CallFailure> {
        let response = self.gateway.events(&self.bearer()?, last_id.as_deref()).await?;
        let _ = heard.send(Heard::Connected).await;
        let chunks = response
            .bytes_stream()
            .map(|chunk| chunk.map_err(|e| e.without_url().to_string()));
        let mut events = std::pin::pin!(alive(bounded(chunks, MAX_EVENT), SILENCE).eventsource());
        loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(e)) => return Err(CallFailure::Unreachable(e.to_string())),
                None => return Ok(()),
            };
            // It goes back as a header, so it must be able to.
            if (1..=256).contains(&event.id.len()) && event.id.bytes().all(|b| b.is_ascii_graphic()) {
                *last_id = Some(event.id.clone());
            }
            // A newer relay may have events that this version does not know.
            if let Ok(event) = serde_json::from_str::<DeviceEvent>(&event.data)
                && heard.send(Heard::Event(event)).await.is_err()
            {
                return Ok(());
            }
        }
    }
}

/// Half of the pause for sure, the other half by chance, so that many devices do not come back in one moment.
fn jittered(pause: Duration) -> Duration {
    let chance = Id::random().map_or(255, |id| id.0[0]);
    pause / 2 + pause * u32::from(chance) / 510
}

/// Fails once more than `max` bytes came without a blank line between them: the parser behind would keep them all.
fn bounded<B: AsRef<[u8]>>(
    chunks: impl Stream<Item = Result<B, String>>,
    max: usize,
) -> impl Stream<Item = Result<B, String>> {
    let mut length = 0;
    let mut line_is_blank = true;
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
                return Err("an event is too long".into());
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
    async fn an_endless_event_is_cut_off() {
        assert!(passes(&["data: 12345\n\n", "data: 12345\n\n", "data: 12345\r\n\r\n"], 20).await);
        assert!(passes(&[":\n\n", ":\n", "\n", ":\n\n"], 4).await);
        assert!(!passes(&["data: 12345\n", "data: 12345\n", "data: 12345\n"], 20).await);
        assert!(!passes(&["data: ", &"x".repeat(30)], 20).await);
    }

    #[test]
    fn a_pause_is_between_half_and_whole() {
        for _ in 0..200 {
            let pause = jittered(Duration::from_secs(2));
            assert!(pause >= Duration::from_secs(1) && pause <= Duration::from_secs(2));
        }
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
            Some((Ok::<_, String>(text.to_owned()), at + 1))
        });
        let began = tokio::time::Instant::now();
        let mut events = std::pin::pin!(alive(bounded(chunks, MAX_EVENT), SILENCE).eventsource());
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
