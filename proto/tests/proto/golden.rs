//! Golden vectors: every wire format with fixed keys and nonces, as checked-in bytes in `tests/golden/`.
//!
//! Signatures are deterministic (RFC 6979), so documents are compared byte by byte with what the code makes now, and
//! read by the public verifiers. Sealing is not deterministic: boxes are opened from the stored bytes, and what they
//! hold is compared. A change of these files is a change of the protocol. To renew them, and then read the difference:
//!
//! ```text
//! ASSENT_RENEW_GOLDEN=1 cargo test -p assent-proto --test proto golden
//! ```
//!
//! The private keys in `keys.json` are made from public names and worth nothing.

use crate::stage::{Ask, ISSUED, Keys, NOW, Stage, TTL, after, base64, details, id, payload, text, token, unbase64};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{IssuerRequest, Issuers, Level, Trust};
use assent_proto::checkpoint::Checkpoint;
use assent_proto::code::{CodeAsk, CodeMethod, CodeWant, Judged, PendingCode, TypedCode};
use assent_proto::code_service::CodeServiceRequest;
use assent_proto::enrol::{Enrolment, Token, short_fingerprint};
use assent_proto::exception::{self, Exception, Exceptions};
use assent_proto::keys::SigningKey;
use assent_proto::link;
use assent_proto::registrar::{
    self, Ask as RegistrarAsk, DeviceAsk, DeviceCall, DeviceWant, HostAsk, HostJoin, HostWant, Reply, Sealed,
};
use assent_proto::relay::Claim;
use assent_proto::request::{self, Command, Envelope, Novelty};
use assent_proto::revocation::{Freeze, Held, Origin, RevocationClaims, Revocations, WantList};
use assent_proto::roots::{Lineage, RootClaims, RootSet, cosign};
use assent_proto::seal::{self, Purpose};
use assent_proto::verdict::{PendingPush, Received, Refusal, seal_to_devices};
use assent_proto::{Bytes, sha256};
use hpke::{Deserializable, OpModeR, aead::AesGcm128, kdf::HkdfSha256, kem::DhP256HkdfSha256};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

const RELAY: &str = "https://relay.example.org";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.json"))
}

fn renewing() -> bool {
    std::env::var_os("ASSENT_RENEW_GOLDEN").is_some()
}

fn stored(name: &str) -> Value {
    let text = std::fs::read_to_string(path(name)).expect("a golden file; see the top of golden.rs");
    serde_json::from_str(&text).unwrap()
}

/// Compares with the file, byte by byte, or writes it.
fn golden(name: &str, now: &Value) {
    let text = serde_json::to_string_pretty(now).unwrap() + "\n";
    if renewing() {
        std::fs::write(path(name), text).unwrap();
        return;
    }
    for (key, value) in now.as_object().unwrap() {
        assert_eq!(&stored(name)[key], value, "{name}.json: {key}");
    }
    assert_eq!(std::fs::read_to_string(path(name)).unwrap(), text, "{name}.json");
}

const NAMES: [&str; 6] = ["root", "issuer", "web01", "phone", "tablet", "codes"];

#[test]
fn golden_keys_and_their_fingerprints() {
    let mut out = Map::new();
    for name in NAMES {
        let keys = Keys::of(name);
        let file: Value = serde_json::from_str(&keys.pair.to_file().unwrap()).unwrap();
        out.insert(
            name.into(),
            json!({
                "private": file,
                "sign": keys.public(),
                "kem": keys.pair.kem.public(),
                "kid": keys.public().id(),
                "short_fingerprint": short_fingerprint(&keys.public()).encode(),
                "pem": keys.public().to_pem().unwrap(),
            }),
        );
    }
    golden("keys", &Value::Object(out));
}

/// A statement that uses every field.
fn full(stage: &Stage) -> Ask<'_> {
    let mut details = details(Level::Number, 6);
    details.svc = text("sudo");
    details.ruser = Some(text("alice"));
    details.target_user = Some(text("root"));
    details.cmd = Some(Command {
        resolved: Some(text("/usr/bin/systemctl")),
        args: vec![text("restart"), text("nginx; \u{202e}echo \"ä\"\n"), text("")],
        truncated: true,
        sha256: sha256(&[b"systemctl\0restart\0nginx"]),
    });
    details.cwd = Some(text("/home/alice"));
    details.tty = Some(text("/dev/pts/3"));
    let source = details.src.as_mut().unwrap();
    source.ip = "2001:db8::7".parse().unwrap();
    source.network = Some(text("office"));
    source.asn = Some(64_496);
    source.new = Some(Novelty::Place);
    source.place = Some(text("Zürich"));
    Ask::with(stage, "full push", details, Some("048291"))
}

