//! Sends what the outbox holds: each message in a task of its own, so that one slow push service holds up no other, with a
//! deadline for each try and a bound on tries. The log names push services by their host; a whole endpoint never stands
//! there.

use super::endpoint::Services;
use super::outbox::{Job, Outbox, Why};
use super::resolver::{Checked, Lookup};
use super::sealed::Recipient;
use super::vapid::Vapid;
use crate::clock;
use crate::store::relay::KeptSubscription;
use crate::store::writer::Writer;
use crate::tls_client::{self, Authorities};
use anyhow::Context as _;
use assent_proto::sha256;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Proxy, Response, StatusCode, Url};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// Messages that are sent at once.
const AT_ONCE: usize = 256;
/// Messages that are being sent or wait for their next try.
const AT_MOST: usize = 4096;
/// One try.
const TRY: Duration = Duration::from_secs(8);
/// Tries of one message.
const TRIES: u32 = 5;
/// The pause after the first try, doubled with each; the service may ask for a longer one.
const PAUSE: Duration = Duration::from_millis(400);
/// Most bytes of an answer that are read; nothing in it matters, but read to its end the connection is used again.
const MAX_ANSWER: usize = 16 * 1024;
/// A browser that has not fetched within this what its service took is silent.
const RECEIPT: Duration = Duration::from_secs(5);

/// What the courier goes by.
pub struct Courier {
    client: Client,
    services: Services,
    vapid: Vapid,
    outbox: Arc<Outbox>,
    writer: Writer,
    tries: Semaphore,
}

/// What a push service said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// It has the message. Not: the browser has it.
    Taken,
    /// There is no such subscription any more.
    Lost,
    /// Try again, not before this.
    Later(Duration),
    /// No, and trying again changes nothing.
    Refused(StatusCode),
}

impl Courier {
    /// One that calls `services` alone.
    pub fn new(client: Client, services: Services, vapid: Vapid, outbox: Arc<Outbox>, writer: Writer) -> Self {
        Self {
            client,
            services,
            vapid,
            outbox,
            writer,
            tries: Semaphore::new(AT_ONCE),
        }
    }

    /// Sends until the outbox is gone.
    pub async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let courier = Arc::new(self);
        let kept = Arc::new(Semaphore::new(AT_MOST));
        while let Some(job) = jobs.recv().await {
            // Never closed.
            let Ok(place) = Arc::clone(&kept).acquire_owned().await else {
                return;
            };
            let courier = Arc::clone(&courier);
            tokio::spawn(async move {
                let taken = courier.deliver(&job).await;
                drop(place);
                if taken && job.why == Why::Asked {
                    courier.await_receipt(&job).await;
                }
            });
        }
    }

    /// Tries until the service has it, will never take it, or the time is over; whether it has it.
    async fn deliver(&self, job: &Job) -> bool {
        let Job { device, push, .. } = job;
        let endpoint = match self.services.endpoint(job.to.endpoint.as_str()) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                tracing::warn!(%device, %error, "a device is not rung at");
                return false;
            }
        };
        let service = &endpoint.audience;
        let mut pause = PAUSE;
        for tried in 1..=TRIES {
            if job.why == Why::Asked && !self.outbox.waits(*push, *device) {
                return false;
            }
            let left = job.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Held for the try alone: who waits for the next one keeps nobody from theirs.
            let Ok(trying) = self.tries.acquire().await else { break };
            let tried_once = tokio::time::timeout(TRY.min(left), self.once(job, &endpoint.url, service, left)).await;
            drop(trying);
            let said = match tried_once {
                Ok(Ok(said)) => said,
                Ok(Err(error)) => {
                    tracing::info!(%push, %device, service, tried, "a push service was not reached: {error:#}");
                    Said::Later(Duration::ZERO)
                }
                Err(_) => {
                    tracing::info!(%push, %device, service, tried, "a push service gave no answer in time");
                    Said::Later(Duration::ZERO)
                }
            };
            match said {
                Said::Taken => {
                    tracing::debug!(%push, %device, service, why = ?job.why, "rung");
                    return true;
                }
                Said::Lost => {
                    self.lose(job, service).await;
                    return false;
                }
                Said::Refused(status) => {
                    tracing::warn!(%push, %device, service, status = status.as_u16(), "a push service refuses messages");
                    return false;
                }
                Said::Later(asked) => {
                    let wait = pause.max(asked);
                    if wait >= left {
                        break;
                    }
                    tokio::time::sleep(wait).await;
                    pause *= 2;
                }
            }
        }
        tracing::warn!(%push, %device, service, "a message was given up; the request waits in the app");
        false
    }

    async fn once(&self, job: &Job, url: &Url, service: &str, left: Duration) -> anyhow::Result<Said> {
        let body = Recipient::of(&job.to).and_then(|recipient| recipient.ring(job.push))?;
        let vapid = self.vapid.header(service, clock::now()).context("no VAPID token")?;
        // A later message of the same topic takes the place of one that still waits at the service. It names neither the
        // push nor the device, so a service cannot tell that two devices are asked the same.
        let topic = sha256(&[b"assent/1 topic", &job.push.0, &job.device.0]).encode();
        let urgency = match job.why {
            Why::Asked => "high",
            Why::Over => "normal",
        };
        let response = self
            .client
            .post(url.clone())
            .header(AUTHORIZATION, vapid)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("ttl", left.as_secs().max(1))
            .header("urgency", urgency)
            .header("topic", topic.get(..32).unwrap_or_default())
            .body(body)
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        let said = said(&response);
        drain(response).await;
        Ok(said)
    }

    async fn lose(&self, job: &Job, service: &str) {
        let device = job.device;
        if !self.outbox.lost(device, &job.to) {
            return;
        }
        tracing::info!(%device, service, "a push service has ended a subscription; the app makes a new one when it is opened");
        if let Err(error) = self
            .writer
            .keep_subscription(device, Some(KeptSubscription::Lost))
            .await
        {
            tracing::error!(%error, %device, "the end of a subscription was not kept");
        }
    }

    async fn await_receipt(&self, job: &Job) {
        tokio::time::sleep(RECEIPT).await;
        let device = job.device;
        if let Some(silent) = self.outbox.unheard(job.push, device) {
            tracing::info!(%device, "a device does not fetch what its push service took");
            if let Err(error) = self.writer.keep_subscription(device, Some(silent)).await {
                tracing::error!(%error, %device, "that a device is silent was not kept");
            }
        }
    }
}

