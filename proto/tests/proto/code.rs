//! The code service's documents, and the one judge of its word.

use crate::stage::{Keys, NOW, Server, Stage, alice, id, identity, issuance, nonce, payload, text, unbase64};
use assent_proto::code::{
    self, CODE_TRIES, CallError, CodeAsk, CodeMethod, CodeReply, CodeStart, CodeWant, CodeWord, Judged, MAX_TYPED,
    PendingCode, TypedCode, Unbelieved,
};
use assent_proto::code_service::{CodeService, CodeServiceRequest, claimed_key, sign_code_service};
use assent_proto::time::BootTime;
use assent_proto::{Digest, sha256};
use serde_json::{Value, json};
use std::time::Duration;

/// When every login begins, since boot.
const BEGAN: BootTime = BootTime(Duration::from_secs(500));

pub fn keys() -> Keys {
    Keys::of("codes")
}

pub fn request() -> String {
    CodeServiceRequest::sign(&keys().pair, NOW).unwrap()
}

pub fn certificate(stage: &Stage) -> String {
    let request = CodeServiceRequest::verify(&request()).unwrap();
    sign_code_service(&stage.issuer, &stage.issuer_keys.pair.sign, &request, issuance()).unwrap()
}

pub fn service(stage: &Stage) -> CodeService {
    stage.issuer.verify_code_service(&certificate(stage), NOW).unwrap()
}

pub fn start() -> CodeStart {
    CodeStart {
        id: id("code login"),
        n: nonce("code login"),
        login: text("k7m2qp"),
        identity: alice(),
        user: text("alice"),
        svc: text("sshd"),
        app: text("ssh"),
        src: Some("192.0.2.7".parse().unwrap()),
        methods: vec![CodeMethod::Sms, CodeMethod::Totp],
        mobile: Some(text("+491701234567")),
        mail: Some(text("alice@example.org")),
        ttl: 300,
        ctx: nonce("pam transaction"),
        lang: text("de-DE"),
    }
}

pub fn ask(server: &Server, what: CodeWant) -> String {
    CodeAsk::sign(&server.keys.pair.sign, &server.host, id("n"), NOW, what).unwrap()
}

pub fn word(ask: &str, ok: bool) -> String {
    let start = start();
    let about = (code::digest(ask), id("web01"), &start);
    CodeWord::sign(&keys().pair.sign, about, CodeMethod::Totp, ok, NOW).unwrap()
}

fn after(seconds: u64) -> BootTime {
    BEGAN.plus(Duration::from_secs(seconds))
}

/// A login, and what its host sent.
struct Scene {
    stage: Stage,
    ask: String,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let ask = ask(&stage.server, CodeWant::Start(Box::new(start())));
        Self { stage, ask }
    }

    fn pending(&self) -> PendingCode {
        PendingCode::new(
            &start(),
            &self.ask,
            &self.stage.server.host,
            service(&self.stage),
            BEGAN,
        )
    }

    /// The word, changed and then signed by `signer`.
    fn word(&self, signer: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut said = payload(&word(&self.ask, true));
        change(&mut said);
        Keys::of(signer).value("assent-code+jws", &said)
    }
}

fn why(judged: Judged) -> Option<Unbelieved> {
    match judged {
        Judged::Unbelieved(why) => Some(why),
        Judged::Passed(_) | Judged::Wrong => None,
    }
}

#[test]
fn the_word_on_a_right_code_passes_its_login_once_and_a_wrong_one_leaves_it_open() {
    let scene = Scene::new();
    let mut pending = scene.pending();
    assert!(matches!(
        pending.judge(&word(&scene.ask, false), after(1), NOW),
        Judged::Wrong
    ));
    let right = word(&scene.ask, true);
    let Judged::Passed(passed) = pending.judge(&right, after(299), NOW) else {
        panic!("it passes");
    };
    assert!(passed.is_for(&start().ctx) && !passed.is_for(&nonce("another transaction")));
    assert_eq!((passed.method(), passed.record()), (CodeMethod::Totp, right.as_str()));
    assert_eq!(why(pending.judge(&right, after(299), NOW)), Some(Unbelieved::Late));
}

