//! R19: malformed documents, made from valid ones, shown to the public verifier of each type.

use crate::stage::{Ask, Keys, NOW, Stage, base64, id, payload, text, unbase64};
use assent_proto::answer::Decision;
use assent_proto::cert::{CertError, IssuerRequest};
use assent_proto::checkpoint::Checkpoint;
use assent_proto::code::{CodeAsk, CodeWant, CodeWord};
use assent_proto::enrol::Enrolment;
use assent_proto::link;
use assent_proto::registrar::{DeviceAsk, DeviceCall, DeviceWant, HostAsk, HostJoin, HostWant};
use assent_proto::relay::Claim;
use assent_proto::request::{self, Envelope, RequestError};
use assent_proto::revocation::{RevocationClaims, Revocations};
use assent_proto::verdict::{Received, Rubbish};
use assent_proto::{JwsError, sha256};
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::Signature;
use sha2::Sha256;

/// An error without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    TooLong,
    Form,
    Header,
    Signer,
    Signature,
    Content,
}

fn kind(error: &JwsError) -> Kind {
    match error {
        JwsError::TooLong => Kind::TooLong,
        JwsError::Form => Kind::Form,
        JwsError::Header => Kind::Header,
        JwsError::Signer | JwsError::Threshold { .. } => Kind::Signer,
        JwsError::Signature => Kind::Signature,
        JwsError::Content(_) => Kind::Content,
        JwsError::Unsigned(_) => panic!("keys in memory always sign"),
    }
}

fn cert_kind(error: &CertError) -> Kind {
    match error {
        CertError::Document(error) => kind(error),
        CertError::UnknownRoot(_) => Kind::Signer,
        other => panic!("not for its form: {other}"),
    }
}

/// A place where a document is expected.
struct Slot<'a> {
    typ: &'static str,
    keys: &'a Keys,
    valid: String,
    /// A field that holds a text for people.
    words: &'static str,
    /// Fields that may be absent.
    optional: &'static [&'static str],
    verify: Box<dyn Fn(&str) -> Result<(), Kind> + 'a>,
}

