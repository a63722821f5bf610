//! Passkeys (W3C Web Authentication, Level 3): the little of it that level passkey needs. A passkey is a second key of a
//! device, which signs for one origin alone, and only while the person proves themself to the device by fingerprint, face
//! or PIN. No page's code can use it in silence, and that is what it is for.
//!
//! It is certified with the device. An answer at level passkey carries the device's own signature as every answer, and in it
//! an [`Assertion`] whose challenge is made of the request: code that holds the device's keys still lacks the passkey, and
//! whoever holds the passkey lacks the device's keys.
//!
//! Signature counters are not compared: a host keeps none, and passkeys that are synchronised have none (section 6.1.1).

use crate::encoding::{Bytes, Digest, Fixed, Id, ShortText, sha256};
use crate::keys::VerifyingKey;
use serde::{Deserialize, Serialize};

/// Bytes that a credential's id may have.
const CREDENTIAL_ID: std::ops::RangeInclusive<usize> = 1..=512;
/// Bytes of authenticator data without credential and extensions (section 6.1).
const AUTHENTICATOR_DATA: usize = 37;
/// Most bytes of client data.
const MAX_CLIENT_DATA: usize = 2048;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// What a device says of its passkey when it asks to be certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// The credential's id, by which the browser finds it.
    pub cred: Bytes,
    /// Its public key.
    pub key: VerifyingKey,
    /// The origin of the authenticator's pages, `https://host[:port]`; the relying party is its host, never a domain above.
    pub origin: ShortText,
}

/// A passkey in a device's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// The credential's id.
    pub cred: Bytes,
    /// Its public key.
    pub key: VerifyingKey,
    /// The one origin that it signs for.
    pub origin: ShortText,
    /// Whether it can leave the device for an account of the user's (the flag BE): then it is as safe as that account (R14).
    pub synced: bool,
}

/// What the browser gives back of `navigator.credentials.get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// `authenticatorData`.
    pub auth: Bytes,
    /// `clientDataJSON`.
    pub client: Bytes,
    /// `signature`, in DER.
    pub sig: Bytes,
}

/// Why an assertion or an offer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// The offer's id or origin cannot be.
    #[error("it is no passkey: the credential's id or the origin cannot be")]
    Offer,
    /// The client data are none.
    #[error("the client data cannot be read")]
    ClientData,
    /// Made for something else than an assertion.
    #[error("it is no assertion")]
    Type,
    /// For another request.
    #[error("it answers another challenge")]
    Challenge,
    /// Made on another page.
    #[error("it was made at another origin")]
    Origin,
    /// Made in a page inside a page.
    #[error("it was made inside another site's page")]
    CrossOrigin,
    /// The authenticator data are none, or have parts that nobody asked for.
    #[error("the authenticator data have another form")]
    AuthenticatorData,
    /// For another relying party.
    #[error("it is for another relying party")]
    RelyingParty,
    /// The person did nothing (UP).
    #[error("nobody was present")]
    NotPresent,
    /// The person did not prove themself (UV, R13).
    #[error("the device did not verify its user")]
    NotVerified,
    /// The flags BE and BS contradict each other or the certificate.
    #[error("the passkey's backup flags are not those that it was certified with")]
    Backup,
    /// The signature.
    #[error("the signature is wrong")]
    Signature,
}

/// What must be signed to approve a request (`req`: SHA-256 of it as received) on a device.
pub fn approval_challenge(req: &Digest, device: &Id) -> Digest {
    sha256(&[b"assent/1 passkey approve", &req.0, &device.0])
}

/// What must be signed to have a passkey certified by a device's signed request, so that nobody offers a key that they do
/// not hold.
pub fn enrolment_challenge(request: &str) -> Digest {
    sha256(&[b"assent/1 passkey enrol", request.as_bytes()])
}

