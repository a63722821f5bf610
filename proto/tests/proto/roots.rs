//! Steps from one set of roots to the next (R23, R24): exactly one version, signed by enough of the old and of the new.

use crate::stage::{Keys, NOW, Stage, grant, host_document, payload, token};
use assent_proto::cert::{CertError, IssuerRequest, Trust, sign_issuer};
use assent_proto::enrol::Token;
use assent_proto::keys::{SigningKey, VerifyingKey};
use assent_proto::relay::TrustInfo;
use assent_proto::roots::{
    Followed, Lineage, MAX_ROOTS, MAX_STEPS, RootClaims, RootError, RootSet, Unsigned, cosign, sign_issuer_jointly,
    to_cosign,
};
use assent_proto::{JwsError, MAX_JWS};

fn keys(names: &[&str]) -> Vec<Keys> {
    names.iter().map(|name| Keys::of(name)).collect()
}

fn publics(names: &[&str]) -> Vec<VerifyingKey> {
    keys(names).iter().map(Keys::public).collect()
}

/// Version `before + 1` of the roots, signed by `signers`.
fn step(before: u64, roots: &[&str], threshold: u8, signers: &[&str]) -> String {
    let signers = keys(signers);
    let signers: Vec<&SigningKey> = signers.iter().map(|one| &one.pair.sign).collect();
    let claims = RootClaims::after(before, publics(roots), threshold, NOW).unwrap();
    claims.sign(&signers).unwrap()
}

fn first() -> RootSet {
    RootSet::of_key(Keys::of("root").public())
}

fn issuer_of(signers: &[&str]) -> String {
    let issuing = Keys::of("issuer");
    let request = IssuerRequest::verify(&IssuerRequest::sign(&issuing.pair, NOW).unwrap()).unwrap();
    let signers = keys(signers);
    let signers: Vec<&SigningKey> = signers.iter().map(|one| &one.pair.sign).collect();
    sign_issuer_jointly(&signers, &request, grant(&["*"], &["*"])).unwrap()
}

#[test]
fn r24_a_step_of_one_root_to_the_next_is_signed_by_both() {
    let good = step(1, &["root 2"], 1, &["root", "root 2"]);
    let second = first().step(&good).unwrap();
    assert_eq!((second.version(), second.keys()), (2, &publics(&["root 2"])[..]));
    for signers in [&["root"][..], &["root 2"], &["mallory", "root 2"], &["mallory"]] {
        let refused = first().step(&step(1, &["root 2"], 1, signers)).unwrap_err();
        assert!(
            matches!(refused, RootError::Document(JwsError::Signer)),
            "{signers:?}: {refused}"
        );
    }
    // The order does not matter, and a stranger's signature beside does no harm.
    assert!(
        first()
            .step(&step(1, &["root 2"], 1, &["root 2", "mallory", "root"]))
            .is_ok()
    );
    // From the second on, the first one's word is worth nothing.
    assert!(second.step(&step(2, &["mallory"], 1, &["root", "mallory"])).is_err());
    assert!(second.step(&step(2, &["root 3"], 1, &["root 2", "root 3"])).is_ok());
}

#[test]
fn r24_two_of_three_old_and_two_of_three_new_must_sign() {
    let three = ["a", "b", "c"];
    let to_three = step(1, &three, 2, &["root", "a", "b"]);
    let old = first().step(&to_three).unwrap();
    assert_eq!(old.threshold(), 2);
    let next = ["a", "d", "e"];
    for (signers, good) in [
        (&["a", "b", "d"][..], true),
        (&["b", "c", "d", "e"], true),
        (&["a", "b"], false),
        (&["a", "d"], false),
        (&["d", "e"], false),
        (&["b", "c", "d"], false),
        (&["b", "d", "e"], false),
        (&["root", "d", "e", "b"], false),
    ] {
        assert_eq!(old.step(&step(2, &next, 2, signers)).is_ok(), good, "{signers:?}");
    }
    assert!(
        matches!(
            old.step(&step(2, &next, 2, &["b", "d", "e"])),
            Err(RootError::Document(JwsError::Threshold { found: 1, needed: 2 }))
        ),
        "it says how many there are"
    );
}

#[test]
fn r24_only_the_next_version_follows() {
    for before in [0, 2, 3, 41, u64::MAX - 1] {
        let refused = first()
            .step(&step(before, &["root 2"], 1, &["root", "root 2"]))
            .unwrap_err();
        assert_eq!(
            refused,
            RootError::Version {
                offered: before + 1,
                wanted: 2
            }
        );
    }
}

