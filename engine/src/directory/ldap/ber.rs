//! Just enough BER to look at a server's messages before the parser does (R88).
//!
//! `ldap3` 0.12 parses without a limit on depth and panics on messages that are no LDAP. What [`check_message`] lets
//! through has a known length, a bounded depth and the shape that `ldap3` takes for granted.

/// Deepest nesting of a message. A search result needs six levels.
const MAX_DEPTH: usize = 16;

/// A tag and what stands under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// Class, form and number in one byte.
    pub tag: u8,
    /// The content.
    pub body: &'a [u8],
}

/// What the first bytes of a message say of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// More bytes are needed to tell.
    Incomplete,
    /// The whole message has this many bytes.
    Length(usize),
    /// This is no message.
    Bad,
}

/// Reads the length of the element at the start of `bytes`.
pub fn header(bytes: &[u8]) -> Header {
    let [tag, first, rest @ ..] = bytes else {
        return Header::Incomplete;
    };
    if tag & 0x1f == 0x1f {
        return Header::Bad;
    }
    if *first < 0x80 {
        return Header::Length(2 + usize::from(*first));
    }
    let count = usize::from(first & 0x7f);
    // LDAP forbids the indefinite form; four bytes are four gigabytes.
    if !(1..=4).contains(&count) {
        return Header::Bad;
    }
    let Some(length) = rest.get(..count) else {
        return Header::Incomplete;
    };
    let length = length.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
    length.checked_add(2 + count).map_or(Header::Bad, Header::Length)
}

/// Takes the first element off `bytes`.
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Element<'a>> {
    let Header::Length(length) = header(bytes) else {
        return None;
    };
    let whole = bytes.get(..length)?;
    let skip = if whole[1] < 0x80 {
        2
    } else {
        2 + usize::from(whole[1] & 0x7f)
    };
    *bytes = &bytes[length..];
    Some(Element {
        tag: whole[0],
        body: &whole[skip..],
    })
}

/// All elements of `bytes`, which must hold nothing else.
pub fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        all.push(take(&mut bytes)?);
    }
    Some(all)
}

impl<'a> Element<'a> {
    fn is_constructed(self) -> bool {
        self.tag & 0x20 != 0
    }

    fn text(self) -> Option<&'a str> {
        if self.is_constructed() {
            return None;
        }
        std::str::from_utf8(self.body).ok()
    }

    fn parts(self) -> Option<Vec<Element<'a>>> {
        if self.is_constructed() {
            elements(self.body)
        } else {
            None
        }
    }
}

/// Whether a whole message is one that a server may send and that the parser takes without harm. The text says why
/// not.
pub fn check_message(message: &[u8]) -> Result<(), &'static str> {
    check_depth(message, 0)?;
    let mut rest = message;
    let outer = take(&mut rest).filter(|outer| outer.tag == 0x30 && rest.is_empty());
    let parts = outer.and_then(|outer| elements(outer.body)).ok_or("no LDAP message")?;
    let (id, operation) = match parts.as_slice() {
        [id, operation] => (id, operation),
        [id, operation, controls] if controls.tag == 0xa0 => {
            check_controls(*controls).ok_or("malformed controls")?;
            (id, operation)
        }
        _ => return Err("no LDAP message"),
    };
    if id.tag != 0x02 || !(1..=4).contains(&id.body.len()) || id.body[0] >= 0x80 {
        return Err("a malformed message id");
    }
    if id.body.iter().all(|byte| *byte == 0) {
        return Err("a notice, such as that of disconnection");
    }
    match operation.tag {
        // Bind, search done, extended.
        0x61 | 0x65 | 0x78 => check_result(*operation).ok_or("a malformed result"),
        // Entry, reference, intermediate response: we read those ourselves.
        0x64 | 0x73 | 0x79 => operation.parts().map(|_| ()).ok_or("a malformed entry"),
        _ => Err("a message that no client asked for"),
    }
}

/// Result code and text of a whole message 1 that answers an extended request; `None` if it is something else.
pub fn extended_result(message: &[u8]) -> Option<(u32, &str)> {
    check_message(message).ok()?;
    let mut rest = message;
    let parts = elements(take(&mut rest)?.body)?;
    let (id, operation) = (parts.first()?, parts.get(1)?);
    if id.body != [1] || operation.tag != 0x78 {
        return None;
    }
    let parts = operation.parts()?;
    let code = parts
        .first()?
        .body
        .iter()
        .fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
    Some((code, parts.get(2)?.text()?))
}

fn check_depth(bytes: &[u8], depth: usize) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("a message nested too deeply");
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let element = take(&mut rest).ok_or("a malformed message")?;
        if element.is_constructed() {
            check_depth(element.body, depth + 1)?;
        }
    }
    Ok(())
}

fn check_result(operation: Element<'_>) -> Option<()> {
    let parts = operation.parts()?;
    let [code, matched, text, rest @ ..] = parts.as_slice() else {
        return None;
    };
    if code.tag != 0x0a || !(1..=4).contains(&code.body.len()) {
        return None;
    }
    matched.text()?;
    text.text()?;
    for part in rest {
        match part.tag & 0x1f {
            3 => part.parts()?.into_iter().try_for_each(|uri| uri.text().map(|_| ()))?,
            10 => part.text().map(|_| ())?,
            7 | 11 if part.is_constructed() => return None,
            _ => (),
        }
    }
    Some(())
}

