//! The code service: makes, sends and judges one-time codes (PROTOCOL 2.1, key C). It alone has the credentials of SMS
//! gateways and mail servers and the secrets of authenticator apps; what it signs is its word on one typed code for one
//! login, never an approval.
//!
//! [`Codes::handle`]: open the sealed call → is the host one → [`Codes::decide`] → sign and seal the reply. What goes wrong
//! in between is a refusal ([`CodeRefused::Internal`]), never a right code.

pub mod admin;
mod check;
pub mod desk;
mod digits;
pub mod enrol;
pub mod guesses;
mod logins;
pub mod mail;
pub mod number;
mod own;
mod reach;
pub mod recent;
mod recovery;
pub mod secret;
mod send;
pub mod sms;
pub mod text;
pub mod told;
mod totp;

use crate::clock;
use crate::config::Codes as Config;
use crate::error::Error;
use crate::keyfile;
use crate::notify::{Event, Notifier};
use crate::registrar::code_changes::CodesChange;
use crate::registrar::code_counter::CodeCounter;
use crate::store::codes::{self as rows, Kind};
use crate::store::{self, Durability, SqlitePool, StoreError};
use assent_proto::cert::{DeviceOwner, Host, Identity};
use assent_proto::code::{
    CodeAsk, CodeMethod, CodeRefused, CodeReply, CodeStart, CodeWant, MAX_CODE_TTL, Offer, ReceivedCall, Sealed,
    digest, receive,
};
use assent_proto::code_service::{CodeService, CodeServiceRequest};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::CALL_WINDOW;
use assent_proto::seal::{self, Purpose};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id, ShortText};
use logins::{Login, Logins, NotBegun};
use number::Number;
use recovery::Hashing;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{Sqlite, Transaction};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, Semaphore};
use told::{Changed, Told};

/// The key file in the state directory.
pub const KEY_FILE: &str = "codes.key";
/// The data base in the state directory.
pub const DATABASE: &str = "codes.db";

/// Mails that tell of changes and may wait at once.
const OUTBOX: usize = 1024;

/// The code service.
pub struct Codes {
    keys: KeyPair,
    registrar: CodeCounter,
    certificate: RwLock<Option<CodeService>>,
    pool: SqlitePool,
    /// One call at a time decides and commits. Nothing waits for the network under it.
    turn: Mutex<()>,
    config: Arc<Config>,
    gateways: sms::Gateways,
    logins: Logins,
    hashing: Hashing,
    notifier: Notifier,
    /// Room for mails that tell of changes.
    outbox: Arc<Semaphore>,
}

/// A refusal, with its words for people.
#[derive(Debug)]
struct Refusal(CodeRefused, String);

