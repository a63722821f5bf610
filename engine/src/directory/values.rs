//! The values that an attribute has in a directory, with how many users have each: what an admin chooses a policy's
//! values from. Asked by `assentctl values`; no login comes here.

use super::Directory;
use assent_proto::text::Outside;
use std::time::Duration;

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueLimits {
    /// Entries.
    pub entries: usize,
    /// Different values.
    pub values: usize,
    /// Time.
    pub time: Duration,
}

impl Default for ValueLimits {
    fn default() -> Self {
        Self {
            entries: 100_000,
            values: 1000,
            time: Duration::from_secs(30),
        }
    }
}

/// Why there may be more than what is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// More entries than the limit.
    Entries,
    /// More different values than the limit.
    Values,
    /// The time was over.
    Time,
    /// The server would not give more; its words.
    Server(String),
    /// Only users in `users.toml` are counted, not those whom NSS alone knows.
    Listed,
}

/// An attribute's values among the users of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueCounts {
    /// Each value and how many users have it, the most frequent first.
    pub values: Vec<(Outside, usize)>,
    /// How many users were read that have the attribute.
    pub entries: usize,
    /// Why it may not be all.
    pub cut: Option<Cut>,
}

impl ValueCounts {
    /// Sorts them.
    pub(super) fn new(mut values: Vec<(Outside, usize)>, entries: usize, cut: Option<Cut>) -> Self {
        values.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.as_bytes().cmp(other.as_bytes())));
        Self { values, entries, cut }
    }
}

impl Directory {
    /// The values of `attribute` among the profile's users, by the name that policies use. The text says why there are
    /// none to show.
    pub async fn values(&self, attribute: &str, limits: ValueLimits) -> Result<ValueCounts, String> {
        match self {
            Self::Ldap(ldap) => ldap.values(attribute, limits).await,
            Self::Local(local) => local.values(attribute, limits).await,
        }
    }
}
