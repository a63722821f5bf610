//! Documents that say which roots count from now on, as they come and well signed. A set of roots is taken only as the
//! next version, and only with the signature of a root that counts now; whatever it says, it can be reached.
//!
//! Input: in the first byte who signs (a bit a key; none: the whole document as it comes), then the content.
#![no_main]

#[allow(dead_code, missing_docs)]
#[path = "../../proto/tests/proto/stage.rs"]
mod stage;

use assent_proto::roots::{Lineage, MAX_ROOTS, RootSet, Unsigned, cosign, to_cosign};
use libfuzzer_sys::fuzz_target;
use stage::Keys;
use std::sync::OnceLock;

static KEYS: OnceLock<[Keys; 3]> = OnceLock::new();
/// The one that counts at first.
const PINNED: u8 = 1;

fn well_made(set: &RootSet) {
    let keys = set.keys();
    assert!((1..=MAX_ROOTS).contains(&keys.len()));
    assert!((1..=keys.len()).contains(&usize::from(set.threshold())), "a threshold that is never reached");
    assert!((1..keys.len()).all(|at| !keys[..at].contains(&keys[at])), "a key twice");
}

fuzz_target!(|data: &[u8]| {
    let Some((&who, content)) = data.split_first() else {
        return;
    };
    let keys = KEYS.get_or_init(|| ["root", "root 2", "root 3"].map(Keys::of));
    let signers = keys.iter().enumerate().filter(|(at, _)| who & (1 << at) != 0);
    let parts: Vec<String> = signers
        .map(|(_, keys)| keys.document("assent-root+jws", content))
        .collect();
    let document = match parts.is_empty() {
        true => String::from_utf8_lossy(content).into_owned(),
        false => parts.join("~"),
    };
    let pinned = RootSet::of_key(keys[0].public());
    let stepped = pinned.step(&document);
    if let Ok(next) = &stepped {
        assert!(parts.is_empty() || who & PINNED != 0, "a step without the pinned root");
        assert_eq!(next.version(), 2, "a step that is no step");
        well_made(next);
        assert_eq!(RootSet::of_document(&document).as_ref(), Ok(next));
        assert!(next.step(&document).is_err(), "a step twice");
    }
    if let Ok(set) = RootSet::of_document(&document) {
        well_made(&set);
    }
    let mut lineage = Lineage::new(pinned.clone());
    let followed = lineage.follow(&[document.clone(), document.clone()]);
    assert_eq!(followed.steps, usize::from(stepped.is_ok()));
    assert_eq!(Lineage::replay(pinned, lineage.steps()).as_ref(), Ok(&lineage));
    // What a root's holder is asked to sign beside others.
    if let Ok((unsigned, _)) = to_cosign(&document) {
        if let Ok(more) = cosign(&document, &keys[2].pair.sign) {
            assert!(to_cosign(&more).is_ok());
        }
        drop::<Unsigned>(unsigned);
    }
});
