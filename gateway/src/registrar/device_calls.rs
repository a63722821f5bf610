//! What a certified device may ask: which devices its user has, another label, its next certificate, to be removed.

use super::issue::Issued;
use super::notice::Change;
use super::{News, Registrar, first_time, near, refuse, refuse_clock};
use crate::store::registrar::{self as rows, Certified};
use crate::store::{SqliteConnection, StoreError};
use assent_proto::cert::{Device, DeviceOwner, Identity, MAX_LABEL};
use assent_proto::registrar::{DeviceCall, DeviceWant, HeardDevice, MyDevice, Refused, Reply};
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};

impl Registrar {
    /// A certified device asks.
    pub(super) async fn device_calls(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        signed: &str,
        now: UnixTime,
    ) -> Result<Reply, StoreError> {
        let unknown = || {
            refuse(
                Refused::Caller,
                "the registrar does not know this device, or not any more",
            )
        };
        let Ok(key) = DeviceCall::claimed_key(signed) else {
            return Ok(refuse(Refused::Malformed, "the call is no signed document"));
        };
        let Some(known) = rows::device_by_key(conn, &key).await? else {
            return Ok(unknown());
        };
        // It may have ended a while ago: then it may ask for its next certificate and nothing else.
        let Ok(device) = self.keys().verify_device_renewable(&known.document, now) else {
            return Ok(unknown());
        };
        let Ok(call) = DeviceCall::verify(signed, &device) else {
            return Ok(unknown());
        };
        if !near(call.iat, now) {
            return Ok(refuse_clock(call.iat, now));
        }
        if !first_time(conn, &key, call.n, call.iat).await? {
            return Ok(refuse(Refused::Replay, "this very call came before"));
        }
        rows::hear_device(conn, known.id, now).await?;
        let owner = DeviceOwner {
            identities: device.claims().identities.clone(),
            name: device.claims().name.clone(),
        };
        let ended = self.keys().verify_device(device.document(), now).is_err();
        match call.what {
            DeviceWant::Renew => {
                if ended && self.was_replaced(conn, &device, now).await? {
                    return Ok(refuse(
                        Refused::Caller,
                        "this device's time is over, and another one was registered since; register it anew",
                    ));
                }
                return Ok(match self.renew_device(conn, news, &device, now).await? {
                    Issued::Yes(device) => Reply::DeviceCertified { device },
                    Issued::No(refusal) => refusal,
                });
            }
            _ if ended => return Ok(unknown()),
            DeviceWant::Devices => {}
            DeviceWant::Revocations(want) => return Ok(self.list_part(known.id, want)),
            DeviceWant::Rename { label } => {
                if !fits(&label) {
                    return Ok(refuse(Refused::Malformed, "a label has between 1 and 128 bytes"));
                }
                rows::rename_device(conn, known.id, label.as_str()).await?;
                news.changed.extend(owner.identities.iter().cloned());
            }
            DeviceWant::Leave => {
                self.remove_device(conn, news, &owner, (known.id, Change::Removed), now)
                    .await?;
                return Ok(Reply::Left);
            }
            DeviceWant::Lost { device: lost } => {
                if let Some(refusal) = not_to_lose(conn, &owner, (known.id, lost), now).await? {
                    return Ok(refusal);
                }
                self.remove_device(conn, news, &owner, (lost, Change::Lost), now)
                    .await?;
            }
            DeviceWant::Heard => {
                let devices = rows::active_of(conn, &owner.identities, now).await?.into_iter();
                return Ok(Reply::Heard {
                    devices: devices
                        .map(|device| HeardDevice {
                            id: device.id,
                            at: device.heard,
                        })
                        .collect(),
                });
            }
            DeviceWant::Move { token_id, secret } => {
                return self.open_move(conn, known.id, (token_id, secret), owner, now).await;
            }
            DeviceWant::Moving { token_id } => return Self::enrolment_state(conn, known.id, token_id, now).await,
            DeviceWant::ConfirmMove { token_id, digits } => {
                return self
                    .confirm_move(conn, news, &device, (token_id, digits.as_str()), now)
                    .await;
            }
        }
        let devices = rows::active_of(conn, &owner.identities, now).await?;
        Ok(Reply::MyDevices {
            devices: devices.into_iter().map(mine).collect(),
        })
    }

    /// Whether a device that ended has no place to come back to: its user has registered another one since, and thinks that
    /// this one is gone; or has as many as one may have.
    async fn was_replaced(
        &self,
        conn: &mut SqliteConnection,
        device: &Device,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let claims = device.claims();
        if rows::enrolled_since(conn, claims.device_id, &claims.identities, claims.exp).await? {
            return Ok(true);
        }
        let others = rows::active_of(conn, &claims.identities, now).await?.len();
        Ok(others >= usize::from(self.rules.max_devices))
    }

    /// Removes a device in its user's own name.
    pub(super) async fn remove_device(
        &self,
        conn: &mut SqliteConnection,
        news: &mut News,
        owner: &DeviceOwner,
        (device, how): (Id, Change),
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let label = rows::device(conn, device).await?.map(|device| device.label);
        if !rows::revoke_device(conn, device, now).await? {
            return Ok(());
        }
        rows::mark_left(conn, device).await?;
        super::admin::record(conn, "device", device, now.0).await?;
        news.closed.push(device);
        self.next_list(conn, news, now).await?;
        let label = ShortText::cut(label.unwrap_or_default());
        news.change(how, owner, Some(device), &label);
        tracing::info!(%device, name = ?owner.name, ?how, "a device was removed by its user");
        Ok(())
    }

    /// The listening devices of these people are told that their list has changed.
    pub(super) async fn tell_people(&self, identities: &[Identity], now: UnixTime) -> Result<(), StoreError> {
        if identities.is_empty() {
            return Ok(());
        }
        let mut conn = self.pool.acquire().await?;
        let devices = rows::active_of(&mut conn, identities, now).await?;
        self.relay.tell_devices(devices.into_iter().map(|device| device.id));
        Ok(())
    }
}

/// Why a device may not report another one lost: it does so only where it approves for everybody that the other one approves
/// for. Otherwise an accomplice of somebody who shares a device could take it from them.
async fn not_to_lose(
    conn: &mut SqliteConnection,
    owner: &DeviceOwner,
    (own, lost): (Id, Id),
    now: UnixTime,
) -> Result<Option<Reply>, StoreError> {
    if own == lost {
        return Ok(Some(refuse(Refused::Malformed, "a device that is here is not lost")));
    }
    let devices = rows::active_of(conn, &owner.identities, now).await?;
    if devices.iter().all(|device| device.id != lost) {
        return Ok(Some(refuse(Refused::Malformed, "there is no such device (any more)")));
    }
    let whose = rows::identities(conn, lost).await?;
    let all = whose.iter().all(|(realm, id)| {
        let mut own = owner.identities.iter();
        own.any(|one| one.realm.as_str() == realm && one.id.as_str() == id)
    });
    Ok((!all).then(|| {
        refuse(
            Refused::HasDevice,
            "that device approves for somebody besides; ask your administrator to revoke it",
        )
    }))
}

/// Whether a label may stand.
pub(super) fn fits(label: &ShortText) -> bool {
    (1..=MAX_LABEL).contains(&label.as_str().trim().len()) && label.as_str().len() <= MAX_LABEL
}

fn mine(device: Certified) -> MyDevice {
    MyDevice {
        device: device.document,
        label: ShortText::cut(device.label),
        since: device.nbf,
    }
}
