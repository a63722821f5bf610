//! What to run: a program with its arguments, as whom, with a clean environment. Consumed by
//! [`crate::terminal::Terminal`], [`crate::service::Service`] and [`Program::finish`].

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::{User, getgrouplist, setgid, setgroups, setuid};

use crate::{evidence, patience, scratch};

/// A program that is not started yet. Its environment is what a login would give, not the test's.
#[derive(Clone, Debug)]
pub struct Program {
    path: OsString,
    arguments: Vec<OsString>,
    user: String,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Program {
    /// The program at this path, or of this name in the usual directories; run by root until told otherwise.
    pub fn new(path: impl AsRef<OsStr>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            arguments: Vec::new(),
            user: "root".to_owned(),
            environment: Vec::new(),
            directory: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Runs it as this user of the world, with the user's groups and home.
    #[must_use]
    pub fn as_user(mut self, name: &str) -> Self {
        name.clone_into(&mut self.user);
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this directory instead of the user's home.
    #[must_use]
    pub fn in_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Runs it to its end, with no input and no terminal (in a session of its own).
    pub fn finish(&self, within: Duration) -> Finished {
        let (out, err) = (scratch::unused("out"), scratch::unused("err"));
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
        in_a_session_of_its_own(&mut command);
        let mut child = command
            .spawn()
            .unwrap_or_else(|cause| panic!("cannot start {}: {cause}", self.name()));
        let ended = patience::end_of(&mut child, within);
        let read = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let (out, err) = (read(&out), read(&err));
        let Some(status) = ended else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{} did not end within {within:?}; it said:\n{out}{err}", self.name());
        };
        Finished { status, out, err }
    }

    /// The name to call it by in messages.
    pub(crate) fn name(&self) -> String {
        PathBuf::from(&self.path)
            .file_name()
            .unwrap_or(&self.path)
            .to_string_lossy()
            .into_owned()
    }

    /// Puts a wrapper in front: `path arguments…` becomes `wrapper its-arguments… path arguments…`.
    pub(crate) fn wrapped_in<const N: usize>(mut self, wrapper: &str, before: [&str; N]) -> Self {
        let mut arguments: Vec<OsString> = before.iter().map(OsString::from).collect();
        arguments.push(std::mem::replace(&mut self.path, wrapper.into()));
        arguments.append(&mut self.arguments);
        self.arguments = arguments;
        self
    }

    pub(crate) fn command(&self) -> Command {
        let user = User::from_name(&self.user)
            .expect("the user database can be read")
            .unwrap_or_else(|| panic!("there is no user {} in this world", self.user));
        let name = CString::new(self.user.as_str()).expect("a user name without NUL");
        let groups = getgrouplist(&name, user.gid).expect("the group database can be read");

        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("HOME", &user.dir)
            .env("USER", &self.user)
            .env("LOGNAME", &self.user);
        command
            .env("SHELL", &user.shell)
            .env("TERM", "xterm")
            .env("LANG", "C.UTF-8");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let home = if user.dir.is_dir() { user.dir } else { "/".into() };
        command.current_dir(self.directory.clone().unwrap_or(home));
        if !user.uid.is_root() {
            // SAFETY: three system calls on values made before the fork; nothing allocates or locks.
            unsafe {
                command.pre_exec(move || {
                    setgroups(&groups)?;
                    setgid(user.gid)?;
                    setuid(user.uid)?;
                    Ok(())
                });
            }
        }
        command
    }
}

impl Finished {
    /// Goes on if the program succeeded; otherwise fails the test with what it said.
    #[allow(clippy::return_self_not_must_use, reason = "often the success is all that is wanted")]
    pub fn expect_success(self) -> Self {
        assert!(
            self.status.success(),
            "the program failed ({}):\n{}{}",
            self.status,
            self.out,
            self.err
        );
        self
    }
}

/// Detaches the child from the test's terminal and process group.
pub(crate) fn in_a_session_of_its_own(command: &mut Command) {
    // SAFETY: one system call; nothing allocates or locks.
    unsafe { command.pre_exec(|| Ok(nix::unistd::setsid().map(drop)?)) };
}

pub(crate) fn create(path: &PathBuf) -> File {
    let opened: io::Result<File> = fs::OpenOptions::new().create(true).append(true).open(path);
    opened.unwrap_or_else(|cause| panic!("cannot write {}: {cause}", path.display()))
}

/// Copies a program that is to be run. Another process does it: a copy of ours would hold the file open for writing, a
/// program that another scenario starts at that moment would inherit that, and what is open for writing cannot be run.
pub fn copy_program(from: &Path, to: &Path) {
    tool("cp", [&from.to_string_lossy(), &to.to_string_lossy()]);
}

/// A short way to run a tool whose success the rig takes for granted.
pub(crate) fn tool<const N: usize>(path: &str, arguments: [&str; N]) -> String {
    let finished = Program::new(path).args(arguments).finish(patience::SOON);
    if !finished.status.success() {
        evidence::leave(path, || finished.err.clone());
        panic!(
            "{path} {arguments:?} failed ({}):\n{}{}",
            finished.status, finished.out, finished.err
        );
    }
    finished.out
}
