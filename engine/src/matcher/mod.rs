//! Whether an attribute's values match a policy's: literals, `*` and regular expressions, each by the attribute's
//! syntax.

use crate::directory::{Syntax, Values};
use regex::{Regex, RegexBuilder};

/// Largest compiled regular expression in bytes; matching is linear in the text anyway.
const REGEX_SIZE: usize = 256 * 1024;

/// A policy's values.
#[derive(Debug)]
pub struct Matcher {
    patterns: Vec<Pattern>,
    regexes: Vec<CasedRegex>,
    exact: bool,
}

/// A literal or wildcard: the pieces between its `*`s, so a literal has one piece.
#[derive(Debug)]
struct Pattern {
    pieces: Vec<String>,
    folded: Vec<String>,
}

#[derive(Debug)]
struct CasedRegex {
    exact: Regex,
    folded: Regex,
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
    /// Reads a policy's `values` and `regex`. With `exact`, case always counts.
    pub fn new(values: &[String], regexes: &[String], exact: bool) -> Result<Self, MatcherError> {
        if values.is_empty() && regexes.is_empty() {
            return Err(MatcherError::Empty);
        }
        Ok(Self {
            patterns: values.iter().map(|v| Pattern::new(v)).collect::<Result<_, _>>()?,
            regexes: regexes.iter().map(|r| CasedRegex::new(r)).collect::<Result<_, _>>()?,
            exact,
        })
    }

    /// The first of the values that matches, made visible.
    pub fn find(&self, values: &Values) -> Option<String> {
        values
            .values
            .iter()
            .find(|value| self.matches(value.as_bytes(), values.syntax))
            .map(|value| value.shown(200))
    }

