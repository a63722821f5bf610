//! An evil host (T17): joined by a token like any other, with a certificate of its own; then it asks as it likes. It
//! speaks to the real relay by its own claims, and has no key but its own.

use super::between::client;
use assent_proto::answer;
use assent_proto::cert::{Device, Host, Issuer, Trust};
use assent_proto::enrol::Token;
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, HostJoin, Reply, Sealed, call};
use assent_proto::relay::{Claim, DeviceAnswer, HostEvent, Push, PushItem, TrustInfo};
use assent_proto::request::{Details, Envelope, MAX_TTL, Source, Statement, seal_context};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Digest, Id, Nonce, ShortText};
use assent_tests::product::{PATIENCE, Site, assentctl};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// The running host.
pub struct EvilHost {
    /// Its keys.
    pub keys: KeyPair,
    /// Its certificate, verified.
    pub host: Host,
    /// Who certified it.
    pub issuer: Issuer,
    url: String,
    http: Client,
    runtime: Runtime,
}

/// A short text.
pub fn text(text: &str) -> ShortText {
    ShortText::new(text).expect("a short text")
}

/// A new id.
pub fn id() -> Id {
    Id::random().expect("randomness")
}

/// The payload of a signed document changed, under the signature that it has.
pub fn altered(document: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = document.split('.').map(ToOwned::to_owned).collect();
    let bytes: Bytes = serde_json::from_value(Value::String(parts[1].clone())).expect("base64");
    let mut payload: Value = serde_json::from_slice(&bytes.0).expect("JSON");
    change(&mut payload);
    let bytes = Bytes(serde_json::to_vec(&payload).expect("JSON"));
    let Ok(Value::String(text)) = serde_json::to_value(&bytes) else {
        panic!("bytes are a text")
    };
    parts[1] = text;
    parts.join(".")
}

impl EvilHost {
    /// Joins `site` as a host of this name.
    pub fn join(site: &Site, name: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let url = site.gateway.url().to_owned();
        let http = client(&site.gateway.ca_certificate());
        let made = assentctl(["host", "token", "--name", name]).expect_success().out;
        let token = Token::from_text(made.trim()).expect("a token");
        let keys = KeyPair::generate().expect("randomness");
        let (host, issuer) = runtime.block_on(certified(&url, &http, &token, &keys, name));
        Self {
            keys,
            host,
            issuer,
            url,
            http,
            runtime,
        }
    }

    /// A request to approve a `sudo` for whoever owns the device, in its own name.
    pub fn statement(&self, device: &Device) -> Statement {
        let claims = device.claims();
        let details = Details {
            login: text("evil22"),
            svc: text("sudo"),
            user: text("alice"),
            identity: claims.identities[0].clone(),
            ruser: None,
            target_user: None,
            cmd: None,
            cwd: None,
            tty: None,
            src: Some(Source {
                ip: [192, 0, 2, 7].into(),
                port: None,
                network: None,
                asn: None,
                place: None,
                new: None,
            }),
            first: Vec::new(),
            level: assent_proto::cert::Level::Tap,
            digits: 0,
            lock: false,
            ttl: 60,
            ctx: Digest::random().expect("randomness"),
            app: text("sudo"),
        };
        let n = Nonce::random().expect("randomness");
        Statement::new(id(), n, &self.host, UnixTime::now(), details)
    }

    /// A statement under its own signature and certificate.
    pub fn signed(&self, statement: &Statement) -> Envelope {
        Envelope {
            req: statement.sign(&self.keys.sign).expect("a statement"),
            host: self.host.document().to_owned(),
            issuer: self.issuer.document().to_owned(),
        }
    }

    /// The push of an envelope to a device, sealed as it should be.
    pub fn push(statement: &Statement, envelope: &Envelope, device: &Device) -> Push {
        let (claims, expiry) = (device.claims(), statement.expiry());
        let context = seal_context(&statement.id, &claims.device_id, expiry);
        let blob = seal::seal(&claims.kem, Purpose::Request, &context, envelope).expect("a box");
        let item = PushItem {
            device: claims.device_id,
            blob,
        };
        Push {
            id: statement.id,
            expiry,
            // The relay shall have no reason to refuse.
            ttl: statement.ttl.min(MAX_TTL),
            to: vec![item],
        }
    }

