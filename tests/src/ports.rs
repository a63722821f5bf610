//! Loopback ports: free ones, and whether a server has come up on one.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use crate::patience;
use crate::service::Service;

/// A free port of 127.0.0.1. In a world with its own network it stays free until the test itself takes it.
pub fn free() -> u16 {
    let [port] = several();
    port
}

/// Some free ports of 127.0.0.1, all different.
pub fn several<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port"));
    held.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
}

/// Waits until somebody listens on the port, without connecting (a connection would show in the server's log and
/// counts); fails early if the service ends.
pub fn wait_for_listener(port: u16, service: &mut Service, within: Duration) {
    let listening = patience::until(within, || {
        let running = service.is_running();
        is_listened_to(port).then_some(true).or((!running).then_some(false))
    });
    assert!(
        listening == Some(true),
        "nobody listens on port {port}; the service said:\n{}",
        service.log()
    );
}

fn is_listened_to(port: u16) -> bool {
    // Lines such as "0: 0100007F:1F90 00000000:0000 0A …"; 0A is LISTEN.
    let (local, listen) = (format!(":{port:04X}"), "0A");
    ["tcp", "tcp6"].iter().any(|table| {
        let table = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
        table.lines().any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let address = columns.next().unwrap_or_default();
            address.ends_with(&local) && columns.nth(1) == Some(listen)
        })
    })
}
