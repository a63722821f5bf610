//! The LDAP factor beside one bare search and bind on the same server, by turns.
//!
//! Both sides count the same: a search on a warm connection of the service account, then a bind as the user on a new
//! connection (TCP, TLS, bind). Ours is the agent's whole answer: from the typed password on its socket to the verdict,
//! with the decision recorded.

use super::Options;
use super::row::{Judged, Row, Samples, ms_since};
use super::wire::Dialogue;
use assent_tests::company::{self, BASE, SERVICE, SERVICE_PASSWORD};
use assent_tests::product::Site;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

const TARGET: f64 = 1.5;
const USER: &str = "alice";
/// The service and profile over LDAPS.
pub const LDAPS: &str = "bench-ldaps";
/// The service and profile over `StartTLS`.
pub const STARTTLS: &str = "bench-starttls";

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 60 } else { 400 };
    let site = Site::open_with(with_profiles);
    let tls = super::http::trusting(&site.slapd.ca_certificate());
    [
        (LDAPS, "LDAPS", site.slapd.tls_url()),
        (STARTTLS, "StartTLS", site.slapd.url()),
    ]
    .into_iter()
    .map(|(service, protection, url)| {
        let (ours, bare) = measure(times, service, &url, &tls);
        Row::of(format!("LDAP factor, {protection}, on loopback"), "ms", &ours)
            .beside(&bare)
            .judged(Judged::Ratio, TARGET)
            .note("password typed → verdict recorded, beside ldap3: search on a warm connection, bind on a new one")
    })
    .collect()
}

/// The usual configuration, and a profile for each protection with what the usual one says otherwise; each has a service
/// of its name, which asks it alone.
pub fn with_profiles(usual: String) -> String {
    let more: String = [(LDAPS, 1), (STARTTLS, 0)]
        .into_iter()
        .map(|(name, which)| profile(&usual, name, which))
        .collect();
    usual + &more
}

/// The usual LDAP profile under another name, with one of its two servers, and an application that asks it alone.
fn profile(usual: &str, name: &str, which: usize) -> String {
    let begin = usual.find("[[auth_profile]]").expect("the LDAP profile comes first");
    let end = begin + usual[begin + 1..].find("[[").expect("more behind it");
    let mut lines = Vec::new();
    for line in usual[begin..end].lines() {
        if line.starts_with("name =") {
            lines.push(format!("name = \"{name}\""));
        } else if line.starts_with("uris =") {
            let uri = line.split('"').filter(|part| part.contains("://")).nth(which);
            lines.push(format!("uris = [\"{}\"]", uri.expect("two servers")));
        } else {
            lines.push(line.to_owned());
        }
    }
    format!(
        "\n{}\n[[application]]\nname = \"{name}-alone\"\nservices = [\"{name}\"]\nfactors = [[\"{name}\"]]\n",
        lines.join("\n")
    )
}

fn measure(times: usize, service: &str, url: &str, tls: &Arc<rustls::ClientConfig>) -> (Samples, Samples) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    let mut client = runtime.block_on(Bare::open(url, tls));
    for round in 0..times + 3 {
        let mine = Dialogue::begin(service, USER).password(company::password(USER));
        let theirs = runtime.block_on(client.search_and_bind());
        // The first ones open the warm connections.
        if round >= 3 {
            ours.push(mine);
            bare.push(theirs);
        }
    }
    (ours, bare)
}

/// A plain client of `ldap3`.
struct Bare {
    url: String,
    settings: LdapConnSettings,
    warm: Ldap,
}

impl Bare {
    async fn open(url: &str, tls: &Arc<rustls::ClientConfig>) -> Self {
        let settings = LdapConnSettings::new()
            .set_config(tls.clone())
            .set_starttls(url.starts_with("ldap://"));
        let mut warm = connect(&settings, url).await;
        let bound = warm.simple_bind(SERVICE, SERVICE_PASSWORD).await;
        bound
            .and_then(ldap3::LdapResult::success)
            .expect("the service account binds");
        Self {
            url: url.to_owned(),
            settings,
            warm,
        }
    }

    async fn search_and_bind(&mut self) -> f64 {
        let began = Instant::now();
        let base = format!("ou=people,{BASE}");
        let wanted = ["entryUUID", "department"];
        let filter = format!("(uid={USER})");
        let found = self.warm.search(&base, Scope::Subtree, &filter, wanted).await;
        let (entries, _) = found.and_then(ldap3::SearchResult::success).expect("a search");
        let entry = entries
            .into_iter()
            .next()
            .map(SearchEntry::construct)
            .expect("the user");
        let mut connection = connect(&self.settings, &self.url).await;
        let bound = connection.simple_bind(&entry.dn, company::password(USER)).await;
        bound
            .and_then(ldap3::LdapResult::success)
            .expect("the password is right");
        let took = ms_since(began);
        let _ = connection.unbind().await;
        took
    }
}

/// On a socket without Nagle's delay, which `ldap3` leaves on: a bind would wait 40 ms for slapd's acknowledgement, and
/// ours look better than it is.
async fn connect(settings: &LdapConnSettings, url: &str) -> Ldap {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let socket = TcpStream::connect(address).expect("a connection to slapd");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    let settings = settings.clone().set_std_stream(StdStream::Tcp(socket));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, url)
        .await
        .expect("a connection to slapd");
    tokio::spawn(async move {
        let _ = connection.drive().await;
    });
    ldap
}
