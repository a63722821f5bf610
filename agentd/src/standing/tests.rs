//! A host's files through renewals, rotations and steps, and through whatever a crash leaves of them.

use super::*;
use assent_proto::Id;
use assent_proto::ShortText;
use assent_proto::cert::{DAY, Host, Issuance, Issuer, IssuerGrant, IssuerRequest, Trust, renew_host, sign_host};
use assent_proto::enrol::Token;
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::registrar::HostJoin;
use assent_proto::roots::{RootClaims, RootSet, sign_issuer_jointly};
use std::fs;

struct Place {
    dir: PathBuf,
    root: SigningKey,
    issuing: KeyPair,
    issuer: Issuer,
    host: Host,
}

fn now() -> UnixTime {
    UnixTime::now()
}

fn text(text: &str) -> ShortText {
    ShortText::cut(text.to_owned())
}

/// A life of 100 days that began so many days ago.
fn life(days_ago: u64) -> Issuance {
    Issuance {
        nbf: UnixTime(now().0 - days_ago * DAY),
        days: 100,
        serial: Id::random().unwrap(),
        log_index: 1,
    }
}

fn issuer_of(roots: &[&SigningKey], issuing: &KeyPair, days_ago: u64) -> String {
    let request = IssuerRequest::verify(&IssuerRequest::sign(issuing, now()).unwrap()).unwrap();
    let grant = IssuerGrant {
        realms: vec![text("*")],
        hosts: vec![text("*")],
        nbf: UnixTime(now().0 - days_ago * DAY),
        days: 400,
        serial: Id::random().unwrap(),
    };
    sign_issuer_jointly(roots, &request, grant).unwrap()
}

