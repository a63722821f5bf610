//! Compact JWS (RFC 7515) with ES256 and nothing else (RFC 8725): signed as sent, verified over the received bytes,
//! parsed only after that. Crate-private: outside, each document type has its own verifier.

use crate::encoding::{Bytes, Fixed};
use crate::keys::{KeyId, SigningKey, VerifyingKey};
use crate::signer::{SignError, Signer, Unsigned};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Most bytes of a compact JWS, save the registrar's replies, which carry other documents, and revocation lists.
pub const MAX_JWS: usize = 24 * 1024;
const MAX_PAYLOAD: usize = 16 * 1024;
/// A reply holds a user's device certificates; sealed, it stays below [`crate::seal::MAX_SEALED`].
const MAX_REPLY: usize = 60 * 1024;
const MAX_REPLY_PAYLOAD: usize = 44 * 1024;
/// Most signatures of one document that several roots sign: a full set of old roots and one of new.
const MAX_SIGNATURES: usize = 16;
/// Most bytes of such a document.
const MAX_JOINT: usize = 48 * 1024;
/// Between the compact forms of one; no character of base64url and none of a compact JWS.
const JOINT: char = '~';
/// A revocation list of 10,000 serials has 250 KB of JSON; twice that. It travels in parts.
const MAX_LIST_PAYLOAD: usize = 512 * 1024;
const MAX_LIST: usize = MAX_LIST_PAYLOAD / 3 * 4 + 1024;

const TOKEN_HEADER: &[u8] = br#"{"typ":"JWT","alg":"ES256"}"#;

/// The document types. A signature counts for the type in its header and for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typ {
    Root,
    Issuer,
    IssuerRequest,
    Host,
    HostRequest,
    HostAsk,
    Device,
    DeviceRequest,
    DeviceAsk,
    DeviceCall,
    RegistrarReply,
    RelayAuth,
    LinkAuth,
    Revocations,
    Request,
    Answer,
    CodeService,
    CodeServiceRequest,
    CodeAsk,
    CodeReply,
    Code,
    Checkpoint,
}

impl Typ {
    fn name(self) -> &'static str {
        match self {
            Self::Root => "assent-root+jws",
            Self::Issuer => "assent-issuer+jws",
            Self::IssuerRequest => "assent-issuer-req+jws",
            Self::Host => "assent-host+jws",
            Self::HostRequest => "assent-host-req+jws",
            Self::HostAsk => "assent-host-ask+jws",
            Self::Device => "assent-dev+jws",
            Self::DeviceRequest => "assent-dev-req+jws",
            Self::DeviceAsk => "assent-dev-ask+jws",
            Self::DeviceCall => "assent-dev-call+jws",
            Self::RegistrarReply => "assent-reg-reply+jws",
            Self::RelayAuth => "assent-relay-auth+jws",
            Self::LinkAuth => "assent-link-auth+jws",
            Self::Revocations => "assent-rev+jws",
            Self::Request => "assent-req+jws",
            Self::Answer => "assent-res+jws",
            Self::CodeService => "assent-cs+jws",
            Self::CodeServiceRequest => "assent-cs-req+jws",
            Self::CodeAsk => "assent-code-ask+jws",
            Self::CodeReply => "assent-code-reply+jws",
            Self::Code => "assent-code+jws",
            Self::Checkpoint => "assent-cp+jws",
        }
    }

    pub(crate) const fn max_compact(self) -> usize {
        match self {
            Self::RegistrarReply => MAX_REPLY,
            Self::Revocations => MAX_LIST,
            _ => MAX_JWS,
        }
    }

    const fn max_payload(self) -> usize {
        match self {
            Self::RegistrarReply => MAX_REPLY_PAYLOAD,
            Self::Revocations => MAX_LIST_PAYLOAD,
            _ => MAX_PAYLOAD,
        }
    }
}

/// Why a document is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JwsError {
    /// Longer than a document may be.
    #[error("the document is too long")]
    TooLong,
    /// Not three parts of canonical base64url.
    #[error("the document is no compact JWS")]
    Form,
    /// A header that is not exactly `{"alg":"ES256","typ":…,"kid":…}` with the expected type.
    #[error("the document's header is not the expected one")]
    Header,
    /// Signed by another key than the expected one.
    #[error("the document names another signer")]
    Signer,
    /// The signature does not verify.
    #[error("the document's signature is wrong")]
    Signature,
    /// Fewer signatures of the expected keys than it needs.
    #[error("the document has {found} of the {needed} signatures that it needs")]
    Threshold {
        /// How many there are.
        found: usize,
        /// How many there must be.
        needed: u8,
    },
    /// Signed, but its content is not of its type: {0}
    #[error("the document's content is malformed: {0}")]
    Content(String),
    /// Not signed: the key that was to sign it did not.
    #[error(transparent)]
    Unsigned(#[from] SignError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: KeyId,
}

