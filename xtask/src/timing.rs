//! `cargo xtask timing` (R31): whether somebody who does not know a password learns by the time of a refusal who
//! exists, who has a device and whom a policy lets in. Real agent, real slapd, the agent's own socket; the classes take
//! turns, so that whatever the machine does besides meets all alike.
//!
//! Prints medians and 95th percentiles and says whether the bounds of R31 hold. It is no test: a loaded machine would
//! make it lie.
#![allow(
    clippy::expect_used,
    reason = "a measurement that cannot be made ends with the cause in words"
)]

use crate::run;
use anyhow::{Result, anyhow, bail};
use assent_tests::namespace::{self, Network};
use assent_tests::product::{self, PATIENCE, Site, password};
use assent_tests::sockets::AGENT;
use assent_wire::{Answer, Begin, Phase, Reply, ToAgent, ToModule};
use clap::Args;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `timing`.
#[derive(Args)]
pub struct Options {
    /// Logins of each class.
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// The built product; without it, a release build is made.
    #[arg(long, value_name = "DIR")]
    built: Option<PathBuf>,
}

/// Most milliseconds between two classes' medians, and between their 95th percentiles (R31).
const BOUNDS: [f64; 2] = [5.0, 20.0];

struct Class {
    name: &'static str,
    user: &'static str,
    password: &'static str,
    /// Whether the password is right: such a person is told more, and may be.
    known: bool,
    times: Vec<f64>,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let built = match &options.built {
        Some(directory) => std::path::absolute(directory)?,
        None => {
            run::cargo(["build", "--release", "--workspace", "--quiet"])?;
            run::built("release")
        }
    };
    product::use_build(built);
    namespace::enter().map_err(|e| anyhow!("{e}"))?;
    namespace::furnish(Network::Own).map_err(|e| anyhow!("{e}"))?;
    let site = Site::open();
    site.enrol("alice");
    let class = |name, user, password, known| Class {
        name,
        user,
        password,
        known,
        times: Vec::with_capacity(options.times),
    };
    let mut classes = [
        class("unknown user", "mallory", "a wrong password", false),
        class("wrong password, has a device", "alice", "a wrong password", false),
        class("wrong password, no device", "dave", "a wrong password", false),
        class("wrong password, no policy admits", "bob", "a wrong password", false),
        class("right password, no device", "dave", password("dave"), true),
        class("right password, no policy admits", "bob", password("bob"), true),
    ];
    for round in 0..options.times + 5 {
        for class in &mut classes {
            let ms = refusal(class.user, class.password);
            // The first few warm connections and caches.
            if round >= 5 {
                class.times.push(ms);
            }
        }
    }
    print(&mut classes)
}

fn print(classes: &mut [Class]) -> Result<()> {
    let mut strangers: [Vec<f64>; 2] = Default::default();
    println!(
        "{:36} {:>10} {:>10} {:>10}",
        "milliseconds from the reply", "median", "p95", "most"
    );
    for class in classes {
        class.times.sort_by(f64::total_cmp);
        let at = |percent: usize| class.times[(class.times.len() - 1) * percent / 100];
        println!("{:36} {:10.3} {:10.3} {:10.3}", class.name, at(50), at(95), at(100));
        if !class.known {
            strangers[0].push(at(50));
            strangers[1].push(at(95));
        }
    }
    let mut holds = true;
    for ((what, bound), figures) in ["medians", "95th percentiles"].iter().zip(BOUNDS).zip(&strangers) {
        let (least, most) = figures
            .iter()
            .fold((f64::MAX, 0.0_f64), |(a, b), f| (a.min(*f), b.max(*f)));
        let within = most - least <= bound;
        holds &= within;
        println!(
            "without the password, {what} lie within {:.3} ms (R31: {bound} ms): {}",
            most - least,
            if within { "holds" } else { "does not hold" }
        );
    }
    if !holds {
        bail!("R31 does not hold, or the machine was busy: run it again on a quiet one");
    }
    Ok(())
}

/// Milliseconds from the typed password to the verdict.
fn refusal(user: &str, typed: &str) -> f64 {
    let mut stream = UnixStream::connect(AGENT).expect("the agent's socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let begin = ToAgent::Begin(Box::new(Begin {
        phase: Phase::Auth,
        service: b"sshd".to_vec(),
        user: user.into(),
        ruser: None,
        rhost: Some(b"192.0.2.7".to_vec()),
        tty: Some(b"ssh".to_vec()),
        flags: 0,
        ssh_connection: Some(b"192.0.2.7 50000 192.0.2.1 22".to_vec()),
        ssh_auth_info: None,
        command_line: b"sshd: somebody\0".to_vec(),
        command_line_len: 15,
        cwd: None,
        audit_session: None,
        login_uid: None,
        sudo_command: None,
        ticket: None,
    }));
    stream
        .write_all(&begin.encode().expect("a frame"))
        .expect("the agent reads");
    while !matches!(next(&mut stream), ToModule::AskPassword { .. }) {}
    let reply = Reply::Text(typed.as_bytes().to_vec().into());
    let answer = ToAgent::Answer(Answer { reply }).encode().expect("a frame");
    let began = Instant::now();
    stream.write_all(&answer).expect("the agent reads");
    while !matches!(next(&mut stream), ToModule::Verdict(_)) {}
    began.elapsed().as_secs_f64() * 1000.0
}

fn next(stream: &mut UnixStream) -> ToModule {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).expect("a frame");
    let mut body = vec![0; assent_wire::body_len(prefix).expect("a length")];
    stream.read_exact(&mut body).expect("a frame");
    ToModule::decode(&body).expect("a message")
}
