//! What all logins of this process share.

use crate::audit::{self, Audit, Trail};
use crate::clock::boot_now;
use crate::codes::Codes;
use crate::devices::Devices;
use crate::disk::Disk;
use crate::files;
use crate::grants::Grants;
use crate::memory::Memory;
use crate::push::{PushService, Relay, Waiting, http_client};
use crate::renewal;
use crate::revocations::{Kept, Revocations};
use crate::revoked_dir::ByHand;
use crate::sessions::Sessions;
use crate::standing::Standing;
use crate::telling;
use crate::tickets::Tickets;
use anyhow::anyhow;
use assent_engine::config::{AuthIndex, Config};
use assent_engine::directories::Directories;
use assent_engine::directory::Directory;
use assent_engine::directory::nss::{Nss, NssUser};
use assent_engine::ledger::{account, typist};
use assent_engine::names::UserName;
use assent_engine::places::Places;
use assent_proto::Id;
use assent_proto::cert::Identity;
use assent_proto::revocation::Origin;
use assent_proto::text::Outside;
use assent_proto::time::{BootTime, UnixTime};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{broadcast, oneshot};
use tokio::task::AbortHandle;

/// The gateway, as this host is joined to it.
pub struct Gateway {
    /// Its URL.
    pub url: String,
    /// Pushes and answers.
    pub relay: Arc<Relay>,
    /// Who can approve.
    pub devices: Devices,
    /// Who judges codes.
    pub codes: Arc<Codes>,
    /// This host's keys and certificates.
    pub host: Arc<Standing>,
    /// What is revoked and frozen.
    pub revocations: Arc<Revocations>,
    listener: AbortHandle,
    renewal: AbortHandle,
    keeper: AbortHandle,
    checkpoints: AbortHandle,
    telling: AbortHandle,
}

impl Gateway {
    /// Where a login comes from, for freezes: an address, or this host.
    pub fn origin(&self, client: Option<IpAddr>) -> Origin {
        client.map_or(Origin::Host(self.host.now().host.claims().host_id), Origin::Network)
    }

    /// For `assentctl status`.
    async fn status(&self) -> serde_json::Value {
        let (host, now) = (self.host.now(), UnixTime::now());
        let claims = host.host.claims();
        let mut status = serde_json::json!({
            "ok": self.relay.listening(),
            "url": self.url,
            "host": claims.display,
            "host_id": claims.host_id,
            "certificate_ends": claims.exp,
            "issuing_key_ends": host.issuers.newest(now).map(|issuer| issuer.claims().exp),
            "roots_version": host.root.version(),
            "revocations": self.revocations.status().await,
        });
        if let Some((url, tried)) = self.codes.try_url().await {
            status["codes_way"] = serde_json::json!({"url": url, "ok": tried.is_ok(), "problem": tried.err()});
        }
        if let Some(warning) = self.host.warning(now) {
            status["warning"] = warning.into();
        }
        status
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.listener.abort();
        self.renewal.abort();
        self.keeper.abort();
        self.checkpoints.abort();
        self.telling.abort();
    }
}

/// Without a data base that can be read no place is known, and logins go on.
fn places(config: &Config) -> Places {
    let Some(file) = config.location.as_deref() else {
        return Places::default();
    };
    Places::open(file).unwrap_or_else(|e| {
        tracing::warn!("{e}; places of addresses are not known");
        Places::default()
    })
}

/// Everything that follows from one configuration. A login keeps the one that it began with.
pub struct Setup {
    /// The checked configuration.
    pub config: Arc<Config>,
    /// Where decisions are recorded.
    pub audit: Arc<Audit>,
    /// The gateway, or why there is none.
    pub gateway: Result<Gateway, String>,
    /// What is remembered of people's pushes.
    pub memory: Arc<Memory>,
    /// Bypasses and blocks of single people.
    pub grants: Arc<Grants>,
    /// Where addresses are.
    pub places: Places,
    directories: Directories,
}

impl Setup {
    /// The directory behind an authentication profile.
    pub fn directory(&self, index: AuthIndex) -> &Directory {
        self.directories.of(index)
    }
}

/// A login in progress, for the admin.
pub struct Running {
    /// When it began.
    pub began: BootTime,
    /// The PAM service, made visible.
    pub service: String,
    /// Ends it.
    pub cancel: Option<oneshot::Sender<()>>,
}

/// What is kept in a state directory and in no other role's hands.
#[derive(Clone)]
struct State {
    dir: PathBuf,
    memory: Arc<Memory>,
    grants: Arc<Grants>,
}

impl State {
    fn open(dir: &Path, disk: &Arc<Disk>) -> Self {
        // Before anything is written there.
        files::sweep(dir);
        Self {
            dir: dir.to_owned(),
            memory: Memory::open(dir, Arc::clone(disk)),
            grants: Grants::open(dir, Arc::clone(disk)),
        }
    }
}

