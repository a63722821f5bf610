//! Devices in numbers, enrolled as the protocol has it, by the enrolled host that this program borrows the keys of.
//!
//! A mailbox may have eight streams. To spare thousands of enrolments, those who only listen share mailboxes to the
//! full; each stream has a TLS connection of its own all the same.

use super::super::http::{self, Caller};
use assent_proto::cert::{DeviceOwner, Host, Identity, Issuer, Trust};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::registrar::{self, Ask, EnrolmentState, HostAsk, HostWant, Reply, Sealed};
use assent_proto::roots::RootSet;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use reqwest::Client;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Streams of one mailbox, as many as the relay keeps.
pub const STREAMS_OF_ONE: usize = 8;
/// Connections that are opened at a time.
const AT_A_TIME: usize = 64;

/// The host, its devices, and those who only listen.
pub struct People {
    /// Posts pushes.
    pub host: Caller,
    /// Answer pushes.
    pub devices: Vec<(Id, Caller)>,
    /// Open streams, and nothing else.
    listeners: Vec<Caller>,
    streams: usize,
}

/// A stream that is kept open and read.
pub struct Stream(JoinHandle<()>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl People {
    /// Enrols `answering` devices, and as many as `streams` listeners need.
    pub async fn enrol(url: &str, tls: &Arc<rustls::ClientConfig>, answering: usize, streams: usize) -> Self {
        let registrar = Registrar::of_this_host(url, http::client(tls));
        let mut devices = Vec::new();
        for number in 0..answering {
            let (id, keys) = registrar.enrol(number).await;
            devices.push((id, Caller::new(http::client(tls), url, &keys.sign, id)));
        }
        let mut listeners = Vec::new();
        for number in 0..streams.div_ceil(STREAMS_OF_ONE) {
            let (id, keys) = registrar.enrol(answering + number).await;
            listeners.push(Caller::new(registrar.client.clone(), url, &keys.sign, id));
        }
        let host_id = registrar.host.claims().host_id;
        Self {
            host: Caller::new(http::client(tls), url, &registrar.keys.sign, host_id),
            devices,
            listeners,
            streams,
        }
    }

    /// Opens every listener's streams, each on a connection of its own.
    pub async fn open_streams(&self, tls: &Arc<rustls::ClientConfig>) -> Vec<Stream> {
        let mut opening = FuturesUnordered::new();
        let mut open = Vec::with_capacity(self.streams);
        for number in 0..self.streams {
            let caller = self.listeners[number / STREAMS_OF_ONE].on(http::client(tls));
            opening.push(listen(caller));
            if opening.len() >= AT_A_TIME {
                open.extend(opening.next().await);
            }
        }
        while let Some(stream) = opening.next().await {
            open.push(stream);
        }
        open
    }
}

async fn listen(caller: Caller) -> Stream {
    let mut events = caller.events().await.bytes_stream();
    Stream(tokio::spawn(async move {
        // The client goes with its last stream.
        let _caller = caller;
        while events.next().await.is_some_and(|chunk| chunk.is_ok()) {}
    }))
}

/// The registrar, as an enrolled host and new devices ask it.
struct Registrar {
    client: Client,
    url: String,
    keys: KeyPair,
    host: Host,
    issuer: Issuer,
    root: VerifyingKey,
}

impl Registrar {
    fn of_this_host(url: &str, client: Client) -> Self {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let state = Path::new("/var/lib/assent");
        let anchors = std::fs::read_dir("/etc/assent/trust.d").expect("the pinned roots");
        let anchor = anchors.flatten().next().expect("a pinned root").path();
        let root = VerifyingKey::from_pem(&read(&anchor)).expect("a root");
        let now = UnixTime::now();
        let trust = Trust::new(vec![root.clone()]);
        let issuer = trust
            .verify_issuer(read(&state.join("issuer.jws")).trim(), now)
            .expect("the issuer");
        Self {
            client,
            url: url.to_owned(),
            keys: KeyPair::from_file(&read(&state.join("host.key"))).expect("the host's keys"),
            host: issuer
                .verify_host(read(&state.join("host.jws")).trim(), now)
                .expect("the host's certificate"),
            issuer,
            root,
        }
    }

    /// A new user's device: the host vouches, the device comes, the digits go back.
    async fn enrol(&self, number: usize) -> (Id, KeyPair) {
        let text = |text: String| ShortText::new(text).expect("a short text");
        let token = Token::random(&RootSet::of_key(self.root.clone())).expect("a token");
        let opened = self
            .host_asks(HostWant::OpenEnrolment {
                token_id: token.id,
                secret: token.secret.clone(),
                owner: DeviceOwner {
                    identities: vec![Identity {
                        realm: text("example.org".into()),
                        id: text(format!("bench-{number}")),
                    }],
                    name: text(format!("bench {number}")),
                },
            })
            .await;
        assert!(matches!(opened, Reply::EnrolmentOpen { .. }), "{opened:?}");
        let keys = KeyPair::generate().expect("keys");
        let enrolment = Enrolment::new(
            &token,
            &keys,
            text("bench".into()),
            text("bench".into()),
            UnixTime::now(),
        );
        let enrolment = enrolment.expect("an enrolment");
        let come = self.ask(&keys, Ask::EnrolDevice(enrolment.clone())).await;
        let Reply::Enrolment(EnrolmentState::Digits { n, .. }) = come else {
            panic!("digits are not asked for: {come:?}");
        };
        let digits = text(enrolment.digits(&n));
        let want = HostWant::ConfirmEnrolment {
            token_id: token.id,
            digits,
        };
        let Reply::Enrolment(EnrolmentState::Certified { device }) = self.host_asks(want).await else {
            panic!("a device was not certified");
        };
        let device = self
            .issuer
            .verify_device(&device, UnixTime::now())
            .expect("a certificate");
        (device.claims().device_id, keys)
    }

    async fn host_asks(&self, want: HostWant) -> Reply {
        let n = Id::random().expect("randomness");
        let signed = HostAsk::sign(&self.keys.sign, self.host.claims().host_id, n, UnixTime::now(), want);
        let signed = signed.expect("a signed call");
        self.ask(&self.keys, Ask::Host { signed }).await
    }

    async fn ask(&self, keys: &KeyPair, ask: Ask) -> Reply {
        let (sealed, open) = registrar::call(&self.issuer, &keys.kem.public(), ask).expect("a sealed call");
        let request = self.client.post(format!("{}/v1/registrar", self.url)).json(&sealed);
        let response = request.send().await.expect("the registrar's answer");
        let sealed: Sealed = response.json().await.expect("a sealed reply");
        open.reply(&keys.kem, &sealed).expect("the registrar's reply")
    }
}
