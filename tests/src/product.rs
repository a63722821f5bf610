//! Assent itself in the world: a gateway with a registrar, this host joined to it, the agent behind its sockets, and
//! people with authenticators. Everything is the built product, run as its package would run it.

mod apart;

pub use apart::{Layout, ROLES};

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bus::Bus;
use crate::certificates::{Authority, ServerCertificate};
use crate::company::{self, BASE, SERVICE, SERVICE_PASSWORD};
use crate::program::{Finished, Program};
use crate::service::Service;
use crate::slapd::Slapd;
use crate::sockets::{ADMIN, Sockets};
use crate::syslog::Syslog;
use crate::terminal::{Terminal, fits};
use crate::{SOON, accounts, patience, scratch};

/// How long a person takes at most.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The agent's user, as the package makes it.
pub const AGENT_USER: &str = "assent";
/// The gateway's user.
pub const GATEWAY_USER: &str = "assent-gateway";

const AGENT_CONFIG: &str = "/etc/assent/agentd.toml";
const GATEWAY_CONFIG: &str = "/etc/assent/gateway.toml";
const GATEWAY_STATE: &str = "/var/lib/assent-gateway";
const AUDIT: &str = "/var/lib/assent/audit.jsonl";

static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();

/// Has the rigs run the product in this directory instead of the one beside this very program.
pub fn use_build(directory: PathBuf) {
    BUILT.set(directory).expect("chosen once");
}

/// The directory of the built product: where this very program was built, or what [`use_build`] chose.
pub fn built() -> PathBuf {
    if let Some(path) = BUILT.get() {
        return path.clone();
    }
    let this = std::env::current_exe().expect("the path of this program");
    let mut dir = this.parent().expect("a directory").to_owned();
    if dir.ends_with("deps") {
        dir.pop();
    }
    dir
}

/// A program of the product.
pub fn program(name: &str) -> Program {
    let path = built().join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build --workspace",
        path.display()
    );
    Program::new(path)
}

/// `pam_assent.so` as a PAM line names it.
pub fn module() -> String {
    let path = built().join("libpam_assent.so");
    assert!(
        path.exists(),
        "{} is not built: cargo build --workspace",
        path.display()
    );
    path.display().to_string()
}

/// A packaged PAM stack (`packaging/pam/`), with the module where it was built.
pub fn stack(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging/pam")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    text.replace("pam_assent.so", &module())
}

/// `assentctl` with these arguments, run by root to its end.
pub fn assentctl<const N: usize>(arguments: [&str; N]) -> Finished {
    program("assentctl").args(arguments).finish(SOON)
}

/// The gateway: relay and registrar.
#[derive(Debug)]
pub struct Gateway {
    authority: Authority,
    url: String,
    listens: String,
    service: Option<Service>,
    /// One for each role, where they run apart.
    parts: Vec<apart::Part>,
    /// Where some of them run.
    machine: Option<apart::Machine>,
}

/// Where a gateway listens, and how it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listens {
    /// With TLS at this address.
    Tls(Ipv4Addr),
    /// With TLS on the loopback, known by this machine's name.
    TlsByName,
    /// Without TLS on the loopback.
    Plainly,
}

const LOOPBACK: Listens = Listens::Tls(Ipv4Addr::LOCALHOST);

impl Gateway {
    /// Makes the registrar's keys and starts it, with TLS, on a free port of the loopback.
    pub fn start() -> Self {
        Self::start_as(LOOPBACK, None, all_on_one_machine, String::new)
    }

    /// The same with a registrar whose keys somebody makes otherwise, in this state directory.
    pub fn start_with_keys(make: impl FnOnce(&Path)) -> Self {
        Self::start_as(LOOPBACK, None, make, String::new)
    }

    /// The same, known to hosts and devices by another port of this machine: what stands between listens there.
    pub fn start_behind(port: u16) -> Self {
        Self::start_as(LOOPBACK, Some(port), all_on_one_machine, String::new)
    }

