//! `org.assent.Agent1`, the admin's D-Bus interface: one interface, two ways in. On the system bus, where its policy
//! file says who may read and this code demands root for change; and peer to peer on `/run/assent/admin.sock`, root's
//! alone, for hosts without a bus.

use crate::agent::{Agent, Notice};
use crate::{enrolment, exceptions, server};
use assent_engine::grants::Kind;
use assent_engine::ledger::SourceKey;
use assent_proto::cert::Identity;
use assent_proto::code::TypedSecret;
use assent_proto::registrar::EnrolmentState;
use assent_proto::{Id, ShortText};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::UnixListener;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, fdo, interface};
use zeroize::Zeroizing;

const PATH: &str = "/org/assent/Agent1";
const NAME: &str = "org.assent.Agent1";

struct Interface {
    agent: Arc<Agent>,
    /// Whether the connection itself is root's alone.
    root_only: bool,
}

#[interface(name = "org.assent.Agent1")]
impl Interface {
    /// The agent's state as JSON text.
    async fn status(&self) -> String {
        self.agent.status().await.to_string()
    }

    /// Reads the configuration again. A bad one keeps the old one and is the error's text.
    async fn reload(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> fdo::Result<String> {
        self.demand_root(&header, bus).await?;
        match self.agent.reload() {
            Ok(()) => Ok("the new configuration is in force".into()),
            Err(e) => Err(fdo::Error::Failed(format!(
                "the old configuration stays in force:\n{e:#}"
            ))),
        }
    }

    /// This host's own freezes, as JSON text.
    async fn freezes(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> fdo::Result<String> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let gateway = setup.gateway.as_ref().map_err(|why| fdo::Error::Failed(why.clone()))?;
        Ok(serde_json::Value::from(gateway.revocations.local_freezes()).to_string())
    }

    /// Lifts this host's own freezes of a user; how many there were. The registrar's are lifted on the gateway.
    async fn lift_freeze(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        user: String,
    ) -> fdo::Result<u32> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let gateway = setup.gateway.as_ref().map_err(|why| fdo::Error::Failed(why.clone()))?;
        let lifted = gateway.revocations.lift(&user).await;
        tracing::warn!("root lifted {lifted} freezes of a user on this host");
        Ok(lifted)
    }

    /// What is remembered of an identity that bears on a login from an address (empty: this machine), as JSON text.
    async fn signals(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        realm: String,
        id: String,
        from: String,
    ) -> fdo::Result<String> {
        self.demand_root(&header, bus).await?;
        let who = ShortText::new(realm).zip(ShortText::new(id));
        let who = who.map(|(realm, id)| Identity { realm, id });
        let from = match from.as_str() {
            "" => Some(None),
            text => text.parse::<IpAddr>().ok().map(Some),
        };
        let (Some(who), Some(from)) = (who, from) else {
            return Err(fdo::Error::InvalidArgs(
                "an identity and an address, or none, are needed".into(),
            ));
        };
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let place = from.map(|from| setup.places.of(from)).unwrap_or_default();
        let signals = setup
            .memory
            .recall(&who, SourceKey::of(from), &place)
            .map_err(fdo::Error::Failed)?;
        serde_json::to_string(&signals).map_err(|e| fdo::Error::Failed(e.to_string()))
    }

    /// Ends a login that is in progress, as denied.
    async fn cancel(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        login: String,
    ) -> fdo::Result<()> {
        self.demand_root(&header, bus).await?;
        let cancel = self
            .agent
            .running
            .lock()
            .ok()
            .and_then(|mut running| running.get_mut(&login)?.cancel.take());
        match cancel {
            Some(cancel) => {
                let _ = cancel.send(());
                Ok(())
            }
            None => Err(fdo::Error::Failed("no such login is in progress".into())),
        }
    }

