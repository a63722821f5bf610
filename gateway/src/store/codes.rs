//! `codes.db`: what the code service keeps.

use super::registrar::time_of;
use super::{StoreError, id_of, seconds};
use crate::codes::guesses::{Count, Guesses};
use assent_proto::cert::{DAY, Identity};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Digest, Id, ShortText};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// Right codes of a person that are remembered, and wrong ones.
const MOST_TYPED: i64 = 10;

/// What somebody can have set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An authenticator app.
    Totp,
    /// A list of recovery codes.
    Recovery,
}

impl Kind {
    /// As it stands in a row; also the context under which its secret is sealed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Recovery => "recovery",
        }
    }
}

/// Something that somebody has set up.
#[derive(Debug)]
pub struct Enrolled {
    /// Which.
    pub id: Id,
    /// Since when.
    pub since: UnixTime,
    /// Its secret.
    pub sealed: Bytes,
    /// Of an app: the last step of which a code was taken.
    pub step: u64,
}

/// Remembers a call's nonce; `false`: it came before.
pub async fn use_nonce(conn: &mut SqliteConnection, host: Id, n: Id, until: UnixTime) -> Result<bool, StoreError> {
    let done = sqlx::query("INSERT OR IGNORE INTO nonce (host, n, until) VALUES (?, ?, ?)")
        .bind(host.0.as_slice())
        .bind(n.0.as_slice())
        .bind(seconds(until))
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// What this person has set up of a kind.
pub async fn enrolled(
    conn: &mut SqliteConnection,
    identity: &Identity,
    kind: Kind,
) -> Result<Option<Enrolled>, StoreError> {
    let row = sqlx::query(
        "SELECT e.id, e.since, e.sealed, e.step FROM enrolled e JOIN enrolled_identity i ON i.enrolled = e.id \
         WHERE i.realm = ? AND i.id = ? AND i.kind = ? AND e.kind = i.kind",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(kind.name())
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let step: i64 = row.try_get(3)?;
        Ok(Enrolled {
            id: id_of(row.try_get(0)?, "enrolled")?,
            since: time_of(row.try_get(1)?),
            sealed: Bytes(row.try_get(2)?),
            step: u64::try_from(step).map_err(|_| StoreError::Row("enrolled"))?,
        })
    })
    .transpose()
}

/// Something that is being kept.
pub struct NewEnrolled<'a> {
    /// Names it.
    pub id: Id,
    /// What it is.
    pub kind: Kind,
    /// Whose.
    pub identities: &'a [Identity],
    /// The user's name.
    pub name: &'a str,
    /// Its secret.
    pub sealed: &'a Bytes,
    /// Of an app: the step of its first code.
    pub step: u64,
}

