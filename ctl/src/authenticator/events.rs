//! The device's event stream: connects, resumes, connects again with back-off and jitter, for ever; and the claim by
//! which the relay knows this device, dated by the relay's clock.

use super::key::DeviceKey;
use crate::gateway_client::{CallFailure, Gateway};
use assent_proto::Id;
use assent_proto::cert::Trust;
use assent_proto::relay::{CLAIM_TTL, Claim, DeviceEvent, ProblemCode};
use assent_proto::time::{BootTime, UnixTime};
use futures_util::StreamExt as _;
use nix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::mpsc;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(20);

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
    /// Something that the person should know.
    Remark(String),
    /// Deny was pressed on a request's notification.
    DenyPressed(Id),
    /// What is believed from here on, and whether other roots count.
    Trust(Trust, bool),
}

/// Time since boot, suspended time included.
pub fn boot_now() -> BootTime {
    // CLOCK_BOOTTIME exists on every Linux since 2.6.39; without a clock, everything has expired.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(BootTime(Duration::MAX), |t| BootTime(Duration::from(t)))
}

/// This device towards the relay.
pub struct Caller<'a> {
    key: &'a DeviceKey,
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
    pub fn new(key: &'a DeviceKey, id: Id, gateway: &'a Gateway) -> Self {
        Self {
            key,
            id,
            gateway,
            state: RefCell::default(),
        }
    }

    /// A claim that is good for some minutes.
    pub async fn bearer(&self) -> Result<String, CallFailure> {
        let now = boot_now();
        let ahead = {
            let state = self.state.borrow();
            if let Some((bearer, until)) = &state.claim
                && now < *until
            {
                return Ok(bearer.clone());
            }
            state.ahead
        };
        let date = UnixTime(UnixTime::now().0.saturating_add_signed(ahead));
        let (base, id) = (self.gateway.base().to_owned(), self.id);
        let signed = self.key.signs(move |key| Claim::sign(key, &base, id, date)).await;
        let bearer = signed.map_err(|e| CallFailure::unreachable(format!("a claim could not be signed: {e}")))?;
        self.state.borrow_mut().claim = Some((bearer.clone(), now.plus(Duration::from_secs(CLAIM_TTL / 2))));
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
                    | ProblemCode::Away
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
        let response = self.gateway.events(&self.bearer().await?, last_id.as_deref()).await?;
        let _ = heard.send(Heard::Connected).await;
        let mut events = std::pin::pin!(assent_events::of(response.bytes_stream()));
        loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(e)) => return Err(CallFailure::unreachable(e)),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_half_and_whole() {
        for _ in 0..200 {
            let pause = jittered(Duration::from_secs(2));
            assert!(pause >= Duration::from_secs(1) && pause <= Duration::from_secs(2));
        }
    }
}
