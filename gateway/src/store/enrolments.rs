//! Enrolments: from the host's wish to the device's certificate.

use super::registrar::{from_json, time_of, to_json};
use super::{StoreError, id_of, seconds};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::enrol::{Enrolment, OneTimeSecret};
use assent_proto::keys::{KeyId, VerifyingKey};
use assent_proto::time::UnixTime;
use assent_proto::{Id, Nonce};
use sqlx::{Row as _, SqliteConnection};

/// How far an enrolment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No device yet.
    Waiting,
    /// A device is bound; its digits are to be typed.
    Digits,
    /// Done.
    Certified,
    /// Over without a certificate.
    Over,
    /// The digits were right; another device of the user must approve.
    Approval,
}

impl Stage {
    /// Whether it may still come to a certificate.
    pub fn is_open(self) -> bool {
        match self {
            Self::Waiting | Self::Digits | Self::Approval => true,
            Self::Certified | Self::Over => false,
        }
    }
}

/// A device that came with the right secret.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Its request.
    pub enrolment: Enrolment,
    /// The key in it.
    pub key: VerifyingKey,
    /// Chosen when it came; its digits are made from both.
    pub n: Nonce,
}

impl Bound {
    /// The digits that the device shows.
    pub fn digits(&self) -> String {
        self.enrolment.digits(&self.n)
    }
}

/// One enrolment.
#[derive(Debug)]
pub struct Row {
    /// Its token.
    pub token_id: Id,
    /// Who opened it.
    pub host: Id,
    /// Who the device will be for.
    pub owner: DeviceOwner,
    /// Gone once it is certified or over.
    pub secret: Option<OneTimeSecret>,
    /// When it was opened.
    pub opened: UnixTime,
    /// Until when.
    pub ends_at: UnixTime,
    /// How far it is.
    pub stage: Stage,
    /// Requests with a wrong proof so far.
    pub tries: i64,
    /// Wrong digits so far.
    pub digit_tries: i64,
    /// The device that came.
    pub bound: Option<Bound>,
    /// The device that was certified.
    pub device: Option<Id>,
}

impl Row {
    /// Ends it, and forgets its secret.
    pub fn end(&mut self, stage: Stage) {
        self.stage = stage;
        self.secret = None;
    }
}

fn stage_number(stage: Stage) -> i64 {
    match stage {
        Stage::Waiting => 0,
        Stage::Digits => 1,
        Stage::Certified => 2,
        Stage::Over => 3,
        Stage::Approval => 4,
    }
}

fn stage_of(number: i64) -> Result<Stage, StoreError> {
    match number {
        0 => Ok(Stage::Waiting),
        1 => Ok(Stage::Digits),
        2 => Ok(Stage::Certified),
        3 => Ok(Stage::Over),
        4 => Ok(Stage::Approval),
        _ => Err(StoreError::Row("enrolment")),
    }
}

/// The enrolment of this token. One whose time is over reads as over.
pub async fn find(conn: &mut SqliteConnection, token_id: Id, now: UnixTime) -> Result<Option<Row>, StoreError> {
    let row = sqlx::query(
        "SELECT host, owner, secret, opened, ends_at, state, tries, digit_tries, request, key, device, n \
         FROM enrolment WHERE token_id = ?",
    )
    .bind(token_id.0.as_slice())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (secret, request): (Option<&str>, Option<&str>) = (row.try_get(2)?, row.try_get(8)?);
    let (key, device): (Option<&str>, Option<&[u8]>) = (row.try_get(9)?, row.try_get(10)?);
    let n: Option<&str> = row.try_get(11)?;
    let mut found = Row {
        token_id,
        host: id_of(row.try_get(0)?, "enrolment")?,
        owner: from_json(row.try_get(1)?, "enrolment")?,
        secret: secret.map(|secret| from_json(secret, "enrolment")).transpose()?,
        opened: time_of(row.try_get(3)?),
        ends_at: time_of(row.try_get(4)?),
        stage: stage_of(row.try_get(5)?)?,
        tries: row.try_get(6)?,
        digit_tries: row.try_get(7)?,
        bound: match (request, key, n) {
            (Some(request), Some(key), Some(n)) => Some(Bound {
                enrolment: from_json(request, "enrolment")?,
                key: from_json(key, "enrolment")?,
                n: from_json(n, "enrolment")?,
            }),
            _ => None,
        },
        device: device.map(|device| id_of(device, "enrolment")).transpose()?,
    };
    if now > found.ends_at && found.stage.is_open() {
        found.end(Stage::Over);
    }
    Ok(Some(found))
}

