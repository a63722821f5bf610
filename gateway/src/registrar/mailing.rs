//! What happened to a person's devices is handed to the code service, which tells them by mail (R27). It alone knows where
//! they read mail, and has the mail servers. Nothing of the registrar's waits for it.

use super::notice::{Change, Notice};
use crate::again;
use crate::codes::desk::Desk;
use crate::codes::told::{Changed, Told};
use assent_proto::cert::DeviceOwner;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Notices that may wait for the code service at once.
const MOST: usize = 1024;

/// Hands every notice over, for ever.
pub async fn listen(mut notices: Receiver<Notice>, desk: Desk) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let told = match notices.recv().await {
            Ok(notice) => of(notice),
            Err(RecvError::Lagged(lost)) => {
                tracing::error!(lost, "people were not told by mail of changes: too many at once");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let Some(told) = told else { continue };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            tracing::error!(name = ?told.owner.name, "a person was not told by mail of a change: too many notices wait");
            continue;
        };
        let desk = desk.clone();
        tokio::spawn(async move {
            hand_over(&desk, &told).await;
            drop(place);
        });
    }
}

/// What a person is told of a notice. A "not me" is their own word.
fn of(notice: Notice) -> Option<Told> {
    let change = match notice.change {
        Change::Added => Changed::DeviceAdded(notice.label),
        Change::Removed => Changed::DeviceRemoved(notice.label),
        Change::Lost => Changed::DeviceLost(notice.label),
        Change::Reported => return None,
    };
    let owner = DeviceOwner {
        identities: notice.identities,
        name: notice.name,
    };
    Some(Told { owner, change })
}

async fn hand_over(desk: &Desk, told: &Told) {
    for delay in again::delays() {
        tokio::time::sleep(delay).await;
        match desk.tell(told).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the code service did not take what a person is to be told"),
        }
    }
    tracing::error!(name = ?told.owner.name, "a person was not told by mail of a change: the code service was away");
}
