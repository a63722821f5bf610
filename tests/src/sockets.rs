//! Socket activation as systemd does it: the rig binds `/run/assent/agent.sock` and `/run/assent/admin.sock` (0600,
//! root) and hands them to a program as descriptors 3 and 4 with `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`.
//! The rig keeps them open, so that a stopped, restarted or crashed service leaves them as they are (R50, R53).

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, fcntl};

use crate::program::Program;
use crate::service::Service;

/// The socket that `pam_assent.so` connects to.
pub const AGENT: &str = "/run/assent/agent.sock";
/// The socket that `assentctl` connects to.
pub const ADMIN: &str = "/run/assent/admin.sock";

/// The first descriptor that a service gets, as in `sd_listen_fds(3)`.
const FIRST: RawFd = 3;

/// Listening sockets, held open for a service.
#[derive(Debug)]
pub struct Sockets {
    listeners: Vec<OwnedFd>,
    names: String,
}

impl Sockets {
    /// Binds the agent's two sockets; their names are `agent` and `admin`.
    pub fn bind() -> Self {
        Self::bind_these(&[("agent", AGENT), ("admin", ADMIN)])
    }

    /// Binds sockets with these names (`FileDescriptorName=`) and paths, 0600 root.
    pub fn bind_these(sockets: &[(&str, &str)]) -> Self {
        let listeners = sockets.iter().map(|(_, path)| listen(Path::new(path))).collect();
        let names: Vec<_> = sockets.iter().map(|&(name, _)| name).collect();
        Self {
            listeners,
            names: names.join(":"),
        }
    }

    /// Starts a program that finds the sockets as systemd would pass them. Call it again for a restart.
    pub fn start(&self, program: &Program) -> Service {
        let name = program.name();
        // The shell puts its own pid into LISTEN_PID and then becomes the program: the pid stays.
        let activated = program
            .clone()
            .env("LISTEN_FDS", self.listeners.len().to_string())
            .env("LISTEN_FDNAMES", &self.names)
            .wrapped_in("/bin/sh", ["-c", "export LISTEN_PID=$$; exec \"$@\"", "sh"]);
        let held: Vec<OwnedFd> = self.listeners.iter().map(|socket| duplicate(socket, 64)).collect();
        keep_low_numbers_taken(held.len());
        Service::start_prepared(&name, &activated, move |command| {
            // SAFETY: one system call a socket, on descriptors that the closure owns; nothing allocates or locks.
            // The targets are descriptors of /dev/null, never std's own pipe (see `keep_low_numbers_taken`).
            unsafe {
                std::os::unix::process::CommandExt::pre_exec(command, move || {
                    for (number, socket) in (FIRST..).zip(&held) {
                        if libc::dup2(socket.as_raw_fd(), number) < 0 {
                            return Err(std::io::Error::last_os_error());
                        }
                    }
                    Ok(())
                });
            }
        })
    }
}

fn listen(path: &Path) -> OwnedFd {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap_or_else(|cause| panic!("cannot bind {}: {cause}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode for the socket");
    listener.into()
}

fn duplicate(descriptor: &OwnedFd, at_least: RawFd) -> OwnedFd {
    let number = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(at_least)).expect("a duplicate of a socket");
    // SAFETY: fcntl has just made this descriptor for us alone.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(number) }
}

/// In the child, std reports a failed start through a pipe; were that pipe descriptor 3, passing a socket would
/// close it and hide the failure. So this program itself never has the numbers free.
fn keep_low_numbers_taken(count: usize) {
    static TAKEN: OnceLock<Vec<OwnedFd>> = OnceLock::new();
    let end = FIRST + RawFd::try_from(count).expect("a few sockets");
    TAKEN.get_or_init(|| {
        let null: OwnedFd = fs::File::open("/dev/null").expect("/dev/null").into();
        let mut taken = vec![null];
        while taken.last().is_some_and(|last| last.as_raw_fd() < end) {
            let next = duplicate(&taken[0], FIRST);
            taken.push(next);
        }
        taken
    });
}
