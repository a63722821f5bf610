//! What a command reports: for people, or as one JSON value for programs. Secrets are in neither.

use assent_proto::text::visible;
use serde_json::Value;
use std::io::Write as _;

/// Prints `value` as JSON if asked, otherwise what `people` says.
pub fn report(json: bool, value: &Value, people: impl FnOnce() -> String) {
    if json {
        say(&value.to_string());
    } else {
        say(&people());
    }
}

/// A line on standard output. A reader that has gone (`| head`) is no error of what was done.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A JSON value as indented lines, odd characters made visible.
pub fn readable(value: &Value) -> String {
    let mut lines = Vec::new();
    push_value(&mut lines, 0, None, value);
    lines.join("\n")
}

fn push_value(lines: &mut Vec<String>, depth: usize, name: Option<&str>, value: &Value) {
    let indent = "  ".repeat(depth);
    let label = name.map(|name| format!("{}:", visible(name).replace('_', " ")));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            lines.extend(label.iter().map(|label| format!("{indent}{label}")));
            let depth = depth + usize::from(label.is_some());
            for (name, value) in fields {
                push_value(lines, depth, Some(name), value);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            lines.extend(label.iter().map(|label| format!("{indent}{label}")));
            for item in items {
                let from = lines.len();
                push_value(lines, depth + 1, None, item);
                if let Some(first) = lines.get_mut(from) {
                    let text = first.trim_start().to_owned();
                    *first = format!("{indent}- {text}");
                }
            }
        }
        plain => {
            let text = scalar(plain);
            lines.push(label.map_or_else(|| format!("{indent}{text}"), |label| format!("{indent}{label} {text}")));
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => visible(text),
        Value::Array(_) | Value::Object(_) => "none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_as_indented_lines_and_hides_nothing_odd() {
        let value = serde_json::json!({
            "host": {"name": "web01\u{202e}", "enrolled": true},
            "devices": [{"id": "a", "last": null}, {"id": "b"}],
            "logins": 3,
        });
        let expected =
            "devices:\n- id: a\n  last: none\n- id: b\nhost:\n  enrolled: yes\n  name: web01⟨U+202E⟩\nlogins: 3";
        assert_eq!(readable(&value), expected);
    }
}
