//! What the Register Panel may do in a signed-in user's name. The panel says who the user is; what that allows is decided
//! here, so that a bad panel adds no device for a user who has one, and none at all outside mode "directory"
//! (PROTOCOL 2.4).

use super::approvals::{APPROVAL_TTL, Ask, Purpose, Wish};
use super::device_calls::fits;
use super::enrolments::{may_vouch, state};
use super::notice::Change;
use super::reports::Said;
use super::{News, Registrar, refuse};
use crate::clock;
use crate::store::enrolments::{self, Row};
use crate::store::registrar as rows;
use crate::store::{SqliteConnection, StoreError, links};
use assent_proto::cert::{DeviceOwner, Identity};
use assent_proto::enrol::{OneTimeSecret, Token, short_fingerprint};
use assent_proto::registrar::{DIGIT_TRIES, ENROL_TRIES, ENROL_TTL, EnrolmentState, LINK_TTL, Refused, Reply};
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};

/// Seconds after its redemption in which a link opens enrolments.
pub const LINK_SESSION: u64 = 900;

/// Who may register a first device without an admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstDevice {
    /// Nobody: an admin's one-time link, or root on an enrolled host.
    Admin,
    /// Nobody at the panel: it happens in the terminal of an enrolled host.
    Terminal,
    /// Whoever signs in at the panel with the password. The panel is trusted then, and a stolen password can register a
    /// device for a user who has none.
    Directory,
}

/// What the registrar allows.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who may register a first device.
    pub first_device: FirstDevice,
    /// Most devices of one user, at most 16: one push reaches them all.
    pub max_devices: u8,
    /// The Register Panel's address, with a slash at its end.
    pub panel_url: String,
    /// Where the authenticator's pages are: the one origin that passkeys are certified for.
    pub app_origin: String,
    /// Who may read about everybody at the panel.
    pub administrators: Vec<Identity>,
}

/// How the panel has proven who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// By their password.
    Directory,
    /// By this one-time link.
    Link(Id),
}

/// Whom a redeemed link signs in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The link.
    pub link: Id,
    /// Who it is.
    pub owner: DeviceOwner,
}

/// Whether a user may add a device now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayEnrol {
    /// Their first.
    First,
    /// A further one, which one of these must approve.
    Further {
        /// How many they have.
        devices: usize,
    },
    /// No.
    No(NotEnrolling),
}

/// Why a user may add none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEnrolling {
    /// An admin makes a link first.
    AskAdmin,
    /// It happens in a terminal.
    OnTheTerminal,
    /// They have as many as one may have.
    TooManyDevices,
    /// One of their devices said "not me" to a change a moment ago.
    Frozen,
}

/// An enrolment that is open.
pub struct OpenedEnrolment {
    /// What the device's link holds.
    pub token: Token,
    /// Until when.
    pub until: UnixTime,
}

/// A user's device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnDevice {
    /// Which.
    pub id: Id,
    /// What its user calls it.
    pub label: ShortText,
    /// Since when.
    pub since: UnixTime,
    /// Until when its certificate holds.
    pub until: UnixTime,
    /// Its key's short fingerprint, as the device itself shows it.
    pub key: String,
    /// When it last asked the registrar something, to the hour: its user has opened it then.
    pub heard: Option<UnixTime>,
    /// Whether it is being asked to approve its own removal.
    pub removing: bool,
}

/// Why an enrolment is over without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// A device of the user refused it.
    Denied,
    /// A device of the user said "not me".
    Reported,
    /// The digits were wrong too often.
    Digits,
    /// Nobody came, or nobody answered, in time.
    Late,
}

/// Why nothing can be changed a while after a report.
pub const FROZEN: &str =
    "one of your devices reported that it was not you; try again in ten minutes, with a new password";

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// One of the user's other devices is asked, or their last one about itself; ask again later.
    NeedsApproval {
        /// Until when it may answer.
        until: UnixTime,
    },
    /// The user has no such device.
    Unknown,
    /// No device of the user can approve it: it is their last one and lost, or none approves for all of their identities.
    NoApprover,
    /// Their devices were asked again and again.
    TooOften,
    /// One of their devices said "not me" to a change a moment ago.
    Frozen,
}