#[test]
fn sets_that_make_no_sense_are_refused() {
    let all: Vec<String> = (0..=MAX_ROOTS).map(|n| format!("r{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (roots, threshold) in [
        (&[][..], 1),
        (&["a"], 0),
        (&["a"], 2),
        (&["a", "a"], 1),
        (&["a", "b", "a"], 2),
        (&all, 1),
    ] {
        let made = RootClaims::after(1, publics(roots), threshold, NOW);
        assert_eq!(made.unwrap_err(), RootError::Set, "{roots:?}");
        // As somebody would write it who does not ask.
        let (root, a) = (Keys::of("root"), Keys::of("a"));
        let mut claims = payload(&step(1, &["a"], 1, &["root", "a"]));
        claims["roots"] = serde_json::to_value(publics(roots)).unwrap();
        claims["threshold"] = threshold.into();
        let document = format!(
            "{}~{}",
            root.value("assent-root+jws", &claims),
            a.value("assent-root+jws", &claims)
        );
        assert!(first().step(&document).is_err(), "{roots:?} {threshold}");
    }
}

#[test]
fn signatures_over_other_bytes_twice_or_too_many_are_refused() {
    let good = step(1, &["root 2"], 1, &["root", "root 2"]);
    let other = step(1, &["root 3"], 1, &["root", "root 2"]);
    let part = |document: &str, at: usize| document.split('~').nth(at).unwrap().to_owned();
    let mixed = format!("{}~{}", part(&good, 0), part(&other, 1));
    let twice = format!("{good}~{}", part(&good, 0));
    let by_one_twice = format!("{}~{}", part(&good, 0), part(&good, 0));
    let many = vec![part(&good, 0); 17].join("~");
    for document in [
        mixed,
        twice,
        by_one_twice,
        many,
        format!("{good}~"),
        format!("~{good}"),
        good.replace('~', "~~"),
        good.replace('~', "\n"),
        String::new(),
        "~".repeat(3),
        "x".repeat(3 * MAX_JWS),
    ] {
        assert!(first().step(&document).is_err(), "{document:.60}");
    }
    // One signature broken: whoever it is asked of refuses, however good the rest is.
    let broken = good.replace(
        &part(&good, 0),
        &part(&other, 0).replace(
            part(&other, 0).split('.').nth(1).unwrap(),
            part(&good, 0).split('.').nth(1).unwrap(),
        ),
    );
    assert_eq!(
        first().step(&broken).unwrap_err(),
        RootError::Document(JwsError::Signature)
    );
}

#[test]
fn r24_a_lineage_follows_in_order_and_never_back() {
    let steps = [
        step(1, &["root 2"], 1, &["root", "root 2"]),
        step(2, &["root 3"], 1, &["root 2", "root 3"]),
        step(3, &["root 4"], 1, &["root 3", "root 4"]),
    ];
    let mut lineage = Lineage::new(first());
    assert_eq!(lineage.follow(&steps[..1]).steps, 1);
    let two = lineage.clone();
    assert_eq!(lineage.follow(&steps).steps, 2, "what it knows is passed over");
    assert_eq!(lineage.current().version(), 4);
    for back in [&steps[..1], &steps[..2], &steps] {
        assert_eq!(lineage.follow(back), Followed::default());
        assert_eq!(lineage.current().version(), 4);
    }
    // A gap is no way.
    let mut gap = two.clone();
    assert_eq!(gap.follow(&steps[2..]).steps, 0);
    // A false next one is told of, and a right one behind it is still taken.
    let mut lied_to = two;
    let evil = step(2, &["mallory"], 1, &["mallory"]);
    let followed = lied_to.follow(&[evil, steps[1].clone()]);
    assert_eq!(followed.steps, 1);
    assert!(followed.refused.is_some());
    // What is kept is walked again from the pin; a line that is missing, changed or of another pin is found.
    let kept = lineage.steps().to_vec();
    assert_eq!(Lineage::replay(first(), &kept).unwrap(), lineage);
    assert!(Lineage::replay(first(), &kept[1..]).is_err());
    assert!(Lineage::replay(RootSet::of_key(Keys::of("mallory").public()), &kept).is_err());
    let mut torn = kept;
    torn[2].truncate(200);
    assert!(Lineage::replay(first(), &torn).is_err());
}

#[test]
fn steps_are_bounded() {
    let names: Vec<String> = (1..=MAX_STEPS + 2).map(|n| format!("r{n}")).collect();
    let mut lineage = Lineage::new(RootSet::of_key(Keys::of("r1").public()));
    for (at, pair) in names.windows(2).enumerate() {
        let [old, new] = pair else { unreachable!() };
        let next = step(at as u64 + 1, &[new], 1, &[old, new]);
        let taken = lineage.take(&next);
        assert_eq!(taken.is_ok(), at < MAX_STEPS, "{at}");
    }
}

#[test]
fn an_issuer_needs_as_many_roots_as_the_set_says() {
    let three = ["a", "b", "c"];
    let set = first().step(&step(1, &three, 2, &["root", "a", "b"])).unwrap();
    let trust = Trust::of(vec![set]);
    for (signers, good) in [
        (&["a", "b"][..], true),
        (&["b", "c"], true),
        (&["root", "a", "c"], true),
        (&["a"], false),
        (&["root"], false),
        (&["root", "a"], false),
    ] {
        let verified = trust.verify_issuer(&issuer_of(signers), NOW);
        assert_eq!(verified.is_ok(), good, "{signers:?}");
    }
    // Signed by the old root and the new ones, it holds for those who have followed and for those who have not.
    let both = issuer_of(&["root", "a", "b"]);
    assert!(Trust::of(vec![first()]).verify_issuer(&both, NOW).is_ok());
    // It comes with the old signature alone, from a host that has not heard of the others: who has them knows better.
    let knowing = Trust::of(trust.sets().to_vec()).knowing(&[&both]);
    let verified = knowing.verify_issuer(&issuer_of(&["root"]), NOW).unwrap();
    assert_eq!(verified.document(), both);
    assert!(trust.verify_issuer(&issuer_of(&["root"]), NOW).is_err());
    // The very same content, and no other; and only what these roots have signed is known.
    let mut other = payload(&both);
    other["serial"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
    let other = Keys::of("root").value("assent-issuer+jws", &other);
    assert!(knowing.verify_issuer(&other, NOW).is_err());
    let evil = Trust::of(trust.sets().to_vec()).knowing(&[&issuer_of(&["root"])]);
    assert!(evil.verify_issuer(&issuer_of(&["root"]), NOW).is_err());
    // And what it signs holds as ever.
    let issuer = trust.verify_issuer(&both, NOW).unwrap();
    let host = host_document(&issuer, &Keys::of("issuer"), "web01").unwrap();
    assert!(issuer.verify_host(&host, NOW).is_ok());
    // Two pinned sets are two: half a signature of each is none.
    let halves = Trust::of(vec![
        first().step(&step(1, &["a", "b"], 2, &["root", "a", "b"])).unwrap(),
        first().step(&step(1, &["c", "d"], 2, &["root", "c", "d"])).unwrap(),
    ]);
    assert!(matches!(
        halves.verify_issuer(&issuer_of(&["a", "c"]), NOW),
        Err(CertError::Document(JwsError::Threshold { found: 1, needed: 2 }))
    ));
}

#[test]
fn a_root_signs_beside_another_the_very_same_content_and_only_once() {
    let claims = RootClaims::after(1, publics(&["a", "b"]), 2, NOW).unwrap();
    let alone = claims.sign(&[&Keys::of("root").pair.sign]).unwrap();
    let (unsigned, signers) = to_cosign(&alone).unwrap();
    assert!(matches!(unsigned, Unsigned::Roots(claims) if claims.version == 2));
    assert_eq!(signers, [Keys::of("root").public().id()]);
    let more = cosign(&alone, &Keys::of("a").pair.sign).unwrap();
    assert!(cosign(&more, &Keys::of("a").pair.sign).is_err(), "twice is no more");
    assert!(first().step(&more).is_err());
    let enough = cosign(&more, &Keys::of("b").pair.sign).unwrap();
    assert!(first().step(&enough).is_ok());
    let issuer = cosign(&issuer_of(&["a"]), &Keys::of("b").pair.sign).unwrap();
    assert_eq!(issuer, issuer_of(&["a", "b"]));
    let stage = Stage::new();
    for document in [stage.server.host.document(), stage.phone.device.document(), "", "a.b.c"] {
        assert!(
            cosign(document, &Keys::of("root").pair.sign).is_err(),
            "a root signs roots and issuers alone"
        );
    }
}

#[test]
fn r23_a_token_names_a_key_or_a_set_and_nothing_else_is_pinned() {
    let second = step(1, &["a", "b", "c"], 2, &["root", "a", "b"]);
    let set = RootSet::of_document(&second).unwrap();
    let info = TrustInfo {
        roots: publics(&["root"]),
        steps: vec![second.clone()],
        issuers: vec![issuer_of(&["a", "b"])],
        code_services: Vec::new(),
        now: NOW,
    };
    assert_eq!(info.chosen_by(&token()).unwrap(), (first(), None), "of the first key");
    let named = Token::from_text(&format!(
        "1.{}.{}.{}",
        token().id,
        crate::stage::id("s"),
        set.fingerprint()
    ))
    .unwrap();
    assert_eq!(info.chosen_by(&named).unwrap(), (set.clone(), Some(second.as_str())));
    // A set with other keys is another set; one that its own keys have not signed is none.
    let evil = step(1, &["a", "b", "mallory"], 2, &["root", "a", "b"]);
    let unsigned = step(1, &["a", "b", "c"], 2, &["mallory"]);
    for steps in [vec![evil], vec![unsigned], vec![]] {
        let info = TrustInfo { steps, ..info.clone() };
        assert_eq!(info.chosen_by(&named), None);
    }
    // More signatures make no other set: its name is its content's.
    assert_eq!(
        RootSet::of_document(&cosign(&second, &Keys::of("c").pair.sign).unwrap())
            .unwrap()
            .fingerprint(),
        set.fingerprint()
    );
}

#[test]
fn one_root_signs_as_before() {
    let stage = Stage::new();
    let request = IssuerRequest::verify(&IssuerRequest::sign(&stage.issuer_keys.pair, NOW).unwrap()).unwrap();
    let alone = sign_issuer(&stage.root.pair.sign, &request, grant(&["*"], &["*"])).unwrap();
    assert!(!alone.contains('~'));
    assert_eq!(
        alone,
        sign_issuer_jointly(&[&stage.root.pair.sign], &request, grant(&["*"], &["*"])).unwrap()
    );
    assert!(stage.trust.verify_issuer(&alone, NOW).is_ok());
}
