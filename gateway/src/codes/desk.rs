//! Where others ask the code service: by a call where it shares their process, otherwise over Unix sockets of one machine.
//! The panel has a socket of its own, on which a signed-in person's questions are asked, and sealed calls of hosts that do not
//! reach the relay; whoever carries the others has another, on which there are sealed calls and, from the registrar, what
//! people are to be told by mail.

use super::Codes;
use super::enrol::{Made, Own};
use super::told::Told;
use crate::clock;
use crate::error::Error;
use crate::neighbour::{Door, Neighbour};
use crate::relay::body;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::code::{Sealed, TypedCode};
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

/// Most bytes of a panel's question.
const MAX_ASK: usize = 32 * 1024;
/// Where there are sealed calls of hosts.
const CALL: &str = "/call";
/// Where the registrar says what people are to be told.
const TOLD: &str = "/told";
/// Most bytes of a sealed call, as the relay takes it.
const MAX_CALL: usize = 128 * 1024;

/// A panel's question, as it goes over the socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Ask {
    Own {
        identities: Vec<Identity>,
    },
    CarryOut {
        owner: DeviceOwner,
        id: Id,
    },
    ConfirmTotp {
        owner: DeviceOwner,
        id: Id,
        code: TypedCode,
    },
    LiftFreeze {
        owner: DeviceOwner,
        code: TypedCode,
    },
    RemoveDevice {
        owner: DeviceOwner,
        device: Id,
        lost: bool,
        code: TypedCode,
    },
    Reach {
        who: Identity,
        mail: Option<ShortText>,
    },
}

/// The code service, as others ask it.
#[derive(Clone)]
pub enum Desk {
    /// In this process.
    Here(Arc<Codes>),
    /// In another one of this machine.
    Apart(Neighbour),
}

impl Desk {
    /// The code service that listens on `socket`.
    pub fn apart(socket: &Path) -> anyhow::Result<Self> {
        Neighbour::at(socket, "the code service").map(Self::Apart)
    }

    /// One sealed call of a host.
    pub async fn call(&self, sealed: Sealed) -> Result<Sealed, Error> {
        match self {
            Self::Here(codes) => {
                // In a task of its own: a caller who hangs up must not leave a message half sent and uncounted.
                let codes = Arc::clone(codes);
                let handled = tokio::spawn(async move { codes.handle(&sealed, clock::now()).await });
                handled.await.unwrap_or(Err(Error::Internal("the code service failed")))
            }
            Self::Apart(codes) => codes.ask_at(CALL, &sealed).await,
        }
    }

    /// Has a person told by mail of a change; an error: it was not handed over.
    pub async fn tell(&self, told: &Told) -> Result<(), Error> {
        match self {
            Self::Here(codes) => {
                codes.tell_by_mail(told.clone()).await;
                Ok(())
            }
            Self::Apart(codes) => codes.ask_at(TOLD, told).await,
        }
    }

    /// The panel's directory has said where a person reads mail, or that it knows of no address.
    pub async fn reach(&self, who: &Identity, mail: Option<&ShortText>) -> Result<(), Error> {
        match self {
            Self::Here(codes) => codes.reach_of_panel(who, mail, clock::now()).await,
            Self::Apart(codes) => {
                let (who, mail) = (who.clone(), mail.cloned());
                codes.ask(&Ask::Reach { who, mail }).await
            }
        }
    }

    /// What a person sees of their codes.
    pub async fn own(&self, identities: &[Identity]) -> Result<Own, Error> {
        match self {
            Self::Here(codes) => Ok(codes.own(identities).await?),
            Self::Apart(codes) => {
                let identities = identities.to_vec();
                codes.ask(&Ask::Own { identities }).await
            }
        }
    }

    /// Carries out a change that was granted to a person at the panel; `None`: there is no such grant. The text says why
    /// not.
    pub async fn carry_out(&self, owner: &DeviceOwner, id: Id) -> Result<Result<Option<Made>, ShortText>, Error> {
        match self {
            Self::Here(codes) => codes.carry_out(owner, id).await,
            Self::Apart(codes) => {
                let owner = owner.clone();
                codes.ask(&Ask::CarryOut { owner, id }).await
            }
        }
    }

