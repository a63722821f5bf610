//! "Not me", and what comes of it: the person's pushes are frozen everywhere, by the signed list, and their devices cannot be
//! changed at the panel. A host's report counts by the host's and the device's signatures together; no host freezes anybody
//! by itself (PROTOCOL 2.7).

use super::notice::{Change, Notice, ReportedLogin};
use super::{News, Registrar, random_id, refuse};
use crate::clock;
use crate::store::log::{self, Entry};
use crate::store::registrar as rows;
use crate::store::revocations::{self as lists, Frozen};
use crate::store::{SqliteConnection, StoreError};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::registrar::{Refused, Reply};
use assent_proto::report::{self, ANSWER_AWAY, REPORT_AGE};
use assent_proto::revocation::{FREEZE_ALL, FREEZE_SOURCE, Origin};
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};

/// Freezes of one person at a time; the oldest give way. A person reports with their own device: this bounds the list.
const MAX_FREEZES: usize = 32;

/// A freeze, for admins.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListedFreeze {
    /// Whose, as `realm#id`.
    pub identity: String,
    /// Names of devices' users of this identity.
    pub names: Vec<String>,
    /// From where; absent: from everywhere.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Until when.
    pub until: u64,
    /// The device that said "not me".
    pub device: Id,
}

#[derive(Serialize)]
struct Record<'a> {
    v: u8,
    what: &'static str,
    identities: &'a [Identity],
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UnixTime>,
}

impl Registrar {
    /// A device said "not me" to a host's request.
    pub(super) async fn take_report(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        (request, answer): (&str, &str),
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let not_taken = |why: &str| {
            tracing::warn!(why, "a report is not taken");
            Ok(refuse(Refused::Report, why))
        };
        let (Ok(host_key), Ok(device_key)) = (report::claimed_host(request), report::claimed_device(answer)) else {
            return not_taken("it is no pair of signed documents");
        };
        let host = rows::host_by_key(conn, &host_key).await?;
        let Some(host) = host.filter(|host| host.revoked.is_none()) else {
            return not_taken("its host is not certified, or not any more");
        };
        let Some(known) = rows::device_by_key(conn, &device_key).await? else {
            return not_taken("its device is not certified, or not any more");
        };
        let keys = self.keys();
        let (Ok(host), Ok(device)) = (
            keys.verify_host(&host.document, now),
            keys.verify_device(&known.document, now),
        ) else {
            return not_taken("a certificate does not hold");
        };
        let report = match report::verify(request, answer, &host, &device, now) {
            Ok(report) => report,
            Err(error) => return not_taken(&error.to_string()),
        };
        if let Some(seq) = lists::report(conn, &report.digest()).await? {
            // The reply was lost; once is enough.
            return Ok(Reply::Reported { seq });
        }
        let owner = DeviceOwner {
            identities: vec![report.identity().clone()],
            name: device.claims().name.clone(),
        };
        let origin = report.origin();
        let device_id = device.claims().device_id;
        self.freeze(conn, &owner.identities, Some(origin), device_id, now)
            .await?;
        let Some(seq) = self.next_list(conn, news, now).await? else {
            // The host keeps its own freeze and tries again.
            return Ok(refuse(
                Refused::Internal,
                "the registrar could not make its revocation list",
            ));
        };
        let useless = now.plus(REPORT_AGE + ANSWER_AWAY);
        lists::put_report(conn, &report.digest(), seq, useless).await?;
        self.reports.reported(&owner.identities, clock::boot_now());
        tracing::warn!(
            host = host.claims().display.as_str(), device = %device_id, name = ?owner.name, %origin,
            login = ?report.login(), "reported as \"not me\": the user's pushes are frozen"
        );
        let mut notice = Notice::of(
            Change::Reported,
            &owner,
            Some(device_id),
            &ShortText::cut(known.label.clone()),
        );
        notice.login = Some(ReportedLogin {
            host: host.claims().display.clone(),
            login: report.login().clone(),
            service: report.service().clone(),
            user: report.user().clone(),
            source: match origin {
                Origin::Network(ip) => Some(ip.to_canonical()),
                Origin::Host(_) => None,
            },
        });
        news.notices.push(notice);
        Ok(Reply::Reported { seq })
    }

