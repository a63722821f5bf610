//! One login at the edge: carries out what the machine wants and tells it what happened. Holds the only secrets of a
//! login: the typed password, and the push in flight.

mod coding;
mod ending;
mod enrolling;
mod guessing;
mod pushing;

use crate::agent::{Agent, Notice, Running, Setup};
use crate::clock::{boot_now, sleep_until};
use crate::disk::Written;
use crate::enrolment::First;
use crate::frames::{self, FrameError};
use crate::memory::Reserved;
use crate::sessions::Connection;
use crate::tickets::Bound;
use crate::{begin, client_watch, codes};
use assent_engine::directory::nss::NssUser;
use assent_engine::directory::{Password, PasswordCheck, Wait};
use assent_engine::ledger::{Entry, SourceKey, What};
use assent_engine::login::facts::SshConnection;
use assent_engine::login::{
    Admission, CodeTyped, Effect, Event, Gone, LOGIN_DEADLINE, Login, NameSearch, PasswordReply, Purpose, Standing,
    Tone,
};
use assent_engine::names::UserName;
use assent_engine::places::Place;
use assent_proto::cert::Identity;
use assent_proto::code::TypedCode;
use assent_proto::evidence::Evidence;
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::{ShortText, login_id};
use assent_wire::{Answer, Begin, Reply, Tell, ToAgent, ToModule, VerdictCode};
use ending::verdict;
use futures_util::FutureExt;
use pushing::{InFlight, next_delivery};
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
    /// Something of an enrolment.
    Enrol,
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
    pending_code: Arc<Mutex<Option<codes::Begun>>>,
    /// The enrolment in this login, from its opening on.
    enrolment: Option<First>,
    /// The digits that were typed for it, until they are checked.
    digits: Option<ShortText>,
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
            enrolment: None,
            digits: None,
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
                Some(Question::Enrol) => Event::EnrolTyped(self.keep_digits(reply)),
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
                        Purpose::Enrol => Question::Enrol,
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
                    let (setup, wait) = (self.setup.clone(), self.wait_for_a_directory());
                    self.work(async move { Event::LookedUp(setup.directory(profile).look_up(&user, wait).await) });
                }
                Effect::Recall(identity) => self.recall(identity),
                Effect::FindGrants { identity, application } => {
                    let held = self.setup.grants.held(&identity, &application);
                    let _ = self.events.send(Event::Held(held).into());
                }
                Effect::Admit(identity) => self.admit(identity),
                Effect::NoteDenial => self.note(What::Denied),
                Effect::FindDevices(identity) => self.find_devices(identity),
                Effect::Push(order) => self.push(*order),
                Effect::WithdrawPush => self.withdraw(),
                Effect::StartCode(order) => self.start_code(*order),
                Effect::SendCode { turn, method } => self.send_code(turn, method),
                Effect::CheckCode { turn } => self.check_code(turn),
                Effect::EndCode => self.end_code(),
                Effect::OpenEnrolment { owner, ttl } => self.open_enrolment(owner, ttl),
                Effect::ShowEnrolment(how) => self.show_enrolment(how).await,
                Effect::ConfirmEnrolment => self.confirm_enrolment(),
                Effect::EndEnrolment => self.end_enrolment(),
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

    /// Nobody waits long who has another way to go.
    fn wait_for_a_directory(&self) -> Wait {
        match self.login.leads_on_without_directory() {
            true => Wait::Hurried,
            false => Wait::Whole,
        }
    }

    fn check_password(&self, profile: assent_engine::config::AuthIndex, user: UserName) {
        let Some(password) = self.password.clone() else {
            let _ = self
                .events
                .send(Event::Internal("there is no password to check".into()).into());
            return;
        };
        let (setup, wait) = (self.setup.clone(), self.wait_for_a_directory());
        let (account, from) = self.guesser();
        self.work(async move {
            let directory = setup.directory(profile);
            let guess = match setup.memory.guess(account.as_ref(), from).await {
                Ok(guess) => guess,
                Err(until) => {
                    // As long as for whoever is not known there: nobody learns that it was not looked at (R31).
                    if let Some(nobody) = guessing::nobody() {
                        drop(directory.check_password(&nobody, &password, wait).await);
                    }
                    return Event::NotChecked(until);
                }
            };
            let check = directory.check_password(&user, &password, wait).await;
            if matches!(check, PasswordCheck::Wrong | PasswordCheck::Unknown) {
                // Whose name no directory knows has no counter of their own.
                let account = account.filter(|_| matches!(check, PasswordCheck::Wrong));
                drop(setup.memory.guessed(account.as_ref(), from));
            }
            drop(guess);
            Event::Checked(check)
        });
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
                    Err(_) if gateway.revocations.last_known_frozen(&identity, gateway.origin(client)) => {
                        Admission::Frozen
                    }
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
            Some(Question::Shown | Question::ShownOrCode | Question::Code | Question::Enrol)
        );
        if inside {
            let _ = tokio::time::timeout(LOGIN_DEADLINE, module.recv()).await;
        }
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
