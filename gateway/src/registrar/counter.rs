//! Where the Register Panel asks the registrar: by a call where both share a process, otherwise over a Unix socket of one
//! machine. The questions are [`super::self_service`]'s and no others; what the panel may do is decided there, whichever way
//! it comes.

use super::Registrar;
use super::asked::Standing;
use super::code_changes::{Asked, Asker, CodesChange};
use super::overview::{Overview, Search};
use super::self_service::{Ended, Grant, MayEnrol, OpenedEnrolment, OwnDevice, Proof, Removal};
use crate::clock;
use crate::error::Error;
use crate::neighbour::{Door, Neighbour, not_understood};
use crate::relay::body;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::enrol::Token;
use assent_proto::registrar::EnrolmentState;
use assent_proto::relay::TrustInfo;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Id, ShortText};
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Most bytes of a question.
const MAX_ASK: usize = 32 * 1024;
/// A question, as it goes over the socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Ask {
    Trust {},
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
        lost: bool,
    },
    VoidBefore {
        identities: Vec<Identity>,
    },
    WantCodeChange {
        owner: DeviceOwner,
        proof: Proof,
        change: CodesChange,
    },
    CodeChange {
        owner: DeviceOwner,
        id: Id,
    },
    Administers {
        owner: DeviceOwner,
    },
    WantOverview {
        owner: DeviceOwner,
    },
    OverviewStands {
        owner: DeviceOwner,
        id: Id,
    },
    Overview {
        owner: DeviceOwner,
        id: Id,
        search: Search,
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
    Apart(Neighbour),
}

impl Counter {
    /// The registrar that listens on `socket`.
    pub fn apart(socket: &Path) -> anyhow::Result<Self> {
        Neighbour::at(socket, "the registrar").map(Self::Apart)
    }

