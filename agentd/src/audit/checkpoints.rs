//! Each day, and when the agent starts, the host signs where its chain of records stands; the signature goes into the file
//! and to syslog.

use super::{Audit, Kind, Message};
use crate::standing::Standing;
use assent_proto::checkpoint::Checkpoint;
use assent_proto::time::UnixTime;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often it is asked whether one is due.
const LOOK: Duration = Duration::from_secs(600);

/// Makes checkpoints when they are due, until the task is aborted.
pub async fn look_after(audit: Arc<Audit>, host: Arc<Standing>) {
    loop {
        make(&audit, &host, UnixTime::now());
        tokio::time::sleep(LOOK).await;
    }
}

fn make(audit: &Audit, host: &Standing, now: UnixTime) {
    let Some(head) = audit.trail.due(now) else { return };
    let host = host.now();
    let claims = host.host.claims();
    let signed = Checkpoint::new(claims.host_id, head.seq, head.hash, now).sign(&host.keys.sign);
    let written = signed.map_err(std::io::Error::other).and_then(|checkpoint| {
        let message = Message::new(Kind::Checkpoint).word("checkpoint", Some(&checkpoint));
        let fields = json!({
            "kind": "checkpoint",
            "at": now,
            "checkpoint": checkpoint,
            "certificate": host.host.document(),
            "issuers": [host.issuer.document()],
        });
        match fields {
            Value::Object(fields) => audit.note(fields, message),
            _ => Err(std::io::ErrorKind::InvalidData.into()),
        }
    });
    match written {
        Ok(head) => audit.trail.checkpointed(now, head.seq),
        Err(e) => tracing::error!("the audit's checkpoint could not be written: {e}; it is tried again"),
    }
}
