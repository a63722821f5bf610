//! Which failure of a method leads to which other methods.

use super::MethodIndex;
use std::collections::BTreeMap;

/// Why a method that admits the user cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The push service cannot be reached, or it is not known what is revoked.
    Gateway,
    /// The code service cannot be reached, or can send no code.
    Codes,
    /// A directory cannot be reached, so that a policy cannot tell or nobody validates the user.
    Directory,
    /// The user has no device, no authenticator app, no address for a code.
    NotEnrolled,
    /// Nobody answered the push.
    NoAnswer,
    /// The budget of pushes or codes is spent.
    Exhausted,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Gateway,
        Self::Codes,
        Self::Directory,
        Self::NotEnrolled,
        Self::NoAnswer,
        Self::Exhausted,
    ];

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Codes => "codes",
            Self::Directory => "directory",
            Self::NotEnrolled => "not_enrolled",
            Self::NoAnswer => "no_answer",
            Self::Exhausted => "exhausted",
        }
    }

    /// The failure of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == word)
    }
}

/// An application's failure routes; a failure without one denies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(pub(super) BTreeMap<Failure, Vec<MethodIndex>>);

impl Routes {
    /// Where a failure leads, in order.
    pub fn of(&self, failure: Failure) -> &[MethodIndex] {
        self.0.get(&failure).map_or(&[], Vec::as_slice)
    }

    /// All of them, for reports.
    pub fn all(&self) -> impl Iterator<Item = (Failure, &[MethodIndex])> {
        self.0.iter().map(|(failure, methods)| (*failure, methods.as_slice()))
    }
}
