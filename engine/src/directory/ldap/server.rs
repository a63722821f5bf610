//! One server of a profile: its warm connection, its health, and the binds that are made on it.

use super::dial::{self, Connection, Failure};
use super::probe;
use super::spare::Spare;
use super::target::Target;
use super::verdict;
use crate::config::profile::{LdapServer, ServiceAccount};
use crate::directory::secret_file::{self, Stamp};
use ldap3::LdapResult;
use ldap3::controls::RawControl;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// A connection that was silent for longer is not trusted to be alive.
const MAX_IDLE: Duration = Duration::from_secs(240);
/// How long a server is passed over after its first failure, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Longest service password.
const MAX_SECRET: u64 = 4096;

/// One server.
#[derive(Debug)]
pub struct Server {
    target: Result<Target, String>,
    tls: Arc<rustls::ClientConfig>,
    step: Duration,
    health: Mutex<Health>,
    pooled: tokio::sync::Mutex<Option<Connection>>,
    /// A connection for the next user's bind.
    spare: Spare,
    /// Places for users' binds: each takes a connection of its own.
    binds: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    until: Option<Instant>,
    last: Option<(Instant, Failure)>,
    /// It takes connections and says nothing, and since when.
    silent: Option<Instant>,
    /// Somebody finds out whether it speaks.
    being_probed: bool,
    /// The password file whose content the server refused: knocking on would lock the service account.
    refused: Option<Stamp>,
}

impl Server {
    /// A server that has not been asked yet. Each step with it takes at most `step`; at most `binds` users are being
    /// bound at once.
    pub fn new(server: &LdapServer, tls: Arc<rustls::ClientConfig>, step: Duration, binds: usize) -> Self {
        Self {
            target: Target::new(server),
            tls,
            step,
            health: Mutex::default(),
            pooled: tokio::sync::Mutex::default(),
            spare: Spare::default(),
            binds: Arc::new(Semaphore::new(binds)),
        }
    }

    /// For the log.
    pub fn name(&self) -> String {
        match &self.target {
            Ok(target) => target.to_string(),
            Err(problem) => problem.clone(),
        }
    }

    /// Until when it is better to ask another.
    pub fn rests_until(&self) -> Option<Instant> {
        self.health().until.filter(|until| *until > Instant::now())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that it does not work. Logins that find out together count as one.
    pub fn failed(&self, failure: &Failure) {
        let now = Instant::now();
        let mut health = self.health();
        health.last = Some((now, failure.clone()));
        if health.until.is_some_and(|until| until > now) {
            return;
        }
        let rest = BACK_OFF.0.saturating_mul(1 << health.failures.min(8)).min(BACK_OFF.1);
        health.failures = health.failures.saturating_add(1);
        health.until = Some(now + rest);
        drop(health);
        tracing::warn!(
            server = self.name(),
            rest_seconds = rest.as_secs(),
            why = failure.0,
            "LDAP server failed"
        );
    }

    /// Remembers that it works.
    pub fn worked(&self) {
        let mut health = self.health();
        *health = Health {
            being_probed: health.being_probed,
            ..Health::default()
        };
    }

    /// Why nobody need wait for it, if it is known to say nothing.
    pub fn is_silent(&self) -> Option<Failure> {
        let since = self.health().silent?;
        let seconds = since.elapsed().as_secs();
        Some(Failure(format!("silent for {seconds} s and not asked until it speaks")))
    }

    /// Whether the caller is now the one who finds out whether it speaks.
    pub fn begin_probing(&self) -> bool {
        !std::mem::replace(&mut self.health().being_probed, true)
    }

    /// A probe met with silence.
    pub fn is_known_silent(&self) {
        let now = Instant::now();
        let mut health = self.health();
        if health.silent.is_none() {
            health.silent = Some(now);
            drop(health);
            tracing::warn!(server = self.name(), "LDAP server takes connections and says nothing");
        }
    }

    /// A probe had an answer, or a refusal that costs nobody any time.
    pub fn end_probing(&self) {
        let mut health = self.health();
        health.being_probed = false;
        if health.silent.take().is_some() {
            // Whoever comes next asks it, and does not wait for the end of its rest.
            health.until = None;
            drop(health);
            tracing::info!(server = self.name(), "LDAP server is not silent any more");
        }
    }

    /// Runs a step with its deadline.
    pub async fn within<T>(
        self: &Arc<Self>,
        what: &str,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.step, step).await {
            Ok(done) => done,
            Err(_) => {
                probe::find_out(self);
                Err(Failure(format!(
                    "{what}: no answer within {} s",
                    self.step.as_secs_f32()
                )))
            }
        }
    }

    /// A fresh connection, on which nobody is bound.
    pub async fn open(&self) -> Result<Connection, Failure> {
        let target = self.target.as_ref().map_err(|problem| Failure(problem.clone()))?;
        dial::open(target, &self.tls).await
    }

