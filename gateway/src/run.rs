//! Start and stop. The order of the stop loses nothing: streams end, requests in flight finish, the store closes.

use crate::codes::desk::{self, Desk as CodesDesk};
use crate::codes::{self, Codes};
use crate::config::{Config, Role};
use crate::error::Error;
use crate::keyfile;
use crate::notify::{self, Notifier};
use crate::panel::{self, Panel};
use crate::registrar::Registrar;
use crate::registrar::carrier::Carrier;
use crate::registrar::code_counter::{self, CodeCounter};
use crate::registrar::counter::{self, Counter};
use crate::registrar::keys::IssuingKeys;
use crate::registrar::link::{self, Link, Way};
use crate::registrar::mailing;
use crate::registrar::self_service::Rules;
use crate::relay::door::{CodesDoor, Door};
use crate::relay::link::Desk;
use crate::relay::{self, Relay};
use crate::tls::Certificates;
use crate::web::assets::{Bundle, FILES};
use crate::web::headers::Headers;
use crate::web::origin::Origin;
use crate::web::{self, Roles};
use crate::web_push::{courier, resolver};
use crate::{admin, neighbour, server};
use anyhow::{Context as _, bail};
use assent_proto::keys::VerifyingKey;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

/// How often certificates that ended lose their mailbox, and old enrolments are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// How often a code service without a certificate asks for one.
const UNCERTIFIED: Duration = Duration::from_secs(2);
/// Connections at once on the socket of the registrar's link; it needs one.
const LINKS: u32 = 16;

/// Checks configuration and key files without touching anything.
pub fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    keys(&config)?;
    if config.roles.has(Role::Registrar) && !config.roles.has(Role::Relay) {
        link::read_key(&config.state_dir)?;
    }
    if let Some(file) = &config.link.registrar_key {
        relay_key(file)?;
    }
    if let Some(tls) = config.tls {
        Certificates::load(tls)?.server()?;
    }
    if let Some(hook) = &config.notify {
        notify::check(&hook.program)?;
    }
    codes::check_config(&config.codes)?;
    let (proxy, ca_file) = (config.web_push.proxy.as_deref(), config.web_push.ca_file.as_deref());
    courier::client(&config.web_push.services, proxy, ca_file, resolver::system())?;
    if !config.codes.sms.is_empty() {
        println!(
            "note: SMS can be read by others on its way; NIST SP 800-63B calls it restricted. Give people an authenticator app or a device"
        );
    }
    let has_codes = config.roles.has(Role::Codes);
    if has_codes && config.codes.mail.is_empty() {
        println!(
            "note: there is no mail server ([[codes.mail]]): people hear of new and removed devices on their other devices alone"
        );
    }
    if config.roles.has(Role::Registrar) && !has_codes && config.link.codes_user.is_none() {
        println!(
            "note: there is no code service (the role \"codes\", or link.codes_user): people hear of new and removed devices on their other devices alone"
        );
    }
    println!("{}: good", file.display());
    Ok(())
}

/// The issuing key, where the registrar is; elsewhere it must not lie about.
fn keys(config: &Config) -> anyhow::Result<Option<IssuingKeys>> {
    if config.roles.has(Role::Registrar) {
        return IssuingKeys::load(&config.state_dir).map(Some);
    }
    for name in [
        "issuer.key",
        "registrar-host.key",
        "registrar.db",
        link::KEY_FILE,
        codes::KEY_FILE,
        codes::DATABASE,
    ] {
        let file = config.state_dir.join(name);
        // Where only another user can look, it is out of this one's reach.
        if config.roles.has(Role::Relay) && file.try_exists().unwrap_or(false) {
            bail!(
                "{} is the registrar's, and this process has only these roles: {}; move it into the registrar's own state directory",
                file.display(),
                config.roles
            );
        }
    }
    Ok(None)
}

/// The pinned link key of the registrar.
fn relay_key(file: &Path) -> anyhow::Result<VerifyingKey> {
    VerifyingKey::from_pem(&keyfile::read_public(file)?).with_context(|| file.display().to_string())
}

/// Runs until SIGTERM or SIGINT.
pub fn run(file: &Path) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("ASSENT_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    // Whatever is made from here on is this user's alone.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let config = Config::load(file)?;
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?
        .block_on(serve(config))
}

