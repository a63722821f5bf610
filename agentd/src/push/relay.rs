//! Our own relay as a push service (`proto::relay`): pushes posted and answers heard on one warm connection.

use super::code_way::Way;
use super::outage::Outage;
use super::silence::{Probe, Silence};
use super::{Pending, PushError, PushService, Waiting, bounds};
use crate::clock::boot_now;
use crate::standing::Standing;
use assent_engine::config::Gateway;
use assent_proto::Id;
use assent_proto::cert::Issuer;
use assent_proto::registrar::{Ask, Reply, Sealed};
use assent_proto::relay::{CLAIM_TTL, Claim, HostEvent, Problem, ProblemCode, Push, PushTaken, TrustInfo};
use assent_proto::time::{BootTime, UnixTime};
use futures_util::StreamExt;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// One call to the relay.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(4);
/// A push is tried again until this much time has passed, so that a restart of the relay costs no login.
const SEND_DEADLINE: Duration = Duration::from_secs(8);

/// The relay of one gateway, for one host.
pub struct Relay {
    pub(super) client: Client,
    pub(super) url: String,
    /// Where else the code service is to be had.
    pub(super) codes_url: Option<String>,
    host: Arc<Standing>,
    waiting: Arc<Waiting>,
    listening: AtomicBool,
    /// Grows whenever devices may have changed, as far as this host has heard. Counted here: a relay that went back to an
    /// older generation (its data base was restored) must not bring back what was remembered under that.
    generation: AtomicU64,
    /// What the relay told last.
    told: Mutex<Option<u64>>,
    /// Seconds that the relay's clock is ahead of ours.
    clock_offset: AtomicI64,
    claim: Mutex<Option<(String, BootTime)>>,
    /// Told with each generation that is heard.
    heard: Notify,
    outage: Outage,
    silence: Arc<Silence>,
    /// What takes pushes there, by itself.
    posts: Arc<Silence>,
}

impl Relay {
    /// The relay of `gateway` for an enrolled host. [`Relay::listen`] must run beside it.
    pub fn new(client: Client, gateway: &Gateway, host: Arc<Standing>, waiting: Arc<Waiting>) -> Self {
        Self {
            client,
            url: gateway.url.clone(),
            codes_url: gateway.codes_url.clone(),
            host,
            waiting,
            listening: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            told: Mutex::default(),
            clock_offset: AtomicI64::new(0),
            claim: Mutex::new(None),
            heard: Notify::new(),
            outage: Outage::since(boot_now()),
            silence: Silence::of("the relay"),
            posts: Silence::of("the relay's table of pushes"),
        }
    }

    /// Changes whenever what was remembered of devices must be forgotten; `None` while nothing can be heard of changes.
    pub fn generation(&self) -> Option<u64> {
        self.listening
            .load(Ordering::Acquire)
            .then(|| self.generation.load(Ordering::Acquire))
    }

    /// Waits for the next generation that is heard, or one that was heard since the last wait. For one waiter.
    pub async fn next_generation(&self) {
        self.heard.notified().await;
    }

