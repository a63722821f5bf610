//! `assentctl user block` and `unblock`.

use super::edit::Change;
use super::store::Store;
use super::{Common, is_known_here};
use crate::failure::{Done, Failure};
use assent_proto::text::visible;
use clap::Args;

/// `user block`, `user unblock`.
#[derive(Debug, Args)]
pub struct Block {
    /// The user's name
    user: String,
    #[command(flatten)]
    common: Common,
}

impl Block {
    /// Blocks the user, or lifts the block. What holds already is no error: a script can say it again.
    pub fn run(&self, blocked: bool) -> Done {
        let change = vec![Change::Set("blocked", blocked.into())];
        let store = self.common.store();
        let edited = store.edit(|editor| editor.change(&self.user, change));
        edited.map_err(|e| {
            if blocked {
                self.known_to_nss_alone(&store).unwrap_or(e)
            } else {
                e
            }
        })?;
        let what = if blocked { "blocked" } else { "no longer blocked" };
        self.common.done(&self.user, what);
        Ok(())
    }

    /// Whom NSS alone knows has no entry that could be blocked.
    fn known_to_nss_alone(&self, store: &Store) -> Option<Failure> {
        let unlisted = store.users().is_ok_and(|users| users.find(&self.user).is_none());
        if !unlisted || !is_known_here(&self.user) {
            return None;
        }
        let name = visible(&self.user);
        Some(Failure::Refused(format!(
            "{name} is not in {}; NSS alone knows them: `assentctl user add --blocked {name}` blocks them",
            store.shown()
        )))
    }
}
