//! The push service behind one interface (MISSION 3): send, withdraw, hear answers. Our relay is the first; others can
//! be added beside it.

mod bounds;
mod code_way;
mod http;
mod outage;
mod relay;
mod silence;

pub use code_way::Way;
pub use http::client as http_client;
pub use relay::Relay;
pub use silence::{Probe, Silence};

use assent_proto::relay::{Push, PushTaken};
use assent_proto::{Bytes, Id};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use tokio::sync::mpsc;

/// Why a push was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// No connection could be made: nothing has left this host.
    #[error("the push service cannot be reached: {0}")]
    NotSent(String),
    /// The service cannot be reached, or fails.
    #[error("the push service cannot be reached: {0}")]
    Unreachable(String),
    /// The service refuses.
    #[error("the push service refuses: {0}")]
    Refused(String),
}

/// A boxed future of an interface.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A push service.
pub trait PushService: Send + Sync {
    /// Hands a push over; returns once the service has it for good. The same id again is the same push.
    /// [`PushError::NotSent`] only if nothing of it has left this host in any try.
    fn send<'a>(&'a self, push: &'a Push) -> Pending<'a, Result<PushTaken, PushError>>;
    /// Withdraws a push. Best effort: a push also ends by itself.
    fn withdraw(&self, id: Id) -> Pending<'_, ()>;
    /// Whether answers can be heard now.
    fn listening(&self) -> bool;
}

/// An answer as delivered: who says to have answered, and the sealed bytes.
pub type Delivery = (Id, Bytes);

/// Deliveries that a waiting login may have unread; more are dropped, as it ends after eight false ones.
const UNREAD: usize = 16;

/// Which login waits for which push.
#[derive(Default)]
pub struct Waiting(Mutex<HashMap<Id, mpsc::Sender<Delivery>>>);

impl Waiting {
    /// Waits for the answers to a push.
    pub fn register(&self, id: Id) -> mpsc::Receiver<Delivery> {
        let (sender, receiver) = mpsc::channel(UNREAD);
        if let Ok(mut waiting) = self.0.lock() {
            waiting.insert(id, sender);
        }
        receiver
    }

    /// Nobody waits for it any more.
    pub fn forget(&self, id: Id) {
        if let Ok(mut waiting) = self.0.lock() {
            waiting.remove(&id);
        }
    }

    /// Hands an answer to whoever waits; to nobody, if nobody does (rule 1 of PROTOCOL 2.6).
    pub fn deliver(&self, id: Id, delivery: Delivery) {
        let sender = self.0.lock().ok().and_then(|waiting| waiting.get(&id).cloned());
        match sender {
            Some(sender) => {
                if sender.try_send(delivery).is_err() {
                    tracing::warn!("an answer to push {id} was dropped: too many came at once");
                }
            }
            None => tracing::info!("an answer to push {id} came, which nobody waits for"),
        }
    }

    /// How many pushes are open.
    pub fn count(&self) -> usize {
        self.0.lock().map_or(0, |waiting| waiting.len())
    }
}
