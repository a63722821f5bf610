//! What lies in front of the person: the request that is being asked about, and those that wait behind it. Pure: input
//! and time come in, what is to be printed and sent goes out.
//!
//! Only a typed `a`, after the details were drawn and while the request lives, approves. An empty line, an odd one,
//! the input's end, and whatever was typed before the request was on the screen do not.

use super::draw::{details, named};
use crate::terminal::Charset;
use assent_proto::answer::Decision;
use assent_proto::cert::Level;
use assent_proto::relay::Withdrawn;
use assent_proto::request::{Statement, VerifiedRequest};
use assent_proto::time::BootTime;
use assent_proto::{Id, ShortText};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Most requests that wait; what comes beyond is left to expire.
const MAX_WAITING: usize = 32;
/// A request that takes another's place on the screen takes no answer for so long: it was meant for the other.
const READING: Duration = Duration::from_millis(800);
/// How long an ended request is remembered, so that it is not shown again.
const REMEMBERED: Duration = Duration::from_secs(assent_proto::request::MAX_TTL as u64 + 60);

/// What happens.
pub enum Input<'a> {
    /// A verified request came; it lives for so many seconds.
    Push(Box<VerifiedRequest>, u32),
    /// The relay says that a request ended.
    Withdrawn(Id, Withdrawn),
    /// A line was typed.
    Line(&'a str),
    /// Deny was pressed on a request's notification.
    DenyPressed(Id),
    /// Time passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Print a line.
    Say(String),
    /// Print a question and leave the cursor behind it.
    Ask(String),
    /// Throw away what was typed and not read yet.
    ForgetTyped,
    /// Send an answer, or take it back, and go on from there. It is always the last.
    Answer(Box<Answer>),
    /// A request ended without an answer of ours.
    Ended,
}

/// What the person decided.
#[derive(Debug)]
pub struct Answer {
    /// Of which request.
    pub request: VerifiedRequest,
    /// What.
    pub decision: Decision,
    /// The number, as typed.
    pub num: Option<ShortText>,
    /// Until when it is any use.
    pub ends: BootTime,
}

struct Waiting {
    request: VerifiedRequest,
    ends: BootTime,
}

/// What the next line answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Decision,
    Number,
}

/// The requests of one authenticator.
pub struct Desk {
    charset: Charset,
    /// Whether this device has a passkey to approve with.
    has_passkey: bool,
    waiting: VecDeque<Waiting>,
    /// Whether the first is on the screen.
    drawn: bool,
    question: Question,
    answers_from: BootTime,
    ended: HashMap<Id, BootTime>,
}

impl Desk {
    /// An empty one.
    pub fn new(charset: Charset, has_passkey: bool) -> Self {
        Self {
            charset,
            has_passkey,
            waiting: VecDeque::new(),
            drawn: false,
            question: Question::Decision,
            answers_from: BootTime(Duration::ZERO),
            ended: HashMap::new(),
        }
    }

    /// Whether a question is open.
    pub fn asking(&self) -> bool {
        self.drawn
    }

    /// What waits, and until when.
    pub fn waiting(&self) -> impl Iterator<Item = (&Statement, BootTime)> {
        self.waiting.iter().map(|w| (&w.request.statement, w.ends))
    }

    /// An answer did not get through: if the request comes again, it is shown again.
    pub fn unsent(&mut self, id: Id) {
        self.ended.remove(&id);
    }

    /// The answer has gone its way, which may have taken a while: asks what is to be asked now. What is drawn only now takes no
    /// answer that was typed meanwhile.
    pub fn go_on(&mut self, now: BootTime) -> Vec<Output> {
        let mut out = Vec::new();
        match self.drawn {
            true if !self.first_is_over(now) => self.ask(now, &mut out),
            true => self.expire(now, &mut out),
            false => {
                self.expire_others(now);
                self.show(now, READING, &mut out);
            }
        }
        out
    }

    /// An approval could not be signed: it is asked about again, as long as it lives.
    pub fn take_back(&mut self, now: BootTime, answer: Answer) -> Vec<Output> {
        let mut out = Vec::new();
        self.ended.remove(&answer.request.statement.id);
        self.waiting.push_front(Waiting {
            request: answer.request,
            ends: answer.ends,
        });
        // It was, and still is.
        self.drawn = true;
        match self.first_is_over(now) {
            true => self.expire(now, &mut out),
            false => self.show(now, Duration::ZERO, &mut out),
        }
        out
    }