    /// Opens a user's push budgets again and forgets wrong numbers and passwords, on this host. How many identities that was.
    async fn unlock(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        user: String,
    ) -> fdo::Result<u32> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let mut identities = enrolment::identities_of(&setup, &user).await.map_err(failed)?;
        let people = identities.len();
        identities.extend(self.agent.accounts_of(&user).await);
        for who in &identities {
            let written = setup.memory.forgive(who).wait().await;
            tracing::warn!("root opened the budgets and locks of {who} again");
            if let Err(e) = written {
                tracing::error!("a restart of the agent may forget that: {e}");
            }
        }
        Ok(u32::try_from(people).unwrap_or(u32::MAX))
    }

    /// Grants a bypass of the second factor (`bypass`) or blocks a user (`block`) on this host: for these applications,
    /// for so many seconds (0: until it is lifted), for this reason, by the word of this administrator. What was made, as
    /// JSON text.
    #[allow(clippy::too_many_arguments)] // what D-Bus sends
    async fn grant_exception(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        kind: String,
        user: String,
        applications: Vec<String>,
        seconds: u64,
        reason: String,
        by: String,
    ) -> fdo::Result<String> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let wanted = exceptions::Wanted {
            kind: exception(&kind)?,
            user,
            applications,
            seconds: Some(seconds).filter(|seconds| *seconds > 0),
            reason,
            by,
        };
        let made = exceptions::grant(&self.agent, &setup, wanted).await;
        made.map(|made| made.to_string())
            .map_err(|why| fdo::Error::Failed(why.to_string()))
    }

    /// Ends all bypasses (`bypass`) or blocks (`block`) of a user on this host; how many there were.
    async fn end_exception(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        kind: String,
        user: String,
        by: String,
    ) -> fdo::Result<u32> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let ended = exceptions::end(&self.agent, &setup, exception(&kind)?, &user, &by).await;
        ended.map_err(|why| fdo::Error::Failed(why.to_string()))
    }

    /// The bypasses and blocks that run on this host, as JSON text.
    async fn exceptions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> fdo::Result<String> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        Ok(exceptions::list(&setup).to_string())
    }

    /// Vouches for a user and opens an enrolment: its token, the link for the user's device, the end in Unix seconds.
    async fn open_enrolment(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        user: String,
    ) -> fdo::Result<(String, String, u64)> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let opened = enrolment::open(&setup, &user).await.map_err(failed)?;
        tracing::info!("enrolment {} was opened by root on this host", opened.token_id);
        Ok((opened.token_id.to_string(), opened.link, opened.until))
    }

    /// Vouches for a user, who signs in once at the Register Panel: the link, the end in Unix seconds. It lives `ttl`
    /// seconds.
    async fn open_panel_link(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        user: String,
        ttl: u32,
    ) -> fdo::Result<(String, u64)> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let opened = enrolment::open_link(&setup, &user, ttl).await.map_err(failed)?;
        tracing::info!("a panel link was opened by root on this host");
        Ok((opened.link, opened.until))
    }

    /// How an enrolment stands: `waiting`, `digits`, `approval`, `certified`, `over`; a detail; tries left.
    async fn enrolment_state(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        token_id: String,
    ) -> fdo::Result<(String, String, u32)> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let state = enrolment::state(&setup, token(&token_id)?).await.map_err(failed)?;
        Ok(state_words(&state))
    }

    /// Hands over the six digits that the user's device shows.
    async fn confirm_enrolment(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        token_id: String,
        digits: String,
    ) -> fdo::Result<(String, String, u32)> {
        self.demand_root(&header, bus).await?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        let state = enrolment::confirm(&setup, token(&token_id)?, &digits)
            .await
            .map_err(failed)?;
        Ok(state_words(&state))
    }

    /// Vouches for a user who sets up an authenticator app; `secret`: of one that they have, in base32, or empty; `asked`:
    /// empty, or the id that came with `approval`. `approval` (a device of the user is asked: ask again), its id, nothing,
    /// the seconds it has; or `open`, the id of the set-up, the app's address, the seconds it waits for the first code.
    async fn open_totp(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        user: String,
        secret: String,
        asked: String,
    ) -> fdo::Result<(String, String, String, u32)> {
        self.demand_root(&header, bus).await?;
        let secret = Zeroizing::new(secret);
        let secret = (!secret.is_empty()).then(|| TypedSecret(secret));
        let asked = (!asked.is_empty()).then(|| token(&asked)).transpose()?;
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        match enrolment::open_totp(&setup, &user, secret, asked)
            .await
            .map_err(failed)?
        {
            enrolment::Totp::Asked { id, ttl } => Ok(("approval".into(), id.to_string(), String::new(), ttl)),
            enrolment::Totp::Open { id, uri, ttl } => {
                tracing::info!("root on this host sets up an authenticator app for a user");
                Ok(("open".into(), id.to_string(), uri.0.to_string(), ttl))
            }
        }
    }

    /// Hands over the app's first code: `ready`, or `wrong` and why.
    async fn confirm_totp(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
        id: String,
        code: String,
    ) -> fdo::Result<(String, String)> {
        self.demand_root(&header, bus).await?;
        let code = Zeroizing::new(code);
        let setup = self.agent.setup().map_err(fdo::Error::Failed)?;
        match enrolment::confirm_totp(&setup, token(&id)?, &code)
            .await
            .map_err(failed)?
        {
            None => Ok(("ready".into(), String::new())),
            Some(why) => Ok(("wrong".into(), why)),
        }
    }

    /// A login began.
    #[zbus(signal)]
    async fn login_started(emitter: &SignalEmitter<'_>, login: &str, service: &str) -> zbus::Result<()>;

    /// A login was decided: `approved`, `denied` or `ignored`, and why.
    #[zbus(signal)]
    async fn login_decided(emitter: &SignalEmitter<'_>, login: &str, verdict: &str, cause: &str) -> zbus::Result<()>;

    /// A device said "not me" to a login: its short id, the user, the client's address or `local`, this host's name.
    #[zbus(signal)]
    async fn reported(
        emitter: &SignalEmitter<'_>,
        login: &str,
        user: &str,
        source: &str,
        host: &str,
    ) -> zbus::Result<()>;

    /// An administrator decided something for one person on this host: `granted` or `ended`, `bypass` or `block`, the
    /// user, the reason.
    #[zbus(signal)]
    async fn exception_changed(
        emitter: &SignalEmitter<'_>,
        what: &str,
        kind: &str,
        user: &str,
        reason: &str,
    ) -> zbus::Result<()>;

    /// A part does not work; an empty text says that all do again.
    #[zbus(signal)]
    async fn degraded(emitter: &SignalEmitter<'_>, what: &str) -> zbus::Result<()>;
}

impl Interface {
    /// On the bus the caller is whom the bus daemon says; `peer_creds` would be the daemon itself (R57).
    async fn demand_root(&self, header: &Header<'_>, bus: &Connection) -> fdo::Result<()> {
        if self.root_only {
            return Ok(());
        }
        let sender = header
            .sender()
            .ok_or_else(|| fdo::Error::AccessDenied("the caller is not known".into()))?;
        let daemon = fdo::DBusProxy::new(bus).await?;
        let credentials = daemon.get_connection_credentials(sender.to_owned().into()).await?;
        if credentials.unix_user_id() == Some(0) {
            return Ok(());
        }
        Err(fdo::Error::AccessDenied("only root may change something".into()))
    }
}

fn exception(kind: &str) -> fdo::Result<Kind> {
    Kind::of(kind).ok_or_else(|| fdo::Error::InvalidArgs("an exception is a bypass or a block".into()))
}

fn token(text: &str) -> fdo::Result<Id> {
    Id::decode(text).ok_or_else(|| fdo::Error::InvalidArgs("this is no token id".into()))
}

#[allow(clippy::needless_pass_by_value)] // what map_err wants
fn failed(error: enrolment::Refused) -> fdo::Error {
    fdo::Error::Failed(error.to_string())
}

fn state_words(state: &EnrolmentState) -> (String, String, u32) {
    match state {
        EnrolmentState::Waiting => ("waiting".into(), String::new(), 0),
        EnrolmentState::Digits { label, tries, .. } => (
            "digits".into(),
            assent_proto::text::visible(label.as_str()),
            u32::from(*tries),
        ),
        EnrolmentState::Approval { until } => ("approval".into(), until.0.to_string(), 0),
        EnrolmentState::Certified { device } => {
            // The registrar's own signature carries the reply; here only the name is read.
            let id = assent_proto::cert::claimed_device(device).map(|id| id.to_string());
            ("certified".into(), id.unwrap_or_default(), 0)
        }
        EnrolmentState::Over => ("over".into(), String::new(), 0),
    }
}

/// Serves the system bus, if there is one; a host without one is no error.
pub fn serve_system_bus(agent: Arc<Agent>) {
    tokio::spawn(async move {
        let interface = Interface {
            agent: agent.clone(),
            root_only: false,
        };
        let connection = zbus::connection::Builder::system()
            .serve_at(PATH, interface)
            .name(NAME)
            .build()
            .await;
        match connection {
            Ok(connection) => {
                tracing::info!("on the system bus as {NAME}");
                emit_notices(agent, connection).await;
            }
            Err(e) => tracing::info!("not on the system bus ({e}); admin.sock serves the same interface"),
        }
    });
}

/// Serves `admin.sock`, peer to peer.
pub async fn serve_socket(agent: Arc<Agent>, listener: UnixListener) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::error!("no admin connection could be accepted: {e}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        if server::root_peer(&stream).is_none() {
            continue;
        }
        let agent = agent.clone();
        tokio::spawn(async move {
            if let Err(e) = serve_peer(agent, stream).await {
                tracing::info!("an admin connection ended: {e}");
            }
        });
    }
}

