//! The admin's socket: HTTP/1 and JSON over a Unix socket of mode 0600. Whoever connects must be root or the
//! gateway's own user by the kernel's word; the socket's mode alone is not believed.

use crate::clock;
use crate::codes::Codes;
use crate::codes::admin::{NotImported, What};
use crate::codes::enrol::Standing;
use crate::error::Error;
use crate::registrar::Registrar;
use crate::registrar::admin::{Listed, TOKEN_TTL, TokenError};
use crate::registrar::freezes::ListedFreeze;
use crate::registrar::link::Link;
use crate::relay::{Relay, body, link};
use anyhow::{Context as _, bail};
use assent_proto::Id;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Most bytes of an admin's body.
const MAX_BODY: usize = 16 * 1024;
/// How long an admin's connection may take over a request head.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Binds the socket. A stale one is replaced, one that answers is another gateway's.
pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(meta) = fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            bail!("{} is there and no socket", path.display());
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another gateway listens on {}", path.display());
        }
        fs::remove_file(path).with_context(|| format!("{} is stale and cannot be removed", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| {
        format!(
            "cannot listen on {}; its directory must be there and writable for the gateway",
            path.display()
        )
    })?;
    // The umask made it so already; this says it again for whoever calls without one.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).with_context(|| path.display().to_string())?;
    Ok(listener)
}

#[derive(Clone)]
struct Desk {
    registrar: Arc<Registrar>,
}

/// Of which roles this process can tell.
#[derive(Clone)]
pub struct Reporting {
    /// The registrar, if it is here.
    pub registrar: Option<Arc<Registrar>>,
    /// The relay, if it is here.
    pub relay: Option<Arc<Relay>>,
    /// What it knows of a registrar that runs apart.
    pub desk: Option<Arc<link::Desk>>,
    /// What the registrar knows of a relay that runs apart.
    pub link: Option<Arc<Link>>,
    /// The code service, if it is here.
    pub codes: Option<Arc<Codes>>,
}

/// Serves admins until `stop` changes.
pub async fn serve(listener: UnixListener, here: Reporting, mut stop: watch::Receiver<bool>) {
    let (registrar, codes) = (here.registrar.clone(), here.codes.clone());
    let mut router = Router::new().route("/status", get(status)).with_state(here);
    if let Some(registrar) = registrar {
        let desk = Router::new()
            .route("/host-token", post(host_token))
            .route("/hosts", get(hosts))
            .route("/hosts/revoke", post(revoke_host))
            .route("/devices", get(devices))
            .route("/devices/revoke", post(revoke_device))
            .route("/revocations/jump", post(jump))
            .route("/freezes", get(freezes))
            .route("/freezes/lift", post(lift))
            .with_state(Desk { registrar });
        router = router.merge(desk);
    }
    if let Some(codes) = codes {
        let desk = Router::new()
            .route("/codes", get(codes_status))
            .route("/codes/unlock", post(unlock_codes))
            .route("/codes/reset", post(reset_codes))
            .route("/codes/import", post(import_app))
            .route("/codes/try-sms", post(try_sms))
            .route("/codes/try-mail", post(try_mail))
            .route("/codes/revoke", post(revoke_codes))
            .with_state(codes);
        router = router.merge(desk);
    }
    let router = router
        .fallback(|| async { Error::NoRoute })
        .method_not_allowed_fallback(|| async { Error::NoMethod });
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if may_ask(&stream) => {
                tokio::spawn(connection(stream, router.clone()));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "an admin's connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn may_ask(stream: &UnixStream) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || peer.uid() == geteuid().as_raw() => true,
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "somebody who is no admin came to the admin socket");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "who came to the admin socket cannot be known");
            false
        }
    }
}

async fn connection(stream: UnixStream, router: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an admin's connection broke");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantToken {
    name: String,
    #[serde(default = "token_ttl")]
    ttl: u64,
}

fn token_ttl() -> u64 {
    TOKEN_TTL
}

#[derive(Serialize)]
struct MadeToken {
    token: String,
    expires: u64,
}

async fn host_token(State(desk): State<Desk>, body: Body) -> Result<Json<MadeToken>, Error> {
    let want: WantToken = body::json(body, MAX_BODY).await?;
    let made = desk.registrar.host_token(&want.name, want.ttl).await;
    let token = made.map_err(|error| match error {
        TokenError::Name(_) | TokenError::Reserved | TokenError::Ttl => Error::Malformed(error.to_string()),
        TokenError::Store(error) => Error::Store(error),
    })?;
    Ok(Json(MadeToken {
        token: token.to_text().to_string(),
        expires: clock::now().plus(want.ttl).0,
    }))
}

#[derive(Serialize)]
struct Hosts {
    hosts: Vec<Listed>,
}

async fn hosts(State(desk): State<Desk>) -> Result<Json<Hosts>, Error> {
    let hosts = desk.registrar.list_hosts().await?;
    Ok(Json(Hosts { hosts }))
}

#[derive(Serialize)]
struct Devices {
    devices: Vec<Listed>,
}

