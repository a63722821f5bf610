//! `cargo xtask bench`: figures beside their targets. A first set: size, memory, and the time that a `sudo` and a
//! refusal take, each beside the same `sudo` with `pam_permit` alone.
//!
//! Not here yet: the comparison with `libpam-duo` (both server modes, loopback and 20 ms).
#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot be set up ends with the cause in words"
)]

use crate::run;
use anyhow::{Result, anyhow};
use assent_tests::namespace::{self, Network};
use assent_tests::product::{self, PATIENCE, Site};
use assent_tests::sudoers::{self, Sudo};
use assent_wire::{Begin, Phase, ToAgent};
use clap::Args;
use serde::Serialize;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `bench`.
#[derive(Args)]
pub struct Options {
    /// Fewer repetitions.
    #[arg(long)]
    quick: bool,
    /// Writes the rows as a JSON list.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    ours: f64,
    peer: Option<f64>,
    ratio: Option<f64>,
    target: Option<f64>,
    holds: Option<bool>,
}

impl Row {
    fn bound(name: &'static str, ours: f64, target: f64) -> Self {
        Self {
            name,
            ours,
            peer: None,
            ratio: None,
            target: Some(target),
            holds: Some(ours <= target),
        }
    }

    fn beside(name: &'static str, ours: f64, peer: f64) -> Self {
        Self {
            name,
            ours,
            peer: Some(peer),
            ratio: Some(ours / peer),
            target: None,
            holds: None,
        }
    }
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    run::cargo(["build", "--release", "--workspace", "--quiet"])?;
    let built = run::built("release");
    let size = std::fs::metadata(built.join("libpam_assent.so"))?.len();
    product::use_build(built);
    let json = options.json.as_ref().map(std::path::absolute).transpose()?;
    namespace::enter().map_err(|e| anyhow!("{e}"))?;
    namespace::furnish(Network::Own).map_err(|e| anyhow!("{e}"))?;
    let times = if options.quick { 10 } else { 50 };
    let mut rows = vec![Row::bound("pam_assent.so, bytes", count(size), 700.0 * 1024.0)];
    measure(times, &mut rows);
    for row in &rows {
        let peer = row.peer.map_or_else(String::new, |peer| {
            format!(" beside {peer:.2} (ratio {:.2})", row.ours / peer)
        });
        let target = row
            .target
            .map_or_else(String::new, |target| format!(" target {target:.0}"));
        println!("{:60} {:12.2}{peer}{target}", row.name, row.ours);
    }
    if let Some(path) = json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    Ok(())
}

/// Logins that wait at once.
const WAITING: u32 = 1000;

fn measure(times: usize, rows: &mut Vec<Row>) {
    let mut site = Site::open();
    sudoers::allow("alice");
    sudoers::allow("bob");
    let pid = site.agent.service().pid();
    let idle = resident(pid);
    rows.push(Row::bound("agent idle, resident KiB", idle, 16.0 * 1024.0));
    let waiting: Vec<UnixStream> = (0..WAITING).map(|_| wait_at_the_prompt()).collect();
    let each = (resident(pid) - idle).max(0.0) / f64::from(WAITING);
    rows.push(Row::bound("agent, KiB for each of 1000 waiting logins", each, 24.0));
    drop(waiting);

    sudoers::stack("auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n");
    let permit = median(times, || {
        Sudo::by("alice").run(["/bin/true"]).wait_for_success();
    });
    sudoers::stack(&product::stack("sudo"));
    let mut phone = site.enrol("alice").listen();
    let approved = median(times, || {
        let mut sudo = Sudo::by("alice").run(["/bin/true"]);
        phone.expect("[a]pprove, [d]eny, [n]ot me? ", PATIENCE);
        phone.send_line("a");
        sudo.wait_for_success();
    });
    rows.push(Row::beside(
        "sudo with a push answered at once, ms (peer: pam_permit)",
        approved,
        permit,
    ));
    // sudo itself waits two seconds after a refusal; the agent's own record tells what the decision took.
    for _ in 0..3 {
        Sudo::by("bob").run(["/bin/true"]).wait(PATIENCE);
    }
    let refusals: Vec<f64> = site
        .agent
        .audit()
        .iter()
        .filter(|decision| decision["cause"] == "no_policy_admits")
        .filter_map(|decision| decision["trace"].as_array()?.last()?["ms"].as_f64())
        .collect();
    if let Some(last) = refusals.last() {
        rows.push(Row::bound(
            "a decision by policy, warm LDAP, no push, ms in the agent",
            *last,
            5.0,
        ));
    }
}

fn median(times: usize, mut run: impl FnMut()) -> f64 {
    let mut all: Vec<f64> = (0..times)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// A login that waits for its password.
fn wait_at_the_prompt() -> UnixStream {
    let mut stream = UnixStream::connect(assent_tests::sockets::AGENT).expect("the agent's socket");
    let begin = ToAgent::Begin(Box::new(Begin {
        phase: Phase::Auth,
        service: b"sshd".to_vec(),
        user: b"alice".to_vec(),
        ruser: None,
        rhost: None,
        tty: None,
        flags: 0,
        ssh_connection: None,
        ssh_auth_info: None,
        command_line: b"bench\0".to_vec(),
        command_line_len: 6,
        cwd: None,
        audit_session: None,
        login_uid: None,
        sudo_command: None,
        ticket: None,
    }));
    stream
        .write_all(&begin.encode().expect("a frame"))
        .expect("the agent reads");
    // Hello, then the question.
    for _ in 0..2 {
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).expect("a frame");
        let mut body = vec![0; assent_wire::body_len(prefix).expect("a length")];
        stream.read_exact(&mut body).expect("a frame");
    }
    stream
}

fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

#[allow(clippy::cast_precision_loss)] // sizes far below 2^52
fn count(number: u64) -> f64 {
    number as f64
}
