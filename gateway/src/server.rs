//! Connections: accepting, TLS, HTTP/1.1 and HTTP/2, and every wait bounded. A connection that sends nothing useful
//! in [`FIRST_REQUEST`], or takes nothing for [`STALLED`], is closed; there is a cap on all of them together.

use crate::relay::auth::Peer;
use crate::trusted_proxies::TrustedProxies;
use axum::Router;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// From the connection to its first whole request head, TLS included.
pub const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long HTTP/1.1 waits for a further request head.
pub const NEXT_REQUEST: Duration = Duration::from_secs(60);
/// How long a peer may take nothing that we have for it.
pub const STALLED: Duration = Duration::from_secs(30);
/// How often HTTP/2 asks whether the peer is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_TIME: Duration = Duration::from_secs(20);
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 1024;
/// How long requests in flight may take after SIGTERM.
const LAST_REQUESTS: Duration = Duration::from_secs(8);

/// Who comes in.
pub struct Admits {
    /// Open connections; more wait.
    pub connections: u32,
    /// Whose word counts on whom a request comes from.
    pub proxies: TrustedProxies,
}

/// Serves until `stop` changes, then lets requests in flight finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    admits: Admits,
    stop: watch::Receiver<bool>,
) {
    let Admits { connections, proxies } = admits;
    let slots = Arc::new(Semaphore::new(connections as usize));
    let acceptor = tls.map(TlsAcceptor::from);
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let caller = Caller {
            peer,
            proxies: proxies.clone(),
        };
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        tokio::spawn(async move {
            connection(stream, caller, acceptor, router, stop).await;
            drop(slot);
        });
    }
    drop(listener);
    if timeout(LAST_REQUESTS, slots.acquire_many(connections)).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

/// Serves other roles of this machine on a Unix socket until `stop` changes; `admits` says who may come.
pub async fn serve_unix(
    listener: UnixListener,
    admits: impl Fn(&UnixStream) -> bool,
    router: Router,
    connections: u32,
    stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(connections as usize));
    let mut stopped = stop.clone();
    // For limits by address, as a proxy on this machine has it.
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => Some((stream, slot)),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(Duration::from_millis(50)).await;
                    None
                }
            }
        };
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = accepted => accepted,
        };
        let Some((stream, slot)) = accepted.filter(|(stream, _)| admits(stream)) else {
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            let caller = Caller {
                peer,
                proxies: TrustedProxies::default(),
            };
            http(Guarded::new(stream), caller, router, Instant::now(), stop).await;
            drop(slot);
        });
    }
    drop(listener);
    if timeout(LAST_REQUESTS, slots.acquire_many(connections)).await.is_err() {
        tracing::warn!("some connections of other roles did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // Out of file descriptors or memory: give others the time to give some back.
            tracing::warn!(%error, "a connection was not accepted");
            sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Who is at the other end, and who may say that it is for somebody else.
struct Caller {
    peer: SocketAddr,
    proxies: TrustedProxies,
}

async fn connection(
    stream: TcpStream,
    caller: Caller,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: watch::Receiver<bool>,
) {
    let begun = Instant::now();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let stream = Guarded::new(stream);
    match tls {
        None => http(stream, caller, router, begun, stop).await,
        Some(acceptor) => match timeout(FIRST_REQUEST, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, caller, router, begun, stop).await,
            Ok(Err(error)) => tracing::debug!(peer = %caller.peer, %error, "no TLS"),
            Err(_) => tracing::debug!(peer = %caller.peer, "no TLS in time"),
        },
    }
}

async fn http<S>(stream: S, caller: Caller, router: Router, begun: Instant, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Caller { peer, proxies } = caller;
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let (asked, inner) = (Arc::clone(&asked), TowerToHyperService::new(router));
        service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let client = proxies.client(peer.ip(), request.headers());
            request.extensions_mut().insert(Peer(client));
            inner.call(request)
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(32 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(128 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(128 * 1024);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let mut impatient = true;
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            done = serving.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(%peer, %error, "a connection broke");
                }
                return;
            }
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(begun + FIRST_REQUEST), if impatient => {
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!(%peer, "no request in time");
                    return;
                }
                impatient = false;
            }
        }
    }
}

/// A stream whose writes fail once the peer has taken nothing for [`STALLED`].
struct Guarded<S> {
    stream: S,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    fn new(stream: S) -> Self {
        Self { stream, stalled: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
