//! The name service switch, asked so that a module of it that hangs holds up nobody else (R90).
//!
//! Calls run on threads of their own, four at a time, and are given 2 s. A call that takes longer is left behind: its
//! caller learns that NSS cannot be reached, and its place is free again, up to [`MAX_STUCK`] such calls; only then do
//! the next ones wait in vain. Answers are kept for 60 s ("no such user" for 5 s), by a clock that nobody sets.
//!
//! glibc says "no such user" as well when the service behind a module (`sssd`, `nslcd`) is down: that cannot be told
//! apart here, and denies.

use crate::names::UserName;
use assent_proto::text::Outside;
use nix::errno::Errno;
use nix::unistd::{Gid, Group, User};
use std::collections::HashMap;
use std::ffi::CString;
use std::hash::Hash;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Calls at once.
const RUNNING: usize = 4;
/// Calls left behind at most, besides.
const MAX_STUCK: usize = 28;
/// Answers kept.
const MAX_KEPT: usize = 4096;

/// A user as NSS has them. Where several names share a uid, this is the uid's first name, and the rest is that one's:
/// one uid, one user, one policy (R59).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NssEntry {
    /// The name, as NSS spells it.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: Outside,
    /// Shell.
    pub shell: Outside,
}

/// What NSS says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NssUser {
    /// One user.
    Found(Arc<NssEntry>),
    /// No user of this name.
    Unknown,
    /// It could not say; the text is for the log.
    Unreachable(String),
}

/// Where users come from: the system, or a stand-in in tests. Calls may block.
pub trait Source: Send + Sync + 'static {
    /// The user of a name.
    fn user(&self, name: &str) -> Result<Option<NssEntry>, String>;
    /// The names of the groups of a user.
    fn groups(&self, user: &NssEntry) -> Result<Vec<String>, String>;
}

/// How long things last.
#[derive(Debug, Clone, Copy)]
struct Times {
    deadline: Duration,
    found: Duration,
    unknown: Duration,
}

const TIMES: Times = Times {
    deadline: Duration::from_secs(2),
    found: Duration::from_secs(60),
    unknown: Duration::from_secs(5),
};

/// Asks NSS.
pub struct Nss {
    source: Arc<dyn Source>,
    pool: Pool,
    times: Times,
    users: Mutex<HashMap<UserName, Kept<NssUser>>>,
    groups: Mutex<HashMap<String, Kept<Arc<[String]>>>>,
}

struct Kept<T> {
    until: Instant,
    value: T,
}

impl Default for Nss {
    fn default() -> Self {
        Self::new()
    }
}

impl Nss {
    /// The system's.
    pub fn new() -> Self {
        Self::with_source(Arc::new(System))
    }

    /// Asks a stand-in.
    pub fn with_source(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            pool: Pool::default(),
            times: TIMES,
            users: Mutex::default(),
            groups: Mutex::default(),
        }
    }

    /// The user of a name.
    pub async fn user(&self, name: &UserName) -> NssUser {
        if let Some(kept) = find(&self.users, name) {
            return kept;
        }
        let source = self.source.clone();
        let wanted = name.clone();
        let answer = self
            .pool
            .ask(self.times.deadline, move || source.user(wanted.as_str()))
            .await;
        let (user, time) = match answer {
            Ok(Some(entry)) => (NssUser::Found(Arc::new(entry)), self.times.found),
            Ok(None) => (NssUser::Unknown, self.times.unknown),
            Err(why) => {
                tracing::warn!(user = name.shown(), why, "NSS could not tell a user");
                return NssUser::Unreachable(why);
            }
        };
        keep(&self.users, name.clone(), user.clone(), time);
        user
    }

    /// The names of all groups of a user. Apart from [`Self::user`], because it can take far longer. The text is for
    /// the log.
    pub async fn groups(&self, user: &Arc<NssEntry>) -> Result<Arc<[String]>, String> {
        if let Some(kept) = find(&self.groups, &user.name) {
            return Ok(kept);
        }
        let source = self.source.clone();
        let wanted = user.clone();
        let answer = self.pool.ask(self.times.deadline, move || source.groups(&wanted)).await;
        let groups: Arc<[String]> = answer?.into();
        keep(&self.groups, user.name.clone(), groups.clone(), self.times.found);
        Ok(groups)
    }
}

