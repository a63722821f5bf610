//! Where the Register Panel asks the registrar: by a call where both share a process, otherwise over a Unix socket of one
//! machine, at which one user alone is served, by the kernel's word. The questions are [`super::self_service`]'s and no
//! others; what the panel may do is decided there, whichever way it comes.

use super::Registrar;
use super::self_service::{Ended, Grant, MayEnrol, OpenedEnrolment, OwnDevice, Proof, Removal};
use crate::error::Error;
use crate::relay::body;
use crate::server;
use anyhow::Context as _;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::enrol::Token;
use assent_proto::registrar::EnrolmentState;
use assent_proto::relay::{Problem, ProblemCode};
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Id, ShortText};
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use nix::unistd::{Gid, Uid, User, geteuid};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Most bytes of a question.
const MAX_ASK: usize = 32 * 1024;
/// Most bytes of an answer.
const MAX_ANSWER: usize = 256 * 1024;
/// How long an answer may take.
const TIME: Duration = Duration::from_secs(10);
/// Connections at once; the panel needs one.
const CONNECTIONS: u32 = 16;

/// A question, as it goes over the socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Ask {
    RedeemLink {
        token: Zeroizing<String>,
    },
    MayEnrol {
        owner: DeviceOwner,
        proof: Proof,
    },
    OpenEnrolment {
        owner: DeviceOwner,
        proof: Proof,
    },
    Enrolment {
        owner: DeviceOwner,
        token_id: Id,
    },
    EnrolmentEnded {
        owner: DeviceOwner,
        token_id: Id,
    },
    ConfirmEnrolment {
        owner: DeviceOwner,
        token_id: Id,
        digits: String,
    },
    Devices {
        owner: DeviceOwner,
    },
    RenameDevice {
        owner: DeviceOwner,
        device: Id,
        label: ShortText,
    },
    RemoveDevice {
        owner: DeviceOwner,
        device: Id,
    },
    VoidBefore {
        identities: Vec<Identity>,
    },
}

/// An opened enrolment, as it goes over the socket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    token: Zeroizing<String>,
    until: UnixTime,
}

/// Where the panel asks.
#[derive(Clone)]
pub enum Counter {
    /// In this process.
    Here(Arc<Registrar>),
    /// In another one of this machine.
    Apart(Client),
}

impl Counter {
    /// The registrar that listens on `socket`.
    pub fn apart(socket: &Path) -> anyhow::Result<Self> {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .unix_socket(socket.to_path_buf())
            .no_proxy()
            .http2_prior_knowledge()
            .timeout(TIME)
            .build();
        Ok(Self::Apart(client.context("the HTTP client could not be built")?))
    }

    /// Takes a one-time link.
    pub async fn redeem_link(&self, token: &Token) -> Result<Option<Grant>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.redeem_link(token).await?),
            Self::Apart(client) => {
                let token = token.to_text();
                ask(client, &Ask::RedeemLink { token }).await
            }
        }
    }

    /// Whether this user may add a device now.
    pub async fn may_enrol(&self, owner: &DeviceOwner, proof: Proof) -> Result<MayEnrol, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.may_enrol(owner, proof).await?),
            Self::Apart(client) => {
                let owner = owner.clone();
                ask(client, &Ask::MayEnrol { owner, proof }).await
            }
        }
    }

    /// Opens an enrolment for a user whom the panel has signed in.
    pub async fn open_own_enrolment(
        &self,
        owner: DeviceOwner,
        proof: Proof,
    ) -> Result<Result<OpenedEnrolment, ShortText>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.open_own_enrolment(owner, proof).await?),
            Self::Apart(client) => {
                let opened: Result<Opened, ShortText> = ask(client, &Ask::OpenEnrolment { owner, proof }).await?;
                Ok(match opened {
                    Ok(Opened { token, until }) => Ok(OpenedEnrolment {
                        token: Token::from_text(&token).map_err(|_| not_understood())?,
                        until,
                    }),
                    Err(why) => Err(why),
                })
            }
        }
    }

    /// How an enrolment of this user stands.
    pub async fn own_enrolment(&self, owner: &DeviceOwner, token_id: Id) -> Result<EnrolmentState, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.own_enrolment(owner, token_id).await?),
            Self::Apart(client) => {
                let owner = owner.clone();
                ask(client, &Ask::Enrolment { owner, token_id }).await
            }
        }
    }

    /// Why an enrolment of this user is over, as far as that is known.
    pub async fn own_enrolment_ended(&self, owner: &DeviceOwner, token_id: Id) -> Result<Option<Ended>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.own_enrolment_ended(owner, token_id).await?),
            Self::Apart(client) => {
                let owner = owner.clone();
                ask(client, &Ask::EnrolmentEnded { owner, token_id }).await
            }
        }
    }

    /// Hands the six digits over.
    pub async fn confirm_own_enrolment(
        &self,
        owner: &DeviceOwner,
        token_id: Id,
        digits: &str,
    ) -> Result<EnrolmentState, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.confirm_own_enrolment(owner, token_id, digits).await?),
            Self::Apart(client) => {
                let (owner, digits) = (owner.clone(), digits.to_owned());
                ask(
                    client,
                    &Ask::ConfirmEnrolment {
                        owner,
                        token_id,
                        digits,
                    },
                )
                .await
            }
        }
    }

    /// The devices of a user, newest first.
    pub async fn own_devices(&self, owner: &DeviceOwner) -> Result<Vec<OwnDevice>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.own_devices(owner).await?),
            Self::Apart(client) => ask(client, &Ask::Devices { owner: owner.clone() }).await,
        }
    }

    /// Gives a user's device another label.
    pub async fn rename_own_device(&self, owner: &DeviceOwner, device: Id, label: ShortText) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.rename_own_device(owner, device, label).await?),
            Self::Apart(client) => {
                let owner = owner.clone();
                ask(client, &Ask::RenameDevice { owner, device, label }).await
            }
        }
    }

    /// Removes a user's device, or asks it.
    pub async fn remove_own_device(&self, owner: &DeviceOwner, device: Id) -> Result<Removal, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.remove_own_device(owner, device).await?),
            Self::Apart(client) => {
                let owner = owner.clone();
                ask(client, &Ask::RemoveDevice { owner, device }).await
            }
        }
    }

    /// Sessions of these people that began by then are over.
    pub async fn void_before(&self, identities: &[Identity]) -> Result<BootTime, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.void_before(identities)),
            Self::Apart(client) => {
                let identities = identities.to_vec();
                Ok(BootTime(ask(client, &Ask::VoidBefore { identities }).await?))
            }
        }
    }
}

