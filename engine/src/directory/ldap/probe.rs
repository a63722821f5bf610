//! Finds out whether a server that let somebody wait is silent, and when it speaks again. Only a probe calls a server silent: a
//! slow search or a crowd of our own does not. While it is silent its probes go on beside the logins, which then do not
//! wait for it, so that it is back without a restart and without a login that finds out.

use super::dial::Failure;
use super::search::{self, Query};
use super::server::Server;
use ldap3::Scope;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a probe waits for any word.
const PROBE: Duration = Duration::from_secs(2);
/// Between two probes.
const PAUSE: Duration = Duration::from_secs(1);

/// Finds out, unless somebody does already.
pub fn find_out(server: &Arc<Server>) {
    if server.begin_probing() {
        tokio::spawn(until_it_speaks(Arc::downgrade(server)));
    }
}

/// Ends with the first word of the server, or with its profile.
async fn until_it_speaks(server: Weak<Server>) {
    loop {
        let Some(server) = server.upgrade() else {
            return;
        };
        match tokio::time::timeout(PROBE, speaks(&server)).await {
            // Also what refuses: that costs a login nothing to find out.
            Ok(Ok(()) | Err(_)) => return server.end_probing(),
            Err(_) => server.is_known_silent(),
        }
        drop(server);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a fresh connection has any answer.
async fn speaks(server: &Server) -> Result<(), Failure> {
    let mut connection = server.open().await?;
    let query = Query {
        base: "",
        scope: Scope::Base,
        filter: "(objectClass=*)",
        // No attribute (RFC 4511 4.5.1.8).
        attributes: vec!["1.1".to_owned()],
        size_limit: 1,
        most: 1,
        control: None,
    };
    let word = search::entries(&mut connection, query, PROBE.as_secs()).await;
    connection.close();
    word.map(|_| ())
}
