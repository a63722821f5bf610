//! The ways to the code service: through the relay, and, where the admin names it, at the panel's address, which may stand
//! while the relay does not. Calls are sealed and words are signed, so neither way can read or forge one.

use super::relay::{CALL_DEADLINE, Relay, ok, unreachable};
use super::{PushError, bounds};
use assent_proto::registrar::Sealed;
use assent_proto::relay::TrustInfo;
use reqwest::StatusCode;
use std::time::Duration;

/// One call to the code service, which may have to try several gateways and servers.
const CODE_DEADLINE: Duration = Duration::from_secs(8);

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through the relay.
    Relay,
    /// At `codes_url`.
    Panel,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Relay => "through the relay",
            Self::Panel => "by codes_url",
        })
    }
}

impl Relay {
    /// The way to try, and the next one if there is another: not the relay's while that is known to be silent, and not first
    /// while its event stream is lost.
    pub fn code_ways(&self) -> (Way, Option<Way>) {
        match &self.codes_url {
            None => (Way::Relay, None),
            Some(_) if self.speaks().is_err() => (Way::Panel, None),
            Some(_) if self.connected().is_err() => (Way::Panel, Some(Way::Relay)),
            Some(_) => (Way::Relay, Some(Way::Panel)),
        }
    }

    /// Where the way beside the relay's leads, if there is one.
    pub fn codes_url(&self) -> Option<&str> {
        self.codes_url.as_deref()
    }

    fn base(&self, way: Way) -> &str {
        match (way, &self.codes_url) {
            (Way::Panel, Some(url)) => url,
            (Way::Panel, None) | (Way::Relay, _) => &self.url,
        }
    }

    /// Carries a sealed call to the code service and its reply back. `None`: it is not taken as it is; most likely the key
    /// that it is sealed to is not in use any more.
    pub async fn code_call(&self, way: Way, sealed: &Sealed) -> Result<Option<Sealed>, PushError> {
        let url = format!("{}/v1/codes", self.base(way));
        let request = self.client.post(url).timeout(CODE_DEADLINE);
        let response = request.json(sealed).send().await.map_err(unreachable)?;
        if response.status() == StatusCode::BAD_REQUEST {
            return Ok(None);
        }
        bounds::json(ok(response).await?).await.map(Some)
    }

    /// Hears which issuing keys and roots there are, and takes what verifies under the pinned ones. What is offered as code
    /// services is not verified yet.
    pub async fn learn_trust(&self, way: Way) -> Result<Vec<String>, PushError> {
        let url = format!("{}/v1/trust", self.base(way));
        let request = self.client.get(url).timeout(CALL_DEADLINE);
        let info: TrustInfo = bounds::json(ok(request.send().await.map_err(unreachable)?).await?).await?;
        self.take_trust(info).await
    }
}
