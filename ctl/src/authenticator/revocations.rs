//! The revocation list as this authenticator keeps it: asked for at the start, when the relay tells of a newer one, and each
//! hour; never an older one than it held. A request of a host on it is not drawn (R29).

use super::events::Heard;
use super::remark::tell;
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
use tokio::sync::{Notify, mpsc};

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

fn read(text: &str, ever: &Trust) -> Result<List, String> {
    let kept: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
    match kept.v {
        1 => List::verify(ever, &kept.issuer, &kept.list).map_err(|e| e.to_string()),
        _ => Err("its version is not known here".into()),
    }
}

/// The list, and when to ask for the next.
pub struct Revocations {
    file: PathBuf,
    trust: Mutex<Trust>,
    list: Mutex<Option<Arc<List>>>,
    news: Notify,
}

impl Revocations {
    /// Reads what a former run has kept. What neither the pinned root vouches for nor any that followed on it (`ever`) is as
    /// good as none; what those vouched for that have stepped since is still the floor. Lists that come are judged by
    /// `trust` alone.
    pub fn open(dir: &Path, trust: Trust, ever: &Trust) -> Self {
        let file = dir.join(FILE);
        let list = std::fs::read_to_string(&file).ok().and_then(|text| {
            read(&text, ever)
                .inspect_err(|why| {
                    tell(&format!(
                        "{} counts no more ({why}). A new list is asked for.",
                        file.display()
                    ));
                })
                .ok()
        });
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
    pub async fn look_after(&self, registration: &Registration, gateway: &Gateway, hear: mpsc::Sender<Heard>) {
        let mut pause = RETRY.0;
        let mut told = false;
        loop {
            // Read anew each time: it may have been renewed, and the issuing key may be another one.
            let fresh = self
                .file
                .parent()
                .and_then(|dir| Registration::again(dir, UnixTime::now(), &registration.keys.sign).ok());
            let fetched = self.fetch(fresh.as_ref().unwrap_or(registration), gateway).await;
            // Said once, not at every try: the relay could find other words each time.
            if let Err(why) = &fetched
                && !told
            {
                let text = format!("The revocation list could not be asked for: {why}. Trying again …");
                let _ = hear.send(Heard::Remark(text)).await;
                told = true;
            }
            let wait = match fetched {
                Ok(()) => {
                    (pause, told) = (RETRY.0, false);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::cert::{IssuerGrant, IssuerRequest, sign_issuer};
    use assent_proto::keys::{KeyPair, SigningKey};
    use assent_proto::revocation::RevocationClaims;
    use assent_proto::roots::{Lineage, RootClaims, RootSet};
    use assent_proto::{Id, ShortText};

    fn trust(sets: &[RootSet]) -> Trust {
        Trust::of(sets.to_vec())
    }

    #[test]
    fn r24_the_floor_outlasts_a_step_of_the_roots_and_not_roots_of_others() {
        let dir = std::env::temp_dir().join(format!("assent-list-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let now = UnixTime::now();
        let (root, next, issuing) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
            KeyPair::generate().unwrap(),
        );
        let request = IssuerRequest::verify(&IssuerRequest::sign(&issuing, now).unwrap()).unwrap();
        let grant = IssuerGrant {
            realms: vec![ShortText::cut("*".into())],
            hosts: vec![ShortText::cut("*".into())],
            nbf: UnixTime(now.0 - 60),
            days: 90,
            serial: Id::random().unwrap(),
        };
        let issuer = sign_issuer(&root, &request, grant).unwrap();
        let mut roots = Lineage::new(RootSet::of_key(root.public()));
        let before = trust(roots.sets());
        let list = |seq| {
            let claims = RevocationClaims::new(seq, now, vec![], vec![], vec![]);
            List::verify(&before, &issuer, &claims.sign(&issuing.sign).unwrap()).unwrap()
        };
        let kept = Revocations::open(&dir, before.clone(), &before);
        assert!(kept.held().is_none());
        kept.take(list(7)).unwrap();
        let step = RootClaims::after(1, vec![next.public()], 1, now).unwrap();
        roots.take(&step.sign(&[&root, &next]).unwrap()).unwrap();
        let (current, ever) = (Trust::of(vec![roots.current().clone()]), trust(roots.sets()));
        let kept = Revocations::open(&dir, current.clone(), &ever);
        assert_eq!(kept.held().unwrap().seq(), 7);
        kept.take(list(6)).unwrap_err();
        // Roots that nothing leads to from the pinned one.
        assert!(Revocations::open(&dir, current.clone(), &current).held().is_none());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
