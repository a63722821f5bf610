//! What trust costs the agent: signing and sealing a request, verifying an answer, and a revocation list of 10,000
//! certificates. The protocol's own code with its own keys, no world around it.

use super::Options;
use super::row::{Row, Samples};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{
    self, Device, DeviceOwner, Host, Identity, Issuance, Issuer, IssuerGrant, IssuerRequest, Level, Trust,
};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::registrar::HostJoin;
use assent_proto::request::{Details, Statement, VerifiedRequest};
use assent_proto::revocation::{RevocationClaims, Revocations};
use assent_proto::roots::RootSet;
use assent_proto::seal::{self, Purpose};
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::verdict::{PendingPush, Received, seal_to_devices};
use assent_proto::{Id, Nonce, ShortText, sha256};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SERIALS: usize = 10_000;

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 200 } else { 2000 };
    let company = Company::new();
    let mut rows = vec![
        Row::of(
            "a request, signed and sealed to one device",
            "µs",
            &company.requests(times),
        ),
        Row::of("an answer, opened, verified and judged", "µs", &company.answers(times)),
    ];
    rows.extend(company.list(times));
    rows
}

/// A root, an issuing key, a host and a device.
struct Company {
    trust: Trust,
    issuer_keys: KeyPair,
    issuer: Issuer,
    host_keys: KeyPair,
    host: Host,
    device_keys: KeyPair,
    device: Device,
    now: UnixTime,
}

fn text(text: &str) -> ShortText {
    ShortText::cut(text.to_owned())
}

fn id() -> Id {
    Id::random().expect("randomness")
}

impl Company {
    fn new() -> Self {
        let now = UnixTime::now();
        let root = SigningKey::generate().expect("a root");
        let trust = Trust::new(vec![root.public()]);
        let issuer_keys = KeyPair::generate().expect("issuing keys");
        let wish = IssuerRequest::sign(&issuer_keys, now).expect("a wish");
        let grant = IssuerGrant {
            realms: vec![text("*")],
            hosts: vec![text("*")],
            nbf: now,
            days: 90,
            serial: id(),
        };
        let wish = IssuerRequest::verify(&wish).expect("a wish");
        let signed = cert::sign_issuer(&root, &wish, grant).expect("a certificate");
        let issuer = trust.verify_issuer(&signed, now).expect("an issuer");
        let issuance = || Issuance {
            nbf: now,
            days: 90,
            serial: id(),
            log_index: 1,
        };
        let token = Token::random(&RootSet::of_key(root.public())).expect("a token");
        let host_keys = KeyPair::generate().expect("host keys");
        let join = HostJoin::new(&token, &host_keys, text("web01"), now).expect("a join");
        let join = join.verify(token.id, &token.secret).expect("a join");
        let signed = cert::sign_host(&issuer, &issuer_keys.sign, id(), &join, issuance()).expect("a certificate");
        let host = issuer.verify_host(&signed, now).expect("a host");
        let device_keys = KeyPair::generate().expect("device keys");
        let wish = Enrolment::new(&token, &device_keys, text("phone"), text("bench"), now).expect("a wish");
        let wish = wish.verify(token.id, &token.secret).expect("a wish");
        let owner = DeviceOwner {
            identities: vec![identity()],
            name: text("alice"),
        };
        let signed = cert::sign_device(&issuer, &issuer_keys.sign, id(), owner, (&wish, None), issuance())
            .expect("a certificate");
        let device = issuer.verify_device(&signed, now).expect("a device");
        Self {
            trust,
            issuer_keys,
            issuer,
            host_keys,
            host,
            device_keys,
            device,
            now,
        }
    }

    fn statement(&self) -> Statement {
        let details = Details {
            login: text("k7f3q2"),
            svc: text("sshd"),
            user: text("alice"),
            identity: identity(),
            ruser: None,
            target_user: None,
            cmd: None,
            cwd: None,
            tty: Some(text("ssh")),
            src: None,
            first: vec![text("password (corp)")],
            level: Level::Tap,
            digits: 0,
            lock: false,
            ttl: 60,
            ctx: sha256(&[b"bench"]),
            app: text("ssh"),
        };
        Statement::new(
            id(),
            Nonce::random().expect("randomness"),
            &self.host,
            self.now,
            details,
        )
    }

    fn requests(&self, times: usize) -> Samples {
        let devices = [self.device.clone()];
        let mut took = Samples::default();
        for _ in 0..times {
            let statement = self.statement();
            let began = Instant::now();
            let request = statement.sign(&self.host_keys.sign).expect("a request");
            let sealed = seal_to_devices(&statement, &request, &self.host, &self.issuer, &devices);
            black_box(sealed.expect("boxes"));
            took.push(micros(began));
        }
        took
    }

    fn answers(&self, times: usize) -> Samples {
        let (boot, kem) = (BootTime(Duration::from_secs(1000)), &self.host_keys.kem);
        let device = self.device.claims().device_id;
        let mut took = Samples::default();
        for _ in 0..times {
            let statement = self.statement();
            let request = statement.sign(&self.host_keys.sign).expect("a request");
            let drawn = VerifiedRequest {
                digest: sha256(&[request.as_bytes()]),
                statement: statement.clone(),
                host: self.host.clone(),
            };
            let answer = Answer::new(&drawn, device, Decision::Approve, None, self.now);
            let envelope = answer::Envelope {
                res: answer.sign(&self.device_keys.sign).expect("an answer"),
            };
            let context = answer::seal_context(&statement.id, &device);
            let blob = seal::seal(&self.host.claims().kem, Purpose::Answer, &context, &envelope).expect("a box");
            let mut pending = PendingPush::new(&statement, &request, vec![self.device.clone()], None, boot);
            let began = Instant::now();
            let received = pending.receive(kem, device, &blob, boot, self.now);
            took.push(micros(began));
            assert!(matches!(received, Received::Approved(_)), "it is approved");
        }
        took
    }

    fn list(&self, times: usize) -> Vec<Row> {
        let serials = (0..SERIALS).map(|_| id()).collect();
        let claims = RevocationClaims::new(1, self.now, serials, vec![], vec![]);
        let document = claims.sign(&self.issuer_keys.sign).expect("a list");
        let (mut verified, mut asked) = (Samples::default(), Samples::default());
        let verify = || Revocations::verify(&self.trust, self.issuer.document(), &document).expect("a list");
        for _ in 0..times.min(200) {
            let began = Instant::now();
            black_box(verify());
            verified.push(micros(began) / 1000.0);
        }
        let list = verify();
        for _ in 0..times {
            let began = Instant::now();
            assert!(
                !black_box(list.revokes_device(black_box(&self.device))),
                "it is not listed"
            );
            asked.push(micros(began));
        }
        #[allow(clippy::cast_precision_loss)] // some hundred thousand bytes
        let kib = document.len() as f64 / 1024.0;
        vec![
            Row::new("a revocation list of 10,000 certificates", "KiB", kib),
            Row::of("verifying it", "ms", &verified).note("signature over all of it, then its JSON"),
            Row::of("asking it for one device", "µs", &asked),
        ]
    }
}

fn identity() -> Identity {
    Identity {
        realm: text("example.org"),
        id: text("1f0e7c9a"),
    }
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}
