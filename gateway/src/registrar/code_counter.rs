//! Where the code service asks the registrar: by a call where both share a process, otherwise over a Unix socket of one
//! machine. It is told who is a host, and has changes of codes approved on people's devices; nothing here certifies a device.

use super::Registrar;
use super::code_changes::{Asked, Asker, CodesChange, Standing};
use super::code_service::PAGE;
use super::last_known::LastKnown;
use crate::clock;
use crate::error::Error;
use crate::neighbour::{Door, Neighbour, not_understood};
use crate::relay::body;
use assent_proto::cert::{DeviceOwner, Host, Identity, Issuers, Trust};
use assent_proto::code_service::{CodeService, CodeServiceRequest};
use assent_proto::keys::KeyId;
use assent_proto::relay::TrustInfo;
use assent_proto::roots::RootSet;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a login waits for the registrar before it goes by what that last said.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked which hosts live: so long what it did in its last moment may be missed.
const EVERY: Duration = Duration::from_secs(60);
/// The same while it is silent.
const AGAIN: Duration = Duration::from_secs(2);
/// Most bytes of a question.
const MAX_ASK: usize = 64 * 1024;

/// A question, as it goes over the socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Ask {
    Certify {
        request: String,
    },
    LivingHost {
        document: String,
    },
    MayName {
        host: String,
        identities: Vec<Identity>,
    },
    LivingHosts {
        after: Option<Id>,
    },
    People {
        name: String,
    },
    Revoke {},
    /// In a host's name alone: the panel asks by itself.
    WantChange {
        owner: DeviceOwner,
        host: Id,
        change: CodesChange,
    },
    Change {
        owner: DeviceOwner,
        host: Id,
        id: Id,
    },
    TakeChange {
        owner: DeviceOwner,
        host: Option<Id>,
        id: Id,
    },
    LiftFreeze {
        owner: DeviceOwner,
    },
    RemoveDevice {
        owner: DeviceOwner,
        device: Id,
        lost: bool,
    },
}

impl Ask {
    fn living_host(document: &str) -> Self {
        let document = document.to_owned();
        Self::LivingHost { document }
    }

    fn may_name(host: &Host, identities: &[Identity]) -> Self {
        let (host, identities) = (host.document().to_owned(), identities.to_vec());
        Self::MayName { host, identities }
    }
}

/// A certificate, and what it is verified by.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Certified {
    document: String,
    trust: TrustInfo,
}

/// Hosts that live, and what their certificates are verified by.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Living {
    hosts: Vec<(Id, KeyId)>,
    trust: TrustInfo,
}

/// The registrar, as the code service asks it.
#[derive(Clone)]
pub enum CodeCounter {
    /// In this process.
    Here(Arc<Registrar>),
    /// In another one of this machine.
    Apart(Arc<Apart>),
}

/// A registrar in another process, and what it last said of hosts.
pub struct Apart {
    registrar: Neighbour,
    known: LastKnown,
    /// It has let somebody wait in vain, and was not heard since.
    silent: AtomicBool,
    /// It is asked again at once.
    doubted: Notify,
}

impl Apart {
    async fn ask<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, Error> {
        self.registrar.ask(ask).await
    }

    /// A question in a login, which goes on without the registrar: who is away is not waited for.
    async fn ask_in_login<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, Error> {
        if self.silent.load(Ordering::Relaxed) {
            return Err(Error::Away);
        }
        match tokio::time::timeout(PATIENCE, self.ask(ask)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.silent.store(true, Ordering::Relaxed);
                // Perhaps it was slow once: then what it says counts again in a moment.
                self.doubted.notify_one();
                tracing::warn!("the registrar is silent: logins by code go by what it last said of hosts");
                Err(Error::Away)
            }
        }
    }

    /// Asks which hosts live.
    async fn learn(&self) -> Result<(), Error> {
        let (mut hosts, mut after) = (HashMap::new(), None);
        let trust = loop {
            let Living { hosts: more, trust } = self.ask(&Ask::LivingHosts { after }).await?;
            after = more.last().map(|(id, _)| *id);
            let last = u32::try_from(more.len()).is_ok_and(|length| length < PAGE);
            hosts.extend(more);
            if last {
                break trust;
            }
        };
        self.known.take(issuers(&trust)?, hosts, clock::boot_now());
        if self.silent.swap(false, Ordering::Relaxed) {
            tracing::info!("the registrar answers again");
        }
        Ok(())
    }
}