impl Place {
    /// As `assentctl host join` leaves it.
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("assent-renew-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("trust.d")).unwrap();
        let (root, issuing, keys) = (
            SigningKey::generate().unwrap(),
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
        );
        let document = issuer_of(&[&root], &issuing, 200);
        let issuer = Trust::new(vec![root.public()]).verify_issuer(&document, now()).unwrap();
        let token = Token::random(&RootSet::of_key(root.public())).unwrap();
        let join = HostJoin::new(&token, &keys, text("web01"), now()).unwrap();
        let request = join.verify(token.id, &token.secret).unwrap();
        let host = sign_host(&issuer, &issuing.sign, Id::random().unwrap(), &request, life(60)).unwrap();
        let place = Self {
            host: issuer.verify_host(&host, now()).unwrap(),
            dir,
            root,
            issuing,
            issuer,
        };
        place.write("trust.d/registrar.pub", &place.root.public().to_pem().unwrap());
        place.write("host.key", &keys.to_file().unwrap());
        place.write("issuer.jws", &format!("{document}\n"));
        place.write("host.jws", &format!("{host}\n"));
        place
    }

    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.dir.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap()
    }

    fn load(&self) -> Result<Standing, HostError> {
        Standing::load(&self.dir, &self.dir.join("trust.d"), now())
    }

    /// The next certificate, by this key.
    fn next(&self, issuer: &Issuer, issuing: &KeyPair) -> String {
        renew_host(issuer, &issuing.sign, &self.host, life(0)).unwrap()
    }

    fn info(&self, steps: &[String], issuers: &[&str]) -> TrustInfo {
        TrustInfo {
            roots: vec![self.root.public()],
            steps: steps.to_vec(),
            issuers: issuers.iter().map(|one| (*one).to_owned()).collect(),
            code_services: Vec::new(),
            now: now(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn step(before: u64, new: &SigningKey, signers: &[&SigningKey]) -> String {
    RootClaims::after(before, vec![new.public()], 1, now())
        .unwrap()
        .sign(signers)
        .unwrap()
}

#[test]
fn a_renewed_certificate_is_in_use_at_once_and_after_a_restart() {
    let place = Place::new("renewed");
    let standing = place.load().unwrap();
    assert!(standing.renewal_is_due(now()));
    let began = standing.now();
    let next = place.next(&place.issuer, &place.issuing);
    assert!(standing.renewed(&next, now()).unwrap());
    assert!(!standing.renewed(&next, now()).unwrap(), "it is no news");
    assert_eq!(standing.now().host.document(), next);
    assert!(!standing.renewal_is_due(now()));
    assert_eq!(place.load().unwrap().now().host.document(), next);
    // Who began with the old one still opens what was sealed to it.
    assert_eq!(began.host.document(), place.host.document());
    assert!(began.keys.kem.public() == standing.now().keys.kem.public());
}

#[test]
fn only_this_hosts_own_next_certificate_is_taken() {
    let place = Place::new("own");
    let standing = place.load().unwrap();
    let other = Place::new("other");
    let (evil_root, evil) = (SigningKey::generate().unwrap(), KeyPair::generate().unwrap());
    let evil_issuer = issuer_of(&[&evil_root], &evil, 0);
    let evil_issuer = Trust::new(vec![evil_root.public()])
        .verify_issuer(&evil_issuer, now())
        .unwrap();
    // Another host's, by our issuer; another host's with our keys; ours, by an issuer of another root; and one that has ended.
    let token = Token::random(&RootSet::of_key(place.root.public())).unwrap();
    let join = HostJoin::new(&token, &standing.now().keys, text("web01"), now()).unwrap();
    let request = join.verify(token.id, &token.secret).unwrap();
    let id = Id::random().unwrap();
    let other_id = sign_host(&place.issuer, &place.issuing.sign, id, &request, life(0)).unwrap();
    let ended = renew_host(&place.issuer, &place.issuing.sign, &place.host, life(101)).unwrap();
    for document in [
        renew_host(&place.issuer, &place.issuing.sign, &other.host, life(0)).unwrap(),
        place.next(&evil_issuer, &evil),
        other_id,
        ended,
        "x".to_owned(),
    ] {
        assert!(standing.renewed(&document, now()).is_err());
        assert_eq!(standing.now().host.document(), place.host.document());
        assert_eq!(place.read("host.jws").trim(), place.host.document());
    }
}

#[test]
fn r24_whatever_a_crash_leaves_loads() {
    let place = Place::new("crash");
    let second = KeyPair::generate().unwrap();
    let issuer = issuer_of(&[&place.root], &second, 0);
    let verified = Trust::new(vec![place.root.public()])
        .verify_issuer(&issuer, now())
        .unwrap();
    let standing = place.load().unwrap();
    standing.learn(&place.info(&[], &[&issuer]), now()).unwrap();
    // Between the two: the new issuer is there, the old certificate is in use.
    assert_eq!(place.read("issuer.jws").lines().count(), 2);
    assert_eq!(place.load().unwrap().now().host.document(), place.host.document());
    // The new certificate's file cannot be written (as a disk that is full): the old one stays, and stays whole.
    let (file, aside) = (place.dir.join("host.jws"), place.dir.join("aside"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    let next = place.next(&verified, &second);
    assert!(standing.renewed(&next, now()).is_err());
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    assert_eq!(standing.now().host.document(), place.host.document());
    assert_eq!(place.load().unwrap().now().host.document(), place.host.document());
    // What a crash left half written beside it is nobody's.
    place.write(".host.jws.new", &next[..40]);
    assert!(standing.renewed(&next, now()).unwrap());
    let loaded = place.load().unwrap().now();
    assert_eq!(
        (loaded.host.document(), loaded.issuer.document()),
        (next.as_str(), issuer.as_str())
    );
    // Devices of either issuer count.
    assert_eq!(loaded.issuers.all().len(), 2);
}

#[test]
fn r23_what_no_believed_root_has_signed_is_not_learned() {
    let place = Place::new("evil");
    let standing = place.load().unwrap();
    let (root, issuing) = (SigningKey::generate().unwrap(), KeyPair::generate().unwrap());
    let theirs = issuer_of(&[&root], &issuing, 0);
    let planted = step(1, &root, &[&root]);
    let before = place.read("issuer.jws");
    standing.learn(&place.info(&[planted], &[&theirs]), now()).unwrap();
    assert_eq!(place.read("issuer.jws"), before);
    assert!(!place.dir.join("roots.json").exists());
    assert_eq!(standing.now().root.version(), 1);
}

#[test]
fn r24_roots_step_forward_survive_a_restart_and_never_go_back() {
    let place = Place::new("roots");
    let standing = place.load().unwrap();
    let (second, third) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let steps = [
        step(1, &second, &[&place.root, &second]),
        step(2, &third, &[&second, &third]),
    ];
    let both = issuer_of(&[&place.root, &second, &third], &place.issuing, 0);
    standing.learn(&place.info(&steps[..1], &[&both]), now()).unwrap();
    assert_eq!(standing.now().root.version(), 2);
    assert_eq!(place.load().unwrap().now().root.version(), 2, "after a restart");
    standing.learn(&place.info(&steps, &[&both]), now()).unwrap();
    assert_eq!(standing.now().root.version(), 3);
    let kept = place.read("roots.json");
    // The relay tells of older ones, or of none.
    for back in [&steps[..1], &steps[..0]] {
        standing.learn(&place.info(back, &[&both]), now()).unwrap();
        assert_eq!(
            (standing.now().root.version(), place.read("roots.json")),
            (3, kept.clone())
        );
    }
    // An issuer of the first root alone is none any more.
    let old = issuer_of(&[&place.root], &KeyPair::generate().unwrap(), 0);
    standing.learn(&place.info(&steps, &[&both, &old]), now()).unwrap();
    assert!(!place.read("issuer.jws").contains(&old));
    // Torn, cut or of another pin: found at the start, never taken for "no steps".
    for torn in [
        &kept[..kept.len() / 2],
        "",
        "{\"v\":2,\"lines\":[]}",
        &kept.replace(&steps[0], &steps[1]),
    ] {
        place.write("roots.json", torn);
        let refused = place.load().err().expect("a damaged file").to_string();
        assert!(refused.contains("roots.json"), "{refused}");
    }
    place.write("roots.json", &kept);
    assert_eq!(place.load().unwrap().now().root.version(), 3);
}

#[test]
fn r24_roots_that_cannot_be_kept_are_not_followed() {
    let place = Place::new("full");
    let standing = place.load().unwrap();
    let second = SigningKey::generate().unwrap();
    let steps = [step(1, &second, &[&place.root, &second])];
    let both = issuer_of(&[&place.root, &second], &place.issuing, 0);
    fs::create_dir(place.dir.join("roots.json")).unwrap();
    assert!(standing.learn(&place.info(&steps, &[&both]), now()).is_err());
    assert_eq!(standing.now().root.version(), 1, "as it will be after a restart");
    fs::remove_dir(place.dir.join("roots.json")).unwrap();
    assert_eq!(place.load().unwrap().now().root.version(), 1);
    standing.learn(&place.info(&steps, &[&both]), now()).unwrap();
    assert_eq!(standing.now().root.version(), 2);
}

#[test]
fn the_admins_own_files_count_beside_and_instead() {
    let place = Place::new("admin");
    let second = SigningKey::generate().unwrap();
    let next = step(1, &second, &[&place.root, &second]);
    // The next step of what is pinned.
    place.write("trust.d/next.root", &next);
    let both = issuer_of(&[&place.root, &second], &place.issuing, 0);
    place.write("issuer.jws", &format!("{}\n{both}\n", place.issuer.document()));
    assert_eq!(place.load().unwrap().now().root.version(), 2);
    // The old pin is gone: the set is pinned as it is. This is the way out when a root is lost.
    fs::remove_file(place.dir.join("trust.d/registrar.pub")).unwrap();
    assert_eq!(place.load().unwrap().now().root.version(), 2);
    // What its own keys have not signed is no set.
    let unsigned = step(1, &second, &[&SigningKey::generate().unwrap()]);
    place.write("trust.d/next.root", &unsigned);
    assert!(place.load().is_err());
}

#[test]
fn a_host_that_ended_loads_asks_nothing_and_can_come_back() {
    let place = Place::new("ended");
    let renew = |days_ago| renew_host(&place.issuer, &place.issuing.sign, &place.host, life(days_ago)).unwrap();
    place.write("host.jws", &renew(110));
    let standing = place.load().unwrap();
    assert!(standing.now().alive(now()).is_err());
    assert!(standing.renewal_is_due(now()) && standing.warning(now()).is_some());
    assert!(standing.renewed(&renew(0), now()).unwrap());
    assert!(standing.now().alive(now()).is_ok() && standing.warning(now()).is_none());
    place.write("host.jws", &renew(131));
    assert!(place.load().is_err(), "too long ago");
}

#[test]
fn a_host_renews_after_half_of_the_life_and_before_two_thirds() {
    let life = Life {
        nbf: UnixTime(0),
        exp: UnixTime(365 * DAY),
    };
    for share in [0, 1, 128, 255] {
        let at = due(life, share);
        assert_eq!(life.age(at), Age::Due, "{share}");
        assert!(at >= life.half());
    }
    assert!(due(life, 0) < due(life, 255), "hosts are spread");
}
