//! The relay: a mailbox for sealed pushes and answers. It can delay or drop them; it can neither read nor approve.
//!
//! Call chain of a push: [`routes`] → [`auth::FromHost`] (exists only if the claim verified) → [`push::post`] →
//! [`crate::store::writer`] (commit) → [`Relay::publish`] → [`bus`] → [`stream`] → device. An answer goes the same way
//! back. [`Relay::sweep_for_ever`] ends what is over. What [`Relay::publish`] says also goes to the
//! [`crate::web_push::Outbox`], which rings at browsers ([`subscription`]).

pub mod auth;
pub mod body;
pub mod bus;
pub mod door;
pub mod event;
pub mod in_process;
pub mod limits;
pub mod link;
pub mod push;
pub mod routes;
pub mod stream;
pub mod subscription;

use crate::config::{Limits, WebPush};
use crate::keyfile;
use crate::store::relay::{Kind, Mailbox, MostAtDevice};
use crate::store::writer::{Notice, Writer};
use crate::store::{self, Durability, SqlitePool, StoreError};
use crate::web_push::Outbox;
use crate::web_push::courier::{self, Courier};
use crate::web_push::endpoint::Services;
use crate::web_push::resolver;
use crate::web_push::vapid::{KEY_FILE, Vapid};
use assent_proto::Id;
use assent_proto::keys::{KeyId, VerifyingKey};
use assent_proto::relay::TrustInfo;
use bus::Bus;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Connections that read what streams missed.
const READERS: u32 = 4;
/// How often ended pushes are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// The relay's state.
pub struct Relay {
    writer: Writer,
    readers: SqlitePool,
    bus: Arc<Bus>,
    in_process: Arc<in_process::Hosts>,
    mailboxes: RwLock<Mailboxes>,
    generation: AtomicU64,
    /// The store's own name, in every event id.
    epoch: String,
    auth: auth::Memo,
    limits: limits::Limiter,
    /// How many pushes of one host a device bears.
    most: MostAtDevice,
    outbox: Arc<Outbox>,
    /// How browsers are rung at; none where they are not.
    ringing: Option<Ringing>,
}

/// What a device must know to be rung at, and what it may ask for.
struct Ringing {
    key: VerifyingKey,
    services: Services,
}

#[derive(Default)]
struct Mailboxes {
    by_key: HashMap<KeyId, Arc<Mailbox>>,
    by_id: HashMap<Id, Arc<Mailbox>>,
}

impl Relay {
    /// Opens `relay.db` in `state_dir`.
    pub async fn open(
        state_dir: &Path,
        public_url: &str,
        limits: &Limits,
        web_push: &WebPush,
    ) -> anyhow::Result<Arc<Self>> {
        let file = state_dir.join("relay.db");
        let readers = store::open(&file, Durability::Process, READERS, &store::RELAY_MIGRATIONS).await?;
        let conn = store::open(&file, Durability::Process, 1, &store::RELAY_MIGRATIONS).await?;
        let mut conn = conn.acquire().await?.detach();
        let epoch = store::relay::epoch(&mut conn).await?;
        let mailboxes = store::relay::mailboxes(&mut conn).await?;
        let generation = store::relay::generation(&mut conn).await?;
        let rings = !web_push.services.is_empty();
        let subscriptions = match rings {
            true => store::relay::subscriptions(&mut conn).await?,
            false => Vec::new(),
        };
        let (outbox, jobs) = Outbox::new(subscriptions);
        let outbox = Arc::new(outbox);
        let bus = Arc::new(Bus::default());
        let epoch = epoch
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let in_process = Arc::<in_process::Hosts>::default();
        let publish = publisher(
            Arc::clone(&bus),
            Arc::clone(&in_process),
            Arc::clone(&outbox),
            epoch.clone(),
        );
        let writer = Writer::start(conn, publish);
        let ringing = match rings {
            true => {
                let vapid = Vapid::new(keyfile::own_signing_key(state_dir, KEY_FILE)?, web_push.contact.clone());
                let (key, services) = (vapid.public(), web_push.services.clone());
                let (proxy, ca_file) = (web_push.proxy.as_deref(), web_push.ca_file.as_deref());
                let client = courier::client(&services, proxy, ca_file, resolver::system())?;
                let courier = Courier::new(client, services.clone(), vapid, Arc::clone(&outbox), writer.clone());
                tokio::spawn(courier.run(jobs));
                Some(Ringing { key, services })
            }
            false => None,
        };
        let relay = Arc::new(Self {
            writer,
            outbox,
            ringing,
            readers,
            bus,
            in_process,
            mailboxes: RwLock::default(),
            generation: AtomicU64::new(generation),
            epoch,
            auth: auth::Memo::new(public_url),
            limits: limits::Limiter::new(limits),
            most: MostAtDevice {
                waiting: limits.waiting_per_host_and_device,
                unanswered: limits.unanswered_per_host_and_device,
            },
        });
        for mailbox in mailboxes {
            relay.remember(Arc::new(mailbox));
        }
        Ok(relay)
    }

    fn remember(&self, mailbox: Arc<Mailbox>) {
        let mut mailboxes = self.mailboxes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = mailboxes.by_id.insert(mailbox.id, Arc::clone(&mailbox)) {
            mailboxes.by_key.remove(&old.key.id());
        }
        mailboxes.by_key.insert(mailbox.key.id(), mailbox);
    }

    fn forget(&self, id: &Id) {
        let mut mailboxes = self.mailboxes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = mailboxes.by_id.remove(id) {
            mailboxes.by_key.remove(&old.key.id());
        }
    }

