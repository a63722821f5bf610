//! What people set up: authenticator apps, recovery codes. Whether somebody may, the registrar says, for a host's root that
//! vouches as for the panel: who has a device approves it there ([`crate::registrar::code_changes`]).

use super::recent::Recent;
use super::recovery::{self, Salt};
use super::totp::AppSecret;
use super::{Codes, Refusal, digits, failed, random_id};
use crate::clock;
use crate::error::Error;
use crate::registrar::code_changes::{APPROVAL_TTL, CodesChange, Standing as Stands};
use crate::store::codes::{self as rows, Kind, NewEnrolled, Opening};
use crate::store::{SqliteConnection, StoreError};
use assent_proto::Id;
use assent_proto::cert::{DeviceOwner, Host, Identity, MAX_IDENTITIES};
use assent_proto::code::{CODE_TRIES, CodeMethod, CodeRefused, CodeReply, TypedCode, TypedSecret};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, ShortText};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Seconds that a set-up waits for its first code.
pub const OPEN_TTL: u32 = 600;
/// Set-ups of one host that may wait at once.
const MAX_OPEN: i64 = 64;

/// An authenticator app, as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct App {
    pub identities: Vec<Identity>,
    pub user: ShortText,
    pub secret: AppSecret,
}

/// A list of recovery codes, as it is kept beside their hashes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub identities: Vec<Identity>,
    pub salt: Salt,
}

/// How somebody stands with codes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Standing {
    /// Since when there is an app.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub totp: Option<u64>,
    /// Recovery codes that are left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recovery: Option<usize>,
}

/// What a person sees of their codes at the panel.
#[derive(Debug, Serialize, Deserialize)]
pub struct Own {
    /// What is set up.
    #[serde(flatten)]
    pub standing: Standing,
    /// The ways by which codes are sent here.
    pub sends: Vec<CodeMethod>,
    /// What was typed lately, newest first.
    pub recent: Vec<Recent>,
}

/// A set-up that waits for its first code.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedTotp {
    /// Names it.
    pub id: Id,
    /// For the app.
    pub uri: Zeroizing<String>,
}

impl Codes {
    /// A host vouches for somebody who wants to set up an app in the terminal, with a new secret or the one that they have.
    pub(super) async fn open_totp_for_host(
        &self,
        host: &Host,
        owner: DeviceOwner,
        secret: Option<&TypedSecret>,
        asked: Option<Id>,
        now: UnixTime,
    ) -> Result<CodeReply, Refusal> {
        let (identities, id) = (&owner.identities, host.claims().host_id);
        if identities.is_empty()
            || identities.len() > MAX_IDENTITIES
            || !self.registrar.may_name(host, identities).await?
        {
            return Err(CodeRefused::Caller.into());
        }
        let secret = match secret {
            Some(text) => AppSecret::from_base32(&text.0).ok_or_else(|| {
                Refusal(
                    CodeRefused::Malformed,
                    "this is no secret of an authenticator app: base32 of at least 80 bits".to_owned(),
                )
            })?,
            None => AppSecret::random().ok_or_else(|| failed("no randomness"))?,
        };
        self.no_app_yet(
            identities,
            "there is an authenticator app already; it is removed first, at the Register Panel or by `assentctl codes reset`",
        )
        .await?;
        let change = match asked {
            Some(change) => change,
            None => {
                let asked = self.registrar.ask_change(&owner, id, CodesChange::AddTotp).await?;
                let asked = asked.map_err(|why| Refusal(CodeRefused::Enrolled, why.as_str().to_owned()))?;
                asked.id
            }
        };
        match self.registrar.change(&owner, id, change).await? {
            Stands::Waiting => Ok(CodeReply::TotpAsked {
                id: change,
                ttl: APPROVAL_TTL,
            }),
            Stands::Granted
                if self.registrar.take_change(&owner, Some(id), change).await? == Some(CodesChange::AddTotp) =>
            {
                let opened = self.open_totp(id, owner, secret, now).await?;
                Ok(CodeReply::TotpOpen {
                    id: opened.id,
                    uri: TypedSecret(opened.uri),
                    ttl: OPEN_TTL,
                })
            }
            Stands::Granted | Stands::Over => Err(Refusal(
                CodeRefused::Over,
                "no device of the user approved this in time".to_owned(),
            )),
        }
    }

    /// Refuses whoever has an app.
    async fn no_app_yet(&self, identities: &[Identity], words: &str) -> Result<(), Refusal> {
        let mut conn = self.pool.acquire().await?;
        for identity in identities {
            if rows::enrolled(&mut conn, identity, Kind::Totp).await?.is_some() {
                return Err(Refusal(CodeRefused::Enrolled, words.to_owned()));
            }
        }
        Ok(())
    }

