//! Codes beside push: what a host asks the code service, and what its signed word is worth (PROTOCOL 2.1, key C).
//!
//! One login: the host signs a [`CodeStart`] in a [`CodeAsk`], seals it to the code service and hears which methods are
//! ready; [`CodeWant::Send`] makes a code travel by SMS or mail; [`CodeWant::Check`] carries what was typed. The word that
//! comes back is signed for that one start, and [`PendingCode::judge`] is the only code that builds [`CodePassed`]: a relay
//! can forge none, and nobody can make an approval of it.

use crate::cert::{Host, Identity};
use crate::code_service::CodeService;
use crate::encoding::{Digest, Id, Nonce, ShortText};
use crate::exchange::Kind;
pub use crate::exchange::{CallError, Sealed};
use crate::jws::{self, JwsError, Typ, V1};
use crate::keys::{KemPublic, KemSecret, KeyPair, SigningKey};
use crate::seal::Purpose;
use crate::time::{BootTime, UnixTime};
use serde::{Deserialize, Deserializer, Serialize};
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest life of a code in seconds (NIST SP 800-63B section 3.1.3: 10 minutes).
pub const MAX_CODE_TTL: u32 = 600;
/// Codes that one login may try.
pub const CODE_TRIES: u8 = 3;
/// Most bytes of a typed code.
pub const MAX_TYPED: usize = 64;

/// How a code comes to its user, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeMethod {
    /// By mail.
    Mail,
    /// By SMS.
    Sms,
    /// From an authenticator app (RFC 6238).
    Totp,
    /// From the list that the user keeps.
    Recovery,
}

impl CodeMethod {
    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Sms => "sms",
            Self::Totp => "totp",
            Self::Recovery => "recovery",
        }
    }

    /// Whether a code must travel first.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::Mail | Self::Sms)
    }
}

/// What somebody typed as a code. Wiped when dropped; its `Debug` shows nothing.
#[derive(Clone)]
pub struct TypedCode(Zeroizing<String>);

impl TypedCode {
    /// `None` for what no code can be: nothing, longer than [`MAX_TYPED`] bytes, or no printable ASCII. Blanks and
    /// hyphens, which people put between groups, are dropped.
    pub fn new(typed: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| !matches!(byte, b' ' | b'-');
        if typed.len() > MAX_TYPED || !typed.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return None;
        }
        let mut code = Zeroizing::new(String::with_capacity(typed.len()));
        code.extend(typed.iter().filter(|byte| plain(byte)).map(|byte| char::from(*byte)));
        (!code.is_empty()).then_some(Self(code))
    }

    /// The code, without blanks and hyphens.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypedCode(…)")
    }
}

impl Serialize for TypedCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TypedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        match Self::new(text.as_bytes()) {
            Some(code) if *code.0 == *text => Ok(code),
            _ => Err(serde::de::Error::custom("this cannot be a code")),
        }
    }
}

/// A login that a code may let pass, by its host's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeStart {
    /// Names it.
    pub id: Id,
    /// Makes it unlike any other.
    pub n: Nonce,
    /// The 6-character login id, the same on terminal, message and log.
    pub login: ShortText,
    /// Whose code is asked.
    pub identity: Identity,
    /// The user name at the application, for messages.
    pub user: ShortText,
    /// The PAM service.
    pub svc: ShortText,
    /// The application's name in the host's configuration.
    pub app: ShortText,
    /// The client's address, if the login comes over a network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub src: Option<IpAddr>,
    /// Which methods would do. A code of any of them is taken.
    pub methods: Vec<CodeMethod>,
    /// The mobile number that the host's directory has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<ShortText>,
    /// The mail address that the host's directory has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mail: Option<ShortText>,
    /// Seconds of life, at most [`MAX_CODE_TTL`].
    pub ttl: u32,
    /// SHA-256 of the PAM transaction that a code is for.
    pub ctx: Digest,
    /// The language the person reads, as BCP 47.
    pub lang: ShortText,
}

/// A host's call, signed by its key. Used once: the code service remembers `n`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeAsk {
    v: V1,
    /// Who asks.
    pub host_id: Id,
    /// Used once.
    pub n: Id,
    /// When, by the host's clock.
    pub iat: UnixTime,
    /// What it wants.
    pub what: CodeWant,
}

