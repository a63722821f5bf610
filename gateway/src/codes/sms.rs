//! SMS by any gateway that speaks HTTP: one request by the admin's template, and a test of its answer. Neither number nor
//! code comes into a log or an error.

use super::secret::SecretFile;
use super::text::Template;
use crate::tls_client::{self, Authorities};
use crate::web::origin::Origin;
use anyhow::{Context as _, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Most bytes of a gateway's answer that are looked at.
const MAX_ANSWER: usize = 64 * 1024;
/// The places that a gateway's templates may have.
const PLACES: [&str; 4] = ["number", "text", "code", "secret"];

/// How the gateway knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// By a header or the body, if at all.
    None,
    /// By a bearer token.
    Bearer,
    /// By a user and a password.
    Basic(String),
}

/// How values are written into the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Inside JSON strings.
    Json,
    /// As `application/x-www-form-urlencoded`.
    Urlencoded,
    /// As they are.
    Plain,
}

impl Form {
    /// That of a content type, if it is one of them.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => Some(Self::Json),
            "application/x-www-form-urlencoded" => Some(Self::Urlencoded),
            "text/plain" => Some(Self::Plain),
            _ => None,
        }
    }

    fn escape(self, value: &str) -> String {
        match self {
            // A JSON string without its quotes.
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Urlencoded => encoded(value),
            Self::Plain => value.to_owned(),
        }
    }
}

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

/// One gateway, as the configuration describes it.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// For the log.
    pub name: String,
    url: Template,
    method: Method,
    headers: Vec<(HeaderName, Template)>,
    auth: Auth,
    /// Its token or password, if it has one.
    pub secret: Option<SecretFile>,
    form: Form,
    content_type: HeaderValue,
    body: Template,
    status: Vec<u16>,
    success: Option<regex::Regex>,
    /// Certificate authorities beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// The key that is wrong, and why.
type Wrong = (&'static str, &'static str);

impl Gateway {
    /// Checks one.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        name: String,
        url: String,
        method: Method,
        headers: Vec<(String, String)>,
        auth: Auth,
        secret: Option<SecretFile>,
        form: Form,
        (content_type, body): (String, String),
        (status, success): (Vec<u16>, Option<regex::Regex>),
        ca_file: Option<PathBuf>,
    ) -> Result<Self, Wrong> {
        let plain = url.starts_with("http://");
        if !plain && !url.starts_with("https://") {
            return Err(("url", "must begin with https://"));
        }
        let base = url.split(['?', '#']).next().unwrap_or_default();
        // A place in the host or path could send the code elsewhere.
        if base.contains('{') || url.contains('#') {
            return Err(("url", "may have places such as {number} in its query alone"));
        }
        let origin = reqwest::Url::parse(base)
            .ok()
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .and_then(|url| Origin::of_url(url.origin().ascii_serialization().as_str()));
        match origin {
            None => return Err(("url", "must be an address such as \"https://sms.example.org/send\"")),
            Some(origin) if plain && !origin.is_loopback() => {
                return Err((
                    "url",
                    "must begin with https:// (http:// is for 127.0.0.1 and [::1] alone)",
                ));
            }
            Some(_) => {}
        }
        let url = Template::lenient(&url);
        if url.has("secret") {
            return Err((
                "url",
                "must not hold {secret}: addresses stand in logs; write it into a header or the body",
            ));
        }
        let body = Template::lenient(&body);
        let mut read = Vec::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|_| ("headers", "has a name that is none"))?;
            let value = Template::lenient(&value);
            if ["number", "text", "code"].iter().any(|place| value.has(place)) {
                return Err(("headers", "may have {secret} as their only place"));
            }
            read.push((name, value));
        }
        let says = |place: &str| url.has(place) || body.has(place);
        if !says("number") || !(says("text") || says("code")) {
            return Err(("body", "or url must say {number}, and {text} or {code}"));
        }
        let wants_secret = body.has("secret") || read.iter().any(|(_, value)| value.has("secret"));
        if wants_secret && secret.is_none() {
            return Err(("secret_file", "is missing; a template says {secret}"));
        }
        if secret.is_some() && !wants_secret && auth == Auth::None {
            return Err((
                "auth",
                "uses the secret nowhere: write \"bearer\" or \"basic\", or {secret} into headers or body",
            ));
        }
        let content_type = HeaderValue::try_from(content_type).map_err(|_| ("content_type", "is none"))?;
        Ok(Self {
            name,
            url,
            method,
            headers: read,
            auth,
            secret,
            form,
            content_type,
            body,
            status,
            success,
            ca_file,
        })
    }

    /// Hands one message over.
    async fn send(&self, client: &Client, message: &Sms<'_>) -> anyhow::Result<()> {
        let secret = self.secret.as_ref().map(SecretFile::read).transpose()?;
        let secret = secret.unwrap_or_default();
        let values = [message.number, message.text, message.code, secret.as_str()];
        let values: Vec<(&str, &str)> = PLACES.into_iter().zip(values).collect();
        let url = self.url.fill(&values, encoded);
        let mut request = client.request(self.method.clone(), url.as_str());
        for (name, value) in &self.headers {
            let value = value.fill(&values, str::to_owned);
            let mut value = HeaderValue::from_str(&value).context("a header cannot hold the secret")?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        request = match &self.auth {
            Auth::None => request,
            Auth::Bearer => request.bearer_auth(secret.as_str()),
            Auth::Basic(user) => request.basic_auth(user, Some(secret.as_str())),
        };
        if self.method == Method::POST {
            let body = self.body.fill(&values, |value| self.form.escape(value));
            request = request
                .header(CONTENT_TYPE, self.content_type.clone())
                .body(body.as_str().to_owned());
        }
        // An error's URL may hold number and code.
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status().as_u16();
        let good = match self.status.as_slice() {
            [] => response.status().is_success(),
            list => list.contains(&status),
        };
        ensure!(good, "it answered with status {status}");
        if let Some(success) = &self.success {
            let answer = body(response).await?;
            ensure!(
                success.is_match(&answer),
                "its answer does not match success_body (status {status})"
            );
        }
        Ok(())
    }
}

