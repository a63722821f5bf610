//! How long a login takes to come to what was decided for an outage: the first one after it began, and those that follow once
//! it is known. By turns a part that refuses connections and one that hangs. From the typed password to the agent's next word.

use super::Options;
use super::row::{Judged, Row, Samples};
use super::wire::Dialogue;
use assent_tests::product::{Site, password};
use assent_wire::VerdictCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const USER: &str = "alice";
const SERVICE: &str = "sshd";
/// Milliseconds within which the next method is offered, or the login denied.
const FIRST: f64 = 3000.0;
/// The same once the outage is known.
const KNOWN: f64 = 200.0;

/// What is away.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Gateway,
    Directory,
}

/// How.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Refuses,
    Hangs,
}

pub fn rows(options: &Options) -> Vec<Row> {
    let (rounds, later) = if options.quick { (2, 5) } else { (5, 20) };
    let mut rows = Vec::new();
    for (part, how, name) in [
        (Part::Gateway, How::Refuses, "the gateway refuses connections"),
        (Part::Gateway, How::Hangs, "the gateway hangs"),
        (Part::Directory, How::Refuses, "the directory refuses connections"),
        (Part::Directory, How::Hangs, "the directory hangs"),
    ] {
        let [mut first, mut known] = [Samples::default(), Samples::default()];
        for _ in 0..rounds {
            let mut site = Site::open();
            let _device = site.enrol(USER);
            begin_outage(&mut site, part, how);
            first.push(denied());
            for _ in 0..later {
                known.push(denied());
            }
            if how == How::Hangs {
                signal(&mut site, part, Signal::SIGCONT);
            }
        }
        rows.push(Row::of(format!("{name}, first login"), "ms", &first).judged(Judged::AtMost, FIRST));
        rows.push(Row::of(format!("{name}, known"), "ms", &known).judged(Judged::AtMost, KNOWN));
    }
    rows
}

fn begin_outage(site: &mut Site, part: Part, how: How) {
    match (part, how) {
        (Part::Gateway, How::Refuses) => site.gateway.stop(),
        (Part::Directory, How::Refuses) => site.slapd.stop(),
        (_, How::Hangs) => signal(site, part, Signal::SIGSTOP),
    }
}

fn signal(site: &mut Site, part: Part, signal: Signal) {
    let pid = match part {
        Part::Gateway => site.gateway.service().pid(),
        Part::Directory => site.slapd.pid().expect("it runs"),
    };
    let pid = i32::try_from(pid).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("a process of ours");
}

/// Milliseconds from the password to the denial that the configuration names for an outage.
fn denied() -> f64 {
    let mut login = Dialogue::begin(SERVICE, USER);
    login.wait_for_the_prompt();
    let (took, verdict) = login.answer(password(USER));
    assert_eq!(verdict.code, VerdictCode::Denied, "nobody gets in by an outage");
    took
}
