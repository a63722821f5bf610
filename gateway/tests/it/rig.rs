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
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const URL: &str = "https://push.example.org";
/// Longer than anything here should take, shorter than a person's patience.
pub const SOON: Duration = Duration::from_secs(10);

/// One of the programs of a gateway, with its own configuration file.
struct Part {
    name: &'static str,
    config: PathBuf,
    process: Option<Child>,
}

pub struct Gateway {
    pub dir: PathBuf,
    pub root: VerifyingKey,
    pub issuer: Issuer,
    pub address: String,
    /// Where the panel answers: the same, unless it runs apart.
    pub panel_address: String,
    pub client: Client,
    /// One with every role, or one for each.
    parts: Vec<Part>,
}

/// Whether this run of the suites has the roles apart ([`crate::apart`]), and how relay and registrar are linked.
fn apart() -> Option<String> {
    std::env::var("ASSENT_TEST_APART").ok()
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
        if let Some(link) = apart().filter(|_| days_ago == 0) {
            return Self::start_apart(&link, more);
        }
        Self::start_in_one(more, days_ago, days)
    }

    fn start_in_one(more: &str, days_ago: u64, days: u32) -> Self {
        let dir = scratch();
        let (root, issuer) = write_keys_from(&dir, now().0 - days_ago * 86_400, days);
        let issuer = Trust::new(vec![root.clone()]).verify_issuer(&issuer, now()).unwrap();
        let file = dir.join("gateway.toml");
        write(&file, &config(&dir, "127.0.0.1:0", more), 0o644);
        let mut gateway = Self::not_started(dir, root, issuer, vec![Part::new("all", file.clone())]);
        gateway.run();
        // From here on it keeps its port, so that it can be started again.
        write(&file, &config(&gateway.dir, &gateway.address, more), 0o644);
        gateway
    }

    fn not_started(dir: PathBuf, root: VerifyingKey, issuer: Issuer, parts: Vec<Part>) -> Self {
        Self {
            dir,
            root,
            issuer,
            address: String::new(),
            panel_address: String::new(),
            client: client(true),
            parts,
        }
    }

    /// Relay with app, registrar, code service and panel as programs of their own, linked by a "socket" or by "http".
    pub fn start_apart(link: &str, more: &str) -> Self {
        let dir = scratch();
        let inner = dir.join("registrar");
        for inner in [&inner, &dir.join("codes")] {
            fs::create_dir(inner).unwrap();
            fs::set_permissions(inner, Permissions::from_mode(0o700)).unwrap();
        }
        let (root, issuer) = write_keys(&inner, 90);
        let link_key = SigningKey::generate().unwrap();
        write(&inner.join("link.key"), &link_key.to_pem().unwrap(), 0o600);
        write(&dir.join("link.pub"), &link_key.public().to_pem().unwrap(), 0o644);
        let names = ["relay", "registrar", "codes", "panel"];
        let parts = names.map(|name| Part::new(name, dir.join(format!("{name}.toml"))));
        let mut gateway = Self::not_started(dir, root, issuer, parts.into());
        let more: toml::Table = more.parse().unwrap();
        let ports = [free_port(), free_port()];
        for name in names {
            let config = apart_config(&gateway.dir, name, link, ports, &more);
            write(&gateway.dir.join(format!("{name}.toml")), &config, 0o644);
        }
        gateway.run();
        gateway
    }

    /// Ends one of the programs by `kill -9`.
    pub fn kill_part(&mut self, name: &str) {
        let part = self.parts.iter_mut().find(|part| part.name == name).unwrap();
        part.kill();
    }

    /// Starts one of the programs again; the registrar is linked after this.
    pub async fn start_part(&mut self, name: &'static str) {
        let linked = self.log().matches(LINKED).count();
        self.run_part(self.parts.iter().position(|part| part.name == name).unwrap());
        if !matches!(name, "panel" | "codes") {
            self.logs_times(LINKED, linked + 1).await;
        }
        self.client = client(true);
    }

    /// Starts the relay while its registrar is away.
    pub fn start_relay_alone(&mut self) {
        self.run_part(0);
        self.client = client(true);
    }

    /// Starts the code service while its registrar is away.
    pub fn start_codes_alone(&mut self) {
        self.run_part(2);
    }

    /// Starts the registrar while its relay is away.
    pub fn start_registrar_alone(&mut self) {
        self.run_part(1);
    }

    fn run(&mut self) {
        // The log goes on over restarts.
        let linked = |log: io::Result<String>| log.map_or(0, |log| log.matches(LINKED).count());
        let before = linked(fs::read_to_string(self.dir.join("log")));
        for at in 0..self.parts.len() {
            self.run_part(at);
        }
        if self.panel_address.is_empty() {
            self.panel_address = self.address.clone();
        }
        let began = std::time::Instant::now();
        while self.parts.len() > 1 && linked(Ok(self.log())) <= before {
            assert!(began.elapsed() < SOON, "never linked:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn run_part(&mut self, at: usize) {
        let part = &self.parts[at];
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_assent-gateway"))
            .arg("--config")
            .arg(&part.config)
            .env("ASSENT_LOG", "debug,sqlx=warn,h2=info,hyper=info")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on ").map(ToOwned::to_owned);
        let name = part.name;
        self.parts[at].process = Some(process);
        match (name, address) {
            ("registrar" | "codes", None) if line.trim() == "running" => {}
            ("panel", Some(address)) => self.panel_address = address,
            (_, Some(address)) => self.address = address,
            (_, None) => panic!("{name} did not start:\n{}", self.log()),
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Waits until the log has this in it.
    pub async fn logs(&self, what: &str) {
        self.logs_times(what, 1).await;
    }

    /// Waits until the log has this so often.
    pub async fn logs_times(&self, what: &str, times: usize) {
        for _ in 0..1000 {
            if self.log().matches(what).count() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not logged: {what}\n{}", self.log());
    }

    pub fn kill(&mut self) {
        for part in &mut self.parts {
            part.kill();
        }
    }

    /// SIGTERM to every program, and the first one's exit code. Our ends of its connections go on meanwhile, as they would
    /// elsewhere.
    pub async fn stop(&mut self) -> Option<i32> {
        let mut codes = Vec::new();
        for part in &mut self.parts {
            let mut process = part.process.take().unwrap();
            let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            let ended = tokio::task::spawn_blocking(move || process.wait().unwrap().code());
            codes.push(tokio::time::timeout(2 * SOON, ended).await.expect("it ends").unwrap());
        }
        codes[0]
    }

    /// SIGHUP, as `systemctl reload`.
    pub fn hang_up(&self) {
        for process in self.parts.iter().filter_map(|part| part.process.as_ref()) {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
        }
    }

    pub fn start_again(&mut self) {
        self.run();
        self.client = client(true);
    }

    /// A file in the state directory of the role that has it.
    pub fn file(&self, name: &str) -> PathBuf {
        let inner = self.dir.join("registrar");
        match name {
            "registrar.db" | "admin.sock" if inner.is_dir() => inner.join(name),
            "codes.db" | "codes.db-wal" | "codes.key" if inner.is_dir() => self.dir.join("codes").join(name),
            _ => self.dir.join(name),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One of its data bases, opened for reading and writing as an intruder would.
    pub async fn database(&self, name: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file(name)).busy_timeout(SOON);
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
        let apart = self.dir.join("codes/admin.sock");
        let socket = match path.starts_with("/codes") && apart.exists() {
            true => apart,
            false => self.file("admin.sock"),
        };
        let client = Client::builder()
            .unix_socket(socket)
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
        for process in self.parts.iter_mut().filter_map(|part| part.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// What the registrar logs once it is linked.
pub const LINKED: &str = "linked to the relay at";

impl Part {
    fn new(name: &'static str, config: PathBuf) -> Self {
        Self {
            name,
            config,
            process: None,
        }
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

/// A port that is free now, below those that the kernel hands out by itself: it would give one that was just tried to the
/// next who asks for any.
fn free_port() -> u16 {
    let tried = std::iter::repeat_with(|| {
        let [high, low, ..] = id().0;
        20_000 + u16::from_be_bytes([high, low]) % 12_000
    });
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    tried.take(1000).find(free).unwrap()
}

/// The configuration of one of the programs, with those of `more` that its roles have.
fn apart_config(dir: &Path, name: &str, link: &str, [relay, panel]: [u16; 2], more: &toml::Table) -> String {
    let shown = dir.display();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .unwrap()
        .unwrap()
        .name;
    let mut table = toml::Table::new();
    let mut keep = |section: &str, keys: &[&str]| {
        let Some(toml::Value::Table(given)) = more.get(section) else {
            return;
        };
        let kept: toml::Table = given
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        table.insert(section.to_owned(), toml::Value::Table(kept));
    };
    let (head, roles, links) = match name {
        "relay" => {
            keep("app", &["url"]);
            keep("panel", &["url"]);
            keep("web_push", &["services", "own_services", "proxy"]);
            keep(
                "limits",
                &[
                    "connections",
                    "calls_per_host",
                    "calls_per_device",
                    "calls_per_address",
                    "waiting_per_host_and_device",
                ],
            );
            let socket = if link == "socket" {
                format!("socket = \"{shown}/link.sock\"\n")
            } else {
                String::new()
            };
            (
                format!(
                    "listen = \"127.0.0.1:{relay}\"\nstate_dir = \"{shown}\"\nadmin_socket = \"{shown}/relay-admin.sock\"\n"
                ),
                "\"relay\", \"app\"",
                format!("registrar_key = \"{shown}/link.pub\"\n{socket}"),
            )
        }
        "registrar" => {
            keep("panel", &["url", "first_device", "max_devices", "administrators"]);
            keep("registrar", &["host_days", "device_days"]);
            keep("notify", &["hook"]);
            let way = match link {
                "socket" => format!("socket = \"{shown}/link.sock\""),
                _ => format!("url = \"http://127.0.0.1:{relay}\""),
            };
            (
                format!("state_dir = \"{shown}/registrar\"\nadmin_socket = \"{shown}/registrar/admin.sock\"\n"),
                "\"registrar\"",
                format!(
                    "{way}\npanel_socket = \"{shown}/panel.sock\"\npanel_user = \"{user}\"\ncodes_socket = \"{shown}/registrar-codes.sock\"\ncodes_user = \"{user}\"\ncalls_socket = \"{shown}/calls.sock\"\n"
                ),
            )
        }
        "codes" => {
            keep("notify", &["hook"]);
            if let Some(codes) = more.get("codes") {
                table.insert("codes".into(), codes.clone());
            }
            (
                format!("state_dir = \"{shown}/codes\"\nadmin_socket = \"{shown}/codes/admin.sock\"\n"),
                "\"codes\"",
                format!(
                    "codes_socket = \"{shown}/registrar-codes.sock\"\ncalls_socket = \"{shown}/calls.sock\"\ncalls_user = \"{user}\"\ncodes_panel_socket = \"{shown}/codes-panel.sock\"\npanel_user = \"{user}\"\n"
                ),
            )
        }
        _ => {
            keep("app", &["url"]);
            keep("panel", &["url", "auth_profiles"]);
            keep("limits", &["connections", "calls_per_address"]);
            keep("notify", &["hook"]);
            if let Some(profiles) = more.get("auth_profile") {
                table.insert("auth_profile".into(), profiles.clone());
            }
            (
                format!("listen = \"127.0.0.1:{panel}\"\n"),
                "\"panel\"",
                format!("panel_socket = \"{shown}/panel.sock\"\ncodes_panel_socket = \"{shown}/codes-panel.sock\"\n"),
            )
        }
    };
    format!("roles = [{roles}]\npublic_url = \"{URL}\"\n{head}\n{table}\n[link]\n{links}")
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
