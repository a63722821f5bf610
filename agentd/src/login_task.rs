//! One login at the edge: carries out what the machine wants and tells it what happened. Holds the only secrets of a
//! login: the typed password, and the push in flight.

use crate::agent::{Agent, Notice, Report, Running, Setup};
use crate::alerts;
use crate::audit::Record;
use crate::begin;
use crate::client_watch;
use crate::clock::{boot_now, sleep_until};
use crate::codes;
use crate::disk::Written;
use crate::frames::{self, FrameError};
use crate::freezes::{Local, Proof, Tries};
use crate::memory::{Leaving, Reserved};
use crate::push::{Delivery, PushError, PushService};
use crate::revocations::Sieve;
use crate::sessions::Connection;
use crate::tickets::Bound;
use assent_engine::config::Failure;
use assent_engine::directory::Password;
use assent_engine::directory::nss::NssUser;
use assent_engine::ledger::{Entry, SourceKey, What};
use assent_engine::login::facts::{Phase, SshConnection};
use assent_engine::login::{
    Admission, Cause, CodeCheck, CodeEvent, CodeOrder, CodeTrouble, CodeTyped, DeviceSearch, Effect, Event, Gone,
    LOGIN_DEADLINE, Login, NameSearch, Outcome, PasswordReply, Purpose, PushOrder, Show, Standing, Tone,
};
use assent_engine::names::UserName;
use assent_engine::places::Place;
use assent_proto::cert::{Identity, claimed_issuer};
use assent_proto::code::{CodeMethod, PendingCode, TypedCode};
use assent_proto::evidence::{Answered, Evidence};
use assent_proto::relay::{Push, PushItem};
use assent_proto::request::Statement;
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::verdict::{PendingPush, Received, Refusal, seal_to_devices};
use assent_proto::{Id, Nonce, ShortText, login_id};
use assent_wire::{Answer, Begin, Reply, Tell, ToAgent, ToModule, Verdict, VerdictCode};
use futures_util::FutureExt;
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// A module must say what it wants within this time.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// Most pushes of one login that its record keeps.
const MOST_ASKED: usize = 8;

/// Serves one connection of a root process `pid`.
pub async fn serve(agent: Arc<Agent>, stream: UnixStream, pid: i32) {
    let (mut reader, mut writer) = stream.into_split();
    let first = tokio::time::timeout(FIRST_FRAME, frames::read(&mut reader)).await;
    let begin = match first {
        Ok(Ok(ToAgent::Begin(begin))) => begin,
        Ok(Ok(ToAgent::Session(session))) => {
            let user = Outside::new(session.user.as_slice()).shown(64);
            let number = session.audit_session;
            let connection = Connection {
                user: session.user,
                ssh: session.ssh_connection.unwrap_or_default(),
            };
            let ours = agent.sessions.opened(&connection, number, boot_now());
            tracing::debug!("session {number} of {user} opened; approved on a device: {ours}");
            return;
        }
        Ok(Ok(ToAgent::Answer(_) | ToAgent::Gone)) => return tracing::warn!("process {pid} began with an answer"),
        Ok(Err(FrameError::Closed)) => return,
        Ok(Err(e)) => return tracing::warn!("process {pid}: {e}"),
        Err(_) => return tracing::warn!("process {pid} connected and said nothing"),
    };
    if frames::write(&mut writer, &ToModule::Hello).await.is_err() {
        return;
    }
    let Ok(login_id) = login_id::random() else {
        return tracing::error!("the system's random generator failed");
    };
    match agent.setup() {
        Ok(setup) => Task::run(agent, setup, reader, writer, *begin, pid, login_id).await,
        Err(_) => {
            tracing::warn!("login={} verdict=denied cause=broken_configuration", login_id.as_str());
            let text = format!(
                "Assent's configuration is broken; the server's log says how. [{}]",
                login_id.as_str()
            );
            let verdict = verdict(VerdictCode::Denied, text, &login_id);
            let _ = frames::write(&mut writer, &ToModule::Verdict(verdict)).await;
        }
    }
}

/// What the module was asked and has not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Password,
    Go,
    /// A prompt beside a push.
    Shown,
    /// The same, where a code would do as well.
    ShownOrCode,
    Code,
}

/// The push in flight.
struct InFlight {
    pending: PendingPush,
    /// As signed: with a device's "not me" it is proof for the registrar.
    request: String,
    deliveries: mpsc::Receiver<Delivery>,
}