    /// Asks the registrar through the relay, which reads nothing of it. A call that came back because the registrar has
    /// changed its issuing key is made once more, sealed to the new one.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, PushError> {
        let first = self.newest_issuer().await?;
        if let Some(reply) = self.ask_sealed(&first, ask.clone()).await? {
            return Ok(reply);
        }
        self.learn_trust(Way::Relay).await?;
        let reply = self.ask_sealed(&self.newest_issuer().await?, ask).await?;
        reply.ok_or_else(|| {
            PushError::Refused("the registrar cannot open what is sealed to its newest issuing key".into())
        })
    }

    /// The newest issuing key that lives; if all that are known here have ended, asked for first.
    async fn newest_issuer(&self) -> Result<Issuer, PushError> {
        let newest = || self.host.now().issuers.newest(UnixTime::now()).cloned();
        if let Some(issuer) = newest() {
            return Ok(issuer);
        }
        self.learn_trust(Way::Relay).await?;
        newest().ok_or_else(|| {
            PushError::Refused("no issuing key of the registrar lives; its log says how to make the next one".into())
        })
    }

    /// `None`: the relay does not take the call as it is; most likely the issuing key is not in use any more.
    async fn ask_sealed(&self, issuer: &Issuer, ask: Ask) -> Result<Option<Reply>, PushError> {
        let keys = Arc::clone(&self.host.now().keys);
        let (sealed, open) = assent_proto::registrar::call(issuer, &keys.kem.public(), ask).map_err(refused)?;
        let response = self
            .client
            .post(format!("{}/v1/registrar", self.url))
            .timeout(CALL_DEADLINE)
            .json(&sealed)
            .send()
            .await
            .map_err(unreachable)?;
        if response.status() == StatusCode::BAD_REQUEST {
            return Ok(None);
        }
        let sealed: Sealed = bounds::json(ok(response).await?).await?;
        open.reply(&keys.kem, &sealed).map(Some).map_err(refused)
    }

    /// Takes of what was told of keys what verifies under the pinned ones; what is left is offered as code services.
    pub(super) async fn take_trust(&self, mut info: TrustInfo) -> Result<Vec<String>, PushError> {
        let code_services = std::mem::take(&mut info.code_services);
        let host = Arc::clone(&self.host);
        let learned = tokio::task::spawn_blocking(move || host.learn(&info, UnixTime::now()));
        learned.await.map_err(refused)?.map_err(refused)?;
        Ok(code_services)
    }

    /// Does `work` with a party that this relay leads to, for a login that has another way to go: not at all while the
    /// event stream is lost or the relay silent, otherwise as [`Silence::hurried`].
    pub async fn hurried<T>(
        self: &Arc<Self>,
        party: &Arc<Silence>,
        work: impl Future<Output = T>,
        probe: Probe,
    ) -> Result<T, PushError> {
        self.connected()?;
        self.speaks()?;
        party.speaks()?;
        // Where the relay hangs, every party behind it does, and one wait is enough.
        let (silence, relay) = (Arc::clone(&self.silence), self.probe());
        let looking = tokio::spawn(async move { silence.look_into(relay).await });
        let done = party.hurried(work, probe).await;
        if done.is_ok() {
            looking.abort();
        }
        done
    }

    /// Somebody had no answer and went another way: whether the relay is silent is found out beside them.
    pub fn doubt(self: &Arc<Self>) {
        let (silence, probe) = (Arc::clone(&self.silence), self.probe());
        tokio::spawn(async move { silence.look_into(probe).await });
    }

    /// An error while the relay is known to be silent.
    pub fn speaks(&self) -> Result<(), PushError> {
        self.silence.speaks()
    }

    /// Hands a push over for a login that has another way to go.
    pub async fn send_hurried(self: &Arc<Self>, push: &Push) -> Result<PushTaken, PushError> {
        // Known beforehand, nothing leaves, and nothing is charged (R7).
        let known = self.connected().and_then(|()| self.speaks());
        if let Err(known) = known.and_then(|()| self.posts.speaks()) {
            return Err(PushError::NotSent(known.to_string()));
        }
        let relay = Arc::downgrade(self);
        // What is posted goes through the relay's tables, which can hang while it still says what it has in memory.
        let probe: Probe = Box::new(move || {
            let relay = relay.upgrade();
            Box::pin(async move {
                if let (Some(relay), Ok(id)) = (relay, Id::random()) {
                    relay.withdraw(id).await;
                }
            })
        });
        self.hurried(&self.posts, self.send(push), probe)
            .await
            .and_then(|sent| sent)
    }

    /// An error while the event stream has been lost for longer than a restart takes.
    pub(super) fn connected(&self) -> Result<(), PushError> {
        self.outage.known(boot_now()).map_or(Ok(()), |away| {
            let seconds = away.as_secs();
            Err(PushError::Unreachable(format!("it has been away for {seconds} s")))
        })
    }

    /// Asks the relay what it can say by itself.
    fn probe(self: &Arc<Self>) -> Probe {
        let relay = Arc::downgrade(self);
        Box::new(move || {
            let relay = relay.upgrade();
            Box::pin(async move {
                if let Some(relay) = relay {
                    drop(relay.learn_trust(Way::Relay).await);
                }
            })
        })
    }

    /// The registrar's clock, as far as it is known: calls to it carry its time.
    pub fn relay_now(&self) -> UnixTime {
        let offset = self.clock_offset.load(Ordering::Relaxed);
        UnixTime(UnixTime::now().0.saturating_add_signed(offset))
    }

    /// Hears events until the task is aborted. Never gives up: back online needs no restart.
    pub async fn listen(self: Arc<Self>) {
        let mut last_id: Option<String> = None;
        let mut pause = Duration::from_millis(100);
        loop {
            let began = boot_now();
            match self.hear(&mut last_id).await {
                Ok(()) => tracing::info!("the relay closed the event stream; connecting again"),
                Err(e) => tracing::warn!("no event stream: {e}; trying again in {} ms", pause.as_millis()),
            }
            self.listening.store(false, Ordering::Release);
            self.outage.begins(boot_now());
            if boot_now() > began.plus(Duration::from_secs(10)) {
                pause = Duration::from_millis(100);
            }
            // Half of it by chance, so that a thousand hosts do not come back in one moment.
            let jitter =
                Id::random().map_or(0, |id| u64::from(id.0[0])) * u64::try_from(pause.as_millis()).unwrap_or(0) / 512;
            tokio::time::sleep(pause / 2 + Duration::from_millis(jitter)).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn hear(&self, last_id: &mut Option<String>) -> Result<(), PushError> {
        let mut request = self.request(Method::GET, "/v1/events")?;
        if let Some(id) = last_id {
            request = request.header("last-event-id", id.as_str());
        }
        // Whole, with what a refusal says: somebody between may begin an answer and never end it.
        let opened = async { self.checked(request.send().await.map_err(unreachable)?).await };
        let response = tokio::time::timeout(CALL_DEADLINE, opened)
            .await
            .map_err(|_| PushError::Unreachable("no answer in time".into()))??;
        let mut events = std::pin::pin!(assent_events::of(response.bytes_stream()));
        loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(e)) => return Err(PushError::Unreachable(e.to_string())),
                None => return Ok(()),
            };
            // It goes back as a header, so it must be able to.
            if (1..=256).contains(&event.id.len()) && event.id.bytes().all(|b| b.is_ascii_graphic()) {
                *last_id = Some(event.id.clone());
            }
            match serde_json::from_str(&event.data) {
                Ok(HostEvent::Answer { id, device, blob }) => self.waiting.deliver(id, (device, blob)),
                Ok(HostEvent::Roster { generation }) => {
                    let before = self.told.lock().ok().and_then(|mut told| told.replace(generation));
                    if before != Some(generation) {
                        self.generation.fetch_add(1, Ordering::AcqRel);
                    }
                    self.heard.notify_one();
                    self.outage.ends();
                    if !self.listening.swap(true, Ordering::AcqRel) {
                        tracing::info!("connected to the relay at {}", self.url);
                    }
                }
                // A newer relay may have events that this agent does not know.
                Err(e) => tracing::debug!("an event was not understood: {e}"),
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, PushError> {
        let bearer = self.bearer()?;
        Ok(self
            .client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(bearer))
    }

    fn bearer(&self) -> Result<String, PushError> {
        let now = boot_now();
        let mut claim = self
            .claim
            .lock()
            .map_err(|_| PushError::Refused("a lock is broken".into()))?;
        if let Some((bearer, until)) = claim.as_ref()
            && now < *until
        {
            return Ok(bearer.clone());
        }
        let host = self.host.now();
        let sub = host.host.claims().host_id;
        let bearer = Claim::sign(&host.keys.sign, &self.url, sub, self.relay_now()).map_err(refused)?;
        *claim = Some((bearer.clone(), now.plus(Duration::from_secs(CLAIM_TTL / 2))));
        Ok(bearer)
    }

    /// Learns the relay's clock where ours is off, so that the next try passes.
    async fn checked(&self, response: Response) -> Result<Response, PushError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Option<Problem> = bounds::json(response).await.ok();
        if let Some(problem) = &problem
            && problem.code == ProblemCode::Clock
        {
            let offset = i64::try_from(problem.now.0).unwrap_or(0) - i64::try_from(UnixTime::now().0).unwrap_or(0);
            tracing::warn!(
                "this machine's clock differs from the relay's by {offset} s; certificates will fail to verify if it is ours that is wrong"
            );
            self.clock_offset.store(offset, Ordering::Relaxed);
            if let Ok(mut claim) = self.claim.lock() {
                *claim = None;
            }
            return Err(PushError::Unreachable("the clocks differ".into()));
        }
        let text = problem.map_or_else(|| status.to_string(), |p| format!("{status}: {}", p.text));
        Err(match status {
            StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => PushError::Unreachable(text),
            _ => PushError::Refused(text),
        })
    }

    async fn send_once(&self, push: &Push) -> Result<PushTaken, PushError> {
        let request = self
            .request(Method::POST, "/v1/push")?
            .timeout(CALL_DEADLINE)
            .json(push);
        let response = request.send().await.map_err(unreachable)?;
        bounds::json(self.checked(response).await?).await
    }
}

