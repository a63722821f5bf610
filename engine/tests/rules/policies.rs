//! MISSION rows 4 to 8: attributes, values, conditions, order.

use crate::company::{EXAMPLE, comes_to, config, run, with_policies};
use assent_engine::config::load_str;

#[test]
fn a_policy_that_can_hardly_be_meant_is_warned_of() {
    for (rest, words) in [
        (
            "services = [\"sshd\", \"cron\"]",
            "the service \"cron\", which no application lists",
        ),
        ("attribute = \"department\"\nvalues = [\"IT \"]", "blanks at its ends"),
    ] {
        let warnings: Vec<String> = with_policies(&policy(rest))
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect();
        let found = warnings.iter().any(|warning| warning.contains(words));
        assert!(found, "{words} in {warnings:?}");
    }
    let local = policy("attribute = \"nosuch\"\nvalues = [\"x\"]").replace("\"corp\"", "\"local\"");
    let warned = with_policies(&local)
        .warnings
        .iter()
        .any(|warning| warning.what.contains("no attribute \"nosuch\""));
    assert!(warned);
}

/// One policy for the push profile; whoever it does not take gets the SMS profile, the default.
fn policy(rest: &str) -> String {
    format!("[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"corp\"\n{rest}\n")
}

#[tokio::test]
async fn mission_rows_1_and_2_fallback_profiles_of_both_kinds_validate_in_their_order() {
    for (order, both) in [("[\"corp\", \"local\"]", "corp"), ("[\"local\", \"corp\"]", "local")] {
        let text = EXAMPLE.replacen(
            "fallback_auth_profiles = [\"corp\", \"local\"]",
            &format!("fallback_auth_profiles = {order}"),
            1,
        );
        let config = config(&text.replace("values = [\"IT\", \"IT-*\"]", "values = [\"*\"]"));
        let twice = "[[person]]\nuser = \"alice\"\nauth_profile = \"local\"\nattributes = { username = \"alice\" }\n\
                     [[test]]\nuser = \"alice\"\nservice = \"sshd\"\nexpect = \"deny\"\n";
        // The expectation is wrong on purpose: what is shown then is which profile was asked.
        let why = run(&config, twice).await.remove(0).why.join("\n");
        assert!(why.contains(&format!("{both}: knows the user")), "{order}:\n{why}");
    }
    let config = config(EXAMPLE);
    assert_eq!(
        comes_to(&config, "carla", "").await,
        "sms",
        "the second profile knows her"
    );
}

#[test]
fn mission_row_4_a_policys_auth_profile_is_one_of_its_push_profiles_fallbacks() {
    let wrong = EXAMPLE.replacen(
        "fallback_auth_profiles = [\"corp\", \"local\"]",
        "fallback_auth_profiles = [\"local\"]",
        1,
    );
    let found = load_str("agentd.toml", &wrong).unwrap_err().to_string();
    assert!(
        found.contains("auth_profile \"corp\" is none of \"staff-push\"'s fallback_auth_profiles"),
        "{found}"
    );
    assert!(found.contains("agentd.toml:25"), "{found}");
}

#[tokio::test]
async fn mission_row_15_factors_come_in_order_and_a_method_that_does_not_admit_is_passed_over() {
    let test = "[[test]]\nuser = \"bob\"\nservice = \"sshd\"\nexpect = \"staff-push\"\n";
    let outcome = run(&config(EXAMPLE), test).await.remove(0);
    assert_eq!(outcome.got, "sms");
    let at = |part: &str| {
        outcome
            .why
            .iter()
            .position(|line| line.contains(part))
            .unwrap_or_else(|| panic!("{part}"))
    };
    assert!(at("factor 1: an earlier PAM module") < at("factor 2: a method"));
    assert!(at("staff-push, department): no") < at("method: sms (SMS code), the factor's default"));
}

#[tokio::test]
async fn mission_row_8_it_by_push_and_everyone_else_by_sms() {
    let config = config(EXAMPLE);
    assert_eq!(comes_to(&config, "alice", "").await, "staff-push");
    assert_eq!(comes_to(&config, "bob", "").await, "sms");
    assert_eq!(
        comes_to(&config, "carla", "").await,
        "sms",
        "known to the second profile alone"
    );
    assert_eq!(comes_to(&config, "nobody", "").await, "deny");
}

#[tokio::test]
async fn mission_row_7_without_policies_everybody_gets_the_default_and_the_first_match_counts() {
    assert_eq!(comes_to(&with_policies(""), "bob", "").await, "staff-push");
    let both = policy("attribute = \"department\"\nvalues = [\"Sales\"]")
        + "[[policy]]\nprofile = \"sms\"\nauth_profile = \"corp\"\nattribute = \"department\"\nvalues = [\"*\"]\n";
    let first = with_policies(&both);
    assert_eq!(comes_to(&first, "bob", "").await, "staff-push");
    assert_eq!(comes_to(&first, "alice", "").await, "sms");
    assert_eq!(
        comes_to(&first, "carla", "").await,
        "deny",
        "both profiles have policies: no default"
    );
}

