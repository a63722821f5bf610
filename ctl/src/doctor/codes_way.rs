//! Whether the code service is there at `codes_url`, before the relay's outage shows it.

use super::finding::Finding;
use assent_proto::text::visible;
use serde_json::Value;

const CHECK: &str = "codes_url";

/// Nothing where none is configured.
pub(super) fn judge(status: Option<&Value>) -> Option<Finding> {
    let way = &status?["gateway"]["codes_way"];
    let url = visible(way["url"].as_str()?);
    if way["ok"] == true {
        return Some(Finding::ok(CHECK, format!("{url} leads to the code service")));
    }
    let why = visible(way["problem"].as_str().unwrap_or("no reason is given"));
    Some(Finding::warn(
        CHECK,
        format!("{url} does not lead to the code service: {why}; while the relay is away, codes end in a denial"),
        "see docs/failures.md, \"Codes while the relay is away\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_way_that_leads_nowhere_is_told_before_it_is_needed() {
        let of = |way: Value| judge(Some(&json!({"gateway": {"ok": true, "codes_way": way}})));
        assert!(judge(None).is_none());
        assert!(
            judge(Some(&json!({"gateway": {"ok": true}}))).is_none(),
            "none is configured"
        );
        let good = of(json!({"url": "https://panel", "ok": true, "problem": null})).unwrap();
        assert_eq!(good.state, State::Ok);
        let bad = of(json!({"url": "https://panel", "ok": false, "problem": "refused"})).unwrap();
        assert_eq!(bad.state, State::Warn);
        assert!(bad.found.contains("refused") && bad.mend.is_some(), "{bad:?}");
    }
}
