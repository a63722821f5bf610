//! The values that an attribute has among the users of a profile, for choosing a policy's values: read page by page on
//! a connection of its own, within bounds. Called by `assentctl values`, never by a login.

use super::ber;
use super::dial::{Connection, Failure};
use super::dn::Dn;
use super::search::{self, Query};
use super::verdict;
use crate::config::profile::LdapProfile;
use crate::directory::{Cut, ValueCounts, ValueLimits};
use assent_proto::text::Outside;
use ldap3::controls::{PagedResults, RawControl};
use ldap3::{LdapResult, Scope};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Simple paged results (RFC 2696).
const PAGED: &str = "1.2.840.113556.1.4.319";
/// Entries of a page.
const PAGE: i32 = 200;
/// Entries of one answer, of servers that send all at once.
const MAX_AT_ONCE: usize = 20_000;
/// Longest cookie.
const MAX_COOKIE: usize = 16 * 1024;

/// Counts the values of `attribute`, under the directory's name for it.
pub async fn count(
    connection: &mut Connection,
    profile: &LdapProfile,
    base: &Dn,
    attribute: &str,
    limits: ValueLimits,
    deadline: Instant,
) -> Result<ValueCounts, Failure> {
    let filter = match &profile.user_filter {
        Some(filter) => format!("(&{}({attribute}=*))", search::in_brackets(filter)),
        None => format!("({attribute}=*)"),
    };
    let mut counting = Counting {
        limits,
        counts: BTreeMap::new(),
        entries: 0,
        cut: None,
    };
    let mut cookie = Vec::new();
    loop {
        let query = Query {
            base: &profile.base,
            scope: Scope::Subtree,
            filter: &filter,
            attributes: vec![attribute.to_owned()],
            size_limit: 0,
            most: MAX_AT_ONCE,
            control: Some(page(cookie)),
        };
        let page = search::entries(connection, query, profile.timeout.as_secs());
        let (found, result) = match tokio::time::timeout_at(deadline, page).await {
            Ok(done) => done?,
            Err(_) => return Ok(counting.done(Some(Cut::Time))),
        };
        for raw in found {
            // What cannot be read is not counted, and its place in the directory is not ours to judge.
            if let Ok((entry, _)) = search::under(raw, base) {
                counting.add(entry.values(attribute));
            }
            if counting.cut.is_some() {
                return Ok(counting.done(None));
            }
        }
        match result.rc {
            0 => (),
            3 | 4 | 11 if counting.entries > 0 => {
                return Ok(counting.done(Some(Cut::Server(verdict::shown(&result)))));
            }
            _ => return Err(Failure(format!("search: {}", verdict::shown(&result)))),
        }
        cookie = match next_cookie(&result) {
            Some(cookie) if !cookie.is_empty() => cookie,
            _ => return Ok(counting.done(None)),
        };
    }
}

struct Counting {
    limits: ValueLimits,
    counts: BTreeMap<Vec<u8>, usize>,
    entries: usize,
    cut: Option<Cut>,
}

impl Counting {
    fn add(&mut self, values: &[Vec<u8>]) {
        if self.entries >= self.limits.entries {
            self.cut = Some(Cut::Entries);
            return;
        }
        self.entries += 1;
        for value in values {
            if let Some(count) = self.counts.get_mut(value) {
                *count += 1;
            } else if self.counts.len() < self.limits.values {
                self.counts.insert(value.clone(), 1);
            } else {
                self.cut = Some(Cut::Values);
                return;
            }
        }
    }

    fn done(self, cut: Option<Cut>) -> ValueCounts {
        let counts = self.counts.into_iter();
        ValueCounts::new(
            counts.map(|(value, count)| (Outside::new(value), count)).collect(),
            self.entries,
            self.cut.or(cut),
        )
    }
}

/// Not critical: servers without paging send all at once, which is as well.
fn page(cookie: Vec<u8>) -> RawControl {
    PagedResults { size: PAGE, cookie }.into()
}

/// Where the next page begins; opaque, and the same in every page of some servers.
fn next_cookie(result: &LdapResult) -> Option<Vec<u8>> {
    let control = result.ctrls.iter().find(|control| control.1.ctype == PAGED)?;
    let mut value = control.1.val.as_deref()?;
    let outer = ber::take(&mut value).filter(|outer| outer.tag == 0x30)?;
    let parts = ber::elements(outer.body)?;
    let cookie = parts.get(1).filter(|part| part.tag == 4)?;
    (cookie.body.len() <= MAX_COOKIE).then(|| cookie.body.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::controls::Control;

    fn answered(value: &[u8]) -> LdapResult {
        let raw = RawControl {
            ctype: PAGED.to_owned(),
            crit: false,
            val: Some(value.to_vec()),
        };
        LdapResult {
            rc: 0,
            matched: String::new(),
            text: String::new(),
            refs: vec![],
            ctrls: vec![Control(None, raw)],
        }
    }

    #[test]
    fn r88_cookies_are_read_without_trust_and_sent_back_as_they_came() {
        assert_eq!(next_cookie(&answered(&[0x30, 6, 2, 1, 0, 4, 1, 7])), Some(vec![7]));
        assert_eq!(next_cookie(&answered(&[0x30, 5, 2, 1, 0, 4, 0])), Some(vec![]));
        for odd in [
            b"".as_slice(),
            &[0x30, 6, 2, 1, 0, 4, 9, 7],
            &[0x30, 3, 2, 1, 0],
            &[4, 1, 0],
            &[0x30, 0],
        ] {
            assert_eq!(next_cookie(&answered(odd)), None, "{odd:?}");
        }
        let cookie = vec![9; 300];
        let sent = page(cookie.clone()).val.unwrap();
        assert_eq!(next_cookie(&answered(&sent)), Some(cookie));
    }

    #[test]
    fn values_are_counted_and_both_bounds_are_told() {
        let counting = || Counting {
            limits: ValueLimits {
                entries: 3,
                values: 2,
                ..ValueLimits::default()
            },
            counts: BTreeMap::new(),
            entries: 0,
            cut: None,
        };
        let of = |text: &str| vec![text.as_bytes().to_vec()];
        let mut few = counting();
        for value in ["HR", "IT", "IT"] {
            few.add(&of(value));
        }
        let few = few.done(None);
        let shown: Vec<(String, usize)> = few.values.iter().map(|(v, count)| (v.shown(10), *count)).collect();
        assert_eq!(shown, [("IT".to_owned(), 2), ("HR".to_owned(), 1)]);
        assert_eq!((few.entries, few.cut), (3, None));
        let mut many = counting();
        (0..4).for_each(|_| many.add(&of("IT")));
        assert_eq!(many.done(None).cut, Some(Cut::Entries));
        let mut wide = counting();
        wide.add(&[of("a"), of("b"), of("c")].concat());
        assert_eq!(wide.done(Some(Cut::Time)).cut, Some(Cut::Values));
    }
}
