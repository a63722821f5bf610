//! What an admin of the gateway may ask of the registrar.

use super::notice::Change;
use super::revocations::ListStatus;
use super::{News, Registrar};
use crate::clock;
use crate::store::log::{self, Chain, Entry};
use crate::store::registrar::{self as rows, Certified};
use crate::store::{SqliteConnection, StoreError};
use assent_proto::cert::{CertError, DeviceOwner, Identity, REGISTRAR_NAME};
use assent_proto::enrol::{Token, short_fingerprint};
use assent_proto::{Id, ShortText};
use serde::Serialize;

/// Longest life of a join token in seconds.
pub const MAX_TOKEN_TTL: u64 = 86_400;
/// Life of a join token if nothing is said.
pub const TOKEN_TTL: u64 = 900;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The name.
    #[error(transparent)]
    Name(#[from] CertError),
    /// The registrar's own name.
    #[error("\"{REGISTRAR_NAME}\" is the registrar's own name; give the host another one")]
    Reserved,
    /// The life.
    #[error("a token lives between 1 and {MAX_TOKEN_TTL} seconds")]
    Ttl,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A host or a device, for people.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Which.
    pub id: Id,
    /// A host's name, a device's user.
    pub name: String,
    /// A device's label.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Everyone that a device approves for, as `realm#id`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// Its key's short fingerprint, as the host or device itself shows it.
    pub key: String,
    /// Valid from, in seconds since 1970.
    pub nbf: u64,
    /// Valid to.
    pub exp: u64,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

/// How the registrar is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whether the log is what it was.
    pub log_whole: bool,
    /// Rows of the log.
    pub log_rows: Option<u64>,
    /// The issuing key's fingerprint.
    pub issuer: String,
    /// When its certificate ends.
    pub issuer_exp: u64,
    /// Every issuing key that lives, newest first.
    pub issuers: Vec<ListedIssuer>,
    /// The first root's fingerprint.
    pub root: String,
    /// Which version of the roots counts.
    pub roots_version: u64,
    /// What is to be done, and how.
    pub warnings: Vec<String>,
    /// How often devices were added or removed.
    pub generation: u64,
    /// The revocation list.
    pub revocations: Option<ListStatus>,
}

/// An issuing key, for people.
#[derive(Debug, Serialize)]
pub struct ListedIssuer {
    /// Its fingerprint.
    pub key: String,
    /// Valid from, in seconds since 1970.
    pub nbf: u64,
    /// Valid to.
    pub exp: u64,
}

#[derive(Serialize)]
struct Revocation {
    v: u8,
    revoked: Id,
    kind: &'static str,
    at: u64,
}

impl Registrar {
    /// Makes a join token for a host of this name.
    pub async fn host_token(&self, name: &str, ttl: u64) -> Result<Token, TokenError> {
        self.keys().current().issuer.allows_host(name)?;
        if name == REGISTRAR_NAME {
            return Err(TokenError::Reserved);
        }
        if ttl == 0 || ttl > MAX_TOKEN_TTL {
            return Err(TokenError::Ttl);
        }
        let token = Token::random(self.keys().roots.current()).map_err(|_| StoreError::Random)?;
        let _turn = self.turn.lock().await;
        let mut conn = self.pool.acquire().await.map_err(StoreError::from)?;
        rows::put_host_token(&mut conn, token.id, name, &token.secret, clock::now().plus(ttl)).await?;
        tracing::info!(token_id = %token.id, name, ttl, "a join token was made");
        Ok(token)
    }

