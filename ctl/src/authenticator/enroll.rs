//! `assentctl authenticator enroll`: new keys, certified through a one-time link.

use super::DirArg;
use super::ending::Ending;
use super::key::{DeviceKey, apart};
use super::link::Link;
use super::pin::no_pin;
use super::remark::tell;
use super::security_key::{Pin, Proof, SecurityKey, TOUCH};
use super::store::{self, Anchor, Registration};
use super::token::{OpenToken, TokenArgs};
use crate::failure::{Done, Failure, no_randomness};
use crate::gateway_client::{Gateway, pin};
use crate::report::report;
use crate::seconds::moment;
use crate::terminal::{self, Charset};
use assent_proto::cert::{Device, Issuer};
use assent_proto::enrol::{Enrolment, short_fingerprint};
use assent_proto::keys::{KemSecret, KeyPair};
use assent_proto::registrar::{Ask, CALL_WINDOW, DeviceAsk, ENROL_TTL, EnrolmentState, Reply};
use assent_proto::roots::Lineage;
use assent_proto::signer::Signer as _;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_secs(1);

/// `authenticator enroll`.
#[derive(Debug, Args)]
pub struct Enroll {
    /// The one-time link (in quotes), or the gateway's address; `-` reads the link from standard input
    link: String,
    /// The link's code, if the address came alone; `-` reads it from standard input
    code: Option<String>,
    #[command(flatten)]
    dir: DirArg,
    /// What to call this device; the machine's name, if not given
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Certificate authorities to believe beside the system's, for TLS alone (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    token: TokenArgs,
    /// Have a FIDO2 security key approve what takes a passkey; DEVICE, where several are plugged in (needs fido2-tools)
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    security_key: Option<String>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Enroll {
    pub(super) async fn run(&self) -> Done {
        let link = terminal::given_or_stdin(&self.link)?;
        let code = self.code.as_deref().map(terminal::given_or_stdin).transpose()?;
        let link = Link::parse(&link, code.as_ref().map(|code| code.as_str()))?;
        let gateway = Gateway::new(&link.gateway, self.ca_file.as_deref())?;
        let dir = self.dir.path()?;
        store::prepare(&dir)?;
        let info = gateway.trust_info().await?;
        let pinned = pin(&info, &link.token, gateway.base())?;
        let issuer = &pinned.issuer;
        let clock = Clock::beside(info.now);
        let label = self.label.clone().unwrap_or_else(own_name);
        let label = ShortText::new(label).ok_or_else(|| Failure::Input("the label is too long".into()))?;
        let args = self.token.clone();
        let token = apart(move || OpenToken::open(&args)).await??;
        // A person who gives up while a token makes its key is heard once it is made, and it goes again.
        let mut ending = Ending::hear()?;
        let keys = KeyPair {
            sign: DeviceKey::generate(token, label.as_str().to_owned()).await?,
            kem: KemSecret::generate().map_err(no_randomness)?,
        };
        let certified = async {
            let key = match &self.security_key {
                Some(named) => Some(Approving::find(named).await?),
                None => None,
            };
            come(&gateway, issuer, &keys, label, &link, &clock, key).await?;
            wait(&gateway, issuer, &keys, link.token.id, &clock).await
        };
        let certified = tokio::select! {
            biased;
            () = ending.comes() => Err(Failure::Refused("interrupted; nothing was registered".into())),
            device = certified => device,
        };
        let device = match certified {
            Ok(device) => device,
            Err(failure) => return Err(discarded(&keys.sign, failure).await),
        };
        let registration = Registration {
            keys,
            device,
            anchor: Anchor::of(&pinned),
            roots: Lineage::new(pinned.roots.clone()),
            issuers: pinned.issuers,
            gateway: gateway.base().to_owned(),
            ca_file: self.ca_file.clone(),
        };
        if let Err(failure) = registration.save(&dir) {
            return Err(discarded(&registration.keys.sign, failure).await);
        }
        self.say(&registration);
        Ok(())
    }

    fn say(&self, registration: &Registration) {
        let claims = registration.device.claims();
        let value = json!({
            "device_id": claims.device_id,
            "name": claims.name,
            "identities": claims.identities,
            "fingerprint": short_fingerprint(&claims.sign),
            "gateway": registration.gateway,
            "expires": claims.exp,
        });
        report(self.json, &value, || {
            let text = format!(
                "Registered: this device approves for {}.\n  device id    {}\n  device key   {}\n  valid until  {}\nNext: assentctl authenticator listen",
                visible(claims.name.as_str()),
                claims.device_id,
                short_fingerprint(&claims.sign),
                moment(claims.exp)
            );
            Charset::of_locale().fit(&text)
        });
    }
}

/// Asks for a certificate and shows the six digits.
async fn come(
    gateway: &Gateway,
    issuer: &Issuer,
    keys: &KeyPair<DeviceKey>,
    label: ShortText,
    link: &Link,
    clock: &Clock,
    key: Option<Approving>,
) -> Done {
    let ua = ShortText::cut(concat!("assentctl ", env!("CARGO_PKG_VERSION")).into());
    let (token, now, kem) = (link.token.clone(), clock.now(), keys.kem.public());
    let mut enrolment = keys
        .sign
        .signs(move |key| Enrolment::signed_by(key, kem, &token, label, ua, now))
        .await?;
    if let Some(key) = key {
        enrolment = key.join(enrolment, &keys.sign, link).await?;
    }
    let reply = gateway
        .call(issuer, &keys.kem, Ask::EnrolDevice(enrolment.clone()))
        .await?;
    match state(reply)? {
        EnrolmentState::Digits { n, .. } => {
            let digits = enrolment.digits(&n);
            eprintln!("Six digits of this device: {} {}", &digits[..3], &digits[3..]);
            tell("Type them where the link was shown. Waiting …");
            Ok(())
        }
        // Nobody could have typed digits that were not shown yet.
        EnrolmentState::Waiting
        | EnrolmentState::Approval { .. }
        | EnrolmentState::Certified { .. }
        | EnrolmentState::Over => Err(over()),
    }
}

/// A security key that is to be this device's passkey.
struct Approving {
    key: SecurityKey,
    pin: Pin,
}

impl Approving {
    /// The key, and its PIN as typed; without a name, the only key that is plugged in.
    async fn find(named: &str) -> Done<Self> {
        let key = SecurityKey::find(Some(named).filter(|name| !name.is_empty())).await?;
        let pin = match key.proof {
            Proof::Sensor => None,
            Proof::Pin => Some(apart(|| terminal::secret("PIN of the security key: ")).await??),
        };
        if let Some(why) = pin.as_ref().and_then(|typed| no_pin(typed)) {
            return Err(Failure::Input(why.into()));
        }
        Ok(Self { key, pin })
    }

