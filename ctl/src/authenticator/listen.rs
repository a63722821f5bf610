//! `assentctl authenticator listen`: hears, verifies, shows, asks, sends. What is not verified is not drawn (R29).

use super::desk::{Answer, Desk, Input, Output};
use super::draw::named;
use super::ending::Ending;
use super::events::{Caller, Heard, boot_now};
use super::notice::{Notice, Wording, notices};
use super::pin::no_pin;
use super::remark::{remark, tell};
use super::revocations::Revocations;
use super::security_key::{Proof, SecurityKey};
use super::store::Registration;
use super::{DirArg, notify, renew};
use crate::failure::{Done, Failure};
use crate::gateway_client::{CallFailure, Gateway};
use crate::terminal::{self, Charset};
use assent_proto::answer::{self, Decision};
use assent_proto::cert::Trust;
use assent_proto::life::Age;
use assent_proto::passkey::Assertion;
use assent_proto::relay::{DeviceEvent, ProblemCode};
use assent_proto::request::{self, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::text::visible;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Bytes, Id};
use clap::Args;
use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, timeout};
use zeroize::Zeroizing;

/// `authenticator listen`. There is no option that answers without a person, on purpose.
#[derive(Debug, Args)]
pub struct Listen {
    #[command(flatten)]
    dir: DirArg,
    /// End after one request
    #[arg(long)]
    once: bool,
    /// Certificate authorities to believe beside the system's, for TLS alone (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// What a desktop notification says of a request that waits
    #[arg(long, value_enum, value_name = "WORDS", default_value_t = Wording::Names)]
    notify: Wording,
    /// The security key that approves what takes a passkey, where several are plugged in
    #[arg(long, value_name = "DEVICE")]
    security_key: Option<String>,
    /// Also say what was ignored, and why
    #[arg(short, long)]
    verbose: bool,
}

impl Listen {
    pub(super) async fn run(&self) -> Done {
        let dir = self.dir.path()?;
        let mut registration = Registration::open(&dir, UnixTime::now()).await?;
        let ca_file = self.ca_file.as_deref().or(registration.ca_file.as_deref());
        let gateway = Gateway::new(&registration.gateway, ca_file)?;
        if registration.device.life().age(UnixTime::now()) >= Age::Ended {
            renew::once(&dir, &mut registration, &gateway).await?.tell();
        }
        let caller = Caller::new(
            &registration.keys.sign,
            registration.device.claims().device_id,
            &gateway,
        );
        let revocations = Revocations::open(&dir, registration.trust(), &registration.ever());
        if let Err(why) = revocations.fetch(&registration, &gateway).await {
            tell(&format!(
                "The revocation list could not be asked for: {why}. Trying again …"
            ));
        }
        let (sender, heard) = mpsc::channel(64);
        let (waiting, told) = watch::channel(Vec::new());
        let mut notifying = pin!(notify::look_after(self.notify, told, sender.clone()));
        let session = Session {
            args: self,
            registration: &registration,
            gateway: &gateway,
            caller: &caller,
            trust: registration.trust(),
            revocations: &revocations,
            charset: Charset::of_locale(),
            desk: Desk::new(Charset::of_locale(), registration.device.claims().passkey.is_some()),
            lines: terminal::lines(),
            unseen: None,
            connected: None,
            waiting,
        };
        let mut ending = Ending::hear()?;
        let done = tokio::select! {
            done = session.run(heard) => done,
            () = ending.comes() => Err(Failure::Refused(
                "ended by a signal; requests that still waited here got no answer".into(),
            )),
            // It ends after the session.
            () = &mut notifying => Ok(()),
            () = revocations.look_after(&registration, &gateway, sender.clone()) => Ok(()),
            // If it ends, it has said why, and the session acts on that.
            () = async { caller.hear(sender.clone()).await; std::future::pending().await } => Ok(()),
            () = renew::look_after(&dir, &registration.keys.sign, &gateway, sender.clone()) => Ok(()),
        };
        // The session is over, and so is all that waited.
        let _ = timeout(notify::PATIENCE, notifying).await;
        done
    }
}

struct Session<'a> {
    args: &'a Listen,
    registration: &'a Registration,
    gateway: &'a Gateway,
    caller: &'a Caller<'a>,
    trust: Trust,
    revocations: &'a Revocations,
    charset: Charset,
    desk: Desk,
    lines: mpsc::Receiver<Zeroizing<String>>,
    /// A PIN was not typed to its end in time; what comes of it yet is not shown either.
    unseen: Option<terminal::Unseen>,
    connected: Option<bool>,
    /// What its notifications are made from.
    waiting: watch::Sender<Vec<Notice>>,
}

/// What one request came to, for `--once`.
type Finished = Option<Done>;

