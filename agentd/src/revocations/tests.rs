//! The kept list and whose list it is, with real roots, on a real disk.

use super::*;
use assent_proto::ShortText;
use assent_proto::cert::{IssuerGrant, IssuerRequest, sign_issuer};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::revocation::RevocationClaims;
use assent_proto::roots::RootClaims;
use std::fs;
use std::path::PathBuf;

/// A registrar: its root, and the issuing key under it.
struct Registrar {
    root: SigningKey,
    issuing: KeyPair,
    issuer: String,
}

impl Registrar {
    fn new() -> Self {
        let (root, issuing) = (SigningKey::generate().unwrap(), KeyPair::generate().unwrap());
        let now = UnixTime::now();
        let request = IssuerRequest::verify(&IssuerRequest::sign(&issuing, now).unwrap()).unwrap();
        let any = || vec![ShortText::cut("*".into())];
        let grant = IssuerGrant {
            realms: any(),
            hosts: any(),
            nbf: UnixTime(now.0 - 3600),
            days: 90,
            serial: Id::random().unwrap(),
        };
        let issuer = sign_issuer(&root, &request, grant).unwrap();
        Self { root, issuing, issuer }
    }

    fn list(&self, seq: u64) -> List {
        let claims = RevocationClaims::new(seq, UnixTime::now(), vec![], vec![], vec![]);
        let document = claims.sign(&self.issuing.sign).unwrap();
        List::verify(&Trust::new(vec![self.root.public()]), &self.issuer, &document).unwrap()
    }
}

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("assent-lists-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("trust.d")).unwrap();
        Self(dir)
    }

    fn pin(&self, registrar: &Registrar) -> Roots {
        fs::write(
            self.0.join("trust.d/registrar.pub"),
            registrar.root.public().to_pem().unwrap(),
        )
        .unwrap();
        self.roots()
    }

    fn roots(&self) -> Roots {
        Roots::load(&self.0.join("trust.d"), &self.0).unwrap()
    }

    fn open(&self, disk: &Arc<Disk>) -> Kept {
        Kept::open(&self.0, &self.roots(), disk)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn seq(kept: &Kept) -> Option<u64> {
    kept.list().map(|list| list.seq())
}

#[tokio::test]
async fn r24_the_floor_outlasts_a_step_of_the_roots_and_a_restart_behind_it() {
    let (place, disk, first) = (Place::new("step"), Disk::start("test").unwrap(), Registrar::new());
    let mut roots = place.pin(&first);
    let kept = place.open(&disk);
    kept.take(0, first.list(7)).await.unwrap();
    let second = SigningKey::generate().unwrap();
    let claims = RootClaims::after(1, vec![second.public()], 1, UnixTime::now()).unwrap();
    let step = claims.sign(&[&first.root, &second]).unwrap();
    assert!(roots.follow(&[step]));
    roots.store(&place.0).unwrap();
    kept.go_by(&place.roots());
    let restarted = place.open(&disk);
    for kept in [kept, restarted] {
        assert_eq!((seq(&kept), kept.era()), (Some(7), 0));
        assert!(
            kept.take(0, first.list(6))
                .await
                .unwrap_err()
                .contains("holds 7 already")
        );
        kept.take(0, first.list(8)).await.unwrap();
        assert_eq!(seq(&kept), Some(8));
    }
}

#[tokio::test]
async fn r24_other_roots_that_the_admin_pins_begin_anew_and_the_former_ones_add_nothing() {
    let (place, disk) = (Place::new("pin"), Disk::start("test").unwrap());
    let (first, other) = (Registrar::new(), Registrar::new());
    place.pin(&first);
    let kept = place.open(&disk);
    kept.take(0, first.list(1000)).await.unwrap();
    // One more pin beside it changes nothing.
    fs::write(place.0.join("trust.d/more.pub"), other.root.public().to_pem().unwrap()).unwrap();
    kept.go_by(&place.roots());
    assert_eq!((seq(&kept), kept.era()), (Some(1000), 0));
    fs::remove_file(place.0.join("trust.d/more.pub")).unwrap();
    kept.go_by(&place.pin(&other));
    assert_eq!((seq(&kept), kept.era()), (None, 1));
    // A login, and a fetch, that began under the former roots.
    assert!(kept.list_of(0).unwrap_err().contains("other roots"));
    assert!(
        kept.take(0, first.list(1001))
            .await
            .unwrap_err()
            .contains("other roots")
    );
    assert_eq!(seq(&kept), None);
    kept.take(1, other.list(1)).await.unwrap();
    assert_eq!(kept.list_of(1).unwrap().seq(), 1);
    // So does a restart, whatever roots are pinned by then.
    assert_eq!(seq(&place.open(&disk)), Some(1));
    place.pin(&first);
    assert_eq!(seq(&place.open(&disk)), None);
    assert!(place.0.join("revocations.damaged").exists());
}
