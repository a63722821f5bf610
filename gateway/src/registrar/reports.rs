//! "Not me": whose device reported that somebody else acts in their name: their sessions at the panel end. In memory alone,
//! as sessions are; what is frozen by it stands in the data base ([`super::freezes`]).

use super::{Registrar, approvals::Purpose};
use assent_proto::cert::Identity;
use assent_proto::time::BootTime;
use assent_proto::{Id, verdict::Refusal};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longer than any session lives.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Refusals that are remembered, for whoever asks how it ended.
const REFUSALS: usize = 256;

/// Why an enrolment ended without a certificate, where a device said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// "Deny".
    Denied,
    /// "Not me".
    Reported,
}

#[derive(Default)]
struct State {
    reported: HashMap<Identity, BootTime>,
    refusals: VecDeque<(Id, Said)>,
}

/// What devices said no to.
#[derive(Default)]
pub(super) struct Reports(Mutex<State>);

impl Reports {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one call on one of the maps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device refused something that was asked in these people's name.
    pub(super) fn refused(&self, purpose: Purpose, identities: &[Identity], why: Refusal, now: BootTime) {
        let said = match why {
            Refusal::Reported => Said::Reported,
            _ => Said::Denied,
        };
        let mut state = self.lock();
        if let Purpose::Add { token_id, .. } = purpose {
            state.refusals.truncate(REFUSALS - 1);
            state.refusals.push_front((token_id, said));
        }
        drop(state);
        if said == Said::Reported {
            self.reported(identities, now);
        }
    }

    /// A device said "not me" in these people's name.
    pub(super) fn reported(&self, identities: &[Identity], now: BootTime) {
        let mut state = self.lock();
        state.reported.retain(|_, at| now < at.plus(REMEMBERED));
        state
            .reported
            .extend(identities.iter().map(|identity| (identity.clone(), now)));
    }
}

impl Registrar {
    /// When one of these people last reported "not me", if lately.
    pub fn reported_at(&self, identities: &[Identity]) -> Option<BootTime> {
        let state = self.reports.lock();
        identities
            .iter()
            .filter_map(|identity| state.reported.get(identity))
            .max()
            .copied()
    }

    /// What a device said to an enrolment that is over.
    pub(super) fn said(&self, token_id: Id) -> Option<Said> {
        let state = self.reports.lock();
        state
            .refusals
            .iter()
            .find(|(known, _)| *known == token_id)
            .map(|(_, said)| *said)
    }
}
