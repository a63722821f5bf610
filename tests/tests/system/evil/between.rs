//! The HTTP side of the evil relay: the gateway's own routes, each message judged by the rule ([`super::relay`]) before
//! it goes on to the real gateway or back to whoever listens.

use super::relay::{Act, Message, Shared, lock};
use assent_proto::registrar::Sealed;
use assent_proto::relay::{DeviceEvent, HostEvent, Problem, ProblemCode, PushTaken, TrustInfo};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// An HTTP client that trusts this authority.
pub fn client(ca: &std::path::Path) -> reqwest::Client {
    // Whoever comes second finds it done.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = std::fs::read(ca).expect("the authority's certificate");
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).expect("a certificate")])
        .build()
        .expect("a client")
}

/// TLS with this certificate.
pub fn server_config(certificate: &std::path::Path, key: &std::path::Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .expect("the certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("the key");
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a TLS configuration");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Serves until its runtime ends.
pub async fn serve(listener: TcpListener, tls: Arc<rustls::ServerConfig>, router: Router) {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = hyper_util::service::TowerToHyperService::new(router);
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The gateway's routes.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/push", post(push))
        .route("/v1/push/{id}", axum::routing::delete(withdraw))
        .route("/v1/push/{id}/answer", post(answer))
        .route("/v1/events", get(events))
        .route("/v1/registrar", post(call))
        .route("/v1/trust", get(trust))
        .with_state(shared)
}

impl Shared {
    /// What is to become of a message.
    fn judge(&self, message: &Message) -> Act {
        let before = {
            let mut seen = lock(&self.seen);
            seen.push(message.clone());
            seen[..seen.len() - 1].to_vec()
        };
        (lock(&self.rule))(message, &before)
    }

    /// What goes on in a message's place; or the answer to its sender.
    fn in_its_place(&self, message: Message, well: impl Serialize) -> Result<Vec<Message>, Box<Response>> {
        match self.judge(&message) {
            Act::Pass => Ok(vec![message]),
            Act::Send(messages) => Ok(messages),
            Act::Swallow => Err(Box::new(Json(well).into_response())),
            Act::Body(bytes) => Err(Box::new(bytes.into_response())),
            Act::Refuse(status, code) => Err(Box::new(refusal(status, code))),
        }
    }

    async fn forward(&self, method: Method, path: String, bearer: Option<&str>, body: Value) -> Response {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.upstream))
            .json(&body);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                let body = response.bytes().await.unwrap_or_default();
                (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
            }
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }

    /// Forwards what is a request, in order; the answer to the last one is the answer.
    async fn forward_all(&self, messages: Vec<Message>, bearer: Option<&str>) -> Response {
        let mut last = StatusCode::BAD_GATEWAY.into_response();
        for message in messages {
            last = match message {
                Message::Push(push) => self.forward(Method::POST, "/v1/push".into(), bearer, json!(push)).await,
                Message::Withdraw(id) => {
                    self.forward(Method::DELETE, format!("/v1/push/{id}"), bearer, Value::Null)
                        .await
                }
                Message::Answer(id, blob) => {
                    let path = format!("/v1/push/{id}/answer");
                    self.forward(Method::POST, path, bearer, json!({ "blob": blob })).await
                }
                Message::Call(sealed) => {
                    self.forward(Method::POST, "/v1/registrar".into(), None, json!(sealed))
                        .await
                }
                Message::ToDevice(to, _) => {
                    self.deliver(to, None, &message);
                    continue;
                }
                Message::ToHost(_) | Message::Reply(_) | Message::Trust(_) => continue,
            };
        }
        last
    }

    /// Says something on every event stream of `to`.
    pub fn deliver(&self, to: Id, id: Option<&str>, message: &Message) {
        let data = match message {
            Message::ToHost(event) => json!(event),
            Message::ToDevice(_, event) => json!(event),
            _ => return,
        };
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        let text = format!("{id}data: {data}\n\n");
        for (_, stream) in lock(&self.streams).iter().filter(|(who, _)| *who == to) {
            let _ = stream.send(text.clone().into_bytes());
        }
    }
}

