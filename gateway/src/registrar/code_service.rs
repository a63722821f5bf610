//! What the code service asks the registrar: its own certificate, whether a host is one, who has a name.

use super::enrolments::may_vouch;
use super::{News, Registrar};
use crate::clock;
use crate::store::registrar as rows;
use crate::store::{StoreError, code_services};
use assent_proto::cert::{Host, Identity};
use assent_proto::code_service::{CodeService, CodeServiceRequest};
use assent_proto::keys::KeyId;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use std::sync::PoisonError;

/// Hosts that one answer carries.
pub(super) const PAGE: u32 = 1000;

impl Registrar {
    /// The code service's certificate, made anew once half of its life is over. `None`: its key is revoked, or nothing can
    /// be certified now; the cause has been logged.
    pub async fn certify_code_service(&self, request: &CodeServiceRequest) -> Result<Option<CodeService>, StoreError> {
        let turn = self.turn.lock().await;
        let now = clock::now();
        let mut tx = self.begin().await?;
        let service = self.issue_code_service(&mut tx, request, now).await?;
        let living = code_services::living(&mut tx, now).await?;
        self.finish(tx, News::default(), turn).await?;
        self.have_code_services(living, now);
        Ok(service)
    }

    /// Revokes every key of the code service; how many there were.
    pub async fn revoke_code_services(&self) -> Result<usize, StoreError> {
        let turn = self.turn.lock().await;
        let now = clock::now();
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let revoked = code_services::revoke_all(&mut tx, now).await?;
        for subject in &revoked {
            super::admin::record(&mut tx, "code service", *subject, now.0).await?;
        }
        if !revoked.is_empty() {
            self.next_list(&mut tx, &mut news, now).await?;
        }
        self.finish(tx, news, turn).await?;
        self.have_code_services(Vec::new(), now);
        Ok(revoked.len())
    }

    /// Those that live; a relay that runs apart hears of it.
    fn have_code_services(&self, living: Vec<String>, now: UnixTime) {
        let before = std::mem::replace(
            &mut *self.code_services.write().unwrap_or_else(PoisonError::into_inner),
            living.clone(),
        );
        if before != living {
            let own = self.own_host().map(|own| own.claims().host_id);
            self.relay.introduce(self.trust_info(now), own);
        }
    }

    /// The host of this certificate, if it lives and is not revoked.
    pub async fn living_host(&self, document: &str, now: UnixTime) -> Result<Option<Host>, StoreError> {
        let Ok(host) = self.keys().verify_host(document, now) else {
            return Ok(None);
        };
        let mut conn = self.pool.acquire().await?;
        let known = rows::host(&mut conn, host.claims().host_id).await?;
        // Its key, too: a host that joined anew has only the new one.
        let same = known.is_some_and(|known| known.revoked.is_none() && known.key == host.claims().sign);
        Ok(same.then_some(host))
    }

    /// Hosts that live, each with its key: those behind `after`, by their ids, as many as one answer carries.
    pub async fn living_hosts(&self, after: Option<Id>) -> Result<Vec<(Id, KeyId)>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        rows::living_hosts(&mut conn, after, PAGE).await
    }

    /// Whether a host may ask about these people.
    pub fn host_may_name(&self, host: &Host, identities: &[Identity]) -> bool {
        let id = host.claims().host_id;
        self.keys().current().issuer.allows_identities(identities).is_ok()
            && identities.iter().all(|identity| may_vouch(id, identity))
    }

    /// The people whose devices have this user name.
    pub async fn people(&self, name: &str) -> Result<Vec<(Identity, String)>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let mut people = Vec::new();
        for device in rows::devices(&mut conn).await? {
            if device.name != name {
                continue;
            }
            for (realm, id) in rows::identities(&mut conn, device.id).await? {
                let identity = Identity {
                    realm: ShortText::cut(realm),
                    id: ShortText::cut(id),
                };
                people.push((identity, device.name.clone()));
            }
        }
        Ok(people)
    }
}
