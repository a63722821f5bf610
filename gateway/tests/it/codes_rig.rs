//! What the code service's tests need: a host that asks it, an SMS gateway with bad weather, a real SMTP server.

use crate::people::{TestHost, identity};
use crate::rig::{Gateway, SOON, id, now, text, write};
use assent_proto::cert::Host;
use assent_proto::code::{
    self, CodeAsk, CodeMethod, CodePassed, CodeRefused, CodeReply, CodeStart, CodeWant, Judged, Offer, PendingCode,
    Sealed, TypedCode,
};
use assent_proto::code_service::CodeService;
use assent_proto::relay::TrustInfo;
use assent_proto::time::BootTime;
use assent_proto::{Digest, Id, Nonce};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const CTX: Digest = Digest { 0: [7; 32] };

// --- A host that asks ------------------------------------------------------------------------------------------------

/// A host with the code service that it believes.
pub struct Asker {
    pub host: Host,
    pub test: TestHost,
    pub service: CodeService,
}

/// A login that waits.
pub struct Waiting {
    pub id: Id,
    pub offers: Vec<Offer>,
    pending: PendingCode,
}

impl Gateway {
    pub async fn trust(&self) -> TrustInfo {
        let response = self.client.get(self.url("/v1/trust")).timeout(SOON).send().await;
        response.unwrap().json().await.unwrap()
    }

    /// A host that has joined and knows the code service.
    pub async fn asker(&self, name: &str) -> Asker {
        let test = self.join(name).await;
        let host = self.issuer.verify_host(&test.certificate, now()).unwrap();
        let mut trust = self.trust().await;
        // A relay that runs apart hears of it a moment later.
        for _ in 0..500 {
            if trust.code_services.len() == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            trust = self.trust().await;
        }
        assert_eq!(trust.code_services.len(), 1);
        let service = self.issuer.verify_code_service(&trust.code_services[0], now()).unwrap();
        Asker { host, test, service }
    }

    /// Posts a sealed call; the reply as it travels.
    pub async fn post_codes(&self, sealed: &Sealed) -> (StatusCode, Vec<u8>) {
        let request = self.client.post(self.url("/v1/codes")).json(sealed).timeout(SOON);
        let response = request.send().await.unwrap();
        (response.status(), response.bytes().await.unwrap().to_vec())
    }
}

/// A start as hosts make them.
pub fn start(user: &str, methods: &[CodeMethod]) -> CodeStart {
    CodeStart {
        id: id(),
        n: Nonce::random().unwrap(),
        login: text("k7m2qp"),
        identity: identity(user),
        user: text(user),
        svc: text("sshd"),
        app: text("ssh"),
        src: None,
        methods: methods.to_vec(),
        mobile: None,
        mail: None,
        ttl: 300,
        ctx: CTX,
        lang: text("en"),
    }
}

/// Root vouches for a user who sets up an app.
pub fn open_totp(user: &str) -> CodeWant {
    CodeWant::OpenTotp {
        identities: vec![identity(user)],
        user: text(user),
        secret: None,
        asked: None,
    }
}

pub fn boot() -> BootTime {
    BootTime(Duration::from_secs(1))
}

pub fn typed(code: &str) -> TypedCode {
    TypedCode::new(code.as_bytes()).unwrap()
}

impl Asker {
    pub fn sign(&self, what: CodeWant) -> String {
        CodeAsk::sign(&self.test.keys.sign, &self.host, id(), now(), what).unwrap()
    }

    /// One call, with the length of its reply.
    pub async fn call_sized(&self, gateway: &Gateway, ask: String) -> (CodeReply, usize) {
        let (sealed, open) = code::call(&self.service, &self.host, ask).unwrap();
        let (status, body) = gateway.post_codes(&sealed).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let reply: Sealed = serde_json::from_slice(&body).unwrap();
        (open.reply(&self.test.keys.kem, &reply).unwrap(), body.len())
    }

    pub async fn wants(&self, gateway: &Gateway, what: CodeWant) -> CodeReply {
        self.call_sized(gateway, self.sign(what)).await.0
    }

    /// A login begins.
    pub async fn starts(&self, gateway: &Gateway, start: CodeStart) -> Waiting {
        let ask = self.sign(CodeWant::Start(Box::new(start.clone())));
        let pending = PendingCode::new(&start, &ask, &self.host, self.service.clone(), boot());
        match self.call_sized(gateway, ask).await.0 {
            CodeReply::Started { methods } => Waiting {
                id: start.id,
                offers: methods,
                pending,
            },
            other => panic!("{other:?}"),
        }
    }

