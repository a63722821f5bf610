//! What fuzz targets reach of this module's insides (`fuzz/`). Built by cargo-fuzz alone, which sets `cfg(fuzzing)`; no
//! build of the product has it.
#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a fuzz target fails by panicking"
)]

use super::dn::Dn;
use super::{ber, dial, search};
use crate::config::profile::{AccountRules, GroupSearch, LdapProfile, Nesting};
use crate::names::UserName;
use assent_proto::ShortText;
use assent_proto::text::Outside;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

const BASE: &str = "dc=lab,dc=test";

/// The filter that a user is searched by.
pub fn user_filter(user: &UserName, besides: Option<&str>) -> String {
    let profile = LdapProfile {
        user_filter: besides.map(str::to_owned),
        ..profile()
    };
    search::filter(&profile, user)
}

/// Whether a DN is another or stands under it; `None` if one of the two is none.
pub fn is_under(dn: &str, base: &str) -> Option<bool> {
    let (dn, base) = (Dn::parse(dn)?, Dn::parse(base)?);
    let _ = dn.domain();
    Some(dn.is_under(&base))
}

/// Looks at bytes as the guard and `StartTLS` do.
pub fn read_message(bytes: &[u8]) {
    if let ber::Header::Length(length) = ber::header(bytes) {
        assert!(length >= 2, "an element is its tag and its length at least");
    }
    let _ = ber::check_message(bytes);
    let _ = ber::extended_result(bytes);
}

/// Asks `server` one question through the guard and the parser: a search for a user, or a bind.
pub async fn ask<S>(server: S, search: bool)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Ok(mut connection) = dial::attach(server).await else {
        return;
    };
    let profile = profile();
    if search {
        let user = UserName::new(&Outside::new(b"alice".as_slice())).expect("a name");
        let base = Dn::parse(BASE).expect("a DN");
        if let Ok(search::Outcome::Found(entry)) = search::user(&mut connection, &profile, &base, &user).await {
            let _ = entry.person(&profile, 1_800_000_000, true);
        }
    } else if let Ok(result) = connection.ldap.simple_bind("uid=alice", "a password").await {
        let _ = (super::verdict::must_change(&result), super::verdict::shown(&result));
    }
}

fn profile() -> LdapProfile {
    LdapProfile {
        name: "corp".to_owned(),
        realm: ShortText::new("lab.test").expect("a short text"),
        servers: vec![],
        base: BASE.to_owned(),
        service: None,
        ca_file: None,
        login_names: vec!["uid".to_owned()],
        user_filter: None,
        id_attribute: "entryUUID".to_owned(),
        attributes: vec!["department".to_owned(), "memberOf".to_owned()],
        attribute_map: [].into(),
        accounts: AccountRules::Any,
        nesting: Nesting::Off,
        groups: GroupSearch {
            base: BASE.to_owned(),
            filter: None,
            members: vec!["member".to_owned()],
        },
        max_binds: 4,
        cache: None,
        timeout: Duration::from_secs(5),
    }
}
