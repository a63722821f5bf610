//! `[link]`: how roles that run apart find each other. A relay knows its registrar by a key, a registrar its relay by the
//! public URL or a socket; panel, registrar and code service meet at Unix sockets of one machine.

use super::section::Section;
use super::set::{Role, RoleSet};
use std::path::PathBuf;

/// Where the registrar listens for a panel that runs apart.
const PANEL_SOCKET: &str = "/run/assent-registrar/panel.sock";

/// Where the registrar listens for a code service that runs apart.
const CODES_SOCKET: &str = "/run/assent-registrar/codes.sock";
/// Where a code service that runs apart listens for the calls of hosts.
const CALLS_SOCKET: &str = "/run/assent-codes/calls.sock";
/// Where it listens for the panel.
const CODES_PANEL_SOCKET: &str = "/run/assent-codes/panel.sock";

/// What the roles of this process need to find those of others.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Relay: the public link key of its registrar.
    pub registrar_key: Option<PathBuf>,
    /// Relay: a Unix socket for the link instead of HTTPS. Registrar: the same, to dial.
    pub socket: Option<PathBuf>,
    /// Registrar: where it dials the relay, if not at the public URL.
    pub url: Option<String>,
    /// Registrar: certificate authorities beside the system's, for the relay's certificate.
    pub ca_file: Option<PathBuf>,
    /// Registrar: where it listens for the panel. Panel: where the registrar is.
    pub panel_socket: PathBuf,
    /// Registrar, code service: the one user who may come there; without one, nobody listens.
    pub panel_user: Option<String>,
    /// Registrar: where it listens for the code service. Code service: where the registrar is.
    pub codes_socket: PathBuf,
    /// Registrar: the one user who may come there; without one there is no code service apart.
    pub codes_user: Option<String>,
    /// Code service: where it listens for the calls of hosts. Registrar: where it brings them.
    pub calls_socket: PathBuf,
    /// Code service: the one user who may come there; without one, nobody listens.
    pub calls_user: Option<String>,
    /// Code service: where it listens for the panel. Panel: where the code service is, if there is one.
    pub codes_panel_socket: Option<PathBuf>,
}

/// Takes the section out of the file.
pub(super) fn read(root: &mut Section, roles: &RoleSet) -> (Link, Vec<String>) {
    let (relay, registrar) = (roles.has(Role::Relay), roles.has(Role::Registrar));
    let (panel, codes) = (roles.has(Role::Panel), roles.has(Role::Codes));
    let all = relay && registrar && panel && codes;
    if all || !(relay || registrar || panel || codes) {
        return (Link::default(), Vec::new());
    }
    let mut section = root.section("link");
    let mut link = Link::default();
    let path = |section: &mut Section, key: &'static str| {
        let path = section.optional(key)?;
        Some(section.absolute(key, path.into()))
    };
    if relay != registrar {
        link.socket = path(&mut section, "socket");
    }
    if relay && !registrar {
        link.registrar_key = path(&mut section, "registrar_key");
        if link.registrar_key.is_none() {
            section.problem(
                "registrar_key",
                "is missing; name the file with the public key that `assentctl registrar link` makes on the registrar's machine",
            );
        }
    }
    if registrar && !relay {
        link.ca_file = path(&mut section, "ca_file");
        link.url = section.optional("url");
        if let Some(url) = &link.url {
            section.check_url("url", url, true, false);
        }
        if link.socket.is_some() && (link.url.is_some() || link.ca_file.is_some()) {
            section.problem("socket", "is a way of its own; remove url and ca_file, or it");
        }
    }
    if registrar != panel {
        link.panel_socket = section.path("panel_socket", PANEL_SOCKET);
    }
    if (registrar || codes) && !panel {
        link.panel_user = section.optional("panel_user");
    }
    if registrar != codes {
        link.codes_socket = section.path("codes_socket", CODES_SOCKET);
        link.calls_socket = section.path("calls_socket", CALLS_SOCKET);
    }
    if registrar && !codes {
        link.codes_user = section.optional("codes_user");
    }
    if codes && !registrar {
        link.calls_user = section.optional("calls_user");
    }
    if panel && !codes {
        link.codes_panel_socket = path(&mut section, "codes_panel_socket");
    }
    if codes && !panel {
        link.codes_panel_socket = Some(section.path("codes_panel_socket", CODES_PANEL_SOCKET));
    }
    (link, section.finish())
}
