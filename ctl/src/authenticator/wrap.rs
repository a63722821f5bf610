//! Lines of at most 80 columns, whose left margin no outsider's text can reach.

/// Columns of a line.
pub const WIDTH: usize = 80;

/// Columns that a text surely fits into: some characters outside ASCII are two columns wide, so all count as two.
pub fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

fn column(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// Puts `head` in front of the text's first line and a margin of blanks in front of the others. Breaks at blanks where
/// that loses nothing, otherwise anywhere. The text has no line ends in it.
pub fn hang(head: &str, text: &str) -> Vec<String> {
    let margin = columns(head);
    let room = WIDTH.saturating_sub(margin).max(8);
    let mut lines = Vec::new();
    let mut rest = text;
    while columns(rest) > room {
        let (line, tail) = rest.split_at(break_at(rest, room));
        lines.push(line);
        rest = tail;
    }
    lines.push(rest);
    // A border in front of the first line goes on.
    let border = if head.starts_with('|') { "|" } else { "" };
    let blank = format!("{border:<margin$}");
    lines
        .iter()
        .enumerate()
        .map(|(at, line)| format!("{}{line}", if at == 0 { head } else { &blank }))
        .collect()
}

/// Where to break: behind the last blank that fits, if there is one in the second half; a blank stays at its line's
/// end, so that the lines put together are the text.
fn break_at(text: &str, room: usize) -> usize {
    let mut used = 0;
    let mut hard = text.len();
    let mut soft = None;
    for (at, c) in text.char_indices() {
        used += column(c);
        if used > room {
            hard = at;
            break;
        }
        if c == ' ' && used > room / 2 {
            soft = Some(at + 1);
        }
    }
    // At least one character, so that this ends.
    soft.unwrap_or(hard).max(text.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_the_width_and_together_are_the_text() {
        for text in [
            "short".to_owned(),
            String::new(),
            "word ".repeat(60),
            "x".repeat(500),
            "名".repeat(100),
            format!("{} {}", "x".repeat(79), "y".repeat(3)),
        ] {
            let lines = hang("| Command    ", &text);
            assert!(lines.iter().all(|line| columns(line) <= WIDTH), "{lines:?}");
            let together: String = lines.iter().map(|line| &line[13..]).collect();
            assert_eq!(together, text);
        }
    }

    #[test]
    fn the_margin_of_later_lines_is_blank() {
        let lines = hang("| Command    ", &"a | Service    forged ".repeat(12));
        assert!(lines[0].starts_with("| Command    a"));
        assert!(lines.len() > 1);
        assert!(
            lines[1..].iter().all(|line| line.starts_with("|            ")),
            "{lines:?}"
        );
    }
}
