//! What an enrolled host does that has turned evil. It has its own keys and certificate, those of a host that is revoked
//! and of one that has expired, and the relay helps it. It knows every request of others, with nonce and number.

use crate::company::{Company, EVIL, EXPIRED_HOST, OWNERS, REVOKED_HOST, id, identity, text};
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::mischief::Mischief;
use crate::post::{Post, URL, WAITING};
use crate::seat::Asked;
use assent_proto::cert::REGISTRAR_NAME;
use assent_proto::relay::{Claim, DeviceAnswer, DeviceEvent, Push, PushItem};
use assent_proto::request::{ENROL_SERVICE, Envelope, Statement, seal_context};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Nonce};
use axum::http::{Method, StatusCode};
use serde_json::Value;

/// A request, ready to be delivered.
pub type Delivered = (usize, DeviceEvent);

/// The payload of a signed document changed, under the signature that it has.
pub fn altered(document: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = document.split('.').map(ToOwned::to_owned).collect();
    let bytes: Bytes = serde_json::from_value(Value::String(parts[1].clone())).unwrap();
    let mut payload: Value = serde_json::from_slice(&bytes.0).unwrap();
    change(&mut payload);
    let bytes = Bytes(serde_json::to_vec(&payload).unwrap());
    let text = serde_json::to_string(&bytes).unwrap();
    text.trim_matches('"').clone_into(&mut parts[1]);
    parts.join(".")
}

/// Seals an envelope to a device as this push.
fn delivered(company: &Company, device: usize, statement: &Statement, envelope: &Envelope) -> Delivered {
    let (phone, expiry) = (&company.phones[device], statement.expiry());
    let context = seal_context(&statement.id, &phone.id, expiry);
    let blob = seal::seal(&phone.device.claims().kem, Purpose::Request, &context, envelope).unwrap();
    let (id, left) = (statement.id, statement.ttl);
    (device, DeviceEvent::Push { id, expiry, left, blob })
}

/// What it sends to devices, modelled on a request that an honest host has just made.
pub fn asks(trick: Mischief, company: &Company, ledger: &mut Ledger, asked: &Asked, dice: &mut Dice) -> Vec<Delivered> {
    let evil = &company.servers[EVIL];
    let victim = company.server_of(asked.statement.host.id).unwrap();
    let other = &company.servers[victim];
    let device = asked.devices[dice.below(asked.devices.len())];
    let mut statement = asked.statement.clone();
    statement.host.id = evil.id;
    statement.host.display = text(evil.name);
    let mut envelope = Envelope {
        req: String::new(),
        host: evil.document.clone(),
        issuer: company.issuer.document().to_owned(),
    };
    let mut signer = EVIL;
    // With the victim's id and nonce, or with ones of its own.
    if trick != Mischief::HostAsksForTheSameAnswer && dice.once_in(2) {
        (statement.id, statement.n) = (id(), Nonce::random().unwrap());
    }
    let mut to = vec![device];
    match trick {
        Mischief::HostAsksForTheSameAnswer => {}
        Mischief::HostTakesAnothersName => statement.host.clone_from(&asked.statement.host),
        Mischief::HostTakesAnothersDisplay => statement.host.display = text(other.name),
        Mischief::HostTakesAnothersId => statement.host.id = other.id,
        Mischief::HostShowsAnothersCertificate => {
            statement.host.clone_from(&asked.statement.host);
            envelope.host.clone_from(&other.document);
        }
        Mischief::HostAltersItsCertificate => {
            statement.host.clone_from(&asked.statement.host);
            let (id, name) = (other.id.encode(), other.name);
            envelope.host = altered(&evil.document, |claims| {
                claims["host_id"] = Value::String(id);
                claims["display"] = Value::String(name.to_owned());
            });
        }
        Mischief::HostSignsItsOwnCertificate => {
            statement.host.clone_from(&asked.statement.host);
            envelope.host = company.host_document(&company.issuer, &evil.keys, &evil.keys, other.id, other.name, false);
        }
        Mischief::HostHasAStrangeIssuer => {
            statement.host.clone_from(&asked.statement.host);
            let (issuer, issuing) = (&company.strange, &company.strange_issuing);
            envelope.host = company.host_document(issuer, issuing, &evil.keys, other.id, other.name, false);
            issuer.document().clone_into(&mut envelope.issuer);
        }
        Mischief::HostIsRevoked | Mischief::HostHasExpired => {
            signer = if trick == Mischief::HostIsRevoked {
                REVOKED_HOST
            } else {
                EXPIRED_HOST
            };
            let server = &company.servers[signer];
            statement.host.id = server.id;
            statement.host.display = text(server.name);
            envelope.host.clone_from(&server.document);
        }
        Mischief::HostPlaysRegistrar => {
            statement.svc = text(ENROL_SERVICE);
            if dice.once_in(2) {
                statement.host.display = text(REGISTRAR_NAME);
            }
        }
        Mischief::HostAsksForAnotherIdentity => {
            // Of the device's owner's neighbour; or the other way round, of another's device.
            statement.identity = identity((OWNERS[device] + 1) % 3);
            let others = (0..4).filter(|other| OWNERS[*other] != OWNERS[device]);
            let mut theirs = statement.clone();
            theirs.identity = identity((OWNERS[device] + 2) % 3);
            let request = theirs.sign(&evil.keys.sign).unwrap();
            ledger.asked(EVIL, &request);
            let same = Envelope {
                req: request,
                ..envelope.clone()
            };
            let mut all: Vec<Delivered> = others
                .filter(|other| identity(OWNERS[*other]) != theirs.identity)
                .map(|other| delivered(company, other, &theirs, &same))
                .collect();
            envelope.req = statement.sign(&evil.keys.sign).unwrap();
            ledger.asked(EVIL, &envelope.req);
            all.push(delivered(company, device, &statement, &envelope));
            return all;
        }
        Mischief::HostChangesSignedRequest => {
            let request = statement.sign(&evil.keys.sign).unwrap();
            ledger.asked(EVIL, &request);
            envelope.req = altered(&request, |claims| claims["user"] = Value::String("root".into()));
            return vec![delivered(company, device, &statement, &envelope)];
        }
        Mischief::HostRepeatsAnothersRequest => {
            // The victim's own request, as a phone may have given it away, under its certificate or the evil one's.
            envelope.req.clone_from(&asked.document);
            let mut own = envelope.clone();
            own.host.clone_from(&other.document);
            let stranger = (0..4).find(|other| OWNERS[*other] != asked.person).unwrap();
            return vec![
                delivered(company, device, &asked.statement, &envelope),
                delivered(company, device, &asked.statement, &own),
                delivered(company, stranger, &asked.statement, &own),
            ];
        }
        Mischief::HostAsksEverybody => to = vec![0, 1, 2, 3],
        _ => return Vec::new(),
    }
    envelope.req = statement.sign(&company.servers[signer].keys.sign).unwrap();
    ledger.asked(signer, &envelope.req);
    to.into_iter()
        .map(|device| delivered(company, device, &statement, &envelope))
        .collect()
}

