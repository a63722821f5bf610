//! The log of everything that was ever issued or revoked. Rows are only added (a trigger sees to it), and each row's
//! hash covers the one before it, so a row that was changed, taken out or put in shows.

use super::{StoreError, digest_of, seconds};
use assent_proto::time::UnixTime;
use assent_proto::{Digest, sha256};
use futures_util::TryStreamExt as _;
use sqlx::{Row as _, SqliteConnection};

/// What a row records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A host's certificate.
    Host,
    /// A device's certificate.
    Device,
    /// A code service's certificate.
    CodeService,
    /// A revocation, as JSON.
    Revocation,
    /// A freeze or its end, as JSON.
    Freeze,
    /// A revocation list: its number and digest, as JSON.
    List,
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Device => "device",
            Self::CodeService => "code service",
            Self::Revocation => "revocation",
            Self::Freeze => "freeze",
            Self::List => "list",
        }
    }
}

/// Whether the log is what it was.
#[derive(Debug, PartialEq, Eq)]
pub enum Chain {
    /// Yes, with so many rows.
    Whole(u64),
    /// No, from this row on.
    Broken(i64),
}

/// The number of the next row.
pub async fn next_index(conn: &mut SqliteConnection) -> Result<u64, StoreError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(idx) FROM log").fetch_one(conn).await?;
    u64::try_from(last.unwrap_or(-1) + 1).map_err(|_| StoreError::Row("log"))
}

/// Adds row `index`, which must be the next one.
pub async fn append(
    conn: &mut SqliteConnection,
    index: u64,
    at: UnixTime,
    entry: Entry,
    document: &str,
) -> Result<(), StoreError> {
    let index = i64::try_from(index).map_err(|_| StoreError::Row("log"))?;
    let prev = last_hash(conn, index - 1).await?;
    sqlx::query("INSERT INTO log (idx, at, kind, document, prev, hash) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(index)
        .bind(seconds(at))
        .bind(entry.name())
        .bind(document)
        .bind(prev.0.as_slice())
        .bind(hash(&prev, index, seconds(at), entry.name(), document).0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

async fn last_hash(conn: &mut SqliteConnection, index: i64) -> Result<Digest, StoreError> {
    let row: Option<Vec<u8>> = sqlx::query_scalar("SELECT hash FROM log WHERE idx = ?")
        .bind(index)
        .fetch_optional(conn)
        .await?;
    match row {
        Some(hash) => digest_of(&hash, "log"),
        None if index < 0 => Ok(Digest { 0: [0; 32] }),
        None => Err(StoreError::Row("log")),
    }
}

/// Reads the whole log and checks each row's hash.
pub async fn check(conn: &mut SqliteConnection) -> Result<Chain, StoreError> {
    let mut rows = sqlx::query("SELECT idx, at, kind, document, prev, hash FROM log ORDER BY idx").fetch(conn);
    let (mut expected, mut prev) = (0i64, Digest { 0: [0; 32] });
    while let Some(row) = rows.try_next().await? {
        let (index, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let own = hash(&prev, index, at, row.try_get(2)?, row.try_get(3)?);
        let (row_prev, row_hash): (&[u8], &[u8]) = (row.try_get(4)?, row.try_get(5)?);
        if index != expected || row_prev != prev.0 || row_hash != own.0 {
            return Ok(Chain::Broken(expected));
        }
        (expected, prev) = (expected + 1, own);
    }
    Ok(Chain::Whole(u64::try_from(expected).unwrap_or(0)))
}

/// Every part has a fixed length but the last, so no two rows have the same bytes.
fn hash(prev: &Digest, index: i64, at: i64, kind: &str, document: &str) -> Digest {
    let kind = sha256(&[kind.as_bytes()]);
    sha256(&[
        &prev.0,
        &index.to_be_bytes(),
        &at.to_be_bytes(),
        &kind.0,
        document.as_bytes(),
    ])
}
