//! One PAM transaction (start, authenticate, account, end) by `pamdrive`, the program of the module's own tests, which
//! plays sshd for every module alike: stacks in a directory of their own, the machine's PAM untouched.

use super::row::{Samples, ms_since};
use assent_tests::{product, scratch};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// `PAM_SUCCESS`.
const SUCCESS: u32 = 0;
/// `PAM_AUTH_ERR`.
const AUTH_ERR: u32 = 7;
/// Transactions of one process, so that two stacks take turns.
const TURN: usize = 20;

/// What a transaction must come to; anything else ends the measurement.
#[derive(Clone, Copy)]
pub enum Expect {
    /// Both phases succeed.
    Success,
    /// The auth phase refuses.
    Denial,
}

/// PAM stacks for measurements.
pub struct Stacks {
    directory: PathBuf,
    program: PathBuf,
}

impl Stacks {
    /// An empty directory of stacks.
    pub fn new() -> Self {
        let stacks = Self {
            directory: scratch::directory("stacks"),
            program: product::built().join("examples/pamdrive"),
        };
        // libpam refuses a directory without it.
        stacks.write("other", "auth required pam_deny.so\naccount required pam_deny.so\n");
        stacks
    }

    /// Writes the stack of a service.
    pub fn write(&self, service: &str, text: &str) {
        scratch::write(self.directory.join(service), text);
    }

    /// Milliseconds of one transaction in a fresh process, from its start to its end, as sshd and sudo have it.
    pub fn fresh(&self, service: &str, user: &str, expect: Expect) -> f64 {
        self.fresh_answering(service, user, None, expect)
    }

    /// The same for a stack that asks for a password.
    pub fn fresh_with(&self, service: &str, user: &str, password: &str) -> f64 {
        self.fresh_answering(service, user, Some(password), Expect::Success)
    }

    fn fresh_answering(&self, service: &str, user: &str, password: Option<&str>, expect: Expect) -> f64 {
        let mut command = self.command(service, user);
        command.args(password.map(|password| format!("reply={password}")));
        command.args(["start", "item=rhost:192.0.2.7", "auth", "account", "end"]);
        let began = Instant::now();
        let output = command.output().expect("pamdrive starts");
        let took = ms_since(began);
        let said = String::from_utf8_lossy(&output.stdout);
        let wanted = match expect {
            Expect::Success => format!("\nauth={SUCCESS}\n"),
            Expect::Denial => format!("\nauth={AUTH_ERR}\n"),
        };
        assert!(
            said.contains(&wanted) && said.contains("\naccount=0\n"),
            "a transaction of {service} went otherwise than it should:\n{said}"
        );
        took
    }

    /// Milliseconds of each transaction, [`TURN`] of them in one process that stays.
    pub fn same(&self, service: &str, user: &str, expect: Expect) -> Vec<f64> {
        let result = match expect {
            Expect::Success => SUCCESS,
            Expect::Denial => AUTH_ERR,
        };
        self.turn(service, user, None, result)
    }

    /// The same for a stack that asks for a password each time.
    pub fn same_with(&self, service: &str, user: &str, password: &str) -> Vec<f64> {
        self.turn(service, user, Some(password), SUCCESS)
    }

    fn turn(&self, service: &str, user: &str, password: Option<&str>, result: u32) -> Vec<f64> {
        let mut command = self.command(service, user);
        command.args(
            password
                .into_iter()
                .flat_map(|password| vec![format!("reply={password}"); TURN]),
        );
        command.arg(format!("times={TURN}:{result}"));
        let output = command.output().expect("pamdrive starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let times: Vec<f64> = said
            .lines()
            .filter_map(|line| line.strip_prefix("took=")?.parse::<f64>().ok())
            .map(|us| us / 1000.0)
            .collect();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            times.len(),
            TURN,
            "a transaction of {service} went otherwise than it should:\n{said}{err}"
        );
        times
    }

    fn command(&self, service: &str, user: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("confdir={}", self.directory.display()))
            .arg(format!("service={service}"))
            .arg(format!("user={user}"))
            .stdin(Stdio::null());
        command
    }
}

/// Two things by turns, so that a busy moment of the machine falls on both.
pub fn in_turn(times: usize, one: impl Fn() -> f64, other: impl Fn() -> f64) -> (Samples, Samples) {
    let (mut ones, mut others) = (Samples::default(), Samples::default());
    // The first of each finds cold caches.
    one();
    other();
    for _ in 0..times {
        ones.push(one());
        others.push(other());
    }
    (ones, others)
}

/// How many processes make up so many transactions.
pub fn turns(times: usize) -> usize {
    times.div_ceil(TURN)
}
