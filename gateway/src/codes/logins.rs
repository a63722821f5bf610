//! The logins that wait for a code, in memory: a restart ends them, and their hosts hear that they are over.

use super::digits::Hashed;
use super::number::Number;
use assent_proto::cert::Identity;
use assent_proto::code::{CODE_TRIES, CodeMethod, CodeStart, MAX_CODE_TTL};
use assent_proto::time::BootTime;
use assent_proto::{Digest, Id};
use lettre::Address;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Logins of one host that may wait at once.
pub const MAX_PER_HOST: usize = 512;

/// One login.
#[derive(Clone)]
pub struct Login {
    /// SHA-256 of the signed ask that started it.
    pub ask: Digest,
    /// As its host described it.
    pub start: CodeStart,
    /// The host's name, for messages.
    pub host_name: String,
    /// Where an SMS would go.
    pub number: Option<Number>,
    /// Where a mail would go.
    pub mail: Option<Address>,
    ends: BootTime,
    left: u8,
    sent: Vec<(CodeMethod, Hashed)>,
}

impl Login {
    /// A login that begins.
    pub fn new(
        ask: Digest,
        start: CodeStart,
        host_name: String,
        number: Option<Number>,
        mail: Option<Address>,
        now: BootTime,
    ) -> Self {
        let life = Duration::from_secs(u64::from(start.ttl.min(MAX_CODE_TTL)));
        Self {
            ask,
            host_name,
            number,
            mail,
            ends: now.plus(life),
            left: CODE_TRIES,
            sent: Vec::new(),
            start,
        }
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.start.identity
    }

    /// Whether this method would do.
    pub fn offers(&self, method: CodeMethod) -> bool {
        self.start.methods.contains(&method)
    }

    /// By which sent code this was typed. Compares with each, whichever fits.
    pub fn sent_as(&self, typed: &str) -> Option<CodeMethod> {
        let mut found = None;
        for (method, hashed) in &self.sent {
            if hashed.is(typed) {
                found = Some(*method);
            }
        }
        found
    }

    /// The last method by which a code was sent.
    pub fn last_sent(&self) -> Option<CodeMethod> {
        self.sent.last().map(|(method, _)| *method)
    }
}

/// All of them.
#[derive(Default)]
pub struct Logins(Mutex<HashMap<(Id, Id), Login>>);

/// Why a login cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// It has begun before.
    Known,
    /// Too many of this host wait.
    TooMany,
}

impl Logins {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Id, Id), Login>> {
        // A panic under the lock leaves the map whole: each change is one call on it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in.
    pub fn begin(&self, host: Id, login: Login, now: BootTime) -> Result<(), NotBegun> {
        let mut all = self.lock();
        all.retain(|_, login| now < login.ends);
        if all.contains_key(&(host, login.start.id)) {
            return Err(NotBegun::Known);
        }
        if all.keys().filter(|(of, _)| *of == host).count() >= MAX_PER_HOST {
            return Err(NotBegun::TooMany);
        }
        all.insert((host, login.start.id), login);
        Ok(())
    }

    /// One that may still come to something.
    pub fn find(&self, host: Id, id: Id, now: BootTime) -> Option<Login> {
        let all = self.lock();
        all.get(&(host, id))
            .filter(|login| login.left > 0 && now < login.ends)
            .cloned()
    }

    /// Takes one of its tries, before anything is judged: two checks at once are two tries. The login, and the tries left.
    pub fn take_try(&self, host: Id, id: Id, now: BootTime) -> Option<(Login, u8)> {
        let mut all = self.lock();
        let login = all
            .get_mut(&(host, id))
            .filter(|login| login.left > 0 && now < login.ends)?;
        login.left -= 1;
        Some((login.clone(), login.left))
    }

    /// Remembers a code that is about to travel, in the place of an earlier one of its method.
    pub fn put_sent(&self, host: Id, id: Id, method: CodeMethod, code: Hashed) {
        if let Some(login) = self.lock().get_mut(&(host, id)) {
            login.sent.retain(|(known, _)| *known != method);
            login.sent.push((method, code));
        }
    }

