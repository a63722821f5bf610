//! Answers to a push: whatever a certified device signs and seals, nothing panics, and the login is approved only by a
//! document that says so of this very push.
//!
//! Input: flags in the first byte, then the answer's content, which is signed (or not) and sealed (or not).
#![no_main]

#[allow(dead_code, missing_docs)]
#[path = "../../proto/tests/proto/stage.rs"]
mod stage;

use assent_proto::Bytes;
use assent_proto::verdict::Received;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stage::{Ask, Stage};
use std::sync::OnceLock;

static STAGE: OnceLock<Stage> = OnceLock::new();
static ASK: OnceLock<Ask<'static>> = OnceLock::new();

const UNSIGNED: u8 = 1;
const UNSEALED: u8 = 2;

fuzz_target!(|data: &[u8]| {
    let Some((&flags, content)) = data.split_first() else {
        return;
    };
    let stage = STAGE.get_or_init(Stage::new);
    let ask = ASK.get_or_init(|| Ask::tap(stage, "push"));
    let phone = &stage.phone;
    let document = match flags & UNSIGNED {
        0 => phone.keys.document("assent-res+jws", content),
        _ => String::from_utf8_lossy(content).into_owned(),
    };
    let sealed = match flags & UNSEALED {
        0 if document.len() > assent_proto::MAX_JWS => return,
        0 => ask.seal(phone.id(), document),
        _ => Bytes(content.to_vec()),
    };
    let mut pending = ask.pending();
    match ask.receive(&mut pending, phone.id(), &sealed) {
        Received::Approved(approved) => {
            assert_eq!(flags & (UNSIGNED | UNSEALED), 0, "approved without a signature");
            let said: Value = serde_json::from_slice(content).expect("an approval is JSON");
            let whole = |key: &str, value: &str| assert_eq!(said[key], value, "approved with another {key}");
            whole("decision", "approve");
            whole("id", &ask.statement.id.to_string());
            whole("n", &ask.statement.n.to_string());
            whole("req", &assent_proto::sha256(&[ask.request.as_bytes()]).to_string());
            whole("device_id", &phone.id().to_string());
            assert!(approved.is_for(&ask.statement.ctx) && said.get("num").is_none());
            // One use (R2).
            let again = ask.receive(&mut pending, phone.id(), &sealed);
            assert!(!matches!(again, Received::Approved(_)), "approved twice");
        }
        Received::Refused { .. } => assert_eq!(flags & (UNSIGNED | UNSEALED), 0, "refused without a signature"),
        Received::Ignored { .. } => {}
    }
});