/// What a host may ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CodeWant {
    /// Which methods are ready for this login. Nothing is sent yet.
    Start(Box<CodeStart>),
    /// Make a code and send it.
    Send {
        /// The start's.
        id: Id,
        /// By SMS or mail.
        method: CodeMethod,
    },
    /// Judge what was typed.
    Check {
        /// The start's.
        id: Id,
        /// As typed.
        code: TypedCode,
    },
    /// The login is over; no code of it counts any more.
    End {
        /// The start's.
        id: Id,
    },
    /// The host vouches for a user who wants to set up an authenticator app. Only for who has none; who has a device
    /// approves it there, and until then the host asks again.
    OpenTotp {
        /// Who it is for: every identity that was proven.
        identities: Vec<Identity>,
        /// The user's name, for the app's list.
        user: ShortText,
        /// The secret of an app that the user has already, in base32; `None`: a new one is made.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        secret: Option<TypedSecret>,
        /// The approval that was waited for ([`CodeReply::TotpAsked`]).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        asked: Option<Id>,
    },
    /// The first code of the app that [`CodeReply::TotpOpen`] set up.
    ConfirmTotp {
        /// Which set-up.
        id: Id,
        /// As typed.
        code: TypedCode,
    },
}

impl CodeAsk {
    /// Signs a call of `host`.
    pub fn sign(key: &SigningKey, host: &Host, n: Id, iat: UnixTime, what: CodeWant) -> Result<String, JwsError> {
        let ask = Self {
            v: V1,
            host_id: host.claims().host_id,
            n,
            iat,
            what,
        };
        jws::sign(Typ::CodeAsk, key, &ask)
    }

    /// The call, if `host` signed it in its own name.
    pub fn verify(signed: &str, host: &Host) -> Result<Self, JwsError> {
        let ask: Self = jws::verify(signed, Typ::CodeAsk, &host.claims().sign)?;
        if ask.host_id != host.claims().host_id {
            return Err(JwsError::Signer);
        }
        Ok(ask)
    }
}

/// What is sealed to the code service: the signed call with the certificate of its host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    v: V1,
    /// The reply is sealed to it.
    reply_to: KemPublic,
    /// The host's certificate.
    host: String,
    /// The signed [`CodeAsk`].
    ask: String,
}

/// The replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CodeReply {
    /// The login is known; for each method that was named, in the same order, how it stands.
    Started {
        /// One for each.
        methods: Vec<Offer>,
    },
    /// The code is on its way.
    Sent {},
    /// A code was judged.
    Checked {
        /// The signed [`CodeWord`].
        word: String,
        /// Tries left.
        left: u8,
    },
    /// The login is forgotten.
    Ended {},
    /// The user's devices are asked first.
    TotpAsked {
        /// Names the approval.
        id: Id,
        /// Seconds that a device has.
        ttl: u32,
    },
    /// An authenticator app can be set up.
    TotpOpen {
        /// Names the set-up.
        id: Id,
        /// The secret, as an `otpauth://` address for a QR code.
        uri: TypedSecret,
        /// Seconds that it waits for its first code.
        ttl: u32,
    },
    /// The app is set up.
    TotpReady {},
    /// The call was understood and refused.
    Refused {
        /// Why.
        code: CodeRefused,
        /// For people.
        text: ShortText,
    },
}

/// Text that is a secret. Wiped when dropped; its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedSecret(pub Zeroizing<String>);

impl std::fmt::Debug for TypedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypedSecret(…)")
    }
}

impl Serialize for TypedSecret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TypedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// How one method stands for a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Which.
    pub method: CodeMethod,
    /// Why it cannot be used; `None`: it is ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused: Option<CodeRefused>,
    /// Where a code would go, as much of it as its owner needs to know it again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<ShortText>,
}

/// Why the code service refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeRefused {
    /// The caller is not certified, or not any more.
    Caller,
    /// The caller's clock is too far from the code service's.
    Clock,
    /// The same call came before.
    Replay,
    /// The code service has not this method.
    NoMethod,
    /// The user has no authenticator app, no recovery codes, no address to send a code to.
    NotEnrolled,
    /// The user has an authenticator app or a device already: the panel changes it.
    Enrolled,
    /// The number or address is none that a code may be sent to.
    Address,
    /// Too many codes were sent; a later one may be.
    Limit,
    /// Too many wrong codes; no code of this user counts for a while.
    Locked,
    /// No gateway or server took the message.
    Undeliverable,
    /// The login is not known, or over.
    Over,
    /// The call is malformed.
    Malformed,
    /// The code service failed.
    Internal,
}

