//! Enrolments of devices. A host vouches for a user and opens one; a device that knows the one-time secret binds its
//! keys to it; the six digits that the user carries from the device to the terminal close it. A user who has a device
//! gets no second one this way.

use super::issue::Issued;
use super::{News, Registrar, first_time, near, refuse, refuse_clock, refuse_token};
use crate::store::enrolments::{self, Row, Stage};
use crate::store::registrar as rows;
use crate::store::{SqliteConnection, StoreError};
use assent_proto::cert::{DeviceOwner, Identity, MAX_LABEL};
use assent_proto::enrol::{DeviceRequest, Enrolment, OneTimeSecret};
use assent_proto::registrar::{DIGIT_TRIES, DeviceAsk, ENROL_TRIES, ENROL_TTL, EnrolmentState, Refused, Reply};
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText, sha256};

impl Registrar {
    /// A host vouches for a user.
    pub(super) async fn open_enrolment(
        &self,
        conn: &mut SqliteConnection,
        host: Id,
        token_id: Id,
        secret: OneTimeSecret,
        owner: DeviceOwner,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        if let Err(error) = self.keys.issuer.allows_identities(&owner.identities) {
            let text = error.to_string();
            tracing::warn!(%host, error = text, "an enrolment outside the name space was refused");
            return Ok(refuse(Refused::NameSpace, &text));
        }
        if let Some(identity) = owner.identities.iter().find(|identity| !may_vouch(host, identity)) {
            tracing::warn!(%host, %identity, "a host vouched for another host's user");
            return Ok(refuse(
                Refused::NameSpace,
                "a host vouches for its own local users alone",
            ));
        }
        if has_device(conn, &owner.identities, now).await? {
            tracing::warn!(%host, name = ?owner.name, "an enrolment for a user who has a device was refused");
            return Ok(refuse_second());
        }
        if enrolments::find(conn, token_id, now).await?.is_some() {
            return Ok(refuse(Refused::Token, "this token was opened before; make a new one"));
        }
        for identity in &owner.identities {
            enrolments::end_open(conn, identity).await?;
        }
        let row = Row {
            token_id,
            host,
            owner,
            secret: Some(secret),
            opened: now,
            ends_at: now.plus(ENROL_TTL),
            stage: Stage::Waiting,
            tries: 0,
            digit_tries: 0,
            bound: None,
            device: None,
        };
        enrolments::insert(conn, &row).await?;
        tracing::info!(%host, %token_id, name = ?row.owner.name, "an enrolment is open");
        Ok(Reply::EnrolmentOpen { until: row.ends_at })
    }

    /// A device comes with a token.
    pub(super) async fn enrol_device(
        conn: &mut SqliteConnection,
        enrolment: &Enrolment,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let Ok(token_id) = enrolment.token_id() else {
            return Ok(refuse(Refused::Malformed, "the request is not signed by the key in it"));
        };
        let Some(mut row) = enrolments::find(conn, token_id, now).await? else {
            tracing::warn!(%token_id, "a device came with an unknown token");
            return Ok(refuse_token());
        };
        if let Some((bound, _)) = &row.bound {
            // The very request that is bound may come again: its reply was lost.
            if bound == enrolment && row.stage != Stage::Over {
                return Ok(Reply::Enrolment(state(conn, &row).await?));
            }
            tracing::warn!(%token_id, "a second device came with the same token");
            return Ok(refuse_token());
        }
        let Some(secret) = row.secret.as_ref().filter(|_| row.stage == Stage::Waiting) else {
            tracing::warn!(%token_id, "a device came with a token that is over");
            return Ok(refuse_token());
        };
        let Some(request) = enrolment.verify(token_id, secret) else {
            row.tries += 1;
            if row.tries >= i64::from(ENROL_TRIES) {
                row.end(Stage::Over);
            }
            enrolments::save(conn, &row).await?;
            tracing::warn!(%token_id, tries = row.tries, "a device came with a wrong proof");
            return Ok(refuse_token());
        };
        if let Some(refusal) = unfit(conn, &request).await? {
            return Ok(refusal);
        }
        tracing::info!(%token_id, label = ?request.label, key = %request.sign.id(), "a device came");
        row.stage = Stage::Digits;
        row.bound = Some((enrolment.clone(), request.sign));
        enrolments::save(conn, &row).await?;
        Ok(Reply::Enrolment(state(conn, &row).await?))
    }

    /// The host that opened an enrolment asks how it stands.
    pub(super) async fn enrolment_state(
        conn: &mut SqliteConnection,
        host: Id,
        token_id: Id,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let state = match own(conn, host, token_id, now).await? {
            Some(row) => state(conn, &row).await?,
            None => EnrolmentState::Over,
        };
        Ok(Reply::Enrolment(state))
    }

