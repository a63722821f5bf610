//! What was typed is judged. A try is spent before, guesses are counted over methods and logins, and what a right code uses
//! up is used up in the transaction in which the word on it is signed.

use super::logins::Login;
use super::recent::Typed;
use super::{Codes, Refusal, digits, failed, guesses};
use crate::clock;
use crate::store::SqliteConnection;
use crate::store::codes as rows;
use assent_proto::Id;
use assent_proto::cert::Host;
use assent_proto::code::{CodeMethod, CodeRefused, CodeReply, CodeWord, TypedCode};
use assent_proto::time::UnixTime;

/// A right code.
struct Right {
    method: CodeMethod,
    /// Recovery codes that are left, if it was one.
    left: Option<usize>,
}

impl Codes {
    pub(super) async fn check(
        &self,
        host: &Host,
        id: Id,
        typed: &TypedCode,
        now: UnixTime,
    ) -> Result<CodeReply, Refusal> {
        let host = host.claims().host_id;
        let (login, left) = self
            .logins
            .take_try(host, id, clock::boot_now())
            .ok_or(CodeRefused::Over)?;
        let hash = self.recovery_hash(&login, typed).await?;
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let place = guesses::place(host, login.start.src);
        let guesses = rows::guesses(&mut tx, login.identity(), place).await?;
        if guesses.locked(now) {
            return Err(CodeRefused::Locked.into());
        }
        let right = self.right(&mut tx, &login, typed, hash.as_ref(), now).await?;
        let method = right
            .as_ref()
            .map_or_else(|| looks_like(&login, typed), |right| right.method);
        let after = guesses.after(right.is_some(), now);
        let who = (login.identity(), login.start.user.as_str());
        rows::put_guesses(&mut tx, who, place, after, now).await?;
        let typed = Typed::at_login(&login, method, right.is_some());
        self.remember(&mut tx, login.identity(), typed, now).await?;
        let word = CodeWord::sign(
            &self.keys.sign,
            (login.ask, host, &login.start),
            method,
            right.is_some(),
            now,
        )
        .map_err(|_| failed("a word was not signed"))?;
        tx.commit().await?;
        let shown = login.start.login.as_str();
        let Some(right) = right else {
            tracing::warn!(login = shown, identity = %login.identity(), left, "a wrong code was typed");
            if after.locked(now) {
                tracing::warn!(identity = %login.identity(), "too many wrong codes in a row: none of this user counts from here for an hour");
            }
            if after.strangers.locked > guesses.strangers.locked {
                tracing::warn!(identity = %login.identity(), "too many wrong codes from unknown places: none of this user counts from such for an hour");
            }
            return Ok(CodeReply::Checked { word, left });
        };
        self.logins.end(host, id);
        tracing::info!(login = shown, identity = %login.identity(), method = method.name(), "a code was right");
        if let Some(left) = right.left {
            tracing::warn!(login = shown, identity = %login.identity(), left, "a recovery code was used");
            self.tell_of_recovery(login, left);
        }
        Ok(CodeReply::Checked { word, left: 0 })
    }

    async fn recovery_hash(&self, login: &Login, typed: &TypedCode) -> Result<Option<[u8; 32]>, Refusal> {
        if digits::are_six(typed.reveal()) || !login.offers(CodeMethod::Recovery) {
            return Ok(None);
        }
        self.list_hash(login.identity(), typed).await
    }

    /// By which method the code is right; uses it up. Every method of the code's shape is tried, whichever fits.
    async fn right(
        &self,
        conn: &mut SqliteConnection,
        login: &Login,
        typed: &TypedCode,
        hash: Option<&[u8; 32]>,
        now: UnixTime,
    ) -> Result<Option<Right>, Refusal> {
        let plain = |method| Right { method, left: None };
        if digits::are_six(typed.reveal()) {
            let sent = login.sent_as(typed.reveal());
            let app = match login.offers(CodeMethod::Totp) {
                true => self.app_code(conn, login.identity(), typed, now).await?,
                false => false,
            };
            return Ok(sent.map(plain).or(app.then(|| plain(CodeMethod::Totp))));
        }
        let Some(hash) = hash else { return Ok(None) };
        let left = self.list_code(conn, login.identity(), hash, now).await?;
        Ok(left.map(|left| Right {
            method: CodeMethod::Recovery,
            left: Some(left),
        }))
    }
}

/// The method of a wrong code, by its looks.
fn looks_like(login: &Login, typed: &TypedCode) -> CodeMethod {
    let offered = |method: &CodeMethod| login.offers(*method);
    let likely = match digits::are_six(typed.reveal()) {
        true => login
            .last_sent()
            .or(Some(CodeMethod::Totp).filter(offered))
            .or(Some(CodeMethod::Sms).filter(offered))
            .or(Some(CodeMethod::Mail).filter(offered)),
        false => Some(CodeMethod::Recovery).filter(offered),
    };
    // A start names at least one.
    likely
        .or(login.start.methods.first().copied())
        .unwrap_or(CodeMethod::Recovery)
}