    /// Its claim at the relay, in this mailbox's name.
    fn claim(&self, mailbox: Id) -> String {
        Claim::sign(&self.keys.sign, &self.url, mailbox, UnixTime::now()).expect("a claim")
    }

    fn request(&self, method: Method, path: &str, mailbox: Id) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http
            .request(method, url)
            .timeout(PATIENCE)
            .bearer_auth(self.claim(mailbox))
    }

    fn status(&self, request: RequestBuilder) -> u16 {
        let response = self.runtime.block_on(async { request.send().await });
        response.expect("the relay").status().as_u16()
    }

    fn own(&self) -> Id {
        self.host.claims().host_id
    }

    /// Posts a push; the relay's status.
    pub fn posts(&self, push: &Push) -> u16 {
        self.status(self.request(Method::POST, "/v1/push", self.own()).json(push))
    }

    /// Withdraws a push, whosever it is, in its own mailbox's name or another's.
    pub fn withdraws(&self, push: Id, mailbox: Option<Id>) -> u16 {
        let mailbox = mailbox.unwrap_or(self.own());
        self.status(self.request(Method::DELETE, &format!("/v1/push/{push}"), mailbox))
    }

    /// Answers a push as if it were a device, in its own mailbox's name or another's.
    pub fn answers(&self, push: Id, mailbox: Option<Id>) -> u16 {
        let mailbox = mailbox.unwrap_or(self.own());
        let answer = DeviceAnswer {
            blob: Bytes(vec![9; 700]),
        };
        let path = format!("/v1/push/{push}/answer");
        self.status(self.request(Method::POST, &path, mailbox).json(&answer))
    }

    /// Opens the events of another's mailbox.
    pub fn listens_as(&self, mailbox: Id) -> u16 {
        self.status(self.request(Method::GET, "/v1/events", mailbox))
    }

    /// Opens its own events; the next answer on them is [`EvilHost::hears`]'s.
    pub fn listens(&self) -> Response {
        let request = self.request(Method::GET, "/v1/events", self.own());
        let response = self.runtime.block_on(async { request.send().await });
        response.and_then(Response::error_for_status).expect("a stream")
    }

    /// The next answer: who says to have answered, sealed, and as its device signed it.
    pub fn hears(&self, stream: &mut Response) -> (Id, Bytes, answer::Envelope) {
        let mut text = String::new();
        self.runtime.block_on(async {
            loop {
                let chunk = stream.chunk().await.expect("the stream").expect("it goes on");
                text.push_str(&String::from_utf8_lossy(&chunk));
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let event = data.and_then(|data| serde_json::from_str(data).ok());
                    let rest = rest.to_owned();
                    text = rest;
                    if let Some(HostEvent::Answer { id, device, blob }) = event {
                        let context = answer::seal_context(&id, &device);
                        let opened = seal::open(&self.keys.kem, Purpose::Answer, &context, &blob);
                        return (device, blob, opened.expect("an answer to this host"));
                    }
                }
            }
        })
    }
}

async fn certified(url: &str, http: &Client, token: &Token, keys: &KeyPair, name: &str) -> (Host, Issuer) {
    let now = UnixTime::now();
    let info: TrustInfo = json(http.get(format!("{url}/v1/trust"))).await;
    let (roots, _) = info.chosen_by(token).expect("the token's root");
    let trust = Trust::of(vec![roots]);
    let issuer = trust.verify_issuer(&info.issuers[0], now).expect("an issuer");
    let join = HostJoin::new(token, keys, text(name), now).expect("a wish");
    let (sealed, open) = call(&issuer, &keys.kem.public(), Ask::JoinHost(join)).expect("a call");
    let reply: Sealed = json(http.post(format!("{url}/v1/registrar")).json(&sealed)).await;
    let Ok(Reply::HostCertified { host }) = open.reply(&keys.kem, &reply) else {
        panic!("the registrar certifies no host")
    };
    let host = issuer.verify_host(&host, now).expect("a certificate");
    (host, issuer)
}

async fn json<T: serde::de::DeserializeOwned>(request: RequestBuilder) -> T {
    let response = request.timeout(PATIENCE).send().await.expect("the gateway");
    response.json().await.expect("a reply")
}