    /// The digits come back from the user.
    pub(super) async fn confirm_enrolment(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        host: Id,
        token_id: Id,
        digits: &str,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let Some(mut row) = own(conn, host, token_id, now).await? else {
            return Ok(Reply::Enrolment(EnrolmentState::Over));
        };
        let (Stage::Digits, Some((bound, _)), Some(secret)) = (row.stage, &row.bound, &row.secret) else {
            return Ok(Reply::Enrolment(state(conn, &row).await?));
        };
        // Digests are compared in constant time.
        if sha256(&[digits.as_bytes()]) != sha256(&[bound.digits().as_bytes()]) {
            row.digit_tries += 1;
            if row.digit_tries >= i64::from(DIGIT_TRIES) {
                row.end(Stage::Over);
            }
            enrolments::save(conn, &row).await?;
            tracing::warn!(%host, %token_id, tries = row.digit_tries, "wrong digits");
            return Ok(Reply::Enrolment(state(conn, &row).await?));
        }
        let Some(request) = bound.verify(token_id, secret) else {
            return Err(StoreError::Row("enrolment"));
        };
        // Another enrolment may have been confirmed since this one was opened.
        if has_device(conn, &row.owner.identities, now).await? {
            row.end(Stage::Over);
            enrolments::save(conn, &row).await?;
            return Ok(refuse_second());
        }
        let document = match self.issue_device(conn, news, &row.owner, &request, now).await? {
            Issued::Yes(document) => document,
            Issued::No(refusal) => return Ok(refusal),
        };
        let device = news.opened.last().map(|mailbox| mailbox.id);
        row.end(Stage::Certified);
        row.device = device;
        enrolments::save(conn, &row).await?;
        tracing::info!(%host, device = ?device, name = ?row.owner.name, label = ?request.label, "a device was certified");
        Ok(Reply::Enrolment(EnrolmentState::Certified { device: document }))
    }

    /// A device asks how its enrolment stands.
    pub(super) async fn device_asks(
        conn: &mut SqliteConnection,
        signed: &str,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let unknown = || refuse(Refused::Caller, "the registrar does not know this device");
        let Ok(key_id) = DeviceAsk::claimed_key(signed) else {
            return Ok(refuse(Refused::Malformed, "the call is no signed document"));
        };
        let Some(key) = enrolments::bound_key(conn, &key_id).await? else {
            return Ok(unknown());
        };
        let Ok(ask) = DeviceAsk::verify(signed, &key) else {
            return Ok(unknown());
        };
        if !near(ask.iat, now) {
            return Ok(refuse_clock(ask.iat, now));
        }
        if !first_time(conn, &key_id, ask.n, ask.iat).await? {
            return Ok(refuse(Refused::Replay, "this very call came before"));
        }
        let row = enrolments::find(conn, ask.token_id, now).await?;
        match row.filter(|row| row.bound.as_ref().is_some_and(|(_, bound)| *bound == key)) {
            Some(row) => Ok(Reply::Enrolment(state(conn, &row).await?)),
            None => Ok(unknown()),
        }
    }
}

/// Realms that end in a host's id belong to that host: nobody else vouches for them (R28).
fn may_vouch(host: Id, identity: &Identity) -> bool {
    match identity.realm.as_str().split_once('@') {
        Some(("nss" | "local", owner)) => owner == host.encode(),
        Some(_) | None => true,
    }
}

async fn has_device(conn: &mut SqliteConnection, identities: &[Identity], now: UnixTime) -> Result<bool, StoreError> {
    for identity in identities {
        if !rows::active_devices(conn, identity, now).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refuse_second() -> Reply {
    refuse(
        Refused::HasDevice,
        "this user has a device; an admin can revoke it first",
    )
}

/// An enrolment that this host opened.
async fn own(conn: &mut SqliteConnection, host: Id, token_id: Id, now: UnixTime) -> Result<Option<Row>, StoreError> {
    Ok(enrolments::find(conn, token_id, now)
        .await?
        .filter(|row| row.host == host))
}

/// What is wrong with a request whose proof is right.
async fn unfit(conn: &mut SqliteConnection, request: &DeviceRequest) -> Result<Option<Reply>, StoreError> {
    if request.label.as_str().len() > MAX_LABEL || request.ua.as_str().len() > 4 * MAX_LABEL {
        return Ok(Some(refuse(Refused::Malformed, "the device's label is too long")));
    }
    let key = request.sign.id();
    let used = rows::device_has_key(conn, &key).await?
        || rows::host_by_key(conn, &key).await?.is_some()
        || enrolments::bound_key(conn, &key).await?.is_some();
    Ok(used.then(|| refuse(Refused::Malformed, "this key is in use already; make a new one")))
}

async fn state(conn: &mut SqliteConnection, row: &Row) -> Result<EnrolmentState, StoreError> {
    Ok(match row.stage {
        Stage::Waiting => EnrolmentState::Waiting,
        Stage::Over => EnrolmentState::Over,
        Stage::Digits => EnrolmentState::Digits {
            label: label_of(row).ok_or(StoreError::Row("enrolment"))?,
            tries: u8::try_from(i64::from(DIGIT_TRIES) - row.digit_tries).unwrap_or(0),
        },
        Stage::Certified => match row.device {
            None => return Err(StoreError::Row("enrolment")),
            Some(device) => match rows::device(conn, device).await? {
                Some(device) if device.revoked.is_none() => EnrolmentState::Certified {
                    device: device.document,
                },
                Some(_) | None => EnrolmentState::Over,
            },
        },
    })
}

fn label_of(row: &Row) -> Option<ShortText> {
    let ((bound, _), secret) = (row.bound.as_ref()?, row.secret.as_ref()?);
    bound.verify(row.token_id, secret).map(|request| request.label)
}
