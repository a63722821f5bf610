//! A login's short id, the same on terminal, phone, log and audit: what people compare, and nothing that protects.

use crate::encoding::{Id, ShortText};

/// No vowels, so no words; nothing that looks like another.
const LETTERS: &[u8; 28] = b"bcdfghjkmnpqrstvwxyz23456789";
const LEN: usize = 6;
/// Bytes below this stand for each letter equally often.
const EVEN: usize = 256 / LETTERS.len() * LETTERS.len();

/// A new one.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn random() -> Result<ShortText, getrandom::Error> {
    let mut id = String::with_capacity(LEN);
    while id.len() < LEN {
        let bytes = Id::random()?.0.map(usize::from);
        let even = bytes.into_iter().filter(|byte| *byte < EVEN);
        id.extend(
            even.take(LEN - id.len())
                .map(|byte| char::from(LETTERS[byte % LETTERS.len()])),
        );
    }
    Ok(ShortText::cut(id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_id_is_six_letters_each_of_which_comes() {
        let ids: Vec<ShortText> = (0..500).map(|_| random().unwrap()).collect();
        assert!(ids.iter().all(|id| id.as_str().len() == LEN));
        let seen: BTreeSet<u8> = ids.iter().flat_map(|id| id.as_str().bytes()).collect();
        assert_eq!(seen, LETTERS.iter().copied().collect());
    }
}
