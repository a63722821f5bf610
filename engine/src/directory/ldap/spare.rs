//! A connection opened beforehand for the next user's bind, so that a login need not wait for TCP and TLS. Nobody was
//! ever bound on it, and it is used once (R65). One a server, for a short while after each bind; used by
//! [`super::server`] alone.

use super::dial::{self, Connection};
use super::target::Target;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Servers drop connections that do not bind; before that it is given up.
const KEPT: Duration = Duration::from_secs(20);

/// The place for one.
#[derive(Debug, Clone, Default)]
pub struct Spare(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    connection: Option<Connection>,
    /// How many there were, to tell the one that is there from those before it.
    count: u64,
    being_opened: bool,
}

impl Spare {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if there is one that still lives.
    pub fn take(&self) -> Option<Connection> {
        let mut connection = self.kept().connection.take()?;
        (!connection.is_closed()).then_some(connection)
    }

    /// Opens one in the background, unless there is one or will be. One that cannot be opened is no matter: the next
    /// login opens its own, and says why.
    pub fn refill(&self, target: &Target, tls: &Arc<rustls::ClientConfig>, step: Duration) {
        {
            let mut kept = self.kept();
            if kept.being_opened || kept.connection.is_some() {
                return;
            }
            kept.being_opened = true;
        }
        let (spare, target, tls) = (self.clone(), target.clone(), tls.clone());
        tokio::spawn(async move {
            let opened = tokio::time::timeout(step, dial::open(&target, &tls)).await;
            let count = {
                let mut kept = spare.kept();
                kept.being_opened = false;
                kept.connection = opened.ok().and_then(Result::ok);
                kept.count += 1;
                kept.count
            };
            tokio::time::sleep(KEPT).await;
            let old = {
                let mut kept = spare.kept();
                if kept.count == count {
                    kept.connection.take()
                } else {
                    None
                }
            };
            if let Some(old) = old {
                old.close();
            }
        });
    }
}
