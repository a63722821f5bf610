//! The gateway's admin socket: HTTP/1 over a Unix socket that only root and the gateway's group can open.

use crate::failure::{Done, Failure};
use crate::gateway_client::{CallFailure, json};
use clap::Args;
use reqwest::{Client, Method};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a registrar of this machine listens for its admin: one of its own process, or that of a gateway with every role.
const SOCKETS: [&str; 2] = ["/run/assent-registrar/admin.sock", "/run/assent-gateway/admin.sock"];

/// Where a code service with a process of its own listens for its admin.
const CODES_SOCKET: &str = "/run/assent-codes/admin.sock";

/// The admin's way in.
#[derive(Debug, Args)]
pub struct Socket {
    /// The registrar's admin socket (if not given: /run/assent-registrar/admin.sock where it is, otherwise
    /// /run/assent-gateway/admin.sock)
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Socket {
    /// Opens that of the code service, where it has a process of its own.
    pub fn open_codes(&self) -> Done<Admin> {
        let apart = Path::new(CODES_SOCKET);
        match self.socket.is_none() && apart.exists() {
            true => Admin::at(apart),
            false => self.open(),
        }
    }

    /// Whether one was named, or there is one where it would be.
    pub fn is_there(&self) -> bool {
        self.socket.is_some() || self.path(|path| path.exists()).exists()
    }

    /// Opens it.
    pub fn open(&self) -> Done<Admin> {
        Admin::at(&self.path(|path| path.exists()))
    }

    fn path(&self, is_there: impl Fn(&Path) -> bool) -> PathBuf {
        let known = || {
            let mut known = SOCKETS.into_iter().map(PathBuf::from);
            known.find(|path| is_there(path))
        };
        let [_, all] = SOCKETS;
        self.socket.clone().or_else(known).unwrap_or_else(|| all.into())
    }
}

/// The admin's side of a gateway on this machine.
pub struct Admin {
    client: Client,
    socket: PathBuf,
}

impl Admin {
    /// The gateway behind `socket`.
    fn at(socket: &Path) -> Done<Self> {
        if let Err(e) = std::os::unix::net::UnixStream::connect(socket) {
            return Err(no_gateway(socket, &e));
        }
        let client = Client::builder()
            .unix_socket(socket.to_owned())
            .no_proxy()
            .http1_only()
            .timeout(Duration::from_secs(10))
            .tls_backend_preconfigured(
                rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                    .with_safe_default_protocol_versions()
                    .map_err(|e| Failure::Input(e.to_string()))?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            )
            .build()
            .map_err(|e| Failure::Input(format!("the HTTP client could not be built: {e}")))?;
        Ok(Self {
            client,
            socket: socket.to_owned(),
        })
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Done<Value> {
        self.send(Method::GET, path, None::<&()>).await
    }

    /// Asks for something.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Done<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Done<Value> {
        let mut request = self.client.request(method, format!("http://localhost{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        json(request).await.map_err(|e| match e {
            CallFailure::Unreachable(why) => Failure::Unreachable(format!(
                "the gateway behind {} does not answer: {why}",
                self.socket.display()
            )),
            CallFailure::Problem(status, problem) if status.is_server_error() => {
                Failure::Unreachable(format!("the gateway failed: {}; see its log", problem.text))
            }
            CallFailure::Problem(_, problem) => Failure::Refused(format!("the gateway refuses: {}", problem.text)),
        })
    }
}

fn no_gateway(socket: &Path, error: &std::io::Error) -> Failure {
    let socket = socket.display();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::Refused(format!(
            "{socket} is not yours to open; run this as root on the gateway's machine"
        )),
        _ => Failure::Unreachable(format!(
            "no gateway listens on {socket} ({error}); run this on the gateway's machine and see `systemctl status assent-gateway`, or name its socket with --socket"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrars_own_socket_comes_first_and_a_named_one_before_all() {
        let [own, all] = SOCKETS.map(PathBuf::from);
        let default = Socket { socket: None };
        assert_eq!(default.path(|_| true), own);
        assert_eq!(default.path(|path| path == all), all);
        assert_eq!(default.path(|_| false), all, "named where nothing is there");
        let named = Socket {
            socket: Some("/x".into()),
        };
        assert_eq!(named.path(|_| true), Path::new("/x"));
    }
}
