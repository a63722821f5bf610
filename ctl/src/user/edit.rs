//! Edits the text of a `users.toml` and keeps its comments and form. Pure: reads and writes nothing. What comes out is
//! valid, and nobody but the user in question has changed in it. Used by the editing subcommands through
//! [`super::store`].

use assent_engine::directory::local::{Flaws, KEYS, Users, nearest};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value};

/// One change of a user.
#[derive(Debug, Clone)]
pub enum Change {
    /// This key has this value.
    Set(&'static str, Value),
    /// This key is gone.
    Unset(&'static str),
    /// In these groups.
    Join(Vec<String>),
    /// In none of these groups.
    Leave(Vec<String>),
}

/// Why there is no new text.
#[derive(Debug, PartialEq, Eq)]
pub enum EditError {
    /// The text as it was is bad.
    Bad(Flaws),
    /// There is such a user already.
    Exists,
    /// There is no such user; perhaps that one is meant.
    Missing(Option<String>),
    /// The users stand in a form that is not edited.
    Inline,
    /// The text would be bad with these values.
    Result(Flaws),
    /// More would change than was asked for. Never seen; nothing is written then.
    Altered,
}

/// A text under edit.
pub struct Editor {
    document: DocumentMut,
    before: Users,
    touched: Vec<String>,
    dress: Dress,
}

/// What an editor of Windows puts around a text, and we put back.
#[derive(Clone, Copy)]
struct Dress {
    mark: bool,
    carriage_returns: bool,
}

impl Dress {
    const MARK: char = '\u{feff}';

    /// Takes it off. Of two kinds of line ends, the more frequent one stays.
    fn off(text: &str) -> (Self, String) {
        let body = text.strip_prefix(Self::MARK).unwrap_or(text);
        let (lines, theirs) = (body.matches('\n').count(), body.matches("\r\n").count());
        let dress = Self {
            mark: body.len() != text.len(),
            carriage_returns: theirs > lines / 2,
        };
        (dress, body.replace("\r\n", "\n"))
    }

    /// Puts it on again.
    fn on(self, body: &str) -> String {
        let mut text = if self.mark {
            String::from(Self::MARK)
        } else {
            String::new()
        };
        if self.carriage_returns {
            text += &body.replace('\n', "\r\n");
        } else {
            text += body;
        }
        text
    }
}

impl Editor {
    /// Reads a text.
    pub fn open(text: &str) -> Result<Self, EditError> {
        let before = Users::parse(text.as_bytes()).map_err(EditError::Bad)?;
        let (dress, body) = Dress::off(text);
        let document: DocumentMut = body.parse().map_err(|_| EditError::Altered)?;
        if document.get("user").is_some_and(|users| !users.is_array_of_tables()) {
            return Err(EditError::Inline);
        }
        Ok(Self {
            document,
            before,
            touched: Vec::new(),
            dress,
        })
    }

    /// Adds a user at the end.
    pub fn add(&mut self, name: &str, id: &str, changes: Vec<Change>) -> Result<(), EditError> {
        if self.before.find(name).is_some() {
            return Err(EditError::Exists);
        }
        let mut table = Table::new();
        set(&mut table, "name", name.into());
        set(&mut table, "id", id.into());
        for change in changes {
            apply(&mut table, change);
        }
        // What stands behind the last user stays in its place, before the new one.
        let mut before = self.document.trailing().as_str().unwrap_or_default().to_owned();
        if !before.is_empty() && !before.ends_with('\n') {
            before.push('\n');
        }
        let blank = before == "\n" || before.ends_with("\n\n");
        if !blank && (self.before.iter().len() > 0 || !before.is_empty()) {
            before.push('\n');
        }
        self.document.set_trailing("");
        table.decor_mut().set_prefix(before);
        let users = self.document.entry("user");
        let users = users.or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        users.as_array_of_tables_mut().ok_or(EditError::Inline)?.push(table);
        self.touched.push(name.to_owned());
        Ok(())
    }

    /// Changes a user.
    pub fn change(&mut self, name: &str, changes: Vec<Change>) -> Result<(), EditError> {
        let at = self.position(name)?;
        let table = self.tables()?.get_mut(at).ok_or(EditError::Missing(None))?;
        let mut touched = vec![name.to_owned()];
        for change in changes {
            if let Change::Set("name", Value::String(new)) = &change {
                touched.push(new.value().clone());
            }
            apply(table, change);
        }
        self.touched.append(&mut touched);
        Ok(())
    }

    /// Removes a user, with the comment that stands right above.
    pub fn remove(&mut self, name: &str) -> Result<(), EditError> {
        let at = self.position(name)?;
        let tables = self.tables()?;
        let gone = tables.remove(at);
        let above = gone
            .decor()
            .prefix()
            .and_then(|prefix| prefix.as_str())
            .unwrap_or_default();
        // Up to the last blank line it belongs to what comes before, such as the file's own head.
        let kept = above.rfind("\n\n").map_or("", |end| &above[..end + 2]);
        let kept = if kept.trim().is_empty() { "" } else { kept };
        let join = |own: &str| {
            let after_a_blank = at == 0 || !kept.is_empty();
            let own = own.strip_prefix('\n').filter(|_| after_a_blank).unwrap_or(own);
            format!("{kept}{own}")
        };
        if let Some(next) = tables.get_mut(at) {
            let own = next.decor().prefix().and_then(|prefix| prefix.as_str());
            let joined = join(own.unwrap_or_default());
            next.decor_mut().set_prefix(joined);
        } else {
            let joined = join(self.document.trailing().as_str().unwrap_or_default());
            self.document.set_trailing(joined);
        }
        self.touched.push(name.to_owned());
        Ok(())
    }

    /// The new text.
    pub fn finish(self) -> Result<String, EditError> {
        let text = self.dress.on(&self.document.to_string());
        let after = Users::parse(text.as_bytes()).map_err(EditError::Result)?;
        let others = |users: &Users| -> Vec<_> {
            let all = users.iter().filter(|user| !self.touched.contains(&user.name));
            all.cloned().collect()
        };
        if others(&self.before) != others(&after) {
            return Err(EditError::Altered);
        }
        Ok(text)
    }

    fn position(&self, name: &str) -> Result<usize, EditError> {
        let at = self.before.iter().position(|user| user.name == name);
        at.ok_or_else(|| missing(&self.before, name))
    }

    fn tables(&mut self) -> Result<&mut ArrayOfTables, EditError> {
        let users = self.document.get_mut("user").and_then(Item::as_array_of_tables_mut);
        users.ok_or(EditError::Inline)
    }
}

/// There is no such user.
pub fn missing(users: &Users, name: &str) -> EditError {
    let near = nearest(name, users.iter().map(|user| user.name.as_str()));
    EditError::Missing(near.map(str::to_owned))
}

fn apply(table: &mut Table, change: Change) {
    match change {
        Change::Set(key, value) => set(table, key, value),
        Change::Unset(key) => {
            table.remove(key);
        }
        Change::Join(groups) => {
            if !table.contains_key("groups") {
                set(table, "groups", Array::new().into());
            }
            if let Some(array) = table.get_mut("groups").and_then(Item::as_array_mut) {
                for group in groups {
                    if !array.iter().any(|has| has.as_str() == Some(&group)) {
                        array.push(group);
                    }
                }
            }
        }
        Change::Leave(groups) => {
            if let Some(array) = table.get_mut("groups").and_then(Item::as_array_mut) {
                leave(array, &groups);
            }
        }
    }
}

/// Removes groups; a comment before one of them belongs to what stands before it, and stays.
fn leave(array: &mut Array, groups: &[String]) {
    let mut at = 0;
    while let Some(value) = array.get(at) {
        if !groups.iter().any(|group| value.as_str() == Some(group)) {
            at += 1;
            continue;
        }
        let gone = array.remove(at);
        let before = gone.decor().prefix().and_then(|prefix| prefix.as_str());
        let before = before.filter(|before| before.contains('#')).unwrap_or_default();
        let comment = before.rfind('\n').map_or("", |end| &before[..end]);
        if let Some(next) = array.get_mut(at) {
            let own = next.decor().prefix().and_then(|prefix| prefix.as_str());
            let joined = format!("{comment}{}", own.unwrap_or_default());
            next.decor_mut().set_prefix(joined);
        } else {
            let joined = format!("{comment}{}", array.trailing().as_str().unwrap_or_default());
            array.set_trailing(joined);
        }
    }
}

/// Sets a key where it stands, the comment behind it kept; a new one comes where the usual order has it.
fn set(table: &mut Table, key: &str, mut value: Value) {
    if let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    table.insert(key, Item::Value(value));
    let place = |key: &str| KEYS.iter().position(|known| *known == key);
    let in_order = table.iter().is_sorted_by_key(|(key, _)| place(key));
    let others_in_order = table
        .iter()
        .filter(|(other, _)| *other != key)
        .is_sorted_by_key(|(key, _)| place(key));
    // Only if the order is the usual one: nobody's own order is changed.
    if !in_order && others_in_order {
        table.sort_values_by(|one, _, other, _| place(one.get()).cmp(&place(other.get())));
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
