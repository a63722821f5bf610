//! `assentctl user add`.

use super::edit::Change;
use super::fields::Fields;
use super::{Common, note_if_unknown_here};
use crate::failure::{Done, no_randomness};
use assent_proto::Id;
use assent_proto::text::visible;
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  assentctl user add carol
  assentctl user add carol --first-name Carol --last-name Cherry --email carol@example.org \\
      --mobile '+49 151 5550101' --group vip --group oncall --expires 2027-01-31

The user has no password yet: `assentctl user passwd carol` gives one.";

/// `user add`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Add {
    /// The user's name, as NSS has it
    name: String,
    /// The user's lasting id, a UUID; made if not given. Give the same on every host that shares a realm
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Blocked from the start
    #[arg(long)]
    blocked: bool,
    #[command(flatten)]
    common: Common,
}

impl Add {
    /// Adds the user.
    pub fn run(&self) -> Done {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => random_uuid()?,
        };
        let mut changes = self.fields.changes();
        if self.blocked {
            changes.push(Change::Set("blocked", true.into()));
        }
        let store = self.common.store();
        store.edit(|editor| editor.add(&self.name, &id, changes))?;
        note_if_unknown_here(&self.name);
        let value = json!({"ok": true, "user": self.name, "id": id, "done": "added"});
        self.common.report(&value, || {
            let name = visible(&self.name);
            format!(
                "{name} is added, with the id {id} and no password\nNext, if they need one: assentctl user passwd {name}"
            )
        });
        Ok(())
    }
}

/// A random UUID (RFC 9562, version 4).
fn random_uuid() -> Done<String> {
    let mut bytes = Id::random().map_err(no_randomness)?.0;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [0..4, 4..6, 6..8, 8..10, 10..16].map(|range| hex[range].concat());
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_18_a_made_id_is_a_uuid_of_version_4() {
        for _ in 0..100 {
            let id = random_uuid().unwrap();
            assert_eq!(id.len(), 36);
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
    }
}
