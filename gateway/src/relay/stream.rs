//! `GET /v1/events`. A stream first says what the store holds for its reader, then what the bus brings; the listener
//! is opened before the store is read, so nothing falls between the two, and numbers tell repetitions.
//!
//! Within one stream each push and each answer comes once. A host that resumes by `Last-Event-ID` gets exactly the
//! answers after it. A device gets, at each connect, every live push that it has not answered; one that resumes is
//! also told which of those that it may still show have ended.

use super::Relay;
use super::auth::Caller;
use super::bus::{Event, Listener};
use super::event;
use super::subscription::left;
use crate::clock::Millis;
use crate::error::Error;
use crate::store::relay::{self as rows, Kind};
use crate::store::{SqliteConnection, StoreError};
use assent_proto::Id;
use assent_proto::relay::KEEP_ALIVE;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Events read from the store at once.
const PAGE: i64 = 32;
/// Ended pushes that a device which resumes is told of.
const ENDED: i64 = 64;

/// Opens the caller's stream.
pub async fn open(State(relay): State<Arc<Relay>>, caller: Caller, headers: HeaderMap) -> Result<Response, Error> {
    let mailbox = caller.mailbox();
    let listener = relay.bus.listen(mailbox.id).ok_or(Error::Closing)?;
    // Removed between the claim's check and now: the removal closed the streams that it saw.
    if relay.mailbox_of(&mailbox.key.id()).is_none() {
        return Err(Error::Claim("its mailbox is closed"));
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let resumes = last.and_then(|id| event::seq_of(id, &relay.epoch));
    let reader = Reader::start(relay, mailbox.id, mailbox.kind, listener, resumes).await?;
    let events = stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(text), reader))
    });
    let head = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((head, Body::from_stream(events)).into_response())
}

/// One reader of one mailbox.
pub(super) struct Reader {
    relay: Arc<Relay>,
    mailbox: Id,
    kind: Kind,
    listener: Listener,
    ready: VecDeque<Event>,
    /// Everything up to this number was said.
    said: i64,
    /// Whether the store has been read to its end.
    caught_up: bool,
    /// Whether answers of ended pushes are wanted.
    resumes: bool,
    keep_alive: tokio::time::Interval,
}

impl Reader {
    /// Begins with what the store holds.
    pub(super) async fn start(
        relay: Arc<Relay>,
        mailbox: Id,
        kind: Kind,
        listener: Listener,
        resumes: Option<i64>,
    ) -> Result<Self, Error> {
        let every = Duration::from_secs(KEEP_ALIVE);
        let mut reader = Self {
            keep_alive: tokio::time::interval_at(tokio::time::Instant::now() + every, every),
            relay,
            mailbox,
            kind,
            listener,
            ready: VecDeque::new(),
            said: 0,
            caught_up: false,
            resumes: resumes.is_some(),
        };
        match (kind, resumes) {
            (Kind::Host, last) => {
                reader.said = last.unwrap_or(0);
                reader.ready.extend(event::roster(reader.relay.generation()));
            }
            (Kind::Device, Some(last)) => reader.say_ended(last).await?,
            // A comment, so that the answer's head leaves at once.
            (Kind::Device, None) => reader.ready.push_back(comment()),
        }
        reader.read_page().await?;
        Ok(reader)
    }

    /// The next event as text; safe to be cancelled.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event.text);
            }
            if !self.caught_up {
                if let Err(error) = self.read_page().await {
                    tracing::error!(%error, "an event stream ends early: its backlog cannot be read");
                    return None;
                }
                continue;
            }
            tokio::select! {
                biased;
                event = self.listener.next() => {
                    let event = event?;
                    if event.seq.is_none_or(|seq| seq > self.said) {
                        return Some(event.text);
                    }
                }
                _ = self.keep_alive.tick() => return Some(comment().text),
            }
        }
    }

    async fn say_ended(&mut self, last: i64) -> Result<(), StoreError> {
        self.ready.push_back(comment());
        let mut conn = self.relay.readers.acquire().await?;
        let ended = rows::ended_upto(&mut conn, self.mailbox, last, ENDED).await?;
        self.ready
            .extend(ended.into_iter().filter_map(|(id, why)| event::withdrawn(id, why)));
        Ok(())
    }

    async fn read_page(&mut self) -> Result<(), StoreError> {
        let mut conn = self.relay.readers.acquire().await?;
        let page = match self.kind {
            Kind::Host => self.page_of_answers(&mut conn).await?,
            Kind::Device => self.page_of_pushes(&mut conn).await?,
        };
        self.caught_up = i64::try_from(page.len()).is_ok_and(|len| len < PAGE);
        for (seq, event) in page {
            self.said = seq;
            self.ready.extend(event);
        }
        Ok(())
    }

    async fn page_of_answers(&self, conn: &mut SqliteConnection) -> Result<Vec<(i64, Option<Event>)>, StoreError> {
        let page = rows::answers_after(conn, self.mailbox, self.said, self.resumes, PAGE).await?;
        let event = |a: rows::WaitingAnswer| (a.seq, event::answer(&self.relay.epoch, a.seq, a.id, a.device, a.blob));
        Ok(page.into_iter().map(event).collect())
    }

    async fn page_of_pushes(&self, conn: &mut SqliteConnection) -> Result<Vec<(i64, Option<Event>)>, StoreError> {
        let now = Millis::now();
        let page = rows::waiting_after(conn, self.mailbox, self.said, now, PAGE).await?;
        let event = |p: rows::Waiting| {
            let left = left(p.ends_at, now);
            (
                p.seq,
                event::push(&self.relay.epoch, p.seq, p.id, p.expiry, left, &p.blob),
            )
        };
        Ok(page.into_iter().map(event).collect())
    }
}

fn comment() -> Event {
    Event {
        seq: None,
        text: Bytes::from_static(event::KEEP_ALIVE.as_bytes()),
    }
}