    /// The mailbox whose owner signs with `key`.
    fn mailbox_of(&self, key: &KeyId) -> Option<Arc<Mailbox>> {
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        mailboxes.by_key.get(key).cloned()
    }

    /// Whether a device has a mailbox here.
    fn knows_device(&self, id: &Id) -> bool {
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        mailboxes
            .by_id
            .get(id)
            .is_some_and(|mailbox| mailbox.kind == Kind::Device)
    }

    /// How many mailboxes there are.
    pub fn mailboxes(&self) -> usize {
        self.mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .len()
    }

    /// How many event streams are open.
    pub fn streams(&self) -> usize {
        self.bus.streams()
    }

    /// Whether the data base can be read.
    pub async fn healthy(&self) -> bool {
        match self.readers.acquire().await {
            Ok(mut conn) => store::relay::epoch(&mut conn).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Ends what is over, for ever.
    pub async fn sweep_for_ever(&self) {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            loop {
                match self.writer.sweep().await {
                    Ok(true) => tokio::task::yield_now().await,
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(%error, "ended pushes were not swept");
                        break;
                    }
                }
            }
            self.limits.tidy();
        }
    }

    /// Ends every stream; new ones are refused.
    pub fn close_streams(&self) {
        self.bus.close();
    }

    /// Commits what is queued.
    pub async fn close(&self) {
        if let Err(error) = self.writer.close().await {
            tracing::error!(%error, "the relay did not close cleanly");
        }
        self.readers.close().await;
    }
}

/// What the registrar tells the relay: called from this process, or ordered over [`link`].
impl Relay {
    /// Opens a mailbox.
    pub async fn add_mailbox(&self, mailbox: Mailbox) -> Result<(), StoreError> {
        self.writer.add_mailbox(mailbox.clone()).await?;
        self.remember(Arc::new(mailbox));
        Ok(())
    }

    /// Closes a mailbox: its claims are void from here on, its streams end.
    pub async fn remove_mailbox(&self, id: Id) -> Result<(), StoreError> {
        self.forget(&id);
        self.bus.close_mailbox(&id);
        self.outbox.forget(id);
        self.writer.remove_mailbox(id).await
    }

    /// Makes the mailboxes exactly these.
    pub async fn sync_mailboxes(&self, wanted: Vec<Mailbox>) -> Result<(), StoreError> {
        let known: Vec<Arc<Mailbox>> = {
            let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
            mailboxes.by_id.values().cloned().collect()
        };
        let stay: HashSet<Id> = wanted.iter().map(|new| new.id).collect();
        for old in known.iter().filter(|old| !stay.contains(&old.id)) {
            self.remove_mailbox(old.id).await?;
        }
        let known: HashMap<Id, Arc<Mailbox>> = known.into_iter().map(|old| (old.id, old)).collect();
        for new in wanted {
            if known.get(&new.id).is_none_or(|old| **old != new) {
                self.add_mailbox(new).await?;
            }
        }
        Ok(())
    }

    /// Devices were added or removed: keeps that, so that a restart tells no older state, and tells every host.
    pub async fn set_generation(&self, generation: u64) {
        if let Err(error) = self.writer.keep_generation(generation).await {
            // Telling matters more: hosts forget what they remember, whatever this tells after a restart.
            tracing::error!(%error, "the generation of devices was not kept");
        }
        self.generation.store(generation, Ordering::Release);
        let Some(event) = event::roster(generation) else {
            return;
        };
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        self.bus.send_all(&event, |id| {
            mailboxes
                .by_id
                .get(id)
                .is_some_and(|mailbox| mailbox.kind == Kind::Host)
        });
    }

    /// What the registrar said last of its keys, in this run or a former one.
    pub async fn kept_trust(&self) -> Option<TrustInfo> {
        let kept = async { store::relay::trust(&mut *self.readers.acquire().await?).await };
        kept.await.unwrap_or_else(|error: StoreError| {
            tracing::error!(%error, "what the registrar said of its keys cannot be read; it says so anew once it is linked");
            None
        })
    }

    /// Keeps what the registrar says of its keys.
    pub async fn keep_trust(&self, trust: TrustInfo) {
        if let Err(error) = self.writer.keep_trust(trust).await {
            tracing::error!(%error, "what the registrar says of its keys was not kept");
        }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

fn publisher(
    bus: Arc<Bus>,
    in_process: Arc<in_process::Hosts>,
    outbox: Arc<Outbox>,
    epoch: String,
) -> impl Fn(Notice) + Send + 'static {
    move |notice| match notice {
        Notice::Pushed { seq, push } => {
            outbox.pushed(&push);
            for item in &push.to {
                if bus.listens(&item.device)
                    && let Some(event) = event::push(&epoch, seq, push.id, push.expiry, push.ttl, &item.blob)
                {
                    bus.send(item.device, &event);
                }
            }
        }
        Notice::Answered {
            seq,
            host,
            id,
            device,
            blob,
        } => {
            outbox.answered(id, device);
            in_process.deliver(host, || in_process::Delivered {
                id,
                device,
                blob: blob.clone(),
            });
            if bus.listens(&host)
                && let Some(event) = event::answer(&epoch, seq, id, device, blob)
            {
                bus.send(host, &event);
            }
        }
        Notice::Ended { ended, why } => {
            outbox.ended(&ended);
            if let Some(event) = event::withdrawn(ended.id, why) {
                for device in ended.devices {
                    bus.send(device, &event);
                }
            }
        }
    }
}
