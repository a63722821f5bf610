//! Missing, repeated, unknown and malformed fields; other versions and kinds; messages of the wrong end.

use crate::samples::{body, fields, to_agent, to_module};
use assent_wire::{Error, ToAgent, ToModule};

/// Fields that a kind can be without: nothing is lost but what they say.
const OPTIONAL: [u8; 10] = [4, 5, 6, 8, 9, 12, 13, 14, 15, 16];

/// A session is reported for its number's sake alone.
const SESSION: u8 = 4;
const AUDIT_SESSION: u8 = 13;

fn each(mut check: impl FnMut(&str, &[u8], &dyn Fn(&[u8]) -> Result<(), Error>)) {
    for (name, message) in to_agent() {
        check(name, &message.encode().unwrap()[4..], &|body| {
            ToAgent::decode(body).map(|_| ())
        });
    }
    for (name, message) in to_module() {
        check(name, &message.encode().unwrap()[4..], &|body| {
            ToModule::decode(body).map(|_| ())
        });
    }
}

fn borrowed(fields: &[(u8, Vec<u8>)]) -> Vec<(u8, &[u8])> {
    fields.iter().map(|(tag, value)| (*tag, value.as_slice())).collect()
}

#[test]
fn a_field_that_a_message_needs_is_missed() {
    each(|name, whole, decode| {
        let all = fields(whole);
        for at in 0..all.len() {
            let mut fewer = all.clone();
            let (tag, _) = fewer.remove(at);
            let result = decode(&body(1, whole[1], &borrowed(&fewer)));
            let needed_here = whole[1] == SESSION && tag == AUDIT_SESSION;
            let expected = if OPTIONAL.contains(&tag) && !needed_here {
                Ok(())
            } else {
                Err(Error::Missing(tag))
            };
            assert_eq!(result, expected, "{name} without {tag}");
        }
    });
}

#[test]
fn a_known_field_twice_is_refused_even_if_both_say_the_same() {
    each(|name, whole, decode| {
        let all = fields(whole);
        for field in &all {
            let mut more = all.clone();
            more.push(field.clone());
            assert_eq!(
                decode(&body(1, whole[1], &borrowed(&more))),
                Err(Error::Repeated(field.0)),
                "{name}"
            );
        }
    });
}

#[test]
fn unknown_fields_are_skipped_wherever_they_stand_and_however_often() {
    each(|name, whole, decode| {
        let all = fields(whole);
        for at in 0..=all.len() {
            let mut more = all.clone();
            more.insert(at, (200, b"later".to_vec()));
            more.insert(at, (255, Vec::new()));
            more.insert(at, (200, b"again".to_vec()));
            assert_eq!(decode(&body(1, whole[1], &borrowed(&more))), Ok(()), "{name}");
        }
    });
}

#[test]
fn the_order_of_fields_says_nothing() {
    each(|name, whole, decode| {
        let mut all = fields(whole);
        all.reverse();
        assert_eq!(decode(&body(1, whole[1], &borrowed(&all))), Ok(()), "{name}");
    });
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    each(|name, whole, decode| {
        for len in 0..whole.len() {
            // Between two fields the cut leaves a shorter message, which then lacks a field or an optional one.
            let boundary = fields_end_at(whole, len);
            let result = decode(&whole[..len]);
            assert!(
                boundary || result == Err(Error::Truncated),
                "{name} cut at {len}: {result:?}"
            );
        }
    });
}

fn fields_end_at(whole: &[u8], len: usize) -> bool {
    let mut end = 2;
    let ends = fields(whole).into_iter().map(|(_, value)| {
        end += 5 + value.len();
        end
    });
    len == 2 || ends.into_iter().any(|end| end == len)
}

#[test]
fn another_version_is_refused_by_its_number() {
    each(|name, whole, decode| {
        for version in [0, 2, 255] {
            let mut other = whole.to_vec();
            other[0] = version;
            assert_eq!(decode(&other), Err(Error::Version(version)), "{name}");
        }
    });
}

