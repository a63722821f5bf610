//! Keeps every panic inside the module: what unwinds into libpam would abort sshd or sudo.
//!
//! Called by the entry points alone. It never prints: a panic's message could hold a password, and the host's terminal
//! is not ours.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

/// Runs `body`; a panic in it becomes `fallback`, which is an error in every phase that can let someone in.
pub fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(|| {
        silence();
        body()
    })) {
        Ok(value) => value,
        Err(payload) => {
            // The payload's own destructor may panic too; what that leaves behind is leaked rather than dropped.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            fallback
        }
    }
}

/// Replaces this library's panic hook. The standard library inside the `.so` is a private copy, so the hook of a host
/// written in Rust stays as it is. The closure captures nothing and so allocates nothing that an unload could leak.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_hook(Box::new(|_| {})));
}

#[cfg(test)]
#[allow(clippy::panic, reason = "panics are what is tested")]
mod tests {
    use super::guard;
    use std::panic::panic_any;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any("second");
        }
    }

    // R35
    #[test]
    fn r35_a_panic_becomes_the_fallback() {
        assert_eq!(guard(9, || panic_any("first")), 9);
        assert_eq!(guard(9, || 0), 0);
    }

    // R35
    #[test]
    fn r35_a_payload_that_panics_when_dropped_is_caught_too() {
        assert_eq!(guard(9, || panic_any(Bomb)), 9);
    }
}