impl CodeCounter {
    /// The registrar that listens on `socket`.
    pub fn apart(socket: &Path) -> anyhow::Result<Self> {
        Ok(Self::Apart(Arc::new(Apart {
            registrar: Neighbour::at(socket, "the registrar")?,
            known: LastKnown::default(),
            silent: AtomicBool::new(false),
            doubted: Notify::new(),
        })))
    }

    /// Keeps in mind which hosts live, for the time when the registrar is away. For ever.
    pub async fn look_after(self) {
        let Self::Apart(registrar) = self else { return };
        loop {
            if let Err(error) = registrar.learn().await {
                tracing::debug!(%error, "which hosts live was not learned");
            }
            let pause = match registrar.silent.load(Ordering::Relaxed) {
                true => AGAIN,
                false => EVERY,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = registrar.doubted.notified() => {}
            }
        }
    }

    /// The code service's certificate; `None`: its key is revoked, or nothing can be certified now.
    pub async fn certify(&self, request: &str, now: UnixTime) -> Result<Option<CodeService>, Error> {
        match self {
            Self::Here(registrar) => {
                let request =
                    CodeServiceRequest::verify(request).map_err(|_| Error::Internal("a request of our own"))?;
                Ok(registrar.certify_code_service(&request).await?)
            }
            Self::Apart(registrar) => {
                let request = request.to_owned();
                let certified: Option<Certified> = registrar.ask(&Ask::Certify { request }).await?;
                let Some(Certified { document, trust }) = certified else {
                    return Ok(None);
                };
                let service = issuers(&trust)?.verify_code_service(&document, now);
                Ok(Some(service.map_err(|_| not_understood())?))
            }
        }
    }

    /// The host of this certificate, if it lives and is not revoked; while the registrar is away, by its last word.
    pub async fn living_host(&self, document: &str, now: UnixTime) -> Result<Option<Host>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.living_host(document, now).await?),
            Self::Apart(registrar) => {
                let found: Option<Certified> = match registrar.ask_in_login(&Ask::living_host(document)).await {
                    Err(Error::Away) => {
                        return registrar.known.living_host(document, now, clock::boot_now()).map(Some);
                    }
                    found => found?,
                };
                let Some(Certified { document, trust }) = found else {
                    registrar.known.forget(document, now, clock::boot_now());
                    return Ok(None);
                };
                let issuers = issuers(&trust)?;
                let (host, _) = issuers.verify_host(&document, now).map_err(|_| not_understood())?;
                registrar.known.remember(&host);
                Ok(Some(host))
            }
        }
    }

    /// Whether the registrar itself says now that this host lives.
    pub async fn is_living(&self, host: &Host, now: UnixTime) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.living_host(host.document(), now).await?.is_some()),
            Self::Apart(registrar) => {
                let found: Option<Certified> = registrar.ask(&Ask::living_host(host.document())).await?;
                Ok(found.is_some())
            }
        }
    }

    /// Whether a host may ask about these people.
    pub async fn may_name(&self, host: &Host, identities: &[Identity]) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.host_may_name(host, identities)),
            Self::Apart(registrar) => registrar.ask(&Ask::may_name(host, identities)).await,
        }
    }

    /// The same for a login, which goes on by the registrar's last word while that is away.
    pub async fn may_name_in_login(&self, host: &Host, identities: &[Identity]) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.host_may_name(host, identities)),
            Self::Apart(registrar) => match registrar.ask_in_login(&Ask::may_name(host, identities)).await {
                Err(Error::Away) => registrar.known.may_name(host, identities, clock::boot_now()),
                answer => answer,
            },
        }
    }

    /// The people whose devices have this user name.
    pub async fn people(&self, name: &str) -> Result<Vec<(Identity, String)>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.people(name).await?),
            Self::Apart(registrar) => registrar.ask(&Ask::People { name: name.to_owned() }).await,
        }
    }

    /// Revokes every key of the code service; how many there were.
    pub async fn revoke(&self) -> Result<usize, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.revoke_code_services().await?),
            Self::Apart(registrar) => registrar.ask(&Ask::Revoke {}).await,
        }
    }

    /// Somebody for whom root on a host vouches wants to change their codes. The text says why not.
    pub async fn ask_change(
        &self,
        owner: &DeviceOwner,
        host: Id,
        change: CodesChange,
    ) -> Result<Result<Asked, ShortText>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.ask_code_change(owner, Asker::Host(host), change).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::WantChange { owner, host, change }).await
            }
        }
    }

    /// How a change that was asked for at this host stands.
    pub async fn change(&self, owner: &DeviceOwner, host: Id, id: Id) -> Result<Standing, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.code_change(owner, Some(host), id)),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::Change { owner, host, id }).await
            }
        }
    }

    /// Takes the grant of a change that was asked for at this host, or at the panel.
    pub async fn take_change(
        &self,
        owner: &DeviceOwner,
        host: Option<Id>,
        id: Id,
    ) -> Result<Option<CodesChange>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.take_code_change(owner, host, id)),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::TakeChange { owner, host, id }).await
            }
        }
    }

    /// Lifts the freezes of somebody who has proven themselves by a code; how many there were.
    pub async fn lift_freeze(&self, owner: &DeviceOwner) -> Result<u64, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.lift_by_owner(owner).await?),
            Self::Apart(registrar) => registrar.ask(&Ask::LiftFreeze { owner: owner.clone() }).await,
        }
    }

    /// Removes a device of somebody who has proven themselves by a code; `false`: they have no such device.
    pub async fn remove_device(&self, owner: &DeviceOwner, device: Id, lost: bool) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.remove_by_owner(owner, device, lost).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::RemoveDevice { owner, device, lost }).await
            }
        }
    }
}

