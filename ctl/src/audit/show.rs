//! A decision in words. Whatever came from outside is made visible (R68).

use crate::report::readable;
use crate::seconds::moment;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde_json::{Value, json};

fn text(record: &Value, key: &str) -> String {
    match record[key].as_str() {
        None | Some("") => "-".into(),
        Some(text) => visible(text),
    }
}

fn at(record: &Value) -> String {
    record["at"]
        .as_u64()
        .map_or_else(|| "-".into(), |at| moment(UnixTime(at)))
}

/// One line.
pub(super) fn line(record: &Value) -> String {
    let fields = ["login", "verdict", "cause", "user", "service", "source", "method"].map(|key| text(record, key));
    format!("{}  {}", at(record), fields.join("  "))
}

/// Everything, for people.
pub(super) fn whole(record: &Value) -> String {
    let mut lines = Vec::new();
    let mut say = |name: &str, value: String| {
        if value != "-" {
            lines.push(format!("{:<12} {value}", format!("{name}:")));
        }
    };
    say("login", text(record, "login"));
    say("when", at(record));
    say("decision", text(record, "verdict"));
    say("why", text(record, "cause"));
    say("detail", text(record, "detail"));
    say("who", text(record, "user"));
    say("identity", text(record, "identity"));
    say("what", text(record, "service"));
    say("application", text(record, "application"));
    say("from", text(record, "source"));
    say("method", text(record, "method"));
    let trace = record["trace"].as_array().map(Vec::as_slice).unwrap_or_default();
    for step in trace {
        let detail = &step["detail"];
        match step["event"].as_str().or(step["effect"].as_str()) {
            Some("push_approved") => say(
                "device",
                format!(
                    "{} approved, level {}, certificate {}",
                    text(detail, "device"),
                    text(detail, "level"),
                    text(detail, "serial")
                ),
            ),
            Some("push_refused") => say(
                "device",
                format!("refused: {}", visible(detail.as_str().unwrap_or("-"))),
            ),
            Some("checked") => say("first factor", words(detail)),
            _ => {}
        }
        if let Some(chosen) = step["policy"].get("chosen") {
            say("policy", words(chosen));
        }
        if let Some(level) = step["level"].as_str() {
            say("level", format!("{}, {}", visible(level), text(step, "why")));
        }
    }
    let place = json!({"record": record["seq"], "steps": trace.len()});
    say(
        "record",
        format!(
            "number {} with {} steps; --json has them",
            place["record"], place["steps"]
        ),
    );
    lines.join("\n")
}

/// A value in one line.
fn words(value: &Value) -> String {
    // `passed` holds the person's attributes: who it is stands above already.
    match value.get("passed") {
        Some(_) => "passed".into(),
        None => readable(value).replace('\n', ", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r68_r69_a_record_is_one_line_and_cannot_move_the_cursor() {
        let record = json!({"at": 0, "login": "8zc74f", "verdict": "denied", "cause": "",
            "user": "x\nAccepted for root\u{1b}[2J", "service": "sshd"});
        let line = line(&record);
        assert_eq!(
            line,
            "1970-01-01 00:00:00 UTC  8zc74f  denied  -  x⟨U+000A⟩Accepted for root⟨U+001B⟩[2J  sshd  -  -"
        );
        assert!(!whole(&record).contains('\u{1b}') && !whole(&record).contains("\nAccepted"));
    }

    #[test]
    fn a_decision_says_who_what_where_when_and_why() {
        let record = json!({"seq": 7, "at": 0, "login": "8zc74f", "verdict": "approved", "cause": "", "user": "alice",
            "service": "sshd", "source": "192.0.2.7", "method": "staff-push", "trace": [
                {"policy": {"chosen": {"method": "staff-push", "by": "policy"}}},
                {"event": "push_approved", "detail": {"device": "D", "level": "tap", "serial": "S"}}]});
        let whole = whole(&record);
        for part in [
            "login:       8zc74f",
            "when:        1970-01-01 00:00:00 UTC",
            "decision:    approved",
            "who:         alice",
            "from:        192.0.2.7",
            "policy:      by: policy, method: staff-push",
            "device:      D approved, level tap, certificate S",
            "record:      number 7 with 2 steps",
        ] {
            assert!(whole.contains(part), "{part} in {whole}");
        }
    }
}
