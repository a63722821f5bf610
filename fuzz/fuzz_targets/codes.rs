//! The documents of the code service, as they come and well signed: a host's ask, the certificate and the request for it, and
//! the word on a typed code. Nothing panics, and a word passes the login that it was asked for and no other.
//!
//! Input: in the first byte which document (the numbers stand in xtask/src/fuzz.rs, too), then its content, which its usual
//! signer signs; with the highest bit set, the whole document as it comes.
#![no_main]

#[allow(dead_code, missing_docs)]
#[path = "../../proto/tests/proto/stage.rs"]
mod stage;

use assent_proto::code::{self, CodeAsk, CodeMethod, CodeStart, CodeWant, Judged, PendingCode, TypedCode};
use assent_proto::code_service::{CodeService, CodeServiceRequest, claimed_key, sign_code_service};
use assent_proto::time::BootTime;
use libfuzzer_sys::fuzz_target;
use stage::{Keys, NOW, Stage, alice, id, issuance, nonce, text};
use std::sync::OnceLock;
use std::time::Duration;

static SCENE: OnceLock<Scene> = OnceLock::new();

/// When the login began.
const BEGAN: BootTime = BootTime(Duration::from_secs(500));

struct Scene {
    stage: Stage,
    codes: Keys,
    service: CodeService,
    start: CodeStart,
    ask: String,
}

impl Scene {
    fn new() -> Self {
        let (stage, codes) = (Stage::new(), Keys::of("codes"));
        let request = CodeServiceRequest::sign(&codes.pair, NOW).unwrap();
        let request = CodeServiceRequest::verify(&request).unwrap();
        let issuer = &stage.issuer_keys.pair.sign;
        let certificate = sign_code_service(&stage.issuer, issuer, &request, issuance()).unwrap();
        let service = stage.issuer.verify_code_service(&certificate, NOW).unwrap();
        // As the golden word's.
        let start = CodeStart {
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
        };
        let (key, host) = (&stage.server.keys.pair.sign, &stage.server.host);
        let ask = CodeAsk::sign(key, host, id("n"), NOW, CodeWant::Start(Box::new(start.clone()))).unwrap();
        Self {
            stage,
            codes,
            service,
            start,
            ask,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, content)) = data.split_first() else {
        return;
    };
    let scene = SCENE.get_or_init(Scene::new);
    let (stage, host) = (&scene.stage, &scene.stage.server);
    let signed = |keys: &Keys, typ: &str| match kind & 0x80 {
        0 => keys.document(typ, content),
        _ => String::from_utf8_lossy(content).into_owned(),
    };
    match kind & 0x0f {
        0 => {
            if let Ok(ask) = CodeAsk::verify(&signed(&host.keys, "assent-code-ask+jws"), &host.host) {
                assert_eq!(ask.host_id, host.host.claims().host_id);
            }
        }
        1 => {
            let document = signed(&stage.issuer_keys, "assent-cs+jws");
            let _ = claimed_key(&document);
            if let Ok(service) = stage.issuer.verify_code_service(&document, NOW) {
                assert!(NOW.within(service.claims().nbf, service.claims().exp));
            }
        }
        2 => drop(CodeServiceRequest::verify(&signed(&scene.codes, "assent-cs-req+jws"))),
        3 => {
            if let Some(code) = TypedCode::new(content) {
                assert!(!code.reveal().is_empty() && code.reveal().len() <= code::MAX_TYPED);
            }
        }
        _ => {
            let word = signed(&scene.codes, "assent-code+jws");
            let mut pending = PendingCode::new(&scene.start, &scene.ask, &host.host, scene.service.clone(), BEGAN);
            if let Judged::Passed(passed) = pending.judge(&word, BEGAN, NOW) {
                assert!(passed.is_for(&scene.start.ctx));
                assert!(scene.start.methods.contains(&passed.method()));
                let again = pending.judge(&word, BEGAN, NOW);
                assert!(matches!(again, Judged::Unbelieved(_)), "a word passes one login once");
            }
        }
    }
});
