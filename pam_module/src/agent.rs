//! The connection to `assent-agentd`: found only where root alone could have put it, spoken to only if root listens.
//!
//! No byte leaves before both are proven. Every wait is `wait`'s. Called by `login` and `session`.

use crate::deadline::Deadline;
use crate::outcome::Cause;
use crate::sys::os::{boot_millis, errno, open_at, stat};
use crate::sys::socket;
use crate::wait::{For, Stop, Watch};
use assent_wire::{ToAgent, ToModule, body_len};
use std::ffi::CString;
use std::io::{Error, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// By when the agent must have said that it is there.
const HELLO: Duration = Duration::from_secs(3);
/// Between two attempts while the agent's queue is full.
const QUEUE_FULL_MILLIS: i32 = 20;

/// An open connection to a root listener.
pub struct Agent {
    socket: OwnedFd,
}

impl Agent {
    /// Connects, sends the first message and waits for `Hello`.
    ///
    /// # Errors
    /// [`Stop`]; a missing `Hello` is [`Cause::NoHello`].
    pub fn greet(path: &Path, begin: &ToAgent, watch: &Watch, deadline: Deadline) -> Result<Self, Stop> {
        let hello_by = deadline.min(Deadline::after(boot_millis(), HELLO));
        let no_hello = |stop| match stop {
            Stop::Late if hello_by < deadline => Stop::Broken(Cause::NoHello),
            other => other,
        };
        let place = Place::find(path).map_err(Stop::Broken)?;
        let agent = loop {
            match place.connect() {
                Ok(agent) => break agent,
                Err(Attempt::QueueFull) => watch.pause(QUEUE_FULL_MILLIS, hello_by).map_err(no_hello)?,
                Err(Attempt::Refused(cause)) => return Err(Stop::Broken(cause)),
            }
        };
        agent.send(begin, watch, hello_by).map_err(no_hello)?;
        match agent
            .receive(watch, hello_by)
            .map_err(no_hello)
            .inspect_err(|stop| agent.farewell(stop))?
        {
            ToModule::Hello => Ok(agent),
            ToModule::Ask { .. } | ToModule::AskPassword { .. } | ToModule::Tell { .. } | ToModule::Verdict(_) => {
                Err(Stop::Broken(Cause::OutOfTurn))
            }
        }
    }

    /// Sends one whole message.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn send(&self, message: &ToAgent, watch: &Watch, deadline: Deadline) -> Result<(), Stop> {
        let frame = message.encode().map_err(|error| Stop::Broken(Cause::Frame(error)))?;
        let mut left = &frame[..];
        while !left.is_empty() {
            watch.ready(self.socket.as_fd(), For::Room, deadline)?;
            match socket::send(&self.socket, left) {
                Ok(sent) => left = left.get(sent..).unwrap_or_default(),
                Err(error) if is_passing(&error) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(Stop::Broken(Cause::Closed)),
                Err(error) => return Err(system("send", &error)),
            }
        }
        Ok(())
    }

    /// Takes one whole message.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn receive(&self, watch: &Watch, deadline: Deadline) -> Result<ToModule, Stop> {
        let mut prefix = [0; 4];
        self.fill(&mut prefix, watch, deadline)?;
        let len = body_len(prefix).map_err(|error| Stop::Broken(Cause::Frame(error)))?;
        let mut body = Zeroizing::new(vec![0; len]);
        self.fill(&mut body, watch, deadline)?;
        ToModule::decode(&body).map_err(|error| Stop::Broken(Cause::Frame(error)))
    }

    /// Says that the person left, if he did and if it needs no waiting; closing the connection says it too. To be
    /// called while the signals are still held back: afterwards we may not live.
    pub fn farewell(&self, stop: &Stop) {
        if matches!(stop, Stop::PersonLeft { .. })
            && let Ok(frame) = ToAgent::Gone.encode()
        {
            let _ = socket::send(&self.socket, &frame);
        }
    }

    fn fill(&self, bytes: &mut [u8], watch: &Watch, deadline: Deadline) -> Result<(), Stop> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            watch.ready(self.socket.as_fd(), For::Input, deadline)?;
            match socket::receive(&self.socket, rest) {
                Ok(0) => return Err(Stop::Broken(Cause::Closed)),
                Ok(taken) => filled += taken,
                Err(error) if is_passing(&error) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(Stop::Broken(Cause::Closed)),
                Err(error) => return Err(system("recv", &error)),
            }
        }
        Ok(())
    }
}

