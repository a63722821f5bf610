//! Builds the module and the host program once, and makes each test a directory of its own with a PAM stack in it.

use crate::agent::{Peer, Played, Script, play};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The built module and the program that loads it.
pub struct Built {
    pub module: PathBuf,
    pub host: PathBuf,
}

/// Cargo builds no `cdylib` for an integration test, so the tests have it built, into the target directory that they
/// lie in themselves.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&[], "module"))
}

/// The same with the option `panic=`, apart.
pub fn built_with_faults() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--features", "fault-injection"], "faulty-module"))
}

fn build(features: &[&str], subdirectory: &str) -> Built {
    // SAFETY: no pointers.
    let uid = unsafe { libc::geteuid() };
    assert_eq!(uid, 0, "these tests need root: the module trusts nobody else's socket");
    // …/target/debug/deps/pam-0123456789abcdef
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap().join("pam-tests").join(subdirectory);
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "-p",
            "pam_assent",
            "--lib",
            "--example",
            "pamdrive",
            "--target-dir",
        ])
        .arg(&target)
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    Built {
        module: target.join("debug/libpam_assent.so"),
        host: target.join("debug/examples/pamdrive"),
    }
}

/// One test's directory: `agent.sock`, and `pam.d` with the service `lab`.
pub struct Rig {
    dir: PathBuf,
    built: &'static Built,
}

impl Rig {
    pub fn new() -> Self {
        Self::of(built())
    }

    pub fn of(built: &'static Built) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "assent-pam-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
        let rig = Self { dir, built };
        std::fs::create_dir(rig.path("pam.d")).unwrap();
        rig.options("");
        rig.write_service("other", "auth required pam_deny.so\naccount required pam_deny.so\n");
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("agent.sock")
    }

    pub fn module(&self) -> &Path {
        &self.built.module
    }

    /// Makes ours the line of each phase that decides, with these options behind `socket=`.
    pub fn options(&self, options: &str) {
        self.line(&format!("socket={} {options}", self.socket().display()));
    }

    /// The same with these arguments alone. libpam never reports `IGNORE`, so a line behind ours, reached by `IGNORE`
    /// alone, answers with a code that we never use ([`pam::IGNORED`]).
    pub fn line(&self, arguments: &str) {
        let module = self.built.module.display();
        let behind = "auth=maxtries acct=maxtries open_session=maxtries close_session=maxtries prechauthtok=maxtries cred=maxtries";
        let lines = ["auth", "account", "session", "password"].map(|phase| {
            format!(
                "{phase} [success=1 ignore=ignore default=die] {module} {arguments}\n\
                 {phase} requisite pam_debug.so {behind}\n\
                 {phase} required pam_permit.so\n"
            )
        });
        let lines = lines.concat();
        self.write_service("lab", &lines);
        // The same stack by another name.
        self.write_service("elsewhere", &lines);
    }

    pub fn write_service(&self, name: &str, text: &str) {
        std::fs::write(self.path("pam.d").join(name), text).unwrap();
    }

    /// An agent for as many connections as there are scripts.
    pub fn agent<T: Send + 'static>(&self, script: impl FnOnce(&mut Peer) -> T + Send + 'static) -> Played<T> {
        play(&self.socket(), vec![Box::new(script)])
    }

    pub fn agents<T: Send + 'static>(&self, scripts: Vec<Script<T>>) -> Played<T> {
        play(&self.socket(), scripts)
    }

    /// The host program: user `ann`, conversation as given by the steps.
    pub fn host(&self, steps: &[&str]) -> Command {
        let mut command = Command::new(&self.built.host);
        self.arguments(&mut command, steps);
        command
    }

    /// The host program under `strace` with these options.
    pub fn straced(&self, options: &[&str], steps: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command.args(options).arg(&self.built.host);
        self.arguments(&mut command, steps);
        command
    }

    fn arguments(&self, command: &mut Command, steps: &[&str]) {
        command
            .arg(format!("confdir={}", self.path("pam.d").display()))
            .args(["service=lab", "user=ann"])
            .args(steps)
            .stdin(Stdio::null());
    }

    /// Runs the steps and returns what they printed.
    pub fn run(&self, steps: &[&str]) -> Seen {
        see(self.host(steps))
    }

    /// Starts the steps; the test goes on meanwhile.
    pub fn spawn(&self, steps: &[&str]) -> Child {
        // In a process group of its own, whose leader's parent lives in this session: in an orphaned group, such as that
        // of a run in the background, a terminal's stop signal does nothing (setpgid(2)).
        self.host(steps)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What the host program printed and how it ended.
#[derive(Debug)]
pub struct Seen {
    pub lines: Vec<String>,
    pub status: ExitStatus,
    pub errors: String,
}

pub fn see(mut command: Command) -> Seen {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Seen {
        lines: String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect(),
        status: output.status,
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn seen(child: Child) -> Seen {
    let output = child.wait_with_output().unwrap();
    Seen {
        lines: String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect(),
        status: output.status,
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Seen {
    /// The PAM code that a step got, at its first or only time.
    pub fn code(&self, step: &str) -> i32 {
        self.codes(step)
            .first()
            .copied()
            .unwrap_or_else(|| panic!("no {step} in {self:?}"))
    }

    pub fn codes(&self, step: &str) -> Vec<i32> {
        self.lines
            .iter()
            .filter_map(|line| line.strip_prefix(step)?.strip_prefix('=')?.parse().ok())
            .collect()
    }

    /// What the conversation was asked to show, as `STYLE "text"`.
    pub fn said(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| line.strip_prefix("say ")?.strip_suffix(" 1"))
            .collect()
    }

    pub fn has(&self, line: &str) -> bool {
        self.lines.iter().any(|seen| seen == line)
    }
}

/// PAM codes by name.
pub mod pam {
    pub const SUCCESS: i32 = 0;
    pub const PERM_DENIED: i32 = 6;
    pub const AUTH_ERR: i32 = 7;
    pub const AUTHINFO_UNAVAIL: i32 = 9;
    pub const ACCT_EXPIRED: i32 = 13;
    /// `PAM_MAXTRIES`, which stands for our `IGNORE` here.
    pub const IGNORED: i32 = 11;
}
