//! A small company with fixed keys: root, issuer, hosts, devices, and the pushes between them.

use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{
    self, DAY, Device, DeviceOwner, Host, Identity, Issuance, Issuer, IssuerGrant, IssuerRequest, Level, Trust,
};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::registrar::HostJoin;
use assent_proto::request::{self, Details, Envelope, Source, Statement, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::verdict::{PendingPush, Received, seal_to_devices};
use assent_proto::{Bytes, Digest, Id, Nonce, ShortText, sha256};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use p256::ecdsa::signature::Signer as _;
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// The wall clock of every test: nothing here reads a real one.
pub const NOW: UnixTime = UnixTime(1_800_000_000);
/// When every push is issued, since boot.
pub const ISSUED: BootTime = BootTime(Duration::from_secs(1_000));
pub const TTL: u32 = 60;

pub fn text(text: &str) -> ShortText {
    ShortText::new(text).unwrap()
}

pub fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

pub fn unbase64(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

/// 128 bits that a name always gives.
pub fn id(name: &str) -> Id {
    let mut short = [0; 16];
    short.copy_from_slice(&nonce(name).0[..16]);
    Id::decode(&base64(&short)).unwrap()
}

pub fn nonce(name: &str) -> Nonce {
    sha256(&[b"assent test ", name.as_bytes()])
}

pub fn alice() -> Identity {
    identity("example.org", "1f0e-alice")
}

pub fn identity(realm: &str, id: &str) -> Identity {
    Identity {
        realm: text(realm),
        id: text(id),
    }
}

/// Keys that a name always gives, and the scalar, so that a test can sign what the crate never would.
pub struct Keys {
    pub pair: KeyPair,
    raw: p256::ecdsa::SigningKey,
}

impl Keys {
    pub fn of(name: &str) -> Self {
        let sign = nonce(&format!("{name} sign")).0;
        let kem = nonce(&format!("{name} kem")).0;
        let file = format!(r#"{{"v":1,"sign":"{}","kem":"{}"}}"#, base64(&sign), base64(&kem));
        Self {
            pair: KeyPair::from_file(&file).unwrap(),
            raw: p256::ecdsa::SigningKey::from_slice(&sign).unwrap(),
        }
    }

    pub fn public(&self) -> VerifyingKey {
        self.pair.sign.public()
    }

    pub fn point(&self) -> Vec<u8> {
        self.raw.verifying_key().to_sec1_point(false).as_bytes().to_vec()
    }

    /// r‖s over whatever is asked.
    pub fn sign_raw(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = self.raw.sign(message);
        signature.to_bytes().to_vec()
    }

    pub fn header(&self, typ: &str) -> String {
        format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{}"}}"#, self.public().id())
    }

    /// A well-signed document of any type with any content.
    pub fn document(&self, typ: &str, payload: &[u8]) -> String {
        self.jws(&self.header(typ), payload)
    }

    /// Any header and any payload, well signed.
    pub fn jws(&self, header: &str, payload: &[u8]) -> String {
        self.signed(format!("{}.{}", base64(header.as_bytes()), base64(payload)))
    }

    /// Signs the very text.
    pub fn signed(&self, head: String) -> String {
        let signature = self.sign_raw(head.as_bytes());
        format!("{head}.{}", base64(&signature))
    }

    /// A document of a type whose content is `value`.
    pub fn value(&self, typ: &str, value: &Value) -> String {
        self.document(typ, value.to_string().as_bytes())
    }
}

/// The payload of a compact JWS, unverified.
pub fn payload(compact: &str) -> Value {
    serde_json::from_slice(&unbase64(compact.split('.').nth(1).unwrap())).unwrap()
}

pub struct Phone {
    pub keys: Keys,
    pub device: Device,
}

impl Phone {
    pub fn id(&self) -> Id {
        self.device.claims().device_id
    }
}

pub struct Server {
    pub keys: Keys,
    pub host: Host,
}

pub struct Stage {
    pub root: Keys,
    pub trust: Trust,
    pub issuer_keys: Keys,
    pub issuer: Issuer,
    pub server: Server,
    pub phone: Phone,
    /// Alice's other phone.
    pub tablet: Phone,
}

pub fn grant(realms: &[&str], hosts: &[&str]) -> IssuerGrant {
    let texts = |list: &[&str]| list.iter().map(|t| text(t)).collect();
    IssuerGrant {
        realms: texts(realms),
        hosts: texts(hosts),
        nbf: NOW,
        days: 90,
        serial: id("issuer serial"),
    }
}

pub fn issuance() -> Issuance {
    Issuance {
        nbf: NOW,
        days: 90,
        serial: id("serial"),
        log_index: 7,
    }
}

/// An issuer of `name` under `root`, as signed.
pub fn issuer_document(root: &Keys, name: &str, grant: IssuerGrant) -> String {
    let wish = IssuerRequest::sign(&Keys::of(name).pair, NOW).unwrap();
    cert::sign_issuer(&root.pair.sign, &IssuerRequest::verify(&wish).unwrap(), grant).unwrap()
}

impl Stage {
    pub fn new() -> Self {
        let root = Keys::of("root");
        let trust = Trust::new(vec![root.public()]);
        let issuer_keys = Keys::of("issuer");
        let issuer = issuer_document(&root, "issuer", grant(&["*"], &["*"]));
        let issuer = trust.verify_issuer(&issuer, NOW).unwrap();
        let server = server(&issuer, &issuer_keys, "web01");
        let phone = phone(&issuer, &issuer_keys, "phone", vec![alice()]);
        let tablet = phone_of(&issuer, &issuer_keys, "tablet");
        Self {
            root,
            trust,
            issuer_keys,
            issuer,
            server,
            phone,
            tablet,
        }
    }

    pub fn server(&self, name: &str) -> Server {
        server(&self.issuer, &self.issuer_keys, name)
    }

    pub fn phone_for(&self, name: &str, identities: Vec<Identity>) -> Phone {
        phone(&self.issuer, &self.issuer_keys, name, identities)
    }

    /// A device whose certificate differs from what the registrar would sign.
    pub fn odd_phone(&self, name: &str, change: impl FnOnce(&mut Value)) -> Phone {
        let plain = self.phone_for(name, vec![alice()]);
        let mut claims = payload(plain.device.document());
        change(&mut claims);
        let document = self.issuer_keys.value("assent-dev+jws", &claims);
        Phone {
            device: self.issuer.verify_device(&document, NOW).unwrap(),
            ..plain
        }
    }
}

fn phone_of(issuer: &Issuer, keys: &Keys, name: &str) -> Phone {
    phone(issuer, keys, name, vec![alice()])
}

pub fn token() -> Token {
    let text = format!(
        "1.{}.{}.{}",
        id("token"),
        id("token secret"),
        assent_proto::enrol::short_fingerprint(&Keys::of("root").public())
    );
    Token::from_text(&text).unwrap()
}

pub fn server(issuer: &Issuer, issuer_keys: &Keys, name: &str) -> Server {
    let keys = Keys::of(name);
    let document = host_document(issuer, issuer_keys, name).unwrap();
    Server {
        host: issuer.verify_host(&document, NOW).unwrap(),
        keys,
    }
}

pub fn host_document(issuer: &Issuer, issuer_keys: &Keys, name: &str) -> Result<String, cert::CertError> {
    let token = token();
    let join = HostJoin::new(&token, &Keys::of(name).pair, text(name), NOW).unwrap();
    let wish = join.verify(token.id, &token.secret).unwrap();
    cert::sign_host(issuer, &issuer_keys.pair.sign, id(name), &wish, issuance())
}

pub fn phone(issuer: &Issuer, issuer_keys: &Keys, name: &str, identities: Vec<Identity>) -> Phone {
    let document = device_document(issuer, issuer_keys, name, identities).unwrap();
    Phone {
        device: issuer.verify_device(&document, NOW).unwrap(),
        keys: Keys::of(name),
    }
}

pub fn device_document(
    issuer: &Issuer,
    issuer_keys: &Keys,
    name: &str,
    identities: Vec<Identity>,
) -> Result<String, cert::CertError> {
    let token = token();
    let enrolment = Enrolment::new(&token, &Keys::of(name).pair, text("My phone"), text("test"), NOW).unwrap();
    let wish = enrolment.verify(token.id, &token.secret).unwrap();
    let owner = DeviceOwner {
        identities,
        name: text("alice"),
    };
    cert::sign_device(
        issuer,
        &issuer_keys.pair.sign,
        id(name),
        owner,
        (&wish, None),
        issuance(),
    )
}

pub fn details(level: Level, digits: u8) -> Details {
    Details {
        login: text("k7f3q2"),
        svc: text("sshd"),
        user: text("alice"),
        identity: alice(),
        ruser: None,
        target_user: None,
        cmd: None,
        cwd: None,
        tty: None,
        src: Some(Source {
            ip: "192.0.2.7".parse().unwrap(),
            port: Some(50_022),
            network: None,
            asn: None,
            new: None,
            place: None,
        }),
        first: vec![text("password")],
        level,
        digits,
        lock: false,
        ttl: TTL,
        ctx: sha256(&[b"this transaction"]),
        app: text("ssh"),
    }
}

/// One push, from the host's side and from the devices'.
pub struct Ask<'a> {
    pub stage: &'a Stage,
    pub statement: Statement,
    pub request: String,
    pub devices: Vec<Device>,
    pub number: Option<&'static str>,
}

impl<'a> Ask<'a> {
    /// One tap, asked of Alice's phone and tablet.
    pub fn tap(stage: &'a Stage, name: &str) -> Self {
        Self::with(stage, name, details(Level::Tap, 0), None)
    }

    pub fn number(stage: &'a Stage, number: &'static str) -> Self {
        let digits = u8::try_from(number.len()).unwrap();
        Self::with(stage, "push", details(Level::Number, digits), Some(number))
    }

    pub fn with(stage: &'a Stage, name: &str, details: Details, number: Option<&'static str>) -> Self {
        let statement = Statement::new(id(name), nonce(name), &stage.server.host, NOW, details);
        let request = statement.sign(&stage.server.keys.pair.sign).unwrap();
        Self {
            stage,
            statement,
            request,
            devices: vec![stage.phone.device.clone(), stage.tablet.device.clone()],
            number,
        }
    }

    pub fn pending(&self) -> PendingPush {
        let number = self.number.map(|n| Zeroizing::new(n.to_owned()));
        PendingPush::new(&self.statement, &self.request, self.devices.clone(), number, ISSUED)
    }

    /// What `phone` sees, through sealing, opening and all the checks of a device.
    pub fn seen_by(&self, phone: &Phone) -> VerifiedRequest {
        let devices = [phone.device.clone()];
        let sealed = seal_to_devices(
            &self.statement,
            &self.request,
            &self.stage.server.host,
            &self.stage.issuer,
            &devices,
        )
        .unwrap();
        let context = request::seal_context(&self.statement.id, &phone.id(), self.statement.expiry());
        let envelope: Envelope = seal::open(&phone.keys.pair.kem, Purpose::Request, &context, &sealed[0].1).unwrap();
        request::verify(
            &envelope,
            self.statement.id,
            self.statement.expiry(),
            &self.stage.trust,
            NOW,
        )
        .unwrap()
    }

    pub fn answer(&self, phone: &Phone, decision: Decision, num: Option<&str>) -> Answer {
        Answer::new(&self.seen_by(phone), phone.id(), decision, num.map(text), NOW)
    }

    /// The answer of `phone`, signed.
    pub fn signed(&self, phone: &Phone, decision: Decision, num: Option<&str>) -> String {
        self.answer(phone, decision, num).sign(&phone.keys.pair.sign).unwrap()
    }

    /// The answer of `phone`, signed and sealed.
    pub fn sealed(&self, phone: &Phone, decision: Decision, num: Option<&str>) -> Bytes {
        self.seal(phone.id(), self.signed(phone, decision, num))
    }

    /// Any text, sealed to the host as `device`'s answer to this push.
    pub fn seal(&self, device: Id, res: String) -> Bytes {
        let context = answer::seal_context(&self.statement.id, &device);
        seal::seal(
            &self.stage.server.host.claims().kem,
            Purpose::Answer,
            &context,
            &answer::Envelope { res },
        )
        .unwrap()
    }

    pub fn approve(&self, phone: &Phone) -> Bytes {
        self.sealed(phone, Decision::Approve, self.number)
    }

    /// Receives in time.
    pub fn receive(&self, pending: &mut PendingPush, device: Id, blob: &Bytes) -> Received {
        pending.receive(&self.stage.server.keys.pair.kem, device, blob, after(1), NOW)
    }

    /// Receives on a fresh push.
    pub fn judge(&self, device: Id, blob: &Bytes) -> Received {
        self.receive(&mut self.pending(), device, blob)
    }
}

pub fn after(seconds: u64) -> BootTime {
    ISSUED.plus(Duration::from_secs(seconds))
}

pub fn in_days(days: u64) -> UnixTime {
    NOW.plus(days * DAY)
}

pub fn ctx() -> Digest {
    sha256(&[b"this transaction"])
}