    fn matches(&self, value: &[u8], syntax: Syntax) -> bool {
        // Bytes that are no text match nothing: a policy is written in text.
        let Ok(text) = std::str::from_utf8(value) else {
            return false;
        };
        let exact = self.exact || syntax == Syntax::ExactText;
        let dn = syntax == Syntax::Dn;
        let value = match (exact, dn) {
            (true, false) => text.to_owned(),
            (true, true) => plain_dn(text),
            (false, false) => fold(text),
            (false, true) => fold(&plain_dn(text)),
        };
        self.patterns.iter().any(|pattern| pattern.matches(&value, exact, dn))
            || self.regexes.iter().any(|regex| regex.matches(text, exact))
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, MatcherError> {
        let mut pieces = vec![String::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let add = match c {
                '*' => {
                    pieces.push(String::new());
                    continue;
                }
                '\\' => match chars.next() {
                    Some(c @ ('*' | '\\')) => c,
                    _ => return Err(MatcherError::Escape(text.to_owned())),
                },
                c => c,
            };
            if let Some(last) = pieces.last_mut() {
                last.push(add);
            }
        }
        let folded = pieces.iter().map(|piece| fold(piece)).collect();
        Ok(Self { pieces, folded })
    }

    fn matches(&self, value: &str, exact: bool, dn: bool) -> bool {
        let pieces = if exact { &self.pieces } else { &self.folded };
        if dn {
            let plain: Vec<String> = pieces.iter().map(|piece| plain_dn(piece)).collect();
            return pieces_match(&plain, value);
        }
        pieces_match(pieces, value)
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
    fn new(text: &str) -> Result<Self, MatcherError> {
        let build = |folded| {
            // The whole value must match: an unanchored expression in a policy is a hole.
            RegexBuilder::new(&format!("^(?:{text})$"))
                .case_insensitive(folded)
                .size_limit(REGEX_SIZE)
                .build()
                .map_err(|e| MatcherError::Regex(text.to_owned(), e.to_string().replace('\n', " ")))
        };
        // Checked alone first, so that brackets cannot reach out of the group around it.
        RegexBuilder::new(text)
            .size_limit(REGEX_SIZE)
            .build()
            .map_err(|e| MatcherError::Regex(text.to_owned(), e.to_string().replace('\n', " ")))?;
        Ok(Self {
            exact: build(false)?,
            folded: build(true)?,
        })
    }

    fn matches(&self, value: &str, exact: bool) -> bool {
        if exact { &self.exact } else { &self.folded }.is_match(value)
    }
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// A DN without the blanks that RFC 4514 lets stand around its separators.
fn plain_dn(dn: &str) -> String {
    let mut out = String::with_capacity(dn.len());
    let mut escaped = false;
    for c in dn.chars() {
        if escaped {
            out.push(c);
            escaped = false;
            continue;
        }
        match c {
            '\\' => {
                escaped = true;
                out.push(c);
            }
            ',' | '=' | '+' => {
                while out.ends_with(' ') && !out.ends_with("\\ ") {
                    out.pop();
                }
                out.push(c);
            }
            ' ' if out.is_empty() || out.ends_with([',', '=', '+']) && !escape_ends(&out) => {}
            c => out.push(c),
        }
    }
    out
}

/// Whether the text's last character is escaped.
fn escape_ends(text: &str) -> bool {
    let mut chars = text.chars().rev().skip(1);
    let mut backslashes = 0;
    while chars.next() == Some('\\') {
        backslashes += 1;
    }
    backslashes % 2 == 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::text::Outside;

    fn hit(pattern: &str, value: &str, syntax: Syntax) -> bool {
        let values = Values {
            syntax,
            values: vec![Outside::new(value.as_bytes())],
        };
        Matcher::new(&[pattern.to_owned()], &[], false)
            .unwrap()
            .find(&values)
            .is_some()
    }

    #[test]
    fn wildcards_match_any_run_the_empty_one_too() {
        for (pattern, value, expected) in [
            ("IT", "it", true),
            ("IT", "IT-Ops", false),
            ("IT-*", "it-ops", true),
            ("IT*", "IT", true),
            ("*", "", true),
            ("*ops", "DevOps", true),
            ("a*b*a", "aba", true),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
            (r"5\*", "5*", true),
            (r"5\*", "50", false),
            (r"a\\b", r"a\b", true),
        ] {
            assert_eq!(hit(pattern, value, Syntax::Text), expected, "{pattern} {value}");
        }
        assert!(!hit("alice", "Alice", Syntax::ExactText));
        assert!(Matcher::new(&[r"a\b".into()], &[], false).is_err());
        assert!(Matcher::new(&[], &[], false).is_err());
    }

    #[test]
    fn dns_compare_without_case_and_without_blanks_at_separators() {
        let stored = "cn=Eng,ou=groups,dc=example,dc=org";
        assert!(hit("CN=eng, OU=Groups, DC=example, DC=org", stored, Syntax::Dn));
        assert!(hit("cn=eng,*", stored, Syntax::Dn));
        assert!(!hit("cn=en,ou=groups,dc=example,dc=org", stored, Syntax::Dn));
        assert!(hit(r"cn=a\\, b,dc=x", r"cn=a\, b,dc=x", Syntax::Dn));
    }

    #[test]
    fn a_regular_expression_covers_the_whole_value() {
        let find = |regex: &str, value: &str, exact| {
            let values = Values {
                syntax: Syntax::Text,
                values: vec![Outside::new(value.as_bytes())],
            };
            Matcher::new(&[], &[regex.to_owned()], exact)
                .unwrap()
                .find(&values)
                .is_some()
        };
        assert!(find("IT|Ops", "ops", false));
        assert!(!find("IT|Ops", "ops", true));
        assert!(!find("IT", "ITX", false));
        assert!(!find("IT|Ops", "XOps", false));
        for bad in ["(", "a)|(b", r"\p{nope}", "(a{1000}){1000}"] {
            assert!(Matcher::new(&[], &[bad.to_owned()], false).is_err(), "{bad}");
        }
    }
}
