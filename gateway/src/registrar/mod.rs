//! The registrar: certifies hosts and devices. It trusts nothing but signatures, MACs and its own tables; whoever
//! carries a call reads nothing of it and cannot change it.
//!
//! [`Registrar::handle`]: open the sealed call → [`hosts`], [`enrolments`] or [`device_calls`] decide inside one
//! transaction → commit → tell the relay which mailboxes open or close → sign and seal the reply. A failure in between
//! is a refusal ([`Refused::Internal`]), never a success. The panel comes by [`self_service`]; what needs a person's own
//! device goes out by [`approvals`]. No HTTP here.

pub mod admin;
mod approvals;
pub mod asked;
pub mod carrier;
pub mod code_changes;
pub mod code_counter;
mod code_service;
pub mod counter;
mod device_calls;
mod enrolments;
mod first;
pub mod freezes;
mod hosts;
mod issue;
pub mod keys;
mod last_known;
pub mod link;
pub mod mailing;
pub mod notice;
pub mod overview;
mod own_host;
mod reports;
pub mod revocations;
pub mod self_service;

use crate::clock;
use crate::config::Lives;
use crate::error::Error;
use crate::relay::in_process::Delivered;
use crate::store::enrolments as enrolments_store;
use crate::store::log::{self, Chain};
use crate::store::registrar as rows;
use crate::store::relay::{Kind, Mailbox};
use crate::store::revocations as lists;
use crate::store::{self, Durability, SqliteConnection, SqlitePool, StoreError, code_services};
use approvals::{Approvals, Wish};
use asked::Asked;
use assent_proto::cert::{DAY, Host, Identity};
use assent_proto::keys::{KeyId, KeyPair};
use assent_proto::registrar::{Ask, Refused, Reply, Sealed, receive};
use assent_proto::relay::TrustInfo;
use assent_proto::revocation::Revocations;
use assent_proto::time::{BootTime, SKEW, UnixTime};
use assent_proto::{Id, ShortText};
use carrier::Carrier;
use code_changes::CodesChange;
use keys::IssuingKeys;
use notice::Notice;
use reports::Reports;
use revocations::List;
use self_service::Rules;
use sqlx::{Sqlite, Transaction};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, MutexGuard, broadcast, mpsc};

/// The registrar.
pub struct Registrar {
    state_dir: PathBuf,
    /// Replaced whole when they are read anew: a call goes by those that it began with.
    keys: RwLock<Arc<IssuingKeys>>,
    lives: Lives,
    pool: SqlitePool,
    /// One call at a time decides and commits.
    turn: Mutex<()>,
    /// Nothing is issued on top of a log that was changed.
    log_is_whole: AtomicBool,
    relay: Carrier,
    rules: Rules,
    /// With which the registrar asks people's devices, as a host.
    own_keys: KeyPair,
    own_host: RwLock<Option<Host>>,
    approvals: Approvals,
    reports: Reports,
    list: List,
    /// The certificates of the code service.
    code_services: RwLock<Vec<String>>,
    code_changes: Asked<CodesChange>,
    overviews: Asked<()>,
    notices: broadcast::Sender<Notice>,
    /// What it remembers of reports began then.
    began: BootTime,
}

/// What the relay must hear once a decision is committed.
#[derive(Default)]
struct News {
    opened: Vec<Mailbox>,
    closed: Vec<Id>,
    generation: Option<u64>,
    /// What is to be asked of a person's devices.
    wish: Option<Wish>,
    notices: Vec<Notice>,
    /// Whose list of devices has changed in another way.
    changed: Vec<Identity>,
    /// A new revocation list.
    list: Option<Arc<Revocations>>,
    /// Whether every device is told of it.
    tell_devices: bool,
}

impl Registrar {
    /// Opens `registrar.db` in `state_dir` and checks its log.
    pub async fn open(
        state_dir: &Path,
        keys: IssuingKeys,
        lives: Lives,
        rules: Rules,
        relay: Carrier,
    ) -> anyhow::Result<Self> {
        let own_keys = own_host::keys(state_dir)?;
        let file = state_dir.join("registrar.db");
        let pool = store::open(&file, Durability::Power, 2, &store::REGISTRAR_MIGRATIONS).await?;
        let registrar = Self {
            state_dir: state_dir.to_owned(),
            keys: RwLock::new(Arc::new(keys)),
            lives,
            pool,
            turn: Mutex::new(()),
            log_is_whole: AtomicBool::new(false),
            relay,
            rules,
            own_keys,
            own_host: RwLock::new(None),
            approvals: Approvals::default(),
            reports: Reports::default(),
            list: List::default(),
            code_services: RwLock::default(),
            code_changes: Asked::default(),
            overviews: Asked::default(),
            notices: broadcast::channel(notice::BACKLOG).0,
            began: clock::boot_now(),
        };
        registrar.check_log().await?;
        let mut conn = registrar.pool.acquire().await?;
        let ended = enrolments_store::end_approvals(&mut conn).await?;
        if ended > 0 {
            tracing::info!(ended, "enrolments that waited for an approval ended with the restart");
        }
        drop(conn);
        Ok(registrar)
    }