fn not_understood() -> Error {
    Error::Internal("the registrar answered something else; do both run the same version?")
}

/// One question. Every failure of the socket is the registrar's absence.
async fn ask<T: DeserializeOwned>(client: &Client, ask: &Ask) -> Result<T, Error> {
    let away = |error: reqwest::Error| {
        tracing::warn!(error = %error.without_url(), "the registrar does not answer");
        Error::Away
    };
    let mut response = client
        .post("http://localhost/ask")
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
            _ => Error::Internal("the registrar failed; its log says why"),
        });
    }
    serde_json::from_slice(&bytes).map_err(|_| not_understood())
}

/// Binds the socket for the panel's user alone.
pub fn bind(socket: &Path, user: &str) -> anyhow::Result<(UnixListener, Uid)> {
    let user = User::from_name(user)
        .with_context(|| format!("the user {user:?} (link.panel_user) cannot be looked up"))?
        .with_context(|| format!("there is no user {user:?}: link.panel_user names the one that the panel runs as"))?;
    let listener = crate::admin::bind(socket)?;
    if user.uid != geteuid() {
        // Only root, or a member of that group, may give the socket to it.
        let gid = Gid::from_raw(user.gid.as_raw());
        nix::unistd::chown(socket, None, Some(gid)).with_context(|| {
            format!(
                "{} cannot be given to the group of {}: the registrar must be in it (SupplementaryGroups= of its unit)",
                socket.display(),
                user.name
            )
        })?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660))
            .with_context(|| socket.display().to_string())?;
    }
    Ok((listener, user.uid))
}

/// Serves the panel until `stop` changes.
pub async fn serve(listener: UnixListener, panel: Uid, registrar: Arc<Registrar>, stop: watch::Receiver<bool>) {
    let router = Router::new()
        .route("/ask", post(answer))
        .fallback(|| async { Error::NoRoute })
        .method_not_allowed_fallback(|| async { Error::NoMethod })
        .with_state(registrar);
    let admits = move |stream: &UnixStream| is(stream, panel);
    server::serve_unix(listener, admits, router, CONNECTIONS, stop).await;
}

/// Whether the user at the other end is this one. The socket's mode alone is not believed.
fn is(stream: &UnixStream, wanted: Uid) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == wanted.as_raw() => true,
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "somebody who is not the panel came to its socket");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "who came to the panel's socket cannot be known");
            false
        }
    }
}

async fn answer(State(registrar): State<Arc<Registrar>>, body: Body) -> Result<Json<Value>, Error> {
    let ask: Ask = body::json(body, MAX_ASK).await?;
    let answer = match ask {
        Ask::RedeemLink { token } => {
            let token = Token::from_text(&token).map_err(|_| Error::Malformed("no token".into()))?;
            serde_json::to_value(registrar.redeem_link(&token).await?)
        }
        Ask::MayEnrol { owner, proof } => serde_json::to_value(registrar.may_enrol(&owner, proof).await?),
        Ask::OpenEnrolment { owner, proof } => {
            let opened = registrar.open_own_enrolment(owner, proof).await?;
            serde_json::to_value(opened.map(|opened| Opened {
                token: opened.token.to_text(),
                until: opened.until,
            }))
        }
        Ask::Enrolment { owner, token_id } => serde_json::to_value(registrar.own_enrolment(&owner, token_id).await?),
        Ask::EnrolmentEnded { owner, token_id } => {
            serde_json::to_value(registrar.own_enrolment_ended(&owner, token_id).await?)
        }
        Ask::ConfirmEnrolment {
            owner,
            token_id,
            digits,
        } => serde_json::to_value(registrar.confirm_own_enrolment(&owner, token_id, &digits).await?),
        Ask::Devices { owner } => serde_json::to_value(registrar.own_devices(&owner).await?),
        Ask::RenameDevice { owner, device, label } => {
            serde_json::to_value(registrar.rename_own_device(&owner, device, label).await?)
        }
        Ask::RemoveDevice { owner, device } => serde_json::to_value(registrar.remove_own_device(&owner, device).await?),
        Ask::VoidBefore { identities } => serde_json::to_value(registrar.void_before(&identities).0),
    };
    answer
        .map(Json)
        .map_err(|_| Error::Internal("an answer for the panel is no JSON"))
}
