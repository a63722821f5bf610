//! Hosts and devices as `proto` makes them, and what they hear.

use crate::rig::{Gateway, SOON, URL, id, now, text};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{DeviceOwner, Identity, MAX_IDENTITIES, Trust};
use assent_proto::enrol::{Enrolment, OneTimeSecret, Token, short_fingerprint};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, DeviceCall, DeviceWant, EnrolmentState, HostAsk, HostJoin, HostWant, Reply};
use assent_proto::relay::{Claim, DeviceAnswer, DeviceEvent, HostEvent, Push, PushItem, PushTaken};
use assent_proto::request::{self, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::{Bytes, Id};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

pub struct TestHost {
    pub id: Id,
    pub keys: KeyPair,
    pub certificate: String,
}

pub struct TestDevice {
    pub id: Id,
    pub keys: KeyPair,
    pub certificate: String,
}

pub fn identity(user: &str) -> Identity {
    Identity {
        realm: text("example.org"),
        id: text(user),
    }
}

pub fn owner(user: &str) -> DeviceOwner {
    const { assert!(MAX_IDENTITIES == 8) };
    DeviceOwner {
        identities: vec![identity(user)],
        name: text(user),
    }
}

impl Gateway {
    pub async fn token(&self, name: &str) -> Token {
        let (status, made) = self
            .admin(Method::POST, "/host-token", json!({"name": name, "ttl": 60}))
            .await;
        assert_eq!(status, StatusCode::OK, "{made}");
        Token::from_text(made["token"].as_str().unwrap()).unwrap()
    }

    pub async fn join(&self, name: &str) -> TestHost {
        let token = self.token(name).await;
        let keys = KeyPair::generate().unwrap();
        let join = HostJoin::new(&token, &keys, text(name), now()).unwrap();
        let Reply::HostCertified { host: certificate } = self.ask(&keys, Ask::JoinHost(join)).await else {
            panic!("{name} was not certified");
        };
        let id = self.issuer.verify_host(&certificate, now()).unwrap().claims().host_id;
        TestHost { id, keys, certificate }
    }

    pub fn enrolment_token(&self) -> Token {
        Token {
            id: id(),
            secret: OneTimeSecret::random().unwrap(),
            root: short_fingerprint(&self.root),
        }
    }

    /// A device comes with its request; the digits that it shows.
    pub async fn digits(&self, keys: &KeyPair, enrolment: &Enrolment) -> String {
        match self.ask(keys, Ask::EnrolDevice(enrolment.clone())).await {
            Reply::Enrolment(EnrolmentState::Digits { n, .. }) => enrolment.digits(&n),
            other => panic!("{other:?}"),
        }
    }

    pub async fn enrol(&self, host: &TestHost, user: &str) -> TestDevice {
        let token = self.enrolment_token();
        let opened = host.wants(self, open_for(&token, owner(user))).await;
        assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
        let keys = KeyPair::generate().unwrap();
        let enrolment = Enrolment::new(&token, &keys, text("phone"), text("test"), now()).unwrap();
        let digits = self.digits(&keys, &enrolment).await;
        let confirmed = host.wants(self, confirm(&token, &digits)).await;
        let Reply::Enrolment(EnrolmentState::Certified { device: certificate }) = confirmed else {
            panic!("{user}'s device was not certified: {confirmed:?}");
        };
        let id = self
            .issuer
            .verify_device(&certificate, now())
            .unwrap()
            .claims()
            .device_id;
        TestDevice { id, keys, certificate }
    }
}

pub fn open_for(token: &Token, owner: DeviceOwner) -> HostWant {
    HostWant::OpenEnrolment {
        token_id: token.id,
        secret: token.secret.clone(),
        owner,
    }
}

pub fn confirm(token: &Token, digits: &str) -> HostWant {
    HostWant::ConfirmEnrolment {
        token_id: token.id,
        digits: text(digits),
    }
}

/// Digits that are not these.
pub fn other_digits(digits: &str) -> String {
    format!("{:06}", (digits.parse::<u32>().unwrap() + 1) % 1_000_000)
}

impl TestHost {
    pub fn claim(&self) -> String {
        Claim::sign(&self.keys.sign, URL, self.id, now()).unwrap()
    }

    pub async fn wants(&self, gateway: &Gateway, what: HostWant) -> Reply {
        let signed = HostAsk::sign(&self.keys.sign, self.id, id(), now(), what).unwrap();
        gateway.ask(&self.keys, Ask::Host { signed }).await
    }

    pub async fn post(&self, gateway: &Gateway, push: &Push) -> Response {
        gateway.send(Method::POST, "/v1/push", &self.claim(), push).await
    }

    pub async fn push(&self, gateway: &Gateway, push: &Push) -> PushTaken {
        let response = self.post(gateway, push).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub async fn withdraw(&self, gateway: &Gateway, push: Id) {
        let response = gateway
            .send(Method::DELETE, &format!("/v1/push/{push}"), &self.claim(), &())
            .await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    pub async fn listen(&self, gateway: &Gateway, last: Option<&str>) -> Events {
        Events::open(gateway, &self.claim(), last).await
    }
}

impl TestDevice {
    pub fn claim(&self) -> String {
        Claim::sign(&self.keys.sign, URL, self.id, now()).unwrap()
    }

    pub async fn answer(&self, gateway: &Gateway, push: Id, blob: &[u8]) -> Response {
        let answer = DeviceAnswer {
            blob: Bytes(blob.to_vec()),
        };
        gateway
            .send(Method::POST, &format!("/v1/push/{push}/answer"), &self.claim(), &answer)
            .await
    }

    pub async fn listen(&self, gateway: &Gateway, last: Option<&str>) -> Events {
        Events::open(gateway, &self.claim(), last).await
    }

    /// A call of this device to the registrar.
    pub async fn calls(&self, gateway: &Gateway, what: DeviceWant) -> Reply {
        let signed = DeviceCall::sign(&self.keys.sign, self.id, id(), now(), what).unwrap();
        gateway.ask(&self.keys, Ask::DeviceCall { signed }).await
    }

    /// Opens and verifies a request, as a device does before it draws it.
    pub fn opens(&self, gateway: &Gateway, event: DeviceEvent) -> VerifiedRequest {
        let DeviceEvent::Push { id, expiry, blob, .. } = event else {
            panic!("no push: {event:?}");
        };
        let context = request::seal_context(&id, &self.id, expiry);
        let envelope: request::Envelope = seal::open(&self.keys.kem, Purpose::Request, &context, &blob).unwrap();
        request::verify(&envelope, id, expiry, &Trust::new(vec![gateway.root.clone()]), now()).unwrap()
    }

    /// The sealed answer of this device to a request.
    pub fn answer_to(&self, request: &VerifiedRequest, decision: Decision) -> Vec<u8> {
        let res = Answer::new(request, self.id, decision, None, now())
            .sign(&self.keys.sign)
            .unwrap();
        let context = answer::seal_context(&request.statement.id, &self.id);
        let host = request.host.claims();
        let sealed = seal::seal(&host.kem, Purpose::Answer, &context, &answer::Envelope { res });
        sealed.unwrap().0
    }
}

/// A push of 60 seconds to these devices.
pub fn push_to(devices: &[&TestDevice]) -> Push {
    push_for(60, devices)
}

pub fn push_for(ttl: u32, devices: &[&TestDevice]) -> Push {
    Push {
        id: id(),
        expiry: now().plus(u64::from(ttl)),
        ttl,
        to: devices
            .iter()
            .map(|device| PushItem {
                device: device.id,
                blob: Bytes(device.id.0.repeat(40)),
            })
            .collect(),
    }
}

/// An event stream.
pub struct Events {
    response: Response,
    text: String,
    generation: Option<u64>,
    /// What to resume with.
    pub last_id: Option<String>,
}

impl Events {
    pub async fn open(gateway: &Gateway, bearer: &str, last: Option<&str>) -> Self {
        let mut request = gateway.client.get(gateway.url("/v1/events")).bearer_auth(bearer);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
            generation: None,
            last_id: last.map(ToOwned::to_owned),
        }
    }

    /// Name and data of the next event; `None` when the stream ended.
    pub async fn next(&mut self) -> Option<(String, String)> {
        let waited = tokio::time::timeout(SOON, async {
            loop {
                while let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    if let Some(event) = self.read(&event) {
                        return Some(event);
                    }
                }
                let chunk = self.response.chunk().await.ok()??;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        });
        waited.await.expect("an event came in time")
    }

    fn read(&mut self, event: &str) -> Option<(String, String)> {
        let (mut name, mut data) = (String::new(), String::new());
        for line in event.lines() {
            match line.split_once(": ") {
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => value.clone_into(&mut data),
                Some(("id", value)) => self.last_id = Some(value.to_owned()),
                _ => assert!(line.starts_with(':'), "{line}"),
            }
        }
        (!name.is_empty()).then_some((name, data))
    }

    async fn typed<T: DeserializeOwned>(&mut self) -> T {
        let (_, data) = self.next().await.expect("the stream is open");
        serde_json::from_str(&data).unwrap()
    }

    /// The next thing for a host. The gateway says the roster's generation again whenever it has looked at its own
    /// tables, soon after the start for instance; what is said again is no news.
    pub async fn for_host(&mut self) -> HostEvent {
        loop {
            match self.typed().await {
                HostEvent::Roster { generation } if self.generation.replace(generation) == Some(generation) => {}
                event => return event,
            }
        }
    }

    /// Whether the stream ends, with nothing new before its end.
    pub async fn ends(&mut self) -> bool {
        while let Some((_, data)) = self.next().await {
            match serde_json::from_str(&data) {
                Ok(HostEvent::Roster { generation }) if self.generation == Some(generation) => {}
                _ => return false,
            }
        }
        true
    }

    pub async fn for_device(&mut self) -> DeviceEvent {
        self.typed().await
    }

    /// The next push's id.
    pub async fn push(&mut self) -> Id {
        match self.for_device().await {
            DeviceEvent::Push { id, .. } => id,
            DeviceEvent::Withdrawn { id, .. } => panic!("{id} was withdrawn"),
            DeviceEvent::Devices {} => panic!("the list of devices has changed"),
            DeviceEvent::Revocations {} => panic!("there is a newer revocation list"),
        }
    }

    /// The roster's generation, where it is due.
    pub async fn roster(&mut self) -> u64 {
        match self.for_host().await {
            HostEvent::Roster { generation } => generation,
            HostEvent::Answer { id, .. } => panic!("an answer to {id}"),
        }
    }

    /// The next answer: push, device, blob.
    pub async fn answer(&mut self) -> (Id, Id, Vec<u8>) {
        match self.for_host().await {
            HostEvent::Answer { id, device, blob } => (id, device, blob.0),
            HostEvent::Roster { generation } => panic!("roster {generation}"),
        }
    }

    /// This device's stream has said all that happened so far: a further push is the next thing on it.
    pub async fn device_is_quiet(&mut self, gateway: &Gateway, host: &TestHost, device: &TestDevice) {
        let fence = push_to(&[device]);
        host.push(gateway, &fence).await;
        assert_eq!(self.push().await, fence.id, "something else came before the fence");
    }

    /// This host's stream has said all that happened so far: the answer to a further push is the next thing on it.
    pub async fn host_is_quiet(&mut self, gateway: &Gateway, host: &TestHost, device: &TestDevice) {
        let fence = push_to(&[device]);
        host.push(gateway, &fence).await;
        assert_eq!(device.answer(gateway, fence.id, b"fence").await.status(), 204);
        let heard = self.answer().await;
        assert_eq!(
            heard,
            (fence.id, device.id, b"fence".to_vec()),
            "something else came before the fence"
        );
    }
}
