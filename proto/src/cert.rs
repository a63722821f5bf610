//! Certificates: an offline root signs issuers, an issuer signs hosts and devices (PROTOCOL: chain R → I → H, D).
//!
//! What `verify_*` returns is proof by type: an [`Issuer`], a [`Host`] or a [`Device`] exists only if its chain leads
//! to a pinned root, its name lies in the issuer's name space and the time lies in its life.

use crate::code_service::CodeService;
use crate::encoding::{Id, ShortText};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemPublic, KeyId, KeyPair, SigningKey, VerifyingKey};
use crate::life::Life;
use crate::passkey::Passkey;
use crate::roots::RootSet;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Seconds of a day.
pub const DAY: u64 = 86_400;
/// Most identities of one device.
pub const MAX_IDENTITIES: usize = 8;
/// Most bytes of a certificate that an issuer signs: a user's devices must fit into one reply.
pub const MAX_CERTIFICATE: usize = 4096;
/// Most bytes of a device's label and of its user's name in a certificate; what is longer is cut.
pub const MAX_LABEL: usize = 128;

/// The registrar's own name as a host, which no join token opens. It asks a person's devices whether a device may be
/// added or removed, and is inside every issuer's name space: whoever holds an issuing key acts as registrar anyway.
pub const REGISTRAR_NAME: &str = "registrar";

/// Who a person is: never a bare name (R22).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The name space, such as `example.org` or `nss@<host id>`.
    pub realm: ShortText,
    /// The unique and lasting id in it, such as an `entryUUID`.
    pub id: ShortText,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}#{}",
            crate::text::visible(self.realm.as_str()),
            crate::text::visible(self.id.as_str())
        )
    }
}

/// How sure an approval must be, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// One tap.
    Tap,
    /// The number on the terminal, typed on the device.
    Number,
    /// `WebAuthn` with user verification.
    Passkey,
}

impl Level {
    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Number => "number",
            Self::Passkey => "passkey",
        }
    }
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CertError {
    /// The document itself.
    #[error(transparent)]
    Document(#[from] JwsError),
    /// No pinned root has this fingerprint.
    #[error("the issuer is signed by {0}, which is no pinned root")]
    UnknownRoot(KeyId),
    /// No known issuer has this key.
    #[error("it is signed by {0}, which is no issuing key that is known here")]
    UnknownIssuer(KeyId),
    /// Not yet or no longer valid.
    #[error("the {what} is valid from {nbf} to {exp}, and this machine's clock says {now} (seconds since 1970)")]
    Time {
        /// Which document.
        what: &'static str,
        /// Valid from.
        nbf: u64,
        /// Valid to.
        exp: u64,
        /// The clock.
        now: u64,
    },
    /// Outside the issuer's name space.
    #[error("{0} lies outside the issuer's name space")]
    NameSpace(String),
    /// No identity or too many.
    #[error("a device has between 1 and {MAX_IDENTITIES} identities")]
    Identities,
}

/// An issuing key as its root signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerClaims {
    v: V1,
    /// Signs host and device certificates.
    pub sign: VerifyingKey,
    /// Calls to the registrar are sealed to it.
    pub kem: KemPublic,
    /// Realms whose devices it may certify; `*` is any run of characters.
    pub realms: Vec<ShortText>,
    /// Host names that it may certify; `*` is any run of characters.
    pub hosts: Vec<ShortText>,
    /// Valid from.
    pub nbf: UnixTime,
    /// Valid to.
    pub exp: UnixTime,
    /// Names this certificate.
    pub serial: Id,
}

/// A host as an issuer signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostClaims {
    v: V1,
    /// Names the host for ever.
    pub host_id: Id,
    /// What people call it.
    pub display: ShortText,
    /// Signs requests.
    pub sign: VerifyingKey,
    /// Answers are sealed to it.
    pub kem: KemPublic,
    /// Valid from.
    pub nbf: UnixTime,
    /// Valid to.
    pub exp: UnixTime,
    /// Names this certificate.
    pub serial: Id,
    /// The registrar's running number.
    pub log_index: u64,
}

