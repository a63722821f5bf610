//! What was asked on a connection and is not answered yet (R88): an answer of another kind than its question, or to none,
//! makes `ldap3` 0.12 panic or is a lie. Fed by the guard with both directions; keeps ids and kinds, never a request's
//! content.

use super::ber::{self, Header};
use std::collections::HashMap;

/// Bytes of a request from its start to its kind, at most: two headers with lengths of four bytes, an id of four.
const HEAD: usize = 16;

const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const EXTENDED: u8 = 0x77;

/// The open questions of a connection.
#[derive(Debug, Default)]
pub struct Asked {
    /// The kind of each, by its message id.
    open: HashMap<u32, u8>,
    /// The start of a request whose kind is not there yet.
    head: Vec<u8>,
    /// What is left of a request whose kind is known.
    rest: usize,
}

impl Asked {
    /// Follows what is sent to the server, in whatever pieces.
    pub fn sent(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((first, behind)) = bytes.split_first() {
            if self.rest > 0 {
                let skip = self.rest.min(bytes.len());
                self.rest -= skip;
                bytes = &bytes[skip..];
                continue;
            }
            self.head.push(*first);
            bytes = behind;
            if let Some((id, kind, length)) = begun(&self.head) {
                if matches!(kind, BIND | SEARCH | EXTENDED) {
                    self.open.insert(id, kind);
                }
                self.rest = length.saturating_sub(self.head.len());
                self.head.clear();
            } else if self.head.len() > HEAD {
                return Err("a request that is none");
            }
        }
        Ok(())
    }

    /// Whether a whole message that [`ber::check_message`] lets through answers an open question.
    pub fn answered(&mut self, mut message: &[u8]) -> Result<(), &'static str> {
        let parts = ber::take(&mut message).and_then(|outer| ber::elements(outer.body));
        let parts = parts.ok_or("no LDAP message")?;
        let [id, answer, ..] = parts.as_slice() else {
            return Err("no LDAP message");
        };
        let id = number(id.body);
        let kind = self.open.get(&id).ok_or("an answer to no question")?;
        match (*kind, answer.tag) {
            (BIND, 0x61) | (SEARCH, 0x65) | (EXTENDED, 0x78) => {
                self.open.remove(&id);
                Ok(())
            }
            // An entry, a reference, an intermediate response: more will come.
            (SEARCH, 0x64 | 0x73 | 0x79) => Ok(()),
            _ => Err("an answer of another kind than its question"),
        }
    }
}

/// Id, kind and whole length of the request that begins so; `None` while they are not all there.
fn begun(head: &[u8]) -> Option<(u32, u8, usize)> {
    let Header::Length(length) = ber::header(head) else {
        return None;
    };
    let mut inside = head.get(
        if head[1] < 0x80 {
            2
        } else {
            2 + usize::from(head[1] & 0x7f)
        }..,
    )?;
    let id = ber::take(&mut inside)?;
    Some((number(id.body), *inside.first()?, length))
}

fn number(body: &[u8]) -> u32 {
    body.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of this id and kind, as `ldap3` and servers write short ones.
    fn message(id: &[u8], kind: u8) -> Vec<u8> {
        let id = [&[2, u8::try_from(id.len()).unwrap()], id].concat();
        [&[0x30, u8::try_from(id.len()).unwrap() + 2], id.as_slice(), &[kind, 0]].concat()
    }

    // Found by the fuzz target `ldap_answers`: a search's reference as the answer to a bind.
    #[test]
    fn r88_an_answer_is_of_the_kind_of_its_question() {
        for (asked, answers) in [
            (BIND, &[0x61][..]),
            (SEARCH, &[0x64, 0x65, 0x73, 0x79]),
            (EXTENDED, &[0x78]),
        ] {
            for answer in [0x61, 0x64, 0x65, 0x73, 0x78, 0x79] {
                let mut questions = Asked::default();
                questions.sent(&message(&[1], asked)).unwrap();
                let fits = questions.answered(&message(&[1], answer)).is_ok();
                assert_eq!(fits, answers.contains(&answer), "{asked:x} {answer:x}");
            }
        }
    }

    #[test]
    fn r88_nobody_answers_what_was_not_asked_or_is_answered_already() {
        let mut questions = Asked::default();
        let bound = message(&[1, 2], 0x61);
        assert!(questions.answered(&bound).is_err(), "not asked");
        questions.sent(&message(&[1, 2], BIND)).unwrap();
        assert!(questions.answered(&message(&[2], 0x61)).is_err(), "another id");
        assert!(questions.answered(&bound).is_ok());
        assert!(questions.answered(&bound).is_err(), "twice");
    }

    #[test]
    fn requests_are_told_apart_however_they_are_cut() {
        // A bind with a password of 300 bytes, then a search, and an unbind that nobody answers.
        let password = vec![b'x'; 300];
        let bind = [&[0x30, 0x82, 1, 51, 2, 1, 7, BIND, 0x82, 1, 44][..], &password].concat();
        let sent = [bind, message(&[8], SEARCH), message(&[9], 0x42)].concat();
        for size in [1, 2, 7, 100, sent.len()] {
            let mut questions = Asked::default();
            for piece in sent.chunks(size) {
                questions.sent(piece).unwrap();
                assert!(questions.head.len() <= HEAD, "no content is kept");
            }
            assert_eq!(questions.open, HashMap::from([(7, BIND), (8, SEARCH)]), "{size}");
        }
    }
}
