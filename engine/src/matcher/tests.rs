//! The matcher against what a policy's author means, and against a naive reference.

use super::*;
use proptest::prelude::*;

fn values(values: &[&str], syntax: Syntax) -> Values {
    Values {
        syntax,
        values: values.iter().map(|value| Outside::new(value.as_bytes())).collect(),
    }
}

fn matcher(patterns: &[&str], regexes: &[&str], exact: bool, syntax: Syntax) -> Result<Matcher, Vec<MatcherError>> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Matcher::new(&owned(patterns), &owned(regexes), exact, syntax)
}

fn hit(pattern: &str, value: &str, syntax: Syntax) -> bool {
    let values = values(&[value], syntax);
    matcher(&[pattern], &[], false, syntax)
        .unwrap()
        .find(&Prepared::new(&values))
        .is_some()
}

fn regex_hit(regex: &str, value: &str, exact: bool, syntax: Syntax) -> bool {
    let values = values(&[value], syntax);
    matcher(&[], &[regex], exact, syntax)
        .unwrap()
        .find(&Prepared::new(&values))
        .is_some()
}

#[test]
fn mission_row_6_wildcards_match_any_run_the_empty_one_too() {
    for (pattern, value, expected) in [
        ("IT", "it", true),
        ("IT", "IT-Ops", false),
        ("IT-*", "it-ops", true),
        ("IT*", "IT", true),
        ("*", "", true),
        ("*ops", "DevOps", true),
        ("a*b*a", "aba", true),
        ("ab*ba", "aba", false),
        ("a**b", "ab", true),
        (r"5\*", "5*", true),
        (r"5\*", "50", false),
        (r"a\\b", r"a\b", true),
    ] {
        assert_eq!(hit(pattern, value, Syntax::Text), expected, "{pattern} {value}");
    }
    assert!(!hit("alice", "Alice", Syntax::ExactText));
    assert!(matcher(&[r"a\b"], &[], false, Syntax::Text).is_err());
    assert!(matcher(&[], &[], false, Syntax::Text).is_err());
}

#[test]
fn mission_row_5_a_dn_compares_by_what_it_means() {
    let stored = "cn=Eng,ou=groups,dc=example,dc=org";
    for (pattern, expected) in [
        ("CN=eng, OU=Groups, DC=example, DC=org", true),
        ("cn=eng,*", true),
        ("*,ou=groups,dc=example,dc=org", true),
        ("cn=e*,ou=groups,*", true),
        ("cn=en,ou=groups,dc=example,dc=org", false),
        ("cn=eng", false),
        ("ou=groups,dc=example,dc=org", false),
    ] {
        assert_eq!(hit(pattern, stored, Syntax::Dn), expected, "{pattern}");
    }
    let comma = r"CN=Lab\, Erin,OU=People,DC=ad";
    for pattern in [
        r"cn=lab\, erin,ou=people,dc=ad",
        r"cn=lab\2C erin,ou=people,dc=ad",
        r"cn=lab\, *,ou=people,dc=ad",
    ] {
        assert!(hit(pattern, comma, Syntax::Dn), "{pattern}");
    }
    assert!(!hit("cn=lab, erin,ou=people,dc=ad", comma, Syntax::Dn), "another name");
    assert!(hit(r"cn=\*,ou=x", "cn=*,ou=x", Syntax::Dn));
    assert!(!hit(r"cn=\*,ou=x", "cn=a,ou=x", Syntax::Dn));
}

#[test]
fn mission_row_5_a_group_may_be_named_without_its_dn() {
    let stored = "CN=IT-Ops,OU=Groups,DC=example,DC=org";
    for (pattern, expected) in [
        ("it-ops", true),
        ("IT-*", true),
        ("*", true),
        ("Groups", false),
        ("ops", false),
        ("IT-Ops,OU", false),
    ] {
        assert_eq!(hit(pattern, stored, Syntax::Dn), expected, "{pattern}");
    }
    assert!(
        hit("Lab, Erin", r"CN=Lab\, Erin,OU=x", Syntax::Dn),
        "a name needs no escapes"
    );
    assert!(regex_hit("it-(ops|dev)", stored, false, Syntax::Dn));
    assert!(!regex_hit("ops|groups", stored, false, Syntax::Dn));
    assert!(regex_hit("cn=it-.*,ou=groups,.*", stored, false, Syntax::Dn));
    assert!(!regex_hit("cn=it-.*,ou=groups,.*", stored, true, Syntax::Dn));
}

/// `*` is any run of characters, so also one that goes on into the next parts of the name.
#[test]
fn mission_row_6_a_star_in_a_dn_reaches_over_its_parts() {
    let stored = "cn=IT-Ops,ou=groups,dc=example,dc=org";
    for pattern in [
        "cn=IT*dc=example,dc=org",
        "cn=IT*ou=groups,*",
        "cn=*ou=*dc=example,dc=org",
    ] {
        assert!(hit(pattern, stored, Syntax::Dn), "{pattern}");
    }
}

/// The order in a multi-valued part does not count, nor the case of the types.
#[test]
fn mission_row_5_a_multi_valued_part_compares_whatever_its_types_case() {
    assert!(hit("SN=b+cn=a,ou=x", "CN=a+sn=b,ou=x", Syntax::Dn));
}

/// A capital sigma folds by its place in a word, so a piece must fold as the whole does.
#[test]
fn mission_row_6_a_star_behind_a_capital_sigma_matches() {
    assert!(hit("ΟΔΟΣ*", "ΟΔΟΣΑΡΧΗ", Syntax::Text));
}

