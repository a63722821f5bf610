//! Distinguished names as text that compares (RFC 4514): one spelling for each name, and the same for the pieces of a
//! pattern that stand between its `*`s. What an attribute's values look like in a directory differs in blanks, case and
//! escapes; what they mean does not.

/// Whether `text` names a whole DN, or a part of one, and not a group's bare name.
pub(super) fn is_dn(text: &str) -> bool {
    let mut escaped = false;
    text.chars().any(|c| {
        let here = c == '=' && !escaped;
        escaped = c == '\\' && !escaped;
        here
    })
}

/// The pieces of a DN between its `*`s (one piece, if it has none) in one spelling: no blanks around separators, one
/// blank inside, each special character escaped by itself. Case is left as it is.
pub(super) fn canonical(pieces: &[String]) -> Vec<String> {
    // Only the first `=` of a part stands between its type and its value. A `*` may run into another part, where a type
    // begins anew; an `=` right behind it is the value's.
    let mut typed = false;
    let spelt = pieces.iter().enumerate();
    spelt
        .map(|(at, piece)| {
            typed = at > 0 && piece.starts_with('=');
            canonical_piece(piece, (at == 0, at + 1 == pieces.len()), &mut typed)
        })
        .collect()
}

/// `begins` and `ends` tell the pieces at start and end from those beside a `*`, where a blank counts.
fn canonical_piece(text: &str, (begins, ends): (bool, bool), typed: &mut bool) -> String {
    let mut out = String::with_capacity(text.len());
    // Blanks that stand at the end of `out` and may go: escaped ones stay.
    let mut loose = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                loose = 0;
                push_escaped(&mut out, escaped_char(&mut chars));
            }
            ',' | ';' | '+' => {
                out.truncate(out.len() - loose);
                (loose, *typed) = (0, false);
                out.push(if c == ';' { ',' } else { c });
            }
            '=' if !*typed => {
                out.truncate(out.len() - loose);
                (loose, *typed) = (0, true);
                out.push('=');
            }
            ' ' if !out.ends_with(' ') && !(ends_at_separator(&out) && (begins || !out.is_empty())) => {
                out.push(' ');
                loose = 1;
            }
            ' ' => {}
            c => {
                loose = 0;
                push_escaped(&mut out, Some(c));
            }
        }
    }
    if ends {
        out.truncate(out.len() - loose);
    }
    out
}

/// A whole DN in one spelling: besides [`canonical`], the parts of a multi-valued RDN are in order.
pub(super) fn canonical_whole(text: &str) -> String {
    let plain = canonical_piece(text, (true, true), &mut false);
    if !plain.contains('+') {
        return plain;
    }
    let rdns = split(&plain, ',').into_iter().map(|rdn| {
        let mut parts = split(rdn, '+');
        parts.sort_by_cached_key(|part| super::fold(part));
        parts.join("+")
    });
    rdns.collect::<Vec<_>>().join(",")
}

/// The value of the first RDN without escapes: a group's name.
pub(super) fn name(canonical: &str) -> Option<String> {
    let first = *split(canonical, ',').first()?;
    let (_, value) = split(first, '+').first()?.split_once('=')?;
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' {
            escaped_char(&mut chars).unwrap_or(c)
        } else {
            c
        });
    }
    Some(out)
}

/// Splits at unescaped separators.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c: char| {
        let here = c == at && !escaped;
        escaped = c == '\\' && !escaped;
        here
    })
    .collect()
}

/// What an escape stands for: a character, or bytes of UTF-8 as pairs of hexadecimal digits.
fn escaped_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let first = chars.next()?;
    let (Some(high), Some(low)) = (first.to_digit(16), chars.peek().and_then(|c| c.to_digit(16))) else {
        return Some(first);
    };
    chars.next();
    let mut bytes = vec![u8::try_from(high * 16 + low).ok()?];
    let wanted = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    while bytes.len() < wanted {
        let mut ahead = chars.clone();
        let pair = (ahead.next(), ahead.next(), ahead.next());
        let (Some('\\'), Some(high), Some(low)) = pair else {
            break;
        };
        let (Some(high), Some(low)) = (high.to_digit(16), low.to_digit(16)) else {
            break;
        };
        bytes.push(u8::try_from(high * 16 + low).ok()?);
        *chars = ahead;
    }
    Some(
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.chars().next())
            .unwrap_or(char::REPLACEMENT_CHARACTER),
    )
}

fn push_escaped(out: &mut String, c: Option<char>) {
    let Some(c) = c else { return };
    let inner_blank = c == ' ' && !ends_at_separator(out);
    if inner_blank && out.ends_with(' ') {
        return;
    }
    if matches!(c, ',' | ';' | '+' | '=' | '\\' | '"' | '<' | '>' | '#') || (c == ' ' && !inner_blank) {
        out.push('\\');
    }
    out.push(c);
}

/// Whether a value begins here: at the start, or behind a separator that is none of a value's own.
fn ends_at_separator(out: &str) -> bool {
    let Some(last) = out.chars().next_back() else {
        return true;
    };
    let backslashes = out.chars().rev().skip(1).take_while(|c| *c == '\\').count();
    matches!(last, ',' | '+' | '=') && backslashes % 2 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_spelling() {
        for (one, other) in [
            ("cn=eng,ou=groups", "cn = eng , ou = groups"),
            ("cn=eng,ou=groups", " cn=eng;ou=groups "),
            ("cn=big team,ou=groups", "cn=big   team,ou=groups"),
            (r"cn=Lab\, Erin,ou=x", r"cn=Lab\2c Erin,ou=x"),
            (r"cn=Lab\, Erin,ou=x", r"cn=Lab\2C\20Erin,ou=x"),
            ("cn=Zoë", r"cn=Zo\c3\ab"),
            ("cn=a+sn=b,ou=x", "sn=b + cn=a,ou=x"),
            (r"cn=a\+b,ou=x", r"cn=a\2bb,ou=x"),
        ] {
            assert_eq!(canonical_whole(one), canonical_whole(other), "{one} {other}");
        }
        for (one, other) in [
            (r"cn=a\,b", "cn=a,b"),
            (r"cn=a\ ", "cn=a"),
            (r"cn=a\+b=c", "cn=a+b=c"),
            ("cn=ab", "cn=a b"),
        ] {
            assert_ne!(canonical_whole(one), canonical_whole(other), "{one} {other}");
        }
    }

    #[test]
    fn a_groups_name_is_the_value_of_its_first_rdn() {
        for (dn, expected) in [
            ("cn=eng,ou=groups", Some("eng")),
            (r"CN=Lab\, Erin,OU=x", Some("Lab, Erin")),
            (r"cn=\#1\=\,,ou=x", Some("#1=,")),
            ("cn=a+sn=b,ou=x", Some("a")),
            ("eng", None),
            ("", None),
        ] {
            assert_eq!(name(&canonical_whole(dn)).as_deref(), expected, "{dn}");
        }
    }

    #[test]
    fn an_escaped_equals_sign_makes_no_dn() {
        assert!(is_dn("cn=eng"));
        assert!(!is_dn("eng"));
        assert!(!is_dn(r"a\=b"));
    }
}
