//! What the revocation list is made of, and the list itself.

use super::registrar::time_of;
use super::{StoreError, id_of, seconds};
use assent_proto::cert::Identity;
use assent_proto::revocation::Origin;
use assent_proto::time::UnixTime;
use assent_proto::{Digest, Id, ShortText};
use sqlx::{Row as _, SqliteConnection};

/// The newest list as it was signed.
#[derive(Debug)]
pub struct Signed {
    /// Its number.
    pub seq: u64,
    /// The list.
    pub document: String,
    /// The certificate of the issuing key that signed it.
    pub issuer: String,
}

/// The newest list.
pub async fn list(conn: &mut SqliteConnection) -> Result<Option<Signed>, StoreError> {
    let row = sqlx::query("SELECT seq, document, issuer FROM revocation_list")
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let seq: i64 = row.try_get(0)?;
    Ok(Some(Signed {
        seq: u64::try_from(seq).map_err(|_| StoreError::Row("revocation_list"))?,
        document: row.try_get(1)?,
        issuer: row.try_get(2)?,
    }))
}

/// Keeps the next list. One whose number is not higher is refused by the table itself.
pub async fn put_list(conn: &mut SqliteConnection, list: &Signed) -> Result<(), StoreError> {
    let seq = i64::try_from(list.seq).map_err(|_| StoreError::Row("revocation_list"))?;
    sqlx::query(
        "INSERT INTO revocation_list (one, seq, document, issuer) VALUES (1, ?, ?, ?) ON CONFLICT (one) \
         DO UPDATE SET seq = excluded.seq, document = excluded.document, issuer = excluded.issuer",
    )
    .bind(seq)
    .bind(&list.document)
    .bind(&list.issuer)
    .execute(conn)
    .await?;
    Ok(())
}

/// Remembers a certificate: its serial is listed if its subject is revoked while it lives.
pub async fn put_certificate(
    conn: &mut SqliteConnection,
    subject: Id,
    serial: Id,
    exp: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT OR IGNORE INTO certificate (serial, subject, exp) VALUES (?, ?, ?)")
        .bind(serial.0.as_slice())
        .bind(subject.0.as_slice())
        .bind(seconds(exp))
        .execute(conn)
        .await?;
    Ok(())
}

/// Serials of certificates of revoked devices and code services that end after `now`.
pub async fn serials(conn: &mut SqliteConnection, now: UnixTime) -> Result<Vec<Id>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.serial FROM certificate c JOIN device d ON d.id = c.subject \
         WHERE d.revoked IS NOT NULL AND c.exp >= ?1 \
         UNION SELECT c.serial FROM certificate c JOIN code_service s ON s.subject = c.subject \
         WHERE s.revoked IS NOT NULL AND c.exp >= ?1",
    )
    .bind(seconds(now))
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| id_of(row.try_get(0)?, "certificate")).collect()
}

/// Revoked hosts with a certificate that ends after `now`.
pub async fn hosts(conn: &mut SqliteConnection, now: UnixTime) -> Result<Vec<Id>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT h.id FROM certificate c JOIN host h ON h.id = c.subject \
         WHERE h.revoked IS NOT NULL AND c.exp >= ?",
    )
    .bind(seconds(now))
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| id_of(row.try_get(0)?, "host")).collect()
}

/// A freeze, with its names.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// Names it, and is the listed entry's salt.
    pub salt: Id,
    /// Whose pushes.
    pub identity: Identity,
    /// From where; `None`: from everywhere.
    pub origin: Option<Origin>,
    /// Since when.
    pub since: UnixTime,
    /// Until when.
    pub until: UnixTime,
    /// The device that said "not me".
    pub device: Id,
}

