//! The relay's tables: what stands in `relay.db` and every statement on it. Writes run inside the writer's
//! transaction ([`super::writer`]); each checks everything before it changes anything, so that one refused operation
//! never undoes its neighbours.

use super::{StoreError, id_of};
use crate::clock::Millis;
use assent_proto::relay::{Push, Subscription, TrustInfo, Withdrawn};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Digest, Id, ShortText, sha256};
use sqlx::{Row as _, SqliteConnection};
use std::sync::Arc;

/// Most different answers of one device to one push.
pub const MAX_ANSWERS: i64 = 8;
/// How long an ended push and its answers are kept for those who reconnect.
pub const KEEP_ENDED: i64 = 600_000;
/// Rows that one sweep touches at most, so that it never holds up a push.
pub const SWEEP_ROWS: i64 = 250;

pub use assent_proto::link::{Kind, Mailbox};

/// A push as a host posts it.
#[derive(Debug, Clone)]
pub struct NewPush {
    /// Whose.
    pub host: Id,
    /// The push.
    pub push: Arc<Push>,
    /// SHA-256 of its content, to tell a repetition from a conflict.
    pub digest: Digest,
    /// How many of them one device bears.
    pub most: MostAtDevice,
}

/// How many pushes of one host a device bears.
#[derive(Debug, Clone, Copy)]
pub struct MostAtDevice {
    /// That wait.
    pub waiting: u32,
    /// That ended within the last ten minutes without this device's answer.
    pub unanswered: u32,
}

impl NewPush {
    /// Of `host`.
    pub fn new(host: Id, push: Push, most: MostAtDevice) -> Result<Self, serde_json::Error> {
        let digest = sha256(&[&serde_json::to_vec(&push)?]);
        Ok(Self {
            host,
            push: Arc::new(push),
            digest,
            most,
        })
    }
}

/// What became of a push that was posted.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// New.
    New {
        /// Its number.
        seq: i64,
    },
    /// The very same push lives already.
    Same,
    /// It is there and over.
    Ended,
    /// Another push has this id.
    Conflict,
    /// Too many of this host's pushes wait at this device, or ended there without an answer.
    Full {
        /// Where.
        device: Id,
    },
}

/// What became of an answer that was posted.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// New.
    New {
        /// Its number.
        seq: i64,
        /// Who waits for it.
        host: Id,
    },
    /// The very same answer is there already.
    Same,
    /// No live push of this id is addressed to the device.
    Gone,
    /// The device has answered too often.
    Full,
}

/// A push that ended, and whom to tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub id: Id,
    /// Devices that were asked.
    pub devices: Vec<Id>,
}

/// A push as it waits for a device.
#[derive(Debug)]
pub struct Waiting {
    /// Its number.
    pub seq: i64,
    /// Which.
    pub id: Id,
    /// Part of the sealed context.
    pub expiry: UnixTime,
    /// When it ends.
    pub ends_at: Millis,
    /// Sealed to the device.
    pub blob: Bytes,
}

/// An answer as it waits for a host.
#[derive(Debug)]
pub struct WaitingAnswer {
    /// Its number.
    pub seq: i64,
    /// The push.
    pub id: Id,
    /// Who answered.
    pub device: Id,
    /// Sealed to the host.
    pub blob: Bytes,
}

/// A device's Web Push subscription as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptSubscription {
    /// The push service has ended it.
    Lost,
    /// It is used.
    Reaches {
        /// Where, and how it is sealed to.
        to: Subscription,
        /// Since when nothing that was sent has been heard.
        silent_since: Option<UnixTime>,
    },
}

fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Host => 0,
        Kind::Device => 1,
    }
}

fn why_number(why: Withdrawn) -> i64 {
    match why {
        Withdrawn::Host => 0,
        Withdrawn::Expired => 1,
    }
}

/// The file's own random name.
pub async fn epoch(conn: &mut SqliteConnection) -> Result<Vec<u8>, StoreError> {
    Ok(sqlx::query("SELECT epoch FROM meta")
        .fetch_one(conn)
        .await?
        .try_get(0)?)
}

