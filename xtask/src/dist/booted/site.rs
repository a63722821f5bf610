//! The site in the booted Debian: gateway, agent and alice's authenticator, all from the packages. The steps beside
//! this file say what must hold of it.

use crate::dist::Made;
use assent_tests::booted::Machine;
use assent_tests::patience;
use assent_tests::product::PATIENCE;
use assent_tests::program::{Finished, Program};
use assent_tests::scratch;
use assent_tests::terminal::{Terminal, fits};
use std::path::PathBuf;

/// alice's password in the machine.
pub const PASSWORD: &str = "birch-and-beech";

/// What there is.
pub struct Site {
    /// The Debian.
    pub machine: Machine,
    packages: Made,
    upgrades: Made,
    known_hosts: PathBuf,
}

impl Site {
    /// A machine with a user, and none of our packages yet.
    pub fn new(machine: Machine, packages: Made, upgrades: Made) -> Self {
        let host = std::fs::read_to_string(machine.root().join("etc/ssh/ssh_host_ed25519_key.pub"));
        let known_hosts = scratch::unused("known_hosts");
        scratch::write(
            &known_hosts,
            &format!("127.0.0.1 {}", host.expect("the machine's host key")),
        );
        machine.shell(
            "useradd --create-home --shell /bin/bash alice; useradd --create-home bob; useradd --create-home carol",
        );
        machine.shell(&format!("echo alice:{PASSWORD} | chpasswd"));
        machine.write(
            "/etc/sudoers.d/alice",
            "alice ALL=(ALL) ALL\nDefaults timestamp_timeout=0\n",
        );
        machine.shell("chmod 0440 /etc/sudoers.d/alice");
        Self {
            machine,
            packages,
            upgrades,
            known_hosts,
        }
    }

    /// The last lines that its journal has.
    pub fn end_of_journal(&self) -> String {
        let lines = ["journalctl", "--no-pager", "--quiet", "--boot", "--lines=60"];
        self.machine.run(lines).out
    }

    /// Puts Debian packages into it and has apt install them, as an admin would.
    pub fn install(&self, upgrades: bool) -> Finished {
        let files = self.bring(if upgrades {
            &self.upgrades.debs
        } else {
            &self.packages.debs
        });
        let line = format!("DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {files}");
        self.machine.run(["sh", "-c", &line])
    }

    /// Puts RPM packages into it and has rpm install them. What they need of the system is Debian's, which rpm does
    /// not know.
    pub fn install_rpms(&self, upgrades: bool) -> Finished {
        let files = self.bring(if upgrades {
            &self.upgrades.rpms
        } else {
            &self.packages.rpms
        });
        let line = format!("rpm --upgrade --nodeps --force-debian {files}");
        self.machine.run(["sh", "-c", &line])
    }

    fn bring(&self, packages: &[PathBuf]) -> String {
        let bring = |package: &PathBuf| {
            let to = format!("/srv/{}", package.file_name().expect("a name").to_string_lossy());
            self.machine.put(package, &to);
            to
        };
        packages.iter().map(bring).collect::<Vec<_>>().join(" ")
    }

    /// `ssh user@127.0.0.1 command`, from outside the machine.
    pub fn ssh(&self, options: &[&str], user: &str, command: &str) -> Program {
        let known = format!("UserKnownHostsFile={}", self.known_hosts.display());
        Program::new("ssh")
            .args(["-F", "none", "-o", &known, "-o", "StrictHostKeyChecking=yes"])
            .args(["-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"])
            .args(options)
            .args([&format!("{user}@127.0.0.1"), command])
    }

    /// alice's authenticator, opened.
    pub fn phone(&self) -> Terminal {
        let words = ["assentctl", "authenticator", "listen"];
        let mut phone = Terminal::open(&self.machine.program_of("alice", &words));
        phone.expect(fits("Listening at .*"), PATIENCE);
        phone
    }

    /// alice logs in with her password, which is typed already.
    pub fn password_login(&self, options: &[&str], command: &str) -> Terminal {
        let mut ssh = Terminal::open(&self.ssh(options, "alice", command));
        ssh.expect("password:", PATIENCE);
        ssh.send_line(PASSWORD);
        ssh
    }

    /// Waits until its journal has this.
    pub fn wait_for_journal(&self, unit: &str, text: &str) {
        let seen = patience::until(PATIENCE, || {
            let journal = self
                .machine
                .run(["journalctl", "--no-pager", "--quiet", "--unit", unit])
                .out;
            journal.contains(text).then_some(())
        });
        assert!(
            seen.is_some(),
            "{unit} did not log {text:?}:\n{}",
            self.end_of_journal()
        );
    }

    /// How a unit is: `active`, `inactive`.
    pub fn state(&self, unit: &str) -> String {
        self.machine.run(["systemctl", "is-active", unit]).out.trim().to_owned()
    }

    /// Every PAM stack, and what pam-auth-update would make stacks of.
    pub fn stacks(&self) -> String {
        self.machine
            .shell("cd /etc/pam.d; sha256sum *; find /usr/share/pam-configs -type f | sort")
    }

    /// Device, inode and owner of both sockets.
    pub fn sockets(&self) -> String {
        self.machine.shell("stat -c '%n %d:%i %U:%G %a %F' /run/assent/*.sock")
    }

    /// Waits until the agent that runs now hears the gateway.
    pub fn wait_until_connected(&self) {
        let seen = patience::until(PATIENCE, || {
            let line = "journalctl --no-pager --quiet _PID=$(systemctl show --property=MainPID --value assent-agentd)";
            let journal = self.machine.run(["sh", "-c", line]).out;
            journal.contains("connected to the relay").then_some(())
        });
        assert!(seen.is_some(), "the agent does not connect:\n{}", self.end_of_journal());
    }
}
