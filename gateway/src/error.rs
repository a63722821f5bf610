//! What can go wrong with a request, with two faces: a [`Problem`] for the caller, bland where the cause is ours, and
//! the cause for the log.

use crate::clock;
use crate::store::StoreError;
use assent_proto::relay::{Problem, ProblemCode};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request gets no other reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No claim that counts; the reason is for the log.
    #[error("a claim was refused: {0}")]
    Claim(&'static str),
    /// A claim whose time is not now.
    #[error("a claim is too old or not yet valid")]
    Clock,
    /// A device where a host belongs, or the other way round.
    #[error("not for this kind of caller")]
    Kind,
    /// The body or the path.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A body beyond its limit.
    #[error("a body is too large")]
    TooLarge,
    /// A body that does not arrive.
    #[error("a body did not arrive in time")]
    Slow,
    /// No such push for this caller, or over.
    #[error("the push is not there")]
    Gone,
    /// An admin named something that is not there, or revoked already.
    #[error("no such {0}")]
    Unknown(&'static str),
    /// The same id, another push.
    #[error("another push has this id")]
    Conflict,
    /// A limit.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// No such path.
    #[error("no such path")]
    NoRoute,
    /// Not with this method.
    #[error("not with this method")]
    NoMethod,
    /// The gateway shuts down.
    #[error("the gateway shuts down")]
    Closing,
    /// The registrar runs apart and cannot be reached now.
    #[error("the registrar is away")]
    Away,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that cannot be.
    #[error("{0}")]
    Internal(&'static str),
}

impl Error {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Claim(_) | Self::Clock => StatusCode::UNAUTHORIZED,
            Self::Kind => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Gone => StatusCode::GONE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRoute | Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Closing | Self::Away => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code for programs.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Claim(_) => ProblemCode::Unauthorized,
            Self::Clock => ProblemCode::Clock,
            Self::Kind => ProblemCode::Forbidden,
            Self::Malformed(_) | Self::TooLarge | Self::Slow | Self::NoRoute | Self::NoMethod => ProblemCode::Malformed,
            Self::Gone | Self::Unknown(_) => ProblemCode::Gone,
            Self::Conflict => ProblemCode::Conflict,
            Self::TooMany(_) => ProblemCode::TooMany,
            Self::Away => ProblemCode::Away,
            Self::Closing | Self::Store(_) | Self::Internal(_) => ProblemCode::Internal,
        }
    }

    /// The words for people.
    pub fn text(&self) -> String {
        match self {
            Self::Claim(_) => "the relay does not know this caller".into(),
            Self::Clock => "the caller's clock is too far from the relay's".into(),
            Self::Kind => "this is not for this kind of caller".into(),
            Self::Malformed(what) => format!("the request is malformed: {what}"),
            Self::TooLarge => "the request is too large".into(),
            Self::Slow => "the request did not arrive in time".into(),
            Self::Gone => "the push is not there, or not any more".into(),
            Self::Unknown(what) => format!("there is no such {what}, or it is revoked already"),
            Self::Conflict => "another push has this id".into(),
            Self::TooMany(what) => format!("too many {what}"),
            Self::NoRoute => "there is nothing here".into(),
            Self::NoMethod => "this path does not know the method".into(),
            Self::Closing => "the relay restarts; try again".into(),
            Self::Away => "the registrar cannot be reached now; pushes and answers go on".into(),
            Self::Store(_) | Self::Internal(_) => "the relay failed; its log says why".into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(_) | Self::Internal(_) => tracing::error!(error = %self, "a request failed"),
            Self::TooMany(_) => tracing::warn!(error = %self, "a request was refused"),
            Self::Claim(_)
            | Self::Clock
            | Self::Kind
            | Self::Malformed(_)
            | Self::TooLarge
            | Self::Slow
            | Self::Gone
            | Self::Unknown(_)
            | Self::Conflict
            | Self::NoRoute
            | Self::NoMethod
            | Self::Away
            | Self::Closing => tracing::debug!(error = %self, "a request was refused"),
        }
        let problem = Problem {
            code: self.code(),
            text: self.text(),
            now: clock::now(),
        };
        (self.status(), Json(problem)).into_response()
    }
}
