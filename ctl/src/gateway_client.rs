//! The HTTP client towards a gateway: HTTP/2, no proxy, no redirects, a time limit on everything and a bound on every
//! body. TLS keeps onlookers out; what is believed rests on the pinned root alone.

use crate::failure::{Done, Failure};
use assent_proto::cert::{Issuer, Issuers, Trust};
use assent_proto::enrol::Token;
use assent_proto::keys::KemSecret;
use assent_proto::registrar::{self, Ask, Reply, Sealed};
use assent_proto::relay::{DeviceAnswer, Problem, ProblemCode, TrustInfo};
use assent_proto::roots::RootSet;
use assent_proto::text::{cut_in_the_middle, visible};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(10);
/// More than any body of the relay holds.
const MAX_BODY: usize = 512 * 1024;
/// Most characters that are told of what a gateway said or of how a call failed.
const MAX_TOLD: usize = 300;

/// A gateway at one address.
pub struct Gateway {
    base: String,
    client: Client,
}

/// Why a call to the relay came to nothing. Whatever the relay had a hand in is one short line with nothing odd in it
/// (R68): it is made so here, where it comes in.
#[derive(Debug)]
pub enum CallFailure {
    /// No answer, or none that makes sense.
    Unreachable(String),
    /// The relay's own word.
    Problem(StatusCode, Problem),
}

impl CallFailure {
    /// No answer, or none that makes sense.
    pub fn unreachable(why: impl std::fmt::Display) -> Self {
        Self::Unreachable(told(why))
    }

    /// Whether trying again may help.
    pub fn passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Problem(status, _) => status.is_server_error(),
        }
    }

    fn into_failure(self, base: &str) -> Failure {
        match self {
            Self::Unreachable(why) => Failure::Unreachable(format!(
                "the gateway at {base} cannot be reached: {why}; check the address and that this machine may connect to it"
            )),
            Self::Problem(status, problem) if status.is_server_error() => {
                Failure::Unreachable(format!("the gateway at {base} failed: {}", problem.text))
            }
            Self::Problem(_, problem) => Failure::Refused(format!("the gateway at {base} refuses: {}", problem.text)),
        }
    }
}

impl Gateway {
    /// A client for the gateway at `url`. With `ca_file`, its certificates count beside the system's.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Done<Self> {
        let (base, plain) = checked_base(url)?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .http2_keep_alive_while_idle(true)
            .http2_prior_knowledge()
            .tls_backend_preconfigured(tls(ca_file, plain)?)
            .build()
            .map_err(|e| Failure::Input(format!("the HTTP client could not be built: {e}")))?;
        Ok(Self { base, client })
    }

    /// The gateway's public URL in its one form, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What the relay says of itself; nothing of it is believed without a pin.
    pub async fn trust_info(&self) -> Done<TrustInfo> {
        let request = self.client.get(format!("{}/v1/trust", self.base)).timeout(CALL);
        json(request).await.map_err(|e| e.into_failure(&self.base))
    }

    /// One sealed call to the registrar.
    pub async fn call(&self, issuer: &Issuer, key: &KemSecret, ask: Ask) -> Done<Reply> {
        let (sealed, open) =
            registrar::call(issuer, &key.public(), ask).map_err(|e| Failure::Refused(e.to_string()))?;
        let request = self
            .client
            .post(format!("{}/v1/registrar", self.base))
            .timeout(CALL)
            .json(&sealed);
        let sealed: Sealed = json(request).await.map_err(|e| e.into_failure(&self.base))?;
        open.reply(key, &sealed).map_err(|e| {
            Failure::Refused(format!(
                "what came from the gateway at {} is not the registrar's reply: {}; nothing of it is used",
                self.base,
                told(e)
            ))
        })
    }

    /// Hands a device's answer over.
    pub async fn answer(&self, bearer: &str, push: Id, blob: Bytes) -> Result<(), CallFailure> {
        let url = format!("{}/v1/push/{push}/answer", self.base);
        let request = self
            .client
            .post(url)
            .timeout(CALL)
            .bearer_auth(bearer)
            .json(&DeviceAnswer { blob });
        accepted(request).await.map(|_| ())
    }

    /// Opens the event stream.
    pub async fn events(&self, bearer: &str, last_id: Option<&str>) -> Result<Response, CallFailure> {
        let mut request = self.client.get(format!("{}/v1/events", self.base)).bearer_auth(bearer);
        request = request.header("accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        match tokio::time::timeout(CALL, accepted(request)).await {
            Ok(response) => response,
            Err(_) => Err(CallFailure::Unreachable("no answer in time".into())),
        }
    }
}

/// What a token makes believable of what the relay says.
pub struct Pinned {
    /// The roots that it names.
    pub roots: RootSet,
    /// Their document, where they are more than a single key.
    pub document: Option<String>,
    /// Every issuer under them.
    pub issuers: Issuers,
    /// The newest of these, which lives.
    pub issuer: Issuer,
}

