//! User names from outside, checked before anything is done with them (R60).

use assent_proto::text::Outside;

/// Longest user name in bytes.
pub const MAX_USER_NAME: usize = 256;

/// A user name that is safe to look up: UTF-8, 1 to [`MAX_USER_NAME`] bytes, without control characters, `/`, `:`,
/// blanks at its ends or a leading `-`. It still must be escaped for a filter or a DN, and made visible for people.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing, or too much.
    #[error("a user name has 1 to {MAX_USER_NAME} bytes")]
    Length,
    /// Bytes that are no text.
    #[error("a user name is UTF-8")]
    Encoding,
    /// A character that no user name has.
    #[error("a user name has no control characters, \"/\" or \":\", no leading \"-\", no blanks at its ends")]
    Character,
}

impl UserName {
    /// Checks a name.
    pub fn new(name: &Outside) -> Result<Self, BadName> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_USER_NAME {
            return Err(BadName::Length);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadName::Encoding)?;
        let odd = text.chars().any(|c| c.is_control() || matches!(c, '/' | ':'));
        if odd || text.starts_with('-') || text.trim() != text {
            return Err(BadName::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it came: for lookups and exact comparisons, behind the encoder of whatever it goes into.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For people and logs.
    pub fn shown(&self) -> String {
        assent_proto::text::visible(&self.0)
    }
}

impl std::fmt::Debug for UserName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_hostile_user_names_are_refused() {
        let long = "x".repeat(257);
        let bad: [&[u8]; 13] = [
            b"",
            long.as_bytes(),
            b"a\0b",
            b"a/b",
            b"../etc",
            b"a:b",
            b"-rf",
            b"a\nb",
            b"\x1b[2J",
            b"\xff",
            b" a",
            b"a ",
            "a\u{85}b".as_bytes(),
        ];
        for name in bad {
            assert!(UserName::new(&Outside::new(name)).is_err(), "{name:?}");
        }
        for name in [
            "a",
            "alice",
            "alice@example.org",
            "Zoë",
            "*)(uid=*",
            "DOM\\alice",
            &"x".repeat(256),
        ] {
            assert!(UserName::new(&Outside::new(name.as_bytes())).is_ok(), "{name:?}");
        }
    }
}
