//! Whether an attribute's values match a policy's: literals, `*` and regular expressions, each by the attribute's
//! syntax.
//!
//! A policy's values are read once ([`Matcher::new`]), and a user's once a decision ([`Prepared::new`]), so that a
//! thousand policies on one attribute fold its values once.

mod dn;

use crate::directory::{Syntax, Values};
use assent_proto::text::Outside;
use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;

/// Largest compiled regular expression in bytes; matching is linear in the text anyway.
const REGEX_SIZE: usize = 256 * 1024;

/// A policy's values.
#[derive(Debug)]
pub struct Matcher {
    patterns: Vec<Pattern>,
    regexes: Vec<CasedRegex>,
    exact: bool,
}

/// A user's values of one attribute, spelt so that they compare.
#[derive(Debug)]
pub struct Prepared<'a> {
    values: Vec<PreparedValue<'a>>,
    exact: bool,
}

#[derive(Debug)]
struct PreparedValue<'a> {
    source: &'a Outside,
    whole: Spelt,
    /// What a bare name in a policy is compared with, where that is not the whole value: a group's name.
    name: Option<Spelt>,
}

/// A text as it is, and with its case folded.
#[derive(Debug)]
struct Spelt {
    exact: String,
    folded: String,
}

/// A literal or wildcard: the pieces between its `*`s, so a literal has one piece.
#[derive(Debug)]
struct Pattern {
    exact: Vec<String>,
    folded: Vec<String>,
    about: About,
}

#[derive(Debug)]
struct CasedRegex {
    exact: Regex,
    folded: Regex,
    about: About,
}

/// What a policy's value is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Whole,
    Name,
}

/// Why a value is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MatcherError {
    /// A backslash that escapes nothing.
    #[error("the value {0:?} has a \\ that stands before neither * nor \\")]
    Escape(String),
    /// Not a regular expression.
    #[error("the regular expression {0:?} is wrong: {1}")]
    Regex(String, String),
    /// Neither values nor regular expressions.
    #[error("the policy names no values")]
    Empty,
}

impl Matcher {
    /// Reads a policy's `values` and `regex` for an attribute of a syntax. With `exact`, case always counts.
    pub fn new(values: &[String], regexes: &[String], exact: bool, syntax: Syntax) -> Result<Self, MatcherError> {
        if values.is_empty() && regexes.is_empty() {
            return Err(MatcherError::Empty);
        }
        let patterns = values.iter().map(|value| Pattern::new(value, syntax));
        let regexes = regexes.iter().map(|text| CasedRegex::new(text, syntax));
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            regexes: regexes.collect::<Result<_, _>>()?,
            exact: exact || syntax == Syntax::ExactText,
        })
    }

    /// The first of the values that matches, made visible.
    pub fn find(&self, values: &Prepared) -> Option<String> {
        let exact = self.exact || values.exact;
        let found = values.values.iter().find(|value| self.matches(value, exact))?;
        Some(found.source.shown(200))
    }

    fn matches(&self, value: &PreparedValue, exact: bool) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(value, exact))
            || self.regexes.iter().any(|regex| regex.matches(value, exact))
    }

    /// Whether everything that `other` matches is matched here too, as far as that shows: for warnings alone.
    pub fn covers(&self, other: &Self) -> bool {
        if self.patterns.iter().any(Pattern::is_everything) {
            return true;
        }
        if !other.regexes.is_empty() || (self.exact && !other.exact) {
            return false;
        }
        other.patterns.iter().all(|theirs| {
            self.patterns.iter().any(|ours| {
                let pieces = |pattern: &Pattern| {
                    if self.exact {
                        pattern.exact.clone()
                    } else {
                        pattern.folded.clone()
                    }
                };
                let (ours_pieces, theirs_pieces) = (pieces(ours), pieces(theirs));
                let literal = theirs_pieces.len() == 1;
                ours.about == theirs.about
                    && (ours_pieces == theirs_pieces || (literal && pieces_match(&ours_pieces, &theirs_pieces[0])))
            })
        })
    }
}

impl<'a> Prepared<'a> {
    /// Spells a user's values. Bytes that are no text match nothing where text is wanted: a policy is written in text.
    pub fn new(values: &'a Values) -> Self {
        let spelt = values.values.iter().filter_map(|source| {
            let (whole, name) = match values.syntax {
                Syntax::Bytes => {
                    let hex = hex(source.as_bytes());
                    (hex, guid(source.as_bytes()))
                }
                Syntax::Dn => {
                    let whole = dn::canonical_whole(std::str::from_utf8(source.as_bytes()).ok()?);
                    let name = dn::name(&whole);
                    (whole, name)
                }
                Syntax::Text | Syntax::ExactText => (std::str::from_utf8(source.as_bytes()).ok()?.to_owned(), None),
            };
            Some(PreparedValue {
                source,
                whole: Spelt::new(whole),
                name: name.map(Spelt::new),
            })
        });
        Self {
            values: spelt.collect(),
            exact: values.syntax == Syntax::ExactText,
        }
    }
}

