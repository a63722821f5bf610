//! The Debian packages that the rigs stand on: which are missing, and their installation, without starting any of
//! the daemons in them. The only part of this crate that changes the machine, and only when told to. Called by the
//! xtasks, outside any private world.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the tests and the demo need on a fresh Debian 12.
pub const FOR_TESTS: [&str; 33] = [
    "openssh-server",
    "openssh-client",
    "sudo",
    "slapd",
    "ldap-utils",
    "libpam0g-dev",
    "libpam-modules",
    "openssl",
    "ca-certificates",
    "strace",
    "dbus",
    // The code service's tests: a mail server, an authenticator app.
    "python3-aiosmtpd",
    "oathtool",
    // Who reads the record: a syslog daemon, and the journal's own reader.
    "rsyslog",
    "systemd-journal-remote",
    // The engine's tests of real directories.
    "samba",
    "samba-ad-dc",
    "samba-ad-provision",
    "samba-dsdb-modules",
    "ldb-tools",
    "389-ds-base",
    "libnss3-tools",
    // A signing key in a token, and another program that looks into it.
    "softhsm2",
    "opensc",
    "swtpm",
    "libtpm2-pkcs11-1",
    "libtss2-tcti-swtpm0",
    // What speaks to security keys, and what the one in software is made of.
    "fido2-tools",
    "python3-fido2",
    // Web Push as it really arrives; libnotify is Firefox's way to a desktop's buttons.
    "firefox-esr",
    "libnotify4",
    // A desktop with a notification area.
    "dunst",
    "xvfb",
];

/// Whether the person has agreed to an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes (`--yes`).
    Given,
    /// Ask at the terminal; without a terminal that is a no.
    Ask,
}

/// Why the packages are not there.
#[derive(Debug)]
pub enum Missing {
    /// Nobody agreed to install these.
    Refused(Vec<String>),
    /// Installing needs root.
    NotRoot(Vec<String>),
    /// The package manager failed; what it said has been shown.
    Failed(String),
}

/// The packages of the list that are not installed.
pub fn missing(wanted: &[&str]) -> Vec<String> {
    wanted
        .iter()
        .filter(|package| !is_installed(package))
        .map(|&package| package.to_owned())
        .collect()
}

/// Sees to it that the packages are installed.
pub fn ensure(wanted: &[&str], consent: Consent) -> Result<(), Missing> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    if consent == Consent::Ask && !ask(&missing) {
        return Err(Missing::Refused(missing));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(Missing::NotRoot(missing));
    }
    install(&missing)
}

/// Fetches packages and unpacks their files into a directory, without installing them: for what would change the
/// machine by being installed (`libpam-duo` and `libpam-ldapd` run pam-auth-update). Does nothing if that was done before.
pub fn unpack(packages: &[&str], into: &Path, consent: Consent) -> Result<(), Missing> {
    let failed = |what: String| Missing::Failed(what);
    let done = into.join("unpacked");
    let wanted = packages.join(" ");
    if fs::read_to_string(&done).is_ok_and(|names| names == wanted) {
        return Ok(());
    }
    let names: Vec<String> = packages.iter().map(|&package| package.to_owned()).collect();
    if consent == Consent::Ask && !ask_to_unpack(&names, into) {
        return Err(Missing::Refused(names));
    }
    let fetched = into.join("fetched");
    let _ = fs::remove_dir_all(&fetched);
    fs::create_dir_all(&fetched).map_err(|e| failed(format!("{} cannot be made: {e}", fetched.display())))?;
    let fetch = || {
        let mut command = Command::new("apt-get");
        command.args(["-q", "download"]).args(packages).current_dir(&fetched);
        command.status().is_ok_and(|status| status.success())
    };
    if !(has_lists() && fetch() || apt_get(&["update"]) && fetch()) {
        return Err(failed(format!("apt-get download {wanted} failed")));
    }
    let archives = fs::read_dir(&fetched).map_err(|e| failed(e.to_string()))?;
    for archive in archives.flatten() {
        let unpacking = Command::new("dpkg-deb")
            .arg("--extract")
            .arg(archive.path())
            .arg(into)
            .status();
        if !unpacking.is_ok_and(|status| status.success()) {
            return Err(failed(format!("{} cannot be unpacked", archive.path().display())));
        }
    }
    fs::write(&done, wanted).map_err(|e| failed(format!("{} cannot be written: {e}", done.display())))
}

