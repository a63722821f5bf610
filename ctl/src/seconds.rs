//! Lengths of time as people type them, and moments as people read them.

use assent_proto::time::UnixTime;

/// Reads `90`, `90s`, `15m`, `2h` or `1d` as seconds.
pub fn parse(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(|c: char| c.is_ascii_alphabetic()) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("the unit must be s, m, h or d, as in 15m".into()),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let seconds = plain.then(|| number.parse::<u64>().ok()?.checked_mul(factor)).flatten();
    match seconds {
        Some(seconds) if seconds > 0 => Ok(seconds),
        _ => Err("a length of time is a whole number and a unit, as in 90s, 15m or 2h".into()),
    }
}

/// `2026-11-24 04:45:53 UTC`.
pub fn moment(at: UnixTime) -> String {
    let (days, rest) = (at.0 / 86_400, at.0 % 86_400);
    if days > 3_000_000 {
        return format!("{} seconds after 1970", at.0);
    }
    // Days to civil date, counting years from March so that the leap day is a year's last (H. Hinnant's algorithm).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "m",
            "0",
            "-5m",
            "+5m",
            "5 m",
            "5w",
            "1.5h",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_shown_as_a_date_in_utc() {
        for (at, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_495_553, "2026-11-24 04:45:53 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (u64::MAX, "18446744073709551615 seconds after 1970"),
        ] {
            assert_eq!(moment(UnixTime(at)), text);
        }
    }
}