    /// The same at another address of this network, with more lines in its configuration.
    pub fn start_at(address: Ipv4Addr, more_configuration: &str) -> Self {
        Self::start_as(Listens::Tls(address), None, all_on_one_machine, || {
            more_configuration.to_owned()
        })
    }

    /// Without TLS, as a browser on this machine takes it without a question, and with a Register Panel at which people
    /// of the directory sign in and register their first device.
    pub fn start_for_browsers(slapd: &Slapd) -> Self {
        Self::start_as(Listens::Plainly, None, all_on_one_machine, || {
            panel_configuration(slapd)
        })
    }

    /// With TLS and by a name, as a browser wants it that makes passkeys, and with the same Register Panel.
    pub fn start_for_passkeys(slapd: &Slapd) -> Self {
        Self::start_as(Listens::TlsByName, None, all_on_one_machine, || {
            panel_configuration(slapd)
        })
    }

    fn start_as(listens: Listens, known: Option<u16>, keys: impl FnOnce(&Path), more: impl FnOnce() -> String) -> Self {
        accounts::add(GATEWAY_USER, None);
        let authority = Authority::create();
        let (address, tls) = match listens {
            Listens::Tls(address) => (address, true),
            Listens::TlsByName => (Ipv4Addr::LOCALHOST, true),
            Listens::Plainly => (Ipv4Addr::LOCALHOST, false),
        };
        let (name, certified) = if listens == Listens::TlsByName {
            ("localhost".to_owned(), "DNS:localhost".to_owned())
        } else {
            (address.to_string(), format!("IP:{address}"))
        };
        let server = authority.server_certificate_for("gateway", &certified);
        keys(Path::new(GATEWAY_STATE));
        let [one, other] = crate::ports::several();
        let port = if known == Some(one) { other } else { one };
        let scheme = if tls { "https" } else { "http" };
        let listens = format!("{scheme}://{address}:{port}");
        let url = format!("{scheme}://{name}:{}", known.unwrap_or(port));
        let key = "/etc/assent/gateway-tls.key";
        fs::create_dir_all("/etc/assent").expect("a directory for the configuration");
        fs::copy(&server.key, key).expect("the gateway's TLS key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("a mode for the key");
        let certificate = "/etc/assent/gateway-tls.crt";
        fs::copy(&server.certificate, certificate).expect("the gateway's TLS certificate");
        fs::set_permissions(certificate, fs::Permissions::from_mode(0o644)).expect("a mode for the certificate");
        let more_configuration = more();
        let tls_lines = if tls {
            format!("tls_certificate = \"{certificate}\"\ntls_key = \"{key}\"\n")
        } else {
            String::new()
        };
        scratch::write(
            GATEWAY_CONFIG,
            &format!(
                "listen = \"{address}:{port}\"\npublic_url = \"{url}\"\nstate_dir = \"{GATEWAY_STATE}\"\n{tls_lines}\
                 admin_socket = \"/run/assent-gateway/admin.sock\"\n{more_configuration}"
            ),
        );
        fs::create_dir_all("/run/assent-gateway").expect("a directory for the admin socket");
        own(GATEWAY_USER, &[key, GATEWAY_STATE, "/run/assent-gateway"]);
        let mut gateway = Self {
            authority,
            url,
            listens,
            service: None,
            parts: Vec::new(),
            machine: None,
        };
        gateway.resume();
        gateway
    }

    /// What hosts and devices use.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it really listens.
    pub fn listens(&self) -> &str {
        &self.listens
    }

    /// A certificate for another server on this machine, of the authority that vouches for the gateway: what a man in
    /// the middle has who has won an authority over (T4).
    pub fn certificate_for(&self, name: &str) -> ServerCertificate {
        self.authority.server_certificate(name)
    }

    /// The authority that vouches for it, PEM.
    pub fn ca_certificate(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// Its databases and keys.
    pub fn state_dir(&self) -> &'static Path {
        Path::new(GATEWAY_STATE)
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill();
        }
        self.parts
            .iter_mut()
            .filter_map(apart::Part::service)
            .for_each(Service::kill);
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.stop(SOON);
        }
        for service in self.parts.iter_mut().filter_map(apart::Part::service) {
            service.stop(SOON);
        }
    }

    /// Starts it again, on the same port, with what it had.
    pub fn resume(&mut self) {
        if !self.parts.is_empty() {
            self.parts.iter_mut().for_each(apart::Part::start);
            return self.wait_until_linked(0);
        }
        let program = program("assent-gateway")
            .arg("--config")
            .arg(GATEWAY_CONFIG)
            .as_user(GATEWAY_USER);
        let mut service = Service::start_as("gateway", &program);
        service.wait_for_log("listening on", SOON);
        self.service = Some(service);
    }

    /// The process, while it runs.
    pub fn service(&mut self) -> &mut Service {
        self.service.as_mut().expect("the gateway runs")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let parts = self.parts.iter().map(apart::Part::log);
        let all = self.service.as_ref().map(Service::log).into_iter().chain(parts);
        all.collect::<Vec<_>>().concat()
    }

    /// Joins this host to it.
    pub fn join_this_host(&self) {
        let token = assentctl(["host", "token", "--name", crate::namespace::HOST_NAME])
            .expect_success()
            .out;
        let ca = self.ca_certificate();
        assentctl([
            "host",
            "join",
            &self.url,
            token.trim(),
            "--name",
            crate::namespace::HOST_NAME,
            "--ca-file",
            &ca.to_string_lossy(),
            "--owner",
            AGENT_USER,
        ])
        .expect_success();
    }
}

