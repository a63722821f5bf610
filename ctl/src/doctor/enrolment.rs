//! Where people register their first phone in a login (`enroll_at_login`): that the module waits as long, and that no date
//! is left behind that is over.

use super::finding::Finding;
use super::pam;
use assent_engine::config::{self, Config};
use assent_engine::directory::date;
use assent_engine::login::LOGIN_DEADLINE;
use assent_engine::login::enrolling::ENROLMENT_WAIT;
use assent_proto::text::visible;
use std::path::Path;
use std::time::Duration;

const CHECK: &str = "enrolment_at_login";
/// How long a login with an enrolment in it takes at most.
pub(super) const LONGEST: Duration = Duration::from_secs(LOGIN_DEADLINE.as_secs() + ENROLMENT_WAIT.as_secs());

/// Looks at the configuration and the stacks that it names; nothing where nobody registers a phone in a login. What cannot
/// be used is said by another check.
pub(super) fn look(file: &Path) -> Option<Finding> {
    let config = config::load(file).ok()?;
    judge(&config, date::now() / date::DAY, pam::auth_waits)
}

fn judge(config: &Config, today: i64, waits: impl Fn(&str) -> Vec<(String, u64)>) -> Option<Finding> {
    let (mut open, mut wrong) = (Vec::new(), Vec::new());
    for application in &config.applications {
        let Some(rule) = &application.enroll else { continue };
        let name = visible(&application.name);
        open.push(format!("{name} ({})", rule.words()));
        if rule.until.is_some_and(|until| until < today) {
            wrong.push(format!(
                "application {name}: its last day is over; remove enroll_at_login"
            ));
        }
        let short = application.services.iter().flat_map(|service| waits(service));
        wrong.extend(
            short
                .filter(|(_, seconds)| *seconds <= LONGEST.as_secs())
                .map(|(place, seconds)| {
                    format!(
                        "{place}: it waits {seconds} s and ends a login that takes longer, the phone registered or not"
                    )
                }),
        );
    }
    let found = format!("people register their first phone in a login: {}", open.join(", "));
    match (open.is_empty(), wrong.is_empty()) {
        (true, _) => None,
        (false, true) => Some(Finding::ok(CHECK, found)),
        (false, false) => {
            let mend = format!("write timeout={} behind pam_assent.so", LONGEST.as_secs() + 10);
            Some(Finding::warn(CHECK, found, mend).because(wrong))
        }
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

[[application]]
name = "ssh"
services = ["sshd"]
factors = [["local"], ["staff"]]
enroll_at_login = { until = "2027-01-31" }
"#;

    #[test]
    fn an_enrolment_needs_a_module_that_waits_and_a_day_that_is_not_over() {
        let judged = |text: &str, today: &str, seconds: u64| {
            let config = config::load_str("agentd.toml", text).unwrap();
            judge(&config, date::iso_day(today).unwrap(), |service| {
                vec![(format!("/etc/pam.d/{service}:1"), seconds)]
            })
        };
        let well = judged(SITE, "2027-01-31", 350).unwrap();
        assert_eq!(well.state, State::Ok);
        assert!(well.found.contains("ssh (until 2027-01-31)"), "{well:?}");
        let short = judged(SITE, "2027-01-31", 340).unwrap();
        assert_eq!((short.state, short.reasons.len()), (State::Warn, 1));
        assert!(
            short.reasons[0].starts_with("/etc/pam.d/sshd:1: it waits 340 s"),
            "{short:?}"
        );
        let over = judged(SITE, "2027-02-01", 350).unwrap();
        assert_eq!(over.state, State::Warn);
        assert!(over.reasons[0].contains("its last day is over"), "{over:?}");
        assert!(judged(&SITE.replace("enroll_at_login", "#"), "2027-02-01", 1).is_none());
    }
}
