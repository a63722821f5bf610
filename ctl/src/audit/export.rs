//! Decisions as comma-separated values that no spreadsheet takes for a formula.

use crate::seconds::moment;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde_json::Value;

const COLUMNS: [&str; 11] = [
    "at",
    "login",
    "verdict",
    "cause",
    "service",
    "application",
    "user",
    "identity",
    "source",
    "method",
    "detail",
];

/// The first line.
pub(super) fn head() -> String {
    COLUMNS.join(",")
}

/// One decision.
pub(super) fn row(record: &Value) -> String {
    COLUMNS
        .map(|column| match (column, &record[column]) {
            ("at", at) => cell(&at.as_u64().map(|at| moment(UnixTime(at))).unwrap_or_default()),
            (_, Value::String(text)) => cell(text),
            _ => cell(""),
        })
        .join(",")
}

/// Quoted always; what a spreadsheet would reckon begins with an apostrophe, which it takes for "text".
fn cell(text: &str) -> String {
    let text = visible(text);
    let formula = text.starts_with(['=', '+', '-', '@']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_cannot_be_a_formula_end_its_cell_or_begin_a_row() {
        for (name, expected) in [
            ("alice", "\"alice\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("@x", "\"'@x\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("\t=1", "\"⟨U+0009⟩=1\""),
            ("a\",\"b", "\"a\"\",\"\"b\""),
            ("a\r\nb", "\"a⟨U+000D⟩⟨U+000A⟩b\""),
        ] {
            assert_eq!(cell(name), expected);
            let row = row(&json!({"at": 0, "login": "8zc74f", "user": name}));
            assert!(
                row.starts_with("\"1970-01-01 00:00:00 UTC\",\"8zc74f\",") && row.contains(expected),
                "{row}"
            );
            assert_eq!(row.lines().count(), 1);
        }
    }
}
