//! That this process is to end: `^C`, a terminal that is closed, or the system's word. Heard, there is time to clear away what
//! would outlast the process.

use crate::failure::{Done, Failure};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Its signals. None of them ends the process by itself once this is made.
pub struct Ending {
    interrupt: Signal,
    hang_up: Signal,
    terminate: Signal,
}

impl Ending {
    /// From here on.
    pub fn hear() -> Done<Self> {
        let hear = |kind| {
            signal(kind)
                .map_err(|e| Failure::Refused(format!("this process cannot hear signals, so it does not begin: {e}")))
        };
        Ok(Self {
            interrupt: hear(SignalKind::interrupt())?,
            hang_up: hear(SignalKind::hangup())?,
            terminate: hear(SignalKind::terminate())?,
        })
    }

    /// Waits for one; it may have come since [`Ending::hear`].
    pub async fn comes(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal as Kind, raise};
    use std::time::Duration;
    use tokio::time::{sleep, timeout};

    #[tokio::test]
    async fn what_came_before_anybody_waited_for_it_is_not_lost() {
        let mut ending = Ending::hear().unwrap();
        timeout(Duration::from_millis(50), ending.comes()).await.unwrap_err();
        raise(Kind::SIGHUP).unwrap();
        // Somebody waits for something else meanwhile.
        sleep(Duration::from_millis(50)).await;
        timeout(Duration::from_secs(10), ending.comes()).await.unwrap();
    }
}