    /// A device said "not me" to a question of the registrar itself.
    pub(super) async fn freeze_reported(&self, owner: &DeviceOwner, device: Id) -> Result<(), StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let now = clock::now();
        self.freeze(&mut tx, &owner.identities, None, device, now).await?;
        self.next_list(&mut tx, &mut news, now).await?;
        self.finish(tx, news, turn).await
    }

    async fn freeze(
        &self,
        conn: &mut SqliteConnection,
        identities: &[Identity],
        origin: Option<Origin>,
        device: Id,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        for identity in identities {
            let mut rows = vec![(None, now.plus(FREEZE_ALL))];
            rows.extend(origin.map(|origin| (Some(origin), now.plus(FREEZE_SOURCE))));
            for (origin, until) in rows {
                let freeze = Frozen {
                    salt: random_id()?,
                    identity: identity.clone(),
                    origin,
                    since: now,
                    until,
                    device,
                };
                lists::put_freeze(conn, &freeze).await?;
            }
            lists::keep_newest(conn, identity, MAX_FREEZES).await?;
        }
        let until = Some(now.plus(origin.map_or(FREEZE_ALL, |_| FREEZE_SOURCE)));
        write_down(conn, "freeze", identities, Some(device), until, now).await
    }

    /// Lifts every freeze of these people; how many there were. Inside the transaction that decided it.
    pub(super) async fn lift(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        identities: &[Identity],
        by: Option<Id>,
        now: UnixTime,
    ) -> Result<u64, StoreError> {
        let lifted = lists::lift(conn, identities).await?;
        if lifted > 0 {
            write_down(conn, "lift", identities, by, None, now).await?;
            self.next_list(conn, news, now).await?;
        }
        Ok(lifted)
    }

    /// An admin lifts the freezes of everybody whose user name or `realm#id` this is; how many freezes there were.
    pub async fn lift_by_admin(&self, who: &str) -> Result<u64, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let now = clock::now();
        let mut people: Vec<Identity> = Vec::new();
        for freeze in lists::freezes(&mut tx, now).await? {
            let names = lists::names_of(&mut tx, &freeze.identity).await?;
            let meant = freeze.identity.to_string() == who || names.iter().any(|name| name == who);
            if meant && !people.contains(&freeze.identity) {
                people.push(freeze.identity);
            }
        }
        let lifted = self.lift(&mut tx, &mut news, &people, None, now).await?;
        self.finish(tx, news, turn).await?;
        tracing::warn!(lifted, "freezes were lifted by an admin");
        Ok(lifted)
    }

    /// A person who has proven another factor to the code service lifts their own freezes; how many there were.
    pub async fn lift_by_owner(&self, owner: &DeviceOwner) -> Result<u64, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let mut news = News::default();
        let lifted = self
            .lift(&mut tx, &mut news, &owner.identities, None, clock::now())
            .await?;
        self.finish(tx, news, turn).await?;
        tracing::warn!(lifted, name = ?owner.name, "freezes were lifted by their owner, at the panel, with a code");
        Ok(lifted)
    }

    /// Every freeze.
    pub async fn list_freezes(&self) -> Result<Vec<ListedFreeze>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let mut listed = Vec::new();
        for freeze in lists::freezes(&mut conn, clock::now()).await? {
            listed.push(ListedFreeze {
                names: lists::names_of(&mut conn, &freeze.identity).await?,
                identity: freeze.identity.to_string(),
                source: freeze.origin.map(|origin| origin.to_string()),
                since: freeze.since.0,
                until: freeze.until.0,
                device: freeze.device,
            });
        }
        Ok(listed)
    }

    /// Until when pushes of one of these people are frozen from every source, if so: then nobody changes their devices at
    /// the panel, either.
    pub(super) async fn frozen_until(
        conn: &mut SqliteConnection,
        identities: &[Identity],
        now: UnixTime,
    ) -> Result<Option<UnixTime>, StoreError> {
        let freezes = lists::freezes(conn, now).await?.into_iter();
        Ok(freezes
            .filter(|freeze| freeze.origin.is_none() && identities.contains(&freeze.identity))
            .map(|freeze| freeze.until)
            .max())
    }
}

async fn write_down(
    conn: &mut SqliteConnection,
    what: &'static str,
    identities: &[Identity],
    device: Option<Id>,
    until: Option<UnixTime>,
    now: UnixTime,
) -> Result<(), StoreError> {
    let record = Record {
        v: 1,
        what,
        identities,
        device,
        until,
    };
    let document = serde_json::to_string(&record).map_err(|_| StoreError::Row("log"))?;
    let index = log::next_index(conn).await?;
    log::append(conn, index, now, Entry::Freeze, &document).await
}