    /// One step.
    pub fn step(&mut self, now: BootTime, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        self.ended.retain(|_, until| *until > now);
        match input {
            Input::Push(request, left) => self.push(now, *request, left, &mut out),
            Input::Withdrawn(id, why) => self.withdrawn(now, id, why, &mut out),
            Input::Line(line) => self.line(now, line.trim(), &mut out),
            Input::DenyPressed(id) => self.deny_pressed(now, id, &mut out),
            Input::Tick => self.expire(now, &mut out),
        }
        out
    }

    fn push(&mut self, now: BootTime, request: VerifiedRequest, left: u32, out: &mut Vec<Output>) {
        let id = request.statement.id;
        let known = self.ended.contains_key(&id) || self.waiting.iter().any(|w| w.request.statement.id == id);
        if known || left == 0 || self.waiting.len() >= MAX_WAITING {
            return;
        }
        // The relay's word shortens a life, it never lengthens it.
        let ends = now.plus(Duration::from_secs(u64::from(left.min(request.statement.ttl))));
        self.waiting.push_back(Waiting { request, ends });
        if self.waiting.len() == 1 {
            self.show(now, Duration::ZERO, out);
        } else {
            out.push(Output::Say(String::new()));
            out.push(Output::Say(format!(
                "({} more wait; each is shown in its turn)",
                self.waiting.len() - 1
            )));
            self.ask(now, out);
        }
    }

    /// Draws the first request and asks.
    fn show(&mut self, now: BootTime, reading: Duration, out: &mut Vec<Output>) {
        self.question = Question::Decision;
        self.drawn = !self.waiting.is_empty();
        let Some(first) = self.waiting.front() else {
            return;
        };
        out.push(Output::ForgetTyped);
        let left = first.ends.0.saturating_sub(now.0).as_secs();
        let lines = details(&first.request, left, self.waiting.len(), self.has_passkey, self.charset);
        out.extend(lines.into_iter().map(Output::Say));
        self.answers_from = now.plus(reading);
        self.ask(now, out);
    }

    fn ask(&self, now: BootTime, out: &mut Vec<Output>) {
        let Some(first) = self.waiting.front() else {
            return;
        };
        let statement = &first.request.statement;
        let left = first.ends.0.saturating_sub(now.0).as_secs();
        out.push(Output::Say(format!(
            "{} ({left} s left)",
            named(statement, self.charset)
        )));
        out.push(Output::Ask(match (self.question, statement.level) {
            (Question::Number, _) => format!(
                "Number on the terminal that asks ({} digits; empty goes back): ",
                statement.digits
            ),
            (Question::Decision, _) if statement.takes_passkey() && !self.has_passkey => "[d]eny, [n]ot me? ".into(),
            (Question::Decision, _) => "[a]pprove, [d]eny, [n]ot me? ".into(),
        }));
    }

    fn line(&mut self, now: BootTime, line: &str, out: &mut Vec<Output>) {
        if !self.asking() {
            return;
        }
        self.expire_others(now);
        if self.first_is_over(now) {
            self.expire(now, out);
            return;
        }
        if now < self.answers_from {
            out.push(Output::Say(
                "That was typed before this request could be read; it does not count.".into(),
            ));
            self.ask(now, out);
            return;
        }
        match self.question {
            Question::Decision => self.decide(now, line, out),
            Question::Number => self.number(now, line, out),
        }
    }

    fn decide(&mut self, now: BootTime, line: &str, out: &mut Vec<Output>) {
        let first = self.waiting.front().map(|first| &first.request.statement);
        let level = first
            .filter(|first| self.has_passkey || !first.takes_passkey())
            .map(|first| first.level);
        match (line.to_ascii_lowercase().as_str(), level) {
            ("d" | "deny", _) => self.answer(now, Decision::Deny, None, out),
            ("n" | "not me", _) => self.answer(now, Decision::Report, None, out),
            ("a" | "approve", Some(Level::Tap | Level::Passkey)) => self.answer(now, Decision::Approve, None, out),
            ("a" | "approve", Some(Level::Number)) => {
                self.question = Question::Number;
                self.ask(now, out);
            }
            ("a" | "approve", _) => {
                out.push(Output::Say(
                    "It takes a passkey, which this device was not enrolled with. Use one that was (here: enroll --security-key)."
                        .into(),
                ));
                self.ask(now, out);
            }
            _ => {
                out.push(Output::Say("Type one of the letters; there is no default.".into()));
                self.ask(now, out);
            }
        }
    }