impl PreparedValue<'_> {
    fn text(&self, about: About, exact: bool) -> &str {
        let spelt = match about {
            About::Whole => &self.whole,
            About::Name => self.name.as_ref().unwrap_or(&self.whole),
        };
        if exact { &spelt.exact } else { &spelt.folded }
    }
}

impl Spelt {
    fn new(exact: String) -> Self {
        Self {
            folded: fold(&exact),
            exact,
        }
    }
}

impl About {
    /// A DN says so by its `=`; a GUID by its hyphens. Everything else of such a syntax is a name.
    fn of(text: &str, syntax: Syntax) -> Self {
        let name = match syntax {
            Syntax::Dn => !dn::is_dn(text),
            Syntax::Bytes => text.contains('-'),
            Syntax::Text | Syntax::ExactText => false,
        };
        if name { Self::Name } else { Self::Whole }
    }
}

impl Pattern {
    fn new(text: &str, syntax: Syntax) -> Result<Self, MatcherError> {
        let about = About::of(text, syntax);
        let keeps_escapes = syntax == Syntax::Dn && about == About::Whole;
        let mut pieces = vec![String::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let mut add = String::new();
            match c {
                '*' => {
                    pieces.push(String::new());
                    continue;
                }
                '\\' => match chars.next() {
                    Some('*') => add.push('*'),
                    // A DN's own escapes (RFC 4514, section 2.4) stay for [`dn::canonical`].
                    Some(c) if keeps_escapes => add.extend(['\\', c]),
                    Some('\\') => add.push('\\'),
                    Some(c) if syntax == Syntax::Dn && about == About::Name => add.push(c),
                    _ => return Err(MatcherError::Escape(text.to_owned())),
                },
                c => add.push(c),
            }
            if let Some(last) = pieces.last_mut() {
                last.push_str(&add);
            }
        }
        if keeps_escapes {
            pieces = match &pieces[..] {
                [whole] => vec![dn::canonical_whole(whole)],
                _ => dn::canonical(&pieces),
            };
        }
        Ok(Self {
            folded: pieces.iter().map(|piece| fold(piece)).collect(),
            exact: pieces,
            about,
        })
    }

    fn matches(&self, value: &PreparedValue, exact: bool) -> bool {
        let pieces = if exact { &self.exact } else { &self.folded };
        pieces_match(pieces, value.text(self.about, exact))
    }

    fn is_everything(&self) -> bool {
        self.exact.len() > 1 && self.exact.iter().all(String::is_empty)
    }
}

/// Whether `value` is `pieces` with any runs of characters between them.
fn pieces_match(pieces: &[String], value: &str) -> bool {
    let [first, rest @ ..] = pieces else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return value == first;
    };
    let Some(mut value) = value.strip_prefix(first.as_str()) else {
        return false;
    };
    for piece in middle {
        match value.find(piece.as_str()) {
            Some(at) => value = &value[at + piece.len()..],
            None => return false,
        }
    }
    value.ends_with(last.as_str())
}

impl CasedRegex {
    fn new(text: &str, syntax: Syntax) -> Result<Self, MatcherError> {
        let wrong = |e: regex::Error| MatcherError::Regex(text.to_owned(), e.to_string().replace('\n', " "));
        let build = |folded| {
            // The whole value must match: an unanchored expression in a policy is a hole.
            RegexBuilder::new(&format!("^(?:{text})$"))
                .case_insensitive(folded)
                .size_limit(REGEX_SIZE)
                .build()
                .map_err(wrong)
        };
        // Checked alone first, so that brackets cannot reach out of the group around it.
        RegexBuilder::new(text).size_limit(REGEX_SIZE).build().map_err(wrong)?;
        Ok(Self {
            exact: build(false)?,
            folded: build(true)?,
            about: About::of(text, syntax),
        })
    }

    fn matches(&self, value: &PreparedValue, exact: bool) -> bool {
        if exact { &self.exact } else { &self.folded }.is_match(value.text(self.about, true))
    }
}

/// Lower case, a letter at a time: of a piece of a pattern nobody knows what will stand around it, and a sigma at the
/// end of a word is another small letter.
fn fold(text: &str) -> String {
    let small = text.chars().flat_map(char::to_lowercase);
    small.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Sixteen bytes as Active Directory writes a GUID for people.
fn guid(bytes: &[u8]) -> Option<String> {
    crate::directory::ldap::guid_text(bytes)
}

#[cfg(test)]
#[path = "tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