impl From<CodeRefused> for Refusal {
    fn from(code: CodeRefused) -> Self {
        Self(code, code.words().to_owned())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the code service could not decide a call");
        CodeRefused::Internal.into()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let text = match error {
            Error::Away => "the registrar is away; try again in a minute",
            _ => CodeRefused::Internal.words(),
        };
        tracing::error!(%error, "the code service could not decide a call");
        Self(CodeRefused::Internal, text.to_owned())
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// No randomness, or something could not be sealed or signed.
fn failed(what: &'static str) -> Refusal {
    tracing::error!(what, "the code service could not decide a call");
    CodeRefused::Internal.into()
}

impl Refusal {
    fn reply(self) -> CodeReply {
        CodeReply::Refused {
            code: self.0,
            text: ShortText::cut(self.1),
        }
    }
}

impl Codes {
    /// Opens `codes.db` in `state_dir` and reads `codes.key`, which it makes at the first start.
    pub async fn open(
        state_dir: &Path,
        config: Config,
        registrar: CodeCounter,
        notifier: Notifier,
    ) -> anyhow::Result<Self> {
        let keys = keyfile::own_keys(state_dir, KEY_FILE)?;
        check_config(&config)?;
        let pool = store::open(
            &state_dir.join(DATABASE),
            Durability::Power,
            2,
            &store::CODES_MIGRATIONS,
        )
        .await?;
        let codes = Self {
            keys,
            registrar,
            certificate: RwLock::new(None),
            pool,
            turn: Mutex::new(()),
            gateways: sms::Gateways::new(&config.sms)?,
            config: Arc::new(config),
            logins: Logins::default(),
            hashing: Hashing::default(),
            notifier,
            outbox: Arc::new(Semaphore::new(OUTBOX)),
        };
        match codes.housekeeping().await {
            // It starts after us, perhaps; until then no host believes a code.
            Err(Error::Away) => tracing::warn!("the registrar is away: the code service waits for its certificate"),
            done => done?,
        }
        Ok(codes)
    }

    /// Whether it has a certificate.
    pub fn is_certified(&self) -> bool {
        self.certificate().is_some()
    }

    /// Has its key certified where that is due, and forgets what nobody can use.
    pub async fn housekeeping(&self) -> Result<(), Error> {
        let now = clock::now();
        let request = CodeServiceRequest::sign(&self.keys, now);
        let request = request.map_err(|_| Error::Internal("the code service could not sign its request"))?;
        let certificate = self.registrar.certify(&request, now).await?;
        *self.certificate.write().unwrap_or_else(PoisonError::into_inner) = certificate;
        let _turn = self.turn.lock().await;
        let mut conn = self.pool.acquire().await.map_err(StoreError::from)?;
        rows::forget_old(&mut conn, now).await?;
        reach::forget_old(&mut conn, now).await?;
        Ok(())
    }

    fn certificate(&self) -> Option<CodeService> {
        self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One call.
    pub async fn handle(&self, sealed: &Sealed, now: UnixTime) -> Result<Sealed, Error> {
        if sealed.issuer != self.keys.sign.public().id() {
            return Err(Error::Malformed(
                "the call is sealed to another code service; ask /v1/trust again".into(),
            ));
        }
        let call = receive(&self.keys, sealed).map_err(|error| {
            tracing::debug!(%error, "a call to the code service does not open");
            Error::Malformed("the call does not open".into())
        })?;
        let reply = match self.decide(&call, now).await {
            Ok(reply) => reply,
            Err(refusal) => {
                tracing::info!(why = ?refusal.0, "the code service refused a call");
                refusal.reply()
            }
        };
        call.reply(&self.keys, reply, now).map_err(|error| {
            tracing::error!(%error, "the code service could not reply");
            Error::Internal("the code service could not reply")
        })
    }

    async fn decide(&self, call: &ReceivedCall, now: UnixTime) -> Result<CodeReply, Refusal> {
        let Some(host) = self.registrar.living_host(&call.host, now).await? else {
            tracing::warn!("somebody without a host's living certificate called the code service");
            return Err(CodeRefused::Caller.into());
        };
        let Ok(ask) = CodeAsk::verify(&call.ask, &host) else {
            tracing::warn!(host = %host.claims().host_id, "a call's signature or content is wrong");
            return Err(CodeRefused::Caller.into());
        };
        if ask.iat.0.abs_diff(now.0) > CALL_WINDOW {
            return Err(CodeRefused::Clock.into());
        }
        {
            let _turn = self.turn.lock().await;
            let mut conn = self.pool.acquire().await?;
            if !rows::use_nonce(&mut conn, ask.host_id, ask.n, ask.iat.plus(CALL_WINDOW + 1)).await? {
                tracing::warn!(host = %ask.host_id, "a host's call to the code service came a second time");
                return Err(CodeRefused::Replay.into());
            }
        }
        // Only logins go on by the registrar's last word.
        let sets_up = matches!(ask.what, CodeWant::OpenTotp { .. } | CodeWant::ConfirmTotp { .. });
        if sets_up && !self.registrar.is_living(&host, now).await? {
            return Err(CodeRefused::Caller.into());
        }
        match ask.what {
            CodeWant::Start(start) => self.start(&host, &call.ask, *start, now).await,
            CodeWant::Send { id, method } => self.send(&host, id, method, now).await,
            CodeWant::Check { id, code } => self.check(&host, id, &code, now).await,
            CodeWant::End { id } => {
                self.logins.end(ask.host_id, id);
                Ok(CodeReply::Ended {})
            }
            CodeWant::OpenTotp {
                identities,
                user,
                secret,
                asked,
            } => {
                let owner = DeviceOwner { identities, name: user };
                self.open_totp_for_host(&host, owner, secret.as_ref(), asked, now).await
            }
            CodeWant::ConfirmTotp { id, code } => {
                self.confirm_totp((host.claims().host_id, None), id, &code, now).await?;
                Ok(CodeReply::TotpReady {})
            }
        }
    }

    /// A login begins: which methods are ready. Nothing is sent yet.
    async fn start(&self, host: &Host, ask: &str, start: CodeStart, now: UnixTime) -> Result<CodeReply, Refusal> {
        let id = host.claims().host_id;
        let distinct = start
            .methods
            .iter()
            .enumerate()
            .all(|(at, one)| !start.methods[..at].contains(one));
        if start.methods.is_empty() || !distinct || start.ttl == 0 || start.ttl > MAX_CODE_TTL {
            return Err(CodeRefused::Malformed.into());
        }
        let whose = std::slice::from_ref(&start.identity);
        if !self.registrar.may_name_in_login(host, whose).await? {
            tracing::warn!(host = %id, identity = %start.identity, "a host asked about somebody whom it may not name");
            return Err(CodeRefused::Caller.into());
        }
        let number = start
            .mobile
            .as_ref()
            .filter(|_| start.methods.contains(&CodeMethod::Sms));
        let number = number.and_then(|written| Number::parse(written.as_str(), self.config.default_country.as_ref()));
        let address = start.mail.as_ref().and_then(|written| mail::address(written.as_str()));
        if let Some(mail) = &start.mail {
            self.reach_of_host(&start.identity, id, (mail, &start.lang), now).await;
        }
        let name = visible(host.claims().display.as_str());
        let login = Login::new(digest(ask), start, name, number, address, clock::boot_now());
        let mut offers = Vec::new();
        for method in &login.start.methods {
            offers.push(self.offer(&login, id, *method, now).await?);
        }
        tracing::info!(login = login.start.login.as_str(), host = %id, identity = %login.start.identity, "a login may go on by a code");
        match self.logins.begin(id, login, clock::boot_now()) {
            Ok(()) => Ok(CodeReply::Started { methods: offers }),
            Err(NotBegun::Known) => Err(CodeRefused::Replay.into()),
            Err(NotBegun::TooMany) => {
                tracing::warn!(host = %id, "too many logins of a host wait for codes");
                Err(CodeRefused::Limit.into())
            }
        }
    }

    async fn offer(&self, login: &Login, host: Id, method: CodeMethod, now: UnixTime) -> Result<Offer, Refusal> {
        let mut conn = self.pool.acquire().await?;
        let identity = login.identity();
        let ready = |hint: Option<String>| (None, hint.map(ShortText::cut));
        let no = |why: CodeRefused| (Some(why), None);
        let place = guesses::place(host, login.start.src);
        let (refused, hint) = if rows::guesses(&mut conn, identity, place).await?.locked(now) {
            no(CodeRefused::Locked)
        } else {
            match method {
                CodeMethod::Sms if self.gateways.is_empty() => no(CodeRefused::NoMethod),
                CodeMethod::Mail if self.config.mail.is_empty() => no(CodeRefused::NoMethod),
                CodeMethod::Sms => match &login.number {
                    Some(number) if number.allowed(&self.config.prefixes).is_some() => ready(Some(number.hint())),
                    None if login.start.mobile.is_none() => no(CodeRefused::NotEnrolled),
                    Some(_) | None => no(CodeRefused::Address),
                },
                CodeMethod::Mail => match (&login.mail, &login.start.mail) {
                    (Some(address), _) => ready(Some(mail::hint(address))),
                    (None, Some(_)) => no(CodeRefused::Address),
                    (None, None) => no(CodeRefused::NotEnrolled),
                },
                CodeMethod::Totp => match rows::enrolled(&mut conn, identity, Kind::Totp).await? {
                    Some(_) => ready(None),
                    None => no(CodeRefused::NotEnrolled),
                },
                CodeMethod::Recovery => match rows::enrolled(&mut conn, identity, Kind::Recovery).await? {
                    Some(list) if !rows::recovery(&mut conn, list.id).await?.is_empty() => ready(None),
                    Some(_) | None => no(CodeRefused::NotEnrolled),
                },
            }
        };
        Ok(Offer { method, refused, hint })
    }

    /// Tells whoever is configured to hear of it, and the person by mail.
    async fn tell(&self, name: &ShortText, identities: &[Identity], change: CodesChange) {
        self.notifier.tell(Event::CodesChanged {
            name: name.clone(),
            identities: identities.to_vec(),
            change,
        });
        let owner = DeviceOwner {
            identities: identities.to_vec(),
            name: name.clone(),
        };
        let change = Changed::Codes(change);
        self.tell_by_mail(Told { owner, change }).await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Seals what is kept of somebody. Only this key can: whoever writes to the data base can put nothing in its place.
    fn keep<T: Serialize>(&self, kind: Kind, content: &T) -> Result<Bytes, Refusal> {
        seal::keep(&self.keys.kem, Purpose::CodeKept, kind.name(), content)
            .map_err(|_| failed("a secret was not sealed"))
    }

    /// Opens what is kept.
    fn open_kept<T: DeserializeOwned>(&self, kind: Kind, sealed: &Bytes) -> Result<T, Refusal> {
        seal::open_kept(&self.keys.kem, Purpose::CodeKept, kind.name(), sealed)
            .map_err(|_| failed("a secret in codes.db does not open: it is of another codes.key, or was changed"))
    }

    /// Closes the data base.
    pub async fn close(&self) {
        let _turn = self.turn.lock().await;
        self.pool.close().await;
    }
}

/// Reads every secret of a configuration once, so that one that is missing shows at the start.
pub fn check_config(config: &Config) -> anyhow::Result<()> {
    sms::check(&config.sms)?;
    mail::check(&config.mail)
}

/// Whether what is kept names this person: a row that was moved to somebody else does not.
fn names(identities: &[Identity], who: &Identity) -> Result<(), Refusal> {
    match identities.contains(who) {
        true => Ok(()),
        false => Err(failed("codes.db was changed: a secret is somebody else's")),
    }
}

fn random_id() -> Result<Id, Refusal> {
    Id::random().map_err(|_| failed("no randomness"))
}
