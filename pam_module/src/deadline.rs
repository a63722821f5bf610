//! The one moment by which everything of ours must be over. Pure: the clock is `sys::os::boot_millis`, read by the
//! callers, so that a suspended machine's sleep counts too.

use std::time::Duration;

/// A moment on `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    at: u64,
}

impl Deadline {
    /// `span` after `now` (milliseconds since boot).
    pub fn after(now: u64, span: Duration) -> Self {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            at: now.saturating_add(span),
        }
    }

    /// Whether the moment has come.
    pub fn passed(self, now: u64) -> bool {
        now >= self.at
    }

    /// How long one `poll` may last: at least 1 ms while any time is left, at most `slice`, as poll's own clock stands
    /// still while the machine sleeps.
    pub fn poll_millis(self, now: u64, slice: i32) -> i32 {
        i32::try_from(self.at.saturating_sub(now))
            .unwrap_or(i32::MAX)
            .min(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_at_its_moment_and_not_before() {
        let deadline = Deadline::after(1_000, Duration::from_secs(5));
        assert!(!deadline.passed(5_999));
        assert!(deadline.passed(6_000));
        assert_eq!(deadline.poll_millis(5_999, 5_000), 1);
        assert_eq!(deadline.poll_millis(6_001, 5_000), 0);
        assert_eq!(deadline.poll_millis(0, 500), 500);
    }

    #[test]
    fn a_span_without_end_does_not_wrap() {
        assert!(!Deadline::after(u64::MAX - 1, Duration::MAX).passed(u64::MAX - 1));
    }
}
