//! A second network, a fixed time away from the world's own: what is started in it is reached at [`FAR`] after half of
//! the round trip, and answers to [`NEAR`]. Two TUN devices, and one thread that carries each packet from one to the
//! other when its time has come: the kernels that tests run on have no `netem`.
//!
//! Needs a world with its own network, and the `ip` command. Nothing of it can reach the machine's networks. It ends
//! with the value that holds it. Used by `cargo xtask bench`.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::time::TimeSpec;
use nix::unistd::pipe2;

use crate::program::tool;

/// The far end's address.
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// This end's address.
pub const NEAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);

/// Packets taken from one device at a time, so that both directions get their turn.
const TURN: usize = 64;
/// More than the devices' MTU.
const MAX_PACKET: usize = 2048;

/// A network that is some time away.
#[derive(Debug)]
pub struct Far {
    door: Door,
    stop: Option<OwnedFd>,
    carrier: Option<JoinHandle<()>>,
}

/// A way into the far network, for threads that stay there.
#[derive(Clone, Debug)]
pub struct Door(Arc<File>);

impl Far {
    /// Makes it; the calling thread's network becomes the near end.
    pub fn away(round_trip: Duration) -> Self {
        let near = device(NEAR, FAR);
        // A thread that stays in the far network no longer than it takes to furnish it.
        let (door, far) = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            tool("ip", ["link", "set", "lo", "up"]);
            let door = File::open("/proc/thread-self/ns/net").expect("the namespace of this thread");
            (Door(Arc::new(door)), device(FAR, NEAR))
        })
        .join()
        .expect("the far network can be furnished");
        let (stopped, stop) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let carrier = std::thread::spawn(move || carry(&near, &far, &stopped, round_trip / 2));
        Self {
            door,
            stop: Some(stop),
            carrier: Some(carrier),
        }
    }

    /// Does this work in the far network, on a thread of its own; what it starts stays there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let done = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    self.door.enter();
                    work()
                })
                .join()
        });
        done.unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    }

    /// A way in for a thread of its own.
    pub fn door(&self) -> Door {
        self.door.clone()
    }
}

impl Door {
    /// Moves the calling thread there, for good.
    pub fn enter(&self) {
        setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).expect("the far network can be entered");
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
    }
}

/// A TUN device of the calling thread's network, up, with these addresses.
fn device(own: Ipv4Addr, peer: Ipv4Addr) -> File {
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .unwrap_or_else(|cause| panic!("cannot open /dev/net/tun: {cause}"));
    name_device(&tun).unwrap_or_else(|cause| panic!("cannot make a TUN device: {cause}"));
    let (own, peer) = (own.to_string(), peer.to_string());
    tool("ip", ["address", "add", &own, "peer", &peer, "dev", "away"]);
    tool("ip", ["link", "set", "away", "up", "txqueuelen", "10000"]);
    tun
}

fn name_device(tun: &File) -> io::Result<()> {
    // SAFETY: an all-zero `ifreq` is a valid value of this plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"away") {
        *slot = libc::c_char::try_from(*byte).unwrap_or_default();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap_or_default();
    // SAFETY: the kernel reads and writes one `ifreq`, which lives until the call returns.
    let answer = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A packet on its way.
struct Packet {
    due: Instant,
    to_far: bool,
    bytes: Vec<u8>,
}

/// Carries packets until the other end of `stop` is closed.
fn carry(near: &File, far: &File, stop: &OwnedFd, one_way: Duration) {
    // Waking up on time is this thread's whole work: a busy machine must not make the line longer.
    let _ = nix::sys::prctl::set_timerslack(1);
    // SAFETY: numbers only; on Linux 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
    let mut road: VecDeque<Packet> = VecDeque::new();
    loop {
        let wait = road
            .front()
            .map(|first| TimeSpec::from(first.due.saturating_duration_since(Instant::now())));
        let mut ready = [near.as_fd(), far.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let _ = ppoll(&mut ready, wait, None);
        if ready[2].any() == Some(true) {
            return;
        }
        let due = Instant::now() + one_way;
        for (mut from, to_far) in [(near, true), (far, false)] {
            for _ in 0..TURN {
                let mut bytes = vec![0; MAX_PACKET];
                let Ok(length) = from.read(&mut bytes) else { break };
                bytes.truncate(length);
                road.push_back(Packet { due, to_far, bytes });
            }
        }
        while road.front().is_some_and(|first| first.due <= Instant::now()) {
            if let Some(Packet { to_far, bytes, .. }) = road.pop_front() {
                let mut to = if to_far { far } else { near };
                // A full device drops, as a full line does.
                let _ = to.write(&bytes);
            }
        }
    }
}
