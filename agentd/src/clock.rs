//! The clocks, read in one place.

use assent_proto::time::BootTime;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since boot, suspended time included.
pub fn boot_now() -> BootTime {
    // CLOCK_BOOTTIME exists since Linux 2.6.39; were it missing, zero makes every push expire at once, never late.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    BootTime(now.unwrap_or_default())
}

/// Sleeps until `then`, by the boot clock.
pub async fn sleep_until(then: BootTime) {
    tokio::time::sleep(then.0.saturating_sub(boot_now().0)).await;
}
