//! The device's certificate and what it believes look after themselves: at half of its life it asks for the next one, and it
//! hears which issuing keys and roots there are. Nobody is asked; somebody is told when it does not work.

use super::events::Heard;
use super::key::DeviceKey;
use super::store::{Learned, Registration};
use crate::failure::{Done, Failure, no_randomness};
use crate::gateway_client::Gateway;
use crate::seconds::moment;
use assent_proto::Id;
use assent_proto::life::Age;
use assent_proto::registrar::{Ask, DeviceCall, DeviceWant, Reply};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two rounds in which all is well.
const ROUND: Duration = Duration::from_secs(3600);
/// After a failure; doubled at each further one, up to [`ROUND`].
const AGAIN: Duration = Duration::from_secs(60);

/// Goes on until nobody listens any more.
pub async fn look_after(dir: &Path, key: &DeviceKey, gateway: &Gateway, hear: mpsc::Sender<Heard>) {
    let mut after_failure = AGAIN;
    loop {
        let mut pause = ROUND;
        if let Err((registration, failure)) = round(dir, key, gateway, &hear).await {
            let ends = registration.filter(|one| one.device.life().age(UnixTime::now()) >= Age::Late);
            if let Some(registration) = ends {
                let text = format!(
                    "This device's registration ends {} and could not be renewed: {failure}. If it stays so, ask your administrator, or enrol again.",
                    moment(registration.device.claims().exp)
                );
                let _ = hear.send(Heard::Remark(text)).await;
            }
            (pause, after_failure) = (after_failure, (after_failure * 2).min(ROUND));
        } else {
            after_failure = AGAIN;
        }
        tokio::time::sleep(pause).await;
    }
}

async fn round(
    dir: &Path,
    key: &DeviceKey,
    gateway: &Gateway,
    hear: &mpsc::Sender<Heard>,
) -> Result<(), (Option<Box<Registration>>, Failure)> {
    let read = Registration::again(dir, UnixTime::now(), key);
    let mut registration = Box::new(read.map_err(|failure| (None, failure))?);
    match once(dir, &mut registration, gateway).await {
        Ok(learned) => {
            if let Some(text) = learned.refused {
                let _ = hear.send(Heard::Remark(text)).await;
            }
            let _ = hear.send(Heard::Trust(registration.trust(), learned.moved)).await;
            if registration.device.life().age(UnixTime::now()) >= Age::Late {
                let why = Failure::Refused("the registrar's issuing key ends, too".into());
                return Err((Some(registration), why));
            }
            Ok(())
        }
        Err(failure) => Err((Some(registration), failure)),
    }
}

/// Hears what there is to believe, and renews the certificate where that is due.
pub async fn once(dir: &Path, registration: &mut Registration, gateway: &Gateway) -> Done<Learned> {
    let learned = registration.learn(dir, &gateway.trust_info().await?)?;
    let believed = registration
        .issuers
        .verify_device_renewable(registration.device.document(), UnixTime::now(), u64::MAX)
        .is_ok();
    if registration.device.life().age(UnixTime::now()) >= Age::Due || !believed {
        match ask(registration, gateway, DeviceWant::Renew).await? {
            Reply::DeviceCertified { device } => {
                registration.renewed(dir, &device)?;
            }
            Reply::Refused { text, .. } => {
                return Err(Failure::Refused(format!(
                    "the registrar refuses to renew this device: {}",
                    visible(text.as_str())
                )));
            }
            _ => return Err(Failure::Refused("the registrar replied to something else".into())),
        }
    }
    Ok(learned)
}

/// One call of this device to the registrar.
pub async fn ask(registration: &Registration, gateway: &Gateway, what: DeviceWant) -> Done<Reply> {
    let n = Id::random().map_err(no_randomness)?;
    // By the registrar's clock, which decides whether a call is of now.
    let now = gateway.trust_info().await?.now;
    let device = registration.device.claims().device_id;
    let key = &registration.keys.sign;
    let signed = key
        .signs(move |key| DeviceCall::sign(key, device, n, now, what))
        .await?;
    gateway
        .call(
            registration.issuer()?,
            &registration.keys.kem,
            Ask::DeviceCall { signed },
        )
        .await
}