impl Registrar {
    /// Sessions of these people at the panel that began by then are over: one of them reported "not me", or the registrar
    /// was started since and knows of no earlier report.
    pub fn void_before(&self, identities: &[Identity]) -> BootTime {
        self.reported_at(identities).unwrap_or(self.began).max(self.began)
    }

    /// A host vouches for somebody, who signs in at the panel with the link.
    pub(super) async fn open_link(
        &self,
        conn: &mut SqliteConnection,
        host: Id,
        (id, secret): (Id, OneTimeSecret),
        owner: DeviceOwner,
        ttl: u32,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        if let Some(refusal) = self.not_vouched(host, &owner) {
            return Ok(refusal);
        }
        if ttl == 0 || ttl > LINK_TTL {
            return Ok(refuse(Refused::Malformed, "a link lives between 1 second and 24 hours"));
        }
        if links::find(conn, id).await?.is_some() {
            return Ok(refuse(Refused::Token, "this token was opened before; make a new one"));
        }
        let row = links::Row {
            id,
            host,
            owner,
            secret: Some(secret),
            ends_at: now.plus(u64::from(ttl)),
            tries: 0,
            redeemed: None,
        };
        links::insert(conn, &row).await?;
        tracing::info!(%host, link = %id, name = ?row.owner.name, ttl, "a panel link is open");
        Ok(Reply::LinkOpen {
            until: row.ends_at,
            panel: ShortText::cut(self.rules.panel_url.clone()),
        })
    }

    /// Takes a one-time link; `None` for every link that does not count, so that nobody learns which ones exist.
    pub async fn redeem_link(&self, token: &Token) -> Result<Option<Grant>, StoreError> {
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        let Some(mut row) = links::find(&mut tx, token.id).await? else {
            return Ok(None);
        };
        let Some(secret) = row.secret.take().filter(|_| now <= row.ends_at) else {
            return Ok(None);
        };
        if !secret.is(&token.secret) {
            row.tries += 1;
            row.secret = (row.tries < i64::from(ENROL_TRIES)).then_some(secret);
            links::save(&mut tx, &row).await?;
            tx.commit().await?;
            tracing::warn!(link = %row.id, tries = row.tries, "somebody came with a wrong panel link");
            return Ok(None);
        }
        row.redeemed = Some(now);
        links::save(&mut tx, &row).await?;
        tx.commit().await?;
        tracing::info!(link = %row.id, name = ?row.owner.name, "a panel link was redeemed");
        Ok(Some(Grant {
            link: row.id,
            owner: row.owner,
        }))
    }

    /// Whether this user may add a device now.
    pub async fn may_enrol(&self, owner: &DeviceOwner, proof: Proof) -> Result<MayEnrol, StoreError> {
        let mut conn = self.pool.acquire().await?;
        self.may(&mut conn, owner, proof, clock::now()).await
    }

    pub(super) async fn may(
        &self,
        conn: &mut SqliteConnection,
        owner: &DeviceOwner,
        proof: Proof,
        now: UnixTime,
    ) -> Result<MayEnrol, StoreError> {
        if Self::frozen_until(conn, &owner.identities, now).await?.is_some() {
            return Ok(MayEnrol::No(NotEnrolling::Frozen));
        }
        let devices = rows::active_of(conn, &owner.identities, now).await?.len();
        if devices >= usize::from(self.rules.max_devices) {
            return Ok(MayEnrol::No(NotEnrolling::TooManyDevices));
        }
        if devices > 0 {
            return Ok(MayEnrol::Further { devices });
        }
        let admitted = match (proof, self.rules.first_device) {
            (Proof::Link(id), _) => links::find(conn, id).await?.is_some_and(|link| {
                let redeemed = link.redeemed.is_some_and(|at| now <= at.plus(LINK_SESSION));
                redeemed && link.owner.identities == owner.identities
            }),
            // Whoever ever had a device is no newcomer: a bad panel could have removed it, and once it is too old the
            // password alone would do again.
            (Proof::Directory, FirstDevice::Directory) => !rows::has_had(conn, &owner.identities).await?,
            (Proof::Directory, FirstDevice::Terminal) => return Ok(MayEnrol::No(NotEnrolling::OnTheTerminal)),
            (Proof::Directory, FirstDevice::Admin) => false,
        };
        Ok(if admitted {
            MayEnrol::First
        } else {
            MayEnrol::No(NotEnrolling::AskAdmin)
        })
    }

