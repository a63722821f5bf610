//! A FIDO2 security key as this device's passkey. Yubico's fido2-tools speak to it, each in a process of its own that knows
//! nothing of ours: they have the parsers of what comes over USB, and a key that lies to them reaches one call.
//!
//! What is signed is what a browser would sign (W3C Web Authentication, section 5.8.1), so that a host verifies both alike.
//! A call that is dropped ends the tool.

use super::fido_tool::{self, Said};
use crate::failure::{Done, Failure, no_randomness};
use assent_proto::keys::VerifyingKey;
use assent_proto::passkey::{Assertion, Offered};
use assent_proto::{Bytes, Digest, Id, ShortText, sha256};
use serde::Serialize;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a person may take to find the key and touch it, where no request ends sooner.
pub const TOUCH: Duration = Duration::from_secs(60);
/// What needs no person.
const AT_ONCE: Duration = Duration::from_secs(10);
/// A byte string of 37 bytes in CBOR (RFC 8949, section 3.1): the form in which authenticator data without credential and
/// extensions are handed out.
const BYTES_37: [u8; 2] = [0x58, 37];

/// How the key makes sure of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By a PIN, which is typed here.
    Pin,
    /// By a sensor of its own.
    Sensor,
}

/// A key that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityKey {
    device: String,
    /// How it makes sure of its user.
    pub proof: Proof,
}

/// The PIN, where the key takes one.
pub type Pin = Option<Zeroizing<String>>;

/// What a browser would write (in this order, section 5.8.1.1).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientData<'a> {
    r#type: &'a str,
    challenge: String,
    origin: &'a str,
    cross_origin: bool,
}

impl SecurityKey {
    /// The key of this path, or the only one that is plugged in.
    pub async fn find(named: Option<&str>) -> Done<Self> {
        let device = match named {
            Some(path) => path.to_owned(),
            None => only(&fido_tool::run("fido2-token", &["-L"], &[], None, AT_ONCE).await?)?,
        };
        let told = fido_tool::run("fido2-token", &["-I", &device], &[], None, AT_ONCE).await?;
        let proof = proof_of(&told.out).ok_or_else(|| {
            Failure::Refused(format!(
                "{device} has neither a PIN nor a sensor that knows its user; set a PIN first: fido2-token -S {device}"
            ))
        })?;
        Ok(Self { device, proof })
    }

    /// Makes a credential for the pages at `origin`. Touched once.
    pub async fn make(&self, origin: &str, name: &str, pin: &Pin) -> Done<Offered> {
        let party = party(origin)?;
        let random = || Id::random().map_err(no_randomness);
        // Nobody asks for attestation, so what it would sign is of no interest.
        let nothing = sha256(&[&random()?.0]);
        let input = [
            fido_tool::encode(&nothing.0),
            party.to_owned(),
            // One line for the tool.
            name.chars().filter(|c| !c.is_control()).collect(),
            fido_tool::encode(&random()?.0),
        ];
        let verified: &[&str] = match self.proof {
            Proof::Pin => &[],
            Proof::Sensor => &["-v"],
        };
        let arguments = [&["-M"], verified, &["-i", fido_tool::INPUT, &self.device, "es256"]].concat();
        let made = self.run("fido2-cred", &arguments, &input, pin, TOUCH).await?;
        let made: Vec<String> = made.out.lines().map(ToOwned::to_owned).collect();
        let told = fido_tool::run(
            "fido2-cred",
            &["-V", "-i", fido_tool::INPUT, "es256"],
            &made,
            None,
            AT_ONCE,
        )
        .await?;
        let odd = || Failure::Refused("fido2-cred made something that cannot be read".into());
        let (id, key) = told.out.split_once('\n').ok_or_else(odd)?;
        Ok(Offered {
            cred: Bytes(fido_tool::decode(id).ok_or_else(odd)?),
            key: VerifyingKey::from_pem(key).map_err(|_| odd())?,
            origin: ShortText::new(origin.to_owned()).ok_or_else(odd)?,
        })
    }

    /// Has the key sign `challenge`, for the pages at `origin` alone. Touched once, `within` this time.
    pub async fn assert(
        &self,
        credential: &Bytes,
        origin: &str,
        challenge: &Digest,
        pin: &Pin,
        within: Duration,
    ) -> Done<Assertion> {
        let client = serde_json::to_vec(&ClientData {
            r#type: "webauthn.get",
            challenge: challenge.to_string(),
            origin,
            cross_origin: false,
        })
        .map_err(|e| Failure::Refused(format!("what is to be signed cannot be written: {e}")))?;
        let input = [
            fido_tool::encode(&sha256(&[&client]).0),
            party(origin)?.to_owned(),
            fido_tool::encode(&credential.0),
        ];
        let verified = match self.proof {
            Proof::Pin => "pin=true",
            Proof::Sensor => "uv=true",
        };
        let arguments = ["-G", "-t", verified, "-i", fido_tool::INPUT, &self.device];
        let signed = self.run("fido2-assert", &arguments, &input, pin, within).await?;
        assertion(&signed.out, client)
            .ok_or_else(|| Failure::Refused("fido2-assert gave something that cannot be read".into()))
    }

    async fn run(&self, tool: &str, arguments: &[&str], input: &[String], pin: &Pin, within: Duration) -> Done<Said> {
        let pin = pin.as_ref().filter(|_| self.proof == Proof::Pin);
        match fido_tool::try_to(tool, arguments, input, pin, within).await? {
            Ok(said) => Ok(said),
            Err(said) => Err(self.why(&said).await),
        }
    }

