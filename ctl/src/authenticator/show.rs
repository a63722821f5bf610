//! `assentctl authenticator show`.

use super::DirArg;
use super::store::Registration;
use super::token::Place;
use crate::failure::Done;
use crate::report::report;
use crate::seconds::moment;
use crate::terminal::Charset;
use assent_proto::enrol::short_fingerprint;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::Args;
use serde_json::json;

/// `authenticator show`.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    dir: DirArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(&self) -> Done {
        let registration = Registration::load(&self.dir.path()?, UnixTime::now())?;
        let claims = registration.device.claims();
        let value = json!({
            "device_id": claims.device_id,
            "label": claims.label,
            "name": claims.name,
            "identities": claims.identities,
            "level_max": claims.level_max,
            "fingerprint": short_fingerprint(&claims.sign),
            "token": registration.keys.sign.place(),
            "root": registration.roots.current().fingerprint(),
            "roots_version": registration.roots.current().version(),
            "issuer": registration.issuer().ok().map(|issuer| short_fingerprint(&issuer.claims().sign)),
            "gateway": registration.gateway,
            "expires": claims.exp,
        });
        report(self.json, &value, || {
            let identities: Vec<String> = claims.identities.iter().map(ToString::to_string).collect();
            let text = format!(
                "Authenticator \"{}\" of {}\n  device id    {}\n  approves as  {}\n  at most      {}\n  device key   {}\n  lies in      {}\n  root         {}\n  gateway      {}\n  valid until  {}",
                visible(claims.label.as_str()),
                visible(claims.name.as_str()),
                claims.device_id,
                identities.join(", "),
                claims.level_max.name(),
                short_fingerprint(&claims.sign),
                lies_in(registration.keys.sign.place()),
                registration.roots.current().fingerprint(),
                visible(&registration.gateway),
                moment(claims.exp)
            );
            Charset::of_locale().fit(&text)
        });
        Ok(())
    }
}

fn lies_in(place: Option<&Place>) -> String {
    match place {
        None => "a file, device.key".into(),
        Some(place) => format!(
            "the token \"{}\" (serial {}), id {}",
            visible(place.label()),
            visible(place.serial()),
            place.key
        ),
    }
}
