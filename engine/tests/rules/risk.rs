//! MISSION row 19: conditions on risk in a site's own tests, and what a policy that denies or waives does to a list.

use crate::company::{EXAMPLE, comes_to, config, run};
use assent_engine::config::{Config, load_str};
use proptest::prelude::*;

const PLACES: &str = "[location]\ndatabase = \"/nowhere.mmdb\"\n";

/// The example with a data base of places, these policies, and this floor.
fn site(policies: &str, floor: &str) -> String {
    let (head, tail) = EXAMPLE.split_once("[[policy]]").unwrap();
    let (_, tail) = tail.split_once("[[application]]").unwrap();
    format!("{PLACES}{head}{policies}\n[[application]]{tail}{floor}\n")
}

fn policy(rest: &str) -> String {
    format!("[[policy]]\npush_profile = \"staff-push\"\nauth_profile = \"corp\"\n{rest}\n")
}

fn with(rest: &str) -> Config {
    config(&site(&policy(rest), ""))
}

/// Whoever a policy of the push profile does not take gets the SMS profile.
#[tokio::test]
async fn mission_row_19_each_condition_holds_for_what_it_says() {
    let from = "from = \"192.0.2.7\"\n";
    let (yes, no) = ("staff-push", "sms");
    for (rest, more, expected) in [
        ("countries = [\"DE\", \"AT\"]", "country = \"AT\"", yes),
        ("countries = [\"DE\", \"AT\"]", "country = \"NO\"", no),
        ("countries = [\"DE\"]", "", no),
        ("not_countries = [\"DE\"]", "country = \"DE\"", no),
        ("not_countries = [\"DE\"]", "country = \"NO\"", yes),
        ("not_countries = [\"DE\"]", "", yes),
        ("new_address = true", "new_address = true", yes),
        ("new_address = true", "new_address = false", no),
        ("new_address = false", "new_address = false", yes),
        ("new_address = false", "new_address = true", no),
        ("new_country = true", "new_country = true", yes),
        ("new_country = false", "new_country = true", no),
        ("impossible_travel = true", "impossible_travel = true", yes),
        ("impossible_travel = true", "impossible_travel = false", no),
        ("impossible_travel = true", "new_address = true", no),
        ("impossible_travel = false", "new_address = true", no),
        ("impossible_travel = false", "impossible_travel = false", yes),
        (
            "recent_denials = { at_least = 2, within_minutes = 30 }",
            "recent_denials = 2",
            yes,
        ),
        (
            "recent_denials = { at_least = 2, within_minutes = 30 }",
            "recent_denials = 1",
            no,
        ),
        ("first_factor = [\"key\"]", "key = true", yes),
        ("first_factor = [\"key\"]", "", no),
        ("first_factor = [\"stack\"]", "", yes),
        ("first_factor = [\"password\", \"none\"]", "", no),
        // All of them together.
        (
            "countries = [\"DE\"]\nnew_address = true",
            "country = \"DE\"\nnew_address = false",
            no,
        ),
        (
            "countries = [\"DE\"]\nattribute = \"department\"\nvalues = [\"Sales\"]",
            "country = \"DE\"",
            no,
        ),
    ] {
        assert_eq!(
            comes_to(&with(rest), "alice", &format!("{from}{more}\n")).await,
            expected,
            "{rest}, {more}"
        );
    }
}

#[tokio::test]
async fn mission_row_19_this_machine_lies_in_no_country_and_what_is_not_remembered_cannot_be_told() {
    for rest in [
        "countries = [\"DE\"]",
        "not_countries = [\"DE\"]",
        "new_address = true",
        "new_country = false",
    ] {
        assert_eq!(
            comes_to(&with(rest), "alice", "new_address = true\n").await,
            "sms",
            "{rest}"
        );
    }
    let unasked = comes_to(&with("new_address = true"), "alice", "from = \"192.0.2.7\"\n").await;
    assert_eq!(unasked, "deny");
}

