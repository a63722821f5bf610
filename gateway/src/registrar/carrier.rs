//! The registrar's way to the relay: the one in this process, called directly, or one that runs apart, by [`Link`].
//! There nothing waits for the relay: what it shall know is queued in the order of the commits, and told whole after
//! each connect.

use super::link::Link;
use crate::error::Error;
use crate::relay::Relay;
use crate::relay::in_process::Delivered;
use crate::store::StoreError;
use crate::store::relay::Mailbox;
use assent_proto::Id;
use assent_proto::link::Order;
use assent_proto::relay::{Push, TrustInfo};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Who carries for the registrar.
pub enum Carrier {
    /// In this process.
    Here(Arc<Relay>),
    /// Apart.
    Apart(Arc<Link>),
}

impl Carrier {
    /// Says who the registrar is: what anyone may know of its keys, and which mailbox is its own.
    pub(super) fn introduce(&self, trust: TrustInfo, own: Option<Id>) {
        if let Self::Apart(link) = self {
            link.order(Order::Trust(trust));
            if let Some(host) = own {
                link.order(Order::Own { host });
            }
        }
    }

    /// Makes the mailboxes exactly these.
    pub(super) async fn sync_mailboxes(&self, all: Vec<Mailbox>) -> Result<(), StoreError> {
        match self {
            Self::Here(relay) => relay.sync_mailboxes(all).await,
            Self::Apart(link) => {
                link.order(Order::Mailboxes { all });
                Ok(())
            }
        }
    }

    /// Opens a mailbox.
    pub(super) async fn add_mailbox(&self, mailbox: Mailbox) -> Result<(), StoreError> {
        match self {
            Self::Here(relay) => relay.add_mailbox(mailbox).await,
            Self::Apart(link) => {
                link.order(Order::Open(mailbox));
                Ok(())
            }
        }
    }

    /// Closes a mailbox.
    pub(super) async fn remove_mailbox(&self, id: Id) -> Result<(), StoreError> {
        match self {
            Self::Here(relay) => relay.remove_mailbox(id).await,
            Self::Apart(link) => {
                link.order(Order::Close { id });
                Ok(())
            }
        }
    }

    /// Devices were added or removed.
    pub(super) async fn set_generation(&self, generation: u64) {
        match self {
            Self::Here(relay) => relay.set_generation(generation).await,
            Self::Apart(link) => link.order(Order::Generation { generation }),
        }
    }

    /// Tells devices that the list of their user's devices has changed.
    pub(super) fn tell_devices(&self, devices: impl IntoIterator<Item = Id>) {
        match self {
            Self::Here(relay) => relay.tell_devices(devices),
            Self::Apart(link) => {
                let devices = devices.into_iter().collect();
                link.order(Order::TellDevices { devices });
            }
        }
    }

    /// Tells every listening device that there is a newer revocation list.
    pub(super) fn tell_all_devices(&self) {
        match self {
            Self::Here(relay) => relay.tell_all_devices(),
            Self::Apart(link) => link.order(Order::Revocations),
        }
    }

    /// Sends a push of the registrar's own mailbox `host`.
    pub(super) async fn push_of(&self, host: Id, push: Push) -> Result<(), Error> {
        match self {
            Self::Here(relay) => relay.push_of(host, push).await,
            Self::Apart(link) => link.push(push).await,
        }
    }

    /// Withdraws a push of the registrar's own mailbox `host`.
    pub(super) async fn withdraw_of(&self, host: Id, id: Id) {
        match self {
            Self::Here(relay) => relay.withdraw_of(host, id).await,
            Self::Apart(link) => link.order(Order::Withdraw { id }),
        }
    }

    /// The answers to the pushes of the registrar's own mailbox `host`, from now on.
    pub(super) fn answers_to(&self, host: Id) -> mpsc::Receiver<Delivered> {
        match self {
            Self::Here(relay) => relay.answers_to(host),
            Self::Apart(link) => link.answers(),
        }
    }
}