/// A device as an issuer signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceClaims {
    v: V1,
    /// Names the device for ever.
    pub device_id: Id,
    /// Everyone it may approve for; each was proven at enrolment.
    pub identities: Vec<Identity>,
    /// The user's name at enrolment, for people.
    pub name: ShortText,
    /// What the user calls the device.
    pub label: ShortText,
    /// The highest level that it reaches.
    pub level_max: Level,
    /// What it reaches level passkey by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passkey: Option<Passkey>,
    /// Signs answers.
    pub sign: VerifyingKey,
    /// Requests are sealed to it.
    pub kem: KemPublic,
    /// Valid from.
    pub nbf: UnixTime,
    /// Valid to.
    pub exp: UnixTime,
    /// Names this certificate.
    pub serial: Id,
    /// The registrar's running number.
    pub log_index: u64,
}

/// The pinned roots. The network adds none (R23); each set is its own, and its threshold is its own.
#[derive(Debug, Clone)]
pub struct Trust {
    sets: Vec<RootSet>,
    /// Issuers that these roots have signed, as far as they were heard of.
    known: Issuers,
}

impl Trust {
    /// Pins these keys, each by itself.
    pub fn new(roots: Vec<VerifyingKey>) -> Self {
        Self::of(roots.into_iter().map(RootSet::of_key).collect())
    }

    /// Pins these sets.
    pub fn of(sets: Vec<RootSet>) -> Self {
        Self {
            sets,
            known: Issuers::default(),
        }
    }

    /// The same roots, and issuers that they have signed. An issuer's certificate that comes with too few signatures (its
    /// bearer has not heard yet that newer roots have signed it as well) is taken if one with the very same content and
    /// enough signatures is known.
    #[must_use]
    pub fn knowing(mut self, documents: &[&str]) -> Self {
        self.known = Issuers::under(&self, documents.iter().copied());
        self
    }

    /// The sets.
    pub fn sets(&self) -> &[RootSet] {
        &self.sets
    }

    /// Checks an issuer's certificate against the pinned roots and the time.
    pub fn verify_issuer(&self, document: &str, now: UnixTime) -> Result<Issuer, CertError> {
        let issuer = self.certified(document)?;
        issuer.lives(now)?;
        Ok(issuer)
    }

    /// An issuer's certificate as pinned roots have signed it, whatever the time: its life counts at each use.
    pub(crate) fn certified(&self, document: &str) -> Result<Issuer, CertError> {
        let mut refused =
            CertError::UnknownRoot(jws::claimed_signers(document)?.first().copied().ok_or(JwsError::Form)?);
        for set in &self.sets {
            match set.verify::<IssuerClaims>(document, Typ::Issuer) {
                Ok(claims) => {
                    return Ok(Issuer {
                        claims,
                        document: document.to_owned(),
                    });
                }
                // Signed by none of this set's roots: another set may be meant.
                Err(JwsError::Signer) => {}
                Err(why) => refused = why.into(),
            }
        }
        let content = jws::payload_of_joint(document);
        let known = |issuer: &&Issuer| jws::payload_of_joint(&issuer.document) == content;
        self.known.0.iter().find(known).cloned().ok_or(refused)
    }
}

/// Most issuers that somebody keeps.
pub const MAX_ISSUERS: usize = 8;

/// The issuers that are known under pinned roots, newest first. While the registrar changes its issuing key there are
/// two; whatever either has signed holds, each for as long as it lives.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Vec<Issuer>);