/// The issuers that the registrar names. It is believed at its own socket; what it certified is verified all the same, so
/// that a host is a host here as everywhere.
fn issuers(trust: &TrustInfo) -> Result<Issuers, Error> {
    let mut sets: Vec<RootSet> = trust.roots.iter().cloned().map(RootSet::of_key).collect();
    for step in &trust.steps {
        let next = sets.last().and_then(|set| set.step(step).ok());
        sets.push(next.ok_or_else(not_understood)?);
    }
    sets.reverse();
    Ok(Issuers::under(
        &Trust::of(sets),
        trust.issuers.iter().map(String::as_str),
    ))
}

/// Serves the code service until `stop` changes.
pub async fn serve(door: Door, registrar: Arc<Registrar>, stop: watch::Receiver<bool>) {
    door.serve(Router::new().route("/ask", post(answer)).with_state(registrar), stop)
        .await;
}

async fn answer(State(registrar): State<Arc<Registrar>>, body: Body) -> Result<Json<Value>, Error> {
    let now = clock::now();
    let certified = |document: &str| Certified {
        document: document.to_owned(),
        trust: registrar.trust_info(now),
    };
    let answer = match body::json(body, MAX_ASK).await? {
        Ask::Certify { request } => {
            let request = CodeServiceRequest::verify(&request).map_err(|_| Error::Malformed("no request".into()))?;
            let service = registrar.certify_code_service(&request).await?;
            serde_json::to_value(service.map(|service| certified(service.document())))
        }
        Ask::LivingHost { document } => {
            let host = registrar.living_host(&document, now).await?;
            serde_json::to_value(host.map(|host| certified(host.document())))
        }
        Ask::MayName { host, identities } => {
            let host = registrar.living_host(&host, now).await?;
            serde_json::to_value(host.is_some_and(|host| registrar.host_may_name(&host, &identities)))
        }
        Ask::LivingHosts { after } => serde_json::to_value(Living {
            hosts: registrar.living_hosts(after).await?,
            trust: registrar.trust_info(now),
        }),
        Ask::People { name } => serde_json::to_value(registrar.people(&name).await?),
        Ask::Revoke {} => serde_json::to_value(registrar.revoke_code_services().await?),
        Ask::WantChange { owner, host, change } => {
            serde_json::to_value(registrar.ask_code_change(&owner, Asker::Host(host), change).await?)
        }
        Ask::Change { owner, host, id } => serde_json::to_value(registrar.code_change(&owner, Some(host), id)),
        Ask::TakeChange { owner, host, id } => serde_json::to_value(registrar.take_code_change(&owner, host, id)),
        Ask::LiftFreeze { owner } => serde_json::to_value(registrar.lift_by_owner(&owner).await?),
        Ask::RemoveDevice { owner, device, lost } => {
            serde_json::to_value(registrar.remove_by_owner(&owner, device, lost).await?)
        }
    };
    answer
        .map(Json)
        .map_err(|_| Error::Internal("an answer for the code service is no JSON"))
}
