//! Signing in and out. Whatever is wrong with a name and a password, the answer is the same and comes at the same beat:
//! nobody learns here who exists (R31, R77).

use super::error::PanelError;
use super::guard::{Actor, Anybody, OwnPage, cookie};
use super::session::{SentTo, Session};
use super::{COOKIE, MAX_BODY, Panel};
use crate::clock;
use crate::codes::{mail, number};
use crate::error::Error;
use crate::notify::Event;
use crate::registrar::self_service::Proof;
use crate::relay::body;
use assent_engine::directory::{Password, Person};
use assent_engine::login::Cause;
use assent_engine::names::UserName;
use assent_engine::sign_in::{Refusal, Signed};
use assent_proto::cert::DeviceOwner;
use assent_proto::enrol::Token;
use assent_proto::text::{Outside, visible};
use assent_proto::{Nonce, ShortText};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Refusals come at multiples of this after the request: what a directory took shows only where it took a whole one more.
const BEAT: Duration = Duration::from_secs(1);

/// How long a sign-in waits for the code service.
const REACH: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    user: String,
    password: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkToken {
    token: Zeroizing<String>,
}

/// What the page is told of a session.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum View {
    Out {
        signed_in: bool,
        /// Whether there is a sign-in by password.
        password: bool,
    },
    In {
        signed_in: bool,
        name: String,
        by: &'static str,
        csrf: Nonce,
        /// Seconds until it ends if nothing happens.
        left: u64,
    },
}

impl View {
    fn of(session: &Session) -> Self {
        Self::In {
            signed_in: true,
            name: visible(session.owner.name.as_str()),
            by: match session.proof {
                Proof::Directory => "password",
                Proof::Link(_) => "link",
            },
            csrf: session.csrf,
            left: session.left(clock::boot_now()),
        }
    }
}

/// `GET session`.
pub(super) async fn session(State(panel): State<Arc<Panel>>, Anybody(session): Anybody) -> Json<View> {
    Json(match session {
        Some(session) => View::of(&session),
        None => View::Out {
            signed_in: false,
            password: !panel.directories.is_empty(),
        },
    })
}

/// `POST sign-in`.
pub(super) async fn by_password(
    State(panel): State<Arc<Panel>>,
    OwnPage(address): OwnPage,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PanelError> {
    let began = Instant::now();
    let Typed { user, password } = body::json(body, MAX_BODY).await?;
    if panel.directories.is_empty() {
        return Err(PanelError::NoPasswords);
    }
    let attempt = panel
        .throttle
        .admit(Some(&user), address, clock::boot_now())
        .map_err(|wait| {
            tracing::warn!(%address, wait = wait.as_secs(), "a sign-in at the panel was turned away: too many tries");
            PanelError::Wait(wait)
        })?;
    match checked(&panel, &user, password, address).await {
        Ok((person, name)) => {
            panel.throttle.succeeded(attempt, clock::boot_now());
            tracing::info!(user = name.shown(), identity = %person.identity, %address, "signed in at the panel");
            let sent_to = sent_to(&person);
            tell_where(&panel, &person).await;
            let owner = DeviceOwner {
                identities: vec![person.identity],
                name: ShortText::cut(name.as_str().to_owned()),
            };
            begin(&panel, &headers, owner, Proof::Directory, Some(sent_to))
        }
        Err(error) => {
            on_the_beat(began).await;
            Err(error)
        }
    }
}

/// The attributes in which a directory may have an address, as the methods of hosts look for them by default.
pub(super) const ADDRESSES: [&str; 3] = [MOBILE, MAIL, EMAIL];
const MOBILE: &str = "mobile";
const MAIL: &str = "mail";
const EMAIL: &str = "email";

/// The first value of an attribute.
fn first<'a>(person: &'a Person, name: &str) -> Option<&'a str> {
    let values = &person.attributes.find(name)?.values;
    values
        .iter()
        .find_map(|value| std::str::from_utf8(value.as_bytes()).ok())
}

fn mail_of(person: &Person) -> Option<&str> {
    first(person, MAIL).or_else(|| first(person, EMAIL))
}

/// Where codes would go. The session keeps no whole number and no whole address.
fn sent_to(person: &Person) -> SentTo {
    SentTo {
        sms: first(person, MOBILE).and_then(number::hint),
        mail: mail_of(person)
            .and_then(mail::address)
            .map(|address| mail::hint(&address)),
    }
}

/// The code service learns where the person is told of changes, by the directory that has just checked the password. Who
/// signs in waits for it a moment and no longer.
async fn tell_where(panel: &Panel, person: &Person) {
    let Some(codes) = &panel.codes else { return };
    let mail = mail_of(person).and_then(ShortText::new);
    let told = codes.reach(&person.identity, mail.as_ref());
    if !matches!(tokio::time::timeout(REACH, told).await, Ok(Ok(()))) {
        tracing::warn!(identity = %person.identity, "the code service did not learn where a person reads mail; it goes by what it knows");
    }
}