#[test]
fn each_end_refuses_its_own_kinds_and_unknown_ones() {
    for (name, message) in to_agent() {
        let whole = message.encode().unwrap();
        assert_eq!(ToModule::decode(&whole[4..]), Err(Error::Kind(whole[5])), "{name}");
    }
    for (name, message) in to_module() {
        let whole = message.encode().unwrap();
        assert_eq!(ToAgent::decode(&whole[4..]), Err(Error::Kind(whole[5])), "{name}");
    }
    for kind in (0..=255).filter(|kind| ![1, 2, 3, 4].contains(kind)) {
        assert_eq!(ToAgent::decode(&[1, kind]), Err(Error::Kind(kind)));
    }
    for kind in (0..=255).filter(|kind| !(65..=69).contains(kind)) {
        assert_eq!(ToModule::decode(&[1, kind]), Err(Error::Kind(kind)));
    }
}

#[test]
fn fields_of_the_wrong_size_or_value_are_malformed() {
    const NUMBERS: [u8; 9] = [1, 7, 11, 13, 14, 16, 17, 19, 21];
    each(|name, whole, decode| {
        let all = fields(whole);
        for (at, (tag, value)) in all.iter().enumerate().filter(|(_, (tag, _))| NUMBERS.contains(tag)) {
            for wrong in [[&value[..], &[0]].concat(), value[1..].to_vec(), Vec::new()] {
                let mut other = all.clone();
                other[at].1 = wrong;
                assert_eq!(
                    decode(&body(1, whole[1], &borrowed(&other))),
                    Err(Error::Malformed(*tag)),
                    "{name}"
                );
            }
        }
        for (at, (tag, _)) in all
            .iter()
            .enumerate()
            .filter(|(_, (tag, _))| [1, 17, 19, 21].contains(tag))
        {
            for wrong in [0, 99, 255] {
                let mut other = all.clone();
                other[at].1 = vec![wrong];
                assert_eq!(
                    decode(&body(1, whole[1], &borrowed(&other))),
                    Err(Error::Malformed(*tag)),
                    "{name}"
                );
            }
        }
    });
}

#[test]
fn texts_are_utf_8_and_pam_s_bytes_are_any() {
    const TEXT: u8 = 20;
    const ASK_PASSWORD: u8 = 67;
    assert_eq!(
        ToModule::decode(&body(1, ASK_PASSWORD, &[(TEXT, b"\xff")])),
        Err(Error::Malformed(TEXT))
    );
}

#[test]
fn an_answer_has_a_text_if_it_says_so_and_only_then() {
    const ANSWER: u8 = 2;
    const REPLY: u8 = 17;
    const SECRET: u8 = 18;
    let answer = |fields: &[(u8, &[u8])]| ToAgent::decode(&body(1, ANSWER, fields)).map(|_| ());
    assert_eq!(answer(&[(REPLY, &[1])]), Err(Error::Missing(SECRET)));
    assert_eq!(answer(&[(REPLY, &[2]), (SECRET, b"x")]), Err(Error::Malformed(REPLY)));
}

#[test]
fn a_ticket_stands_beside_an_approval_alone() {
    const VERDICT: u8 = 69;
    const TEXT: u8 = 20;
    const CODE: u8 = 21;
    const ID: u8 = 22;
    const TICKET: u8 = 16;
    for code in 1..=5 {
        let fields: [(u8, &[u8]); 4] = [(CODE, &[code]), (TEXT, b""), (ID, b""), (TICKET, &[7; 16])];
        let result = ToModule::decode(&body(1, VERDICT, &fields));
        assert_eq!(result.is_ok(), code == 1, "verdict {code}");
    }
}

#[test]
fn a_tell_s_style_is_no_ask_s_and_the_other_way_round() {
    const ASK: u8 = 66;
    const TELL: u8 = 68;
    const STYLE: u8 = 19;
    const TEXT: u8 = 20;
    for (kind, good) in [(ASK, [1, 2]), (TELL, [3, 4])] {
        for style in 1..=4 {
            let result = ToModule::decode(&body(1, kind, &[(STYLE, &[style]), (TEXT, b"")]));
            assert_eq!(result.is_ok(), good.contains(&style), "{kind} {style}");
        }
    }
}

#[test]
fn no_reply_shows_in_debug() {
    let message = ToAgent::Answer(assent_wire::Answer {
        reply: assent_wire::Reply::Text(zeroize::Zeroizing::new(b"hunter2".to_vec())),
    });
    assert!(!format!("{message:?}").contains("hunter2"));
    assert!(!format!("{message:?}").contains("104"), "not as numbers either");
}