    pub async fn sends(&self, gateway: &Gateway, waiting: &Waiting, method: CodeMethod) -> CodeReply {
        self.wants(gateway, CodeWant::Send { id: waiting.id, method }).await
    }

    /// A code is typed: who passed, and the tries left; or the refusal. With it the reply's length.
    pub async fn types_sized(
        &self,
        gateway: &Gateway,
        waiting: &mut Waiting,
        code: &str,
    ) -> (Result<(Option<CodePassed>, u8), CodeRefused>, usize) {
        let code = typed(code);
        let ask = self.sign(CodeWant::Check { id: waiting.id, code });
        let (reply, size) = self.call_sized(gateway, ask).await;
        let said = match reply {
            CodeReply::Checked { word, left } => match waiting.pending.judge(&word, boot(), now()) {
                Judged::Passed(passed) => Ok((Some(passed), left)),
                Judged::Wrong => Ok((None, left)),
                Judged::Unbelieved(why) => panic!("{why}"),
            },
            CodeReply::Refused { code, .. } => Err(code),
            other => panic!("{other:?}"),
        };
        (said, size)
    }

    pub async fn types(
        &self,
        gateway: &Gateway,
        waiting: &mut Waiting,
        code: &str,
    ) -> Result<(Option<CodePassed>, u8), CodeRefused> {
        self.types_sized(gateway, waiting, code).await.0
    }

    /// Whether a code passes in a login of its own.
    pub async fn passes(&self, gateway: &Gateway, user: &str, method: CodeMethod, code: &str) -> bool {
        let mut waiting = self.starts(gateway, start(user, &[method])).await;
        matches!(self.types(gateway, &mut waiting, code).await, Ok((Some(passed), _)) if passed.method() == method)
    }
}

