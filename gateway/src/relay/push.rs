//! Pushes and answers coming in. All that is checked of a sealed blob is its size: the relay cannot read it.

use super::Relay;
use super::auth::{FromDevice, FromHost};
use super::body;
use crate::error::Error;
use crate::store::relay::{Answered, NewPush, Pushed};
use assent_proto::Id;
use assent_proto::relay::{DeviceAnswer, MAX_DEVICES, Push, PushTaken};
use assent_proto::request::MAX_TTL;
use assent_proto::seal::MAX_SEALED;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes of base64url and JSON around a sealed blob.
const MAX_BLOB_TEXT: usize = MAX_SEALED * 4 / 3 + 256;
const MAX_PUSH: usize = MAX_DEVICES * MAX_BLOB_TEXT + 1024;

/// `POST /v1/push`.
pub async fn post(State(relay): State<Arc<Relay>>, host: FromHost, body: Body) -> Result<Json<PushTaken>, Error> {
    let push: Push = body::json(body, MAX_PUSH).await?;
    Ok(Json(accept(&relay, host.id(), push).await?))
}

/// Takes a push of `host`.
pub(super) async fn accept(relay: &Relay, host: Id, push: Push) -> Result<PushTaken, Error> {
    check(&push)?;
    let devices: Vec<Id> = push.to.iter().map(|item| item.device).collect();
    let id = push.id;
    let new = NewPush::new(host, push, relay.most).map_err(|_| Error::Internal("a push is no JSON"))?;
    match relay.writer.push(new).await? {
        Pushed::New { .. } => tracing::debug!(%id, %host, devices = devices.len(), "push"),
        Pushed::Same => tracing::debug!(%id, %host, "push, once more"),
        Pushed::Ended => return Err(Error::Gone),
        Pushed::Conflict => {
            tracing::warn!(%id, %host, "a push was posted with the id of another");
            return Err(Error::Conflict);
        }
        Pushed::Full { device } => {
            tracing::warn!(%id, %host, %device, "too many pushes of one host at a device");
            return Err(Error::TooMany(
                "pushes of this host that wait at one device, or ended there unanswered within ten minutes",
            ));
        }
    }
    Ok(PushTaken {
        listening: u32::try_from(devices.iter().filter(|device| relay.bus.listens(device)).count()).unwrap_or(u32::MAX),
        unknown: devices
            .into_iter()
            .filter(|device| !relay.knows_device(device))
            .collect(),
    })
}

fn check(push: &Push) -> Result<(), Error> {
    let malformed = |text: &str| Err(Error::Malformed(text.to_owned()));
    if push.ttl == 0 || push.ttl > MAX_TTL {
        return malformed("a push lives between 1 and 600 seconds");
    }
    if push.to.is_empty() || push.to.len() > MAX_DEVICES {
        return malformed("a push goes to between 1 and 16 devices");
    }
    if push
        .to
        .iter()
        .any(|item| item.blob.0.is_empty() || item.blob.0.len() > MAX_SEALED)
    {
        return malformed("a sealed request has between 1 and 65536 bytes");
    }
    let distinct: HashSet<Id> = push.to.iter().map(|item| item.device).collect();
    if distinct.len() != push.to.len() {
        return malformed("a device is named twice");
    }
    Ok(())
}

/// `DELETE /v1/push/{id}`. Says nothing of whether it was there: another host's push is as unknown as none.
pub async fn delete(
    State(relay): State<Arc<Relay>>,
    host: FromHost,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id = read_id(&id)?;
    let was_alive = relay.writer.withdraw(host.id(), id).await?;
    tracing::debug!(%id, host = %host.id(), was_alive, "push withdrawn");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/push/{id}/answer`.
pub async fn answer(
    State(relay): State<Arc<Relay>>,
    device: FromDevice,
    Path(id): Path<String>,
    body: Body,
) -> Result<StatusCode, Error> {
    let id = read_id(&id)?;
    let answer: DeviceAnswer = body::json(body, MAX_BLOB_TEXT).await?;
    if answer.blob.0.is_empty() || answer.blob.0.len() > MAX_SEALED {
        return Err(Error::Malformed("a sealed answer has between 1 and 65536 bytes".into()));
    }
    match relay.writer.answer(device.id(), id, answer.blob).await? {
        Answered::New { .. } => tracing::debug!(%id, device = %device.id(), "answer"),
        Answered::Same => tracing::debug!(%id, device = %device.id(), "answer, once more"),
        Answered::Gone => return Err(Error::Gone),
        Answered::Full => {
            tracing::warn!(%id, device = %device.id(), "a device answers one push again and again");
            return Err(Error::TooMany("answers to this push"));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn read_id(text: &str) -> Result<Id, Error> {
    Id::decode(text).ok_or_else(|| Error::Malformed("the push's id is not 16 bytes in base64url".into()))
}
