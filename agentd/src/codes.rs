//! The code service, as this host asks it: found and verified under the pinned roots, called through the relay or at the panel's
//! address, which read nothing and can forge nothing.

use crate::clock::boot_now;
use crate::push::{Probe, PushError, Relay, Silence, Way};
use crate::revocations::{Clearance, Revocations};
use crate::standing::Standing;
use assent_engine::login::{CodeCheck, CodeOrder, CodeTrouble};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::code::{
    self, CodeAsk, CodeMethod, CodeRefused, CodeReply, CodeStart, CodeWant, Judged, Offer, PendingCode, TypedCode,
    TypedSecret,
};
use assent_proto::code_service::CodeService;
use assent_proto::revocation::Origin;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Digest, Id, Nonce, ShortText};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long a login's first call may take through the relay, if there is another way.
const BY_RELAY: Duration = Duration::from_secs(1);
/// The same at the panel's address, which may be slow for a better reason: the registrar is away as well.
const BY_PANEL: Duration = Duration::from_secs(2);
/// How long an admin who asks for the status waits for the other way.
const TRIAL: Duration = Duration::from_secs(3);
/// How often it is asked who the code service is, until somebody says.
const LEARNS: Duration = Duration::from_secs(30);
/// How long a way that served where the other did not is tried first.
const KEEPS: Duration = Duration::from_secs(30);

/// What a login says of itself beside the order.
pub struct Context {
    /// Its short id.
    pub login: ShortText,
    /// The PAM service.
    pub svc: ShortText,
    /// The client's address.
    pub src: Option<IpAddr>,
    /// Where it comes from, for freezes.
    pub origin: Origin,
    /// SHA-256 of the PAM transaction.
    pub ctx: Digest,
}

/// A login that the code service knows. Whatever follows goes the way by which it was begun.
pub struct Begun {
    pending: PendingCode,
    way: Way,
}

impl Begun {
    /// What it is known by.
    fn named(&self) -> (Way, Id) {
        (self.way, self.pending.id())
    }
}

/// The code service of one gateway.
pub struct Codes {
    relay: Arc<Relay>,
    host: Arc<Standing>,
    revocations: Arc<Revocations>,
    known: Mutex<Option<CodeService>>,
    silence: Arc<Silence>,
    /// Until when the panel's way is tried first.
    panel_first: Mutex<Option<BootTime>>,
}

impl Codes {
    /// Asks through `relay`.
    pub fn new(relay: Arc<Relay>, host: Arc<Standing>, revocations: Arc<Revocations>) -> Self {
        Self {
            relay,
            host,
            revocations,
            known: Mutex::default(),
            silence: Silence::of("the code service"),
            panel_first: Mutex::default(),
        }
    }

    /// Begins a login. Nothing is sent to anybody yet.
    pub async fn start(&self, order: &CodeOrder, context: &Context) -> Result<(Begun, Vec<Offer>), CodeTrouble> {
        // It may be where another failure led: nobody waits for it a second time.
        if self.relay.codes_url().is_none() {
            self.relay.speaks().map_err(away)?;
        }
        self.silence.speaks().map_err(away)?;
        match self.revocations.clearance(&order.identity, context.origin).await {
            Clearance::Clear(_) => {}
            Clearance::Frozen => return Err(CodeTrouble::Frozen),
            Clearance::Unknown(why) => return Err(CodeTrouble::Unreachable(why)),
        }
        let (way, next) = self.ways();
        let Some(next) = next else {
            return self.start_by(way, order, context).await;
        };
        let time = match way {
            Way::Relay => BY_RELAY,
            Way::Panel => BY_PANEL,
        };
        let why = match tokio::time::timeout(time, self.start_by(way, order, context)).await {
            Ok(Err(CodeTrouble::Unreachable(why))) => why,
            Ok(done) => return done,
            Err(_) => {
                if way == Way::Relay {
                    self.relay.doubt();
                }
                format!("no answer within {} s", time.as_secs())
            }
        };
        tracing::info!("no way to the code service {way}: {why}; trying it {next}");
        let begun = self.start_by(next, order, context).await;
        if begun.is_ok() {
            let until = (next == Way::Panel).then(|| boot_now().plus(KEEPS));
            *lock(&self.panel_first) = until;
        }
        begun
    }

