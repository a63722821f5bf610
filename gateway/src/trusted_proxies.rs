//! Who a request comes from where a proxy of the site's own stands in front: the address that the nearest trusted proxy saw.
//! Limits go by it, and so do the log and notices. What anybody else writes into the header counts for nothing.

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies one behind the other; more are nobody's.
const MOST: usize = 16;

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// These addresses and networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }

    /// An address, or a network in CIDR notation.
    pub fn network(text: &str) -> Option<IpNet> {
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(alone)
    }

    /// The address to go by for a request that came from `peer`. Each proxy adds what it saw at the end of the header, so it
    /// is read from there, as far as those who wrote it are trusted.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut seen = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        for hop in hops.take(MOST) {
            if !self.trusts(seen) {
                break;
            }
            match address(hop.trim()) {
                Some(address) => seen = address.to_canonical(),
                None => {
                    tracing::debug!(%seen, "a trusted proxy's X-Forwarded-For names no address");
                    break;
                }
            }
        }
        seen
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, as some write it with its port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"];
        let proxies = TrustedProxies::new(
            trusted
                .iter()
                .filter_map(|text| TrustedProxies::network(text))
                .collect(),
        );
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn r77_the_header_counts_as_far_as_those_who_wrote_it_are_trusted() {
        for (peer, lines, expected) in [
            ("127.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            // Two proxies, one behind the other.
            ("127.0.0.1", &["192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            ("127.0.0.1", &["192.0.2.1", "10.1.2.3"], "192.0.2.1"),
            ("::ffff:127.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            // What the client wrote itself stands further left.
            ("127.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["10.9.9.9, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            // Everybody is trusted: the outermost.
            ("127.0.0.1", &["10.1.2.3"], "10.1.2.3"),
            // Nobody is.
            ("192.0.2.7", &["203.0.113.9"], "192.0.2.7"),
            // What is no address ends it at the last who was known.
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1, unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1,"], "127.0.0.1"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
        let long = format!("192.0.2.1, {}", ["10.0.0.1"; 40].join(", "));
        assert_eq!(client("127.0.0.1", &[&long]), "10.0.0.1");
    }

    #[test]
    fn without_a_list_the_header_counts_for_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, "192.0.2.1".parse().unwrap());
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(TrustedProxies::default().client(peer, &headers), peer);
    }
}
