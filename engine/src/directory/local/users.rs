//! `users.toml`, checked whole before any of it is used.

use super::hash::Hash;
use crate::directory::date;
use crate::directory::ldap::is_uuid;
use crate::names::UserName;
use assent_proto::text::{Outside, visible};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use toml::Spanned;

/// Longest text in it.
const MAX_TEXT: usize = 256;
/// Most groups of a user.
const MAX_GROUPS: usize = 1000;

/// The users of a file.
pub struct Users {
    by_name: HashMap<String, User>,
    /// A hash that no password has, as costly as the file's first.
    pub decoy: Arc<Hash>,
}

/// A user.
pub struct User {
    /// UUID, lower case.
    pub id: String,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Mobile number.
    pub mobile: Option<String>,
    /// Groups besides those of NSS.
    pub groups: Vec<String>,
    /// What the password is checked against.
    pub hash: Option<Arc<Hash>>,
    /// The first day on which the account is closed, since 1970.
    pub expires: Option<i64>,
    /// Switched off.
    pub blocked: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    user: Vec<Spanned<RawUser>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUser {
    name: Spanned<String>,
    id: Spanned<String>,
    first_name: Option<Spanned<String>>,
    last_name: Option<Spanned<String>>,
    email: Option<Spanned<String>>,
    mobile: Option<Spanned<String>>,
    #[serde(default)]
    groups: Vec<Spanned<String>>,
    password_hash: Option<Spanned<String>>,
    expires: Option<Spanned<String>>,
    #[serde(default)]
    blocked: bool,
}

/// Collects problems with their lines.
struct Problems<'a> {
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl Problems<'_> {
    fn add<T>(&mut self, place: &Spanned<T>, what: impl Into<String>) {
        self.found.push((line(self.text, place.span().start), what.into()));
    }

    fn text(&mut self, key: &str, value: Option<Spanned<String>>) -> Option<String> {
        let value = value?;
        let text = value.get_ref();
        if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
            self.add(
                &value,
                format!("{key} must have 1 to {MAX_TEXT} bytes and no control characters"),
            );
        }
        Some(value.into_inner())
    }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

impl Users {
    /// The names in the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Reads a file. The text names every problem with its line, and no hash.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|e| {
            let line = content[..e.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line}: not UTF-8")
        })?;
        let raw: RawFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| line(text, span.start));
            format!("line {line}: {}", without_values(e.message()))
        })?;
        let mut problems = Problems {
            text,
            found: Vec::new(),
        };
        let mut by_name: HashMap<String, User> = HashMap::new();
        let mut ids: HashMap<String, String> = HashMap::new();
        let mut first_hash = None;
        for raw in raw.user {
            let raw = raw.into_inner();
            let (name, id) = (raw.name.clone(), raw.id.clone());
            let user = user(raw, &mut problems);
            if let Some(hash) = &user.hash {
                first_hash.get_or_insert(hash.clone());
            }
            if let Some(other) = ids.insert(user.id.clone(), name.get_ref().clone()) {
                problems.add(
                    &id,
                    format!(
                        "the id is {}'s already: give each user one of their own",
                        visible(&other)
                    ),
                );
            }
            if by_name.insert(name.get_ref().clone(), user).is_some() {
                problems.add(&name, format!("{} stands here twice", visible(name.get_ref())));
            }
        }
        if problems.found.is_empty() {
            return Ok(Self {
                by_name,
                decoy: Arc::new(Hash::decoy(first_hash.as_deref())),
            });
        }
        problems.found.sort();
        let lines: Vec<String> = problems
            .found
            .into_iter()
            .map(|(line, what)| format!("line {line}: {what}"))
            .collect();
        Err(lines.join("; "))
    }

    /// A user by name; case counts.
    pub fn find(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }
}

