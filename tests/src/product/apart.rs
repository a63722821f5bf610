//! The gateway's roles as processes of five users, on one machine or on two, set up as docs/setup/roles-apart.md says.

use super::{GATEWAY_CONFIG, Gateway, assentctl, built, own, program};
use crate::certificates::Authority;
use crate::program::{Program, tool};
use crate::service::Service;
use crate::{SOON, accounts, patience, scratch};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

/// Every role.
pub const ROLES: [&str; 5] = ["relay", "app", "panel", "registrar", "codes"];
/// The relay's machine, and the registrar's, where there are two.
const OUTER: &str = "10.9.0.1";
const INNER: &str = "10.9.0.2";

/// How many machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Five processes on one.
    OneMachine,
    /// Relay and pages on one, panel, registrar and code service on another: a network of its own, joined by a cable.
    TwoMachines,
}

/// A role, as its unit would run it.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    /// The network of its machine, if that is not the test's.
    network: Option<PathBuf>,
    service: Option<Service>,
}

impl Part {
    fn user(&self) -> String {
        format!("assent-{}", self.name)
    }

    pub(super) fn start(&mut self) {
        let user = self.user();
        let path = built().join("assent-gateway");
        let config = format!("/etc/assent/{}.toml", self.name);
        let program = match &self.network {
            None => program("assent-gateway").args(["--config", &config]).as_user(&user),
            Some(network) => Program::new("nsenter")
                .arg(format!("--net={}", network.display()))
                .args(["setpriv", "--reuid", &user, "--regid", &user, "--init-groups"])
                .arg(path)
                .args(["--config", &config]),
        };
        let mut service = Service::start_as(&format!("gateway-{}", self.name), &program);
        let ready = if matches!(self.name, "registrar" | "codes") {
            "running"
        } else {
            "listening on"
        };
        service.wait_for_log(ready, SOON);
        self.service = Some(service);
    }

    pub(super) fn service(&mut self) -> Option<&mut Service> {
        self.service.as_mut()
    }

    pub(super) fn log(&self) -> String {
        self.service.as_ref().map(Service::log).unwrap_or_default()
    }
}

/// A second machine's network, as long as this lives.
#[derive(Debug)]
pub(super) struct Machine {
    holds: Service,
}

impl Machine {
    /// Joined to the test's own by a cable.
    fn plug_in() -> Self {
        let holds = Service::start_as(
            "inner-machine",
            &Program::new("unshare").args(["--net", "sleep", "infinity"]),
        );
        let network = |pid: u32| fs::metadata(format!("/proc/{pid}/ns/net")).map(|meta| meta.ino()).ok();
        let ours = fs::metadata("/proc/thread-self/ns/net").map(|meta| meta.ino()).ok();
        let apart = patience::until(SOON, || (network(holds.pid())? != ours?).then_some(()));
        apart.expect("a network of its own");
        let machine = Self { holds };
        let pid = machine.holds.pid().to_string();
        tool(
            "ip",
            ["link", "add", "outer0", "type", "veth", "peer", "name", "inner0"],
        );
        tool("ip", ["link", "set", "inner0", "netns", &pid]);
        tool("ip", ["address", "add", &format!("{OUTER}/30"), "dev", "outer0"]);
        tool("ip", ["link", "set", "outer0", "up"]);
        let inside = format!("--net={}", machine.network().display());
        tool("nsenter", [&inside, "ip", "link", "set", "lo", "up"]);
        tool(
            "nsenter",
            [&inside, "ip", "address", "add", &format!("{INNER}/30"), "dev", "inner0"],
        );
        tool("nsenter", [&inside, "ip", "link", "set", "inner0", "up"]);
        machine
    }

    fn network(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.holds.pid()).into()
    }
}

