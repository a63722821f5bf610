//! `assentctl user list`.

use super::{Common, account, as_json, table};
use crate::failure::Done;
use crate::report::report;
use crate::terminal::Charset;
use clap::Args;
use serde_json::Value;

/// `user list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    common: Common,
}

impl List {
    /// Prints a table of the users in the file, as they stand there.
    pub fn run(&self) -> Done {
        let store = self.common.store();
        let users = store.users()?;
        let value: Vec<Value> = users.iter().map(as_json).collect();
        report(self.common.json, &value.into(), || {
            if users.iter().len() == 0 {
                return format!("no user stands in {}; `assentctl user add` adds one", store.shown());
            }
            let rows = users.iter().map(|user| {
                let names = [&user.first_name, &user.last_name].into_iter().flatten();
                let names: Vec<&str> = names.map(String::as_str).collect();
                let password = if user.has_password() { "yes" } else { "no" };
                [
                    user.name.clone(),
                    names.join(" "),
                    user.groups.join(","),
                    password.to_owned(),
                    account(user).1,
                ]
            });
            table::draw(rows.collect(), Charset::of_locale())
        });
        Ok(())
    }
}
