//! Since when the relay is away, as far as its event stream tells: a login that has another way to go need not find out
//! anew. A call that hangs is told by [`super::silence`].

use assent_proto::time::BootTime;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a login with another way waits for the relay; also how long a lost event stream counts as a restart.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Since when the relay is away.
#[derive(Debug)]
pub struct Outage(Mutex<Option<BootTime>>);

impl Outage {
    /// Nothing was heard yet.
    pub fn since(now: BootTime) -> Self {
        Self(Mutex::new(Some(now)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<BootTime>> {
        // Each change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event stream was lost.
    pub fn begins(&self, now: BootTime) {
        self.lock().get_or_insert(now);
    }

    /// The relay is heard again.
    pub fn ends(&self) {
        *self.lock() = None;
    }

    /// How long it has been away, if that is no restart any more.
    pub fn known(&self, now: BootTime) -> Option<Duration> {
        let away = now.0.saturating_sub(self.lock().as_ref()?.0);
        (away >= PATIENCE).then_some(away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn a_restart_is_no_outage_and_an_outage_ends_when_the_relay_is_heard() {
        let outage = Outage::since(at(100));
        assert_eq!(outage.known(at(102)), None, "it may still connect");
        assert_eq!(outage.known(at(103)), Some(PATIENCE));
        outage.ends();
        assert_eq!(outage.known(at(900)), None);
        outage.begins(at(1000));
        outage.begins(at(1002));
        assert_eq!(outage.known(at(1002)), None);
        assert_eq!(outage.known(at(1003)), Some(PATIENCE), "it began when it began");
    }
}
