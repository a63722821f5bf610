//! A host in this very process: the registrar, which asks a person's devices whether a device may be added or removed.
//! It is one mailbox among the others; only its way in and out spares the HTTP.

use super::push::accept;
use super::{Relay, event};
use crate::error::Error;
use assent_proto::relay::Push;
use assent_proto::{Bytes, Id};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// Answers that may wait; more are dropped, as a relay may.
const QUEUE: usize = 256;

/// A device's answer, as the relay delivers it.
#[derive(Debug)]
pub struct Delivered {
    /// The push.
    pub id: Id,
    /// Who says to have answered.
    pub device: Id,
    /// Sealed to the host.
    pub blob: Bytes,
}

/// Who hears answers in this process.
#[derive(Default)]
pub(super) struct Hosts(Mutex<HashMap<Id, mpsc::Sender<Delivered>>>);

impl Hosts {
    /// Hands an answer to its host, if that host is here.
    pub(super) fn deliver(&self, host: Id, answer: impl FnOnce() -> Delivered) {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = hosts.get(&host)
            && queue.try_send(answer()).is_err()
        {
            tracing::warn!(%host, "an answer to the registrar was dropped: too many wait");
        }
    }
}

impl Relay {
    /// The answers to the pushes of `host`, from now on.
    pub fn answers_to(&self, host: Id) -> mpsc::Receiver<Delivered> {
        let (sender, answers) = mpsc::channel(QUEUE);
        let mut hosts = self.in_process.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host, sender);
        answers
    }

    /// Takes a push of a host in this process.
    pub async fn push_of(&self, host: Id, push: Push) -> Result<(), Error> {
        accept(self, host, push).await.map(drop)
    }

    /// Withdraws a push of a host in this process.
    pub async fn withdraw_of(&self, host: Id, id: Id) {
        if let Err(error) = self.writer.withdraw(host, id).await {
            tracing::warn!(%error, %id, "a push was not withdrawn and ends by itself");
        }
    }

    /// Tells every listening device that there is a newer revocation list.
    pub fn tell_all_devices(&self) {
        if let Some(event) = event::revocations() {
            self.bus.send_all(&event, |id| self.knows_device(id));
        }
    }

    /// Tells devices that the list of their user's devices has changed.
    pub fn tell_devices(&self, devices: impl IntoIterator<Item = Id>) {
        if let Some(event) = event::devices() {
            for device in devices {
                self.bus.send(device, &event);
            }
        }
    }
}
