//! Who is signed in. In memory alone: a restart of the gateway ends every session, and no copy of them lies on a disk.
//!
//! A session is known by a random 256-bit id in a cookie; only its hash is kept. Whoever changes something shows the
//! session's second secret besides, in a header that no other site can send ([`Session::csrf`]).

use crate::registrar::self_service::{LINK_SESSION, Proof};
use crate::store::StoreError;
use assent_proto::cert::DeviceOwner;
use assent_proto::time::BootTime;
use assent_proto::{Digest, Nonce, sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A session that does nothing for so long is over.
pub const IDLE: Duration = Duration::from_secs(15 * 60);
/// A session is over after so long, whatever it does.
pub const LONGEST: Duration = Duration::from_secs(8 * 3600);
/// One that began with a one-time link.
pub const LONGEST_BY_LINK: Duration = Duration::from_secs(LINK_SESSION);
/// Most sessions of one person; the oldest one ends.
const MOST_OF_ONE: usize = 8;
/// Most sessions; the one that was idle longest ends.
const MOST: usize = 20_000;

/// Somebody who signed in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub owner: DeviceOwner,
    /// How that was proven.
    pub proof: Proof,
    /// Where codes would go by the directory that checked the password, as much of it as its owner needs to know it
    /// again; `None`: no directory was asked.
    pub sent_to: Option<SentTo>,
    /// What a change must bring along.
    pub csrf: Nonce,
    began: BootTime,
    seen: BootTime,
}

/// Where codes would go, by a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentTo {
    /// The mobile number's last digits.
    pub sms: Option<String>,
    /// The mail address's first letter and domain.
    pub mail: Option<String>,
}

impl Session {
    fn longest(&self) -> Duration {
        match self.proof {
            Proof::Directory => LONGEST,
            Proof::Link(_) => LONGEST_BY_LINK,
        }
    }

    /// When it is over if nothing happens.
    fn ends(&self) -> BootTime {
        self.began.plus(self.longest()).min(self.seen.plus(IDLE))
    }

    /// Whether it began before a moment, or at it.
    pub fn began_by(&self, moment: BootTime) -> bool {
        self.began <= moment
    }

    /// Seconds that are left if nothing happens.
    pub fn left(&self, now: BootTime) -> u64 {
        self.ends().0.saturating_sub(now.0).as_secs()
    }
}

/// Every session.
#[derive(Default)]
pub struct Sessions {
    by_hash: Mutex<HashMap<Digest, Session>>,
}

impl Sessions {
    /// Begins a session; its id is for the cookie and nowhere else.
    pub fn begin(
        &self,
        owner: DeviceOwner,
        proof: Proof,
        sent_to: Option<SentTo>,
        now: BootTime,
    ) -> Result<(Nonce, Session), StoreError> {
        let random = || Nonce::random().map_err(|_| StoreError::Random);
        let id = random()?;
        let session = Session {
            owner,
            proof,
            sent_to,
            csrf: random()?,
            began: now,
            seen: now,
        };
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now < session.ends());
        while let Some(superfluous) = superfluous(&sessions, &session.owner) {
            sessions.remove(&superfluous);
        }
        sessions.insert(hash(&id), session.clone());
        Ok((id, session))
    }

    /// The session of an id, which is awake again.
    pub fn find(&self, id: &Nonce, now: BootTime) -> Option<Arc<Session>> {
        self.get(id, now, true)
    }

    /// The session of an id. A page that asks by itself keeps nobody awake.
    pub fn peek(&self, id: &Nonce, now: BootTime) -> Option<Arc<Session>> {
        self.get(id, now, false)
    }

    fn get(&self, id: &Nonce, now: BootTime, wakes: bool) -> Option<Arc<Session>> {
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(id);
        let session = sessions.get_mut(&hash)?;
        if now >= session.ends() {
            sessions.remove(&hash);
            return None;
        }
        if wakes {
            session.seen = now;
        }
        Some(Arc::new(session.clone()))
    }

    /// Ends a session.
    pub fn end(&self, id: &Nonce) {
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&hash(id));
    }
}

fn hash(id: &Nonce) -> Digest {
    sha256(&[b"assent panel session", &id.0])
}

