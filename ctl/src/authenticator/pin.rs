//! What was typed where a PIN was asked for. Tokens and security keys count wrong ones and lock after a few, so what cannot be
//! one is not given to them. Pure.

/// Why what was typed is not tried, which would cost a try.
pub fn no_pin(typed: &str) -> Option<&'static str> {
    if typed.is_empty() {
        Some("no PIN was typed, so none was tried")
    } else if typed.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        Some("what was typed holds a character that is in no PIN (an arrow key?), so it was not tried")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pin_costs_no_try() {
        assert_eq!(no_pin("1234"), None);
        assert_eq!(no_pin("pass phrase é"), None);
        for typed in ["", "12\u{3}", "\u{1b}[A", "1\u{9b}", "\u{fffd}"] {
            assert!(no_pin(typed).is_some(), "{typed:?}");
        }
    }
}