fn refusal(status: StatusCode, code: ProblemCode) -> Response {
    let problem = Problem {
        code,
        text: "no".into(),
        now: UnixTime::now(),
    };
    (status, Json(problem)).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

/// Who a claim says to come from.
fn subject(bearer: &str) -> Option<Id> {
    // The payload of a JWS, read as anyone can: `Bytes` reads base64url.
    let payload = bearer.split('.').nth(1)?;
    let bytes: Bytes = serde_json::from_value(json!(payload)).ok()?;
    let claims: Value = serde_json::from_slice(&bytes.0).ok()?;
    Id::decode(claims["sub"].as_str()?)
}

async fn json_of<T: serde::de::DeserializeOwned>(body: Body) -> T {
    let bytes = to_bytes(body, 4 << 20).await.expect("a body");
    serde_json::from_slice(&bytes).expect("a body that the product sends")
}

async fn push(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    let well = PushTaken {
        listening: 1,
        unknown: Vec::new(),
    };
    match shared.in_its_place(Message::Push(json_of(body).await), well) {
        Ok(messages) => shared.forward_all(messages, bearer(&headers)).await,
        Err(response) => *response,
    }
}

async fn withdraw(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let id = Id::decode(&id).expect("an id");
    match shared.in_its_place(Message::Withdraw(id), ()) {
        Ok(messages) => shared.forward_all(messages, bearer(&headers)).await,
        Err(response) => *response,
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(id): Path<String>, body: Body) -> Response {
    let bearer = bearer(&headers).unwrap_or_default();
    let body: Value = json_of(body).await;
    let blob: Bytes = serde_json::from_value(body["blob"].clone()).expect("a blob");
    let id = Id::decode(&id).expect("an id");
    match shared.in_its_place(Message::Answer(id, blob), ()) {
        Ok(messages) => shared.forward_all(messages, Some(bearer)).await,
        Err(response) => *response,
    }
}

async fn call(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let response = match shared.in_its_place(Message::Call(json_of(body).await), ()) {
        Ok(messages) => shared.forward_all(messages, None).await,
        Err(response) => return *response,
    };
    if !response.status().is_success() {
        return response;
    }
    let reply: Sealed = json_of(response.into_body()).await;
    match shared.in_its_place(Message::Reply(reply), ()) {
        Ok(messages) => match messages.into_iter().next() {
            Some(Message::Reply(sealed)) => Json(sealed).into_response(),
            _ => StatusCode::BAD_GATEWAY.into_response(),
        },
        Err(response) => *response,
    }
}

async fn trust(State(shared): State<Arc<Shared>>) -> Response {
    let response = shared.forward(Method::GET, "/v1/trust".into(), None, Value::Null).await;
    let info: TrustInfo = json_of(response.into_body()).await;
    match shared.in_its_place(Message::Trust(info), ()) {
        Ok(messages) => match messages.into_iter().next() {
            Some(Message::Trust(info)) => Json(info).into_response(),
            _ => StatusCode::BAD_GATEWAY.into_response(),
        },
        Err(response) => *response,
    }
}

/// Opens the same stream behind, and delivers what the rule makes of it.
async fn events(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let bearer = bearer(&headers).unwrap_or_default().to_owned();
    let mut request = shared
        .client
        .get(format!("{}/v1/events", shared.upstream))
        .bearer_auth(&bearer);
    if let Some(last) = headers.get("last-event-id") {
        request = request.header("last-event-id", last);
    }
    let Ok(upstream) = request.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if !upstream.status().is_success() {
        let status = upstream.status();
        return (status, upstream.bytes().await.unwrap_or_default()).into_response();
    }
    let who = subject(&bearer).expect("a claim");
    let (sender, receiver) = mpsc::unbounded_channel();
    // A comment, so that the reply's head leaves at once.
    let _ = sender.send(b":\n\n".to_vec());
    lock(&shared.streams).push((who, sender.clone()));
    tokio::spawn(carry(shared, who, upstream, sender));
    let body = stream::unfold(receiver, |mut receiver| async move {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(bytes), receiver))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

async fn carry(shared: Arc<Shared>, who: Id, mut upstream: reqwest::Response, sender: mpsc::UnboundedSender<Vec<u8>>) {
    let mut text = String::new();
    loop {
        let chunk = tokio::select! {
            chunk = upstream.chunk() => chunk,
            () = sender.closed() => break,
        };
        let Ok(Some(chunk)) = chunk else { break };
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            text = rest;
            carry_one(&shared, who, &event);
        }
    }
    lock(&shared.streams).retain(|(_, stream)| !stream.same_channel(&sender));
}

fn carry_one(shared: &Shared, who: Id, event: &str) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let Some(data) = field("data: ") else { return };
    let message = if let Ok(event) = serde_json::from_str::<HostEvent>(data) {
        *lock(&shared.host) = Some(who);
        Message::ToHost(event)
    } else if let Ok(event) = serde_json::from_str::<DeviceEvent>(data) {
        Message::ToDevice(who, event)
    } else {
        panic!("an event that nobody knows: {data}");
    };
    let messages = match shared.judge(&message) {
        Act::Pass => vec![message],
        Act::Send(messages) => messages,
        Act::Swallow | Act::Refuse(..) | Act::Body(_) => return,
    };
    for message in messages {
        let to = match &message {
            Message::ToDevice(to, _) => *to,
            _ => who,
        };
        shared.deliver(to, field("id: "), &message);
    }
}