/// The root key lies in `/root/root.key`, beside its public half.
fn all_on_one_machine(state_dir: &Path) {
    let state_dir = state_dir.to_string_lossy();
    assentctl([
        "registrar",
        "init",
        "--all-in-one",
        "--state-dir",
        &state_dir,
        "--root-key",
        "/root/root.key",
    ])
    .expect_success();
}

fn own(user: &str, paths: &[&str]) {
    for path in paths {
        crate::program::tool("chown", ["-R", &format!("{user}:{user}"), path]);
    }
}

/// The agent behind the sockets that systemd would hold.
#[derive(Debug)]
pub struct Agent {
    sockets: Sockets,
    service: Option<Service>,
    bus: String,
}

impl Agent {
    /// Writes the configuration and starts it, on this system bus if there is one.
    pub fn start(configuration: &str, bus: Option<&Bus>) -> Self {
        scratch::write(AGENT_CONFIG, configuration);
        own(AGENT_USER, &["/var/lib/assent"]);
        let mut agent = Self {
            sockets: Sockets::bind(),
            service: None,
            bus: bus.map_or_else(|| "unix:path=/run/no-bus".to_owned(), Bus::address),
        };
        agent.resume();
        agent
    }

    /// Ends it; the sockets stay, as systemd keeps them.
    pub fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.stop(SOON);
        }
    }

    /// Kills it, as `kill -9` does; the sockets stay.
    pub fn kill(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill();
        }
    }

    /// Starts it again on the same sockets.
    pub fn resume(&mut self) {
        let program = program("assent-agentd")
            .as_user(AGENT_USER)
            .env("ASSENT_LOG", "info,assent_engine=debug")
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus);
        let mut service = self.sockets.start(&program);
        service.wait_for_log("ready", SOON);
        self.service = Some(service);
    }

    /// Waits until it hears the gateway.
    pub fn wait_until_connected(&mut self) {
        self.service().wait_for_log("connected to the relay", SOON);
    }

    /// The process, while it runs.
    pub fn service(&mut self) -> &mut Service {
        self.service.as_mut().expect("the agent runs")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.service.as_ref().map(Service::log).unwrap_or_default()
    }

    /// The audit's decisions so far.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let mut records = self.records();
        records.retain(|record| record["kind"] == "login");
        records
    }

    /// All of the audit's records so far.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(AUDIT).unwrap_or_default();
        // The last line may be just being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Waits for a decision after the first `before` ones, and returns it.
    pub fn decision(&self, before: usize) -> serde_json::Value {
        let found = patience::until(PATIENCE, || self.audit().into_iter().nth(before));
        found.unwrap_or_else(|| panic!("no decision came; the agent said:\n{}", self.log()))
    }

    /// Writes another configuration and reloads.
    pub fn reload_with(&self, configuration: &str) -> Finished {
        scratch::write(AGENT_CONFIG, configuration);
        assentctl(["reload"])
    }
}