    /// The way to try, and the next one.
    fn ways(&self) -> (Way, Option<Way>) {
        let panel_first = lock(&self.panel_first).is_some_and(|until| boot_now() < until);
        match self.relay.code_ways() {
            (Way::Relay, Some(Way::Panel)) if panel_first => (Way::Panel, Some(Way::Relay)),
            ways => ways,
        }
    }

    /// One try. Each has an id of its own: one that had no answer may have arrived all the same.
    async fn start_by(
        &self,
        way: Way,
        order: &CodeOrder,
        context: &Context,
    ) -> Result<(Begun, Vec<Offer>), CodeTrouble> {
        let random = |_| CodeTrouble::Unreachable("the system's random generator failed".into());
        let start = CodeStart {
            id: Id::random().map_err(random)?,
            n: Nonce::random().map_err(random)?,
            login: context.login.clone(),
            identity: order.identity.clone(),
            user: order.user.clone(),
            svc: context.svc.clone(),
            app: order.app.clone(),
            src: context.src,
            methods: order.methods.clone(),
            mobile: order.mobile.clone(),
            mail: order.mail.clone(),
            ttl: order.ttl,
            ctx: context.ctx,
            lang: order.lang.clone(),
        };
        let began = boot_now();
        let (ask, service, reply) = self.ask(way, CodeWant::Start(Box::new(start.clone()))).await?;
        match reply {
            CodeReply::Started { methods } => {
                let pending = PendingCode::new(&start, &ask, &self.host.now().host, service, began);
                Ok((Begun { pending, way }, methods))
            }
            other => Err(unexpected(other)),
        }
    }

    /// The same for a login that has another way to go.
    pub async fn start_hurried(
        self: &Arc<Self>,
        order: &CodeOrder,
        context: &Context,
    ) -> Result<(Begun, Vec<Offer>), CodeTrouble> {
        let probe = self.probe();
        let start = self.start(order, context);
        let started = match self.relay.codes_url().is_some() {
            true => self.silence.hurried(start, probe).await,
            false => self.relay.hurried(&self.silence, start, probe).await,
        };
        started.map_err(away).and_then(|started| started)
    }

    /// Learns who the code service is before it is needed: when relay and registrar are away, nobody tells.
    pub async fn learn(codes: Weak<Self>) {
        loop {
            {
                let Some(codes) = codes.upgrade() else { return };
                if codes.service(codes.ways().0).await.is_ok() {
                    return tracing::info!("the code service is known");
                }
            }
            tokio::time::sleep(LEARNS).await;
        }
    }

