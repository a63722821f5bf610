//! Roots and how they change, as TUF does it: a set of root keys has a version and a threshold, and the next version is a
//! document that a threshold of the old keys and a threshold of the new ones have signed. Whoever pinned one version
//! follows to the next ones and to nothing else: the network can neither plant a root nor bring an old one back (R23, R24).

use crate::cert::{IssuerRequest, sign_issuer};
use crate::encoding::{Fixed, sha256};
use crate::enrol::short_fingerprint;
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KeyId, SigningKey, VerifyingKey};
use crate::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Most keys of one set.
pub const MAX_ROOTS: usize = 8;
/// Most steps that are followed from one anchor.
pub const MAX_STEPS: usize = 64;

/// Why a set of roots is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RootError {
    /// The document, or too few of the signatures that it needs.
    #[error(transparent)]
    Document(#[from] JwsError),
    /// Not the next version.
    #[error("it is version {offered} of the roots, and only version {wanted} would follow")]
    Version {
        /// What was offered.
        offered: u64,
        /// What would follow.
        wanted: u64,
    },
    /// A threshold that its keys cannot reach, or the same key twice.
    #[error("a set has 1 to {MAX_ROOTS} different roots and a threshold that they can reach")]
    Set,
    /// More steps than are followed.
    #[error("there are more than {MAX_STEPS} steps from the pinned root; pin a newer one")]
    TooMany,
}

/// A set of roots as a document says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootClaims {
    v: V1,
    /// Counts up by one.
    pub version: u64,
    /// The root keys.
    pub roots: Vec<VerifyingKey>,
    /// How many of them must sign.
    pub threshold: u8,
    /// When it was made.
    pub iat: UnixTime,
}

impl RootClaims {
    /// The set that follows on version `before`.
    pub fn after(before: u64, roots: Vec<VerifyingKey>, threshold: u8, iat: UnixTime) -> Result<Self, RootError> {
        let claims = Self {
            v: V1,
            version: before.saturating_add(1),
            roots,
            threshold,
            iat,
        };
        claims.well_made()?;
        Ok(claims)
    }

    fn well_made(&self) -> Result<(), RootError> {
        let keys = self.roots.len();
        let twice = (1..keys).any(|at| self.roots[..at].contains(&self.roots[at]));
        if keys == 0 || keys > MAX_ROOTS || twice || self.threshold == 0 || usize::from(self.threshold) > keys {
            return Err(RootError::Set);
        }
        Ok(())
    }

    /// Signs it with each of `keys`.
    pub fn sign(&self, keys: &[&SigningKey]) -> Result<String, JwsError> {
        jws::sign_joint(Typ::Root, keys, self)
    }
}

/// Root keys, how many of them must agree, and which version of them that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSet {
    version: u64,
    keys: Vec<VerifyingKey>,
    threshold: u8,
    fingerprint: Fixed<16>,
}

impl RootSet {
    /// A single key, as a `*.pub` file pins it: version 1, threshold 1.
    pub fn of_key(key: VerifyingKey) -> Self {
        Self {
            version: 1,
            fingerprint: short_fingerprint(&key),
            keys: vec![key],
            threshold: 1,
        }
    }

    /// A set that somebody pins as it is, who knows its fingerprint or has carried it by hand. A threshold of its own keys
    /// must have signed it.
    pub fn of_document(document: &str) -> Result<Self, RootError> {
        let claims: RootClaims = jws::claimed_joint(document).ok_or(JwsError::Form)?;
        claims.well_made()?;
        Self::read(document, &claims.roots, claims.threshold)
    }

    /// The next version, if a threshold of these keys and a threshold of its own have signed it.
    pub fn step(&self, document: &str) -> Result<Self, RootError> {
        let claims: RootClaims = jws::verify_joint(document, Typ::Root, &self.keys, self.threshold)?;
        let wanted = self.version.saturating_add(1);
        if claims.version != wanted {
            return Err(RootError::Version {
                offered: claims.version,
                wanted,
            });
        }
        claims.well_made()?;
        Self::read(document, &claims.roots, claims.threshold)
    }

    fn read(document: &str, keys: &[VerifyingKey], threshold: u8) -> Result<Self, RootError> {
        let claims: RootClaims = jws::verify_joint(document, Typ::Root, keys, threshold)?;
        Ok(Self {
            version: claims.version,
            fingerprint: fingerprint(document).ok_or(JwsError::Form)?,
            keys: claims.roots,
            threshold: claims.threshold,
        })
    }