impl Issuers {
    /// Those of `documents` that pinned roots have signed. What has not begun or has ended is kept: its life counts at
    /// each use.
    pub fn under<'a>(trust: &Trust, documents: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known = Self::default();
        for document in documents {
            if let Ok(issuer) = trust.certified(document.trim()) {
                known.add(issuer);
            }
        }
        known
    }

    fn add(&mut self, issuer: Issuer) {
        // One entry for one certificate: with further signatures, which anybody can add to it, it is the same, and a relay
        // that makes many must not push others out. The newest form counts: it may have the signatures of newer roots.
        let content = jws::payload_of_joint(&issuer.document);
        self.0.retain(|known| jws::payload_of_joint(&known.document) != content);
        self.0.push(issuer);
        self.0.sort_by_key(|known| std::cmp::Reverse(known.claims.nbf));
        self.0.truncate(MAX_ISSUERS);
    }

    /// These and those of `other`, without what ended before `before`. Whether that is another set than before.
    pub fn learn(&mut self, other: Self, before: UnixTime) -> bool {
        let had: Vec<String> = self.documents().map(ToOwned::to_owned).collect();
        for issuer in other.0 {
            self.add(issuer);
        }
        self.0.retain(|issuer| issuer.claims.exp >= before);
        !self.documents().eq(had.iter().map(String::as_str))
    }

    /// Every one, newest first.
    pub fn all(&self) -> &[Issuer] {
        &self.0
    }

    /// Their certificates, newest first.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Issuer::document)
    }

    /// The newest that lives: calls to the registrar are sealed to it.
    pub fn newest(&self, now: UnixTime) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.lives(now).is_ok())
    }

    /// Checks a host's certificate under whichever of them has signed it; which one that was, too.
    pub fn verify_host(&self, document: &str, now: UnixTime) -> Result<(Host, &Issuer), CertError> {
        self.by_signer(document, |issuer| issuer.verify_host(document, now))
    }

    /// Checks a device's certificate under whichever of them has signed it.
    pub fn verify_device(&self, document: &str, now: UnixTime) -> Result<Device, CertError> {
        self.by_signer(document, |issuer| issuer.verify_device(document, now))
            .map(|(device, _)| device)
    }

    /// A host's certificate as it was in its life, which may be over by at most `grace` seconds.
    pub fn verify_host_renewable(
        &self,
        document: &str,
        now: UnixTime,
        grace: u64,
    ) -> Result<(Host, &Issuer), CertError> {
        let claims: HostClaims = jws::claimed(document).ok_or(JwsError::Form)?;
        self.verify_host(document, within_grace(claims.exp, now, grace))
    }

    /// A device's certificate as it was in its life, which may be over by at most `grace` seconds.
    pub fn verify_device_renewable(&self, document: &str, now: UnixTime, grace: u64) -> Result<Device, CertError> {
        let claims: DeviceClaims = jws::claimed(document).ok_or(JwsError::Form)?;
        self.verify_device(document, within_grace(claims.exp, now, grace))
    }

    /// Checks a code service's certificate under whichever of them has signed it.
    pub fn verify_code_service(&self, document: &str, now: UnixTime) -> Result<CodeService, CertError> {
        self.by_signer(document, |issuer| issuer.verify_code_service(document, now))
            .map(|(service, _)| service)
    }

    fn by_signer<'a, T>(
        &'a self,
        document: &str,
        check: impl Fn(&'a Issuer) -> Result<T, CertError>,
    ) -> Result<(T, &'a Issuer), CertError> {
        let signer = jws::claimed_signer(document)?;
        let mut refused = CertError::UnknownIssuer(signer);
        // One key may have been certified more than once.
        for issuer in self.0.iter().filter(|issuer| issuer.claims.sign.id() == signer) {
            match check(issuer) {
                Ok(value) => return Ok((value, issuer)),
                Err(why) => refused = why,
            }
        }
        Err(refused)
    }
}

/// When a certificate that may be over is judged: at its own end while that is not longer ago than `grace`.
fn within_grace(exp: UnixTime, now: UnixTime, grace: u64) -> UnixTime {
    if now > exp && now <= exp.plus(grace) { exp } else { now }
}