/// The set of roots that follows on version `before`.
fn roots(before: u64, keys: &[&str], threshold: u8, signers: &[&str]) -> String {
    let publics = keys.iter().map(|name| Keys::of(name).public()).collect();
    let claims = RootClaims::after(before, publics, threshold, NOW).unwrap();
    let signers: Vec<Keys> = signers.iter().map(|name| Keys::of(name)).collect();
    let signers: Vec<&SigningKey> = signers.iter().map(|one| &one.pair.sign).collect();
    claims.sign(&signers).unwrap()
}

/// Every type of document: its compact form and its payload as text, for other implementations to test against.
#[test]
fn golden_documents_of_every_type() {
    let stage = Stage::new();
    let (host, phone) = (&stage.server.keys.pair, &stage.phone.keys.pair);
    let (tap, full) = (Ask::tap(&stage, "push"), full(&stage));
    let token = token();
    let owner = assent_proto::cert::DeviceOwner {
        identities: vec![crate::stage::alice()],
        name: text("alice"),
    };
    let open = HostWant::OpenEnrolment {
        token_id: id("token"),
        secret: token.secret.clone(),
        owner: owner.clone(),
    };
    let devices = HostWant::Devices {
        identity: crate::stage::alice(),
    };
    let confirm = HostWant::ConfirmEnrolment {
        token_id: id("token"),
        digits: text("048291"),
    };
    let link = HostWant::OpenLink {
        token_id: id("token"),
        secret: token.secret.clone(),
        owner,
        ttl: 600,
    };
    let ask = |want| HostAsk::sign(&host.sign, id("web01"), id("n"), NOW, want).unwrap();
    let device_call = |what| DeviceCall::sign(&phone.sign, stage.phone.id(), id("n"), NOW, what).unwrap();
    let documents = [
        (
            "issuer request",
            IssuerRequest::sign(&stage.issuer_keys.pair, NOW).unwrap(),
        ),
        ("issuer", stage.issuer.document().to_owned()),
        (
            "host request",
            HostJoin::new(&token, host, text("web01"), NOW).unwrap().request,
        ),
        ("host", stage.server.host.document().to_owned()),
        (
            "device request",
            Enrolment::new(&token, phone, text("My phone"), text("test"), NOW)
                .unwrap()
                .request,
        ),
        ("device", stage.phone.device.document().to_owned()),
        ("request, one tap", tap.request.clone()),
        ("request, every field", full.request.clone()),
        ("answer, approve", tap.signed(&stage.phone, Decision::Approve, None)),
        (
            "answer, approve with a number",
            full.signed(&stage.phone, Decision::Approve, Some("048291")),
        ),
        ("answer, deny", tap.signed(&stage.phone, Decision::Deny, None)),
        ("answer, report", tap.signed(&stage.tablet, Decision::Report, None)),
        ("host ask, devices", ask(devices)),
        ("host ask, open enrolment", ask(open)),
        (
            "host ask, enrolment",
            ask(HostWant::Enrolment { token_id: id("token") }),
        ),
        ("host ask, confirm enrolment", ask(confirm)),
        ("host ask, open link", ask(link)),
        (
            "device ask",
            DeviceAsk::sign(&phone.sign, id("token"), id("n"), NOW).unwrap(),
        ),
        ("device call, devices", device_call(DeviceWant::Devices)),
        (
            "device call, rename",
            device_call(DeviceWant::Rename {
                label: text("Old phone"),
            }),
        ),
        ("device call, leave", device_call(DeviceWant::Leave)),
        (
            "device call, lost",
            device_call(DeviceWant::Lost { device: id("phone 2") }),
        ),
        ("device call, heard", device_call(DeviceWant::Heard)),
        ("device call, renew", device_call(DeviceWant::Renew)),
        ("host ask, renew", ask(HostWant::Renew)),
        ("roots, one to another", roots(1, &["root 2"], 1, &["root", "root 2"])),
        (
            "roots, one to two of three",
            roots(2, &["a", "b", "c"], 2, &["root 2", "a", "c"]),
        ),
        (
            "issuer, signed by the old root and two new ones",
            ["a", "c"]
                .iter()
                .fold(stage.issuer.document().to_owned(), |document, name| {
                    cosign(&document, &Keys::of(name).pair.sign).unwrap()
                }),
        ),
        ("host ask, revocations", ask(HostWant::Revocations(held()))),
        ("host ask, exceptions", ask(HostWant::Exceptions(exceptions()))),
        (
            "device call, revocations",
            device_call(DeviceWant::Revocations(WantList { held: None, part: 0 })),
        ),
        ("revocations", list().sign(&stage.issuer_keys.pair.sign).unwrap()),
        ("code service request", crate::code::request()),
        ("code service", crate::code::certificate(&stage)),
        (
            "code ask, start",
            crate::code::ask(&stage.server, CodeWant::Start(Box::new(crate::code::start()))),
        ),
        (
            "code ask, send",
            crate::code::ask(
                &stage.server,
                CodeWant::Send {
                    id: id("code login"),
                    method: CodeMethod::Sms,
                },
            ),
        ),
        (
            "code ask, check",
            crate::code::ask(
                &stage.server,
                CodeWant::Check {
                    id: id("code login"),
                    code: TypedCode::new(b"123 456").unwrap(),
                },
            ),
        ),
        (
            "code word, right",
            crate::code::word(
                &crate::code::ask(&stage.server, CodeWant::Start(Box::new(crate::code::start()))),
                true,
            ),
        ),
        ("relay claim", Claim::sign(&host.sign, RELAY, id("web01"), NOW).unwrap()),
        ("link claim", link::Claim::sign(&host.sign, RELAY, NOW).unwrap()),
        (
            "checkpoint",
            Checkpoint::new(id("web01"), 4711, sha256(&[b"a record"]), NOW)
                .sign(&host.sign)
                .unwrap(),
        ),
    ];
    let mut out = Map::new();
    for (name, document) in documents {
        let part = |n: usize| String::from_utf8(unbase64(document.split('.').nth(n).unwrap())).unwrap();
        let (header, content, sha) = (part(0), part(1), sha256(&[document.as_bytes()]).encode());
        out.insert(
            name.into(),
            json!({ "compact": document, "header": header, "payload": content, "sha256": sha }),
        );
    }
    golden("documents", &Value::Object(out));
}