    /// Certifies itself where that is due, and tells the relay everything: who the registrar is, who has a mailbox.
    pub async fn start(&self) -> Result<(), StoreError> {
        let turn = self.turn.lock().await;
        let now = clock::now();
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let host = self.certify_itself(&mut tx, &mut news, now).await?;
        *self.own_host.write().unwrap_or_else(PoisonError::into_inner) = host;
        self.keep_list(&mut tx, &mut news, now).await?;
        self.finish(tx, news, turn).await?;
        let _turn = self.turn.lock().await;
        let mut conn = self.pool.acquire().await?;
        let mut mailboxes = Vec::new();
        for (kind, all) in [
            (Kind::Host, rows::hosts(&mut conn).await?),
            (Kind::Device, rows::devices(&mut conn).await?),
        ] {
            let living = all
                .into_iter()
                .filter(|one| one.revoked.is_none() && one.exp.plus(SKEW) > now);
            mailboxes.extend(living.map(|one| Mailbox {
                id: one.id,
                kind,
                key: one.key,
            }));
        }
        // Those of a code service that runs apart hold over a restart.
        let living = code_services::living(&mut conn, now).await?;
        *self.code_services.write().unwrap_or_else(PoisonError::into_inner) = living;
        let own = self.own_host().map(|own| own.claims().host_id);
        self.relay.introduce(self.trust_info(now), own);
        self.relay.sync_mailboxes(mailboxes).await?;
        self.relay.set_generation(rows::generation(&mut conn).await?).await;
        Ok(())
    }

    /// The answers of people's devices, for [`Self::hear_devices`]. `None`: it has no certificate, and asks nobody.
    pub fn answers(&self) -> Option<mpsc::Receiver<Delivered>> {
        Some(self.relay.answers_to(self.own_host()?.claims().host_id))
    }

