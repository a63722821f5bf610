//! A whole Debian, booted by `systemd-nspawn` inside the private world: its own systemd, journal, bus and sshd, on the
//! world's loopback. It runs on a copy of a tree that [`tree`] makes once; what happens in it ends with it.
//!
//! Called by `cargo xtask dist --test`. A machine that cannot boot one says so as [`CannotBoot`], before anything of
//! the product is in it; whatever fails later is a failure.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use crate::program::{Finished, Program};
use crate::service::Service;
use crate::{patience, scratch};

/// Debian packages that making and booting it needs.
pub const PACKAGES: [&str; 4] = ["mmdebstrap", "systemd-container", "util-linux", "openssh-client"];

/// What is in it beside the smallest Debian.
const INCLUDED: &str = "init,systemd-sysv,libpam-systemd,dbus,openssh-server,sudo,ca-certificates,rpm";
/// Booting takes one second here; a busy machine gets more.
const BOOT: Duration = Duration::from_secs(90);
/// One command in it.
const COMMAND: Duration = Duration::from_secs(120);

/// Why this machine cannot boot a Debian.
#[derive(Debug)]
pub struct CannotBoot(String);

/// A running Debian; dropped, it is gone.
#[derive(Debug)]
pub struct Machine {
    nspawn: Service,
    init: u32,
    root: PathBuf,
    groups: Vec<PathBuf>,
}

/// The tree that machines start from, made in `cache` if it is not there: the only part that needs the network, so
/// call it outside any private world. Takes about a minute once.
pub fn tree(cache: &Path) -> Result<PathBuf, CannotBoot> {
    let (tree, mark) = (cache.join("root"), cache.join("recipe"));
    if fs::read_to_string(&mark).is_ok_and(|recipe| recipe == INCLUDED) {
        return Ok(tree);
    }
    println!("making a Debian 12 tree in {} (once)", cache.display());
    let _ = fs::remove_dir_all(cache);
    fs::create_dir_all(cache).map_err(|cause| CannotBoot(format!("{}: {cause}", cache.display())))?;
    let made = std::process::Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--mode=root"])
        .arg(format!("--include={INCLUDED}"))
        .args(["--dpkgopt=path-exclude=/usr/share/locale/*", "bookworm"])
        .arg(&tree)
        .args(mirror())
        .output();
    match made {
        Ok(made) if made.status.success() => {}
        Ok(made) => {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(CannotBoot(format!("mmdebstrap made no tree: {}", said.trim())));
        }
        Err(cause) => return Err(CannotBoot(format!("mmdebstrap could not be started: {cause}"))),
    }
    fs::write(&mark, INCLUDED).map_err(|cause| CannotBoot(format!("{}: {cause}", mark.display())))?;
    Ok(tree)
}

