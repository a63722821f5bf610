//! `assentctl user passwd`: the password from the terminal, twice and unseen, or from standard input. Never from the
//! command line, where every user of the machine could read it.

use super::Common;
use super::edit::{Change, missing};
use crate::failure::{Done, Failure};
use crate::secret;
use crate::terminal::Charset;
use assent_engine::directory::local::User;
use assent_engine::directory::local::password::{MAX_BYTES, MIN_CHARACTERS, NewPassword};
use assent_proto::text::visible;
use clap::Args;
use std::io::Read as _;
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  assentctl user passwd carol
  pass show servers/carol | assentctl user passwd carol --stdin

A password has at least 15 characters of any kind, because it stands alone at the Register Panel (NIST SP 800-63B-4),
and at most 500 bytes in UTF-8. Several words with blanks between them are fine. It is kept as an argon2id hash.";

/// `user passwd`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Passwd {
    /// The user's name
    user: String,
    /// Read the password from standard input: its first line, without the line's end. What follows is not looked at, so
    /// that notes behind a password in a store do no harm
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    common: Common,
}

impl Passwd {
    /// Asks, hashes, and only then takes the file's lock.
    pub fn run(&self) -> Done {
        let store = self.common.store();
        let users = store.users()?;
        let user = users.find(&self.user);
        let user = user.ok_or_else(|| store.failure(missing(&users, &self.user)))?;
        let hash = if self.stdin {
            fit(&from_stdin()?, user)?
        } else {
            asked(user)?
        };
        let hash = hash.hash().map_err(|why| Failure::Refused(why.to_string()))?;
        let change = vec![Change::Set("password_hash", hash.into())];
        store.edit(|editor| editor.change(&self.user, change))?;
        self.common.done(&self.user, "given a new password");
        Ok(())
    }
}

fn fit(typed: &[u8], user: &User) -> Done<NewPassword> {
    NewPassword::new(typed, user).map_err(|why| Failure::Refused(format!("this password is not taken: {why}")))
}

fn asked(user: &User) -> Done<NewPassword> {
    let name = visible(&user.name);
    let rule = format!("at least {MIN_CHARACTERS} characters");
    let first = ask(&format!("New password for {name} ({rule}, not shown): "))?;
    let new = fit(&first, user)?;
    let second = ask("The same again: ")?;
    if *first != *second {
        return Err(Failure::Refused("the two differ; nothing was changed".into()));
    }
    Ok(new)
}

fn ask(question: &str) -> Done<Zeroizing<Vec<u8>>> {
    let line = secret::ask(&Charset::of_locale().fit(question)).map_err(|e| {
        Failure::Input(format!(
            "there is no terminal to ask for a password on ({e}); give it on standard input with --stdin"
        ))
    })?;
    line.ok_or_else(|| Failure::Refused("given up; nothing was changed".into()))
}

fn from_stdin() -> Done<Zeroizing<Vec<u8>>> {
    // Room at once, for anything that may be taken and a little more: growing would leave copies behind.
    let most = MAX_BYTES + 64;
    let mut line = Zeroizing::new(Vec::with_capacity(most + 1));
    let read = std::io::stdin().lock().take(most as u64).read_to_end(&mut line);
    read.map_err(|e| Failure::Input(format!("standard input cannot be read: {e}")))?;
    first_line(&mut line);
    Ok(line)
}

/// Leaves the first line alone, without its end.
fn first_line(text: &mut Vec<u8>) {
    if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        // The rest stays in the buffer, which is wiped as a whole.
        text.truncate(end);
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_standard_input_the_first_line_counts_without_its_end() {
        for (given, line) in [
            ("four words", "four words"),
            ("four words\n", "four words"),
            ("four words\r\n", "four words"),
            ("four words\nurl: https://example.org\n", "four words"),
            ("four words\r", "four words\r"),
            (" four words \n\n", " four words "),
            ("\nfour words\n", ""),
        ] {
            let mut text = given.as_bytes().to_vec();
            first_line(&mut text);
            assert_eq!(text, line.as_bytes(), "{given:?}");
        }
    }
}
