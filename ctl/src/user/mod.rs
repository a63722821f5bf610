//! `assentctl user`: the local users of `users.toml`, and [`exceptions`] for any user. One file a subcommand; [`edit`]
//! changes the text, [`store`] the file. No password and no hash is ever printed, and no password is taken from the command line.

mod add;
mod block;
mod edit;
mod exceptions;
mod fields;
mod list;
mod passwd;
mod remove;
mod set;
mod show;
mod store;
mod table;

use crate::failure::{Done, Failure};
use crate::terminal::Charset;
use crate::wait_for;
use assent_engine::directory::local::User as Listed;
use assent_engine::directory::{Account, date};
use assent_proto::text::visible;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;
use store::Store;

/// Where the users are.
const FILE: &str = "/etc/assent/users.toml";

const EXAMPLES: &str = "\
Examples:
  assentctl user add carol --first-name Carol --email carol@example.org --group vip
  assentctl user passwd carol
  assentctl user set carol --mobile '+49 151 5550101' --expires 2027-01-31
  assentctl user block carol
  assentctl user bypass alice --app sudo --for 30m --reason 'lost her phone, called back'
  assentctl user exceptions

Only root edits /etc/assent/users.toml. Comments in it are kept. The agent sees a change at the next login. A bypass, and a
block with a reason, are kept by the agent of this host, whichever directory knows the user.";

/// Local users.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum User {
    /// Add a user
    Add(add::Add),
    /// Change a user
    Set(set::Set),
    /// List the users
    List(list::List),
    /// Show a user, and what policies see of them
    Show(show::Show),
    /// Remove a user
    Remove(remove::Remove),
    /// Block a user: the very next login is denied
    Block(block::Block),
    /// Lift a user's blocks
    Unblock(block::Unblock),
    /// Let a user in without the second factor for a while, on this host
    Bypass(exceptions::Bypass),
    /// End a user's bypass
    Unbypass(exceptions::Unbypass),
    /// List who is bypassed, blocked or frozen on this host
    Exceptions(exceptions::Exceptions),
    /// Give a user a password
    Passwd(passwd::Passwd),
}

/// What every subcommand knows.
#[derive(Debug, Args)]
pub struct Common {
    /// The file with the users
    #[arg(long, value_name = "FILE", default_value = FILE)]
    file: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn store(&self) -> Store {
        Store::at(&self.file)
    }

    /// As JSON if asked for, otherwise for people, in characters that the terminal shows.
    fn report(&self, value: &Value, people: impl FnOnce() -> String) {
        crate::report::report(self.json, value, || Charset::of_locale().fit(&people()));
    }

    /// Says what was done to whom.
    fn done(&self, user: &str, what: &str) {
        let value = json!({"ok": true, "user": user, "done": what});
        self.report(&value, || format!("{} is {what}", visible(user)));
    }
}

impl User {
    /// Runs it.
    pub fn run(&self) -> Done {
        match self {
            Self::Add(args) => args.run(),
            Self::Set(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Remove(args) => args.run(),
            Self::Block(args) => wait_for(args.run()),
            Self::Unblock(args) => wait_for(args.run()),
            Self::Bypass(args) => wait_for(args.run()),
            Self::Unbypass(args) => wait_for(args.run()),
            Self::Exceptions(args) => wait_for(args.run()),
            Self::Passwd(args) => args.run(),
        }
    }
}

/// A user in the file, for programs.
fn as_json(user: &Listed) -> Value {
    json!({
        "name": user.name,
        "id": user.id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "mobile": user.mobile,
        "groups": user.groups,
        "has_password": user.has_password(),
        "expires": user.expires.map(date::show_day),
        "blocked": user.blocked,
        "account": account(user).0,
    })
}

/// An account's state, in a word for programs and in words for people.
fn account(user: &Listed) -> (&'static str, String) {
    let end = user.expires.map(date::show_day);
    match (user.account(date::now()), end) {
        (Account::Active, None) => ("active", "active".into()),
        (Account::Active, Some(day)) => ("active", format!("until {day}")),
        (Account::Expired, _) => ("expired", "expired".into()),
        _ => ("blocked", "blocked".into()),
    }
}

/// Whether NSS knows the user; if it cannot say, nothing is made of it.
fn is_known_here(name: &str) -> bool {
    !matches!(nix::unistd::User::from_name(name), Ok(None))
}

/// Warns of a user whom this host does not know, and so does not let in.
fn note_if_unknown_here(name: &str) {
    if !is_known_here(name) {
        let note = format!(
            "note: this host's name service (NSS) does not know {}, so they cannot log in here; the Register Panel goes by the file alone",
            visible(name)
        );
        eprintln!("{}", Charset::of_locale().fit(&note));
    }
}

/// A value that cannot be, with the reason.
fn unfit(what: &str, mend: &str) -> Failure {
    Failure::Input(format!("{what}: {mend}"))
}
