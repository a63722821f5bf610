//! First devices that are registered inside a login: a host says that a first factor of the user has passed there. That is
//! a password's worth and no more, so such a device is only ever the first one, and an admin may forbid it for every host.

use super::enrolments::{own, state};
use super::self_service::FirstDevice;
use super::{News, Registrar, refuse};
use crate::store::enrolments::{self, Stage};
use crate::store::registrar as rows;
use crate::store::{SqliteConnection, StoreError};
use assent_proto::Id;
use assent_proto::cert::DeviceOwner;
use assent_proto::enrol::OneTimeSecret;
use assent_proto::registrar::{ENROL_TTL, EnrolmentState, Refused, Reply};
use assent_proto::time::UnixTime;

impl Registrar {
    /// A host vouches for a user by a login's first factor.
    pub(super) async fn open_first(
        &self,
        conn: &mut SqliteConnection,
        host: Id,
        token: (Id, OneTimeSecret),
        owner: DeviceOwner,
        ttl: u32,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        if let Some(refusal) = self.not_vouched(host, &owner) {
            return Ok(refusal);
        }
        let ttl = u64::from(ttl);
        if !(1..=ENROL_TTL).contains(&ttl) {
            return Ok(refuse(
                Refused::Malformed,
                "an enrolment lives between 1 second and 10 minutes",
            ));
        }
        if self.rules.first_device == FirstDevice::Admin {
            tracing::warn!(%host, name = ?owner.name, "an enrolment in a login was refused: panel.first_device is \"admin\"");
            return Ok(refuse(
                Refused::AdminOnly,
                "the registrar lets nobody register a first device in a login: first_device = \"admin\" in [panel] of its configuration",
            ));
        }
        if let Some(refusal) = Self::not_the_first(conn, &owner).await? {
            tracing::warn!(%host, name = ?owner.name, "an enrolment in a login was refused: it would not be the user's first");
            return Ok(refusal);
        }
        for identity in &owner.identities {
            if enrolments::is_open(conn, identity, now).await? {
                tracing::warn!(%host, name = ?owner.name, "an enrolment in a login was refused: another one is open");
                return Ok(refuse(Refused::Open, "another enrolment of this user is open"));
            }
        }
        self.open_for(conn, host, token, owner, ttl, now).await
    }

    /// The digits of a first device come back from the login.
    pub(super) async fn confirm_first(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        host: Id,
        token_id: Id,
        digits: &str,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let Some(mut row) = own(conn, host, token_id, now).await?.filter(|row| row.stage.is_open()) else {
            return Ok(Reply::Enrolment(EnrolmentState::Over));
        };
        if let Some(refusal) = Self::not_the_first(conn, &row.owner).await? {
            tracing::warn!(%host, %token_id, "an enrolment in a login ended: it would not be the user's first");
            row.end(Stage::Over);
            enrolments::save(conn, &row).await?;
            return Ok(refusal);
        }
        self.confirm_enrolment(conn, news, host, token_id, digits, now).await
    }

    /// Whoever was to type the digits is gone.
    pub(super) async fn withdraw_enrolment(
        conn: &mut SqliteConnection,
        host: Id,
        token_id: Id,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let Some(mut row) = own(conn, host, token_id, now).await? else {
            return Ok(Reply::Enrolment(EnrolmentState::Over));
        };
        if row.stage.is_open() {
            row.end(Stage::Over);
            enrolments::save(conn, &row).await?;
            tracing::info!(%host, %token_id, "an enrolment was withdrawn by the host that opened it");
        }
        Ok(Reply::Enrolment(state(conn, &row).await?))
    }

    /// The refusal for a user who has, or ever had, a device: it may be lost or renewed too late, and a stolen password must
    /// not be enough again. Who said "not me" with it is among them.
    async fn not_the_first(conn: &mut SqliteConnection, owner: &DeviceOwner) -> Result<Option<Reply>, StoreError> {
        let has_had = rows::has_had(conn, &owner.identities).await?;
        Ok(has_had.then(|| {
            refuse(
                Refused::HasDevice,
                "this user has, or had, a device; another one is registered at the panel, or by an admin",
            )
        }))
    }
}