/// A list with one entry of each kind.
fn list() -> RevocationClaims {
    let until = NOW.plus(600);
    let address = Origin::Network("2001:db8:1:2::7".parse().unwrap());
    let here = Origin::Host(id("web01"));
    let alice = crate::stage::alice();
    RevocationClaims::new(
        7,
        NOW,
        vec![id("tablet serial"), id("laptop serial")],
        vec![id("web02")],
        vec![
            Freeze::new(id("salt 1"), &alice, None, until),
            Freeze::new(id("salt 2"), &alice, Some(address), until),
            Freeze::new(id("salt 3"), &alice, Some(here), until),
        ],
    )
}

fn exceptions() -> Exceptions {
    Exceptions::of([
        Exception {
            kind: exception::Kind::Bypass,
            user: text("alice"),
            identity: Some(crate::stage::alice()),
            applications: vec![text("ssh"), text("sudo")],
            until: Some(NOW.plus(3600)),
            reason: text("lost her phone"),
            by: text("root (bob)"),
        },
        Exception {
            kind: exception::Kind::Lock,
            user: text("carol"),
            identity: None,
            applications: Vec::new(),
            until: None,
            reason: text("too many wrong passwords"),
            by: text("Assent"),
        },
    ])
}

fn held() -> WantList {
    WantList {
        held: Some(Held {
            seq: 6,
            digest: sha256(&[b"the list before"]),
        }),
        part: 1,
    }
}

/// The digests of a freeze as documented, spelled out and not taken from the code.
#[test]
fn golden_freezes_are_salted_digests_with_lengths() {
    let said = payload(&list().sign(&Stage::new().issuer_keys.pair.sign).unwrap());
    let digest = |tag: &str, salt: &str, source: &[u8]| {
        let (realm, name) = ("example.org", "1f0e-alice");
        let length = |text: &str| (text.len() as u64).to_be_bytes();
        let parts: [&[u8]; 7] = [
            tag.as_bytes(),
            &id(salt).0,
            &length(realm),
            realm.as_bytes(),
            &length(name),
            name.as_bytes(),
            source,
        ];
        sha256(&[&parts.concat()]).encode()
    };
    for (at, salt) in ["salt 1", "salt 2", "salt 3"].into_iter().enumerate() {
        assert_eq!(said["freezes"][at]["who"], digest("assent/1 freeze who", salt, &[]));
    }
    let network = [6, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2];
    let host = [&[0], id("web01").0.as_slice()].concat();
    assert!(said["freezes"][0].get("at").is_none());
    assert_eq!(
        said["freezes"][1]["at"],
        digest("assent/1 freeze at", "salt 2", &network)
    );
    assert_eq!(said["freezes"][2]["at"], digest("assent/1 freeze at", "salt 3", &host));
}

