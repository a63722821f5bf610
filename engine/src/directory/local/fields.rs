//! What the values in a `users.toml` must be: one function a kind, each with the reason in words. Pure.

use crate::names::UserName;
use assent_proto::text::{Outside, visible};

/// Longest text.
pub const MAX_TEXT: usize = 256;

/// Why a value is refused: what is wrong, and the mend.
pub type Refused = (String, String);

/// A user name: as the name service may have it, and shown as it is.
pub fn name(text: &str) -> Result<(), Refused> {
    let mend = "write it as `getent passwd` does";
    UserName::new(&Outside::new(text.as_bytes())).map_err(|e| (format!("name: {e}"), mend.to_owned()))?;
    if visible(text) != text {
        let what = "name has characters that do not show, or turn the direction of what follows";
        return Err((what.to_owned(), mend.to_owned()));
    }
    Ok(())
}

/// A UUID that is somebody's.
pub fn id(text: &str) -> Result<(), Refused> {
    if !crate::directory::ldap::is_uuid(text) || text.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        return Err(("id must be a UUID".to_owned(), "make one with `uuidgen`".to_owned()));
    }
    Ok(())
}

/// A name, a group: some text on one line.
pub fn text(key: &str, text: &str) -> Result<(), Refused> {
    let what = if text.trim().is_empty() {
        format!("{key} is empty")
    } else if text.len() > MAX_TEXT {
        format!("{key} has {} bytes, more than {MAX_TEXT}", text.len())
    } else if text.chars().any(char::is_control) {
        format!("{key} has control characters")
    } else {
        return Ok(());
    };
    Err((what, format!("1 to {MAX_TEXT} bytes on one line, or leave it out")))
}

/// A mail address: something, one `@`, something, no blanks (RFC 5321's lengths).
pub fn email(text: &str) -> Result<(), Refused> {
    let bad = text.len() > 254
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
        || text.split_once('@').is_none_or(|(local, domain)| {
            local.is_empty() || local.len() > 64 || domain.is_empty() || domain.contains('@')
        });
    if bad {
        let mend = "such as \"alice@example.org\", 254 bytes at most";
        return Err(("email is no mail address".to_owned(), mend.to_owned()));
    }
    Ok(())
}

/// A mobile number as E.164 has it: `+`, country code, number, 7 to 15 digits.
pub fn mobile(text: &str) -> Result<(), Refused> {
    if text.strip_prefix('+').is_some_and(is_e164) {
        return Ok(());
    }
    let short: String = text.chars().filter(|c| !is_separator(*c)).collect();
    let mend = if short.strip_prefix('+').is_some_and(is_e164) {
        format!("write \"{short}\"")
    } else {
        "such as \"+491515550101\": +, country code, number, 7 to 15 digits".to_owned()
    };
    Err(("mobile is no E.164 number".to_owned(), mend))
}

fn is_e164(digits: &str) -> bool {
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// What people put between the digits of a telephone number.
pub fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '-' | '.' | '/' | '(' | ')')
}

/// A day, as days since 1970.
pub fn expires(text: &str) -> Result<i64, Refused> {
    crate::directory::date::iso_day(text).ok_or_else(|| {
        (
            "expires must be a day".to_owned(),
            "such as \"2027-01-31\", the last on which the account is good".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_row_18_names_that_hide_something_are_none() {
        let long = "x".repeat(256);
        for good in ["alice", "Zoë", "a=b", "דנה", "DOM\\al", &long] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        let too_long = "x".repeat(257);
        for bad in [
            "",
            "-rf",
            "../x",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}",
            "a⟨b",
            " a",
            "a:b",
            "a\u{a0}b",
            &too_long,
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn row_18_mail_addresses_and_e164_numbers_are_checked() {
        for good in ["a@b", "alice+x@example.org", "zoë@münchen.test"] {
            assert_eq!(email(good), Ok(()), "{good}");
        }
        let long = format!("a@{}", "b".repeat(253));
        for bad in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", "nobody", &long] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        for good in ["+1234567", "+491515550101", "+123456789012345"] {
            assert_eq!(mobile(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "+",
            "+123456",
            "+1234567890123456",
            "+0151555010",
            "0049151555",
            "491515550101",
            "+49a5155501",
            "+４９１５１５５５",
        ] {
            assert!(mobile(bad).is_err(), "{bad:?}");
        }
        let (_, mend) = mobile("+49 (151) 555-01.01").unwrap_err();
        assert_eq!(mend, "write \"+491515550101\"");
    }
}
