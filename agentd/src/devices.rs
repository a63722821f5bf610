//! Which devices can approve for an identity: asked of the registrar through the relay, verified here, remembered as
//! long as the relay's event stream tells of changes.

use crate::clock::boot_now;
use crate::host::Enrolled;
use crate::push::{Probe, PushError, Relay, Silence, Way};
use crate::revocations::{Clearance, Revocations};
use crate::standing::Standing;
use assent_engine::login::DeviceSearch;
use assent_proto::Id;
use assent_proto::cert::{CertError, Device, Identity, Issuers};
use assent_proto::registrar::{Ask, HostAsk, HostWant, Reply};
use assent_proto::revocation::Origin;
use assent_proto::time::{BootTime, UnixTime};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long an answer is remembered at most, whatever the relay tells: a relay that hides a change wins this much.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Most identities remembered.
const MAX: usize = 10_000;

struct Known {
    devices: Vec<Device>,
    generation: u64,
    until: BootTime,
}

/// The registrar's devices, as far as this host has asked.
pub struct Devices {
    relay: Arc<Relay>,
    host: Arc<Standing>,
    known: Mutex<HashMap<Identity, Known>>,
    revocations: Arc<Revocations>,
    registrar: Arc<Silence>,
}

impl Devices {
    /// Asks through `relay`.
    pub fn new(relay: Arc<Relay>, host: Arc<Standing>, revocations: Arc<Revocations>) -> Self {
        Self {
            revocations,
            relay,
            host,
            known: Mutex::default(),
            registrar: Silence::of("the registrar"),
        }
    }

    /// The devices that can approve for `identity` now, for a login from `origin`: none that is revoked. A login with another
    /// way to go is `hurried`.
    pub async fn find(&self, identity: &Identity, origin: Origin, hurried: bool) -> DeviceSearch {
        let sieve = match self.clearance(identity, origin, hurried).await {
            Clearance::Clear(sieve) => sieve,
            Clearance::Frozen => return DeviceSearch::Frozen,
            Clearance::Unknown(why) => return DeviceSearch::RevocationsStale(why),
        };
        match self.certified(identity, hurried).await {
            DeviceSearch::Found(mut devices) => {
                devices.retain(|device| !sieve.revokes(device));
                DeviceSearch::Found(devices)
            }
            other => other,
        }
    }

    /// Whether a push may leave. A login with another way to go does not wait long where the registrar must be asked for that.
    async fn clearance(&self, identity: &Identity, origin: Origin, hurried: bool) -> Clearance {
        if let Ok(known) = self.revocations.known_clearance(identity, origin).await {
            return known;
        }
        let asked = self.revocations.clearance(identity, origin);
        if !hurried {
            return asked.await;
        }
        let asked = self.relay.hurried(&self.registrar, asked, self.probe(identity)).await;
        asked.unwrap_or_else(|e| Clearance::Unknown(e.to_string()))
    }

    async fn certified(&self, identity: &Identity, hurried: bool) -> DeviceSearch {
        if let Some(devices) = self.remembered(identity) {
            return DeviceSearch::Found(devices);
        }
        // Read before asking: a change while the registrar answers makes the answer stale, not fresh.
        let generation = self.relay.generation();
        let asked = match hurried {
            true => self.ask_hurried(identity).await,
            false => self.ask(identity).await,
        };
        match asked {
            Ok(devices) => {
                // "None" is asked again each time: an enrolment should count at once.
                if let (Some(generation), false) = (generation, devices.is_empty()) {
                    self.remember(identity, &devices, generation);
                }
                DeviceSearch::Found(devices)
            }
            Err(e) => DeviceSearch::Unreachable(e.to_string()),
        }
    }

    fn remembered(&self, identity: &Identity) -> Option<Vec<Device>> {
        let generation = self.relay.generation()?;
        let known = self.known.lock().ok()?;
        let known = known.get(identity)?;
        (known.generation == generation && boot_now() < known.until).then(|| known.devices.clone())
    }

    fn remember(&self, identity: &Identity, devices: &[Device], generation: u64) {
        let Ok(mut known) = self.known.lock() else { return };
        if known.len() >= MAX {
            known.clear();
        }
        known.insert(
            identity.clone(),
            Known {
                devices: devices.to_vec(),
                generation,
                until: boot_now().plus(REMEMBERED),
            },
        );
    }

    async fn ask_hurried(&self, identity: &Identity) -> Result<Vec<Device>, PushError> {
        self.relay
            .hurried(&self.registrar, self.ask(identity), self.probe(identity))
            .await
            .and_then(|asked| asked)
    }

    /// Asks the registrar what any login asks.
    fn probe(&self, identity: &Identity) -> Probe {
        let (relay, standing, whose) = (Arc::downgrade(&self.relay), Arc::clone(&self.host), identity.clone());
        Box::new(move || {
            let (relay, host, identity) = (relay.upgrade(), standing.now(), whose.clone());
            Box::pin(async move {
                if let Some(relay) = relay {
                    drop(host_ask(&relay, &host, HostWant::Devices { identity }).await);
                }
            })
        })
    }

    async fn ask(&self, identity: &Identity) -> Result<Vec<Device>, PushError> {
        let want = HostWant::Devices {
            identity: identity.clone(),
        };
        let host = self.host.now();
        host.alive(UnixTime::now()).map_err(PushError::Refused)?;
        match host_ask(&self.relay, &host, want).await? {
            Reply::Devices { devices } => {
                self.know_issuers(&devices).await;
                believed(&self.host.now().issuers, &devices, identity, UnixTime::now())
            }
            Reply::Refused { text, .. } => Err(PushError::Refused(assent_proto::text::visible(text.as_str()))),
            _ => Err(PushError::Refused("the registrar answered something else".into())),
        }
    }

