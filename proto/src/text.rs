//! Text that came from outside, and the one way in which it may be shown (R68).

use std::fmt;

/// Bytes that somebody else chose: a user name, a command, a directory's value. It has no `Display` and no way to
/// become a `String` but through an encoder, so it cannot reach a terminal, a log, a phone or an LDAP filter raw.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Outside(Vec<u8>);

impl Outside {
    /// Takes what came.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for an encoder or a comparison.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For terminals, logs and traces: every odd character made visible, at most `max` characters.
    pub fn shown(&self, max: usize) -> String {
        cut_in_the_middle(&visible_bytes(&self.0), max)
    }

    /// For a signed statement, whose reader makes odd characters visible itself: valid UTF-8 as it is, other bytes
    /// as `⟨0xFF⟩`.
    pub fn to_statement(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            out.push_str(chunk.valid());
            push_bytes(&mut out, chunk.invalid());
        }
        out
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown(120))
    }
}

/// Makes every character visible that moves the cursor, hides, reorders or looks like nothing.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_visible(&mut out, text);
    out
}

fn visible_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        push_visible(&mut out, chunk.valid());
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

fn push_visible(out: &mut String, text: &str) {
    use fmt::Write as _;
    for c in text.chars() {
        if is_odd(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    use fmt::Write as _;
    for byte in bytes {
        let _ = write!(out, "⟨0x{byte:02X}⟩");
    }
}

/// Controls, separators, marks of direction, invisible and tag characters, and our own bracket.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00AD}'
                | '\u{034F}'
                | '\u{061C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFC}'
                | '\u{FFFE}'..='\u{FFFF}'
                | '\u{13430}'..='\u{1345F}'
                | '\u{16FE4}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D159}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
                | '⟨'
        )
        || (c.is_whitespace() && c != ' ')
}

/// Keeps head and tail, where what matters stands, and says how much is gone.
pub fn cut_in_the_middle(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let keep = max / 2;
    let head: String = text.chars().take(keep).collect();
    let tail: String = text.chars().skip(count - keep).collect();
    format!("{head}⟨… {} characters …⟩{tail}", count - 2 * keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r68_hostile_text_is_made_visible() {
        assert_eq!(visible("a\nb"), "a⟨U+000A⟩b");
        assert_eq!(visible("\u{1b}[2J"), "⟨U+001B⟩[2J");
        assert_eq!(visible("\u{202e}gpj"), "⟨U+202E⟩gpj");
        assert_eq!(visible("\u{9b}31m"), "⟨U+009B⟩31m");
        assert_eq!(visible("a\u{200b}b\u{feff}"), "a⟨U+200B⟩b⟨U+FEFF⟩");
        assert_eq!(visible("\u{2003}\u{a0}"), "⟨U+2003⟩⟨U+00A0⟩");
        // Look like nothing, or like a blank.
        for c in [
            '\u{2800}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fffc}',
            '\u{16fe4}',
            '\u{1bca0}',
            '\u{13437}',
            '\u{1d159}',
            '\u{e0041}',
        ] {
            assert_ne!(visible(&c.to_string()), c.to_string(), "{:x}", u32::from(c));
        }
        assert_eq!(visible("Zoë Müller 名"), "Zoë Müller 名");
        // What looks like our own mark cannot pass for one.
        assert_eq!(visible("⟨U+000A⟩"), "⟨U+27E8⟩U+000A⟩");
    }

    #[test]
    fn r68_bytes_that_are_no_text_are_shown_as_bytes() {
        let outside = Outside::new(b"ab\xff\n".to_vec());
        assert_eq!(outside.shown(100), "ab⟨0xFF⟩⟨U+000A⟩");
        assert_eq!(format!("{outside:?}"), "\"ab⟨0xFF⟩⟨U+000A⟩\"");
        assert_eq!(outside.to_statement(), "ab⟨0xFF⟩\n");
    }

    #[test]
    fn long_text_keeps_both_ends() {
        let text = format!("{}END", "x".repeat(100));
        let cut = cut_in_the_middle(&text, 20);
        assert!(cut.starts_with("xxxxxxxxxx⟨… 83 characters …⟩"), "{cut}");
        assert!(cut.ends_with("END"));
    }
}
