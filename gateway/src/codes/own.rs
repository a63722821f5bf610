//! A code as proof of who somebody is at the panel: of their app or of their list, never one that was sent. Guesses count
//! as those at a place of their own.

use super::enrol::{App, List, PANEL};
use super::recent::Typed;
use super::{Codes, Refusal, digits, failed, guesses, names};
use crate::clock;
use crate::error::Error;
use crate::store::SqliteConnection;
use crate::store::codes::{self as rows, Kind};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::code::{CodeMethod, CodeRefused, TypedCode};
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use subtle::ConstantTimeEq as _;

impl Codes {
    /// Lifts the freezes of somebody who proves themselves by this code; how many there were. The text says why not.
    pub async fn lift_freeze(&self, owner: &DeviceOwner, typed: &TypedCode) -> Result<Result<u64, ShortText>, Error> {
        let no = |why: &str| Ok(Err(ShortText::cut(why.to_owned())));
        match self.proves(owner, typed).await {
            Ok(true) => Ok(Ok(self.registrar.lift_freeze(owner).await?)),
            Ok(false) => no("the code is wrong, or was used before"),
            Err(why) => no(why),
        }
    }

    /// Removes a device of somebody who proves themselves by this code; `false`: they have no such device. The text says why
    /// not.
    pub async fn remove_device(
        &self,
        owner: &DeviceOwner,
        (device, lost): (Id, bool),
        typed: &TypedCode,
    ) -> Result<Result<bool, ShortText>, Error> {
        let no = |why: &str| Ok(Err(ShortText::cut(why.to_owned())));
        match self.proves(owner, typed).await {
            Ok(true) => Ok(Ok(self.registrar.remove_device(owner, device, lost).await?)),
            Ok(false) => no("the code is wrong, or was used before"),
            Err(why) => no(why),
        }
    }

    /// Whether this is a code of one of the person's identities; uses it up. The text says why none counts.
    async fn proves(&self, owner: &DeviceOwner, typed: &TypedCode) -> Result<bool, &'static str> {
        for identity in &owner.identities {
            match self
                .is_code_of(identity, owner.name.as_str(), typed, clock::now())
                .await
            {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(Refusal(why, _)) => return Err(why.words()),
            }
        }
        Ok(false)
    }

    async fn is_code_of(&self, who: &Identity, name: &str, typed: &TypedCode, now: UnixTime) -> Result<bool, Refusal> {
        let hash = match digits::are_six(typed.reveal()) {
            true => None,
            false => self.list_hash(who, typed).await?,
        };
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let place = guesses::place(PANEL, None);
        let guesses = rows::guesses(&mut tx, who, place).await?;
        if guesses.locked(now) {
            return Err(CodeRefused::Locked.into());
        }
        let right = match (&hash, digits::are_six(typed.reveal())) {
            (_, true) => self.app_code(&mut tx, who, typed, now).await?,
            (Some(hash), false) => self.list_code(&mut tx, who, hash, now).await?.is_some(),
            (None, false) => false,
        };
        rows::put_guesses(&mut tx, (who, name), place, guesses.after(right, now), now).await?;
        let method = match digits::are_six(typed.reveal()) {
            true => CodeMethod::Totp,
            false => CodeMethod::Recovery,
        };
        self.remember(&mut tx, who, Typed::at_panel(who, method, right), now)
            .await?;
        tx.commit().await?;
        Ok(right)
    }

    /// The hash of what could be of somebody's list, outside any transaction: it takes its time. Who has no list waits as
    /// long.
    pub(super) async fn list_hash(&self, who: &Identity, typed: &TypedCode) -> Result<Option<[u8; 32]>, Refusal> {
        let list = {
            let mut conn = self.pool.acquire().await?;
            rows::enrolled(&mut conn, who, Kind::Recovery).await?
        };
        let salt = match &list {
            Some(list) => {
                let list: List = self.open_kept(Kind::Recovery, &list.sealed)?;
                names(&list.identities, who)?;
                list.salt
            }
            None => super::recovery::Salt::random().ok_or_else(|| failed("no randomness"))?,
        };
        let hashes = self.hashing.hash(&salt, &[typed.reveal()]).await.map_err(|error| {
            tracing::warn!(%error, "a recovery code was not checked");
            Refusal::from(CodeRefused::Internal)
        })?;
        Ok(list.and_then(|_| hashes.first().copied()))
    }

    /// Whether somebody's list has this code unused; uses it up, and says how many are left.
    pub(super) async fn list_code(
        &self,
        conn: &mut SqliteConnection,
        who: &Identity,
        hash: &[u8; 32],
        now: UnixTime,
    ) -> Result<Option<usize>, Refusal> {
        let Some(list) = rows::enrolled(conn, who, Kind::Recovery).await? else {
            return Ok(None);
        };
        let unused = rows::recovery(conn, list.id).await?;
        let mut known = false;
        for one in &unused {
            known |= bool::from(one.ct_eq(hash));
        }
        if !known || !rows::use_recovery(conn, list.id, hash, now).await? {
            return Ok(None);
        }
        Ok(Some(unused.len() - 1))
    }

    /// Whether this is a code of somebody's app whose step was not used; uses it up.
    pub(super) async fn app_code(
        &self,
        conn: &mut SqliteConnection,
        who: &Identity,
        typed: &TypedCode,
        now: UnixTime,
    ) -> Result<bool, Refusal> {
        let Some(enrolled) = rows::enrolled(conn, who, Kind::Totp).await? else {
            return Ok(false);
        };
        let app: App = self.open_kept(Kind::Totp, &enrolled.sealed)?;
        names(&app.identities, who)?;
        match app.secret.step_of(typed.reveal(), now) {
            Some(step) => Ok(rows::use_step(conn, enrolled.id, step).await?),
            None => Ok(false),
        }
    }
}
