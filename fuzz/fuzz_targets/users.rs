//! `users.toml`: any bytes are read, or refused with flaws that stand in the file; whoever is listed is found.
#![no_main]

use assent_engine::directory::local::Users;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    match Users::parse(content) {
        Ok(users) => {
            for user in users.iter() {
                assert!(
                    users.find(&user.name).is_some_and(|found| found == user),
                    "somebody is lost"
                );
                let _ = user.account(1_800_000_000);
            }
        }
        Err(flaws) => {
            let lines = content.split(|byte| *byte == b'\n').count();
            assert!(!flaws.0.is_empty(), "refused without a flaw");
            for flaw in &flaws.0 {
                assert!((1..=lines).contains(&flaw.line), "a flaw outside the file: {flaw:?}");
                let shown = flaw.to_string();
                assert!(!shown.chars().any(|c| c.is_control()), "control characters: {shown:?}");
            }
        }
    }
});