/// What happened, for D-Bus signals.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A login began.
    Started {
        /// Its short id.
        login: String,
        /// The PAM service, made visible.
        service: String,
    },
    /// A login was decided.
    Decided {
        /// Its short id.
        login: String,
        /// `approved`, `denied`, `ignored`.
        verdict: &'static str,
        /// The cause of a denial, or empty.
        cause: &'static str,
    },
    /// A part does not work; empty when all do again.
    Degraded(String),
    /// A device said "not me".
    Reported(Arc<Report>),
    /// An administrator decided something for one person. Everything from outside is visible text.
    Exception {
        /// `granted` or `ended`.
        what: &'static str,
        /// `bypass` or `block`.
        kind: &'static str,
        /// Whom for.
        user: String,
        /// Why it was granted.
        reason: String,
    },
}

/// A login that a device says its owner did not start. Everything from outside is made visible.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// Its short id.
    pub login: String,
    /// The user's name.
    pub user: String,
    /// Who that is, as `realm#id`.
    pub identity: String,
    /// The client's address, or `local`.
    pub source: String,
    /// This host's certified name.
    pub host: String,
    /// The PAM service.
    pub service: String,
    /// The device that said so.
    pub device: Id,
}

/// The agent.
pub struct Agent {
    config_path: PathBuf,
    setup: RwLock<Result<Arc<Setup>, String>>,
    /// The name service.
    pub nss: Arc<Nss>,
    /// Which login waits for which push.
    pub waiting: Arc<Waiting>,
    /// Tickets between auth and account phase.
    pub tickets: Tickets,
    /// Login sessions that were approved on a device.
    pub sessions: Sessions,
    /// The audit file's chain; a reload keeps it.
    trail: Mutex<Option<Arc<Trail>>>,
    /// What is kept in a state directory; a reload keeps it.
    state: Mutex<Option<State>>,
    /// Logins in progress by short id.
    pub running: Mutex<BTreeMap<String, Running>>,
    /// Signals for the admin.
    pub notices: broadcast::Sender<Notice>,
    /// Lists and freezes outlast a reload.
    revocations: Mutex<Option<Arc<Kept>>>,
    /// Writes the agent's own files.
    disk: Arc<Disk>,
    /// Reads what the admin revokes by hand: no file that is written slowly holds that up.
    admins_disk: Arc<Disk>,
}

impl Agent {
    /// An agent for the configuration at `config_path`. With a broken one it starts all the same and denies every
    /// login with a clear word, until a reload finds it mended.
    pub fn new(config_path: PathBuf) -> anyhow::Result<Arc<Self>> {
        let agent = Arc::new(Self {
            config_path,
            setup: RwLock::new(Err("the configuration was not read yet".into())),
            nss: Arc::new(Nss::new()),
            waiting: Arc::default(),
            tickets: Tickets::default(),
            sessions: Sessions::default(),
            trail: Mutex::default(),
            state: Mutex::default(),
            running: Mutex::default(),
            notices: broadcast::channel(256).0,
            revocations: Mutex::default(),
            disk: Disk::start("state")?,
            admins_disk: Disk::start("revoked.d")?,
        });
        if let Err(e) = agent.reload() {
            tracing::error!("the configuration is broken, every login is denied until it is mended:\n{e:#}");
            if let Ok(mut setup) = agent.setup.write() {
                *setup = Err(format!("{e:#}"));
            }
        }
        Ok(agent)
    }

    /// Waits until what was handed to the disk is written.
    pub async fn settle(&self) {
        if let Err(e) = self.disk.run(|| ()).wait().await {
            tracing::error!("not everything may have been written: {e}");
        }
    }

    /// What logins that begin now go by.
    pub fn setup(&self) -> Result<Arc<Setup>, String> {
        match self.setup.read() {
            Ok(setup) => setup.clone(),
            Err(_) => Err("a lock is broken".into()),
        }
    }

    /// Reads the configuration again. A bad one changes nothing.
    pub fn reload(&self) -> anyhow::Result<()> {
        let setup = Arc::new(self.build()?);
        let degraded = setup.gateway.as_ref().err().cloned();
        if let Some(why) = &degraded {
            tracing::warn!("pushes cannot be sent: {why}");
        }
        *self.setup.write().map_err(|_| anyhow!("a lock is broken"))? = Ok(setup);
        let _ = self.notices.send(Notice::Degraded(degraded.unwrap_or_default()));
        tracing::info!("the configuration {} is in force", self.config_path.display());
        Ok(())
    }