struct Task {
    agent: Arc<Agent>,
    setup: Arc<Setup>,
    login: Login,
    login_id: ShortText,
    writer: OwnedWriteHalf,
    events: mpsc::UnboundedSender<Box<Event>>,
    question: Option<Question>,
    password: Option<Arc<Password>>,
    /// The number on the terminal, until the push takes it.
    number: Option<Zeroizing<String>>,
    push: Option<InFlight>,
    /// What was asked of devices and answered, for the audit.
    asked: Vec<Evidence>,
    /// The typed code, until it is judged.
    code: Option<TypedCode>,
    /// The login as the code service knows it.
    pending_code: Arc<Mutex<Option<PendingCode>>>,
    /// The push's place in the budget, from when the agent said that it may leave.
    reserved: Arc<Mutex<Option<Reserved>>>,
    /// What must be on the disk before the verdict.
    unwritten: Vec<Written>,
    caller: Bound,
    /// `SSH_CONNECTION`, to know the login's session by.
    connection: Option<Vec<u8>>,
    place: Place,
}

impl Task {
    async fn run(
        agent: Arc<Agent>,
        setup: Arc<Setup>,
        reader: OwnedReadHalf,
        writer: OwnedWriteHalf,
        begin: Begin,
        pid: i32,
        login_id: ShortText,
    ) {
        let caller = Bound {
            user: begin.user.clone(),
            service: begin.service.clone(),
            pid,
        };
        let ticket = begin
            .ticket
            .is_some_and(|ticket| agent.tickets.redeem(&ticket, &caller, boot_now()));
        let connection = begin.ssh_connection.clone();
        let Ok(ctx) = begin::context(&begin, pid) else {
            return tracing::error!("the system's random generator failed");
        };
        let mut facts = begin::facts(begin, login_id.clone(), ctx, ticket);
        let service = facts.service.shown(64);
        let ssh = facts.ssh;
        let place = ssh.map(|ssh| setup.places.of(ssh.client)).unwrap_or_default();
        facts.country = place.country_code();
        let (cancel, cancelled) = oneshot::channel();
        let id = login_id.as_str().to_owned();
        let running = Running {
            began: boot_now(),
            service: service.clone(),
            cancel: Some(cancel),
        };
        if let Ok(mut all) = agent.running.lock() {
            all.insert(id.clone(), running);
        }
        // Removed also when this task panics.
        let _listed = Listed {
            agent: agent.clone(),
            id: id.clone(),
        };
        let _ = agent.notices.send(Notice::Started { login: id, service });
        // Boxed, like frames: a channel keeps room for 32 of what it carries, in each of thousands of waiting logins.
        let (events, inbox) = mpsc::unbounded_channel();
        let task = Self {
            login: Login::new(setup.config.clone(), facts, boot_now()),
            agent,
            setup,
            login_id,
            writer,
            events,
            question: None,
            password: None,
            number: None,
            push: None,
            asked: Vec::new(),
            code: None,
            pending_code: Arc::default(),
            reserved: Arc::default(),
            unwritten: Vec::new(),
            caller,
            connection,
            place,
        };
        // On the heap: inside this future, the compiler would keep room for it several times over.
        Box::pin(task.drive(reader, inbox, cancelled, ssh)).await;
    }

    /// Feeds the machine until it has decided.
    async fn drive(
        mut self,
        mut reader: OwnedReadHalf,
        mut inbox: mpsc::UnboundedReceiver<Box<Event>>,
        mut cancelled: oneshot::Receiver<()>,
        ssh: Option<SshConnection>,
    ) {
        #[cfg(test)]
        crate::server::tests::panic_at("the login's own task", self.login.facts().service.as_bytes());
        let (frames_in, mut module) = mpsc::channel(2);
        let reading = tokio::spawn(async move {
            loop {
                let frame = frames::read(&mut reader).await;
                let last = frame.is_err();
                if frames_in.send(Box::new(frame)).await.is_err() || last {
                    return;
                }
            }
        });
        let _reading = AbortOnDrop(reading.abort_handle());
        let hang_up = client_watch::hung_up(ssh);
        tokio::pin!(hang_up);
        let mut event = Some(Event::Begin);
        loop {
            if let Some(event) = event.take() {
                let effects = self.login.step(event, boot_now());
                if self.carry_out(effects).await {
                    return self.linger(&mut module).await;
                }
            }
            let wakes = self.login.wakes();
            event = tokio::select! {
                biased;
                Some(event) = inbox.recv() => Some(*event),
                frame = module.recv() => Some(self.take_frame(frame.map(|frame| *frame))),
                Some(delivery) = next_delivery(&mut self.push) => self.judge(delivery).await,
                _ = &mut cancelled => Some(Event::Gone(Gone::Admin)),
                () = &mut hang_up => Some(Event::Gone(Gone::Client)),
                () = sleep_until(wakes) => Some(Event::Tick),
            };
        }
    }