#[test]
fn bytes_compare_as_hexadecimal_digits_or_as_a_guid() {
    let bytes = [
        0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xf0, 0xde, 1, 2, 3, 4, 5, 6, 7, 0xff,
    ];
    let values = Values {
        syntax: Syntax::Bytes,
        values: vec![Outside::new(bytes)],
    };
    for (pattern, expected) in [
        ("12345678-9abc-def0-0102-0304050607ff", true),
        ("12345678-9ABC-DEF0-0102-0304050607FF", true),
        ("78563412bc9af0de01020304050607ff", true),
        ("12345678-*", true),
        ("12345678-9abc-def0-0102-0304050607fe", false),
    ] {
        let matcher = matcher(&[pattern], &[], false, Syntax::Bytes).unwrap();
        assert_eq!(matcher.find(&Prepared::new(&values)).is_some(), expected, "{pattern}");
    }
}

#[test]
fn mission_row_6_a_regular_expression_covers_the_whole_value() {
    let text = Syntax::Text;
    assert!(regex_hit("IT|Ops", "ops", false, text));
    assert!(!regex_hit("IT|Ops", "ops", true, text));
    assert!(!regex_hit("IT", "ITX", false, text));
    assert!(!regex_hit("IT|Ops", "XOps", false, text));
    for bad in ["(", "a)|(b", r"\p{nope}", "(a{1000}){1000}"] {
        assert!(matcher(&[], &[bad], false, text).is_err(), "{bad}");
    }
}

#[test]
fn any_value_of_a_multi_valued_attribute_may_match() {
    let many = values(&["Sales", "IT-Ops", "IT-Dev"], Syntax::Text);
    let found = |pattern: &str| {
        matcher(&[pattern], &[], false, Syntax::Text)
            .unwrap()
            .find(&Prepared::new(&many))
    };
    assert_eq!(found("IT-*").as_deref(), Some("IT-Ops"), "the first that does");
    assert_eq!(found("HR"), None);
    let none = values(&[], Syntax::Text);
    assert_eq!(
        matcher(&["*"], &[], false, Syntax::Text)
            .unwrap()
            .find(&Prepared::new(&none)),
        None
    );
}

#[test]
fn what_covers_another_is_seen_where_it_shows() {
    let make = |pattern: &str, exact| matcher(&[pattern], &[], exact, Syntax::Text).unwrap();
    assert!(make("*", false).covers(&make("IT", false)));
    assert!(make("*", true).covers(&make("IT", false)));
    assert!(make("IT-*", false).covers(&make("it-ops", false)));
    assert!(make("IT", false).covers(&make("IT", true)));
    assert!(!make("IT", true).covers(&make("IT", false)));
    assert!(!make("IT-*", false).covers(&make("IT*", false)));
    let regex = matcher(&[], &["IT"], false, Syntax::Text).unwrap();
    assert!(!make("IT", false).covers(&regex));
    assert!(make("*", false).covers(&regex));
}

// Found by the fuzz target `matcher`.
#[test]
fn what_counts_case_covers_nothing_that_differs_in_it() {
    let make = |pattern: &str| matcher(&[pattern], &[], false, Syntax::ExactText).unwrap();
    assert!(!make("it-*").covers(&make("IT-Ops")));
    assert!(make("IT-*").covers(&make("IT-Ops")));
}

#[test]
fn a_letter_has_the_same_case_whatever_stands_around_it() {
    // A capital sigma has two small ones, and which is written depends on what follows.
    for (pattern, value) in [
        ("ΟΔΟΣ*", "ΟΔΟΣΗΜΑ"),
        ("*ΟΔΟΣ", "οδοσ"),
        ("οδος", "ΟΔΟΣ"),
        ("ΟΔΟΣ*", "οδος"),
    ] {
        assert!(hit(pattern, value, Syntax::Text), "{pattern} {value}");
    }
}

/// Whether `pattern` matches, by trying every length for every `*`.
fn naive(pattern: &[char], value: &[char]) -> bool {
    match pattern {
        [] => value.is_empty(),
        ['*', rest @ ..] => (0..=value.len()).any(|skip| naive(rest, &value[skip..])),
        ['\\', c, rest @ ..] | [c, rest @ ..] => value.first() == Some(c) && naive(rest, &value[1..]),
    }
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_a_naive_one(pattern in r"([ab*]|\\\*|\\\\){0,8}", value in r"[ab*\\]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(hit(&pattern, &value, Syntax::ExactText), naive(&chars(&pattern), &chars(&value)));
    }

    #[test]
    fn r61_a_dn_written_in_another_way_stays_the_same_name(
        parts in proptest::collection::vec(("[a-z]{1,3}", "[a-z,+=\\\\ #<>ë]{1,6}"), 1..4),
        blanks in 0_usize..3,
    ) {
        let gap = " ".repeat(blanks);
        let write = |hex: bool| parts.iter().map(|(name, value)| {
            let mut text = format!("{name}{gap}={gap}");
            for c in value.trim().chars() {
                match c {
                    _ if hex && !c.is_ascii_alphanumeric() => {
                        for byte in c.to_string().bytes() {
                            let _ = write!(text, "\\{byte:02x}");
                        }
                    }
                    ',' | '+' | '=' | '\\' | '#' | '<' | '>' => text.extend(['\\', c]),
                    c => text.push(c),
                }
            }
            text
        }).collect::<Vec<_>>().join(&format!("{gap},{gap}"));
        prop_assert_eq!(dn::canonical_whole(&write(false)), dn::canonical_whole(&write(true)));
    }
}
