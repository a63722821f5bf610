//! Start and stop. The order of the stop loses nothing: streams end, requests in flight finish, the store closes.

use crate::config::Config;
use crate::notify::{self, Notifier};
use crate::panel::{self, Panel};
use crate::registrar::Registrar;
use crate::registrar::keys::IssuingKeys;
use crate::registrar::self_service::Rules;
use crate::relay::{self, Relay};
use crate::tls::Certificates;
use crate::web::assets::{Bundle, FILES};
use crate::web::headers::Headers;
use crate::web::origin::Origin;
use crate::web::{self, Roles};
use crate::{admin, server};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// How often certificates that ended lose their mailbox, and old enrolments are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// Checks configuration and key files without touching anything.
pub fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    IssuingKeys::load(&config.state_dir)?;
    if let Some(tls) = config.tls {
        Certificates::load(tls)?.server()?;
    }
    if let Some(hook) = &config.notify {
        notify::check(&hook.program)?;
    }
    println!("{}: good", file.display());
    Ok(())
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

async fn serve(config: Config) -> anyhow::Result<()> {
    let keys = IssuingKeys::load(&config.state_dir)?;
    let _lock = lock(&config.state_dir)?;
    let tls = config.tls.clone().map(Certificates::load).transpose()?;
    let rules = Rules {
        first_device: config.panel.first_device,
        max_devices: config.panel.max_devices,
        panel_url: config.panel.address(),
    };
    let relay = Relay::open(&config.state_dir, &config.public_url, &config.limits).await?;
    let registrar =
        Arc::new(Registrar::open(&config.state_dir, keys, config.registrar, rules, Arc::clone(&relay)).await?);
    registrar.start().await?;
    if let Some(answers) = registrar.answers() {
        tokio::spawn(Arc::clone(&registrar).hear_devices(answers));
    }
    let notifier = Notifier::start(config.notify.as_ref())?;
    tokio::spawn(notifier.clone().listen(registrar.notices()));
    let panel = Panel::open(&config, Arc::clone(&registrar), notifier)?;
    let router = routes(&config, &relay, &registrar, panel)?;

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(false);
    let admin = admin::bind(&config.admin_socket)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    say_where(&listener)?;

    tokio::spawn(reload(hangup, tls.clone(), Arc::clone(&registrar)));
    tokio::spawn({
        let relay = Arc::clone(&relay);
        async move { relay.sweep_for_ever().await }
    });
    tokio::spawn(housekeeping(Arc::clone(&registrar)));
    tokio::spawn(admin::serve(
        admin,
        Arc::clone(&registrar),
        Arc::clone(&relay),
        stopped.clone(),
    ));
    let tls = tls.map(|tls| tls.server()).transpose()?;
    let serving = tokio::spawn(server::serve(listener, tls, router, config.limits.connections, stopped));

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    relay.close_streams();
    serving.await?;
    relay.close().await;
    registrar.close().await;
    remove(&config.admin_socket);
    Ok(())
}

/// Every role at its own origin.
fn routes(
    config: &Config,
    relay: &Arc<Relay>,
    registrar: &Arc<Registrar>,
    panel: Arc<Panel>,
) -> anyhow::Result<axum::Router> {
    let (app_url, panel_url) = (&config.app.url, &config.panel.url);
    let relay_url = Origin::of_url(&config.public_url).context("public_url has no origin")?;
    let tls = config.tls.is_some();
    let (app, mut panels) = (Bundle::of(FILES, "app")?, Bundle::of(FILES, "panel")?);
    if app_url == panel_url {
        // What both use is served once.
        panels.assets.retain(|path, _| !app.assets.contains_key(path));
    }
    let headers = Headers::app(app_url, &relay_url)?;
    let app = web::app::router(&app, &config.public_url, &config.panel.address(), headers);
    let panel = panel::router(panel, &panels, Headers::panel(panel_url)?);
    let relay = relay::routes::router(Arc::clone(relay), Arc::clone(registrar), tls);
    Ok(web::router(Roles {
        relay: (relay_url, relay),
        app: (app_url.clone(), app),
        panel: (panel_url.clone(), panel),
        tls,
    }))
}

fn say_where(listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {address}")
        .and_then(|()| out.flush())
        .context("standard output is closed")?;
    tracing::info!(%address, "listening");
    Ok(())
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

async fn reload(mut hangup: Signal, tls: Option<Arc<Certificates>>, registrar: Arc<Registrar>) {
    while hangup.recv().await.is_some() {
        if let Some(tls) = &tls {
            tls.reload();
        }
        if let Err(error) = registrar.reload_keys().await {
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

fn remove(socket: &Path) {
    if let Err(error) = std::fs::remove_file(socket) {
        tracing::debug!(%error, "the admin socket was not removed");
    }
}