/// The relying party of an origin: its host. `None` for what is no bare https origin; over http this machine's own name
/// alone is one, as browsers have it.
pub fn relying_party(origin: &str) -> Option<&str> {
    let here = || {
        let authority = origin.strip_prefix("http://")?;
        (authority.split(':').next() == Some("localhost")).then_some(authority)
    };
    let authority = origin.strip_prefix("https://").or_else(here)?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    // An address is no relying party (section 5.1.3); a name's last label is no number.
    let last = host.rsplit('.').next().unwrap_or_default();
    let named = !last.is_empty() && last.parse::<u64>().is_err();
    let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
    (host.bytes().all(plain) && named && has_port).then_some(host)
}

impl Offered {
    /// The passkey, if whoever offers it holds it: the assertion is over `challenge`.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub fn prove(&self, challenge: &Digest, assertion: &Assertion) -> Result<Passkey, PasskeyError> {
        if !CREDENTIAL_ID.contains(&self.cred.0.len()) || relying_party(self.origin.as_str()).is_none() {
            return Err(PasskeyError::Offer);
        }
        let flags = verify(&self.key, self.origin.as_str(), challenge, assertion)?;
        Ok(Passkey {
            cred: self.cred.clone(),
            key: self.key.clone(),
            origin: self.origin.clone(),
            synced: flags & BACKUP_ELIGIBLE != 0,
        })
    }
}

impl Passkey {
    /// Whether the person has used this passkey for `challenge`, and for nothing else.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub fn verify(&self, challenge: &Digest, assertion: &Assertion) -> Result<(), PasskeyError> {
        let flags = verify(&self.key, self.origin.as_str(), challenge, assertion)?;
        // Whether a passkey can be backed up never changes (section 6.1.3).
        match (flags & BACKUP_ELIGIBLE != 0) == self.synced {
            true => Ok(()),
            false => Err(PasskeyError::Backup),
        }
    }
}

/// Client data (section 5.8.1). Members that a later browser adds are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    #[serde(default)]
    top_origin: Option<String>,
}

/// The steps of section 7.2 that fit: the key is known, no extension was asked for, no counter is kept. The flags.
fn verify(key: &VerifyingKey, origin: &str, challenge: &Digest, assertion: &Assertion) -> Result<u8, PasskeyError> {
    if assertion.client.0.len() > MAX_CLIENT_DATA {
        return Err(PasskeyError::ClientData);
    }
    let client: ClientData = serde_json::from_slice(&assertion.client.0).map_err(|_| PasskeyError::ClientData)?;
    if client.r#type != "webauthn.get" {
        return Err(PasskeyError::Type);
    }
    // `==` on these types takes constant time.
    if Digest::decode(&client.challenge).is_none_or(|signed| signed != *challenge) {
        return Err(PasskeyError::Challenge);
    }
    if client.origin != origin {
        return Err(PasskeyError::Origin);
    }
    if client.cross_origin || client.top_origin.is_some() {
        return Err(PasskeyError::CrossOrigin);
    }
    let data: &[u8; AUTHENTICATOR_DATA] = assertion
        .auth
        .0
        .as_slice()
        .try_into()
        .map_err(|_| PasskeyError::AuthenticatorData)?;
    let (party, flags) = (&data[..32], data[32]);
    if flags & (HAS_CREDENTIAL | HAS_EXTENSIONS) != 0 {
        return Err(PasskeyError::AuthenticatorData);
    }
    let Fixed(expected) = sha256(&[relying_party(origin).ok_or(PasskeyError::Offer)?.as_bytes()]);
    if party != expected {
        return Err(PasskeyError::RelyingParty);
    }
    if flags & USER_PRESENT == 0 {
        return Err(PasskeyError::NotPresent);
    }
    if flags & USER_VERIFIED == 0 {
        return Err(PasskeyError::NotVerified);
    }
    if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
        return Err(PasskeyError::Backup);
    }
    let Fixed(client_hash) = sha256(&[&assertion.client.0]);
    let signed = [data.as_slice(), &client_hash].concat();
    match key.verifies_der(&signed, &assertion.sig.0) {
        true => Ok(flags),
        false => Err(PasskeyError::Signature),
    }
}
