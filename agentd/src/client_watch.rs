//! Whether the SSH client still hangs on the line: sshd itself notices only when the module returns, so the agent asks
//! the kernel about that one TCP socket once a second (`sock_diag(7)`, some 40 µs).

use assent_engine::login::facts::SshConnection;
use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// Returns once the connection, seen open before, is closed or closing; never, if it was not seen open at first (a
/// connection that this machine does not hold tells nothing).
pub async fn hung_up(connection: Option<SshConnection>) {
    let open = connection.filter(|connection| is_open(connection) == Some(true));
    let Some(connection) = open else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(EVERY).await;
        // An error of ours is no hang-up.
        if is_open(&connection) == Some(false) {
            return;
        }
    }
}

/// Whether the kernel holds the connection in state ESTABLISHED; `None` when it could not be asked.
fn is_open(connection: &SshConnection) -> Option<bool> {
    ask(connection).inspect_err(|e| tracing::debug!("sock_diag: {e}")).ok()
}

fn ask(connection: &SshConnection) -> std::io::Result<bool> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel answers within the sending call; were it not so, an error is better than a wait.
    socket.set_non_blocking(true)?;
    let (client, server) = (plain(connection.client), plain(connection.server));
    let mut id = if server.is_ipv4() {
        SocketId::new_v4()
    } else {
        SocketId::new_v6()
    };
    id.source_address = server;
    id.source_port = connection.server_port;
    id.destination_address = client;
    id.destination_port = connection.client_port;
    // "No cookie" (INET_DIAG_NOCOOKIE): any socket with these addresses.
    id.cookie = [0xff; 8];
    let request = InetRequest {
        family: if server.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: id,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut packet = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (reply, _) = socket.recv_from_full()?;
    let reply = NetlinkMessage::<SockDiagMessage>::deserialize(&reply).map_err(std::io::Error::other)?;
    match reply.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
            Ok(response.header.state == TCP_ESTABLISHED)
        }
        NetlinkPayload::Error(error) if error.raw_code() == -nix::libc::ENOENT => Ok(false),
        other => Err(std::io::Error::other(format!("unexpected reply {other:?}"))),
    }
}

/// sshd writes an IPv4 client of a v6 socket as IPv4; the kernel knows it so, too.
fn plain(address: std::net::IpAddr) -> std::net::IpAddr {
    address.to_canonical()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn connection(client: std::net::SocketAddr, server: std::net::SocketAddr) -> SshConnection {
        SshConnection {
            client: client.ip(),
            client_port: client.port(),
            server: server.ip(),
            server_port: server.port(),
        }
    }

    #[test]
    fn r55_an_open_connection_is_seen_open_and_a_closed_one_closed() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                continue; // a machine without IPv6
            };
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            let watched = connection(peer, accepted.local_addr().unwrap());
            assert_eq!(is_open(&watched), Some(true), "{address}");
            drop(client);
            assert_eq!(is_open(&watched), Some(false), "{address}: CLOSE_WAIT");
            drop(accepted);
            assert_eq!(is_open(&watched), Some(false), "{address}: gone");
        }
    }
}