impl CodeRefused {
    /// For people and logs.
    pub fn words(self) -> &'static str {
        match self {
            Self::Caller => "the code service does not know this host",
            Self::Clock => "this host's clock is too far from the code service's",
            Self::Replay => "the call came twice",
            Self::NoMethod => "the code service has not this method",
            Self::NotEnrolled => "nothing is set up for this user",
            Self::Enrolled => "something is set up for this user already",
            Self::Address => "a code may not be sent to the user's number or address",
            Self::Limit => "too many codes were sent",
            Self::Locked => "too many wrong codes",
            Self::Undeliverable => "no gateway took the message",
            Self::Over => "the login is over",
            Self::Malformed => "the call is malformed",
            Self::Internal => "the code service failed",
        }
    }
}

const KIND: Kind = Kind {
    call: Purpose::CodeCall,
    reply: Purpose::CodeReply,
    typ: Typ::CodeReply,
};

/// A call in flight, as its caller remembers it.
pub struct OpenCall {
    digest: Digest,
    service: CodeService,
}

/// Seals a signed [`CodeAsk`] of `host` to `service`; the reply will be sealed to the host.
pub fn call(service: &CodeService, host: &Host, ask: String) -> Result<(Sealed, OpenCall), CallError> {
    let call = Call {
        v: V1,
        reply_to: host.claims().kem.clone(),
        host: host.document().to_owned(),
        ask,
    };
    let claims = service.claims();
    let (sealed, digest) = KIND.seal(claims.sign.id(), &claims.kem, &call)?;
    let service = service.clone();
    Ok((sealed, OpenCall { digest, service }))
}

impl OpenCall {
    /// The code service's reply to this call, if it is one.
    pub fn reply(self, key: &KemSecret, sealed: &Sealed) -> Result<CodeReply, CallError> {
        KIND.read(key, &self.service.claims().sign, self.digest, sealed)
    }
}

/// A call as the code service opened it. Whether the host is one is yet to be verified.
pub struct ReceivedCall {
    /// The host's certificate, as it says.
    pub host: String,
    /// The signed [`CodeAsk`].
    pub ask: String,
    reply_to: KemPublic,
    digest: Digest,
}

/// Opens a call with the code service's keys.
pub fn receive(keys: &KeyPair, sealed: &Sealed) -> Result<ReceivedCall, CallError> {
    let (call, digest): (Call, Digest) = KIND.open(keys, sealed)?;
    Ok(ReceivedCall {
        host: call.host,
        ask: call.ask,
        reply_to: call.reply_to,
        digest,
    })
}

impl ReceivedCall {
    /// Signs and seals the reply.
    pub fn reply(&self, keys: &KeyPair, reply: CodeReply, now: UnixTime) -> Result<Sealed, CallError> {
        KIND.reply(keys, &self.reply_to, self.digest, reply, now)
    }
}

/// The code service's word on one typed code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeWord {
    v: V1,
    /// SHA-256 of the signed [`CodeAsk`] that started the login.
    pub req: Digest,
    /// Its nonce.
    pub n: Nonce,
    /// Its name.
    pub id: Id,
    /// Whose code it is.
    pub identity: Identity,
    /// The host that asked.
    pub host_id: Id,
    /// By which method; of a wrong code, the one that it looked like.
    pub method: CodeMethod,
    /// Whether the code was right.
    pub ok: bool,
    /// When, by the code service's clock; shown, never decisive.
    pub at: UnixTime,
}

impl CodeWord {
    /// Signs the word on a code that was typed in the login of `start`, which `host_id` signed as `ask`.
    pub fn sign(
        key: &SigningKey,
        (ask, host_id, start): (Digest, Id, &CodeStart),
        method: CodeMethod,
        ok: bool,
        at: UnixTime,
    ) -> Result<String, JwsError> {
        let word = Self {
            v: V1,
            req: ask,
            n: start.n,
            id: start.id,
            identity: start.identity.clone(),
            host_id,
            method,
            ok,
            at,
        };
        jws::sign(Typ::Code, key, &word)
    }

