//! The configuration: what the file says ([`toml::Table`]) → what the gateway runs on ([`Config`]), checked whole,
//! every problem at once, each with its key and what to do.

mod codes;
mod link;
mod roles;
mod section;
mod set;
mod web_push;

pub use codes::{Codes, SendLimits};
pub use link::Link;
pub use roles::{App, Hook, Panel};
pub use set::{Role, RoleSet};
pub use web_push::WebPush;

use crate::trusted_proxies::TrustedProxies;
use assent_proto::text::visible;
use section::Section;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the configuration is by default.
pub const DEFAULT_FILE: &str = "/etc/assent/gateway.toml";

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What this process does.
    pub roles: RoleSet,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What hosts and devices call this relay; claims are made out to it.
    pub public_url: String,
    /// Whose word counts on whom a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Certificate chain and key; without them, plain HTTP on loopback.
    pub tls: Option<TlsFiles>,
    /// Where everything is kept.
    pub state_dir: PathBuf,
    /// Where admins ask.
    pub admin_socket: PathBuf,
    /// The authenticator's pages.
    pub app: App,
    /// The Register Panel.
    pub panel: Panel,
    /// Who is told of changes.
    pub notify: Option<Hook>,
    /// Lives of certificates.
    pub registrar: Lives,
    /// Limits.
    pub limits: Limits,
    /// How it finds roles that run apart.
    pub link: Link,
    /// The code service.
    pub codes: Codes,
    /// Web Push.
    pub web_push: WebPush,
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
    /// Pushes of one host that ended within the last ten minutes without one device's answer.
    pub unanswered_per_host_and_device: u32,
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
        Self::parse_file(file, &text).map_err(|lines| Problems {
            file: file.to_owned(),
            lines,
        })
    }

    /// Checks a configuration's text.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        Self::parse_file(Path::new(DEFAULT_FILE), text)
    }

    fn parse_file(file: &Path, text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![syntax(text, &error)])?;
        let mut root = Section::new("", table);
        let roles = RoleSet::read(&mut root);
        let has = |wanted: &[Role]| roles.has_any(wanted);
        let keeps = has(&[Role::Relay, Role::Registrar, Role::Codes]);
        let pages = has(&[Role::Relay, Role::Panel]);
        let mut registrar = root.section_if(roles.has(Role::Registrar), "registrar");
        let mut limits = root.section_if(roles.listens(), "limits");
        let listen = root.text_if(roles.listens(), "listen", "127.0.0.1:8443");
        let listen = root.parsed::<SocketAddr>(
            "listen",
            &listen,
            "write an address and a port, such as \"127.0.0.1:8443\"",
        );
        let public_url = root.required(
            "public_url",
            "write what hosts and devices call this relay, such as \"https://push.example.org\"",
        );
        let tls = if roles.listens() { root.tls() } else { None };
        let trusted_proxies = trusted_proxies(&mut root, roles.listens());
        let place = roles.place();
        let state_dir = root.path_if(keeps, "state_dir", &format!("/var/lib/{place}"));
        let admin_socket = root.path_if(keeps, "admin_socket", &format!("/run/{place}/admin.sock"));
        let lives = Lives {
            host_days: registrar.number("host_days", 365, 1..=3650),
            device_days: registrar.number("device_days", 90, 1..=3650),
        };
        let limits_read = Limits {
            connections: limits.number("connections", 25_000, 16..=1_000_000),
            calls_per_host: limits.number_if(roles.has(Role::Relay), "calls_per_host", 1000, 1..=1_000_000),
            calls_per_device: limits.number_if(roles.has(Role::Relay), "calls_per_device", 100, 1..=1_000_000),
            calls_per_address: limits.number_if(pages, "calls_per_address", 50, 1..=1_000_000),
            waiting_per_host_and_device: limits.number_if(
                roles.has(Role::Relay),
                "waiting_per_host_and_device",
                256,
                1..=100_000,
            ),
            unanswered_per_host_and_device: limits.number_if(
                roles.has(Role::Relay),
                "unanswered_per_host_and_device",
                300,
                1..=100_000,
            ),
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
            root.check_url("public_url", url, loopback && tls.is_none(), false);
        }
        let (link, link_lines) = link::read(&mut root, &roles);
        let unit = format!("{place}.service");
        let (codes, codes_lines) = codes::read(&mut root, roles.has(Role::Codes), &unit);
        let (web_push, web_push_lines) = web_push::read(&mut root, roles.has(Role::Relay), public_url.as_deref());
        let plain = loopback && tls.is_none();
        let met = roles::read(&mut root, &roles, file, text, public_url.as_deref(), plain);
        let (met, mut lines) = match met {
            Ok(met) => (Some(met), Vec::new()),
            Err(lines) => (None, lines),
        };
        lines.extend(link_lines);
        lines.extend(codes_lines);
        lines.extend(web_push_lines);
        lines.extend(root.finish());
        lines.extend(registrar.finish());
        lines.extend(limits.finish());
        match (listen, public_url, met) {
            (Some(listen), Some(public_url), Some(met)) if lines.is_empty() => Ok(Self {
                listen,
                public_url,
                trusted_proxies,
                tls,
                state_dir,
                admin_socket,
                app: met.app,
                panel: met.panel,
                notify: met.notify,
                registrar: lives,
                limits: limits_read,
                link,
                codes,
                web_push,
                roles,
            }),
            _ => Err(lines),
        }
    }
}

