//! A program in the background, with its output in a log file. It is killed when it is dropped, with its process
//! group; it can be stopped, killed, frozen and waited for, as bad weather would.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::program::{Program, create, in_a_session_of_its_own};
use crate::{SOON, evidence, patience, scratch};

/// A running (or ended) background program.
#[derive(Debug)]
pub struct Service {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Service {
    /// Starts the program; standard output and standard error go to its log.
    pub fn start(program: &Program) -> Self {
        Self::start_as(&program.name(), program)
    }

    /// Starts the program under a name of its own in messages.
    pub fn start_as(name: &str, program: &Program) -> Self {
        Self::start_prepared(name, program, |_| {})
    }

    /// Starts the program after a last touch to the command.
    pub(crate) fn start_prepared(
        name: &str,
        program: &Program,
        prepare: impl FnOnce(&mut std::process::Command),
    ) -> Self {
        let log = scratch::unused(&format!("{name}.log"));
        let output = create(&log);
        let mut command = program.command();
        command.stdin(Stdio::null());
        command
            .stdout(output.try_clone().expect("a second descriptor for the log"))
            .stderr(output);
        in_a_session_of_its_own(&mut command);
        prepare(&mut command);
        let child = command
            .spawn()
            .unwrap_or_else(|cause| panic!("cannot start {name}: {cause}"));
        Self {
            name: name.to_owned(),
            child,
            log,
            ended: None,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until it has printed this text; fails if it ends or stays silent.
    pub fn wait_for_log(&mut self, text: &str, within: Duration) {
        let seen = patience::until(within, || {
            let ended = !self.is_running();
            if self.log().contains(text) {
                Some(true)
            } else {
                ended.then_some(false)
            }
        });
        match seen {
            Some(true) => {}
            Some(false) => panic!("{} ended before it said {text:?}; it said:\n{}", self.name, self.log()),
            None => panic!(
                "{} did not say {text:?} within {within:?}; it said:\n{}",
                self.name,
                self.log()
            ),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the service can be waited for");
        }
        self.ended.is_none()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        let status = patience::end_of(&mut self.child, within);
        self.ended = status;
        status.unwrap_or_else(|| panic!("{} did not end within {within:?}; it said:\n{}", self.name, self.log()))
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn stop(&mut self, within: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait(within)
    }

    /// Kills it, and its process group, as `kill -9` does.
    pub fn kill(&mut self) {
        if self.is_running() {
            self.signal(Signal::SIGKILL);
            self.ended = self.child.wait().ok();
        }
    }

    /// Stops its clock: it still holds its sockets, but answers nothing.
    pub fn freeze(&mut self) {
        self.signal(Signal::SIGSTOP);
        let stopped = patience::until(SOON, || self.has_stopped().then_some(()));
        stopped.unwrap_or_else(|| panic!("{} does not stop", self.name));
    }

    /// Each thread stops for itself, a moment after the signal.
    fn has_stopped(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid()))
            .into_iter()
            .flatten()
            .flatten();
        let mut states = threads.map(|thread| fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
        states.all(|stat| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T')))
    }

    /// Lets a frozen service go on.
    pub fn thaw(&mut self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends a signal to it and its process group.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let group = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
            killpg(group, signal).unwrap_or_else(|cause| panic!("cannot signal {}: {cause}", self.name));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        evidence::leave(&format!("log of {}", self.name), || self.log());
        self.kill();
    }
}
