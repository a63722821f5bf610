//! How many approvals one gateway process relays on one core, with event streams open.
//!
//! The gateway is bound to one core and this program to the others. Pushes and answers are sealed boxes of real size
//! that nobody opens: what is measured is the relay, not the keys at its ends. An approval is a push posted by the host,
//! heard by its device, answered by it, and the answer heard by the host.

mod load;
mod people;

use super::Options;
use super::http;
use super::row::{Judged, Row, number};
use crate::run;
use assent_tests::product::Gateway;
use nix::mount::{MsFlags, mount};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use people::People;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

const TARGET_PER_SECOND: f64 = 2000.0;
const TARGET_STREAMS: usize = 20_000;

/// What a process needs besides streams, here and at the gateway.
const OTHER_DESCRIPTORS: usize = 600;

/// Limits that one generous host needs, which stands for hundreds here.
const LIMITS: &str = "[limits]\nconnections = 60000\ncalls_per_host = 1000000\ncalls_per_device = 1000000\n\
                      calls_per_address = 1000000\n";

pub fn rows(options: &Options) -> Vec<Row> {
    let (wanted, seconds) = if options.quick { (2000, 6) } else { (TARGET_STREAMS, 20) };
    let streams = wanted.min(descriptors().saturating_sub(OTHER_DESCRIPTORS));
    on_the_disk();
    let mut gateway = on_one_core(|| Gateway::start_at(Ipv4Addr::LOCALHOST, LIMITS));
    assent_tests::accounts::add(assent_tests::product::AGENT_USER, None);
    gateway.join_this_host();
    let pid = gateway.service().pid();
    let tls = http::trusting(&gateway.ca_certificate());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (load, opened, memory) = runtime.block_on(async {
        let people = People::enrol(gateway.url(), &tls, load::WORKERS, streams).await;
        let before = resident_kib(pid);
        let began = Instant::now();
        let idle = people.open_streams(&tls).await;
        let opened = (idle.len(), began.elapsed());
        let each = (resident_kib(pid) - before) / number(opened.0 as u64).max(1.0);
        let load = load::run(&people, Duration::from_secs(seconds), || cpu_seconds(pid)).await;
        drop(idle);
        (load, opened, each)
    });
    let busy = load.cpu_seconds / load.seconds;
    let rate = load.approvals / load.seconds;
    let per_core = load.approvals / load.cpu_seconds;
    let held = format!(
        "{} event streams open ({} mailboxes, opened in {:.0} s), {} pushes in flight; relay.db: WAL, synchronous=NORMAL, on the disk under target/",
        opened.0,
        opened.0.div_ceil(people::STREAMS_OF_ONE),
        opened.1.as_secs_f64(),
        load::WORKERS,
    );
    let connected = Row::new("gateway, connected authenticators", "streams", number(opened.0 as u64));
    vec![
        Row::new("gateway on one core, approvals relayed a second", "1/s", rate)
            .judged(Judged::AtLeast, TARGET_PER_SECOND)
            .note(format!("{held}; its core was {:.0} % busy", busy * 100.0)),
        Row::new(
            "gateway, approvals relayed for each second of its CPU time",
            "1/s",
            per_core,
        )
        .note("what it would relay if the load were endless; no target of its own"),
        Row::of(
            "gateway, push posted to answer heard, under that load",
            "ms",
            &load.latency,
        ),
        if streams < TARGET_STREAMS {
            connected.note(format!(
                "not judged: {}",
                if options.quick {
                    "--quick opens 2,000"
                } else {
                    "this machine lets a process have no more descriptors"
                }
            ))
        } else {
            connected
                .judged(Judged::AtLeast, number(TARGET_STREAMS as u64))
                .note("each on a TLS connection of its own")
        },
        Row::new("gateway, resident for each connected authenticator", "KiB", memory),
    ]
}

/// Lays a directory on the disk where the world would have memory: a relay's data base must pay for its commits.
fn on_the_disk() {
    let on_disk = run::built("bench").join("gateway-state");
    let _ = std::fs::remove_dir_all(&on_disk);
    let state = Path::new("/var/lib/assent-gateway");
    for directory in [on_disk.as_path(), state] {
        std::fs::create_dir_all(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    }
    let none = None::<&str>;
    mount(Some(&on_disk), state, none, MsFlags::MS_BIND, none).expect("a place on the disk");
}

/// Starts something on the first core alone, and keeps this thread off it from then on.
fn on_one_core<T>(start: impl FnOnce() -> T) -> T {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut first = CpuSet::new();
    first.set(0).expect("a first core");
    let this = Pid::from_raw(0);
    sched_setaffinity(this, &first).expect("one core");
    let started = start();
    let mut others = CpuSet::new();
    for core in 1..cores.max(2) {
        let _ = others.set(core);
    }
    // On a machine of one core there are no others.
    let _ = sched_setaffinity(this, &others);
    started
}

/// How many a process may have, here and in the gateway that it starts.
fn descriptors() -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    usize::try_from(soft).unwrap_or(usize::MAX)
}

/// Processor time of a process so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the gateway's counters");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    // utime and stime, counted from the state; the kernel reports hundredths on every architecture.
    number(ticks(11) + ticks(12)) / 100.0
}

fn resident_kib(pid: u32) -> f64 {
    super::memory::resident_kib(pid)
}