/// A verified issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    claims: IssuerClaims,
    document: String,
}

/// A verified host.
#[derive(Debug, Clone)]
pub struct Host {
    claims: HostClaims,
    document: String,
}

/// A verified device.
#[derive(Debug, Clone)]
pub struct Device {
    claims: DeviceClaims,
    document: String,
}

impl Issuer {
    /// What it may do.
    pub fn claims(&self) -> &IssuerClaims {
        &self.claims
    }

    /// The certificate as signed.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The pinned roots that signed it.
    pub fn root<'a>(&self, trust: &'a Trust) -> Option<&'a RootSet> {
        let signed = |set: &&RootSet| set.verify::<IssuerClaims>(&self.document, Typ::Issuer).is_ok();
        trust.sets.iter().find(signed)
    }

    /// From when to when it holds.
    pub fn life(&self) -> Life {
        Life {
            nbf: self.claims.nbf,
            exp: self.claims.exp,
        }
    }

    /// No certificate outlives the one that it rests on.
    pub(crate) fn end_of(&self, issuance: &Issuance) -> UnixTime {
        let wanted = issuance.nbf.plus(u64::from(issuance.days) * DAY);
        wanted.min(self.claims.exp)
    }

    /// Checks a host's certificate.
    pub fn verify_host(&self, document: &str, now: UnixTime) -> Result<Host, CertError> {
        let claims: HostClaims = jws::verify(document, Typ::Host, &self.claims.sign)?;
        self.lives(now)?;
        self.allows_host(claims.display.as_str())?;
        in_time("host certificate", now, claims.nbf, claims.exp)?;
        Ok(Host {
            claims,
            document: document.to_owned(),
        })
    }

    /// Checks a device's certificate.
    pub fn verify_device(&self, document: &str, now: UnixTime) -> Result<Device, CertError> {
        let claims: DeviceClaims = jws::verify(document, Typ::Device, &self.claims.sign)?;
        self.lives(now)?;
        self.allows_identities(&claims.identities)?;
        in_time("device certificate", now, claims.nbf, claims.exp)?;
        Ok(Device {
            claims,
            document: document.to_owned(),
        })
    }

    /// Asked again at each use: an agent keeps an issuer for as long as it runs.
    pub(crate) fn lives(&self, now: UnixTime) -> Result<(), CertError> {
        in_time("issuer certificate", now, self.claims.nbf, self.claims.exp)
    }

    /// A host's name is drawn on the phone: one that is empty, or shows other than it is, is in nobody's name space.
    pub fn allows_host(&self, name: &str) -> Result<(), CertError> {
        let plain = !name.is_empty() && crate::text::visible(name) == name;
        let within = || self.claims.hosts.iter().any(|pattern| glob(pattern.as_str(), name));
        if plain && (name == REGISTRAR_NAME || within()) {
            return Ok(());
        }
        Err(CertError::NameSpace(format!("host \"{}\"", crate::text::visible(name))))
    }

    /// Whether a device may be certified for these identities.
    pub fn allows_identities(&self, identities: &[Identity]) -> Result<(), CertError> {
        if identities.is_empty() || identities.len() > MAX_IDENTITIES {
            return Err(CertError::Identities);
        }
        let outside = identities.iter().find(|identity| {
            let realm = identity.realm.as_str();
            // A directory that gives nobody an id must not make everybody the same person.
            realm.is_empty()
                || identity.id.as_str().is_empty()
                || !self.claims.realms.iter().any(|pattern| glob(pattern.as_str(), realm))
        });
        match outside {
            Some(identity) => Err(CertError::NameSpace(format!("identity {identity}"))),
            None => Ok(()),
        }
    }
}

impl Host {
    /// From when to when it holds.
    pub fn life(&self) -> Life {
        Life {
            nbf: self.claims.nbf,
            exp: self.claims.exp,
        }
    }

