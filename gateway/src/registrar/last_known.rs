//! Which hosts live, as the registrar last said: what the code service goes by while the registrar is away. Only the registrar
//! revokes, so nobody is revoked meanwhile; what it did in its last minute may be missed.

use super::enrolments::may_vouch;
use crate::error::Error;
use assent_proto::Id;
use assent_proto::cert::{Host, Identity, Issuers};
use assent_proto::keys::KeyId;
use assent_proto::time::{BootTime, UnixTime};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// How long after the registrar's last word it counts.
const HOLDS: Duration = Duration::from_secs(3600);

struct Known {
    issuers: Issuers,
    /// Each with the key that it has now.
    hosts: HashMap<Id, KeyId>,
    heard: BootTime,
}

/// The registrar's last word, if there was one.
#[derive(Default)]
pub struct LastKnown(RwLock<Option<Known>>);

impl LastKnown {
    /// The registrar has said this.
    pub fn take(&self, issuers: Issuers, hosts: HashMap<Id, KeyId>, heard: BootTime) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Known { issuers, hosts, heard });
    }

    /// The registrar has said that this one lives.
    pub fn remember(&self, host: &Host) {
        if let Some(known) = self.0.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            known.hosts.insert(host.claims().host_id, host.claims().sign.id());
        }
    }

    /// The registrar has said that this is no certificate of a host that lives. Whoever shows a forged one takes nobody away.
    pub fn forget(&self, document: &str, now: UnixTime, boot: BootTime) {
        let Ok(host) = self.living_host(document, now, boot) else {
            return;
        };
        if let Some(known) = self.0.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            known.hosts.remove(&host.claims().host_id);
        }
    }

    /// The host of this certificate. [`Error::Away`]: it is not known to live, which the registrar alone could deny.
    pub fn living_host(&self, document: &str, now: UnixTime, boot: BootTime) -> Result<Host, Error> {
        let found = self.with(boot, |known| {
            let (host, _) = known.issuers.verify_host(document, now).ok()?;
            let claims = host.claims();
            (known.hosts.get(&claims.host_id) == Some(&claims.sign.id())).then_some(host)
        })?;
        found.ok_or(Error::Away)
    }

    /// Whether a host may ask about these people: by every issuing key that lives, since which one the registrar uses is not
    /// known.
    pub fn may_name(&self, host: &Host, identities: &[Identity], boot: BootTime) -> Result<bool, Error> {
        let id = host.claims().host_id;
        self.with(boot, |known| {
            let mut issuers = known.issuers.all().iter();
            issuers.all(|issuer| issuer.allows_identities(identities).is_ok())
                && identities.iter().all(|identity| may_vouch(id, identity))
        })
    }

    /// [`Error::Away`]: nothing was heard, or too long ago.
    fn with<T>(&self, boot: BootTime, look: impl FnOnce(&Known) -> T) -> Result<T, Error> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.as_ref().filter(|known| boot <= known.heard.plus(HOLDS));
        fresh.map(look).ok_or(Error::Away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_proto::ShortText;
    use assent_proto::cert::{Issuance, Issuer, IssuerGrant, IssuerRequest, Trust, sign_host, sign_issuer};
    use assent_proto::enrol::Token;
    use assent_proto::keys::{KeyPair, SigningKey};
    use assent_proto::registrar::HostJoin;
    use assent_proto::roots::RootSet;

    const DAY: u64 = 86_400;

    struct Site {
        root: SigningKey,
        issuing: KeyPair,
        issuer: Issuer,
    }

    fn text(text: &str) -> ShortText {
        ShortText::new(text).unwrap()
    }

    fn whose(realm: &str) -> [Identity; 1] {
        let (realm, id) = (text(realm), text("alice"));
        [Identity { realm, id }]
    }

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    impl Site {
        fn new() -> Self {
            let (root, issuing) = (SigningKey::generate().unwrap(), KeyPair::generate().unwrap());
            let request = IssuerRequest::verify(&IssuerRequest::sign(&issuing, UnixTime::now()).unwrap()).unwrap();
            let grant = IssuerGrant {
                realms: vec![text("corp"), text("nss@*")],
                hosts: vec![text("*")],
                nbf: UnixTime(UnixTime::now().0 - DAY),
                days: 30,
                serial: Id::random().unwrap(),
            };
            let document = sign_issuer(&root, &request, grant).unwrap();
            let trust = Trust::new(vec![root.public()]);
            let issuer = trust.verify_issuer(&document, UnixTime::now()).unwrap();
            Self { root, issuing, issuer }
        }

        fn issuers(&self) -> Issuers {
            Issuers::under(&Trust::new(vec![self.root.public()]), [self.issuer.document()])
        }

        /// A host of this id, with keys of its own.
        fn host(&self, id: Id) -> Host {
            let token = Token::random(&RootSet::of_key(self.root.public())).unwrap();
            let keys = KeyPair::generate().unwrap();
            let join = HostJoin::new(&token, &keys, text("web01"), UnixTime::now()).unwrap();
            let request = join.verify(token.id, &token.secret).unwrap();
            let issuance = Issuance {
                nbf: UnixTime(UnixTime::now().0 - 60),
                days: 20,
                serial: Id::random().unwrap(),
                log_index: 1,
            };
            let document = sign_host(&self.issuer, &self.issuing.sign, id, &request, issuance).unwrap();
            self.issuer.verify_host(&document, UnixTime::now()).unwrap()
        }
    }

    fn named(host: &Host) -> (Id, KeyId) {
        (host.claims().host_id, host.claims().sign.id())
    }

    #[test]
    fn a_host_lives_by_the_registrars_last_word_with_its_newest_key_for_an_hour() {
        let (site, known, now) = (Site::new(), LastKnown::default(), UnixTime::now());
        let [id, other] = [Id::random().unwrap(), Id::random().unwrap()];
        let (former, host, stranger) = (site.host(id), site.host(id), site.host(other));
        let lives = |host: &Host, boot| known.living_host(host.document(), now, at(boot)).is_ok();
        assert!(!lives(&host, 10), "nothing was heard yet");
        known.take(site.issuers(), HashMap::from([named(&host)]), at(10));
        assert!(lives(&host, 10));
        assert!(lives(&host, 10 + 3600));
        assert!(!lives(&host, 10 + 3601), "too long ago");
        assert!(!lives(&former, 20), "it has joined anew since, with another key");
        assert!(!lives(&stranger, 20));
        let elsewhere = Site::new().host(id);
        assert!(!lives(&elsewhere, 20), "another registrar's");
        let ended = UnixTime(now.0 + 21 * DAY);
        assert!(known.living_host(host.document(), ended, at(20)).is_err());
        // A certificate that names this host and is not its own takes nothing away.
        known.forget(elsewhere.document(), now, at(20));
        known.forget(former.document(), now, at(20));
        assert!(lives(&host, 20));
        known.forget(host.document(), now, at(20));
        assert!(!lives(&host, 20), "revoked");
        known.remember(&host);
        assert!(lives(&host, 20), "it has joined anew");
        // The next word counts whole.
        known.take(site.issuers(), HashMap::from([named(&stranger)]), at(30));
        assert!(!lives(&host, 30) && lives(&stranger, 30));
    }

    #[test]
    fn r28_a_host_names_whom_it_could_name_at_the_registrar() {
        let (site, known) = (Site::new(), LastKnown::default());
        let (host, other) = (site.host(Id::random().unwrap()), Id::random().unwrap());
        let id = host.claims().host_id;
        let may = |realm: &str, boot| known.may_name(&host, &whose(realm), at(boot)).ok();
        assert_eq!(may("corp", 10), None);
        known.take(site.issuers(), HashMap::from([named(&host)]), at(10));
        assert_eq!(may("corp", 20), Some(true));
        assert_eq!(may(&format!("nss@{id}"), 20), Some(true));
        assert_eq!(
            may(&format!("nss@{other}"), 20),
            Some(false),
            "another host's own users"
        );
        assert_eq!(may("elsewhere", 20), Some(false), "no realm of the issuing key");
        assert_eq!(may("corp", 10 + 3601), None);
    }
}
