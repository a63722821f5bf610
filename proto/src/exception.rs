//! What holds for single people on one host beside its rules: bypasses, blocks, locks. Its agent tells the registrar, for
//! administrators to read at the panel; nothing is decided by it. One host's word, about itself alone.

use crate::cert::Identity;
use crate::encoding::ShortText;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Bytes of JSON that the exceptions of one telling may take: a signed call holds no more.
const MAX_BYTES: usize = 12 * 1024;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The second factor is not asked.
    Bypass,
    /// Nobody comes in as this person.
    Block,
    /// Too many failures: nothing is asked, or no password is looked at, for a while.
    Lock,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What it does.
    pub kind: Kind,
    /// The user's name on the host, as far as the host knows it.
    pub user: ShortText,
    /// Whom it is for. Absent: an account, whoever types its password.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<Identity>,
    /// For which applications; none: for every one.
    pub applications: Vec<ShortText>,
    /// When it ends by itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<UnixTime>,
    /// Why.
    pub reason: ShortText,
    /// Who made it.
    pub by: ShortText,
}

/// All of a host, as much as one call holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// Those that fit, in the order in which they were given.
    pub some: Vec<Exception>,
    /// How many more there are.
    pub more: u32,
}

impl Exceptions {
    /// As many of these as one call holds.
    pub fn of(all: impl IntoIterator<Item = Exception>) -> Self {
        let mut told = Self::default();
        let mut bytes = 0;
        for exception in all {
            // A tree of plain values always has a text.
            bytes += serde_json::to_string(&exception).map_or(MAX_BYTES, |text| text.len());
            match told.more == 0 && bytes <= MAX_BYTES {
                true => told.some.push(exception),
                false => told.more = told.more.saturating_add(1),
            }
        }
        told
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lock(reason: usize) -> Exception {
        Exception {
            kind: Kind::Lock,
            user: ShortText::cut("anna".into()),
            identity: None,
            applications: Vec::new(),
            until: Some(UnixTime(1)),
            reason: ShortText::cut("x".repeat(reason)),
            by: ShortText::cut("Assent".into()),
        }
    }

    #[test]
    fn what_does_not_fit_into_a_call_is_counted() {
        assert_eq!(Exceptions::of([]), Exceptions::default());
        let all = Exceptions::of([lock(10), lock(20)]);
        assert_eq!((all.some.len(), all.more), (2, 0));
        let some = Exceptions::of(vec![lock(1000); 40]);
        assert!((5..40).contains(&some.some.len()), "{}", some.some.len());
        assert_eq!(some.some.len() + usize::try_from(some.more).unwrap(), 40);
        assert!(serde_json::to_string(&some).unwrap().len() < 14 * 1024);
        // Once one did not fit, a later one does not jump the queue.
        assert_eq!(Exceptions::of([lock(4096), lock(4096), lock(4096), lock(1)]).more, 2);
    }
}
