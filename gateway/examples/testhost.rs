//! A host for the tests of the web app: joins by token, opens enrolments, pushes statements that come as JSON lines on
//! standard input, and says on standard output what [`PendingPush::receive`], the one real verifier, makes of the
//! answers. With `"spoil"` it pushes what a device must not draw (R29). It is in no package and no release.
//!
//! `testhost keys DIR` makes a registrar's key files; `testhost run DIR URL ADDRESS NAME TOKEN` is the host;
//! `testhost odd` lists the characters that are never shown as they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use assent_proto::cert::{
    DAY, Device, DeviceOwner, Host, Identity, Issuance, Issuer, IssuerGrant, IssuerRequest, Level, Trust, renew_device,
    sign_host, sign_issuer,
};
use assent_proto::enrol::{OneTimeSecret, Token, short_fingerprint};
use assent_proto::keys::{KeyPair, SigningKey, VerifyingKey};
use assent_proto::registrar::{Ask, HostAsk, HostJoin, HostWant, Reply, Sealed, call};
use assent_proto::relay::{Claim, HostEvent, Push, PushItem, PushTaken};
use assent_proto::request::{Command, Details, Envelope, Source, Statement, seal_context};
use assent_proto::roots::RootSet;
use assent_proto::seal::{self, Purpose};
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::verdict::{PendingPush, Received};
use assent_proto::{Bytes, Digest, Id, Nonce, ShortText, sha256};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

fn text(text: &str) -> ShortText {
    ShortText::new(text).unwrap()
}

fn id() -> Id {
    Id::random().unwrap()
}

/// Standard input, line by line.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.blocking_send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

fn say(value: &Value) {
    println!("{value}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["keys", dir] => make_keys(Path::new(dir)),
        ["odd"] => say_odd(),
        ["run", dir, url, address, name, token] => run(Path::new(dir), url, address, name, token).await,
        _ => panic!("usage: testhost keys DIR | testhost odd | testhost run DIR URL ADDRESS NAME TOKEN"),
    }
}

/// For the page's own copy of the rule to be compared with.
fn say_odd() {
    let odd = |c: &char| assent_proto::text::visible(&c.to_string()) != c.to_string();
    let found: Vec<u32> = ('\0'..=char::MAX).filter(odd).map(u32::from).collect();
    say(&json!(found));
}

fn grant(hosts: &[&str], nbf: UnixTime, days: u32) -> IssuerGrant {
    IssuerGrant {
        realms: vec![text("example.org"), text("nss@*")],
        hosts: hosts.iter().map(|host| text(host)).collect(),
        nbf,
        days,
        serial: id(),
    }
}

fn certified(root: &SigningKey, pair: &KeyPair, grant: IssuerGrant) -> String {
    let request = IssuerRequest::verify(&IssuerRequest::sign(pair, UnixTime::now()).unwrap()).unwrap();
    sign_issuer(root, &request, grant).unwrap()
}