#[tokio::test]
async fn mission_row_5_every_attribute_and_any_of_its_values() {
    for (rest, user, expected) in [
        (
            r#"attribute = "memberOf"
values = ["eng"]"#,
            "alice",
            "staff-push",
        ),
        (
            r#"attribute = "MEMBEROF"
values = ["CN=VPN, OU=Groups, DC=example, DC=org"]"#,
            "alice",
            "staff-push",
        ),
        (
            r#"attribute = "memberOf"
values = ["groups"]"#,
            "alice",
            "sms",
        ),
        (
            r#"attribute = "mail"
values = ["robert@*"]"#,
            "bob",
            "staff-push",
        ),
        (
            r#"attribute = "mail"
regex = ["(bob|alice)@example\\.org"]"#,
            "bob",
            "staff-push",
        ),
        (
            r#"attribute = "mail"
regex = ["bob"]"#,
            "bob",
            "sms",
        ),
        (
            r#"attribute = "title"
values = ["*"]"#,
            "bob",
            "sms",
        ),
        (
            r#"attribute = "department"
values = ["sales"]
case = "exact""#,
            "bob",
            "sms",
        ),
    ] {
        assert_eq!(
            comes_to(&with_policies(&policy(rest)), user, "").await,
            expected,
            "{rest}"
        );
    }
    for (rest, expected) in [
        ("attribute = \"username\"\nvalues = [\"carla\"]", "staff-push"),
        ("attribute = \"username\"\nvalues = [\"Carla\"]", "sms"),
        ("attribute = \"group_name\"\nvalues = [\"wh*\"]", "staff-push"),
        ("attribute = \"email\"\nvalues = [\"carla@example.org\"]", "staff-push"),
        ("attribute = \"mobile\"\nregex = [\"\\\\+1 .*\"]", "staff-push"),
    ] {
        let local = policy(rest).replace("\"corp\"", "\"local\"");
        assert_eq!(comes_to(&with_policies(&local), "carla", "").await, expected, "{rest}");
    }
}

#[tokio::test]
async fn a_condition_narrows_a_policy_by_network_service_and_time() {
    let office = with_policies(&policy("networks = [\"10.0.0.0/8\", \"2001:db8::/32\"]"));
    assert_eq!(comes_to(&office, "bob", "from = \"10.1.2.3\"").await, "staff-push");
    assert_eq!(comes_to(&office, "bob", "from = \"2001:db8::7\"").await, "staff-push");
    assert_eq!(comes_to(&office, "bob", "from = \"192.0.2.7\"").await, "sms");
    assert_eq!(
        comes_to(&office, "bob", "").await,
        "sms",
        "no address lies in no network"
    );

    let hours = r#"attribute = "department"
values = ["IT-*"]
when = { days = ["mon-fri"], from = "08:00", until = "18:00", zone = "Europe/Berlin" }"#;
    let hours = with_policies(&policy(hours));
    assert_eq!(
        comes_to(&hours, "alice", "").await,
        "staff-push",
        "it is nine in Berlin"
    );
    assert_eq!(
        comes_to(&hours, "alice", "at = \"2026-11-25T19:00+01:00\"").await,
        "sms"
    );
    assert_eq!(
        comes_to(&hours, "alice", "at = \"2026-11-28T12:00+01:00\"").await,
        "sms",
        "a Saturday"
    );
    assert_eq!(comes_to(&hours, "bob", "").await, "sms", "the attribute still counts");

    let service = with_policies(&policy("services = [\"sshd\"]"));
    assert_eq!(comes_to(&service, "bob", "").await, "staff-push");
}

#[tokio::test]
async fn a_policy_whose_profile_does_not_know_the_user_says_no() {
    let unknown = policy("networks = [\"10.0.0.0/8\"]").replace("\"corp\"", "\"local\"");
    let config = with_policies(&unknown);
    assert_eq!(comes_to(&config, "alice", "from = \"10.0.0.1\"").await, "sms");
    assert_eq!(comes_to(&config, "carla", "from = \"10.0.0.1\"").await, "staff-push");
}

#[test]
fn a_policy_that_no_login_comes_to_is_warned_of() {
    let hidden = policy("attribute = \"department\"\nvalues = [\"IT-*\"]")
        + &policy("attribute = \"department\"\nvalues = [\"it-ops\"]");
    let warned = |policies: &str| {
        let config = with_policies(policies);
        let texts = config.warnings.iter().map(ToString::to_string);
        texts
            .filter(|text| text.contains("no login comes to this policy"))
            .collect::<Vec<_>>()
    };
    let warnings = warned(&hidden);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("agentd.toml:30: "), "{warnings:?}");
    assert!(
        warnings[0].contains("agentd.toml:25"),
        "it names the earlier one: {warnings:?}"
    );
    for fine in [
        policy("attribute = \"department\"\nvalues = [\"IT\"]")
            + &policy("attribute = \"department\"\nvalues = [\"IT*\"]"),
        policy("attribute = \"department\"\nvalues = [\"*\"]\nnetworks = [\"10.0.0.0/8\"]")
            + &policy("attribute = \"department\"\nvalues = [\"IT\"]"),
        policy("attribute = \"department\"\nvalues = [\"*\"]") + &policy("attribute = \"title\"\nvalues = [\"IT\"]"),
        policy("attribute = \"department\"\nvalues = [\"*\"]")
            + &policy("attribute = \"department\"\nvalues = [\"IT\"]").replace("\"corp\"", "\"local\""),
    ] {
        assert_eq!(warned(&fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn the_manuals_recipes_are_configurations() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/setup/4-policies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let policies: Vec<&str> = blocks.filter(|block| block.contains("[[policy]]")).collect();
    assert!(policies.len() >= 6, "{}", policies.len());
    let (profiles, rest) = EXAMPLE.split_once("[[policy]]").unwrap();
    let application = &rest[rest.find("[[application]]").unwrap()..];
    let oncall = "[[push_profile]]\nname = \"oncall-push\"\nfallback_auth_profiles = [\"corp\"]\nassurance = \"tap\"\n";
    for block in policies {
        let application = if block.contains("[[application]]") {
            ""
        } else {
            application
        };
        let config = config(&format!("{profiles}{oncall}{block}{application}"));
        assert!(!config.policies.is_empty());
    }
}