/// The stored bytes, not fresh ones, lead through the whole protocol.
#[test]
fn golden_documents_are_read_by_the_public_verifiers() {
    if renewing() {
        return;
    }
    let documents = stored("documents");
    let compact = |name: &str| documents[name]["compact"].as_str().unwrap().to_owned();
    let stage = Stage::new();
    let issuer = stage.trust.verify_issuer(&compact("issuer"), NOW).unwrap();
    let steps = [compact("roots, one to another"), compact("roots, one to two of three")];
    let lineage = Lineage::replay(RootSet::of_key(stage.root.public()), &steps).unwrap();
    assert_eq!((lineage.current().version(), lineage.current().threshold()), (3, 2));
    let joint = compact("issuer, signed by the old root and two new ones");
    assert!(stage.trust.verify_issuer(&joint, NOW).is_ok());
    let followed = Trust::of(vec![lineage.current().clone()]);
    assert_eq!(
        Issuers::under(&followed, [issuer.document(), joint.as_str()])
            .documents()
            .collect::<Vec<_>>(),
        [joint]
    );
    let host = issuer.verify_host(&compact("host"), NOW).unwrap();
    let device = issuer.verify_device(&compact("device"), NOW).unwrap();
    assert!(IssuerRequest::verify(&compact("issuer request")).is_ok());
    for name in [
        "devices",
        "open enrolment",
        "enrolment",
        "confirm enrolment",
        "open link",
        "renew",
        "revocations",
    ] {
        assert!(HostAsk::verify(&compact(&format!("host ask, {name}")), &host).is_ok());
    }
    assert!(DeviceAsk::verify(&compact("device ask"), &device.claims().sign).is_ok());
    for name in ["devices", "rename", "leave", "renew", "revocations"] {
        assert!(DeviceCall::verify(&compact(&format!("device call, {name}")), &device).is_ok());
    }
    assert!(CodeServiceRequest::verify(&compact("code service request")).is_ok());
    let service = issuer.verify_code_service(&compact("code service"), NOW).unwrap();
    for name in ["start", "send", "check"] {
        assert!(CodeAsk::verify(&compact(&format!("code ask, {name}")), &host).is_ok());
    }
    let ask = compact("code ask, start");
    let mut pending = PendingCode::new(&crate::code::start(), &ask, &host, service, ISSUED);
    assert!(matches!(
        pending.judge(&compact("code word, right"), after(1), NOW),
        Judged::Passed(_)
    ));
    assert!(Claim::verify(&compact("relay claim"), &host.claims().sign, RELAY).is_ok());
    assert!(link::Claim::verify(&compact("link claim"), &host.claims().sign, RELAY).is_ok());
    assert_eq!(Checkpoint::verify(&compact("checkpoint"), &host).unwrap().seq, 4711);

    let list = Revocations::verify(&stage.trust, &compact("issuer"), &compact("revocations")).unwrap();
    assert_eq!(list.seq(), 7);
    assert!(!list.revokes_device(&device) && !list.revokes_host(&host));
    let address = |text: &str| Origin::Network(text.parse().unwrap());
    assert!(list.frozen(&crate::stage::alice(), address("192.0.2.1"), NOW));
    assert!(!list.frozen(&crate::stage::alice(), address("192.0.2.1"), NOW.plus(600)));
    for (name, number, answer) in [
        ("one tap", None, "answer, approve"),
        ("every field", Some("048291"), "answer, approve with a number"),
    ] {
        let envelope = Envelope {
            req: compact(&format!("request, {name}")),
            host: compact("host"),
            issuer: compact("issuer"),
        };
        let push = if number.is_some() { id("full push") } else { id("push") };
        let verified = request::verify(&envelope, push, NOW.plus(u64::from(TTL)), &stage.trust, NOW).unwrap();
        let pending = || {
            let number = number.map(|n: &str| Zeroizing::new(n.to_owned()));
            PendingPush::new(&verified.statement, &envelope.req, vec![device.clone()], number, ISSUED)
        };
        let judge = |res: String| {
            let device_id = device.claims().device_id;
            let context = answer::seal_context(&push, &device_id);
            let blob = seal::seal(&host.claims().kem, Purpose::Answer, &context, &answer::Envelope { res }).unwrap();
            pending().receive(&stage.server.keys.pair.kem, device_id, &blob, after(1), NOW)
        };
        assert!(matches!(judge(compact(answer)), Received::Approved(_)), "{name}");
        let again = Answer::new(
            &verified,
            device.claims().device_id,
            Decision::Approve,
            number.map(text),
            NOW,
        );
        assert_eq!(again.sign(&stage.phone.keys.pair.sign).unwrap(), compact(answer));
        if number.is_none() {
            assert!(matches!(
                judge(compact("answer, deny")),
                Received::Refused {
                    why: Refusal::Denied,
                    ..
                }
            ));
            assert!(
                matches!(judge(compact("answer, report")), Received::Ignored { .. }),
                "the tablet was not asked here"
            );
        }
    }
}