fn slots<'a>(stage: &'a Stage, codes: &'a Keys) -> Vec<Slot<'a>> {
    let service = crate::code::service(stage);
    let code_ask = crate::code::ask(&stage.server, CodeWant::End { id: id("code login") });
    let host = &stage.server.keys;
    let ask = Ask::tap(stage, "push");
    let expiry = ask.statement.expiry();
    let (push, request) = (ask.statement.id, ask.request.clone());
    let aud = "https://relay.example.org";
    let want = HostWant::Enrolment { token_id: id("token") };
    vec![
        Slot {
            typ: "assent-relay-auth+jws",
            keys: host,
            valid: Claim::sign(&host.pair.sign, aud, id("web01"), NOW).unwrap(),
            words: "aud",
            optional: &[],
            verify: Box::new(move |doc| Claim::verify(doc, &host.public(), aud).map(drop).map_err(|e| kind(&e))),
        },
        Slot {
            typ: "assent-link-auth+jws",
            keys: host,
            valid: link::Claim::sign(&host.pair.sign, aud, NOW).unwrap(),
            words: "aud",
            optional: &[],
            verify: Box::new(move |doc| {
                link::Claim::verify(doc, &host.public(), aud)
                    .map(drop)
                    .map_err(|e| kind(&e))
            }),
        },
        Slot {
            typ: "assent-issuer+jws",
            keys: &stage.root,
            valid: stage.issuer.document().to_owned(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| stage.trust.verify_issuer(doc, NOW).map(drop).map_err(|e| cert_kind(&e))),
        },
        Slot {
            typ: "assent-host+jws",
            keys: &stage.issuer_keys,
            valid: stage.server.host.document().to_owned(),
            words: "display",
            optional: &[],
            verify: Box::new(|doc| stage.issuer.verify_host(doc, NOW).map(drop).map_err(|e| cert_kind(&e))),
        },
        Slot {
            typ: "assent-dev+jws",
            keys: &stage.issuer_keys,
            valid: stage.phone.device.document().to_owned(),
            words: "label",
            optional: &[],
            verify: Box::new(|doc| {
                stage
                    .issuer
                    .verify_device(doc, NOW)
                    .map(drop)
                    .map_err(|e| cert_kind(&e))
            }),
        },
        Slot {
            typ: "assent-req+jws",
            keys: host,
            valid: request,
            words: "user",
            optional: &["src"],
            verify: Box::new(move |doc| {
                let envelope = Envelope {
                    req: doc.to_owned(),
                    host: stage.server.host.document().to_owned(),
                    issuer: stage.issuer.document().to_owned(),
                };
                match request::verify(&envelope, push, expiry, &stage.trust, NOW) {
                    Ok(_) => Ok(()),
                    Err(RequestError::Document(error)) => Err(kind(&error)),
                    Err(other) => panic!("not for its form: {other}"),
                }
            }),
        },
        Slot {
            typ: "assent-host-ask+jws",
            keys: host,
            valid: HostAsk::sign(&host.pair.sign, id("web01"), id("n"), NOW, want).unwrap(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| HostAsk::verify(doc, &stage.server.host).map(drop).map_err(|e| kind(&e))),
        },
        Slot {
            typ: "assent-dev-ask+jws",
            keys: &stage.phone.keys,
            valid: DeviceAsk::sign(&stage.phone.keys.pair.sign, id("token"), id("n"), NOW).unwrap(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| {
                DeviceAsk::verify(doc, &stage.phone.keys.public())
                    .map(drop)
                    .map_err(|e| kind(&e))
            }),
        },
        Slot {
            typ: "assent-dev-call+jws",
            keys: &stage.phone.keys,
            valid: DeviceCall::sign(
                &stage.phone.keys.pair.sign,
                stage.phone.id(),
                id("n"),
                NOW,
                DeviceWant::Leave,
            )
            .unwrap(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| {
                DeviceCall::verify(doc, &stage.phone.device)
                    .map(drop)
                    .map_err(|e| kind(&e))
            }),
        },
        Slot {
            typ: "assent-rev+jws",
            keys: &stage.issuer_keys,
            valid: RevocationClaims::new(1, NOW, vec![id("a"), id("b")], vec![id("c")], vec![])
                .sign(&stage.issuer_keys.pair.sign)
                .unwrap(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| {
                Revocations::verify(&stage.trust, stage.issuer.document(), doc)
                    .map(drop)
                    .map_err(|e| cert_kind(&e))
            }),
        },
        Slot {
            typ: "assent-cs+jws",
            keys: &stage.issuer_keys,
            valid: crate::code::certificate(stage),
            words: "",
            optional: &[],
            verify: Box::new(|doc| {
                stage
                    .issuer
                    .verify_code_service(doc, NOW)
                    .map(drop)
                    .map_err(|e| cert_kind(&e))
            }),
        },
        Slot {
            typ: "assent-code-ask+jws",
            keys: host,
            valid: code_ask.clone(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| CodeAsk::verify(doc, &stage.server.host).map(drop).map_err(|e| kind(&e))),
        },
        Slot {
            typ: "assent-code+jws",
            keys: codes,
            valid: crate::code::word(&code_ask, true),
            words: "",
            optional: &[],
            verify: Box::new(move |doc| CodeWord::verify(doc, &service).map(drop).map_err(|e| kind(&e))),
        },
        Slot {
            typ: "assent-cp+jws",
            keys: host,
            valid: Checkpoint::new(id("web01"), 7, sha256(&[b"a record"]), NOW)
                .sign(&host.pair.sign)
                .unwrap(),
            words: "",
            optional: &[],
            verify: Box::new(|doc| {
                Checkpoint::verify(doc, &stage.server.host)
                    .map(drop)
                    .map_err(|e| kind(&e))
            }),
        },
    ]
}

/// A header or payload as raw JSON, field by field, so that a test can write what no serialiser would.
#[derive(Clone)]
struct Raw(Vec<(String, String)>);

