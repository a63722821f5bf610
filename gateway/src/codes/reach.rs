//! Where somebody is told by mail what changed of their devices and codes. The address is a directory's: the panel's, when it
//! has checked the password, and those of hosts at which codes are used. No page says it, and no relay can.
//!
//! No single word silences the others: mail goes to each address that the panel's directory or one of the last hosts said.

use super::enrol::PANEL;
use super::mail;
use super::{Codes, Refusal, failed, names};
use crate::error::Error;
use crate::store::{SqliteConnection, StoreError, reach};
use assent_proto::cert::{DAY, Identity};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id, ShortText};
use lettre::Address;
use serde::{Deserialize, Serialize};

/// The context under which an address is sealed.
const CONTEXT: &str = "reach";
/// How long an address is kept that nobody has said again.
const KEPT: u64 = 400 * DAY;

/// What is said again within this time is not written again: a login waits for each write.
const FRESH: u64 = 3600;

/// Where somebody reads mail, as it is kept.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reach {
    identities: Vec<Identity>,
    mail: ShortText,
    /// The language that the directory says they read, as a BCP 47 tag.
    lang: Option<ShortText>,
}

/// Where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct To {
    pub address: Address,
    /// As a BCP 47 tag.
    pub lang: Option<ShortText>,
}

impl Codes {
    /// The panel's directory has just said where this person reads mail, or that it knows of no address.
    pub async fn reach_of_panel(&self, who: &Identity, mail: Option<&ShortText>, now: UnixTime) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut conn = self.pool.acquire().await.map_err(StoreError::from)?;
        let kept = match mail {
            Some(mail) => self.keep_reach(&mut conn, who, PANEL, mail, None, now).await,
            None => reach::remove(&mut conn, who, PANEL).await.map_err(Refusal::from),
        };
        kept.map_err(|_| Error::Internal("where somebody reads mail was not kept"))
    }

    /// A host's directory says where this person reads mail. Their login does not hang on it.
    pub(super) async fn reach_of_host(
        &self,
        who: &Identity,
        host: Id,
        (mail, lang): (&ShortText, &ShortText),
        now: UnixTime,
    ) {
        let _turn = self.turn.lock().await;
        let kept = match self.pool.acquire().await {
            Ok(mut conn) => self.keep_reach(&mut conn, who, host, mail, Some(lang), now).await,
            Err(error) => Err(error.into()),
        };
        if kept.is_err() {
            tracing::warn!(%host, identity = %who, "where a person reads mail was not kept: they hear of changes where it was known before");
        }
    }

    async fn keep_reach(
        &self,
        conn: &mut SqliteConnection,
        who: &Identity,
        source: Id,
        mail: &ShortText,
        lang: Option<&ShortText>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        // What is no address takes no good one's place.
        if mail::address(mail.as_str()).is_none() {
            return Ok(());
        }
        let said = Reach {
            identities: vec![who.clone()],
            mail: mail.clone(),
            lang: lang.cloned(),
        };
        if let Some((sealed, seen)) = reach::said(conn, who, source).await?
            && now.0.saturating_sub(seen.0) < FRESH
            && self.opened(&sealed).is_ok_and(|before| before == said)
        {
            return Ok(());
        }
        let sealed = seal::keep(&self.keys.kem, Purpose::CodeKept, CONTEXT, &said)
            .map_err(|_| failed("an address was not sealed"))?;
        Ok(reach::put(conn, who, source, &sealed, now).await?)
    }

    fn opened(&self, sealed: &Bytes) -> Result<Reach, Refusal> {
        seal::open_kept(&self.keys.kem, Purpose::CodeKept, CONTEXT, sealed)
            .map_err(|_| failed("an address in codes.db does not open: it is of another codes.key"))
    }

    /// Where these people read mail, each address once.
    pub(super) async fn reach(&self, identities: &[Identity]) -> Result<Vec<To>, Refusal> {
        let mut conn = self.pool.acquire().await?;
        let mut found: Vec<To> = Vec::new();
        for who in identities {
            for sealed in reach::of(&mut conn, who, PANEL).await? {
                let said = self.opened(&sealed)?;
                names(&said.identities, who)?;
                let Some(address) = mail::address(said.mail.as_str()) else {
                    continue;
                };
                match found.iter_mut().find(|known| known.address == address) {
                    Some(known) => known.lang = known.lang.take().or(said.lang),
                    None => found.push(To {
                        address,
                        lang: said.lang,
                    }),
                }
            }
        }
        Ok(found)
    }
}

/// Forgets what nobody has said again for long.
pub(super) async fn forget_old(conn: &mut SqliteConnection, now: UnixTime) -> Result<(), StoreError> {
    reach::forget_old(conn, UnixTime(now.0.saturating_sub(KEPT))).await
}