impl Gateway {
    /// Relay, pages, panel, registrar and code service apart.
    pub fn start_apart(layout: Layout) -> Self {
        let machine = (layout == Layout::TwoMachines).then(Machine::plug_in);
        let (outer, inner) = match layout {
            Layout::OneMachine => ("127.0.0.1", "127.0.0.1"),
            Layout::TwoMachines => (OUTER, INNER),
        };
        for role in ROLES {
            accounts::add(&format!("assent-{role}"), None);
        }
        // As SupplementaryGroups= of the units.
        if layout == Layout::OneMachine {
            join("assent-relay", &["assent-registrar"]);
        }
        join("assent-panel", &["assent-registrar", "assent-codes"]);
        join("assent-codes", &["assent-registrar"]);
        join("assent-registrar", &["assent-codes"]);
        let authority = Authority::create();
        set_the_registrar_up();
        for role in ["relay", "app", "panel"] {
            let address = if role == "panel" { inner } else { outer };
            show_as(&authority, role, address);
        }
        let ca = "/etc/assent/registrar/relay-ca.pem";
        fs::create_dir_all("/etc/assent/registrar").expect("a directory for the registrar's files");
        fs::copy(authority.certificate(), ca).expect("the relay's authority");
        fs::set_permissions(ca, fs::Permissions::from_mode(0o644)).expect("a mode for it");

        let [relay, app, panel] = crate::ports::several();
        let url = format!("https://{outer}:{relay}");
        let (app_url, panel_url) = (format!("https://{outer}:{app}"), format!("https://{inner}:{panel}"));
        let tls = |role: &str| {
            format!("tls_certificate = \"/etc/assent/{role}/tls.crt\"\ntls_key = \"/etc/assent/{role}/tls.key\"\n")
        };
        let head = |role: &str| format!("roles = [\"{role}\"]\npublic_url = \"{url}\"\n");
        let socket = match layout {
            Layout::OneMachine => "socket = \"/run/assent-relay/link.sock\"\n",
            Layout::TwoMachines => "",
        };
        let way = match layout {
            Layout::OneMachine => socket.to_owned(),
            Layout::TwoMachines => format!("ca_file = \"{ca}\"\n"),
        };
        let write = |role: &str, text: String| scratch::write(format!("/etc/assent/{role}.toml"), &text);
        write(
            "relay",
            format!(
                "{}listen = \"{outer}:{relay}\"\n{}[app]\nurl = \"{app_url}\"\n[link]\nregistrar_key = \"/etc/assent/relay/registrar.pub\"\n{socket}",
                head("relay"),
                tls("relay")
            ),
        );
        write(
            "app",
            format!(
                "{}listen = \"{outer}:{app}\"\n{}[app]\nurl = \"{app_url}\"\n[panel]\nurl = \"{panel_url}\"\n",
                head("app"),
                tls("app")
            ),
        );
        write(
            "panel",
            format!(
                "{}listen = \"{inner}:{panel}\"\n{}[app]\nurl = \"{app_url}\"\n[panel]\nurl = \"{panel_url}\"\n[link]\ncodes_panel_socket = \"/run/assent-codes/panel.sock\"\n",
                head("panel"),
                tls("panel")
            ),
        );
        write(
            "registrar",
            format!(
                "{}[panel]\nurl = \"{panel_url}\"\n[link]\n{way}panel_user = \"assent-panel\"\ncodes_user = \"assent-codes\"\n",
                head("registrar")
            ),
        );
        write(
            "codes",
            format!(
                "{}[link]\ncalls_user = \"assent-registrar\"\npanel_user = \"assent-panel\"\n",
                head("codes")
            ),
        );
        for role in ["relay", "registrar", "codes"] {
            for (place, mode) in [("run", 0o755), ("var/lib", 0o700)] {
                let directory = format!("/{place}/assent-{role}");
                fs::create_dir_all(&directory).expect("a directory of the role");
                fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).expect("a mode for it");
                own(&format!("assent-{role}"), &[&directory]);
            }
        }
        let network = machine.as_ref().map(Machine::network);
        let parts = ROLES.map(|name| Part {
            name,
            network: network
                .clone()
                .filter(|_| matches!(name, "panel" | "registrar" | "codes")),
            service: None,
        });
        let mut gateway = Self {
            authority,
            listens: url.clone(),
            url,
            service: None,
            parts: parts.into(),
            machine,
        };
        gateway.resume();
        gateway
    }

    /// Kills one of the roles, as `kill -9` does.
    pub fn kill_role(&mut self, role: &str) {
        let part = self.part(role);
        if let Some(mut service) = part.service.take() {
            service.kill();
        }
    }

    /// Stops one of the roles' clock: it still holds its sockets, but answers nothing.
    pub fn freeze_role(&mut self, role: &str) {
        self.part(role).service.as_mut().expect("the role runs").freeze();
    }

    /// Lets a frozen role go on.
    pub fn thaw_role(&mut self, role: &str) {
        self.part(role).service.as_mut().expect("the role runs").thaw();
    }

    /// Starts one of the roles again; relay and registrar are linked after this.
    pub fn resume_role(&mut self, role: &str) {
        let linked = self.times_linked();
        self.part(role).start();
        if role == "registrar" {
            self.wait_until_linked(0);
        } else if role == "relay" {
            self.wait_until_linked(linked);
        }
    }

    /// The process id and the user of a role that runs.
    pub fn process_of(&mut self, role: &str) -> (u32, u32) {
        let pid = self.part(role).service.as_ref().expect("the role runs").pid();
        let meta = fs::metadata(format!("/proc/{pid}")).expect("the role's process");
        (pid, meta.uid())
    }

    /// What listens in the network of the second machine, as `ss` tells it with the processes.
    pub fn listeners_inside(&self) -> String {
        let machine = self.machine.as_ref().expect("there are two machines");
        tool(
            "nsenter",
            [&format!("--net={}", machine.network().display()), "ss", "-Hltnp"],
        )
    }

    fn part(&mut self, role: &str) -> &mut Part {
        let part = self.parts.iter_mut().find(|part| part.name == role);
        part.unwrap_or_else(|| panic!("no {role} runs apart"))
    }

    fn times_linked(&self) -> usize {
        let registrar = self.parts.iter().find(|part| part.name == "registrar");
        registrar.map_or(0, |part| part.log().matches("linked to the relay at").count())
    }

    /// Waits until the link was up more often than so.
    pub(super) fn wait_until_linked(&self, before: usize) {
        let linked = patience::until(SOON, || (self.times_linked() > before).then_some(()));
        linked.unwrap_or_else(|| panic!("the registrar never linked:\n{}", self.log()));
    }
}

