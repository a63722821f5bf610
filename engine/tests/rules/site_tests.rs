//! `policy test`: what a table may say, and what it finds.

use crate::company::{EXAMPLE, NOW, Nobody, PEOPLE, config, run};
use assent_engine::places::Places;
use assent_engine::policy_test::Tests;
use std::path::Path;

#[tokio::test]
async fn a_table_says_which_logins_come_to_something_else_and_why() {
    let tests = r#"
[[test]]
user = "alice"
service = "sshd"
expect = "staff-push"
[[test]]
user = "bob"
service = "sshd"
from = "192.0.2.7"
at = "2026-11-25T09:00+01:00"
expect = ["staff-push"]
[[test]]
user = "bob"
service = "sshd"
expect = "admit"
[[test]]
user = "mallory"
service = "sshd"
expect = "deny"
[[test]]
user = "alice"
service = "cron"
expect = "deny"
"#;
    let outcomes = run(&config(EXAMPLE), tests).await;
    let passed: Vec<bool> = outcomes.iter().map(|outcome| outcome.passed).collect();
    assert_eq!(passed, [true, false, true, true, true]);
    let wrong = &outcomes[1];
    assert_eq!((wrong.expected.as_str(), wrong.got.as_str()), ("staff-push", "sms"));
    assert_eq!(wrong.question, "bob by sshd from 192.0.2.7 at 2026-11-25T08:00:00Z");
    assert!(
        wrong.why.iter().any(|line| line.contains("no value matches")),
        "{:?}",
        wrong.why
    );
    let lines = PEOPLE.lines().count();
    assert_eq!(wrong.line, lines + 6, "the line of its [[test]]");
}

#[tokio::test]
async fn a_blocked_person_is_denied() {
    let blocked = "[[person]]\nuser = \"dora\"\nauth_profile = \"corp\"\nblocked = true\nattributes = { department = \"IT\" }\n\
                   [[test]]\nuser = \"dora\"\nservice = \"sshd\"\nexpect = \"deny\"\n";
    let outcome = run(&config(EXAMPLE), blocked).await.remove(0);
    assert!(outcome.passed, "{outcome:?}");
    assert!(outcome.why.iter().any(|line| line.contains("not active")));
}

#[test]
fn every_mistake_in_a_table_is_named_with_its_line() {
    let config = config(EXAMPLE);
    let problems = |text: &str| match Tests::read(Path::new("t.toml"), text, &config) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => problems.to_string(),
    };
    let test = |more: &str| format!("[[test]]\nuser = \"a\"\nservice = \"sshd\"\n{more}\n");
    for (text, expected) in [
        (
            test("expect = \"psuh\""),
            "t.toml:1: expect names \"psuh\", which is no method profile",
        ),
        (test("expect = []"), "t.toml:1: expect is empty"),
        (
            test("expect = \"deny\"\nfrom = \"home\""),
            "t.toml:1: from = \"home\" is no address",
        ),
        (
            test("expect = \"deny\"\nat = \"noon\""),
            "t.toml:1: at = \"noon\" is no moment",
        ),
        (test("expects = \"deny\""), "t.toml:4: unknown field `expects`"),
        (
            "[[person]]\nuser = \"a\"\nauth_profile = \"x\"\n".into(),
            "t.toml:1: there is no authentication profile \"x\"",
        ),
        (
            "[[person]]\nuser = \"\"\nauth_profile = \"corp\"\n".into(),
            "t.toml:1: \"\" is no user name",
        ),
        (String::new(), "t.toml: it holds no tests"),
    ] {
        let found = problems(&text);
        assert!(found.contains(expected), "{text}\n{found}");
    }
    let two = problems(&(test("expect = \"a\"") + &test("expect = \"b\"")));
    assert!(two.contains("t.toml:1: ") && two.contains("t.toml:5: "), "{two}");
}

#[tokio::test]
async fn a_profile_that_the_file_does_not_know_is_asked_itself() {
    let text = "[[person]]\nuser = \"alice\"\nauth_profile = \"local\"\n[[test]]\nuser = \"alice\"\nservice = \"sshd\"\nexpect = \"sms\"\n";
    let config = config(EXAMPLE);
    let tests = Tests::read(Path::new("t.toml"), text, &config).unwrap();
    let known: Vec<bool> = config.auth_indices().map(|profile| tests.knows(profile)).collect();
    assert_eq!(known, [false, true]);
    assert!(tests.run(&config, &Nobody, &Places::default(), NOW).await[0].passed);
}
