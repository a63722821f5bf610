//! A system bus for the world: the real `dbus-daemon` with Debian's own system configuration, at the usual address,
//! under the usual user. Nothing needs `DBUS_SYSTEM_BUS_ADDRESS`; [`Bus::address`] has it all the same.

use std::fs;
use std::path::Path;

use crate::program::Program;
use crate::service::Service;
use crate::{SOON, patience};

const SOCKET: &str = "/run/dbus/system_bus_socket";

/// A system bus; dropped, it is killed.
#[derive(Debug)]
pub struct Bus {
    service: Service,
}

impl Bus {
    /// Starts it with these policy files installed in `/etc/dbus-1/system.d`.
    pub fn start(policies: &[&Path]) -> Self {
        for policy in policies {
            let name = policy.file_name().expect("a policy file has a name");
            let installed = fs::copy(policy, Path::new("/etc/dbus-1/system.d").join(name));
            installed.unwrap_or_else(|cause| panic!("cannot install {}: {cause}", policy.display()));
        }
        fs::create_dir_all("/run/dbus").expect("a directory for the bus");
        let daemon = Program::new("dbus-daemon").args(["--system", "--nofork", "--nopidfile", "--nosyslog"]);
        let mut bus = Self {
            service: Service::start(&daemon.arg("--print-address")),
        };
        bus.service.wait_for_log(SOCKET, SOON);
        let open = patience::until(SOON, || fs::exists(SOCKET).unwrap_or(false).then_some(()));
        open.unwrap_or_else(|| panic!("the bus has no socket"));
        bus
    }

    /// The address, for `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> String {
        format!("unix:path={SOCKET}")
    }

    /// The daemon behind it: to stop, freeze or read it.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }
}
