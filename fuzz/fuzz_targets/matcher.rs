//! Policies' values against users': no pattern, expression or value makes the matcher panic, `*` means what a naive
//! reference says, a value matches itself, and what is said to cover another does.
//!
//! Input: syntax and case in the first byte, then lines: a pattern, an expression, values.
#![no_main]

use assent_engine::directory::{Syntax, Values};
use assent_engine::matcher::{Matcher, Prepared};
use assent_proto::text::Outside;
use libfuzzer_sys::fuzz_target;
use unicode_normalization::UnicodeNormalization as _;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let syntax = [Syntax::Text, Syntax::ExactText, Syntax::Dn, Syntax::Bytes][usize::from(kind & 3)];
    let exact = kind & 4 != 0;
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let [pattern, regex, found @ ..] = lines.as_slice() else {
        return;
    };
    let (Ok(pattern), Ok(regex)) = (std::str::from_utf8(pattern), std::str::from_utf8(regex)) else {
        return;
    };
    let make = |patterns: &[&str], regexes: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Matcher::new(&owned(patterns), &owned(regexes), exact, syntax)
    };
    let matched = |matcher: &Matcher, value: &[u8]| {
        let values = Values {
            syntax,
            values: vec![Outside::new(value)],
        };
        matcher.find(&Prepared::new(&values)).is_some()
    };
    let whole = make(&[pattern], &[regex]);
    let alone = make(&[pattern], &[]);
    let folds = !exact && syntax != Syntax::ExactText;
    for value in found.iter().take(8) {
        if let Ok(whole) = &whole {
            let _ = matched(whole, value);
        }
        let Ok(text) = std::str::from_utf8(value) else { continue };
        if let Ok(alone) = &alone
            && matches!(syntax, Syntax::Text | Syntax::ExactText)
        {
            assert_eq!(
                matched(alone, value),
                naive(pattern, text, folds),
                "{pattern:?} {text:?}"
            );
        }
        if let Some(literal) = literal(text, syntax) {
            let itself = make(&[&literal], &[]).expect("a literal");
            assert!(matched(&itself, value), "{text:?} does not match itself");
            if let Ok(alone) = &alone
                && alone.covers(&itself)
            {
                assert!(matched(alone, value), "{pattern:?} does not cover {literal:?}");
            }
        }
    }
});

/// A value as the pattern of that value alone, where there is one way to write it.
fn literal(value: &str, syntax: Syntax) -> Option<String> {
    match syntax {
        Syntax::Text | Syntax::ExactText => Some(value.replace('\\', r"\\").replace('*', r"\*")),
        // A whole DN, whose escapes are its own.
        Syntax::Dn => {
            (value.starts_with("cn=") && !value.contains('*') && !value.ends_with('\\')).then(|| value.into())
        }
        Syntax::Bytes => None,
    }
}

enum Part {
    Any,
    One(char),
}

/// Whether a pattern matches: place by place, every length of every `*` at once.
fn naive(pattern: &str, value: &str, folds: bool) -> bool {
    let spelt = |text: &str| if folds { fold(text) } else { text.to_owned() };
    let mut pieces = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => pieces.push(String::new()),
            '\\' => pieces.last_mut().expect("one at least").extend(chars.next()),
            c => pieces.last_mut().expect("one at least").push(c),
        }
    }
    let mut parts = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            parts.push(Part::Any);
        }
        parts.extend(spelt(piece).chars().map(Part::One));
    }
    let value: Vec<char> = spelt(value).chars().collect();
    // Whether the parts so far match the value's first `at` characters.
    let mut reached = vec![false; value.len() + 1];
    reached[0] = true;
    for part in parts {
        match part {
            Part::Any => {
                let mut any = false;
                for at in &mut reached {
                    any |= *at;
                    *at = any;
                }
            }
            Part::One(wanted) => {
                for at in (0..value.len()).rev() {
                    reached[at + 1] = reached[at] && value[at] == wanted;
                }
                reached[0] = false;
            }
        }
    }
    reached[value.len()]
}

/// Without case and compatibility forms, a character at a time.
fn fold(text: &str) -> String {
    let upper = text.nfkc().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}
