//! The agent's admin socket: D-Bus from peer to peer, without a bus, so that it works in every rescue shell.

use crate::failure::{Done, Failure};
use assent_proto::text::visible;
use serde::de::DeserializeOwned;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use zbus::zvariant::{DynamicType, Type};

/// Where the agent listens for its admin.
pub const SOCKET: &str = "/run/assent/admin.sock";
const PATH: &str = "/org/assent/Agent1";
const INTERFACE: &str = "org.assent.Agent1";
/// For the greeting: an agent that is there answers at once.
const GREETING: Duration = Duration::from_secs(3);
/// For a call, which may go on to the gateway.
const DEADLINE: Duration = Duration::from_secs(20);

/// The agent, as its admin sees it.
pub struct Agent {
    connection: zbus::Connection,
}

impl Agent {
    /// Connects to the agent behind `socket`.
    pub async fn at(socket: &Path) -> Done<Self> {
        let stream = UnixStream::connect(socket).map_err(|e| no_agent(socket, &e))?;
        let connecting = zbus::connection::Builder::unix_stream(stream)
            .p2p()
            .method_timeout(DEADLINE)
            .build();
        let connection = match tokio::time::timeout(GREETING, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(e)) => {
                return Err(Failure::Unreachable(format!(
                    "what listens on {} is no agent: {e}",
                    socket.display()
                )));
            }
            Err(_) => {
                return Err(Failure::Unreachable(format!(
                    "the agent behind {} does not answer",
                    socket.display()
                )));
            }
        };
        Ok(Self { connection })
    }

    /// Calls one of the agent's methods.
    pub async fn call<R: DeserializeOwned + Type>(
        &self,
        method: &str,
        body: &(impl serde::Serialize + DynamicType),
    ) -> Done<R> {
        let call = self
            .connection
            .call_method(None::<&str>, PATH, Some(INTERFACE), method, body);
        let reply = call.await.map_err(|e| failure(method, &e))?;
        reply.body().deserialize().map_err(|e| {
            Failure::Unreachable(format!(
                "the agent's answer to {method} is not what was expected: {e}; are both of one version?"
            ))
        })
    }
}

fn failure(method: &str, error: &zbus::Error) -> Failure {
    match error {
        zbus::Error::MethodError(_, text, _) => {
            let text = text.as_deref().unwrap_or("it gives no reason");
            Failure::Refused(format!("the agent refuses: {}", visible(text)))
        }
        zbus::Error::FDO(error) => match &**error {
            zbus::fdo::Error::Failed(text)
            | zbus::fdo::Error::AccessDenied(text)
            | zbus::fdo::Error::InvalidArgs(text) => Failure::Refused(format!("the agent refuses: {}", visible(text))),
            zbus::fdo::Error::UnknownMethod(_)
            | zbus::fdo::Error::UnknownObject(_)
            | zbus::fdo::Error::UnknownInterface(_) => {
                Failure::Unreachable(format!("the agent does not know {method}; is it of another version?"))
            }
            other => Failure::Unreachable(format!("the agent did not answer: {}", visible(&other.to_string()))),
        },
        other => Failure::Unreachable(format!("the agent did not answer: {}", visible(&other.to_string()))),
    }
}

/// Why no agent can be spoken to.
pub fn no_agent(socket: &Path, error: &std::io::Error) -> Failure {
    let socket = socket.display();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Failure::Refused(format!("{socket} is not yours to open; run this as root"))
        }
        _ => Failure::Unreachable(format!(
            "no agent listens on {socket} ({error}); logins that need one are refused meanwhile. See `systemctl status assent-agentd` and `journalctl -u assent-agentd`"
        )),
    }
}
