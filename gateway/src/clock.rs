//! The one place that reads clocks. The relay's wall clock only says when a push is swept away: whether an answer
//! still counts is decided by the host (here: the registrar, where it asks a person's devices), on its own monotonic
//! clock.

use assent_proto::time::{BootTime, UnixTime};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

impl Millis {
    /// The wall clock now.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment moved by `millis`.
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Seconds since 1970, for certificates and claims.
pub fn now() -> UnixTime {
    UnixTime::now()
}

/// Time since boot, suspended time included: the life of the registrar's own pushes.
pub fn boot_now() -> BootTime {
    // CLOCK_BOOTTIME exists since Linux 2.6.39; were it missing, zero makes every push live no longer than its entry.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    BootTime(now.unwrap_or_default())
}