/// The generation that the registrar told last; 0 before the first.
pub async fn generation(conn: &mut SqliteConnection) -> Result<u64, StoreError> {
    let told: i64 = sqlx::query_scalar("SELECT generation FROM meta")
        .fetch_one(conn)
        .await?;
    u64::try_from(told).map_err(|_| StoreError::Row("meta"))
}

/// Keeps what the registrar tells of its devices.
pub async fn keep_generation(conn: &mut SqliteConnection, generation: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE meta SET generation = ?")
        .bind(i64::try_from(generation).unwrap_or(i64::MAX))
        .execute(conn)
        .await?;
    Ok(())
}

/// What the registrar said last of its keys; who asks for it verifies it.
pub async fn trust(conn: &mut SqliteConnection) -> Result<Option<TrustInfo>, StoreError> {
    let kept: Option<String> = sqlx::query_scalar("SELECT trust FROM meta").fetch_one(conn).await?;
    kept.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Row("meta")))
        .transpose()
}

/// Keeps what the registrar says of its keys.
pub async fn keep_trust(conn: &mut SqliteConnection, trust: &TrustInfo) -> Result<(), StoreError> {
    let text = serde_json::to_string(trust).map_err(|_| StoreError::Row("meta"))?;
    sqlx::query("UPDATE meta SET trust = ?")
        .bind(text)
        .execute(conn)
        .await?;
    Ok(())
}

/// Every mailbox.
pub async fn mailboxes(conn: &mut SqliteConnection) -> Result<Vec<Mailbox>, StoreError> {
    let rows = sqlx::query("SELECT id, kind, key FROM mailbox").fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let kind = match row.try_get::<i64, _>(1)? {
                0 => Kind::Host,
                1 => Kind::Device,
                _ => return Err(StoreError::Row("mailbox")),
            };
            Ok(Mailbox {
                id: id_of(row.try_get(0)?, "mailbox")?,
                kind,
                key: serde_json::from_str(row.try_get(2)?).map_err(|_| StoreError::Row("mailbox"))?,
            })
        })
        .collect()
}