/// A session that must go before `owner` gets another one.
fn superfluous(sessions: &HashMap<Digest, Session>, owner: &DeviceOwner) -> Option<Digest> {
    let same = || {
        sessions
            .iter()
            .filter(|(_, session)| session.owner.identities == owner.identities)
    };
    if same().count() >= MOST_OF_ONE {
        return same().min_by_key(|(_, session)| session.began).map(|(hash, _)| *hash);
    }
    (sessions.len() >= MOST).then(|| {
        sessions
            .iter()
            .min_by_key(|(_, session)| session.seen)
            .map(|(hash, _)| *hash)
    })?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::cert::Identity;
    use assent_proto::{Id, ShortText};

    fn owner(name: &str) -> DeviceOwner {
        let text = |text: &str| ShortText::new(text).unwrap();
        DeviceOwner {
            identities: vec![Identity {
                realm: text("example.org"),
                id: text(name),
            }],
            name: text(name),
        }
    }

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn r75_a_session_ends_after_fifteen_idle_minutes() {
        let sessions = Sessions::default();
        let (id, session) = sessions.begin(owner("alice"), Proof::Directory, None, at(0)).unwrap();
        assert_eq!(session.left(at(60)), 14 * 60);
        assert!(sessions.find(&id, at(899)).is_some());
        assert!(
            sessions.find(&id, at(899 + 899)).is_some(),
            "what it does keeps it awake"
        );
        assert!(sessions.find(&id, at(899 + 899 + 900)).is_none());
        assert!(
            sessions.find(&id, at(899 + 899 + 1)).is_none(),
            "and it does not come back"
        );
    }

    #[test]
    fn r75_pages_that_only_ask_keep_no_session_awake() {
        let sessions = Sessions::default();
        let (id, _) = sessions.begin(owner("alice"), Proof::Directory, None, at(0)).unwrap();
        for now in (0..900).step_by(60) {
            assert!(sessions.peek(&id, at(now)).is_some(), "{now}");
        }
        assert!(sessions.peek(&id, at(900)).is_none());
    }

    #[test]
    fn r75_a_session_ends_after_eight_hours_and_one_by_link_after_fifteen_minutes() {
        for (proof, longest) in [(Proof::Directory, 8 * 3600), (Proof::Link(Id { 0: [1; 16] }), 900)] {
            let sessions = Sessions::default();
            let (id, _) = sessions.begin(owner("alice"), proof, None, at(0)).unwrap();
            for now in (0..longest).step_by(600) {
                assert!(sessions.find(&id, at(now)).is_some(), "{now} of {longest}");
            }
            assert!(sessions.find(&id, at(longest)).is_none(), "{longest}");
        }
    }

    #[test]
    fn a_session_is_known_by_its_id_alone_and_its_id_is_kept_nowhere() {
        let sessions = Sessions::default();
        let (alice, _) = sessions.begin(owner("alice"), Proof::Directory, None, at(0)).unwrap();
        let (bob, _) = sessions.begin(owner("bob"), Proof::Directory, None, at(0)).unwrap();
        assert_eq!(sessions.find(&alice, at(1)).unwrap().owner, owner("alice"));
        assert_eq!(sessions.find(&bob, at(1)).unwrap().owner, owner("bob"));
        assert!(sessions.find(&Nonce::random().unwrap(), at(1)).is_none());
        assert!(!sessions.by_hash.lock().unwrap().contains_key(&alice));
        sessions.end(&alice);
        assert!(sessions.find(&alice, at(2)).is_none() && sessions.find(&bob, at(2)).is_some());
    }

    #[test]
    fn one_person_has_a_bounded_number_of_sessions_and_takes_nobody_elses_place() {
        let sessions = Sessions::default();
        let (bob, _) = sessions.begin(owner("bob"), Proof::Directory, None, at(0)).unwrap();
        let alice: Vec<Nonce> = (0..12)
            .map(|now| {
                sessions
                    .begin(owner("alice"), Proof::Directory, None, at(now))
                    .unwrap()
                    .0
            })
            .collect();
        let living: Vec<bool> = alice.iter().map(|id| sessions.find(id, at(20)).is_some()).collect();
        assert_eq!(living, [[false; 4].as_slice(), &[true; 8]].concat());
        assert!(sessions.find(&bob, at(20)).is_some());
    }
}
