//! What admins ask of the code service: how it is, unlock, reset, import, trial messages.

use super::enrol::Standing;
use super::totp::AppSecret;
use super::{Codes, Refusal};
use crate::clock;
use crate::error::Error;
use crate::store::StoreError;
use crate::store::codes::{self as rows, Kind};
use assent_proto::ShortText;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::code::CodeRefused;
use serde::{Deserialize, Serialize};

/// How the code service is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Its key.
    key: String,
    /// Until when its certificate holds; `None`: it has none, and no host believes it.
    exp: Option<u64>,
    /// SMS gateways by name.
    sms: Vec<String>,
    /// Mail servers by name.
    mail: Vec<String>,
    /// Logins that wait for a code.
    logins: usize,
    /// People with an authenticator app, recovery codes.
    totp: i64,
    recovery: i64,
    /// Whose codes count for nothing now, and where.
    locked: Vec<Locked>,
    /// What ought to be looked at.
    warnings: Vec<String>,
}

/// Somebody whose codes count for nothing now.
#[derive(Debug, Serialize)]
struct Locked {
    identity: String,
    name: String,
    until: u64,
    /// "unknown places": all at which the user never passed; "one place": a host, and an address.
    at: &'static str,
}

/// What is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The authenticator app.
    Totp,
    /// The recovery codes.
    Recovery,
    /// All of them.
    All,
}

impl What {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Totp => &[Kind::Totp],
            Self::Recovery => &[Kind::Recovery],
            Self::All => &[Kind::Totp, Kind::Recovery],
        }
    }
}

/// Why an import came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotImported {
    /// Nobody is known by this name.
    #[error("nobody is known by this name; write realm#id, as `assentctl explain USER` shows it")]
    Unknown,
    /// Two people have this name.
    #[error("more than one person has this name; write realm#id")]
    Ambiguous,
    /// No base32, too short or too long.
    #[error("this is no secret of an authenticator app: base32 of at least 80 bits")]
    Secret,
    /// The user has one.
    #[error("this user has an authenticator app already; `assentctl codes reset USER totp` removes it")]
    Enrolled,
    /// The code service failed.
    #[error("the code service failed; the gateway's log says why")]
    Failed,
}

impl Codes {
    /// How it is.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let now = clock::now();
        let mut conn = self.pool.acquire().await?;
        let locks = rows::locks(&mut conn, now).await?;
        let locked = locks.into_iter().map(|lock| Locked {
            identity: lock.who.identity.to_string(),
            name: lock.who.name,
            until: lock.until.0,
            at: if lock.everywhere { "unknown places" } else { "one place" },
        });
        let locked = locked.collect();
        let certificate = self.certificate();
        let mut warnings = Vec::new();
        if certificate.is_none() {
            warnings.push(
                "the code service has no certificate: its key is revoked, or the registrar certifies nothing; no host believes its codes".to_owned(),
            );
        }
        if self.config.mail.is_empty() {
            warnings.push(
                "there is no mail server ([[codes.mail]]): people hear of new and removed devices on their other devices alone"
                    .to_owned(),
            );
        }
        if !self.config.sms.is_empty() {
            warnings.push(
                "SMS can be read by others on its way (NIST SP 800-63B calls it restricted): give people an authenticator app or a device".to_owned(),
            );
        }
        Ok(Status {
            key: self.keys.sign.public().id().encode(),
            exp: certificate.map(|service| service.claims().exp.0),
            sms: self.config.sms.iter().map(|one| one.name.clone()).collect(),
            mail: self.config.mail.iter().map(|one| one.host.clone()).collect(),
            logins: self.logins.count(),
            totp: rows::count_enrolled(&mut conn, Kind::Totp).await?,
            recovery: rows::count_enrolled(&mut conn, Kind::Recovery).await?,
            locked,
            warnings,
        })
    }

    /// Everybody whose user name or `realm#id` this is.
    async fn people(&self, who: &str) -> Result<Vec<rows::Known>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let mut people = rows::people(&mut conn).await?;
        people.retain(|known| known.name == who || known.identity.to_string() == who);
        Ok(people)
    }

    /// Lets somebody's codes count again; how many people that were.
    pub async fn unlock(&self, who: &str) -> Result<usize, StoreError> {
        let people = self.people(who).await?;
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut unlocked = 0;
        for known in people {
            unlocked += usize::from(rows::forgive(&mut tx, &known.identity).await?);
        }
        tx.commit().await?;
        tracing::warn!(unlocked, "codes were unlocked by an admin");
        Ok(unlocked)
    }

    /// Forgets what somebody has set up; how much that was.
    pub async fn reset(&self, who: &str, what: What) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for known in self.people(who).await? {
            for kind in what.kinds() {
                let identities = std::slice::from_ref(&known.identity);
                let done = self.forget(identities, *kind).await.map_err(|_| StoreError::Write)?;
                forgotten += usize::from(done);
            }
        }
        tracing::warn!(forgotten, "codes were reset by an admin");
        Ok(forgotten)
    }

    /// Takes over the secret of an app that somebody has already.
    pub async fn import(&self, who: &str, secret: &str) -> Result<Standing, NotImported> {
        let secret = AppSecret::from_base32(secret).ok_or(NotImported::Secret)?;
        let mut people: Vec<(Identity, String)> = self
            .people(who)
            .await
            .map_err(|error| failed(&error))?
            .into_iter()
            .map(|known| (known.identity, known.name))
            .collect();
        people.extend(self.registrar.people(who).await.map_err(|error| failed(&error))?);
        people.sort_by_key(|(identity, _)| identity.to_string());
        people.dedup_by(|a, b| a.0 == b.0);
        let (identity, name) = match (people.len(), who.split_once('#')) {
            (1, _) => people.remove(0),
            (0, Some((realm, id))) => {
                let part = |text: &str| ShortText::new(text).filter(|text| !text.as_str().is_empty());
                let (Some(realm), Some(id)) = (part(realm), part(id)) else {
                    return Err(NotImported::Unknown);
                };
                let name = id.as_str().to_owned();
                (Identity { realm, id }, name)
            }
            (0, None) => return Err(NotImported::Unknown),
            _ => return Err(NotImported::Ambiguous),
        };
        let identities = vec![identity];
        let owner = DeviceOwner {
            identities: identities.clone(),
            name: ShortText::cut(name),
        };
        match self.import_totp(owner, secret, clock::now()).await {
            Ok(()) => self.standing(&identities).await.map_err(|_| NotImported::Failed),
            Err(Refusal(CodeRefused::Enrolled, _)) => Err(NotImported::Enrolled),
            Err(_) => Err(NotImported::Failed),
        }
    }

    /// Revokes its key: no host believes it any more. It goes on with a new `codes.key`.
    pub async fn revoke(&self) -> Result<usize, Error> {
        let revoked = self.registrar.revoke().await?;
        self.housekeeping().await?;
        Ok(revoked)
    }
}

fn failed(error: &dyn std::fmt::Display) -> NotImported {
    tracing::error!(%error, "an import failed");
    NotImported::Failed
}