/// Signs `payload` as a document of `typ`.
pub(crate) fn sign<T: Serialize>(typ: Typ, key: &dyn Signer, payload: &T) -> Result<String, JwsError> {
    let header = Header {
        alg: "ES256",
        typ: typ.name(),
        kid: key.public().id(),
    };
    let header = serde_json::to_vec(&header).map_err(content)?;
    let payload = serde_json::to_vec(payload).map_err(content)?;
    if payload.len() > typ.max_payload() {
        return Err(JwsError::TooLong);
    }
    let mut compact = format!("{}.{}", Bytes::encode(&header), Bytes::encode(&payload));
    let signature = key.sign(Unsigned::new(compact.as_bytes()))?;
    compact.push('.');
    compact.push_str(&Bytes::encode(signature.bytes()));
    Ok(compact)
}

/// Signs `claims` as a plain JSON Web Token, for readers that are none of ours.
pub(crate) fn sign_token<T: Serialize>(key: &SigningKey, claims: &T) -> Result<String, JwsError> {
    let claims = serde_json::to_vec(claims).map_err(content)?;
    let mut compact = format!("{}.{}", Bytes::encode(TOKEN_HEADER), Bytes::encode(&claims));
    let signature = key.sign(compact.as_bytes());
    compact.push('.');
    compact.push_str(&Bytes::encode(&signature));
    Ok(compact)
}

/// The content of `compact`, if it is a document of `typ` that `key` signed.
pub(crate) fn verify<T: DeserializeOwned>(compact: &str, typ: Typ, key: &VerifyingKey) -> Result<T, JwsError> {
    let parts = Parts::split(compact, typ.max_compact())?;
    let header = parts.header()?;
    let header = Header::read(&header)?;
    if header.alg != "ES256" || header.typ != typ.name() {
        return Err(JwsError::Header);
    }
    if header.kid != key.id() {
        return Err(JwsError::Signer);
    }
    let signature = Bytes::decode(parts.signature).ok_or(JwsError::Form)?;
    if !key.verifies(parts.signed.as_bytes(), &signature) {
        return Err(JwsError::Signature);
    }
    let payload = Bytes::decode(parts.payload).ok_or(JwsError::Form)?;
    if payload.len() > typ.max_payload() {
        return Err(JwsError::TooLong);
    }
    if !is_object(&payload) {
        return Err(JwsError::Content("it is no JSON object".into()));
    }
    serde_json::from_slice(&payload).map_err(content)
}

/// The content of a document that proves possession of the very key that stands in it (a certificate request).
pub(crate) fn verify_self_signed<T: DeserializeOwned>(
    compact: &str,
    typ: Typ,
    key_of: impl Fn(&T) -> &VerifyingKey,
) -> Result<T, JwsError> {
    let parts = Parts::split(compact, typ.max_compact())?;
    let payload = Bytes::decode(parts.payload).ok_or(JwsError::Form)?;
    let claimed: T = serde_json::from_slice(&payload).map_err(content)?;
    verify(compact, typ, key_of(&claimed))
}

/// Signs `payload` with each of `keys`: compact forms of the very same payload bytes, joined.
pub(crate) fn sign_joint<T: Serialize>(typ: Typ, keys: &[&SigningKey], payload: &T) -> Result<String, JwsError> {
    let (first, rest) = keys.split_first().ok_or(JwsError::Signer)?;
    let mut joint = sign(typ, *first, payload)?;
    for key in rest {
        joint = cosign(&joint, typ, key)?;
    }
    Ok(joint)
}

/// Adds a signature over the payload bytes that are there.
pub(crate) fn cosign(joint: &str, typ: Typ, key: &SigningKey) -> Result<String, JwsError> {
    let parts = joint_parts(joint)?;
    let signer = key.public().id();
    if claimed_signers(joint)?.contains(&signer) {
        return Err(JwsError::Signer);
    }
    let payload = parts.first().ok_or(JwsError::Form)?.payload;
    let header = Header {
        alg: "ES256",
        typ: typ.name(),
        kid: signer,
    };
    let header = serde_json::to_vec(&header).map_err(content)?;
    let signed = format!("{}.{payload}", Bytes::encode(&header));
    let signature = Bytes::encode(&key.sign(signed.as_bytes()));
    let joint = format!("{joint}{JOINT}{signed}.{signature}");
    joint_parts(&joint)?;
    Ok(joint)
}