    /// Opens an enrolment for a user whom the panel has signed in.
    pub async fn open_own_enrolment(
        &self,
        owner: DeviceOwner,
        proof: Proof,
    ) -> Result<Result<OpenedEnrolment, ShortText>, StoreError> {
        let no = |text: &str| Ok(Err(ShortText::cut(text.to_owned())));
        let Some(host) = self.own_host() else {
            return no("the registrar has no certificate of its own; its log says why");
        };
        let host = host.claims().host_id;
        let token = Token::random(self.keys().roots.current()).map_err(|_| StoreError::Random)?;
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        match self.may(&mut tx, &owner, proof, now).await? {
            MayEnrol::First | MayEnrol::Further { .. } => {}
            MayEnrol::No(NotEnrolling::AskAdmin) => return no("an admin makes a one-time link first"),
            MayEnrol::No(NotEnrolling::OnTheTerminal) => return no("first devices are registered in a terminal"),
            MayEnrol::No(NotEnrolling::TooManyDevices) => return no("remove a device first"),
            MayEnrol::No(NotEnrolling::Frozen) => return no(FROZEN),
        }
        if let Some(Reply::Refused { text, .. }) = self.not_vouched(host, &owner) {
            return Ok(Err(text));
        }
        let opened = self
            .open_for(&mut tx, host, (token.id, token.secret.clone()), owner, ENROL_TTL, now)
            .await?;
        match opened {
            Reply::EnrolmentOpen { until } => {
                tx.commit().await?;
                Ok(Ok(OpenedEnrolment { token, until }))
            }
            Reply::Refused { text, .. } => Ok(Err(text)),
            _ => no("the registrar failed; its log says why"),
        }
    }

    /// How an enrolment that the panel opened for this user stands.
    pub async fn own_enrolment(&self, owner: &DeviceOwner, token_id: Id) -> Result<EnrolmentState, StoreError> {
        let mut conn = self.pool.acquire().await?;
        match self.own_row(&mut conn, owner, token_id, clock::now()).await? {
            Some(row) => state(&mut conn, &row).await,
            None => Ok(EnrolmentState::Over),
        }
    }

