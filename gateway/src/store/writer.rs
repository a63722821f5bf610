//! The one writer of `relay.db`. Operations queue here and are committed in groups: alone when it is quiet, up to
//! [`GROUP`] in one transaction under load. Only after the commit are they acknowledged and published, in commit
//! order, so a stream's numbers never go back.

use super::StoreError;
use super::relay::{self, Answered, Ended, KeptSubscription, Mailbox, NewPush, Pushed};
use crate::clock::Millis;
use assent_proto::relay::{Push, TrustInfo, Withdrawn};
use assent_proto::{Bytes, Id};
use sqlx::{Connection as _, SqliteConnection};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Most operations of one transaction.
const GROUP: usize = 64;
/// Operations that may queue before callers wait.
const QUEUE: usize = 1024;

/// What happened, once it is committed.
#[derive(Debug)]
pub enum Notice {
    /// A push came in.
    Pushed {
        /// Its number.
        seq: i64,
        /// The push, with its blobs.
        push: Arc<Push>,
    },
    /// An answer came in.
    Answered {
        /// Its number.
        seq: i64,
        /// Who waits for it.
        host: Id,
        /// The push.
        id: Id,
        /// Who answered.
        device: Id,
        /// Sealed to the host.
        blob: Bytes,
    },
    /// A push ended.
    Ended {
        /// Which, and whom to tell.
        ended: Ended,
        /// Why.
        why: Withdrawn,
    },
}

enum Op {
    Push(NewPush, oneshot::Sender<Pushed>),
    Withdraw(Id, Id, oneshot::Sender<bool>),
    Answer(Id, Id, Bytes, oneshot::Sender<Answered>),
    Sweep(oneshot::Sender<bool>),
    AddMailbox(Mailbox, oneshot::Sender<()>),
    RemoveMailbox(Id, oneshot::Sender<()>),
    Generation(u64, oneshot::Sender<()>),
    Trust(Box<TrustInfo>, oneshot::Sender<()>),
    Subscription(Id, Option<KeptSubscription>, oneshot::Sender<bool>),
    Close(oneshot::Sender<()>),
}

/// Where operations are handed in.
#[derive(Clone)]
pub struct Writer(mpsc::Sender<Op>);

impl Writer {
    /// Starts the writer on its own connection. `publish` hears what was committed and must not block.
    pub fn start(conn: SqliteConnection, publish: impl Fn(Notice) + Send + 'static) -> Self {
        let (ops, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(conn, queue, publish));
        Self(ops)
    }

    async fn ask<T>(&self, op: impl FnOnce(oneshot::Sender<T>) -> Op) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(op(reply)).await.map_err(|_| StoreError::Write)?;
        answer.await.map_err(|_| StoreError::Write)
    }

    /// Takes a push in.
    pub async fn push(&self, new: NewPush) -> Result<Pushed, StoreError> {
        self.ask(|reply| Op::Push(new, reply)).await
    }

    /// Ends a host's own push; whether it was alive.
    pub async fn withdraw(&self, host: Id, id: Id) -> Result<bool, StoreError> {
        self.ask(|reply| Op::Withdraw(host, id, reply)).await
    }

    /// Takes an answer in.
    pub async fn answer(&self, device: Id, id: Id, blob: Bytes) -> Result<Answered, StoreError> {
        self.ask(|reply| Op::Answer(device, id, blob, reply)).await
    }

    /// Ends what is over and forgets what is old; whether more is left to do.
    pub async fn sweep(&self) -> Result<bool, StoreError> {
        self.ask(Op::Sweep).await
    }

    /// Adds a mailbox.
    pub async fn add_mailbox(&self, mailbox: Mailbox) -> Result<(), StoreError> {
        self.ask(|reply| Op::AddMailbox(mailbox, reply)).await
    }

    /// Removes a mailbox.
    pub async fn remove_mailbox(&self, id: Id) -> Result<(), StoreError> {
        self.ask(|reply| Op::RemoveMailbox(id, reply)).await
    }

    /// Keeps a generation.
    pub async fn keep_generation(&self, generation: u64) -> Result<(), StoreError> {
        self.ask(|reply| Op::Generation(generation, reply)).await
    }

    /// Keeps what the registrar says of its keys.
    pub async fn keep_trust(&self, trust: TrustInfo) -> Result<(), StoreError> {
        self.ask(|reply| Op::Trust(Box::new(trust), reply)).await
    }

    /// Keeps a device's subscription, or forgets it; whether the device has a mailbox.
    pub async fn keep_subscription(&self, device: Id, kept: Option<KeptSubscription>) -> Result<bool, StoreError> {
        self.ask(|reply| Op::Subscription(device, kept, reply)).await
    }

    /// Commits what is queued and closes the data base.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.ask(Op::Close).await
    }
}

