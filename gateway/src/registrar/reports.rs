//! "Not me": whose device reported that somebody else acts in their name. Their sessions at the panel end, and for a
//! while nobody changes their devices there. In memory alone, as sessions are.

use super::{Registrar, approvals::Purpose};
use assent_proto::cert::Identity;
use assent_proto::time::BootTime;
use assent_proto::{Id, verdict::Refusal};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long nobody changes a reported person's devices at the panel.
pub const FREEZE: Duration = Duration::from_secs(600);
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
        if said == Said::Reported {
            state.reported.retain(|_, at| now < at.plus(REMEMBERED));
            state
                .reported
                .extend(identities.iter().map(|identity| (identity.clone(), now)));
        }
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

    /// Whether nobody may change these people's devices at the panel now.
    pub(super) fn is_frozen(&self, identities: &[Identity], now: BootTime) -> bool {
        self.reported_at(identities).is_some_and(|at| now < at.plus(FREEZE))
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
