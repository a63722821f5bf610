//! Tells the registrar what holds for single people on this host, for administrators to read at the panel: soon after a
//! change, and once an hour. No login waits for it, and nothing is decided by it.

use crate::agent::Notice;
use crate::devices::host_ask;
use crate::exceptions;
use crate::grants::Grants;
use crate::memory::Memory;
use crate::push::Relay;
use crate::standing::Standing;
use assent_proto::exception::Exceptions;
use assent_proto::registrar::{HostWant, Refused, Reply};
use assent_proto::text::visible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_secs(10);
/// After a failure: a gateway that comes back is not called by every host at once, again and again.
const PAUSE: Duration = Duration::from_secs(60);
/// What has not changed is told again after so long: the registrar may have lost it.
const AGAIN: Duration = Duration::from_secs(3600);

/// Goes on until the task is aborted.
pub async fn look_after(
    host: Arc<Standing>,
    relay: Arc<Relay>,
    (grants, memory): (Arc<Grants>, Arc<Memory>),
    mut notices: broadcast::Receiver<Notice>,
) {
    let mut told: Option<(Exceptions, Instant)> = None;
    let mut failed = None;
    loop {
        let changed = async {
            // Who lags behind has missed something.
            while !matches!(
                notices.recv().await,
                Ok(Notice::Exception { .. }) | Err(broadcast::error::RecvError::Lagged(_))
            ) {}
        };
        let _ = tokio::time::timeout(LOOK, changed).await;
        let now = exceptions::told(&grants, &memory);
        let fresh = told
            .as_ref()
            .is_some_and(|(before, at)| *before == now && at.elapsed() < AGAIN);
        if fresh {
            continue;
        }
        match tell(&host, &relay, now.clone()).await {
            Ok(()) => {
                told = Some((now, Instant::now()));
                failed = None;
            }
            Err(why) => {
                if failed.as_ref() != Some(&why) {
                    tracing::info!(
                        "the registrar was not told of this host's bypasses, blocks and locks; it is tried again: {why}"
                    );
                    failed = Some(why);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn tell(host: &Standing, relay: &Relay, now: Exceptions) -> Result<(), String> {
    match host_ask(relay, &host.now(), HostWant::Exceptions(now)).await {
        // A registrar of an earlier version: there is no overview in which it would be shown.
        Ok(
            Reply::Noted
            | Reply::Refused {
                code: Refused::Caller | Refused::Malformed,
                ..
            },
        ) => Ok(()),
        Ok(Reply::Refused { text, .. }) => Err(visible(text.as_str())),
        Ok(_) => Err("the registrar answered something else".into()),
        Err(why) => Err(why.to_string()),
    }
}
