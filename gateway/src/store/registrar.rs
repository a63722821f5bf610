//! The registrar's tables: hosts, devices, join tokens and used nonces. The log is in [`super::log`].

use super::{StoreError, digest_of, id_of, seconds};
use assent_proto::cert::{DeviceClaims, HostClaims, Identity};
use assent_proto::enrol::OneTimeSecret;
use assent_proto::keys::{KeyId, VerifyingKey};
use assent_proto::time::UnixTime;
use assent_proto::{Digest, Id};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use zeroize::Zeroizing;

/// A host or a device as certified.
#[derive(Debug, Clone)]
pub struct Certified {
    /// Which.
    pub id: Id,
    /// Its signing key.
    pub key: VerifyingKey,
    /// A host's name, a device's user.
    pub name: String,
    /// A device's label; empty for a host.
    pub label: String,
    /// The certificate.
    pub document: String,
    /// A host's: valid from. A device's: since when it is enrolled.
    pub nbf: UnixTime,
    /// Valid to.
    pub exp: UnixTime,
    /// When it was revoked.
    pub revoked: Option<UnixTime>,
    /// When a device last asked something, to the hour.
    pub heard: Option<UnixTime>,
}

/// A host's join token.
#[derive(Debug)]
pub struct HostToken {
    /// Which.
    pub id: Id,
    /// The only name that it opens.
    pub name: String,
    /// Gone once it is used or dead.
    pub secret: Option<OneTimeSecret>,
    /// Until when.
    pub ends_at: UnixTime,
    /// Wrong tries so far.
    pub tries: i64,
    /// SHA-256 of the request that used it, and the host that came of it.
    pub used: Option<(Digest, Id)>,
}

/// A value as JSON text in a column.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Zeroizing<String>, StoreError> {
    serde_json::to_string(value)
        .map(Zeroizing::new)
        .map_err(|_| StoreError::Row("registrar.db"))
}

/// A value from JSON text in a column.
pub(super) fn from_json<T: DeserializeOwned>(text: &str, table: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Row(table))
}

pub(super) fn time_of(row: i64) -> UnixTime {
    UnixTime(u64::try_from(row).unwrap_or(0))
}

fn certified(row: &SqliteRow) -> Result<Certified, StoreError> {
    Ok(Certified {
        id: id_of(row.try_get("id")?, "host or device")?,
        key: from_json(row.try_get("key")?, "host or device")?,
        name: row.try_get("name")?,
        label: row.try_get("label")?,
        document: row.try_get("document")?,
        nbf: time_of(row.try_get("nbf")?),
        exp: time_of(row.try_get("exp")?),
        revoked: row.try_get::<Option<i64>, _>("revoked")?.map(time_of),
        heard: row.try_get::<Option<i64>, _>("heard")?.map(time_of),
    })
}

/// Every host, oldest first.
pub async fn hosts(conn: &mut SqliteConnection) -> Result<Vec<Certified>, StoreError> {
    let rows = sqlx::query("SELECT *, display AS name, '' AS label, NULL AS heard FROM host ORDER BY nbf, id")
        .fetch_all(conn)
        .await?;
    rows.iter().map(certified).collect()
}

/// Hosts that are not revoked, each with its key: at most `most` of those behind `after`, by their ids.
pub async fn living_hosts(
    conn: &mut SqliteConnection,
    after: Option<Id>,
    most: u32,
) -> Result<Vec<(Id, KeyId)>, StoreError> {
    let rows = sqlx::query("SELECT id, key_id FROM host WHERE revoked IS NULL AND id > ? ORDER BY id LIMIT ?")
        .bind(after.map_or_else(Vec::new, |id| id.0.to_vec()))
        .bind(most)
        .fetch_all(conn)
        .await?;
    let host = |row: &SqliteRow| {
        let (id, key) = (row.try_get("id")?, row.try_get("key_id")?);
        Ok((id_of(id, "host")?, digest_of(key, "host")?))
    };
    rows.iter().map(host).collect()
}

/// Every device, oldest first.
pub async fn devices(conn: &mut SqliteConnection) -> Result<Vec<Certified>, StoreError> {
    let rows = sqlx::query("SELECT * FROM device ORDER BY nbf, id")
        .fetch_all(conn)
        .await?;
    rows.iter().map(certified).collect()
}

