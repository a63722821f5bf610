//! `assentctl user block` and `unblock`: in `users.toml`, or on this host for whoever is in another directory.

use super::edit::Change;
use super::exceptions::{self, Here};
use super::store::Store;
use super::{Common, is_known_here};
use crate::failure::{Done, Failure};
use crate::seconds::{self, moment};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::Args;

/// `user block`.
#[derive(Debug, Args)]
pub struct Block {
    /// The user's name; with a reason also realm#id
    user: String,
    /// Why; the user sees it. With it, the agent of this host blocks the user, whichever directory knows them
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// With a reason: an application of agentd.toml, may be given several times; all of them without it
    #[arg(long = "app", value_name = "NAME", requires = "reason")]
    apps: Vec<String>,
    /// With a reason: how long, as in 8h; until it is lifted without it
    #[arg(long = "for", value_name = "TIME", value_parser = seconds::parse, requires = "reason")]
    seconds: Option<u64>,
    #[command(flatten)]
    here: Here,
    #[command(flatten)]
    common: Common,
}

/// `user unblock`.
#[derive(Debug, Args)]
pub struct Unblock {
    /// The user's name, or realm#id
    user: String,
    #[command(flatten)]
    here: Here,
    #[command(flatten)]
    common: Common,
}

impl Block {
    /// Blocks the user. What holds already is no error: a script can say it again.
    pub async fn run(&self) -> Done {
        let Some(reason) = &self.reason else {
            return self.in_file();
        };
        let seconds = self.seconds.unwrap_or_default();
        let made = exceptions::make(&self.here, "block", &self.user, &self.apps, seconds, reason).await?;
        self.common.report(&made, || {
            let until = made[0]["until"].as_u64();
            let until = until.map_or_else(
                || format!("until `assentctl user unblock {}`", visible(&self.user)),
                |at| format!("until {}", moment(UnixTime(at))),
            );
            format!("{} is blocked on this host, {until}", visible(&self.user))
        });
        Ok(())
    }

    fn in_file(&self) -> Done {
        let store = self.common.store();
        set(&store, &self.user, true).map_err(|e| self.not_in_file(&store).unwrap_or(e))?;
        self.common.done(&self.user, "blocked");
        Ok(())
    }

    /// Whom NSS alone knows has no entry that could be blocked.
    fn not_in_file(&self, store: &Store) -> Option<Failure> {
        let unlisted = store.users().is_ok_and(|users| users.find(&self.user).is_none());
        if !unlisted || !is_known_here(&self.user) {
            return None;
        }
        let name = visible(&self.user);
        Some(Failure::Refused(format!(
            "{name} is not in {}; NSS alone knows them: `assentctl user block --reason TEXT {name}` blocks them on this host, `assentctl user add --blocked {name}` in that file",
            store.shown()
        )))
    }
}

impl Unblock {
    /// Lifts every block of the user: the one in the file, and those of this host's agent.
    pub async fn run(&self) -> Done {
        let store = self.common.store();
        let listed = store.users().is_ok_and(|users| users.find(&self.user).is_some());
        if listed {
            set(&store, &self.user, false)?;
        }
        match exceptions::end(&self.here, "block", &self.user).await {
            Ok(0) if !listed => {
                // The file's own word for a name that it does not have.
                set(&store, &self.user, false)?;
            }
            Ok(_) => {}
            // The file alone may be meant; where it has no such user, the agent is.
            Err(e) if listed => eprintln!("note: blocks that the agent keeps, if any, are not lifted: {e}"),
            Err(e) => return Err(e),
        }
        self.common.done(&self.user, "no longer blocked");
        Ok(())
    }
}

fn set(store: &Store, user: &str, blocked: bool) -> Done {
    let change = vec![Change::Set("blocked", blocked.into())];
    store.edit(|editor| editor.change(user, change)).map(drop)
}
