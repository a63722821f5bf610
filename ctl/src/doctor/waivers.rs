//! Where the configuration itself lets a login pass unasked (R91): policies that waive a factor, and services that no
//! application lists.

use super::finding::Finding;
use assent_engine::config::{self, Config, Unlisted};
use assent_proto::text::visible;
use std::path::Path;

const CHECK: &str = "configuration_asks";

/// Looks at the configuration.
pub(super) fn look(file: &Path) -> Finding {
    match config::load(file) {
        Ok(config) => judge(&config),
        Err(_) => Finding::unknown(
            CHECK,
            format!("{} cannot be used, so what it waives is not known", file.display()),
            "`assentctl check` as root says what is wrong with it",
        ),
    }
}

fn judge(config: &Config) -> Finding {
    let mut passes: Vec<String> = Vec::new();
    for application in &config.applications {
        let (name, services) = (visible(&application.name), application.services.join(", "));
        let waivers = config.waivers(application);
        passes.extend(waivers.map(|place| {
            format!(
                "application {name} ({}): the policy {} waives a factor",
                visible(&services),
                visible(place)
            )
        }));
    }
    if config.unlisted == Unlisted::Ignore {
        passes
            .push("unlisted = \"ignore\": a service that no application lists is left to the rest of its stack".into());
    }
    match passes.len() {
        0 => Finding::ok(
            CHECK,
            "no policy waives a factor, and services that are not listed are denied",
        ),
        ways => Finding::warn(
            CHECK,
            format!("{ways} places of the configuration let a login pass without being asked"),
            "take away what you do not mean; each use stands in the audit as factor_waived or unlisted_service",
        )
        .because(passes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    const SITE: &str = r#"
[gateway]
url = "https://push.example.org"

[[auth_profile]]
name = "local"
kind = "local"

[[push_profile]]
name = "staff"
fallback_auth_profiles = ["local"]

[[push_profile]]
name = "other"
fallback_auth_profiles = ["local"]

[[policy]]
push_profile = "staff"
auth_profile = "local"
networks = ["192.0.2.0/24"]
action = "waive"

[[application]]
name = "ssh"
services = ["sshd", "sshd-keys"]
factors = [["stack"], ["staff"]]
floor = "bypass"

[[application]]
name = "floor"
services = ["login"]
factors = [["stack"], ["staff"]]

[[application]]
name = "sudo"
services = ["sudo"]
factors = [["stack"], ["other"]]
floor = "bypass"
"#;

    fn judged(text: &str) -> Finding {
        judge(&config::load_str("agentd.toml", text).unwrap())
    }

    #[test]
    fn r91_every_policy_that_waives_is_listed_with_its_application_and_place() {
        let finding = judged(SITE);
        assert_eq!(finding.state, State::Warn);
        // Neither the application whose floor forbids it, nor the one that does not list the profile.
        assert_eq!(finding.reasons.len(), 1, "{finding:?}");
        assert!(finding.reasons[0].starts_with("application ssh (sshd, sshd-keys): the policy "));
        let line = SITE.lines().position(|line| line == "[[policy]]").unwrap() + 1;
        assert!(finding.reasons[0].contains(&format!(":{line} waives")), "{finding:?}");
    }

    #[test]
    fn r91_services_that_nobody_lists_are_named_where_they_pass() {
        let finding = judged(&format!("unlisted = \"ignore\"\n{SITE}"));
        assert_eq!(finding.reasons.len(), 2);
        assert!(finding.reasons[1].contains("unlisted = \"ignore\""));
        let strict = judged(&SITE.replace("action = \"waive\"", ""));
        assert_eq!((strict.state, strict.reasons.len()), (State::Ok, 0));
    }
}
