//! A registrar that runs apart, as its relay sees it: one [`Desk`], at which it comes forward by a claim of the pinned
//! link key ([`assent_proto::link`]). It opens a session, orders what its commits decided, and hears sealed calls and
//! the answers to its own pushes on one event stream. A new session ends the one before.
//!
//! Everything is bounded: calls that wait, their time, an order's bytes. Without a registrar calls are refused at once;
//! pushes and answers of hosts and devices need none.

use super::auth::peer;
use super::stream::Reader;
use super::{Relay, body, event};
use crate::clock;
use crate::error::Error;
use crate::store::relay::Kind;
use assent_proto::Id;
use assent_proto::keys::VerifyingKey;
use assent_proto::link::{Claim, MAX_CALLS, MAX_ORDERS, Order, Orders, Session, Taken};
use assent_proto::registrar::Sealed;
use assent_proto::relay::{KEEP_ALIVE, TrustInfo};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a caller waits for the registrar's reply. Hosts give up after 4 seconds, people's devices after 10.
const CALL_TIME: Duration = Duration::from_secs(8);
/// How long orders may take to arrive: all mailboxes of a large site over a slow line.
const ORDERS_TIME: Duration = Duration::from_secs(60);

/// Where a registrar comes forward, and calls wait for it.
pub struct Desk {
    key: VerifyingKey,
    state: Mutex<Told>,
    /// Orders are carried out one batch at a time.
    turn: tokio::sync::Mutex<()>,
}

struct Told {
    /// The last that the registrar said; whoever asks verifies it anyway.
    trust: Option<TrustInfo>,
    live: Option<Live>,
}

type Waits = oneshot::Sender<Result<Sealed, Error>>;

struct Live {
    session: Id,
    own: Option<Id>,
    calls: mpsc::Sender<(Id, Sealed)>,
    /// Until the event stream takes them.
    queue: Option<mpsc::Receiver<(Id, Sealed)>>,
    waiting: HashMap<Id, Waits>,
}

impl Desk {
    /// For the registrar whose link key is `key`, and which said `trust` in a former run.
    pub fn new(key: VerifyingKey, trust: Option<TrustInfo>) -> Self {
        Self {
            key,
            state: Mutex::new(Told { trust, live: None }),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // A panic under the lock leaves it whole: each change is one assignment or one call on a map.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a registrar listens.
    pub fn is_linked(&self) -> bool {
        self.lock().live.as_ref().is_some_and(|live| live.queue.is_none())
    }

    /// What the registrar last said of its keys.
    pub fn trust(&self) -> Result<TrustInfo, Error> {
        let trust = self.lock().trust.clone().ok_or(Error::Away)?;
        Ok(TrustInfo {
            now: clock::now(),
            ..trust
        })
    }

    /// Carries one call to the registrar and its reply back.
    pub async fn call(&self, sealed: Sealed) -> Result<Sealed, Error> {
        let id = Id::random().map_err(|_| Error::Internal("the system's random generator failed"))?;
        let waits = self.hand_in(id, sealed)?;
        let _leaves = Leaves { desk: self, id };
        match tokio::time::timeout(CALL_TIME, waits).await {
            Ok(Ok(replied)) => replied,
            // The session ended, or the registrar says nothing.
            Ok(Err(_)) | Err(_) => Err(Error::Away),
        }
    }

    fn hand_in(&self, id: Id, sealed: Sealed) -> Result<oneshot::Receiver<Result<Sealed, Error>>, Error> {
        let mut told = self.lock();
        let live = told.live.as_mut().filter(|live| live.queue.is_none());
        let live = live.ok_or(Error::Away)?;
        let too_many = || Error::TooMany("calls that wait for the registrar");
        if live.waiting.len() >= MAX_CALLS {
            return Err(too_many());
        }
        live.calls.try_send((id, sealed)).map_err(|_| too_many())?;
        let (reply, waits) = oneshot::channel();
        live.waiting.insert(id, reply);
        Ok(waits)
    }

    fn begin(&self) -> Result<Id, Error> {
        let session = Id::random().map_err(|_| Error::Internal("the system's random generator failed"))?;
        let (calls, queue) = mpsc::channel(MAX_CALLS);
        // The one before ends with this: whoever waits in it hears so at once.
        self.lock().live = Some(Live {
            session,
            own: None,
            calls,
            queue: Some(queue),
            waiting: HashMap::new(),
        });
        Ok(session)
    }

    fn end(&self, session: Id) {
        let mut told = self.lock();
        if told.live.as_ref().is_some_and(|live| live.session == session) {
            told.live = None;
            tracing::warn!("the link to the registrar is down: calls to it are refused until it comes back");
        }
    }

    /// Does something with the session, if it is the living one.
    fn with<T>(&self, session: Id, act: impl FnOnce(&mut Live) -> T) -> Result<T, Error> {
        let mut told = self.lock();
        let live = told.live.as_mut().filter(|live| live.session == session);
        live.map(act).ok_or(Error::Gone)
    }

    fn replied(&self, session: Id, call: Id, replied: Result<Sealed, Error>) -> Result<(), Error> {
        let waits = self.with(session, |live| live.waiting.remove(&call))?;
        if let Some(waits) = waits {
            // Whoever has given up needs none.
            let _ = waits.send(replied);
        }
        Ok(())
    }

    async fn carry_out(&self, relay: &Relay, Orders { session, orders }: Orders) -> Result<Taken, Error> {
        let _turn = self.turn.lock().await;
        let mut refused = Vec::new();
        for order in orders {
            // A batch may have waited behind another, and its session ended.
            let own = self.with(session, |live| live.own)?;
            match order {
                Order::Trust(trust) => {
                    relay.keep_trust(trust.clone()).await;
                    self.lock().trust = Some(trust);
                }
                Order::Own { host } => self.with(session, |live| live.own = Some(host))?,
                Order::Mailboxes { all } => relay.sync_mailboxes(all).await?,
                Order::Open(mailbox) => relay.add_mailbox(mailbox).await?,
                Order::Close { id } => relay.remove_mailbox(id).await?,
                Order::Generation { generation } => relay.set_generation(generation).await,
                Order::Revocations => relay.tell_all_devices(),
                Order::TellDevices { devices } => relay.tell_devices(devices),
                Order::Push(push) => {
                    let id = push.id;
                    let taken = match own {
                        Some(own) => relay.push_of(own, push).await,
                        None => Err(Error::Kind),
                    };
                    if let Err(error) = taken {
                        tracing::warn!(%error, %id, "a push of the registrar was not taken");
                        refused.push(id);
                    }
                }
                Order::Withdraw { id } => {
                    if let Some(own) = own {
                        relay.withdraw_of(own, id).await;
                    }
                }
                Order::Reply { call, sealed } => self.replied(session, call, Ok(sealed))?,
                Order::Refuse { call, malformed } => {
                    let error = match malformed {
                        Some(text) => Error::Malformed(assent_proto::text::visible(text.as_str())),
                        None => Error::Internal("the registrar failed"),
                    };
                    self.replied(session, call, Err(error))?;
                }
            }
        }
        Ok(Taken { refused })
    }
}

/// A caller that waits; dropped, it is not waited for any more.
struct Leaves<'a> {
    desk: &'a Desk,
    id: Id,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if let Some(live) = self.desk.lock().live.as_mut() {
            live.waiting.remove(&self.id);
        }
    }
}