/// Sends one message to an agent that is there at once, and waits for nothing. Whether it arrived is nobody's concern.
pub fn drop_off(path: &Path, message: &ToAgent) {
    if let Ok(agent) = Place::find(path).and_then(|place| place.connect().map_err(|_| Cause::Closed))
        && let Ok(frame) = message.encode()
    {
        let _ = socket::send(&agent.socket, &frame);
    }
}

/// The agent's socket in the file system: held open, so that what was checked is what is connected to.
struct Place {
    node: OwnedFd,
}

enum Attempt {
    QueueFull,
    Refused(Cause),
}

impl Place {
    /// Walks to the socket from the root, one directory at a time, following no symbolic link. Every directory must be
    /// root's and not writable for others (a sticky one, like `/tmp`, may be on the way, but not the last).
    fn find(path: &Path) -> Result<Self, Cause> {
        let (parent, name) = path.parent().zip(path.file_name()).ok_or(Cause::Path("no file name"))?;
        let directory = |at: Option<&OwnedFd>, name: &std::ffi::OsStr| {
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            open_at(at.map(AsFd::as_fd), &c_name(name)?, flags).map_err(|error| missing(&error))
        };
        let mut here = directory(None, "/".as_ref())?;
        check_directory(&here, parent == Path::new("/"))?;
        let steps: Vec<_> = parent.components().skip(1).collect();
        for (at, step) in steps.iter().enumerate() {
            here = directory(Some(&here), step.as_os_str())?;
            check_directory(&here, at + 1 == steps.len())?;
        }
        let node = open_at(Some(here.as_fd()), &c_name(name)?, libc::O_PATH | libc::O_NOFOLLOW)
            .map_err(|error| missing(&error))?;
        let found = stat(&node).map_err(|error| Cause::System("fstat", errno(&error)))?;
        match found {
            _ if found.kind != libc::S_IFSOCK => Err(Cause::Path("it is not a socket")),
            _ if found.uid != 0 => Err(Cause::Path("it is not owned by root")),
            _ => Ok(Self { node }),
        }
    }

    /// Connects to the very socket that was checked, by its descriptor, and looks who listens.
    fn connect(&self) -> Result<Agent, Attempt> {
        let refused = |call, error: &Error| Attempt::Refused(Cause::System(call, errno(error)));
        let path = CString::new(format!("/proc/self/fd/{}", self.node.as_raw_fd()))
            .map_err(|_| Attempt::Refused(Cause::Path("no file name")))?;
        let socket = socket::stream().map_err(|error| refused("socket", &error))?;
        socket::connect(&socket, &path).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Attempt::QueueFull,
            _ => refused("connect", &error),
        })?;
        match socket::peer_uid(&socket) {
            Ok(0) => Ok(Agent { socket }),
            Ok(uid) => Err(Attempt::Refused(Cause::Listener(uid))),
            Err(error) => Err(refused("getsockopt", &error)),
        }
    }
}

fn check_directory(directory: &OwnedFd, last: bool) -> Result<(), Cause> {
    const WRITABLE_FOR_OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let found = stat(directory).map_err(|error| Cause::System("fstat", errno(&error)))?;
    let open = found.mode & WRITABLE_FOR_OTHERS != 0 && (last || found.mode & STICKY == 0);
    match found {
        _ if found.uid != 0 => Err(Cause::Path("a directory of its path is not owned by root")),
        _ if open => Err(Cause::Path("a directory of its path is writable for others")),
        _ => Ok(()),
    }
}

fn c_name(name: &std::ffi::OsStr) -> Result<CString, Cause> {
    CString::new(name.as_bytes()).map_err(|_| Cause::Path("its name contains NUL"))
}

fn missing(error: &Error) -> Cause {
    match errno(error) {
        libc::ENOENT => Cause::Path("there is none"),
        libc::ELOOP | libc::ENOTDIR => Cause::Path("a part of its path is no directory"),
        other => Cause::System("openat", other),
    }
}

fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn system(call: &'static str, error: &Error) -> Stop {
    Stop::Broken(Cause::System(call, errno(error)))
}
