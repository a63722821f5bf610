//! One call of the auth or the account phase, from its arguments to its PAM code. Called by the entry points.

use crate::agent::Agent;
use crate::conv::{ask, tell};
use crate::deadline::Deadline;
use crate::facts::{self, Who};
use crate::fault;
use crate::log::{Level, line};
use crate::options::{Job, OnUnavailable, Options};
use crate::outcome::{Approved, Cause, Outcome};
use crate::sys::os::boot_millis;
use crate::sys::pam::{Item, MAX_REPLY, item, set_authtok};
use crate::ticket::{Holder, Note};
use crate::wait::{Stop, Watch};
use assent_wire::{Answer, Phase, Reply, TICKET_LEN, Tell, ToAgent, ToModule, Verdict};
use pamsm::{Pam, PamError, PamFlags, PamLibExt};
use std::ffi::CString;
use zeroize::Zeroizing;

/// The name under which the handle keeps a [`Note`].
const NOTE: &str = "pam_assent_ticket";
/// The name under which the handle remembers that its terminal is gone. sudo tries three times whatever happens, and
/// each would be a push to somebody who has left.
const LEFT: &str = "pam_assent_left";

/// Does what the line in the PAM stack says.
pub fn run(pam: &Pam, phase: Phase, flags: PamFlags, args: &[String]) -> PamError {
    let args = fault::arm(args);
    fault::point("entry");
    let warn = |level, text: &str| {
        let service = item(pam, Item::Service).unwrap_or_default();
        line(level, &service, Some(phase), text);
    };
    match Job::parse(&args) {
        Ok(Job::OnlyKey) => only_key(pam, phase, warn),
        Ok(Job::Ask(options)) => {
            let outcome = Login::begin(pam, phase, flags, &options).decide();
            if let Outcome::Unavailable(cause) = &outcome {
                let end = match options.unavailable {
                    OnUnavailable::Deny => "denied",
                    OnUnavailable::Ignore => "passed over (unavailable=ignore)",
                };
                warn(Level::Warning, &format!("{end}: {cause}"));
            }
            outcome.code(phase, options.unavailable)
        }
        Err(error) => {
            warn(Level::Error, &format!("denied: {error}"));
            PamError::AUTHINFO_UNAVAIL
        }
    }
}

/// `only=key` stands in front of a password line of the auth phase; anywhere else it is a mistake.
fn only_key(pam: &Pam, phase: Phase, warn: impl Fn(Level, &str)) -> PamError {
    match phase {
        Phase::Auth => facts::ssh_auth_info(pam)
            .and_then(|info| Approved::by_key(&info))
            .map_or(Outcome::Ignored, Outcome::Approved)
            .code(phase, OnUnavailable::Deny),
        Phase::Account => {
            warn(Level::Error, "denied: only=key belongs to the auth phase");
            PamError::AUTHINFO_UNAVAIL
        }
    }
}