/// What is left to do once the group is committed. Dropped instead, the caller hears of a failure.
struct Applied {
    acknowledge: Box<dyn FnOnce() + Send>,
    notices: Vec<Notice>,
}

impl Applied {
    fn new<T: Send + 'static>(reply: oneshot::Sender<T>, value: T, notices: Vec<Notice>) -> Self {
        Self {
            // A caller that is gone needs no reply.
            acknowledge: Box::new(move || drop(reply.send(value))),
            notices,
        }
    }
}

async fn run(mut conn: SqliteConnection, mut queue: mpsc::Receiver<Op>, publish: impl Fn(Notice) + Send) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let close = take_close(&mut group);
        match commit(&mut conn, &mut group).await {
            Ok(applied) => {
                for done in applied {
                    done.notices.into_iter().for_each(&publish);
                    (done.acknowledge)();
                }
            }
            Err(error) => tracing::error!(%error, "a group of relay operations was not written"),
        }
        group.clear();
        if let Some(reply) = close {
            if let Err(error) = conn.close().await {
                tracing::error!(%error, "relay.db was not closed cleanly");
            }
            let _ = reply.send(());
            return;
        }
    }
}

fn take_close(group: &mut Vec<Op>) -> Option<oneshot::Sender<()>> {
    let at = group.iter().position(|op| matches!(op, Op::Close(_)))?;
    match group.swap_remove(at) {
        Op::Close(reply) => Some(reply),
        Op::Push(..)
        | Op::Withdraw(..)
        | Op::Answer(..)
        | Op::Sweep(_)
        | Op::AddMailbox(..)
        | Op::RemoveMailbox(..)
        | Op::Generation(..)
        | Op::Trust(..)
        | Op::Subscription(..) => None,
    }
}

async fn commit(conn: &mut SqliteConnection, group: &mut Vec<Op>) -> Result<Vec<Applied>, StoreError> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let mut applied = Vec::with_capacity(group.len());
    for op in group.drain(..) {
        applied.extend(apply(&mut tx, op).await?);
    }
    tx.commit().await?;
    Ok(applied)
}

async fn apply(conn: &mut SqliteConnection, op: Op) -> Result<Option<Applied>, StoreError> {
    let now = Millis::now();
    Ok(Some(match op {
        Op::Push(new, reply) => {
            let pushed = relay::push(conn, &new, now).await?;
            let notices = match pushed {
                Pushed::New { seq } => vec![Notice::Pushed { seq, push: new.push }],
                Pushed::Same | Pushed::Ended | Pushed::Conflict | Pushed::Full { .. } => Vec::new(),
            };
            Applied::new(reply, pushed, notices)
        }
        Op::Withdraw(host, id, reply) => {
            let ended = relay::withdraw(conn, host, id, now).await?;
            let was_alive = ended.is_some();
            let notices = ended.into_iter().map(|ended| Notice::Ended {
                ended,
                why: Withdrawn::Host,
            });
            Applied::new(reply, was_alive, notices.collect())
        }
        Op::Answer(device, id, blob, reply) => {
            let answered = relay::answer(conn, device, id, &blob, now).await?;
            let notices = match answered {
                Answered::New { seq, host } => vec![Notice::Answered {
                    seq,
                    host,
                    id,
                    device,
                    blob,
                }],
                Answered::Same | Answered::Gone | Answered::Full => Vec::new(),
            };
            Applied::new(reply, answered, notices)
        }
        Op::Sweep(reply) => {
            let ended = relay::expire(conn, now).await?;
            let forgotten = relay::forget(conn, now).await?;
            let rows = u64::try_from(relay::SWEEP_ROWS).unwrap_or(u64::MAX);
            let more = ended.len() as u64 >= rows || forgotten >= rows;
            let notices = ended.into_iter().map(|ended| Notice::Ended {
                ended,
                why: Withdrawn::Expired,
            });
            Applied::new(reply, more, notices.collect())
        }
        Op::AddMailbox(mailbox, reply) => {
            relay::add_mailbox(conn, &mailbox).await?;
            Applied::new(reply, (), Vec::new())
        }
        Op::RemoveMailbox(id, reply) => {
            relay::remove_mailbox(conn, id).await?;
            Applied::new(reply, (), Vec::new())
        }
        Op::Generation(generation, reply) => {
            relay::keep_generation(conn, generation).await?;
            Applied::new(reply, (), Vec::new())
        }
        Op::Trust(trust, reply) => {
            relay::keep_trust(conn, &trust).await?;
            Applied::new(reply, (), Vec::new())
        }
        Op::Subscription(device, kept, reply) => {
            let there = match kept {
                Some(kept) => relay::keep_subscription(conn, device, &kept).await?,
                None => {
                    relay::forget_subscription(conn, device).await?;
                    true
                }
            };
            Applied::new(reply, there, Vec::new())
        }
        // Taken out of the group before.
        Op::Close(_) => return Ok(None),
    }))
}
