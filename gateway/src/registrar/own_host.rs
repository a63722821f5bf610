//! The registrar as a host: its own keys and certificate, with which it asks a person's devices whether a device may be
//! added or removed. Its name is reserved ([`REGISTRAR_NAME`]); no join token opens it.

use super::issue::Issued;
use super::{News, Registrar, random_id};
use crate::keyfile;
use crate::store::registrar as rows;
use crate::store::{SqliteConnection, StoreError};
use assent_proto::ShortText;
use assent_proto::cert::{DAY, claimed_issuer};
use assent_proto::cert::{Host, REGISTRAR_NAME};
use assent_proto::enrol::Token;
use assent_proto::keys::KeyPair;
use assent_proto::life::Age;
use assent_proto::registrar::HostJoin;
use assent_proto::time::UnixTime;
use std::path::Path;

/// The key file in the state directory.
const KEY_FILE: &str = "registrar-host.key";

/// Reads the registrar's own host keys; at the first start, makes them.
pub(super) fn keys(state_dir: &Path) -> anyhow::Result<KeyPair> {
    keyfile::own_keys(state_dir, KEY_FILE)
}

impl Registrar {
    /// Whether no later certificate can be had, as the issuing key ends with this one.
    fn cannot_outlive(&self, host: &Host) -> bool {
        self.keys().current().issuer.claims().exp <= host.claims().exp.plus(DAY / 24)
    }

    /// The registrar's certificate as a host, made anew once half of its life is over. `None`: nothing can be certified
    /// now; the cause has been logged.
    pub(super) async fn certify_itself(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        now: UnixTime,
    ) -> Result<Option<Host>, StoreError> {
        let known = rows::host_by_key(conn, &self.own_keys.sign.public().id()).await?;
        if let Some(known) = &known
            && let Ok(host) = self.keys().verify_host(&known.document, now)
            && claimed_issuer(&known.document) == Some(self.keys().current().pair.sign.public().id())
            && (host.life().age(now) == Age::Young || self.cannot_outlive(&host))
        {
            return Ok(Some(host));
        }
        let token = Token::random(self.keys().roots.current()).map_err(|_| StoreError::Random)?;
        let name = ShortText::cut(REGISTRAR_NAME.to_owned());
        let join = HostJoin::new(&token, &self.own_keys, name, now).map_err(|_| StoreError::Row("host"))?;
        let request = join.verify(token.id, &token.secret).ok_or(StoreError::Row("host"))?;
        let id = match known {
            Some(known) => known.id,
            None => random_id()?,
        };
        match self.issue_host(conn, news, id, &request, now).await? {
            Issued::Yes(document) => Ok(self.keys().verify_host(&document, now).ok()),
            Issued::No(_) => {
                tracing::error!("the registrar could not certify itself: nobody can add a further device");
                Ok(None)
            }
        }
    }
}