    /// The word, if `service` signed it. What it is worth is [`PendingCode::judge`]'s, or an audit's.
    pub fn verify(signed: &str, service: &CodeService) -> Result<Self, JwsError> {
        jws::verify(signed, Typ::Code, &service.claims().sign)
    }
}

/// What a call's word names its ask by.
pub fn digest(ask: &str) -> Digest {
    jws::digest(ask)
}

/// A login that waits for a code, as its host remembers it.
pub struct PendingCode {
    id: Id,
    n: Nonce,
    req: Digest,
    ctx: Digest,
    identity: Identity,
    host_id: Id,
    methods: Vec<CodeMethod>,
    service: CodeService,
    ends: BootTime,
    closed: bool,
}

/// Proof that the code service took a code for this very login: the one thing that lets a code's factor pass. It is no
/// approval, and nothing makes one of it.
#[must_use]
pub struct CodePassed {
    ctx: Digest,
    method: CodeMethod,
    record: String,
}

impl CodePassed {
    /// Whether it is for this PAM transaction; asked again at the end of the login.
    pub fn is_for(&self, ctx: &Digest) -> bool {
        self.ctx == *ctx
    }

    /// By which method.
    pub fn method(&self) -> CodeMethod {
        self.method
    }

    /// The signed word as received, for the audit.
    pub fn record(&self) -> &str {
        &self.record
    }
}

/// What became of the code service's word.
#[must_use]
pub enum Judged {
    /// The code was right.
    Passed(CodePassed),
    /// It was wrong.
    Wrong,
    /// The word is not believed.
    Unbelieved(Unbelieved),
}

/// Why a word is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    /// The login has passed, or its time is over.
    #[error("it comes too late")]
    Late,
    /// The code service's certificate is over.
    #[error("the code service's certificate is not valid now")]
    Certificate,
    /// The signature or the document.
    #[error("its signature or form is wrong")]
    Signature,
    /// For another login, host or person.
    #[error("it is the word on another login")]
    Login,
    /// By a method that was not asked for.
    #[error("it is on a method that was not asked for")]
    Method,
}

impl PendingCode {
    /// Remembers a login that `start` describes and `ask` (its signed form, by `host`) began at `service`.
    pub fn new(start: &CodeStart, ask: &str, host: &Host, service: CodeService, now: BootTime) -> Self {
        Self {
            id: start.id,
            n: start.n,
            req: jws::digest(ask),
            ctx: start.ctx,
            identity: start.identity.clone(),
            host_id: host.claims().host_id,
            methods: start.methods.clone(),
            service,
            ends: now.plus(Duration::from_secs(u64::from(start.ttl.min(MAX_CODE_TTL)))),
            closed: false,
        }
    }

    /// Its name.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Who judges its codes.
    pub fn service(&self) -> &CodeService {
        &self.service
    }

    /// Judges the code service's word. `now` decides the login's life, `wall` only the certificate's. One word that passes
    /// closes it.
    pub fn judge(&mut self, word: &str, now: BootTime, wall: UnixTime) -> Judged {
        match self.believe(word, now, wall) {
            Err(why) => Judged::Unbelieved(why),
            Ok(said) if !said.ok => Judged::Wrong,
            Ok(said) => {
                self.closed = true;
                Judged::Passed(CodePassed {
                    ctx: self.ctx,
                    method: said.method,
                    record: word.to_owned(),
                })
            }
        }
    }

    fn believe(&self, word: &str, now: BootTime, wall: UnixTime) -> Result<CodeWord, Unbelieved> {
        if self.closed || now >= self.ends {
            return Err(Unbelieved::Late);
        }
        let claims = self.service.claims();
        if !wall.within(claims.nbf, claims.exp) {
            return Err(Unbelieved::Certificate);
        }
        let said = CodeWord::verify(word, &self.service).map_err(|_| Unbelieved::Signature)?;
        // `==` on digests, nonces and ids takes constant time.
        let ours = said.req == self.req
            && said.n == self.n
            && said.id == self.id
            && said.host_id == self.host_id
            && said.identity == self.identity;
        if !ours {
            return Err(Unbelieved::Login);
        }
        if !self.methods.contains(&said.method) {
            return Err(Unbelieved::Method);
        }
        Ok(said)
    }
}
