//! A person at a terminal: a program on a pseudo-terminal of its own, in its own session, with what it shows and
//! what is typed. Every wait has a deadline; a wait that fails shows the whole transcript.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::unistd::tcgetpgrp;
use regex::Regex;

use crate::program::Program;
use crate::{SOON, evidence, patience};

/// Rows and columns: wide enough that no line of ours is folded, high enough for a QR code.
const USUAL: (u16, u16) = (60, 160);

/// A program that runs on a pseudo-terminal. Dropping it hangs up and ends the program.
#[derive(Debug)]
pub struct Terminal {
    name: String,
    child: Child,
    ended: OwnedFd,
    /// `None` after a hang-up.
    line: Option<OwnedFd>,
    undecoded: Vec<u8>,
    text: String,
    /// How far `expect` has read.
    read: usize,
}

/// What to wait for: a piece of text (`"Password:".into()`) or a regular expression.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This text.
    Text(String),
    /// Something that fits.
    Fits(Regex),
}

/// A pattern from a regular expression.
pub fn fits(expression: &str) -> Pattern {
    Pattern::Fits(Regex::new(expression).expect("a regular expression"))
}

impl Terminal {
    /// Starts the program on a new terminal, which controls it.
    pub fn open(program: &Program) -> Self {
        Self::open_sized(program, USUAL)
    }