impl PushService for Relay {
    fn send<'a>(&'a self, push: &'a Push) -> Pending<'a, Result<PushTaken, PushError>> {
        Box::pin(async move {
            let give_up = boot_now().plus(SEND_DEADLINE);
            let mut pause = Duration::from_millis(50);
            let mut may_have_left = false;
            loop {
                let why = match self.send_once(push).await {
                    Err(PushError::Unreachable(why)) => {
                        may_have_left = true;
                        why
                    }
                    Err(PushError::NotSent(why)) => why,
                    other => return other,
                };
                if boot_now().plus(pause) >= give_up {
                    return Err(match may_have_left {
                        true => PushError::Unreachable(why),
                        false => PushError::NotSent(why),
                    });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        })
    }

    fn withdraw(&self, id: Id) -> Pending<'_, ()> {
        Box::pin(async move {
            let Ok(request) = self.request(Method::DELETE, &format!("/v1/push/{id}")) else {
                return;
            };
            if let Err(e) = request.timeout(CALL_DEADLINE).send().await {
                tracing::info!(
                    "push {id} could not be withdrawn and ends by itself: {}",
                    unreachable(e)
                );
            }
        })
    }

    fn listening(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }
}

pub(super) async fn ok(response: Response) -> Result<Response, PushError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let problem: Option<Problem> = bounds::json(response).await.ok();
    Err(PushError::Unreachable(problem.map_or_else(
        || status.to_string(),
        |p| format!("{status}: {}", p.text),
    )))
}

/// An HTTP error with its causes, without the URL (which ids are part of).
#[allow(clippy::needless_pass_by_value)] // what map_err wants
pub(super) fn unreachable(error: reqwest::Error) -> PushError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if error.is_connect() {
        return PushError::NotSent(text);
    }
    PushError::Unreachable(text)
}

#[allow(clippy::needless_pass_by_value)] // what map_err wants
fn refused(error: impl std::fmt::Display) -> PushError {
    PushError::Refused(error.to_string())
}