#[test]
fn r21_each_rule_on_the_word_stands_alone() {
    let scene = Scene::new();
    let judge = |word: &str| why(scene.pending().judge(word, after(1), NOW));
    let same = scene.word("codes", |_| {});
    assert_eq!(judge(&same), None, "unchanged, it passes");
    let other = nonce("another");
    let changes: [(&str, Value, Unbelieved); 10] = [
        ("req", json!(other.encode()), Unbelieved::Login),
        ("n", json!(other.encode()), Unbelieved::Login),
        ("id", json!(id("another").encode()), Unbelieved::Login),
        ("host_id", json!(id("web02").encode()), Unbelieved::Login),
        ("identity", json!(identity("example.org", "mallory")), Unbelieved::Login),
        (
            "identity",
            json!(identity("example.net", "1f0e-alice")),
            Unbelieved::Login,
        ),
        ("method", json!("mail"), Unbelieved::Method),
        ("method", json!("push"), Unbelieved::Signature),
        ("ok", json!("true"), Unbelieved::Signature),
        ("v", json!(2), Unbelieved::Signature),
    ];
    for (field, value, expected) in changes {
        let changed = scene.word("codes", |said| said[field] = value.clone());
        assert_eq!(judge(&changed), Some(expected), "{field} {value}");
    }
    for signer in ["issuer", "web01", "phone", "root", "mallory"] {
        assert_eq!(
            judge(&scene.word(signer, |_| {})),
            Some(Unbelieved::Signature),
            "{signer}"
        );
    }
    // The same content as another document of the same key.
    for typ in [
        "assent-res+jws",
        "assent-code-reply+jws",
        "assent-cs-req+jws",
        "assent-code-ask+jws",
    ] {
        let confused = keys().value(typ, &payload(&word(&scene.ask, true)));
        assert_eq!(judge(&confused), Some(Unbelieved::Signature), "{typ}");
    }
    let altered = format!("{}A", &same[..same.len() - 1]);
    assert!(altered == same || judge(&altered) == Some(Unbelieved::Signature));
    for junk in ["", "a.b.c", "…"] {
        assert_eq!(judge(junk), Some(Unbelieved::Signature), "{junk}");
    }
}

#[test]
fn a_word_counts_within_the_logins_life_and_the_certificates() {
    let scene = Scene::new();
    let right = word(&scene.ask, true);
    assert_eq!(why(scene.pending().judge(&right, after(299), NOW)), None);
    assert_eq!(
        why(scene.pending().judge(&right, after(300), NOW)),
        Some(Unbelieved::Late)
    );
    let claims = service(&scene.stage).claims().clone();
    for (wall, expected) in [
        (claims.nbf, None),
        (claims.exp, None),
        (claims.exp.plus(10_000), Some(Unbelieved::Certificate)),
        (
            assent_proto::time::UnixTime(NOW.0 - 10_000),
            Some(Unbelieved::Certificate),
        ),
    ] {
        assert_eq!(why(scene.pending().judge(&right, after(1), wall)), expected, "{wall:?}");
    }
    // Whatever the start says, ten minutes are the most.
    let long = CodeStart {
        ttl: 100_000,
        ..start()
    };
    let stage = &scene.stage;
    let mut pending = PendingCode::new(&long, &scene.ask, &stage.server.host, service(stage), BEGAN);
    assert_eq!(why(pending.judge(&right, after(600), NOW)), Some(Unbelieved::Late));
}

#[test]
fn r21_an_issuer_alone_certifies_a_code_service_and_it_is_neither_host_nor_device() {
    let stage = Stage::new();
    let document = certificate(&stage);
    assert_eq!(claimed_key(&document), Some(keys().public().id()));
    assert!(stage.issuer.verify_host(&document, NOW).is_err());
    assert!(stage.issuer.verify_device(&document, NOW).is_err());
    for signer in [&stage.root, &stage.server.keys, &stage.phone.keys, &keys()] {
        let forged = signer.value("assent-cs+jws", &payload(&document));
        assert!(stage.issuer.verify_code_service(&forged, NOW).is_err());
    }
    let claims = service(&stage).claims().clone();
    let late = claims.exp.plus(10_000);
    assert!(stage.issuer.verify_code_service(&document, late).is_err());
    // Only the holder of a key asks for its certificate.
    let stolen = Keys::of("mallory").value("assent-cs-req+jws", &payload(&request()));
    assert!(CodeServiceRequest::verify(&stolen).is_err());
}