/// What a token makes believable of what the relay says: its roots, and the issuers under them (R23).
pub fn pin(info: &TrustInfo, token: &Token, gateway: &str) -> Done<Pinned> {
    let (roots, document) = info.chosen_by(token).ok_or_else(|| {
        Failure::Refused(format!(
            "the gateway at {gateway} does not have the root that the token names ({}); either the token is for another gateway, or somebody stands in between. Nothing was trusted or sent",
            token.root
        ))
    })?;
    if info.steps.iter().any(|step| roots.step(step).is_ok()) {
        return Err(Failure::Refused(
            "the registrar's roots have changed since this was made; get a new one. Nothing was sent".into(),
        ));
    }
    let now = UnixTime::now();
    let trust = Trust::of(vec![roots.clone()]);
    let issuers = Issuers::under(&trust, info.issuers.iter().map(String::as_str));
    let Some(issuer) = issuers.newest(now).cloned() else {
        let why = info
            .issuers
            .first()
            .and_then(|first| trust.verify_issuer(first, now).err());
        let why = why.map_or_else(|| "there is none".to_owned(), |e| e.to_string());
        let drift = now.0.abs_diff(info.now.0);
        let hint = if drift > 60 {
            format!("; the gateway's clock and this machine's differ by {drift} s")
        } else {
            String::new()
        };
        return Err(Failure::Refused(format!(
            "the registrar's certificate is not valid: {why}{hint}. Nothing was sent"
        )));
    };
    Ok(Pinned {
        roots,
        document: document.map(ToOwned::to_owned),
        issuers,
        issuer,
    })
}

/// The gateway's address in one form, and whether it goes without TLS.
fn checked_base(url: &str) -> Done<(String, bool)> {
    let shown = visible(url);
    let parsed = Url::parse(url).map_err(|e| Failure::Input(format!("\"{shown}\" is no address of a gateway: {e}")))?;
    let host = parsed.host_str().unwrap_or_default();
    let plain = match parsed.scheme() {
        "https" => false,
        "http" if is_loopback(host) => true,
        "http" => {
            return Err(Failure::Input(format!(
                "\"{shown}\" goes over the network without TLS; use https:// (http:// is for loopback alone)"
            )));
        }
        _ => return Err(Failure::Input(format!("\"{shown}\" is no https:// address"))),
    };
    if !parsed.username().is_empty()
        || parsed.password().is_some()
        || parsed.query().is_some()
        || parsed.fragment().is_some()
    {
        return Err(Failure::Input(format!("\"{shown}\" has more in it than an address")));
    }
    Ok((parsed.as_str().trim_end_matches('/').to_owned(), plain))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn tls(ca_file: Option<&Path>, plain: bool) -> Done<rustls::ClientConfig> {
    // Fails only when it was installed before, by the same code.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    if !plain {
        for certificate in rustls_native_certs::load_native_certs().certs {
            // The system's store may hold certificates that rustls does not take; the others do.
            let _ = roots.add(certificate);
        }
    }
    if let Some(file) = ca_file {
        let pem = crate::files::read_public(file)?;
        let bad =
            |e: &dyn std::fmt::Display| Failure::Input(format!("{} holds no usable certificate: {e}", file.display()));
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
            count += 1;
        }
        if count == 0 {
            return Err(bad(&"there is no PEM block in it"));
        }
    }
    let mut tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // reqwest offers nothing by itself where it is given a TLS configuration, and a gateway would take HTTP/1.1.
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(tls)
}

/// Sends a request and reads JSON; no body at all reads as `null`.
pub async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CallFailure> {
    let response = accepted(request).await?;
    let body = bounded(response).await?;
    let text: &[u8] = if body.is_empty() { b"null" } else { &body };
    serde_json::from_slice(text)
        .map_err(|e| CallFailure::unreachable(format!("its answer is not what was expected ({e})")))
}

async fn accepted(request: RequestBuilder) -> Result<Response, CallFailure> {
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = bounded(response).await?;
    let mut problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
        code: ProblemCode::Internal,
        text: format!("it answered {status}"),
        now: UnixTime::now(),
    });
    problem.text = told(&problem.text);
    Err(CallFailure::Problem(status, problem))
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, CallFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(CallFailure::Unreachable("its answer is too long".into()));
        }
    }
    Ok(body)
}

/// An HTTP error with its causes, without the URL (which ids are part of).
#[allow(clippy::needless_pass_by_value)] // what map_err wants
fn unreachable(error: reqwest::Error) -> CallFailure {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    CallFailure::unreachable(text)
}

