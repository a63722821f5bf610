//! The configuration: what the file says ([`toml::Table`]) → what the gateway runs on ([`Config`]), checked whole,
//! every problem at once, each with its key and what to do.

use assent_proto::text::visible;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the configuration is by default.
pub const DEFAULT_FILE: &str = "/etc/assent/gateway.toml";

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What hosts and devices call this relay; claims are made out to it.
    pub public_url: String,
    /// Certificate chain and key; without them, plain HTTP on loopback.
    pub tls: Option<TlsFiles>,
    /// Where everything is kept.
    pub state_dir: PathBuf,
    /// Where admins ask.
    pub admin_socket: PathBuf,
    /// Lives of certificates.
    pub registrar: Lives,
    /// Limits.
    pub limits: Limits,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Days that certificates live.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    /// A host's.
    pub host_days: u32,
    /// A device's.
    pub device_days: u32,
}

/// How much is too much. Rates are per second, for ever; four seconds' worth may come at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections; more wait.
    pub connections: u32,
    /// Calls of one host (pushes, withdrawals, streams).
    pub calls_per_host: u32,
    /// Calls of one device (answers, streams).
    pub calls_per_device: u32,
    /// Calls from one address without a claim or with a wrong one (enrolment, join).
    pub calls_per_address: u32,
    /// Pushes of one host that wait for one device's answer.
    pub waiting_per_host_and_device: u32,
}

/// Why a configuration is refused: all of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems {
    /// Which file.
    pub file: PathBuf,
    /// One line each.
    pub lines: Vec<String>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used:", self.file.display())?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let one = |line: String| Problems {
            file: file.to_owned(),
            lines: vec![line],
        };
        let text = std::fs::read_to_string(file).map_err(|error| one(format!("it cannot be read: {error}")))?;
        Self::parse(&text).map_err(|lines| Problems {
            file: file.to_owned(),
            lines,
        })
    }

    /// Checks a configuration's text.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![syntax(text, &error)])?;
        let mut root = Section::new("", table);
        let mut registrar = root.section("registrar");
        let mut limits = root.section("limits");
        let listen = root.text("listen", "127.0.0.1:8443");
        let listen = root.parsed::<SocketAddr>(
            "listen",
            &listen,
            "write an address and a port, such as \"127.0.0.1:8443\"",
        );
        let public_url = root.required(
            "public_url",
            "write what hosts and devices call this relay, such as \"https://push.example.org\"",
        );
        let tls = root.tls();
        let state_dir = root.path("state_dir", "/var/lib/assent-gateway");
        let admin_socket = root.path("admin_socket", "/run/assent-gateway/admin.sock");
        let lives = Lives {
            host_days: registrar.number("host_days", 365, 1..=3650),
            device_days: registrar.number("device_days", 90, 1..=3650),
        };
        let limits_read = Limits {
            connections: limits.number("connections", 25_000, 16..=1_000_000),
            calls_per_host: limits.number("calls_per_host", 1000, 1..=1_000_000),
            calls_per_device: limits.number("calls_per_device", 100, 1..=1_000_000),
            calls_per_address: limits.number("calls_per_address", 50, 1..=1_000_000),
            waiting_per_host_and_device: limits.number("waiting_per_host_and_device", 256, 1..=100_000),
        };
        let loopback = listen.is_some_and(|listen| listen.ip().is_loopback());
        if let Some(listen) = listen
            && tls.is_none()
            && !loopback
            && !root.has_tls_keys
        {
            root.problem("listen", &format!(
                "{listen} is not a loopback address and there is no TLS: give tls_certificate and tls_key, or listen on 127.0.0.1 behind a proxy that ends TLS"
            ));
        }
        if let Some(url) = &public_url {
            root.check_url(url, loopback && tls.is_none());
        }
        let mut lines = root.finish();
        lines.extend(registrar.finish());
        lines.extend(limits.finish());
        match (listen, public_url) {
            (Some(listen), Some(public_url)) if lines.is_empty() => Ok(Self {
                listen,
                public_url,
                tls,
                state_dir,
                admin_socket,
                registrar: lives,
                limits: limits_read,
            }),
            _ => Err(lines),
        }
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}", visible(error.message()))
}

/// A table of the file; keys are taken out of it, and what is left is unknown.
struct Section {
    name: &'static str,
    table: toml::Table,
    problems: Vec<String>,
    known: Vec<&'static str>,
    has_tls_keys: bool,
}

impl Section {
    fn new(name: &'static str, table: toml::Table) -> Self {
        Self {
            name,
            has_tls_keys: table.contains_key("tls_certificate") || table.contains_key("tls_key"),
            table,
            problems: Vec::new(),
            known: Vec::new(),
        }
    }

    fn problem(&mut self, key: &str, text: &str) {
        let dot = if self.name.is_empty() { "" } else { "." };
        self.problems
            .push(format!("{}{dot}{}: {text}", self.name, visible(key)));
    }

    fn take(&mut self, key: &'static str) -> Option<toml::Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn section(&mut self, key: &'static str) -> Self {
        let table = match self.take(key) {
            None => toml::Table::new(),
            Some(toml::Value::Table(table)) => table,
            Some(_) => {
                self.problem(key, &format!("must be a table; write [{key}] on a line of its own"));
                toml::Table::new()
            }
        };
        Self::new(key, table)
    }

