//! `assentctl user remove`.

use super::Common;
use super::edit::missing;
use crate::failure::{Done, Failure};
use crate::terminal::confirm;
use assent_proto::text::visible;
use clap::Args;
use std::io::IsTerminal as _;

/// `user remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// The user's name
    user: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

impl Remove {
    /// Removes the user from the file. NSS may know them still: then they are one whom NSS alone knows.
    pub fn run(&self) -> Done {
        let store = self.common.store();
        let users = store.users()?;
        let user = users.find(&self.user);
        let user = user.ok_or_else(|| store.failure(missing(&users, &self.user)))?;
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                return Err(Failure::Input("there is no terminal to ask on; give --yes".into()));
            }
            let question = format!(
                "Remove {} (id {}) from {}? Their devices approve for that id; a block would be lost with it. [y/N] ",
                visible(&user.name),
                user.id,
                store.shown()
            );
            if !confirm(&question)? {
                return Err(Failure::Refused("nothing was removed".into()));
            }
        }
        store.edit(|editor| editor.remove(&self.user))?;
        self.common.done(&self.user, "removed");
        Ok(())
    }
}