fn make_keys(dir: &Path) {
    let root = SigningKey::generate().unwrap();
    let pair = KeyPair::generate().unwrap();
    let issuer = certified(&root, &pair, grant(&["web*"], UnixTime::now(), 90));
    for (name, content, mode) in [
        ("root.key", root.to_pem().unwrap().as_str(), 0o600),
        ("issuer.key", pair.to_file().unwrap().as_str(), 0o600),
        ("issuer.jws", issuer.as_str(), 0o644),
        ("root.pub", root.public().to_pem().unwrap().as_str(), 0o644),
    ] {
        fs::write(dir.join(name), content).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// What standard input asks.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Order {
    /// Opens an enrolment for a user.
    Open { user: String },
    /// Types the six digits.
    Confirm { token_id: Id, digits: String },
    /// Pushes a statement to the user's devices.
    Push(Box<Wanted>),
    /// Withdraws a push.
    Withdraw { id: Id },
    /// Makes a device's certificate old: so many days of so many are over.
    Age {
        certificate: String,
        days_ago: u64,
        days: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    user: String,
    #[serde(default)]
    number: Option<String>,
    #[serde(default)]
    spoil: Option<String>,
    #[serde(default)]
    svc: Option<String>,
    #[serde(default)]
    login: Option<String>,
    #[serde(default)]
    ruser: Option<String>,
    #[serde(default)]
    target_user: Option<String>,
    #[serde(default)]
    cmd: Option<WantedCommand>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    tty: Option<String>,
    #[serde(default)]
    src: Option<Source>,
    #[serde(default)]
    first: Vec<String>,
    #[serde(default)]
    level: Option<Level>,
    #[serde(default)]
    lock: bool,
    #[serde(default)]
    digits: u8,
    #[serde(default)]
    ttl: Option<u32>,
    #[serde(default)]
    app: Option<String>,
    /// Another name for the host than its own: a certificate is made for it.
    #[serde(default)]
    display: Option<String>,
    /// What the relay is told of its life, where that is not `ttl`.
    #[serde(default)]
    relay_ttl: Option<u32>,
    /// What the statement calls the user, where that is not `user`.
    #[serde(default)]
    shown_user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedCommand {
    #[serde(default)]
    resolved: Option<String>,
    args: Vec<String>,
    #[serde(default)]
    truncated: bool,
}

struct TestHost {
    url: String,
    base: String,
    client: Client,
    root: SigningKey,
    trust: VerifyingKey,
    issuing: KeyPair,
    issuer: Issuer,
    keys: KeyPair,
    host: Host,
    began: Instant,
    pending: HashMap<Id, PendingPush>,
}

async fn run(dir: &Path, url: &str, address: &str, name: &str, token: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let trust = VerifyingKey::from_pem(&read("root.pub")).unwrap();
    let issuer = Trust::new(vec![trust.clone()])
        .verify_issuer(read("issuer.jws").trim(), UnixTime::now())
        .unwrap();
    let keys = KeyPair::generate().unwrap();
    let base = format!("http://{address}");
    let join = HostJoin::new(&Token::from_text(token).unwrap(), &keys, text(name), UnixTime::now()).unwrap();
    let Reply::HostCertified { host } = ask(&client, &base, &issuer, &keys, Ask::JoinHost(join)).await else {
        panic!("not certified")
    };
    let host = issuer.verify_host(&host, UnixTime::now()).unwrap();
    let host = TestHost {
        url: url.to_owned(),
        base,
        client,
        root: SigningKey::from_pem(&read("root.key")).unwrap(),
        trust,
        issuing: KeyPair::from_file(&read("issuer.key")).unwrap(),
        issuer,
        keys,
        host,
        began: Instant::now(),
        pending: HashMap::new(),
    };
    host.serve().await;
}

async fn ask(client: &Client, base: &str, issuer: &Issuer, keys: &KeyPair, ask: Ask) -> Reply {
    let (sealed, open) = call(issuer, &keys.kem.public(), ask).unwrap();
    let response = client
        .post(format!("{base}/v1/registrar"))
        .json(&sealed)
        .send()
        .await
        .unwrap();
    open.reply(&keys.kem, &response.json::<Sealed>().await.unwrap())
        .unwrap()
}

impl TestHost {
    async fn serve(mut self) {
        let mut lines = lines();
        let mut events = Events::default();
        events.open(&self).await;
        say(&json!({"ready": self.host.claims().display}));
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => self.obey(serde_json::from_str(&line).unwrap()).await,
                    None => return,
                },
                event = events.next() => match event {
                    Some(HostEvent::Answer { id, device, blob }) => self.judge(id, device, &blob),
                    Some(HostEvent::Roster { .. }) => {}
                    None => events.open(&self).await,
                },
            }
        }
    }

    fn claim(&self) -> String {
        Claim::sign(&self.keys.sign, &self.url, self.host.claims().host_id, UnixTime::now()).unwrap()
    }

    fn boot(&self) -> BootTime {
        BootTime(self.began.elapsed())
    }

    async fn wants(&self, what: HostWant) -> Reply {
        let signed = HostAsk::sign(&self.keys.sign, self.host.claims().host_id, id(), UnixTime::now(), what).unwrap();
        ask(&self.client, &self.base, &self.issuer, &self.keys, Ask::Host { signed }).await
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Open { user } => self.open(&user).await,
            Order::Confirm { token_id, digits } => {
                let digits = text(&digits);
                let reply = self.wants(HostWant::ConfirmEnrolment { token_id, digits }).await;
                say(&json!({"confirmed": reply}));
            }
            Order::Push(wanted) => self.push(&wanted).await,
            Order::Withdraw { id } => {
                let url = format!("{}/v1/push/{id}", self.base);
                let response = self.client.delete(url).bearer_auth(self.claim()).send().await.unwrap();
                say(&json!({"withdrawn": response.status().as_u16()}));
            }
            Order::Age {
                certificate,
                days_ago,
                days,
            } => {
                let now = UnixTime::now();
                let device = self.issuer.verify_device(&certificate, now).unwrap();
                let issuance = Issuance {
                    nbf: UnixTime(now.0 - days_ago * DAY),
                    days,
                    serial: id(),
                    log_index: 0,
                };
                let aged = renew_device(&self.issuer, &self.issuing.sign, &device, issuance).unwrap();
                say(&json!({"aged": aged}));
            }
        }
    }

    async fn open(&self, user: &str) {
        let token = Token {
            id: id(),
            secret: OneTimeSecret::random().unwrap(),
            root: short_fingerprint(&self.trust),
        };
        let owner = DeviceOwner {
            identities: vec![identity(user)],
            name: text(user),
        };
        let reply = self
            .wants(HostWant::OpenEnrolment {
                token_id: token.id,
                secret: token.secret.clone(),
                owner,
            })
            .await;
        say(&json!({"opened": {"code": token.to_text().as_str(), "token_id": token.id, "reply": reply}}));
    }

    async fn push(&mut self, wanted: &Wanted) {
        let Reply::Devices { devices } = self
            .wants(HostWant::Devices {
                identity: identity(&wanted.user),
            })
            .await
        else {
            panic!("no devices came")
        };
        let devices: Vec<Device> = devices
            .iter()
            .map(|device| self.issuer.verify_device(device, UnixTime::now()).unwrap())
            .collect();
        let made = self.made(wanted);
        let id = made.delivered;
        let mut to: Vec<PushItem> = devices.iter().map(|device| made.sealed_to(device)).collect();
        for (item, device) in to.iter_mut().zip(&devices) {
            match wanted.spoil.as_deref() {
                Some("no_box") => item.blob = Bytes(vec![4; 600]),
                Some("short_box") => item.blob = Bytes(vec![4]),
                Some("no_json") => item.blob = made.rubbish_for(device),
                _ => {}
            }
        }
        let push = Push {
            id,
            expiry: made.expiry,
            ttl: wanted.relay_ttl.unwrap_or(made.statement.ttl),
            to,
        };
        let number = wanted.number.clone().map(Zeroizing::new);
        let pending = PendingPush::new(&made.statement, &made.envelope.req, devices, number, self.boot());
        self.pending.insert(id, pending);
        let url = format!("{}/v1/push", self.base);
        let response = self
            .client
            .post(url)
            .bearer_auth(self.claim())
            .json(&push)
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        let taken: PushTaken = response.json().await.unwrap();
        say(&json!({"pushed": {"id": id, "listening": taken.listening, "login": made.statement.login}}));
    }

    /// A certificate from `issuer`'s key for a host of this name with this test host's keys.
    fn host_named(&self, issuer: &Issuer, issuing: &KeyPair, name: &str, host_id: Id) -> Host {
        let token = Token::random(&RootSet::of_key(self.trust.clone())).unwrap();
        let join = HostJoin::new(&token, &self.keys, text(name), UnixTime::now()).unwrap();
        let request = join.verify(token.id, &token.secret).unwrap();
        let issuance = Issuance {
            nbf: UnixTime::now(),
            days: 1,
            serial: id(),
            log_index: 0,
        };
        let document = sign_host(issuer, &issuing.sign, host_id, &request, issuance).unwrap();
        issuer.verify_host(&document, UnixTime::now()).unwrap()
    }

    fn issuer_for(root: &SigningKey, issuing: &KeyPair, hosts: &[&str]) -> Issuer {
        let document = certified(root, issuing, grant(hosts, UnixTime::now(), 1));
        Trust::new(vec![root.public()])
            .verify_issuer(&document, UnixTime::now())
            .unwrap()
    }

    fn made(&self, wanted: &Wanted) -> Made {
        let (delivered, now) = (id(), UnixTime::now());
        let spoil = wanted.spoil.as_deref().unwrap_or_default();
        let (mut issuer, mut host) = (self.issuer.clone(), self.host.clone());
        if let Some(name) = &wanted.display {
            issuer = Self::issuer_for(&self.root, &self.issuing, &[name]);
            host = self.host_named(&issuer, &self.issuing, name, self.host.claims().host_id);
        }
        let mut named = host.clone();
        let mut statement_id = delivered;
        let mut who = identity(&wanted.user);
        match spoil {
            "unknown_root" => {
                let (root, issuing) = (SigningKey::generate().unwrap(), KeyPair::generate().unwrap());
                issuer = Self::issuer_for(&root, &issuing, &["web*"]);
                host = self.host_named(&issuer, &issuing, "web01", id());
                named = host.clone();
            }
            "other_host" => named = self.host_named(&issuer, &self.issuing, "web02", id()),
            "other_delivery" => statement_id = id(),
            "other_identity" => who = identity("mallory"),
            "outside" => {
                let wide = Self::issuer_for(&self.root, &self.issuing, &["*"]);
                host = self.host_named(&wide, &self.issuing, "db01", id());
                named = host.clone();
            }
            _ => {}
        }
        let statement = Statement::new(
            statement_id,
            Nonce::random().unwrap(),
            &named,
            now,
            details(wanted, who),
        );
        let mut expiry = statement.expiry();
        let mut req = statement.sign(&self.keys.sign).unwrap();
        let mut issuer_document = issuer.document().to_owned();
        match spoil {
            "signature" => {
                let mut other = statement.clone();
                other.user = text("root");
                let (_, signature) = req.rsplit_once('.').unwrap();
                let other = other.sign(&self.keys.sign).unwrap();
                req = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
            }
            "other_key" => req = statement.sign(&SigningKey::generate().unwrap()).unwrap(),
            "expiry" => expiry = expiry.plus(30),
            "ended_issuer" => {
                let nbf = UnixTime(now.0 - 100 * 86_400);
                issuer_document = certified(&self.root, &self.issuing, grant(&["web*"], nbf, 90));
            }
            _ => {}
        }
        Made {
            context_of: (spoil == "other_device").then(id),
            envelope: Envelope {
                req,
                host: host.document().to_owned(),
                issuer: issuer_document,
            },
            statement,
            delivered,
            expiry,
        }
    }

    fn judge(&mut self, id: Id, device: Id, blob: &Bytes) {
        let (now, wall) = (self.boot(), UnixTime::now());
        let Some(pending) = self.pending.get_mut(&id) else {
            return say(&json!({"answer": {"id": id, "verdict": "unknown"}}));
        };
        let (verdict, why, record) = match pending.receive(&self.keys.kem, device, blob, now, wall) {
            Received::Approved(approved) => ("approved", String::new(), approved.record().to_owned()),
            Received::Refused { why, record, .. } => ("refused", why.to_string(), record),
            Received::Ignored { why, .. } => ("ignored", why.to_string(), String::new()),
        };
        say(&json!({"answer": {"id": id, "device": device, "verdict": verdict, "why": why, "record": record}}));
    }
}

