//! How long a login takes to come to the end that was decided for an outage: the first one after it began, and those that
//! follow once it is known. By turns a part that refuses connections and one that hangs. From the typed password to the
//! verdict.

use super::Options;
use super::row::{Judged, Row, Samples};
use super::wire::Dialogue;
use assent_tests::namespace::{self, Network};
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
            // A world each: a site is opened once in one.
            let round = std::thread::spawn(move || one_outage(part, how, later));
            let (at_first, afterwards) = round.join().expect("it has said why it failed");
            first.push(at_first);
            for ms in afterwards {
                known.push(ms);
            }
        }
        rows.push(Row::of(format!("{name}, first login"), "ms", &first).judged(Judged::AtMost, FIRST));
        rows.push(Row::of(format!("{name}, known"), "ms", &known).judged(Judged::AtMost, KNOWN));
    }
    rows
}

/// Ways out: to a second profile when the directory is away, to codes when the gateway is (they are away with it, so that
/// this is the time of two failures and the denial).
fn with_ways(usual: String) -> String {
    let usual = usual.replacen("name = \"corp\"", "name = \"corp\"\non_unreachable = \"next\"", 1);
    let plain = "factors = [[\"corp\"], [\"staff-push\"]]";
    let ways = "factors = [[\"corp\", \"local\"], [\"staff-push\"]]\nfloor = \"totp\"\non_failure = { gateway = [\"totp\"], codes = [\"recovery\"] }";
    let profile =
        |kind: &str| format!("\n[[{kind}_profile]]\nname = \"{kind}\"\nfallback_auth_profiles = [\"corp\"]\n");
    usual.replace(plain, ways) + &profile("totp") + &profile("recovery")
}

/// Milliseconds of the first login after an outage began, and of those after it.
fn one_outage(part: Part, how: How, later: usize) -> (f64, Vec<f64>) {
    namespace::furnish(Network::Own).expect("a world");
    let mut site = Site::open_with(with_ways);
    let _device = site.enrol(USER);
    begin_outage(&mut site, part, how);
    let first = denied();
    // A probe of two seconds finds a silence.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let known = (0..later).map(|_| denied()).collect();
    if how == How::Hangs {
        signal(&mut site, part, Signal::SIGCONT);
    }
    (first, known)
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
