//! A login's push at the edge: its number, its request, and what its devices answer.

use super::{MOST_ASKED, Question, Task};
use crate::agent::{Report, Setup};
use crate::alerts;
use crate::clock::boot_now;
use crate::disk::Written;
use crate::freezes::{Local, Proof, Tries};
use crate::memory::{Leaving, Reserved};
use crate::push::PushService as _;
use crate::push::{Delivery, PushError};
use crate::revocations::Sieve;
use assent_engine::config::Failure;
use assent_engine::ledger::What;
use assent_engine::login::{DeviceSearch, Event, PushOrder, Show};
use assent_proto::cert::{Identity, claimed_issuer};
use assent_proto::evidence::{Answered, Evidence};
use assent_proto::relay::{Push, PushItem};
use assent_proto::request::Statement;
use assent_proto::time::UnixTime;
use assent_proto::verdict::{PendingPush, Received, Refusal, seal_to_devices};
use assent_proto::{Id, Nonce, ShortText};
use assent_wire::{Tell, ToModule};
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// The push in flight.
pub(super) struct InFlight {
    pending: PendingPush,
    /// As signed: with a device's "not me" it is proof for the registrar.
    request: String,
    deliveries: mpsc::Receiver<Delivery>,
}

impl Task {
    /// Makes the number and shows it on the terminal. It stands nowhere else (R4).
    pub(super) async fn show_number(&mut self, (how, prompt): (Show, Question), digits: u8, before: &str, after: &str) {
        let Ok(number) = assent_proto::number::random(digits) else {
            let _ = self
                .events
                .send(Event::Internal("the system's random generator failed".into()).into());
            return;
        };
        let text = format!("{before}{}{after}", number.as_str());
        self.number = Some(number);
        match how {
            Show::Prompt => self.ask(prompt, ToModule::Ask { echo: true, text }).await,
            Show::Line => {
                let kind = Tell::Info;
                self.send(ToModule::Tell { kind, text }).await;
            }
        }
    }

    pub(super) fn find_devices(&self, identity: Identity) {
        let setup = self.setup.clone();
        let client = self.login.facts().ssh.map(|ssh| ssh.client);
        let hurried = self.login.leads_on(Failure::Gateway);
        self.work(async move {
            Event::Devices(match &setup.gateway {
                Ok(gateway) => {
                    let origin = gateway.origin(client);
                    gateway.devices.find(&identity, origin, hurried).await
                }
                Err(why) => DeviceSearch::Unreachable(why.clone()),
            })
        });
    }

    /// Signs the request, seals it to each device and hands it to the push service.
    pub(super) fn push(&mut self, order: PushOrder) {
        let number = order.number;
        match self.prepare(order) {
            Ok((push, in_flight)) => {
                self.push = Some(in_flight);
                let leaves = {
                    let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
                    reserved.as_mut().and_then(Reserved::leaves)
                };
                let setup = self.setup.clone();
                let hurried = self.login.leads_on(Failure::Gateway);
                self.work(async move {
                    match send(&setup, &push, leaves, hurried).await {
                        Ok(()) => Event::PushSent(number),
                        Err(why) => Event::PushFailed { push: number, why },
                    }
                });
            }
            Err(why) => {
                let failed = Event::PushFailed { push: number, why };
                let _ = self.events.send(failed.into());
            }
        }
    }

    /// Keeps a device's own answer, with all that it takes to verify it again years later.
    pub(super) fn keep_answer(&mut self, device: Id, answer: &str, revocations: Option<u64>) {
        let setup = Arc::clone(&self.setup);
        let pending = self.push.as_ref().map(|push| &push.pending);
        let device = pending.and_then(|pending| pending.devices().iter().find(|one| one.claims().device_id == device));
        let (Some(device), Some(asked), Ok(gateway)) = (device, self.asked.last_mut(), &setup.gateway) else {
            return;
        };
        for issuer in gateway.host.now().issuers.all() {
            let signed = claimed_issuer(device.document()) == Some(issuer.claims().sign.id());
            if signed && !asked.issuers.iter().any(|known| known == issuer.document()) {
                asked.issuers.push(issuer.document().to_owned());
            }
        }
        asked.revocations = revocations;
        asked.answered = Some(Answered {
            answer: answer.to_owned(),
            device: device.document().to_owned(),
        });
    }

    pub(super) fn prepare(&mut self, order: PushOrder) -> Result<(Push, InFlight), String> {
        let gateway = self.setup.gateway.as_ref().map_err(Clone::clone)?;
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let id = Id::random().map_err(|e| text(&e))?;
        let n = Nonce::random().map_err(|e| text(&e))?;
        let enrolled = gateway.host.now();
        let statement = Statement::new(id, n, &enrolled.host, gateway.relay.relay_now(), order.details);
        let request = statement.sign(&enrolled.keys.sign).map_err(|e| text(&e))?;
        let sealed = seal_to_devices(&statement, &request, &enrolled.host, &enrolled.issuer, &order.devices)
            .map_err(|e| text(&e))?;
        let push = Push {
            id,
            expiry: statement.expiry(),
            ttl: statement.ttl,
            to: sealed
                .into_iter()
                .map(|(device, blob)| PushItem { device, blob })
                .collect(),
        };
        let asked = Evidence {
            request: request.clone(),
            host: enrolled.host.document().to_owned(),
            issuers: vec![enrolled.issuer.document().to_owned()],
            revocations: None,
            answered: None,
        };
        let in_flight = InFlight {
            pending: PendingPush::new(&statement, &request, order.devices, self.number.take(), boot_now()),
            request,
            deliveries: self.agent.waiting.register(id),
        };
        // A login asks few times, and its last push decides.
        if self.asked.len() >= MOST_ASKED {
            self.asked.remove(0);
        }
        self.asked.push(asked);
        Ok((push, in_flight))
    }