    /// Keeps an app's secret, which waits for its first code.
    async fn open_totp(
        &self,
        by: Id,
        owner: DeviceOwner,
        secret: AppSecret,
        now: UnixTime,
    ) -> Result<OpenedTotp, Refusal> {
        let uri = secret.uri(&self.config.issuer, owner.name.as_str()).map_err(|error| {
            tracing::error!("{error:#}");
            Refusal::from(CodeRefused::Internal)
        })?;
        let app = App {
            identities: owner.identities,
            user: owner.name,
            secret,
        };
        let id = random_id()?;
        let sealed = self.keep(Kind::Totp, &app)?;
        self.put_opening(id, Kind::Totp, by, sealed, now).await?;
        tracing::info!(%id, name = ?app.user, "an authenticator app is being set up");
        Ok(OpenedTotp { id, uri })
    }

    async fn put_opening(&self, id: Id, kind: Kind, host: Id, sealed: Bytes, now: UnixTime) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let mut conn = self.pool.acquire().await?;
        if rows::openings_of(&mut conn, host, now).await? >= MAX_OPEN {
            return Err(CodeRefused::Limit.into());
        }
        let opening = Opening {
            id,
            kind,
            host,
            sealed,
            ends_at: now.plus(u64::from(OPEN_TTL)),
            tries: 0,
        };
        rows::put_opening(&mut conn, &opening).await?;
        Ok(())
    }

    /// The first code of an app that `by` opened, for these people if it says for whom: from here on it counts.
    pub(super) async fn confirm_totp(
        &self,
        (by, whose): (Id, Option<&[Identity]>),
        id: Id,
        typed: &TypedCode,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let opening = rows::opening(&mut tx, id, Kind::Totp, by).await?;
        let Some(mut opening) = opening.filter(|opening| now <= opening.ends_at) else {
            return Err(CodeRefused::Over.into());
        };
        let app: App = self.open_kept(Kind::Totp, &opening.sealed)?;
        if whose.is_some_and(|whose| app.identities != whose) {
            return Err(CodeRefused::Over.into());
        }
        let Some(step) = app.secret.step_of(typed.reveal(), now) else {
            opening.tries += 1;
            let over = opening.tries >= u32::from(CODE_TRIES);
            match over {
                true => rows::end_opening(&mut tx, id).await?,
                false => rows::put_opening(&mut tx, &opening).await?,
            }
            tx.commit().await?;
            return Err(match over {
                true => CodeRefused::Over.into(),
                false => Refusal(
                    CodeRefused::Malformed,
                    "this is not the app's code; is the phone's clock right?".to_owned(),
                ),
            });
        };
        // Asked again: something may have been set up since it was opened.
        for identity in &app.identities {
            if rows::enrolled(&mut tx, identity, Kind::Totp).await?.is_some() {
                return Err(CodeRefused::Enrolled.into());
            }
        }
        let sealed = self.keep(Kind::Totp, &app)?;
        self.put_app(&mut tx, &app, &sealed, step, now).await?;
        rows::end_opening(&mut tx, id).await?;
        tx.commit().await?;
        tracing::info!(name = ?app.user, "an authenticator app was set up");
        self.tell(&app.user, &app.identities, CodesChange::AddTotp).await;
        Ok(())
    }

    async fn put_app(
        &self,
        conn: &mut SqliteConnection,
        app: &App,
        sealed: &Bytes,
        step: u64,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let new = NewEnrolled {
            id: random_id()?,
            kind: Kind::Totp,
            identities: &app.identities,
            name: app.user.as_str(),
            sealed,
            step,
        };
        rows::put_enrolled(conn, &new, now).await?;
        Ok(())
    }

    /// Takes over the secret of an app that people have already. An admin's deed: no first code confirms it.
    pub(super) async fn import_totp(
        &self,
        owner: DeviceOwner,
        secret: AppSecret,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let app = App {
            identities: owner.identities,
            user: owner.name,
            secret,
        };
        let sealed = self.keep(Kind::Totp, &app)?;
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        for identity in &app.identities {
            if rows::enrolled(&mut tx, identity, Kind::Totp).await?.is_some() {
                return Err(CodeRefused::Enrolled.into());
            }
        }
        self.put_app(&mut tx, &app, &sealed, 0, now).await?;
        tx.commit().await?;
        tracing::warn!(name = ?app.user, "an authenticator app's secret was imported by an admin");
        self.tell(&app.user, &app.identities, CodesChange::AddTotp).await;
        Ok(())
    }

    /// Makes ten recovery codes in the place of those that there were. They are shown once and kept as hashes alone.
    pub(super) async fn make_recovery(
        &self,
        owner: &DeviceOwner,
        now: UnixTime,
    ) -> Result<Vec<Zeroizing<String>>, Refusal> {
        let codes = recovery::random().ok_or_else(|| failed("no randomness"))?;
        let list = List {
            identities: owner.identities.clone(),
            salt: Salt::random().ok_or_else(|| failed("no randomness"))?,
        };
        let texts: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let hashes = self.hashing.hash(&list.salt, &texts).await.map_err(|error| {
            tracing::warn!(%error, "recovery codes were not made");
            Refusal::from(CodeRefused::Internal)
        })?;
        let sealed = self.keep(Kind::Recovery, &list)?;
        let new = NewEnrolled {
            id: random_id()?,
            kind: Kind::Recovery,
            identities: &list.identities,
            name: owner.name.as_str(),
            sealed: &sealed,
            step: 0,
        };
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        rows::put_enrolled(&mut tx, &new, now).await?;
        rows::put_recovery(&mut tx, new.id, &hashes).await?;
        tx.commit().await?;
        tracing::info!(name = ?owner.name, "recovery codes were made");
        self.tell(&owner.name, &owner.identities, CodesChange::NewRecovery)
            .await;
        Ok(codes.iter().map(|code| recovery::grouped(code)).collect())
    }

    /// How somebody stands.
    pub async fn standing(&self, identities: &[Identity]) -> Result<Standing, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let mut standing = Standing {
            totp: None,
            recovery: None,
        };
        for identity in identities {
            if let Some(app) = rows::enrolled(&mut conn, identity, Kind::Totp).await? {
                standing.totp = Some(app.since.0);
            }
            if let Some(list) = rows::enrolled(&mut conn, identity, Kind::Recovery).await? {
                standing.recovery = Some(rows::recovery(&mut conn, list.id).await?.len());
            }
        }
        Ok(standing)
    }

    /// What a person sees of their codes.
    pub async fn own(&self, identities: &[Identity]) -> Result<Own, StoreError> {
        let sends = [
            (CodeMethod::Sms, self.config.sms.is_empty()),
            (CodeMethod::Mail, self.config.mail.is_empty()),
        ];
        // Its cause is in the log.
        let recent = self.recent(identities).await.map_err(|_| StoreError::Row("typed"))?;
        Ok(Own {
            standing: self.standing(identities).await?,
            sends: sends
                .iter()
                .filter(|(_, none)| !none)
                .map(|(method, _)| *method)
                .collect(),
            recent,
        })
    }

    /// Forgets what somebody has of a kind; whether there was something.
    pub(super) async fn forget(&self, identities: &[Identity], kind: Kind) -> Result<bool, Refusal> {
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut removed = false;
        for identity in identities {
            removed |= rows::remove(&mut tx, identity, kind).await?;
        }
        tx.commit().await?;
        Ok(removed)
    }
}

