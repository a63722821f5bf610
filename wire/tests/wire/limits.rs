//! R51: every limit, at it and one beyond.

use crate::samples::{bare_begin, body};
use assent_wire::{Answer, Error, MAX_COMMAND_LINE, MAX_FIELDS, MAX_FRAME, Reply, ToAgent, ToModule, body_len};
use zeroize::Zeroizing;

const HELLO: u8 = 65;
const COMMAND_LINE_LEN: u8 = 11;
const UNKNOWN_TAG: u8 = 200;

// R51
#[test]
fn r51_a_frame_s_length_is_judged_before_anything_is_allocated() {
    let len = |len: u32| body_len(len.to_be_bytes());
    let most = u32::try_from(MAX_FRAME).unwrap();
    assert_eq!(len(0), Err(Error::Truncated));
    assert_eq!(len(1), Err(Error::Truncated));
    assert_eq!(len(2), Ok(2));
    assert_eq!(len(most), Ok(MAX_FRAME));
    assert_eq!(len(most + 1), Err(Error::TooLong));
    assert_eq!(len(u32::MAX), Err(Error::TooLong));
}

#[test]
fn a_body_may_fill_its_frame_and_not_more() {
    // Version, kind, tag and length take seven bytes.
    let filled = |len: usize| body(1, HELLO, &[(UNKNOWN_TAG, &vec![0; len - 7])]);
    assert_eq!(ToModule::decode(&filled(MAX_FRAME)), Ok(ToModule::Hello));
    assert_eq!(ToModule::decode(&filled(MAX_FRAME + 1)), Err(Error::TooLong));
}

#[test]
fn a_frame_has_at_most_sixty_four_fields() {
    let many = |count: usize| body(1, HELLO, &vec![(UNKNOWN_TAG, &[][..]); count]);
    assert_eq!(ToModule::decode(&many(MAX_FIELDS)), Ok(ToModule::Hello));
    assert_eq!(ToModule::decode(&many(MAX_FIELDS + 1)), Err(Error::TooManyFields));
}

#[test]
fn what_is_written_never_exceeds_what_is_read() {
    // Version, kind, the reply's field (6) and the secret's head (5).
    let most = MAX_FRAME - 2 - 6 - 5;
    let answer = |len| {
        ToAgent::Answer(Answer {
            reply: Reply::Text(Zeroizing::new(vec![b'x'; len])),
        })
    };
    let frame = answer(most).encode().unwrap();
    assert_eq!(frame.len(), 4 + MAX_FRAME);
    assert_eq!(ToAgent::decode(&frame[4..]), Ok(answer(most)));
    assert_eq!(answer(most + 1).encode(), Err(Error::TooLong));
    assert_eq!(answer(10 * MAX_FRAME).encode(), Err(Error::TooLong));
}

#[test]
fn an_empty_field_behind_a_full_frame_is_too_long_as_well() {
    // The last field of this message is empty; those before it leave from eight bytes to none.
    for left in 0..8 {
        let text = |len| {
            ToModule::Verdict(assent_wire::Verdict {
                code: assent_wire::VerdictCode::Denied,
                text: "x".repeat(len),
                id: String::new(),
                ticket: None,
            })
        };
        let most = MAX_FRAME - 2 - 6 - 5;
        match text(most - left).encode() {
            Ok(frame) => assert!(left >= 5 && frame.len() <= 4 + MAX_FRAME, "{left}: {}", frame.len()),
            Err(error) => assert!(left < 5 && error == Error::TooLong, "{left}"),
        }
    }
}

#[test]
fn a_secret_s_frame_never_moves_in_memory_while_it_is_built() {
    // Growing would leave copies behind: the whole room is there from the start.
    let frame = ToAgent::Answer(Answer {
        reply: Reply::Text(Zeroizing::new(b"secret".to_vec())),
    })
    .encode()
    .unwrap();
    assert_eq!(frame.capacity(), 4 + MAX_FRAME);
}

#[test]
fn a_command_line_has_its_limit_and_is_never_longer_than_it_says() {
    let begin = |sent: usize, said: u64| {
        let mut begin = bare_begin();
        begin.command_line = vec![b'a'; sent];
        begin.command_line_len = said;
        ToAgent::decode(&ToAgent::Begin(Box::new(begin)).encode().unwrap()[4..]).map(|_| ())
    };
    assert_eq!(begin(MAX_COMMAND_LINE, MAX_COMMAND_LINE as u64), Ok(()));
    assert_eq!(begin(MAX_COMMAND_LINE, u64::MAX), Ok(()));
    assert_eq!(
        begin(MAX_COMMAND_LINE + 1, u64::MAX),
        Err(Error::Malformed(COMMAND_LINE_LEN))
    );
    assert_eq!(begin(10, 9), Err(Error::Malformed(COMMAND_LINE_LEN)));
}