#[tokio::test]
async fn mission_row_19_a_policy_raises_chooses_another_method_denies_or_waives() {
    let from = "from = \"192.0.2.7\"\nnew_address = false\n";
    let abroad = "not_countries = [\"DE\"]\n";
    let denies = config(&site(&policy(&format!("{abroad}action = \"deny\"")), ""));
    let home = format!("{from}country = \"DE\"\n");
    let away = format!("{from}country = \"NO\"\n");
    assert_eq!(comes_to(&denies, "alice", &away).await, "deny");
    // A policy that only denies takes the profile from nobody else.
    assert_eq!(comes_to(&denies, "alice", &home).await, "staff-push");
    let raises = config(&site(&policy(&format!("{abroad}assurance = \"number\"")), ""));
    let why = run(
        &raises,
        &format!("[[test]]\nuser = \"alice\"\nservice = \"sshd\"\nexpect = \"deny\"\n{away}"),
    )
    .await;
    assert!(
        why[0].why.iter().any(|line| line.contains("assurance: number: number")),
        "{:?}",
        why[0].why
    );
    let waives = policy("new_address = false\nfirst_factor = [\"key\"]\naction = \"waive\"");
    let waived = config(&site(&waives, "floor = \"bypass\""));
    assert_eq!(
        comes_to(&waived, "alice", &format!("{home}key = true\n")).await,
        "waived"
    );
    assert_eq!(comes_to(&waived, "alice", &home).await, "staff-push");
    let floor = config(&site(&waives, ""));
    assert_eq!(
        comes_to(&floor, "alice", &format!("{home}key = true\n")).await,
        "staff-push"
    );
    assert!(
        floor.warnings.iter().any(|w| w.what.contains("would waive")),
        "{:?}",
        floor.warnings
    );
    let ssh = waived.application("sshd").unwrap();
    assert_eq!(waived.waivers(ssh).count(), 1);
    assert_eq!(floor.waivers(floor.application("sshd").unwrap()).count(), 0);
}

#[test]
fn mission_row_19_what_can_mean_nothing_is_refused() {
    for (rest, words) in [
        ("countries = [\"de\"]", "\"de\", which is no country's code"),
        ("not_countries = [\"DEU\"]", "\"DEU\", which is no country's code"),
        (
            "first_factor = [\"fingerprint\"]",
            "\"fingerprint\", which is no factor",
        ),
        (
            "recent_denials = { at_least = 0, within_minutes = 30 }",
            "recent_denials asks for 0",
        ),
        (
            "recent_denials = { at_least = 1, within_minutes = 1441 }",
            "within 1441 minutes",
        ),
        (
            "new_address = true\naction = \"admit\"",
            "action = \"admit\" is not known",
        ),
        (
            "new_address = true\naction = \"deny\"\nassurance = \"number\"",
            "the policy's action is not to use one",
        ),
        ("action = \"waive\"", "the policy asks for nothing"),
    ] {
        let found = load_str("agentd.toml", &site(&policy(rest), ""))
            .unwrap_err()
            .to_string();
        assert!(found.contains(words), "{words} in {found}");
    }
    let nowhere = site(&policy("new_country = true"), "").replacen(PLACES, "", 1);
    let found = load_str("agentd.toml", &nowhere).unwrap_err().to_string();
    assert!(found.contains("there is no [location]"), "{found}");
}

fn condition() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "countries = [\"DE\"]",
        "not_countries = [\"DE\"]",
        "new_address = true",
        "new_address = false",
        "new_country = true",
        "recent_denials = { at_least = 1, within_minutes = 5 }",
        "first_factor = [\"key\"]",
        "attribute = \"department\"\nvalues = [\"IT*\"]",
    ])
}

fn action() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["use", "use", "deny", "waive"])
}

fn login() -> impl Strategy<Value = String> {
    let country = proptest::sample::select(vec!["", "country = \"DE\"\n", "country = \"NO\"\n"]);
    (country, any::<bool>(), any::<bool>(), 0..3u8, any::<bool>()).prop_map(|(country, address, new, denials, key)| {
        format!(
            "from = \"192.0.2.7\"\n{country}new_address = {address}\nnew_country = {new}\nrecent_denials = {denials}\nkey = {key}\n"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever policies there are, one more that denies lets nobody in who was not let in before, nor by less.
    #[test]
    fn mission_row_19_a_policy_that_denies_never_admits_anybody_new(
        list in proptest::collection::vec((condition(), action()), 0..4),
        denial in condition(),
        place in 0..5usize,
        login in login(),
    ) {
        let mut policies: Vec<String> = list
            .iter()
            .map(|(condition, action)| policy(&format!("{condition}\naction = \"{action}\"")))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let comes = |policies: &[String]| {
            let site = config(&site(&policies.concat(), "floor = \"bypass\""));
            runtime.block_on(comes_to(&site, "alice", &login))
        };
        let before = comes(&policies);
        policies.insert(place.min(policies.len()), policy(&format!("{denial}\naction = \"deny\"")));
        let after = comes(&policies);
        prop_assert!(after == "deny" || after == before, "{before} became {after}");
    }

    /// Nothing is waived where the floor does not say so by name.
    #[test]
    fn mission_row_19_nothing_is_waived_without_the_floor(
        list in proptest::collection::vec((condition(), action()), 0..4),
        login in login(),
    ) {
        let policies: String = list
            .iter()
            .map(|(condition, action)| policy(&format!("{condition}\naction = \"{action}\"")))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(comes_to(&config(&site(&policies, "")), "alice", &login));
        prop_assert_ne!(got, "waived");
    }
}
