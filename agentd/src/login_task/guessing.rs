//! For whom a wrong password is counted.

use super::Task;
use assent_engine::ledger::{SourceKey, account, typist};
use assent_engine::names::UserName;
use assent_proto::Id;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;

impl Task {
    /// The account that a wrong password is counted for, and from where it was typed: over the network the account that it
    /// was for; on this machine whoever logged in to it, so that nobody locks another out. At the console nobody has.
    pub(super) fn guesser(&self) -> (Option<Identity>, SourceKey) {
        let facts = self.login.facts();
        let from = SourceKey::of(facts.ssh.map(|ssh| ssh.client));
        let account = match from {
            SourceKey::Local => facts.login_uid.map(typist),
            SourceKey::Net(_) => self.login.account().map(|name| account(name.as_str())),
        };
        (account, from)
    }
}

/// A name that no directory has. `None` only if the system has no random bytes, and then no login gets this far.
pub(super) fn nobody() -> Option<UserName> {
    let id = Id::random().ok()?;
    UserName::new(&Outside::new(format!("nobody-{id}"))).ok()
}
