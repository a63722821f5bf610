//! The sockets that systemd passes, and what becomes of each connection.

use crate::agent::Agent;
use crate::{bus, login_task};
use anyhow::{Context, bail};
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

/// Logins at once. Beyond that a module waits in the listener's queue until its own deadline.
const MAX_LOGINS: usize = 4096;

/// Runs until SIGTERM.
pub async fn run(config: PathBuf) -> anyhow::Result<()> {
    let sockets = sockets()?;
    let agent = Agent::new(config)?;
    bus::serve_system_bus(agent.clone());
    if let Some(admin) = sockets.admin {
        tokio::spawn(bus::serve_socket(agent.clone(), admin));
    }
    let logins = tokio::spawn(accept(agent.clone(), sockets.agent));
    let mut reload = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tracing::info!("ready");
    loop {
        tokio::select! {
            _ = reload.recv() => {
                if let Err(e) = agent.reload() {
                    tracing::error!("the new configuration is broken, the old one stays in force:\n{e:#}");
                }
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    // Logins in progress end with their connections: the module reports an agent that is gone, a clear denial (R53).
    logins.abort();
    agent.settle().await;
    tracing::info!("stopped");
    Ok(())
}

struct Sockets {
    agent: UnixListener,
    admin: Option<UnixListener>,
}

/// Takes `LISTEN_FDS` (`sd_listen_fds(3)`), told apart by their paths. The agent never makes or removes a socket.
fn sockets() -> anyhow::Result<Sockets> {
    let mut passed = listenfd::ListenFd::from_env();
    let (mut agent, mut admin) = (None, None);
    for at in 0..passed.len() {
        let Some(listener) = passed
            .take_unix_listener(at)
            .context("a passed socket is no listening Unix socket")?
        else {
            continue;
        };
        let name = socket_name(&listener);
        let slot = match name.as_str() {
            "agent.sock" => &mut agent,
            "admin.sock" => &mut admin,
            other => bail!("a socket named {other:?} was passed, which is neither agent.sock nor admin.sock"),
        };
        listener.set_nonblocking(true)?;
        *slot = Some(UnixListener::from_std(listener)?);
    }
    let Some(agent) = agent else {
        bail!("no agent.sock was passed: start the agent by its systemd socket (systemctl start assent-agentd.socket)");
    };
    Ok(Sockets { agent, admin })
}

fn socket_name(listener: &StdListener) -> String {
    let address = listener.local_addr().ok();
    let path = address.as_ref().and_then(std::os::unix::net::SocketAddr::as_pathname);
    path.and_then(std::path::Path::file_name)
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

async fn accept(agent: Arc<Agent>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(MAX_LOGINS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let agent = agent.clone();
                // A panic ends this task alone; its connection closes and the module denies (R54).
                tokio::spawn(async move {
                    if let Some(pid) = root_peer(&stream) {
                        login_task::serve(agent, stream, pid).await;
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::error!("no connection could be accepted: {e}");
                // Out of file descriptors, most likely: give the others time to end.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// The peer's process, if it is root's: the identity is the kernel's word at connect, never the peer's (R48, R49).
pub fn root_peer(stream: &UnixStream) -> Option<i32> {
    let peer = stream
        .peer_cred()
        .inspect_err(|e| tracing::error!("a peer's identity could not be read: {e}"))
        .ok()?;
    if peer.uid() != 0 {
        tracing::warn!("a connection of uid {} was refused", peer.uid());
        return None;
    }
    Some(peer.pid().unwrap_or(0))
}

#[cfg(test)]
pub(crate) mod tests;
