//! A verified request as text: every detail before any question (R8), every odd character visible (R68), every
//! argument on a line of its own.

use super::wrap::{WIDTH, hang};
use crate::seconds::moment;
use crate::terminal::Charset;
use assent_proto::cert::Level;
use assent_proto::request::{Command, ENROL_SERVICE, Novelty, Source, Statement, VerifiedRequest};
use assent_proto::text::{cut_in_the_middle, visible};

/// The request's details. `left`: seconds until it ends; `waiting`: how many wait, this one included; `has_passkey`: whether
/// this device has one to approve with.
pub fn details(
    request: &VerifiedRequest,
    left: u64,
    waiting: usize,
    has_passkey: bool,
    charset: Charset,
) -> Vec<String> {
    let statement = &request.statement;
    let mut drawing = Drawing {
        charset,
        lines: Vec::new(),
    };
    drawing.rule();
    let more = if waiting > 1 {
        format!(" (1 of {waiting} that wait)")
    } else {
        String::new()
    };
    drawing.lines.push(format!("| REQUEST{more}: is this you?"));
    drawing.rule();
    drawing.who(statement);
    drawing.command(statement);
    drawing.circumstances(statement, left, has_passkey);
    drawing.rule();
    drawing.lines
}

struct Drawing {
    charset: Charset,
    lines: Vec<String>,
}

impl Drawing {
    fn rule(&mut self) {
        self.lines.push(format!("+{}", "-".repeat(WIDTH - 2)));
    }

    /// A labelled text from outside.
    fn field(&mut self, label: &str, text: &str) {
        self.shown(label, &visible(text));
    }

    /// A labelled text that is visible already.
    fn shown(&mut self, label: &str, text: &str) {
        let head = format!("| {label:<12}");
        self.lines.extend(hang(&head, &self.charset.fit(text)));
    }

    fn optional(&mut self, label: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.field(label, text);
        }
    }

    fn who(&mut self, statement: &Statement) {
        self.field("Service", statement.svc.as_str());
        self.field("Host", statement.host.display.as_str());
        self.shown(
            "Host id",
            &format!("{} (short form)", short(&statement.host.id.encode())),
        );
        self.field("User", statement.user.as_str());
        self.optional(
            "Becomes",
            statement.target_user.as_ref().map(assent_proto::ShortText::as_str),
        );
        self.optional(
            "Asked by",
            statement.ruser.as_ref().map(assent_proto::ShortText::as_str),
        );
        self.shown("Approves as", &statement.identity.to_string());
    }

    fn command(&mut self, statement: &Statement) {
        match &statement.cmd {
            Some(command) if statement.svc.as_str() == ENROL_SERVICE => self.device_in_question(command),
            Some(command) => self.whole_command(command),
            None => self.shown("Command", "none is part of this request"),
        }
        self.optional("Directory", statement.cwd.as_ref().map(assent_proto::ShortText::as_str));
        self.optional("Terminal", statement.tty.as_ref().map(assent_proto::ShortText::as_str));
    }

    /// The registrar asks whether a device may be added or removed.
    fn device_in_question(&mut self, command: &Command) {
        self.optional("To do", command.resolved.as_ref().map(assent_proto::ShortText::as_str));
        self.optional("Its name", command.args.first().map(assent_proto::ShortText::as_str));
    }

    fn whole_command(&mut self, command: &Command) {
        if let Some(resolved) = &command.resolved {
            self.field("Command", resolved.as_str());
            self.shown("", "as sudo resolved it. As asked, each argument for itself:");
        } else {
            self.shown("Command", "as asked, each argument for itself:");
        }
        for (at, argument) in command.args.iter().enumerate() {
            let text = format!("\"{}\"", visible(argument.as_str()));
            let head = format!("| {:>9}  ", format!("[{}]", at + 1));
            self.lines.extend(hang(&head, &self.charset.fit(&text)));
        }
        if command.args.is_empty() {
            self.shown("", "no arguments");
        }
        if command.truncated {
            self.shown(
                "",
                "!! PART OF THE COMMAND IS MISSING HERE: it was too long to be sent whole.",
            );
            self.shown("", "!! What is missing may be anything. Deny unless you know it.");
        }
    }

    fn circumstances(&mut self, statement: &Statement, left: u64, has_passkey: bool) {
        match &statement.src {
            Some(source) => self.shown("From", &from(source)),
            None => self.shown("From", "this host itself; no network address"),
        }
        if statement.first.is_empty() {
            self.shown("Passed", "nothing before this approval");
        } else {
            let factors: Vec<String> = statement.first.iter().map(|factor| visible(factor.as_str())).collect();
            self.shown("Passed", &factors.join(", "));
        }
        self.shown("Asked at", &format!("{} by the host's clock", moment(statement.iat)));
        self.shown("Time left", &format!("{left} s"));
        self.field("Application", statement.app.as_str());
        self.shown("Level", &level(statement, has_passkey));
        self.field("Login id", statement.login.as_str());
    }
}

fn from(source: &Source) -> String {
    let mut text = match (source.ip, source.port) {
        (std::net::IpAddr::V6(ip), Some(port)) => format!("[{ip}] port {port}"),
        (ip, Some(port)) => format!("{ip} port {port}"),
        (ip, None) => ip.to_string(),
    };
    if let Some(network) = &source.network {
        text = format!("{text}, network {}", visible(network.as_str()));
    }
    if let Some(place) = &source.place {
        text = format!("{text}, {}", visible(place.as_str()));
    }
    if let Some(asn) = source.asn {
        text = format!("{text}, AS{asn}");
    }
    match source.new {
        Some(Novelty::Address) => text.push_str(" (NEW ADDRESS for you on this host)"),
        Some(Novelty::Place) => text.push_str(" (NEW COUNTRY for you on this host)"),
        None => {}
    }
    text
}

fn level(statement: &Statement, has_passkey: bool) -> String {
    let locked = match statement.level {
        Level::Tap | Level::Number if statement.lock => ", with a passkey",
        Level::Tap | Level::Number | Level::Passkey => "",
    };
    let name = statement.level.name();
    let needs = match (statement.takes_passkey(), has_passkey, statement.level) {
        (true, false, _) => "this device has no passkey, so it cannot approve it, only deny",
        (true, true, Level::Number) => "approving needs the number on the terminal that asks, and the security key",
        (true, true, Level::Tap | Level::Passkey) => "approving needs the security key",
        (false, _, Level::Number) => "approving needs the number on the terminal that asks",
        (false, _, Level::Tap | Level::Passkey) => "approving is enough",
    };
    format!("{name}{locked}: {needs}")
}

/// The first half of an id, enough to tell two hosts of one name apart.
fn short(id: &str) -> String {
    id.chars().take(11).collect()
}

/// One line that names a request, for questions and results.
pub fn named(statement: &Statement, charset: Charset) -> String {
    let part = |text: &str, max| cut_in_the_middle(&visible(text), max);
    let text = format!(
        "{} on {}, login {}",
        part(statement.svc.as_str(), 12),
        part(statement.host.display.as_str(), 24),
        part(statement.login.as_str(), 8)
    );
    charset.fit(&text)
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
