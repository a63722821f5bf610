//! Enrolments of devices. A host vouches for a user, or the panel has signed one in, and opens one; a device that knows
//! the one-time secret binds its keys to it; the six digits that the user carries from the device to the terminal or
//! page close it. For a user who has a device, that device must approve besides ([`super::approvals`]).

use super::approvals::{APPROVAL_TTL, Ask, Purpose, Wish};
use super::issue::Issued;
use super::notice::Change;
use super::{News, Registrar, first_time, near, refuse, refuse_clock, refuse_token};
use crate::qr;
use crate::store::enrolments::{self, Bound, Row, Stage};
use crate::store::registrar as rows;
use crate::store::{SqliteConnection, StoreError};
use assent_proto::cert::{Device, DeviceOwner, Identity, MAX_LABEL, REGISTRAR_NAME};
use assent_proto::enrol::{DeviceRequest, Enrolment, OneTimeSecret, Token};
use assent_proto::passkey::Passkey;
use assent_proto::registrar::{
    DIGIT_TRIES, DeviceAsk, ENROL_OPENED, ENROL_TRIES, ENROL_TTL, EnrolmentState, Modules, Refused, Reply,
};
use assent_proto::time::UnixTime;
use assent_proto::{Digest, Id, Nonce, ShortText, sha256};
use zeroize::Zeroizing;

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
        if let Some(refusal) = self.not_vouched(host, &owner) {
            return Ok(refusal);
        }
        self.open_for(conn, host, (token_id, secret), owner, ENROL_TTL, now)
            .await
    }

    /// Opens an enrolment of `ttl` seconds for somebody whom `host` (or the panel, as the registrar's own host) has proven.
    pub(super) async fn open_for(
        &self,
        conn: &mut SqliteConnection,
        host: Id,
        (token_id, secret): (Id, OneTimeSecret),
        owner: DeviceOwner,
        ttl: u64,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        if let Some(refusal) = self.not_now(conn, &owner, 0, now).await? {
            return Ok(refusal);
        }
        self.open_anyway(conn, host, (token_id, secret), owner, ttl, now).await
    }

    /// A device's user moves to another device. It was proven by the device's signature.
    pub(super) async fn open_move(
        &self,
        conn: &mut SqliteConnection,
        device: Id,
        token: (Id, OneTimeSecret),
        owner: DeviceOwner,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        if let Some(refusal) = self.not_now(conn, &owner, 1, now).await? {
            return Ok(refusal);
        }
        let (id, secret) = token;
        let link = Token {
            id,
            secret: secret.clone(),
            root: self.keys().roots.current().fingerprint(),
        };
        let link = Zeroizing::new(format!("{}/e#{}", self.rules.app_origin, link.to_text().as_str()));
        let Some(qr) = qr::rows(&link) else {
            return Ok(refuse(Refused::Internal, "the app's address is too long for a QR code"));
        };
        Ok(
            match self
                .open_anyway(conn, device, (id, secret), owner, ENROL_TTL, now)
                .await?
            {
                Reply::EnrolmentOpen { until } => Reply::MoveOpen { until, qr: Modules(qr) },
                refusal => refusal,
            },
        )
    }

    async fn open_anyway(
        &self,
        conn: &mut SqliteConnection,
        host: Id,
        (token_id, secret): (Id, OneTimeSecret),
        owner: DeviceOwner,
        ttl: u64,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        if let Ask::None = self.ask_whom(conn, &owner, now).await? {
            tracing::warn!(%host, name = ?owner.name, "an enrolment was refused: no device approves for all of the user's identities");
            return Ok(refuse_second());
        }
        if enrolments::find(conn, token_id, now).await?.is_some() {
            return Ok(refuse(Refused::Token, "this token was opened before; make a new one"));
        }
        let lately = UnixTime(now.0.saturating_sub(ENROL_TTL));
        for identity in &owner.identities {
            if enrolments::opened_since(conn, identity, lately).await? >= i64::from(ENROL_OPENED) {
                tracing::warn!(%host, name = ?owner.name, "enrolments were opened for this user again and again");
                return Ok(refuse(
                    Refused::TooOften,
                    "too many enrolments were opened for this user; try again in ten minutes",
                ));
            }
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
            ends_at: now.plus(ttl),
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
        &self,
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
        if let Some(bound) = &row.bound {
            // The very request that is bound may come again: its reply was lost.
            if bound.enrolment == *enrolment && row.stage != Stage::Over {
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
        if let Err(why) = self.passkey_of(enrolment, &request) {
            tracing::warn!(%token_id, "a device came with a passkey that does not hold: {why}");
            return Ok(refuse(Refused::Malformed, &format!("the passkey is refused: {why}")));
        }
        tracing::info!(%token_id, label = ?request.label, key = %request.sign.id(), "a device came");
        row.stage = Stage::Digits;
        row.bound = Some(Bound {
            enrolment: enrolment.clone(),
            key: request.sign,
            // Not before: whoever knew it could make a request of the digits that he wants.
            n: Nonce::random().map_err(|_| StoreError::Random)?,
        });
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
        let (mut row, bound, request) = match Self::right_digits(conn, host, (token_id, digits), now).await? {
            Ok(right) => right,
            Err(state) => return Ok(Reply::Enrolment(state)),
        };
        // Another device may have been added, or removed, since this enrolment was opened.
        if let Some(refusal) = self.not_now(conn, &row.owner, 0, now).await? {
            row.end(Stage::Over);
            enrolments::save(conn, &row).await?;
            return Ok(refusal);
        }
        match self.ask_whom(conn, &row.owner, now).await? {
            Ask::Nobody => self.certify(conn, news, row, &request, now).await,
            Ask::None => {
                row.end(Stage::Over);
                enrolments::save(conn, &row).await?;
                Ok(refuse_second())
            }
            Ask::These(approvers) => {
                news.wish = Some(Wish {
                    purpose: Purpose::Add {
                        token_id,
                        request: sha256(&[bound.enrolment.request.as_bytes()]),
                    },
                    owner: row.owner.clone(),
                    approvers,
                    label: request.label,
                    digits: Some(bound.digits()),
                    proven: proven_by(conn, host).await?,
                });
                row.stage = Stage::Approval;
                row.ends_at = now.plus(u64::from(APPROVAL_TTL));
                enrolments::save(conn, &row).await?;
                Ok(Reply::Enrolment(state(conn, &row).await?))
            }
        }
    }

    /// The digits come back from the user, typed on the device that they move from. Its signature is the word of a registered
    /// device, by the rule for approvals: it must approve for everybody for whom the new one will. The new one is certified and
    /// this one removed, or neither.
    pub(super) async fn confirm_move(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        device: &Device,
        typed: (Id, &str),
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let from = device.claims().device_id;
        let (mut row, _, request) = match Self::right_digits(conn, from, typed, now).await? {
            Ok(right) => right,
            Err(state) => return Ok(Reply::Enrolment(state)),
        };
        let may = match self.not_now(conn, &row.owner, 1, now).await? {
            Some(refusal) => Err(refusal),
            None => match self.ask_whom(conn, &row.owner, now).await? {
                Ask::These(approvers) if approvers.include(from) => Ok(()),
                Ask::These(_) | Ask::Nobody | Ask::None => Err(refuse_second()),
            },
        };
        if let Err(refusal) = may {
            row.end(Stage::Over);
            enrolments::save(conn, &row).await?;
            return Ok(refusal);
        }
        let owner = row.owner.clone();
        let reply = self.certify(conn, news, row, &request, now).await?;
        if let Reply::Enrolment(EnrolmentState::Certified { .. }) = &reply {
            self.remove_device(conn, news, &owner, (from, Change::Removed), now)
                .await?;
        }
        Ok(reply)
    }

    /// An enrolment that `host` opened, whose digits these are, with what is bound to it; otherwise how it stands.
    async fn right_digits(
        conn: &mut SqliteConnection,
        host: Id,
        (token_id, digits): (Id, &str),
        now: UnixTime,
    ) -> Result<Result<(Row, Bound, DeviceRequest), EnrolmentState>, StoreError> {
        let Some(mut row) = own(conn, host, token_id, now).await? else {
            return Ok(Err(EnrolmentState::Over));
        };
        let (Stage::Digits, Some(bound), Some(secret)) = (row.stage, row.bound.clone(), &row.secret) else {
            return Ok(Err(state(conn, &row).await?));
        };
        // Digests are compared in constant time.
        if sha256(&[digits.as_bytes()]) != sha256(&[bound.digits().as_bytes()]) {
            row.digit_tries += 1;
            if row.digit_tries >= i64::from(DIGIT_TRIES) {
                row.end(Stage::Over);
            }
            enrolments::save(conn, &row).await?;
            tracing::warn!(%host, %token_id, tries = row.digit_tries, "wrong digits");
            return Ok(Err(state(conn, &row).await?));
        }
        match bound.enrolment.verify(token_id, secret) {
            Some(request) => Ok(Ok((row, bound, request))),
            None => Err(StoreError::Row("enrolment")),
        }
    }

    /// A device of the user approved: the certificate, if all still holds.
    pub(super) async fn certify_approved(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        token_id: Id,
        digest: Digest,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let Some(mut row) = enrolments::find(conn, token_id, now).await? else {
            return Ok(());
        };
        let (Stage::Approval, Some(bound), Some(secret)) = (row.stage, &row.bound, &row.secret) else {
            tracing::warn!(%token_id, "an approval came for an enrolment that is over");
            return Ok(());
        };
        if sha256(&[bound.enrolment.request.as_bytes()]) != digest {
            return Err(StoreError::Row("enrolment"));
        }
        let Some(request) = bound.enrolment.verify(token_id, secret) else {
            return Err(StoreError::Row("enrolment"));
        };
        // Or "not me" was said to something else while this was asked.
        if self.not_now(conn, &row.owner, 0, now).await?.is_some() {
            row.end(Stage::Over);
            return enrolments::save(conn, &row).await;
        }
        self.certify(conn, news, row, &request, now).await.map(drop)
    }

    /// The passkey of a device that comes, if it has one and holds it: for the authenticator's pages and no other (R76).
    fn passkey_of(&self, enrolment: &Enrolment, request: &DeviceRequest) -> Result<Option<Passkey>, String> {
        let passkey = enrolment.passkey(request).map_err(|why| why.to_string())?;
        match passkey {
            Some(passkey) if passkey.origin.as_str() != self.rules.app_origin => Err(format!(
                "it is for {}, and the authenticator's pages are at {} (app.url in the registrar's configuration)",
                assent_proto::text::visible(passkey.origin.as_str()),
                self.rules.app_origin
            )),
            passkey => Ok(passkey),
        }
    }

    /// Signs the certificate that ends an enrolment well.
    async fn certify(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        mut row: Row,
        request: &DeviceRequest,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let passkey = match &row.bound {
            Some(bound) => self.passkey_of(&bound.enrolment, request),
            None => return Err(StoreError::Row("enrolment")),
        };
        let passkey = passkey.map_err(|_| StoreError::Row("enrolment"))?;
        let with_passkey = passkey.is_some();
        let document = match self
            .issue_device(conn, news, &row.owner, (request, passkey), now)
            .await?
        {
            Issued::Yes(document) => document,
            Issued::No(refusal) => {
                row.end(Stage::Over);
                enrolments::save(conn, &row).await?;
                return Ok(refusal);
            }
        };
        let device = news.opened.last().map(|mailbox| mailbox.id);
        row.end(Stage::Certified);
        row.device = device;
        enrolments::save(conn, &row).await?;
        news.change(Change::Added, &row.owner, device, &request.label);
        tracing::info!(host = %row.host, device = ?device, name = ?row.owner.name, label = ?request.label, with_passkey, "a device was certified");
        Ok(Reply::Enrolment(EnrolmentState::Certified { device: document }))
    }

    /// Ends an enrolment that waits for an approval.
    pub(super) async fn end_enrolment(
        conn: &mut SqliteConnection,
        token_id: Id,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        if let Some(mut row) = enrolments::find(conn, token_id, now).await?
            && row.stage == Stage::Approval
        {
            row.end(Stage::Over);
            enrolments::save(conn, &row).await?;
        }
        Ok(())
    }

    /// The refusal for a user who has as many devices as one may have, or whose requests are frozen and who has one: whoever
    /// acts in their name may hold a device of theirs, too. An admin who knows better lifts the freeze first. So many of the
    /// devices are `leaving` for it.
    async fn not_now(
        &self,
        conn: &mut SqliteConnection,
        owner: &DeviceOwner,
        leaving: usize,
        now: UnixTime,
    ) -> Result<Option<Reply>, StoreError> {
        let devices = rows::active_of(conn, &owner.identities, now).await?.len();
        if devices > 0
            && let Some(until) = Self::frozen_until(conn, &owner.identities, now).await?
        {
            tracing::warn!(name = ?owner.name, until = until.0, "an enrolment was refused: the user is frozen");
            return Ok(Some(refuse(
                Refused::HasDevice,
                "a device of this user said \"not me\": until that is over, in ten minutes, none of them can approve a further one; an admin who knows what happened lifts it on the gateway (assentctl freeze lift), or revokes the devices",
            )));
        }
        if devices < usize::from(self.rules.max_devices) + leaving {
            return Ok(None);
        }
        tracing::warn!(name = ?owner.name, devices, "an enrolment was refused: no further device is allowed");
        Ok(Some(refuse(
            Refused::TooManyDevices,
            "this user has as many devices as one may have; one must be removed first",
        )))
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
        match row.filter(|row| row.bound.as_ref().is_some_and(|bound| bound.key == key)) {
            Some(row) => Ok(Reply::Enrolment(state(conn, &row).await?)),
            None => Ok(unknown()),
        }
    }
}

/// Realms that end in a host's id belong to that host: nobody else vouches for them (R28).
pub(super) fn may_vouch(host: Id, identity: &Identity) -> bool {
    match identity.realm.as_str().split_once('@') {
        Some(("nss" | "local", owner)) => owner == host.encode(),
        Some(_) | None => true,
    }
}

/// How the person was proven, in words for their devices.
pub(super) async fn proven_by(conn: &mut SqliteConnection, host: Id) -> Result<ShortText, StoreError> {
    let text = match rows::host(conn, host).await? {
        Some(known) if known.name == REGISTRAR_NAME => "signed in at the Register Panel".to_owned(),
        Some(known) => format!("vouched for by root on {}", known.name),
        None => "vouched for by a host that is no more".to_owned(),
    };
    Ok(ShortText::cut(text))
}

fn refuse_second() -> Reply {
    refuse(
        Refused::HasDevice,
        "this user has devices, and none of them can approve a further one; an admin can revoke them first",
    )
}

/// An enrolment that this host opened.
pub(super) async fn own(
    conn: &mut SqliteConnection,
    host: Id,
    token_id: Id,
    now: UnixTime,
) -> Result<Option<Row>, StoreError> {
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

pub(super) async fn state(conn: &mut SqliteConnection, row: &Row) -> Result<EnrolmentState, StoreError> {
    Ok(match row.stage {
        Stage::Waiting => EnrolmentState::Waiting,
        Stage::Over => EnrolmentState::Over,
        Stage::Digits => EnrolmentState::Digits {
            label: label_of(row).ok_or(StoreError::Row("enrolment"))?,
            tries: u8::try_from(i64::from(DIGIT_TRIES) - row.digit_tries).unwrap_or(0),
            n: row.bound.as_ref().ok_or(StoreError::Row("enrolment"))?.n,
        },
        Stage::Approval => EnrolmentState::Approval { until: row.ends_at },
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
    let (bound, secret) = (row.bound.as_ref()?, row.secret.as_ref()?);
    bound
        .enrolment
        .verify(row.token_id, secret)
        .map(|request| request.label)
}
