//! `assentctl user set`.

use super::edit::Change;
use super::fields::Fields;
use super::{Common, note_if_unknown_here, unfit};
use crate::failure::Done;
use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  assentctl user set carol --email carol@example.org --group oncall
  assentctl user set carol --leave-group vip --unset expires
  assentctl user set carol --name carol.cherry

The id cannot be changed: it is who the user is, also to their devices.";

/// `user set`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Set {
    /// The user's name
    user: String,
    /// The user's new name, as NSS has it; the user stays the same one
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// A group to leave; may be given more than once
    #[arg(long = "leave-group", value_name = "GROUP")]
    leave_groups: Vec<String>,
    /// What the user shall no longer have; may be given more than once
    #[arg(long, value_name = "KEY")]
    unset: Vec<Key>,
    #[command(flatten)]
    common: Common,
}

/// What can be taken away.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "kebab-case")]
enum Key {
    FirstName,
    LastName,
    Email,
    Mobile,
    Groups,
    Expires,
    Password,
}

impl Key {
    fn in_file(self) -> &'static str {
        match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Mobile => "mobile",
            Self::Groups => "groups",
            Self::Expires => "expires",
            Self::Password => "password_hash",
        }
    }
}

impl Set {
    /// Changes the user.
    pub fn run(&self) -> Done {
        // First what goes, then what comes: `--unset groups --group a` leaves one group.
        let mut changes: Vec<Change> = self.unset.iter().map(|key| Change::Unset(key.in_file())).collect();
        if !self.leave_groups.is_empty() {
            changes.push(Change::Leave(self.leave_groups.clone()));
        }
        changes.extend(self.fields.changes());
        if let Some(name) = &self.name {
            changes.push(Change::Set("name", name.as_str().into()));
        }
        if changes.is_empty() {
            return Err(unfit("nothing to change was given", "see `assentctl user set --help`"));
        }
        self.common.store().edit(|editor| editor.change(&self.user, changes))?;
        if let Some(name) = &self.name {
            note_if_unknown_here(name);
        }
        self.common.done(self.name.as_ref().unwrap_or(&self.user), "changed");
        Ok(())
    }
}
