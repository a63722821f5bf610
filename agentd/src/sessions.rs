//! Which login sessions of this machine were approved on a device: sudo inside one asks for a tap, where another would ask
//! for a number. `open_session` runs in another process than the login (sshd's), so the two are joined by user and
//! connection. In memory alone, by choice (docs/decisions/0014-numbers.md): after a restart sudo asks for a number until the
//! next login.

use assent_proto::cert::Identity;
use assent_proto::time::BootTime;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long after the approval its session may open.
const JOIN: Duration = Duration::from_secs(120);
/// Most approvals that wait for their session.
const MOST_WAITING: usize = 4096;
/// Most sessions; the oldest goes first.
const MOST: usize = 16_384;

/// A login, as its auth phase and its session both know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// `SSH_CONNECTION`.
    pub ssh: Vec<u8>,
}

/// The sessions.
#[derive(Default)]
pub struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<(Connection, Identity, BootTime)>,
    approved: HashMap<u32, Identity>,
    order: VecDeque<u32>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves the three whole enough: a session too many in `order` is harmless.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device of `who` approved this login.
    pub fn approved(&self, connection: Connection, who: Identity, now: BootTime) {
        let mut state = self.lock();
        state.waiting.retain(|(_, _, until)| now < *until);
        if state.waiting.len() >= MOST_WAITING {
            state.waiting.pop_front();
        }
        state.waiting.push_back((connection, who, now.plus(JOIN)));
    }

    /// A session opened. Whether it belongs to a login that was approved; that login has its one session then.
    pub fn opened(&self, connection: &Connection, audit_session: u32, now: BootTime) -> bool {
        let mut state = self.lock();
        let found = state
            .waiting
            .iter()
            .rposition(|(known, _, until)| known == connection && now < *until);
        // Counted anew whoever it is: what an earlier session of this number was does not matter any more.
        state.approved.remove(&audit_session);
        state.order.retain(|known| *known != audit_session);
        let Some((_, who, _)) = found.and_then(|at| state.waiting.remove(at)) else {
            return false;
        };
        if state.order.len() >= MOST
            && let Some(oldest) = state.order.pop_front()
        {
            state.approved.remove(&oldest);
        }
        state.order.push_back(audit_session);
        state.approved.insert(audit_session, who);
        true
    }

    /// Whether a device of `who` approved the login that this session came of.
    pub fn is_approved(&self, audit_session: u32, who: &Identity) -> bool {
        self.lock().approved.get(&audit_session) == Some(who)
    }

    /// Somebody's sessions count no more.
    pub fn forget(&self, who: &Identity) {
        let mut state = self.lock();
        state.waiting.retain(|(_, known, _)| known != who);
        state.approved.retain(|_, known| known != who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_proto::ShortText;

    fn who(id: &str) -> Identity {
        Identity {
            realm: ShortText::cut("example.org".into()),
            id: ShortText::cut(id.to_owned()),
        }
    }

    fn connection(user: &str, port: u16) -> Connection {
        Connection {
            user: user.into(),
            ssh: format!("192.0.2.7 {port} 198.51.100.1 22").into_bytes(),
        }
    }

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn a_session_is_approved_if_its_own_login_was_within_two_minutes_and_once() {
        let sessions = Sessions::default();
        sessions.approved(connection("anna", 1), who("anna"), at(0));
        assert!(!sessions.opened(&connection("anna", 2), 7, at(1)), "another connection");
        assert!(!sessions.opened(&connection("ben", 1), 7, at(1)), "another user");
        assert!(!sessions.is_approved(7, &who("anna")));
        assert!(sessions.opened(&connection("anna", 1), 7, at(119)));
        assert!(sessions.is_approved(7, &who("anna")));
        assert!(!sessions.is_approved(7, &who("ben")));
        assert!(!sessions.is_approved(8, &who("anna")));
        assert!(
            !sessions.opened(&connection("anna", 1), 8, at(119)),
            "one session a login"
        );
        sessions.approved(connection("anna", 3), who("anna"), at(200));
        assert!(!sessions.opened(&connection("anna", 3), 9, at(320)), "too late");
    }

    #[test]
    fn a_number_that_comes_again_is_a_new_session_and_a_report_ends_them() {
        let sessions = Sessions::default();
        sessions.approved(connection("anna", 1), who("anna"), at(0));
        assert!(sessions.opened(&connection("anna", 1), 7, at(1)));
        assert!(!sessions.opened(&connection("ben", 5), 7, at(2)));
        assert!(!sessions.is_approved(7, &who("anna")), "after a boot, or an overflow");
        sessions.approved(connection("anna", 2), who("anna"), at(3));
        assert!(sessions.opened(&connection("anna", 2), 8, at(3)));
        sessions.forget(&who("anna"));
        assert!(!sessions.is_approved(8, &who("anna")));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes_first() {
        let sessions = Sessions::default();
        let most = u32::try_from(MOST).unwrap_or(u32::MAX);
        for n in 0..=most {
            sessions.approved(connection("anna", 1), who("anna"), at(0));
            assert!(sessions.opened(&connection("anna", 1), n, at(0)));
        }
        assert!(!sessions.is_approved(0, &who("anna")));
        assert!(sessions.is_approved(most, &who("anna")));
    }
}