/// Every sealed box, with the names of purpose, context and opener.
#[test]
fn golden_boxes_open_from_their_stored_bytes() {
    let stage = Stage::new();
    let ask = full(&stage);
    let (phone, web) = (stage.phone.id(), &stage.server);
    if renewing() {
        let devices = [stage.phone.device.clone()];
        let sealed = seal_to_devices(&ask.statement, &ask.request, &web.host, &stage.issuer, &devices).unwrap();
        let want = HostWant::Devices {
            identity: crate::stage::alice(),
        };
        let signed = HostAsk::sign(&web.keys.pair.sign, id("web01"), id("n"), NOW, want).unwrap();
        let (call, _) = registrar::call(&stage.issuer, &web.host.claims().kem, RegistrarAsk::Host { signed }).unwrap();
        let received = registrar::receive(&stage.issuer_keys.pair, &call).unwrap();
        let reply = received
            .reply(&stage.issuer_keys.pair, devices_reply(&stage), NOW)
            .unwrap();
        let digest = sha256(&[&call.blob.0]).encode();
        let boxes = json!({
            "request": {
                "opened by": "phone", "info": "assent/1 req", "blob": sealed[0].1,
                "aad": request::seal_context(&ask.statement.id, &phone, ask.statement.expiry()),
            },
            "answer": {
                "opened by": "web01", "info": "assent/1 res", "blob": ask.approve(&stage.phone),
                "aad": answer::seal_context(&ask.statement.id, &phone),
            },
            "call": { "opened by": "issuer", "info": "assent/1 reg call", "blob": call.blob, "aad": stage.issuer_keys.public().id() },
            "reply": { "opened by": "web01", "info": "assent/1 reg reply", "blob": reply.blob, "aad": digest },
        });
        golden("boxes", &boxes);
        return;
    }
    let boxes = stored("boxes");
    let blob = |name: &str| Bytes(unbase64(boxes[name]["blob"].as_str().unwrap()));
    let aad = |name: &str| boxes[name]["aad"].as_str().unwrap();

    // The contexts as documented, spelled out and not taken from the code.
    let push = id("full push");
    assert_eq!(aad("request"), format!("{push}.{phone}.{}", NOW.0 + u64::from(TTL)));
    assert_eq!(aad("answer"), format!("{push}.{phone}"));
    assert_eq!(aad("call"), stage.issuer_keys.public().id().encode());
    assert_eq!(aad("reply"), sha256(&[&blob("call").0]).encode());

    let context = request::seal_context(&push, &phone, NOW.plus(u64::from(TTL)));
    let opened: Envelope =
        seal::open(&stage.phone.keys.pair.kem, Purpose::Request, &context, &blob("request")).unwrap();
    assert_eq!(opened.req, ask.request);
    assert!(request::verify(&opened, push, ask.statement.expiry(), &stage.trust, NOW).is_ok());

    let received = ask.judge(phone, &blob("answer"));
    assert!(matches!(received, Received::Approved(approved) if approved.level() == Level::Number));

    let call = Sealed {
        issuer: stage.issuer_keys.public().id(),
        blob: blob("call"),
    };
    let received = registrar::receive(&stage.issuer_keys.pair, &call).unwrap();
    assert!(matches!(&received.ask, RegistrarAsk::Host { signed } if HostAsk::verify(signed, &web.host).is_ok()));

    let open_reply =
        |blob: &Bytes| seal::open::<Value>(&web.keys.pair.kem, Purpose::RegistrarReply, aad("reply"), blob).unwrap();
    let fresh = received
        .reply(&stage.issuer_keys.pair, devices_reply(&stage), NOW)
        .unwrap();
    let reply = open_reply(&blob("reply"));
    assert_eq!(reply, open_reply(&fresh.blob), "the reply inside is deterministic");
    let said = payload(reply["reply"].as_str().unwrap());
    assert_eq!(said["re"], aad("reply"));
    assert_eq!(said["reply"]["devices"]["devices"][0], stage.phone.device.document());

    // The same boxes through the hpke crate with the suite and strings of the documentation: nothing of ours between.
    for name in ["request", "answer", "call", "reply"] {
        let opener = Keys::of(boxes[name]["opened by"].as_str().unwrap());
        let file: Value = serde_json::from_str(&opener.pair.to_file().unwrap()).unwrap();
        let info = boxes[name]["info"].as_str().unwrap();
        let plain = open_with_hpke(
            &unbase64(file["kem"].as_str().unwrap()),
            info.as_bytes(),
            aad(name).as_bytes(),
            &blob(name).0,
        );
        let step = if name == "answer" { 1024 } else { 512 };
        assert_eq!(plain.len() % step, 0, "{name}");
        assert_eq!(plain.last(), Some(&b' '), "{name}: padded with blanks");
        assert!(serde_json::from_slice::<Value>(&plain).is_ok(), "{name}");
    }
}