    fn take_frame(&mut self, frame: Option<Result<ToAgent, FrameError>>) -> Event {
        match frame {
            Some(Ok(ToAgent::Answer(Answer { reply }))) => match self.question.take() {
                Some(Question::Password) => Event::Password(self.keep_password(reply)),
                Some(Question::Go) => {
                    Event::Go(matches!(&reply, Reply::Text(text) if matches!(text.trim_ascii(), b"p" | b"P")))
                }
                Some(Question::Shown) => Event::Shown(matches!(reply, Reply::Text(_))),
                Some(Question::ShownOrCode) => match self.keep_code(reply) {
                    CodeTyped::Nothing => Event::Shown(true),
                    CodeTyped::Failed => Event::Shown(false),
                    typed => Event::CodeTyped(typed),
                },
                Some(Question::Code) => Event::CodeTyped(self.keep_code(reply)),
                None => Event::Internal("the module answered what it was not asked".into()),
            },
            Some(Ok(ToAgent::Gone)) => Event::Gone(Gone::Terminal),
            Some(Ok(ToAgent::Begin(_) | ToAgent::Session(_))) => Event::Internal("the module began twice".into()),
            Some(Err(FrameError::Closed)) | None => Event::Gone(Gone::Module),
            Some(Err(e)) => Event::Internal(format!("the module's frame: {e}")),
        }
    }

    fn keep_password(&mut self, reply: Reply) -> PasswordReply {
        match reply {
            Reply::Failed => PasswordReply::Failed,
            Reply::Text(text) => match Password::new(text) {
                Some(password) => {
                    self.password = Some(Arc::new(password));
                    PasswordReply::Typed
                }
                None => PasswordReply::Empty,
            },
        }
    }

    fn keep_code(&mut self, reply: Reply) -> CodeTyped {
        match reply {
            Reply::Failed => CodeTyped::Failed,
            Reply::Text(text) if text.trim_ascii().is_empty() => CodeTyped::Nothing,
            Reply::Text(text) => {
                self.code = TypedCode::new(text.trim_ascii());
                self.code.as_ref().map_or(CodeTyped::NoCode, |_| CodeTyped::Typed)
            }
        }
    }