    /// Who it is.
    pub fn claims(&self) -> &HostClaims {
        &self.claims
    }

    /// The certificate as signed.
    pub fn document(&self) -> &str {
        &self.document
    }
}

impl Device {
    /// From when to when it holds.
    pub fn life(&self) -> Life {
        Life {
            nbf: self.claims.nbf,
            exp: self.claims.exp,
        }
    }

    /// Whose it is.
    pub fn claims(&self) -> &DeviceClaims {
        &self.claims
    }

    /// The certificate as signed.
    pub fn document(&self) -> &str {
        &self.document
    }
}

/// An issuing key's wish to be signed, carried to where the root key is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerRequest {
    v: V1,
    /// The key that asks, and signs this.
    pub sign: VerifyingKey,
    /// Its sealing key.
    pub kem: KemPublic,
    /// When it was made.
    pub iat: UnixTime,
}

impl IssuerRequest {
    /// Signs the wish with the key itself.
    pub fn sign(keys: &KeyPair, now: UnixTime) -> Result<String, JwsError> {
        let request = Self {
            v: V1,
            sign: keys.sign.public(),
            kem: keys.kem.public(),
            iat: now,
        };
        jws::sign(Typ::IssuerRequest, &keys.sign, &request)
    }

    /// Checks that whoever asks holds the key.
    pub fn verify(document: &str) -> Result<Self, JwsError> {
        jws::verify_self_signed(document, Typ::IssuerRequest, |request: &Self| &request.sign)
    }
}

/// What a root grants to an issuing key.
#[derive(Debug, Clone)]
pub struct IssuerGrant {
    /// Realm patterns.
    pub realms: Vec<ShortText>,
    /// Host name patterns.
    pub hosts: Vec<ShortText>,
    /// Valid from.
    pub nbf: UnixTime,
    /// Days of life.
    pub days: u32,
    /// Names the certificate.
    pub serial: Id,
}

/// Signs an issuing key with the root key.
pub fn sign_issuer(root: &SigningKey, request: &IssuerRequest, grant: IssuerGrant) -> Result<String, JwsError> {
    let claims = IssuerClaims {
        v: V1,
        sign: request.sign.clone(),
        kem: request.kem.clone(),
        realms: grant.realms,
        hosts: grant.hosts,
        nbf: grant.nbf,
        exp: grant.nbf.plus(u64::from(grant.days) * DAY),
        serial: grant.serial,
    };
    jws::sign(Typ::Issuer, root, &claims)
}

/// What every certificate of an issuer gets from the registrar.
#[derive(Debug, Clone, Copy)]
pub struct Issuance {
    /// Valid from.
    pub nbf: UnixTime,
    /// Days of life.
    pub days: u32,
    /// Names the certificate.
    pub serial: Id,
    /// The registrar's running number.
    pub log_index: u64,
}

/// Signs a host.
pub fn sign_host(
    issuer: &Issuer,
    key: &SigningKey,
    host_id: Id,
    request: &crate::registrar::HostRequest,
    issuance: Issuance,
) -> Result<String, CertError> {
    issuer.allows_host(request.display.as_str())?;
    let claims = HostClaims {
        v: V1,
        host_id,
        display: request.display.clone(),
        sign: request.sign.clone(),
        kem: request.kem.clone(),
        nbf: issuance.nbf,
        exp: issuer.end_of(&issuance),
        serial: issuance.serial,
        log_index: issuance.log_index,
    };
    certificate(Typ::Host, key, &claims)
}

/// Who a new device is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceOwner {
    /// Every identity that was proven.
    pub identities: Vec<Identity>,
    /// The user's name, for people.
    pub name: ShortText,
}

