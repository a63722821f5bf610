//! What a verdict without a push adds to a PAM transaction: `pam_assent.so` and the agent beside `pam_permit.so`.
//!
//! A verdict that needs nobody is a refusal here: an application must have a factor of its own. The service trusts the
//! stack and then lets nobody but one other user at a push, so the whole way is gone (connect, Begin, name service from
//! its cache, policy, record to file and syslog, verdict) and no push leaves.

use super::Options;
use super::pam::{Expect, Stacks, in_turn, turns};
use super::row::{Judged, Row, Samples};
use assent_tests::product::{self, Site};

const TARGET_MS: f64 = 1.0;

/// `local` keeps what NSS says for 60 s; LDAP attributes are not kept anywhere yet and are searched each time.
const MORE: &str = r#"
[[push_profile]]
name = "quiet-local"
fallback_auth_profiles = ["local"]
assurance = "tap"

[[policy]]
push_profile = "quiet-local"
auth_profile = "local"
attribute = "username"
values = ["nobody-else"]

[[push_profile]]
name = "quiet-ldap"
fallback_auth_profiles = ["corp"]
assurance = "tap"

[[policy]]
push_profile = "quiet-ldap"
auth_profile = "corp"
attribute = "department"
values = ["None of these"]

[[application]]
name = "bench-local"
services = ["quiet-local"]
factors = [["stack"], ["quiet-local"]]

[[application]]
name = "bench-ldap"
services = ["quiet-ldap"]
factors = [["stack"], ["quiet-ldap"]]
"#;

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 60 } else { 400 };
    let _site = Site::open_with(|usual| usual + MORE);
    let stacks = Stacks::new();
    let account = "account required pam_permit.so\n";
    stacks.write("permit", &format!("auth required pam_permit.so\n{account}"));
    let ours = format!("auth required {}\n{account}", product::module());
    stacks.write("quiet-local", &ours);
    stacks.write("quiet-ldap", &ours);
    let mut rows = Vec::new();
    for (service, attributes) in [
        ("quiet-local", "attributes from the name service's cache"),
        ("quiet-ldap", "attributes by one LDAP search on a warm connection"),
    ] {
        let (ours, permit) = in_turn(
            times,
            || stacks.fresh(service, "alice", Expect::Denial),
            || stacks.fresh("permit", "alice", Expect::Success),
        );
        rows.push(row("fresh process", attributes, &ours, &permit));
        let (mut ours, mut permit) = (Samples::default(), Samples::default());
        for _ in 0..turns(times) {
            ours.extend(stacks.same(service, "alice", Expect::Denial));
            permit.extend(stacks.same("permit", "alice", Expect::Success));
        }
        rows.push(row("same process", attributes, &ours, &permit));
    }
    rows
}

fn row(process: &str, attributes: &str, ours: &Samples, permit: &Samples) -> Row {
    Row::of(
        format!("PAM transaction, verdict without a push, {process}, {attributes}"),
        "ms",
        ours,
    )
    .beside(permit)
    .judged(Judged::Difference, TARGET_MS)
    .note("beside pam_permit; stack trusted, then refused by policy: connect, decide, record, answer")
}
