//! The request: what a host asks a person to approve, signed by the host key and verified by the device before it
//! draws anything.

use crate::cert::{CertError, DeviceClaims, Host, Identity, Level, REGISTRAR_NAME, Trust};
use crate::encoding::{Bytes, Digest, Id, Nonce, ShortText};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemSecret, SigningKey};
use crate::seal::{self, Purpose, SealError};
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// The service of a request that the registrar itself makes: whether a device may be added or removed.
pub const ENROL_SERVICE: &str = "enrol";
/// Most arguments of a command that a statement holds.
pub const MAX_ARGS: usize = 64;
/// Longest life of a request in seconds (NIST SP 800-63B section 3.1.3: 10 minutes).
pub const MAX_TTL: u32 = 600;

/// The host that asks, by its own words; the verified certificate must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostName {
    /// The certified id.
    pub id: Id,
    /// The certified name.
    pub display: ShortText,
}

/// The command of a `sudo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// As sudo itself resolved it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resolved: Option<ShortText>,
    /// The arguments as asked, kept apart, without the program's own name.
    pub args: Vec<ShortText>,
    /// Whether anything is missing from `args` or `resolved`.
    pub truncated: bool,
    /// SHA-256 of the bytes of `/proc/PID/cmdline` that the host saw.
    pub sha256: Digest,
}

/// Where the login comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The client's address.
    pub ip: std::net::IpAddr,
    /// The client's port.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port: Option<u16>,
    /// The network that it lies in, as the host's configuration names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub network: Option<ShortText>,
    /// The autonomous system, where a data base names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asn: Option<u32>,
    /// The place, where a data base names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<ShortText>,
    /// What of it is new to the user on this host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub new: Option<Novelty>,
}

/// What of a login's source is new, as far as its host remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Novelty {
    /// The user approved nothing from this address lately.
    Address,
    /// Nor from this place, but from others.
    Place,
}

/// A request, field by field (PROTOCOL 2.5). The number is not in it: it stands on the terminal alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    v: V1,
    /// Names the push.
    pub id: Id,
    /// The 6-character login id, the same on terminal, phone and log.
    pub login: ShortText,
    /// Makes the request unlike any other.
    pub n: Nonce,
    /// Who asks.
    pub host: HostName,
    /// The PAM service.
    pub svc: ShortText,
    /// The user name at the application.
    pub user: ShortText,
    /// Whose approval is asked.
    pub identity: Identity,
    /// `PAM_RUSER`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ruser: Option<ShortText>,
    /// Who the user wants to become.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_user: Option<ShortText>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cmd: Option<Command>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cwd: Option<ShortText>,
    /// The terminal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tty: Option<ShortText>,
    /// The client, if the login comes over a network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub src: Option<Source>,
    /// Factors that have passed, in words.
    pub first: Vec<ShortText>,
    /// The level as decided.
    pub level: Level,
    /// Digits of the number: 0, 3 or 6.
    pub digits: u8,
    /// Whether an approval takes the word of the device's passkey besides what the level asks. Devices of before draw nothing of
    /// a request that says so.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub lock: bool,
    /// When it was asked, by the host's clock; shown, never decisive.
    pub iat: UnixTime,
    /// Seconds of life.
    pub ttl: u32,
    /// SHA-256 of the PAM transaction that the approval is for.
    pub ctx: Digest,
    /// The application's name in the host's configuration.
    pub app: ShortText,
    /// The language the person reads, as BCP 47.
    pub lang: ShortText,
}

/// What a [`Statement`] is made from, where every field is its own.
#[derive(Debug, Clone)]
pub struct Details {
    /// See [`Statement::login`].
    pub login: ShortText,
    /// See [`Statement::svc`].
    pub svc: ShortText,
    /// See [`Statement::user`].
    pub user: ShortText,
    /// See [`Statement::identity`].
    pub identity: Identity,
    /// See [`Statement::ruser`].
    pub ruser: Option<ShortText>,
    /// See [`Statement::target_user`].
    pub target_user: Option<ShortText>,
    /// See [`Statement::cmd`].
    pub cmd: Option<Command>,
    /// See [`Statement::cwd`].
    pub cwd: Option<ShortText>,
    /// See [`Statement::tty`].
    pub tty: Option<ShortText>,
    /// See [`Statement::src`].
    pub src: Option<Source>,
    /// See [`Statement::first`].
    pub first: Vec<ShortText>,
    /// See [`Statement::level`].
    pub level: Level,
    /// See [`Statement::digits`].
    pub digits: u8,
    /// See [`Statement::lock`].
    pub lock: bool,
    /// See [`Statement::ttl`].
    pub ttl: u32,
    /// See [`Statement::ctx`].
    pub ctx: Digest,
    /// See [`Statement::app`].
    pub app: ShortText,
}

