//! One-time links to the Register Panel.

use super::registrar::{from_json, time_of, to_json};
use super::{StoreError, id_of, seconds};
use assent_proto::Id;
use assent_proto::cert::DeviceOwner;
use assent_proto::enrol::OneTimeSecret;
use assent_proto::time::UnixTime;
use sqlx::{Row as _, SqliteConnection};

/// One link.
#[derive(Debug)]
pub struct Row {
    /// Its token.
    pub id: Id,
    /// Who opened it.
    pub host: Id,
    /// Who it signs in.
    pub owner: DeviceOwner,
    /// Gone once it is redeemed or dead.
    pub secret: Option<OneTimeSecret>,
    /// Until when it can be redeemed.
    pub ends_at: UnixTime,
    /// Wrong secrets so far.
    pub tries: i64,
    /// When it was redeemed.
    pub redeemed: Option<UnixTime>,
}

/// The link of this id.
pub async fn find(conn: &mut SqliteConnection, id: Id) -> Result<Option<Row>, StoreError> {
    let row = sqlx::query("SELECT host, owner, secret, ends_at, tries, redeemed FROM link WHERE id = ?")
        .bind(id.0.as_slice())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let secret: Option<&str> = row.try_get(2)?;
    Ok(Some(Row {
        id,
        host: id_of(row.try_get(0)?, "link")?,
        owner: from_json(row.try_get(1)?, "link")?,
        secret: secret.map(|secret| from_json(secret, "link")).transpose()?,
        ends_at: time_of(row.try_get(3)?),
        tries: row.try_get(4)?,
        redeemed: row.try_get::<Option<i64>, _>(5)?.map(time_of),
    }))
}

/// Keeps a new link.
pub async fn insert(conn: &mut SqliteConnection, row: &Row) -> Result<(), StoreError> {
    let secret = row.secret.as_ref().map(to_json).transpose()?;
    sqlx::query("INSERT INTO link (id, host, owner, secret, ends_at, tries) VALUES (?, ?, ?, ?, ?, 0)")
        .bind(row.id.0.as_slice())
        .bind(row.host.0.as_slice())
        .bind(to_json(&row.owner)?.as_str())
        .bind(secret.as_ref().map(|secret| secret.as_str()))
        .bind(seconds(row.ends_at))
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps what changed.
pub async fn save(conn: &mut SqliteConnection, row: &Row) -> Result<(), StoreError> {
    let secret = row.secret.as_ref().map(to_json).transpose()?;
    sqlx::query("UPDATE link SET secret = ?, tries = ?, redeemed = ? WHERE id = ?")
        .bind(secret.as_ref().map(|secret| secret.as_str()))
        .bind(row.tries)
        .bind(row.redeemed.map(seconds))
        .bind(row.id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}
