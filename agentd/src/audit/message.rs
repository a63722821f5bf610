//! What is said to the outside of one record: named fields, kept apart until each receiver's own form is made of them
//! (R69). No receiver sees a value that could end a line.

use std::fmt::Write as _;

/// What it is about, and how much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An approval.
    Approval,
    /// A denial, or an approval that skipped something.
    Warning,
    /// Where the chain stands, signed.
    Checkpoint,
    /// Something that an administrator must look at.
    Alarm,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its kind.
    pub kind: Kind,
    fields: Vec<Field>,
    words: String,
}

#[derive(Debug, Clone)]
struct Field {
    name: &'static str,
    value: Option<String>,
    quoted: bool,
}

impl Message {
    /// A message without anything yet.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            fields: Vec::new(),
            words: String::new(),
        }
    }

    /// Adds a word of our own, or an address: nothing with blanks.
    pub fn word(self, name: &'static str, value: Option<&str>) -> Self {
        self.field(name, value, false)
    }

    /// Adds a text, which may come from outside.
    pub fn text(self, name: &'static str, value: Option<&str>) -> Self {
        self.field(name, value, true)
    }

    /// Adds a sentence for people, behind the fields.
    pub fn sentence(mut self, words: &str) -> Self {
        self.words = one_line(words);
        self
    }

    fn field(mut self, name: &'static str, value: Option<&str>, quoted: bool) -> Self {
        let value = value.map(one_line);
        self.fields.push(Field { name, value, quoted });
        self
    }

    /// The fields that say something.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let said = |field: &'_ Field| field.value.as_ref().is_some_and(|value| !value.is_empty());
        let fields = self.fields.iter().filter(move |field| said(field));
        fields.map(|field| (field.name, field.value.as_deref().unwrap_or_default()))
    }

    /// The whole of it in one line.
    pub fn line(&self) -> String {
        let mut line = String::new();
        for field in &self.fields {
            let (space, value) = (
                if line.is_empty() { "" } else { " " },
                field.value.as_deref().unwrap_or("-"),
            );
            // Writing to a String cannot fail.
            let _ = match field.quoted {
                true => write!(line, "{space}{}={value:?}", field.name),
                false => write!(line, "{space}{}={value}", field.name),
            };
        }
        match (line.is_empty(), self.words.is_empty()) {
            (true, _) => self.words.clone(),
            (_, true) => line,
            _ => format!("{line}: {}", self.words),
        }
    }
}

/// Texts from outside were made visible before; this is for those that somebody forgot.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => {
                let _ = write!(out, "⟨U+{:04X}⟩", u32::from(c));
            }
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r69_a_message_is_one_line_whose_fields_keep_their_bounds() {
        let message = Message::new(Kind::Warning)
            .word("login", Some("k7f3q2"))
            .text("user", Some("x\" verdict=approved\nAccepted for root"))
            .text("tty", Some(""))
            .text("method", None)
            .word("cause", None);
        assert_eq!(
            message.line(),
            "login=k7f3q2 user=\"x\\\" verdict=approved⟨U+000A⟩Accepted for root\" tty=\"\" method=\"-\" cause=-"
        );
        let fields: Vec<_> = message.fields().collect();
        let user = "x\" verdict=approved⟨U+000A⟩Accepted for root";
        assert_eq!(fields, [("login", "k7f3q2"), ("user", user)]);
        let alarm = Message::new(Kind::Alarm).word("login", Some("a")).sentence("b\nc");
        assert_eq!(alarm.line(), "login=a: b⟨U+000A⟩c");
        assert_eq!(Message::new(Kind::Alarm).sentence("b").line(), "b");
    }
}
