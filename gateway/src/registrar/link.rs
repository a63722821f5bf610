//! The registrar's end of its link to a relay that runs apart ([`assent_proto::link`]): a client, which listens nowhere.
//!
//! [`Link::keep`] connects again and again: begin a session, tell the relay everything, then post orders and hear events
//! until something breaks. What the registrar commits meanwhile is queued by [`Link::order`] and never waits for the
//! relay; a queue that overflows ends the session, and the next one tells everything anew. A relay that lies here can
//! delay and drop. Calls are sealed and signed by their callers, answers are judged by the host's rules.

use super::Registrar;
use crate::error::Error;
use crate::keyfile;
use crate::relay::in_process::Delivered;
use crate::tls_client::{self, Authorities};
use crate::{clock, codes};
use anyhow::{Context as _, anyhow, bail};
use assent_proto::Id;
use assent_proto::keys::SigningKey;
use assent_proto::link::{Claim, Event, MAX_CALLS, Order, Orders, Session, Taken};
use assent_proto::registrar::Sealed;
use assent_proto::relay::{HostEvent, Problem, ProblemCode, Push};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use futures_util::StreamExt as _;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// The private link key in the registrar's state directory (PKCS#8 PEM), as `assentctl registrar link` makes it.
pub const KEY_FILE: &str = "link.key";
/// Orders that may wait for the relay.
const QUEUE: usize = 4096;
/// Most orders of one batch.
const BATCH: usize = 64;
/// Answers that may wait to be judged.
const ANSWERS: usize = 256;
/// One small call to the relay.
const CALL: Duration = Duration::from_secs(8);
/// A batch with all mailboxes in it.
const STATE: Duration = Duration::from_secs(60);
/// How long an own push may take to be taken; without, its question is over, never granted.
const PUSH: Duration = Duration::from_secs(6);
/// More than any reply of the relay here.
const MAX_REPLY: usize = 64 * 1024;
/// The longest pause between two tries to connect.
const MAX_PAUSE: Duration = Duration::from_secs(5);

struct Queued {
    order: Order,
    /// Told whether the relay took it.
    taken: Option<oneshot::Sender<bool>>,
}

/// A link to one relay.
pub struct Link {
    client: Client,
    /// Where calls go.
    base: String,
    /// The relay's public URL, to which claims are made out.
    audience: String,
    key: SigningKey,
    /// Seconds that the relay's clock is ahead of ours.
    clock_offset: AtomicI64,
    /// Into the queue of the living session.
    outbox: Mutex<Option<mpsc::Sender<Queued>>>,
    answers: (mpsc::Sender<Delivered>, Mutex<Option<mpsc::Receiver<Delivered>>>),
    calls: Arc<Semaphore>,
}

/// For whom calls come in.
#[derive(Clone)]
struct Inside {
    registrar: Arc<Registrar>,
    codes: Option<codes::desk::Desk>,
}

impl Inside {
    async fn handle(&self, sealed: Sealed) -> Result<Sealed, Error> {
        match &self.codes {
            // Sealed to none of the registrar's keys: the code service knows whether to its own.
            Some(codes) if !self.registrar.has_issuer(&sealed.issuer) => codes.call(sealed).await,
            Some(_) | None => self.registrar.handle(&sealed, clock::now()).await,
        }
    }
}

/// Where the relay is.
pub enum Way<'a> {
    /// By HTTPS.
    Https {
        /// Where it answers.
        url: &'a str,
        /// Certificate authorities beside the system's.
        ca_file: Option<&'a Path>,
    },
    /// On this machine.
    Socket(&'a Path),
}

impl Link {
    /// To the relay at `public_url`, with the link key in `state_dir`.
    pub fn new(state_dir: &Path, public_url: &str, way: &Way<'_>) -> anyhow::Result<Arc<Self>> {
        let key = read_key(state_dir)?;
        let (sender, receiver) = mpsc::channel(ANSWERS);
        Ok(Arc::new(Self {
            client: client(way)?,
            base: match way {
                Way::Https { url, .. } => (*url).to_owned(),
                Way::Socket(_) => "http://localhost".to_owned(),
            },
            audience: public_url.to_owned(),
            key,
            clock_offset: AtomicI64::new(0),
            outbox: Mutex::default(),
            answers: (sender, Mutex::new(Some(receiver))),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
        }))
    }

    fn outbox(&self) -> MutexGuard<'_, Option<mpsc::Sender<Queued>>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session lives.
    pub fn is_up(&self) -> bool {
        self.outbox().is_some()
    }

