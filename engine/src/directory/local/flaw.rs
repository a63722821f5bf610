//! What is wrong in a `users.toml`: line, cause, mend. Never a value that may be a hash or a password.

use assent_proto::text::visible;
use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do; may be empty.
    pub mend: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)?;
        if !self.mend.is_empty() {
            write!(f, " ({})", self.mend)?;
        }
        Ok(())
    }
}

/// Everything that is wrong, in order of lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaws(pub Vec<Flaw>);

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, flaw) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{flaw}")?;
        }
        Ok(())
    }
}

/// Collects flaws of a text.
pub(super) struct Collector<'a> {
    text: &'a str,
    found: Vec<Flaw>,
}

impl<'a> Collector<'a> {
    /// Nothing found yet.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Something is wrong here.
    pub fn add(&mut self, at: &Range<usize>, what: impl Into<String>, mend: impl Into<String>) {
        self.found.push(Flaw {
            line: line(self.text.as_bytes(), at.start),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// `value` if nothing is wrong.
    pub fn end<T>(mut self, value: T) -> Result<T, Flaws> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort();
        Err(Flaws(self.found))
    }
}

/// The line of a byte.
pub(super) fn line(text: &[u8], at: usize) -> usize {
    text.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// What the TOML library says, without values that it cites: one may be a hash that slipped into the wrong line.
pub(super) fn without_values(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for (at, part) in message.split('"').enumerate() {
        out.push_str(if at % 2 == 0 { part } else { "\"…\"" });
    }
    visible(out.lines().next().unwrap_or_default())
}

/// The known word that `typed` was probably meant to be.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long ones are no slips of the finger, and would cost time by their square.
    if typed.len() > 64 {
        return None;
    }
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .filter(|word| word.len() <= 64)
        .map(|word| (strsim::osa_distance(&typed, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}