    fn optional(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            toml::Value::String(text) => Some(text),
            other => {
                self.problem(key, &format!("must be text in quotes, not {}", other.type_str()));
                None
            }
        }
    }

    fn required(&mut self, key: &'static str, mend: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.problem(key, &format!("is missing; {mend}"));
        }
        self.optional(key)
    }

    fn text(&mut self, key: &'static str, default: &str) -> String {
        self.optional(key).unwrap_or_else(|| default.to_owned())
    }

    fn parsed<T: std::str::FromStr>(&mut self, key: &str, text: &str, mend: &str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(key, &format!("\"{}\" is not understood; {mend}", visible(text)));
        }
        parsed
    }

    fn path(&mut self, key: &'static str, default: &str) -> PathBuf {
        let path = PathBuf::from(self.text(key, default));
        self.absolute(key, path)
    }

    fn absolute(&mut self, key: &str, path: PathBuf) -> PathBuf {
        if !path.is_absolute() {
            self.problem(key, "must be a path that begins with /");
        }
        path
    }

    fn number(&mut self, key: &'static str, default: u32, range: std::ops::RangeInclusive<u32>) -> u32 {
        let Some(value) = self.take(key) else {
            return default;
        };
        let number = value
            .as_integer()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(
                key,
                &format!("must be a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number.unwrap_or(default)
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.optional("tls_certificate"), self.optional("tls_key")) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate: self.absolute("tls_certificate", certificate.into()),
                key: self.absolute("tls_key", key.into()),
            }),
            (Some(_), None) => {
                self.problem("tls_key", "is missing; tls_certificate needs it");
                None
            }
            (None, Some(_)) => {
                self.problem("tls_certificate", "is missing; tls_key needs it");
                None
            }
            (None, None) => None,
        }
    }

    fn check_url(&mut self, url: &str, plain_allowed: bool) {
        let rest = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => rest,
            (None, Some(rest)) if plain_allowed => rest,
            (None, Some(_)) => {
                return self.problem(
                    "public_url",
                    "must begin with https:// (http:// only for a plain loopback listener)",
                );
            }
            (None, None) => return self.problem("public_url", "must begin with https://"),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\');
        if rest.is_empty() || rest.starts_with('/') || rest.ends_with('/') || rest.contains(odd) {
            self.problem("public_url", "must be a host, a port if needed and a path if needed, without a slash at the end, such as \"https://push.example.org\"");
        }
    }

    fn finish(mut self) -> Vec<String> {
        let left: Vec<String> = self.table.keys().cloned().collect();
        for key in left {
            let known = self.known.join(", ");
            self.problem(&key, &format!("is not known here; known are: {known}"));
        }
        self.problems
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_small_configuration_has_safe_defaults() {
        let config = Config::parse("public_url = \"https://push.example.org\"").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!((config.registrar.host_days, config.registrar.device_days), (365, 90));
        assert_eq!(config.state_dir, Path::new("/var/lib/assent-gateway"));
    }

    #[test]
    fn every_problem_is_named_at_once_with_its_key() {
        let lines = Config::parse(
            "listen = \"nowhere\"\ntls_key = \"/k\"\nstate_dir = \"here\"\nlissten = 1\n[registrar]\nhost_days = 0\nx = 1\n[limits]\nconnections = \"many\"",
        )
        .unwrap_err();
        for key in [
            "listen",
            "public_url",
            "tls_certificate",
            "state_dir",
            "lissten",
            "registrar.host_days",
            "registrar.x",
            "limits.connections",
        ] {
            assert!(
                lines.iter().any(|line| line.starts_with(&format!("{key}: "))),
                "{key} in {lines:#?}"
            );
        }
        assert_eq!(lines.len(), 8, "{lines:#?}");
    }

    #[test]
    fn plain_http_is_refused_outside_loopback() {
        let url = "public_url = \"https://push.example.org\"\n";
        assert!(Config::parse(&format!("{url}listen = \"0.0.0.0:443\"")).is_err());
        assert!(Config::parse(&format!("{url}listen = \"[::1]:443\"")).is_ok());
        let tls = "tls_certificate = \"/c\"\ntls_key = \"/k\"\n";
        assert!(Config::parse(&format!("{url}{tls}listen = \"0.0.0.0:443\"")).is_ok());
    }

    #[test]
    fn the_public_url_is_a_bare_https_origin() {
        let listens = |url: &str| Config::parse(&format!("public_url = {url:?}\nlisten = \"127.0.0.1:0\"")).is_ok();
        for good in [
            "https://push.example.org",
            "https://push.example.org:8443/assent",
            "http://127.0.0.1:1",
        ] {
            assert!(listens(good), "{good}");
        }
        for bad in [
            "",
            "ftp://x",
            "https://",
            "https://x/",
            "https://a@b",
            "https://x?y",
            "https://x y",
        ] {
            assert!(!listens(bad), "{bad}");
        }
        assert!(Config::parse("public_url = \"http://x\"\ntls_certificate = \"/c\"\ntls_key = \"/k\"").is_err());
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let lines = Config::parse("listen = \"127.0.0.1:1\"\npublic_url = \n").unwrap_err();
        assert!(lines[0].starts_with("line 2: "), "{lines:?}");
    }
}
