//! How long this host's certificate lives on: once it ends, no device answers this host.

use super::finding::Finding;
use assent_proto::time::UnixTime;
use serde_json::Value;

const CHECK: &str = "host_certificate";
const DAY: u64 = 86_400;
/// Days that are enough to plan something.
const SOON: u64 = 30;
/// Days that are not.
const NOW: u64 = 7;

/// Looks at what the agent says of it.
pub(super) fn look(status: Option<&Value>) -> Option<Finding> {
    let ends = status?["gateway"]["certificate_ends"].as_u64()?;
    Some(judge(ends, UnixTime::now()))
}

fn judge(ends: u64, now: UnixTime) -> Finding {
    let mend = "have the host join again with a new token: assentctl host token, assentctl host join";
    if ends <= now.0 {
        return Finding::fail(CHECK, "it has ended: no push of this host is answered any more", mend);
    }
    match (ends - now.0) / DAY {
        days if days < NOW => Finding::fail(CHECK, format!("it ends in {days} days"), mend),
        days if days < SOON => Finding::warn(CHECK, format!("it ends in {days} days"), mend),
        days => Finding::ok(CHECK, format!("it lives {days} days more")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_certificate_near_its_end_warns_and_a_last_week_fails() {
        let now = UnixTime(1_000_000_000);
        for (left, state) in [
            (0, State::Fail),
            (NOW * DAY - 1, State::Fail),
            (NOW * DAY, State::Warn),
            (SOON * DAY - 1, State::Warn),
            (SOON * DAY, State::Ok),
        ] {
            assert_eq!(judge(now.0 + left, now).state, state, "{left}");
        }
        assert_eq!(judge(1, now).state, State::Fail);
    }

    #[test]
    fn a_host_that_has_not_joined_has_none_to_judge() {
        assert_eq!(look(Some(&serde_json::json!({"gateway": null}))), None);
        assert_eq!(look(None), None);
    }
}