    /// What anyone may know of the registrar's keys.
    pub async fn trust(&self) -> Result<TrustInfo, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.trust_info(clock::now())),
            Self::Apart(registrar) => registrar.ask(&Ask::Trust {}).await,
        }
    }

    /// Takes a one-time link.
    pub async fn redeem_link(&self, token: &Token) -> Result<Option<Grant>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.redeem_link(token).await?),
            Self::Apart(registrar) => {
                let token = token.to_text();
                registrar.ask(&Ask::RedeemLink { token }).await
            }
        }
    }

    /// Whether this user may add a device now.
    pub async fn may_enrol(&self, owner: &DeviceOwner, proof: Proof) -> Result<MayEnrol, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.may_enrol(owner, proof).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::MayEnrol { owner, proof }).await
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
            Self::Apart(registrar) => {
                let opened: Result<Opened, ShortText> = registrar.ask(&Ask::OpenEnrolment { owner, proof }).await?;
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
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::Enrolment { owner, token_id }).await
            }
        }
    }

    /// Why an enrolment of this user is over, as far as that is known.
    pub async fn own_enrolment_ended(&self, owner: &DeviceOwner, token_id: Id) -> Result<Option<Ended>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.own_enrolment_ended(owner, token_id).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::EnrolmentEnded { owner, token_id }).await
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
            Self::Apart(registrar) => {
                let (owner, digits) = (owner.clone(), digits.to_owned());
                registrar
                    .ask(&Ask::ConfirmEnrolment {
                        owner,
                        token_id,
                        digits,
                    })
                    .await
            }
        }
    }

    /// The devices of a user, newest first.
    pub async fn own_devices(&self, owner: &DeviceOwner) -> Result<Vec<OwnDevice>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.own_devices(owner).await?),
            Self::Apart(registrar) => registrar.ask(&Ask::Devices { owner: owner.clone() }).await,
        }
    }

    /// Gives a user's device another label.
    pub async fn rename_own_device(&self, owner: &DeviceOwner, device: Id, label: ShortText) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.rename_own_device(owner, device, label).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::RenameDevice { owner, device, label }).await
            }
        }
    }

    /// Has a user's devices asked whether one of them is to be removed.
    pub async fn remove_own_device(&self, owner: &DeviceOwner, device: Id, lost: bool) -> Result<Removal, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.remove_own_device(owner, device, lost).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::RemoveDevice { owner, device, lost }).await
            }
        }
    }

    /// Somebody whom the panel has signed in wants to change their codes. The text says why not.
    pub async fn ask_code_change(
        &self,
        owner: &DeviceOwner,
        proof: Proof,
        change: CodesChange,
    ) -> Result<Result<Asked, ShortText>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.ask_code_change(owner, Asker::Panel(proof), change).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::WantCodeChange { owner, proof, change }).await
            }
        }
    }

    /// How a change that was asked for at the panel stands.
    pub async fn code_change(&self, owner: &DeviceOwner, id: Id) -> Result<Standing, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.code_change(owner, None, id)),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::CodeChange { owner, id }).await
            }
        }
    }

    /// Whether this is an administrator.
    pub async fn administers(&self, owner: &DeviceOwner) -> Result<bool, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.administers(owner)),
            Self::Apart(registrar) => registrar.ask(&Ask::Administers { owner: owner.clone() }).await,
        }
    }

    /// An administrator wants to look at the overview. The text says why not.
    pub async fn ask_overview(&self, owner: &DeviceOwner) -> Result<Result<Id, ShortText>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.ask_overview(owner).await?),
            Self::Apart(registrar) => registrar.ask(&Ask::WantOverview { owner: owner.clone() }).await,
        }
    }

    /// How that stands.
    pub async fn overview_stands(&self, owner: &DeviceOwner, id: Id) -> Result<Standing, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.overview_stands(owner, id)),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::OverviewStands { owner, id }).await
            }
        }
    }

    /// The overview, while a look that was granted lasts.
    pub async fn overview(&self, owner: &DeviceOwner, id: Id, search: Search) -> Result<Option<Overview>, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.overview(owner, id, &search).await?),
            Self::Apart(registrar) => {
                let owner = owner.clone();
                registrar.ask(&Ask::Overview { owner, id, search }).await
            }
        }
    }

    /// Sessions of these people that began by then are over.
    pub async fn void_before(&self, identities: &[Identity]) -> Result<BootTime, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.void_before(identities)),
            Self::Apart(registrar) => {
                let identities = identities.to_vec();
                Ok(BootTime(registrar.ask(&Ask::VoidBefore { identities }).await?))
            }
        }
    }
}

/// Serves the panel until `stop` changes.
pub async fn serve(door: Door, registrar: Arc<Registrar>, stop: watch::Receiver<bool>) {
    door.serve(Router::new().route("/ask", post(answer)).with_state(registrar), stop)
        .await;
}

async fn answer(State(registrar): State<Arc<Registrar>>, body: Body) -> Result<Json<Value>, Error> {
    let ask: Ask = body::json(body, MAX_ASK).await?;
    let answer = match ask {
        Ask::Trust {} => serde_json::to_value(registrar.trust_info(clock::now())),
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
        Ask::RemoveDevice { owner, device, lost } => {
            serde_json::to_value(registrar.remove_own_device(&owner, device, lost).await?)
        }
        Ask::VoidBefore { identities } => serde_json::to_value(registrar.void_before(&identities).0),
        Ask::WantCodeChange { owner, proof, change } => {
            serde_json::to_value(registrar.ask_code_change(&owner, Asker::Panel(proof), change).await?)
        }
        Ask::CodeChange { owner, id } => serde_json::to_value(registrar.code_change(&owner, None, id)),
        Ask::Administers { owner } => serde_json::to_value(registrar.administers(&owner)),
        Ask::WantOverview { owner } => serde_json::to_value(registrar.ask_overview(&owner).await?),
        Ask::OverviewStands { owner, id } => serde_json::to_value(registrar.overview_stands(&owner, id)),
        Ask::Overview { owner, id, search } => serde_json::to_value(registrar.overview(&owner, id, &search).await?),
    };
    answer
        .map(Json)
        .map_err(|_| Error::Internal("an answer for the panel is no JSON"))
}
