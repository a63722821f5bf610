//! An evil relay (T3) that is a man in the middle with a trusted certificate too (T4): real agents and authenticators
//! find it at the gateway's address; the real gateway stands behind it. It sees every message and can alter, swap,
//! replay, delay, duplicate, drop, reorder and invent them, and deliver them to others.
//!
//! A scenario gives it one rule ([`EvilRelay::does`]), which says of each message what goes on in its place. Without
//! one it carries everything as it is. It holds no key of anybody.

use super::between::{client, router, serve, server_config};
use assent_proto::registrar::Sealed;
use assent_proto::relay::{DeviceEvent, HostEvent, ProblemCode, Push, TrustInfo};
use assent_proto::{Bytes, Id};
use assent_tests::product::{Gateway, PATIENCE};
use assent_tests::{evidence, patience};
use axum::http::StatusCode;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// A message on its way.
#[derive(Debug, Clone)]
pub enum Message {
    /// Host → relay.
    Push(Push),
    /// Host → relay: the push is over.
    Withdraw(Id),
    /// Device → relay: the push, and what is sealed to the host.
    Answer(Id, Bytes),
    /// Relay → device.
    ToDevice(Id, DeviceEvent),
    /// Relay → host.
    ToHost(HostEvent),
    /// Anyone → registrar.
    Call(Sealed),
    /// Registrar → caller.
    Reply(Sealed),
    /// What the relay says of itself.
    Trust(TrustInfo),
}

/// What becomes of a message.
pub enum Act {
    /// It goes on as it is.
    Pass,
    /// It goes no further; whoever sent it is told that all is well.
    Swallow,
    /// These go on in its place, in this order.
    Send(Vec<Message>),
    /// The sender is told this instead.
    Refuse(StatusCode, ProblemCode),
    /// The sender gets these bytes, as if they were the reply.
    Body(Vec<u8>),
}

type Rule = Box<dyn FnMut(&Message, &[Message]) -> Act + Send>;

/// What its connections share.
pub struct Shared {
    pub upstream: String,
    pub client: reqwest::Client,
    pub rule: Mutex<Rule>,
    /// Every message as its sender sent it.
    pub seen: Mutex<Vec<Message>>,
    pub streams: Mutex<Vec<(Id, mpsc::UnboundedSender<Vec<u8>>)>>,
    pub host: Mutex<Option<Id>>,
}

/// The running relay.
pub struct EvilRelay {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EvilRelay {
    /// Starts it at `port`, in front of `gateway`.
    pub fn start(gateway: &Gateway, port: u16) -> Self {
        let certificate = gateway.certificate_for("between");
        let client = client(&gateway.ca_certificate());
        let shared = Arc::new(Shared {
            upstream: gateway.listens().to_owned(),
            client,
            rule: Mutex::new(Box::new(|_, _| Act::Pass)),
            seen: Mutex::default(),
            streams: Mutex::default(),
            host: Mutex::default(),
        });
        // Its threads live in this scenario's world, as every thread that is started in it does.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let tls = server_config(&certificate.certificate, &certificate.key);
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .expect("the gateway's known port");
        runtime.spawn(serve(listener, tls, router(shared.clone())));
        Self {
            shared,
            runtime: Some(runtime),
        }
    }

    /// From now on, this becomes of each message; the rule also gets everything seen before it.
    pub fn does(&self, rule: impl FnMut(&Message, &[Message]) -> Act + Send + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    /// From now on, it carries everything as it is.
    pub fn is_honest(&self) {
        self.does(|_, _| Act::Pass);
    }

    /// Everything that was sent so far, as it was sent.
    pub fn seen(&self) -> Vec<Message> {
        lock(&self.shared.seen).clone()
    }

    /// Waits for a message after the first `after` ones that this finds something in.
    pub fn wait_for<T>(&self, after: usize, find: impl Fn(&Message) -> Option<T>) -> T {
        let found = patience::until(PATIENCE, || lock(&self.shared.seen).iter().skip(after).find_map(&find));
        found.expect("the message was sent")
    }

    /// Says something to the host, unasked.
    pub fn says(&self, event: HostEvent) {
        self.shared.deliver(self.host(), None, &Message::ToHost(event));
    }

    /// Says something to one of several hosts, unasked.
    pub fn says_to(&self, host: Id, event: HostEvent) {
        self.shared.deliver(host, None, &Message::ToHost(event));
    }

    /// Sends raw bytes on the host's event stream. Whether anyone still reads them.
    pub fn says_bytes(&self, bytes: &[u8]) -> bool {
        let host = self.host();
        let streams = lock(&self.shared.streams);
        streams
            .iter()
            .filter(|(id, _)| *id == host)
            .any(|(_, stream)| stream.send(bytes.to_vec()).is_ok())
    }

    fn host(&self) -> Id {
        let found = patience::until(PATIENCE, || *lock(&self.shared.host));
        found.expect("a host listens")
    }
}

impl Drop for EvilRelay {
    fn drop(&mut self) {
        evidence::leave("evil relay", || {
            let lines: Vec<_> = lock(&self.shared.seen).iter().map(|m| format!("{m:?}")).collect();
            lines.join("\n")
        });
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