/// The content of a document that at least `threshold` of `keys` have signed. A signature of another key counts for
/// nothing and does no harm (who pinned older or newer roots looks for theirs); one in the name of a key that is asked
/// for must hold.
pub(crate) fn verify_joint<T: DeserializeOwned>(
    joint: &str,
    typ: Typ,
    keys: &[VerifyingKey],
    threshold: u8,
) -> Result<T, JwsError> {
    let (mut found, mut value) = (0, None);
    let signers = claimed_signers(joint)?;
    for (compact, signer) in joint.split(JOINT).zip(signers) {
        if let Some(key) = keys.iter().find(|key| key.id() == signer) {
            value = Some(verify(compact, typ, key)?);
            found += 1;
        }
    }
    match value {
        None => Err(JwsError::Signer),
        Some(value) if threshold > 0 && found >= usize::from(threshold) => Ok(value),
        Some(_) => Err(JwsError::Threshold {
            found,
            needed: threshold,
        }),
    }
}

/// The parts of a joint document: all over the same payload bytes.
fn joint_parts(joint: &str) -> Result<Vec<Parts<'_>>, JwsError> {
    if joint.len() > MAX_JOINT || joint.matches(JOINT).count() >= MAX_SIGNATURES {
        return Err(JwsError::TooLong);
    }
    let parts: Vec<Parts<'_>> = joint
        .split(JOINT)
        .map(|compact| Parts::split(compact, MAX_JWS))
        .collect::<Result<_, _>>()?;
    match parts.split_first() {
        Some((first, rest)) if rest.iter().all(|part| part.payload == first.payload) => Ok(parts),
        _ => Err(JwsError::Form),
    }
}

/// Which keys a joint document claims to be signed by, each once. Nothing is verified.
pub(crate) fn claimed_signers(joint: &str) -> Result<Vec<KeyId>, JwsError> {
    let mut signers = Vec::new();
    for part in joint_parts(joint)? {
        let signer = Header::read(&part.header()?)?.kid;
        if signers.contains(&signer) {
            return Err(JwsError::Form);
        }
        signers.push(signer);
    }
    Ok(signers)
}

/// What a joint document claims. Nothing is verified.
pub(crate) fn claimed_joint<T: DeserializeOwned>(joint: &str) -> Option<T> {
    serde_json::from_slice(&payload_of_joint(joint)?).ok()
}

/// The payload's bytes. Nothing is verified.
pub(crate) fn payload_of_joint(joint: &str) -> Option<Vec<u8>> {
    Bytes::decode(joint_parts(joint).ok()?.first()?.payload)
}

/// The type that a joint document claims. Nothing is verified.
pub(crate) fn claimed_typ(joint: &str) -> Result<Typ, JwsError> {
    let parts = joint_parts(joint)?;
    let header = parts.first().ok_or(JwsError::Form)?.header()?;
    let claimed = Header::read(&header)?;
    [Typ::Root, Typ::Issuer]
        .into_iter()
        .find(|typ| typ.name() == claimed.typ)
        .ok_or(JwsError::Header)
}

/// Which key a document claims to be signed by. Nothing is verified: for choosing the key to verify with.
pub(crate) fn claimed_signer(compact: &str) -> Result<KeyId, JwsError> {
    let header = Parts::split(compact, MAX_JWS)?.header()?;
    Ok(Header::read(&header)?.kid)
}

impl<'a> Header<'a> {
    fn read(json: &'a [u8]) -> Result<Self, JwsError> {
        if !is_object(json) {
            return Err(JwsError::Header);
        }
        serde_json::from_slice(json).map_err(|_| JwsError::Header)
    }
}

/// serde would also read a struct from an array of its values, a second spelling that no other reader knows.
fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

/// What a document claims. Nothing is verified.
pub(crate) fn claimed<T: DeserializeOwned>(compact: &str) -> Option<T> {
    let payload = Bytes::decode(Parts::split(compact, MAX_JWS).ok()?.payload)?;
    serde_json::from_slice(&payload).ok()
}

struct Parts<'a> {
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(compact: &'a str, max: usize) -> Result<Self, JwsError> {
        if compact.len() > max {
            return Err(JwsError::TooLong);
        }
        let (signed, signature) = compact.rsplit_once('.').ok_or(JwsError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Form)?;
        if payload.contains('.') {
            return Err(JwsError::Form);
        }
        Ok(Self {
            signed,
            header,
            payload,
            signature,
        })
    }

    fn header(&self) -> Result<Vec<u8>, JwsError> {
        Bytes::decode(self.header).ok_or(JwsError::Form)
    }
}

#[allow(clippy::needless_pass_by_value)] // the signature that map_err wants
fn content(error: serde_json::Error) -> JwsError {
    JwsError::Content(error.to_string())
}

/// A marker for payloads' `v`: exactly 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct V1;

impl Serialize for V1 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format!("version {other} is not known here"))),
        }
    }
}

/// The bytes that a document's digest is taken over: the compact form as received.
pub(crate) fn digest(compact: &str) -> Fixed<32> {
    crate::encoding::sha256(&[compact.as_bytes()])
}