pub fn refused(reply: &CodeReply) -> CodeRefused {
    match reply {
        CodeReply::Refused { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}

// --- An SMS gateway ---------------------------------------------------------------------------------------------------

/// How the gateway behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Good,
    /// Takes the request and never answers.
    Silent,
    /// Answers with 500.
    Broken,
    /// Answers 200 with an error in its body.
    SaysNo,
    /// Sends elsewhere.
    Redirects,
    /// Answers 200 and never ends its body.
    Endless,
}

/// A request as it came.
#[derive(Debug, Clone)]
#[allow(dead_code)]
pub struct Came {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

#[derive(Clone)]
pub struct SmsGateway {
    pub address: SocketAddr,
    weather: Arc<Mutex<Weather>>,
    came: Arc<Mutex<Vec<Came>>>,
}

impl SmsGateway {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Self {
            address: listener.local_addr().unwrap(),
            weather: Arc::new(Mutex::new(Weather::Good)),
            came: Arc::default(),
        };
        let router = Router::new().fallback(any(take)).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        gateway
    }

    pub fn weather(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// Its section of the configuration.
    pub fn section(&self, name: &str) -> String {
        format!(
            "[[codes.sms]]\nname = \"{name}\"\nurl = \"http://{}/send\"\nbody = '{{\"to\":\"{{number}}\",\"text\":\"{{text}}\"}}'\nsuccess_body = '\"status\": *\"ok\"'\n",
            self.address
        )
    }

    /// The last number and code that came.
    pub fn last(&self) -> (String, String) {
        let came = self.came();
        let body: serde_json::Value = serde_json::from_str(&came.last().unwrap().body).unwrap();
        let code: String = body["text"].as_str().unwrap().chars().take(6).collect();
        (body["to"].as_str().unwrap().to_owned(), code)
    }
}

async fn take(State(gateway): State<SmsGateway>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    gateway.came.lock().unwrap().push(Came {
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let weather = *gateway.weather.lock().unwrap();
    match weather {
        Weather::Good => r#"{"status": "ok"}"#.into_response(),
        Weather::Silent => std::future::pending().await,
        Weather::Broken => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Weather::SaysNo => r#"{"status": "no credit"}"#.into_response(),
        Weather::Redirects => {
            let to = format!("http://{}/elsewhere", gateway.address);
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
        Weather::Endless => {
            let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 8192]));
            axum::body::Body::from_stream(chunks).into_response()
        }
    }
}

// --- A mail server -----------------------------------------------------------------------------------------------------

/// aiosmtpd, with a certificate of its own, which demands STARTTLS and a password. It writes each mail to a file.
pub struct MailServer {
    process: Child,
    pub port: u16,
    pub dir: PathBuf,
}

const SMTPD: &str = r#"
import asyncio, os, ssl, sys, time
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import AuthResult

mails, mode, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Keep:
    async def handle_DATA(self, server, session, envelope):
        name = "%s/mail.%d" % (mails, time.time_ns())
        with open(name + ".new", "wb") as out:
            out.write(("TO %s\n" % ",".join(envelope.rcpt_tos)).encode() + envelope.content)
        os.rename(name + ".new", name)
        return "250 kept"

def known(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"assent", b"smtp password of the test")
    return AuthResult(success=good)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(mails + "/cert.pem", mails + "/key.pem")
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
options = dict(loop=loop, hostname="127.0.0.1", port=port, authenticator=known, auth_required=True)
if mode == "starttls":
    controller = UnthreadedController(Keep(), tls_context=context, require_starttls=True, **options)
else:
    controller = UnthreadedController(Keep(), ssl_context=context, auth_require_tls=False, **options)
controller.begin()
print(controller.server.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
"#;

impl MailServer {
    /// `mode`: "starttls" or "tls".
    pub fn start(dir: &Path, mode: &str) -> Self {
        Self::start_at(dir, mode, 0)
    }

    /// At this port; 0: any.
    pub fn start_at(dir: &Path, mode: &str, port: u16) -> Self {
        let dir = dir.to_owned();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(dir.join("key.pem"))
            .arg("-out")
            .arg(dir.join("cert.pem"))
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "openssl makes a certificate");
        write(&dir.join("password"), "smtp password of the test\n", 0o600);
        let mut process = Command::new("/usr/bin/python3")
            .args(["-c", SMTPD])
            .arg(&dir)
            .arg(mode)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .trim()
            .parse()
            .expect("aiosmtpd says its port (Debian: python3-aiosmtpd)");
        Self { process, port, dir }
    }

    /// Its section of the configuration.
    pub fn section(&self, tls: &str) -> String {
        let dir = self.dir.display();
        format!(
            "[[codes.mail]]\nhost = \"localhost\"\nport = {}\ntls = \"{tls}\"\nuser = \"assent\"\npassword_file = \"{dir}/password\"\nfrom = \"Assent <assent@example.org>\"\nca_file = \"{dir}/cert.pem\"\n",
            self.port
        )
    }

    /// Every mail that came, oldest first; waits for so many.
    pub async fn mails(&self, at_least: usize) -> Vec<String> {
        for _ in 0..1000 {
            let mut names: Vec<PathBuf> = std::fs::read_dir(&self.dir)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|end| end != "new" && end != "pem"))
                .collect();
            names.sort();
            if names.len() >= at_least {
                return names
                    .iter()
                    .map(|name| std::fs::read_to_string(name).unwrap())
                    .collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no mail came");
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// --- An authenticator app -----------------------------------------------------------------------------------------------

/// What oathtool says that the code is, so many steps from now.
pub fn oathtool(base32: &str, steps: i64) -> String {
    // A code of the last step is as old as one may be: if the next begins before it is judged, it is too old.
    let left = 30 - now().0 % 30;
    if steps < 0 && left <= 5 {
        std::thread::sleep(Duration::from_secs(left));
    }
    let at = i64::try_from(now().0).unwrap() + steps * 30;
    let out = Command::new("oathtool")
        .args(["--totp", "--base32", "--now", &format!("@{at}"), base32])
        .output()
        .expect("oathtool (Debian: oathtool)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// The secret in an `otpauth://` address.
pub fn secret_of(uri: &str) -> String {
    let query = uri.split_once('?').unwrap().1;
    let secret = query.split('&').find_map(|pair| pair.strip_prefix("secret="));
    secret.unwrap().to_owned()
}

/// Whether these bytes stand in any of the gateway's files of this kind.
pub fn stands_in(gateway: &Gateway, names: &[&str], needle: &str) -> bool {
    names.iter().any(|name| {
        let bytes = std::fs::read(gateway.file(name)).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}
