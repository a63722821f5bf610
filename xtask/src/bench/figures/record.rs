//! What the record costs a decision: the same refusal with the audit file and without it, by syslog's line and by journald's
//! fields. In turn, as the agent is told between rounds where to write.

use super::Options;
use super::row::{Row, Samples};
use super::wire::Dialogue;
use assent_tests::journal::Journal;
use assent_tests::product::Site;
use assent_wire::{ToModule, VerdictCode};
use std::time::Instant;

const ROUNDS: usize = 5;

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 50 } else { 1000 };
    let site = Site::open();
    let journal = Journal::listen();
    let configuration = |log: &str| format!("{}\n[log]\n{log}\n", site.configuration());
    let [mut nowhere, mut line, mut fields] = [(); 3].map(|()| Samples::default());
    for _ in 0..ROUNDS {
        for (log, took) in [
            ("format = \"rfc3164\"\naudit_file = \"/dev/null\"", &mut nowhere),
            ("format = \"rfc3164\"", &mut line),
            ("format = \"auto\"", &mut fields),
        ] {
            site.agent.reload_with(&configuration(log)).expect_success();
            for _ in 0..times {
                let began = Instant::now();
                let mut login = Dialogue::begin("unheard-of", "alice");
                let ToModule::Verdict(verdict) = login.hear() else {
                    panic!("a service that nobody lists is asked nothing");
                };
                took.push(began.elapsed().as_secs_f64() * 1e6);
                assert_eq!(verdict.code, VerdictCode::Denied);
            }
        }
    }
    // A checkpoint may be among them.
    assert!(journal.raw().len() >= ROUNDS * times, "one entry a decision");
    vec![
        Row::of("a decision with its record in the audit file", "µs", &line)
            .beside(&nowhere)
            .note("beside the same with the file at /dev/null; a line to syslog in both"),
        Row::of("a decision with fields to the journal", "µs", &fields)
            .beside(&line)
            .note("beside a line to syslog; the audit file in both"),
    ]
}