/// What runs in this process.
struct Parts {
    relay: Option<Arc<Relay>>,
    /// The relay's way to a registrar that runs apart.
    desk: Option<Arc<Desk>>,
    registrar: Option<Arc<Registrar>>,
    /// The registrar's way to a relay that runs apart.
    link: Option<Arc<Link>>,
    panel: Option<Arc<Panel>>,
    codes: Option<Arc<Codes>>,
    /// Where the calls of hosts to the code service are brought.
    calls: Option<CodesDesk>,
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = keys(&config)?;
    let keeps = config.roles.has_any(&[Role::Relay, Role::Registrar, Role::Codes]);
    let _lock = keeps.then(|| lock(&config.state_dir)).transpose()?;
    let tls = config.tls.clone().map(Certificates::load).transpose()?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(false);
    let parts = open(&config, keys).await?;
    let here = admin::Reporting {
        registrar: parts.registrar.clone(),
        relay: parts.relay.clone(),
        desk: parts.desk.clone(),
        link: parts.link.clone(),
        codes: parts.codes.clone(),
    };
    let admin = keeps.then(|| admin::bind(&config.admin_socket)).transpose()?;
    let mut serving = Vec::new();
    if config.roles.listens() {
        let router = routes(&config, &parts)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        say_where(&listener)?;
        let tls = tls.as_ref().map(|tls| tls.server()).transpose()?;
        let admits = server::Admits {
            connections: config.limits.connections,
            proxies: config.trusted_proxies.clone(),
        };
        serving.push(tokio::spawn(server::serve(
            listener,
            tls,
            router,
            admits,
            stopped.clone(),
        )));
    }
    serving.extend(neighbours(&config, &parts, &stopped)?);
    if !config.roles.listens() {
        say("running")?;
    }

    tokio::spawn(reload(hangup, tls, parts.registrar.clone()));
    if let Some(relay) = parts.relay.clone() {
        tokio::spawn(async move { relay.sweep_for_ever().await });
    }
    if let Some(registrar) = parts.registrar.clone() {
        tokio::spawn(housekeeping(registrar));
    }
    if let Some(codes) = parts.codes.clone() {
        tokio::spawn(keep_codes(codes));
    }
    if let Some(admin) = admin {
        tokio::spawn(admin::serve(admin, here, stopped));
    }

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    if let Some(relay) = &parts.relay {
        relay.close_streams();
    }
    for served in serving {
        served.await?;
    }
    if let Some(relay) = &parts.relay {
        relay.close().await;
    }
    if let Some(codes) = &parts.codes {
        codes.close().await;
    }
    if let Some(registrar) = &parts.registrar {
        registrar.close().await;
    }
    for socket in sockets(&config) {
        remove(socket);
    }
    Ok(())
}

/// Opens the roles of this process, and finds those that run apart.
async fn open(config: &Config, keys: Option<IssuingKeys>) -> anyhow::Result<Parts> {
    let relay = match config.roles.has(Role::Relay) {
        true => Some(Relay::open(&config.state_dir, &config.public_url, &config.limits, &config.web_push).await?),
        false => None,
    };
    let desk = match &config.link.registrar_key {
        Some(file) => {
            let kept = match &relay {
                Some(relay) => relay.kept_trust().await,
                None => None,
            };
            Some(Arc::new(Desk::new(relay_key(file)?, kept)))
        }
        None => None,
    };
    let notifier = Notifier::start(config.notify.as_ref())?;
    let (registrar, link) = match keys {
        Some(keys) => {
            let (registrar, link) = open_registrar(config, keys, relay.as_ref()).await?;
            tokio::spawn(notifier.clone().listen(registrar.notices()));
            (Some(registrar), link)
        }
        None => (None, None),
    };
    let codes = match config.roles.has(Role::Codes) {
        true => {
            let counter = match &registrar {
                Some(registrar) => CodeCounter::Here(Arc::clone(registrar)),
                None => CodeCounter::apart(&config.link.codes_socket)?,
            };
            tokio::spawn(counter.clone().look_after());
            let codes = Codes::open(&config.state_dir, config.codes.clone(), counter, notifier.clone()).await?;
            Some(Arc::new(codes))
        }
        false => None,
    };
    let calls = match (&codes, &config.link.codes_user) {
        (Some(codes), _) => Some(CodesDesk::Here(Arc::clone(codes))),
        (None, Some(_)) => Some(CodesDesk::apart(&config.link.calls_socket)?),
        (None, None) => None,
    };
    if let (Some(registrar), Some(calls)) = (&registrar, &calls) {
        tokio::spawn(mailing::listen(registrar.notices(), calls.clone()));
    }
    if let (Some(registrar), Some(link)) = (&registrar, &link) {
        tokio::spawn(Arc::clone(link).keep(Arc::clone(registrar), calls.clone()));
    }
    let panel = match config.roles.has(Role::Panel) {
        true => {
            let counter = match &registrar {
                Some(registrar) => Counter::Here(Arc::clone(registrar)),
                None => Counter::apart(&config.link.panel_socket)?,
            };
            let codes = match (&codes, &config.link.codes_panel_socket) {
                (Some(codes), _) => Some(CodesDesk::Here(Arc::clone(codes))),
                (None, Some(socket)) => Some(CodesDesk::apart(socket)?),
                (None, None) => None,
            };
            Some(Panel::open(config, counter, codes, notifier)?)
        }
        false => None,
    };
    Ok(Parts {
        relay,
        desk,
        registrar,
        link,
        panel,
        codes,
        calls,
    })
}

