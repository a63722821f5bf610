//! The revocation list as this authenticator keeps it: asked for at the start, when the relay tells of a newer one, and each
//! hour; never an older one than it held. A request of a host on it is not drawn (R29).

use super::renew;
use super::store::Registration;
use crate::files::{self, SECRET};
use crate::gateway_client::Gateway;
use assent_proto::cert::{Host, Trust};
use assent_proto::registrar::{DeviceWant, Reply};
use assent_proto::revocation::{Assembly, LIST_LIFE, MAX_PARTS, Revocations as List, Step};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

const FILE: &str = "revocations.json";
const EVERY: Duration = Duration::from_secs(3600);
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Seconds after which a list is too old to draw anything by: as long as hosts go by one.
const MAX_AGE: u64 = 7 * LIST_LIFE;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u8,
    issuer: String,
    list: String,
}

/// The list, and when to ask for the next.
pub struct Revocations {
    file: PathBuf,
    trust: Mutex<Trust>,
    list: Mutex<Option<Arc<List>>>,
    news: Notify,
}

impl Revocations {
    /// Reads what a former run has kept. What does not verify under the pinned root is as good as none.
    pub fn open(dir: &Path, trust: Trust) -> Self {
        let file = dir.join(FILE);
        let kept = std::fs::read_to_string(&file).ok();
        let list = kept
            .and_then(|text| serde_json::from_str::<File>(&text).ok())
            .filter(|kept| kept.v == 1)
            .and_then(|kept| List::verify(&trust, &kept.issuer, &kept.list).ok());
        Self {
            file,
            trust: Mutex::new(trust),
            list: Mutex::new(list.map(Arc::new)),
            news: Notify::new(),
        }
    }

    /// The roots have stepped.
    pub fn believe(&self, trust: Trust) {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// There is a newer one.
    pub fn there_is_news(&self) {
        self.news.notify_one();
    }

    /// Why a request of `host` is not drawn, if so.
    pub fn refuses(&self, host: &Host, now: UnixTime) -> Option<String> {
        match self.held() {
            None => Some("the registrar has not told yet which hosts are revoked".into()),
            Some(list) if list.age(now) > MAX_AGE => {
                Some("the registrar has not told for 7 days which hosts are revoked".into())
            }
            Some(list) if list.revokes_host(host) => Some("its host is revoked".into()),
            Some(_) => None,
        }
    }

    fn held(&self) -> Option<Arc<List>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the newest list, for ever.
    pub async fn look_after(&self, registration: &Registration, gateway: &Gateway) {
        let mut pause = RETRY.0;
        let mut told = None;
        loop {
            // Read anew each time: it may have been renewed, and the issuing key may be another one.
            let fresh = self
                .file
                .parent()
                .and_then(|dir| Registration::load(dir, UnixTime::now()).ok());
            let fetched = self.fetch(fresh.as_ref().unwrap_or(registration), gateway).await;
            if let Err(why) = &fetched
                && told.as_ref() != Some(why)
            {
                eprintln!("The revocation list could not be asked for: {why}. Trying again …");
                told = Some(why.clone());
            }
            let wait = match fetched {
                Ok(()) => {
                    (pause, told) = (RETRY.0, None);
                    EVERY
                }
                Err(_) => {
                    pause = (pause * 2).min(RETRY.1);
                    pause
                }
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Asks for a newer list than the one that is held. The error is for people.
    pub async fn fetch(&self, registration: &Registration, gateway: &Gateway) -> Result<(), String> {
        let (mut assembly, mut want) = Assembly::new(self.held().as_deref());
        for _ in 0..3 * MAX_PARTS {
            let reply = renew::ask(registration, gateway, DeviceWant::Revocations(want)).await;
            let part = match reply.map_err(|e| e.to_string())? {
                Reply::Revocations(part) => part,
                Reply::Refused { text, .. } => return Err(visible(text.as_str())),
                _ => return Err("the registrar replied to something else".into()),
            };
            match assembly.take(part).map_err(|e| e.to_string())? {
                Step::Ask(next) => want = next,
                Step::Unchanged => return Ok(()),
                Step::Whole { issuer, document } => {
                    let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let list = List::verify(&trust, &issuer, &document).map_err(|e| e.to_string())?;
                    return self.take(list);
                }
            }
        }
        Err("the registrar makes lists faster than they can be read".into())
    }

    fn take(&self, list: List) -> Result<(), String> {
        let mut held = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| list.seq() <= held.seq()) {
            return Err("the registrar offers an older revocation list than this device holds".into());
        }
        let kept = File {
            v: 1,
            issuer: list.issuer().to_owned(),
            list: list.document().to_owned(),
        };
        let text = serde_json::to_string(&kept).map_err(|e| e.to_string())?;
        files::replace(&self.file, &text, SECRET, None).map_err(|e| e.to_string())?;
        *held = Some(Arc::new(list));
        Ok(())
    }
}
