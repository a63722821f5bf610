//! The two clocks of Assent, as types, so that neither stands in for the other (R81).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Seconds since 1970 (UTC). For certificates and for people, never for the life of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

/// Time since boot, suspended time included (`CLOCK_BOOTTIME`): the life of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(pub Duration);

/// How far two machines' wall clocks may differ before a certificate is refused.
pub const SKEW: u64 = 120;

impl UnixTime {
    /// The wall clock now.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 reads as 1970: every certificate is then not yet valid, which is the safe side.
        Self(since.map_or(0, |d| d.as_secs()))
    }

    /// This moment moved by `seconds`.
    #[must_use]
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whether it lies in `[nbf, exp]`, give or take [`SKEW`].
    pub fn within(self, nbf: UnixTime, exp: UnixTime) -> bool {
        self.plus(SKEW) >= nbf && self <= exp.plus(SKEW)
    }
}

impl BootTime {
    /// This moment moved by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}
