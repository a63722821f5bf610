//! A private world for a privileged program: the same machine, but nothing done in it reaches the machine.
//!
//! Two steps, because a test program wants one life and many worlds:
//! * [`enter`] moves the program itself inside: new process and mount namespaces. When the program that was started
//!   dies, even by `kill -9`, the kernel ends every process inside, and with the last one all mounts are gone.
//! * [`furnish`] gives the *calling thread*, and all that it starts, a fresh world: overlays on `/etc`, `/var`,
//!   `/home`, `/root` and `/tmp` whose upper layers lie in memory, an empty `/run`, a small `/dev` with its own
//!   pseudo-terminals (so that a rig can own `/dev/log`), its own host name and, if wanted, its own loopback.
//!
//! Never writes outside. Called by [`crate::suite`] and by the demo.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, geteuid, pipe2, sethostname};

/// The host name of a furnished world.
pub const HOST_NAME: &str = "birch-web1";

/// The directories that get a private copy-on-write layer.
const COVERED: [&str; 5] = ["/etc", "/var", "/home", "/root", "/tmp"];

/// The device nodes that programs of ours need; everything else of the machine's `/dev` stays out of reach.
const DEVICES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun"];

/// Which network a furnished world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A loopback of its own and nothing else: every port is free and no packet can leave.
    Own,
    /// The machine's: for the demo, where a person connects from another terminal.
    Shared,
}

/// Why a private world could not be made.
#[derive(Debug)]
pub enum Refused {
    /// The program does not run as root.
    NotRoot,
    /// [`enter`] forks, which only a program with a single thread may do.
    Threads(usize),
    /// The system said no.
    System {
        /// What was tried.
        doing: String,
        /// What it answered.
        cause: io::Error,
    },
}

/// Moves the calling program inside new process and mount namespaces and returns there; the original process stays
/// outside, waits, and ends as the inner one ended. Call it first thing in `main`, before any thread starts.
pub fn enter() -> Result<(), Refused> {
    if !geteuid().is_root() {
        return Err(Refused::NotRoot);
    }
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(Refused::Threads(threads));
    }
    let (watch, hold) = try_to("make a pipe", pipe2(OFlag::O_CLOEXEC))?;
    try_to("make a process namespace", unshare(CloneFlags::CLONE_NEWPID))?;
    // SAFETY: the program has one thread (counted above), so the child may do anything.
    match try_to("fork", unsafe { fork() })? {
        ForkResult::Parent { child } => wait_outside(child, hold),
        ForkResult::Child => {
            drop(hold);
            die_with_the_parent(&watch);
            drop(watch);
            try_to("make a mount namespace", unshare(CloneFlags::CLONE_NEWNS))?;
            hide_from_the_machine()?;
            attach("proc", "/proc", "proc", MsFlags::empty(), "")?;
            // SAFETY: a fork's child has one thread, and so may its child do anything.
            match try_to("fork", unsafe { fork() })? {
                ForkResult::Parent { child } => reap_until(child),
                ForkResult::Child => Ok(()),
            }
        }
    }
}

/// Gives the calling thread, and every process and thread that it starts from now on, a fresh world. Other threads
/// keep theirs. The world ends with the last process or thread in it.
pub fn furnish(network: Network) -> Result<(), Refused> {
    let mut parts = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    if network == Network::Own {
        parts |= CloneFlags::CLONE_NEWNET;
    }
    try_to("make namespaces for a fresh world", unshare(parts))?;
    hide_from_the_machine()?;

    // The upper layers lie in a tmpfs that only the overlays hold once it is detached: they end with the world.
    attach("tmpfs", "/run", "tmpfs", MsFlags::empty(), "mode=0755")?;
    for covered in COVERED.iter().map(Path::new).filter(|path| path.is_dir()) {
        cover(covered)?;
    }
    build_devices(Path::new("/run/dev"))?;
    try_to(
        "move /dev into place",
        mount(Some("/run/dev"), "/dev", NONE, MsFlags::MS_MOVE, NONE),
    )?;
    try_to("detach the upper layers", umount2("/run", MntFlags::MNT_DETACH))?;
    attach(
        "tmpfs",
        "/run",
        "tmpfs",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=0755",
    )?;
    for (directory, mode) in [("sshd", 0o755), ("assent", 0o755), ("rigs", 0o755), ("lock", 0o1777)] {
        make_directory(&Path::new("/run").join(directory), mode)?;
    }

    try_to("set the host name", sethostname(HOST_NAME))?;
    write("/etc/hostname", &format!("{HOST_NAME}\n"))?;
    write(
        "/etc/hosts",
        &format!("127.0.0.1 localhost\n127.0.1.1 {HOST_NAME}\n::1 localhost\n"),
    )?;
    if network == Network::Own {
        try_to("bring the loopback up", bring_loopback_up())?;
    }
    Ok(())
}

const NONE: Option<&str> = None;

