//! Opens a connection to one server: TCP, its protection, the guard, and behind it `ldap3`.

use super::ber;
use super::guard::{self, Reason};
use super::target::Target;
use crate::config::profile::LdapSecurity;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, StdStream};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// `StartTLS` (RFC 4511 4.14) as message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// Largest answer to it.
const MAX_START_TLS: usize = 4096;

/// Something that went wrong with a server, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    /// Makes the text of somebody else's error visible.
    pub fn new(what: &str, why: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {}", assent_proto::text::visible(&why.to_string())))
    }
}

/// An open connection. When the last clone goes, so does the connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `ldap3`'s handle.
    pub ldap: Ldap,
    /// Why it ended, if it did.
    reason: Reason,
    tasks: Arc<Tasks>,
    /// When it was opened or last used.
    pub used: Instant,
}

#[derive(Debug)]
struct Tasks {
    guard: JoinHandle<()>,
    parser: JoinHandle<()>,
    /// Somebody has stopped waiting for an answer on it.
    given_up: AtomicBool,
}

/// Somebody waits for an answer on a connection. Whoever stops waiting, by whichever deadline, leaves it to nobody: a
/// connection that died without a word looks like one that is slow.
pub struct Waits(Option<Arc<Tasks>>);

impl Waits {
    /// The answer has come.
    pub fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.given_up.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // Also when the server does not read any more, and the guard would wait for it.
        self.guard.abort();
        self.parser.abort();
    }
}

impl Connection {
    /// Why an operation failed.
    pub fn failure(&self, what: &str, error: &LdapError) -> Failure {
        match self.reason.get() {
            Some(reason) => Failure::new(what, reason),
            None => Failure::new(what, error),
        }
    }

    /// Whether it is of no use any more.
    pub fn is_closed(&mut self) -> bool {
        self.ldap.is_closed()
    }

    /// Whether somebody has waited on it for nothing.
    pub fn is_given_up(&self) -> bool {
        self.tasks.given_up.load(Ordering::Relaxed)
    }

    /// Somebody waits on it from now on.
    pub fn waits(&self) -> Waits {
        Waits(Some(Arc::clone(&self.tasks)))
    }

    /// Whether `other` is the same connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tasks, &other.tasks)
    }

    /// Says goodbye and ends, without keeping anybody waiting.
    pub fn close(self) {
        self.close_and_give_back(());
    }

    /// The same; `place` is given back once the connection is gone.
    pub fn close_and_give_back(mut self, place: impl Send + 'static) {
        tokio::spawn(async move {
            let _ = tokio::time::timeout(Duration::from_secs(1), self.ldap.unbind()).await;
            for _ in 0..200 {
                if self.tasks.guard.is_finished() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(self);
            drop(place);
        });
    }
}

/// Opens a connection. Nothing but `StartTLS` is ever said on one that is not protected, save on loopback where the
/// profile says so (R64).
pub async fn open(target: &Target, tls: &Arc<rustls::ClientConfig>) -> Result<Connection, Failure> {
    let mut tcp = connect(target).await?;
    match target.security {
        LdapSecurity::PlainLoopback => {
            let peer = tcp.peer_addr().map_err(|e| Failure::new("connect", e))?;
            if !peer.ip().is_loopback() {
                return Err(Failure(format!(
                    "{} is not on loopback, and the connection not protected",
                    peer.ip()
                )));
            }
            attach(tcp).await
        }
        LdapSecurity::StartTls => {
            start_tls(&mut tcp).await?;
            attach(protect(tcp, target, tls).await?).await
        }
        LdapSecurity::Ldaps => attach(protect(tcp, target, tls).await?).await,
    }
}

async fn connect(target: &Target) -> Result<TcpStream, Failure> {
    let tcp = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(|e| Failure::new("connect", e))?;
    let _ = tcp.set_nodelay(true);
    // Firewalls forget connections that stay silent.
    let _ = nix::sys::socket::setsockopt(&tcp, nix::sys::socket::sockopt::KeepAlive, &true);
    let _ = nix::sys::socket::setsockopt(&tcp, nix::sys::socket::sockopt::TcpKeepIdle, &60);
    let _ = nix::sys::socket::setsockopt(&tcp, nix::sys::socket::sockopt::TcpKeepInterval, &20);
    let _ = nix::sys::socket::setsockopt(&tcp, nix::sys::socket::sockopt::TcpKeepCount, &3);
    Ok(tcp)
}

async fn protect(
    tcp: TcpStream,
    target: &Target,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(target.host.clone()).map_err(|e| Failure::new("TLS", e))?;
    TlsConnector::from(tls.clone())
        .connect(name, tcp)
        .await
        .map_err(|e| Failure::new("TLS", e))
}

/// Asks for TLS. An answer other than yes, or anything sent along with it, ends the connection: an attacker in between
/// could have said it (R64).
async fn start_tls(tcp: &mut TcpStream) -> Result<(), Failure> {
    let broken = |e: std::io::Error| Failure::new("StartTLS", e);
    tcp.write_all(START_TLS).await.map_err(broken)?;
    let mut answer = Vec::new();
    let length = loop {
        if tcp.read_buf(&mut answer).await.map_err(broken)? == 0 {
            return Err(Failure("StartTLS: the server closed the connection".to_owned()));
        }
        match ber::header(&answer) {
            ber::Header::Length(length) if length <= MAX_START_TLS => {
                if answer.len() >= length {
                    break length;
                }
            }
            ber::Header::Incomplete => (),
            _ => return Err(Failure("StartTLS: the server sent no LDAP message".to_owned())),
        }
    };
    if answer.len() != length {
        return Err(Failure("StartTLS: the server sent more than its answer".to_owned()));
    }
    match ber::extended_result(&answer) {
        Some((0, _)) => Ok(()),
        Some((code, text)) => Err(Failure::new(&format!("StartTLS refused with result {code}"), text)),
        None => Err(Failure("StartTLS: the server sent a malformed answer".to_owned())),
    }
}

/// Puts the guard and `ldap3` on an open stream.
pub(super) async fn attach<S>(stream: S) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |e: std::io::Error| Failure::new("connect", e);
    let (guarded, parser) = std::os::unix::net::UnixStream::pair().map_err(broken)?;
    guarded.set_nonblocking(true).map_err(broken)?;
    let guarded = tokio::net::UnixStream::from_std(guarded).map_err(broken)?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(parser));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///")
        .await
        .map_err(|e| Failure::new("connect", e))?;
    let reason = Reason::default();
    let guard = tokio::spawn(guard::run(stream, guarded, reason.clone()));
    let parser = tokio::spawn(async move {
        let _ = connection.drive().await;
    });
    Ok(Connection {
        ldap,
        reason,
        tasks: Arc::new(Tasks {
            guard,
            parser,
            given_up: AtomicBool::new(false),
        }),
        used: Instant::now(),
    })
}
