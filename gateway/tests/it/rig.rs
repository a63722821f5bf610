//! A gateway of its own for each test: fresh keys, fresh state directory, a free port, the built program.

use assent_proto::cert::{Issuer, IssuerGrant, IssuerRequest, Trust, sign_issuer};
use assent_proto::keys::{KeyPair, SigningKey, VerifyingKey};
use assent_proto::registrar::{Ask, Reply, Sealed, call};
use assent_proto::relay::Problem;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const URL: &str = "https://push.example.org";
/// Longer than anything here should take, shorter than a person's patience.
pub const SOON: Duration = Duration::from_secs(10);

pub struct Gateway {
    pub dir: PathBuf,
    pub root: VerifyingKey,
    pub issuer: Issuer,
    pub address: String,
    pub client: Client,
    process: Option<Child>,
}

pub fn text(text: &str) -> ShortText {
    ShortText::new(text).unwrap()
}

pub fn id() -> Id {
    Id::random().unwrap()
}

pub fn now() -> UnixTime {
    UnixTime::now()
}

pub fn client(http2: bool) -> Client {
    // Whoever comes second finds it done.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().no_proxy().tls_certs_only([]);
    if http2 {
        builder.http2_prior_knowledge()
    } else {
        builder.http1_only()
    }
    .build()
    .unwrap()
}

/// The registrar's keys, as `assentctl registrar init --all-in-one` leaves them.
pub fn write_keys(dir: &Path, days: u32) -> (VerifyingKey, Issuer) {
    let (root, issuer) = write_keys_from(dir, now().0, days);
    let verified = Trust::new(vec![root.clone()]).verify_issuer(&issuer, now()).unwrap();
    (root, verified)
}

/// The same, valid from another time on; not verified.
pub fn write_keys_from(dir: &Path, nbf: u64, days: u32) -> (VerifyingKey, String) {
    let root = SigningKey::generate().unwrap();
    let pair = KeyPair::generate().unwrap();
    let request = IssuerRequest::verify(&IssuerRequest::sign(&pair, now()).unwrap()).unwrap();
    let grant = IssuerGrant {
        realms: vec![text("example.org"), text("nss@*")],
        hosts: vec![text("web*")],
        nbf: UnixTime(nbf),
        days,
        serial: id(),
    };
    let issuer = sign_issuer(&root, &request, grant).unwrap();
    write(&dir.join("issuer.key"), &pair.to_file().unwrap(), 0o600);
    write(&dir.join("issuer.jws"), &issuer, 0o644);
    write(&dir.join("root.key"), &root.to_pem().unwrap(), 0o600);
    write(&dir.join("root.pub"), &root.public().to_pem().unwrap(), 0o644);
    (root.public(), issuer)
}

pub fn write(file: &Path, content: &str, mode: u32) {
    fs::write(file, content).unwrap();
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

pub fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "assent-gateway-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    dir
}

impl Gateway {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With further lines of configuration.
    pub fn start_with(more: &str) -> Self {
        Self::start_from(more, 0, 90)
    }

    /// With an issuing key that was certified so many days ago, for so many days.
    pub fn start_aged(days_ago: u64, days: u32) -> Self {
        Self::start_from("", days_ago, days)
    }

    fn start_from(more: &str, days_ago: u64, days: u32) -> Self {
        let dir = scratch();
        let (root, issuer) = write_keys_from(&dir, now().0 - days_ago * 86_400, days);
        let issuer = Trust::new(vec![root.clone()]).verify_issuer(&issuer, now()).unwrap();
        write(&dir.join("gateway.toml"), &config(&dir, "127.0.0.1:0", more), 0o644);
        let mut gateway = Self {
            dir,
            root,
            issuer,
            address: String::new(),
            client: client(true),
            process: None,
        };
        gateway.run();
        // From here on it keeps its port, so that it can be started again.
        write(
            &gateway.dir.join("gateway.toml"),
            &config(&gateway.dir, &gateway.address, more),
            0o644,
        );
        gateway
    }

    fn run(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_assent-gateway"))
            .arg("--config")
            .arg(self.dir.join("gateway.toml"))
            .env("ASSENT_LOG", "debug,sqlx=warn,h2=info,hyper=info")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        self.process = Some(process);
        let address = line.trim().strip_prefix("listening on ").map(ToOwned::to_owned);
        self.address = address.unwrap_or_else(|| panic!("{}", self.log()));
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Waits until the log has this in it.
    pub async fn logs(&self, what: &str) {
        for _ in 0..500 {
            if self.log().contains(what) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not logged: {what}\n{}", self.log());
    }

    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM, and the exit code. Our ends of its connections go on meanwhile, as they would elsewhere.
    pub async fn stop(&mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let ended = tokio::task::spawn_blocking(move || process.wait().unwrap().code());
        tokio::time::timeout(2 * SOON, ended).await.expect("it ends").unwrap()
    }

    /// SIGHUP, as `systemctl reload`.
    pub fn hang_up(&self) {
        let pid = self.process.as_ref().unwrap().id();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    }

    pub fn start_again(&mut self) {
        self.run();
        self.client = client(true);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One of its data bases, opened for reading and writing as an intruder would.
    pub async fn database(&self, name: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.dir.join(name))
            .busy_timeout(SOON);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// A call; the reply as it comes.
    pub async fn send(&self, method: Method, path: &str, bearer: &str, body: &impl Serialize) -> Response {
        let request = self
            .client
            .request(method, self.url(path))
            .bearer_auth(bearer)
            .json(body);
        request.timeout(SOON).send().await.unwrap()
    }

    /// One sealed call to the registrar.
    pub async fn ask(&self, keys: &KeyPair, ask: Ask) -> Reply {
        let (sealed, open) = call(&self.issuer, &keys.kem.public(), ask).unwrap();
        let response = self
            .client
            .post(self.url("/v1/registrar"))
            .json(&sealed)
            .timeout(SOON)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        open.reply(&keys.kem, &response.json::<Sealed>().await.unwrap())
            .unwrap()
    }

    /// One call on the admin's socket.
    pub async fn admin(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        client(false);
        let client = Client::builder()
            .unix_socket(self.dir.join("admin.sock"))
            .no_proxy()
            .http1_only()
            .tls_certs_only([])
            .build()
            .unwrap();
        let request = client.request(method, format!("http://localhost{path}")).json(&body);
        let response = request.timeout(SOON).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub fn config(dir: &Path, listen: &str, more: &str) -> String {
    let dir = dir.display();
    format!(
        "listen = \"{listen}\"\npublic_url = \"{URL}\"\nstate_dir = \"{dir}\"\nadmin_socket = \"{dir}/admin.sock\"\n{more}\n"
    )
}

/// Runs the program to its end.
pub fn run_to_end(arguments: &[&str]) -> (Option<i32>, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_assent-gateway"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (process.wait().unwrap().code(), said)
}

/// The status and the problem of a refused call.
pub async fn problem(response: Response) -> (u16, Problem) {
    (response.status().as_u16(), response.json().await.unwrap())
}