    fn own_host(&self) -> Option<Host> {
        self.own_host.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keys(&self) -> Arc<IssuingKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the issuing keys and roots anew: a new key signs from here on, the one before it still opens calls, and what
    /// it has signed holds until its end. Whatever is wrong leaves the old ones in use.
    pub async fn reload_keys(&self) -> anyhow::Result<()> {
        let now = self.use_keys(IssuingKeys::load(&self.state_dir)?).await?;
        tracing::info!(issuer = %now, "the issuing keys were read anew");
        self.start().await?;
        Ok(())
    }

    /// Puts others in the place of those that are in use; the one that signs from then on.
    async fn use_keys(&self, keys: IssuingKeys) -> anyhow::Result<KeyId> {
        let turn = self.turn.lock().await;
        let (before, now) = (self.keys(), keys.current().pair.sign.public().id());
        anyhow::ensure!(
            keys.root == before.root,
            "root.pub is another root than before; that takes a restart"
        );
        let signed = before.current().pair.sign.public().id();
        if keys.of(&signed).is_none() {
            tracing::warn!(
                "the issuing key that signed until now is gone: what it has signed cannot be checked here any more"
            );
        }
        if signed != now {
            tracing::info!(issuer = %now, before = %signed, "another issuing key signs from here on");
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        drop(turn);
        Ok(now)
    }

    /// What anyone may know.
    pub fn trust_info(&self, now: UnixTime) -> TrustInfo {
        let keys = self.keys();
        TrustInfo {
            roots: vec![keys.root.clone()],
            steps: keys.roots.steps().to_vec(),
            issuers: keys
                .living()
                .iter()
                .map(|one| one.issuer.document().to_owned())
                .collect(),
            code_services: self
                .code_services
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            now,
        }
    }

    /// Whether a call sealed to this key is for the registrar.
    fn has_issuer(&self, key: &KeyId) -> bool {
        self.keys().of(key).is_some()
    }

    /// One call.
    pub async fn handle(&self, sealed: &Sealed, now: UnixTime) -> Result<Sealed, Error> {
        let keys = self.keys();
        let Some(key) = keys.of(&sealed.issuer) else {
            return Err(Error::Malformed(
                "the call is sealed to another issuing key; ask /v1/trust again".into(),
            ));
        };
        let call = receive(&key.pair, sealed).map_err(|error| {
            tracing::debug!(%error, "a call to the registrar does not open");
            Error::Malformed("the call does not open".into())
        })?;
        let reply = match self.decide(&call.ask, now).await {
            Ok(reply) => reply,
            Err(error) => {
                tracing::error!(%error, "the registrar could not decide a call");
                refuse(Refused::Internal, "the registrar failed; its log says why")
            }
        };
        call.reply(&key.pair, reply, now).map_err(|error| {
            tracing::error!(%error, "the registrar could not reply");
            Error::Internal("the registrar could not reply")
        })
    }

    async fn decide(&self, ask: &Ask, now: UnixTime) -> Result<Reply, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let reply = match ask {
            Ask::JoinHost(join) => self.join_host(&mut tx, &mut news, join, now).await?,
            Ask::Host { signed } => self.host_asks(&mut tx, &mut news, signed, now).await?,
            Ask::EnrolDevice(enrolment) => self.enrol_device(&mut tx, enrolment, now).await?,
            Ask::Device { signed } => Self::device_asks(&mut tx, signed, now).await?,
            Ask::DeviceCall { signed } => self.device_calls(&mut tx, &mut news, signed, now).await?,
            Ask::Report { request, answer } => self.take_report(&mut tx, &mut news, (request, answer), now).await?,
        };
        self.finish(tx, news, turn).await?;
        Ok(reply)
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Commits, and tells whoever must hear of it, in the order of the commits.
    async fn finish(
        &self,
        tx: Transaction<'static, Sqlite>,
        mut news: News,
        turn: MutexGuard<'_, ()>,
    ) -> Result<(), StoreError> {
        tx.commit().await?;
        if let Some(list) = news.list.take() {
            self.list.put(list);
        }
        let wish = news.wish.take();
        let mut changed = std::mem::take(&mut news.changed);
        for notice in std::mem::take(&mut news.notices) {
            changed.extend(notice.identities.iter().cloned());
            // Nobody need listen.
            let _ = self.notices.send(notice);
        }
        self.tell(news, &turn).await?;
        // Asking takes its own turn where it fails.
        drop(turn);
        self.tell_people(&changed, clock::now()).await?;
        match wish {
            Some(wish) => self.ask_devices(wish).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, news: News, _turn: &MutexGuard<'_, ()>) -> Result<(), StoreError> {
        for mailbox in news.opened {
            self.relay.add_mailbox(mailbox).await?;
        }
        for id in news.closed {
            self.relay.remove_mailbox(id).await?;
        }
        if let Some(generation) = news.generation {
            self.relay.set_generation(generation).await;
        }
        if news.tell_devices {
            self.relay.tell_all_devices();
        }
        Ok(())
    }

    /// Closes mailboxes whose certificate ended, forgets what nobody can use, looks at the log and the issuer's life.
    pub async fn housekeeping(&self) -> Result<(), StoreError> {
        let now = clock::now();
        self.keys().warn_if_ending(&self.state_dir, now);
        if let Err(error) = IssuingKeys::forget_ended(&self.state_dir, now) {
            tracing::warn!(%error, "issuing keys that ended could not be looked through");
        }
        // What ended since then must not stay in use, and one that was made ahead of its time may begin.
        let read = match IssuingKeys::load_at(&self.state_dir, now) {
            Ok(keys) => self.use_keys(keys).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            tracing::error!("the issuing keys could not be read anew, those in use stay: {error:#}");
        }
        {
            let _turn = self.turn.lock().await;
            let mut conn = self.pool.acquire().await?;
            rows::forget_old(&mut conn, now, UnixTime(now.0.saturating_sub(DAY))).await?;
            lists::forget_old(&mut conn, UnixTime(now.0.saturating_sub(DAY))).await?;
        }
        self.check_log().await?;
        self.start().await
    }

    /// Reads the whole log; from a broken one on, nothing is issued.
    async fn check_log(&self) -> Result<Chain, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let chain = log::check(&mut conn).await?;
        let whole = match chain {
            Chain::Whole(_) => true,
            Chain::Broken(row) => {
                tracing::error!(
                    row,
                    "the registrar's log was changed: nothing will be certified until registrar.db is restored and looked into"
                );
                false
            }
        };
        self.log_is_whole.store(whole, Ordering::Release);
        Ok(chain)
    }

    /// Closes the data base.
    pub async fn close(&self) {
        let _turn = self.turn.lock().await;
        self.pool.close().await;
    }
}

fn refuse(code: Refused, text: &str) -> Reply {
    Reply::Refused {
        code,
        text: ShortText::cut(text.to_owned()),
    }
}

/// The same for every token that does not count, so that nobody learns which ones exist.
fn refuse_token() -> Reply {
    refuse(
        Refused::Token,
        "this token is not good (any more): it may be used up, over, or mistyped",
    )
}

/// Random bytes, or the call fails.
fn random_id() -> Result<Id, StoreError> {
    Id::random().map_err(|_| StoreError::Random)
}

/// Whether a caller's clock is near enough.
fn near(iat: UnixTime, now: UnixTime) -> bool {
    iat.0.abs_diff(now.0) <= assent_proto::registrar::CALL_WINDOW
}

fn refuse_clock(iat: UnixTime, now: UnixTime) -> Reply {
    let (away, way) = (iat.0.abs_diff(now.0), if iat < now { "behind" } else { "ahead of" });
    refuse(
        Refused::Clock,
        &format!("your clock is {away} seconds {way} the registrar's"),
    )
}

/// Remembers a call's nonce; `false`: it came before.
async fn first_time(conn: &mut SqliteConnection, key: &KeyId, n: Id, iat: UnixTime) -> Result<bool, StoreError> {
    rows::use_nonce(conn, key, n, iat.plus(assent_proto::registrar::CALL_WINDOW + 1)).await
}
