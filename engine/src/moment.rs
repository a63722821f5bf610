//! A moment as a person writes it on a command line or in a file.

use assent_proto::time::UnixTime;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Reads `2026-11-25T09:00:00+01:00`, `2026-11-25T09:00[Europe/Berlin]`, or `2026-11-25T09:00` in the system's zone; a
/// blank may stand for the `T`. `None` for anything else, for times that a zone skips or has twice, and before 1970.
pub fn parse(text: &str) -> Option<UnixTime> {
    let moment = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp()))
        .or_else(|| {
            let local: DateTime = text.parse().ok()?;
            let zoned = TimeZone::system().to_ambiguous_zoned(local).unambiguous().ok()?;
            Some(zoned.timestamp())
        })?;
    u64::try_from(moment.as_second()).ok().map(UnixTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_its_zone() {
        let utc = parse("2026-11-25T08:00:00Z");
        assert_eq!(utc, Some(UnixTime(1_795_593_600)));
        for same in [
            "2026-11-25T09:00:00+01:00",
            "2026-11-25 09:00:00+01:00",
            "2026-11-25T09:00[Europe/Berlin]",
        ] {
            assert_eq!(parse(same), utc, "{same}");
        }
        assert!(parse("2026-11-25T09:00").is_some());
        for bad in [
            "",
            "today",
            "2026-11-25T25:00Z",
            "2026-13-01T00:00Z",
            "1969-01-01T00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
