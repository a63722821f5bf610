//! Real sudo, real agent, real authenticator, real gateway, and beside them a host that was enrolled and has turned evil
//! (T17): it draws nothing in another's name, and what it gets approved opens nothing elsewhere.

use super::Stage;
use super::host::{EvilHost, altered, id, text};
use super::phone::Hand;
use super::relay::{Act, Message};
use super::sudo_answers::{id_of, leaves};
use super::sudo_requests::{TOUCHED, tap, touch};
use assent_proto::answer;
use assent_proto::cert::{
    Host, Issuance, Issuer, IssuerGrant, IssuerRequest, REGISTRAR_NAME, Trust, sign_host, sign_issuer,
};
use assent_proto::enrol::Token;
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::registrar::HostJoin;
use assent_proto::relay::HostEvent;
use assent_proto::request::{ENROL_SERVICE, Envelope, MAX_TTL, Statement};
use assent_proto::roots::RootSet;
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_tests::desktop::Desktop;
use assent_tests::product::{PATIENCE, assentctl};
use assent_tests::scenarios;
use assent_tests::suite::Scenario;
use serde_json::Value;
use std::fs;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    r29_t17_an_evil_host_draws_nothing_in_anothers_name,
    t17_what_an_evil_host_gets_approved_opens_no_other_host,
    t17_an_evil_host_neither_cancels_nor_hears_nor_answers_for_another_at_the_relay,
];

const NAME: &str = "birch-evil";

/// The real host's certificate, which is no secret.
fn victim(issuer: &Issuer) -> Host {
    let document = fs::read_to_string("/var/lib/assent/host.jws").expect("this host's certificate");
    issuer
        .verify_host(document.trim(), UnixTime::now())
        .expect("a certificate")
}

/// A certificate in `victim`'s name for the evil host's keys, signed by `key` in `issuer`'s name.
fn forged(evil: &EvilHost, issuer: &Issuer, key: &SigningKey, victim: &Host) -> String {
    let root = SigningKey::generate().expect("randomness").public();
    let token = Token::random(&RootSet::of_key(root)).expect("randomness");
    let name = victim.claims().display.clone();
    let join = HostJoin::new(&token, &evil.keys, name, UnixTime::now()).expect("a wish");
    let wish = join.verify(token.id, &token.secret).expect("a wish");
    let issuance = Issuance {
        nbf: UnixTime::now(),
        days: 1,
        serial: id(),
        log_index: 0,
    };
    sign_host(issuer, key, victim.claims().host_id, &wish, issuance).expect("a document")
}

/// An issuer under a root that nobody has pinned.
fn strange_issuer() -> (Issuer, KeyPair) {
    let root = SigningKey::generate().expect("randomness");
    let pair = KeyPair::generate().expect("randomness");
    let now = UnixTime::now();
    let wish = IssuerRequest::sign(&pair, now).and_then(|wish| IssuerRequest::verify(&wish));
    let grant = IssuerGrant {
        realms: vec![text("*")],
        hosts: vec![text("*")],
        nbf: now,
        days: 30,
        serial: id(),
    };
    let document = sign_issuer(&root, &wish.expect("a wish"), grant).expect("an issuer");
    let issuer = Trust::new(vec![root.public()]).verify_issuer(&document, now);
    (issuer.expect("an issuer"), pair)
}

/// What makes a request one that must not be drawn.
type Forgery = fn(&EvilHost, &Host, &mut Statement) -> Envelope;

fn in_their_name(statement: &mut Statement, victim: &Host) {
    statement.host.id = victim.claims().host_id;
    statement.host.display = victim.claims().display.clone();
}

/// Under the evil host's signature, with another certificate.
fn with(evil: &EvilHost, statement: &Statement, host: String, issuer: &Issuer) -> Envelope {
    Envelope {
        host,
        issuer: issuer.document().to_owned(),
        ..evil.signed(statement)
    }
}