#[derive(Clone)]
struct Linked {
    desk: Arc<Desk>,
    relay: Arc<Relay>,
}

/// The registrar, by a claim of the pinned key. Whoever else knocks is limited as any stranger.
struct FromRegistrar;

impl FromRequestParts<Linked> for FromRegistrar {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, linked: &Linked) -> Result<Self, Error> {
        match linked.admits(parts) {
            Ok(()) => Ok(Self),
            Err(error) => {
                linked.relay.limits.stranger(peer(parts)?)?;
                Err(error)
            }
        }
    }
}

impl Linked {
    fn admits(&self, parts: &Parts) -> Result<(), Error> {
        let bearer = super::auth::bearer(parts)?;
        let claim = Claim::verify(bearer, &self.desk.key, self.relay.auth.audience()).map_err(|error| {
            tracing::debug!(%error, "a claim at the link was refused");
            Error::Claim("it is not the registrar's")
        })?;
        if claim.fresh(clock::now()) {
            Ok(())
        } else {
            Err(Error::Clock)
        }
    }
}

/// The registrar's side of the relay.
pub fn router(relay: Arc<Relay>, desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/link", post(begin))
        .route("/v1/link/orders", post(orders))
        .route("/v1/link/events/{session}", get(events))
        .with_state(Linked { desk, relay })
}

async fn begin(State(linked): State<Linked>, _: FromRegistrar) -> Result<(StatusCode, Json<Session>), Error> {
    let session = linked.desk.begin()?;
    Ok((StatusCode::CREATED, Json(Session { session })))
}

async fn orders(State(linked): State<Linked>, _: FromRegistrar, body: Body) -> Result<Json<Taken>, Error> {
    let orders: Orders = body::json_within(body, MAX_ORDERS, ORDERS_TIME).await?;
    Ok(Json(linked.desk.carry_out(&linked.relay, orders).await?))
}

async fn events(
    State(Linked { desk, relay }): State<Linked>,
    _: FromRegistrar,
    Path(session): Path<String>,
) -> Result<Response, Error> {
    let session = Id::decode(&session).ok_or(Error::Gone)?;
    let own = desk.with(session, |live| live.own)?;
    let answers = match own {
        Some(own) => {
            let listener = relay.bus.listen(own).ok_or(Error::Closing)?;
            // Every answer to a living push, from the first: a restart of either side loses none.
            Some(Reader::start(relay, own, Kind::Host, listener, None).await?)
        }
        None => None,
    };
    let calls = desk.with(session, |live| live.queue.take())?.ok_or(Error::Conflict)?;
    tracing::info!("the registrar is linked");
    let every = Duration::from_secs(KEEP_ALIVE);
    let hears = Hears {
        desk,
        session,
        answers,
        calls,
        keep_alive: tokio::time::interval(every),
    };
    let events = stream::unfold(hears, |mut hears| async move {
        let text = hears.next().await?;
        Some((Ok::<Bytes, Infallible>(text), hears))
    });
    let head = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((head, Body::from_stream(events)).into_response())
}

/// What the registrar hears; dropped, the session is over.
struct Hears {
    desk: Arc<Desk>,
    session: Id,
    answers: Option<Reader>,
    calls: mpsc::Receiver<(Id, Sealed)>,
    keep_alive: tokio::time::Interval,
}

impl Hears {
    async fn next(&mut self) -> Option<Bytes> {
        let answer = async {
            match &mut self.answers {
                Some(answers) => answers.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // `None`: the relay closes, or another session has begun.
            text = answer => text,
            call = self.calls.recv() => {
                let (id, sealed) = call?;
                event::call(id, sealed).map(|event| event.text)
            }
            _ = self.keep_alive.tick() => Some(Bytes::from_static(event::KEEP_ALIVE.as_bytes())),
        }
    }
}

impl Drop for Hears {
    fn drop(&mut self) {
        self.desk.end(self.session);
    }
}