/// What came of a change at the panel.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// An app waits for its first code.
    Totp(OpenedTotp),
    /// Recovery codes, to be shown once.
    Recovery(Vec<Zeroizing<String>>),
    /// Something is gone.
    Removed,
}

/// Who opens set-ups at the panel: no host has this id, for hosts' ids are random.
pub(super) const PANEL: Id = Id { 0: [0; 16] };

impl Codes {
    /// Carries out a change that the registrar granted to this person at the panel; `None`: there is no such grant. The
    /// registrar is asked here, whatever the panel says. The text says why not.
    pub async fn carry_out(&self, owner: &DeviceOwner, id: Id) -> Result<Result<Option<Made>, ShortText>, Error> {
        let Some(change) = self.registrar.take_change(owner, None, id).await? else {
            return Ok(Ok(None));
        };
        let now = clock::now();
        let made = match change {
            CodesChange::AddTotp => self.open_own_totp(owner, now).await.map(Made::Totp),
            CodesChange::NewRecovery => self.make_recovery(owner, now).await.map(Made::Recovery),
            CodesChange::RemoveTotp => self.forget_own(owner, Kind::Totp, change).await,
            CodesChange::RemoveRecovery => self.forget_own(owner, Kind::Recovery, change).await,
        };
        Ok(made.map(Some).map_err(|refusal| ShortText::cut(refusal.1)))
    }

    async fn forget_own(&self, owner: &DeviceOwner, kind: Kind, change: CodesChange) -> Result<Made, Refusal> {
        if self.forget(&owner.identities, kind).await? {
            self.tell(&owner.name, &owner.identities, change).await;
        }
        Ok(Made::Removed)
    }

    async fn open_own_totp(&self, owner: &DeviceOwner, now: UnixTime) -> Result<OpenedTotp, Refusal> {
        self.no_app_yet(
            &owner.identities,
            "you have an authenticator app already; remove it first",
        )
        .await?;
        let secret = AppSecret::random().ok_or_else(|| failed("no randomness"))?;
        self.open_totp(PANEL, owner.clone(), secret, now).await
    }

    /// The first code of an app that was opened at the panel; `false`: there is no such set-up of this person (any more).
    /// The text says why not.
    pub async fn confirm_own_totp(&self, owner: &DeviceOwner, id: Id, typed: &TypedCode) -> Result<bool, ShortText> {
        let whose = (PANEL, Some(owner.identities.as_slice()));
        match self.confirm_totp(whose, id, typed, clock::now()).await {
            Ok(()) => Ok(true),
            Err(Refusal(CodeRefused::Over, _)) => Ok(false),
            Err(refusal) => Err(ShortText::cut(refusal.1)),
        }
    }
}

/// Whether a typed code can be an app's at all; what cannot costs no try.
pub fn is_app_code(typed: &TypedCode) -> bool {
    digits::are_six(typed.reveal())
}