    /// Has the relay told, if a session lives; otherwise the next one begins with everything.
    pub(super) fn order(&self, order: Order) {
        self.queue(Queued { order, taken: None });
    }

    fn queue(&self, queued: Queued) -> bool {
        let mut outbox = self.outbox();
        let Some(sender) = outbox.as_ref() else { return false };
        if sender.try_send(queued).is_err() {
            tracing::warn!("the relay takes orders too slowly: it will be told everything anew");
            *outbox = None;
            return false;
        }
        true
    }

    /// Sends an own push; an error where the relay did not take it in time.
    pub(super) async fn push(&self, push: Push) -> Result<(), Error> {
        let (taken, done) = oneshot::channel();
        let queued = Queued {
            order: Order::Push(push),
            taken: Some(taken),
        };
        if !self.queue(queued) {
            return Err(Error::Internal("the link to the relay is down"));
        }
        match tokio::time::timeout(PUSH, done).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(Error::Internal("the relay took no push")),
        }
    }

    /// The answers to own pushes; the first caller has them.
    pub(super) fn answers(&self) -> mpsc::Receiver<Delivered> {
        let mut once = self.answers.1.lock().unwrap_or_else(PoisonError::into_inner);
        once.take().unwrap_or_else(|| mpsc::channel(1).1)
    }

    /// Keeps the link up, for ever.
    pub async fn keep(self: Arc<Self>, registrar: Arc<Registrar>, codes: Option<codes::desk::Desk>) {
        let inside = Inside { registrar, codes };
        let mut pause = Duration::from_millis(100);
        loop {
            let began = clock::boot_now();
            let ended = self.session(&inside).await;
            *self.outbox() = None;
            match ended {
                Ok(()) => tracing::info!("the relay ended the link; connecting again"),
                Err(error) => {
                    tracing::warn!(
                        "no link to the relay: {error:#}; trying again in {} ms",
                        pause.as_millis()
                    );
                }
            }
            if clock::boot_now() > began.plus(Duration::from_secs(10)) {
                pause = Duration::from_millis(100);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn session(self: &Arc<Self>, inside: &Inside) -> anyhow::Result<()> {
        let request = self.request(Method::POST, "/v1/link")?.timeout(CALL);
        let Session { session } = self.reply(request).await?;
        let (sender, mut queue) = mpsc::channel(QUEUE);
        // Whatever is committed from here on is queued; everything that was before, `start` tells.
        *self.outbox() = Some(sender);
        inside.registrar.start().await?;
        // Its own mailbox must be there before it listens.
        while let Ok(queued) = queue.try_recv() {
            self.post(session, vec![queued]).await?;
        }
        let path = format!("/v1/link/events/{session}");
        let response = tokio::time::timeout(CALL, self.request(Method::GET, &path)?.send()).await;
        let response = self.checked(response.context("no answer in time")??).await?;
        tracing::info!("linked to the relay at {}", self.audience);
        tokio::select! {
            ended = self.post_all(session, queue) => ended,
            ended = self.hear(response, inside) => ended,
        }
    }

    async fn post_all(&self, session: Id, mut queue: mpsc::Receiver<Queued>) -> anyhow::Result<()> {
        let mut batch = Vec::new();
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            self.post(session, std::mem::take(&mut batch)).await?;
        }
        bail!("orders overflowed")
    }

    async fn post(&self, session: Id, batch: Vec<Queued>) -> anyhow::Result<()> {
        let time = match batch.iter().any(|one| matches!(one.order, Order::Mailboxes { .. })) {
            true => STATE,
            false => CALL,
        };
        let (orders, waits): (Vec<Order>, Vec<_>) = batch
            .into_iter()
            .map(|Queued { order, taken }| {
                let waits = match &order {
                    Order::Push(push) => taken.map(|taken| (push.id, taken)),
                    _ => None,
                };
                (order, waits)
            })
            .unzip();
        let request = self.request(Method::POST, "/v1/link/orders")?.timeout(time);
        let taken: Taken = self.reply(request.json(&Orders { session, orders })).await?;
        for (id, waits) in waits.into_iter().flatten() {
            // Whoever has given up needs none.
            let _ = waits.send(!taken.refused.contains(&id));
        }
        Ok(())
    }

    async fn hear(self: &Arc<Self>, response: Response, inside: &Inside) -> anyhow::Result<()> {
        let mut events = std::pin::pin!(assent_events::of(response.bytes_stream()));
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| anyhow!("the event stream broke: {error}"))?;
            match serde_json::from_str(&event.data) {
                Ok(Event::Call { id, sealed }) => self.called(id, sealed, inside),
                Ok(Event::Host(HostEvent::Answer { id, device, blob })) => {
                    if self.answers.0.try_send(Delivered { id, device, blob }).is_err() {
                        tracing::warn!("an answer to the registrar was dropped: too many wait");
                    }
                }
                Ok(Event::Host(HostEvent::Roster { .. })) => {}
                // A newer relay may have events that this registrar does not know.
                Err(error) => tracing::debug!(%error, "an event of the relay was not understood"),
            }
        }
        Ok(())
    }

    /// One call of somebody, decided beside the others.
    fn called(self: &Arc<Self>, call: Id, sealed: Sealed, inside: &Inside) {
        let Ok(place) = Arc::clone(&self.calls).try_acquire_owned() else {
            // No relay that keeps the protocol sends so many.
            tracing::warn!("a call was dropped: too many wait");
            return;
        };
        let (link, inside) = (Arc::clone(self), inside.clone());
        tokio::spawn(async move {
            let order = match inside.handle(sealed).await {
                Ok(sealed) => Order::Reply { call, sealed },
                Err(Error::Malformed(text)) => Order::Refuse {
                    call,
                    malformed: Some(assent_proto::ShortText::cut(text)),
                },
                Err(error) => {
                    tracing::error!(%error, "a call could not be answered");
                    Order::Refuse { call, malformed: None }
                }
            };
            link.order(order);
            drop(place);
        });
    }

    fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let offset = self.clock_offset.load(Ordering::Relaxed);
        let now = UnixTime(clock::now().0.saturating_add_signed(offset));
        let bearer = Claim::sign(&self.key, &self.audience, now).context("the claim could not be signed")?;
        let request = self.client.request(method, format!("{}{path}", self.base));
        Ok(request.bearer_auth(bearer))
    }

    async fn reply<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = request.send().await.map_err(unreachable)?;
        let bytes = read(self.checked(response).await?).await?;
        serde_json::from_slice(&bytes).context("the relay replied something else")
    }

    /// Learns the relay's clock where ours is off, so that the next try passes.
    async fn checked(&self, response: Response) -> anyhow::Result<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: Option<Problem> = match tokio::time::timeout(CALL, read(response)).await {
            Ok(Ok(bytes)) => serde_json::from_slice(&bytes).ok(),
            _ => None,
        };
        match problem {
            Some(problem) if problem.code == ProblemCode::Clock => {
                let offset = problem.now.0.cast_signed().saturating_sub(clock::now().0.cast_signed());
                self.clock_offset.store(offset, Ordering::Relaxed);
                bail!("this machine's clock differs from the relay's by {offset} s")
            }
            Some(_) if status == StatusCode::UNAUTHORIZED => bail!(
                "the relay does not know this registrar's link key; give it the public key that `assentctl registrar link` prints ([link] registrar_key)"
            ),
            Some(problem) => bail!("the relay refuses ({status}): {}", visible(&problem.text)),
            None => bail!("the relay refuses: {status}"),
        }
    }
}