/// A whole site: company directory, gateway, this host joined to it, agent, and a log that someone reads.
#[derive(Debug)]
pub struct Site {
    /// The directory.
    pub slapd: Slapd,
    /// Relay and registrar.
    pub gateway: Gateway,
    /// The agent.
    pub agent: Agent,
    /// What went to `/dev/log`.
    pub syslog: Syslog,
}

impl Site {
    /// A site with the usual configuration ([`configuration`]).
    pub fn open() -> Self {
        Self::open_with(|usual| usual)
    }

    /// A site whose configuration is made from the usual one.
    pub fn open_with(change: impl FnOnce(String) -> String) -> Self {
        Self::open_around(Gateway::start, change)
    }

    /// A site with this gateway, for one that stands elsewhere or has limits of its own.
    pub fn open_around(gateway: impl FnOnce() -> Gateway, change: impl FnOnce(String) -> String) -> Self {
        accounts::birch();
        accounts::add(AGENT_USER, None);
        Self::build(gateway, change, None)
    }

    /// A site with this gateway on a system bus. The accounts are there already, as the bus's policy names them.
    pub fn open_around_on(bus: &Bus, gateway: impl FnOnce() -> Gateway, change: impl FnOnce(String) -> String) -> Self {
        Self::build(gateway, change, Some(bus))
    }

    /// A site on a system bus. The accounts are there already, as the bus's policy names them.
    pub fn open_on(bus: &Bus) -> Self {
        Self::build(Gateway::start, |usual| usual, Some(bus))
    }

    /// A site whose hosts and devices find something else at the gateway's address, made by `between` before anyone
    /// connects.
    pub fn open_through<T>(
        between: impl FnOnce(&Gateway, u16) -> T,
        change: impl FnOnce(String) -> String,
    ) -> (Self, T) {
        accounts::birch();
        accounts::add(AGENT_USER, None);
        let port = crate::ports::free();
        let gateway = Gateway::start_behind(port);
        let between = between(&gateway, port);
        (Self::build(|| gateway, change, None), between)
    }

    /// A site whose gateway people visit with browsers.
    pub fn open_for_browsers() -> Self {
        accounts::birch();
        accounts::add(AGENT_USER, None);
        Self::build_around(Gateway::start_for_browsers, |usual| usual, None)
    }

    /// A site whose gateway people visit with browsers that make passkeys.
    pub fn open_for_passkeys(change: impl FnOnce(String) -> String) -> Self {
        accounts::birch();
        accounts::add(AGENT_USER, None);
        Self::build_around(Gateway::start_for_passkeys, change, None)
    }

    fn build(gateway: impl FnOnce() -> Gateway, change: impl FnOnce(String) -> String, bus: Option<&Bus>) -> Self {
        Self::build_around(|_| gateway(), change, bus)
    }

    fn build_around(
        gateway: impl FnOnce(&Slapd) -> Gateway,
        change: impl FnOnce(String) -> String,
        bus: Option<&Bus>,
    ) -> Self {
        let syslog = Syslog::listen();
        let slapd = Slapd::start();
        let gateway = gateway(&slapd);
        gateway.join_this_host();
        let usual = configuration(&slapd, &gateway);
        let mut agent = Agent::start(&change(usual), bus);
        agent.wait_until_connected();
        Self {
            slapd,
            gateway,
            agent,
            syslog,
        }
    }