fn trusted_proxies(root: &mut Section, listens: bool) -> TrustedProxies {
    const KEY: &str = "trusted_proxies";
    let texts = match listens {
        true => root.texts(KEY),
        false => Vec::new(),
    };
    let mut networks = Vec::new();
    for text in texts {
        match TrustedProxies::network(&text) {
            Some(all) if all.prefix_len() == 0 => {
                root.problem(
                    KEY,
                    &format!("{text} is everybody: anyone could name any address as their own"),
                );
            }
            Some(network) => networks.push(network),
            None => root.problem(
                KEY,
                &format!("{text:?} is no address or network, such as \"127.0.0.1\" or \"10.1.0.0/24\""),
            ),
        }
    }
    TrustedProxies::new(networks)
}

fn syntax(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}", visible(error.message()))
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
    fn r77_proxies_are_named_one_by_one_and_never_everybody() {
        let url = "public_url = \"https://push.example.org\"\n";
        let reads = |list: &str| Config::parse(&format!("{url}trusted_proxies = {list}"));
        for good in ["[]", "[\"127.0.0.1\"]", "[\"10.1.0.0/24\", \"fd00::1\"]"] {
            assert!(reads(good).is_ok(), "{good}");
        }
        for bad in ["[\"proxy\"]", "[\"0.0.0.0/0\"]", "[\"::/0\"]", "[1]", "\"127.0.0.1\""] {
            assert!(reads(bad).unwrap_err()[0].starts_with("trusted_proxies: "), "{bad}");
        }
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

    /// Every key that a file may have, by the table that it is in: a parser names them when it meets another.
    fn known() -> std::collections::BTreeSet<(String, String)> {
        let mut tables = String::from("zzz = 1\npublic_url = \"https://push.example.org\"\n");
        for table in [
            "app",
            "panel",
            "link",
            "notify",
            "registrar",
            "limits",
            "codes",
            "codes.text_en",
        ] {
            tables.extend(["[", table, "]\nzzz = 1\n"]);
        }
        for table in ["codes.sms", "codes.mail"] {
            tables.extend(["[[", table, "]]\nzzz = 1\n"]);
        }
        let mut known = std::collections::BTreeSet::new();
        for roles in ["relay", "app", "panel", "registrar", "codes", "all"] {
            let lines = Config::parse(&format!("roles = [{roles:?}]\n{tables}")).unwrap_err();
            for line in lines {
                let Some((place, keys)) = line.split_once(": is not known here; known are: ") else {
                    continue;
                };
                let table = place.trim_end_matches("zzz").trim_end_matches('.');
                if place.ends_with("zzz") {
                    known.extend(keys.split(", ").map(|key| (table.to_owned(), key.to_owned())));
                }
            }
        }
        known
    }

    #[test]
    fn the_manual_knows_every_key() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |page: &str| std::fs::read_to_string(root.join(page)).unwrap();
        let (man, reference) = (read("packaging/man/gateway.toml.5"), read("docs/reference/gateway.md"));
        let words: Vec<&str> = man.split_whitespace().collect();
        let known = known();
        assert!(
            known.len() > 60 && known.contains(&("codes.sms".into(), "success_body".into())),
            "{known:?}"
        );
        for (table, key) in &known {
            // The agent's tables and those named beside them have pages of their own.
            if table.is_empty()
                && [
                    "app",
                    "panel",
                    "link",
                    "notify",
                    "registrar",
                    "limits",
                    "codes",
                    "web_push",
                    "auth_profile",
                ]
                .contains(&key.as_str())
            {
                let heads = [format!("[{key}]"), format!("[{key}],"), format!("[[{key}]]")];
                assert!(
                    words.iter().any(|word| heads.contains(&(*word).to_owned())),
                    "man: [{key}]"
                );
                continue;
            }
            assert!(
                words.contains(&key.as_str()),
                "gateway.toml.5 has nothing of {table}.{key}"
            );
            let written = [
                format!("`{key}`"),
                format!("`{table}.{key}`"),
                format!("[[{table}.{key}]]"),
            ];
            assert!(
                written.iter().any(|text| reference.contains(text)),
                "docs/reference/gateway.md has nothing of {table}.{key}"
            );
        }
    }
}