/// Adds a mailbox; the same again changes nothing, another key for the same id replaces it.
pub async fn add_mailbox(conn: &mut SqliteConnection, mailbox: &Mailbox) -> Result<(), StoreError> {
    let key = serde_json::to_string(&mailbox.key).map_err(|_| StoreError::Row("mailbox"))?;
    // A key that moved to another id leaves the old one.
    sqlx::query("DELETE FROM mailbox WHERE key = ? AND id <> ?")
        .bind(&key)
        .bind(mailbox.id.0.as_slice())
        .execute(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO mailbox (id, kind, key) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, key = excluded.key")
        .bind(mailbox.id.0.as_slice())
        .bind(kind_number(mailbox.kind))
        .bind(key)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes a mailbox and takes its pushes from it.
pub async fn remove_mailbox(conn: &mut SqliteConnection, id: Id) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM mailbox WHERE id = ?")
        .bind(id.0.as_slice())
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE item SET open = 0, blob = x'' WHERE device = ? AND open = 1")
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a push in.
pub async fn push(conn: &mut SqliteConnection, new: &NewPush, now: Millis) -> Result<Pushed, StoreError> {
    let NewPush {
        host,
        push,
        digest,
        most,
    } = new;
    // Each statement is a hand-over to SQLite's thread and back, which a login waits for: what is rare is asked last.
    for item in &push.to {
        let counts = sqlx::query(
            "SELECT (SELECT count(*) FROM item WHERE device = ?1 AND host = ?2 AND open = 1), \
             (SELECT count(*) FROM item WHERE device = ?1 AND host = ?2 AND open = 0 AND answers = 0)",
        )
        .bind(item.device.0.as_slice())
        .bind(host.0.as_slice())
        .fetch_one(&mut *conn)
        .await?;
        let (waiting, unanswered): (i64, i64) = (counts.try_get(0)?, counts.try_get(1)?);
        if waiting >= i64::from(most.waiting) || unanswered >= i64::from(most.unanswered) {
            // Perhaps it is among those that wait.
            let known = known(conn, new, now).await?;
            return Ok(known.unwrap_or(Pushed::Full { device: item.device }));
        }
    }
    // Rows of `item` have no number of their own, so the push's stays the last one.
    let rows = ", (last_insert_rowid(), ?, ?, ?, 1, 0)".repeat(push.to.len());
    let statements = format!(
        "INSERT INTO push (id, host, digest, expiry, ends_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING; \
         INSERT INTO item (push, device, host, blob, open, answers) SELECT * FROM (VALUES {}) WHERE changes() = 1",
        rows.trim_start_matches(", ")
    );
    let mut insert = sqlx::query(sqlx::AssertSqlSafe(statements))
        .bind(push.id.0.as_slice())
        .bind(host.0.as_slice())
        .bind(digest.0.as_slice())
        .bind(super::seconds(push.expiry))
        .bind(now.plus(i64::from(push.ttl) * 1000).0);
    for item in &push.to {
        insert = insert
            .bind(item.device.0.as_slice())
            .bind(host.0.as_slice())
            .bind(item.blob.0.as_slice());
    }
    let done = insert.execute(&mut *conn).await?;
    if done.rows_affected() == 0 {
        // Nothing was changed: the id is taken.
        return Ok(known(conn, new, now).await?.unwrap_or(Pushed::Conflict));
    }
    Ok(Pushed::New {
        seq: done.last_insert_rowid(),
    })
}

/// What a push is if its id is taken already.
async fn known(conn: &mut SqliteConnection, new: &NewPush, now: Millis) -> Result<Option<Pushed>, StoreError> {
    let row = sqlx::query("SELECT host, digest, ended IS NOT NULL OR ends_at <= ? FROM push WHERE id = ?")
        .bind(now.0)
        .bind(new.push.id.0.as_slice())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let same = row.try_get::<&[u8], _>(0)? == new.host.0 && row.try_get::<&[u8], _>(1)? == new.digest.0;
    Ok(Some(match (same, row.try_get::<bool, _>(2)?) {
        (false, _) => Pushed::Conflict,
        (true, true) => Pushed::Ended,
        (true, false) => Pushed::Same,
    }))
}

/// Ends a host's own live push. `None`: it has none of this id.
pub async fn withdraw(conn: &mut SqliteConnection, host: Id, id: Id, now: Millis) -> Result<Option<Ended>, StoreError> {
    let seq: Option<i64> = sqlx::query_scalar("SELECT seq FROM push WHERE id = ? AND host = ? AND ended IS NULL")
        .bind(id.0.as_slice())
        .bind(host.0.as_slice())
        .fetch_optional(&mut *conn)
        .await?;
    match seq {
        Some(seq) => Ok(Some(end(conn, seq, id, Withdrawn::Host, now).await?)),
        None => Ok(None),
    }
}

/// Ends pushes whose time is over, at most [`SWEEP_ROWS`].
pub async fn expire(conn: &mut SqliteConnection, now: Millis) -> Result<Vec<Ended>, StoreError> {
    let rows = sqlx::query("SELECT seq, id FROM push WHERE ended IS NULL AND ends_at <= ? LIMIT ?")
        .bind(now.0)
        .bind(SWEEP_ROWS)
        .fetch_all(&mut *conn)
        .await?;
    let mut ended = Vec::with_capacity(rows.len());
    for row in rows {
        let id = id_of(row.try_get(1)?, "push")?;
        ended.push(end(conn, row.try_get(0)?, id, Withdrawn::Expired, now).await?);
    }
    Ok(ended)
}

async fn end(conn: &mut SqliteConnection, seq: i64, id: Id, why: Withdrawn, now: Millis) -> Result<Ended, StoreError> {
    sqlx::query("UPDATE push SET ended = ?, why = ? WHERE seq = ?")
        .bind(now.0)
        .bind(why_number(why))
        .bind(seq)
        .execute(&mut *conn)
        .await?;
    let rows = sqlx::query("UPDATE item SET open = 0, blob = x'' WHERE push = ? RETURNING device")
        .bind(seq)
        .fetch_all(conn)
        .await?;
    let devices = rows
        .iter()
        .map(|row| id_of(row.try_get(0)?, "item"))
        .collect::<Result<_, _>>()?;
    Ok(Ended { id, devices })
}

/// Forgets pushes that ended long ago, at most [`SWEEP_ROWS`]; says how many.
pub async fn forget(conn: &mut SqliteConnection, now: Millis) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM push WHERE seq IN (SELECT seq FROM push WHERE ended IS NOT NULL AND ended <= ? LIMIT ?)",
    )
    .bind(now.plus(-KEEP_ENDED).0)
    .bind(SWEEP_ROWS)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Takes an answer in.
pub async fn answer(
    conn: &mut SqliteConnection,
    device: Id,
    id: Id,
    blob: &Bytes,
    now: Millis,
) -> Result<Answered, StoreError> {
    let row = sqlx::query(
        "SELECT p.seq, p.host, i.answers FROM push p JOIN item i ON i.push = p.seq AND i.device = ? \
         WHERE p.id = ? AND p.ended IS NULL AND p.ends_at > ?",
    )
    .bind(device.0.as_slice())
    .bind(id.0.as_slice())
    .bind(now.0)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else {
        return Ok(Answered::Gone);
    };
    let (push, answers): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
    let host = id_of(row.try_get(1)?, "push")?;
    let digest = sha256(&[&blob.0]);
    if answers > 0 && answer_is_known(conn, push, device, &digest).await? {
        return Ok(Answered::Same);
    }
    if answers >= MAX_ANSWERS {
        return Ok(Answered::Full);
    }
    // One hand-over to SQLite's thread for both.
    let seq = sqlx::query(
        "INSERT INTO answer (push, host, device, digest, blob) VALUES (?, ?, ?, ?, ?); \
         UPDATE item SET answers = answers + 1, open = 0 WHERE push = ? AND device = ?",
    )
    .bind(push)
    .bind(host.0.as_slice())
    .bind(device.0.as_slice())
    .bind(digest.0.as_slice())
    .bind(blob.0.as_slice())
    .bind(push)
    .bind(device.0.as_slice())
    .execute(conn)
    .await?
    .last_insert_rowid();
    Ok(Answered::New { seq, host })
}

async fn answer_is_known(
    conn: &mut SqliteConnection,
    push: i64,
    device: Id,
    digest: &Digest,
) -> Result<bool, StoreError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT seq FROM answer WHERE push = ? AND device = ? AND digest = ?")
        .bind(push)
        .bind(device.0.as_slice())
        .bind(digest.0.as_slice())
        .fetch_optional(conn)
        .await?;
    Ok(known.is_some())
}

