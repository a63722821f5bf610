//! Names to addresses, for the courier's connections alone. What is refused here is not dialled, and what is dialled is
//! exactly what was looked at here: there is no second look-up in between that could answer otherwise (DNS rebinding).

use super::address::is_public;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a look-up may take.
const TIME: Duration = Duration::from_secs(5);

/// Asks for the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// A resolver that gives out addresses of the internet alone.
pub struct Checked {
    /// Hosts of the site itself: own push services and the proxy.
    own: HashSet<String>,
    lookup: Lookup,
}

/// A name that has no address of the internet.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no address that a push service may have (R74)")]
pub struct Closed(String);

impl Checked {
    /// One that lets the hosts of `own` be anywhere.
    pub fn new(own: HashSet<String>, lookup: Lookup) -> Self {
        Self { own, lookup }
    }
}

/// The system's look-up.
pub fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let anywhere = self.own.contains(&name);
        let lookup = (self.lookup)(name.clone());
        Box::pin(async move {
            let found = tokio::time::timeout(TIME, lookup).await??;
            // The port is the URL's.
            let fit: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| anywhere || is_public(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if fit.is_empty() {
                return Err(Closed(name).into());
            }
            Ok(Box::new(fit.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::str::FromStr as _;
    use std::sync::Mutex;

    /// Answers the first question with the first list, the second with the second.
    fn scripted(answers: &[&[&str]]) -> Lookup {
        let read = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        let left: Mutex<Vec<Vec<IpAddr>>> = Mutex::new(answers.iter().rev().map(read).collect());
        Arc::new(move |_| {
            let answer = left.lock().unwrap().pop().unwrap();
            Box::pin(async move { Ok(answer) })
        })
    }

    async fn found(resolver: &Checked, name: &str) -> Result<Vec<String>, String> {
        match resolver.resolve(Name::from_str(name).unwrap()).await {
            Ok(addresses) => Ok(addresses.map(|address| address.ip().to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn r74_a_name_is_judged_by_what_it_resolves_to_each_time() {
        let resolver = Checked::new(
            HashSet::from(["push.corp.example".to_owned()]),
            scripted(&[
                &["8.8.8.8"],
                &["169.254.169.254"],
                &["::1", "2606:4700::1", "::ffff:127.0.0.1", "10.0.0.1"],
                &[],
                &["10.0.0.1"],
            ]),
        );
        assert_eq!(found(&resolver, "web.push.apple.com").await.unwrap(), ["8.8.8.8"]);
        let rebound = found(&resolver, "web.push.apple.com").await.unwrap_err();
        assert!(
            rebound.contains("web.push.apple.com") && rebound.contains("R74"),
            "{rebound}"
        );
        assert_eq!(found(&resolver, "web.push.apple.com").await.unwrap(), ["2606:4700::1"]);
        assert!(found(&resolver, "web.push.apple.com").await.is_err());
        assert_eq!(found(&resolver, "push.corp.example").await.unwrap(), ["10.0.0.1"]);
    }
}
