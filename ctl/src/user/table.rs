//! The table of `assentctl user list`: at most 80 columns, whatever stands in it. Pure.

use crate::terminal::Charset;
use assent_proto::text::visible;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Heads and widest widths; with two blanks between, 80 columns.
const COLUMNS: [(&str, usize); 5] = [
    ("USER", 18),
    ("NAME", 18),
    ("GROUPS", 12),
    ("PASSWORD", 8),
    ("ACCOUNT", 16),
];

/// Draws it.
pub(super) fn draw(rows: Vec<[String; 5]>, charset: Charset) -> String {
    let cells: Vec<[String; 5]> = rows
        .into_iter()
        .map(|row| {
            let mut widest = COLUMNS.iter().map(|(_, widest)| *widest);
            row.map(|cell| cut(&charset.fit(&visible(&cell)), widest.next().unwrap_or(0), charset))
        })
        .collect();
    let head = COLUMNS.map(|(head, _)| head.to_owned());
    let lines: Vec<&[String; 5]> = std::iter::once(&head).chain(&cells).collect();
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|at| lines.iter().map(|line| line[at].width()).max().unwrap_or(0))
        .collect();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let padded = line.iter().zip(&widths).map(|(cell, width)| {
                let blanks = width.saturating_sub(cell.width());
                format!("{cell}{}", " ".repeat(blanks))
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// At most `widest` columns; what is cut ends in a mark.
fn cut(text: &str, widest: usize, charset: Charset) -> String {
    if text.width() <= widest {
        return text.to_owned();
    }
    let mark = charset.fit("…");
    let mut out = String::new();
    let mut room = widest.saturating_sub(mark.width());
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if width > room {
            break;
        }
        room -= width;
        out.push(c);
    }
    out + &mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn row_18_the_list_is_a_table_in_which_odd_characters_show() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        let rows = vec![
            row(["alice", "Alice Ahorn", "vip", "yes", "until 2027-01-31"]),
            row(["bob", "Bob\u{202e}", "", "no", "blocked"]),
            row(["zoë", "生日快樂祝你生日快樂", "a,b,c,d,e,f,g,h", "no", "active"]),
        ];
        let expected = "\
USER   NAME               GROUPS        PASSWORD  ACCOUNT
alice  Alice Ahorn        vip           yes       until 2027-01-31
bob    Bob⟨U+202E⟩                      no        blocked
zoë    生日快樂祝你生日…  a,b,c,d,e,f…  no        active";
        assert_eq!(draw(rows.clone(), Charset::Utf8), expected);
        let ascii = draw(rows, Charset::Ascii);
        assert!(ascii.is_ascii() && ascii.contains("zo<U+00EB>"), "{ascii}");
    }

    proptest! {
        #[test]
        fn r68_row_18_no_line_is_wider_than_80_columns(
            rows in proptest::collection::vec(proptest::array::uniform5("\\PC{0,40}|.{0,40}"), 0..5),
            utf8: bool,
        ) {
            let charset = if utf8 { Charset::Utf8 } else { Charset::Ascii };
            let count = rows.len();
            let table = draw(rows, charset);
            prop_assert_eq!(table.lines().count(), count + 1);
            for line in table.lines() {
                prop_assert!(line.width() <= 80, "{}", line);
                prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            }
        }
    }
}
