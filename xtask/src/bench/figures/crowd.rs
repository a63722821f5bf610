//! 500 people who type their passwords in the same moment, on one agent with an LDAP factor: when the last one knows,
//! what the agent holds in memory, and how many connections the directory sees.

use super::Options;
use super::ldap::{LDAPS, with_profiles};
use super::memory::{kib, resident_kib};
use super::row::{Row, Samples, ms_since, number};
use super::wire::Dialogue;
use assent_tests::company::BASE;
use assent_tests::patience;
use assent_tests::product::Site;
use assent_wire::VerdictCode;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const PEOPLE: u32 = 500;
/// For buffers to be given back after the last verdict.
const SETTLE: Duration = Duration::from_secs(3);
/// `ESTABLISHED` in the kernel's table of TCP sockets.
const ESTABLISHED: &str = "01";

pub fn rows(_: &Options) -> Vec<Row> {
    let mut site = Site::open_with(with_profiles);
    site.slapd.add(&people());
    known_to_the_name_service();
    let pid = site.agent.service().pid();
    let mut one_by_one = Samples::default();
    for number in 0..50 {
        let (took, verdict) = begin(number).answer(&password(number));
        assert_eq!(verdict.code, VerdictCode::Approved, "{}", verdict.text);
        one_by_one.push(took);
    }
    let before = site.slapd.operations();
    let idle = resident_kib(pid);
    let waiting: Vec<Dialogue> = (0..PEOPLE).map(begin).collect();
    forget_the_peak(pid);
    let port = site
        .slapd
        .tls_url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let watch = Watch::begin(pid, port.expect("a port"));
    let crowd = all_at_once(waiting);
    let most = watch.end();
    let peak = kib(pid, "VmHWM:");
    let done = site.slapd.operations().since(&before);
    let mut after = f64::NAN;
    let _: Option<()> = patience::until(SETTLE, || {
        after = resident_kib(pid);
        None
    });
    let refused = crowd.others;
    let sequential = one_by_one.median() * f64::from(PEOPLE);
    vec![
        Row::new("500 logins at once with an LDAP factor, until the last verdict", "ms", crowd.last)
            .beside_one(sequential)
            .note(format!(
                "LDAPS, {PEOPLE} people, clients and slapd on the same cores; {refused} were not approved; beside as many one after another (median × {PEOPLE})"
            )),
        Row::of("500 logins at once, each one's wait", "ms", &crowd.each).note("password typed → verdict"),
        Row::new("agent, resident at the peak of 500 logins at once", "MiB", peak / 1024.0)
            .beside_one(idle / 1024.0)
            .note("beside what it held before them"),
        Row::new("agent, resident 3 s after 500 logins at once", "MiB", after / 1024.0)
            .beside_one(idle / 1024.0)
            .note("beside what it held before them"),
        Row::new("connections to slapd at the peak of 500 logins at once", "", number(most)).note(format!(
            "the profile's max_binds is the usual one; in all {} connections, {} binds, {} searches",
            done.connections,
            done.binds.len(),
            done.searches.len()
        )),
    ]
}

/// The people of the crowd, as LDIF.
fn people() -> String {
    (0..PEOPLE).fold(String::new(), |mut ldif, number| {
        let name = name(number);
        // Writing to a String cannot fail.
        let _ = writeln!(
            ldif,
            "dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n\
             userPassword: {}\n",
            password(number)
        );
        ldif
    })
}

/// In this world's own `/etc/passwd`.
fn known_to_the_name_service() {
    let file = "/etc/passwd";
    let mut passwd = std::fs::read_to_string(file).expect("this world's users");
    for number in 0..PEOPLE {
        let id = 20_000 + number;
        // Writing to a String cannot fail.
        let _ = writeln!(passwd, "{}:x:{id}:{id}::/nonexistent:/bin/sh", name(number));
    }
    std::fs::write(file, passwd).expect("this world's users");
}

fn name(number: u32) -> String {
    format!("crowd{number}")
}

fn password(number: u32) -> String {
    format!("one of {PEOPLE}, namely {number}")
}

/// A login that waits for its password.
fn begin(number: u32) -> Dialogue {
    let mut dialogue = Dialogue::begin(LDAPS, &name(number));
    dialogue.wait_for_the_prompt();
    dialogue
}

struct Crowd {
    each: Samples,
    last: f64,
    /// How many were not approved.
    others: usize,
}

fn all_at_once(waiting: Vec<Dialogue>) -> Crowd {
    let start = Arc::new(Barrier::new(waiting.len() + 1));
    let typing: Vec<_> = (0..)
        .zip(waiting)
        .map(|(number, dialogue)| {
            let start = start.clone();
            std::thread::spawn(move || {
                start.wait();
                dialogue.answer(&password(number))
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    let mut crowd = Crowd {
        each: Samples::default(),
        last: 0.0,
        others: 0,
    };
    for one in typing {
        let (took, verdict) = one.join().expect("a verdict");
        crowd.each.push(took);
        if verdict.code != VerdictCode::Approved {
            crowd.others += 1;
        }
    }
    crowd.last = ms_since(began);
    crowd
}

/// Has the kernel count the process's peak from now on (proc(5), `clear_refs`).
fn forget_the_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak is counted anew");
}

/// Counts a process's network's connections to a port until it is told to end.
struct Watch {
    over: Arc<AtomicBool>,
    counting: std::thread::JoinHandle<u64>,
}

impl Watch {
    fn begin(pid: u32, port: u16) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let counting = std::thread::spawn(move || {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).expect("the table of sockets");
                most = most.max(to_port(&table, port));
                // Often enough for connections that live for milliseconds, without a core of its own.
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        Self { over, counting }
    }

    /// The most that there were at once.
    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.counting.join().expect("a count")
    }
}

fn to_port(table: &str, port: u16) -> u64 {
    let remote = format!(":{port:04X}");
    let lines = table.lines().skip(1).filter(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let (address, state) = (fields.next(), fields.next());
        address.is_some_and(|address| address.ends_with(&remote)) && state == Some(ESTABLISHED)
    });
    lines.map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_established_connections_to_the_port_count() {
        let table = "  sl  local_address rem_address   st\n\
                     0: 0100007F:9C40 0100007F:0F3D 01 0\n\
                     1: 0100007F:0F3D 0100007F:9C40 01 0\n\
                     2: 0100007F:9C42 0100007F:0F3D 06 0\n";
        assert_eq!(to_port(table, 3901), 1);
    }
}
