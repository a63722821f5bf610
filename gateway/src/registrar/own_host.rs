//! The registrar as a host: its own keys and certificate, with which it asks a person's devices whether a device may be
//! added or removed. Its name is reserved ([`REGISTRAR_NAME`]); no join token opens it.

use super::issue::Issued;
use super::{News, Registrar, random_id};
use crate::keyfile;
use crate::store::registrar as rows;
use crate::store::{SqliteConnection, StoreError};
use anyhow::Context as _;
use assent_proto::ShortText;
use assent_proto::cert::{DAY, claimed_issuer};
use assent_proto::cert::{Host, REGISTRAR_NAME};
use assent_proto::enrol::Token;
use assent_proto::keys::KeyPair;
use assent_proto::life::Age;
use assent_proto::registrar::HostJoin;
use assent_proto::time::UnixTime;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The key file in the state directory.
const KEY_FILE: &str = "registrar-host.key";

/// Reads the registrar's own host keys; at the first start, makes them.
pub(super) fn keys(state_dir: &Path) -> anyhow::Result<KeyPair> {
    let file = state_dir.join(KEY_FILE);
    if !file.try_exists().unwrap_or(true) {
        let keys = KeyPair::generate().context("the system's random generator failed")?;
        let text: Zeroizing<String> = keys.to_file().context("the new key cannot be written down")?;
        // Whole or not at all: written beside, then renamed.
        let beside = state_dir.join("registrar-host.key.new");
        let written = std::fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()))
            .and_then(|()| std::fs::rename(&beside, &file));
        written.with_context(|| format!("{} cannot be written", file.display()))?;
        return Ok(keys);
    }
    KeyPair::from_file(&keyfile::read_secret(&file)?).with_context(|| file.display().to_string())
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
