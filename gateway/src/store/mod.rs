//! All SQL of the gateway, and nothing but SQL: a file a role that keeps something.
//!
//! * `relay.db` ([`relay`], [`writer`]): mailboxes, pushes, answers. Ids and sealed blobs, no names.
//! * `registrar.db` ([`registrar`], [`enrolments`], [`links`], [`revocations`]): hosts, devices, enrolments, the log ([`log`]).
//! * `codes.db` ([`codes`], [`reach`]): what the code service keeps: sealed secrets, hashes, counts.
//!
//! Durability: WAL with `synchronous=NORMAL` in `relay.db`: what was acknowledged survives a crash or `kill -9` of the
//! process; a power cut may take the last moments, which costs a retry. `registrar.db` uses `synchronous=FULL`: a
//! certificate that was given out is on the disk.

pub mod code_services;
pub mod codes;
pub mod enrolments;
pub mod links;
pub mod log;
pub mod overview;
pub mod reach;
pub mod registrar;
pub mod relay;
pub mod revocations;
pub mod writer;

use assent_proto::{Digest, Id};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;

pub use sqlx::migrate::Migrator;
pub use sqlx::{SqliteConnection, SqlitePool};

/// The relay's tables.
pub static RELAY_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/relay");
/// The registrar's tables.
pub static REGISTRAR_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/registrar");

/// The code service's tables.
pub static CODES_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/codes");

/// The store failed. The cause is for the log, never for a caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data base says so.
    #[error("data base: {0}")]
    Sql(#[from] sqlx::Error),
    /// Its tables cannot be brought up to date.
    #[error("data base: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row is not what this program wrote.
    #[error("data base: a row of {0} is not what the gateway wrote")]
    Row(&'static str),
    /// The operating system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
    /// The writer gave the operation up; it has logged why.
    #[error("data base: the write failed")]
    Write,
}

/// How sure a commit must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a crash of the process.
    Process,
    /// Survives a power cut.
    Power,
}

fn options(file: &Path, durability: Durability) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .synchronous(match durability {
            Durability::Process => SqliteSynchronous::Normal,
            Durability::Power => SqliteSynchronous::Full,
        })
        .pragma("secure_delete", "ON")
}

/// Opens a data base, brings its tables up to date.
pub async fn open(
    file: &Path,
    durability: Durability,
    connections: u32,
    tables: &Migrator,
) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options(file, durability))
        .await?;
    tables.run(&pool).await?;
    Ok(pool)
}

/// An id as it stands in a row.
pub(crate) fn id_of(bytes: &[u8], table: &'static str) -> Result<Id, StoreError> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| StoreError::Row(table))?;
    Ok(Id { 0: bytes })
}

/// A digest as it stands in a row.
pub(crate) fn digest_of(bytes: &[u8], table: &'static str) -> Result<Digest, StoreError> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| StoreError::Row(table))?;
    Ok(Digest { 0: bytes })
}

/// A time as it stands in a row.
pub(crate) fn seconds(time: assent_proto::time::UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}
