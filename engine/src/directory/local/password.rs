//! Passwords of `users.toml`: how a typed one is brought into one form, what a new one must be, how its hash is made.
//! `assentctl user passwd` calls the latter two. No password leaves this module but as a hash.
//!
//! The rules are those of NIST SP 800-63B-4 for a password that stands alone, as it does at the Register Panel: at
//! least 15 characters (Unicode code points), no rules on their kinds, nothing that is mostly the user's own name, one
//! pattern repeated or a row of keys. It is compared in Unicode's form NFC, so that `é` is the same from every keyboard.

use super::hash::Hash;
use super::users::User;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Fewest characters.
pub const MIN_CHARACTERS: usize = 15;
/// Most bytes: PAM's conversations carry 511.
pub const MAX_BYTES: usize = 500;
/// Fewest characters that neither repeat, nor count on, nor are a word about the user.
const MIN_OWN: usize = 8;

/// Keys that lie beside or under each other.
const KEYBOARD: [&str; 12] = [
    "1234567890",
    "qwertyuiop",
    "qwertz",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
];

/// Why a new password is not taken. The texts say nothing of the password but its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// Too few characters.
    #[error("it has {0} characters, fewer than {MIN_CHARACTERS}: several words with blanks between them are fine")]
    Short(usize),
    /// Too many bytes.
    #[error("it has {0} bytes, more than {MAX_BYTES}")]
    Long(usize),
    /// Not everything that logs in could type it.
    #[error("it has control characters, or is not UTF-8: not every login could type it")]
    Untypable,
    /// Easily guessed.
    #[error("it is hardly more than the user's own names or a pattern: take words that nobody would guess")]
    Plain,
    /// The system's random generator, or memory, failed.
    #[error("its hash cannot be made: the system's random generator or its memory failed")]
    NoHash,
}

/// A password that may become somebody's. It has no `Debug`.
pub struct NewPassword(Zeroizing<String>);

impl NewPassword {
    /// Checks what was typed for `user`.
    pub fn new(typed: &[u8], user: &User) -> Result<Self, UnfitPassword> {
        if typed.len() > MAX_BYTES {
            return Err(UnfitPassword::Long(typed.len()));
        }
        let text = std::str::from_utf8(typed).map_err(|_| UnfitPassword::Untypable)?;
        let text = nfc(text);
        if text.chars().any(char::is_control) {
            return Err(UnfitPassword::Untypable);
        }
        let count = text.chars().count();
        if count < MIN_CHARACTERS {
            return Err(UnfitPassword::Short(count));
        }
        if text.len() > MAX_BYTES {
            return Err(UnfitPassword::Long(text.len()));
        }
        if own_characters(&text, user) < MIN_OWN {
            return Err(UnfitPassword::Plain);
        }
        Ok(Self(text))
    }

    /// Its hash as a PHC string, with a salt of its own, at argon2's recommended cost (19 MiB, two passes).
    pub fn hash(&self) -> Result<String, UnfitPassword> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| UnfitPassword::NoHash)?;
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
            .hash_password_with_salt(self.0.as_bytes(), &salt)
            .map_err(|_| UnfitPassword::NoHash)?
            .to_string();
        // What we write, we must be able to read.
        Hash::parse(&hash).map_err(|_| UnfitPassword::NoHash)?;
        Ok(hash)
    }
}

/// What is hashed of a typed password: NFC of text, anything else as it is.
pub(super) fn normalised(typed: &[u8]) -> Zeroizing<Vec<u8>> {
    match std::str::from_utf8(typed) {
        Ok(text) => Zeroizing::new(std::mem::take(&mut *nfc(text)).into_bytes()),
        Err(_) => Zeroizing::new(typed.to_vec()),
    }
}

fn nfc(text: &str) -> Zeroizing<String> {
    // NFC makes at most three bytes of one. Room at once: growing would leave copies behind.
    let mut out = Zeroizing::new(String::with_capacity(3 * text.len()));
    out.extend(text.nfc());
    out
}