impl Statement {
    /// Puts a statement together.
    pub fn new(id: Id, n: Nonce, host: &Host, iat: UnixTime, details: Details) -> Self {
        Self {
            v: V1,
            id,
            login: details.login,
            n,
            host: HostName {
                id: host.claims().host_id,
                display: host.claims().display.clone(),
            },
            svc: details.svc,
            user: details.user,
            identity: details.identity,
            ruser: details.ruser,
            target_user: details.target_user,
            cmd: details.cmd,
            cwd: details.cwd,
            tty: details.tty,
            src: details.src,
            first: details.first,
            level: details.level,
            digits: details.digits,
            lock: details.lock,
            iat,
            ttl: details.ttl,
            ctx: details.ctx,
            app: details.app,
            lang: ShortText::cut("en".into()),
        }
    }

    /// Signs it with the host key.
    pub fn sign(&self, key: &SigningKey) -> Result<String, JwsError> {
        jws::sign(Typ::Request, key, self)
    }

    /// Whether an approval takes the word of the device's passkey.
    pub fn takes_passkey(&self) -> bool {
        self.lock || self.level == Level::Passkey
    }

    /// When it ends, by the host's clock.
    pub fn expiry(&self) -> UnixTime {
        self.iat.plus(u64::from(self.ttl))
    }
}

/// What is sealed to each device: the request and the chain that proves its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signed [`Statement`].
    pub req: String,
    /// The host's certificate.
    pub host: String,
    /// The issuer's certificate.
    pub issuer: String,
}

/// The context that binds a sealed request to its push, its device and its end.
pub fn seal_context(id: &Id, device: &Id, expiry: UnixTime) -> String {
    format!("{id}.{device}.{}", expiry.0)
}

/// Why a device draws nothing (R29).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// The box.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// For somebody whom the device does not approve for.
    #[error("it asks for {0}, who is not approved for here")]
    Identity(Identity),
    /// The host's chain.
    #[error(transparent)]
    Chain(#[from] CertError),
    /// The request itself.
    #[error(transparent)]
    Document(#[from] JwsError),
    /// The statement names another host than the certificate.
    #[error("the request names another host than the certificate that signed it")]
    Host,
    /// Only the registrar asks about devices, and about nothing else.
    #[error("the request is about devices, or comes from the registrar, and not both")]
    Registrar,
    /// It travelled as another push than it says.
    #[error("the request was delivered as another one")]
    Delivered,
    /// Another life than the relay said, or longer than allowed, or odd digits.
    #[error("the request's life or digits are out of bounds")]
    Bounds,
}

/// A request that its host's certified key signed. Only this may be drawn.
#[derive(Debug, Clone)]
pub struct VerifiedRequest {
    /// What is asked.
    pub statement: Statement,
    /// Who asks.
    pub host: Host,
    /// What an answer must name.
    pub digest: Digest,
}

/// Opens what was delivered to a device, and checks all that the device can check by itself before it draws anything
/// (R29). Whether the host is revoked is for whoever keeps the list.
pub fn open(
    device: &DeviceClaims,
    key: &KemSecret,
    delivered: Id,
    expiry: UnixTime,
    blob: &Bytes,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedRequest, RequestError> {
    let context = seal_context(&delivered, &device.device_id, expiry);
    let envelope: Envelope = seal::open(key, Purpose::Request, &context, blob)?;
    let request = verify(&envelope, delivered, expiry, trust, now)?;
    if !device.identities.contains(&request.statement.identity) {
        return Err(RequestError::Identity(request.statement.identity));
    }
    Ok(request)
}

/// Checks an opened request: chain to a pinned root, signature, host, and that it is the push it came as.
pub fn verify(
    envelope: &Envelope,
    delivered: Id,
    expiry: UnixTime,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedRequest, RequestError> {
    let issuer = trust.verify_issuer(&envelope.issuer, now)?;
    let host = issuer.verify_host(&envelope.host, now)?;
    let statement: Statement = jws::verify(&envelope.req, Typ::Request, &host.claims().sign)?;
    if statement.host.id != host.claims().host_id || statement.host.display != host.claims().display {
        return Err(RequestError::Host);
    }
    // Otherwise an application named "enrol" on any host could have a device added by what looks like a login.
    if (statement.svc.as_str() == ENROL_SERVICE) != (statement.host.display.as_str() == REGISTRAR_NAME) {
        return Err(RequestError::Registrar);
    }
    if statement.id != delivered {
        return Err(RequestError::Delivered);
    }
    let args = statement.cmd.as_ref().map_or(0, |cmd| cmd.args.len());
    let digits_fit = match statement.level {
        Level::Number => matches!(statement.digits, 3 | 6),
        Level::Tap | Level::Passkey => statement.digits == 0,
    };
    if statement.expiry() != expiry || statement.ttl == 0 || statement.ttl > MAX_TTL || args > MAX_ARGS || !digits_fit {
        return Err(RequestError::Bounds);
    }
    Ok(VerifiedRequest {
        statement,
        host,
        digest: jws::digest(&envelope.req),
    })
}
