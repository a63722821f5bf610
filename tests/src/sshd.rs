//! A real OpenSSH server of the world on a loopback port, and the people who connect to it by the real `ssh`.
//!
//! sshd names its PAM service after its own program (OpenSSH before 9.9 has no option for it), so a copy of the
//! binary under another name uses another stack; [`Sshd::builder`] does that with [`Builder::service`].

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Program, copy_program, tool};
use crate::service::Service;
use crate::terminal::Terminal;
use crate::{SOON, accounts, evidence, pam, patience, ports, scratch};

/// How an sshd is to be; see [`Sshd::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    service: String,
    stack: Option<String>,
    methods: String,
    more: String,
}

/// A running sshd; dropped, it is killed.
#[derive(Debug)]
pub struct Sshd {
    directory: PathBuf,
    port: u16,
    service: Service,
}

/// A key pair of a user.
#[derive(Clone, Debug)]
pub struct Key {
    file: PathBuf,
}

/// Someone about to type `ssh`.
#[derive(Clone, Debug)]
pub struct Client {
    options: Vec<String>,
    port: u16,
    user: String,
}

impl Sshd {
    /// An sshd of the service `sshd` that asks by keyboard-interactive, with the stack that `/etc/pam.d/sshd` holds.
    pub fn builder() -> Builder {
        Builder {
            service: "sshd".to_owned(),
            stack: None,
            methods: "keyboard-interactive".to_owned(),
            more: String::new(),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client that connects as this user.
    pub fn client(&self, user: &str) -> Client {
        let known = format!("UserKnownHostsFile={}", self.directory.join("known_hosts").display());
        let fixed = [
            &known,
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "IdentityFile=none",
            "LogLevel=INFO",
        ];
        Client {
            options: fixed.map(str::to_owned).to_vec(),
            port: self.port,
            user: user.to_owned(),
        }
    }

    /// What sshd has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Waits until sshd has logged this text.
    pub fn wait_for_log(&self, text: &str, within: std::time::Duration) {
        let seen = patience::until(within, || self.log().contains(text).then_some(()));
        seen.unwrap_or_else(|| panic!("sshd did not log {text:?} within {within:?}"));
    }

    /// The listening process.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        evidence::leave("log of sshd", || self.log());
    }
}

impl Builder {
    /// The PAM stack, written to `/etc/pam.d/` under the service's name.
    #[must_use]
    pub fn stack(mut self, text: &str) -> Self {
        self.stack = Some(text.to_owned());
        self
    }

    /// `AuthenticationMethods`, for instance `publickey,keyboard-interactive`.
    #[must_use]
    pub fn methods(mut self, methods: &str) -> Self {
        methods.clone_into(&mut self.methods);
        self
    }

    /// More lines of `sshd_config`; they stand first and so win.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.more.push_str(lines);
        self.more.push('\n');
        self
    }

    /// Another PAM service than `sshd`: for two servers with different stacks in one world.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        name.clone_into(&mut self.service);
        self
    }

    /// Starts it on a free port and waits until it listens.
    pub fn start(self) -> Sshd {
        self.start_on(ports::free())
    }

    /// Starts it on this port of 127.0.0.1.
    pub fn start_on(self, port: u16) -> Sshd {
        if let Some(text) = &self.stack {
            pam::stack(&self.service, text);
        }
        let directory = scratch::directory("sshd");
        let (program, key) = (directory.join(&self.service), directory.join("host_key"));
        copy_program(Path::new("/usr/sbin/sshd"), &program);
        generate(&key);
        let host = fs::read_to_string(key.with_extension("pub")).expect("the host's public key");
        scratch::write(directory.join("known_hosts"), &format!("[127.0.0.1]:{port} {host}"));
        scratch::write(directory.join("config"), &self.configuration(port, &key));

        let daemon = Program::new(&program).arg("-D").arg("-f").arg(directory.join("config"));
        let service = Service::start_as("sshd", &daemon.arg("-E").arg(directory.join("log")));
        let mut sshd = Sshd {
            directory,
            port,
            service,
        };
        let listening = patience::until(SOON, || {
            let running = sshd.service.is_running();
            sshd.log()
                .contains("Server listening")
                .then_some(true)
                .or((!running).then_some(false))
        });
        assert!(
            listening == Some(true),
            "sshd does not listen:\n{}{}",
            sshd.log(),
            sshd.service.log()
        );
        sshd
    }

    fn configuration(&self, port: u16, key: &Path) -> String {
        format!(
            "{more}Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication yes\nAuthenticationMethods {methods}\n\
             LogLevel VERBOSE\nPrintMotd no\nSubsystem sftp internal-sftp\n",
            more = self.more,
            key = key.display(),
            methods = self.methods,
        )
    }
}

impl Key {
    /// Makes a key and authorises it for the user.
    pub fn authorised_for(user: &str) -> Self {
        let key = Self {
            file: scratch::unused("user_key"),
        };
        generate(&key.file);
        let account = accounts::user(user);
        let directory = account.dir.join(".ssh");
        accounts::make_private(&directory, &account);
        let authorised = directory.join("authorized_keys");
        let public = fs::read_to_string(key.file.with_extension("pub")).expect("the public key");
        let earlier = fs::read_to_string(&authorised).unwrap_or_default();
        scratch::write(&authorised, &(earlier + &public));
        accounts::give(&authorised, 0o600, &account);
        key
    }
}

impl Client {
    /// Offers this key.
    #[must_use]
    pub fn with_key(mut self, key: &Key) -> Self {
        self.options.retain(|option| option != "IdentityFile=none");
        self.option(&format!("IdentityFile={}", key.file.display()))
    }

    /// An option of `ssh_config`, `BatchMode=yes` for instance.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// `ssh user@127.0.0.1 command`.
    pub fn run(&self, command: &str) -> Terminal {
        Terminal::open(&self.program(command))
    }

    /// `ssh user@127.0.0.1`: a login shell on a terminal.
    pub fn shell(&self) -> Terminal {
        Terminal::open(&self.base("ssh", "-p").arg(self.at_host()))
    }

    /// `scp file user@127.0.0.1:to`.
    pub fn copy(&self, file: &Path, to: &str) -> Terminal {
        Terminal::open(&self.base("scp", "-P").arg(file).arg(format!("{}:{to}", self.at_host())))
    }

    /// The command as a [`Program`], for runs without a terminal.
    pub fn program(&self, command: &str) -> Program {
        self.base("ssh", "-p").arg(self.at_host()).arg(command)
    }

    fn base(&self, program: &str, port_flag: &str) -> Program {
        let program = Program::new(program).args(["-F", "none", port_flag, &self.port.to_string()]);
        self.options
            .iter()
            .fold(program, |program, option| program.args(["-o", option]))
    }

    fn at_host(&self) -> String {
        format!("{}@127.0.0.1", self.user)
    }
}

fn generate(key: &Path) {
    tool(
        "ssh-keygen",
        [
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "rig",
            "-f",
            &key.to_string_lossy(),
        ],
    );
}