/// The key of this id, if a bound request brought it.
pub async fn bound_key(conn: &mut SqliteConnection, key: &KeyId) -> Result<Option<VerifyingKey>, StoreError> {
    let key: Option<String> = sqlx::query_scalar("SELECT key FROM enrolment WHERE key_id = ? LIMIT 1")
        .bind(key.0.as_slice())
        .fetch_optional(conn)
        .await?;
    key.map(|key| from_json(&key, "enrolment")).transpose()
}

/// Keeps a new enrolment.
pub async fn insert(conn: &mut SqliteConnection, row: &Row) -> Result<(), StoreError> {
    let secret = row.secret.as_ref().map(to_json).transpose()?;
    sqlx::query(
        "INSERT INTO enrolment (token_id, host, owner, secret, opened, ends_at, state, tries, digit_tries) \
         VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)",
    )
    .bind(row.token_id.0.as_slice())
    .bind(row.host.0.as_slice())
    .bind(to_json(&row.owner)?.as_str())
    .bind(secret.as_ref().map(|secret| secret.as_str()))
    .bind(seconds(row.opened))
    .bind(seconds(row.ends_at))
    .execute(&mut *conn)
    .await?;
    for identity in &row.owner.identities {
        sqlx::query("INSERT OR IGNORE INTO enrolment_identity (token_id, realm, id) VALUES (?, ?, ?)")
            .bind(row.token_id.0.as_slice())
            .bind(identity.realm.as_str())
            .bind(identity.id.as_str())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Keeps what changed.
pub async fn save(conn: &mut SqliteConnection, row: &Row) -> Result<(), StoreError> {
    let secret = row.secret.as_ref().map(to_json).transpose()?;
    let bound = row.bound.as_ref();
    let request = bound.map(|bound| to_json(&bound.enrolment)).transpose()?;
    let key = bound.map(|bound| to_json(&bound.key)).transpose()?;
    let key_id = bound.map(|bound| bound.key.id());
    let n = bound.map(|bound| to_json(&bound.n)).transpose()?;
    sqlx::query(
        "UPDATE enrolment SET secret = ?, ends_at = ?, state = ?, tries = ?, digit_tries = ?, request = ?, key = ?, key_id = ?, \
         device = ?, n = ? WHERE token_id = ?",
    )
    .bind(secret.as_ref().map(|secret| secret.as_str()))
    .bind(seconds(row.ends_at))
    .bind(stage_number(row.stage))
    .bind(row.tries)
    .bind(row.digit_tries)
    .bind(request.as_ref().map(|request| request.as_str()))
    .bind(key.as_ref().map(|key| key.as_str()))
    .bind(key_id.as_ref().map(|id| id.0.as_slice()))
    .bind(row.device.as_ref().map(|id| id.0.as_slice()))
    .bind(n.as_ref().map(|n| n.as_str()))
    .bind(row.token_id.0.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// How many enrolments were opened for this identity since then.
pub async fn opened_since(
    conn: &mut SqliteConnection,
    identity: &Identity,
    since: UnixTime,
) -> Result<i64, StoreError> {
    let opened = sqlx::query_scalar(
        "SELECT count(*) FROM enrolment e JOIN enrolment_identity i ON i.token_id = e.token_id \
         WHERE i.realm = ? AND i.id = ? AND e.opened > ?",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(seconds(since))
    .fetch_one(conn)
    .await?;
    Ok(opened)
}

/// Whether an enrolment for this identity is open.
pub async fn is_open(conn: &mut SqliteConnection, identity: &Identity, now: UnixTime) -> Result<bool, StoreError> {
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM enrolment e JOIN enrolment_identity i ON i.token_id = e.token_id \
         WHERE i.realm = ? AND i.id = ? AND e.state IN (0, 1, 4) AND e.ends_at >= ?",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(seconds(now))
    .fetch_one(conn)
    .await?;
    Ok(open > 0)
}

/// Ends every open enrolment for this identity.
pub async fn end_open(conn: &mut SqliteConnection, identity: &Identity) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE enrolment SET state = 3, secret = NULL WHERE state IN (0, 1, 4) AND token_id IN \
         (SELECT token_id FROM enrolment_identity WHERE realm = ? AND id = ?)",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Ends the enrolments that wait for an approval: whoever was to hear it is gone.
pub async fn end_approvals(conn: &mut SqliteConnection) -> Result<u64, StoreError> {
    let done = sqlx::query("UPDATE enrolment SET state = 3, secret = NULL WHERE state = 4")
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}
