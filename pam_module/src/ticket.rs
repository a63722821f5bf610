//! The note that an approved auth phase leaves in the PAM handle for its account phase (R86). Pure: reading and
//! writing the handle is `login`'s.
//!
//! The note is ours alone to judge before the agent sees its ticket: same user, service and process, at most 30 s old.
//! The agent checks the ticket itself and forgets it at first use.

use assent_wire::TICKET_LEN;
use zeroize::Zeroize;

/// Oldest note that is shown to the agent.
const MAX_AGE_MILLIS: u64 = 30_000;

/// Whose approval a ticket stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// `PAM_USER`.
    pub user: &'a [u8],
    /// `PAM_SERVICE`.
    pub service: &'a [u8],
    /// This process.
    pub pid: u32,
}

/// A ticket and whom it belongs to.
pub struct Note {
    ticket: [u8; TICKET_LEN],
    made: u64,
    pid: u32,
    service: Vec<u8>,
    user: Vec<u8>,
}

impl Note {
    /// Notes an approval made at `now` (milliseconds since boot).
    pub fn new(ticket: [u8; TICKET_LEN], holder: Holder<'_>, now: u64) -> Self {
        Self {
            ticket,
            made: now,
            pid: holder.pid,
            service: holder.service.to_vec(),
            user: holder.user.to_vec(),
        }
    }

    /// As bytes for the PAM handle: ticket, time, pid, length of the service, service, user.
    pub fn to_bytes(&self) -> Vec<u8> {
        let service_len = u32::try_from(self.service.len()).unwrap_or(u32::MAX);
        [
            &self.ticket[..],
            &self.made.to_be_bytes(),
            &self.pid.to_be_bytes(),
            &service_len.to_be_bytes(),
            &self.service,
            &self.user,
        ]
        .concat()
    }

    /// The note in these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ticket, rest) = bytes.split_first_chunk::<TICKET_LEN>()?;
        let (made, rest) = rest.split_first_chunk::<8>()?;
        let (pid, rest) = rest.split_first_chunk::<4>()?;
        let (service_len, rest) = rest.split_first_chunk::<4>()?;
        let (service, user) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*service_len)).ok()?)?;
        Some(Self {
            ticket: *ticket,
            made: u64::from_be_bytes(*made),
            pid: u32::from_be_bytes(*pid),
            service: service.to_vec(),
            user: user.to_vec(),
        })
    }

    /// The ticket, if it is this holder's and young.
    pub fn redeem(&self, holder: Holder<'_>, now: u64) -> Option<[u8; TICKET_LEN]> {
        let mine = Holder {
            user: &self.user,
            service: &self.service,
            pid: self.pid,
        };
        let young = now.checked_sub(self.made).is_some_and(|age| age <= MAX_AGE_MILLIS);
        (mine == holder && young).then_some(self.ticket)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.ticket.zeroize();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const TICKET: [u8; TICKET_LEN] = [7; TICKET_LEN];
    const ANN: Holder<'_> = Holder {
        user: b"ann",
        service: b"sshd",
        pid: 42,
    };

    fn kept() -> Note {
        Note::from_bytes(&Note::new(TICKET, ANN, 1_000).to_bytes()).unwrap()
    }

    // R86
    #[test]
    fn r86_its_holder_redeems_it_for_thirty_seconds() {
        assert_eq!(kept().redeem(ANN, 1_000), Some(TICKET));
        assert_eq!(kept().redeem(ANN, 31_000), Some(TICKET));
        assert_eq!(kept().redeem(ANN, 31_001), None);
        assert_eq!(kept().redeem(ANN, 999), None, "made in the future");
    }

    // R86
    #[test]
    fn r86_no_other_user_service_or_process_redeems_it() {
        for other in [
            Holder { user: b"bob", ..ANN },
            Holder { user: b"ann\0", ..ANN },
            Holder {
                service: b"sudo",
                ..ANN
            },
            Holder { pid: 43, ..ANN },
            // The same bytes, cut elsewhere.
            Holder {
                user: b"dann",
                service: b"ssh",
                ..ANN
            },
        ] {
            assert_eq!(kept().redeem(other, 1_000), None, "{other:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_note_are_none() {
        let whole = Note::new(TICKET, ANN, 1_000).to_bytes();
        let fixed = TICKET_LEN + 8 + 4 + 4;
        for len in 0..fixed + ANN.service.len() {
            assert!(Note::from_bytes(&whole[..len]).is_none(), "{len}");
        }
        assert!(Note::from_bytes(&[0xff; 40]).is_none());
    }
}