const FORGERIES: [(&str, Forgery); 12] = [
    ("another's name under its own certificate", |evil, victim, statement| {
        in_their_name(statement, victim);
        evil.signed(statement)
    }),
    ("another's certificate", |evil, victim, statement| {
        in_their_name(statement, victim);
        with(evil, statement, victim.document().to_owned(), &evil.issuer)
    }),
    ("its own certificate, altered", |evil, victim, statement| {
        in_their_name(statement, victim);
        let certificate = altered(evil.host.document(), |claims| {
            claims["host_id"] = Value::String(victim.claims().host_id.encode());
            claims["display"] = Value::String(victim.claims().display.as_str().to_owned());
        });
        with(evil, statement, certificate, &evil.issuer)
    }),
    ("a certificate that it signed itself", |evil, victim, statement| {
        in_their_name(statement, victim);
        let certificate = forged(evil, &evil.issuer, &evil.keys.sign, victim);
        with(evil, statement, certificate, &evil.issuer)
    }),
    ("a stranger's certificate", |evil, victim, statement| {
        in_their_name(statement, victim);
        let (strange, pair) = strange_issuer();
        let certificate = forged(evil, &strange, &pair.sign, victim);
        with(evil, statement, certificate, &strange)
    }),
    ("another's id alone", |evil, victim, statement| {
        statement.host.id = victim.claims().host_id;
        evil.signed(statement)
    }),
    ("another's display alone", |evil, victim, statement| {
        statement.host.display = victim.claims().display.clone();
        evil.signed(statement)
    }),
    ("the registrar's service", |evil, _, statement| {
        statement.svc = text(ENROL_SERVICE);
        evil.signed(statement)
    }),
    ("the registrar's name", |evil, _, statement| {
        statement.host.display = text(REGISTRAR_NAME);
        statement.svc = text(ENROL_SERVICE);
        evil.signed(statement)
    }),
    ("somebody else's identity", |evil, _, statement| {
        statement.identity.id = text("somebody else");
        evil.signed(statement)
    }),
    ("a life longer than any", |evil, _, statement| {
        statement.ttl = MAX_TTL + 1;
        evil.signed(statement)
    }),
    ("a request changed after it was signed", |evil, _, statement| {
        let mut envelope = evil.signed(statement);
        envelope.req = altered(&envelope.req, |claims| claims["user"] = Value::String("root".into()));
        envelope
    }),
];

fn r29_t17_an_evil_host_draws_nothing_in_anothers_name() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let hand = Hand::of(&authenticator);
    let evil = EvilHost::join(&stage.site, NAME);
    let victim = victim(&evil.issuer);
    let desktop = Desktop::of("alice");
    let mut phone = authenticator.listen_verbosely();
    for (what, forge) in FORGERIES {
        let mut statement = evil.statement(&hand.device);
        let envelope = forge(&evil, &victim, &mut statement);
        let push = EvilHost::push(&statement, &envelope, &hand.device);
        assert_eq!(evil.posts(&push), 200, "{what}");
        phone.expect(&format!("Ignored request {}", push.id)[..], PATIENCE);
        assert!(
            !phone.transcript().contains("[a]pprove"),
            "{what}: {}",
            phone.transcript()
        );
        evil.withdraws(push.id, None);
    }
    assert_eq!((desktop.displayed(), desktop.closed().len()), (0, 0), "no notification");
    // In its own name it may ask, and that name is what the person reads.
    let own = evil.statement(&hand.device);
    let push = EvilHost::push(&own, &evil.signed(&own), &hand.device);
    assert_eq!(evil.posts(&push), 200);
    phone.expect("[a]pprove", PATIENCE);
    assert!(phone.transcript().contains(NAME), "{}", phone.transcript());
    desktop.wait_until_displayed(1);
    // Revoked, it reaches nobody.
    assentctl(["host", "revoke", &evil.host.claims().host_id.encode()]).expect_success();
    let own = evil.statement(&hand.device);
    let push = EvilHost::push(&own, &evil.signed(&own), &hand.device);
    assert_eq!(evil.posts(&push), 401);
}

