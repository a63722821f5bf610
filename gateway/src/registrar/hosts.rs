//! Hosts: joining with a token, and the calls that only a certified host may make.

use super::issue::Issued;
use super::{News, Registrar, first_time, near, random_id, refuse, refuse_clock, refuse_token};
use crate::store::registrar::{self as rows, HostToken};
use crate::store::{SqliteConnection, StoreError, enrolments, overview};
use assent_proto::cert::{Host, Identity};
use assent_proto::registrar::{HostAsk, HostJoin, HostRequest, HostWant, Refused, Reply};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use assent_proto::{Id, sha256};

/// Wrong proofs after which a join token is dead.
pub const JOIN_TRIES: i64 = 5;
/// Bytes of certificates that one reply holds.
const MAX_DEVICES_BYTES: usize = 40 * 1024;

impl Registrar {
    /// A host joins with a token.
    pub(super) async fn join_host(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        join: &HostJoin,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let Ok(token_id) = join.token_id() else {
            return Ok(refuse(Refused::Malformed, "the request is not signed by the key in it"));
        };
        let Some(mut token) = rows::host_token(conn, token_id).await? else {
            tracing::warn!(%token_id, "a host came with an unknown token");
            return Ok(refuse_token());
        };
        let digest = sha256(&[join.mac.0.as_slice(), join.request.as_bytes()]);
        if let Some((used_by, host)) = token.used {
            return joined_before(conn, &token, used_by == digest, host, now).await;
        }
        let Some(secret) = token.secret.take().filter(|_| now <= token.ends_at) else {
            tracing::warn!(%token_id, "a host came with a token that is over");
            return Ok(refuse_token());
        };
        let Some(request) = join.verify(token_id, &secret) else {
            token.tries += 1;
            let dead = token.tries >= JOIN_TRIES;
            token.secret = (!dead).then_some(secret);
            rows::save_host_token(conn, &token).await?;
            tracing::warn!(%token_id, tries = token.tries, dead, "a host came with a wrong proof");
            return Ok(refuse_token());
        };
        if let Some(refusal) = unfit(&request, &token, now) {
            return Ok(refusal);
        }
        let host_id = match own_id(conn, &request).await? {
            Ok(id) => id,
            Err(refusal) => return Ok(refusal),
        };
        let document = match self.issue_host(conn, news, host_id, &request, now).await? {
            Issued::Yes(document) => document,
            Issued::No(refusal) => return Ok(refusal),
        };
        token.used = Some((digest, host_id));
        rows::save_host_token(conn, &token).await?;
        tracing::info!(%host_id, name = visible(&token.name), key = %request.sign.id(), "a host joined");
        Ok(Reply::HostCertified { host: document })
    }

    /// A certified host asks.
    pub(super) async fn host_asks(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        signed: &str,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let host = match self.certified_host(conn, signed, now).await? {
            Ok(host) => host,
            Err(refusal) => return Ok(refusal),
        };
        let Ok(ask) = HostAsk::verify(signed, &host) else {
            return Ok(refuse_caller("its signature or content is wrong"));
        };
        if !near(ask.iat, now) {
            return Ok(refuse_clock(ask.iat, now));
        }
        if !first_time(conn, &host.claims().sign.id(), ask.n, ask.iat).await? {
            tracing::warn!(host = %ask.host_id, "a host's call came a second time");
            return Ok(refuse(Refused::Replay, "this very call came before"));
        }
        let host_id = host.claims().host_id;
        let ended = self.keys().verify_host(host.document(), now).is_err();
        match ask.what {
            HostWant::Renew => match self.renew_host(conn, news, &host, now).await? {
                Issued::Yes(host) => Ok(Reply::HostCertified { host }),
                Issued::No(refusal) => Ok(refusal),
            },
            _ if ended => Ok(refuse_caller("its certificate has ended; it may only renew it")),
            HostWant::Devices { identity } => Self::devices(conn, &identity, now).await,
            HostWant::OpenEnrolment {
                token_id,
                secret,
                owner,
            } => self.open_enrolment(conn, host_id, token_id, secret, owner, now).await,
            HostWant::Enrolment { token_id } => Self::enrolment_state(conn, host_id, token_id, now).await,
            HostWant::ConfirmEnrolment { token_id, digits } => {
                self.confirm_enrolment(conn, news, host_id, token_id, digits.as_str(), now)
                    .await
            }
            HostWant::OpenFirst {
                token_id,
                secret,
                owner,
                ttl,
            } => {
                self.open_first(conn, host_id, (token_id, secret), owner, ttl, now)
                    .await
            }
            HostWant::ConfirmFirst { token_id, digits } => {
                self.confirm_first(conn, news, host_id, token_id, digits.as_str(), now)
                    .await
            }
            HostWant::EndEnrolment { token_id } => Self::withdraw_enrolment(conn, host_id, token_id, now).await,
            HostWant::OpenLink {
                token_id,
                secret,
                owner,
                ttl,
            } => self.open_link(conn, host_id, (token_id, secret), owner, ttl, now).await,
            HostWant::Revocations(want) => Ok(self.list_part(host_id, want)),
            HostWant::Exceptions(told) => {
                overview::tell(conn, host_id, &told, now).await?;
                Ok(Reply::Noted)
            }
        }
    }

