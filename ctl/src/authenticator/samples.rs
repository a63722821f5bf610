//! Requests for unit tests, from a host whose certificate is real.
#![allow(clippy::unwrap_used)]

use assent_proto::cert::{Host, Identity, Issuance, IssuerGrant, IssuerRequest, Level, Trust, sign_host, sign_issuer};
use assent_proto::enrol::Token;
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::registrar::HostJoin;
use assent_proto::request::{Command, Details, Source, Statement, VerifiedRequest};
use assent_proto::roots::RootSet;
use assent_proto::time::UnixTime;
use assent_proto::{Digest, Id, Nonce, ShortText};

fn text(text: &str) -> ShortText {
    ShortText::cut(text.into())
}

/// A host that the registrar calls so.
pub fn host(display: &str) -> Host {
    let (now, root) = (UnixTime::now(), SigningKey::generate().unwrap());
    let (issuing, keys) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let wish = IssuerRequest::verify(&IssuerRequest::sign(&issuing, now).unwrap()).unwrap();
    let grant = IssuerGrant {
        realms: vec![text("*")],
        hosts: vec![text("*")],
        nbf: now,
        days: 30,
        serial: Id::random().unwrap(),
    };
    let issuer = sign_issuer(&root, &wish, grant).unwrap();
    let issuer = Trust::new(vec![root.public()]).verify_issuer(&issuer, now).unwrap();
    let token = Token::random(&RootSet::of_key(root.public())).unwrap();
    let join = HostJoin::new(&token, &keys, text(display), now).unwrap();
    let join = join.verify(token.id, &token.secret).unwrap();
    let issuance = Issuance {
        nbf: now,
        days: 1,
        serial: Id::random().unwrap(),
        log_index: 1,
    };
    let certificate = sign_host(&issuer, &issuing.sign, Id::random().unwrap(), &join, issuance).unwrap();
    issuer.verify_host(&certificate, now).unwrap()
}

/// A tap for `service` at this host, with everything in it that a request may tell.
pub fn request(host: &Host, service: &str) -> VerifiedRequest {
    let details = Details {
        login: text("k7f3q2"),
        svc: text(service),
        user: text("alice"),
        identity: Identity {
            realm: text("example.org"),
            id: text("597ae2f6"),
        },
        ruser: Some(text("mallory")),
        target_user: Some(text("root")),
        cmd: Some(Command {
            resolved: Some(text("/usr/bin/reboot")),
            args: vec![text("--force")],
            truncated: false,
            sha256: Digest::random().unwrap(),
        }),
        cwd: Some(text("/home/alice")),
        tty: Some(text("/dev/pts/3")),
        src: Some(Source {
            ip: [192, 0, 2, 7].into(),
            port: Some(4711),
            network: Some(text("the office")),
            asn: Some(64500),
            place: Some(text("Ankara")),
            new: None,
        }),
        first: vec![text("password (corp)")],
        level: Level::Tap,
        digits: 0,
        lock: false,
        ttl: 60,
        ctx: Digest::random().unwrap(),
        app: text("shells"),
    };
    let (id, nonce) = (Id::random().unwrap(), Nonce::random().unwrap());
    VerifiedRequest {
        statement: Statement::new(id, nonce, host, UnixTime::now(), details),
        host: host.clone(),
        digest: Digest::random().unwrap(),
    }
}
