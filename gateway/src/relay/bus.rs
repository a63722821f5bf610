//! Who listens now. Each event stream has a bounded queue; a reader that does not keep up loses its stream, not its
//! events: they are in the store, and it resumes by id. Nothing here waits.

use assent_proto::Id;
use axum::body::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Events that may wait for one reader.
pub const QUEUE_EVENTS: usize = 256;
/// Bytes that may wait for one reader, beyond a single event.
pub const QUEUE_BYTES: usize = 1024 * 1024;
/// Streams of one mailbox; one more closes the oldest.
pub const MAX_STREAMS: usize = 8;

/// An event as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number, for events that the store numbers.
    pub seq: Option<i64>,
    /// The server-sent event, whole.
    pub text: Bytes,
}

struct Slot {
    number: u64,
    queue: mpsc::Sender<Event>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Listeners {
    closed: bool,
    by_mailbox: HashMap<Id, Vec<Slot>>,
}

/// The streams of all mailboxes.
#[derive(Default)]
pub struct Bus {
    listeners: Mutex<Listeners>,
    next: AtomicU64,
}

/// One stream's end of its queue. Dropped, the stream is gone.
pub struct Listener {
    bus: Arc<Bus>,
    mailbox: Id,
    number: u64,
    queue: mpsc::Receiver<Event>,
    bytes: Arc<AtomicUsize>,
}

impl Bus {
    fn lock(&self) -> MutexGuard<'_, Listeners> {
        // A panic under the lock leaves the map whole: each change is one call on it.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new stream of `mailbox`; `None` while the relay shuts down.
    pub fn listen(self: &Arc<Self>, mailbox: Id) -> Option<Listener> {
        let (sender, queue) = mpsc::channel(QUEUE_EVENTS);
        let bytes = Arc::new(AtomicUsize::new(0));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut listeners = self.lock();
        if listeners.closed {
            return None;
        }
        let slots = listeners.by_mailbox.entry(mailbox).or_default();
        if slots.len() >= MAX_STREAMS {
            slots.remove(0);
        }
        slots.push(Slot {
            number,
            queue: sender,
            bytes: Arc::clone(&bytes),
        });
        Some(Listener {
            bus: Arc::clone(self),
            mailbox,
            number,
            queue,
            bytes,
        })
    }

    /// Hands `event` to every stream of `mailbox`.
    pub fn send(&self, mailbox: Id, event: &Event) {
        let mut listeners = self.lock();
        if let Some(slots) = listeners.by_mailbox.get_mut(&mailbox) {
            slots.retain(|slot| slot.take(event));
            if slots.is_empty() {
                listeners.by_mailbox.remove(&mailbox);
            }
        }
    }

    /// Hands `event` to every stream of the mailboxes that `wanted` names.
    pub fn send_all(&self, event: &Event, wanted: impl Fn(&Id) -> bool) {
        let mut listeners = self.lock();
        for (_, slots) in listeners.by_mailbox.iter_mut().filter(|(id, _)| wanted(id)) {
            slots.retain(|slot| slot.take(event));
        }
    }

    /// Whether anyone listens for `mailbox`.
    pub fn listens(&self, mailbox: &Id) -> bool {
        self.lock()
            .by_mailbox
            .get(mailbox)
            .is_some_and(|slots| !slots.is_empty())
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.lock().by_mailbox.values().map(Vec::len).sum()
    }

    /// Ends the streams of a mailbox that is no more.
    pub fn close_mailbox(&self, mailbox: &Id) {
        self.lock().by_mailbox.remove(mailbox);
    }

    /// Ends every stream and opens no new one.
    pub fn close(&self) {
        let mut listeners = self.lock();
        listeners.closed = true;
        listeners.by_mailbox.clear();
    }
}

impl Slot {
    /// Queues the event; `false` cuts the reader off.
    fn take(&self, event: &Event) -> bool {
        let waiting = self.bytes.fetch_add(event.text.len(), Ordering::Relaxed);
        if waiting > 0 && waiting + event.text.len() > QUEUE_BYTES {
            return false;
        }
        self.queue.try_send(event.clone()).is_ok()
    }
}

impl Listener {
    /// The next event; `None` once the stream was cut off or closed.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.queue.recv().await?;
        self.bytes.fetch_sub(event.text.len(), Ordering::Relaxed);
        Some(event)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.bus.lock();
        if let Some(slots) = listeners.by_mailbox.get_mut(&self.mailbox) {
            slots.retain(|slot| slot.number != self.number);
            if slots.is_empty() {
                listeners.by_mailbox.remove(&self.mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(size: usize) -> Event {
        Event {
            seq: None,
            text: Bytes::from(vec![0; size]),
        }
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_cut_off_and_others_are_not() {
        let bus = Arc::new(Bus::default());
        let id = Id { 0: [1; 16] };
        let (mut slow, mut quick) = (bus.listen(id), bus.listen(id));
        let (Some(slow), Some(quick)) = (&mut slow, &mut quick) else {
            unreachable!("the bus is open")
        };
        for _ in 0..=QUEUE_EVENTS {
            bus.send(id, &event(10));
            assert!(quick.next().await.is_some());
        }
        for _ in 0..QUEUE_EVENTS {
            assert!(slow.next().await.is_some());
        }
        assert!(slow.next().await.is_none());
        assert_eq!(bus.streams(), 1);
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let bus = Arc::new(Bus::default());
        let id = Id { 0: [1; 16] };
        let listener = bus.listen(id);
        bus.send(id, &event(2 * QUEUE_BYTES));
        assert_eq!(bus.streams(), 1, "one event of any size passes");
        bus.send(id, &event(1));
        assert_eq!(bus.streams(), 0);
        drop(listener);
    }

    #[tokio::test]
    async fn the_ninth_stream_of_a_mailbox_closes_the_first() {
        let bus = Arc::new(Bus::default());
        let id = Id { 0: [1; 16] };
        let mut streams: Vec<_> = (0..=MAX_STREAMS).filter_map(|_| bus.listen(id)).collect();
        assert_eq!(bus.streams(), MAX_STREAMS);
        assert!(streams.remove(0).next().await.is_none());
        bus.send(id, &event(1));
        assert!(streams.remove(0).next().await.is_some());
    }

    #[tokio::test]
    async fn nothing_opens_after_the_close() {
        let bus = Arc::new(Bus::default());
        let id = Id { 0: [1; 16] };
        let mut open = bus.listen(id);
        bus.close();
        assert!(bus.listen(id).is_none());
        if let Some(open) = &mut open {
            assert!(open.next().await.is_none());
        }
    }
}
