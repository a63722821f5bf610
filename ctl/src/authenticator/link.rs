//! An enrolment link: the gateway's address, and the one-time token behind `#`, which no server sees.

use crate::failure::{Done, Failure};
use assent_proto::enrol::Token;

/// A link, taken apart.
#[derive(Debug)]
pub struct Link {
    /// The gateway's address.
    pub gateway: String,
    /// What enrols.
    pub token: Token,
}

impl Link {
    /// The origin of the app, which is where links lead: what a passkey signs for.
    pub fn origin(&self) -> &str {
        let host = self.gateway.find("://").map_or(0, |at| at + 3);
        let path = self.gateway.get(host..).and_then(|rest| rest.find('/'));
        path.and_then(|path| self.gateway.get(..host + path))
            .unwrap_or(&self.gateway)
    }

    /// Reads `https://GATEWAY/e#CODE`, or the address and the code apart.
    pub fn parse(link: &str, code: Option<&str>) -> Done<Self> {
        let link = link.trim();
        let (address, code) = match (link.split_once('#'), code) {
            (Some((address, code)), None) => (address, code),
            (None, Some(code)) => (link, code),
            (Some(_), Some(_)) => {
                return Err(Failure::Input(
                    "the link holds a code already; give no second one".into(),
                ));
            }
            (None, None) => {
                return Err(Failure::Input(
                    "this link ends before its code; it should look like https://GATEWAY/e#1.….….… (put it in quotes)"
                        .into(),
                ));
            }
        };
        let token = Token::from_text(code).map_err(|_| {
            Failure::Input(
                "the link's code is not whole: it should be four parts with dots between them, the first of them \"1\""
                    .into(),
            )
        })?;
        let address = address.trim_end_matches('/');
        let gateway = address.strip_suffix("/e").unwrap_or(address);
        Ok(Self {
            gateway: gateway.to_owned(),
            token,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CODE: &str = "1.AAAAAAAAAAAAAAAAAAAAAA.AQEBAQEBAQEBAQEBAQEBAQ.AgICAgICAgICAgICAgICAg";

    #[test]
    fn a_link_is_an_address_and_a_code() {
        for (link, code) in [
            (format!("https://push.example.org/e#{CODE}"), None),
            (format!("  https://push.example.org/e#{CODE}\n"), None),
            (format!("https://push.example.org/#{CODE}"), None),
            ("https://push.example.org".to_owned(), Some(CODE)),
            ("https://push.example.org/e".to_owned(), Some(CODE)),
            ("https://push.example.org/e/".to_owned(), Some(CODE)),
        ] {
            let parsed = Link::parse(&link, code).unwrap();
            assert_eq!(parsed.gateway, "https://push.example.org", "{link}");
            assert_eq!(parsed.token.to_text().as_str(), CODE);
        }
        let behind_a_path = Link::parse(&format!("https://example.org/assent/e#{CODE}"), None).unwrap();
        assert_eq!(behind_a_path.gateway, "https://example.org/assent");
        assert_eq!(behind_a_path.origin(), "https://example.org");
        let with_a_port = Link::parse(&format!("https://example.org:8443/e#{CODE}"), None).unwrap();
        assert_eq!(with_a_port.origin(), "https://example.org:8443");
    }

    #[test]
    fn a_broken_link_is_refused_and_its_secret_is_not_repeated() {
        let cut = &CODE[..CODE.len() - 3];
        for (link, code) in [
            ("https://push.example.org/e".to_owned(), None),
            (format!("https://push.example.org/e#{cut}"), None),
            (format!("https://push.example.org/e#{CODE}"), Some(CODE)),
            (format!("https://push.example.org/e#{CODE}.x"), None),
            ("https://push.example.org/e#".to_owned(), None),
            (String::new(), None),
        ] {
            let error = Link::parse(&link, code).unwrap_err();
            assert!(matches!(error, Failure::Input(_)));
            assert!(!error.to_string().contains("AQEBAQ"), "{error}");
        }
    }
}
