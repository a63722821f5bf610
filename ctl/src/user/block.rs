//! `assentctl user block` and `unblock`.

use super::Common;
use super::edit::Change;
use crate::failure::Done;
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
        self.common.store().edit(|editor| editor.change(&self.user, change))?;
        let what = if blocked { "blocked" } else { "no longer blocked" };
        self.common.done(&self.user, what);
        Ok(())
    }
}
