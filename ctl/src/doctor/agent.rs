//! Whether the agent answers, has a configuration, and hears its gateway.

use super::finding::Finding;
use crate::agent_bus::Agent;
use crate::failure::{Done, Failure};
use assent_proto::text::visible;
use serde_json::Value;
use std::path::Path;

const CHECK: &str = "agent";

/// The agent's own word.
pub(super) async fn status(socket: &Path) -> Done<Value> {
    let text: String = Agent::at(socket).await?.call("Status", &()).await?;
    serde_json::from_str(&text).map_err(|e| Failure::Unreachable(format!("the agent's status is no JSON: {e}")))
}

/// What it comes to.
pub(super) fn judge(status: &Done<Value>) -> Finding {
    let status = match status {
        Ok(status) => status,
        Err(failure) => {
            return Finding::fail(
                CHECK,
                format!("it does not answer: {failure}; every login that needs it is refused"),
                "systemctl status assent-agentd.socket assent-agentd; run this as root",
            );
        }
    };
    let problem = |part: &Value| visible(part["problem"].as_str().unwrap_or("no reason is given"));
    let (configuration, gateway) = (&status["configuration"], &status["gateway"]);
    if configuration["ok"] != true {
        return Finding::fail(
            CHECK,
            format!("its configuration cannot be used: {}", problem(configuration)),
            "assentctl check",
        );
    }
    if gateway["ok"] != true {
        let why = match gateway["problem"].as_str() {
            Some(why) => visible(why),
            None => "no event stream is open".to_owned(),
        };
        return Finding::fail(
            CHECK,
            format!("it does not hear the gateway: {why}"),
            "see its log (journalctl -u assent-agentd) and docs/setup/1-network-path.md",
        );
    }
    Finding::ok(CHECK, "it answers, its configuration is good, it hears the gateway")
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use serde_json::json;

    #[test]
    fn an_agent_that_is_away_misconfigured_or_alone_fails() {
        let good = json!({"configuration": {"ok": true}, "gateway": {"ok": true}});
        assert_eq!(judge(&Ok(good)).state, State::Ok);
        for (status, what) in [
            (Err(Failure::Unreachable("gone".into())), "gone"),
            (
                Ok(json!({"configuration": {"ok": false, "problem": "line 3"}})),
                "line 3",
            ),
            (
                Ok(json!({"configuration": {"ok": true}, "gateway": {"ok": false, "problem": "not enrolled"}})),
                "not enrolled",
            ),
            (
                Ok(json!({"configuration": {"ok": true}, "gateway": {"ok": false, "url": "https://p"}})),
                "event stream",
            ),
            (Ok(json!({})), "configuration"),
        ] {
            let finding = judge(&status);
            assert_eq!(finding.state, State::Fail, "{what}");
            assert!(finding.found.contains(what) && finding.mend.is_some(), "{finding:?}");
        }
    }
}
