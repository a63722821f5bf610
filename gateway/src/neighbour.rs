//! Questions between processes of one machine, over a Unix socket: JSON by HTTP/2. Who listens serves one user alone, by the
//! kernel's word; what that user may ask is what the routes are.

use crate::error::Error;
use crate::server;
use crate::tls_client::{self, Authorities};
use anyhow::Context as _;
use assent_proto::relay::{Problem, ProblemCode};
use axum::Router;
use nix::unistd::{Gid, Uid, User, geteuid};
use reqwest::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Most bytes of an answer.
const MAX_ANSWER: usize = 256 * 1024;
/// How long an answer may take.
const TIME: Duration = Duration::from_secs(10);
/// Connections at once; a neighbour needs one.
const CONNECTIONS: u32 = 16;

/// Somebody of this machine who is asked.
#[derive(Clone)]
pub struct Neighbour {
    name: &'static str,
    client: Client,
}

impl Neighbour {
    /// The one that listens on `socket`; its name is for the log.
    pub fn at(socket: &Path, name: &'static str) -> anyhow::Result<Self> {
        let tls = tls_client::config(&Authorities::Nobody, &[])?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .unix_socket(socket.to_path_buf())
            .no_proxy()
            .http2_prior_knowledge()
            .timeout(TIME)
            .build();
        let client = client.context("the HTTP client could not be built")?;
        Ok(Self { name, client })
    }

    /// One question. Every failure of the socket is the neighbour's absence.
    pub async fn ask<T: DeserializeOwned>(&self, ask: &impl Serialize) -> Result<T, Error> {
        self.ask_at("/ask", ask).await
    }

    /// One question of another kind, which has a path of its own.
    pub async fn ask_at<T: DeserializeOwned>(&self, path: &str, ask: &impl Serialize) -> Result<T, Error> {
        let away = |error: reqwest::Error| {
            tracing::warn!(error = %error.without_url(), "{} does not answer", self.name);
            Error::Away
        };
        let mut response = self
            .client
            .post(format!("http://localhost{path}"))
            .json(ask)
            .send()
            .await
            .map_err(away)?;
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(not_understood());
            }
            bytes.extend_from_slice(&chunk);
        }
        if !response.status().is_success() {
            let problem: Option<Problem> = serde_json::from_slice(&bytes).ok();
            return Err(match problem {
                Some(problem) if problem.code == ProblemCode::Malformed => {
                    Error::Malformed(assent_proto::text::visible(&problem.text))
                }
                Some(problem) if problem.code == ProblemCode::Away => Error::Away,
                _ => Error::Internal("another process of this gateway failed; its log says why"),
            });
        }
        serde_json::from_slice(&bytes).map_err(|_| not_understood())
    }
}

/// An answer that is none.
pub fn not_understood() -> Error {
    Error::Internal("another process of this gateway answered something else; do both run the same version?")
}

/// A socket for one user.
pub struct Door {
    listener: UnixListener,
    user: Uid,
    name: &'static str,
}

impl Door {
    /// Binds it. `key` names the user in the configuration, `name` whoever is expected, for the log.
    pub fn bind(socket: &Path, user: &str, key: &'static str, name: &'static str) -> anyhow::Result<Self> {
        let found = User::from_name(user).with_context(|| format!("the user {user:?} ({key}) cannot be looked up"))?;
        let user =
            found.with_context(|| format!("there is no user {user:?}: {key} names the one that {name} runs as"))?;
        let listener = crate::admin::bind(socket)?;
        if user.uid != geteuid() {
            // Only root, or a member of that group, may give the socket to it.
            let gid = Gid::from_raw(user.gid.as_raw());
            nix::unistd::chown(socket, None, Some(gid)).with_context(|| {
                format!(
                    "{} cannot be given to the group of {}: this process must be in it (SupplementaryGroups= of its unit)",
                    socket.display(),
                    user.name
                )
            })?;
            std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660))
                .with_context(|| socket.display().to_string())?;
        }
        Ok(Self {
            listener,
            user: user.uid,
            name,
        })
    }

    /// Serves that user until `stop` changes.
    pub async fn serve(self, router: Router, stop: watch::Receiver<bool>) {
        let router = router
            .fallback(|| async { Error::NoRoute })
            .method_not_allowed_fallback(|| async { Error::NoMethod });
        let (user, name) = (self.user, self.name);
        let admits = move |stream: &UnixStream| is(stream, user, name);
        server::serve_unix(self.listener, admits, router, CONNECTIONS, stop).await;
    }
}

/// Whether the user at the other end is this one. The socket's mode alone is not believed.
fn is(stream: &UnixStream, wanted: Uid, name: &str) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == wanted.as_raw() => true,
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "somebody who is not {name} came to its socket");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "who came to the socket of {name} cannot be known");
            false
        }
    }
}