async fn open_registrar(
    config: &Config,
    keys: IssuingKeys,
    relay: Option<&Arc<Relay>>,
) -> anyhow::Result<(Arc<Registrar>, Option<Arc<Link>>)> {
    let rules = Rules {
        first_device: config.panel.first_device,
        max_devices: config.panel.max_devices,
        panel_url: config.panel.address(),
        app_origin: config.app.url.to_string(),
        administrators: config.panel.administrators.clone(),
    };
    let link = match relay {
        Some(_) => None,
        None => {
            let way = match &config.link.socket {
                Some(socket) => Way::Socket(socket),
                None => Way::Https {
                    url: config.link.url.as_deref().unwrap_or(&config.public_url),
                    ca_file: config.link.ca_file.as_deref(),
                },
            };
            Some(Link::new(&config.state_dir, &config.public_url, &way)?)
        }
    };
    let carrier = match (relay, &link) {
        (Some(relay), _) => Carrier::Here(Arc::clone(relay)),
        (None, Some(link)) => Carrier::Apart(Arc::clone(link)),
        (None, None) => bail!("a registrar without a way to its relay"),
    };
    let registrar = Registrar::open(&config.state_dir, keys, config.registrar, rules, carrier).await?;
    let registrar = Arc::new(registrar);
    registrar.start().await?;
    if let Some(answers) = registrar.answers() {
        tokio::spawn(Arc::clone(&registrar).hear_devices(answers));
    }
    Ok((registrar, link))
}

/// The sockets for roles of this machine that run apart.
fn neighbours(config: &Config, parts: &Parts, stopped: &watch::Receiver<bool>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut serving = Vec::new();
    if let (Some(relay), Some(desk), Some(socket)) = (&parts.relay, &parts.desk, &config.link.socket) {
        let listener = admin::bind(socket)?;
        // Its directory says which users may try; only the pinned key gets in.
        std::fs::set_permissions(socket, Permissions::from_mode(0o660))
            .with_context(|| socket.display().to_string())?;
        let router = relay::link::router(Arc::clone(relay), Arc::clone(desk));
        serving.push(tokio::spawn(server::serve_unix(
            listener,
            |_| true,
            router,
            LINKS,
            stopped.clone(),
        )));
    }
    let to_panel = |socket: &Path| {
        let user = config.link.panel_user.as_ref();
        user.map(|user| neighbour::Door::bind(socket, user, "link.panel_user", "the panel"))
            .transpose()
    };
    if let Some(registrar) = &parts.registrar
        && let Some(door) = to_panel(&config.link.panel_socket)?
    {
        let served = counter::serve(door, Arc::clone(registrar), stopped.clone());
        serving.push(tokio::spawn(served));
    }
    if let (Some(registrar), Some(user)) = (&parts.registrar, &config.link.codes_user) {
        let door = neighbour::Door::bind(&config.link.codes_socket, user, "link.codes_user", "the code service")?;
        let served = code_counter::serve(door, Arc::clone(registrar), stopped.clone());
        serving.push(tokio::spawn(served));
    }
    if let (Some(codes), Some(socket)) = (&parts.codes, &config.link.codes_panel_socket)
        && let Some(door) = to_panel(socket)?
    {
        let served = desk::serve_panel(door, Arc::clone(codes), stopped.clone());
        serving.push(tokio::spawn(served));
    }
    if let (Some(codes), Some(user)) = (&parts.codes, &config.link.calls_user) {
        let socket = &config.link.calls_socket;
        let door = neighbour::Door::bind(socket, user, "link.calls_user", "the bearer of calls")?;
        let served = desk::serve_calls(door, Arc::clone(codes), stopped.clone());
        serving.push(tokio::spawn(served));
    }
    Ok(serving)
}

/// The sockets that this process has bound.
fn sockets(config: &Config) -> Vec<&Path> {
    let roles = &config.roles;
    let mut sockets = Vec::new();
    if roles.has_any(&[Role::Relay, Role::Registrar, Role::Codes]) {
        sockets.push(config.admin_socket.as_path());
    }
    let (registrar, codes) = (roles.has(Role::Registrar), roles.has(Role::Codes));
    if roles.has(Role::Relay) {
        sockets.extend(config.link.socket.as_deref());
    }
    if config.link.panel_user.is_some() {
        sockets.extend(registrar.then_some(config.link.panel_socket.as_path()));
        sockets.extend(config.link.codes_panel_socket.as_deref().filter(|_| codes));
    }
    if registrar && config.link.codes_user.is_some() {
        sockets.push(&config.link.codes_socket);
    }
    if codes && config.link.calls_user.is_some() {
        sockets.push(&config.link.calls_socket);
    }
    sockets
}

