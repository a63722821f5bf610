//! Mail by SMTP with TLS from the first byte or by STARTTLS, which is then demanded. Neither address nor code comes into a
//! log or an error.

use super::secret::SecretFile;
use anyhow::Context as _;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls as LettreTls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use std::path::PathBuf;
use std::time::Duration;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte.
    Wrapped,
    /// By STARTTLS, or not at all.
    StartTls,
    /// Not: for a server on this machine.
    None,
}

impl Tls {
    /// Where servers listen for it.
    pub fn default_port(self) -> u32 {
        match self {
            Self::Wrapped => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// One mail server, as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Who we are there, and the password.
    pub login: Option<(String, SecretFile)>,
    /// The sender.
    pub from: Mailbox,
    /// Certificate authorities beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// What is to be sent.
pub struct Mail<'a> {
    /// To whom.
    pub to: &'a Address,
    /// Its subject.
    pub subject: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl MailServer {
    fn transport(&self, time: Duration) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
        let parameters = || -> anyhow::Result<TlsParameters> {
            let mut builder = TlsParameters::builder(self.host.clone()).certificate_store(CertificateStore::Default);
            for one in crate::tls_client::of_file(self.ca_file.as_deref())? {
                let one = Certificate::from_der(one.as_ref().to_vec()).context("an authority cannot be used")?;
                builder = builder.add_root_certificate(one);
            }
            builder.build_rustls().context("TLS cannot be set up")
        };
        let tls = match self.tls {
            Tls::Wrapped => LettreTls::Wrapper(parameters()?),
            Tls::StartTls => LettreTls::Required(parameters()?),
            Tls::None => LettreTls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host.clone())
            .port(self.port)
            .tls(tls)
            .timeout(Some(time));
        if let Some((user, password)) = &self.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.read()?.as_str().to_owned()));
        }
        Ok(builder.build())
    }

    async fn send(&self, mail: &Mail<'_>, time: Duration) -> anyhow::Result<()> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.clone()))
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .body(mail.text.to_owned())
            .context("the message could not be made")?;
        let sent = self.transport(time)?.send(message).await;
        // The server's words may repeat the address.
        sent.map(drop).map_err(|error| match error.status() {
            Some(status) => anyhow::anyhow!("it refused with status {status}"),
            None if error.is_tls() => anyhow::anyhow!("TLS failed: is its certificate good for {}?", self.host),
            None if error.is_timeout() => anyhow::anyhow!("it did not answer in time"),
            None if error.is_client() => anyhow::anyhow!("it does not offer what is demanded (STARTTLS, AUTH)"),
            None => anyhow::anyhow!("it cannot be reached, or the connection broke"),
        })
    }
}

/// Hands a mail to the first server that takes it, all within `time`; its name.
pub async fn send<'a>(servers: &'a [MailServer], mail: &Mail<'_>, time: Duration) -> Option<&'a str> {
    let ends = tokio::time::Instant::now() + time;
    for (at, server) in servers.iter().enumerate() {
        let left = ends.saturating_duration_since(tokio::time::Instant::now());
        let share = left / u32::try_from(servers.len() - at).unwrap_or(1);
        match tokio::time::timeout(share, server.send(mail, share)).await {
            Ok(Ok(())) => return Some(&server.host),
            Ok(Err(error)) => {
                tracing::warn!(server = %server.host, port = server.port, "a mail server did not take a message: {error:#}");
            }
            Err(_) => {
                tracing::warn!(server = %server.host, port = server.port, after = ?share, "a mail server did not answer in time");
            }
        }
    }
    None
}

/// An address to which mail may go.
pub fn address(written: &str) -> Option<Address> {
    written.trim().parse().ok()
}

/// As much of an address as its owner needs to know it again.
pub fn hint(address: &Address) -> String {
    let first = address.user().chars().next().map(String::from).unwrap_or_default();
    format!("{first}…@{}", address.domain())
}

/// Reads passwords and authorities once, so that one that is missing shows at the start.
pub fn check(servers: &[MailServer]) -> anyhow::Result<()> {
    for server in servers {
        let made = server.transport(Duration::from_secs(1));
        made.with_context(|| format!("the mail server {}", server.host))?;
    }
    Ok(())
}
