//! What goes over the link between a relay and a registrar that run apart: the claim that begins it, what the registrar
//! orders, what it hears. What was read is written and read again as the same.
//!
//! Input: in the first byte what it is, then the bytes; a claim's content is signed by the link key, unless the highest bit
//! is set.
#![no_main]

#[allow(dead_code, missing_docs)]
#[path = "../../proto/tests/proto/stage.rs"]
mod stage;

use assent_proto::link::{Claim, Event, Orders, Session, Taken};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stage::{Keys, NOW};
use std::sync::OnceLock;

static KEYS: OnceLock<Keys> = OnceLock::new();
const AUD: &str = "https://relay.example.org";

fn again<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&read).expect("what was read is written");
        let second: T = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(written, serde_json::to_vec(&second).expect("JSON"));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, content)) = data.split_first() else {
        return;
    };
    match kind & 0x07 {
        0 => {
            let keys = KEYS.get_or_init(|| Keys::of("link"));
            let bearer = match kind & 0x80 {
                0 => keys.document("assent-link-auth+jws", content),
                _ => String::from_utf8_lossy(content).into_owned(),
            };
            if let Ok(claim) = Claim::verify(&bearer, &keys.public(), AUD) {
                assert_eq!(claim.aud.as_str(), AUD);
                let _ = claim.fresh(NOW);
            }
        }
        1 => again::<Orders>(content),
        2 => again::<Event>(content),
        3 => again::<Session>(content),
        _ => again::<Taken>(content),
    }
});
