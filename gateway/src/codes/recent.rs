//! Codes that were typed lately, for their person to see at the panel: by which method, where, whether right. Where
//! somebody logs in is theirs to know: it stands in the data base sealed.

use super::logins::Login;
use super::{Codes, Refusal, failed, names};
use crate::store::SqliteConnection;
use crate::store::codes as rows;
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::code::CodeMethod;
use assent_proto::seal::{self, Purpose};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The context under which it is sealed.
const CONTEXT: &str = "typed";

/// One code, as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    identities: Vec<Identity>,
    method: CodeMethod,
    ok: bool,
    /// The host and the PAM service; `None`: at the panel.
    at: Option<(String, ShortText)>,
    src: Option<IpAddr>,
}

impl Typed {
    pub(super) fn at_login(login: &Login, method: CodeMethod, ok: bool) -> Self {
        Self {
            identities: vec![login.identity().clone()],
            method,
            ok,
            at: Some((login.host_name.clone(), login.start.svc.clone())),
            src: login.start.src,
        }
    }

    pub(super) fn at_panel(who: &Identity, method: CodeMethod, ok: bool) -> Self {
        Self {
            identities: vec![who.clone()],
            method,
            ok,
            at: None,
            src: None,
        }
    }
}

/// One code, as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// When.
    pub at: u64,
    /// By which method; of a wrong one, the one that it looked like.
    pub method: CodeMethod,
    /// Whether it was right.
    pub ok: bool,
    /// The host; absent: at the panel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    /// The PAM service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// Where the login came from; absent: on the host itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub src: Option<IpAddr>,
}

impl Codes {
    pub(super) async fn remember(
        &self,
        conn: &mut SqliteConnection,
        who: &Identity,
        typed: Typed,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let sealed = seal::keep(&self.keys.kem, Purpose::CodeKept, CONTEXT, &typed)
            .map_err(|_| failed("what was typed was not sealed"))?;
        Ok(rows::put_typed(conn, who, typed.ok, &sealed, now).await?)
    }

    /// The codes that these people typed lately, newest first.
    pub(super) async fn recent(&self, identities: &[Identity]) -> Result<Vec<Recent>, Refusal> {
        let mut conn = self.pool.acquire().await?;
        let mut recent = Vec::new();
        for who in identities {
            for (at, sealed) in rows::typed(&mut conn, who).await? {
                let typed: Typed =
                    seal::open_kept(&self.keys.kem, Purpose::CodeKept, CONTEXT, &sealed).map_err(|_| {
                        failed("a code in codes.db does not open: it is of another codes.key, or was changed")
                    })?;
                names(&typed.identities, who)?;
                let (host, service) = typed.at.unzip();
                recent.push(Recent {
                    at: at.0,
                    method: typed.method,
                    ok: typed.ok,
                    host,
                    service: service.map(|service| visible(service.as_str())),
                    src: typed.src,
                });
            }
        }
        recent.sort_by_key(|one| std::cmp::Reverse(one.at));
        Ok(recent)
    }
}