/// Reads the link key.
pub fn read_key(state_dir: &Path) -> anyhow::Result<SigningKey> {
    let file = state_dir.join(KEY_FILE);
    if !file.try_exists().unwrap_or(true) {
        bail!(
            "{0} is missing: a registrar apart from its relay needs a link key; `assentctl registrar link --state-dir {1}` makes it",
            file.display(),
            state_dir.display()
        );
    }
    SigningKey::from_pem(&keyfile::read_secret(&file)?).with_context(|| file.display().to_string())
}

/// A body within its bound.
async fn read(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > MAX_REPLY {
            bail!("the relay's reply is too long");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// One warm HTTP/2 connection; no proxy, no redirect, nothing from the environment.
fn client(way: &Way<'_>) -> anyhow::Result<Client> {
    let authorities = match way {
        Way::Https { ca_file, .. } => Authorities::System(*ca_file),
        Way::Socket(_) => Authorities::Nobody,
    };
    let tls = tls_client::config(&authorities, &["h2"])?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .http2_keep_alive_while_idle(true)
        .http2_prior_knowledge();
    if let Way::Socket(path) = way {
        builder = builder.unix_socket(path.to_path_buf());
    }
    builder.build().context("the HTTP client could not be built")
}

/// An HTTP error with its causes, without the URL.
fn unreachable(error: reqwest::Error) -> anyhow::Error {
    anyhow::Error::new(error.without_url())
}