fn devices_reply(stage: &Stage) -> Reply {
    Reply::Devices {
        devices: vec![stage.phone.device.document().to_owned()],
    }
}

fn open_with_hpke(secret: &[u8], info: &[u8], aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    let secret = <DhP256HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(secret).unwrap();
    let enc = <DhP256HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&sealed[..65]).unwrap();
    hpke::single_shot_open::<AesGcm128, HkdfSha256, DhP256HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        info,
        &sealed[65..],
        aad,
    )
    .unwrap()
}

/// RFC 9180, appendix A.3.1 (base mode; DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM), sequence number 0. Its
/// `info` is not one of ours, so it goes through the crate as we configure it.
#[test]
fn r30_the_vector_of_rfc_9180_opens() {
    let secret = unhex("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2");
    let info = unhex("4f6465206f6e2061204772656369616e2055726e");
    let aad = unhex("436f756e742d30");
    let enc = unhex(concat!(
        "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9",
        "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"
    ));
    let ciphertext = unhex(concat!(
        "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f",
        "9076ac232e3ab2523f39513434"
    ));
    let plain = open_with_hpke(&secret, &info, &aad, &[enc, ciphertext].concat());
    assert_eq!(
        plain,
        unhex("4265617574792069732074727574682c20747275746820626561757479")
    );
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn golden_enrolment_and_join() {
    let stage = Stage::new();
    let token = token();
    let enrolment = Enrolment::new(&token, &stage.phone.keys.pair, text("My phone"), text("test"), NOW).unwrap();
    let join = HostJoin::new(&token, &stage.server.keys.pair, text("web01"), NOW).unwrap();
    let n = sha256(&[b"the registrar's"]);
    golden(
        "enrolment",
        &json!({
            "token": token.to_text().as_str(),
            "enrolment": enrolment,
            "n": n,
            "digits": enrolment.digits(&n),
            "join": join,
        }),
    );
    if renewing() {
        return;
    }
    let stored = stored("enrolment");
    let token = Token::from_text(stored["token"].as_str().unwrap()).unwrap();
    let enrolment: Enrolment = serde_json::from_value(stored["enrolment"].clone()).unwrap();
    let wish = enrolment.verify(token.id, &token.secret).unwrap();
    assert_eq!(wish.sign, stage.phone.keys.public());
    let join: HostJoin = serde_json::from_value(stored["join"].clone()).unwrap();
    assert!(join.verify(token.id, &token.secret).is_some());
    // The digits as documented: the first eight bytes of SHA-256 over a tag, `n` and the compact form, big endian, modulo a
    // million.
    let hash = sha256(&[b"assent/1 digits", &n.0, enrolment.request.as_bytes()]).0;
    let number = u64::from_be_bytes(hash[..8].try_into().unwrap()) % 1_000_000;
    assert_eq!(enrolment.digits(&n), format!("{number:06}"));
    assert_eq!(token.root.0[..], stage.root.public().id().0[..16]);
    assert_eq!(base64(&token.root.0), token.root.encode());
}
