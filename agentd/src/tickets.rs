//! One-use tickets: they let the account phase share its auth phase's approval (R86).

use assent_proto::time::BootTime;
use assent_wire::TICKET_LEN;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// How long a ticket lives.
const LIFE: Duration = Duration::from_secs(30);
/// Most tickets at once; beyond that the oldest logins ask again.
const MAX: usize = 4096;

/// What a ticket stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// `PAM_SERVICE`.
    pub service: Vec<u8>,
    /// The caller's process.
    pub pid: i32,
}

/// The tickets in force.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<[u8; TICKET_LEN], (Bound, BootTime)>>);

impl Tickets {
    /// A ticket for an approved login; `None` when there is no randomness or no room, and the account phase asks again.
    pub fn issue(&self, bound: Bound, now: BootTime) -> Option<[u8; TICKET_LEN]> {
        let ticket = assent_proto::Id::random().ok()?.0;
        let mut tickets = self.0.lock().ok()?;
        tickets.retain(|_, (_, ends)| *ends > now);
        if tickets.len() >= MAX {
            return None;
        }
        tickets.insert(ticket, (bound, now.plus(LIFE)));
        Some(ticket)
    }

    /// Uses a ticket up. Whether it was good for this caller.
    pub fn redeem(&self, ticket: &[u8; TICKET_LEN], caller: &Bound, now: BootTime) -> bool {
        let Ok(mut tickets) = self.0.lock() else {
            return false;
        };
        // Removed whoever shows it: a ticket in the wrong hands is spent.
        tickets
            .remove(ticket)
            .is_some_and(|(bound, ends)| bound == *caller && now < ends)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bound(user: &str, service: &str, pid: i32) -> Bound {
        Bound {
            user: user.into(),
            service: service.into(),
            pid,
        }
    }

    #[test]
    fn r86_a_ticket_is_good_once_for_its_caller_and_for_thirty_seconds() {
        let tickets = Tickets::default();
        let now = BootTime(Duration::from_secs(100));
        let alice = bound("alice", "sshd", 7);

        let ticket = tickets.issue(alice.clone(), now).unwrap();
        assert!(tickets.redeem(&ticket, &alice, now));
        assert!(!tickets.redeem(&ticket, &alice, now), "a second time");

        for other in [
            bound("bob", "sshd", 7),
            bound("alice", "sudo", 7),
            bound("alice", "sshd", 8),
        ] {
            let ticket = tickets.issue(alice.clone(), now).unwrap();
            assert!(!tickets.redeem(&ticket, &other, now));
            assert!(!tickets.redeem(&ticket, &alice, now), "spent in the wrong hands");
        }

        let ticket = tickets.issue(alice.clone(), now).unwrap();
        assert!(!tickets.redeem(&ticket, &alice, now.plus(LIFE)));
        let ticket = tickets.issue(alice.clone(), now).unwrap();
        assert!(tickets.redeem(&ticket, &alice, now.plus(Duration::from_secs(29))));
    }
}
