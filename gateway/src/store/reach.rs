//! `codes.db`: where people are told by mail, by whose word. The addresses themselves are sealed.

use super::registrar::time_of;
use super::{StoreError, seconds};
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use sqlx::{Row as _, SqliteConnection};

/// Hosts whose word on one person counts: those that said it last.
const MOST_HOSTS: i64 = 3;

/// Keeps what `source` says of a person, in the place of what it said before.
pub async fn put(
    conn: &mut SqliteConnection,
    identity: &Identity,
    source: Id,
    sealed: &Bytes,
    now: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO reach (realm, id, source, seen, sealed) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (realm, id, source) DO UPDATE SET seen = excluded.seen, sealed = excluded.sealed",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(source.0.as_slice())
    .bind(seconds(now))
    .bind(sealed.0.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// What `source` said of a person, and when.
pub async fn said(
    conn: &mut SqliteConnection,
    identity: &Identity,
    source: Id,
) -> Result<Option<(Bytes, UnixTime)>, StoreError> {
    let row = sqlx::query("SELECT sealed, seen FROM reach WHERE realm = ? AND id = ? AND source = ?")
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(source.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((Bytes(row.try_get(0)?), time_of(row.try_get(1)?))))
        .transpose()
}

/// Forgets what `source` said of a person.
pub async fn remove(conn: &mut SqliteConnection, identity: &Identity, source: Id) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reach WHERE realm = ? AND id = ? AND source = ?")
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(source.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// What counts of what was said of a person: `first`'s word, then those of the hosts that spoke last.
pub async fn of(conn: &mut SqliteConnection, identity: &Identity, first: Id) -> Result<Vec<Bytes>, StoreError> {
    let rows =
        sqlx::query("SELECT sealed FROM reach WHERE realm = ? AND id = ? ORDER BY source = ? DESC, seen DESC LIMIT ?")
            .bind(identity.realm.as_str())
            .bind(identity.id.as_str())
            .bind(first.0.as_slice())
            .bind(MOST_HOSTS + 1)
            .fetch_all(conn)
            .await?;
    rows.iter().map(|row| Ok(Bytes(row.try_get(0)?))).collect()
}

/// Forgets what was said before `before`.
pub async fn forget_old(conn: &mut SqliteConnection, before: UnixTime) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reach WHERE seen < ?")
        .bind(seconds(before))
        .execute(conn)
        .await?;
    Ok(())
}
