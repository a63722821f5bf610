//! Days and seconds, for the ends of accounts. UTC throughout.

/// Seconds since 1970 now.
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        // A clock before 1970 or far beyond: every account with an end has passed it.
        .unwrap_or(i64::MAX)
}

/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// Days since 1970-01-01 of a day in the Gregorian calendar; `None` if there is no such day.
pub fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || !(0..=9999).contains(&year) {
        return None;
    }
    // Counted in years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Reads `2027-01-31` as days since 1970.
pub fn iso_day(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    days(digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?)
}

/// Writes days since 1970 as `2027-01-31`; the reverse of [`iso_day`].
pub fn show_day(days: i64) -> String {
    // From a little too late, by the mean length of a year, to the month that begins no later.
    let latest = 1971 + days * 400 / 146_097;
    (latest - 4..=latest)
        .rev()
        .flat_map(|year| (1..=12).rev().map(move |month| (year, month)))
        .find_map(|(year, month)| {
            let first = self::days(year, month, 1)?;
            (first <= days).then(|| format!("{year:04}-{month:02}-{:02}", days - first + 1))
        })
        .unwrap_or_default()
}

/// Reads `20270131235959Z` (RFC 4517 generalised time, UTC; seconds and fractions may be missing) as seconds since
/// 1970.
pub fn generalized_time(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let whole = text.split(['.', ',']).next()?.as_bytes();
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',') || !matches!(whole.len(), 10 | 12 | 14) {
        return None;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0), digits);
    let day = days(digits(&whole[..4])?, part(4)?, part(6)?)?;
    let (hours, minutes, seconds) = (part(8)?, part(10)?, part(12)?);
    (hours < 24 && minutes < 60 && seconds <= 60).then_some(day * DAY + hours * 3600 + minutes * 60 + seconds)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    if !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        assert_eq!(iso_day("1970-01-01"), Some(0));
        assert_eq!(iso_day("2000-02-29"), Some(11_016));
        assert_eq!(iso_day("2000-03-01"), Some(11_017));
        assert_eq!(iso_day("2027-01-31"), Some(20_849));
        for bad in [
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-1-31",
            "27-01-31",
            "2027-01-32",
            "2027/01/31",
            "",
            "+027-01-31",
        ] {
            assert_eq!(iso_day(bad), None, "{bad}");
        }
        let mut day = 0;
        for year in 1970..2101 {
            for month in 1..=12 {
                for of_month in 1..=31 {
                    if let Some(found) = days(year, month, of_month) {
                        assert_eq!(found, day);
                        assert_eq!(show_day(day), format!("{year}-{month:02}-{of_month:02}"));
                        day += 1;
                    }
                }
            }
        }
        assert_eq!(day, 47_847);
        for day in ["0001-01-01", "0999-12-31", "1969-12-31", "9999-12-31"] {
            assert_eq!(show_day(iso_day(day).unwrap()), day);
        }
    }

    #[test]
    fn generalised_times_are_read() {
        assert_eq!(generalized_time("19700101000000Z"), Some(0));
        assert_eq!(generalized_time("20270131235959Z"), Some(20_849 * DAY + DAY - 1));
        assert_eq!(generalized_time("20270131235959.123Z"), Some(20_849 * DAY + DAY - 1));
        assert_eq!(generalized_time("2027013123Z"), Some(20_849 * DAY + 23 * 3600));
        for bad in [
            "",
            "Z",
            "20270131235959",
            "20270131235959+0100",
            "2027013124Z",
            "20271331235959Z",
            "é0270131235959Z",
        ] {
            assert_eq!(generalized_time(bad), None, "{bad}");
        }
    }
}