impl Raw {
    fn of(json: &serde_json::Value) -> Self {
        Self(
            json.as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), value.to_string()))
                .collect(),
        )
    }

    fn text(&self) -> String {
        let fields: Vec<String> = self.0.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }

    fn with(&self, key: &str, value: &str) -> String {
        let mut other = self.clone();
        match other.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => other.0.push((key.to_owned(), value.to_owned())),
        }
        other.text()
    }

    fn without(&self, key: &str) -> String {
        Self(self.0.iter().filter(|(known, _)| known != key).cloned().collect()).text()
    }

    fn twice(&self, key: &str) -> String {
        let mut other = self.clone();
        let field = other.0.iter().find(|(known, _)| known == key).unwrap().clone();
        other.0.push(field);
        other.text()
    }
}

type Case = (String, String, Kind);

fn cases(slot: &Slot<'_>) -> Vec<Case> {
    [
        headers(slot),
        signatures(slot),
        forms(slot),
        payloads(slot),
        fields(slot),
    ]
    .concat()
}

fn body(slot: &Slot<'_>) -> Vec<u8> {
    unbase64(slot.valid.split('.').nth(1).unwrap())
}

/// Well signed, so that nothing but the header is wrong.
fn headers(slot: &Slot<'_>) -> Vec<Case> {
    let keys = slot.keys;
    let body = body(slot);
    let header = Raw::of(&serde_json::from_str(&keys.header(slot.typ)).unwrap());
    let kid = keys.public().id().encode();
    let mut bad: Vec<String> = Vec::new();
    for alg in [
        "none", "None", "NONE", "HS256", "HS384", "EdDSA", "ES384", "ES512", "ES256K", "RS256", "PS256", "es256",
        "ES256 ", "",
    ] {
        bad.push(header.with("alg", &format!("\"{alg}\"")));
    }
    for value in ["null", "256", "[\"ES256\"]", "{}", "true", "\"\\u0045S256\""] {
        bad.push(header.with("alg", value));
    }
    for typ in ["JWT", "jws", "", "assent", "assent-grant+jws", "application/jose"] {
        bad.push(header.with("typ", &format!("\"{typ}\"")));
    }
    bad.push(header.with("typ", &format!("\"{}\"", slot.typ.to_uppercase())));
    bad.push(header.with("typ", &format!("\"application/{}\"", slot.typ)));
    bad.push(header.with("typ", "null"));
    for value in ["null", "\"\"", "1", "\"AAAA\""] {
        bad.push(header.with("kid", value));
    }
    bad.push(header.with("kid", &format!("\"{kid}=\"")));
    bad.push(header.with("kid", &format!("\"{kid}A\"")));
    bad.push(header.with("kid", &format!("\"{}\"", &kid[..42])));
    for key in ["alg", "typ", "kid"] {
        bad.push(header.without(key));
        bad.push(header.twice(key));
    }
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, base64(&[1; 32]));
    for (key, value) in [
        ("jwk", jwk.as_str()),
        ("jku", "\"https://evil.example/keys\""),
        ("x5c", "[\"AAAA\"]"),
        ("x5u", "\"https://evil.example/x\""),
        ("x5t", "\"AAAA\""),
        ("x5t#S256", "\"AAAA\""),
        ("crit", "[]"),
        ("crit", "[\"b64\"]"),
        ("b64", "true"),
        ("b64", "false"),
        ("cty", "\"JWT\""),
        ("zip", "\"DEF\""),
        ("iss", "\"x\""),
        ("Alg", "\"ES256\""),
        ("", "null"),
    ] {
        bad.push(header.with(key, value));
    }
    bad.extend([
        format!(r#"["ES256","{}","{kid}"]"#, slot.typ),
        "{}".into(),
        "[]".into(),
        "null".into(),
        "\"\"".into(),
        String::new(),
        format!("{}x", header.text()),
        header.text().repeat(2),
        format!("\u{feff}{}", header.text()),
        header.text().replace('"', "'"),
        header.text().replace('}', ",}"),
    ]);
    let mut out: Vec<Case> = bad
        .into_iter()
        .map(|h| (format!("header {h}"), keys.jws(&h, &body), Kind::Header))
        .collect();

    let not_utf8 = header
        .text()
        .into_bytes()
        .into_iter()
        .chain([0xff])
        .collect::<Vec<u8>>();
    out.push((
        "header not UTF-8".into(),
        keys.signed(format!("{}.{}", base64(&not_utf8), base64(&body))),
        Kind::Header,
    ));
    out.extend(unsigned_and_hmac(slot, &header));
    let other = Keys::of("mallory");
    out.push(("another signer".into(), other.document(slot.typ, &body), Kind::Signer));
    out.push((
        "another kid".into(),
        keys.jws(&other.header(slot.typ), &body),
        Kind::Signer,
    ));
    out.push((
        "another key under this kid".into(),
        other.jws(&keys.header(slot.typ), &body),
        Kind::Signature,
    ));
    out
}