fn check_controls(controls: Element<'_>) -> Option<()> {
    for control in controls.parts()? {
        let parts = control.parts()?;
        let (oid, rest) = parts.split_first()?;
        oid.text()?;
        match rest {
            [] => (),
            [critical] if critical.tag == 0x01 && critical.body.len() == 1 => (),
            [value] if value.tag == 0x04 => (),
            [critical, value] if critical.tag == 0x01 && critical.body.len() == 1 && value.tag == 0x04 => (),
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        if body.len() < 128 {
            out.push(u8::try_from(body.len()).unwrap());
        } else {
            out.push(0x84);
            out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        }
        out.extend(body);
        out
    }

    fn message(operation: &[u8], controls: &[u8]) -> Vec<u8> {
        element(0x30, &[&element(2, &[1]), operation, controls].concat())
    }

    fn result(tag: u8) -> Vec<u8> {
        element(tag, &[element(10, &[0]), element(4, b""), element(4, b"fine")].concat())
    }

    #[test]
    fn what_servers_send_passes() {
        for tag in [0x61, 0x65, 0x78] {
            assert_eq!(check_message(&message(&result(tag), &[])), Ok(()));
        }
        let entry = element(
            0x64,
            &[
                element(4, b"uid=a"),
                element(
                    0x30,
                    &element(0x30, &[element(4, b"uid"), element(0x31, &element(4, b"a"))].concat()),
                ),
            ]
            .concat(),
        );
        assert_eq!(check_message(&message(&entry, &[])), Ok(()));
        let control = element(
            0xa0,
            &element(
                0x30,
                &[element(4, b"1.2.3"), element(1, &[255]), element(4, b"x")].concat(),
            ),
        );
        assert_eq!(check_message(&message(&result(0x61), &control)), Ok(()));
        let referral = element(
            0x65,
            &[
                element(10, &[10]),
                element(4, b""),
                element(4, b""),
                element(0xa3, &element(4, b"ldap://elsewhere/")),
            ]
            .concat(),
        );
        assert_eq!(check_message(&message(&referral, &[])), Ok(()));
    }

    #[test]
    fn r88_messages_that_would_harm_the_parser_are_refused() {
        let text_that_is_none = element(
            0x61,
            &[element(10, &[0]), element(4, b"\xff"), element(4, b"")].concat(),
        );
        let no_code = element(0x61, &[element(4, b""), element(4, b"")].concat());
        let bad_control = element(0xa0, &element(0x30, &element(0x30, b"")));
        let empty_critical = element(0xa0, &element(0x30, &[element(4, b"1.2"), element(1, b"")].concat()));
        let notice = element(0x30, &[element(2, &[0]), result(0x78)].concat());
        for bad in [
            vec![],
            element(0x30, b""),
            element(0x30, &element(2, &[1])),
            element(0x04, b"hello"),
            message(&text_that_is_none, &[]),
            message(&no_code, &[]),
            message(&element(0x61, b""), &[]),
            message(&element(0x41, b""), &[]),
            message(&result(0x61), &bad_control),
            message(&result(0x61), &empty_critical),
            element(0x30, &[element(2, &[255]), result(0x61)].concat()),
            element(0x30, &[element(2, &[1, 2, 3, 4, 5]), result(0x61)].concat()),
            element(0x30, &[element(4, &[1]), result(0x61)].concat()),
            // A modify response: we never modify.
            message(&result(0x67), &[]),
            // A length that reaches out of the message.
            vec![0x30, 0x05, 0x02, 0x01, 0x01, 0x61, 0x7f],
            // The indefinite form, and a number that does not fit the tag.
            vec![0x30, 0x80, 0x02, 0x01, 0x01, 0x00, 0x00],
            message(&[0x7f, 0x01, 0x00], &[]),
            notice,
        ] {
            assert!(check_message(&bad).is_err(), "{bad:x?}");
        }
    }

    #[test]
    fn r88_nesting_is_bounded() {
        let nested = |levels: usize| (0..levels).fold(Vec::new(), |inner, _| element(0x30, &inner));
        // The message and the operation are two levels themselves.
        assert_eq!(check_message(&message(&element(0x64, &nested(14)), &[])), Ok(()));
        for levels in [15, 100, 10_000] {
            assert_eq!(
                check_message(&message(&element(0x64, &nested(levels)), &[])),
                Err("a message nested too deeply"),
                "{levels}"
            );
        }
    }

    #[test]
    fn r88_every_cut_or_flipped_message_is_judged_without_a_panic() {
        let whole = message(&result(0x61), &element(0xa0, &element(0x30, &element(4, b"1.2.3"))));
        for end in 0..whole.len() {
            assert!(check_message(&whole[..end]).is_err());
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let _ = check_message(&flipped);
            }
        }
    }
}