fn t17_what_an_evil_host_gets_approved_opens_no_other_host() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let hand = Hand::of(&authenticator);
    let evil = EvilHost::join(&stage.site, NAME);
    let victim = victim(&evil.issuer);
    let mut phone = authenticator.listen();
    let mut stream = evil.listens();
    // The relay is in league with it: what the real host asks goes no further, so its id is free.
    let mut first = true;
    stage.evil.does(move |message, _| match message {
        Message::Push(_) if std::mem::take(&mut first) => Act::Swallow,
        _ => Act::Pass,
    });
    let before = stage.evil.seen().len();
    let mut sudo = touch();
    let login = id_of(&mut sudo);
    let asked = stage.evil.wait_for(before, |message| match message {
        Message::Push(push) => Some(push.clone()),
        _ => None,
    });
    // The same push and the same short id; only the nonce is not to be had.
    let mut statement = evil.statement(&hand.device);
    statement.id = asked.id;
    statement.login = text(&login);
    assert_eq!(
        evil.posts(&EvilHost::push(&statement, &evil.signed(&statement), &hand.device)),
        200
    );
    tap(&mut phone);
    let (device, blob, approval) = evil.hears(&mut stream);
    assert_eq!(device, hand.id());
    let context = answer::seal_context(&asked.id, &device);
    let anew = seal::seal(&victim.claims().kem, Purpose::Answer, &context, &approval).expect("a box");
    for (count, blob) in [blob, anew.clone(), anew].into_iter().enumerate() {
        stage.evil.says_to(
            victim.claims().host_id,
            HostEvent::Answer {
                id: asked.id,
                device,
                blob,
            },
        );
        stage.waits_until_ignored(&login, count + 1);
    }
    assert!(sudo.is_running(), "{}", sudo.transcript());
    leaves(&stage, sudo, &login);
    assert!(!Path::new(TOUCHED).exists());
}

fn t17_an_evil_host_neither_cancels_nor_hears_nor_answers_for_another_at_the_relay() {
    let stage = Stage::open();
    let authenticator = stage.enrol("alice");
    let hand = Hand::of(&authenticator);
    let evil = EvilHost::join(&stage.site, NAME);
    let victim = victim(&evil.issuer);
    let before = stage.evil.seen().len();
    let mut sudo = touch();
    let asked = stage.evil.wait_for(before, |message| match message {
        Message::Push(push) => Some(push.clone()),
        _ => None,
    });
    let (push, host, device) = (asked.id, victim.claims().host_id, hand.id());
    assert_eq!(evil.withdraws(push, None), 204, "it is told nothing");
    assert_eq!(evil.withdraws(push, Some(host)), 401);
    assert_eq!(evil.listens_as(host), 401);
    assert_eq!(evil.listens_as(device), 401);
    assert_eq!(evil.answers(push, None), 403);
    assert_eq!(evil.answers(push, Some(device)), 401);
    let mut own = evil.statement(&hand.device);
    own.id = push;
    assert_eq!(evil.posts(&EvilHost::push(&own, &evil.signed(&own), &hand.device)), 409);
    // A flood meets its own limit.
    let mut full = false;
    for _ in 0..300 {
        let own = evil.statement(&hand.device);
        match evil.posts(&EvilHost::push(&own, &evil.signed(&own), &hand.device)) {
            200 => {}
            429 => full = true,
            other => panic!("a flood is answered by {other}"),
        }
        if full {
            break;
        }
    }
    assert!(full, "a flood meets no limit");
    assert!(!Path::new(TOUCHED).exists());
    // Nothing of that touched the real host's request: it still waits, and comes first.
    let login = id_of(&mut sudo);
    let mut phone = authenticator.listen();
    phone.expect(&login[..], PATIENCE);
    tap(&mut phone);
    sudo.wait_for_success();
    assert!(Path::new(TOUCHED).exists());
}
