//! `users.toml`, checked whole before any of it is used. Read by the directory, and by `assentctl user` before and
//! after an edit. Never says a value that may be a hash.

use super::fields;
use super::flaw::{Collector, Flaw, Flaws, line, nearest, without_values};
use super::hash::Hash;
use crate::directory::{Account, date};
use assent_proto::text::visible;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most groups of a user.
const MAX_GROUPS: usize = 1000;

/// The keys of a user, in the order in which they are written.
pub const KEYS: [&str; 10] = [
    "name",
    "id",
    "first_name",
    "last_name",
    "email",
    "mobile",
    "groups",
    "password_hash",
    "expires",
    "blocked",
];

/// The users of a file.
pub struct Users {
    list: Vec<User>,
    by_name: HashMap<String, usize>,
    /// A hash that no password has, as costly as the file's first.
    pub(super) decoy: Arc<Hash>,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As NSS has it.
    pub name: String,
    /// UUID, lower case.
    pub id: String,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Mobile number, E.164.
    pub mobile: Option<String>,
    /// Groups besides those of NSS.
    pub groups: Vec<String>,
    /// What the password is checked against.
    pub(super) hash: Option<Arc<Hash>>,
    /// The last day on which the account is good, since 1970, in UTC.
    pub expires: Option<i64>,
    /// Switched off.
    pub blocked: bool,
}

impl User {
    /// Whether there is a password.
    pub fn has_password(&self) -> bool {
        self.hash.is_some()
    }

    /// Whether the account may log in at `now` (seconds since 1970). It is good until its last day ends in UTC, on
    /// every host at the same moment.
    pub fn account(&self, now: i64) -> Account {
        if self.blocked {
            Account::Disabled
        } else if self.expires.is_some_and(|last| now.div_euclid(date::DAY) > last) {
            Account::Expired
        } else {
            Account::Active
        }
    }
}

impl Users {
    /// Reads a file.
    pub fn parse(content: &[u8]) -> Result<Self, Flaws> {
        let whole = |line, what: String, mend: &str| {
            let mend = mend.to_owned();
            Flaws(vec![Flaw { line, what, mend }])
        };
        let text = std::str::from_utf8(content).map_err(|e| {
            let line = line(content, e.valid_up_to());
            whole(line, "not UTF-8".to_owned(), "save it as UTF-8")
        })?;
        let file = DeTable::parse(text).map_err(|e| {
            let line = e.span().map_or(1, |span| line(content, span.start));
            whole(line, without_values(e.message()), "see https://toml.io")
        })?;
        let mut flaws = Collector::new(text);
        let list = tables(file.get_ref(), &mut flaws)
            .into_iter()
            .map(|(at, table)| Entry::read(at, table, &mut flaws))
            .collect();
        let list = unique(list, &mut flaws);
        let by_name = list.iter().enumerate().map(|(at, user)| (user.name.clone(), at));
        let first_hash = list.iter().find_map(|user| user.hash.as_deref());
        flaws.end(Self {
            by_name: by_name.collect(),
            decoy: Arc::new(Hash::decoy(first_hash)),
            list,
        })
    }

    /// A user by name; case counts.
    pub fn find(&self, name: &str) -> Option<&User> {
        self.by_name.get(name).and_then(|at| self.list.get(*at))
    }

    /// All of them, as they stand in the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &User> {
        self.list.iter()
    }
}

/// The tables `[[user]]`; anything else at the top is a flaw.
fn tables<'a>(file: &'a DeTable<'a>, flaws: &mut Collector<'_>) -> Vec<(Range<usize>, &'a DeTable<'a>)> {
    let mut tables = Vec::new();
    for (key, value) in file {
        if key.get_ref() != "user" {
            let mend = "the file has tables [[user]] and nothing else";
            flaws.add(&key.span(), unknown(key.get_ref()), mend);
            continue;
        }
        let list = value.get_ref().as_array();
        for item in list.into_iter().flatten() {
            match item.get_ref().as_table() {
                Some(table) => tables.push((item.span(), table)),
                None => flaws.add(&item.span(), "a user is a table", "begin it with [[user]]"),
            }
        }
        if list.is_none() {
            flaws.add(&key.span(), "user is no list of tables", "write [[user]], not [user]");
        }
    }
    tables
}

fn unknown(key: &str) -> String {
    format!("unknown key \"{}\"", visible(&key.chars().take(40).collect::<String>()))
}

/// A user as read, with the places of what must be unique.
struct Entry {
    user: User,
    name_at: Range<usize>,
    id_at: Range<usize>,
    email_at: Range<usize>,
}

