//! Where a device's browser hears by Web Push: told, asked and taken back by the device itself, one for each device. And
//! the request that it fetches when it was rung at: whoever fetches it has heard.

use super::Relay;
use super::auth::FromDevice;
use super::body;
use super::push::read_id;
use crate::clock::Millis;
use crate::error::Error;
use crate::store::StoreError;
use crate::store::relay::{self as rows, KeptSubscription};
use crate::web_push::outbox::Stands;
use crate::web_push::sealed::Recipient;
use assent_proto::relay::{Subscription, SubscriptionState, WaitingPush, WebPush};
use assent_proto::sha256;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::sync::Arc;

/// Bytes of a subscription as JSON.
const MAX_SUBSCRIPTION: usize = 4096;

/// `GET /v1/subscription`.
pub async fn get(State(relay): State<Arc<Relay>>, device: FromDevice) -> Json<WebPush> {
    let subscription = match relay.outbox.stands(device.id()) {
        Stands::None => SubscriptionState::None,
        Stands::Lost => SubscriptionState::Lost,
        Stands::Kept { endpoint, silent_since } => SubscriptionState::Kept {
            endpoint: sha256(&[endpoint.as_bytes()]),
            silent_since,
        },
    };
    Json(WebPush {
        vapid: relay.ringing.as_ref().map(|ringing| ringing.key.clone()),
        subscription,
    })
}

/// `PUT /v1/subscription`.
pub async fn put(State(relay): State<Arc<Relay>>, device: FromDevice, body: Body) -> Result<StatusCode, Error> {
    let to: Subscription = body::json(body, MAX_SUBSCRIPTION).await?;
    let Some(ringing) = &relay.ringing else {
        return Err(Error::Malformed("this gateway sends no Web Push".into()));
    };
    let malformed = |error: &dyn std::error::Error| Error::Malformed(error.to_string());
    let endpoint = ringing
        .services
        .endpoint(to.endpoint.as_str())
        .map_err(|error| malformed(&error))?;
    Recipient::of(&to).map_err(|error| malformed(&error))?;
    let (device, kept) = (device.id(), KeptSubscription::Reaches { to, silent_since: None });
    if !relay.writer.keep_subscription(device, Some(kept.clone())).await? {
        return Err(Error::Claim("its mailbox is closed"));
    }
    relay.outbox.keep(device, kept);
    tracing::info!(%device, service = endpoint.audience, "a device is rung at from now on");
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/subscription`.
pub async fn delete(State(relay): State<Arc<Relay>>, device: FromDevice) -> Result<StatusCode, Error> {
    let device = device.id();
    relay.outbox.forget(device);
    relay.writer.keep_subscription(device, None).await?;
    tracing::info!(%device, "a device is not rung at any more");
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/push/{id}`.
pub async fn waiting(
    State(relay): State<Arc<Relay>>,
    device: FromDevice,
    Path(id): Path<String>,
) -> Result<Json<WaitingPush>, Error> {
    let (id, device) = (read_id(&id)?, device.id());
    if relay.outbox.heard(id, device)
        && let Some(heard) = relay.outbox.kept(device)
    {
        relay.writer.keep_subscription(device, Some(heard)).await?;
    }
    let now = Millis::now();
    let mut conn = relay.readers.acquire().await.map_err(StoreError::from)?;
    let push = rows::waiting(&mut conn, device, id, now).await?.ok_or(Error::Gone)?;
    Ok(Json(WaitingPush {
        id,
        expiry: push.expiry,
        left: left(push.ends_at, now),
        blob: push.blob,
    }))
}

/// Seconds that a push lives on.
pub(super) fn left(ends_at: Millis, now: Millis) -> u32 {
    u32::try_from((ends_at.0 - now.0).max(0) / 1000).unwrap_or(u32::MAX)
}