async fn devices(State(desk): State<Desk>) -> Result<Json<Devices>, Error> {
    let devices = desk.registrar.list_devices().await?;
    Ok(Json(Devices { devices }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhichDevice {
    device_id: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhichHost {
    host_id: Id,
}

#[derive(Serialize)]
struct Revoked {
    revoked: Id,
}

async fn revoke_device(State(desk): State<Desk>, body: Body) -> Result<Json<Revoked>, Error> {
    let WhichDevice { device_id } = body::json(body, MAX_BODY).await?;
    match desk.registrar.revoke_device(device_id).await? {
        true => Ok(Json(Revoked { revoked: device_id })),
        false => Err(Error::Unknown("device")),
    }
}

async fn revoke_host(State(desk): State<Desk>, body: Body) -> Result<Json<Revoked>, Error> {
    let WhichHost { host_id } = body::json(body, MAX_BODY).await?;
    match desk.registrar.revoke_host(host_id).await? {
        true => Ok(Json(Revoked { revoked: host_id })),
        false => Err(Error::Unknown("host")),
    }
}

#[derive(Serialize)]
struct Jumped {
    seq: u64,
}

async fn jump(State(desk): State<Desk>) -> Result<Json<Jumped>, Error> {
    let seq = desk.registrar.jump().await?;
    Ok(Json(Jumped { seq }))
}

#[derive(Serialize)]
struct Freezes {
    freezes: Vec<ListedFreeze>,
}

async fn freezes(State(desk): State<Desk>) -> Result<Json<Freezes>, Error> {
    let freezes = desk.registrar.list_freezes().await?;
    Ok(Json(Freezes { freezes }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    user: String,
}

#[derive(Serialize)]
struct Lifted {
    lifted: u64,
}

async fn lift(State(desk): State<Desk>, body: Body) -> Result<Json<Lifted>, Error> {
    let Who { user } = body::json(body, MAX_BODY).await?;
    match desk.registrar.lift_by_admin(&user).await? {
        0 => Err(Error::Unknown("freeze")),
        lifted => Ok(Json(Lifted { lifted })),
    }
}

type CodesDesk = State<Arc<Codes>>;

async fn codes_status(State(codes): CodesDesk) -> Result<Json<crate::codes::admin::Status>, Error> {
    Ok(Json(codes.status().await?))
}

#[derive(Serialize)]
struct Changed {
    changed: usize,
}

async fn unlock_codes(State(codes): CodesDesk, body: Body) -> Result<Json<Changed>, Error> {
    let Who { user } = body::json(body, MAX_BODY).await?;
    match codes.unlock(&user).await? {
        0 => Err(Error::Unknown("wrong codes of this user")),
        changed => Ok(Json(Changed { changed })),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    user: String,
    what: What,
}

async fn reset_codes(State(codes): CodesDesk, body: Body) -> Result<Json<Changed>, Error> {
    let Reset { user, what } = body::json(body, MAX_BODY).await?;
    match codes.reset(&user, what).await? {
        0 => Err(Error::Unknown("set-up of this user")),
        changed => Ok(Json(Changed { changed })),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    user: String,
    secret: Zeroizing<String>,
}

async fn import_app(State(codes): CodesDesk, body: Body) -> Result<Json<Standing>, Error> {
    let Import { user, secret } = body::json(body, MAX_BODY).await?;
    let imported = codes.import(&user, &secret).await;
    imported.map(Json).map_err(|error| match error {
        NotImported::Failed => Error::Internal("an import failed"),
        NotImported::Unknown | NotImported::Ambiguous | NotImported::Secret | NotImported::Enrolled => {
            Error::Malformed(error.to_string())
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    to: String,
}

#[derive(Serialize)]
struct Taken {
    by: String,
}

async fn try_sms(State(codes): CodesDesk, body: Body) -> Result<Json<Taken>, Error> {
    let To { to } = body::json(body, MAX_BODY).await?;
    let by = codes.try_sms(&to).await;
    by.map(|by| Json(Taken { by }))
        .map_err(|why| Error::Malformed(why.to_owned()))
}

async fn try_mail(State(codes): CodesDesk, body: Body) -> Result<Json<Taken>, Error> {
    let To { to } = body::json(body, MAX_BODY).await?;
    let by = codes.try_mail(&to).await;
    by.map(|by| Json(Taken { by }))
        .map_err(|why| Error::Malformed(why.to_owned()))
}

async fn revoke_codes(State(codes): CodesDesk) -> Result<Json<Changed>, Error> {
    match codes.revoke().await? {
        0 => Err(Error::Unknown("key of the code service")),
        changed => Ok(Json(Changed { changed })),
    }
}

#[derive(Serialize)]
struct Status {
    version: &'static str,
    now: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailboxes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<usize>,
    /// Where relay and registrar run apart: whether they have each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    linked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registrar: Option<crate::registrar::admin::Status>,
}

async fn status(State(here): State<Reporting>) -> Result<Json<Status>, Error> {
    let relay = here.relay.as_ref();
    let linked = here.desk.as_ref().map(|desk| desk.is_linked());
    let registrar = match &here.registrar {
        Some(registrar) => Some(registrar.status().await?),
        None => None,
    };
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        now: clock::now().0,
        mailboxes: relay.map(|relay| relay.mailboxes()),
        streams: relay.map(|relay| relay.streams()),
        linked: linked.or(here.link.as_ref().map(|link| link.is_up())),
        registrar,
    }))
}
