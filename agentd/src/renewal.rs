//! Certificates look after themselves: once an hour this host hears which issuing keys and roots there are, and asks for
//! its next certificate when half of its life is over. No login waits for any of it.

use crate::devices::host_ask;
use crate::push::{PushError, Relay, Way};
use crate::standing::Standing;
use assent_proto::Id;
use assent_proto::registrar::{HostWant, Reply};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use std::sync::Arc;
use std::time::Duration;

/// Between two rounds in which all is well.
const ROUND: Duration = Duration::from_secs(3600);
/// After a failure; doubled at each further one, up to [`ROUND`].
const AGAIN: Duration = Duration::from_secs(60);
/// Within this time after its start the agent makes its first round.
const FIRST: Duration = Duration::from_secs(4);

/// Goes on until the task is aborted.
pub async fn look_after(standing: Arc<Standing>, relay: Arc<Relay>) {
    let (mut pause, mut after_failure) = (FIRST, AGAIN);
    loop {
        tokio::time::sleep(jittered(pause)).await;
        let done = round(&standing, &relay).await;
        let now = UnixTime::now();
        match done {
            Ok(()) => {
                standing.set_trouble(None);
                (pause, after_failure) = (ROUND, AGAIN);
            }
            Err(why) => {
                let due = standing.renewal_is_due(now);
                if due {
                    tracing::warn!("this host's certificate could not be renewed, it is tried again: {why}");
                } else {
                    tracing::info!("the registrar's keys could not be asked for: {why}");
                }
                standing.set_trouble(Some(why.to_string()));
                (pause, after_failure) = (after_failure, (after_failure * 2).min(ROUND));
            }
        }
        if let Some(warning) = standing.warning(now) {
            tracing::warn!("{warning}");
        }
    }
}

async fn round(standing: &Arc<Standing>, relay: &Relay) -> Result<(), PushError> {
    relay.learn_trust(Way::Relay).await?;
    if !standing.renewal_is_due(UnixTime::now()) {
        return Ok(());
    }
    let document = match host_ask(relay, &standing.now(), HostWant::Renew).await? {
        Reply::HostCertified { host } => host,
        Reply::Refused { text, .. } => return Err(PushError::Refused(visible(text.as_str()))),
        _ => return Err(PushError::Refused("the registrar answered something else".into())),
    };
    let standing = Arc::clone(standing);
    let taken = tokio::task::spawn_blocking(move || {
        let new = standing.renewed(&document, UnixTime::now())?;
        Ok::<_, crate::host::HostError>((new, standing.now().host.claims().exp))
    });
    let taken = taken.await.map_err(|e| PushError::Refused(e.to_string()))?;
    let (new, ends) = taken.map_err(|e| PushError::Refused(e.to_string()))?;
    if new {
        tracing::info!(
            "this host's certificate was renewed; it ends at {} (seconds since 1970)",
            ends.0
        );
    }
    Ok(())
}

/// Half of it for sure, the other half by chance, so that a fleet that started in one moment spreads out.
fn jittered(pause: Duration) -> Duration {
    let chance = Id::random().map_or(255, |id| id.0[0]);
    pause / 2 + pause * u32::from(chance) / 512
}