    /// Whether the login is over.
    async fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        // Kept for the profiles of one factor, wiped as soon as anything else is asked.
        if !effects
            .iter()
            .any(|effect| matches!(effect, Effect::CheckPassword { .. }))
        {
            self.password = None;
        }
        for effect in effects {
            match effect {
                Effect::Resolve(name) => self.resolve(name),
                Effect::AskPassword { text } => self.ask(Question::Password, ToModule::AskPassword { text }).await,
                Effect::Ask { purpose, echo, text } => {
                    let question = match purpose {
                        Purpose::Go => Question::Go,
                        Purpose::Show => Question::Shown,
                        Purpose::Code => Question::Code,
                        Purpose::ShowOrCode => Question::ShownOrCode,
                    };
                    self.ask(question, ToModule::Ask { echo, text }).await;
                }
                Effect::ShowNumber {
                    how,
                    digits,
                    before,
                    after,
                    takes_code,
                } => {
                    let prompt = match takes_code {
                        true => Question::ShownOrCode,
                        false => Question::Shown,
                    };
                    self.show_number((how, prompt), digits, &before, &after).await;
                }
                Effect::Weigh(identity) => self.weigh(identity),
                Effect::Tell { tone, text } => {
                    let kind = match tone {
                        Tone::Info => Tell::Info,
                        Tone::Error => Tell::Error,
                    };
                    self.send(ToModule::Tell { kind, text }).await;
                }
                Effect::CheckPassword { profile, user } => self.check_password(profile, user),
                Effect::LookUp { profile, user } => {
                    let setup = self.setup.clone();
                    self.work(async move { Event::LookedUp(setup.directory(profile).look_up(&user).await) });
                }
                Effect::Recall(identity) => self.recall(identity),
                Effect::Admit(identity) => self.admit(identity),
                Effect::NoteDenial => self.note(What::Denied),
                Effect::FindDevices(identity) => self.find_devices(identity),
                Effect::Push(order) => self.push(*order),
                Effect::WithdrawPush => self.withdraw(),
                Effect::StartCode(order) => self.start_code(*order),
                Effect::SendCode { turn, method } => self.send_code(turn, method),
                Effect::CheckCode { turn } => self.check_code(turn),
                Effect::EndCode => self.end_code(),
                Effect::Finish(outcome) => {
                    self.finish(outcome).await;
                    return true;
                }
            }
        }
        false
    }

    /// Does something beside the login; what comes of it is its next event. A panic in it ends this login, at once
    /// (R54).
    fn work(&self, work: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let done = AssertUnwindSafe(work).catch_unwind().await;
            // What a panic may have left half done belongs to this login, which ends.
            let event = done.unwrap_or_else(|_| Event::Internal("a task of this login panicked".into()));
            let _ = events.send(Box::new(event));
        });
    }

    fn resolve(&self, name: UserName) {
        let nss = self.agent.nss.clone();
        self.work(async move {
            #[cfg(test)]
            crate::server::tests::panic_at("a task of the login", name.shown().as_bytes());
            let found = match nss.user(&name).await {
                NssUser::Found(user) => match UserName::new(&Outside::new(user.name.as_bytes())) {
                    Ok(canonical) => NameSearch::Known(canonical, user.uid),
                    Err(e) => {
                        NameSearch::Unreachable(format!("the name service answered with a name that is none: {e}"))
                    }
                },
                NssUser::Unknown => NameSearch::Unknown,
                NssUser::Unreachable(why) => NameSearch::Unreachable(why),
            };
            Event::Resolved(found)
        });
    }

    async fn ask(&mut self, question: Question, message: ToModule) {
        self.question = Some(question);
        self.send(message).await;
    }

    async fn send(&mut self, message: ToModule) {
        if let Err(e) = frames::write(&mut self.writer, &message).await {
            tracing::debug!("login={}: {e}", self.login_id.as_str());
            let _ = self.events.send(Event::Gone(Gone::Module).into());
        }
    }

    fn check_password(&self, profile: assent_engine::config::AuthIndex, user: UserName) {
        let Some(password) = self.password.clone() else {
            let _ = self
                .events
                .send(Event::Internal("there is no password to check".into()).into());
            return;
        };
        let setup = self.setup.clone();
        self.work(async move { Event::Checked(setup.directory(profile).check_password(&user, &password).await) });
    }

    /// Makes the number and shows it on the terminal. It stands nowhere else (R4).
    async fn show_number(&mut self, (how, prompt): (Show, Question), digits: u8, before: &str, after: &str) {
        let Ok(number) = assent_proto::number::random(digits) else {
            let _ = self
                .events
                .send(Event::Internal("the system's random generator failed".into()).into());
            return;
        };
        let text = format!("{before}{}{after}", number.as_str());
        self.number = Some(number);
        match how {
            Show::Prompt => self.ask(prompt, ToModule::Ask { echo: true, text }).await,
            Show::Line => {
                let kind = Tell::Info;
                self.send(ToModule::Tell { kind, text }).await;
            }
        }
    }

    /// Says what is remembered, once this user and source have room for one more push.
    fn weigh(&self, identity: Identity) {
        let facts = self.login.facts();
        let session = facts.audit_session;
        let from = SourceKey::of(facts.ssh.map(|ssh| ssh.client));
        let (agent, setup, place) = (self.agent.clone(), self.setup.clone(), self.place.clone());
        let reserved = self.reserved.clone();
        self.work(async move {
            let (weight, taken) = setup.memory.weigh(&identity, from, place.country.as_deref()).await;
            *reserved.lock().unwrap_or_else(PoisonError::into_inner) = taken;
            Event::Weighed(Standing {
                known_source: weight.known_source,
                approved_session: session.is_some_and(|session| agent.sessions.is_approved(session, &identity)),
                place: place.shown,
                asn: place.asn,
                new_place: weight.new_place,
                barred: weight.barred,
            })
        });
    }

    /// Says what is remembered of somebody, for policies.
    fn recall(&self, identity: Identity) {
        let from = SourceKey::of(self.login.facts().ssh.map(|ssh| ssh.client));
        let recall = self.setup.memory.recall(&identity, from, &self.place);
        let _ = self.events.send(Event::Recalled(identity, recall).into());
    }

    /// Says whether anything may pass for somebody now: what this host itself knows of freezes and revocations.
    fn admit(&self, identity: Identity) {
        let setup = self.setup.clone();
        let client = self.login.facts().ssh.map(|ssh| ssh.client);
        self.work(async move {
            Event::Admitted(match &setup.gateway {
                Err(why) => Admission::Unknown(why.clone()),
                Ok(gateway) => match gateway.revocations.usable().await {
                    Err(why) => Admission::Unknown(why),
                    known @ Ok(_) => match gateway.revocations.admits(&known, &identity, gateway.origin(client)) {
                        true => Admission::Free,
                        false => Admission::Frozen,
                    },
                },
            })
        });
    }

    /// What became of somebody's push, for budgets and known addresses.
    fn note(&mut self, what: What) {
        let Some(who) = self.login.identity().cloned() else {
            return;
        };
        let from = SourceKey::of(self.login.facts().ssh.map(|ssh| ssh.client));
        self.unwritten.push(self.setup.memory.note(&Entry {
            at: UnixTime::now(),
            who,
            from,
            what,
        }));
    }

    /// A module inside a prompt reads its verdict when the prompt ends: the connection stays until then.
    async fn linger(&self, module: &mut mpsc::Receiver<Box<Result<ToAgent, FrameError>>>) {
        let inside = matches!(
            self.question,
            Some(Question::Shown | Question::ShownOrCode | Question::Code)
        );
        if inside {
            let _ = tokio::time::timeout(LOGIN_DEADLINE, module.recv()).await;
        }
    }

    fn find_devices(&self, identity: Identity) {
        let setup = self.setup.clone();
        let client = self.login.facts().ssh.map(|ssh| ssh.client);
        let hurried = self.login.leads_on(Failure::Gateway);
        self.work(async move {
            Event::Devices(match &setup.gateway {
                Ok(gateway) => {
                    let found = gateway.devices.find(&identity, gateway.origin(client));
                    match hurried {
                        true => gateway
                            .relay
                            .hurried(found)
                            .await
                            .unwrap_or_else(|e| DeviceSearch::Unreachable(e.to_string())),
                        false => found.await,
                    }
                }
                Err(why) => DeviceSearch::Unreachable(why.clone()),
            })
        });
    }

    /// Signs the request, seals it to each device and hands it to the push service.
    fn push(&mut self, order: PushOrder) {
        let number = order.number;
        match self.prepare(order) {
            Ok((push, in_flight)) => {
                self.push = Some(in_flight);
                let leaves = {
                    let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
                    reserved.as_mut().and_then(Reserved::leaves)
                };
                let setup = self.setup.clone();
                let hurried = self.login.leads_on(Failure::Gateway);
                self.work(async move {
                    match send(&setup, &push, leaves, hurried).await {
                        Ok(()) => Event::PushSent(number),
                        Err(why) => Event::PushFailed { push: number, why },
                    }
                });
            }
            Err(why) => {
                let failed = Event::PushFailed { push: number, why };
                let _ = self.events.send(failed.into());
            }
        }
    }

    /// Keeps a device's own answer, with all that it takes to verify it again years later.
    fn keep_answer(&mut self, device: Id, answer: &str, revocations: Option<u64>) {
        let setup = Arc::clone(&self.setup);
        let pending = self.push.as_ref().map(|push| &push.pending);
        let device = pending.and_then(|pending| pending.devices().iter().find(|one| one.claims().device_id == device));
        let (Some(device), Some(asked), Ok(gateway)) = (device, self.asked.last_mut(), &setup.gateway) else {
            return;
        };
        for issuer in gateway.host.now().issuers.all() {
            let signed = claimed_issuer(device.document()) == Some(issuer.claims().sign.id());
            if signed && !asked.issuers.iter().any(|known| known == issuer.document()) {
                asked.issuers.push(issuer.document().to_owned());
            }
        }
        asked.revocations = revocations;
        asked.answered = Some(Answered {
            answer: answer.to_owned(),
            device: device.document().to_owned(),
        });
    }

    fn prepare(&mut self, order: PushOrder) -> Result<(Push, InFlight), String> {
        let gateway = self.setup.gateway.as_ref().map_err(Clone::clone)?;
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let id = Id::random().map_err(|e| text(&e))?;
        let n = Nonce::random().map_err(|e| text(&e))?;
        let enrolled = gateway.host.now();
        let statement = Statement::new(id, n, &enrolled.host, gateway.relay.relay_now(), order.details);
        let request = statement.sign(&enrolled.keys.sign).map_err(|e| text(&e))?;
        let sealed = seal_to_devices(&statement, &request, &enrolled.host, &enrolled.issuer, &order.devices)
            .map_err(|e| text(&e))?;
        let push = Push {
            id,
            expiry: statement.expiry(),
            ttl: statement.ttl,
            to: sealed
                .into_iter()
                .map(|(device, blob)| PushItem { device, blob })
                .collect(),
        };
        let asked = Evidence {
            request: request.clone(),
            host: enrolled.host.document().to_owned(),
            issuers: vec![enrolled.issuer.document().to_owned()],
            revocations: None,
            answered: None,
        };
        let in_flight = InFlight {
            pending: PendingPush::new(&statement, &request, order.devices, self.number.take(), boot_now()),
            request,
            deliveries: self.agent.waiting.register(id),
        };
        // A login asks few times, and its last push decides.
        if self.asked.len() >= MOST_ASKED {
            self.asked.remove(0);
        }
        self.asked.push(asked);
        Ok((push, in_flight))
    }

    /// Verifies an answer; the machine hears what it is worth.
    async fn judge(&mut self, (device, blob): Delivery) -> Option<Event> {
        let setup = Arc::clone(&self.setup);
        let gateway = setup.gateway.as_ref().ok()?;
        let known = gateway.revocations.usable().await;
        let push = self.push.as_mut()?;
        push.pending
            .revoke(|device| known.as_ref().is_ok_and(|sieve| sieve.revokes(device)));
        let received = push
            .pending
            .receive(&gateway.host.now().keys.kem, device, &blob, boot_now(), UnixTime::now());
        let seq = known.as_ref().ok().map(Sieve::seq);
        match &received {
            Received::Refused { device, record, .. } => self.keep_answer(*device, record, seq),
            Received::Approved(approved) => self.keep_answer(approved.device(), approved.record(), seq),
            Received::Ignored { .. } => {}
        }
        Some(match received {
            Received::Ignored { why, last } => {
                tracing::warn!("login={} an answer was ignored: {why}", self.login_id.as_str());
                Event::PushIgnored { why, last }
            }
            Received::Refused { why, device, record } => {
                match (why, self.login.identity().cloned()) {
                    (Refusal::Number, _) => self.note(What::WrongNumber),
                    (Refusal::Reported, Some(who)) => {
                        // Somebody else may be in the sessions that were approved, too.
                        self.agent.sessions.forget(&who);
                        self.reported(device, record);
                    }
                    _ => {}
                }
                Event::PushRefused(why)
            }
            Received::Approved(approved) => {
                let client = self.login.facts().ssh.map(|ssh| ssh.client);
                let admitted = self
                    .login
                    .identity()
                    .is_some_and(|who| gateway.revocations.admits(&known, who, gateway.origin(client)));
                match admitted {
                    true => Event::PushApproved(approved),
                    // "Not me" was said to another push meanwhile, or it is not known what is revoked.
                    false => Event::PushFrozen,
                }
            }
        })
    }

    /// Freezes at once, and has everybody hear of it.
    fn reported(&mut self, device: Id, answer: String) {
        let setup = Arc::clone(&self.setup);
        let (Ok(gateway), Some(push), Some(identity)) = (&setup.gateway, &self.push, self.login.identity()) else {
            return;
        };
        let facts = self.login.facts();
        let client = facts.ssh.map(|ssh| ssh.client);
        let user = self.login.user_for_log();
        let written = gateway.revocations.report(Local {
            identity: identity.clone(),
            user: ShortText::cut(user.clone()),
            origin: gateway.origin(client),
            at: UnixTime::now(),
            lifted: false,
            proof: Some(Proof {
                request: push.request.clone(),
                answer,
            }),
            listed: None,
            tries: Tries::default(),
        });
        alerts::reported(
            &self.agent,
            &self.setup,
            Report {
                login: self.login_id.as_str().to_owned(),
                user,
                identity: identity.to_string(),
                source: client.map_or_else(|| "local".to_owned(), |ip| ip.to_string()),
                host: gateway.host.now().host.claims().display.as_str().to_owned(),
                service: facts.service.shown(64),
                device,
            },
        );
        self.unwritten.push(written);
    }

    /// Asks the code service which methods are ready.
    fn start_code(&self, order: CodeOrder) {
        let facts = self.login.facts();
        let client = facts.ssh.map(|ssh| ssh.client);
        let (login, ctx) = (self.login_id.clone(), facts.ctx);
        let svc = ShortText::cut(facts.service.to_statement());
        let (setup, pending) = (self.setup.clone(), self.pending_code.clone());
        let hurried = self.login.leads_on(Failure::Codes);
        self.work(async move {
            let turn = order.turn;
            let started = match &setup.gateway {
                Err(why) => Err(CodeTrouble::Unreachable(why.clone())),
                Ok(gateway) => {
                    let context = codes::Context {
                        login,
                        svc,
                        src: client,
                        origin: gateway.origin(client),
                        ctx,
                    };
                    let started = gateway.codes.start(&order, context);
                    match hurried {
                        true => gateway
                            .relay
                            .hurried(started)
                            .await
                            .unwrap_or_else(|e| Err(CodeTrouble::Unreachable(e.to_string()))),
                        false => started.await,
                    }
                }
            };
            let found = started.map(|(begun, offers)| {
                *pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
                offers
            });
            let what = CodeEvent::Started(found);
            Event::Code { turn, what }
        });
    }

    fn send_code(&self, turn: u32, method: CodeMethod) {
        let (setup, pending) = (self.setup.clone(), self.pending_code.clone());
        self.work(async move {
            let id = pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(PendingCode::id);
            let sent = match (&setup.gateway, id) {
                (Ok(gateway), Some(id)) => gateway.codes.send(id, method).await,
                (Err(why), _) => Err(CodeTrouble::Unreachable(why.clone())),
                (_, None) => Err(CodeTrouble::Unreachable("no code was begun".into())),
            };
            let what = CodeEvent::Sent(sent);
            Event::Code { turn, what }
        });
    }

    /// Has the typed code judged; one that passes counts only while nobody has said "not me".
    fn check_code(&mut self, turn: u32) {
        let Some(code) = self.code.take() else {
            let why = "there is no code to check".into();
            let _ = self.events.send(Event::Internal(why).into());
            return;
        };
        let identity = self.login.identity().cloned();
        let client = self.login.facts().ssh.map(|ssh| ssh.client);
        let (setup, pending) = (self.setup.clone(), self.pending_code.clone());
        self.work(async move {
            let check = match (&setup.gateway, identity) {
                (Ok(gateway), Some(identity)) => match gateway.codes.check(&pending, code).await {
                    CodeCheck::Passed(passed) => match gateway.codes.admits(&identity, gateway.origin(client)).await {
                        true => CodeCheck::Passed(passed),
                        false => CodeCheck::Trouble(CodeTrouble::Frozen),
                    },
                    check => check,
                },
                (Err(why), _) => CodeCheck::Trouble(CodeTrouble::Unreachable(why.clone())),
                (_, None) => CodeCheck::Trouble(CodeTrouble::Unreachable("nobody is known".into())),
            };
            let what = CodeEvent::Checked(check);
            Event::Code { turn, what }
        });
    }

    fn end_code(&self) {
        let pending = self.pending_code.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(pending), setup) = (pending, self.setup.clone()) else {
            return;
        };
        tokio::spawn(async move {
            if let Ok(gateway) = &setup.gateway {
                gateway.codes.end(pending.id()).await;
            }
        });
    }

    fn withdraw(&mut self) {
        // The next push of this user and source has its turn.
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(push) = self.push.take() else { return };
        let id = push.pending.id();
        self.agent.waiting.forget(id);
        let setup = self.setup.clone();
        tokio::spawn(async move {
            if let Ok(gateway) = &setup.gateway {
                gateway.relay.withdraw(id).await;
            }
        });
    }

    async fn finish(&mut self, outcome: Outcome) {
        self.withdraw();
        let outcome = self.still_stands(outcome).await;
        (self.number, self.code) = (None, None);
        let record = self.record(&outcome);
        let written = self.setup.audit.write(record);
        let (verdict_name, cause) = match written {
            true => names(&outcome),
            false => ("denied", "not_recorded"),
        };
        let verdict = if written {
            self.verdict(outcome)
        } else {
            tracing::error!("login={} verdict=denied cause=not_recorded", self.login_id.as_str());
            verdict(
                VerdictCode::Denied,
                format!("The decision could not be recorded. [{}]", self.login_id.as_str()),
                &self.login_id,
            )
        };
        // A number that was wrong, a report, an approval: a kill of the agent right after the verdict forgets none of them.
        for written in std::mem::take(&mut self.unwritten) {
            if let Err(e) = written.wait().await {
                tracing::error!(
                    "login={}: what came of it may not outlast the agent: {e}",
                    self.login_id.as_str()
                );
            }
        }
        let _ = frames::write(&mut self.writer, &ToModule::Verdict(verdict)).await;
        let _ = self.agent.notices.send(Notice::Decided {
            login: self.login_id.as_str().to_owned(),
            verdict: verdict_name,
            cause,
        });
    }

    /// Between an approval and the verdict, which may wait for Enter, somebody may have said "not me" elsewhere.
    async fn still_stands(&self, outcome: Outcome) -> Outcome {
        let asked =
            self.login.approved_on_a_device() || self.login.passed_by_code() || self.login.waived_by().is_some();
        let approved = outcome == Outcome::Approved && asked;
        let (true, Ok(gateway), Some(who)) = (approved, &self.setup.gateway, self.login.identity()) else {
            return outcome;
        };
        let client = self.login.facts().ssh.map(|ssh| ssh.client);
        let known = gateway.revocations.usable().await;
        if gateway.revocations.admits(&known, who, gateway.origin(client)) {
            return outcome;
        }
        Outcome::Denied {
            cause: Cause::Frozen,
            text: format!("Access denied. [{}]", self.login_id.as_str()),
        }
    }

    fn verdict(&mut self, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Approved => {
                if self.login.approved_on_a_device() {
                    self.remember_approval();
                }
                let ticket = match self.login.facts().phase {
                    Phase::Auth => self.agent.tickets.issue(self.caller.clone(), boot_now()),
                    Phase::Account => None,
                };
                Verdict {
                    ticket,
                    ..verdict(VerdictCode::Approved, String::new(), &self.login_id)
                }
            }
            Outcome::ApprovedBefore => verdict(VerdictCode::Approved, String::new(), &self.login_id),
            Outcome::Ignore => verdict(VerdictCode::Ignore, String::new(), &self.login_id),
            Outcome::Denied { cause, text } => {
                let code = match cause {
                    Cause::Blocked(_) => VerdictCode::Blocked,
                    _ => VerdictCode::Denied,
                };
                verdict(code, text, &self.login_id)
            }
        }
    }

    fn remember_approval(&mut self) {
        self.note(What::Approved {
            place: self.place.country.clone(),
            spot: self.place.spot,
        });
        if let (Some(ssh), Some(who)) = (&self.connection, self.login.identity()) {
            let connection = Connection {
                user: self.caller.user.clone(),
                ssh: ssh.clone(),
            };
            self.agent.sessions.approved(connection, who.clone(), boot_now());
        }
    }

    fn record(&self, outcome: &Outcome) -> Record {
        let facts = self.login.facts();
        let (verdict, mut cause) = names(outcome);
        // A waiver stands in every record of it, with the policy that allowed it (R72).
        let waived = self.login.waived_by().filter(|_| *outcome == Outcome::Approved);
        if waived.is_some() {
            cause = "factor_waived";
        }
        let detail = match outcome {
            Outcome::Denied { cause, .. } => cause.detail().unwrap_or_default(),
            Outcome::Approved if waived.is_some() => waived.unwrap_or_default(),
            Outcome::Approved | Outcome::ApprovedBefore | Outcome::Ignore => "",
        };
        let user = self.login.user_for_log();
        let source = facts
            .ssh
            .map_or_else(|| "local".to_owned(), |ssh| ssh.client.to_string());
        let identity = self.login.identity().map(ToString::to_string);
        let line = format!(
            "login={} verdict={verdict} cause={} service={:?} application={:?} user={user:?} identity={:?} source={source} tty={:?} method={:?} detail={detail:?}",
            self.login_id.as_str(),
            if cause.is_empty() { "-" } else { cause },
            facts.service.shown(64),
            self.login.application().unwrap_or("-"),
            identity.as_deref().unwrap_or("-"),
            facts.tty.as_ref().map_or_else(String::new, |tty| tty.shown(64)),
            self.login.method().unwrap_or("-"),
        );
        let trace: Vec<_> = self.login.trace().iter().map(|line| &line.json).collect();
        let host = self.setup.gateway.as_ref().ok();
        let fields = [
            ("kind", json!("login")),
            ("at", json!(UnixTime::now())),
            ("login", json!(self.login_id)),
            (
                "host",
                json!(host.map(|gateway| gateway.host.now().host.claims().host_id)),
            ),
            ("verdict", json!(verdict)),
            ("cause", json!(cause)),
            ("detail", json!(detail)),
            ("service", json!(facts.service.shown(64))),
            ("application", json!(self.login.application())),
            ("user", json!(user)),
            ("identity", json!(identity)),
            ("source", json!(source)),
            ("method", json!(self.login.method())),
            ("by_device", json!(self.login.approved_on_a_device())),
            ("pushes", json!(self.asked)),
            ("trace", json!(trace)),
        ];
        let json = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Record {
            json,
            line,
            warning: waived.is_some() || !matches!(outcome, Outcome::Approved | Outcome::ApprovedBefore),
        }
    }
}