    /// The usual configuration of this site.
    pub fn configuration(&self) -> String {
        configuration(&self.slapd, &self.gateway)
    }

    /// Enrols an authenticator for a user, as an admin and the user do it together.
    pub fn enrol(&self, user: &str) -> Authenticator {
        let mut enrolling = self.begin_enrolment(user);
        enrolling.admin.wait_for_success();
        enrolling.device.wait_for_success();
        enrolling.authenticator
    }

    /// The same, until the device's digits are typed: for a further device, another one must approve now.
    pub fn begin_enrolment(&self, user: &str) -> Enrolling {
        let mut admin = Terminal::open(&program("assentctl").args(["enroll", user, "--no-qr"]));
        let shown = admin.expect(fits(r"https?://\S+/e#\S+"), PATIENCE);
        let link = shown.split_whitespace().last().expect("a link").to_owned();
        let (authenticator, device, digits) = self.open_link(user, &link);
        admin.expect(fits(r"(?i)six digits|6 digits|digits"), PATIENCE);
        admin.send_line(&digits);
        Enrolling {
            admin,
            device,
            authenticator,
            digits,
        }
    }

    /// A user opens an enrolment's link with an authenticator, whatever comes of it.
    pub fn begin_device(&self, user: &str, link: &str) -> Terminal {
        self.authenticator_opens(user, link).1
    }

    /// A user opens an enrolment's link with an authenticator: it, its terminal, and the digits that it shows.
    pub fn open_link(&self, user: &str, link: &str) -> (Authenticator, Terminal, String) {
        let (authenticator, mut device) = self.authenticator_opens(user, link);
        let digits = device.expect(fits(r"\b\d{3} ?\d{3}\b"), PATIENCE);
        let digits: String = digits.chars().rev().filter(char::is_ascii_digit).take(6).collect();
        let digits: String = digits.chars().rev().collect();
        (authenticator, device, digits)
    }

    fn authenticator_opens(&self, user: &str, link: &str) -> (Authenticator, Terminal) {
        let home = scratch::directory("authenticator");
        own(user, &[&home.to_string_lossy()]);
        let authenticator = Authenticator {
            user: user.to_owned(),
            dir: home.join("keys"),
            ca: self.gateway.ca_certificate(),
        };
        let device = Terminal::open(
            &authenticator
                .command()
                .args(["enroll", link, "--label", "test phone"])
                .args(authenticator.common()),
        );
        (authenticator, device)
    }
}

/// An enrolment whose digits have just been typed.
#[derive(Debug)]
pub struct Enrolling {
    /// `assentctl enroll`.
    pub admin: Terminal,
    /// `assentctl authenticator enroll`.
    pub device: Terminal,
    /// What is being enrolled.
    pub authenticator: Authenticator,
    /// The digits that the device shows.
    pub digits: String,
}

/// `assentctl authenticator` with its own keys, in the hands of a user.
#[derive(Debug)]
pub struct Authenticator {
    user: String,
    /// Where its keys are.
    pub dir: PathBuf,
    ca: PathBuf,
}

impl Authenticator {
    fn command(&self) -> Program {
        program("assentctl").arg("authenticator").as_user(&self.user)
    }

    fn common(&self) -> [String; 4] {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        ["--dir".into(), text(&self.dir), "--ca-file".into(), text(&self.ca)]
    }

    /// The devices of its user, as `assentctl authenticator devices` with these further arguments tells them.
    pub fn devices<const N: usize>(&self, more: [&str; N]) -> Finished {
        self.command()
            .arg("devices")
            .args(self.common())
            .args(more)
            .finish(SOON)
    }

    /// Opens it, as one opens the app: it waits for requests.
    pub fn listen(&self) -> Terminal {
        self.listen_with(&[])
    }

    /// The same; it also says what it ignores.
    pub fn listen_verbosely(&self) -> Terminal {
        self.listen_with(&["--verbose"])
    }

