//! Which devices can approve for an identity: asked of the registrar through the relay, verified here, remembered as
//! long as the relay's event stream tells of changes.

use crate::clock::boot_now;
use crate::host::Enrolled;
use crate::push::{Probe, PushError, Relay, Silence};
use crate::revocations::{Clearance, Revocations};
use crate::standing::Standing;
use assent_engine::login::DeviceSearch;
use assent_proto::Id;
use assent_proto::cert::{CertError, Device, Identity};
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
        let sieve = match self.revocations.clearance(identity, origin).await {
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
        let (relay, standing, whose) = (Arc::downgrade(&self.relay), Arc::clone(&self.host), identity.clone());
        let probe: Probe = Box::new(move || {
            let (relay, host, identity) = (relay.upgrade(), standing.now(), whose.clone());
            Box::pin(async move {
                if let Some(relay) = relay {
                    drop(host_ask(&relay, &host, HostWant::Devices { identity }).await);
                }
            })
        });
        self.relay
            .hurried(&self.registrar, self.ask(identity), probe)
            .await
            .and_then(|asked| asked)
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
                Ok(devices
                    .iter()
                    .filter_map(|document| self.verified(document, identity))
                    .collect())
            }
            Reply::Refused { text, .. } => Err(PushError::Refused(assent_proto::text::visible(text.as_str()))),
            _ => Err(PushError::Refused("the registrar answered something else".into())),
        }
    }

    /// A certificate may be of an issuing key that is newer than what this host has heard of.
    async fn know_issuers(&self, devices: &[String]) {
        let (host, now) = (self.host.now(), UnixTime::now());
        let news = |document: &String| {
            matches!(
                host.issuers.verify_device(document, now),
                Err(CertError::UnknownIssuer(_))
            )
        };
        if devices.iter().any(news)
            && let Err(e) = self.relay.learn_trust().await
        {
            tracing::warn!("the registrar's newest issuing key could not be asked for: {e}");
        }
    }

    /// The registrar's word is its signature; whatever does not verify is left out.
    fn verified(&self, document: &str, identity: &Identity) -> Option<Device> {
        let device = self
            .host
            .now()
            .issuers
            .verify_device(document, UnixTime::now())
            .inspect_err(|e| tracing::warn!("a device certificate from the registrar is refused: {e}"))
            .ok()?;
        device.claims().identities.contains(identity).then_some(device)
    }
}

/// One signed call of this host to the registrar.
pub async fn host_ask(relay: &Relay, host: &Enrolled, want: HostWant) -> Result<Reply, PushError> {
    let n = Id::random().map_err(|e| PushError::Refused(e.to_string()))?;
    let signed = HostAsk::sign(&host.keys.sign, host.host.claims().host_id, n, relay.relay_now(), want)
        .map_err(|e| PushError::Refused(e.to_string()))?;
    relay.ask(Ask::Host { signed }).await
}
