//! Waiting with a deadline. The only place of the rigs that passes time; everything else waits for an event through
//! it, and says in words what did not happen.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a test waits for what should come at once. Long, because the machine may be busy; it costs time only in
/// a test that fails.
pub const SOON: Duration = Duration::from_secs(10);

/// How often a condition without an event to wait for is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// Looks again and again until `look` finds something; `None` if it did not within the time.
pub fn until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Waits until a child has ended; `None` if it still runs after the time.
pub fn end_of(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    if let Some(status) = child.try_wait().expect("the child can be waited for") {
        return Some(status);
    }
    let ended = end_signal(child).expect("a descriptor for the child process");
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        readable(&[&ended], deadline);
    }
}

/// A descriptor that becomes readable when the child ends.
pub(crate) fn end_signal(child: &Child) -> io::Result<OwnedFd> {
    // SAFETY: a system call on numbers; the child is not reaped yet, so its pid names it and nothing else.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    match i32::try_from(answer) {
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(number) if number >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until one of the descriptors has something to say, or the deadline has come. Callers look themselves.
pub(crate) fn readable(descriptors: &[&OwnedFd], deadline: Instant) {
    let mut wanted: Vec<_> = descriptors
        .iter()
        .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
        .collect();
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let _ = poll(&mut wanted, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
}