/// Signs a device for `owner`, with the passkey that its request has proven, if any.
pub fn sign_device(
    issuer: &Issuer,
    key: &SigningKey,
    device_id: Id,
    owner: DeviceOwner,
    (request, passkey): (&crate::enrol::DeviceRequest, Option<Passkey>),
    issuance: Issuance,
) -> Result<String, CertError> {
    issuer.allows_identities(&owner.identities)?;
    let claims = DeviceClaims {
        v: V1,
        device_id,
        identities: owner.identities,
        name: ShortText::cut_to(owner.name.as_str().to_owned(), MAX_LABEL),
        label: ShortText::cut_to(request.label.as_str().to_owned(), MAX_LABEL),
        level_max: if passkey.is_some() {
            Level::Passkey
        } else {
            Level::Number
        },
        passkey,
        sign: request.sign.clone(),
        kem: request.kem.clone(),
        nbf: issuance.nbf,
        exp: issuer.end_of(&issuance),
        serial: issuance.serial,
        log_index: issuance.log_index,
    };
    certificate(Typ::Device, key, &claims)
}

/// Signs a host anew: the same host, the same keys, a new life. A host proves itself by the old key alone, so that is
/// the only key that can be certified without a token.
pub fn renew_host(issuer: &Issuer, key: &SigningKey, host: &Host, issuance: Issuance) -> Result<String, CertError> {
    issuer.allows_host(host.claims.display.as_str())?;
    let claims = HostClaims {
        nbf: issuance.nbf,
        exp: issuer.end_of(&issuance),
        serial: issuance.serial,
        log_index: issuance.log_index,
        ..host.claims.clone()
    };
    certificate(Typ::Host, key, &claims)
}

/// Signs a device anew: the same device, keys, people, label and level, a new life.
pub fn renew_device(
    issuer: &Issuer,
    key: &SigningKey,
    device: &Device,
    issuance: Issuance,
) -> Result<String, CertError> {
    issuer.allows_identities(&device.claims.identities)?;
    let claims = DeviceClaims {
        nbf: issuance.nbf,
        exp: issuer.end_of(&issuance),
        serial: issuance.serial,
        log_index: issuance.log_index,
        ..device.claims.clone()
    };
    certificate(Typ::Device, key, &claims)
}

pub(crate) fn certificate<T: Serialize>(typ: Typ, key: &SigningKey, claims: &T) -> Result<String, CertError> {
    let document = jws::sign(typ, key, claims)?;
    if document.len() > MAX_CERTIFICATE {
        return Err(JwsError::TooLong.into());
    }
    Ok(document)
}

/// Which key a certificate claims to be signed by. Nothing is verified.
pub fn claimed_issuer(document: &str) -> Option<KeyId> {
    jws::claimed_signer(document).ok()
}

/// The host id that a host's certificate claims. Nothing is verified: for naming things on the host itself.
pub fn claimed_host_id(document: &str) -> Option<Id> {
    jws::claimed::<HostClaims>(document).map(|claims| claims.host_id)
}

/// The device id that a device's certificate claims. Nothing is verified: for naming a device that was just certified.
pub fn claimed_device(document: &str) -> Option<Id> {
    jws::claimed::<DeviceClaims>(document).map(|claims| claims.device_id)
}

pub(crate) fn in_time(what: &'static str, now: UnixTime, nbf: UnixTime, exp: UnixTime) -> Result<(), CertError> {
    if now.within(nbf, exp) {
        return Ok(());
    }
    Err(CertError::Time {
        what,
        nbf: nbf.0,
        exp: exp.0,
        now: now.0,
    })
}

/// Whether `text` matches `pattern`, in which `*` is any run of characters. ASCII case does not count: host names and
/// realms are DNS-like.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_name_space_pattern_matches_whole_names() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "web01", true),
            ("web01", "WEB01", true),
            ("web01", "web012", false),
            ("web*", "web01.example.org", true),
            ("*.example.org", "web01.example.org", true),
            ("*.example.org", "web01.example.org.evil", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*ba", "aba", false),
            ("*ab*ba*", "aba", false),
            ("*ab*ba*", "abba", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
