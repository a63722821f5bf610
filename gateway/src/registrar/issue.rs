//! Signing certificates: the one place that does. Each takes the next number of the log and stands in the log, in
//! the same transaction as everything that depends on it.

use super::{News, Registrar, random_id, refuse};
use crate::store::log::{self, Entry};
use crate::store::registrar as rows;
use crate::store::relay::{Kind, Mailbox};
use crate::store::revocations as lists;
use crate::store::{SqliteConnection, StoreError, code_services};
use assent_proto::Id;
use assent_proto::cert::{
    CertError, DAY, Device, DeviceOwner, Host, Issuance, claimed_issuer, renew_device, renew_host, sign_device,
    sign_host,
};
use assent_proto::code_service::{CodeService, CodeServiceRequest, sign_code_service};
use assent_proto::enrol::DeviceRequest;
use assent_proto::life::{Age, Life};
use assent_proto::passkey::Passkey;
use assent_proto::registrar::{HostRequest, Refused, Reply};
use assent_proto::time::UnixTime;
use std::sync::atomic::Ordering;

/// Days that the code service's certificate lives.
const CODE_SERVICE_DAYS: u32 = 90;

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
        let keys = self.keys();
        let (issuer, key) = (&keys.current().issuer, &keys.current().pair.sign);
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

    /// Certifies a device, with the passkey that its request has proven.
    pub(super) async fn issue_device(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        owner: &DeviceOwner,
        (request, passkey): (&DeviceRequest, Option<Passkey>),
        now: UnixTime,
    ) -> Result<Issued, StoreError> {
        let issuance = match self.issuance(conn, self.lives.device_days, now).await? {
            Ok(issuance) => issuance,
            Err(refusal) => return Ok(Issued::No(refusal)),
        };
        let keys = self.keys();
        let (issuer, key) = (&keys.current().issuer, &keys.current().pair.sign);
        let id = random_id()?;
        let signed = sign_device(issuer, key, id, owner.clone(), (request, passkey), issuance)
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

    /// Certifies a host anew, for the keys that it has. The certificate that it has is the answer where it is young, or where
    /// no later one can be had because the issuing key ends with it: the log must not grow by impatience. One of an older
    /// issuing key is always renewed.
    pub(super) async fn renew_host(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        host: &Host,
        now: UnixTime,
    ) -> Result<Issued, StoreError> {
        let keys = self.keys();
        let (issuer, key) = (&keys.current().issuer, &keys.current().pair.sign);
        let as_it_is = || Ok(Issued::Yes(host.document().to_owned()));
        let of_this_key = claimed_issuer(host.document()) == Some(key.public().id());
        if of_this_key && host.life().age(now) == Age::Young {
            return as_it_is();
        }
        let issuance = match self.issuance(conn, self.lives.host_days, now).await? {
            Ok(issuance) => issuance,
            Err(refusal) => return Ok(Issued::No(refusal)),
        };
        let signed = renew_host(issuer, key, host, issuance).and_then(|document| issuer.verify_host(&document, now));
        let renewed = match signed {
            Ok(renewed) => renewed,
            Err(error) => return Ok(Issued::No(not_signed(&error))),
        };
        if of_this_key && !is_later(renewed.life(), host.life()) {
            return as_it_is();
        }
        let claims = renewed.claims();
        log::append(conn, issuance.log_index, now, Entry::Host, renewed.document()).await?;
        rows::put_host(conn, claims, renewed.document()).await?;
        lists::put_certificate(conn, claims.host_id, claims.serial, claims.exp).await?;
        news.opened.push(Mailbox {
            id: claims.host_id,
            kind: Kind::Host,
            key: claims.sign.clone(),
        });
        tracing::info!(host = %claims.host_id, until = claims.exp.0, "a host's certificate was renewed");
        Ok(Issued::Yes(renewed.document().to_owned()))
    }

    /// Certifies a device anew: the same keys, people, label and level. Otherwise as [`Self::renew_host`].
    pub(super) async fn renew_device(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        device: &Device,
        now: UnixTime,
    ) -> Result<Issued, StoreError> {
        let keys = self.keys();
        let (issuer, key) = (&keys.current().issuer, &keys.current().pair.sign);
        let as_it_is = || Ok(Issued::Yes(device.document().to_owned()));
        let of_this_key = claimed_issuer(device.document()) == Some(key.public().id());
        if of_this_key && device.life().age(now) == Age::Young {
            return as_it_is();
        }
        let issuance = match self.issuance(conn, self.lives.device_days, now).await? {
            Ok(issuance) => issuance,
            Err(refusal) => return Ok(Issued::No(refusal)),
        };
        let signed =
            renew_device(issuer, key, device, issuance).and_then(|document| issuer.verify_device(&document, now));
        let renewed = match signed {
            Ok(renewed) => renewed,
            Err(error) => return Ok(Issued::No(not_signed(&error))),
        };
        if of_this_key && !is_later(renewed.life(), device.life()) {
            return as_it_is();
        }
        let claims = renewed.claims();
        log::append(conn, issuance.log_index, now, Entry::Device, renewed.document()).await?;
        rows::renew_device(conn, claims, renewed.document()).await?;
        lists::put_certificate(conn, claims.device_id, claims.serial, claims.exp).await?;
        news.opened.push(Mailbox {
            id: claims.device_id,
            kind: Kind::Device,
            key: claims.sign.clone(),
        });
        // Hosts that remember the old certificate ask anew; until then it holds as well: the key is the same.
        news.generation = Some(rows::next_generation(conn).await?);
        tracing::info!(device = %claims.device_id, until = claims.exp.0, "a device's certificate was renewed");
        Ok(Issued::Yes(renewed.document().to_owned()))
    }

    /// Certifies a code service. Its newest certificate is the answer while it is young, or where no later one can be had.
    pub(super) async fn issue_code_service(
        &self,
        conn: &mut SqliteConnection,
        request: &CodeServiceRequest,
        now: UnixTime,
    ) -> Result<Option<CodeService>, StoreError> {
        let keys = self.keys();
        let (issuer, key) = (&keys.current().issuer, &keys.current().pair.sign);
        let key_id = request.sign.id();
        let known = code_services::find(conn, &key_id).await?;
        if known.as_ref().is_some_and(|known| known.revoked.is_some()) {
            tracing::error!(key = %key_id, "the code service's key is revoked and not certified again; it needs a new one");
            return Ok(None);
        }
        let held = known
            .as_ref()
            .and_then(|known| issuer.verify_code_service(&known.document, now).ok());
        if let Some(held) = &held
            && held.life().age(now) == Age::Young
        {
            return Ok(Some(held.clone()));
        }
        let issuance = match self.issuance(conn, CODE_SERVICE_DAYS, now).await? {
            Ok(issuance) => issuance,
            Err(_) => return Ok(held),
        };
        let signed = sign_code_service(issuer, key, request, issuance)
            .and_then(|document| issuer.verify_code_service(&document, now));
        let service = match signed {
            Ok(service) => service,
            Err(error) => {
                tracing::error!(%error, "the code service was not certified");
                return Ok(held);
            }
        };
        if held.as_ref().is_some_and(|held| !is_later(service.life(), held.life())) {
            return Ok(held);
        }
        let subject = match known {
            Some(known) => known.subject,
            None => random_id()?,
        };
        let exp = service.claims().exp;
        log::append(conn, issuance.log_index, now, Entry::CodeService, service.document()).await?;
        code_services::put(conn, &key_id, subject, service.document(), exp).await?;
        lists::put_certificate(conn, subject, issuance.serial, exp).await?;
        tracing::info!(key = %key_id, until = exp.0, "the code service was certified");
        Ok(Some(service))
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

/// Whether a new certificate is worth its row in the log.
fn is_later(renewed: Life, old: Life) -> bool {
    renewed.exp > old.exp.plus(DAY / 24)
}

fn not_signed(error: &CertError) -> Reply {
    // Its words quote outside text only through `visible`.
    let text = error.to_string();
    tracing::warn!(error = text, "a certificate was not signed");
    match error {
        CertError::NameSpace(_) => refuse(Refused::NameSpace, &text),
        CertError::Document(_) | CertError::Identities => refuse(Refused::Malformed, &text),
        CertError::UnknownRoot(_) | CertError::UnknownIssuer(_) | CertError::Time { .. } => {
            refuse(Refused::Internal, &text)
        }
    }
}