    /// The host of the key that a call claims. Its certificate may have ended a while ago: it may then renew it and ask
    /// nothing else.
    async fn certified_host(
        &self,
        conn: &mut SqliteConnection,
        signed: &str,
        now: UnixTime,
    ) -> Result<Result<Host, Reply>, StoreError> {
        let Ok(key) = HostAsk::claimed_key(signed) else {
            return Ok(Err(refuse(Refused::Malformed, "the call is no signed document")));
        };
        let known = rows::host_by_key(conn, &key)
            .await?
            .filter(|host| host.revoked.is_none());
        let Some(known) = known else {
            return Ok(Err(refuse_caller("its key is not certified, or not any more")));
        };
        Ok(self
            .keys()
            .verify_host_renewable(&known.document, now)
            .map_err(|error| {
                tracing::warn!(host = %known.id, %error, "a host's certificate does not hold");
                refuse_caller("its certificate does not hold")
            }))
    }

    async fn devices(conn: &mut SqliteConnection, identity: &Identity, now: UnixTime) -> Result<Reply, StoreError> {
        let mut devices = rows::active_devices(conn, identity, now).await?;
        let mut bytes = 0;
        let fit = devices.iter().take_while(|document| {
            bytes += document.len() + 3;
            bytes <= MAX_DEVICES_BYTES
        });
        let fit = fit.count();
        if fit < devices.len() {
            tracing::warn!(%identity, fit, all = devices.len(), "a person has more devices than fit into a reply; the oldest are left out");
            devices.truncate(fit);
        }
        Ok(Reply::Devices { devices })
    }
}

/// The host that used the token may ask once more (its reply was lost); nobody else.
async fn joined_before(
    conn: &mut SqliteConnection,
    token: &HostToken,
    same: bool,
    host: Id,
    now: UnixTime,
) -> Result<Reply, StoreError> {
    if same
        && now <= token.ends_at
        && let Some(host) = rows::host(conn, host).await?
        && host.revoked.is_none()
    {
        tracing::info!(host_id = %host.id, "a host asked for its certificate once more");
        return Ok(Reply::HostCertified { host: host.document });
    }
    tracing::warn!(token_id = %token.id, "a host came with a used token");
    Ok(refuse_token())
}

/// What is wrong with a request whose proof is right. The token stays good: its holder can mend it.
fn unfit(request: &HostRequest, token: &HostToken, now: UnixTime) -> Option<Reply> {
    if request.display.as_str() != token.name {
        tracing::warn!(token_id = %token.id, name = ?request.display, "a host came with another host's token");
        let text = format!("this token is for a host named \"{}\"", visible(&token.name));
        return Some(refuse(Refused::Token, &text));
    }
    (!near(request.iat, now)).then(|| refuse_clock(request.iat, now))
}

/// A new id, or the one that this very key has already under the same name (it joins again).
async fn own_id(conn: &mut SqliteConnection, request: &HostRequest) -> Result<Result<Id, Reply>, StoreError> {
    let key = request.sign.id();
    let in_use = || refuse(Refused::Malformed, "this key is in use already; make a new one");
    if rows::device_has_key(conn, &key).await? || enrolments::bound_key(conn, &key).await?.is_some() {
        return Ok(Err(in_use()));
    }
    match rows::host_by_key(conn, &key).await? {
        None => Ok(Ok(random_id()?)),
        Some(host) if host.revoked.is_none() && host.name == request.display.as_str() => Ok(Ok(host.id)),
        Some(_) => Ok(Err(in_use())),
    }
}

fn refuse_caller(why: &'static str) -> Reply {
    tracing::warn!(why, "a host's call was refused");
    refuse(
        Refused::Caller,
        "the registrar does not know this host, or not any more",
    )
}
