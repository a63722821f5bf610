//! `assentctl enroll USER`: root on this host vouches for a user, the registrar opens a one-time enrolment; with `--totp`,
//! the code service sets up an authenticator app. And a first device inside a login, whose first factor vouches.

use crate::agent::{Gateway, Setup};
use crate::devices::host_ask;
use assent_engine::directory::{Account, Lookup, Wait};
use assent_engine::login::{EnrolState, EnrolTrouble};
use assent_engine::names::UserName;
use assent_proto::cert::{DeviceOwner, Identity, MAX_IDENTITIES};
use assent_proto::code::{CodeReply, TypedCode, TypedSecret};
use assent_proto::enrol::Token;
use assent_proto::registrar::{EnrolmentState, HostWant, Reply};
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use zeroize::Zeroizing;

/// Why no enrolment is opened. The text is for the admin.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// An enrolment that was opened.
pub struct Opened {
    /// Names it.
    pub token_id: Id,
    /// What the user's device opens.
    pub link: String,
    /// Until when.
    pub until: u64,
}

/// Opens an enrolment for `user`: every profile that a method falls back on and that knows the user vouches for an
/// identity.
pub async fn open(setup: &Setup, user: &str) -> Result<Opened, Refused> {
    let gateway = setup.gateway.as_ref().map_err(|why| Refused(why.clone()))?;
    let (owner, token) = (owner(setup, user).await?, new_token(gateway)?);
    let want = HostWant::OpenEnrolment {
        token_id: token.id,
        secret: token.secret.clone(),
        owner,
    };
    match ask(gateway, want).await? {
        Reply::EnrolmentOpen { until } => Ok(Opened {
            token_id: token.id,
            link: link(gateway, &token),
            until: until.0,
        }),
        other => Err(unexpected(&other)),
    }
}

fn link(gateway: &Gateway, token: &Token) -> String {
    format!("{}/e#{}", gateway.url, token.to_text().as_str())
}

/// A first device that is registered in a login.
pub struct First {
    token: Token,
    /// What the user's device opens.
    pub link: Zeroizing<String>,
}

impl First {
    /// A fresh one, of which nobody knows yet.
    pub fn new(gateway: &Gateway) -> Result<Self, Refused> {
        let token = new_token(gateway)?;
        let link = Zeroizing::new(link(gateway, &token));
        Ok(Self { token, link })
    }

    /// Which it is.
    pub fn id(&self) -> Id {
        self.token.id
    }

    /// What the registrar is asked to open it with.
    pub fn wish(&self, owner: DeviceOwner, ttl: u32) -> HostWant {
        HostWant::OpenFirst {
            token_id: self.token.id,
            secret: self.token.secret.clone(),
            owner,
            ttl,
        }
    }
}

/// Opens an enrolment by a [`First::wish`].
pub async fn open_first(gateway: &Gateway, wish: HostWant) -> Result<(), EnrolTrouble> {
    match first(gateway, wish).await? {
        Reply::EnrolmentOpen { .. } => Ok(()),
        other => Err(trouble(&other)),
    }
}

/// Hands the six digits of a first device over.
pub async fn confirm_first(gateway: &Gateway, token_id: Id, digits: ShortText) -> Result<EnrolState, EnrolTrouble> {
    match first(gateway, HostWant::ConfirmFirst { token_id, digits }).await? {
        Reply::Enrolment(state) => match state {
            EnrolmentState::Waiting => Ok(EnrolState::Waiting),
            EnrolmentState::Digits { tries, .. } => Ok(EnrolState::Wrong { left: tries }),
            EnrolmentState::Over => Ok(EnrolState::Over),
            EnrolmentState::Certified { device } => {
                let host = gateway.host.now();
                let verified = host.issuers.verify_device(&device, UnixTime::now());
                let device =
                    verified.map_err(|e| EnrolTrouble::Unreachable(format!("the registrar's certificate: {e}")))?;
                Ok(EnrolState::Registered(device.claims().device_id))
            }
            // Of a user who has a device: never in a login.
            EnrolmentState::Approval { .. } => Err(trouble(&Reply::Enrolment(state))),
        },
        other => Err(trouble(&other)),
    }
}

/// Withdraws what a login has opened. What cannot be said to the registrar ends there by itself, and nobody else could
/// confirm it.
pub async fn end_first(gateway: &Gateway, token_id: Id) {
    if let Err(trouble) = first(gateway, HostWant::EndEnrolment { token_id }).await {
        tracing::warn!("an enrolment could not be withdrawn, and ends by itself: {trouble:?}");
    }
}

async fn first(gateway: &Gateway, want: HostWant) -> Result<Reply, EnrolTrouble> {
    host_ask(&gateway.relay, &gateway.host.now(), want)
        .await
        .map_err(|e| EnrolTrouble::Unreachable(e.to_string()))
}

fn trouble(reply: &Reply) -> EnrolTrouble {
    match reply {
        Reply::Refused { code, text } => EnrolTrouble::Refused(*code, assent_proto::text::visible(text.as_str())),
        _ => EnrolTrouble::Unreachable("the registrar answered something else".into()),
    }
}

/// A one-time link to the Register Panel.
pub struct PanelLink {
    /// What the user opens.
    pub link: String,
    /// Until when.
    pub until: u64,
}