fn said(response: &Response) -> Said {
    let status = response.status();
    let asked = || {
        let seconds = response
            .headers()
            .get(RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some(Duration::from_secs(seconds))
    };
    match status {
        _ if status.is_success() => Said::Taken,
        StatusCode::NOT_FOUND | StatusCode::GONE => Said::Lost,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Said::Later(asked().unwrap_or_default()),
        _ if status.is_server_error() => Said::Later(asked().unwrap_or_default()),
        _ => Said::Refused(status),
    }
}

async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_ANSWER {
            return;
        }
    }
}

/// The HTTP client: no redirect, nothing from the environment, and no address that was not looked at.
pub fn client(
    services: &Services,
    proxy: Option<&str>,
    ca_file: Option<&Path>,
    lookup: Lookup,
) -> anyhow::Result<Client> {
    let tls = tls_client::config(&Authorities::System(ca_file), &["h2", "http/1.1"])?;
    let of_site = services.own.iter().map(ToString::to_string);
    let own: HashSet<String> = of_site
        .chain(proxy.map(str::to_owned))
        .filter_map(|origin| Url::parse(&origin).ok()?.domain().map(str::to_owned))
        .collect();
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(4))
        .pool_max_idle_per_host(8)
        .dns_resolver(Checked::new(own, lookup));
    let builder = match proxy {
        Some(proxy) => builder.proxy(Proxy::all(proxy).context("the proxy cannot be used")?),
        None => builder,
    };
    builder.build().context("the HTTP client could not be built")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::web::origin::Origin;
    use futures_util::FutureExt as _;
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Always the same answer, counted.
    fn answers(address: &str) -> (Lookup, Arc<AtomicUsize>) {
        let (address, asked): (IpAddr, _) = (address.parse().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let lookup: Lookup = Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(vec![address]) }.boxed()
        });
        (lookup, asked)
    }

    #[tokio::test]
    async fn r74_a_name_that_leads_inside_is_not_dialled_and_what_was_looked_at_is_what_is_dialled() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("http://push.example.org:{port}/");
        let own = |origins: &[&str]| Services {
            own: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
            listed: Vec::new(),
        };
        let call = |client: Client| async move {
            let called = client.get(&url).timeout(Duration::from_secs(1)).send().await;
            format!("{:#}", anyhow::Error::new(called.unwrap_err()))
        };
        let (lookup, asked) = answers("127.0.0.1");
        let refused = call(client(&own(&[]), None, None, lookup).unwrap()).await;
        assert!(refused.contains("R74"), "{refused}");
        assert!(listener.accept().is_err(), "it was dialled");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // The same, where the admin says that it is the site's own: one look-up, and that address is dialled.
        let (lookup, asked) = answers("127.0.0.1");
        let url = format!("http://push.example.org:{port}/");
        let client = client(&own(&[&url[..url.len() - 1]]), None, None, lookup).unwrap();
        let call = client.get(&url).timeout(Duration::from_millis(300)).send().await;
        assert!(call.unwrap_err().is_timeout());
        assert!(listener.accept().is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
