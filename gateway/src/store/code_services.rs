//! The code service's certificates, as the registrar keeps them.

use super::registrar::time_of;
use super::{StoreError, id_of, seconds};
use assent_proto::Id;
use assent_proto::keys::KeyId;
use assent_proto::time::UnixTime;
use sqlx::{Row as _, SqliteConnection};

/// A key of the code service.
#[derive(Debug)]
pub struct Row {
    /// Names it among the subjects of certificates.
    pub subject: Id,
    /// Its newest certificate.
    pub document: String,
    /// When it was revoked.
    pub revoked: Option<UnixTime>,
}

/// The key of this id.
pub async fn find(conn: &mut SqliteConnection, key: &KeyId) -> Result<Option<Row>, StoreError> {
    let row = sqlx::query("SELECT subject, document, revoked FROM code_service WHERE key_id = ?")
        .bind(key.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let revoked: Option<i64> = row.try_get(2)?;
        Ok(Row {
            subject: id_of(row.try_get(0)?, "code_service")?,
            document: row.try_get(1)?,
            revoked: revoked.map(time_of),
        })
    })
    .transpose()
}

/// Keeps a key's newest certificate.
pub async fn put(
    conn: &mut SqliteConnection,
    key: &KeyId,
    subject: Id,
    document: &str,
    exp: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO code_service (key_id, subject, document, exp) VALUES (?, ?, ?, ?) \
         ON CONFLICT (key_id) DO UPDATE SET document = excluded.document, exp = excluded.exp",
    )
    .bind(key.0.as_slice())
    .bind(subject.0.as_slice())
    .bind(document)
    .bind(seconds(exp))
    .execute(conn)
    .await?;
    Ok(())
}

/// The certificates of keys that are not revoked and end after `now`.
pub async fn living(conn: &mut SqliteConnection, now: UnixTime) -> Result<Vec<String>, StoreError> {
    let documents = sqlx::query_scalar("SELECT document FROM code_service WHERE revoked IS NULL AND exp > ?")
        .bind(seconds(now))
        .fetch_all(conn)
        .await?;
    Ok(documents)
}

/// Revokes every key that is not; their subjects.
pub async fn revoke_all(conn: &mut SqliteConnection, now: UnixTime) -> Result<Vec<Id>, StoreError> {
    let rows = sqlx::query("UPDATE code_service SET revoked = ? WHERE revoked IS NULL RETURNING subject")
        .bind(seconds(now))
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| id_of(row.try_get(0)?, "code_service")).collect()
}
