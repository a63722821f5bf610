//! The real relay, in this process: its router with its claims, its data base, its event streams. Everything that passes
//! is kept for [`crate::secrecy`].

use crate::company::{Company, EVIL, HONEST, counts};
use assent_gateway::config::{Limits, WebPush};
use assent_gateway::relay::auth::Peer;
use assent_gateway::relay::door::{CodesDoor, Door};
use assent_gateway::relay::link::Desk;
use assent_gateway::relay::{Relay, routes};
use assent_gateway::store::relay::{Kind, Mailbox};
use assent_proto::Id;
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::relay::Claim;
use assent_proto::time::UnixTime;
use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{Method, Request, StatusCode};
use futures_util::{FutureExt as _, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

pub const URL: &str = "https://push.example.org";
/// Pushes of one host that may wait at one device: few, so that a flood meets it.
pub const WAITING: u32 = 8;
/// A claim is made anew after this.
const CLAIM_AGE: Duration = Duration::from_secs(300);

pub struct Post {
    router: Router,
    streams: HashMap<Id, BodyDataStream>,
    claims: HashMap<Id, (String, Instant)>,
    pub dir: PathBuf,
    /// Whatever went in or out since the last search.
    pub traffic: Vec<u8>,
    /// How many bytes were searched.
    pub searched: usize,
}

impl Post {
    pub async fn open(company: &Company) -> Self {
        let dir = std::env::temp_dir().join(format!("assent-arena-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let much = 1_000_000;
        let limits = Limits {
            connections: much,
            calls_per_host: much,
            calls_per_device: much,
            calls_per_address: much,
            waiting_per_host_and_device: WAITING,
            unanswered_per_host_and_device: much,
        };
        let relay = Relay::open(&dir, URL, &limits, &WebPush::default()).await.unwrap();
        let mut open = Vec::new();
        for at in [EVIL].into_iter().chain(HONEST) {
            let server = &company.servers[at];
            open.push((server.id, Kind::Host, &server.keys));
        }
        for (_, phone) in company.phones.iter().enumerate().filter(|(at, _)| counts(*at)) {
            open.push((phone.id, Kind::Device, &phone.keys));
        }
        for (id, kind, keys) in &open {
            let key = keys.sign.public();
            let mailbox = Mailbox {
                id: *id,
                kind: *kind,
                key,
            };
            relay.add_mailbox(mailbox).await.unwrap();
        }
        let link = SigningKey::generate().unwrap();
        let door = Door::Apart(Arc::new(Desk::new(link.public(), None)));
        let mut post = Self {
            router: routes::router(relay, door, CodesDoor::Nowhere, false),
            streams: HashMap::new(),
            claims: HashMap::new(),
            dir,
            traffic: Vec::new(),
            searched: 0,
        };
        for (id, _, keys) in open {
            let bearer = post.claim(id, keys);
            let response = post.send(Method::GET, "/v1/events", &bearer, Vec::new()).await;
            assert_eq!(response.status(), StatusCode::OK);
            let mut stream = response.into_body().into_data_stream();
            stream.next().await.unwrap().unwrap();
            post.streams.insert(id, stream);
        }
        post
    }

    pub fn claim(&mut self, id: Id, keys: &KeyPair) -> String {
        if let Some((bearer, made)) = self.claims.get(&id)
            && made.elapsed() < CLAIM_AGE
        {
            return bearer.clone();
        }
        let bearer = Claim::sign(&keys.sign, URL, id, UnixTime::now()).unwrap();
        self.claims.insert(id, (bearer.clone(), Instant::now()));
        bearer
    }

    async fn send(&mut self, method: Method, path: &str, bearer: &str, body: Vec<u8>) -> axum::response::Response {
        self.passes(path.as_bytes());
        self.passes(bearer.as_bytes());
        self.passes(&body);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {bearer}"))
            .extension(Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)))
            .body(Body::from(body))
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A call; the status of its reply.
    pub async fn call(&mut self, method: Method, path: &str, bearer: &str, body: &impl Serialize) -> StatusCode {
        let body = serde_json::to_vec(body).unwrap();
        let response = self.send(method, path, bearer, body).await;
        let status = response.status();
        // A stream that opens has no end.
        if path != "/v1/events" {
            let reply = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            self.passes(&reply);
        }
        status
    }

    /// Everything that has come for this mailbox. The relay publishes before it acknowledges, so nothing is under way.
    pub fn hears<T: DeserializeOwned>(&mut self, mailbox: Id) -> Vec<T> {
        let stream = self.streams.get_mut(&mailbox).unwrap();
        let mut events = Vec::new();
        while let Some(Some(Ok(text))) = stream.next().now_or_never() {
            self.traffic.extend_from_slice(&text);
            let text = std::str::from_utf8(&text).unwrap();
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            events.extend(data.map(|data| serde_json::from_str::<T>(data).unwrap()));
        }
        events
    }

    /// Something passes the relay.
    pub fn passes(&mut self, bytes: &[u8]) {
        self.traffic.extend_from_slice(bytes);
        self.traffic.push(b'\n');
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
