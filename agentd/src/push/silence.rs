//! Whether a party behind the relay (or the relay itself) lets its callers wait for nothing. Each has its own: that one is
//! silent says nothing of the others. The first login that waited in vain finds out; until a probe has an answer, no other
//! one that has another way to go waits. The event stream tells none of this: it can live while calls hang.

use super::{Pending, PushError};
use crate::clock::boot_now;
use assent_proto::time::BootTime;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a login with another way waits, so that the next method is offered within 3 s.
pub const PATIENCE: Duration = Duration::from_millis(2500);
/// How long a probe waits for any answer.
const PROBE: Duration = Duration::from_secs(2);
/// Between two probes.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks a party anything; ends when it answers, or refuses.
pub type Probe = Box<dyn Fn() -> Pending<'static, ()> + Send + Sync>;

/// Since when a party is silent.
#[derive(Debug)]
pub struct Silence {
    party: &'static str,
    since: Mutex<Option<BootTime>>,
}

impl Silence {
    /// A party that nobody has waited for yet.
    pub fn of(party: &'static str) -> Arc<Self> {
        Arc::new(Self {
            party,
            since: Mutex::default(),
        })
    }

    fn since(&self) -> MutexGuard<'_, Option<BootTime>> {
        // Each change is one assignment.
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` with the party, for a login that has another way to go: not at all while the party is known to be silent,
    /// and for no longer than [`PATIENCE`].
    pub async fn hurried<T>(self: &Arc<Self>, work: impl Future<Output = T>, probe: Probe) -> Result<T, PushError> {
        self.speaks()?;
        let began = boot_now();
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(done) => Ok(done),
            Err(_) => {
                self.begins(began, probe);
                let seconds = PATIENCE.as_secs_f32();
                Err(PushError::Unreachable(format!(
                    "no answer from {} within {seconds} s",
                    self.party
                )))
            }
        }
    }

    /// An error while the party is known to be silent.
    pub fn speaks(&self) -> Result<(), PushError> {
        let known = *self.since();
        known.map_or(Ok(()), |since| {
            let seconds = boot_now().0.saturating_sub(since.0).as_secs();
            Err(PushError::Unreachable(format!(
                "{} has been silent for {seconds} s",
                self.party
            )))
        })
    }

    /// Finds out beside somebody's wait for another party, which begins now: whether this one is silent, too, is known before
    /// that wait ends.
    pub async fn look_into(self: &Arc<Self>, probe: Probe) {
        let began = boot_now();
        tokio::time::sleep(PATIENCE / 5).await;
        if tokio::time::timeout(PATIENCE * 3 / 5, probe()).await.is_err() {
            self.begins(began, probe);
        }
    }

    /// It is silent, and until it answers it is probed by a task of its own: whoever found out may go away.
    fn begins(self: &Arc<Self>, at: BootTime, probe: Probe) {
        {
            let mut since = self.since();
            if since.is_some() {
                return;
            }
            *since = Some(at);
        }
        tracing::warn!("{} is silent; logins with another way go there", self.party);
        let silence = Arc::clone(self);
        tokio::spawn(async move {
            while tokio::time::timeout(PROBE, probe()).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            *silence.since() = None;
            tracing::info!("{} answers again", silence.party);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Has an answer once `answers` says so.
    fn probe_of(answers: &Arc<AtomicBool>) -> Probe {
        let answers = Arc::clone(answers);
        Box::new(move || {
            let now = answers.load(Ordering::Relaxed);
            Box::pin(async move {
                if !now {
                    pending::<()>().await;
                }
            })
        })
    }

    fn answered() -> Probe {
        probe_of(&Arc::new(AtomicBool::new(true)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_login_finds_out_the_next_do_not_wait_and_the_first_answer_ends_it() {
        let (silence, answers) = (Silence::of("the registrar"), Arc::new(AtomicBool::new(false)));
        let probe = || probe_of(&answers);
        let began = tokio::time::Instant::now();
        let first = silence.hurried(pending::<()>(), probe()).await;
        assert_eq!(began.elapsed(), PATIENCE);
        assert!(
            first
                .unwrap_err()
                .to_string()
                .contains("no answer from the registrar within 2.5 s")
        );
        // Known: no work is even begun.
        let began = tokio::time::Instant::now();
        let work = async { unreachable!("it is known") };
        let next: Result<(), _> = silence.hurried(work, probe()).await;
        assert!(
            next.unwrap_err()
                .to_string()
                .contains("the registrar has been silent for")
        );
        assert_eq!(began.elapsed(), Duration::ZERO);
        // Another party is none of its business.
        assert!(
            Silence::of("the code service")
                .hurried(ready(()), probe())
                .await
                .is_ok()
        );
        // Many probes later it answers, and nobody had to log in for that.
        tokio::time::sleep(Duration::from_secs(60)).await;
        answers.store(true, Ordering::Relaxed);
        tokio::time::sleep(PROBE + PAUSE).await;
        assert!(silence.hurried(ready(()), probe()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_is_no_silence_and_a_slow_moment_is_forgotten_at_the_first_probe() {
        let silence = Silence::of("the relay");
        let slow = tokio::time::sleep(PATIENCE.saturating_sub(Duration::from_millis(1)));
        assert!(silence.hurried(slow, answered()).await.is_ok());
        assert!(silence.since().is_none());
        assert!(silence.hurried(pending::<()>(), answered()).await.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(silence.hurried(ready(()), answered()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_ends_with_the_first_answer_though_whoever_found_out_has_gone() {
        let (silence, answers) = (Silence::of("the relay"), Arc::new(AtomicBool::new(false)));
        let (looks, probe) = (Arc::clone(&silence), probe_of(&answers));
        let looking = tokio::spawn(async move { looks.look_into(probe).await });
        tokio::time::sleep(PATIENCE).await;
        assert!(silence.speaks().is_err(), "it was found silent");
        looking.abort();
        answers.store(true, Ordering::Relaxed);
        tokio::time::sleep(PROBE + PAUSE).await;
        assert!(silence.speaks().is_ok());
    }
}
