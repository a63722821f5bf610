//! Whether somebody comes in without the second factor by an administrator's word (R91).

use super::finding::Finding;
use serde_json::Value;

const CHECK: &str = "bypasses";

/// What the agent's status comes to; nothing where none runs.
pub(super) fn judge(status: Option<&Value>) -> Option<Finding> {
    let running = status?["bypassed_users"].as_u64().filter(|running| *running > 0)?;
    let found = match running {
        1 => "one user has a bypass and comes in without the second factor".to_owned(),
        many => format!("{many} users have a bypass and come in without the second factor"),
    };
    let mend = "they end by themselves; assentctl user exceptions lists them, assentctl user unbypass USER ends one";
    Some(Finding::warn(CHECK, found, mend))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use serde_json::json;

    #[test]
    fn r91_a_bypass_that_runs_is_a_warning_and_none_is_nothing() {
        let judged = |running: u64| judge(Some(&json!({"bypassed_users": running})));
        assert_eq!(judged(0), None);
        assert_eq!(judge(None), None);
        assert_eq!(judged(1).map(|finding| finding.state), Some(State::Warn));
        assert!(judged(3).is_some_and(|finding| finding.found.starts_with("3 users")));
    }
}