#[test]
fn r30_a_call_is_read_by_the_code_service_and_its_reply_by_the_host_that_called() {
    let stage = Stage::new();
    let service = service(&stage);
    let typed = CodeWant::Check {
        id: id("code login"),
        code: TypedCode::new(b"123456").unwrap(),
    };
    let ask = ask(&stage.server, typed);
    let (sealed, open) = code::call(&service, &stage.server.host, ask.clone()).unwrap();
    assert!(code::receive(&Keys::of("mallory").pair, &sealed).is_err());
    let received = code::receive(&keys().pair, &sealed).unwrap();
    assert_eq!(
        (received.host.as_str(), received.ask.as_str()),
        (stage.server.host.document(), ask.as_str())
    );
    let reply = received.reply(&keys().pair, CodeReply::Ended {}, NOW).unwrap();
    // Another one's reply, and the reply to another call.
    let forged = received
        .reply(&Keys::of("mallory").pair, CodeReply::Ended {}, NOW)
        .unwrap();
    let (sealed_again, open_again) = code::call(&service, &stage.server.host, ask.clone()).unwrap();
    assert!(open_again.reply(&stage.server.keys.pair.kem, &reply).is_err());
    assert_ne!(sealed_again.blob.0, sealed.blob.0);
    let (_, open_third) = code::call(&service, &stage.server.host, ask).unwrap();
    assert!(matches!(
        open_third.reply(&stage.server.keys.pair.kem, &forged),
        Err(CallError::Seal(_) | CallError::Document(_))
    ));
    assert!(matches!(
        open.reply(&stage.server.keys.pair.kem, &reply),
        Ok(CodeReply::Ended {})
    ));
}

#[test]
fn a_host_asks_in_its_own_name_alone() {
    let stage = Stage::new();
    let other = stage.server("web02");
    let ask = ask(&stage.server, CodeWant::End { id: id("code login") });
    assert!(CodeAsk::verify(&ask, &stage.server.host).is_ok());
    assert!(CodeAsk::verify(&ask, &other.host).is_err());
    let named = other.keys.value("assent-code-ask+jws", &payload(&ask));
    assert!(CodeAsk::verify(&named, &other.host).is_err(), "another host's name");
}

#[test]
fn a_typed_code_is_short_printable_and_loses_what_people_put_between_groups() {
    for (typed, code) in [
        ("123456", Some("123456")),
        (" 123 456 ", Some("123456")),
        ("0123-4567-89AB-cdef", Some("0123456789ABcdef")),
        ("~!", Some("~!")),
        ("", None),
        ("  - -", None),
        ("12\n", None),
        ("12\0", None),
        ("12\u{7f}", None),
        ("１２３", None),
    ] {
        let read = TypedCode::new(typed.as_bytes());
        assert_eq!(read.as_ref().map(TypedCode::reveal), code, "{typed:?}");
    }
    assert!(TypedCode::new(&[b'1'; MAX_TYPED]).is_some() && TypedCode::new(&[b'1'; MAX_TYPED + 1]).is_none());
    assert!(TypedCode::new(&[0xff, b'1']).is_none());
    let code = TypedCode::new(b"123456").unwrap();
    assert!(!format!("{code:?}").contains("123456"));
    // On the wire it has one form.
    assert!(serde_json::from_str::<TypedCode>("\"123456\"").is_ok());
    for bad in ["\"123 456\"", "\"\"", "\"12\\n\"", "123456"] {
        assert!(serde_json::from_str::<TypedCode>(bad).is_err(), "{bad}");
    }
    const { assert!(CODE_TRIES <= 3) };
}

#[test]
fn the_digest_of_an_ask_is_that_of_its_bytes() {
    let scene = Scene::new();
    let digest: Digest = code::digest(&scene.ask);
    assert!(digest == sha256(&[scene.ask.as_bytes()]));
    let said = payload(&word(&scene.ask, true));
    assert_eq!(said["req"], json!(digest.encode()));
    assert_eq!(unbase64(said["req"].as_str().unwrap()).len(), 32);
}