/// Every role of this process at its own origin.
fn routes(config: &Config, parts: &Parts) -> anyhow::Result<axum::Router> {
    let (app_url, panel_url) = (&config.app.url, &config.panel.url);
    let relay_url = Origin::of_url(&config.public_url).context("public_url has no origin")?;
    let tls = config.tls.is_some();
    let (app, mut panels) = (Bundle::of(FILES, "app")?, Bundle::of(FILES, "panel")?);
    let has_app = config.roles.has(Role::App);
    if has_app && app_url == panel_url {
        // What both use is served once.
        panels.assets.retain(|path, _| !app.assets.contains_key(path));
    }
    let app = match has_app {
        true => {
            let headers = Headers::app(app_url, &relay_url)?;
            let router = web::app::router(&app, &config.public_url, &config.panel.address(), headers);
            Some((app_url.clone(), router))
        }
        false => None,
    };
    let panel = match &parts.panel {
        Some(panel) => {
            let mut router = panel::router(Arc::clone(panel), &panels, Headers::panel(panel_url)?);
            // Beside a relay, that takes them.
            if parts.relay.is_none() {
                router = router.merge(panel::host_calls::router(Arc::clone(panel)));
            }
            Some((panel_url.clone(), router))
        }
        None => None,
    };
    let door = match (&parts.registrar, &parts.desk) {
        (Some(registrar), _) => Some(Door::Here(Arc::clone(registrar))),
        (None, Some(desk)) => Some(Door::Apart(Arc::clone(desk))),
        (None, None) => None,
    };
    let relay = match (&parts.relay, door) {
        (Some(relay), Some(door)) => {
            let codes = match (&parts.calls, &parts.desk) {
                (Some(codes), _) => CodesDoor::Service(codes.clone()),
                (None, Some(desk)) => CodesDoor::ByRegistrar(Arc::clone(desk)),
                (None, None) => CodesDoor::Nowhere,
            };
            let mut router = relay::routes::router(Arc::clone(relay), door, codes, tls);
            if let (Some(desk), None) = (&parts.desk, &config.link.socket) {
                router = router.merge(relay::link::router(Arc::clone(relay), Arc::clone(desk)));
            }
            Some((relay_url, router))
        }
        _ => None,
    };
    Ok(web::router(Roles {
        relay,
        app,
        panel,
        app_url: app_url.clone(),
        tls,
    }))
}

fn say_where(listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    say(&format!("listening on {address}"))?;
    tracing::info!(%address, "listening");
    Ok(())
}

/// A line for whoever started this and waits until it is there.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("standard output is closed")
}

/// One gateway a state directory: the bus is in this process.
fn lock(state_dir: &Path) -> anyhow::Result<std::fs::File> {
    let path = state_dir.join("lock");
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    file.try_lock()
        .with_context(|| format!("another gateway runs on {}", state_dir.display()))?;
    Ok(file)
}

async fn reload(mut hangup: Signal, tls: Option<Arc<Certificates>>, registrar: Option<Arc<Registrar>>) {
    while hangup.recv().await.is_some() {
        if let Some(tls) = &tls {
            tls.reload();
        }
        if let Some(registrar) = &registrar
            && let Err(error) = registrar.reload_keys().await
        {
            tracing::error!("the issuing keys could not be read anew, those in use stay: {error:#}");
        }
    }
}

async fn housekeeping(registrar: Arc<Registrar>) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    loop {
        tick.tick().await;
        if let Err(error) = registrar.housekeeping().await {
            tracing::error!(%error, "the registrar's housekeeping failed");
        }
    }
}

async fn keep_codes(codes: Arc<Codes>) {
    let mut waits = !codes.is_certified();
    loop {
        // Without a certificate no host believes a code: a registrar that runs apart may be about to start.
        let pause = if waits { UNCERTIFIED } else { HOUSEKEEPING };
        tokio::time::sleep(pause).await;
        let done = codes.housekeeping().await;
        waits = matches!(done, Err(Error::Away)) && !codes.is_certified();
        if let Err(error) = done {
            tracing::error!(%error, "the code service's housekeeping failed");
        }
    }
}

fn remove(socket: &Path) {
    if let Err(error) = std::fs::remove_file(socket) {
        tracing::debug!(%error, "the admin socket was not removed");
    }
}
