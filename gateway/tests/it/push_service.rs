//! A push service on loopback, as Mozilla's or Google's is on the internet: takes what the gateway sends and answers as it
//! is told. And a browser's end: what came is opened by RFC 8291 as it is written, by other crates than the sender's.

use crate::rig::SOON;
use assent_proto::Bytes;
use assent_proto::relay::{Ring, Subscription};
use assent_proto::{Id, ShortText};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hkdf::Hkdf;
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey, ecdh, ecdsa};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::Value;
use sha2::Sha256;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, mpsc};

/// What came.
pub struct Message {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

struct Inner {
    /// What is answered next; 201 when it is empty.
    answers: Mutex<VecDeque<(u16, Option<(&'static str, String)>)>>,
    came: mpsc::UnboundedSender<Message>,
    /// Answers may leave.
    open: Semaphore,
}

pub struct PushService {
    pub origin: String,
    inner: Arc<Inner>,
    came: mpsc::UnboundedReceiver<Message>,
}

impl PushService {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (sender, came) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            answers: Mutex::default(),
            came: sender,
            open: Semaphore::new(1000),
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, inner, came }
    }

    /// The gateway's configuration for it.
    pub fn config(&self) -> String {
        format!("[web_push]\nservices = []\nown_services = [\"{}\"]\n", self.origin)
    }

    /// One further answer.
    pub fn answers(&self, status: u16, header: Option<(&'static str, String)>) {
        self.inner.answers.lock().unwrap().push_back((status, header));
    }

    /// No answer leaves until it is let.
    pub fn hold(&self) {
        self.inner.open.forget_permits(1000);
    }

    pub fn let_go(&self) {
        self.inner.open.add_permits(1000);
    }

    pub async fn next(&mut self) -> Message {
        tokio::time::timeout(SOON, self.came.recv())
            .await
            .expect("a message")
            .unwrap()
    }

    /// Whether nothing more has come.
    pub fn is_quiet(&mut self) -> bool {
        self.came.try_recv().is_err()
    }
}

async fn take(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 8192).await.unwrap().to_vec();
    inner
        .came
        .send(Message {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body,
        })
        .unwrap();
    inner.open.acquire().await.unwrap().forget();
    inner.open.add_permits(1);
    let (status, header) = inner.answers.lock().unwrap().pop_front().unwrap_or((201, None));
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A browser with one subscription.
pub struct Browser {
    secret: SecretKey,
    auth: [u8; 16],
}

impl Browser {
    pub fn new() -> Self {
        let mut bytes = [0; 48];
        getrandom::fill(&mut bytes).unwrap();
        let (secret, auth) = bytes.split_at(32);
        Self {
            secret: SecretKey::from_slice(secret).unwrap(),
            auth: auth.try_into().unwrap(),
        }
    }

    fn point(&self) -> Vec<u8> {
        self.secret.public_key().to_sec1_point(false).as_bytes().to_vec()
    }

    pub fn subscription(&self, endpoint: &str) -> Subscription {
        Subscription {
            endpoint: ShortText::new(endpoint).unwrap(),
            p256dh: Bytes(self.point()),
            auth: Bytes(self.auth.to_vec()),
        }
    }

    /// The push that a message rings for.
    pub fn opens(&self, message: &Message) -> Id {
        let ring: Ring = serde_json::from_slice(&self.plain(&message.body)).unwrap();
        ring.id
    }

    /// RFC 8291, section 3.4, and RFC 8188, section 2.
    fn plain(&self, body: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(16);
        let (record, rest) = rest.split_at(4);
        let (len, rest) = rest.split_first().unwrap();
        let (sender, sealed) = rest.split_at(usize::from(*len));
        let record = u32::from_be_bytes(record.try_into().unwrap());
        assert!(sealed.len() <= record as usize, "one record");
        let theirs = PublicKey::from_sec1_bytes(sender).unwrap();
        let shared = ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), theirs.as_affine());
        let mut ikm = [0; 32];
        let info = [b"WebPush: info\0", &self.point()[..], sender].concat();
        Hkdf::<Sha256>::new(Some(&self.auth), shared.raw_secret_bytes())
            .expand(&info, &mut ikm)
            .unwrap();
        let derive = Hkdf::<Sha256>::new(Some(salt), &ikm);
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        derive.expand(b"Content-Encoding: aes128gcm\0", &mut key).unwrap();
        derive.expand(b"Content-Encoding: nonce\0", &mut nonce).unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut text = sealed.to_vec();
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .unwrap();
        let end = plain.iter().rposition(|byte| *byte != 0).unwrap();
        assert_eq!(plain[end], 2, "the last record's delimiter");
        plain[..end].to_vec()
    }
}

/// The claims of a message's VAPID token, and the key that it was verified with.
pub fn vapid(message: &Message) -> (Value, Vec<u8>) {
    let header = message.headers["authorization"].to_str().unwrap();
    let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let decode = |text: &str| -> Vec<u8> {
        let bytes: Bytes = serde_json::from_value(Value::from(text)).unwrap();
        bytes.0
    };
    let key = decode(key);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let verifier = ecdsa::VerifyingKey::from_sec1_bytes(&key).unwrap();
    let signature = ecdsa::Signature::from_slice(&decode(signature)).unwrap();
    verifier.verify(signed.as_bytes(), &signature).unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let head: Value = serde_json::from_slice(&decode(head)).unwrap();
    assert_eq!(head, serde_json::json!({"typ": "JWT", "alg": "ES256"}));
    (serde_json::from_slice(&decode(claims)).unwrap(), key)
}