/// What it tries at the relay. Whether the relay refused.
pub async fn at_the_relay(trick: Mischief, company: &Company, post: &mut Post, asked: &Asked) -> Result<bool, String> {
    let evil = &company.servers[EVIL];
    let victim = asked.statement.host.id;
    let bearer = post.claim(evil.id, &evil.keys);
    let push = asked.statement.id;
    let device = company.phones[asked.devices[0]].id;
    let forged = |id, device| Push {
        id,
        expiry: UnixTime::now().plus(60),
        ttl: 60,
        to: vec![PushItem {
            device,
            blob: Bytes(vec![9; 700]),
        }],
    };
    let must = |status: StatusCode, wanted: u16| match status.as_u16() == wanted {
        true => Ok(true),
        false => Err(format!("{trick:?} at the relay: {status}")),
    };
    match trick {
        // It is told nothing of whether it was there; that the push still waits is seen by what becomes of the login.
        Mischief::HostCancelsAnothersPush => must(
            post.call(Method::DELETE, &format!("/v1/push/{push}"), &bearer, &())
                .await,
            204,
        ),
        Mischief::HostPostsUnderAnothersPush => must(
            post.call(Method::POST, "/v1/push", &bearer, &forged(push, device))
                .await,
            409,
        ),
        Mischief::HostClaimsAnothersMailbox => {
            let theirs = Claim::sign(&evil.keys.sign, URL, victim, UnixTime::now()).unwrap();
            must(post.call(Method::GET, "/v1/events", &theirs, &()).await, 401)?;
            must(
                post.call(Method::DELETE, &format!("/v1/push/{push}"), &theirs, &())
                    .await,
                401,
            )?;
            let elsewhere =
                Claim::sign(&evil.keys.sign, "https://other.example.org", evil.id, UnixTime::now()).unwrap();
            must(post.call(Method::GET, "/v1/events", &elsewhere, &()).await, 401)
        }
        Mischief::HostAnswersAsDevice => {
            let answer = DeviceAnswer {
                blob: Bytes(vec![9; 700]),
            };
            let path = format!("/v1/push/{push}/answer");
            must(post.call(Method::POST, &path, &bearer, &answer).await, 403)?;
            let as_device = Claim::sign(&evil.keys.sign, URL, device, UnixTime::now()).unwrap();
            must(post.call(Method::POST, &path, &as_device, &answer).await, 401)
        }
        Mischief::HostFloods => {
            let mut ids = Vec::new();
            let mut refused = 0;
            for _ in 0..2 * WAITING {
                let flood = forged(id(), device);
                ids.push(flood.id);
                match post.call(Method::POST, "/v1/push", &bearer, &flood).await.as_u16() {
                    200 => {}
                    429 => refused += 1,
                    other => return Err(format!("a flood is answered by {other}")),
                }
            }
            for id in ids {
                post.call(Method::DELETE, &format!("/v1/push/{id}"), &bearer, &()).await;
            }
            match refused >= WAITING {
                true => Ok(true),
                false => Err(format!("{refused} of {} pushes of a flood were refused", 2 * WAITING)),
            }
        }
        _ => Ok(false),
    }
}
