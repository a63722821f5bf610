//! Which URLs a subscription may name (R74): HTTPS on port 443 at a push service that is listed, or an own one as the
//! admin has written it down. A device names its endpoint itself, so whoever has a device could otherwise have the relay
//! call anything.

use crate::web::origin::Origin;
use reqwest::Url;

/// The push services of the browsers that there are.
pub const KNOWN: [&str; 6] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "web.push.apple.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];
/// Longest endpoint.
pub const MAX_ENDPOINT: usize = 2048;

/// Hosts that may be called: `host`, or `*.host` for everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    below: bool,
    host: String,
}

impl HostPattern {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let (below, host) = match text.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, text),
        };
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        // A name of one label, or one that a browser would read as an address, is no push service on the internet.
        let last = host.rsplit('.').next().unwrap_or_default();
        let named = host.contains('.') && last.bytes().any(|b| b.is_ascii_alphabetic());
        (named && host.split('.').all(label)).then(|| Self {
            below,
            host: host.to_ascii_lowercase(),
        })
    }

    fn fits(&self, host: &str) -> bool {
        match host.strip_suffix(&self.host) {
            Some("") => !self.below,
            Some(before) => self.below && before.len() > 1 && before.ends_with('.'),
            None => false,
        }
    }
}

/// What may be called.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// Push services on the internet.
    pub listed: Vec<HostPattern>,
    /// The site's own, wherever they are.
    pub own: Vec<Origin>,
}

/// A URL that may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Itself.
    pub url: Url,
    /// Its origin: whom a VAPID token is made out to.
    pub audience: String,
}

/// Why a URL is not called. None of the texts holds the URL: who has it may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none.
    #[error("the endpoint is no URL of at most 2048 ASCII characters")]
    Form,
    /// A name or password in it.
    #[error("the endpoint has a user in it")]
    User,
    /// Neither HTTPS on port 443 at a listed host, nor an own service.
    #[error("the endpoint's push service is not on this gateway's list ([web_push] in gateway.toml)")]
    Unlisted,
}

impl Services {
    /// Whether nothing may be called.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.own.is_empty()
    }

    /// Checks a URL.
    pub fn endpoint(&self, text: &str) -> Result<Endpoint, Refused> {
        // What a parser would drop or turn around (tabs, line ends, backslashes) no browser hands out.
        let odd = |b: u8| !b.is_ascii_graphic() || matches!(b, b'\\' | b'#');
        if text.len() > MAX_ENDPOINT || text.bytes().any(odd) {
            return Err(Refused::Form);
        }
        let url = Url::parse(text).map_err(|_| Refused::Form)?;
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(Refused::User);
        }
        let audience = url.origin().ascii_serialization();
        let own = Origin::parse(&audience).is_some_and(|origin| self.own.contains(&origin));
        // `domain`: an address is no name that could be on the list. `port`: none stands there for 443.
        let listed = url.scheme() == "https"
            && url.port().is_none()
            && url
                .domain()
                .is_some_and(|host| self.listed.iter().any(|pattern| pattern.fits(host)));
        match own || listed {
            true => Ok(Endpoint { url, audience }),
            false => Err(Refused::Unlisted),
        }
    }
}

/// What stands between the scheme and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn services() -> Services {
        Services {
            listed: KNOWN.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            own: ["https://push.example.org:8443", "http://127.0.0.1:4711"]
                .iter()
                .map(|origin| Origin::parse(origin).unwrap())
                .collect(),
        }
    }

    #[test]
    fn r74_a_push_service_is_listed_and_on_https_443_or_is_the_sites_own() {
        let services = services();
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://FCM.googleapis.com:443/fcm/send/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://eu.push.services.mozilla.com/wpush/v2/gAAA",
            "https://web.push.apple.com/QaBC",
            "https://wns2-db5p.notify.windows.com/w/?token=BQ",
            "https://push.example.org:8443/x",
            "http://127.0.0.1:4711/push/1",
        ] {
            assert!(services.endpoint(good).is_ok(), "{good}");
        }
        let audience = |url| services.endpoint(url).unwrap().audience;
        assert_eq!(
            audience("https://web.push.apple.com:443/x/y"),
            "https://web.push.apple.com"
        );
        assert_eq!(
            audience("https://push.example.org:8443/x"),
            "https://push.example.org:8443"
        );
        for (bad, why) in [
            ("", Refused::Form),
            ("fcm.googleapis.com", Refused::Form),
            ("https://fcm.googleapis.com/a b", Refused::Form),
            ("https://fcm.googleapis.com\\@evil.example/", Refused::Form),
            ("https://fcm.googleapis.com/#x", Refused::Form),
            ("https://fcm.goo\tgleapis.com/", Refused::Form),
            ("https://user@fcm.googleapis.com/", Refused::User),
            ("https://user:pw@fcm.googleapis.com/", Refused::User),
            ("https://@fcm.googleapis.com/", Refused::User),
            ("https://fcm.googleapis.com@169.254.169.254/", Refused::User),
            ("http://fcm.googleapis.com/", Refused::Unlisted),
            ("http://fcm.googleapis.com:443/", Refused::Unlisted),
            ("https://fcm.googleapis.com:8443/", Refused::Unlisted),
            ("https://fcm.googleapis.com./", Refused::Unlisted),
            ("https://xfcm.googleapis.com/", Refused::Unlisted),
            ("https://fcm.googleapis.com.evil.example/", Refused::Unlisted),
            ("https://notify.windows.com/", Refused::Unlisted),
            ("https://.notify.windows.com/", Refused::Unlisted),
            ("https://evilnotify.windows.com/", Refused::Unlisted),
            ("https://169.254.169.254/latest/meta-data", Refused::Unlisted),
            ("https://0xa9fea9fe/", Refused::Unlisted),
            ("https://2852039166/", Refused::Unlisted),
            ("https://127.1/", Refused::Unlisted),
            ("https://[::1]/", Refused::Unlisted),
            ("https://[::ffff:169.254.169.254]/", Refused::Unlisted),
            ("https://localhost/", Refused::Unlisted),
            ("https://push.example.org/", Refused::Unlisted),
            ("http://push.example.org:8443/", Refused::Unlisted),
            ("http://127.0.0.1:4712/", Refused::Unlisted),
            ("file:///etc/passwd", Refused::Unlisted),
            ("ftp://fcm.googleapis.com/", Refused::Unlisted),
        ] {
            assert_eq!(services.endpoint(bad), Err(why), "{bad}");
        }
        assert_eq!(
            services.endpoint(&format!("https://web.push.apple.com/{}", "a".repeat(2048))),
            Err(Refused::Form)
        );
    }

    #[test]
    fn a_pattern_is_a_name_of_the_internet() {
        for good in ["push.example.org", "*.push.example.org", "a_b.example"] {
            assert!(HostPattern::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.",
            "localhost",
            "*.org",
            "10.0.0.1",
            "a..b",
            "[::1]",
            "a.b:443",
            "https://a.b",
            "a.*.b",
            "a.b.",
        ] {
            assert!(HostPattern::parse(bad).is_none(), "{bad}");
        }
    }
}