    /// A certificate may be of an issuing key that is newer than what this host has heard of.
    async fn know_issuers(&self, devices: &[String]) {
        let (host, now) = (self.host.now(), UnixTime::now());
        if devices
            .iter()
            .any(|document| is_of_unknown_issuer(&host.issuers, document, now))
            && let Err(e) = self.relay.learn_trust(Way::Relay).await
        {
            tracing::warn!("the registrar's newest issuing key could not be asked for: {e}");
        }
    }
}

/// The registrar's word is its signature: of these certificates, those that verify and are `identity`'s. None of them where the
/// issuing key is not known here is no person without a device: whoever holds that key back would choose what follows.
fn believed(
    issuers: &Issuers,
    documents: &[String],
    identity: &Identity,
    now: UnixTime,
) -> Result<Vec<Device>, PushError> {
    let verified = documents.iter().filter_map(|document| {
        let refused = |e: &CertError| tracing::warn!("a device certificate from the registrar is refused: {e}");
        issuers.verify_device(document, now).inspect_err(refused).ok()
    });
    let own: Vec<Device> = verified
        .filter(|device| device.claims().identities.contains(identity))
        .collect();
    if own.is_empty()
        && documents
            .iter()
            .any(|document| is_of_unknown_issuer(issuers, document, now))
    {
        let why = "devices are of an issuing key that is not known here, and the relay did not tell of it";
        return Err(PushError::Unreachable(why.into()));
    }
    Ok(own)
}

fn is_of_unknown_issuer(issuers: &Issuers, document: &str, now: UnixTime) -> bool {
    matches!(issuers.verify_device(document, now), Err(CertError::UnknownIssuer(_)))
}

/// One signed call of this host to the registrar.
pub async fn host_ask(relay: &Relay, host: &Enrolled, want: HostWant) -> Result<Reply, PushError> {
    let n = Id::random().map_err(|e| PushError::Refused(e.to_string()))?;
    let signed = HostAsk::sign(&host.keys.sign, host.host.claims().host_id, n, relay.relay_now(), want)
        .map_err(|e| PushError::Refused(e.to_string()))?;
    relay.ask(Ask::Host { signed }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_proto::ShortText;
    use assent_proto::cert::{
        DeviceOwner, Issuance, Issuer, IssuerGrant, IssuerRequest, Trust, sign_device, sign_issuer,
    };
    use assent_proto::enrol::{Enrolment, Token};
    use assent_proto::keys::{KeyPair, SigningKey};
    use assent_proto::roots::RootSet;

    fn text(text: &str) -> ShortText {
        ShortText::new(text).unwrap()
    }

    fn whose(user: &str) -> Identity {
        Identity {
            realm: text("corp"),
            id: text(user),
        }
    }

    /// An issuing key under a root.
    struct Key {
        root: SigningKey,
        issuing: KeyPair,
        issuer: Issuer,
    }

    impl Key {
        fn new() -> Self {
            let (root, issuing) = (SigningKey::generate().unwrap(), KeyPair::generate().unwrap());
            let request = IssuerRequest::verify(&IssuerRequest::sign(&issuing, UnixTime::now()).unwrap()).unwrap();
            let grant = IssuerGrant {
                realms: vec![text("*")],
                hosts: vec![text("*")],
                nbf: UnixTime::now(),
                days: 30,
                serial: Id::random().unwrap(),
            };
            let document = sign_issuer(&root, &request, grant).unwrap();
            let trust = Trust::new(vec![root.public()]);
            let issuer = trust.verify_issuer(&document, UnixTime::now()).unwrap();
            Self { root, issuing, issuer }
        }

        fn device_of(&self, user: &str) -> String {
            let token = Token::random(&RootSet::of_key(self.root.public())).unwrap();
            let keys = KeyPair::generate().unwrap();
            let wish = Enrolment::new(&token, &keys, text("phone"), text("test"), UnixTime::now()).unwrap();
            let wish = wish.verify(token.id, &token.secret).unwrap();
            let owner = DeviceOwner {
                identities: vec![whose(user)],
                name: text(user),
            };
            let issuance = Issuance {
                nbf: UnixTime::now(),
                days: 20,
                serial: Id::random().unwrap(),
                log_index: 1,
            };
            let id = Id::random().unwrap();
            sign_device(&self.issuer, &self.issuing.sign, id, owner, (&wish, None), issuance).unwrap()
        }
    }

    #[test]
    fn devices_of_an_issuing_key_that_was_not_told_of_are_no_proof_that_there_are_none() {
        let (known, newer) = (Key::new(), Key::new());
        let issuers = Issuers::under(&Trust::new(vec![known.root.public()]), [known.issuer.document()]);
        let judged = |documents: &[String]| {
            let found = believed(&issuers, documents, &whose("alice"), UnixTime::now());
            found.map(|devices| devices.len()).map_err(|e| e.to_string())
        };
        let (own, others, new) = (
            known.device_of("alice"),
            known.device_of("bob"),
            newer.device_of("alice"),
        );
        assert_eq!(judged(&[]), Ok(0), "nobody has a device");
        assert_eq!(judged(std::slice::from_ref(&own)), Ok(1));
        assert_eq!(judged(&[others.clone(), "rubbish".to_owned()]), Ok(0));
        assert_eq!(judged(&[own, new.clone()]), Ok(1), "one that counts is enough");
        for documents in [vec![new.clone()], vec![others, new]] {
            let why = judged(&documents).unwrap_err();
            assert!(why.contains("issuing key that is not known here"), "{why}");
        }
    }
}