    /// Verifies an answer; the machine hears what it is worth.
    pub(super) async fn judge(&mut self, (device, blob): Delivery) -> Option<Event> {
        let setup = Arc::clone(&self.setup);
        let gateway = setup.gateway.as_ref().ok()?;
        let known = gateway.revocations.usable().await;
        let push = self.push.as_mut()?;
        push.pending
            .revoke(|device| known.as_ref().is_ok_and(|sieve| sieve.revokes(device)));
        let received = push
            .pending
            .receive(&gateway.host.now().keys.kem, device, &blob, boot_now(), UnixTime::now());
        let seq = known.as_ref().ok().map(Sieve::seq);
        match &received {
            Received::Refused { device, record, .. } => self.keep_answer(*device, record, seq),
            Received::Approved(approved) => self.keep_answer(approved.device(), approved.record(), seq),
            Received::Ignored { .. } => {}
        }
        Some(match received {
            Received::Ignored { why, last } => {
                tracing::warn!("login={} an answer was ignored: {why}", self.login_id.as_str());
                Event::PushIgnored { why, last }
            }
            Received::Refused { why, device, record } => {
                match (why, self.login.identity().cloned()) {
                    (Refusal::Number, _) => self.note(What::WrongNumber),
                    (Refusal::Reported, Some(who)) => {
                        // Somebody else may be in the sessions that were approved, too.
                        self.agent.sessions.forget(&who);
                        self.reported(device, record);
                    }
                    _ => {}
                }
                Event::PushRefused(why)
            }
            Received::Approved(approved) => {
                let client = self.login.facts().ssh.map(|ssh| ssh.client);
                let admitted = self
                    .login
                    .identity()
                    .is_some_and(|who| gateway.revocations.admits(&known, who, gateway.origin(client)));
                match admitted {
                    true => Event::PushApproved(approved),
                    // "Not me" was said to another push meanwhile, or it is not known what is revoked.
                    false => Event::PushFrozen,
                }
            }
        })
    }

    /// Freezes at once, and has everybody hear of it.
    pub(super) fn reported(&mut self, device: Id, answer: String) {
        let setup = Arc::clone(&self.setup);
        let (Ok(gateway), Some(push), Some(identity)) = (&setup.gateway, &self.push, self.login.identity()) else {
            return;
        };
        let facts = self.login.facts();
        let client = facts.ssh.map(|ssh| ssh.client);
        let user = self.login.user_for_log();
        let written = gateway.revocations.report(Local {
            identity: identity.clone(),
            user: ShortText::cut(user.clone()),
            origin: gateway.origin(client),
            at: UnixTime::now(),
            lifted: false,
            proof: Some(Proof {
                request: push.request.clone(),
                answer,
            }),
            listed: None,
            tries: Tries::default(),
        });
        alerts::reported(
            &self.agent,
            &self.setup,
            Report {
                login: self.login_id.as_str().to_owned(),
                user,
                identity: identity.to_string(),
                source: client.map_or_else(|| "local".to_owned(), |ip| ip.to_string()),
                host: gateway.host.now().host.claims().display.as_str().to_owned(),
                service: facts.service.shown(64),
                device,
            },
        );
        self.unwritten.push(written);
    }

    pub(super) fn withdraw(&mut self) {
        // The next push of this user and source has its turn.
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(push) = self.push.take() else { return };
        let id = push.pending.id();
        self.agent.waiting.forget(id);
        let setup = self.setup.clone();
        tokio::spawn(async move {
            if let Ok(gateway) = &setup.gateway {
                gateway.relay.withdraw(id).await;
            }
        });
    }
}

/// Writes down that a push leaves, then sends it. The error is for people.
pub(super) async fn send(
    setup: &Setup,
    push: &Push,
    leaves: Option<(Leaving, Written)>,
    hurried: bool,
) -> Result<(), String> {
    let gateway = setup.gateway.as_ref().map_err(Clone::clone)?;
    let leaving = match leaves {
        None => None,
        Some((leaving, written)) => match written.wait().await {
            Ok(()) => Some(leaving),
            Err(e) => {
                drop(leaving.never_left());
                return Err(format!("the push could not be counted, so it did not leave: {e}"));
            }
        },
    };
    let sent = match hurried {
        true => gateway.relay.send_hurried(push).await,
        false => gateway.relay.send(push).await,
    };
    if let (Err(PushError::NotSent(_)), Some(leaving)) = (&sent, leaving) {
        drop(leaving.never_left());
    }
    sent.map(drop).map_err(|e| e.to_string())
}

pub(super) async fn next_delivery(push: &mut Option<InFlight>) -> Option<Delivery> {
    match push {
        Some(push) => push.deliveries.recv().await,
        None => std::future::pending().await,
    }
}