    /// The first code of an app that was opened at the panel; `false`: there is no such set-up. The text says why not.
    pub async fn confirm_totp(
        &self,
        owner: &DeviceOwner,
        id: Id,
        code: &TypedCode,
    ) -> Result<Result<bool, ShortText>, Error> {
        match self {
            Self::Here(codes) => Ok(codes.confirm_own_totp(owner, id, code).await),
            Self::Apart(codes) => {
                let (owner, code) = (owner.clone(), code.clone());
                codes.ask(&Ask::ConfirmTotp { owner, id, code }).await
            }
        }
    }

    /// Removes a device of a person who proves themselves by this code; `false`: they have no such device. The text says why
    /// not.
    pub async fn remove_device(
        &self,
        owner: &DeviceOwner,
        (device, lost): (Id, bool),
        code: &TypedCode,
    ) -> Result<Result<bool, ShortText>, Error> {
        match self {
            Self::Here(codes) => codes.remove_device(owner, (device, lost), code).await,
            Self::Apart(codes) => {
                let (owner, code) = (owner.clone(), code.clone());
                let ask = Ask::RemoveDevice {
                    owner,
                    device,
                    lost,
                    code,
                };
                codes.ask(&ask).await
            }
        }
    }

    /// Lifts a person's freezes, who proves themselves by this code; how many there were. The text says why not.
    pub async fn lift_freeze(&self, owner: &DeviceOwner, code: &TypedCode) -> Result<Result<u64, ShortText>, Error> {
        match self {
            Self::Here(codes) => codes.lift_freeze(owner, code).await,
            Self::Apart(codes) => {
                let (owner, code) = (owner.clone(), code.clone());
                codes.ask(&Ask::LiftFreeze { owner, code }).await
            }
        }
    }
}

/// Serves the panel until `stop` changes.
pub async fn serve_panel(door: Door, codes: Arc<Codes>, stop: watch::Receiver<bool>) {
    let calls = Router::new()
        .route(CALL, post(call))
        .with_state(Desk::Here(Arc::clone(&codes)));
    let router = Router::new().route("/ask", post(answer)).with_state(codes);
    door.serve(router.merge(calls), stop).await;
}

/// Serves whoever carries the calls of hosts until `stop` changes.
pub async fn serve_calls(door: Door, codes: Arc<Codes>, stop: watch::Receiver<bool>) {
    let router = Router::new()
        .route(CALL, post(call))
        .route(TOLD, post(told))
        .with_state(Desk::Here(codes));
    door.serve(router, stop).await;
}

async fn call(State(desk): State<Desk>, body: Body) -> Result<Json<Sealed>, Error> {
    desk.call(body::json(body, MAX_CALL).await?).await.map(Json)
}

async fn told(State(desk): State<Desk>, body: Body) -> Result<Json<()>, Error> {
    let told: Told = body::json(body, MAX_ASK).await?;
    desk.tell(&told).await.map(Json)
}

async fn answer(State(codes): State<Arc<Codes>>, body: Body) -> Result<Json<Value>, Error> {
    let answer = match body::json(body, MAX_ASK).await? {
        Ask::Own { identities } => serde_json::to_value(codes.own(&identities).await?),
        Ask::CarryOut { owner, id } => serde_json::to_value(codes.carry_out(&owner, id).await?),
        Ask::ConfirmTotp { owner, id, code } => serde_json::to_value(codes.confirm_own_totp(&owner, id, &code).await),
        Ask::LiftFreeze { owner, code } => serde_json::to_value(codes.lift_freeze(&owner, &code).await?),
        Ask::RemoveDevice {
            owner,
            device,
            lost,
            code,
        } => serde_json::to_value(codes.remove_device(&owner, (device, lost), &code).await?),
        Ask::Reach { who, mail } => {
            codes.reach_of_panel(&who, mail.as_ref(), clock::now()).await?;
            Ok(Value::Null)
        }
    };
    answer
        .map(Json)
        .map_err(|_| Error::Internal("an answer for the panel is no JSON"))
}
