//! Who calls. A [`FromHost`] or [`FromDevice`] exists only if its claim was signed by the key of an open mailbox of
//! that kind, for this relay, and is fresh; handlers that take one need no check of their own.

use super::Relay;
use crate::clock;
use crate::error::Error;
use crate::store::relay::{Kind, Mailbox};
use assent_proto::keys::KeyId;
use assent_proto::relay::Claim;
use assent_proto::{Digest, sha256};
use axum::extract::FromRequestParts;
use axum::http::{header, request::Parts};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Claims remembered in each of the two generations.
const REMEMBERED: usize = 32_768;

/// The address that a connection comes from; the server puts it into each request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Anyone with a mailbox.
pub struct Caller(Arc<Mailbox>);

/// A host.
pub struct FromHost(Arc<Mailbox>);

/// A device.
pub struct FromDevice(Arc<Mailbox>);

impl Caller {
    /// Whose mailbox.
    pub fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

impl FromHost {
    /// Which host.
    pub fn id(&self) -> assent_proto::Id {
        self.0.id
    }
}

impl FromDevice {
    /// Which device.
    pub fn id(&self) -> assent_proto::Id {
        self.0.id
    }
}

impl FromRequestParts<Arc<Relay>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, relay: &Arc<Relay>) -> Result<Self, Error> {
        match relay.caller(parts) {
            Ok(mailbox) => {
                match mailbox.kind {
                    Kind::Host => relay.limits.host(mailbox.id)?,
                    Kind::Device => relay.limits.device(mailbox.id)?,
                }
                Ok(Self(mailbox))
            }
            Err(error) => {
                relay.limits.stranger(peer(parts)?)?;
                Err(error)
            }
        }
    }
}

impl FromRequestParts<Arc<Relay>> for FromHost {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, relay: &Arc<Relay>) -> Result<Self, Error> {
        let Caller(mailbox) = Caller::from_request_parts(parts, relay).await?;
        match mailbox.kind {
            Kind::Host => Ok(Self(mailbox)),
            Kind::Device => Err(Error::Kind),
        }
    }
}

impl FromRequestParts<Arc<Relay>> for FromDevice {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, relay: &Arc<Relay>) -> Result<Self, Error> {
        let Caller(mailbox) = Caller::from_request_parts(parts, relay).await?;
        match mailbox.kind {
            Kind::Device => Ok(Self(mailbox)),
            Kind::Host => Err(Error::Kind),
        }
    }
}

/// Anyone at all, within the limits of their address.
pub struct Stranger;

impl FromRequestParts<Arc<Relay>> for Stranger {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, relay: &Arc<Relay>) -> Result<Self, Error> {
        relay.limits.stranger(peer(parts)?)?;
        Ok(Self)
    }
}

pub(super) fn peer(parts: &Parts) -> Result<IpAddr, Error> {
    // The server always puts it there; without it, nobody could be limited.
    parts
        .extensions
        .get::<Peer>()
        .map(|peer| peer.0)
        .ok_or(Error::Internal("a request without an address"))
}

/// The claim that a request shows.
pub(super) fn bearer(parts: &Parts) -> Result<&str, Error> {
    let shown = parts.headers.get(header::AUTHORIZATION);
    let bearer = shown
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    bearer.ok_or(Error::Claim("there is none"))
}

impl Relay {
    fn caller(&self, parts: &Parts) -> Result<Arc<Mailbox>, Error> {
        let bearer = bearer(parts)?;
        let digest = sha256(&[bearer.as_bytes()]);
        let (key, claim) = match self.auth.recall(&digest) {
            Some(known) => known,
            None => self.auth.verify(self, bearer, digest)?,
        };
        if !claim.fresh(clock::now()) {
            return Err(Error::Clock);
        }
        // Looked up each time: a mailbox that was closed opens no door, whatever is remembered.
        let mailbox = self.mailbox_of(&key).ok_or(Error::Claim("its mailbox is closed"))?;
        if claim.sub != mailbox.id {
            return Err(Error::Claim("its key belongs to another mailbox"));
        }
        Ok(mailbox)
    }
}

type Known = (KeyId, Claim);

/// Claims whose signature was verified. Two generations: when the young one is full, the old one is forgotten.
pub struct Memo {
    audience: String,
    generations: Mutex<[HashMap<Digest, Known>; 2]>,
}

impl Memo {
    /// For the relay at `public_url`.
    pub fn new(public_url: &str) -> Self {
        Self {
            audience: public_url.to_owned(),
            generations: Mutex::default(),
        }
    }

    /// To whom claims must be made out.
    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    fn recall(&self, digest: &Digest) -> Option<Known> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.iter().find_map(|known| known.get(digest)).cloned()
    }

    fn verify(&self, relay: &Relay, bearer: &str, digest: Digest) -> Result<Known, Error> {
        let key = Claim::claimed_key(bearer).map_err(|_| Error::Claim("it is malformed"))?;
        let mailbox = relay.mailbox_of(&key).ok_or(Error::Claim("its key has no mailbox"))?;
        let claim = Claim::verify(bearer, &mailbox.key, &self.audience).map_err(|error| {
            tracing::debug!(%error, "a claim was refused");
            Error::Claim("it does not verify for this relay")
        })?;
        // One that is not fresh may become so (a clock ahead), but is not worth a place.
        if claim.fresh(clock::now()) {
            let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
            if generations[0].len() >= REMEMBERED {
                let full = std::mem::take(&mut generations[0]);
                generations[1] = full;
            }
            generations[0].insert(digest, (key, claim.clone()));
        }
        Ok((key, claim))
    }
}