/// What one call has to hand.
struct Login<'a> {
    pam: &'a Pam,
    phase: Phase,
    flags: PamFlags,
    options: &'a Options,
    deadline: Deadline,
    first_pass: bool,
    typed: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> Login<'a> {
    fn begin(pam: &'a Pam, phase: Phase, flags: PamFlags, options: &'a Options) -> Self {
        Self {
            pam,
            phase,
            flags,
            options,
            deadline: Deadline::after(boot_millis(), options.timeout),
            first_pass: options.try_first_pass,
            typed: None,
        }
    }

    fn decide(mut self) -> Outcome {
        let ticket = self.take_note();
        if self.pam.retrieve_bytes(LEFT).is_ok() {
            return Outcome::Denied;
        }
        let Ok(who) = Who::of(self.pam) else {
            return Outcome::Denied;
        };
        let ticket = ticket.and_then(|note| note.redeem(holder(&who), boot_millis()));
        match self.talk(&who, ticket) {
            Ok(verdict) => self.conclude(&who, &verdict),
            Err(Stop::PersonLeft { for_good }) => {
                if for_good {
                    let _ = self.pam.send_bytes(LEFT, vec![1], None);
                }
                Outcome::Denied
            }
            Err(Stop::Late) => Outcome::Unavailable(Cause::Timeout),
            Err(Stop::Broken(cause)) => Outcome::Unavailable(cause),
        }
    }

    /// The conversation, driven by the agent, up to its verdict.
    fn talk(&mut self, who: &Who, ticket: Option<[u8; TICKET_LEN]>) -> Result<Verdict, Stop> {
        let Ok(begin) = facts::begin(self.pam, self.phase, self.flags, who, ticket) else {
            return Ok(denial());
        };
        fault::point("facts");
        let watch = Watch::new()?;
        let mut next = self.greet(&watch, begin)?;
        loop {
            let (agent, message) = next;
            let reply = match message {
                ToModule::Verdict(verdict) => return Ok(verdict),
                ToModule::Hello => return Err(Stop::Broken(Cause::OutOfTurn)),
                ToModule::Ask { echo, text } => Some(ask(self.pam, echo, &text)),
                ToModule::AskPassword { text } => Some(self.password(&text)),
                ToModule::Tell { kind, text } => {
                    tell(self.pam, kind, &text);
                    None
                }
            };
            // A conversation blocks in the host, where no deadline of ours reaches. What came too late counts as no.
            if self.deadline.passed(boot_millis()) {
                agent.farewell(&Stop::PersonLeft { for_good: false });
                return Ok(denial());
            }
            next = self.exchange(&watch, agent, reply)?;
        }
    }

    /// Connects and waits for the agent's first step.
    fn greet(&self, watch: &Watch, begin: assent_wire::Begin) -> Result<(Agent, ToModule), Stop> {
        let _quiet = watch.quiet()?;
        let begin = ToAgent::Begin(Box::new(begin));
        let agent = Agent::greet(&self.options.socket, &begin, watch, self.deadline)?;
        self.await_step(watch, agent)
    }

    /// Answers and waits for the agent's next step.
    fn exchange(&self, watch: &Watch, agent: Agent, reply: Option<Reply>) -> Result<(Agent, ToModule), Stop> {
        let _quiet = watch.quiet()?;
        if let Some(reply) = reply {
            let answer = ToAgent::Answer(Answer { reply });
            agent
                .send(&answer, watch, self.deadline)
                .inspect_err(|stop| agent.farewell(stop))?;
        }
        self.await_step(watch, agent)
    }

    fn await_step(&self, watch: &Watch, agent: Agent) -> Result<(Agent, ToModule), Stop> {
        let message = agent
            .receive(watch, self.deadline)
            .inspect_err(|stop| agent.farewell(stop))?;
        Ok((agent, message))
    }

    /// The password that an earlier module left, once; after that, or without one, the user is asked.
    fn password(&mut self, prompt: &str) -> Reply {
        if std::mem::take(&mut self.first_pass)
            && let Some(left) = item(self.pam, Item::Authtok)
        {
            return if left.len() > MAX_REPLY {
                Reply::Failed
            } else {
                Reply::Text(left)
            };
        }
        let reply = ask(self.pam, false, prompt);
        self.typed = match &reply {
            Reply::Text(text) if self.options.set_authtok && self.phase == Phase::Auth => Some(text.clone()),
            Reply::Text(_) | Reply::Failed => None,
        };
        reply
    }

    /// Shows the verdict's line, and lets an approval stand only for the user that it was given for, in time.
    fn conclude(&self, who: &Who, verdict: &Verdict) -> Outcome {
        fault::point("verdict");
        let outcome = Outcome::from(verdict);
        if !verdict.text.is_empty() {
            let kind = if matches!(outcome, Outcome::Approved(_)) {
                Tell::Info
            } else {
                Tell::Error
            };
            tell(self.pam, kind, &verdict.text);
        }
        match outcome {
            Outcome::Approved(approved) => {
                let same_user = facts::known_user(self.pam).is_some_and(|user| user == who.user);
                if !same_user || self.deadline.passed(boot_millis()) {
                    return Outcome::Denied;
                }
                self.keep(who, &approved);
                Outcome::Approved(approved)
            }
            other => other,
        }
    }

    /// Leaves what later phases and modules may have of an approved auth phase.
    fn keep(&self, who: &Who, approved: &Approved) {
        if self.phase != Phase::Auth {
            return;
        }
        if let Some(ticket) = approved.ticket() {
            let note = Note::new(ticket, holder(who), boot_millis());
            // Without it the account phase asks again: a nuisance, not a hole.
            let _ = self.pam.send_bytes(NOTE, note.to_bytes(), None);
        }
        if let Some(password) = self.typed.as_ref().and_then(|typed| CString::new(typed.to_vec()).ok()) {
            // The copy is wiped by the allocator.
            set_authtok(self.pam, &password);
        }
    }

    /// Takes the note out of the handle, so that it serves once. An auth phase begins anew and uses none.
    fn take_note(&self) -> Option<Note> {
        let bytes = Zeroizing::new(self.pam.retrieve_bytes(NOTE).ok().filter(|bytes| !bytes.is_empty())?);
        self.pam.send_bytes(NOTE, Vec::new(), None).ok()?;
        match self.phase {
            Phase::Auth => None,
            Phase::Account => Note::from_bytes(&bytes),
        }
    }
}

fn holder(who: &Who) -> Holder<'_> {
    Holder {
        user: &who.user,
        service: &who.service,
        pid: std::process::id(),
    }
}

/// The denial that the module gives by itself. It can write this verdict and no other.
fn denial() -> Verdict {
    Verdict {
        code: assent_wire::VerdictCode::Denied,
        text: String::new(),
        id: String::new(),
        ticket: None,
    }
}
