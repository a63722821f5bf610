//! The five signals by which a person or the system ends a wait, held back in the calling thread while we wait.
//!
//! No handler is ever set and no signal is ever taken: what is pending when [`Quiet`] is dropped acts then, as the
//! host has arranged it.

use super::os::owned;
use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::ptr::null;

const LEAVING: [i32; 5] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP, libc::SIGTSTP];

/// Signals that end a wait.
pub struct Set(libc::sigset_t);

impl Set {
    /// All five but those that the host ignores: blocking would keep such a signal pending where it is otherwise
    /// dropped, and `nohup` asked for just that. One that the host itself has blocked stays in: sudo blocks INT and
    /// QUIT around PAM and looks at what is pending afterwards.
    pub fn that_count() -> Self {
        let mut set = empty();
        for signal in LEAVING.into_iter().filter(|signal| !is_ignored(*signal)) {
            // SAFETY: `set` is initialised and `signal` a valid number.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
        Self(set)
    }

    /// A descriptor that is readable while one of them is pending. It is only polled.
    pub fn watch(&self) -> Result<OwnedFd> {
        // SAFETY: the set is initialised; -1 asks for a new descriptor.
        owned(unsafe { libc::signalfd(-1, &raw const self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })
    }

    /// Holds them back until the guard is dropped.
    pub fn hold(&self) -> Result<Quiet> {
        let mut before = empty();
        // SAFETY: both sets are initialised and outlive the call.
        let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const self.0, &raw mut before) };
        if result == 0 {
            Ok(Quiet { before })
        } else {
            Err(Error::from_raw_os_error(result))
        }
    }
}

/// While it lives, the set's signals wait. Dropping it restores the thread's mask exactly as it was.
pub struct Quiet {
    before: libc::sigset_t,
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: `before` was filled by the kernel when the guard was made.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Whether a hang-up is being held back.
pub fn hang_up_is_pending() -> bool {
    let mut set = empty();
    // SAFETY: the set is initialised, and the kernel fills it.
    unsafe { libc::sigpending(&raw mut set) == 0 && libc::sigismember(&raw const set, libc::SIGHUP) == 1 }
}

fn empty() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the whole set and cannot fail with a valid pointer.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; the old one is written to memory of its type, for which all zeros is valid.
    unsafe {
        libc::sigaction(signal, null(), action.as_mut_ptr()) == 0 && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