    /// What the tool's word for an error means to the person.
    async fn why(&self, said: &str) -> Failure {
        let text = match fido_tool::error_in(said) {
            Some("PIN_INVALID") => match self.tries_left().await {
                Some(left) => format!("wrong PIN; {left} tries are left before the key blocks it"),
                None => "wrong PIN".into(),
            },
            Some("PIN_AUTH_BLOCKED") => "too many wrong PINs: pull the key out, put it in again".into(),
            Some("PIN_BLOCKED") => {
                "the key has blocked its PIN for good: it must be reset, and this device enrolled again".into()
            }
            Some("UV_INVALID") => "the key's sensor did not know the finger".into(),
            Some("UV_BLOCKED") => {
                "the key's sensor is blocked; it works again once the PIN was used elsewhere (fido2-token -S changes it)"
                    .into()
            }
            Some("NO_CREDENTIALS" | "INVALID_CREDENTIAL") => {
                "this key is not the one that was enrolled with this device".into()
            }
            Some("ACTION_TIMEOUT" | "USER_ACTION_TIMEOUT" | "TIMEOUT" | "KEEPALIVE_CANCEL") => {
                "nobody touched the key in time".into()
            }
            _ if said.contains("invalid PIN length") => "a PIN has 4 to 63 characters; the key was not asked".into(),
            _ => format!("the key does not do it: {said}"),
        };
        Failure::Refused(text)
    }

    async fn tries_left(&self) -> Option<u32> {
        let told = fido_tool::run("fido2-token", &["-I", &self.device], &[], None, AT_ONCE).await;
        told.ok()?
            .out
            .lines()
            .find_map(|line| line.strip_prefix("pin retries: ")?.parse().ok())
    }
}

/// The relying party of an origin.
fn party(origin: &str) -> Done<&str> {
    assent_proto::passkey::relying_party(origin).ok_or_else(|| {
        Failure::Input(format!(
            "a security key signs for a name, and {origin} has none: the gateway's app must have an https address with a name"
        ))
    })
}

/// The one device of `fido2-token -L`.
fn only(listed: &Said) -> Done<String> {
    let devices: Vec<&str> = listed
        .out
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(path, _)| path)
        .collect();
    match devices[..] {
        [device] => Ok(device.to_owned()),
        [] => Err(Failure::Unreachable(
            "no security key is plugged in, or this user may not open it (Debian: apt install libfido2-1, then plug it in again)"
                .into(),
        )),
        _ => Err(Failure::Input(format!(
            "several security keys are plugged in; name one with --security-key=DEVICE: {}",
            devices.join(", ")
        ))),
    }
}

/// What `fido2-token -I` tells of how the key makes sure of its user. A sensor goes first: then nothing is typed.
fn proof_of(info: &str) -> Option<Proof> {
    let options = info.lines().find_map(|line| line.strip_prefix("options: "))?;
    let has = |name: &str| options.split(", ").any(|option| option == name);
    match (has("uv"), has("clientPin")) {
        (true, _) => Some(Proof::Sensor),
        (false, true) => Some(Proof::Pin),
        (false, false) => None,
    }
}

/// Lines of `fido2-assert -G`: the hash, the relying party, the authenticator data in CBOR, the signature.
fn assertion(told: &str, client: Vec<u8>) -> Option<Assertion> {
    let mut lines = told.lines().skip(2);
    let data = fido_tool::decode(lines.next()?)?;
    let auth = data.strip_prefix(&BYTES_37)?;
    Some(Assertion {
        auth: Bytes((auth.len() == 37).then(|| auth.to_vec())?),
        client: Bytes(client),
        sig: Bytes(fido_tool::decode(lines.next()?)?),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_pin_and_sensor_is_refused_and_a_sensor_goes_before_a_pin() {
        let info = |options: &str| format!("proto: 0x02\noptions: {options}\nfwversion: 0x0\n");
        assert_eq!(proof_of(&info("rk, up, noplat, clientPin")), Some(Proof::Pin));
        assert_eq!(proof_of(&info("rk, up, uv, noplat, clientPin")), Some(Proof::Sensor));
        assert_eq!(proof_of(&info("rk, up, nouv, noplat, clientPin")), Some(Proof::Pin));
        assert_eq!(proof_of(&info("rk, up, nouv, noclientPin")), None);
        assert_eq!(proof_of("proto: 0x02\n"), None);
    }

    #[test]
    fn one_key_is_taken_and_of_several_none() {
        let listed = |out: &str| only(&Said { out: out.into() });
        let one = "/dev/hidraw3: vendor=0x1050, product=0x0407 (Yubico YubiKey OTP+FIDO+CCID)\n";
        assert_eq!(listed(one).unwrap(), "/dev/hidraw3");
        assert!(listed("").unwrap_err().to_string().contains("no security key"));
        let two = format!("{one}/dev/hidraw4: vendor=0x20a0, product=0x42b1 (Nitrokey)\n");
        assert!(
            listed(&two)
                .unwrap_err()
                .to_string()
                .contains("/dev/hidraw3, /dev/hidraw4")
        );
    }

    #[test]
    fn only_data_of_an_assertions_length_are_one() {
        let line = |bytes: &[u8]| fido_tool::encode(bytes);
        let told = |data: &[u8]| format!("hash\nparty\n{}\n{}\n", line(data), line(b"sig"));
        let good = [&BYTES_37[..], &[7; 37]].concat();
        let read = assertion(&told(&good), b"{}".to_vec()).unwrap();
        assert_eq!((read.auth.0, read.sig.0), (vec![7; 37], b"sig".to_vec()));
        for bad in [&good[..38], &[&good[..], &[0]].concat(), &good[2..], &[]] {
            assert_eq!(assertion(&told(bad), Vec::new()), None);
        }
        assert_eq!(assertion("hash\nparty\n", Vec::new()), None);
    }
}
