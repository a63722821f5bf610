//! Small questions to the kernel and to libc: time, uid, one variable of sudo's, opening files by parts.

use std::ffi::{CStr, OsStr};
use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// The number of the last failed system call.
pub fn errno(error: &Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// Milliseconds since boot, sleep included.
pub fn boot_millis() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec that lives through the call. This clock exists on every kernel since 2.6.39.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    if result != 0 {
        // No clock, no deadline: every deadline counts as passed.
        return u64::MAX;
    }
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(millis)
}

/// Whether this process acts as root.
pub fn acts_as_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// libc's `getenv`, which sudo answers itself. Call it inside sudo alone.
pub fn getenv(name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: `name` ends in NUL. The result is null or a string that stays until the environment changes, which no
    // code runs to do before it is copied.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_bytes().to_vec())
    }
}

/// `openat`; always close-on-exec, never a controlling terminal, never waiting for another end.
pub fn open_at(dir: Option<BorrowedFd<'_>>, name: &CStr, flags: i32) -> Result<OwnedFd> {
    let dir = dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
    // SAFETY: `dir` is an open descriptor or AT_FDCWD, `name` ends in NUL, and nothing is created, so no mode is read.
    let fd = unsafe { libc::openat(dir, name.as_ptr(), flags) };
    owned(fd)
}

/// Type, owner and mode of what an `O_PATH` descriptor stands for.
pub struct Stat {
    /// `S_IFMT` bits.
    pub kind: u32,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
}

/// `fstat`.
pub fn stat(file: &OwnedFd) -> Result<Stat> {
    let mut found = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the descriptor is open, and there is room for one result.
    if unsafe { libc::fstat(file.as_raw_fd(), found.as_mut_ptr()) } != 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the kernel has filled it, and all zeros was valid before.
    let found = unsafe { found.assume_init() };
    Ok(Stat {
        kind: found.st_mode & libc::S_IFMT,
        mode: found.st_mode & 0o7777,
        uid: found.st_uid,
    })
}

/// Whether the running program's file is named `name`.
pub fn program_is(name: &str) -> bool {
    std::fs::read_link("/proc/self/exe")
        .ok()
        .is_some_and(|path| path.file_name() == Some(OsStr::from_bytes(name.as_bytes())))
}

/// Takes a descriptor that a system call has just returned.
pub(super) fn owned(fd: RawFd) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the kernel has just made `fd` for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
