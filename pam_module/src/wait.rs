//! Waiting for the agent in a way that a person can end: ^C, ^\, ^Z, a hang-up, a closed terminal. Without this, none
//! of them does anything in sudo until the wait is over, and after ^Z the command would even run.
//!
//! Signals are held back while we wait ([`Watch::quiet`]) and act when the guard is dropped. Nothing here reads from
//! the terminal or takes a signal. Called by `agent` and `login`.

use crate::deadline::Deadline;
use crate::outcome::Cause;
use crate::sys::os::{boot_millis, errno, open_at};
use crate::sys::signal::{Quiet, Set, hang_up_is_pending};
use crate::sys::socket::{Poll, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why a wait ended without what it waited for.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The person left, or the system wants the process to end.
    PersonLeft {
        /// The terminal is gone: whoever asks again asks nobody.
        for_good: bool,
    },
    /// The deadline passed.
    Late,
    /// There will be no verdict.
    Broken(Cause),
}

/// What a wait is for.
#[derive(Debug, Clone, Copy)]
pub enum For {
    /// Bytes to take, or the end.
    Input,
    /// Room to send.
    Room,
}

/// Everything besides the agent that can end a wait.
pub struct Watch {
    signals: Set,
    pending: OwnedFd,
    terminal: Option<OwnedFd>,
}

/// Poll's clock stands still while the machine sleeps; the deadline's does not.
const SLICE_MILLIS: i32 = 5_000;

impl Watch {
    /// # Errors
    /// [`Stop::Broken`] when the process has no descriptor left.
    pub fn new() -> Result<Self, Stop> {
        let signals = Set::that_count();
        let pending = signals
            .watch()
            .map_err(|error| Stop::Broken(Cause::System("signalfd", errno(&error))))?;
        // No controlling terminal, no terminal to lose.
        let terminal = open_at(None, c"/dev/tty", libc::O_RDONLY).ok();
        Ok(Self {
            signals,
            pending,
            terminal,
        })
    }

    /// Holds the signals back while the guard lives.
    ///
    /// # Errors
    /// [`Stop::Broken`] when the mask cannot be set.
    pub fn quiet(&self) -> Result<Quiet, Stop> {
        self.signals
            .hold()
            .map_err(|error| Stop::Broken(Cause::System("pthread_sigmask", errno(&error))))
    }

    /// Waits until `fd` is ready.
    ///
    /// # Errors
    /// [`Stop`], the person's leaving before all else.
    pub fn ready(&self, fd: BorrowedFd<'_>, what: For, deadline: Deadline) -> Result<(), Stop> {
        loop {
            // First, so that a sender of single bytes is not waited for byte by byte past the deadline.
            let now = boot_millis();
            if deadline.passed(now) {
                return Err(Stop::Late);
            }
            if self.poll(Some((fd, what)), deadline.poll_millis(now, SLICE_MILLIS))? {
                return Ok(());
            }
        }
    }

    /// Waits `millis` for nothing but the person.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn pause(&self, millis: i32, deadline: Deadline) -> Result<(), Stop> {
        self.poll(None, deadline.poll_millis(boot_millis(), millis))?;
        if deadline.passed(boot_millis()) {
            Err(Stop::Late)
        } else {
            Ok(())
        }
    }

    fn poll(&self, agent: Option<(BorrowedFd<'_>, For)>, millis: i32) -> Result<bool, Stop> {
        let events = match agent {
            Some((_, For::Input)) => libc::POLLIN,
            Some((_, For::Room)) => libc::POLLOUT,
            None => 0,
        };
        let entry = |fd, events| Poll { fd, events, came: 0 };
        let mut list = [
            entry(Some(self.pending.as_fd()), libc::POLLIN),
            entry(self.terminal.as_ref().map(AsFd::as_fd), 0),
            entry(agent.map(|(fd, _)| fd), events),
        ];
        poll(&mut list, millis).map_err(|error| Stop::Broken(Cause::System("poll", errno(&error))))?;
        let [signals, terminal, agent] = list.map(|entry| entry.came);
        let hung_up = terminal & (libc::POLLHUP | libc::POLLERR) != 0;
        if signals != 0 || hung_up {
            let for_good = hung_up || hang_up_is_pending();
            return Err(Stop::PersonLeft { for_good });
        }
        Ok(agent != 0)
    }
}