struct Made {
    statement: Statement,
    envelope: Envelope,
    delivered: Id,
    expiry: UnixTime,
    context_of: Option<Id>,
}

impl Made {
    fn sealed_to(&self, device: &Device) -> PushItem {
        let claims = device.claims();
        let context = seal_context(
            &self.delivered,
            &self.context_of.unwrap_or(claims.device_id),
            self.expiry,
        );
        PushItem {
            device: claims.device_id,
            blob: seal::seal(&claims.kem, Purpose::Request, &context, &self.envelope).unwrap(),
        }
    }
}

impl Made {
    /// Sealed as it should be, but no envelope.
    fn rubbish_for(&self, device: &Device) -> Bytes {
        let claims = device.claims();
        let context = seal_context(&self.delivered, &claims.device_id, self.expiry);
        seal::seal(&claims.kem, Purpose::Request, &context, &["rubbish"]).unwrap()
    }
}

fn identity(user: &str) -> Identity {
    Identity {
        realm: text("example.org"),
        id: text(user),
    }
}

fn details(wanted: &Wanted, identity: Identity) -> Details {
    let optional = |value: &Option<String>| value.as_deref().map(text);
    Details {
        login: text(wanted.login.as_deref().unwrap_or("k7f3q2")),
        svc: text(wanted.svc.as_deref().unwrap_or("sshd")),
        user: text(wanted.shown_user.as_deref().unwrap_or(&wanted.user)),
        identity,
        ruser: optional(&wanted.ruser),
        target_user: optional(&wanted.target_user),
        cmd: wanted.cmd.as_ref().map(|cmd| Command {
            resolved: optional(&cmd.resolved),
            args: cmd.args.iter().map(|arg| text(arg)).collect(),
            truncated: cmd.truncated,
            sha256: sha256(&[b"command line"]),
        }),
        cwd: optional(&wanted.cwd),
        tty: optional(&wanted.tty),
        src: wanted.src.clone(),
        first: wanted.first.iter().map(|factor| text(factor)).collect(),
        level: wanted.level.unwrap_or(Level::Tap),
        digits: wanted.digits,
        lock: wanted.lock,
        ttl: wanted.ttl.unwrap_or(60),
        ctx: Digest::random().unwrap(),
        app: text(wanted.app.as_deref().unwrap_or("ssh")),
    }
}

/// The host's event stream; opened again whenever it ends, as the agent does.
#[derive(Default)]
struct Events {
    response: Option<Response>,
    text: String,
    last: Option<String>,
}

impl Events {
    async fn open(&mut self, host: &TestHost) {
        self.text.clear();
        loop {
            let mut request = host
                .client
                .get(format!("{}/v1/events", host.base))
                .bearer_auth(host.claim());
            if let Some(last) = &self.last {
                request = request.header("last-event-id", last);
            }
            match request.send().await {
                Ok(response) if response.status().is_success() => return self.response = Some(response),
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    }

    /// The next event; `None` when the stream ended.
    async fn next(&mut self) -> Option<HostEvent> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                    self.last = Some(id.to_owned());
                }
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Some(serde_json::from_str(data).unwrap());
                }
            }
            let chunk = self.response.as_mut()?.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
