//! What administrators read at the panel: people with their devices, and what hosts told of exceptions.

use super::registrar::time_of;
use super::{StoreError, id_of, seconds};
use assent_proto::cert::Identity;
use assent_proto::exception::Exceptions;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection};

/// A person's device.
#[derive(Debug, Serialize, Deserialize)]
pub struct Device {
    /// What its user calls it.
    pub label: ShortText,
    /// Since when.
    pub since: UnixTime,
    /// When its certificate ends.
    pub until: UnixTime,
}

/// Somebody who has a device.
#[derive(Debug, Serialize, Deserialize)]
pub struct Person {
    /// The name that the newest device was certified with.
    pub name: ShortText,
    /// Who, as `realm#id`.
    pub identity: String,
    /// Newest first.
    pub devices: Vec<Device>,
}

/// A host, and what it told.
#[derive(Debug)]
pub struct Host {
    /// Its certified name.
    pub name: ShortText,
    /// What it told last, and when; `None`: nothing yet, or what this version does not understand.
    pub told: Option<(UnixTime, Exceptions)>,
}

/// How a part of a name is looked for: as it is, without the letters that mean something to `LIKE`.
fn pattern(part: &str) -> String {
    let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// People with a device that holds at `now`, by name, whose name or identity has `part` in it; `most` of them after the
/// first `skip`.
pub async fn people(
    conn: &mut SqliteConnection,
    part: &str,
    (skip, most): (u32, u32),
    now: UnixTime,
) -> Result<Vec<Person>, StoreError> {
    let found = sqlx::query(
        "SELECT i.realm, i.id, min(d.name) AS name FROM device d JOIN device_identity i ON i.device = d.id \
         WHERE d.revoked IS NULL AND d.exp > ?1 AND (d.name LIKE ?2 ESCAPE '\\' OR i.id LIKE ?2 ESCAPE '\\') \
         GROUP BY i.realm, i.id ORDER BY name, i.realm, i.id LIMIT ?3 OFFSET ?4",
    )
    .bind(seconds(now))
    .bind(pattern(part))
    .bind(i64::from(most))
    .bind(i64::from(skip))
    .fetch_all(&mut *conn)
    .await?;
    let mut people = Vec::new();
    for row in found {
        let identity = Identity {
            realm: ShortText::cut(row.try_get(0)?),
            id: ShortText::cut(row.try_get(1)?),
        };
        let rows = sqlx::query(
            "SELECT d.name, d.label, d.nbf, d.exp FROM device d JOIN device_identity i ON i.device = d.id \
             WHERE i.realm = ? AND i.id = ? AND d.revoked IS NULL AND d.exp > ? ORDER BY d.nbf DESC, d.id",
        )
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(seconds(now))
        .fetch_all(&mut *conn)
        .await?;
        let mut devices = Vec::new();
        let mut name = None;
        for row in &rows {
            name = name.or(Some(ShortText::cut(row.try_get(0)?)));
            devices.push(Device {
                label: ShortText::cut(row.try_get(1)?),
                since: time_of(row.try_get(2)?),
                until: time_of(row.try_get(3)?),
            });
        }
        if let Some(name) = name {
            people.push(Person {
                name,
                identity: identity.to_string(),
                devices,
            });
        }
    }
    Ok(people)
}

/// How many people [`people`] would find without a limit.
pub async fn count(conn: &mut SqliteConnection, part: &str, now: UnixTime) -> Result<u32, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT DISTINCT i.realm, i.id FROM device d JOIN device_identity i ON i.device = d.id \
         WHERE d.revoked IS NULL AND d.exp > ?1 AND (d.name LIKE ?2 ESCAPE '\\' OR i.id LIKE ?2 ESCAPE '\\'))",
    )
    .bind(seconds(now))
    .bind(pattern(part))
    .fetch_one(conn)
    .await?;
    u32::try_from(count).map_err(|_| StoreError::Row("device"))
}

/// Keeps what a host tells, in the place of what it told before.
pub async fn tell(conn: &mut SqliteConnection, host: Id, told: &Exceptions, now: UnixTime) -> Result<(), StoreError> {
    let document = serde_json::to_string(told).map_err(|_| StoreError::Row("told"))?;
    sqlx::query("INSERT OR REPLACE INTO told (host, at, document) VALUES (?, ?, ?)")
        .bind(host.0.as_slice())
        .bind(seconds(now))
        .bind(document)
        .execute(conn)
        .await?;
    Ok(())
}

/// Every host that is certified at `now` but `own`, by name, with what it told.
pub async fn hosts(conn: &mut SqliteConnection, own: Option<Id>, now: UnixTime) -> Result<Vec<Host>, StoreError> {
    let rows = sqlx::query(
        "SELECT h.id, h.display, t.at, t.document FROM host h LEFT JOIN told t ON t.host = h.id \
         WHERE h.revoked IS NULL AND h.exp > ? ORDER BY h.display, h.id",
    )
    .bind(seconds(now))
    .fetch_all(conn)
    .await?;
    let mut hosts = Vec::new();
    for row in rows {
        if Some(id_of(row.try_get(0)?, "host")?) == own {
            continue;
        }
        let at: Option<i64> = row.try_get(2)?;
        let document: Option<&str> = row.try_get(3)?;
        let told = document.and_then(|document| serde_json::from_str(document).ok());
        hosts.push(Host {
            name: ShortText::cut(row.try_get(1)?),
            told: at.map(time_of).zip(told),
        });
    }
    Ok(hosts)
}