async fn body(mut response: Response) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            bail!("its answer is longer than {MAX_ANSWER} bytes");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is to be sent.
pub struct Sms<'a> {
    /// To whom.
    pub number: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// The code in it.
    pub code: &'a str,
}

/// Every gateway, each with its client.
pub struct Gateways(Vec<(Gateway, Client)>);

impl Gateways {
    /// Makes the clients.
    pub fn new(gateways: &[Gateway]) -> anyhow::Result<Self> {
        let with_client = |gateway: &Gateway| Ok((gateway.clone(), client(gateway.ca_file.as_deref())?));
        gateways
            .iter()
            .map(with_client)
            .collect::<anyhow::Result<_>>()
            .map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands a message to the first gateway that takes it, all within `time`; its name.
    pub async fn send(&self, message: &Sms<'_>, time: Duration) -> Option<&str> {
        let ends = tokio::time::Instant::now() + time;
        for (at, (gateway, client)) in self.0.iter().enumerate() {
            // A silent one leaves the others their share.
            let left = ends.saturating_duration_since(tokio::time::Instant::now());
            let share = left / u32::try_from(self.0.len() - at).unwrap_or(1);
            match tokio::time::timeout(share, gateway.send(client, message)).await {
                Ok(Ok(())) => return Some(&gateway.name),
                Ok(Err(error)) => {
                    tracing::warn!(gateway = %gateway.name, "an SMS gateway did not take a message: {error:#}");
                }
                Err(_) => {
                    tracing::warn!(gateway = %gateway.name, after = ?share, "an SMS gateway did not answer in time");
                }
            }
        }
        None
    }
}

fn client(ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let tls = tls_client::config(&Authorities::System(ca_file), &[])?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        // A gateway that moves must be written down anew: a redirect could carry number and code elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .pool_max_idle_per_host(2)
        .build()
        .context("the HTTP client could not be built")
}

/// Reads the secrets once, so that one that is missing shows at the start.
pub fn check(gateways: &[Gateway]) -> anyhow::Result<()> {
    for gateway in gateways {
        if let Some(secret) = &gateway.secret {
            let read: anyhow::Result<Zeroizing<String>> = secret.read();
            read.with_context(|| format!("the secret of the SMS gateway {:?}", gateway.name))?;
        }
        client(gateway.ca_file.as_deref())?;
    }
    Ok(())
}
