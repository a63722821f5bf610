//! R20: the one way in which a signature verifies and the two in which a public key is taken, against the vectors of
//! Project Wycheproof (`tests/wycheproof`). The agreement of two keys itself is HPKE's, with vectors of its own.

use crate::keys::{KemPublic, VerifyingKey};
use serde_json::Value;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn r20_every_ecdsa_vector_is_judged_as_it_should_be() {
    let all = vectors(include_str!("../tests/wycheproof/ecdsa.json"));
    let (mut good, mut bad) = (0, 0);
    for group in all["groups"].as_array().unwrap() {
        let key = VerifyingKey::from_point(&bytes(&group["key"])).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let valid = test["valid"].as_bool().unwrap();
            assert_eq!(
                key.verifies(&bytes(&test["msg"]), &bytes(&test["sig"])),
                valid,
                "{test}"
            );
            *(if valid { &mut good } else { &mut bad }) += 1;
        }
    }
    assert_eq!((good, bad), (173, 89));
}

#[test]
fn r20_points_off_the_curve_and_other_forms_are_no_keys() {
    let all = vectors(include_str!("../tests/wycheproof/ecdh.json"));
    let (mut good, mut bad) = (0, 0);
    for test in all["tests"].as_array().unwrap() {
        let point = bytes(&test["public"]);
        // "Acceptable" is a compressed point: one form is enough.
        let valid = test["result"] == "valid";
        assert_eq!(KemPublic::from_point(&point).is_ok(), valid, "{test}");
        assert_eq!(VerifyingKey::from_point(&point).is_ok(), valid, "{test}");
        *(if valid { &mut good } else { &mut bad }) += 1;
    }
    assert_eq!((good, bad), (330, 25));
}
