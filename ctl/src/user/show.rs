//! `assentctl user show`: a user as the file and NSS have them, and what policies would see.

use super::{Common, account, as_json};
use crate::failure::{Done, Failure};
use assent_engine::config::profile::LocalProfile;
use assent_engine::directory::local::{LocalDirectory, User};
use assent_engine::directory::nss::{Nss, NssUser};
use assent_engine::directory::{Attributes, Lookup};
use assent_engine::names::UserName;
use assent_proto::text::{Outside, visible};
use clap::Args;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Longest value shown.
const MAX_SHOWN: usize = 300;

/// `user show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The user's name
    user: String,
    #[command(flatten)]
    common: Common,
}

/// What was found.
struct Found<'a> {
    listed: Option<&'a User>,
    /// What NSS knows the user as, and the uid.
    nss: Option<(String, u32)>,
    attributes: Attributes,
}

impl Show {
    /// Says what is known.
    pub fn run(&self) -> Done {
        let store = self.common.store();
        let users = store.users()?;
        let name = UserName::new(&Outside::new(self.user.as_bytes())).map_err(|e| Failure::Input(e.to_string()))?;
        let (nss, attributes) = crate::wait_for(self.ask_nss(&name))?;
        // As at a login: several names with one uid are one user (R59).
        let listed = users.find(nss.as_ref().map_or(self.user.as_str(), |(name, _)| name));
        if listed.is_none() && nss.is_none() {
            return Err(store.failure(super::edit::missing(&users, &self.user)));
        }
        let found = Found {
            listed,
            nss,
            attributes,
        };
        self.common
            .report(&found.as_json(), || found.lines(&store.shown()).join("\n"));
        Ok(())
    }

    async fn ask_nss(&self, name: &UserName) -> Done<(Option<(String, u32)>, Attributes)> {
        let nss = Arc::new(Nss::new());
        let known = match nss.user(name).await {
            NssUser::Found(entry) => Some((entry.name.clone(), entry.uid)),
            NssUser::Unknown => None,
            NssUser::Unreachable(why) => return Err(Failure::Unreachable(format!("NSS: {why}"))),
        };
        let profile = LocalProfile {
            name: "local".into(),
            realm: None,
            users_file: self.common.file.clone(),
            may_be_absent: true,
        };
        match LocalDirectory::new(profile, nss, "this host").look_up(name).await {
            Lookup::Found(person) => Ok((known, person.attributes)),
            Lookup::Unknown | Lookup::Ambiguous => Ok((known, Attributes::default())),
            Lookup::Unreachable(why) => Err(Failure::Unreachable(why)),
        }
    }
}

impl Found<'_> {
    fn as_json(&self) -> Value {
        let mut attributes = Map::new();
        for (name, found) in self.attributes.iter() {
            let values: Vec<String> = found.values.iter().map(|value| value.shown(MAX_SHOWN)).collect();
            attributes.insert(name.to_owned(), values.into());
        }
        json!({
            "listed": self.listed.map(as_json),
            "nss": self.nss.as_ref().map(|(name, uid)| json!({"name": name, "uid": uid})),
            "policies_see": attributes,
        })
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let mut lines = match self.listed {
            Some(user) => listed(user, file),
            None => vec![format!(
                "not in {file}: known to NSS alone, so PAM checks the password (`stack`)"
            )],
        };
        lines.push(match &self.nss {
            Some((name, uid)) => format!("NSS knows the user: {}, uid {uid}", visible(name)),
            None => "NSS does not know the user: no login on this host; the Register Panel goes by the file".into(),
        });
        if self.nss.is_some() {
            lines.push("policies see:".into());
            for (name, found) in self.attributes.iter() {
                let values: Vec<String> = found.values.iter().map(|value| value.shown(MAX_SHOWN)).collect();
                lines.push(format!("  {name}: {}", values.join(", ")));
            }
        }
        lines
    }
}

fn listed(user: &User, file: &str) -> Vec<String> {
    let mut lines = vec![
        format!("{} in {file}:", visible(&user.name)),
        format!("  id: {}", user.id),
    ];
    for (key, value) in [
        ("first name", &user.first_name),
        ("last name", &user.last_name),
        ("e-mail", &user.email),
        ("mobile", &user.mobile),
    ] {
        lines.extend(value.iter().map(|value| format!("  {key}: {}", visible(value))));
    }
    if !user.groups.is_empty() {
        let groups: Vec<String> = user.groups.iter().map(|group| visible(group)).collect();
        lines.push(format!("  groups: {}", groups.join(", ")));
    }
    lines.push(format!(
        "  password: {}",
        if user.has_password() { "yes" } else { "none" }
    ));
    lines.push(format!("  account: {}", account(user).1));
    lines
}
