//! What is to be sent, and to whom: subscriptions in memory, so that no push waits for the data base, and which pushes wait
//! at which device. Nothing here waits or fails: a queue that is full loses a ring, not the request, which stands in the
//! app as soon as that is open.

use super::sealed::Recipient;
use crate::clock;
use crate::store::relay::{Ended, KeptSubscription};
use assent_proto::Id;
use assent_proto::relay::{Push, Subscription};
use assent_proto::time::UnixTime;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages that may wait for the courier.
pub const QUEUE: usize = 2048;
/// How long a service may keep the word that a push is over: as long as the relay itself remembers it.
const OVER: Duration = Duration::from_secs(600);

/// Why a device is rung at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A request waits.
    Asked,
    /// It is over, and what shows it can go.
    Over,
}

/// One message.
#[derive(Debug)]
pub struct Job {
    /// To whom.
    pub device: Id,
    /// Where that device's browser hears.
    pub to: Arc<Subscription>,
    /// Which push.
    pub push: Id,
    /// What of it.
    pub why: Why,
    /// No longer.
    pub until: Instant,
}

#[derive(Debug)]
struct Known {
    to: Arc<Subscription>,
    silent_since: Option<UnixTime>,
}

/// A push that waits at a device which was rung at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Unheard,
    Heard,
}

#[derive(Debug, Default)]
struct State {
    /// `None`: the push service has ended it.
    subscriptions: HashMap<Id, Option<Known>>,
    waiting: HashMap<(Id, Id), Waits>,
}

/// How a device's subscription stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// There is none.
    None,
    /// The push service has ended it.
    Lost,
    /// It is used.
    Kept {
        /// Where.
        endpoint: String,
        /// Since when nothing that was sent has been heard.
        silent_since: Option<UnixTime>,
    },
}

/// What waits to be sent.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    queue: mpsc::Sender<Job>,
}

