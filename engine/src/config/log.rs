//! `[log]`: how decisions are said to the machine's log, raw → checked.

use super::LogFormat;
use super::checker::{Checker, Place};
use super::raw::RawLog;

/// Nobody's: RFC 5612 keeps it for manuals.
const EXAMPLE: u32 = 32_473;

/// The form that a `[log]` asks for, if it does.
pub(super) fn log_format(checker: &mut Checker, place: &Place, log: &RawLog) -> Option<LogFormat> {
    let words = ["auto", "rfc3164", "rfc5424"].map(|word| (word, Some(word)));
    let word = log.format.as_deref();
    let word = checker.choice(place, "format", word, None, &words);
    match (word, log.enterprise) {
        (Some("rfc5424"), Some(0 | EXAMPLE | u32::MAX)) => checker.problem(
            place,
            "enterprise is a number that belongs to nobody",
            "write your organisation's own private enterprise number; IANA gives them without charge",
        ),
        (Some("rfc5424"), None) => checker.problem(
            place,
            "format = \"rfc5424\" needs your organisation's private enterprise number, which is part of the fields' name",
            "add enterprise = …; IANA gives them without charge",
        ),
        (Some("rfc5424"), Some(enterprise)) => return Some(LogFormat::Structured { enterprise }),
        (_, Some(_)) => checker.problem(
            place,
            "enterprise is a part of RFC 5424, which is not asked for here",
            "add format = \"rfc5424\", or remove it",
        ),
        (Some("auto"), None) => return Some(LogFormat::Auto),
        (Some("rfc3164"), None) => return Some(LogFormat::Plain),
        (_, None) => {}
    }
    None
}