/// Writes down that a push leaves, then sends it. The error is for people.
async fn send(setup: &Setup, push: &Push, leaves: Option<(Leaving, Written)>, hurried: bool) -> Result<(), String> {
    let gateway = setup.gateway.as_ref().map_err(Clone::clone)?;
    let leaving = match leaves {
        None => None,
        Some((leaving, written)) => match written.wait().await {
            Ok(()) => Some(leaving),
            Err(e) => {
                drop(leaving.never_left());
                return Err(format!("the push could not be counted, so it did not leave: {e}"));
            }
        },
    };
    let sending = gateway.relay.send(push);
    let sent = match hurried {
        true => gateway.relay.hurried(sending).await.and_then(|sent| sent),
        false => sending.await,
    };
    if let (Err(PushError::NotSent(_)), Some(leaving)) = (&sent, leaving) {
        drop(leaving.never_left());
    }
    sent.map(drop).map_err(|e| e.to_string())
}

fn names(outcome: &Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Approved => ("approved", ""),
        Outcome::ApprovedBefore => ("approved", "approved_in_auth_phase"),
        Outcome::Ignore => ("ignored", "unlisted_service"),
        Outcome::Denied { cause, .. } => ("denied", cause.name()),
    }
}

fn verdict(code: VerdictCode, text: String, id: &ShortText) -> Verdict {
    Verdict {
        code,
        text,
        id: id.as_str().to_owned(),
        ticket: None,
    }
}

async fn next_delivery(push: &mut Option<InFlight>) -> Option<Delivery> {
    match push {
        Some(push) => push.deliveries.recv().await,
        None => std::future::pending().await,
    }
}

/// A login in the agent's list, for as long as it runs.
struct Listed {
    agent: Arc<Agent>,
    id: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Ok(mut running) = self.agent.running.lock() {
            running.remove(&self.id);
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