    /// Every host.
    pub async fn list_hosts(&self) -> Result<Vec<Listed>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        Ok(rows::hosts(&mut conn)
            .await?
            .into_iter()
            .map(|host| listed(host, Vec::new()))
            .collect())
    }

    /// Every device.
    pub async fn list_devices(&self) -> Result<Vec<Listed>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let mut list = Vec::new();
        for device in rows::devices(&mut conn).await? {
            let identities = rows::identities(&mut conn, device.id).await?;
            let identities = identities
                .into_iter()
                .map(|(realm, id)| format!("{realm}#{id}"))
                .collect();
            list.push(listed(device, identities));
        }
        Ok(list)
    }

    /// Revokes a device: it gets no push and no answer of it passes the relay any more, and hosts are told to ask for
    /// the certificates anew. `false`: there is no such device that is not revoked already.
    pub async fn revoke_device(&self, id: Id) -> Result<bool, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        if !rows::revoke_device(&mut tx, id, now).await? {
            return Ok(false);
        }
        record(&mut tx, "device", id, now.0).await?;
        let mut news = News {
            closed: vec![id],
            ..News::default()
        };
        self.next_list(&mut tx, &mut news, now).await?;
        if let Some(device) = rows::device(&mut tx, id).await? {
            let identities = rows::identities(&mut tx, id).await?.into_iter();
            let owner = DeviceOwner {
                identities: identities
                    .map(|(realm, id)| Identity {
                        realm: ShortText::cut(realm),
                        id: ShortText::cut(id),
                    })
                    .collect(),
                name: ShortText::cut(device.name),
            };
            news.change(Change::Removed, &owner, Some(id), &ShortText::cut(device.label));
        }
        self.finish(tx, news, turn).await?;
        tracing::info!(device = %id, "a device was revoked");
        Ok(true)
    }

    /// Revokes a host: its mailbox is closed, its calls are refused, and devices draw nothing of it any more.
    pub async fn revoke_host(&self, id: Id) -> Result<bool, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        if self.own_host().is_some_and(|own| own.claims().host_id == id) {
            return Ok(false);
        }
        if !rows::revoke_host(&mut tx, id, now).await? {
            return Ok(false);
        }
        record(&mut tx, "host", id, now.0).await?;
        let mut news = News {
            closed: vec![id],
            ..News::default()
        };
        self.next_list(&mut tx, &mut news, now).await?;
        self.finish(tx, news, turn).await?;
        tracing::info!(host = %id, "a host was revoked");
        Ok(true)
    }

    /// How the registrar is; reads the whole log.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let log_rows = match self.check_log().await? {
            Chain::Whole(rows) => Some(rows),
            Chain::Broken(_) => None,
        };
        let mut conn = self.pool.acquire().await?;
        let (keys, now) = (self.keys(), clock::now());
        let claims = keys.current().issuer.claims();
        Ok(Status {
            log_whole: log_rows.is_some(),
            log_rows,
            issuer: claims.sign.id().encode(),
            issuer_exp: claims.exp.0,
            issuers: keys
                .living()
                .iter()
                .map(|one| ListedIssuer {
                    key: one.issuer.claims().sign.id().encode(),
                    nbf: one.issuer.claims().nbf.0,
                    exp: one.issuer.claims().exp.0,
                })
                .collect(),
            root: keys.root.id().encode(),
            roots_version: keys.roots.current().version(),
            warnings: keys.ending(&self.state_dir, now).into_iter().collect(),
            generation: rows::generation(&mut conn).await?,
            revocations: self.list_status(),
        })
    }
}

fn listed(one: Certified, identities: Vec<String>) -> Listed {
    Listed {
        id: one.id,
        name: one.name,
        label: one.label,
        identities,
        key: short_fingerprint(&one.key).encode(),
        nbf: one.nbf.0,
        exp: one.exp.0,
        revoked: one.revoked.map(|at| at.0),
    }
}

pub(super) async fn record(
    conn: &mut SqliteConnection,
    kind: &'static str,
    revoked: Id,
    at: u64,
) -> Result<(), StoreError> {
    let revocation = Revocation {
        v: 1,
        revoked,
        kind,
        at,
    };
    let document = serde_json::to_string(&revocation).map_err(|_| StoreError::Row("log"))?;
    let index = log::next_index(conn).await?;
    log::append(
        conn,
        index,
        assent_proto::time::UnixTime(at),
        Entry::Revocation,
        &document,
    )
    .await
}
