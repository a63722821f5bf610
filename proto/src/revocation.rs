//! The revocation list (PROTOCOL 2.7): which certificates count no more and whose pushes are frozen, signed by the
//! issuing key. [`Revocations`] exists only verified.
//!
//! A freeze names nobody: salted digests, which only who knows the identity (and the address) already can match. Identities
//! and addresses can be guessed from a list of candidates, so the list travels sealed all the same.

use crate::cert::{CertError, DAY, Device, Host, Identity, Trust};
use crate::encoding::{Digest, Id, sha256};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::SigningKey;
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Seconds after which there is a newer list, whether or not anything changed.
pub const LIST_LIFE: u64 = DAY;
/// Seconds for which a report freezes the reported source.
pub const FREEZE_SOURCE: u64 = DAY;
/// Seconds for which a report freezes every source.
pub const FREEZE_ALL: u64 = 600;
/// Highest number of a list: JavaScript counts no further.
pub const MAX_SEQ: u64 = (1 << 53) - 1;
/// Bytes of a list that one reply carries.
pub const PART: usize = 32 * 1024;
/// Most parts of a list: the longest document's.
pub const MAX_PARTS: usize = Typ::Revocations.max_compact().div_ceil(PART);

/// Where a login comes from, as far as a freeze tells sources apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// Over a network, from this address.
    Network(IpAddr),
    /// On this host itself.
    Host(Id),
}

impl Origin {
    /// A kind and the bytes that tell two sources of it apart. Of an IPv6 address the first 64 bits: whoever has one has
    /// them all.
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Network(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => [&[4], ip.octets().as_slice()].concat(),
                IpAddr::V6(ip) => [&[6], &ip.octets()[..8]].concat(),
            },
            Self::Host(id) => [&[0], id.0.as_slice()].concat(),
        }
    }
}

impl Origin {
    /// Whether a freeze of one holds for the other.
    pub fn same_source(self, other: Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network(ip) => ip.to_canonical().fmt(f),
            Self::Host(id) => write!(f, "host {id}"),
        }
    }
}

/// Whose pushes are frozen, without saying who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Random, so that two freezes of one person do not look alike.
    salt: Id,
    /// SHA-256 over the salt and the identity.
    who: Digest,
    /// SHA-256 over the salt, the identity and the source; absent: from every source.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at: Option<Digest>,
    /// Until when.
    until: UnixTime,
}

impl Freeze {
    /// Freezes `identity` from `origin`, or from everywhere.
    pub fn new(salt: Id, identity: &Identity, origin: Option<Origin>, until: UnixTime) -> Self {
        Self {
            salt,
            who: digest(b"assent/1 freeze who", salt, identity, &[]),
            at: origin.map(|origin| digest_at(salt, identity, origin)),
            until,
        }
    }

    fn holds(&self, identity: &Identity, origin: Origin, now: UnixTime) -> bool {
        now < self.until
            && digest(b"assent/1 freeze who", self.salt, identity, &[]) == self.who
            && self.at.is_none_or(|at| digest_at(self.salt, identity, origin) == at)
    }
}

fn digest_at(salt: Id, identity: &Identity, origin: Origin) -> Digest {
    digest(b"assent/1 freeze at", salt, identity, &origin.bytes())
}

/// Each part of varying length has its length before it, so that no two triples have the same bytes.
fn digest(tag: &[u8], salt: Id, identity: &Identity, origin: &[u8]) -> Digest {
    let (realm, id) = (identity.realm.as_str().as_bytes(), identity.id.as_str().as_bytes());
    let length = |bytes: &[u8]| (bytes.len() as u64).to_be_bytes();
    sha256(&[tag, &salt.0, &length(realm), realm, &length(id), id, origin])
}

/// A list, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationClaims {
    v: V1,
    /// Grows with each list.
    pub seq: u64,
    /// When it was made.
    pub iat: UnixTime,
    /// When there is a newer one at the latest.
    pub next: UnixTime,
    /// Serials of certificates that are revoked and have not ended; ascending.
    pub serials: Vec<Id>,
    /// Hosts that are revoked; ascending.
    pub hosts: Vec<Id>,
    /// Freezes that have not ended.
    pub freezes: Vec<Freeze>,
}

impl RevocationClaims {
    /// A list made at `iat`.
    pub fn new(seq: u64, iat: UnixTime, mut serials: Vec<Id>, mut hosts: Vec<Id>, freezes: Vec<Freeze>) -> Self {
        for ids in [&mut serials, &mut hosts] {
            ids.sort_unstable();
            ids.dedup();
        }
        Self {
            v: V1,
            seq,
            iat,
            next: iat.plus(LIST_LIFE),
            serials,
            hosts,
            freezes,
        }
    }

    /// Signs it with the issuing key.
    pub fn sign(&self, key: &SigningKey) -> Result<String, JwsError> {
        jws::sign(Typ::Revocations, key, self)
    }
}

/// A verified list.
#[derive(Debug, Clone)]
pub struct Revocations {
    claims: RevocationClaims,
    document: String,
    issuer: String,
}

impl Revocations {
    /// Checks a list and the certificate of the issuing key that signed it, up to a pinned root. The certificate must have
    /// held when the list was made: a list that is kept outlasts the key that signed it. How old a list may be is for who
    /// uses it ([`Self::age`]).
    pub fn verify(trust: &Trust, issuer_document: &str, document: &str) -> Result<Self, CertError> {
        let issuer = trust.certified(issuer_document)?;
        let claims: RevocationClaims = jws::verify(document, Typ::Revocations, &issuer.claims().sign)?;
        issuer.lives(claims.iat)?;
        // Looked up by halves; and one list has one spelling.
        if !ascending(&claims.serials) || !ascending(&claims.hosts) || claims.next < claims.iat || claims.seq > MAX_SEQ
        {
            return Err(JwsError::Content("its number or entries are not in order".into()).into());
        }
        Ok(Self {
            claims,
            document: document.to_owned(),
            issuer: issuer_document.to_owned(),
        })
    }