    fn build(&self) -> anyhow::Result<Setup> {
        let config = Arc::new(assent_engine::config::load(&self.config_path)?);
        let host = Standing::load(&config.paths.state_dir, &config.paths.trust_dir, UnixTime::now());
        let host_id = host
            .as_ref()
            .map_or_else(|_| "unjoined".to_owned(), |h| h.now().host.claims().host_id.to_string());
        let directories = Directories::new(&config, &self.nss, &host_id)?;
        let state = self.state_of(&config.paths.state_dir);
        let audit = Arc::new(Audit::open(&config.log, self.trail_of(&config.log.audit_file)));
        let gateway = match (&config.gateway, host) {
            (Some(gateway), Ok(host)) => self
                .connect(&config, gateway, host, &audit, &state)
                .map_err(|e| format!("{e:#}")),
            (Some(_), Err(e)) => Err(e.to_string()),
            (None, _) => Err("the configuration names no gateway".into()),
        };
        Ok(Setup {
            audit,
            memory: state.memory,
            grants: state.grants,
            places: places(&config),
            directories,
            gateway,
            config,
        })
    }

    /// What wrong passwords of a user are counted for.
    pub async fn accounts_of(&self, user: &str) -> Vec<Identity> {
        let Ok(name) = UserName::new(&Outside::new(user.as_bytes())) else {
            return Vec::new();
        };
        match self.nss.user(&name).await {
            NssUser::Found(found) => vec![account(&found.name), typist(found.uid)],
            NssUser::Unknown | NssUser::Unreachable(_) => vec![account(name.as_str())],
        }
    }

    fn trail_of(&self, path: &Path) -> Arc<Trail> {
        let mut slot = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.as_ref().filter(|trail| trail.path() == path) {
            Some(trail) => Arc::clone(trail),
            None => Arc::clone(slot.insert(Arc::new(Trail::new(path)))),
        }
    }

    fn state_of(&self, state_dir: &Path) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.as_ref().filter(|state| state.dir == state_dir) {
            Some(state) => state.clone(),
            None => state.insert(State::open(state_dir, &self.disk)).clone(),
        }
    }

    fn connect(
        &self,
        config: &Config,
        gateway: &assent_engine::config::Gateway,
        host: Standing,
        audit: &Arc<Audit>,
        state: &State,
    ) -> anyhow::Result<Gateway> {
        let client = http_client(gateway.ca_file.as_deref())?;
        let host = Arc::new(host);
        let relay = Arc::new(Relay::new(client, gateway, host.clone(), self.waiting.clone()));
        let listener = tokio::spawn(relay.clone().listen()).abort_handle();
        let revocations = Arc::new(Revocations::new(
            self.kept(&config.paths.state_dir, &host),
            relay.clone(),
            host.clone(),
            ByHand::new(config.paths.revoked_dir.clone(), Arc::clone(&self.admins_disk)),
            gateway.revocation_max_age,
        ));
        let keeper = tokio::spawn(revocations.clone().look_after()).abort_handle();
        let codes = Arc::new(Codes::new(relay.clone(), host.clone(), revocations.clone()));
        if gateway.codes_url.is_some() {
            tokio::spawn(Codes::learn(Arc::downgrade(&codes)));
        }
        Ok(Gateway {
            url: gateway.url.clone(),
            devices: Devices::new(relay.clone(), host.clone(), revocations.clone()),
            codes,
            renewal: tokio::spawn(renewal::look_after(host.clone(), relay.clone())).abort_handle(),
            checkpoints: tokio::spawn(audit::look_after(Arc::clone(audit), host.clone())).abort_handle(),
            telling: tokio::spawn(telling::look_after(
                host.clone(),
                relay.clone(),
                (Arc::clone(&state.grants), Arc::clone(&state.memory)),
                self.notices.subscribe(),
            ))
            .abort_handle(),
            revocations,
            keeper,
            relay,
            host,
            listener,
        })
    }

    fn kept(&self, state_dir: &Path, host: &Standing) -> Arc<Kept> {
        let mut slot = self.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        let roots = &host.now().roots;
        match slot.as_ref().filter(|kept| kept.is_of(state_dir)) {
            Some(kept) => {
                kept.go_by(roots);
                kept.clone()
            }
            None => slot.insert(Arc::new(Kept::open(state_dir, roots, &self.disk))).clone(),
        }
    }

    /// The agent's state as JSON, for `assentctl status`.
    pub async fn status(&self) -> serde_json::Value {
        let now = boot_now();
        let logins: Vec<_> = self.running.lock().map_or_else(
            |_| Vec::new(),
            |running| {
                running
                    .iter()
                    .map(|(id, login)| {
                        serde_json::json!({"login": id, "service": login.service, "seconds": now.0.saturating_sub(login.began.0).as_secs()})
                    })
                    .collect()
            },
        );
        let (config, gateway) = match self.setup() {
            Err(e) => (serde_json::json!({"ok": false, "problem": e}), serde_json::Value::Null),
            Ok(setup) => {
                let gateway = match &setup.gateway {
                    Err(e) => serde_json::json!({"ok": false, "problem": e}),
                    Ok(gateway) => gateway.status().await,
                };
                (serde_json::json!({"ok": true, "file": self.config_path}), gateway)
            }
        };
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "configuration": config,
            "gateway": gateway,
            "open_pushes": self.waiting.count(),
            "bypassed_users": self.setup().map_or(0, |setup| setup.grants.bypassed()),
            "logins": logins,
        })
    }
}
