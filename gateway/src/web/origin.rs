//! Origins (RFC 6454): where a role lives, and which role a request is for.

use std::fmt;

/// A scheme, a host in lower-case ASCII and a port that is written only where it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    /// `host` or `host:port`, as browsers write it.
    authority: String,
}

impl Origin {
    /// A URL that is nothing but an origin.
    pub fn parse(url: &str) -> Option<Self> {
        let origin = Self::of_url(url)?;
        let rest = url.split_once("://")?.1;
        (!rest.contains('/')).then_some(origin)
    }

    /// The origin that a URL begins with.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split('/').next()?.to_ascii_lowercase();
        let (host, port) = split(&authority)?;
        let authority = match port {
            Some(port) if port != default_port(https) => format!("{host}:{port}"),
            Some(_) | None => host.to_owned(),
        };
        Some(Self { https, authority })
    }

    /// Whether it is reached by HTTPS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether its host is this very machine: plain HTTP crosses no network then.
    pub fn is_loopback(&self) -> bool {
        let host = split(&self.authority).map_or("", |(host, _)| host);
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether a request with this `Host` (or HTTP/2 authority) is for it.
    pub fn is_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match split(&host) {
            Some((name, Some(port))) if port == default_port(self.https) => name == self.authority,
            Some(_) => host == self.authority,
            None => false,
        }
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// Host and port; `None` where there is no host that a URL can have.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            let (host, rest) = authority.split_at(end);
            host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || !(host.starts_with('[') || host.chars().all(fit)) {
        return None;
    }
    match port {
        "" => Some((host, None)).filter(|_| !authority.ends_with(':')),
        port => port.parse().ok().map(|port| (host, Some(port))),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (url, origin) in [
            ("https://App.Example.org", "https://app.example.org"),
            ("https://app.example.org:443", "https://app.example.org"),
            ("https://app.example.org:8443", "https://app.example.org:8443"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8443", "http://[::1]:8443"),
        ] {
            assert_eq!(Origin::parse(url).unwrap().to_string(), origin);
        }
        assert_eq!(
            Origin::of_url("https://x.example:1/a/b").unwrap().to_string(),
            "https://x.example:1"
        );
        for bad in [
            "",
            "https://",
            "ftp://x",
            "https://x/",
            "https://x/y",
            "https://a@b",
            "https://x:",
            "https://x:99999",
            "https://[::1",
            "https://[::1]x",
            "https://ü.example",
            "https://a;b",
        ] {
            assert_eq!(Origin::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_host_header_names_an_origin_with_or_without_the_schemes_own_port() {
        let https = Origin::parse("https://app.example.org").unwrap();
        for host in ["app.example.org", "APP.example.ORG", "app.example.org:443"] {
            assert!(https.is_host(host), "{host}");
        }
        for host in [
            "",
            "app.example.org:80",
            "app.example.org.",
            "x.app.example.org",
            "app.example.org:",
            "example.org",
        ] {
            assert!(!https.is_host(host), "{host}");
        }
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://192.0.2.1", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(Origin::parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
        let other = Origin::parse("http://[::1]:8443").unwrap();
        assert!(other.is_host("[::1]:8443") && !other.is_host("[::1]"));
    }
}