/// Keeps it, in the place of what these people had of the kind.
pub async fn put_enrolled(conn: &mut SqliteConnection, new: &NewEnrolled<'_>, now: UnixTime) -> Result<(), StoreError> {
    for identity in new.identities {
        remove(conn, identity, new.kind).await?;
    }
    sqlx::query("INSERT INTO enrolled (id, kind, name, since, sealed, step) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(new.id.0.as_slice())
        .bind(new.kind.name())
        .bind(new.name)
        .bind(seconds(now))
        .bind(new.sealed.0.as_slice())
        .bind(i64::try_from(new.step).map_err(|_| StoreError::Row("enrolled"))?)
        .execute(&mut *conn)
        .await?;
    for identity in new.identities {
        sqlx::query("INSERT OR IGNORE INTO enrolled_identity (realm, id, kind, enrolled) VALUES (?, ?, ?, ?)")
            .bind(identity.realm.as_str())
            .bind(identity.id.as_str())
            .bind(new.kind.name())
            .bind(new.id.0.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Forgets what this person has of a kind; whether there was something.
pub async fn remove(conn: &mut SqliteConnection, identity: &Identity, kind: Kind) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "DELETE FROM enrolled WHERE id IN \
         (SELECT enrolled FROM enrolled_identity WHERE realm = ? AND id = ? AND kind = ?)",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(kind.name())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Uses up a time step of an app; `false`: it, or a later one, was used before.
pub async fn use_step(conn: &mut SqliteConnection, app: Id, step: u64) -> Result<bool, StoreError> {
    let step = i64::try_from(step).map_err(|_| StoreError::Row("enrolled"))?;
    let done = sqlx::query("UPDATE enrolled SET step = ?1 WHERE id = ?2 AND step < ?1")
        .bind(step)
        .bind(app.0.as_slice())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the hashes of a list's recovery codes.
pub async fn put_recovery(conn: &mut SqliteConnection, list: Id, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
    for hash in hashes {
        sqlx::query("INSERT INTO recovery_code (list, hash) VALUES (?, ?)")
            .bind(list.0.as_slice())
            .bind(hash.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// The hashes of a list's codes that were not used.
pub async fn recovery(conn: &mut SqliteConnection, list: Id) -> Result<Vec<[u8; 32]>, StoreError> {
    let hashes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT hash FROM recovery_code WHERE list = ? AND used IS NULL ORDER BY hash")
            .bind(list.0.as_slice())
            .fetch_all(conn)
            .await?;
    hashes
        .into_iter()
        .map(|hash| hash.try_into().map_err(|_| StoreError::Row("recovery_code")))
        .collect()
}

/// Uses up a recovery code; `false`: it was used before.
pub async fn use_recovery(
    conn: &mut SqliteConnection,
    list: Id,
    hash: &[u8; 32],
    now: UnixTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE recovery_code SET used = ? WHERE list = ? AND hash = ? AND used IS NULL")
        .bind(seconds(now))
        .bind(list.0.as_slice())
        .bind(hash.as_slice())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// How often codes of this person were guessed wrong, as far as it bears on this place.
pub async fn guesses(conn: &mut SqliteConnection, identity: &Identity, place: Digest) -> Result<Guesses, StoreError> {
    let count = |row: &SqliteRow| -> Result<Count, StoreError> {
        let wrong: i64 = row.try_get(0)?;
        Ok(Count {
            wrong: u32::try_from(wrong).map_err(|_| StoreError::Row("guess"))?,
            locked: time_of(row.try_get(1)?),
        })
    };
    let mut guesses = Guesses::NONE;
    let strangers = sqlx::query("SELECT wrong, locked FROM guess WHERE realm = ? AND id = ?")
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = strangers {
        guesses.strangers = count(&row)?;
    }
    let here = sqlx::query("SELECT wrong, locked, known FROM guess_at WHERE realm = ? AND id = ? AND place = ?")
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(place.0.as_slice())
        .fetch_optional(conn)
        .await?;
    if let Some(row) = here {
        guesses.here = count(&row)?;
        guesses.known = time_of(row.try_get(2)?);
    }
    Ok(guesses)
}

/// Keeps the counts.
pub async fn put_guesses(
    conn: &mut SqliteConnection,
    (identity, name): (&Identity, &str),
    place: Digest,
    guesses: Guesses,
    now: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO guess (realm, id, name, wrong, locked) VALUES (?, ?, ?, ?, ?) ON CONFLICT (realm, id) \
         DO UPDATE SET name = excluded.name, wrong = excluded.wrong, locked = excluded.locked",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(name)
    .bind(i64::from(guesses.strangers.wrong))
    .bind(seconds(guesses.strangers.locked))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO guess_at (realm, id, place, name, wrong, locked, known, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (realm, id, place) DO UPDATE SET name = excluded.name, wrong = excluded.wrong, \
         locked = excluded.locked, known = excluded.known, at = excluded.at",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(place.0.as_slice())
    .bind(name)
    .bind(i64::from(guesses.here.wrong))
    .bind(seconds(guesses.here.locked))
    .bind(seconds(guesses.known))
    .bind(seconds(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a person's codes count again everywhere; whether something was counted.
pub async fn forgive(conn: &mut SqliteConnection, identity: &Identity) -> Result<bool, StoreError> {
    let mut changed = 0;
    for update in [
        "UPDATE guess SET wrong = 0, locked = 0 WHERE realm = ? AND id = ? AND (wrong > 0 OR locked > 0)",
        "UPDATE guess_at SET wrong = 0, locked = 0 WHERE realm = ? AND id = ? AND (wrong > 0 OR locked > 0)",
    ] {
        let done = sqlx::query(update)
            .bind(identity.realm.as_str())
            .bind(identity.id.as_str())
            .execute(&mut *conn)
            .await?;
        changed += done.rows_affected();
    }
    Ok(changed > 0)
}

/// A lock that holds.
#[derive(Debug)]
pub struct Lock {
    /// Whose codes.
    pub who: Known,
    /// Until when.
    pub until: UnixTime,
    /// Whether at every unknown place, or at one place alone.
    pub everywhere: bool,
}

/// The locks that hold.
pub async fn locks(conn: &mut SqliteConnection, now: UnixTime) -> Result<Vec<Lock>, StoreError> {
    let rows = sqlx::query(
        "SELECT realm, id, name, locked, 1 FROM guess WHERE locked > ?1 UNION ALL \
         SELECT realm, id, name, locked, 0 FROM guess_at WHERE locked > ?1 ORDER BY 1, 2, 4",
    )
    .bind(seconds(now))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let everywhere: i64 = row.try_get(4)?;
            Ok(Lock {
                who: known(row)?,
                until: time_of(row.try_get(3)?),
                everywhere: everywhere != 0,
            })
        })
        .collect()
}

/// Keeps what was typed, sealed; of right ones and of wrong ones the newest alone.
pub async fn put_typed(
    conn: &mut SqliteConnection,
    identity: &Identity,
    ok: bool,
    sealed: &Bytes,
    now: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO typed (realm, id, at, ok, sealed) VALUES (?, ?, ?, ?, ?)")
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .bind(seconds(now))
        .bind(i64::from(ok))
        .bind(sealed.0.as_slice())
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "DELETE FROM typed WHERE realm = ?1 AND id = ?2 AND ok = ?3 AND rowid NOT IN \
         (SELECT rowid FROM typed WHERE realm = ?1 AND id = ?2 AND ok = ?3 ORDER BY at DESC, rowid DESC LIMIT ?4)",
    )
    .bind(identity.realm.as_str())
    .bind(identity.id.as_str())
    .bind(i64::from(ok))
    .bind(MOST_TYPED)
    .execute(conn)
    .await?;
    Ok(())
}

/// What this person typed lately, newest first: when, and the rest sealed.
pub async fn typed(conn: &mut SqliteConnection, identity: &Identity) -> Result<Vec<(UnixTime, Bytes)>, StoreError> {
    let rows = sqlx::query("SELECT at, sealed FROM typed WHERE realm = ? AND id = ? ORDER BY at DESC, rowid DESC")
        .bind(identity.realm.as_str())
        .bind(identity.id.as_str())
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok((time_of(row.try_get(0)?), Bytes(row.try_get(1)?))))
        .collect()
}

/// A person as the code service knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub identity: Identity,
    /// Under which name.
    pub name: String,
}

/// Everybody of whom something is kept.
pub async fn people(conn: &mut SqliteConnection) -> Result<Vec<Known>, StoreError> {
    let rows = sqlx::query(
        "SELECT realm, id, name FROM guess UNION SELECT realm, id, name FROM guess_at UNION \
         SELECT i.realm, i.id, e.name FROM enrolled_identity i JOIN enrolled e ON e.id = i.enrolled ORDER BY 1, 2, 3",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(known).collect()
}

/// The person in the first three columns.
fn known(row: &SqliteRow) -> Result<Known, StoreError> {
    Ok(Known {
        identity: Identity {
            realm: ShortText::cut(row.try_get(0)?),
            id: ShortText::cut(row.try_get(1)?),
        },
        name: row.try_get(2)?,
    })
}

/// Something that is being set up.
#[derive(Debug)]
pub struct Opening {
    /// Names it.
    pub id: Id,
    /// What it is.
    pub kind: Kind,
    /// Who asked.
    pub host: Id,
    /// What is being set up.
    pub sealed: Bytes,
    /// Until when it waits.
    pub ends_at: UnixTime,
    /// Wrong first codes.
    pub tries: u32,
}

/// Keeps it.
pub async fn put_opening(conn: &mut SqliteConnection, opening: &Opening) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO opening (id, kind, host, sealed, ends_at, tries) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET tries = excluded.tries",
    )
    .bind(opening.id.0.as_slice())
    .bind(opening.kind.name())
    .bind(opening.host.0.as_slice())
    .bind(opening.sealed.0.as_slice())
    .bind(seconds(opening.ends_at))
    .bind(i64::from(opening.tries))
    .execute(conn)
    .await?;
    Ok(())
}

/// What `host` opened under this id.
pub async fn opening(conn: &mut SqliteConnection, id: Id, kind: Kind, host: Id) -> Result<Option<Opening>, StoreError> {
    let row = sqlx::query("SELECT sealed, ends_at, tries FROM opening WHERE id = ? AND kind = ? AND host = ?")
        .bind(id.0.as_slice())
        .bind(kind.name())
        .bind(host.0.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let tries: i64 = row.try_get(2)?;
        Ok(Opening {
            id,
            kind,
            host,
            sealed: Bytes(row.try_get(0)?),
            ends_at: time_of(row.try_get(1)?),
            tries: u32::try_from(tries).map_err(|_| StoreError::Row("opening"))?,
        })
    })
    .transpose()
}

/// How many of a host's openings wait.
pub async fn openings_of(conn: &mut SqliteConnection, host: Id, now: UnixTime) -> Result<i64, StoreError> {
    let waiting = sqlx::query_scalar("SELECT count(*) FROM opening WHERE host = ? AND ends_at > ?")
        .bind(host.0.as_slice())
        .bind(seconds(now))
        .fetch_one(conn)
        .await?;
    Ok(waiting)
}

/// Forgets an opening.
pub async fn end_opening(conn: &mut SqliteConnection, id: Id) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM opening WHERE id = ?")
        .bind(id.0.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// A message that is about to be sent.
pub struct Message<'a> {
    /// "sms" or "mail".
    pub method: &'static str,
    /// To whom.
    pub identity: &'a Identity,
    /// For which host.
    pub host: Id,
    /// The longest listed prefix of its number; empty for a mail.
    pub prefix: &'a str,
}

/// Messages of one method since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// To this person.
    pub user: u32,
    /// For this host.
    pub host: u32,
    /// To this prefix.
    pub prefix: u32,
    /// All.
    pub all: u32,
    /// When the last one went to this person.
    pub last: Option<UnixTime>,
}

/// How many messages like this one were sent since then.
pub async fn counts(conn: &mut SqliteConnection, message: &Message<'_>, since: UnixTime) -> Result<Counts, StoreError> {
    let row = sqlx::query(
        "SELECT coalesce(sum(realm = ?3 AND id = ?4), 0), coalesce(sum(host = ?5), 0), coalesce(sum(prefix = ?6), 0), \
         count(*), max(CASE WHEN realm = ?3 AND id = ?4 THEN at END) FROM sent WHERE method = ?1 AND at > ?2",
    )
    .bind(message.method)
    .bind(seconds(since))
    .bind(message.identity.realm.as_str())
    .bind(message.identity.id.as_str())
    .bind(message.host.0.as_slice())
    .bind(message.prefix)
    .fetch_one(conn)
    .await?;
    let number = |at: usize| -> Result<u32, StoreError> {
        let number: i64 = row.try_get(at)?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    };
    let last: Option<i64> = row.try_get(4)?;
    Ok(Counts {
        user: number(0)?,
        host: number(1)?,
        prefix: number(2)?,
        all: number(3)?,
        last: last.map(time_of),
    })
}

/// Counts a message.
pub async fn put_sent(conn: &mut SqliteConnection, message: &Message<'_>, now: UnixTime) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO sent (at, method, realm, id, host, prefix) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(seconds(now))
        .bind(message.method)
        .bind(message.identity.realm.as_str())
        .bind(message.identity.id.as_str())
        .bind(message.host.0.as_slice())
        .bind(message.prefix)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what can matter no more.
pub async fn forget_old(conn: &mut SqliteConnection, now: UnixTime) -> Result<(), StoreError> {
    let days_ago = |days: u64| UnixTime(now.0.saturating_sub(days * DAY));
    for (delete, before) in [
        ("DELETE FROM nonce WHERE until < ?", now),
        ("DELETE FROM opening WHERE ends_at < ?", now),
        ("DELETE FROM sent WHERE at < ?", days_ago(1)),
        ("DELETE FROM typed WHERE at < ?", days_ago(90)),
        // What is known has been typed right within ninety days.
        ("DELETE FROM guess_at WHERE known = 0 AND at < ?", days_ago(1)),
        ("DELETE FROM guess_at WHERE known > 0 AND known < ?", now),
        ("DELETE FROM guess WHERE wrong = 0 AND locked < ?", now),
    ] {
        sqlx::query(delete).bind(seconds(before)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// How many people have set something up of a kind.
pub async fn count_enrolled(conn: &mut SqliteConnection, kind: Kind) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar("SELECT count(*) FROM enrolled WHERE kind = ?")
        .bind(kind.name())
        .fetch_one(conn)
        .await?;
    Ok(count)
}
