//! Where a server is.

use crate::config::profile::{LdapSecurity, LdapServer};
use std::fmt;

/// A server's address, read from its URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: LdapSecurity,
}

impl Target {
    /// Reads `ldaps://host[:port]` or `ldap://host[:port]`. The scheme must fit the protection (R64).
    pub fn new(server: &LdapServer) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{}: {what}", assent_proto::text::visible(&server.uri)));
        let Some((scheme, rest)) = server.uri.split_once("://") else {
            return wrong("no LDAP URI");
        };
        let port = match (scheme.to_ascii_lowercase().as_str(), server.security) {
            ("ldaps", LdapSecurity::Ldaps) => 636,
            ("ldap", LdapSecurity::StartTls | LdapSecurity::PlainLoopback) => 389,
            _ => return wrong("the scheme does not fit the protection"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => match v6.split_once(']') {
                Some((host, "")) => (host, Some(port)),
                Some((host, after)) => (host, after.strip_prefix(':').and_then(|p| p.parse().ok())),
                None => return wrong("a bracket is open"),
            },
            None => match rest.split_once(':') {
                Some((host, port)) => (host, port.parse().ok()),
                None => (rest, Some(port)),
            },
        };
        let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@');
        match port {
            Some(port) if port != 0 && !host.is_empty() && !host.contains(odd) => Ok(Self {
                host: host.to_owned(),
                port,
                security: server.security,
            }),
            Some(_) => wrong("no host name"),
            None => wrong("no port number"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            LdapSecurity::Ldaps => "ldaps",
            LdapSecurity::StartTls | LdapSecurity::PlainLoopback => "ldap",
        };
        let host = assent_proto::text::visible(&self.host);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{}", self.port)
        } else {
            write!(f, "{scheme}://{host}:{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str, security: LdapSecurity) -> Result<(String, u16), String> {
        let server = LdapServer {
            uri: uri.to_owned(),
            security,
        };
        Target::new(&server).map(|target| (target.host, target.port))
    }

    #[test]
    fn r64_uris_are_read_and_their_scheme_must_fit_the_protection() {
        use LdapSecurity::{Ldaps, PlainLoopback, StartTls};
        for (uri, security, host, port) in [
            ("ldaps://ldap1.example.org", Ldaps, "ldap1.example.org", 636),
            ("LDAPS://ldap1.example.org/", Ldaps, "ldap1.example.org", 636),
            ("ldap://ldap1.example.org", StartTls, "ldap1.example.org", 389),
            ("ldap://127.0.0.1:3389", PlainLoopback, "127.0.0.1", 3389),
            ("ldaps://[2001:db8::1]:1636", Ldaps, "2001:db8::1", 1636),
            ("ldaps://[::1]", Ldaps, "::1", 636),
        ] {
            assert_eq!(read(uri, security), Ok((host.to_owned(), port)), "{uri}");
        }
        for (uri, security) in [
            ("ldap://ldap1.example.org", Ldaps),
            ("ldaps://ldap1.example.org", StartTls),
            ("ldaps://ldap1.example.org", PlainLoopback),
            ("ldapi:///run/slapd", PlainLoopback),
            ("ldap1.example.org", Ldaps),
            ("ldaps://", Ldaps),
            ("ldaps://x:", Ldaps),
            ("ldaps://x:0", Ldaps),
            ("ldaps://x:99999", Ldaps),
            ("ldaps://a@x", Ldaps),
            ("ldaps://x/dc=lab", Ldaps),
            ("ldaps://[::1", Ldaps),
            ("ldaps://[::1]x", Ldaps),
        ] {
            assert!(read(uri, security).is_err(), "{uri}");
        }
    }
}
