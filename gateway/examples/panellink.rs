//! A one-time link for the panel's browser tests: joins as a host by token and vouches for a user, as
//! `assentctl enroll USER --link` does by way of the agent. It is in no package and no release.
//!
//! `panellink DIR ADDRESS NAME TOKEN USER ID`: state directory, `host:port`, the host's name and join token, the user's
//! name and id in the realm `example.org`. Prints the link's token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use assent_proto::cert::{DeviceOwner, Identity, Issuer, Trust};
use assent_proto::enrol::{OneTimeSecret, Token, short_fingerprint};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::registrar::{Ask, HostAsk, HostJoin, HostWant, Reply, Sealed, call};
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use std::fs;
use std::path::Path;

fn text(text: &str) -> ShortText {
    ShortText::new(text).unwrap()
}

async fn ask(address: &str, issuer: &Issuer, keys: &KeyPair, ask: Ask) -> Reply {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let (sealed, open) = call(issuer, &keys.kem.public(), ask).unwrap();
    let url = format!("http://{address}/v1/registrar");
    let reply: Sealed = client
        .post(url)
        .json(&sealed)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    open.reply(&keys.kem, &reply).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, address, name, token, user, user_id] = &arguments[..] else {
        panic!("usage: panellink DIR ADDRESS NAME TOKEN USER ID");
    };
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let read = |name: &str| fs::read_to_string(Path::new(dir).join(name)).unwrap();
    let root = VerifyingKey::from_pem(&read("root.pub")).unwrap();
    let trust = Trust::new(vec![root.clone()]);
    let issuer = trust.verify_issuer(&read("issuer.jws"), UnixTime::now()).unwrap();
    let (keys, join) = (KeyPair::generate().unwrap(), Token::from_text(token).unwrap());
    let join = HostJoin::new(&join, &keys, text(name), UnixTime::now()).unwrap();
    let Reply::HostCertified { host } = ask(address, &issuer, &keys, Ask::JoinHost(join)).await else {
        panic!("the host was not certified");
    };
    let host = issuer.verify_host(&host, UnixTime::now()).unwrap().claims().host_id;
    let link = Token {
        id: Id::random().unwrap(),
        secret: OneTimeSecret::random().unwrap(),
        root: short_fingerprint(&root),
    };
    let what = HostWant::OpenLink {
        token_id: link.id,
        secret: link.secret.clone(),
        owner: DeviceOwner {
            identities: vec![Identity {
                realm: text("example.org"),
                id: text(user_id),
            }],
            name: text(user),
        },
        ttl: 600,
    };
    let signed = HostAsk::sign(&keys.sign, host, Id::random().unwrap(), UnixTime::now(), what).unwrap();
    let opened = ask(address, &issuer, &keys, Ask::Host { signed }).await;
    assert!(matches!(opened, Reply::LinkOpen { .. }), "{opened:?}");
    println!("{}", link.to_text().as_str());
}
