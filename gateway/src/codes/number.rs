//! Mobile numbers in their one international form (E.164), and to which of them a message may go.

use zeroize::Zeroizing;

/// A number: `+` and 7 to 15 digits. Its `Debug` shows the last two alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Number(Zeroizing<String>);

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hint())
    }
}

/// As much of a written number as its owner needs to know it again, whatever country it is of; `None`: it is no number.
pub fn hint(written: &str) -> Option<String> {
    // Any country: only the end is shown.
    let any = CallingCode("1".to_owned());
    Number::parse(written, Some(&any)).map(|number| number.hint())
}

/// A country's calling code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallingCode(String);

/// The beginning of numbers that may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

fn digits_after_plus(text: &str, most: usize) -> Option<String> {
    let digits = text.strip_prefix('+')?;
    let fits = (1..=most).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    fits.then(|| digits.to_owned())
}

impl CallingCode {
    /// Reads `+49`.
    pub fn parse(text: &str) -> Option<Self> {
        digits_after_plus(text, 3).map(Self)
    }
}

impl Prefix {
    /// Reads `+49` or a longer beginning.
    pub fn parse(text: &str) -> Option<Self> {
        digits_after_plus(text, 15).map(Self)
    }

    /// As it stands in the configuration.
    pub fn text(&self) -> String {
        format!("+{}", self.0)
    }
}

impl Number {
    /// The number that a directory or a person wrote. One without a country is of `country`; `None`: it is none, or nobody
    /// says of which country it is.
    pub fn parse(written: &str, country: Option<&CallingCode>) -> Option<Self> {
        let written = written.trim().strip_prefix("tel:").unwrap_or(written.trim());
        // "+49 (0)170": the nought is for callers inside the country.
        let international = written.starts_with('+') || written.starts_with("00");
        let text = if international {
            written.replace("(0)", "")
        } else {
            written.to_owned()
        };
        let text = Zeroizing::new(text);
        let separator = |c: char| {
            matches!(
                c,
                ' ' | '\u{a0}' | '-' | '\u{2010}' | '\u{2011}' | '.' | '/' | '(' | ')'
            )
        };
        let mut plain = Zeroizing::new(String::with_capacity(16));
        for (at, c) in text.chars().filter(|c| !separator(*c)).enumerate() {
            match c {
                '+' if at == 0 => plain.push('+'),
                '0'..='9' if plain.len() < 32 => plain.push(c),
                _ => return None,
            }
        }
        let digits = match (plain.strip_prefix('+'), plain.strip_prefix("00"), country) {
            (Some(digits), _, _) | (None, Some(digits), _) => Zeroizing::new(digits.to_owned()),
            (None, None, Some(country)) => {
                let national = plain.strip_prefix('0').unwrap_or(&plain);
                Zeroizing::new(format!("{}{national}", country.0))
            }
            (None, None, None) => return None,
        };
        let fits = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
        fits.then(|| Self(Zeroizing::new(format!("+{}", digits.as_str()))))
    }

    /// The number.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As much of it as its owner needs to know it again.
    pub fn hint(&self) -> String {
        format!("…{}", &self.0[self.0.len() - 2..])
    }

    /// The longest of these prefixes that it has.
    pub fn allowed<'a>(&self, prefixes: &'a [Prefix]) -> Option<&'a Prefix> {
        prefixes
            .iter()
            .filter(|prefix| self.0[1..].starts_with(&prefix.0))
            .max_by_key(|prefix| prefix.0.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn number(written: &str, country: Option<&str>) -> Option<String> {
        let country = country.and_then(CallingCode::parse);
        Number::parse(written, country.as_ref()).map(|number| number.reveal().to_owned())
    }

    #[test]
    fn numbers_come_to_one_international_form() {
        for (written, country, form) in [
            ("+49 170 1234567", None, "+491701234567"),
            ("+49 (0)170 / 1234-567", None, "+491701234567"),
            ("0049 170.1234567", None, "+491701234567"),
            ("0170 1234567", Some("+49"), "+491701234567"),
            ("(0170) 1234567", Some("+49"), "+491701234567"),
            ("0532 123 45 67", Some("+90"), "+905321234567"),
            ("532 123 45 67", Some("+90"), "+905321234567"),
            ("+90 532 123 45 67", Some("+49"), "+905321234567"),
            ("tel:+49-170-1234567", None, "+491701234567"),
        ] {
            assert_eq!(number(written, country).as_deref(), Some(form), "{written}");
        }
        for (written, country) in [
            ("0170 1234567", None),
            ("", Some("+49")),
            ("+", None),
            ("+049170123456", None),
            ("+49170123456789012", None),
            ("+4917", None),
            ("+49170x234567", None),
            ("++491701234567", None),
            ("+49 170 1234567, +49 170 7654321", None),
            ("\u{661}\u{662}\u{663}4567890", Some("+49")),
        ] {
            assert_eq!(number(written, country), None, "{written}");
        }
    }

    #[test]
    fn a_message_goes_to_listed_prefixes_alone_and_counts_under_the_longest() {
        let prefixes: Vec<Prefix> = ["+49", "+4917", "+1"]
            .iter()
            .map(|text| Prefix::parse(text).unwrap())
            .collect();
        let allowed = |written: &str| {
            let number = Number::parse(written, None).unwrap();
            number.allowed(&prefixes).map(Prefix::text)
        };
        assert_eq!(allowed("+491701234567").as_deref(), Some("+4917"));
        assert_eq!(allowed("+493012345678").as_deref(), Some("+49"));
        assert_eq!(allowed("+447700900123"), None);
        assert!(Prefix::parse("49").is_none() && Prefix::parse("+").is_none() && Prefix::parse("+4 9").is_none());
    }

    #[test]
    fn a_number_shows_its_last_two_digits_alone() {
        let number = Number::parse("+491701234567", None).unwrap();
        assert_eq!((number.hint().as_str(), format!("{number:?}").as_str()), ("…67", "…67"));
        assert_eq!(hint("0170 1234542").as_deref(), Some("…42"));
        assert_eq!(hint("none"), None);
    }
}
