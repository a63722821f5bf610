//! What a person types as their name, and what a directory sends as a DN (R61): a name is one value of the filter and
//! one value of a DN, whatever is in it; a DN stands under itself and under nothing that it only resembles.
#![no_main]

use assent_engine::directory::ldap::fuzzing::{is_under, user_filter};
use assent_engine::names::UserName;
use assent_proto::text::Outside;
use ldap3::asn1::{Tag, write};
use libfuzzer_sys::fuzz_target;

const BASE: &str = "ou=people,dc=lab,dc=test";

fuzz_target!(|data: &[u8]| {
    if let Ok(user) = UserName::new(&Outside::new(data)) {
        a_value_of_the_filter(&user);
        a_value_of_a_dn(&user);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        a_dn(text);
    }
});

/// The filter in BER is exactly the one whose value is the name (RFC 4511, 4.5.1.7).
fn a_value_of_the_filter(user: &UserName) {
    let name = user.as_str().as_bytes();
    let equals = element(0xa3, &[element(4, b"uid"), element(4, name)].concat());
    assert_eq!(encoded(&user_filter(user, None)), equals);
    let class = element(0xa3, &[element(4, b"objectClass"), element(4, b"person")].concat());
    let both = element(0xa0, &[equals, class].concat());
    assert_eq!(encoded(&user_filter(user, Some("(objectClass=person)"))), both);
}

fn a_value_of_a_dn(user: &UserName) {
    let dn = format!("uid={},{BASE}", ldap3::dn_escape(user.as_str()));
    assert_eq!(is_under(&dn, BASE), Some(true), "{dn}");
    assert_eq!(is_under(BASE, &dn), Some(false), "{dn}");
    assert_eq!(is_under(&dn, &format!("ou=admins,{BASE}")), Some(false), "{dn}");
}

fn a_dn(text: &str) {
    let Some(itself) = is_under(text, text) else { return };
    assert!(itself, "{text:?} does not stand under itself");
    assert_eq!(is_under(text, ""), Some(true), "{text:?} does not stand under the root");
    if !text.trim().is_empty() {
        let child = format!("uid=alice,{text}");
        assert_eq!(is_under(&child, text), Some(true), "{child:?}");
        assert_eq!(is_under(text, &child), Some(false), "{child:?}");
    }
}

fn encoded(filter: &str) -> Vec<u8> {
    let tag: Tag = ldap3::parse_filter(filter).unwrap_or_else(|()| panic!("{filter} is no filter"));
    let mut out = Default::default();
    write::encode_into(&mut out, ldap3::asn1::ASNTag::into_structure(tag)).expect("memory takes it");
    out.to_vec()
}

fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match body.len() {
        short @ 0..=127 => out.push(short as u8),
        middle @ 128..=255 => out.extend([0x81, middle as u8]),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend(body);
    out
}
