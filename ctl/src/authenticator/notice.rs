//! What a desktop notification says of a request (R11), and which notifications are to be up. Pure: what waits on the
//! desk and what the desktop said come in, what is to be shown and closed goes out.

use assent_proto::Id;
use assent_proto::request::{ENROL_SERVICE, Statement};
use assent_proto::text::{cut_in_the_middle, visible};
use assent_proto::time::BootTime;
use clap::ValueEnum;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The one thing that can be done on a notification, as the desktop says it back.
const DENY: &str = "deny";
/// Longest name of a service or host in a title.
const NAME: usize = 40;

/// How much a notification says; the web app's setting knows the same two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wording {
    /// Service and host
    Names,
    /// Only that a sign-in is waiting
    Plain,
    /// No notifications
    Off,
}

/// A request that waits, as its notification tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Of which request.
    pub id: Id,
    /// The line that anybody may read who sees the screen.
    pub title: String,
    /// What stands below. Nothing from outside, so that a desktop that reads markup there finds none.
    pub body: String,
    /// When it is over.
    pub ends: BootTime,
}

/// A notice for each request that waits, shown already or behind another.
pub fn notices<'a>(waiting: impl Iterator<Item = (&'a Statement, BootTime)>, wording: Wording) -> Vec<Notice> {
    waiting
        .enumerate()
        .filter_map(|(before, (statement, ends))| {
            let title = match wording {
                Wording::Names => about(statement),
                Wording::Plain => "A sign-in is waiting".into(),
                Wording::Off => return None,
            };
            Some(Notice {
                id: statement.id,
                title,
                body: body(before),
                ends,
            })
        })
        .collect()
}

/// Service and host, never more: address, user and command are for the terminal.
fn about(statement: &Statement) -> String {
    let part = |text: &str| cut_in_the_middle(&visible(text), NAME);
    let host = part(statement.host.display.as_str());
    match statement.svc.as_str() {
        ENROL_SERVICE => "A change of your devices".into(),
        "sshd" => format!("SSH login on {host}"),
        service => format!("{} on {host}", part(service)),
    }
}

/// Some desktops make one of two that read alike, so what came behind others says so.
fn body(before: usize) -> String {
    let details = "The details are in the terminal.";
    match before {
        0 => details.into(),
        1 => format!("It came while another one waited. {details}"),
        more => format!("It came while {more} others waited. {details}"),
    }
}

/// Name and label of each button. Approve is none: the details are in the terminal. Pressing the notification itself does
/// nothing, as there is nothing that could be opened.
pub fn buttons(able: &[String]) -> &'static [&'static str] {
    if able.iter().any(|one| one == "actions") {
        &[DENY, "Deny"]
    } else {
        &[]
    }
}

/// Where a notification is up: on the bus, the connection of the desktop that took it, and the number that it gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The connection's own name, which no other connection ever gets.
    pub desktop: String,
    /// The number, which means something to that desktop alone.
    pub number: u32,
}

/// What became of a request's notification.
#[derive(Debug)]
enum State {
    /// The desktop was asked to show it and has not answered.
    Asked,
    /// It was shown.
    Shown {
        place: Place,
        /// Until the person puts it away.
        up: bool,
    },
    /// It could not be shown, and is not tried again.
    Lost,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Todo {
    /// Show this.
    Show(Notice),
    /// Close what is up there.
    Close(Place),
}

/// The notifications of one authenticator.
#[derive(Debug, Default)]
pub struct Board {
    known: HashMap<Id, State>,
}

impl Board {
    /// What is to be done so that what waits is up and nothing else is.
    pub fn settle(&mut self, waiting: &[Notice]) -> Vec<Todo> {
        let mut todo = Vec::new();
        self.known.retain(|id, state| {
            if waiting.iter().any(|notice| notice.id == *id) {
                return true;
            }
            match state {
                // It cannot be closed before the desktop has said which it is.
                State::Asked => true,
                State::Shown { place, up } => {
                    if *up {
                        todo.push(Todo::Close(place.clone()));
                    }
                    false
                }
                State::Lost => false,
            }
        });
        for notice in waiting {
            if let Entry::Vacant(new) = self.known.entry(notice.id) {
                new.insert(State::Asked);
                todo.push(Todo::Show(notice.clone()));
            }
        }
        todo
    }

    /// The desktop has shown it, or not.
    pub fn asked(&mut self, id: Id, shown: Option<Place>) {
        let state = shown.map_or(State::Lost, |place| State::Shown { place, up: true });
        self.known.insert(id, state);
    }

    /// The desktop says that it is not up any more.
    pub fn gone(&mut self, gone: &Place) {
        for state in self.known.values_mut() {
            if let State::Shown { place, up } = state
                && place == gone
            {
                *up = false;
            }
        }
    }

    /// The bus is gone, and with it what was up: on the next one, names and numbers mean something else.
    pub fn bus_lost(&mut self) {
        self.known.values_mut().for_each(|state| *state = State::Lost);
    }

    /// The request whose Deny was pressed. A desktop may say first that the notification is gone, which changes nothing.
    pub fn denied(&self, pressed: &Place, action: &str) -> Option<Id> {
        let mut known = self.known.iter();
        let found = known.find(|(_, state)| matches!(state, State::Shown { place, .. } if place == pressed));
        found.filter(|_| action == DENY).map(|(id, _)| *id)
    }
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