/// One short line with nothing odd in it: parsers quote what they do not understand as it came.
fn told(what: impl std::fmt::Display) -> String {
    cut_in_the_middle(&visible(&what.to_string()), MAX_TOLD)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::cert::{IssuerGrant, IssuerRequest, sign_issuer};
    use assent_proto::keys::{KeyPair, SigningKey};
    use assent_proto::seal::{self, Purpose};
    use assent_proto::sha256;
    use axum::http::StatusCode as Status;
    use axum::routing::{get, post};
    use axum::{Json, Router};

    /// A gateway that says what it likes.
    async fn gateway(says: Router) -> Gateway {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, says).await.unwrap() });
        Gateway::new(&url, None).unwrap()
    }

    /// What comes of a call whose reply is sealed well and holds this.
    async fn reply_of(holds: serde_json::Value) -> Failure {
        let (now, root, issuing) = (
            UnixTime::now(),
            SigningKey::generate().unwrap(),
            KeyPair::generate().unwrap(),
        );
        let wish = IssuerRequest::verify(&IssuerRequest::sign(&issuing, now).unwrap()).unwrap();
        let grant = IssuerGrant {
            realms: vec![],
            hosts: vec![],
            nbf: now,
            days: 1,
            serial: Id::random().unwrap(),
        };
        let issuer = sign_issuer(&root, &wish, grant).unwrap();
        let issuer = Trust::new(vec![root.public()]).verify_issuer(&issuer, now).unwrap();
        let key = KemSecret::generate().unwrap();
        let to = key.public();
        let says = Router::new().route(
            "/v1/registrar",
            post(async move |Json(call): Json<Sealed>| {
                let context = sha256(&[&call.blob.0]).encode();
                let blob = seal::seal(&to, Purpose::RegistrarReply, &context, &holds).unwrap();
                Json(Sealed { blob, ..call })
            }),
        );
        let ask = Ask::Device { signed: "x".into() };
        gateway(says).await.call(&issuer, &key, ask).await.unwrap_err()
    }

    #[tokio::test]
    async fn r68_whatever_a_gateway_says_is_told_as_one_short_line() {
        let lines = "x\n\n| REQUEST: is this you?\n\u{1b}[2J[a]pprove, [d]eny, [n]ot me? ";
        let field = serde_json::json!({ lines: 1 }).to_string();
        let problem = |text: &str| serde_json::json!({"code": "internal", "text": text, "now": 1}).to_string();
        let (short, long) = (problem(lines), problem(&"x".repeat(400_000)));
        let mut told = Vec::new();
        for (status, body) in [
            (Status::OK, field.clone()),
            (Status::OK, serde_json::json!({ "x".repeat(400_000): 1 }).to_string()),
            (Status::FORBIDDEN, short.clone()),
            (Status::BAD_GATEWAY, short.clone()),
            (Status::FORBIDDEN, long),
        ] {
            let says = Router::new().route("/v1/trust", get(move || async move { (status, body) }));
            told.push(gateway(says).await.trust_info().await.unwrap_err().to_string());
        }
        // The same where a call has a reason to be told by itself.
        let says = Router::new().route(
            "/v1/push/{id}/answer",
            post(move || async move { (Status::FORBIDDEN, short) }),
        );
        let id = Id::random().unwrap();
        match gateway(says)
            .await
            .answer("claim", id, Bytes(vec![1]))
            .await
            .unwrap_err()
        {
            CallFailure::Problem(_, problem) => told.push(problem.text),
            CallFailure::Unreachable(why) => told.push(why),
        }
        // A reply that opens and holds something else than a reply.
        told.push(reply_of(serde_json::json!({ lines: 1 })).await.to_string());
        for told in &told {
            assert!(!told.contains(['\n', '\u{1b}']), "{told}");
            assert!(told.chars().count() < 2 * MAX_TOLD, "{told}");
        }
        assert!(told[0].contains("x⟨U+000A⟩⟨U+000A⟩| REQUEST"), "{}", told[0]);
    }

    #[test]
    fn an_address_has_one_form_and_plain_http_stays_on_loopback() {
        for (url, base, plain) in [
            ("https://push.example.org", "https://push.example.org", false),
            ("https://push.example.org:443/", "https://push.example.org", false),
            ("https://PUSH.example.org/a/", "https://push.example.org/a", false),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("http://[::1]:8080/", "http://[::1]:8080", true),
            ("http://localhost:1", "http://localhost:1", true),
        ] {
            assert_eq!(checked_base(url).unwrap(), (base.to_owned(), plain), "{url}");
        }
        for url in [
            "http://push.example.org",
            "http://127.0.0.1.example.org/",
            "http://10.0.0.1",
            "ftp://push.example.org",
            "push.example.org",
            "https://user@push.example.org",
            "https://push.example.org/?q",
            "https://push.example.org/#1.a.b.c",
            "",
        ] {
            assert!(matches!(checked_base(url), Err(Failure::Input(_))), "{url}");
        }
    }
}