fn ask_to_unpack(packages: &[String], into: &Path) -> bool {
    confirm(&format!(
        "These Debian packages are needed for comparison: {}\nFetch them with apt-get and unpack them into {} (nothing is installed)? [y/N] ",
        packages.join(" "),
        into.display()
    ))
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package])
        .output();
    query.is_ok_and(|answer| answer.status.success() && answer.stdout == b"installed")
}

fn ask(missing: &[String]) -> bool {
    confirm(&format!(
        "These Debian packages are missing: {}\nInstall them with apt-get? [y/N] ",
        missing.join(" ")
    ))
}

fn confirm(question: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    print!("{question}");
    let mut answer = String::new();
    let _ = io::stdout().flush();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn install(missing: &[String]) -> Result<(), Missing> {
    let _quiet = NoDaemons::begin();
    if missing.iter().any(|package| package == "slapd") {
        // The rigs' slapd has its own configuration; the packaged one stays without any.
        let _ = preseed("slapd slapd/no_configuration boolean true\n");
    }
    let wanted: Vec<&str> = ["install", "--no-install-recommends"]
        .into_iter()
        .chain(missing.iter().map(String::as_str))
        .collect();
    // A fresh machine has no lists; elsewhere they may be out of date, which shows when the first try fails.
    let done = has_lists() && apt_get(&wanted) || apt_get(&["update"]) && apt_get(&wanted);
    if !done {
        return Err(Missing::Failed(format!("apt-get {} failed", wanted.join(" "))));
    }
    keep_off_after_boot(missing);
    Ok(())
}

fn has_lists() -> bool {
    let lists = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    lists
        .into_iter()
        .any(|list| list.file_name().to_string_lossy().contains("_Packages"))
}

fn apt_get(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command
        .args(["-y", "-q"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn preseed(answers: &str) -> io::Result<()> {
    let mut child = Command::new("debconf-set-selections").stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(answers.as_bytes())?;
    }
    child.wait().map(drop)
}

/// On a machine that runs systemd, what was installed for the tests alone shall not start at the next boot either.
fn keep_off_after_boot(installed: &[String]) {
    if !Path::new("/run/systemd/system").exists() {
        return;
    }
    for (package, unit) in [
        ("openssh-server", "ssh.service"),
        ("slapd", "slapd.service"),
        ("samba", "smbd.service"),
        ("samba", "nmbd.service"),
        ("samba-ad-dc", "samba-ad-dc.service"),
        ("rsyslog", "rsyslog.service"),
    ] {
        if installed.iter().any(|name| name == package) {
            println!(
                "{unit} stays disabled: the tests start their own (enable it with: systemctl enable --now {unit})"
            );
            let _ = Command::new("systemctl").args(["--quiet", "disable", unit]).status();
        }
    }
}

/// Debian's way to install daemons without starting them: a `policy-rc.d` that says no. Where the machine has one,
/// its own word holds. Ours says no only while this process lives, so one left behind by `kill -9` does nothing.
struct NoDaemons {
    made: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const MARK: &str = "# Written by Assent's test rigs for one installation; safe to remove.";

impl NoDaemons {
    fn begin() -> Self {
        if fs::read_to_string(POLICY).is_ok_and(|text| text.contains(MARK)) {
            let _ = fs::remove_file(POLICY);
        }
        let text = format!(
            "#!/bin/sh\n{MARK}\n[ -d /proc/{} ] && exit 101\nexit 0\n",
            std::process::id()
        );
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        Self {
            made: file.and_then(|mut file| file.write_all(text.as_bytes())).is_ok(),
        }
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.made {
            let _ = fs::remove_file(POLICY);
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(packages) => {
                write!(
                    f,
                    "missing Debian packages: {} (--yes installs them)",
                    packages.join(" ")
                )
            }
            Self::NotRoot(packages) => {
                write!(
                    f,
                    "missing Debian packages: {}; installing them needs root",
                    packages.join(" ")
                )
            }
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Missing {}