/// Who it is, by the directories.
async fn checked(
    panel: &Panel,
    user: &str,
    password: Zeroizing<String>,
    address: IpAddr,
) -> Result<(Box<Person>, UserName), PanelError> {
    let refused = |user: String, cause: &str, detail: Option<&str>| {
        tracing::warn!(user, cause, detail, %address, "a sign-in at the panel was refused");
    };
    let name = UserName::new(&Outside::new(user.as_bytes())).ok().filter(is_plain);
    let Some(name) = name else {
        refused("(no user name)".to_owned(), Cause::BadName.name(), None);
        return Err(PanelError::SignIn);
    };
    let password = Zeroizing::new(password.as_bytes().to_vec());
    let password = Password::new(password).ok_or(PanelError::SignIn)?;
    match panel.directories.check(&name, &password).await {
        Signed::In { person, name } => Ok((person, name)),
        Signed::Out(Refusal {
            cause,
            known,
            first_unreachable,
        }) => {
            // What an unknown user typed may be a password (R70).
            let user = if known {
                name.shown()
            } else {
                "(unknown user)".to_owned()
            };
            refused(user, cause.name(), cause.detail());
            Err(if first_unreachable {
                PanelError::Away
            } else {
                PanelError::SignIn
            })
        }
    }
}

/// Whether a name is written in the one way that counts here. A directory reads others as the same (RFC 4518), but what
/// it reads so would stand in certificates and logs as it was typed, and be another name to every limit (R58).
fn is_plain(name: &UserName) -> bool {
    let text = name.as_str();
    text.nfkc().eq(text.chars()) && visible(text) == text
}

/// Waits for the next beat since `began`.
async fn on_the_beat(began: Instant) {
    let beats = began.elapsed().as_millis() / BEAT.as_millis() + 1;
    tokio::time::sleep_until(began + BEAT * u32::try_from(beats).unwrap_or(1)).await;
}

/// `POST link`.
pub(super) async fn by_link(
    State(panel): State<Arc<Panel>>,
    OwnPage(address): OwnPage,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PanelError> {
    let LinkToken { token } = body::json(body, MAX_BODY).await?;
    let now = clock::boot_now();
    let attempt = panel.throttle.admit(None, address, now).map_err(PanelError::Wait)?;
    let refused = || {
        tracing::warn!(%address, "a sign-in at the panel by a link was refused");
        PanelError::Link
    };
    let token = Token::from_text(&token).map_err(|_| refused())?;
    let grant = panel.registrar.redeem_link(&token).await?.ok_or_else(refused)?;
    panel.throttle.succeeded(attempt, now);
    tracing::info!(link = %grant.link, name = ?grant.owner.name, %address, "signed in at the panel by a link");
    panel.notifier.tell(sign_in_by_link(&grant.owner, address));
    begin(&panel, &headers, grant.owner, Proof::Link(grant.link), None)
}

fn sign_in_by_link(owner: &DeviceOwner, address: IpAddr) -> Event {
    Event::SignInByLink {
        name: owner.name.clone(),
        identities: owner.identities.clone(),
        address,
    }
}

/// `POST sign-out`.
pub(super) async fn out(State(panel): State<Arc<Panel>>, actor: Actor) -> Response {
    panel.sessions.end(&actor.id);
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    let view = View::Out {
        signed_in: false,
        password: !panel.directories.is_empty(),
    };
    (AppendHeaders([(header::SET_COOKIE, gone)]), Json(view)).into_response()
}

/// A new session with a new id; the one that the browser had ends.
fn begin(
    panel: &Panel,
    headers: &HeaderMap,
    owner: DeviceOwner,
    proof: Proof,
    sent_to: Option<SentTo>,
) -> Result<Response, PanelError> {
    if let Some(old) = cookie(headers) {
        panel.sessions.end(&old);
    }
    let (id, session) = panel.sessions.begin(owner, proof, sent_to, clock::boot_now())?;
    let cookie = Zeroizing::new(format!("{COOKIE}={id}; Path=/; Secure; HttpOnly; SameSite=Strict"));
    let mut cookie =
        HeaderValue::from_str(&cookie).map_err(|_| Error::Internal("a session's id is no header value"))?;
    cookie.set_sensitive(true);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(View::of(&session))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn r31_refusals_come_on_the_beat_however_long_the_check_took() {
        for (took, answered) in [
            (0, 1000),
            (3, 1000),
            (420, 1000),
            (999, 1000),
            (1001, 2000),
            (5400, 6000),
        ] {
            let began = Instant::now();
            tokio::time::sleep(Duration::from_millis(took)).await;
            on_the_beat(began).await;
            assert_eq!(began.elapsed().as_millis(), answered, "{took}");
        }
    }
}