/// The next answers for a host after number `after`; of ended pushes too if it resumes.
pub async fn answers_after(
    conn: &mut SqliteConnection,
    host: Id,
    after: i64,
    ended_too: bool,
    most: i64,
) -> Result<Vec<WaitingAnswer>, StoreError> {
    let rows = sqlx::query(
        "SELECT a.seq, p.id, a.device, a.blob FROM answer a JOIN push p ON p.seq = a.push \
         WHERE a.host = ? AND a.seq > ? AND (? OR p.ended IS NULL) ORDER BY a.seq LIMIT ?",
    )
    .bind(host.0.as_slice())
    .bind(after)
    .bind(ended_too)
    .bind(most)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(WaitingAnswer {
                seq: row.try_get(0)?,
                id: id_of(row.try_get(1)?, "push")?,
                device: id_of(row.try_get(2)?, "answer")?,
                blob: Bytes(row.try_get(3)?),
            })
        })
        .collect()
}

/// The next live pushes that wait for a device's first answer, after number `after`.
pub async fn waiting_after(
    conn: &mut SqliteConnection,
    device: Id,
    after: i64,
    now: Millis,
    most: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.seq, p.id, p.expiry, p.ends_at, i.blob FROM item i JOIN push p ON p.seq = i.push \
         WHERE i.device = ? AND i.open = 1 AND p.seq > ? AND p.ends_at > ? ORDER BY p.seq LIMIT ?",
    )
    .bind(device.0.as_slice())
    .bind(after)
    .bind(now.0)
    .bind(most)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Waiting {
                seq: row.try_get(0)?,
                id: id_of(row.try_get(1)?, "push")?,
                expiry: UnixTime(u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0)),
                ends_at: Millis(row.try_get(3)?),
                blob: Bytes(row.try_get(4)?),
            })
        })
        .collect()
}