/// The outer process: waits for the inner world and ends as it ended.
fn wait_outside(inside: Pid, hold: OwnedFd) -> ! {
    for keyboard in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: ignoring a signal runs no code of ours. The program inside shares the terminal and decides.
        let _ = unsafe { signal(keyboard, SigHandler::SigIgn) };
    }
    let code = loop {
        match waitpid(inside, None) {
            Err(Errno::EINTR) => {}
            Ok(WaitStatus::Exited(_, code)) => break code,
            Ok(WaitStatus::Signaled(_, signal, _)) => break 128 + signal as i32,
            _ => break 1,
        }
    };
    drop(hold);
    std::process::exit(code)
}

/// The first process inside: adopts orphans and ends with the program's code; then the kernel ends all others.
fn reap_until(program: Pid) -> ! {
    let code = loop {
        match waitpid(Pid::from_raw(-1), None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => break code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => break 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break 1,
        }
    };
    // SAFETY: ends the process at once; the buffers and exit handlers belong to the program, which has ended.
    unsafe { libc::_exit(code) }
}

/// Asks the kernel to kill this process when its parent dies, and ends it if the parent is dead already.
fn die_with_the_parent(watch: &OwnedFd) {
    // SAFETY: sets one attribute of the calling process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let mut gone = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    if poll(&mut gone, PollTimeout::ZERO) != Ok(0) {
        std::process::exit(1);
    }
}

/// Cuts the propagation of mounts in both directions.
fn hide_from_the_machine() -> Result<(), Refused> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    try_to("make the mounts private", mount(NONE, "/", NONE, private, NONE))
}

/// Lays a writable layer over a directory. Its upper directory decides the owner and mode that all see.
fn cover(directory: &Path) -> Result<(), Refused> {
    let name = directory.file_name().unwrap_or_default();
    let (upper, work) = (Path::new("/run/upper").join(name), Path::new("/run/work").join(name));
    let doing = format!("lay an overlay on {}", directory.display());
    let like = try_to(&doing, fs::metadata(directory))?;
    make_directory(&upper, like.mode() & 0o7777)?;
    make_directory(&work, 0o700)?;
    try_to(&doing, chown(&upper, Some(like.uid()), Some(like.gid())))?;
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        directory.display(),
        upper.display(),
        work.display()
    );
    try_to(
        &doing,
        mount(
            Some("overlay"),
            directory,
            Some("overlay"),
            MsFlags::empty(),
            Some(layers.as_str()),
        ),
    )
}

/// A small `/dev` at `dev`: the nodes named in [`DEVICES`], its own pseudo-terminals, no `/dev/log` yet.
fn build_devices(dev: &Path) -> Result<(), Refused> {
    make_directory(dev, 0o755)?;
    attach("tmpfs", dev, "tmpfs", MsFlags::MS_NOSUID, "mode=0755")?;
    for node in DEVICES {
        let (from, to) = (Path::new("/dev").join(node), dev.join(node));
        if !from.exists() {
            continue;
        }
        make_directory(to.parent().unwrap_or(dev), 0o755)?;
        write(&to, "")?;
        try_to("bind a device", mount(Some(&from), &to, NONE, MsFlags::MS_BIND, NONE))?;
    }
    make_directory(&dev.join("pts"), 0o755)?;
    attach(
        "devpts",
        dev.join("pts"),
        "devpts",
        MsFlags::MS_NOSUID,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    )?;
    make_directory(&dev.join("shm"), 0o1777)?;
    attach(
        "tmpfs",
        dev.join("shm"),
        "tmpfs",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=1777",
    )?;
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    for (target, link) in links {
        try_to("link in /dev", symlink(target, dev.join(link)))?;
    }
    Ok(())
}

fn bring_loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: an all-zero `ifreq` is a valid value of this plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = libc::c_char::try_from(*byte).unwrap_or_default();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or_default();
    // SAFETY: the kernel reads one `ifreq`, which lives until the call returns.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn attach(what: &str, at: impl AsRef<Path>, kind: &str, flags: MsFlags, options: &str) -> Result<(), Refused> {
    let at = at.as_ref();
    try_to(
        &format!("mount {what} on {}", at.display()),
        mount(Some(what), at, Some(kind), flags, Some(options)),
    )
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Refused> {
    let doing = format!("make {}", path.display());
    try_to(&doing, fs::DirBuilder::new().recursive(true).mode(0o755).create(path))?;
    try_to(&doing, fs::set_permissions(path, fs::Permissions::from_mode(mode)))
}

/// Replaces a file (and a symlink by a file) of the world.
fn write(path: impl Into<PathBuf>, text: &str) -> Result<(), Refused> {
    let path = path.into();
    let _ = fs::remove_file(&path);
    try_to(&format!("write {}", path.display()), fs::write(&path, text))
}

fn try_to<T, E: Into<io::Error>>(doing: &str, outcome: Result<T, E>) -> Result<T, Refused> {
    outcome.map_err(|cause| Refused::System {
        doing: doing.to_owned(),
        cause: cause.into(),
    })
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str(
                "this needs root: it makes a private world of processes and mounts and runs sshd, sudo and slapd \
                 in it (nothing of the machine changes). Run it again as root, for instance with sudo -E",
            ),
            Self::Threads(count) => {
                write!(
                    f,
                    "namespace::enter must be called while the program has one thread; it has {count}"
                )
            }
            Self::System { doing, cause } => write!(f, "cannot {doing}: {cause}"),
        }
    }
}

impl std::error::Error for Refused {}