/// Where this machine gets its own Debian packages.
fn mirror() -> Option<String> {
    let asked = std::process::Command::new("apt-get")
        .args(["indextargets", "--format", "$(SITE)"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}

impl Machine {
    /// Boots a copy of the tree and waits until it is up. Call it in a furnished world, whose loopback it shares.
    pub fn boot(tree: &Path) -> Result<Self, CannotBoot> {
        let root =
            layer(tree).map_err(|cause| CannotBoot(format!("no copy of {} can be laid: {cause}", tree.display())))?;
        let groups = control_groups();
        let enter = groups
            .iter()
            .map(|group| format!("echo $$ >{}/cgroup.procs", group.display()));
        let enter = enter.collect::<Vec<_>>().join("; ");
        let nspawn = format!(
            "{enter}; exec systemd-nspawn --quiet --boot --register=no --keep-unit --machine=booted --directory={} \
             --console=pipe --link-journal=no --resolv-conf=off --timezone=off",
            root.display()
        );
        let nspawn = Service::start_as("nspawn", &Program::new("sh").arg("-c").arg(nspawn));
        let mut machine = Self {
            nspawn,
            init: 0,
            root,
            groups,
        };
        match machine.wait_until_up() {
            Some(()) => Ok(machine),
            None => Err(CannotBoot(format!(
                "systemd does not come up in systemd-nspawn here: {}",
                machine.nspawn.log().trim()
            ))),
        }
    }

    fn wait_until_up(&mut self) -> Option<()> {
        let nspawn = self.nspawn.pid();
        self.init = patience::until(BOOT, || match self.nspawn.is_running() {
            true => init_of(nspawn).map(Some),
            false => Some(None),
        })??;
        let up = patience::until(BOOT, || {
            let asked = self.try_running(["systemctl", "is-system-running"]);
            let state = asked.map(|answer| answer.out).unwrap_or_default();
            match state.trim() {
                "running" => Some(true),
                "degraded" => Some(false),
                _ if !self.nspawn.is_running() => Some(false),
                _ => None,
            }
        });
        (up == Some(true)).then_some(())
    }

    /// Its root directory, seen from outside. What lies in memory there (`/run`, `/tmp`) is not seen.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program in it, run by its root.
    pub fn program<I: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Program {
        let namespaces = ["--mount", "--uts", "--ipc", "--pid", "--root", "--wd"];
        Program::new("nsenter")
            .args(["--target", &self.init.to_string()])
            .args(namespaces)
            .arg("--")
            .args(words)
    }

    /// A program in it, run by one of its users.
    pub fn program_of(&self, user: &str, words: &[&str]) -> Program {
        self.program(["runuser", "-u", user, "--"].iter().chain(words))
            .env("HOME", format!("/home/{user}"))
    }

    /// Runs a program in it to its end.
    pub fn run<const N: usize>(&self, words: [&str; N]) -> Finished {
        self.program(words).finish(COMMAND)
    }

    /// Runs a line of shell in it, which must succeed, and returns what it printed.
    pub fn shell(&self, line: &str) -> String {
        self.run(["sh", "-ec", line]).expect_success().out
    }

    /// Everything in its journal.
    pub fn journal(&self) -> String {
        self.run(["journalctl", "--no-pager", "--quiet", "--boot"]).out
    }

    /// Copies a file into it, as root's.
    pub fn put(&self, from: &Path, to: &str) {
        let to = self.root.join(to.trim_start_matches('/'));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).expect("a directory in the machine");
        }
        fs::copy(from, &to).unwrap_or_else(|cause| panic!("cannot copy {}: {cause}", from.display()));
    }

    /// Writes a file in it, as root's.
    pub fn write(&self, to: &str, text: &str) {
        scratch::write(self.root.join(to.trim_start_matches('/')), text);
    }

    fn try_running<const N: usize>(&self, words: [&str; N]) -> Option<Finished> {
        Path::new(&format!("/proc/{}", self.init))
            .exists()
            .then(|| self.run(words))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        crate::evidence::leave("journal of the booted machine", || self.journal());
        self.nspawn.kill();
        let gone = || (!Path::new(&format!("/proc/{}", self.init)).exists()).then_some(());
        let _ = patience::until(Duration::from_secs(10), gone);
        for group in &self.groups {
            remove_groups(group);
        }
    }
}

/// A writable layer in memory over the tree.
fn layer(tree: &Path) -> std::io::Result<PathBuf> {
    let memory = scratch::directory("booted");
    let nothing: Option<&str> = None;
    mount(
        Some("tmpfs"),
        &memory,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=0755"),
    )?;
    let [upper, work, root] = ["upper", "work", "root"].map(|name| memory.join(name));
    for directory in [&upper, &work, &root] {
        fs::create_dir(directory)?;
    }
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        tree.display(),
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        &root,
        Some("overlay"),
        MsFlags::empty(),
        Some(layers.as_str()),
    )?;
    mount(nothing, &root, nothing, MsFlags::MS_PRIVATE, nothing)?;
    Ok(root)
}

/// The first process in it.
fn init_of(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == "systemd").then(|| child.parse().ok())?
    })
}

/// A control group of its own in each tree that systemd uses, so that nothing is left in the machine's.
fn control_groups() -> Vec<PathBuf> {
    let trees = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(PathBuf::from);
    let trees = trees.into_iter().filter(|tree| tree.join("cgroup.procs").exists());
    let groups = trees.map(|tree| tree.join(format!("assent-booted-{}", std::process::id())));
    groups.filter(|group| fs::create_dir_all(group).is_ok()).collect()
}

/// From the innermost outwards; files in them are the kernel's.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

impl fmt::Display for CannotBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotBoot {}
