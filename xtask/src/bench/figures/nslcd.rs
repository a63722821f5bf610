//! A login with an LDAP factor beside Debian's `libpam-ldapd` and its daemon `nslcd`, on the same slapd, by turns in one
//! run.
//!
//! Both are whole PAM transactions of the same host program, with a password. Both daemons keep a connection of the
//! service account and bind the user on a new one; the peer then reads the user's entry and looks for shadow attributes,
//! ours records the decision. The peer's packages are unpacked, not installed: installing them would edit the machine's
//! PAM stacks.

use super::super::peer_directory;
use super::Options;
use super::ldap::{LDAPS, STARTTLS, with_profiles};
use super::pam::{Stacks, turns};
use super::row::{Row, Samples};
use assent_tests::company::{self, BASE, SERVICE, SERVICE_PASSWORD};
use assent_tests::product::{self, Site};
use assent_tests::program::Program;
use assent_tests::service::Service;
use assent_tests::{SOON, patience, scratch};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const USER: &str = "alice";
/// Where both of the peer's halves are built to look.
const CONFIGURATION: &str = "/etc/nslcd.conf";
const SOCKET: &str = "/run/nslcd/socket";

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 60 } else { 400 };
    let site = Site::open_with(with_profiles);
    let stacks = Stacks::new();
    let module = peer_directory("libpam-ldapd").join("lib/x86_64-linux-gnu/security/pam_ldap.so");
    assert!(module.exists(), "{} is not there", module.display());
    let stack = |module: &str| format!("auth required {module}\naccount required pam_permit.so\n");
    stacks.write("peer", &stack(&module.display().to_string()));
    let mut rows = Vec::new();
    for (service, protection, url, ssl) in [
        (LDAPS, "LDAPS", site.slapd.tls_url(), "on"),
        (STARTTLS, "StartTLS", site.slapd.url(), "start_tls"),
    ] {
        stacks.write(service, &stack(&product::module()));
        let _peer = start(&url, ssl, &site.slapd.ca_certificate());
        rows.extend(measure(times, &stacks, service, protection));
    }
    rows
}

fn measure(times: usize, stacks: &Stacks, service: &str, protection: &str) -> [Row; 2] {
    let password = company::password(USER);
    let [mut ours, mut theirs, mut ours_same, mut theirs_same] = [(); 4].map(|()| Samples::default());
    for round in 0..times + 3 {
        let mine = stacks.fresh_with(service, USER, password);
        let peers = stacks.fresh_with("peer", USER, password);
        // The first ones open the warm connections.
        if round >= 3 {
            ours.push(mine);
            theirs.push(peers);
        }
    }
    for _ in 0..turns(times) {
        ours_same.extend(stacks.same_with(service, USER, password));
        theirs_same.extend(stacks.same_with("peer", USER, password));
    }
    let name =
        |process: &str| format!("login with an LDAP factor, {protection}, {process}, beside libpam-ldapd and nslcd");
    [
        Row::of(name("fresh process"), "ms", &ours).beside(&theirs).note(
            "a whole PAM transaction with a password on loopback, the service account's connection warm on both sides",
        ),
        Row::of(name("same process"), "ms", &ours_same)
            .beside(&theirs_same)
            .note("the same without the start of a program"),
    ]
}

/// Starts `nslcd` for this server; dropped, it ends.
fn start(url: &str, ssl: &str, ca: &Path) -> Service {
    let text = format!(
        "uri {url}/\nbase ou=people,{BASE}\nbinddn {SERVICE}\nbindpw {SERVICE_PASSWORD}\nssl {ssl}\n\
         tls_reqcert demand\ntls_cacertfile {}\nfilter passwd (objectClass=inetOrgPerson)\n",
        ca.display()
    );
    scratch::write(CONFIGURATION, &text);
    // It insists, as the password stands in it.
    std::fs::set_permissions(CONFIGURATION, std::fs::Permissions::from_mode(0o600)).expect("a mode for it");
    let _ = std::fs::remove_file(SOCKET);
    std::fs::create_dir_all("/run/nslcd").expect("a place for the socket");
    let program = peer_directory("libpam-ldapd").join("usr/sbin/nslcd");
    let service = Service::start(&Program::new(program).arg("--nofork"));
    let there = patience::until(SOON, || Path::new(SOCKET).exists().then_some(()));
    assert!(there.is_some(), "nslcd does not listen:\n{}", service.log());
    service
}