/// The classic confusions: no signature, and the public key as a shared secret.
fn unsigned_and_hmac(slot: &Slot<'_>, header: &Raw) -> Vec<Case> {
    let body = base64(&body(slot));
    let head = |alg: &str| {
        format!(
            "{}.{body}",
            base64(header.with("alg", &format!("\"{alg}\"")).as_bytes())
        )
    };
    let none = head("none");
    let mut out: Vec<Case> = vec![
        ("alg none, unsigned".into(), format!("{none}."), Kind::Header),
        (
            "alg none, zero signature".into(),
            format!("{none}.{}", base64(&[0; 64])),
            Kind::Header,
        ),
        ("ES256, unsigned".into(), format!("{}.", head("ES256")), Kind::Signature),
    ];
    let public = slot.keys.public();
    let pem = public.to_pem().unwrap();
    for (what, key) in [
        ("point", slot.keys.point()),
        ("PEM", pem.into_bytes()),
        ("kid", public.id().encode().into_bytes()),
    ] {
        for (alg, kind) in [("HS256", Kind::Header), ("ES256", Kind::Signature)] {
            let head = head(alg);
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(head.as_bytes());
            let tag = mac.finalize().into_bytes();
            out.push((
                format!("{alg} with the public {what} as secret"),
                format!("{head}.{}", base64(&tag)),
                kind,
            ));
        }
    }
    out
}

/// The order of P-256.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn signatures(slot: &Slot<'_>) -> Vec<Case> {
    let (head, good) = slot.valid.rsplit_once('.').unwrap();
    let good = unbase64(good);
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    let mut over = N;
    over[31] += 1;
    let max = [0xff; 32];
    let der = Signature::from_slice(&good).unwrap().to_der().as_bytes().to_vec();
    let other = slot.keys.sign_raw(b"another message");
    let payload_alone = slot.keys.sign_raw(head.split('.').nth(1).unwrap().as_bytes());
    let mut der_64 = der.clone();
    der_64.resize(64, 0);
    let list: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("one byte", vec![0]),
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = s = 0", vec![0; 64]),
        ("r = n", [&N, s].concat()),
        ("s = n", [r, &N].concat()),
        ("r = s = n", [N, N].concat()),
        ("r = n + 1", [&over, s].concat()),
        ("s = n + 1", [r, &over].concat()),
        ("r at most", [&max, s].concat()),
        ("s at most", [r, &max].concat()),
        ("all ones", vec![0xff; 64]),
        ("r = 0, s = n", [zero, N].concat()),
        ("swapped", [s, r].concat()),
        ("r alone", r.to_vec()),
        ("DER", der),
        ("DER, cut or filled to 64", der_64),
        ("63 bytes", good[..63].to_vec()),
        ("65 bytes", [&good[..], &[0]].concat()),
        ("a zero in front", [&[0], &good[..]].concat()),
        ("twice", [&good[..], &good[..]].concat()),
        ("96 bytes, as ES384", vec![1; 96]),
        ("of another message", other),
        ("of the payload alone", payload_alone),
        ("a bit off in r", {
            let mut x = good.clone();
            x[31] ^= 1;
            x
        }),
        ("a bit off in s", {
            let mut x = good.clone();
            x[63] ^= 1;
            x
        }),
    ];
    list.into_iter()
        .map(|(what, bytes)| {
            (
                format!("signature: {what}"),
                format!("{head}.{}", base64(&bytes)),
                Kind::Signature,
            )
        })
        .collect()
}

