//! `[web_push]`: which push services the relay may call, and by which way.

use super::section::Section;
use crate::web::origin::Origin;
use crate::web_push::endpoint::{HostPattern, KNOWN, Services};
use std::path::PathBuf;

/// How the relay wakes browsers.
#[derive(Debug, Clone, Default)]
pub struct WebPush {
    /// Whom it may call; none: it sends nothing.
    pub services: Services,
    /// At which address a push service can reach whoever runs the relay.
    pub contact: String,
    /// An HTTP proxy for these calls.
    pub proxy: Option<String>,
    /// Certificate authorities beside the system's, for own push services.
    pub ca_file: Option<PathBuf>,
}

/// Takes the table out of the file; the keys stay unknown where this process has no relay.
pub(super) fn read(root: &mut Section, has: bool, public_url: Option<&str>) -> (WebPush, Vec<String>) {
    let mut section = root.section_if(has, "web_push");
    if !has {
        return (WebPush::default(), section.finish());
    }
    let mut services = Services::default();
    let known = || KNOWN.map(str::to_owned).to_vec();
    for host in section.texts_if_given("services").unwrap_or_else(known) {
        match HostPattern::parse(&host) {
            Some(pattern) => services.listed.push(pattern),
            None => section.problem(
                "services",
                "must be names of push services on the internet, such as [\"web.push.apple.com\", \"*.push.apple.com\"]; one of your own goes into own_services",
            ),
        }
    }
    for url in section.texts("own_services") {
        match Origin::parse(&url).filter(|origin| origin.is_https() || origin.is_loopback()) {
            Some(origin) => services.own.push(origin),
            None => section.problem(
                "own_services",
                "must be origins such as [\"https://push.example.org:8443\"] (http:// only for 127.0.0.1, [::1] and localhost)",
            ),
        }
    }
    let contact = section.optional("contact");
    let reachable = |contact: &str| {
        let plain = contact.bytes().all(|b| b.is_ascii_graphic());
        plain && (contact.starts_with("mailto:") || contact.starts_with("https://"))
    };
    if contact.as_deref().is_some_and(|contact| !reachable(contact)) {
        section.problem(
            "contact",
            "must begin with mailto: or https://, such as \"mailto:admin@example.org\"",
        );
    }
    let proxy = section.optional("proxy");
    if let Some(url) = &proxy
        && Origin::parse(url).is_none()
    {
        section.problem(
            "proxy",
            "must be a host and a port, such as \"http://proxy.example.org:3128\"",
        );
    }
    let ca_file = section.optional("ca_file");
    let ca_file = ca_file.map(|file| section.absolute("ca_file", file.into()));
    let web_push = WebPush {
        services,
        contact: contact.unwrap_or_else(|| public_url.unwrap_or_default().to_owned()),
        proxy,
        ca_file,
    };
    (web_push, section.finish())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Config;

    fn parse(more: &str) -> Result<Config, Vec<String>> {
        Config::parse(&format!("public_url = \"https://push.example.org\"\n{more}"))
    }

    #[test]
    fn the_browsers_services_are_known_and_the_sites_own_are_added() {
        let config = parse("").unwrap().web_push;
        assert!(config.services.endpoint("https://web.push.apple.com/x").is_ok());
        assert_eq!(config.contact, "https://push.example.org");
        let own = "own_services = [\"https://10.0.0.1:8443\"]\ncontact = \"mailto:a@example.org\"\nproxy = \"http://10.0.0.2:3128\"";
        let config = parse(&format!("[web_push]\n{own}")).unwrap().web_push;
        assert!(config.services.endpoint("https://10.0.0.1:8443/x").is_ok());
        assert!(config.services.endpoint("https://web.push.apple.com/x").is_ok());
        assert_eq!(config.contact, "mailto:a@example.org");
        assert!(parse("[web_push]\nservices = []").unwrap().web_push.services.is_empty());
    }

    #[test]
    fn r74_what_is_no_push_service_is_named() {
        let lines = parse(
            "[web_push]\nservices = [\"10.0.0.1\"]\nown_services = [\"http://push.example.org\", \"https://x/y\"]\ncontact = \"admin\"\nproxy = \"proxy\"\nca_file = \"ca\"\nx = 1",
        )
        .unwrap_err();
        for key in ["services", "own_services", "contact", "proxy", "ca_file", "x"] {
            let start = format!("web_push.{key}: ");
            assert!(lines.iter().any(|line| line.starts_with(&start)), "{key} in {lines:#?}");
        }
        assert_eq!(lines.len(), 7, "{lines:#?}");
    }
}
