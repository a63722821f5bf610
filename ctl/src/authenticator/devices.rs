//! `assentctl authenticator devices`: which devices approve for the same people as this one, by the registrar's own word.

use super::store::Registration;
use super::{DirArg, renew};
use crate::failure::{Done, Failure};
use crate::gateway_client::Gateway;
use crate::report::report;
use crate::seconds::moment;
use crate::terminal::Charset;
use assent_proto::ShortText;
use assent_proto::enrol::short_fingerprint;
use assent_proto::life::Age;
use assent_proto::registrar::{DeviceWant, MyDevice, Reply};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// `authenticator devices`.
#[derive(Debug, Args)]
pub struct Devices {
    #[command(flatten)]
    dir: DirArg,
    /// Give this device another name first
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,
    /// Remove this device: it approves nothing any more
    #[arg(long, conflicts_with = "rename")]
    leave: bool,
    /// Certificate authorities to believe beside the system's, for TLS alone (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(super) async fn run(&self) -> Done {
        let dir = self.dir.path()?;
        let mut registration = Registration::open(&dir, UnixTime::now()).await?;
        let ca_file = self.ca_file.as_deref().or(registration.ca_file.as_deref());
        let gateway = Gateway::new(&registration.gateway, ca_file)?;
        // A certificate that ended can do nothing else; one that is due is renewed beside.
        match renew::once(&dir, &mut registration, &gateway).await {
            Ok(learned) => learned.tell(),
            Err(failure) if registration.device.life().age(UnixTime::now()) >= Age::Ended => return Err(failure),
            Err(_) => {}
        }
        match renew::ask(&registration, &gateway, self.want()?).await? {
            Reply::MyDevices { devices } => self.list(&registration, &devices),
            Reply::Left => {
                registration.keys.sign.discard().await.map_err(|failure| {
                    Failure::Refused(format!(
                        "this device is removed and approves nothing any more.\n{failure}"
                    ))
                })?;
                report(self.json, &json!({"left": true}), || {
                    "This device is removed and approves nothing any more. Its keys are of no use now.".into()
                });
                Ok(())
            }
            Reply::Refused { text, .. } => Err(Failure::Refused(format!(
                "the registrar refuses: {}",
                visible(text.as_str())
            ))),
            _ => Err(Failure::Refused("the registrar replied to something else".into())),
        }
    }

    fn want(&self) -> Done<DeviceWant> {
        match &self.rename {
            Some(name) => Ok(DeviceWant::Rename {
                label: ShortText::new(name.clone()).ok_or_else(|| Failure::Input("the name is too long".into()))?,
            }),
            None if self.leave => Ok(DeviceWant::Leave),
            None => Ok(DeviceWant::Devices),
        }
    }

    fn list(&self, registration: &Registration, devices: &[MyDevice]) -> Done {
        let own = registration.device.claims().device_id;
        let mut lines = vec![format!("{} devices approve for you:", devices.len())];
        let mut values: Vec<Value> = Vec::new();
        for listed in devices {
            let device = registration
                .issuers
                .verify_device(&listed.device, UnixTime::now())
                .map_err(|e| Failure::Refused(format!("a certificate in the list is not valid: {e}")))?;
            let claims = device.claims();
            let this = claims.device_id == own;
            values.push(json!({
                "device_id": claims.device_id,
                "label": listed.label,
                "this": this,
                "since": listed.since,
                "expires": claims.exp,
                "fingerprint": short_fingerprint(&claims.sign),
            }));
            lines.push(format!(
                "  \"{}\"{}\n    device id    {}\n    since        {}\n    device key   {}",
                visible(listed.label.as_str()),
                if this { " (this one)" } else { "" },
                claims.device_id,
                moment(listed.since),
                short_fingerprint(&claims.sign),
            ));
        }
        report(self.json, &Value::Array(values), || {
            Charset::of_locale().fit(&lines.join("\n"))
        });
        Ok(())
    }
}
