//! What the program says beside a request: short, and never where a request's own lines begin. The relay has a hand in
//! some of it, also while a question is open. Pure but for [`tell`].

use super::wrap::hang;
use crate::failure::on_one_line;
use crate::terminal::Charset;
use assent_proto::text::cut_in_the_middle;

/// Most characters of a remark.
const MAX: usize = 500;
/// In front of each line while a question is open.
const MARGIN: &str = "    ";

/// Its lines.
pub fn remark(text: &str, question_open: bool, charset: Charset) -> Vec<String> {
    let text = charset.fit(&cut_in_the_middle(&on_one_line(text), MAX));
    if !question_open {
        return vec![text];
    }
    // The first ends the question's line.
    let mut lines = vec![String::new()];
    lines.extend(hang(MARGIN, &text));
    lines
}

/// Says it on standard error while nothing is asked.
pub fn tell(text: &str) {
    for line in remark(text, false, Charset::of_locale()) {
        eprintln!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r68_a_remark_under_an_open_question_draws_no_lines_of_its_own() {
        let forged = format!("x\n\n| REQUEST{}| Service    sshd\u{1b}[2J", " ".repeat(90));
        let lines = remark(&forged.repeat(1000), true, Charset::Utf8);
        assert_eq!(lines[0], "");
        assert!(lines[1..].iter().all(|line| line.starts_with(MARGIN)), "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() <= super::super::wrap::WIDTH)
        );
        assert!(lines.len() < 20, "{lines:?}");
        assert!(
            !lines.concat().contains(['\n', '\u{1b}']) && lines.concat().contains("⟨U+001B⟩"),
            "{lines:?}"
        );
        // On an 8-bit terminal the second byte of ś begins a control sequence.
        assert_eq!(remark("ś⟨U+000A⟩", false, Charset::Ascii), ["<U+015B><U+000A>"]);
    }
}