    /// The warm connection for searches, and whether it had been used before. Logins that wait for the same server
    /// wait for one attempt and share its outcome.
    pub async fn service(self: &Arc<Self>, account: Option<&ServiceAccount>) -> Result<(Connection, bool), Failure> {
        let asked = Instant::now();
        let mut pooled = self.pooled.lock().await;
        if let Some(connection) = pooled.as_mut()
            && !connection.is_closed()
            && !connection.is_given_up()
            && connection.used.elapsed() < MAX_IDLE
        {
            connection.used = Instant::now();
            return Ok((connection.clone(), true));
        }
        // Others may still have their answer on one that somebody has given up: it goes with the last of them.
        if let Some(old) = pooled.take().filter(|old| !old.is_given_up()) {
            old.close();
        }
        if let Some((at, failure)) = &self.health().last
            && *at > asked
        {
            return Err(failure.clone());
        }
        let opened = self.within("connect", self.open_service(account)).await;
        match opened {
            Ok(connection) => {
                tracing::debug!(server = self.name(), "LDAP service connection opened");
                *pooled = Some(connection.clone());
                Ok((connection, false))
            }
            Err(failure) => {
                self.failed(&failure);
                Err(failure)
            }
        }
    }

    /// A fresh connection of the service account.
    pub async fn open_service(&self, account: Option<&ServiceAccount>) -> Result<Connection, Failure> {
        let (connection, bound, stamp) = match account {
            None => return self.open().await,
            Some(ServiceAccount::External(_)) => {
                let mut connection = self.open().await?;
                let bound = connection.ldap.sasl_external_bind().await;
                (connection, bound, None)
            }
            Some(ServiceAccount::Simple { bind_dn, password_file }) => {
                let (secret, stamp) = service_secret(bind_dn, password_file)?;
                self.not_refused_before(password_file, stamp)?;
                let mut connection = self.open().await?;
                let bound = connection.ldap.simple_bind(bind_dn, secret.as_str()).await;
                (connection, bound, Some(stamp))
            }
        };
        let result = bound.map_err(|e| connection.failure("service bind", &e))?;
        if result.rc == 0 && !verdict::must_change(&result) {
            return Ok(connection);
        }
        if stamp.is_some() && matches!(result.rc, 0 | 19 | 48 | 49 | 50 | 53) {
            self.health().refused = stamp;
        }
        connection.close();
        Err(Failure(if result.rc == 0 {
            // 389 then refuses every search with 53, and says nothing (RFC 4511 has no word for it).
            "service bind: the service account must change its password first".to_owned()
        } else {
            format!("service bind: {}", verdict::shown(&result))
        }))
    }

    fn not_refused_before(&self, file: &Path, stamp: Stamp) -> Result<(), Failure> {
        let health = self.health();
        let rests = health.until.is_some_and(|until| until > Instant::now());
        if rests && health.refused == Some(stamp) {
            let file = assent_proto::text::visible(&file.to_string_lossy());
            return Err(Failure(format!(
                "service bind: refused a moment ago; tried again when {file} changes, or soon"
            )));
        }
        Ok(())
    }

    /// Forgets the warm connection, if it is still this one.
    pub async fn discard(&self, connection: &Connection) {
        let mut pooled = self.pooled.lock().await;
        if pooled.as_ref().is_some_and(|kept| kept.is(connection)) {
            *pooled = None;
        }
    }

    /// Binds as a user when its turn has come, see [`Self::bind_once`].
    pub async fn bind(self: &Arc<Self>, dn: &str, password: &str) -> Result<LdapResult, Failure> {
        let Ok(place) = self.binds.clone().acquire_owned().await else {
            return Err(Failure("bind: the profile is being closed".to_owned()));
        };
        self.within("bind", self.bind_once(dn, password, place)).await
    }

    /// Binds as a user on a connection of its own, which ends right after: a bind that fails leaves some servers'
    /// connections with whoever was bound before (R65).
    async fn bind_once(&self, dn: &str, password: &str, place: OwnedSemaphorePermit) -> Result<LdapResult, Failure> {
        if dn.is_empty() || password.is_empty() {
            // Either would be an anonymous bind, which succeeds (R62).
            return Err(Failure("bind: neither name nor password may be empty".to_owned()));
        }
        let (mut connection, spare) = match self.spare.take() {
            Some(connection) => (connection, true),
            None => (self.open().await?, false),
        };
        let mut result = bind(&mut connection, dn, password).await;
        if spare && result.is_err() && connection.is_closed() {
            // It died while it was kept: that says nothing of the server.
            connection = self.open().await?;
            result = bind(&mut connection, dn, password).await;
        }
        connection.close_and_give_back(place);
        if let (Ok(_), Ok(target)) = (&result, &self.target) {
            self.spare.refill(target, &self.tls, self.step);
        }
        result
    }
}

/// One bind, asking the server for its password policy's word.
async fn bind(connection: &mut Connection, dn: &str, password: &str) -> Result<LdapResult, Failure> {
    let policy = RawControl {
        ctype: verdict::POLICY_CONTROL.to_owned(),
        crit: false,
        val: None,
    };
    let bound = connection.ldap.with_controls(policy).simple_bind(dn, password).await;
    bound.map_err(|e| connection.failure("bind", &e))
}

/// The service account's password as it stands in its file now, without the line's end.
fn service_secret(bind_dn: &str, path: &Path) -> Result<(Zeroizing<String>, Stamp), Failure> {
    let shown = assent_proto::text::visible(&path.to_string_lossy());
    if bind_dn.trim().is_empty() {
        return Err(Failure("service bind: the DN is empty".to_owned()));
    }
    let (content, stamp) = secret_file::read(path, MAX_SECRET).map_err(|e| Failure(e.to_string()))?;
    let text = std::str::from_utf8(&content).map_err(|_| Failure(format!("{shown}: it is no text")))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() || text.contains(['\n', '\r', '\0']) {
        return Err(Failure(format!("{shown}: it must hold the password on one line")));
    }
    Ok((Zeroizing::new(text.to_owned()), stamp))
}