    /// Its number.
    pub fn seq(&self) -> u64 {
        self.claims.seq
    }

    /// What it says.
    pub fn claims(&self) -> &RevocationClaims {
        &self.claims
    }

    /// The list as signed.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The certificate of the issuing key that signed it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// SHA-256 of the list as signed.
    pub fn digest(&self) -> Digest {
        jws::digest(&self.document)
    }

    /// Seconds since it was made; 0 where the clock says that it is still to be made.
    pub fn age(&self, now: UnixTime) -> u64 {
        now.0.saturating_sub(self.claims.iat.0)
    }

    /// Whether a device's certificate is revoked.
    pub fn revokes_device(&self, device: &Device) -> bool {
        self.lists(device.claims().serial)
    }

    /// Whether a host, or this certificate of it, is revoked.
    pub fn revokes_host(&self, host: &Host) -> bool {
        let claims = host.claims();
        self.claims.hosts.binary_search(&claims.host_id).is_ok() || self.lists(claims.serial)
    }

    /// Whether a certificate of this serial is revoked.
    pub fn lists(&self, serial: Id) -> bool {
        self.claims.serials.binary_search(&serial).is_ok()
    }

    /// Whether pushes to `identity` for logins from `origin` are frozen.
    pub fn frozen(&self, identity: &Identity, origin: Origin, now: UnixTime) -> bool {
        self.claims
            .freezes
            .iter()
            .any(|freeze| freeze.holds(identity, origin, now))
    }
}

fn ascending(ids: &[Id]) -> bool {
    ids.windows(2).all(|pair| pair[0] < pair[1])
}

/// The list that a caller holds, so that it is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its number.
    pub seq: u64,
    /// SHA-256 of it as signed.
    pub digest: Digest,
}

/// Which part of the newest list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantList {
    /// What the caller holds; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held: Option<Held>,
    /// The part, counted from 0.
    pub part: u32,
}

/// A part of the newest list: a reply holds no long list whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPart {
    /// Which list.
    pub list: Held,
    /// Parts that it has; 0: it is the one that the caller holds.
    pub parts: u32,
    /// The certificate of the issuing key that signed it.
    pub issuer: String,
    /// The part.
    pub text: String,
}

impl ListPart {
    /// What `want` asks of the newest list.
    pub fn of(list: &Revocations, want: WantList) -> Self {
        let held = Held {
            seq: list.seq(),
            digest: list.digest(),
        };
        let unchanged = want.held == Some(held);
        let parts: Vec<&str> = if unchanged { Vec::new() } else { split(list.document()) };
        Self {
            list: held,
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            issuer: list.issuer().to_owned(),
            text: parts.get(want.part as usize).copied().unwrap_or_default().to_owned(),
        }
    }
}

/// A compact JWS is ASCII: every place is a place to cut at.
fn split(document: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = document;
    while !rest.is_empty() {
        let (part, tail) = rest.split_at_checked(PART).unwrap_or((rest, ""));
        parts.push(part);
        rest = tail;
    }
    parts
}

/// Puts a list together from its parts.
#[derive(Debug)]
pub struct Assembly {
    held: Option<Held>,
    first: Option<ListPart>,
    text: String,
    next: u32,
}

/// Where an assembly stands.
#[derive(Debug)]
pub enum Step {
    /// Ask for this.
    Ask(WantList),
    /// There is nothing newer.
    Unchanged,
    /// A whole list: its issuer's certificate and its text. Verify it.
    Whole {
        /// The issuing key's certificate.
        issuer: String,
        /// The list.
        document: String,
    },
}

impl Assembly {
    /// Begins, and what to ask for first.
    pub fn new(held: Option<&Revocations>) -> (Self, WantList) {
        let held = held.map(|list| Held {
            seq: list.seq(),
            digest: list.digest(),
        });
        let assembly = Self {
            held,
            first: None,
            text: String::new(),
            next: 0,
        };
        (assembly, WantList { held, part: 0 })
    }

    /// Takes the next part. One of another list begins anew: the registrar has made a newer one in between.
    pub fn take(&mut self, part: ListPart) -> Result<Step, JwsError> {
        if part.parts == 0 {
            return match self.held == Some(part.list) {
                true => Ok(Step::Unchanged),
                false => Err(JwsError::Content("an unchanged list is another one".into())),
            };
        }
        if part.parts as usize > MAX_PARTS || part.text.len() > PART || part.text.is_empty() {
            return Err(JwsError::TooLong);
        }
        let same = self
            .first
            .as_ref()
            .is_none_or(|first| (first.list, first.parts) == (part.list, part.parts));
        if !same {
            let newer = self.first.as_ref().is_some_and(|first| part.list.seq > first.list.seq);
            *self = Self {
                held: self.held,
                first: None,
                text: String::new(),
                next: 0,
            };
            return match newer {
                true => Ok(Step::Ask(WantList {
                    held: self.held,
                    part: 0,
                })),
                false => Err(JwsError::Content("its parts are of different lists".into())),
            };
        }
        self.text.push_str(&part.text);
        self.next += 1;
        let (last, digest, issuer) = (self.next >= part.parts, part.list.digest, part.issuer.clone());
        if !last {
            self.first.get_or_insert(part);
            return Ok(Step::Ask(WantList {
                held: self.held,
                part: self.next,
            }));
        }
        let document = std::mem::take(&mut self.text);
        if jws::digest(&document) != digest {
            return Err(JwsError::Content("its parts make another list".into()));
        }
        Ok(Step::Whole { issuer, document })
    }
}