    /// Where the code service is to be had beside the relay's way, and whether it answers there now; for `assentctl status`.
    pub async fn try_url(&self) -> Option<(&str, Result<(), String>)> {
        let url = self.relay.codes_url()?;
        let asked = async {
            let id = Id::random().map_err(|e| unreachable(&e))?;
            self.ask(Way::Panel, CodeWant::End { id }).await
        };
        let tried = match tokio::time::timeout(TRIAL, asked).await {
            Ok(Ok((_, _, CodeReply::Refused { code, .. }))) => Err(code.words().to_owned()),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(trouble)) => Err(words(&trouble)),
            Err(_) => Err(format!("no answer within {} s", TRIAL.as_secs())),
        };
        Some((url, tried))
    }

    /// Asks the code service anything, by every way that may lead to it.
    fn probe(self: &Arc<Self>) -> Probe {
        let codes = Arc::downgrade(self);
        Box::new(move || {
            let codes = codes.upgrade();
            Box::pin(async move {
                if let (Some(codes), Ok(id)) = (codes, Id::random()) {
                    // A login that nobody has begun: any answer will do.
                    let (way, next) = codes.ways();
                    let by_next = async {
                        match next {
                            Some(next) => codes.ask(next, CodeWant::End { id }).await.is_ok(),
                            None => false,
                        }
                    };
                    tokio::select! {
                        Ok(_) = codes.ask(way, CodeWant::End { id }) => {}
                        true = by_next => {}
                        else => {}
                    }
                }
            })
        })
    }

    /// Has a code sent.
    pub async fn send(&self, begun: &Mutex<Option<Begun>>, method: CodeMethod) -> Result<(), CodeTrouble> {
        let (way, id) = named(begun)?;
        match self.ask(way, CodeWant::Send { id, method }).await?.2 {
            CodeReply::Sent {} => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Has a typed code judged. The word counts for `begun` alone. A login with another way to go is `hurried`.
    pub async fn check(self: &Arc<Self>, begun: &Mutex<Option<Begun>>, code: TypedCode, hurried: bool) -> CodeCheck {
        let asked = async {
            let (way, id) = named(begun)?;
            self.ask(way, CodeWant::Check { id, code }).await
        };
        let asked = match hurried {
            true => self.silence.hurried(asked, self.probe()).await.map_err(away),
            false => Ok(asked.await),
        };
        let reply = match asked.and_then(|asked| asked) {
            Ok((_, _, reply)) => reply,
            Err(trouble) => return CodeCheck::Trouble(trouble),
        };
        let CodeReply::Checked { word, left } = reply else {
            return CodeCheck::Trouble(unexpected(reply));
        };
        let mut begun = lock(begun);
        let Some(begun) = begun.as_mut() else {
            return CodeCheck::Trouble(nothing_begun());
        };
        match begun.pending.judge(&word, boot_now(), UnixTime::now()) {
            Judged::Passed(passed) => CodeCheck::Passed(passed),
            Judged::Wrong => CodeCheck::Wrong { left },
            Judged::Unbelieved(why) => {
                tracing::warn!("the code service's word is refused: {why}");
                CodeCheck::Trouble(CodeTrouble::Unbelieved(why))
            }
        }
    }

    /// The login is over. Best effort: it also ends by itself.
    pub async fn end(&self, begun: Begun) {
        let (way, id) = begun.named();
        if let Err(trouble) = self.ask(way, CodeWant::End { id }).await {
            tracing::debug!("the code service does not know that a login is over: {trouble:?}");
        }
    }

    /// Root vouches for somebody who sets up an authenticator app; `asked`: the approval that was waited for.
    pub async fn open_totp(
        &self,
        owner: DeviceOwner,
        secret: Option<TypedSecret>,
        asked: Option<Id>,
    ) -> Result<CodeReply, String> {
        let want = CodeWant::OpenTotp {
            identities: owner.identities,
            user: owner.name,
            secret,
            asked,
        };
        match self.ask(self.ways().0, want).await.map_err(|e| words(&e))?.2 {
            reply @ (CodeReply::TotpAsked { .. } | CodeReply::TotpOpen { .. }) => Ok(reply),
            other => Err(told(&other)),
        }
    }

    /// The app's first code: `false`, and why, where another may be typed.
    pub async fn confirm_totp(&self, id: Id, code: TypedCode) -> Result<Result<(), String>, String> {
        match self
            .ask(self.ways().0, CodeWant::ConfirmTotp { id, code })
            .await
            .map_err(|e| words(&e))?
            .2
        {
            CodeReply::TotpReady {} => Ok(Ok(())),
            other @ CodeReply::Refused {
                code: CodeRefused::Malformed,
                ..
            } => Ok(Err(told(&other))),
            other => Err(told(&other)),
        }
    }

    /// Whether a code that passed counts now.
    pub async fn admits(&self, identity: &Identity, origin: Origin) -> bool {
        let known = self.revocations.usable().await;
        self.revocations.admits(&known, identity, origin)
    }

    /// One signed call, and who replied. A call that came back because the code service has another key now is made once
    /// more.
    async fn ask(&self, way: Way, want: CodeWant) -> Result<(String, CodeService, CodeReply), CodeTrouble> {
        let host = self.host.now();
        host.alive(UnixTime::now()).map_err(CodeTrouble::Unreachable)?;
        let service = self.service(way).await?;
        let sign = || {
            let n = Id::random().map_err(|e| unreachable(&e))?;
            CodeAsk::sign(&host.keys.sign, &host.host, n, self.relay.relay_now(), want.clone())
                .map_err(|e| unreachable(&e))
        };
        let ask = sign()?;
        if let Some(reply) = self.call(way, &service, ask.clone()).await? {
            return Ok((ask, service, reply));
        }
        *lock(&self.known) = None;
        let (service, ask) = (self.service(way).await?, sign()?);
        match self.call(way, &service, ask.clone()).await? {
            Some(reply) => Ok((ask, service, reply)),
            None => Err(unreachable(&"it cannot open what is sealed to its newest key")),
        }
    }

    /// `None`: the relay does not take the call as it is; most likely the key is not in use any more.
    async fn call(&self, way: Way, service: &CodeService, ask: String) -> Result<Option<CodeReply>, CodeTrouble> {
        let host = self.host.now();
        let (sealed, open) = code::call(service, &host.host, ask).map_err(|e| unreachable(&e))?;
        let Some(sealed) = self.relay.code_call(way, &sealed).await.map_err(away)? else {
            return Ok(None);
        };
        let reply = open.reply(&host.keys.kem, &sealed).map_err(|e| unreachable(&e))?;
        if let CodeReply::Refused { code, text } = &reply {
            let text = assent_proto::text::visible(text.as_str());
            tracing::info!("the code service refuses: {}: {text}", code.words());
        }
        Ok(Some(reply))
    }

    /// The code service: the newest that an issuer which is believed here has certified.
    async fn service(&self, way: Way) -> Result<CodeService, CodeTrouble> {
        let now = UnixTime::now();
        let known = lock(&self.known).clone();
        if let Some(known) = known
            && self.counts(&known, now).await
        {
            return Ok(known);
        }
        let offered = self.relay.learn_trust(way).await.map_err(away)?;
        let host = self.host.now();
        let mut newest: Option<CodeService> = None;
        for document in &offered {
            match host.issuers.verify_code_service(document, now) {
                Ok(service) => {
                    let newer = newest.as_ref().is_none_or(|n| n.claims().nbf < service.claims().nbf);
                    if newer && self.counts(&service, now).await {
                        newest = Some(service);
                    }
                }
                Err(e) => tracing::warn!("a code service's certificate is refused: {e}"),
            }
        }
        let newest = newest.ok_or_else(|| unreachable(&"the gateway has no code service that is certified"))?;
        *lock(&self.known) = Some(newest.clone());
        Ok(newest)
    }

    async fn counts(&self, service: &CodeService, now: UnixTime) -> bool {
        let claims = service.claims();
        now.within(claims.nbf, claims.exp) && !self.revocations.revoked_serial(claims.serial).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn named(begun: &Mutex<Option<Begun>>) -> Result<(Way, Id), CodeTrouble> {
    lock(begun).as_ref().map(Begun::named).ok_or_else(nothing_begun)
}

fn nothing_begun() -> CodeTrouble {
    CodeTrouble::Unreachable("no code is waited for".into())
}

fn unreachable(why: &dyn std::fmt::Display) -> CodeTrouble {
    CodeTrouble::Unreachable(why.to_string())
}

#[allow(clippy::needless_pass_by_value)] // what map_err wants
fn away(why: PushError) -> CodeTrouble {
    CodeTrouble::Unreachable(why.to_string())
}

/// What went wrong, for an admin.
fn words(trouble: &CodeTrouble) -> String {
    match trouble {
        CodeTrouble::Refused(code) => code.words().to_owned(),
        CodeTrouble::Frozen => "the user's logins are frozen".to_owned(),
        CodeTrouble::Unreachable(why) => why.clone(),
        CodeTrouble::Unbelieved(why) => why.to_string(),
    }
}

/// A refusal in the code service's own words, for an admin.
fn told(reply: &CodeReply) -> String {
    match reply {
        CodeReply::Refused { text, .. } => assent_proto::text::visible(text.as_str()),
        _ => "the code service answered something else".to_owned(),
    }
}

fn unexpected(reply: CodeReply) -> CodeTrouble {
    match reply {
        CodeReply::Refused { code, .. } => CodeTrouble::Refused(code),
        _ => CodeTrouble::Unreachable("the code service answered something else".into()),
    }
}
