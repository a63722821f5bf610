//! What the registrar tells others once it is committed: a person's own devices (at once, where they listen), and
//! whoever subscribes in this process (the configured hook program).

use super::{News, Registrar};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::{Id, ShortText};
use serde::Serialize;
use std::net::IpAddr;
use tokio::sync::broadcast;

/// Notices that a slow subscriber may be behind.
pub(super) const BACKLOG: usize = 256;

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was added.
    Added,
    /// It was removed.
    Removed,
    /// It was removed because it is lost.
    Lost,
    /// Somebody asked for a change or logged in in its user's name, and a device of theirs said "not me".
    Reported,
}

/// A device was added or removed, or reported something.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// What happened.
    pub change: Change,
    /// Whose device it is.
    pub name: ShortText,
    /// Everyone it approves for.
    pub identities: Vec<Identity>,
    /// Which.
    pub device: Option<Id>,
    /// What the user calls it.
    pub label: ShortText,
    /// The login that was reported, where it was one.
    pub login: Option<ReportedLogin>,
}

/// A login to which a device said "not me", by its host's word.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedLogin {
    /// The host's certified name.
    pub host: ShortText,
    /// The login's short id.
    pub login: ShortText,
    /// The PAM service.
    pub service: ShortText,
    /// The user name at the application.
    pub user: ShortText,
    /// The client's address; absent: on the host itself.
    pub source: Option<IpAddr>,
}

impl News {
    /// A device was added or removed; told after the commit.
    pub(super) fn change(&mut self, change: Change, owner: &DeviceOwner, device: Option<Id>, label: &ShortText) {
        self.notices.push(Notice::of(change, owner, device, label));
    }
}

impl Notice {
    /// About a device of somebody.
    pub(super) fn of(change: Change, owner: &DeviceOwner, device: Option<Id>, label: &ShortText) -> Self {
        Self {
            change,
            name: owner.name.clone(),
            identities: owner.identities.clone(),
            device,
            label: label.clone(),
            login: None,
        }
    }
}

impl Registrar {
    /// Hears of every device that is added or removed from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}