/// Keeps a freeze.
pub async fn put_freeze(conn: &mut SqliteConnection, freeze: &Frozen) -> Result<(), StoreError> {
    let origin = freeze.origin.as_ref().map(serde_json::to_string).transpose();
    let origin = origin.map_err(|_| StoreError::Row("freeze"))?;
    sqlx::query("INSERT INTO freeze (salt, realm, id, origin, since, until, device) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(freeze.salt.0.as_slice())
        .bind(freeze.identity.realm.as_str())
        .bind(freeze.identity.id.as_str())
        .bind(origin)
        .bind(seconds(freeze.since))
        .bind(seconds(freeze.until))
        .bind(freeze.device.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Every freeze that lasts at `now`, the newest last.
pub async fn freezes(conn: &mut SqliteConnection, now: UnixTime) -> Result<Vec<Frozen>, StoreError> {
    let rows = sqlx::query(
        "SELECT salt, realm, id, origin, since, until, device FROM freeze WHERE until > ? ORDER BY since, salt",
    )
    .bind(seconds(now))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let origin: Option<&str> = row.try_get(3)?;
            Ok(Frozen {
                salt: id_of(row.try_get(0)?, "freeze")?,
                identity: Identity {
                    realm: ShortText::cut(row.try_get(1)?),
                    id: ShortText::cut(row.try_get(2)?),
                },
                origin: origin
                    .map(serde_json::from_str)
                    .transpose()
                    .map_err(|_| StoreError::Row("freeze"))?,
                since: time_of(row.try_get(4)?),
                until: time_of(row.try_get(5)?),
                device: id_of(row.try_get(6)?, "freeze")?,
            })
        })
        .collect()
}

/// Ends every freeze of these people; how many there were.
pub async fn lift(conn: &mut SqliteConnection, identities: &[Identity]) -> Result<u64, StoreError> {
    let mut lifted = 0;
    for identity in identities {
        let done = sqlx::query("DELETE FROM freeze WHERE realm = ? AND id = ?")
            .bind(identity.realm.as_str())
            .bind(identity.id.as_str())
            .execute(&mut *conn)
            .await?;
        lifted += done.rows_affected();
    }
    Ok(lifted)
}

/// The list in which the report of this request stands, if it came before.
pub async fn report(conn: &mut SqliteConnection, request: &Digest) -> Result<Option<u64>, StoreError> {
    let seq: Option<i64> = sqlx::query_scalar("SELECT seq FROM report WHERE request = ?")
        .bind(request.0.as_slice())
        .fetch_optional(conn)
        .await?;
    seq.map(|seq| u64::try_from(seq).map_err(|_| StoreError::Row("report")))
        .transpose()
}

/// Remembers a report, so that it counts once.
pub async fn put_report(
    conn: &mut SqliteConnection,
    request: &Digest,
    seq: u64,
    until: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO report (request, seq, until) VALUES (?, ?, ?)")
        .bind(request.0.as_slice())
        .bind(i64::try_from(seq).map_err(|_| StoreError::Row("report"))?)
        .bind(seconds(until))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what can matter no more.
pub async fn forget_old(conn: &mut SqliteConnection, now: UnixTime) -> Result<(), StoreError> {
    for delete in [
        "DELETE FROM freeze WHERE until < ?",
        "DELETE FROM report WHERE until < ?",
        "DELETE FROM certificate WHERE exp < ?",
    ] {
        sqlx::query(delete).bind(seconds(now)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Ends the oldest freezes of a person beyond `most`.
pub async fn keep_newest(conn: &mut SqliteConnection, identity: &Identity, most: usize) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM freeze WHERE realm = ?1 AND id = ?2 AND salt NOT IN \
         (SELECT salt FROM freeze WHERE realm = ?1 AND id = ?2 ORDER BY since DESC, salt LIMIT ?3)",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .execute(conn)
    .await?;
    Ok(())
}

/// The user names that devices of this person were certified with.
pub async fn names_of(conn: &mut SqliteConnection, identity: &Identity) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT d.name FROM device d JOIN device_identity i ON i.device = d.id \
         WHERE i.realm = ? AND i.id = ? ORDER BY d.name",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