/// A live push that waits for a device's first answer.
pub async fn waiting(
    conn: &mut SqliteConnection,
    device: Id,
    id: Id,
    now: Millis,
) -> Result<Option<Waiting>, StoreError> {
    let row = sqlx::query(
        "SELECT p.seq, p.expiry, p.ends_at, i.blob FROM push p JOIN item i ON i.push = p.seq AND i.device = ? \
         WHERE p.id = ? AND i.open = 1 AND p.ends_at > ?",
    )
    .bind(device.0.as_slice())
    .bind(id.0.as_slice())
    .bind(now.0)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Waiting {
        seq: row.try_get(0)?,
        id,
        expiry: UnixTime(u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0)),
        ends_at: Millis(row.try_get(2)?),
        blob: Bytes(row.try_get(3)?),
    }))
}

/// Every device's subscription.
pub async fn subscriptions(conn: &mut SqliteConnection) -> Result<Vec<(Id, KeptSubscription)>, StoreError> {
    let rows = sqlx::query("SELECT device, endpoint, p256dh, auth, silent FROM subscription")
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let device = id_of(row.try_get(0)?, "subscription")?;
            let Some(endpoint) = row.try_get::<Option<String>, _>(1)? else {
                return Ok((device, KeptSubscription::Lost));
            };
            let silent: Option<i64> = row.try_get(4)?;
            let to = Subscription {
                endpoint: ShortText::new(endpoint).ok_or(StoreError::Row("subscription"))?,
                p256dh: Bytes(row.try_get(2)?),
                auth: Bytes(row.try_get(3)?),
            };
            let silent_since = silent.map(|at| UnixTime(u64::try_from(at).unwrap_or(0)));
            Ok((device, KeptSubscription::Reaches { to, silent_since }))
        })
        .collect()
}

/// Keeps a device's subscription in the place of the one before; whether the device has a mailbox.
pub async fn keep_subscription(
    conn: &mut SqliteConnection,
    device: Id,
    kept: &KeptSubscription,
) -> Result<bool, StoreError> {
    let (to, silent_since) = match kept {
        KeptSubscription::Lost => (None, None),
        KeptSubscription::Reaches { to, silent_since } => (Some(to), *silent_since),
    };
    let done = sqlx::query(
        "INSERT OR REPLACE INTO subscription (device, endpoint, p256dh, auth, silent) \
         SELECT id, ?, ?, ?, ? FROM mailbox WHERE id = ?",
    )
    .bind(to.map(|to| to.endpoint.as_str()))
    .bind(to.map(|to| to.p256dh.0.as_slice()))
    .bind(to.map(|to| to.auth.0.as_slice()))
    .bind(silent_since.map(super::seconds))
    .bind(device.0.as_slice())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets a device's subscription.
pub async fn forget_subscription(conn: &mut SqliteConnection, device: Id) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM subscription WHERE device = ?")
        .bind(device.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Pushes up to number `upto` that have ended, newest first: what a device that resumes may still show.
pub async fn ended_upto(
    conn: &mut SqliteConnection,
    device: Id,
    upto: i64,
    most: i64,
) -> Result<Vec<(Id, Withdrawn)>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.id, p.why FROM item i JOIN push p ON p.seq = i.push \
         WHERE i.device = ? AND i.open = 0 AND i.push <= ? AND p.ended IS NOT NULL ORDER BY i.push DESC LIMIT ?",
    )
    .bind(device.0.as_slice())
    .bind(upto)
    .bind(most)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let why = match row.try_get::<i64, _>(1)? {
                0 => Withdrawn::Host,
                1 => Withdrawn::Expired,
                _ => return Err(StoreError::Row("push")),
            };
            Ok((id_of(row.try_get(0)?, "push")?, why))
        })
        .collect()
}

#[cfg(test)]
#[path = "relay_tests.rs"]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