fn find<K: Eq + Hash, V: Clone>(kept: &Mutex<HashMap<K, Kept<V>>>, key: &K) -> Option<V> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(key)
        .filter(|kept| kept.until > Instant::now())
        .map(|kept| kept.value.clone())
}

fn keep<K: Eq + Hash, V>(kept: &Mutex<HashMap<K, Kept<V>>>, key: K, value: V, time: Duration) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if kept.len() >= MAX_KEPT {
        kept.retain(|_, kept| kept.until > now);
    }
    if kept.len() >= MAX_KEPT {
        // Somebody tries names by the thousand: start anew.
        kept.clear();
    }
    kept.insert(
        key,
        Kept {
            until: now + time,
            value,
        },
    );
}

/// Threads for calls that may never come back.
struct Pool {
    running: Arc<Semaphore>,
    stuck: Arc<AtomicUsize>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(RUNNING)),
            stuck: Arc::default(),
        }
    }
}

/// A place among the running calls. The thread gives it back at its end, or its caller, who stopped waiting.
#[derive(Clone)]
struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Place {
    fn give_back(&self) -> bool {
        let permit = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        permit.is_some()
    }
}

/// Leaves a call behind when its caller is gone.
struct Waiting<'a> {
    place: Place,
    stuck: &'a AtomicUsize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let room = |count: usize| (count < MAX_STUCK).then_some(count + 1);
        // Counted first, so that the thread, which may end at any moment, finds the count when it finds no place.
        if self.stuck.try_update(Ordering::SeqCst, Ordering::SeqCst, room).is_ok() && !self.place.give_back() {
            self.stuck.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Pool {
    async fn ask<T: Send + 'static>(
        &self,
        deadline: Duration,
        call: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        match tokio::time::timeout(deadline, self.run(call)).await {
            Ok(done) => done,
            Err(_) => Err(format!("no answer within {} s", deadline.as_secs_f32())),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let permit = self.running.clone().acquire_owned().await.map_err(|e| e.to_string())?;
        let place = Place(Arc::new(Mutex::new(Some(permit))));
        let (tell, told) = oneshot::channel();
        let (mine, stuck) = (place.clone(), self.stuck.clone());
        let waiting = Waiting {
            place,
            stuck: &self.stuck,
        };
        std::thread::Builder::new()
            .name("nss".to_owned())
            .spawn(move || {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
                if !mine.give_back() {
                    stuck.fetch_sub(1, Ordering::SeqCst);
                }
                let _ = tell.send(done.unwrap_or_else(|_| Err("the call failed".to_owned())));
            })
            .map_err(|e| format!("no thread: {e}"))?;
        let done = told.await;
        drop(waiting);
        done.map_err(|_| "the call failed".to_owned())?
    }
}

/// NSS itself.
struct System;

impl Source for System {
    fn user(&self, name: &str) -> Result<Option<NssEntry>, String> {
        let Some(named) = found(User::from_name(name), "getpwnam")? else {
            return Ok(None);
        };
        // Not every source can be asked by uid.
        let user = found(User::from_uid(named.uid), "getpwuid")?.unwrap_or(named);
        Ok(Some(NssEntry {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: Outside::new(user.dir.as_os_str().as_bytes()),
            shell: Outside::new(user.shell.as_os_str().as_bytes()),
        }))
    }

    fn groups(&self, user: &NssEntry) -> Result<Vec<String>, String> {
        let name = CString::new(user.name.as_str()).map_err(|e| e.to_string())?;
        let ids =
            nix::unistd::getgrouplist(&name, Gid::from_raw(user.gid)).map_err(|e| format!("getgrouplist: {e}"))?;
        let mut names = Vec::with_capacity(ids.len());
        for id in ids {
            // A group without a name cannot be named by a policy.
            if let Some(group) = found(Group::from_gid(id), "getgrgid")? {
                names.push(group.name);
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// "Not found" comes as an error from some modules.
fn found<T>(answer: nix::Result<Option<T>>, what: &str) -> Result<Option<T>, String> {
    match answer {
        Ok(found) => Ok(found),
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        Err(e) => Err(format!("{what}: {e}")),
    }
}

#[cfg(test)]
mod tests;
