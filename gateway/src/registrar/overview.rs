//! What administrators read about everybody at the panel: people with their devices, freezes, and the bypasses, blocks and
//! locks that hosts tell of. Who is one stands in the registrar's own file, by identity; a look is opened by one of their
//! own devices and lasts minutes. Nothing can be changed by it: a bad panel reads what its administrator looks at, while
//! they look.

use super::approvals::{Ask, Purpose, Wish};
use super::asked::{Entry, GRANTED_FOR, Standing};
use super::freezes::ListedFreeze;
use super::self_service::FROZEN;
use super::{News, Registrar};
use crate::clock;
use crate::store::StoreError;
use crate::store::overview as rows;
use assent_proto::cert::DeviceOwner;
use assent_proto::exception::Exception;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};

/// People on one page.
pub const PAGE: u32 = 50;
/// Exceptions, and freezes, of one answer.
const MOST: usize = 100;
/// A host that told nothing for so many seconds is said to be silent: its agent tells once an hour.
const SILENT: u64 = 3 * 3600;

/// What an administrator looks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A part of a name or an identity; empty: everybody.
    pub part: ShortText,
    /// Which page, from 0.
    pub page: u32,
}

/// A bypass, a block or a lock on a host.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeenException {
    /// Where.
    pub host: ShortText,
    /// By the host's word.
    #[serde(flatten)]
    pub exception: Exception,
}

/// All of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Overview {
    /// People of this page.
    pub people: Vec<rows::Person>,
    /// How many there are on all pages.
    pub people_in_all: u32,
    /// What hosts tell.
    pub exceptions: Vec<SeenException>,
    /// How many more of them there are.
    pub more_exceptions: u32,
    /// Whose pushes are frozen.
    pub freezes: Vec<ListedFreeze>,
    /// Hosts that have told nothing lately: what holds there is not known here.
    pub silent: Vec<ShortText>,
}

impl Registrar {
    /// Whether this is an administrator by the registrar's own file.
    pub fn administers(&self, owner: &DeviceOwner) -> bool {
        // One of them is enough: whoever approves must have a device that is certified for all that have one.
        let of = |identity| self.rules.administrators.contains(identity);
        owner.identities.iter().any(of)
    }

    /// An administrator who is signed in at the panel wants to look; one of their devices is asked, always.
    /// The text says why not.
    pub async fn ask_overview(&self, owner: &DeviceOwner) -> Result<Result<Id, ShortText>, StoreError> {
        let no = |text: &str| Ok(Err(ShortText::cut(text.to_owned())));
        if !self.administers(owner) {
            tracing::warn!(name = ?owner.name, "somebody who is no administrator asked for the overview");
            return no("you are no administrator of this panel");
        }
        let id = super::random_id()?;
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        if Self::frozen_until(&mut tx, &owner.identities, now).await?.is_some() {
            return no(FROZEN);
        }
        let Ask::These(approvers) = self.ask_whom(&mut tx, owner, now).await? else {
            return no("register a device first: it must approve each look");
        };
        let boot = clock::boot_now();
        let entry = Entry {
            owner: owner.identities.clone(),
            host: None,
            what: (),
            waited: true,
            stands: Standing::Waiting,
            taken: false,
            ends: boot.plus(GRANTED_FOR),
        };
        if let Err(why) = self.overviews.put(id, entry, boot) {
            return no(why);
        }
        let news = News {
            wish: Some(Wish {
                purpose: Purpose::Overview { id },
                owner: owner.clone(),
                approvers,
                label: ShortText::cut("overview".to_owned()),
                digits: None,
                proven: ShortText::cut("signed in at the Register Panel".to_owned()),
            }),
            ..News::default()
        };
        self.finish(tx, news, turn).await?;
        Ok(Ok(id))
    }

    /// How a look stands that this administrator asked for.
    pub fn overview_stands(&self, owner: &DeviceOwner, id: Id) -> Standing {
        match self.administers(owner) {
            true => self.overviews.standing(owner, None, id, clock::boot_now()),
            false => Standing::Over,
        }
    }

    /// The overview, while a look that was granted lasts; `None` otherwise.
    pub async fn overview(&self, owner: &DeviceOwner, id: Id, search: &Search) -> Result<Option<Overview>, StoreError> {
        if self.overview_stands(owner, id) != Standing::Granted {
            return Ok(None);
        }
        let mut conn = self.pool.acquire().await?;
        let now = clock::now();
        if Self::frozen_until(&mut conn, &owner.identities, now).await?.is_some() {
            return Ok(None);
        }
        let part = search.part.as_str();
        let skip = search.page.saturating_mul(PAGE);
        let people = rows::people(&mut conn, part, (skip, PAGE), now).await?;
        let people_in_all = rows::count(&mut conn, part, now).await?;
        let own = self.own_host().map(|own| own.claims().host_id);
        let hosts = rows::hosts(&mut conn, own, now).await?;
        drop(conn);
        let silent = hosts.iter().filter(|host| {
            let told = host.told.as_ref().map(|(at, _)| *at);
            told.is_none_or(|at| at.plus(SILENT) < now)
        });
        let silent = silent.map(|host| host.name.clone()).take(MOST).collect();
        let (exceptions, more_exceptions) = exceptions(hosts, part, now);
        let freezes = self.list_freezes().await?.into_iter();
        let freezes = freezes.filter(|freeze| {
            let names = freeze.names.iter().any(|name| holds(name, part));
            names || holds(&freeze.identity, part)
        });
        tracing::info!(name = ?owner.name, "an administrator looks at the overview");
        Ok(Some(Overview {
            people,
            people_in_all,
            exceptions,
            more_exceptions,
            freezes: freezes.take(MOST).collect(),
            silent,
        }))
    }
}

/// What hosts tell of people whose name has `part` in it; those that are over by now are left out.
fn exceptions(hosts: Vec<rows::Host>, part: &str, now: UnixTime) -> (Vec<SeenException>, u32) {
    let mut all = Vec::new();
    let mut more: u32 = 0;
    for host in hosts {
        let Some((_, told)) = host.told else { continue };
        more = more.saturating_add(told.more);
        for exception in told.some {
            let over = exception.until.is_some_and(|until| until <= now);
            let named = holds(exception.user.as_str(), part)
                || exception
                    .identity
                    .as_ref()
                    .is_some_and(|who| holds(who.id.as_str(), part));
            if over || !named {
                continue;
            }
            match all.len() < MOST {
                true => all.push(SeenException {
                    host: host.name.clone(),
                    exception,
                }),
                false => more = more.saturating_add(1),
            }
        }
    }
    (all, more)
}

fn holds(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
