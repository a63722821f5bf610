//! Distinguished names (RFC 4514), as far as telling what stands under what.

/// A name as comparable parts, the most general last. Each part holds its attribute types and values, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dn(Vec<Vec<(String, String)>>);

impl Dn {
    /// Reads a name; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        if text.trim().is_empty() {
            return Some(Self(parts));
        }
        let mut part = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=')?;
            let name = name.trim().to_ascii_lowercase();
            let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
            if name.is_empty() || !name.chars().all(fit) {
                return None;
            }
            let (value, end, after) = value(after)?;
            part.push((name, value));
            if end != Some('+') {
                part.sort();
                parts.push(std::mem::take(&mut part));
            }
            if end.is_none() {
                return Some(Self(parts));
            }
            rest = after;
        }
    }

    /// The part of the name that a domain has: its last `dc`s, written anew. Without any, the whole name is `None`.
    pub fn domain(&self) -> Option<String> {
        let last = self.0.iter().rev().map_while(|part| match part.as_slice() {
            [(name, value)] if name == "dc" => Some(format!("dc={}", ldap3::dn_escape(value.as_str()))),
            _ => None,
        });
        let mut parts: Vec<String> = last.collect();
        parts.reverse();
        (!parts.is_empty()).then(|| parts.join(","))
    }

    /// Whether no part is there at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is `base` or stands under it.
    pub fn is_under(&self, base: &Self) -> bool {
        self.0.ends_with(&base.0)
    }
}

/// Reads a value up to an unescaped `,`, `;`, `+` or the end: folded, inner runs of blanks as one.
fn value(text: &str) -> Option<(String, Option<char>, &str)> {
    // Unescaped blanks at the ends do not count; escaped ones do, so bytes carry a mark.
    let mut bytes: Vec<(u8, bool)> = Vec::new();
    let mut chars = text.char_indices();
    let mut end = None;
    let mut rest = "";
    let mut quoted = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => bytes.push((escaped(&mut chars)?, true)),
            '"' => quoted = !quoted,
            ',' | ';' | '+' if !quoted => {
                end = Some(c);
                rest = &text[at + 1..];
                break;
            }
            '\0' | '<' | '>' if !quoted => return None,
            _ => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| (byte, quoted))),
        }
    }
    if quoted {
        return None;
    }
    let blank = |byte: &(u8, bool)| *byte == (b' ', false);
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let stop = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
    let plain: Vec<u8> = bytes[start..stop].iter().map(|(byte, _)| *byte).collect();
    let text = String::from_utf8(plain).ok()?;
    let folded: Vec<String> = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    Some((folded.join(" "), end, rest))
}

/// What stands after a backslash: two hexadecimal digits or one character.
fn escaped(chars: &mut std::str::CharIndices<'_>) -> Option<u8> {
    let (_, first) = chars.next()?;
    let Some(high) = first.to_digit(16) else {
        return first.is_ascii().then_some(first).and_then(|c| u8::try_from(c).ok());
    };
    let low = chars.next()?.1.to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(dn: &str, base: &str) -> bool {
        let parse = |text| Dn::parse(text).unwrap_or_else(|| panic!("{text}"));
        parse(dn).is_under(&parse(base))
    }

    #[test]
    fn a_names_domain_is_its_last_parts() {
        for (dn, domain) in [
            ("ou=people,DC=Lab,dc=test", Some("dc=lab,dc=test")),
            ("dc=lab, dc=test", Some("dc=lab,dc=test")),
            ("dc=x,ou=people,dc=lab", Some("dc=lab")),
            ("ou=people,o=Lab", None),
            ("dc=lab,o=test", None),
            ("", None),
        ] {
            assert_eq!(Dn::parse(dn).unwrap().domain().as_deref(), domain, "{dn}");
        }
    }

    #[test]
    fn r63_names_under_the_base_are_told_from_others() {
        for (dn, base) in [
            ("uid=alice,ou=people,dc=lab,dc=test", "dc=lab,dc=test"),
            ("UID=alice, OU=People ,DC=Lab,dc=TEST", "ou=people, dc=lab; dc=test"),
            ("CN=Lab\\, Erin,ou=x+l=y,dc=lab", "l=Y+ou=X,dc=lab"),
            ("cn=a,ou=two  words,dc=lab", "ou=Two Words,dc=lab"),
            ("cn=a,ou=M\\C3\\BCller,dc=lab", "ou=müller,dc=lab"),
            ("cn=a,ou=\"x,y\",dc=lab", "ou=x\\2cy,dc=lab"),
            ("dc=lab,dc=test", "dc=lab,dc=test"),
            ("cn=a", ""),
        ] {
            assert!(under(dn, base), "{dn} | {base}");
        }
        for (dn, base) in [
            ("uid=alice,ou=people,dc=lab,dc=test", "dc=other,dc=test"),
            ("uid=alice,ou=people,dc=evillab,dc=test", "dc=lab,dc=test"),
            ("uid=alice\\,dc=lab\\,dc=test,dc=evil", "dc=lab,dc=test"),
            ("uid=alice\\2Cdc=lab,dc=test", "dc=lab,dc=test"),
            ("cn=\"a,dc=lab,dc=test\"", "dc=lab,dc=test"),
            ("dc=test", "dc=lab,dc=test"),
            ("", "dc=test"),
        ] {
            assert!(!under(dn, base), "{dn} | {base}");
        }
        for bad in [
            "alice", "uid=a,", "=x", "u id=x", "uid=\\", "uid=\\c", "uid=\\ff", "uid=\"x", ",dc=x", "é=x",
        ] {
            assert_eq!(Dn::parse(bad), None, "{bad}");
        }
    }
}
