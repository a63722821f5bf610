//! Desktop notifications (org.freedesktop.Notifications on the session bus), beside the terminal and never in its way:
//! no answer waits for the desktop. A desktop that is not there, hangs or dies costs the notifications and nothing else.

use super::events::{Heard, boot_now};
use super::notice::{Board, Notice, Place, Todo, Wording, buttons};
use assent_proto::Id;
use assent_proto::text::visible;
use assent_proto::time::BootTime;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use zbus::message::Type;
use zbus::{Connection, DynamicType, MatchRule, Message, MessageStream, Variant};

/// The longest that a desktop, or the bus, takes for an answer. Also for closing all when the program ends.
pub const PATIENCE: Duration = Duration::from_secs(1);
const BUS: &str = "org.freedesktop.DBus";
const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Shown as usual; one that is critical would pass over what the person has set for times of quiet.
const NORMAL: u8 = 1;

/// Keeps what waits on the desktop's screen, and hands on where Deny is pressed, until nobody tells what waits any more;
/// then closes what is up.
pub async fn look_after(wording: Wording, waiting: watch::Receiver<Vec<Notice>>, heard: mpsc::Sender<Heard>) {
    let troubled = Cell::new(false);
    let mut desktop = Desktop {
        heard: &heard,
        waiting,
        troubled: &troubled,
        board: Board::default(),
        bus: None,
        doing: FuturesUnordered::new(),
    };
    if wording != Wording::Off {
        desktop.look().await;
    }
    loop {
        tokio::select! {
            // What was shown is known before what was pressed on it.
            biased;
            Some(done) = desktop.doing.next() => desktop.done(done),
            signal = next(&mut desktop.bus) => desktop.heed(signal).await,
            told = desktop.waiting.changed() => if told.is_err() {
                return desktop.end().await;
            },
        }
        desktop.settle().await;
    }
}

/// What the desktop was asked, come to an end.
enum Done {
    /// A notification was shown, or could not be.
    Shown(Id, Option<Place>),
    /// Anything that nothing follows from.
    Other,
}

struct Bus {
    connection: Connection,
    signals: MessageStream,
}

struct Desktop<'a> {
    heard: &'a mpsc::Sender<Heard>,
    waiting: watch::Receiver<Vec<Notice>>,
    /// Whether the last try failed: the person has been told then.
    troubled: &'a Cell<bool>,
    board: Board,
    bus: Option<Bus>,
    /// What is being asked of the desktop.
    doing: FuturesUnordered<LocalBoxFuture<'a, Done>>,
}

impl Desktop<'_> {
    /// Sees whether there is a desktop, so that the person hears now if there is none.
    async fn look(&mut self) {
        let Some(connection) = self.connection().await else {
            return;
        };
        let (heard, troubled) = (self.heard, self.troubled);
        let look = async move {
            match find(&connection).await {
                Ok(_) => troubled.set(false),
                Err(why) => trouble(heard, troubled, &why).await,
            }
            Done::Other
        };
        self.doing.push(look.boxed_local());
    }

    async fn settle(&mut self) {
        let notices = self.waiting.borrow_and_update().clone();
        for todo in self.board.settle(&notices) {
            match todo {
                Todo::Show(notice) => self.show(notice).await,
                Todo::Close(place) => self.close(place),
            }
        }
    }

    async fn show(&mut self, notice: Notice) {
        let Some(connection) = self.connection().await else {
            self.board.asked(notice.id, None);
            return;
        };
        let (heard, troubled, waiting) = (self.heard, self.troubled, self.waiting.clone());
        let show = async move {
            match show(&connection, &notice, &waiting, heard, troubled).await {
                Ok(shown) => {
                    troubled.set(false);
                    Done::Shown(notice.id, shown)
                }
                Err(why) => {
                    trouble(heard, troubled, &why).await;
                    Done::Shown(notice.id, None)
                }
            }
        };
        self.doing.push(show.boxed_local());
    }

    fn close(&mut self, place: Place) {
        let Some(connection) = self.bus.as_ref().map(|bus| bus.connection.clone()) else {
            return;
        };
        let close = async move {
            let closed = call::<()>(
                &connection,
                &place.desktop,
                PATH,
                NAME,
                "CloseNotification",
                &place.number,
            );
            // Who put it away before, or a desktop that is gone, has closed it as well.
            let _ = timeout(PATIENCE, closed).await;
            Done::Other
        };
        self.doing.push(close.boxed_local());
    }

    fn done(&mut self, done: Done) {
        if let Done::Shown(id, shown) = done {
            self.board.asked(id, shown);
        }
    }

    /// A signal; `None` when the bus is gone. What it is about counts only as the word of the desktop that was asked.
    async fn heed(&mut self, signal: Option<Message>) {
        let Some(signal) = signal else {
            self.bus = None;
            self.board.bus_lost();
            return;
        };
        let header = signal.header();
        let (Some(sender), Some(member)) = (header.sender(), header.member()) else {
            return;
        };
        let place = |number| Place {
            desktop: sender.to_string(),
            number,
        };
        match member.as_str() {
            "ActionInvoked" => {
                if let Ok((number, action)) = signal.body().deserialize::<(u32, String)>()
                    && let Some(id) = self.board.denied(&place(number), &action)
                {
                    // Nobody listens any more when the program ends.
                    let _ = self.heard.send(Heard::DenyPressed(id)).await;
                }
            }
            "NotificationClosed" => {
                if let Ok((number, _)) = signal.body().deserialize::<(u32, u32)>() {
                    self.board.gone(&place(number));
                }
            }
            _ => {}
        }
    }

    /// The bus, connected to anew where it is lost.
    async fn connection(&mut self) -> Option<Connection> {
        if self.bus.is_none() {
            match connect().await {
                Ok(bus) => self.bus = Some(bus),
                Err(why) => trouble(self.heard, self.troubled, &why).await,
            }
        }
        self.bus.as_ref().map(|bus| bus.connection.clone())
    }

    /// Closes what is up, also what is only being shown.
    async fn end(mut self) {
        for todo in self.board.settle(&[]) {
            if let Todo::Close(place) = todo {
                self.close(place);
            }
        }
        while let Some(done) = self.doing.next().await {
            self.done(done);
            for todo in self.board.settle(&[]) {
                if let Todo::Close(place) = todo {
                    self.close(place);
                }
            }
        }
    }
}

