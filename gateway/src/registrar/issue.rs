//! Signing certificates: the one place that does. Each takes the next number of the log and stands in the log, in
//! the same transaction as everything that depends on it.

use super::{News, Registrar, random_id, refuse};
use crate::store::log::{self, Entry};
use crate::store::registrar as rows;
use crate::store::relay::{Kind, Mailbox};
use crate::store::revocations as lists;
use crate::store::{SqliteConnection, StoreError};
use assent_proto::Id;
use assent_proto::cert::{CertError, DeviceOwner, Issuance, sign_device, sign_host};
use assent_proto::enrol::DeviceRequest;
use assent_proto::registrar::{HostRequest, Refused, Reply};
use assent_proto::time::UnixTime;
use std::sync::atomic::Ordering;

/// A certificate, or the refusal to sign one.
pub(super) enum Issued {
    Yes(String),
    No(Reply),
}

impl Registrar {
    /// Certifies a host.
    pub(super) async fn issue_host(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        host_id: Id,
        request: &HostRequest,
        now: UnixTime,
    ) -> Result<Issued, StoreError> {
        let issuance = match self.issuance(conn, self.lives.host_days, now).await? {
            Ok(issuance) => issuance,
            Err(refusal) => return Ok(Issued::No(refusal)),
        };
        let (issuer, key) = (&self.keys.issuer, &self.keys.pair.sign);
        let signed =
            sign_host(issuer, key, host_id, request, issuance).and_then(|document| issuer.verify_host(&document, now));
        let host = match signed {
            Ok(host) => host,
            Err(error) => return Ok(Issued::No(not_signed(&error))),
        };
        log::append(conn, issuance.log_index, now, Entry::Host, host.document()).await?;
        rows::put_host(conn, host.claims(), host.document()).await?;
        lists::put_certificate(conn, host_id, issuance.serial, host.claims().exp).await?;
        news.opened.push(Mailbox {
            id: host_id,
            kind: Kind::Host,
            key: request.sign.clone(),
        });
        Ok(Issued::Yes(host.document().to_owned()))
    }

    /// Certifies a device.
    pub(super) async fn issue_device(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        owner: &DeviceOwner,
        request: &DeviceRequest,
        now: UnixTime,
    ) -> Result<Issued, StoreError> {
        let issuance = match self.issuance(conn, self.lives.device_days, now).await? {
            Ok(issuance) => issuance,
            Err(refusal) => return Ok(Issued::No(refusal)),
        };
        let (issuer, key) = (&self.keys.issuer, &self.keys.pair.sign);
        let id = random_id()?;
        let signed = sign_device(issuer, key, id, owner.clone(), request, issuance)
            .and_then(|document| issuer.verify_device(&document, now));
        let device = match signed {
            Ok(device) => device,
            Err(error) => return Ok(Issued::No(not_signed(&error))),
        };
        log::append(conn, issuance.log_index, now, Entry::Device, device.document()).await?;
        rows::put_device(conn, device.claims(), device.document()).await?;
        lists::put_certificate(conn, id, issuance.serial, device.claims().exp).await?;
        news.opened.push(Mailbox {
            id,
            kind: Kind::Device,
            key: request.sign.clone(),
        });
        news.generation = Some(rows::next_generation(conn).await?);
        Ok(Issued::Yes(device.document().to_owned()))
    }

    async fn issuance(
        &self,
        conn: &mut SqliteConnection,
        days: u32,
        now: UnixTime,
    ) -> Result<Result<Issuance, Reply>, StoreError> {
        if !self.log_is_whole.load(Ordering::Acquire) {
            tracing::error!("nothing is certified: the log was changed");
            return Ok(Err(refuse(
                Refused::Internal,
                "the registrar's log was changed; it certifies nothing",
            )));
        }
        Ok(Ok(Issuance {
            nbf: now,
            days,
            serial: random_id()?,
            log_index: log::next_index(conn).await?,
        }))
    }
}

fn not_signed(error: &CertError) -> Reply {
    // Its words quote outside text only through `visible`.
    let text = error.to_string();
    tracing::warn!(error = text, "a certificate was not signed");
    match error {
        CertError::NameSpace(_) => refuse(Refused::NameSpace, &text),
        CertError::Document(_) | CertError::Identities => refuse(Refused::Malformed, &text),
        CertError::UnknownRoot(_) | CertError::Time { .. } => refuse(Refused::Internal, &text),
    }
}