    /// The same with these options.
    pub fn listen_with(&self, options: &[&str]) -> Terminal {
        let mut terminal = Terminal::open(&self.command().arg("listen").args(self.common()).args(options));
        terminal.expect(fits("Listening at .*"), PATIENCE);
        terminal
    }
}

/// The gateway's lines for its Register Panel.
fn panel_configuration(slapd: &Slapd) -> String {
    let password = "/etc/assent/panel-ldap.password";
    fs::create_dir_all("/etc/assent").expect("a directory for the configuration");
    fs::write(password, SERVICE_PASSWORD).expect("the service password");
    fs::set_permissions(password, fs::Permissions::from_mode(0o640)).expect("a mode for it");
    crate::program::tool("chown", [&format!("root:{GATEWAY_USER}"), password]);
    format!(
        r#"
[panel]
auth_profiles = ["corp"]
first_device = "directory"

[[auth_profile]]
name = "corp"
kind = "ldap"
realm = "example.org"
uris = ["{ldap}", "{ldaps}"]
base = "ou=people,{BASE}"
bind_dn = "{SERVICE}"
bind_password_file = "{password}"
ca_file = "{ca}"
"#,
        ldap = slapd.url(),
        ldaps = slapd.tls_url(),
        ca = slapd.ca_certificate().display(),
    )
}

/// The usual configuration: password by LDAP and a tap for IT (service `sshd`); the stack's password or key and a tap
/// (`sshd-stack`, `sshd-key`); a tap alone for sudo; a tap alone in sshd (`sshd-alone`).
pub fn configuration(slapd: &Slapd, gateway: &Gateway) -> String {
    let password = "/etc/assent/corp-ldap.password";
    fs::create_dir_all("/etc/assent").expect("a directory for the configuration");
    fs::write(password, SERVICE_PASSWORD).expect("the service password");
    fs::set_permissions(password, fs::Permissions::from_mode(0o640)).expect("a mode for it");
    crate::program::tool("chown", [&format!("root:{AGENT_USER}"), password]);
    format!(
        r#"[gateway]
url = "{url}"
ca_file = "{gateway_ca}"

[[auth_profile]]
name = "corp"
kind = "ldap"
realm = "example.org"
uris = ["{ldap}", "{ldaps}"]
base = "ou=people,{BASE}"
bind_dn = "{SERVICE}"
bind_password_file = "{password}"
ca_file = "{ldap_ca}"

[[auth_profile]]
name = "local"
kind = "local"

[[push_profile]]
name = "staff-push"
fallback_auth_profiles = ["corp", "local"]
assurance = "tap"

[[policy]]
push_profile = "staff-push"
auth_profile = "corp"
attribute = "department"
values = ["IT", "IT-*"]

[[policy]]
push_profile = "staff-push"
auth_profile = "local"
attribute = "username"
values = ["{local}"]

[[application]]
name = "ssh"
services = ["sshd"]
factors = [["corp"], ["staff-push"]]

[[application]]
name = "ssh-stack"
services = ["sshd-stack", "sshd-key"]
factors = [["stack"], ["staff-push"]]

[[application]]
name = "ssh-alone"
services = ["sshd-alone"]
factors = [["staff-push"]]

[[application]]
name = "sudo"
services = ["sudo", "sudo-i"]
factors = [["staff-push"]]

[[application]]
name = "su"
services = ["su", "su-l"]
factors = [["staff-push"]]
subject = "caller"
"#,
        url = gateway.url(),
        gateway_ca = gateway.ca_certificate().display(),
        ldap = slapd.url(),
        ldaps = slapd.tls_url(),
        ldap_ca = slapd.ca_certificate().display(),
        local = accounts::LOCAL,
    )
}

/// The password of a person of the company.
pub fn password(user: &str) -> &'static str {
    company::password(user)
}

/// The agent's admin socket.
pub const ADMIN_SOCKET: &str = ADMIN;
