//! Unix sockets that never block, never raise SIGPIPE and never survive an exec, and `poll`.

use super::os::owned;
use std::ffi::CString;
use std::io::{Error, ErrorKind, Result};
use std::mem::{offset_of, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A stream socket that is not connected yet.
pub fn stream() -> Result<OwnedFd> {
    new(libc::SOCK_STREAM)
}

/// A datagram socket that is not connected yet.
pub fn datagram() -> Result<OwnedFd> {
    new(libc::SOCK_DGRAM)
}

fn new(kind: i32) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) })
}

/// One attempt to connect. `WouldBlock` means that the listener's queue is full.
pub fn connect(socket: &OwnedFd, path: &CString) -> Result<()> {
    // SAFETY: all zeros is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = u16::try_from(libc::AF_UNIX).unwrap_or(0);
    let bytes = path.as_bytes_with_nul();
    if bytes.len() > address.sun_path.len() {
        return Err(Error::from(ErrorKind::InvalidInput));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed();
    }
    let len = u32::try_from(offset_of!(libc::sockaddr_un, sun_path) + bytes.len()).unwrap_or(0);
    // SAFETY: `address` is initialised for `len` bytes, which are no more than its size, and outlives the call.
    let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) };
    done(result)
}

/// The uid that called `listen` at the other end.
pub fn peer_uid(socket: &OwnedFd) -> Result<u32> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut len = u32::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: `peer` has `len` writable bytes, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut len,
        )
    };
    done(result).map(|()| peer.uid)
}

/// Sends what fits now.
pub fn send(socket: &OwnedFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: `bytes` is readable for its length.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        )
    };
    count(sent)
}

/// Takes what is there now; 0 is the end.
pub fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Result<usize> {
    // SAFETY: `bytes` is writable for its length.
    let taken = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            bytes.as_mut_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT,
        )
    };
    count(taken)
}

/// One descriptor to wait for and what came of it.
pub struct Poll<'a> {
    /// Which; `None` is passed over.
    pub fd: Option<BorrowedFd<'a>>,
    /// `POLLIN`, `POLLOUT`, or 0 for hang-up and error alone.
    pub events: i16,
    /// Filled by [`poll`].
    pub came: i16,
}

/// Waits at most `millis`. An interrupted wait counts as one in which nothing came.
pub fn poll<const N: usize>(list: &mut [Poll<'_>; N], millis: i32) -> Result<()> {
    let mut raw = std::array::from_fn::<_, N, _>(|at| libc::pollfd {
        fd: list[at].fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: list[at].events,
        revents: 0,
    });
    // SAFETY: `raw` has `N` entries and outlives the call.
    let result = unsafe { libc::poll(raw.as_mut_ptr(), u64::try_from(N).unwrap_or(0), millis) };
    for (entry, raw) in list.iter_mut().zip(&raw) {
        entry.came = if result > 0 { raw.revents } else { 0 };
    }
    match done(result.min(0)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        other => other,
    }
}

fn done(result: i32) -> Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}

fn count(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}