async fn serve_peer(agent: Arc<Agent>, stream: tokio::net::UnixStream) -> zbus::Result<()> {
    let interface = Interface {
        agent: agent.clone(),
        root_only: true,
    };
    let stream = stream.into_std().map_err(|e| zbus::Error::InputOutput(Arc::new(e)))?;
    let connection = zbus::connection::Builder::unix_stream(stream)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at(PATH, interface)
        .build()
        .await?;
    tokio::select! {
        () = emit_notices(agent, connection.clone()) => {}
        () = connection.closed() => {}
    }
    Ok(())
}

async fn emit_notices(agent: Arc<Agent>, connection: Connection) {
    let Ok(emitter) = SignalEmitter::new(&connection, PATH) else {
        return;
    };
    let mut notices = agent.notices.subscribe();
    loop {
        let sent = match notices.recv().await {
            Ok(Notice::Started { login, service }) => Interface::login_started(&emitter, &login, &service).await,
            Ok(Notice::Decided { login, verdict, cause }) => {
                Interface::login_decided(&emitter, &login, verdict, cause).await
            }
            Ok(Notice::Reported(report)) => {
                Interface::reported(&emitter, &report.login, &report.user, &report.source, &report.host).await
            }
            Ok(Notice::Exception {
                what,
                kind,
                user,
                reason,
            }) => Interface::exception_changed(&emitter, what, kind, &user, &reason).await,
            Ok(Notice::Degraded(what)) => Interface::degraded(&emitter, &what).await,
            Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!("{missed} signals were not sent: the listener is slow");
                Ok(())
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
