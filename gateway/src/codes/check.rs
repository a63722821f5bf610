//! What was typed is judged. A try is spent before, guesses are counted over methods and logins, and what a right code uses
//! up is used up in the transaction in which the word on it is signed.

use super::logins::Login;
use super::{Codes, Refusal, digits, failed};
use crate::clock;
use crate::store::SqliteConnection;
use crate::store::codes::{self as rows, Guesses};
use assent_proto::Id;
use assent_proto::cert::{DAY, Host};
use assent_proto::code::{CodeMethod, CodeRefused, CodeReply, CodeWord, TypedCode};
use assent_proto::time::UnixTime;

/// Wrong codes of one person in a row, after which none counts for [`LOCK`].
const MOST_WRONG: u32 = 10;
/// Seconds of the lock.
const LOCK: u64 = DAY / 24;

impl Guesses {
    /// The count after one more.
    pub(super) fn after(self, right: bool, now: UnixTime) -> Self {
        let wrong = if right { 0 } else { self.wrong + 1 };
        match wrong >= MOST_WRONG {
            true => Self {
                wrong: 0,
                locked: now.plus(LOCK),
            },
            false => Self {
                wrong,
                locked: UnixTime(0),
            },
        }
    }
}

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
        let guesses = rows::guesses(&mut tx, login.identity()).await?;
        if guesses.locked > now {
            return Err(CodeRefused::Locked.into());
        }
        let right = self.right(&mut tx, &login, typed, hash.as_ref(), now).await?;
        let method = right
            .as_ref()
            .map_or_else(|| looks_like(&login, typed), |right| right.method);
        let after = guesses.after(right.is_some(), now);
        rows::put_guesses(&mut tx, login.identity(), login.start.user.as_str(), after).await?;
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
            if after.locked > now {
                tracing::warn!(identity = %login.identity(), until = after.locked.0, "too many wrong codes in a row: no code of this user counts for an hour");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r77_ten_wrong_codes_in_a_row_lock_for_an_hour_and_a_right_one_begins_anew() {
        let now = UnixTime(1000);
        let mut guesses = Guesses {
            wrong: 0,
            locked: UnixTime(0),
        };
        for wrong in 1..MOST_WRONG {
            guesses = guesses.after(false, now);
            assert_eq!((guesses.wrong, guesses.locked), (wrong, UnixTime(0)));
        }
        assert_eq!(guesses.after(true, now).wrong, 0);
        let locked = guesses.after(false, now);
        assert_eq!((locked.wrong, locked.locked), (0, UnixTime(4600)));
    }
}
