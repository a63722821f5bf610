//! The options that `add` and `set` share, as changes of the file. Whether a value is good is the file's check to say.

use super::edit::Change;
use assent_engine::directory::local::is_separator;
use clap::Args;

/// What a user can have.
#[derive(Debug, Args)]
pub struct Fields {
    /// First name
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,
    /// Last name
    #[arg(long, value_name = "NAME")]
    last_name: Option<String>,
    /// Mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Mobile number with + and country code; blanks, dots, dashes and brackets in it are left out
    #[arg(long, value_name = "NUMBER")]
    mobile: Option<String>,
    /// A group besides those of NSS; may be given more than once
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The last day on which the account is good, as 2027-01-31; it ends with that day in UTC
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
}

impl Fields {
    /// What was given.
    pub fn changes(&self) -> Vec<Change> {
        let mobile = self.mobile.as_ref().map(|number| {
            let short: String = number.chars().filter(|c| !is_separator(*c)).collect();
            short
        });
        let mut changes: Vec<Change> = [
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("email", &self.email),
            ("mobile", &mobile),
            ("expires", &self.expires),
        ]
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| Change::Set(key, value.as_str().into())))
        .collect();
        if !self.groups.is_empty() {
            changes.push(Change::Join(self.groups.clone()));
        }
        changes
    }
}