    /// Makes a credential and has it sign this very wish.
    async fn join(self, wish: Enrolment, sign: &DeviceKey, link: &Link) -> Done<Enrolment> {
        let Self { key, pin } = self;
        tell(&format!(
            "Touch the security key, to make a passkey for {} …",
            link.origin()
        ));
        let offered = key.make(link.origin(), "Assent", &pin).await?;
        let (token, passkey) = (link.token.clone(), offered.clone());
        let wish = sign.signs(move |key| wish.offering(&token, key, offered)).await?;
        let challenge = wish.passkey_challenge();
        tell("Touch it again, to show that it works …");
        let assertion = key
            .assert(&passkey.cred, link.origin(), &challenge, &pin, TOUCH)
            .await?;
        passkey.prove(&challenge, &assertion).map_err(|why| {
            Failure::Refused(format!(
                "what the key signed does not hold: {why}. Nothing was sent, and the link is unused"
            ))
        })?;
        Ok(Enrolment {
            passkey: Some(assertion),
            ..wish
        })
    }
}

/// It came to nothing: a token keeps no key of it.
async fn discarded(key: &DeviceKey, failure: Failure) -> Failure {
    match key.discard().await {
        Ok(()) => failure,
        Err(left) => Failure::Refused(format!("{failure}\n{left}")),
    }
}

async fn wait(
    gateway: &Gateway,
    issuer: &Issuer,
    keys: &KeyPair<DeviceKey>,
    token_id: Id,
    clock: &Clock,
) -> Done<Device> {
    let give_up = Instant::now() + Duration::from_secs(ENROL_TTL + CALL_WINDOW);
    let (mut told, mut asked) = (false, false);
    loop {
        tokio::time::sleep(POLL).await;
        let n = Id::random().map_err(no_randomness)?;
        let now = clock.now();
        let signed = keys
            .sign
            .signs(move |key| DeviceAsk::sign(key, token_id, n, now))
            .await?;
        match gateway.call(issuer, &keys.kem, Ask::Device { signed }).await {
            Ok(reply) => match state(reply)? {
                EnrolmentState::Certified { device } => return own(issuer, keys, &device),
                EnrolmentState::Over => return Err(over()),
                EnrolmentState::Waiting | EnrolmentState::Digits { .. } => {}
                EnrolmentState::Approval { .. } if asked => {}
                EnrolmentState::Approval { .. } => {
                    tell("Now approve this device on one that is registered already. Waiting …");
                    asked = true;
                }
            },
            Err(Failure::Unreachable(why)) if Instant::now() < give_up => {
                if !told {
                    tell(&why);
                    told = true;
                }
            }
            Err(failure) => return Err(failure),
        }
        if Instant::now() >= give_up {
            return Err(over());
        }
    }
}

/// The certificate, if it is valid and of our keys.
fn own(issuer: &Issuer, keys: &KeyPair<DeviceKey>, document: &str) -> Done<Device> {
    let device = issuer.verify_device(document, UnixTime::now()).map_err(|e| {
        Failure::Refused(format!(
            "the certificate that came is not valid: {e}. Nothing was written"
        ))
    })?;
    if device.claims().sign != keys.sign.public() || device.claims().kem != keys.kem.public() {
        return Err(Failure::Refused(
            "the certificate that came is for other keys; nothing was written".into(),
        ));
    }
    Ok(device)
}

fn state(reply: Reply) -> Done<EnrolmentState> {
    match reply {
        Reply::Enrolment(state) => Ok(state),
        Reply::Refused { code: _, text } => Err(Failure::Refused(format!(
            "the registrar refuses: {}. Nothing was registered; ask for a new link",
            visible(text.as_str())
        ))),
        Reply::HostCertified { .. }
        | Reply::Devices { .. }
        | Reply::EnrolmentOpen { .. }
        | Reply::LinkOpen { .. }
        | Reply::MyDevices { .. }
        | Reply::Heard { .. }
        | Reply::MoveOpen { .. }
        | Reply::Left
        | Reply::Noted
        | Reply::DeviceCertified { .. }
        | Reply::Revocations(_)
        | Reply::Reported { .. } => Err(Failure::Refused(
            "the registrar replied to something else; nothing was registered".into(),
        )),
    }
}

fn over() -> Failure {
    Failure::Refused(
        "this enrolment is over (too late, wrong digits three times, or refused on another device); nothing was registered. Ask for a new link"
            .into(),
    )
}

fn own_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "assentctl".into())
}

/// The registrar's clock, as far from ours as its relay said: calls are dated by it, certificates judged by ours.
struct Clock {
    ahead: i64,
}

impl Clock {
    fn beside(theirs: UnixTime) -> Self {
        let seconds = |at: UnixTime| i64::try_from(at.0).unwrap_or(i64::MAX);
        Self {
            ahead: seconds(theirs).saturating_sub(seconds(UnixTime::now())),
        }
    }

    fn now(&self) -> UnixTime {
        UnixTime(UnixTime::now().0.saturating_add_signed(self.ahead))
    }
}
