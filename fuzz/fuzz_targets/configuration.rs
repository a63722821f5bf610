//! The agent's configuration: any text is accepted or refused with problems that stand in it, each with its cause.
#![no_main]

use assent_engine::config::load_str;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = load_str("agentd.toml", text) {
        let lines = text.split('\n').count();
        assert!(!problems.0.is_empty(), "refused without a problem");
        for problem in &problems.0 {
            assert!(!problem.what.is_empty(), "a problem without a cause");
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
