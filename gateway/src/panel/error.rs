//! Why the panel did not do something: a code for the page, a sentence for the person that says what to do next. Nothing
//! here depends on whether a user exists.

use crate::error::Error;
use crate::store::StoreError;
use assent_proto::ShortText;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// Nobody is signed in (any more).
    #[error("nobody is signed in")]
    NoSession,
    /// Without the session's second secret.
    #[error("the request lacks the session's own mark")]
    Csrf,
    /// From another site.
    #[error("the request comes from another site")]
    Origin,
    /// Unknown user, wrong password, closed account: all the same.
    #[error("a sign-in was refused")]
    SignIn,
    /// The panel has nobody who checks passwords.
    #[error("there are no passwords here")]
    NoPasswords,
    /// The directory that everybody's sign-in asks first is away.
    #[error("a directory is away")]
    Away,
    /// A link that does not count.
    #[error("a one-time link was refused")]
    Link,
    /// Too many tries.
    #[error("too many tries")]
    Wait(Duration),
    /// Not this user's, or not there: the same.
    #[error("no such thing of this user")]
    NotYours(&'static str),
    /// A label that cannot stand.
    #[error("a label was refused")]
    Label,
    /// Not six digits.
    #[error("these are no six digits")]
    Digits,
    /// The registrar's reason.
    #[error("the registrar refused: {0:?}")]
    Refused(ShortText),
    /// Whatever can go wrong with any request.
    #[error(transparent)]
    Http(#[from] Error),
}

impl From<StoreError> for PanelError {
    fn from(error: StoreError) -> Self {
        Self::Http(error.into())
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
}

impl PanelError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSession | Self::SignIn | Self::Link => StatusCode::UNAUTHORIZED,
            Self::Csrf | Self::Origin | Self::NoPasswords => StatusCode::FORBIDDEN,
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
            Self::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotYours(_) => StatusCode::NOT_FOUND,
            Self::Label | Self::Digits => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Http(error) => error.status(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::Csrf => "csrf",
            Self::Origin => "origin",
            Self::SignIn => "sign_in",
            Self::NoPasswords => "no_passwords",
            Self::Away => "away",
            Self::Link => "link",
            Self::Wait(_) | Self::Http(Error::TooMany(_)) => "wait",
            Self::NotYours(_) => "not_found",
            Self::Label => "label",
            Self::Digits => "digits",
            Self::Refused(_) => "refused",
            Self::Http(Error::Malformed(_) | Error::TooLarge | Error::Slow) => "malformed",
            Self::Http(Error::NoRoute | Error::NoMethod) => "not_found",
            Self::Http(Error::Away) => "away",
            Self::Http(_) => "failed",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::NoSession => "You are not signed in any more. Sign in again.".into(),
            Self::Csrf => "This page is from an earlier sign-in. Load it again, then repeat what you did.".into(),
            Self::Origin => "The request did not come from the panel's own page. Open the panel and try again.".into(),
            Self::SignIn => {
                "That did not work. Check your user name and your password and try again. If you are sure of \
                both, your account may be locked or expired: ask your administrator."
                    .into()
            }
            Self::NoPasswords => {
                "There is no sign-in by password here. Ask your administrator for a one-time link.".into()
            }
            Self::Away => {
                "Your password cannot be checked at the moment: the directory does not answer. Try again in a \
                few minutes."
                    .into()
            }
            Self::Link => {
                "This link does not work (any more): it was used, it is too old, or a part of it is missing. \
                Ask your administrator for a new one."
                    .into()
            }
            Self::Wait(wait) => format!("Too many tries. Wait {}, then try again.", in_words(*wait)),
            Self::NotYours(what) => format!("There is no such {what} of yours. Load the page again."),
            Self::Label => "A name has 1 to 60 characters.".into(),
            Self::Digits => "Type the six digits that your new device shows.".into(),
            Self::Refused(text) => assent_proto::text::visible(text.as_str()),
            Self::Http(Error::TooMany(_)) => "Too much at once. Wait a moment, then try again.".into(),
            Self::Http(Error::Malformed(_) | Error::TooLarge | Error::Slow) => {
                "The panel did not understand the page's request. Load the page again.".into()
            }
            Self::Http(Error::NoRoute) => "There is nothing here.".into(),
            Self::Http(Error::Away) => {
                "The registrar does not answer at the moment. Try again in a few minutes.".into()
            }
            Self::Http(_) => "The panel failed. Try again; if that does not help, tell your administrator.".into(),
        }
    }

    /// Seconds to wait, rounded up.
    fn wait(&self) -> Option<u64> {
        match self {
            Self::Wait(wait) => Some(seconds(*wait)),
            Self::Http(Error::TooMany(_)) => Some(1),
            _ => None,
        }
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn in_words(wait: Duration) -> String {
    match seconds(wait) {
        0 | 1 => "a second".into(),
        few @ 2..=90 => format!("{few} seconds"),
        many => format!("{} minutes", many.div_ceil(60)),
    }
}

impl IntoResponse for PanelError {
    fn into_response(self) -> Response {
        match &self {
            Self::Http(Error::Store(_) | Error::Internal(_)) => {
                tracing::error!(error = %self, "a panel request failed");
            }
            Self::Csrf | Self::Origin | Self::Wait(_) => tracing::warn!(error = %self, "a panel request was refused"),
            // What is wrong with a body could hold a password: neither log nor reply repeats it.
            _ => tracing::debug!(code = self.code(), "a panel request was refused"),
        }
        let wait = self.wait();
        let (status, text) = (self.status(), self.text());
        let problem = Problem {
            code: self.code(),
            text: &text,
            wait,
        };
        let mut response = (status, Json(problem)).into_response();
        if let Some(wait) = wait {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}