    /// The same on a terminal of so many rows and columns.
    pub fn open_sized(program: &Program, (ws_row, ws_col): (u16, u16)) -> Self {
        let size = libc::winsize {
            ws_row,
            ws_col,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let name = program.name();
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
            .expect("a new pseudo-terminal");
        grantpt(&master)
            .and_then(|()| unlockpt(&master))
            .expect("the terminal can be unlocked");
        let path = ptsname_r(&master).expect("the terminal has a name");
        // By path and with O_CLOEXEC (std's default): what leaks into another test's child would keep the line up.
        let mut end = File::options();
        let end = end
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(&path)
            .expect("the terminal opens");
        let share = || end.try_clone().expect("a second descriptor of the terminal");

        let mut command = program.command();
        command.stdin(share()).stdout(share()).stderr(share());
        // SAFETY: three system calls; nothing allocates or locks. Descriptor 0 is the terminal by now.
        unsafe {
            command.pre_exec(move || {
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSWINSZ, &raw const size) < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command
            .spawn()
            .unwrap_or_else(|cause| panic!("cannot start {name}: {cause}"));
        let ended = patience::end_signal(&child).expect("a descriptor for the child process");
        let line = Some(OwnedFd::from(master));
        Self {
            name,
            child,
            ended,
            line,
            undecoded: Vec::new(),
            text: String::new(),
            read: 0,
        }
    }

    /// Waits until the program shows this (after what was expected before) and returns all that was shown up to and
    /// with it.
    pub fn expect(&mut self, pattern: impl Into<Pattern>, within: Duration) -> String {
        let (pattern, deadline) = (pattern.into(), Instant::now() + within);
        loop {
            if let Some(length) = pattern.end_in(&self.text[self.read..]) {
                let shown = self.text[self.read..self.read + length].to_owned();
                self.read += length;
                return shown;
            }
            let over = Instant::now() >= deadline;
            let open = self.take_in();
            if open == Line::Silent && over {
                panic!(
                    "{} did not show {pattern} within {within:?}; transcript:\n{}",
                    self.name, self.text
                );
            } else if open == Line::Down {
                panic!(
                    "{} ended without showing {pattern}; transcript:\n{}",
                    self.name, self.text
                );
            } else if open == Line::Silent {
                patience::readable(&self.line.iter().collect::<Vec<_>>(), deadline);
            }
        }
    }

    /// Types a line and Enter.
    pub fn send_line(&mut self, line: &str) {
        self.send(&format!("{line}\n"));
    }

    /// Types these characters.
    pub fn send(&mut self, characters: &str) {
        let line = self.line.as_ref().expect("the line is up");
        let mut line = File::from(line.try_clone().expect("a second descriptor of the terminal"));
        line.write_all(characters.as_bytes())
            .unwrap_or_else(|cause| panic!("cannot type: {cause}"));
    }

    /// Types Control and a letter, `send_control('c')`, once the program waits for input.
    ///
    /// sudo and ssh lose a `^C` that comes after their prompt and before their `read` (the handler only sets a flag):
    /// no person is that quick, but a test is.
    pub fn send_control(&mut self, letter: char) {
        patience::until(Duration::from_secs(1), || self.is_at_rest().then_some(()));
        let code = u8::try_from(letter.to_ascii_uppercase()).expect("a letter") & 0x1f;
        self.send(&char::from(code).to_string());
    }

    /// Types the end of input (`^D`).
    pub fn send_eof(&mut self) {
        self.send_control('d');
    }

    /// Waits until the program ends, reading on.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            let over = Instant::now() >= deadline;
            if let Some(status) = self.child.try_wait().expect("the program can be waited for") {
                while self.take_in() == Line::Busy {}
                return status;
            }
            match self.take_in() {
                Line::Busy => {}
                Line::Silent | Line::Down if over => {
                    panic!(
                        "{} did not end within {within:?}; transcript:\n{}",
                        self.name, self.text
                    )
                }
                Line::Silent => {
                    patience::readable(
                        &[&self.ended].into_iter().chain(&self.line).collect::<Vec<_>>(),
                        deadline,
                    );
                }
                Line::Down => patience::readable(&[&self.ended], deadline),
            }
        }
    }

    /// Waits for the end and fails unless the program succeeded; returns the transcript.
    pub fn wait_for_success(&mut self) -> String {
        let status = self.wait(SOON);
        assert!(
            status.success(),
            "{} ended with {status}; transcript:\n{}",
            self.name,
            self.text
        );
        self.text.clone()
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the program can be waited for").is_none()
    }

    /// Everything shown so far, with plain line ends.
    pub fn transcript(&mut self) -> &str {
        while self.take_in() == Line::Busy {}
        &self.text
    }

    /// What a screen of so many rows and columns shows at last: the end of the transcript, its lines folded.
    pub fn screen(&mut self, (rows, columns): (u16, u16)) -> Vec<String> {
        let mut shown: Vec<String> = Vec::new();
        for line in self.transcript().split('\n') {
            let line: Vec<char> = line.chars().collect();
            let folded = line.chunks(usize::from(columns)).map(|part| part.iter().collect());
            shown.extend(folded);
            if line.is_empty() {
                shown.push(String::new());
            }
        }
        shown.split_off(shown.len().saturating_sub(usize::from(rows)))
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hangs up: the terminal is gone, the program gets SIGHUP. It may still run; [`Terminal::wait`] tells.
    pub fn hang_up(&mut self) {
        self.line = None;
    }

    /// Kills the program, as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether the foreground process sleeps.
    fn is_at_rest(&self) -> bool {
        let leader = self.line.as_ref().and_then(|line| tcgetpgrp(line).ok());
        let state = leader.and_then(|leader| fs::read_to_string(format!("/proc/{leader}/stat")).ok());
        state.is_some_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')))
    }

    /// Reads what the terminal has, without waiting.
    fn take_in(&mut self) -> Line {
        let Some(line) = &self.line else { return Line::Down };
        let Ok(line) = line.try_clone() else { return Line::Down };
        let mut buffer = [0; 8192];
        match File::from(line).read(&mut buffer) {
            Ok(length @ 1..) => {
                self.decode(&buffer[..length]);
                Line::Busy
            }
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Line::Silent,
            // EIO: nobody has the other end open any more.
            Ok(_) | Err(_) => Line::Down,
        }
    }

    /// Appends whole characters; `\r\n` becomes `\n`.
    fn decode(&mut self, bytes: &[u8]) {
        self.undecoded.extend_from_slice(bytes);
        let mut whole = match std::str::from_utf8(&self.undecoded) {
            Err(broken) if broken.error_len().is_none() => broken.valid_up_to(),
            _ => self.undecoded.len(),
        };
        while whole > 0 && self.undecoded[whole - 1] == b'\r' {
            whole -= 1;
        }
        let bytes: Vec<u8> = self.undecoded.drain(..whole).collect();
        self.text.push_str(
            &String::from_utf8_lossy(&bytes)
                .replace("\r\r\n", "\n")
                .replace("\r\n", "\n"),
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        evidence::leave(&format!("terminal of {}", self.name), || self.transcript().to_owned());
        self.hang_up();
        if patience::end_of(&mut self.child, Duration::from_secs(1)).is_none() {
            self.kill();
        }
    }
}

/// What one look at the terminal gave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Busy,
    Silent,
    Down,
}

impl Pattern {
    fn end_in(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(wanted) => text.find(wanted.as_str()).map(|at| at + wanted.len()),
            Self::Fits(expression) => expression.find(text).map(|found| found.end()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(wanted) => write!(f, "{wanted:?}"),
            Self::Fits(expression) => write!(f, "what fits /{expression}/"),
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Regex> for Pattern {
    fn from(expression: Regex) -> Self {
        Self::Fits(expression)
    }
}