    /// Ends one.
    pub fn end(&self, host: Id, id: Id) {
        self.lock().remove(&(host, id));
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.lock().len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::{Nonce, ShortText};

    const NOW: BootTime = BootTime(Duration::from_secs(100));
    const HOST: Id = Id { 0: [1; 16] };

    fn login(id: u8, ttl: u32) -> Login {
        let text = |text: &str| ShortText::new(text).unwrap();
        let start = CodeStart {
            id: Id { 0: [id; 16] },
            n: Nonce { 0: [9; 32] },
            login: text("abcdef"),
            identity: Identity {
                realm: text("example.org"),
                id: text("alice"),
            },
            user: text("alice"),
            svc: text("sshd"),
            app: text("ssh"),
            src: None,
            methods: vec![CodeMethod::Sms, CodeMethod::Totp],
            mobile: None,
            mail: None,
            ttl,
            ctx: Digest { 0: [3; 32] },
            lang: text("en"),
        };
        Login::new(Digest { 0: [4; 32] }, start, "web01".into(), None, None, NOW)
    }

    fn at(seconds: u64) -> BootTime {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_login_has_three_tries_and_its_life_and_only_its_own_host() {
        let logins = Logins::default();
        let id = Id { 0: [2; 16] };
        logins.begin(HOST, login(2, 60), NOW).unwrap();
        assert_eq!(logins.begin(HOST, login(2, 60), NOW), Err(NotBegun::Known));
        assert!(logins.take_try(Id { 0: [7; 16] }, id, NOW).is_none());
        for left in [2, 1, 0] {
            assert_eq!(logins.take_try(HOST, id, at(59)).map(|(_, left)| left), Some(left));
        }
        assert!(logins.take_try(HOST, id, NOW).is_none() && logins.find(HOST, id, NOW).is_none());
        // Over, but remembered: the same start does not begin again.
        assert_eq!(logins.begin(HOST, login(2, 60), at(59)), Err(NotBegun::Known));
        logins.begin(HOST, login(3, 10_000), NOW).unwrap();
        let id = Id { 0: [3; 16] };
        assert!(logins.find(HOST, id, at(599)).is_some());
        assert!(logins.find(HOST, id, at(600)).is_none(), "ten minutes at most");
    }

    #[test]
    fn a_host_fills_its_own_room_alone() {
        let logins = Logins::default();
        for n in 0..MAX_PER_HOST {
            let mut one = login(2, 60);
            one.start.id.0[..8].copy_from_slice(&n.to_be_bytes());
            logins.begin(HOST, one, NOW).unwrap();
        }
        assert_eq!(logins.begin(HOST, login(2, 60), NOW), Err(NotBegun::TooMany));
        assert!(logins.begin(Id { 0: [8; 16] }, login(2, 60), NOW).is_ok());
        assert!(
            logins.begin(HOST, login(2, 60), at(60)).is_ok(),
            "those of before are over"
        );
    }

    #[test]
    fn a_new_code_takes_the_place_of_the_one_before_it() {
        let logins = Logins::default();
        let id = Id { 0: [2; 16] };
        logins.begin(HOST, login(2, 60), NOW).unwrap();
        for (method, code) in [
            (CodeMethod::Sms, "111111"),
            (CodeMethod::Mail, "222222"),
            (CodeMethod::Sms, "333333"),
        ] {
            logins.put_sent(HOST, id, method, Hashed::of(code).unwrap());
        }
        let login = logins.find(HOST, id, NOW).unwrap();
        assert_eq!(login.sent_as("111111"), None);
        assert_eq!(login.sent_as("222222"), Some(CodeMethod::Mail));
        assert_eq!(login.sent_as("333333"), Some(CodeMethod::Sms));
        assert_eq!(login.last_sent(), Some(CodeMethod::Sms));
    }
}