    /// Why an enrolment of this user is over, as far as that is known.
    pub async fn own_enrolment_ended(&self, owner: &DeviceOwner, token_id: Id) -> Result<Option<Ended>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let now = clock::now();
        let Some(row) = self.own_row(&mut conn, owner, token_id, now).await? else {
            return Ok(None);
        };
        Ok(match self.said(token_id) {
            Some(Said::Denied) => Some(Ended::Denied),
            Some(Said::Reported) => Some(Ended::Reported),
            None if row.digit_tries >= i64::from(DIGIT_TRIES) => Some(Ended::Digits),
            None if now > row.ends_at => Some(Ended::Late),
            None => None,
        })
    }

    /// Hands the six digits over.
    pub async fn confirm_own_enrolment(
        &self,
        owner: &DeviceOwner,
        token_id: Id,
        digits: &str,
    ) -> Result<EnrolmentState, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        let Some(row) = self.own_row(&mut tx, owner, token_id, now).await? else {
            return Ok(EnrolmentState::Over);
        };
        let mut news = News::default();
        let reply = self
            .confirm_enrolment(&mut tx, &mut news, row.host, token_id, digits, now)
            .await?;
        self.finish(tx, news, turn).await?;
        Ok(match reply {
            Reply::Enrolment(state) => state,
            _ => EnrolmentState::Over,
        })
    }

    /// The devices of a user, newest first.
    pub async fn own_devices(&self, owner: &DeviceOwner) -> Result<Vec<OwnDevice>, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let devices = rows::active_of(&mut conn, &owner.identities, clock::now()).await?;
        Ok(devices
            .into_iter()
            .map(|device| OwnDevice {
                id: device.id,
                label: ShortText::cut(device.label),
                since: device.nbf,
                until: device.exp,
                key: short_fingerprint(&device.key).encode(),
                heard: device.heard,
                removing: self.approvals.removal_ends(device.id).is_some(),
            })
            .collect())
    }

    /// Gives a user's device another label; whether there is such a device and the label may stand.
    pub async fn rename_own_device(
        &self,
        owner: &DeviceOwner,
        device: Id,
        label: ShortText,
    ) -> Result<bool, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let devices = rows::active_of(&mut tx, &owner.identities, clock::now()).await?;
        if !fits(&label) || devices.iter().all(|known| known.id != device) {
            return Ok(false);
        }
        rows::rename_device(&mut tx, device, label.as_str()).await?;
        let news = News {
            changed: owner.identities.clone(),
            ..News::default()
        };
        self.finish(tx, news, turn).await?;
        Ok(true)
    }

    /// Asks for the removal of a user's device: one of their others approves it, or the last one itself, if it is at hand. A
    /// stolen password alone takes no device from anybody.
    pub async fn remove_own_device(&self, owner: &DeviceOwner, device: Id, lost: bool) -> Result<Removal, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        let devices = rows::active_of(&mut tx, &owner.identities, now).await?;
        let Some(known) = devices.iter().find(|known| known.id == device) else {
            return Ok(Removal::Unknown);
        };
        if Self::frozen_until(&mut tx, &owner.identities, now).await?.is_some() {
            return Ok(Removal::Frozen);
        }
        if let Some(ends) = self.approvals.removal_ends(device) {
            let left = ends.0.saturating_sub(clock::boot_now().0).as_secs();
            return Ok(Removal::NeedsApproval { until: now.plus(left) });
        }
        let Ask::These(approvers) = self.ask_whom(&mut tx, owner, now).await? else {
            return Ok(Removal::NoApprover);
        };
        let last = devices.len() == 1;
        let approvers = match (last, lost) {
            (true, false) => Some(approvers),
            // What is to be removed is not asked: in a thief's hands it would say no.
            (false, _) => approvers.without(device),
            (true, true) => None,
        };
        let Some(approvers) = approvers else {
            return Ok(Removal::NoApprover);
        };
        if !self.approvals.may_ask_of_removal(&owner.identities, clock::boot_now()) {
            return Ok(Removal::TooOften);
        }
        let news = News {
            wish: Some(Wish {
                purpose: Purpose::Remove { device, lost },
                owner: owner.clone(),
                approvers,
                label: ShortText::cut(known.label.clone()),
                digits: None,
                proven: ShortText::cut("signed in at the Register Panel".to_owned()),
            }),
            ..News::default()
        };
        self.finish(tx, news, turn).await?;
        Ok(Removal::NeedsApproval {
            until: now.plus(u64::from(APPROVAL_TTL)),
        })
    }

    /// A person who has proven another factor to the code service removes a device; `false`: they have no such device.
    pub async fn remove_by_owner(&self, owner: &DeviceOwner, device: Id, lost: bool) -> Result<bool, StoreError> {
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        let devices = rows::active_of(&mut tx, &owner.identities, now).await?;
        if devices.iter().all(|known| known.id != device) {
            return Ok(false);
        }
        let mut news = News::default();
        let how = if lost { Change::Lost } else { Change::Removed };
        self.remove_device(&mut tx, &mut news, owner, (device, how), now)
            .await?;
        self.finish(tx, news, turn).await?;
        Ok(true)
    }

    async fn own_row(
        &self,
        conn: &mut SqliteConnection,
        owner: &DeviceOwner,
        token_id: Id,
        now: UnixTime,
    ) -> Result<Option<Row>, StoreError> {
        let Some(host) = self.own_host() else { return Ok(None) };
        let row = enrolments::find(conn, token_id, now).await?;
        Ok(row.filter(|row| row.host == host.claims().host_id && row.owner.identities == owner.identities))
    }

    /// The refusal for identities that nobody, or not this host, may vouch for.
    pub(super) fn not_vouched(&self, host: Id, owner: &DeviceOwner) -> Option<Reply> {
        if let Err(error) = self.keys().current().issuer.allows_identities(&owner.identities) {
            let text = error.to_string();
            tracing::warn!(%host, error = text, "somebody outside the name space was vouched for");
            return Some(refuse(Refused::NameSpace, &text));
        }
        let foreign = owner.identities.iter().find(|identity| !may_vouch(host, identity))?;
        tracing::warn!(%host, identity = %foreign, "a host vouched for another host's user");
        Some(refuse(
            Refused::NameSpace,
            "a host vouches for its own local users alone",
        ))
    }
}