impl Entry {
    fn read(at: Range<usize>, table: &DeTable<'_>, flaws: &mut Collector<'_>) -> Self {
        let mut entry = Self {
            user: User {
                name: String::new(),
                id: String::new(),
                first_name: None,
                last_name: None,
                email: None,
                mobile: None,
                groups: Vec::new(),
                hash: None,
                expires: None,
                blocked: false,
            },
            name_at: at.clone(),
            id_at: at.clone(),
            email_at: at.clone(),
        };
        for (key, value) in table {
            let known = entry.take(key.get_ref(), value, flaws);
            if !known {
                let near = nearest(key.get_ref(), KEYS);
                let mend = near.map_or_else(
                    || format!("known are: {}", KEYS.join(", ")),
                    |near| format!("did you mean \"{near}\"?"),
                );
                flaws.add(&key.span(), unknown(key.get_ref()), mend);
            }
        }
        for (key, mend) in [("name", "as NSS has it"), ("id", "a UUID: make one with `uuidgen`")] {
            if !table.iter().any(|(has, _)| has.get_ref() == key) {
                flaws.add(
                    &at,
                    format!("this user has no {key}"),
                    format!("add {key} = \"…\", {mend}"),
                );
            }
        }
        entry
    }

    /// Reads one key; `false` if it is not known.
    fn take(&mut self, key: &str, value: &Spanned<DeValue<'_>>, flaws: &mut Collector<'_>) -> bool {
        let user = &mut self.user;
        match key {
            "name" => {
                user.name = checked(key, value, flaws, fields::name).unwrap_or_default();
                self.name_at = value.span();
            }
            "id" => {
                let id = checked(key, value, flaws, fields::id).unwrap_or_default();
                user.id = id.to_ascii_lowercase();
                self.id_at = value.span();
            }
            "first_name" => user.first_name = checked(key, value, flaws, |text| fields::text(key, text)),
            "last_name" => user.last_name = checked(key, value, flaws, |text| fields::text(key, text)),
            "email" => {
                user.email = checked(key, value, flaws, fields::email);
                self.email_at = value.span();
            }
            "mobile" => user.mobile = checked(key, value, flaws, fields::mobile),
            "groups" => user.groups = groups(value, flaws),
            "password_hash" => {
                let mut hash = None;
                checked(key, value, flaws, |text| {
                    hash = Some(Arc::new(Hash::parse(text).map_err(|what| {
                        (what.to_owned(), "`assentctl user passwd` makes one".to_owned())
                    })?));
                    Ok(())
                });
                user.hash = hash;
            }
            "expires" => {
                let mut last = None;
                checked(key, value, flaws, |text| {
                    last = Some(fields::expires(text)?);
                    Ok(())
                });
                user.expires = last;
            }
            "blocked" => match value.get_ref().as_bool() {
                Some(blocked) => user.blocked = blocked,
                None => flaws.add(
                    &value.span(),
                    wrong_type(key, value),
                    "write true or false, without quotes",
                ),
            },
            _ => return false,
        }
        true
    }
}

fn wrong_type(key: &str, value: &Spanned<DeValue<'_>>) -> String {
    format!("{key} cannot be of the type {}", value.get_ref().type_str())
}

fn checked(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    flaws: &mut Collector<'_>,
    check: impl FnOnce(&str) -> Result<(), fields::Refused>,
) -> Option<String> {
    let Some(text) = value.get_ref().as_str() else {
        flaws.add(&value.span(), wrong_type(key, value), "write a text in quotes");
        return None;
    };
    if let Err((what, mend)) = check(text) {
        flaws.add(&value.span(), what, mend);
    }
    Some(text.to_owned())
}

fn groups(value: &Spanned<DeValue<'_>>, flaws: &mut Collector<'_>) -> Vec<String> {
    let Some(list) = value.get_ref().as_array() else {
        flaws.add(
            &value.span(),
            wrong_type("groups", value),
            "write groups = [\"one\", \"two\"]",
        );
        return Vec::new();
    };
    if list.len() > MAX_GROUPS {
        flaws.add(&value.span(), format!("more than {MAX_GROUPS} groups"), "");
    }
    list.iter()
        .filter_map(|group| checked("group", group, flaws, |text| fields::text("group", text)))
        .collect()
}

/// Whoever shares a name, an id or a mail address with one before is a flaw.
fn unique(entries: Vec<Entry>, flaws: &mut Collector<'_>) -> Vec<User> {
    let mut seen: HashMap<(&str, String), String> = HashMap::new();
    for entry in &entries {
        let user = &entry.user;
        let email = user.email.as_deref().unwrap_or_default().to_lowercase();
        let own = "give each user one of their own";
        for (key, value, at, mend) in [
            ("name", user.name.clone(), &entry.name_at, "keep one of the two"),
            ("id", user.id.clone(), &entry.id_at, own),
            ("email", email, &entry.email_at, own),
        ] {
            if value.is_empty() {
                continue;
            }
            if let Some(other) = seen.insert((key, value), user.name.clone()) {
                let other = visible(&other);
                let what = match key {
                    "name" => format!("{other} stands here twice"),
                    _ => format!("this {key} is {other}'s already"),
                };
                flaws.add(at, what, mend);
            }
        }
    }
    entries.into_iter().map(|entry| entry.user).collect()
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