/// Not the one compact form. Signed again where the signature covers the change.
fn forms(slot: &Slot<'_>) -> Vec<Case> {
    let valid = &slot.valid;
    let parts: Vec<&str> = valid.split('.').collect();
    let [header, body, signature] = parts[..] else { panic!() };
    let signed = |header: &str, body: &str| slot.keys.signed(format!("{header}.{body}"));
    let mut out: Vec<(String, String)> = vec![
        ("nothing".into(), String::new()),
        ("one part".into(), header.into()),
        ("two parts".into(), format!("{header}.{body}")),
        ("four parts".into(), format!("{valid}.{signature}")),
        ("five parts".into(), format!("{header}.{body}.AA.AA.{signature}")),
        ("trailing dot".into(), format!("{valid}.")),
        ("leading dot".into(), format!(".{valid}")),
        ("double dot".into(), valid.replacen('.', "..", 1)),
        (
            "flattened JSON".into(),
            format!(r#"{{"protected":"{header}","payload":"{body}","signature":"{signature}"}}"#),
        ),
        ("blank in front".into(), format!(" {valid}")),
        ("blank behind".into(), format!("{valid} ")),
        ("newline behind".into(), format!("{valid}\n")),
        ("zero byte behind".into(), format!("{valid}\0")),
        (
            "newline in the header, signed".into(),
            signed(&format!("{}\n{}", &header[..8], &header[8..]), body),
        ),
        (
            "blank in the payload, signed".into(),
            signed(header, &format!("{} {}", &body[..8], &body[8..])),
        ),
        (
            "newline in the signature".into(),
            format!("{header}.{body}.{}\n{}", &signature[..8], &signature[8..]),
        ),
        ("padded header, signed".into(), signed(&format!("{header}="), body)),
        ("padded payload, signed".into(), signed(header, &format!("{body}="))),
        ("padded signature".into(), format!("{valid}==")),
        ("two more characters in the signature".into(), format!("{valid}AA==")),
        ("umlaut".into(), format!("{header}.{body}.ä{}", &signature[1..])),
        ("percent".into(), format!("{header}.{body}.%41{}", &signature[3..])),
    ];
    // 64 bytes end in a character with four unused bits.
    for unused in 1..16u8 {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = signature.bytes().last().unwrap();
        let value = u8::try_from(alphabet.iter().position(|c| *c == last).unwrap()).unwrap();
        let other = char::from(alphabet[usize::from((value & 0x30) | unused)]);
        out.push((
            format!("unused bits {unused}"),
            format!("{}{other}", &valid[..valid.len() - 1]),
        ));
    }
    // A payload whose length leaves bits over, and one whose text has both special characters.
    let raw = unbase64(body);
    for blanks in 0..3 {
        let padded = [&raw[..], &vec![b' '; blanks]].concat();
        if padded.len() % 3 != 0 {
            let mut spelled = base64(&padded);
            let last = spelled.pop().unwrap();
            spelled.push(char::from(last as u8 + 1));
            out.push((
                format!("payload with unused bits, {blanks} blanks, signed"),
                signed(header, &spelled),
            ));
        }
    }
    // Standard alphabet: sign with other blanks until the text holds such a character.
    let special = (0..2000usize)
        .map(|n| base64(&[format!("{n}\u{3}\u{3fff}").as_bytes(), &[0xfb, 0xff, 0xfe]].concat()))
        .find(|text| text.contains('-') || text.contains('_'))
        .unwrap();
    let standard = special.replace('-', "+").replace('_', "/");
    out.push((
        "standard alphabet in the payload, signed".into(),
        signed(header, &standard),
    ));
    out.push((
        "standard alphabet in the signature".into(),
        format!("{header}.{body}.{}+/{}", &signature[..20], &signature[22..]),
    ));
    out.push((
        "standard alphabet in the header, signed".into(),
        signed(&format!("{}+{}", &header[..8], &header[9..]), body),
    ));

    let mut out: Vec<Case> = out.into_iter().map(|(what, doc)| (what, doc, Kind::Form)).collect();
    let keys = slot.keys;
    let fill = |to: usize| [&raw[..], &vec![b' '; to - raw.len()]].concat();
    let (payload, whole) = limits(slot.typ);
    out.push((
        "a payload over its limit, signed".into(),
        keys.document(slot.typ, &fill(payload + 1)),
        Kind::TooLong,
    ));
    out.push((
        "over the limit, signed".into(),
        keys.document(slot.typ, &fill(whole)),
        Kind::TooLong,
    ));
    out.push(("over the limit of nothing".into(), ".".repeat(whole + 1), Kind::TooLong));
    out.push(("the limit of dots".into(), ".".repeat(whole), Kind::Form));
    out
}

/// Most bytes of a type's payload and of its compact form: a revocation list alone is longer.
fn limits(typ: &str) -> (usize, usize) {
    match typ {
        "assent-rev+jws" => (512 * 1024, 512 * 1024 / 3 * 4 + 1024),
        _ => (16 * 1024, 24 * 1024),
    }
}

/// Well signed, but no content of the type.
/// A document's content as an array of its values, in the order in which they were written: serde would read a struct
/// from it.
fn values_in_order(compact: &str) -> String {
    struct Values(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Values {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Values;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                    let mut values = Vec::new();
                    while let Some((_, value)) = map.next_entry::<String, serde_json::Value>()? {
                        values.push(value.to_string());
                    }
                    Ok(Values(values))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    let bytes = unbase64(compact.split('.').nth(1).unwrap());
    let Values(values) = serde_json::from_slice(&bytes).unwrap();
    format!("[{}]", values.join(","))
}

fn payloads(slot: &Slot<'_>) -> Vec<Case> {
    let fields = Raw::of(&payload(&slot.valid));
    let whole = fields.text();
    let as_array = values_in_order(&slot.valid);
    let mut bad: Vec<Vec<u8>> = [
        String::new(),
        "null".into(),
        "{}".into(),
        "[]".into(),
        "0".into(),
        "true".into(),
        "\"text\"".into(),
        as_array,
        format!("[{whole}]"),
        format!("{whole}{whole}"),
        format!("{whole}x"),
        format!("{whole}\0"),
        format!("\u{feff}{whole}"),
        whole[..whole.len() - 1].to_owned(),
        whole[1..].to_owned(),
        format!("{{,{}", &whole[1..]),
        format!("{},}}", &whole[..whole.len() - 1]),
        format!("/**/{whole}"),
        format!("{whole}//"),
        whole.replace('"', "'"),
        fields.with("unknown", "1"),
        fields.with("unknown", "null"),
        fields.with("", "null"),
        fields.with("V", "1"),
        fields.with("__proto__", "{}"),
        fields.with("x", &"[".repeat(10_000)),
        fields.with("v", "0"),
        fields.with("v", "2"),
        fields.with("v", "1.0"),
        fields.with("v", "1e0"),
        fields.with("v", "01"),
        fields.with("v", "+1"),
        fields.with("v", "-1"),
        fields.with("v", "\"1\""),
        fields.with("v", "true"),
        fields.with("v", "NaN"),
        fields.with("v", "257"),
        fields.with("v", "18446744073709551617"),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    bad.push([whole.as_bytes(), &[0xff]].concat());
    if !slot.words.is_empty() {
        for value in [
            "1".to_owned(),
            "[\"a\"]".into(),
            "\"\\ud800\"".into(),
            "\"a\nb\"".into(),
            "\"\\x41\"".into(),
            format!("\"{}\"", "x".repeat(4097)),
            format!("\"{}\"", "ä".repeat(2049)),
        ] {
            bad.push(fields.with(slot.words, &value).into_bytes());
        }
        let mut broken = fields.with(slot.words, "\"?\"").into_bytes();
        let at = broken.windows(3).position(|w| w == b"\"?\"").unwrap();
        broken[at + 1] = 0xfe;
        bad.push(broken);
    }
    bad.into_iter()
        .map(|body| {
            let what: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            (
                format!("payload {what}"),
                slot.keys.document(slot.typ, &body),
                Kind::Content,
            )
        })
        .collect()
}

/// Each field absent, twice, of another type, and written in another way.
fn fields(slot: &Slot<'_>) -> Vec<Case> {
    let json = payload(&slot.valid);
    let fields = Raw::of(&json);
    let mut bad = Vec::new();
    for (key, value) in json.as_object().unwrap() {
        bad.push(fields.twice(key));
        if !slot.optional.contains(&key.as_str()) {
            bad.push(fields.without(key));
            bad.push(fields.with(key, "null"));
        }
        for wrong in ["false", "{\"a\":1}", "[[]]"] {
            // A truth value that is another one is a right word, only another.
            if !(value.is_boolean() && wrong == "false") {
                bad.push(fields.with(key, wrong));
            }
        }
        if let Some(number) = value.as_u64() {
            for wrong in [
                format!("{number}.0"),
                format!("{number}.5"),
                format!("{number}e0"),
                format!("-{number}.0"),
                "-1".into(),
                "-0".into(),
                format!("\"{number}\""),
                "18446744073709551616".into(),
                "1e400".into(),
                "Infinity".into(),
            ] {
                bad.push(fields.with(key, &wrong));
            }
        }
        let opaque = value.as_str().filter(|text| matches!(text.len(), 22 | 43 | 87));
        if let Some(text) = opaque {
            for wrong in [
                format!("{text}="),
                format!("{text}=="),
                format!("{text}A"),
                format!(" {text}"),
                text[1..].to_owned(),
                String::new(),
                format!("{}+", &text[1..]),
                format!("{}/", &text[1..]),
            ] {
                bad.push(fields.with(key, &format!("\"{wrong}\"")));
            }
        }
    }
    bad.into_iter()
        .map(|body| {
            let document = slot.keys.document(slot.typ, body.as_bytes());
            (format!("payload {body}"), document, Kind::Content)
        })
        .collect()
}

#[test]
fn r19_every_malformed_document_is_refused_for_its_own_reason_in_every_place() {
    let (stage, codes) = (Stage::new(), crate::code::keys());
    for slot in slots(&stage, &codes) {
        assert_eq!((slot.verify)(&slot.valid), Ok(()), "{}", slot.typ);
        let cases = cases(&slot);
        assert!(cases.len() > 220, "{}: only {} cases", slot.typ, cases.len());
        for (what, document, expected) in &cases {
            assert_eq!((slot.verify)(document), Err(*expected), "{}: {what}", slot.typ);
        }
    }
}

#[test]
fn r19_a_malformed_answer_is_rubbish() {
    let stage = Stage::new();
    let ask = Ask::tap(&stage, "push");
    let phone = stage.phone.id();
    let slot = Slot {
        typ: "assent-res+jws",
        keys: &stage.phone.keys,
        valid: ask.signed(&stage.phone, Decision::Approve, None),
        words: "",
        optional: &["num"],
        verify: Box::new(|_| Ok(())),
    };
    assert!(matches!(
        ask.judge(phone, &ask.seal(phone, slot.valid.clone())),
        Received::Approved(_)
    ));
    for (what, document, _) in cases(&slot) {
        let received = ask.judge(phone, &ask.seal(phone, document));
        assert!(
            matches!(
                received,
                Received::Ignored {
                    why: Rubbish::Signature,
                    ..
                }
            ),
            "{what}"
        );
    }
    // A decision is one of three words.
    let fields = Raw::of(&payload(&slot.valid));
    for decision in [
        "\"Approve\"",
        "\"APPROVE\"",
        "\"yes\"",
        "\"\"",
        "1",
        "true",
        "[\"approve\"]",
        "\"approve \"",
    ] {
        let document = slot
            .keys
            .document(slot.typ, fields.with("decision", decision).as_bytes());
        let received = ask.judge(phone, &ask.seal(phone, document));
        assert!(
            matches!(
                received,
                Received::Ignored {
                    why: Rubbish::Signature,
                    ..
                }
            ),
            "{decision}"
        );
    }
}

#[test]
fn r19_malformed_certificate_requests_are_refused() {
    let stage = Stage::new();
    let keys = &stage.phone.keys;
    let token = crate::stage::token();
    let join = HostJoin::new(&token, &keys.pair, text("web01"), NOW).unwrap();
    let enrolment = Enrolment::new(&token, &keys.pair, text("phone"), text("test"), NOW).unwrap();
    let places: [(&'static str, String, &'static str, Box<dyn Fn(&str) -> bool>); 3] = [
        (
            "assent-issuer-req+jws",
            IssuerRequest::sign(&keys.pair, NOW).unwrap(),
            "",
            Box::new(|doc| IssuerRequest::verify(doc).is_ok()),
        ),
        (
            "assent-host-req+jws",
            join.request.clone(),
            "display",
            Box::new(|doc| {
                let join = HostJoin {
                    request: doc.to_owned(),
                    ..join.clone()
                };
                join.token_id().is_ok()
            }),
        ),
        (
            "assent-dev-req+jws",
            enrolment.request.clone(),
            "label",
            Box::new(|doc| {
                let enrolment = Enrolment {
                    request: doc.to_owned(),
                    ..enrolment.clone()
                };
                enrolment.token_id().is_ok()
            }),
        ),
    ];
    for (typ, valid, words, accepts) in places {
        assert!(accepts(&valid), "{typ}");
        let slot = Slot {
            typ,
            keys,
            valid,
            words,
            optional: &[],
            verify: Box::new(|_| Ok(())),
        };
        for (what, document, _) in cases(&slot) {
            assert!(!accepts(&document), "{typ}: {what}");
        }
    }
}

/// What a reader may meet and takes: the signature covers it, and it means the same to every JSON reader.
#[test]
fn r19_the_order_of_fields_blanks_and_high_s_do_not_matter() {
    let (stage, codes) = (Stage::new(), crate::code::keys());
    for slot in slots(&stage, &codes) {
        let keys = slot.keys;
        let body = body(&slot);
        let kid = keys.public().id();
        let parts = [
            r#""alg":"ES256""#.to_owned(),
            format!(r#""typ":"{}""#, slot.typ),
            format!(r#""kid":"{kid}""#),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let header = format!("{{{},\n {} , {}}}", parts[order[0]], parts[order[1]], parts[order[2]]);
            assert_eq!((slot.verify)(&keys.jws(&header, &body)), Ok(()), "{order:?}");
        }
        let mut fields = Raw::of(&payload(&slot.valid));
        fields.0.reverse();
        assert_eq!(
            (slot.verify)(&keys.document(slot.typ, format!(" {}\n", fields.text()).as_bytes())),
            Ok(())
        );
        let full = [&body[..], &vec![b' '; limits(slot.typ).0 - body.len()]].concat();
        assert_eq!(
            (slot.verify)(&keys.document(slot.typ, &full)),
            Ok(()),
            "as long as may be"
        );
        for optional in slot.optional {
            assert_eq!(
                (slot.verify)(&keys.document(slot.typ, fields.without(optional).as_bytes())),
                Ok(())
            );
        }
        // Some WebCrypto give high s, so both are taken: nothing may be keyed on a signature's bytes.
        let (head, signature) = slot.valid.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&unbase64(signature)).unwrap();
        let (r, s) = signature.split_scalars();
        let other = Signature::from_scalars(*r, -*s).unwrap();
        let other = format!("{head}.{}", base64(&other.to_bytes()));
        assert_ne!(other, slot.valid);
        assert_eq!((slot.verify)(&other), Ok(()), "n - s");
    }
}
