//! A site's table of policy tests: any text is read, or refused with problems that stand in it.
#![no_main]

use assent_engine::config::{Config, load_str};
use assent_engine::policy_test::Tests;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = include_str!("../seeds/configuration/site.toml");
    load_str("agentd.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
});

fuzz_target!(|text: &str| {
    if let Err(problems) = Tests::read(Path::new("tests.toml"), text, &CONFIG) {
        let lines = text.split('\n').count();
        assert!(!problems.0.is_empty(), "refused without a problem");
        for problem in &problems.0 {
            assert!(
                problem.line.is_none_or(|line| (1..=lines).contains(&line)),
                "a problem outside the file: {problem:?}"
            );
            let shown = format!("{} {}", problem.what, problem.mend);
            assert!(
                !shown.chars().any(|c| c.is_control()),
                "control characters reach the terminal: {shown:?}"
            );
        }
    }
});