/// Puts users of roles into the group of another role.
fn join(group: &str, members: &[&str]) {
    let number = accounts::user(group).gid.as_raw();
    accounts::add_group(&format!("{group}-door"), number, members);
}

fn set_the_registrar_up() {
    let state = "/var/lib/assent-registrar";
    assentctl([
        "registrar",
        "init",
        "--all-in-one",
        "--state-dir",
        state,
        "--root-key",
        "/root/root.key",
        "--owner",
        "assent-registrar",
    ])
    .expect_success();
    fs::create_dir_all("/etc/assent/relay").expect("a directory for the relay's files");
    assentctl([
        "registrar",
        "link",
        "--state-dir",
        state,
        "--owner",
        "assent-registrar",
        "--out",
        "/etc/assent/relay/registrar.pub",
    ])
    .expect_success();
    assert!(
        !Path::new(GATEWAY_CONFIG).exists(),
        "no gateway with all roles is set up beside"
    );
}

/// The TLS certificate that a role shows.
fn show_as(authority: &Authority, role: &str, address: &str) {
    let server = authority.server_certificate_for(role, &format!("IP:{address}"));
    let directory = format!("/etc/assent/{role}");
    fs::create_dir_all(&directory).expect("a directory for the role's files");
    let (key, certificate) = (format!("{directory}/tls.key"), format!("{directory}/tls.crt"));
    fs::copy(&server.key, &key).expect("the role's TLS key");
    fs::copy(&server.certificate, &certificate).expect("the role's TLS certificate");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode for the key");
    fs::set_permissions(&certificate, fs::Permissions::from_mode(0o644)).expect("a mode for the certificate");
    own(&format!("assent-{role}"), &[&key]);
}