/// How many characters are the user's own: no word about the user, no repetition, no counting on.
fn own_characters(text: &str, user: &User) -> usize {
    let lower = |text: &str| -> Zeroizing<Vec<char>> { Zeroizing::new(text.to_lowercase().chars().collect()) };
    let mut left = lower(text);
    let mail = user.email.iter().filter_map(|email| email.split('@').next());
    let names = [&user.first_name, &user.last_name].into_iter().flatten();
    let words = mail.chain(names.map(String::as_str));
    for word in words.chain([user.name.as_str(), "password", "assent"]).map(lower) {
        if word.len() < 3 {
            continue;
        }
        while let Some(at) = left.windows(word.len()).position(|part| part == &word[..]) {
            left.drain(at..at + word.len());
        }
    }
    (0..left.len())
        .filter(|&at| {
            let follows = |back: usize| at >= back && left[at] == left[at - back];
            let next = at >= 1 && is_next(left[at - 1], left[at]);
            !next && !(1..=4).any(follows)
        })
        .count()
}

/// Whether the second comes next to the first: in Unicode, so in alphabets and among digits, or on a keyboard.
fn is_next(one: char, other: char) -> bool {
    let beside = |(a, b): (char, char)| (a, b) == (one, other) || (b, a) == (one, other);
    u32::from(one).abs_diff(u32::from(other)) == 1
        || KEYBOARD
            .iter()
            .any(|row| row.chars().zip(row.chars().skip(1)).any(beside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::local::Users;

    fn alice() -> User {
        let text = "[[user]]\nname = \"alice\"\nid = \"1b4e28ba-2fa1-11d2-883f-b9a761bde3fb\"\n\
                    first_name = \"Alice\"\nlast_name = \"Ahorn\"\nemail = \"a.ahorn@lab.test\"\n";
        Users::parse(text.as_bytes())
            .ok()
            .unwrap()
            .find("alice")
            .unwrap()
            .clone()
    }

    fn fit(typed: &[u8]) -> Result<(), UnfitPassword> {
        NewPassword::new(typed, &alice()).map(drop)
    }

    #[test]
    fn row_18_a_password_that_stands_alone_has_fifteen_characters_of_any_kind() {
        let longest = "wörter und mehr ".repeat(100).chars().take(470).collect::<String>();
        for good in [
            "correct horse b",
            " tulips at dawn ",
            "пароль для входа",
            "生日快樂祝你生日快樂恭喜發財大吉",
            &longest,
        ] {
            assert_eq!(fit(good.as_bytes()), Ok(()), "{good}");
        }
        assert_eq!(fit(b""), Err(UnfitPassword::Short(0)));
        assert_eq!(fit(b"correct horse "), Err(UnfitPassword::Short(14)));
        // Fourteen characters, however many code points they are typed with.
        assert_eq!(fit("corre\u{301}ct horse ".as_bytes()), Err(UnfitPassword::Short(14)));
        assert_eq!(fit(&[b'x'; 501]), Err(UnfitPassword::Long(501)));
        for bad in [
            &b"correct horse\nbattery"[..],
            b"correct horse\0battery",
            b"correct horse\xff battery",
        ] {
            assert_eq!(fit(bad), Err(UnfitPassword::Untypable), "{bad:?}");
        }
        for plain in [
            "aaaaaaaaaaaaaaaa",
            "1234567890123456",
            "abcdabcdabcdabcd",
            "AliceAhorn-alice-2027",
            "password-password-Alice",
            "nmlkjihgfedcba zyx",
            "qwertyuiopasdfgh",
            "1qaz2wsx3edc4rfv5tgb",
            "Qwertzqwertz123456",
        ] {
            assert_eq!(fit(plain.as_bytes()), Err(UnfitPassword::Plain), "{plain}");
        }
    }

    #[test]
    fn r44_no_refusal_says_the_password() {
        let long = "hunter2".repeat(80);
        for typed in ["hunter2", "hunter2\nhunter2hunter2", &long, "hhhhhhhhhhhhhhhhhunter2"] {
            let why = fit(typed.as_bytes()).unwrap_err().to_string();
            assert!(!why.contains("hunter"), "{why}");
        }
    }
}