/// Vouches for `user`, who signs in at the panel with the link: every profile that a method falls back on and that
/// knows the user vouches for an identity.
pub async fn open_link(setup: &Setup, user: &str, ttl: u32) -> Result<PanelLink, Refused> {
    let gateway = setup.gateway.as_ref().map_err(|why| Refused(why.clone()))?;
    let (owner, token) = (owner(setup, user).await?, new_token(gateway)?);
    let want = HostWant::OpenLink {
        token_id: token.id,
        secret: token.secret.clone(),
        owner,
        ttl,
    };
    match ask(gateway, want).await? {
        Reply::LinkOpen { until, panel } => Ok(PanelLink {
            link: format!("{}l#{}", panel.as_str(), token.to_text().as_str()),
            until: until.0,
        }),
        other => Err(unexpected(&other)),
    }
}

/// How the set-up of an authenticator app stands.
pub enum Totp {
    /// The user's devices are asked.
    Asked {
        /// Names the approval.
        id: Id,
        /// Seconds that they have.
        ttl: u32,
    },
    /// It waits for its first code.
    Open {
        /// Names the set-up.
        id: Id,
        /// For the app.
        uri: TypedSecret,
        /// Seconds that it waits.
        ttl: u32,
    },
}

/// Vouches for `user`, who sets up an authenticator app: a new one, or that of this `secret`. Who has a device approves it
/// there; `asked` names the approval when this asks again.
pub async fn open_totp(
    setup: &Setup,
    user: &str,
    secret: Option<TypedSecret>,
    asked: Option<Id>,
) -> Result<Totp, Refused> {
    let gateway = setup.gateway.as_ref().map_err(|why| Refused(why.clone()))?;
    let owner = owner(setup, user).await?;
    match gateway.codes.open_totp(owner, secret, asked).await.map_err(Refused)? {
        CodeReply::TotpAsked { id, ttl } => Ok(Totp::Asked { id, ttl }),
        CodeReply::TotpOpen { id, uri, ttl } => Ok(Totp::Open { id, uri, ttl }),
        _ => Err(Refused("the code service answered something else".into())),
    }
}

/// Hands the app's first code over: why it is wrong, where another may be typed.
pub async fn confirm_totp(setup: &Setup, id: Id, code: &str) -> Result<Option<String>, Refused> {
    let gateway = setup.gateway.as_ref().map_err(|why| Refused(why.clone()))?;
    let code = TypedCode::new(code.as_bytes()).ok_or_else(|| Refused("this cannot be a code".into()))?;
    Ok(gateway.codes.confirm_totp(id, code).await.map_err(Refused)?.err())
}

fn new_token(gateway: &Gateway) -> Result<Token, Refused> {
    Token::random(&gateway.host.now().root).map_err(|e| Refused(e.to_string()))
}

/// Every identity that this user has here.
pub async fn identities_of(setup: &Setup, user: &str) -> Result<Vec<Identity>, Refused> {
    Ok(owner(setup, user).await?.identities)
}

async fn owner(setup: &Setup, user: &str) -> Result<DeviceOwner, Refused> {
    let name = UserName::new(&Outside::new(user.as_bytes())).map_err(|e| Refused(e.to_string()))?;
    Ok(DeviceOwner {
        identities: identities(setup, &name).await?,
        name: ShortText::cut(name.as_str().to_owned()),
    })
}

/// How an enrolment stands.
pub async fn state(setup: &Setup, token_id: Id) -> Result<EnrolmentState, Refused> {
    let gateway = setup.gateway.as_ref().map_err(|why| Refused(why.clone()))?;
    match ask(gateway, HostWant::Enrolment { token_id }).await? {
        Reply::Enrolment(state) => Ok(state),
        other => Err(unexpected(&other)),
    }
}

/// Hands the six digits over.
pub async fn confirm(setup: &Setup, token_id: Id, digits: &str) -> Result<EnrolmentState, Refused> {
    let gateway = setup.gateway.as_ref().map_err(|why| Refused(why.clone()))?;
    let digits = ShortText::cut(digits.to_owned());
    match ask(gateway, HostWant::ConfirmEnrolment { token_id, digits }).await? {
        Reply::Enrolment(state) => Ok(state),
        other => Err(unexpected(&other)),
    }
}

async fn ask(gateway: &Gateway, want: HostWant) -> Result<Reply, Refused> {
    host_ask(&gateway.relay, &gateway.host.now(), want)
        .await
        .map_err(|e| Refused(e.to_string()))
}

fn unexpected(reply: &Reply) -> Refused {
    match reply {
        Reply::Refused { text, .. } => Refused(assent_proto::text::visible(text.as_str())),
        _ => Refused("the registrar answered something else".into()),
    }
}

async fn identities(setup: &Setup, user: &UserName) -> Result<Vec<Identity>, Refused> {
    let mut found: Vec<Identity> = Vec::new();
    for index in setup.config.auth_indices() {
        let vouches = setup
            .config
            .methods
            .iter()
            .any(|profile| profile.fallback.contains(&index));
        if !vouches {
            continue;
        }
        let name = setup.config.auth_profile(index).name();
        match setup.directory(index).look_up(user, Wait::Whole).await {
            Lookup::Found(person) if person.account == Account::Active => {
                if !found.contains(&person.identity) {
                    found.push(person.identity);
                }
            }
            Lookup::Found(person) => {
                return Err(Refused(format!(
                    "the account is not active in {name}: {:?}",
                    person.account
                )));
            }
            Lookup::Unknown => {}
            Lookup::Ambiguous => return Err(Refused(format!("{name} has two users of this name"))),
            Lookup::Unreachable(why) => return Err(Refused(format!("{name} cannot be reached: {why}"))),
        }
    }
    if found.is_empty() || found.len() > MAX_IDENTITIES {
        return Err(Refused(
            "no fallback auth profile of a push profile knows this user".into(),
        ));
    }
    Ok(found)
}