fn user(raw: RawUser, problems: &mut Problems<'_>) -> User {
    if let Err(e) = UserName::new(&Outside::new(raw.name.get_ref().as_bytes())) {
        problems.add(&raw.name, format!("name: {e}"));
    }
    if !is_uuid(raw.id.get_ref()) || raw.id.get_ref().bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        problems.add(&raw.id, "id must be a UUID: make one with `uuidgen`");
    }
    if let Some(group) = raw.groups.get(MAX_GROUPS) {
        problems.add(group, format!("more than {MAX_GROUPS} groups"));
    }
    let hash = raw.password_hash.and_then(|text| match Hash::parse(text.get_ref()) {
        Ok(hash) => Some(Arc::new(hash)),
        Err(what) => {
            problems.add(&text, what);
            None
        }
    });
    let expires = raw.expires.and_then(|text| {
        let day = date::iso_day(text.get_ref());
        if day.is_none() {
            problems.add(&text, "expires must be a day, such as \"2027-01-31\"");
        }
        day
    });
    User {
        id: raw.id.get_ref().to_ascii_lowercase(),
        first_name: problems.text("first_name", raw.first_name),
        last_name: problems.text("last_name", raw.last_name),
        email: problems.text("email", raw.email),
        mobile: problems.text("mobile", raw.mobile),
        groups: raw
            .groups
            .into_iter()
            .filter_map(|group| problems.text("group", Some(group)))
            .collect(),
        hash,
        expires,
        blocked: raw.blocked,
    }
}

/// What the TOML library says, without values that it cites: one may be a hash that slipped into the wrong line.
fn without_values(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for (at, part) in message.split('"').enumerate() {
        out.push_str(if at % 2 == 0 { part } else { "\"…\"" });
    }
    visible(out.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "[[user]]\nname = \"alice\"\nid = \"1B4E28BA-2FA1-11D2-883F-B9A761BDE3FB\"\n";
    const BOB: &str = "[[user]]\nname = \"bob\"\nid = \"00000000-0000-0000-0000-00000000000b\"\n";

    fn problem(text: &str) -> String {
        Users::parse(text.as_bytes())
            .err()
            .unwrap_or_else(|| panic!("no problem: {text}"))
    }

    #[test]
    fn a_good_file_is_read() {
        let more = "first_name = \"Al\"\nemail = \"a@lab.test\"\ngroups = [\"vip\"]\nexpires = \"2027-01-31\"\nblocked = true\n";
        let users = Users::parse(format!("# ours\n{ALICE}{more}\n{BOB}").as_bytes())
            .ok()
            .unwrap();
        let alice = users.find("alice").unwrap();
        assert_eq!(alice.id, "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb");
        assert_eq!(
            (alice.expires, alice.blocked, alice.groups.len()),
            (Some(20_849), true, 1)
        );
        assert!(users.find("Alice").is_none() && users.find("bob").is_some());
        assert!(Users::parse(b"").is_ok());
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        for (add, expected) in [
            ("nmae = \"x\"\n", "line 4: unknown field `nmae`"),
            ("expires = \"2027-02-30\"\n", "line 4: expires must be a day"),
            ("expires = 2027-01-30\n", "line 4: "),
            ("blocked = \"yes\"\n", "line 4: "),
            (
                "password_hash = \"hunter2\"\n",
                "line 4: password_hash is no PHC string",
            ),
            ("email = \"\"\n", "line 4: email must have"),
            ("mobile = \"1\\n2\"\n", "line 4: mobile must have"),
            ("groups = [\"\"]\n", "line 4: group must have"),
            ("name = \"al\"\n", "line 4: "),
            ("= 3\n", "line 4: "),
            (BOB.replace("bob", "alice").as_str(), "line 5: alice stands here twice"),
            (
                ALICE.replace("alice", "eve").to_lowercase().as_str(),
                "line 6: the id is alice's already",
            ),
            (BOB.replace("0b\"", "00\"").as_str(), "line 6: id must be a UUID"),
            (BOB.replace("bob", "-rf").as_str(), "line 5: name: "),
            (BOB.replace("bob", "a/b").as_str(), "line 5: name: "),
            ("[[users]]\n", "line 4: unknown field `users`"),
        ] {
            let problem = problem(&format!("{ALICE}{add}"));
            assert!(problem.starts_with(expected), "{add:?}: {problem}");
        }
        let two = problem(&format!("{ALICE}expires = \"x\"\nemail = \"\"\n"));
        assert!(two.contains("line 4: ") && two.contains("line 5: "), "{two}");
        assert_eq!(Users::parse(b"\n\n\xff").err().unwrap(), "line 3: not UTF-8");
    }

    #[test]
    fn r44_a_hash_in_the_wrong_line_is_not_cited() {
        let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0$c2VjcmV0";
        for key in ["blocked", "groups", "password_hash", "expires", "id"] {
            let problem = problem(&format!("[[user]]\nname = \"a\"\n{key} = \"{hash}\"\n"));
            assert!(!problem.contains("c2VjcmV0"), "{problem}");
        }
    }
}
