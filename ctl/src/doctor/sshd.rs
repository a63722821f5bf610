//! sshd's own limits against ours (R93): how long it lets a login wait, and how many may wait at once.

use super::finding::Finding;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SSHD: &str = "/usr/sbin/sshd";
/// Logins that may wait at once before sshd begins to drop: a shift that comes in together.
const WAITING: u64 = 60;

/// Asks sshd what it makes of its own files, where a login of ours takes this long at most; nothing where there is no sshd.
pub(super) fn look(longest: Duration) -> Vec<Finding> {
    if !Path::new(SSHD).exists() {
        return Vec::new();
    }
    let said = Command::new(SSHD)
        .arg("-T")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    match said {
        Ok(said) if said.status.success() => judge(&String::from_utf8_lossy(&said.stdout), longest.as_secs()),
        _ => vec![Finding::unknown(
            "sshd",
            "`sshd -T` does not say what sshd is configured to do",
            "run this as root, and `sshd -T` to see what is wrong",
        )],
    }
}

fn judge(said: &str, longest: u64) -> Vec<Finding> {
    let value = |key: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == key).map(|(_, value)| value.trim())
    };
    let (grace, startups) = (value("logingracetime"), value("maxstartups"));
    let mut findings = Vec::new();
    if value("usepam") == Some("no") {
        findings.push(Finding::fail(
            "sshd_pam",
            "UsePAM is no: sshd asks no PAM module, and so not Assent",
            "write `UsePAM yes` in /etc/ssh/sshd_config",
        ));
    }
    findings.push(match grace.and_then(|grace| grace.parse().ok()) {
        Some(0) => Finding::ok("sshd_login_grace_time", "sshd lets a login take its time"),
        Some(grace) if grace > longest => Finding::ok(
            "sshd_login_grace_time",
            format!("{grace} s, more than the {longest} s that a login may take here"),
        ),
        Some(grace) => Finding::warn(
            "sshd_login_grace_time",
            format!("sshd ends a login after {grace} s, Assent gives people up to {longest} s"),
            format!(
                "write `LoginGraceTime {}` in /etc/ssh/sshd_config",
                longest.next_multiple_of(60)
            ),
        ),
        None => Finding::unknown("sshd_login_grace_time", "sshd does not tell it", "see `sshd -T`"),
    });
    // start:rate:full, or one number.
    let start = startups.and_then(|startups| startups.split(':').next()?.parse::<u64>().ok());
    findings.push(match start {
        Some(start) if start >= WAITING => Finding::ok(
            "sshd_max_startups",
            format!("{start} logins may wait at once before sshd drops any"),
        ),
        Some(start) => Finding::warn(
            "sshd_max_startups",
            format!(
                "sshd drops connections once {start} logins wait, and a login that waits for its user's phone is one"
            ),
            "write `MaxStartups 100:30:300` in /etc/ssh/sshd_config",
        ),
        None => Finding::unknown("sshd_max_startups", "sshd does not tell it", "see `sshd -T`"),
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn states(said: &str) -> Vec<(&'static str, State)> {
        judge(said, 100).into_iter().map(|one| (one.check, one.state)).collect()
    }

    #[test]
    fn r93_grace_time_and_startups_are_held_against_our_own_limits() {
        let both = |grace: &str, startups: &str| {
            states(&format!("usepam yes\nlogingracetime {grace}\nmaxstartups {startups}\n"))
                .into_iter()
                .map(|(_, state)| state)
                .collect::<Vec<_>>()
        };
        assert_eq!(both("120", "10:30:100"), [State::Ok, State::Warn], "Debian's own");
        assert_eq!(both("0", "100:30:300"), [State::Ok, State::Ok]);
        assert_eq!(both("100", "60"), [State::Warn, State::Ok]);
        assert_eq!(both("101", "59:30:300"), [State::Ok, State::Warn]);
        assert_eq!(both("x", "y"), [State::Unknown, State::Unknown]);
    }

    #[test]
    fn r93_where_people_register_a_phone_in_a_login_sshd_must_wait_for_that() {
        let said = "usepam yes\nlogingracetime 120\nmaxstartups 100\n";
        let finding = judge(said, 340).remove(0);
        assert_eq!(finding.state, State::Warn);
        assert_eq!(
            finding.mend.as_deref(),
            Some("write `LoginGraceTime 360` in /etc/ssh/sshd_config")
        );
        let longer = said.replace("120", "360");
        assert_eq!(judge(&longer, 340).remove(0).state, State::Ok);
        let usual = judge(&said.replace("120", "60"), 100).remove(0);
        assert_eq!(
            usual.mend.as_deref(),
            Some("write `LoginGraceTime 120` in /etc/ssh/sshd_config")
        );
    }

    #[test]
    fn an_sshd_that_asks_no_pam_fails() {
        assert_eq!(
            states("usepam no\nlogingracetime 0\nmaxstartups 100\n")[0],
            ("sshd_pam", State::Fail)
        );
        assert!(states("").iter().all(|(_, state)| *state == State::Unknown));
    }
}