/// Says it, unless it was said and nothing has worked since.
async fn trouble(heard: &mpsc::Sender<Heard>, troubled: &Cell<bool>, why: &str) {
    if !troubled.replace(true) {
        let text = format!(
            "No desktop notifications: {}. Requests are shown here as always; `--notify off` does without.",
            visible(why)
        );
        let _ = heard.send(Heard::Remark(text)).await;
    }
}

/// The next signal; for ever without a bus.
async fn next(bus: &mut Option<Bus>) -> Option<Message> {
    let Some(bus) = bus else {
        return std::future::pending().await;
    };
    bus.signals.next().await.and_then(Result::ok)
}

async fn connect() -> Result<Bus, String> {
    let connecting = async {
        let connection = zbus::connection::Builder::session().build().await?;
        // The bus sends what the desktop tells everybody. What somebody else sends to this connection alone comes as
        // well: the sender is looked at with each signal.
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .path(PATH)
            .interface(NAME)
            .build()?;
        let signals = MessageStream::for_match_rule(rule, &connection, None).await?;
        Ok(Bus { connection, signals })
    };
    match timeout(PATIENCE, connecting).await {
        Ok(connected) => connected.map_err(|e: zbus::Error| format!("there is no session bus ({e})")),
        Err(_) => Err("the session bus does not answer".into()),
    }
}

/// The desktop that shows notifications now, started if the bus knows how, and what it can do.
async fn find(connection: &Connection) -> Result<(String, Vec<String>), String> {
    let finding = async {
        let owner = || call::<String>(connection, BUS, "/org/freedesktop/DBus", BUS, "GetNameOwner", &NAME);
        let desktop = match owner().await {
            Ok(desktop) => desktop,
            Err(_) => {
                let start = &(NAME, 0_u32);
                call::<u32>(
                    connection,
                    BUS,
                    "/org/freedesktop/DBus",
                    BUS,
                    "StartServiceByName",
                    start,
                )
                .await?;
                owner().await?
            }
        };
        let able = call(connection, &desktop, PATH, NAME, "GetCapabilities", &()).await?;
        Ok((desktop, able))
    };
    match timeout(PATIENCE, finding).await {
        Ok(found) => found.map_err(|e: zbus::Error| format!("no desktop answers on the session bus ({e})")),
        Err(_) => Err(SILENT.into()),
    }
}

const SILENT: &str = "the desktop does not answer";

/// Shows it, if it still waits once the desktop has answered to its name. A slow desktop's number is awaited while the
/// request lives, so that what it shows at last can be closed.
async fn show(
    connection: &Connection,
    notice: &Notice,
    waiting: &watch::Receiver<Vec<Notice>>,
    heard: &mpsc::Sender<Heard>,
    troubled: &Cell<bool>,
) -> Result<Option<Place>, String> {
    let (desktop, able) = find(connection).await?;
    let left = left(notice.ends);
    let waits = waiting.has_changed().is_ok() && waiting.borrow().iter().any(|other| other.id == notice.id);
    if !waits || left.is_zero() {
        return Ok(None);
    }
    let hints = HashMap::from([
        ("urgency", Variant::from(NORMAL)),
        ("category", Variant::from("x-assent.request")),
        // Not kept for later: it is closed when it is over.
        ("transient", Variant::from(true)),
    ]);
    let expires = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
    let body = (
        "Assent",
        0_u32,
        "",
        notice.title.as_str(),
        notice.body.as_str(),
        buttons(&able),
        hints,
        expires,
    );
    let number = {
        let mut showing = pin!(call::<u32>(connection, &desktop, PATH, NAME, "Notify", &body));
        let mut shown = timeout(PATIENCE, &mut showing).await;
        if shown.is_err() {
            trouble(heard, troubled, SILENT).await;
            shown = timeout(left, showing).await;
        }
        match shown {
            Ok(shown) => shown.map_err(|e| format!("the desktop refuses ({e})"))?,
            Err(_) => return Err(SILENT.into()),
        }
    };
    Ok(Some(Place { desktop, number }))
}

fn left(ends: BootTime) -> Duration {
    ends.0.saturating_sub(boot_now().0)
}

async fn call<R: DeserializeOwned + zbus::Type>(
    connection: &Connection,
    to: &str,
    path: &str,
    interface: &str,
    method: &str,
    body: &(impl Serialize + DynamicType),
) -> zbus::Result<R> {
    let reply = connection
        .call_method(Some(to), path, Some(interface), method, body)
        .await?;
    reply.body().deserialize()
}
