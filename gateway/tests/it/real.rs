//! Requests and answers as `proto` really makes them, and the host's own verifier as their judge.

use crate::people::{Events, TestDevice, TestHost, identity};
use crate::rig::{Gateway, id, now, text};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{Device, Level};
use assent_proto::keys::KeyPair;
use assent_proto::relay::{DeviceEvent, Push, PushItem};
use assent_proto::request::{self, Command, Details, Source, Statement, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::BootTime;
use assent_proto::verdict::{PendingPush, Received, seal_to_devices};
use assent_proto::{Bytes, Id, Nonce, sha256};
use std::time::Duration;

pub const COMMAND: &str = "/usr/sbin/visudo-canary";
pub const ADDRESS: &str = "198.51.100.77";

/// A real request of a host to a device, and what the host remembers of it.
pub struct Asked<'a> {
    pub host: &'a TestHost,
    pub statement: Statement,
    pub signed: String,
    pub device: Device,
}

impl<'a> Asked<'a> {
    pub async fn send(gateway: &Gateway, host: &'a TestHost, device: &TestDevice, user: &str) -> Self {
        let certified = gateway.issuer.verify_host(&host.certificate, now()).unwrap();
        let details = Details {
            login: text("k7f3q2"),
            svc: text("sudo-canary"),
            user: text(user),
            identity: identity(user),
            ruser: None,
            target_user: Some(text("root-canary")),
            cmd: Some(Command {
                resolved: Some(text(COMMAND)),
                args: vec![text("-f")],
                truncated: false,
                sha256: sha256(&[b"visudo"]),
            }),
            cwd: Some(text("/home/canary")),
            tty: Some(text("/dev/pts/77")),
            src: Some(Source {
                ip: ADDRESS.parse().unwrap(),
                port: Some(50_022),
                network: None,
                asn: None,
                new: None,
                place: None,
            }),
            first: vec![text("password (corp-canary)")],
            level: Level::Tap,
            digits: 0,
            lock: false,
            ttl: 60,
            ctx: sha256(&[b"transaction"]),
            app: text("sudo-canary"),
        };
        let statement = Statement::new(id(), Nonce::random().unwrap(), &certified, now(), details);
        let signed = statement.sign(&host.keys.sign).unwrap();
        let device = gateway.issuer.verify_device(&device.certificate, now()).unwrap();
        let sealed = seal_to_devices(
            &statement,
            &signed,
            &certified,
            &gateway.issuer,
            std::slice::from_ref(&device),
        );
        let push = Push {
            id: statement.id,
            expiry: statement.expiry(),
            ttl: statement.ttl,
            to: sealed
                .unwrap()
                .into_iter()
                .map(|(device, blob)| PushItem { device, blob })
                .collect(),
        };
        host.push(gateway, &push).await;
        Self {
            host,
            statement,
            signed,
            device,
        }
    }

    /// Whether the host, had it asked just now, would let the login pass on this delivery.
    pub fn passes(&self, device: Id, blob: &Bytes) -> bool {
        let asked = BootTime(Duration::from_secs(1000));
        let devices = vec![self.device.clone()];
        let mut pending = PendingPush::new(&self.statement, &self.signed, devices, None, asked);
        let received = pending.receive(
            &self.host.keys.kem,
            device,
            blob,
            asked.plus(Duration::from_secs(1)),
            now(),
        );
        matches!(received, Received::Approved(_))
    }
}

/// Opens a delivered request as a device does; `None` if there is nothing that it would draw.
pub fn opened(gateway: &Gateway, device: &TestDevice, event: &DeviceEvent) -> Option<VerifiedRequest> {
    let DeviceEvent::Push { id, expiry, blob, .. } = event else {
        return None;
    };
    let context = request::seal_context(id, &device.id, *expiry);
    let envelope = seal::open(&device.keys.kem, Purpose::Request, &context, blob).ok()?;
    let trust = assent_proto::cert::Trust::new(vec![gateway.root.clone()]);
    request::verify(&envelope, *id, *expiry, &trust, now()).ok()
}

pub fn sealed_answer(request: &VerifiedRequest, as_device: Id, keys: &KeyPair, decision: Decision) -> Bytes {
    let answer = Answer::new(request, as_device, decision, None, now());
    let envelope = answer::Envelope {
        res: answer.sign(&keys.sign).unwrap(),
    };
    let context = answer::seal_context(&request.statement.id, &as_device);
    seal::seal(&request.host.claims().kem, Purpose::Answer, &context, &envelope).unwrap()
}

pub async fn answers(gateway: &Gateway, device: &TestDevice, hears: &mut Events, decision: Decision) {
    let event = hears.for_device().await;
    let request = opened(gateway, device, &event).expect("a good request is drawn");
    let blob = sealed_answer(&request, device.id, &device.keys, decision);
    assert_eq!(
        device.answer(gateway, request.statement.id, &blob.0).await.status(),
        204
    );
}