/// The host of this key.
pub async fn host_by_key(conn: &mut SqliteConnection, key: &KeyId) -> Result<Option<Certified>, StoreError> {
    let row = sqlx::query("SELECT *, display AS name, '' AS label, NULL AS heard FROM host WHERE key_id = ?")
        .bind(key.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(certified).transpose()
}

/// The host of this id.
pub async fn host(conn: &mut SqliteConnection, id: Id) -> Result<Option<Certified>, StoreError> {
    let row = sqlx::query("SELECT *, display AS name, '' AS label, NULL AS heard FROM host WHERE id = ?")
        .bind(id.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(certified).transpose()
}

/// The device of this id.
pub async fn device(conn: &mut SqliteConnection, id: Id) -> Result<Option<Certified>, StoreError> {
    let row = sqlx::query("SELECT * FROM device WHERE id = ?")
        .bind(id.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(certified).transpose()
}

/// Whether a device has, or ever had, this key.
pub async fn device_has_key(conn: &mut SqliteConnection, key: &KeyId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM device WHERE key_id = ?")
        .bind(key.0.as_slice())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// The certificates of every device that can approve for `identity` now, newest first.
pub async fn active_devices(
    conn: &mut SqliteConnection,
    identity: &Identity,
    now: UnixTime,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT d.document FROM device d JOIN device_identity i ON i.device = d.id \
         WHERE i.realm = ? AND i.id = ? AND d.revoked IS NULL AND d.exp > ? ORDER BY d.nbf DESC, d.id",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(seconds(now))
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The devices that can approve for one of these identities now, newest first.
pub async fn active_of(
    conn: &mut SqliteConnection,
    identities: &[Identity],
    now: UnixTime,
) -> Result<Vec<Certified>, StoreError> {
    let mut found: Vec<Certified> = Vec::new();
    for identity in identities {
        let rows = sqlx::query(
            "SELECT d.* FROM device d JOIN device_identity i ON i.device = d.id \
             WHERE i.realm = ? AND i.id = ? AND d.revoked IS NULL AND d.exp > ?",
        )
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(seconds(now))
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            let device = certified(row)?;
            if found.iter().all(|known| known.id != device.id) {
                found.push(device);
            }
        }
    }
    found.sort_by_key(|device| (std::cmp::Reverse(device.nbf), device.id));
    Ok(found)
}

/// Whether a user of these identities ever had a device.
pub async fn has_had(conn: &mut SqliteConnection, identities: &[Identity]) -> Result<bool, StoreError> {
    for identity in identities {
        let row = sqlx::query(
            "SELECT 1 FROM device d JOIN device_identity i ON i.device = d.id \
             WHERE i.realm = ? AND i.id = ? LIMIT 1",
        )
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .fetch_optional(&mut *conn)
        .await?;
        if row.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The device of this key, unless it is revoked.
pub async fn device_by_key(conn: &mut SqliteConnection, key: &KeyId) -> Result<Option<Certified>, StoreError> {
    let row = sqlx::query("SELECT * FROM device WHERE key_id = ? AND revoked IS NULL")
        .bind(key.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(certified).transpose()
}

/// Gives a device another label.
pub async fn rename_device(conn: &mut SqliteConnection, id: Id, label: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE device SET label = ? WHERE id = ?")
        .bind(label)
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// A device has asked something. Written once an hour: nobody needs to know it better.
pub async fn hear_device(conn: &mut SqliteConnection, id: Id, now: UnixTime) -> Result<(), StoreError> {
    sqlx::query("UPDATE device SET heard = ?1 WHERE id = ?2 AND (heard IS NULL OR heard <= ?1 - 3600)")
        .bind(seconds(now))
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks that its own user removed a device.
pub async fn mark_left(conn: &mut SqliteConnection, id: Id) -> Result<(), StoreError> {
    sqlx::query("UPDATE device SET left = 1 WHERE id = ?")
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// The identities of a device.
pub async fn identities(conn: &mut SqliteConnection, device: Id) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query("SELECT realm, id FROM device_identity WHERE device = ?")
        .bind(device.0.as_slice())
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Keeps a host; one of the same id (the same key, certified anew) is replaced.
pub async fn put_host(conn: &mut SqliteConnection, claims: &HostClaims, document: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO host (id, key_id, key, display, document, nbf, exp) VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET document = excluded.document, nbf = excluded.nbf, exp = excluded.exp",
    )
    .bind(claims.host_id.0.as_slice())
    .bind(claims.sign.id().0.as_slice())
    .bind(to_json(&claims.sign)?.as_str())
    .bind(claims.display.as_str())
    .bind(document)
    .bind(seconds(claims.nbf))
    .bind(seconds(claims.exp))
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps a new device.
pub async fn put_device(conn: &mut SqliteConnection, claims: &DeviceClaims, document: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device (id, key_id, key, name, label, document, nbf, exp) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(claims.device_id.0.as_slice())
    .bind(claims.sign.id().0.as_slice())
    .bind(to_json(&claims.sign)?.as_str())
    .bind(claims.name.as_str())
    .bind(claims.label.as_str())
    .bind(document)
    .bind(seconds(claims.nbf))
    .bind(seconds(claims.exp))
    .execute(&mut *conn)
    .await?;
    for identity in &claims.identities {
        sqlx::query("INSERT OR IGNORE INTO device_identity (device, realm, id) VALUES (?, ?, ?)")
            .bind(claims.device_id.0.as_slice())
            .bind(identity.realm.as_str())
            .bind(identity.id.as_str())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Replaces a device's certificate by a later one. When it was enrolled stays, and its label is the user's.
pub async fn renew_device(
    conn: &mut SqliteConnection,
    claims: &DeviceClaims,
    document: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE device SET document = ?, exp = ? WHERE id = ? AND revoked IS NULL")
        .bind(document)
        .bind(seconds(claims.exp))
        .bind(claims.device_id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether one of these identities got another device than `id` after `since`.
pub async fn enrolled_since(
    conn: &mut SqliteConnection,
    id: Id,
    identities: &[Identity],
    since: UnixTime,
) -> Result<bool, StoreError> {
    for identity in identities {
        let row = sqlx::query(
            "SELECT 1 FROM device d JOIN device_identity i ON i.device = d.id \
             WHERE i.realm = ? AND i.id = ? AND d.id <> ? AND d.nbf >= ? LIMIT 1",
        )
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(id.0.as_slice())
        .bind(seconds(since))
        .fetch_optional(&mut *conn)
        .await?;
        if row.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Marks a host revoked; whether it was not before.
pub async fn revoke_host(conn: &mut SqliteConnection, id: Id, now: UnixTime) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE host SET revoked = ? WHERE id = ? AND revoked IS NULL")
        .bind(seconds(now))
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Marks a device revoked; whether it was not before.
pub async fn revoke_device(conn: &mut SqliteConnection, id: Id, now: UnixTime) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE device SET revoked = ? WHERE id = ? AND revoked IS NULL")
        .bind(seconds(now))
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// How often devices were added or removed.
pub async fn generation(conn: &mut SqliteConnection) -> Result<u64, StoreError> {
    let generation: i64 = sqlx::query_scalar("SELECT generation FROM meta")
        .fetch_one(conn)
        .await?;
    u64::try_from(generation).map_err(|_| StoreError::Row("meta"))
}

/// Devices were added or removed; the new generation.
pub async fn next_generation(conn: &mut SqliteConnection) -> Result<u64, StoreError> {
    sqlx::query("UPDATE meta SET generation = generation + 1")
        .execute(&mut *conn)
        .await?;
    generation(conn).await
}

/// Keeps a new join token.
pub async fn put_host_token(
    conn: &mut SqliteConnection,
    id: Id,
    name: &str,
    secret: &OneTimeSecret,
    ends_at: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO host_token (id, name, secret, ends_at, tries) VALUES (?, ?, ?, ?, 0)")
        .bind(id.0.as_slice())
        .bind(name)
        .bind(to_json(secret)?.as_str())
        .bind(seconds(ends_at))
        .execute(conn)
        .await?;
    Ok(())
}

/// A join token.
pub async fn host_token(conn: &mut SqliteConnection, id: Id) -> Result<Option<HostToken>, StoreError> {
    let row = sqlx::query("SELECT name, secret, ends_at, tries, used_by, host FROM host_token WHERE id = ?")
        .bind(id.0.as_slice())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let secret: Option<&str> = row.try_get(1)?;
    let used_by: Option<&[u8]> = row.try_get(4)?;
    let host: Option<&[u8]> = row.try_get(5)?;
    Ok(Some(HostToken {
        id,
        name: row.try_get(0)?,
        secret: secret.map(|secret| from_json(secret, "host_token")).transpose()?,
        ends_at: time_of(row.try_get(2)?),
        tries: row.try_get(3)?,
        used: match (used_by, host) {
            (Some(used_by), Some(host)) => Some((digest_of(used_by, "host_token")?, id_of(host, "host_token")?)),
            (Some(_), None) | (None, Some(_) | None) => None,
        },
    }))
}

/// Keeps what changed of a join token.
pub async fn save_host_token(conn: &mut SqliteConnection, token: &HostToken) -> Result<(), StoreError> {
    let secret = token.secret.as_ref().map(to_json).transpose()?;
    sqlx::query("UPDATE host_token SET secret = ?, tries = ?, used_by = ?, host = ? WHERE id = ?")
        .bind(secret.as_ref().map(|secret| secret.as_str()))
        .bind(token.tries)
        .bind(token.used.as_ref().map(|(used_by, _)| used_by.0.as_slice()))
        .bind(token.used.as_ref().map(|(_, host)| host.0.as_slice()))
        .bind(token.id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Remembers a nonce; whether it is new.
pub async fn use_nonce(conn: &mut SqliteConnection, key: &KeyId, n: Id, until: UnixTime) -> Result<bool, StoreError> {
    let done = sqlx::query("INSERT OR IGNORE INTO nonce (key_id, n, until) VALUES (?, ?, ?)")
        .bind(key.0.as_slice())
        .bind(n.0.as_slice())
        .bind(seconds(until))
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets nonces and tokens that nobody can use any more.
pub async fn forget_old(conn: &mut SqliteConnection, now: UnixTime, day_ago: UnixTime) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM nonce WHERE until < ?")
        .bind(seconds(now))
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM host_token WHERE ends_at < ?")
        .bind(seconds(day_ago))
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM enrolment WHERE ends_at < ?")
        .bind(seconds(day_ago))
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM link WHERE ends_at < ?")
        .bind(seconds(day_ago))
        .execute(&mut *conn)
        .await?;
    Ok(())
}