impl Outbox {
    /// With what was kept; the other end is the courier's.
    pub fn new(kept: Vec<(Id, KeptSubscription)>) -> (Self, mpsc::Receiver<Job>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let subscriptions = kept.into_iter().map(|(device, kept)| (device, known(kept))).collect();
        let state = Mutex::new(State {
            subscriptions,
            waiting: HashMap::new(),
        });
        (Self { state, queue }, jobs)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves the maps whole: each change is one call on them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device's subscription is this from now on.
    pub fn keep(&self, device: Id, kept: KeptSubscription) {
        self.lock().subscriptions.insert(device, known(kept));
    }

    /// A device has none any more.
    pub fn forget(&self, device: Id) {
        let mut state = self.lock();
        state.subscriptions.remove(&device);
        state.waiting.retain(|(_, one), _| *one != device);
    }

    /// How a device's stands.
    pub fn stands(&self, device: Id) -> Stands {
        match self.lock().subscriptions.get(&device) {
            None => Stands::None,
            Some(None) => Stands::Lost,
            Some(Some(known)) => Stands::Kept {
                endpoint: known.to.endpoint.as_str().to_owned(),
                silent_since: known.silent_since,
            },
        }
    }

    /// A push was taken: rings at each of its devices that has a subscription.
    pub fn pushed(&self, push: &Push) {
        let until = Instant::now() + Duration::from_secs(push.ttl.into());
        let mut state = self.lock();
        for item in &push.to {
            let Some(Some(known)) = state.subscriptions.get(&item.device) else {
                continue;
            };
            let job = Job {
                device: item.device,
                to: Arc::clone(&known.to),
                push: push.id,
                why: Why::Asked,
                until,
            };
            if self.hand_over(job) {
                state.waiting.insert((push.id, item.device), Waits::Unheard);
            }
        }
    }

    /// A device has answered a push; it needs not be told that it is over.
    pub fn answered(&self, push: Id, device: Id) {
        self.lock().waiting.remove(&(push, device));
    }

    /// A push is over: rings once more where it may still be shown.
    pub fn ended(&self, ended: &Ended) {
        let mut state = self.lock();
        for device in &ended.devices {
            if state.waiting.remove(&(ended.id, *device)).is_none() {
                continue;
            }
            if let Some(Some(known)) = state.subscriptions.get(device) {
                self.hand_over(Job {
                    device: *device,
                    to: Arc::clone(&known.to),
                    push: ended.id,
                    why: Why::Over,
                    until: Instant::now() + OVER,
                });
            }
        }
    }

    fn hand_over(&self, job: Job) -> bool {
        let device = job.device;
        let taken = self.queue.try_send(job).is_ok();
        if !taken {
            tracing::warn!(%device, "too much waits for the push services: one message is not sent");
        }
        taken
    }

    /// A device has fetched a push: whether it was thought to be silent.
    pub fn heard(&self, push: Id, device: Id) -> bool {
        let mut state = self.lock();
        if let Some(waits) = state.waiting.get_mut(&(push, device)) {
            *waits = Waits::Heard;
        }
        match state.subscriptions.get_mut(&device) {
            Some(Some(known)) => known.silent_since.take().is_some(),
            Some(None) | None => false,
        }
    }

    /// A device's subscription as it is to be kept.
    pub fn kept(&self, device: Id) -> Option<KeptSubscription> {
        let state = self.lock();
        let kept = state.subscriptions.get(&device)?;
        Some(kept.as_ref().map_or(KeptSubscription::Lost, as_kept))
    }

    /// Whether a push still waits at a device.
    pub fn waits(&self, push: Id, device: Id) -> bool {
        self.lock().waiting.contains_key(&(push, device))
    }

    /// Notes that a device has not fetched what its service took; when it was silent before, or has fetched, or the push is
    /// over, there is nothing to note.
    pub fn unheard(&self, push: Id, device: Id) -> Option<KeptSubscription> {
        let mut state = self.lock();
        if state.waiting.get(&(push, device)) != Some(&Waits::Unheard) {
            return None;
        }
        let known = state.subscriptions.get_mut(&device)?.as_mut()?;
        if known.silent_since.is_some() {
            return None;
        }
        known.silent_since = Some(clock::now());
        Some(as_kept(known))
    }

    /// The service has ended a subscription; whether that is still the one that is used.
    pub fn lost(&self, device: Id, to: &Arc<Subscription>) -> bool {
        let mut state = self.lock();
        match state.subscriptions.get_mut(&device) {
            Some(slot) if slot.as_ref().is_some_and(|known| Arc::ptr_eq(&known.to, to)) => {
                *slot = None;
                true
            }
            Some(_) | None => false,
        }
    }
}

fn as_kept(known: &Known) -> KeptSubscription {
    KeptSubscription::Reaches {
        to: (*known.to).clone(),
        silent_since: known.silent_since,
    }
}

fn known(kept: KeptSubscription) -> Option<Known> {
    match kept {
        KeptSubscription::Lost => None,
        // Looked at when it came; what does not hold any more is found when it is used.
        KeptSubscription::Reaches { to, silent_since } => Recipient::of(&to).is_ok().then(|| Known {
            to: Arc::new(to),
            silent_since,
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::keys::KemSecret;
    use assent_proto::relay::PushItem;
    use assent_proto::{Bytes, ShortText};

    fn subscription(endpoint: &str) -> KeptSubscription {
        let point = serde_json::to_value(KemSecret::generate().unwrap().public()).unwrap();
        KeptSubscription::Reaches {
            to: Subscription {
                endpoint: ShortText::new(endpoint).unwrap(),
                p256dh: serde_json::from_value(point).unwrap(),
                auth: Bytes(vec![1; 16]),
            },
            silent_since: None,
        }
    }

    fn push(id: u8, devices: &[Id]) -> Push {
        let item = |device: &Id| PushItem {
            device: *device,
            blob: Bytes(vec![1]),
        };
        Push {
            id: Id { 0: [id; 16] },
            expiry: UnixTime(0),
            ttl: 60,
            to: devices.iter().map(item).collect(),
        }
    }

    fn ended(push: &Push) -> Ended {
        Ended {
            id: push.id,
            devices: push.to.iter().map(|item| item.device).collect(),
        }
    }

    const A: Id = Id { 0: [0xa; 16] };
    const B: Id = Id { 0: [0xb; 16] };

    #[tokio::test]
    async fn who_answered_is_not_rung_at_again_and_who_was_not_rung_at_never() {
        let (outbox, mut jobs) = Outbox::new(vec![(A, subscription("https://x/a")), (B, subscription("https://x/b"))]);
        let stranger = Id { 0: [0xc; 16] };
        let first = push(1, &[A, B, stranger]);
        outbox.pushed(&first);
        for device in [A, B] {
            let job = jobs.try_recv().unwrap();
            assert_eq!((job.device, job.push, job.why), (device, first.id, Why::Asked));
        }
        outbox.answered(first.id, A);
        outbox.ended(&ended(&first));
        let job = jobs.try_recv().unwrap();
        assert_eq!((job.device, job.why), (B, Why::Over));
        assert!(jobs.try_recv().is_err());
        // Over twice is over once.
        outbox.ended(&ended(&first));
        assert!(jobs.try_recv().is_err());
    }

    #[tokio::test]
    async fn silent_is_who_fetched_nothing_until_they_fetch() {
        let (outbox, _jobs) = Outbox::new(vec![(A, subscription("https://x/a"))]);
        let (first, second) = (push(1, &[A]), push(2, &[A]));
        outbox.pushed(&first);
        assert!(!outbox.heard(first.id, A));
        assert!(outbox.unheard(first.id, A).is_none(), "it was fetched");
        outbox.pushed(&second);
        assert!(outbox.unheard(second.id, A).is_some());
        assert!(outbox.unheard(second.id, A).is_none(), "noted once");
        assert!(matches!(
            outbox.stands(A),
            Stands::Kept {
                silent_since: Some(_),
                ..
            }
        ));
        assert!(outbox.heard(second.id, A));
        assert!(matches!(outbox.stands(A), Stands::Kept { silent_since: None, .. }));
    }

    #[tokio::test]
    async fn a_queue_that_is_full_loses_messages_and_holds_nobody_up() {
        let (outbox, mut jobs) = Outbox::new(vec![(A, subscription("https://x/a"))]);
        for _ in 0..=QUEUE {
            outbox.pushed(&push(1, &[A]));
        }
        let mut taken = 0;
        while jobs.try_recv().is_ok() {
            taken += 1;
        }
        assert_eq!(taken, QUEUE);
    }

    #[test]
    fn a_subscription_that_was_renewed_meanwhile_is_not_lost() {
        let (outbox, mut jobs) = Outbox::new(vec![(A, subscription("https://x/old"))]);
        outbox.pushed(&push(1, &[A]));
        let old = jobs.try_recv().unwrap().to;
        outbox.keep(A, subscription("https://x/new"));
        assert!(!outbox.lost(A, &old));
        assert!(matches!(outbox.stands(A), Stands::Kept { .. }));
        outbox.pushed(&push(2, &[A]));
        let new = jobs.try_recv().unwrap().to;
        assert!(outbox.lost(A, &new));
        assert_eq!(outbox.stands(A), Stands::Lost);
    }
}