    fn number(&mut self, now: BootTime, line: &str, out: &mut Vec<Output>) {
        let digits = self
            .waiting
            .front()
            .map_or(0, |first| usize::from(first.request.statement.digits));
        let typed: String = line.chars().filter(|c| *c != ' ').collect();
        if typed.is_empty() {
            self.question = Question::Decision;
        } else if typed.len() == digits && typed.bytes().all(|b| b.is_ascii_digit()) {
            self.answer(now, Decision::Approve, Some(ShortText::cut(typed)), out);
            return;
        } else {
            out.push(Output::Say(format!("The number has {digits} digits and nothing else.")));
        }
        self.ask(now, out);
    }

    fn answer(&mut self, now: BootTime, decision: Decision, num: Option<ShortText>, out: &mut Vec<Output>) {
        let Some(Waiting { request, ends }) = self.waiting.pop_front() else {
            return;
        };
        self.drawn = false;
        self.ended.insert(request.statement.id, now.plus(REMEMBERED));
        out.push(Output::Answer(Box::new(Answer {
            request,
            decision,
            num,
            ends,
        })));
    }

    /// It may be pressed at any time and for any request that waits, since it allows nothing.
    fn deny_pressed(&mut self, now: BootTime, id: Id, out: &mut Vec<Output>) {
        self.expire(now, out);
        let at = self.waiting.iter().position(|w| w.request.statement.id == id);
        let Some((at, Waiting { request, ends })) = at.and_then(|at| Some((at, self.waiting.remove(at)?))) else {
            if self.ended.contains_key(&id) {
                out.push(Output::Say(String::new()));
                out.push(Output::Say(
                    "Deny was pressed on a notification too late: that request had ended.".into(),
                ));
                self.ask(now, out);
            }
            return;
        };
        self.ended.insert(id, now.plus(REMEMBERED));
        out.push(Output::Say(String::new()));
        let name = named(&request.statement, self.charset);
        out.push(Output::Say(format!("{name}: Deny was pressed on its notification.")));
        out.push(Output::Answer(Box::new(Answer {
            request,
            decision: Decision::Deny,
            num: None,
            ends,
        })));
        self.drawn &= at > 0;
    }

    fn withdrawn(&mut self, now: BootTime, id: Id, why: Withdrawn, out: &mut Vec<Output>) {
        let Some(at) = self.waiting.iter().position(|w| w.request.statement.id == id) else {
            return;
        };
        if at > 0 {
            self.waiting.remove(at);
            self.ended.insert(id, now.plus(REMEMBERED));
            return;
        }
        self.end_first(now, out, |ago| match why {
            Withdrawn::Host => "the host withdrew it; it needs no answer any more".into(),
            Withdrawn::Expired => format!("expired {ago} s ago, nothing was allowed"),
        });
    }

    fn expire(&mut self, now: BootTime, out: &mut Vec<Output>) {
        self.expire_others(now);
        while self.first_is_over(now) {
            self.end_first(now, out, |ago| format!("expired {ago} s ago, nothing was allowed"));
        }
    }

    fn first_is_over(&self, now: BootTime) -> bool {
        self.waiting.front().is_some_and(|first| first.ends <= now)
    }

    /// Those behind the one on the screen were never shown, so nothing is said of them.
    fn expire_others(&mut self, now: BootTime) {
        let ended = &mut self.ended;
        let mut first = self.drawn;
        self.waiting.retain(|waiting| {
            let keep = first || waiting.ends > now;
            first = false;
            if !keep {
                ended.insert(waiting.request.statement.id, now.plus(REMEMBERED));
            }
            keep
        });
    }

    fn end_first(&mut self, now: BootTime, out: &mut Vec<Output>, why: impl FnOnce(u64) -> String) {
        let Some(Waiting { request, ends }) = self.waiting.pop_front() else {
            return;
        };
        self.ended.insert(request.statement.id, now.plus(REMEMBERED));
        let ago = now.0.saturating_sub(ends.0).as_secs();
        out.push(Output::Say(String::new()));
        out.push(Output::Say(format!(
            "{}: {}.",
            named(&request.statement, self.charset),
            why(ago)
        )));
        out.push(Output::Ended);
        self.show(now, READING, out);
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
