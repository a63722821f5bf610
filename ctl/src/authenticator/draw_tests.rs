use super::super::samples::{host, request};
use super::*;

#[test]
fn r8_r13_the_level_says_what_an_approval_takes_on_this_device() {
    let host = host("web01");
    let number = "the number on the terminal that asks";
    for (level, lock, has_passkey, says, says_not) in [
        (Level::Tap, false, false, vec!["tap: approving is enough"], vec!["key"]),
        (Level::Number, false, false, vec!["number: ", number], vec!["key"]),
        (Level::Tap, true, true, vec!["the security key"], vec!["cannot", number]),
        (
            Level::Number,
            true,
            true,
            vec![number, "the security key"],
            vec!["cannot"],
        ),
        (
            Level::Passkey,
            false,
            true,
            vec!["passkey: ", "the security key"],
            vec!["cannot"],
        ),
        (Level::Tap, true, false, vec!["cannot approve it"], vec![]),
        (Level::Number, true, false, vec!["number", "cannot approve it"], vec![]),
        (
            Level::Passkey,
            false,
            false,
            vec!["passkey: ", "cannot approve it"],
            vec![],
        ),
    ] {
        let mut request = request(&host, "sshd");
        (request.statement.level, request.statement.lock) = (level, lock);
        let lines = details(&request, 60, 1, has_passkey, Charset::Utf8);
        let at = lines.iter().position(|line| line.starts_with("| Level"));
        let told: String = lines[at.unwrap_or(0)..].join(" ");
        let told = told
            .split_whitespace()
            .filter(|word| *word != "|")
            .collect::<Vec<_>>()
            .join(" ");
        let told = told.split("Login id").next().unwrap_or_default();
        assert!(says.iter().all(|word| told.contains(word)), "{told}");
        assert!(!says_not.iter().any(|word| told.contains(word)), "{told}");
    }
}