impl Session<'_> {
    async fn run(mut self, mut heard: mpsc::Receiver<Heard>) -> Done {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // In this order: what has ended is known before a line is taken for its answer.
            let outputs = tokio::select! {
                biased;
                news = heard.recv() => match news {
                    Some(news) => self.hear(news)?,
                    None => return Err(Failure::Unreachable("the event stream's task ended".into())),
                },
                _ = tick.tick() => self.desk.step(boot_now(), Input::Tick),
                line = self.lines.recv() => match line {
                    Some(line) => {
                        self.unseen = None;
                        self.desk.step(boot_now(), Input::Line(&line))
                    }
                    None => return self.nobody_there(),
                },
            };
            self.tell_desktop();
            if let Some(done) = self.carry_out(outputs).await? {
                return done;
            }
        }
    }

    /// Before an answer is sent, which may take a while.
    fn tell_desktop(&self) {
        let notices = notices(self.desk.waiting(), self.args.notify);
        self.waiting.send_if_modified(|before| {
            let news = *before != notices;
            *before = notices;
            news
        });
    }

    fn nobody_there(&self) -> Done {
        let open = if self.desk.asking() {
            " The open request got no answer."
        } else {
            ""
        };
        Err(Failure::Refused(format!(
            "standard input ended: there is nobody to ask any more, and nothing was approved.{open}"
        )))
    }

    fn hear(&mut self, news: Heard) -> Done<Vec<Output>> {
        match news {
            Heard::Connected => {
                if self.connected != Some(true) {
                    let text = format!("Listening at {} for {}.", self.gateway.base(), self.name());
                    self.remark(&text);
                }
                self.connected = Some(true);
            }
            Heard::Lost(why) => {
                // Said once, not at every try.
                if self.connected != Some(false) || self.args.verbose {
                    self.remark(&format!(
                        "Not connected to {}: {why}. Trying again …",
                        self.gateway.base()
                    ));
                }
                self.connected = Some(false);
            }
            Heard::Refused(why) => {
                return Err(Failure::Refused(format!(
                    "the gateway refuses this device: {why}. It may have been revoked; ask your administrator, or enrol again"
                )));
            }
            Heard::Remark(text) => self.remark(&text),
            Heard::DenyPressed(id) => return Ok(self.desk.step(boot_now(), Input::DenyPressed(id))),
            Heard::Trust(trust, moved) => {
                if moved {
                    self.remark("The registrar's roots have changed; those before have signed the new ones.");
                }
                self.revocations.believe(trust.clone());
                self.trust = trust;
            }
            Heard::Event(DeviceEvent::Withdrawn { id, why }) => {
                return Ok(self.desk.step(boot_now(), Input::Withdrawn(id, why)));
            }
            Heard::Event(DeviceEvent::Revocations {}) => self.revocations.there_is_news(),
            Heard::Event(DeviceEvent::Devices {}) => self.remark(
                "The list of your devices has changed; `assentctl authenticator devices` shows it. If that was not you, tell your administrator.",
            ),
            Heard::Event(DeviceEvent::Push { id, expiry, left, blob }) => match self.verified(id, expiry, &blob) {
                Ok(request) => return Ok(self.desk.step(boot_now(), Input::Push(Box::new(request), left))),
                Err(why) if self.args.verbose => self.remark(&format!("Ignored request {id}: {}", visible(&why))),
                Err(_) => {}
            },
        }
        Ok(Vec::new())
    }

    fn name(&self) -> String {
        visible(self.registration.device.claims().name.as_str())
    }

    /// To standard error: remarks are no part of a request.
    fn remark(&self, text: &str) {
        for line in remark(text, self.desk.asking(), self.charset) {
            eprintln!("{line}");
        }
    }

    fn verified(&self, id: Id, expiry: UnixTime, blob: &Bytes) -> Result<VerifiedRequest, String> {
        let (device, now) = (self.registration.device.claims(), UnixTime::now());
        let kem = &self.registration.keys.kem;
        let request = request::open(device, kem, id, expiry, blob, &self.trust, now).map_err(|e| e.to_string())?;
        match self.revocations.refuses(&request.host, now) {
            Some(why) => Err(why),
            None => Ok(request),
        }
    }

    async fn carry_out(&mut self, outputs: Vec<Output>) -> Done<Finished> {
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Say(line) => say(&format!("{line}\n"))?,
                Output::Ask(question) => say(&question)?,
                Output::ForgetTyped => self.forget_typed(),
                Output::Ended if self.args.once => {
                    return Ok(Some(Err(Failure::Refused(
                        "the request ended without an answer".into(),
                    ))));
                }
                Output::Ended => {}
                Output::Answer(answer) => {
                    let passkey = match self.passkey_of(&answer).await {
                        Ok(passkey) => passkey,
                        Err(failure) => {
                            let text = format!("Not approved: {failure}.\n");
                            say(&self.charset.fit(&text))?;
                            outputs = self.desk.take_back(boot_now(), *answer).into();
                            self.tell_desktop();
                            continue;
                        }
                    };
                    let done = self.send(&answer, passkey).await;
                    if self.args.once {
                        return Ok(Some(done));
                    }
                    if let Err(failure) = done {
                        say(&format!("{}\n", self.charset.fit(&failure.to_string())))?;
                    }
                    outputs = self.desk.go_on(boot_now()).into();
                }
            }
        }
        Ok(None)
    }

    /// The security key's word, where the approval takes it. The person is here, and so is the key.
    async fn passkey_of(&mut self, decided: &Answer) -> Done<Option<Assertion>> {
        let own = &self.registration.device.claims().passkey;
        let (true, Decision::Approve, Some(own)) =
            (decided.request.statement.takes_passkey(), decided.decision, own.clone())
        else {
            return Ok(None);
        };
        let named = &self.args.security_key;
        let key = SecurityKey::find(named.as_deref()).await?;
        let pin = match key.proof {
            Proof::Sensor => None,
            Proof::Pin => Some(self.pin(decided.ends).await?),
        };
        say("Touch the security key …\n")?;
        let device = self.registration.device.claims().device_id;
        let challenge = answer::Answer::passkey_challenge(&decided.request, &device);
        let left = decided.ends.0.saturating_sub(boot_now().0);
        let assertion = key
            .assert(&own.cred, own.origin.as_str(), &challenge, &pin, left)
            .await?;
        // The host would refuse it, and with it the login.
        match own.verify(&challenge, &assertion) {
            Ok(()) => Ok(Some(assertion)),
            Err(why) => Err(Failure::Refused(format!("what the key signed does not hold: {why}"))),
        }
    }

    /// What was typed and not read yet counts for nothing, and what is typed from here on is shown.
    fn forget_typed(&mut self) {
        terminal::forget_typed();
        while self.lines.try_recv().is_ok() {}
        self.unseen = None;
    }

    /// Typed on the line that is being read anyway; not shown.
    async fn pin(&mut self, ends: BootTime) -> Done<Zeroizing<String>> {
        self.forget_typed();
        let unseen = terminal::Unseen::begin();
        say("PIN of the security key (not shown; empty goes back): ")?;
        let left = ends.0.saturating_sub(boot_now().0);
        let typed = timeout(left, self.lines.recv()).await;
        if typed.is_err() {
            // Whoever is in the middle of it types on: echo comes back with Enter, or with the next request.
            terminal::forget_typed();
            self.unseen = unseen;
        } else {
            drop(unseen);
        }
        say("\n")?;
        match typed {
            Ok(Some(pin)) => match no_pin(&pin) {
                None => Ok(pin),
                Some(why) => Err(Failure::Input(why.into())),
            },
            Ok(None) => Err(Failure::Refused("standard input ended".into())),
            Err(_) => Err(Failure::Refused("no PIN was typed in time".into())),
        }
    }

    async fn send(&mut self, answer: &Answer, passkey: Option<Assertion>) -> Done {
        let id = answer.request.statement.id;
        let name = named(&answer.request.statement, self.charset);
        let blob = match self.sealed(answer, passkey).await {
            Ok(blob) => blob,
            Err(failure) => {
                self.desk.unsent(id);
                return Err(failure.while_(&format!("Not sent, {name}, and nothing was allowed")));
            }
        };
        let mut pause = Duration::from_millis(200);
        let failure = loop {
            let sent = match self.caller.bearer().await {
                Ok(bearer) => self.gateway.answer(&bearer, id, blob.clone()).await,
                Err(failure) => Err(failure),
            };
            let Err(failure) = sent else {
                say(&format!(
                    "Sent: {} {name}. The host checks it and decides.\n",
                    said(answer.decision)
                ))?;
                return Ok(());
            };
            if self.caller.learn(&failure) {
                continue;
            }
            if !failure.passing() || boot_now().plus(pause) >= answer.ends {
                break failure;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        };
        Err(match failure {
            CallFailure::Problem(_, problem) if problem.code == ProblemCode::Gone => {
                Failure::Refused(format!("Too late for {name}: it had ended, nothing was allowed."))
            }
            CallFailure::Problem(_, problem) => Failure::Refused(format!(
                "Not taken by the gateway, {name}: {}. Nothing was allowed.",
                problem.text
            )),
            CallFailure::Unreachable(why) => {
                self.desk.unsent(id);
                Failure::Unreachable(format!("Not sent, {name}: {why}. Nothing was allowed."))
            }
        })
    }

    async fn sealed(&self, decided: &Answer, passkey: Option<Assertion>) -> Done<Bytes> {
        let device = self.registration.device.claims().device_id;
        let mut answer = answer::Answer::new(
            &decided.request,
            device,
            decided.decision,
            decided.num.clone(),
            UnixTime::now(),
        );
        answer.passkey = passkey;
        let res = self.registration.keys.sign.signs(move |key| answer.sign(key)).await?;
        let context = answer::seal_context(&decided.request.statement.id, &device);
        let to = &decided.request.host.claims().kem;
        seal::seal(to, Purpose::Answer, &context, &answer::Envelope { res })
            .map_err(|e| Failure::Refused(format!("the answer could not be sealed: {e}")))
    }
}

fn said(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approved",
        Decision::Deny => "denied",
        Decision::Report => "denied and reported as not you,",
    }
}

/// Prints at once; when nobody can read it, nobody can be asked.
fn say(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::Refused(format!("nothing can be shown any more ({e}), so nothing was approved")))
}