    /// Which version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The keys.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// How many of them must sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// What tokens and people name it by: of a single pinned key the key's, of a later set its document's.
    pub fn fingerprint(&self) -> Fixed<16> {
        self.fingerprint
    }

    /// The content of a document that enough of these keys have signed.
    pub(crate) fn verify<T: serde::de::DeserializeOwned>(&self, document: &str, typ: Typ) -> Result<T, JwsError> {
        jws::verify_joint(document, typ, &self.keys, self.threshold)
    }
}

/// The first 128 bits of the digest of a root document's payload, whoever has signed it.
fn fingerprint(document: &str) -> Option<Fixed<16>> {
    let payload = jws::payload_of_joint(document)?;
    let Fixed(full) = sha256(&[b"assent/1 roots", &payload]);
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    Some(Fixed(short))
}

/// A pinned set and every step from it that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    anchor: RootSet,
    steps: Vec<String>,
    /// The anchor, and what each step led to.
    sets: Vec<RootSet>,
}

/// What came of steps that somebody offered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many were taken.
    pub steps: usize,
    /// Why one that claims to be next was not.
    pub refused: Option<RootError>,
}

impl Lineage {
    /// Begins at what is pinned.
    pub fn new(anchor: RootSet) -> Self {
        Self {
            sets: vec![anchor.clone()],
            anchor,
            steps: Vec::new(),
        }
    }

    /// Walks kept steps again, each of which must hold.
    pub fn replay(anchor: RootSet, steps: &[String]) -> Result<Self, RootError> {
        let mut lineage = Self::new(anchor);
        for step in steps {
            lineage.take(step)?;
        }
        Ok(lineage)
    }

    /// Takes one step.
    pub fn take(&mut self, step: &str) -> Result<(), RootError> {
        if self.steps.len() >= MAX_STEPS {
            return Err(RootError::TooMany);
        }
        self.sets.push(self.current().step(step)?);
        self.steps.push(step.to_owned());
        Ok(())
    }

    /// Takes whatever of `offered` follows, one version at a time. What is older is passed over: versions never go back.
    pub fn follow(&mut self, offered: &[String]) -> Followed {
        let mut followed = Followed::default();
        for step in offered.iter().take(2 * MAX_STEPS) {
            let next = self.current().version.saturating_add(1);
            if jws::claimed_joint::<RootClaims>(step).is_some_and(|claims| claims.version != next) {
                continue;
            }
            match self.take(step) {
                Ok(()) => followed.steps += 1,
                Err(why) => followed.refused = Some(why),
            }
        }
        followed
    }

    /// What is pinned.
    pub fn anchor(&self) -> Fixed<16> {
        self.anchor.fingerprint
    }

    /// The steps from it.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The roots that count now.
    pub fn current(&self) -> &RootSet {
        self.sets.last().unwrap_or(&self.anchor)
    }

    /// Every set on the way, the pinned one first.
    pub fn sets(&self) -> &[RootSet] {
        &self.sets
    }
}

/// What a root is asked to sign beside others.
#[derive(Debug)]
pub enum Unsigned {
    /// A set of roots.
    Roots(RootClaims),
    /// An issuing key.
    Issuer(Box<crate::cert::IssuerClaims>),
}

/// What a document asks a further root to sign, and which roots have signed it so far, by their own claim.
pub fn to_cosign(document: &str) -> Result<(Unsigned, Vec<KeyId>), JwsError> {
    let signers = jws::claimed_signers(document)?;
    let content = match jws::claimed_typ(document)? {
        Typ::Root => jws::claimed_joint(document).map(Unsigned::Roots),
        Typ::Issuer => jws::claimed_joint(document).map(|claims| Unsigned::Issuer(Box::new(claims))),
        _ => None,
    };
    Ok((content.ok_or(JwsError::Header)?, signers))
}

/// Adds a root's signature to a document over the very same content.
pub fn cosign(document: &str, root: &SigningKey) -> Result<String, JwsError> {
    let (content, _) = to_cosign(document)?;
    let typ = match content {
        Unsigned::Roots(_) => Typ::Root,
        Unsigned::Issuer(_) => Typ::Issuer,
    };
    jws::cosign(document, typ, root)
}

/// Signs an issuing key with several roots at once.
pub fn sign_issuer_jointly(
    roots: &[&SigningKey],
    request: &IssuerRequest,
    grant: crate::cert::IssuerGrant,
) -> Result<String, JwsError> {
    let (first, rest) = roots.split_first().ok_or(JwsError::Signer)?;
    let mut document = sign_issuer(first, request, grant)?;
    for root in rest {
        document = jws::cosign(&document, Typ::Issuer, root)?;
    }
    Ok(document)
}
