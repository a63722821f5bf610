//! Turns for what somebody does at a source: so many at once, the next waits.

use assent_engine::ledger::SourceKey;
use assent_proto::cert::Identity;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who is at it.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<(Identity, SourceKey), Arc<Semaphore>>>);

impl Turns {
    /// Waits until one of so many places is free.
    pub async fn turn(&self, who: &Identity, from: SourceKey, places: usize) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // One that nobody else holds has all of its places free.
            all.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            let places = || Arc::new(Semaphore::new(places));
            Arc::clone(all.entry((who.clone(), from)).or_insert_with(places))
        };
        // Never closed.
        semaphore.acquire_owned().await.ok()
    }
}
